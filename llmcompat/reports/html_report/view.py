"""What the page shows, worked out of the run: the templates only lay it out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from markupsafe import Markup

from llmcompat.model import Exchange, Level, Result, Run, Status, TargetRun, UseCase, Verdict
from llmcompat.reports import lines
from llmcompat.reports.escape import one_line
from llmcompat.reports.html_report import plots
from llmcompat.reports.html_report.evidence import Budget, ShownExchange, arrivals, step_points
from llmcompat.reports.snippets import Snippet, settings_that_worked
from llmcompat.reports.spend import ItemSpend, tokens_by_item

_MOST_EVIDENCE = 2_500_000
"""Characters of requests and answers in the whole page."""
_EXCHANGES_A_FINDING = 3
_MOST_SOURCES = 6
_MOST_NAME = 60
_MOST_COLORS = 6
"""Targets in one plot; the tables hold all."""
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_ORDER = ("FAIL", "warning", "accepted", "no answer", "to decide", "pass", "skip", "not run")
OPEN = frozenset(_ORDER[:5])
"""What somebody has to look at."""


@dataclass(frozen=True)
class Finding:
    """A check that failed, with what proves it."""

    anchor: str
    word: str
    result: Result
    item_title: str
    clients: tuple[str, ...]
    """The clients that did not come through."""
    musts: tuple[str, ...]
    """The use cases for which it is a must."""
    exchanges: tuple[ShownExchange, ...]
    left_out: int
    """How many exchanges more the JSON run holds."""

    @property
    def met_at(self) -> list[str]:
        """Where the deviation was met, beside the source that the profile names."""
        known = self.result.known.source if self.result.known else None
        return [source for source in self.result.sources if source != known][:_MOST_SOURCES]


@dataclass(frozen=True)
class Cell:
    """How a check ended on one target."""

    word: str
    anchor: str | None
    """The finding that tells more."""
    detail: str


@dataclass(frozen=True)
class Row:
    """One check over all targets."""

    id: str
    title: str
    item: str
    item_title: str
    cells: tuple[Cell, ...]
    musts: tuple[str, ...]
    clients: tuple[str, ...]

    @property
    def worst(self) -> str:
        """How it ended where it ended worst."""
        return min((cell.word for cell in self.cells), key=_ORDER.index)


@dataclass(frozen=True)
class Plot:
    """A plot with its caption, its legend and the same figures as a table."""

    title: str
    caption: str
    drawing: Markup | None
    """None where there is nothing to draw but the table."""
    legend: tuple[str, ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class TargetView:
    """One target of the page."""

    number: int
    name: str
    """Told apart from every other target of the page."""
    run: TargetRun
    verdict: Verdict
    findings: tuple[Finding, ...]
    guide: tuple[lines.Line, ...]
    others: tuple[lines.Line, ...]
    manual: tuple[Result, ...]
    unanswered: Mapping[str, list[Result]]
    skipped: Mapping[str, list[Result]]
    remarks: tuple[tuple[str, str], ...]
    snippets: tuple[Snippet, ...]
    spend: tuple[ItemSpend, ...]


@dataclass(frozen=True)
class Page:
    """All that the page shows."""

    run: Run
    targets: tuple[TargetView, ...]
    rows: tuple[Row, ...]
    plots: tuple[Plot, ...]
    items: tuple[tuple[str, str], ...]
    """(name, title) of every item with a check."""
    use_cases: tuple[str, ...]
    clients: tuple[str, ...]
    """The clients that something breaks."""

    @property
    def open_rows(self) -> list[Row]:
        """The checks that somebody has to look at, the worst first."""
        return [row for row in self.rows if row.worst in OPEN]

    @property
    def settled_rows(self) -> list[Row]:
        """The checks that hold or were set aside."""
        return [row for row in self.rows if row.worst not in OPEN]


def page(run: Run) -> Page:
    """The page's content."""
    budget = Budget(_MOST_EVIDENCE)
    names = _names(run.runs)
    targets = tuple(
        _target(number, name, each, budget)
        for number, (name, each) in enumerate(zip(names, run.runs, strict=True), start=1)
    )
    rows = _rows(targets)
    items = {row.item: row.item_title for row in sorted(rows, key=lambda row: row.item_title)}
    return Page(
        run=run,
        targets=targets,
        rows=tuple(rows),
        plots=tuple(_plots(targets)),
        items=tuple(items.items()),
        use_cases=tuple(use_case.value for use_case in UseCase),
        clients=tuple(sorted({client for row in rows for client in row.clients})),
    )


