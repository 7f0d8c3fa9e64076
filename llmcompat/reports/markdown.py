"""The run as a Markdown checklist for a ticket or a repository, and the checklist before anything ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from llmcompat.declare import Check
from llmcompat.engine.judge import level_for
from llmcompat.engine.loader import GUIDE, Checklist
from llmcompat.engine.selection import not_asked
from llmcompat.model import Exchange, Level, Result, Run, Status, TargetRun
from llmcompat.profiles.schema import KnownDeviation, Profile
from llmcompat.reports import lines
from llmcompat.reports.escape import html, markdown_block, markdown_code, markdown_link, shorten
from llmcompat.reports.escape import markdown as words
from llmcompat.reports.snippets import settings_that_worked
from llmcompat.settings import Settings

_MOST_SEEN = 500
_MOST_SKIPPED = 3
_MOST_TEXT = 600
_MOST_REQUEST = 1500
_MOST_ANSWER = 2000
_MOST_EVIDENCE = 30_000
"""Characters of folded evidence: a ticket holds some 65,000 in all."""
_EXCHANGES_A_CHECK = 2

_TO_DO = (
    "Your prompts give answers of the quality that you need",
    "Your streaming parser and your retry logic were rehearsed against this endpoint",
    "Somebody has signed every line that a person decides",
)


def markdown(run: Run) -> str:
    """The checklist of every target, with the evidence for what fails folded behind it."""
    blocks: list[str] = []
    for target_run in run.runs:
        blocks.extend(_target(target_run))
    if not run.runs:
        blocks.append("# Migration checklist\n\nNothing was run.")
    blocks.append(f"llmcompat {words(run.tool_version)}, {words(run.started_at)}, {run.seconds:.1f} s")
    return "\n\n".join(blocks) + "\n"


def empty_checklist(checklist: Checklist, profile: Profile, settings: Settings) -> str:
    """The checklist for a target of which nothing was run, with what its profile documents at the checks."""
    blocks = [
        f"# Migration checklist: {words(profile.display_name)}, {words(settings.model)}",
        f"Nothing was run yet: `llmcompat check {words(settings.provider)}` fills in the endpoint's part. "
        f"The use case is {settings.use_case.value}; checks without a mark are a must for it.",
        "## The guide's seven lines",
    ]
    titles = {item.name: item.title for item in checklist.items}
    guide = []
    for name in GUIDE:
        title = titles.get(name, name.replace("-", " ").capitalize())
        guide += [f"- [ ] **{words(title)}**", "  - [ ] endpoint: not run", f"  - [ ] yours: {lines.YOURS}"]
    blocks.append("\n".join(guide))
    blocks.append("## Checks")
    for item in checklist.items:
        blocks.append(f"### {words(item.title)}\n\n{words(lines.sentence(item.sentence))}")
        asked = [(check, not_asked(check, settings)) for check in checklist.of_item(item.name)]
        rows = [_unrun(check, profile, settings) for check, reason in asked if reason is None]
        rows += [f"- {words(reason)}" for reason in dict.fromkeys(reason for _, reason in asked if reason)]
        blocks.append("\n".join(rows))
    loose = [
        each for each in profile.deviations if each.check not in checklist.checks and each.status != "fixed"
    ]
    if loose:
        blocks.append("## Reported of this endpoint")
        blocks.append("\n".join(f"- {_documented(each)}" for each in loose))
    blocks.append("## Before production\n\n" + "\n".join(f"- [ ] {text}" for text in _TO_DO))
    return "\n\n".join(blocks) + "\n"


def _unrun(check: Check, profile: Profile, settings: Settings) -> str:
    marks = []
    if check.feature in settings.without:
        marks.append(f"set aside: --without {check.feature}")
    elif check.kind == "manual":
        marks.append("a person decides")
    elif level_for(check, settings, settings.use_case) is Level.SHOULD:
        marks.append("should")
    mark = f" ({', '.join(marks)})" if marks else ""
    rows = [f"- [ ] **{words(check.id)}** {words(check.title)}{mark}"]
    rows += [
        f"  - {_documented(each)}"
        for each in profile.deviations
        if each.status != "fixed" and any(line.check == check.id for line in each.lines)
    ]
    return "\n".join(rows)


def _documented(deviation: KnownDeviation) -> str:
    day = f" ({deviation.as_of.isoformat()})" if deviation.as_of else ""
    source = f" {markdown_link(deviation.sources[0])}" if deviation.sources else ""
    doubt = ", sources disagree" if deviation.status == "contradictory" else ""
    return f"documented{doubt}: {words(deviation.summary)}{day}{source}"


def _target(run: TargetRun) -> Iterator[str]:
    name = str(run.profile.get("display_name") or run.target.provider)
    yield f"# Migration checklist: {_words(name)}, {_words(run.target.model)}"
    if run.simulated:
        yield f"**Simulated:** {lines.SIMULATED}."
    if run.stopped:
        yield f"**Stopped early:** {_words(run.stopped)}"
    yield "\n".join(_verdict_table(run))
    yield "## The guide's seven lines"
    yield "\n".join(row for line in lines.guide_lines(run) for row in _guide_line(line))
    yield "## Checks"
    for line in lines.all_lines(run):
        yield "\n".join(
            [
                f"### {_words(line.title)}",
                *(["", _words(lines.sentence(line.sentence))] if line.sentence else []),
            ]
        )
        yield "\n".join(_item(line.results))
        if line.figures:
            yield f"Measured: {_words('; '.join(line.figures))}"
    yield "## Settings that worked" + (" (in the simulation)" if run.simulated else "")
    yield from _settings(run)
    yield "## Still open"
    yield "\n".join(f"- [ ] {_words(each)}" for each in run.open) or "Nothing."
    yield from _evidence(run)
    yield "## What it took"
    yield f"{_words('; '.join(lines.spend_words(run.spend, run.settings)))}; {run.seconds:.1f} s."


def _verdict_table(run: TargetRun) -> Iterator[str]:
    yield "| use case | verdict on the endpoint | model | mode | route |"
    yield "| --- | --- | --- | --- | --- |"
    target = run.target
    for name, verdict in run.verdicts.items():
        decides = " (decides)" if name == run.use_case else ""
        said = lines.VERDICT_WORDS[verdict] + (", incomplete" if run.stopped else "")
        cells = (
            f"{_words(name)}{decides}",
            f"**{said}**" if decides else said,
            _words(target.model),
            _words(lines.mode_words(target.mode)),
            markdown_link(target.base_url),
        )
        yield f"| {' | '.join(cells)} |"


def _guide_line(line: lines.Line) -> Iterator[str]:
    counts = f" ({line.counts})" if line.counts else ""
    # done is a line when the endpoint holds and the application's own part was tested: no run says the latter
    yield f"- [ ] **{_words(line.title)}**"
    yield f"  - [{'x' if line.holds else ' '}] endpoint: {line.endpoint}{counts}"
    yield f"  - [ ] yours: {lines.YOURS}"


def _item(results: Sequence[Result]) -> Iterator[str]:
    """The checks of an item; where many were set aside for one reason, the reason once."""
    reasons = Counter(result.reason for result in results if result.status is Status.SKIP)
    many = {reason: number for reason, number in reasons.items() if number > _MOST_SKIPPED}
    for result in results:
        if result.status is not Status.SKIP or result.reason not in many:
            yield from _check(result)
    for reason, number in many.items():
        yield f"- {number} checks set aside: {_words(reason or 'no reason is known')}"


def _check(result: Result) -> Iterator[str]:
    ticked = "x" if result.status is Status.PASS else " "
    word = lines.outcome_word(result)
    known = ", known" if result.known is not None else ""
    said = {"skip": "skipped", "to decide": "a person decides"}.get(word, word)
    mark = "" if word == "pass" else f" ({said}{known})"
    yield f"- [{ticked}] **{words(result.id)}** {_words(result.title)}{mark}"
    rows: list[tuple[str, str]] = []
    if result.status is Status.FAIL:
        rows = list(_failed(result))
    elif result.status is Status.MANUAL:
        rows = [("facts", _words(result.seen))] if result.seen else []
    elif result.status is Status.ERROR:
        why = f"waits for {result.blocked_by}" if result.blocked_by else result.reason or "no reason is known"
        rows = [("no answer", _words(why))]
    elif result.status is Status.SKIP:
        rows = [("set aside", _words(result.reason or "no reason is known"))]
    rows += [("note", _words(note)) for note in result.notes]
    yield from (f"  - {label}: {text}" for label, text in rows)


def _failed(result: Result) -> Iterator[tuple[str, str]]:
    if result.case:
        yield "case", words(result.case)
    if result.sent:
        yield "sent", markdown_code(shorten(result.sent, _MOST_SEEN))
    if result.seen is not None:
        yield "seen", markdown_code(shorten(result.seen, _MOST_SEEN))
    if result.expected is not None:
        yield "expected", _words(result.expected)
    if held := lines.held(result):
        yield "held", held
    if broken := lines.breaks(result):
        yield "breaks", _words(broken)
    if result.known is not None:
        yield "known", _words(lines.known_words(result))
        if result.known.source:
            yield "source", markdown_link(result.known.source)
    elif result.sources:
        yield "met at", ", ".join(markdown_link(source) for source in result.sources)
    if result.accepted:
        yield "accepted", _words(result.accepted)
    yield "fix", _words(result.fix)


def _settings(run: TargetRun) -> Iterator[str]:
    snippets = settings_that_worked(run)
    if not snippets:
        yield "None are known: no chat request of this run was answered."
    for snippet in snippets:
        yield f"{snippet.title}:\n\n{markdown_block(snippet.code, snippet.language)}"


@dataclass
class _Budget:
    """How many characters of evidence may still be shown."""

    left: int


def _evidence(run: TargetRun) -> Iterator[str]:
    failing = [result for result in lines.failing(run) if result.exchanges]
    if not failing:
        return
    yield "## Evidence"
    exchanges = {exchange.id: exchange for exchange in run.exchanges}
    budget = _Budget(_MOST_EVIDENCE)
    left_out = 0
    for result in failing:
        block = _folded(result, [exchanges[id] for id in result.exchanges if id in exchanges])
        if len(block) > budget.left:
            left_out += 1
            continue
        budget.left -= len(block)
        yield block
    if left_out:
        yield f"The evidence for {left_out} more is in the JSON run."


def _folded(result: Result, exchanges: list[Exchange]) -> str:
    shown = [part for exchange in exchanges[:_EXCHANGES_A_CHECK] for part in _exchange(exchange)]
    more = len(exchanges) - _EXCHANGES_A_CHECK
    if more > 0:
        shown.append(f"{more} more in the JSON run.")
    return "\n\n".join(
        [
            f"<details>\n<summary>{html(result.id)}: {html(shorten(result.title, _MOST_TEXT))}</summary>",
            *shown,
            "</details>",
        ]
    )


def _exchange(exchange: Exchange) -> Iterable[str]:
    """The request and the answer, both short."""
    request = f"{exchange.method} {exchange.url}\n\n{shorten(exchange.request_body or '', _MOST_REQUEST)}"
    if exchange.status is None:
        answer = f"no answer: {exchange.error or 'no reason is known'}"
    else:
        kind = exchange.header("content-type")
        head = f"{exchange.status}\n" + (f"content-type: {kind}\n" if kind else "")
        # bytes beyond what is shown need not be decoded
        near = exchange.body[: 8 * _MOST_ANSWER].decode("utf-8", "backslashreplace")
        answer = head + "\n" + shorten(near, _MOST_ANSWER)
        if exchange.error:
            answer += f"\n\n{exchange.error}"
    part = f", {words(exchange.part)}" if exchange.part else ""
    asked = f"{words(exchange.probe)}{part}, attempt {exchange.attempt}"
    yield f"{words(exchange.id)}: {asked}, {exchange.seconds:.2f} s"
    yield markdown_block(request)
    yield markdown_block(answer)


def _words(text: str) -> str:
    """Untrusted words in one line of bounded length."""
    return words(shorten(" ".join(text[: 20 * _MOST_TEXT].split()), _MOST_TEXT))
