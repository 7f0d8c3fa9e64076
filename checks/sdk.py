"""OpenAI SDK: the official Python client works against the endpoint; asked with --only sdk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from llmcompat import (
    INVALID_KEY,
    Api,
    Replies,
    Reply,
    Settings,
    check,
    dig,
    fail,
    note,
    probe,
    sdk_model,
    sdk_outcome,
    sdk_request,
    sdk_version,
    skip,
    unanswered,
)

CAP = 1024
UNKNOWN_MODEL = "llmcompat-no-such-model"
COUNT = "Count from 1 to 20, separated by commas."
PERSON = "Extract the person as JSON: Alice is 30 years old."
ASK_WEATHER = "What is the weather in Paris? Use the tool."
TEXTS = ["hello world", "a recipe for lentil soup with lemon"]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city.",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Name of the city"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
"""Strict, because the client's helpers take no other tool."""

OTHER_CHECKS = "The checks of the other items name the deviation behind it: run them, and do as they say."


# --- the uses: what an application's own code does with the client, each with one request


Use = Callable[[Any, str, Mapping[str, Any]], Any]
"""What an application does: with a client, a model, and fields that go beside what it says itself."""


def _ask(text: str, model: str, extra: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": text}]
    return {"model": model, "messages": messages, "extra_body": dict(extra), **more}


def _chat(client: Any, model: str, extra: Mapping[str, Any]) -> str | None:
    answer = client.chat.completions.create(**_ask(COUNT, model, extra))
    return _text(answer.choices[0].message.content)


def _stream(client: Any, model: str, extra: Mapping[str, Any]) -> str:
    pieces = []
    with client.chat.completions.create(**_ask(COUNT, model, extra, stream=True)) as chunks:
        for chunk in chunks:
            if chunk.choices:
                pieces.append(chunk.choices[0].delta.content or "")
    return "".join(pieces)


def _stream_helper(client: Any, model: str, extra: Mapping[str, Any]) -> dict[str, Any]:
    pieces = []
    with client.chat.completions.stream(**_ask(COUNT, model, extra)) as events:
        for event in events:
            if event.type == "content.delta":
                pieces.append(event.delta)
        answer = events.get_final_completion()
    return {"pieces": "".join(pieces), "final": _text(answer.choices[0].message.content)}


def _parse(client: Any, model: str, extra: Mapping[str, Any]) -> dict[str, Any] | None:
    person = sdk_model("Person", name=str, age=int)
    answer = client.chat.completions.parse(**_ask(PERSON, model, extra, response_format=person))
    parsed = answer.choices[0].message.parsed
    return None if parsed is None else {"name": parsed.name, "age": parsed.age}


def _tools(client: Any, model: str, extra: Mapping[str, Any]) -> list[dict[str, Any]]:
    answer = client.chat.completions.create(**_ask(ASK_WEATHER, model, extra, tools=[WEATHER]))
    return _calls(answer.choices[0].message.tool_calls)


def _tools_stream(client: Any, model: str, extra: Mapping[str, Any]) -> list[dict[str, Any]]:
    with client.chat.completions.stream(**_ask(ASK_WEATHER, model, extra, tools=[WEATHER])) as events:
        answer = events.get_final_completion()
    return _calls(answer.choices[0].message.tool_calls)


def _embeddings(client: Any, model: str, extra: Mapping[str, Any]) -> list[int]:
    """The lengths of the vectors, once each number in them was added up."""
    answer = client.embeddings.create(model=model, input=TEXTS)
    return [len(entry.embedding) for entry in answer.data if sum(entry.embedding) is not None]


def _models(client: Any, model: str, extra: Mapping[str, Any]) -> list[str]:
    return [entry.id for entry in client.models.list()]


def _refused(client: Any, model: str, extra: Mapping[str, Any]) -> None:
    client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Say hi."}])


def _text(value: Any) -> str | None:
    """The text, which string methods must take."""
    return None if value is None else value.strip()


def _calls(calls: Iterable[Any] | None) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "name": call.function.name, "arguments": json.loads(call.function.arguments)}
        for call in calls or []
    ]


# --- what is asked


def _extra(api: Api) -> dict[str, Any]:
    """What the run's requests carry beside what the use says: the application's fields and the basics."""
    extra: dict[str, Any] = {**api.settings.body, **api.basics.extra}
    if api.basics.temperature is not None:
        extra.setdefault("temperature", api.basics.temperature)
    if api.basics.token_limit is not None:
        extra[api.basics.token_limit] = CAP
    return extra


