"""A process that holds a user's checks and probes, as the run sees it: jobs, their answers, and its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, BinaryIO, cast

from llmcompat.engine.isolated.messages import (
    KEPT_EVIDENCE,
    Judge,
    Judged,
    Keep,
    Loaded,
    NotLoaded,
    Talked,
    pack,
    read,
    unpack,
    write,
)

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from llmcompat.engine.isolated.worker import main; main()"
)
"""The same modules are found as here, and nothing that lies in the working directory by chance."""

_ENDS = (Loaded, NotLoaded, Judged, Talked)
"""The last message of a job."""

_LAST_SECONDS = 2.0
"""What a process that says no more may take to be gone."""


@dataclass(frozen=True)
class Died:
    """The process ended while a job was under way."""

    how: str
    sure: bool
    """This job was the only one in it, so that nothing else can have ended it."""


Deliver = Callable[[Any], None]
"""Takes the messages of one job, and `Died`; called in a thread of the process's own."""


class Process:
    """One process, which runs each job in a thread of its own.

    It has neither the terminal nor the keys of this one, and ends when this one does.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Raises OSError where no process can be started."""
        # a session of its own: Ctrl-C ends the run, which then judges what is known
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _BOOT, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,
        )
        self._kept: deque[int] = deque(maxlen=KEPT_EVIDENCE)
        self._outbox: SimpleQueue[bytes | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._jobs: dict[int, Deliver] = {}
        self._strays: set[int] = set()
        """Jobs that nobody waits for and that have not ended."""
        self._last = 0
        self._died = False
        self._retired = False
        self._threads = [
            threading.Thread(target=each, daemon=True, name=f"llmcompat checks {each.__name__}")
            for each in (self._read, self._write)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def usable(self) -> bool:
        """Whether new jobs may be given to it."""
        return not (self._died or self._retired)

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def begin(self, deliver: Deliver) -> int:
        """Open a job, and give its number; `deliver` takes what comes of it."""
        with self._lock:
            self._last += 1
            job = self._last
            if not self._died:
                self._jobs[job] = deliver
                return job
        deliver(Died("it had ended", sure=False))
        return job

    def post(self, message: object) -> None:
        """Say something to the process; where it is gone, its jobs are told so. Raises as `pack` does."""
        self._outbox.put(pack(message))

    def judge(self, judge: Judge, evidence: bytes) -> None:
        """Let it judge, and give it the evidence for that where it does not have it."""
        with self._lock:
            if judge.evidence not in self._kept:
                self._kept.append(judge.evidence)
                self._outbox.put(pack(Keep(judge.evidence, evidence)))
            self._outbox.put(pack(judge))

    def leave(self, job: int, *, hangs: bool = False) -> None:
        """Wait for a job no longer. With `hangs` the process is given up once no other job is in it."""
        with self._lock:
            if self._jobs.pop(job, None) is not None:
                self._strays.add(job)
            self._retired |= hangs
            idle = self._retired and not self._jobs
        if idle:
            self.kill()

    def kill(self) -> None:
        """End it now, with what it started."""
        self._retired = True
        if self._process.poll() is None:
            if sys.platform != "win32":
                with contextlib.suppress(OSError):
                    os.killpg(self._process.pid, signal.SIGKILL)
            with contextlib.suppress(OSError):
                self._process.kill()

    def close(self) -> None:
        """End it and wait until it is gone."""
        self.kill()
        self._process.wait()
        self._outbox.put(None)
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def _read(self) -> None:
        stream = cast("BinaryIO", self._process.stdout)
        try:
            while (data := read(stream)) is not None:
                message = unpack(data)
                with self._lock:
                    deliver = self._jobs.get(message.job)
                    if isinstance(message, _ENDS):
                        self._jobs.pop(message.job, None)
                        self._strays.discard(message.job)
                    idle = self._retired and not self._jobs
                if deliver is not None:
                    deliver(message)
                if idle:
                    self.kill()
        except (OSError, ValueError, AttributeError):
            # what it says cannot be understood
            self.kill()
        with contextlib.suppress(OSError):
            stream.close()
        try:
            code = self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            code = self._process.wait()
        self._end(code)

    def _end(self, code: int) -> None:
        self._outbox.put(None)
        how = f"signal {-code}" if code < 0 else f"exit status {code}"
        with self._lock:
            self._died = True
            jobs, self._jobs = self._jobs, {}
            sure = len(jobs) + len(self._strays) == 1
        for deliver in jobs.values():
            deliver(Died(f"it ended its process ({how})", sure))

    def _write(self) -> None:
        stream = cast("BinaryIO", self._process.stdin)
        # its end is told by the thread that reads
        with contextlib.suppress(OSError):
            while (data := self._outbox.get()) is not None:
                write(stream, data)
        with contextlib.suppress(OSError):
            stream.close()
