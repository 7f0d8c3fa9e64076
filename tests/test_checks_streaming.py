"""Every check of streams: where it passes, what it fails for, and which legal variety it leaves alone."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcompat.model import Status
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import Reply
from tests.checking import (
    USAGE,
    Judgement,
    answer,
    checklist,
    chunk,
    chunk_list,
    completion,
    exchanges,
    sse,
    stream,
)
from tests.checking import (
    judge as judge_with,
)

COUNT = ", ".join(str(number) for number in range(1, 41))
TOLD = {"messages": [{"role": "user", "content": "Reply with exactly this word and nothing else: cedar"}]}
PROFILE = load_profile("demo")
HELLO = answer(completion("cedar"), sent=TOLD)
UNICODE = "🎉👩‍🚀 日本語 naïve café Ünïcödé"
OVER_ALL = sorted(
    check.id
    for check in checklist().checks.values()
    if check.item == "streaming" and check.needs == ("exchanges",)
)

Change = Callable[[list[dict[str, Any]]], Any]


def changed(change: Change, text: str = COUNT) -> list[dict[str, Any]]:
    """Good chunks, changed in place or replaced."""
    chunks = chunk_list(text)
    result = change(chunks)
    return result if isinstance(result, list) else chunks


def judge(id: str, **evidence: Any) -> Judgement:
    return judge_with(id, profile=PROFILE, **evidence)


def over_all(id: str, body: Any, **more: Any) -> Judgement:
    return judge(id, exchanges=exchanges(stream(body, **more)))


def each(**fields: Any) -> Change:
    """Set fields of every chunk; `...` removes them."""

    def change(chunks: list[dict[str, Any]]) -> None:
        for item in chunks:
            item.update(fields)
            for name in [name for name, value in fields.items() if value is ...]:
                del item[name]

    return change


def choice(number: int, **fields: Any) -> Change:
    """Set fields of one chunk's choice; `...` removes them."""

    def change(chunks: list[dict[str, Any]]) -> None:
        target = chunks[number]["choices"][0]
        target.update(fields)
        for name in [name for name, value in fields.items() if value is ...]:
            del target[name]

    return change


def role(first: Any, later: Any = ...) -> Change:
    def change(chunks: list[dict[str, Any]]) -> None:
        deltas = [item["choices"][0]["delta"] for item in chunks if item["choices"]]
        deltas[0].pop("role")
        for delta, value in zip(deltas, [first, *[later] * len(deltas)], strict=False):
            if value is not ...:
                delta["role"] = value

    return change


def at(number: int, **fields: Any) -> Change:
    """Set fields of one chunk; `...` removes them."""
    return lambda chunks: each(**fields)(chunks[number:][:1])


