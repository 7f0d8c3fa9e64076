"""What a probe and a check are, and the few ways in which a check can end.

A probe asks the endpoint and judges nothing; a check judges what probes brought and asks nothing. Both are
plain functions whose parameters name what they need, as a pytest test names its fixtures. Decorating
registers nothing: the loader finds the decorated objects in the files of a folder.

The module is not named `check` because `from llmcompat import check` must give the decorator, and a submodule
of that name would take its place as soon as it is imported.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NoReturn, overload

from llmcompat.model import Kind, Level, Measure, UseCase

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""Ids and cases: readable, stable, and safe in a file name, an XML attribute or a shell word."""


class Ending(Exception):
    """A check has ended. Returning normally is a pass; everything else is one of these."""


class Failed(Ending):
    """The endpoint deviates, or does not offer what is asked for."""

    def __init__(self, seen: str, expected: str, case: str | None, exchange: str | None = None) -> None:
        super().__init__(seen)
        self.exchange = exchange
        self.seen = seen
        self.expected = expected
        self.case = case


class Skipped(Ending):
    """The user said that this does not apply, or named nothing to ask it of."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unanswered(Ending):
    """There is no answer to judge; this says nothing about the endpoint."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Blocked(Unanswered):
    """What this check reads is not there, and the check `owner` is the one that says so."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"blocked by {owner}")
        self.owner = owner


class Manual(Ending):
    """A person must decide; `facts` is what is known for the decision, `beside` what is only shown."""

    def __init__(self, facts: str, beside: str = "") -> None:
        super().__init__(facts)
        self.facts = facts
        self.beside = beside

    @property
    def shown(self) -> str:
        """Both in one line."""
        return " | ".join(part for part in (self.facts, self.beside) if part)


def fail(seen: object, *, expected: str, case: str | None = None, exchange: str | None = None) -> NoReturn:
    """End the check: the endpoint deviates.

    `seen` is shown as it is when it is text and as JSON or repr otherwise. `case` is a slug that names which
    of this check's deviations was met: baselines, accepted deviations and client facts key on (id, case), so
    it stays for ever. `exchange` is the id of the one that shows it, where a check reads several.
    """
    if case is not None and not SLUG.fullmatch(case):
        raise ValueError(f"case {case!r} is not a slug")
    raise Failed(show(seen), expected, case, exchange)


def skip(reason: str) -> NoReturn:
    """End the check: it does not apply, because the user said so or named nothing to ask it of."""
    raise Skipped(reason)


def unanswered(reason: str) -> NoReturn:
    """End the check without a verdict: what was needed to judge never came."""
    raise Unanswered(reason)


def blocked(owner: str) -> NoReturn:
    """End the check without a verdict: the check `owner` says what is missing."""
    raise Blocked(owner)


def manual(facts: str, *, beside: str = "") -> NoReturn:
    """End the check: a person must decide, with these facts in hand.

    A signature is bound to `facts` and lapses when they change, so they hold only what is the same in every
    run: what is published, and the user's own settings. What this run saw and what the day adds (an address
    on this machine, "more than 90 days old") goes into `beside`, which is shown and not signed.
    """
    raise Manual(facts, beside)


def show(value: object) -> str:
    """A value as evidence: text as it is, data as JSON, anything else as its repr."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, (bool, int, float, list, dict, tuple)):
        import json

        try:
            return json.dumps(value, ensure_ascii=False, default=repr)
        except (ValueError, RecursionError):
            return repr(value)
    return repr(value)


@dataclass
class Remarks:
    """What a check said beside its outcome while it judged."""

    notes: list[str] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)


_remarks: ContextVar[Remarks | None] = ContextVar("remarks", default=None)


@contextmanager
def remarks() -> Iterator[Remarks]:
    """Collect the notes and measures of the check that runs inside."""
    collected = Remarks()
    token = _remarks.set(collected)
    try:
        yield collected
    finally:
        _remarks.reset(token)


def note(text: str) -> None:
    """Add a fact to the result. It never changes the outcome."""
    current = _remarks.get()
    if current is not None and text not in current.notes:
        current.notes.append(text)


