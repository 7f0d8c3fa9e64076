"""The good answer changed into what real endpoints send: cut, reframed, in other pieces, or spoilt."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

_FRAME_END = re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)")
_WIDE = "é漢🎉"
"""Characters of two, three and four bytes."""
_DONE = "[DONE]"
_SLOW_PARTS = 15
_SPLIT_PAUSE = 0.002
"""Seconds: enough for a reader to get the bytes before a cut on their own."""


@dataclass
class Answer:
    """An answer as it will be written."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    """The body of an answer that is no stream."""
    frames: list[bytes] | None = None
    """The events of a stream, each with its blank line; None for any other answer."""
    ending: Literal["whole", "reset"] = "whole"
    pauses: tuple[float, float] = (0.0, 0.0)
    """Seconds before the first byte of the answer, and before each piece of its body."""
    pieces: list[bytes] = field(default_factory=list)
    """Where given, what is written in the place of body or frames."""

    @property
    def written(self) -> list[bytes]:
        """The pieces of the body, each written for itself."""
        if self.pieces:
            return self.pieces
        return self.frames if self.frames is not None else [self.body]


def frames_of(body: bytes) -> list[bytes]:
    """The events of a stream's body with their line ends."""
    return [frame for frame in _FRAME_END.split(body) if frame]


def calls_tools(answer: Answer) -> bool:
    """Whether a good answer to a chat request calls tools."""
    if answer.frames is not None:
        return any(delta.get("tool_calls") for data in _chunks(answer) for delta in _deltas(data))
    return any(message.get("tool_calls") for message in _messages(parsed(answer.body)))


def change(name: str, answer: Answer, seconds: float) -> None:
    """Change an answer in place; `seconds` is for the changes that wait."""
    CHANGES[name](answer, seconds)


