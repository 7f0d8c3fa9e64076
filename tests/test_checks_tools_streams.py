"""Checks of streamed tool calls, judged on literal streams."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.reply import Reply
from tests.checking import (
    Judgement,
    answer,
    attempts,
    chunk,
    chunk_list,
    completion,
    exchanges,
    judge,
    sse,
    stream,
    tool_call,
)

PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SENT: dict[str, Any] = {
    "tools": [
        {"type": "function", "function": {"name": "get_weather", "parameters": PLACE}},
        {"type": "function", "function": {"name": "get_time"}},
    ]
}
NAMED = {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}}

Chunks = list[dict[str, Any]]


def plain(*calls: dict[str, Any]) -> Reply:
    return answer(completion(tool_calls=list(calls)), sent=SENT, called="tool-called")


def streamed(*calls: dict[str, Any], sent: dict[str, Any] | None = None, **options: Any) -> Reply:
    return stream(chunk_list(tool_calls=list(calls), **options), sent={**SENT, **(sent or {})})


def changed(change: Callable[[dict[str, Any], bool], None], *calls: dict[str, Any]) -> Reply:
    """A stream each of whose pieces went through `change`, which is told whether it is a call's first one."""
    chunks = copy.deepcopy(chunk_list(tool_calls=list(calls) or [tool_call()]))
    for piece in pieces(chunks):
        change(piece, "id" in piece)
    return stream(chunks, sent=SENT)


def pieces(chunks: Chunks) -> Chunks:
    return [piece for item in chunks for c in item["choices"] for piece in c["delta"].get("tool_calls") or []]


def setting(first: bool | None = None, **values: Any) -> Callable[[dict[str, Any], bool], None]:
    """Set fields of first pieces, of later ones, or of all; `...` removes.

    `name` and `arguments` are the function's.
    """

    def change(piece: dict[str, Any], is_first: bool) -> None:
        if first is not None and is_first is not first:
            return
        for key, value in values.items():
            holder = piece["function"] if key in ("name", "arguments") else piece
            holder.pop(key, None)
            if value is not ...:
                holder[key] = value

    return change


def pieced(*texts: Any, name: str = "get_weather") -> Reply:
    """A stream whose arguments come in these pieces."""
    head = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
    later = [{"index": 0, "function": {"arguments": text}} for text in texts]
    chunks = [
        chunk({"role": "assistant", "content": None}),
        *(chunk({"tool_calls": [piece]}) for piece in (head, *later)),
        chunk({}, finish_reason="tool_calls"),
    ]
    # Escaped, so that half a character can be written.
    return stream("".join(f"data: {json.dumps(item)}\n\n" for item in chunks).encode(), sent=SENT)


def over(id: str, *replies: Reply) -> Judgement:
    found = exchanges(*replies)
    return judge(id, exchanges=found, weather_call_stream=GOOD, note_call_stream=GOOD, weather_call=CALLED)


GOOD = streamed(tool_call())
CALLED = plain(tool_call())
LONDON = tool_call(arguments='{"city": "London"}', id="call_2")
PLAIN_TEXT = stream(chunk_list("I can do that for you."), sent=SENT)


def glue(piece: dict[str, Any], first: bool) -> None:
    piece["index"] = 0


def from_one(piece: dict[str, Any], first: bool) -> None:
    piece["index"] += 1


def spread(piece: dict[str, Any], first: bool) -> None:
    piece["index"] *= 2


def same_id_and_index(piece: dict[str, Any], first: bool) -> None:
    piece["index"] = 0
    if first:
        piece["id"] = "call_1"


