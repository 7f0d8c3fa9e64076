"""Running plans: the built-in endpoint where one is asked for, all targets together, interruptions."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit, urlunsplit

from llmcompat.cli.labels import labels
from llmcompat.cli.problems import Problem, printable
from llmcompat.cli.progress import Progress
from llmcompat.cli.reference import References
from llmcompat.cli.runlog import RunLog
from llmcompat.cli.target import Plan
from llmcompat.engine.conclude import Against, described
from llmcompat.engine.loader import Checklist
from llmcompat.engine.runner import Event, Finished, run_target
from llmcompat.model import Exchange, Run, Target, TargetRun
from llmcompat.profiles import Profile
from llmcompat.simulator.app import CONTEXT_WINDOW
from llmcompat.simulator.faults import chosen
from llmcompat.simulator.personas import PersonaError, persona
from llmcompat.simulator.server import running
from llmcompat.version import __version__
from llmcompat.wire.pacing import Pacers

if TYPE_CHECKING:
    from llmcompat.cli.replaying import Replaying

_BUILT_IN_KEY = "llmcompat-built-in"
"""What stands for a key before the built-in endpoint: it opens nothing."""


@dataclass
class Outcome:
    """What came of the plans; `notes` are lines for the user on how it ended."""

    run: Run
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass
class _Way:
    """How far one target has come."""

    label: str
    run: TargetRun | None = None


def execute(
    checklist: Checklist,
    plans: Sequence[Plan],
    progress: Progress,
    *,
    references: References | None = None,
    answers: Sequence[Sequence[Exchange]] = (),
    log: RunLog | None = None,
    replaying: Replaying | None = None,
) -> Outcome:
    """Run the checklist on all targets at the same time; the results stand in the order of the plans.

    With `references` each run is held against its own one. `answers` holds, for each plan, what an earlier
    run brought. Ctrl-C and SIGTERM end the runs and what is known is judged; a second one ends at once.
    With `replaying` each target is sent the application's own requests after the checklist.
    """
    started, started_at = perf_counter(), datetime.now(UTC)
    ways = [_Way(label) for label in labels(plans)]
    stopped = asyncio.Event()
    interrupted = False
    pacers = Pacers()
    with contextlib.ExitStack() as stack:
        also = replaying.models if replaying is not None else ()

        def before_own(plan: Plan) -> Plan:
            own = plan.built_in or plan.settings.simulated
            return stack.enter_context(before_simulator(plan, also)) if own else plan

        ready = [before_own(plan) for plan in plans]
        comparing = replaying.comparing if replaying is not None else None
        comparing = before_own(comparing) if comparing is not None else None
        stack.enter_context(progress)
        work = [
            _run(
                checklist,
                plan,
                plans[number].profile,  # a simulation plays the profile at other addresses
                way,
                progress,
                references,
                answers=answers[number] if answers else (),
                on_exchange=log.recorder(number) if log else lambda exchange: None,
                stop=stopped,
                pacers=pacers,
                after=_replay_of(replaying, number, plan, comparing, log, pacers) if replaying else None,
            )
            for number, (plan, way) in enumerate(zip(ready, ways, strict=True))
        ]
        try:
            asyncio.run(_together(work, stopped))
        except KeyboardInterrupt:
            interrupted = True
    run = Run(
        tool_version=__version__,
        started_at=started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=perf_counter() - started,
        runs=tuple(way.run for way in ways if way.run is not None),
    )
    notes = [f"{way.label}: interrupted before anything could be judged" for way in ways if way.run is None]
    return Outcome(run, interrupted or stopped.is_set(), notes)


@contextlib.contextmanager
def before_simulator(plan: Plan, also: Sequence[str] = ()) -> Iterator[Plan]:
    """The same plan before a simulator of our own on a free loopback port, which knows the plan's models.

    `also` names further models that it is asked for.
    """
    if plan.settings.simulated:
        with _before_persona(plan, also) as simulated:
            yield simulated
        return
    settings, known = plan.settings, plan.profile.models
    if plan.profile.kind == "demo":
        # an endpoint with models of its own, to which any other name is unknown
        named = (known.default, known.vision, known.embedding)
        chat, vision, embedding = (model.value if model else None for model in named)
    else:
        chat, vision, embedding = settings.model, settings.vision_model, settings.embedding_model
    with running(
        faults=plan.faults,
        models=[name for name in dict.fromkeys((chat, vision, *also)) if name],
        embedding_models=[embedding] if embedding else [],
        context_window=settings.context_window or CONTEXT_WINDOW,
        api_key=_BUILT_IN_KEY if settings.has_key else None,
    ) as simulator:
        moved = settings.model_copy(update={"base_url": simulator.base_url, "loopback": True})
        yield replace(plan, settings=moved, key=_BUILT_IN_KEY if settings.has_key else None)


_LONGEST_SIMULATED_PROMPT = 200_000
"""Tokens: what costs nothing may be asked, up to where a simulation takes seconds over a prompt."""


@contextlib.contextmanager
def _before_persona(plan: Plan, also: Sequence[str] = ()) -> Iterator[Plan]:
    """The same plan before a simulation of its provider, with the models that the user named."""
    settings, profile = plan.settings, plan.profile
    try:
        played = persona(profile)
    except PersonaError as error:
        raise Problem(f"--simulate: {printable(str(error), 300)}") from None
    chat = (settings.model, settings.vision_model, *played.models, *also)
    with running(
        faults=[*played.faults, *chosen(plan.faults)],
        models=[name for name in dict.fromkeys(chat) if name and name not in profile.models.retired],
        embedding_models=[settings.embedding_model] if settings.embedding_model else [],
        context_window=settings.context_window or played.context_window,
        pages=played.pages,
    ) as simulator:
        changes = {
            "base_url": simulator.base_url,
            "loopback": True,
            "max_prompt_tokens": max(settings.max_prompt_tokens, _LONGEST_SIMULATED_PROMPT),
        }
        if profile.balance is not None and profile.balance.url is not None:
            parts, own = urlsplit(profile.balance.url), urlsplit(simulator.base_url)
            url = urlunsplit(parts._replace(scheme=own.scheme, netloc=own.netloc))
            balance = profile.balance.model_copy(update={"url": url})
            profile = profile.model_copy(update={"balance": balance})
        yield replace(plan, settings=settings.model_copy(update=changes), profile=profile)


_After = Callable[
    [TargetRun, Against | None, Callable[[int, int], None], asyncio.Event], Awaitable[TargetRun]
]
"""What follows the checklist on a target, and gives its run with what it found."""


def _replay_of(
    replaying: Replaying,
    number: int,
    plan: Plan,
    comparing: Plan | None,
    log: RunLog | None,
    pacers: Pacers,
) -> _After:
    """The replay on one target."""
    from llmcompat.cli.replaying import replayed

    async def after(
        run: TargetRun,
        against: Against | None,
        on_progress: Callable[[int, int], None],
        stop: asyncio.Event,
    ) -> TargetRun:
        return await replayed(
            replaying,
            plan,
            run,
            number=number,
            comparing=comparing,
            against=against,
            on_exchange=log.recorder(number) if log else lambda exchange: None,
            on_progress=on_progress,
            stop=stop,
            pacers=pacers,
        )

    return after


async def _together(work: Sequence[Coroutine[Any, Any, None]], stopped: asyncio.Event) -> None:
    with _interrupting(stopped):
        await asyncio.gather(*work)


@contextlib.contextmanager
def _interrupting(stopped: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM sets `stopped`; the next one is a KeyboardInterrupt."""
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Any] = {}

    def interrupt(number: int, frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        loop.call_soon_threadsafe(stopped.set)

    try:
        for each in (signal.SIGINT, signal.SIGTERM):
            before[each] = signal.signal(each, interrupt)
    except ValueError:  # not in the main thread: whoever runs us there handles signals
        pass
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


async def _run(
    checklist: Checklist,
    plan: Plan,
    published: Profile,
    way: _Way,
    progress: Progress,
    references: References | None,
    *,
    answers: Sequence[Exchange],
    on_exchange: Callable[[Exchange], None],
    stop: asyncio.Event,
    pacers: Pacers,
    after: _After | None = None,
) -> None:
    target = Target(plan.settings.provider, plan.settings.base_url, plan.settings.model)
    events = run_target(
        checklist,
        plan.settings,
        plan.profile,
        key=plan.key,
        secrets_to_hide=plan.secrets,
        against=references.against(target) if references else None,
        location=plan.location,
        answers=answers,
        on_exchange=on_exchange,
        stop=stop,
        pacers=pacers,
    )
    # closed at once when a second interruption ends it, so that nothing more is sent
    async with contextlib.aclosing(cast("AsyncGenerator[Event, None]", events)):
        async for event in events:
            if isinstance(event, Finished):
                way.run = replace(event.run, profile=described(published))
                if after is not None:
                    continue
            progress.show(way.label, event)
    if after is not None and way.run is not None:
        way.run = await after(
            way.run,
            references.against(target) if references else None,
            lambda done, of: progress.replayed(way.label, done, of),
            stop,
        )
        progress.show(way.label, Finished(way.run))
