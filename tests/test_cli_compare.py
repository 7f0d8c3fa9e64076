"""Several targets: checked together, where one that is away spoils nothing, and compared from saved runs."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmcompat.cli import execute, main
from llmcompat.engine import runner
from llmcompat.simulator.server import running

Call = Callable[..., tuple[int, str, str]]
"""Exit status, standard output and standard error of a command line."""


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = main([str(each) for each in arguments])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port on which nobody listens, and that nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def profile(folder: Path, name: str, base_url: str, more: str = "") -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(f"base_url: {base_url}\nmodels:\n  default: demo-chat\n{more}", encoding="utf-8")
    return file


@pytest.fixture
def targets(tmp_path: Path, nobody: int) -> Iterator[list[Path]]:
    """Profiles of a healthy endpoint, of one that refuses connections, and of one with a fault."""
    policy = "data_policy:\n  region: {value: EU, sources: [https://sound.test/p], as_of: 2026-10-01}\n"
    with running() as sound, running(faults=["finish-reason-outside-enum"]) as broken:
        yield [
            profile(tmp_path, "sound", sound.base_url, policy),
            profile(tmp_path, "away", f"http://127.0.0.1:{nobody}/v1"),
            profile(tmp_path, "broken", broken.base_url),
        ]


def test_one_that_is_away_spoils_nothing(call: Call, targets: list[Path], tmp_path: Path) -> None:
    saved, document = tmp_path / "run.json", tmp_path / "compare.md"
    code, out, err = call(
        "check", *targets, "--only", "streaming", "-q", "--export", saved, "--export", document
    )
    runs = {run["target"]["provider"]: run for run in json.loads(saved.read_text(encoding="utf-8"))["runs"]}
    assert list(runs) == ["sound", "away", "broken"]
    assert {name: run["exit_code"] for name, run in runs.items()} == {"sound": 0, "away": 3, "broken": 1}
    assert code == 1
    assert {check["status"] for check in runs["sound"]["checks"]} <= {"pass", "skip"}
    failed = [check["id"] for check in runs["broken"]["checks"] if check["status"] == "fail"]
    assert failed
    assert {check["status"] for check in runs["away"]["checks"]} == {"error"}
    assert "connection refused" in runs["away"]["stopped"]
    assert "away: ended early" in err
    assert re.search(r"-\s+away has no results: .*connection\s+refused", out, re.DOTALL)
    matrix = out[out.index("Where they fail or differ") : out.index("The same at all that answered")]
    found = {row[0]: row[1:] for row in (line.split() for line in matrix.splitlines()) if len(row) == 4}
    assert found["check"] == ["sound", "away", "broken"]
    assert [found[id] for id in failed] == [["pass", "?", "FAIL"]] * len(failed)
    text = document.read_text(encoding="utf-8")
    assert text.startswith("# Comparison: sound, away and broken\n")
    assert "| region | EU ([source](<https://sound.test/p>), as of 2026-10-01" in text


def test_they_are_asked_at_the_same_time(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = asyncio.Barrier(2)

    async def together(*arguments: Any, **options: Any) -> AsyncIterator[runner.Event]:
        # one after the other would never pass
        async with asyncio.timeout(60):
            await both.wait()
        async for event in runner.run_target(*arguments, **options):
            yield event

    monkeypatch.setattr(execute, "run_target", together)
    with running() as one, running() as other:
        files = [profile(tmp_path, "one", one.base_url), profile(tmp_path, "other", other.base_url)]
        code, out, _ = call("check", *files, "--only", "chat-accepted", "-q")
    assert code == 0
    assert "Comparison of 2 targets" in out


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("sound", "sound"), ["sound.yaml: is given twice", "leave one out"]),
        (("sound", "sound:demo-chat"), ["two targets with one name", "sound:demo-chat"]),
    ],
)
def test_a_target_given_twice(call: Call, tmp_path: Path, names: tuple[str, ...], words: list[str]) -> None:
    profile(tmp_path, "sound", "http://127.0.0.1:9/v1")
    typed = [str(tmp_path / name.replace("sound", "sound.yaml")) for name in names]
    code, out, err = call("check", *typed)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert all(word in err for word in words)


def test_two_profiles_with_one_name(call: Call, tmp_path: Path) -> None:
    files = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        files.append(profile(tmp_path / folder, "same", f"http://{folder}.localhost:9/v1"))
    code, _, err = call("check", *files, "--simulate")
    assert code == 2
    assert "two targets with one name, same:demo-chat" in err


def test_two_models_of_one_provider_are_two_targets(call: Call) -> None:
    code, out, _ = call("check", "groq", "groq:other", "--simulate", "-q", "--only", "prompts")
    assert code == 1
    head = out[out.index("at a glance") : out.index("basis")]
    assert head.replace("\n", "").count("groq:") == 2


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs of two simulated providers."""
    folder = tmp_path_factory.mktemp("saved")
    for name in ("deepseek", "groq"):
        arguments = ["check", name, "--simulate", "--quick", "-q", "--export", str(folder / f"{name}.json")]
        assert main(arguments) in (0, 1)
    return folder


