"""An incident in five requests: which they are, what judges them, what they say beside the last green run."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from llmcompat.api import Api
from llmcompat.declare import Probe, Skipped
from llmcompat.engine.difference import Change, Kind, difference
from llmcompat.engine.loader import GIVEN, Checklist
from llmcompat.model import Exchange, Status, TargetRun
from llmcompat.reply import Predicate, Reply
from llmcompat.wire.client import Request

FIVE: Mapping[str, str] = {
    "models_list": "model list",
    "hello": "plain chat",
    "stream_text": "streamed chat",
    "weather_call": "forced tool call",
    "unknown_model": "a request to be refused",
}
"""The probes that are asked, and what each is in a few words."""

_ID = re.compile(
    r"(?i)(?:request|trace|correlation|call|generation|inference|groq)[-_]?id|cf-ray|traceparent|x-cloud-trace-context"
)

_LONGEST_ID = 200
"""Characters of an id that are shown."""


class _Once(Api):
    """The endpoint as a probe sees it, asked once: an incident is seen as it is, and counts its requests."""

    def __init__(self, api: Api, *, force_tools: bool) -> None:
        super().__init__(api._conversation, api._probe, api._round)
        self._force_tools = force_tools

    async def _ask(
        self, body: dict[str, Any], part: str | None, until: Predicate | None, **how: Any
    ) -> Reply:
        forced = {"tool_choice": "required"} if self._force_tools and "tools" in body else {}
        return await super()._ask(body | forced, part, None, **how)

    async def _send(self, request: Request, part: str | None, number: int) -> Reply:
        return await super()._send(replace(request, retries=0), part, number)


def incident_checklist(checklist: Checklist, green: TargetRun | None) -> Checklist:
    """The checklist whose probes send five requests at most: each once, and never again where it fails.

    The settings that worked are taken from the last green run, so that nothing is asked to find them out;
    without one they are the profile's. The tool call is forced unless tool_choice was refused there.
    """
    known = green.basics if green is not None else {}
    taken = (
        next((each.status for each in green.checks if each.id == "tool-choice-accepted"), None)
        if green
        else None
    )
    probes = dict(checklist.probes)
    for name in FIVE:
        probe = probes[name]
        probes[name] = replace(
            probe,
            function=_asked_once(probe, force_tools=taken is not Status.FAIL),
            grounds=tuple(each for each in probe.grounds if each in FIVE),
        )
    probes["basics"] = replace(probes["basics"], function=_known_basics(known))
    return replace(checklist, probes=probes)


def incident_checks(checklist: Checklist) -> tuple[str, ...]:
    """The ids of the checks that judge nothing beyond the five requests, but for what a person decides."""
    judged = {*FIVE, *GIVEN}
    return tuple(
        check.id
        for check in checklist.checks.values()
        if set(check.needs) <= judged and check.kind != "manual"
    )


def _asked_once(probe: Probe, *, force_tools: bool) -> Callable[..., Awaitable[Any]]:
    async def ask(api: Api, *needs: Any) -> Any:
        return await probe.function(_Once(api, force_tools=force_tools), *needs)

    return ask


def _known_basics(known: Mapping[str, Any]) -> Callable[..., Awaitable[Any]]:
    async def take(api: Api, hello: Reply) -> None:
        basics = api.basics
        limit = known.get("token_limit", api.profile.request.token_limit_parameter or "max_tokens")
        basics.token_limit = limit if limit in ("max_tokens", "max_completion_tokens") else None
        if "temperature" in known and known["temperature"] is None:
            basics.temperature = None
        if known.get("stream_options") is False:
            basics.stream_options = False
        if isinstance(extra := known.get("extra"), Mapping):
            basics.extra = dict(extra)
        raise Skipped("not asked: what worked in the last green run, or the profile, is taken")

    return take


@dataclass(frozen=True)
class StatusPage:
    """What the provider's status page says; `said` is None where it could not be read, for `reason`."""

    url: str
    said: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Asked:
    """One of the requests: what it was, how it ended, how long the same one took in the last green run."""

    what: str
    exchange: Exchange
    seconds_before: float | None
    ids: tuple[tuple[str, str], ...]
    """Names and values that the provider can find it by."""


@dataclass(frozen=True)
class Incident:
    """What is known of an incident."""

    run: TargetRun
    green: TargetRun | None
    status: StatusPage | None
    asked: tuple[Asked, ...]
    changes: tuple[Change, ...]
    """What changed since the last green run among the checks that were judged, worst first."""

    @property
    def not_asked(self) -> list[str]:
        """Those of the five that were not sent, because plain chat did not work."""
        if self.run.stopped is None:
            return []
        sent = {asked.exchange.probe for asked in self.asked}
        return [what for name, what in FIVE.items() if name not in sent]


def incident(run: TargetRun, green: TargetRun | None, status: StatusPage | None = None) -> Incident:
    """Put together what five requests brought, beside the last green run where there is one."""
    before = {
        exchange.probe: exchange.seconds
        for exchange in (green.exchanges if green else ())
        if exchange.status is not None and exchange.part is None
    }
    asked = [
        Asked(FIVE.get(each.probe, each.probe), each, before.get(each.probe), request_ids(each))
        for each in run.exchanges
    ]
    order = list(FIVE.values())
    asked.sort(key=lambda each: order.index(each.what) if each.what in order else len(order))
    changes: tuple[Change, ...] = ()
    if green is not None:
        judged = {result.id for result in run.checks}
        kinds = (Kind.BROKE, Kind.NEW, Kind.OTHER, Kind.LOST, Kind.HEALED)
        found = difference(green, run).of(*kinds)
        changes = tuple(change for change in found if change.result.id in judged)
    return Incident(run, green, status, tuple(asked), changes)


def request_ids(exchange: Exchange) -> tuple[tuple[str, str], ...]:
    """What a provider's support finds a request by: headers of the answer, and the id in its body."""
    found = [
        (name.lower(), value[:_LONGEST_ID]) for name, value in exchange.headers if _ID.search(name) and value
    ]
    reply = Reply([exchange])
    first = reply.all_chunks[0].data if reply.streamed and reply.all_chunks else reply.document
    answer = first.get("id") if isinstance(first, dict) else None
    if exchange.method == "POST" and isinstance(answer, str) and answer:
        found.append(("answer id", answer[:_LONGEST_ID]))
    return tuple(dict.fromkeys(found))
