"""Model catalogues: which can be read without a key, and what each says of context windows and prices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import islice
from typing import Any

from llmcompat.settings import Pricing

MOST_MODELS = 20_000
"""Entries of a catalogue that are read; the longest one known has about a thousand."""

MOST_TOKENS = 10**9
"""A context window above this is a mistake."""

MOST_USD = 100_000.0
"""A price above this, per million tokens, is a mistake."""

_LONGEST_ID = 300


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a catalogue says of one model; None where it says nothing that can be used."""

    context_window: int | None = None
    """Tokens, prompt and answer together."""
    input: float | None = None
    """USD per million tokens, as the two below."""
    output: float | None = None
    cached_input: float | None = None

    def pricing(self, source: str, as_of: date) -> Pricing | None:
        """The list price with its source, or None where the catalogue does not give both directions."""
        if self.input is None or self.output is None:
            return None
        return Pricing(
            input=self.input,
            output=self.output,
            cached_input=self.cached_input,
            source=source,
            as_of=as_of,
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A list of models that anybody may read."""

    name: str
    url: str
    host: str
    """The host of the API whose models these are: what is said holds there and nowhere else."""


CATALOGUES: tuple[Catalogue, ...] = (
    # "public without key" in the guide to models of openrouter.ai
    Catalogue("openrouter", "https://openrouter.ai/api/v1/models", "openrouter.ai"),
    # no security is declared for it in https://docs.deepinfra.com/api-reference/openapi.json
    Catalogue("deepinfra", "https://api.deepinfra.com/models/list", "api.deepinfra.com"),
    # https://novita.ai/docs/api-reference/model-apis-llm-list-models.md
    Catalogue("novita", "https://api.novita.ai/openai/v1/models", "api.novita.ai"),
)
"""The public catalogues that carry prices and context windows."""


def model_facts(document: Any, host: str) -> dict[str, ModelFacts]:
    """What a model list says of each model, by id.

    `document` is JSON as it came, the list itself or an object with it under `data` or `models`; `host` is
    the host name that it speaks of, as some name their fields alike and count in other units. Whatever is
    not of the expected type or beyond reason is passed over; nothing is raised.
    """
    found: dict[str, ModelFacts] = {}
    for entry in islice(_entries(document), MOST_MODELS):
        name = next((entry[key] for key in ("id", "model_name", "name") if _is_id(entry.get(key))), None)
        if name is None or name in found:
            continue
        prompt, completion, cached = next(
            (prices for read in _READERS if (prices := read(entry, host)) is not None), (None, None, None)
        )
        facts = ModelFacts(_window(entry), prompt, completion, cached)
        if facts != ModelFacts():
            found[name] = facts
    return found


def _entries(document: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(document, Mapping):
        document = next((document[key] for key in ("data", "models") if key in document), None)
    return (
        (entry for entry in document if isinstance(entry, dict)) if isinstance(document, list) else iter(())
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isprintable()


_WINDOWS = (
    "context_length",  # OpenRouter, Together, Fireworks
    "context_window",  # Groq, DeepSeek
    "context_size",  # Novita
    "contextLength",  # the management API of Fireworks
    "max_model_len",  # vLLM
    "max_context_length",  # Mistral
)


def _window(entry: Mapping[str, Any]) -> int | None:
    metadata = entry.get("metadata")
    places = [entry, metadata] if isinstance(metadata, Mapping) else [entry]
    for place in places:
        for key in _WINDOWS:
            if (window := _tokens(place.get(key))) is not None:
                return window
    # elsewhere max_tokens bounds the answer; in DeepInfra's own list it is the window
    return _tokens(entry.get("max_tokens")) if "model_name" in entry else None


def _tokens(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MOST_TOKENS:
        return None
    return int(value) if value == int(value) else None


_Prices = tuple[float | None, float | None, float | None]
_Reader = Callable[[Mapping[str, Any], str], _Prices | None]


def _per_token(entry: Mapping[str, Any], host: str) -> _Prices | None:
    """USD per token as decimal text: OpenRouter's guide to models, and those who took its form over.

    -1 there stands for a price that depends on where the request goes.
    """
    pricing = entry.get("pricing")
    if not isinstance(pricing, Mapping) or not isinstance(pricing.get("prompt"), str):
        return None
    keys = ("prompt", "completion", "input_cache_read")
    prompt, completion, cached = (_usd(pricing.get(key), 1e6, text=True) for key in keys)
    return prompt, completion, cached


def _cents(entry: Mapping[str, Any], host: str) -> _Prices | None:
    """US cents per token, the cached rate as a share of the input price: DeepInfra's `/models/list`.

    Field names and units are those of its published OpenAPI document.
    """
    pricing = entry.get("pricing")
    if not isinstance(pricing, Mapping) or "cents_per_input_token" not in pricing:
        return None
    prompt = _usd(pricing.get("cents_per_input_token"), 1e4)
    share = _number(pricing.get("rate_per_input_token_cached"))
    cached = prompt * share if prompt is not None and share is not None and 0 <= share <= 1 else None
    return prompt, _usd(pricing.get("cents_per_output_token"), 1e4), cached


def _metadata(entry: Mapping[str, Any], host: str) -> _Prices | None:
    """USD per million tokens within `metadata`: DeepInfra's OpenAI-shaped list."""
    metadata = entry.get("metadata")
    pricing = metadata.get("pricing") if isinstance(metadata, Mapping) else None
    if not isinstance(pricing, Mapping) or not _is_host(host, "deepinfra.com"):
        return None
    prompt, completion, cached = (
        _usd(pricing.get(key)) for key in ("input_tokens", "output_tokens", "cache_read_tokens")
    )
    return prompt, completion, cached


def _novita(entry: Mapping[str, Any], host: str) -> _Prices | None:
    """Ten-thousandths of a USD per million tokens: Novita's list.

    The unit follows from the example on its page (3900 for 0.39 USD) and from its balance page. Others use
    the same names for other units.
    """
    if "input_token_price_per_m" not in entry or not _is_host(host, "novita.ai"):
        return None
    return (
        _usd(entry.get("input_token_price_per_m"), 1e-4),
        _usd(entry.get("output_token_price_per_m"), 1e-4),
        None,
    )


def _together(entry: Mapping[str, Any], host: str) -> _Prices | None:
    """USD per million tokens: Together's list, where nought twice stands for models without such a price."""
    pricing = entry.get("pricing")
    if not isinstance(pricing, Mapping) or not _is_host(host, "together.xyz", "together.ai"):
        return None
    prompt, completion, cached = (_usd(pricing.get(key)) for key in ("input", "output", "cached_input"))
    return (prompt, completion, cached or None) if prompt or completion else (None, None, None)


_READERS: tuple[_Reader, ...] = (_per_token, _cents, _metadata, _novita, _together)


def _is_host(host: str, *domains: str) -> bool:
    host = host.lower().rstrip(".")
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _usd(value: Any, factor: float = 1.0, *, text: bool = False) -> float | None:
    """USD per million tokens, or None where the value is no price."""
    number = _number(value, text=text)
    if number is None or number < 0 or number * factor > MOST_USD:
        return None
    # what was written in decimals comes back in decimals: 0.0000001 * 1e6 is 0.09999999999999999
    return float(f"{number * factor:.10g}")


def _number(value: Any, *, text: bool = False) -> float | None:
    if text and isinstance(value, str) and len(value) <= 40 and value.isascii():
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
