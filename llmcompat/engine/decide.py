"""The one table that turns results into a verdict and an exit status."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from llmcompat.model import Level, Result, Status, UseCase, Verdict


class Exit(IntEnum):
    """What the process ends with; scripts rely on it."""

    COMPATIBLE = 0
    INCOMPATIBLE = 1
    NOTHING_RAN = 2
    NO_ANSWER = 3
    NOT_WRITTEN = 4
    INTERRUPTED = 130


def verdict(results: Iterable[Result], use_case: UseCase) -> Verdict:
    """What the results say of the endpoint for a use case."""
    results = list(results)
    must = [result for result in results if result.levels[use_case.value] is Level.MUST]
    if any(result.status is Status.FAIL and not result.accepted for result in must):
        return Verdict.INCOMPATIBLE
    # a signature is a person's word, not an answer of the endpoint
    judged = any(result.status in (Status.PASS, Status.FAIL) for result in must if result.kind != "manual")
    if not judged or any(_is_unanswered(result) for result in must):
        return Verdict.NO_ANSWER
    if any(result.status is Status.FAIL for result in results):
        return Verdict.WITH_LIMITATIONS
    return Verdict.COMPATIBLE


def exit_code(
    results: Iterable[Result], use_case: UseCase, *, strict: bool = False, stale: bool = False
) -> Exit:
    """The exit status: never 0 when no must was judged.

    `strict` lets warnings fail, `stale` says that something accepted no longer occurs and that this fails.
    """
    results = list(results)
    found = verdict(results, use_case)
    if found is Verdict.INCOMPATIBLE:
        return Exit.INCOMPATIBLE
    if found is Verdict.NO_ANSWER:
        return (
            Exit.NO_ANSWER if any(result.status is Status.ERROR for result in results) else Exit.NOTHING_RAN
        )
    if stale or (strict and any(result.status is Status.FAIL and not result.accepted for result in results)):
        return Exit.INCOMPATIBLE
    return Exit.COMPATIBLE


def _is_unanswered(result: Result) -> bool:
    """Whether a line has no answer that it should have: what waits for an accepted failure needs none."""
    return (result.status is Status.ERROR and not result.accepted) or not result.asked


def worst(codes: Iterable[int]) -> int:
    """The exit status of several targets: interrupted, then incompatible, then what could not be told."""
    order = (Exit.INTERRUPTED, Exit.INCOMPATIBLE, Exit.NO_ANSWER, Exit.NOTHING_RAN, Exit.NOT_WRITTEN)
    codes = set(codes)
    return next((int(code) for code in order if code in codes), int(Exit.COMPATIBLE))