def without_usage(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return chunks[:-1]


def usage_on(*numbers: int, **counters: Any) -> Change:
    def change(chunks: list[dict[str, Any]]) -> None:
        for number in numbers:
            chunks[number]["usage"] = USAGE | counters

    return change


def no_finish(chunks: list[dict[str, Any]]) -> None:
    chunks[-2]["choices"][0]["finish_reason"] = None


def repeated(chunks: list[dict[str, Any]]) -> None:
    text = ""
    for item in chunks[1:-2]:
        text += item["choices"][0]["delta"]["content"]
        item["choices"][0]["message"] = {"role": "assistant", "content": text}


GOOD = sse(chunk_list(COUNT))
ONE = sse(chunk_list(COUNT)[:1], done=False)
REST = GOOD.removeprefix(ONE)
ERROR = {"error": {"message": "overloaded", "type": "server_error"}}


@pytest.mark.parametrize("id", OVER_ALL)
def test_a_good_stream_passes_and_no_stream_is_no_pass(id: str) -> None:
    assert over_all(id, GOOD).status is Status.PASS
    nothing = judge(id, exchanges=exchanges(HELLO))
    assert (nothing.status, nothing.blocked_by) == (Status.ERROR, "stream-accepted")


@pytest.mark.parametrize("id", [id for id in OVER_ALL if id != "stream-events"])
def test_without_events_one_check_alone_says_so(id: str) -> None:
    assert over_all(id, b"").blocked_by == "stream-events"


@pytest.mark.parametrize(
    "id", [id for id in OVER_ALL if id not in ("stream-error-event", "stream-data-json", "stream-events")]
)
@pytest.mark.parametrize(
    "error", [ERROR, {"error": "overloaded"}, {"object": "error", "message": "no", "code": 500}]
)
def test_after_an_error_one_check_alone_says_so(id: str, error: dict[str, Any]) -> None:
    found = over_all(id, [*chunk_list(COUNT)[:5], error])
    assert (found.status, found.blocked_by) == (Status.ERROR, "stream-error-event")


DEVIATIONS: list[tuple[str, str, Any]] = [
    ("stream-events", "stream-true-ignored", json.dumps(completion()).encode()),
    ("stream-events", "stream-empty-200-body", b""),
    ("stream-events", "stream-empty-200-body", b"\n\n"),
    ("stream-events", "single-newline", GOOD.replace(b"\n\n", b"\n")),
    ("stream-events", "json-lines", GOOD.replace(b"data: ", b"").replace(b"\n\n", b"\n")),
    ("stream-events", "no-chunks", b"data: [DONE]\n\n"),
    ("stream-events", "no-data-events", b": wait\n\n"),
    ("stream-data-json", "sse-comment-rewrapped-as-data", ONE + b"data: : PROCESSING\n\n" + REST),
    ("stream-data-json", "single-newline", ONE + REST.replace(b"\n\n", b"\n", 1)),
    ("stream-data-json", "not-a-number", ONE + b'data: {"choices": [], "score": NaN}\n\n' + REST),
    ("stream-data-json", "invalid-json", ONE + b"data: {'choices': []}\n\n" + REST),
    ("stream-data-json", "not-an-object", ONE + b"data: 7\n\n" + REST),
    ("stream-data-json", "json-ping", ONE + b"data: {}\n\n" + REST),
    ("stream-data-json", "json-ping", ONE + b'data: {"type": "ping"}\n\n' + REST),
    ("stream-no-empty-events", "empty-data", ONE + b"data:\n\n" + REST),
    ("stream-no-empty-events", "event-without-data", ONE + b"event: ping\n\n" + REST),
    ("stream-no-empty-events", "id-without-data", ONE + b"id: 9\n\n" + REST),
    ("stream-no-empty-events", "retry-without-data", b"retry: 3000\n\n" + GOOD),
    ("stream-utf8", "invalid-utf8", GOOD.replace(b"demo-chat", b"demo-\xff", 1)),
    ("stream-line-ends", "sse-crlf-delimiters", GOOD.replace(b"\n", b"\r\n")),
    ("stream-line-ends", "cr-only", GOOD.replace(b"\n", b"\r")),
    ("stream-comments", "sse-comment-keepalive", b": PROCESSING\n\n" + GOOD),
    ("stream-data-space", "sse-data-without-space", GOOD.replace(b"data: ", b"data:")),
    ("stream-single-data-line", "multi-line-data", GOOD.replace(b', "object"', b',\ndata: "object"', 1)),
    ("stream-no-bom", "byte-order-mark", b"\xef\xbb\xbf" + GOOD),
    (
        "stream-error-event",
        "flat-error",
        [*chunk_list(COUNT)[:5], {"object": "error", "message": "no", "code": 500}],
    ),
    ("stream-error-event", "error-as-string", [*chunk_list(COUNT)[:5], {"error": "overloaded"}]),
    ("stream-error-event", "stream-error-as-data-event-200", [ERROR]),
    ("stream-error-event", "stream-error-as-data-event-200", [*chunk_list(COUNT)[:5], ERROR]),
    ("stream-error-event", "failed-midway", sse([*chunk_list(COUNT)[:5], ERROR], done=False)),
    ("stream-error-key", "error-null", changed(each(error=None))),
    ("stream-complete", "stream-truncated-without-terminal", sse(chunk_list(COUNT)[:9], done=False)),
    ("stream-done", "stream-missing-done", sse(chunk_list(COUNT), done=False)),
    ("stream-done", "done-unfinished", GOOD.rstrip()),
    ("stream-done-exact", "done-lower-case", GOOD.replace(b"[DONE]", b"[done]")),
    ("stream-done-exact", "done-trailing-space", GOOD.replace(b"[DONE]", b"[DONE] ")),
    ("stream-nothing-after-done", "data-after-done", GOOD + ONE),
    ("stream-last-event", "last-event-unfinished", sse(chunk_list(COUNT), done=False).rstrip()),
    ("stream-metadata", "stream-blank-chunk-metadata", changed(at(0, id="", object="", created=0, model=""))),
    ("stream-object", "object-missing", changed(each(object=...))),
    ("stream-object", "object-missing", changed(each(object=""))),
    ("stream-object", "object-wrong", changed(at(3, object="chat.completion"))),
    ("stream-id", "id-missing", changed(each(id=...))),
    ("stream-id", "id-missing", changed(each(id=None))),
    ("stream-id", "id-not-string", changed(each(id=7))),
    ("stream-id-constant", "stream-chunk-id-changes", changed(at(4, id="chatcmpl-2"))),
    ("stream-created", "created-float", changed(each(created=1795348800.5))),
    ("stream-created", "created-not-integer", changed(each(created="1795348800"))),
    ("stream-created-present", "created-missing", changed(each(created=...))),
    ("stream-model-present", "model-missing", changed(each(model=...))),
    ("stream-model", "model-not-string", changed(each(model={}))),
    ("stream-choices", "choices-missing", changed(at(3, choices=...))),
    ("stream-choices", "choices-null", changed(at(3, choices=None))),
    ("stream-choices", "choices-wrong", changed(at(3, choices={}))),
    ("stream-choices", "choices-wrong", changed(at(3, choices=["text"]))),
    ("stream-choices", "no-choices", [chunk(choices=[]), chunk(choices=[], usage=USAGE)]),
    (
        "stream-first-chunk-choices",
        "stream-empty-choices-first-chunk",
        [chunk(choices=[]), *chunk_list(COUNT)],
    ),
    ("stream-index", "index-missing", changed(choice(2, index=...))),
    ("stream-index", "index-null", changed(choice(2, index=None))),
    ("stream-index", "index-not-integer", changed(choice(2, index="0"))),
    ("stream-delta", "delta-missing", changed(choice(-2, delta=...))),
    ("stream-delta", "delta-null", changed(choice(-2, delta=None))),
    ("stream-delta", "delta-wrong", changed(choice(-2, delta="text"))),
    (
        "stream-delta-content",
        "response-content-array",
        changed(choice(2, delta={"content": [{"type": "text", "text": "a"}]})),
    ),
    ("stream-delta-content", "content-not-text", changed(choice(2, delta={"content": 7}))),
    ("stream-role", "stream-role-missing", changed(role(...))),
    ("stream-role", "stream-role-missing", changed(role(None))),
    ("stream-role", "stream-role-empty-string", changed(role("", ""))),
    ("stream-role", "stream-role-empty-string", changed(role("assistant", ""))),
    ("stream-role", "role-other", changed(role("model"))),
    ("stream-role-later", "stream-role-null-later", changed(role("assistant", None))),
    ("stream-delta-only", "stream-repeats-full-message", changed(repeated)),
    ("stream-finish-reason", "stream-finish-reason-missing", changed(no_finish)),
    ("stream-finish-reason", "stream-finish-reason-missing", changed(choice(-2, finish_reason=""))),
    ("stream-finish-reason-value", "finish-reason-outside-enum", changed(choice(-2, finish_reason="eos"))),
    (
        "stream-finish-reason-value",
        "finish-reason-tool-call-singular",
        changed(choice(-2, finish_reason="tool_call")),
    ),
    (
        "stream-finish-reason-value",
        "finish-reason-context-window",
        changed(choice(-2, finish_reason="model_context_window_exceeded")),
    ),
    ("stream-finish-reason-once", "finish-reason-repeated", changed(choice(-3, finish_reason="stop"))),
    ("stream-finish-reason-once", "finish-reason-changes", changed(choice(-3, finish_reason="length"))),
    ("stream-usage", "stream-usage-missing", changed(without_usage)),
    ("stream-usage", "usage-null-valued", changed(at(-1, usage=dict.fromkeys(USAGE)))),
    ("stream-usage", "stream-usage-in-vendor-field", changed(at(-1, usage=None, x_groq={"usage": USAGE}))),
    ("stream-usage-choices", "usage-choices-missing", changed(at(-1, choices=...))),
    ("stream-usage-choices", "usage-choices-null", changed(at(-1, choices=None))),
    ("stream-usage-once", "stream-usage-on-every-chunk", changed(usage_on(*range(8)))),
    ("stream-usage-once", "stream-usage-duplicated", changed(lambda chunks: [*chunks, chunks[-1]])),
    (
        "stream-usage-once",
        "stream-usage-placeholder-zeros",
        changed(usage_on(*range(8), **dict.fromkeys(USAGE, 0))),
    ),
    (
        "stream-usage-chunk",
        "stream-usage-with-content-chunk",
        changed(lambda chunks: [*chunks[:-2], {**chunks[-2], "usage": USAGE}]),
    ),
    ("stream-usage-counted", "usage-zero", changed(usage_on(-1, prompt_tokens=0))),
    ("stream-usage-counted", "completion-zero", changed(usage_on(-1, completion_tokens=0))),
]


@pytest.mark.parametrize(("id", "case", "body"), DEVIATIONS)
def test_a_deviation_is_met_by_its_check(id: str, case: str, body: Any) -> None:
    found = over_all(id, body)
    assert (found.status, found.case) == (Status.FAIL, case)
    assert found.seen is not None
    assert found.expected


@pytest.mark.parametrize(("id", "case", "body"), DEVIATIONS)
def test_a_deviation_gives_one_line(id: str, case: str, body: Any) -> None:
    asked = exchanges(stream(body))
    failed = [other for other in OVER_ALL if judge(other, exchanges=asked).status is Status.FAIL]
    assert failed == [id]


def test_every_check_of_all_streams_has_a_deviation_here() -> None:
    elsewhere = {"stream-content-type"}
    assert {id for id, _, _ in DEVIATIONS} | elsewhere == set(OVER_ALL)


LEGAL: dict[str, Any] = {
    "crlf": GOOD.replace(b"\n", b"\r\n"),
    "comments": b": one\n\n" + ONE + b": two\n\n" + REST,
    "comment above done": GOOD.replace(b"data: [DONE]", b": bye\ndata: [DONE]"),
    "no space": GOOD.replace(b"data: ", b"data:"),
    "event names": GOOD.replace(b"data: ", b"event: message\ndata: "),
    "ids beside data": GOOD.replace(b"data: ", b"id: 4\ndata: "),
    "blank lines": GOOD.replace(b"\n\n", b"\n\n\n\n"),
    "unknown fields": changed(each(obfuscation="xyz", provider="p", x_field={"a": 1})),
    "role null later": changed(role("assistant", None)),
    "role repeated": changed(role("assistant", "assistant")),
    "empty first chunk": [chunk(choices=[], id="", object="", model="", created=0), *chunk_list(COUNT)],
    "usage on the finish chunk": changed(lambda chunks: [*chunks[:-2], {**chunks[-2], "usage": USAGE}]),
    "usage chunk with an empty choice": changed(
        at(-1, choices=[{"index": 0, "delta": {}, "finish_reason": None}])
    ),
    "usage null before": changed(
        lambda chunks: [*({**item, "usage": None} for item in chunks[:-1]), chunks[-1]]
    ),
    "empty tool calls": changed(choice(3, delta={"content": "a", "tool_calls": []})),
    "content null": changed(choice(3, delta={"content": None, "reasoning_content": "hm"})),
    "empty finish reasons": changed(choice(3, finish_reason="")),
    "no finish key before": changed(choice(3, finish_reason=...)),
    "line separators": sse(chunk_list("one\u2028two\u0085three " * 4)),
    "tool calls": chunk_list(
        tool_calls=[{"id": "call_1", "function": {"name": "f", "arguments": '{"a": 1}'}}]
    ),
    "length": chunk_list(COUNT, finish_reason="length"),
}


@pytest.mark.parametrize("body", LEGAL.values(), ids=LEGAL)
def test_legal_variety_fails_no_must(body: Any) -> None:
    asked = exchanges(stream(body))
    for id in OVER_ALL:
        if "must" in checklist().checks[id].levels.values():
            found = judge(id, exchanges=asked)
            assert found.status is Status.PASS, (id, found)


def test_choices_of_several_alternatives_may_take_turns() -> None:
    lines = []
    for start in chunk_list(COUNT)[:-1]:
        for index in (0, 1):
            lines.append({**start, "choices": [{**start["choices"][0], "index": index}]})
    body = [*lines, chunk(choices=[], usage=USAGE)]
    assert [id for id in OVER_ALL if over_all(id, body).status is not Status.PASS] == []


WRONG: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 0, -1, 1.5, "", "x", "\ud83c", [], {}, 10**40]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["index", "delta", "content"]), inner)
    ),
    max_leaves=4,
)
PLACES = st.sampled_from(
    [
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "error",
        "index",
        "delta",
        "finish_reason",
        "role",
        "content",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 8), PLACES, WRONG)
