"""Retries and errors: a refusal says what went wrong, in the form that your retry logic reads."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from llmcompat import (
    INVALID_KEY,
    MISSING,
    Api,
    Exchange,
    Exchanges,
    Profile,
    Reply,
    Settings,
    blocked,
    check,
    dig,
    fail,
    is_int,
    judged,
    note,
    parse_duration,
    probe,
    retry_after,
    unanswered,
)

UNKNOWN_MODEL = "llmcompat-no-such-model"
CHAT = "chat/completions"
HI = [{"role": "user", "content": "Say hi."}]
RETRIED = (408, 409, 429)
"""Statuses below 500 that the official clients try again."""
LONGEST_WAIT = 120.0
"""Seconds: told to wait longer, openai-python gives up at once (contract of Retry-After)."""
SMALL_TOKEN_RATE = 100_000
"""Tokens per minute up to which one request's output cap can pass the allowance of a minute."""
QUOTA_CODES = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
)


def _plain(api: Api) -> dict[str, Any]:
    """The plainest chat request: it carries nothing that an endpoint might refuse."""
    return {"model": api.settings.model, "messages": HI}


def _body(api: Api, **fields: Any) -> dict[str, Any]:
    """A small chat request; a field that is `...` is left out."""
    limit = {api.basics.token_limit: 16} if api.basics.token_limit else {}
    return _without_limit(api, **(limit | fields))


def _without_limit(api: Api, **fields: Any) -> dict[str, Any]:
    """Such a request where no model answers: it need not wait for the name of the limit."""
    return {name: value for name, value in (_plain(api) | fields).items() if value is not ...}


@probe(grounds=["hello"], quick=True, early=True)
async def invalid_key(api: Api) -> Reply:
    """A good request with a key that is none."""
    return await api.post(CHAT, _plain(api), key=INVALID_KEY, refusal=True)


@probe(grounds=["hello"], quick=True, early=True)
async def unknown_model(api: Api) -> Reply:
    """A good request to a model that does not exist."""
    return await api.post(CHAT, _plain(api) | {"model": UNKNOWN_MODEL}, refusal=True)


@probe(grounds=["hello"], early=True)
async def unknown_model_stream(api: Api, unknown_model: Reply) -> Reply:
    """A stream that cannot begin: an unknown model or, where any model name is taken, no messages."""
    wrong = {"messages": ...} if unknown_model.answered else {"model": UNKNOWN_MODEL}
    return await api.post(CHAT, _without_limit(api, stream=True, **wrong), refusal=True)


@probe(grounds=["hello"], early=True)
async def malformed_json(api: Api) -> Reply:
    """A body that is cut off in the middle."""
    return await api.post(
        CHAT, b'{"model": "x", "messages": [{"role": "user", "content": "Say hi', refusal=True
    )


@probe(grounds=["hello"], early=True)
async def missing_messages(api: Api) -> Reply:
    """A request without its required field."""
    return await api.post(CHAT, _without_limit(api, messages=...), refusal=True)


@probe(grounds=["hello"])
async def wrong_type(api: Api) -> Reply:
    """Text where a number belongs."""
    return await api.post(CHAT, _body(api, temperature="hot"), refusal=True)


@probe(grounds=["hello"])
async def invalid_role(api: Api) -> Reply:
    """A message from a role that does not exist."""
    return await api.post(CHAT, _body(api, messages=[{"role": "robot", "content": "Say hi."}]), refusal=True)


@probe(grounds=["hello"], early=True)
async def unknown_route(api: Api) -> Reply:
    """A path that does not exist."""
    return await api.get("llmcompat-no-such-route", refusal=True)


@probe(grounds=["hello"], alone=True)
async def cap_above_token_rate(api: Api, hello: Reply) -> Reply:
    """A one-word question whose output cap is above what a minute allows, where that allowance is small."""
    allowed, limit = _token_rate(hello), api.basics.token_limit
    if allowed is None or limit is None:
        return await api.get("models")  # there is nothing to ask: this was asked before, so nothing is sent
    return await api.post(CHAT, _body(api, **{limit: allowed + 1}), refusal=True)


