"""What an application uses of the API, learned from its own requests: paths, features, clients and sizes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from llmcompat.clients import clients
from llmcompat.workload.format import (
    CHAT,
    EMBEDDINGS,
    MODERATIONS,
    RESPONSES,
    Answer,
    Client,
    Request,
    Skipped,
    answers_path,
    read_calls,
    read_requests,
)

CHECKED = (CHAT, EMBEDDINGS, RESPONSES, MODERATIONS, "/v1/models", "/v1/batches", "/v1/files")
"""The paths that the checklist has checks for; an id below one counts as it."""

_WINDOW = 60.0
"""Seconds of the minute in which the peak lies: any minute, not one of the clock."""

_AGENTS = (
    (re.compile(r"(?:Async)?OpenAI/Python (\S+)"), "openai-python"),
    (re.compile(r"(?:Async)?AzureOpenAI/Python (\S+)"), "openai-python"),
    (re.compile(r"(?:Azure)?OpenAI/JS (\S+)"), "openai-node"),
    (re.compile(r"(?:Azure)?OpenAI/Go (\S+)"), "openai-go"),
    (re.compile(r"OpenAI\w*/Java (\S+)"), "openai-java"),
    (re.compile(r"OpenAI/(\S+) \(.*\.NET"), "openai-dotnet"),
    (re.compile(r"(?:.* )?ai-sdk/openai-compatible/(\S+)"), "ai-sdk-openai-compatible"),
    (re.compile(r"(?:.* )?ai-sdk/openai/(\S+)"), "ai-sdk-openai"),
    (re.compile(r"langchainjs-openai/(\S+)"), "langchain-js-openai"),
    (re.compile(r"langchain-openai/(\S+)"), "langchain-openai"),
    (re.compile(r"pydantic-ai/(\S+)"), "pydantic-ai"),
    (re.compile(r"litellm/(\S+)"), "litellm"),
    (re.compile(r"async-openai/(\S+)"), "async-openai"),
)

_BY_LANGUAGE = {
    "python": "openai-python",
    "js": "openai-node",
    "go": "openai-go",
    "java": "openai-java",
    "kotlin": "openai-java",
    "csharp": "openai-dotnet",
}
"""`x-stainless-lang` of the official SDKs, which a framework above them leaves as it is."""

_HELPERS = {"openai-python": "openai-python-helpers", "openai-node": "openai-node-helpers"}


def client_of(headers: Iterable[tuple[str, str]]) -> Client:
    """Which software calls, after its User-Agent and the `x-stainless-*` headers of OpenAI's SDKs."""
    by_name = {name.lower(): value[:300] for name, value in headers}
    agent = by_name.get("user-agent", "")
    name = version = ""
    for pattern, known in _AGENTS:
        if found := pattern.match(agent):
            name, version = known, found[1][:40]
            break
    sdk = _BY_LANGUAGE.get(by_name.get("x-stainless-lang", ""), "")
    if sdk and (not name or name == sdk):
        name, version = sdk, by_name.get("x-stainless-package-version", version)[:40]
    helper = by_name.get("x-stainless-helper-method", "")
    if name in _HELPERS and re.search(r"parse|stream|runTools|runFunctions", helper):
        name = _HELPERS[name]
    runtime = " ".join(
        value[:60]
        for key in ("x-stainless-runtime", "x-stainless-runtime-version")
        if (value := by_name.get(key, ""))
    )
    return Client(agent, name, version, runtime)


def parameters_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of a request's fields, sorted; null counts as not there."""
    return tuple(sorted(name for name, value in body.items() if value is not None and len(name) <= 200))[:500]


