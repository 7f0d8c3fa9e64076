"""Good answers, spoilt in every way that an endpoint could: what is judged and told of them may not crash."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Any, Literal
from unittest import mock

from llmcompat.cli.target import Options, plan
from llmcompat.engine.conclude import Brought, conclude
from llmcompat.engine.difference import difference
from llmcompat.engine.ground import dead_end
from llmcompat.engine.incident import incident
from llmcompat.engine.live import with_live_facts
from llmcompat.engine.loader import GIVEN
from llmcompat.engine.rejudge import rejudge
from llmcompat.engine.runner import Finished, run_target
from llmcompat.engine.selection import Selection, select
from llmcompat.model import Exchange, Run, TargetRun
from llmcompat.profiles.schema import Profile
from llmcompat.reply import Reply
from llmcompat.reports import FORMATS
from llmcompat.reports.difference import difference_json, difference_markdown, difference_text
from llmcompat.reports.finding import exchange_text, finding_text, findings_text
from llmcompat.reports.github import step_summary
from llmcompat.reports.incident import headers_text, incident_markdown, incident_text
from llmcompat.reports.json_run import from_json, to_json
from llmcompat.reports.table import table_text
from llmcompat.settings import LatencyBudget, Settings
from llmcompat.simulator.server import running
from llmcompat.wire.client import Client, Request
from llmcompat.wire.pacing import Pacer
from llmcompat.wire.redaction import Redactor
from tests.checking import checklist
from tests.reporting import HOSTILE

TODAY = date(2026, 11, 22)
BROKE = "itself broke"
"""What the judge says of a check, and the runner of a probe, that raised what it may not."""

KEY = "sk-fuzz-0123456789abcdefghij"

HUGE = 2_000_000_000

DEEP_LIST: Any = []
for _ in range(150):
    DEEP_LIST = [DEEP_LIST]

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    -7,
    2,
    65,
    HUGE,
    -HUGE,
    2**63,
    2**64,
    10**30,
    -(10**400),
    0.0,
    -0.0,
    0.5,
    1e308,
    1e-308,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    " ",
    "0",
    "-1",
    "null",
    "stop",
    "length",
    "tool_calls",
    "content_filter",
    "nan",
    "é",
    "日本語",
    "\x00",
    "\ufeff",
    "\ud800",
    "\udfff\ud800",
    "\u202e",
    "\u200b",
    "\x1b[2J",
    "\n",
    "\r",
    "{",
    "{}",
    "[]",
    '{"a": NaN}',
    '{"city": "Paris"',
    '{"city": null}',
    "[" * 500,
    "x" * 5000,
    HOSTILE,
    KEY,
    "data:image/png;base64,AAAA",
    "AAAAAA==",
    "====",
    "2026-11-22",
    "error",
    "assistant",
    [],
    [None],
    [[]],
    [{}],
    ["text"],
    [0, None, "a", {}],
    [[[None]]],
    {},
    {"": None},
    {"type": "text"},
    {"type": "text", "text": None},
    {"message": None},
    {"error": {"message": 1}},
    {"index": HUGE},
    {"a": {"b": []}},
    {"function": None},
    {"function": {"name": None, "arguments": None}},
    {"id": [], "function": []},
    DEEP_LIST,
)
"""What a field may suddenly hold."""

NUMBERS: tuple[Any, ...] = (
    -1,
    -HUGE,
    0,
    1,
    2,
    7,
    HUGE,
    2**64,
    10**25,
    0.5,
    -0.5,
    1e300,
    float("nan"),
    "0",
    None,
)

STATUSES: tuple[int | None, ...] = (
    None,
    100,
    199,
    200,
    201,
    202,
    204,
    206,
    299,
    301,
    302,
    304,
    307,
    400,
    401,
    402,
    403,
    404,
    405,
    408,
    409,
    410,
    413,
    415,
    418,
    422,
    425,
    429,
    431,
    451,
    499,
    500,
    501,
    502,
    503,
    504,
    520,
    529,
    599,
    600,
    999,
)

HEADER_NAMES = (
    "content-type",
    "retry-after",
    "retry-after-ms",
    "x-request-id",
    "x-should-retry",
    "date",
    "location",
    "server",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "openai-version",
    "content-encoding",
    "set-cookie",
    "deprecation",
    "sunset",
    "openai-processing-ms",
    "cf-ray",
    "",
)

HEADER_VALUES = (
    "",
    " ",
    "0",
    "-1",
    "1e999",
    "nan",
    "inf",
    "99999999999999999999",
    "1m",
    "6m0s",
    "1h1h1h",
    "true",
    "false",
    "application/json",
    "application/json; charset=utf-16",
    "APPLICATION/JSON;",
    "text/event-stream",
    "text/html",
    "text/event-stream;charset=\xe9",
    ";",
    "/",
    "Wed, 21 Oct 2015 07:28:00 GMT",
    "Wed, 99 Foo 0000 99:99:99 GMT",
    "Mon, 01 Jan 0001 00:00:00 +9999",
    "http://[::1",
    "//",
    "https://elsewhere.test/v1",
    "\xff\xfe",
    "\x1b[31m",
    "\u202e",
    "x" * 3000,
    KEY,
    HOSTILE.encode("utf-8", "replace").decode("latin-1"),
)

Ended = Literal["complete", "cut", "bounded", "none"]
ENDINGS: tuple[Ended, ...] = ("complete", "cut", "bounded", "none")


# --- the good run that all of it begins with


@dataclass(frozen=True)
class Good:
    """A run in which the simulator was asked everything."""

    settings: Settings
    profile: Profile
    run: TargetRun
    brought: Brought


@cache
def good() -> Good:
    """The good run; it is made once, on loopback."""
    everything = frozenset(check.feature for check in checklist().checks.values() if check.feature)
    planned = plan("demo", Options(), {})
    with running() as simulator:
        settings = planned.settings.model_copy(
            update={
                "base_url": simulator.base_url,
                "uses": everything,
                "latency": LatencyBudget(first_token=60.0, tokens_per_second=0.001),
                "monthly_usd": 100.0,
            }
        )
        run = _live(settings, planned.profile)
    broken = [check.id for check in run.checks if BROKE in (check.reason or "")]
    assert run.exit_code == 0, (broken, run.stopped, [c.id for c in run.checks if c.status.value == "fail"])
    brought = Brought(
        asks=run.asks,
        exchanges={each.id: each for each in run.exchanges},
        unasked=run.unasked,
        stopped=None,
        basics=run.basics,
        mode=run.target.mode,
        seed=run.seed,
        started_at=run.started_at,
        seconds=run.seconds,
        spend=run.spend,
    )
    return Good(Settings.model_validate(dict(run.settings)), planned.profile, run, brought)


def _live(settings: Settings, profile: Profile) -> TargetRun:
    async def run() -> TargetRun:
        async for event in run_target(checklist(), settings, profile):
            if isinstance(event, Finished):
                return event.run
        raise AssertionError("the run has no end")

    return asyncio.run(run())


@dataclass(frozen=True)
class Part:
    """What one probe brought, with the checks that read it and all that these need of a run."""

    probe: str
    settings: Settings
    selections: tuple[Selection, ...]
    """Each holds the checks that name the probe, and some of those that look over all answers."""
    brought: Brought
    own: tuple[str, ...]
    """The exchanges of the probe itself."""


_SOME = 12
"""Checks of all answers that judge one spoilt answer; the next ones judge the next."""


@cache
def parts() -> tuple[Part, ...]:
    """One part for each probe that brought something."""
    found = []
    checks = list(checklist().checks.values())
    looking_over = [check for check in checks if "exchanges" in check.needs]
    for name in dict.fromkeys(ask.probe for ask in good().brought.asks):
        readers = [check for check in checks if name in check.needs]
        others = [check for check in looking_over if check not in readers]
        selections = tuple(
            Selection((*readers, *others[start : start + _SOME]), {}, {})
            for start in range(0, len(others), _SOME)
        )
        kept = {name, *(need for check in readers for need in check.needs if need not in GIVEN)}
        kept |= {ground for each in tuple(kept) for ground in checklist().probes[each].grounds}
        asks = [ask for ask in good().brought.asks if ask.probe in kept]
        ids = {id: None for ask in asks for id in ask.exchanges}
        brought = replace(
            good().brought, asks=asks, exchanges={id: good().brought.exchanges[id] for id in ids}, unasked={}
        )
        only = tuple(check.id for check in readers or looking_over[:1])
        settings = good().settings.model_copy(update={"only": only})
        own = tuple(id for ask in asks if ask.probe == name for id in ask.exchanges)
        found.append(Part(name, settings, selections, brought, own))
    return tuple(found)


# --- spoiling


def spoil(exchange: Exchange, dice: random.Random) -> Exchange:
    """The exchange with one to three things wrong with it."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        how = dice.choice(_WAYS)
        exchange = how(exchange, dice)
    return exchange


