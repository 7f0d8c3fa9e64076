"""The raw server sends exactly what it is told to send."""

from collections.abc import Iterator

import httpx
import pytest

from tests.servers.raw import EVENT_STREAM, RESET, Part, RawRequest, RawServer, http, http_json


def test_a_whole_answer_and_the_request_that_asked_for_it() -> None:
    with RawServer(lambda request: http_json({"path": request.path}, status=201)) as server:
        answer = httpx.post(f"{server.base_url}/chat/completions", json={"n": 1}, headers={"X-Name": "value"})

    assert (answer.status_code, answer.json()) == (201, {"path": "/v1/chat/completions"})
    [request] = server.requests
    assert (request.method, request.headers["x-name"], request.json()) == ("POST", "value", {"n": 1})


def test_a_chunked_request_is_put_together() -> None:
    with RawServer(lambda request: http(request.body)) as server:
        answer = httpx.post(server.base_url, content=iter([b"one ", b"two"]))

    assert answer.text == "one two"


def test_a_stream_in_parts() -> None:
    def stream(_: RawRequest) -> Iterator[Part]:
        yield EVENT_STREAM
        yield b"data: 1\n\n"
        yield 0.01
        yield b"data: 2\n\n"

    with RawServer(stream) as server:
        assert httpx.get(server.base_url).text == "data: 1\n\ndata: 2\n\n"


def test_one_client_makes_many_requests() -> None:
    with RawServer(lambda request: http(request.path)) as server, httpx.Client() as client:
        paths = [client.get(f"{server.origin}/{number}").text for number in range(20)]

    assert paths == [f"/{number}" for number in range(20)]


def test_a_short_body_is_short() -> None:
    short = http("half", headers={"Content-Length": "100"})
    with (
        RawServer(lambda _: short) as server,
        pytest.raises(httpx.RemoteProtocolError, match="complete message body"),
    ):
        httpx.get(server.base_url)


def test_a_reset_is_a_reset() -> None:
    def reset(_: RawRequest) -> Iterator[Part]:
        yield RESET

    with RawServer(reset) as server, pytest.raises(httpx.ReadError):
        httpx.get(server.base_url)


def test_a_redirect_to_another_origin() -> None:
    with RawServer(lambda _: http("other")) as other:
        moved = http("", status=307, headers={"Location": f"{other.origin}/moved"})
        with RawServer(lambda _: moved) as server:
            answer = httpx.get(server.base_url, follow_redirects=True)

    assert (answer.text, other.requests[0].path) == ("other", "/moved")


def test_an_error_in_the_answer_reaches_the_test() -> None:
    def broken(_: RawRequest) -> bytes:
        raise ZeroDivisionError

    server = RawServer(broken)
    with pytest.raises(ZeroDivisionError), server, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(server.base_url)


def test_an_endless_answer_ends_with_the_block() -> None:
    def endless(_: RawRequest) -> Iterator[Part]:
        yield EVENT_STREAM
        while True:
            yield b": still here\n\n"
            yield 0.01

    with RawServer(endless) as server, httpx.stream("GET", server.base_url) as answer:
        assert next(answer.iter_bytes()).startswith(b": still here")
