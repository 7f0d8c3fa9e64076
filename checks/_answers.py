"""What an answer says, read without judging it: for the checks that look at every answer of a run."""

import json
from collections.abc import Iterator
from typing import Any

from llmcompat import MISSING, Exchanges, Reply, dig


def contents(reply: Reply) -> list[Any]:
    """The content of the first choice as it was on the wire: one value, or one for each delta of a stream."""
    if not reply.streamed:
        message = dig(reply.document, "choices.0.message")
        return [message.get("content")] if isinstance(message, dict) else []
    return [delta.get("content") for delta in _deltas(reply)]


def text_of(reply: Reply) -> str | None:
    """The text of the first choice; None where there is none, or where it is not text."""
    found = contents(reply)
    if not all(value is None or isinstance(value, str) for value in found):
        return None
    pieces = [value for value in found if isinstance(value, str)]
    return "".join(pieces) if pieces else None


def refusal_of(reply: Reply) -> str:
    """The text of the field `refusal`; "" where there is none."""
    if not reply.streamed:
        value = dig(reply.document, "choices.0.message.refusal")
        return value if isinstance(value, str) else ""
    return "".join(delta["refusal"] for delta in _deltas(reply) if isinstance(delta.get("refusal"), str))


def whole(reply: Reply) -> bool:
    """Whether the answer came to its own end: not cut on the way, by the token limit or by our own bound."""
    if reply.exchange.ended != "complete" or reply.find_finish_reason() == "length":
        return False
    return reply.terminated if reply.streamed else True


def readable(exchanges: Exchanges) -> tuple[Reply, ...]:
    """Every chat answer, plain or streamed, that a client could read."""
    return exchanges.completions + exchanges.readable_streams


def unread(exchanges: Exchanges) -> str:
    """Which check to blame when no answer can be read."""
    if exchanges.plain:
        return "response-choices"
    return "stream-choices" if exchanges.streams else "chat-accepted"


def asked_text(reply: Reply) -> str:
    """All text of the request, so that an echo of the question is not taken for the endpoint's own words."""
    return json.dumps(reply.sent, ensure_ascii=False)


def _deltas(reply: Reply) -> Iterator[dict[str, Any]]:
    for chunk in reply.all_chunks:
        for choice in chunk.choices:
            delta = choice.get("delta", MISSING)
            if choice.get("index", 0) in (0, None) and isinstance(delta, dict):
                yield delta
