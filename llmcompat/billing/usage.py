"""Tokens by an answer's own usage, and what they are about where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from llmcompat.reply import dig, is_int

CHARACTERS_A_TOKEN = 4
"""Of English text, by OpenAI's own rule of thumb."""

MOST_TOKENS = 10**9
"""A counter beyond this is a fault and no figure."""

MOST_USD = 1_000_000.0
"""A stated cost of one request beyond this is a fault and no figure."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one request: `cached` are part of `prompt`, `reasoning` of `completion`."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0
    estimated: bool = False
    """Some of it is estimated from characters."""

    def __add__(self, other: Tokens) -> Tokens:
        """Both together."""
        return Tokens(
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.completion + other.completion,
            self.reasoning + other.reasoning,
            self.estimated or other.estimated,
        )


def tokens_of(usage: object) -> Tokens | None:
    """The counters of a usage object, of chat completions or the Responses API; None without a prompt count.

    Reasoning that is counted beside the completion and not within it is added to it.
    """
    prompt = _count(usage, "prompt_tokens", "input_tokens")
    if prompt is None:
        return None
    cached = _count(
        usage,
        "prompt_tokens_details.cached_tokens",
        "input_tokens_details.cached_tokens",
        "prompt_cache_hit_tokens",
    )
    completion = _count(usage, "completion_tokens", "output_tokens") or 0
    reasoning = (
        _count(
            usage,
            "completion_tokens_details.reasoning_tokens",
            "output_tokens_details.reasoning_tokens",
            "reasoning_tokens",
        )
        or 0
    )
    beside = _count(usage, "total_tokens") == prompt + completion + reasoning
    if reasoning > completion or (reasoning and beside):
        completion += reasoning
    return Tokens(prompt, min(cached or 0, prompt), completion, reasoning)


def stated_cost(usage: object) -> float | None:
    """What the endpoint itself says that a request cost, in USD; None where it says nothing."""
    for name in ("cost", "estimated_cost"):
        value = dig(usage, name)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MOST_USD:
            return float(value)
    return None


def estimated(characters: int) -> int:
    """About how many tokens so many characters are."""
    return -(-characters // CHARACTERS_A_TOKEN)


def prompt_characters(body: Mapping[str, Any]) -> int:
    """The characters that a request makes the model read: messages, tools, schemas; images are left out."""
    total = sum(
        len(text) for name in ("messages", "input", "prompt", "instructions") for text in _texts(body, name)
    )
    for name in ("tools", "functions", "response_format", "text"):
        if isinstance(body.get(name), (dict, list)):
            total += len(json.dumps(body[name], ensure_ascii=False, separators=(",", ":")))
    return total


def answer_characters(body: object) -> int | None:
    """The characters that a model wrote in an answer; None where it is no answer of a model."""
    found = [dig(body, name) for name in ("choices", "output")]
    if not any(isinstance(each, list) for each in found):
        return None
    return sum(len(text) for each in found if isinstance(each, list) for text in _inner(each))


def cap_of(body: Mapping[str, Any]) -> int | None:
    """The most tokens that a request lets the model write."""
    return _count(body, "max_completion_tokens", "max_tokens", "max_output_tokens")


def _texts(body: Mapping[str, Any], name: str) -> Iterator[str]:
    value = body.get(name)
    yield from [value] if isinstance(value, str) else _inner(value)


_WRITTEN = (
    "content",
    "text",
    "arguments",
    "name",
    "reasoning_content",
    "reasoning",
    "output",
    "refusal",
    "summary",
)
"""Keys below which words stand that a model reads or writes."""
_INTO = (*_WRITTEN, "message", "tool_calls", "function", "function_call")


def _inner(value: object) -> Iterator[str]:
    """The words in messages, parts and calls, however they are nested; what JSON reads is never too deep."""
    pending: list[tuple[str, object]] = [("content", value)]
    while pending:
        name, each = pending.pop()
        if isinstance(each, str):
            if name in _WRITTEN:
                yield each
        elif isinstance(each, list):
            pending += [(name, inner) for inner in each]
        elif isinstance(each, dict):
            pending += [(key, each[key]) for key in _INTO if key in each]


def _count(usage: object, *paths: str) -> int | None:
    """The first of these counters that is there as a plausible number."""
    for path in paths:
        value = dig(usage, path)
        if is_int(value) and 0 <= value < MOST_TOKENS:
            return int(value)
    return None
