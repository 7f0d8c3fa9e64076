"""Changes to streams: to the chunks of a text, to the pieces of tool calls, and to the bytes around them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

from tests.checking import completion
from tests.mutations import Mutation, Wire, harmful, harmless, legal, put

Chunks = list[dict[str, Any]]
Edit = Callable[[Chunks], Chunks]


# --- chunks


def every(path: str, value: Any) -> Edit:
    """Set a field in every chunk."""
    return lambda chunks: [put(path, value)(chunk) for chunk in chunks]


def some(path: str, value: Any, *, last: bool) -> Edit:
    """Set a field of the chunk with the finish_reason, or of every other one that has choices."""

    def edit(chunks: Chunks) -> Chunks:
        return [
            put(path, value)(chunk) if chunk["choices"] and _finishes(chunk) is last else chunk
            for chunk in chunks
        ]

    return edit


def _finishes(chunk: dict[str, Any]) -> bool:
    return bool(chunk["choices"]) and chunk["choices"][0]["finish_reason"] is not None


def _delta(change: Callable[[dict[str, Any]], None]) -> Edit:
    def edit(chunks: Chunks) -> Chunks:
        chunks = copy.deepcopy(chunks)
        for chunk in chunks:
            for choice in chunk["choices"]:
                change(choice["delta"])
        return chunks

    return edit


def _parts(delta: dict[str, Any]) -> None:
    if delta.get("content"):
        delta["content"] = [{"type": "text", "text": delta["content"]}]


def _ids(chunks: Chunks) -> Chunks:
    return [{**chunk, "id": f"chatcmpl-{number}"} for number, chunk in enumerate(chunks)]


def _usage_at_finish(chunks: Chunks) -> Chunks:
    return [{**chunk, "usage": chunks[-1]["usage"]} if _finishes(chunk) else chunk for chunk in chunks[:-1]]


def _usage_everywhere(chunks: Chunks) -> Chunks:
    return [{**chunk, "usage": chunks[-1]["usage"]} for chunk in chunks]


def _usage_chunk(**changes: Any) -> Edit:
    def edit(chunks: Chunks) -> Chunks:
        last = {name: value for name, value in {**chunks[-1], **changes}.items() if value is not ...}
        return [*chunks[:-1], last]

    return edit


_EMPTY_CHOICE = [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}]
_AZURE = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}
_NULLS = {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}

TEXT = (
    harmful("stream", "id is absent", every("id", ...), "stream-id/id-missing"),
    harmful("stream", "id is null", every("id", None), "stream-id/id-missing"),
    harmful("stream", 'id is ""', every("id", ""), "stream-id/id-missing"),
    harmful("stream", "object is absent", every("object", ...), "stream-object/object-missing"),
    harmful("stream", "object is null", every("object", None), "stream-object/object-missing"),
    harmful("stream", 'object is ""', every("object", ""), "stream-object/object-missing"),
    harmful(
        "stream", "object of a plain answer", every("object", "chat.completion"), "stream-object/object-wrong"
    ),
    harmless("stream", "created is absent", every("created", ...), "stream-created-present/created-missing"),
    harmless("stream", "created is null", every("created", None), "stream-created-present/created-missing"),
    harmful(
        "stream", "created is a fraction", every("created", 1795348800.5), "stream-created/created-float"
    ),
    harmless("stream", "model is absent", every("model", ...), "stream-model-present/model-missing"),
    harmless("stream", "model is null", every("model", None), "stream-model-present/model-missing"),
    harmful("stream", "choice.index is absent", every("choice.index", ...), "stream-index/index-missing"),
    harmful("stream", "choice.index is null", every("choice.index", None), "stream-index/index-null"),
    harmless("stream", "choice.logprobs is absent", every("choice.logprobs", ...)),
    harmless("stream", "service_tier is another word", every("service_tier", "on_demand")),
    harmful("stream", "usage is absent", every("usage", ...), "stream-usage/stream-usage-missing"),
    harmful("stream", "error is null", every("error", None), "stream-error-key/error-null"),
    harmless("stream", "each chunk its own id", _ids, "stream-id-constant/stream-chunk-id-changes"),
    harmful(
        "stream",
        "no role in any delta",
        _delta(lambda delta: delta.pop("role", None)),
        "stream-role/stream-role-missing",
    ),
    harmful(
        "stream",
        "an empty role in every delta",
        _delta(lambda delta: delta.update(role="")),
        "stream-role/stream-role-empty-string",
    ),
    harmless("stream", "the role in every delta", _delta(lambda delta: delta.update(role="assistant"))),
    harmful(
        "stream",
        "no delta beside finish_reason",
        some("choice.delta", ..., last=True),
        "stream-delta/delta-missing",
    ),
    harmful(
        "stream",
        "a null delta beside finish_reason",
        some("choice.delta", None, last=True),
        "stream-delta/delta-null",
    ),
    harmful(
        "stream",
        "no finish_reason",
        every("choice.finish_reason", None),
        "stream-finish-reason/stream-finish-reason-missing",
    ),
    harmless(
        "stream",
        "finish_reason is absent before the last delta",
        some("choice.finish_reason", ..., last=False),
    ),
    harmless(
        "stream", "finish_reason is empty before the last delta", some("choice.finish_reason", "", last=False)
    ),
    harmful(
        "stream",
        "finish_reason is another word",
        some("choice.finish_reason", "eos", last=True),
        "stream-finish-reason-value/finish-reason-outside-enum",
    ),
    harmful("stream", "no usage chunk", lambda chunks: chunks[:-1], "stream-usage/stream-usage-missing"),
    harmless(
        "stream",
        "usage beside finish_reason",
        _usage_at_finish,
        "stream-usage-chunk/stream-usage-with-content-chunk",
    ),
    harmful(
        "stream", "usage in every chunk", _usage_everywhere, "stream-usage-once/stream-usage-on-every-chunk"
    ),
    harmless(
        "stream",
        "usage beside an empty choice",
        _usage_chunk(choices=_EMPTY_CHOICE),
        "stream-usage-chunk/stream-usage-with-content-chunk",
    ),
    harmful(
        "stream",
        "usage without choices",
        _usage_chunk(choices=...),
        "stream-usage-choices/usage-choices-missing",
    ),
    harmful(
        "stream",
        "usage with null choices",
        _usage_chunk(choices=None),
        "stream-usage-choices/usage-choices-null",
    ),
    harmless(
        "stream",
        "a first chunk without choices and metadata",
        lambda chunks: [_AZURE, *chunks],
        "stream-first-chunk-choices/stream-empty-choices-first-chunk",
    ),
    harmful("stream", "content as parts", _delta(_parts), "stream-delta-content/response-content-array"),
    harmless(
        "stream", "thinking beside the text", _delta(lambda delta: delta.update(reasoning_content="hm"))
    ),
    harmful("stream", "null counters", _usage_chunk(usage=_NULLS), "stream-usage/usage-null-valued"),
)


# --- pieces of tool calls


def _pieces(chunks: Chunks) -> Iterator[tuple[dict[str, Any], bool]]:
    """Every piece of a call, and whether it is the call's first."""
    for chunk in chunks:
        for choice in chunk["choices"]:
            for piece in choice["delta"].get("tool_calls", ()):
                yield piece, "name" in piece["function"]


