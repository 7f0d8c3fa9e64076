"""`llmcompat check`: run the checklist on one target or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import BOUNDS, CHOICE, OUTPUT, REQUESTS, TARGET, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmcompat.cli.export import Export
    from llmcompat.cli.target import Options, Plan
    from llmcompat.engine.loader import Checklist
    from llmcompat.model import Run

EPILOG = """
**Examples**

`llmcompat check deepseek --simulate` — what is documented of a provider, played by the simulator: no key

`llmcompat check demo` — the built-in endpoint: no key, no network

`llmcompat check deepseek --for chat --dry-run` — what it would cost, before anything is sent

`llmcompat check groq ollama:llama3.1:8b --export run.json --export run.md`

`llmcompat check --base-url https://llm.example.com/v1 --model my-model` — key in LLMCOMPAT_API_KEY

**Exit status**

0 compatible · 1 incompatible · 2 nothing could run (also when the program itself breaks) · 3 no answer ·
4 all is well, but a report could not be written · 130 interrupted.
Of several targets the worst counts; 4 never hides 1, 2 or 3.
"""


def check(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET…",
            help="NAME or NAME:MODEL (`llmcompat providers` lists names), or a profile file. "
            "Several run at the same time.",
            autocompletion=options.complete_target,
        ),
    ] = None,
    base_url: options.BaseUrl = None,
    model: options.Model = None,
    embedding_model: options.EmbeddingModel = None,
    vision_model: options.VisionModel = None,
    context_window: Annotated[
        int | None,
        option(
            "--context-window",
            panel=TARGET,
            metavar="TOKENS",
            help="Tokens that prompt and answer may have together. Default: the profile's.",
        ),
    ] = None,
    balance_floor: Annotated[
        float | None,
        option(
            "--balance-floor",
            panel=TARGET,
            metavar="AMOUNT",
            help="The least that the account should hold, in its own currency.",
        ),
    ] = None,
    api_key_env: Annotated[
        str | None,
        option(
            "--api-key-env",
            panel=REQUESTS,
            metavar="NAME",
            help="The environment variable that holds the key. "
            "Default: the profile's; with another --base-url LLMCOMPAT_API_KEY.",
        ),
    ] = None,
    header: Annotated[
        list[str] | None,
        option(
            "--header",
            panel=REQUESTS,
            metavar="'K: V'",
            help="A header that your application sends. Repeatable.",
        ),
    ] = None,
    body: Annotated[
        list[str] | None,
        option(
            "--body",
            panel=REQUESTS,
            metavar="KEY=VALUE",
            help="A field that your application sends with every chat; the value is JSON where it parses, "
            "else text. Repeatable.",
        ),
    ] = None,
    insecure_http: options.InsecureHttp = False,
    simulate: Annotated[
        bool,
        option(
            "--simulate",
            panel=TARGET,
            help="Ask a simulation of what is documented of the provider: no key, nothing is sent to it.",
        ),
    ] = False,
    use_case: options.UseCaseName = "agent",
    uses: options.Uses = None,
    without: options.Without = None,
    client: Annotated[
        list[str] | None,
        option(
            "--client", panel=CHOICE, metavar="NAMES", help="The client libraries that your application uses."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        option(
            "--only",
            panel=CHOICE,
            metavar="IDS",
            complete=options.complete_id,
            help="Only these checks: ids, items or patterns such as 'stream-*'.",
        ),
    ] = None,
    skip: Annotated[
        list[str] | None,
        option(
            "--skip",
            panel=CHOICE,
            metavar="IDS",
            complete=options.complete_id,
            help="Not these checks: ids, items or patterns.",
        ),
    ] = None,
    quick: Annotated[
        bool, option("--quick", panel=CHOICE, help="At most 15 requests: what ends most migrations.")
    ] = False,
    checks: options.Checks = None,
    strict: Annotated[
        bool, option("--strict", panel=CHOICE, help="Warnings fail too: exit status 1.")
    ] = False,
    repeat: Annotated[
        int, option("--repeat", panel=CHOICE, metavar="N", help="Ask everything N times and report rates.")
    ] = 1,
    concurrency: Annotated[
        int, option("--concurrency", panel=BOUNDS, metavar="N", help="Requests at the same time.")
    ] = 8,
    timeout: Annotated[
        float, option("--timeout", panel=BOUNDS, metavar="SECONDS", help="What one request may take.")
    ] = 60.0,
    deadline: Annotated[
        float, option("--deadline", panel=BOUNDS, metavar="SECONDS", help="What the run may take.")
    ] = 600.0,
    max_usd: Annotated[
        float,
        option(
            "--max-usd",
            panel=BOUNDS,
            metavar="USD",
            help="What the run may cost, for each target; where no price is known, 300,000 tokens.",
        ),
    ] = 0.10,
    max_prompt_tokens: Annotated[
        int,
        option(
            "--max-prompt-tokens", panel=BOUNDS, metavar="TOKENS", help="The longest prompt that is sent."
        ),
    ] = 32_000,
    dry_run: Annotated[
        bool,
        option(
            "--dry-run",
            panel=BOUNDS,
            help="Send nothing; say how many requests and tokens it would be, and what they cost.",
        ),
    ] = False,
    format: Annotated[
        str,
        option(
            "--format",
            panel=OUTPUT,
            metavar="FORMAT",
            complete=options.complete_format,
            help="What is written to standard output: table, json or markdown.",
        ),
    ] = "table",
    export: Annotated[
        list[str] | None,
        option(
            "--export",
            panel=OUTPUT,
            metavar="PATH",
            help="Also write a report to a file: .json, .md or .txt, or FORMAT:PATH. Repeatable.",
        ),
    ] = None,
    quiet: Annotated[bool, option("--quiet", "-q", panel=OUTPUT, help="No progress.")] = False,
    verbose: Annotated[
        bool, option("--verbose", "-v", panel=OUTPUT, help="A line of progress for every probe.")
    ] = False,
) -> int:
    """Run the migration checklist on an endpoint: say what holds, what breaks, and what to change."""
    from llmcompat.cli.export import parse_exports, parse_format
    from llmcompat.cli.problems import Problem
    from llmcompat.cli.progress import progress
    from llmcompat.cli.target import Options, parse_clients, split_commas

    given = Options(
        base_url=base_url,
        model=model,
        embedding_model=embedding_model,
        vision_model=vision_model,
        context_window=context_window,
        api_key_env=api_key_env,
        headers=tuple(header or ()),
        body=tuple(body or ()),
        insecure_http=insecure_http,
        simulate=simulate,
        use_case=use_case,
        uses=tuple(uses or ()),
        without=tuple(without or ()),
        rest={
            "clients": parse_clients(client or ()),
            "only": split_commas(only or ()),
            "skip": split_commas(skip or ()),
            "quick": quick,
            "concurrency": concurrency,
            "timeout": timeout,
            "deadline": deadline,
            "max_usd": max_usd,
            "max_prompt_tokens": max_prompt_tokens,
            "balance_floor": balance_floor,
            "repeat": repeat,
            "strict": strict,
        },
    )
    parse_format(format)
    exports = parse_exports(export or ())
    if dry_run and exports:
        raise Problem("--export: a dry run has no results to export; leave one of the two out")
    if dry_run and simulate:
        raise Problem("--dry-run: a simulation costs nothing; leave one of the two out")
    checklist, plans = _prepare(targets or [], given, checks or [], with_key=not dry_run)
    shown = progress(quiet=quiet, verbose=verbose)
    if dry_run:
        from llmcompat.cli import rehearsal, streams

        estimates, code = rehearsal.rehearse(checklist, plans, shown)
        streams.out(rehearsal.as_json(estimates) if format == "json" else rehearsal.as_text(estimates))
        return code
    from llmcompat.cli.execute import execute

    outcome = execute(checklist, plans, shown)
    return _report(
        outcome.run, format, exports, unfinished=outcome.unfinished, interrupted=outcome.interrupted
    )


def _prepare(
    targets: Sequence[str], given: Options, folders: Sequence[str], *, with_key: bool
) -> tuple[Checklist, list[Plan]]:
    """All that can be wrong before a request is sent is found for all targets before the first is asked."""
    import os
    from pathlib import Path

    from llmcompat.cli.problems import Problem
    from llmcompat.cli.target import plan
    from llmcompat.engine.loader import load_checklist
    from llmcompat.engine.selection import select

    if len(targets) > 1:
        for name, value in (("--base-url", given.base_url), ("--api-key-env", given.api_key_env)):
            if value is not None:
                raise Problem(f"{name}: goes with one TARGET, and {len(targets)} are given")
    named: Sequence[str | None] = targets or [None]
    plans = [plan(target, given, os.environ, with_key=with_key) for target in named]
    checklist = load_checklist(map(Path, folders))
    for each in plans:
        select(checklist, each.settings)
    return checklist, plans


def _report(
    run: Run, format: str, exports: Sequence[Export], *, unfinished: Sequence[str], interrupted: bool
) -> int:
    """Write the results where they are wanted, and decide the exit status."""
    import sys

    from llmcompat.cli import streams
    from llmcompat.cli.export import write_exports
    from llmcompat.cli.problems import printable
    from llmcompat.engine.decide import Exit, worst
    from llmcompat.reports import FORMATS
    from llmcompat.reports.table import table_text

    codes = [target_run.exit_code for target_run in run.runs]
    for target_run in run.runs:
        if target_run.stopped:
            streams.say(f"{target_run.target.provider}: ended early: {printable(target_run.stopped, 400)}")
    if run.runs:
        if format == "table":
            streams.out(table_text(run, width=streams.width(), color=streams.colored(sys.stdout)))
        else:
            streams.out(FORMATS[format](run))
        problems = write_exports(exports, run)
        for problem in problems:
            streams.say(problem)
        codes += [Exit.NOT_WRITTEN] * bool(problems)
    for line in unfinished:
        streams.say(line)
    return worst([*codes, Exit.INTERRUPTED]) if interrupted else worst(codes)