def test_no_shape_breaks_a_check(number: int, name: str, value: Any) -> None:
    chunks = chunk_list("one two three four five")
    target = chunks[number % len(chunks)]
    if name in ("index", "delta", "finish_reason") and target["choices"]:
        target["choices"][0][name] = value
    elif name in ("role", "content") and target["choices"]:
        target["choices"][0]["delta"][name] = value
    else:
        target[name] = value
    body = b"".join(f"data: {json.dumps(item)}\n\n".encode() for item in chunks)
    found = {
        "exchanges": exchanges(stream(body)),
        **pair(body),
        "unicode_stream": stream(body),
        "hello": HELLO,
    }
    for check in checklist().checks.values():
        if check.item == "streaming":
            assert judge(check.id, **found).status in Status


@pytest.mark.parametrize("served", ["application/json", "text/plain", ""])
def test_content_type(served: str) -> None:
    found = over_all("stream-content-type", GOOD, headers={"content-type": served})
    assert (found.status, found.case) == (Status.FAIL, "stream-wrong-content-type")
    charset = over_all(
        "stream-content-type", GOOD, headers={"content-type": "text/event-stream; charset=utf-8"}
    )
    assert charset.status is Status.PASS


def test_a_cut_connection_is_not_blamed_after_done() -> None:
    found = over_all("stream-complete", sse(chunk_list(COUNT)[:9], done=False), ended="cut", error="reset")
    assert (found.status, found.case) == (Status.FAIL, "stream-cut")
    assert over_all("stream-complete", GOOD, ended="cut", error="reset").status is Status.PASS


