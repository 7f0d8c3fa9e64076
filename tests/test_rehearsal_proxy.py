"""The proxy on the wire: what is refused, reset, cut and reframed is so in real bytes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from llmcompat.rehearsal.proxy import Proxy
from llmcompat.rehearsal.scenario import Scenario, load_scenarios
from llmcompat.simulator.app import Settings, create_app

SCENARIOS = load_scenarios()


@asynccontextmanager
async def playing(name: str | None, **changes: Any) -> AsyncIterator[tuple[Proxy, httpx.AsyncClient]]:
    proxy = Proxy(lambda: create_app(Settings(gap=0.0)))
    await proxy.start()
    try:
        scenario: Scenario | None = SCENARIOS[name].model_copy(update=changes) if name else None
        await proxy.begin(scenario)
        async with httpx.AsyncClient(base_url=proxy.base_url, trust_env=False, timeout=20) as client:
            yield proxy, client
    finally:
        await proxy.close()


def body(**more: Any) -> dict[str, Any]:
    return {"model": "demo-chat", "messages": [{"role": "user", "content": "Say hello in one word."}], **more}


async def ask(client: httpx.AsyncClient, **more: Any) -> httpx.Response:
    return await client.post("chat/completions", json=body(**more))


async def raw(proxy: Proxy, **more: Any) -> list[bytes]:
    """The reads of a plain socket until the end of the connection."""
    port = int(proxy.base_url.split(":")[2].split("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = json.dumps(body(**more)).encode()
    lines = (
        "POST /v1/chat/completions HTTP/1.1",
        "Host: x",
        "Connection: close",
        f"Content-Length: {len(sent)}",
    )
    writer.write("\r\n".join([*lines, "", ""]).encode() + sent)
    reads = []
    while piece := await reader.read(65536):
        reads.append(piece)
    writer.close()
    return reads


async def test_without_faults_the_answer_is_the_upstreams() -> None:
    async with playing(None) as (proxy, client):
        plain, streamed = await ask(client), await ask(client, stream=True)
        assert plain.json()["choices"][0]["message"]["content"]
        assert streamed.text.endswith("data: [DONE]\n\n")
        assert [each.answered_well for each in proxy.log.seen] == [True, True]
        assert [each.streamed for each in proxy.log.seen] == [False, True]
        assert proxy.log.seen[0].identity != proxy.log.seen[1].identity


async def test_only_the_first_tries_of_the_first_request_fail() -> None:
    async with playing("503-twice") as (proxy, client):
        statuses = [(await ask(client)).status_code for _ in range(2)]
        statuses.append((await ask(client, temperature=1)).status_code)
        statuses.append((await ask(client)).status_code)
        assert statuses == [503, 503, 200, 200]
        assert [each.faulted for each in proxy.log.seen] == [True, True, False, False]


@pytest.mark.parametrize("form", ["seconds", "ms", "date"])
async def test_retry_after_in_each_form(form: str) -> None:
    async with playing(f"429-retry-after-{form}") as (proxy, client):
        answer = await ask(client)
        asked = proxy.log.seen[0].asked_wait
        assert asked is not None
        if form == "ms":
            assert float(answer.headers["retry-after-ms"]) == asked * 1000
        elif form == "seconds":
            assert float(answer.headers["retry-after"]) == asked
        else:
            until = parsedate_to_datetime(answer.headers["retry-after"]).timestamp()
            # what is asked for is measured from when it was asked
            assert asked >= 1.5
            assert until <= time.time() + asked


async def test_a_refused_connection_and_the_port_open_again() -> None:
    async with playing("connection-refused") as (proxy, client):
        url = proxy.base_url
        with pytest.raises(httpx.ConnectError):
            await ask(client)
        await proxy.begin(None)
        assert proxy.base_url == url
        assert (await ask(client)).status_code == 200


async def test_a_reset_before_the_answer_is_no_end_of_file() -> None:
    async with playing("reset-before-answer") as (proxy, client):
        with pytest.raises(ConnectionResetError):
            await raw(proxy)
        assert proxy.log.seen[0].error == "connection reset before the answer"
        assert (await ask(client)).status_code == 200


@pytest.mark.parametrize(("name", "streamed"), [("reset-mid-answer", False), ("reset-mid-stream", True)])
async def test_a_reset_in_the_middle_comes_behind_some_of_the_answer(name: str, streamed: bool) -> None:
    async with playing(name) as (proxy, client):
        with pytest.raises(httpx.ReadError):
            await ask(client, stream=streamed)
        seen = proxy.log.seen[0]
        assert seen.status == 200
        assert seen.body
        assert not seen.complete


async def test_a_cut_stream_ends_cleanly_and_without_its_end() -> None:
    async with playing("stream-cut") as (proxy, client):
        answer = await ask(client, stream=True)
        assert "data: " in answer.text
        assert '"finish_reason":"stop"' not in answer.text
        assert "[DONE]" not in answer.text
        assert not proxy.log.seen[0].answered_well


async def test_pieces_are_cut_within_characters() -> None:
    async with playing("stream-split") as (proxy, _):
        pieces: list[bytes] = []
        for read in await raw(proxy, stream=True):
            # chunked coding: a length, a line end, the piece
            parts = read.split(b"\r\n")
            pieces += parts[1::2]
        broken = 0
        for piece in pieces:
            try:
                piece.decode()
            except UnicodeDecodeError:
                broken += 1
        assert broken > 3
        assert "é漢🎉" in proxy.log.seen[0].body.decode()


@pytest.mark.parametrize(
    ("name", "shows"),
    [
        ("stream-crlf", "\r\n\r\ndata: [DONE]\r\n\r\n"),
        ("stream-comments", ": keep-alive\n\ndata: "),
        ("stream-usage-chunk", '"choices":[],"usage":{'),
        ("stream-reasoning", '"reasoning_content":"Let me think '),
        ("stream-error-event", 'data: {"error":'),
        ("unknown-fields", '"matched_stop":151645'),
        ("unknown-finish-reason", '"finish_reason":"eos"'),
        ("refusal", '"refusal":"I\'m sorry'),
        ("content-filter", '"finish_reason":"content_filter"'),
        ("empty-content", '"content":""},"finish_reason":null'),
    ],
)
async def test_a_stream_is_changed(name: str, shows: str) -> None:
    async with playing(name) as (_, client):
        assert shows in (await ask(client, stream=True)).text


async def test_tool_calls_are_dealt_anew_and_stay_the_same() -> None:
    question = {"messages": [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]}
    told = {}
    for name in (None, "tool-deltas-whole", "tool-deltas-piecewise", "tool-deltas-without-index"):
        async with playing(name) as (_, client):
            city = {"city": {"type": "string"}}
            parameters = {"type": "object", "properties": city, "required": ["city"]}
            tool = {"type": "function", "function": {"name": "get_weather", "parameters": parameters}}
            answer = await ask(client, stream=True, tools=[tool], **question)
            pieces = [
                piece
                for line in answer.text.splitlines()
                if line.startswith("data: {")
                for choice in json.loads(line[6:])["choices"]
                for piece in choice["delta"].get("tool_calls") or []
            ]
            told[name] = "".join(piece["function"].get("arguments") or "" for piece in pieces), len(pieces)
            assert all(("index" in piece) is (name != "tool-deltas-without-index") for piece in pieces)
    assert len({arguments for arguments, _ in told.values()}) == 1
    assert told["tool-deltas-whole"][1] == 2
    assert told["tool-deltas-piecewise"][1] > 10


async def test_spend_is_a_thousandfold() -> None:
    async with playing(None) as (proxy, client):
        before = (await ask(client)).json()["usage"]["total_tokens"]
        await proxy.begin(SCENARIOS["spend-spike"])
        assert (await ask(client)).json()["usage"]["total_tokens"] == before * 1000


async def test_in_an_outage_the_second_endpoint_answers_and_alerts_are_counted() -> None:
    async with playing("outage") as (proxy, client):
        assert (await ask(client)).status_code == 503
        async with httpx.AsyncClient(trust_env=False) as other:
            answer = await other.post(f"{proxy.fallback_url}/chat/completions", json=body())
            assert answer.status_code == 200
            assert (await other.post(proxy.alert_url, json={})).status_code == 200
        assert [each.door for each in proxy.log.seen] == ["main", "fallback"]
        assert len(proxy.log.alerts) == 1


async def test_who_leaves_early_is_told_from_who_leaves_at_done() -> None:
    async with playing("slow-stream") as (proxy, client):
        async with client.stream("POST", "chat/completions", json=body(stream=True)) as answer:
            await anext(answer.aiter_bytes())
        while proxy.log.seen[0].ended_at is None:
            await asyncio.sleep(0.01)
        assert proxy.log.seen[0].left
        await proxy.begin(None)
        async with client.stream("POST", "chat/completions", json=body(stream=True)) as answer:
            async for line in answer.aiter_lines():
                if line == "data: [DONE]":
                    break
        while proxy.log.seen[0].ended_at is None:
            await asyncio.sleep(0.01)
        assert proxy.log.seen[0].complete


async def test_what_is_no_http_ends_the_connection_and_no_more() -> None:
    async with playing(None) as (proxy, client):
        port = int(proxy.base_url.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x16\x03\x01 no http\r\n\r\n")
        assert await reader.read() == b""
        writer.close()
        assert (await ask(client)).status_code == 200
        assert len(proxy.log.seen) == 1
