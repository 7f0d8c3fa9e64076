"""`llmcompat check`: run the checklist on one target or several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import BOUNDS, CHOICE, OUTPUT, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmcompat.cli.export import Export
    from llmcompat.cli.reference import References
    from llmcompat.cli.target import Options, Plan
    from llmcompat.engine.loader import Checklist
    from llmcompat.model import Run
    from llmcompat.project import Project

EPILOG = """
**Without a key**

`llmcompat check demo` — the built-in endpoint; no network

`llmcompat check deepseek --simulate` — what is documented of a provider, played by the simulator

**Before you spend**

`llmcompat check deepseek --for chat --dry-run` — what it would cost, before anything is sent

`llmcompat check deepseek --quick` — at most 15 requests

**Your own endpoint and application**

`llmcompat check --base-url https://llm.example.com/v1 --model my-model` — key in LLMCOMPAT_API_KEY

`llmcompat check openrouter --uses vision --body 'provider={"sort":"price"}' --header 'X-Title: shop'`

**Several, and to keep**

`llmcompat check groq ollama:llama3.1:8b --export run.json --export run.md`

`llmcompat check` — every target of llmcompat.yaml, which `llmcompat init` writes

`llmcompat check deepseek --baseline run.json` — only what got worse since fails

**Look closer**

`llmcompat check deepseek --only tools,stream-* -vv` — with requests and answers of what fails

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
            help="NAME or NAME:MODEL (`llmcompat providers` lists names), a profile file, or a role of the "
            "project file; all of those without one. Several run at the same time.",
            autocompletion=options.complete_target,
        ),
    ] = None,
    base_url: options.BaseUrl = None,
    model: options.Model = None,
    embedding_model: options.EmbeddingModel = None,
    vision_model: options.VisionModel = None,
    context_window: options.ContextWindow = None,
    balance_floor: options.BalanceFloor = None,
    api_key_env: options.ApiKeyEnv = None,
    header: options.Header = None,
    body: options.Body = None,
    insecure_http: options.InsecureHttp = None,
    simulate: options.Simulate = False,
    project: options.ProjectFile = None,
    no_project: options.NoProject = False,
    use_case: options.UseCaseName = None,
    uses: options.Uses = None,
    without: options.Without = None,
    client: options.ClientNames = None,
    only: options.Only = None,
    skip: options.Skip = None,
    quick: Annotated[
        bool, option("--quick", panel=CHOICE, help="At most 15 requests: what ends most migrations.")
    ] = False,
    checks: options.Checks = None,
    strict: options.Strict = None,
    require_signoff: options.RequireSignoff = None,
    fail_on_stale: options.FailOnStale = None,
    signoff: options.SignoffFile = None,
    source: Annotated[
        str | None,
        option(
            "--from",
            panel=CHOICE,
            metavar="RUN.json",
            help="The saved run of the endpoint you come from: only what holds there and not here fails.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        option(
            "--baseline",
            panel=CHOICE,
            metavar="OLD.json",
            help="A saved run of the same endpoint: only what got worse since fails.",
        ),
    ] = None,
    repeat: options.Repeat = None,
    concurrency: options.Concurrency = None,
    timeout: options.Timeout = None,
    deadline: options.Deadline = None,
    max_usd: options.MaxUsd = None,
    max_prompt_tokens: options.MaxPromptTokens = None,
    monthly_usd: options.MonthlyUsd = None,
    first_token: options.FirstToken = None,
    tokens_per_second: options.TokensPerSecond = None,
    resume: Annotated[
        str | None,
        option(
            "--resume",
            panel=BOUNDS,
            metavar="FILE",
            help="Go on with a run that ended early, from its run log or its JSON: only what is missing is "
            "sent. Without TARGET it is asked as it was.",
        ),
    ] = None,
    log: Annotated[
        str | None,
        option(
            "--log",
            panel=OUTPUT,
            metavar="FILE",
            help="Keep the run log here: each answer as it came. Default: in your state folder, and only of "
            "a run that ends early.",
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        option(
            "--dry-run",
            panel=BOUNDS,
            help="Send nothing; say how many requests and tokens it would be, and what they cost.",
        ),
    ] = False,
    format: Annotated[
        str | None,
        option(
            "--format",
            panel=OUTPUT,
            metavar="FORMAT",
            complete=options.complete_format,
            help="What is written to standard output: table, json, markdown, html, junit, sarif or "
            "github. Default: table; in GitHub Actions with annotations after it.",
        ),
    ] = None,
    export: Annotated[
        list[str] | None,
        option(
            "--export",
            panel=OUTPUT,
            metavar="PATH",
            complete=options.complete_export,
            help="Also write a report to a file: .json, .md, .html, .txt, .xml (JUnit) or .sarif, or "
            "FORMAT:PATH. Repeatable.",
        ),
    ] = None,
    workload: options.WorkloadFile = None,
    answers: options.AnswersFile = None,
    model_map: options.ModelMap = None,
    compare_with: options.CompareWith = None,
    unsigned_data: options.UnsignedData = False,
    strict_input: options.StrictInput = False,
    workload_only: options.WorkloadOnly = False,
    quiet: Annotated[bool, option("--quiet", "-q", panel=OUTPUT, help="No progress.")] = False,
    verbose: options.Verbose = 0,
) -> int:
    """Run the migration checklist on an endpoint: say what holds, what breaks, and what to change."""
    given = locals()
    from llmcompat.cli.export import parse_exports, parse_format
    from llmcompat.cli.layers import folders_of, open_project
    from llmcompat.cli.problems import Problem
    from llmcompat.cli.progress import progress
    from llmcompat.cli.replaying import Asked, only_replay, prepare_replay, with_earlier
    from llmcompat.cli.resume import answers_of, goes_on, read_saved
    from llmcompat.cli.runlog import end_log, open_log
    from llmcompat.cli.streams import say
    from llmcompat.cli.target import gather

    asked = gather(given)
    if format is not None:
        parse_format(format)
    exports = parse_exports(export or ())
    if dry_run and exports:
        raise Problem("--export: a dry run has no results to export; leave one of the two out")
    if dry_run and simulate:
        raise Problem("--dry-run: a simulation costs nothing; leave one of the two out")
    if source is not None and baseline is not None:
        raise Problem("--from and --baseline: a run is held against one other; leave one of the two out")
    found = open_project(project, without=no_project)
    if dry_run and resume is not None:
        raise Problem("--dry-run: counts a whole run; leave it or --resume out")
    saved = read_saved(resume) if resume is not None else []
    if saved and not (targets or base_url or model):
        checklist, plans = goes_on(saved, asked.rest, folders_of(checks or [], found))
    else:
        checklist, plans = prepare(targets or [], asked, checks or [], found, with_key=not dry_run)
    wanted = Asked(
        workload, answers, tuple(model_map or ()), compare_with, unsigned_data, strict_input, workload_only
    )
    replaying = prepare_replay(wanted, found, plans, checklist)
    if workload_only:
        plans = only_replay(plans)
    known = answers_of(saved, plans)
    replaying = with_earlier(replaying, resume, log, saved, plans)
    # a dry run sends the target nothing: lines on what was asked would mislead
    shown = progress(quiet=quiet or dry_run, verbose=verbose > 0)
    if dry_run:
        from llmcompat.cli import streams
        from llmcompat.cli.dry_run import as_json, as_text, estimate

        estimates, code = estimate(checklist, plans, shown)
        streams.out(as_json(estimates) if format == "json" else as_text(estimates))
        if replaying is not None:
            say(replaying.estimate(plans[0].settings.repeat))
        return code
    from llmcompat.cli.execute import execute

    references = _references(checklist, source, baseline)
    started = open_log(log, plans)
    for line in replaying.notes() if replaying is not None else ():
        say(line)
    outcome = execute(
        checklist, plans, shown, references=references, answers=known, log=started, replaying=replaying
    )
    code = _report(
        outcome.run, format, exports, verbose=verbose, notes=outcome.notes, interrupted=outcome.interrupted
    )
    end_log(started, outcome.run, interrupted=outcome.interrupted)
    return code


