"""A server on this machine that keeps what it is sent and answers as told: a webhook, a balance page."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What is answered."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    silent: threading.Event | None = None
    """Answers only when it is set."""


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Sink:
    """A running server; `reply` gives the answer to a path with its query."""

    url: str
    reply: Callable[[str], Reply]
    asked: list[Asked] = field(default_factory=list)

    def say(self, reply: Reply) -> None:
        """Answer everything alike from now on."""
        self.reply = lambda path: reply


@contextlib.contextmanager
def sink() -> Iterator[Sink]:
    """Run one on a free port; it answers 200 until it is told otherwise."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.asked.append(Asked(self.command, self.path, headers, body))
            reply = state.reply(self.path)
            if reply.silent is not None:
                reply.silent.wait(30)
            with contextlib.suppress(OSError):
                self.send_response(reply.status)
                for name, value in {"content-type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = Sink(f"http://127.0.0.1:{server.server_address[1]}", lambda path: Reply())
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
