"""The settings that worked in a run, as code to paste: Python, Node and environment variables."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmcompat.model import TargetRun
from llmcompat.reports.escape import terminal

_OWN_KEY = "LLMCOMPAT_API_KEY"

_STANDARD = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    }
)
"""Parameters that openai for Python takes by name; it refuses others outside `extra_body`."""

_LIMIT_SHOWN = 1024
_WIDTH = 78


@dataclass(frozen=True)
class Snippet:
    """A block of code to paste."""

    title: str
    language: str
    code: str


def settings_that_worked(run: TargetRun) -> list[Snippet]:
    """The blocks to paste; none where no chat request of this run was answered."""
    answered = any(
        exchange.probe in ("hello", "basics") and exchange.status is not None and 200 <= exchange.status < 300
        for exchange in run.exchanges
    )
    if not answered:
        return []
    return [
        Snippet("openai for Python", "python", _python(run)),
        Snippet("openai for Node", "javascript", _node(run)),
        Snippet("Environment variables", "sh", _environment(run)),
    ]


def _address(run: TargetRun) -> str:
    """Where the application will send its requests: a simulation plays a provider that is elsewhere."""
    return str(run.profile.get("base_url") or run.target.base_url) if run.simulated else run.target.base_url


def _fields(run: TargetRun) -> dict[str, Any]:
    """What every request carries beside model and messages, as it was taken."""
    fields: dict[str, Any] = {}
    if run.basics.get("token_limit"):
        fields[str(run.basics["token_limit"])] = _LIMIT_SHOWN
    if run.basics.get("temperature") is not None:
        fields["temperature"] = run.basics["temperature"]
    extra = run.basics.get("extra")
    if isinstance(extra, Mapping):
        fields |= extra
    body = run.settings.get("body")
    if isinstance(body, Mapping):
        fields |= body
    return fields


def _remarks(run: TargetRun) -> list[str]:
    said = []
    if run.basics.get("token_limit", "") is None:
        said.append("neither max_tokens nor max_completion_tokens is taken")
    if run.basics.get("temperature", 0) is None:
        said.append("temperature is refused: leave it out")
    if run.basics.get("stream_options") is False:
        said.append("stream_options is refused: leave it out of streams")
    return said


def _key_variable(run: TargetRun) -> str | None:
    variable = run.profile.get("key_variable")
    if run.settings.get("has_key") is False and (run.settings.get("loopback") or not variable):
        return None
    return str(variable) if variable else _OWN_KEY


def _headers(run: TargetRun) -> dict[str, Any]:
    headers = run.settings.get("headers")
    return dict(headers) if isinstance(headers, Mapping) else {}


def _python(run: TargetRun) -> str:
    variable = _key_variable(run)
    key = f"os.environ[{_literal(variable, 'python')}]" if variable else '"unused"'
    lines = ["import os", ""] if variable else []
    lines += ["from openai import OpenAI", "", "client = OpenAI("]
    lines += [*_entry("    base_url=", _address(run), "python"), f"    api_key={key},"]
    if headers := _headers(run):
        lines += _entry("    default_headers=", headers, "python")
    lines += [")", "answer = client.chat.completions.create("]
    lines += _entry("    model=", run.target.model, "python")
    lines.append('    messages=[{"role": "user", "content": "Hello"}],')
    fields = _fields(run)
    for name in (name for name in fields if name in _STANDARD):
        lines += _entry(f"    {name}=", fields[name], "python")
    if extra := {name: value for name, value in fields.items() if name not in _STANDARD}:
        lines += _entry("    extra_body=", extra, "python")
    lines += [f"    # {remark}" for remark in _remarks(run)]
    return "\n".join([*lines, ")"])


def _node(run: TargetRun) -> str:
    variable = _key_variable(run)
    key = f"process.env[{_literal(variable, 'javascript')}]" if variable else '"unused"'
    if variable and _is_name(variable):
        key = f"process.env.{variable}"
    lines = ['import OpenAI from "openai";', "", "const client = new OpenAI({"]
    lines += [*_entry("  baseURL: ", _address(run), "javascript"), f"  apiKey: {key},"]
    if headers := _headers(run):
        lines += _entry("  defaultHeaders: ", headers, "javascript")
    lines += ["});", "const answer = await client.chat.completions.create({"]
    lines += _entry("  model: ", run.target.model, "javascript")
    lines.append('  messages: [{ role: "user", content: "Hello" }],')
    for name, value in _fields(run).items():
        lines += _entry(
            f"  {name if _is_name(name) else _literal(name, 'javascript')}: ", value, "javascript"
        )
    lines += [f"  // {remark}" for remark in _remarks(run)]
    return "\n".join([*lines, "});"])


def _environment(run: TargetRun) -> str:
    variable = _key_variable(run)
    key = f'"${{{variable}}}"' if variable and _is_name(variable) else "unused"
    return "\n".join(
        [
            f"export OPENAI_BASE_URL={shlex.quote(terminal(_address(run)))}",
            f"export OPENAI_API_KEY={key}",
        ]
    )


def _is_name(text: str) -> bool:
    return text.isidentifier() and text.isascii()


def _entry(start: str, value: object, language: str) -> list[str]:
    """`start` and the value as one entry of a list; an object too long for a line gets a line a field."""
    whole = f"{start}{_literal(value, language)},"
    if len(whole) <= _WIDTH or not isinstance(value, Mapping) or not value:
        return [whole]
    indent = " " * (len(start) - len(start.lstrip()))
    step = "    " if language == "python" else "  "
    inner = [
        row
        for name, each in value.items()
        for row in _entry(f"{indent}{step}{_literal(str(name), language)}: ", each, language)
    ]
    return [f"{start}{{", *inner, f"{indent}}},"]


def _literal(value: object, language: str) -> str:
    """A literal in double quotes; what is not printable is written out."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, Mapping):
        inner = (
            f"{_literal(str(name), language)}: {_literal(each, language)}" for name, each in value.items()
        )
        return "{" + ", ".join(inner) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_literal(each, language) for each in value) + "]"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value) if language == "python" else json.dumps(value)
    if language != "python":
        return json.dumps(str(value))
    quoted = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else repr(char)[1:-1] for char in quoted) + '"'
