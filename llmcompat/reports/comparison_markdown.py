"""Several targets beside each other as one Markdown document, short enough for a ticket."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass

from llmcompat.model import Result, Run
from llmcompat.reports import lines
from llmcompat.reports.comparison import (
    Cell,
    Column,
    Comparison,
    Fact,
    Published,
    comparison,
    fact_words,
    glance,
)
from llmcompat.reports.escape import html, markdown_code, markdown_labelled, markdown_link, shorten
from llmcompat.reports.escape import markdown as words

MOST_CHARACTERS = 60_000
"""Of a document: a ticket holds some 65,000."""

_MOST_MATRIX = 20_000
_MOST_FACTS = 10_000
_MOST_REMARKS = 5_000
_MOST_FOLDED_IDS = 3_000
_MOST_REMARK = 600
_MOST_LABEL = 60
_MOST_TITLE = 200
_MOST_SEEN = 300
_MOST_TEXT = 400
_SLACK = 400
"""Characters for headings that are not counted."""
_FRAME = 120
"""Characters around what fails at one target."""

_WORDS = {"FAIL": "**FAIL**", "skip": "—", "to decide": "a person decides"}


def comparison_markdown(run: Run) -> str:
    """The comparison of a run's targets: figures, matrix, facts, and what fails at each folded below."""
    compared = comparison(run)
    names = [_words(label, _MOST_LABEL) for label in compared.labels]
    remarks = [f"- {_words(remark, _MOST_REMARK)}" for remark in compared.remarks]
    blocks = [
        f"# Comparison: {_and(names)}",
        _within(remarks, _MOST_REMARKS),
        "\n".join(_table(["", *names], _glance(compared))),
        "## Where they fail or differ",
    ]
    facts = "\n\n".join(_facts(compared, names))
    alike = "\n\n".join(_alike(compared))
    end = f"llmcompat {_words(run.tool_version, _MOST_LABEL)}, {_words(run.started_at, _MOST_LABEL)}"
    # with all its links it is longest: what is left then is for what fails
    every = {_anchor(place, row.id) for row in compared.single for place in range(len(names))}
    style = _style(compared, names, every)
    matrix = "\n\n".join(_matrix(compared, names, style, every))
    taken = sum(len(block) + 2 for block in (*blocks, matrix, alike, facts, end))
    findings, anchors = _findings(compared, MOST_CHARACTERS - _SLACK - taken)
    matrix = "\n\n".join(_matrix(compared, names, style, anchors))
    return "\n\n".join(block for block in (*blocks, matrix, alike, facts, findings, end) if block) + "\n"


def _glance(compared: Comparison) -> Iterator[list[str]]:
    for name, texts in glance(compared):
        cells = [_words(text, _MOST_LABEL) for text in texts]
        if name == "prices from":
            cells = [_price_source(column) for column in compared.columns]
        elif name == "context window":
            cells = [
                f"{cell} {_origin(column.context_source)}".rstrip()
                for cell, column in zip(cells, compared.columns, strict=True)
            ]
        elif any(name == column.run.use_case for column in compared.columns):
            cells = [
                f"**{cell}**" if name == column.run.use_case else cell
                for cell, column in zip(cells, compared.columns, strict=True)
            ]
        yield [_words(name, _MOST_LABEL), *cells]


def _price_source(column: Column) -> str:
    if column.price is None:
        return "—"
    day = f"as of {_words(column.price.as_of, 20)}" if column.price.as_of else "no date given"
    return f"{_address(column.price.source)}, {day}" if column.price.source else day


def _origin(published: Published | None) -> str:
    if published is None:
        return ""
    remarks = [_words(remark, 200) for remark in published.remarks]
    source = [markdown_labelled("source", shorten(published.sources[0], 300))] if published.sources else []
    return f"({', '.join([*source, *remarks])})"


def _address(text: str) -> str:
    return markdown_link(text) if len(text) <= 300 else _words(text, 300)


@dataclass(frozen=True)
class _Style:
    """How much the matrix tells."""

    titles: bool
    links: bool


