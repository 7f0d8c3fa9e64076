"""The simulator over a real socket: what it answers when healthy, and that every fault changes some bytes."""

import base64
import json
import struct
import threading
import zlib
from typing import Any

import httpx
import pytest

from llmcompat.catalogue import catalogue
from llmcompat.simulator.faults import FAULTS, HARMLESS
from llmcompat.simulator.server import Running, running

MODEL = "demo-chat"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city"],
        },
    },
}
CLOCK = {
    "type": "function",
    "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}},
}
NOTE = {
    "type": "function",
    "function": {
        "name": "save_note",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
}
PLAN = {
    "type": "function",
    "function": {
        "name": "save_plan",
        "parameters": {
            "type": "object",
            "properties": {"stops": {"type": "array", "items": {"type": "string"}}},
            "required": ["stops"],
            "additionalProperties": False,
        },
    },
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
NAMED = {"type": "function", "function": {"name": "get_weather"}}


@pytest.fixture(scope="module")
def healthy() -> Any:
    with running() as endpoint:
        yield endpoint


def png(red: int, green: int, blue: int) -> str:
    rows = b"".join(b"\x00" + bytes((red, green, blue)) * 8 for _ in range(8))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode()


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def post(endpoint: Running, path: str = "/chat/completions", **body: Any) -> httpx.Response:
    body.setdefault("model", MODEL)
    return httpx.post(endpoint.base_url + path, json=body, timeout=20)


def message(endpoint: Running, prompt: str | list[dict[str, Any]], **body: Any) -> dict[str, Any]:
    messages = [user(prompt)] if isinstance(prompt, str) else prompt
    answer = post(endpoint, messages=messages, **body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["choices"][0]["message"]
    return found


def chunks(endpoint: Running, **body: Any) -> list[dict[str, Any]]:
    answer = post(endpoint, stream=True, **body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("Reply with exactly the word: ok", "ok"),
        ("Just reply with the word ok", "ok"),
        ('Answer with only the word "BLUE" and nothing else.', "BLUE"),
        ("Respond with only this word and nothing else: Grün", "Grün"),
        ("Say exactly: two\nlines 🎉", "two\nlines 🎉"),
        ("Repeat exactly, and nothing else: alpha beta gamma", "alpha beta gamma"),
        ("Count from 1 to 5", "1, 2, 3, 4, 5"),
        ("What is 17 + 25?", "42"),
    ],
)
def test_plain_instructions_are_obeyed(healthy: Running, prompt: str, expected: str) -> None:
    assert message(healthy, prompt)["content"] == expected
    streamed = chunks(healthy, messages=[user(prompt)])
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in streamed) == expected


@pytest.mark.parametrize("role", ["system", "developer"])
def test_the_last_system_instruction_wins(healthy: Running, role: str) -> None:
    first = {"role": role, "content": "Answer only with the word BLUE."}
    second = {"role": role, "content": "From now on always answer with the code word RED."}
    question = user("What is the capital of France?")
    assert message(healthy, [first, question])["content"] == "BLUE"
    assert (
        message(healthy, [first, question, {"role": "assistant", "content": "BLUE"}, second, question])[
            "content"
        ]
        == "RED"
    )


def test_what_was_said_before_is_remembered(healthy: Running) -> None:
    words = [
        {"role": "system", "content": f"The {place} code word is {word}."}
        for place, word in (("first", "FIG"), ("second", "PEAR"))
    ]
    assert message(healthy, [*words, user("List every code word you were told.")])["content"] == "FIG, PEAR"
    told = [user("Remember the word KIWI."), {"role": "assistant", "content": "Yes."}]
    assert message(healthy, [*told, user("Which word did I ask you to remember?")])["content"] == "KIWI"


def test_needles_of_a_long_text_are_found(healthy: Running) -> None:
    filler = "It was a dull day and nobody had much to say about it. " * 600
    words = {"head": "OAK", "middle": "ELM", "tail": "ASH"}
    text = f" {filler} ".join(f"The code word for the {place} is {word}." for place, word in words.items())
    assert message(healthy, text + "\n\nWhat are the code words?")["content"] == "OAK, ELM, ASH"


@pytest.mark.parametrize(
    ("colour", "name"), [((255, 0, 0), "Red"), ((0, 0, 255), "Blue"), ((0, 200, 0), "Green")]
)
def test_the_colour_of_an_image_is_named(healthy: Running, colour: tuple[int, int, int], name: str) -> None:
    parts = [
        {"type": "text", "text": "What colour is this image?"},
        {"type": "image_url", "image_url": {"url": png(*colour)}},
    ]
    assert message(healthy, [{"role": "user", "content": parts}])["content"] == name


def test_tools_are_called_where_they_help_and_as_told(healthy: Running) -> None:
    tools = [WEATHER, NOTE, CLOCK]

    def called(prompt: str, **body: Any) -> list[tuple[str, Any]]:
        calls = message(healthy, prompt, tools=tools, **body).get("tool_calls", [])
        return [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]

    both = "What is the weather in Paris and London?"
    assert called(both) == [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "London"})]
    assert called(both, parallel_tool_calls=False) == [("get_weather", {"city": "Paris"})]
    assert called("What is the weather in Rome, in celsius?") == [
        ("get_weather", {"city": "Rome", "unit": "celsius"})
    ]
    assert called('Save the note: "quoted" \\ {braces} 🎉') == [
        ("save_note", {"text": '"quoted" \\ {braces} 🎉'})
    ]
    assert called("What time is it?") == [("get_time", {})]
    assert called("Just reply with the word ok") == []
    assert called(both, tool_choice="none") == []
    assert [name for name, _ in called("Tell me a joke.", tool_choice="required")] == ["get_weather"]
    assert [name for name, _ in called("Tell me a joke.", tool_choice=NAMED)] == ["get_weather"]


