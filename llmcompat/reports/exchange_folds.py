"""The evidence in a Markdown document: requests and answers, shortened and folded in `<details>`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llmcompat.model import Exchange, Result, TargetRun
from llmcompat.reports import lines
from llmcompat.reports.escape import html, markdown_block, shorten
from llmcompat.reports.escape import markdown as words

_MOST_TITLE = 600
_MOST_URL = 500
_MOST_REQUEST = 1500
_MOST_ANSWER = 2000
_MOST_NAMED = 6
_EXCHANGES_A_CHECK = 2
_AROUND = 300
"""Characters that the comments around a fold may take."""


@dataclass(frozen=True)
class Fold:
    """What shows one failure, or one exchange."""

    name: str
    """The check's id, or the exchange's."""
    text: str


def failures(run: TargetRun, most: int) -> tuple[list[Fold], int]:
    """A fold for each failure, `most` characters in all, and how many more failures have evidence."""
    exchanges = {exchange.id: exchange for exchange in run.exchanges}
    folds, left_out = [], 0
    for result in lines.failing(run):
        if not result.exchanges:
            continue
        text = _failure(result, [exchanges[id] for id in result.exchanges if id in exchanges])
        if len(text) + _AROUND > most:
            left_out += 1
            continue
        most -= len(text) + _AROUND
        folds.append(Fold(result.id, text))
    return folds, left_out


def every(run: TargetRun) -> Iterator[Fold]:
    """A fold for each exchange, with the checks that judged it, those that failed first."""
    failing = lines.failing(run)
    read: dict[str, list[str]] = {}
    for result in failing:
        for id in result.exchanges:
            read.setdefault(id, []).append(f"{lines.outcome_word(result)} {result.id}")
    for result in run.checks:
        if result not in failing:
            for id in result.exchanges:
                read.setdefault(id, []).append(result.id)
    for exchange in run.exchanges:
        names = read.get(exchange.id, [])
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        judged = f": {', '.join(names[:_MOST_NAMED])}{more}" if names else ""
        title = f"{exchange.id} {exchange.probe}{judged}"
        yield Fold(exchange.id, _fold(title, list(_exchange(exchange))))


def _failure(result: Result, exchanges: list[Exchange]) -> str:
    shown = [part for exchange in exchanges[:_EXCHANGES_A_CHECK] for part in _exchange(exchange)]
    more = len(exchanges) - _EXCHANGES_A_CHECK
    if more > 0:
        shown.append(f"{more} more in the JSON run.")
    return _fold(f"{result.id}: {result.title}", shown)


def _fold(title: str, parts: list[str]) -> str:
    summary = html(shorten(" ".join(title.split()), _MOST_TITLE))
    return "\n\n".join([f"<details>\n<summary>{summary}</summary>", *parts, "</details>"])


def _exchange(exchange: Exchange) -> Iterator[str]:
    """The request and the answer, both short."""
    address = f"{exchange.method} {shorten(exchange.url, _MOST_URL)}"
    if exchange.status is None:
        answer = f"no answer: {exchange.error or 'no reason is known'}"
    else:
        kind = exchange.header("content-type")
        head = f"{exchange.status}\n" + (f"content-type: {shorten(kind, 200)}\n" if kind else "")
        # bytes beyond what is shown need not be decoded
        near = exchange.body[: 8 * _MOST_ANSWER].decode("utf-8", "backslashreplace")
        answer = head + "\n" + shorten(near, _MOST_ANSWER)
        if exchange.error:
            answer += f"\n\n{exchange.error}"
    part = f", {words(exchange.part)}" if exchange.part else ""
    asked = f"{words(exchange.probe)}{part}, attempt {exchange.attempt}"
    yield f"{words(exchange.id)}: {asked}, {exchange.seconds:.2f} s"
    yield markdown_block(f"{address}\n\n{shorten(exchange.request_body or '', _MOST_REQUEST)}")
    yield markdown_block(answer)