@pytest.mark.parametrize("id", ["stream-done", "stream-finish-reason", "stream-usage", "stream-last-event"])
def test_a_truncated_stream_blocks_what_stands_at_its_end(id: str) -> None:
    assert over_all(id, sse(chunk_list(COUNT)[:9], done=False)).blocked_by == "stream-complete"


def test_an_error_as_json_belongs_to_another_check() -> None:
    body = json.dumps(ERROR).encode()
    assert (
        over_all("stream-events", body, headers={"content-type": "application/json"}).blocked_by
        == "error-status"
    )


def test_usage_that_was_not_asked_for_is_not_missed() -> None:
    body = changed(without_usage)
    found = over_all("stream-usage", body, sent={"stream_options": None})
    assert found.blocked_by == "stream-options-accepted"


def test_zero_usage_with_tools_has_a_case_of_its_own() -> None:
    body = changed(usage_on(-1, prompt_tokens=0))
    assert over_all("stream-usage-counted", body, sent={"tools": [{}]}).case == "stream-usage-zero-with-tools"


def test_a_read_inside_a_character_is_noted() -> None:
    body = sse(chunk_list("é" * 30))
    place = body.index("é".encode()) + 1
    found = over_all("stream-utf8", body, arrivals=[(place, 0.1), (len(body), 0.2)])
    assert found.status is Status.PASS
    assert "inside a character" in found.notes[0]


