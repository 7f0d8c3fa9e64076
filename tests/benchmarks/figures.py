"""Figures held against what they must not exceed, and the one table that shows them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Figure:
    """One measurement. `ratio` is what the bound speaks of; at most or, with `at_least`, at least `bound`."""

    what: str
    measured: str
    against: str
    ratio: float
    bound: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether it keeps its bound."""
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound


def table(figures: Sequence[Figure], machine: str) -> str:
    """The figures in Markdown, with the machine that they were measured on."""
    rows = [
        f"| {each.what} | {each.measured} | {each.against} | {each.ratio:.2f} "
        f"| {'≥' if each.at_least else '≤'} {each.bound:g} | {'yes' if each.holds else 'no'} |"
        for each in figures
    ]
    head = [
        "| what | measured | against | ratio | bound | holds |",
        "| --- | --- | --- | ---: | ---: | --- |",
    ]
    return "\n".join([f"Measured on {machine}.", "", *head, *rows]) + "\n"


def machine() -> str:
    """The day, the Python, and the size of this machine."""
    day = datetime.now(UTC).date().isoformat()
    return f"{day}, Python {platform.python_version()}, {os.cpu_count()} cores, {_memory()}"


def _memory() -> str:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows does not say it so
        return "memory unknown"
    return f"{total / 2**30:.0f} GB of memory"
