"""Faults of answers, plain and streamed: odd fields, usage, JSON text, thinking, silent cutting."""

from typing import Any

from llmcompat.simulator import completions, tokens
from llmcompat.simulator.answers import Answer, ApiError, Context, Json, Reply
from llmcompat.simulator.conversation import images_of, text_of
from llmcompat.simulator.register import declare
from llmcompat.simulator.rewriting import (
    deltas,
    everywhere,
    format_of,
    given,
    is_completion,
    messages_of,
    on_text,
    on_usage,
    recount,
    usages,
)

_THINKING = "The user wants an answer, so I give one."


def _set(**values: Any) -> Any:
    return lambda target: target.update(values)


def _remove(*names: str) -> Any:
    def change(target: Json) -> None:
        for name in names:
            target.pop(name, None)

    return change


everywhere(
    "created-float",
    "response-fields",
    "created is a float",
    lambda body: body.update(created=body["created"] + 0.25),
)
everywhere(
    "created-milliseconds",
    "response-fields",
    "created is in milliseconds",
    lambda body: body.update(created=body["created"] * 1000),
)
everywhere("id-missing", "response-fields", "answers have no id", _remove("id"))
everywhere("object-missing", "response-fields", "answers have no object", _remove("object"))
everywhere(
    "model-echo-differs",
    "response-fields",
    "answers name another model",
    _set(model="another-model-v2"),
    level="should",
)
on_usage(
    "usage-zero", "usage", "usage is all zeros", _set(prompt_tokens=0, completion_tokens=0, total_tokens=0)
)
on_usage("usage-fields-missing", "usage", "usage lacks completion_tokens", _remove("completion_tokens"))
on_usage(
    "usage-extra-float-metrics",
    "usage",
    "usage contains floats",
    _set(latency=0.1331, tokens_per_second=87.5),
    level="should",
)
on_usage(
    "usage-cost-semantics",
    "usage",
    "usage carries a cost",
    _set(cost=0.00021, is_byok=False, cost_details={"upstream_inference_cost": 0.0002}),
    level="should",
)


def _cached_elsewhere(usage: Json) -> None:
    usage.pop("prompt_tokens_details", None)
    usage.update(prompt_cache_hit_tokens=0, prompt_cache_miss_tokens=usage["prompt_tokens"])


on_usage(
    "usage-cached-field-nonstandard",
    "usage",
    "cache hits stand in a field of their own",
    _cached_elsewhere,
    level="should",
)


def _is_json(context: Context) -> bool:
    return format_of(context) != "text"


on_text(
    "json-object-fenced",
    "json",
    "JSON answers stand in a code fence",
    lambda context, text: f"```json\n{text}\n```",
    lambda context: format_of(context) == "json_object",
)
on_text(
    "json-mode-dropped-by-gateway",
    "json",
    "response_format is left out on the way",
    lambda context, text: "Of course! Here it is: " + text.strip("{}"),
    _is_json,
)
on_text(
    "json-with-think-prefix",
    "json",
    "thinking stands before JSON answers",
    lambda context, text: f"<think>{_THINKING}</think>{text}",
    _is_json,
)
on_text(
    "json-mode-empty-content",
    "json",
    "JSON answers are empty",
    lambda context, text: "",
    lambda context: format_of(context) == "json_object",
)
on_text(
    "think-tags-in-content",
    "reasoning",
    "thinking stands in the content",
    lambda context, text: f"<think>\n{_THINKING}\n</think>\n\n{text}",
)
on_text(
    "think-close-tag-without-open",
    "reasoning",
    "thinking stands in the content without its opening tag",
    lambda context, text: f"{_THINKING}\n</think>\n\n{text}",
)


@declare("json-infinite-whitespace", "json", "JSON answers end in white space up to the limit").at("answer")
def _whitespace(context: Context, answer: Answer) -> None:
    for choice in answer.choices if _is_json(context) else []:
        limit = context.body.get("max_completion_tokens") or context.body.get("max_tokens") or 400
        choice.text = ("{" + "\n\t" * limit)[:limit]
        choice.finish_reason = "length"
    recount(answer)


def _finish(name: str, old: str, new: str, summary: str) -> None:
    def rewrite(context: Context, answer: Answer) -> None:
        for choice in answer.choices:
            if choice.finish_reason == old:
                choice.finish_reason = new

    declare(name, "response-fields", summary).at("answer")(rewrite)