def _is_stream(exchange: Exchange) -> bool:
    return exchange.body.startswith((b"data:", b"event:"))


def _content(exchange: Exchange, dice: random.Random) -> Exchange:
    """A field of the answer, or of one or all of a stream's events, is not what it was."""
    if not _is_stream(exchange):
        return replace(exchange, body=_spoilt_json(exchange.body, dice, dice.choice(CHANGES)))
    frames = re.split(rb"(?<=\n\n)", exchange.body)
    holding = [number for number, frame in enumerate(frames) if b"{" in frame]
    if not holding:
        return exchange
    change = dice.choice(CHANGES)
    seed = dice.randrange(2**30)
    chosen = holding if dice.randrange(6) == 0 else [dice.choice(holding)]
    for number in chosen:
        head, brace, rest = frames[number].partition(b"{")
        # the same change at the same place of each event
        frames[number] = (
            head + _spoilt_json(brace + rest.rstrip(b"\n"), random.Random(seed), change) + b"\n\n"
        )
    return replace(exchange, body=b"".join(frames))


def _spoilt_json(text: bytes, dice: random.Random, change: Callable[[Any, random.Random], Any]) -> bytes:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text + b"}"
    try:
        document = change(document, dice)
        written = json.dumps(document, ensure_ascii=dice.randrange(2) == 0)
    except (RecursionError, ValueError):  # it was nested deeply already, or has more digits than are written
        return text
    return written.replace('"twice": ', f'"{dice.choice(("id", "choices", "content", "index"))}": ').encode(
        "utf-8", "surrogatepass"
    )


