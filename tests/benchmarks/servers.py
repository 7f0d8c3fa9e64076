"""Endpoints in processes of their own, so that what they cost is not counted as the tool's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

_PATIENCE = 30.0


@contextlib.contextmanager
def simulators(count: int, delay: float, processes: int = 1) -> Iterator[list[str]]:
    """Base URLs of so many simulators, which wait `delay` seconds before each answer."""
    shares = [len(range(number, count, processes)) for number in range(processes)]
    with contextlib.ExitStack() as stack:
        yield [
            url for share in shares if share for url in stack.enter_context(_process(_simulate, share, delay))
        ]


@contextlib.contextmanager
def canned() -> Iterator[str]:
    """The base URL of a server that does next to nothing: each answer is some bytes made beforehand."""
    with _process(_answer_cheaply) as (url,):
        yield url


@contextlib.contextmanager
def _process(work: Callable[..., None], *arguments: Any) -> Iterator[list[str]]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, *arguments), daemon=True)
    process.start()
    try:
        if not ours.poll(_PATIENCE):
            raise RuntimeError("a server of the benchmarks did not start")
        yield ours.recv()
    finally:
        process.kill()
        process.join()


def _simulate(pipe: Connection, count: int, delay: float) -> None:
    from llmcompat.simulator.server import running

    with contextlib.ExitStack() as stack:
        pipe.send([stack.enter_context(running(delay=delay)).base_url for _ in range(count)])
        while True:
            time.sleep(60)


COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1795348800,
    "model": "demo-chat",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello there.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20},
}
_CHUNK = {**COMPLETION, "object": "chat.completion.chunk", "usage": None}


def _stream() -> bytes:
    pieces: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    pieces += [{"content": word} for word in ("Hel", "lo ", "the", "re.")]
    events = [{**_CHUNK, "choices": [{"index": 0, "delta": each, "finish_reason": None}]} for each in pieces]
    events.append({**_CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append({**_CHUNK, "choices": [], "usage": COMPLETION["usage"]})
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


def _message(kind: str, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        kind.encode(),
        len(body),
        body,
    )


class _Cheap(asyncio.Protocol):
    """HTTP/1.1 just as far as httpx speaks it: a head, and a body of the length that the head names."""

    plain = _message("application/json", json.dumps(COMPLETION).encode())
    stream = _message("text/event-stream", _stream())
    models = _message(
        "application/json",
        b'{"object":"list","data":[{"id":"demo-chat","object":"model","owned_by":"demo"}]}',
    )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            head, border, rest = self._received.partition(b"\r\n\r\n")
            if not border:
                return
            length = 0
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if len(rest) < length:
                return
            body, self._received = rest[:length], rest[length:]
            if head.startswith(b"GET"):
                self._transport.write(self.models)
            else:
                self._transport.write(self.stream if b'"stream":true' in body else self.plain)


def _answer_cheaply(pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Cheap, "127.0.0.1", 0)
        pipe.send([f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"])
        await server.serve_forever()

    asyncio.run(serve())