async def _send(
    api: Api,
    use: Use,
    model: str,
    extra: Mapping[str, Any] | None = None,
    *,
    part: str | None = None,
    key: str | None = None,
) -> Reply:
    """Send what the client would; in a thread, as its import is slow and streams are timed meanwhile."""
    request = await asyncio.to_thread(sdk_request, lambda client: use(client, model, extra or {}), key=key)
    return await api.send(request, part=part)


@probe(owner="sdk-chat", grounds=["hello"])
async def sdk_chat(api: Api) -> Reply:
    """chat.completions.create()."""
    return await _send(api, _chat, api.settings.model, _extra(api))


@probe(owner="sdk-stream", grounds=["hello"])
async def sdk_stream(api: Api) -> Reply:
    """chat.completions.create(stream=True)."""
    return await _send(api, _stream, api.settings.model, _extra(api))


@probe(owner="sdk-stream-helper", grounds=["hello"])
async def sdk_stream_helper(api: Api) -> Reply:
    """chat.completions.stream()."""
    return await _send(api, _stream_helper, api.settings.model, _extra(api))


@probe(owner="sdk-parse", grounds=["hello"])
async def sdk_parse(api: Api) -> Reply:
    """chat.completions.parse() with a pydantic model."""
    return await _send(api, _parse, api.settings.model, _extra(api))


@probe(owner="sdk-tools", grounds=["hello"])
async def sdk_tools(api: Api) -> Reply:
    """chat.completions.create() with a tool."""
    return await _send(api, _tools, api.settings.model, _extra(api))


@probe(owner="sdk-tools-stream", grounds=["hello"])
async def sdk_tools_stream(api: Api) -> Reply:
    """chat.completions.stream() with a tool."""
    return await _send(api, _tools_stream, api.settings.model, _extra(api))


@probe(owner="sdk-embeddings", grounds=["hello"])
async def sdk_embeddings(api: Api) -> Reply:
    """embeddings.create(), which asks for base64 by default."""
    model = api.settings.embedding_model or api.settings.model
    return await _send(api, _embeddings, model)


@probe(owner="sdk-models", grounds=["models_list"])
async def sdk_models(api: Api) -> Reply:
    """models.list()."""
    return await _send(api, _models, "")


@probe(grounds=["hello"])
async def sdk_errors(api: Api) -> Replies:
    """A key that is none, and a model that does not exist."""
    return await api.gather(
        key=_send(api, _refused, api.settings.model, part="key", key=INVALID_KEY),
        model=_send(api, _refused, UNKNOWN_MODEL, part="model"),
    )


# --- what the client made of it


def _result(use: Use, reply: Reply, settings: Settings) -> Any:
    """What a use gives back; a failure where the client raises."""
    if reply.status in (401, 402, 429) or reply.exchange.ended == "bounded":
        reply.require()
    for ground in reply.grounds:
        if reply.refused:
            ground.require()
    outcome = sdk_outcome(lambda client: use(client, settings.model, {}), reply)
    note(f"judged with openai {sdk_version()}")
    if outcome.raised:
        reply.uncapped()
        fail(f"{outcome.raised}: {outcome.message}", expected="no exception", case=outcome.case)
    return outcome.value


def _text_or_fail(text: object, reply: Reply) -> None:
    if not text:
        reply.uncapped()
        fail({"content": text}, expected="the text that was asked for", case="no-text")


def _calls_or_fail(calls: list[dict[str, Any]], reply: Reply) -> None:
    if not calls:
        reply.uncapped()
        if reply.find_tool_calls():
            fail(calls, expected="the call that is in the answer", case="calls-lost")
        unanswered("the model called no tool")
    for call in calls:
        if not call["id"] or call["name"] != "get_weather" or not dig(call["arguments"], "city"):
            fail(call, expected="get_weather with a city, and an id", case="call-differs")


@check("sdk-chat", fix=OTHER_CHECKS, trial="must")
def sdk_chat_works(sdk_chat: Reply, settings: Settings) -> None:
    """chat.completions.create() gives the text.

    It is the call that nearly every Python application makes.
    """
    _text_or_fail(_result(_chat, sdk_chat, settings), sdk_chat)


