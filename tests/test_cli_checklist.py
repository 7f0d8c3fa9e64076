"""`llmcompat checklist`: which document it writes, and that no file is ever the worse for it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from llmcompat.cli import files, main
from llmcompat.model import Run, Target
from llmcompat.reports.json_run import to_json
from llmcompat.reports.markdown import MOST_CHARACTERS
from tests.reporting import result, rich_run, run, target_run


class Called(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


class Cli:
    """Runs commands in a folder of their own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *arguments: str) -> Called:
        code = main(["checklist", *arguments])
        captured = self.capsys.readouterr()
        return Called(code, captured.out, captured.err)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(capsys)


def save(*runs: object, name: str = "run.json") -> str:
    shown: Run = run(*runs)  # type: ignore[arg-type]
    Path(name).write_text(to_json(shown), encoding="utf-8")
    return name


def refused(called: Called, *words: str) -> None:
    assert called.code == 2, called
    assert called.out == ""
    assert called.err.count("\n") == 1, called.err
    assert all(word in called.err for word in words), called.err


def groq(**changes: object) -> object:
    """A run of what `checklist groq --model m1` is about."""
    shown = rich_run(**changes)
    return replace(shown, target=replace(shown.target, provider="groq"))


def test_filled_from_a_run(call: Cli) -> None:
    called = call("--from", save(rich_run()))
    assert (called.code, called.err) == (0, "")
    assert called.out.startswith("# Migration checklist: Example, m1 <!--")
    assert "**tool-arguments-string**" in called.out
    assert "<details>" in called.out
    assert "<details>" not in call("--from", "run.json", "--evidence", "none").out
    assert "<summary>e1 hello: FAIL" in call("--from", "run.json", "--evidence", "all").out


def test_empty_then_filled_and_what_people_wrote_stays(call: Cli) -> None:
    document = Path("M.md")
    called = call("groq", "--model", "m1", "--update", "M.md")
    assert called == (0, "", "")
    empty = document.read_text(encoding="utf-8")
    assert "Nothing was run yet" in empty
    yours = "  - [ ] yours: not tested <!-- llmcompat:yours/tools -->"
    mine = "  - [x] yours: Bob ran it <!-- llmcompat:yours/tools -->"
    written = empty.replace(yours, mine).replace(
        "<!-- llmcompat:tool-called -->", "<!-- llmcompat:tool-called --> Ann"
    )
    document.write_text(written + "\nMy own words.\n", encoding="utf-8")
    assert call("--from", save(groq()), "--update", "M.md") == (0, "", "")
    filled = document.read_text(encoding="utf-8")
    assert "Nothing was run yet" not in filled
    assert mine in filled
    assert "<!-- llmcompat:tool-called --> Ann\n" in filled
    assert "\nMy own words.\n" in filled
    before = document.stat().st_mtime_ns
    assert call("--from", "run.json", "--update", "M.md").code == 0
    assert document.stat().st_mtime_ns == before
    assert sorted(os.listdir()) == ["M.md", "run.json"]


def test_a_document_with_results_is_not_emptied(call: Cli) -> None:
    call("--from", save(groq()), "--update", "M.md")
    before = Path("M.md").read_bytes()
    refused(call("groq", "--model", "m1", "--update", "M.md"), "M.md", "--from")
    assert Path("M.md").read_bytes() == before


def test_another_target_and_a_simulation_are_refused(call: Cli) -> None:
    call("--from", save(groq()), "--update", "M.md")
    before = Path("M.md").read_bytes()
    save(rich_run(), name="other.json")
    refused(call("--from", "other.json", "--update", "M.md"), "groq:m1", "example:m1")
    save(groq(simulated=True), name="simulated.json")
    refused(call("--from", "simulated.json", "--update", "M.md"), "simulation")
    assert Path("M.md").read_bytes() == before
    assert call("--from", "simulated.json", "--update", "S.md").code == 0
    assert call("--from", "run.json", "--update", "S.md").code == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"# Notes\n", ["holds no checklist"]),
        (b"\xff\xfe#\x00", ["UTF-8"]),
        (b"a <!-- llmcompat:tool-called -->\n", ["put this line back"]),
        (
            b"<!-- llmcompat:document/target groq:m1 empty -->\n<!-- llmcompat:x 01234567 -->\n",
            ["does not end"],
        ),
    ],
)
def test_a_file_that_cannot_be_renewed_is_left_alone(call: Cli, content: bytes, words: list[str]) -> None:
    Path("M.md").write_bytes(content)
    refused(call("groq", "--model", "m1", "--update", "M.md"), "M.md", *words)
    assert Path("M.md").read_bytes() == content
    assert os.listdir() == ["M.md"]


def test_an_empty_file_is_written(call: Cli) -> None:
    Path("M.md").write_bytes(b"")
    assert call("groq", "--model", "m1", "--update", "M.md").code == 0
    assert Path("M.md").read_text(encoding="utf-8").startswith("# Migration checklist")


