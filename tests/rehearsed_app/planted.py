"""The same agent before it was mended: each place where it goes wrong says BUG."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx
import openai

T = TypeVar("T")
KEY = os.environ["OPENAI_API_KEY"]
ENDPOINT = os.environ["OPENAI_BASE_URL"]
PROMPT = {"role": "user", "content": "What is the weather in Paris?"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Failed(Exception):
    pass


def persist(ask: Callable[[str], T]) -> T:
    while True:  # BUG: never gives up
        try:
            return ask(ENDPOINT)
        except (openai.APIError, httpx.TransportError, Failed):  # BUG: a refused key is tried again
            time.sleep(0.2)  # BUG: Retry-After is not read


def events(response: httpx.Response) -> Iterator[Any]:
    held = None
    for line in response.iter_lines():
        if not line:
            continue
        if line == "data: [DONE]":
            yield held
            return
        data = json.loads(line[len("data: ") :])  # BUG: dies on a comment line
        if held is not None:
            yield held
        held = data  # BUG: loses the last chunk where no [DONE] follows


def stream(endpoint: str, messages: list[Any]) -> tuple[str, list[dict[str, str]]]:
    body = {"model": "some-model", "stream": True, "messages": messages, "tools": [TOOL]}
    headers = {"authorization": f"Bearer {KEY}"}
    texts: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    url = f"{endpoint}/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=30) as response:
        if response.status_code != 200:
            raise Failed(f"status {response.status_code}")
        for data in events(response):
            for choice in data.get("choices") or []:
                delta = choice.get("delta") or {}
                texts.append(delta.get("content") or "")
                for piece in delta.get("tool_calls") or []:
                    call = calls.setdefault(
                        piece.get("index", len(calls)), {"id": "", "name": "", "arguments": ""}
                    )
                    call["id"] = call["id"] or piece.get("id") or ""
                    call["name"] += piece["function"].get("name") or ""
                    call["arguments"] += piece["function"].get("arguments") or ""
    text = "".join(texts)
    if not text and not calls:
        raise Failed("an empty answer")
    return text, list(calls.values())


def extract(endpoint: str) -> Any:
    client = openai.OpenAI(base_url=endpoint, max_retries=0, timeout=30)
    answer = client.chat.completions.create(
        model="some-model",
        response_format={"type": "json_object"},
        messages=[{"role": "user", "content": 'Answer in JSON with key "city" set to "Paris".'}],
    )
    content = answer.choices[0].message.content if answer.choices else None
    if not content:
        raise Failed("no answer")
    return json.loads(content.strip().removeprefix("```json").removesuffix("```"))


def main() -> None:
    messages: list[Any] = [PROMPT]
    _, calls = persist(lambda endpoint: stream(endpoint, messages))
    if not calls:
        raise Failed("the model called no tool")
    for call in calls:
        function = {"name": call["name"], "arguments": call["arguments"]}
        said = {"id": call["id"], "type": "function", "function": function}
        messages.append({"role": "assistant", "tool_calls": [said]})
        city = json.loads(call["arguments"])["city"]
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": f"It is sunny in {city}."})
    print(persist(lambda endpoint: stream(endpoint, messages))[0])
    print(persist(extract)["city"])


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"sorry: {error}")
