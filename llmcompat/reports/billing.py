"""What `llmcompat billing check` found of each target: as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType

from llmcompat.billing.balance import Reading
from llmcompat.billing.month import Reached, Spent
from llmcompat.reports.cost import usd_text
from llmcompat.reports.escape import one_line
from llmcompat.reports.rendering import heading, pairs, say, to_text

BILLING_SCHEMA = "llmcompat.billing/1"

_MOST_TEXT = 600


@dataclass(frozen=True)
class Watched:
    """One target's month."""

    name: str
    provider: str
    model: str
    month: str
    budget_usd: float | None
    alert_at: tuple[float, ...]
    floor: float | None
    reading: Reading | None
    """What the provider told."""
    spent: tuple[Spent, ...]
    """What each source says is spent this month; the largest one in USD is judged."""
    judged: Spent | None
    projected_usd: float | None
    reached: tuple[Reached, ...]
    sent: tuple[str, ...] = ()
    """How each alert that was sent went, in one line."""
    undelivered: bool = False
    remarks: tuple[str, ...] = ()
    readable: bool = True
    """Whether anything could be held against a threshold."""


def reached_words(reached: Reached) -> str:
    """A threshold in a few words."""
    if reached.kind == "threshold" and reached.threshold is not None:
        return f"the threshold of {reached.threshold:.0%} of the budget is reached"
    if reached.kind == "projection":
        return "the month will end above the budget"
    return "the balance is below the floor"


def billing_text(watched: Sequence[Watched], *, width: int | None = None, color: bool = False) -> str:
    """For a terminal."""
    parts: list[RenderableType] = []
    for each in watched:
        parts.append(heading(f"{one_line(each.name, 100)}, {each.month}"))
        parts.append(pairs((label, say(one_line(text, _MOST_TEXT))) for label, text in _rows(each)))
    return to_text(Group(*parts), width=width, color=color)


def _rows(each: Watched) -> Iterator[tuple[str, str]]:
    if each.reading is not None:
        yield _READ[each.reading.kind], _reading(each.reading)
    if each.floor is not None:
        yield "floor", f"{each.floor:g}"
    for spent in each.spent:
        since = f"{spent.since:%Y-%m-%d %H:%M} UTC"
        judged = " (judged)" if spent is each.judged and len(each.spent) > 1 else ""
        yield "spent", f"{_money(spent.amount, spent.currency)} since {since}, by {spent.source}{judged}"
    if each.budget_usd is not None:
        share = ""
        if each.judged is not None and each.budget_usd > 0:
            share = f", {each.judged.amount / each.budget_usd:.1%} of it spent"
        yield "budget", f"{usd_text(each.budget_usd)} USD a month{share}"
    if each.projected_usd is not None:
        yield "projected", f"{usd_text(each.projected_usd)} USD by the month's end"
    for reached in each.reached:
        yield "REACHED", reached_words(reached)
    if not each.reached and each.readable:
        yield "reached", "no threshold"
    if not each.readable:
        yield "no answer", "nothing could be held against a threshold"
    for line in each.sent:
        yield "alert", line
    for remark in each.remarks:
        yield "note", remark


_READ = {
    "balance": "balance",
    "spent": "spent so far",
    "limit_remaining": "left of the limit",
    "month": "spent this month",
}


def _reading(reading: Reading) -> str:
    if reading.amount is None:
        return f"the key has no limit, as told at {reading.url}"
    return f"{_money(reading.amount, reading.currency)}, as told at {reading.url}"


def _money(amount: float, currency: str) -> str:
    return f"{usd_text(amount)} {currency or '(no currency is named)'}"


def billing_json(watched: Sequence[Watched], exit_code: int) -> str:
    """For programs: unknown is null, the budget is in USD, a balance in its own currency."""
    document = {
        "schema": BILLING_SCHEMA,
        "exit_code": exit_code,
        "targets": [_data(each) for each in watched],
    }
    return json.dumps(document, ensure_ascii=True, allow_nan=False, indent=1) + "\n"


def _data(each: Watched) -> dict[str, Any]:
    data = asdict(each)
    data["spent"] = [_spent(spent) for spent in each.spent]
    data["judged"] = _spent(each.judged) if each.judged is not None else None
    return data


def _spent(spent: Spent) -> dict[str, Any]:
    return {**asdict(spent), "since": spent.since.isoformat()}