def _piece(change: Callable[[dict[str, Any]], object], *, first: bool | None = None) -> Edit:
    """Change the first pieces of all calls, the later ones, or all."""

    def edit(chunks: Chunks) -> Chunks:
        chunks = copy.deepcopy(chunks)
        for piece, is_first in _pieces(chunks):
            if first in (None, is_first):
                change(piece)
        return chunks

    return edit


def _repeat(path: str) -> Edit:
    """Repeat the id, type or name of a call in all of its pieces."""

    def edit(chunks: Chunks) -> Chunks:
        chunks = copy.deepcopy(chunks)
        known: dict[int, Any] = {}
        for piece, is_first in _pieces(chunks):
            holder = piece["function"] if path == "name" else piece
            if is_first:
                known[piece["index"]] = holder[path]
            holder[path] = known[piece["index"]]
        return chunks

    return edit


def _whole(chunks: Chunks, *, together: bool, same_index: bool = False, as_object: bool = False) -> Chunks:
    """Each call in one piece: all of them in one chunk, or each in a chunk of its own."""
    calls: dict[int, dict[str, Any]] = {}
    for piece, is_first in _pieces(copy.deepcopy(chunks)):
        if is_first:
            calls[piece["index"]] = piece
        else:
            calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
    for call in calls.values():
        call["index"] = 0 if same_index else call["index"]
        if as_object:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    groups = [list(calls.values())] if together else [[call] for call in calls.values()]
    filled = [put("choice.delta", {"tool_calls": group})(chunks[1]) for group in groups]
    return [chunks[0], *filled, *chunks[-2:]]