_finish("finish-reason-outside-enum", "stop", "eos", "finish_reason is eos instead of stop")
_finish(
    "finish-reason-tool-call-singular",
    "tool_calls",
    "tool_call",
    "finish_reason is tool_call instead of tool_calls",
)
_finish("finish-reason-stop-when-truncated", "length", "stop", "a cut answer says finish_reason stop")


def _thinks(answer: Answer, text: str = _THINKING) -> None:
    for choice in answer.choices:
        choice.reasoning = text
    recount(answer)


@declare(
    "empty-content-reasoning-only", "reasoning", "the answer is in the thinking and the content is empty"
).at("answer")
def _only_thinking(context: Context, answer: Answer) -> None:
    for choice in answer.choices:
        if choice.text is not None:
            choice.reasoning, choice.text = choice.text, ""


@declare("stop-cuts-reasoning", "parameters", "a stop text ends the thinking before the answer").at("answer")
def _stop_in_thinking(context: Context, answer: Answer) -> None:
    for choice in answer.choices if context.body.get("stop") else []:
        choice.reasoning, choice.text = _THINKING, ""
    recount(answer)


_renamed = declare(
    "reasoning-field-name-differs", "reasoning", "thinking is under `reasoning`", level="should"
)
_outside = declare(
    "usage-reasoning-outside-completion",
    "usage",
    "completion_tokens leaves out the thinking, total_tokens counts it",
)


@_renamed.at("answer")
@_outside.at("answer")
def _think(context: Context, answer: Answer) -> None:
    _thinks(answer)


@_renamed.at("body")
def _rename_body(context: Context, body: Any) -> None:
    for message in messages_of(body):
        message["reasoning"] = message.pop("reasoning_content")


@_renamed.at("chunks")
def _rename_chunks(context: Context, chunks: list[Json]) -> None:
    for delta in deltas(chunks):
        if "reasoning_content" in delta:
            delta["reasoning"] = delta.pop("reasoning_content")


@_outside.at("body")
@_outside.at("chunks")
def _leave_out(context: Context, value: Any) -> None:
    for usage in usages(value):
        if "completion_tokens_details" in usage:
            usage["completion_tokens"] -= usage["completion_tokens_details"]["reasoning_tokens"]


@declare("usage-null", "usage", "usage of plain answers is null").at("body")
def _no_usage(context: Context, body: Any) -> None:
    if context.is_chat:
        body["usage"] = None


@declare("usage-image-tokens-missing", "usage", "usage leaves out images").at("answer")
def _images_free(context: Context, answer: Answer) -> None:
    answer.prompt_tokens -= tokens.IMAGE_TOKENS * sum(
        len(images_of(message.get("content"))) for message in context.messages
    )


@declare("choices-missing-or-empty-200", "response-fields", "choices are an empty list").at("body")
def _no_choices(context: Context, body: Any) -> None:
    if is_completion(body):
        body["choices"] = []


@declare("message-missing", "response-fields", "the choice has no message").at("body")
def _no_message(context: Context, body: Any) -> None:
    for choice in body["choices"] if is_completion(body) else []:
        choice.pop("message")


@declare("choice-level-error-200", "errors", "the choice holds an error, with status 200").at("body")
def _choice_error(context: Context, body: Any) -> None:
    for choice in body["choices"] if is_completion(body) else []:
        choice.update(finish_reason="error", error={"code": 502, "message": "Upstream error"})
        choice["message"]["content"] = ""


_padded = declare(
    "tool-calls-null-or-empty-padding",
    "response-fields",
    "tool_calls is an empty list where nothing was called",
    level="should",
)


@_padded.at("body")
def padded_body(context: Context, body: Any) -> None:
    """`tool_calls: []` beside text."""
    for message in messages_of(body):
        message.setdefault("tool_calls", [])


@_padded.at("chunks")
def padded_chunks(context: Context, chunks: list[Json]) -> None:
    """`tool_calls: []` beside text."""
    for delta in deltas(chunks):
        if delta.get("content"):
            delta["tool_calls"] = []


_array = declare("response-content-array", "response-fields", "content is a list of parts")


def _as_parts(holder: Json) -> None:
    if isinstance(holder.get("content"), str):
        holder["content"] = [{"type": "text", "text": holder["content"]}]


@_array.at("body")
def _array_body(context: Context, body: Any) -> None:
    for message in messages_of(body):
        _as_parts(message)


