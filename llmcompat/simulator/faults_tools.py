"""Faults of tool calling: what is refused, what is ignored, and what arrives broken."""

import itertools
import json
import re
from typing import Any

from llmcompat.simulator.answers import Answer, ApiError, Call, Choice, Context, Json
from llmcompat.simulator.register import declare
from llmcompat.simulator.rewriting import (
    as_text,
    contains_key,
    continuations,
    deltas,
    ends,
    format_of,
    fragments,
    functions,
    given,
    has_role,
    history_calls,
    messages_of,
    on_calls,
    parts,
    recount,
    refuses,
    spelled,
)


def _called_content(context: Context, *contents: Any) -> bool:
    return any(
        message.get("tool_calls") and "content" in message and message["content"] in contents
        for message in context.messages
    )


def _user_after_tool(context: Context) -> bool:
    roles = [message.get("role") for message in context.messages]
    return any(pair == ("tool", "user") for pair in itertools.pairwise(roles))


def _ids(context: Context) -> list[str]:
    return [str(call.get("id")) for call in history_calls(context)]


refuses(
    "tool-choice-rejected",
    "tools",
    "every tool_choice but the default is refused",
    lambda context: given(context, "tool_choice"),
    "Thinking mode does not support this tool_choice",
)
refuses(
    "user-after-tool-rejected",
    "tools",
    "a user message behind a tool message is refused",
    _user_after_tool,
    "Unexpected role 'user' after role 'tool'",
    type="invalid_request_message_order",
)
refuses(
    "tool-parameters-omitted-rejected",
    "tools",
    "a tool without parameters is refused",
    lambda context: any(not function.get("parameters") for function in functions(context)),
    "Invalid 'tools': parameters is required",
    param="tools",
)
refuses(
    "tool-schema-keyword-rejected",
    "tools",
    "JSON Schema keywords beyond the basic ones are refused in tools",
    lambda context: contains_key(
        [function.get("parameters") for function in functions(context)],
        "additionalProperties",
        "$schema",
        "uniqueItems",
        "$ref",
        "$defs",
    ),
    'Invalid JSON payload received. Unknown name "additionalProperties" at '
    "'tools[0].function_declarations[0].parameters': Cannot find field.",
)
refuses(
    "tool-name-restricted",
    "tools",
    "a tool name that starts with a digit is refused",
    lambda context: any(
        re.match(r"[^A-Za-z_]", str(function.get("name"))) for function in functions(context)
    ),
    "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, "
    "0-9), underscores (_), dots (.) or dashes (-).",
)
refuses(
    "assistant-content-empty-string-rejected",
    "tools",
    "empty content beside tool calls is refused",
    lambda context: _called_content(context, ""),
    "messages: text content blocks must be non-empty",
)
refuses(
    "assistant-content-null-rejected",
    "tools",
    "null content beside tool calls is refused",
    lambda context: _called_content(context, None),
    "content field must be a string",
    status=422,
)
refuses(
    "assistant-content-key-required",
    "tools",
    "an assistant message with tool calls and no content key is refused",
    lambda context: any(
        message.get("tool_calls") and "content" not in message for message in context.messages
    ),
    "messages[1]: missing field `content`",
)
refuses(
    "tool-content-parts-rejected",
    "tools",
    "tool results as text parts are refused",
    lambda context: parts(context, "text", "tool"),
    "tool messages must contain string content",
)
refuses(
    "tools-auto-needs-server-flag",
    "tools",
    "tools are refused unless a call is forced",
    lambda context: functions(context) and context.body.get("tool_choice") in (None, "auto"),
    "",
    body={
        "object": "error",
        "message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    },
)
refuses(
    "tool-result-schema-ref-rejected",
    "tools",
    "a tool result that holds a schema with $ref is refused",
    lambda context: any(
        message.get("role") == "tool" and "$ref" in str(message.get("content"))
        for message in context.messages
    ),
    "The referenced name `#/$defs/Item` in function_response.response does not match to any display_name",
)
refuses(
    "server-rejects-own-tool-ids",
    "tools",
    "the ids that the endpoint itself gave are refused on the way back",
    lambda context: has_role(context, "tool"),
    "No tool call found for tool_call_id",
    status=404,
)
refuses(
    "tools-unsupported-405-no-body",
    "tools",
    "requests with tools end in a 405 without a body",
    lambda context: functions(context),
    "",
    status=405,
    body=b"",
)
refuses(
    "tool-duplicate-ids-rejected",
    "tools",
    "two calls of one id in the history are refused",
    lambda context: len(set(_ids(context))) < len(_ids(context)),
    "Duplicate tool call id in the messages",
)
refuses(
    "tools-required-when-history-has-tool-calls",
    "tools",
    "tool calls in the history are refused where no tools are offered",
    lambda context: history_calls(context) and not functions(context),
    "Requests which include `tool_calls` must define tools",
)
refuses(
    "tool-messages-unsupported",
    "tools",
    "messages of role tool are refused",
    lambda context: has_role(context, "tool"),
    "Failed to deserialize the JSON body into the target type: unknown variant `tool`, expected one of "
    "`system`, `user`, `assistant`",
    status=422,
)
refuses(
    "strict-tool-schema-rejected",
    "tools",
    "strict tools are refused",
    lambda context: any(function.get("strict") for function in functions(context)),
    "Tools with strict=True are not supported by this model",
)
refuses(
    "tools-with-stream-unsupported",
    "tools",
    "tools in streams are refused",
    lambda context: functions(context) and context.streamed,
    "Streaming is not supported when tools are present",
)
refuses(
    "data-policy-404",
    "policy",
    "requests with tools end in a 404 about data policy",
    lambda context: functions(context),
    "No endpoints found matching your data policy (Free model publication). Configure: "
    "https://example.com/settings/privacy",
    status=404,
    code=404,
)

on_calls(
    "tool-call-leaked-as-text",
    "the call stands as text in the content",
    lambda context, choice: as_text(choice, "\n".join(map(spelled, choice.calls))),
)
on_calls(
    "malformed-tool-call-empty-200",
    "instead of the call an empty answer",
    lambda context, choice: as_text(choice, ""),
)
on_calls(
    "tool-not-called-although-advertised",
    "the tools are never called unless forced",
    lambda context, choice: as_text(choice, "I can do that for you."),
    lambda context: context.body.get("tool_choice") in (None, "auto"),
)
on_calls(
    "tool-calls-missing-when-streaming",
    "tools are called in plain answers only",
    lambda context, choice: as_text(choice, "I can do that for you."),
    lambda context: context.streamed,
)


def _each(change: Any) -> Any:
    def apply(context: Context, choice: Choice) -> None:
        for index, call in enumerate(choice.calls):
            change(call, index)

    return apply


def _encode_twice(call: Call, index: int) -> None:
    values = json.loads(call.arguments) if call.arguments else {}
    if any(isinstance(value, (dict, list)) for value in values.values()):
        call.arguments = json.dumps(
            {
                name: json.dumps(value) if isinstance(value, (dict, list)) else value
                for name, value in values.items()
            }
        )
    else:
        call.arguments = json.dumps(call.arguments)


on_calls(
    "tool-call-id-not-unique-across-turns",
    "ids start anew in every turn",
    _each(lambda call, index: setattr(call, "id", f"{call.name}:{index}")),
)
on_calls(
    "tool-arguments-double-encoded",
    "nested values, or the whole arguments, are JSON text inside JSON",
    _each(_encode_twice),
)
on_calls(
    "tool-arguments-invalid-json",
    "the arguments end without their last brace",
    _each(lambda call, index: setattr(call, "arguments", call.arguments[:-1])),
)
on_calls(
    "tool-arguments-empty-string",
    "a call without arguments has an empty string",
    _each(
        lambda call, index: setattr(
            call, "arguments", call.arguments.replace("{}", "") if call.arguments == "{}" else call.arguments
        )
    ),
)

_signed = declare("thought-signature-required", "tools", "calls carry a signature that has to be sent back")
_short = declare(
    "tool-call-id-format-restricted", "tools", "ids are of nine letters and digits, and no others are taken"
)


@_signed.at("guard")
def _signature_missing(context: Context) -> None:
    if any(
        not (call.get("extra_content") or {}).get("google", {}).get("thought_signature")
        for call in history_calls(context)
    ):
        raise ApiError(
            400,
            "Function call is missing a thought_signature in functionCall parts. This is required for "
            "tools to work correctly.",
            code=400,
        )


@_signed.at("body")
def _sign_body(context: Context, body: Any) -> None:
    for message in messages_of(body):
        for call in message.get("tool_calls") or []:
            call["extra_content"] = {"google": {"thought_signature": "c2lnbmVk"}}


@_signed.at("chunks")
def _sign_chunks(context: Context, chunks: list[Json]) -> None:
    for piece in fragments(chunks):
        if "id" in piece:
            piece["extra_content"] = {"google": {"thought_signature": "c2lnbmVk"}}


@_short.at("guard")
def _id_format(context: Context) -> None:
    for name in _ids(context):
        if not re.fullmatch(r"[A-Za-z0-9]{9}", name):
            raise ApiError(
                400,
                f"Tool call id was {name} but must be a-z, A-Z, 0-9, with a length of 9.",
                type="invalid_request_error",
                code=400,
            )


@_short.at("answer")
def _short_ids(context: Context, answer: Answer) -> None:
    for choice in answer.choices:
        for call in choice.calls:
            call.id = call.id[-9:]


@declare("tool-use-failed-400", "tools", "the endpoint refuses its own model's call").at("answer")
def _use_failed(context: Context, answer: Answer) -> None:
    calls = [call for choice in answer.choices for call in choice.calls]
    if calls:
        message = (
            "Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details."
        )
        failed = f"<function={calls[0].name}>{calls[0].arguments}"
        raise ApiError(
            400,
            message,
            body={
                "error": {
                    "message": message,
                    "type": "invalid_request_error",
                    "code": "tool_use_failed",
                    "failed_generation": failed,
                }
            },
        )


def _forget_choice(context: Context, kinds: tuple[type, ...], words: tuple[str, ...], instead: str) -> None:
    choice = context.body.get("tool_choice")
    if context.is_chat and functions(context) and (isinstance(choice, kinds) or choice in words):
        context.body["tool_choice"] = instead


@declare("tool-choice-named-ignored", "tools", "a named tool_choice counts as auto").at("request")
def _named_ignored(context: Context) -> None:
    _forget_choice(context, (dict,), (), "auto")


@declare("tool-choice-required-ignored", "tools", "a forced call is answered with text").at("request")
def _required_ignored(context: Context) -> None:
    _forget_choice(context, (dict,), ("required",), "none")


@declare("tool-choice-none-ignored", "tools", "tool_choice none counts as auto").at("request")
def _none_ignored(context: Context) -> None:
    _forget_choice(context, (), ("none",), "auto")


@declare("tool-choice-auto-forces-call", "tools", "tool_choice auto counts as required").at("request")
def _auto_forces(context: Context) -> None:
    _forget_choice(context, (type(None),), ("auto",), "required")


@declare("tool-arguments-object", "tools", "arguments are an object instead of a string").at("body")
def _arguments_object(context: Context, body: Any) -> None:
    for message in messages_of(body):
        for call in message.get("tool_calls") or []:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])


