"""What a shell completes, asked as the shells ask: in a process of its own, and never with an error."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from llmcompat.cli.options import completing
from llmcompat.model import Status
from llmcompat.reports import FORMATS
from llmcompat.reports.json_run import to_json
from tests.reporting import exchange, result, run, target_run

SHELLS = ("bash", "zsh", "fish")


def asked(shell: str, words: list[str], folder: Path) -> str:
    """What the shell is told for the last of these words."""
    line = shlex.join(["llmcompat", *words])
    done = subprocess.run(
        [sys.executable, "-m", "llmcompat"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=os.environ
        | {
            "PYTHONIOENCODING": "utf-8",
            "_LLMCOMPAT_COMPLETE": f"complete_{shell}",
            # as they were typed: bash does not unquote them
            "COMP_WORDS": "\n".join(["llmcompat", *(shlex.quote(word) if word else "" for word in words)]),
            "COMP_CWORD": str(len(words)),
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
        cwd=folder,
        check=False,
        timeout=120,
    )
    assert done.stderr == ""
    return done.stdout


def completed(words: list[str], folder: Path) -> list[str]:
    """The words that bash is offered."""
    return asked("bash", words, folder).split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["check", "dee"], {"deepinfra", "deepseek"}),
        (["check", "deepseek", "gro"], {"groq"}),
        (["checklist", "ollam"], {"ollama"}),
        (["providers", "ollam"], {"ollama"}),
        (["serve", "--like", "ollam"], {"ollama"}),
        (["check", "demo", "--only", "embeddings-acc"], {"embeddings-accepted"}),
        (["check", "demo", "--only", "embeddi"], {"embeddings", "embeddings-accepted", "embeddings-user"}),
        (["check", "demo", "--only", "tools,stream-usage-o"], {"tools,stream-usage-once"}),
        (["check", "demo", "--skip", "long-p"], {"long-prompts", "long-prompt-accepted"}),
        (["explain", "stream-usage-o"], {"stream-usage-once"}),
        (["check", "demo", "--for", "a"], {"agent"}),
        (["check", "demo", "--uses", "tools,vis"], {"tools,vision"}),
        (["check", "demo", "--without", "embed"], {"embeddings"}),
        (["providers", "--needs", "embed"], {"embeddings"}),
        (["check", "demo", "--client", "openai-node-h"], {"openai-node-helpers"}),
        (["check", "demo", "--format", ""], set(FORMATS)),
        (["check", "demo", "--export", "js"], {"json:"}),
        (["serve", "--fault", "stream-missing-d"], {"stream-missing-done"}),
        (["sho"], {"show"}),
        (["check", "--base-u"], {"--base-url"}),
    ],
)
def test_bash_is_offered(words: list[str], expected: set[str], tmp_path: Path) -> None:
    offered = set(completed(words, tmp_path))
    assert expected <= offered
    assert all(word.startswith(words[-1]) for word in offered)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_is_answered(shell: str, tmp_path: Path) -> None:
    assert "deepseek" in asked(shell, ["check", "dee"], tmp_path)
    assert "groq" not in asked(shell, ["check", "dee"], tmp_path)
    assert "stream-usage-once" in asked(shell, ["explain", "stream-usage"], tmp_path)


@pytest.mark.parametrize("shell", SHELLS)
def test_paths_are_left_to_the_shell(shell: str, tmp_path: Path) -> None:
    said = asked(shell, ["check", "demo", "--export", "./re"], tmp_path).strip()
    assert said == ("_files" if shell == "zsh" else "")


def test_a_saved_run_offers_what_it_holds(tmp_path: Path) -> None:
    held = run(
        target_run(
            result("held-here", title='It\'s here: "so" [x]'),
            result("held-badly", status=Status.FAIL),
            exchanges=(exchange("e1"), exchange("e12")),
        )
    )
    path = tmp_path / "run of mine.json"
    path.write_text(to_json(held), encoding="utf-8")
    # what failed comes first
    assert completed(["show", path.name, "held"], tmp_path) == ["held-badly", "held-here"]
    assert completed(["show", path.name, "e1"], tmp_path) == ["e1", "e12"]
    assert completed(["show", "no such file", "held"], tmp_path) == []
    path.write_text("{", encoding="utf-8")
    for shell in SHELLS:
        assert "held" not in asked(shell, ["show", path.name, "held"], tmp_path)


def test_a_project_file_adds_its_targets_and_a_broken_one_nothing(tmp_path: Path) -> None:
    project = tmp_path / "llmcompat.yaml"
    project.write_text(
        "targets:\n  dealings:\n    provider: deepseek\n  other:\n    provider: groq\n", encoding="utf-8"
    )
    assert completed(["check", "dea"], tmp_path) == ["dealings"]
    assert set(completed(["check", "de"], tmp_path)) == {"dealings", "deepinfra", "deepseek", "demo"}
    assert "dealings" not in completed(["providers", "de"], tmp_path)
    for broken in ("targets: [", "targets: {dealings: 3}", "\x00", "a: &a [*a]"):
        project.write_text(broken, encoding="utf-8")
        assert set(completed(["check", "de"], tmp_path)) == {"deepinfra", "deepseek", "demo"}


def test_an_error_offers_nothing() -> None:
    @completing
    def broken(incomplete: str) -> list[str]:
        raise OSError(incomplete)

    assert broken("x") == []
    assert broken.__name__ == "broken"


def test_little_is_loaded_for_names_of_providers(tmp_path: Path) -> None:
    code = (
        "import sys; from llmcompat.cli import main\n"
        "code = main(['check', 'x'])\n"
        "heavy = ('httpx', 'starlette', 'uvicorn', 'jsonschema', 'genai_prices')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=os.environ
        | {
            "_LLMCOMPAT_COMPLETE": "complete_bash",
            "COMP_WORDS": "llmcompat\ncheck\ndee",
            "COMP_CWORD": "2",
        },
        cwd=tmp_path,
        check=False,
        timeout=120,
    )
    assert done.stderr == ""
    assert done.stdout.split("\n")[:2] == ["deepinfra", "deepseek"]
    assert "[]" in done.stdout
