"""Checks of response fields: a deviation fails the check that owns it, and legal variety fails none."""

import json
from typing import Any

import pytest

from llmcompat.model import Status
from tests.checking import (
    Judgement,
    answer,
    checklist,
    chunk,
    chunk_list,
    completion,
    exchanges,
    judge,
    stream,
    tool_call,
)

IDS = [check.id for check in checklist().of_item("response-fields")]
FIRST = 1795348800
"""A plausible `created`: the day of the literal exchanges."""


def top(**changes: Any) -> dict[str, Any]:
    return completion(**changes)


def choice(**changes: Any) -> dict[str, Any]:
    """A good answer whose only choice has these changes; `...` removes a key."""
    document = completion()
    merged = document["choices"][0] | changes
    document["choices"] = [{name: value for name, value in merged.items() if value is not ...}]
    return document


def message(**changes: Any) -> dict[str, Any]:
    return completion(message=changes)


def two_choices() -> dict[str, Any]:
    document = completion()
    called = completion(tool_calls=[tool_call()])["choices"]
    document["choices"] += called
    return document


def judged_on(id: str, *documents: Any, **options: Any) -> Judgement:
    return judge(id, exchanges=exchanges(*(answer(document, **options) for document in documents)))


DEVIATIONS: list[tuple[str, Any, str]] = [
    ("response-json", b"", "http-200-empty-body"),
    ("response-json", b" \r\n\n", "http-200-empty-body"),
    ("response-json", b"<!DOCTYPE html><title>Sign in</title>", "html"),
    ("response-json", b'data: {"id": "x"}\n\ndata: [DONE]\n\n', "nonstream-returned-as-sse"),
    ("response-json", b': ping\n\ndata: {"id": "x"}\n\n', "nonstream-returned-as-sse"),
    ("response-json", json.dumps(completion()).encode() + b"\ndata: [DONE]\n\n", "nonstream-returned-as-sse"),
    ("response-json", [completion()], "array"),
    ("response-json", "Hello.", "not-an-object"),
    ("response-json", json.dumps(completion()).encode()[:-9], "not-json"),
    ("response-json", b'{"choices": "\xff"}', "not-json"),
    ("response-json", b"[" * 100_000, "not-json"),
    ("response-json", b'{"choices": ' + b"[" * 300 + b"]" * 300 + b"}", "not-json"),
    ("response-json", b'{"choices": [{"logprobs": -Infinity}]}', "nan"),
    ("response-json", b'{"created": NaN}', "nan"),
    ("response-error-key", top(error={"message": "late"}), "error-beside-choices"),
    ("response-error-key", top(error="late"), "error-beside-choices"),
    ("response-id", top(id=...), "id-missing"),
    ("response-id", top(id=None), "id-missing"),
    ("response-id", top(id=123), "id-not-a-string"),
    ("response-object", top(object=...), "object-missing"),
    ("response-object", top(object=None), "object-missing"),
    ("response-object", top(object=""), "object-other"),
    ("response-object", top(object="text_completion"), "object-other"),
    ("response-object", top(object=["chat.completion"]), "object-other"),
    ("response-created", top(created=1741569952.5), "created-float"),
    ("response-created", top(created=1741569952.0), "created-float"),
    ("response-created", top(created="1741569952"), "created-string"),
    ("response-created", top(created=True), "created-not-a-number"),
    ("response-created-unit", top(created=1741569952123), "created-milliseconds"),
    ("response-created", top(created=-1), "created-negative"),
    ("response-created-present", top(created=...), "created-missing"),
    ("response-created-present", top(created=None), "created-missing"),
    ("response-model", top(model=...), "model-missing"),
    ("response-model", top(model=None), "model-missing"),
    ("response-model", top(model={"id": "demo-chat"}), "model-not-a-string"),
    ("response-service-tier", top(service_tier="on_demand"), "service-tier-other"),
    ("response-service-tier", top(service_tier=["default"]), "service-tier-other"),
    ("response-choices", top(choices=...), "choices-missing-or-empty-200"),
    ("response-choices", top(choices=None), "choices-missing-or-empty-200"),
    ("response-choices", top(choices=[]), "choices-missing-or-empty-200"),
    ("response-choices", top(choices={"0": {}}), "choices-not-an-array"),
    ("response-choices", top(choices=["Hello."]), "choice-not-an-object"),
    ("response-choice-count", two_choices(), "choices-split-text-and-tools"),
    ("response-choice-count", top(choices=completion()["choices"] * 3), "too-many-choices"),
    ("response-choice-index", choice(index=...), "choice-index-missing"),
    ("response-choice-index", choice(index=None), "choice-index-missing"),
    ("response-choice-index", choice(index="0"), "choice-index-not-an-integer"),
    ("response-choice-index", choice(index=0.0), "choice-index-not-an-integer"),
    ("response-choice-index", choice(index=False), "choice-index-not-an-integer"),
    ("response-choice-index", choice(index=-1), "choice-index-negative"),
    ("response-choice-index", choice(index=1), "choice-index-not-zero"),
    ("response-message", choice(message=...), "message-missing"),
    ("response-message", choice(message=None), "message-missing"),
    ("response-message", choice(message="Hello."), "message-not-an-object"),
    ("response-role", message(role=...), "role-missing"),
    ("response-role", message(role=None), "role-missing"),
    ("response-role", message(role=""), "role-empty"),
    ("response-role", message(role="Assistant"), "role-other"),
    ("response-role", message(role=["assistant"]), "role-other"),
    ("response-content", message(content=[{"type": "text", "text": "Hello."}]), "response-content-array"),
    ("response-content", message(content={"text": "Hello."}), "content-object"),
    ("response-content", message(content=7), "content-not-a-string"),
    ("response-refusal", message(refusal=False), "refusal-boolean"),
    ("response-refusal", message(refusal={"reason": "no"}), "refusal-not-a-string"),
    (
        "response-function-call",
        message(function_call={"name": "f", "arguments": "{}"}),
        "function-call-legacy",
    ),
    ("response-finish-reason", choice(finish_reason=...), "finish-reason-missing"),
    ("response-finish-reason", choice(finish_reason=None), "finish-reason-null"),
    ("response-finish-reason", choice(finish_reason=""), "finish-reason-empty"),
    ("response-finish-reason", choice(finish_reason="eos"), "finish-reason-outside-enum"),
    ("response-finish-reason", choice(finish_reason="STOP"), "finish-reason-outside-enum"),
    ("response-finish-reason", choice(finish_reason="tool_call"), "finish-reason-tool-call-singular"),
    (
        "response-finish-reason",
        choice(finish_reason="model_context_window_exceeded"),
        "finish-reason-context-window",
    ),
    ("response-finish-reason", choice(finish_reason={"type": "stop"}), "finish-reason-not-a-string"),
    ("response-logprobs", choice(logprobs=[]), "logprobs-not-an-object"),
    ("response-tool-calls-absent", message(tool_calls=None), "tool-calls-null-or-empty-padding"),
    ("response-tool-calls-absent", message(tool_calls=[]), "tool-calls-null-or-empty-padding"),
    (
        "response-leading-space",
        b" \r\n\n\t" + json.dumps(completion()).encode(),
        "nonstream-leading-whitespace",
    ),
]

