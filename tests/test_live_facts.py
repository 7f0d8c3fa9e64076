"""What the endpoint's own model list says goes before what was published, and is shown as live."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from typing import Any

import pytest

from llmcompat.billing import Budget
from llmcompat.engine.live import with_live_facts
from llmcompat.engine.runner import Finished, run_target
from llmcompat.model import Spend, TargetRun
from llmcompat.profiles import Profile
from llmcompat.reply import Reply
from llmcompat.reports.lines import spend_words
from llmcompat.settings import Pricing, Settings
from tests.checking import checklist, completion
from tests.reporting import exchange
from tests.servers.raw import RawRequest, RawServer, http_json

KEY = "k-3f9a7c51e2d84b60"
PUBLISHED = Pricing(input=9.0, output=9.0, source="https://example.com/prices", as_of=date(2026, 1, 1))
PROFILE = Profile.model_validate({"name": "mine", "limits": {"context_window": 32768}})


def settings_for(**changes: Any) -> Settings:
    given: dict[str, Any] = {
        "provider": "mine",
        "base_url": "https://openrouter.ai/api/v1",
        "model": "m1",
        "has_key": True,
        "pricing": PUBLISHED,
        "context_window": 32768,
    }
    return Settings(**(given | changes))


def listed(entry: dict[str, Any], **changes: Any) -> Reply:
    document = {"object": "list", "data": [{"id": "other", "context_length": 1}, {"id": "m1", **entry}]}
    url = "https://openrouter.ai/api/v1/models"
    return Reply([exchange(method="GET", url=url, body=json.dumps(document).encode(), **changes)])


PRICED = {"context_length": 131072, "pricing": {"prompt": "0.000001", "completion": "0.000003"}}


def test_price_and_window_of_the_list_are_preferred() -> None:
    found = with_live_facts(settings_for(), PROFILE, listed(PRICED))
    assert found.live == ("context_window", "pricing")
    assert found.context_window == 131072
    assert found.pricing == Pricing(
        input=1.0, output=3.0, source="https://openrouter.ai/api/v1/models", as_of=date(2026, 11, 1)
    )


@pytest.mark.parametrize(
    ("changes", "entry", "live"),
    [
        ({}, {}, ()),
        ({"model": "absent"}, PRICED, ()),
        ({"simulated": True}, PRICED, ()),
        ({"has_key": False}, PRICED, ("context_window",)),
        ({"context_window": None}, PRICED, ("context_window", "pricing")),
        ({"context_window": 8192}, PRICED, ("pricing",)),
        ({}, {**PRICED, "context_length": 4096}, ("pricing",)),
        ({}, {"pricing": {"prompt": "0", "completion": "0"}}, ()),
        ({}, {"pricing": {"prompt": "-1", "completion": "-1"}}, ()),
        ({}, {"pricing": {"prompt": "0.000001"}}, ()),
    ],
    ids=[
        "plain-list",
        "not-listed",
        "simulated",
        "no-key",
        "unknown-window",
        "the-users-window",
        "smaller-window",
        "nought-lifts-no-bound",
        "varying-price",
        "half-a-price",
    ],
)
def test_what_is_taken_and_what_is_not(
    changes: dict[str, Any], entry: dict[str, Any], live: tuple[str, ...]
) -> None:
    before = settings_for(**changes)
    found = with_live_facts(before, PROFILE, listed(entry))
    assert found.live == live
    if "pricing" not in live:
        assert found.pricing == PUBLISHED
    if "context_window" not in live:
        assert found.context_window == before.context_window


def test_a_list_that_was_refused_says_nothing() -> None:
    assert with_live_facts(settings_for(), PROFILE, listed(PRICED, status=500)) == settings_for()
    assert with_live_facts(settings_for(), PROFILE, Reply([exchange(body=b"<html>")])) == settings_for()
    assert with_live_facts(settings_for(), PROFILE, listed(PRICED, started_at="soon")).live == (
        "context_window",
    )


def run(settings: Settings) -> TargetRun:
    async def collect() -> TargetRun:
        async for event in run_target(checklist(), settings, PROFILE, key=KEY, seed="test"):
            if isinstance(event, Finished):
                return event.run
        raise AssertionError("a run always finishes")

    return asyncio.run(collect())


def test_a_run_counts_with_the_live_price_from_its_first_request_on() -> None:
    def answer(request: RawRequest) -> bytes:
        if request.path.endswith("/models"):
            return http_json({"object": "list", "data": [{"id": "m1", "object": "model", **PRICED}]})
        return http_json(completion("ok"))

    with RawServer(answer) as server:
        settings = settings_for(
            base_url=server.base_url, loopback=True, only=("chat-accepted", "price-known"), timeout=5.0
        )
        result = run(settings)
    assert result.settings["live"] == ["context_window", "pricing"]
    assert result.settings["context_window"] == 131072
    assert result.settings["pricing"]["source"] == f"{server.base_url}/models"
    spend = result.spend
    assert spend.prompt_tokens > 0
    assert spend.usd == pytest.approx((spend.prompt_tokens * 1.0 + spend.completion_tokens * 3.0) / 1e6)
    assert "at the live price, from the endpoint's own model list" in "; ".join(
        spend_words(spend, result.settings)
    )
    priced = next(check for check in result.checks if check.id == "price-known")
    assert any(f"the price is from {server.base_url}/models" in note for note in priced.notes)


def test_a_bound_in_tokens_becomes_one_in_money() -> None:
    budget = Budget(0.01, None, max_tokens_without_price=1_000_000)
    budget.add(1_000, 1_000)
    budget.reprice(Pricing(input=1.0, output=3.0))
    assert budget.spent_usd == pytest.approx(0.004)
    assert not budget.exhausted
    budget.add(0, 2_000)
    assert budget.exhausted


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"pricing": {"source": "s", "as_of": "2026-09-10"}},
            "0.5000 USD at the list price of 2026-09-10 (s)",
        ),
        (
            {"pricing": {"source": "genai-prices 1", "as_of": None}},
            "0.5000 USD at the price in genai-prices 1",
        ),
        ({"pricing": {"source": "", "as_of": None}}, "0.5000 USD"),
        (
            {"pricing": {"source": "s"}, "live": ["pricing"]},
            "0.5000 USD at the live price, from the endpoint's",
        ),
        ({"pricing": None}, "0.5000 USD"),
        ({}, "0.5000 USD"),
    ],
)
def test_the_price_is_told_with_its_source(settings: dict[str, Any], words: str) -> None:
    told = spend_words(Spend(1, 2, 3, 0.5), settings)[2]
    assert told.startswith(words)
    assert words.endswith("the endpoint's") or told == words
