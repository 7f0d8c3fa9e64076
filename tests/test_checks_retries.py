"""Refusals as literals, before the checks that judge them."""

from collections.abc import Mapping
from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import Reply
from llmcompat.wire.redaction import INVALID_KEY
from tests.checking import Judgement, answer, chunk_list, completion, demo_settings, exchanges, judge, stream

HELLO = answer(completion())
LIMITS = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "59",
    "x-ratelimit-reset-requests": "1s",
    "x-ratelimit-reset-tokens": "6m0s",
}


def error(
    status: int = 400, body: Any = ..., *, headers: Mapping[str, str] | None = None, **fields: Any
) -> Reply:
    good = {
        "message": "That is wrong.",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    } | fields
    kind = (headers or {}).get("content-type", "application/json")
    content = (
        {"error": {name: value for name, value in good.items() if value is not ...}} if body is ... else body
    )
    return answer(content, status=status, headers=headers, content_type=kind, grounds=[HELLO])


GOOD: dict[str, Any] = {
    "invalid_key": error(401, code="invalid_api_key"),
    "unknown_model": error(404, code="model_not_found"),
    "malformed_json": error(),
    "missing_messages": error(code="missing_required_parameter"),
    "wrong_type": error(code="invalid_type"),
    "invalid_role": error(),
    "unknown_route": error(404),
}
TAKEN = answer(completion(), grounds=[HELLO])
WRONG_200 = answer({"error": {"message": "No such model.", "code": 404}}, grounds=[HELLO])


def ended(judgement: Judgement) -> str | None:
    """How it ended, in one word: the case of a failure, the owner of a block, else the status."""
    return judgement.case or judgement.blocked_by or judgement.status.value


def tried(reply: Reply, *earlier: Reply) -> Reply:
    """The reply as the last of several tries."""
    return Reply([each.exchange for each in (*earlier, reply)])


@pytest.mark.parametrize(
    ("body", "end"),
    [
        (completion(), "pass"),
        (completion(error=None), "pass"),
        ({"error": {"message": "overloaded"}}, "http-200-error-body"),
        ({"object": "error", "code": 404, "message": "?"}, "http-200-error-body"),
        (completion(error={"message": "cut"}), "http-200-error-body"),
        ({"choices": [{"finish_reason": "error", "error": {"code": 429}}]}, "choice-level-error-200"),
    ],
)
def test_error_status(body: Any, end: str) -> None:
    assert ended(judge("error-status", exchanges=exchanges(HELLO, answer(body)))) == end


def test_error_status_with_nothing_accepted() -> None:
    assert judge("error-status", exchanges=exchanges(error(500))).blocked_by == "chat-accepted"


@pytest.mark.parametrize(
    ("probe", "reply", "kind", "end"),
    [
        ("wrong_type", error(422), "demo", "pass"),
        ("invalid_role", TAKEN, "demo", "pass"),
        ("wrong_type", error(500), "demo", "client-error-as-500"),
        ("unknown_route", error(502), "demo", "client-error-as-500"),
        ("missing_messages", error(503), "litellm", "gateway-masks-upstream-status"),
        ("malformed_json", error(409), "demo", "client-error-retried"),
        ("malformed_json", error(429), "demo", "error"),
        ("invalid_key", answer(status=None, grounds=[HELLO]), "demo", "client-error-no-answer"),
        (
            "invalid_key",
            answer(status=None, owner="x", grounds=[answer(status=500)]),
            "demo",
            "chat-accepted",
        ),
    ],
)
def test_client_error_status(probe: str, reply: Reply, kind: str, end: str) -> None:
    found = judge("client-error-status", profile=load_profile(kind), **{**GOOD, probe: reply})
    assert ended(found) == end


def test_an_accepted_role_is_noted() -> None:
    assert judge("client-error-status", **GOOD).notes == ()
    assert judge("client-error-status", **{**GOOD, "invalid_role": TAKEN}).notes


@pytest.mark.parametrize(
    ("reply", "remote_key", "end"),
    [
        (error(401), True, "pass"),
        (error(400), True, "invalid-key-status-400"),
        (error(403), True, "invalid-key-status-403"),
        (error(500), True, "client-error-status"),
        (TAKEN, True, "invalid-key-accepted"),
        (TAKEN, False, "pass"),
        (WRONG_200, True, "error-status"),
    ],
)
def test_invalid_key_status(reply: Reply, remote_key: bool, end: str) -> None:
    settings = demo_settings(has_key=remote_key, loopback=not remote_key)
    assert ended(judge("invalid-key-status", invalid_key=reply, settings=settings)) == end


