"""Small tools that faults share: finding what they change, and wording refusals."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from llmcompat.simulator.answers import ApiError, Call, Choice, Context, Json
from llmcompat.simulator.completions import choice_tokens
from llmcompat.simulator.register import declare


def refuses(
    name: str,
    area: str,
    summary: str,
    when: Callable[[Context], Any],
    message: str,
    *,
    status: int = 400,
    endpoint: str = "chat/completions",
    level: str = "must",
    operational: bool = False,
    **details: Any,
) -> None:
    """Declare a fault that refuses the requests of one shape and no others."""

    def guard(context: Context) -> None:
        if context.endpoint == endpoint and when(context):
            raise ApiError(status, message, **details)

    declare(name, area, summary, level=level, operational=operational).at("guard")(guard)


def drops(name: str, area: str, summary: str, *parameters: str) -> None:
    """Declare a fault that accepts parameters and forgets them."""

    def forget(context: Context) -> None:
        if context.is_chat:
            for parameter in parameters:
                context.body.pop(parameter, None)

    declare(name, area, summary).at("request")(forget)


def given(context: Context, *parameters: str) -> bool:
    """Whether one of the parameters is in the request with a value other than null."""
    return any(context.body.get(parameter) is not None for parameter in parameters)


def format_of(context: Context) -> str:
    """The response_format's type: text, json_object or json_schema."""
    wanted = context.body.get("response_format")
    return str(wanted.get("type")) if isinstance(wanted, dict) else "text"


def functions(context: Context) -> list[Json]:
    """The functions that a request offers as tools."""
    tools = context.body.get("tools")
    found = (
        [tool.get("function") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    )
    return [function for function in found if isinstance(function, dict)]


def history_calls(context: Context) -> list[Json]:
    """The tool calls in the messages of a request."""
    lists = [message.get("tool_calls") for message in context.messages]
    return [call for calls in lists if isinstance(calls, list) for call in calls if isinstance(call, dict)]


def has_role(context: Context, role: str) -> bool:
    """Whether a message of the request has this role."""
    return any(message.get("role") == role for message in context.messages)


def parts(context: Context, kind: str, *roles: str) -> list[Json]:
    """The content parts of one type; with roles, only in messages of these."""
    contents = [
        message.get("content") for message in context.messages if not roles or message.get("role") in roles
    ]
    return [
        part
        for content in contents
        if isinstance(content, list)
        for part in content
        if isinstance(part, dict) and part.get("type") == kind
    ]


def contains_key(value: Any, *keys: str) -> bool:
    """Whether one of the keys is anywhere in a JSON value."""
    if isinstance(value, dict):
        return any(key in value for key in keys) or any(contains_key(item, *keys) for item in value.values())
    return isinstance(value, list) and any(contains_key(item, *keys) for item in value)


def is_completion(body: Any) -> bool:
    """Whether a body is a plain chat completion."""
    return isinstance(body, dict) and "choices" in body


def messages_of(body: Any) -> Iterator[Json]:
    """The messages of a plain chat completion."""
    for choice in body["choices"] if is_completion(body) else []:
        yield choice["message"]


def deltas(chunks: list[Json]) -> Iterator[Json]:
    """The deltas of a stream, in order."""
    for chunk in chunks:
        for choice in chunk["choices"]:
            yield choice["delta"]


def fragments(chunks: list[Json]) -> Iterator[Json]:
    """The pieces of tool calls in a stream, in order."""
    for delta in deltas(chunks):
        yield from delta.get("tool_calls") or []


def continuations(chunks: list[Json]) -> Iterator[Json]:
    """The pieces of tool calls that carry only arguments."""
    return (piece for piece in fragments(chunks) if "id" not in piece)


def ends(chunks: list[Json]) -> Iterator[Json]:
    """The choices of a stream that carry a finish_reason."""
    for chunk in chunks:
        yield from (choice for choice in chunk["choices"] if choice["finish_reason"] is not None)


def usages(value: Any) -> Iterator[Json]:
    """The usage objects of a body or of the chunks of a stream."""
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, dict) and isinstance(part.get("usage"), dict):
            yield part["usage"]


def everywhere(
    name: str, area: str, summary: str, change: Callable[[Json], None], *, level: str = "must"
) -> None:
    """Declare a fault that changes the top level of a completion and of each chunk in the same way."""
    declared = declare(name, area, summary, level=level)

    @declared.at("body")
    def in_body(context: Context, body: Any) -> None:
        if is_completion(body):
            change(body)

    @declared.at("chunks")
    def in_chunks(context: Context, chunks: list[Json]) -> None:
        for chunk in chunks:
            change(chunk)


def on_usage(
    name: str, area: str, summary: str, change: Callable[[Json], Any], *, level: str = "must"
) -> None:
    """Declare a fault that changes the usage of chat completions, plain and streamed."""
    declared = declare(name, area, summary, level=level)

    @declared.at("body")
    @declared.at("chunks")
    def both(context: Context, value: Any) -> None:
        if context.is_chat:
            for usage in usages(value):
                change(usage)


def on_text(
    name: str,
    area: str,
    summary: str,
    change: Callable[[Context, str], str],
    when: Callable[[Context], Any] = bool,
) -> None:
    """Declare a fault that changes the text of an answer before it is written, plain and streamed."""
    from_answer = declare(name, area, summary)

    @from_answer.at("answer")
    def rewrite(context: Context, answer: Any) -> None:
        for choice in answer.choices if when(context) else []:
            if choice.text is not None:
                choice.text = change(context, choice.text)
                recount(answer)


def recount(answer: Any) -> None:
    """Bring the count of completion tokens in line with the answer's texts."""
    answer.completion_tokens = sum(choice_tokens(choice) for choice in answer.choices)


def on_calls(
    name: str, summary: str, change: Callable[[Context, Choice], None], when: Callable[[Context], Any] = bool
) -> None:
    """Declare a fault of area tools that changes the choices with tool calls, plain and streamed."""
    declared = declare(name, "tools", summary)

    @declared.at("answer")
    def rewrite(context: Context, answer: Any) -> None:
        for choice in answer.choices if when(context) else []:
            if choice.calls:
                change(context, choice)
                recount(answer)


def as_text(choice: Choice, text: str) -> None:
    """Put a text in the place of a choice's tool calls."""
    choice.text, choice.calls, choice.finish_reason = text, [], "stop"


def spelled(call: Call) -> str:
    """A tool call as models write it when nobody parses it."""
    return f'<tool_call>\n{{"name": {json.dumps(call.name)}, "arguments": {call.arguments}}}\n</tool_call>'
