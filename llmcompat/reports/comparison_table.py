"""Several targets beside each other on a terminal: verdicts and figures, the matrix of checks, the facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from llmcompat.model import Run
from llmcompat.reports.comparison import (
    NOT_RUN,
    Cell,
    Comparison,
    Fact,
    Folded,
    Published,
    Row,
    comparison,
    fact_words,
    glance,
)
from llmcompat.reports.escape import one_line
from llmcompat.reports.rendering import heading, pairs, say

_SHORT = {"warning": "warn", "no answer": "?", "skip": "—", "to decide": "decide", NOT_RUN: "·"}
_MEANING = {
    "?": "no answer",
    "—": "set aside",
    "decide": "a person decides",
    "·": "not chosen in this run",
}
_STYLES = {
    "FAIL": "bold red",
    "warn": "yellow",
    "accepted": "yellow",
    "?": "magenta",
    "pass": "green",
    "decide": "cyan",
}
_KNOWN = "*"

_GAP = 3
"""Columns between two columns of a table."""
_LEAST_WORD = 8
"""Columns that the longest word of the matrix takes."""
_LEAST_FIGURE = 12
_MOST_LABEL = 80
_MOST_REMARK = 600
_MOST_FACT = 400
_MOST_REASON = 160


def comparison_parts(run: Run) -> Iterator[RenderableType]:
    """The comparison of a run's targets as renderables, one below the other."""
    compared = comparison(run)
    yield heading(f"Comparison of {len(compared.columns)} targets")
    for remark in compared.remarks:
        yield pairs([("-", say(one_line(remark, _MOST_REMARK)))], indent=0)
    yield Text()
    yield _Beside(
        "at a glance",
        compared.labels,
        [(say(name), [_figure(text) for text in texts]) for name, texts in glance(compared)],
        least=_LEAST_FIGURE,
    )
    yield heading("Where they fail or differ")
    if rows := list(_matrix(compared)):
        yield _Beside("check", compared.labels, rows, least=_LEAST_WORD)
        yield say(_legend(compared), "dim")
    else:
        yield say("  nowhere: no check failed at any of them")
    if compared.alike:
        yield heading("The same at all" + _heard(compared))
        yield pairs([(one_line(title, 30), say(counts)) for title, counts in compared.alike])
    yield from _facts(compared)


def _matrix(compared: Comparison) -> Iterator[tuple[Text, list[Text]]]:
    for row in compared.single:
        yield say(row.id), [_word(cell) for cell in row.cells]
    for folded in compared.folded:
        yield say(one_line(folded.what, _MOST_REASON), "dim"), [_word(cell) for cell in folded.cells]


def _word(cell: Cell) -> Text:
    short = _SHORT.get(cell.word, cell.word)
    return Text(short + (_KNOWN if cell.known else ""), style=_STYLES.get(short, ""), overflow="fold")


def _legend(compared: Comparison) -> str:
    told: tuple[Row | Folded, ...] = (*compared.single, *compared.folded)
    cells = [cell for row in told for cell in row.cells]
    shown = {_SHORT.get(cell.word, cell.word) for cell in cells}
    meanings = [f"{_KNOWN} documented in the profile"] * any(cell.known for cell in cells)
    meanings += [f"{short} {meaning}" for short, meaning in _MEANING.items() if short in shown]
    return "; ".join(meanings)


def _heard(compared: Comparison) -> str:
    silent = sum(column.silent for column in compared.columns)
    return " that answered" if 0 < silent < len(compared.columns) else ""


_FIGURE_STYLES = {
    "incompatible": "bold red",
    "compatible with limitations": "yellow",
    "compatible": "green",
    "no answer": "magenta",
}


def _figure(text: str) -> Text:
    bare = text.removesuffix(" (decides)").removesuffix(", incomplete")
    return say(one_line(text, _MOST_LABEL), _FIGURE_STYLES.get(bare, ""))


def _facts(compared: Comparison) -> Iterator[RenderableType]:
    yield heading("Published facts that differ (not measured)")
    if compared.facts_missing:
        names = ", ".join(compared.facts_missing)
        yield say(f"  no profile stands in the run of {one_line(names, _MOST_REMARK)}: all unknown")
    if len(compared.facts_missing) == len(compared.columns):
        return
    for fact in compared.differing_facts:
        yield Padding(say(one_line(fact_words(fact.name), 60), "bold"), (0, 0, 0, 2))
        yield from _fact(compared.labels, fact)
    same = [fact for fact in compared.facts if not fact.differs]
    known = [fact_words(fact.name) for fact in same if fact.published[0]]
    unknown = [fact_words(fact.name) for fact in same if not fact.published[0]]
    if known:
        yield say(f"  the same at all: {one_line(', '.join(known), _MOST_REMARK)}")
    if unknown:
        yield say(f"  unknown of all: {one_line(', '.join(unknown), _MOST_REMARK)}")


def _fact(labels: Sequence[str], fact: Fact) -> Iterator[RenderableType]:
    """What is published, each with the targets of which it is said."""
    told: dict[Published | None, list[str]] = {}
    for label, published in zip(labels, fact.published, strict=True):
        told.setdefault(published, []).append(one_line(label, _MOST_LABEL))
    for published, names in told.items():
        start = f"{', '.join(names)}: "
        if published is None:
            yield Padding(say(f"{start}unknown"), (0, 0, 0, 4))
            continue
        source = published.sources[0] if published.sources else "no source given"
        remarks = one_line(", ".join(published.remarks), 300)
        yield Padding(say(f"{start}{one_line(published.value, _MOST_FACT)} ({remarks})"), (0, 0, 0, 4))
        yield Padding(say(one_line(source, _MOST_FACT), "dim"), (0, 0, 0, 6))


class _Beside:
    """A table with one column a target, in as many blocks of columns as the width needs: nothing is cut."""

    def __init__(
        self, title: str, labels: Sequence[str], rows: Sequence[tuple[Text, Sequence[Text]]], *, least: int
    ) -> None:
        self._title, self._labels, self._rows, self._least = title, labels, rows, least

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield a table for each block, in the width that the console has."""
        width, number = options.max_width, len(self._labels)
        first = min(max(len(self._title), *(text.cell_len for text, _ in self._rows)), max(1, width // 2))
        fitting = max(1, (width - first) // (self._least + _GAP))
        blocks = -(-number // fitting)
        size = -(-number // blocks)
        room = max(1, (width - first) // size - _GAP)
        for start in range(0, number, size):
            if start:
                yield Text()
            yield self._block(range(start, min(start + size, number)), first, room)

    def _block(self, places: range, first: int, room: int) -> Table:
        grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
        grid.add_column(self._title, overflow="fold", width=first)
        for place in places:
            label = say(one_line(self._labels[place], _MOST_LABEL))
            longest = max(label.cell_len, *(texts[place].cell_len for _, texts in self._rows))
            grid.add_column(label, overflow="fold", width=min(room, max(longest, self._least)))
        for text, texts in self._rows:
            grid.add_row(text, *(texts[place] for place in places))
        return grid
