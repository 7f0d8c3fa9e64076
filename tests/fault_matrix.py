"""The simulator's faults before the checklist: `python -m tests.fault_matrix` prints what finds each of them.

The table is Markdown: deviation, check, case, fault, level. With `--measure` every fault is put before the
whole checklist first, and the figures stand under the table; with `--json FILE` what was measured is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from llmcompat.catalogue import Deviation, catalogue
from llmcompat.engine.loader import Checklist, load_checklist
from llmcompat.engine.runner import Finished, run_target
from llmcompat.model import Level, Status, TargetRun
from llmcompat.profiles.loader import load_profile
from llmcompat.profiles.schema import Profile, Thinking
from llmcompat.settings import Pricing
from llmcompat.simulator.app import CONTEXT_WINDOW
from llmcompat.simulator.faults import FAULTS, HARMLESS
from llmcompat.simulator.server import running
from tests.checking import demo_settings

SMALL_WINDOW = 8192
"""Tokens of a window that a prompt within the default bound goes beyond."""

REQUESTS = 80
"""What the whole checklist may ask of a healthy endpoint."""


@dataclass(frozen=True)
class Setup:
    """What a user has set where a fault shows itself only then."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    profile: Callable[[Profile], Profile] = lambda profile: profile
    window: int | None = None


def _thinking(profile: Profile) -> Profile:
    return profile.model_copy(
        update={"thinking": Thinking(default_on=False, off={"reasoning_effort": "none"})}
    )


def _gateway(profile: Profile) -> Profile:
    return profile.model_copy(update={"kind": "gateway"})


_PRICED = Setup(settings={"pricing": Pricing(input=0.1, output=0.2)})
_SMALL = Setup(settings={"context_window": SMALL_WINDOW}, window=SMALL_WINDOW)

SETUPS: dict[str, Setup] = {
    "context-overflow-silent": _SMALL,
    "prompt-silently-compressed": _SMALL,
    "finish-reason-context-window": _SMALL,
    "context-length-error-unrecognisable": _SMALL,
    "reasoning-control-params-differ": Setup(profile=_thinking),
    "reasoning-effort-enum-differs": Setup(profile=_thinking),
    "gateway-masks-upstream-status": Setup(profile=_gateway),
    "usage-cost-semantics": _PRICED,
}


@cache
def _checklist() -> Checklist:
    return load_checklist()


def ran(faults: Iterable[str] = (), *, only: Iterable[str] = ()) -> TargetRun:
    """The run of the checklist, or of the named checks and items, on a simulator with these faults."""
    names = list(faults)
    profile = load_profile("demo")
    embedding = profile.models.embedding
    assert embedding is not None
    changes: dict[str, Any] = {}
    window = CONTEXT_WINDOW
    for setup in (SETUPS[name] for name in names if name in SETUPS):
        profile, window = setup.profile(profile), setup.window or window
        changes |= setup.settings
    with running(faults=names, context_window=window) as server:
        settings = demo_settings(
            base_url=server.base_url,
            embedding_model=embedding.value,
            only=tuple(only),
            loopback=True,
            timeout=10,
            **changes,
        )

        async def collect() -> TargetRun:
            async for event in run_target(_checklist(), settings, profile, seed="test"):
                if isinstance(event, Finished):
                    return event.run
            raise AssertionError("a run always finishes")

        return asyncio.run(collect())


def failing(run: TargetRun) -> dict[str, str | None]:
    """The failing lines of a run: check to case."""
    return {result.id: result.case for result in run.checks if result.status is Status.FAIL}


def wrongly_blocked(run: TargetRun) -> list[tuple[str, str]]:
    """Lines that are blocked by a check which itself found nothing wrong: a fault of ours."""
    status = {result.id: result.status for result in run.checks}
    told = (Status.FAIL, Status.ERROR)
    return [
        (result.id, result.blocked_by)
        for result in run.checks
        if result.blocked_by is not None and status.get(result.blocked_by) not in told
    ]


