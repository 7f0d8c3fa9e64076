"""Exchanges as the page shows them: headers and bodies shortened and laid out, a stream as a time line."""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from llmcompat.model import Exchange
from llmcompat.reports.escape import shorten
from llmcompat.reports.html_report import plots
from llmcompat.wire import sse

_MOST_BODY = 6000
_MOST_PARSED = 400_000
"""Characters of a body that are laid out; of a longer one its beginning and end are shown as they came."""
_MOST_STRING = 800
_MOST_NUMBERS = 6
_MOST_HEADERS = 40
_MOST_HEADER = 400
_FIRST_EVENTS = 6
_LAST_EVENTS = 3
_MOST_EVENT = 160


@dataclass(frozen=True)
class Body:
    """A body to show; `shortened` says that the JSON run holds more of it."""

    text: str
    shortened: bool


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    number: int
    seconds: float
    gap: float
    """Seconds since the event before, or since the headers for the first."""
    data: str


@dataclass(frozen=True)
class Timeline:
    """When the events of a stream arrived."""

    plot: Markup
    total: int
    headers_seconds: float | None
    first: float
    last: float
    longest_gap: float
    events: tuple[Event, ...]
    """The first and the last ones."""


@dataclass(frozen=True)
class ShownExchange:
    """One exchange of a finding."""

    exchange: Exchange
    request: Body | None
    answer: Body | None
    request_headers: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    timeline: Timeline | None

    @property
    def size(self) -> int:
        """About how many characters of the page it takes."""
        texts = [body.text for body in (self.request, self.answer) if body]
        texts += [f"{name}{value}" for name, value in (*self.request_headers, *self.headers)]
        if self.timeline:
            texts += [str(self.timeline.plot), *(event.data for event in self.timeline.events)]
        return 2000 + sum(len(text) for text in texts)


@dataclass
class Budget:
    """How many characters of evidence the page may still take; the same exchange is laid out once."""

    left: int
    _made: dict[int, ShownExchange] = field(default_factory=dict)

    def take(self, exchanges: Iterable[Exchange]) -> list[ShownExchange]:
        """The exchanges as far as there is room; the first that does not fit ends the list."""
        taken = []
        for exchange in exchanges:
            if self.left <= 0:
                break
            shown = self._made.get(id(exchange)) or shown_exchange(exchange)
            self._made[id(exchange)] = shown
            if shown.size > self.left:
                self.left = 0  # the page is full: no further one is laid out only to be left out
                break
            self.left -= shown.size
            taken.append(shown)
        return taken


def shown_exchange(exchange: Exchange) -> ShownExchange:
    """The exchange, bounded."""
    text = exchange.body[:_MOST_PARSED].decode("utf-8", "backslashreplace")
    cut = len(exchange.body) > _MOST_PARSED
    answer = body(text, whole=not cut) if exchange.body else None
    return ShownExchange(
        exchange=exchange,
        request=body(exchange.request_body) if exchange.request_body else None,
        answer=answer,
        request_headers=_headers(exchange.request_headers),
        headers=_headers(exchange.headers),
        timeline=timeline(exchange),
    )


def body(text: str, *, whole: bool = True) -> Body:
    """A body to read: JSON is laid out in lines, with long texts and lists shortened, other text is as it is.

    JSON that would not read the same once laid out (a name given twice) stays as it came.
    """
    laid_out = _laid_out(text) if whole and len(text) <= _MOST_PARSED else None
    if laid_out is None:
        shown = shorten(text, _MOST_BODY, gap="\n… \n")
        return Body(shown, shortened=not whole or len(text) > _MOST_BODY)
    shown = shorten(laid_out[0], _MOST_BODY, gap="\n… \n")
    return Body(shown, shortened=laid_out[1] or len(laid_out[0]) > _MOST_BODY)


