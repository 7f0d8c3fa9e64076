"""Evidence made of literals, and a way to put one check before it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llmcompat.declare import Blocked, Check, Failed, Manual, Skipped, Unanswered, remarks
from llmcompat.engine.loader import Checklist, load_checklist
from llmcompat.model import Exchange, Status
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import Exchanges, Reply
from llmcompat.settings import Settings

NOW = "2026-11-22T12:00:00.000Z"
CREATED = 1795348800
USAGE = {"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20}

_checklist: list[Checklist] = []


def checklist() -> Checklist:
    """The shipped checks, loaded once."""
    if not _checklist:
        _checklist.append(load_checklist())
    return _checklist[0]


def completion(
    content: Any = "Hello there.",
    *,
    tool_calls: list[dict[str, Any]] | None = None,
    finish_reason: Any = None,
    usage: Any = USAGE,
    message: Mapping[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A good answer; `changes` go over its top level, `message` over its message, and `...` removes a key."""
    body = {"role": "assistant", "content": None if tool_calls else content, "refusal": None}
    if tool_calls:
        body["tool_calls"] = tool_calls
    body |= message or {}
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": CREATED,
        "model": "demo-chat",
        "choices": [
            {
                "index": 0,
                "message": _without(body),
                "logprobs": None,
                "finish_reason": finish_reason or ("tool_calls" if tool_calls else "stop"),
            }
        ],
        "usage": usage,
    }
    return _without(document | changes)


def tool_call(
    name: str = "get_weather", arguments: Any = '{"city": "Paris"}', id: Any = "call_1", **more: Any
) -> dict[str, Any]:
    """A good tool call."""
    return _without({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}} | more)


def chunk(
    delta: Any = None, *, finish_reason: Any = None, usage: Any = ..., choices: Any = None, **changes: Any
) -> dict[str, Any]:
    """A good chunk of a stream."""
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "demo-chat",
        "choices": [
            {
                "index": 0,
                "delta": delta if delta is not None else {},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ]
        if choices is None
        else choices,
        "usage": usage,
    }
    return _without(document | changes)


def chunk_list(
    text: str | None = "Hello there.",
    *,
    tool_calls: list[dict[str, Any]] | None = None,
    finish_reason: str | None = None,
    usage: Any = USAGE,
) -> list[dict[str, Any]]:
    """A good stream's chunks: role, deltas, finish and, unless `usage` is None, the usage chunk."""
    chunks = [chunk({"role": "assistant", "content": "" if not tool_calls else None})]
    if tool_calls:
        for index, call in enumerate(tool_calls):
            function = call["function"]
            chunks.append(
                chunk(
                    {
                        "tool_calls": [
                            {
                                "index": index,
                                "id": call["id"],
                                "type": "function",
                                "function": {"name": function["name"], "arguments": ""},
                            }
                        ]
                    }
                )
            )
            text_of = function["arguments"]
            for start in range(0, len(text_of), 6):
                chunks.append(
                    chunk(
                        {
                            "tool_calls": [
                                {"index": index, "function": {"arguments": text_of[start : start + 6]}}
                            ]
                        }
                    )
                )
    else:
        for start in range(0, len(text or ""), 4):
            chunks.append(chunk({"content": (text or "")[start : start + 4]}))
    chunks.append(chunk({}, finish_reason=finish_reason or ("tool_calls" if tool_calls else "stop")))
    if usage is not None:
        chunks.append(chunk(choices=[], usage=usage))
    return chunks


def sse(chunks: Iterable[Mapping[str, Any]], *, done: bool = True) -> bytes:
    """Chunks framed as OpenAI does."""
    lines = [f"data: {json.dumps(item, ensure_ascii=False)}\n\n" for item in chunks]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def answer(
    document: Any = None,
    *,
    status: int | None = 200,
    sent: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    path: str = "chat/completions",
    method: str = "POST",
    error: str | None = None,
    ended: Any = "complete",
    number: int = 1,
    owner: str | None = None,
    called: str | None = None,
    grounds: Iterable[Reply] = (),
    seconds: float = 0.5,
    content_type: str = "application/json",
) -> Reply:
    """A plain answer: `document` is JSON data or the body's bytes."""
    body = document if isinstance(document, bytes) else json.dumps(document, ensure_ascii=False).encode()
    return _reply(
        body,
        status,
        sent,
        {"content-type": content_type, **(headers or {})},
        path,
        method,
        error,
        ended,
        number,
        owner,
        called,
        grounds,
        seconds,
    )


