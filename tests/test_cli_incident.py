"""`llmcompat incident` against real endpoints: five requests, last green run, status page, bundle."""

from __future__ import annotations

import json
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from llmcompat.cli import green, main
from llmcompat.cli.green import last_green, path_of, remember
from llmcompat.engine.incident import FIVE, incident, incident_checks, request_ids
from llmcompat.model import Level, Run, Status
from llmcompat.reports.incident import (
    headers_text,
    headline,
    incident_markdown,
    incident_text,
    without_cookies,
)
from llmcompat.reports.json_run import from_json, to_json
from llmcompat.simulator.server import Running, running
from tests.checking import checklist
from tests.reporting import HOSTILE, exchange, result, target_run
from tests.reporting import run as whole
from tests.servers.raw import RawRequest, RawServer, http, http_json

KEY = "k-3f9a7c51e2d84b60"
MODEL = "demo-chat"


class Called(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """Standard output on one line, as a narrow terminal breaks it anywhere."""
        return " ".join(self.out.split())


Call = Callable[..., Called]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a state folder of its own for every test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(green.FOLDER_VARIABLE, str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def called(*arguments: object) -> Called:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Called(code, captured.out, captured.err)

    return called


@pytest.fixture
def ask(call: Call) -> Call:
    """Asks an endpoint of this machine for what is wrong with it."""

    def asked(base_url: str, *more: object) -> Called:
        return call("incident", "--base-url", base_url, "--model", MODEL, "--bundle", "b.zip", *more)

    return asked


def bundled(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def requests(simulator: Running) -> list[str]:
    return [f"{method} {path}" for method, path, _ in simulator.requests]


def test_five_requests_say_that_all_is_well(ask: Call, home: Path) -> None:
    with running() as simulator:
        called = ask(simulator.base_url)
        sent = list(simulator.requests)
    assert called.code == 0
    assert called.err == ""
    assert "works: all 5 requests were answered as they should be" in called.words
    assert sorted(f"{method} {path}" for method, path, _ in sent) == [
        "GET /v1/models",
        *["POST /v1/chat/completions"] * 4,
    ]
    bodies = [body for _, _, body in sent if isinstance(body, dict)]
    assert sum(body.get("stream") is True for body in bodies) == 1
    assert [body["tool_choice"] for body in bodies if "tools" in body] == ["required"]
    assert sum(body.get("model", MODEL) != MODEL for body in bodies) == 1, "the one to be refused"
    files = bundled(home / "b.zip")
    assert sorted(files) == ["headers.txt", "incident.md", "run.json"]
    (kept,) = from_json(files["run.json"]).runs
    assert len(kept.exchanges) == 5
    assert not [check.id for check in kept.checks if check.status in (Status.FAIL, Status.ERROR)]
    if os.name == "posix":
        assert stat.S_IMODE((home / "b.zip").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("fault", "code", "words", "at_most"),
    [
        ("http-500", 3, "does not work: model list, plain chat", 2),
        ("rate-limit-forever", 3, "does not work: plain chat; works: model list", 2),
        ("connection-reset", 3, "does not work: model list, plain chat", 2),
        ("quota-402", 3, "does not work: plain chat", 2),
        ("tool-choice-rejected", 1, "does not work: forced tool call; works: model list", 5),
        ("stream-truncated-without-terminal", 1, "and 1 check fails on what came", 5),
        ("rate-limit-once", 3, "", 5),
        ("loading-5xx-or-hang", 3, "", 5),
    ],
)
def test_whatever_goes_wrong_no_request_is_sent_again(
    ask: Call, home: Path, fault: str, code: int, words: str, at_most: int
) -> None:
    with running(faults=[fault]) as simulator:
        called = ask(simulator.base_url, "--timeout", "5")
        sent = requests(simulator)
    assert called.code == code
    assert words in called.words
    assert 1 <= len(sent) <= at_most
    assert "incident.md" in bundled(home / "b.zip")


def test_an_unreachable_endpoint(ask: Call, home: Path) -> None:
    with RawServer(lambda request: b"") as server:
        base_url = server.base_url
    called = ask(base_url)
    assert called.code == 3
    assert "connection refused" in called.words
    assert "no answer: none was sent" in called.words
    assert "no answer: connection refused" in bundled(home / "b.zip")["incident.md"]


def test_the_difference_to_the_last_green_run(call: Call, ask: Call, home: Path) -> None:
    with running() as simulator:
        port = int(simulator.base_url.rpartition(":")[2].partition("/")[0])
        checked = call("check", "--base-url", simulator.base_url, "--model", MODEL, "-q")
        assert checked.code == 0
        kept = last_green("127.0.0.1", simulator.base_url, MODEL)
        assert kept is not None
        healthy = ask(simulator.base_url)
    assert healthy.code == 0
    assert "Since the last green run, 20" in healthy.out
    assert "nothing changed" in healthy.out
    assert healthy.words.count("s in the last green run") == 5
    with running(port=port, faults=["tool-arguments-object", "stream-missing-done"]) as simulator:
        broken = ask(simulator.base_url)
    assert broken.code == 1
    assert "broke: tool-arguments-string" in broken.words
    document = bundled(home / "b.zip")["incident.md"]
    assert re.search(r"`tool-arguments-string`: .* It held on 20\d\d-", document)


def test_a_run_that_is_named_goes_before_the_one_that_was_kept(call: Call, ask: Call, home: Path) -> None:
    with running(faults=["stream-truncated-without-terminal"]) as simulator:
        url = simulator.base_url
        call("check", "--base-url", url, "--model", MODEL, "-q", "--export", "old.json")
        called = ask(url, "--last-green", "old.json")
    assert called.code == 1
    assert "was not green itself (exit status 1)" in called.err
    assert "stream-complete" not in called.out.partition("Who can help")[0], "it failed then as it does now"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "there is no such file"),
        ("{", "not a whole JSON document"),
        (to_json(whole(target_run())), f"holds no run of {MODEL}, only example:m1"),
        (to_json(whole()), f"holds no run of {MODEL}, only no target"),
    ],
)
def test_a_named_run_that_cannot_be_used_is_told_before_anything_is_sent(
    ask: Call, home: Path, content: str | None, problem: str
) -> None:
    if content is not None:
        (home / "green.json").write_text(content, encoding="utf-8")
    with running() as simulator:
        called = ask(simulator.base_url, "--last-green", "green.json")
        assert simulator.requests == []
    assert called.code == 2
    assert problem in called.err
    assert len(called.err.splitlines()) == 1
    assert not (home / "b.zip").exists()


