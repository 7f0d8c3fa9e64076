"""Scenario files: the shipped ones, and what is said of one that cannot be used."""

from pathlib import Path
from typing import get_args

import pytest

from llmcompat.rehearsal import changes
from llmcompat.rehearsal.scenario import Change, ScenarioError, load_scenario, load_scenarios

GOOD = """\
name: my-own
title: Teapots are given up.
why: They never make coffee.
fix: Ask another machine.
item: retries
fault: {answer: {status: 418, text: short and stout}}
expect: [not-retried]
"""


def test_every_change_has_a_scenario_and_a_function() -> None:
    used = {each.fault.change for each in load_scenarios().values()} - {None}
    assert used == set(get_args(Change)) == set(changes.CHANGES)


def test_own_scenarios_come_beside_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "my-own.yaml").write_text(GOOD, encoding="utf-8")
    found = load_scenarios([tmp_path])
    assert found["my-own"].fault.answer is not None
    assert found["my-own"].fault.answer.status == 418
    assert list(found)[-1] == "my-own"
    assert "503-twice" in found


def test_money_runs_out_as_the_provider_words_it() -> None:
    fault = load_scenarios()["out-of-money"].fault
    statuses = {
        name: answer.status for name in ("deepseek", "groq", "openai") if (answer := fault.answer_like(name))
    }
    assert statuses == {"deepseek": 402, "groq": 400, "openai": 429}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "status: 418",
            "status: 99",
            "my-own.yaml:6: fault.answer.status: should be greater than or equal to 200",
        ),
        (
            "fault: {answer",
            "fault: {connection: reset, answer",
            "exactly one of answer, connection and change",
        ),
        ("text: short", 'headers: {a: "b\\nc"}, text: short', "fault.answer.headers.a: should match pattern"),
        ("not-retried", "not-retired", "my-own.yaml:7: expect"),
        ("item: retries", "item: coffee", "my-own.yaml:5: item"),
        ("name: my-own", "name: other", "my-own.yaml:1: name: must be the name of the file: my-own"),
        ("title: Teapots are given up.\n", "", "title: is missing; add it"),
        ("why:", "wy:", "why: is missing"),
        ("fault: {", "fault: {{", "my-own.yaml:7: is not valid YAML"),
    ],
)
def test_a_bad_file_is_one_line_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "my-own.yaml"
    file.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(file)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_there_already_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"holds no \.yaml file"):
        load_scenarios([tmp_path])
    with pytest.raises(ScenarioError, match="no such folder"):
        load_scenarios([tmp_path / "none"])
    (tmp_path / "503-twice.yaml").write_text(GOOD.replace("my-own", "503-twice"), encoding="utf-8")
    with pytest.raises(ScenarioError, match="503-twice: is there already"):
        load_scenarios([tmp_path])
