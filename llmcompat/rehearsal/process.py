"""The user's commands as processes: in a group of their own, read within bounds, ended for certain."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from llmcompat.rehearsal.wirelog import Ending

MAX_OUTPUT = 256 * 1024
"""Bytes of standard output that are kept, from its beginning, and of standard error, to its end."""

_PATIENCE = 3.0
"""Seconds that a command gets to end itself when it is told to."""

_LEFTOVERS = 1.0
"""Seconds that output may still come after the command has ended, from what it left behind."""


class CannotStart(Exception):
    """A command that cannot start; the text is one line."""


class Command:
    """One started command."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._began = time.monotonic()
        self._out, self._errors = bytearray(), bytearray()
        self._out_is_whole = True
        self._dropped = 0
        self._readers = [
            asyncio.create_task(self._read(process.stdout, self._keep_out)),
            asyncio.create_task(self._read(process.stderr, self._keep_error)),
        ]

    @classmethod
    async def start(cls, command: Sequence[str] | str, environment: Mapping[str, str]) -> Command:
        """Start a command, a text in the system's shell. Raises CannotStart."""
        # one type for all systems: what starts a group of its own is named differently
        options: dict[str, Any] = dict.fromkeys(("stdout", "stderr"), asyncio.subprocess.PIPE)
        options |= {"stdin": asyncio.subprocess.DEVNULL, "env": environment}
        if sys.platform == "win32":
            options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
        else:
            options["start_new_session"] = True
        try:
            if isinstance(command, str):
                return cls(await asyncio.create_subprocess_shell(command, **options))
            # found as a shell does, on Windows with its endings
            program = shutil.which(command[0], path=environment.get("PATH"))
            if program is None:
                raise CannotStart("there is no such program")
            return cls(await asyncio.create_subprocess_exec(program, *command[1:], **options))
        except OSError as error:
            raise CannotStart(error.strerror or "it cannot be executed") from None
        except ValueError as error:
            raise CannotStart(str(error)) from None

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    @property
    def errors_so_far(self) -> int:
        """How many bytes it has written to standard error: what came before is told from what came after."""
        return self._dropped + len(self._errors)

    def errors_since(self, mark: int) -> str:
        """What it wrote to standard error since `errors_so_far` was so much."""
        return self._errors[max(0, mark - self._dropped) :].decode(errors="replace")

    async def wait(self) -> None:
        """Wait until it has ended by itself."""
        await self._process.wait()

    async def end(self) -> None:
        """End it and all that it started: politely, then at once. Harmless where it has ended."""
        await self._end_group()
        if self._readers:
            _, late = await asyncio.wait(self._readers, timeout=_LEFTOVERS)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._readers, return_exceptions=True)

    def ending(self, kept_running: bool = False, stopped: bool = False) -> Ending:
        """How it ended; by us where it was `kept_running` beyond its time or `stopped`."""
        code = self._process.returncode
        by_signal = code is not None and code < 0
        kind: Literal["exit", "signal", "time", "stopped"] = "signal" if by_signal else "exit"
        if stopped or kept_running:
            kind = "stopped" if stopped else "time"
        return Ending(
            kind=kind,
            status=-code if code is not None and by_signal else code,
            seconds=time.monotonic() - self._began,
            out=self._out.decode(errors="replace"),
            errors=self._errors.decode(errors="replace"),
            out_is_whole=self._out_is_whole,
        )

    async def _end_group(self) -> None:
        process = self._process
        if sys.platform == "win32":
            if process.returncode is None:
                killer = await asyncio.create_subprocess_exec(
                    "taskkill",
                    "/F",
                    "/T",
                    "/PID",
                    str(process.pid),
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.DEVNULL,
                )
                await killer.wait()
                await process.wait()
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _PATIENCE)
        # also what it left behind when it ended by itself
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def _read(self, stream: asyncio.StreamReader | None, keep: Callable[[bytes], None]) -> None:
        while stream is not None and (data := await stream.read(64 * 1024)):
            keep(data)

    def _keep_out(self, data: bytes) -> None:
        room = MAX_OUTPUT - len(self._out)
        self._out += data[:room]
        self._out_is_whole &= len(data) <= room

    def _keep_error(self, data: bytes) -> None:
        self._errors += data
        surplus = len(self._errors) - MAX_OUTPUT
        if surplus > 0:
            del self._errors[:surplus]
            self._dropped += surplus
