"""What the files on tool calls share: tools to offer, requests to make of them, and ways to read calls."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from llmcompat import (
    BUNDLE,
    MISSING,
    Api,
    Exchanges,
    Replies,
    Reply,
    blocked,
    dig,
    fail,
    judged,
    load_json,
    tool,
)

from ._streams import sound
from ._tool_pieces import objects_in, shape_trouble

CITY: dict[str, Any] = {"type": "string", "description": "Name of the city"}

WEATHER = tool(
    "get_weather",
    "Get the current weather in a city.",
    {
        "type": "object",
        "properties": {"city": CITY, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
        "required": ["city"],
    },
)
NEWS = tool(
    "get_news",
    "Get today's news of a city.",
    {"type": "object", "properties": {"city": CITY}, "required": ["city"]},
)
ASK_WEATHER = "What is the weather in Paris? Use the tool."
ASK_BOTH = "What is the weather in Paris and in London? Call the tool once for each city."

GROUND = ("hello", "weather_call")
STREAM_GROUND = ("hello", "stream_text", "weather_call", "weather_call_stream")

_MARKUP = re.compile(
    r"<tool_calls?>|<function=|<function_calls?>|<\|python_tag\|>|\[TOOL_CALLS?\]|<\|?tool_call|<tool_code>"
    r"|<｜tool▁call|<\|tool▁call|<｜DSML｜|<\|channel\|>commentary to=functions",
    re.IGNORECASE,
)

_BAD_OUTPUT = re.compile(
    r"tool_use_failed|failed_generation|grammar stack"
    r"|failed to parse (?:input at pos|tool call|function call)",
    re.IGNORECASE,
)
"""What servers say of an output of the model that they could not take: Groq and llama.cpp."""


def offered(reply: Reply) -> dict[str, dict[str, Any]]:
    """The functions that a request offered, by name."""
    tools = reply.sent.get("tools")
    functions = [dig(item, "function") for item in tools] if isinstance(tools, list) else []
    return {item["name"]: item for item in functions if isinstance(item, dict) and "name" in item}


def takes_nothing(reply: Reply, name: object) -> bool:
    """Whether the request offered a tool of this name that has no parameters."""
    function = offered(reply).get(name) if isinstance(name, str) else None
    return function is not None and not dig(function, "parameters.properties")


def names_tool(reply: Reply) -> bool:
    """Whether `tool_choice` named a tool, after which `stop` and `tool_calls` are both right."""
    return isinstance(reply.sent.get("tool_choice"), dict)


def with_calls(replies: Iterable[Reply]) -> list[Reply]:
    """The answers that hold a tool call which the token cap did not cut."""
    return [reply for reply in replies if reply.find_tool_calls() and not reply.capped]


def plain_with_calls(exchanges: Exchanges) -> list[Reply]:
    """Plain answers with a readable, whole tool call."""
    return with_calls(exchanges.completions)


def streams_with_calls(exchanges: Exchanges) -> list[Reply]:
    """Streams with a readable tool call that came to their end; cut ones belong to the streaming item."""
    return [reply for reply in with_calls(exchanges.readable_streams) if reply.terminated]


def obedient(reply: Reply) -> Reply:
    """The first time that a tool was called, or the last time that it was asked for."""
    return next((attempt for attempt in reply.attempts if attempt.find_tool_calls()), reply)


def text_beside(reply: Reply) -> str:
    """The text of an answer, streamed or not, as far as it is text."""
    if not reply.streamed:
        value = dig(reply.document, "choices.0.message.content")
        return value if isinstance(value, str) else ""
    deltas = (dig(choice, "delta.content") for chunk in reply.all_chunks for choice in chunk.choices)
    return "".join(value for value in deltas if isinstance(value, str))


def leaked(reply: Reply) -> str | None:
    """The text that should have been a call: markup of a template, or JSON that names an offered tool."""
    text = text_beside(reply)
    if reply.find_tool_calls() or not text or reply.sent.get("tool_choice") == "none":
        return None
    if _MARKUP.search(text):
        return text
    names = "|".join(re.escape(name) for name in offered(reply))
    called = rf'"(?:name|function|tool)"\s*:\s*"(?:{names})"' if names else r"(?!)"
    arguments = r'"(?:arguments|parameters|args)"\s*:'
    return text if re.search(called, text) and re.search(arguments, text) else None


def split_choices(reply: Reply) -> bool:
    """Whether tool calls stand in another choice than the only one that was asked for."""
    choices = dig(reply.document, "choices")
    several = isinstance(choices, list) and reply.sent.get("n", 1) == 1
    return several and any(dig(choice, "message.tool_calls") for choice in choices[1:])


def no_call(reply: Reply) -> str | None:
    """The case of an empty answer where a call should be, or None where the model simply answered.

    Ends the check where the cap cut the answer or where another check says what became of the call.
    """
    reply.require()
    reply.uncapped()
    if split_choices(reply):
        blocked("response-choice-count")
    if leaked(reply):
        blocked("tool-call-not-in-text")
    if reply.streamed:
        if shape_trouble(reply):
            blocked("tool-delta-shape")
        if not reply.all_chunks or not reply.terminated:
            _ = reply.tool_calls
    else:
        if dig(reply.message, "function_call.name"):
            blocked("response-function-call")
        calls = reply.message.get("tool_calls")
        if calls:
            blocked("tool-call-shape")
    if not text_beside(reply).strip() and reply.find_finish_reason() in ("stop", "tool_calls"):
        return "malformed-tool-call-empty-200"
    return None


def use_failed(reply: Reply) -> bool:
    """Whether the request was refused for a bad call of the model, which is no fault of the request."""
    return reply.refused and _BAD_OUTPUT.search(reply.error_text) is not None


def accept(reply: Reply, case: str, *, expected: str = "200") -> None:
    """Fail with this case where the request was refused for what it is, else as `Reply.accepted` does."""
    if use_failed(reply):
        blocked("tool-mistakes-answered")
    own = reply.status is not None and 400 <= reply.status < 502 and reply.status not in (408, 429)
    reply.accepted(expected=expected, case=case if own else None)


def accept_options(bundle: Replies, *, case: str, expected: str) -> None:
    """Fail where a bundle of options was refused, naming those that are refused alone as well.

    Where each of them is accepted alone, the case is "together".
    """
    whole = bundle[BUNDLE]
    if not whole.refused:
        whole.accepted()
        return
    refused = {name: reply for name, reply in bundle.items() if name != BUNDLE and reply.refused}
    if not refused:
        accept(whole, "together", expected=f"{expected}, together as well as alone")
    for reply in refused.values():
        accept(reply, case, expected=f"{expected}; refused: {', '.join(refused)}")


def parse_arguments(arguments: object) -> Any:
    """Arguments as data; ValueError where they are not a string of JSON."""
    if not isinstance(arguments, str):
        raise ValueError("not a string")
    return load_json(arguments)


def own_mode(api: Api) -> dict[str, Any]:
    """Fields that undo the run's thinking switch: what the application itself sends of them, or nothing."""
    return {name: api.settings.body.get(name, ...) for name in api.basics.extra}


