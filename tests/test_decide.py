"""The table that turns results into a verdict and an exit status, in every combination."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from llmcompat.engine.decide import Exit, exit_code, verdict, worst
from llmcompat.model import Level, Result, Status, UseCase, Verdict

BASE = Result(
    id="x", item="tools", title="T.", kind="wire", status=Status.PASS, level=Level.MUST,
    levels={"chat": Level.MUST, "agent": Level.MUST, "trial": Level.SHOULD}, why="W.", fix="F.",
)  # fmt: skip


def result(status: str, level: str = "must", **changes: object) -> Result:
    levels = {use_case.value: Level(level) for use_case in UseCase}
    return replace(BASE, status=Status(status), level=Level(level), levels=levels, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("results", "expected", "code"),
    [
        ([("pass", "must")], Verdict.COMPATIBLE, 0),
        ([("pass", "must"), ("skip", "must"), ("manual", "must")], Verdict.COMPATIBLE, 0),
        ([("pass", "must"), ("fail", "should")], Verdict.WITH_LIMITATIONS, 0),
        ([("pass", "must"), ("error", "should")], Verdict.COMPATIBLE, 0),
        ([("pass", "must"), ("fail", "must")], Verdict.INCOMPATIBLE, 1),
        ([("fail", "must"), ("error", "must")], Verdict.INCOMPATIBLE, 1),
        ([("pass", "must"), ("error", "must")], Verdict.NO_ANSWER, 3),
        ([("error", "must")], Verdict.NO_ANSWER, 3),
        ([("skip", "must")], Verdict.NO_ANSWER, 2),
        ([("manual", "must")], Verdict.NO_ANSWER, 2),
        ([("pass", "should")], Verdict.NO_ANSWER, 2),
        ([("pass", "should"), ("error", "should")], Verdict.NO_ANSWER, 3),
        ([], Verdict.NO_ANSWER, 2),
    ],
)
def test_the_table(results: list[tuple[str, str]], expected: Verdict, code: int) -> None:
    made = [result(*each) for each in results]
    assert verdict(made, UseCase.AGENT) is expected
    assert exit_code(made, UseCase.AGENT) == code


def test_strict_counts_warnings_and_an_accepted_must_is_a_limitation() -> None:
    warned = [result("pass"), result("fail", "should")]
    assert exit_code(warned, UseCase.AGENT, strict=True) == Exit.INCOMPATIBLE
    accepted = [result("pass"), result("fail", accepted="we never read it")]
    assert exit_code(accepted, UseCase.AGENT) == Exit.COMPATIBLE
    assert verdict(accepted, UseCase.AGENT) is Verdict.WITH_LIMITATIONS
    assert exit_code(accepted, UseCase.AGENT, strict=True) == Exit.COMPATIBLE


def test_what_waits_for_an_accepted_failure_needs_no_answer() -> None:
    waiting = result("error", blocked_by="x", accepted="waits for x, which is accepted")
    accepted = [result("pass"), result("fail", accepted="we never read it"), waiting]
    assert verdict(accepted, UseCase.AGENT) is Verdict.WITH_LIMITATIONS
    assert exit_code(accepted, UseCase.AGENT) == Exit.COMPATIBLE
    assert exit_code([*accepted, result("error")], UseCase.AGENT) == Exit.NO_ANSWER
    assert exit_code([waiting], UseCase.AGENT) == Exit.NO_ANSWER


def test_a_signature_alone_judges_no_endpoint() -> None:
    signed = result("pass", kind="manual")
    assert verdict([signed], UseCase.AGENT) is Verdict.NO_ANSWER
    assert exit_code([signed], UseCase.AGENT) == Exit.NOTHING_RAN
    assert exit_code([signed, result("pass")], UseCase.AGENT) == Exit.COMPATIBLE


def test_what_was_accepted_and_no_longer_occurs_fails_only_where_that_is_asked() -> None:
    assert exit_code([result("pass")], UseCase.AGENT, stale=False) == Exit.COMPATIBLE
    assert exit_code([result("pass")], UseCase.AGENT, stale=True) == Exit.INCOMPATIBLE
    assert verdict([result("pass")], UseCase.AGENT) is Verdict.COMPATIBLE


def test_a_level_counts_for_its_use_case_only() -> None:
    levels = {"chat": Level.SHOULD, "agent": Level.MUST, "trial": Level.SHOULD}
    made = [result("pass"), replace(BASE, status=Status.FAIL, levels=levels)]
    assert verdict(made, UseCase.AGENT) is Verdict.INCOMPATIBLE
    assert verdict(made, UseCase.CHAT) is Verdict.WITH_LIMITATIONS


def test_what_was_not_asked_for_is_no_answer_for_a_use_case_that_needs_it() -> None:
    made = [result("pass"), result("skip", asked=False)]
    assert verdict(made, UseCase.AGENT) is Verdict.NO_ANSWER
    assert (
        verdict([result("pass"), result("skip", "should", asked=False)], UseCase.AGENT) is Verdict.COMPATIBLE
    )


def test_never_zero_when_no_must_was_judged() -> None:
    for statuses in product([None, "skip", "error", "manual"], repeat=3):
        made = [result(status) for status in statuses if status] + [result("pass", "should")]
        assert exit_code(made, UseCase.AGENT) in (Exit.NOTHING_RAN, Exit.NO_ANSWER)


def test_of_several_targets_the_worst_counts() -> None:
    assert worst([0, 0]) == 0
    assert worst([0, 3, 1]) == 1
    assert worst([0, 2, 3]) == 3
    assert worst([130, 1]) == 130
    assert worst([0, 4]) == 4