_numeric = declare("tool-call-id-numeric", "tools", "ids of calls are numbers")


@_numeric.at("body")
def _numeric_body(context: Context, body: Any) -> None:
    for message in messages_of(body):
        for number, call in enumerate(message.get("tool_calls") or []):
            call["id"] = 1000 + number


@_numeric.at("chunks")
def _numeric_chunks(context: Context, chunks: list[Json]) -> None:
    for piece in fragments(chunks):
        if "id" in piece:
            piece["id"] = 1000 + piece["index"]


@declare("tool-call-id-empty", "tools", "an entry with an empty id and no name stands among the calls").at(
    "body"
)
def _empty_entry(context: Context, body: Any) -> None:
    for message in messages_of(body):
        if message.get("tool_calls"):
            message["tool_calls"].append(
                {"id": "", "type": "function", "function": {"name": "", "arguments": "{}"}}
            )


@declare(
    "nonstream-finish-reason-stop-with-tool-calls", "tools", "plain answers with calls say finish_reason stop"
).at("body")
def _plain_stop(context: Context, body: Any) -> None:
    for choice in body["choices"] if context.is_chat else []:
        if choice["message"].get("tool_calls"):
            choice["finish_reason"] = "stop"


@declare(
    "stream-finish-reason-stop-with-tool-calls", "streaming", "streams with calls end with finish_reason stop"
).at("chunks")
def _stream_stop(context: Context, chunks: list[Json]) -> None:
    for choice in ends(chunks):
        if choice["finish_reason"] == "tool_calls":
            choice["finish_reason"] = "stop"