def features_of(url: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    """What a request needs of the API beyond plain chat, by the names that `uses` has for it."""
    return tuple(sorted(_features(url, body)))


def _features(url: str, body: Mapping[str, Any]) -> Iterator[str]:
    by_path = {EMBEDDINGS: "embeddings", RESPONSES: "responses", MODERATIONS: "moderation"}
    if url in by_path:
        yield by_path[url]
    if url.startswith("/v1/batches"):
        yield "batch"
    if body.get("stream") is True:
        yield "streaming"
    if body.get("tools") or body.get("functions"):
        yield "tools"
    if body.get("parallel_tool_calls") is True:
        yield "parallel-tools"
    if body.get("logprobs") not in (None, False) or body.get("top_logprobs"):
        yield "logprobs"
    if isinstance(count := body.get("n"), int) and count > 1:
        yield "n"
    formats = [body.get("response_format")]
    if isinstance(text := body.get("text"), dict):
        formats.append(text.get("format"))
    for each in formats:
        kind = each.get("type") if isinstance(each, dict) else None
        if kind in ("json_object", "json_schema"):
            yield "json-object" if kind == "json_object" else "json-schema"
    for name in ("messages", "input"):
        turns = body.get(name)
        for turn in turns if isinstance(turns, list) else ():
            if not isinstance(turn, dict):
                continue
            calls = turn.get("tool_calls")
            if isinstance(calls, list) and len(calls) > 1:
                yield "parallel-tools"
            content = turn.get("content")
            for part in content if isinstance(content, list) else ():
                if isinstance(part, dict) and part.get("type") in ("image_url", "input_image"):
                    yield "vision"


def answered_features(answer: Any) -> tuple[str, ...]:
    """What shows only in an answer: several calls at once."""
    choices = answer.get("choices") if isinstance(answer, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    return ("parallel-tools",) if isinstance(calls, list) and len(calls) > 1 else ()


def plain_path(path: str) -> str:
    """A path without the ids in it: /v1/files/file-abc becomes /v1/files/{id}."""
    steps = path.split("/")
    known = {"v1", "content", "cancel", "input_items", "messages", "runs", "steps", "generations", "edits"}
    for place, step in enumerate(steps):
        if place > 2 and step and step not in known and re.search(r"[0-9_A-Z]|-.*-", step):
            steps[place] = "{id}"
    return "/".join(steps)[:200]


@dataclass
class Uses:
    """What the calls of an application come to. Tokens are those that the answers' usage counts."""

    calls: Counter[str] = field(default_factory=Counter)
    """How often each path is called."""
    parameters: Counter[str] = field(default_factory=Counter)
    """How often each field is sent."""
    features: Counter[str] = field(default_factory=Counter)
    clients: Counter[Client] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    failed: int = 0
    """Calls that were answered with 400 and above, or not at all."""
    prompt_p50: int | None = None
    """Tokens."""
    prompt_p99: int | None = None
    estimated: bool = False
    """No answer counts tokens, so that they were estimated from the texts' length."""
    requests_per_minute: int | None = None
    """The most in any 60 seconds; None where no call says when it was made."""
    tokens_per_minute: int | None = None
    skipped: tuple[Skipped, ...] = ()

    @property
    def known_clients(self) -> tuple[str, ...]:
        """The clients by the names that facts are known of, the most used first."""
        found = Counter[str]()
        for client, count in self.clients.items():
            if client.name in clients():
                found[client.name] += count
        return tuple(name for name, _ in found.most_common())

    @property
    def unchecked(self) -> tuple[str, ...]:
        """The paths that the checklist has no check for, the most used first."""
        return tuple(path for path, _ in self.calls.most_common() if not is_checked(path))


def is_checked(path: str) -> bool:
    """Whether the checklist has checks for a path."""
    return any(path == known or path.startswith(f"{known}/") for known in CHECKED)


def uses_of(requests: Path, *, strict: bool = False) -> Uses:
    """What the requests in a file use, with the calls beside it where the capture left them.

    Raises WorkloadError as `read_requests` does.
    """
    uses = Uses()
    counted: list[int] = []
    estimated: dict[str, int] = {}
    times: list[tuple[float, int]] = []
    skipped: list[Skipped] = []
    described: set[str] = set()
    beside = answers_path(requests)
    if beside.is_file():
        for call in read_calls(beside):
            if isinstance(call, Skipped):
                continue
            if call.url:
                _count_call(uses, call)
                if call.custom_id:
                    described.add(call.custom_id)
            if call.prompt_tokens is not None:
                counted.append(call.prompt_tokens)
            if (moment := _moment(call.started_at)) is not None:
                times.append((moment, (call.prompt_tokens or 0) + (call.completion_tokens or 0)))
            uses.features.update(set(answered_features(call.body)) - set(call.features))
    for request in read_requests(requests, strict=strict):
        if isinstance(request, Skipped):
            skipped.append(request)
            continue
        if request.custom_id not in described:
            _count_request(uses, request)
        if isinstance(model := request.body.get("model"), str):
            uses.models[model[:200]] += 1
        if not counted:
            estimated[request.custom_id] = _estimate(request.body)
    sizes = sorted(counted or estimated.values())
    uses.estimated = not counted and bool(sizes)
    if sizes:
        uses.prompt_p50, uses.prompt_p99 = _percentile(sizes, 0.50), _percentile(sizes, 0.99)
    if times:
        uses.requests_per_minute, tokens = _peak(sorted(times))
        uses.tokens_per_minute = tokens or None
    uses.skipped = tuple(skipped)
    return uses


def _count_call(uses: Uses, call: Answer) -> None:
    uses.requests += 1
    uses.calls[call.url] += 1
    uses.parameters.update(call.parameters)
    uses.features.update(call.features)
    uses.clients[call.client] += 1
    uses.failed += call.status is None or call.status >= 400


def _count_request(uses: Uses, request: Request) -> None:
    uses.requests += 1
    uses.calls[request.url] += 1
    uses.parameters.update(parameters_of(request.body))
    uses.features.update(features_of(request.url, request.body))


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _peak(times: list[tuple[float, int]]) -> tuple[int, int]:
    """The most requests and the most tokens in any 60 seconds; `times` are sorted."""
    most_requests = most_tokens = tokens = first = 0
    for last, (moment, used) in enumerate(times):
        tokens += used
        while times[first][0] <= moment - _WINDOW:
            tokens -= times[first][1]
            first += 1
        most_requests = max(most_requests, last - first + 1)
        most_tokens = max(most_tokens, tokens)
    return most_requests, most_tokens


def _percentile(ordered: list[int], part: float) -> int:
    """The nearest rank: the smallest value that so large a part is not above."""
    rank = -(-len(ordered) * round(part * 100) // 100)
    return ordered[max(rank, 1) - 1]


def _estimate(body: Mapping[str, Any]) -> int:
    """Tokens of a prompt by the rule of thumb of four bytes for one."""
    total = 0
    level: list[Any] = [body.get(name) for name in ("messages", "input", "prompt", "tools", "instructions")]
    while level:
        value = level.pop()
        if isinstance(value, str):
            total += 0 if value.startswith("data:") else len(value.encode(errors="replace"))
        elif isinstance(value, dict):
            level += value.values()
        elif isinstance(value, list):
            level += value
    return -(-total // 4)
