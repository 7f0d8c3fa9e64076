"""The pieces of streamed tool calls, grouped by call, and what is wrong with them; nothing here judges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llmcompat import MISSING, Reply, dig, is_int


def objects_in(text: str) -> int:
    """How many JSON objects stand one behind the other; 0 where anything else is among them."""
    decoder, count, rest = json.JSONDecoder(), 0, text.strip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            return 0
        if not isinstance(value, dict):
            return 0
        count, rest = count + 1, rest[end:].strip()
    return count


@dataclass
class StreamedCall:
    """The pieces of one tool call of a stream, in the order in which they came."""

    index: Any
    pieces: list[Mapping[str, Any]] = field(default_factory=list)

    def values(self, name: str) -> list[Any]:
        """The values of `id` or `type` of the pieces, or of a key of their functions, without absent ones."""
        sources = self.pieces if name in ("id", "type") else [dig(piece, "function") for piece in self.pieces]
        return [source[name] for source in sources if isinstance(source, (dict, Mapping)) and name in source]

    @property
    def name(self) -> Any:
        """The first name that is not empty, or None."""
        return next((value for value in self.values("name") if value), None)

    @property
    def arguments(self) -> str:
        """The pieces of the arguments that are strings, joined."""
        return "".join(value for value in self.values("arguments") if isinstance(value, str))


def pieces_of(reply: Reply) -> list[Any]:
    """Every element of every `tool_calls` list of the first choice's deltas, whatever its type."""
    found: list[Any] = []
    for chunk in reply.all_chunks:
        for choice in chunk.choices:
            pieces = dig(choice, "delta.tool_calls")
            if choice.get("index", 0) in (0, None) and isinstance(pieces, list):
                found += pieces
    return found


def streamed_calls(reply: Reply) -> list[StreamedCall]:
    """The calls of a stream: by index where there is one, else a new id or a name begins a call."""
    return reply.once("tool_pieces.calls", lambda: _calls(reply))


def _calls(reply: Reply) -> list[StreamedCall]:
    calls: list[StreamedCall] = []
    for piece in pieces_of(reply):
        if not isinstance(piece, dict):
            continue
        index, id_, name = piece.get("index"), piece.get("id"), dig(piece, "function.name")
        same = [call for call in calls if call.index == index] if is_int(index) else calls[-1:]
        call = same[-1] if same else None
        if call is not None:
            known = next((value for value in call.values("id") if value), None)
            other = bool(id_) and known is not None and id_ != known
            if (is_int(index) and other and name) or (not is_int(index) and (other or (name and not id_))):
                call = None
        if call is None:
            call = StreamedCall(index)
            calls.append(call)
        call.pieces.append(piece)
    return calls


def shape_trouble(reply: Reply) -> tuple[str, Any] | None:
    """What is wrong with the shape of a stream's tool call pieces, as a case with what was seen, or None."""
    for chunk in reply.all_chunks:
        for choice in chunk.choices:
            pieces = dig(choice, "delta.tool_calls")
            if not pieces and pieces in (MISSING, None, []):
                continue
            if not isinstance(pieces, list):
                return "not-a-list", pieces
            for piece in pieces:
                if not isinstance(piece, dict):
                    return "not-an-object", piece
    for call in streamed_calls(reply):
        if not any(isinstance(piece.get("function"), dict) for piece in call.pieces):
            return "no-function", call.pieces
    return None


def index_trouble(reply: Reply) -> str | None:
    """What is wrong with the indexes of a stream's tool calls, as a case, or None."""
    calls = streamed_calls(reply)
    for piece in (piece for call in calls for piece in call.pieces):
        index = piece.get("index", ...)
        if index is ...:
            return "tool-delta-missing-index"
        if not is_int(index):
            return "null" if index is None else "string" if isinstance(index, str) else "not-an-integer"
    indexes = [call.index for call in calls]
    glued = any(
        len([n for n in call.values("name") if n]) > 1 and objects_in(call.arguments) > 1 for call in calls
    )
    if len(set(indexes)) < len(indexes) or glued:
        return "tool-delta-parallel-same-index"
    if sorted(indexes) != list(range(len(indexes))):
        return "starts-at-one" if min(indexes) == 1 else "sparse"
    return None
