"""A whole run against what no run can beat: the longest chain of requests, and all waiting shared out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from llmcompat.cli.target import Options, Plan, plan
from llmcompat.declare import Probe
from llmcompat.engine.loader import Checklist, load_checklist
from llmcompat.engine.runner import Finished, run_target
from llmcompat.engine.selection import GROUND, select
from llmcompat.model import Exchange, TargetRun
from llmcompat.wire.pacing import Pacers
from tests.benchmarks.figures import Figure
from tests.benchmarks.servers import simulators

SECONDS_A_REQUEST = 0.3


@dataclass(frozen=True)
class Paced:
    """How long a run took and what it could not have been shorter than, in seconds; latency left out."""

    requests: int
    seconds: float
    chain: float
    shared: float

    @property
    def bound(self) -> float:
        return max(self.chain, self.shared)


def target(base_url: str) -> Plan:
    """The built-in endpoint's profile at another address."""
    return plan("demo", Options(base_url=base_url), {})


async def finished(
    checklist: Checklist, each: Plan, pacers: Pacers | None = None
) -> tuple[TargetRun, dict[str, float]]:
    """A run of the target, and when each exchange ended."""
    ends: dict[str, float] = {}

    def record(exchange: Exchange) -> None:
        ends[exchange.id] = perf_counter()

    async for event in run_target(
        checklist, each.settings, each.profile, key=each.key, on_exchange=record, pacers=pacers
    ):
        if isinstance(event, Finished):
            return event.run, ends
    raise AssertionError("a run always finishes")


def paced(checklist: Checklist, each: Plan) -> Paced:
    """Run the target and hold the time of its probes, up to those that are asked alone, against the bound."""
    started = perf_counter()
    run, ends = asyncio.run(finished(checklist, each))
    probes = select(checklist, each.settings).probes
    counted = [exchange for exchange in run.exchanges if not probes[exchange.probe].alone]
    spans = {exchange.id: (ends[exchange.id] - exchange.seconds, ends[exchange.id]) for exchange in counted}
    own: dict[str, list[tuple[float, float]]] = {}
    for exchange in counted:
        own.setdefault(exchange.probe, []).append(spans[exchange.id])
    waits = {name: _covered(of_one) for name, of_one in own.items()}
    return Paced(
        requests=len(counted),
        seconds=max(end for _, end in spans.values()) - started,
        chain=_longest({name: probe for name, probe in probes.items() if not probe.alone}, waits),
        shared=sum(exchange.seconds for exchange in counted) / each.settings.concurrency,
    )


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Seconds in which at least one of these was under way: what is asked at once counts once."""
    total, reached = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _longest(probes: Mapping[str, Probe], waits: Mapping[str, float]) -> float:
    known: dict[str, float] = {}

    def until(name: str) -> float:
        if name not in known:
            needs: Sequence[str] = probes[name].needs
            if name not in GROUND:
                needs = (*needs, "hello") if probes[name].early else (*needs, "basics")
            before = max((until(need) for need in needs if need in probes), default=0.0)
            known[name] = before + waits.get(name, 0.0)
        return known[name]

    return max(map(until, probes))


def figures(times: int = 3) -> list[Figure]:
    """The best of some runs: what disturbs a run only ever makes it longer."""
    checklist = load_checklist()
    with simulators(1, SECONDS_A_REQUEST) as (base_url,):
        runs = [paced(checklist, target(base_url)) for _ in range(times)]
    best = min(runs, key=lambda run: run.seconds / run.bound)
    return [
        Figure(
            f"a whole run at {1000 * SECONDS_A_REQUEST:.0f} ms a request",
            f"{best.seconds:.2f} s for {best.requests} requests",
            f"{best.bound:.2f} s: longest chain {best.chain:.2f} s, all waits shared out {best.shared:.2f} s",
            best.seconds / best.bound,
            1.1,
        )
    ]
