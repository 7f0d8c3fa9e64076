"""A small web server that answers with what the openai client brings, as it is: no setting is changed."""

import json
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai

MODEL = "some-model"
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
client = openai.OpenAI()


def said(content: str) -> Any:
    return [{"role": "user", "content": content}]


def plain() -> str:
    answer = client.chat.completions.create(model=MODEL, messages=said("Say hello in one word."))
    return str(answer.choices[0].message.content)


def streamed() -> str:
    texts = []
    question = said("How do I plan a day? Answer in two sentences.")
    for chunk in client.chat.completions.create(model=MODEL, messages=question, stream=True):
        if chunk.choices:
            texts.append(chunk.choices[0].delta.content or "")
    return "".join(texts)


def called() -> str:
    calls: dict[int, list[str]] = {}
    question = said("What is the weather in Paris?")
    for chunk in client.chat.completions.create(model=MODEL, messages=question, tools=[TOOL], stream=True):
        for piece in chunk.choices[0].delta.tool_calls or [] if chunk.choices else []:
            call = calls.setdefault(piece.index, ["", ""])
            function = piece.function
            call[0] += (function and function.name) or ""
            call[1] += (function and function.arguments) or ""
    return str(list(calls.values()))


def parsed() -> str:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=said('Answer in JSON with key "city" set to "Paris".'),
        response_format={"type": "json_object"},
    )
    return str(json.loads(answer.choices[0].message.content or ""))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            work = (plain, streamed, called, parsed) if self.path == "/work" else ()
            status, text = 200, "\n".join(each() for each in work)
        except Exception as error:
            traceback.print_exc()
            status, text = 500, type(error).__name__
        body = text.encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
