"""One finding with its exchanges for a terminal: each request as curl, its answer, a stream's time line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from llmcompat.model import Exchange, Result, Run, TargetRun
from llmcompat.reports import lines
from llmcompat.reports.curl import curl, key_variable
from llmcompat.reports.escape import one_line, shorten, terminal
from llmcompat.reports.rendering import heading, pairs, say, to_text
from llmcompat.reports.table import opened
from llmcompat.wire.sse import Block, parse

MOST_EXCHANGES = 3
"""Exchanges of one finding that are shown where several findings are."""

_MOST_EXCHANGES_ALONE = 8
_MOST_CURL = 6000
"""Characters of a command within a finding; one exchange alone is shown with all of it."""

_MOST_ROWS = 60
_MOST_BODY = 6000
_MOST_HEADERS = 40
_MOST_TEXT = 2000
_FIRST_EVENTS, _LAST_EVENTS = 6, 4
_MOST_EVENT = 240
_REPEATED, _LEAD = 60, 24
"""Characters that an event shares with the one before, from which on they are left out, and those kept."""


def finding_text(
    run: TargetRun, result: Result, *, width: int | None = None, color: bool = False, file: str = "RUN.json"
) -> str:
    """One finding in full, with the exchanges that show it; `file` is what its hints call the saved run."""
    shown = opened(result, run.reference, beside=_beside(result))
    parts: list[RenderableType] = [_target(run), Text(), shown]
    said = to_text(Group(*parts), width=width, color=color)
    return said + _exchanges(
        run, result, most=_MOST_EXCHANGES_ALONE, width=width, color=color, file=file, headers=True
    )


def findings_text(run: Run, *, width: int | None = None, color: bool = False) -> str:
    """The exchanges of everything that failed in a run, bounded for each finding; "" where nothing failed."""
    text = ""
    for target_run in run.runs:
        for result in lines.failing(target_run):
            name = f" on {target_run.target.provider} {target_run.target.model}" if len(run.runs) > 1 else ""
            title = heading(f"Exchanges of {result.id}{one_line(name, 120)}")
            text += "\n" + to_text(title, width=width, color=color)
            text += _exchanges(target_run, result, most=MOST_EXCHANGES, width=width, color=color)
    return text


def exchange_text(
    run: TargetRun, exchange: Exchange, *, width: int | None = None, color: bool = False
) -> str:
    """One exchange in full, with the checks that name it."""
    named = [result.id for result in run.checks if exchange.id in result.exchanges]
    parts: list[RenderableType] = [_target(run)]
    if named:
        parts.append(pairs([("checks", say(shorten(", ".join(named), _MOST_TEXT)))], indent=0))
    said = to_text(Group(*parts), width=width, color=color)
    return said + _exchange(run, exchange, width=width, color=color, headers=True)


def _target(run: TargetRun) -> RenderableType:
    target = run.target
    first = one_line(f"{target.provider}: {target.model}, {target.base_url}", 400)
    if run.simulated:
        again = one_line(f"llmcompat serve --like {target.provider}", 100)
        gone = say(f"Its address is gone; `{again}` plays it again.", "dim")
        return Group(say(first, "dim"), say(f"SIMULATED: {lines.SIMULATED}.", "bold yellow"), gone)
    return say(first, "dim")


def _beside(result: Result) -> list[tuple[str, RenderableType]]:
    """What a finding alone says beyond what the table says of it."""
    levels = ", ".join(f"{level} for {use_case}" for use_case, level in result.levels.items())
    rows: list[tuple[str, RenderableType]] = [("why", say(one_line(result.why, _MOST_TEXT)))]
    rows.append(("item", say(f"{result.item}; {result.kind}; {levels}")))
    if result.reason:
        rows.append(("reason", say(one_line(result.reason, _MOST_TEXT))))
    if result.blocked_by:
        rows.append(("waits for", say(result.blocked_by)))
    # the first is told where nothing is known from the profile
    sources = result.sources if result.known is not None else result.sources[1:]
    rows.extend(("met at", say(one_line(source, 300))) for source in sources)
    if outcomes := [f"{each.client} {each.version} {each.outcome}" for each in result.breaks]:
        rows.append(("clients", say(one_line(", ".join(outcomes), _MOST_TEXT))))
    if signed := result.signature:
        note = f": {signed.note}" if signed.note else ""
        rows.append(("signed", say(one_line(f"by {signed.by} on {signed.on}{note}", _MOST_TEXT))))
    if result.facts_hash:
        rows.append(("facts", say(one_line(result.facts_hash, 120))))
    for name, fact in result.facts.items():
        rows.append(("measured", say(one_line(f"{name.replace('_', ' ')} {lines.figure(fact)}", 300))))
    return rows


def _exchanges(
    run: TargetRun,
    result: Result,
    *,
    most: int,
    width: int | None,
    color: bool,
    file: str = "RUN.json",
    headers: bool = False,
) -> str:
    known = {exchange.id: exchange for exchange in run.exchanges}
    ids = [id for id in result.exchanges if id in known]
    if not ids:
        return to_text(say("\n  it names no exchange of this run", "dim"), width=width, color=color)
    text = "".join(
        _exchange(run, known[id], width=width, color=color, headers=headers, most_curl=_MOST_CURL, file=file)
        for id in ids[:most]
    )
    if len(ids) > most:
        rest = shorten(", ".join(ids[most:]), 400)
        hint = f"{len(ids) - most} more: {rest}; llmcompat show {file} ID shows one"
        text += "\n" + to_text(say(hint, "dim"), width=width, color=color)
    return text


def _exchange(
    run: TargetRun,
    exchange: Exchange,
    *,
    width: int | None,
    color: bool,
    headers: bool,
    most_curl: int | None = None,
    file: str = "RUN.json",
) -> str:
    def shown(*parts: RenderableType) -> str:
        return to_text(Group(*parts), width=width, color=color) if parts else ""

    part = f", {exchange.part}" if exchange.part else ""
    attempt = f", try {exchange.attempt}" if exchange.attempt != 1 else ""
    first = f"Exchange {exchange.id}: {exchange.probe}{part}{attempt}, {exchange.started_at}"
    command = curl(exchange, key_variable(run, exchange))
    if most_curl is not None and len(command) > most_curl:
        whole = f"llmcompat show {terminal(file)} {terminal(exchange.id)} prints it"
        command = f"# the command has {len(command) / 1000:.0f} thousand characters: {whole}"
    # not through the terminal library: a line that it folds could not be pasted
    request = f"{command}\n"
    return (
        f"\n{shown(say(one_line(first, 200), 'bold'))}{request}\n{shown(*_answer(exchange, headers=headers))}"
    )


def _answer(exchange: Exchange, *, headers: bool) -> Iterator[RenderableType]:
    yield say(_status_line(exchange), "bold")
    if exchange.error:
        yield say(f"  {one_line(exchange.error, _MOST_TEXT)}")
    if headers and exchange.headers:
        for name, value in exchange.headers[:_MOST_HEADERS]:
            yield Padding(say(f"{one_line(name, 80)}: {one_line(value, 400)}"), (0, 0, 0, 2))
        if len(exchange.headers) > _MOST_HEADERS:
            yield say(f"  … {len(exchange.headers) - _MOST_HEADERS} headers more", "dim")
    if not exchange.body:
        if exchange.status is not None:
            yield say("  no body", "dim")
        return
    media_type = (exchange.header("content-type") or "").partition(";")[0].strip().lower()
    blocks = parse(exchange.body) if media_type == "text/event-stream" else []
    yield from _time_line(exchange, blocks) if blocks else _body(exchange.body)


def _status_line(exchange: Exchange) -> str:
    if exchange.status is None:
        return f"no answer after {exchange.seconds:.3f} s"
    end = {
        "complete": "complete",
        "cut": "cut off by the other side",
        "bounded": "longer than what is kept of an answer",
        "none": "without an end",
    }[exchange.ended]
    begun = "" if exchange.headers_seconds is None else f"headers after {exchange.headers_seconds:.3f} s, "
    return f"{exchange.status} after {exchange.seconds:.3f} s; {begun}{len(exchange.body)} bytes, {end}"


def _body(body: bytes) -> Iterator[RenderableType]:
    """The body as it is read best: JSON with a line a value, other text as it stands."""
    # a body may be megabytes long, and no more than its beginning is shown
    text = body.decode(errors="replace")
    if blank := len(text) - len(text.lstrip(" \t\r\n\ufeff")):
        many = "character" if blank == 1 else "characters"
        yield say(f"  (it begins with {blank} {many} of white space)", "dim")
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = text.strip("\r\n")
    rows = text[:_MOST_BODY].split("\n")
    for row in rows[:_MOST_ROWS]:
        yield Padding(say(terminal(row)), (0, 0, 0, 2))
    if len(rows) > _MOST_ROWS or len(text) > _MOST_BODY:
        yield say(f"  … {text.count(chr(10)) + 1} lines, {len(text)} characters in all", "dim")


def _time_line(exchange: Exchange, blocks: Sequence[Block]) -> Iterator[RenderableType]:
    """When a stream's events came, and the longest wait between two of them."""
    seconds = _arrivals(exchange, [block.end for block in blocks])
    figures = [f"{len(blocks)} {'event' if len(blocks) == 1 else 'events'}"]
    if exchange.arrivals:
        figures.append(f"first bytes after {exchange.arrivals[0][1]:.3f} s")
    figures.append(f"last event after {seconds[-1]:.3f} s")
    gaps = [after - before for before, after in pairwise(seconds)]
    if gaps:
        longest = max(range(len(gaps)), key=gaps.__getitem__)
        figures.append(f"longest gap {gaps[longest]:.3f} s, before event {longest + 2}")
    yield say(f"  {'; '.join(figures)}")
    numbered = list(enumerate(zip(blocks, seconds, strict=True), 1))
    left_out = len(numbered) - _FIRST_EVENTS - _LAST_EVENTS
    shown = numbered if left_out <= 1 else [*numbered[:_FIRST_EVENTS], *numbered[-_LAST_EVENTS:]]
    yield pairs(_event_rows(shown, left_out))