LEGAL: list[Any] = [
    completion(),
    completion(tool_calls=[tool_call()]),
    completion(tool_calls=[tool_call()], message={"content": ""}),
    completion("", finish_reason="length"),
    completion(finish_reason="content_filter"),
    b"\xef\xbb\xbf" + json.dumps(completion()).encode(),
    top(id=""),
    top(model=""),
    top(model="demo-chat-2026-05-01"),
    top(model="acme/Demo-Chat"),
    top(model="something else"),
    top(created=1),
    top(service_tier=None),
    top(service_tier="fast"),
    top(system_fingerprint=None),
    top(usage=None),
    top(usage=...),
    top(error=None),
    top(error={}),
    top(extra_field={"a": 1}, provider="Acme"),
    choice(logprobs=...),
    choice(logprobs={"content": []}),
    choice(native_finish_reason="eos"),
    message(refusal=...),
    message(refusal=""),
    message(refusal="I cannot help with that.", content=None),
    message(content=...),
    message(content=None),
    message(annotations=None, audio=None),
    message(function_call=None),
    message(reasoning_content="think"),
    message(reasoning={"steps": []}),
]


@pytest.mark.parametrize(("id", "document", "case"), DEVIATIONS)
def test_a_deviation_fails_the_check_of_its_field(id: str, document: Any, case: str) -> None:
    result = judged_on(id, document)
    assert (result.status, result.case) == (Status.FAIL, case)
    assert result.seen
    assert result.expected


@pytest.mark.parametrize(("id", "document", "case"), DEVIATIONS)
def test_a_deviation_fails_no_other_check(id: str, document: Any, case: str) -> None:
    for other in IDS:
        result = judged_on(other, document)
        if other != id:
            assert result.status is not Status.FAIL, (other, result)
            assert result.status is Status.PASS or result.blocked_by == id, (other, result)


@pytest.mark.parametrize("document", LEGAL, ids=range(len(LEGAL)))
def test_legal_variety_passes_everywhere(document: Any) -> None:
    for id in IDS:
        assert judged_on(id, document).status is Status.PASS, id


@pytest.mark.parametrize("id", IDS)
def test_nothing_to_judge_is_no_pass(id: str) -> None:
    result = judge(id, exchanges=exchanges())
    assert result.status is Status.ERROR
    assert result.blocked_by in checklist().checks


@pytest.mark.parametrize("id", [id for id in IDS if id != "response-json"])
def test_an_error_with_status_200_is_told_by_its_owner(id: str) -> None:
    assert judged_on(id, {"error": {"message": "overloaded"}}).blocked_by == "error-status"
    assert judged_on(id, {"object": "error", "message": "overloaded"}).blocked_by == "error-status"


