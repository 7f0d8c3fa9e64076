"""What a workload costs at several targets, as a table, as Markdown and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from llmcompat.billing.cost import KINDS, Cost, TargetCost
from llmcompat.billing.usage import CHARACTERS_A_TOKEN
from llmcompat.reports.escape import markdown, one_line
from llmcompat.reports.rendering import heading, say, to_text
from llmcompat.settings import Pricing

COST_SCHEMA = "llmcompat.cost/1"
UNKNOWN = "unknown"

_MOST_NAME = 60
_MOST_TEXT = 400


@dataclass(frozen=True)
class Section:
    """One table: a title, the names of its columns, and a row for each target."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sections(cost: Cost) -> list[Section]:
    """The figures in tables, the first target on top."""
    month = f"{cost.monthly:,} requests a month"
    return [
        Section(
            f"USD for {month}",
            ("target", "USD a month", "95 % of the mean", "to the first"),
            tuple((_name(each), *_month(each)) for each in cost.targets),
        ),
        Section(
            "USD for one request",
            ("target", "mean", "p10", "p50", "p90"),
            tuple((_name(each), *_request(each)) for each in cost.targets),
        ),
        Section(
            f"USD for the sample of {len(cost.sample.tokens):,} requests, by kind of token",
            ("target", *KINDS, "all"),
            tuple((_name(each), *_kinds(each)) for each in cost.targets),
        ),
        Section(
            "Prices, USD per million tokens",
            ("target", "input", "cached", "output", "from"),
            tuple((_name(each), *_price(each.price)) for each in cost.targets),
        ),
    ]


def summary(cost: Cost) -> str:
    """What was counted, in one line."""
    total = cost.sample.total
    anew, answer = total.prompt - total.cached, total.completion - total.reasoning
    return (
        f"{len(cost.sample.tokens):,} requests: {anew:,} input tokens, {total.cached:,} cached, "
        f"{answer:,} output, {total.reasoning:,} reasoning"
    )


def remarks(cost: Cost) -> list[str]:
    """What the figures rest on, and what they leave out."""
    return [*_about_sample(cost), *_about_targets(cost)]


def _about_sample(cost: Cost) -> Iterator[str]:
    sample = cost.sample
    if sample.estimated:
        yield (
            f"The tokens of {sample.estimated:,} of {len(sample.tokens):,} requests are an estimate: no "
            f"usage is known, so {CHARACTERS_A_TOKEN} characters count as a token, images count nothing, and "
            "a missing answer is as long as the others are on average, within its own limit."
        )
    if sample.without_output:
        yield (
            f"Nothing is known of the answers to {sample.without_output:,} requests: only their prompts are "
            "counted, so that the figures are too low."
        )
    for reason, count in sample.left_out.items():
        yield f"Left out: {count:,} × {reason}."
    counted_by = f" ({', '.join(sample.models)})" if sample.models else ""
    yield (
        f"The tokens are those of the model that answered{counted_by}. Other models tokenize the same text "
        "otherwise and answer at other lengths: replay the workload there for their own counts."
    )
    if sample.total.cached:
        yield "What was read from the cache is taken to be cached everywhere; not every provider does so."
    if sample.stated_usd is not None:
        stated = usd_text(sample.stated_usd)
        yield f"{sample.stated:,} answers state their cost themselves: {stated} USD together."
    if len(sample.tokens) == 1:
        yield "One request says nothing of the spread."


def _about_targets(cost: Cost) -> Iterator[str]:
    for each in cost.targets:
        for remark in each.remarks:
            yield f"{_name(each)}: {remark}."
        if each.month_cheapest is not None:
            yield f"{_name(each)}: {usd_text(each.month_cheapest)} USD a month at the cheapest hour."


def _name(target: TargetCost) -> str:
    return one_line(target.candidate.name, _MOST_NAME)


def _month(target: TargetCost) -> tuple[str, ...]:
    if target.month is None:
        return UNKNOWN, UNKNOWN, UNKNOWN
    between = "–"
    if target.month_low is not None and target.month_high is not None:
        between = f"{usd_text(target.month_low)} to {usd_text(target.month_high)}"
    times = "–" if target.times is None else f"{target.times:.3g} ×"
    return usd_text(target.month), between, times


def _request(target: TargetCost) -> tuple[str, ...]:
    spread = target.request
    if spread is None:
        return (UNKNOWN,) * 4
    return tuple(usd_text(each) for each in (spread.mean, spread.p10, spread.p50, spread.p90))


