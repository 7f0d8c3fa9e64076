"""`llmcompat billing`: what is spent of the month's budget, and whether somebody is told in time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import BOUNDS, OUTPUT, TARGET, option

if TYPE_CHECKING:
    from datetime import datetime

    from llmcompat.billing.alerts import Delivery
    from llmcompat.cli.target import Plan
    from llmcompat.cli.watching import Look
    from llmcompat.model import Result, Run, TargetRun
    from llmcompat.project import Project
    from llmcompat.reports.billing import Watched

CHECK_EPILOG = """
**Examples**

`llmcompat billing check` — all targets of llmcompat.yaml; run it every night

`llmcompat billing check chat --usage workload.answers.jsonl` — by what your own proxy recorded

Set up `budgets.monthly_usd`, `budgets.alert_at` and `budgets.alert` in llmcompat.yaml, and `balance_floor`
for a target. Spend is what the provider tells of this month, what left the balance since the month's first
reading, and what `--usage` files add up to at list prices; the largest is held against the budget. Months are
those of UTC. Nothing is converted: a balance in another currency is held against `balance_floor` only.

**Exit status**

0 below all thresholds · 1 a threshold is reached (and the alert sent, unless it was sent this month) ·
2 nothing could run · 3 nothing could be read of a target · 4 an alert could not be delivered
"""

TEST_EPILOG = """
**Examples**

`llmcompat billing test-alert` — through every webhook and command of llmcompat.yaml

`llmcompat billing test-alert chat --export run.json` — and keep it as your own part of "Billing and alerts"

A webhook must answer 2xx within 30 s and is asked once; a command must end with exit status 0.

**Exit status**

0 delivered everywhere · 2 nothing is set up, or nothing could run · 4 not delivered, or not written
"""

ARRIVES = "your-alert-arrives"
"""The id of the result that `test-alert` saves."""

app = typer.Typer(
    name="billing",
    help="Watch the month's budget and the balance, and tell somebody in time.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Targets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TARGET…",
        help="As in check. Default: all of the project file.",
        autocompletion=options.complete_target,
    ),
]


@app.command(epilog=CHECK_EPILOG)
def check(
    targets: Targets = None,
    usage: Annotated[
        list[str] | None,
        option(
            "--usage",
            panel=TARGET,
            metavar="FILE",
            help="Answers of your application (Batch output, as `llmcompat capture` writes it) or a saved "
            "run, for one TARGET. Repeatable.",
        ),
    ] = None,
    again: Annotated[
        bool, option("--again", panel=OUTPUT, help="Tell of a threshold again that was told of this month.")
    ] = False,
    monthly_usd: options.MonthlyUsd = None,
    balance_floor: options.BalanceFloor = None,
    base_url: options.BaseUrl = None,
    model: options.Model = None,
    api_key_env: options.ApiKeyEnv = None,
    header: options.Header = None,
    insecure_http: options.InsecureHttp = None,
    project: options.ProjectFile = None,
    no_project: options.NoProject = False,
    format: options.ListingFormat = "table",
) -> int:
    """Read the balance or the spend, project it to the month's end, and tell somebody of thresholds."""
    given = locals()
    import os
    import sys
    from datetime import UTC, datetime

    from llmcompat.cli import streams
    from llmcompat.cli.layers import open_project, targets_of
    from llmcompat.cli.problems import Problem, table_or_json
    from llmcompat.cli.target import gather
    from llmcompat.cli.watching import Look, ready, watch
    from llmcompat.reports.billing import billing_json, billing_text

    as_json = table_or_json(format)
    found = open_project(project, without=no_project)
    chosen = targets_of(targets or [], found, base_url=base_url, model=model)
    files = list(dict.fromkeys(Path(each) for each in usage or ()))
    if files and len(chosen) != 1:
        raise Problem("--usage: name the one TARGET that the files are of")
    asked, environ, now = gather(given), dict(os.environ), datetime.now(UTC)
    plans = [ready(each, asked, environ, found, usage=bool(files)) for each in chosen]
    if not any(_has_bound(planned) for planned, _ in plans):
        raise Problem(
            "no budget and no floor: set budgets.monthly_usd or balance_floor in llmcompat.yaml, "
            "or give --monthly-usd"
        )
    watched = [
        watch(Look(planned, unread, files, now, environ, _folder(found), again))
        for planned, unread in plans
        if _has_bound(planned)
    ]
    code = _exit(watched)
    if as_json:
        streams.out(billing_json(watched, code))
    else:
        streams.out(billing_text(watched, width=streams.width(), color=streams.colored(sys.stdout)))
    return code


def _has_bound(planned: Plan) -> bool:
    return planned.settings.monthly_usd is not None or planned.settings.balance_floor is not None


def _exit(watched: Sequence[Watched]) -> int:
    """Undelivered counts most, then a threshold, then what could not be read."""
    if any(each.undelivered for each in watched):
        return 4
    if any(each.reached for each in watched):
        return 1
    return 0 if all(each.readable for each in watched) else 3


