"""`llmcompat cost`: what a workload costs now and elsewhere, by its own tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import OUTPUT, TARGET, option

if TYPE_CHECKING:
    from pathlib import Path

    from llmcompat.billing.cost import Candidate, Cost
    from llmcompat.cli.target import Options, Plan
    from llmcompat.project import Project

EPILOG = """
**Examples**

`llmcompat cost --workload workload.jsonl --monthly 100000 openai:gpt-4o-mini deepseek groq`

`llmcompat cost --workload batch.jsonl --answers batch_output.jsonl --export cost.html chat other`

The first TARGET is where the workload runs now. Tokens come from the answers' usage; prices from
`prices:` in llmcompat.yaml, from the catalogues that `llmcompat providers refresh` read, from the installed
price data and from the profile, in this order. Unknown stays unknown. Nothing is sent.

**Exit status**

0 a price is known for every target · 2 nothing could be reckoned · 3 some price is unknown ·
4 a report could not be written
"""

MONTHLY = 100_000
"""Requests a month, where nothing is said."""

_FORMATS = ("table", "markdown", "json", "html")
_SUFFIXES = {".txt": "table", ".md": "markdown", ".json": "json", ".html": "html"}


def cost(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET…",
            help="As in check, the present one first. Default: all of the project file.",
            autocompletion=options.complete_target,
        ),
    ] = None,
    workload: Annotated[
        str | None,
        option(
            "--workload",
            panel=TARGET,
            metavar="FILE",
            help="Your application's requests, as `llmcompat capture` or a Batch job has them (JSON Lines).",
        ),
    ] = None,
    answers: Annotated[
        str | None,
        option(
            "--answers",
            panel=TARGET,
            metavar="FILE",
            help="The answers, as Batch output. Default: NAME.answers.jsonl beside the workload, if there.",
        ),
    ] = None,
    monthly: Annotated[
        int, option("--monthly", panel=TARGET, metavar="N", help="Requests a month.")
    ] = MONTHLY,
    base_url: options.BaseUrl = None,
    model: options.Model = None,
    project: options.ProjectFile = None,
    no_project: options.NoProject = False,
    format: Annotated[
        str, option("--format", panel=OUTPUT, metavar="FORMAT", help="table, markdown, json or html.")
    ] = "table",
    export: Annotated[
        list[str] | None,
        option(
            "--export",
            panel=OUTPUT,
            metavar="PATH",
            help="Write a report as well: .txt, .md, .json or .html, or FORMAT:PATH. Repeatable.",
        ),
    ] = None,
) -> int:
    """Reckon what your application's requests cost at each target, for a request and for a month."""
    given = locals()
    import sys
    from pathlib import Path

    from llmcompat.billing.cost import compare
    from llmcompat.cli import streams
    from llmcompat.cli.layers import open_project, targets_of
    from llmcompat.cli.problems import Problem, nearest, printable
    from llmcompat.cli.target import gather
    from llmcompat.cli.tokens import read_sample
    from llmcompat.engine.decide import Exit

    if workload is None:
        raise Problem(
            "--workload: give the file with your application's requests (`llmcompat capture` writes one)"
        )
    if not 0 < monthly <= 10**12:
        raise Problem("--monthly: must be a number of requests above 0")
    if format not in _FORMATS:
        raise Problem(f"--format {printable(format, 40)}: no such format; {nearest(format, _FORMATS)}")
    exports = [_export(each) for each in export or ()]
    found = open_project(project, without=no_project)
    chosen = targets_of(targets or [], found, base_url=base_url, model=model)
    candidates = _candidates(chosen, gather(given), found)
    sample = read_sample(Path(workload), Path(answers) if answers is not None else None)
    reckoned = compare(sample, candidates, monthly)
    writers = _writers(streams.width(), color=streams.colored(sys.stdout))
    streams.out(writers[format](reckoned))
    plain = _writers(None, color=False)
    problems = [line for kind, path in exports if (line := _written(path, plain[kind], reckoned)) is not None]
    for line in problems:
        streams.say(line)
    if problems:
        return int(Exit.NOT_WRITTEN)
    unknown = any(each.price is None for each in reckoned.targets)
    return int(Exit.NO_ANSWER if unknown else Exit.COMPATIBLE)


def _candidates(targets: Sequence[str | None], asked: Options, project: Project | None) -> list[Candidate]:
    """Every target with its price now, and over a week where the hour counts."""
    from datetime import UTC, datetime

    from llmcompat.billing.cost import Candidate, price_by_hour
    from llmcompat.cli.target import plan
    from llmcompat.profiles.schema import origin

    now = datetime.now(UTC)
    plans: list[Plan] = [plan(each, asked, {}, now=now, with_key=False, project=project) for each in targets]
    found = []
    for each in plans:
        settings = each.settings
        price = settings.pricing
        # a price of one's own does not change with the hour, and the profile's holds at its own host
        home = each.profile.base_url
        at_home = home is not None and origin(home) == origin(settings.base_url)
        at_home = at_home and price is not None and not price.own
        hours = price_by_hour(each.profile, settings.model, now) if at_home else None
        model = f"{settings.provider}:{settings.model}"
        name = f"{settings.role} ({model})" if settings.role else model
        found.append(Candidate(name, settings.provider, settings.model, price, hours, settings.monthly_usd))
    return found


def _writers(width: int | None, *, color: bool) -> Mapping[str, Callable[[Cost], str]]:
    from llmcompat.reports.cost import cost_json, cost_markdown, cost_text

    def page(reckoned: Cost) -> str:
        from llmcompat.reports.html_report.cost import cost_html

        return cost_html(reckoned)

    return {
        "table": lambda reckoned: cost_text(reckoned, width=width, color=color),
        "markdown": cost_markdown,
        "json": cost_json,
        "html": page,
    }


def _export(text: str) -> tuple[str, Path]:
    """The format and the path that are asked for. Raises Problem."""
    from pathlib import Path

    from llmcompat.cli.problems import Problem, printable

    name, colon, rest = text.partition(":")
    if colon and name in _FORMATS and rest.strip():
        return name, Path(rest)
    suffix = Path(text).suffix.lower()
    if suffix not in _SUFFIXES:
        endings = ", ".join(_SUFFIXES)
        raise Problem(
            f"--export {printable(text)}: the format is not known by its ending ({endings}); "
            "write FORMAT:PATH"
        )
    return _SUFFIXES[suffix], Path(text)


def _written(path: Path, write: Callable[[Cost], str], reckoned: Cost) -> str | None:
    """Write a report; a line for one that could not be written."""
    from llmcompat.cli.files import reason, write_atomically
    from llmcompat.cli.problems import printable

    try:
        write_atomically(path, write(reckoned))
    except (OSError, ValueError) as error:
        return f"--export {printable(str(path))}: not written: {reason(error)}"
    return None
