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
    _write(sys.stderr, f"llmcompat: {text}\n")


def out(text: str) -> None:
    """Text to standard output; a reader that has gone away, as `head` does, is no error."""
    _write(sys.stdout, text if text.endswith("\n") or not text else f"{text}\n")


def colored(stream: TextIO) -> bool:
    """Whether colour codes may be written: to a terminal that knows them, unless NO_COLOR is set."""
    return not os.environ.get("NO_COLOR") and animated(stream)


def animated(stream: TextIO) -> bool:
    """Whether a line may be written again and again: a terminal, and no CI log that only looks like one."""
    return _is_terminal(stream) and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def width() -> int:
    """Columns for a report: COLUMNS, else the terminal's, and 80 at least."""
    return max(NARROWEST, shutil.get_terminal_size((NARROWEST, 24)).columns)


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
