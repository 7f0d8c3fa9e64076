"""Turning rich renderables into text, and untrusted text into renderables that are never read as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import StringIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from llmcompat.reports.escape import terminal

WIDTH = 80
"""Columns where the caller does not know the terminal's."""


def say(text: str, style: str = "") -> Text:
    """Untrusted text, escaped; a word longer than the line is folded and never cut."""
    return Text(terminal(text), style=style, overflow="fold")


def heading(text: str) -> Text:
    """A line that begins a part of a report."""
    return Text(f"\n{terminal(text)}", style="bold", overflow="fold")


def pairs(rows: Iterable[tuple[str, RenderableType]], *, indent: int = 2) -> Table:
    """Labels and what they say, side by side."""
    grid = Table.grid(padding=(0, 2, 0, 0), pad_edge=True)
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold", ratio=1)
    for label, value in rows:
        # a label as a plain string would be read as markup by a console that knows it
        grid.add_row(say(" " * indent + label), value)
    return grid


class Phrases:
    """Phrases in one line; where they are too wide for it, it is broken between two of them, within none."""

    def __init__(self, phrases: Sequence[str | Text], between: str, *, indent: int = 0) -> None:
        self._phrases = [Text(each) if isinstance(each, str) else each for each in phrases]
        self._between = between
        self._indent = indent

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Fill lines with as many phrases as they hold; a phrase wider than a line is folded."""
        line = Text(overflow="fold")
        for number, phrase in enumerate(self._phrases):
            last = number == len(self._phrases) - 1
            piece = phrase if last else phrase + Text(self._between)
            if line and line.cell_len + cell_len(piece.plain.rstrip()) > options.max_width:
                line.rstrip()
                yield line
                line = Text(" " * self._indent, overflow="fold")
            line.append_text(piece)
        yield line

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """As narrow as the widest phrase, as wide as all of them."""
        gap = cell_len(self._between.rstrip())
        widths = [phrase.cell_len for phrase in self._phrases]
        whole = sum(widths) + cell_len(self._between) * max(0, len(widths) - 1)
        return Measurement(max(widths, default=0) + gap, whole).with_maximum(options.max_width)


class Uncoloured:
    """A renderable without any style."""

    def __init__(self, renderable: RenderableType) -> None:
        self._renderable = renderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Render what is inside and leave its styles out."""
        yield from Segment.strip_styles(console.render(self._renderable, options))


def to_text(renderable: RenderableType, *, width: int | None = None, color: bool = False) -> str:
    """What the renderable looks like on a terminal of so many columns, with no space at the end of a line."""
    console = Console(
        file=StringIO(),
        width=width or WIDTH,
        height=25,
        color_system="standard" if color else None,
        force_terminal=color,
        force_jupyter=False,
        legacy_windows=False,
        markup=False,
        emoji=False,
        highlight=False,
        record=False,
    )
    with console.capture() as captured:
        console.print(renderable)
    return "".join(f"{line.rstrip()}\n" for line in captured.get().strip("\n").split("\n"))