@pytest.mark.parametrize("id", IDS)
def test_a_cut_answer_is_not_judged_by_its_rest(id: str) -> None:
    good, cut = answer(completion()), answer(b'{"choices": [', ended="cut")
    assert judge(id, exchanges=exchanges(good, cut)).status is Status.PASS


@pytest.mark.parametrize(("id", "document", "case"), DEVIATIONS)
def test_one_deviating_answer_among_good_ones_is_found(id: str, document: Any, case: str) -> None:
    result = judged_on(id, completion(), completion(), document)
    assert (result.status, result.case) == (Status.FAIL, case)


def test_seen_names_the_value_and_how_often() -> None:
    result = judged_on("response-role", completion(), message(role="model"), message(role="model"))
    assert result.seen == 'role: "model" in 2 of 3 answers, first to literal'


def test_a_long_value_is_cut() -> None:
    result = judged_on("response-content", message(content=["x" * 5000]))
    assert result.seen is not None
    assert len(result.seen) < 300


@pytest.mark.parametrize(
    ("content_type", "case"),
    [
        ("application/json", None),
        ("Application/JSON; charset=utf-8", None),
        ("application/vnd.api+json", None),
        ("text/plain", "content-type-other"),
        ("text/event-stream", "content-type-other"),
        ("", "content-type-missing"),
    ],
)
def test_content_type(content_type: str, case: str | None) -> None:
    result = judged_on("response-content-type", completion(), content_type=content_type)
    assert (result.status, result.case) == (Status.FAIL if case else Status.PASS, case)


def test_content_type_of_a_page_is_told_by_the_body() -> None:
    assert (
        judged_on("response-content-type", b"<html>", content_type="text/html").blocked_by == "response-json"
    )


@pytest.mark.parametrize(
    ("id", "document", "text"),
    [
        ("response-json", top(error=None), "empty error field"),
        ("response-id", top(id=""), "id is empty"),
        ("response-created", top(created=1), "created is not the time"),
        ("response-model", top(model="other-model"), "model-echo-differs"),
        ("response-message", message(function_call=None), "function_call: null"),
        ("reasoning-field", message(reasoning="think"), "thinking text comes as reasoning"),
        ("reasoning-field", completion(), "no thinking text"),
    ],
)
def test_what_is_harmless_is_noted(id: str, document: Any, text: str) -> None:
    result = judged_on(id, document)
    assert result.status is Status.PASS
    assert any(text in line for line in result.notes), result.notes


@pytest.mark.parametrize("id", IDS)
def test_a_good_answer_needs_no_note(id: str) -> None:
    notes = judged_on(id, completion(created=FIRST)).notes
    assert notes == (("no thinking text was seen",) if id == "reasoning-field" else ())


def test_several_choices_are_right_where_they_were_asked_for() -> None:
    document = completion()
    document["choices"].append(document["choices"][0] | {"index": 1})
    assert judged_on("response-choice-count", document, sent={"n": 2}).blocked_by == "response-choices"
    assert judged_on("response-choice-index", document, sent={"n": 2}).status is Status.PASS
    both = exchanges(answer(completion()), answer(document, sent={"n": 2}))
    assert judge("response-choice-count", exchanges=both).status is Status.PASS


def test_the_legacy_call_is_right_where_legacy_functions_were_sent() -> None:
    called = answer(
        message(function_call={"name": "f", "arguments": "{}"}), sent={"functions": [{"name": "f"}]}
    )
    both = exchanges(answer(completion()), called)
    assert judge("response-function-call", exchanges=both).status is Status.PASS


def thinking_stream(name: str) -> list[dict[str, Any]]:
    return [chunk({"role": "assistant"}), chunk({name: "think"}), *chunk_list()[1:]]


@pytest.mark.parametrize(
    ("plain", "streamed", "case"),
    [
        ({"reasoning_content": "a"}, "reasoning_content", None),
        ({"reasoning": "a"}, "reasoning", None),
        ({"reasoning": "a"}, "reasoning_content", "reasoning-field-name-differs"),
        ({"reasoning": "a", "reasoning_content": "a"}, "reasoning", "reasoning-field-name-differs"),
        ({}, "reasoning", None),
        ({"reasoning": None, "reasoning_content": ""}, "reasoning", None),
    ],
)
def test_thinking_has_one_name(plain: dict[str, Any], streamed: str, case: str | None) -> None:
    both = exchanges(answer(message(**plain)), stream(thinking_stream(streamed)))
    result = judge("reasoning-field", exchanges=both)
    assert (result.status, result.case) == (Status.FAIL if case else Status.PASS, case)


def test_thinking_under_both_names_everywhere_suits_every_reader() -> None:
    both = message(reasoning="a", reasoning_content="a")
    assert judged_on("reasoning-field", both, both).status is Status.PASS


def test_a_choice_that_holds_an_error_is_an_error() -> None:
    broken = choice(finish_reason="error", error={"message": "overloaded"})
    assert judged_on("response-finish-reason", broken).blocked_by == "error-status"
    assert judged_on("response-finish-reason", completion(), broken).status is Status.PASS
