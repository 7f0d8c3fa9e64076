"""Reads which client, at which version, came through which deviation; keyed by (check id, case)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import yaml

from llmcompat.model import ClientOutcome

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ClientInfo:
    """A client, or one way of using it, at the version that the facts are about."""

    id: str
    name: str
    """Its package, as its registry has it."""
    version: str
    language: str
    mode: str
    """Which of its calls the facts are about."""
    measured: bool
    """It was run; otherwise its source was read."""


@dataclass(frozen=True, slots=True)
class _Facts:
    clients: Mapping[str, ClientInfo]
    measured: Mapping[Key, tuple[ClientOutcome, ...]]
    read: Mapping[Key, tuple[ClientOutcome, ...]]
    varying: frozenset[Key]


def clients() -> Mapping[str, ClientInfo]:
    """Every client that facts are known of, by its id."""
    return _facts().clients


def breaks(check: str, case: str | None, *, measured: bool = True) -> tuple[ClientOutcome, ...]:
    """What each client did with a deviation, those that raise first, those that came through last.

    Empty where nobody measured it. A client whose outcome depends on the value within the case is left out,
    and with it those that came through, so that nobody reads that all did. With `measured=False` it is what
    clients do by their source, none of which was run.
    """
    if case is None:
        return ()
    facts = _facts()
    found = (facts.measured if measured else facts.read).get((check, case), ())
    if measured and (check, case) in facts.varying:
        return tuple(each for each in found if each.outcome != "ok")
    return found


def measured_ok(check: str, case: str | None, client: str) -> bool | None:
    """Whether a client, by its id, came through a deviation when measured; None where that is not known."""
    if case is None:
        return None
    found = _facts().measured.get((check, case), ())
    return next((each.outcome == "ok" for each in found if each.client == client), None)


@cache
def _facts() -> _Facts:
    text = (files("llmcompat.clients") / "data" / "clients.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    known = {id: ClientInfo(id=id, **entry) for id, entry in data["clients"].items()}
    measured, read = {}, {}
    for fact in data["facts"]:
        key = (fact["check"], fact["case"])
        came_through = dict.fromkeys(fact.get("ok", ()), "ok")
        measured[key] = _outcomes(known, {**fact.get("outcomes", {}), **came_through})
        read[key] = _outcomes(known, fact.get("read", {}))
    varying = frozenset((fact["check"], fact["case"]) for fact in data["facts"] if "varies" in fact)
    return _Facts(MappingProxyType(known), measured, read, varying)


def _outcomes(known: Mapping[str, ClientInfo], by_client: Mapping[str, Any]) -> tuple[ClientOutcome, ...]:
    found = [ClientOutcome(id, known[id].version, outcome) for id, outcome in by_client.items()]
    return tuple(sorted(found, key=lambda each: ("raises", "differs", "ok").index(each.outcome)))