def _folder(project: Project | None) -> Path:
    return project.folder if project is not None else Path.cwd()


@app.command("test-alert", epilog=TEST_EPILOG)
def send_test_alert(
    targets: Targets = None,
    project: options.ProjectFile = None,
    export: Annotated[
        list[str] | None,
        option(
            "--export",
            panel=OUTPUT,
            metavar="PATH",
            help="Keep it as a run, as check does: run.json, run.md … Repeatable.",
        ),
    ] = None,
    timeout: Annotated[
        float, option("--timeout", panel=BOUNDS, metavar="SECONDS", help="What each way may take.")
    ] = 30.0,
) -> int:
    """Send a test alert on every way that is set up, and wait until it has arrived."""
    import os
    from datetime import UTC, datetime

    from llmcompat.cli import streams
    from llmcompat.cli.export import parse_exports, write_exports
    from llmcompat.cli.layers import open_project, targets_of
    from llmcompat.cli.problems import Problem
    from llmcompat.cli.target import Options, plan
    from llmcompat.cli.watching import Look, name_of, send, tried_alert

    if not 0 < timeout <= 600:
        raise Problem("--timeout: must be seconds above 0, and 600 at most")
    exports = parse_exports(export or ())
    found = open_project(project, without=False)
    chosen = targets_of(targets or [], found, base_url=None, model=None)
    environ, now = dict(os.environ), datetime.now(UTC)
    plans = [plan(each, Options(), environ, with_key=False, project=found) for each in chosen]
    plans = [each for each in plans if each.alert is not None]
    if not plans:
        raise Problem("no alert is set up: give budgets.alert (webhook or command) in llmcompat.yaml")
    ways: dict[object, list[tuple[str, Delivery]]] = {}
    runs = []
    for planned in plans:
        assert planned.alert is not None
        way = planned.alert.model_dump_json() + str(planned.alert.address(environ))
        look = Look(planned, None, (), now, environ, _folder(found))
        if way not in ways:  # targets that share a way are tried once
            ways[way] = send(tried_alert(look), planned.alert, look, seconds=timeout)
            for name, delivery in ways[way]:
                outcome = "delivered" if delivery.delivered else "NOT delivered"
                streams.out(f"{name_of(planned)}: {name}: {outcome}, {delivery.text}")
        runs.append(_as_run(look, ways[way]))
    delivered = all(delivery.delivered for found_ways in ways.values() for _, delivery in found_ways)
    problems = write_exports(exports, _together(runs, now)) if exports else []
    for line in problems:
        streams.say(line)
    return 0 if delivered and not problems else 4


def _result(ways: Sequence[tuple[str, Delivery]]) -> Result:
    from llmcompat.model import Level, Result, Status, UseCase

    failed = [f"{name}: {delivery.text}" for name, delivery in ways if not delivery.delivered]
    return Result(
        id=ARRIVES,
        item="billing",
        title="Your alert arrives where it is to be read.",
        kind="wire",
        status=Status.FAIL if failed else Status.PASS,
        level=Level.MUST,
        levels={each.value: Level.MUST for each in UseCase},
        why="An alert that was never sent once is found broken on the day that it is needed.",
        fix="Mend budgets.alert in llmcompat.yaml, or what it leads to, and send a test alert again.",
        case="alert-not-delivered" if failed else None,
        expected="a 2xx from the webhook, exit status 0 from the command" if failed else None,
        seen="; ".join(failed) if failed else None,
        notes=tuple(f"{name}: {delivery.text}" for name, delivery in ways if delivery.delivered),
        side="yours",
    )


def _as_run(look: Look, ways: Sequence[tuple[str, Delivery]]) -> TargetRun:
    """One target's test as a run, so that it is told, kept and joined as any other."""
    from llmcompat.cli.watching import stamp
    from llmcompat.engine.conclude import described
    from llmcompat.engine.decide import exit_code, verdict
    from llmcompat.engine.loader import load_checklist
    from llmcompat.model import Spend, Target, TargetRun, UseCase

    planned = look.planned
    settings, result = planned.settings, _result(ways)
    return TargetRun(
        target=Target(settings.provider, settings.base_url, settings.model, role=settings.role),
        use_case=settings.use_case,
        exit_code=int(exit_code([result], settings.use_case)),
        # it says nothing of the endpoint
        verdicts={each.value: verdict([], each) for each in UseCase},
        open=("the endpoint itself was not checked",),
        settings=look.redactor.value(settings.model_dump(mode="json")),
        basics={},
        profile=described(planned.profile),
        seed="",
        started_at=stamp(look.now),
        seconds=0.0,
        spend=Spend(usd=0.0),
        checks=(result,),
        items=tuple((item.name, item.title, item.sentence) for item in load_checklist().items),
        location=planned.location,
    )


def _together(runs: Sequence[TargetRun], now: datetime) -> Run:
    from llmcompat.cli.watching import stamp
    from llmcompat.model import Run
    from llmcompat.version import __version__

    return Run(__version__, stamp(now), 0.0, tuple(runs))
