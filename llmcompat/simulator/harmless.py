"""Legal variety: ways to answer that differ from OpenAI's and that no `must` may hold against an endpoint."""

from typing import Any

from llmcompat.simulator import faults_answers, faults_endpoints, faults_streaming, faults_tools
from llmcompat.simulator.answers import Answer, ApiError, Context, Json, Reply
from llmcompat.simulator.register import harmless
from llmcompat.simulator.rewriting import continuations, deltas, is_completion, messages_of

_OPTIONAL = ("service_tier", "system_fingerprint")

harmless("crlf", "streaming", "lines of a stream end with CRLF").at("frames")(faults_streaming.crlf)
harmless("sse-comments", "streaming", "comments stand between the events").at("frames")(
    faults_streaming.comments
)
harmless("data-without-space", "streaming", "no space behind `data:`").at("frames")(
    faults_streaming.without_space
)
harmless("role-null-later", "streaming", "later deltas carry role null").at("chunks")(
    faults_streaming.null_roles
)
harmless("usage-on-finish-chunk", "streaming", "usage comes on the finish chunk").at("chunks")(
    faults_streaming.usage_on_finish
)
harmless("empty-first-chunk", "streaming", "the first chunk has no choices").at("chunks")(
    faults_streaming.empty_first
)
harmless("regrouped-writes", "streaming", "events are cut and joined between writes").at("frames")(
    faults_streaming.regrouped
)
harmless("whole-call-in-one-delta", "tools", "the whole arguments come in one piece").at("chunks")(
    faults_tools.single_piece
)
harmless("float-list-for-base64", "embeddings", "base64 is answered with floats").at("request")(
    faults_endpoints.floats
)
_padded = harmless("empty-tool-calls", "response-fields", "tool_calls is an empty list beside text")
_padded.at("body")(faults_answers.padded_body)
_padded.at("chunks")(faults_answers.padded_chunks)


@harmless("byte-wise", "streaming", "each write has one byte").at("reply")
def _byte_wise(context: Context, reply: Reply) -> None:
    if reply.chunked:
        whole = b"".join(piece for piece in reply.pieces if isinstance(piece, bytes))
        # Only the beginning, where parsers stumble, lest a long stream takes minutes.
        reply.pieces = [*(whole[place : place + 1] for place in range(min(len(whole), 1500))), whole[1500:]]


@harmless("chunks-of-many-tokens", "streaming", "a delta carries five tokens").at("chunks")
def _larger(context: Context, chunks: list[Json]) -> list[Json]:
    kept: list[Json] = []
    open_deltas: dict[int, tuple[Json, int]] = {}
    for chunk in chunks:
        choice = chunk["choices"][0] if chunk["choices"] else None
        if choice and choice["delta"].get("content") and not choice["logprobs"]:
            delta, size = open_deltas.get(choice["index"], ({}, 5))
            if size < 5:
                delta["content"] += choice["delta"]["content"]
                open_deltas[choice["index"]] = (delta, size + 1)
                continue
            open_deltas[choice["index"]] = (choice["delta"], 1)
        kept.append(chunk)
    return kept


@harmless("finish-on-last-text", "streaming", "the finish_reason is on the chunk with the last text").at(
    "chunks"
)
def _finish_on_text(context: Context, chunks: list[Json]) -> list[Json]:
    before: dict[int, Json] = {}
    kept = []
    for chunk in chunks:
        choice = chunk["choices"][0] if chunk["choices"] else None
        if (
            choice
            and choice["finish_reason"] is not None
            and before.get(choice["index"], {}).get("delta", {}).get("content")
        ):
            before[choice["index"]]["finish_reason"] = choice["finish_reason"]
            continue
        if choice:
            before[choice["index"]] = choice
        kept.append(chunk)
    return kept


@harmless("roles-repeated", "streaming", "every delta carries the role").at("chunks")
def _roles(context: Context, chunks: list[Json]) -> None:
    for delta in deltas(chunks):
        delta["role"] = "assistant"


