"""Holding a run against another: what fails in both is set apart, what got worse counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from llmcompat.model import Before, Reference, Result, Status, TargetRun

_ANSWERED = (Status.PASS, Status.FAIL)


def hold_against(results: Iterable[Result], other: TargetRun) -> list[Result]:
    """The results, each with how the same check ended in the other run."""
    before = {
        result.id: Before(result.status, result.level, result.case, result.seen, result.attempts)
        for result in other.checks
    }
    return [replace(result, before=before.get(result.id)) for result in results]


def got_worse(result: Result, reference: Reference | None) -> bool:
    """Whether a result counts against the endpoint beside the reference run; without one, whether it is bad.

    Against a source a regression is what passes there and fails here. Against a baseline of the same endpoint
    another case of a failure is another deviation, so that it is worse too. What could not be answered in
    either is not.
    """
    if result.status is Status.FAIL:
        if reference is None or result.before is None or result.before.status is not Status.FAIL:
            return True
        return reference.kind == "baseline" and result.before.case != result.case
    if result.status is Status.ERROR:
        return reference is None or result.before is None or result.before.status in _ANSWERED
    return False


def set_apart(results: Iterable[Result], reference: Reference | None) -> list[Result]:
    """The results as they weigh beside the reference run: what is no worse there weighs as if accepted."""
    if reference is None:
        return list(results)
    said = "in the source too" if reference.kind == "source" else "in the baseline too"
    return [
        result
        if result.accepted or got_worse(result, reference) or result.status in (Status.PASS, Status.SKIP)
        else replace(result, accepted=said)
        for result in results
    ]
