"""`llmcompat rehearse`: the user's own application under a proxy that injects faults."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from llmcompat.cli import options
from llmcompat.cli.options import BOUNDS, CHOICE, OUTPUT, REQUESTS, TARGET, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmcompat.model import Run
    from llmcompat.profiles.schema import Profile
    from llmcompat.rehearsal.run import Orders
    from llmcompat.rehearsal.scenario import Scenario
    from llmcompat.rehearsal.wirelog import Observed
    from llmcompat.simulator.faults import Fault

EPILOG = """
**Examples**

`llmcompat rehearse -- pytest tests/llm` — a command that ends, once for each scenario

`llmcompat rehearse deepseek --jobs 4 -- python agent.py` — before a simulation of that provider

`llmcompat rehearse --ready http://127.0.0.1:8080/health --drive "python ask.py" -- python server.py`

`llmcompat rehearse --scenario '429-*,stream-cut' --export run.json -- ./app` — some scenarios

`llmcompat rehearse --list` — what is rehearsed

The command gets OPENAI_BASE_URL, OPENAI_API_BASE, OPENAI_API_KEY (one that opens nothing) and
LLMCOMPAT_ALERT_URL. No provider is asked and nothing is paid.

**Exit status**

0 all that must hold does · 1 something does not · 2 nothing could be judged · 3 no answer, such as a command
that sends no request to the base URL · 4 a report could not be written · 130 interrupted.
"""

_COMMAND = "llmcompat.command"


class WithCommand(TyperCommand):
    """A command line behind whose `--` stands another one, which is left as it is."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep what stands behind the first `--` apart."""
        if "--" in args:
            at = args.index("--")
            ctx.meta[_COMMAND] = tuple(args[at + 1 :])
            args = args[:at]
        return super().parse_args(ctx, args)


def rehearse(
    context: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="PROVIDER",
            help="Whose deviations and refusals are played; the same as --like.",
            autocompletion=options.complete_provider,
        ),
    ] = None,
    like: Annotated[
        str | None,
        option(
            "--like",
            panel=TARGET,
            metavar="PROVIDER",
            complete=options.complete_provider,
            help="Play what is documented of this provider (a profile's name or file). Default: nobody.",
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        option(
            "--env",
            panel=REQUESTS,
            metavar="NAME",
            help="Another environment variable in which your code looks for the base URL. Repeatable.",
        ),
    ] = None,
    fallback_env: Annotated[
        list[str] | None,
        option(
            "--fallback-env",
            panel=REQUESTS,
            metavar="NAME",
            help="The environment variable in which your code looks for its second endpoint. Repeatable.",
        ),
    ] = None,
    port: Annotated[
        int,
        option(
            "--port", panel=REQUESTS, metavar="PORT", help="The port of the base URL; 0 takes a free one."
        ),
    ] = 0,
    ready: Annotated[
        str | None,
        option(
            "--ready",
            panel=TARGET,
            metavar="URL",
            help="Your application is a server, and is ready when this URL answers. Goes with --drive.",
        ),
    ] = None,
    drive: Annotated[
        str | None,
        option(
            "--drive",
            panel=TARGET,
            metavar="COMMAND",
            help="What makes the server work, run in the shell for each scenario; ends with status 0.",
        ),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        option(
            "--scenario",
            panel=CHOICE,
            metavar="NAMES",
            complete=options.complete_scenario,
            help="Only these: names or patterns such as 'stream-*'. Repeatable, or a comma list.",
        ),
    ] = None,
    scenarios: Annotated[
        list[str] | None,
        option(
            "--scenarios",
            panel=CHOICE,
            metavar="DIR",
            help="A folder with scenarios of your own. Repeatable.",
        ),
    ] = None,
    list_scenarios: Annotated[
        bool, option("--list", panel=CHOICE, help="List the scenarios, and end.")
    ] = False,
    use_case: options.UseCaseName = None,
    scenario_timeout: Annotated[
        float,
        option(
            "--scenario-timeout",
            panel=BOUNDS,
            metavar="SECONDS",
            help="What one run of the command may take; then it is ended.",
        ),
    ] = 60.0,
    within: Annotated[
        float,
        option(
            "--within",
            panel=BOUNDS,
            metavar="SECONDS",
            help="In what time your monitoring must have sent its alert (spend-spike, out-of-money).",
        ),
    ] = 30.0,
    jobs: Annotated[
        int,
        option(
            "--jobs", panel=BOUNDS, metavar="N", help="Scenarios at the same time, each with its own command."
        ),
    ] = 1,
    format: Annotated[
        str,
        option(
            "--format", panel=OUTPUT, metavar="FORMAT", complete=options.complete_format, help="As in check."
        ),
    ] = "table",
    export: Annotated[
        list[str] | None,
        option(
            "--export",
            panel=OUTPUT,
            metavar="PATH",
            complete=options.complete_export,
            help="As in check. Repeatable.",
        ),
    ] = None,
    quiet: Annotated[
        bool, option("--quiet", "-q", panel=OUTPUT, help="No progress on standard error.")
    ] = False,
    verbose: options.Verbose = 0,
) -> int:
    """Run your own code under faults, and judge from outside what it makes of them.

    Give the command behind `--`. It runs twice without faults, then once for each scenario.
    """
    from pathlib import Path

    from llmcompat.cli.export import parse_exports, parse_format
    from llmcompat.cli.problems import Problem
    from llmcompat.cli.target import parse_use_case, split_commas
    from llmcompat.profiles import load_profile
    from llmcompat.rehearsal.run import Orders
    from llmcompat.rehearsal.scenario import load_scenarios

    command: tuple[str, ...] = context.meta.get(_COMMAND, ())
    known = list(load_scenarios(map(Path, scenarios or ())).values())
    if list_scenarios:
        return _list(known, format)
    parse_format(format)
    exports = parse_exports(export or ())
    if target is not None and like is not None and target != like:
        raise Problem("--like: names another provider than PROVIDER; give one of them")
    named = like if like is not None else target
    if not command or not command[0]:
        raise Problem("give your command behind --, such as: llmcompat rehearse -- pytest tests/llm")
    profile = load_profile(named) if named is not None else None
    orders = Orders(
        command=command,
        ready=ready,
        drive=drive,
        variables=_variables("--env", env),
        keys=(profile.key_variable,) if profile is not None and profile.key_variable else (),
        fallback_variables=_variables("--fallback-env", fallback_env),
        scenario_timeout=scenario_timeout,
        within=within,
        jobs=jobs,
        port=port,
        like=profile.name if profile is not None else None,
    )
    _verify(orders)
    chosen, left_out = _chosen(known, split_commas(scenario or ()))
    run, interrupted = _run(
        orders, profile, chosen, left_out, parse_use_case(use_case or "agent"), quiet=quiet
    )
    return _report(run, format, exports, verbose=verbose, interrupted=interrupted)


