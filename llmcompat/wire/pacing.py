"""The pace of requests to a host: how many at once, how many a minute, and which goes first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from heapq import heappop, heappush
from itertools import count
from time import perf_counter

Origin = tuple[str, str, int | None]
"""Scheme, host and port."""


class Pacer:
    """Holds requests to one host to a number at once, halves it at a 429, and keeps the waits asked for.

    The most urgent request goes first, of equally urgent ones the one that has waited longest.
    """

    def __init__(self, concurrency: int, requests_per_minute: float | None = None) -> None:
        self._limit = concurrency
        self._running = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._arrived = count()
        self._not_before = 0.0
        self._interval = _interval(requests_per_minute)

    @contextlib.asynccontextmanager
    async def turn(self, urgency: int = 0) -> AsyncIterator[None]:
        """Wait until a request may be sent, and hold its place until it has ended."""
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (-urgency, next(self._arrived), called))
        # who asks in the same moment is called by urgency too: one that has several questions asks them later
        asyncio.get_running_loop().call_soon(self._call)
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():
                self._leave()  # it gave up in the moment in which it was called
            raise
        try:
            now = perf_counter()
            wait = max(0.0, self._not_before - now)
            if self._interval:
                self._not_before = max(self._not_before, now) + self._interval
            if wait:
                await asyncio.sleep(wait)
            yield
        finally:
            self._leave()

    def _leave(self) -> None:
        self._running -= 1
        self._call()

    def _call(self) -> None:
        while self._waiting and self._running < self._limit:
            called = heappop(self._waiting)[2]
            if not called.done():
                self._running += 1
                called.set_result(None)

    def tighten(self, concurrency: int, requests_per_minute: float | None) -> None:
        """Keep these limits as well: of two runs at one host the more careful one decides for both."""
        self._limit = min(self._limit, concurrency)
        self._interval = max(self._interval, _interval(requests_per_minute))

    def slow_down(self, seconds: float) -> None:
        """The host asked for a pause of so many seconds, and gets fewer requests at once from now on."""
        self._limit = max(1, self._limit // 2)
        self.wait_until(seconds)

    def wait_until(self, seconds: float) -> None:
        """Start no request for so many seconds."""
        self._not_before = max(self._not_before, perf_counter() + seconds)


class Pacers:
    """The pacers of one process, one for each origin: what a host bears, it bears of all runs together."""

    def __init__(self) -> None:
        self._pacers: dict[Origin, Pacer] = {}

    def at(self, origin: Origin, concurrency: int, requests_per_minute: float | None = None) -> Pacer:
        """The pacer of an origin, with these limits or tighter ones."""
        known = self._pacers.get(origin)
        if known is None:
            known = self._pacers[origin] = Pacer(concurrency, requests_per_minute)
        else:
            known.tighten(concurrency, requests_per_minute)
        return known


def _interval(requests_per_minute: float | None) -> float:
    return 60.0 / requests_per_minute if requests_per_minute else 0.0