def _finish_with_last_piece(chunks: Chunks) -> Chunks:
    return [*chunks[:-3], put("choice.finish_reason", "tool_calls")(chunks[-3]), chunks[-1]]


_INDEX = "tool-delta-index/"

TOOL = (
    harmful("tool stream", "no index", _piece(lambda p: p.pop("index")), f"{_INDEX}tool-delta-missing-index"),
    harmful("tool stream", "index is null", _piece(lambda p: p.update(index=None)), f"{_INDEX}null"),
    harmful(
        "tool stream",
        "index is always 0",
        _piece(lambda p: p.update(index=0)),
        f"{_INDEX}tool-delta-parallel-same-index",
    ),
    harmful(
        "tool stream",
        "index begins at 1",
        _piece(lambda p: p.update(index=p["index"] + 1)),
        f"{_INDEX}starts-at-one",
    ),
    harmful(
        "tool stream", "index is text", _piece(lambda p: p.update(index=str(p["index"]))), f"{_INDEX}string"
    ),
    harmful(
        "tool stream",
        "no id",
        _piece(lambda p: p.pop("id"), first=True),
        "tool-delta-id/tool-delta-id-missing",
    ),
    harmful("tool stream", "no type", _piece(lambda p: p.pop("type"), first=True), "tool-delta-type/missing"),
    harmful(
        "tool stream", "id in every piece", _repeat("id"), "tool-delta-repeats/tool-delta-id-name-repeated"
    ),
    harmless("tool stream", "an empty id in later pieces", _piece(lambda p: p.update(id=""), first=False)),
    harmless("tool stream", "a null id in later pieces", _piece(lambda p: p.update(id=None), first=False)),
    harmless("tool stream", "type in every piece", _repeat("type")),
    harmful(
        "tool stream",
        "a null type in later pieces",
        _piece(lambda p: p.update(type=None), first=False),
        "tool-delta-type/null-on-continuation",
    ),
    harmful(
        "tool stream",
        "name in every piece",
        _repeat("name"),
        "tool-delta-repeats/tool-delta-id-name-repeated",
    ),
    harmless(
        "tool stream",
        "an empty name in later pieces",
        _piece(lambda p: p["function"].update(name=""), first=False),
        "tool-delta-repeats/tool-delta-empty-name-on-continuation",
    ),
    harmless(
        "tool stream",
        "a null name in later pieces",
        _piece(lambda p: p["function"].update(name=None), first=False),
    ),
    legal(
        "tool stream",
        "two whole calls in one chunk",
        lambda chunks: _whole(chunks, together=True),
        "a delta holds a list of pieces; one client reads only the first of them",
    ),
    harmful(
        "tool stream",
        "two whole calls in one chunk, both with index 0",
        lambda chunks: _whole(chunks, together=True, same_index=True),
        f"{_INDEX}tool-delta-parallel-same-index",
    ),
    harmful(
        "tool stream",
        "arguments as an object",
        lambda chunks: _whole(chunks, together=False, as_object=True),
        "tool-delta-arguments/tool-arguments-object",
    ),
    harmful(
        "tool stream",
        "finish_reason is stop",
        some("choice.finish_reason", "stop", last=True),
        "tool-finish-reason-streamed/stream-finish-reason-stop-with-tool-calls",
    ),
    harmless(
        "tool stream",
        "null arguments in the first piece",
        _piece(lambda p: p["function"].update(arguments=None), first=True),
    ),
    harmful(
        "tool stream",
        "one id for two calls",
        _piece(lambda p: p.update(id="call_1"), first=True),
        "tool-call-ids-unique/duplicate-ids",
    ),
    harmless("tool stream", "finish_reason in the chunk of the last piece", _finish_with_last_piece),
)


