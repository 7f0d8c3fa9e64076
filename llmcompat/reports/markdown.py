"""The checklist as a Markdown document, filled from a run or empty; each automated line carries an id."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from llmcompat.declare import Check
from llmcompat.engine.application import traffic_lines
from llmcompat.engine.decisions import decide_by_people
from llmcompat.engine.judge import judge, level_for
from llmcompat.engine.loader import GUIDE, Checklist
from llmcompat.engine.reference import got_worse
from llmcompat.engine.selection import not_asked
from llmcompat.model import Level, Result, Run, Signature, Status, Target, TargetRun
from llmcompat.profiles.schema import KnownDeviation, Profile
from llmcompat.reports import exchange_folds, lines
from llmcompat.reports.comparison_markdown import comparison_markdown
from llmcompat.reports.escape import markdown as words
from llmcompat.reports.escape import markdown_block, markdown_code, markdown_link, shorten
from llmcompat.reports.markers import EMPTY, MEASURED, SIMULATED, Marker, slug
from llmcompat.reports.snippets import settings_that_worked
from llmcompat.reports.spend import most_spent
from llmcompat.reports.standing import stale_words
from llmcompat.settings import Settings

MOST_CHARACTERS = 60_000
"""Of a document with the evidence for failures or none: a ticket on GitHub holds 65,536."""

EVIDENCE = ("none", "failing", "all")
"""What may be asked for: no exchange, those behind failures, or each one, which nothing bounds."""

Evidence = Literal["none", "failing", "all"]

_TITLE = "document/title"
_MOST_SKIPPED = 3
_MOST_FACT = 1000
_MOST_OPEN_NAME = 40
_RENEWED = (
    "`llmcompat checklist --update` renews the lines that end in a comment with an id; what you write behind "
    "the comment, and on lines of your own, stays."
)
_TO_DO = {
    "prompts": "Your prompts give answers of the quality that you need",
    "rehearsal": "Your streaming parser and your retry logic were rehearsed against this endpoint",
    "signatures": "Somebody has signed every line that a person decides (`llmcompat sign`)",
}


@dataclass(frozen=True)
class _Scale:
    """How much of a run is told."""

    fold_passing: bool = False
    """Passing checks stand as one line an item."""
    text: int = 600
    """Characters of one text of a run."""
    code: int = 500
    """Characters of a request or of what was seen."""
    snippet: int = 100_000
    """Characters of a block of settings; a longer one is left out."""
    details: bool = True
    """What explains a result stands below it."""
    listed: int = 10_000
    """Entries of any list."""


_SCALES = (
    _Scale(),
    _Scale(fold_passing=True),
    _Scale(fold_passing=True, text=250, code=160, snippet=6000),
    _Scale(fold_passing=True, text=100, code=100, snippet=6000, details=False, listed=250),
    _Scale(fold_passing=True, text=100, code=100, snippet=3000, details=False, listed=40),
    _Scale(fold_passing=True, text=60, code=60, snippet=1500, details=False, listed=12),
)
"""From all that there is to what always fits; evidence has what is left, so that it is given up first."""

_MOST_EVIDENCE = 30_000
_SLACK = 200
"""Characters for what is told of the evidence."""


def markdown(run: Run, *, evidence: Evidence = "failing", most: int | None = MOST_CHARACTERS) -> str:
    """The checklist of a run's target; several targets are compared.

    It holds at most so many characters (None: no bound, and none with evidence "all"): what does not fit is
    left out whole, and said. Evidence goes first, then the checks that hold stand as one line an item.
    """
    if len(run.runs) > 1:
        return comparison_markdown(run)
    if not run.runs:
        return f"# Migration checklist\n\nNothing was run.\n\n{_made_by(run)}\n"
    if most is None or evidence == "all":
        return _filled(run, _SCALES[0], evidence, _MOST_EVIDENCE)
    for scale in _SCALES:
        try:
            text = _filled(run, scale, evidence, 0, most)
        except _TooLong:
            continue
        room = most - _SLACK - len(text)
        if room >= 0:
            break
    return text if evidence == "none" else _filled(run, scale, evidence, min(room, _MOST_EVIDENCE))


class _TooLong(Exception):
    """More is written than a document may hold: the rest need not be."""


def _filled(run: Run, scale: _Scale, evidence: Evidence, room: int, most: float = math.inf) -> str:
    page = _Page(run.runs[0], scale, evidence, room, most)
    blocks = [*page.blocks(), page.marker.line(_made_by(run), "document/made-by")]
    return "\n\n".join(blocks) + "\n"


def empty_checklist(checklist: Checklist, profile: Profile, settings: Settings, *, today: date) -> str:
    """The checklist for a target of which nothing was run, with what its profile documents at the checks.

    `today` decides which signatures still count.
    """
    marker = Marker()
    sections = {item.name: item for item in checklist.items}
    blocks = [
        marker.line(f"# Migration checklist: {words(profile.display_name)}, {words(settings.model)}", _TITLE),
        marker.target(settings.provider, settings.model, EMPTY),
        marker.line(
            f"Nothing was run yet: `llmcompat check {words(settings.provider)}` tells the endpoint's part. "
            f"The use case is {settings.use_case.value}; checks without a mark are a must for it.",
            "document/state",
        ),
        marker.line(_RENEWED, "document/how"),
        marker.line("## The guide's seven lines", "section/guide"),
    ]
    rows: list[str] = []
    for name in GUIDE:
        title = sections[name].title if name in sections else name.replace("-", " ").capitalize()
        rows += _guide_rows(marker, name, title, " ", "not run")
    blocks.append("\n".join(rows))
    if others := [item for item in checklist.items if lines.guide_name(item.name) not in GUIDE]:
        blocks.append(marker.line("## What compatibility leaves out", "section/beside"))
        blocks.append(
            "\n".join(
                marker.line(f"- [ ] **{words(item.title)}**: not run", f"beside/{item.name}")
                for item in others
            )
        )
    blocks += _to_do(marker)
    blocks.append(marker.line("## Checks", "section/checks"))
    manual = _manual_lines(checklist, profile, settings, today)
    for item in checklist.items:
        blocks += _item_heading(marker, item.name, item.title, item.sentence)
        asked = [(check, not_asked(check, settings)) for check in checklist.of_item(item.name)]
        unrun = [
            row
            for check, reason in asked
            if reason is None
            for row in _unrun(marker, check, profile, settings, manual)
        ]
        unrun += [
            marker.line(f"- {words(reason)}", f"item/{item.name}", "aside")
            for reason in dict.fromkeys(reason for _, reason in asked if reason)
        ]
        blocks.append("\n".join(unrun))
    loose = [
        each for each in profile.deviations if each.check not in checklist.checks and each.status != "fixed"
    ]
    if loose:
        blocks.append(marker.line("## Reported of this endpoint", "section/reported"))
        blocks.append(
            "\n".join(
                marker.line(f"- {_documented(each)}", f"reported/{each.catalogue or each.check}")
                for each in loose
            )
        )
    return "\n\n".join(block for block in blocks if block) + "\n"


def _manual_lines(
    checklist: Checklist, profile: Profile, settings: Settings, today: date
) -> dict[str, Result]:
    """The lines that a person decides, as a run without a request would leave them."""
    checks = [check for check in checklist.checks.values() if check.kind == "manual"]
    results = judge(checks, checklist, [], profile, settings, unanswered="nothing was run")
    target = Target(settings.provider, settings.base_url, settings.model, settings.body, settings.role)
    decided = decide_by_people(results, settings, target, today)
    return {result.id: result for result in decided.results}


def _unrun(
    marker: Marker, check: Check, profile: Profile, settings: Settings, manual: dict[str, Result]
) -> Iterator[str]:
    marks = []
    result = manual.get(check.id)
    if check.feature in settings.without:
        marks.append(f"set aside: --without {check.feature}")
    elif result is not None:
        marks.append(_signed(result.signature) if result.signature else "a person decides")
    elif level_for(check, settings, settings.use_case) is Level.SHOULD:
        marks.append("should")
    mark = f" ({', '.join(marks)})" if marks else ""
    tick = "x" if result is not None and result.signature else " "
    yield marker.line(f"- [{tick}] **{words(check.id)}** {words(check.title)}{mark}", check.id)
    for label, text in _facts(result) if result is not None else ():
        yield marker.line(f"  - {label}: {text}", check.id, label)
    for each in profile.deviations:
        if each.status != "fixed" and any(line.check == check.id for line in each.lines):
            yield marker.line(f"  - {_documented(each)}", check.id, "documented")


def _documented(deviation: KnownDeviation) -> str:
    day = f" ({deviation.as_of.isoformat()})" if deviation.as_of else ""
    source = f" {markdown_link(deviation.sources[0])}" if deviation.sources else ""
    doubt = ", sources disagree" if deviation.status == "contradictory" else ""
    return f"documented{doubt}: {words(deviation.summary)}{day}{source}"


def _guide_rows(
    marker: Marker, name: str, title: str, tick: str, endpoint: str, yours: lines.Line | None = None
) -> Iterator[str]:
    # done is a line when the endpoint holds and the application's own part was tested
    done = "x" if yours is not None and yours.holds and yours.yours_holds else " "
    yield marker.line(f"- [{done}] **{title}**", f"guide/{name}")
    yield marker.line(f"  - [{tick}] endpoint: {endpoint}", f"guide/{name}", "endpoint")
    if yours is not None and yours.yours != lines.YOURS:
        ticked = "x" if yours.yours_holds else " "
        yield marker.line(f"  - [{ticked}] yours, tested: {yours.yours}", f"guide/{name}", "yours")
    else:
        yield marker.line(f"  - [ ] yours: {lines.YOURS}", f"yours/{name}")


def _to_do(marker: Marker) -> Iterator[str]:
    yield marker.line("## Before production", "section/production")
    yield "\n".join(marker.line(f"- [ ] {text}", f"todo/{name}") for name, text in _TO_DO.items())


def _item_heading(marker: Marker, name: str, title: str, sentence: str) -> Iterator[str]:
    yield marker.line(f"### {words(title)}", f"item/{name}")
    if sentence:
        yield marker.line(words(lines.sentence(sentence)), f"item/{name}", "sentence")


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    """What a person decides on: a check of facts puts several of them into one text."""
    for fact in (result.seen or "").split(" | "):
        if fact.strip():
            yield "facts", words(shorten(" ".join(fact.split()), _MOST_FACT))


def _signed(signature: Signature) -> str:
    until = f", until {signature.expires}" if signature.expires else ""
    note = f": {signature.note}" if signature.note else ""
    return words(shorten(" ".join(f"signed by {signature.by} on {signature.on}{until}{note}".split()), 600))


def _made_by(run: Run) -> str:
    return f"llmcompat {words(run.tool_version[:40])}, {words(run.started_at[:40])}, {run.seconds:.1f} s"


class _Page:
    """The document of one target at one scale."""

    def __init__(self, run: TargetRun, scale: _Scale, evidence: Evidence, room: int, most: float) -> None:
        self.run = run
        self.scale = scale
        self.evidence = evidence
        self.room = room
        """Characters of folded evidence."""
        self.most = most
        """Characters behind which it raises _TooLong."""
        self.marker = Marker()

    def blocks(self) -> Iterator[str]:
        """Everything but the last line, in its order."""
        for block in self._all():
            if block:
                yield block

    def _all(self) -> Iterator[str]:
        run, line = self.run, self.marker.line
        name = str(run.profile.get("display_name") or run.target.provider)
        yield line(f"# Migration checklist: {self._words(name)}, {self._words(run.target.model)}", _TITLE)
        yield self.marker.target(
            run.target.provider, run.target.model, SIMULATED if run.simulated else MEASURED
        )
        if run.simulated:
            yield line(f"**Simulated:** {lines.SIMULATED}.", "document/simulated")
        if run.stopped:
            yield line(f"**Stopped early:** {self._words(run.stopped)}", "document/stopped")
        if run.reference is not None:
            against = self._words(lines.reference_words(run.reference))
            yield line(f"**Held against** {against}.", "document/reference")
        for number, known in enumerate(traffic_lines(run.settings, run.profile)):
            yield line(self._words(known), f"document/application{number}")
        yield self.marker.block("\n".join(self._verdict_table()), "document/verdict")
        yield line(_RENEWED, "document/how")
        yield line("## The guide's seven lines", "section/guide")
        yield "\n".join(row for each in lines.guide_lines(run) for row in self._guide_line(each))
        if others := lines.other_lines(run):
            yield line("## What compatibility leaves out", "section/beside")
            yield "\n".join(self._listed([self._beside(each) for each in others], "beside/more"))
        if not lines.only_yours(run):
            simulated = " (in the simulation)" if run.simulated else ""
            yield line(f"## Settings that worked{simulated}", "section/settings")
            yield self.marker.block("\n\n".join(self._settings()), "document/settings")
        yield line("## Still open", "section/open")
        yield "\n".join(self._listed(list(self._open()), "open/more"))
        yield from _to_do(self.marker)
        yield line("## Checks", "section/checks")
        yield from self._checks()
        yield from self._evidence()
        yield line("## What it took", "section/spend")
        spent = self._words("; ".join(lines.spend_words(run.spend, run.settings)))
        items = most_spent(run)
        by_item = f" {self._words(items[:1].upper() + items[1:])}." if items else ""
        yield line(f"{spent}; {run.seconds:.1f} s.{by_item}", "document/spend")

    def _verdict_table(self) -> Iterator[str]:
        yield f"| use case | verdict on {lines.verdict_on(self.run)} | model | mode | route |"
        yield "| --- | --- | --- | --- | --- |"
        target = self.run.target
        for name, verdict in self.run.verdicts.items():
            decides = " (decides)" if name == self.run.use_case else ""
            said = lines.VERDICT_WORDS[verdict] + (", incomplete" if self.run.stopped else "")
            cells = (
                f"{self._words(name)}{decides}",
                f"**{said}**" if decides else said,
                self._words(target.model),
                self._words(lines.mode_words(target.mode)),
                markdown_link(target.base_url)
                if len(target.base_url) < 500
                else self._words(target.base_url),
            )
            yield f"| {' | '.join(cells)} |"

    def _guide_line(self, line: lines.Line) -> Iterator[str]:
        counts = f" ({line.counts})" if line.counts else ""
        tick = "x" if line.holds else " "
        yield from _guide_rows(
            self.marker, line.name, self._words(line.title), tick, f"{line.endpoint}{counts}", line
        )

    def _beside(self, line: lines.Line) -> str:
        counts = f" ({line.counts})" if line.counts else ""
        title = f"**{self._words(line.title)}**: {line.endpoint}{counts}"
        return self.marker.line(f"- [{'x' if line.holds else ' '}] {title}", f"beside/{line.name}")

    def _settings(self) -> Iterator[str]:
        snippets = settings_that_worked(self.run)
        if not snippets:
            yield "None are known: no chat request of this run was answered."
        for snippet in snippets:
            if len(snippet.code) > self.scale.snippet:
                yield f"{snippet.title}: too long to stand here; see `basics` and `settings` in the JSON run."
            else:
                yield f"{snippet.title}:\n\n{markdown_block(snippet.code, snippet.language)}"

    def _open(self) -> Iterator[str]:
        run = self.run
        said = [*run.open, *run.lapsed, *(stale_words(each) for each in run.stale)]
        for text in said:
            # figures change from run to run, and the line stays the same one
            name = slug(re.sub(r"[\d ]+", " ", text)[:_MOST_OPEN_NAME]).lower()
            yield self.marker.line(f"- [ ] {self._words(text)}", f"open/{name}")
        if not said:
            yield self.marker.line("Nothing.", "open/nothing")

    def _checks(self) -> Iterator[str]:
        left = self.scale.listed
        for line in lines.all_lines(self.run):
            rows = list(self._item(line, left))
            if not rows:
                continue
            left -= len(line.results)
            yield from _item_heading(
                self.marker,
                line.name,
                shorten(line.title, self.scale.text),
                shorten(line.sentence, self.scale.text),
            )
            yield "\n".join(rows)
            if line.figures:
                measured = f"Measured: {self._words('; '.join(line.figures))}"
                yield self.marker.line(measured, f"item/{line.name}", "measured")
            if left <= 0:
                break
        hidden = max(0, len(self.run.checks) - self.scale.listed)
        if hidden:
            told = "are in the JSON run: `--export run.json`"
            yield self.marker.line(f"{hidden} checks more {told}.", "section/checks", "more")

    def _item(self, line: lines.Line, most: int) -> Iterator[str]:
        """The checks of an item; where many were set aside for one reason, the reason once."""
        reasons = Counter(result.reason for result in line.results if result.status is Status.SKIP)
        many = {reason: number for reason, number in reasons.items() if number > _MOST_SKIPPED}
        shown = [
            result
            for result in line.results[:most]
            if result.status is not Status.SKIP or result.reason not in many
        ]
        folded = (
            [result for result in shown if self._is_plain_pass(result)] if self.scale.fold_passing else []
        )
        for result in shown:
            if result not in folded:
                yield from self._check(result)
        if folded:
            said = f"{len(folded)} {'check holds' if len(folded) == 1 else 'checks hold'}"
            yield self.marker.line(f"- [x] {said}", f"item/{line.name}", "held")
        for reason, number in many.items():
            said = f"{number} checks set aside: {self._words(reason or 'no reason is known')}"
            yield self.marker.line(f"- {said}", f"item/{line.name}", "aside")

    @staticmethod
    def _is_plain_pass(result: Result) -> bool:
        return result.status is Status.PASS and result.signature is None

    def _check(self, result: Result) -> Iterator[str]:
        id = slug(result.id)
        ticked = "x" if result.status is Status.PASS else " "
        mark = ", ".join(self._marks(result))
        said = f"**{self._words(result.id)}** {self._words(result.title)}{f' ({mark})' if mark else ''}"
        yield self.marker.line(f"- [{ticked}] {said}", id)
        if self.scale.details:
            for label, text in self._rows(result):
                yield self.marker.line(f"  - {label}: {text}", id, label)
        if self.marker.written > self.most and self.scale is not _SCALES[-1]:
            raise _TooLong

    def _marks(self, result: Result) -> Iterator[str]:
        """What stands behind the title in brackets; nothing for what just passes."""
        if result.signature is not None:
            yield _signed(result.signature)
            return
        word = lines.outcome_word(result)
        if word != "pass":
            yield {"skip": "skipped", "to decide": "a person decides"}.get(word, word)
        if result.known is not None:
            yield "known"
        if self.run.reference is None or result.kind == "manual":
            return
        before = result.before.status if result.before is not None else None
        if result.status is Status.FAIL:
            if before is None:
                yield "not judged there"
            else:
                yield "regression" if got_worse(result, self.run.reference) else "fails there too"
        elif result.status is Status.ERROR and before is Status.ERROR:
            yield "no answer there either"
        elif result.status is Status.PASS and before is Status.FAIL:
            yield "fails there"

    def _rows(self, result: Result) -> Iterator[tuple[str, str]]:
        if result.status is Status.FAIL:
            yield from self._failed(result)
        elif result.kind == "manual" and result.status is not Status.SKIP:
            yield from _facts(result)
        if result.status is Status.ERROR:
            why = f"waits for {result.blocked_by}" if result.blocked_by else result.reason
            yield "no answer", self._words(why or "no reason is known")
            if result.accepted:
                yield "accepted", self._words(result.accepted)
        elif result.status is Status.SKIP:
            yield "set aside", self._words(result.reason or "no reason is known")
        for note in result.notes:
            yield "note", self._words(note)

    def _failed(self, result: Result) -> Iterator[tuple[str, str]]:
        if result.case:
            yield "case", self._words(result.case)
        if result.sent:
            yield "sent", markdown_code(shorten(result.sent, self.scale.code))
        if result.seen is not None:
            yield "seen", markdown_code(shorten(result.seen, self.scale.code))
        if result.expected is not None:
            yield "expected", self._words(result.expected)
        if held := lines.held(result):
            yield "held", held
        if before := lines.before_words(result, self.run.reference):
            yield "before", self._words(before)
        if broken := lines.breaks(result):
            yield "breaks", self._words(broken)
        if result.known is not None:
            yield "known", self._words(lines.known_words(result))
            if result.known.source:
                yield "source", self._link(result.known.source)
        elif result.sources:
            yield "met at", ", ".join(self._link(source) for source in result.sources)
        if result.accepted:
            yield "accepted", self._words(result.accepted)
        yield "fix", self._words(result.fix)

    def _evidence(self) -> Iterator[str]:
        if self.evidence == "none":
            return
        if self.evidence == "all":
            folds: Sequence[exchange_folds.Fold] = list(exchange_folds.every(self.run))
            left_out = 0
        else:
            folds, left_out = exchange_folds.failures(self.run, self.room)
        if folds or left_out:
            yield self.marker.line("## Evidence", "section/evidence")
        for fold in folds:
            yield self.marker.block(fold.text, f"evidence/{fold.name}")
        if left_out:
            more = " more" if folds else f" {'failure' if left_out == 1 else 'failures'}"
            yield self.marker.line(
                f"The evidence for {left_out}{more} is in the JSON run.", "section/evidence", "more"
            )

    def _listed(self, rows: list[str], name: str) -> Iterable[str]:
        """The rows of a list, or so many of them as the scale allows."""
        hidden = len(rows) - self.scale.listed
        if hidden <= 0:
            return rows
        return [*rows[: self.scale.listed], self.marker.line(f"- {hidden} more in the JSON run", name)]

    def _link(self, url: str) -> str:
        return markdown_link(url) if len(url) <= max(self.scale.text, 250) else self._words(url)

    def _words(self, text: str) -> str:
        """Untrusted words in one line of bounded length."""
        most = self.scale.text
        return words(shorten(" ".join(text[: 20 * most].split()), most))
