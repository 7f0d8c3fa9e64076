"""The process that holds a user's checks and probes: each job runs in a thread, the main one only listens.

So a job that hangs keeps no other from its end, and the run can always ask where it hangs.
"""

from __future__ import annotations

import asyncio
import builtins
import io
import math
import os
import pickle
import signal
import sys
import threading
from collections import OrderedDict
from collections.abc import Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO, cast

from llmcompat.api import Api, Basics, Conversation
from llmcompat.declare import Blocked, Check, Ending
from llmcompat.engine.broken import broke_with, told
from llmcompat.engine.hearing import Heard, Outcome, hear
from llmcompat.engine.isolated import messages
from llmcompat.engine.isolated.messages import KEPT_EVIDENCE, pack, read, without_function, write
from llmcompat.engine.loader import Checklist, LoadError, with_folders
from llmcompat.model import Ask, Exchange, Measure, Status
from llmcompat.profiles.schema import Profile
from llmcompat.settings import Settings
from llmcompat.wire.client import Client, Request

MOST_CHARACTERS = 64 * 1024
"""Of one text that a check says: the run bounds what it shows once more, after it has hidden keys."""
SHOWN_CHARACTERS = 2000
"""Of a text that is longer."""

MOST_REMARKS = 100
"""Notes of one check, and measures."""

PRINTED_CHARACTERS = 500
"""Of what a check prints, as a note."""

_STACK_BYTES = 16 * 1024 * 1024

_printed: ContextVar[_Excerpt | None] = ContextVar("printed", default=None)


def main() -> None:
    """Answer the run on standard input and output until it is gone."""
    inlet, outlet = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # what a user's code, or a library or process of its own, reads and prints must not get between messages
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    sys.stdin = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    sys.stdout, sys.stderr = (_text_of(_Caught()) for _ in range(2))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.stack_size(_STACK_BYTES)
    worker = _Worker(outlet)
    while (data := read(inlet)) is not None:
        worker.take(pickle.loads(data))
    # threads that hang, and a user's own code for the end, must not keep a process that nobody needs
    os._exit(0)


@dataclass
class _Excerpt:
    """The beginning of what one job printed."""

    data: bytearray = field(default_factory=bytearray)
    more: bool = False

    @property
    def text(self) -> str:
        text = " ".join(self.data.decode(errors="replace").split())
        return f"{text[:PRINTED_CHARACTERS]}…" if self.more or len(text) > PRINTED_CHARACTERS else text


class _Caught(io.RawIOBase):
    """What stands for standard output and standard error."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raw = bytes(data)
        excerpt = _printed.get()
        if excerpt is not None:
            room = 4 * PRINTED_CHARACTERS - len(excerpt.data)
            excerpt.data += raw[:room]
            excerpt.more |= len(raw) > room
        return len(raw)


def _text_of(raw: _Caught) -> io.TextIOWrapper:
    return io.TextIOWrapper(cast(BinaryIO, raw), encoding="utf-8", errors="replace", write_through=True)


@dataclass
class _Job:
    """Where a job is."""

    thread: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    task: asyncio.Task[None] | None = None
    waiting: dict[int, asyncio.Future[tuple[Exchange, ...]]] = field(default_factory=dict)


class _Worker:
    """Takes messages and starts jobs."""

    def __init__(self, outlet: BinaryIO) -> None:
        self._outlet = outlet
        self._lock = threading.Lock()
        self._checklist = Checklist((), {}, {})
        self._files: set[str] = set()
        self._jobs: dict[int, _Job] = {}
        self._evidence: OrderedDict[int, bytes] = OrderedDict()

    def say(self, message: object) -> None:
        """Say something to the run. Raises what pickle does for what cannot be written."""
        data = pack(message)
        with self._lock:
            write(self._outlet, data)

    def take(self, message: Any) -> None:
        """Do what the run wants; nothing here takes long."""
        match message:
            case messages.Load():
                self._start(message.job, self._load, message)
            case messages.Keep():
                self._evidence[message.number] = message.evidence
                while len(self._evidence) > KEPT_EVIDENCE:
                    self._evidence.popitem(last=False)
            case messages.Judge():
                self._start(message.job, self._judge, message, self._evidence[message.evidence])
            case messages.Talk():
                self._start(message.job, self._talk, message)
            case messages.Answer():
                self._answer(message)
            case messages.Cancel():
                job = self._jobs.get(message.job)
                if job is not None and job.loop is not None and job.task is not None:
                    self._in_loop(job, job.task.cancel)
            case messages.Where():
                self.say(messages.At(message.job, self._line(message.job)))

    def _start(self, number: int, work: Any, *arguments: Any) -> None:
        job = self._jobs[number] = _Job()

        def run() -> None:
            job.thread = threading.get_ident()
            try:
                work(job, *arguments)
            finally:
                self._jobs.pop(number, None)

        threading.Thread(target=run, daemon=True).start()

    # --- loading

    def _load(self, job: _Job, load: messages.Load) -> None:
        current = ""

        def on_file(path: Path) -> None:
            nonlocal current
            current = str(path)
            self._files.add(str(path.absolute()))
            self.say(messages.Loading(load.job, current))

        try:
            self._checklist = with_folders(load.base, map(Path, load.folders), on_file=on_file)
            checks = (replace(each, function=without_function) for each in self._checklist.checks.values())
            probes = (replace(each, function=without_function) for each in self._checklist.probes.values())
            self.say(messages.Loaded(load.job, self._checklist.items, tuple(checks), tuple(probes)))
        except LoadError as error:
            self.say(messages.NotLoaded(load.job, str(error)))
        except BaseException as error:
            self.say(messages.NotLoaded(load.job, f"{current or 'the folder of checks'}: {told(error)}"))

    # --- judging

    def _judge(self, job: _Job, judge: messages.Judge, evidence: bytes) -> None:
        check = self._checklist.checks[judge.id]
        excerpt = _Excerpt()
        _printed.set(excerpt)
        try:
            rounds, profile, settings = pickle.loads(evidence)
            heard = _plain(hear(check, rounds, profile, settings), excerpt)
        except BaseException as error:
            heard = _broken(check, error)
        self.say(messages.Judged(judge.job, heard))

    # --- talking

    def _talk(self, job: _Job, talk: messages.Talk) -> None:
        _printed.set(None)
        probe = self._checklist.probes[talk.probe]
        conversation = _Away(talk.settings, talk.profile, talk.basics, talk.seed, self, talk.job, job)

        async def work() -> None:
            job.loop, job.task = asyncio.get_running_loop(), asyncio.current_task()
            await cast(
                "Coroutine[Any, Any, object]",
                probe.function(Api(conversation, probe, talk.round), *talk.needs),
            )

        ended = messages.Talked(talk.job)
        try:
            asyncio.run(work())
        except Blocked as end:
            ended = messages.Talked(talk.job, owner=_text(end.owner), ending=_text(end.reason))
        except Ending as end:
            ended = messages.Talked(talk.job, ending=_text(end))
        except BaseException as error:
            ended = messages.Talked(talk.job, broken=broke_with(probe, error))
        self.say(ended)

    def _answer(self, answer: messages.Answer) -> None:
        job = self._jobs.get(answer.job)
        if job is None or answer.number not in job.waiting:
            return
        future = job.waiting.pop(answer.number)

        def settle() -> None:
            if future.done():
                return
            if answer.error is None:
                future.set_result(answer.exchanges)
            else:
                future.set_exception(_raised(*answer.error))

        self._in_loop(job, settle)

    def _in_loop(self, job: _Job, work: Any) -> None:
        try:
            if job.loop is not None:
                job.loop.call_soon_threadsafe(work)
        except RuntimeError:
            pass  # it has ended meanwhile

    # --- where a job is

    def _line(self, number: int) -> tuple[str, int] | None:
        job = self._jobs.get(number)
        if job is None:
            return None
        frame = sys._current_frames().get(job.thread)
        while frame is not None:
            if frame.f_code.co_filename in self._files:
                return frame.f_code.co_filename, frame.f_lineno
            frame = frame.f_back
        return self._awaited(job.task) if job.task is not None else None

    def _awaited(self, task: asyncio.Task[None]) -> tuple[str, int] | None:
        """The innermost line of the user's that is waiting, where the thread itself is in no such line."""
        found = None
        step: Any = task.get_coro()
        while step is not None:
            frame: FrameType | None = getattr(step, "cr_frame", None)
            if frame is not None and frame.f_code.co_filename in self._files:
                found = frame.f_code.co_filename, frame.f_lineno
            step = getattr(step, "cr_await", None)
        return found


