"""A stream's events add up to the body that the same request has without a stream."""

import json
from typing import Any

import httpx
import pytest

from llmcompat.simulator.server import running
from llmcompat.wire.sse import parse
from llmcompat.workload.assembly import Assembly, assemble
from llmcompat.workload.format import CHAT, COMPLETIONS, RESPONSES

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def chunk(delta: Any = None, *, index: int = 0, **more: Any) -> str:
    choice = {"index": index, "delta": delta if delta is not None else {}, **more}
    return json.dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice]})


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": "Hello"}]},
        {"messages": [{"role": "user", "content": "Hello"}], "n": 2, "logprobs": True},
        {
            "messages": [{"role": "user", "content": "Weather in Paris?"}],
            "tools": [TOOL],
            "tool_choice": "required",
        },
    ],
)
def test_it_is_as_the_answer_without_a_stream(body: dict[str, Any]) -> None:
    body = {"model": "demo-chat", **body}
    with running() as simulator:
        url = f"{simulator.base_url}/chat/completions"
        plain = httpx.post(url, json=body).json()
        streaming = {**body, "stream": True, "stream_options": {"include_usage": True}}
        events = [block.data for block in parse(httpx.post(url, json=streaming).content) if block.data]
    found = assemble(CHAT, events)
    assert found is not None
    assert found["object"] == plain["object"]
    assert found["usage"] == plain["usage"]
    for one, other in zip(found["choices"], plain["choices"], strict=True):
        assert one["index"] == other["index"]
        assert one["finish_reason"] == other["finish_reason"]
        assert one["message"]["role"] == "assistant"
        assert one["message"]["content"] == other["message"]["content"]
        calls = [
            [(c["type"], c["function"]) for c in each["message"].get("tool_calls", [])]
            for each in (one, other)
        ]
        assert calls[0] == calls[1]
        assert (one.get("logprobs") is None) == (other.get("logprobs") is None)


def test_parts_of_two_calls_are_put_together() -> None:
    events = [
        chunk(
            {
                "role": "assistant",
                "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}],
            }
        ),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}]}),
        chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ": 1}"}}]}),
        chunk(finish_reason="tool_calls"),
    ]
    found = assemble(CHAT, events)
    assert found is not None
    assert found["choices"][0]["message"]["tool_calls"] == [
        {"id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "function": {"name": "g", "arguments": "{}"}},
    ]
    assert found["choices"][0]["message"]["content"] is None


def test_the_older_and_the_newer_api() -> None:
    texts = [json.dumps({"choices": [{"index": 0, "text": part}]}) for part in ("a", "b")]
    found = assemble(COMPLETIONS, texts)
    assert found is not None
    assert found["choices"] == [{"index": 0, "text": "ab"}]
    events = [
        json.dumps({"type": "response.created", "response": {"id": "r", "status": "in_progress"}}),
        json.dumps({"type": "response.output_text.delta", "delta": "a"}),
        json.dumps({"type": "response.completed", "response": {"id": "r", "status": "completed"}}),
    ]
    assembly = Assembly(RESPONSES)
    for each in events[:2]:
        assembly.add(each)
    assert not assembly.finished
    assembly.add(events[2])
    assert assembly.finished
    assert assembly.body == {"id": "r", "status": "completed"}


@pytest.mark.parametrize(
    "event",
    [
        "{",
        "[]",
        "null",
        '{"choices": 7}',
        '{"choices": [7, null]}',
        '{"choices": [{"index": "x", "delta": []}]}',
        '{"choices": [{"index": 99999999999, "delta": {"content": {"a": 1}}}]}',
        '{"choices": [{"delta": {"tool_calls": [7, {"index": -1}, {"index": 1e9}]}}]}',
        '{"choices": [{"delta": {"tool_calls": {"0": {}}}}]}',
        '{"choices": [{"delta": {"content": "x", "tool_calls": "x"}, "logprobs": {"content": 1}}]}',
        '{"choices": [{"text": "x"}, {"delta": {"text": {"a": []}}}]}',
    ],
)
@pytest.mark.parametrize("url", [CHAT, COMPLETIONS, RESPONSES, "/v1/other"])
def test_hostile_events_break_nothing(url: str, event: str) -> None:
    good = chunk({"content": "ok", "tool_calls": [{"index": 0, "id": "a"}], "annotations": []})
    json.dumps(assemble(url, [event, good, event, good]))


def test_nothing_is_none() -> None:
    assert assemble(CHAT, ["[DONE]"]) is None