def _token_rate(reply: Reply) -> int | None:
    """The tokens a minute that an answer's headers allow, where one request could pass them."""
    value = reply.header("x-ratelimit-limit-tokens") or ""
    allowed = int(value) if value.isdigit() and len(value) < 12 else 0
    return allowed if 0 < allowed <= SMALL_TOKEN_RATE else None


def _refused(exchanges: Exchanges, refusals: Iterable[Reply]) -> tuple[Reply, ...]:
    """These refusals, of which there must be one; errors that come with 200 belong to `error-status`."""
    disguised = any(reply.answered and _error_within(reply.document) for reply in exchanges.all)
    return judged(refusals, nothing="error-status" if disguised else "client-error-status")


def _grounded(reply: Reply) -> Reply:
    """The reply, once it is known that the endpoint answers at all."""
    for ground in reply.grounds:
        ground.require()
    return reply


def _refusal(reply: Reply) -> int:
    """The status of a refusal that is final; what clients try again belongs to `client-error-status`."""
    status = _grounded(reply).status
    if status is None or status >= 500 or status in RETRIED:
        blocked("client-error-status")
    return status


def _taken(reply: Reply) -> bool:
    """Whether a wrong request was taken; a refusal that came with 200 belongs to `error-status`."""
    if reply.answered and _error_within(reply.document):
        blocked("error-status")
    return reply.answered


def _error_within(document: object) -> str | None:
    """Which kind of error a document of a successful answer holds, as a case; None where it holds none."""
    if not isinstance(document, Mapping):
        return None
    if document.get("error") or document.get("object") == "error":
        return "http-200-error-body"
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, Mapping) and (choice.get("error") or choice.get("finish_reason") == "error"):
            return "choice-level-error-200"
    return None


# --- status


@check("error-status", fix="Look for `error` in every body that came with 200 before you read `choices`.")
def error_status(exchanges: Exchanges) -> None:
    """No error comes with status 200.

    The SDKs raise by status alone: an error with 200 is returned as an answer, and the application fails at
    `choices[0]`.
    """
    accepted = (reply for reply in exchanges.all if reply.answered)
    for reply in judged(accepted, nothing="chat-accepted"):
        case = _error_within(reply.document)
        if case is not None:
            fail(reply.excerpt, expected="a status of 4xx or 5xx with the error object", case=case)


@check(
    "client-error-status",
    fix="Do not retry by status alone: read the message, or validate requests before they are sent.",
)
def client_error_status(
    invalid_key: Reply,
    unknown_model: Reply,
    malformed_json: Reply,
    missing_messages: Reply,
    wrong_type: Reply,
    invalid_role: Reply,
    unknown_route: Reply,
    profile: Profile,
) -> None:
    """A request that can never succeed is refused with a status that is final.

    The official clients send a request again after 408, 409, 429, 5xx and a closed connection: a wrong
    request answered so is sent three times, with waits, and then reported as a failure of the server.
    """
    asked = (
        invalid_key,
        unknown_model,
        malformed_json,
        missing_messages,
        wrong_type,
        invalid_role,
        unknown_route,
    )
    for reply in map(_grounded, asked):
        expected = (
            f"400, 401, 404 or another final 4xx for {reply.probe.replace('_', ' ') or 'a wrong request'}"
        )
        if reply.status is None:
            fail(reply.excerpt, expected=expected, case="client-error-no-answer")
        if reply.status == 429:
            unanswered("throttled for good: every try was answered 429")
        if reply.status in RETRIED:
            fail(reply.excerpt, expected=expected, case="client-error-retried")
        if reply.status >= 500:
            masked = profile.kind == "gateway" and reply.status in (502, 503, 504)
            case = "gateway-masks-upstream-status" if masked else "client-error-as-500"
            fail(reply.excerpt, expected=expected, case=case)
    if invalid_role.answered:
        note("A message with an invalid role is accepted; OpenAI refuses it with 400.")


