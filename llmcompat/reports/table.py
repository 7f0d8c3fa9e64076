"""The table for a terminal: the checklist's lines, what fails opened up, verdicts and what is still open."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from llmcompat.engine.application import traffic_lines
from llmcompat.model import Level, Reference, Result, Run, Status, TargetRun
from llmcompat.reports import lines
from llmcompat.reports.comparison_table import comparison_parts
from llmcompat.reports.escape import one_line, shorten, terminal
from llmcompat.reports.rendering import Phrases, Uncoloured, heading, pairs, say, to_text
from llmcompat.reports.snippets import settings_that_worked
from llmcompat.reports.spend import most_spent

_MOST_SEEN = 600
_MOST_NOTE = 200
_MOST_IDS = 6
_MOST_FIGURES = 40

_IN_FULL = "What was seen and what to change: --verbose, a Markdown export, or `llmcompat explain ID`."

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


def table(run: Run, *, width: int | None = None, color: bool = True, verbose: bool = False) -> RenderableType:
    """The run for a rich console; `width` bounds its columns, without `color` it has no style at all.

    Several targets are compared. `verbose` tells each of them in full below, every note, and names every
    check, however many there are.
    """
    parts: list[RenderableType] = [Text(f"llmcompat {terminal(run.tool_version)}", style="dim")]
    if len(run.runs) > 1:
        parts.extend(comparison_parts(run))
    if len(run.runs) == 1 or verbose:
        for target_run in run.runs:
            parts.extend(_target(target_run, verbose=verbose))
    elif run.runs:
        parts.extend([Text(), say(_IN_FULL, "dim")])
    else:
        parts.append(Text("Nothing was run.", style="bold"))
    renderable: RenderableType = Group(*parts)
    if width is not None:
        renderable = Constrain(renderable, width)
    return renderable if color else Uncoloured(renderable)


def table_text(run: Run, *, width: int | None = None, color: bool = False, verbose: bool = False) -> str:
    """The same as text of so many columns (80 where none are given)."""
    return to_text(table(run, color=color, verbose=verbose), width=width, color=color)


def _target(run: TargetRun, *, verbose: bool) -> Iterable[RenderableType]:
    yield _header(run)
    if run.simulated:
        yield say(f"SIMULATED: {lines.SIMULATED}.", "bold yellow")
    if run.stopped:
        yield say(f"STOPPED EARLY: {one_line(run.stopped, _MOST_SEEN)}", "bold red")
    for known in traffic_lines(run.settings, run.profile):
        yield say(one_line(known, _MOST_SEEN))
    yield Text()
    yield _line_table("The guide's seven lines", lines.guide_lines(run), yours=True)
    if others := lines.other_lines(run):
        yield Text()
        yield _line_table("What compatibility leaves out", others, yours=False)
    fails = "What fails" if run.reference is None else "What got worse"
    for side, words in (("endpoint", fails), ("yours", f"Your requests: {fails[0].lower()}{fails[1:]}")):
        if failing := [result for result in lines.regressions(run) if result.side == side]:
            yield heading(words)
            for number, result in enumerate(failing):
                if number:
                    yield Text()
                yield opened(result, run.reference)
    if run.reference is not None and (apart := lines.failing_there_too(run)):
        yield heading(f"Fails in {one_line(lines.reference_words(run.reference), 200)} too")
        yield from (_apart(result, run.reference) for result in apart)
    if unanswered := lines.unanswered(run):
        yield heading("Without an answer")
        for why, results in unanswered.items():
            yield _group(lines.group_heading(why, results), results, verbose=verbose)
    if manual := [result for result in run.checks if result.status is Status.MANUAL]:
        yield heading("For a person to decide")
        yield from (_manual(result) for result in manual)
    if skipped := lines.skipped(run):
        yield heading("Set aside")
        for why, results in skipped.items():
            yield _group(f"{len(results)} skipped: {why}", results, verbose=verbose)
    yield from _remarks(run, verbose=verbose)
    if not lines.only_yours(run):
        yield heading("Settings that worked" + (" (in the simulation)" if run.simulated else ""))
        yield from _settings(run)
    yield from _verdicts(run)
    yield heading("Still open")
    yield from (say(f"  - {one_line(each, _MOST_SEEN)}") for each in run.open)
    if not run.open:
        yield say("  nothing")
    yield Text()
    yield say(f"{'; '.join(lines.spend_words(run.spend, run.settings))}; {run.seconds:.1f} s.", "dim")
    if spent := most_spent(run):
        yield say(f"{one_line(spent, _MOST_SEEN)}.", "dim")


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
            Phrases(line.counts.split(", "), ", "),
        ]
        grid.add_row(*cells, *([Text(line.yours, style=_STYLES.get(line.yours, ""))] if yours else []))
    return grid


def _apart(result: Result, reference: Reference) -> RenderableType:
    """What is no worse than in the reference run, in a line."""
    case = f" (case {result.case})" if result.case else ""
    return say(f"  {result.id}{case}: {one_line(lines.before_words(result, reference), 200)}")


def opened(
    result: Result,
    reference: Reference | None = None,
    *,
    beside: Iterable[tuple[str, RenderableType]] = (),
) -> RenderableType:
    """One finding in full: what was sent, seen and expected, who breaks on it, what is known, the mend."""
    word = lines.outcome_word(result)
    first = Text(f"{word:<8} ", style=_STYLES.get(word, ""))
    first.append(terminal(result.id), style="bold")
    phrases = [first]
    if result.case:
        phrases.append(Text(f"(case {terminal(result.case)})"))
    if result.known is not None:
        phrases.append(Text(" known", style="bold"))
    heading_line = Phrases(phrases, " ", indent=9)
    title = Padding(say(one_line(result.title, 300)), (0, 0, 0, 2))
    return Group(heading_line, title, pairs([*_rows(result, reference), *beside]))


def _rows(result: Result, reference: Reference | None) -> list[tuple[str, RenderableType]]:
    rows: list[tuple[str, RenderableType]] = []
    if result.sent:
        rows.append(("sent", say(shorten(terminal(result.sent), _MOST_SEEN))))
    if result.seen is not None:
        rows.append(("seen", say(shorten(terminal(result.seen), _MOST_SEEN))))
    if result.expected is not None:
        rows.append(("expected", say(one_line(result.expected, _MOST_SEEN))))
    if held := lines.held(result):
        rows.append(("held", say(held)))
    if before := lines.before_words(result, reference):
        rows.append(("before", say(one_line(before, _MOST_SEEN))))
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
    return rows


def _group(title: str, results: list[Result], *, verbose: bool) -> RenderableType:
    ids = [terminal(result.id) for result in results]
    most = len(ids) if verbose else _MOST_IDS
    more = f" and {len(ids) - most} more" if len(ids) > most else ""
    shown = Text(f"{', '.join(ids[:most])}{more}", style="dim", overflow="fold")
    return Group(Padding(say(one_line(title, _MOST_SEEN)), (0, 0, 0, 2)), Padding(shown, (0, 0, 0, 4)))


def _manual(result: Result) -> RenderableType:
    first = say(f"  [ ] {result.id}: {one_line(result.title, 300)}")
    if not result.seen:
        return first
    # a check of facts puts several of them into one line, each with its own source
    facts = one_line(result.seen, _MOST_SEEN).split(" | ")
    return Group(first, *(Padding(say(fact), (0, 0, 0, 6)) for fact in facts))


def _remarks(run: TargetRun, *, verbose: bool) -> Iterable[RenderableType]:
    """Figures in one line an item, and the notes that say how far a must or a manual line was looked at."""
    rows: list[tuple[str, RenderableType]] = []
    left_out = 0
    for line in lines.all_lines(run):
        told: list[RenderableType] = []
        if figures := line.figures:
            told.append(Phrases([one_line(figure, 200) for figure in figures[:_MOST_FIGURES]], "; "))
        notes: dict[str, list[Result]] = {}
        for result in line.results:
            if result.status is not Status.FAIL:
                for note in result.notes:
                    notes.setdefault(note, []).append(result)
        for note, results in notes.items():
            if verbose or any(each.level is Level.MUST for each in results):
                more = f" and {len(results) - 1} more" if len(results) > 1 else ""
                told.append(say(f"{results[0].id}{more}: {one_line(note, _MOST_NOTE)}"))
            else:
                left_out += 1
        rows.extend(("" if number else one_line(line.title, 24), each) for number, each in enumerate(told))
    if rows or left_out:
        yield heading("Measured and noted")
        yield pairs(rows)
    if left_out:
        yield say(f"  {left_out} {'note' if left_out == 1 else 'notes'} more with -v", "dim")


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
        f"Verdict on {lines.verdict_on(run)}"
        + (" (simulated: documented, not measured)" if run.simulated else "")
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