def prepare(
    targets: Sequence[str],
    given: Options,
    folders: Sequence[str],
    project: Project | None,
    *,
    with_key: bool,
) -> tuple[Checklist, list[Plan]]:
    """All that can be wrong before a request is sent is found for all targets before the first is asked.

    Without `targets` all of the project file are meant. Raises what `plan`, `load` and `select` do.
    """
    import os

    from llmcompat.cli.labels import refuse_twice
    from llmcompat.cli.layers import folders_of, signoff_path, targets_of, verify
    from llmcompat.cli.loading import load
    from llmcompat.cli.problems import Problem
    from llmcompat.cli.sign import verify_signoff
    from llmcompat.cli.target import plan
    from llmcompat.engine.selection import select

    named = targets_of(targets, project, base_url=given.base_url, model=given.model)
    if len(named) > 1:
        for name, value in (("--base-url", given.base_url), ("--api-key-env", given.api_key_env)):
            if value is not None:
                raise Problem(f"{name}: goes with one TARGET, and {len(named)} are given")
    plans = [plan(target, given, os.environ, with_key=with_key, project=project) for target in named]
    refuse_twice([target for target in named if target is not None], plans)
    secrets = {secret for each in plans for secret in each.secrets}
    checklist = load(folders_of(folders, project), secrets=secrets)
    verify(project, checklist)
    verify_signoff(signoff_path(given.signoff, project), checklist)
    for each in plans:
        select(checklist, each.settings)
    return checklist, plans


def _references(checklist: Checklist, source: str | None, baseline: str | None) -> References | None:
    """The saved run that is named, judged by today's checks. Raises Problem before anything is sent."""
    from datetime import UTC, datetime

    from llmcompat.cli.reference import read_references

    today = datetime.now(UTC).date()
    if source is not None:
        return read_references(source, "source", "--from", checklist, today)
    if baseline is not None:
        return read_references(baseline, "baseline", "--baseline", checklist, today)
    return None


def _report(
    run: Run,
    format: str | None,
    exports: Sequence[Export],
    *,
    verbose: int,
    notes: Sequence[str],
    interrupted: bool,
) -> int:
    """Write the results where they are wanted, and decide the exit status."""
    from llmcompat.cli import github, streams
    from llmcompat.cli.export import write_exports
    from llmcompat.cli.green import remember
    from llmcompat.cli.problems import printable
    from llmcompat.cli.show import whole
    from llmcompat.engine.decide import Exit, worst
    from llmcompat.reports import FORMATS

    remember(run)
    codes = [target_run.exit_code for target_run in run.runs]
    for target_run in run.runs:
        if target_run.stopped:
            streams.say(f"{target_run.target.provider}: ended early: {printable(target_run.stopped, 400)}")
    if run.runs:
        if format is None or format == "table":
            table = whole(run, verbose)
            if format is None and streams.in_actions():
                streams.out(github.with_annotations(table, run), obeyed=True)
            else:
                streams.out(table)
        else:
            streams.out(FORMATS[format](run), obeyed=format == github.FORMAT)
        problems = write_exports(exports, run)
        if summary := github.append_summary(run):
            problems.append(summary)
        for problem in problems:
            streams.say(problem)
        codes += [Exit.NOT_WRITTEN] * bool(problems)
    for line in notes:
        streams.say(line)
    return worst([*codes, Exit.INTERRUPTED]) if interrupted else worst(codes)
