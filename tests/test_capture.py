"""The recording proxy passes everything on as it is, and what it writes holds no key and no personal data."""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from llmcompat.capture.recorder import Recorder
from llmcompat.capture.server import listen, recording
from llmcompat.simulator.server import running
from llmcompat.workload import Answer, Request, answers_path, read_answers, read_requests
from llmcompat.workload.format import read_calls

KEY = "sk-application-0123456789"
APP = Path(__file__).parent / "sample_app" / "app.py"
posix = pytest.mark.skipif(os.name != "posix", reason="signals and permissions as POSIX has them")


@contextmanager
def proxied(folder: Path, upstream: str, **options: Any) -> Iterator[tuple[str, Recorder]]:
    recorder = Recorder(folder / "workload.jsonl", **options)
    with recording(listen("127.0.0.1", 0), upstream, recorder) as base_url:
        yield base_url, recorder


def recorded(folder: Path) -> tuple[list[Request], list[Answer]]:
    path = folder / "workload.jsonl"
    requests = [each for each in read_requests(path, strict=True) if isinstance(each, Request)]
    calls = [each for each in read_calls(answers_path(path)) if isinstance(each, Answer)]
    return requests, calls


def chat(text: str = "Hello", **more: Any) -> dict[str, Any]:
    return {"model": "demo-chat", "messages": [{"role": "user", "content": text}], **more}


@contextmanager
def scripted(*pieces: bytes | float, cut: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """An upstream that answers one request with these bytes, and pauses; what it got is in the list."""
    got: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            length = re.search(rb"(?i)content-length: (\d+)", data)
            head, _, body = data.partition(b"\r\n\r\n")
            while length and len(body) < int(length[1]):
                body += connection.recv(65536)
            got.append(head + b"\r\n\r\n" + body)
            for piece in pieces:
                if isinstance(piece, bytes):
                    connection.sendall(piece)
                else:
                    time.sleep(piece)
            if cut:
                return
            # whoever reads here learns when the other side goes away
            connection.settimeout(20)
            try:
                got.append(b"closed" if connection.recv(1) == b"" else b"more")
            except OSError as error:
                got.append(b"closed" if isinstance(error, ConnectionError) else b"kept open")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1", got
    finally:
        thread.join(25)
        listener.close()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/chat/completions", chat()),
        ("POST", "/chat/completions", chat(stream=True)),
        ("POST", "/chat/completions", {"model": "none"}),
        ("POST", "/embeddings", {"model": "demo-embed", "input": "x"}),
        ("GET", "/models", None),
        ("GET", "/models/demo%2Fchat?a=b%20c&a=%2F", None),
        ("DELETE", "/nowhere/..%2f", None),
    ],
)
def test_bytes_are_those_of_a_direct_call(
    tmp_path: Path, method: str, path: str, body: dict[str, Any] | None
) -> None:
    changing = re.compile(rb'"(?:id|created)": ?(?:"[^"]*"|\d+)|req_\w+|"obfuscation": ?"\w*"')

    def ask(base_url: str) -> tuple[int, dict[str, str], bytes]:
        headers = {"Authorization": f"Bearer {KEY}", "Accept-Encoding": "identity"}
        found = httpx.request(method, base_url + path, json=body, headers=headers)
        kept = {key: value for key, value in found.headers.items() if key not in ("date", "x-request-id")}
        kept = {key: value for key, value in kept.items() if not key.endswith("-ms")}
        return found.status_code, kept, changing.sub(b"", found.content)

    with running() as simulator, proxied(tmp_path, simulator.base_url) as (base_url, _):
        direct, through = ask(simulator.base_url), ask(base_url)
        assert through[0] == direct[0]
        assert through[2] == direct[2]
        for name in ("content-type", "content-length"):
            assert through[1].get(name) == direct[1].get(name)
        assert set(through[1]) == set(direct[1])
        assert simulator.requests[0] == simulator.requests[1]


