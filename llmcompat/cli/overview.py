"""`llmcompat --help`, which looks like the help of a command and loads no reader of Markdown for it."""

from __future__ import annotations

import inspect
import re
import shutil
import sys
from io import StringIO
from typing import Any

import typer.core

from llmcompat.cli.streams import colored

_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")


def _marked(text: str) -> str:
    """What we write of Markdown, as Rich's own markup."""
    text = inspect.cleandoc(text).replace("[", r"\[")
    return _STRONG.sub(r"[bold]\1[/bold]", _CODE.sub(r"[bold cyan]\1[/bold cyan]", text))


class Overview(typer.core.TyperGroup):
    """The program's commands, of which only names and first lines need to be there."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write usage, options, and the commands in panels."""
        from rich.console import Console
        from rich.padding import Padding
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        options = Table(box=None, show_header=False, expand=True)
        options.add_column(style="bold cyan", no_wrap=True)
        options.add_column(ratio=1)
        for parameter in self.get_params(ctx):
            shown = parameter.get_help_record(ctx)
            if shown is not None:
                options.add_row(*map(Text, shown))
        panels = {"Options": options}
        commands = [
            (name, command) for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))
        ]
        widest = max(len(name) for name, _ in commands)
        for name, command in commands:
            title = getattr(command, "rich_help_panel", None) or "Commands"
            if title not in panels:
                panels[title] = Table(box=None, show_header=False, expand=True)
                panels[title].add_column(style="bold cyan", no_wrap=True, width=widest)
                panels[title].add_column(ratio=1)
            panels[title].add_row(name, Text.from_markup(_marked(command.help or "")))
        text = StringIO()
        console = Console(
            file=text,
            force_terminal=colored(sys.stdout),
            width=shutil.get_terminal_size((80, 24)).columns,
            highlight=False,
        )
        console.print(Padding(Text(self.get_usage(ctx), style="bold"), 1))
        console.print(Padding(Text.from_markup(_marked(self.help or "")), (0, 1, 1, 1)))
        for title, table in panels.items():
            console.print(Panel(table, title=title, title_align="left", border_style="dim"))
        console.print(Padding(Text.from_markup(_marked(self.epilog or "")), 1))
        formatter.write("\n".join(line.rstrip() for line in text.getvalue().splitlines()))
