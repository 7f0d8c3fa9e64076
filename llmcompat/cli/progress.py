"""What is said while a run goes on: a live line on a terminal, now and then a plain one elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Protocol

from llmcompat.cli import streams
from llmcompat.engine.runner import Asked, Event, Planned

_EVERY = 10
"""Probes between two plain lines."""


class Progress(Protocol):
    """Shows the events of runs, each told apart by the label of its target."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, label: str, event: Event) -> None:
        """Take notice of an event."""


def progress(*, quiet: bool, verbose: bool) -> Progress:
    """The way to show progress that suits standard error."""
    if quiet:
        return Silent()
    if verbose or not streams.animated(sys.stderr):
        return Lines(1 if verbose else _EVERY)
    return Live()


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Silent:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to do."""

    def show(self, label: str, event: Event) -> None:
        """Pass over the event."""


class Lines(Silent):
    """A line at the beginning, and one for every so many probes."""

    def __init__(self, every: int) -> None:
        self._every = every

    def show(self, label: str, event: Event) -> None:
        """Write a line where it is time for one."""
        if isinstance(event, Planned):
            streams.say(f"{label}: {event.probes} probes for {event.checks} checks")
        elif isinstance(event, Asked) and (event.done % self._every == 0 or event.done == event.of):
            name = f" ({event.probe})" if self._every == 1 else ""
            streams.say(f"{label}: {event.done} of {event.of} probes, {event.requests} requests{name}")


class Live:
    """A bar for each target, gone when all have ended."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        plain = TextColumn("{task.description}", markup=False)
        sent = TextColumn("{task.fields[requests]} requests", markup=False)
        console = Console(stderr=True, no_color=not streams.colored(sys.stderr))
        self._bars = Bars(
            plain,
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            sent,
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Live:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, label: str, event: Event) -> None:
        """Move the target's bar."""
        if isinstance(event, Planned):
            self._tasks[label] = self._bars.add_task(label, total=event.probes, requests=0)
        elif isinstance(event, Asked):
            self._bars.update(self._tasks[label], completed=event.done, requests=event.requests)
