"""A small workload with its old answers, and a replay of it without the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from llmcompat.model import Result, Target, TargetRun, UseCase
from llmcompat.profiles.loader import load_profile
from llmcompat.replay.send import Replayed, replay
from llmcompat.replay.workload import Workload
from llmcompat.settings import Settings
from tests.reporting import target_run

MODEL = "demo-chat"

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}

STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def asked(text: str, **more: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


def schema_format() -> dict[str, Any]:
    """A response_format that asks for SCHEMA."""
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "city", "strict": True, "schema": SCHEMA},
        }
    }


BODIES: Mapping[str, dict[str, Any]] = {
    "text": asked("Tell me about the sea in a few sentences."),
    "text-stream": asked("Tell me about the sea in a few sentences.", **STREAMED),
    "tool": asked("What is the weather in Paris?", tools=[WEATHER]),
    "tool-stream": asked("What is the weather in Paris?", tools=[WEATHER], **STREAMED),
    "json": asked("Describe a city as JSON.", response_format={"type": "json_object"}),
    "schema": asked("Describe a city as JSON.", **schema_format()),
}


def write_requests(path: Path, bodies: Mapping[str, Mapping[str, Any]] = BODIES) -> Path:
    """A workload file of chat requests."""
    lines = [
        {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body}
        for name, body in bodies.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def write_answers(path: Path, documents: Mapping[str, tuple[int, Any]]) -> Path:
    """A file of old answers: status and document by custom_id."""
    lines = [
        {
            "custom_id": name,
            "response": {"status_code": status, "request_id": "r", "body": body},
            "error": None,
        }
        for name, (status, body) in documents.items()
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def answers_of(base_url: str, bodies: Mapping[str, Mapping[str, Any]] = BODIES) -> dict[str, tuple[int, Any]]:
    """What an endpoint answers to these requests, asked without a stream."""
    found = {}
    for name, body in bodies.items():
        plain = {key: value for key, value in body.items() if key not in STREAMED}
        answer = httpx.post(f"{base_url}/chat/completions", json=plain, trust_env=False)
        found[name] = (answer.status_code, answer.json())
    return found


def settings_for(base_url: str, **changes: Any) -> Settings:
    """Settings of a run on a simulator."""
    return Settings(
        provider="demo", base_url=base_url, model=changes.pop("model", MODEL), loopback=True, **changes
    )


def empty_run() -> TargetRun:
    """A run of the checklist on which nothing was asked."""
    return target_run(
        target=Target("demo", "http://127.0.0.1/v1", MODEL), use_case=UseCase.AGENT, exchanges=(), settings={}
    )


def replayed(workload: Workload, base_url: str, **changes: Any) -> Replayed:
    """A replay on a simulator."""
    settings = settings_for(base_url, **changes)
    of = workload.count().requests
    return asyncio.run(replay(workload, settings, load_profile("demo"), empty_run(), of=of))


def failing(results: Sequence[Result]) -> dict[str, str | None]:
    """The case of each line that fails, by id."""
    return {result.id: result.case for result in results if result.status == "fail"}
