"""How an answer is read: each accessor gives what is there, and is blocked by the owner of what is not."""

import contextlib
import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcompat.declare import Blocked, Ending, Failed, Unanswered
from llmcompat.reply import (
    BUNDLE,
    MISSING,
    OWNERS,
    Exchanges,
    Replies,
    Reply,
    dig,
    is_int,
    judged,
    load_json,
    plausible_tokens,
)
from tests.checking import (
    answer,
    attempts,
    checklist,
    chunk,
    chunk_list,
    completion,
    exchanges,
    sse,
    stream,
    tool_call,
)

CAPPED = {"max_tokens": 16}


def blocker(read: Callable[[], object]) -> str:
    """The id of the check that reading is blocked by."""
    with pytest.raises(Blocked) as raised:
        read()
    return raised.value.owner


def choice(**changes: Any) -> dict[str, Any]:
    document = completion()
    merged = document["choices"][0] | changes
    document["choices"] = [{name: value for name, value in merged.items() if value is not ...}]
    return document


def piece(
    index: Any = ..., id: Any = ..., name: Any = ..., arguments: Any = ..., **more: Any
) -> dict[str, Any]:
    """One piece of a streamed tool call; `...` leaves a key out."""
    function = {"name": name, "arguments": arguments}
    call = {
        "index": index,
        "id": id,
        "function": {key: value for key, value in function.items() if value is not ...},
    }
    return {key: value for key, value in call.items() if value is not ...} | more


def calls_of(*deltas: list[dict[str, Any]] | dict[str, Any]) -> list[tuple[Any, Any, Any]]:
    """Id, name and arguments of the calls that these deltas, one a chunk, are joined to."""
    listed = [delta if isinstance(delta, list) else [delta] for delta in deltas]
    reply = stream([chunk({"tool_calls": pieces}) for pieces in listed])
    return [(call.id, call.name, call.arguments) for call in reply.find_tool_calls()]


# --- small readers


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b.0.c", 1),
        ("a.b.-1.c", 1),
        ("a.b.1", MISSING),
        ("a.b.-2", MISSING),
        ("a.b.--1", MISSING),
        ("a.b.-", MISSING),
        ("a.b.²", MISSING),
        ("a.b.x", MISSING),
        ("a.n", None),
        ("a.n.x", MISSING),
        ("x", MISSING),
    ],
)
def test_dig(path: str, value: Any) -> None:
    assert dig({"a": {"b": [{"c": 1}], "n": None}}, path) is value


@pytest.mark.parametrize(
    "text",
    ["", "NaN", "[Infinity]", "{", b"\xff", "[" * 200_000, "9" * 10_000, b"\xff\xfe\x00"],
    ids=["empty", "nan", "infinity", "open", "bytes", "deep", "long", "utf16"],
)
def test_what_is_not_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which one is json's own affair
        load_json(text)


def test_integers() -> None:
    assert is_int(0)
    assert not any(is_int(value) for value in (True, 1.0, "1", None, MISSING))


def test_missing_is_not_null() -> None:
    assert not MISSING
    assert repr(MISSING) == "absent"
    assert answer(completion(id=None)).at("id") is None
    assert answer(completion(id=...)).at("id") is MISSING


@given(st.text())
def test_bounds_of_tokens_are_in_order(text: str) -> None:
    low, high = plausible_tokens(text)
    assert 0 <= low <= high


def test_every_owner_is_a_check() -> None:
    assert set(OWNERS.values()) <= set(checklist().checks)


# --- a good answer


def test_a_plain_answer() -> None:
    reply = answer(completion("Hello."))
    assert (reply.text, reply.content, reply.finish_reason) == ("Hello.", "Hello.", "stop")
    assert reply.usage["total_tokens"] == 20
    assert reply.find_tool_calls() == []
    assert not reply.capped


def test_a_streamed_answer() -> None:
    reply = stream(chunk_list("Hello there."))
    assert (reply.text, reply.finish_reason) == ("Hello there.", "stop")
    assert reply.usage["total_tokens"] == 20
    assert reply.terminated
    assert [round(part.seconds, 3) for part in reply.chunks] == sorted(
        round(part.seconds, 3) for part in reply.chunks
    )


