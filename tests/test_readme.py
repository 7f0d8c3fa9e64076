"""What README says works as written: its commands, its check, its profile and its figures."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from llmcompat.cli import main
from llmcompat.profiles.loader import load_profile
from llmcompat.simulator.server import running
from tests.checking import checklist

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    return [line.removeprefix("$ ").partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


CALLS = [command for command in commands() if command.startswith("llmcompat ")]
SIMULATED = [call for call in CALLS if "--simulate" in call]
NEEDS_NO_KEY = ("--simulate", "--dry-run")
NEEDS_A_KEY = [
    call
    for call in CALLS
    if "check deepseek --" in call and not any(option in call for option in NEEDS_NO_KEY)
]
NEEDS_A_SERVER = [
    call for call in CALLS if "--base-url" in call or "ollama" in call or call.startswith("llmcompat serve")
]
NEEDS_A_FILE = [call for call in CALLS if "./" in call]
ALONE = [call for call in CALLS if call not in {*NEEDS_A_KEY, *NEEDS_A_SERVER, *NEEDS_A_FILE, *SIMULATED}]


def run(command: str) -> int:
    return main(shlex.split(command)[1:])


def test_the_commands_are_those_that_this_file_tries() -> None:
    assert len(ALONE) >= 2
    assert commands()[:2] == ["pip install .", "llmcompat check deepseek --simulate"]
    assert "python -m pytest" in commands()


@pytest.mark.parametrize("command", ALONE)
def test_a_command_that_needs_nothing_ends_well(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(command) == 0
    assert capfd.readouterr().out


def test_the_simulation_shows_what_is_documented(capfd: pytest.CaptureFixture[str]) -> None:
    (command,) = SIMULATED
    assert run(command) == 1
    assert "documented, not measured" in capfd.readouterr().out


@pytest.mark.parametrize("command", NEEDS_A_KEY)
def test_a_command_that_needs_a_key_says_which(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 2
    assert "DEEPSEEK_API_KEY" in capfd.readouterr().err


def test_the_fault_that_is_served_is_found(capfd: pytest.CaptureFixture[str]) -> None:
    serve, check = (call for call in CALLS if "8080" in call)
    fault = shlex.split(serve)[-1]
    with running(faults=[fault]) as simulator:
        code = run(check.replace("http://127.0.0.1:8080/v1", simulator.base_url) + " --only tools")
    assert code == 1
    assert fault in capfd.readouterr().out


def test_the_check_that_is_shown_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (shown,) = blocks("python")
    (tmp_path / "my_checks").mkdir()
    (tmp_path / "my_checks" / "greetings.py").write_text(shown, encoding="utf-8")
    (command,) = (call for call in CALLS if "./my_checks" in call)
    assert run(command) == 0
    assert "Greetings" in capfd.readouterr().out


def test_the_profile_that_is_shown_loads(tmp_path: Path) -> None:
    shown = next(block for block in blocks("yaml") if "key_variable" in block)
    file = tmp_path / "my-gateway.yaml"
    file.write_text(shown, encoding="utf-8")
    profile = load_profile(str(file))
    assert (profile.name, profile.key_variable) == ("my-gateway", "MY_GATEWAY_KEY")


def test_the_workflow_that_is_shown_is_yaml() -> None:
    (shown,) = (block for block in blocks("yaml") if "runs-on" in block)
    steps = yaml.safe_load(shown)["jobs"]["check"]["steps"]
    assert any("llmcompat check deepseek" in step.get("run", "") for step in steps)


def test_the_table_that_is_shown_names_the_guides_lines() -> None:
    (shown,) = blocks("text")
    titles = [item.title for item in checklist().items if item.in_guide]
    assert [title for title in titles if f"\n{title} " not in shown] == []


def test_help_names_every_command_of_the_table() -> None:
    told = set(re.findall(r"^\| `llmcompat (\w+)", README, flags=re.MULTILINE))
    text = subprocess.run(
        [sys.executable, "-m", "llmcompat", "--help"], capture_output=True, check=True, encoding="utf-8"
    ).stdout
    assert {name for name in told if name not in text} == set()
