"""A stream joined to the answer that it stands for, and what hinders a client from joining it."""

from __future__ import annotations

import itertools
from typing import Any

from llmcompat.reply import MISSING, Reply, dig, load_json
from llmcompat.workload.format import COMPLETIONS, RESPONSES

Fault = tuple[str, str, str]
"""Case, what was seen, what was expected."""


def joined(reply: Reply, url: str) -> tuple[Any, Fault | None]:
    """The document that an accepted stream adds up to, and the first thing in it that breaks a client."""
    fault = _framing(reply)
    if url == RESPONSES:
        body, missing = _response(reply)
        return body, fault or missing
    if fault is None:
        fault = _chunks(reply, url) or _ending(reply) or _repeated(reply)
    return _completion(reply, url), fault


def _framing(reply: Reply) -> Fault | None:
    """What keeps a stream from being read at all."""
    if not reply.blocks or all(block.data is None for block in reply.blocks):
        if isinstance(reply.document, dict):
            return "no-stream", reply.excerpt, "server-sent events, as stream: true asks for"
        return "no-events", reply.excerpt, "server-sent events"
    for block in reply.blocks:
        if block.data is None or block.data.strip() in ("", "[DONE]"):
            continue
        try:
            value = load_json(block.data)
        except ValueError:
            if reply.exchange.ended != "complete" and block is reply.blocks[-1]:
                return "cut", _tail(reply), "a stream that ends with finish_reason and [DONE]"
            return "event-no-json", block.data[:400], "one JSON document in each event"
        if not isinstance(value, dict) or value.get("choices"):
            continue
        if value.get("error") or value.get("object") == "error":
            return "error-event", block.data[:400], "an answer"
    return None


def _chunks(reply: Reply, url: str) -> Fault | None:
    """What in the chunks has another type than clients rely on."""
    begun: set[Any] = set()
    for chunk in reply.all_chunks:
        choices = chunk.data.get("choices")
        if choices is not None and not isinstance(choices, list):
            return "choices", str(chunk.data)[:400], "choices as a list"
        for choice in chunk.choices:
            if url == COMPLETIONS:
                continue
            delta = choice.get("delta")
            if delta is not None and not isinstance(delta, dict):
                return "delta", str(choice)[:400], "delta as an object"
            content = dig(delta, "content")
            if content is not MISSING and content is not None and not isinstance(content, str):
                return "delta-content", str(delta)[:400], "content as text"
            calls = dig(delta, "tool_calls")
            if calls is MISSING or calls is None:
                continue
            if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
                return "delta-tool-calls", str(delta)[:400], "tool_calls as a list of objects"
            for call in calls:
                index = call.get("index")
                if not isinstance(index, int) or isinstance(index, bool):
                    return "tool-call-index", str(call)[:400], "an index in each piece of a tool call"
                if index not in begun and not (call.get("id") and dig(call, "function.name")):
                    return "tool-call-begin", str(call)[:400], "id and name in a call's first piece"
                begun.add(index)
                arguments = dig(call, "function.arguments")
                if arguments is not MISSING and arguments is not None and not isinstance(arguments, str):
                    return "delta-arguments", str(call)[:400], "pieces of arguments as text"
    return None


_LEAST_REPEATED = 20
"""Characters of a text that a model does not write twice by chance, one piece after the other."""


def _repeated(reply: Reply) -> Fault | None:
    """Pieces that hold what came before them: joined, the text stands there several times."""
    deltas = (dig(choice, "delta.content") for chunk in reply.all_chunks for choice in chunk.choices)
    pieces = [piece for piece in deltas if isinstance(piece, str) and piece]
    if len(pieces) < 3:
        return None
    expected = "pieces that add up to the text"
    pairs = list(itertools.pairwise(pieces))
    if len(pieces[-1]) >= _LEAST_REPEATED and all(later.startswith(one) for one, later in pairs):
        return "cumulative", f"a piece that repeats all before it: {pieces[-1][:200]}", expected
    before = "".join(pieces[:-1])
    if len(before) >= _LEAST_REPEATED and pieces[-1].strip() == before.strip():
        return "repeated", f"a last piece that repeats the whole text: {pieces[-1][:200]}", expected
    return None


def _ending(reply: Reply) -> Fault | None:
    expected = "a stream that ends with finish_reason and [DONE]"
    if reply.exchange.ended == "bounded":
        return "endless", f"{len(reply.body)} bytes and no end", expected
    if not reply.terminated:
        return "cut", _tail(reply), expected
    return None


def _completion(reply: Reply, url: str) -> dict[str, Any] | None:
    """The chunks as the document that the same request brings without a stream; None where there is none."""
    if not reply.all_chunks:
        return reply.document if isinstance(reply.document, dict) else None
    choices = [
        choice
        for chunk in reply.all_chunks
        for choice in chunk.choices
        if choice.get("index", 0) in (0, None)
    ]
    if not choices:
        return next((chunk.data for chunk in reply.all_chunks if chunk.data.get("error")), None)
    first: dict[str, Any] = {"index": 0, "finish_reason": reply.find_finish_reason() or None}
    if url == COMPLETIONS:
        first["text"] = _together(choice.get("text") for choice in choices)
    else:
        deltas = [choice["delta"] for choice in choices if isinstance(choice.get("delta"), dict)]
        message: dict[str, Any] = {
            name: _together(delta.get(name) for delta in deltas) for name in ("content", "refusal")
        }
        if calls := reply.find_tool_calls():
            message["tool_calls"] = [
                {"function": {"name": _known(call.name), "arguments": _known(call.arguments)}}
                for call in calls
            ]
        first["message"] = message
    return {"choices": [first], "usage": reply.find_usage()}


def _response(reply: Reply) -> tuple[Any, Fault | None]:
    """The whole response that the last event of a Responses stream carries."""
    for chunk in reversed(reply.all_chunks):
        if chunk.data.get("type") in ("response.completed", "response.incomplete", "response.failed"):
            return chunk.data.get("response"), None
    if isinstance(reply.document, dict):
        return reply.document, None
    return {}, ("cut", _tail(reply), "response.completed")


def _together(pieces: Any) -> str | None:
    texts = [piece for piece in pieces if isinstance(piece, str)]
    return "".join(texts) if texts else None


def _known(value: Any) -> Any:
    return None if value is MISSING else value


def _tail(reply: Reply) -> str:
    """The end of a stream, as evidence in one line."""
    text = " ".join(reply.body[-400:].decode(errors="replace").split())
    why = f" ({reply.exchange.error})" if reply.exchange.error else ""
    return f"…{text[-300:]}{why}"