def test_a_kept_run_that_is_damaged_is_told_and_left_out(ask: Call) -> None:
    with running() as simulator:
        path = path_of("127.0.0.1", simulator.base_url, MODEL)
        path.parent.mkdir(parents=True)
        path.write_text("{", encoding="utf-8")
        called = ask(simulator.base_url)
    assert called.code == 0
    assert "the last green run is left out" in called.err
    assert "no green run of this target is known" in called.words


@pytest.mark.parametrize("bundle", ["", ".", "no/such.zip"])
def test_a_place_where_no_bundle_can_be_is_told_before_anything_is_sent(call: Call, bundle: str) -> None:
    with running() as simulator:
        called = call("incident", "--base-url", simulator.base_url, "--model", MODEL, "--bundle", bundle)
        assert simulator.requests == []
    assert called.code == 2
    assert called.err.startswith("llmcompat: --bundle")


def test_a_bundle_that_cannot_be_written_costs_nothing_that_is_known(
    ask: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with running() as simulator:
        called = ask(simulator.base_url)
    assert called.code == 4
    assert "--bundle b.zip: not written: No space left on device" in called.err
    assert "works: all 5 requests" in called.words
    assert list(Path().glob(".*.part")) == []


def test_the_bundle_has_a_name_of_its_own(call: Call, home: Path) -> None:
    assert call("incident", "demo").code == 0
    (path,) = home.glob("*.zip")
    assert re.fullmatch(r"llmcompat-incident-demo-\d{8}T\d{6}Z\.zip", path.name)


def test_no_key_and_no_cookie_leaves_the_machine(
    ask: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(request: RawRequest) -> bytes:
        headers = {"Set-Cookie": "session=open-sesame", "X-Echo": request.headers["authorization"]}
        error = {"message": f"bad key {KEY}", "type": "x", "param": None, "code": None}
        return http_json({"error": error}, 500, headers)

    monkeypatch.setenv("LLMCOMPAT_API_KEY", KEY)
    with RawServer(answer) as server:
        called = ask(server.base_url)
    everything = [called.out, called.err, *bundled(home / "b.zip").values()]
    assert all(KEY not in text and "open-sesame" not in text for text in everything)
    assert "[cookie]" in everything[-1]
    assert "[key]" in "".join(everything)


PROFILE = """\
base_url: {base_url}
kind: provider
models:
  default: demo-chat
pages:
  status: {status}
  limits: https://example.com/limits
docs_url: https://example.com/docs
"""


OUTAGE = {"page": {"updated_at": "2026-11-22T03:00:00Z"}, "status": {"description": "Partial Outage"}}


def status_of(document: Any) -> Callable[[RawRequest], bytes]:
    return lambda request: http_json(document) if request.path == "/api/v2/status.json" else http("no", 404)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            status_of(OUTAGE),
            "Partial Outage, as of 2026-11-22T03:00:00Z (",
        ),
        (status_of({"status": {"description": "\x1b[31mDown\n" + "x" * 900}}), "[31mDown xxx"),
        (status_of({"status": "UP"}), "its status.json is of another kind; look yourself: "),
        (lambda request: http("<html>"), "it has no status.json; look yourself: "),
        (lambda request: http("gone", 404), "status 404; look yourself: "),
        (lambda request: http("x" * 70_000), "more than 64 KB; look yourself: "),
        (lambda request: http("", 302, {"Location": "https://evil.example.com/"}), "another host"),
    ],
    ids=["read", "hostile", "other", "html", "missing", "large", "elsewhere"],
)  # fmt: skip
def test_the_status_page(call: Call, home: Path, answer: Callable[[RawRequest], bytes], words: str) -> None:
    with running() as simulator, RawServer(answer) as page:
        text = PROFILE.format(base_url=simulator.base_url, status=page.origin)
        (home / "mine.yaml").write_text(text, encoding="utf-8")
        called = call("incident", "mine.yaml", "--bundle", "b.zip")
        sent = [request.headers for request in page.requests]
        silent = call("incident", "mine.yaml", "--bundle", "b.zip", "--no-status-page")
        assert len(page.requests) == len(sent)
    assert called.code == silent.code == 0
    assert words in called.words
    assert page.origin in called.words
    assert "\x1b" not in called.out
    assert all("authorization" not in headers for headers in sent)
    assert "Status page" not in silent.out
    assert page.origin in silent.words, "its address is shown all the same"
    assert "found from https://example.com/docs" in called.words