@declare("tool-delta-missing-index", "tools", "streamed calls have no index").at("chunks")
def _no_index(context: Context, chunks: list[Json]) -> None:
    for piece in fragments(chunks):
        piece.pop("index", None)


@declare("tool-delta-parallel-same-index", "tools", "parallel streamed calls all have index 0").at("chunks")
def _same_index(context: Context, chunks: list[Json]) -> None:
    for piece in fragments(chunks):
        piece["index"] = 0


@declare("tool-delta-index-from-one", "tools", "streamed calls are counted from 1", operational=True).at(
    "chunks"
)
def _from_one(context: Context, chunks: list[Json]) -> None:
    for piece in fragments(chunks):
        piece["index"] += 1


@declare("tool-delta-id-missing", "tools", "streamed calls have no id").at("chunks")
def _no_id(context: Context, chunks: list[Json]) -> None:
    for piece in fragments(chunks):
        piece.pop("id", None)


@declare("tool-delta-type-missing", "tools", "streamed calls have no type", operational=True).at("chunks")
def _no_type(context: Context, chunks: list[Json]) -> None:
    for piece in fragments(chunks):
        piece.pop("type", None)


@declare(
    "tool-delta-type-null", "tools", "later pieces of streamed calls have type null", operational=True
).at("chunks")
def _null_type(context: Context, chunks: list[Json]) -> None:
    for piece in continuations(chunks):
        piece["type"] = None


