"""From exchanges to what checks are given, alike while a run goes on and when a saved one is judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from llmcompat.declare import Probe
from llmcompat.model import Ask, Exchange, Unasked
from llmcompat.reply import BUNDLE, Exchanges, Replies, Reply


@dataclass(frozen=True)
class Evidence:
    """What the probes of one round brought."""

    replies: Mapping[str, Reply | Replies]
    unasked: Mapping[str, Unasked]
    exchanges: Exchanges


def gather_evidence(
    probes: Mapping[str, Probe],
    asks: Iterable[Ask],
    exchanges: Mapping[str, Exchange],
    unasked: Mapping[str, Unasked],
    round: int = 1,
) -> Evidence:
    """The evidence of a round; what was asked only in the first one (the ground) counts in every one."""
    by_probe: dict[str, list[Ask]] = {}
    for ask in asks:
        by_probe.setdefault(ask.probe, []).append(ask)
    replies: dict[str, Reply | Replies] = {}
    every: list[Reply] = []
    for name, made in by_probe.items():
        chosen = [ask for ask in made if ask.round == round] or [ask for ask in made if ask.round == 1]
        value = build(probes[name], chosen, exchanges)
        if value is None:
            continue
        if name not in unasked or not unasked[name].cut:
            replies[name] = value
        for reply in value.values() if isinstance(value, Replies) else [value]:
            every.extend(reply.attempts)
    _lay_grounds(probes, replies)
    once = {reply.exchange.id: reply for reply in every}
    ordered = sorted(once.values(), key=lambda reply: int(reply.exchange.id[1:]))
    return Evidence(replies, unasked, Exchanges(ordered))


def build(probe: Probe, asks: Iterable[Ask], exchanges: Mapping[str, Exchange]) -> Reply | Replies | None:
    """What one probe brought; None where it asked nothing."""
    parts: dict[str | None, list[Reply]] = {}
    for ask in sorted(asks, key=lambda ask: ask.number):
        reply = Reply(
            [exchanges[id] for id in ask.exchanges],
            probe=probe.name,
            part=ask.part,
            number=ask.number,
            owner=probe.owner,
            called=probe.called,
        )
        parts.setdefault(ask.part, []).append(reply)
    for attempts in parts.values():
        attempts[-1].attempts = tuple(attempts)
    last = {part: attempts[-1] for part, attempts in parts.items()}
    if probe.many:
        return Replies({part or BUNDLE: reply for part, reply in last.items()}, probe.name, probe.owner)
    return last[None] if None in last else next(iter(last.values()), None)


def _lay_grounds(probes: Mapping[str, Probe], replies: Mapping[str, Reply | Replies]) -> None:
    for name, value in replies.items():
        grounds = []
        for ground in probes[name].grounds:
            below = replies.get(ground)
            if isinstance(below, Replies):
                below = dict(below).get(BUNDLE)
            if below is not None:
                grounds.append(below)
        for reply in value.values() if isinstance(value, Replies) else [value]:
            for attempt in reply.attempts:
                attempt.grounds = tuple(grounds)