def test_a_tool_result_is_used(healthy: Running) -> None:
    call = message(healthy, "What is the weather in Paris?", tools=[WEATHER])
    history = [
        user("What is the weather in Paris?"),
        call,
        {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "18 C"},
    ]
    assert "18 C" in message(healthy, history, tools=[WEATHER])["content"]
    assert "tool_calls" not in message(healthy, history, tools=[WEATHER])
    refused = post(healthy, messages=history[:2], tools=[WEATHER])
    assert refused.status_code == 400
    assert "must be followed by tool messages" in refused.json()["error"]["message"]


def test_json_is_answered_as_asked(healthy: Running) -> None:
    told = message(
        healthy,
        'Return a JSON object with the key "city" set to "Paris".',
        response_format={"type": "json_object"},
    )
    assert json.loads(told["content"]) == {"city": "Paris"}
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": PERSON}}
    assert json.loads(message(healthy, "Alice is 30 years old.", response_format=wanted)["content"]) == {
        "name": "Alice",
        "age": 30,
    }


def test_stop_limits_and_alternatives(healthy: Running) -> None:
    prompt = [user("Repeat exactly: alpha beta gamma delta")]
    stopped = post(healthy, messages=prompt, stop=["gam"]).json()["choices"][0]
    assert (stopped["message"]["content"], stopped["finish_reason"]) == ("alpha beta ", "stop")
    for name in ("max_tokens", "max_completion_tokens"):
        cut = post(healthy, messages=[user("Tell me a story.")], **dict[str, Any]({name: 5})).json()
        assert (cut["choices"][0]["finish_reason"], cut["usage"]["completion_tokens"]) == ("length", 5)
    assert [choice["index"] for choice in post(healthy, messages=prompt, n=3).json()["choices"]] == [0, 1, 2]