def test_saved_runs_are_compared_in_the_order_given(call: Call, saved: Path, tmp_path: Path) -> None:
    document = tmp_path / "compare.md"
    code, out, err = call("compare", saved / "groq.json", saved / "deepseek.json", "--export", document)
    assert (code, err) == (0, "")
    assert re.search(r"^at a glance +groq +deepseek$", out, re.MULTILINE)
    assert "documented, not" in out
    assert "The guide's seven lines" not in out
    assert document.read_text(encoding="utf-8").startswith("# Comparison: groq and deepseek\n")
    assert "The guide's seven lines" in call("compare", saved / "groq.json", saved / "deepseek.json", "-v")[1]


def test_the_joined_run_is_a_run_again(call: Call, saved: Path, tmp_path: Path) -> None:
    code, out, _ = call("compare", saved / "groq.json", saved / "deepseek.json", "--format", "json")
    document = json.loads(out)
    assert (code, document["schema"]) == (0, "llmcompat.run/1")
    assert [run["target"]["provider"] for run in document["runs"]] == ["groq", "deepseek"]
    joined = tmp_path / "joined.json"
    joined.write_text(out, encoding="utf-8")
    first = call("compare", joined)
    assert first == call("compare", saved / "groq.json", saved / "deepseek.json")
    assert first[0] == 0


def test_two_runs_of_one_target_are_told_apart_by_their_day(call: Call, saved: Path, tmp_path: Path) -> None:
    document = json.loads((saved / "groq.json").read_text(encoding="utf-8"))
    document["runs"][0]["started_at"] = "2026-01-02T03:04:05Z"
    document["tool"]["version"] = "0.0.9"
    (tmp_path / "old.json").write_text(json.dumps(document), encoding="utf-8")
    code, out, _ = call("compare", tmp_path / "old.json", saved / "groq.json")
    assert code == 0
    assert re.search(r"^at a glance +groq 2026-01-02 +groq 20\d\d-\d\d-\d\d$", out, re.MULTILINE)
    assert "The versions of llmcompat differ: 0.0.9 at groq 2026-01-02" in " ".join(out.split())


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], ["give two runs or more"]),
        (["groq.json"], ["groq.json: holds one target", "give another run"]),
        (["groq.json", "./groq.json"], ["given twice"]),
        (["groq.json", "missing.json"], ["missing.json: there is no such file"]),
        (["groq.json", "cut.json"], ["cut.json: not a whole JSON document", "cut off"]),
        (["groq.json", "other.json"], ["other.json: schema", "llmcompat.run/1"]),
        (["groq.json", "empty.json"], ["empty.json: holds no target"]),
    ],
)
def test_bad_files_are_one_line_and_status_2(
    call: Call,
    saved: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    files: list[str],
    words: list[str],
) -> None:
    whole = (saved / "groq.json").read_text(encoding="utf-8")
    (tmp_path / "groq.json").write_text(whole, encoding="utf-8")
    (tmp_path / "cut.json").write_text(whole[:5000], encoding="utf-8")
    (tmp_path / "other.json").write_text(whole.replace("llmcompat.run/1", "llmcompat.run/2"), "utf-8")
    (tmp_path / "empty.json").write_text(json.dumps({**json.loads(whole), "runs": []}), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    code, out, err = call("compare", *files, "--export", "compare.md")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert all(word in err for word in words)
    assert not (tmp_path / "compare.md").exists()


def test_a_comparison_that_cannot_be_written(call: Call, saved: Path, tmp_path: Path) -> None:
    files = saved / "groq.json", saved / "deepseek.json"
    code, out, err = call("compare", *files, "--export", tmp_path / "none" / "compare.md")
    assert code == 4
    assert "not written" in err
    assert "Comparison of 2 targets" in out
    assert call("compare", *files, "--format", "nonsense")[0] == 2
