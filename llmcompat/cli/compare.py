"""`llmcompat compare`: saved runs beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import OUTPUT, option

if TYPE_CHECKING:
    from llmcompat.model import Run

EPILOG = """
**Examples**

`llmcompat compare deepseek.json groq.json together.json`

`llmcompat compare march.json april.json --export compare.md` — one target on two days

**Exit status**

0 the comparison was told, whatever is in it · 2 a file cannot be read or there is nothing to compare ·
4 a report could not be written. Comparing is not checking: `llmcompat judge` ends with what a run came to.
"""


def compare(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN.json…", help="Runs that --export wrote, each with one target or more."),
    ] = None,
    format: Annotated[
        str,
        option(
            "--format",
            panel=OUTPUT,
            metavar="FORMAT",
            complete=options.complete_format,
            help="What is written to standard output, as in check; json is all targets as one run.",
        ),
    ] = "table",
    export: Annotated[
        list[str] | None,
        option("--export", panel=OUTPUT, metavar="PATH", help="As in check. Repeatable."),
    ] = None,
    verbose: options.Verbose = 0,
) -> int:
    """Put the targets of saved runs beside each other: checks, figures, published facts. Sends nothing."""
    from llmcompat.cli import streams
    from llmcompat.cli.export import parse_exports, parse_format, write_exports
    from llmcompat.cli.show import whole
    from llmcompat.engine.decide import Exit
    from llmcompat.reports import FORMATS

    parse_format(format)
    exports = parse_exports(export or ())
    run = _joined(files or [])
    streams.out(whole(run, verbose) if format == "table" else FORMATS[format](run))
    problems = write_exports(exports, run)
    for problem in problems:
        streams.say(problem)
    return int(Exit.NOT_WRITTEN if problems else Exit.COMPATIBLE)


def _joined(files: Sequence[str]) -> Run:
    """All targets of the files as one run, in the order given. Raises Problem."""
    from pathlib import Path

    from llmcompat.cli.files import read_run
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.reports.comparison import join
    from llmcompat.version import __version__

    if not files:
        raise Problem("give two runs or more, such as `llmcompat compare a.json b.json`")
    seen: dict[Path, str] = {}
    for name in files:
        try:
            path = Path(name).resolve()
        except (OSError, RuntimeError, ValueError):  # what is wrong with it is said when it is read
            continue
        if path in seen:
            raise Problem(f"{printable(name)}: is given twice; leave one out")
        seen[path] = name
    runs = []
    for name in files:
        run = read_run(name)
        if not run.runs:
            raise Problem(f"{printable(name)}: holds no target; nothing in it can be compared")
        runs.append(run)
    if sum(len(run.runs) for run in runs) < 2:
        raise Problem(
            f"{printable(files[0])}: holds one target; give another run to hold it against, "
            "or show it with `llmcompat show`"
        )
    return join(runs, tool_version=__version__)
