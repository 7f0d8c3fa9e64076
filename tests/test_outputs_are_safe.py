"""An endpoint echoes the key and sends control text everywhere: no output of any command holds either."""

from __future__ import annotations

import base64
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from llmcompat.cli import main
from tests.reporting import HOSTILE
from tests.servers.raw import EVENT_STREAM, Part, RawRequest, RawServer, http, http_json

PIECES = ("Zq7+LmTk/", "2wXvP9~tR", "=4vBnHs8d")
KEY = "".join(PIECES)
"""Odd on purpose: JSON, URLs and HTML write it in ways of their own."""

WRITTEN = (
    KEY,
    quote(KEY, safe=""),
    quote(quote(KEY, safe="")),
    KEY.replace("/", "\\/"),
    KEY.encode().hex(),
    "".join(f"\\u{ord(letter):04x}" for letter in KEY),
    *(base64.b64encode(b"user:"[:length] + KEY.encode()).decode() for length in (0, 4, 5)),
)
"""Ways to write the key."""

FORMS = {*WRITTEN[:-3], *PIECES, quote(KEY), *(each[8:36] for each in WRITTEN[-3:])}
"""What may stand nowhere; the ends of base64 hold what stands beside the key."""

ECHO = " ".join((*WRITTEN, f"Bearer {KEY}", HOSTILE, KEY))
"""All of it, as one text."""

CONTROLS = "\x1b[31mred\x1b]0;title\x07 \x9b2J \r \x00 \x7f \u202eevil\u2066 \u200b\u200f\ufeff \u2028 "
CONTROLS += "::error::x ##[error]y"

HEADERS = {
    "X-Request-Id": f"req-{KEY}",
    "Server": f"\x9b2J Bearer {KEY}",
    "X-Ratelimit-Remaining-Tokens": base64.b64encode(KEY.encode()).decode(),
    "Set-Cookie": f"session={quote(KEY)}",
}


def message(body: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "role": "assistant",
        "content": f"{ECHO} {CONTROLS}",
        "reasoning_content": ECHO,
        f"extra {ECHO}": ECHO,
        "in_pieces": list(PIECES),
    }
    if body.get("tools"):
        arguments = {"city": ECHO, ECHO: CONTROLS}
        function = {"name": f"get_weather {CONTROLS} {KEY}", "arguments": json.dumps(arguments)}
        said |= {"content": None, "tool_calls": [{"id": ECHO, "type": ECHO, "function": function}]}
    return said


def events(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"delta": {"role": "assistant", "content": CONTROLS}}
    for name in ("content", "reasoning_content", "refusal"):
        for piece in (*PIECES, " ", *KEY, " sk-", "0123456789abcdef", "ghij "):
            yield {"delta": {name: piece}}
    if body.get("tools"):
        yield {
            "delta": {"tool_calls": [{"index": 0, "id": ECHO, "function": {"name": ECHO, "arguments": ""}}]}
        }
        for piece in ('{"city": "', *PIECES, '"}'):
            yield {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}}
    yield {"delta": {}, "finish_reason": ECHO}