@check("sdk-stream", feature="streaming", fix=OTHER_CHECKS, trial="must")
def sdk_stream_works(sdk_stream: Reply, settings: Settings) -> None:
    """create(stream=True) gives the text in pieces.

    The loop over chunks is in every chat window.
    """
    _text_or_fail(_result(_stream, sdk_stream, settings), sdk_stream)


@check("sdk-stream-helper", feature="streaming", fix="Use create(stream=True), which is more lenient.")
def sdk_stream_helper_works(sdk_stream_helper: Reply, settings: Settings) -> None:
    """The helper stream() gives the text in pieces and as a whole.

    It puts the chunks together itself, and is strict about their fields.
    """
    found = _result(_stream_helper, sdk_stream_helper, settings)
    _text_or_fail(found["final"], sdk_stream_helper)
    if found["pieces"].strip() != found["final"]:
        fail(found, expected="pieces that join to the whole", case="differs")


@check("sdk-parse", feature="json-schema", fix="Ask with create(), and validate the text with your model.")
def sdk_parse_works(sdk_parse: Reply, settings: Settings) -> None:
    """parse() gives an object of a pydantic model.

    The client sends the model's schema as strict, and raises where the text does not fit it.
    """
    found = _result(_parse, sdk_parse, settings)
    if found is None:
        sdk_parse.uncapped()
        fail({"parsed": None}, expected="an object with name and age", case="not-parsed")


@check("sdk-tools", feature="tools", fix=OTHER_CHECKS)
def sdk_tools_work(sdk_tools: Reply, settings: Settings) -> None:
    """create() with a tool gives the call with its arguments.

    The application reads message.tool_calls and parses the arguments.
    """
    _calls_or_fail(_result(_tools, sdk_tools, settings), sdk_tools)


@check("sdk-tools-stream", feature="tools", fix="Ask without stream where tools are sent.")
def sdk_tools_stream_work(sdk_tools_stream: Reply, settings: Settings) -> None:
    """The helper stream() with a tool gives the call with its arguments.

    It joins the pieces of a call by their index: a wrong one raises, or mixes two calls up.
    """
    _calls_or_fail(_result(_tools_stream, sdk_tools_stream, settings), sdk_tools_stream)


@check("sdk-embeddings", feature="embeddings", fix='Send encoding_format="float", or embed elsewhere.')
def sdk_embeddings_work(sdk_embeddings: Reply, settings: Settings) -> None:
    """embeddings.create() gives a vector for each text.

    The client asks for base64 unless told otherwise, and decodes it.
    """
    if settings.embedding_model is None and sdk_embeddings.refused:
        skip("no embedding model is known: name one with --embedding-model")
    lengths = _result(_embeddings, sdk_embeddings, settings)
    if len(lengths) != len(TEXTS) or len(set(lengths)) != 1 or not lengths[0]:
        fail({"lengths": lengths}, expected=f"{len(TEXTS)} vectors of one length", case="vectors")


@check("sdk-models", fix="Name the model in the settings instead of listing models.", chat="should")
def sdk_models_work(sdk_models: Reply, settings: Settings) -> None:
    """models.list() gives the models.

    Set-up wizards and health checks call it first.
    """
    ids = _result(_models, sdk_models, settings)
    if not ids or not all(isinstance(id, str) and id for id in ids):
        fail({"ids": ids}, expected="ids as text", case="ids")


@check("sdk-errors", fix="Catch APIStatusError, and read its status and message.")
def sdk_errors_raised(sdk_errors: Replies, settings: Settings) -> None:
    """A wrong key raises AuthenticationError, an unknown model NotFoundError.

    Applications catch these classes; from no exception, or from another one, they make something else.
    """
    expected = {"key": "AuthenticationError", "model": "NotFoundError"}
    for part, wanted in expected.items():
        reply = sdk_errors[part]
        for ground in reply.grounds:
            ground.require()
        if part == "key" and reply.answered and not settings.has_key:
            note("Any key is accepted: this endpoint was asked without one, and asks for none.")
            continue
        if reply.status == 429:
            reply.require()
        outcome = sdk_outcome(lambda client: _refused(client, settings.model, {}), reply)
        note(f"judged with openai {sdk_version()}")
        if outcome.raised != wanted:
            seen = f"{outcome.raised}: {outcome.message}" if outcome.raised else "no exception"
            fail(seen, expected=wanted, case=f"{part}-{outcome.case or 'accepted'}")
