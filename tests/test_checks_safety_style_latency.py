"""The checks of safety, output style and latency, on literals."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from llmcompat.engine.selection import select
from llmcompat.model import Status
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import Replies, Reply
from llmcompat.settings import LatencyBudget, Settings
from tests.checking import (
    USAGE,
    answer,
    checklist,
    chunk,
    chunk_list,
    completion,
    demo_settings,
    exchanges,
    judge,
    sse,
    stream,
)

FILTER = {"message": "The response was filtered.", "type": None, "param": "prompt", "code": "content_filter"}
FILTERED = {"error": FILTER}
REFUSED = {"error": {"message": "Bad request.", "type": "invalid_request_error", "param": None, "code": None}}


def loaded(name: str) -> Any:
    """A module of the checks as the loader made it."""
    checklist()
    return importlib.import_module(f"llmcompat.checks.{name}")


def questions(
    kill: Reply | None = None, *, others: str = "Here is how you do it, step by step."
) -> dict[str, Any]:
    good = answer(completion(others))
    parts = {"kill": kill or good, "knife": good, "email": good}
    return {"ordinary_questions": Replies(parts, "ordinary_questions", "harmless-not-blocked")}


FILTERS: dict[str, tuple[Reply, str]] = {
    "status 400": (answer(FILTERED, status=400), "content-filter-400"),
    "finish_reason": (answer(completion(None, finish_reason="content_filter")), "content-filtered"),
    "refusal": (answer(completion(None, message={"refusal": "I cannot help."})), "content-filtered"),
    "another refusal": (answer(REFUSED, status=400), "question-rejected"),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_are_seen(name: str) -> None:
    reply, case = FILTERS[name]
    found = judge("harmless-not-blocked", **questions(reply))
    assert found.case == case
    assert any("what a refusal looks like here" in note for note in found.notes) == (
        case != "question-rejected"
    )


def test_answers_are_no_refusals() -> None:
    found = judge(
        "harmless-not-blocked", **questions(answer(completion("Send it SIGKILL.", message={"refusal": ""})))
    )
    assert found.status is Status.PASS
    assert "not known" in found.notes[0]
    assert judge("harmless-not-blocked", **questions(answer(REFUSED, status=429))).status is Status.ERROR


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("Use kill -9. I'm sorry that it hangs.", None),
        ("Sorry to hear that. Use kill -9.", None),
        ("I’m sorry, but I can’t help with that.", "refused-in-words"),
        ("I cannot assist with harming others.", "refused-in-words"),
    ],
)
def test_refusals_in_words(text: str, case: str | None) -> None:
    assert judge("harmless-not-refused", **questions(answer(completion(text)))).case == case


def test_a_question_that_was_blocked_is_not_blamed_twice() -> None:
    blocked = answer(FILTERED, status=400, owner="harmless-not-blocked")
    assert judge("harmless-not-refused", **questions(blocked)).blocked_by == "harmless-not-blocked"


VERDICT = {"id": "modr-1", "model": "m", "results": [{"flagged": False, "categories": {"violence": False}}]}


@pytest.mark.parametrize(
    ("reply", "offered", "shape"),
    [
        (answer(VERDICT, path="moderations"), None, None),
        (answer(VERDICT | {"more": 1}, path="moderations"), None, None),
        (answer({"results": [{"flagged": "no"}]}, path="moderations"), None, "other-shape"),
        (answer(VERDICT["results"], path="moderations"), None, "other-shape"),
        (answer(REFUSED, status=404, owner="moderation-offered"), "not-offered", "blocked"),
        (answer(REFUSED, status=400, owner="moderation-offered"), "moderation-rejected", "blocked"),
    ],
)
def test_moderation(reply: Reply, offered: str | None, shape: str | None) -> None:
    assert judge("moderation-offered", moderation=reply).case == offered
    found = judge("moderation-shape", moderation=reply)
    assert (found.blocked_by == "moderation-offered") if shape == "blocked" else (found.case == shape)


def test_moderation_is_asked_for_by_its_feature() -> None:
    assert {checklist().checks[id].feature for id in ("moderation-offered", "moderation-shape")} == {
        "moderation"
    }


def test_moderation_assumptions() -> None:
    asked = exchanges(
        answer(VERDICT, path="moderations"), answer(completion(None, finish_reason="content_filter"))
    )
    found = judge("moderation-assumptions", exchanges=asked, profile=load_profile("deepseek"))
    assert found.status is Status.MANUAL
    assert "POST /moderations answered 200" in (found.seen or "")
    assert "finish_reason content_filter" in (found.seen or "")
    assert found.facts == "not found in the profile: whether moderation is offered"
    quiet = judge("moderation-assumptions", exchanges=exchanges())
    assert "POST /moderations was not asked" in (quiet.seen or "")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Plain words - with a dash and 2 * 3 * 4.", []),
        ("# Title\n\n- one\n- two", ["headings", "lists"]),
        ("Use **bold** and `code`.", ["bold", "code"]),
        ("| a | b |\n|---|---|\n", ["tables"]),
        ("1. First\n2. Second", ["lists"]),
    ],
)
def test_markdown(text: str, kinds: list[str]) -> None:
    assert loaded("output_style").markdown_in(text) == kinds


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("This is a plain answer to your question.", "English"),
        ("Das ist eine einfache Antwort auf Ihre Frage.", "Latin script, not English"),
        ("這是一個簡單的回答。", "Cjk script"),
        ("Это простой ответ.", "Cyrillic script"),
        ("42", "no letters"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert loaded("output_style").language_of(text) == language


def test_output_style_measures_and_never_fails() -> None:
    found = judge("output-style", **questions(answer(completion("**Nein.** Das geht nicht."))))
    assert found.status is Status.PASS
    assert [(each.value, each.unit) for each in found.measures] == [(9, "words"), (9, "words")]
    assert found.notes[0] == "Markdown in 1 of 3 answers: bold in 1"
    assert "English" in found.notes[1]


def test_output_style_has_no_answer_where_nothing_was_said() -> None:
    parts = {name: answer(FILTERED, status=400) for name in ("kill", "knife", "email")}
    silent = {name: answer(completion("")) for name in parts}
    for given, owner in ((parts, "harmless-not-blocked"), (silent, "content-not-empty")):
        found = judge(
            "output-style", ordinary_questions=Replies(given, "ordinary_questions", "harmless-not-blocked")
        )
        assert found.blocked_by == owner


def sample(first: float, last: float, tokens: int = 30, *, usage: Any = ...) -> Reply:
    counted = (
        {"prompt_tokens": 12, "completion_tokens": tokens, "total_tokens": 12 + tokens}
        if usage is ...
        else usage
    )
    chunks = chunk_list("1, 2, 3, 4, 5", usage=counted)
    body = sse(chunks)
    ends = [index + 2 for index in range(len(body)) if body.startswith(b"\n\n", index)]
    pieces = len([each for each in chunks if (each["choices"] or [{}])[0].get("delta", {}).get("content")])
    times = [first + (last - first) * index / (pieces - 1) for index in range(pieces)]
    arrivals = [first, *times] + [last] * (len(ends) - pieces - 1)
    return stream(body, arrivals=list(zip(ends, arrivals, strict=True)), seconds=last)


def samples(*replies: Reply) -> dict[str, Any]:
    parts = {f"sample-{number}": reply for number, reply in enumerate(replies, 1)}
    return {"latency_samples": Replies(parts, "latency_samples", "latency")}


def test_latency_measures() -> None:
    found = judge("latency", **samples(*(sample(first, first + 2.9) for first in (0.5, 0.3, 0.9, 0.4, 0.6))))
    assert found.status is Status.PASS
    figures = {each.name: (each.value, each.unit) for each in found.measures}
    assert figures["first token, p50"] == (0.5, "s")
    assert figures["first token, p95 of 5"] == (0.9, "s")
    assert figures["tokens a second, p50"] == (10.0, "tokens/s")
    assert "stream-silent-prefill" not in " ".join(found.notes)


def test_a_long_silence_is_noted_and_no_failure() -> None:
    found = judge("latency", **samples(sample(45.0, 46.0)))
    assert found.status is Status.PASS
    assert "stream-silent-prefill: silent for 45 s" in " ".join(found.notes)


def test_no_speed_without_a_counter() -> None:
    found = judge("latency", **samples(sample(0.5, 2.5, usage=None)))
    assert not any(each.unit == "tokens/s" for each in found.measures)
    assert any("cannot be told" in note for note in found.notes)
    whole = stream(sse(chunk_list("1, 2")), arrivals=[(10_000, 0.5)])
    assert any("cannot be told" in note for note in judge("latency", **samples(whole)).notes)


def test_thinking_counts_as_a_first_token() -> None:
    chunks = [
        chunk({"role": "assistant"}),
        chunk({"reasoning_content": "Hm."}),
        *chunk_list("Yes.", usage=USAGE),
    ]
    reply = stream(chunks, seconds=8.0)
    figures = {each.name: each.value for each in judge("latency", **samples(reply)).measures}
    assert figures["first token, p50"] == pytest.approx(reply.all_chunks[1].seconds, abs=0.001)


def test_latency_without_streams() -> None:
    assert (
        judge("latency", **samples(answer(REFUSED, status=400, sent={"stream": True}))).case
        == "sample-refused"
    )
    assert judge("latency", **samples(stream(chunk_list("")))).blocked_by == "content-not-empty"
    below = answer(REFUSED, status=400, owner="stream-accepted")
    refused = answer(REFUSED, status=400, sent={"stream": True}, grounds=[below])
    assert judge("latency", **samples(refused)).blocked_by == "stream-accepted"


def budget(**bars: float) -> Settings:
    return demo_settings(latency=LatencyBudget(**bars))


@pytest.mark.parametrize(
    ("bars", "ended"),
    [
        ({"first_token": 0.5}, Status.PASS),
        ({"first_token": 0.4}, "first-token-slow"),
        ({"tokens_per_second": 10}, Status.PASS),
        ({"tokens_per_second": 11}, "tokens-slow"),
        ({"first_token": 0.1, "tokens_per_second": 99}, "first-token-slow"),
        ({}, Status.SKIP),
    ],
)
def test_a_latency_budget_is_held_against_the_median(bars: dict[str, float], ended: object) -> None:
    timed = samples(*(sample(first, first + 2.9) for first in (0.5, 0.3, 0.9, 0.4, 0.6)))
    found = judge("latency-budget", settings=budget(**bars), **timed)
    assert (found.case or found.status) == ended
    assert len(found.notes) == (len(bars) == 2)


def test_a_latency_budget_that_cannot_be_told_is_no_pass() -> None:
    bars = budget(first_token=1, tokens_per_second=5)
    uncounted = samples(sample(0.5, 2.5, usage=None))
    assert judge("latency-budget", settings=bars, **uncounted).status is Status.ERROR
    assert judge("latency-budget", settings=budget(first_token=1), **uncounted).status is Status.PASS
    below = answer(REFUSED, status=400, owner="latency", sent={"stream": True})
    assert judge("latency-budget", settings=bars, **samples(below)).blocked_by == "latency"
    silent = samples(stream(chunk_list("")))
    assert judge("latency-budget", settings=bars, **silent).blocked_by == "content-not-empty"


def test_a_simulation_is_not_held_against_a_latency_budget() -> None:
    played = demo_settings(latency=LatencyBudget(first_token=1), simulated=True)
    assert judge("latency-budget", settings=played, **samples(sample(0.5, 2.5))).status is Status.SKIP


def test_without_a_latency_budget_the_check_stays_out_even_where_no_sample_came() -> None:
    assert select(checklist(), demo_settings()).skipped["latency-budget"] == "no latency budget is set"
    assert "latency-budget" in {each.id for each in select(checklist(), budget(first_token=1)).checks}


def test_nothing_else_runs_beside_the_samples() -> None:
    assert checklist().probes["latency_samples"].alone
