"""Beside a reference run only what got worse counts, and what fails in both is told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmcompat.engine.decide import exit_code
from llmcompat.engine.reference import got_worse, hold_against, set_apart
from llmcompat.model import Before, Level, Reference, Status, Target, UseCase
from llmcompat.reports.table import table_text
from tests.reporting import result, run, target_run

SOURCE = Reference(
    "source", Target("openai", "https://api.openai.test/v1", "gpt"), "2026-11-01T00:00:00Z", "0.1"
)
BASELINE = replace(SOURCE, kind="baseline")


def before(status: str, **changes: Any) -> Before:
    return Before(Status(status), Level.MUST, **changes)


@pytest.mark.parametrize(
    ("then", "now", "in_source", "in_baseline"),
    [
        (before("pass"), ("fail", "a"), True, True),
        (before("fail", case="a"), ("fail", "a"), False, False),
        (before("fail", case="b"), ("fail", "a"), False, True),
        (before("error"), ("fail", "a"), True, True),
        (before("skip"), ("fail", "a"), True, True),
        (None, ("fail", "a"), True, True),
        (before("pass"), ("error", None), True, True),
        (before("fail", case="a"), ("error", None), True, True),
        (before("error"), ("error", None), False, False),
        (before("skip"), ("error", None), False, False),
        (None, ("error", None), True, True),
        (before("fail", case="a"), ("pass", None), False, False),
        (before("pass"), ("skip", None), False, False),
    ],
)
def test_what_got_worse(
    then: Before | None, now: tuple[str, str | None], in_source: bool, in_baseline: bool
) -> None:
    found = result("x", status=Status(now[0]), case=now[1], before=then)
    assert got_worse(found, SOURCE) is in_source
    assert got_worse(found, BASELINE) is in_baseline


def test_without_a_reference_whatever_is_bad_counts() -> None:
    assert got_worse(result("x", status=Status.FAIL), None)
    assert got_worse(result("x", status=Status.ERROR), None)
    assert not got_worse(result("x"), None)


def code(*results: Any, reference: Reference | None = BASELINE) -> int:
    return int(exit_code(set_apart(results, reference), UseCase.AGENT))


def test_the_exit_status_counts_only_what_got_worse() -> None:
    fine = result("fine")
    same = result("same", status=Status.FAIL, case="a", before=before("fail", case="a"))
    silent = result("silent", status=Status.ERROR, before=before("error"))
    broke = result("broke", status=Status.FAIL, before=before("pass"))
    lost = result("lost", status=Status.ERROR, before=before("pass"))
    assert code(fine, same, silent) == 0
    assert code(fine, same, reference=None) == 1
    assert code(fine, same, broke) == 1
    assert code(fine, same, lost) == 3


def test_nothing_judged_is_never_green() -> None:
    silent = result("silent", status=Status.ERROR, before=before("error"))
    assert code(silent) != 0


def test_results_learn_how_they_ended_there() -> None:
    other = target_run(result("x", status=Status.FAIL, case="a", seen="bad", attempts=(1, 3)))
    known, new = hold_against([result("x"), result("y")], other)
    assert known.before == Before(Status.FAIL, Level.MUST, "a", "bad", (1, 3))
    assert new.before is None


def test_the_table_tells_regressions_from_what_fails_there_too() -> None:
    broke = result("broke-here", status=Status.FAIL, before=before("pass", attempts=(3, 3)))
    same = result("same-there", status=Status.FAIL, case="a", before=before("fail", case="b"))
    text = table_text(run(target_run(broke, same, reference=SOURCE)))
    worse, there_too = text.split("What got worse")[1].split("Fails in the source openai:gpt, 2026-11-01 too")
    assert "broke-here" in worse
    assert "same-there" not in worse
    assert "held in the source, 3 of 3 attempts" in worse
    assert "same-there (case a): failed in the source, case b" in there_too
