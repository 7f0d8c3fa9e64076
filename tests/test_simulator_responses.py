"""The simulator's Responses API: the official client works with it, and each of its faults gives one line."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from pydantic import BaseModel

from llmcompat.engine.runner import Finished, run_target
from llmcompat.model import Level, Status, TargetRun
from llmcompat.profiles.loader import load_profile
from llmcompat.simulator.faults import FAULTS, HARMLESS
from llmcompat.simulator.server import Running, running
from tests.checking import checklist, demo_settings

MODEL = "demo-chat"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
LINES = {
    "responses-not-offered": ("responses-accepted", "not-offered"),
    "files-missing": ("files-listed", "not-offered"),
    "batches-missing": ("batches-listed", "not-offered"),
    "responses-usage-chat-names": ("responses-usage", "chat-names"),
    "responses-status-missing": ("responses-status", "missing"),
    "responses-annotations-missing": ("responses-annotations", "missing"),
    "responses-call-id-missing": ("responses-call-id", "missing"),
    "responses-arguments-object": ("responses-call-arguments", "not-a-string"),
    "responses-format-ignored": ("responses-json-schema", "not-json"),
    "responses-previous-ignored": ("responses-previous", "ignored"),
    "responses-output-refused": ("responses-tool-result", "rejected"),
    "responses-unknown-model-400": ("responses-unknown-model", "status-400"),
    "responses-stream-unnamed": ("responses-stream-names", "missing"),
    "responses-stream-no-created": ("responses-stream-begin", "created-missing"),
    "responses-stream-unnumbered": ("responses-stream-numbers", "missing"),
    "responses-stream-number-gap": ("responses-stream-order", "gap"),
    "responses-stream-id-changes": ("responses-stream-id", "changes"),
    "responses-stream-no-item": ("responses-stream-items", "item-not-added"),
    "responses-stream-text-lost": ("responses-stream-text", "differs"),
    "responses-stream-no-completed": ("responses-stream-complete", "missing"),
    "responses-stream-arguments-lost": ("responses-call-stream", "differs"),
}


class Person(BaseModel):
    """A schema that the client makes strict by itself."""

    name: str
    age: int


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Running]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def client(endpoint: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=endpoint.base_url, api_key="sk-test", max_retries=0) as found:
        yield found


def test_text_plain_and_streamed(client: openai.OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="Say exactly: one two")
    assert answer.output_text == "one two"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    pieces = []
    with client.responses.stream(model=MODEL, input="Say exactly: one two") as events:
        for event in events:
            if event.type == "response.output_text.delta":
                pieces.append(event.delta)
        assert events.get_final_response().output_text == "".join(pieces) == "one two"


def test_tools_and_their_results(client: openai.OpenAI) -> None:
    question: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client.responses.create(model=MODEL, input=question, tools=[WEATHER])
    (call,) = first.output
    assert call.type == "function_call"
    assert (call.name, call.arguments) == ("get_weather", '{"city": "Paris"}')
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "18 C"}
    turns = [*question, *(item.model_dump() for item in first.output), result]
    assert "18 C" in client.responses.create(model=MODEL, input=turns, tools=[WEATHER]).output_text
    with client.responses.stream(model=MODEL, input=question, tools=[WEATHER]) as events:
        (streamed,) = events.get_final_response().output
    assert streamed.type == "function_call"
    assert streamed.arguments == call.arguments


def test_structured_output_instructions_and_limits(client: openai.OpenAI) -> None:
    parsed = client.responses.parse(model=MODEL, input="Alice is 30 years old.", text_format=Person)
    assert parsed.output_parsed == Person(name="Alice", age=30)
    told = client.responses.create(model=MODEL, input="Hi", instructions="Reply with exactly: pong")
    assert told.output_text == "pong"
    cut = client.responses.create(model=MODEL, input="Tell me a long story.", max_output_tokens=16)
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"


def test_conversations_are_kept_unless_store_is_false(client: openai.OpenAI) -> None:
    first = client.responses.create(model=MODEL, input="Remember the word marble.")
    second = client.responses.create(
        model=MODEL, input="Which word did I ask you to remember?", previous_response_id=first.id
    )
    assert "marble" in second.output_text
    loose = client.responses.create(model=MODEL, input="Remember the word marble.", store=False)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="Which word?", previous_response_id=loose.id)
    assert caught.value.code == "previous_response_not_found"


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"model": MODEL}, 400, "input"),
        ({"model": "nope", "input": "Hi"}, 404, "model"),
        ({"model": MODEL, "input": 5}, 400, "input"),
        ({"model": MODEL, "input": "Hi", "messages": []}, 400, "messages"),
        ({"model": MODEL, "input": [{"role": "robot", "content": "Hi"}]}, 400, "input[0].role"),
        ({"model": MODEL, "input": [{"type": "strange"}]}, 400, "input[0].type"),
        ({"model": MODEL, "input": [{"role": "user", "content": [{"type": "strange"}]}]}, 400, "input"),
        ({"model": MODEL, "input": "Hi", "tools": [{"type": "strange"}]}, 400, "tools[0].type"),
        ({"model": MODEL, "input": "Hi", "tools": [{"type": "function"}]}, 400, "tools[0].name"),
        ({"model": MODEL, "input": "Hi", "previous_response_id": "x"}, 400, "previous_response_id"),
    ],
)
def test_wrong_requests_are_refused(endpoint: Running, body: Any, status: int, param: str) -> None:
    for streamed in (False, True):
        found = httpx.post(f"{endpoint.base_url}/responses", json={**body, "stream": streamed})
        assert (found.status_code, found.json()["error"]["param"]) == (status, param)


def test_files_and_batches_are_empty_lists(client: openai.OpenAI) -> None:
    assert list(client.files.list()) == []
    assert list(client.batches.list()) == []


def run(*faults: str, uses: frozenset[str] = frozenset({"responses", "batch"})) -> TargetRun:
    async def ask(base_url: str) -> TargetRun:
        settings = demo_settings(base_url=base_url, only=("responses", "batch"), uses=uses)
        async for event in run_target(checklist(), settings, load_profile("demo"), seed="seed"):
            if isinstance(event, Finished):
                return event.run
        raise AssertionError("the run never finished")

    with running(faults=faults) as server:
        return asyncio.run(ask(server.base_url))


def failing(target: TargetRun) -> list[tuple[str, str | None]]:
    return [(result.id, result.case) for result in target.checks if result.status is Status.FAIL]


def test_a_healthy_endpoint_passes_within_the_budget() -> None:
    healthy = run()
    assert {result.status for result in healthy.checks} == {Status.PASS}
    asked = {exchange.probe for exchange in healthy.exchanges}
    assert len([name for name in asked if name.startswith("response_")]) == 9
    assert healthy.spend.requests == 9 + 2 + 4
    # what the Responses API used is counted under its own names
    bodies = [exchange.body for exchange in healthy.exchanges if exchange.status == 200]
    counts = [re.findall(rb'"(?:completion|output)_tokens":\s*(\d+)', body) for body in bodies]
    assert healthy.spend.completion_tokens == sum(int(found[-1]) for found in counts if found)
    assert all(result.level is Level.MUST for result in healthy.checks if result.item == "batch")


def test_every_fault_of_this_area_is_listed() -> None:
    assert {name for name, fault in FAULTS.items() if fault.area in ("responses", "batch")} == set(LINES)


@pytest.mark.parametrize("fault", LINES)
def test_a_fault_gives_one_line(fault: str) -> None:
    assert failing(run(fault)) == [LINES[fault]]


@pytest.mark.parametrize("name", [name for name, each in HARMLESS.items() if each.area == "responses"])
def test_legal_variety_gives_no_line(name: str) -> None:
    assert failing(run(name)) == []


def test_an_api_that_is_not_offered_is_asked_once() -> None:
    missing = run("responses-not-offered")
    asked = [exchange for exchange in missing.exchanges if exchange.url.endswith("/responses")]
    assert len(asked) == 1
    blocked = {result.blocked_by for result in missing.checks if result.status is Status.ERROR}
    assert blocked == {"responses-accepted"}
