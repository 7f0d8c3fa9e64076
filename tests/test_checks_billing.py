"""Counters, prices and balances as literals, before the checks that judge them."""

from datetime import date
from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.profiles.loader import load_profile
from llmcompat.profiles.schema import Balance, Profile
from llmcompat.reply import Reply
from llmcompat.settings import Pricing
from tests.checking import (
    USAGE,
    Judgement,
    answer,
    chunk_list,
    completion,
    demo_settings,
    exchanges,
    judge,
    stream,
    tool_call,
)

PRICE = Pricing(input=1.0, output=2.0, source="a list", as_of=date(2026, 11, 1))


def ended(judgement: Judgement) -> str | None:
    """How it ended, in one word: the case of a failure, the owner of a block, else the status."""
    return judgement.case or judgement.blocked_by or judgement.status.value


def used(prompt: Any = 12, completion_tokens: Any = 8, total: Any = ..., **more: Any) -> dict[str, Any]:
    total = prompt + completion_tokens if total is ... else total
    return {"prompt_tokens": prompt, "completion_tokens": completion_tokens, "total_tokens": total, **more}


def with_usage(usage: Any) -> Reply:
    return answer(completion(usage=usage))


@pytest.mark.parametrize(
    ("usage", "end"),
    [
        (USAGE, "pass"),
        (used(queue_time=0.1), "pass"),
        (..., "usage-missing"),
        (None, "usage-null"),
        ({}, "usage-empty"),
        ([], "usage-empty"),
        (used(0, 0), "usage-zero"),
        (used(12, 0), "usage-zero"),
        ({"completion_tokens": 3}, "pass"),
    ],
)
def test_usage_present(usage: Any, end: str) -> None:
    assert ended(judge("usage-present", exchanges=exchanges(with_usage(USAGE), with_usage(usage)))) == end


def test_usage_present_accepts_an_empty_answer() -> None:
    empty = answer(completion(content="", usage=used(12, 0)))
    assert judge("usage-present", exchanges=exchanges(empty)).status is Status.PASS
    assert judge("usage-present", exchanges=exchanges(answer({}))).blocked_by == "response-choices"


@pytest.mark.parametrize(
    ("usage", "end"),
    [
        (USAGE, "pass"),
        ({"prompt_tokens": 12, "total_tokens": 12}, "usage-fields-missing"),
        (used(12, None, 12), "usage-fields-missing"),
        (used(12.0, 8), "usage-float"),
        (used("12", "8", "20"), "usage-string"),
        (used(12, -1), "usage-negative"),
        (used(12, True), "usage-other-type"),
        (None, "usage-present"),
    ],
)
def test_usage_integers(usage: Any, end: str) -> None:
    assert ended(judge("usage-integers", exchanges=exchanges(with_usage(usage)))) == end


def test_usage_integers_of_a_stream() -> None:
    odd = stream(chunk_list(usage=used(12.5, 8)))
    assert judge("usage-integers", exchanges=exchanges(with_usage(USAGE), odd)).case == "usage-float"
    assert (
        judge("usage-integers", exchanges=exchanges(with_usage(USAGE), stream(chunk_list(usage=None)))).case
        is None
    )


@pytest.mark.parametrize(
    ("usage", "end"),
    [
        (used(10, 5), "pass"),
        (used(10, 50, completion_tokens_details={"reasoning_tokens": 40}), "pass"),
        (used(10, 50, completion_tokens_details=None), "pass"),
        (used(10, 5, 16), "usage-sum"),
        (
            used(10, 5, 55, completion_tokens_details={"reasoning_tokens": 40}),
            "usage-reasoning-outside-completion",
        ),
        (
            used(10, 50, 90, completion_tokens_details={"reasoning_tokens": 30}),
            "usage-reasoning-outside-completion",
        ),
        (
            used(10, 5, 15, completion_tokens_details={"reasoning_tokens": 40}),
            "usage-reasoning-outside-completion",
        ),
        (used(10, 5.5), "usage-integers"),
    ],
)
def test_usage_sum(usage: Any, end: str) -> None:
    assert ended(judge("usage-sum", exchanges=exchanges(with_usage(usage)))) == end


LONG = "A sentence of ordinary words about the weather in Paris. " * 20