def parsed(data: bytes) -> Any:
    """JSON data, or None for bytes that are none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _event(frame: bytes) -> Any:
    """The data of an event: JSON, the text [DONE], or None for anything else."""
    lines = [line[5:].strip() for line in frame.splitlines() if line.startswith(b"data:")]
    data = b"\n".join(lines)
    return _DONE if data == _DONE.encode() else parsed(data)


def _frame(data: Any) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


def _chunks(answer: Answer) -> Iterator[Json]:
    for frame in answer.frames or []:
        data = _event(frame)
        if isinstance(data, dict):
            yield data


def _choices(data: Any) -> list[Json]:
    choices = data.get("choices") if isinstance(data, dict) else None
    return [each for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []


def _deltas(chunk: Json) -> list[Json]:
    return [choice["delta"] for choice in _choices(chunk) if isinstance(choice.get("delta"), dict)]


def _messages(body: Any) -> list[Json]:
    return [choice["message"] for choice in _choices(body) if isinstance(choice.get("message"), dict)]


def _calls(holder: Json) -> list[Json]:
    calls = holder.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def _rewrite(answer: Answer, edit: Callable[[Any], Iterator[Any]]) -> None:
    """Replace each event by those that `edit` makes of its data."""
    frames: list[bytes] = []
    for frame in answer.frames or []:
        data = _event(frame)
        frames += [frame] if data is None else [_frame(each) for each in edit(copy.deepcopy(data))]
    answer.frames = frames


def _each(answer: Answer, edit: Callable[[Json], None]) -> None:
    """Edit the JSON of every event of a stream, or of a plain body."""
    if answer.frames is not None:

        def one(data: Any) -> Iterator[Any]:
            if isinstance(data, dict):
                edit(data)
            yield data

        _rewrite(answer, one)
        return
    body = parsed(answer.body)
    if isinstance(body, dict):
        edit(body)
        answer.body = json.dumps(body, ensure_ascii=False).encode()


def _middle(answer: Answer) -> int:
    """How many events come before the middle of a stream: some of its text, and never the end."""
    return max(1, len(answer.frames or []) // 2)


def _cut(answer: Answer, seconds: float) -> None:
    if answer.frames is not None:
        answer.frames = answer.frames[: _middle(answer)]


def _reset(answer: Answer, seconds: float) -> None:
    answer.ending = "reset"
    if answer.frames is not None:
        answer.frames = answer.frames[: _middle(answer)]
    else:
        answer.pieces = [answer.body[: max(1, len(answer.body) // 2)]]


def _without_done(answer: Answer, seconds: float) -> None:
    """No [DONE], and the last text in the same chunk as finish_reason: nothing may be kept back."""
    held: list[Any] = []

    def one(data: Any) -> Iterator[Any]:
        if data == _DONE:
            return
        before = _choices(held[-1]) if held else []
        now = _choices(data)
        ends = len(now) == 1 and now[0].get("finish_reason") and not now[0].get("delta")
        if ends and len(before) == 1 and before[0].get("index") == now[0].get("index"):
            before[0]["finish_reason"] = now[0]["finish_reason"]
            return
        yield from held
        held[:] = [data]

    _rewrite(answer, one)
    answer.frames = [*(answer.frames or []), *map(_frame, held)]


def _error_event(answer: Answer, seconds: float) -> None:
    error = {"message": "The server had an error while it wrote the answer.", "type": "server_error"}
    kept = (answer.frames or [])[: _middle(answer)]
    answer.frames = [*kept, _frame({"error": {**error, "param": None, "code": "server_error"}})]


def _comments(answer: Answer, seconds: float) -> None:
    answer.frames = [b": keep-alive\n\n", *(b": keep-alive\n\n" + frame for frame in answer.frames or [])]


def _crlf(answer: Answer, seconds: float) -> None:
    answer.frames = [frame.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n") for frame in answer.frames or []]


def _split(answer: Answer, seconds: float) -> None:
    """Cut each event within its field name and within characters, which are put in where none is wide."""

    def widen(data: Json) -> None:
        if "choices" in data:
            data["system_fingerprint"] = f"fp_{_WIDE}"

    _each(answer, widen)
    pieces = []
    for frame in answer.frames or []:
        inside = [at for at in range(1, len(frame)) if frame[at] & 0xC0 == 0x80]
        # the line end is cut in two as well
        cuts = sorted({3, *inside[:6], len(frame) - 1})
        pieces += [frame[start:end] for start, end in zip([0, *cuts], [*cuts, len(frame)], strict=True)]
    answer.pieces = [piece for piece in pieces if piece]
    answer.pauses = (0.0, _SPLIT_PAUSE)


def _slow(answer: Answer, seconds: float) -> None:
    # in so many parts that the whole takes seconds, however many events there are
    frames = answer.frames or []
    size = max(1, -(-len(frames) // _SLOW_PARTS))
    answer.pieces = [b"".join(frames[at : at + size]) for at in range(0, len(frames), size)]
    answer.pauses = (0.0, seconds)


def _slow_start(answer: Answer, seconds: float) -> None:
    answer.pauses = (seconds, 0.0)


def _usage_chunk(answer: Answer, seconds: float) -> None:
    """Usage in a chunk of its own without choices, asked for or not."""
    if any(chunk.get("usage") and not chunk.get("choices") for chunk in _chunks(answer)):
        return
    shape: Json = next(_chunks(answer), {})
    usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
    chunk = _frame(
        {**{key: value for key, value in shape.items() if key != "error"}, "choices": [], "usage": usage}
    )
    frames = answer.frames or []
    at = next((at for at, frame in enumerate(frames) if _event(frame) == _DONE), len(frames))
    answer.frames = [*frames[:at], chunk, *frames[at:]]


def _gathered(answer: Answer) -> dict[int, dict[int, Json]]:
    """The tool calls of a stream put together: by choice, by index."""
    calls: dict[int, dict[int, Json]] = {}
    for chunk in _chunks(answer):
        for choice in _choices(chunk):
            delta = choice.get("delta") if isinstance(choice.get("delta"), dict) else {}
            for piece in _calls(delta or {}):
                known = calls.setdefault(int(choice.get("index") or 0), {})
                call = known.setdefault(
                    int(piece.get("index") or 0), {"function": {"name": "", "arguments": ""}}
                )
                function = piece.get("function") or {}
                call["index"] = piece.get("index") or 0
                call["id"] = call.get("id") or piece.get("id")
                call["type"] = "function"
                call["function"]["name"] = call["function"]["name"] or function.get("name") or ""
                call["function"]["arguments"] += function.get("arguments") or ""
    return calls


def _deal_calls(answer: Answer, deal: Callable[[list[Json]], list[list[Json]]]) -> None:
    """Write the tool calls of a stream anew: `deal` says which pieces stand in which delta."""
    calls, told = _gathered(answer), False

    def one(data: Any) -> Iterator[Any]:
        nonlocal told
        pieces = [delta for delta in _deltas(data) if _calls(delta)] if isinstance(data, dict) else []
        if not pieces:
            yield data
            return
        if told:
            return
        told = True
        for number, known in sorted(calls.items()):
            for position, dealt in enumerate(deal([known[at] for at in sorted(known)])):
                delta: Json = {"role": "assistant", "content": None} if not position else {}
                choice = {"index": number, "delta": {**delta, "tool_calls": dealt}, "finish_reason": None}
                yield {**data, "choices": [choice]}

    _rewrite(answer, one)


def _whole_calls(answer: Answer, seconds: float) -> None:
    _deal_calls(answer, lambda calls: [calls])


def _piecewise_calls(answer: Answer, seconds: float) -> None:
    def deal(calls: list[Json]) -> list[list[Json]]:
        dealt: list[list[Json]] = []
        for call in calls:
            function = {"name": call["function"]["name"], "arguments": ""}
            dealt.append([{**call, "function": function}])
            text = call["function"]["arguments"]
            dealt += [
                [{"index": call["index"], "function": {"arguments": text[at : at + 2]}}]
                for at in range(0, len(text), 2)
            ]
        return dealt

    _deal_calls(answer, deal)


def _missing_index(answer: Answer, seconds: float) -> None:
    def deal(calls: list[Json]) -> list[list[Json]]:
        return [[{key: value for key, value in call.items() if key != "index"}] for call in calls]

    _deal_calls(answer, deal)


def _reasoning(answer: Answer, seconds: float) -> None:
    """Thinking before the answer, in the field that most providers use for it."""
    if answer.frames is None:

        def think(data: Json) -> None:
            for message in _messages(data):
                message["reasoning_content"] = "Let me think about that."

        _each(answer, think)
        return
    shape: Json = next((chunk for chunk in _chunks(answer) if _choices(chunk)), {})
    thoughts = [
        _frame(
            {
                **shape,
                "choices": [
                    {
                        "index": 0,
                        "delta": {"role": "assistant", "content": None, "reasoning_content": text},
                        "finish_reason": None,
                    }
                ],
            }
        )
        for text in ("Let me think ", "about that.")
    ]
    answer.frames = [*thoughts, *answer.frames]


def _unknown_fields(answer: Answer, seconds: float) -> None:
    def add(data: Json) -> None:
        data["provider"] = {"name": "Upstream", "region": None}
        for choice in _choices(data):
            choice["matched_stop"] = 151645
            choice["native_finish_reason"] = "completed"
        for holder in (*_deltas(data), *_messages(data)):
            holder["annotations_v2"] = []

    _each(answer, add)


def _unknown_finish_reason(answer: Answer, seconds: float) -> None:
    def rename(data: Json) -> None:
        for choice in _choices(data):
            if choice.get("finish_reason") == "stop":
                choice["finish_reason"] = "eos"

    _each(answer, rename)


def _say_instead(answer: Answer, say: Callable[[str], Json], finish_reason: str) -> None:
    """Put another message in the place of the one that was answered; `say` gets its text."""
    if answer.frames is None:

        def replace(data: Json) -> None:
            for choice in _choices(data):
                message = choice.get("message") or {}
                choice["message"] = {"role": "assistant", "content": None, **say(_text(message))}
                choice["finish_reason"] = finish_reason

        _each(answer, replace)
        return
    chunks = list(_chunks(answer))
    text = "".join(str(delta.get("content") or "") for chunk in chunks for delta in _deltas(chunk))
    text = text or "\n".join(
        _spelled(call) for known in _gathered(answer).values() for call in known.values()
    )
    shape: Json = next((chunk for chunk in chunks if _choices(chunk)), {})

    def chunk(delta: Json, reason: str | None) -> bytes:
        return _frame({**shape, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})

    rest = [frame for frame in answer.frames if not _choices(_event(frame))]
    answer.frames = [chunk({"role": "assistant", **say(text)}, None), chunk({}, finish_reason), *rest]


def _text(message: Json) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else "\n".join(map(_spelled, _calls(message)))


def _spelled(call: Json) -> str:
    """A tool call as models write it where nobody parses it."""
    function = call.get("function") or {}
    name = json.dumps(function.get("name"))
    return f'<tool_call>\n{{"name": {name}, "arguments": {function.get("arguments") or "{}"}}}\n</tool_call>'


def _fenced(answer: Answer, seconds: float) -> None:
    _say_instead(answer, lambda text: {"content": f"```json\n{text}\n```"}, "stop")


def _empty(answer: Answer, seconds: float) -> None:
    _say_instead(answer, lambda text: {"content": ""}, "stop")


def _refusal(answer: Answer, seconds: float) -> None:
    _say_instead(
        answer, lambda text: {"content": None, "refusal": "I'm sorry, I can't help with that."}, "stop"
    )


def _call_in_content(answer: Answer, seconds: float) -> None:
    _say_instead(answer, lambda text: {"content": text}, "stop")


def _filtered(answer: Answer, seconds: float) -> None:
    _say_instead(answer, lambda text: {"content": ""}, "content_filter")


def _spend(answer: Answer, seconds: float) -> None:
    """Usage a thousandfold: what a loop that has lost its end would cost."""

    def thousandfold(data: Json) -> None:
        usage = data.get("usage")
        if isinstance(usage, dict):
            data["usage"] = {
                key: value * 1000 if isinstance(value, int) and not isinstance(value, bool) else value
                for key, value in usage.items()
            }

    _each(answer, thousandfold)


CHANGES: dict[str, Callable[[Answer, float], None]] = {
    "call-in-content": _call_in_content,
    "comments": _comments,
    "crlf": _crlf,
    "cut": _cut,
    "empty": _empty,
    "error-event": _error_event,
    "fenced": _fenced,
    "filtered": _filtered,
    "missing-index": _missing_index,
    "piecewise-calls": _piecewise_calls,
    "reasoning": _reasoning,
    "refusal": _refusal,
    "reset": _reset,
    "slow": _slow,
    "slow-start": _slow_start,
    "spend": _spend,
    "split": _split,
    "unknown-fields": _unknown_fields,
    "unknown-finish-reason": _unknown_finish_reason,
    "usage-chunk": _usage_chunk,
    "whole-calls": _whole_calls,
    "without-done": _without_done,
}
