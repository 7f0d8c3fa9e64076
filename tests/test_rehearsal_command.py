"""`llmcompat rehearse` as users run it: whole applications, and commands that cannot be judged."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

APPS = Path(__file__).parent / "rehearsed_app"
PYTHON = sys.executable


def rehearse(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYTHON, "-m", "llmcompat", "rehearse", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """By scenario its case, or how it ended."""
    run = json.loads(done.stdout)["runs"][0]
    return {each["id"].removeprefix("rehearsal-"): each["case"] or each["status"] for each in run["checks"]}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def script(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "script.py").write_text(text, encoding="utf-8")
    return ["--", PYTHON, str(tmp_path / "script.py")]


ASK = """
import os, sys, time, httpx
url = os.environ["OPENAI_BASE_URL"] + "/chat/completions"
body = {"model": "some-model", "messages": [{"role": "user", "content": "Say hello in one word."}]}
answer = httpx.post(url, json=body)
"""


def test_every_planted_bug_is_named_by_its_line() -> None:
    names = (
        "401-invalid-key,429-retry-after-seconds,stream-comments,stream-without-done,503-for-good,stream-crlf"
    )
    done = rehearse(
        *("-q", "--jobs", "3", "--scenario", names, "--scenario-timeout", "20", "--format", "json"),
        *("--", PYTHON, str(APPS / "planted.py")),
    )
    found = outcomes(done)
    named = {name: found[name] for name in names.split(",")}
    assert named == {
        "401-invalid-key": "retried",
        "429-retry-after-seconds": "not-waited",
        "stream-comments": "ended-otherwise",
        "stream-without-done": "ended-otherwise",
        "503-for-good": "never-gave-up",
        "stream-crlf": "pass",
    }
    assert done.returncode == 1


def test_the_mended_twin_is_green() -> None:
    # one scenario of each kind, and those in which its twin has bugs
    names = (
        "401-*,402-*,429-insufficient-quota,429-retry-after-seconds,503-*,400-context-overflow,reset-mid-*,"
        "stream-comments,stream-cut,stream-error-event,stream-without-done,tool-deltas-piecewise,fenced-json,"
        "refusal,html-error-page,200-error-body,connection-refused,outage"
    )
    done = rehearse(
        *("-q", "--jobs", "3", "--fallback-env", "FALLBACK_URL", "--format", "json", "--scenario", names),
        *("--", PYTHON, str(APPS / "mended.py")),
    )
    assert done.stderr == ""
    # how far waits grow is measured on a machine that others use as well
    wrong = {
        name: said
        for name, said in outcomes(done).items()
        if said != "pass" and not name.endswith("-backoff")
    }
    assert wrong == {}
    assert done.returncode == 0


@pytest.mark.parametrize(("app", "case", "code"), [("planted", "retried", 1), ("mended", "pass", 0)])
def test_a_server_that_is_driven(tmp_path: Path, app: str, case: str, code: int) -> None:
    port = free_port()
    served = tmp_path / "served.py"
    served.write_text(
        f"""
import subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        ran = None
        if self.path == "/work":
            ran = subprocess.run([sys.executable, {str(APPS / app)!r} + ".py"], capture_output=True)
        self.send_response(200 if ran is None or ran.returncode == 0 else 500)
        self.end_headers()
        self.wfile.write(ran.stdout if ran else b"ready")

HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
""",
        encoding="utf-8",
    )
    done = rehearse(
        *("-q", "--ready", f"http://127.0.0.1:{port}/", "--scenario", "401-invalid-key", "--format", "json"),
        *("--drive", f'"{PYTHON}" "{APPS / "drive.py"}" http://127.0.0.1:{port}/work'),
        *("--scenario-timeout", "10", "--", PYTHON, str(served)),
    )
    assert outcomes(done)["401-invalid-key"] == case
    assert done.returncode == code


@pytest.mark.parametrize(
    ("words", "like", "spike", "money"),
    [((), "groq", "pass", "pass"), (("silent",), "deepseek", "no-alert", "no-alert")],
)
def test_alerts(words: tuple[str, ...], like: str, spike: str, money: str) -> None:
    done = rehearse(
        *("-q", like, "--scenario", "spend-spike,out-of-money", "--within", "3", "--format", "json"),
        *("--", PYTHON, str(APPS / "spender.py"), *words),
    )
    found = outcomes(done)
    assert (found["spend-spike"], found["out-of-money"]) == (spike, money)
    run = json.loads(done.stdout)["runs"][0]
    told = [each["status"] for each in run["exchanges"] if each["probe"] == "out-of-money"]
    assert told == [{"groq": 400, "deepseek": 402}[like]]


def test_a_command_that_ignores_the_base_url_is_no_pass(tmp_path: Path) -> None:
    done = rehearse("--scenario", "401-invalid-key", "--format", "json", *script(tmp_path, "print('fine')"))
    assert outcomes(done) == {"401-invalid-key": "error"}
    assert (
        "your code does not use it (set were OPENAI_BASE_URL, OPENAI_API_BASE; name yours with --env)"
        in done.stderr
    )
    assert done.returncode == 3


def test_the_base_url_in_a_variable_of_your_own(tmp_path: Path) -> None:
    text = ASK.replace("OPENAI_BASE_URL", "MY_URL")
    done = rehearse(
        *(
            "-q",
            "--env",
            "MY_URL",
            "--scenario",
            "401-invalid-key",
            "--format",
            "json",
            *script(tmp_path, text),
        )
    )
    assert outcomes(done)["401-invalid-key"] == "pass"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys; sys.exit('no settings')", "without faults the command failed: exit status 1"),
        ("import time; time.sleep(60)", "without faults the command did not end within 2 s"),
    ],
)
def test_a_command_that_fails_without_faults(tmp_path: Path, text: str, said: str) -> None:
    done = rehearse("-q", "--scenario-timeout", "2", *script(tmp_path, text))
    assert said in done.stderr
    assert ("llmcompat:   | no settings" in done.stderr) == ("settings" in text)
    assert (done.stdout, done.returncode) == ("", 2)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_command_that_ends_by_a_signal(tmp_path: Path) -> None:
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    done = rehearse("-q", *script(tmp_path, kill))
    assert f"ended by signal {signal.SIGSEGV.value}" in done.stderr
    assert done.returncode == 2
    at_401 = f"{ASK}\nif answer.status_code == 401: {kill}"
    done = rehearse("-q", "--scenario", "stream-crlf,500-once", "--format", "json", *script(tmp_path, ASK))
    assert outcomes(done)["stream-crlf"] == "skip"
    at_500 = at_401.replace("401", "500")
    done = rehearse("-q", "--scenario", "500-once", "--format", "json", *script(tmp_path, at_500))
    assert outcomes(done)["500-once"] == "ended-by-signal"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give your command behind --, such as: llmcompat rehearse -- pytest tests/llm"),
        (("--",), "give your command behind --"),
        (("--", "no-such-program-at-all"), "no-such-program-at-all: cannot start: there is no such program"),
        (("--ready", "http://127.0.0.1:1/", "--", "x"), "--ready: goes with --drive"),
        (("--ready", "mailto:x", "--drive", "x", "--", "x"), "--ready mailto:x: must begin with http"),
        (
            ("--scenario", "503-twise", "--", "x"),
            "--scenario 503-twise: no such scenario; did you mean 503-twice",
        ),
        (("--scenarios", "no-such-folder", "--", "x"), "no-such-folder: no such folder; check the path"),
        (("--jobs", "0", "--", "x"), "--jobs: must be 1 to 64"),
        (("--jobs", "2", "--port", "9", "--", "x"), "--jobs: takes a port for each"),
        (("--env", "A=B", "--", "x"), "--env A=B: must be the name of an environment variable"),
        (("--scenario-timeout", "nan", "--", "x"), "--scenario-timeout: must be a number of seconds above 0"),
        (("nobody", "--", "x"), "nobody: no such profile"),
        (("groq", "--like", "deepseek", "--", "x"), "--like: names another provider than PROVIDER"),
        (("--format", "tabel", "--", "x"), "--format tabel: no such format"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = rehearse("-q", *arguments)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert (done.stdout, done.returncode) == ("", 2)


def test_busy_ports(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        done = rehearse("-q", "--port", str(port), *script(tmp_path, ASK))
        assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr
        assert done.returncode == 2


def test_a_server_that_is_there_already_and_one_that_ends(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    options = ("-q", "--ready", url, "--drive", "x", "--scenario-timeout", "20")
    done = rehearse(*options, *script(tmp_path, "import sys; sys.exit('port is taken')"))
    assert "the application ended before it was ready: exit status 1" in done.stderr
    assert "| port is taken" in done.stderr
    with subprocess.Popen(
        [PYTHON, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as other:
        try:
            while not listens(port):
                time.sleep(0.05)
            done = rehearse(*options, *script(tmp_path, ASK))
        finally:
            other.terminate()
    assert f"--ready {url}: something answers there already; end it first" in done.stderr
    assert done.returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_an_interruption_ends_the_command_and_tells_what_is_known(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    text = f"""{ASK}
if answer.status_code == 403:
    open({str(mark)!r}, "w").write(str(os.getpid()))
    time.sleep(60)
"""
    arguments = ("--scenario", "401-invalid-key,403-forbidden,422-invalid", "--format", "json")
    with subprocess.Popen(
        [PYTHON, "-m", "llmcompat", "rehearse", "-q", *arguments, *script(tmp_path, text)],
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        while not mark.exists() or not mark.read_text():
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(signal.SIGTERM)
        out, _ = running.communicate(timeout=60)
    statuses = {each["id"]: each["status"] for each in json.loads(out)["runs"][0]["checks"]}
    assert running.returncode == 130
    assert statuses["rehearsal-401-invalid-key"] == "pass"
    assert statuses["rehearsal-403-forbidden"] == statuses["rehearsal-422-invalid"] == "error"
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_the_list_as_text_and_as_json() -> None:
    assert "503-twice  (retries, must: survive, backs-off)" in rehearse("--list").stdout
    rows: list[dict[str, Any]] = json.loads(rehearse("--list", "--format", "json").stdout)
    assert next(each for each in rows if each["name"] == "spend-spike")["on-request"] is True


def test_keys_of_the_environment_reach_neither_the_command_nor_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "DEEPSEEK_API_KEY"):
        monkeypatch.setenv(name, "abcdef-very-secret-0123456789")
    told = "print(os.environ['OPENAI_API_KEY'], os.environ['DEEPSEEK_API_KEY'])"
    text = f"{ASK}\n{told}\nsys.exit(answer.status_code != 200)"
    done = rehearse(
        *("-q", "deepseek", "--scenario", "500-once", "--format", "json", *script(tmp_path, text))
    )
    assert outcomes(done)["500-once"] == "gave-up"
    assert "very-secret" not in done.stdout + done.stderr
