"""One run of a target from several, each of which asked another part of the checklist."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from llmcompat.model import Ask, Exchange, Result, Spend, TargetRun, Unasked

_MAY_DIFFER = frozenset(
    {
        "balance_floor",
        "base_url",  # of a simulation, whose port is another in every run; any other one tells targets apart
        "concurrency",
        "deadline",
        "live",
        "max_tokens",
        "max_usd",
        "monthly_usd",
        "only",
        "pricing",
        "signatures",
        "timeout",
    }
)
"""Settings that say how a run went about its work, not what was asked and how it weighs."""


class ShardError(Exception):
    """Runs of one target that are not parts of one run. One line that says why."""


def same_target(run: TargetRun) -> tuple[object, ...]:
    """What is equal for runs of one target."""
    target = run.target
    where = None if run.simulated else target.base_url
    return target.provider, where, target.model, target.role, run.simulated


def joined(shards: Sequence[TargetRun]) -> TargetRun:
    """The shards as one run, to be judged again.

    It holds all their checks. What more than one of them asked (the preflight and the basics at least)
    counts as the first of them brought it; the exchanges are numbered anew, and all are kept. Raises
    ShardError where the settings, the basics, the seed or the profile differ, where a shard was held against
    another run, and where a check that two shards judged did not end alike in both.
    """
    first = shards[0]
    for other in shards[1:]:
        _refuse_unlike(first, other)
    exchanges: list[Exchange] = []
    asks: list[Ask] = []
    unasked: dict[str, Unasked] = {}
    checks: dict[str, Result] = {}
    for shard in shards:
        if shard.reference is not None:
            raise ShardError(
                "one was held against another run; merge them without, then use judge --baseline"
            )
        number = {exchange.id: f"e{len(exchanges) + n}" for n, exchange in enumerate(shard.exchanges, 1)}
        exchanges += [replace(exchange, id=number[exchange.id]) for exchange in shard.exchanges]
        before = {ask.probe for ask in asks}
        asks += [
            replace(ask, exchanges=tuple(number[id] for id in ask.exchanges))
            for ask in shard.asks
            if ask.probe not in before
        ]
        unasked |= {name: why for name, why in shard.unasked.items() if name not in unasked}
        for result in shard.checks:
            known = checks.setdefault(result.id, result)
            if (known.status, known.case) != (result.status, result.case):
                raise ShardError(
                    f"{result.id} ended in two ways ({_ending(known)}, {_ending(result)}); "
                    "leave out the run that does not count"
                )
    asked = {ask.probe for ask in asks}
    whole = any(not shard.settings.get("only") for shard in shards)
    only = [] if whole else [name for shard in shards for name in shard.settings["only"]]
    return replace(
        first,
        exit_code=max(shard.exit_code for shard in shards),
        settings={**first.settings, "only": list(dict.fromkeys(only))},
        started_at=min(shard.started_at for shard in shards),
        seconds=max(shard.seconds for shard in shards),
        spend=_sum([shard.spend for shard in shards]),
        checks=tuple(checks.values()),
        exchanges=tuple(exchanges),
        asks=tuple(asks),
        unasked={name: why for name, why in unasked.items() if name not in asked or why.cut},
        stopped=next((shard.stopped for shard in shards if shard.stopped is not None), None),
    )


def _refuse_unlike(first: TargetRun, other: TargetRun) -> None:
    differing = _differing(first.settings, other.settings)
    if differing is not None:
        raise ShardError(f"settings.{differing} differs; shards differ in --only alone")
    if first.basics != other.basics:
        raise ShardError("the endpoint took other basics in one than in the other; run both again")
    if first.seed != other.seed:
        raise ShardError("they have different seeds")
    if first.profile.get("document") != other.profile.get("document"):
        raise ShardError("they were made with different profiles")


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    names = sorted((one.keys() | other.keys()) - _MAY_DIFFER)
    return next((name for name in names if one.get(name) != other.get(name)), None)


def _ending(result: Result) -> str:
    return f"{result.status.value}: {result.case}" if result.case else result.status.value


def _sum(spends: Sequence[Spend]) -> Spend:
    known = [spend.usd for spend in spends if spend.usd is not None]
    return Spend(
        requests=sum(spend.requests for spend in spends),
        prompt_tokens=sum(spend.prompt_tokens for spend in spends),
        completion_tokens=sum(spend.completion_tokens for spend in spends),
        usd=sum(known) if len(known) == len(spends) else None,
        held_back=sum(spend.held_back for spend in spends),
    )
