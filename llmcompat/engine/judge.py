"""Putting checks before the evidence: pure, with no request, no clock and no chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from llmcompat.catalogue import told_by
from llmcompat.clients import breaks, measured_ok
from llmcompat.declare import Check
from llmcompat.engine.decisions import facts_hash
from llmcompat.engine.evidence import Evidence
from llmcompat.engine.hearing import Heard, Outcome, hear
from llmcompat.engine.loader import Checklist
from llmcompat.engine.summary import summary
from llmcompat.model import Known, Level, Result, Status, Target, UseCase
from llmcompat.profiles.schema import Profile
from llmcompat.settings import Settings

MAX_TEXT = 4000
"""Characters of what a check saw that are kept in its result."""

_BUILT_IN = "http://127.0.0.1/v1"


@dataclass(frozen=True)
class ManualLine:
    """A line that a person decides, as it stands without a run."""

    check: Check
    facts: str
    shown: str
    """The facts and what is known beside them."""
    hash: str
    """What a signature of it is bound to."""


def level_for(check: Check, settings: Settings, use_case: UseCase) -> Level:
    """How much a failure weighs for a use case: a feature that it does not ask for is never a must."""
    return check.levels[use_case] if settings.asks_for(check.feature, use_case) else Level.SHOULD


def judge(
    selected: Iterable[Check],
    checklist: Checklist,
    rounds: list[Evidence],
    profile: Profile,
    settings: Settings,
    *,
    redact: Callable[[str], str] = lambda text: text,
    unanswered: str | None = None,
) -> list[Result]:
    """Judge the selected checks, and the owners that turn out to block them, in the checklist's order.

    `rounds` holds the evidence of each repetition. With `unanswered` nothing is judged: every check ends
    without an answer for that reason, but for those that a person decides.
    """
    wanted = {check.id: check for check in selected}
    results: dict[str, Result] = {}
    while wanted:
        for check in wanted.values():
            results[check.id] = _judge_one(check, rounds, profile, settings, redact, unanswered)
        owners = {result.blocked_by for result in results.values() if result.blocked_by is not None}
        wanted = {id: checklist.checks[id] for id in owners - results.keys() if id in checklist.checks}
    return [results[id] for id in checklist.checks if id in results]


def manual_lines(
    checks: Iterable[Check], profile: Profile, settings: Settings
) -> tuple[list[ManualLine], dict[str, str]]:
    """The lines among these checks that a person decides, with their facts; nothing is asked for that.

    The second part says of every other manual check, by its id, why it has no facts without a run.
    """
    lines, without = [], {}
    for check in checks:
        if check.kind != "manual":
            continue
        outcome = hear(check, (), profile, settings).outcomes[0]
        if outcome.status is Status.MANUAL and outcome.facts is not None:
            bound = facts_hash(signed_target(profile, settings), check.id, outcome.facts)
            lines.append(ManualLine(check, outcome.facts, outcome.seen or outcome.facts, bound))
        else:
            without[check.id] = outcome.reason or f"it ends with {outcome.status.value} by itself"
    return lines, without


def signed_target(profile: Profile, settings: Settings) -> Target:
    """What signatures are bound to: the endpoint that is meant, also where a simulation stands for it."""
    base_url = settings.base_url
    if settings.simulated and profile.base_url is not None:
        base_url = profile.base_url
    elif profile.kind == "demo" and profile.base_url is None and settings.loopback:
        base_url = _BUILT_IN  # its port is another one in every run
    return Target(settings.provider, base_url, settings.model, role=settings.role)


def skipped(check: Check, reason: str, settings: Settings, *, asked: bool = True) -> Result:
    """The result of a check that the user set aside, or with `asked` False did not ask for."""
    return replace(_result(check, settings, Outcome(Status.SKIP, reason=reason)), asked=asked)


def wilson(held: int, judged: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927), from 0 to 1."""
    if judged == 0:
        return 0.0, 1.0
    z, rate = 1.959964, held / judged
    middle = (rate + z * z / (2 * judged)) / (1 + z * z / judged)
    half = z / (1 + z * z / judged) * math.sqrt(rate * (1 - rate) / judged + z * z / (4 * judged * judged))
    return max(0.0, middle - half), min(1.0, middle + half)


