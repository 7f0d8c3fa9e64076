"""Streams read without judging them: which events are chunks, errors or pings, and how a stream ended."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from llmcompat import MISSING, Chunk, Exchanges, Reply, blocked, dig, fail, judged, show, unanswered

_MEANT_WRONG = ("unknown_model_stream",)
"""Probes that ask for a refusal: a check of their own judges how it comes."""

_CHUNK_KEYS = ("choices", "id", "object", "usage")


def asked(exchanges: Exchanges) -> tuple[Reply, ...]:
    """Every accepted request for a stream that should have been answered by one."""
    return judged(
        (reply for reply in exchanges.streams if reply.probe not in _MEANT_WRONG), nothing="stream-accepted"
    )


def is_error(data: dict[str, Any]) -> bool:
    """Whether an event tells of an error: under `error`, or flat, as some servers send it."""
    if data.get("error"):
        return True
    if "choices" in data or "usage" in data:
        return False
    told = data.get("message", data.get("detail"))
    return isinstance(told, str) and ("code" in data or "error" in (data.get("object"), data.get("type")))


def is_ping(data: dict[str, Any]) -> bool:
    """Whether a JSON event is no chunk and no error: a keep-alive in the wrong form."""
    return not is_error(data) and not any(key in data for key in _CHUNK_KEYS)


def is_blank(data: dict[str, Any]) -> bool:
    """Whether the fields that say what a chunk belongs to are blank: one check says so, not four."""
    return [data.get(name) for name in ("id", "object", "model")].count("") >= 2


def chunks_of(reply: Reply) -> list[Chunk]:
    """The chunks of a stream without errors and pings; empty where the body is one JSON document."""
    return reply.once("streams.chunks", lambda: _chunks(reply))


def _chunks(reply: Reply) -> list[Chunk]:
    if isinstance(reply.document, dict):
        return []
    return [chunk for chunk in reply.all_chunks if not is_error(chunk.data) and not is_ping(chunk.data)]


def described(reply: Reply) -> list[Chunk]:
    """The chunks whose metadata count: neither blank nor an empty chunk before the first choice."""
    found = [chunk for chunk in chunks_of(reply) if not is_blank(chunk.data)]
    first = next(
        (at for at, chunk in enumerate(found) if chunk.data.get("choices") != [] or chunk.data.get("usage")),
        len(found),
    )
    return found[first:]


def has_error(reply: Reply) -> bool:
    """Whether a stream holds an event that tells of an error."""
    return reply.once("streams.error", lambda: any(is_error(chunk.data) for chunk in reply.all_chunks))


def readable(exchanges: Exchanges) -> tuple[Reply, ...]:
    """The streams with chunks and no error; blocked by the check that says why there is none."""
    streams = asked(exchanges)
    found = tuple(reply for reply in streams if chunks_of(reply) and not has_error(reply))
    if not found:
        blocked("stream-error-event" if any(has_error(reply) for reply in streams) else "stream-events")
    return found


def came_to_end(reply: Reply) -> bool:
    """Whether a stream announced its end, and neither the network nor our own bound cut it before."""
    return reply.terminated and reply.exchange.ended != "bounded"


def complete(exchanges: Exchanges) -> tuple[Reply, ...]:
    """The readable streams that came to their end."""
    found = tuple(reply for reply in readable(exchanges) if came_to_end(reply))
    if not found:
        if all(reply.exchange.ended == "bounded" for reply in readable(exchanges)):
            unanswered("the streams were longer than is read")
        blocked("stream-complete")
    return found


def choices_by_index(reply: Reply) -> dict[int, list[dict[str, Any]]]:
    """The choices of all chunks in order, by index; without one, a choice counts as the first."""
    found: dict[int, list[dict[str, Any]]] = {}
    for chunk in chunks_of(reply):
        for choice in chunk.choices:
            index = choice.get("index")
            found.setdefault(index if isinstance(index, int) else 0, []).append(choice)
    return found


def pieces_of(reply: Reply) -> list[tuple[str, float]]:
    """The texts of the first choice's deltas that are not empty, each with its arrival in seconds."""
    return [
        (content, chunk.seconds)
        for chunk in chunks_of(reply)
        for choice in chunk.choices
        if choice.get("index", 0) in (0, None)
        and isinstance(content := dig(choice, "delta.content"), str)
        and content
    ]


def repeats(reply: Reply) -> str | None:
    """How the pieces of a stream repeat text that came before; None where they do not."""
    pieces = [piece for piece, _ in pieces_of(reply)]
    if len(pieces) > 3 and all(
        later != earlier and later.startswith(earlier) for earlier, later in pairwise(pieces)
    ):
        return "cumulative-deltas"
    before = "".join(pieces[:-1]).strip()
    return "whole-text-at-end" if len(before) > 20 and pieces[-1].strip() == before else None


def sound(reply: Reply) -> None:
    """Block unless a stream's pieces are one whole answer: a check of its own says what is wrong."""
    if not reply.streamed or reply.refused:
        return
    _ = reply.chunks
    if has_error(reply):
        blocked("stream-error-event")
    if not reply.terminated:
        blocked("stream-complete")
    if repeats(reply) is not None:
        blocked("stream-pieces-once")


def each_delta(replies: tuple[Reply, ...]) -> Iterator[dict[str, Any]]:
    """Every delta that is an object."""
    for reply in replies:
        for chunk in chunks_of(reply):
            yield from (delta for choice in chunk.choices if isinstance(delta := choice.get("delta"), dict))


def each_field(
    replies: tuple[Reply, ...], name: str, case_of: Callable[[Any], str | None], *, expected: str
) -> None:
    """Fail at the first described chunk whose field is wrong; blocked where every chunk is blank.

    `case_of` gives the case for a value, which is MISSING where it is absent, or None where it is right.
    """
    count = 0
    for reply in replies:
        for chunk in described(reply):
            count += 1
            value = chunk.data.get(name, MISSING)
            case = case_of(value)
            if case is not None:
                fail(f"{name}: {value!r} in {shortened(chunk.data)}", expected=expected, case=case)
    if not count:
        blocked("stream-metadata")


def shortened(value: object) -> str:
    """A value as evidence in at most some 300 characters."""
    text = show(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
