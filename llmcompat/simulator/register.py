"""The register of named faults: what the simulator can show, and where each fault takes hold."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

Hook = Callable[..., Any]
_Function = TypeVar("_Function", bound=Hook)

STAGES = ("request", "guard", "pardon", "answer", "body", "chunks", "frames", "events", "error", "reply")
"""Where a fault can take hold, in the order in which a request passes.

request(context): change the request before it is checked. guard(context): raise ApiError.
pardon(context, error): true to let a wrong request pass. answer(context, answer): change the answer
before it is written. body(context, body), chunks(context, chunks): change the JSON, or return other.
frames(context, frames): change the events of a stream. events(context, events): change the (name, data)
pairs of a Responses stream. error(context, error): change a refusal.
reply(context, reply): change status, headers and bytes.
"""


@dataclass
class Fault:
    """A deviation with a name. `level` is "should" where the bytes are legal yet have broken somebody."""

    name: str
    summary: str
    area: str
    catalogue: tuple[str, ...] = ()
    level: str = "must"
    hooks: dict[str, Hook] = field(default_factory=dict)


FAULTS: dict[str, Fault] = {}
"""Deviations, by name."""

HARMLESS: dict[str, Fault] = {}
"""Legal varieties, by name: no `must` may fail on any of them."""


class Declared:
    """A declared fault, to which hooks are added: `@declared.at("body")`."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault

    def at(self, stage: str) -> Callable[[_Function], _Function]:
        """Register the decorated function at a stage."""
        if stage not in STAGES:
            raise ValueError(f"unknown stage {stage!r}")

        def register(function: _Function) -> _Function:
            self._fault.hooks[stage] = function
            return function

        return register


def declare(
    name: str,
    area: str,
    summary: str,
    *,
    also: tuple[str, ...] = (),
    level: str = "must",
    operational: bool = False,
) -> Declared:
    """Add a fault to the register; `operational` ones are troubles of running, in no catalogue."""
    fault = Fault(name, summary, area, () if operational else (name, *also), level)
    FAULTS[name] = fault
    return Declared(fault)


def harmless(name: str, area: str, summary: str) -> Declared:
    """Add a legal variety to the register."""
    fault = Fault(name, summary, area, (), "may")
    HARMLESS[name] = fault
    return Declared(fault)


def chosen(names: Iterable[str | Fault]) -> list[Fault]:
    """The faults and harmless varieties of these names; a fault stands for itself.

    Raises ValueError that names the nearest known one.
    """
    known = {**HARMLESS, **FAULTS}
    found = []
    for name in names:
        if isinstance(name, Fault):
            found.append(name)
            continue
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
            raise ValueError(f"unknown fault {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
        found.append(known[name])
    return found
