"""A loopback server that speaks HTTP/1.1 byte by byte: refused, reset and cut connections are real ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import socket
import struct
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import h11
import httpx

from llmcompat.rehearsal import changes
from llmcompat.rehearsal.changes import Answer
from llmcompat.rehearsal.scenario import Refusal, Scenario, asks_json
from llmcompat.rehearsal.wirelog import MAX_KEPT, Door, Seen, WireLog, identity_of

MAX_REQUEST = 32 * 1024 * 1024
"""Bytes of a request that are read."""

_HOST = "127.0.0.1"
_READ = 64 * 1024
_TAIL = 512
_END = re.compile(rb'\[DONE\]|"finish_reason":\s*"|"response\.completed"')
"""What stands in a stream when its content is whole."""
_OWN_HEADERS = {"content-length", "transfer-encoding", "connection", "date"}

Upstream = Callable[[], Any]
"""Makes the endpoint that gives the good answers, as an ASGI application."""


class Proxy:
    """The endpoint that the application is led to: an upstream's good answers, and one scenario's faults.

    It has three doors: the base URL, a second one for when the first is out of order, and one for alerts.
    """

    def __init__(self, upstream: Upstream, like: str | None = None, port: int = 0) -> None:
        """`like` is the provider whose refusals are worded; `port` is that of the base URL, 0 a free one."""
        self._make_upstream = upstream
        self._like = like
        self._port = port
        self._ports: dict[str, int] = {}
        self._servers: dict[str, asyncio.Server] = {}
        self._writers: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._scenario: Scenario | None = None
        self._client: httpx.AsyncClient | None = None
        self._bound: str | None = None
        self._hits = 0
        self._began = time.monotonic()
        self.log = WireLog()
        self.too_many = asyncio.Event()
        """Set when one request was tried more often than the scenario allows."""
        self.alerted = asyncio.Event()

    @property
    def base_url(self) -> str:
        """Where the application is led to."""
        return f"http://{_HOST}:{self._ports['main']}/v1"

    @property
    def fallback_url(self) -> str:
        """Where all is well, whatever the scenario."""
        return f"http://{_HOST}:{self._ports['fallback']}/v1"

    @property
    def alert_url(self) -> str:
        """Where the application's monitoring sends its alerts."""
        return f"http://{_HOST}:{self._ports['alert']}/alert"

    async def start(self) -> None:
        """Listen at all doors. Raises OSError for a port in use."""
        for door in ("main", "fallback", "alert"):
            await self._listen(door, self._port if door == "main" else 0)

    async def close(self) -> None:
        """End all connections and stop listening."""
        for door in list(self._servers):
            await self._shut(door)
        self._hang_up()
        await self._let_go()
        if self._client is not None:
            await self._client.aclose()

    async def begin(self, scenario: Scenario | None) -> None:
        """From here on this scenario is played, or none; what was seen is forgotten.

        Raises OSError where the port of the base URL was taken meanwhile.
        """
        # a connection that is kept open would lead past a port that is closed, and into the next log
        self._hang_up()
        await self._let_go()
        if self._client is not None:
            await self._client.aclose()
        # a new one each time, so that the same requests get the same answers
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self._make_upstream(), raise_app_exceptions=False),
            base_url="http://upstream",
            timeout=None,
        )
        self._scenario, self._bound, self._hits = scenario, None, 0
        self.log, self._began = WireLog(), time.monotonic()
        self.too_many.clear()
        self.alerted.clear()
        refused = scenario is not None and scenario.fault.connection == "refused"
        if refused:
            await self._shut("main")
        elif "main" not in self._servers:
            await self._listen("main", self._ports["main"])

    def now(self) -> float:
        """Seconds since the scenario began."""
        return time.monotonic() - self._began

    async def _listen(self, door: str, port: int) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                self._serving.add(task)
                task.add_done_callback(self._serving.discard)
            self._writers.add(writer)
            try:
                await self._connection(door, reader, writer)
            except asyncio.CancelledError:
                pass  # we ended it, and Python 3.11 logs what a connection's task ends with
            finally:
                self._writers.discard(writer)

        server = await asyncio.start_server(connected, _HOST, port)
        self._servers[door] = server
        self._ports[door] = server.sockets[0].getsockname()[1]

    async def _shut(self, door: str) -> None:
        server = self._servers.pop(door)
        server.close()
        self._hang_up()
        await self._let_go()
        with contextlib.suppress(OSError):
            await server.wait_closed()

    def _hang_up(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _let_go(self) -> None:
        """End what is still being answered: nobody listens any more."""
        for task in (serving := list(self._serving)):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _connection(
        self, door: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """All requests of one connection."""
        if (plain := writer.get_extra_info("socket")) is not None:
            # small writes must leave as they are made
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = h11.Connection(h11.SERVER)
        try:
            while (request := await _next_request(wire, reader, writer)) is not None:
                if door == "alert":
                    self.log.alerts.append(self.now())
                    self.alerted.set()
                    await _write_plain(wire, writer, 200, b'{"ok": true}')
                else:
                    await self._answer(
                        "fallback" if door == "fallback" else "main", wire, request, reader, writer
                    )
                if wire.our_state is not h11.DONE or wire.their_state is not h11.DONE:
                    return
                wire.start_next_cycle()
        except _TooLarge:
            with contextlib.suppress(h11.LocalProtocolError, OSError):
                await _write_plain(wire, writer, 413, b'{"error": {"message": "The request is too large."}}')
        except (h11.ProtocolError, OSError):
            pass
        finally:
            writer.close()

    async def _answer(
        self,
        door: Door,
        wire: h11.Connection,
        request: tuple[h11.Request, bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        seen, good = await self._receive(door, *request)
        answer, connection = self._played(seen, good)
        try:
            if connection == "reset":
                seen.error = "connection reset before the answer"
                _reset(writer)
                return
            await self._write(answer, seen, wire, reader, writer)
        except (OSError, asyncio.CancelledError):
            seen.left = True
            raise
        finally:
            seen.ended_at = self.now()
            if seen.left and seen.tail_is_end:
                # many leave at [DONE], and some as soon as they know why the model has ended
                seen.left, seen.complete = False, True

    async def _receive(self, door: Door, request: h11.Request, body: bytes) -> tuple[Seen, Answer]:
        """Note a request, and get the good answer to it."""
        target = request.target.decode("latin-1")
        path, method = target.partition("?")[0], request.method.decode("latin-1")
        parsed = changes.parsed(body)
        fields = parsed if isinstance(parsed, dict) else {}
        seen = Seen(
            number=len(self.log.seen) + 1,
            door=door,
            at=self.now(),
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            method=method,
            path=path,
            url=f"http://{_HOST}:{self._ports[door]}{target}",
            request_headers=tuple(
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers
            ),
            request_body=body[:MAX_KEPT],
            identity=identity_of(method, path, body),
            streamed=bool(fields.get("stream")),
            chat=path.endswith("/chat/completions"),
            asks_json=asks_json(fields),
        )
        self.log.add(seen)
        good = await self._good(method, target, request, body)
        seen.calls_tools = seen.chat and changes.calls_tools(good)
        self._watch(seen)
        return seen, good

    async def _good(self, method: str, target: str, request: h11.Request, body: bytes) -> Answer:
        if self._client is None:
            raise RuntimeError("begin() comes before the first request")
        headers = [
            (name, value) for name, value in request.headers if name not in (b"host", b"content-length")
        ]
        # a target that is no path (OPTIONS *) has no answer but 404
        url = target if target.startswith("/") else "/"
        got = await self._client.request(method, url, headers=headers, content=body)
        kept = [pair for pair in got.headers.multi_items() if pair[0].lower() not in _OWN_HEADERS]
        answer = Answer(got.status_code, kept, got.content)
        if got.headers.get("content-type", "").startswith("text/event-stream"):
            answer.frames = changes.frames_of(got.content)
        return answer

    def _watch(self, seen: Seen) -> None:
        if self._scenario is None or seen.door != "main":
            return
        same = sum(each.identity == seen.identity and each.door == "main" for each in self.log.seen)
        if same > self._scenario.bounds.tries:
            self.too_many.set()

    def _played(self, seen: Seen, good: Answer) -> tuple[Answer, str | None]:
        """What the application gets, and what is done to the connection."""
        scenario = self._scenario
        if scenario is None or seen.door != "main" or not self._fits(scenario, seen):
            return good, None
        seen.faulted = True
        fault = scenario.fault
        refusal = fault.answer_like(self._like)
        if refusal is not None:
            answer, seen.asked_wait = _refused(refusal)
            seen.spoilt = scenario.spoils
            return answer, None
        if fault.change is not None:
            seen.spoilt = scenario.spoils
            changes.change(fault.change, good, fault.seconds)
        return good, fault.connection

    def _fits(self, scenario: Scenario, seen: Seen) -> bool:
        wanted = scenario.requests
        if not fits(scenario, seen):
            return False
        if wanted.first is None:
            return True
        if self._bound is None:
            self._bound = seen.identity
        if seen.identity != self._bound:
            return False
        self._hits += 1
        return self._hits <= wanted.first

    async def _write(
        self,
        answer: Answer,
        seen: Seen,
        wire: h11.Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        start, between = answer.pauses
        if start:
            await asyncio.sleep(start)
        headers = list(answer.headers)
        whole = answer.frames is None and not answer.pieces
        if answer.frames is None:
            headers.append(("content-length", str(len(answer.body))))
        seen.status, seen.headers = answer.status, tuple(headers)
        response = h11.Response(status_code=answer.status, headers=headers)
        if reader.at_eof():
            seen.left = True
            return
        head = wire.send(response)
        seen.headers_at = self.now()
        # head and body of a small answer in one packet, as servers send them
        writer.write(head if not whole else head + wire.send(h11.Data(data=answer.body)))
        await writer.drain()
        tail, kept, arrivals = b"", bytearray(), []
        if whole:
            kept += answer.body[:MAX_KEPT]
            arrivals.append((len(kept), self.now() - seen.at))
        for piece in () if whole else answer.written:
            if between:
                await asyncio.sleep(between)
            if reader.at_eof():
                seen.left = True
                break
            writer.write(wire.send(h11.Data(data=piece)))
            await writer.drain()
            tail = (tail + piece)[-_TAIL:]
            seen.tail_is_end = seen.tail_is_end or _END.search(tail) is not None
            if len(kept) < MAX_KEPT:
                kept += piece[: MAX_KEPT - len(kept)]
                arrivals.append((len(kept), self.now() - seen.at))
        seen.body, seen.arrivals = bytes(kept), tuple(arrivals)
        if seen.left:
            return
        if answer.ending == "reset":
            # what was written must leave before the connection does
            await asyncio.sleep(0.05)
            seen.error = "connection reset in the middle of the answer"
            _reset(writer)
            return
        writer.write(wire.send(h11.EndOfMessage()))
        await writer.drain()
        seen.complete = True


class _TooLarge(Exception):
    """The request is larger than is read."""


def fits(scenario: Scenario, seen: Seen) -> bool:
    """Whether a request is of the kind that a scenario is for, however many of them are hit."""
    wanted = scenario.requests
    if seen.method in ("GET", "HEAD", "OPTIONS"):
        return False
    for name in ("streamed", "chat", "calls_tools", "asks_json"):
        asked = getattr(wanted, name)
        if asked is not None and asked != getattr(seen, name):
            return False
    return True


async def _next_request(
    wire: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[h11.Request, bytes] | None:
    """The next request with its whole body; None where the connection ends instead."""
    request: h11.Request | None = None
    body = bytearray()
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            if wire.they_are_waiting_for_100_continue:
                writer.write(wire.send(h11.InformationalResponse(status_code=100, headers=[])))
                await writer.drain()
            wire.receive_data(await reader.read(_READ))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_REQUEST:
                raise _TooLarge
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return request, bytes(body)
        else:
            return None


async def _write_plain(wire: h11.Connection, writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
    data = wire.send(h11.Response(status_code=status, headers=headers))
    writer.write(data + wire.send(h11.Data(data=body)) + wire.send(h11.EndOfMessage()))
    await writer.drain()


def _refused(refusal: Refusal) -> tuple[Answer, float | None]:
    """The answer that a scenario has in the place of the good one, and the seconds that it asks to wait."""
    headers = [(name.lower(), value) for name, value in refusal.headers.items()]
    body = refusal.text.encode()
    if refusal.body is not None:
        body = json.dumps(refusal.body, ensure_ascii=False).encode()
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json" if refusal.body is not None else "text/plain"))
    wait = refusal.wait
    if refusal.retry_after == "seconds":
        headers.append(("retry-after", f"{wait:g}"))
    elif refusal.retry_after == "milliseconds":
        headers.append(("retry-after-ms", f"{wait * 1000:.0f}"))
    elif refusal.retry_after == "date":
        # a date has whole seconds: the next one that is far enough
        until = math.ceil(time.time() + wait)
        headers.append(("retry-after", formatdate(until, usegmt=True)))
        wait = until - time.time()
    return Answer(refusal.status, headers, body), wait if refusal.retry_after else None


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST and not with FIN, as a crashed server or a dropped connection does."""
    plain = writer.get_extra_info("socket")
    if plain is not None:
        # on and zero seconds; Windows has two short numbers there
        linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
