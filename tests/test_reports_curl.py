"""A recorded request as a curl command: curl sends what was recorded, and no mask passes for a key."""

import shutil
import subprocess
import threading
import unicodedata
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from llmcompat.model import Target
from llmcompat.reports.curl import ANY_KEY, LONGEST_ARGUMENT, curl, key_variable
from llmcompat.wire.redaction import INVALID_KEY, Redactor
from tests.reporting import HOSTILE, exchange, target_run

KEY = "sk-a$HOME`id`!!'\"-0123456789abcdef"
MASKED = (("Authorization", "Bearer [key]******"), ("Content-Type", "application/json"))

BODIES = (
    '{"model":"m1"}',
    '{"content":"it\'s 5 o\'clock! !! !$ $HOME `id` $(id) \\\\ \\n \\"q\\" %s %% "}',
    '{"content":"Zürich 東京 🙂 נכון"}',
    '{\n  "pretty": true\n}\n',
    '{"hidden":"\u202eevil\u200b\x1b[31m\x00\x07 0 1\u0301\u0301\u0301\u0301\u0301\u0301"}',
    '--boundary\r\nContent-Disposition: form-data; name="file"\r\n\r\n\\n \\0101 %d\r\n--boundary--\r\n',
    "-d @/etc/hostname",
    "@/etc/hostname",
    "'",
    "",
    "x" * (2 * LONGEST_ARGUMENT) + "'!\\",
    HOSTILE.replace("\ud800", ""),
)


