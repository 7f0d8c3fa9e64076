"""What is said while a run goes on: a live display on a terminal, a plain line a finished item elsewhere."""

from __future__ import annotations

import sys
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from llmcompat.cli import streams
from llmcompat.engine.runner import Asked, Event, Planned

if TYPE_CHECKING:
    from rich.console import RenderableType

_MOST_NAMED = 4
"""Items under way that are named."""


class Progress(Protocol):
    """Shows the events of runs, each told apart by the label of its target."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, label: str, event: Event) -> None:
        """Take notice of an event."""

    def replayed(self, label: str, done: int, of: int) -> None:
        """Take notice that so many of the application's own requests have been answered."""


def progress(*, quiet: bool, verbose: bool) -> Progress:
    """The way to show progress that suits standard error."""
    if quiet:
        return Silent()
    if verbose or not streams.animated(sys.stderr):
        return Lines(verbose=verbose)
    return Live()


class Way:
    """How far one target has come: an item is finished when every probe that is asked for it has ended."""

    def __init__(self, planned: Planned) -> None:
        self._left = {title: set(probes) for title, probes in planned.items.items()}
        self._of = {title: len(probes) for title, probes in planned.items.items()}
        self.requests = 0
        self.free = sum(not probes for probes in planned.items.values())
        """Items that ask nothing of their own: their checks look at the profile, or at all exchanges."""

    @property
    def items(self) -> int:
        """How many items there are."""
        return len(self._of)

    @property
    def finished(self) -> int:
        """How many items are finished."""
        return sum(not left for left in self._left.values())

    @property
    def under_way(self) -> list[str]:
        """The items of which something has ended and something has not, those first that are nearest done."""
        begun = [title for title, left in self._left.items() if 0 < len(left) < self._of[title]]
        return sorted(begun, key=lambda title: len(self._left[title]))

    def take(self, event: Asked) -> list[str]:
        """Count a probe that has ended; the titles of the items that it finishes."""
        self.requests = event.requests
        if event.again:
            return []
        done = []
        for title, left in self._left.items():
            if event.probe in left:
                left.remove(event.probe)
                if not left:
                    done.append(title)
        return done


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

    def replayed(self, label: str, done: int, of: int) -> None:
        """Pass over it."""


class Lines(Silent):
    """A line at the beginning, one for every finished item, and one at the end; more where it is verbose."""

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self._ways: dict[str, Way] = {}

    def show(self, label: str, event: Event) -> None:
        """Write a line where something is finished."""
        if isinstance(event, Planned):
            way = self._ways[label] = Way(event)
            free = f", {way.free} without requests of their own" if way.free else ""
            numbers = f"{_many(event.checks, 'check')} of {_many(way.items, 'item')}{free}"
            streams.say(f"{label}: {numbers}; {_many(event.probes, 'probe')} to ask")
        elif isinstance(event, Asked):
            way = self._ways[label]
            finished = way.take(event)
            if self._verbose:
                again = ", to be asked again" if event.again else ""
                streams.say(f"{label}: {event.done} of {event.of} probes ({event.probe}{again})")
            before = way.finished - len(finished)
            for number, title in enumerate(finished, 1):
                requests = _many(way.requests, "request")
                streams.say(f"{label}: {title} asked, {before + number} of {way.items} items, {requests}")
        elif label in self._ways:
            way = self._ways[label]
            if way.finished < way.items:
                streams.say(f"{label}: ended with {way.finished} of {way.items} items asked")

    def replayed(self, label: str, done: int, of: int) -> None:
        """Write a line for each tenth of the requests."""
        if done == of or done * 10 // of > (done - 1) * 10 // of:
            streams.say(f"{label}: {done} of {_many(of, 'request')} of yours answered")


class Live:
    """Two lines for each target, gone when all have ended: how far it is, and what is under way."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live as Display

        self._ways: dict[str, Way] = {}
        self._began: dict[str, float] = {}
        self._took: dict[str, float] = {}
        self._replayed: dict[str, str] = {}
        console = Console(stderr=True, no_color=not streams.colored(sys.stderr), highlight=False)
        self._console = console
        self._display = Display(
            console=console, transient=True, refresh_per_second=8, get_renderable=self.rendered
        )

    def __enter__(self) -> Live:
        self._display.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.stop()

    def show(self, label: str, event: Event) -> None:
        """Move the target's lines; the display draws them again by itself."""
        if isinstance(event, Planned):
            self._began[label] = monotonic()
            self._ways[label] = Way(event)
        elif isinstance(event, Asked):
            self._ways[label].take(event)
        elif label in self._ways:
            self._took[label] = monotonic() - self._began[label]

    def replayed(self, label: str, done: int, of: int) -> None:
        """Note it for the target's second line."""
        self._replayed[label] = f"{done} of {_many(of, 'request')} of yours answered"

    def rendered(self) -> RenderableType:
        """The lines of all targets as they are now."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        widest = self._console.width
        parts: list[RenderableType] = []
        # the display draws in a thread of its own while targets may still be added
        for label, way in list(self._ways.items()):
            seconds = self._took.get(label, monotonic() - self._began[label])
            row = Table.grid(padding=(0, 2, 0, 0))
            row.add_column(no_wrap=True, overflow="ellipsis", width=min(24, max(map(len, self._ways))))
            for _ in range(4):
                row.add_column(no_wrap=True)
            row.add_row(
                Text(label),
                ProgressBar(total=max(1, way.items), completed=way.finished, width=16),
                Text(f"{way.finished}/{way.items} items"),
                Text(_many(way.requests, "request")),
                Text(f"{int(seconds) // 60}:{int(seconds) % 60:02}"),
            )
            parts.append(row)
            doing = self._replayed.get(label) or _named(way.under_way) or "waiting for the first answer"
            doing = "ended" if label in self._took else doing
            parts.append(Text(f"  {doing}"[:widest], style="dim", no_wrap=True, overflow="ellipsis"))
        return Group(*parts)


def _named(titles: list[str]) -> str:
    more = len(titles) - _MOST_NAMED
    return ", ".join(titles[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _many(number: int, word: str) -> str:
    return f"{number} {word if number == 1 else f'{word}s'}"
