"""An incident told twice: short for whoever was woken by it, and as a document for the provider's support."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from llmcompat.engine.difference import Kind
from llmcompat.engine.incident import Asked, Incident
from llmcompat.model import Exchange, Level, Result, Status, TargetRun
from llmcompat.reports.escape import markdown, markdown_block, markdown_code, one_line, terminal
from llmcompat.reports.rendering import heading, pairs, say, to_text

_MOST = 6
"""Checks that are named on the terminal; the bundle names all."""

_SEEN = 160
"""Characters of what a check saw."""

_SLOWER, _SLOWER_BY = 3.0, 1.0
"""Times and seconds: what is more than both is no chance."""

_EXCERPT = 2000
"""Characters of an answer's body in the document for support."""

_COOKIES = ("set-cookie", "cookie")


def answered(asked: Asked) -> bool:
    """Whether a request ended as it should: whole with 200, or, where that was asked for, with a refusal."""
    exchange = asked.exchange
    if exchange.status is None or exchange.ended == "cut":
        return False
    refusal = exchange.probe == "unknown_model"
    return 400 <= exchange.status < 500 if refusal else 200 <= exchange.status < 300


def slow(asked: Asked) -> bool:
    """Whether a request took three times as long as in the last green run, and a second longer."""
    before, now = asked.seconds_before, asked.exchange.seconds
    return before is not None and now > _SLOWER * before and now - before > _SLOWER_BY


def broken(incident: Incident) -> list[Result]:
    """The checks that fail and weigh: what breaks a client."""
    return [
        result
        for result in incident.run.checks
        if result.status is Status.FAIL and result.level is Level.MUST and not result.accepted
    ]


def headline(incident: Incident) -> str:
    """What works and what does not, in one line."""
    bad = [asked.what for asked in incident.asked if not answered(asked)]
    good = [asked.what for asked in incident.asked if answered(asked)]
    if not incident.asked:
        return f"nothing was asked: {incident.run.stopped or 'the run ended before'}"
    if bad:
        works = f"; works: {', '.join(good)}" if good else ""
        return f"does not work: {', '.join(bad)}{works}"
    late = [asked.what for asked in incident.asked if slow(asked)]
    slowly = f"; slow: {', '.join(late)}" if late else ""
    if failing := broken(incident):
        number = f"{len(failing)} {'check fails' if len(failing) == 1 else 'checks fail'}"
        return f"all {len(good)} requests were answered, and {number} on what came{slowly}"
    if late:
        return f"all {len(good)} requests were answered{slowly}"
    return f"works: all {len(good)} requests were answered as they should be"


def incident_text(incident: Incident, *, width: int | None = None, color: bool = False) -> str:
    """The incident for a terminal: short, without anything that nobody needs at three in the morning."""
    run = incident.run
    parts: list[RenderableType] = [
        say(one_line(f"{_name(run)}: {headline(incident)}", 400), "bold"),
        say(one_line(f"{run.target.model} at {run.target.base_url}, {_moment(run.started_at)}", 400), "dim"),
        Text(),
        _requests(incident),
    ]
    if run.stopped:
        parts.append(say(one_line(f"Ended early: {run.stopped}", 400)))
    parts.append(heading(_since(incident)))
    parts.extend(say(f"  {line}") for line in _changed(incident))
    if incident.status is not None:
        parts += [heading("Status page"), say(f"  {one_line(_status(incident), 400)}")]
    parts += [heading("Who can help"), pairs((name, say(text)) for name, text in _help(incident))]
    if rows := list(_ids(incident)):
        parts += [heading("Request ids"), pairs((name, say(one_line(text, 300))) for name, text in rows)]
    return to_text(Group(*parts), width=width, color=color)


def incident_markdown(incident: Incident) -> str:
    """The incident as a document to paste into a ticket at the provider."""
    run = incident.run
    blocks = [
        f"# Incident report: {markdown(_name(run))}",
        markdown(f"{headline(incident)}.".capitalize()),
        "\n".join(
            f"- {name}: {value}"
            for name, value in (
                ("Endpoint", markdown_code(run.target.base_url)),
                ("Model", markdown_code(run.target.model)),
                ("Asked", markdown(_moment(run.started_at))),
                (
                    "Last green run",
                    markdown(_moment(incident.green.started_at) if incident.green else "none known"),
                ),
                *((("Status page", markdown(_status(incident))),) if incident.status else ()),
            )
        ),
        "## Requests",
    ]
    for asked in incident.asked:
        blocks += list(_request_document(asked))
    for what in incident.not_asked:
        blocks.append(markdown(f"Not asked, as plain chat did not work: {what}."))
    if failing := broken(incident):
        blocks.append("## What fails")
        blocks.append("\n".join(_failure_document(incident, result) for result in failing))
    blocks.append(
        "Keys and cookies are masked. Requests and answers are whole in `run.json`, headers in `headers.txt`."
    )
    return "\n\n".join(blocks) + "\n"


def headers_text(exchanges: Iterable[Exchange]) -> str:
    """Every request and the headers that came back, as plain text; keys are masked in them already."""
    blocks = []
    for exchange in exchanges:
        status = exchange.status if exchange.status is not None else f"no answer ({exchange.error})"
        rows = [f"{exchange.started_at} {exchange.method} {exchange.url}"]
        rows += [f"> {name}: {value}" for name, value in exchange.request_headers]
        rows.append(f"< {status}, {exchange.seconds:.3f} s, {exchange.ended}")
        rows += [f"< {name}: {value}" for name, value in exchange.headers]
        blocks.append("\n".join(terminal(row) for row in rows))
    return "\n\n".join(blocks) + "\n"


