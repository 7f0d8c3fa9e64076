"""Spoilt answers crash nothing: some of them in every run of the suite, many in `python -m tests.fuzz`."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import fuzzing
from tests.fuzzing import (
    CHANGES,
    SHOWN,
    Crash,
    asked_again,
    fuzz,
    good,
    judged,
    one_answer,
    parts,
    shown,
    spoil,
    whole_run,
)

SOME = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@SOME
@given(st.integers(0, 200), st.randoms(use_true_random=False), st.sampled_from(SHOWN))
def test_one_spoilt_answer(number: int, dice: random.Random, form: str) -> None:
    assert one_answer(parts()[number % len(parts())], dice, form) == 1


@pytest.mark.parametrize("form", SHOWN)
def test_each_form_of_a_spoilt_run(form: str) -> None:
    dice = random.Random(f"form/{form}")
    part = parts()[len(form) % len(parts())]
    assert one_answer(part, dice, form) == 1


def test_a_whole_run_of_spoilt_answers() -> None:
    assert whole_run(random.Random(7), "table") >= 1


def test_probes_that_get_spoilt_answers() -> None:
    spoilt = sum(asked_again(parts()[number], random.Random(number), "table") for number in (3, 20, 40))
    assert spoilt >= 1


def test_an_answer_that_is_cut_anywhere() -> None:
    part = next(each for each in parts() if each.probe == "weather_call")
    id = part.own[0]
    whole = part.brought.exchanges[id]
    for at in range(0, len(whole.body), 13):
        cut = replace(whole, body=whole.body[:at], ended="cut", error="connection reset")
        selection = part.selections[at % len(part.selections)]
        judged(selection, part.settings, replace(part.brought, exchanges={**part.brought.exchanges, id: cut}))


def test_answers_are_really_spoilt_and_alike_for_a_seed() -> None:
    whole = next(each for each in good().run.exchanges if each.probe == "hello")
    first = [spoil(whole, random.Random(seed)) for seed in range(40)]
    assert first == [spoil(whole, random.Random(seed)) for seed in range(40)]
    assert sum(each != whole for each in first) > 30
    assert len(CHANGES) > 10


def test_a_crash_is_told_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(part: object, dice: object, form: object) -> int:
        raise Crash("chat-accepted: the check itself broke at prompts.py:1: KeyError: 'x'")

    monkeypatch.setattr(fuzzing, "one_answer", broken)
    [(count, found)] = fuzz(1, [5])
    assert count == 1
    assert found is not None
    assert found.number == 5
    assert "itself broke" in found.what


def test_every_form_says_something() -> None:
    part = parts()[0]
    run = judged(part.selections[0], part.settings, part.brought)
    assert [form for form in SHOWN if not shown(run, form) and form not in ("findings", "finding")] == []
