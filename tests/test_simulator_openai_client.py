"""The official client against the healthy simulator: what it parses there, applications can rely on."""

from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionToolParam
from pydantic import BaseModel

from llmcompat.simulator.server import running

MODEL = "demo-chat"
TOOL: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


class Person(BaseModel):
    """A schema that the client makes strict by itself."""

    name: str
    age: int


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    with (
        running() as endpoint,
        openai.OpenAI(base_url=endpoint.base_url, api_key="sk-test", max_retries=0) as found,
    ):
        yield found


def test_chat_and_stream(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Say exactly: ok"}]
    )
    assert answer.choices[0].message.content == "ok"
    assert answer._request_id
    pieces = client.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "Say exactly: one two"}], stream=True
    )
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "one two"


def test_the_stream_helper_collects_tool_calls(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL,
        messages=[{"role": "user", "content": "What is the weather in Paris and Rome?"}],
        tools=[TOOL],
    ) as stream:
        stream.until_done()
        message = stream.get_final_completion().choices[0].message
    assert [call.function.parsed_arguments for call in message.tool_calls or []] == [
        {"city": "Paris"},
        {"city": "Rome"},
    ]


def test_parse(client: openai.OpenAI) -> None:
    answer = client.chat.completions.parse(
        model=MODEL, messages=[{"role": "user", "content": "Alice is 30 years old."}], response_format=Person
    )
    assert answer.choices[0].message.parsed == Person(name="Alice", age=30)


def test_embeddings_and_models(client: openai.OpenAI) -> None:
    vector = client.embeddings.create(model="demo-embed", input="hello world").data[0].embedding
    assert len(vector) == 256
    assert abs(sum(value * value for value in vector) - 1) < 1e-5
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve("demo/chat").id == "demo/chat"


def test_error_classes(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="nope", messages=[{"role": "user", "content": "hi"}])
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as wrong:
        client.chat.completions.create(model=MODEL, messages=[])
    assert wrong.value.param == "messages"
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="sk-llmcompat-invalid-key").models.list()
