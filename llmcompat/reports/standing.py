"""What the formats for CI share: a name for each target, how each result counts, and what explains it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from enum import StrEnum

from llmcompat.engine.reference import got_worse
from llmcompat.model import Acceptance, Level, Location, Result, Run, Status, TargetRun
from llmcompat.reports import lines
from llmcompat.reports.escape import one_line

IN_THE_REFERENCE_TOO = "fails in the reference run too"
"""Why a failure does not count against the endpoint where the run is held against another."""

A_PERSON_DECIDES = "a person decides"

NO_ANSWER_EITHER = "no answer in the reference run either"

SIMULATED = "simulated: documented, not measured"

_MOST_NAME = 100


class Standing(StrEnum):
    """How a result counts, the worst first."""

    FAILURE = "failure"
    UNANSWERED = "no answer"
    WARNING = "warning"
    NO_WORSE = "no worse than the reference"
    ACCEPTED = "accepted"
    NOT_KNOWN = "not known"
    """A should without an answer."""
    TO_DECIDE = "to decide"
    SKIPPED = "skipped"
    SIGNED = "signed"
    PASSED = "passed"


def standing(result: Result, run: TargetRun) -> Standing:
    """How a result of this run counts; with `--strict` a warning is a failure, as for the exit status."""
    if result.signature is not None:
        return Standing.SIGNED
    if result.status is Status.PASS:
        return Standing.PASSED
    if result.status is Status.SKIP:
        return Standing.SKIPPED
    if result.accepted:
        return Standing.ACCEPTED
    if result.status is Status.MANUAL:
        return Standing.UNANSWERED if run.settings.get("require_signoff") else Standing.TO_DECIDE
    # a must that is a should in the reference run, or the other way round, is still the same failure
    if run.reference is not None and not got_worse(result, run.reference):
        return Standing.NO_WORSE
    if result.status is Status.ERROR:
        return Standing.UNANSWERED if result.level is Level.MUST else Standing.NOT_KNOWN
    strict = bool(run.settings.get("strict"))
    return Standing.FAILURE if result.level is Level.MUST or strict else Standing.WARNING


def names(run: Run) -> list[str]:
    """A name for each target, as plain words: its role, else provider and model; a number where taken."""
    given: list[str] = []
    for each in run.runs:
        target = each.target
        name = one_line(target.role or f"{target.provider}:{target.model}", _MOST_NAME)
        numbered = (f"{name} ({number})" for number in itertools.count(2))
        given.append(name if name not in given else next(each for each in numbered if each not in given))
    return given


def verdict_words(run: TargetRun) -> str:
    """The verdict for the use case that decides: "incompatible (agent), simulated: …"."""
    verdict = run.verdicts.get(run.use_case.value)
    said = lines.VERDICT_WORDS[verdict] if verdict is not None else "no verdict"
    incomplete = ", incomplete" if run.stopped else ""
    return f"{said} ({run.use_case.value}){incomplete}{f', {SIMULATED}' if run.simulated else ''}"


def counted(found: Iterable[Standing]) -> str:
    """How many results count how, the worst first: "2 failures, 1 warning"."""
    found = list(found)
    numbers = ((found.count(each), each) for each in Standing)
    return ", ".join(f"{number} {_plural(each, number)}" for number, each in numbers if number)


def _plural(each: Standing, number: int) -> str:
    return f"{each.value}s" if number > 1 and each in (Standing.FAILURE, Standing.WARNING) else each.value


def why_aside(result: Result, count: Standing) -> str:
    """Why a result neither holds nor counts against the endpoint, in one line that is not yet escaped."""
    if count is Standing.ACCEPTED:
        return f"accepted: {result.accepted}"
    if count is Standing.NO_WORSE:
        return IN_THE_REFERENCE_TOO if result.status is Status.FAIL else NO_ANSWER_EITHER
    if count is Standing.TO_DECIDE:
        return A_PERSON_DECIDES
    if count is Standing.NOT_KNOWN:
        return f"no answer, and no must: {no_answer(result)}"
    return result.reason or "no reason is known"


def no_answer(result: Result) -> str:
    """Why there is no answer, in one line that is not yet escaped."""
    if result.blocked_by:
        return f"waits for {result.blocked_by}"
    if result.status is Status.MANUAL:
        return f"not signed: {A_PERSON_DECIDES}"
    return result.reason or "no reason is known"


def saw(result: Result) -> str:
    """What was seen, and what was expected, in one line that is not yet escaped."""
    case = f"{result.case}: " if result.case else ""
    seen = f"seen {result.seen}" if result.seen is not None else "it does not hold"
    return f"{case}{seen}" + (f"; expected {result.expected}" if result.expected is not None else "")


def explained(result: Result) -> list[tuple[str, str]]:
    """What explains a result, as (label, text that is not yet escaped); nothing for what just passes."""
    rows: list[tuple[str, str | None]] = []
    if result.status is Status.FAIL:
        rows = [
            ("case", result.case),
            ("sent", result.sent),
            ("seen", result.seen),
            ("expected", result.expected),
            ("held", lines.held(result)),
            ("breaks", lines.breaks(result)),
            ("known", lines.known_words(result)),
            ("source", result.known.source if result.known else ", ".join(result.sources)),
            ("accepted", result.accepted),
            ("why", result.why),
            ("fix", result.fix),
        ]
    elif result.status is Status.ERROR:
        rows = [("no answer", no_answer(result)), ("accepted", result.accepted), ("why", result.why)]
    elif result.status is Status.MANUAL:
        rows = [("facts", result.seen), ("why", result.why)]
    elif result.signature is not None:
        signature = result.signature
        note = f": {signature.note}" if signature.note else ""
        rows = [("facts", result.seen), ("signed", f"by {signature.by} on {signature.on}{note}")]
    rows += [("note", note) for note in result.notes]
    return [(label, text) for label, text in rows if text]


def stale_words(acceptance: Acceptance) -> str:
    """That something accepted no longer occurs, in one line that is not yet escaped."""
    case = f" ({acceptance.case})" if acceptance.case else ""
    return f"{acceptance.check}{case} is accepted and no longer occurs: take it out of the project file"


def place(location: Location | None) -> tuple[str, int]:
    """Where a finding of this target is shown: in the project file, at its first line where none is known."""
    if location is None:
        return "llmcompat.yaml", 1
    return location.path.replace("\\", "/").removeprefix("./"), max(1, location.line)