@check(
    "invalid-key-status",
    fix="Map this status to a refused key yourself: the SDK raises another class for it.",
)
def invalid_key_status(invalid_key: Reply, settings: Settings) -> None:
    """An invalid key is refused with 401.

    Only 401 becomes AuthenticationError: key rotation, "check your key" messages and set-up wizards
    depend on it.
    """
    if _taken(_grounded(invalid_key)):
        # a server on one's own machine mostly asks for no key, and is given any word where a client wants one
        if settings.has_key and not settings.loopback:
            fail(invalid_key.excerpt, expected="401", case="invalid-key-accepted")
        note("Any key is accepted: this endpoint asks for none.")
        return
    status = _refusal(invalid_key)
    if status != 401:
        fail(invalid_key.excerpt, expected="401, code invalid_api_key", case=f"invalid-key-status-{status}")


@check(
    "unknown-model-status",
    fix="Check the model id against /models when the application starts; recognise this refusal by its text.",
    chat="should",
)
def unknown_model_status(unknown_model: Reply) -> None:
    """An unknown model is refused with 404.

    Fallback logic takes 404 as "change the model" and 400 as "mend the request"; where any name is
    accepted, a typing error or a retired model goes unnoticed.
    """
    expected = "404, code model_not_found"
    if _taken(_grounded(unknown_model)):
        fail(unknown_model.excerpt, expected=expected, case="model-unknown-accepted")
    status = _refusal(unknown_model)
    if status != 404:
        case = "model-not-found-status-400" if status == 400 else "model-not-found-other-status"
        fail(unknown_model.excerpt, expected=expected, case=case)


@check(
    "unknown-model-code",
    fix="Recognise an unknown model by status and text, not by `code`.",
    chat="should",
    agent="should",
)
def unknown_model_code(unknown_model: Reply) -> None:
    """The refusal of an unknown model carries the code model_not_found.

    Routers and model pickers branch on this code to choose another model.
    """
    if _taken(_grounded(unknown_model)):
        blocked("unknown-model-status")
    if _refusal(unknown_model) != 404:
        blocked("unknown-model-status")
    code = unknown_model.error.get("code")
    if is_int(code) or (isinstance(code, str) and code.isdigit()):
        blocked("error-code-type")
    if code in (None, "") and unknown_model.error.get("type") in (None, ""):
        blocked("error-class")
    if code != "model_not_found":
        fail(unknown_model.excerpt, expected="code model_not_found", case="model-not-found-code")


@check(
    "stream-refusal-status",
    feature="streaming",
    fix="Read a stream's first event before you treat the request as accepted, and raise on an error in it.",
)
def stream_refusal_status(unknown_model_stream: Reply) -> None:
    """A stream that cannot begin is refused by its status.

    Retries and exception classes hang on the status: with 200 and an error event, the SDK has handed over
    a stream by then, and no retry happens.
    """
    reply = _grounded(unknown_model_stream)
    if reply.answered:
        if any(chunk.data.get("error") for chunk in reply.all_chunks):
            fail(
                reply.excerpt,
                expected="a status of 4xx with the error object",
                case="stream-error-as-data-event-200",
            )
        if _error_within(reply.document):
            blocked("error-status")
        blocked("unknown-model-status" if "messages" in reply.sent else "bad-request-refused")
    _refusal(reply)


@check(
    "bad-request-refused",
    fix="Validate requests before they are sent: this endpoint takes wrong ones in silence.",
    chat="should",
    agent="should",
)
def bad_request_refused(malformed_json: Reply, missing_messages: Reply, wrong_type: Reply) -> None:
    """A wrong request is refused, not answered.

    A mistake in the application that OpenAI reports at once stays hidden, and shows as strange answers.
    """
    for case, reply in (
        ("malformed-json-accepted", malformed_json),
        ("missing-messages-accepted", missing_messages),
        ("wrong-type-accepted", wrong_type),
    ):
        if _taken(_grounded(reply)):
            fail(reply.excerpt, expected="400", case=case)


