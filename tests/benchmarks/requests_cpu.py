"""CPU time of a request: the whole tool beside bare httpx, which sends the same requests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import process_time

import httpx

from llmcompat.engine.loader import load_checklist
from llmcompat.model import Exchange
from llmcompat.wire.client import Client, Request
from llmcompat.wire.pacing import Pacer
from tests.benchmarks.figures import Figure
from tests.benchmarks.servers import canned
from tests.benchmarks.whole_run import finished, target

_AT_ONCE = 8


async def bare(exchanges: Sequence[Exchange]) -> None:
    """The same requests without anything of ours."""
    free = asyncio.Semaphore(_AT_ONCE)
    async with httpx.AsyncClient() as client:

        async def send(each: Exchange) -> None:
            async with free:
                body = each.request_body.encode() if each.request_body is not None else None
                await client.request(each.method, each.url, content=body, headers=dict(each.request_headers))

        await asyncio.gather(*map(send, exchanges))


async def recorded(exchanges: Sequence[Exchange], base_url: str) -> None:
    """The same requests with the recording client."""
    async with Client(base_url, key=None, pacer=Pacer(_AT_ONCE), trust_environment=False) as client:

        async def send(each: Exchange) -> None:
            body = each.request_body.encode() if each.request_body is not None else None
            await client.send(Request(each.method, each.url, body, retries=0), probe=each.probe)

        await asyncio.gather(*map(send, exchanges))


def figures(times: int = 5) -> list[Figure]:
    """Milliseconds of CPU a request, the best of some goes of each, taken in turn."""
    checklist = load_checklist()
    with canned() as base_url:
        each = target(base_url)
        run, _ = asyncio.run(finished(checklist, each))
        count = len(run.exchanges)
        goes: dict[str, list[float]] = {"bare": [], "recorded": [], "tool": []}
        for _ in range(times):
            for name, work in (
                ("bare", bare(run.exchanges)),
                ("recorded", recorded(run.exchanges, base_url)),
                ("tool", finished(checklist, each)),
            ):
                started = process_time()
                asyncio.run(work)
                goes[name].append(1000 * (process_time() - started) / count)
    best = {name: min(taken) for name, taken in goes.items()}
    against = f"{best['bare']:.2f} ms of bare httpx"
    return [
        Figure(
            "CPU a request, recorded",
            f"{best['recorded']:.2f} ms",
            against,
            best["recorded"] / best["bare"],
            1.2,
        ),
        Figure(
            "CPU a request, whole tool", f"{best['tool']:.2f} ms", against, best["tool"] / best["bare"], 2.0
        ),
    ]
