"""What the application made of each scenario: pure functions from what was seen to results."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from llmcompat.model import Level, Result, Status, UseCase
from llmcompat.rehearsal.proxy import fits
from llmcompat.rehearsal.run import last_lines
from llmcompat.rehearsal.scenario import Scenario
from llmcompat.rehearsal.wirelog import Ending, Observed

NO_PAUSE = 0.1
"""Seconds: a try that comes sooner after an error came without a pause."""

GROWING = 1.05
"""The longest later wait is at least so many times the first one, which a busy machine makes longer too."""

_ENOUGH_FIRST_WAITS = 3
_JITTER = 0.03
"""The part of the mean wait above which waits are said to be spread; less is the noise of a machine."""

_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
_UNHANDLED = re.compile(
    r"^(?:Traceback \(most recent call last\)|Unhandled|UnhandledPromiseRejection|panic:|Exception in thread "
    r"|Uncaught |Node\.js v\d)",
    re.M,
)
_ERROR = re.compile(r"[\w.]*(?:Error|Exception)\b")
_MOST_SHOWN = 300
_MOST_EXCHANGES = 30

REPEATED = "rehearsal-repeated-answers"
"""The result that is judged over all scenarios."""

NO_REQUEST = "no request was seen at the base URL: your code does not use it"


@dataclass(frozen=True)
class Finding:
    """What is wrong: its case, what was seen, and what should have been."""

    case: str
    seen: str
    expected: str


class Baseline:
    """What the command does where nothing goes wrong, and how much of that is steady."""

    def __init__(self, runs: Sequence[Observed]) -> None:
        self.runs = tuple(runs)
        first = runs[0]
        self.status = first.ending.status
        self.out = lines_of(first.ending.out)
        self.steady = first.ending.out_is_whole and all(
            lines_of(each.ending.out) == self.out for each in runs
        )
        """Whether it prints the same each time, numbers aside."""
        self.counts = Counter(each.identity for each in first.seen)
        self.answers = sum(each.answered_well for each in first.seen if each.method != "GET")
        self.crashes = any(_UNHANDLED.search(each.ending.errors) for each in runs)

    def sends(self, scenario: Scenario) -> bool:
        """Whether it sends a request of the kind that the scenario is for."""
        return any(fits(scenario, seen) for seen in self.runs[0].seen)

    def overlaps(self, identity: str) -> bool:
        """Whether the same request is under way twice at a time by itself: its tries cannot be told apart."""
        same = self.runs[0].tries(identity)
        return any(after.at < (before.ended_at or after.at) for before, after in pairwise(same))


def lines_of(text: str) -> list[str]:
    """The lines of an output without its numbers: times and counts differ from run to run."""
    return [_NUMBER.sub("#", line.rstrip()) for line in text.splitlines() if line.strip()]


def judge(
    scenario: Scenario,
    baseline: Baseline,
    observed: Observed,
    *,
    within: float,
    ids: Mapping[int, str] | None = None,
) -> list[Result]:
    """The results of one scenario: one for what must hold, and one for back-off where that is asked for.

    `within` is how many seconds an alert may take; `ids` are the exchanges by the number of the request.
    """
    base = _base(scenario, observed, ids or {})
    reason = _unanswerable(scenario, observed)
    if reason is not None:
        return [replace(base, status=Status.ERROR, reason=reason)]
    findings = list(_findings(scenario, baseline, observed, within))
    notes = [*base.notes, *_cautions(scenario, baseline, observed)]
    if findings:
        first, *others = findings
        hit, ending = sum(each.faulted for each in observed.seen), observed.ending
        seen = f"{len(observed.seen)} requests seen, {hit} of them hit"
        notes.append(f"{seen}; {ending.words} after {ending.seconds:.1f} s")
        notes += [f"also {each.case}: {each.seen}" for each in others]
        results = [
            replace(
                base,
                status=Status.FAIL,
                case=first.case,
                seen=first.seen,
                expected=first.expected,
                notes=tuple(notes),
            )
        ]
    else:
        results = [replace(base, notes=tuple(notes))]
    if "backs-off" in scenario.expect:
        results.append(_back_off(scenario, observed, base))
    return results


def skipped(scenario: Scenario, reason: str) -> Result:
    """The result of a scenario that was not played, as it does not apply."""
    return replace(_plain(scenario), status=Status.SKIP, reason=reason)


def unanswered(scenario: Scenario, reason: str) -> Result:
    """The result of a scenario that has no answer."""
    return replace(_plain(scenario), status=Status.ERROR, reason=reason)


def repeated_answers(
    scenarios: Iterable[Scenario], baseline: Baseline, observed: Mapping[str, Observed]
) -> Result:
    """Whether anything was asked again that had a complete, good answer already, over all scenarios."""
    result = Result(
        id=REPEATED,
        item="retries",
        title="Nothing is asked again that was answered whole.",
        kind="wire",
        status=Status.PASS,
        level=Level.MUST,
        levels={each.value: Level.MUST for each in UseCase},
        why="A second answer to the same request is paid for again, and what it leads to is done again.",
        fix="Retry only what failed: a connection error, 408, 409, 429 or 5xx. A parser that fails on a "
        "whole answer must not send the request again.",
        side="yours",
    )
    found = []
    for scenario in scenarios:
        seen = observed.get(scenario.name)
        if seen is None:
            continue
        for identity in dict.fromkeys(each.identity for each in seen.seen if each.method != "GET"):
            answered = sum(each.answered_well for each in seen.seen if each.identity == identity)
            if answered > max(1, baseline.counts[identity]):
                found.append(f"{scenario.name}: {answered} whole answers to one request")
                break
    if not found:
        return result
    return replace(
        result,
        status=Status.FAIL,
        case="answered-twice",
        seen=_shown("; ".join(found)),
        expected="one whole answer to each request, as without faults",
    )


def jitter_note(observed: Mapping[str, Observed]) -> str | None:
    """What the first waits over all scenarios say of jitter; None where too few were seen."""
    waits = []
    for each in observed.values():
        for identity in dict.fromkeys(seen.identity for seen in each.seen if seen.faulted):
            tries = each.tries(identity)
            if len(tries) > 1 and tries[0].asked_wait is None and tries[0].ended_at is not None:
                waits.append(tries[1].at - tries[0].ended_at)
    waits = [wait for wait in waits if wait >= NO_PAUSE]
    if len(waits) < _ENOUGH_FIRST_WAITS:
        return None
    mean = sum(waits) / len(waits)
    said = f"{len(waits)} first waits lay between {min(waits):.2f} and {max(waits):.2f} s"
    if max(waits) - min(waits) > 2 * _JITTER * mean:
        return f"{said}: spread, as jitter does"
    return f"{said}: no jitter was seen, so many clients would come back at the same time"


def _plain(scenario: Scenario) -> Result:
    return Result(
        id=scenario.id,
        item=scenario.item,
        title=scenario.title,
        kind="wire",
        status=Status.PASS,
        level=scenario.level,
        levels={each.value: scenario.level for each in UseCase},
        why=scenario.why,
        fix=scenario.fix,
        side="yours",
    )


def _base(scenario: Scenario, observed: Observed, ids: Mapping[int, str]) -> Result:
    notes = []
    if observed.dropped:
        notes.append(f"{observed.dropped} more requests were not kept")
    return replace(
        _plain(scenario),
        notes=tuple(notes),
        exchanges=tuple(ids[each.number] for each in observed.seen if each.number in ids)[:_MOST_EXCHANGES],
        seconds=round(observed.ending.seconds, 3),
    )


def _unanswerable(scenario: Scenario, observed: Observed) -> str | None:
    """Why nothing can be said of a scenario, or None."""
    if scenario.fault.connection == "refused":
        # a port that is closed sees nothing; how the command ended is what is judged
        return None
    if not observed.seen:
        return "no request was seen at the base URL in this scenario"
    if not any(each.faulted for each in observed.seen):
        return "no request of the kind that this scenario is for was seen in it"
    return None


def _findings(scenario: Scenario, baseline: Baseline, observed: Observed, within: float) -> Iterator[Finding]:
    """What is wrong, the most telling first."""
    endless = _endless(scenario, observed)
    # what was asked again and again is the finding, and that it never ended only follows
    if "not-retried" in scenario.expect:
        yield from _retried(baseline, observed)
    elif endless is not None:
        yield endless
        return
    if "honours-retry-after" in scenario.expect:
        yield from _not_waited(scenario, baseline, observed)
    if "fallback" in scenario.expect:
        yield from _no_fallback(observed)
    if "alert" in scenario.expect:
        yield from _no_alert(observed, within)
    if endless is not None:
        yield endless
        return
    if observed.died is not None:
        yield Finding(
            "application-ended", f"the application itself ended: {observed.died}", "that it goes on"
        )
    if "survive" in scenario.expect:
        yield from _not_survived(scenario, baseline, observed)
    if "notices" in scenario.expect:
        yield from _not_noticed(baseline, observed)
    if "handles" in scenario.expect:
        yield from _not_handled(baseline, observed)


def _endless(scenario: Scenario, observed: Observed) -> Finding | None:
    ending = observed.ending
    if ending.kind == "stopped":
        tries = max(Counter(each.identity for each in observed.seen if each.door == "main").values())
        limit = scenario.bounds.tries
        return Finding(
            "never-gave-up",
            f"{tries} tries of one request in {ending.seconds:.1f} s; then we ended the command",
            f"an end after some tries, {limit} at most",
        )
    if ending.kind == "time":
        tries = len(observed.seen)
        case = "never-gave-up" if scenario.requests.first is None and _tries(observed) > 1 else "never-ended"
        return Finding(
            case,
            f"still running after {ending.seconds:.0f} s and {tries} requests",
            "that the command ends by itself (--scenario-timeout gives it longer)",
        )
    return None


def _tries(observed: Observed) -> int:
    """How often the request that was tried most was tried."""
    counts = Counter(each.identity for each in observed.seen if each.faulted)
    return max(counts.values(), default=0)


def _hit(observed: Observed) -> list[str]:
    """The requests that were hit, each once."""
    return list(dict.fromkeys(each.identity for each in observed.seen if each.faulted))


def _retried(baseline: Baseline, observed: Observed) -> Iterator[Finding]:
    for identity in _hit(observed):
        tries = observed.tries(identity)
        if len(tries) > max(1, baseline.counts[identity]):
            times = ", ".join(f"{each.at - tries[0].at:.1f}" for each in tries[:8])
            yield Finding(
                "retried",
                f"{len(tries)} tries of one request, at {times}{'…' * (len(tries) > 8)} s; "
                f"the answer was {tries[0].status}",
                "one try: this cannot succeed by asking again",
            )
            return


def _not_waited(scenario: Scenario, baseline: Baseline, observed: Observed) -> Iterator[Finding]:
    for identity in _hit(observed):
        if baseline.overlaps(identity):
            continue
        tries = observed.tries(identity)
        for before, after in pairwise(tries):
            if before.asked_wait is None or before.ended_at is None:
                continue
            waited = after.at - before.ended_at
            if waited < before.asked_wait * (1 - scenario.bounds.tolerance):
                yield Finding(
                    "not-waited",
                    f"asked again after {waited:.2f} s",
                    f"{before.asked_wait:.2f} s or more, as the answer asked for",
                )
                return


def _no_fallback(observed: Observed) -> Iterator[Finding]:
    if not any(each.door == "fallback" and each.complete for each in observed.seen):
        yield Finding(
            "no-fallback",
            f"{len(observed.seen)} requests at the endpoint that is out of order, none at the second one",
            "that your code goes on at the second endpoint",
        )


def _no_alert(observed: Observed, within: float) -> Iterator[Finding]:
    began = next((each.ended_at or each.at for each in observed.seen if each.faulted), 0.0)
    if not any(began <= alert <= began + within for alert in observed.alerts):
        seen = "no alert arrived" if not observed.alerts else "an alert arrived, though not in time"
        yield Finding("no-alert", seen, f"a request to LLMCOMPAT_ALERT_URL within {within:g} s")


def _not_survived(scenario: Scenario, baseline: Baseline, observed: Observed) -> Iterator[Finding]:
    ending = observed.ending
    errors = scenario.fault.change in (None, "reset")
    alone = errors and not any(_asked_again(observed, identity) for identity in _hit(observed))
    if ending.kind == "signal" or ending.status != baseline.status:
        ended = f"{ending.words}, without faults {baseline.status}"
        case = "ended-by-signal" if ending.kind == "signal" else "gave-up" if alone else "ended-otherwise"
        seen = f"{ended}; it did not ask again" if case == "gave-up" else ended
        yield Finding(case, f"{seen}{_last_words(ending)}", "that it ends as without faults")
        return
    if baseline.steady and (lost := _lost(baseline.out, lines_of(ending.out))) is not None:
        yield Finding(
            "gave-up" if alone else "lost-output",
            f"{_quoted(lines_of(ending.out))}; missing: {_quoted([lost])}",
            f"what it prints without faults: {_quoted(baseline.out)}",
        )
        return
    # an answer that the scenario has spoilt counts: it is what the application had to work with
    good = sum(each.complete and each.status == 200 for each in observed.seen if each.method != "GET")
    if good < baseline.answers:
        case = "gave-up" if alone else "asked-less"
        yield Finding(
            case,
            f"{good} whole answers, and it ended as if nothing had happened",
            f"{baseline.answers} whole answers, as without faults",
        )


def _asked_again(observed: Observed, identity: str) -> bool:
    tries = observed.tries(identity)
    return len(tries) > 1 or any(each.door == "fallback" for each in observed.seen)


def _not_noticed(baseline: Baseline, observed: Observed) -> Iterator[Finding]:
    ending = observed.ending
    if ending.kind == "signal":
        yield Finding("ended-by-signal", f"{ending.words}{_last_words(ending)}", "that it ends by itself")
        return
    if ending.status != baseline.status:
        return
    again = any(_asked_again(observed, identity) for identity in _hit(observed))
    if baseline.steady:
        printed = lines_of(ending.out)
        if again and _lost(baseline.out, printed) is None:
            return
        # a message of its own is a notice; a beginning of what it prints else is not
        if any(not _is_part(line, baseline.out) for line in printed):
            return
        seen = f"ended as without faults and printed {_quoted(printed)}"
    elif again:
        return
    else:
        seen = "ended as without faults and did not ask again"
    yield Finding(
        "took-part-for-whole",
        seen,
        "that it asks again, or ends with an error, or says that the answer is not whole",
    )


def _not_handled(baseline: Baseline, observed: Observed) -> Iterator[Finding]:
    ending = observed.ending
    if ending.kind == "signal":
        yield Finding("ended-by-signal", f"{ending.words}{_last_words(ending)}", "that it ends by itself")
    elif not baseline.crashes and _UNHANDLED.search(ending.errors):
        yield Finding(
            "crashed",
            f"an error that nobody caught{_last_words(ending)}",
            "an error of your own that says what happened, or another try",
        )


def _back_off(scenario: Scenario, observed: Observed, base: Result) -> Result:
    """Whether waits without Retry-After are there at all, and grow."""
    result = replace(
        base,
        id=f"{scenario.id}-backoff",
        title=f"{scenario.title.rstrip('.')}: the waits between tries are there, and grow.",
        level=Level.SHOULD,
        levels={each.value: Level.SHOULD for each in UseCase},
        why="Tries without a pause, or with the same one, keep down an endpoint that is overloaded already.",
        fix="Wait before each try, longer each time and with a random part: the clients of OpenAI wait "
        "0.5 s, then 1 s, up to 8 s.",
        notes=(),
    )
    waits = []
    for identity in _hit(observed):
        tries = observed.tries(identity)
        waits.append(
            [
                after.at - before.ended_at
                for before, after in pairwise(tries)
                if before.faulted and before.ended_at is not None
            ]
        )
    most = max(waits, key=len, default=[])
    if not most:
        reason = "your code did not try again, so that there is no wait to judge"
        return replace(result, status=Status.ERROR, reason=reason)
    said = ", ".join(f"{wait:.2f}" for wait in most[:10])
    if min(most) < NO_PAUSE:
        return replace(
            result,
            status=Status.FAIL,
            case="no-pause",
            seen=f"waits of {said} s",
            expected=f"at least {NO_PAUSE:g} s before each try",
        )
    if len(most) > 1 and max(most[1:]) < most[0] * GROWING:
        return replace(
            result,
            status=Status.FAIL,
            case="not-growing",
            seen=f"waits of {said} s",
            expected="waits that grow",
        )
    return replace(result, notes=(f"waits of {said} s",))


def _cautions(scenario: Scenario, baseline: Baseline, observed: Observed) -> Iterator[str]:
    """What could not be judged, and why."""
    if scenario.fault.connection == "refused":
        yield "what your code did at the closed port cannot be seen; judged is how the command ended"
    if not baseline.steady and {"survive", "notices"} & set(scenario.expect):
        yield "what the command prints differs from run to run, so that it was not compared"
    if any(baseline.overlaps(identity) for identity in _hit(observed)):
        yield "the command sends the same request several times at once: waits between tries were not judged"
    new = {each.identity for each in observed.seen} - set(baseline.counts)
    if new and _tries(observed) == 1 and "not-retried" not in scenario.expect:
        yield (
            f"{len(new)} requests have bodies that were not seen without faults: where they are further "
            "tries, they could not be told as such"
        )


def _lost(before: Sequence[str], now: Sequence[str]) -> str | None:
    """The first line that is not there in its order; other lines may stand between."""
    left = iter(now)
    return next((line for line in before if line not in left), None)


def _is_part(line: str, of: Iterable[str]) -> bool:
    return any(line in each for each in of)


def _last_words(ending: Ending) -> str:
    lines = last_lines(ending)
    # some runtimes end with their own name or a place in the code
    said = next((line for line in reversed(lines) if _ERROR.match(line)), lines[-1] if lines else "")
    return f"; it said: {_shown(said)}" if said else ""


def _quoted(lines: Sequence[str]) -> str:
    return _shown(" / ".join(lines)) if lines else "nothing"


def _shown(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"