@pytest.mark.parametrize(
    "reading", [answer(completion(tool_calls=[tool_call()])), stream(chunk_list(tool_calls=[tool_call()]))]
)
def test_a_tool_call(reading: Reply) -> None:
    (call,) = reading.tool_calls
    assert (call.id, call.type, call.name) == ("call_1", "function", "get_weather")
    assert call.parsed() == {"city": "Paris"}
    assert reading.finish_reason == "tool_calls"


# --- who is to blame

PLAIN: list[tuple[Any, str, str]] = [
    (b"", "answer", "json"),
    (b"<html>", "choices", "json"),
    ([], "message", "json"),
    ("text", "text", "json"),
    ({"error": {"message": "busy"}}, "answer", "error-with-200"),
    ({"error": "busy"}, "usage", "error-with-200"),
    ({"object": "error", "message": "busy", "code": 503}, "choices", "error-with-200"),
    (completion(choices=...), "choices", "choices"),
    (completion(choices=None), "text", "choices"),
    (completion(choices=[]), "message", "choices"),
    (completion(choices={}), "finish_reason", "choices"),
    (completion(choices=["x"]), "tool_calls", "choices"),
    (choice(message=...), "message", "message"),
    (choice(message=None), "content", "message"),
    (choice(message="x"), "text", "message"),
    (choice(message=[]), "tool_calls", "message"),
    (completion(["x"]), "content", "content"),
    (completion({"text": "x"}), "text", "content"),
    (completion(False), "text", "content"),
    (completion(None), "text", "empty"),
    (completion(""), "text", "empty"),
    (completion(" \n"), "text", "empty"),
    (completion(message={"content": ...}), "text", "empty"),
    (choice(finish_reason=...), "finish_reason", "finish"),
    (choice(finish_reason=None), "finish_reason", "finish"),
    (choice(finish_reason=""), "finish_reason", "finish"),
    (choice(finish_reason=["stop"]), "finish_reason", "finish"),
    (completion(usage=...), "usage", "usage"),
    (completion(usage=None), "usage", "usage"),
    (completion(usage={}), "usage", "usage"),
    (completion(usage=[1]), "usage", "usage"),
    (completion(usage={"prompt_tokens": 1}), "usage", "counters"),
    (
        completion(usage={"prompt_tokens": 1, "completion_tokens": 1.0, "total_tokens": 2}),
        "usage",
        "counters",
    ),
    (
        completion(usage={"prompt_tokens": True, "completion_tokens": 1, "total_tokens": 2}),
        "usage",
        "counters",
    ),
    (completion(message={"tool_calls": {}}), "tool_calls", "tool-shape"),
    (completion(message={"tool_calls": "x"}), "tool_calls", "tool-shape"),
    (completion({"x": 1}, finish_reason="stop"), "content", "content"),
    ({"detail": "no"}, "error", "error-shape"),
    ({"error": "no"}, "error", "error-shape"),
    ([], "error", "error-shape"),
]


@pytest.mark.parametrize(("document", "name", "owner"), PLAIN)
def test_a_plain_answer_without_it_is_blocked_by_its_owner(document: Any, name: str, owner: str) -> None:
    assert blocker(lambda: getattr(answer(document), name)) == OWNERS[owner]


