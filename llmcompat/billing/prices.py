"""What a token costs: the genai-prices data first, a profile's own dated prices where that knows none."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from llmcompat.profiles.schema import Profile

_TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True)
class Price:
    """Prices of one model in USD per million tokens, with where they come from."""

    input: float
    output: float
    cached_input: float | None = None
    source: str = ""
    as_of: date | None = None

    @property
    def is_free(self) -> bool:
        """Whether no number of tokens costs anything."""
        return self.input == self.output == 0

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """USD for one request; `cached_tokens` are those of the prompt that were read from the cache."""
        cached = min(max(cached_tokens, 0), max(prompt_tokens, 0))
        cached_price = self.input if self.cached_input is None else self.cached_input
        paid = (prompt_tokens - cached) * self.input + cached * cached_price + completion_tokens * self.output
        return paid / _TOKENS_PER_PRICE


def price_for(profile: Profile | None, model: str, when: datetime) -> Price | None:
    """The list price of a model at a time (some depend on the hour), or None where it is unknown.

    A time without a zone is taken as UTC. Nothing is fetched: the data is the one installed.
    """
    if profile is None:
        # The same model id costs differently at every host: without the host a price would be a guess.
        return None
    return _listed_price(profile, model, when) or _profile_price(profile, model)


def _profile_price(profile: Profile, model: str) -> Price | None:
    known = profile.prices.get(profile.models.aliases.get(model, model)) or profile.prices.get(model)
    if known is None:
        return None
    source = known.source or f"profile {profile.name}"
    return Price(known.input, known.output, known.cached_input, source, known.as_of)


def _listed_price(profile: Profile, model: str, when: datetime) -> Price | None:
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
    return Price(prompt, per_million("output_mtok") or 0.0, per_million("cache_read_mtok"), source)