def without_cookies(run: TargetRun) -> TargetRun:
    """The run with the cookies masked that answers set: they may open a session."""

    def masked(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple((name, "[cookie]" if name.lower() in _COOKIES else value) for name, value in headers)

    return replace(
        run,
        exchanges=tuple(
            replace(each, headers=masked(each.headers), request_headers=masked(each.request_headers))
            for each in run.exchanges
        ),
    )


def _name(run: TargetRun) -> str:
    return str(run.profile.get("display_name") or run.target.provider)


def _moment(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except ValueError:
        return text


def _requests(incident: Incident) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=True)
    for _ in range(3):
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", ratio=1)
    for asked in incident.asked:
        exchange = asked.exchange
        good = answered(asked)
        status = str(exchange.status) if exchange.status is not None else "none"
        before = (
            f"{asked.seconds_before:.2f} s in the last green run" if asked.seconds_before is not None else ""
        )
        remark = before if good or not exchange.error else one_line(exchange.error, 200)
        word = "BAD" if not good else "SLOW" if slow(asked) else "ok"
        cells = [say(f"  {asked.what}"), say(f"{status} {word}", "" if word == "ok" else "bold red")]
        grid.add_row(*cells, say(f"{exchange.seconds:.2f} s"), say(remark, "dim"))
    for what in incident.not_asked:
        grid.add_row(say(f"  {what}"), say("not asked", "dim"), Text(), Text())
    return grid


def _since(incident: Incident) -> str:
    if incident.green is None:
        return "What fails (no green run of this target is known)"
    return f"Since the last green run, {_moment(incident.green.started_at)}"


_WORDS = {
    Kind.BROKE: "broke",
    Kind.NEW: "fails",
    Kind.OTHER: "fails otherwise",
    Kind.LOST: "no answer",
    Kind.HEALED: "healed",
}


def _changed(incident: Incident) -> Iterator[str]:
    """The checks that tell of the incident, the worst first."""
    if incident.green is None:
        rows = [f"fails: {_told(result)}" for result in broken(incident)]
    else:
        weighty = [each for each in incident.changes if each.kind is not Kind.LOST]
        rows = [f"{_WORDS[change.kind]}: {_told(change.result)}" for change in weighty]
        if lost := len(incident.changes) - len(weighty):
            rows.append(f"no answer any more: {lost} {'check' if lost == 1 else 'checks'}")
    yield from rows[:_MOST]
    if len(rows) > _MOST:
        yield f"and {len(rows) - _MOST} more, in the bundle"
    if rows:
        return
    if incident.run.stopped:
        yield "nothing was judged, as plain chat did not work"
    else:
        yield "nothing changed" if incident.green is not None else "no check that breaks a client"


def _told(result: Result) -> str:
    seen = f" (seen: {one_line(result.seen, _SEEN)})" if result.seen and result.status is Status.FAIL else ""
    return f"{result.id}, {one_line(result.title, 200)}{seen}"


def _status(incident: Incident) -> str:
    page = incident.status
    assert page is not None
    return (
        f"{page.said} ({page.url})" if page.said is not None else f"{page.reason}; look yourself: {page.url}"
    )


_PAGES = {401: "keys", 402: "alerts", 403: "keys", 429: "limits"}
"""The page that goes before support, by the status of plain chat."""


def _help(incident: Incident) -> Iterator[tuple[str, str]]:
    pages = incident.run.profile.get("pages")
    known = pages if isinstance(pages, dict) else {}
    chat = next((each.exchange.status for each in incident.asked if each.exchange.probe == "hello"), None)
    first = _PAGES.get(chat or 0)
    if first is not None and known.get(first):
        yield f"first ({chat})", str(known[first])
    document = incident.run.profile.get("document")
    docs = document.get("docs_url") if isinstance(document, dict) else None
    yield "support", f"send them the bundle{f'; found from {docs}' if docs else ''}"
    if known.get("status"):
        yield "status", str(known["status"])


def _ids(incident: Incident) -> Iterator[tuple[str, str]]:
    for asked in incident.asked:
        exchange = asked.exchange
        ids = ", ".join(f"{name} {value}" for name, value in asked.ids) or "none was sent"
        yield asked.what, f"{_clock(exchange.started_at)}, {exchange.status or 'no answer'}: {ids}"


def _clock(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone(UTC).strftime("%H:%M:%S UTC")
    except ValueError:
        return text


def _request_document(asked: Asked) -> Iterator[str]:
    exchange = asked.exchange
    yield f"### {markdown(asked.what.capitalize())}"
    status = str(exchange.status) if exchange.status is not None else f"no answer: {exchange.error}"
    rows = [f"- Sent: {markdown(exchange.started_at)}, {exchange.method} {markdown_code(exchange.url)}"]
    took = f"{exchange.seconds:.2f} s"
    if asked.seconds_before is not None:
        took += f" ({asked.seconds_before:.2f} s in the last green run)"
    rows.append(f"- Answer: {markdown(status)} after {took}, body {exchange.ended}")
    rows += [f"- {markdown(name)}: {markdown_code(value)}" for name, value in asked.ids]
    yield "\n".join(rows)
    if not answered(asked) and exchange.body:
        text = exchange.body[: 4 * _EXCERPT].decode(errors="replace")
        yield markdown_block(text[:_EXCERPT])


def _failure_document(incident: Incident, result: Result) -> str:
    held = any(change.kind is Kind.BROKE and change.result.id == result.id for change in incident.changes)
    since = f" It held on {_moment(incident.green.started_at)}." if held and incident.green else ""
    expected = f" Expected: {result.expected}." if result.expected else ""
    seen = f" Seen: {one_line(result.seen, 400)}." if result.seen else ""
    return f"- {markdown_code(result.id)}: {markdown(f'{result.title}{expected}{seen}{since}')}"
