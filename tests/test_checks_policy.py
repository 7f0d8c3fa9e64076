"""The lines that a person decides: what the profile says, from where and how old, and never a verdict."""

from __future__ import annotations

import re
from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.profiles import load_profile, shipped_profiles
from llmcompat.profiles.schema import Profile
from tests.checking import answer, checklist, completion, demo_settings, exchanges, judge

POLICY = (
    "data-retention",
    "data-training",
    "data-region",
    "data-subprocessors",
    "legal-terms",
    "security-certification",
)
LOCK_IN = ("lock-in-features", "model-retirement", "rollback-plan")
RUN = exchanges(answer(completion()))  # on 2026-11-22


def profile(**parts: Any) -> Profile:
    return Profile.model_validate({"name": "mine", "base_url": "http://127.0.0.1:9/v1"} | parts)


def fact(value: Any, as_of: str = "2026-11-01", **more: Any) -> dict[str, Any]:
    return {"value": value, "sources": ["https://example.com/privacy"], "as_of": as_of, **more}


@pytest.mark.parametrize("id", [*POLICY, *LOCK_IN, "moderation-assumptions"])
def test_a_person_decides_whatever_is_known(id: str) -> None:
    check = checklist().checks[id]
    assert check.kind == "manual"
    assert set(check.levels.values()) == {"should"}
    found = judge(id, profile=profile(), exchanges=exchanges())
    assert found.status is Status.MANUAL
    assert "\n" not in (found.seen or "")
    assert "not found in the profile" in (found.seen or "")


@pytest.mark.parametrize(
    ("id", "section", "name"),
    [
        ("data-retention", "data_policy", "retention"),
        ("data-retention", "data_policy", "zero_retention"),
        ("data-training", "data_policy", "training"),
        ("data-region", "data_policy", "region"),
        ("data-subprocessors", "data_policy", "passthrough"),
        ("legal-terms", "data_policy", "governing_law"),
        ("security-certification", "data_policy", "certification"),
        ("lock-in-features", "lock_in", "proprietary_fields"),
        ("lock-in-features", "lock_in", "model_ids"),
        ("model-retirement", "lock_in", "model_pinning"),
        ("model-retirement", "facts", "retirement"),
    ],
)
def test_a_fact_is_quoted_with_source_and_date(id: str, section: str, name: str) -> None:
    told = profile(**{section: {name: fact("thirty days")}})
    seen = judge(id, profile=told, exchanges=RUN).seen or ""
    assert f"{name.replace('_', ' ')}: thirty days (https://example.com/privacy; as of 2026-11-01)" in seen


@pytest.mark.parametrize(
    ("given", "marks", "beside"),
    [
        (fact("x", "2026-08-24"), "", ""),
        (fact("x", "2026-08-23"), "", " | more than 90 days old: region"),
        (fact("x", confirmed=False), "; unconfirmed", ""),
        (fact("x", note="for paid\nplans"), "; for paid plans", ""),
        (fact("x", "2025-01-01", confirmed=False), "; unconfirmed", " | more than 90 days old: region"),
    ],
)
def test_old_and_unconfirmed_facts_are_marked(given: dict[str, Any], marks: str, beside: str) -> None:
    found = judge("data-region", profile=profile(data_policy={"region": given}), exchanges=RUN)
    assert found.facts == f"region: x (https://example.com/privacy; as of {given['as_of']}{marks})"
    assert found.seen == f"{found.facts}{beside}"


def test_a_fact_of_your_own_profile_says_what_it_lacks() -> None:
    seen = judge("data-region", profile=profile(data_policy={"region": "EU"}), exchanges=RUN).seen
    assert seen == "region: EU (no source given; no date given)"


MANUAL = [check.id for check in checklist().checks.values() if check.kind == "manual"]


def test_every_decision_that_a_migration_asks_of_people_has_a_line() -> None:
    assert {*POLICY, *LOCK_IN, "moderation-assumptions", "spend-limit-set", "alert-address-set"} == {*MANUAL}


@pytest.mark.parametrize("name", shipped_profiles())
@pytest.mark.parametrize("id", MANUAL)
def test_what_is_signed_is_the_same_in_every_run(id: str, name: str) -> None:
    known = load_profile(name)
    seen_on_the_wire = exchanges(
        answer(completion(None, finish_reason="content_filter")), answer([], path="moderations", status=404)
    )
    moved = demo_settings(base_url="http://127.0.0.1:40123/v1")
    first = judge(id, profile=known, exchanges=exchanges())
    later = judge(id, profile=known, exchanges=seen_on_the_wire, settings=moved)
    assert first.facts
    assert later.facts == first.facts
    assert "127.0.0.1:9" not in first.facts


@pytest.mark.parametrize("id", MANUAL)
def test_a_line_shows_a_source_with_its_day_or_says_that_none_is_known(id: str) -> None:
    for name in shipped_profiles():
        facts = judge(id, profile=load_profile(name), exchanges=exchanges()).facts or ""
        assert re.search(r"\(https?://[^ ]+; as of 20\d\d-\d\d-\d\d", facts) or (
            "not found in the profile" in facts or "(no source given; no date given)" in facts
        )


def test_without_a_run_nothing_is_called_old() -> None:
    old = profile(data_policy={"region": fact("EU", "2020-01-01")})
    assert "days old" not in (judge("data-region", profile=old, exchanges=exchanges()).seen or "")


def test_pages_are_named() -> None:
    told = profile(pages={"terms": "https://example.com/terms", "privacy": "https://example.com/privacy"})
    seen = judge("legal-terms", profile=told, exchanges=RUN).seen or ""
    assert seen.endswith("| terms: https://example.com/terms | privacy: https://example.com/privacy")


def test_facts_of_another_address_are_marked() -> None:
    elsewhere = demo_settings(base_url="https://gateway.example/v1")
    told = profile(data_policy={"region": fact("EU")})
    assert judge("data-region", profile=told, exchanges=RUN).notes == ()
    found = judge("data-region", profile=told, exchanges=RUN, settings=elsewhere)
    assert "the run went to https://gateway.example/v1" in found.notes[0]


def test_what_ties_your_own_requests() -> None:
    settings = demo_settings(body={"thinking": {"type": "disabled"}, "seed": 1}, headers={"X-Title": "app"})
    for id in ("lock-in-features", "rollback-plan"):
        seen = judge(id, profile=profile(), exchanges=RUN, settings=settings).seen or ""
        assert "your settings send fields thinking and headers X-Title" in seen
        bare = judge(id, profile=profile(), exchanges=RUN).seen or ""
        assert "no field that OpenAI does not document" in bare


def test_what_is_known_of_the_model() -> None:
    models: dict[str, Any] = {"aliases": {"demo-chat": "demo-2"}, "retired": {"old": "stopped on 2026-07-24"}}
    models["sources"], models["as_of"] = ["https://example.com/models"], "2026-11-01"
    seen = judge("model-retirement", profile=profile(models=models), exchanges=RUN).seen or ""
    assert "(https://example.com/models; as of 2026-11-01)" in seen
    assert "demo-chat is another name of demo-2" in seen
    assert "retired: old (stopped on 2026-07-24)" in seen


def test_what_to_put_back() -> None:
    seen = judge("rollback-plan", profile=profile(key_variable="MY_KEY"), exchanges=RUN).seen or ""
    assert all(each in seen for each in ("http://127.0.0.1:9/v1", "demo-chat", "MY_KEY"))
