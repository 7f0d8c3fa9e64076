"""What an endpoint answered, read as a client reads it, and refusing to be read where it is not there.

Evidence refuses emptiness: an accessor whose value is missing or of a wrong shape ends the check as blocked
by the one check that owns that evidence (`OWNERS`), so that one deviation gives one failing line. The owners
themselves read `exchange`, `body`, `document` and `chunks`, which judge nothing.
"""

from __future__ import annotations

import json
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NoReturn, TypeVar

from llmcompat.declare import blocked, fail, unanswered
from llmcompat.model import Exchange
from llmcompat.wire.sse import Block, parse


class _Missing:
    def __repr__(self) -> str:
        return "absent"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""What `at` gives for a key that is not there; null is None."""

OWNERS: Final = {
    "json": "response-json",
    "error-with-200": "error-status",
    "choices": "response-choices",
    "message": "response-message",
    "content": "response-content",
    "empty": "content-not-empty",
    "finish": "response-finish-reason",
    "usage": "usage-present",
    "counters": "usage-integers",
    "tool-shape": "tool-call-shape",
    "arguments": "tool-arguments-string",
    "arguments-json": "tool-arguments-json",
    "sse": "stream-events",
    "chunk-json": "stream-data-json",
    "stream-error": "stream-error-event",
    "chunk-choices": "stream-choices",
    "delta": "stream-delta",
    "delta-content": "stream-delta-content",
    "stream-finish": "stream-finish-reason",
    "stream-usage": "stream-usage",
    "stream-whole": "stream-complete",
    "error-shape": "error-object",
    "refused": "chat-accepted",
}
"""Which check says that a piece of evidence is missing. A test holds that each of them exists."""

MAX_DEPTH = 200
"""Levels of nesting up to which JSON is read."""

MAX_DIGITS = 300
"""Digits of an integer up to which JSON is read: what is longer is no float, and a check that divides by it
breaks."""
_LONG_INTEGER = re.compile(rf"(?<![0-9])[0-9]{{{MAX_DIGITS + 1}}}")
_LONG_INTEGER_BYTES = re.compile(_LONG_INTEGER.pattern.encode())

_POSITION = re.compile(r"-?[0-9]{1,9}")


def load_json(text: str | bytes) -> Any:
    """Strict JSON (NaN and Infinity refused), or ValueError for anything else, however deep or long."""
    long = _LONG_INTEGER.search(text) if isinstance(text, str) else _LONG_INTEGER_BYTES.search(text)
    try:
        # a reader of our own is slow: it is asked only where so many digits stand somewhere
        value = json.loads(text, parse_constant=_refuse_constant, parse_int=_integer if long else None)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if _too_deep(value):
        raise ValueError("nested too deeply")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"an integer has more than {MAX_DIGITS} digits")
    return int(digits)


def _too_deep(value: object) -> bool:
    # Found level by level: whoever writes or compares a value later needs a stack frame for each.
    level = [value]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for part in level:
            if isinstance(part, dict):
                inner.extend(part.values())
            elif isinstance(part, list):
                inner.extend(part)
        if not inner:
            return False
        level = inner
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def is_int(value: object) -> bool:
    """Whether a value is a JSON integer; true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def dig(value: object, path: str) -> Any:
    """The value at a dotted path ("choices.0.message"), or MISSING."""
    for step in path.split("."):
        if isinstance(value, (dict, Mapping)):  # the abstract class alone is slow to ask
            value = value.get(step, MISSING)
        elif isinstance(value, list) and _POSITION.fullmatch(step) and -len(value) <= int(step) < len(value):
            value = value[int(step)]
        else:
            return MISSING
    return value


@dataclass(frozen=True)
class ToolCall:
    """One tool call as it was read: fields as they were on the wire, MISSING where they were not."""

    id: Any
    type: Any
    name: Any
    arguments: Any
    """A string holding JSON, if the endpoint keeps the contract; a stream's pieces are joined."""
    raw: Mapping[str, Any]

    def parsed(self) -> Any:
        """The arguments as data; blocked where they are not a string or not JSON."""
        if not isinstance(self.arguments, str):
            blocked(OWNERS["arguments"])
        try:
            return load_json(self.arguments)
        except ValueError:
            blocked(OWNERS["arguments-json"])


