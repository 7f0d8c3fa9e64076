"""What a profile has published and what it has not: the counts and the row of the comparison table."""

from collections.abc import Callable
from datetime import date
from typing import Any

from llmcompat.profiles.schema import Feature, Offer, PriceFact, Profile, Sourced

_Known = Callable[[Profile], bool]


def _offer(feature: Feature) -> _Known:
    return lambda profile: feature in profile.features


def _rate_limit(profile: Profile) -> bool:
    limits = profile.limits
    rates = (
        limits.requests_per_minute,
        limits.requests_per_day,
        limits.tokens_per_minute,
        limits.concurrent_requests,
    )
    return any(rate is not None for rate in rates) or "rate_limits" in profile.facts


_PUBLISHED: dict[str, _Known] = {
    "context window": lambda profile: profile.limits.context_window is not None,
    "max output": lambda profile: profile.limits.max_output is not None,
    "input price": lambda profile: bool(profile.prices),
    "output price": lambda profile: any(price.output > 0 for price in profile.prices.values()),
    "rate limit": _rate_limit,
    "tools": _offer("tools"),
    "vision": _offer("vision"),
    "streaming": _offer("streaming"),
    "json-schema": _offer("json-schema"),
    "embeddings": _offer("embeddings"),
    "retention": lambda profile: "retention" in profile.data_policy,
    "training use": lambda profile: "training" in profile.data_policy,
    "region": lambda profile: "region" in profile.data_policy,
    "status page": lambda profile: profile.pages.status is not None,
    "alerts page or balance": lambda profile: profile.pages.alerts is not None or profile.balance is not None,
}

NAMED_FACTS: tuple[str, ...] = tuple(_PUBLISHED)
"""The fifteen facts a team asks for before it moves."""


def published(profile: Profile) -> tuple[list[str], list[str]]:
    """The named facts that the profile has, and those that it lacks, each in the order of NAMED_FACTS."""
    known = [name for name in NAMED_FACTS if _PUBLISHED[name](profile)]
    return known, [name for name in NAMED_FACTS if name not in known]


def comparison_row(profile: Profile, today: date) -> dict[str, Any]:
    """One row of the provider table, as plain data.

    Each cell that rests on a fact is a mapping of value, source, as_of (ISO date), confirmed, note and old
    (more than 90 days on `today`); its value is None where nothing was found: never "not supported".
    """
    known, unknown = published(profile)
    return {
        "name": profile.name,
        "display_name": profile.display_name,
        "kind": profile.kind,
        "category": _cell(profile.facts.get("category"), today),
        "models": _models(profile),
        "openai_compatible": _cell(profile.facts.get("openai_compatible"), today),
        "starting_price": _starting_price(profile, today),
        "context_window": _cell(profile.limits.context_window, today),
        "tools": _cell(profile.features.get("tools"), today),
        "vision": _cell(profile.features.get("vision"), today),
        "streaming": _cell(profile.features.get("streaming"), today),
        "status_page": profile.pages.status,
        "facts_published": {"count": len(known), "of": len(NAMED_FACTS), "unknown": unknown},
        "retention": _cell(profile.data_policy.get("retention"), today),
        "training": _cell(profile.data_policy.get("training"), today),
        "links": _links(profile),
        "verified_live": profile.verified_live.isoformat() if profile.verified_live else None,
    }


def _cell(fact: Sourced | None, today: date) -> dict[str, Any]:
    if fact is None:
        return {"value": None, "source": None, "as_of": None, "confirmed": False, "note": None, "old": False}
    return {
        "value": fact.offered if isinstance(fact, Offer) else getattr(fact, "value", None),
        "source": fact.sources[0] if fact.sources else None,
        "as_of": fact.as_of.isoformat() if fact.as_of else None,
        "confirmed": fact.confirmed,
        "note": fact.note,
        "old": fact.is_old(today),
    }


def _models(profile: Profile) -> list[str]:
    named = (profile.models.default, profile.models.vision, profile.models.embedding)
    ids = [model.value for model in named if model is not None]
    return list(dict.fromkeys([*ids, *profile.models.others]))


def _starting_price(profile: Profile, today: date) -> dict[str, Any]:
    """The cheapest model that writes text; embedding models have no output price and do not count."""
    free = profile.kind == "demo"
    chat = {model: price for model, price in profile.prices.items() if price.output > 0 or free}
    if not chat:
        return _cell(None, today)
    model = min(chat, key=lambda name: (chat[name].input + chat[name].output, name))
    price: PriceFact = chat[model]
    unit = "USD per million tokens"
    return {
        "value": {"model": model, "input": price.input, "output": price.output, "unit": unit},
        "source": price.source,
        "as_of": price.as_of.isoformat() if price.as_of else None,
        "confirmed": price.confirmed,
        "note": price.note,
        "old": price.is_old(today),
    }


def _links(profile: Profile) -> dict[str, str]:
    pages = {"docs": profile.docs_url, **profile.pages.model_dump()}
    return {name: url for name, url in pages.items() if url is not None}