_STYLES = (
    _Style(titles=True, links=True),
    _Style(titles=False, links=True),
    _Style(titles=False, links=False),
)
"""The richest first."""


def _style(compared: Comparison, names: Sequence[str], anchors: Container[str]) -> _Style:
    """The richest style in which the whole matrix has its room."""
    for style in _STYLES[:-1]:
        if len("\n".join(_checks(compared, names, style, anchors))) <= _MOST_MATRIX:
            return style
    return _STYLES[-1]


def _matrix(
    compared: Comparison, names: Sequence[str], style: _Style, anchors: Container[str]
) -> Iterator[str]:
    """The table of checks and what is to know about it; `anchors` are those that exist below."""
    if not compared.single and not compared.folded:
        yield "Nowhere: no check failed at any of them."
        return
    yield _within(list(_checks(compared, names, style, anchors)), _MOST_MATRIX)
    cells = [cell for row in compared.single for cell in row.cells]
    legend = []
    if any(cell.known for cell in cells):
        legend.append(f"Known: documented in the profile{', behind the link' if style.links else ''}.")
    if any(cell.word == "skip" for cell in cells):
        legend.append("A dash: set aside.")
    if legend:
        yield " ".join(legend)
    if compared.folded:
        groups = [
            f"- {_words(folded.what, _MOST_TITLE)}: {_words(', '.join(folded.ids), 2000)}"
            for folded in compared.folded
        ]
        yield "<details>\n<summary>The checks that are told together</summary>"
        yield _within(groups, _MOST_FOLDED_IDS)
        yield "</details>"


def _checks(
    compared: Comparison, names: Sequence[str], style: _Style, anchors: Container[str]
) -> Iterator[str]:
    rows = []
    for row in compared.single:
        title = f" {_words(row.title, _MOST_TITLE)}" if style.titles else ""
        cells = [_cell(cell, _anchor(place, row.id), style, anchors) for place, cell in enumerate(row.cells)]
        rows.append([f"**{_words(row.id, 300)}**{title}", *cells])
    for folded in compared.folded:
        cells = [_cell(cell, "", style, ()) for cell in folded.cells]
        rows.append([_words(folded.what, _MOST_TITLE), *cells])
    return _table(["check", *names], rows)


def _cell(cell: Cell, anchor: str, style: _Style, anchors: Container[str]) -> str:
    text = _WORDS.get(cell.word, words(cell.word))
    if style.links and cell.word in ("FAIL", "warning", "accepted") and anchor in anchors:
        text = f"[{text}](#{anchor})"
    if not cell.known:
        return text
    source = cell.source if style.links and cell.source and len(cell.source) <= 300 else None
    return f"{text}, {markdown_labelled('known', source) if source else 'known'}"


def _anchor(place: int, id: str) -> str:
    return f"t{place + 1}-{re.sub('[^a-z0-9-]', '-', id[:100].lower())}"


def _alike(compared: Comparison) -> Iterator[str]:
    if compared.alike:
        silent = sum(column.silent for column in compared.columns)
        yield "## The same at all" + (" that answered" if 0 < silent < len(compared.columns) else "")
        rows = [f"- {_words(title, _MOST_LABEL)}: {_words(counts, 100)}" for title, counts in compared.alike]
        yield _within(rows, _MOST_FOLDED_IDS)


def _facts(compared: Comparison, names: Sequence[str]) -> Iterator[str]:
    yield "## Published facts that differ"
    missing = [_words(label, _MOST_LABEL) for label in compared.facts_missing]
    if missing:
        yield f"No profile stands in the run of {_and(missing)}: every fact is unknown."
    if len(missing) == len(compared.columns):
        return
    differing = compared.differing_facts
    if differing:
        yield "Published by or about the provider, not measured."
        tables = (
            list(_table(["", *names], (_fact(fact, most, sources=sources) for fact in differing)))
            for most, sources in ((300, True), (120, True), (120, False), (40, False))
        )
        rows: list[str] = []
        for rows in tables:
            if sum(map(len, rows)) + len(rows) <= _MOST_FACTS:
                break
        yield _within(rows, _MOST_FACTS)
    same = [fact for fact in compared.facts if not fact.differs]
    for said, known in (("The same at all", True), ("Unknown of all", False)):
        told = [fact_words(fact.name) for fact in same if (fact.published[0] is not None) is known]
        if told:
            yield f"{said}: {_words(', '.join(told), 1000)}."


