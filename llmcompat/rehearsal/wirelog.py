"""What was seen of the application on the wire, request by request, and how its command ended."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Door = Literal["main", "fallback"]
"""Where a request arrived: at the base URL, or at the one for when that is out of order."""

MAX_KEPT = 64 * 1024
"""Bytes of a body that are kept, of a request and of an answer."""

MAX_REQUESTS = 1000
"""Requests of one scenario that are kept."""


@dataclass
class Seen:
    """One request and what it was answered; times are seconds since the scenario began."""

    number: int
    door: Door
    at: float
    """When the request had arrived whole."""
    started_at: str
    """UTC, ISO 8601."""
    method: str
    path: str
    url: str
    request_headers: tuple[tuple[str, str], ...]
    request_body: bytes
    identity: str
    """The same for all tries of one request: a digest of method, path and body."""
    streamed: bool = False
    chat: bool = False
    asks_json: bool = False
    calls_tools: bool = False
    """The good answer to it calls tools."""
    faulted: bool = False
    """It got what the scenario has in the place of the good answer."""
    spoilt: bool = False
    """What it got is whole and not what was asked for."""
    asked_wait: float | None = None
    """Seconds that the answer asked to wait."""
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    arrivals: tuple[tuple[int, float], ...] = ()
    headers_at: float | None = None
    ended_at: float | None = None
    """When the last byte was written or the connection ended; None while it is under way."""
    complete: bool = False
    """The answer was written whole, and the application had not gone away before."""
    tail_is_end: bool = False
    """What was written of a stream holds all of its content."""
    left: bool = False
    """The application closed the connection before the answer was whole."""
    error: str | None = None
    """What was done to the connection, in words."""

    @property
    def answered_well(self) -> bool:
        """Whether the application got a whole answer with status 200 that it can work with."""
        return self.complete and self.status == 200 and not self.spoilt


def identity_of(method: str, path: str, body: bytes) -> str:
    """What all tries of one request share."""
    return hashlib.sha256(f"{method} {path}\n".encode() + body).hexdigest()[:16]


@dataclass(frozen=True)
class Ending:
    """How a command ended."""

    kind: Literal["exit", "signal", "time", "stopped"]
    """By itself, by a signal, by us at the time limit, or by us since it tried again and again."""
    status: int | None
    """The exit status, or the number of the signal."""
    seconds: float
    out: str = ""
    """What it wrote to standard output, at most MAX_OUTPUT characters."""
    errors: str = ""
    """The last of what it wrote to standard error."""
    out_is_whole: bool = True

    @property
    def words(self) -> str:
        """How it ended, in words."""
        return {
            "exit": f"exit status {self.status}",
            "signal": f"ended by signal {self.status}",
            "time": f"still running after {self.seconds:.1f} s and ended by us",
            "stopped": f"still trying after {self.seconds:.1f} s and ended by us",
        }[self.kind]


@dataclass(frozen=True)
class Observed:
    """What was seen of one run of the command."""

    ending: Ending
    seen: Sequence[Seen] = ()
    alerts: tuple[float, ...] = ()
    """When requests came to the address for alerts, in seconds since the scenario began."""
    dropped: int = 0
    """Requests beyond MAX_REQUESTS."""
    died: str | None = None
    """How the application itself ended, where it should have gone on (`--ready`)."""

    def tries(self, identity: str, door: Door = "main") -> list[Seen]:
        """All tries of one request in order."""
        return [each for each in self.seen if each.identity == identity and each.door == door]


@dataclass
class WireLog:
    """The requests of one scenario as they come."""

    seen: list[Seen] = field(default_factory=list)
    alerts: list[float] = field(default_factory=list)
    dropped: int = 0

    def add(self, seen: Seen) -> None:
        """Keep a request, or count it where too many are kept."""
        if len(self.seen) < MAX_REQUESTS:
            self.seen.append(seen)
        else:
            self.dropped += 1