def test_request_and_answer_are_passed_on_to_the_byte(tmp_path: Path) -> None:
    body = b'{ "model":"m",\n  "x": 1e5, "x": "\xff" }'
    answer = b"HTTP/1.1 418 Teapot\r\nX-Odd:  a;b \r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n"
    answer += (
        b"Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nnotgzip"
    )
    with scripted(answer, cut=True) as (upstream, got), proxied(tmp_path, upstream) as (base_url, _):
        headers = {
            "Authorization": f"Bearer {KEY}",
            "X-Mine": "yes",
            "Content-Type": "x/y",
            "Connection": "keep-alive, X-Local",
            "X-Local": "1",
        }
        with httpx.stream("POST", f"{base_url}/a//b%2F?q=%41", content=body, headers=headers) as found:
            raw = b"".join(found.iter_raw())
    head, _, sent = got[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert head.startswith(b"POST /api/v1/a//b%2F?q=%41 HTTP/1.1\r\n")
    assert sent == body
    assert f"host: {upstream.split('/')[2]}".encode() in lines
    assert f"authorization: bearer {KEY}".encode() in lines
    assert b"x-mine: yes" in lines
    assert not [line for line in lines if line.startswith((b"x-local", b"connection: keep-alive, x-local"))]
    assert sum(line.startswith(b"user-agent") for line in lines) == 1
    assert (found.status_code, raw) == (418, b"notgzip")
    assert found.headers["x-odd"] == "a;b"
    assert found.headers.get_list("set-cookie") == ["a=b", "c=d"]
    assert "x-hop" not in found.headers


def test_a_stream_is_passed_on_piece_by_piece(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    first = b'data: {"choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'
    release = threading.Event()

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                data = b""
                # what is left unread would reset the connection at its end
                while not data.endswith(b"}"):
                    data += connection.recv(65536)
                connection.sendall(head + first)
                # the rest comes only when the first piece has arrived at the other end
                if release.wait(20):
                    connection.sendall(b"data: [DONE]\n\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        upstream = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with proxied(tmp_path, upstream) as (base_url, _):
            url = f"{base_url}/chat/completions"
            with httpx.stream("POST", url, json=chat(stream=True), timeout=15) as found:
                pieces = found.iter_raw()
                assert next(pieces) == first
                release.set()
                assert b"".join(pieces) == b"data: [DONE]\n\n"
        thread.join(20)
    (answer,) = recorded(tmp_path)[1]
    assert (answer.chunks, answer.ended, answer.body["choices"][0]["message"]["content"]) == (
        2,
        "complete",
        "a",
    )


def test_an_application_that_goes_away_ends_the_upstreams_work(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    with (
        scripted(head + b"data: {}\n\n") as (upstream, got),
        proxied(tmp_path, upstream) as (base_url, _),
        httpx.stream("POST", f"{base_url}/chat/completions", json=chat(stream=True)) as found,
    ):
        next(found.iter_raw())
    assert got[1] == b"closed"
    (answer,) = recorded(tmp_path)[1]
    assert (answer.status, answer.ended) == (200, "cut")


def test_going_away_before_an_answer_is_told_as_such(tmp_path: Path) -> None:
    with scripted() as (upstream, got), proxied(tmp_path, upstream) as (base_url, _):
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{base_url}/chat/completions", json=chat(), timeout=0.5)
        deadline = time.monotonic() + 20
        while len(got) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert got[1] == b"closed"
    (answer,) = recorded(tmp_path)[1]
    assert answer.status is None
    assert answer.error is not None
    assert answer.error["code"] == "client_disconnected"


def test_an_answer_that_is_cut_is_cut_for_the_application_too(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        scripted(head + b"a\r\ndata: {}\n\n\r\n", cut=True) as (upstream, _),
        proxied(tmp_path, upstream) as (base_url, _),
        pytest.raises(httpx.RemoteProtocolError),
    ):
        httpx.post(f"{base_url}/chat/completions", json=chat(stream=True))
    assert recorded(tmp_path)[1][0].ended == "cut"


def test_an_upstream_that_is_not_there_is_an_error_of_the_proxy(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with proxied(tmp_path, f"http://127.0.0.1:{port}/v1") as (base_url, recorder):
        client = openai.OpenAI(base_url=base_url, api_key=KEY, max_retries=0)
        with pytest.raises(openai.InternalServerError) as error:
            client.chat.completions.create(**chat())
    assert error.value.status_code == 502
    assert error.value.code == "upstream_unreachable"
    assert "llmcompat's proxy" in str(error.value)
    assert recorder.summary.unanswered == 1
    (answer,) = recorded(tmp_path)[1]
    assert answer.error is not None
    assert answer.error["code"] == "upstream_unreachable"


def test_the_openai_client_works_through_it(tmp_path: Path) -> None:
    with running() as simulator, proxied(tmp_path, simulator.base_url, secrets=[KEY]) as (base_url, recorder):
        client = openai.OpenAI(base_url=base_url, api_key=KEY, max_retries=0)
        plain = client.chat.completions.create(**chat(f"I am bob@example.com, key {KEY}"))
        streamed = "".join(
            chunk.choices[0].delta.content or ""
            for chunk in client.chat.completions.create(
                **chat("Hi", stream=True, stream_options={"include_usage": True})
            )
            if chunk.choices
        )
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**(chat() | {"model": "none"}))
        client.models.list()

        async def several() -> None:
            async with openai.AsyncOpenAI(base_url=base_url, api_key=KEY) as many:
                await asyncio.gather(
                    *(many.embeddings.create(model="demo-embed", input=f"{n}") for n in range(20))
                )

        asyncio.run(several())
    requests, calls = recorded(tmp_path)
    assert recorder.summary.seen == len(calls) == 24
    assert recorder.summary.recorded == len(requests) == 23
    assert requests[0].body["messages"][0]["content"].startswith("I am <email-1>, key [key]")
    with read_answers(answers_path(tmp_path / "workload.jsonl")) as answers:
        first, second, third = (answers.get(each.custom_id) for each in requests[:3])
    assert first is not None
    assert second is not None
    assert third is not None
    assert first.body["choices"][0]["message"]["content"] == plain.choices[0].message.content
    assert first.prompt_tokens == plain.usage.prompt_tokens if plain.usage else None
    assert second.body["choices"][0]["message"]["content"] == streamed
    assert (second.streamed, second.ended, second.completion_tokens) == (True, "complete", 84)
    assert second.first_byte is not None
    assert second.seconds is not None
    assert 0 < second.first_byte <= second.seconds
    assert second.features == ("streaming",)
    assert (third.status, third.body["error"]["code"]) == (404, "model_not_found")
    assert {each.client.name for each in calls} == {"openai-python"}
    text = "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())
    assert KEY not in text
    assert "bob@" not in text


def test_a_key_that_is_only_in_a_header_is_hidden_where_it_comes_back(tmp_path: Path) -> None:
    odd = "no-form-that-a-key-usually-has"
    body = json.dumps({"echo": odd}).encode()
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )
    with scripted(answer, cut=True) as (upstream, _), proxied(tmp_path, upstream) as (base_url, _):
        found = httpx.post(f"{base_url}/chat/completions", json=chat(odd), headers={"api-key": odd})
    assert found.json() == {"echo": odd}
    assert odd not in "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())


def test_sample_maximum_and_duplicates(tmp_path: Path) -> None:
    def ask(folder: str, texts: list[str], **options: Any) -> Recorder:
        (tmp_path / folder).mkdir()
        with proxied(tmp_path / folder, simulator.base_url, **options) as (base_url, recorder):
            for text in texts:
                assert httpx.post(f"{base_url}/chat/completions", json=chat(text)).status_code == 200
        return recorder

    different = [f"text {number}" for number in range(20)]
    with running() as simulator:
        assert ask("sample", different, sample=0.1).summary.recorded == 2
        assert ask("most", different[:5], most=3).summary.over_maximum == 2
        assert ask("twice", ["a", "b", "a", "a"]).summary.duplicates == 2
        assert ask("kept", ["a", "a"], keep_duplicates=True).summary.recorded == 2
    requests, calls = recorded(tmp_path / "twice")
    assert [each.same_as for each in calls] == [None, None, requests[0].custom_id, requests[0].custom_id]
    assert all(each.prompt_tokens for each in calls)


def test_large_bodies_are_passed_on_and_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmcompat.capture.proxy.MAX_BODY", 100_000)
    large = chat("x" * 300_000)
    with running() as simulator, proxied(tmp_path, simulator.base_url) as (base_url, recorder):
        assert (
            httpx.post(f"{base_url}/embeddings", json={"model": "demo-embed", "input": "x"}).status_code
            == 200
        )
        httpx.post(f"{base_url}/chat/completions", json=large)
        assert simulator.requests[-1][2] == large
    assert recorder.summary.too_large == 1
    assert len(recorded(tmp_path)[0]) == 1


@posix
def test_files_are_their_owners_only(tmp_path: Path) -> None:
    with running() as simulator, proxied(tmp_path, simulator.base_url) as (base_url, _):
        httpx.post(f"{base_url}/chat/completions", json=chat())
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_full_disk_stops_the_recording_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Recorder, "_write", full)
    with running() as simulator, proxied(tmp_path, simulator.base_url) as (base_url, recorder):
        for _ in range(3):
            assert httpx.post(f"{base_url}/chat/completions", json=chat()).status_code == 200
    assert recorder.summary.problem == "No space left on device"


# --- the commands, as processes


def llmcompat(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "llmcompat", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )


def python(code: str) -> tuple[str, str, str, str]:
    return ("--", sys.executable, "-c", code)


@pytest.mark.slow
def test_capture_runs_the_application(tmp_path: Path) -> None:
    steps = ("ask", "stream", "tools", "embed", "speak")
    found = llmcompat(
        tmp_path, "capture", "--upstream", "demo", "--", sys.executable, str(APP), *steps, SHOP_KEY=KEY
    )
    assert found.returncode == 0, found.stderr
    assert [line.partition(":")[0] for line in found.stdout.splitlines()] == list(steps)
    assert "6 requests seen, 5 recorded in workload.jsonl" in found.stderr
    assert KEY not in found.stderr
    requests, calls = recorded(tmp_path)
    assert [each.url for each in requests][:2] == ["/v1/chat/completions"] * 2
    assert calls[-1].url == "/v1/audio/speech"
    text = "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())
    assert KEY not in text
    assert "ann@" not in text
    again = llmcompat(tmp_path, "capture", "--upstream", "demo", *python("pass"))
    assert again.returncode == 2
    assert "workload.jsonl: is there already" in again.stderr
    assert recorded(tmp_path)[0] == requests
    nothing = llmcompat(tmp_path, "capture", "--overwrite", "--upstream", "demo", *python("pass"))
    assert nothing.returncode == 3
    assert recorded(tmp_path)[0] == requests


@pytest.mark.slow
def test_an_application_that_ignores_the_address_is_no_success(tmp_path: Path) -> None:
    found = llmcompat(tmp_path, "capture", "--upstream", "demo", "--env", "LLM_URL", *python("pass"))
    assert found.returncode == 3
    assert "no request seen" in found.stderr
    assert "OPENAI_BASE_URL or LLM_URL" in found.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_failing_command_has_its_own_status(tmp_path: Path) -> None:
    code = "import os, sys; assert os.environ['LLM_URL'] == os.environ['OPENAI_BASE_URL']; sys.exit(7)"
    found = llmcompat(tmp_path, "capture", "--upstream", "demo", "--env", "LLM_URL", *python(code))
    assert found.returncode == 7
    assert "ended with status 7" in found.stderr


@posix
@pytest.mark.slow
def test_a_command_that_a_signal_ends(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    found = llmcompat(tmp_path, "capture", "--upstream", "demo", *python(code))
    assert found.returncode == 128 + signal.SIGKILL
    assert "ended by SIGKILL" in found.stderr


@posix
@pytest.mark.slow
def test_signals_reach_the_command(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-m", "llmcompat", "capture", "--upstream", "demo", *python(code)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 9


@pytest.mark.slow
def test_a_command_that_never_ends_is_ended(tmp_path: Path) -> None:
    code = (
        "import os, time, urllib.request as u\n"
        "u.urlopen(os.environ['OPENAI_BASE_URL'] + '/models').read()\n"
        "time.sleep(100)"
    )
    found = llmcompat(tmp_path, "capture", "--upstream", "demo", "--deadline", "8", *python(code))
    assert found.returncode == 0, found.stderr
    assert "1 requests seen" in found.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--", "./no-such-program"), "./no-such-program: cannot be started"),
        (("--upstream", "nobody", "--", "true"), "nobody"),
        (("--upstream", "http://example.com/v1", "--", "true"), "plain http"),
        (("--upstream", "https://user:pw@example.com/v1", "--", "true"), "user name or password"),
        (("--sample", "0%", "--", "true"), "--sample"),
        (("--redact", "(", "--", "true"), "--redact"),
        (("--redact", "x*", "--", "true"), "--redact"),
        (("--max-requests", "0", "--", "true"), "--max-requests"),
        (("--deadline", "nan", "--", "true"), "--deadline"),
        (("--env", "a b", "--", "true"), "--env"),
        (("--out", "none/w.jsonl", "--", "true"), "no folder none"),
        (("--out", ".", "--", "true"), "--out"),
    ],
)
def test_what_cannot_run_is_one_line(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    if "--upstream" not in arguments:
        arguments = ("--upstream", "demo", *arguments)
    found = llmcompat(tmp_path, "capture", *arguments)
    assert found.returncode == 2
    (line,) = found.stderr.splitlines()
    assert words in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_busy_port_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        found = llmcompat(tmp_path, "proxy", "--upstream", "demo", "--port", port)
    assert found.returncode == 2
    assert f"port {port}" in found.stderr
    assert list(tmp_path.iterdir()) == []


@posix
@pytest.mark.slow
def test_the_proxy_alone_runs_until_it_is_told_to_end(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "llmcompat", "proxy", "--upstream", "demo", "--port", "0"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        assert httpx.post(f"{base_url}/chat/completions", json=chat()).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert len(recorded(tmp_path)[0]) == 1