def _fact(fact: Fact, most: int, *, sources: bool) -> list[str]:
    def text(published: Published | None) -> str:
        if published is None:
            return "unknown"
        said = _words(published.value, most)
        return f"{said} {_origin(published)}" if sources else said

    return [_words(fact_words(fact.name), _MOST_LABEL), *map(text, fact.published)]


def _findings(compared: Comparison, room: int) -> tuple[str, set[str]]:
    """What fails at each target, folded, in so many characters; and the anchors of what is told there."""
    blocks: list[str] = []
    anchors: set[str] = set()
    left = room
    for place, column in enumerate(compared.columns):
        told, found = _target(place, column, left // (len(compared.columns) - place))
        blocks += told
        anchors |= found
        left -= sum(len(block) + 2 for block in told)
    return "\n\n".join(["## What fails, and what to change", *blocks]), anchors


def _target(place: int, column: Column, room: int) -> tuple[list[str], set[str]]:
    failing = lines.failing(column.run)
    counts = lines.count(failing)
    label = html(shorten(column.label, _MOST_LABEL))
    start = f"<details>\n<summary>{label}: {counts or 'nothing fails'}</summary>"
    rows: list[str] = []
    anchors: set[str] = set()
    left = room - len(start) - _FRAME
    for each in column.run.open:
        row = f"- open: {_words(each, _MOST_TEXT)}"
        if len(row) < left:
            rows.append(row)
            left -= len(row) + 1
    left_out = 0
    for result in failing:
        anchor = _anchor(place, result.id)
        finding = "\n".join(_finding(result, anchor))
        if len(finding) + 1 > left:
            left_out += 1
            continue
        left -= len(finding) + 1
        rows.append(finding)
        anchors.add(anchor)
    if left_out:
        rows.append(f"- {left_out} more are in the JSON run.")
    return [start, *(["\n".join(rows)] if rows else []), "</details>"], anchors


def _finding(result: Result, anchor: str) -> Iterator[str]:
    known = ", known" if result.known is not None else ""
    case = f", case {_words(result.case, 100)}" if result.case else ""
    mark = f"{lines.outcome_word(result)}{known}{case}"
    yield f'- <a id="{anchor}"></a>**{_words(result.id, 300)}** {_words(result.title, _MOST_TITLE)} ({mark})'
    rows: list[tuple[str, str]] = []
    if result.seen is not None:
        rows.append(("seen", markdown_code(shorten(result.seen, _MOST_SEEN))))
    if result.expected is not None:
        rows.append(("expected", _words(result.expected, _MOST_TEXT)))
    if held := lines.held(result):
        rows.append(("held", words(held)))
    if result.known is not None:
        source = f" {_address(result.known.source)}" if result.known.source else ""
        rows.append(("known", _words(lines.known_words(result), _MOST_TEXT) + source))
    if result.accepted:
        rows.append(("accepted", _words(result.accepted, _MOST_TEXT)))
    rows.append(("fix", _words(result.fix, _MOST_TEXT)))
    yield from (f"  - {label}: {text}" for label, text in rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Rows of a table; the cells are escaped."""
    yield from (f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))


def _within(rows: Sequence[str], most: int) -> str:
    """As many rows as so many characters hold, and how many are left out."""
    kept: list[str] = []
    left = most
    for row in rows:
        left -= len(row) + 1
        if left < 0:
            return "\n".join([*kept, "", f"{len(rows) - len(kept)} more are in the JSON run."])
        kept.append(row)
    return "\n".join(kept)


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _words(text: str, most: int) -> str:
    """Untrusted words in one line of bounded length."""
    return words(shorten(" ".join(text[: 20 * most].split()), most))
