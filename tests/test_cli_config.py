"""`llmcompat config`, and `check` with a project file: what is in force, what is sent, what is not shown."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from llmcompat.cli import main

SECRET = "shop-secret-value"


class Called:
    """What one call of the command line came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Call = Callable[..., Called]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str) -> Called:
        code = main(arguments)
        return Called(code, *capsys.readouterr())

    return call


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Endpoint:
    """A chat endpoint that keeps the headers of what it was asked."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.asked: list[dict[str, str]] = []


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    message = {"role": "assistant", "content": "hello"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    body = json.dumps(answer | {"usage": usage}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            state.asked.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            state.asked.append({name.lower(): value for name, value in self.headers.items()})
            self.send_error(404)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def write(folder: Path, text: str) -> Path:
    file = folder / "llmcompat.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def one_line(text: str) -> bool:
    return text.startswith("llmcompat: ") and text.count("\n") == 1 and text.endswith("\n")


def values(called: Called, target: int = 0) -> dict[str, dict[str, Any]]:
    listed = json.loads(called.out)["targets"][target]["values"]
    return {each["name"]: each for each in listed}


def test_every_value_says_where_it_comes_from(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", SECRET)
    write(
        here,
        "targets:\n"
        "  chat:\n"
        "    provider: deepseek\n"
        "    request: {headers: {api-key: env:SHOP_KEY, X-Other: env:SHOP_OTHER}, body: {temperature: 0.2}}\n"
        "timeout: 30\n"
        "accepted:\n"
        "  - {check: stream-done, reason: we wait, until: 2027-05-01}\n",
    )
    called = call("config", "--format", "json", "--concurrency", "2", "--max-usd", "0.5")
    assert called.code == 0
    found = values(called)
    for name, value, kind, place in [
        ("provider", "deepseek", "file", "llmcompat.yaml:3"),
        ("timeout", 30, "file", "llmcompat.yaml:5"),
        ("concurrency", 2, "option", "--concurrency"),
        ("budgets.run_usd", 0.5, "option", "--max-usd"),
        ("deadline", 600, "default", "default"),
        ("request.headers.api-key", "env:SHOP_KEY", "file", "llmcompat.yaml:4"),
        ("request.body.temperature", 0.2, "file", "llmcompat.yaml:4"),
        ("accepted", "stream-done: we wait, until 2027-05-01", "file", "llmcompat.yaml:7"),
    ]:
        assert (found[name]["value"], found[name]["from"], found[name]["place"]) == (value, kind, place)
    assert found["model"]["from"] == "profile"
    assert found["model"]["place"].startswith("profile deepseek (20")
    assert found["request.headers.api-key"]["note"] == "set"
    assert found["request.headers.X-Other"]["note"] == "not set"
    assert SECRET not in called.out
    table = call("config", "chat")
    assert table.code == 0
    assert "llmcompat.yaml:5" in table.out
    assert "env:SHOP_OTHER (not set)" in table.out
    assert SECRET not in table.out


def test_which_variable_holds_the_key(call: Call, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(here, "targets: [deepseek]\n")
    assert values(call("config", "--format", "json"))["api_key_env"]["note"] == "not set"
    monkeypatch.setenv("DEEPSEEK_API_KEY", SECRET)
    called = call("config", "--format", "json")
    assert values(called)["api_key_env"]["value"] == ["DEEPSEEK_API_KEY"]
    assert values(called)["api_key_env"]["note"] == "DEEPSEEK_API_KEY is set"
    assert SECRET not in called.out + call("config").out


def test_a_key_that_is_typed_by_mistake_is_masked(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", SECRET)
    write(here, f"targets: [deepseek]\nrequest: {{headers: {{X-Odd: {SECRET}}}}}\n")
    assert SECRET not in call("config").out
    assert SECRET not in call("config", "--format", "json").out


def test_without_a_file_a_target_is_needed(call: Call, here: Path) -> None:
    called = call("config")
    assert called.code == 2
    assert one_line(called.err)
    assert "llmcompat init" in called.err
    assert call("config", "demo").code == 0
    write(here, "targets: [groq]\n")
    assert "groq" in call("config").out
    assert call("config", "--no-project").code == 2


def test_what_is_wrong_in_the_file_ends_every_command_in_one_line(call: Call, here: Path) -> None:
    write(here, "targets: [demo]\nbudgts: {}\n")
    for command in (["config"], ["check"], ["check", "demo"]):
        called = call(*command)
        assert called.code == 2
        assert called.out == ""
        assert one_line(called.err)
        assert (
            "llmcompat.yaml:2: budgts: is not a key of llmcompat.yaml here; did you mean 'budgets'?"
            in called.err
        )
    assert call("config", "demo", "--no-project").code == 0


def test_an_accepted_id_that_does_not_exist_stops_the_check(call: Call, here: Path) -> None:
    write(here, "targets: [demo]\naccepted:\n- {check: stream-dnoe, reason: a}\n")
    called = call("check")
    assert called.code == 2
    assert one_line(called.err)
    assert "llmcompat.yaml:3: accepted.0.check" in called.err
    assert "'stream-done'" in called.err


def test_check_runs_every_target_of_the_file(call: Call, here: Path) -> None:
    write(here, "targets:\n  chat: demo\n  embeddings: {provider: demo, model: demo-embed}\nonly: [models]\n")
    called = call("check", "-q", "--format", "json")
    runs = json.loads(called.out)["runs"]
    assert [run["settings"]["role"] for run in runs] == ["chat", "embeddings"]
    assert {check["item"] for run in runs for check in run["checks"]} == {"models"}
    assert runs[0]["settings"]["without"] == ["embeddings"]
    assert called.code == 0


def test_an_embeddings_target_is_checked_for_embeddings(call: Call, here: Path) -> None:
    write(here, "targets: {embeddings: {provider: demo, model: demo-embed}}\n")
    called = call("check", "embeddings", "-q", "--format", "json")
    (run,) = json.loads(called.out)["runs"]
    musts = {check["id"] for check in run["checks"] if check["level"] == "must" and check["status"] == "pass"}
    assert "embeddings-accepted" in musts
    assert {check["item"] for check in run["checks"]} == {
        "embeddings",
        "models",
        "data-policy",
        "lock-in",
        "billing",
    }
    assert called.code == 0


def test_credential_headers_reach_the_endpoint_and_no_report(
    call: Call, here: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", SECRET)
    write(
        here,
        "targets:\n"
        "  chat:\n"
        f"    base_url: {endpoint.base_url}\n"
        "    model: demo-chat\n"
        "    request: {headers: {api-key: env:SHOP_KEY}, body: {user: env:SHOP_KEY}}\n",
    )
    called = call("check", "--only", "chat-accepted", "--format", "json", "--export", "run.md")
    assert called.code == 0
    assert endpoint.asked
    assert {each["api-key"] for each in endpoint.asked} == {SECRET}
    assert not any("authorization" in each for each in endpoint.asked)
    assert SECRET not in called.out + called.err + (here / "run.md").read_text(encoding="utf-8")
    (run,) = json.loads(called.out)["runs"]
    assert run["settings"]["headers"]["api-key"].startswith("[key]")


def test_credential_headers_of_the_command_line(
    call: Call, here: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", SECRET)
    target = ("--base-url", endpoint.base_url, "--model", "demo-chat", "--only", "chat-accepted")
    called = call("check", *target, "--header", "api-key: env:SHOP_KEY", "--format", "json")
    assert called.code == 0
    assert {each.get("api-key") for each in endpoint.asked} == {SECRET}
    assert SECRET not in called.out + called.err
    called = call("check", *target, "--header", "api-key: env:NOWHERE")
    assert called.code == 2
    assert one_line(called.err)
    assert "--header: NOWHERE: no such variable is set" in called.err


def test_a_simulation_needs_no_variable(call: Call, here: Path) -> None:
    write(here, "targets: {chat: {provider: deepseek, request: {headers: {api-key: env:NOWHERE}}}}\n")
    called = call("check", "--simulate", "-q", "--only", "chat-accepted", "--format", "json")
    assert json.loads(called.out)["runs"][0]["settings"]["headers"] == {"api-key": "env:NOWHERE"}
    assert called.code == 0


def test_checks_of_ones_own_are_loaded_from_beside_the_file(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = here / "own"
    own.mkdir()
    (own / "config_project.py").write_text(
        '"""Mine: one check."""\n'
        "from llmcompat import Reply, check\n\n\n"
        '@check("config-project-mine", fix="none")\n'
        "def mine(hello: Reply) -> None:\n"
        '    """It holds.\n\n    Always.\n    """\n'
        "    hello.text\n",
        encoding="utf-8",
    )
    write(here, "targets: [demo]\nchecks: [own]\nonly: [config-project-mine]\n")
    (here / "below").mkdir()
    monkeypatch.chdir(here / "below")
    called = call("check", "-q", "--format", "json")
    assert called.code == 0
    assert [each["id"] for each in json.loads(called.out)["runs"][0]["checks"]] == ["config-project-mine"]


def test_one_target_goes_with_options_that_name_an_endpoint(call: Call, here: Path) -> None:
    write(here, "targets: [demo, groq]\n")
    called = call("check", "--api-key-env", "ANY")
    assert called.code == 2
    assert "one TARGET, and 2 are given" in called.err
