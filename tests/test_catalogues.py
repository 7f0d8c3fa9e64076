"""Model catalogues as their hosts write them: windows, prices and units, and what is no price."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcompat.billing.catalogues import CATALOGUES, MOST_MODELS, ModelFacts, model_facts

LISTS: dict[str, tuple[str, Any, ModelFacts]] = {
    "openrouter": (
        "openrouter.ai",
        {
            "data": [
                {
                    "id": "m",
                    "context_length": 131072,
                    "pricing": {
                        "prompt": "0.0000001",
                        "completion": "0.0000004",
                        "request": "0",
                        "input_cache_read": "0.00000002",
                    },
                    "top_provider": {"context_length": 65536},
                }
            ]
        },
        ModelFacts(131072, 0.1, 0.4, 0.02),
    ),
    "deepinfra": (
        "api.deepinfra.com",
        [
            {
                "model_name": "m",
                "type": "text-generation",
                "max_tokens": 131072,
                "pricing": {
                    "type": "tokens",
                    "cents_per_input_token": 3e-6,
                    "cents_per_output_token": 1.4e-5,
                    "rate_per_input_token_cached": 0.2,
                },
            }
        ],
        ModelFacts(131072, 0.03, 0.14, 0.006),
    ),
    "deepinfra-openai": (
        "api.deepinfra.com",
        {
            "object": "list",
            "data": [
                {
                    "id": "m",
                    "object": "model",
                    "metadata": {
                        "context_length": 131072,
                        "max_tokens": 65536,
                        "pricing": {"input_tokens": 3, "output_tokens": 15, "cache_read_tokens": 0.3},
                    },
                }
            ],
        },
        ModelFacts(131072, 3.0, 15.0, 0.3),
    ),
    "novita": (
        "api.novita.ai",
        {
            "data": [
                {
                    "id": "m",
                    "context_size": 65536,
                    "input_token_price_per_m": 3900,
                    "output_token_price_per_m": 5800,
                }
            ]
        },
        ModelFacts(65536, 0.39, 0.58),
    ),
    "together": (
        "api.together.xyz",
        [
            {
                "id": "m",
                "context_length": 262144,
                "pricing": {"base": 0, "hourly": 0, "input": 0.15, "output": 0.6, "cached_input": 0},
            }
        ],
        ModelFacts(262144, 0.15, 0.6),
    ),
    "groq": ("api.groq.com", {"data": [{"id": "m", "context_window": 131072}]}, ModelFacts(131072)),
    "fireworks": (
        "api.fireworks.ai",
        {"data": [{"id": "m", "context_length": 40960, "supports_chat": True}]},
        ModelFacts(40960),
    ),
    "fireworks-management": (
        "api.fireworks.ai",
        {"models": [{"name": "m", "contextLength": 40960}], "nextPageToken": ""},
        ModelFacts(40960),
    ),
    "vllm": ("127.0.0.1", {"data": [{"id": "m", "max_model_len": 8192}]}, ModelFacts(8192)),
}


@pytest.mark.parametrize("name", LISTS)
def test_every_host_is_read_in_its_own_units(name: str) -> None:
    host, document, expected = LISTS[name]
    found = model_facts(json.loads(json.dumps(document)), host)
    assert list(found) == ["m"]
    facts = found["m"]
    assert facts.context_window == expected.context_window
    for field in ("input", "output", "cached_input"):
        value, wanted = getattr(facts, field), getattr(expected, field)
        assert value == (None if wanted is None else pytest.approx(wanted)), field


@pytest.mark.parametrize("name", ["novita", "together", "deepinfra-openai"])
def test_a_unit_that_only_the_host_tells_is_not_guessed_elsewhere(name: str) -> None:
    _, document, expected = LISTS[name]
    found = model_facts(document, "llm.example.com")
    assert found["m"] == ModelFacts(expected.context_window)
    assert model_facts(document, "evil-together.xyz.example.com")["m"].input is None


def test_models_without_a_price_by_the_token() -> None:
    together = [{"id": "m", "context_length": 8192, "pricing": {"hourly": 0, "input": 0, "output": 0}}]
    assert model_facts(together, "api.together.xyz")["m"].input is None
    router = {"data": [{"id": "auto", "context_length": 10, "pricing": {"prompt": "-1", "completion": "-1"}}]}
    assert model_facts(router, "openrouter.ai")["auto"] == ModelFacts(10)
    free = {"data": [{"id": "m:free", "pricing": {"prompt": "0", "completion": "0"}}]}
    assert model_facts(free, "openrouter.ai")["m:free"] == ModelFacts(None, 0.0, 0.0)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        "m",
        {},
        {"id": 7, "context_length": 10},
        {"id": "", "context_length": 10},
        {"id": "a\nb", "context_length": 10},
        {"id": "x" * 1000, "context_length": 10},
        {"id": "m"},
        {"id": "m", "context_length": True},
        {"id": "m", "context_length": "131072"},
        {"id": "m", "context_length": -1},
        {"id": "m", "context_length": 10**12},
        {"id": "m", "context_length": 1.5},
        {"id": "m", "context_length": float("nan"), "pricing": {"prompt": "nan", "completion": "inf"}},
        {"id": "m", "pricing": {"prompt": "1" * 400, "completion": "1e999"}},
        {"id": "m", "pricing": {"prompt": "1", "completion": []}},
        {"id": "m", "pricing": {"cents_per_input_token": 10**400, "cents_per_output_token": None}},
        {"id": "m", "pricing": [1, 2]},
        {"id": "m", "metadata": "none"},
    ],
)
def test_what_is_not_of_the_expected_type_is_passed_over(entry: Any) -> None:
    good = {"id": "good", "context_length": 4096}
    assert model_facts({"data": [entry, good]}, "api.deepinfra.com") == {"good": ModelFacts(4096)}


@pytest.mark.parametrize("document", [None, 3, "x", {}, {"data": None}, {"data": {"id": "m"}}, []])
def test_what_is_no_list_has_no_facts(document: Any) -> None:
    assert model_facts(document, "openrouter.ai") == {}


def test_a_list_is_read_up_to_a_bound() -> None:
    entries = [{"id": f"m{number}", "context_length": 1} for number in range(MOST_MODELS + 5)]
    assert len(model_facts(entries, "x")) == MOST_MODELS
    twice = [{"id": "m", "context_length": 1}, {"id": "m", "context_length": 2}]
    assert model_facts(twice, "x") == {"m": ModelFacts(1)}


KEYS = ("id", "model_name", "context_length", "max_tokens", "pricing", "metadata", "prompt", "input", "data")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from([catalogue.host for catalogue in CATALOGUES]) | st.text(max_size=10))
def test_nothing_that_is_sent_raises(document: Any, host: str) -> None:
    for facts in model_facts(document, host).values():
        price = facts.pricing("https://example.com", date(2026, 11, 22))
        assert price is None or (price.input >= 0 and price.output >= 0)


def test_a_price_carries_its_source_and_day() -> None:
    day = date(2026, 11, 22)
    price = ModelFacts(None, 0.1, 0.4, 0.02).pricing("https://example.com/models", day)
    assert price is not None
    assert (price.input, price.output, price.cached_input) == (0.1, 0.4, 0.02)
    assert (price.source, price.as_of) == ("https://example.com/models", day)
    assert ModelFacts(131072, input=0.1).pricing("https://example.com/models", day) is None