@pytest.mark.parametrize(
    ("id", "reply", "case"),
    [
        ("tool-delta-shape", stream([chunk({"tool_calls": {"index": 0}})], sent=SENT), "not-a-list"),
        ("tool-delta-shape", stream([chunk({"tool_calls": ["x"]})], sent=SENT), "not-an-object"),
        ("tool-delta-shape", changed(setting(function=...)), "no-function"),
        ("tool-delta-index", changed(setting(index=...)), "tool-delta-missing-index"),
        ("tool-delta-index", changed(setting(first=False, index=...)), "tool-delta-missing-index"),
        ("tool-delta-index", changed(setting(index=None)), "null"),
        ("tool-delta-index", changed(setting(index="0")), "string"),
        ("tool-delta-index", changed(setting(index=0.0)), "not-an-integer"),
        ("tool-delta-index", changed(glue, tool_call(), LONDON), "tool-delta-parallel-same-index"),
        (
            "tool-delta-index",
            changed(same_id_and_index, tool_call(), LONDON),
            "tool-delta-parallel-same-index",
        ),
        ("tool-delta-index", changed(from_one, tool_call(), LONDON), "starts-at-one"),
        ("tool-delta-index", changed(spread, tool_call(), LONDON), "sparse"),
        ("tool-delta-id", changed(setting(id=...)), "tool-delta-id-missing"),
        ("tool-delta-id", changed(setting(first=True, id="")), "tool-call-id-empty"),
        ("tool-delta-id", changed(setting(first=True, id=7)), "tool-call-id-numeric"),
        ("tool-delta-id", changed(setting(first=False, id="call_9")), "tool-delta-id-changes"),
        ("tool-delta-type", changed(setting(type=...)), "missing"),
        ("tool-delta-type", changed(setting(type="tool")), "other"),
        ("tool-delta-type", changed(setting(first=False, type=None)), "null-on-continuation"),
        ("tool-delta-name", changed(setting(first=True, name=...)), "missing"),
        ("tool-delta-name", changed(setting(first=True, name="")), "empty"),
        ("tool-delta-name", changed(setting(first=True, name="get_")), "unknown-name"),
        ("tool-delta-repeats", changed(setting(first=False, id="call_1")), "tool-delta-id-name-repeated"),
        ("tool-delta-repeats", changed(setting(name="get_weather")), "tool-delta-id-name-repeated"),
        (
            "tool-delta-repeats",
            changed(setting(first=False, name="")),
            "tool-delta-empty-name-on-continuation",
        ),
        ("tool-delta-arguments", pieced({"city": "Paris"}), "tool-arguments-object"),
        ("tool-delta-arguments", pieced(1), "not-a-string"),
        (
            "tool-stream-arguments",
            pieced('{"city": "Paris"}', '{"city": "Paris"}'),
            "tool-stream-arguments-duplicated",
        ),
        ("tool-stream-arguments", pieced("{", '{"city": "Paris"}'), "tool-stream-arguments-duplicated"),
        ("tool-stream-arguments", pieced(), "tool-stream-arguments-missing"),
        ("tool-stream-arguments", pieced('{"city": "Paris"'), "tool-stream-arguments-missing"),
        ("tool-stream-arguments", pieced("city=Paris"), "tool-arguments-invalid-json"),
        ("tool-stream-arguments", pieced(json.dumps('{"city": "Paris"}')), "tool-arguments-double-encoded"),
        (
            "tool-finish-reason-streamed",
            streamed(tool_call(), finish_reason="stop"),
            "stream-finish-reason-stop-with-tool-calls",
        ),
        ("tool-stream-characters", pieced('{"city": "\ud83c', '\udf89"}'), "stream-lone-surrogate"),
        ("tool-stream-characters", pieced('{"city": "\ufffd\ufffd"}'), "replacement-character"),
    ],
)
def test_deviations(id: str, reply: Reply, case: str) -> None:
    result = over(id, CALLED, GOOD, reply)
    assert (result.status, result.case) == (Status.FAIL, case)


CHECKS = (
    "tool-delta-shape",
    "tool-delta-index",
    "tool-delta-id",
    "tool-delta-type",
    "tool-delta-name",
    "tool-delta-repeats",
    "tool-delta-arguments",
    "tool-stream-arguments",
    "tool-finish-reason-streamed",
    "tool-stream-characters",
)
WHOLE = {"index": 0, **tool_call()}


@pytest.mark.parametrize("id", CHECKS)
@pytest.mark.parametrize(
    "reply",
    [
        GOOD,
        streamed(tool_call(), LONDON),
        streamed(tool_call(arguments='{"city": "🎉🎂"}')),
        streamed(tool_call(), usage=None),
        streamed(tool_call(), sent=NAMED, finish_reason="stop"),
        changed(setting(first=True, arguments=None)),
        changed(setting(first=False, id=None, name=None)),
        changed(setting(first=False, id="", type="function")),
        pieced('{"city": ', None, '"Paris"}'),
        pieced(name="get_time"),
        stream([chunk({"role": "assistant", "tool_calls": []}), *chunk_list("ok")], sent=SENT),
        stream([chunk({"tool_calls": [WHOLE]}, finish_reason="tool_calls")], sent=SENT),
        stream(
            [chunk({"tool_calls": [WHOLE, {"index": 1, **LONDON}]}, finish_reason="tool_calls")], sent=SENT
        ),
        stream(sse(chunk_list(tool_calls=[tool_call()])[:4], done=False), sent=SENT, ended="cut"),
    ],
)
def test_legal_variety(id: str, reply: Reply) -> None:
    assert over(id, CALLED, GOOD, reply).status is Status.PASS


@pytest.mark.parametrize("id", CHECKS)
def test_streams_without_a_call_are_blocked(id: str) -> None:
    assert over(id, CALLED, PLAIN_TEXT).blocked_by == "tool-called-streamed"


