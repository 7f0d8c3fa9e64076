"""Runs the user's command once without faults, again to see what is steady, and once for each scenario."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from llmcompat.rehearsal.process import CannotStart, Command
from llmcompat.rehearsal.proxy import Proxy, Upstream
from llmcompat.rehearsal.scenario import Scenario
from llmcompat.rehearsal.wirelog import Ending, Observed

DUMMY_KEY = "sk-rehearsal-no-key"
"""What stands for a key in the command's environment: it opens nothing."""

ALERT_VARIABLE = "LLMCOMPAT_ALERT_URL"
"""Names, for the command, where its monitoring is to send alerts."""

_BASE_URL_VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE")
_READY_PAUSE = 0.1
_LAST_LINES = 12


class CannotRehearse(Exception):
    """Nothing could be judged; the text says why, and `lines` are the last ones of the command."""

    def __init__(self, reason: str, lines: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.lines = tuple(lines)


@dataclass(frozen=True)
class Orders:
    """What is to be run, and how."""

    command: tuple[str, ...]
    """A command that ends, or with `drive` a server."""
    ready: str | None = None
    """The URL at which the server answers when it is ready."""
    drive: str | None = None
    """The command that makes the server work, in the system's shell."""
    variables: tuple[str, ...] = ()
    """More environment variables that get the base URL."""
    keys: tuple[str, ...] = ()
    """More environment variables that get a key that opens nothing."""
    fallback_variables: tuple[str, ...] = ()
    """Environment variables that get the base URL of the second endpoint."""
    scenario_timeout: float = 60.0
    """Seconds that one run of the command may take."""
    within: float = 30.0
    """Seconds in which monitoring must have sent its alert."""
    jobs: int = 1
    port: int = 0
    """The port of the base URL, 0 for a free one."""
    like: str | None = None
    """The provider whose refusals are worded."""


@dataclass
class Rehearsal:
    """What came of it; `unplayed` says of a scenario why it has nothing to judge."""

    baseline: list[Observed] = field(default_factory=list)
    """The runs without faults."""
    observed: dict[str, Observed] = field(default_factory=dict)
    """By the name of the scenario."""
    unplayed: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False


OnObserved = Callable[[str, Observed], None]


async def rehearse(
    orders: Orders,
    scenarios: Sequence[Scenario],
    upstream: Upstream,
    environment: Mapping[str, str],
    *,
    worth_playing: Callable[[Scenario, Sequence[Observed]], bool] = lambda scenario, baseline: True,
    on_observed: OnObserved = lambda name, observed: None,
) -> Rehearsal:
    """Run the command under all scenarios; `environment` is what it gets beside our variables.

    A scenario for which `worth_playing` says no to the runs without faults is left out. Cancelled (Ctrl-C),
    the command is ended and what is known is returned. Raises CannotRehearse where the command cannot start
    or does not come through without faults, OSError for a port in use.
    """
    found = Rehearsal()
    try:
        if orders.drive is not None:
            await _with_server(orders, scenarios, upstream, environment, found, worth_playing, on_observed)
        else:
            await _with_commands(orders, scenarios, upstream, environment, found, worth_playing, on_observed)
    except asyncio.CancelledError:
        if not found.baseline:
            raise
        found.interrupted = True
    return found


def last_lines(ending: Ending) -> list[str]:
    """The last lines of a command: of standard error, or of standard output where there are none."""
    lines = [line.rstrip() for line in (ending.errors.strip() or ending.out.strip()).splitlines()]
    return lines[-_LAST_LINES:]


async def _with_commands(
    orders: Orders,
    scenarios: Sequence[Scenario],
    upstream: Upstream,
    environment: Mapping[str, str],
    found: Rehearsal,
    worth_playing: Callable[[Scenario, Sequence[Observed]], bool],
    on_observed: OnObserved,
) -> None:
    async def one(scenario: Scenario | None) -> Observed:
        proxy = Proxy(upstream, orders.like, orders.port)
        await proxy.start()
        try:
            await proxy.begin(scenario)
            return await _one_command(orders, scenario, proxy, orders.command, environment)
        finally:
            await proxy.close()

    for _ in range(2):
        observed = await one(None)
        _refuse_bad_start(observed, "the command")
        found.baseline.append(observed)
        on_observed("", observed)
        if not observed.seen:
            return
    free = asyncio.Semaphore(orders.jobs)

    async def play(scenario: Scenario) -> None:
        async with free:
            found.observed[scenario.name] = await one(scenario)
        on_observed(scenario.name, found.observed[scenario.name])

    try:
        async with asyncio.TaskGroup() as group:
            for scenario in scenarios:
                if worth_playing(scenario, found.baseline):
                    group.create_task(play(scenario))
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
        if isinstance(first, (OSError, CannotRehearse)):
            raise first from None
        raise


async def _with_server(
    orders: Orders,
    scenarios: Sequence[Scenario],
    upstream: Upstream,
    environment: Mapping[str, str],
    found: Rehearsal,
    worth_playing: Callable[[Scenario, Sequence[Observed]], bool],
    on_observed: OnObserved,
) -> None:
    drive = orders.drive or ""
    proxy = Proxy(upstream, orders.like, orders.port)
    server: Command | None = None
    try:
        await proxy.start()
        await proxy.begin(None)
        server = await _start_server(orders, proxy, environment)
        for _ in range(2):
            await proxy.begin(None)
            observed = await _one_command(orders, None, proxy, drive, environment, server)
            _refuse_bad_start(observed, "--drive")
            found.baseline.append(observed)
            on_observed("", observed)
            if not observed.seen:
                return
        for scenario in scenarios:
            if not worth_playing(scenario, found.baseline):
                continue
            if not server.running:
                await server.end()
                await proxy.begin(None)
                server = await _start_server(orders, proxy, environment)
            await proxy.begin(scenario)
            observed = await _one_command(orders, scenario, proxy, drive, environment, server)
            found.observed[scenario.name] = observed
            on_observed(scenario.name, observed)
            if observed.ending.kind in ("time", "stopped"):
                # what it still tries would be seen in the next scenario
                await server.end()
    finally:
        if server is not None:
            await server.end()
        await proxy.close()


async def _start_server(orders: Orders, proxy: Proxy, environment: Mapping[str, str]) -> Command:
    ready = orders.ready or ""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        if await _answers(client, ready):
            raise CannotRehearse(f"--ready {ready}: something answers there already; end it first")
        server = await _start(orders.command, _environment(orders, proxy, environment))
        try:
            patience = time.monotonic() + orders.scenario_timeout
            while not await _answers(client, ready):
                if not server.running:
                    await server.end()
                    ending = server.ending()
                    reason = f"the application ended before it was ready: {ending.words}"
                    raise CannotRehearse(reason, last_lines(ending))
                if time.monotonic() > patience:
                    raise CannotRehearse(
                        f"--ready {ready}: did not answer within {orders.scenario_timeout:g} s; "
                        "check the URL, or give it longer with --scenario-timeout",
                        last_lines(server.ending()),
                    )
                await asyncio.sleep(_READY_PAUSE)
        except BaseException:
            await server.end()
            raise
    return server


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        response = await client.get(url)
    except httpx.InvalidURL:
        raise CannotRehearse(f"--ready {url}: is no URL, such as http://127.0.0.1:8000/health") from None
    except httpx.UnsupportedProtocol:
        raise CannotRehearse(f"--ready {url}: must begin with http:// or https://") from None
    except httpx.HTTPError:
        return False
    return response.status_code < 500


async def _start(command: Sequence[str] | str, environment: Mapping[str, str]) -> Command:
    try:
        return await Command.start(command, environment)
    except CannotStart as error:
        name = command if isinstance(command, str) else command[0]
        raise CannotRehearse(f"{name}: cannot start: {error}") from None


async def _one_command(
    orders: Orders,
    scenario: Scenario | None,
    proxy: Proxy,
    command: Sequence[str] | str,
    environment: Mapping[str, str],
    server: Command | None = None,
) -> Observed:
    """Run a command until it ends, its time is over, or it has tried too often."""
    mark = server.errors_so_far if server is not None else 0
    started = await _start(command, _environment(orders, proxy, environment))
    try:
        ended, too_many = asyncio.create_task(started.wait()), asyncio.create_task(proxy.too_many.wait())
        try:
            await asyncio.wait(
                (ended, too_many), timeout=orders.scenario_timeout, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ended.cancel()
            too_many.cancel()
        kept_running, stopped = started.running, started.running and proxy.too_many.is_set()
        if not kept_running and scenario is not None and "alert" in scenario.expect and proxy.log.seen:
            # monitoring may need longer than the work that it watches
            with contextlib.suppress(TimeoutError):
                left = proxy.log.seen[0].at + orders.within - proxy.now()
                await asyncio.wait_for(proxy.alerted.wait(), max(0.0, left))
    finally:
        await started.end()
    ending = started.ending(kept_running, stopped)
    died = None
    if server is not None:
        ending = Ending(
            ending.kind,
            ending.status,
            ending.seconds,
            ending.out,
            f"{server.errors_since(mark)}\n{ending.errors}".strip(),
            ending.out_is_whole,
        )
        died = None if server.running else server.ending().words
    log = proxy.log
    return Observed(ending, tuple(log.seen), tuple(log.alerts), log.dropped, died)


def _refuse_bad_start(observed: Observed, name: str) -> None:
    ending = observed.ending
    if observed.died:
        reason = f"without faults the application ended: {observed.died}; nothing can be judged"
    elif ending.kind == "time":
        reason = (
            f"without faults {name} did not end within {ending.seconds:.0f} s; give it longer with "
            "--scenario-timeout, or rehearse a server with --ready and --drive"
        )
    elif ending.kind == "signal" or ending.status:
        reason = f"without faults {name} failed: {ending.words}; nothing can be judged"
    else:
        return
    raise CannotRehearse(reason, last_lines(ending))


def _environment(orders: Orders, proxy: Proxy, given: Mapping[str, str]) -> dict[str, str]:
    """What the command gets: the base URL and keys that open nothing, past any proxy that is set."""
    environment = dict(given)
    environment |= dict.fromkeys((*_BASE_URL_VARIABLES, *orders.variables), proxy.base_url)
    environment |= dict.fromkeys(("OPENAI_API_KEY", *orders.keys), DUMMY_KEY)
    environment |= dict.fromkeys(orders.fallback_variables, proxy.fallback_url)
    environment[ALERT_VARIABLE] = proxy.alert_url
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = ",".join(filter(None, (given.get(name), "127.0.0.1", "localhost")))
    return environment
