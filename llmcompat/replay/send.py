"""Sending a workload to a target, a few requests at a time, and judging each answer as it comes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import perf_counter
from typing import Protocol

from llmcompat.api import Stop
from llmcompat.billing import price_for
from llmcompat.billing.budget import Budget
from llmcompat.engine.runner import INTERRUPTED, tokens_used
from llmcompat.model import Exchange, Result, Spend, TargetRun
from llmcompat.profiles import load_profile
from llmcompat.profiles.schema import Profile
from llmcompat.project.prompts import Expectations
from llmcompat.replay.compare import compare, similarity
from llmcompat.replay.joining import Fault, joined
from llmcompat.replay.kinds import Told, told
from llmcompat.replay.model_judge import ModelJudge
from llmcompat.replay.results import Judged, Tally
from llmcompat.replay.workload import Workload, old_answer
from llmcompat.reply import Reply
from llmcompat.settings import Pricing, Settings
from llmcompat.wire.client import Client, Request, origin
from llmcompat.wire.pacing import Pacers
from llmcompat.wire.redaction import Redactor
from llmcompat.workload.format import Answers
from llmcompat.workload.format import Request as Recorded

PROBE = "workload"
"""What an exchange of a replay names as its probe; its part is the request's custom_id."""

_MOST_SILENT = 10
"""Requests in a row without any answer after which a replay ends: more would only wait."""

_LONGEST_PART = 200


class Earlier(Protocol):
    """The answers of a replay that ended early."""

    def get(self, identity: str) -> Sequence[Exchange]:
        """All tries of the request with this identity; none where it is to be asked."""


@dataclass(frozen=True)
class Replayed:
    """What a replay came to."""

    results: tuple[Result, ...]
    exchanges: tuple[Exchange, ...]
    """Those of the requests that fail worst."""
    spend: Spend
    seconds: float
    stopped: str | None = None
    """Why not all requests were sent, in one line."""
    interrupted: bool = False


class _Client(Client):
    """A client whose answers are not kept, so that each may be as long as the first one."""

    first = 0
    earlier: Earlier | None = None

    async def send(
        self,
        request: Request,
        *,
        probe: str,
        part: str | None = None,
        sample: str = "",
        urgency: Callable[[], int] = lambda: 0,
    ) -> list[Exchange]:
        """Send it as any client does, unless an earlier run brought the answer."""
        self._kept = self._values = 0
        self._count = max(self._count, self.first)
        if self.earlier is not None:
            known = list(self.earlier.get(self._identity(request, sample)))
            for exchange in known:
                self._record(exchange)
            if known:
                return known
        return await super().send(request, probe=probe, part=part, sample=sample, urgency=urgency)


