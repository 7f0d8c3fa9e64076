"""The Responses API: its requests read as chats, and the answers written as items and named events."""

import dataclasses
import hashlib
import json
from collections.abc import Collection
from typing import Any

from llmcompat.simulator import completions, tokens, validation
from llmcompat.simulator.answers import Answer, ApiError, Context, Json

Event = tuple[str, Json]
"""One event of a stream: the name on its `event:` line, and its data."""

MEMORY = "responses"
"""Where in an endpoint's memory the conversations are kept, by the id of their last response."""
_KEPT = 1000

_SAME = ("model", "temperature", "top_p", "parallel_tool_calls", "metadata", "user", "store", "service_tier")
_PARAMETERS = frozenset(
    [
        *_SAME,
        "background",
        "include",
        "input",
        "instructions",
        "max_output_tokens",
        "max_tool_calls",
        "previous_response_id",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "stream",
        "stream_options",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "truncation",
    ]
)
_TEXT_PARTS = ("input_text", "output_text", "text", "refusal")


def respond(context: Context, created: int, window: int, models: Collection[str]) -> Json:
    """The response object of a request.

    Raises ApiError where OpenAI would refuse it.
    """
    body = context.body
    turns = [*_earlier(context), *_messages(_input(body))]
    chat = _chat(body, turns)
    try:
        validation.check_chat(chat, models)
    except ApiError as error:
        if error.param and error.param.startswith("messages"):
            error.param = "input" + error.param.removeprefix("messages")
        raise
    answer = completions.answer(dataclasses.replace(context, body=chat), created, window)
    response = _response(context, answer)
    if body.get("store") is not False:
        kept: dict[str, list[Json]] = context.memory.setdefault(MEMORY, {})
        kept[response["id"]] = [*turns, *_messages(response["output"])]
        while len(kept) > _KEPT:
            kept.pop(next(iter(kept)))
    return response