# --- what is judged by one question


def pair(streamed: Any, plain: Any = COUNT, **more: Any) -> dict[str, Reply]:
    body = streamed if isinstance(streamed, (list, bytes)) else chunk_list(streamed)
    told = answer(completion(plain) if isinstance(plain, str) else plain, owner="unstreamed-accepted")
    return {"stream_text": stream(body, owner="stream-accepted", **more), "plain_text": told}


AGREES = ("stream-usage-agrees", "stream-agrees-finish-reason", "stream-agrees-text", "stream-agrees-model")


@pytest.mark.parametrize(
    "id",
    [
        "stream-accepted",
        "unstreamed-accepted",
        "stream-incremental",
        "stream-compressed",
        "stream-pieces-once",
        *AGREES,
    ],
)
def test_a_good_pair_passes(id: str) -> None:
    assert judge(id, **pair(COUNT)).status is Status.PASS


@pytest.mark.parametrize(
    ("id", "case", "evidence"),
    [
        (
            "stream-incremental",
            "stream-not-incremental",
            pair([*chunk_list("")[:1], chunk({"content": COUNT}), *chunk_list("")[-2:]]),
        ),
        ("stream-incremental", "held-back", pair(COUNT, arrivals=[(len(GOOD), 3.0)], seconds=3.0)),
        (
            "stream-compressed",
            "stream-compressed-batching",
            pair(COUNT, headers={"content-encoding": "gzip"}, arrivals=[(len(GOOD), 0.5)]),
        ),
        (
            "stream-pieces-once",
            "cumulative-deltas",
            pair(
                [
                    *chunk_list("")[:1],
                    *(chunk({"content": COUNT[:end]}) for end in range(3, 30, 3)),
                    *chunk_list("")[-2:],
                ]
            ),
        ),
        (
            "stream-pieces-once",
            "whole-text-at-end",
            pair([*chunk_list(COUNT)[:-2], chunk({"content": COUNT}), *chunk_list("")[-2:]]),
        ),
        ("stream-usage-agrees", "prompt-tokens-differ", pair(changed(usage_on(-1, prompt_tokens=40)))),
        (
            "stream-agrees-finish-reason",
            "finish-reason-differs",
            pair(changed(choice(-2, finish_reason="content_filter"))),
        ),
        ("stream-agrees-text", "missing-head", pair(COUNT[3:])),
        ("stream-agrees-text", "missing-tail", pair(COUNT[:-40])),
        ("stream-agrees-text", "text-differs", pair(COUNT.replace("11, ", ""))),
        ("stream-agrees-model", "model-echo-differs", pair(changed(each(model="other")))),
    ],
)
def test_one_question(id: str, case: str, evidence: dict[str, Reply]) -> None:
    found = judge(id, **evidence)
    assert (found.status, found.case) == (Status.FAIL, case)