async def replay(
    workload: Workload,
    settings: Settings,
    profile: Profile,
    run: TargetRun,
    *,
    of: int,
    skipped: int = 0,
    key: str | None = None,
    secrets_to_hide: tuple[str, ...] = (),
    on_exchange: Callable[[Exchange], None] = lambda exchange: None,
    on_progress: Callable[[int, int], None] = lambda done, of: None,
    earlier: Earlier | None = None,
    judge: ModelJudge | None = None,
    stop: asyncio.Event | None = None,
    pacers: Pacers | None = None,
) -> Replayed:
    """Send every request of the workload, `settings.repeat` times, and judge its answers.

    `run` is what the checklist came to on the same target: what it spent counts for the bound on money, and
    its price is used. `of` and `skipped` are how many requests and unusable lines the workload has. The
    deadline counts anew, and `pacers` are those of the run. Raises WorkloadError where a file cannot be read
    any more; whatever the endpoint does ends in the results.
    """
    redactor = Redactor([*([key] if key else []), *secrets_to_hide])
    budget = _budget(settings, run)
    rpm = profile.limits.requests_per_minute
    per_minute = rpm.value if rpm and not settings.loopback else None
    pacer = (pacers or Pacers()).at(origin(settings.base_url), settings.concurrency, per_minute)
    work = _Work(workload, settings, profile, budget, Tally(redactor.text), of, on_progress, judge)

    def record(exchange: Exchange) -> None:
        work.spent(exchange)
        on_exchange(exchange)

    def admit() -> None:
        work.admit()
        if client.patience.over is not None:
            raise Stop(client.patience.over)

    client = _Client(
        settings.base_url,
        key=key,
        headers={**profile.headers, **settings.headers},
        timeout=settings.timeout,
        pacer=pacer,
        redactor=redactor,
        record=record,
        admit=admit,
        seed=run.seed,
        trust_environment=not settings.loopback,
    )
    client.first = max((int(each.id[1:]) for each in run.exchanges if each.id[1:].isdecimal()), default=0)
    client.earlier = earlier
    started = perf_counter()
    stopped, interrupted = None, False
    with contextlib.closing(work):
        async with client:
            sending = asyncio.create_task(work.run(client))
            stopping = asyncio.create_task(_set(stop))
            await asyncio.wait(
                {sending, stopping}, timeout=settings.deadline, return_when=asyncio.FIRST_COMPLETED
            )
            stopping.cancel()
            if not sending.done():
                interrupted = stop is not None and stop.is_set()
                stopped = INTERRUPTED if interrupted else f"the deadline of {settings.deadline:g} s is over"
                sending.cancel()
            try:
                stopped = await sending or stopped
            except asyncio.CancelledError:
                if stopped is None:
                    raise
    results = work.tally.results(
        settings,
        of=of,
        stopped=stopped,
        skipped=skipped,
        new_usd=None if settings.simulated else budget.spent_usd,
    )
    if settings.simulated:  # its speed says nothing of the provider's
        results = [result for result in results if result.id != "workload-latency"]
    return Replayed(
        tuple(results),
        work.tally.exchanges,
        Spend(work.sent, budget.prompt_tokens, budget.completion_tokens, budget.spent_usd, client.held_back),
        perf_counter() - started,
        stopped,
        interrupted,
    )


def _budget(settings: Settings, run: TargetRun) -> Budget:
    """What is left of the bound on the run, at the price that the run found."""
    found = run.settings.get("pricing")
    price = Pricing.model_validate(found) if found else settings.pricing
    used = run.spend.prompt_tokens + run.spend.completion_tokens
    if settings.loopback:
        return Budget(None, price, settings.max_tokens)
    return Budget(
        max(0.0, settings.max_usd - (run.spend.usd or 0.0)), price, max(0, settings.max_tokens - used)
    )


async def _set(stop: asyncio.Event | None) -> None:
    await (stop or asyncio.Event()).wait()