class _Away(Conversation):
    """The conversation of a run, as far as a probe of the user's needs it: requests are sent by the run."""

    def __init__(
        self,
        settings: Settings,
        profile: Profile,
        basics: Basics,
        seed: str,
        worker: _Worker,
        number: int,
        job: _Job,
    ) -> None:
        super().__init__(cast("Client", None), settings, profile, seed=seed)
        self.basics = basics
        self._worker = worker
        self._number = number
        self._job = job

    async def send(self, request: Request, *, probe: str, part: str | None, sample: str) -> list[Exchange]:
        """Let the run send it."""
        self.requests += 1
        number = self.requests
        future: asyncio.Future[tuple[Exchange, ...]] = asyncio.get_running_loop().create_future()
        self._job.waiting[number] = future
        self._worker.say(messages.Send(self._number, number, request, part, sample))
        return list(await future)

    def add_ask(self, ask: Ask) -> None:
        """Keep it where the run is."""
        self._worker.say(messages.Asked(self._number, ask))


def _raised(name: str, text: str) -> Exception:
    """What the run met while it sent something, as an exception of the same class where that is simple."""
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and kind.__init__ is Exception.__init__:
        return kind(text)
    return RuntimeError(f"{name}: {text}")


def _broken(check: Check, error: BaseException) -> Heard:
    return Heard((Outcome(Status.ERROR, reason=broke_with(check, error)),))


def _plain(heard: Heard, excerpt: _Excerpt) -> Heard:
    """The same in plain and bounded text and numbers, whatever a user's check put there."""
    notes = [_text(note) for note in heard.notes[:MOST_REMARKS]]
    measures = []
    for each in heard.measures[:MOST_REMARKS]:
        value: object = each.value
        if isinstance(value, (int, float)) and math.isfinite(value):
            measures.append(Measure(_text(each.name), float(value), _text(each.unit)))
        else:
            notes.append(f"measure {_text(each.name)} is no number: {_text(value)}")
    if excerpt.data:
        notes.append(f"it printed: {excerpt.text}")
    return Heard(tuple(map(_plain_outcome, heard.outcomes)), heard.exchanges, tuple(notes), tuple(measures))


def _plain_outcome(outcome: Outcome) -> Outcome:
    texts = {
        name: _text(value) for name, value in vars(outcome).items() if name != "status" and value is not None
    }
    return Outcome(outcome.status, **texts)


def _text(value: object) -> str:
    """A text as a plain string; of anything else what it says of itself. Raises what that raises."""
    text = str(value)
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"
    return text if type(text) is str else "".join(text)
