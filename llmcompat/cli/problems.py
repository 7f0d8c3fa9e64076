"""What goes wrong before or beside a run, as one line that a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Problem(Exception):
    """Nothing can run. The text is one line that names the option or file and the mend."""


def nearest(name: str, known: Iterable[str]) -> str:
    """What to put behind an unknown name: the nearest known ones, or all of them where none is near."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"


def printable(text: str, limit: int = 200) -> str:
    """Text from a command line or a file as part of one line: no control characters, bounded."""
    clean = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def one_line(error: BaseException) -> str | None:
    """The line for an error that a user can mend; None for one that is a defect of this program."""
    if isinstance(error, Problem):
        return str(error)
    # typer's own errors of usage; it has no public name for the class that they share
    if callable(wording := getattr(error, "format_message", None)):
        return printable(str(wording()), 400)
    from pydantic import ValidationError

    from llmcompat.engine.loader import LoadError
    from llmcompat.engine.selection import SelectionError
    from llmcompat.workload import WorkloadError
    from llmcompat.yamlfile import YamlError

    if isinstance(error, (LoadError, SelectionError, WorkloadError, YamlError)):
        return printable(str(error), 1000)
    if isinstance(error, ValidationError) and error.title == "Settings":
        first = error.errors(include_url=False, include_input=False)[0]
        option = str(first["loc"][0]).replace("_", "-")
        return f"--{option}: {first['msg'].replace('Input should', 'should')}"
    return None


def table_or_json(format: str) -> bool:
    """Whether a listing is wanted as JSON. Raises Problem for a format that listings do not have."""
    if format not in ("table", "json"):
        raise Problem(f"--format {printable(format, 40)}: a listing has table and json only")
    return format == "json"
