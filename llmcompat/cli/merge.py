"""`llmcompat merge`: runs from several machines as one."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import OUTPUT, option

EPILOG = """
**Examples**

`llmcompat merge groq.json deepseek.json --export all.json` — targets that were checked on two machines

`llmcompat merge tools.json rest.json --export all.json` — one target, of which each run checked a part:
`check NAME --only tools --export tools.json` here, `check NAME --only 'stream*' --export rest.json` there

**What goes together**

Runs of different targets are put beside each other as they are. Runs of one target are parts of one run: they
may differ in `--only` alone, and are judged again as a whole by the checks of this version. A check that two
of them judged must have ended alike in both.

**Exit status**

The worst of the merged runs, as `check` ends · 2 a file cannot be read, or the runs do not go together ·
4 a report could not be written
"""


def merge(
    files: Annotated[
        list[str],
        typer.Argument(metavar="RUN.json…", help="Runs that --export wrote, each with one target or more."),
    ],
    checks: options.Checks = None,
    format: Annotated[
        str,
        option(
            "--format",
            panel=OUTPUT,
            metavar="FORMAT",
            complete=options.complete_format,
            help="What is written to standard output, as in check.",
        ),
    ] = "table",
    export: Annotated[
        list[str] | None,
        option("--export", panel=OUTPUT, metavar="PATH", help="As in check. Repeatable."),
    ] = None,
    verbose: options.Verbose = 0,
) -> int:
    """Make one run of several: other targets, or parts of the checklist on one target. Sends nothing."""
    from datetime import UTC, datetime
    from pathlib import Path

    from llmcompat.cli import streams
    from llmcompat.cli.export import parse_exports, parse_format, write_exports
    from llmcompat.cli.files import read_run
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.cli.show import whole
    from llmcompat.engine.decide import Exit, worst
    from llmcompat.engine.loader import load_checklist
    from llmcompat.engine.rejudge import RejudgeError, rejudge
    from llmcompat.engine.selection import SelectionError
    from llmcompat.engine.shards import ShardError, joined, same_target
    from llmcompat.model import Run, TargetRun
    from llmcompat.reports import FORMATS
    from llmcompat.version import __version__

    parse_format(format)
    exports = parse_exports(export or ())
    checklist = load_checklist(map(Path, checks or ()))
    runs = [read_run(name) for name in files]
    parts: dict[tuple[object, ...], list[tuple[str, TargetRun]]] = {}
    for name, run in zip(files, runs, strict=True):
        if not run.runs:
            raise Problem(f"{printable(name)}: holds no target; leave it out")
        for each in run.runs:
            parts.setdefault(same_target(each), []).append((name, each))
    merged: list[TargetRun] = []
    for shards in parts.values():
        first = shards[0][1]
        if len(shards) == 1:
            merged.append(first)
            continue
        try:
            merged.append(
                rejudge(checklist, joined([each for _, each in shards]), today=datetime.now(UTC).date())
            )
        except (ShardError, RejudgeError, SelectionError) as error:
            told = ", ".join(dict.fromkeys(printable(name) for name, _ in shards))
            who = printable(f"{first.target.provider}:{first.target.model}")
            raise Problem(f"{told}: {who}: {printable(str(error), 400)}") from None
    versions = {run.tool_version for run in runs}
    whole_run = Run(
        tool_version=versions.pop() if len(versions) == 1 else __version__,
        started_at=min(run.started_at for run in runs),
        seconds=max(run.seconds for run in runs),
        runs=tuple(merged),
    )
    streams.out(whole(whole_run, verbose) if format == "table" else FORMATS[format](whole_run))
    problems = write_exports(exports, whole_run)
    for problem in problems:
        streams.say(problem)
    return worst([*(each.exit_code for each in merged), *([Exit.NOT_WRITTEN] if problems else [])])
