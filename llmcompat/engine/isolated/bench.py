"""A checklist with a user's checks and probes, each of which stands for the same one in another process.

Loading, judging and talking there are bounded in time. What breaks is one check, one probe or one line on a
folder, and never the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from llmcompat.api import Api, Conversation, Stop, inside
from llmcompat.declare import Blocked, Check, Probe, Unanswered
from llmcompat.engine.broken import Broken, broke
from llmcompat.engine.evidence import Evidence
from llmcompat.engine.hearing import Elsewhere, Heard, Outcome
from llmcompat.engine.isolated import messages
from llmcompat.engine.isolated.messages import pack, without_function
from llmcompat.engine.isolated.process import Died, Process
from llmcompat.engine.loader import Checklist, LoadError, load_checklist
from llmcompat.model import Ask, Exchange, Status
from llmcompat.profiles.schema import Profile
from llmcompat.settings import Settings

_LEAST_HIDDEN = 8
"""Characters from which on a secret is looked for within the value of a variable."""


@dataclass(frozen=True)
class Limits:
    """Seconds that a user's code may take, and in which it must say where it is."""

    step: float = 10.0
    """For a check, and for a probe until it asks for something, goes on or ends."""
    start: float = 60.0
    """For the process to come up."""
    load: float = 30.0
    """For a file to be imported."""
    word: float = 2.0
    """For what hangs to say at which line."""


@contextlib.contextmanager
def isolated_checklist(
    folders: Iterable[Path], *, hide: Collection[str] = (), limits: Limits | None = None
) -> Iterator[Checklist]:
    """Our checks, and those in the folders given, which stay in a process of their own.

    Without a folder no process is started. `hide` are secrets: variables that hold one are not in the
    environment of the process. `limits` are the usual ones where none are given. Raises LoadError as
    `load_checklist` does, and for a file that hangs or ends its process while it is loaded. At the end
    nothing is left running.
    """
    given = list(folders)
    if not given:
        yield load_checklist()
        return
    bench = Bench(given, hide, limits or Limits())
    try:
        yield bench.load()
    finally:
        bench.close()


class Bench:
    """The processes of one command: usually one, and another one where that one is given up."""

    def __init__(self, folders: Sequence[Path], hide: Collection[str], limits: Limits) -> None:
        self.limits = limits
        self._folders = tuple(map(str, folders))
        self._environment = {
            name: value for name, value in os.environ.items() if not _holds_secret(value, hide)
        }
        self._lock = threading.Lock()
        self._current: Process | None = None
        self._processes: list[Process] = []
        self._base = Checklist((), {}, {})
        self._closed = threading.Event()
        self._numbers = itertools.count()
        self._packed: deque[tuple[Sequence[Evidence], Profile, Settings, int, bytes]] = deque(
            maxlen=messages.KEPT_EVIDENCE
        )

    def load(self) -> Checklist:
        """The whole checklist. Raises LoadError."""
        # it starts up while our own files are loaded
        process = self._start()
        own = load_checklist()
        self._base = replace(
            own,
            checks={id: replace(each, function=without_function) for id, each in own.checks.items()},
            probes={name: replace(each, function=without_function) for name, each in own.probes.items()},
        )
        loaded = self._load(process)
        self._current = process
        checks = {
            each.id: own.checks.get(each.id) or replace(each, function=_ForeignCheck(self, each))
            for each in loaded.checks
        }
        probes = {
            each.name: own.probes.get(each.name) or replace(each, function=_ForeignProbe(self, each))
            for each in loaded.probes
        }
        return Checklist(loaded.items, checks, probes)

    def process(self, *, alone: bool = False) -> Process:
        """A process that has loaded the folders; with `alone` one that is used for nothing else.

        It may take as long as loading does. Raises LoadError where the folders cannot be loaded any more.
        """
        if alone:
            process = self._start()
            self._load(process)
            return process
        with self._lock:
            if self._current is None or not self._current.usable:
                self._current = self._start()
                self._load(self._current)
            return self._current

    @property
    def ready(self) -> Process | None:
        """The process that needs no waiting for, where there is one."""
        current = self._current
        return current if current is not None and current.usable else None

    def pack_once(
        self, rounds: Sequence[Evidence], profile: Profile, settings: Settings
    ) -> tuple[int, bytes]:
        """Evidence as it is sent, made once for all checks of a run, and its number."""
        with self._lock:
            for known in self._packed:
                if known[0] is rounds and known[1] is profile and known[2] is settings:
                    return known[3], known[4]
        number, data = next(self._numbers), pack((list(rounds), profile, settings))
        with self._lock:
            self._packed.append((rounds, profile, settings, number, data))
        return number, data

    def close(self) -> None:
        """End all processes, and let whoever waits for one go."""
        self._closed.set()
        for process in list(self._processes):
            process.close()

    def _start(self) -> Process:
        if self._closed.is_set():
            raise LoadError("--checks: the run was ended")
        try:
            process = Process(self._environment)
        except OSError as error:
            raise LoadError(f"--checks: no process can be started for it: {error.strerror}") from None
        self._processes.append(process)
        if self._closed.is_set():
            process.close()
        return process

    def _load(self, process: Process) -> messages.Loaded:
        """Let a process load the folders. Raises LoadError, and then the process is gone."""
        inbox: SimpleQueue[Any] = SimpleQueue()
        job = process.begin(inbox.put)
        process.post(messages.Load(job, self._folders, self._base))
        path: str | None = None
        try:
            while True:
                try:
                    message = inbox.get(timeout=self.limits.load if path else self.limits.start)
                except Empty:
                    if path is None:
                        raise LoadError(
                            f"--checks: no process came up for it within {self.limits.start:g} s"
                        ) from None
                    where = _line(process, job, inbox, self.limits.word) or path
                    raise LoadError(
                        f"{where}: did not end within {self.limits.load:g} s while the file was loaded; "
                        "move what takes long into a probe"
                    ) from None
                match message:
                    case messages.Loading():
                        path = message.path
                    case messages.Loaded():
                        return message
                    case messages.NotLoaded():
                        raise LoadError(message.text)
                    case Died():
                        raise LoadError(
                            f"{path or self._folders[0]}: {message.how} while the file was loaded; "
                            "it must only define checks and probes"
                        )
        except LoadError:
            process.close()
            raise