STREAMS: list[tuple[Any, str, str]] = [
    (b"", "chunks", "sse"),
    (b"\n\n: ping\n\n", "text", "sse"),
    (b"data: [DONE]\n\n", "chunks", "sse"),
    (b"data: {not json}\n\n", "text", "sse"),
    (b"data: [1]\n\ndata: 7\n\n", "usage", "sse"),
    (json.dumps(completion()).encode(), "text", "sse"),
    (sse([{"error": {"message": "busy"}}]), "text", "stream-error"),
    (sse([chunk({"content": "x"}), {"error": "busy"}]), "tool_calls", "stream-error"),
    (sse([chunk(choices=[])]), "text", "chunk-choices"),
    (sse([chunk(choices={})]), "content", "chunk-choices"),
    (sse([chunk(choices=["x"])]), "content", "chunk-choices"),
    (sse([chunk(choices=[{"index": 0}])]), "content", "delta"),
    (sse([chunk(choices=[{"index": 0, "delta": None}])]), "text", "delta"),
    (sse([chunk({"content": ["x"]})]), "content", "delta-content"),
    (sse([chunk({"content": {"text": "x"}})]), "text", "delta-content"),
    (sse([chunk({"content": ""}, finish_reason="stop")]), "text", "empty"),
    (sse([chunk({"role": "assistant"})], done=False), "text", "stream-whole"),
    (sse([chunk({"role": "assistant"})], done=False), "tool_calls", "stream-whole"),
    (sse([chunk({"content": "x"})]), "finish_reason", "stream-finish"),
    (sse([chunk({"content": "x"}, finish_reason="")]), "finish_reason", "stream-finish"),
    (sse([chunk({"content": "x"}, finish_reason=["stop"])]), "finish_reason", "stream-finish"),
    (sse(chunk_list("x", usage=None)), "usage", "stream-usage"),
    (sse([chunk({"content": "x"}, usage={"prompt_tokens": "1"})]), "usage", "counters"),
]


@pytest.mark.parametrize(("body", "name", "owner"), STREAMS)
def test_a_stream_without_it_is_blocked_by_its_owner(body: bytes, name: str, owner: str) -> None:
    assert blocker(lambda: getattr(stream(body), name)) == OWNERS[owner]


@pytest.mark.parametrize("reply", [answer(completion()), stream(chunk_list())])
def test_no_tool_call_is_blocked_by_the_owner_of_the_call(reply: Reply) -> None:
    assert blocker(lambda: reply.tool_calls) == "chat-accepted"
    reply.called = "tool-called"
    assert blocker(lambda: reply.tool_calls) == "tool-called"


@pytest.mark.parametrize(
    ("arguments", "owner"),
    [
        ({"city": "Paris"}, "arguments"),
        (None, "arguments"),
        (..., "arguments"),
        ("{bad", "arguments-json"),
        ("", "arguments-json"),
    ],
)
def test_arguments_that_cannot_be_read(arguments: Any, owner: str) -> None:
    function = {"name": "f", "arguments": arguments}
    call = {"id": "1", "function": {name: value for name, value in function.items() if value is not ...}}
    (found,) = answer(completion(tool_calls=[call])).tool_calls
    assert blocker(found.parsed) == OWNERS[owner]


@pytest.mark.parametrize("function", [None, "f", [], 7])
def test_a_call_without_a_function_is_read_as_far_as_it_goes(function: Any) -> None:
    (call,) = answer(completion(tool_calls=[{"id": "1", "function": function}])).tool_calls
    assert (call.id, call.type, call.name, call.arguments) == ("1", MISSING, MISSING, MISSING)


# --- accepted at all


@pytest.mark.parametrize(
    ("reply", "case"),
    [
        (answer(status=None), "no-answer"),
        (answer(status=500), "server-error"),
        (answer(status=400), None),
        (answer(status=302), None),
        (answer(completion(), ended="cut"), "cut"),
    ],
)
def test_a_refusal_fails_its_owner_and_blocks_the_others(reply: Reply, case: str | None) -> None:
    reply.owner = "owner"
    with pytest.raises(Failed) as raised:
        reply.accepted()
    assert raised.value.case == case
    assert blocker(reply.require) == "owner"
    assert blocker(lambda: reply.text) == "owner"


def test_the_ground_of_a_refusal_is_to_blame() -> None:
    ground = answer(status=400, owner="ground")
    for reply in (
        answer(status=400, owner="own", grounds=[ground]),
        answer(status=None, owner="own", grounds=[ground]),
    ):
        assert blocker(reply.accepted) == "ground"
        assert blocker(reply.require) == "ground"
    answer(completion(), grounds=[ground]).accepted()
    cut = answer(b"{", ended="cut", owner="ground")
    assert blocker(answer(b"{", ended="cut", owner="own", grounds=[cut]).accepted) == "ground"