def _list(known: Sequence[Scenario], format: str) -> int:
    import json

    from llmcompat.cli import streams
    from llmcompat.cli.problems import table_or_json

    if table_or_json(format):
        rows = [each.model_dump(mode="json", by_alias=True) for each in known]
        streams.out(json.dumps(rows, indent=1) + "\n")
        return 0
    lines = []
    for each in known:
        asked = ", ".join(each.expect) + ("; only where it is named" if each.on_request else "")
        lines.append(f"{each.name}  ({each.item}, {each.level.value}: {asked})\n    {each.title}")
    streams.out("\n".join(lines))
    return 0


def _variables(name: str, given: Sequence[str] | None) -> tuple[str, ...]:
    """Names of environment variables. Raises Problem."""
    import re

    from llmcompat.cli.problems import Problem, printable

    for each in given or ():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", each):
            raise Problem(f"{name} {printable(each, 60)}: must be the name of an environment variable")
    return tuple(given or ())


def _verify(orders: Orders) -> None:
    """All that can be wrong with the options together. Raises Problem."""
    from math import isfinite

    from llmcompat.cli.problems import Problem

    if (orders.ready is None) != (orders.drive is None):
        missing, other = ("--ready", "--drive") if orders.ready is None else ("--drive", "--ready")
        raise Problem(f"{other}: goes with {missing}; give both for a server")
    if orders.drive is not None and not orders.drive.strip():
        raise Problem("--drive: must be a command")
    for name, value in (("--scenario-timeout", orders.scenario_timeout), ("--within", orders.within)):
        if not isfinite(value) or value <= 0:
            raise Problem(f"{name}: must be a number of seconds above 0")
    if not 1 <= orders.jobs <= 64:
        raise Problem("--jobs: must be 1 to 64")
    if not 0 <= orders.port <= 65535:
        raise Problem("--port: must be 0 to 65535")
    if orders.jobs > 1 and orders.drive is not None:
        raise Problem("--jobs: a server plays one scenario after the other; leave it out")
    if orders.jobs > 1 and orders.port:
        raise Problem("--jobs: takes a port for each; leave --port out")


def _chosen(known: Sequence[Scenario], patterns: Sequence[str]) -> tuple[list[Scenario], list[Scenario]]:
    """The scenarios to play, and those that are played only where they are named. Raises Problem."""
    from fnmatch import fnmatchcase

    from llmcompat.cli.problems import Problem, nearest, printable

    if not patterns:
        return [each for each in known if not each.on_request], [each for each in known if each.on_request]
    for pattern in patterns:
        if not any(fnmatchcase(each.name, pattern) for each in known):
            near = nearest(pattern, [each.name for each in known])
            near = near if near.startswith("did") else "see --list"
            raise Problem(f"--scenario {printable(pattern, 60)}: no such scenario; {near}")
    return [each for each in known if any(fnmatchcase(each.name, pattern) for pattern in patterns)], []