def _holds_secret(value: str, secrets: Collection[str]) -> bool:
    return any(value == each or (len(each) >= _LEAST_HIDDEN and each in value) for each in secrets if each)


def _line(process: Process, job: int, inbox: SimpleQueue[Any], seconds: float) -> str | None:
    """File and line at which loading hangs, or None where the process cannot say."""
    process.post(messages.Where(job))
    with contextlib.suppress(Empty):
        while not isinstance(message := inbox.get(timeout=seconds), Died):
            if isinstance(message, messages.At):
                return f"{message.line[0]}:{message.line[1]}" if message.line else None
    return None


class _DiedWith(Exception):
    """The process ended, and this job is perhaps not to blame."""

    def __init__(self, reason: str, *, sure: bool) -> None:
        super().__init__(reason)
        self.sure = sure


def _late(each: Check | Probe, seconds: float, line: tuple[str, int] | None) -> str:
    what = f"it did not {'end' if isinstance(each, Check) else 'go on'} within {seconds:g} s"
    return broke(each, what, line[1] if line else None, line[0] if line else None)


class _ForeignCheck(Elsewhere):
    """Stands for the function of a user's check."""

    def __init__(self, bench: Bench, check: Check) -> None:
        self._bench = bench
        self._check = check

    def give_up(self) -> None:
        self._bench.close()

    def hear(self, rounds: Sequence[Evidence], profile: Profile, settings: Settings) -> Heard:
        """What the check says; whatever it does instead of ending is an error of its own.

        Where its process died with others in it, it is judged once more, alone.
        """
        number, evidence = self._bench.pack_once(rounds, profile, settings)
        for alone in (False, True):
            try:
                process = self._bench.process(alone=alone)
            except LoadError as error:
                return _error(broke(self._check, f"its process could not be started again: {error}"))
            try:
                return self._judged(process, number, evidence)
            except _DiedWith as died:
                reason = str(died)
                if died.sure:
                    break
            finally:
                if alone:
                    process.close()
        return _error(reason)

    def _judged(self, process: Process, number: int, evidence: bytes) -> Heard:
        limits, check = self._bench.limits, self._check
        inbox: SimpleQueue[Any] = SimpleQueue()
        job = process.begin(inbox.put)
        process.judge(messages.Judge(job, check.id, number), evidence)
        late = False
        try:
            message = inbox.get(timeout=limits.step)
        except Empty:
            late = True
            process.post(messages.Where(job))
            try:
                message = inbox.get(timeout=limits.word)
            except Empty:
                # not even its other threads go on, so that none of its jobs does
                process.kill()
                message = inbox.get()
        match message:
            case messages.Judged():
                return message.heard
            case messages.At():
                process.leave(job, hangs=True)
                return _error(_late(check, limits.step, message.line))
        raise _DiedWith(
            _late(check, limits.step, None) if late else broke(check, message.how), sure=message.sure
        )


def _error(reason: str) -> Heard:
    return Heard((Outcome(Status.ERROR, reason=reason),))


