"""`llmcompat accept`: an entry of the project file, all other bytes kept, and what a run makes of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmcompat.cli import main
from llmcompat.project.edit import EditError, add_accepted, remove_accepted

ENTRY = {"check": "a-b", "case": "x", "target": "chat", "reason": "it's: fine # ok"}
BLOCK = (
    "targets:\n  chat: deepseek\naccepted:\n  # one\n  - check: z   # zz\n    reason: r  # rr\n\n"
    "# next\nstrict: true\n"
)
LITERAL = "accepted:\n- check: z\n  reason: |\n    two\n    lines\n\n\n# next\nstrict: true\n"


@pytest.mark.parametrize(
    "text",
    [
        BLOCK,
        LITERAL,
        BLOCK.replace("\n", "\r\n"),
        "accepted: []  # none yet\nstrict: true\n",
        "accepted: [{check: z, reason: r}]  # some\nstrict: true\n",
        "accepted: [\n  {check: z, reason: r},  # one\n]\nstrict: true\n",
        "{accepted: [], strict: true}\n",
        "\ufeff" + BLOCK,
    ],
)
def test_an_entry_is_added_and_removed_and_nothing_else(text: str) -> None:
    content = text.encode()
    added = add_accepted("f.yaml", content, ENTRY)
    before, after = (yaml.safe_load(each.lstrip("\ufeff")) for each in (text, added))
    assert after["accepted"] == [*before["accepted"], ENTRY]
    assert {**after, "accepted": None} == {**before, "accepted": None}
    assert remove_accepted("f.yaml", added.encode(), len(before["accepted"])) == text


@pytest.mark.parametrize(
    "text",
    [
        "# top\ntargets:\n  chat: deepseek # c\n",
        "targets:\n  chat: deepseek",
        "accepted:\n  # nothing yet\nstrict: true\n",
        "accepted: ~\nstrict: true\n",
        "strict: true\naccepted:",
        "{targets: {chat: deepseek}, strict: true}\n",
    ],
)
def test_an_entry_is_added_where_there_was_none(text: str) -> None:
    added = add_accepted("f.yaml", text.encode(), ENTRY)
    before = {name: value for name, value in yaml.safe_load(text).items() if name != "accepted"}
    assert yaml.safe_load(added) == {**before, "accepted": [ENTRY]}
    assert all(line in added for line in text.splitlines() if line.lstrip().startswith("#"))
    removed = remove_accepted("f.yaml", added.encode(), 0)
    assert yaml.safe_load(removed) == {**before, "accepted": []}


@pytest.mark.parametrize("index", [0, 1])
def test_the_others_stay(index: int) -> None:
    for text in (BLOCK, "accepted: [{check: z, reason: r}]\n"):
        two = add_accepted("f.yaml", text.encode(), ENTRY)
        entries = yaml.safe_load(two)["accepted"]
        del entries[index]
        assert yaml.safe_load(remove_accepted("f.yaml", two.encode(), index))["accepted"] == entries


def test_what_cannot_be_changed_safely_is_left_alone() -> None:
    with pytest.raises(EditError, match="edit it by hand"):
        add_accepted("f.yaml", b"targets:\n  chat: deepseek\n...\n", ENTRY)


# --- the command

PROJECT = """\
# where we send prompts
targets:
  chat: deepseek   # main
  search:
    provider: openai:gpt-x

strict: false  # later
"""


class Called:
    """What one call of the command line came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Call = Callable[..., Called]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Called:
        code = main(arguments)
        return Called(code, *capsys.readouterr())

    return call


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "llmcompat.yaml"
    path.write_text(PROJECT, encoding="utf-8")
    return path


def test_an_entry_is_written_and_told_and_withdrawn(call: Call, file: Path) -> None:
    given = ("accept", "chat", "tool-arguments-string:object")
    called = call(*given, "--reason", " we parse\nboth ", "--until", "2999-05-01")
    assert (called.code, called.err) == (0, "")
    assert "llmcompat.yaml: tool-arguments-string:object is accepted for chat: we parse both" in called.out
    text = file.read_text(encoding="utf-8")
    assert text.startswith(PROJECT)
    assert text.endswith(
        "accepted:\n  - check: tool-arguments-string\n    case: object\n    target: chat\n"
        "    reason: we parse both\n    until: 2999-05-01\n"
    )
    again = call(*given, "--reason", "again")
    assert again.code == 2
    assert "llmcompat.yaml:10: tool-arguments-string:object is accepted for chat already" in again.err
    other = call("accept", "chat", "tool-arguments-string", "--withdraw")
    assert other.code == 2
    assert "llmcompat.yaml:10 accepts tool-arguments-string:object for chat" in other.err
    assert file.read_text(encoding="utf-8") == text
    assert call(*given, "--withdraw").code == 0
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["accepted"] == []


