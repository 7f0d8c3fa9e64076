"""Running plans: the built-in endpoint where one is asked for, all targets together, interruptions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import perf_counter
from typing import cast
from urllib.parse import urlsplit, urlunsplit

from llmcompat.cli.problems import Problem, printable
from llmcompat.cli.progress import Progress
from llmcompat.cli.target import Plan
from llmcompat.engine.loader import Checklist
from llmcompat.engine.runner import Asked, Event, Finished, Planned, run_target
from llmcompat.model import Run, TargetRun
from llmcompat.simulator.app import CONTEXT_WINDOW
from llmcompat.simulator.faults import chosen
from llmcompat.simulator.personas import PersonaError, persona
from llmcompat.simulator.server import running
from llmcompat.version import __version__

_BUILT_IN_KEY = "llmcompat-built-in"
"""What stands for a key before the built-in endpoint: it opens nothing."""


@dataclass
class Outcome:
    """What came of the plans; `unfinished` says how far those came that an interruption ended."""

    run: Run
    interrupted: bool = False
    unfinished: list[str] = field(default_factory=list)


@dataclass
class _Way:
    """How far one target has come."""

    label: str
    probes: int = 0
    done: int = 0
    requests: int = 0
    run: TargetRun | None = None

    def __str__(self) -> str:
        if not self.requests:
            return f"{self.label}: interrupted before anything was answered"
        way = f"{self.done} of {self.probes} probes ({self.requests} requests)"
        return f"{self.label}: interrupted after {way}; nothing was judged"


def execute(checklist: Checklist, plans: Sequence[Plan], progress: Progress) -> Outcome:
    """Run the checklist on all targets at the same time; the results stand in the order of the plans."""
    started, started_at = perf_counter(), datetime.now(UTC)
    ways = [_Way(label) for label in labels(plans)]
    interrupted = False
    with contextlib.ExitStack() as stack:
        ready = [
            stack.enter_context(before_simulator(plan)) if plan.built_in or plan.settings.simulated else plan
            for plan in plans
        ]
        stack.enter_context(progress)
        try:
            asyncio.run(_run_all(checklist, ready, ways, progress))
        except KeyboardInterrupt:
            interrupted = True
    run = Run(
        tool_version=__version__,
        started_at=started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=perf_counter() - started,
        runs=tuple(way.run for way in ways if way.run is not None),
    )
    return Outcome(run, interrupted, [str(way) for way in ways if way.run is None])


@contextlib.contextmanager
def before_simulator(plan: Plan) -> Iterator[Plan]:
    """The same plan before a simulator of our own on a free loopback port, which knows the plan's models."""
    if plan.settings.simulated:
        with _before_persona(plan) as simulated:
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
        models=[name for name in dict.fromkeys((chat, vision)) if name],
        embedding_models=[embedding] if embedding else [],
        context_window=settings.context_window or CONTEXT_WINDOW,
        api_key=_BUILT_IN_KEY if settings.has_key else None,
    ) as simulator:
        moved = settings.model_copy(update={"base_url": simulator.base_url, "loopback": True})
        yield replace(plan, settings=moved, key=_BUILT_IN_KEY if settings.has_key else None)


_LONGEST_SIMULATED_PROMPT = 200_000
"""Tokens: what costs nothing may be asked, up to where a simulation takes seconds over a prompt."""


@contextlib.contextmanager
def _before_persona(plan: Plan) -> Iterator[Plan]:
    """The same plan before a simulation of its provider, with the models that the user named."""
    settings, profile = plan.settings, plan.profile
    try:
        played = persona(profile)
    except PersonaError as error:
        raise Problem(f"--simulate: {printable(str(error), 300)}") from None
    chat = (settings.model, settings.vision_model, *played.models)
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


def labels(plans: Sequence[Plan]) -> list[str]:
    """A name for each target: the provider's; with the model where two share it, else a number."""
    names: list[str] = []
    for plan in plans:
        same = [each for each in plans if each.settings.provider == plan.settings.provider]
        name = plan.settings.provider if len(same) == 1 else f"{plan.settings.provider}:{plan.settings.model}"
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return names


async def _run_all(
    checklist: Checklist, plans: Sequence[Plan], ways: Sequence[_Way], progress: Progress
) -> None:
    await asyncio.gather(
        *(_run(checklist, plan, way, progress) for plan, way in zip(plans, ways, strict=True))
    )


async def _run(checklist: Checklist, plan: Plan, way: _Way, progress: Progress) -> None:
    events = run_target(checklist, plan.settings, plan.profile, key=plan.key, secrets_to_hide=plan.secrets)
    # closed at once when interrupted, so that nothing more is sent while what is known is told
    async with contextlib.aclosing(cast("AsyncGenerator[Event, None]", events)):
        async for event in events:
            if isinstance(event, Planned):
                way.probes = event.probes
            elif isinstance(event, Asked):
                way.done, way.requests = event.done, event.requests
            elif isinstance(event, Finished):
                way.run = event.run
            progress.show(way.label, event)
