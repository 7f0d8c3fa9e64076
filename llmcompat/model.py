"""The plain data of a run: what was sent and answered, what a check found, and what a run came to.

Everything here is frozen and knows nothing of HTTP, files or terminals. A run written as JSON holds these
objects field by field, so that a saved run can be judged and told again without a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

RUN_SCHEMA = "llmcompat.run/1"
"""The name of the JSON run's schema: fields are added freely, changed or removed only with a new number."""


class Status(StrEnum):
    """How a check ended. `error` is never a verdict on the endpoint, `manual` waits for a person."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    ERROR = "error"
    MANUAL = "manual"


class Level(StrEnum):
    """How much a failure weighs: a `must` breaks a client or gives a wrong result, a `should` warns."""

    MUST = "must"
    SHOULD = "should"


class UseCase(StrEnum):
    """The three decisions that the checklist serves."""

    CHAT = "chat"
    AGENT = "agent"
    TRIAL = "trial"


class Verdict(StrEnum):
    """What a run says of an endpoint for one use case."""

    COMPATIBLE = "compatible"
    WITH_LIMITATIONS = "compatible-with-limitations"
    INCOMPATIBLE = "incompatible"
    NO_ANSWER = "no-answer"


Kind = Literal["wire", "behaviour", "manual"]
"""Wire: the endpoint's software decides. Behaviour: the model has a say. Manual: a person decides."""

Ended = Literal["complete", "cut", "bounded", "none"]
"""How an answer's body ended: whole, cut by the other side, cut by our own bound, or there was no answer."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP request and its answer, as they were on the wire, with keys redacted.

    Times are seconds since the request was sent. `body` holds the answer's bytes after content decoding;
    `arrivals` says when they came, as (offset of the end of a read, seconds), so that a stream's events and
    their arrival times are derived whenever they are judged, from the bytes themselves.
    """

    id: str
    probe: str
    part: str | None
    attempt: int
    """Which try of the same request this is, counted from 1, as a client's retries count."""
    method: str
    url: str
    request_headers: tuple[tuple[str, str], ...]
    request_body: str | None
    started_at: str
    """UTC, ISO 8601."""
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    arrivals: tuple[tuple[int, float], ...] = ()
    headers_seconds: float | None = None
    seconds: float = 0.0
    ended: Ended = "none"
    error: str | None = None
    """What went wrong below HTTP ("connection refused", "no byte for 60 s"), or None."""
    identity: str = ""
    """The same for all tries of one request: a digest of what was sent and of the sample that it is."""

    def header(self, name: str) -> str | None:
        """The first value of an answer's header, whatever the case of its name."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Ask:
    """One time that a probe asked for something: the exchanges (all tries) that answered it.

    `number` counts the times that the same thing was asked because the model did not obey; `round` counts
    whole repetitions of the probe (`--repeat`). The same request asked by two probes is sent once: both asks
    name the same exchanges.
    """

    probe: str
    part: str | None
    number: int
    round: int
    exchanges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unasked:
    """Why a probe asked nothing: what it builds on is missing (`owner` says so), or the run ended before."""

    reason: str
    owner: str | None = None
    cut: bool = False
    """It broke, or was under way when the run ended, so that what it brought is not whole."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that a check measured, for the report only; `unit` is written as it is shown ("s")."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True)
class ClientOutcome:
    """What a client of a named version did with this deviation when it was measured."""

    client: str
    version: str
    outcome: Literal["ok", "differs", "raises"]


