"""Writing reports to files: each whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llmcompat.cli.files import reason, write_atomically
from llmcompat.cli.problems import Problem, nearest, printable
from llmcompat.model import Run
from llmcompat.reports import FORMATS, SUFFIXES

_WITH_EVIDENCE = ("json", "html", "markdown")
"""Formats that hold requests and answers whole: readable by the owner only, where the system knows owners."""


@dataclass(frozen=True)
class Export:
    """One file to write."""

    format: str
    path: Path


def parse_format(name: str, option: str = "--format") -> str:
    """The format of this name. Raises Problem."""
    if name not in FORMATS:
        raise Problem(f"{option} {printable(name, 40)}: no such format; {nearest(name, FORMATS)}")
    return name


def parse_exports(texts: Iterable[str]) -> list[Export]:
    """What `--export PATH` and `--export FORMAT:PATH` ask for. Raises Problem."""
    found = []
    for text in texts:
        name, colon, rest = text.partition(":")
        given = bool(colon) and name in FORMATS
        path = rest if given else text
        if not path.strip():
            raise Problem("--export: give a path, such as --export run.json")
        if path == "-":
            raise Problem("--export -: for standard output use --format")
        suffix = Path(path).suffix.lower()
        if not given and suffix not in SUFFIXES:
            endings = ", ".join(SUFFIXES)
            raise Problem(
                f"--export {printable(text)}: the format is not known by its ending ({endings}); "
                f"write FORMAT:PATH with one of {', '.join(FORMATS)}"
            )
        found.append(Export(name if given else SUFFIXES[suffix], Path(path)))
    return found


def write_exports(exports: Iterable[Export], run: Run) -> list[str]:
    """Write the reports; a line for each that could not be written, the others are written all the same."""
    problems = []
    for export in exports:
        try:
            private = export.format in _WITH_EVIDENCE
            write_atomically(export.path, FORMATS[export.format](run), private=private)
        except (OSError, ValueError) as error:
            problems.append(f"--export {printable(str(export.path))}: not written: {reason(error)}")
    return problems
