"""A small agent as people write it: tools, streams, JSON, a retry loop of its own, and a second endpoint."""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
import openai

T = TypeVar("T")
TRIES = 4
RETRIED = (408, 409, 429)
KEY = os.environ["OPENAI_API_KEY"]
ENDPOINTS = [os.environ[name] for name in ("OPENAI_BASE_URL", "FALLBACK_URL") if os.environ.get(name)]
PROMPT = {"role": "user", "content": "What is the weather in Paris?"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Failed(Exception):
    def __init__(self, text: str, *, again: bool, wait: float | None = None) -> None:
        super().__init__(text)
        self.again, self.wait = again, wait


def asked_wait(headers: Any) -> float | None:
    if "retry-after-ms" in headers:
        return float(headers["retry-after-ms"]) / 1000
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        return parsedate_to_datetime(value).timestamp() - time.time()


def failed(status: int, headers: Any, text: str) -> Failed:
    final = "insufficient_quota" in text
    return Failed(
        f"status {status}", again=not final and (status in RETRIED or status >= 500), wait=asked_wait(headers)
    )


def persist(ask: Callable[[str], T]) -> T:
    for endpoint in ENDPOINTS:
        for number in range(TRIES):
            try:
                return ask(endpoint)
            except openai.APIStatusError as error:
                trouble = failed(error.status_code, error.response.headers, error.response.text)
            except (openai.APIConnectionError, httpx.TransportError) as error:
                trouble = Failed(str(error), again=True)
            except Failed as error:
                trouble = error
            if not trouble.again:
                raise trouble
            if number < TRIES - 1:
                pause = 0.25 * 2**number + random.uniform(0, 0.05)
                time.sleep(pause if trouble.wait is None else max(trouble.wait, pause))
    raise trouble


def events(response: httpx.Response) -> Iterator[Any]:
    buffer = b""
    for piece in response.iter_bytes():
        buffer += piece
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            text = line.decode().strip()
            if text == "data: [DONE]":
                return
            if text.startswith("data:"):
                yield json.loads(text[5:])


def stream(endpoint: str, messages: list[Any]) -> tuple[str, list[dict[str, str]]]:
    body = {"model": "some-model", "stream": True, "messages": messages, "tools": [TOOL]}
    headers = {"authorization": f"Bearer {KEY}"}
    texts: list[str] = []
    calls: dict[int, dict[str, str]] = {}
    whole = False
    url = f"{endpoint}/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=30) as response:
        if response.status_code != 200:
            raise failed(response.status_code, response.headers, response.read().decode())
        for data in events(response):
            if "error" in data:
                raise Failed("an error inside the stream", again=True)
            for choice in data.get("choices") or []:
                delta = choice.get("delta") or {}
                texts.append(delta.get("content") or "")
                whole = whole or bool(choice.get("finish_reason"))
                for piece in delta.get("tool_calls") or []:
                    call = calls.setdefault(
                        piece.get("index", len(calls)), {"id": "", "name": "", "arguments": ""}
                    )
                    call["id"] = call["id"] or piece.get("id") or ""
                    call["name"] += piece["function"].get("name") or ""
                    call["arguments"] += piece["function"].get("arguments") or ""
    if not whole:
        raise Failed("the stream ended early", again=True)
    text = "".join(texts)
    if not text and not calls:
        raise Failed("an empty answer", again=True)
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
        raise Failed("no answer", again=True)
    return json.loads(content.strip().removeprefix("```json").removesuffix("```"))


def main() -> None:
    messages: list[Any] = [PROMPT]
    _, calls = persist(lambda endpoint: stream(endpoint, messages))
    if not calls:
        raise Failed("the model called no tool", again=False)
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
