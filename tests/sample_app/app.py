"""A small application: it asks, streams, calls a tool and embeds, as its arguments say."""

import json
import os
import sys
from typing import Any

from openai import OpenAI

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def client() -> OpenAI:
    return OpenAI(api_key=os.environ.get("SHOP_KEY", "sk-sample-application-0000"), max_retries=0)


def ask(model: str) -> str:
    text = "I am Ann <ann@example.com>, +49 30 1234567. Hello."
    answer = client().chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content or ""


def stream(model: str) -> str:
    chunks = client().chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": "Tell me a story."}],
        stream=True,
        stream_options={"include_usage": True},
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def tools(model: str) -> str:
    messages: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
    first = client().chat.completions.create(
        model=model, messages=messages, tools=[WEATHER], tool_choice="required"
    )
    message = first.choices[0].message
    messages.append(message.model_dump(exclude_none=True))
    for call in message.tool_calls or ():
        assert call.type == "function"
        city = json.loads(call.function.arguments)["city"]
        messages.append({"role": "tool", "tool_call_id": call.id, "content": f"Sunny in {city}"})
    second = client().chat.completions.create(model=model, messages=messages, tools=[WEATHER])
    return second.choices[0].message.content or ""


def embed(_: str) -> str:
    return str(len(client().embeddings.create(model="demo-embed", input="words").data[0].embedding))


def speak(model: str) -> str:
    try:
        client().audio.speech.create(model=model, voice="alloy", input="Hello")
    except Exception as error:
        return type(error).__name__
    return "spoken"


STEPS = {"ask": ask, "stream": stream, "tools": tools, "embed": embed, "speak": speak}


def main() -> None:
    for name in sys.argv[1:]:
        print(f"{name}: {STEPS[name](os.environ.get('SHOP_MODEL', 'demo-chat'))}")


if __name__ == "__main__":
    main()