def _event_rows(
    shown: Iterable[tuple[int, tuple[Block, float]]], left_out: int
) -> list[tuple[str, RenderableType]]:
    rows: list[tuple[str, RenderableType]] = []
    before = ""
    for number, (block, seconds) in shown:
        if left_out > 1 and len(rows) == _FIRST_EVENTS:
            rows.append(("…", say(f"{left_out} events more", "dim")))
        event = _event(block)
        same = _shared(before, event)
        told = f"…{event[same - _LEAD :]}" if same > _REPEATED and same < len(event) else event
        before = event if block.data is not None else before
        rows.append((f"{number:>3}  {seconds:.3f} s", say(one_line(told, _MOST_EVENT))))
    return rows


def _shared(before: str, event: str) -> int:
    """How many characters both begin with."""
    differ = (place for place, pair in enumerate(zip(before, event, strict=False)) if pair[0] != pair[1])
    return next(differ, min(len(before), len(event)))


def _event(block: Block) -> str:
    """An event in a line: its name where it has one, its data, or its comments where it has none."""
    said = [f"event {block.event}:"] if block.framing.event else []
    if block.data is not None:
        said.append(block.data)
    else:
        said += [f"(comment) {comment}" for comment in block.framing.comments] or ["(no data)"]
    if not block.finished:
        said.append("(not finished)")
    return " ".join(said)


def _arrivals(exchange: Exchange, ends: Sequence[int]) -> list[float]:
    """For each offset, when the byte before it had arrived, in seconds since the request was sent."""
    found, position = [], 0
    for end in ends:
        while position < len(exchange.arrivals) and exchange.arrivals[position][0] < end:
            position += 1
        here = position < len(exchange.arrivals)
        found.append(exchange.arrivals[position][1] if here else exchange.seconds)
    return found
