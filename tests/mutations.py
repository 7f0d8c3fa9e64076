"""Single changes to a good answer, each with what clients were measured to make of it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

ALIASES = {
    "choice": "choices.*",
    "message": "choices.*.message",
    "call": "choices.*.message.tool_calls.*",
    "entry": "data.*",
}
"""Short first steps of a path; a step of `*` means every element of a list."""


@dataclass(frozen=True)
class Wire:
    """An answer whose change lies not in its JSON: its bytes as they came, and how."""

    body: bytes
    content_type: str | None = "text/event-stream"
    ended: str = "complete"
    in_single_bytes: bool = False


@dataclass(frozen=True)
class Mutation:
    """One change.

    `area` names the good answer that it is made to. `line` is the failing check with its case that tells of
    it, which client facts are keyed by; None where none need fail. `harmful`: at least one client that was
    measured raised, or gave another result. `contract` says why the contract has it otherwise: why a harmful
    change fails no `must`, or a harmless one does.
    """

    area: str
    name: str
    change: Callable[[Any], Any]
    line: tuple[str, str] | None
    harmful: bool
    contract: str = ""


def harmful(area: str, name: str, change: Callable[[Any], Any], line: str) -> Mutation:
    """A change that some client did not come through; `line` is written check/case."""
    return Mutation(area, name, change, _line(line), True)


def harmless(area: str, name: str, change: Callable[[Any], Any], line: str | None = None) -> Mutation:
    """A change that every measured client came through, told by a warning at most."""
    return Mutation(area, name, change, _line(line), False)


def legal(area: str, name: str, change: Callable[[Any], Any], why: str) -> Mutation:
    """A change that some client did not come through, and that the contract allows all the same."""
    return Mutation(area, name, change, None, True, why)


def strict(area: str, name: str, change: Callable[[Any], Any], why: str, line: str) -> Mutation:
    """A change that every measured client came through, and that the contract forbids all the same."""
    return Mutation(area, name, change, _line(line), False, why)


def field(area: str, path: str, value: Any, line: str | None = None) -> Mutation:
    """A field that is set to a value, or is absent where that is `...`; harmful where a line is given."""
    name = f"{path} is {'absent' if value is ... else json.dumps(value)}"
    return Mutation(area, name, put(path, value), _line(line), line is not None)


def put(path: str, value: Any) -> Callable[[Any], Any]:
    """A copy of a document with the value at a dotted path, or without it where the value is `...`."""
    first, dot, rest = path.partition(".")
    steps = (ALIASES.get(first, first) + dot + rest).split(".") if dot or first in ALIASES else [path]

    def change(document: Any) -> Any:
        document = copy.deepcopy(document)
        for holder in _holders(document, steps[:-1]):
            if value is ...:
                holder.pop(steps[-1], None)
            else:
                holder[steps[-1]] = copy.deepcopy(value)
        return document

    return change


def _holders(value: Any, steps: list[str]) -> Iterable[dict[str, Any]]:
    if not steps:
        if isinstance(value, dict):
            yield value
        return
    inner = value if steps[0] == "*" else [value.get(steps[0])] if isinstance(value, dict) else []
    for part in inner or []:
        yield from _holders(part, steps[1:])


def _line(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    check, _, case = text.partition("/")
    return check, case