@pytest.mark.parametrize(
    ("reply", "plausible", "inflated"),
    [
        (with_usage(USAGE), "pass", "pass"),
        (answer(completion(LONG, usage=used(12, 240))), "pass", "pass"),
        (answer(completion(LONG, usage=used(12, 9))), "usage-completion-too-small", "pass"),
        (answer(completion(LONG * 9, usage=used(12, 900))), "pass", "pass"),
        (
            answer(
                completion(tool_calls=[tool_call(arguments='{"city": "' + LONG + '"}')], usage=used(12, 9))
            ),
            "usage-completion-too-small",
            "pass",
        ),
        (
            answer(completion("ok", usage=used(5)), sent={"messages": [{"role": "user", "content": LONG}]}),
            "usage-prompt-too-small",
            "pass",
        ),
        (answer(completion("ok", usage=used(12, 900))), "pass", "usage-completion-too-large"),
        (
            answer(
                completion("ok", usage=used(12, 900, completion_tokens_details={"reasoning_tokens": 890}))
            ),
            "pass",
            "pass",
        ),
        (answer(completion("ok", usage=used(12, 300), message={"reasoning": LONG})), "pass", "pass"),
        (answer(completion("ok", usage=used(5000, 2))), "pass", "usage-prompt-too-large"),
        (
            answer(
                completion("ok", usage=used(5000, 2)),
                sent={
                    "messages": [
                        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}
                    ]
                },
            ),
            "pass",
            "pass",
        ),
        (answer(completion("", finish_reason="error", usage=used(12, 900))), "pass", "pass"),
        (
            answer(completion(LONG, usage=used(12, 9, completion_tokens_details={"reasoning_tokens": 200}))),
            "pass",
            "pass",
        ),
        (with_usage(None), "usage-present", "usage-present"),
    ],
)
def test_usage_against_the_text(reply: Reply, plausible: str, inflated: str) -> None:
    assert ended(judge("usage-plausible", exchanges=exchanges(reply))) == plausible
    assert ended(judge("usage-not-inflated", exchanges=exchanges(reply))) == inflated


@pytest.mark.parametrize(
    ("cap", "count", "end"),
    [
        ({"max_tokens": 100}, 101, "pass"),
        ({}, 5000, "pass"),
        ({"max_tokens": 16}, 300, "pass"),
        ({"max_completion_tokens": 100}, 300, "usage-above-cap"),
    ],
)
def test_usage_within_cap(cap: dict[str, int], count: int, end: str) -> None:
    reply = answer(completion(usage=used(12, count)), sent=cap)
    assert ended(judge("usage-within-cap", exchanges=exchanges(reply))) == end


@pytest.mark.parametrize(
    ("text", "thought", "count", "end"),
    [
        ("1, 2, 3", None, 17, "pass"),
        ("1, 2, 3", None, 48, "usage-above-cap"),
        ("1, 2, 3", "I count.", 48, "pass"),
        ("I count.</think>1, 2", None, 48, "pass"),
    ],
)
def test_a_small_cap_counts_where_it_cut(text: str, thought: str | None, count: int, end: str) -> None:
    said = {"content": text} | ({"reasoning_content": thought} if thought else {})
    document = completion(finish_reason="length", usage=used(12, count), message=said)
    reply = answer(document, sent={"max_tokens": 16})
    assert ended(judge("usage-within-cap", exchanges=exchanges(reply))) == end


@pytest.mark.parametrize(
    ("more", "details", "whole", "cached"),
    [
        ({}, "pass", "pass", "pass"),
        ({"prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": None}}, "pass", "pass", "pass"),
        ({"prompt_tokens_details": None}, "pass", "pass", "pass"),
        ({"prompt_tokens_details": 3}, "usage-details-type", "pass", "pass"),
        ({"completion_tokens_details": {"reasoning_tokens": "3"}}, "usage-details-type", "pass", "pass"),
        ({"prompt_tokens_details": {"cached_tokens": 13}}, "usage-cached-above-prompt", "pass", "pass"),
        ({"cost": 0.001, "cost_details": {"upstream_cost": 0.1}}, "pass", "pass", "pass"),
        ({"tokens_per_second": 81.5}, "pass", "usage-extra-float-metrics", "pass"),
        ({"timings": {"queue": 0.5}}, "pass", "usage-extra-float-metrics", "pass"),
        ({"prompt_cache_hit_tokens": 0}, "pass", "pass", "usage-cached-field-nonstandard"),
        (
            {"prompt_cache_hit_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}},
            "pass",
            "pass",
            "pass",
        ),
    ],
)
def test_usage_beside_the_counters(more: dict[str, Any], details: str, whole: str, cached: str) -> None:
    evidence = exchanges(with_usage(used(**more)))
    assert ended(judge("usage-details", exchanges=evidence)) == details
    assert ended(judge("usage-whole-numbers", exchanges=evidence)) == whole
    assert ended(judge("usage-cached-field", exchanges=evidence)) == cached