@pytest.mark.parametrize(
    ("id", "evidence"),
    [
        ("stream-agrees-text", pair("Sure! " + COUNT)),
        ("stream-agrees-text", pair("one two three", "Of course: one, two")),
        ("stream-usage-agrees", pair(changed(usage_on(-1, prompt_tokens=13)))),
        ("stream-compressed", pair(COUNT, headers={"content-encoding": "gzip"})),
        ("stream-incremental", pair(COUNT, arrivals=[(len(GOOD), 0.4)])),
        ("stream-incremental", pair("Hello! I am tiny.")),
        ("stream-pieces-once", pair("1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1")),
    ],
)
def test_what_is_left_alone(id: str, evidence: dict[str, Reply]) -> None:
    assert judge(id, **evidence).status is Status.PASS


@pytest.mark.parametrize("id", ["stream-incremental", *AGREES[:3]])
@pytest.mark.parametrize(
    ("body", "owner"),
    [
        (b"", "stream-events"),
        ([ERROR], "stream-error-event"),
        (sse(chunk_list(COUNT)[:9], done=False), "stream-complete"),
    ],
)
def test_one_question_is_blocked_by_the_owner(id: str, body: Any, owner: str) -> None:
    assert judge(id, **pair(body)).blocked_by == owner


@pytest.mark.parametrize(
    ("id", "probe", "case"),
    [
        ("stream-accepted", "stream_text", "stream-rejected"),
        ("unstreamed-accepted", "plain_text", "unstreamed-rejected"),
    ],
)
def test_a_refusal(id: str, probe: str, case: str) -> None:
    refused = answer(ERROR, status=400, sent={"stream": probe == "stream_text"})
    found = judge(id, **{probe: refused})
    assert (found.status, found.case) == (Status.FAIL, case)
    assert judge(id, **{probe: answer(ERROR, status=503)}).case == "server-error"
    assert judge(id, **{probe: answer(ERROR, status=429)}).status is Status.ERROR


@pytest.mark.parametrize(
    ("text", "case"),
    [
        (UNICODE, None),
        ("Here you are: 日本語", None),
        (UNICODE.replace("é", "\ufffd\ufffd"), "stream-utf8-replacement-from-server"),
        (UNICODE.encode().decode("latin-1"), "mojibake"),
        ("??? naive cafe", "characters-lost"),
    ],
)
def test_unicode(text: str, case: str | None) -> None:
    found = judge("stream-unicode", unicode_stream=stream(chunk_list(text)), hello=HELLO)
    assert (found.status, found.case) == (Status.FAIL if case else Status.PASS, case)


def test_half_a_character_as_an_escape() -> None:
    last = chunk({"content": "a half"}, finish_reason="stop")
    body = sse([last]).replace(b"half", b"\\ud83c")
    found = judge("stream-unicode", unicode_stream=stream(body), hello=HELLO)
    assert found.case == "stream-lone-surrogate"


def test_unicode_needs_a_model_that_follows() -> None:
    hello = answer(completion("no idea"), sent=TOLD)
    found = judge("stream-unicode", unicode_stream=stream(chunk_list("\ufffd")), hello=hello)
    assert found.blocked_by == "exact-reply"


def test_unicode_that_is_refused() -> None:
    found = judge("stream-unicode", unicode_stream=answer(ERROR, status=400), hello=HELLO)
    assert (found.status, found.case) == (Status.FAIL, "unicode-stream-rejected")
