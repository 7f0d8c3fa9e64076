"""What an application uses is learned from its requests, written into llmcompat.yaml, and told in reports."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmcompat.cli import main
from llmcompat.engine.application import beyond_limits, traffic_lines
from llmcompat.project.edit import EditError
from llmcompat.project.file import load_project, parse_project
from llmcompat.project.learned import with_learned
from llmcompat.workload import Answer, Request, answers_path
from llmcompat.workload.format import CHAT, Client, answer_line, request_line
from llmcompat.workload.short_form import requests_of
from llmcompat.workload.traffic import client_of, features_of, is_checked, plain_path, uses_of

BEGAN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def capture(folder: Path, calls: int = 10) -> Path:
    """Calls every 20 seconds, each longer than the one before, and one to a path that is not checked."""
    path = folder / "workload.jsonl"
    client = Client("OpenAI/Python 3.1", "openai-python", "3.1", "CPython 3.12")
    requests, answers = [], []
    for number in range(calls):
        body = {
            "model": "m",
            "messages": [{"role": "user", "content": f"{number}"}],
            "stream": True,
            "seed": number,
        }
        request = Request(f"r{number}", "POST", CHAT, body, 0)
        requests.append(request_line(request))
        answers.append(
            Answer(
                custom_id=request.custom_id,
                status=200,
                url=CHAT,
                started_at=(BEGAN + timedelta(seconds=20 * number)).isoformat(),
                client=client,
                parameters=("messages", "model", "seed", "stream"),
                features=("streaming",),
                prompt_tokens=100 * (number + 1),
                completion_tokens=10,
            )
        )
    answers.append(Answer(custom_id=None, status=404, url="/v1/audio/speech", client=client))
    path.write_text("".join(requests), encoding="utf-8")
    answers_path(path).write_text("".join(map(answer_line, answers)), encoding="utf-8")
    return path


def test_a_capture_tells_sizes_and_the_peak(tmp_path: Path) -> None:
    uses = uses_of(capture(tmp_path))
    assert (uses.requests, uses.failed) == (11, 1)
    assert uses.calls == {CHAT: 10, "/v1/audio/speech": 1}
    assert uses.unchecked == ("/v1/audio/speech",)
    assert uses.features == {"streaming": 10}
    assert uses.parameters["seed"] == 10
    assert uses.known_clients == ("openai-python",)
    # the nearest ranks of 100, 200, … 1000
    assert (uses.prompt_p50, uses.prompt_p99) == (500, 1000)
    # any 60 seconds hold three of them; the last three are the longest
    assert uses.requests_per_minute == 3
    assert uses.tokens_per_minute == 800 + 900 + 1000 + 3 * 10
    assert not uses.estimated


def test_requests_alone_tell_what_they_can(tmp_path: Path) -> None:
    path = capture(tmp_path)
    answers_path(path).unlink()
    uses = uses_of(path)
    assert uses.calls == {CHAT: 10}
    assert uses.features == {"streaming": 10}
    assert (uses.requests_per_minute, uses.estimated, uses.prompt_p50) == (None, True, 2)


@pytest.mark.parametrize(
    ("url", "body", "features"),
    [
        (CHAT, {}, set()),
        (
            CHAT,
            {"stream": True, "tools": [{}], "parallel_tool_calls": True},
            {"streaming", "tools", "parallel-tools"},
        ),
        (CHAT, {"stream": False, "tools": [], "n": 1, "logprobs": False}, set()),
        (
            CHAT,
            {"n": 2, "logprobs": True, "response_format": {"type": "json_schema"}},
            {"n", "logprobs", "json-schema"},
        ),
        (CHAT, {"response_format": {"type": "json_object"}}, {"json-object"}),
        (CHAT, {"messages": [{"content": [{"type": "image_url"}]}]}, {"vision"}),
        (CHAT, {"messages": [7, {"tool_calls": [{}, {}]}, {"content": 7}], "n": "x"}, {"parallel-tools"}),
        ("/v1/responses", {"text": {"format": {"type": "json_schema"}}}, {"responses", "json-schema"}),
        ("/v1/embeddings", {}, {"embeddings"}),
        ("/v1/moderations", {}, {"moderation"}),
    ],
)
def test_features_by_request(url: str, body: dict[str, object], features: set[str]) -> None:
    assert set(features_of(url, body)) == features


@pytest.mark.parametrize(
    ("headers", "name", "version"),
    [
        ({"User-Agent": "OpenAI/Python 3.1.0"}, "openai-python", "3.1.0"),
        ({"user-agent": "AsyncOpenAI/Python 3.1.0", "x-stainless-lang": "python"}, "openai-python", "3.1.0"),
        (
            {"user-agent": "OpenAI/JS 7.1", "x-stainless-helper-method": "stream"},
            "openai-node-helpers",
            "7.1",
        ),
        ({"user-agent": "x", "x-stainless-lang": "go", "x-stainless-package-version": "3"}, "openai-go", "3"),
        (
            {"user-agent": "ai/7 ai-sdk/openai-compatible/3.0.92 runtime/node"},
            "ai-sdk-openai-compatible",
            "3.0.92",
        ),
        ({"user-agent": "pydantic-ai/2.1", "x-stainless-lang": "python"}, "pydantic-ai", "2.1"),
        ({"user-agent": "curl/8"}, "", ""),
        ({}, "", ""),
    ],
)
def test_clients_by_their_headers(headers: dict[str, str], name: str, version: str) -> None:
    found = client_of(headers.items())
    assert (found.name, found.version) == (name, version)


def test_paths_are_told_without_ids() -> None:
    assert plain_path("/v1/files/file-abc123/content") == "/v1/files/{id}/content"
    assert plain_path("/v1/audio/speech") == "/v1/audio/speech"
    assert is_checked("/v1/batches/{id}")
    assert not is_checked("/v1/chat/completions2")


FILES = [
    "targets: [demo]\n",
    "targets: [demo] # mine\nuses: streaming, vision  # said\n",
    "targets: [demo]\nuses: [vision, # eyes\n  streaming]\npeak: {requests_per_minute: 1} # old\n",
    "targets: [demo]\nuses:\n  # eyes\n  - vision # more\n\n# below\n"
    "clients: []\ncalls:\npeak:\n  tokens_per_minute: 5 # t\n",
    "{targets: [demo], uses: [vision]}\n",
    "targets: [demo]\r\nuses:\r\n- vision\r\nstrict: true",
    "\ufefftargets: [demo]",
]


@pytest.mark.parametrize("text", FILES)
def test_the_file_keeps_its_comments(text: str) -> None:
    values: dict[str, Any] = {
        "uses": ["streaming", "tools"],
        "clients": ["openai-python"],
        "calls": [CHAT],
        "peak": {"requests_per_minute": 30, "tokens_per_minute": 4000},
        "prompt_tokens": {"p50": 5, "p99": 50},
    }
    changed = with_learned("llmcompat.yaml", text.encode(), values)
    project = parse_project(Path("llmcompat.yaml"), changed.encode(), shown="llmcompat.yaml").content
    assert project.uses is not None
    assert set(project.uses) == {"streaming", "tools"} | ({"vision"} if "vision" in text else set())
    assert project.calls == (CHAT,)
    assert project.peak is not None
    assert (project.peak.requests_per_minute, project.peak.tokens_per_minute) == (30, 4000)
    assert project.prompt_tokens is not None
    assert project.prompt_tokens.p99 == 50
    assert all(
        comment in changed
        for comment in ("# mine", "# said", "# eyes", "# more", "# below", "# old", "# t")
        if comment in text
    )
    assert with_learned("llmcompat.yaml", changed.encode(), values) == changed


def test_a_file_that_cannot_be_changed_safely_is_left() -> None:
    with pytest.raises(EditError, match="--print"):
        with_learned(
            "llmcompat.yaml", b"targets: [demo]\npeak: &p {requests_per_minute: 1}\n...\n", {"calls": [CHAT]}
        )


def test_uses_writes_the_project_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    capture(tmp_path)
    assert main(["uses"]) == 2
    assert "llmcompat init" in capsys.readouterr().err
    assert main(["uses", "--print"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["peak"]["requests_per_minute"] == 3
    (tmp_path / "llmcompat.yaml").write_text("# my file\ntargets: [demo]\n", encoding="utf-8")
    assert main(["uses", "workload.jsonl"]) == 0
    said = capsys.readouterr()
    assert "called, not checked: /v1/audio/speech" in said.err
    assert "client: openai-python 3.1 CPython 3.12 (11)" in said.err
    project = load_project(tmp_path / "llmcompat.yaml").content
    assert project.clients == ("openai-python",)
    assert project.calls == (CHAT, "/v1/audio/speech")
    assert (tmp_path / "llmcompat.yaml").read_text(encoding="utf-8").startswith("# my file\n")
    assert main(["check", "-q", "--quick", "--format", "json"]) in (0, 1, 3)
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert "your application calls, not checked: /v1/audio/speech" in run["open"]
    assert run["settings"]["peak"] == {"requests_per_minute": 3, "tokens_per_minute": 2730}


def test_lines_that_cannot_be_used_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = capture(tmp_path)
    path.write_text("{\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert main(["uses", "--print", "workload.jsonl"]) == 0
    assert "workload.jsonl:1: is no JSON: skipped" in capsys.readouterr().err
    assert main(["uses", "--print", "--strict-input"]) == 2
    assert "workload.jsonl:1: is no JSON" in capsys.readouterr().err
    path.write_text("", encoding="utf-8")
    answers_path(path).unlink()
    assert main(["uses", "--print"]) == 2
    assert main(["uses", "none.jsonl"]) == 2
    assert "none.jsonl: no such file" in capsys.readouterr().err


def test_the_peak_is_held_against_the_limits() -> None:
    limits = {"requests_per_minute": {"value": 30, "as_of": "2026-11-01"}}
    profile = {"document": {"limits": limits}}
    settings = {
        "calls": [CHAT],
        "peak": {"requests_per_minute": 120, "tokens_per_minute": 9000},
        "prompt_tokens": {"p99": 9000},
        "context_window": 8000,
    }
    (line,) = traffic_lines(settings, profile)
    assert "120 requests a minute (above the published limit of 30, as of 2026-11-01)" in line
    assert "9,000 tokens a minute (no published limit is known)" in line
    peak, window = beyond_limits(settings, profile)
    assert "120" in peak
    assert "30" in peak
    assert "8,000" in window
    limits["requests_per_minute"]["value"] = 120
    assert "within the published limit of 120" in next(iter(traffic_lines(settings, profile)))
    assert list(beyond_limits({**settings, "prompt_tokens": None}, profile)) == []
    assert list(traffic_lines({}, {})) == []


SHORT = """\
targets: [demo]
workload:
  - Say hello
  - name: weather
    system: You help.
    prompt: Weather in Paris?
    tools: [{name: get_weather, parameters: {type: object}}]
    stream: true
    body: {temperature: 0}
    expect: {calls: {tool: get_weather, with: {city: Paris}}, max_latency: 5, refused: false}
  - messages: [{role: user, content: Gib JSON}]
    schema: {type: object}
    expect: {contains: a, matches: ['^x'], json_schema: {type: object}, language: de}
