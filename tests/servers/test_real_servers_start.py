"""The real servers of the suite start, answer, and do what the tests that use them count on."""

import json
from collections.abc import Callable

import httpx
import pytest

from tests.servers.live import LiveServer

pytestmark = pytest.mark.slow


def key(server: LiveServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.api_key}"}


def model_ids(server: LiveServer) -> list[str]:
    models = httpx.get(f"{server.base_url}/models", headers=key(server)).json()
    return [model["id"] for model in models["data"]]


def ask(server: LiveServer, path: str, body: dict[str, object]) -> httpx.Response:
    content = {"model": server.model, **body}
    return httpx.post(f"{server.base_url}{path}", json=content, headers=key(server), timeout=60)


def chat(server: LiveServer, text: str, **options: object) -> httpx.Response:
    return ask(server, "/chat/completions", {"messages": [{"role": "user", "content": text}], **options})


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def test_llama_cpp_lists_its_model(llama_cpp: LiveServer) -> None:
    assert model_ids(llama_cpp) == [llama_cpp.model]


def test_llama_cpp_answers_in_words(llama_cpp: LiveServer) -> None:
    answer = chat(llama_cpp, "Say hello.", temperature=0, max_tokens=50).json()
    assert answer["choices"][0]["message"]["content"] == "Hello! I am a tiny test model."
    assert answer["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("question", "cities"),
    [
        ("What is the weather in Paris?", ['{"city":"Paris"}']),
        ("What is the weather in Paris and in London?", ['{"city":"London"}', '{"city":"Paris"}']),
    ],
)
def test_llama_cpp_calls_tools(llama_cpp: LiveServer, question: str, cities: list[str]) -> None:
    answer = chat(llama_cpp, question, tools=[WEATHER], temperature=0, max_tokens=200).json()
    calls = answer["choices"][0]["message"]["tool_calls"]
    assert [call["function"]["name"] for call in calls] == ["get_weather"] * len(cities)
    assert [call["function"]["arguments"].replace(" ", "") for call in calls] == cities


def test_llama_cpp_answers_after_a_tool_result(llama_cpp: LiveServer) -> None:
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    messages = [
        {"role": "user", "content": "What is the weather in Paris?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "20 degrees"},
    ]
    body = {"messages": messages, "tools": [WEATHER], "temperature": 0, "max_tokens": 50}
    answer = ask(llama_cpp, "/chat/completions", body).json()
    assert answer["choices"][0]["message"]["content"] == "Hello! I am a tiny test model."


def test_llama_cpp_writes_noise_up_to_the_limit(llama_cpp: LiveServer) -> None:
    answer = chat(llama_cpp, "Write random words.", seed=1, max_tokens=200).json()
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 200


def test_llama_cpp_writes_json(llama_cpp: LiveServer) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema}}
    answer = chat(llama_cpp, "A name as JSON.", response_format=wanted, temperature=0, max_tokens=200).json()
    assert json.loads(answer["choices"][0]["message"]["content"]).keys() == {"name"}


def test_llama_cpp_refuses_a_wrong_key(llama_cpp: LiveServer) -> None:
    stranger = LiveServer(llama_cpp.base_url, llama_cpp.model, api_key="sk-wrong")
    assert chat(stranger, "Say hello.").status_code == 401


def test_llama_cpp_embeds(llama_cpp_embedding: LiveServer) -> None:
    assert model_ids(llama_cpp_embedding) == [llama_cpp_embedding.model]
    answer = ask(llama_cpp_embedding, "/embeddings", {"input": ["one", "two"]}).json()
    assert [len(row["embedding"]) for row in answer["data"]] == [256, 256]


def test_llmock_answers(llmock_server: Callable[..., LiveServer]) -> None:
    server = llmock_server("--response-style", "hello")
    assert server.model in model_ids(server)
    assert chat(server, "Say hello.").json()["choices"][0]["message"]["content"]


def test_llmock_injects_faults(llmock_server: Callable[..., LiveServer]) -> None:
    assert chat(llmock_server("--error-rate", "429=1"), "Say hello.").status_code == 429