@dataclass(frozen=True, slots=True)
class Known:
    """That the profile documents a deviation: its source, and the day that the source speaks of."""

    source: str
    as_of: str
    summary: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A deviation that the user lives with: a check, one case of it (any where None), why, and until when."""

    check: str
    case: str | None
    reason: str
    until: str | None = None
    """The last day on which it counts, ISO 8601; None for one without an end."""


@dataclass(frozen=True, slots=True)
class Signature:
    """That a person decided a manual line, on the facts whose hash it carries (`facts_hash`)."""

    check: str
    by: str
    on: str
    """The day of signing, ISO 8601."""
    facts: str
    """The hash of target and facts that were signed."""
    note: str = ""
    expires: str | None = None
    """The last day on which it counts, ISO 8601."""


@dataclass(frozen=True, slots=True)
class Before:
    """How the same check ended in the run that this one is held against."""

    status: Status
    level: Level
    case: str | None = None
    seen: str | None = None
    attempts: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended on one endpoint."""

    id: str
    item: str
    title: str
    kind: Kind
    status: Status
    level: Level
    """The level for the deciding use case."""
    levels: Mapping[str, Level]
    why: str
    fix: str
    case: str | None = None
    sent: str | None = None
    """The request that shows it, shortened to what tells it from others."""
    expected: str | None = None
    seen: str | None = None
    reason: str | None = None
    """Why it was skipped, or why there is no answer."""
    asked: bool = True
    """False where the use case did not need it, so that a use case that does has no answer."""
    blocked_by: str | None = None
    known: Known | None = None
    sources: tuple[str, ...] = ()
    """Where this deviation was met before, at whichever endpoint."""
    accepted: str | None = None
    """The user's reason for accepting this deviation, or None; also where it waits for an accepted one."""
    facts_hash: str | None = None
    """What a signature of this manual line is bound to: the hash of target and facts."""
    signature: Signature | None = None
    """Who decided a manual line; None where nobody did, or the signature has lapsed."""
    before: Before | None = None
    """How it ended in the run that this one is held against; None where it was not judged there."""
    breaks: tuple[ClientOutcome, ...] = ()
    attempts: tuple[int, int] | None = None
    """(k, n): how many of the judged attempts held."""
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was measured or read beside the outcome, by name: {"value": …, "unit": …} or text."""
    exchanges: tuple[str, ...] = ()
    seconds: float = 0.0
    side: Literal["endpoint", "yours"] = "endpoint"
    """Whom it is about: the endpoint, or the user's own application."""


@dataclass(frozen=True, slots=True)
class Spend:
    """What a run cost. `usd` is None where no price is known: unknown is not zero."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = None
    held_back: int = 0
    """How often the endpoint asked to wait (429, 503) and the run did."""


@dataclass(frozen=True, slots=True)
class Target:
    """What was checked: the mode is what the application would send beside its messages."""

    provider: str
    base_url: str
    model: str
    mode: Mapping[str, Any] = field(default_factory=dict)
    role: str | None = None
    """The name that the project file gives it ("chat", "embeddings"), or None."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the project file names a target."""

    path: str
    """Relative to the folder of the project file, with forward slashes."""
    line: int


@dataclass(frozen=True, slots=True)
class Reference:
    """The run that another is held against: of the endpoint that one leaves, or of the same one before."""

    kind: Literal["source", "baseline"]
    target: Target
    started_at: str
    tool_version: str


@dataclass(frozen=True, slots=True)
class TargetRun:
    """The run of the checklist on one target."""

    target: Target
    use_case: UseCase
    exit_code: int
    verdicts: Mapping[str, Verdict]
    open: tuple[str, ...]
    settings: Mapping[str, Any]
    basics: Mapping[str, Any]
    profile: Mapping[str, Any]
    seed: str
    started_at: str
    seconds: float
    spend: Spend
    checks: tuple[Result, ...]
    exchanges: tuple[Exchange, ...] = ()
    asks: tuple[Ask, ...] = ()
    unasked: Mapping[str, Unasked] = field(default_factory=dict)
    """Probes that asked nothing, by name."""
    items: tuple[tuple[str, str, str], ...] = ()
    """The checklist's items in order: (name, title, sentence)."""
    stopped: str | None = None
    """Why the run ended early (deadline, money, refused key …), in one line; None when it ran to its end."""
    simulated: bool = False
    """The target was a simulation of documented behaviour: nothing in it was measured at the provider."""
    stale: tuple[Acceptance, ...] = ()
    """What the user accepted and no longer occurs."""
    lapsed: tuple[str, ...] = ()
    """Signatures and acceptances that no longer count, each with the reason, in one line."""
    reference: Reference | None = None
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one call of the tool found: one or more targets."""

    tool_version: str
    started_at: str
    seconds: float
    runs: tuple[TargetRun, ...]
