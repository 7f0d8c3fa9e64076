"""`python -m tests.benchmarks [NAME…]`: one table of all figures, or of those of the named parts."""

from __future__ import annotations

import sys
from importlib import import_module

from tests.benchmarks.figures import Figure, machine, table

PARTS = ("startup", "event_parser", "judging", "requests_cpu", "whole_run", "fleet", "money")


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"no benchmark is named {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    found: list[Figure] = []
    for name in names or PARTS:
        print(f"measuring {name} …", file=sys.stderr)
        found += import_module(f"tests.benchmarks.{name}").figures()
    print(table(found, machine()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
