"""What the program's first moments cost beside the import that no Typer program goes without."""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import spent_by_children

PLAIN = ("-c", "import typer, rich.console")
WAYS = {"--version": ("-m", "llmcompat", "--version"), "--help": ("-m", "llmcompat", "--help")}


def seconds(arguments: tuple[str, ...]) -> float:
    """CPU seconds of one start."""
    before = spent_by_children()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return spent_by_children() - before


def figures(pairs: int = 12) -> list[Figure]:
    """Each start beside a plain one that ran right before it; the median of the ratios."""
    found = []
    for name, arguments in WAYS.items():
        both = [(seconds(PLAIN), seconds(arguments)) for _ in range(pairs)]
        plain, ours = (median(each) for each in zip(*both, strict=True))
        found.append(
            Figure(
                f"start: `llmcompat {name}`",
                f"{1000 * ours:.0f} ms",
                f"{1000 * plain:.0f} ms to import typer and rich.console",
                median(our / one for one, our in both),
                1.3,
            )
        )
    return found