def stream(
    chunks: Iterable[Mapping[str, Any]] | bytes | None = None,
    *,
    sent: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    status: int = 200,
    error: str | None = None,
    ended: Any = "complete",
    number: int = 1,
    owner: str | None = None,
    called: str | None = None,
    grounds: Iterable[Reply] = (),
    seconds: float = 1.0,
    arrivals: Iterable[tuple[int, float]] | None = None,
) -> Reply:
    """A streamed answer: chunks, or the body's bytes; events arrive evenly unless `arrivals` says else."""
    body = chunks if isinstance(chunks, bytes) else sse(chunks if chunks is not None else chunk_list())
    asked = {"stream": True, "stream_options": {"include_usage": True}, **(sent or {})}
    return _reply(
        body,
        status,
        asked,
        {"content-type": "text/event-stream", **(headers or {})},
        "chat/completions",
        "POST",
        error,
        ended,
        number,
        owner,
        called,
        grounds,
        seconds,
        arrivals,
    )


def attempts(*replies: Reply) -> Reply:
    """The last reply, knowing the earlier ones as attempts at the same thing."""
    replies[-1].attempts = replies
    return replies[-1]


def exchanges(*replies: Reply) -> Exchanges:
    """All answers of a run."""
    return Exchanges(replies)


@dataclass(frozen=True)
class Judgement:
    """How one check ended on literal evidence."""

    status: Status
    case: str | None = None
    seen: str | None = None
    expected: str | None = None
    blocked_by: str | None = None
    reason: str | None = None
    facts: str | None = None
    """What a person signs."""
    notes: tuple[str, ...] = ()
    measures: tuple[Any, ...] = ()


def judge(id: str, *, settings: Settings | None = None, profile: Any = None, **evidence: Any) -> Judgement:
    """Put a check before evidence; `settings` and `profile` are the demo's where they are not given."""
    found: Check = checklist().checks[id]
    available = {
        "settings": settings or demo_settings(),
        "profile": profile or load_profile("demo"),
        **evidence,
    }
    with remarks() as said:
        try:
            found.function(**{name: available[name] for name in found.needs})
        except Failed as end:
            result = Judgement(Status.FAIL, end.case, end.seen, end.expected)
        except Skipped as end:
            result = Judgement(Status.SKIP, reason=end.reason)
        except Blocked as end:
            result = Judgement(Status.ERROR, blocked_by=end.owner, reason=end.reason)
        except Unanswered as end:
            result = Judgement(Status.ERROR, reason=end.reason)
        except Manual as end:
            result = Judgement(Status.MANUAL, seen=end.shown, facts=end.facts)
        else:
            result = Judgement(Status.PASS)
    return Judgement(**{**result.__dict__, "notes": tuple(said.notes), "measures": tuple(said.measures)})


def demo_settings(**changes: Any) -> Settings:
    """The settings of a run on the built-in endpoint."""
    given: dict[str, Any] = {"provider": "demo", "base_url": "http://127.0.0.1:9/v1", "model": "demo-chat"}
    return Settings(**(given | {"loopback": True} | changes))


def _reply(
    body: bytes, status: int | None, sent: Mapping[str, Any] | None, headers: Mapping[str, str], path: str,
    method: str, error: str | None, ended: Any, number: int, owner: str | None, called: str | None,
    grounds: Iterable[Reply], seconds: float, arrivals: Iterable[tuple[int, float]] | None = None,
) -> Reply:  # fmt: skip
    if arrivals is None:
        ends = [position + 2 for position in range(len(body)) if body.startswith(b"\n\n", position)] or [
            len(body)
        ]
        arrivals = [(end, seconds * (index + 1) / len(ends)) for index, end in enumerate(ends)]
    exchange = Exchange(
        id="e1",
        probe="literal",
        part=None,
        attempt=1,
        method=method,
        url=f"http://127.0.0.1:9/v1/{path}",
        request_headers=(),
        request_body=json.dumps(
            {"model": "demo-chat", "messages": [{"role": "user", "content": "Hi"}], **(sent or {})}
        ),
        started_at=NOW,
        status=status,
        headers=tuple(headers.items()) if status is not None else (),
        body=body if status is not None else b"",
        arrivals=tuple(arrivals),
        headers_seconds=0.1,
        seconds=seconds,
        ended=ended if status is not None else "none",
        error=error or (None if status is not None else "connection reset"),
    )
    reply = Reply([exchange], probe="literal", number=number, owner=owner, called=called)
    reply.grounds = tuple(grounds)
    return reply


def _without(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not ...}
