"""How the mishap of a check or a probe is told: with file and line, in words that cannot break themselves."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Literal

from llmcompat.declare import Check, Probe

_MOST_CHARACTERS = 2000


class Broken(Exception):
    """A probe did not come to its end. The text says where and why, in one line."""


def line_in(file: str, error: BaseException) -> int | None:
    """The innermost line of `file` that an exception passed through; None where it passed through none."""
    lines = [
        number for frame, number in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == file
    ]
    return lines[-1] if lines else None


def told(error: BaseException) -> str:
    """An exception's class and text in one line, whatever its own code does when it is asked for them."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = "its text cannot be read"
    return f"{type(error).__name__}: {text}".removesuffix(": ")[:_MOST_CHARACTERS]


def broke(each: Check | Probe, what: str, line: int | None = None, file: str | None = None) -> str:
    """The reason that stands at a check or a probe that broke; without a `line`, where it is defined."""
    kind: Literal["check", "probe"] = "check" if isinstance(each, Check) else "probe"
    where = f"{Path(file or each.file).name}:{line or each.line}"
    return f"the {kind} itself broke at {where}: {what}"


def broke_with(each: Check | Probe, error: BaseException) -> str:
    """The reason that stands at a check or a probe that raised what it should not."""
    return broke(each, told(error), line_in(each.file, error))
