"""What the endpoint itself says of the model that is asked: it goes before all that is published."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlsplit

from llmcompat.billing.catalogues import ModelFacts, model_facts
from llmcompat.profiles.schema import Profile
from llmcompat.reply import Reply
from llmcompat.settings import Settings


def with_live_facts(settings: Settings, profile: Profile, models_list: Reply) -> Settings:
    """The settings with what this run's model list says of the model; `live` names what was taken.

    A price above nought is taken where a key is set, and the one in force is not the user's own. A context
    window is taken where none is known, or where the profile's is smaller; one below what the user counts on
    is a finding of the check `model-advertised`.
    A simulation says nothing of the provider.
    """
    if settings.simulated or models_list.refused:
        return settings
    facts = model_facts(models_list.document, urlsplit(settings.base_url).hostname or "").get(settings.model)
    if facts is None:
        return settings
    taken: dict[str, Any] = {}
    own = settings.pricing is not None and settings.pricing.own
    if settings.has_key and not own and (day := _day(models_list)) is not None:
        price = facts.pricing(models_list.exchange.url, day)
        # nought would lift the bound on what the run may spend
        taken |= {"pricing": price} if price is not None and not price.is_free else {}
    if (window := _larger_window(settings, profile, facts)) is not None:
        taken["context_window"] = window
    return settings.model_copy(update={**taken, "live": tuple(sorted(taken))}) if taken else settings


def _larger_window(settings: Settings, profile: Profile, facts: ModelFacts) -> int | None:
    known, published = settings.context_window, profile.limits.context_window
    from_profile = published is not None and known == published.value
    if facts.context_window is None or not (known is None or from_profile):
        return None
    return facts.context_window if known is None or facts.context_window > known else None


def _day(reply: Reply) -> date | None:
    try:
        return date.fromisoformat(reply.exchange.started_at[:10])
    except ValueError:
        return None