def found(deviation: Deviation, run: TargetRun) -> bool:
    """Whether a run tells of a deviation as the catalogue says: by its line, or by why the run ended."""
    if deviation.ends_run is not None:
        return deviation.ends_run in (run.stopped or "")
    return deviation.check is not None and failing(run).get(deviation.check) == deviation.case


def table(deviations: Iterable[Deviation]) -> str:
    """Markdown: what finds each deviation, and why what is left out is left out."""
    lines = ["| deviation | check | case | fault | level |", "| --- | --- | --- | --- | --- |"]
    left_out = []
    for each in deviations:
        if each.left_out is not None:
            left_out.append(f"| {each.id} | {each.left_out} |")
            continue
        check = f"the run ends: {each.ends_run}" if each.ends_run is not None else each.check
        lines.append(f"| {each.id} | {check} | {each.case or ''} | {each.fault or ''} | {each.level or ''} |")
    return "\n".join([*lines, "", "| left out | why |", "| --- | --- |", *left_out])


def _measured(name: str) -> tuple[str, dict[str, Any]]:
    run = ran([name])
    lines = [
        {"check": result.id, "case": result.case, "level": result.level.value, "seen": result.seen}
        for result in run.checks
        if result.status is Status.FAIL
    ]
    return name, {
        "fails": lines,
        "blocked": wrongly_blocked(run),
        "stopped": run.stopped,
        "exit": run.exit_code,
        "requests": run.spend.requests,
    }


def _figures(measured: Mapping[str, Mapping[str, Any]]) -> str:
    by_fault = {each.fault: each for each in catalogue().values() if each.fault and each.left_out is None}
    lines, missed = [], []
    for name, each in measured.items():
        cases = {line["check"]: line["case"] for line in each["fails"]}
        entry = by_fault.get(name)
        if entry is None:
            continue
        told = (
            entry.ends_run in (each["stopped"] or "")
            if entry.ends_run is not None
            else cases.get(entry.check or "") == entry.case
        )
        if not told:
            missed.append(f"{name}: {cases or each['stopped'] or 'nothing'}")
        if entry.ends_run is None:
            lines.append(len(cases))
    musts = [
        f"{name}: {line['check']}"
        for name in HARMLESS
        for line in measured.get(name, {"fails": ()})["fails"]
        if line["level"] == Level.MUST.value
    ]
    blocked = [f"{name}: {each['blocked']}" for name, each in measured.items() if each["blocked"]]
    many = [
        f"{name}: {', '.join(line['check'] for line in each['fails'])}"
        for name, each in measured.items()
        if len(each["fails"]) > 3
    ]
    asked = max((measured[name]["requests"] for name in HARMLESS if name in measured), default=0)
    told_of = sum(name in by_fault for name in measured)
    figures = [
        f"found as the catalogue says: {told_of - len(missed)} of {told_of} faults",
        f"failing lines: median {statistics.median(lines)}, most in nine of ten faults "
        f"{sorted(lines)[int(0.9 * (len(lines) - 1))]}"
        if lines
        else "failing lines: none",
        f"most requests where nothing is wrong: {asked} (bound {REQUESTS})",
    ]
    for title, rows in (
        ("missed", missed),
        ("more than three lines", many),
        ("a must failed on a legal variety", musts),
        ("blocked by a check that found nothing", blocked),
    ):
        figures += [f"{title}: {len(rows)}", *(f"- {row}" for row in rows)]
    return "\n".join(figures)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; measure first where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault_matrix", description=__doc__)
    parser.add_argument("faults", nargs="*", help="faults to measure; all without one")
    parser.add_argument("--measure", action="store_true", help="put the faults before the whole checklist")
    parser.add_argument("--json", type=Path, help="write what was measured to this file")
    chosen = parser.parse_args(arguments)
    if not chosen.measure:
        print(table(catalogue().values()))
        return 0
    names = chosen.faults or [*FAULTS, *HARMLESS]
    with ProcessPoolExecutor(2) as pool:
        measured = dict(pool.map(_measured, names))
    if chosen.json:
        chosen.json.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    if not chosen.faults:
        print(table(catalogue().values()), end="\n\n")
    print(_figures(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