# --- bytes

_DONE = b"data: [DONE]\n\n"


def _at(number: int, inserted: bytes) -> Callable[[bytes], bytes]:
    """Insert bytes before the event of this number."""

    def edit(body: bytes) -> bytes:
        events = body.split(b"\n\n")
        head, tail = b"\n\n".join(events[:number]), b"\n\n".join(events[number:])
        return head + (b"\n\n" if head else b"") + inserted + tail

    return edit


def _swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body.replace(old, new)


def _pretty(body: bytes) -> bytes:
    events = [event.removeprefix(b"data: ") for event in body.split(b"\n\n") if event]
    texts = [
        event.decode() if event == b"[DONE]" else json.dumps(json.loads(event), indent=1) for event in events
    ]
    return "".join("".join(f"data: {line}\n" for line in text.split("\n")) + "\n" for text in texts).encode()


def _named_events(line: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body.replace(b"data: ", line + b"\ndata: ")


def _line_separators(body: bytes) -> bytes:
    return body.replace(b', "created"', ', "note": "\u2028\u0085", "created"'.encode())


_MIDWAY = 20
_OVERLOADED = b'"message":"overloaded","type":"server_error","code":null'
_FLAT = b'data: {"object":"error","message":"overloaded","type":"server_error","code":503}\n\n'


def _failing(event: bytes) -> Callable[[bytes], bytes]:
    """An error event in the middle, and nothing behind it."""
    return lambda body: b"\n\n".join(body.split(b"\n\n")[:_MIDWAY]) + b"\n\n" + event


SSE = (
    harmless("sse", "no [DONE]", _swap(_DONE, b""), "stream-done/stream-missing-done"),
    harmless(
        "sse", "no blank line behind [DONE]", _swap(_DONE, b"data: [DONE]"), "stream-done/done-unfinished"
    ),
    harmful(
        "sse",
        "a last event without a line end, and no [DONE]",
        lambda body: body.removesuffix(_DONE).rstrip(b"\n"),
        "stream-last-event/last-event-unfinished",
    ),
    harmful(
        "sse",
        "a last event without a blank line, and no [DONE]",
        lambda body: body.removesuffix(_DONE).rstrip(b"\n") + b"\n",
        "stream-last-event/last-event-unfinished",
    ),
    harmless(
        "sse", "lines that end with CRLF", _swap(b"\n", b"\r\n"), "stream-line-ends/sse-crlf-delimiters"
    ),
    harmful("sse", "lines that end with CR", _swap(b"\n", b"\r"), "stream-line-ends/cr-only"),
    harmless(
        "sse", "no space behind data:", _swap(b"data: ", b"data:"), "stream-data-space/sse-data-without-space"
    ),
    harmless("sse", "two spaces behind data:", _swap(b"data: {", b"data:  {")),
    harmless(
        "sse", "a comment before all", _at(0, b": PROCESSING\n\n"), "stream-comments/sse-comment-keepalive"
    ),
    harmless(
        "sse", "comments between events", _at(5, b": keep-alive\n\n"), "stream-comments/sse-comment-keepalive"
    ),
    harmless("sse", "blank lines between events", _at(5, b"\n\n")),
    harmless("sse", "every event is called chunk", _named_events(b"event: chunk")),
    harmless("sse", "every event is called message", _named_events(b"event: message")),
    harmful(
        "sse",
        "a ping event without data",
        _at(5, b"event: ping\n\n"),
        "stream-no-empty-events/event-without-data",
    ),
    harmful(
        "sse", "a ping event with {}", _at(5, b"event: ping\ndata: {}\n\n"), "stream-data-json/json-ping"
    ),
    harmful(
        "sse",
        "a ping event with its type",
        _at(5, b'event: ping\ndata: {"type": "ping"}\n\n'),
        "stream-data-json/json-ping",
    ),
    harmful("sse", "an event with empty data", _at(5, b"data:\n\n"), "stream-no-empty-events/empty-data"),
    harmless("sse", "every event has an id", _named_events(b"id: 1")),
    harmful(
        "sse", "an event with an id alone", _at(5, b"id: 9\n\n"), "stream-no-empty-events/id-without-data"
    ),
    harmful(
        "sse",
        "a retry field before all",
        _at(0, b"retry: 3000\n\n"),
        "stream-no-empty-events/retry-without-data",
    ),
    harmful("sse", "a byte order mark", lambda body: b"\xef\xbb\xbf" + body, "stream-no-bom/byte-order-mark"),
    harmful("sse", "chunks over several lines", _pretty, "stream-single-data-line/multi-line-data"),
    harmful("sse", "one line end between events", _swap(b"\n\n", b"\n"), "stream-events/single-newline"),
    harmful(
        "sse",
        "a chunk behind [DONE]",
        lambda body: body + body.split(b"\n\n")[1] + b"\n\n",
        "stream-nothing-after-done/data-after-done",
    ),
    harmful(
        "sse", "a space behind [DONE]", _swap(b"[DONE]", b"[DONE] "), "stream-done-exact/done-trailing-space"
    ),
    harmful("sse", "done in lower case", _swap(b"[DONE]", b"[done]"), "stream-done-exact/done-lower-case"),
    harmful("sse", "a chunk that is no JSON", _at(5, b"data: {bad\n\n"), "stream-data-json/invalid-json"),
    harmful(
        "sse",
        "an error in the middle",
        _failing(b'data: {"error":{' + _OVERLOADED + b"}}\n\n"),
        "stream-error-event/failed-midway",
    ),
    harmful(
        "sse",
        "an error in the middle, with a space behind the brace",
        _failing(b'data: { "error":{' + _OVERLOADED + b"}}\n\n"),
        "stream-error-event/failed-midway",
    ),
    harmful(
        "sse",
        "an event called error in the middle",
        _failing(b'event: error\ndata: {"error":{' + _OVERLOADED + b"}}\n\n"),
        "stream-error-event/failed-midway",
    ),
    harmful(
        "sse",
        "an error as text in the middle",
        _failing(b'data: {"error":"overloaded"}\n\n'),
        "stream-error-event/error-as-string",
    ),
    harmful("sse", "a flat error in the middle", _failing(_FLAT), "stream-error-event/flat-error"),
    harmful(
        "sse",
        "an error before all",
        lambda _: b'data: {"error":{' + _OVERLOADED + b"}}\n\n",
        "stream-error-event/stream-error-as-data-event-200",
    ),
    harmful(
        "sse",
        "an end after two chunks",
        lambda body: b"\n\n".join(body.split(b"\n\n")[:2]) + b"\n\n",
        "stream-complete/stream-truncated-without-terminal",
    ),
    harmful("sse", "no byte", lambda _: b"", "stream-events/stream-empty-200-body"),
    harmful("sse", "[DONE] and nothing else", lambda _: _DONE, "stream-events/no-chunks"),
    harmful(
        "sse",
        "a plain answer in place of a stream",
        lambda _: Wire(json.dumps(completion()).encode(), "application/json"),
        "stream-events/stream-true-ignored",
    ),
    harmless("sse", "rare line separators inside the data", _line_separators),
    harmless("sse", "every byte in a read of its own", lambda body: Wire(body, in_single_bytes=True)),
    harmless(
        "sse",
        "called text/plain",
        lambda body: Wire(body, "text/plain"),
        "stream-content-type/stream-wrong-content-type",
    ),
    harmless(
        "sse",
        "called application/json",
        lambda body: Wire(body, "application/json"),
        "stream-content-type/stream-wrong-content-type",
    ),
    harmless(
        "sse",
        "no content type",
        lambda body: Wire(body, None),
        "stream-content-type/stream-wrong-content-type",
    ),
    harmful(
        "sse",
        "a connection that breaks off",
        lambda body: Wire(b"\n\n".join(body.split(b"\n\n")[:2]) + b"\n\n", ended="cut"),
        "stream-complete/stream-cut",
    ),
)

BYTES = (
    harmful("sse", "bytes that are no UTF-8", _swap(b': "1, 2', b': "1,\xff2'), "stream-utf8/invalid-utf8"),
)

MUTATIONS: tuple[Mutation, ...] = (*TEXT, *TOOL, *SSE, *BYTES)
