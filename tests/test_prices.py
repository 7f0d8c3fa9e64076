"""Prices and the guard on spending, against literal numbers."""

import socket
from datetime import UTC, date, datetime
from typing import Any

import pytest

from llmcompat.billing import Budget, price_for
from llmcompat.profiles import Profile, load_profile
from llmcompat.settings import Pricing

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
NIGHT = datetime(2026, 11, 20, 2, tzinfo=UTC)


def own(**extra: Any) -> Profile:
    """A profile of a host that no data set knows."""
    prices = {
        "example": {"input": 1.0, "output": 2.0, "source": "https://example.com/p", "as_of": "2026-10-01"}
    }
    return Profile.model_validate({"name": "example-host", "prices": prices, **extra})


def test_cost_of_a_request() -> None:
    price = Pricing(input=0.15, output=0.60, cached_input=0.003)
    assert price.cost(1_000_000, 0) == pytest.approx(0.15)
    assert price.cost(0, 1_000_000) == pytest.approx(0.60)
    assert price.cost(2_000, 500) == pytest.approx(0.0006)
    assert price.cost(1_000_000, 0, cached_tokens=1_000_000) == pytest.approx(0.003)
    assert price.cost(1_000_000, 0, cached_tokens=400_000) == pytest.approx(0.0912)


def test_cached_tokens_are_part_of_the_prompt() -> None:
    price = Pricing(input=1.0, output=1.0, cached_input=0.5)
    assert price.cost(100, 0, cached_tokens=1_000) == pytest.approx(100 * 0.5 / 1_000_000)
    assert price.cost(100, 0, cached_tokens=-5) == pytest.approx(100 / 1_000_000)
    assert Pricing(input=1.0, output=1.0).cost(1_000_000, 0, cached_tokens=1_000_000) == pytest.approx(1.0)


def test_a_price_that_depends_on_the_hour() -> None:
    profile = load_profile("deepseek")
    day, night = price_for(profile, "deepseek-flash", NOON), price_for(profile, "deepseek-flash", NIGHT)
    assert day is not None
    assert night is not None
    assert (day.input, day.output, day.cached_input) == (0.15, 0.60, 0.003)
    assert (night.input, night.output, night.cached_input) == (0.30, 1.20, 0.006)
    assert day.source.startswith("genai-prices ")


def test_a_time_without_a_zone_is_utc() -> None:
    profile = load_profile("deepseek")
    bare = price_for(profile, "deepseek-flash", NIGHT.replace(tzinfo=None))
    assert bare == price_for(profile, "deepseek-flash", NIGHT)


def test_the_profile_where_the_data_set_knows_none() -> None:
    found = price_for(load_profile("deepinfra"), "openai/gpt-oss-20b", NOON)
    assert found is not None
    assert (found.input, found.output, found.cached_input) == (0.03, 0.14, None)
    assert found.source.startswith("https://pypi.org/project/litellm/")
    assert found.as_of == date(2026, 10, 21)


def test_a_host_of_ones_own() -> None:
    assert price_for(own(), "example", NOON) == Pricing(
        input=1.0, output=2.0, source="https://example.com/p", as_of=date(2026, 10, 1)
    )
    aliased = own(models={"aliases": {"short": "example"}})
    assert price_for(aliased, "short", NOON) == price_for(own(), "example", NOON)


def test_a_host_known_by_its_url_only() -> None:
    found = price_for(Profile(name="mine", base_url="https://api.openai.com/v1"), "gpt-6-luna", NOON)
    assert found is not None
    assert (found.input, found.output) == (0.10, 0.50), "the first tier"


@pytest.mark.parametrize(
    "name", ["deepseek", "openrouter", "together", "fireworks", "groq", "deepinfra", "openai"]
)
def test_default_models_have_a_price(name: str) -> None:
    profile = load_profile(name)
    assert profile.models.default is not None
    found = price_for(profile, profile.models.default.value, NOON)
    assert found is not None
    assert 0 < found.input < found.output


def test_unknown_is_none() -> None:
    assert price_for(None, "gpt-6-luna", NOON) is None
    assert price_for(own(), "something-else", NOON) is None
    assert price_for(load_profile("deepseek"), "no-such-model", NOON) is None
    assert price_for(load_profile("ollama"), "gpt-oss:20b", NOON) is None


def test_the_demo_is_free() -> None:
    found = price_for(load_profile("demo"), "demo-chat", NOON)
    assert found is not None
    assert found.is_free
    assert found.cost(1_000_000, 1_000_000) == 0


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a price must not need the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert price_for(load_profile("groq"), "openai/gpt-oss-20b", NOON) is not None


def test_budget_in_money() -> None:
    budget = Budget(0.10, Pricing(input=1.0, output=10.0))
    assert not budget.exhausted
    budget.add(10_000, 8_000)
    assert budget.spent_usd == pytest.approx(0.09)
    assert (budget.tokens, budget.prompt_tokens, budget.completion_tokens) == (18_000, 10_000, 8_000)
    assert not budget.exhausted
    budget.add(0, 2_000)
    assert budget.exhausted


def test_budget_counts_the_cache() -> None:
    budget = Budget(0.10, Pricing(input=1.0, output=10.0, cached_input=0.1))
    budget.add(100_000, 0, cached_tokens=100_000)
    assert budget.spent_usd == pytest.approx(0.01)


def test_budget_in_tokens_where_no_price_is_known() -> None:
    budget = Budget(0.10, None)
    budget.add(200_000, 99_999)
    assert budget.spent_usd is None
    assert not budget.exhausted
    budget.add(1, 0)
    assert budget.exhausted
    assert Budget(0.10, None, max_tokens_without_price=0).exhausted


def test_budget_without_bound_and_free_of_charge() -> None:
    unbound = Budget(None, None)
    unbound.add(10_000_000, 0)
    assert not unbound.exhausted
    free = Budget(0.0, Pricing(input=0.0, output=0.0))
    free.add(10_000_000, 10_000_000)
    assert not free.exhausted
    assert Budget(0.0, Pricing(input=1.0, output=1.0)).exhausted