def standard_message(reply: Reply) -> dict[str, Any]:
    """The assistant message of an answer with calls as SDKs send it back: standard fields and nothing else.

    Ends where there is no call, or where a call has no id or name to be sent back under.
    """
    calls = []
    for call in reply.tool_calls:
        if not isinstance(call.id, str) or not call.id:
            blocked("tool-call-id")
        if not isinstance(call.name, str) or not call.name:
            blocked("tool-call-name")
        arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments or {})
        calls.append(
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
        )
    return {"role": "assistant", "content": reply.message.get("content"), "tool_calls": calls}


def results(message: Mapping[str, Any], content: str) -> list[dict[str, Any]]:
    """A tool message for each call of an assistant message, all with the same content."""
    return [
        {"role": "tool", "tool_call_id": call["id"], "content": content} for call in message["tool_calls"]
    ]


def tool_turn(weather_call: Reply, content: str) -> list[dict[str, Any]]:
    """The conversation up to the tool's result: the question, the endpoint's own call, and the result."""
    message = standard_message(obedient(weather_call))
    return [{"role": "user", "content": ASK_WEATHER}, message, *results(message, content)]


def fail_uncalled(reply: Reply, expected: str, case: str) -> None:
    """Fail because no tool was called, with what came instead."""
    seen = {"content": text_beside(reply), "finish_reason": reply.find_finish_reason() or None}
    fail(seen, expected=expected, case=case)


