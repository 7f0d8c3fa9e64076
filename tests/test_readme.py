"""What README says works as written: its commands in their order, its files, its check and its figures."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmcompat.cli import main
from llmcompat.profiles.loader import load_profile
from llmcompat.project import load_project
from llmcompat.simulator.server import running
from tests.checking import checklist

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands(block: str) -> list[str]:
    lines = [line for line in block.splitlines() if line.startswith("$ ")]
    return [line.removeprefix("$ ").partition("  #")[0].strip() for line in lines]


CONSOLE = [commands(block) for block in blocks("console")]
EVERY = [command for block in CONSOLE for command in block]
NEEDS_A_KEY = [
    call
    for call in EVERY
    if re.match(r"llmcompat (check|incident) (deepseek|groq)", call)
    and "--simulate" not in call
    and "--dry-run" not in call
]
NEEDS_A_SERVER = [call for call in EVERY if re.search(r"--base-url|ollama|^llmcompat serve", call)]
NEEDS_A_FILE = [call for call in EVERY if "./" in call]
ELSEWHERE = {*NEEDS_A_KEY, *NEEDS_A_SERVER, *NEEDS_A_FILE}
STORIES = [
    [call for call in block if call.startswith("llmcompat ") and call not in ELSEWHERE] for block in CONSOLE
]

# How a command ends that has something to tell; all others end with 0.
FINDS = {
    "llmcompat check deepseek --simulate": 1,
    "llmcompat check chat --simulate --export run.json --export run.md --export run.html": 1,
    "llmcompat check chat --simulate --require-signoff": 1,
    "llmcompat check deepseek groq together --simulate --export compare.md --export compare.json": 1,
    "llmcompat check deepseek --simulate --from openai.json --export now.json": 1,
    "llmcompat diff openai.json now.json": 1,
    "llmcompat check chat --simulate --workload workload.jsonl --export run.json": 1,
    "llmcompat rehearse deepseek --scenario '429-retry-after-seconds,stream-cut,401*'"
    " --export rehearsal.json -- python app.py": 1,
    "llmcompat judge run.json --yours rehearsal.json --export all.json --export all.html": 1,
}


def run(command: str) -> int:
    return main(shlex.split(command)[1:])


def test_a_newcomer_needs_two_commands() -> None:
    assert CONSOLE[0] == ["pip install .", "llmcompat check deepseek --simulate"]
    assert ["pip install -e '.[test]'", "python -m pytest"] in CONSOLE
    assert set(FINDS) <= set(EVERY)


@pytest.mark.parametrize("story", [story for story in STORIES if story], ids=lambda story: story[0])
def test_commands_end_as_they_should_in_their_order(
    story: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "unused")
    (tmp_path / "app.py").write_text(shown_file("# app.py"), encoding="utf-8")
    ended = {}
    for command in story:
        ended[command] = run(command)
    assert ended == {command: FINDS.get(command, 0) for command in story}


@pytest.mark.parametrize("command", NEEDS_A_KEY)
def test_a_command_that_needs_a_key_says_which(command: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 2
    assert "DEEPSEEK_API_KEY" in capfd.readouterr().err


def test_the_fault_that_is_served_is_found(capfd: pytest.CaptureFixture[str]) -> None:
    serve, check = (call for call in EVERY if "8080" in call)
    fault = shlex.split(serve)[-1]
    with running(faults=[fault]) as simulator:
        code = run(check.replace("http://127.0.0.1:8080/v1", simulator.base_url) + " --only tools")
    assert code == 1
    assert fault in capfd.readouterr().out


def test_the_check_that_is_shown_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = next(block for block in blocks("python") if "@check" in block)
    (tmp_path / "my_checks").mkdir()
    (tmp_path / "my_checks" / "greetings.py").write_text(shown, encoding="utf-8")
    (command,) = (call for call in EVERY if "./my_checks" in call)
    assert run(command) == 0
    assert "Greetings" in capfd.readouterr().out


def test_the_profile_that_is_shown_loads(tmp_path: Path) -> None:
    shown = next(block for block in blocks("yaml") if "key_variable" in block)
    file = tmp_path / "my-gateway.yaml"
    file.write_text(shown, encoding="utf-8")
    profile = load_profile(str(file))
    assert (profile.name, profile.key_variable) == ("my-gateway", "MY_GATEWAY_KEY")


def shown_file(first_line: str) -> str:
    (shown,) = (
        block
        for language in ("yaml", "sh", "python")
        for block in blocks(language)
        if first_line in block.split("\n")[:2]
    )
    return shown


def test_the_project_file_that_is_shown_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "llmcompat.yaml"
    file.write_text(shown_file("# llmcompat.yaml"), encoding="utf-8")
    assert sorted(load_project(file).targets) == ["chat", "embeddings"]
    monkeypatch.chdir(tmp_path)
    assert run("llmcompat config") == 0
    assert "X-Title" in capfd.readouterr().out
    assert run("llmcompat check chat --simulate --only prompts") == 0
    assert "accepted" in capfd.readouterr().out


def scripts(workflow: str, job: str, *, steps: str = "steps") -> list[str]:
    found: Any = yaml.safe_load(shown_file(workflow))
    return [step["run"] for step in found["jobs"][job][steps] if "llmcompat " in step.get("run", "")]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `llmcompat check` in a shell plays the provider: everything else is as it is."""
    if shutil.which("bash") is None or sys.platform == "win32":
        pytest.skip("no bash")
    (tmp_path / "bin").mkdir()
    played = tmp_path / "bin" / "llmcompat"
    played.write_text(
        '#!/bin/sh\n[ "$1" = check ] && set -- "$@" --simulate --quick\n'
        f'exec {shlex.quote(sys.executable)} -m llmcompat "$@"\n',
        encoding="utf-8",
    )
    played.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bash(script: str, **values: str) -> int:
    """How a script ends as a CI runs it: values put in, and ended by the first command that fails."""
    text = re.sub(r"\$\{\{\s*([\w.]+)\s*\}\}", lambda match: values[match[1]], script)
    return subprocess.run(["bash", "-e", "-c", text], check=False).returncode


