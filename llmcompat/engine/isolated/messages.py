"""What is said between a run and the process that holds a user's checks, and how it is written.

The two are one program on one machine: pickles go both ways. What comes from the user's side is read with
this package's own classes only, so that an object of the user's own cannot come along by accident.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from llmcompat.api import Basics
from llmcompat.declare import Check, Probe
from llmcompat.engine.hearing import Heard
from llmcompat.engine.loader import Checklist, Item
from llmcompat.model import Ask, Exchange
from llmcompat.profiles.schema import Profile
from llmcompat.reply import Exchanges, Reply
from llmcompat.settings import Settings
from llmcompat.wire.client import Request

MOST_BYTES = 256 * 1024 * 1024
"""Bytes of one message: far above a request or a run's evidence."""

KEPT_EVIDENCE = 4
"""So many bodies of evidence a worker keeps: the last ones it was given."""


# --- from a run to the worker


@dataclass(frozen=True)
class Load:
    """Load the user's folders; `base` is what there is already, without its functions."""

    job: int
    folders: tuple[str, ...]
    base: Checklist


@dataclass(frozen=True)
class Keep:
    """Keep evidence: pickled, so that each check gets it as it came, whatever the one before did to it."""

    number: int
    evidence: bytes


@dataclass(frozen=True)
class Judge:
    """Judge a check on evidence that is kept."""

    job: int
    id: str
    evidence: int


@dataclass(frozen=True)
class Talk:
    """Run a probe."""

    job: int
    probe: str
    settings: Settings
    profile: Profile
    basics: Basics
    seed: str
    round: int
    needs: tuple[Any, ...]


@dataclass(frozen=True)
class Answer:
    """What came of a request; `error` is the class and the text of what sending it raised."""

    job: int
    number: int
    exchanges: tuple[Exchange, ...] = ()
    error: tuple[str, str] | None = None


@dataclass(frozen=True)
class Cancel:
    """Nobody waits for this any more."""

    job: int


@dataclass(frozen=True)
class Where:
    """Say which line it is at."""

    job: int


# --- from the worker to a run


@dataclass(frozen=True)
class Loading:
    """This file is loaded next."""

    job: int
    path: str


@dataclass(frozen=True)
class Loaded:
    """All that is there now, without its functions, in the order in which it is shown."""

    job: int
    items: tuple[Item, ...]
    checks: tuple[Check, ...]
    probes: tuple[Probe, ...]


@dataclass(frozen=True)
class NotLoaded:
    """A folder cannot be used, in one line."""

    job: int
    text: str


@dataclass(frozen=True)
class Judged:
    """What a check said."""

    job: int
    heard: Heard


@dataclass(frozen=True)
class Send:
    """A probe wants this sent."""

    job: int
    number: int
    request: Request
    part: str | None
    sample: str


@dataclass(frozen=True)
class Asked:
    """A probe has what it asked for."""

    job: int
    ask: Ask


@dataclass(frozen=True)
class Talked:
    """A probe has ended: well, or blocked by `owner`, or with an `ending` of its own, or broken."""

    job: int
    owner: str | None = None
    ending: str | None = None
    broken: str | None = None


@dataclass(frozen=True)
class At:
    """The file and line that a job is at, None where it is in no file of the user's."""

    job: int
    line: tuple[str, int] | None


# --- writing and reading


def without_function(*_: object, **__: object) -> Any:
    """What stands for the function of a check or a probe while it is told of. Raises TypeError."""
    raise TypeError("this function is in another process")


def pack(message: object) -> bytes:
    """A message as bytes. Raises what pickle does for objects that cannot be written."""
    buffer = io.BytesIO()
    _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(message)
    return buffer.getvalue()


def unpack(data: bytes) -> Any:
    """A message from bytes, of this package's classes only. Raises ValueError for anything else."""
    try:
        return _Unpickler(io.BytesIO(data)).load()
    except Exception as error:
        raise ValueError(f"no message: {type(error).__name__}") from error


def write(stream: BinaryIO, data: bytes) -> None:
    """Write a message with its length before it. Raises OSError where nobody reads any more."""
    stream.write(len(data).to_bytes(8, "big") + data)
    stream.flush()


def read(stream: BinaryIO) -> bytes | None:
    """The next message; None where the other side is gone. Raises ValueError for one that is too long."""
    head = stream.read(8)
    if len(head) < 8:
        return None
    length = int.from_bytes(head, "big")
    if length > MOST_BYTES:
        raise ValueError("the message is too long")
    data = stream.read(length)
    return data if len(data) == length else None


def _reply(
    exchanges: tuple[Exchange, ...],
    probe: str,
    part: str | None,
    number: int,
    owner: str | None,
    called: str | None,
) -> Reply:
    return Reply(exchanges, probe=probe, part=part, number=number, owner=owner, called=called)


def _reduce_reply(reply: Reply) -> tuple[Callable[..., Reply], tuple[Any, ...], Mapping[str, Any]]:
    # what was read of the body stays here: it is read again, and holds objects that are compared by identity
    made = (reply.exchanges, reply.probe, reply.part, reply.number, reply.owner, reply.called)
    return _reply, made, {"_earlier": reply.attempts[:-1], "grounds": reply.grounds}


def _reduce_exchanges(exchanges: Exchanges) -> tuple[Callable[..., Exchanges], tuple[Iterable[Reply]]]:
    return Exchanges, (exchanges.all,)


class _Pickler(pickle.Pickler):
    dispatch_table = {Reply: _reduce_reply, Exchanges: _reduce_exchanges}  # noqa: RUF012


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if not module.startswith(("llmcompat.", "pydantic", "datetime")) and module != "builtins":
            raise pickle.UnpicklingError(f"{module}.{name} is not ours")
        return super().find_class(module, name)
