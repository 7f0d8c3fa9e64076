"""`llmcompat show`: a saved run again, or one of its findings with the exchanges that prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import OUTPUT, TARGET, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmcompat.model import Run, TargetRun

EPILOG = """
**Examples**

`llmcompat show run.json` — the table again, from what `--export run.json` wrote

`llmcompat show run.json tool-choice-own-mode` — one finding: requests as curl, answers, timing

`llmcompat show run.json e7` — one exchange

`llmcompat show run.json --format markdown` — another report of the same run
"""


def show(
    run: Annotated[str, typer.Argument(metavar="RUN.json", help="A run that --export wrote.")],
    id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID", help="A check, or an exchange such as e7.", autocompletion=options.complete_shown
        ),
    ] = None,
    target: Annotated[
        str | None,
        option(
            "--target",
            panel=TARGET,
            metavar="NAME",
            help="Of several targets this one: its provider, role, model or PROVIDER:MODEL.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        option(
            "--format",
            panel=OUTPUT,
            metavar="FORMAT",
            complete=options.complete_format,
            help="The report of a whole run: table, json, markdown or another. Default: table.",
        ),
    ] = None,
    verbose: options.Verbose = 0,
) -> int:
    """Print a saved run, or one finding with its requests as curl commands to try. Sends nothing."""
    import sys
    from dataclasses import replace

    from llmcompat.cli import streams
    from llmcompat.cli.export import parse_format
    from llmcompat.cli.files import read_run
    from llmcompat.cli.problems import Problem
    from llmcompat.reports import FORMATS

    if format is not None:
        parse_format(format)
        if id is not None:
            raise Problem("--format: is for a whole run; leave it or the ID out")
    saved = read_run(run)
    if target is not None:
        saved = replace(saved, runs=(_chosen(saved, target),))
    if id is not None:
        streams.out(_one(saved, id, run, streams.width(), streams.colored(sys.stdout)))
    elif format in (None, "table"):
        streams.out(whole(saved, verbose))
    else:
        streams.out(FORMATS[format](saved))
    return 0


def whole(run: Run, verbose: int) -> str:
    """The table for standard output; with -v all notes, with -vv also the exchanges of what failed."""
    import sys

    from llmcompat.cli import streams
    from llmcompat.reports.table import table_text

    width, color = streams.width(), streams.colored(sys.stdout)
    text = table_text(run, width=width, color=color, verbose=verbose > 0)
    if verbose > 1:
        from llmcompat.reports.finding import findings_text

        text += findings_text(run, width=width, color=color)
    return text


def _one(run: Run, id: str, file: str, width: int, color: bool) -> str:
    """What the run knows of a check or an exchange, of every target that has it."""
    import re

    from llmcompat.cli.problems import Problem, nearest, printable
    from llmcompat.reports.finding import exchange_text, finding_text

    found = [
        finding_text(each, result, width=width, color=color, file=printable(file))
        for each in run.runs
        for result in each.checks
        if result.id == id
    ]
    if not found:
        with_it = [(each, exchange) for each in run.runs for exchange in each.exchanges if exchange.id == id]
        if len(with_it) > 1:
            names = ", ".join(_names([each for each, _ in with_it]))
            raise Problem(f"{id}: {len(with_it)} targets have one; choose with --target: {names}")
        found = [exchange_text(each, exchange, width=width, color=color) for each, exchange in with_it]
    if not found:
        if re.fullmatch(r"e\d+", id):
            last = max((len(each.exchanges) for each in run.runs), default=0)
            raise Problem(f"{id}: the run has no such exchange; it has {last}, from e1")
        known = dict.fromkeys(result.id for each in run.runs for result in each.checks)
        near = nearest(id, known) if len(known) <= 20 else _near(id, known)
        raise Problem(f"{printable(id, 80)}: no check of this run{near and f'; {near}'}")
    return "\n".join(found)


def _near(id: str, known: dict[str, None]) -> str:
    """The nearest ids, or where to see them all: they are too many for a line."""
    import difflib

    found = difflib.get_close_matches(id, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(found)}?" if found else "see the table: llmcompat show RUN.json -v"


def _chosen(run: Run, name: str) -> TargetRun:
    """The target of this name. Raises Problem where none or several have it."""
    from llmcompat.cli.problems import Problem, printable

    found = [
        each
        for each, full in zip(run.runs, _names(run.runs), strict=True)
        if name in (full, each.target.provider, each.target.role, each.target.model)
    ]
    if len(found) == 1:
        return found[0]
    wrong = "no such target" if not found else f"{len(found)} targets have this name"
    names = ", ".join(printable(each, 80) for each in _names(run.runs))
    raise Problem(f"--target {printable(name, 80)}: {wrong}; this run has: {names}")


def _names(runs: Sequence[TargetRun]) -> list[str]:
    return [f"{each.target.provider}:{each.target.model}" for each in runs]