def test_the_workflow_checks_each_provider(shell: Path) -> None:
    workflow = "# .github/workflows/llmcompat.yml"
    (script,) = scripts(workflow, "check")
    matrix = yaml.safe_load(shown_file(workflow))["jobs"]["check"]["strategy"]["matrix"]["include"]
    for each in matrix:
        assert bash(script, **{f"matrix.{name}": value for name, value in each.items()}) in (0, 1)
        assert {file.name for file in shell.glob("run.*")} == {"run.json", "run.xml", "run.html"}
        assert load_profile(each["target"]).key_variable == each["key"]
        for file in shell.glob("run.*"):
            file.unlink()


def test_the_nightly_job_fails_only_on_what_got_worse(shell: Path) -> None:
    (script,) = scripts("# .github/workflows/llmcompat.yml", "drift")
    first = bash(script)
    assert first == 1  # what is documented fails at first
    assert (shell / "good.json").is_file()
    assert bash(script) == 0
    assert (shell / "good.json").read_bytes() == (shell / "now.json").read_bytes()


def test_the_gitlab_job_writes_its_artefacts(shell: Path) -> None:
    job = yaml.safe_load(shown_file("# .gitlab-ci.yml"))["llmcompat"]
    (script,) = (line for line in job["script"] if line.startswith("llmcompat"))
    assert bash(f"TARGET={job['parallel']['matrix'][0]['TARGET'][0]}\n{script}") in (0, 1)
    named = [*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]]
    assert all((shell / name).is_file() for name in named)


def test_the_script_before_a_merge_ends_well_when_all_is_decided(shell: Path) -> None:
    run("llmcompat init --provider demo --yes")
    (shell / "llmcompat.yaml").write_text(
        "targets: {chat: openrouter}\nonly: [prompts, lock-in]\n", encoding="utf-8"
    )
    script = next(block for block in blocks("sh") if "pre-merge" in block)
    assert bash(script) == 3  # nothing is signed yet
    assert run("llmcompat sign chat lock-in --by Ada") == 0
    assert bash(script) in (0, 1)  # nothing is left open; what is documented may still fail
    assert (shell / "pre-merge.md").is_file()


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
