"""One run on one target: preflight, probes at the pace that the endpoint bears, judgement and verdict.

It yields events and prints nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any

from llmcompat.api import Api, Conversation, Stop
from llmcompat.billing.budget import Budget
from llmcompat.declare import Blocked, Ending, Probe
from llmcompat.engine.broken import Broken, broke_with
from llmcompat.engine.conclude import Against, Brought, conclude
from llmcompat.engine.decide import Exit
from llmcompat.engine.evidence import build
from llmcompat.engine.ground import DeadEnd, dead_end, retired
from llmcompat.engine.hearing import Elsewhere
from llmcompat.engine.live import with_live_facts
from llmcompat.engine.loader import GIVEN, Checklist
from llmcompat.engine.selection import GROUND, Selection, select
from llmcompat.model import Exchange, Location, Spend, TargetRun, Unasked
from llmcompat.profiles.schema import Profile
from llmcompat.reply import Replies, Reply, dig, forget_readings, is_int
from llmcompat.settings import Settings
from llmcompat.wire.client import Client, origin
from llmcompat.wire.limits import TOO_LATE
from llmcompat.wire.pacing import Pacers
from llmcompat.wire.redaction import Redactor


@dataclass(frozen=True)
class Planned:
    """The run begins: so many probes will be asked."""

    probes: int
    checks: int
    items: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The items of which a check is judged, by title, each with the probes that are asked for it."""


@dataclass(frozen=True)
class Asked:
    """A probe has ended, by itself: one that the end of the run cuts off is never told."""

    probe: str
    done: int
    of: int
    requests: int
    again: bool = False
    """It will be asked once more (`--repeat`)."""


@dataclass(frozen=True)
class Finished:
    """The run has ended."""

    run: TargetRun


Event = Planned | Asked | Finished


_MOST_SILENT = 10
"""Tries in a row without an answer in time after which a run ends: more would only wait."""

AHEAD = ("unknown_route", "malformed_json", "missing_messages", "unknown_model")
"""Asked beside the first two: each is to be refused, so that it costs next to nothing."""

INTERRUPTED = "the run was interrupted"


@dataclass
class _State:
    """What a run has brought so far."""

    probes: Mapping[str, Probe]
    budget: Budget
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    unasked: dict[str, Unasked] = field(default_factory=dict)
    stopped: DeadEnd | None = None
    silent: int = 0
    """Tries in a row that brought nothing in time."""

    def record(self, exchange: Exchange) -> None:
        self.exchanges[exchange.id] = exchange
        self.budget.add(*tokens_used(exchange))
        late = exchange.error is not None and exchange.error.endswith(TOO_LATE)
        self.silent = self.silent + 1 if late else 0

    def admit(self) -> None:
        """Raise Stop when nothing more may be spent, or nothing comes any more."""
        if self.silent >= _MOST_SILENT:
            raise Stop(
                f"the endpoint answers no longer: {self.silent} tries in a row brought nothing in time"
            )
        if not self.budget.exhausted:
            return
        if self.budget.price is None:
            raise Stop(f"{self.budget.max_tokens_without_price} tokens are used up and no price is known")
        raise Stop(f"--max-usd {self.budget.max_usd:g} is used up")


