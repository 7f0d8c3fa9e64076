"""The SSE parser beside httpx-sse's and the openai client's, on the same bytes in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import process_time

import httpx
from httpx_sse import EventSource
from openai._streaming import SSEDecoder

from llmcompat.wire.sse import Parser
from tests.benchmarks.figures import Figure

EVENTS, BYTES, PIECE = 100_000, 150, 16 * 1024


def body() -> bytes:
    """A stream of that many events, each of that many bytes."""
    event = b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":"x"}}]}'
    return (event[:-1] + b" " * (BYTES - len(event) - 2) + b"}\n\n") * EVENTS


def pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + PIECE] for at in range(0, len(data), PIECE))


class _Pieces(httpx.SyncByteStream):
    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        return pieces(self._data)


def ours(data: bytes) -> int:
    parser = Parser()
    return sum(len(parser.feed(piece)) for piece in pieces(data)) + len(parser.close())


def httpx_sse(data: bytes) -> int:
    response = httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=_Pieces(data))
    return sum(1 for _ in EventSource(response).iter_sse())


def openai(data: bytes) -> int:
    return sum(1 for _ in SSEDecoder().iter_bytes(pieces(data)))


def figures(times: int = 3) -> list[Figure]:
    """Megabytes a CPU second, the best of some goes of each, taken in turn."""
    data = body()
    best: dict[Callable[[bytes], int], float] = {}
    for _ in range(times):
        for parse in (ours, httpx_sse, openai):
            started = process_time()
            count = parse(data)
            taken = process_time() - started
            assert count == EVENTS, f"{parse.__name__} gave {count} events"
            best[parse] = min(taken, best.get(parse, taken))
    rate = {parse: len(data) / 1e6 / seconds for parse, seconds in best.items()}
    return [
        Figure(
            "SSE parser: rate",
            f"{rate[ours]:.0f} MB/s",
            f"{rate[other]:.0f} MB/s of {name}",
            rate[ours] / rate[other],
            bound,
            at_least=True,
        )
        for other, name, bound in ((httpx_sse, "httpx-sse", 1.0), (openai, "openai-python", 2.0))
    ]
