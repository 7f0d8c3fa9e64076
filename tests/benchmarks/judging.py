"""Judging: what the checks cost once all answers are there."""

from __future__ import annotations

import asyncio
from datetime import date
from time import process_time

from llmcompat.engine.loader import load_checklist
from llmcompat.engine.rejudge import rejudge
from llmcompat.model import Status
from tests.benchmarks.figures import Figure
from tests.benchmarks.servers import simulators
from tests.benchmarks.whole_run import finished, target

CHECKS, SECONDS = 150, 0.1


def figures(times: int = 5) -> list[Figure]:
    """CPU time of judging a saved run, as it comes to for 150 checks; the best of some goes."""
    checklist = load_checklist()
    with simulators(1, 0.0) as (base_url,):
        run, _ = asyncio.run(finished(checklist, target(base_url)))
    taken = []
    for _ in range(times):
        started = process_time()
        rejudge(checklist, run, today=date(2026, 11, 22))
        taken.append(process_time() - started)
    judged = sum(each.status is not Status.SKIP for each in run.checks)
    seconds = min(taken) * CHECKS / judged
    return [
        Figure(
            f"judging {CHECKS} checks",
            f"{1000 * seconds:.0f} ms (all {judged}: {1000 * min(taken):.0f} ms)",
            f"{1000 * SECONDS:.0f} ms",
            seconds / SECONDS,
            1.0,
        )
    ]