def test_a_server_on_this_machine_may_take_any_key() -> None:
    found = judge(
        "invalid-key-status", invalid_key=TAKEN, settings=demo_settings(has_key=True, loopback=True)
    )
    assert (found.status, len(found.notes)) == (Status.PASS, 1)


@pytest.mark.parametrize(
    ("reply", "status", "code"),
    [
        (error(404, code="model_not_found"), "pass", "pass"),
        (error(404, code="NOT_FOUND"), "pass", "model-not-found-code"),
        (error(404, code=404), "pass", "error-code-type"),
        (error(404, code=None, type=None), "pass", "error-class"),
        (error(400, code="invalid_request_error"), "model-not-found-status-400", "unknown-model-status"),
        (error(422), "model-not-found-other-status", "unknown-model-status"),
        (error(404, b"no"), "pass", "error-object"),
        (TAKEN, "model-unknown-accepted", "unknown-model-status"),
        (WRONG_200, "error-status", "error-status"),
        (error(500), "client-error-status", "client-error-status"),
    ],
)
def test_unknown_model(reply: Reply, status: str, code: str) -> None:
    assert ended(judge("unknown-model-status", unknown_model=reply)) == status
    assert ended(judge("unknown-model-code", unknown_model=reply)) == code


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (error(404), "pass"),
        (error(400), "pass"),
        (stream([{"error": {"message": "?"}}]), "stream-error-as-data-event-200"),
        (stream(), "unknown-model-status"),
        (stream(sent={"messages": None}), "unknown-model-status"),
        (answer({"error": {"message": "?"}}, sent={"stream": True}), "error-status"),
        (error(500), "client-error-status"),
    ],
)
def test_stream_refusal_status(reply: Reply, end: str) -> None:
    assert ended(judge("stream-refusal-status", unknown_model_stream=reply)) == end


@pytest.mark.parametrize(
    ("changed", "refused", "status"),
    [
        ({}, "pass", "pass"),
        ({"malformed_json": error(422)}, "pass", "error-422-validation"),
        ({"wrong_type": error(404)}, "pass", "gateway-masks-upstream-status"),
        ({"wrong_type": error(413)}, "pass", "bad-request-other-status"),
        ({"wrong_type": TAKEN}, "wrong-type-accepted", "pass"),
        ({"wrong_type": error(500)}, "pass", "pass"),
        ({"malformed_json": WRONG_200}, "error-status", "pass"),
        (
            dict.fromkeys(("malformed_json", "missing_messages", "wrong_type"), error(500)),
            "pass",
            "client-error-status",
        ),
        (
            dict.fromkeys(("malformed_json", "missing_messages", "wrong_type"), TAKEN),
            "malformed-json-accepted",
            "bad-request-refused",
        ),
    ],
)
def test_bad_requests(changed: dict[str, Any], refused: str, status: str) -> None:
    assert ended(judge("bad-request-refused", **{**GOOD, **changed})) == refused
    assert ended(judge("bad-request-status", **{**GOOD, **changed})) == status


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (error(404), "pass"),
        (error(405), "pass"),
        (error(404, {"detail": "Not Found"}), "pass"),
        (answer(b"<!doctype html>", content_type="text/html", grounds=[HELLO]), "unknown-route-accepted"),
        (error(403), "unknown-route-other-status"),
        (error(404, b"<html>"), "error-html-body"),
        (error(404, b""), "error-empty-body"),
    ],
)
def test_unknown_route_refused(reply: Reply, end: str) -> None:
    assert ended(judge("unknown-route-refused", unknown_route=reply, exchanges=exchanges(error()))) == end


@pytest.mark.parametrize(
    ("body", "end"),
    [
        (b"", "error-empty-body"),
        (b" <html>502</html>", "error-html-body"),
        (b"Bad request", "error-not-json"),
        (7, "error-not-json"),
        ([{"error": {"message": "?", "code": 400}}], "error-json-array"),
        ({"error": "Insufficient balance", "code": "x"}, "error-as-string"),
        ({"detail": [{"loc": ["body"], "msg": "?"}]}, "error-detail"),
        ({"object": "error", "message": "?", "code": 400}, "error-flat-no-wrapper"),
        ({"error": {"type": "x"}}, "error-message-missing"),
        ({"error": {"message": {"a": 1}}}, "error-message-missing"),
        ({"error": {"message": "?"}, "request_id": "r", "detail": "more"}, "pass"),
    ],
)
def test_error_object(body: Any, end: str) -> None:
    assert ended(judge("error-object", exchanges=exchanges(error(), error(400, body)))) == end


