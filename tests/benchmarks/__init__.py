"""What the tool costs, measured against what it must not exceed: `python -m tests.benchmarks`.

No figure is asserted anywhere: a machine under load is no defect. Nothing here is collected by pytest.
"""