@harmless("obfuscation", "streaming", "chunks carry obfuscation").at("chunks")
def _obfuscated(context: Context, chunks: list[Json]) -> None:
    for number, chunk in enumerate(chunks):
        chunk["obfuscation"] = "x" * (1 + number % 9)


@harmless(
    "null-id-on-continuation", "tools", "later pieces of a call carry an id and a name that are null"
).at("chunks")
def _null_ids(context: Context, chunks: list[Json]) -> None:
    for piece in continuations(chunks):
        piece["id"] = None
        piece["function"]["name"] = None


@harmless("content-empty-beside-calls", "tools", "content is an empty string beside tool calls").at("body")
def _empty_content(context: Context, body: Any) -> None:
    for message in messages_of(body):
        if message["content"] is None:
            message["content"] = ""


@harmless(
    "named-choice-finish-tool-calls", "tools", "a named tool_choice ends with tool_calls instead of stop"
).at("answer")
def _named_finish(context: Context, answer: Answer) -> None:
    for choice in answer.choices:
        if choice.calls and choice.finish_reason == "stop":
            choice.finish_reason = "tool_calls"


@harmless(
    "unknown-parameters-ignored", "parameters", "invented parameters are ignored instead of refused"
).at("pardon")
def _tolerant(context: Context, error: ApiError) -> bool:
    return error.code == "unknown_parameter"


_extra = harmless("unknown-extra-fields", "response-fields", "answers carry fields of their own")
_absent = harmless("absent-optional-fields", "response-fields", "optional fields are left out")
_null_fingerprint = harmless("system-fingerprint-null", "response-fields", "system_fingerprint is null")
_dated = harmless("dated-model", "response-fields", "answers name a dated snapshot of the model")


@_extra.at("body")
def _extra_body(context: Context, body: Any) -> None:
    if isinstance(body, dict):
        body["provider"] = "Simulator"
    for message in messages_of(body):
        message.update(reasoning_content=None, audio=None, function_call=None)


@_extra.at("chunks")
def _extra_chunks(context: Context, chunks: list[Json]) -> None:
    for chunk in chunks:
        chunk["provider"] = "Simulator"
    for delta in deltas(chunks):
        delta["reasoning_content"] = None


@_absent.at("body")
def _absent_body(context: Context, body: Any) -> None:
    if is_completion(body):
        for name in _OPTIONAL:
            body.pop(name, None)
        for choice in body["choices"]:
            if choice["logprobs"] is None:
                choice.pop("logprobs")
            choice["message"].pop("refusal", None)
            choice["message"].pop("annotations", None)
        body["usage"].pop("prompt_tokens_details", None)
        body["usage"].pop("completion_tokens_details", None)


@_absent.at("chunks")
def _absent_chunks(context: Context, chunks: list[Json]) -> None:
    for chunk in chunks:
        for name in _OPTIONAL:
            chunk.pop(name, None)
        if chunk.get("usage", 1) is None:
            chunk.pop("usage")
        for choice in chunk["choices"]:
            if choice["logprobs"] is None:
                choice.pop("logprobs")
            choice["delta"].pop("refusal", None)


@_null_fingerprint.at("answer")
def _fingerprint(context: Context, answer: Answer) -> None:
    answer.system_fingerprint = None


@_dated.at("answer")
def _snapshot(context: Context, answer: Answer) -> None:
    answer.model += "-2026-01-15"


@harmless("leading-whitespace", "response-fields", "white space stands before the JSON").at("reply")
def leading_whitespace(context: Context, reply: Reply) -> None:
    """Blank lines as keep-alives before the body."""
    if not reply.chunked and reply.status == 200:
        reply.pieces = [b"\n\n   \n", *reply.pieces]


@harmless("no-rate-limit-headers", "errors", "answers carry no rate-limit headers").at("reply")
def _no_headers(context: Context, reply: Reply) -> None:
    reply.headers = [pair for pair in reply.headers if not pair[0].startswith("x-ratelimit-")]


@harmless("content-type-charset", "response-fields", "the content type names its charset").at("reply")
def _charset(context: Context, reply: Reply) -> None:
    if not reply.chunked:
        reply.set_header("content-type", "application/json; charset=utf-8")
