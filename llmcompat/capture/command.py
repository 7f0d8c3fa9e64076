"""Runs the application's own command with the proxy as its base URL, and passes signals on to it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_GRACE = 5.0
"""Seconds that a command has to end after it was asked to."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """Its exit status; 128 and the signal's number where a signal ended it, as shells count."""
    signal: str | None = None
    """The signal's name, such as SIGSEGV."""
    deadline: bool = False
    """It was ended because its time was over."""


def environment(
    environ: Mapping[str, str], base_url: str, variables: Sequence[str], *, root: str
) -> dict[str, str]:
    """The environment of the command: these variables hold the proxy's base URL.

    `root` is its host, which no HTTP proxy of the environment may come before.
    """
    changed = {**environ, **dict.fromkeys(variables, base_url)}
    if any(name.lower() in ("http_proxy", "all_proxy") and value for name, value in environ.items()):
        for name in ("NO_PROXY", "no_proxy"):
            before = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
            changed[name] = ",".join(part for part in (before, root) if part)
    return changed


def run(command: Sequence[str], environ: Mapping[str, str], deadline: float | None = None) -> Ended:
    """Run a command to its end, for `deadline` seconds at most; it has our standard streams.

    SIGTERM and SIGHUP are passed on, and Ctrl-C unless the terminal has told the command itself. Raises
    OSError or ValueError where it cannot start.
    """
    process = subprocess.Popen(list(command), env=dict(environ))
    over = False
    try:
        with _passed_on(process):
            try:
                process.wait(deadline)
            except subprocess.TimeoutExpired:
                over = True
                _end(process)
    except BaseException:
        _end(process)
        raise
    code = process.returncode
    if code >= 0:
        return Ended(code, deadline=over)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return Ended(128 - code, name, over)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Lead signals to the command instead of to us, who must outlive it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, _: Any) -> None:
        if number == signal.SIGINT and _has_the_terminal():
            return
        with contextlib.suppress(OSError, ValueError):
            process.send_signal(number)

    names = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"]
    if sys.platform == "win32":
        names = ["SIGINT"]  # the console tells every process of it
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _has_the_terminal() -> bool:
    """Whether Ctrl-C was typed at a terminal, which tells all of its foreground group."""
    if sys.platform == "win32":
        return True
    for stream in (0, 1, 2):
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(stream) == os.getpgrp()
    return False