@declare(
    "tool-delta-empty-name-on-continuation",
    "tools",
    "later pieces of streamed calls have an empty name",
    level="should",
).at("chunks")
def _empty_name(context: Context, chunks: list[Json]) -> None:
    for piece in continuations(chunks):
        piece["function"]["name"] = ""


@declare("tool-delta-id-changes", "tools", "later pieces of a streamed call have another id").at("chunks")
def _id_changes(context: Context, chunks: list[Json]) -> None:
    for number, piece in enumerate(continuations(chunks)):
        piece["id"] = f"call_{number:024d}"


@declare(
    "tool-delta-id-name-repeated", "tools", "id, type and name are repeated in every piece of a streamed call"
).at("chunks")
def _repeated(context: Context, chunks: list[Json]) -> None:
    heads: dict[Any, Json] = {}
    for piece in fragments(chunks):
        head = heads.setdefault(piece["index"], piece)
        piece.update(id=head["id"], type="function")
        piece["function"]["name"] = head["function"]["name"]


@declare("tool-stream-arguments-duplicated", "tools", "streamed arguments contain the object twice").at(
    "chunks"
)
def _twice(context: Context, chunks: list[Json]) -> None:
    whole: dict[Any, str] = {}
    for piece in continuations(chunks):
        whole[piece["index"]] = whole.get(piece["index"], "") + piece["function"]["arguments"]
    for piece in reversed(list(continuations(chunks))):
        piece["function"]["arguments"] += whole.pop(piece["index"], "")