@check(
    "bad-request-status",
    fix="Catch UnprocessableEntityError (422) and other APIStatusError beside BadRequestError.",
    chat="should",
)
def bad_request_status(malformed_json: Reply, missing_messages: Reply, wrong_type: Reply) -> None:
    """A wrong request is refused with 400.

    Code that handles BadRequestError misses what the SDK raises for 422 and other statuses.
    """
    asked = [_grounded(reply) for reply in (malformed_json, missing_messages, wrong_type)]
    refused = [reply for reply in asked if reply.status is not None and 400 <= reply.status < 500]
    final = [reply for reply in refused if reply.status not in RETRIED]
    if not final:
        blocked("bad-request-refused" if any(reply.answered for reply in asked) else "client-error-status")
    for reply in final:
        if reply.status == 422:
            fail(reply.excerpt, expected="400", case="error-422-validation")
    for reply in final:
        if reply.status != 400:
            case = "gateway-masks-upstream-status" if reply.status == 404 else "bad-request-other-status"
            fail(reply.excerpt, expected="400", case=case)


@check(
    "unknown-route-refused",
    fix="Check the base URL by a chat request, not by any path that answers.",
    chat="should",
    agent="should",
)
def unknown_route_refused(unknown_route: Reply, exchanges: Exchanges) -> None:
    """A path that does not exist is refused with 404 and JSON.

    A web page with 200 makes a wrong base URL look like a working one, and the SDKs return it as text.
    """
    if _taken(_grounded(unknown_route)):
        fail(unknown_route.excerpt, expected="404", case="unknown-route-accepted")
    if _refusal(unknown_route) not in (404, 405):
        fail(unknown_route.excerpt, expected="404", case="unknown-route-other-status")
    shape = _shape(unknown_route)
    elsewhere = {_shape(reply) for reply in _chat_refusals(exchanges)}
    if shape in ("error-html-body", "error-empty-body") and shape not in elsewhere:
        fail(unknown_route.excerpt, expected="the error object as JSON", case=shape)


# --- shape

_SHAPES = (
    "error-empty-body",
    "error-html-body",
    "error-not-json",
    "error-json-array",
    "error-as-string",
    "error-detail",
    "error-flat-no-wrapper",
    "error-message-missing",
)


def _shape(reply: Reply) -> str | None:
    """Which deviation the body of a refusal shows, as a case; None where it is the error object."""
    document = reply.document
    if not reply.body.strip():
        return "error-empty-body"
    if document is MISSING:
        return "error-html-body" if reply.body.lstrip()[:1] == b"<" else "error-not-json"
    if isinstance(document, list):
        return "error-json-array"
    if not isinstance(document, dict):
        return "error-not-json"
    error = document.get("error", MISSING)
    if isinstance(error, str):
        return "error-as-string"
    if not isinstance(error, dict):
        return "error-detail" if "detail" in document else "error-flat-no-wrapper"
    message = error.get("message")
    return None if isinstance(message, str) and message.strip() else "error-message-missing"


def _chat_refusals(exchanges: Exchanges) -> list[Reply]:
    """Chat requests refused with 4xx: what a proxy shows with 5xx says nothing of the endpoint's errors."""
    return [
        reply
        for reply in exchanges.refusals
        if reply.status is not None and reply.status < 500 and reply.exchange.url.split("?")[0].endswith(CHAT)
    ]


