"""Latency: how long the first token takes, how fast the rest follows, and how long the line is silent."""

import math
from collections.abc import Sequence
from itertools import pairwise

from llmcompat import (
    Api,
    Chunk,
    Replies,
    Reply,
    Settings,
    check,
    fail,
    is_int,
    judged,
    measure,
    note,
    probe,
    skip,
    unanswered,
)

from ._control import taken

SAMPLES = 5
_IDLE = 30.0
"""Seconds of silence at which the first idle watchdogs of clients end a stream."""


@probe(owner="latency", grounds=["hello", "stream_text"], alone=True)
async def latency_samples(api: Api) -> Replies:
    """Streams one after the other, each a request of its own: nothing else and no cache is measured."""
    replies: dict[str, Reply] = {}
    for number in range(1, SAMPLES + 1):
        text = f"Sample {number}: count from 1 to 30, separated by commas."
        replies[f"sample-{number}"] = await api.chat(text, stream=True, part=f"sample-{number}")
    return Replies(replies, "latency_samples", "latency")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of the values does not pass (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(math.ceil(share * len(ranked)), 1) - 1]


def _carries_tokens(chunk: Chunk) -> bool:
    """Whether a chunk holds a piece of the answer or of the thinking before it."""
    for choice in chunk.choices:
        delta = choice.get("delta")
        if isinstance(delta, dict) and any(
            delta.get(name) for name in ("content", "reasoning_content", "reasoning")
        ):
            return True
    return False


def token_times(reply: Reply) -> list[float]:
    """When pieces of the answer arrived: seconds since the request was sent."""
    return [chunk.seconds for chunk in reply.chunks if _carries_tokens(chunk)]


def tokens_a_second(reply: Reply) -> float | None:
    """Speed after the first token, by the endpoint's own counter; None where it cannot be told."""
    times = token_times(reply)
    counted = (reply.find_usage() or {}).get("completion_tokens")
    if len(times) < 2 or times[-1] <= times[0] or not is_int(counted) or counted is None or counted < 2:
        return None
    return float((counted - 1) / (times[-1] - times[0]))


def largest_silence(reply: Reply) -> float:
    """The longest time without a byte after the headers, in seconds."""
    moments = [reply.exchange.headers_seconds or 0.0, *(moment for _, moment in reply.exchange.arrivals)]
    return max((later - earlier for earlier, later in pairwise(moments)), default=0.0)


@check(
    "latency",
    fix=(
        "Compare with the timeouts of your client and proxies; raise them, or choose a nearer or faster "
        "endpoint."
    ),
    chat="should",
    agent="should",
)
def latency(latency_samples: Replies) -> None:
    """How fast streams begin and run.

    Five samples from where you are now: a figure to compare, with no bar. Only a sample that is refused
    fails.
    """
    for reply in latency_samples.values():
        taken(reply, "sample-refused")
    timed = judged(
        (reply for reply in latency_samples.values() if token_times(reply)), nothing="content-not-empty"
    )
    firsts = [token_times(reply)[0] for reply in timed]
    measure("first token, p50", round(percentile(firsts, 0.5), 3), "s")
    measure(f"first token, p95 of {len(firsts)}", round(percentile(firsts, 0.95), 3), "s")
    speeds = [speed for reply in timed if (speed := tokens_a_second(reply)) is not None]
    if speeds:
        measure("tokens a second, p50", round(percentile(speeds, 0.5), 1), "tokens/s")
        measure(f"tokens a second, slowest of {len(speeds)}", round(min(speeds), 1), "tokens/s")
    else:
        note("tokens a second cannot be told: no usage, or each answer came in one piece")
    slowest = max(timed, key=largest_silence)
    silence, headers = largest_silence(slowest), slowest.exchange.headers_seconds
    measure("longest silence in a stream", round(silence, 3), "s")
    if headers is not None:
        begun = slowest.exchange.arrivals[0][1] if slowest.exchange.arrivals else slowest.exchange.seconds
        note(
            f"the stream with the longest silence: headers after {headers:.2f} s, first byte after "
            f"{begun:.2f} s, "
            f"first token after {token_times(slowest)[0]:.2f} s, longest silence {silence:.2f} s"
        )
    if silence >= _IDLE:
        note(
            f"stream-silent-prefill: silent for {silence:.0f} s; clients with an idle timeout of "
            f"{_IDLE:.0f} s give up and ask again"
        )


@check(
    "latency-budget",
    fix=(
        "Choose a nearer or faster endpoint or model, switch thinking off where you can, or raise the budget "
        "if your users bear it."
    ),
    trial="must",
)
def latency_budget(latency_samples: Replies, settings: Settings) -> None:
    """Streams begin and run as fast as your budget asks.

    A chat that starts late or crawls loses its users, though every answer is right. The bar is your own;
    without one nothing is judged.
    """
    budget = settings.latency
    if budget.first_token is None and budget.tokens_per_second is None:
        skip("no latency budget is set")
    if settings.simulated:
        skip("how fast a simulation answers says nothing of the endpoint")
    timed = judged(
        (reply for reply in latency_samples.values() if token_times(reply)), nothing="content-not-empty"
    )
    over: list[tuple[str, str, str]] = []
    first = percentile([token_times(reply)[0] for reply in timed], 0.5)
    if budget.first_token is not None and first > budget.first_token:
        seen = f"first token after {first:.3f} s, the median of {len(timed)}"
        over.append((seen, f"at most {budget.first_token:g} s", "first-token-slow"))
    speeds = [speed for reply in timed if (speed := tokens_a_second(reply)) is not None]
    if budget.tokens_per_second is not None and speeds:
        speed = percentile(speeds, 0.5)
        if speed < budget.tokens_per_second:
            seen = f"{speed:.1f} tokens a second, the median of {len(speeds)}"
            over.append((seen, f"at least {budget.tokens_per_second:g} tokens a second", "tokens-slow"))
    if over:
        for seen, expected, _ in over[1:]:
            note(f"{seen}; expected {expected}")
        seen, expected, case = over[0]
        fail(seen, expected=expected, case=case)
    if budget.tokens_per_second is not None and not speeds:
        unanswered("tokens a second cannot be told: no usage, or each answer came in one piece")