@declare("tool-stream-arguments-missing", "tools", "streamed calls have a name and no arguments").at("chunks")
def _no_arguments(context: Context, chunks: list[Json]) -> list[Json]:
    dropped = [id(piece) for piece in continuations(chunks)]
    return [chunk for chunk in chunks if not any(id(piece) in dropped for piece in fragments([chunk]))]


@declare("tool-args-single-chunk", "tools", "the whole arguments come in one piece", level="should").at(
    "chunks"
)
def single_piece(context: Context, chunks: list[Json]) -> list[Json]:
    """Each call's arguments in one piece behind its head."""
    firsts: dict[Any, Json] = {}
    kept = []
    for chunk in chunks:
        pieces = list(fragments([chunk]))
        if pieces and "id" not in pieces[0]:
            key = (chunk["choices"][0]["index"], pieces[0]["index"])
            if key in firsts:
                firsts[key]["function"]["arguments"] += pieces[0]["function"]["arguments"]
                continue
            firsts[key] = pieces[0]
        kept.append(chunk)
    return kept


@declare(
    "stream-lone-surrogate",
    "streaming",
    "characters beyond the basic plane are cut in halves over two events",
).at("chunks")
def _halves(context: Context, chunks: list[Json]) -> list[Json]:
    written: list[Json] = []
    for chunk in chunks:
        pieces = list(fragments([chunk])) or [
            {"function": delta} for delta in deltas([chunk]) if delta.get("content")
        ]
        key = "arguments" if list(fragments([chunk])) else "content"
        text = str(pieces[0]["function"].get(key) or "") if pieces else ""
        if not any(ord(letter) > 0xFFFF for letter in text):
            written.append(chunk)
            continue
        units = text.encode("utf-16-be")
        place = next(place for place in range(0, len(units), 2) if 0xD8 <= units[place] <= 0xDB) + 2
        for part in (units[:place], units[place:]):
            twin = json.loads(json.dumps(chunk))
            holder = next(fragments([twin]))["function"] if key == "arguments" else next(deltas([twin]))
            holder[key] = part.decode("utf-16-be", "surrogatepass")
            written.append(twin)
    return written


_echo = declare(
    "reasoning-content-echo-required", "reasoning", "the thinking of a tool call has to be sent back"
)


@_echo.at("guard")
def _echo_guard(context: Context) -> None:
    if any(
        message.get("tool_calls") and not message.get("reasoning_content") for message in context.messages
    ):
        raise ApiError(
            400,
            "The `reasoning_content` in the thinking mode must be passed back to the API.",
            code="invalid_request_error",
        )


@_echo.at("answer")
def _echo_answer(context: Context, answer: Answer) -> None:
    for choice in answer.choices:
        choice.reasoning = "The user wants an answer, so I give one."
    recount(answer)


@declare(
    "choices-split-text-and-tools",
    "response-fields",
    "text and calls of one answer stand in two choices without index",
).at("body")
def _split(context: Context, body: Any) -> None:
    if context.is_chat and body["choices"][0]["message"].get("tool_calls"):
        calls = body["choices"][0]
        text = {
            "message": {"role": "assistant", "content": "I will look that up."},
            "finish_reason": "tool_calls",
        }
        body["choices"] = [text, {key: value for key, value in calls.items() if key != "index"}]
        body.pop("object")
        body["usage"].pop("completion_tokens")


@declare("json-schema-not-enforced", "json", "a schema is accepted and not followed").at("answer")
def _not_enforced(context: Context, answer: Answer) -> None:
    for choice in answer.choices if format_of(context) == "json_schema" else []:
        try:
            value = json.loads(choice.text or "")
        except ValueError:
            continue
        if isinstance(value, dict):
            choice.text = json.dumps({**dict(list(value.items())[1:]), "note": "unasked"}, ensure_ascii=False)
    recount(answer)