async def run_target(
    checklist: Checklist,
    settings: Settings,
    profile: Profile,
    *,
    key: str | None = None,
    secrets_to_hide: tuple[str, ...] = (),
    seed: str | None = None,
    on_exchange: Callable[[Exchange], None] = lambda exchange: None,
    answers: Sequence[Exchange] = (),
    stop: asyncio.Event | None = None,
    against: Against | None = None,
    location: Location | None = None,
    pacers: Pacers | None = None,
) -> AsyncIterator[Event]:
    """Run the checklist on one target.

    `seed` decides code words and jitter. It is saved, and the same for the same model unless it is given, so
    that an endpoint that answers alike is judged alike. `on_exchange` takes each exchange as it ends.
    `answers` are those of an earlier run that ended early: only what is missing is asked. When `stop` is set
    the run ends, and what is known is judged. `against` is a run that this one is held against. Runs that
    share `pacers` keep the limits of a host together.
    Raises SelectionError before anything is sent; whatever the endpoint does ends in the run that the last
    event carries.
    """
    selection = select(checklist, settings)
    seed = seed or hashlib.sha256(f"{settings.provider}/{settings.model}".encode()).hexdigest()[:16]
    budget = Budget(None if settings.loopback else settings.max_usd, settings.pricing, settings.max_tokens)
    state = _State(checklist.probes, budget)
    redactor = Redactor([*([key] if key else []), *secrets_to_hide])
    started, started_at = perf_counter(), datetime.now(UTC)
    yield Planned(len(selection.probes), len(selection.checks), _probes_by_item(checklist, selection))

    already = {exchange.id for exchange in answers}

    def record(exchange: Exchange) -> None:
        state.record(exchange)
        if exchange.id not in already:
            on_exchange(exchange)

    def admit() -> None:
        state.admit()
        if client.patience.over is not None:
            raise Stop(client.patience.over)

    rpm = profile.limits.requests_per_minute
    per_minute = rpm.value if rpm and not settings.loopback else None
    pacer = (pacers or Pacers()).at(origin(settings.base_url), settings.concurrency, per_minute)
    client = Client(
        settings.base_url,
        key=key,
        headers={**profile.headers, **settings.headers},
        timeout=settings.timeout,
        pacer=pacer,
        redactor=redactor,
        record=record,
        admit=admit,
        seed=seed,
        trust_environment=not settings.loopback,
        answers=answers,
    )
    conversation = Conversation(client, settings, profile, seed=seed)
    state.stopped = retired(settings, profile) if not settings.simulated else None
    if state.stopped is None:
        ended: asyncio.Queue[str | None] = asyncio.Queue()
        work = asyncio.create_task(
            _ask_everything(selection, conversation, state, ended.put_nowait, settings, stop)
        )
        rounds = {name: 1 if name in GROUND else settings.repeat for name in selection.probes}
        done, planned = 0, sum(rounds.values())
        try:
            async with client:
                while (name := await ended.get()) is not None:
                    rounds[name] -= 1
                    done += 1
                    yield Asked(name, done, planned, conversation.requests, again=rounds[name] > 0)
                await work
        finally:
            work.cancel()
    brought = Brought(
        asks=conversation.asks,
        exchanges=state.exchanges,
        unasked=state.unasked,
        stopped=state.stopped,
        basics=conversation.basics.as_dict(),
        mode={**conversation.basics.extra, **conversation.settings.body},
        seed=seed,
        started_at=started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=perf_counter() - started,
        spend=Spend(
            requests=len(state.exchanges),
            prompt_tokens=state.budget.prompt_tokens,
            completion_tokens=state.budget.completion_tokens,
            usd=state.budget.spent_usd,
            held_back=client.held_back,
        ),
    )
    work_out = partial(
        conclude,
        checklist,
        selection,
        conversation.settings,
        conversation.profile,
        brought,
        today=started_at.date(),
        redact=redactor.text,
        redact_value=redactor.value,
        against=against,
        location=location,
    )
    run = await _concluded(work_out, checklist)
    forget_readings()
    yield Finished(run)


async def _concluded(work_out: Callable[[], TargetRun], checklist: Checklist) -> TargetRun:
    """What a run says. Other targets do not wait for checks that are judged in another process."""
    elsewhere = [
        check.function for check in checklist.checks.values() if isinstance(check.function, Elsewhere)
    ]
    if not elsewhere:
        return work_out()
    try:
        return await asyncio.to_thread(work_out)
    except asyncio.CancelledError:
        for each in elsewhere:
            each.give_up()
        raise


def _probes_by_item(checklist: Checklist, selection: Selection) -> dict[str, frozenset[str]]:
    """What is asked for each item; a check that looks over all exchanges asks nothing of its own."""
    found: dict[str, frozenset[str]] = {}
    titles = {item.name: item.title for item in checklist.items}
    for check in selection.checks:
        title = titles[check.item]
        found[title] = found.get(title, frozenset()) | set(check.needs).difference(GIVEN)
    return {title: found[title] for title in titles.values() if title in found}


class _Interrupted(Exception):
    """The user ended the run."""


@contextlib.asynccontextmanager
async def _until(stop: asyncio.Event | None) -> AsyncIterator[None]:
    """Cut off what is done within when `stop` is set, as `_Interrupted`."""
    if stop is None:
        yield
        return
    working = asyncio.current_task()
    assert working is not None
    interrupted = False

    async def watch() -> None:
        nonlocal interrupted
        await stop.wait()
        interrupted = True
        working.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not interrupted:
            raise
        working.uncancel()
        raise _Interrupted from None
    finally:
        watching.cancel()


