"""Loading checks, running probes, judging what they brought, and deciding what it means.

Nothing in here prints.
"""
