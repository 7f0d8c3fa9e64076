"""What a workload costs at each of several targets: by kind of token, for a request and for a month."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from llmcompat.billing.prices import price_for
from llmcompat.billing.usage import Tokens
from llmcompat.profiles.schema import Profile
from llmcompat.settings import Pricing

KINDS = ("input", "cached", "output", "reasoning")
"""The kinds of tokens that cost: read anew, read from a cache, written as an answer, thought before it."""

_HOURS_A_WEEK = 7 * 24
_NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Spread:
    """USD of one request over all requests of the sample."""

    mean: float
    p10: float
    p50: float
    p90: float
    low: float | None
    """The mean's 95 % interval, as for a normal distribution; None for a single request."""
    high: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """The tokens of a workload's requests, and how they are known."""

    tokens: tuple[Tokens, ...]
    """One for each request that counts."""
    estimated: int = 0
    """Requests of which some tokens are estimated."""
    without_output: int = 0
    """Those of which nothing is known of the answer, so that only the prompt counts."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Lines that count for nothing, by the reason."""
    models: tuple[str, ...] = ()
    """The models that the answers name: their tokenizers counted."""
    stated_usd: float | None = None
    """What the answers themselves say that they cost."""
    stated: int = 0
    """Answers that say so."""

    @property
    def total(self) -> Tokens:
        """All tokens of the sample."""
        return sum(self.tokens, Tokens())


@dataclass(frozen=True, slots=True)
class Hours:
    """The prices of a model whose price depends on the hour, over a week."""

    cheapest: Pricing
    dearest: Pricing


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target to reckon for; `price` is what it costs now, None where that is unknown."""

    name: str
    provider: str
    model: str
    price: Pricing | None
    hours: Hours | None = None
    budget_usd: float | None = None
    """What the application may cost a month there."""


@dataclass(frozen=True, slots=True)
class TargetCost:
    """What the sample costs at one target; every figure is None where the price is unknown."""

    candidate: Candidate
    price: Pricing | None
    """The price that is reckoned with: the dearest hour's where it depends on the hour."""
    parts: Mapping[str, float] | None
    """USD of the sample by kind of token."""
    sample_usd: float | None
    request: Spread | None
    month: float | None
    """USD for so many requests as are asked for."""
    month_low: float | None
    """The same by the interval of the mean."""
    month_high: float | None
    month_cheapest: float | None
    """The same at the cheapest hour, where the price depends on the hour."""
    times: float | None
    """How many times the first target's cost."""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """The comparison: the first target is where the workload runs now."""

    sample: Sample
    monthly: int
    """Requests a month."""
    targets: tuple[TargetCost, ...]


def parts(tokens: Tokens, price: Pricing) -> dict[str, float]:
    """USD by kind of token."""
    cached = price.input if price.cached_input is None else price.cached_input
    return {
        "input": (tokens.prompt - tokens.cached) * price.input / 1e6,
        "cached": tokens.cached * cached / 1e6,
        "output": (tokens.completion - tokens.reasoning) * price.output / 1e6,
        "reasoning": tokens.reasoning * price.output / 1e6,
    }


def usd(tokens: Tokens, price: Pricing) -> float:
    """USD for these tokens."""
    return price.cost(tokens.prompt, tokens.completion, tokens.cached)


def spread(costs: Sequence[float]) -> Spread:
    """The spread of at least one cost."""
    ordered = sorted(costs)
    mean = statistics.fmean(ordered)
    low = high = None
    if len(ordered) > 1:
        half = _NORMAL_95 * statistics.stdev(ordered, mean) / math.sqrt(len(ordered))
        low, high = max(0.0, mean - half), mean + half
    p10, p50, p90 = (_percentile(ordered, share) for share in (0.1, 0.5, 0.9))
    return Spread(mean, p10, p50, p90, low, high)


def price_by_hour(profile: Profile, model: str, now: datetime) -> Hours | None:
    """The cheapest and the dearest price over the week from `now`; None where all hours cost the same."""
    found: list[Pricing] = []
    start = now.astimezone(UTC)
    for hour in range(_HOURS_A_WEEK):
        price = price_for(profile, model, start + timedelta(hours=hour))
        if price is None:
            return None
        if price not in found:
            found.append(price)
    ordered = sorted(found, key=lambda price: price.input + price.output)
    first, last = ordered[0], ordered[-1]
    same = (first.input, first.output, first.cached_input) == (last.input, last.output, last.cached_input)
    return None if same else Hours(first, last)


def compare(sample: Sample, candidates: Sequence[Candidate], monthly: int) -> Cost:
    """What the sample, scaled to `monthly` requests, costs at each candidate. The sample holds a request."""
    reckoned = [_target(sample, candidate, monthly) for candidate in candidates]
    return Cost(sample, monthly, tuple(_beside(each, reckoned[0]) for each in reckoned))


def _target(sample: Sample, candidate: Candidate, monthly: int) -> TargetCost:
    price = candidate.hours.dearest if candidate.hours else candidate.price
    if price is None:
        remark = "no price is known; give one in llmcompat.yaml (prices:)"
        return TargetCost(candidate, None, None, None, None, None, None, None, None, None, (remark,))
    per_request = spread([usd(tokens, price) for tokens in sample.tokens])
    total = sample.total

    def a_month(each: float | None) -> float | None:
        return None if each is None else each * monthly

    cheapest = usd(total, candidate.hours.cheapest) / len(sample.tokens) if candidate.hours else None
    month = per_request.mean * monthly
    return TargetCost(
        candidate,
        price,
        parts(total, price),
        usd(total, price),
        per_request,
        month,
        a_month(per_request.low),
        a_month(per_request.high),
        a_month(cheapest),
        None,
        tuple(_remarks(total, price, candidate, month)),
    )


def _remarks(total: Tokens, price: Pricing, candidate: Candidate, month: float) -> list[str]:
    remarks = []
    if price.is_free:
        remarks.append("the price is given as nought: what the machine costs is not in it")
    if candidate.hours is not None:
        remarks.append("the price depends on the hour: this is the dearest hour's")
    if total.cached and price.cached_input is None:
        remarks.append("no price for cached input is known: it counts in full")
    budget = candidate.budget_usd
    if budget is not None and month > budget:
        remarks.append(f"above the budget of {budget:.12g} USD a month")
    return remarks


def _beside(target: TargetCost, first: TargetCost) -> TargetCost:
    if target is first or target.sample_usd is None or not first.sample_usd:
        return target
    return replace(target, times=target.sample_usd / first.sample_usd)


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Between the two nearest values, as numpy's default has it."""
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