def _run(
    orders: Orders,
    profile: Profile | None,
    chosen: Sequence[Scenario],
    left_out: Sequence[Scenario],
    use_case: Any,
    *,
    quiet: bool,
) -> tuple[Run, bool]:
    """Rehearse and judge. Raises Problem where nothing could be judged."""
    import asyncio
    import os
    from datetime import UTC, datetime
    from time import perf_counter

    from llmcompat.cli import streams
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.cli.target import known_secrets
    from llmcompat.engine.loader import load_checklist
    from llmcompat.model import Run
    from llmcompat.rehearsal.judge import NO_REQUEST
    from llmcompat.rehearsal.report import target_run, why_not
    from llmcompat.rehearsal.run import CannotRehearse
    from llmcompat.rehearsal.run import rehearse as play
    from llmcompat.version import __version__
    from llmcompat.wire.redaction import Redactor

    redactor = Redactor(known_secrets(os.environ))
    started, started_at = perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    started_at = started_at.replace("+00:00", "Z")
    done = 0

    def tell(name: str, observed: Observed) -> None:
        nonlocal done
        done += bool(name)
        if not quiet:
            which = f"{done}/{len(chosen)} {name}" if name else "without faults"
            streams.say(f"{which}: {len(observed.seen)} requests, {observed.ending.words}")

    try:
        with _terminated_as_interrupted():
            rehearsal = asyncio.run(
                play(
                    orders,
                    chosen,
                    _upstream(profile),
                    os.environ,
                    worth_playing=lambda scenario, baseline: why_not(scenario, baseline, orders) is None,
                    on_observed=tell,
                )
            )
    except CannotRehearse as error:
        for line in error.lines:
            streams.say(f"  | {printable(redactor.text(line), 500)}")
        raise Problem(printable(redactor.text(str(error)), 600)) from None
    except OSError as error:
        reason = printable(error.strerror or str(error))
        raise Problem(
            f"cannot listen on 127.0.0.1 port {orders.port}: {reason}; choose another with --port"
        ) from None
    if not any(each.seen for each in rehearsal.baseline):
        names = ", ".join(("OPENAI_BASE_URL", "OPENAI_API_BASE", *orders.variables))
        streams.say(f"{NO_REQUEST} (set were {names}; name yours with --env)")
    judged = target_run(
        rehearsal,
        chosen,
        orders,
        use_case=use_case,
        left_out=left_out,
        items=[(item.name, item.title, item.sentence) for item in load_checklist().items],
        redactor=redactor,
        started_at=started_at,
        seconds=perf_counter() - started,
    )
    return Run(__version__, started_at, judged.seconds, (judged,)), rehearsal.interrupted


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends the rehearsal as Ctrl-C does, so that no command of the user is left behind."""
    try:
        before = signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    except ValueError:  # not in the main thread: whoever runs us there handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _upstream(profile: Profile | None) -> Any:
    """Makes the endpoint that gives the good answers: the simulator, which takes any model's name."""
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.simulator.app import Settings, create_app
    from llmcompat.simulator.faults import chosen
    from llmcompat.simulator.personas import HEALTHY, PersonaError, persona

    try:
        played = persona(profile) if profile is not None else HEALTHY
    except PersonaError as error:
        raise Problem(f"--like: {printable(str(error), 300)}") from None
    faults: list[Fault] = [*played.faults, *chosen(["model-unknown-accepted"])]

    def make() -> Any:
        return create_app(
            Settings(
                faults,
                gap=0.0,
                models=played.models,
                embedding_models=played.embedding_models,
                context_window=played.context_window,
                pages=played.pages,
            )
        )

    return make


def _report(run: Run, format: str, exports: Sequence[Any], *, verbose: int, interrupted: bool) -> int:
    """Write the results where they are wanted, and decide the exit status."""
    from llmcompat.cli import github, streams
    from llmcompat.cli.export import write_exports
    from llmcompat.cli.show import whole
    from llmcompat.engine.decide import Exit, worst
    from llmcompat.reports import FORMATS

    if format == "table":
        streams.out(whole(run, verbose))
    else:
        streams.out(FORMATS[format](run), obeyed=format == github.FORMAT)
    problems = write_exports(exports, run)
    for problem in problems:
        streams.say(problem)
    codes = [*(each.exit_code for each in run.runs), *[Exit.NOT_WRITTEN] * bool(problems)]
    return worst([*codes, Exit.INTERRUPTED] if interrupted else codes)
