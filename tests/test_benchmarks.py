"""The benchmarks' table, on made-up figures: nothing is timed here."""

import pytest

from tests.benchmarks.__main__ import PARTS, main
from tests.benchmarks.figures import Figure, machine, table


def test_the_table_says_which_bounds_hold() -> None:
    told = table(
        [Figure("start", "110 ms", "100 ms", 1.1, 1.3), Figure("rate", "90 MB/s", "100 MB/s", 0.9, 1, True)],
        "a machine",
    )
    assert told.splitlines() == [
        "Measured on a machine.",
        "",
        "| what | measured | against | ratio | bound | holds |",
        "| --- | --- | --- | ---: | ---: | --- |",
        "| start | 110 ms | 100 ms | 1.10 | ≤ 1.3 | yes |",
        "| rate | 90 MB/s | 100 MB/s | 0.90 | ≥ 1 | no |",
    ]


def test_the_machine_is_told_by_day_python_and_size() -> None:
    told = machine()
    assert told.startswith("20")
    assert all(word in told for word in ("Python 3.", "cores", "memory"))


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert PARTS[0] in capsys.readouterr().err