@pytest.mark.parametrize(
    ("target", "written"),
    [
        ("chat", "chat"),
        ("deepseek", "deepseek"),
        ("deepseek:deepseek-flash", "deepseek:deepseek-flash"),
        ("openai:gpt-x", "openai:gpt-x"),
    ],
)
def test_a_target_is_named_by_role_provider_or_model(
    call: Call, file: Path, target: str, written: str
) -> None:
    assert call("accept", target, "chat-accepted", "--reason", "x").code == 0
    assert yaml.safe_load(file.read_text(encoding="utf-8"))["accepted"][0]["target"] == written


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("chat", "json-*", "--reason", "x"), "json-*: one at a time"),
        (("chat", "chat-accepted,usage-sum", "--reason", "x"), "one at a time"),
        (("chat", "tools", "--reason", "x"), "tools: is an item of"),
        (("chat", "chat-acepted", "--reason", "x"), "no such check; did you mean chat-accepted"),
        (("chat", "legal-terms", "--reason", "x"), "sign it: llmcompat sign TARGET legal-terms"),
        (("chat", "chat-accepted:Some Case", "--reason", "x"), "the case must be a name"),
        (("chat", "chat-accepted:", "--reason", "x"), "the case must be a name"),
        (("chat", "chat-accepted"), "--reason: say why"),
        (("chat", "chat-accepted", "--reason", " \n "), "--reason: say why"),
        (("chat", "chat-accepted", "--reason", "\x1b[31m"), "--reason: must be printable"),
        (("chat", "chat-accepted", "--reason", "x", "--until", "2020-01-01"), "--until 2020-01-01: is past"),
        (("chat", "chat-accepted", "--reason", "x", "--until", "never"), "--until never: must be a date"),
        (("chta", "chat-accepted", "--reason", "x"), "did you mean chat"),
        (("chat", "chat-accepted", "--withdraw"), "chat-accepted is not accepted for chat"),
        (("chat", "chat-accepted", "--withdraw", "--reason", "x"), "leave --reason and --until out"),
    ],
)
def test_what_cannot_be_accepted_is_one_line(
    call: Call, file: Path, arguments: tuple[str, ...], says: str
) -> None:
    called = call("accept", *arguments)
    assert called.code == 2
    assert called.out == ""
    assert says in called.err
    assert called.err.startswith("llmcompat: ")
    assert called.err.count("\n") == 1
    assert file.read_text(encoding="utf-8") == PROJECT


def test_without_a_project_file_the_mend_is_told(call: Call) -> None:
    called = call("accept", "deepseek", "chat-accepted", "--reason", "x")
    assert called.code == 2
    assert "llmcompat init" in called.err


def test_a_read_only_file_stays(call: Call, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    called = call("accept", "chat", "chat-accepted", "--reason", "x")
    assert called.code == 2
    assert "llmcompat.yaml: not written: it is read-only" in called.err
    assert file.read_text(encoding="utf-8") == PROJECT


def test_a_run_shows_what_is_accepted_and_what_is_stale(call: Call, file: Path) -> None:
    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        only = ("--only", "chat-accepted,unknown-model-status,unknown-model-code")
        called = call("check", "chat", "--simulate", *only, "-q", "--format", "json", *arguments)
        return called.code, json.loads(called.out)["runs"][0]

    assert run()[0] == 1
    case = "unknown-model-status:model-not-found-status-400"
    assert call("accept", "chat", case, "--reason", "we read the text").code == 0
    code, document = run()
    found = {each["id"]: each for each in document["checks"]}
    assert code == 0
    assert found["unknown-model-status"]["status"] == "fail"
    assert found["unknown-model-status"]["accepted"] == "we read the text"
    assert found["unknown-model-code"]["accepted"] == "waits for unknown-model-status, which is accepted"
    assert document["verdicts"]["chat"] == "compatible-with-limitations"
    assert document["stale"] == []
    assert run("--fail-on-stale")[0] == 0
    assert call("accept", "chat", "chat-accepted", "--reason", "it was so").code == 0
    code, document = run()
    assert (code, [each["check"] for each in document["stale"]]) == (0, ["chat-accepted"])
    assert run("--fail-on-stale")[0] == 1
