"""What changed between two runs: each kind of change, in its order, and figures that are not made up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmcompat.engine.difference import Difference, Kind, difference
from llmcompat.model import Level, Result, Spend, Status
from llmcompat.reports.difference import difference_json, difference_markdown, difference_text
from tests.reporting import HOSTILE, result, target_run


def ended(status: str | None, case: str | None = None, **changes: Any) -> list[Result]:
    return [] if status is None else [result("x", status=Status(status), case=case, **changes)]


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        (ended("pass"), ended("fail"), Kind.BROKE),
        (ended(None), ended("fail"), Kind.NEW),
        (ended("error"), ended("fail"), Kind.NEW),
        (ended("skip"), ended("fail"), Kind.NEW),
        (ended("fail", "a"), ended("fail", "b"), Kind.OTHER),
        (ended("fail", "a"), ended("fail", "a"), Kind.SAME),
        (ended("fail"), ended("pass"), Kind.HEALED),
        (ended("fail"), ended("error"), Kind.LOST),
        (ended("pass"), ended("error"), Kind.LOST),
        (ended("fail"), ended("skip"), Kind.GONE),
        (ended("fail"), ended(None), Kind.GONE),
        (ended("pass", attempts=(3, 3)), ended("pass", attempts=(2, 3)), Kind.RATE),
        (ended("pass", attempts=(3, 3)), ended("pass", attempts=(5, 5)), None),
        (ended("pass"), ended("pass"), None),
        (ended("pass"), ended("skip"), None),
        (ended("manual"), ended("manual"), None),
        (ended(None), ended("pass"), None),
        (ended("error"), ended("pass"), None),
    ],
)
def test_kinds(old: list[Result], new: list[Result], kind: Kind | None) -> None:
    found = difference(target_run(*old), target_run(*new))
    assert [change.kind for change in found.changes] == ([kind] if kind else [])


def both(**changes: Any) -> Difference:
    old = target_run(
        result("warned", level=Level.SHOULD),
        result("healed", status=Status.FAIL),
        result("broke", attempts=(3, 3)),
        result("lost"),
        result("latency", item="latency", facts={"first token, p50": {"value": 0.4, "unit": "s"}}),
    )
    new = target_run(
        result("warned", level=Level.SHOULD, status=Status.FAIL),
        result("healed"),
        result("broke", status=Status.FAIL, seen=HOSTILE, attempts=(1, 3)),
        result("lost", status=Status.ERROR, blocked_by="broke"),
        result("latency", item="latency", facts={"first token, p50": {"value": 0.8, "unit": "s"}}),
        spend=Spend(40, 2000, 900, None),
        **changes,
    )
    return difference(old, new)


def test_musts_come_first_and_the_worst_of_them() -> None:
    assert [change.result.id for change in both().changes] == ["broke", "lost", "healed", "warned"]


def test_figures_are_those_of_the_runs_and_unknown_stays_unknown() -> None:
    moved = {each.name: (each.old, each.new, each.unit) for each in both().moved}
    assert moved["first token, p50"] == (0.4, 0.8, "s")
    assert moved["cost of the run"] == (0.0007, None, "USD")
    assert moved["requests"] == (31, 40, "")


def test_the_text_says_k_of_n_on_both_sides() -> None:
    text = difference_text([both()])
    assert "broke: must, pass (3 of 3) → FAIL (1 of 3)" in text
    assert "lost: must, pass → waits for broke" in text
    assert "0.4 s → 0.8 s  (+100%)" in text
    assert "0.0007 USD → unknown" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_markdown_holds_no_live_html() -> None:
    text = difference_markdown([both()])
    assert "## Broke: held before, fails now" in text
    assert "\n<script" not in text
    assert "| first token, p50 | 0.4 s | 0.8 s |" in text


def test_json_tells_what_is_worse() -> None:
    (found,) = json.loads(difference_json([both()]))["differences"]
    worse = {change["id"]: change["worse"] for change in found["changes"]}
    assert worse == {"broke": True, "lost": True, "healed": False, "warned": True}
    assert found["changes"][0]["old"]["attempts"] == [3, 3]


def test_nothing_moved_is_said() -> None:
    run = target_run(result())
    assert "Nothing moved but figures." in difference_text([difference(run, run)])
