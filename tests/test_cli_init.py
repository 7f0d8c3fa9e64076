"""`llmcompat init`: a file that loads, that explains itself, and that replaces nothing."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from llmcompat.cli import main
from llmcompat.profiles import FEATURES, load_profile, shipped_profiles
from llmcompat.project import ProjectFile, load_project
from llmcompat.project.file import parse_project
from llmcompat.project.schema import Budgets, Latency, TargetEntry
from llmcompat.project.template import template

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A person at a terminal, who types these lines."""

    def typing(text: str) -> None:
        monkeypatch.setattr("sys.stdin", Terminal(text))
        monkeypatch.setattr("llmcompat.cli.init._can_ask", lambda: True)

    return typing


def uncommented(text: str) -> str:
    """The file with every example in force: lines of comment that hold YAML and not a sentence."""
    lines = []
    for line in text.splitlines():
        example = re.match(r"( *)# ( *(?:- )?[a-z_]+:(?: .*)?)$", line)
        lines.append(example[1] + example[2] if example else line)
    return "\n".join(lines) + "\n"


def sample() -> str:
    return template("deepseek", model=None, default_model="some-model", use_case="agent", features=FEATURES)


@pytest.mark.parametrize("name", [each for each in shipped_profiles() if load_profile(each).models.default])
def test_what_it_writes_loads_and_is_shown(call: Call, here: Path, name: str) -> None:
    code, out, err = call("init", "--provider", name, "--for", "chat")
    assert (code, err) == (0, "")
    assert "llmcompat.yaml: written" in out
    found = load_project(here / "llmcompat.yaml")
    assert found.targets["chat"].provider == name
    code, out, err = call("config")
    assert (code, err) == (0, "")
    assert "llmcompat.yaml:" in out


def test_the_names_that_it_is_given_are_written_safely(call: Call, here: Path) -> None:
    assert call("init", "--provider", "ollama", "--model", "llama3.1:8b # {x}")[0] == 0
    assert load_project(here / "llmcompat.yaml").targets["chat"].model == "llama3.1:8b # {x}"


def test_every_example_in_it_is_right() -> None:
    text = uncommented(sample())
    project = parse_project(Path("llmcompat.yaml"), text.encode(), shown="llmcompat.yaml")
    assert set(project.targets) == {"chat", "embeddings"}
    assert project.content.accepted[0].case == "object"


def test_it_explains_every_key() -> None:
    text = sample()
    for model in (ProjectFile, TargetEntry, Budgets, Latency):
        for name, field in model.model_fields.items():
            assert re.search(rf"\b{field.alias or name}\b", text), name
    assert max(map(len, text.splitlines())) <= 110
    assert set(yaml.safe_load(text)) == {"targets", "for"}


def test_a_file_that_is_there_stays(call: Call, here: Path) -> None:
    file = here / "llmcompat.yaml"
    file.write_text("mine", encoding="utf-8")
    code, out, err = call("init", "--yes")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "is there already" in err
    assert file.read_text(encoding="utf-8") == "mine"


def test_a_link_that_leads_nowhere_is_not_followed(call: Call, here: Path) -> None:
    try:
        (here / "llmcompat.yaml").symlink_to(here / "target.yaml")
    except OSError:  # Windows gives links to few users
        return
    assert call("init", "--yes")[0] == 2
    assert not (here / "target.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--provider", "--yes"]),
        (["--provider", "deepsek"], ["deepseek"]),
        (["--provider", "ollama"], ["which model?"]),
        (["--provider", "groq:a", "--model", "b"], ["two models"]),
        (["--provider", "demo", "--for", "agnet"], ["--for", "agent"]),
        (["--provider", "missing.yaml"], ["missing.yaml", "no such file"]),
    ],
)
def test_what_cannot_be_written_is_one_line(
    call: Call, here: Path, arguments: list[str], words: list[str]
) -> None:
    code, out, err = call("init", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert all(word in err for word in words)
    assert list(here.iterdir()) == []


def test_it_asks_three_things_and_again_what_is_unknown(
    call: Call, here: Path, typing: Callable[[str], None]
) -> None:
    typing("deepsek\ndeepseek\n\ntrial\n")
    code, out, err = call("init")
    assert code == 0
    assert "did you mean 'deepseek'" in err
    assert err.count("Provider") == 2
    found = load_project(here / "llmcompat.yaml")
    assert (found.targets["chat"].provider, found.targets["chat"].model) == ("deepseek", None)
    assert str(found.content.use_case) == "trial"
    assert "next:" in out


def test_it_asks_nothing_that_is_said(call: Call, here: Path, typing: Callable[[str], None]) -> None:
    typing("")
    assert call("init", "--provider", "groq:some-model", "--for", "chat")[0] == 0
    assert load_project(here / "llmcompat.yaml").targets["chat"].model == "some-model"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, None),
        (b"", b"*.llmcompat.json\nworkload*.jsonl\n"),
        (b"a", b"a\n*.llmcompat.json\nworkload*.jsonl\n"),
        (b"a\r\n", b"a\r\n*.llmcompat.json\r\nworkload*.jsonl\r\n"),
        (b"*.llmcompat.json\nb\n", b"*.llmcompat.json\nb\nworkload*.jsonl\n"),
        (b"workload*.jsonl\n*.llmcompat.json\n", b"workload*.jsonl\n*.llmcompat.json\n"),
        (b"\xff\n", b"\xff\n*.llmcompat.json\nworkload*.jsonl\n"),
    ],
)
def test_saved_runs_are_ignored_where_there_is_a_list(
    call: Call, here: Path, before: bytes | None, after: bytes | None
) -> None:
    file = here / ".gitignore"
    if before is not None:
        file.write_bytes(before)
    code, out, _ = call("init", "--yes")
    assert code == 0
    assert (file.read_bytes() if file.exists() else None) == after
    assert (".gitignore" in out) is (before != after)


def test_a_repository_without_a_list_gets_one(call: Call, here: Path) -> None:
    (here / ".git").mkdir()
    assert call("init", "--yes")[0] == 0
    assert (here / ".gitignore").read_bytes() == b"*.llmcompat.json\nworkload*.jsonl\n"
