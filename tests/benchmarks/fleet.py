"""Many targets in one process: time is that of the CPU and not of all waits, and memory grows by little."""

from __future__ import annotations

import asyncio
from time import perf_counter, process_time

from llmcompat.engine.loader import load_checklist
from llmcompat.model import TargetRun
from llmcompat.wire.pacing import Pacers
from tests.benchmarks.figures import Figure
from tests.benchmarks.processes import resident
from tests.benchmarks.servers import simulators
from tests.benchmarks.whole_run import SECONDS_A_REQUEST, finished, target

MOST_GROWTH = 2 * 2**20
"""Bytes that a target may add."""


def figures(targets: int = 20, processes: int = 2) -> list[Figure]:
    """All targets at once; the first one runs alone before, so that what is loaded once is not counted."""
    checklist = load_checklist()
    with simulators(targets + 1, SECONDS_A_REQUEST, processes) as addresses:
        first, *others = map(target, addresses)
        asyncio.run(finished(checklist, first))
        memory, started, used = resident(), perf_counter(), process_time()

        async def together() -> list[TargetRun]:
            pacers = Pacers()
            done = await asyncio.gather(*(finished(checklist, each, pacers) for each in others))
            return [run for run, _ in done]

        runs = asyncio.run(together())
        seconds, cpu, grown = perf_counter() - started, process_time() - used, resident() - memory
    requests = sum(len(run.exchanges) for run in runs)
    waits = sum(exchange.seconds for run in runs for exchange in run.exchanges)
    return [
        Figure(
            f"{targets} targets at once: time",
            f"{seconds:.1f} s ({1000 * cpu / requests:.1f} ms of CPU a request)",
            f"{waits / 8:.0f} s one after the other",
            seconds / (waits / 8),
            0.5,
        ),
        Figure(
            f"{targets} targets at once: memory",
            f"{grown / targets / 2**20:.2f} MB a target",
            f"{MOST_GROWTH / 2**20:.0f} MB",
            grown / targets / MOST_GROWTH,
            1.0,
        ),
    ]
