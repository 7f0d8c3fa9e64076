"""A request in one line: what tells it from others, for the reader of a finding."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from llmcompat.model import Exchange

MAX_FIELD = 80
"""Characters that one field of a request may take."""


def summary(exchange: Exchange) -> str:
    """Method, path and the body's fields but for the model; long values are shortened in their middle."""
    line = f"{exchange.method} {urlsplit(exchange.url).path}"
    if exchange.request_body is None:
        return line
    try:
        body = json.loads(exchange.request_body)
    except ValueError:
        return f"{line} {_short(exchange.request_body)}"
    if not isinstance(body, dict):
        return f"{line} {_short(json.dumps(body, ensure_ascii=False))}"
    fields = [f"{name}: {_field(name, value)}" for name, value in body.items() if name != "model"]
    return f"{line} {', '.join(fields)}"


def _field(name: str, value: Any) -> str:
    if name == "messages" and isinstance(value, list):
        return "[" + ", ".join(_message(message) for message in value) + "]"
    if name == "tools" and isinstance(value, list):
        names = [str(tool.get("function", {}).get("name")) for tool in value if isinstance(tool, dict)]
        return f"[{', '.join(names)}]"
    return _short(json.dumps(value, ensure_ascii=False))


def _message(message: Any) -> str:
    if not isinstance(message, dict):
        return _short(json.dumps(message, ensure_ascii=False))
    beside = [name for name in message if name not in ("role", "content")]
    content = message.get("content", ...)
    text = "" if content is ... else " " + _short(json.dumps(content, ensure_ascii=False))
    return f"{message.get('role')}{text}{' with ' + ', '.join(beside) if beside else ''}"


def _short(text: str) -> str:
    if len(text) <= MAX_FIELD:
        return text
    half = MAX_FIELD // 2
    return f"{text[:half]} … {text[-half:]}"
