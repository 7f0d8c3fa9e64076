"""`llmcompat judge`: judge a saved run again, with no request."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import CHOICE, OUTPUT, option


def judge(
    run: Annotated[str, typer.Argument(metavar="RUN.json", help="A run that --export wrote.")],
    use_case: Annotated[
        str | None,
        option(
            "--for",
            panel=CHOICE,
            metavar="USE",
            complete=options.complete_use_case,
            help="Another use case to decide by. Default: the run's own.",
        ),
    ] = None,
    client: Annotated[
        list[str] | None,
        option("--client", panel=CHOICE, metavar="NAMES", help="The client libraries to weigh failures by."),
    ] = None,
    strict: Annotated[
        bool | None,
        option("--strict/--no-strict", panel=CHOICE, help="Whether warnings fail. Default: as in the run."),
    ] = None,
    baseline: Annotated[
        str | None,
        option("--baseline", panel=CHOICE, metavar="OLD.json", help="Fail only on what got worse since."),
    ] = None,
    yours: Annotated[
        list[str] | None,
        option(
            "--yours",
            panel=CHOICE,
            metavar="RUN.json",
            help="Add what was found of your own application: what rehearse, billing test-alert or "
            "check --workload exported. Repeatable.",
        ),
    ] = None,
    checks: options.Checks = None,
    format: Annotated[
        str,
        option(
            "--format",
            panel=OUTPUT,
            metavar="FORMAT",
            complete=options.complete_format,
            help="As in check.",
        ),
    ] = "table",
    export: Annotated[
        list[str] | None,
        option("--export", panel=OUTPUT, metavar="PATH", help="As in check. Repeatable."),
    ] = None,
) -> int:
    """Judge a saved run again with the checks of this version; nothing is sent.

    The exit status is what `check` would end with on the same answers.
    """
    import sys
    from dataclasses import replace
    from datetime import UTC, datetime
    from pathlib import Path
    from typing import Any

    from llmcompat.cli import streams
    from llmcompat.cli.export import parse_exports, parse_format, write_exports
    from llmcompat.cli.files import read_run
    from llmcompat.cli.loading import load
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.cli.reference import read_references
    from llmcompat.cli.target import parse_clients, parse_use_case
    from llmcompat.cli.yours import read_yours
    from llmcompat.engine.decide import Exit, worst
    from llmcompat.engine.rejudge import RejudgeError, rejudge
    from llmcompat.engine.selection import SelectionError
    from llmcompat.reports import FORMATS
    from llmcompat.reports.table import table_text

    parse_format(format)
    exports = parse_exports(export or ())
    changes: dict[str, Any] = {}
    if use_case is not None:
        changes["use_case"] = parse_use_case(use_case)
    if client:
        changes["clients"] = parse_clients(client)
    if strict is not None:
        changes["strict"] = strict
    checklist, today = load(map(Path, checks or ())), datetime.now(UTC).date()
    saved = read_run(run)
    if not saved.runs:
        raise Problem(f"{printable(run)}: holds no run; nothing in it can be judged")
    references = (
        read_references(baseline, "baseline", "--baseline", checklist, today)
        if baseline is not None
        else None
    )
    try:
        judged = replace(
            saved,
            runs=tuple(
                rejudge(
                    checklist,
                    each,
                    today=today,
                    changes=changes,
                    against=references.against(each.target) if references else None,
                )
                for each in saved.runs
            ),
        )
        if yours:
            own = read_yours(yours)
            judged = replace(judged, runs=tuple(own.added_to(each, today) for each in judged.runs))
    except (RejudgeError, SelectionError) as error:
        raise Problem(f"{printable(run)}: {printable(str(error), 400)}") from None
    if format == "table":
        streams.out(table_text(judged, width=streams.width(), color=streams.colored(sys.stdout)))
    else:
        streams.out(FORMATS[format](judged))
    problems = write_exports(exports, judged)
    for problem in problems:
        streams.say(problem)
    return worst([*(each.exit_code for each in judged.runs), *([Exit.NOT_WRITTEN] if problems else [])])
