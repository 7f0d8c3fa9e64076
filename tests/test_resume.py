"""A run that ends early loses nothing: what is known is judged, and going on sends only what is missing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from llmcompat.cli import main
from llmcompat.cli.runlog import KEPT, SUFFIX
from llmcompat.reports.json_run import from_json
from tests.servers.raw import Part, RawRequest, RawServer, http_json

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
ONLY = ("--only", "prompts,response-fields", "-q")


class Endpoint:
    """Answers every request alike, and can keep silent from the n-th on."""

    def __init__(self, silent_from: int | None = None) -> None:
        self.silent_from = silent_from
        self.asked: list[bytes] = []
        self.silent = threading.Event()

    def __call__(self, request: RawRequest) -> bytes | list[Part]:
        self.asked.append(request.body)
        if self.silent_from is not None and len(self.asked) > self.silent_from:
            self.silent.set()
            return [3600.0]  # seconds of silence
        return http_json(ANSWER)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LLMCOMPAT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state" / "runs"


def logs(state: Path) -> list[Path]:
    return sorted(state.glob(f"*{SUFFIX}")) if state.is_dir() else []


def target(server: RawServer) -> tuple[str, ...]:
    return ("check", "--base-url", server.base_url, "--model", "m")


def loaded(path: Path) -> Any:
    (run,) = from_json(path.read_text(encoding="utf-8")).runs
    return run


def interrupted(
    endpoint: Endpoint, server: RawServer, *arguments: str, sent: signal.Signals
) -> tuple[int, str]:
    """A process that is sent a signal while it waits for an answer; its exit status and standard error."""
    process = subprocess.Popen(
        [sys.executable, "-m", "llmcompat", *target(server), *ONLY, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        cwd=Path(__file__).parent.parent,
    )
    assert endpoint.silent.wait(120)
    process.send_signal(sent)
    _, err = process.communicate(timeout=120)
    return process.returncode, err


def finished(log: Path) -> int:
    """How many exchanges a log holds."""
    return sum("exchange" in json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())


@pytest.mark.skipif(sys.platform == "win32", reason="a process there cannot be sent these signals")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_what_is_known(sent: signal.Signals, state: Path, tmp_path: Path) -> None:
    endpoint, export = Endpoint(silent_from=6), tmp_path / "part.json"
    with RawServer(endpoint) as server:
        code, err = interrupted(endpoint, server, "--export", str(export), sent=sent)
    assert code == 130
    (log,) = logs(state)
    assert f"go on with: llmcompat check --resume {log}" in err
    run = loaded(export)
    assert run.stopped == "the run was interrupted"
    assert {check.status.value for check in run.checks} >= {"pass", "error"}
    assert len(run.exchanges) == finished(log) > 0
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("by_log", [True, False])
def test_going_on_sends_only_what_is_missing(
    by_log: bool, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, endpoint = Endpoint(), Endpoint(silent_from=6)
    with RawServer(whole) as server:
        code = main([*target(server), *ONLY, "--format", "json"])
    outcomes = [
        (each["id"], each["status"]) for each in json.loads(capsys.readouterr().out)["runs"][0]["checks"]
    ]
    with RawServer(endpoint) as server:
        # one at a time, so that what was under way when the time ended is one request
        bounds = ("--concurrency", "1", "--deadline", "3", "--export", "part.json")
        assert main([*target(server), *ONLY, *bounds]) == 3
        assert loaded(Path("part.json")).stopped == "the deadline of 3 s is over"
        (log,) = logs(state)
        endpoint.silent_from = None
        before = len(endpoint.asked)
        capsys.readouterr()
        file = str(log) if by_log else "part.json"
        longer = ("--deadline", "600", "--concurrency", "8", "--format", "json", "-q")
        assert main(["check", "--resume", file, *longer]) == code
    sent_again = len(endpoint.asked) - before
    assert 0 < sent_again == len(whole.asked) - 6
    run = json.loads(capsys.readouterr().out)["runs"][0]
    assert [(each["id"], each["status"]) for each in run["checks"]] == outcomes
    assert run["stopped"] is None
    assert run["spend"]["requests"] == len(whole.asked)


def test_what_was_throttled_is_asked_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    throttled = http_json({"error": {"message": "slow down"}}, 429, {"Retry-After": "1000"})
    full: list[bool] = []

    def answer(request: RawRequest) -> bytes:
        full.append(len(full) >= 4)
        return throttled if full[-1] and len(full) < 10_000 and not opened else http_json(ANSWER)

    opened: list[bool] = []
    with RawServer(answer) as server:
        assert main([*target(server), *ONLY, "--log", "run.jsonl"]) == 3
        throttled_once = full.count(True)
        opened.append(True)
        assert throttled_once
        main([*target(server), *ONLY, "--resume", "run.jsonl", "--export", "after.json"])
    assert all(exchange.status != 429 for exchange in loaded(Path("after.json")).exchanges)


def test_the_log_of_a_whole_run_is_not_kept_unless_it_is_named(state: Path) -> None:
    with RawServer(Endpoint()) as server:
        main([*target(server), *ONLY])
        assert logs(state) == []
        main([*target(server), *ONLY, "--log", "mine.jsonl"])
    assert finished(Path("mine.jsonl")) > 6


def test_old_logs_make_room(state: Path) -> None:
    state.mkdir(parents=True)
    for number in range(KEPT + 5):
        (state / f"2020-{number:02}{SUFFIX}").write_text("{}", encoding="utf-8")
    with RawServer(Endpoint(silent_from=6)) as server:
        assert main([*target(server), *ONLY, "--deadline", "2"]) == 3
    kept = logs(state)
    assert len(kept) == KEPT
    assert kept[0].name == f"2020-06{SUFFIX}"


def test_a_log_that_cannot_be_written_ends_no_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    with RawServer(Endpoint()) as server:
        without = main([*target(server), *ONLY])
        capsys.readouterr()
        assert main([*target(server), *ONLY, "--log", str(tmp_path / "file" / "run.jsonl")]) == without
    assert "the run log ends here" in capsys.readouterr().err


def test_a_last_line_that_was_being_written_is_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    with RawServer(Endpoint()) as server:
        code = main([*target(server), *ONLY, "--log", "run.jsonl"])
        text = Path("run.jsonl").read_text(encoding="utf-8")
        Path("cut.jsonl").write_text(text[:-30], encoding="utf-8")
        assert main(["check", "--resume", "cut.jsonl", "-q"]) == code


def test_no_key_stands_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-live-0123456789abcdef"
    monkeypatch.setenv("LLMCOMPAT_API_KEY", key)

    def answer(request: RawRequest) -> bytes:
        return http_json({**ANSWER, "echo": request.headers.get("authorization")})

    with RawServer(answer) as server:
        main([*target(server), *ONLY, "--log", "run.jsonl", "--header", "X-Own: env:LLMCOMPAT_API_KEY"])
        text = Path("run.jsonl").read_text(encoding="utf-8")
        assert key not in text
        assert "[key]" in text
        # a header that held a secret is not guessed
        assert main(["check", "--resume", "run.jsonl", "-q"]) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        ("", "is no run log"),
        ('{"schema": "llmcompat.log/9"}\n', "is no run log"),
        ("nonsense\n", "line 1: is not JSON"),
        ('{"schema": "llmcompat.log/1"}\n', "holds no target"),
        ('{"schema": "llmcompat.log/1"}\n{"exchange": {}}\n', "line 2: names no target"),
        ('{"schema": "llmcompat.log/1"}\n{"target": 0, "exchange": {}}\n', "line 2: not an exchange"),
        ('{"schema": "llmcompat.log/1"}\n{"target": 0, "settings": {}}\n', "profile: is missing"),
        (
            '{"schema": "llmcompat.log/1"}\n{"target": 0, "settings": {}, "profile": {"name": "x"}}\n',
            "--resume: provider: Field required",
        ),
    ],
)
def test_a_damaged_log_is_one_line(
    content: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        Path("run.jsonl").write_text(content, encoding="utf-8")
    assert main(["check", "--resume", "run.jsonl"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1


def test_another_target_than_the_saved_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with RawServer(Endpoint()) as server:
        main([*target(server), *ONLY, "--log", "run.jsonl"])
        capsys.readouterr()
        other = ("check", "--base-url", server.base_url, "--model", "other")
        assert main([*other, "--resume", "run.jsonl"]) == 2
    assert "holds answers of 127.0.0.1:m only" in capsys.readouterr().err