@pytest.mark.parametrize("status", [401, 402, 429])
def test_throttling_money_and_keys_are_no_verdict(status: int) -> None:
    reply = answer(status=status)
    for read in (reply.accepted, reply.require, lambda: reply.text):
        with pytest.raises(Unanswered) as raised:
            read()
        assert not isinstance(raised.value, Blocked)


def test_an_answer_that_is_longer_than_is_read_is_no_verdict() -> None:
    with pytest.raises(Unanswered, match="longer"):
        _ = answer(completion(), ended="bounded").text


def test_a_cut_stream_is_accepted_and_read_as_far_as_it_goes() -> None:
    reply = stream(sse([chunk({"content": "Hel"})], done=False), ended="cut")
    reply.accepted()
    assert reply.content == "Hel"
    assert not reply.terminated


# --- the cap


@pytest.mark.parametrize(
    ("reason", "used", "sent", "capped"),
    [
        ("length", 16, CAPPED, True),
        ("length", 13, CAPPED, True),
        ("length", 12, CAPPED, False),
        ("length", None, CAPPED, True),
        ("length", "16", CAPPED, True),
        ("length", True, CAPPED, True),
        ("length", 16, {}, False),
        ("length", 16, {"max_completion_tokens": 16}, True),
        ("length", 16, {"max_completion_tokens": 4096, "max_tokens": 16}, False),
        ("stop", 16, CAPPED, False),
        (["length"], 16, CAPPED, False),
    ],
)
def test_capped(reason: Any, used: Any, sent: dict[str, Any], capped: bool) -> None:
    usage = None if used is None else {"prompt_tokens": 1, "completion_tokens": used, "total_tokens": 17}
    for reply in (
        answer(completion("", finish_reason=reason, usage=usage), sent=sent),
        stream(chunk_list("", finish_reason=reason, usage=usage), sent=sent),
    ):
        assert reply.capped is capped
        for name in ("text", "tool_calls"):
            with pytest.raises(Unanswered) as raised:
                getattr(reply, name)
            assert isinstance(raised.value, Blocked) is not capped


def test_a_model_that_calls_instead_of_answering_is_no_empty_answer() -> None:
    with pytest.raises(Unanswered, match="called a tool"):
        _ = answer(completion(tool_calls=[tool_call()])).text


# --- streamed tool calls

WHOLE = ("1", "f", '{"a": 1}')
OTHER = ("2", "g", "{}")


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        # as OpenAI sends it
        ([piece(0, "1", "f", ""), piece(0, arguments='{"a"'), piece(0, arguments=": 1}")], [WHOLE]),
        # empty or null ids and names on the later pieces
        ([piece(0, "1", "f", None), piece(0, "", "", '{"a": '), piece(0, None, None, "1}")], [WHOLE]),
        # id and name on every piece
        ([piece(0, "1", "f", '{"a"'), piece(0, "1", "f", ": 1}")], [WHOLE]),
        # two calls, their pieces taking turns
        (
            [
                piece(0, "1", "f", '{"a"'),
                piece(1, "2", "g", "{"),
                piece(0, arguments=": 1}"),
                piece(1, arguments="}"),
            ],
            [WHOLE, OTHER],
        ),
        # both whole in one chunk, also under one index
        ([[piece(0, "1", "f", '{"a": 1}'), piece(1, "2", "g", "{}")]], [WHOLE, OTHER]),
        ([[piece(0, "1", "f", '{"a": 1}'), piece(0, "2", "g", "{}")]], [WHOLE, OTHER]),
        ([piece(0, "1", "f", '{"a": 1}'), piece(0, "2", "g", "{"), piece(0, arguments="}")], [WHOLE, OTHER]),
        # counted from one, or with a gap
        ([piece(1, "1", "f", '{"a": 1}'), piece(7, "2", "g", "{}")], [WHOLE, OTHER]),
        # no index: a new id or name begins a call
        (
            [
                piece(id="1", name="f", arguments='{"a"'),
                piece(arguments=": 1}"),
                piece(id="2", name="g", arguments="{}"),
            ],
            [WHOLE, OTHER],
        ),
        ([piece(None, "1", "f", '{"a"'), piece(None, "", "", ": 1}")], [WHOLE]),
        # no index, and the id on every piece
        ([piece(id="1", name="f", arguments='{"a"'), piece(id="1", arguments=": 1}")], [WHOLE]),
        ([piece(id="1", name="f", arguments='{"a"'), piece(id="1", name="f", arguments=": 1}")], [WHOLE]),
        # an index that is no integer is none
        ([piece("0", "1", "f", '{"a"'), piece("0", arguments=": 1}")], [WHOLE]),
        # the id comes late
        ([piece(0, name="f", arguments='{"a": '), piece(0, "1", arguments="1}")], [WHOLE]),
        # arguments that are no string stay what they are
        ([piece(0, "1", "f", {"a": 1})], [("1", "f", {"a": 1})]),
        ([piece(0, "1", "f")], [("1", "f", MISSING)]),
        ([piece(0, arguments="{}")], [(MISSING, MISSING, "{}")]),
        ([[]], []),
    ],
)
def test_pieces_of_calls_are_joined(deltas: list[Any], expected: list[Any]) -> None:
    assert calls_of(*deltas) == expected