def test_price_known() -> None:
    evidence = exchanges(with_usage(used(1_000_000, 500_000)))
    found = judge("price-known", exchanges=evidence, settings=demo_settings(pricing=PRICE))
    assert found.status is Status.PASS
    assert {measure.name: measure.value for measure in found.measures}["cost of the plain answers"] == 2.0
    assert (
        judge("price-known", exchanges=evidence, settings=demo_settings(loopback=False)).case
        == "price-unknown"
    )
    assert judge("price-known", exchanges=evidence, settings=demo_settings()).notes


@pytest.mark.parametrize(
    ("cost", "end"),
    [
        ({}, "pass"),
        ({"cost": 2.0}, "pass"),
        ({"cost": 1.1}, "pass"),
        ({"cost": 1.1, "prompt_tokens_details": {"cached_tokens": 900_000}}, "pass"),
        ({"estimated_cost": 2.15}, "pass"),
        ({"estimated_cost": 2.25}, "usage-cost-semantics"),
        ({"cost": 6.0}, "usage-cost-semantics"),
        ({"cost": 0.8}, "usage-cost-semantics"),
        ({"cost": 1.75, "prompt_tokens_details": {"cached_tokens": 0}}, "usage-cost-semantics"),
        ({"cost": 1.85, "prompt_tokens_details": {"cached_tokens": 0}}, "pass"),
        ({"cost": 0, "is_byok": True}, "usage-cost-semantics"),
        ({"cost": "2.0"}, "pass"),
    ],
)
def test_provider_cost_agrees(cost: dict[str, Any], end: str) -> None:
    evidence = exchanges(with_usage(used(1_000_000, 500_000, **cost)))
    assert (
        ended(judge("provider-cost-agrees", exchanges=evidence, settings=demo_settings(pricing=PRICE))) == end
    )


CACHED = PRICE.model_copy(update={"cached_input": 0.1})


@pytest.mark.parametrize(
    ("usage", "end"),
    [
        # 900,000 tokens from the cache: 0.09, and 0.1 and 1.0 USD for the rest
        (used(1_000_000, 500_000, cost=1.2, prompt_tokens_details={"cached_tokens": 900_000}), "pass"),
        (
            used(1_000_000, 500_000, cost=2.0, prompt_tokens_details={"cached_tokens": 900_000}),
            "usage-cost-semantics",
        ),
        (used(1_000_000, 500_000, cost=1.2, prompt_cache_hit_tokens=900_000), "pass"),
        (used(1_000_000, 500_000, cost=1.05), "pass"),
        (used(1_000_000, 500_000, cost=0.9), "usage-cost-semantics"),
        # thinking that is counted outside is charged all the same
        (
            used(10, 500_000, 1_500_010, cost=3.0, completion_tokens_details={"reasoning_tokens": 1_000_000}),
            "pass",
        ),
        # 0.000028 USD, rounded up in the sixth place
        (used(12, 8, cost=0.000029), "pass"),
        (used(12, 8, cost=0.00004), "usage-cost-semantics"),
    ],
)
def test_provider_cost_with_what_the_cache_saved(usage: dict[str, Any], end: str) -> None:
    settings = demo_settings(pricing=CACHED)
    assert (
        ended(judge("provider-cost-agrees", exchanges=exchanges(with_usage(usage)), settings=settings)) == end
    )


def test_a_stated_cost_without_a_price() -> None:
    evidence = exchanges(with_usage(used(cost=1)))
    assert judge("provider-cost-agrees", exchanges=evidence).blocked_by == "price-known"


def test_requests_paid() -> None:
    good = with_usage(USAGE)
    assert judge("requests-paid", exchanges=exchanges(good, answer(status=429))).status is Status.PASS
    empty = answer({"error": {"message": "Insufficient Balance"}}, status=402, sent={"max_tokens": 9})
    assert judge("requests-paid", exchanges=exchanges(good, empty)).case == "quota-402"
    held = answer({"error": {"message": "You can only afford 30104"}}, status=402)
    assert judge("requests-paid", exchanges=exchanges(good, held)).case == "max-tokens-credit-reservation-402"


def profile_with(**balance: Any) -> Profile:
    known = {"path": "/balance", "pointer": "/data/0/left", "kind": "balance", "unit": "USD"} | balance
    return Profile(name="x", base_url="https://api.example.com/v1", balance=Balance(**known))