async def _ask_everything(
    selection: Selection,
    conversation: Conversation,
    state: _State,
    ended: Callable[[str | None], None],
    settings: Settings,
    stop: asyncio.Event | None,
) -> None:
    """Ask all probes within the deadline; whatever happens, say at the end that nothing more comes."""
    try:
        async with asyncio.timeout(settings.deadline), _until(stop):
            await _ask_in_order(selection, conversation, state, ended)
    except _Interrupted:
        state.stopped = state.stopped or DeadEnd(INTERRUPTED, Exit.INTERRUPTED, underway=_spoke(state))
    except TimeoutError:
        state.stopped = state.stopped or DeadEnd(
            f"the deadline of {settings.deadline:g} s is over", Exit.NO_ANSWER, underway=_spoke(state)
        )
    except Stop as stop:
        state.stopped = state.stopped or DeadEnd(str(stop), Exit.NO_ANSWER, underway=_spoke(state))
    finally:
        reason = state.stopped.reason if state.stopped else INTERRUPTED
        asked = {ask.probe for ask in conversation.asks}
        for name in selection.probes:
            if name not in asked:
                state.unasked.setdefault(name, Unasked(reason))
        ended(None)


def _spoke(state: _State) -> bool:
    """Whether plain chat has answered: what else is known then says something of the endpoint."""
    return any(
        exchange.probe == "hello" and exchange.status is not None and 200 <= exchange.status < 300
        for exchange in state.exchanges.values()
    )


async def _ask_in_order(
    selection: Selection, conversation: Conversation, state: _State, ended: Callable[[str | None], None]
) -> None:
    async with _ahead(selection.probes, conversation, state, ended) as ahead:
        await _ask_on(selection, conversation, state, ended, ahead)


async def _ask_on(
    selection: Selection,
    conversation: Conversation,
    state: _State,
    ended: Callable[[str | None], None],
    ahead: Mapping[str, asyncio.Task[bool]],
) -> None:
    probes = selection.probes
    await _together(*(_ask(probes[name], conversation, state, 1, ended) for name in ("models_list", "hello")))
    hello = _brought(probes["hello"], conversation, state)
    listed = _brought(probes["models_list"], conversation, state)
    if not isinstance(hello, Reply) or not isinstance(listed, Reply):
        return
    conversation.settings = with_live_facts(conversation.settings, conversation.profile, listed)
    if "pricing" in conversation.settings.live and conversation.settings.pricing is not None:
        state.budget.reprice(conversation.settings.pricing)
    waiting = dict(probes)
    end = dead_end(conversation.settings, hello, listed, None)
    if end is not None and hello.status in (400, 422) and end.exit_code != Exit.NOTHING_RAN:
        await _ask(waiting.pop("basics"), conversation, state, 1, ended)
        basics = _brought(probes["basics"], conversation, state)
        end = dead_end(conversation.settings, hello, listed, basics if isinstance(basics, Replies) else None)
    if end is not None and end.chat_only and _does_without_chat(probes):
        waiting.pop("basics", None)
        end = None
    if end is not None:
        state.stopped = end
        await _drop(ahead, conversation, state)
        return
    behind = _chain_behind(probes)
    rest = [probe for name, probe in waiting.items() if name not in ("models_list", "hello")]
    # what asks several things first: their number is not known, and single questions fill the end
    rest.sort(key=lambda probe: (-behind[probe.name], not probe.early, not probe.many))
    conversation.behind = behind
    for round in range(1, conversation.settings.repeat + 1):
        asked = [probe for probe in rest if not probe.alone and (round == 1 or probe.name != "basics")]
        await _ask_concurrently(asked, conversation, state, round, ended, ahead if round == 1 else {})
        for probe in rest:
            if probe.alone:
                await _ask(probe, conversation, state, round, ended)


@contextlib.asynccontextmanager
async def _ahead(
    probes: Mapping[str, Probe],
    conversation: Conversation,
    state: _State,
    ended: Callable[[str | None], None],
) -> AsyncIterator[Mapping[str, asyncio.Task[bool]]]:
    """Ask `AHEAD` as far as connections are free, and end it with what is done within."""
    free = max(0, conversation.settings.concurrency - 2)
    chosen = [probes[name] for name in AHEAD if name in probes][:free]
    tasks = {
        probe.name: asyncio.create_task(_ask_ahead(probe, conversation, state, ended)) for probe in chosen
    }
    try:
        yield tasks
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


async def _ask_ahead(
    probe: Probe, conversation: Conversation, state: _State, ended: Callable[[str | None], None]
) -> bool:
    """Ask a probe early; False where it takes so long that the endpoint may be dead: it is not asked then."""
    # plain chat comes first, also on the way
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(conversation.settings.timeout / 4):
            await _ask(probe, conversation, state, 1, ended)
    except TimeoutError:
        del state.unasked[probe.name]
        return False
    return True


async def _drop(ahead: Mapping[str, asyncio.Task[bool]], conversation: Conversation, state: _State) -> None:
    """End what is asked ahead, as if it had not been asked: of a dead endpoint it says nothing."""
    for task in ahead.values():
        task.cancel()
    await asyncio.gather(*ahead.values(), return_exceptions=True)
    conversation.asks = [ask for ask in conversation.asks if ask.probe not in ahead]
    for name in ahead:
        state.unasked.pop(name, None)


