"""Faults of refusals and of running: shapes and statuses of errors, throttling, outages."""

import json
from typing import Any

from llmcompat.simulator import completions
from llmcompat.simulator.answers import Answer, ApiError, Context, Reply
from llmcompat.simulator.conversation import text_of
from llmcompat.simulator.register import declare
from llmcompat.simulator.rewriting import functions, given, refuses

_HTML = (
    b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad "
    b"Gateway</h1></center></body></html>\n"
)
_TPM = 8000


def _body(error: ApiError) -> dict[str, Any]:
    body = error.json()
    inner = body.get("error") if isinstance(body, dict) else None
    return dict(inner) if isinstance(inner, dict) else {"message": error.message}


def _reshape(name: str, summary: str, shape: Any, *, level: str = "must") -> None:
    def rewrite(context: Context, error: ApiError) -> None:
        error.body = shape(error)

    declare(name, "errors", summary, level=level).at("error")(rewrite)


def _code(value: Any) -> Any:
    return lambda error: {"error": {**_body(error), "code": value(error)}}


_reshape(
    "error-flat-no-wrapper", "errors have no `error` key", lambda error: {"object": "error", **_body(error)}
)
_reshape("error-as-string", "`error` is a string", lambda error: {"error": error.message})
_reshape("error-empty-body", "errors have no body", lambda error: b"")
_reshape("error-code-int", "code is the status as a number", _code(lambda error: error.status))
_reshape(
    "error-code-status-as-string", "code is the status as a string", _code(lambda error: str(error.status))
)
_reshape(
    "error-missing-type-and-code",
    "errors have a message only",
    lambda error: {"error": {"message": error.message}},
)
_reshape(
    "error-json-array",
    "errors stand in a list",
    lambda error: [
        {
            "error": {
                "code": error.status,
                "message": error.message,
                "status": "INVALID_ARGUMENT",
                "details": [],
            }
        }
    ],
)
_reshape(
    "error-nested-json-string",
    "the cause is JSON text in another field",
    lambda error: {
        "error": {
            "message": "Provider returned error",
            "code": error.status,
            "metadata": {"raw": json.dumps({"error": _body(error)}), "provider_name": "Upstream"},
        }
    },
)


@declare("error-html-body", "errors", "errors are HTML pages").at("error")
def _html(context: Context, error: ApiError) -> None:
    error.body, error.headers["content-type"] = _HTML, "text/html"


@declare("error-422-validation", "errors", "wrong requests are answered with 422 and a list of details").at(
    "error"
)
def _unprocessable(context: Context, error: ApiError) -> None:
    if error.status == 400:
        error.status = 422
        error.body = {
            "detail": [
                {"loc": ["body", error.param or "messages"], "msg": error.message, "type": "value_error"}
            ]
        }


@declare(
    "context-length-error-unrecognisable",
    "errors",
    "a prompt that is too long is refused in words of its own, without a code",
).at("error")
def _overflow(context: Context, error: ApiError) -> None:
    if error.code == "context_length_exceeded":
        error.message, error.code, error.param, error.type = (
            "The input cannot be processed by this deployment.",
            400,
            None,
            "BadRequestError",
        )


@declare("http-200-error-body", "errors", "errors come with status 200").at("error")
def _as_success(context: Context, error: ApiError) -> None:
    error.status = 200


@declare("invalid-key-status-400", "errors", "a wrong key is answered with 400").at("error")
def _key_400(context: Context, error: ApiError) -> None:
    if error.status == 401:
        error.status = 400


@declare("client-error-as-500", "errors", "wrong requests are answered with 500").at("error")
def _as_500(context: Context, error: ApiError) -> None:
    if error.status == 400:
        error.status, error.type, error.code = 500, "server_error", None


@declare("gateway-masks-upstream-status", "errors", "wrong requests are answered with 502").at("error")
def _as_502(context: Context, error: ApiError) -> None:
    if error.status == 400:
        error.status, error.type, error.code, error.message = (
            502,
            "server_error",
            None,
            "Bad gateway: upstream request failed",
        )


@declare("model-not-found-status-400", "errors", "an unknown model is answered with 400").at("error")
def _model_400(context: Context, error: ApiError) -> None:
    if error.code == "model_not_found" and context.method == "POST":
        error.status, error.code, error.message = 400, "invalid_request_error", "Model Not Exist"


@declare("model-unknown-accepted", "errors", "an unknown model is answered by another").at("pardon")
def _any_model(context: Context, error: ApiError) -> bool:
    return context.is_chat and error.code == "model_not_found"