class _ForeignProbe:
    """Stands for the function of a user's probe."""

    def __init__(self, bench: Bench, probe: Probe) -> None:
        self._bench = bench
        self._probe = probe

    async def __call__(self, api: Api, *needs: object) -> None:
        """Run the probe where it is, and send here what it asks for. Raises what a probe raises, and Broken.

        Where its process died with others in it, it is run once more, alone: what was sent already is not
        sent again.
        """
        conversation, round = inside(api)
        for alone in (False, True):
            try:
                process = self._bench.ready
                if alone or process is None:
                    process = await asyncio.to_thread(self._bench.process, alone=alone)
            except LoadError as error:
                what = f"its process could not be started again: {error}"
                raise Broken(broke(self._probe, what)) from None
            asked: list[Ask] = []
            try:
                return await _Talk(self._bench.limits, self._probe, process, conversation, asked).run(
                    round, needs
                )
            except _DiedWith as died:
                if died.sure or alone:
                    raise Broken(str(died)) from None
                again = {id(ask) for ask in asked}
                conversation.asks[:] = [ask for ask in conversation.asks if id(ask) not in again]
            finally:
                if alone:
                    process.kill()


class _Talk:
    """One probe under way in another process."""

    def __init__(
        self, limits: Limits, probe: Probe, process: Process, conversation: Conversation, asked: list[Ask]
    ) -> None:
        self._limits = limits
        self._probe = probe
        self._process = process
        self._conversation = conversation
        self._asked = asked
        self._inbox: asyncio.Queue[Any] = asyncio.Queue()
        self._sending: dict[asyncio.Task[list[Exchange]], int] = {}
        self._job = 0

    async def run(self, round: int, needs: tuple[object, ...]) -> None:
        """Run it to its end. Raises what ended it."""
        loop, conversation = asyncio.get_running_loop(), self._conversation

        def deliver(message: object) -> None:
            with contextlib.suppress(RuntimeError):  # the run is over
                loop.call_soon_threadsafe(self._inbox.put_nowait, message)

        job = self._job = self._process.begin(deliver)
        self._process.post(
            messages.Talk(
                job,
                self._probe.name,
                conversation.settings,
                conversation.profile,
                conversation.basics,
                conversation.seed,
                round,
                needs,
            )
        )
        try:
            while not self._ended(await self._next()):
                pass
        finally:
            for task in self._sending:
                task.cancel()
            self._process.post(messages.Cancel(job))
            self._process.leave(job)

    async def _next(self) -> Any:
        """What happens next. Time counts only while the probe waits for nothing of ours. Raises Broken."""
        message = await self._within(None if self._sending else self._limits.step)
        if message is not None:
            return message
        self._process.post(messages.Where(self._job))
        message = await self._within(self._limits.word)
        if isinstance(message, messages.At):
            self._process.leave(self._job, hangs=True)
            raise Broken(_late(self._probe, self._limits.step, message.line))
        if message is not None:
            return message
        # not even its other threads go on, so that none of its jobs does
        self._process.kill()
        while not isinstance(message, Died):
            message = await self._inbox.get()
        raise _DiedWith(_late(self._probe, self._limits.step, None), sure=message.sure)

    async def _within(self, seconds: float | None) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await self._inbox.get()
        except TimeoutError:
            # what came while this process itself was busy is not late
            return None if self._inbox.empty() else self._inbox.get_nowait()

    def _ended(self, message: Any) -> bool:
        """Do what a message asks for. Raises what ends the probe otherwise than well."""
        match message:
            case messages.Send():
                sending = asyncio.create_task(
                    self._conversation.send(
                        message.request, probe=self._probe.name, part=message.part, sample=message.sample
                    )
                )
                self._sending[sending] = message.number
                sending.add_done_callback(self._inbox.put_nowait)
            case asyncio.Task():
                self._answer(message)
            case messages.Asked():
                self._asked.append(message.ask)
                self._conversation.add_ask(message.ask)
            case messages.Talked():
                if message.owner is not None:
                    raise Blocked(message.owner)
                if message.ending is not None:
                    raise Unanswered(message.ending)
                if message.broken is not None:
                    raise Broken(message.broken)
                return True
            case Died():
                raise _DiedWith(broke(self._probe, message.how), sure=message.sure)
        return False

    def _answer(self, sent: asyncio.Task[list[Exchange]]) -> None:
        """Pass on what a request brought. Raises what ends the run."""
        number = self._sending.pop(sent)
        try:
            answer = messages.Answer(self._job, number, tuple(sent.result()))
        except Stop:
            raise
        except Exception as error:
            answer = messages.Answer(self._job, number, error=(type(error).__name__, str(error)))
        self._process.post(answer)
