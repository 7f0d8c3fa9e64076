"""From what a run brought to what it says: judgement, people's decisions, the reference run, verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from llmcompat.declare import Check
from llmcompat.engine.application import beyond_limits, unchecked_calls
from llmcompat.engine.decide import Exit, exit_code, verdict
from llmcompat.engine.decisions import decide_by_people
from llmcompat.engine.evidence import gather_evidence
from llmcompat.engine.ground import DeadEnd
from llmcompat.engine.judge import judge, skipped
from llmcompat.engine.loader import Checklist
from llmcompat.engine.reference import hold_against, set_apart
from llmcompat.engine.selection import GROUND, Selection
from llmcompat.model import (
    Ask,
    Exchange,
    Level,
    Location,
    Reference,
    Result,
    Spend,
    Status,
    Target,
    TargetRun,
    Unasked,
    UseCase,
)
from llmcompat.profiles.schema import Profile
from llmcompat.settings import Settings


@dataclass(frozen=True)
class Brought:
    """What a run brought, before any of it is judged: a live run and a saved one come to the same."""

    asks: Sequence[Ask]
    exchanges: Mapping[str, Exchange]
    unasked: Mapping[str, Unasked]
    stopped: DeadEnd | None
    basics: Mapping[str, Any]
    mode: Mapping[str, Any]
    """What the application sends beside its messages."""
    seed: str
    started_at: str
    """UTC, ISO 8601."""
    seconds: float
    spend: Spend

    @property
    def nothing_asked(self) -> bool:
        """Whether the run ended before anything but the ground was asked, and that came to a dead end."""
        if self.stopped is None or self.stopped.underway:
            return False
        return not any(ask.probe not in GROUND for ask in self.asks)


@dataclass(frozen=True)
class Against:
    """The run that another is held against, judged by the same checks."""

    run: TargetRun
    reference: Reference


def conclude(
    checklist: Checklist,
    selection: Selection,
    settings: Settings,
    profile: Profile,
    brought: Brought,
    *,
    today: date,
    redact: Callable[[str], str],
    redact_value: Callable[[Any], Any] = lambda value: value,
    against: Against | None = None,
    location: Location | None = None,
    kept: Sequence[Result] = (),
) -> TargetRun:
    """Judge what was brought, and decide.

    `today` is the day on which signatures and acceptances must still count. `kept` are results of a saved run
    whose checks are not loaded: they stand as they were.
    """
    judged = _judged(checklist, selection, settings, profile, brought, redact)
    order = {id: position for position, id in enumerate(checklist.checks)}
    results = sorted([*judged, *kept], key=lambda result: order.get(result.id, len(order)))
    target = Target(
        settings.provider, settings.base_url, settings.model, redact_value(brought.mode), settings.role
    )
    decided = decide_by_people(results, settings, target, today)
    results = hold_against(decided.results, against.run) if against else list(decided.results)
    reference = against.reference if against else None
    code = exit_code(
        set_apart(results, reference),
        settings.use_case,
        strict=settings.strict,
        stale=settings.fail_on_stale and bool(decided.stale),
    )
    if brought.stopped is not None and brought.nothing_asked:
        code = Exit(brought.stopped.exit_code)
    elif brought.stopped is not None and code is Exit.COMPATIBLE:
        code = Exit.NO_ANSWER
    return TargetRun(
        target=target,
        use_case=settings.use_case,
        exit_code=int(code),
        verdicts={use_case.value: verdict(results, use_case) for use_case in UseCase},
        open=tuple(_still_open(results, settings, described(profile))),
        settings=redact_value(settings.model_dump(mode="json")),
        basics=brought.basics,
        profile=described(profile),
        seed=brought.seed,
        started_at=brought.started_at,
        seconds=brought.seconds,
        spend=brought.spend,
        checks=tuple(results),
        exchanges=tuple(brought.exchanges.values()),
        asks=tuple(brought.asks),
        unasked=dict(brought.unasked),
        items=tuple((item.name, item.title, item.sentence) for item in checklist.items),
        stopped=brought.stopped.reason if brought.stopped else None,
        simulated=settings.simulated,
        stale=decided.stale,
        lapsed=decided.lapsed,
        reference=reference,
        location=location,
    )


def with_yours(
    run: TargetRun,
    settings: Settings,
    results: Sequence[Result],
    *,
    today: date,
    exchanges: Sequence[Exchange] = (),
    spend: Spend | None = None,
    seconds: float = 0.0,
    stopped: str | None = None,
    against: Against | None = None,
) -> TargetRun:
    """The run with results about the user's own application added, decided anew over all of them.

    `exchanges`, `spend` and `seconds` are what they took beside the run; `stopped` says why they are not all.
    """
    decided = decide_by_people(results, settings, run.target, today)
    added = hold_against(decided.results, against.run) if against else decided.results
    everything = [*run.checks, *added]
    stale = (*run.stale, *decided.stale)
    stopped = run.stopped or stopped
    code = exit_code(
        set_apart(everything, run.reference),
        settings.use_case,
        strict=settings.strict,
        stale=settings.fail_on_stale and bool(stale),
    )
    if stopped is not None and code is Exit.COMPATIBLE:
        code = Exit.NO_ANSWER
    return replace(
        run,
        exit_code=int(code),
        verdicts={use_case.value: verdict(everything, use_case) for use_case in UseCase},
        open=tuple(_still_open(everything, settings, run.profile)),
        seconds=run.seconds + seconds,
        spend=_together(run.spend, spend) if spend else run.spend,
        checks=tuple(everything),
        exchanges=(*run.exchanges, *exchanges),
        stopped=stopped,
        stale=stale,
    )


def _together(one: Spend, other: Spend) -> Spend:
    usd = None if one.usd is None or other.usd is None else one.usd + other.usd
    return Spend(
        requests=one.requests + other.requests,
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        usd=usd,
        held_back=one.held_back + other.held_back,
    )


def _judged(
    checklist: Checklist,
    selection: Selection,
    settings: Settings,
    profile: Profile,
    brought: Brought,
    redact: Callable[[str], str],
) -> list[Result]:
    # a saved run may name probes that are no more, or a user's own that are not loaded
    asks = [ask for ask in brought.asks if ask.probe in checklist.probes]
    rounds = [
        gather_evidence(checklist.probes, asks, brought.exchanges, brought.unasked, round)
        for round in range(1, settings.repeat + 1)
    ]
    unanswered = brought.stopped.reason if brought.stopped and brought.nothing_asked else None
    results = judge(
        selection.checks, checklist, rounds, profile, settings, redact=redact, unanswered=unanswered
    )
    aside: Mapping[str, Check] = {id: checklist.checks[id] for id in selection.skipped}
    results += [
        skipped(check, selection.skipped[id], settings, asked=id not in selection.unasked)
        for id, check in aside.items()
        if id not in {result.id for result in results}
    ]
    return results


def described(profile: Profile) -> dict[str, Any]:
    """What a run says of its profile, and the profile itself: a saved run is judged with the facts it saw."""
    window = profile.limits.context_window
    return {
        "name": profile.name,
        "display_name": profile.display_name,
        "base_url": profile.base_url,
        "kind": profile.kind,
        "key_variable": profile.key_variable,
        "verified_live": profile.verified_live.isoformat() if profile.verified_live else None,
        "pages": profile.pages.model_dump(mode="json", exclude_none=True),
        "context_window": window.value if window else None,
        "document": profile.model_dump(mode="json", exclude_defaults=True),
    }


_JUDGED = (Status.PASS, Status.FAIL)

_YOURS = {
    "prompts": "prompts",
    "long-prompts": "long prompts",
    "tools": "tool calls",
    "json-outputs": "JSON outputs",
    "streaming": "streaming parser",
    "retries": "retry logic",
    "billing": "billing alerts",
}
"""The guide's seven lines, as the application's own part of each is called."""


def _still_open(results: list[Result], settings: Settings, profile: Mapping[str, Any]) -> Iterator[str]:
    """What stands between this run and "ready": nothing here says anything of the user's own code."""
    if settings.simulated:
        yield "the endpoint itself was not asked: all of this is documented, not measured"
    tested = {result.item for result in results if result.side == "yours" and result.status in _JUDGED}
    untested = [words for item, words in _YOURS.items() if item not in tested]
    if untested:
        yield f"yours, not tested: {', '.join(untested)}"
    known = settings.model_dump(mode="json")
    if unchecked := unchecked_calls(known):
        yield f"your application calls, not checked: {', '.join(unchecked)}"
    yield from beyond_limits(known, profile)
    unsigned = [result for result in results if result.kind == "manual" and result.signature is None]
    manual = sum(result.status in (Status.MANUAL, Status.ERROR) for result in unsigned)
    if manual:
        yield f"{manual} manual lines wait for a person"
    musts = [
        result
        for result in results
        if result.level is Level.MUST and result.kind != "manual" and not result.accepted
    ]
    unknown = sum(result.status is Status.ERROR for result in musts)
    if unknown:
        yield f"{unknown} of {len(musts)} musts unanswered"