@check(
    "error-object", fix="Read the raw body of APIStatusError.response where `.message` and `.code` are empty."
)
def error_object(exchanges: Exchanges) -> None:
    """A refusal carries the error object with a message.

    Other shapes lose the message in most clients, so that users and logs see only a status.
    """
    refusals = _refused(exchanges, _chat_refusals(exchanges))
    shapes = [(shape, reply) for reply in refusals if (shape := _shape(reply)) is not None]
    if len(shapes) < len(refusals):
        # Where other refusals are right, validation answered by the framework is told by its status alone.
        shapes = [(shape, reply) for shape, reply in shapes if (shape, reply.status) != ("error-detail", 422)]
    found = [(_SHAPES.index(shape), reply) for shape, reply in shapes]
    if found:
        rank, reply = min(found, key=lambda pair: pair[0])
        expected = '{"error": {"message": "…", "type": "…", "param": …, "code": …}}'
        fail(reply.excerpt, expected=expected, case=_SHAPES[rank])


def _errors(exchanges: Exchanges) -> list[tuple[Reply, dict[str, Any]]]:
    """The error objects of the chat refusals that can be read as such."""
    found = [(reply, dig(reply.document, "error")) for reply in _chat_refusals(exchanges)]
    readable = [(reply, error) for reply, error in found if isinstance(error, dict)]
    judged((reply for reply, _ in readable), nothing="error-object")
    return readable


@check(
    "error-code-type",
    fix="Compare `error.code` as text, and branch on the status.",
    chat="should",
    agent="should",
)
def error_code_type(exchanges: Exchanges) -> None:
    """The error's code is a word or null.

    Branches on words such as context_length_exceeded never match a number, and async-openai cannot read one.
    """
    for reply, error in _errors(exchanges):
        code = error.get("code")
        if is_int(code):
            fail(reply.excerpt, expected="code as a word, or null", case="error-code-int")
        if isinstance(code, str) and code.isdigit():
            fail(reply.excerpt, expected="code as a word, or null", case="error-code-status-as-string")
        if code is not None and not isinstance(code, str):
            fail(reply.excerpt, expected="code as a word, or null", case="error-code-other-type")


@check(
    "error-class",
    fix="Tell refusals apart by status and text.",
    chat="should",
    agent="should",
)
def error_class(exchanges: Exchanges) -> None:
    """The error names its kind by type or code.

    Without either, a client cannot tell an overload from an empty account.
    """
    for reply, error in _errors(exchanges):
        if error.get("type") in (None, "") and error.get("code") in (None, ""):
            fail(
                reply.excerpt,
                expected="`type` as text, `code` where there is one",
                case="error-missing-type-and-code",
            )


_WRAPPED = re.compile(r"""\s*(?:\[\s*)?\{\s*["']""")
"""An object, or a list of objects, at the head of a message."""


@check(
    "error-message-readable",
    fix="Unpack the JSON inside the message, or error.metadata.raw, before you show or match it.",
    chat="should",
)
def error_message_readable(exchanges: Exchanges) -> None:
    """The error's message says the cause itself.

    A cause inside a string of JSON is never matched, and users read "Provider returned error".
    """
    for reply, error in _errors(exchanges):
        message = error.get("message")
        wrapped = isinstance(message, str) and _WRAPPED.match(message) is not None
        if wrapped or isinstance(dig(error, "metadata.raw"), str):
            fail(reply.excerpt, expected="the cause in error.message", case="error-nested-json-string")


@check(
    "error-content-type",
    fix="Parse error bodies as JSON whatever their content type.",
    chat="should",
    agent="should",
)
def error_content_type(exchanges: Exchanges) -> None:
    """A refusal says that it is JSON.

    Clients that trust the content type hand over the body as text, without message and code.
    """
    for reply in _refused(exchanges, _chat_refusals(exchanges)):
        if reply.body.strip() and reply.document is not MISSING and not _is_json(reply.media_type):
            seen = reply.media_type or "no content type"
            fail(seen, expected="application/json", case="error-content-type")


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


# --- headers and waiting


