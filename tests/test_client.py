"""The HTTP client against real sockets: retries, redirects, bounds, cuts, pace and redaction."""

import asyncio
import base64
import gzip
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from llmcompat.model import Exchange
from llmcompat.wire.client import (
    LONGEST_IMAGE,
    Client,
    Request,
    is_loopback,
    origin,
    parse_duration,
    retry_after,
)
from llmcompat.wire.pacing import Pacer
from llmcompat.wire.redaction import Redactor
from tests.servers.raw import EVENT_STREAM, RESET, Part, RawRequest, RawServer, http, http_json

KEY = "sk-secret-0123456789abcdef"
OK = http_json({"ok": True})
POST = Request("POST", "chat/completions", b'{"model": "x"}')
ONCE = Request("POST", "chat/completions", b"{}", retries=0)
real_sleep = asyncio.sleep


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were asked for, in seconds; none of them is waited for."""
    asked: list[float] = []

    async def sleep(seconds: float, result: Any = None) -> Any:
        if seconds > 0:
            asked.append(seconds)
        return await real_sleep(0, result)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return asked


@asynccontextmanager
async def connected(server: RawServer, **options: Any) -> AsyncIterator[Client]:
    defaults: dict[str, Any] = {"key": KEY, "trust_environment": False}
    async with Client(server.base_url, **(defaults | options)) as client:
        yield client


async def send(
    answer: Callable[[RawRequest], Any], request: Request = POST, **options: Any
) -> list[Exchange]:
    """All tries of a request to a server that answers so."""
    with RawServer(answer) as server:
        async with connected(server, **options) as client:
            return await client.send(request, probe="p")


def first_then_ok(first: bytes) -> Callable[[RawRequest], bytes]:
    answers = iter([first])
    return lambda request: next(answers, OK)


async def test_an_exchange_as_it_was() -> None:
    seen: list[Exchange] = []
    with RawServer(lambda request: http_json({"ok": True}, headers={"X-Request-Id": "r1"})) as server:
        async with connected(server, headers={"X-Own": "1"}, record=seen.append) as client:
            tries = await client.send(POST, probe="p", part="q")
        sent = server.requests[0]
    assert (sent.method, sent.path, sent.json()) == ("POST", "/v1/chat/completions", {"model": "x"})
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["x-own"] == "1"
    (exchange,) = tries
    assert seen == tries
    assert (exchange.probe, exchange.part, exchange.attempt, exchange.status) == ("p", "q", 1, 200)
    assert (exchange.body, exchange.ended, exchange.error) == (b'{"ok": true}', "complete", None)
    assert exchange.header("x-request-id") == "r1"
    assert exchange.arrivals[-1][0] == len(exchange.body)


@pytest.mark.parametrize(
    ("key", "sent"), [(None, f"Bearer {KEY}"), ("other-key", "Bearer other-key"), ("", None)]
)
async def test_the_key_of_a_request(key: str | None, sent: str | None) -> None:
    with RawServer(lambda request: OK) as server:
        async with connected(server) as client:
            await client.send(Request("GET", "models", key=key), probe="p")
        assert server.requests[0].headers.get("authorization") == sent


@pytest.mark.parametrize(
    ("status", "headers", "refusal", "tries"),
    [
        (400, {}, False, 1),
        (401, {}, False, 1),
        (404, {}, False, 1),
        (422, {}, False, 1),
        (408, {}, False, 3),
        (409, {}, False, 3),
        (429, {}, False, 3),
        (500, {}, False, 3),
        (503, {}, False, 3),
        (500, {}, True, 1),
        (502, {}, True, 1),
        (429, {}, True, 3),
        (400, {"x-should-retry": "true"}, False, 3),
        (500, {"x-should-retry": "false"}, False, 1),
        (429, {"x-should-retry": "false"}, False, 1),
        (200, {"x-should-retry": "true"}, False, 1),
        (429, {"retry-after": "121"}, False, 1),
        (503, {"retry-after": "604800"}, False, 1),
        (429, {"retry-after": "inf"}, False, 1),
    ],
)
async def test_what_is_tried_again(
    waits: list[float], status: int, headers: dict[str, str], refusal: bool, tries: int
) -> None:
    request = Request("POST", "chat/completions", b"{}", retry_server_errors=not refusal)
    found = await send(lambda request: http_json({"error": {}}, status, headers), request)
    assert [exchange.status for exchange in found] == [status] * tries
    assert [exchange.attempt for exchange in found] == list(range(1, tries + 1))


async def test_the_try_that_succeeds_is_the_last(waits: list[float]) -> None:
    found = await send(first_then_ok(http_json({}, 500)))
    assert [exchange.status for exchange in found] == [500, 200]


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({}, 0.375, 0.5),
        ({"retry-after": "7"}, 7, 7),
        ({"retry-after": "0.25"}, 0.25, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9, 9),
        ({"retry-after": "0"}, 0.375, 0.5),
        ({"retry-after": "-5"}, 0.375, 0.5),
        ({"retry-after": "nan"}, 0.375, 0.5),
        ({"retry-after": "6m0s"}, 0.375, 0.5),
        ({"retry-after": "Mon, 01 Jan 2030 00:00:99999999999999999 GMT"}, 0.375, 0.5),
    ],
)
async def test_how_long_is_waited(
    waits: list[float], headers: dict[str, str], low: float, high: float
) -> None:
    await send(first_then_ok(http_json({}, 500, headers)))
    assert len(waits) == 1
    assert low <= waits[0] <= high


async def test_a_date_says_how_long_as_well(waits: list[float]) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    await send(first_then_ok(http_json({}, 500, {"retry-after": date})))
    assert len(waits) == 1
    assert 1 <= waits[0] <= 100


async def test_the_back_off_doubles(waits: list[float]) -> None:
    await send(lambda request: http_json({}, 500))
    assert [round(wait) for wait in (2 * waits[0], 2 * waits[1])] in ([1, 2], [1, 1])
    assert waits[1] >= 0.75
    assert len(waits) == 2


async def test_the_last_throttled_try_holds_the_others_back(waits: list[float]) -> None:
    answers = iter([http_json({}, 429, {"retry-after": "40"})])
    with RawServer(lambda request: next(answers, OK)) as server:
        async with connected(server) as client:
            await client.send(ONCE, probe="p")
            assert waits == []
            await client.send(ONCE, probe="p")
            assert 30 < waits[0] <= 40
            assert client.held_back == 1


async def test_an_exhausted_allowance_is_waited_for(waits: list[float]) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30s"}
    with RawServer(lambda request: http_json({}, headers=headers)) as server:
        async with connected(server) as client:
            await client.send(ONCE, probe="p")
            await client.send(ONCE, probe="p")
    assert 80 < waits[0] <= 90


async def test_throttling_halves_how_much_is_asked_at_once(waits: list[float]) -> None:
    together = threading.Barrier(4, timeout=30)
    lock = threading.Lock()
    running, most, calls = 0, 0, 0

    def answer(request: RawRequest) -> Iterator[Part]:
        nonlocal running, most, calls
        with lock:
            calls += 1
            call = calls
            running += 1
            most = max(most, running) if call > 5 else most
        if call <= 4:
            together.wait()  # passes only when four requests are under way at once
        else:
            threading.Event().wait(0.02)
        with lock:
            running -= 1
        yield http_json({}, 429) if call == 5 else OK

    with RawServer(answer) as server:
        async with connected(server, pacer=Pacer(4)) as client:
            await asyncio.gather(*(client.send(ONCE, probe="p") for _ in range(4)))
            assert (await client.send(ONCE, probe="p"))[-1].status == 429
            await asyncio.gather(*(client.send(ONCE, probe="p") for _ in range(8)))
    assert calls == 13
    assert 1 <= most <= 2


async def test_the_pace_follows_the_profile(waits: list[float]) -> None:
    with RawServer(lambda request: OK) as server:
        async with connected(server, pacer=Pacer(8, requests_per_minute=1)) as client:
            await asyncio.gather(*(client.send(ONCE, probe="p") for _ in range(3)))
    assert [round(wait / 60) for wait in sorted(waits)] == [1, 2]


# --- redirects


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_redirect_carries_the_key_to_another_origin(status: int, method: str) -> None:
    with RawServer(lambda request: OK) as other:
        target = {"Location": f"{other.base_url}/steal"}
        found = await send(lambda request: http("", status, target), Request(method, "x", b"{}"))
        assert other.requests == []
    assert [exchange.status for exchange in found] == [status]
    assert found[0].header("location") == target["Location"]


@pytest.mark.parametrize(
    "location",
    [
        "https://127.0.0.1/v1/x",
        "//example.com/v1/x",
        "http://[",
        "http://127.0.0.1:99999/x",
        "http://localhost/x",
    ],
)
async def test_odd_locations_are_not_followed(location: str) -> None:
    found = await send(lambda request: http("", 307, {"Location": location}), ONCE)
    assert [exchange.status for exchange in found] == [307]


@pytest.mark.parametrize(("method", "status"), [("GET", 301), ("GET", 302), ("POST", 307), ("POST", 308)])
async def test_a_redirect_within_the_origin_is_followed(method: str, status: int) -> None:
    def answer(request: RawRequest) -> bytes:
        return OK if request.path == "/v2/x" else http("", status, {"Location": "/v2/x"})

    with RawServer(answer) as server:
        async with connected(server) as client:
            (exchange,) = await client.send(Request(method, "x", b'{"a": 1}'), probe="p")
        first, second = server.requests
    assert (exchange.status, exchange.body) == (200, b'{"ok": true}')
    assert (second.method, second.body) == (method, first.body)
    assert second.headers["authorization"] == f"Bearer {KEY}"


async def test_a_post_is_not_turned_into_a_get() -> None:
    found = await send(lambda request: http("", 302, {"Location": "/v2/x"}))
    assert [exchange.status for exchange in found] == [302]


async def test_redirects_end() -> None:
    (exchange,) = await send(lambda request: http("", 307, {"Location": "/v1/again"}), ONCE)
    assert exchange.error == "more than 3 redirects"


def test_a_path_of_another_origin_is_refused() -> None:
    client = Client("https://api.example.com/v1/", key=KEY, trust_environment=False)
    assert client.url("/models") == "https://api.example.com/v1/models"
    assert client.url("https://api.example.com:443/balance") == "https://api.example.com:443/balance"
    for other in ("http://api.example.com/v1", "https://api.example.com:444/", "https://example.com/"):
        with pytest.raises(ValueError, match="another origin"):
            client.url(other)


# --- what goes wrong below HTTP


def cut(request: RawRequest) -> bytes:
    return b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"half'


async def test_a_body_that_is_cut(waits: list[float]) -> None:
    found = await send(cut)
    assert len(found) == 3
    assert {(exchange.status, exchange.ended, exchange.body) for exchange in found} == {
        (200, "cut", b'{"half')
    }
    assert found[0].error


async def test_a_stream_that_is_cut_is_not_asked_again() -> None:
    def answer(request: RawRequest) -> Iterator[Part]:
        yield EVENT_STREAM.replace(b"Connection: close", b"Transfer-Encoding: chunked")
        yield b"9\r\ndata: 1\n\n\r\n"

    (exchange,) = await send(answer, Request("POST", "chat/completions", b"{}", stream=True))
    assert (exchange.status, exchange.ended, exchange.body) == (200, "cut", b"data: 1\n\n")


async def test_a_reset(waits: list[float]) -> None:
    found = await send(lambda request: [RESET])
    assert len(found) == 3
    assert {(exchange.status, exchange.ended) for exchange in found} == {(None, "none")}
    assert all(exchange.error for exchange in found)


async def test_a_reset_in_the_middle() -> None:
    def answer(request: RawRequest) -> Iterator[Part]:
        yield EVENT_STREAM + b"data: 1\n\n"
        yield 0.2
        yield RESET

    (exchange,) = await send(answer, Request("POST", "chat/completions", b"{}", stream=True))
    assert (exchange.status, exchange.ended, exchange.body) == (200, "cut", b"data: 1\n\n")


async def test_nobody_listens(waits: list[float]) -> None:
    with RawServer(lambda request: OK) as server:
        base_url = server.base_url
    async with Client(base_url, key=None, trust_environment=False) as client:
        found = await client.send(POST, probe="p")
    assert len(found) == 3
    assert "connection refused" in (found[-1].error or "")


async def test_an_answer_that_never_comes() -> None:
    (exchange,) = await send(lambda request: [600.0], ONCE, timeout=0.3)
    assert (exchange.status, exchange.ended) == (None, "none")
    assert "within 0.3 s" in (exchange.error or "")


async def test_an_answer_that_never_ends() -> None:
    def answer(request: RawRequest) -> Iterator[Part]:
        yield EVENT_STREAM
        while True:
            yield b": wait\n\n"
            yield 0.05

    (exchange,) = await send(answer, ONCE, timeout=0.5)
    assert (exchange.status, exchange.ended) == (200, "cut")
    assert exchange.body.startswith(b": wait")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n",
        b"",
    ],
)
async def test_what_is_not_http(answer: bytes) -> None:
    (exchange,) = await send(lambda request: answer, ONCE)
    assert exchange.status is None
    assert exchange.error


async def test_a_false_content_encoding() -> None:
    (exchange,) = await send(lambda request: http("no gzip", headers={"Content-Encoding": "gzip"}), ONCE)
    assert (exchange.status, exchange.ended) == (200, "cut")
    assert "content encoding" in (exchange.error or "")


@pytest.mark.parametrize("packed", [False, True])
async def test_a_body_is_bounded(packed: bool) -> None:
    body = b"x" * 3_000_000
    raw = gzip.compress(body) if packed else body
    headers = {"Content-Encoding": "gzip"} if packed else {}
    request = Request("POST", "chat/completions", b"{}", max_body=1000)
    # Open until the end of the test: the client is the one who goes first.
    (exchange,) = await send(lambda request: [http(raw, headers=headers), 600.0, b""], request)
    assert (exchange.body, exchange.ended, exchange.error) == (b"x" * 1000, "bounded", None)


async def test_a_body_of_just_the_bound_is_whole() -> None:
    request = Request("POST", "chat/completions", b"{}", max_body=12)
    (exchange,) = await send(lambda request: OK, request)
    assert (exchange.body, exchange.ended) == (b'{"ok": true}', "complete")


# --- redaction


def texts(exchange: Exchange) -> str:
    return repr(exchange) + exchange.body.decode(errors="replace")


@pytest.mark.parametrize(
    "form", [KEY, base64.b64encode(f"user:{KEY}".encode()).decode(), f"Bearer {KEY}", KEY.replace("-", "%2D")]
)
async def test_an_echoed_key_is_masked(form: str) -> None:
    body = f'{{"error": {{"message": "Incorrect API key provided: {form}"}}}}'
    (exchange,) = await send(lambda request: http(body, 401, {"X-Debug": form, "WWW-Authenticate": form}))
    assert len(exchange.body) == len(body)
    assert KEY not in texts(exchange)
    assert form not in texts(exchange) or "%2D" in form


async def test_the_key_is_masked_in_what_was_sent() -> None:
    request = Request("POST", f"x?key={KEY}", f'{{"key": "{KEY}"}}'.encode())
    (exchange,) = await send(lambda request: OK, request, headers={"X-Api-Key": KEY})
    assert KEY not in texts(exchange)
    assert "[key]" in exchange.url
    assert "[key]" in (exchange.request_body or "")


async def test_an_image_as_large_as_a_photo_is_recorded_by_its_head() -> None:
    image = "data:image/png;base64," + "A" * 1_000_000
    body = json.dumps({"model": "x", "url": image, "text": "A" * 10_000}).encode()
    lengths: list[int] = []

    def answer(request: RawRequest) -> bytes:
        lengths.append(len(request.body))
        return OK

    [exchange] = await send(answer, Request("POST", "chat/completions", body))
    assert lengths == [len(body)]
    recorded = json.loads(exchange.request_body or "")
    assert recorded["url"] == image[: 22 + LONGEST_IMAGE] + "…"
    assert recorded["text"] == "A" * 10_000


async def test_the_key_is_masked_in_an_error() -> None:
    (exchange,) = await send(lambda request: f"HTTP/1.1 {KEY}\r\n\r\n".encode(), ONCE)
    assert exchange.error
    assert KEY not in texts(exchange)


async def test_other_secrets_are_masked_too() -> None:
    redactor = Redactor(["a-header-secret"])
    (exchange,) = await send(lambda request: http("it was a-header-secret"), key=None, redactor=redactor)
    assert exchange.body == b"it was [key]**********"


# --- the small readers


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1),
        ("6m0s", 360),
        ("12ms", 0.012),
        ("1h2m3.5s", 3723.5),
        ("", None),
        ("30", None),
        ("1d", None),
        ("s", None),
    ],
)
def test_parse_duration(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60),
        ("Sun, 22 Nov 2026 12:01:00 -0000", None),
        ("soon", None),
        ("", None),
        ("Mon, 01 Jan 2030 00:00:99999999999999999 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert retry_after({"retry-after": value}.get, now) == seconds


def test_origins() -> None:
    assert origin("https://API.example.com/v1") == origin("https://api.example.com:443/x")
    assert origin("http://x/") != origin("https://x/")
    assert [
        is_loopback(f"http://{host}/v1") for host in ("127.9.0.1", "localhost:80", "[::1]:9", "a.localhost")
    ] == [True] * 4
    assert not any(
        is_loopback(f"http://{host}/v1")
        for host in ("127.0.0.1.example.com", "example.com", "localhost.example.com")
    )