def test_calls_of_another_choice_are_not_mixed_in() -> None:
    def part(index: int, call: dict[str, Any]) -> dict[str, Any]:
        return chunk(choices=[{"index": index, "delta": {"tool_calls": [call]}, "finish_reason": None}])

    reply = stream(
        [
            part(0, piece(0, "1", "f", '{"a"')),
            part(1, piece(0, "2", "g", "{}")),
            part(0, piece(0, arguments=": 1}")),
        ]
    )
    assert [(call.id, call.arguments) for call in reply.tool_calls] == [("1", '{"a": 1}')]


@given(st.data())
def test_any_cutting_of_the_arguments_gives_the_same_calls(data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.text(max_size=30), min_size=1, max_size=4))
    queues = []
    for index, text in enumerate(texts):
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
        edges = [0, *cuts, len(text)]
        queue = [piece(index, f"id{index}", f"name{index}", "")]
        queue += [piece(index, arguments=text[start:end]) for start, end in pairwise(edges)]
        queues.append(queue)
    deltas = []
    while any(queues):
        queue = data.draw(st.sampled_from([queue for queue in queues if queue]))
        deltas.append(queue.pop(0))
    found = sorted(calls_of(*deltas))
    assert found == sorted((f"id{index}", f"name{index}", text) for index, text in enumerate(texts))


# --- thinking, several replies, several parts


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"reasoning_content": "a"}, "a"),
        ({"reasoning": "a"}, "a"),
        ({"reasoning": "a", "reasoning_content": "a"}, "a"),
        ({"reasoning": ["a"]}, ""),
        ({"reasoning_content": None}, ""),
        ({}, ""),
    ],
)
def test_thinking_under_either_name(message: dict[str, Any], expected: str) -> None:
    assert answer(completion(message=message)).reasoning == expected
    assert stream([chunk(message), *chunk_list()]).reasoning == expected


def test_a_bundle_stands_for_its_parts_until_it_is_split() -> None:
    whole, own = answer(completion()), answer(completion("own"))
    bundle = Replies({BUNDLE: whole}, "probe", "owner")
    assert bundle.part("seed") is whole
    assert not bundle.split()
    split = Replies({BUNDLE: whole, "seed": own}, "probe", "owner")
    assert split.part("seed") is own
    assert split.split()
    assert dict(split) == {BUNDLE: whole, "seed": own}


def test_a_part_that_was_not_asked_is_no_verdict() -> None:
    parts = Replies({}, "probe", "owner")
    for read in (lambda: parts["seed"], lambda: parts.part("seed")):
        with pytest.raises(Unanswered, match="probe did not get to ask for"):
            read()
    assert "seed" not in parts


def test_answers_are_sorted_by_kind() -> None:
    plain, error, empty = answer(completion()), answer({"error": {}}, status=400), answer({"choices": []})
    streamed, broken = stream(chunk_list()), stream(sse([{"error": {"message": "busy"}}]))
    models, lost = answer({"data": []}, path="models", method="GET"), answer(status=None)
    found = exchanges(plain, error, empty, streamed, broken, models, lost)
    assert found.all == (plain, error, empty, streamed, broken, models, lost)
    assert found.plain == (plain, empty)
    assert found.completions == (plain,)
    assert found.streams == (streamed, broken)
    assert found.readable_streams == (streamed,)
    assert found.refusals == (error,)