def test_logprobs_hold_the_tokens(healthy: Running) -> None:
    choice = post(healthy, messages=[user("Count from 1 to 3")], logprobs=True, top_logprobs=2).json()[
        "choices"
    ][0]
    entries = choice["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == choice["message"]["content"]
    assert all(len(entry["top_logprobs"]) == 2 and entry["logprob"] <= 0 for entry in entries)


def test_a_stream_says_the_same_as_a_plain_answer(healthy: Running) -> None:
    body: dict[str, Any] = {
        "messages": [user("What is the weather in Paris and London?")],
        "tools": [WEATHER],
    }
    plain = post(healthy, **body).json()
    streamed = chunks(healthy, **body, stream_options={"include_usage": True})
    assert streamed[-1]["choices"] == []
    assert streamed[-1]["usage"] == plain["usage"]
    assert all(chunk["usage"] is None for chunk in streamed[:-1])
    assert streamed[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [chunk["choices"][0]["finish_reason"] for chunk in streamed[-3:-1]] == [None, "tool_calls"]
    arguments = ["", ""]
    for chunk in streamed[:-1]:
        for piece in chunk["choices"][0]["delta"].get("tool_calls", []):
            arguments[piece["index"]] += piece["function"]["arguments"]
    assert arguments == [
        call["function"]["arguments"] for call in plain["choices"][0]["message"]["tool_calls"]
    ]
    assert all("usage" not in chunk for chunk in chunks(healthy, **body))


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        ({"model": "nope", "messages": [user("hi")]}, 404, "model", "model_not_found"),
        ({"model": MODEL}, 400, "messages", "missing_required_parameter"),
        ({"model": MODEL, "messages": "hi"}, 400, "messages", "invalid_type"),
        ({"model": MODEL, "messages": []}, 400, "messages", "empty_array"),
        (
            {"model": MODEL, "messages": [{"role": "robot", "content": "hi"}]},
            400,
            "messages[0].role",
            "invalid_value",
        ),
        ({"model": MODEL, "messages": [user("hi")], "colour": 1}, 400, "colour", "unknown_parameter"),
        (
            {"model": MODEL, "messages": [user("hi")], "temperature": 3},
            400,
            "temperature",
            "decimal_above_max_value",
        ),
        ({"model": MODEL, "messages": [user("hi")], "n": 0}, 400, "n", "integer_below_min_value"),
        ({"model": MODEL, "messages": [user("hi")], "max_tokens": "9"}, 400, "max_tokens", "invalid_type"),
        (
            {"model": MODEL, "messages": [user("hi")], "stop": list("abcde")},
            400,
            "stop",
            "array_above_max_length",
        ),
        ({"model": MODEL, "messages": [user("hi")], "tools": []}, 400, "tools", "empty_array"),
        ({"model": MODEL, "messages": [user("word " * 40000)]}, 400, "messages", "context_length_exceeded"),
        (
            {"model": MODEL, "messages": [user("hi")], "response_format": {"type": "json_object"}},
            400,
            "messages",
            None,
        ),
        (
            {
                "model": MODEL,
                "messages": [user("hi")],
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "x",
                        "strict": True,
                        "schema": {"type": "object", "properties": {}},
                    },
                },
            },
            400,
            "response_format",
            "invalid_json_schema",
        ),
    ],
)
def test_wrong_requests_are_refused_in_openai_terms(
    healthy: Running, body: Any, status: int, param: str, code: str | None
) -> None:
    for streamed in (False, True):
        answer = httpx.post(healthy.base_url + "/chat/completions", json={**body, "stream": streamed})
        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"]


def test_documented_parameters_are_taken_and_so_are_nulls(healthy: Running) -> None:
    given: dict[str, Any] = {
        "temperature": 0, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "seed": 1, "user": "u",
        "logit_bias": {}, "store": False, "metadata": {}, "service_tier": "auto", "reasoning_effort": "low",
        "verbosity": "low", "prompt_cache_key": "k", "safety_identifier": "s",
    }  # fmt: skip
    assert post(healthy, messages=[user("hi")], **given).status_code == 200
    nulls: dict[str, Any] = dict.fromkeys([*given, "tools", "stop", "stream", "stream_options", "max_tokens"])
    assert post(healthy, messages=[user("hi")], **nulls).status_code == 200


def test_malformed_json_unknown_urls_and_wrong_methods(healthy: Running) -> None:
    broken = httpx.post(healthy.base_url + "/chat/completions", content=b"{")
    assert broken.status_code == 400
    assert "parse the JSON body" in broken.json()["error"]["message"]
    assert (
        httpx.get(healthy.base_url + "/nothing").json()["error"]["message"] == "Invalid URL (GET /v1/nothing)"
    )
    assert httpx.get(healthy.base_url + "/chat/completions").status_code == 405


def test_keys() -> None:
    with running(api_key="right") as endpoint:
        url = endpoint.base_url + "/models"
        for key, status in ((None, 401), ("wrong", 401), ("right", 200)):
            answer = httpx.get(url, headers={"Authorization": f"Bearer {key}"} if key else {})
            assert answer.status_code == status
        assert (
            httpx.get(url, headers={"Authorization": "Bearer wrong"}).json()["error"]["code"]
            == "invalid_api_key"
        )
        assert [request[:2] for request in endpoint.requests] == [("GET", "/v1/models")] * 4