def _names(runs: Iterable[TargetRun]) -> list[str]:
    """What each target is called: its provider, with model and number as far as needed to tell them apart."""
    runs = list(runs)
    names = [str(run.profile.get("display_name") or run.target.provider) for run in runs]
    names = [
        f"{name} ({run.target.role})" if run.target.role else name
        for name, run in zip(names, runs, strict=True)
    ]
    twice = {name for name in names if names.count(name) > 1}
    names = [
        f"{name} {run.target.model}" if name in twice else name for name, run in zip(names, runs, strict=True)
    ]
    twice = {name for name in names if names.count(name) > 1}
    return [
        one_line(f"{name} ({number})" if name in twice else name, _MOST_NAME)
        for number, name in enumerate(names, start=1)
    ]


def _target(number: int, name: str, run: TargetRun, budget: Budget) -> TargetView:
    titles = {item: title for item, title, _ in run.items}
    exchanges = {exchange.id: exchange for exchange in run.exchanges}
    remarks = [
        (f"{line.title}: {result.id}", note)
        for line in lines.all_lines(run)
        for result in line.results
        if result.status is not Status.FAIL
        for note in result.notes
    ]
    figures = [(line.title, "; ".join(line.figures)) for line in lines.all_lines(run) if line.figures]
    return TargetView(
        number=number,
        name=name,
        run=run,
        verdict=run.verdicts.get(run.use_case, Verdict.NO_ANSWER),
        findings=tuple(
            _finding(f"t{number}-{_slug(result.id, place)}", result, titles, exchanges, budget)
            for place, result in enumerate(lines.failing(run))
        ),
        guide=tuple(lines.guide_lines(run)),
        others=tuple(lines.other_lines(run)),
        manual=tuple(result for result in run.checks if result.kind == "manual" and _decides(result)),
        unanswered=lines.unanswered(run),
        skipped=lines.skipped(run),
        remarks=tuple(figures + remarks),
        snippets=tuple(settings_that_worked(run)),
        spend=tuple(tokens_by_item(run)),
    )


def _decides(result: Result) -> bool:
    """Whether a person decides this line, or has done so."""
    return result.status is Status.MANUAL or result.signature is not None


def _slug(id: str, place: int) -> str:
    return id if _SLUG.fullmatch(id) else f"finding-{place}"


def _finding(
    anchor: str,
    result: Result,
    titles: Mapping[str, str],
    exchanges: Mapping[str, Exchange],
    budget: Budget,
) -> Finding:
    named = [exchanges[id] for id in result.exchanges if id in exchanges]
    shown = budget.take(named[:_EXCHANGES_A_FINDING])
    return Finding(
        anchor=anchor,
        word=lines.outcome_word(result),
        result=result,
        item_title=titles.get(result.item, result.item),
        clients=_broken(result),
        musts=_musts(result),
        exchanges=tuple(shown),
        left_out=len(named) - len(shown),
    )


def _broken(result: Result) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            each.client for each in result.breaks if result.status is Status.FAIL and each.outcome != "ok"
        )
    )


def _musts(result: Result) -> tuple[str, ...]:
    return tuple(name for name, level in result.levels.items() if level is Level.MUST)


def _rows(targets: tuple[TargetView, ...]) -> list[Row]:
    """A row for each check of any target, the worst first and then in the checklist's order."""
    by_target = [{result.id: result for result in target.run.checks} for target in targets]
    anchors = [{finding.result.id: finding.anchor for finding in target.findings} for target in targets]
    titles = {item: title for target in targets for item, title, _ in target.run.items}
    rows = []
    for id in dict.fromkeys(id for results in by_target for id in results):
        found = [results.get(id) for results in by_target]
        there = [result for result in found if result is not None]
        first = there[0]
        rows.append(
            Row(
                id=id,
                title=first.title,
                item=first.item,
                item_title=titles.get(first.item, first.item),
                cells=tuple(_cell(result, anchors[place].get(id)) for place, result in enumerate(found)),
                musts=tuple(dict.fromkeys(name for result in there for name in _musts(result))),
                clients=tuple(dict.fromkeys(name for result in there for name in _broken(result))),
            )
        )
    return sorted(rows, key=lambda row: _ORDER.index(row.worst))


def _cell(result: Result | None, anchor: str | None) -> Cell:
    if result is None:
        return Cell("not run", None, "")
    detail = result.case or ""
    if result.status is Status.ERROR:
        detail = f"waits for {result.blocked_by}" if result.blocked_by else result.reason or ""
    elif result.status is Status.SKIP:
        detail = result.reason or ""
    return Cell(lines.outcome_word(result), anchor, detail)


def _plots(targets: tuple[TargetView, ...]) -> Iterable[Plot]:
    simulated = any(target.run.simulated for target in targets)
    remark = " Simulated targets say nothing of the provider's speed." if simulated else ""
    for title, unit, names in (
        ("Time to first token", "seconds", {"median": "first token, p50", "p95": "first token, p95"}),
        (
            "Tokens a second",
            "tokens a second after the first",
            {"median": "tokens a second, p50", "slowest": "tokens a second, slowest"},
        ),
    ):
        if found := _measured(targets, title, unit, names, remark):
            yield found
    if found := _streams(targets, remark):
        yield found
    if found := _costs(targets):
        yield found


