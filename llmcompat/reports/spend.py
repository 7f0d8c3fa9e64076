"""What each item of the checklist cost in a run, by the endpoint's own counters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from llmcompat.model import Exchange, TargetRun
from llmcompat.reply import Reply, dig, is_int
from llmcompat.settings import Pricing

GROUND = "ground"
"""The name under which exchanges stand that no check judged: the preflight and the negotiated basics."""

_MOST_TOKENS = 10**9
"""A counter beyond this is a fault of the endpoint and no figure."""


@dataclass(frozen=True, slots=True)
class ItemSpend:
    """What one item cost. `usd` is None where no price is known: unknown is not zero."""

    item: str
    title: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens."""
        return self.prompt_tokens + self.completion_tokens


def tokens_by_item(run: TargetRun) -> list[ItemSpend]:
    """The items in the checklist's order, the ground last; those that no exchange counts for are left out.

    An exchange counts once: for the item of the first check that names it. Only what the endpoint counted is
    told; a request without a usage adds to `requests` alone. USD are list prices, with the cached price for
    what the endpoint said that it read from its cache.
    """
    titles = {name: title for name, title, _ in run.items}
    owners: dict[str, str] = {}
    for result in run.checks:
        titles.setdefault(result.item, result.item.replace("-", " ").capitalize())
        for id in result.exchanges:
            owners.setdefault(id, result.item)
    titles[GROUND] = "Ground (preflight, basics)"
    price = _pricing(run.settings)
    sums: dict[str, list[int]] = {}
    for exchange in run.exchanges:
        counted = sums.setdefault(owners.get(exchange.id, GROUND), [0, 0, 0, 0])
        for place, number in enumerate((1, *_counted(exchange))):
            counted[place] += number
    return [
        ItemSpend(
            item,
            title,
            requests=sums[item][0],
            prompt_tokens=sums[item][1],
            completion_tokens=sums[item][2],
            usd=price.cost(*sums[item][1:]) if price else None,
        )
        for item, title in titles.items()
        if item in sums
    ]


def most_spent(run: TargetRun, most: int = 5) -> str:
    """The items that took most tokens, in words; "" where none was counted. It holds titles as they are."""
    spent = sorted((each for each in tokens_by_item(run) if each.tokens), key=lambda each: -each.tokens)
    if not spent:
        return ""
    told = [f"{each.title.partition(':')[0]} {each.tokens:,}" for each in spent[:most]]
    rest = sum(each.tokens for each in spent[most:])
    return f"tokens by item: {', '.join([*told, *([f'all others {rest:,}'] if rest else [])])}"


def _pricing(settings: Mapping[str, Any]) -> Pricing | None:
    try:
        return Pricing.model_validate(settings.get("pricing"))
    except ValidationError:
        return None


def _counted(exchange: Exchange) -> tuple[int, int, int]:
    """Prompt, completion and cached tokens by the answer's usage; zeros where it has none."""
    if exchange.status != 200:
        return 0, 0, 0
    reply = Reply([exchange])
    usage = reply.find_usage()
    if usage is None and reply.streamed and reply.all_chunks:
        usage = dig(reply.all_chunks[-1].data, "response.usage")
    prompt = _count(usage, "prompt_tokens", "input_tokens")
    cached = _count(
        usage,
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "prompt_cache_hit_tokens",
    )
    return prompt, _count(usage, "completion_tokens", "output_tokens"), min(cached, prompt)


def _count(usage: object, *paths: str) -> int:
    """The first of these counters that is there as a plausible number."""
    for path in paths:
        value = dig(usage, path)
        if is_int(value) and 0 <= value < _MOST_TOKENS:
            return int(value)
    return 0