@pytest.mark.parametrize(
    ("id", "plain_call", "reply", "owner"),
    [
        ("tool-delta-id", plain(tool_call(id=7)), changed(setting(first=True, id=7)), "tool-call-id"),
        (
            "tool-delta-arguments",
            plain(tool_call(arguments={"city": "Paris"})),
            pieced({"city": "Paris"}),
            "tool-arguments-string",
        ),
        ("tool-stream-arguments", plain(tool_call(arguments="{bad")), pieced("{bad"), "tool-arguments-json"),
        (
            "tool-stream-arguments",
            plain(tool_call(arguments='"{\\"a\\": 1}"')),
            pieced('"{\\"a\\": 1}"'),
            "tool-arguments-encoded-once",
        ),
        ("tool-stream-arguments", CALLED, changed(glue, tool_call(), LONDON), "tool-delta-index"),
        ("tool-stream-arguments", CALLED, pieced({"a": 1}), "tool-delta-arguments"),
    ],
)
def test_what_the_plain_answer_shows_too_is_said_once(
    id: str, plain_call: Reply, reply: Reply, owner: str
) -> None:
    assert over(id, plain_call, reply).blocked_by == owner


# --- accepted and called


def test_streams_with_tools() -> None:
    refused = answer({"error": {"message": "no"}}, status=400, sent={**SENT, "stream": True})

    def judged(reply: Reply) -> Judgement:
        return judge("tools-stream-accepted", weather_call_stream=reply, exchanges=exchanges(reply))

    assert judged(refused).case == "tools-with-stream-unsupported"
    assert judged(PLAIN_TEXT).status is Status.PASS


@pytest.mark.parametrize(
    ("reply", "plain_call", "expected"),
    [
        (GOOD, CALLED, (Status.PASS, None)),
        (attempts(stream(chunk_list("Hm."), sent=SENT), streamed(tool_call())), CALLED, (Status.PASS, None)),
        (PLAIN_TEXT, CALLED, (Status.FAIL, "tool-calls-missing-when-streaming")),
        (stream(chunk_list(""), sent=SENT), CALLED, (Status.FAIL, "malformed-tool-call-empty-200")),
        (PLAIN_TEXT, answer(completion("Hm."), sent=SENT), (Status.ERROR, "tool-called")),
        (stream([chunk({"tool_calls": {"a": 1}})], sent=SENT), CALLED, (Status.ERROR, "tool-delta-shape")),
        (
            stream(sse([chunk({"content": "I"})], done=False), sent=SENT, ended="cut"),
            CALLED,
            (Status.ERROR, "stream-complete"),
        ),
    ],
)
def test_called_in_streams(reply: Reply, plain_call: Reply, expected: tuple[Any, ...]) -> None:
    result = judge("tool-called-streamed", weather_call=plain_call, weather_call_stream=reply)
    assert (result.status, result.case or result.blocked_by) == expected


@pytest.mark.parametrize(
    ("reply", "plain_call", "first", "expected"),
    [
        (streamed(tool_call(), LONDON), plain(tool_call(), LONDON), GOOD, (Status.PASS, None)),
        (GOOD, CALLED, GOOD, (Status.PASS, None)),
        (GOOD, plain(tool_call(), LONDON), GOOD, (Status.FAIL, "fewer-calls")),
        (PLAIN_TEXT, plain(tool_call(), LONDON), PLAIN_TEXT, (Status.ERROR, "tool-called-streamed")),
        (PLAIN_TEXT, answer(completion("Hm."), sent=SENT), GOOD, (Status.ERROR, "parallel-tool-calls")),
        (
            changed(glue, tool_call(), LONDON),
            plain(tool_call(), LONDON),
            GOOD,
            (Status.ERROR, "tool-delta-index"),
        ),
        (
            answer({"error": {"message": "no"}}, status=500, sent={**SENT, "stream": True}),
            CALLED,
            GOOD,
            (Status.FAIL, "two-calls-refused"),
        ),
    ],
)
def test_parallel_calls_in_streams(
    reply: Reply, plain_call: Reply, first: Reply, expected: tuple[Any, ...]
) -> None:
    result = judge(
        "parallel-tool-calls-streamed",
        parallel_calls=plain_call,
        parallel_calls_stream=reply,
        weather_call_stream=first,
    )
    assert (result.status, result.case or result.blocked_by) == expected


@pytest.mark.parametrize(
    ("reply", "expected", "noted"),
    [
        (GOOD, (Status.PASS, None), False),
        (streamed(tool_call(arguments='{"city": "Paris", "unit": "celsius"}')), (Status.PASS, None), True),
        (pieced("{}"), (Status.FAIL, "tool-stream-arguments-missing"), False),
        (pieced("{"), (Status.ERROR, "tool-stream-arguments"), False),
        (changed(from_one), (Status.ERROR, "tool-delta-index"), False),
    ],
)
def test_streamed_calls_agree(reply: Reply, expected: tuple[Any, ...], noted: bool) -> None:
    result = judge("tool-stream-agrees", weather_call=CALLED, weather_call_stream=reply)
    assert (result.status, result.case or result.blocked_by) == expected
    assert bool(result.notes) is noted


def test_arguments_in_one_piece_are_noted() -> None:
    text = json.dumps({"city": "Paris " * 30})
    one = judge("tool-stream-characters", note_call_stream=pieced(text), exchanges=exchanges(pieced(text)))
    many = pieced(*text)
    assert one.status is Status.PASS
    assert one.notes
    assert not judge("tool-stream-characters", note_call_stream=many, exchanges=exchanges(many)).notes
