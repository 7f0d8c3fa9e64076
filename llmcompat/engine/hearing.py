"""What a check says of the evidence: its function is called and, however that ends, there is an outcome."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmcompat.declare import Blocked, Check, Failed, Manual, Skipped, Unanswered, remarks
from llmcompat.engine.broken import broke, broke_with
from llmcompat.engine.evidence import Evidence
from llmcompat.model import Measure, Status
from llmcompat.profiles.schema import Profile
from llmcompat.reply import Exchanges, Replies, Reply
from llmcompat.settings import Settings


@dataclass(frozen=True)
class Outcome:
    """How one check ended on one set of evidence."""

    status: Status
    case: str | None = None
    expected: str | None = None
    seen: str | None = None
    reason: str | None = None
    blocked_by: str | None = None
    exchange: str | None = None
    facts: str | None = None
    """What a person signs, where one decides."""


@dataclass(frozen=True)
class Heard:
    """All that one check said of all rounds."""

    outcomes: tuple[Outcome, ...]
    exchanges: tuple[str, ...] = ()
    """Ids of what it read."""
    notes: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()


class Elsewhere(ABC):
    """What stands for a check's function that is called in another process."""

    def __call__(self, *_: object, **__: object) -> None:
        """Nothing calls it here. Raises TypeError."""
        raise TypeError("this check is judged in another process")

    @abstractmethod
    def hear(self, rounds: Sequence[Evidence], profile: Profile, settings: Settings) -> Heard:
        """What `hear` gives in the process where the check is."""

    @abstractmethod
    def give_up(self) -> None:
        """Let whoever waits in `hear` go at once: nobody wants to know any more."""


def hear(check: Check, rounds: Sequence[Evidence], profile: Profile, settings: Settings) -> Heard:
    """What a check says of each round's evidence; without a round, of none."""
    rounds = rounds or [Evidence({}, {}, Exchanges(()))]
    if isinstance(check.function, Elsewhere):
        return check.function.hear(rounds, profile, settings)
    outcomes: list[Outcome] = []
    exchanges: dict[str, None] = {}
    with remarks() as said:
        for evidence in rounds:
            made, ids = _attempts(check, evidence, profile, settings)
            outcomes.extend(made)
            exchanges |= dict.fromkeys(ids)
    return Heard(tuple(outcomes), tuple(exchanges), tuple(said.notes), tuple(said.measures))


def _attempts(
    check: Check, evidence: Evidence, profile: Profile, settings: Settings
) -> tuple[list[Outcome], list[str]]:
    """Judge one round.

    The wire is judged at every attempt, obedience at the last one only: asking stopped when it was met.
    """
    arguments: dict[str, Any] = {"profile": profile, "settings": settings, "exchanges": evidence.exchanges}
    for name in check.needs:
        if name in arguments:
            continue
        if name not in evidence.replies:
            missing = evidence.unasked.get(name)
            reason = missing.reason if missing else f"{name} was not asked"
            return [Outcome(Status.ERROR, reason=reason, blocked_by=missing.owner if missing else None)], []
        arguments[name] = evidence.replies[name]
    named = {name: arguments[name] for name in check.needs}
    tried = {name: value.attempts for name, value in named.items() if isinstance(value, Reply)}
    count = max((len(attempts) for attempts in tried.values()), default=1)
    numbers = range(count) if check.kind == "wire" else [count - 1]
    outcomes = []
    for number in numbers:
        chosen = {name: attempts[min(number, len(attempts) - 1)] for name, attempts in tried.items()}
        outcomes.append(_run(check, {**named, **chosen}))
    ids = [
        exchange.id
        for value in named.values()
        for reply in (
            value.values() if isinstance(value, Replies) else [value] if isinstance(value, Reply) else []
        )
        for attempt in reply.attempts
        for exchange in attempt.exchanges
    ]
    if "exchanges" in check.needs and any(outcome.status is Status.FAIL for outcome in outcomes):
        ids = [*_culprit(check, named, outcomes), *ids]
    return outcomes, ids


def _culprit(check: Check, named: dict[str, Any], outcomes: list[Outcome]) -> list[str]:
    """The first exchange on which alone a check of all exchanges fails in the same case."""
    case = next(outcome.case for outcome in outcomes if outcome.status is Status.FAIL)
    every: Exchanges = named["exchanges"]
    for reply in every.all:
        outcome = _run(check, {**named, "exchanges": Exchanges([reply])})
        if outcome.status is Status.FAIL and outcome.case == case:
            return [reply.exchange.id]
    return []


def _run(check: Check, arguments: Mapping[str, Any]) -> Outcome:
    try:
        returned: object = check.function(**arguments)  # type: ignore[func-returns-value]
    except Failed as end:
        return Outcome(Status.FAIL, end.case, end.expected, end.seen, exchange=end.exchange)
    except Skipped as end:
        return Outcome(Status.SKIP, reason=end.reason)
    except Blocked as end:
        # an owner that cannot read what it owns has nobody to point to
        return Outcome(
            Status.ERROR, reason=end.reason, blocked_by=end.owner if end.owner != check.id else None
        )
    except Unanswered as end:
        return Outcome(Status.ERROR, reason=end.reason)
    except Manual as end:
        return Outcome(Status.MANUAL, seen=end.shown, facts=end.facts)
    except (Exception, SystemExit) as error:
        return Outcome(Status.ERROR, reason=broke_with(check, error))
    if returned is not None:
        # `return False` and `async def` mean to judge and would always pass
        if inspect.iscoroutine(returned):
            returned.close()
        kind = type(returned).__name__
        return Outcome(
            Status.ERROR, reason=broke(check, f"it returned a {kind}; end with fail(…) or return nothing")
        )
    return Outcome(Status.PASS)