def measure(name: str, value: float, unit: str) -> None:
    """Add a figure to the result. It never changes the outcome."""
    current = _remarks.get()
    if current is not None:
        current.measures.append(Measure(name, value, unit))


@dataclass(frozen=True)
class Probe:
    """An async function that talks to the endpoint.

    `owner` is the id of the check that fails when the request itself is refused or never answered; every
    other check that reads the answer is then blocked by it. `called` is the owner of "a tool was called".
    `grounds` names the probes whose request is contained in this one: when a ground was refused too, the
    ground's owner is to blame.
    """

    name: str
    function: Callable[..., Awaitable[object]]
    needs: tuple[str, ...]
    owner: str | None
    called: str | None
    grounds: tuple[str, ...]
    quick: bool
    alone: bool
    early: bool
    """It uses nothing of the negotiated basics, so that it need not wait for them."""
    many: bool
    """It asks several things, told apart by `part`: checks receive a mapping."""
    file: str
    line: int


@dataclass(frozen=True)
class Check:
    """One question with one end."""

    id: str
    title: str
    why: str
    fix: str
    kind: Kind
    levels: Mapping[UseCase, Level]
    feature: str | None
    function: Callable[..., None]
    needs: tuple[str, ...]
    file: str
    line: int
    item: str = ""


@overload
def probe(function: Callable[..., Awaitable[object]], /) -> Probe: ...


@overload
def probe(
    *,
    owner: str | None = None,
    called: str | None = None,
    grounds: Iterable[str] = (),
    quick: bool = False,
    alone: bool = False,
    early: bool = False,
) -> Callable[[Callable[..., Awaitable[object]]], Probe]: ...


def probe(
    function: Callable[..., Awaitable[object]] | None = None,
    /,
    *,
    owner: str | None = None,
    called: str | None = None,
    grounds: Iterable[str] = (),
    quick: bool = False,
    alone: bool = False,
    early: bool = False,
) -> Probe | Callable[[Callable[..., Awaitable[object]]], Probe]:
    """Make a probe of an async function whose first parameter is the `Api` and whose others name probes.

    `owner`, `called`, `grounds`: see `Probe`. `quick` probes belong to `--quick`. `alone` probes run
    one after the other when all others have ended, so that what they time is not disturbed. `early` probes
    send nothing that the basics shape and do not wait for them. The function returns `Reply` or, when it
    names parts, `Replies`.
    """

    def decorate(function: Callable[..., Awaitable[object]]) -> Probe:
        names = list(inspect.signature(function).parameters)
        returns = str(function.__annotations__.get("return", ""))
        return Probe(
            name=function.__name__,
            function=function,
            needs=tuple(names[1:]),
            owner=owner,
            called=called,
            grounds=tuple(grounds),
            quick=quick,
            alone=alone,
            early=early,
            many="Replies" in returns,
            file=inspect.getsourcefile(function) or "?",
            line=function.__code__.co_firstlineno,
        )

    return decorate if function is None else decorate(function)


def check(
    id: str,
    *,
    fix: str,
    chat: str = "must",
    agent: str = "must",
    trial: str = "should",
    kind: Kind = "wire",
    feature: str | None = None,
) -> Callable[[Callable[..., None]], Check]:
    """Make a check of a plain function whose parameters name what it judges.

    Parameters are probes by name, `exchanges` (all of them), `profile` or `settings`. The docstring's first
    line is the title, the rest is why it matters. `fix` is the mend in the migrating developer's terms.
    `chat`, `agent` and `trial` are the levels for the use cases. A check of a `feature` outside the use case
    is lowered to `should` unless the user names it.
    """

    def decorate(function: Callable[..., None]) -> Check:
        text = inspect.getdoc(function) or ""
        title, _, why = text.partition("\n")
        return Check(
            id=id,
            title=title.strip(),
            why=" ".join(why.split()),
            fix=fix,
            kind=kind,
            levels={UseCase.CHAT: Level(chat), UseCase.AGENT: Level(agent), UseCase.TRIAL: Level(trial)},
            feature=feature,
            function=function,
            needs=tuple(inspect.signature(function).parameters),
            file=inspect.getsourcefile(function) or "?",
            line=function.__code__.co_firstlineno,
        )

    return decorate