def test_the_page_that_comes_before_support(call: Call, home: Path) -> None:
    with running(faults=["rate-limit-forever"]) as simulator:
        text = PROFILE.format(base_url=simulator.base_url, status="https://status.example.com")
        (home / "mine.yaml").write_text(text, encoding="utf-8")
        called = call("incident", "mine.yaml", "--bundle", "b.zip", "--no-status-page")
    assert called.code == 3
    assert "first (429) https://example.com/limits" in called.words


def test_what_worked_in_the_last_green_run_is_sent_again(call: Call, ask: Call) -> None:
    faults = ["max-tokens-requires-stream", "tool-choice-rejected"]
    with running(faults=faults) as simulator:
        url = simulator.base_url
        call("check", "--base-url", url, "--model", MODEL, "-q", "--export", "old.json")
        (old,) = from_json(Path("old.json").read_text(encoding="utf-8")).runs
        basics = dict(old.basics) | {"token_limit": "max_completion_tokens", "temperature": None}
        before = whole(replace(old, basics=basics))
        Path("green.json").write_text(to_json(before), encoding="utf-8")
        simulator.requests.clear()
        ask(url, "--last-green", "green.json")
        bodies = [body for _, _, body in simulator.requests if isinstance(body, dict)]
    streamed = next(body for body in bodies if body.get("stream"))
    assert "max_completion_tokens" in streamed
    assert "temperature" not in streamed
    assert "tool_choice" not in next(body for body in bodies if "tools" in body), "it was refused then"


@pytest.mark.parametrize("variable", [True, False])
def test_green_runs_are_kept_unless_that_is_switched_off(
    call: Call, monkeypatch: pytest.MonkeyPatch, variable: bool
) -> None:
    if variable:
        monkeypatch.setenv(green.OFF_VARIABLE, "1")
    with running() as simulator:
        arguments = ("check", "--base-url", simulator.base_url, "--model", MODEL, "-q", "--for", "trial")
        assert call(*arguments, "--only", "chat-accepted").code == 0
        path = path_of("127.0.0.1", simulator.base_url, MODEL)
        assert not path.exists(), "a part of the checklist is no green run"
        assert call(*arguments).code == 0
    assert path.exists() is not variable
    if not variable and os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "changes",
    [
        {"simulated": True},
        {"exit_code": 1},
        {"stopped": "the deadline is over"},
        {"profile": {"kind": "demo"}},
        {"settings": {"quick": True}},
        {"settings": {"skip": ["tools"]}},
    ],
)
def test_what_is_no_green_run_of_a_real_target_is_not_kept(changes: dict[str, Any]) -> None:
    good = target_run(exit_code=0)
    remember(whole(replace(good, **changes)))
    assert last_green("example", "https://api.example.test/v1", "m1") is None
    remember(whole(good))
    kept = last_green("example", "https://api.example.test/v1", "m1")
    assert kept == good