class Received:
    """The last request that came."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.line = ""
        self.headers: dict[str, str] = {}
        self.body = b""


@pytest.fixture
def server() -> Iterator[Received]:
    """Keeps what it is sent, and answers with nothing."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            received.line = self.requestline
            received.headers = {name.lower(): value for name, value in self.headers.items()}
            received.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_DELETE = do_POST

        def log_message(self, *_: Any) -> None:
            """Tell nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        received = Received(f"http://127.0.0.1:{listening.server_port}")
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield received
        listening.shutdown()
        thread.join()


def shell(command: str, folder: Path, *how: str, **environment: str) -> str:
    """Run a command as a user would who has pasted it."""
    if shutil.which("curl") is None or shutil.which("sh") is None:
        pytest.skip("no curl, or no POSIX shell")
    done = subprocess.run(
        [*(how or ("sh",))],
        input=f"{command}\n",
        encoding="utf-8",
        capture_output=True,
        # no settings of the user's own, and no proxy
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"} | environment,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_whole_command() -> None:
    asked = exchange(
        request_headers=(*MASKED, ("Host", "api.example.test"), ("Accept-Encoding", "gzip")),
        request_body='{"stream":true,"content":"it\'s"}',
    )
    assert curl(asked, "EXAMPLE_API_KEY") == (
        "curl -i -N https://api.example.test/v1/chat/completions \\\n"
        '  -H "Authorization: Bearer $EXAMPLE_API_KEY" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        """  --data-raw '{"stream":true,"content":"it'"'"'s"}'"""
    )


def test_curl_sends_the_recorded_body_byte_for_byte(server: Received, tmp_path: Path) -> None:
    for body in BODIES:
        server.body = b"nothing came"
        command = curl(
            exchange(url=f"{server.address}/v1/x", request_headers=MASKED, request_body=body), "KEY"
        )
        assert "HTTP/1.1 200" in shell(command, tmp_path, KEY="k")
        assert server.body == body.encode(), body[:80]
        assert server.line == "POST /v1/x HTTP/1.1"
        assert server.headers["content-type"] == "application/json"


def test_curl_sends_the_key_from_the_variable(server: Received, tmp_path: Path) -> None:
    headers = (*MASKED[:1], ("X-Own", "it's `id` $HOME !"), ("X-Empty", ""), ("X-Bad", "a\r\nX-More: b"))
    asked = exchange(
        method="DELETE",
        url=f"{server.address}/v1/files/a%20[b]{{c}}?x=1&y='$HOME'",
        request_headers=headers,
        request_body=None,
    )
    command = curl(asked, "MY_KEY")
    assert command.startswith("# a header with characters that none may have is left out\n")
    shell(command, tmp_path, MY_KEY=KEY)
    assert server.line == "DELETE /v1/files/a%20[b]{c}?x=1&y='$HOME' HTTP/1.1"
    assert server.headers["authorization"] == f"Bearer {KEY}"
    assert server.headers["x-own"] == "it's `id` $HOME !"
    assert server.headers["x-empty"] == ""
    assert "x-more" not in server.headers
    assert "content-type" not in server.headers


def test_masked_values_come_from_variables(server: Received, tmp_path: Path) -> None:
    hide = Redactor([KEY, "other-secret-value"])
    asked = exchange(
        url=hide.text(f"{server.address}/v1/x?key=other-secret-value"),
        request_headers=(("X-Api-Key", hide.text(KEY)), ("Authorization", f"Bearer {INVALID_KEY}")),
        request_body=hide.text(f'{{"key":"other-secret-value","again":"{KEY}","more":"other-secret-value"}}'),
    )
    command = curl(asked, "MY_KEY")
    for name in ("REDACTED_X_API_KEY", "REDACTED_URL", "REDACTED_BODY", "REDACTED_BODY_2"):
        assert f"# {name} stands for a value that was masked in the record: set it first\n" in command
    assert "[key]" not in command
    assert "MY_KEY" not in command
    shell(
        command,
        tmp_path,
        REDACTED_X_API_KEY=KEY,
        REDACTED_URL="other-secret-value",
        REDACTED_BODY="other-secret-value",
        REDACTED_BODY_2=KEY,
    )
    assert server.line == "POST /v1/x?key=other-secret-value HTTP/1.1"
    assert server.headers["x-api-key"] == KEY
    # our own invalid key is evidence and no secret
    assert server.headers["authorization"] == f"Bearer {INVALID_KEY}"
    more = '"more":"other-secret-value"'
    assert server.body.decode() == f'{{"key":"other-secret-value","again":"{KEY}",{more}}}'


def test_an_interactive_shell_leaves_exclamation_marks_alone(server: Received, tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    body = '{"content":"Hi! it\'s !! and !$ and !id"}'
    command = curl(exchange(url=f"{server.address}/v1/x", request_headers=MASKED, request_body=body), "KEY")
    shell(f"set -o history -o histexpand\n{command}", tmp_path, "bash", "--norc", "--noprofile", KEY="k")
    assert server.body == body.encode()


@pytest.mark.parametrize("body", [HOSTILE, HOSTILE + "x" * LONGEST_ARGUMENT, '{"a":"\x1b]0;t\x07"}'])
def test_nothing_in_it_steers_a_terminal(body: str) -> None:
    asked = exchange(
        method=HOSTILE,
        url=f"https://api.example.test/{HOSTILE}",
        request_headers=((HOSTILE, "x"), ("X-Value", HOSTILE)),
        request_body=body,
    )
    command = curl(asked, HOSTILE)
    unsafe = ("Cc", "Cf", "Cs", "Zl", "Zp")
    assert not [char for char in command if char != "\n" and unicodedata.category(char) in unsafe]


def test_a_shortened_image_is_told() -> None:
    image = "data:image/png;base64," + "A" * 4096
    short = "# the body is not whole"
    assert short in curl(exchange(request_body=f'{{"url":"{image}…"}}'), "KEY")
    assert short not in curl(exchange(request_body=f'{{"url":"{image}"}}'), "KEY")


def test_a_key_is_named_for_its_own_address_alone() -> None:
    profile = {"key_variable": "OWN_KEY", "base_url": "https://api.example.test/v1"}
    run = target_run(profile=profile, target=Target("example", "https://api.example.test/v1", "m1"))
    assert key_variable(run, exchange(url="https://API.example.test/v2/x")) == "OWN_KEY"
    for elsewhere in (
        "https://gateway.test/v1/x",
        "http://api.example.test/v1/x",
        "https://api.example.test:8443/v1",
        "https://api.example.test.evil.test/v1",
        "https://[",
    ):
        assert key_variable(run, exchange(url=elsewhere)) == ANY_KEY
    # a saved run may come from anybody
    planted = target_run(profile={**profile, "key_variable": "X$(id)"})
    assert key_variable(planted, exchange()) == ANY_KEY
    assert "$(id)" not in curl(exchange(request_headers=MASKED), "X$(id)")
