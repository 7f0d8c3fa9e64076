"""One run on one target: preflight, probes at the pace that the endpoint bears, judgement and verdict.

It yields events and prints nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from llmcompat.api import Api, Conversation, Stop
from llmcompat.billing.budget import Budget
from llmcompat.declare import Blocked, Ending, Probe
from llmcompat.engine.decide import Exit, exit_code, verdict
from llmcompat.engine.evidence import build, gather_evidence
from llmcompat.engine.ground import DeadEnd, dead_end, retired
from llmcompat.engine.judge import judge, skipped
from llmcompat.engine.loader import Checklist
from llmcompat.engine.selection import GROUND, Selection, select
from llmcompat.model import Exchange, Level, Result, Spend, Status, Target, TargetRun, Unasked, UseCase
from llmcompat.profiles.schema import Profile
from llmcompat.reply import Replies, Reply, dig, is_int
from llmcompat.settings import Settings
from llmcompat.wire.client import Client, Pacer
from llmcompat.wire.redaction import Redactor


@dataclass(frozen=True)
class Planned:
    """The run begins: so many probes will be asked."""

    probes: int
    checks: int


@dataclass(frozen=True)
class Asked:
    """A probe has ended."""

    probe: str
    done: int
    of: int
    requests: int


@dataclass(frozen=True)
class Finished:
    """The run has ended."""

    run: TargetRun


Event = Planned | Asked | Finished


@dataclass
class _State:
    """What a run has brought so far."""

    probes: Mapping[str, Probe]
    budget: Budget
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    unasked: dict[str, Unasked] = field(default_factory=dict)
    stopped: DeadEnd | None = None

    def record(self, exchange: Exchange) -> None:
        self.exchanges[exchange.id] = exchange
        self.budget.add(*_tokens(exchange))

    def admit(self) -> None:
        """Raise Stop when nothing more may be spent."""
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
) -> AsyncIterator[Event]:
    """Run the checklist on one target.

    `seed` decides code words and jitter. It is saved, and the same for the same model unless it is given, so
    that an endpoint that answers alike is judged alike. Raises SelectionError before anything is sent;
    whatever the endpoint does ends in the run that the last event carries.
    """
    selection = select(checklist, settings)
    seed = seed or hashlib.sha256(f"{settings.provider}/{settings.model}".encode()).hexdigest()[:16]
    budget = Budget(None if settings.loopback else settings.max_usd, settings.pricing, settings.max_tokens)
    state = _State(checklist.probes, budget)
    redactor = Redactor([*([key] if key else []), *secrets_to_hide])
    started, started_at = perf_counter(), datetime.now(UTC)
    yield Planned(len(selection.probes), len(selection.checks))

    def record(exchange: Exchange) -> None:
        state.record(exchange)
        on_exchange(exchange)

    rpm = profile.limits.requests_per_minute
    pacer = Pacer(settings.concurrency, rpm.value if rpm and not settings.loopback else None)
    client = Client(
        settings.base_url,
        key=key,
        headers={**profile.headers, **settings.headers},
        timeout=settings.timeout,
        pacer=pacer,
        redactor=redactor,
        record=record,
        admit=state.admit,
        seed=seed,
        trust_environment=not settings.loopback,
    )
    conversation = Conversation(client, settings, profile, seed=seed)
    state.stopped = retired(settings, profile) if not settings.simulated else None
    if state.stopped is None:
        ended: asyncio.Queue[str | None] = asyncio.Queue()
        work = asyncio.create_task(
            _ask_everything(selection, conversation, state, ended.put_nowait, settings)
        )
        done = 0
        try:
            async with client:
                while (name := await ended.get()) is not None:
                    done += 1
                    yield Asked(name, done, len(selection.probes), conversation.requests)
                await work
        finally:
            work.cancel()
    run = _conclude(
        checklist,
        selection,
        conversation,
        state,
        redactor,
        started_at=started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=perf_counter() - started,
    )
    yield Finished(run)


async def _ask_everything(
    selection: Selection,
    conversation: Conversation,
    state: _State,
    ended: Callable[[str | None], None],
    settings: Settings,
) -> None:
    """Ask all probes within the deadline; whatever happens, say at the end that nothing more comes."""
    try:
        async with asyncio.timeout(settings.deadline):
            await _ask_in_order(selection, conversation, state, ended)
    except TimeoutError:
        state.stopped = state.stopped or DeadEnd(
            f"the deadline of {settings.deadline:g} s is over", Exit.NO_ANSWER
        )
    except Stop as stop:
        state.stopped = state.stopped or DeadEnd(str(stop), Exit.NO_ANSWER)
    finally:
        reason = state.stopped.reason if state.stopped else "the run was interrupted"
        asked = {ask.probe for ask in conversation.asks}
        for name in selection.probes:
            if name not in asked:
                state.unasked.setdefault(name, Unasked(reason))
        ended(None)


async def _ask_in_order(
    selection: Selection, conversation: Conversation, state: _State, ended: Callable[[str | None], None]
) -> None:
    probes = selection.probes
    await _together(*(_ask(probes[name], conversation, state, 1, ended) for name in ("models_list", "hello")))
    hello = _brought(probes["hello"], conversation, state)
    listed = _brought(probes["models_list"], conversation, state)
    if not isinstance(hello, Reply) or not isinstance(listed, Reply):
        return
    waiting = dict(probes)
    end = dead_end(conversation.settings, hello, listed, None)
    if end is not None and hello.status in (400, 422) and end.exit_code != Exit.NOTHING_RAN:
        await _ask(waiting.pop("basics"), conversation, state, 1, ended)
        basics = _brought(probes["basics"], conversation, state)
        end = dead_end(conversation.settings, hello, listed, basics if isinstance(basics, Replies) else None)
    if end is not None:
        state.stopped = end
        return
    behind = _chain_behind(probes)
    rest = [probe for name, probe in waiting.items() if name not in ("models_list", "hello")]
    rest.sort(key=lambda probe: (-behind[probe.name], not probe.early))
    for round in range(1, conversation.settings.repeat + 1):
        asked = [probe for probe in rest if not probe.alone and (round == 1 or probe.name != "basics")]
        await _ask_concurrently(asked, conversation, state, round, ended)
        for probe in rest:
            if probe.alone:
                await _ask(probe, conversation, state, round, ended)


async def _ask_concurrently(
    probes: list[Probe],
    conversation: Conversation,
    state: _State,
    round: int,
    ended: Callable[[str | None], None],
) -> None:
    """Ask probes as soon as what they need is there, in the order in which they get a connection."""
    tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(probe: Probe) -> None:
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
            if brought is None:
                state.unasked[probe.name] = state.unasked.get(name, Unasked(f"{name} was not asked"))
                return
            needs.append(brought)
        await probe.function(Api(conversation, probe, round), *needs)
    except Blocked as end:
        state.unasked[probe.name] = Unasked(end.reason, end.owner)
    except Ending as end:
        state.unasked[probe.name] = Unasked(str(end))
    except Stop as stop:
        state.stopped = state.stopped or DeadEnd(str(stop), Exit.NO_ANSWER)
        state.unasked[probe.name] = Unasked(str(stop), cut=True)
    except asyncio.CancelledError:
        state.unasked[probe.name] = Unasked("the run ended before", cut=True)
        raise
    except Exception as error:
        frame = next(
            (
                each
                for each in reversed(traceback.extract_tb(error.__traceback__))
                if each.filename == probe.file
            ),
            None,
        )
        where = f"{Path(probe.file).name}:{frame.lineno if frame else probe.line}"
        state.unasked[probe.name] = Unasked(
            f"the probe itself broke at {where}: {type(error).__name__}: {error}"
        )
    finally:
        if round == 1:
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


def _conclude(
    checklist: Checklist,
    selection: Selection,
    conversation: Conversation,
    state: _State,
    redactor: Redactor,
    started_at: str,
    seconds: float,
) -> TargetRun:
    """Judge what the probes brought, and decide."""
    settings, profile = conversation.settings, conversation.profile
    rounds = [
        gather_evidence(checklist.probes, conversation.asks, state.exchanges, state.unasked, round)
        for round in range(1, settings.repeat + 1)
    ]
    nothing_asked = state.stopped is not None and not any(
        ask.probe not in GROUND for ask in conversation.asks
    )
    results = judge(
        selection.checks,
        checklist,
        rounds,
        profile,
        settings,
        redact=redactor.text,
        unanswered=state.stopped.reason if state.stopped and nothing_asked else None,
    )
    results += [
        skipped(checklist.checks[id], reason, settings, asked=id not in selection.unasked)
        for id, reason in selection.skipped.items()
    ]
    order = {id: position for position, id in enumerate(checklist.checks)}
    results.sort(key=lambda result: order[result.id])
    code = exit_code(results, settings.use_case, strict=settings.strict)
    if state.stopped is not None and nothing_asked:
        code = Exit(state.stopped.exit_code)
    elif state.stopped is not None and code is Exit.COMPATIBLE:
        code = Exit.NO_ANSWER
    return TargetRun(
        target=Target(
            settings.provider,
            settings.base_url,
            settings.model,
            redactor.value({**conversation.basics.extra, **settings.body}),
        ),
        use_case=settings.use_case,
        exit_code=int(code),
        verdicts={use_case.value: verdict(results, use_case) for use_case in UseCase},
        open=tuple(_still_open(results, simulated=settings.simulated)),
        settings=redactor.value(settings.model_dump(mode="json")),
        basics=conversation.basics.as_dict(),
        profile={
            "name": profile.name,
            "display_name": profile.display_name,
            "base_url": profile.base_url,
            "kind": profile.kind,
            "key_variable": profile.key_variable,
            "verified_live": profile.verified_live.isoformat() if profile.verified_live else None,
            "pages": profile.pages.model_dump(mode="json", exclude_none=True),
            "context_window": profile.limits.context_window.value if profile.limits.context_window else None,
        },
        seed=conversation.seed,
        started_at=started_at,
        seconds=seconds,
        spend=Spend(
            requests=len(state.exchanges),
            prompt_tokens=state.budget.prompt_tokens,
            completion_tokens=state.budget.completion_tokens,
            usd=state.budget.spent_usd,
            held_back=conversation.client.pacer.held_back,
        ),
        checks=tuple(results),
        exchanges=tuple(state.exchanges.values()),
        asks=tuple(conversation.asks),
        unasked=dict(state.unasked),
        items=tuple((item.name, item.title, item.sentence) for item in checklist.items),
        stopped=state.stopped.reason if state.stopped else None,
        simulated=settings.simulated,
    )


def _still_open(results: list[Result], *, simulated: bool) -> Iterator[str]:
    """What stands between this run and "ready": nothing here says anything of the user's own code."""
    if simulated:
        yield "the endpoint itself was not asked: all of this is documented, not measured"
    yield "your prompts, streaming parser and retry logic were not tested"
    manual = sum(result.status is Status.MANUAL for result in results)
    if manual:
        yield f"{manual} manual lines wait for a person"
    musts = [result for result in results if result.level is Level.MUST]
    unknown = sum(result.status is Status.ERROR for result in musts)
    if unknown:
        yield f"{unknown} of {len(musts)} musts unanswered"


def _tokens(exchange: Exchange) -> tuple[int, int]:
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