def _does_without_chat(probes: Mapping[str, Probe]) -> bool:
    """Whether something is to be asked, and none of it builds on chat, as at an endpoint of embeddings."""
    asked = [probe for name, probe in probes.items() if name not in GROUND]
    return bool(asked) and all(probe.early and {"models_list"}.issuperset(probe.grounds) for probe in asked)


async def _ask_concurrently(
    probes: list[Probe],
    conversation: Conversation,
    state: _State,
    round: int,
    ended: Callable[[str | None], None],
    ahead: Mapping[str, asyncio.Task[bool]],
) -> None:
    """Ask probes as soon as what they need is there, in the order in which they get a connection."""
    tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(probe: Probe) -> None:
        if probe.name in ahead and await ahead[probe.name]:
            return
        needs = probe.needs if probe.early or probe.name == "basics" else (*probe.needs, "basics")
        await asyncio.gather(*(tasks[name] for name in needs if name in tasks))
        await _ask(probe, conversation, state, round, ended)

    async with asyncio.TaskGroup() as group:
        for probe in probes:
            tasks[probe.name] = group.create_task(ask(probe))


async def _together(*work: Coroutine[Any, Any, None]) -> None:
    async with asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(each)


async def _ask(
    probe: Probe, conversation: Conversation, state: _State, round: int, ended: Callable[[str | None], None]
) -> None:
    """Ask one probe; a probe that cannot ask says why in `unasked`, and its checks say it on."""
    try:
        needs = []
        for name in probe.needs:
            brought = _brought(state.probes[name], conversation, state, round)
            missing = state.unasked.get(name)
            if brought is None or (missing is not None and missing.cut):
                state.unasked[probe.name] = missing or Unasked(f"{name} was not asked")
                if state.stopped is None:
                    ended(probe.name)
                return
            needs.append(brought)
        await probe.function(Api(conversation, probe, round), *needs)
    except Blocked as end:
        state.unasked[probe.name] = Unasked(end.reason, end.owner)
    except Ending as end:
        state.unasked[probe.name] = Unasked(str(end))
    except Stop as stop:
        state.stopped = state.stopped or DeadEnd(str(stop), Exit.NO_ANSWER, underway=_spoke(state))
        state.unasked[probe.name] = Unasked(str(stop), cut=True)
        return
    except asyncio.CancelledError:
        state.unasked[probe.name] = Unasked("the run ended before", cut=True)
        raise
    except Broken as end:
        state.unasked[probe.name] = Unasked(str(end), cut=True)
    except Exception as error:
        state.unasked[probe.name] = Unasked(broke_with(probe, error), cut=True)
    ended(probe.name)


def _brought(
    probe: Probe, conversation: Conversation, state: _State, round: int = 1
) -> Reply | Replies | None:
    made = [ask for ask in conversation.asks if ask.probe == probe.name]
    return build(probe, [ask for ask in made if ask.round == round] or made, state.exchanges)


def _chain_behind(probes: Mapping[str, Probe]) -> dict[str, int]:
    """How long a chain of probes waits for each one: the longest chains are asked first."""
    behind: dict[str, int] = {}

    def length(name: str) -> int:
        if name not in behind:
            waiting = [
                probe.name
                for probe in probes.values()
                if name in probe.needs or (name == "basics" and not probe.early and probe.name not in GROUND)
            ]
            behind[name] = 1 + max(map(length, waiting), default=0)
        return behind[name]

    for name in probes:
        length(name)
    return behind


def tokens_used(exchange: Exchange) -> tuple[int, int]:
    """What an exchange used by its own count, else by its length: four characters a token."""
    reply = Reply([exchange])
    usage = (reply.find_usage() or _ended_with(reply)) if exchange.status == 200 else {}
    counted: list[Any] = [
        next((usage[name] for name in names if name in usage), None)
        for names in (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
    ]
    if is_int(counted[0]) and 0 <= counted[0] < 10**9:
        completion = counted[1] if is_int(counted[1]) and 0 <= counted[1] < 10**9 else 0
        return int(counted[0]), int(completion)
    if exchange.status != 200 or "/chat/completions" not in exchange.url:
        return 0, 0
    text = reply.reasoning + str(dig(reply.document, "choices.0.message.content") or "")
    return len(exchange.request_body or "") // 4, len(text) // 4


def _ended_with(reply: Reply) -> dict[str, Any]:
    """The usage that the last event of a Responses stream carries within its response."""
    last = reply.all_chunks[-1].data if reply.streamed and reply.all_chunks else {}
    usage = dig(last, "response.usage")
    return usage if isinstance(usage, dict) else {}