def _input(body: Json) -> list[Any]:
    for name in body:
        if name not in _PARAMETERS:
            raise ApiError(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    given = body.get("input")
    if given is None:
        raise ApiError(
            400, "Missing required parameter: 'input'.", param="input", code="missing_required_parameter"
        )
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise ApiError(
            400,
            "Invalid type for 'input': expected one of a string or array of input items.",
            param="input",
            code="invalid_type",
        )
    return given


def _earlier(context: Context) -> list[Json]:
    """The conversation that the request goes on from."""
    before = context.body.get("previous_response_id")
    if before is None:
        return []
    kept: dict[str, list[Json]] = context.memory.get(MEMORY, {})
    if before not in kept:
        raise ApiError(
            400,
            f"Previous response with id '{before}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return kept[before]


def _messages(items: list[Any]) -> list[Json]:
    """Items as the messages of a chat; the calls of one turn come together in one message."""
    messages: list[Json] = []
    for number, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "message":
            messages.append({"role": item.get("role"), "content": _content(item.get("content"))})
        elif kind == "function_call":
            call = {
                "id": item.get("call_id"),
                "type": "function",
                "function": {"name": item.get("name"), "arguments": item.get("arguments")},
            }
            if messages and messages[-1].get("tool_calls"):
                messages[-1]["tool_calls"].append(call)
            else:
                messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        elif kind == "function_call_output":
            output = _content(item.get("output"))
            messages.append({"role": "tool", "tool_call_id": item.get("call_id"), "content": output})
        elif kind != "reasoning":
            raise ApiError(
                400, f"Invalid value: '{kind}'.", param=f"input[{number}].type", code="invalid_value"
            )
    return messages


def _content(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    parts: list[Json] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in _TEXT_PARTS:
            parts.append({"type": "text", "text": part.get("text") or part.get("refusal")})
        elif kind == "input_image":
            parts.append({"type": "image_url", "image_url": {"url": part.get("image_url")}})
        else:
            raise ApiError(400, f"Invalid value: '{kind}'.", param="input", code="invalid_value")
    return parts


def _chat(body: Json, turns: list[Json]) -> Json:
    """The chat completion that asks for the same."""
    chat = {name: body[name] for name in _SAME if name in body}
    instructions = body.get("instructions")
    chat["messages"] = [*([{"role": "system", "content": instructions}] if instructions else []), *turns]
    if body.get("max_output_tokens") is not None:
        chat["max_completion_tokens"] = body["max_output_tokens"]
    if body.get("tools"):
        chat["tools"] = [_tool(tool, number) for number, tool in enumerate(body["tools"])]
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        chat["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    elif choice is not None:
        chat["tool_choice"] = choice
    text = body.get("text")
    wanted = text.get("format") if isinstance(text, dict) else None
    if isinstance(wanted, dict) and wanted.get("type") == "json_schema":
        schema = {name: value for name, value in wanted.items() if name != "type"}
        chat["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif wanted is not None:
        chat["response_format"] = wanted
    return chat


def _tool(tool: Any, number: int) -> Json:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        kind = tool.get("type") if isinstance(tool, dict) else tool
        raise ApiError(400, f"Invalid value: '{kind}'.", param=f"tools[{number}].type", code="invalid_value")
    if "name" not in tool:
        raise ApiError(
            400,
            f"Missing required parameter: 'tools[{number}].name'.",
            param=f"tools[{number}].name",
            code="missing_required_parameter",
        )
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}


def _response(context: Context, answer: Answer) -> Json:
    body, choice = context.body, answer.choices[0]
    seed = hashlib.sha256(context.raw + str(context.serial).encode()).hexdigest()
    whole = choice.finish_reason != "length"
    status = "completed" if whole else "incomplete"
    output: list[Json] = []
    if choice.text is not None:
        part = {"type": "output_text", "text": choice.text, "annotations": [], "logprobs": []}
        message = {"id": f"msg_{seed[:40]}", "type": "message", "role": "assistant", "status": status}
        output.append({**message, "content": [part]})
    for number, call in enumerate(choice.calls):
        output.append(
            {
                "id": f"fc_{seed[:36]}{number:04d}",
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
                "status": status,
            }
        )
    counted = completions.usage(answer)
    reasoning = counted["completion_tokens_details"]["reasoning_tokens"]
    return {
        "id": f"resp_{seed[:48]}",
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None if whole else {"reason": "max_output_tokens"},
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": answer.model,
        "output": output,
        "parallel_tool_calls": _or(body.get("parallel_tool_calls"), True),
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": _or(body.get("store"), True),
        "temperature": _or(body.get("temperature"), 1.0),
        "text": _or(body.get("text"), {"format": {"type": "text"}}),
        "tool_choice": _or(body.get("tool_choice"), "auto"),
        "tools": body.get("tools") or [],
        "top_p": _or(body.get("top_p"), 1.0),
        "truncation": "disabled",
        "usage": {
            "input_tokens": counted["prompt_tokens"],
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": counted["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": counted["total_tokens"],
        },
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
    }


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def events(response: Json) -> list[Event]:
    """The events of a stream that ends in this response, numbered from 0."""
    begun = {**response, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    data: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for index, item in enumerate(response["output"]):
        data += _message_events(index, item) if item["type"] == "message" else _call_events(index, item)
    data.append({"type": f"response.{response['status']}", "response": response})
    # Copied, so that a change to one event is not one to all that share its parts.
    return [
        (each["type"], json.loads(json.dumps({**each, "sequence_number": number})))
        for number, each in enumerate(data)
    ]


def _message_events(index: int, item: Json) -> list[Json]:
    part = item["content"][0]
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    begun = {**item, "status": "in_progress", "content": []}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": begun},
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        *(
            {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
            for piece in tokens.split(part["text"])
        ),
        {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]


def _call_events(index: int, item: Json) -> list[Json]:
    place = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress", "arguments": ""}
    done = {"name": item["name"], "arguments": item["arguments"]}
    return [
        {"type": "response.output_item.added", "output_index": index, "item": begun},
        *(
            {"type": "response.function_call_arguments.delta", **place, "delta": piece}
            for piece in tokens.split(item["arguments"])
        ),
        {"type": "response.function_call_arguments.done", **place, **done},
        {"type": "response.output_item.done", "output_index": index, "item": item},
    ]
