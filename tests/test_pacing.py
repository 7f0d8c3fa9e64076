"""The pace of requests: who goes first, and what runs at one host share."""

import asyncio

import pytest

from llmcompat.wire.pacing import Pacer, Pacers

HOST = ("http", "host.test", 80)


async def order(pacer: Pacer, *urgencies: int) -> list[int]:
    """In which order requests of these urgencies are sent that all wait behind another one."""
    went: list[int] = []

    async def ask(urgency: int) -> None:
        async with pacer.turn(urgency):
            went.append(urgency)
            await asyncio.sleep(0)

    async with pacer.turn():
        waiting = [asyncio.create_task(ask(urgency)) for urgency in urgencies]
        await asyncio.sleep(0)
        assert went == []
    await asyncio.gather(*waiting)
    return went


async def test_the_most_urgent_request_goes_first() -> None:
    assert await order(Pacer(1), 0, 3, 1, 3) == [3, 3, 1, 0]


async def test_who_gives_up_holds_no_place() -> None:
    pacer = Pacer(1)
    async with pacer.turn():
        gone = asyncio.create_task(order(pacer))
        await asyncio.sleep(0)
        gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await order(pacer, 1, 2) == [2, 1]


async def test_runs_at_one_host_share_its_limits() -> None:
    pacers = Pacers()
    one, two = pacers.at(HOST, 8), pacers.at(HOST, 2)
    assert one is two
    assert pacers.at(("http", "host.test", 81), 8) is not one
    running = most = 0

    async def ask(pacer: Pacer) -> None:
        nonlocal running, most
        async with pacer.turn():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

    await asyncio.gather(*(ask(pacer) for pacer in (one, two) * 8))
    assert most == 2