def test_the_fixed_wrong_key_is_refused_everywhere(healthy: Running) -> None:
    answer = httpx.get(
        healthy.base_url + "/models", headers={"Authorization": "Bearer sk-llmcompat-invalid-key"}
    )
    assert answer.status_code == 401


def test_models(healthy: Running) -> None:
    listed = httpx.get(healthy.base_url + "/models").json()
    assert listed["object"] == "list"
    assert MODEL in [entry["id"] for entry in listed["data"]]
    for name in ("demo/chat", "demo%2Fchat"):
        assert httpx.get(f"{healthy.base_url}/models/{name}").json()["id"] == "demo/chat"
    assert httpx.get(healthy.base_url + "/models/nope").json()["error"]["code"] == "model_not_found"


def test_embeddings(healthy: Running) -> None:
    def embed(given: Any, **body: Any) -> Any:
        return post(healthy, "/embeddings", model="demo-embed", input=given, **body).json()

    text = embed("hello world")["data"][0]["embedding"]
    assert embed([15339, 1917])["data"][0]["embedding"] == text
    assert abs(sum(value * value for value in text) - 1) < 1e-5
    packed = base64.b64decode(embed("hello world", encoding_format="base64")["data"][0]["embedding"])
    assert list(struct.unpack(f"<{len(text)}f", packed)) == text
    many = embed(["one", "two", "one"])
    assert [entry["index"] for entry in many["data"]] == [0, 1, 2]
    assert many["data"][0]["embedding"] == many["data"][2]["embedding"] != many["data"][1]["embedding"]
    assert len(embed("x", dimensions=16)["data"][0]["embedding"]) == 16
    assert embed("x", dimensions=9999)["error"]["param"] == "dimensions"


def test_rate_headers_and_moderation(healthy: Running) -> None:
    first, second = (post(healthy, messages=[user("hi")]).headers for _ in range(2))
    assert int(first["x-ratelimit-remaining-requests"]) > int(second["x-ratelimit-remaining-requests"])
    assert (
        post(healthy, "/moderations", model="demo-moderation", input="hello").json()["results"][0]["flagged"]
        is False
    )


def test_an_unknown_fault_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'stop-ignored'"), running(faults=["stop-ignord"]):
        pass


def test_faults_combine() -> None:
    with running(faults=["id-missing", "stop-ignored"]) as endpoint:
        answer = post(endpoint, messages=[user("Say exactly: one two")], stop="two").json()
        assert "id" not in answer
        assert answer["choices"][0]["message"]["content"] == "one two"


def test_an_end_does_not_wait_for_requests_that_are_never_answered() -> None:
    before = threading.active_count()
    with running(faults=["hang"]) as endpoint, pytest.raises(httpx.ReadTimeout):
        httpx.get(endpoint.base_url + "/models", timeout=0.3)
    assert threading.active_count() == before