def test_nothing_judged_is_blocked() -> None:
    assert blocker(lambda: judged([], nothing="owner")) == "owner"
    assert blocker(lambda: judged(Exchanges([]).plain, nothing="owner")) == "owner"
    reply = answer(completion())
    assert judged(iter([reply]), nothing="owner") == (reply,)


def test_attempts_are_kept_in_order() -> None:
    first, last = answer(completion("a")), answer(completion("b"))
    assert attempts(first, last).attempts == (first, last)
    assert first.attempts == (first,)


# --- hostile answers

READERS = (
    *("text", "content", "usage", "finish_reason", "tool_calls", "choices", "message", "chunks", "answer"),
    *("error", "reasoning", "capped", "terminated", "excerpt", "error_text", "all_chunks", "blocks"),
    *("document", "cap", "media_type"),
)
METHODS = ("accepted", "require", "uncapped", "find_usage", "find_finish_reason", "find_tool_calls")

FIELDS = ("id", "type", "function", "name", "arguments", "index", "tool_calls", "content", "role", "choices")
COUNTERS = ("prompt_tokens", "completion_tokens", "total_tokens", "message", "delta", "usage", "error", "0")
KEYS = st.sampled_from([*FIELDS, *COUNTERS, "finish_reason", "reasoning"])
TEXTS = ["", "0", "length", "stop", "{", "{}", "\ud800", "assistant"]
ODD = st.sampled_from([*TEXTS, 10**40, -1, 0, 1, 1e308, 2.5])
VALUES = st.recursive(
    st.none() | st.booleans() | ODD | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=25,
)
MESSAGES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("role", "content", "tool_calls", "reasoning"), VALUES)
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "index": VALUES,
        "message": MESSAGES | VALUES,
        "delta": MESSAGES | VALUES,
        "finish_reason": VALUES,
    },
)
DOCUMENTS = VALUES | st.fixed_dictionaries(
    {},
    optional={"choices": st.lists(CHOICES | VALUES, max_size=3) | VALUES, "usage": VALUES, "error": VALUES},
)


def read_everything(reply: Reply) -> None:
    """Every reader gives something or ends the check; anything else that it raises fails the test."""
    for name in READERS:
        with contextlib.suppress(Ending):
            getattr(reply, name)
    for name in METHODS:
        with contextlib.suppress(Ending):
            getattr(reply, name)()
    for call in reply.find_tool_calls():
        with contextlib.suppress(Ending):
            call.parsed()
    found = exchanges(reply)
    _ = found.plain, found.streams, found.completions, found.readable_streams, found.refusals


@given(DOCUMENTS)
def test_a_hostile_document_only_ends_checks(document: Any) -> None:
    body = json.dumps(document).encode()
    read_everything(answer(body, sent=CAPPED))
    read_everything(answer(body, status=400))
    read_everything(stream(body, sent=CAPPED))


@given(
    st.lists(DOCUMENTS, max_size=5),
    st.sampled_from(["\n\n", "\r\n\r\n", "\r\r", "\n", "\n\ndata: [DONE]\n\n"]),
)
def test_a_hostile_stream_only_ends_checks(documents: list[Any], end: str) -> None:
    body = "".join(f"data: {json.dumps(document)}{end}" for document in documents).encode()
    read_everything(stream(body, sent=CAPPED))
    read_everything(stream(body, ended="cut"))


@given(st.binary(max_size=200))
def test_any_bytes_only_end_checks(body: bytes) -> None:
    read_everything(answer(body))
    read_everything(stream(body))
    read_everything(stream(b"data: " + body + b"\n\n"))


@pytest.mark.parametrize("depth", [50, 900, 5_000, 100_000])
def test_deep_documents_only_end_checks(depth: int) -> None:
    deep = b'{"choices": [{"message": {"content": ' + b"[" * depth + b"]" * depth + b"}}]}"
    read_everything(answer(deep))
    read_everything(stream(b"data: " + deep + b"\n\n"))