@check(
    "request-id",
    fix="Log an id of your own with each request, and the time, so that support can find it.",
    chat="should",
    agent="should",
)
def request_id(exchanges: Exchanges) -> None:
    """Every chat answer carries x-request-id.

    The SDKs show it as `_request_id`; it is what a provider's support asks for.
    """
    chats = (
        reply
        for reply in exchanges.all
        if reply.status is not None and reply.exchange.url.split("?")[0].endswith(CHAT)
    )
    for reply in judged(chats, nothing="chat-accepted"):
        if not reply.header("x-request-id"):
            names = [name for name, _ in reply.exchange.headers]
            others = [name for name in names if name.lower().endswith(("request-id", "trace-id", "cf-ray"))]
            if others:
                note(f"an id comes under another name: {', '.join(others)}")
            fail(
                f"{reply.status} without x-request-id",
                expected="x-request-id on every answer",
                case="request-id-missing",
            )


@check(
    "ratelimit-headers",
    fix="Read the form of these headers before you pace requests by them: seconds, epoch time or durations.",
    chat="should",
    agent="should",
)
def ratelimit_headers(exchanges: Exchanges) -> None:
    """Rate-limit headers, where they are sent, have OpenAI's form.

    The reset headers are durations such as 6m0s: a client that expects them waits wrongly on epoch time.
    """
    sent = 0
    for reply in judged((reply for reply in exchanges.all if reply.answered), nothing="chat-accepted"):
        for kind in ("requests", "tokens"):
            reset = reply.header(f"x-ratelimit-reset-{kind}")
            limit, remaining = (reply.header(f"x-ratelimit-{name}-{kind}") for name in ("limit", "remaining"))
            sent += reset is not None or limit is not None
            if reset is not None and parse_duration(reset) is None:
                seen = f"x-ratelimit-reset-{kind}: {reset}"
                fail(seen, expected="a duration such as 1s, 12ms or 6m0s", case="ratelimit-reset-format")
            if limit is not None and remaining is not None and _number(remaining) > _number(limit):
                seen = f"x-ratelimit-remaining-{kind}: {remaining}, limit: {limit}"
                fail(
                    seen,
                    expected="whole numbers, remaining at most the limit",
                    case="ratelimit-remaining-above-limit",
                )
    if not sent:
        note("No x-ratelimit headers are sent: the application cannot see how near its limits are.")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("inf")


def _throttled(exchanges: Exchanges) -> Iterable[Exchange]:
    """Every try that was answered with 429: what a client met, also where a later try succeeded."""
    replies = judged((reply for reply in exchanges.all if reply.status is not None), nothing="chat-accepted")
    tries = [exchange for reply in replies for exchange in reply.exchanges if exchange.status == 429]
    if not tries:
        note("No request was throttled in this run.")
    return tries


def _words(exchange: Exchange) -> str:
    return exchange.body[:2000].decode(errors="replace")


def _is_final(exchange: Exchange) -> bool:
    """Whether a 429 asks for a person: OpenAI sends no Retry-After with an empty account."""
    return any(code in _words(exchange) for code in QUOTA_CODES)


@check(
    "retry-after-sent",
    fix="Give the client a longer back-off of its own (max_retries, exponential wait with jitter).",
    chat="should",
    agent="should",
)
def retry_after_sent(exchanges: Exchanges) -> None:
    """A 429 says how long to wait.

    Without Retry-After clients guess, and burn the allowance with requests that cannot succeed.
    """
    for exchange in _throttled(exchanges):
        sent = exchange.header("retry-after") or exchange.header("retry-after-ms")
        if not sent and not _is_final(exchange):
            fail(
                f"429 {_words(exchange)[:300]}",
                expected="a Retry-After header",
                case="ratelimit-no-retry-after",
            )