def test_a_file_that_changed_meanwhile_is_left_alone(call: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    call("groq", "--model", "m1", "--update", "M.md")
    read = files.read_bounded

    def read_and_change(path: str | Path, most: int, *, name: str) -> bytes:
        data = read(path, most, name=name)
        if Path(path).name == "M.md":
            Path(path).write_bytes(data + b"meanwhile\n")
        return data

    monkeypatch.setattr(files, "read_bounded", read_and_change)
    refused(call("--from", save(groq()), "--update", "M.md"), "M.md", "was changed")
    assert Path("M.md").read_text(encoding="utf-8").endswith("meanwhile\n")
    assert sorted(os.listdir()) == ["M.md", "run.json"]


def test_a_disk_that_takes_nothing_is_status_4(call: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    call("groq", "--model", "m1", "--update", "M.md")
    before = Path("M.md").read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    called = call("--from", save(groq()), "--update", "M.md")
    assert called.code == 4
    assert "M.md: not written: No space left on device" in called.err
    assert Path("M.md").read_bytes() == before
    assert sorted(os.listdir()) == ["M.md", "run.json"]
    assert call("groq", "--model", "m1", "--update", "no/such/M.md").code == 4


def test_one_target_of_several(call: Cli) -> None:
    def at(provider: str, model: str, role: str | None = None) -> object:
        return target_run(result(), target=Target(provider, f"https://{provider}.test/v1", model, {}, role))

    save(at("a", "m1"), at("a", "m2"), at("b", "m1", "chat"))
    refused(call("--from", "run.json"), "3 targets", "a:m1, a:m2, chat")
    refused(call("a", "--from", "run.json"), "a:m1")
    refused(call("c", "--from", "run.json"), "no run of c")
    for arguments, label in (
        (("a:m2",), "a:m2"),
        (("a", "--model", "m2"), "a:m2"),
        (("chat",), "b:m1"),
        (("b",), "b:m1"),
        (("b:m1",), "b:m1"),
    ):
        assert f"document/target {label} measured" in call(*arguments, "--from", "run.json").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["TARGET", "--from"]),
        (["--from", "none.json"], ["none.json", "no such file"]),
        (["--from", "."], ["folder"]),
        (["--from", "cut.json"], ["cut.json", "cut off"]),
        (["--from", "other.json"], ["other.json", "llmcompat.run/9"]),
        (["--from", "bytes.json"], ["bytes.json", "UTF-8"]),
        (["--from", "nothing.json"], ["nothing.json", "no target"]),
        (["--from", "run.json", "--evidence", "som"], ["--evidence", "som"]),
        (["--from", "run.json", "--for", "chat"], ["--for", "judge"]),
        (["--from", "run.json", "--checks", "x"], ["--checks", "judge"]),
        (["groq", "--evidence", "all"], ["--evidence", "--from"]),
    ],
)
def test_bad_input_is_one_line(call: Cli, arguments: list[str], words: list[str]) -> None:
    whole = Path(save(rich_run())).read_bytes()
    Path("cut.json").write_bytes(whole[: len(whole) // 2])
    Path("other.json").write_bytes(whole.replace(b"llmcompat.run/1", b"llmcompat.run/9"))
    Path("bytes.json").write_bytes(b"\xff\xfe\xfd")
    save(name="nothing.json")
    refused(call(*arguments), *words)


def test_a_run_file_beyond_all_bounds_is_not_read(call: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_RUN_BYTES", 1000)
    refused(call("--from", save(rich_run())), "run.json", "larger than")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_run_that_windows_wrote_is_read(call: Cli, encoding: str) -> None:
    text = Path(save(rich_run())).read_text(encoding="utf-8")
    Path("run.json").write_bytes(text.encode(encoding))
    assert call("--from", "run.json").code == 0


def test_a_ticket_is_bounded_and_a_file_is_not(call: Cli) -> None:
    save(target_run(*(result(f"check-{number}", title="T" * 80) for number in range(900))))
    out = call("--from", "run.json").out
    assert len(out) <= MOST_CHARACTERS
    assert "900 checks hold" in out
    call("--from", "run.json", "--update", "M.md")
    assert len(re.findall(r"\*\*check-\d+\*\*", Path("M.md").read_text(encoding="utf-8"))) == 900


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="permissions of POSIX")
def test_a_file_keeps_its_permissions(call: Cli) -> None:
    call("groq", "--model", "m1", "--update", "M.md")
    Path("M.md").chmod(0o640)
    assert call("--from", save(groq()), "--update", "M.md").code == 0
    assert Path("M.md").stat().st_mode & 0o777 == 0o640


def test_manual_ticks_without_a_signature_are_told(call: Cli) -> None:
    call("groq", "--model", "m1", "--update", "M.md")
    text = Path("M.md").read_text(encoding="utf-8")
    Path("M.md").write_text(text.replace("- [ ] **data-region", "- [x] **data-region"), encoding="utf-8")
    called = call("groq", "--model", "m1", "--update", "M.md")
    assert called.code == 0
    assert "data-region: no signature counts" in called.err
    assert Path("M.md").read_text(encoding="utf-8") == text