def test_a_state_folder_that_cannot_be_made_is_no_trouble(home: Path) -> None:
    (home / "state").write_text("a file", encoding="utf-8")
    remember(whole(target_run(exit_code=0)))
    assert last_green("example", "https://api.example.test/v1", "m1") is None


def test_each_target_has_a_place_of_its_own() -> None:
    places = {
        path_of(provider, url, model)
        for provider in ("a", "../b")
        for url in ("https://a.test/v1", "https://b.test/v1")
        for model in ("x/y", "x:y", "X/Y" * 100, "..")
    }
    assert len(places) == 16
    assert len({path.parent for path in places}) == 1
    assert all(re.fullmatch(r"[a-z0-9.-]{1,110}\.json", path.name) for path in places)


def test_what_identifies_a_request() -> None:
    headers = (
        ("X-Request-Id", "req_1"),
        ("CF-Ray", "8f-FRA"),
        ("x-amzn-RequestId", "aws"),
        ("x-groq-id", "groq"),
        ("x-ds-trace-id", "ds"),
        ("Content-Type", "application/json"),
        ("x-request-id", ""),
    )
    found = request_ids(exchange(headers=headers, body=b'{"id": "chatcmpl-1"}'))
    assert dict(found) == {
        "x-request-id": "req_1",
        "cf-ray": "8f-FRA",
        "x-amzn-requestid": "aws",
        "x-groq-id": "groq",
        "x-ds-trace-id": "ds",
        "answer id": "chatcmpl-1",
    }
    stream = exchange(request_body='{"stream":true}', body=b'data: {"id": "chatcmpl-2"}\n\ndata: [DONE]\n\n')
    assert request_ids(stream) == (("answer id", "chatcmpl-2"),)
    assert request_ids(exchange(headers=(), body=b'{"id": 7}')) == ()


def hostile() -> Iterator[str]:
    bad = exchange(
        status=503,
        body=HOSTILE.encode("utf-8", "replace"),
        headers=(("x-request-id", HOSTILE), ("Set-Cookie", "a=b")),
        error=HOSTILE,
        url=f"https://api.example.test/v1/{HOSTILE}",
    )
    failed = result(status=Status.FAIL, level=Level.MUST, seen=HOSTILE, expected=HOSTILE, title=HOSTILE)
    now = target_run(failed, exchanges=(bad,), stopped=HOSTILE, profile={"display_name": HOSTILE})
    told = incident(now, target_run(result()))
    yield incident_text(told)
    yield incident_markdown(told)
    yield headers_text(without_cookies(now).exchanges)


def test_what_an_endpoint_sends_steers_nothing() -> None:
    text, document, headers = hostile()
    for shown in (text, document, headers):
        assert not set(shown) & set("\x1b\x07\r\u202e\u200b\x9b")
    assert "<script>" not in document.replace("```", "").split("# heading")[0].partition("## Requests")[0]
    assert "a=b" not in headers
    assert "[cookie]" in headers


@pytest.mark.parametrize(
    ("before", "now", "late"),
    [(0.45, 9.0, True), (0.8, 1.9, False), (0.1, 0.9, False), (0.1, 1.2, True)],
)
def test_what_takes_far_longer_than_it_did_is_told(before: float, now: float, late: bool) -> None:
    green_run = target_run(result(), exchanges=(exchange(seconds=before),))
    told = incident(target_run(result(), exchanges=(exchange(seconds=now),)), green_run)
    assert headline(told).endswith("; slow: plain chat") is late
    assert ("SLOW" in incident_text(told)) is late
    assert f"({before:.2f} s in the last green run)" in incident_markdown(told)


def test_the_headline_of_nothing() -> None:
    nothing = target_run(exchanges=(), stopped="model m1 is retired")
    assert headline(incident(nothing, None)) == "nothing was asked: model m1 is retired"


def test_the_checks_of_an_incident_judge_nothing_beyond_the_five() -> None:
    loaded = checklist()
    chosen = set(incident_checks(loaded))
    assert {
        "chat-accepted",
        "stream-complete",
        "tools-accepted",
        "tool-arguments-json",
        "models-list",
    } <= chosen
    assert {"error-object", "unknown-model-status"} <= chosen
    assert not chosen & {"tool-result-accepted", "context-overflow-refused", "alert-address-set"}
    assert set(FIVE) <= loaded.probes.keys()


def test_a_run_kept_by_hand_is_read_back(home: Path) -> None:
    remember(Run("0.1.0", "2026-11-01T12:00:00Z", 4.5, (target_run(exit_code=0),)))
    (path,) = (home / "state" / "green").iterdir()
    assert json.loads(path.read_text(encoding="utf-8"))["schema"] == "llmcompat.run/1"