"""


def test_the_short_form_becomes_requests() -> None:
    project = parse_project(Path("llmcompat.yaml"), SHORT.encode(), shown="llmcompat.yaml").content
    first, weather, third = requests_of(project.workload)
    assert first[0].custom_id == "prompt-1"
    assert first[0].body == {"messages": [{"role": "user", "content": "Say hello"}]}
    assert first[1].is_empty
    assert weather[0].custom_id == "weather"
    assert weather[0].streamed
    assert weather[0].body["tools"][0]["function"] == {
        "name": "get_weather",
        "description": "",
        "parameters": {"type": "object"},
    }
    assert weather[0].body["temperature"] == 0
    assert weather[1].calls is not None
    assert weather[1].calls.arguments == {"city": "Paris"}
    assert third[0].body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert third[1].contains == ("a",)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("{}", "prompt or messages"),
        ("{prompt: a, messages: [{}]}", "prompt or messages"),
        ("{prompt: a, body: {stream: true}}", "stream"),
        ("{prompt: a, expect: {matches: '('}}", "regular expression"),
        ("{prompt: a, expect: {language: german}}", "ISO 639-1"),
        ("{prompt: a, expect: {json_schema: {type: 7}}}", "JSON Schema"),
        ("{prompt: a, expect: {calls: f}}", "no tools"),
        ("{prompt: a, expect: {max_latency: 0}}", "max_latency"),
        ("{prompt: a, expct: {}}", "did you mean 'expect'"),
        ("{name: x, prompt: a}\n  - {name: x, prompt: b}", "two entries named x"),
    ],
)
def test_a_wrong_short_form_is_one_line(entry: str, words: str) -> None:
    text = f"targets: [demo]\nworkload:\n  - {entry}\n"
    with pytest.raises(Exception, match=r"^llmcompat\.yaml:\d+: ") as error:
        parse_project(Path("llmcompat.yaml"), text.encode(), shown="llmcompat.yaml")
    assert words in str(error.value)
