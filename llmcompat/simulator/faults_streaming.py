"""Faults of streams: framing, roles, endings, usage, and cuts."""

import copy
import gzip
import json
import re
from typing import Any, TypeAlias

from llmcompat.simulator.answers import Context, Json, Reply
from llmcompat.simulator.register import declare
from llmcompat.simulator.rewriting import deltas, ends

Frames: TypeAlias = list[bytes | float | None]

DONE = b"data: [DONE]\n\n"
_PROVIDER_ERROR = {
    "message": "Provider disconnected unexpectedly",
    "type": "server_error",
    "param": None,
    "code": "server_error",
}


def _event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def each(frames: Frames, old: bytes, new: bytes) -> Frames:
    """The events with some bytes replaced."""
    return [piece.replace(old, new) if isinstance(piece, bytes) else piece for piece in frames]


def between(frames: Frames, piece: bytes) -> Frames:
    """The events with a piece before the first and behind the third."""
    return [piece, *frames[:3], piece, *frames[3:]]


# What clients accept everywhere is declared "should" here, and again as harmless variety.
@declare("sse-data-without-space", "streaming", "no space behind `data:`", level="should").at("frames")
def without_space(context: Context, frames: Frames) -> Frames:
    """`data:{…}`."""
    return each(frames, b"data: ", b"data:")


@declare("sse-crlf-delimiters", "streaming", "lines end with CRLF", level="should").at("frames")
def crlf(context: Context, frames: Frames) -> Frames:
    """CRLF line ends."""
    return each(frames, b"\n", b"\r\n")


@declare(
    "sse-comment-keepalive",
    "streaming",
    "comment lines stand between the events, one right above [DONE]",
    level="should",
).at("frames")
def comments(context: Context, frames: Frames) -> Frames:
    """Comments as keep-alives."""
    return [*between(frames[:-1], b": keep-alive\n\n"), b": done\n" + DONE]


@declare(
    "stream-utf8-split-across-network-chunks",
    "streaming",
    "characters of several bytes are cut between writes",
    level="should",
).at("frames")
def _cut_characters(context: Context, frames: Frames) -> Frames:
    written: Frames = []
    for piece in frames:
        # Before each byte that goes on a character: what is split there are the characters alone.
        written += re.split(rb"(?=[\x80-\xbf])", piece) if isinstance(piece, bytes) else [piece]
    return written


@declare(
    "sse-events-split-or-coalesced", "streaming", "events are cut and joined between writes", level="should"
).at("frames")
def regrouped(context: Context, frames: Frames) -> Frames:
    """Writes of 400 bytes, whatever the events are."""
    whole = b"".join(piece for piece in frames if isinstance(piece, bytes))
    return [whole[place : place + 400] for place in range(0, len(whole), 400)]