def test_one_shape_is_told_once() -> None:
    validation = error(422, {"detail": [{"loc": ["body"], "msg": "?"}]})
    assert judge("error-object", exchanges=exchanges(error(), validation)).status is Status.PASS
    assert judge("error-object", exchanges=exchanges(validation)).case == "error-detail"
    empty = error(404, b"")
    found = judge("unknown-route-refused", unknown_route=empty, exchanges=exchanges(error(400, b"")))
    assert found.status is Status.PASS


def test_error_object_looks_at_chat_refusals_only() -> None:
    elsewhere = answer({"detail": "Not Found"}, status=404, path="models/x", method="GET")
    assert (
        judge("error-object", exchanges=exchanges(error(), elsewhere, error(502, b"<html>"))).status
        is Status.PASS
    )
    assert judge("error-object", exchanges=exchanges(HELLO, error(500))).blocked_by == "client-error-status"
    disguised = answer({"error": {"message": "?"}})
    for id in ("error-object", "error-content-type", "key-not-echoed"):
        assert judge(id, exchanges=exchanges(HELLO, disguised)).blocked_by == "error-status"


@pytest.mark.parametrize(
    ("fields", "code", "kind", "message"),
    [
        ({}, "pass", "pass", "pass"),
        ({"code": "context_length_exceeded"}, "pass", "pass", "pass"),
        ({"code": 400}, "error-code-int", "pass", "pass"),
        ({"code": "400"}, "error-code-status-as-string", "pass", "pass"),
        ({"code": ["x"]}, "error-code-other-type", "pass", "pass"),
        ({"type": ..., "code": ...}, "pass", "error-missing-type-and-code", "pass"),
        ({"type": "", "code": ""}, "pass", "error-missing-type-and-code", "pass"),
        ({"type": None, "code": "x"}, "pass", "pass", "pass"),
        ({"message": '{"error": "too long"}'}, "pass", "pass", "error-nested-json-string"),
        (
            {"message": "Provider returned error", "metadata": {"raw": "{}"}},
            "pass",
            "pass",
            "error-nested-json-string",
        ),
        ({"message": ' [{"error": "too long"}]'}, "pass", "pass", "error-nested-json-string"),
        ({"message": "[model] is unknown"}, "pass", "pass", "pass"),
        (
            {"message": "[json.exception.parse_error.101] parse error at line 1; last read: '\"Say hi'"},
            "pass",
            "pass",
            "pass",
        ),
    ],
)
def test_error_fields(fields: dict[str, Any], code: str, kind: str, message: str) -> None:
    evidence = exchanges(error(), error(400, **fields))
    assert ended(judge("error-code-type", exchanges=evidence)) == code
    assert ended(judge("error-class", exchanges=evidence)) == kind
    assert ended(judge("error-message-readable", exchanges=evidence)) == message


def test_error_fields_without_an_error_object() -> None:
    for id in ("error-code-type", "error-class", "error-message-readable"):
        assert judge(id, exchanges=exchanges(error(400, b"no"))).blocked_by == "error-object"


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("application/json; charset=utf-8", "pass"),
        ("application/problem+json", "pass"),
        ("text/plain", "error-content-type"),
        ("", "error-content-type"),
    ],
)
def test_error_content_type(kind: str, end: str) -> None:
    assert (
        ended(judge("error-content-type", exchanges=exchanges(error(headers={"content-type": kind})))) == end
    )


def test_request_id() -> None:
    good = answer(completion(), headers={"X-Request-ID": "req_1"})
    assert judge("request-id", exchanges=exchanges(good)).status is Status.PASS
    assert judge("request-id", exchanges=exchanges(good, HELLO)).case == "request-id-missing"
    other = judge("request-id", exchanges=exchanges(answer(completion(), headers={"cf-ray": "1"})))
    assert other.case == "request-id-missing"
    assert "cf-ray" in other.notes[0]
    assert judge("request-id", exchanges=exchanges(answer([], path="models"))).blocked_by == "chat-accepted"