@_array.at("chunks")
def _array_chunks(context: Context, chunks: list[Json]) -> None:
    for delta in deltas(chunks):
        _as_parts(delta)


@declare("message-refusal-false", "response-fields", "refusal is false instead of null", operational=True).at(
    "body"
)
def _refusal_false(context: Context, body: Any) -> None:
    for message in messages_of(body):
        message["refusal"] = False


@declare("message-role-missing", "response-fields", "the message has no role", operational=True).at("body")
def _no_role(context: Context, body: Any) -> None:
    for message in messages_of(body):
        message.pop("role")


@declare("logprobs-infinity-500", "response-fields", "logprobs of certain tokens end in status 500").at(
    "guard"
)
def _infinite(context: Context) -> None:
    if context.is_chat and given(context, "top_logprobs"):
        raise ApiError(
            500, "Out of range float values are not JSON compliant", type="InternalServerError", code=500
        )


def _too_long(context: Context) -> bool:
    return context.is_chat and completions.prompt_tokens(context.body) > context.window > 0


def _shorten(context: Context, keep: Any) -> None:
    # A token has at least one character, so that this many characters surely fit.
    room = max(context.window // 4, 64)
    longest = max(context.messages, key=lambda message: len(text_of(message.get("content"))))
    text = text_of(longest.get("content"))
    longest["content"] = keep(text, room)


@declare("context-overflow-silent", "behaviour", "the head of a prompt that is too long is dropped").at(
    "request"
)
def _drop_head(context: Context) -> None:
    if _too_long(context):
        _shorten(context, lambda text, room: text[-room:])


@declare("prompt-silently-compressed", "behaviour", "the middle of a prompt that is too long is dropped").at(
    "request"
)
def _drop_middle(context: Context) -> None:
    if _too_long(context):
        _shorten(context, lambda text, room: text[: room // 2] + text[-room // 2 :])


_overflow = declare(
    "finish-reason-context-window",
    "response-fields",
    "a prompt that is too long ends with a finish_reason of its own and status 200",
)


@_overflow.at("request")
def _overflow_request(context: Context) -> None:
    if _too_long(context):
        _drop_head(context)
        context.memory["overflowed"] = context.serial


@_overflow.at("answer")
def _overflow_answer(context: Context, answer: Answer) -> None:
    if context.memory.get("overflowed") == context.serial:
        for choice in answer.choices:
            choice.finish_reason = "model_context_window_exceeded"


@declare(
    "completion-tokens-inflated",
    "usage",
    "completion_tokens are three times what was written",
    operational=True,
).at("answer")
def _inflated(context: Context, answer: Answer) -> None:
    answer.completion_tokens = answer.completion_tokens * 3


@declare("usage-total-wrong", "usage", "total_tokens is not the sum", operational=True).at("body")
def _wrong_total(context: Context, body: Any) -> None:
    for usage in usages(body) if context.is_chat else []:
        usage["total_tokens"] += 7


@declare("json-trailing-text", "json", "a sentence follows JSON answers", operational=True).at("answer")
def _trailing(context: Context, answer: Answer) -> None:
    for choice in answer.choices if _is_json(context) else []:
        choice.text = f"{choice.text}\n\nThis is the JSON that you asked for."
    recount(answer)


@declare(
    "instructions-ignored",
    "behaviour",
    "the model answers something else, whatever it is told",
    operational=True,
).at("answer")
def _disobeys(context: Context, answer: Answer) -> None:
    for choice in answer.choices:
        choice.text, choice.calls = "I would rather talk about the weather at sea.", []
        choice.finish_reason = "stop"
    recount(answer)


@declare(
    "non-ascii-mangled", "response-fields", "letters beyond ASCII arrive decoded wrongly", operational=True
).at("answer")
def _mangled(context: Context, answer: Answer) -> None:
    for choice in answer.choices:
        if choice.text:
            choice.text = choice.text.encode("utf-8", "replace").decode("latin-1")
        for call in choice.calls:
            call.arguments = call.arguments.encode("utf-8", "replace").decode("latin-1")
    recount(answer)


@declare(
    "nonstream-leading-whitespace", "response-fields", "blank lines stand before the JSON", level="should"
).at("reply")
def _blank_lines(context: Context, reply: Reply) -> None:
    if context.is_chat and not reply.chunked and reply.status == 200:
        reply.pieces = [b"\n" * 40, *reply.pieces]