@declare(
    "request-over-tpm-413", "errors", "prompt and max_tokens together are held against the tokens per minute"
).at("guard")
def _over_tpm(context: Context) -> None:
    if not context.is_chat:
        return
    wanted = completions.prompt_tokens(context.body) + (
        context.body.get("max_tokens") or context.body.get("max_completion_tokens") or 0
    )
    if wanted > _TPM:
        text = (
            f"Request too large for model `{context.body.get('model')}` on tokens per minute (TPM): Limit "
            f"{_TPM}, Requested {wanted}, please reduce your message size and try again."
        )
        raise ApiError(413, text, type="tokens", code="rate_limit_exceeded")


refuses(
    "max-tokens-credit-reservation-402",
    "usage",
    "without max_tokens the whole output ceiling is held against the credit",
    lambda context: not given(context, "max_tokens", "max_completion_tokens"),
    "",
    status=402,
    body={
        "error": {
            "message": "This request requires more credits, or fewer max_tokens. You requested up to "
            "65536 tokens, but can only afford 30104.",
            "code": 402,
            "metadata": {"provider_name": None},
        },
        "user_id": "user_1",
    },
)
refuses(
    "quota-402",
    "errors",
    "an empty balance is answered with 402",
    bool,
    "Insufficient Balance",
    status=402,
    type="unknown_error",
    code="invalid_request_error",
)
refuses(
    "quota-429",
    "errors",
    "an empty balance is answered with 429 insufficient_quota",
    bool,
    "You exceeded your current quota, please check your plan and billing details.",
    status=429,
    type="insufficient_quota",
    operational=True,
    code="insufficient_quota",
)
refuses(
    "ratelimit-daily-cap-as-429",
    "errors",
    "an empty daily allowance looks like a momentary throttle",
    bool,
    "",
    status=429,
    body={
        "error": {
            "message": "Rate limit exceeded: free-models-per-day",
            "code": 429,
            "metadata": {
                "headers": {
                    "X-RateLimit-Limit": "50",
                    "X-RateLimit-Remaining": "0",
                    "X-RateLimit-Reset": "1893456000000",
                }
            },
        }
    },
)
refuses(
    "content-filter-400",
    "errors",
    "prompts on violence are answered with the filter's 400",
    lambda context: any(
        word in text_of(message.get("content")).lower()
        for message in context.messages
        for word in ("kill", "weapon", "bomb")
    ),
    "",
    body={
        "error": {
            "message": "The response was filtered due to the prompt triggering the content management "
            "policy.",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
        }
    },
)


def _once(context: Context, name: str, times: int = 1) -> bool:
    if context.method != "POST":
        return False
    context.memory[name] = context.memory.get(name, 0) + 1
    return bool(context.memory[name] <= times)


_LIMIT = "Rate limit reached for requests. Please try again in 1s."


@declare(
    "rate-limit-once",
    "errors",
    "the first request is throttled for a second",
    level="should",
    operational=True,
).at("guard")
def _throttle_once(context: Context) -> None:
    if _once(context, "rate-limit-once"):
        raise ApiError(429, _LIMIT, type="requests", code="rate_limit_exceeded", headers={"retry-after": "1"})


@declare("rate-limit-forever", "errors", "every request is throttled", operational=True).at("guard")
def _throttle(context: Context) -> None:
    if context.method == "POST":
        raise ApiError(429, _LIMIT, type="requests", code="rate_limit_exceeded", headers={"retry-after": "1"})


@declare("ratelimit-no-retry-after", "errors", "the first request is throttled, without Retry-After").at(
    "guard"
)
def _no_retry_after(context: Context) -> None:
    if _once(context, "ratelimit-no-retry-after"):
        inner = {
            "message": "Provider returned error",
            "code": 429,
            "metadata": {"headers": {"X-RateLimit-Reset": "1893456000000"}},
        }
        raise ApiError(429, _LIMIT, body={"error": inner})


@declare(
    "retry-after-too-long",
    "errors",
    "the first request is throttled with a Retry-After of an hour",
    operational=True,
).at("guard")
def _long_retry(context: Context) -> None:
    if _once(context, "retry-after-too-long"):
        raise ApiError(
            429, _LIMIT, type="requests", code="rate_limit_exceeded", headers={"retry-after": "3600"}
        )


@declare(
    "retry-after-duration-string",
    "errors",
    "the first request is throttled with a Retry-After of 6m0s",
    operational=True,
).at("guard")
def _duration_retry(context: Context) -> None:
    if _once(context, "retry-after-duration-string"):
        raise ApiError(
            429, _LIMIT, type="requests", code="rate_limit_exceeded", headers={"retry-after": "6m0s"}
        )


@declare(
    "loading-5xx-or-hang",
    "behaviour",
    "the first request meets a model that is still loading",
    level="should",
).at("guard")
def _loading(context: Context) -> None:
    if _once(context, "loading-5xx-or-hang"):
        raise ApiError(503, "Loading model", type="unavailable_error", code=503)


