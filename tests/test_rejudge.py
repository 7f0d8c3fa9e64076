"""A saved run is judged again by the same code: on the same answers the same results come out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from llmcompat.cli import main
from llmcompat.engine.rejudge import RejudgeError, rejudge
from llmcompat.model import Ask, Result, Run, Status, TargetRun, UseCase
from llmcompat.reports.json_run import from_json, to_json
from llmcompat.simulator.server import running
from tests.checking import checklist
from tests.reporting import exchange, result, target_run

TODAY = date(2026, 11, 22)


def outcome(each: Result) -> tuple[Any, ...]:
    return each.id, each.status, each.level, each.case, each.seen, each.blocked_by, each.reason, each.attempts


def checked(folder: Path, *faults: str, options: tuple[str, ...] = ()) -> Path:
    file = folder / ("-".join(faults) or "healthy")
    file = file.with_suffix(".json")
    with running(faults=list(faults)) as simulator:
        base = ("--base-url", simulator.base_url, "--model", "demo-chat")
        main(["check", *base, "-q", "--export", str(file), *options])
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def healthy(folder: Path) -> Path:
    return checked(folder)


@pytest.fixture(scope="module")
def faulty(folder: Path) -> Path:
    return checked(folder, "tool-arguments-object")


@pytest.fixture
def quiet(capsys: pytest.CaptureFixture[str]) -> pytest.CaptureFixture[str]:
    capsys.readouterr()
    return capsys


def loaded(file: Path) -> TargetRun:
    (run,) = from_json(file.read_text(encoding="utf-8")).runs
    return run


def test_a_saved_run_is_judged_as_it_was_live(healthy: Path, faulty: Path) -> None:
    for file in (healthy, faulty):
        saved = loaded(file)
        again = rejudge(checklist(), saved, today=TODAY)
        assert [outcome(each) for each in again.checks] == [outcome(each) for each in saved.checks]
        assert (again.exit_code, again.verdicts, again.open) == (saved.exit_code, saved.verdicts, saved.open)
        assert again.exchanges == saved.exchanges


def test_another_use_case_decides_by_its_own_levels(faulty: Path) -> None:
    saved = loaded(faulty)
    assert saved.exit_code == 1
    assert rejudge(checklist(), saved, today=TODAY, changes={"use_case": UseCase.CHAT}).exit_code == 0


def test_what_is_not_loaded_stands_as_it_was(healthy: Path) -> None:
    saved = loaded(healthy)
    own = result("my-own-check", item="my-item", seen="theirs", status=Status.FAIL)
    asks = (*saved.asks, Ask("my_probe", None, 1, 1, (saved.exchanges[0].id,)))
    again = rejudge(checklist(), replace(saved, checks=(*saved.checks, own), asks=asks), today=TODAY)
    assert again.checks[-1] == own
    assert again.exit_code == 1


def test_a_check_that_is_new_since_then_has_no_answer(healthy: Path) -> None:
    saved = loaded(healthy)
    without = [ask for ask in saved.asks if ask.probe != "stream_text"]
    again = rejudge(checklist(), replace(saved, asks=tuple(without)), today=TODAY)
    lost = [each for each in again.checks if each.reason == "stream_text was not asked"]
    assert lost
    assert {each.status for each in lost} == {Status.ERROR}
    assert again.exit_code == 3


def test_a_run_of_an_older_tool_without_its_profile_is_judged_with_the_shipped_one(healthy: Path) -> None:
    saved = loaded(healthy)
    profile = {"name": "deepseek", "display_name": "DeepSeek"}
    again = rejudge(checklist(), replace(saved, profile=profile), today=TODAY)
    assert again.profile["document"]["name"] == "deepseek"


def test_settings_of_a_newer_tool_are_passed_over_and_broken_ones_are_said(healthy: Path) -> None:
    saved = loaded(healthy)
    newer = replace(saved, settings={**saved.settings, "not_yet_known": 1})
    assert rejudge(checklist(), newer, today=TODAY).exit_code == 0
    with pytest.raises(RejudgeError, match=r"settings\.repeat"):
        rejudge(checklist(), replace(saved, settings={**saved.settings, "repeat": "often"}), today=TODAY)


def test_a_run_that_ended_at_once_ends_so_again(folder: Path, quiet: pytest.CaptureFixture[str]) -> None:
    file = folder / "dead.json"
    base = ("--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--timeout", "2")
    code = main(["check", *base, "-q", "--export", str(file)])
    saved = loaded(file)
    again = rejudge(checklist(), saved, today=TODAY)
    assert again.exit_code == saved.exit_code == code != 0
    assert [outcome(each) for each in again.checks] == [outcome(each) for each in saved.checks]


def test_judge_ends_as_check_did_and_sends_nothing(
    faulty: Path, healthy: Path, quiet: pytest.CaptureFixture[str]
) -> None:
    # the simulators that were asked are gone: whatever was sent would fail
    assert main(["judge", str(faulty)]) == 1
    assert "tool-arguments-string" in quiet.readouterr().out
    assert main(["judge", str(faulty), "--for", "chat", "--format", "json"]) == 0
    assert json.loads(quiet.readouterr().out)["runs"][0]["use_case"] == "chat"
    assert main(["judge", str(faulty), "--baseline", str(faulty)]) == 0
    assert main(["judge", str(faulty), "--baseline", str(healthy)]) == 1


def test_diff_says_what_broke_and_what_healed(
    faulty: Path, healthy: Path, quiet: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", str(healthy), str(faulty)]) == 1
    out = quiet.readouterr().out
    assert "1 broke" in out
    assert "tool-arguments-string (case tool-arguments-object): must, pass → FAIL" in out
    assert main(["diff", str(faulty), str(healthy)]) == 0
    assert "1 healed" in quiet.readouterr().out
    assert main(["diff", str(faulty), str(faulty), "--format", "json"]) == 0
    (found,) = json.loads(quiet.readouterr().out)["differences"]
    assert {change["kind"] for change in found["changes"]} == {"same"}


def test_check_against_a_source_and_a_baseline(
    faulty: Path, healthy: Path, quiet: pytest.CaptureFixture[str]
) -> None:
    only = ("--only", "tools", "-q")
    with running(faults=["tool-arguments-object"]) as simulator:
        base = ("--base-url", simulator.base_url, "--model", "demo-chat")
        assert main(["check", *base, *only, "--from", str(healthy)]) == 1
        assert "held in the source" in quiet.readouterr().out
        assert main(["check", *base, *only, "--from", str(faulty)]) == 0
        assert "Fails in the source" in quiet.readouterr().out
        assert main(["check", *base, *only, "--baseline", str(faulty), "--format", "json"]) == 0
    (run,) = json.loads(quiet.readouterr().out)["runs"]
    assert run["verdicts"]["agent"] == "incompatible"  # a verdict says what is, whatever it was before
    assert run["reference"]["kind"] == "baseline"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "demo", "--from", "nowhere.json"), "--from nowhere.json: there is no such file"),
        (("check", "demo", "--from", "a.json", "--baseline", "b.json"), "leave one of the two out"),
        (("judge", "cut.json"), "cut.json: not a whole JSON document"),
        (("diff", "other.json", "other.json"), "other.json: schema: is"),
        (("judge", "empty.json"), "empty.json: holds no run"),
        (("diff", "cut.json", "cut.json", "--format", "xml"), "no such format"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...],
    said: str,
    healthy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quiet: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    text = healthy.read_text(encoding="utf-8")
    Path("cut.json").write_text(text[:5000], encoding="utf-8")
    Path("other.json").write_text(text.replace("llmcompat.run/1", "llmcompat.run/9", 1), encoding="utf-8")
    document = json.loads(text)
    Path("empty.json").write_text(json.dumps({**document, "runs": []}), encoding="utf-8")
    assert main(arguments) == 2
    err = quiet.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_what_was_found_of_the_application_fills_the_yours_cells(
    healthy: Path, tmp_path: Path, quiet: pytest.CaptureFixture[str]
) -> None:
    saved = loaded(healthy)
    wire = (exchange("e1", probe="rehearsal"), exchange("e2", probe="rehearsal"))
    own = [
        result("rehearsal-429", item="retries", side="yours", exchanges=("e2",)),
        result("your-alert-arrives", item="billing", side="yours", status=Status.FAIL, seen="404"),
    ]
    file, every = tmp_path / "rehearsal.json", tmp_path / "every.json"
    file.write_text(to_json(Run("0.1.0", "x", 1.0, (target_run(*own, exchanges=wire),))), encoding="utf-8")
    assert main(["judge", str(healthy), "--yours", str(file), "--export", str(every)]) == 1
    out = quiet.readouterr().out
    assert re.search(r"Retries and errors +holds .* holds\n", out)
    assert re.search(r"Billing and alerts +holds .* fails\n", out)
    assert "yours, not tested: prompts, long prompts, tool calls, JSON outputs, streaming parser" in " ".join(
        out.split()
    )
    run = loaded(every)
    assert len(run.exchanges) == len(saved.exchanges) + 1  # only what a result names
    (added,) = (each for each in run.checks if each.id == "rehearsal-429")
    assert [each.probe for each in run.exchanges if each.id in added.exchanges] == ["rehearsal"]
    # what is held already is replaced, and judging again leaves it
    assert main(["judge", str(every), "--yours", str(file)]) == 1
    assert main(["judge", str(every), "--format", "json"]) == 1
    quiet.readouterr()
    assert main(["judge", str(healthy), "--yours", str(healthy)]) == 2
    assert "holds nothing about your application" in quiet.readouterr().err


def test_a_rehearsal_is_judged_again_without_the_endpoints_checklist(
    tmp_path: Path, quiet: pytest.CaptureFixture[str]
) -> None:
    own = result("rehearsal-429", item="retries", side="yours", status=Status.FAIL)
    settings = {"provider": "example", "base_url": "https://api.example.test/v1", "model": "m1"}
    file = tmp_path / "rehearsal.json"
    run = Run("0.1.0", "x", 1.0, (target_run(own, settings=settings),))
    file.write_text(to_json(run), encoding="utf-8")
    assert main(["judge", str(file), "--export", str(tmp_path / "again.json")]) == 1
    out = quiet.readouterr().out
    assert "Verdict on your application" in out
    assert "Settings that worked" not in out
    assert [each.id for each in loaded(tmp_path / "again.json").checks] == ["rehearsal-429"]