PAID = demo_settings(base_url="https://api.example.com/v1", has_key=True, balance_floor=5.0)


@pytest.mark.parametrize(
    ("reply", "readable", "floor"),
    [
        (answer({"data": [{"left": 12}]}), "pass", "pass"),
        (answer({"data": [{"left": "12.50"}]}), "pass", "pass"),
        (answer({"data": [{"left": 4.99}]}), "pass", "balance-below-floor"),
        (answer({"data": [{"left": "much"}]}), "balance-unreadable", "balance-readable"),
        (answer({"data": []}), "balance-unreadable", "balance-readable"),
        (answer(b"<html>"), "balance-unreadable", "balance-readable"),
        (answer({}, status=404), "balance-refused", "balance-readable"),
    ],
)
def test_balance(reply: Reply, readable: str, floor: str) -> None:
    evidence: dict[str, Any] = {"balance": reply, "profile": profile_with(), "settings": PAID}
    assert ended(judge("balance-readable", **evidence)) == readable
    assert ended(judge("balance-floor", **evidence)) == floor


def test_balance_in_its_own_unit() -> None:
    reply = answer({"amounts": {"a/b": -1250}, "currency": "CNY"})
    profile = profile_with(pointer="/amounts/a~1b", factor=-0.01, unit_pointer="/currency")
    found = judge("balance-readable", balance=reply, profile=profile, settings=PAID)
    assert [(measure.value, measure.unit) for measure in found.measures] == [(12.5, "CNY")]


@pytest.mark.parametrize(
    ("profile", "changes"),
    [
        (load_profile("demo"), {}),
        (profile_with(), {"has_key": False}),
        (
            profile_with(path=None, url="https://api.example.com/credit"),
            {"base_url": "https://proxy.example.com/v1"},
        ),
    ],
)
def test_balance_that_is_not_asked(profile: Profile, changes: dict[str, Any]) -> None:
    settings = PAID.model_copy(update=changes)
    for id in ("balance-readable", "balance-floor"):
        found = judge(id, balance=answer([]), profile=profile, settings=settings)
        assert found.status is Status.SKIP
        assert found.reason


def test_a_key_without_a_limit_has_nothing_left_to_tell() -> None:
    evidence: dict[str, Any] = {"balance": answer({"data": [{"left": None}]}), "settings": PAID}
    unlimited = profile_with(kind="limit_remaining")
    found = judge("balance-readable", profile=unlimited, **evidence)
    assert found.status is Status.PASS
    assert found.notes
    assert judge("balance-floor", profile=unlimited, **evidence).status is Status.SKIP
    assert judge("balance-readable", profile=profile_with(), **evidence).case == "balance-unreadable"


def test_balance_floor_without_a_floor_or_a_rest() -> None:
    reply = answer({"data": [{"left": 12}]})
    for profile, settings in (
        (profile_with(), PAID.model_copy(update={"balance_floor": None})),
        (profile_with(kind="spent"), PAID),
    ):
        assert judge("balance-floor", balance=reply, profile=profile, settings=settings).status is Status.SKIP


@pytest.mark.parametrize("id", ["spend-limit-set", "alert-address-set"])
def test_what_a_person_sets_up(id: str) -> None:
    known = judge(id, profile=load_profile("openai"), exchanges=exchanges())
    assert known.status is Status.MANUAL
    assert "alert options: spend alerts by e-mail" in (known.facts or "")
    assert "as of 2026-10-03" in (known.facts or "")
    unknown = judge(id, profile=Profile(name="x"), exchanges=exchanges()).facts or ""
    assert "o page" in unknown
    assert "not found in the profile" in unknown


def test_the_alert_line_names_the_balance_and_not_where_a_simulation_answers() -> None:
    def told(**where: Any) -> str:
        found = judge("alert-address-set", profile=profile_with(**where), exchanges=exchanges())
        return found.facts or ""

    assert "/balance" in told()
    address = "https://api.example.com/credit"
    assert "/credit" in told(path=None, url=address)
    assert address not in told(path=None, url=address)


def test_the_spend_limit_stands_beside_your_own_budget_and_the_refusal() -> None:
    known = load_profile("openai")
    settings = PAID.model_copy(update={"monthly_usd": 250.0})
    facts = judge("spend-limit-set", profile=known, exchanges=exchanges(), settings=settings).facts or ""
    assert "your budget: 250 USD a month" in facts
    assert "code 'organization_spend_limit_exceeded'" in facts
    assert "no budget" in (judge("spend-limit-set", profile=known, exchanges=exchanges()).facts or "")
