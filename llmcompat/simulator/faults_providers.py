"""Faults in the words and bytes of single providers, where a general one would show something else."""

import json
from typing import Any, TypeAlias

from llmcompat.simulator.answers import ApiError, Context
from llmcompat.simulator.register import declare
from llmcompat.simulator.rewriting import format_of, given, on_usage, refuses

Frames: TypeAlias = list[bytes | float | None]

refuses(
    "forced-tool-choice-rejected",
    "tools",
    "a required or named tool_choice is refused",
    lambda context: (
        isinstance(context.body.get("tool_choice"), dict) or context.body.get("tool_choice") == "required"
    ),
    "Thinking mode does not support this tool_choice",
    code="invalid_request_error",
    operational=True,
)
refuses(
    "logprobs-rejected",
    "parameters",
    "logprobs is refused",
    lambda context: given(context, "logprobs", "top_logprobs"),
    "`logprobs` is not supported with this model",
    operational=True,
)
refuses(
    "embeddings-not-offered",
    "embeddings",
    "there is no embeddings endpoint",
    bool,
    "Not Found",
    status=404,
    endpoint="embeddings",
    level="should",
    operational=True,
)
refuses(
    "json-schema-stream-rejected",
    "json",
    "response_format json_schema is refused in streams",
    lambda context: format_of(context) == "json_schema" and context.streamed,
    "response_format `json_schema` does not support streaming",
    param="response_format",
    operational=True,
)
refuses(
    "json-schema-needs-additional-properties-false",
    "json",
    "a schema with an object that leaves other properties open is refused",
    lambda context: format_of(context) == "json_schema" and _is_open(_schema(context)),
    "invalid JSON schema for response_format: /required/additionalProperties: `additionalProperties:false` "
    "must be set on every object",
    param="response_format",
)


def _schema(context: Context) -> Any:
    return (context.body["response_format"].get("json_schema") or {}).get("schema")


def _is_open(schema: Any) -> bool:
    """Whether an object within a schema does not forbid other properties."""
    if isinstance(schema, list):
        return any(map(_is_open, schema))
    if not isinstance(schema, dict):
        return False
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        return True
    return any(map(_is_open, schema.values()))


@declare(
    "openrouter-processing-comments",
    "streaming",
    "comments of OpenRouter's stand before the first event and between others",
    level="should",
    operational=True,
).at("frames")
def _processing(context: Context, frames: Frames) -> Frames:
    comment = b": OPENROUTER PROCESSING\n\n"
    return [comment, comment, *frames[:3], comment, *frames[3:]]


@declare(
    "upstream-error-in-metadata",
    "errors",
    "what an upstream refused is told as text of JSON in error.metadata.raw",
    operational=True,
).at("error")
def _from_upstream(context: Context, error: ApiError) -> None:
    # The gateway itself answers for keys, models and bodies that are no JSON.
    if error.status == 400 and context.is_chat and context.body and error.code != "context_length_exceeded":
        cause = {"message": error.message, "type": error.type, "param": error.param, "code": error.code}
        error.body = {
            "error": {
                "message": "Provider returned error",
                "code": error.status,
                "metadata": {"raw": json.dumps({"error": cause}), "provider_name": "Upstream"},
            },
            "user_id": "user_simulated",
        }


@declare(
    "model-not-found-code",
    "errors",
    "the code for an unknown model is NOT_FOUND",
    level="should",
    operational=True,
).at("error")
def _not_found_code(context: Context, error: ApiError) -> None:
    if error.code == "model_not_found" and context.method == "POST":
        error.message = f"Model not found, inaccessible, and/or not deployed: {context.body.get('model')}"
        error.code, error.type = "NOT_FOUND", "error"


@declare(
    "message-property-rejected",
    "parameters",
    "keys in messages are refused that are neither OpenAI's nor the thinking's",
    operational=True,
).at("guard")
def _message_properties(context: Context) -> None:
    for index, message in enumerate(context.messages):
        for name in message:
            if name not in _MESSAGE_KEYS:
                raise ApiError(
                    400,
                    f"Extra inputs are not permitted, field: 'messages[{index}].{name}'",
                    code="extra_forbidden",
                )


_MESSAGE_KEYS = frozenset(
    [
        "role",
        "content",
        "name",
        "tool_calls",
        "tool_call_id",
        "refusal",
        "audio",
        "function_call",
        "reasoning_content",
    ]
)

on_usage(
    "usage-times",
    "usage",
    "usage holds times in seconds",
    lambda usage: usage.update(
        queue_time=0.0123, prompt_time=0.0045, completion_time=0.0678, total_time=0.0723
    ),
    level="should",
)


@declare(
    "validation-detail",
    "errors",
    "wrong requests are answered with 422 and FastAPI's list of details",
    operational=True,
).at("error")
def _detail(context: Context, error: ApiError) -> None:
    if error.status == 400 and error.code != "context_length_exceeded":
        error.status = 422
        place = ["body", *(error.param or "messages").split(".")]
        error.body = {"detail": [{"type": "value_error", "loc": place, "msg": error.message}]}