Place = tuple[Any, Any]
"""A container, and the key or index in it."""


def _places(value: Any) -> Iterator[Place]:
    stack = [value]
    while stack:
        holder = stack.pop()
        inner = holder.items() if isinstance(holder, dict) else enumerate(holder)
        for key, each in inner:
            yield holder, key
            if isinstance(each, (dict, list)):
                stack.append(each)


def _somewhere(document: Any, dice: random.Random) -> Place | None:
    found = list(_places(document)) if isinstance(document, (dict, list)) else []
    return dice.choice(found) if found else None


def _set(document: Any, dice: random.Random) -> Any:
    place = _somewhere(document, dice)
    if place is None or dice.randrange(40) == 0:
        return dice.choice(VALUES)
    place[0][place[1]] = copy.deepcopy(dice.choice(VALUES))
    return document


def _drop(document: Any, dice: random.Random) -> Any:
    if place := _somewhere(document, dice):
        del place[0][place[1]]
    return document


def _rename(document: Any, dice: random.Random) -> Any:
    if (place := _somewhere(document, dice)) and isinstance(place[1], str):
        names = (place[1].upper(), place[1] + "s", "", "\x00", "x", "twice", place[1].title(), HOSTILE)
        place[0][dice.choice(names)] = place[0].pop(place[1])
    return document