def timeline(exchange: Exchange) -> Timeline | None:
    """When each event of an event stream arrived; None for another answer, or one without an event."""
    arrived = arrivals(exchange)
    if not arrived:
        return None
    moments = [seconds for seconds, _ in arrived]
    begun = exchange.headers_seconds or 0.0
    gaps = [later - earlier for earlier, later in pairwise([begun, *moments])]
    numbers = list(range(len(arrived)))
    if len(numbers) > _FIRST_EVENTS + _LAST_EVENTS:
        numbers = numbers[:_FIRST_EVENTS] + numbers[-_LAST_EVENTS:]
    title = (
        f"{len(arrived)} events of exchange {exchange.id} arrived between {moments[0]:.3f} and "
        f"{moments[-1]:.3f} seconds after the request"
    )
    return Timeline(
        plot=plots.steps(title, [plots.Steps(exchange.id, step_points(moments))], height=130),
        total=len(arrived),
        headers_seconds=exchange.headers_seconds,
        first=moments[0],
        last=moments[-1],
        longest_gap=max(gaps),
        events=tuple(
            Event(number + 1, moments[number], gaps[number], _telling(arrived[number][1]))
            for number in numbers
        ),
    )


def arrivals(exchange: Exchange) -> list[tuple[float, str]]:
    """The events of an event stream: (seconds since the request was sent, data); empty for another answer."""
    if not exchange.arrivals or "event-stream" not in (exchange.header("content-type") or ""):
        return []
    if not all(math.isfinite(seconds) for _, seconds in exchange.arrivals):
        return []
    offsets = [offset for offset, _ in exchange.arrivals]
    return [
        (exchange.arrivals[min(bisect_left(offsets, block.end), len(offsets) - 1)][1], block.data)
        for block in sse.parse(exchange.body)
        if block.data is not None
    ]


def step_points(moments: Iterable[float]) -> list[tuple[float, float]]:
    """How many had arrived at each moment."""
    return [(seconds, number) for number, seconds in enumerate(moments, start=1)]


def _telling(data: str) -> str:
    """The part of an event's data that differs from one to the next: a chunk begins with what all repeat."""
    start = data.find('"choices"')
    return shorten(data if start < 2 else f"… {data[start:]}", _MOST_EVENT)


def _headers(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (shorten(name, _MOST_HEADER), shorten(value, _MOST_HEADER)) for name, value in headers[:_MOST_HEADERS]
    )


class _Twice(ValueError):
    """A name stands twice in an object."""


def _laid_out(text: str) -> tuple[str, bool] | None:
    """The JSON in lines, and whether something of it was left out; None where it is not plain JSON."""
    try:
        # a number stays as it was written: 1.0 is not 1, and 1e400 is not infinite
        value = json.loads(text, object_pairs_hook=_once, parse_float=_Number, parse_int=_Number)
    except (ValueError, RecursionError):
        return None
    shortened = [False]
    lines = _lines(value, "", shortened)
    return "\n".join(lines), shortened[0]


class _Number(str):
    """A number as it was written."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice
    return found


def _lines(value: Any, indent: str, shortened: list[bool]) -> list[str]:
    """A value as lines of JSON; `shortened[0]` becomes true where a long text or list is not whole."""
    if isinstance(value, _Number):
        return [str(value)]
    if isinstance(value, str):
        if len(value) > _MOST_STRING:
            shortened[0] = True
            value = shorten(value, _MOST_STRING)
        return [json.dumps(value, ensure_ascii=False)]
    if not value or not isinstance(value, (dict, list)):
        return [json.dumps(value, ensure_ascii=False)]
    if isinstance(value, list) and all(isinstance(each, _Number) for each in value):
        numbers = value[:_MOST_NUMBERS]
        left = len(value) - len(numbers)
        if left:
            shortened[0] = True
            numbers = [*numbers, f"… {left} more"]
        return [f"[{', '.join(numbers)}]"]
    inner = f"{indent}  "
    entries = (
        [("", each) for each in value]
        if isinstance(value, list)
        else [(f"{json.dumps(name, ensure_ascii=False)}: ", each) for name, each in value.items()]
    )
    start, end = "[]" if isinstance(value, list) else "{}"
    rows = [start]
    for number, (name, each) in enumerate(entries, start=1):
        first, *rest = _lines(each, inner, shortened)
        rows += [f"{inner}{name}{first}", *rest]
        if number < len(entries):
            rows[-1] += ","
    return [*rows, f"{indent}{end}"]
