"""What is said of clients was measured, and is about deviations that the checklist tells."""

from __future__ import annotations

import datetime
from importlib.resources import files
from typing import Any

import pytest
import yaml

from llmcompat.clients import breaks, clients, measured_ok
from llmcompat.engine.evidence import Evidence
from llmcompat.engine.judge import judge
from llmcompat.model import ClientOutcome, Result
from llmcompat.profiles.loader import load_profile
from tests import mutations_plain, mutations_stream
from tests.checking import answer, checklist, completion, demo_settings, exchanges

DATA: dict[str, Any] = yaml.safe_load(
    (files("llmcompat.clients") / "data" / "clients.yaml").read_text(encoding="utf-8")
)
FACTS: list[dict[str, Any]] = DATA["facts"]
MUTATIONS = (*mutations_plain.MUTATIONS, *mutations_stream.MUTATIONS)
HARMFUL = {each.line for each in MUTATIONS if each.harmful and each.line}


def key(fact: dict[str, Any]) -> tuple[str, str]:
    return fact["check"], fact["case"]


def result(document: Any) -> Result:
    """How `response-id` ends on one answer."""
    evidence = Evidence({}, {}, exchanges(answer(document)))
    check = checklist().checks["response-id"]
    found = judge([check], checklist(), [evidence], load_profile("demo"), demo_settings())
    return next(each for each in found if each.id == "response-id")


def test_the_day_of_the_measurement_is_given() -> None:
    assert isinstance(DATA["measured_at"], datetime.date)


def test_every_fact_is_about_a_check_of_the_checklist() -> None:
    assert {fact["check"] for fact in FACTS} - checklist().checks.keys() == set()


def test_every_fact_is_about_the_line_of_a_change_that_is_tested() -> None:
    assert {key(fact) for fact in FACTS} - {each.line for each in MUTATIONS} == set()


def test_every_line_of_a_harmful_change_has_its_fact() -> None:
    assert HARMFUL - {key(fact) for fact in FACTS} == set()


def test_no_deviation_has_two_facts() -> None:
    assert len({key(fact) for fact in FACTS}) == len(FACTS)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: "/".join(key(fact)))
def test_a_fact_is_well_formed(fact: dict[str, Any]) -> None:
    assert fact.keys() <= {"check", "case", "outcomes", "ok", "varies", "read"}
    measured = [*fact.get("outcomes", {}), *fact.get("ok", ()), *fact.get("varies", ())]
    read = fact.get("read", {})
    assert measured
    assert len(set(measured)) == len(measured)
    assert all(clients()[client].measured for client in measured)
    assert not any(clients()[client].measured for client in read)
    assert set(fact.get("outcomes", {}).values()) <= {"raises", "differs"}
    assert set(read.values()) <= {"raises", "differs", "ok"}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: "/".join(key(fact)))
def test_a_fact_names_a_client_that_breaks_where_a_change_is_harmful(fact: dict[str, Any]) -> None:
    assert bool(fact.get("outcomes") or fact.get("varies")) == (key(fact) in HARMFUL)


def test_clients_are_told_with_their_versions_the_worst_first() -> None:
    found = breaks("response-refusal", "refusal-boolean")
    assert ClientOutcome("pydantic-ai", "2.68.0", "raises") in found
    assert ClientOutcome("go-openai", "1.42.0", "raises") in found
    ranks = [("raises", "differs", "ok").index(each.outcome) for each in found]
    assert ranks == sorted(ranks)
    assert ranks[-1] == 2


def test_what_was_only_read_is_kept_apart() -> None:
    read = breaks("response-id", "id-missing", measured=False)
    assert read == (ClientOutcome("async-openai", "0.41.3", "raises"),)
    assert not {each.client for each in breaks("response-id", "id-missing")} & {"async-openai"}


@pytest.mark.parametrize(
    ("case", "client", "expected"),
    [
        ("id-missing", "pydantic-ai", False),
        ("id-missing", "openai-python", True),
        ("id-missing", "async-openai", None),
        ("id-missing", "nobody", None),
        ("no-such-case", "pydantic-ai", None),
        (None, "pydantic-ai", None),
    ],
)
def test_whether_a_client_comes_through(case: str | None, client: str, expected: bool | None) -> None:
    assert measured_ok("response-id", case, client) is expected


def test_an_outcome_that_depends_on_the_value_is_not_told() -> None:
    # absent prompt_tokens differ in openai-python, absent total_tokens do not
    assert measured_ok("usage-integers", "usage-fields-missing", "openai-python") is None
    assert measured_ok("usage-integers", "usage-fields-missing", "pydantic-ai") is False


def test_nobody_is_said_to_come_through_where_that_depends_on_the_value() -> None:
    # the AI SDK raises without prompt_tokens and does not without total_tokens
    assert breaks("embeddings-usage", "embeddings-usage-fields") == ()
    assert measured_ok("embeddings-usage", "embeddings-usage-fields", "llama-index") is True


def test_a_failing_result_names_the_clients_and_a_passing_one_does_not() -> None:
    assert result(completion(id=...)).breaks == breaks("response-id", "id-missing") != ()
    assert result(completion()).breaks == ()