def _measured(
    targets: tuple[TargetView, ...], title: str, unit: str, names: Mapping[str, str], remark: str
) -> Plot | None:
    """Figures of the check of latency, a group of bars for each target."""
    table = [(target.name, [_fact(target.run, name) for name in names.values()]) for target in targets]
    table = [(name, values) for name, values in table if any(value is not None for value in values)]
    if not table:
        return None
    series = [
        plots.Series(label, [values[place] for _, values in table]) for place, label in enumerate(names)
    ]
    return Plot(
        title=title,
        caption=f"In {unit}, from where the run was started.{remark}",
        drawing=plots.bars(
            f"{title}; the table below holds the figures", [name for name, _ in table], series
        ),
        legend=tuple(names),
        head=("target", *names),
        rows=tuple(
            (name, *("not told" if value is None else f"{value:g}" for value in values))
            for name, values in table
        ),
    )


def _fact(run: TargetRun, name: str) -> float | None:
    """The figure that begins with these words among what the check of latency measured."""
    for result in run.checks:
        if result.id == "latency":
            for each, fact in result.facts.items():
                value = fact.get("value") if isinstance(fact, Mapping) else None
                if each.startswith(name) and isinstance(value, (int, float)) and 0 <= value < math.inf:
                    return float(value)
    return None


def _streams(targets: tuple[TargetView, ...], remark: str) -> Plot | None:
    """One stream of each target: when its events arrived."""
    found = [(target, stream) for target in targets if (stream := _stream(target.run))]
    drawn = [plots.Steps(target.name, step_points(moments)) for target, (_, moments) in found[:_MOST_COLORS]]
    if not drawn:
        return None
    return Plot(
        title="A stream's arrivals",
        caption=f"Events so far by seconds since the request was sent; one stream of each target.{remark}",
        drawing=plots.steps("When the events of one stream arrived", drawn),
        legend=tuple(line.name for line in drawn),
        head=("target", "exchange", "events", "first, s", "half of them, s", "last, s"),
        rows=tuple(
            (
                target.name,
                exchange.id,
                str(len(moments)),
                f"{moments[0]:.3f}",
                f"{moments[(len(moments) - 1) // 2]:.3f}",
                f"{moments[-1]:.3f}",
            )
            for target, (exchange, moments) in found
        ),
    )


def _stream(run: TargetRun) -> tuple[Exchange, list[float]] | None:
    """The first whole stream that latency was measured on, else the one that came in the most pieces."""
    samples = {id for result in run.checks if result.id == "latency" for id in result.exchanges}
    whole = [exchange for exchange in run.exchanges if exchange.ended == "complete"]
    measured = [exchange for exchange in whole if exchange.id in samples]
    others = sorted(whole, key=lambda exchange: -len(exchange.arrivals))
    for exchange in measured + others:
        arrived = arrivals(exchange)
        if len(arrived) > 1:
            return exchange, [seconds for seconds, _ in arrived]
    return None


def _costs(targets: tuple[TargetView, ...]) -> Plot | None:
    """The tokens of each item, a bar for each target, with USD where the price is known."""
    titles = {spend.item: spend.title for target in targets for spend in target.spend}
    by_item = [{spend.item: spend for spend in target.spend} for target in targets]
    order = sorted(
        (item for item in titles if any(item in each and each[item].tokens for each in by_item)),
        key=lambda item: -max(each[item].tokens for each in by_item if item in each),
    )
    if not order:
        return None
    shown = by_item[:_MOST_COLORS]
    series = [
        plots.Series(targets[place].name, [each[item].tokens if item in each else None for item in order])
        for place, each in enumerate(shown)
    ]
    head = ["item"]
    for target in targets:
        prefix = f"{target.name}: " if len(targets) > 1 else ""
        head += [f"{prefix}requests", f"{prefix}tokens", f"{prefix}USD"]
    return Plot(
        title="Cost by item",
        caption="Tokens, prompt and completion, by the endpoint's own counters; USD at list prices.",
        drawing=plots.bars(
            "Tokens by item of the checklist; the table below holds the figures",
            [titles[item] for item in order],
            series,
        ),
        legend=tuple(target.name for target in targets[:_MOST_COLORS]),
        head=tuple(head),
        rows=tuple(
            (titles[item], *(text for each in by_item for text in _cost_cells(each.get(item))))
            for item in titles
        ),
    )


def _cost_cells(spend: ItemSpend | None) -> tuple[str, str, str]:
    if spend is None:
        return "0", "0", "0"
    usd = "unknown" if spend.usd is None else f"{spend.usd:.5f}"
    return str(spend.requests), str(spend.tokens), usd
