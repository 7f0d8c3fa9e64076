"""Faults that refuse or forget parts of legal requests: parameters, roles, formats of messages."""

import itertools
from typing import Any

from llmcompat.simulator import brain, completions
from llmcompat.simulator.answers import Answer, ApiError, Context, Json
from llmcompat.simulator.conversation import text_of
from llmcompat.simulator.register import declare
from llmcompat.simulator.rewriting import drops, format_of, functions, given, has_role, parts, refuses
from llmcompat.simulator.tokens import count

_PLAIN = frozenset(
    [
        "model",
        "messages",
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "stream",
        "stream_options",
        "stop",
        "n",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "seed",
    ]
)
_MESSAGE_KEYS = {"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "audio", "function_call"}


def _most(context: Context) -> int:
    values = [context.body.get(name) for name in ("max_tokens", "max_completion_tokens")]
    return max((value for value in values if isinstance(value, int)), default=0)


def _roles(context: Context) -> list[Any]:
    return [message.get("role") for message in context.messages]


def _leading(roles: list[Any]) -> int:
    return next(
        (place for place, role in enumerate(roles) if role not in ("system", "developer")), len(roles)
    )


refuses(
    "max-tokens-above-limit-rejected",
    "parameters",
    "max_tokens above 8192 is refused instead of clamped",
    lambda context: _most(context) > 8192,
    "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
    code="invalid_request_error",
    level="should",
)
refuses(
    "mid-conversation-system-rejected",
    "parameters",
    "a system message behind the first messages is refused",
    lambda context: "system" in _roles(context)[_leading(_roles(context)) :],
    "System message must be at the beginning.",
    type="BadRequestError",
)
refuses(
    "multiple-leading-system-rejected",
    "parameters",
    "a second system message is refused",
    lambda context: _leading(_roles(context)) > 1,
    "System message must be at the beginning.",
    type="BadRequestError",
)
refuses(
    "temperature-fixed-value",
    "parameters",
    "only temperature 1 is taken",
    lambda context: context.body.get("temperature") not in (None, 1),
    "invalid temperature: only 1 is allowed for this model",
)
refuses(
    "developer-role-rejected",
    "parameters",
    "the developer role is refused",
    lambda context: has_role(context, "developer"),
    "Failed to deserialize the JSON body into the target type: messages[0].role: unknown variant "
    "`developer`, expected one of `system`, `user`, `assistant`, `tool`",
)
refuses(
    "trailing-assistant-rejected",
    "parameters",
    "an assistant message at the end is refused",
    lambda context: _roles(context)[-1:] == ["assistant"],
    "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant",
    type="invalid_request_message_order",
)
refuses(
    "content-parts-array-rejected",
    "parameters",
    "content as a list of text parts is refused",
    lambda context: parts(context, "text"),
    "Failed to deserialize the JSON body into the target type: messages[0]: invalid type: sequence, "
    "expected a string",
)
refuses(
    "message-name-rejected",
    "parameters",
    "a name on a message is refused",
    lambda context: any("name" in message for message in context.messages),
    "'messages.0' : property 'name' is unsupported",
)
refuses(
    "explicit-null-params-rejected",
    "parameters",
    "a parameter that is null is refused",
    lambda context: any(value is None for value in context.body.values()),
    "Input should be a valid value, not null",
    code="invalid_value",
)
refuses(
    "stream-options-rejected",
    "parameters",
    "stream_options is refused",
    lambda context: "stream_options" in context.body,
    "property 'stream_options' is unsupported",
    param="stream_options",
)
refuses(
    "max-tokens-plus-prompt-rejected",
    "parameters",
    "prompt and max_tokens together may not exceed the window",
    lambda context: _most(context) + completions.prompt_tokens(context.body) > context.window,
    "'max_tokens' is too large: the prompt and the requested completion exceed the model's context length",
    code="invalid_value",
    level="should",
)
refuses(
    "max-completion-tokens-rejected",
    "parameters",
    "max_completion_tokens is refused",
    lambda context: "max_completion_tokens" in context.body,
    "Extra inputs are not permitted, field: 'max_completion_tokens'",
    param="max_completion_tokens",
    code="extra_forbidden",
)
refuses(
    "system-only-rejected",
    "parameters",
    "a request with a system message alone is refused",
    lambda context: set(_roles(context)) == {"system"},
    "No user query found in messages.",
)
refuses(
    "sampling-boundary-values-rejected",
    "parameters",
    "temperature 0 and top_p 1 are refused",
    status=422,
    message="`top_p` must be > 0.0 and < 1.0",
    when=lambda context: context.body.get("temperature") == 0 or context.body.get("top_p") == 1,
    type="validation",
)
refuses(
    "max-tokens-requires-stream",
    "parameters",
    "a large max_tokens is taken in streams only",
    lambda context: _most(context) > 4096 and not context.streamed,
    "Requests with max_tokens > 4096 must have stream=true",
    type="error",
    code="BAD_REQUEST",
)
refuses(
    "n-rejected",
    "parameters",
    "n above 1 is refused",
    lambda context: (context.body.get("n") or 1) > 1,
    "currently only n = 1 is supported",
    param="n",
)
refuses(
    "roles-must-alternate",
    "parameters",
    "two messages of one role in a row are refused",
    lambda context: any(one == two and one != "tool" for one, two in itertools.pairwise(_roles(context))),
    "Conversation roles must alternate user/assistant/user/assistant/...",
    type="BadRequestError",
)
refuses(
    "stop-string-type-rejected",
    "parameters",
    "stop as a string is refused",
    lambda context: isinstance(context.body.get("stop"), str),
    "Input should be a valid list: stop",
    param="stop",
)
refuses(
    "lone-surrogate-in-request-rejected",
    "parameters",
    "half of a surrogate pair in a message is refused",
    lambda context: any(
        "\ud800" <= letter <= "\udfff"
        for message in context.messages
        for letter in text_of(message.get("content"))
    ),
    "lone leading surrogate in hex escape",
    level="should",
)
refuses(
    "json-schema-rejected",
    "json",
    "response_format json_schema is refused",
    lambda context: format_of(context) == "json_schema",
    "This response_format type is unavailable now",
)
refuses(
    "json-mode-with-tools-rejected",
    "json",
    "JSON answers and tools together are refused",
    lambda context: format_of(context) != "text" and functions(context),
    "json mode cannot be combined with tool/function calling",
)
refuses(
    "json-mode-with-stream-rejected",
    "json",
    "JSON answers in streams are refused",
    lambda context: format_of(context) != "text" and context.streamed,
    "response_format does not support streaming",
    param="response_format",
)
refuses(
    "structured-output-stream-rejected-for-reasoning",
    "json",
    "structured outputs in streams are refused",
    lambda context: format_of(context) == "json_schema" and context.streamed,
    '"stream=true" with structured outputs is currently not supported for reasoning models',
    type="invalid_request_error",
)
refuses(
    "json-schema-strict-key-required",
    "json",
    "json_schema without strict is refused",
    lambda context: (
        format_of(context) == "json_schema"
        and "strict" not in (context.body["response_format"].get("json_schema") or {})
    ),
    "response_format.json_schema.strict: Field required",
)
refuses(
    "json-schema-strict-misleading-404",
    "json",
    "strict schemas end in a 404 about data policy",
    status=404,
    when=lambda context: (
        format_of(context) == "json_schema"
        and (context.body["response_format"].get("json_schema") or {}).get("strict")
    ),
    message="No endpoints available matching your guardrail restrictions and data policy",
    code=404,
)
refuses(
    "reasoning-control-params-differ",
    "reasoning",
    "reasoning_effort is refused: the switch has another name",
    lambda context: "reasoning_effort" in context.body,
    "Unrecognized request argument supplied: reasoning_effort",
    param="reasoning_effort",
)
refuses(
    "reasoning-effort-enum-differs",
    "reasoning",
    "only reasoning_effort max is taken",
    lambda context: context.body.get("reasoning_effort") not in (None, "max"),
    "reasoning_effort must be one of 'max'",
    param="reasoning_effort",
)
refuses(
    "reasoning-content-in-history-rejected",
    "reasoning",
    "reasoning_content in the history is refused",
    lambda context: any("reasoning_content" in message for message in context.messages),
    "'messages.1' : property 'reasoning_content' is unsupported",
)
refuses(
    "vision-image-part-rejected",
    "vision",
    "images are refused",
    lambda context: parts(context, "image_url"),
    "Failed to deserialize the JSON body into the target type: messages[0]: unknown variant "
    "`image_url`, expected `text`",
)
refuses(
    "vision-remote-url-rejected",
    "vision",
    "images by address are refused",
    lambda context: any(
        str((part.get("image_url") or {}).get("url")).startswith("http")
        for part in parts(context, "image_url")
    ),
    "invalid image input",
)
refuses(
    "vision-detail-rejected",
    "vision",
    "image detail auto is refused",
    lambda context: any(
        (part.get("image_url") or {}).get("detail") == "auto" for part in parts(context, "image_url")
    ),
    "invalid image detail: auto (2013)",
)
refuses(
    "vision-data-uri-strict",
    "vision",
    "only the plainest form of a data URL is taken",
    lambda context: any(
        _odd_data_url(str((part.get("image_url") or {}).get("url"))) for part in parts(context, "image_url")
    ),
    "invalid JSON request",
)


def _odd_data_url(url: str) -> bool:
    head, _, data = url.partition(",")
    upper = head.lower().startswith("data:") and head != head.lower()
    return (
        upper
        or "charset" in head
        or any(letter in data for letter in "-_\r\n ")
        or (head.startswith("data:") and len(data) % 4 != 0)
    )


drops("stop-ignored", "parameters", "stop has no effect", "stop")
drops("n-ignored", "parameters", "n has no effect", "n")
drops("logprobs-dropped", "parameters", "logprobs are never given", "logprobs", "top_logprobs")
drops("max-tokens-ignored", "parameters", "max_tokens has no effect", "max_tokens")
drops(
    "max-completion-tokens-ignored",
    "parameters",
    "max_completion_tokens has no effect",
    "max_completion_tokens",
)
drops(
    "param-silently-dropped",
    "parameters",
    "sampling and output parameters are taken and forgotten",
    "stop",
    "n",
    "logprobs",
    "top_logprobs",
    "seed",
    "logit_bias",
)
drops(
    "parallel-tool-calls-false-ignored",
    "tools",
    "parallel_tool_calls false has no effect",
    "parallel_tool_calls",
)
drops(
    "stream-true-ignored",
    "streaming",
    "a stream that was asked for is answered with one JSON object",
    "stream",
    "stream_options",
)


@declare(
    "penalty-params-rejected", "parameters", "presence_penalty and frequency_penalty are refused, even at 0"
).at("guard")
def _penalties(context: Context) -> None:
    for name, camel in (("presence_penalty", "presencePenalty"), ("frequency_penalty", "frequencyPenalty")):
        if context.is_chat and name in context.body:
            raise ApiError(
                400,
                f"Argument not supported on this model: {camel}",
                code="Client specified an invalid argument",
            )


@declare(
    "unknown-top-level-param-rejected",
    "parameters",
    "documented optional parameters beyond a small set are refused",
).at("guard")
def _unknown(context: Context) -> None:
    for name in context.body if context.is_chat else ():
        if name not in _PLAIN:
            raise ApiError(400, f"property '{name}' is unsupported", code="wrong_api_format")


@declare("unknown-message-property-rejected", "parameters", "extra keys in messages are refused").at("guard")
def _message_keys(context: Context) -> None:
    for index, message in enumerate(context.messages):
        for name in message:
            if name not in _MESSAGE_KEYS:
                raise ApiError(400, f"'messages.{index}' : property '{name}' is unsupported")


@declare(
    "max-tokens-default-too-small", "parameters", "without a limit the answer is cut after 24 tokens"
).at("request")
def _small_default(context: Context) -> None:
    if context.is_chat and not given(context, "max_tokens", "max_completion_tokens"):
        context.body["max_tokens"] = 24


@declare("stop-string-included", "parameters", "the stop text stays at the end of the answer").at("answer")
def _stop_included(context: Context, answer: Answer) -> None:
    stop = context.body.get("stop")
    words = [stop] if isinstance(stop, str) else stop or []
    for choice, whole in zip(answer.choices, brain.think(context.body), strict=True):
        if choice.text is not None and whole.text is not None and choice.finish_reason == "stop":
            rest = whole.text[len(choice.text) :]
            cut = next((word for word in words if word and rest.startswith(word)), "")
            choice.text += cut
            answer.completion_tokens += count(cut)


_legacy = declare(
    "logprobs-legacy-shape", "parameters", "logprobs have the shape of the old completions endpoint"
)


def _old_logprobs(choice: Json) -> None:
    entries = (choice.get("logprobs") or {}).get("content")
    if entries:
        choice["logprobs"] = {
            "tokens": [entry["token"] for entry in entries],
            "token_logprobs": [entry["logprob"] for entry in entries],
            "top_logprobs": [
                {other["token"]: other["logprob"] for other in entry["top_logprobs"]} for entry in entries
            ],
            "text_offset": [],
        }


@_legacy.at("body")
def _legacy_body(context: Context, body: Any) -> None:
    for choice in body.get("choices", []) if isinstance(body, dict) else []:
        _old_logprobs(choice)


@_legacy.at("chunks")
def _legacy_chunks(context: Context, chunks: list[Json]) -> None:
    for chunk in chunks:
        for choice in chunk["choices"]:
            _old_logprobs(choice)
