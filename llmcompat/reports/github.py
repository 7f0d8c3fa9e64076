"""The run for GitHub Actions: annotations within its limits, and a step summary in Markdown."""

# no `from __future__ import annotations`: the function of that name would be taken for it
from collections.abc import Iterator
from dataclasses import dataclass

from llmcompat.model import Result, Run, TargetRun
from llmcompat.reports import lines
from llmcompat.reports.escape import github_message, github_property, shorten
from llmcompat.reports.escape import markdown as words
from llmcompat.reports.standing import (
    A_PERSON_DECIDES,
    IN_THE_REFERENCE_TOO,
    Standing,
    counted,
    explained,
    names,
    no_answer,
    place,
    saw,
    stale_words,
    standing,
    verdict_words,
)

_MOST_ANNOTATIONS = 10
"""Of each kind: GitHub shows no more of one step."""
_MOST_TITLE = 200
_MOST_FIELD = 500
_MOST_IDS = 20

_MOST_ROWS = 50
_MOST_CELL = 300
_MOST_SUMMARY = 200_000
"""Bytes of a step summary; GitHub refuses one of more than 1 MiB, and other tools write to the same file."""


@dataclass(frozen=True)
class _Annotation:
    """One line beside the code: kind is error, warning or notice."""

    kind: str
    title: str
    message: str
    file: str | None = None
    line: int = 1

    def __str__(self) -> str:
        where = f"file={github_property(self.file)},line={self.line}," if self.file else ""
        title = github_property(shorten(" ".join(self.title.split()), _MOST_TITLE))
        return f"::{self.kind} {where}title={title}::{github_message(self.message)}"


def annotations(run: Run) -> str:
    """Workflow commands, one a line: errors, warnings and notices, the worst first, ten of each at most.

    Where there are more, the last of a kind says how many. A failed must and what nobody could answer are
    errors; what is accepted, left to a person or no worse than in the reference run is told in a notice.
    """
    found = [
        each
        for name, target_run in zip(names(run), run.runs, strict=True)
        for each in _annotations(name, target_run)
    ]
    shown: list[_Annotation] = []
    for kind in ("error", "warning", "notice"):
        of_kind = [each for each in found if each.kind == kind]
        if len(of_kind) > _MOST_ANNOTATIONS:
            more = of_kind[_MOST_ANNOTATIONS - 1 :]
            of_kind = [*of_kind[: _MOST_ANNOTATIONS - 1], _left_out(kind, more)]
        shown += of_kind
    return "".join(f"{each}\n" for each in shown)


def _left_out(kind: str, more: list[_Annotation]) -> _Annotation:
    plural = {"error": "errors", "warning": "warnings", "notice": "notices"}[kind]
    titles = "\n".join(shorten(each.title, _MOST_TITLE) for each in more[:_MOST_IDS])
    rest = f"\nand {len(more) - _MOST_IDS} more" if len(more) > _MOST_IDS else ""
    return _Annotation(kind, f"llmcompat: {len(more)} more {plural}", titles + rest)


def _annotations(name: str, run: TargetRun) -> Iterator[_Annotation]:
    file, line = place(run.location) if run.location else (None, 1)

    def annotation(kind: str, title: str, message: str) -> _Annotation:
        return _Annotation(kind, title, message, file, line)

    found = {id(result): standing(result, run) for result in run.checks}

    def those(*wanted: Standing) -> list[Result]:
        return [result for result in run.checks if found[id(result)] in wanted]

    def ids(*wanted: Standing) -> str:
        return _ids([result.id for result in those(*wanted)])

    if run.stopped:
        yield annotation("error", f"{name}: ended early", shorten(run.stopped, _MOST_FIELD))
    for result in those(Standing.FAILURE):
        yield annotation("error", f"{name}: {result.id}", _told(result))
    if run.settings.get("fail_on_stale"):
        for acceptance in run.stale:
            yield annotation("error", f"{name}: {acceptance.check}", stale_words(acceptance))
    for why, results in _unanswered(those(Standing.UNANSWERED)).items():
        title = f"{name}: {len(results)} without an answer"
        yield annotation("error", title, f"{shorten(why, _MOST_FIELD)}\n{_ids(results)}")
    for result in those(Standing.WARNING):
        yield annotation("warning", f"{name}: {result.id}", _told(result))
    remarks = [
        ("no answer, and no must", ids(Standing.NOT_KNOWN)),
        (IN_THE_REFERENCE_TOO, ids(Standing.NO_WORSE)),
        ("accepted", ids(Standing.ACCEPTED)),
        (A_PERSON_DECIDES, ids(Standing.TO_DECIDE)),
        *(("accepted", stale_words(each)) for each in run.stale if not run.settings.get("fail_on_stale")),
        *(("lapsed", each) for each in run.lapsed),
    ]
    told = [lines.SIMULATED] if run.simulated else []
    told += [f"{label}: {shorten(text, 4 * _MOST_FIELD)}" for label, text in remarks if text]
    yield annotation(
        "notice",
        f"{name}: {verdict_words(run)}",
        "\n".join([counted(found.values()) or "nothing was judged", *told[:_MOST_IDS]]),
    )


