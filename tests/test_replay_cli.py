"""`llmcompat check --workload`: what is sent, what is refused in one line, and how a replay goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llmcompat.cli import main
from llmcompat.simulator.server import running
from tests.replaying import BODIES, MODEL, answers_of, asked, write_answers, write_requests

ALONE = ("--workload-only", "-q", "--no-project")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test works in a folder of its own, with a state folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMCOMPAT_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def recorded(here: Path) -> str:
    """The name of a workload in this folder, with the answers of a healthy endpoint beside it."""
    with running() as simulator:
        write_answers(here / "w.answers.jsonl", answers_of(simulator.base_url))
    return str(write_requests(here / "w.jsonl"))


def results(path: Path) -> dict[str, Any]:
    """The results about the application in a saved run, by id."""
    (run,) = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return {check["id"]: check for check in run["checks"] if check["side"] == "yours"}


def at(base_url: str, *more: str) -> list[str]:
    return ["check", "--base-url", base_url, "--model", MODEL, *more]


def test_a_twin_holds_with_its_checklist(here: Path) -> None:
    name = recorded(here)
    only = ("--only", "prompts", "-q", "--no-project", "--export", "run.json")
    assert main(["check", "demo", "--workload", name, *only]) == 0
    found = results(here / "run.json")
    assert {each["status"] for each in found.values()} == {"pass"}
    assert found["workload-accepted"]["attempts"] == [6, 6]
    (run,) = json.loads((here / "run.json").read_text(encoding="utf-8"))["runs"]
    assert {check["side"] for check in run["checks"]} == {"endpoint", "yours"}
    assert "yours, not tested: long prompts, retry logic" in run["open"]


def test_a_simulated_provider_shows_what_it_refuses(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = recorded(here)
    assert main(["check", "deepseek", "--simulate", "--workload", name, *ALONE]) == 1
    shown = capsys.readouterr().out
    assert "workload-accepted (case status-400)" in shown
    assert "schema (status-400)" in shown


def test_a_difference_decides_the_exit_status(here: Path) -> None:
    name = recorded(here)
    with running(faults=["tool-arguments-object"]) as simulator:
        assert main(at(simulator.base_url, "--workload", name, "--export", "run.json", *ALONE)) == 1
    found = results(here / "run.json")
    assert [id for id, each in found.items() if each["status"] == "fail"] == ["workload-tool-arguments"]
    (run,) = json.loads((here / "run.json").read_text(encoding="utf-8"))["runs"]
    kept = [each for each in run["exchanges"] if each["probe"] == "workload"]
    assert {each["part"] for each in kept} == {"tool"}
    assert len({each["id"] for each in run["exchanges"]}) == len(run["exchanges"])


def test_a_warning_alone_leaves_the_exit_status(here: Path) -> None:
    name = recorded(here)
    with running(faults=["usage-null"]) as simulator:
        assert main(at(simulator.base_url, "--workload", name, "--export", "run.json", *ALONE)) == 0
    found = results(here / "run.json")
    assert [id for id, each in found.items() if each["status"] == "fail"] == ["workload-usage"]


def test_lines_that_are_no_requests_are_named_and_skipped(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = {"custom_id": "one", "method": "POST", "url": "/v1/chat/completions", "body": asked("Hello")}
    lines = [
        "{",
        json.dumps(good),
        json.dumps(good),
        json.dumps(good | {"custom_id": "b", "url": "/v1/files"}),
    ]
    (here / "w.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert main(["check", "demo", "--workload", "w.jsonl", "--export", "run.json", *ALONE]) == 0
    said = capsys.readouterr().err
    assert "w.jsonl:1: is no JSON: skipped" in said
    assert "w.jsonl:3: has the custom_id of line 2: skipped" in said
    assert "w.jsonl:4: url /v1/files" in said
    accepted = results(here / "run.json")["workload-accepted"]
    assert accepted["facts"]["requests"] == {"value": 1, "unit": "of 1"}
    assert any("3 lines of the workload" in note for note in accepted["notes"])
    assert main(["check", "demo", "--workload", "w.jsonl", "--strict-input", *ALONE]) == 2
    assert "w.jsonl:1: is no JSON" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--workload", "missing.jsonl"), "missing.jsonl: no such file"),
        (("--workload", "w.jsonl", "--answers", "missing.jsonl"), "missing.jsonl: no such file"),
        (("--workload", "empty.jsonl"), "holds no request"),
        (("--workload", "w.jsonl", "--map", "nonsense"), "must be OLD=NEW"),
        (("--workload", "w.jsonl", "--map", "other=x"), "--map other: no request names this model"),
        (("--answers", "w.jsonl"), "--answers: goes with --workload"),
        (("--map", "a=b"), "--map: goes with --workload"),
        ((), "--workload-only: give --workload FILE"),
    ],
)
def test_what_cannot_be_replayed_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    write_requests(here / "w.jsonl")
    (here / "empty.jsonl").write_text("\n", encoding="utf-8")
    assert main(["check", "demo", *options, *ALONE]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert captured.out == ""


def test_captured_data_needs_a_signed_data_policy(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = recorded(here)
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-0000000000000000")
    assert main(["check", "deepseek", "--workload", name, *ALONE]) == 2
    said = capsys.readouterr().err
    assert "llmcompat sign deepseek data-policy" in said
    assert "data-retention, data-training, data-region, data-subprocessors are not" in said
    assert main(["check", "demo", "--workload", name, "--compare-with", "deepseek", *ALONE]) == 2
    assert "llmcompat sign deepseek data-policy" in capsys.readouterr().err
    for check in ("data-retention", "data-training", "data-region"):
        assert main(["sign", "deepseek", check, "--by", "Ada"]) == 0
    capsys.readouterr()
    assert main(["check", "deepseek", "--workload", name, *ALONE]) == 2
    assert "and data-subprocessors is not" in capsys.readouterr().err


def test_the_project_files_own_requests_are_replayed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "llmcompat.yaml").write_text(
        "targets: {chat: demo}\n"
        "accepted:\n"
        "  - {check: workload-expectations, reason: not yet}\n"
        "workload:\n"
        "  - {name: greeting, prompt: Hello, expect: {contains: xylophone}}\n"
        "  - prompt: Tell me about the sea.\n",
        encoding="utf-8",
    )
    assert main(["check", "--workload-only", "-q", "--export", "run.json"]) == 0
    found = results(here / "run.json")
    assert found["workload-accepted"]["attempts"] == [2, 2]
    failed = found["workload-expectations"]
    assert (failed["status"], failed["case"], failed["accepted"]) == ("fail", "contains", "not yet")
    assert failed["seen"].startswith("greeting (contains)")
    # whoever names what is checked is not sent more
    assert main(["check", "--only", "prompts", "-q", "--export", "run.json"]) == 0
    assert results(here / "run.json") == {}


def test_a_model_compares_blind_and_in_both_orders(here: Path) -> None:
    name = recorded(here)
    options = ("--compare-with", "demo", "--export", "run.json", *ALONE)
    assert main(["check", "demo", "--workload", name, *options]) == 0
    # the simulator's model says nothing of answers, so that nothing is told of them
    assert "workload-comparison" not in results(here / "run.json")


def test_a_dry_run_counts_the_workload(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_requests(here / "w.jsonl")
    options = ("--workload", "w.jsonl", "--only", "chat-accepted", "--no-project", "--dry-run")
    assert main(["check", "demo", *options]) == 0
    assert "workload: 6 requests more, with about" in capsys.readouterr().err


def test_going_on_sends_only_what_is_missing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = recorded(here)
    with running() as simulator:
        first = at(simulator.base_url, "--workload", name, "--log", "a.jsonl", *ALONE)
        assert main(first) == 0
        before = len(simulator.requests)
        # as if the process had died after the third answer
        lines = (here / "a.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
        ours = [line for line in lines if '"probe":"workload"' in line]
        kept = [line for line in lines if line not in ours[3:]]
        (here / "cut.jsonl").write_text("".join(kept), encoding="utf-8")
        capsys.readouterr()
        again = [*at(simulator.base_url, *ALONE), "--resume", "cut.jsonl"]
        assert main([*again, "--workload", name, "--export", "run.json"]) == 0
        assert len(simulator.requests) - before == len(BODIES) - 3
        assert results(here / "run.json")["workload-accepted"]["attempts"] == [6, 6]
        assert main(["check", "--resume", "cut.jsonl", "-q", "--no-project"]) == 2
        assert "give --workload once more" in capsys.readouterr().err
        assert main([*again, "--workload", name, "--log", "cut.jsonl"]) == 2
        assert "is the log that is gone on with" in capsys.readouterr().err


def test_a_saved_replay_is_held_against_another(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = recorded(here)
    with running(faults=["tool-arguments-object"]) as simulator:
        asked_for = at(simulator.base_url, "--workload", name, *ALONE)
        assert main([*asked_for, "--export", "old.json"]) == 1
        assert main([*asked_for, "--baseline", "old.json"]) == 0
        assert main(["judge", "old.json"]) == 1
    assert "workload-tool-arguments" in capsys.readouterr().out