@declare(
    "stream-empty-choices-first-chunk", "streaming", "the first chunk has no choices", level="should"
).at("chunks")
def empty_first(context: Context, chunks: list[Json]) -> list[Json]:
    """A first chunk with content filter results, as Azure sends it."""
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": []}
    return [{**first, "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}, *chunks]


@declare("stream-blank-chunk-metadata", "streaming", "a chunk with blank id, object and model").at("chunks")
def _blank(context: Context, chunks: list[Json]) -> None:
    chunks[0].update(id="", object="", created=0, model="")


@declare("stream-role-missing", "streaming", "no chunk carries the role").at("chunks")
def _role_missing(context: Context, chunks: list[Json]) -> None:
    for delta in deltas(chunks):
        delta.pop("role", None)


@declare("stream-role-empty-string", "streaming", "the role is an empty string").at("chunks")
def _role_empty(context: Context, chunks: list[Json]) -> None:
    for delta in deltas(chunks):
        delta["role"] = ""


@declare("stream-role-null-later", "streaming", "later deltas carry role null", level="should").at("chunks")
def null_roles(context: Context, chunks: list[Json]) -> None:
    """`role: null` in every delta but the first."""
    for delta in deltas(chunks):
        delta.setdefault("role", None)


@declare("stream-missing-done", "streaming", "the stream ends without [DONE]").at("frames")
def _no_done(context: Context, frames: Frames) -> Frames:
    return [piece for piece in frames if piece != DONE]


@declare("stream-finish-reason-missing", "streaming", "finish_reason is null in every chunk").at("chunks")
def _no_finish(context: Context, chunks: list[Json]) -> None:
    for choice in ends(chunks):
        choice["finish_reason"] = None


@declare("stream-chunk-id-changes", "streaming", "every chunk has another id").at("chunks")
def _other_ids(context: Context, chunks: list[Json]) -> None:
    for number, chunk in enumerate(chunks):
        chunk["id"] += f"-{number}"


@declare(
    "stream-repeats-full-message", "streaming", "every chunk repeats the whole text so far in `message`"
).at("chunks")
def _repeats(context: Context, chunks: list[Json]) -> None:
    texts: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            texts[choice["index"]] = texts.get(choice["index"], "") + (choice["delta"].get("content") or "")
            choice["message"] = {"role": "assistant", "content": texts[choice["index"]]}


@declare(
    "stream-cumulative-deltas", "streaming", "each delta repeats the text before it", operational=True
).at("chunks")
def _cumulative(context: Context, chunks: list[Json]) -> None:
    texts: dict[int, str] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            if choice["delta"].get("content"):
                texts[choice["index"]] = texts.get(choice["index"], "") + choice["delta"]["content"]
                choice["delta"]["content"] = texts[choice["index"]]


@declare(
    "stream-utf8-replacement-from-server", "streaming", "characters of several bytes arrive as U+FFFD"
).at("chunks")
def _replaced(context: Context, chunks: list[Json]) -> None:
    for delta in deltas(chunks):
        if delta.get("content"):
            delta["content"] = "".join(
                letter if ord(letter) < 128 else "\ufffd" * len(letter.encode("utf-8", "replace"))
                for letter in delta["content"]
            )


@declare("stream-not-incremental", "streaming", "the whole text comes in one chunk at the end").at("frames")
def _at_once(context: Context, frames: Frames) -> Frames:
    whole = [json.loads(piece[6:]) for piece in frames if isinstance(piece, bytes) and piece != DONE]
    texts: dict[int, Json] = {}
    kept = []
    for chunk in whole:
        choice = chunk["choices"][0] if chunk.get("choices") else None
        if choice and choice["delta"].get("content"):
            if choice["index"] in texts:
                texts[choice["index"]]["content"] += choice["delta"]["content"]
                continue
            texts[choice["index"]] = choice["delta"]
        kept.append(chunk)
    return [b"", 0.4, b"".join([_event(chunk) for chunk in kept] + [DONE])]


@declare(
    "stream-silent-prefill",
    "behaviour",
    "headers come at once, the first byte two seconds later",
    level="should",
).at("frames")
def _prefill(context: Context, frames: Frames) -> Frames:
    return [b"", 2.0, *frames]


@declare(
    "slow-stream", "behaviour", "a tenth of a second between two events", level="should", operational=True
).at("frames")
def _slow(context: Context, frames: Frames) -> Frames:
    return [part for piece in frames for part in (piece, 0.1)]


@declare(
    "stream-error-as-data-event-200", "streaming", "an error event in the middle of the stream, then [DONE]"
).at("frames")
def _error_event(context: Context, frames: Frames) -> Frames:
    return [*frames[:3], _event({"error": _PROVIDER_ERROR, "choices": []}), DONE]


@declare(
    "stream-flat-error",
    "streaming",
    "the stream ends in a flat error without an `error` key",
    operational=True,
).at("frames")
def _flat_error(context: Context, frames: Frames) -> Frames:
    return [*frames[:3], _event({"object": "error", **_PROVIDER_ERROR}), DONE]


@declare(
    "stream-truncated-without-terminal", "streaming", "the stream closes in the middle as if it were whole"
).at("frames")
def _truncated(context: Context, frames: Frames) -> Frames:
    return frames[: max(len(frames) // 2, 1)]


@declare("stream-cut-at-fixed-duration", "streaming", "the connection is cut in the middle of the stream").at(
    "frames"
)
def _cut(context: Context, frames: Frames) -> Frames:
    return [*frames[: max(len(frames) // 2, 1)], None]


@declare("stream-empty-200-body", "streaming", "the stream has no bytes").at("frames")
def _empty(context: Context, frames: Frames) -> Frames:
    return []


@declare("sse-comment-rewrapped-as-data", "streaming", "comments arrive as data").at("frames")
def _rewrapped(context: Context, frames: Frames) -> Frames:
    return between(frames, b"data: : OPENROUTER PROCESSING\n\n")


_FRAMING: dict[str, tuple[str, Any]] = {
    "sse-event-without-data": (
        "keep-alives are events without data",
        lambda frames: between(frames, b"event: ping\n\n"),
    ),
    "sse-empty-data": (
        "keep-alives are events with empty data",
        lambda frames: between(frames, b"data:\n\n"),
    ),
    "sse-json-ping": (
        "keep-alives are JSON events",
        lambda frames: between(frames, b'data: {"type": "ping"}\n\n'),
    ),
    "sse-single-newline": ("no blank line between events", lambda frames: each(frames, b"\n\n", b"\n")),
    "sse-cr-only": ("lines end with CR", lambda frames: each(frames, b"\n", b"\r")),
    "sse-bom": ("a byte order mark stands before the first event", lambda frames: [b"\xef\xbb\xbf", *frames]),
    "sse-last-event-unterminated": (
        "the last event has no blank line",
        lambda frames: [*frames[:-1], DONE.rstrip()],
    ),
    "done-lower-case": ("the stream ends with [done]", lambda frames: each(frames, b"[DONE]", b"[done]")),
    "done-trailing-space": ("a space follows [DONE]", lambda frames: each(frames, b"[DONE]", b"[DONE] ")),
    "data-after-done": ("an event follows [DONE]", lambda frames: [*frames, frames[0]]),
    "sse-invalid-json": (
        "a chunk is no JSON",
        lambda frames: [*frames[:2], b'data: {"id": "chatcmpl\n\n', *frames[2:]],
    ),
    "sse-invalid-utf8": (
        "a chunk is no UTF-8",
        lambda frames: [*frames[:1], frames[0].replace(b"chatcmpl", b"chat\xff\xfe"), *frames[1:]],
    ),
}


def _framing(name: str, summary: str, change: Any) -> None:
    def frames_hook(context: Context, frames: Frames) -> Frames:
        changed: Frames = change(frames)
        return changed

    declare(name, "streaming", summary, operational=True).at("frames")(frames_hook)


for _name, (_summary, _change) in _FRAMING.items():
    _framing(_name, _summary, _change)


@declare(
    "sse-pretty-printed", "streaming", "the JSON of an event runs over several data lines", operational=True
).at("frames")
def _pretty(context: Context, frames: Frames) -> Frames:
    written: Frames = []
    for piece in frames:
        if isinstance(piece, bytes) and piece != DONE:
            lines = json.dumps(json.loads(piece[6:]), indent=1).splitlines()
            piece = b"".join(f"data: {line}\n".encode() for line in lines) + b"\n"
        written.append(piece)
    return written


@declare("stream-wrong-content-type", "streaming", "streams are served as application/json").at("reply")
def _content_type(context: Context, reply: Reply) -> None:
    if reply.chunked:
        reply.set_header("content-type", "application/json")


@declare(
    "nonstream-returned-as-sse",
    "streaming",
    "plain answers are served as text/event-stream with [DONE] behind the JSON",
).at("reply")
def _as_stream(context: Context, reply: Reply) -> None:
    if context.is_chat and reply.status == 200 and not reply.chunked:
        reply.set_header("content-type", "text/event-stream")
        reply.pieces = [*reply.pieces, b"\n\n" + DONE]


@declare(
    "stream-compressed-batching", "streaming", "streams are compressed and arrive in bursts", level="should"
).at("reply")
def _compressed(context: Context, reply: Reply) -> None:
    if reply.chunked and "gzip" in context.headers.get("accept-encoding", ""):
        reply.pieces = [
            gzip.compress(b"".join(piece for piece in reply.pieces if isinstance(piece, bytes)), mtime=0)
        ]
        reply.set_header("content-encoding", "gzip")


def _counted(chunks: list[Json]) -> Json | None:
    return next((chunk["usage"] for chunk in reversed(chunks) if chunk.get("usage")), None)


@declare("stream-usage-missing", "usage", "usage that was asked for does not come").at("chunks")
def _usage_missing(context: Context, chunks: list[Json]) -> list[Json]:
    return [
        {key: value for key, value in chunk.items() if key != "usage"} for chunk in chunks if chunk["choices"]
    ]


@declare("stream-usage-on-every-chunk", "usage", "every chunk carries the usage so far").at("chunks")
def _usage_everywhere(context: Context, chunks: list[Json]) -> None:
    final = _counted(chunks)
    for number, chunk in enumerate(chunks if final else []):
        so_far = copy.deepcopy(final) or {}
        so_far["completion_tokens"] = (
            min(number, so_far["completion_tokens"]) if chunk["choices"] else so_far["completion_tokens"]
        )
        so_far["total_tokens"] = so_far["prompt_tokens"] + so_far["completion_tokens"]
        chunk["usage"] = so_far


@declare(
    "stream-usage-placeholder-zeros",
    "usage",
    "chunks carry usage of zeros until the one with the finish_reason",
).at("chunks")
def _placeholders(context: Context, chunks: list[Json]) -> list[Json]:
    final = _counted(chunks)
    if not final:
        return chunks
    kept = [chunk for chunk in chunks if chunk["choices"]]
    for chunk in kept:
        chunk["usage"] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    kept[-1]["usage"] = final
    return kept


@declare(
    "stream-usage-with-content-chunk",
    "usage",
    "usage comes with the chunk of the finish_reason",
    level="should",
).at("chunks")
def usage_on_finish(context: Context, chunks: list[Json]) -> list[Json]:
    """Usage on the finish chunk, and no chunk of its own."""
    final = _counted(chunks)
    kept = [chunk for chunk in chunks if chunk["choices"]]
    if final:
        kept[-1]["usage"] = final
    return kept


@declare("stream-usage-in-vendor-field", "usage", "usage of a stream is under x_groq").at("chunks")
def _vendor_usage(context: Context, chunks: list[Json]) -> list[Json]:
    final = _counted(chunks)
    kept = _usage_missing(context, chunks)
    if final:
        kept[-1]["x_groq"] = {"id": "req_1", "usage": final}
    return kept


@declare("stream-usage-duplicated", "usage", "usage comes twice").at("chunks")
def _usage_twice(context: Context, chunks: list[Json]) -> list[Json]:
    return [*chunks, copy.deepcopy(chunks[-1])] if _counted(chunks) else chunks


@declare("stream-usage-zero-with-tools", "usage", "usage of a stream is zero where tools are offered").at(
    "chunks"
)
def _zero_with_tools(context: Context, chunks: list[Json]) -> None:
    if _counted(chunks) and context.body.get("tools"):
        chunks[-1]["usage"] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