def endpoint(request: RawRequest) -> bytes | list[Part]:
    """Answers chat so that a run goes on, and everything else with an error that tells the key."""
    path = request.path.partition("?")[0]
    if path.endswith("/models"):
        models = [
            {"id": "m1", "object": "model", "owned_by": ECHO},
            {"id": ECHO},
            {"id": CONTROLS, ECHO: ECHO},
        ]
        return http_json({"object": "list", "data": models}, headers=HEADERS)
    body = json.loads(request.body) if request.body.startswith(b"{") and request.body.endswith(b"}") else {}
    error = {"error": {"message": f"{ECHO} {CONTROLS}", "type": ECHO, "code": CONTROLS, "param": ECHO}}
    if not path.endswith("/chat/completions") or not isinstance(body.get("messages"), list):
        raw = http_json(error, 400, HEADERS)
        return raw.replace(b"400 Bad Request", b"400 " + KEY.encode(), 1)
    named = {"id": ECHO, "created": 1, "model": f"{CONTROLS} {KEY}", "system_fingerprint": ECHO}
    usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18, ECHO: ECHO}
    if body.get("stream") is True:
        framed = [
            EVENT_STREAM.replace(b"\r\n\r\n", f"\r\nX-Key: {KEY}\r\n\r\n".encode()),
            f": {KEY}\n\n".encode(),
        ]
        for choice in events(body):
            data = json.dumps(
                {**named, "object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
            )
            framed.append(f"event: {KEY}\ndata: {data}\n\n".encode())
        return [*framed, f"data: {json.dumps({**named, 'choices': [], 'usage': usage})}\n\n".encode()]
    if "logprobs" in body or "user" in body or "n" in body or "response_format" in body:
        return http_json(error, 422, HEADERS)
    choice = {"index": 0, "message": message(body), "finish_reason": ECHO}
    document = {**named, "object": "chat.completion", "choices": [choice], "usage": usage, ECHO: [ECHO]}
    return http_json(document, headers=HEADERS)


class Written(NamedTuple):
    """What a command wrote: its streams, and every file below the folder that is new or another one since."""

    code: int
    out: bytes
    err: bytes
    files: dict[str, bytes]

    def everything(self) -> Iterator[tuple[str, bytes]]:
        yield "standard output", self.out
        yield "standard error", self.err
        for name, content in self.files.items():
            yield name, content
            if content.startswith(b"PK"):
                with zipfile.ZipFile(io.BytesIO(content)) as bundle:
                    for inner in bundle.namelist():
                        yield f"{name}/{inner}", bundle.read(inner)


def steering(text: str) -> list[str]:
    """The characters that a terminal or a reader would obey, or that nobody sees."""
    return sorted(
        {
            f"U+{ord(char):04X}"
            for char in set(text)
            if char not in "\n\t" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        }
    )


def refuse_unsafe(written: Written) -> None:
    seen = []
    for name, content in written.everything():
        for form in FORMS:
            if form.encode() in content:
                at = content.index(form.encode())
                seen.append(f"{name}: {form} in {content[max(0, at - 80) : at + 80]!r}")
        if not content.startswith(b"PK") and (found := steering(content.decode("utf-8"))):
            seen.append(f"{name}: {found}")
    assert not seen


class Caller:
    """Calls the command line in a folder of its own, and takes in what it wrote."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[bytes]) -> None:
        self.folder = folder
        self._capture = capture
        self._before: dict[str, bytes] = {}

    def __call__(self, *arguments: object) -> Written:
        self._capture.readouterr()
        code = main([str(each) for each in arguments])
        captured = self._capture.readouterr()
        found = {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        }
        files = {name: content for name, content in found.items() if self._before.get(name) != content}
        self._before = found
        return Written(code, captured.out, captured.err, files)


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Caller:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMCOMPAT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LLMCOMPAT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LLMCOMPAT_API_KEY", KEY)
    return Caller(tmp_path, capfdbinary)


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer(endpoint) as running:
        yield running


EXPORTS = ("run.json", "run.md", "run.html", "run.txt", "run.xml", "run.sarif", "github:run.log")


def target(server: RawServer) -> tuple[str, ...]:
    return ("--base-url", server.base_url, "--model", "m1", "--body", f"note={KEY}")


def exports(prefix: str = "") -> list[str]:
    return [part for name in EXPORTS for part in ("--export", name.replace("run.", f"{prefix}run."))]


def test_a_run_and_all_that_is_made_of_it(
    call: Caller, server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = call("check", *target(server), "-vv", "--log", "run.jsonl", *exports())
    assert written.code == 1
    assert b"[key]" in written.files["run.json"]
    assert {"run.json", "run.md", "run.html", "run.txt", "run.xml", "run.sarif", "run.log"} <= set(
        written.files
    )
    refuse_unsafe(written)
    saved = json.loads(written.files["run.json"])["runs"][0]
    failed = [check["id"] for check in saved["checks"] if check["status"] == "fail"]
    assert len(failed) > 20
    for form in ("table", "json", "markdown", "github"):
        refuse_unsafe(call("show", "run.json", "--format", form))
    for id in failed[:: max(1, len(failed) // 4)]:
        refuse_unsafe(call("show", "run.json", id))
    refuse_unsafe(call("show", "run.json", saved["exchanges"][-1]["id"]))
    refuse_unsafe(call("judge", "run.json"))
    assert call("judge", "run.json", "--export", "other.json").code == 1
    for form in ("table", "markdown", "json"):
        refuse_unsafe(call("diff", "run.json", "other.json", "--format", form))
    refuse_unsafe(call("compare", "run.json", "other.json", "-vv", *exports("beside-")))
    refuse_unsafe(call("checklist", "--from", "run.json", "--update", "list.md", "--evidence", "all"))
    refuse_unsafe(call("checklist", "--from", "run.json", "--update", "list.md"))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(call.folder / "summary.md"))
    written = call("check", *target(server), "--quick", "--baseline", "run.json")
    assert b"::error" in written.out
    assert written.files["summary.md"]
    refuse_unsafe(written)


@pytest.mark.parametrize("form", ["json", "markdown", "html", "junit", "sarif", "github"])
def test_each_format_on_standard_output(call: Caller, server: RawServer, form: str) -> None:
    written = call("check", *target(server), "--quick", "--format", form)
    assert len(written.out) > 100
    refuse_unsafe(written)


def test_an_incident_and_its_bundle(call: Caller, server: RawServer) -> None:
    written = call("incident", "--base-url", server.base_url, "--model", "m1", "--bundle", "b.zip")
    assert "b.zip" in written.files
    assert len(list(written.everything())) > 5
    refuse_unsafe(written)


def test_a_run_that_goes_on(call: Caller, server: RawServer) -> None:
    first = call("check", *target(server), "--quick", "--log", "cut.jsonl")
    refuse_unsafe(first)
    log = call.folder / "cut.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[: len(lines) // 2]))
    refuse_unsafe(call("check", *target(server), "--quick", "--resume", "cut.jsonl", "-vv"))


@pytest.mark.parametrize("status", [401, 404, 302, 402])
def test_a_run_that_ends_at_once(call: Caller, status: int) -> None:
    def refuse(request: RawRequest) -> bytes:
        where = {"Location": f"https://elsewhere.test/{KEY}?k={quote(KEY, safe='')}"} if status == 302 else {}
        return http_json({"error": {"message": f"{ECHO} {CONTROLS}"}}, status, {**HEADERS, **where})

    with RawServer(refuse) as server:
        written = call("check", *target(server), "-vv", "--export", "run.json", "--format", "markdown")
    assert written.code in (2, 3)
    refuse_unsafe(written)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 " + KEY.encode() + b"\x1b\r\nbad header " + KEY.encode(), KEY.encode()]
)
def test_what_is_no_http(call: Caller, answer: bytes) -> None:
    with RawServer(lambda request: answer) as server:
        written = call("check", *target(server), "-vv", "--timeout", "5", "--export", "run.json")
    assert written.code == 3
    refuse_unsafe(written)


# --- origins: which server may see which key

MINE = """
name: mine
base_url: {base_url}
key_variable: MINE_KEY
models:
  default: m1
balance:
  path: /user/balance
  pointer: /left
  kind: balance
pages:
  status: {elsewhere}
"""
MINE_KEY = "mine-3f9a7c51e2d84b60"
OTHERS = "any-9d2c4e6f8a0b1c3d"


def seen_by(server: RawServer) -> str:
    return "\n".join(f"{each.path} {dict(each.headers)} {each.body!r}" for each in server.requests)


def chat_only(request: RawRequest) -> bytes:
    if request.path.endswith("/user/balance"):
        return http_json({"left": 5})
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    return http_json(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m1", "choices": [choice]}
    )


@pytest.fixture
def two_keys(call: Caller, monkeypatch: pytest.MonkeyPatch) -> Caller:
    monkeypatch.setenv("MINE_KEY", MINE_KEY)
    monkeypatch.setenv("LLMCOMPAT_API_KEY", OTHERS)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return call


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_never_carries_a_key_to_another_port(two_keys: Caller, status: int) -> None:
    with RawServer(chat_only) as second:

        def away(request: RawRequest) -> bytes:
            return http("", status, {"Location": second.origin + request.path})

        with RawServer(away) as first:
            two_keys("check", "--base-url", first.base_url, "--model", "m1", "--quick")
        assert OTHERS in seen_by(first)
        assert second.requests == []


@pytest.mark.parametrize(
    "place", ["http://localhost:{port}", "https://127.0.0.1:{port}", "//localhost:{port}"]
)
def test_a_redirect_to_another_host_or_scheme_is_another_origin(two_keys: Caller, place: str) -> None:
    def away(request: RawRequest) -> bytes:
        host = place.format(port=first.origin.rpartition(":")[2])
        return http("", 307, {"Location": host + "/elsewhere"})

    with RawServer(away) as first:
        two_keys("check", "--base-url", first.base_url, "--model", "m1", "--quick")
    assert first.requests
    assert not [each for each in first.requests if "elsewhere" in each.path]


def test_the_keys_of_a_profile_stay_at_its_own_origin(two_keys: Caller) -> None:
    with RawServer(chat_only) as own, RawServer(chat_only) as other:
        profile = two_keys.folder / "mine.yaml"
        profile.write_text(MINE.format(base_url=own.base_url, elsewhere=other.origin), encoding="utf-8")
        two_keys("check", "mine.yaml", "--only", "billing,prompts")
        two_keys("incident", "mine.yaml", "--bundle", "b.zip")
        assert f"Bearer {MINE_KEY}" in seen_by(own)
        assert any(each.path.endswith("/user/balance") for each in own.requests)
        assert OTHERS not in seen_by(own)
        for key in (MINE_KEY, OTHERS, KEY):
            assert key not in seen_by(other)
        asked = len(own.requests)
        two_keys("check", "mine.yaml", "--base-url", other.base_url, "--only", "billing,prompts")
        assert len(own.requests) == asked
        assert f"Bearer {OTHERS}" in seen_by(other)
        assert MINE_KEY not in seen_by(other)
        assert KEY not in seen_by(other)
        assert not any(each.path.endswith("/user/balance") for each in other.requests)
        assert re.search("chat/completions", seen_by(other))