def _judge_one(
    check: Check,
    rounds: list[Evidence],
    profile: Profile,
    settings: Settings,
    redact: Callable[[str], str],
    unanswered: str | None,
) -> Result:
    started = perf_counter()
    if unanswered is not None and check.kind != "manual":
        heard = Heard((Outcome(Status.ERROR, reason=unanswered),))
    else:
        heard = hear(check, rounds, profile, settings)
    outcomes, exchanges = heard.outcomes, heard.exchanges
    outcome = _sum_up(outcomes)
    facts: dict[str, Any] = {
        measure.name: {"value": measure.value, "unit": measure.unit} for measure in heard.measures
    }
    judged = [each for each in outcomes if each.status in (Status.PASS, Status.FAIL)]
    held = sum(each.status is Status.PASS for each in judged)
    if settings.repeat > 1 and judged:
        low, high = wilson(held, len(judged))
        facts["rate"] = {
            "value": round(held / len(judged), 4),
            "unit": "",
            "low": round(low, 4),
            "high": round(high, 4),
        }
    result = _result(check, settings, outcome)
    lowered, unmeasured = _for_clients(result, settings)
    return replace(
        result,
        level=lowered[settings.use_case.value],
        levels=lowered,
        sent=_bounded(_sent(outcome, exchanges, rounds), redact),
        expected=_bounded(outcome.expected, redact),
        seen=_bounded(outcome.seen, redact),
        reason=_bounded(outcome.reason, redact),
        known=_known(check, outcome, profile),
        sources=_sources(check, outcome),
        breaks=breaks(check.id, outcome.case) if outcome.status is Status.FAIL else (),
        facts_hash=None
        if outcome.facts is None
        else facts_hash(signed_target(profile, settings), check.id, outcome.facts),
        attempts=(held, len(judged)) if len(judged) > 1 else None,
        notes=tuple(filter(None, (_bounded(note, redact) for note in [*heard.notes, *unmeasured]))),
        facts=facts,
        exchanges=exchanges,
        seconds=perf_counter() - started,
    )


def _for_clients(result: Result, settings: Settings) -> tuple[Mapping[str, Level], list[str]]:
    """The levels for the clients that the user named, and what is not known of them.

    A failure weighs less only where every named client was measured to come through this very deviation.
    """
    if not settings.clients or result.status is not Status.FAIL:
        return result.levels, []
    known = {client: measured_ok(result.id, result.case, client) for client in settings.clients}
    unmeasured = [client for client, came_through in known.items() if came_through is None]
    if all(known.values()):
        return dict.fromkeys(result.levels, Level.SHOULD), [
            f"{', '.join(known)} came through this when measured"
        ]
    return result.levels, [f"not measured with {', '.join(unmeasured)}"] if unmeasured else []


def _sent(outcome: Outcome, exchanges: Sequence[str], rounds: list[Evidence]) -> str | None:
    """The request behind a failure: the one that the check named, else the first that it read."""
    shown = outcome.exchange or (exchanges[0] if exchanges else None)
    if outcome.status is not Status.FAIL or shown is None:
        return None
    found = (reply for evidence in rounds for reply in evidence.exchanges.all if reply.exchange.id == shown)
    reply = next(found, None)
    return summary(reply.exchange) if reply is not None else None


def _sum_up(outcomes: Sequence[Outcome]) -> Outcome:
    """One outcome of several: a failure wins, then a pass, then whatever came last."""
    for status in (Status.FAIL, Status.PASS):
        for outcome in outcomes:
            if outcome.status is status:
                return outcome
    return outcomes[-1]


def _result(check: Check, settings: Settings, outcome: Outcome) -> Result:
    return Result(
        id=check.id,
        item=check.item,
        title=check.title,
        kind=check.kind,
        status=outcome.status,
        level=level_for(check, settings, settings.use_case),
        levels={use_case.value: level_for(check, settings, use_case) for use_case in UseCase},
        why=check.why,
        fix=check.fix,
        case=outcome.case,
        expected=outcome.expected,
        seen=outcome.seen,
        reason=outcome.reason,
        blocked_by=outcome.blocked_by,
    )


def _known(check: Check, outcome: Outcome, profile: Profile) -> Known | None:
    if outcome.status is not Status.FAIL:
        return None
    for deviation in profile.deviations:
        same = any(line.check == check.id and line.case in (None, outcome.case) for line in deviation.lines)
        if deviation.status != "fixed" and (
            same or (outcome.case is not None and deviation.catalogue == outcome.case)
        ):
            source = deviation.sources[0] if deviation.sources else ""
            return Known(source, deviation.as_of.isoformat() if deviation.as_of else "", deviation.summary)
    return None


def _sources(check: Check, outcome: Outcome) -> tuple[str, ...]:
    """Where a deviation was met before; the first few, as they stand in the catalogue."""
    if outcome.status is not Status.FAIL or outcome.case is None:
        return ()
    told = (deviation for deviation in told_by(check.id) if deviation.case == outcome.case)
    return next((deviation.sources[:3] for deviation in told), ())


def _bounded(text: str | None, redact: Callable[[str], str]) -> str | None:
    if text is None:
        return None
    text = redact(text)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text)} characters)"
