"""Changes to answers that come as one document: text, tool calls, embeddings, the model list, refusals."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

from tests.mutations import Mutation, Wire, field, harmful, harmless, legal, put, strict

TEXT = (
    field("text", "id", ..., "response-id/id-missing"),
    field("text", "id", None, "response-id/id-missing"),
    field("text", "id", 123, "response-id/id-not-a-string"),
    field("text", "id", ""),
    field("text", "object", ..., "response-object/object-missing"),
    field("text", "object", None, "response-object/object-missing"),
    field("text", "object", "text_completion", "response-object/object-other"),
    field("text", "object", "", "response-object/object-other"),
    harmless("text", "created is absent", put("created", ...), "response-created-present/created-missing"),
    harmless("text", "created is null", put("created", None), "response-created-present/created-missing"),
    field("text", "created", 1795348800.5, "response-created/created-float"),
    field("text", "created", "1795348800", "response-created/created-string"),
    harmless(
        "text",
        "created in milliseconds",
        put("created", 1795348800123),
        "response-created-unit/created-milliseconds",
    ),
    field("text", "model", ..., "response-model/model-missing"),
    field("text", "model", None, "response-model/model-missing"),
    field("text", "model", ""),
    field("text", "choices", ..., "response-choices/choices-missing-or-empty-200"),
    field("text", "choices", None, "response-choices/choices-missing-or-empty-200"),
    field("text", "choices", [], "response-choices/choices-missing-or-empty-200"),
    field("text", "choice.index", ..., "response-choice-index/choice-index-missing"),
    field("text", "choice.index", None, "response-choice-index/choice-index-missing"),
    field("text", "choice.index", "0", "response-choice-index/choice-index-not-an-integer"),
    field("text", "choice.logprobs", ...),
    field("text", "choice.finish_reason", ..., "response-finish-reason/finish-reason-missing"),
    field("text", "choice.finish_reason", None, "response-finish-reason/finish-reason-null"),
    field("text", "choice.finish_reason", "", "response-finish-reason/finish-reason-empty"),
    field("text", "choice.finish_reason", "eos", "response-finish-reason/finish-reason-outside-enum"),
    field("text", "choice.finish_reason", "end_turn", "response-finish-reason/finish-reason-outside-enum"),
    field("text", "choice.finish_reason", "STOP", "response-finish-reason/finish-reason-outside-enum"),
    field("text", "choice.message", ..., "response-message/message-missing"),
    field("text", "choice.message", None, "response-message/message-missing"),
    field("text", "message.role", ..., "response-role/role-missing"),
    field("text", "message.role", None, "response-role/role-missing"),
    field("text", "message.role", "", "response-role/role-empty"),
    field("text", "message.role", "model", "response-role/role-other"),
    field("text", "message.role", "Assistant", "response-role/role-other"),
    field("text", "message.content", ..., "content-not-empty/empty-content"),
    field("text", "message.content", None, "content-not-empty/empty-content"),
    field(
        "text",
        "message.content",
        [{"type": "text", "text": "Hello."}],
        "response-content/response-content-array",
    ),
    field("text", "message.content", {"text": "Hello."}, "response-content/content-object"),
    field("text", "message.refusal", ...),
    field("text", "message.refusal", False, "response-refusal/refusal-boolean"),
    field("text", "message.refusal", ""),
    field("text", "message.annotations", ...),
    field("text", "message.annotations", None),
    field("text", "message.tool_calls", None),
    field("text", "message.tool_calls", []),
    field("text", "message.function_call", None),
    field("text", "message.reasoning_content", "think"),
    field("text", "usage", ..., "usage-present/usage-missing"),
    field("text", "usage", None, "usage-present/usage-null"),
    field("text", "usage", {}, "usage-present/usage-empty"),
    field("text", "usage.prompt_tokens", ..., "usage-integers/usage-fields-missing"),
    field("text", "usage.prompt_tokens", None, "usage-integers/usage-fields-missing"),
    field("text", "usage.prompt_tokens", "12", "usage-integers/usage-string"),
    field("text", "usage.prompt_tokens", 12.0, "usage-integers/usage-float"),
    field("text", "usage.prompt_tokens", 12.5, "usage-integers/usage-float"),
    field("text", "usage.completion_tokens", ..., "usage-integers/usage-fields-missing"),
    field("text", "usage.completion_tokens", None, "usage-integers/usage-fields-missing"),
    field("text", "usage.total_tokens", ..., "usage-integers/usage-fields-missing"),
    field("text", "usage.total_tokens", None, "usage-integers/usage-fields-missing"),
    field("text", "usage.prompt_tokens_details", ...),
    field("text", "usage.prompt_tokens_details", None),
    field("text", "usage.prompt_tokens_details", {}),
    field("text", "usage.completion_tokens_details", ...),
    field("text", "usage.completion_tokens_details", None),
    field("text", "usage.completion_tokens_details", {}),
    field("text", "usage.completion_tokens_details.reasoning_tokens", ...),
    field("text", "usage.completion_tokens_details.reasoning_tokens", None),
    field("text", "service_tier", ...),
    field("text", "service_tier", None),
    harmless(
        "text",
        'service_tier is "on_demand"',
        put("service_tier", "on_demand"),
        "response-service-tier/service-tier-other",
    ),
    field("text", "system_fingerprint", ...),
    field("text", "system_fingerprint", None),
    field("text", "error", None),
    field("text", "error", {}),
    field("text", "extra_field", {"a": 1}),
)

_HTML = b"<!doctype html><html><body>Sign in</body></html>"
_ERROR = {
    "error": {"message": "The model is overloaded.", "type": "server_error", "param": None, "code": None}
}

BODIES = (
    harmful("text", "an error object with status 200", lambda _: _ERROR, "error-status/http-200-error-body"),
    harmful("text", "a web page with status 200", lambda _: Wire(_HTML, "text/html"), "response-json/html"),
    harmful(
        "text",
        "JSON that is called text/plain",
        lambda document: Wire(json.dumps(document).encode(), "text/plain"),
        "response-content-type/content-type-other",
    ),
    harmful(
        "text",
        "an empty body with status 200",
        lambda _: Wire(b"", "application/json"),
        "response-json/http-200-empty-body",
    ),
)

TOOL = (
    field("tool call", "call.id", ..., "tool-call-id/missing"),
    field("tool call", "call.id", None, "tool-call-id/missing"),
    field("tool call", "call.id", "", "tool-call-id/tool-call-id-empty"),
    field("tool call", "call.type", ..., "tool-call-type/missing"),
    field("tool call", "call.type", None, "tool-call-type/null"),
    field("tool call", "call.type", "", "tool-call-type/other"),
    field("tool call", "call.function.name", ..., "tool-call-name/missing"),
    field("tool call", "call.function.name", None, "tool-call-name/missing"),
    field("tool call", "call.function.arguments", ..., "tool-arguments-string/missing"),
    field("tool call", "call.function.arguments", None, "tool-arguments-string/null"),
    field(
        "tool call",
        "call.function.arguments",
        {"city": "Paris"},
        "tool-arguments-string/tool-arguments-object",
    ),
    field("tool call", "call.function.arguments", "", "tool-arguments-json/tool-arguments-empty-string"),
    field("tool call", "call.function.arguments", "{bad", "tool-arguments-json/tool-arguments-invalid-json"),
    field("tool call", "call.index", 0),
    field("tool call", "message.content", ...),
    legal(
        "tool call",
        'message.content is ""',
        put("message.content", ""),
        "an empty text beside tool calls is as good as null; one client hands it on as it came",
    ),
    field(
        "tool call",
        "choice.finish_reason",
        "stop",
        "tool-finish-reason/nonstream-finish-reason-stop-with-tool-calls",
    ),
)

EMBEDDINGS = (
    harmless(
        "base64 embeddings",
        "a list of floats although base64 was asked for",
        lambda document: _unpacked(document),
    ),
    harmless("embeddings", "object is absent", put("object", ...), "embeddings-envelope/embeddings-object"),
    harmless("embeddings", "model is absent", put("model", ...), "embeddings-envelope/embeddings-model"),
    harmless("embeddings", "model is null", put("model", None), "embeddings-envelope/embeddings-model"),
    field("embeddings", "usage", ..., "embeddings-usage/embeddings-usage-missing"),
    field("embeddings", "usage", None, "embeddings-usage/embeddings-usage-missing"),
    field("embeddings", "usage.prompt_tokens", ..., "embeddings-usage/embeddings-usage-fields"),
    strict(
        "embeddings",
        "usage.total_tokens is absent",
        put("usage.total_tokens", ...),
        "strictly typed clients need both counters",
        "embeddings-usage/embeddings-usage-fields",
    ),
    strict(
        "embeddings",
        "entry.index is absent",
        put("entry.index", ...),
        "strictly typed clients refuse an entry without",
        "embeddings-index/embeddings-index-missing",
    ),
    harmless(
        "embeddings",
        "entry.object is absent",
        put("entry.object", ...),
        "embeddings-envelope/embeddings-object",
    ),
    field("embeddings", "data", [], "embeddings-data/embeddings-data-empty"),
    field("embeddings", "data", None, "embeddings-data/embeddings-data-missing"),
    field("embeddings", "data", ..., "embeddings-data/embeddings-data-missing"),
    harmless("embeddings", "whole numbers in the vectors", lambda document: _rounded(document)),
)


def _unpacked(document: dict[str, Any]) -> dict[str, Any]:
    packed = [base64.b64decode(entry["embedding"]) for entry in document["data"]]
    floats = [list(struct.unpack(f"<{len(each) // 4}f", each)) for each in packed]
    data = [{**entry, "embedding": each} for entry, each in zip(document["data"], floats, strict=True)]
    return {**document, "data": data}


def _rounded(document: dict[str, Any]) -> dict[str, Any]:
    data = [{**entry, "embedding": [int(x) for x in entry["embedding"]]} for entry in document["data"]]
    return {**document, "data": data}


MODELS = (
    harmless(
        "models", "object is absent", put("object", ...), "models-list-fields/models-list-object-missing"
    ),
    field("models", "data", ..., "models-list/models-list-data-missing"),
    field("models", "data", None, "models-list/models-list-data-missing"),
    harmless(
        "models",
        "entry.created is absent",
        put("entry.created", ...),
        "models-list-fields/models-list-created",
    ),
    harmless(
        "models",
        "entry.created is null",
        put("entry.created", None),
        "models-list-fields/models-list-created",
    ),
    harmless(
        "models",
        "entry.owned_by is absent",
        put("entry.owned_by", ...),
        "models-list-fields/models-list-owned-by",
    ),
    harmless(
        "models",
        "entry.object is absent",
        put("entry.object", ...),
        "models-list-fields/models-list-object-missing",
    ),
    harmful(
        "models",
        "a bare list of models",
        lambda document: document["data"],
        "models-list/models-list-bare-array",
    ),
)

REFUSALS = (
    harmful(
        "refusal",
        "neither type nor code",
        lambda document: {"error": {"message": document["error"]["message"]}},
        "error-class/error-missing-type-and-code",
    ),
    field("refusal", "error.code", 400, "error-code-type/error-code-int"),
    field("refusal", "error.message", ..., "error-object/error-message-missing"),
    field("refusal", "error", "messages is missing", "error-object/error-as-string"),
    harmful(
        "refusal",
        "a flat message",
        lambda document: {"message": document["error"]["message"]},
        "error-object/error-flat-no-wrapper",
    ),
    harmful(
        "refusal",
        "a flat error object",
        lambda document: {"object": "error", **document["error"]},
        "error-object/error-flat-no-wrapper",
    ),
    harmful(
        "refusal",
        "a flat detail",
        lambda document: {"detail": document["error"]["message"]},
        "error-object/error-detail",
    ),
    harmful("refusal", "a list of errors", lambda document: [document], "error-object/error-json-array"),
    harmful("refusal", "a web page", lambda _: Wire(_HTML, "text/html"), "error-object/error-html-body"),
    harmful("refusal", "an empty body", lambda _: Wire(b"", "text/plain"), "error-object/error-empty-body"),
)

JSON = (
    harmful(
        "json",
        "JSON in a code fence",
        lambda text: f"```json\n{text}\n```",
        "json-schema-parses/json-object-fenced",
    ),
    harmful(
        "json",
        "prose before the JSON",
        lambda text: f"Here it is: {text}",
        "json-schema-parses/json-mode-dropped-by-gateway",
    ),
    harmful(
        "json",
        "thinking before the JSON",
        lambda text: f"<think>hm</think>{text}",
        "no-think-tags/json-with-think-prefix",
    ),
    harmful(
        "json",
        "JSON that is cut, with the reason stop",
        lambda text: text[:-6],
        "json-schema-parses/cut-without-length",
    ),
    harmless("json", "white space around the JSON", lambda text: f"\n {text}\n"),
    harmful("json", "an empty text", lambda _: "", "content-not-empty/json-mode-empty-content"),
)

MUTATIONS: tuple[Mutation, ...] = (*TEXT, *BODIES, *TOOL, *EMBEDDINGS, *MODELS, *REFUSALS, *JSON)
