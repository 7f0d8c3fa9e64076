"""A loopback HTTP server that answers with literal bytes, for what a well-behaved server would never send.

def cut(request: RawRequest) -> Iterator[Part]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it"
    yield 0.1
    yield RESET

with RawServer(cut) as server:
    client.get(server.base_url + "/models")
"""

import contextlib
import enum
import json
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, Self, TypeAlias


class _Reset(enum.Enum):
    RESET = "reset"


RESET = _Reset.RESET
"""Part of an answer: the connection is torn down with a TCP reset.

What the client has not read by then may be lost; a pause before it lets the client read.
"""

Part: TypeAlias = bytes | float | Literal[_Reset.RESET]
"""Bytes are sent as they are, a number is a pause in seconds, RESET tears the connection down."""


@dataclass(frozen=True)
class RawRequest:
    """One request as it came in; header names are lower case, a chunked body is put together."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Answer: TypeAlias = Callable[[RawRequest], bytes | Iterable[Part]]


def http(body: bytes | str, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole, correct HTTP answer; a header that is given replaces the one that would be made."""
    content = body.encode() if isinstance(body, str) else body
    fields = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close"}
    fields |= headers or {}
    reason = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Unknown"
    head = f"HTTP/1.1 {status} {reason}\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in fields.items()
    )
    return head.encode("latin-1") + b"\r\n" + content


def http_json(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole, correct HTTP answer with `value` as JSON."""
    return http(json.dumps(value), status, headers)


EVENT_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
"""The head of a stream whose end is the end of the connection; events follow as parts."""


class RawServer:
    """Answers each request with the bytes of `answer(request)`, then closes the connection.

    An exception in `answer` is raised again when the block ends, so that a broken test does not pass.
    """

    def __init__(self, answer: Answer) -> None:
        self.requests: list[RawRequest] = []
        self._answer = answer
        self._errors: list[BaseException] = []
        self._closing = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self._errors and error is None:
            raise self._errors[0]

    def _serve(self, connection: socket.socket) -> None:
        try:
            request = _read_request(connection)
            if request is None:
                return
            self.requests.append(request)
            answer = self._answer(request)
            for part in [answer] if isinstance(answer, bytes) else answer:
                if self._closing.is_set():
                    return
                if part is RESET:
                    # Closing with a linger time of zero sends RST; struct linger has short fields on Windows.
                    linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    connection.close()
                    return
                if isinstance(part, bytes):
                    connection.sendall(part)
                else:
                    self._closing.wait(part)
            with contextlib.suppress(OSError):  # the client may have gone
                connection.shutdown(socket.SHUT_WR)
        except ConnectionError:
            pass  # the client went away, which is its right
        except BaseException as error:
            self._errors.append(error)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, raw: RawServer) -> None:
        self.raw = raw
        super().__init__(("127.0.0.1", 0), _Handler)

    def shutdown_request(self, request: Any) -> None:
        # The default sends FIN first, which would turn a reset into an orderly end.
        self.close_request(request)


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        self.server.raw._serve(self.request)


def _read_request(connection: socket.socket) -> RawRequest | None:
    """The next request, or None where the client connects and says nothing."""
    with connection.makefile("rb") as stream:
        first = stream.readline()
        if not first:
            return None
        method, path, _ = first.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (line := stream.readline().decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(stream.readline().split(b";")[0], 16):
                body += stream.read(size)
                stream.readline()
            stream.readline()
        else:
            body = stream.read(int(headers.get("content-length", 0)))
        return RawRequest(method, path, headers, body)