def _told(result: Result) -> str:
    rows = [(label, text) for label, text in explained(result) if label in ("breaks", "known", "fix")]
    return "\n".join(
        shorten(text, _MOST_FIELD)
        for text in (result.title, saw(result), *(f"{label}: {text}" for label, text in rows))
    )


def _unanswered(results: list[Result]) -> dict[str, list[str]]:
    """The ids of what has no answer, by the reason."""
    groups: dict[str, list[str]] = {}
    for result in results:
        groups.setdefault(no_answer(result), []).append(result.id)
    return groups


def _ids(ids: list[str]) -> str:
    more = f" and {len(ids) - _MOST_IDS} more" if len(ids) > _MOST_IDS else ""
    return ", ".join(shorten(each, _MOST_TITLE) for each in ids[:_MOST_IDS]) + more


def step_summary(run: Run) -> str:
    """Markdown for the summary of a step: verdicts, the guide's lines and what fails, bounded."""
    blocks = ["## llmcompat"]
    room = _MOST_SUMMARY
    left_out = 0
    for name, target_run in zip(names(run), run.runs, strict=True):
        block = "\n\n".join(_summary(name, target_run))
        room -= len(block.encode("utf-8")) + 2
        if room < 0:
            left_out += 1
        else:
            blocks.append(block)
    if not run.runs:
        blocks.append("Nothing was run.")
    if left_out:
        blocks.append(f"{left_out} more targets are in the job's log and in the exported reports.")
    return "\n\n".join(blocks) + "\n"


def _summary(name: str, run: TargetRun) -> Iterator[str]:
    yield f"### {_words(name)}: {verdict_words(run)}"
    if run.simulated:
        yield f"**Simulated:** {lines.SIMULATED}."
    if run.stopped:
        yield f"**Ended early:** {_words(run.stopped)}"
    yield "\n".join(_guide(run))
    rows = [(result, standing(result, run)) for result in lines.failing(run)]
    # what counts against the endpoint before what does not
    rows.sort(key=lambda row: list(Standing).index(row[1]))
    if rows:
        yield "\n".join(_failing(rows))
    if len(rows) > _MOST_ROWS:
        yield f"{len(rows) - _MOST_ROWS} more failed."
    unanswered = [each for each in run.checks if standing(each, run) is Standing.UNANSWERED]
    if unanswered:
        rows_unanswered = [
            f"- {len(ids)} without an answer: {_words(why)} ({_words(_ids(ids))})"
            for why, ids in _unanswered(unanswered).items()
        ]
        yield "\n".join(rows_unanswered[:_MOST_ROWS])
    if still_open := [*run.open, *run.lapsed, *map(stale_words, run.stale)]:
        yield "\n".join(["Still open:", "", *(f"- {_words(each)}" for each in still_open[:_MOST_ROWS])])


def _guide(run: TargetRun) -> Iterator[str]:
    yield "| line | endpoint | checks | yours |"
    yield "| --- | --- | --- | --- |"
    for line in lines.guide_lines(run):
        yield f"| {_words(line.title)} | {line.endpoint} | {line.counts or 'none ran'} | {line.yours} |"


def _failing(rows: list[tuple[Result, Standing]]) -> Iterator[str]:
    yield "| check | outcome | what was seen | fix |"
    yield "| --- | --- | --- | --- |"
    for result, found in rows[:_MOST_ROWS]:
        why = f": {_words(result.accepted)}" if found is Standing.ACCEPTED and result.accepted else ""
        check = f"**{_words(result.id)}** {_words(result.title)}"
        yield f"| {check} | {found.value}{why} | {_words(saw(result))} | {_words(result.fix)} |"


def _words(text: str) -> str:
    """Untrusted words for a cell or a line, of bounded length."""
    return words(shorten(" ".join(text[: 20 * _MOST_CELL].split()), _MOST_CELL))
