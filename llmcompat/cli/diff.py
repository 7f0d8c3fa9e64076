"""`llmcompat diff`: what changed between two saved runs."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import OUTPUT, option

_FORMATS = ("table", "markdown", "json")

EPILOG = """
Both files are judged by today's checks first: what differs is the endpoint and not the tool.

**Exit status**

0 nothing got worse · 1 a must broke or is new · 2 the files cannot be compared ·
3 a must has no answer any more
"""


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD.json", help="The run before.")],
    new: Annotated[str, typer.Argument(metavar="NEW.json", help="The run to hold against it.")],
    format: Annotated[
        str, option("--format", panel=OUTPUT, metavar="FORMAT", help="table, markdown or json.")
    ] = "table",
    checks: options.Checks = None,
) -> int:
    """Say what broke, healed or is new between two runs, and how latency and cost moved. Sends nothing."""
    import sys
    from datetime import UTC, datetime
    from pathlib import Path

    from llmcompat.cli import streams
    from llmcompat.cli.files import read_run
    from llmcompat.cli.loading import load
    from llmcompat.cli.problems import Problem, nearest, printable
    from llmcompat.cli.reference import judged_again, pairs, unpaired
    from llmcompat.engine.decide import exit_code, worst
    from llmcompat.engine.difference import difference
    from llmcompat.engine.reference import hold_against, set_apart
    from llmcompat.model import Reference
    from llmcompat.reports.difference import difference_json, difference_markdown, difference_text

    if format not in _FORMATS:
        raise Problem(f"--format {printable(format, 40)}: no such format here; {nearest(format, _FORMATS)}")
    checklist, today = load(map(Path, checks or ())), datetime.now(UTC).date()
    before = judged_again(read_run(old), old, checklist, today)
    after = judged_again(read_run(new), new, checklist, today)
    found = pairs(before, after)
    if not found:
        raise Problem(
            f"{printable(old)} and {printable(new)}: no target is in both; "
            "export one target each, then they are compared whatever their names"
        )
    differences = [difference(*pair) for pair in found]
    if format == "json":
        streams.out(difference_json(differences))
    elif format == "markdown":
        streams.out(difference_markdown(differences))
    else:
        text = difference_text(differences, width=streams.width(), color=streams.colored(sys.stdout))
        streams.out(text)
    for line in unpaired(before, after, found):
        streams.say(line)
    codes = []
    for was, now in found:
        reference = Reference("baseline", was.target, was.started_at, before.tool_version)
        held = set_apart(hold_against(now.checks, was), reference)
        codes.append(int(exit_code(held, now.use_case)))
    return worst(codes)
