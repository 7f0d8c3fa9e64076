"""Where text goes: results to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
from typing import TextIO

NARROWEST = 80
"""Columns that a report gets at least, however narrow the terminal says that it is."""


def prepare() -> None:
    """Write `?` for what a stream's encoding does not have (a Windows console may lack ✓)."""
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            with contextlib.suppress(ValueError, OSError):
                reconfigure(errors="replace")


def say(text: str) -> None:
    """One line to standard error."""
    _write(sys.stderr, f"llmcompat: {_unobeyed(text)}\n")


def out(text: str, *, obeyed: bool = False) -> None:
    """Text to standard output; a reader that has gone away, as `head` does, is no error.

    With `obeyed` commands to the runner of GitHub Actions may stand in it; else it finds none.
    """
    text = text if obeyed else _unobeyed(text)
    _write(sys.stdout, text if text.endswith("\n") or not text else f"{text}\n")


def colored(stream: TextIO) -> bool:
    """Whether colour codes may be written: to a terminal that knows them, or where the user forces them.

    NO_COLOR goes before FORCE_COLOR and CLICOLOR_FORCE; an empty one counts as not set, and 0 forces nothing.
    """
    if os.environ.get("NO_COLOR"):
        return False
    forced = [os.environ.get(name) for name in ("FORCE_COLOR", "CLICOLOR_FORCE")]
    return any(value not in (None, "", "0") for value in forced) or animated(stream)


def animated(stream: TextIO) -> bool:
    """Whether a line may be written again and again: a terminal, and no CI log that only looks like one."""
    return _is_terminal(stream) and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def in_actions() -> bool:
    """Whether the runner of GitHub Actions reads what is written, and obeys some of it."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def width() -> int:
    """Columns for a report: COLUMNS, else the terminal's, and 80 at least."""
    return max(NARROWEST, shutil.get_terminal_size((NARROWEST, 24)).columns)


def _unobeyed(text: str) -> str:
    """The text, in which the runner of GitHub Actions obeys nothing; a JSON document stays the same one."""
    if not in_actions():
        return text
    from llmcompat.reports.escape import github_json, github_log

    return github_log(github_json(text) if text.startswith(("{", "[")) else text)


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # closed
        return False


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except (BrokenPipeError, ValueError):
        _discard(stream)
    except OSError as error:
        # Windows tells of a closed pipe as EINVAL
        if error.errno not in (errno.EPIPE, errno.EINVAL):
            raise
        _discard(stream)


def _discard(stream: TextIO) -> None:
    """Lead the stream nowhere, so that flushing it at exit does not complain again."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