class _Work:
    """A replay under way."""

    def __init__(
        self,
        workload: Workload,
        settings: Settings,
        profile: Profile,
        budget: Budget,
        tally: Tally,
        of: int,
        on_progress: Callable[[int, int], None],
        judge: ModelJudge | None,
    ) -> None:
        self._workload = workload
        self._settings = settings
        self._profile = profile
        self._budget = budget
        self.tally = tally
        self._of = of
        self._on_progress = on_progress
        self._judge = judge
        self._answers: Answers | None = workload.answers()
        self._source = workload.requests()
        self._silent = 0
        self._done = 0
        self.sent = 0

    def close(self) -> None:
        """Close the file of old answers."""
        if self._answers is not None:
            self._answers.close()

    def spent(self, exchange: Exchange) -> None:
        """Count a try that was sent."""
        self.sent += 1
        self._budget.add(*tokens_used(exchange))

    def admit(self) -> None:
        """Raise Stop when nothing more may be spent, or nothing comes any more."""
        if self._silent >= _MOST_SILENT:
            raise Stop(f"the endpoint answers no longer: {self._silent} requests in a row had no answer")
        if not self._budget.exhausted:
            return
        if self._budget.price is None:
            raise Stop(f"{self._settings.max_tokens} tokens are used up and no price is known")
        raise Stop(f"--max-usd {self._settings.max_usd:g} is used up")

    async def run(self, client: Client) -> str | None:
        """Send everything; why not all was sent, or None."""
        stopped: str | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._settings.concurrency):
                    group.create_task(self._worker(client))
        except* Stop as stops:
            stopped = str(next(_leaves(stops)))
        return stopped

    async def _worker(self, client: Client) -> None:
        # all workers draw from one iterator, so that no more than their number is held at once
        for request, expect in self._source:
            await self._one(client, request, expect)
            self._done += 1
            self._on_progress(self._done, self._of)

    async def _one(self, client: Client, request: Recorded, expect: Expectations | None) -> None:
        answer = self._answers.get(request.custom_id) if self._answers is not None else None
        old = old_answer(request, answer)
        body = self._workload.body(request, self._settings, self._profile.request.body)
        if body.get("model") is None:
            self.tally.unanswered("no model is known to ask: name one with --map or --embedding-model")
            return
        sending = Request(
            request.method,
            request.url.removeprefix("/v1/"),
            json.dumps(body).encode(),
            stream=request.streamed,
        )
        rounds = []
        for round in range(1, self._settings.repeat + 1):
            part = request.custom_id[:_LONGEST_PART]
            tries = await client.send(sending, probe=PROBE, part=part, sample=f"{request.custom_id}#{round}")
            judged = self._judged(request, old, expect, Reply(tries, probe=PROBE, part=part))
            if judged is not None:
                rounds.append(judged)
        if rounds and self._judge is not None and old is not None:
            finding = await self._judge.compare(request, old, rounds[0].new)
            if finding is not None:
                rounds[0] = replace(rounds[0], findings=[*rounds[0].findings, finding])
        self.tally.add(request.custom_id, request.line, old, rounds)
        if rounds and old is not None and old.prompt_tokens is not None:
            self.tally.tokens_cost(_old_cost(request, old))

    def _judged(
        self, request: Recorded, old: Told | None, expect: Expectations | None, reply: Reply
    ) -> Judged | None:
        """One answer's findings; None where it is no answer of the endpoint."""
        trouble = {401: "the key was refused (401)", 402: "out of money (402)", 429: "throttled (429)"}
        late = reply.status is None
        self._silent = self._silent + 1 if late or reply.status in trouble else 0
        if reply.status in trouble:
            self.tally.unanswered(trouble[reply.status or 0])
            return None
        new, fault = read(request, reply)
        if old is not None and old.kind == new.kind == "text":
            self.tally.sample("similarity", similarity(old.text, new.text))
        return Judged(compare(request, old, new, expect, fault), new, reply.exchange)


def read(request: Recorded, reply: Reply) -> tuple[Told, Fault | None]:
    """What an answer says, and what hinders reading it where it is a stream."""
    exchange = reply.exchange
    fault: Fault | None = None
    body = reply.document
    if request.streamed and reply.answered:
        body, fault = joined(reply, request.url)
    error = "" if reply.answered and exchange.ended != "cut" else reply.excerpt
    if reply.answered and not request.streamed and not isinstance(body, dict):
        error = error or f"no JSON: {reply.excerpt}"
    first = exchange.arrivals[0][1] if exchange.arrivals else None
    new = told(
        request.url,
        reply.status,
        body,
        error=error,
        seconds=exchange.seconds,
        first_byte=first if request.streamed else None,
    )
    return new, fault


def _old_cost(request: Recorded, old: Told) -> float | None:
    """USD that the old answer cost at OpenAI's list price; None for a model that OpenAI does not sell."""
    price = _openai_price(str(request.body.get("model")))
    if price is None or old.prompt_tokens is None:
        return None
    return price.cost(old.prompt_tokens, old.completion_tokens or 0)


@functools.lru_cache(maxsize=64)
def _openai_price(model: str) -> Pricing | None:
    return price_for(load_profile("openai"), model, datetime.now(UTC))


def _leaves(group: BaseExceptionGroup[Stop]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each