@dataclass(frozen=True, slots=True)
class Chunk:
    """One `data` payload of a stream that is a JSON object, with its arrival in seconds since the request."""

    data: dict[str, Any]
    seconds: float
    end: int

    @property
    def choices(self) -> list[dict[str, Any]]:
        """The choices that are objects; other shapes belong to another check."""
        value = self.data.get("choices")
        return [choice for choice in value if isinstance(choice, dict)] if isinstance(value, list) else []


_T = TypeVar("_T")

_SMALL = 256 * 1024
"""Bytes of memory up to which what was read of a body is kept as long as the reply."""


def _weight(body: bytes) -> int:
    """Bytes of memory that one reading of a body takes, about."""
    return len(body) + 40 * sum(map(body.count, (b",", b"[", b"{", b"\n", b"\r")))


class _Readings:
    """What was read of one large body."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange  # held, so that no other one gets its id
        self.values: dict[str, Any] = {}
        self.weight = 0


class _Room:
    """What was read of large bodies, the last ones used, as far as there is room for it.

    All readings of a body go together, as each holds parts of the others.
    """

    def __init__(self, most: int) -> None:
        self._left = most
        self._kept: OrderedDict[int, _Readings] = OrderedDict()
        self._lock = threading.RLock()  # a run may be judged while another one goes on; reading reads more

    def get(self, exchange: Exchange, name: str, weight: int, read: Callable[[], _T]) -> _T:
        """What `read` gives, which takes so many bytes of memory."""
        with self._lock:
            readings = self._kept.get(id(exchange))
            if readings is not None and name in readings.values:
                self._kept.move_to_end(id(exchange))
                found: _T = readings.values[name]
                return found
            self._free(weight, but=exchange)
            value = read()
            self._keep(exchange, name, value, weight if value else 0)
            return value

    def _keep(self, exchange: Exchange, name: str, value: object, weight: int) -> None:
        self._free(weight, but=exchange)  # reading reads more, which is kept as well
        if weight > self._left:
            return
        readings = self._kept.setdefault(id(exchange), _Readings(exchange))
        self._kept.move_to_end(id(exchange))
        readings.values[name] = value
        readings.weight += weight
        self._left -= weight

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._left += sum(readings.weight for readings in self._kept.values())
            self._kept.clear()

    def _free(self, weight: int, *, but: Exchange) -> None:
        for key in list(self._kept):
            if weight <= self._left:
                return
            if key != id(but):
                self._left += self._kept.pop(key).weight


_LARGE = _Room(96 * 1024 * 1024)


def forget_readings() -> None:
    """Free the memory of what was read of large bodies: after a run has been judged nobody asks for it."""
    _LARGE.clear()


_PARSED = ("document", "blocks", "chunks")
"""What takes the memory: all else is read from these, and holds little more than places in them."""
_OF_PARSED = 16
"""How many times less memory one of all else takes."""


class Reply:
    """What came of one question: the last try of the request, and every earlier time that it was asked."""

    def __init__(
        self,
        exchanges: Iterable[Exchange],
        *,
        probe: str = "",
        part: str | None = None,
        number: int = 1,
        owner: str | None = None,
        called: str | None = None,
    ) -> None:
        self.exchanges = tuple(exchanges)
        self.probe = probe
        self.part = part
        self.number = number
        self.owner = owner or OWNERS["refused"]
        self.called = called
        self._earlier: tuple[Reply, ...] = ()
        self.grounds: tuple[Reply, ...] = ()
        self._known: dict[str, Any] = {}

    @property
    def attempts(self) -> tuple[Reply, ...]:
        """Every time that this was asked because the model did not obey; the last one is this reply."""
        return (*self._earlier, self)

    @attempts.setter
    def attempts(self, attempts: tuple[Reply, ...]) -> None:
        # not itself: what is read of a body is freed with its last reader, and not when memory is swept
        self._earlier = attempts[:-1]

    # --- the exchange itself: judges nothing

    @property
    def exchange(self) -> Exchange:
        """The last try."""
        return self.exchanges[-1]

    @property
    def status(self) -> int | None:
        """HTTP status of the last try; None where no answer came."""
        return self.exchange.status

    @property
    def body(self) -> bytes:
        """The answer's bytes after content decoding."""
        return self.exchange.body

    def header(self, name: str) -> str | None:
        """An answer's header."""
        return self.exchange.header(name)

    @cached_property
    def sent(self) -> dict[str, Any]:
        """The request's body; empty where it was no JSON object."""
        try:
            value = json.loads(self.exchange.request_body or "")
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for."""
        return self.sent.get("stream") is True

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case; "" where there is none."""
        return (self.header("content-type") or "").partition(";")[0].strip().lower()

    @property
    def document(self) -> Any:
        """The body as JSON, MISSING where it is not JSON."""
        return self.once("document", self._document)

    def _document(self) -> Any:
        try:
            return load_json(self.body)
        except ValueError:
            return MISSING

    @cached_property
    def _body_weight(self) -> int:
        return _weight(self.body)

    def once(self, name: str, read: Callable[[], _T]) -> _T:
        """What was read of the body, once: kept here of a small body, of large ones as far as there is room.

        Whoever gets it changes nothing in it. `name` tells what was read from all else that is read of a
        body; a read that ends the check is not kept. Data takes some twenty times the memory of the bytes
        that spell it, and more if someone wants it to.
        """
        if self._body_weight > _SMALL:
            weight = self._body_weight if name in _PARSED else self._body_weight // _OF_PARSED
            if name == "blocks":  # values are no data yet
                weight = len(self.body) + 80 * sum(map(self.body.count, (b"\n", b"\r")))
            return _LARGE.get(self.exchange, name, weight, read)
        if name not in self._known:
            self._known[name] = read()
        value: _T = self._known[name]
        return value

    @property
    def answered(self) -> bool:
        """Whether the request was accepted: a status of 2xx whose body came."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def cut(self) -> bool:
        """Whether an accepted plain answer broke off before its end."""
        return self.answered and not self.streamed and self.exchange.ended == "cut"

    @property
    def refused(self) -> bool:
        """Whether the request was not accepted, for whatever reason."""
        return not self.answered

    @property
    def excerpt(self) -> str:
        """Status and the head of the body, as evidence in one line."""
        if self.status is None:
            return f"no answer ({self.exchange.error})"
        text = " ".join(self.body[:2000].decode(errors="replace").split())
        cut = f" ({self.exchange.error})" if self.exchange.error else ""
        return f"{self.status} {text[:400]}".rstrip() + cut

    # --- accepted at all

    def accepted(self, *, expected: str = "200", case: str | None = None) -> None:
        """Fail unless the request was accepted.

        For the check that owns this request's shape; a ground's refusal blocks it.
        """
        if self.answered and self.exchange.ended != "cut":
            return
        if self.answered and self.streamed:
            return  # a stream that was cut is the streaming item's
        for ground in self.grounds:
            if ground.refused or (self.answered and ground.cut):
                ground.require()
        self._lasting_trouble()
        if case is None and self.status is None:
            case = "no-answer"
        elif case is None and self.answered:
            case = "cut"
        elif case is None and self.status is not None and self.status >= 500:
            case = "server-error"
        fail(self.excerpt, expected=expected, case=case, exchange=self.exchange.id)

    def require(self) -> None:
        """Block the check unless the request was accepted."""
        if self.answered and self.exchange.ended == "complete":
            return
        if self.answered and self.exchange.ended == "bounded":
            unanswered("the answer was longer than is read")
        if self.answered and self.streamed:
            return
        for ground in self.grounds:
            if ground.refused:
                ground.require()
        self._lasting_trouble()
        blocked(self.owner)

    def _lasting_trouble(self) -> None:
        if self.status == 429:
            unanswered("throttled for good: every try was answered 429")
        if self.status == 401:
            unanswered("the key was refused (401)")
        if self.status == 402:
            unanswered("out of money (402)")

    # --- an answer as one document

    def at(self, path: str) -> Any:
        """The value at a dotted path of the answer, or MISSING; blocked where there is no JSON object."""
        return dig(self.answer, path)

    @property
    def answer(self) -> dict[str, Any]:
        """The answer as an object."""
        self.require()
        if not isinstance(self.document, dict):
            blocked(OWNERS["json"])
        told = self.document.get("error") or self.document.get("object") == "error"
        if told and "choices" not in self.document:
            blocked(OWNERS["error-with-200"])
        return self.document

    @property
    def choices(self) -> list[dict[str, Any]]:
        """The choices of a plain answer."""
        value = self.answer.get("choices")
        if not isinstance(value, list) or not value or not all(isinstance(choice, dict) for choice in value):
            blocked(OWNERS["choices"])
        return value

    @property
    def message(self) -> dict[str, Any]:
        """The message of the first choice of a plain answer."""
        value = self.choices[0].get("message")
        if not isinstance(value, dict):
            blocked(OWNERS["message"])
        return value

    # --- an answer as events

    @property
    def blocks(self) -> list[Block]:
        """The server-sent events of the body, with their framing; it judges nothing."""
        return self.once("blocks", lambda: parse(self.body))

    def seconds_at(self, offset: int) -> float:
        """When the byte before this offset of the body had arrived: seconds since the request was sent."""
        arrivals = self.exchange.arrivals
        low, high = 0, len(arrivals)
        while low < high:
            middle = (low + high) // 2
            if arrivals[middle][0] < offset:
                low = middle + 1
            else:
                high = middle
        return arrivals[low][1] if low < len(arrivals) else self.exchange.seconds

    @property
    def all_chunks(self) -> list[Chunk]:
        """Every JSON object among the `data` payloads before `[DONE]`; it judges nothing."""
        return self.once("chunks", self._chunks)

    def _chunks(self) -> list[Chunk]:
        chunks = []
        for block in self.blocks:
            if block.data is None:
                continue
            if block.data.strip() == "[DONE]":
                break
            try:
                data = load_json(block.data)
            except ValueError:
                continue
            if isinstance(data, dict):
                chunks.append(Chunk(data, self.seconds_at(block.end), block.end))
        return chunks

    @property
    def chunks(self) -> list[Chunk]:
        """The chunks of a stream that holds at least one and no error."""
        self.require()
        if not self.all_chunks or (self.media_type == "application/json" and isinstance(self.document, dict)):
            blocked(OWNERS["sse"])
        if any(chunk.data.get("error") and not chunk.choices for chunk in self.all_chunks):
            blocked(OWNERS["stream-error"])
        return self.all_chunks

    @property
    def deltas(self) -> Iterator[dict[str, Any]]:
        """The deltas of the first choice that are objects."""
        for chunk in self.chunks:
            for choice in chunk.choices:
                if choice.get("index", 0) in (0, None) and isinstance(choice.get("delta"), dict):
                    yield choice["delta"]

    # --- what both kinds of answer say

    @property
    def content(self) -> str | None:
        """The text of the first choice, streamed or not; None where there is none."""
        if not self.streamed:
            value = self.message.get("content")
            if value is not None and not isinstance(value, str):
                blocked(OWNERS["content"])
            return value
        pieces: list[str] = []
        if not any(True for _ in self.deltas):
            blocked(OWNERS["chunk-choices"] if not any(c.choices for c in self.chunks) else OWNERS["delta"])
        for delta in self.deltas:
            value = delta.get("content")
            if value is None:
                continue
            if not isinstance(value, str):
                blocked(OWNERS["delta-content"])
            pieces.append(value)
        return "".join(pieces) if pieces else None

    @property
    def text(self) -> str:
        """The text of the answer, which must be there and whole."""
        content = self.content
        self.uncapped()
        if not content or not content.strip():
            if self.streamed and not self.terminated:
                blocked(OWNERS["stream-whole"])
            if self.find_tool_calls():
                unanswered("the model called a tool instead of answering")
            blocked(OWNERS["empty"])
        return content

    def uncapped(self) -> None:
        """End without a verdict when the token cap cut the answer, as thinking models do."""
        if self.capped:
            unanswered(f"the answer was cut at the cap of {self.cap} tokens")

    @property
    def cap(self) -> int | None:
        """The cap on output tokens that was sent."""
        for name in ("max_completion_tokens", "max_tokens"):
            value = self.sent.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        return None

    @property
    def capped(self) -> bool:
        """Whether the token cap cut the answer: it says `length`, and the counters do not deny it."""
        if self.cap is None or self.find_finish_reason() != "length":
            return False
        used = dig(self.find_usage() or {}, "completion_tokens")
        return not is_int(used) or used >= 0.8 * self.cap

    def find_finish_reason(self) -> Any:
        """The first choice's finish_reason, MISSING or None where there is none; it judges nothing."""
        if not self.streamed:
            return dig(self.document, "choices.0.finish_reason")
        return self.once("finish", self._last_finish_reason)

    def _last_finish_reason(self) -> Any:
        found: Any = MISSING
        for chunk in self.all_chunks:
            for choice in chunk.choices:
                if choice.get("index", 0) in (0, None) and choice.get("finish_reason") not in (None, ""):
                    found = choice["finish_reason"]
        return found

    @property
    def finish_reason(self) -> str:
        """Why the answer ended; blocked where the answer does not say."""
        value = (
            (self.choices and self.find_finish_reason())
            if not self.streamed
            else (self.chunks and self.find_finish_reason())
        )
        if not isinstance(value, str) or not value:
            blocked(OWNERS["stream-finish" if self.streamed else "finish"])
        return value

    @property
    def terminated(self) -> bool:
        """Whether a stream came to an end that it announced: a finish_reason or `[DONE]`."""
        return isinstance(self.find_finish_reason(), str) or self.once("done", self._done)

    def _done(self) -> bool:
        return any(block.data is not None and block.data.strip().upper() == "[DONE]" for block in self.blocks)

    def find_usage(self) -> dict[str, Any] | None:
        """The usage object, of a stream the last one that is not null; it judges nothing."""
        if not self.streamed:
            value = dig(self.document, "usage")
            return value if isinstance(value, dict) else None
        return next(
            (
                chunk.data["usage"]
                for chunk in reversed(self.all_chunks)
                if isinstance(chunk.data.get("usage"), dict)
            ),
            None,
        )

    @property
    def usage(self) -> dict[str, int]:
        """The three counters as integers."""
        _ = self.chunks if self.streamed else self.answer
        usage = self.find_usage()
        if not usage:
            blocked(OWNERS["stream-usage" if self.streamed else "usage"])
        if not all(
            is_int(usage.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
        ):
            blocked(OWNERS["counters"])
        return usage

    def find_tool_calls(self) -> list[ToolCall]:
        """The first choice's tool calls as far as they can be read, joined if streamed; it judges nothing."""
        return list(self.once("calls", self._calls))

    def _calls(self) -> list[ToolCall]:
        if self.streamed:
            return _join_tool_calls(self.all_chunks)
        calls = dig(self.document, "choices.0.message.tool_calls")
        if not isinstance(calls, list):
            return []
        return [_tool_call(call) for call in calls if isinstance(call, dict)]

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The tool calls; blocked by the owner of "a call was made" where there is none."""
        if self.streamed:
            _ = self.chunks
        else:
            value = self.message.get("tool_calls")
            if value is not None and not isinstance(value, list):
                blocked(OWNERS["tool-shape"])
        calls = self.find_tool_calls()
        if not calls:
            self.uncapped()
            if self.streamed and not self.terminated:
                blocked(OWNERS["stream-whole"])
            blocked(self.called or OWNERS["refused"])
        return calls

    @property
    def reasoning(self) -> str:
        """Thinking text beside the answer, under whichever of its two names; "" where there is none."""
        sources: Iterable[Any] = (
            [dig(self.document, "choices.0.message")]
            if not self.streamed
            else (dig(chunk.data, "choices.0.delta") for chunk in self.all_chunks)
        )
        found = []
        for source in sources:
            if isinstance(source, dict):
                for name in ("reasoning_content", "reasoning"):
                    if isinstance(source.get(name), str):
                        found.append(source[name])
                        break
        return "".join(found)

    # --- a refusal

    @property
    def error(self) -> dict[str, Any]:
        """The error object of a refusal."""
        value = dig(self.document, "error")
        if not isinstance(value, dict):
            blocked(OWNERS["error-shape"])
        return value

    @property
    def error_text(self) -> str:
        """The words of a refusal wherever they stand, for recognising it; it judges nothing."""
        return self.body[:20_000].decode(errors="replace")


class Replies(Mapping[str, Reply]):
    """What a probe that asks several things brought, by part."""

    def __init__(self, parts: Mapping[str, Reply], probe: str = "", owner: str | None = None) -> None:
        self._parts = dict(parts)
        self.probe = probe
        self.owner = owner

    def __getitem__(self, part: str) -> Reply:
        if part not in self._parts:
            unanswered(f"{self.probe} did not get to ask for {part}")
        return self._parts[part]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)

    def __contains__(self, part: object) -> bool:
        return part in self._parts

    def part(self, name: str) -> Reply:
        """The answer to this part: the bundle's, or its own where the bundle had to be split."""
        return self._parts[name] if name in self._parts else self[BUNDLE]

    def split(self) -> bool:
        """Whether the bundle was refused and asked part by part."""
        return len(self._parts) > 1


BUNDLE: Final = "all"
"""The part under which a bundle of optional parameters is asked at once."""


class Exchanges:
    """Every question of the run as a `Reply`, for checks that judge all answers alike.

    An order is kept: as they were asked.
    """

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.all = tuple(replies)

    def _chat(self) -> Iterator[Reply]:
        return (reply for reply in self.all if reply.exchange.url.split("?")[0].endswith("/chat/completions"))

    @cached_property
    def plain(self) -> tuple[Reply, ...]:
        """Accepted chat requests that asked for no stream."""
        return tuple(reply for reply in self._chat() if reply.answered and not reply.streamed)

    @cached_property
    def streams(self) -> tuple[Reply, ...]:
        """Accepted chat requests that asked for a stream."""
        return tuple(reply for reply in self._chat() if reply.answered and reply.streamed)

    @cached_property
    def refusals(self) -> tuple[Reply, ...]:
        """Requests of any kind that were refused with a status of 4xx or 5xx."""
        return tuple(reply for reply in self.all if reply.status is not None and reply.status >= 400)

    @cached_property
    def completions(self) -> tuple[Reply, ...]:
        """Plain answers that are a JSON object with choices: what a client would read."""
        return tuple(reply for reply in self.plain if isinstance(dig(reply.document, "choices.0"), dict))

    @cached_property
    def readable_streams(self) -> tuple[Reply, ...]:
        """Streams with at least one chunk and no error in them."""
        return tuple(
            reply
            for reply in self.streams
            if reply.all_chunks and not any(c.data.get("error") and not c.choices for c in reply.all_chunks)
        )


def judged(replies: Iterable[Reply], nothing: str) -> tuple[Reply, ...]:
    """The replies as a tuple, which must not be empty: a check that judged nothing never passes.

    `nothing` is the owner to blame.
    """
    found = tuple(replies)
    if not found:
        blocked(nothing)
    return found


def plausible_tokens(text: str) -> tuple[int, int]:
    """The smallest and largest number of tokens that any tokenizer in use makes of a text.

    A token holds at most some 12 characters of ordinary prose, and a character at most 4 byte tokens; the
    bounds are wide on purpose, because they decide a failure.
    """
    return math.floor(len(text) / 12), 4 * len(text.encode(errors="replace")) + 64


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    return ToolCall(
        id=call.get("id", MISSING),
        type=call.get("type", MISSING),
        name=function.get("name", MISSING),
        arguments=function.get("arguments", MISSING),
        raw=call,
    )


def _join_tool_calls(chunks: list[Chunk]) -> list[ToolCall]:
    """Join streamed calls by index, or else as lenient clients do: a new id or name begins a call."""
    calls: list[dict[str, Any]] = []
    functions: list[dict[str, Any]] = []
    by_index: dict[int, int] = {}
    for piece in _tool_call_pieces(chunks):
        function = piece.get("function")
        if not isinstance(function, dict):
            function = {}
        index = piece.get("index")
        place: int | None = None
        if isinstance(index, int) and is_int(index):
            place = by_index.get(index)
            taken = calls[place].get("id") if place is not None else None
            if function.get("name") and piece.get("id") and taken not in (None, piece["id"]):
                place = None  # another call under an index that is taken: a check of its own says so
        elif calls and (piece["id"] == calls[-1].get("id") if piece.get("id") else not function.get("name")):
            place = len(calls) - 1
        if place is None:
            place = len(calls)
            calls.append({})
            functions.append({})
            if isinstance(index, int) and is_int(index):
                by_index[index] = place
        for name in ("id", "type"):
            if piece.get(name) is not None and calls[place].get(name) in (None, ""):
                calls[place][name] = piece[name]
        if function.get("name") is not None and functions[place].get("name") in (None, ""):
            functions[place]["name"] = function["name"]
        arguments = function.get("arguments")
        if arguments is not None:
            before = functions[place].get("arguments")
            both = isinstance(before, str) and isinstance(arguments, str)
            functions[place]["arguments"] = f"{before}{arguments}" if both else arguments
    return [
        _tool_call({**call, "function": function}) for call, function in zip(calls, functions, strict=True)
    ]


def _tool_call_pieces(chunks: list[Chunk]) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        for choice in chunk.choices:
            if choice.get("index", 0) not in (0, None):
                continue
            pieces = dig(choice, "delta.tool_calls")
            if isinstance(pieces, list):
                yield from (piece for piece in pieces if isinstance(piece, dict))


Predicate = Callable[[Reply], bool]
"""Says whether the model obeyed; see `Api.chat(until=…)`."""
