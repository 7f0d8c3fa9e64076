"""The recording proxy as an ASGI application: what comes from either side goes on to the other as it is."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.types import Message, Receive, Scope, Send

from llmcompat.capture.recorder import MAX_BODY, Call, Headers
from llmcompat.wire.client import is_loopback

CONNECT_SECONDS = 30.0
"""Until the upstream must have taken the connection; an answer may take as long as the application waits."""

PREFIX = b"/v1"
"""The path of the proxy that stands for the upstream's base URL."""

_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that are about one connection (RFC 9110, 7.6.1)."""

_NOT_PASSED_ON = frozenset({b"host", b"expect"})
"""The upstream has a name of its own, and this server has answered `100-continue` itself."""


class _ClientGone(Exception):
    """The application closed the connection."""


class _UpstreamCut(Exception):
    """The upstream ended in the middle of its answer: the application's connection is cut as well."""


class _Body(httpx.AsyncByteStream):
    """The request's body, passed on as it comes and recorded up to a bound."""

    def __init__(self, receive: Receive, call: Call) -> None:
        self._receive, self._call = receive, call
        self.read = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise _ClientGone
            piece, more = message.get("body", b""), message.get("more_body", False)
            if piece:
                _record(self._call.request_body, piece, self._call, "request_whole")
                yield piece
        self.read.set()


class Proxy:
    """An ASGI application that passes requests below /v1 on to a base URL, and nothing to anywhere else.

    `record` gets each call when it has ended; it must not wait.
    """

    def __init__(self, base_url: str, record: Callable[[Call], None]) -> None:
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path.rstrip("/").encode()
        self._host = parts.netloc.encode()
        self._record = record
        self._count = 0
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=256),
            follow_redirects=False,
            trust_env=not is_loopback(base_url),
            # an application's cookies are its own
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await self._client.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count += 1
        raw_path: bytes = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
        call = Call(
            self._count,
            scope["method"],
            raw_path.decode("latin-1"),
            scope["headers"],
            time.time(),
        )
        began = time.perf_counter()
        body = _Body(receive, call)
        passing = asyncio.ensure_future(self._pass(self._request(scope, raw_path, body), call, began, send))
        watching = asyncio.ensure_future(_until_gone(receive, body))
        try:
            await asyncio.wait((passing, watching), return_when=asyncio.FIRST_COMPLETED)
            if not passing.done():
                # leaving the request closes the upstream's connection, which ends its work
                passing.cancel()
            await passing
        except (asyncio.CancelledError, _ClientGone):
            call.ended = "cut" if call.status is not None else "none"
            if call.status is None:
                call.error = (
                    "client_disconnected",
                    "the application closed the connection before an answer came",
                )
            if not watching.done():
                current = asyncio.current_task()
                if current is not None and current.cancelling():
                    raise
        finally:
            watching.cancel()
            passing.cancel()
            call.seconds = time.perf_counter() - began
            self._record(call)

    def _request(self, scope: Scope, raw_path: bytes, body: _Body) -> httpx.Request:
        below = raw_path == PREFIX or raw_path.startswith(PREFIX + b"/")
        root = self._path if below else self._path.removesuffix(PREFIX)
        target = root + (raw_path[len(PREFIX) :] if below else raw_path) or b"/"
        if scope.get("query_string"):
            target += b"?" + scope["query_string"]
        received: Headers = scope["headers"]
        names = {name for name, _ in received}
        headers = [(b"Host", self._host), *_passed_on(received, _NOT_PASSED_ON)]
        chunked = b"transfer-encoding" in names
        if chunked:
            headers.append((b"Transfer-Encoding", b"chunked"))
        has_body = chunked or b"content-length" in names
        if not has_body:
            body.read.set()
        return httpx.Request(
            scope["method"],
            self._origin,
            headers=headers,
            stream=body if has_body else httpx.ByteStream(b""),
            # the path as it came: an URL object would write some characters in another way
            extensions={"target": target, "timeout": self._client.timeout.as_dict()},
        )

    async def _pass(self, request: httpx.Request, call: Call, began: float, send: Send) -> None:
        try:
            response = await self._client.send(request, stream=True)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            await _refuse(send, call, error)
            return
        try:
            call.status, call.headers = response.status_code, response.headers.raw
            start: Message = {
                "type": "http.response.start",
                "status": response.status_code,
                "headers": list(_passed_on(response.headers.raw)),
            }
            await send(start)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            try:
                async for piece in response.stream:
                    if call.first_byte is None:
                        call.first_byte = time.perf_counter() - began
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    _record(call.body, piece, call, "body_whole")
            except (httpx.HTTPError, OSError):
                call.ended = "cut"
                raise _UpstreamCut from None
            call.ended = "complete"
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await response.aclose()


def _passed_on(headers: Headers, also: frozenset[bytes] = frozenset()) -> Iterator[tuple[bytes, bytes]]:
    """The headers without those that are about one connection, and those that `Connection` names."""
    left_out = _HOP_BY_HOP | also
    named = [value for name, value in headers if name.lower() == b"connection"]
    if named:
        left_out |= {part.strip().lower() for value in named for part in value.split(b",")}
    return ((name, value) for name, value in headers if name.lower() not in left_out)


def _record(into: bytearray, piece: bytes, call: Call, whole: str) -> None:
    if len(into) + len(piece) > MAX_BODY:
        setattr(call, whole, False)
        into.clear()
    elif getattr(call, whole):
        into += piece


async def _until_gone(receive: Receive, body: _Body) -> None:
    """Return when the application has closed the connection, which shows once its request is read."""
    await body.read.wait()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, call: Call, error: Exception) -> None:
    """Answer as OpenAI's API words an error, and say that the proxy speaks and not the upstream."""
    words = f"llmcompat's proxy had no answer from the upstream: {_reason(error)}"
    call.error = ("upstream_unreachable", words)
    data: MutableMapping[str, Any] = {
        "message": words,
        "type": "llmcompat_proxy_error",
        "param": None,
        "code": "upstream_unreachable",
    }
    content = json.dumps({"error": data}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"x-llmcompat-proxy", b"error"),
    ]
    await send({"type": "http.response.start", "status": 502, "headers": headers})
    await send({"type": "http.response.body", "body": content, "more_body": False})


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"not connected within {CONNECT_SECONDS:g} s"
    if isinstance(error, httpx.ConnectError):
        return "no connection (is its address right, and is it running?)"
    if isinstance(error, httpx.RemoteProtocolError):
        return "it closed the connection, or what it sent is no HTTP"
    return type(error).__name__
