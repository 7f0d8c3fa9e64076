"""The Responses API on literal answers: what each check takes, what it fails for, and what is legal."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from llmcompat.model import Level, Status
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import Reply
from llmcompat.simulator import responses
from tests.checking import answer, checklist, completion, judge, stream

Events = list[tuple[str, dict[str, Any]]]

PROFILE = load_profile("demo")
IDS = [check.id for check in checklist().of_item("responses")]
WORD = "marble"
HELLO = {"messages": [{"role": "user", "content": f"Reply with exactly this word and nothing else: {WORD}"}]}
ERROR = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": WORD, "annotations": [], "logprobs": []}],
}
CALL = {
    "id": "fc_1",
    "type": "function_call",
    "call_id": "call_1",
    "name": "get_weather",
    "arguments": '{"city": "Paris"}',
    "status": "completed",
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1795348800,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "model": "demo-chat",
    "output": [MESSAGE],
    "parallel_tool_calls": True,
    "metadata": {},
    "tools": [],
    "tool_choice": "auto",
    "temperature": 1.0,
    "top_p": 1.0,
    "usage": {"input_tokens": 12, "output_tokens": 8, "total_tokens": 20},
}


def put_at(path: str, value: Any) -> Callable[[Any], Any]:
    """A copy of a document with the value at a dotted path, or without it where the value is `...`."""

    def change(document: Any) -> Any:
        document = copy.deepcopy(document)
        holder, steps = document, path.split(".")
        for step in steps[:-1]:
            holder = holder[int(step)] if isinstance(holder, list) else holder[step]
        if value is ...:
            del holder[steps[-1]]
        else:
            holder[int(steps[-1]) if isinstance(holder, list) else steps[-1]] = value
        return document

    return change


def saying(text: str, id: str = "resp_1") -> Any:
    return put_at("output.0.content.0.text", text)({**RESPONSE, "id": id})


def framed(events: Events) -> bytes:
    lines = (f"event: {name}\n" * bool(name) + f"data: {json.dumps(data)}\n\n" for name, data in events)
    return "".join(lines).encode()


def evidence() -> dict[str, Any]:
    asked = {"input": f"Reply with exactly this word and nothing else: {WORD}"}
    calling = {**RESPONSE, "id": "resp_2", "output": [CALL]}
    return {
        "hello": answer(completion(WORD), sent=HELLO),
        "response_plain": answer(RESPONSE, sent=asked, owner="responses-accepted"),
        "response_stream": stream(framed(responses.events(RESPONSE)), owner="responses-stream-accepted"),
        "response_call": answer(calling, owner="responses-tools-accepted"),
        "response_call_stream": stream(
            framed(responses.events(calling)), owner="responses-tools-stream-accepted"
        ),
        "response_result": answer(saying("It is 23 degrees."), owner="responses-tool-result"),
        "response_json": answer(
            saying('{"name": "Alice", "age": 30}', "resp_3"), owner="responses-json-accepted"
        ),
        "response_previous": answer(saying(f"{WORD}."), owner="responses-previous"),
        "response_unknown_model": answer(ERROR, status=404),
        "response_no_input": answer(ERROR, status=400),
    }


def with_text(path: str, value: Any) -> Callable[[Any], Any]:
    return put_at(f"output.0.content.0.{path}", value)


def failing(**changed: Reply) -> list[tuple[str, str | None]]:
    given = {**evidence(), **changed}
    found = {id: judge(id, profile=PROFILE, **given) for id in IDS}
    return [(id, end.case) for id, end in found.items() if end.status is Status.FAIL]


def test_good_answers_pass_every_check() -> None:
    assert len(IDS) == 37
    assert {id: judge(id, **evidence()).status for id in IDS} == dict.fromkeys(IDS, Status.PASS)


@pytest.mark.parametrize(
    ("probe", "change", "id", "case"),
    [
        ("response_plain", put_at("object", "chat.completion"), "responses-object", "object"),
        ("response_plain", put_at("id", ""), "responses-id", "missing"),
        ("response_plain", put_at("id", "resp_3"), "responses-id", "repeated"),
        ("response_plain", put_at("created_at", "now"), "responses-created-at", "not-a-number"),
        ("response_plain", put_at("created_at", 1795348800000), "responses-created-at", "milliseconds"),
        ("response_plain", put_at("status", ...), "responses-status", "missing"),
        ("response_plain", put_at("status", "done"), "responses-status", "other"),
        ("response_plain", put_at("output", []), "responses-output", "missing"),
        ("response_plain", put_at("output", [WORD]), "responses-output", "items"),
        ("response_plain", put_at("output", [{"type": "text"}]), "responses-output", "no-message"),
        ("response_plain", put_at("output.0.content", WORD), "responses-output", "content"),
        ("response_plain", with_text("text", ""), "responses-output", "empty"),
        ("response_plain", put_at("output.0.id", ...), "responses-message", "id"),
        ("response_plain", put_at("output.0.role", "model"), "responses-message", "role"),
        ("response_plain", with_text("annotations", ...), "responses-annotations", "missing"),
        ("response_plain", put_at("usage", None), "responses-usage", "missing"),
        (
            "response_plain",
            put_at("usage", {"prompt_tokens": 1, "completion_tokens": 1}),
            "responses-usage",
            "chat-names",
        ),
        ("response_plain", put_at("usage.input_tokens", "12"), "responses-usage", "counters"),
        ("response_plain", put_at("usage.total_tokens", 21), "responses-usage", "sum"),
        ("response_plain", put_at("top_p", ...), "responses-fields", "missing"),
        ("response_plain", put_at("error", {"code": "x", "message": "y"}), "responses-fields", "error"),
        ("response_plain", with_text("text", "Hi!"), "responses-input-read", "input-lost"),
        ("response_call", put_at("output", [MESSAGE]), "responses-tool-called", "not-called"),
        ("response_call", put_at("output.0.call_id", ...), "responses-call-id", "missing"),
        ("response_call", put_at("output", [CALL, CALL]), "responses-call-id", "repeated"),
        ("response_call", put_at("output.0.name", "get_news"), "responses-call-name", "other"),
        ("response_call", put_at("output.0.arguments", {}), "responses-call-arguments", "not-a-string"),
        ("response_call", put_at("output.0.arguments", "{"), "responses-call-arguments", "not-json"),
        ("response_call", put_at("output.0.arguments", "{}"), "responses-call-arguments", "misfit"),
        ("response_result", with_text("text", "I guess 5."), "responses-tool-result-read", "result-lost"),
        ("response_json", with_text("text", "Alice is 30."), "responses-json-schema", "not-json"),
        ("response_json", with_text("text", "```json\n{}\n```"), "responses-json-schema", "fenced"),
        ("response_json", with_text("text", '{"name": "Alice"}'), "responses-json-schema", "misfit"),
        ("response_previous", with_text("text", "Which word?"), "responses-previous", "ignored"),
    ],
)
def test_a_deviation_is_one_line(probe: str, change: Callable[[Any], Any], id: str, case: str) -> None:
    good: Reply = evidence()[probe]
    assert failing(**{probe: answer(change(good.document), sent=good.sent, owner=good.owner)}) == [(id, case)]


def test_a_body_that_is_not_json_is_one_line() -> None:
    assert failing(response_plain=answer(b"OK", owner="responses-accepted")) == [
        ("responses-object", "not-json")
    ]


def numbered(events: Events) -> Events:
    return [(name, {**data, "sequence_number": number}) for number, (name, data) in enumerate(events)]


def without(*names: str) -> Callable[[Events], Events]:
    return lambda events: numbered([event for event in events if event[0] not in names])


def setting(name: str, path: str, value: Any) -> Callable[[Events], Events]:
    """Change the data of each event of this name."""
    return lambda events: [
        (each, put_at(path, value)(data) if each == name else data) for each, data in events
    ]


def swapped(events: Events) -> Events:
    return numbered([*events[:-2], events[-1], events[-2]])


TEXT, CALLED = "response_stream", "response_call_stream"


@pytest.mark.parametrize(
    ("probe", "change", "id", "case"),
    [
        (TEXT, lambda events: [("", data) for _, data in events], "responses-stream-names", "missing"),
        (TEXT, lambda events: [("message", data) for _, data in events], "responses-stream-names", "differs"),
        (TEXT, without("response.created"), "responses-stream-begin", "created-missing"),
        (TEXT, setting("response.created", "response", None), "responses-stream-begin", "created-empty"),
        (
            TEXT,
            setting("response.in_progress", "sequence_number", ...),
            "responses-stream-numbers",
            "missing",
        ),
        (
            TEXT,
            lambda events: [(n, {**d, "sequence_number": d["sequence_number"] + 1}) for n, d in events],
            "responses-stream-order",
            "start",
        ),
        (
            TEXT,
            lambda events: [*events[:3], *numbered([*events, *events])[len(events) + 3 :]],
            "responses-stream-order",
            "gap",
        ),
        (TEXT, setting("response.completed", "response.id", "resp_9"), "responses-stream-id", "changes"),
        (TEXT, setting("response.created", "response.id", ""), "responses-stream-id", "missing"),
        (TEXT, without("response.output_item.added"), "responses-stream-items", "item-not-added"),
        (TEXT, without("response.content_part.added"), "responses-stream-items", "part-not-added"),
        (TEXT, lambda events: numbered([*events[:3], *events[2:]]), "responses-stream-items", "twice"),
        (
            TEXT,
            setting("response.output_text.done", "item_id", "msg_9"),
            "responses-stream-item-ids",
            "changes",
        ),
        (
            TEXT,
            setting("response.output_item.added", "item.id", None),
            "responses-stream-item-ids",
            "missing",
        ),
        (TEXT, without("response.output_item.done"), "responses-stream-items-done", "missing"),
        (TEXT, without("response.output_text.delta"), "responses-stream-text", "no-deltas"),
        (TEXT, without("response.output_text.done"), "responses-stream-text", "no-done"),
        (TEXT, setting("response.output_text.delta", "delta", "mar"), "responses-stream-text", "differs"),
        (TEXT, setting("response.output_text.delta", "delta", None), "responses-stream-text", "delta-type"),
        (TEXT, without("response.completed"), "responses-stream-complete", "missing"),
        (TEXT, swapped, "responses-stream-complete", "not-last"),
        (TEXT, setting("response.completed", "response.output", []), "responses-stream-complete", "empty"),
        (
            TEXT,
            setting("response.completed", "response.status", "in_progress"),
            "responses-stream-complete",
            "status",
        ),
        (
            TEXT,
            lambda events: [*events[:-1], ("error", {"type": "error", "sequence_number": len(events) - 1})],
            "responses-stream-complete",
            "failed",
        ),
        (TEXT, setting("response.completed", "response.usage", None), "responses-usage", "missing"),
        (
            CALLED,
            setting("response.function_call_arguments.delta", "delta", None),
            "responses-call-stream",
            "delta-type",
        ),
        (
            CALLED,
            setting("response.function_call_arguments.delta", "delta", "{"),
            "responses-call-stream",
            "differs",
        ),
        (
            CALLED,
            setting("response.function_call_arguments.done", "arguments", "{}"),
            "responses-call-stream",
            "differs",
        ),
        (CALLED, without("response.function_call_arguments.delta"), "responses-call-stream", "no-deltas"),
        (CALLED, without("response.function_call_arguments.done"), "responses-call-stream", "no-done"),
        (CALLED, lambda events: responses.events(RESPONSE), "responses-tool-called", "not-called-streamed"),
    ],
)
def test_a_deviation_of_a_stream_is_one_line(
    probe: str, change: Callable[[Events], Events], id: str, case: str
) -> None:
    output = [MESSAGE] if probe == TEXT else [CALL]
    events = responses.events({**copy.deepcopy(RESPONSE), "output": output})
    good: Reply = evidence()[probe]
    changed = stream(framed(change(copy.deepcopy(events))), owner=good.owner)
    assert failing(**{probe: changed}) == [(id, case)]


@pytest.mark.parametrize(
    ("body", "case"),
    [
        (b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n', "chat-chunks"),
        (json.dumps(RESPONSE).encode(), "none"),
        (framed(responses.events(RESPONSE)) + b"data: {broken\n\n", "not-json"),
        (framed(responses.events(RESPONSE)) + b"data: {}\n\n", "type"),
    ],
)
def test_a_stream_of_something_else_is_one_line(body: bytes, case: str) -> None:
    changed = stream(body, owner="responses-stream-accepted")
    assert failing(response_stream=changed) == [("responses-stream-events", case)]


@pytest.mark.parametrize(
    ("probe", "id"),
    [
        ("response_stream", "responses-stream-accepted"),
        ("response_call", "responses-tools-accepted"),
        ("response_call_stream", "responses-tools-stream-accepted"),
        ("response_result", "responses-tool-result"),
        ("response_json", "responses-json-accepted"),
        ("response_previous", "responses-previous"),
    ],
)
def test_a_refused_request_is_one_line(probe: str, id: str) -> None:
    assert failing(**{probe: answer(ERROR, status=400, owner=id)}) == [(id, "rejected")]


@pytest.mark.parametrize(
    ("status", "case"), [(404, "not-offered"), (405, "not-offered"), (400, None), (500, "server-error")]
)
def test_an_api_that_is_not_offered_is_one_line(status: int, case: str | None) -> None:
    refused = answer(ERROR, status=status, owner="responses-accepted")
    every = {
        name: answer(ERROR, status=status, owner=reply.owner, grounds=[refused])
        for name, reply in evidence().items()
        if name not in ("hello", "response_plain")
    }
    assert failing(response_plain=refused, **every) == [("responses-accepted", case)]


@pytest.mark.parametrize(
    ("probe", "id", "status", "case"),
    [
        ("response_unknown_model", "responses-unknown-model", 400, "status-400"),
        ("response_unknown_model", "responses-unknown-model", 200, "accepted"),
        ("response_no_input", "responses-missing-input", 422, "status-422"),
        ("response_no_input", "responses-missing-input", 500, "status-500"),
    ],
)
def test_a_wrong_refusal_is_one_line(probe: str, id: str, status: int, case: str) -> None:
    body = RESPONSE if status == 200 else ERROR
    assert failing(**{probe: answer(body, status=status)}) == [(id, case)]


def test_a_refusal_without_an_error_object_belongs_to_the_check_of_all_refusals() -> None:
    end = judge("responses-missing-input", response_no_input=answer({"detail": "no"}, status=400))
    assert end.blocked_by == "error-object"


@pytest.mark.parametrize(
    "change",
    [
        put_at("output", [{"type": "reasoning", "id": "rs_1", "summary": []}, MESSAGE]),
        put_at("output", [put_at("content", [])(MESSAGE), MESSAGE]),
        put_at("created_at", 1795348800.0),
        put_at("billing", {"payer": "developer"}),
        put_at("usage.input_tokens_details", None),
        with_text("logprobs", ...),
    ],
)
def test_legal_variety_of_an_answer(change: Callable[[Any], Any]) -> None:
    good: Reply = evidence()["response_plain"]
    assert failing(response_plain=answer(change(RESPONSE), sent=good.sent)) == []
    events = (
        responses.events(change(copy.deepcopy(RESPONSE))) if change(RESPONSE)["output"] == [MESSAGE] else []
    )
    assert not events or failing(response_stream=stream(framed(events))) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body + b"data: [DONE]\n\n",
        lambda body: b": ping\n\n" + body.replace(b"\n", b"\r\n"),
        lambda body: body.replace(b"data: ", b"data:"),
    ],
)
def test_legal_variety_of_framing(change: Callable[[bytes], bytes]) -> None:
    assert failing(response_stream=stream(change(framed(responses.events(RESPONSE))))) == []


def test_a_stream_may_tell_of_a_call_without_an_item_id() -> None:
    call = {name: value for name, value in CALL.items() if name != "id"}
    events = responses.events({**RESPONSE, "output": [{**call, "id": None}]})
    assert failing(response_call_stream=stream(framed(events))) == []


def test_an_answer_that_the_endpoint_cut_gives_no_verdict() -> None:
    cut = {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    end = judge("responses-status", response_plain=answer(cut))
    assert (end.status, end.reason) == (Status.ERROR, "the answer is incomplete: max_output_tokens")
    events = stream(framed(responses.events(cut)))
    assert failing(response_plain=answer(cut), response_stream=events) == []


def test_a_model_that_does_not_follow_a_plain_instruction_is_not_blamed_on_the_api() -> None:
    hello = answer(completion("Bonjour"), sent=HELLO)
    plain = answer(saying("Bonjour"), sent=evidence()["response_plain"].sent)
    call = answer({**RESPONSE, "output": [MESSAGE]})
    for id in ("responses-input-read", "responses-tool-called"):
        given = {**evidence(), "hello": hello, "response_plain": plain, "response_call": call}
        assert judge(id, **given).blocked_by == "exact-reply"


def test_what_is_rare_in_applications_only_warns() -> None:
    found = {
        check.id for check in checklist().of_item("responses") if Level.MUST not in check.levels.values()
    }
    assert {"responses-previous", "responses-stream-numbers", "responses-stream-order"} <= found
    assert {check.feature for check in checklist().of_item("responses")} == {"responses"}
