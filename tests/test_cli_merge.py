"""Runs from several machines: targets beside each other, and parts of one checklist as one run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmcompat.cli import main
from llmcompat.cli.files import read_run
from llmcompat.simulator.server import running

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def check(call: Call, tmp_path: Path) -> Callable[..., Path]:
    """A run of the endpoint, in a file."""

    def check(name: str, base_url: str, only: str, *more: str) -> Path:
        file = tmp_path / f"{name}.json"
        call("check", "demo", "--base-url", base_url, "--only", only, "-q", "--export", file, *more)
        return file

    return check


def endings(file: Path) -> list[dict[str, tuple[str, str | None]]]:
    return [{each.id: (each.status.value, each.case) for each in run.checks} for run in read_run(file).runs]


def test_parts_of_one_target_become_one_run(call: Call, check: Callable[..., Path], tmp_path: Path) -> None:
    with running(faults=["stream-missing-done"]) as server:
        parts = [check("a", server.base_url, "streaming"), check("b", server.base_url, "models")]
        both = check("both", server.base_url, "streaming,models")
    merged = tmp_path / "all.json"
    code, _, err = call("merge", *parts, "--export", merged)
    assert err == ""
    assert endings(merged) == endings(both)
    assert code == read_run(both).runs[0].exit_code
    (run,), shards = read_run(merged).runs, [read_run(part).runs[0] for part in parts]
    assert [exchange.id for exchange in run.exchanges] == [f"e{n + 1}" for n in range(len(run.exchanges))]
    assert run.spend.requests == sum(shard.spend.requests for shard in shards) == len(run.exchanges)
    ids = {exchange.id: exchange.probe for exchange in run.exchanges}
    assert all(ids[id] == ask.probe for ask in run.asks for id in ask.exchanges if ask.probe == "models_list")
    assert call("judge", merged)[0] == code


def test_other_targets_stand_beside_each_other(
    call: Call, check: Callable[..., Path], tmp_path: Path
) -> None:
    with running() as server:
        sound = check("sound", server.base_url, "models")
        other = check("other", server.base_url, "models", "--model", "demo-chat-mini")
    away = check("away", "http://127.0.0.1:1/v1", "models")
    merged = tmp_path / "all.json"
    code, out, _ = call("merge", sound, other, "--format", "json", "--export", merged)
    assert json.loads(out) == json.loads(merged.read_text(encoding="utf-8"))
    assert [run.target.model for run in read_run(merged).runs] == ["demo-chat", "demo-chat-mini"]
    assert read_run(merged).runs[0] == read_run(sound).runs[0]
    codes = [read_run(file).runs[0].exit_code for file in (sound, other)]
    assert code == max(codes)
    assert call("merge", other, away)[0] == read_run(away).runs[0].exit_code == 3


def changed(file: Path, change: Callable[[Any], None]) -> Path:
    document = json.loads(file.read_text(encoding="utf-8"))
    change(document["runs"][0])
    other = file.with_name(f"changed-{file.name}")
    other.write_text(json.dumps(document), encoding="utf-8")
    return other


def fail_first(run: Any) -> None:
    passed = next(each for each in run["checks"] if each["status"] == "pass")
    passed["status"], passed["case"] = "fail", "other"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda run: run["settings"].update(use_case="chat"), "settings.use_case differs"),
        (lambda run: run["basics"].update(temperature=None), "other basics"),
        (lambda run: run.update(seed="another"), "different seeds"),
        (fail_first, "ended in two ways (pass, fail: other)"),
    ],
)
def test_what_does_not_go_together_is_refused(
    call: Call, check: Callable[..., Path], change: Callable[[Any], None], words: str
) -> None:
    with running() as server:
        file = check("a", server.base_url, "models")
    other = changed(file, change)
    code, out, err = call("merge", file, other)
    assert (code, out) == (2, "")
    assert words in err
    assert str(other) in err
    assert len(err.splitlines()) == 1
    # the same run twice is the same run, and every check stands in it once
    assert call("merge", file, file)[0] == read_run(file).runs[0].exit_code