def _double(document: Any, dice: random.Random) -> Any:
    """A key stands twice, or an entry of a list."""
    if place := _somewhere(document, dice):
        holder, key = place
        if isinstance(holder, list):
            holder.insert(dice.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
        else:
            holder["twice"] = copy.deepcopy(dice.choice((holder[key], *VALUES)))
    return document


def _into_list(document: Any, dice: random.Random) -> Any:
    """A list has an entry that it should not have, or all of them do."""
    lists = (
        [holder[key] for holder, key in _places(document) if isinstance(holder[key], list)]
        if isinstance(document, (dict, list))
        else []
    )
    if lists:
        chosen = dice.choice(lists)
        match dice.randrange(4):
            case 0:
                chosen[:] = [None] * len(chosen)
            case 1:
                chosen.reverse()
            case 2:
                chosen[:] = chosen[: dice.randrange(len(chosen) + 1)]
            case _:
                chosen.insert(dice.randrange(len(chosen) + 1), copy.deepcopy(dice.choice(VALUES)))
    return document


def _number(document: Any, dice: random.Random) -> Any:
    """A number is another one: an index, a counter, a time stamp."""
    found = (
        [place for place in _places(document) if isinstance(place[0][place[1]], (int, float))]
        if isinstance(document, (dict, list))
        else []
    )
    if found:
        holder, key = dice.choice(found)
        holder[key] = dice.choice(NUMBERS)
    return document


def _swap(document: Any, dice: random.Random) -> Any:
    first, second = _somewhere(document, dice), _somewhere(document, dice)
    if first and second:
        one, other = copy.deepcopy(first[0][first[1]]), copy.deepcopy(second[0][second[1]])
        first[0][first[1]], second[0][second[1]] = other, one
    return document


def _wrap(document: Any, dice: random.Random) -> Any:
    """Something is nested deeper than it should be."""
    place = _somewhere(document, dice)
    if place is None:
        return [document]
    for _ in range(dice.choice((1, 2, 40, 190, 250, 900))):
        place[0][place[1]] = [place[0][place[1]]] if dice.randrange(2) else {"a": place[0][place[1]]}
    return document


def _whole(document: Any, dice: random.Random) -> Any:
    """The document is part of another, or is something else."""
    return dice.choice(
        ([document], {"data": document}, {"error": document}, {"response": document}, {}, [], None, "text", 0)
    )


def _error(document: Any, dice: random.Random) -> Any:
    """An error stands in the answer."""
    told: Any = dice.choice(
        (
            "text",
            1,
            None,
            [],
            {},
            True,
            {"message": None},
            {"message": [HOSTILE]},
            {"code": {}},
            {"message": HOSTILE, "type": 1, "param": [], "code": HUGE},
        )
    )
    if isinstance(document, dict):
        document["error"] = told
        if dice.randrange(2):
            document.pop("choices", None)
    return document


def _tool_calls(document: Any, dice: random.Random) -> Any:
    """Tool calls where there were none, or others."""
    call: dict[str, Any] = {
        "index": dice.choice(NUMBERS),
        "id": dice.choice(("call_1", "", None, 5, [])),
        "type": dice.choice(VALUES),
        "function": dice.choice(
            (None, [], {}, {"name": None}, {"name": "get_weather", "arguments": dice.choice(VALUES)})
        ),
    }
    for holder, key in list(_places(document)) if isinstance(document, (dict, list)) else []:
        if key in ("message", "delta") and isinstance(holder[key], dict):
            holder[key]["tool_calls"] = dice.choice(
                ([call], [call, call], [None, call], call, "x", {}, [[call]])
            )
    return document


CHANGES: tuple[Callable[[Any, random.Random], Any], ...] = (
    _set,
    _set,
    _set,
    _drop,
    _drop,
    _rename,
    _double,
    _into_list,
    _number,
    _number,
    _swap,
    _wrap,
    _whole,
    _error,
    _tool_calls,
)


def _frames(exchange: Exchange, dice: random.Random) -> Exchange:
    """A stream's events are cut, joined, ordered or framed otherwise."""
    body = exchange.body
    frames = [frame for frame in re.split(rb"(?<=\n\n)", body) if frame]
    at = dice.randrange(len(frames) + 1)
    match dice.randrange(18):
        case 0:
            dice.shuffle(frames)
        case 1:
            frames = frames[:at]
        case 2:
            frames = frames[at:]
        case 3:
            frames[at:at] = frames[max(0, at - 1) : at]
        case 4:
            frames = [b"".join(frames).replace(b"\n\n", b"\n")]
        case 5:
            frames = [
                b"".join(frames).replace(b"\n", dice.choice((b"\r\n", b"\r", b"\n\n", b"\n\r", b"\r\r\n")))
            ]
        case 6:
            frames = [
                frame.replace(
                    b"data: ", dice.choice((b"data:", b"data", b"Data: ", b"data : ", b"", b" data: "))
                )
                for frame in frames
            ]
        case 7:
            frames.insert(
                at,
                dice.choice(
                    (b": ping\n\n", b":\n", b"retry: 1e9\n\n", b"id: \x00\n\n", b"\n\n\n", b"event: error\n")
                ),
            )
        case 8:
            frames.insert(at, b"data: [DONE]\n\n")
        case 9:
            frames = [frame for frame in frames if b"[DONE]" not in frame]
        case 10:
            frames.insert(
                at,
                dice.choice(
                    (
                        b"data: null\n\n",
                        b"data: []\n\n",
                        b'data: "x"\n\n',
                        b"data: {}\n\n",
                        b"data\n\n",
                        b"data: {\n\n",
                    )
                ),
            )
        case 11:
            frames.insert(
                at, b'event: error\ndata: {"error": ' + json.dumps(dice.choice(VALUES)).encode() + b"}\n\n"
            )
        case 12:
            frames = [frame.replace(b", ", b",\ndata: ", dice.choice((1, -1))) for frame in frames]
        case 13:
            frames = [b"".join(frames).replace(b"\n\n", b"\n", 1)]
        case 14:
            frames.insert(
                at, b"event: " + dice.choice((b"ping", b"error", b"\xff", b"x" * 3000, b"")) + b"\n"
            )
        case 15:
            frames = [b"[", b",".join(frame[6:].strip() for frame in frames), b"]"]
        case 16:
            frames = [b"".join(frames) * 2]
        case _:
            frames = [frame[:-1] for frame in frames]
    return replace(exchange, body=b"".join(frames))


def _bytes(exchange: Exchange, dice: random.Random) -> Exchange:
    """Bytes are missing, in excess, or others."""
    body = exchange.body
    at = dice.randrange(len(body) + 1)
    until = dice.randrange(at, len(body) + 1)
    odd = dice.choice(
        (
            b"\x00",
            b"\xff\xfe",
            b"\xef\xbb\xbf",
            b"\x80",
            b"\xed\xa0\x80",
            b"\xf0\x9f",
            b"\x1b[2J",
            b"\r",
            b"\n",
            b"\n\n",
            b"NaN",
            b"Infinity",
            b"-",
            b"9" * 5000,
            b"[" * 3000,
            b'"',
            b"\\",
            b"\\ud800",
            b"{",
            b"}",
            b",",
            b"null",
            b"<html>",
            "\u202e\u200b\u2028".encode(),
            KEY.encode(),
            b"\x1f\x8b\x08\x00",
        )
    )
    match dice.randrange(8):
        case 0:
            body = body[:at]
        case 1:
            body = body[at:]
        case 2:
            body = body[:at] + body[until:]
        case 3 | 4:
            body = body[:at] + odd + body[at:]
        case 5:
            body = body[:at] + odd + body[at + len(odd) :]
        case 6:
            body = odd + body if dice.randrange(2) else body + odd
        case _:
            body = dice.choice(
                (
                    b"",
                    odd,
                    b" ",
                    b"null",
                    b"[]",
                    b"{}",
                    b'"text"',
                    b"<html><body>502</body></html>",
                    b"[DONE]",
                    b"data: [DONE]\n\n",
                    body + body,
                    body.decode("utf-8", "replace").encode("utf-16"),
                    b"\n" + body,
                    b")]}'\n" + body,
                    body.upper(),
                    b"[" * 100_000,
                    b'{"a":' * 5000,
                    b"1" * 5000,
                    b"\xff" * 300,
                )
            )
    return replace(exchange, body=body)


def _cut(exchange: Exchange, dice: random.Random) -> Exchange:
    """The answer breaks off."""
    at = dice.randrange(len(exchange.body) + 1)
    return replace(
        exchange,
        body=exchange.body[:at],
        ended=dice.choice(ENDINGS),
        arrivals=tuple(each for each in exchange.arrivals if each[0] <= at),
        error=dice.choice(
            (None, "connection reset", "not answered whole within 60 s: the time was over", HOSTILE)
        ),
    )


def _head(exchange: Exchange, dice: random.Random) -> Exchange:
    """Headers are missing, in excess, twice, or say something else."""
    headers = list(exchange.headers)
    name, value = dice.choice(HEADER_NAMES), dice.choice(HEADER_VALUES)
    match dice.randrange(5):
        case 0:
            headers = [each for each in headers if each[0].lower() != name]
        case 1:
            headers = []
        case 2:
            headers.insert(0, (name.upper(), value))
        case 3:
            headers = [(each, value if each.lower() == name else kept) for each, kept in headers]
        case _:
            headers = [*((each, dice.choice(HEADER_VALUES)) for each, _ in headers), (name, value)] * 2
    return replace(exchange, headers=tuple(headers))


def _status(exchange: Exchange, dice: random.Random) -> Exchange:
    status = dice.choice(STATUSES)
    if status is None:
        return replace(
            exchange,
            status=None,
            headers=(),
            body=b"",
            arrivals=(),
            headers_seconds=None,
            ended="none",
            error=dice.choice(("connection refused", "no byte: the time was over", HOSTILE)),
        )
    return replace(exchange, status=status)


def _times(exchange: Exchange, dice: random.Random) -> Exchange:
    """Everything arrived at once, very late, or nobody noted when."""
    end = len(exchange.body)
    arrivals = dice.choice(
        (
            (),
            ((end, 0.0),),
            ((end, 1e6),),
            tuple((at, 0.0) for at, _ in exchange.arrivals),
            ((0, 0.0), (end + 10, 5.0)),
        )
    )
    return replace(
        exchange,
        arrivals=arrivals,
        headers_seconds=dice.choice((None, 0.0, 1e5)),
        seconds=dice.choice((0.0, 1e-9, 1e6)),
    )


def _other(exchange: Exchange, dice: random.Random) -> Exchange:
    """The answer to something else comes."""
    other = dice.choice(good().run.exchanges)
    return replace(
        exchange, status=other.status, headers=other.headers, body=other.body, arrivals=other.arrivals
    )


_WAYS: tuple[Callable[[Exchange, random.Random], Exchange], ...] = (
    _content,
    _content,
    _content,
    _content,
    _content,
    _content,
    _frames,
    _frames,
    _bytes,
    _bytes,
    _cut,
    _head,
    _status,
    _times,
    _other,
)


# --- judging and telling


class Crash(Exception):
    """What may not happen, with where."""


_SHOWN: tuple[tuple[str, Callable[[TargetRun, TargetRun], str]], ...] = (
    *((name, lambda run, old, write=write: write(_as_run(run))) for name, write in FORMATS.items()),
    ("comparison table", lambda run, old: FORMATS["table"](_as_run(old, run))),
    ("comparison markdown", lambda run, old: FORMATS["markdown"](_as_run(old, run))),
    ("comparison html", lambda run, old: FORMATS["html"](_as_run(old, run))),
    ("verbose", lambda run, old: table_text(_as_run(run), width=100, color=True, verbose=True)),
    ("findings", lambda run, old: findings_text(_as_run(run))),
    (
        "finding",
        lambda run, old: "".join(finding_text(run, each) for each in run.checks if each.exchanges)[:1],
    ),
    ("exchange", lambda run, old: "".join(exchange_text(run, each) for each in run.exchanges[:3])),
    ("diff", lambda run, old: difference_text([difference(old, run)])),
    ("diff markdown", lambda run, old: difference_markdown([difference(old, run)])),
    ("diff json", lambda run, old: difference_json([difference(run, old)])),
    ("incident", lambda run, old: incident_text(incident(run, old)) + incident_markdown(incident(run, None))),
    ("headers", lambda run, old: headers_text(run.exchanges)),
    ("step summary", lambda run, old: step_summary(_as_run(run))),
)
"""Everything that is made of a run: what it is called, and a function of the run and a good one."""

SHOWN: tuple[str, ...] = tuple(name for name, _ in _SHOWN)


def _as_run(*runs: TargetRun) -> Run:
    return Run("0.1.0", "2026-11-22T12:00:00Z", 1.0, runs)


_REDACTOR = Redactor([KEY])


def judged(selection: Selection, settings: Settings, brought: Brought) -> TargetRun:
    """What the checks say of it. Raises Crash where one broke."""
    run = conclude(
        checklist(),
        selection,
        settings,
        good().profile,
        brought,
        today=TODAY,
        redact=_REDACTOR.text,
        redact_value=_REDACTOR.value,
    )
    _refuse_broken(run)
    return run


def _refuse_broken(run: TargetRun) -> None:
    for result in run.checks:
        if BROKE in (result.reason or ""):
            raise Crash(f"{result.id}: {result.reason}")
    for name, missing in run.unasked.items():
        if BROKE in missing.reason:
            raise Crash(f"{name}: {missing.reason}")


def shown(run: TargetRun, name: str) -> str:
    """The run told in one of the forms of SHOWN; it must be text that can be written to a file."""
    text = dict(_SHOWN)[name](run, good().run)
    text.encode("utf-8")
    return text


def one_answer(part: Part, dice: random.Random, form: str | None) -> int:
    """Spoil one answer of a part, judge it with what reads it, and tell it in one form (or none)."""
    id = dice.choice(part.own)
    exchanges = {**part.brought.exchanges, id: _redacted(spoil(part.brought.exchanges[id], dice))}
    selection = dice.choice(part.selections)
    run = judged(selection, part.settings, replace(part.brought, exchanges=exchanges))
    if form is not None:
        shown(run, form)
    return 1


def whole_run(dice: random.Random, form: str) -> int:
    """Spoil some answers of the whole run, judge and tell it; saved and judged again it says the same."""
    exchanges = dict(good().brought.exchanges)
    some = dice.sample(sorted(exchanges), dice.choice((1, 3, 10, 40)))
    for id in some:
        exchanges[id] = _redacted(spoil(exchanges[id], dice))
    run = judged(
        select(checklist(), good().settings), good().settings, replace(good().brought, exchanges=exchanges)
    )
    shown(run, form)
    (saved,) = from_json(to_json(_as_run(run))).runs
    again = rejudge(checklist(), saved, today=TODAY)
    _refuse_broken(again)
    was, now = ({each.id: (each.status, each.case) for each in found.checks} for found in (run, again))
    if was != now:
        raise Crash(
            f"judged again it differs: {[(id, was[id], now.get(id)) for id in was if was[id] != now.get(id)]}"
        )
    return len(some)


def asked_again(part: Part, dice: random.Random, form: str) -> int:
    """Let the probes themselves ask, and get spoilt answers: what they decide by an answer may not break."""
    recorded = {(each.probe, each.part): each for each in good().run.exchanges}
    often = dice.choice((1, 2, 8))
    spoilt = 0

    async def once(
        self: Client, request: Request, probe: str, part: str | None, attempt: int, identity: str
    ) -> Exchange:
        nonlocal spoilt
        self._count += 1
        found = recorded.get((probe, part)) or recorded.get((probe, None)) or recorded["hello", None]
        ground = probe in ("hello", "models_list")
        if dice.randrange(4 * often if ground else often) == 0:
            spoilt += 1
            found = _redacted(spoil(found, dice))
        sent = request.body.decode() if request.body is not None else None
        return replace(
            found,
            id=f"e{self._count}",
            probe=probe,
            part=part,
            attempt=attempt,
            request_body=sent,
            identity=identity,
        )

    with _replayed(once):
        run = _live(part.settings, good().profile)
    _refuse_broken(run)
    shown(run, form)
    hello, listed = (
        next((Reply([each]) for each in run.exchanges if each.probe == name), None)
        for name in ("hello", "models_list")
    )
    if hello and listed:
        keyed = part.settings.model_copy(update={"has_key": True, "context_window": None})
        dead_end(keyed, hello, listed, None)
        with_live_facts(keyed, good().profile, listed)
    return spoilt


@contextmanager
def _replayed(once: Callable[..., Any]) -> Iterator[None]:
    """A client that gets what `once` gives, and waits for nothing."""
    decide = Client._wait_before_next

    def wait(self: Client, exchange: Exchange, request: Request, tries: int) -> float | None:
        return None if decide(self, exchange, request, tries) is None else 0.0

    def heedless(self: Pacer, seconds: float) -> None:
        self._limit = max(1, self._limit)

    with (
        mock.patch.object(Client, "_once", once),
        mock.patch.object(Client, "_wait_before_next", wait),
        mock.patch.object(Pacer, "wait_until", heedless),
    ):
        yield


def _redacted(exchange: Exchange) -> Exchange:
    """As the client keeps it."""
    body = _REDACTOR.data(exchange.body)
    if len(body) != len(exchange.body):
        raise Crash("redaction changed the length of a body")
    headers = tuple((name, _REDACTOR.text(value)) for name, value in exchange.headers)
    return replace(exchange, headers=headers, body=body)


# --- many of them


@dataclass(frozen=True)
class Found:
    """One crash: the number that makes it again, and where it happened."""

    number: int
    what: str
    trace: str


_TOLD = 5
"""Each so many spoilt answers are told, in the next form."""


def fuzz(seed: int, numbers: Sequence[int] | range) -> Iterator[tuple[int, Found | None]]:
    """Spoilt answers, as many as a case of this number holds; each is made by `seed` and its number alone."""
    for number in numbers:
        dice = random.Random(f"{seed}/{number}")
        form = SHOWN[number // _TOLD % len(SHOWN)]
        part = parts()[number % len(parts())]
        try:
            if number % 2000 == 1999:
                yield whole_run(dice, form), None
            elif number % 200 == 199:
                yield asked_again(part, dice, form), None
            else:
                yield one_answer(part, dice, form if number % _TOLD == 0 else None), None
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [each for each in frames if "llmcompat" in each.filename or "/checks/" in each.filename]
            where = f"{ours[-1].filename}:{ours[-1].lineno}" if ours else ""
            yield (
                1,
                Found(number, f"{type(error).__name__} {where} {str(error)[:300]}", traceback.format_exc()),
            )
