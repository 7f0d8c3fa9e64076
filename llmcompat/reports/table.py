"""The table for a terminal: the checklist's lines, what fails opened up, verdicts and what is still open."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from llmcompat.model import Result, Run, Status, TargetRun, Verdict
from llmcompat.reports import lines
from llmcompat.reports.escape import one_line, shorten, terminal
from llmcompat.reports.rendering import Uncoloured, heading, pairs, say, to_text
from llmcompat.reports.snippets import settings_that_worked

_MOST_SEEN = 600
_MOST_NOTE = 200
_MOST_IDS = 6

_STYLES = {
    "FAIL": "bold red",
    "fails": "bold red",
    "incompatible": "bold red",
    "warning": "yellow",
    "limitations": "yellow",
    "compatible with limitations": "yellow",
    "accepted": "yellow",
    "no answer": "magenta",
    "holds": "green",
    "compatible": "green",
    "to decide": "cyan",
}


def table(run: Run, *, width: int | None = None, color: bool = True) -> RenderableType:
    """The run for a rich console; `width` bounds its columns, without `color` it has no style at all."""
    parts: list[RenderableType] = [Text(f"llmcompat {terminal(run.tool_version)}", style="dim")]
    for target_run in run.runs:
        parts.extend(_target(target_run))
    if not run.runs:
        parts.append(Text("Nothing was run.", style="bold"))
    if len(run.runs) > 1:
        parts.extend([heading("All targets"), _targets(run.runs)])
    renderable: RenderableType = Group(*parts)
    if width is not None:
        renderable = Constrain(renderable, width)
    return renderable if color else Uncoloured(renderable)


def table_text(run: Run, *, width: int | None = None, color: bool = False) -> str:
    """The same as text of so many columns (80 where none are given)."""
    return to_text(table(run, color=color), width=width, color=color)


def _target(run: TargetRun) -> Iterable[RenderableType]:
    yield _header(run)
    if run.simulated:
        yield say(f"SIMULATED: {lines.SIMULATED}.", "bold yellow")
    if run.stopped:
        yield say(f"STOPPED EARLY: {one_line(run.stopped, _MOST_SEEN)}", "bold red")
    yield Text()
    yield _line_table("The guide's seven lines", lines.guide_lines(run), yours=True)
    if others := lines.other_lines(run):
        yield Text()
        yield _line_table("What compatibility leaves out", others, yours=False)
    if failing := lines.failing(run):
        yield heading("What fails")
        for number, result in enumerate(failing):
            if number:
                yield Text()
            yield _opened(result)
    if unanswered := lines.unanswered(run):
        yield heading("Without an answer")
        yield from (_group(lines.group_heading(why, results), results) for why, results in unanswered.items())
    if manual := [result for result in run.checks if result.status is Status.MANUAL]:
        yield heading("For a person to decide")
        yield from (_manual(result) for result in manual)
    if skipped := lines.skipped(run):
        yield heading("Set aside")
        yield from (_group(f"{len(results)} skipped: {why}", results) for why, results in skipped.items())
    yield from _remarks(run)
    yield heading("Settings that worked" + (" (in the simulation)" if run.simulated else ""))
    yield from _settings(run)
    yield from _verdicts(run)
    yield heading("Still open")
    yield from (say(f"  - {one_line(each, _MOST_SEEN)}") for each in run.open)
    if not run.open:
        yield say("  nothing")
    yield Text()
    yield say(f"{'; '.join(lines.spend_words(run.spend, run.settings))}; {run.seconds:.1f} s.", "dim")


def _header(run: TargetRun) -> RenderableType:
    target = run.target
    name = one_line(str(run.profile.get("display_name") or target.provider), 60)
    return Group(
        heading(f"{name}: {one_line(target.model, 120)}"),
        pairs(
            [
                ("route", say(one_line(target.base_url, 300))),
                ("mode", say(one_line(lines.mode_words(target.mode), 400))),
            ],
            indent=0,
        ),
    )


def _line_table(title: str, shown: list[lines.Line], *, yours: bool) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    grid.add_column(title, overflow="fold", max_width=30)
    grid.add_column("endpoint", no_wrap=True)
    grid.add_column("checks", overflow="fold")
    if yours:
        grid.add_column("yours", no_wrap=True)
    for line in shown:
        cells: list[RenderableType] = [
            say(one_line(line.title, 60)),
            Text(line.endpoint, style=_STYLES.get(line.endpoint, "")),
            Text(line.counts),
        ]
        grid.add_row(*cells, *([Text(lines.YOURS)] if yours else []))
    return grid


def _opened(result: Result) -> RenderableType:
    word = lines.outcome_word(result)
    first = Text(overflow="fold")
    first.append(f"{word:<8}", style=_STYLES[word])
    first.append(f" {terminal(result.id)}", style="bold")
    if result.case:
        first.append(f" (case {terminal(result.case)})")
    if result.known is not None:
        first.append("  known", style="bold")
    rows: list[tuple[str, RenderableType]] = []
    if result.sent:
        rows.append(("sent", say(shorten(terminal(result.sent), _MOST_SEEN))))
    if result.seen is not None:
        rows.append(("seen", say(shorten(terminal(result.seen), _MOST_SEEN))))
    if result.expected is not None:
        rows.append(("expected", say(one_line(result.expected, _MOST_SEEN))))
    if held := lines.held(result):
        rows.append(("held", say(held)))
    if broken := lines.breaks(result):
        rows.append(("breaks", say(one_line(broken, _MOST_SEEN))))
    if result.known is not None:
        rows.append(("known", say(one_line(lines.known_words(result), _MOST_SEEN))))
        if result.known.source:
            rows.append(("source", say(result.known.source)))
    elif result.sources:
        rows.append(("met at", say(one_line(result.sources[0], _MOST_SEEN))))
    if result.accepted:
        rows.append(("accepted", say(one_line(result.accepted, _MOST_SEEN))))
    rows.extend(("note", say(one_line(note, _MOST_NOTE))) for note in result.notes)
    rows.append(("fix", say(one_line(result.fix, _MOST_SEEN))))
    return Group(first, Padding(say(one_line(result.title, 300)), (0, 0, 0, 2)), pairs(rows))


def _group(title: str, results: list[Result]) -> RenderableType:
    ids = [terminal(result.id) for result in results]
    more = f" and {len(ids) - _MOST_IDS} more" if len(ids) > _MOST_IDS else ""
    shown = Text(f"{', '.join(ids[:_MOST_IDS])}{more}", style="dim", overflow="fold")
    return Group(Padding(say(one_line(title, _MOST_SEEN)), (0, 0, 0, 2)), Padding(shown, (0, 0, 0, 4)))


def _manual(result: Result) -> RenderableType:
    first = say(f"  [ ] {result.id}: {one_line(result.title, 300)}")
    if not result.seen:
        return first
    return Group(first, Padding(say(one_line(result.seen, _MOST_SEEN)), (0, 0, 0, 6)))


def _remarks(run: TargetRun) -> Iterable[RenderableType]:
    """Figures in one line an item, and the notes of checks that did not fail."""
    rows: list[tuple[str, RenderableType]] = []
    for line in lines.all_lines(run):
        if figures := line.figures:
            rows.append((one_line(line.title, 24), say(one_line("; ".join(figures), 1000))))
        rows.extend(
            (one_line(line.title, 24), say(f"{result.id}: {one_line(note, _MOST_NOTE)}"))
            for result in line.results
            if result.status is not Status.FAIL
            for note in result.notes
        )
    if rows:
        yield heading("Measured and noted")
        yield pairs(rows)


def _settings(run: TargetRun) -> Iterable[RenderableType]:
    snippets = settings_that_worked(run)
    if not snippets:
        yield say("  none are known: no chat request of this run was answered")
    for number, snippet in enumerate(snippets):
        if number:
            yield Text()
        yield Text(f"{'//' if snippet.language == 'javascript' else '#'} {snippet.title}", style="dim")
        # not indented, so that it can be pasted
        yield from (say(row) for row in snippet.code.split("\n"))


def _verdicts(run: TargetRun) -> Iterable[RenderableType]:
    target = run.target
    what = f"{one_line(target.model, 120)}, mode {one_line(lines.mode_words(target.mode), 300)}"
    what += f", {one_line(target.base_url, 200)}"
    yield heading(
        "Verdict on the endpoint" + (" (simulated: documented, not measured)" if run.simulated else "")
    )
    rows: list[tuple[str, RenderableType]] = []
    for name, verdict in run.verdicts.items():
        word = lines.VERDICT_WORDS[verdict]
        said = Text(word, style=_STYLES.get(word, ""))
        if name == run.use_case:
            said.append(f"  decides; {what}")
        rows.append((terminal(name), said))
    yield pairs(rows)
    if run.stopped:
        yield say(f"  incomplete: {one_line(run.stopped, _MOST_SEEN)}", "bold red")


def _targets(runs: Iterable[TargetRun]) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for column in ("target", "verdict", "fails", "warnings", "requests", "USD"):
        grid.add_column(
            column, overflow="fold", justify="left" if column in ("target", "verdict") else "right"
        )
    for run in runs:
        words = [lines.outcome_word(result) for result in run.checks]
        verdict = run.verdicts.get(run.use_case, Verdict.NO_ANSWER)
        grid.add_row(
            say(f"{one_line(run.target.provider, 60)} {one_line(run.target.model, 80)}"),
            say(
                f"{run.use_case.value}: {lines.VERDICT_WORDS[verdict]}{', incomplete' if run.stopped else ''}"
            ),
            Text(str(words.count("FAIL"))),
            Text(str(words.count("warning"))),
            Text(str(run.spend.requests)),
            Text("unknown" if run.spend.usd is None else f"{run.spend.usd:.4f}"),
        )
    return grid
