"""What a token costs: the user's cache of the host's own catalogue, the genai-prices data, the profile."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

from llmcompat.billing.cache import cached_price
from llmcompat.profiles.schema import Profile
from llmcompat.settings import Pricing


def price_for(profile: Profile | None, model: str, when: datetime) -> Pricing | None:
    """The list price of a model at a time (some depend on the hour), or None where it is unknown.

    A time without a zone is taken as UTC. Nothing is fetched. What the user has refreshed within 30 days goes
    before the data that is installed, that before a profile's own dated prices. What a run reads of the
    endpoint itself goes before all of them (`llmcompat.engine.live`).
    """
    if profile is None:
        # The same model id costs differently at every host: without the host a price would be a guess.
        return None
    return (
        _refreshed_price(profile, model, when)
        or _listed_price(profile, model, when)
        or _profile_price(profile, model)
    )


def _refreshed_price(profile: Profile, model: str, when: datetime) -> Pricing | None:
    if profile.kind in ("server", "demo") or profile.base_url is None:
        return None
    moment = when if when.tzinfo else when.replace(tzinfo=UTC)
    return cached_price(urlsplit(profile.base_url).hostname or "", model, moment)


def _profile_price(profile: Profile, model: str) -> Pricing | None:
    known = profile.prices.get(profile.models.aliases.get(model, model)) or profile.prices.get(model)
    if known is None:
        return None
    source = known.source or f"profile {profile.name}"
    return Pricing(
        input=known.input,
        output=known.output,
        cached_input=known.cached_input,
        source=source,
        as_of=known.as_of,
    )


def _listed_price(profile: Profile, model: str, when: datetime) -> Pricing | None:
    if profile.kind in ("server", "demo"):
        return None
    # Imported here because the package loads its whole data set and an HTTP client that is never used.
    from genai_prices import Usage, __version__, calc_price
    from genai_prices.types import TieredPrices

    moment = when if when.tzinfo else when.replace(tzinfo=UTC)
    nothing = Usage(input_tokens=0, output_tokens=0)
    try:
        # By name first: the data set does not know every host name that a provider answers on.
        found = calc_price(nothing, model, provider_id=profile.name, genai_request_timestamp=moment)
    except LookupError:
        url = profile.base_url
        if url is None:
            return None
        try:
            found = calc_price(nothing, model, provider_api_url=url, genai_request_timestamp=moment)
        except LookupError:
            return None

    def per_million(name: str) -> float | None:
        value = getattr(found.model_price, name)
        # Tiers start far above what a checklist sends, so that the first tier is the price here.
        value = value.base if isinstance(value, TieredPrices) else value
        return None if value is None else float(value)

    prompt = per_million("input_mtok")
    if prompt is None:
        return None
    source = f"genai-prices {__version__}"
    return Pricing(
        input=prompt,
        output=per_million("output_mtok") or 0.0,
        cached_input=per_million("cache_read_mtok"),
        source=source,
    )
