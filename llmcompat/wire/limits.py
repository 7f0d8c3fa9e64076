"""How long one request may take, and how long a run waits for an endpoint on which nothing moves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CONNECT = 10.0
"""Seconds until a connection stands: that needs no model."""

TOO_LATE = "the time was over"
"""How the error of a request ends that nothing, or not everything, came for in time."""

MOVED = 16 * 1024
"""Bytes of one answer that count as movement: a slow model's stream brings them in half a minute, one that
drips an event a second does not."""
TIMES = 10
"""How much longer than the longest answer so far the next one may take, before it is thought to hang."""
LEAST_PATIENCE = 2.0
HANGING_TOGETHER = 4
"""Requests that hang at the same time after which nothing more is asked; fewer are findings."""
HUNG_BEFORE = 2
"""Times that requests hung before, after which nothing more is asked."""


@dataclass(frozen=True)
class Limits:
    """Seconds that one request may take."""

    connect: float
    """Until the connection stands, TLS included."""
    first_byte: float
    """From then until the answer's status and headers are there."""
    between_bytes: float
    """Without any byte. As long as the request may take: a model that reads a long prompt or thinks is silent
    behind the headers, and that is legal."""
    total: float
    """All in all, redirects included and tries not: each of those is a request."""

    @classmethod
    def of(cls, timeout: float, seconds: float | None = None) -> Limits:
        """The limits for `--timeout`, and for a request that may take fewer `seconds`."""
        total = timeout if seconds is None else min(timeout, seconds)
        return cls(connect=min(CONNECT, total), first_byte=total, between_bytes=total, total=total)


class Patience:
    """Ends requests that hang where nothing else moves any more.

    The limits of one request do not bound a run: an endpoint that lets each one hang would take them whole,
    one round of requests after the other. Where for half of `--timeout` no request ends and none brings more
    than drops, those that are under way are given up; later ones sooner. An endpoint that was slow before is
    waited for longer, up to `--timeout`.
    """

    def __init__(self, timeout: float) -> None:
        """`timeout` is what one request may take, in seconds."""
        self.over: str | None = None
        """Why nothing more is asked, in one line; None while the endpoint is worth asking."""
        self._timeout = timeout
        self._longest = 0.0
        self._hung = 0
        self._moved = 0.0
        self._underway: set[Waiting] = set()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def seconds(self) -> float:
        """How long nothing may move."""
        least = self._timeout / (12 if self._hung else 2)
        return min(self._timeout, max(LEAST_PATIENCE, least, TIMES * self._longest))

    @contextmanager
    def waiting(self, scope: asyncio.Timeout) -> Iterator[Waiting]:
        """While a request is under way within this scope, which is left as timed out when it hangs."""
        loop = asyncio.get_running_loop()
        if not self._underway:
            self._moved = loop.time()
        waiting = Waiting(self, scope)
        self._underway.add(waiting)
        self._arm(loop)
        try:
            yield waiting
        finally:
            self._underway.discard(waiting)
            if not self._underway and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def answered(self, seconds: float) -> None:
        """A request ended by itself after so many seconds."""
        self._longest = max(self._longest, seconds)
        self.moved()

    def hung(self) -> None:
        """A request took the whole time that it may take."""
        self._hung += 1

    def moved(self) -> None:
        """Something came that is more than drops."""
        self._moved = asyncio.get_running_loop().time()

    def _arm(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None:
            self._timer = loop.call_at(self._moved + self.seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        if loop.time() < self._moved + self.seconds:
            self._arm(loop)
            return
        together, waited = len(self._underway), self.seconds
        if together >= HANGING_TOGETHER or self._hung >= HUNG_BEFORE:
            self.over = f"the endpoint answers no longer: {together} requests hung for {waited:g} s"
        self._hung += 1
        for waiting in self._underway:
            waiting.give_up(waited)
        self._moved = loop.time()


class Waiting:
    """One request that is under way."""

    def __init__(self, patience: Patience, scope: asyncio.Timeout) -> None:
        self.given_up: float | None = None
        """Seconds after which it was given up because nothing moved; None where it was not."""
        self._patience = patience
        self._scope = scope
        self._bytes = 0

    def came(self, count: int) -> None:
        """So many more bytes of the answer are there."""
        before = self._bytes // MOVED
        self._bytes += count
        if self._bytes // MOVED > before:
            self._patience.moved()

    def give_up(self, seconds: float) -> None:
        """End it as timed out."""
        self.given_up = seconds
        if not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())
