"""`--dry-run`: the same run before the built-in simulator, counted and priced as the target would."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from llmcompat.cli.execute import execute
from llmcompat.cli.labels import labels
from llmcompat.cli.progress import Progress
from llmcompat.cli.target import Plan
from llmcompat.declare import Probe
from llmcompat.engine.decide import Exit, worst
from llmcompat.engine.loader import Checklist
from llmcompat.engine.selection import select
from llmcompat.model import TargetRun

_NO_BOUND = 10**12

_LENIENT = ("unknown-parameters-ignored",)
"""What only the target knows (a switch for thinking) must not be refused, or less is counted."""


@dataclass(frozen=True)
class Estimate:
    """What a run would come to. Tokens are those of the simulator's own tokenizer and answers."""

    label: str
    target: str
    checks: int
    probes: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    usd: float | None
    """None where no price is known: unknown is not zero."""
    price_source: str | None
    waits: int
    """Answers that must be waited for one after the other at this concurrency."""
    limit: str
    """What ends the run should it cost more."""
    stopped: str | None


def estimate(checklist: Checklist, plans: Sequence[Plan], progress: Progress) -> tuple[list[Estimate], int]:
    """Run all plans before simulators of our own; the estimates in their order, and the exit status."""
    ready = []
    for plan in plans:
        # the bounds on money are what the estimate is for, so they must not cut it short
        unbounded = plan.settings.model_copy(update={"max_usd": float(_NO_BOUND), "max_tokens": _NO_BOUND})
        ready.append(replace(plan, settings=unbounded, built_in=True, faults=_LENIENT))
    outcome = execute(checklist, ready, progress)
    if outcome.interrupted:
        return [], int(Exit.INTERRUPTED)
    estimates = [
        _estimate(checklist, plan, label, run)
        for plan, label, run in zip(plans, labels(plans), outcome.run.runs, strict=True)
    ]
    codes = [run.exit_code for run in outcome.run.runs if run.stopped and run.exit_code == Exit.NOTHING_RAN]
    return estimates, worst(codes)


def as_text(estimates: Sequence[Estimate]) -> str:
    """The estimates in words."""
    blocks = []
    for each in estimates:
        lines = [f"{each.label}: nothing was sent to {each.target}."]
        if each.stopped:
            lines.append(f"  The run would end early: {each.stopped}")
        price = f" ({each.price_source})" if each.price_source else ""
        cost = "unknown: no price is known" if each.usd is None else f"about {each.usd:.4f} USD{price}"
        tokens = f"{each.prompt_tokens} in and {each.completion_tokens} out"
        more = "more where the endpoint refuses a request and is asked in parts"
        lines += [
            f"  judged    {each.checks} checks from {each.probes} probes, tried on the built-in simulator",
            f"  requests  about {each.requests}; {more}",
            f"  tokens    about {tokens}; more if the model thinks",
            f"  cost      {cost}; {each.limit}",
            f"  time      about {each.waits} waits for one answer",
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def as_json(estimates: Sequence[Estimate]) -> str:
    """The estimates as a JSON list."""
    rows: list[Mapping[str, Any]] = [
        {
            "target": each.label,
            "base_url": each.target,
            "checks": each.checks,
            "probes": each.probes,
            "requests": each.requests,
            "prompt_tokens": each.prompt_tokens,
            "completion_tokens": each.completion_tokens,
            "usd": each.usd,
            "price_source": each.price_source,
            "waits": each.waits,
            "stopped": each.stopped,
        }
        for each in estimates
    ]
    return json.dumps(rows, indent=1) + "\n"


def _estimate(checklist: Checklist, plan: Plan, label: str, run: TargetRun) -> Estimate:
    settings = plan.settings
    selection = select(checklist, settings)
    spend = run.spend
    if settings.pricing is not None:
        limit = f"the run ends at --max-usd {settings.max_usd:g}"
    elif settings.loopback:
        limit = "this machine is not billed"
    else:
        limit = f"the run ends at {settings.max_tokens} tokens"
    return Estimate(
        label=label,
        target="any network address" if plan.built_in else settings.base_url,
        checks=len(selection.checks),
        probes=len(selection.probes),
        requests=spend.requests,
        prompt_tokens=spend.prompt_tokens,
        completion_tokens=spend.completion_tokens,
        usd=spend.usd,
        price_source=_price_source(plan),
        waits=max(longest_chain(selection.probes), math.ceil(spend.requests / settings.concurrency)),
        limit=limit,
        stopped=run.stopped,
    )


def _price_source(plan: Plan) -> str | None:
    pricing = plan.settings.pricing
    if pricing is None:
        return None
    return f"{pricing.source}, as of {pricing.as_of.isoformat()}" if pricing.as_of else pricing.source


def longest_chain(probes: Mapping[str, Probe]) -> int:
    """How many probes wait for each other: the longest line of needs, and those that are asked alone."""
    lengths: dict[str, int] = {}

    def length(name: str) -> int:
        if name not in lengths:
            lengths[name] = 1 + max(
                (length(need) for need in probes[name].needs if need in probes), default=0
            )
        return lengths[name]

    alone = sum(probe.alone for probe in probes.values())
    # plain chat and the basics come before everything else
    return 2 + max((length(name) for name, probe in probes.items() if not probe.alone), default=0) + alone