@declare("ratelimit-reset-format", "errors", "reset headers are in epoch milliseconds", level="should").at(
    "reply"
)
def _reset_format(context: Context, reply: Reply) -> None:
    for name in ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"):
        if any(header == name for header, _ in reply.headers):
            reply.set_header(name, "1893456000000")


@declare("nonstream-gateway-timeout", "behaviour", "long plain answers end in a 504").at("answer")
def _gateway_timeout(context: Context, answer: Answer) -> None:
    if not context.streamed and answer.completion_tokens > 200:
        raise ApiError(
            504,
            "Gateway timeout",
            body=_HTML.replace(b"502 Bad Gateway", b"504 Gateway Time-out"),
            headers={"content-type": "text/html"},
        )


@declare(
    "request-body-limit-small", "vision", "bodies of a megabyte and more are refused with an HTML page"
).at("guard")
def _small_bodies(context: Context) -> None:
    if len(context.raw) >= 1_000_000:
        page = _HTML.replace(b"502 Bad Gateway", b"413 Request Entity Too Large")
        raise ApiError(413, "Request Entity Too Large", body=page, headers={"content-type": "text/html"})


@declare("http-200-empty-body", "errors", "plain answers have no body, with status 200").at("reply")
def _empty_body(context: Context, reply: Reply) -> None:
    if context.is_chat and reply.status == 200 and not reply.chunked:
        reply.pieces = []


@declare("echo-key", "errors", "errors repeat the key", operational=True).at("error")
def _echo_key(context: Context, error: ApiError) -> None:
    error.message += f" (authorization: {context.headers.get('authorization', '')})"


@declare("http-500", "errors", "every request ends in 500", operational=True).at("guard")
def _server_error(context: Context) -> None:
    raise ApiError(
        500, "The server had an error while processing your request. Sorry about that!", type="server_error"
    )


@declare("not-found-everywhere", "errors", "every request ends in 404", operational=True).at("guard")
def _not_found(context: Context) -> None:
    raise ApiError(404, "Not Found", body={"detail": "Not Found"})


@declare("azure-addressing", "models", "only deployments in the path are served").at("guard")
def _deployments(context: Context) -> None:
    raise ApiError(
        404, "Resource not found", body={"error": {"code": "404", "message": "Resource not found"}}
    )


@declare(
    "html-everywhere",
    "errors",
    "every request is answered with an HTML page and status 200",
    operational=True,
).at("guard")
def _html_everywhere(context: Context) -> None:
    page = (
        b"<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body>Sign in to go on.</body></html>\n"
    )
    raise ApiError(200, "", body=page, headers={"content-type": "text/html; charset=utf-8"})


@declare("hang", "behaviour", "no request is ever answered", operational=True).at("reply")
def _hang(context: Context, reply: Reply) -> None:
    reply.pieces = [86_400.0, *reply.pieces]


@declare("connection-reset", "behaviour", "every connection is cut before an answer", operational=True).at(
    "reply"
)
def _reset(context: Context, reply: Reply) -> None:
    reply.pieces = [None]


@declare(
    "connection-reset-once",
    "behaviour",
    "the first request's connection is cut",
    level="should",
    operational=True,
).at("reply")
def _reset_once(context: Context, reply: Reply) -> None:
    if _once(context, "connection-reset-once"):
        reply.pieces = [None]


@declare("body-cut", "behaviour", "plain answers are cut in the middle of the body", operational=True).at(
    "reply"
)
def _cut_body(context: Context, reply: Reply) -> None:
    if reply.status == 200 and not reply.chunked and isinstance(reply.pieces[0], bytes):
        reply.set_header("content-length", str(len(reply.pieces[0])))
        reply.pieces = [reply.pieces[0][: len(reply.pieces[0]) // 2], None]


@declare(
    "redirect-elsewhere", "behaviour", "every request is redirected to another origin", operational=True
).at("reply")
def _redirect(context: Context, reply: Reply) -> None:
    reply.status = 307
    reply.set_header("location", "http://example.invalid" + context.path)


@declare("no-request-id", "errors", "answers carry no x-request-id", level="should", operational=True).at(
    "reply"
)
def _no_request_id(context: Context, reply: Reply) -> None:
    reply.set_header("x-request-id", None)


@declare("wrong-json-content-type", "response-fields", "JSON is served as text/plain", operational=True).at(
    "reply"
)
def _plain_text(context: Context, reply: Reply) -> None:
    if not reply.chunked and reply.status == 200:
        reply.set_header("content-type", "text/plain; charset=utf-8")


@declare("tools-ignored", "tools", "tools are accepted and never seen by the model", operational=True).at(
    "request"
)
def _tools_ignored(context: Context) -> None:
    if context.is_chat and functions(context):
        context.body.pop("tools")
        context.body.pop("tool_choice", None)