def plain_answers(weather_call: Reply, exchanges: Exchanges) -> tuple[Reply, ...]:
    """The plain answers with a call, of which there must be one."""
    weather_call.require()
    return judged(plain_with_calls(exchanges), nothing="tool-called")


def stream_answers(weather_call_stream: Reply, exchanges: Exchanges) -> tuple[Reply, ...]:
    """The streams with a call, of which there must be one."""
    weather_call_stream.require()
    found = streams_with_calls(exchanges)
    if not found:
        sound(weather_call_stream)
    return judged(found, nothing="tool-called-streamed")


def id_case(value: Any) -> str | None:
    """What is wrong with a call's id, as a case, or None."""
    if isinstance(value, str):
        return None if value.strip() else "tool-call-id-empty"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "tool-call-id-numeric"
    return "missing" if value is MISSING or value is None else "not-a-string"


def plain_id_case(exchanges: Exchanges) -> str | None:
    """What is wrong with the ids of plain answers, as a case, or None."""
    cases = (id_case(call.id) for reply in plain_with_calls(exchanges) for call in reply.find_tool_calls())
    return next((case for case in cases if case), None)


def bad_json(reply: Reply) -> Iterable[tuple[str, Any]]:
    """The calls of an answer whose arguments are a string and no JSON object, as (case, arguments)."""
    for call in reply.find_tool_calls():
        if not isinstance(call.arguments, str) or (not call.arguments and takes_nothing(reply, call.name)):
            continue
        try:
            value = parse_arguments(call.arguments)
        except ValueError:
            empty = not call.arguments.strip()
            yield "tool-arguments-empty-string" if empty else "tool-arguments-invalid-json", call.arguments
            continue
        if not isinstance(value, dict) and not is_json_object(value):
            yield "not-an-object", call.arguments


def is_json_object(value: Any) -> bool:
    """Whether a value is text that holds one JSON object."""
    return isinstance(value, str) and objects_in(value) == 1


def encoded_twice(arguments: Any) -> bool:
    """Whether the whole of the arguments is JSON inside JSON."""
    try:
        return is_json_object(parse_arguments(arguments))
    except ValueError:
        return False


def nested_text(reply: Reply, name: Any, value: Mapping[str, Any]) -> str | None:
    """The parameter whose value is JSON text although its schema says object or array, or None."""
    function = offered(reply).get(name) if isinstance(name, str) else None
    schema = dig(function, "parameters")
    for key, part in (dig(schema, "properties") or {}).items():
        reference = part.get("$ref")
        target = (
            dig(schema, reference.removeprefix("#/").replace("/", "."))
            if isinstance(reference, str)
            else part
        )
        text = value.get(key)
        if (
            dig(target, "type") in ("object", "array")
            and isinstance(text, str)
            and text.strip()[:1] in ("{", "[")
        ):
            return str(key)
    return None


def judge_finish(replies: Iterable[Reply], nothing: str, case: str) -> None:
    """Fail where an answer with calls says that it ended for another reason; `case` is the one of `stop`."""
    for reply in judged(replies, nothing=nothing):
        reason = reply.finish_reason
        if reason in ("stop", "function_call"):
            fail(reason, expected="tool_calls", case=case if reason == "stop" else "function-call")