def respond() -> list[tuple[str, str, Any]]:
    """Requests of the Responses API."""
    function: Any = WEATHER["function"]
    flat = {"type": "function", **function}
    person = {"type": "json_schema", "name": "person", "strict": True, "schema": PERSON}
    call = {"type": "function_call", "call_id": "c", "name": "get_weather", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": "18 C"}
    asked: list[dict[str, Any]] = [
        {"input": "Say exactly: one two"},
        {"input": "Say exactly: one two", "stream": True},
        {"input": "What is the weather in Paris?", "tools": [flat]},
        {"input": "What is the weather in Paris?", "tools": [flat], "stream": True},
        {"input": [user("What is the weather in Paris?"), call, result]},
        {"input": "Alice is 30.", "text": {"format": person}},
        {"input": "And then?", "previous_response_id": "resp_unknown"},
        {"input": "hi", "model": "nope"},
    ]
    return [("POST", "/responses", {"model": MODEL, **body}) for body in asked]


def probes() -> list[tuple[str, str, Any]]:
    """Requests of many shapes: each fault has to show on at least one of them."""

    def chat(prompt: str, **body: Any) -> tuple[str, str, Any]:
        return "POST", "/chat/completions", {"model": MODEL, "messages": [user(prompt)], **body}

    def talk(*messages: dict[str, Any], **body: Any) -> tuple[str, str, Any]:
        return "POST", "/chat/completions", {"model": MODEL, "messages": list(messages), **body}

    def embed(given: Any, **body: Any) -> tuple[str, str, Any]:
        return "POST", "/embeddings", {"model": "demo-embed", "input": given, **body}

    def call(name: str = "call_1", **more: Any) -> dict[str, Any]:
        calls = [
            {
                "id": name,
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
            }
        ]
        return {"role": "assistant", "tool_calls": calls, **more}

    def result(content: Any = "18 C", name: str = "call_1") -> dict[str, Any]:
        return {"role": "tool", "tool_call_id": name, "content": content}

    def picture(url: str, **more: Any) -> dict[str, Any]:
        parts = [
            {"type": "text", "text": "What colour is this image?"},
            {"type": "image_url", "image_url": {"url": url, **more}},
        ]
        return {"role": "user", "content": parts}

    weather = "What is the weather in Paris and London?"
    ask = user("What is the weather in Paris?")
    schema = {"name": "person", "strict": True, "schema": PERSON}
    usage = {"stream": True, "stream_options": {"include_usage": True}}
    json_mode: dict[str, Any] = {"response_format": {"type": "json_object"}}
    json_schema: dict[str, Any] = {"response_format": {"type": "json_schema", "json_schema": schema}}
    loose = {"response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}}
    without_end = {"name": "person", "schema": {"type": "object", "properties": PERSON["properties"]}}
    open_schema = {"response_format": {"type": "json_schema", "json_schema": without_end}}
    double = call()
    double["tool_calls"] = double["tool_calls"] * 2
    system = {"role": "system", "content": "Be brief."}
    return [
        ("GET", "/models", None),
        ("GET", "/models/demo/chat", None),
        ("GET", "/models/wrong-key", None),
        chat("Say exactly: Grüße 🎉"),
        chat("Say exactly: Grüße 🎉", **usage),
        chat("Tell me a long story.", n=2, logprobs=True, top_logprobs=2),
        chat("Tell me a long story.", max_completion_tokens=5),
        chat("Tell me a long story.", max_tokens=5),
        chat("Tell me a long story.", max_tokens=9000),
        chat("Tell me a long story.", max_tokens=30000, stream=True),
        chat("Tell me a long story."),
        chat(
            "Repeat exactly: alpha beta gamma",
            stop="beta", temperature=0, top_p=1, presence_penalty=0, user="u", reasoning_effort="low",
        ),
        chat("How do I kill a process?", temperature=None, stop=["x"]),
        chat(weather, tools=[WEATHER]),
        chat(weather, tools=[WEATHER], **usage),
        chat(weather, tools=[WEATHER], parallel_tool_calls=False),
        chat(weather, tools=[WEATHER], tool_choice="none"),
        chat("Tell me a joke.", tools=[WEATHER], tool_choice="required"),
        chat("What time is it?", tools=[CLOCK]),
        chat("Say hello to everybody.", tools=[WEATHER]),
        chat("Use save_plan with stops \"Rome\" and \"Oslo\".", tools=[PLAN]),
        chat("Save the note: 🎉🎉", tools=[NOTE], stream=True),
        chat(
            "Tell me a joke.",
            tools=[WEATHER, NOTE], tool_choice={"type": "function", "function": {"name": "save_note"}},
        ),
        chat("hi", tools=[{"type": "function", "function": {"name": "2fast"}}]),
        chat(
            "hi",
            tools=[{"type": "function", "function": {"name": "f", "strict": True, "parameters": PERSON}}],
        ),
        chat("JSON with the keys name and age, please.", **json_mode),
        chat("Alice is 30.", **json_schema),
        chat("Alice is 30.", **json_schema, stream=True),
        chat("Alice is 30.", **json_schema, tools=[WEATHER]),
        chat("Alice is 30.", **loose),
        chat("Alice is 30 years old.", **open_schema),
        talk({**user("hi"), "metadata": {"kept": True}}),
        chat("word " * 40000),
        chat("x" * 1_100_000),
        *respond(),
        ("GET", "/files", None),
        ("GET", "/batches", None),
        chat("hi", model="nope"),
        chat("hi", invented=1),
        chat("half \ud83d"),
        talk(system, system, user("hi")),
        talk(user("hi"), system, user("hi")),
        talk(system),
        talk({"role": "developer", "content": "Be brief."}, user("hi")),
        talk(user("hi"), {"role": "assistant", "content": "Hello"}),
        talk(user("hi"), {"role": "assistant", "content": "Hello", "reasoning_content": "x"}, user("hi")),
        talk({"role": "user", "content": "hi", "name": "bob"}),
        talk({"role": "user", "content": [{"type": "text", "text": "hi"}]}),
        talk(picture(png(255, 0, 0))),
        talk(picture(png(255, 0, 0), detail="auto")),
        talk(picture(png(255, 0, 0).replace("image/png", "image/PNG"))),
        talk(picture("http://127.0.0.1:9/x.png")),
        talk(ask, call(), result(), tools=[WEATHER]),
        talk(ask, call(content=None), result(), tools=[WEATHER]),
        talk(ask, call(content=""), result(), tools=[WEATHER]),
        talk(ask, call(), result([{"type": "text", "text": "18 C"}]), tools=[WEATHER]),
        talk(ask, call(), result('{"$ref": "#/$defs/Item"}'), tools=[WEATHER]),
        talk(ask, call(), result(), user("And now?")),
        talk(ask, double, result(), result(), tools=[WEATHER]),
        embed("hello"),
        embed(["one", "two"], encoding_format="base64"),
        embed("hello", dimensions=16, user="u"),
        embed([15339, 1917]),
        embed(["x"] * 11),
    ]  # fmt: skip


def show(endpoint: Running, client: httpx.Client, probe: tuple[str, str, Any]) -> tuple[Any, ...]:
    """All of a reply that does not change from one healthy run to the next."""
    method, path, body = probe
    content = json.dumps(body).encode() if body is not None else None
    key = "sk-llmcompat-invalid-key" if path.endswith("wrong-key") else "sk-test-1234567890"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    pieces: list[bytes] = []
    try:
        with client.stream(method, endpoint.base_url + path, content=content, headers=headers) as answer:
            pieces.extend(answer.iter_raw())
            kept = {
                name: value
                for name, value in answer.headers.items()
                if name not in ("date", "openai-processing-ms", "content-length")
            }
            status: Any = answer.status_code
    except httpx.HTTPError as error:
        return type(error).__name__, b"".join(pieces)
    return status, kept, [len(piece) for piece in pieces], b"".join(pieces)


@pytest.fixture(scope="module")
def frozen() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmcompat.simulator.app.time.time", lambda: 1_767_225_600)
        yield


@pytest.fixture(scope="module")
def reference(frozen: None) -> list[tuple[Any, ...]]:
    with running() as endpoint, httpx.Client(timeout=20) as client:
        return [show(endpoint, client, probe) for probe in probes()]


def differs(one: tuple[Any, ...], other: tuple[Any, ...], fault: str) -> bool:
    # How the network groups bytes is no evidence, unless the fault is about that.
    if fault in (
        "sse-events-split-or-coalesced",
        "stream-utf8-split-across-network-chunks",
        "regrouped-writes",
        "byte-wise",
        "slow-stream",
        "stream-silent-prefill",
    ):
        return one != other
    return (one[:2], one[3:]) != (other[:2], other[3:])


# The others are shown to change something by the check that finds them, in test_faults.
UNMAPPED = {**FAULTS, **HARMLESS}.keys() - {deviation.fault for deviation in catalogue().values()}


@pytest.mark.parametrize("fault", sorted(UNMAPPED))
def test_every_other_fault_changes_some_reply(
    fault: str, frozen: None, reference: list[tuple[Any, ...]]
) -> None:
    timeout = {"hang": 0.5, "stream-silent-prefill": 0.5, "slow-stream": 0.05}.get(fault, 20)
    changed = 0
    with running(faults=[fault]) as endpoint, httpx.Client(timeout=timeout) as client:
        for probe, healthy_reply in zip(probes(), reference, strict=True):
            reply = show(endpoint, client, probe)
            assert fault in ("http-500", "client-error-as-500", "logprobs-infinity-500") or reply[0] != 500, (
                probe
            )
            changed += differs(reply, healthy_reply, fault)
            if changed:
                break
    assert changed