def _kinds(target: TargetCost) -> tuple[str, ...]:
    if target.parts is None or target.sample_usd is None:
        return (UNKNOWN,) * (len(KINDS) + 1)
    return tuple(usd_text(each) for each in (*(target.parts[kind] for kind in KINDS), target.sample_usd))


def _price(price: Pricing | None) -> tuple[str, ...]:
    if price is None:
        return (UNKNOWN,) * 4
    day = f", {price.as_of.isoformat()}" if price.as_of else ""
    cached = UNKNOWN if price.cached_input is None else f"{price.cached_input:.12g}"
    return f"{price.input:.12g}", cached, f"{price.output:.12g}", f"{price.source or 'the profile'}{day}"


def usd_text(value: float) -> str:
    """USD with as many places as tell something: 1,234.50, 0.0123, 0.000042."""
    if value == 0:
        return "0"
    if abs(value) >= 1:
        return f"{value:,.2f}"
    places = min(12, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}".rstrip("0").rstrip(".") or "0"


def cost_text(cost: Cost, *, width: int | None = None, color: bool = False) -> str:
    """For a terminal."""
    parts: list[RenderableType] = [say(summary(cost), "bold")]
    for section in sections(cost):
        parts.append(heading(section.title))
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
        for place, name in enumerate(section.head):
            text = place == 0 or name == "from"
            grid.add_column(say(name), overflow="fold", justify="left" if text else "right", min_width=8)
        for row in section.rows:
            grid.add_row(*(say(one_line(cell, _MOST_TEXT)) for cell in row))
        parts.append(grid)
    parts.append(Text())
    parts += [say(f"- {one_line(remark, _MOST_TEXT)}") for remark in remarks(cost)]
    return to_text(Group(*parts), width=width, color=color)


def cost_markdown(cost: Cost) -> str:
    """For a ticket or a repository."""
    lines = ["# What the workload costs", "", f"{markdown(summary(cost))}.", ""]
    for section in sections(cost):
        lines += [f"## {markdown(section.title)}", ""]
        lines.append(f"| {' | '.join(map(markdown, section.head))} |")
        lines.append(f"| --- |{' ---: |' * (len(section.head) - 1)}")
        lines += [f"| {' | '.join(markdown(cell) for cell in row)} |" for row in section.rows]
        lines.append("")
    lines += [f"- {markdown(one_line(remark, _MOST_TEXT))}" for remark in remarks(cost)]
    return "\n".join(lines) + "\n"


def cost_json(cost: Cost) -> str:
    """For programs: unknown is null, money is USD, prices are USD per million tokens."""
    total = cost.sample.total
    document = {
        "schema": COST_SCHEMA,
        "monthly_requests": cost.monthly,
        "sample": {
            "requests": len(cost.sample.tokens),
            "estimated": cost.sample.estimated,
            "without_output": cost.sample.without_output,
            "left_out": dict(cost.sample.left_out),
            "models": list(cost.sample.models),
            "stated_usd": cost.sample.stated_usd,
            "stated": cost.sample.stated,
            "tokens": {
                "input": total.prompt - total.cached,
                "cached": total.cached,
                "output": total.completion - total.reasoning,
                "reasoning": total.reasoning,
            },
        },
        "targets": [_target(each) for each in cost.targets],
        "remarks": remarks(cost),
    }
    return json.dumps(document, ensure_ascii=True, allow_nan=False, indent=1) + "\n"


def _target(target: TargetCost) -> dict[str, Any]:
    candidate = target.candidate
    hours = candidate.hours
    return {
        "name": candidate.name,
        "provider": candidate.provider,
        "model": candidate.model,
        "price": _price_data(target.price),
        "price_cheapest_hour": _price_data(hours.cheapest) if hours else None,
        "sample_usd": target.sample_usd,
        "by_kind_usd": dict(target.parts) if target.parts is not None else None,
        "request_usd": asdict(target.request) if target.request is not None else None,
        "month_usd": target.month,
        "month_usd_low": target.month_low,
        "month_usd_high": target.month_high,
        "month_usd_cheapest_hour": target.month_cheapest,
        "times_first": target.times,
        "budget_usd": candidate.budget_usd,
    }


def _price_data(price: Pricing | None) -> dict[str, Any] | None:
    return price.model_dump(mode="json", exclude={"own"}) if price is not None else None