@check(
    "retry-after-readable",
    fix="Read the wait yourself, and bound it: the SDKs ignore or obey this value wrongly.",
)
def retry_after_readable(exchanges: Exchanges) -> None:
    """Retry-After, where it is sent, is a wait that clients keep.

    It must be seconds or an HTTP date. Told to wait longer than two minutes, openai-python gives up at once.
    """
    replies = judged((reply for reply in exchanges.all if reply.status is not None), nothing="chat-accepted")
    waits = [
        e for reply in replies for e in reply.exchanges if e.status in (429, 503) and e.header("retry-after")
    ]
    for exchange in waits:
        now = datetime.fromisoformat(exchange.started_at)
        seconds = retry_after(exchange.header, now)
        seen = f"{exchange.status} with Retry-After: {exchange.header('retry-after')}"
        if seconds is None or seconds != seconds:
            fail(seen, expected="whole seconds or an HTTP date", case="retry-after-unreadable")
        if seconds > LONGEST_WAIT and not _is_final(exchange):
            fail(seen, expected="at most 120 s", case="retry-after-too-long")
    if not waits:
        note("No Retry-After was met in this run.")


@check(
    "throttle-kind",
    fix="Match the message of a 429, and stop retrying where it speaks of a day or of credit.",
    chat="should",
    agent="should",
)
def throttle_kind(exchanges: Exchanges) -> None:
    """A 429 for an exhausted day or account differs from a momentary one by its code.

    Retry loops that cannot tell them apart cannot succeed before the allowance is renewed.
    """
    for exchange in _throttled(exchanges):
        text = _words(exchange).lower()
        lasting = any(word in text for word in ("per day", "per-day", "daily", "quota", "credit", "limit: 0"))
        if lasting and not _is_final(exchange):
            seen = f"429 {_words(exchange)[:300]}"
            fail(
                seen,
                expected="a code of its own, such as insufficient_quota",
                case="ratelimit-daily-cap-as-429",
            )


@check(
    "cap-within-token-rate",
    fix="Send a smaller max_tokens: it is charged against the tokens a minute before anything is generated.",
    chat="should",
)
def cap_within_token_rate(cap_above_token_rate: Reply, hello: Reply) -> None:
    """A large output cap alone does not make a request too large.

    Where the cap is counted against the tokens a minute, even a one-word question is refused for ever.
    """
    hello.require()
    reply = cap_above_token_rate
    if reply.exchange.method == "GET":
        note("No allowance of tokens a minute is announced that one request could pass.")
        return
    if reply.status in (413, 429) and "rate_limit" in reply.error_text:
        expected = "200, or a refusal that says that max_tokens is too large for the model"
        note(f"the largest cap that can be used is below {_token_rate(hello)} tokens")
        fail(reply.excerpt, expected=expected, case="request-over-tpm-413")


@check(
    "should-retry",
    fix="Switch the SDK's retries off for this endpoint (max_retries=0), or retry in your own code.",
    chat="should",
    agent="should",
)
def should_retry(malformed_json: Reply, missing_messages: Reply, invalid_key: Reply) -> None:
    """No wrong request is sent back with x-should-retry.

    The official clients obey this header before the status.
    """
    for reply in map(_grounded, (malformed_json, missing_messages, invalid_key)):
        if reply.refused and (reply.header("x-should-retry") or "").strip().lower() == "true":
            fail(
                f"{reply.status} with x-should-retry: true",
                expected="no such header",
                case="retry-encouraged",
            )


@check(
    "key-not-echoed",
    fix="Keep this endpoint's error bodies out of logs and away from users, or mask keys in them.",
    chat="should",
    agent="should",
)
def key_not_echoed(exchanges: Exchanges) -> None:
    """No refusal repeats the whole key.

    Error texts go to logs, tickets and screens, and the key with them.
    """
    for reply in _refused(exchanges, exchanges.refusals):
        said = [_words(reply.exchange), *(value for _, value in reply.exchange.headers)]
        # Recorded bodies hold a mask in place of a key; the fixed key that opens nothing is left as it is.
        if any(INVALID_KEY in text or "[key]***" in text for text in said):
            fail(reply.excerpt, expected="no key, or only its ends", case="echoed-key")