@pytest.mark.parametrize(
    ("headers", "end"),
    [
        (LIMITS, "pass"),
        ({}, "pass"),
        ({"x-ratelimit-reset-tokens": "12ms"}, "pass"),
        ({"x-ratelimit-reset-tokens": "1795348800000"}, "ratelimit-reset-format"),
        ({"x-ratelimit-reset-requests": "30"}, "ratelimit-reset-format"),
        (LIMITS | {"x-ratelimit-remaining-requests": "61"}, "ratelimit-remaining-above-limit"),
        (LIMITS | {"x-ratelimit-remaining-requests": "many"}, "ratelimit-remaining-above-limit"),
    ],
)
def test_ratelimit_headers(headers: dict[str, str], end: str) -> None:
    found = judge("ratelimit-headers", exchanges=exchanges(answer(completion(), headers=headers)))
    assert ended(found) == end
    assert bool(found.notes) == (not headers)


QUOTA = {"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}}


@pytest.mark.parametrize(
    ("throttled", "sent", "readable", "kind"),
    [
        (error(429, headers={"retry-after": "7"}), "pass", "pass", "pass"),
        (error(429, headers={"retry-after-ms": "700"}), "pass", "pass", "pass"),
        (error(429, headers={"retry-after": "Sun, 22 Nov 2026 12:01:00 GMT"}), "pass", "pass", "pass"),
        (error(429), "ratelimit-no-retry-after", "pass", "pass"),
        (error(429, QUOTA), "pass", "pass", "pass"),
        (error(429, headers={"retry-after": "6m0s"}), "pass", "retry-after-unreadable", "pass"),
        (error(429, headers={"retry-after": "nan"}), "pass", "retry-after-unreadable", "pass"),
        (error(429, headers={"retry-after": "604800"}), "pass", "retry-after-too-long", "pass"),
        (error(503, headers={"retry-after": "soon"}), "pass", "retry-after-unreadable", "pass"),
        (
            error(429, headers={"retry-after": "9"}, message="free-models-per-day", code="rate_limit"),
            "pass",
            "pass",
            "ratelimit-daily-cap-as-429",
        ),
    ],
)
def test_throttling(throttled: Reply, sent: str, readable: str, kind: str) -> None:
    evidence = exchanges(tried(HELLO, throttled))
    assert ended(judge("retry-after-sent", exchanges=evidence)) == sent
    assert ended(judge("retry-after-readable", exchanges=evidence)) == readable
    assert ended(judge("throttle-kind", exchanges=evidence)) == kind


def test_no_throttling_is_said() -> None:
    for id in ("retry-after-sent", "retry-after-readable", "throttle-kind"):
        assert judge(id, exchanges=exchanges(HELLO)).notes
        assert judge(id, exchanges=exchanges(answer(status=None))).blocked_by == "chat-accepted"


@pytest.mark.parametrize(
    ("reply", "end", "noted"),
    [
        (answer([], method="GET", path="models"), "pass", True),
        (answer(completion()), "pass", False),
        (error(400, message="max_tokens is too large"), "pass", False),
        (error(413, code="rate_limit_exceeded"), "request-over-tpm-413", True),
        (error(429, code="rate_limit_exceeded"), "request-over-tpm-413", True),
    ],
)
def test_cap_within_token_rate(reply: Reply, end: str, noted: bool) -> None:
    hello = answer(completion(), headers={"x-ratelimit-limit-tokens": "8000"})
    found = judge("cap-within-token-rate", cap_above_token_rate=reply, hello=hello)
    assert ended(found) == end
    assert bool(found.notes) is noted


def test_should_retry() -> None:
    assert judge("should-retry", **GOOD).status is Status.PASS
    obeyed: dict[str, Any] = {**GOOD, "malformed_json": error(headers={"x-should-retry": "false"})}
    assert judge("should-retry", **obeyed).status is Status.PASS
    again: dict[str, Any] = {**GOOD, "malformed_json": error(headers={"x-should-retry": "true"})}
    assert judge("should-retry", **again).case == "retry-encouraged"


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (error(401, message="Incorrect API key provided: sk-ll***0000."), "pass"),
        (error(401, message=f"Incorrect API key provided: {INVALID_KEY}."), "echoed-key"),
        (error(401, message="Bearer [key]*************** is wrong"), "echoed-key"),
        (error(401, headers={"x-debug": "[key]***********"}), "echoed-key"),
    ],
)
def test_key_not_echoed(reply: Reply, end: str) -> None:
    assert ended(judge("key-not-echoed", exchanges=exchanges(error(), reply))) == end
    assert judge("key-not-echoed", exchanges=exchanges(HELLO)).blocked_by == "client-error-status"


def test_streams_hold_no_error_body() -> None:
    assert judge("error-status", exchanges=exchanges(HELLO, stream(chunk_list()))).status is Status.PASS
