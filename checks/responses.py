"""Responses API: what clients of /responses read is there; asked with --uses responses."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from llmcompat import (
    Api,
    Profile,
    Reply,
    blocked,
    check,
    dig,
    fail,
    is_int,
    load_json,
    note,
    probe,
    show,
    unanswered,
)

from ._control import obeys, says_word
from ._responses import (
    ENDED,
    calls_of,
    closing,
    each_stream,
    events_of,
    find_calls,
    find_events,
    is_output,
    of_type,
    output_of,
    response_of,
    text_in,
    text_of,
    uncut,
)

PATH = "responses"
UNKNOWN_MODEL = "llmcompat-no-such-model"
ASK_WEATHER = "What is the weather in Paris? Use the tool."
RESULT = "23 degrees, sunny"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Name of the city"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather in a city.",
    "parameters": CITY,
    "strict": True,
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
REQUIRED = (
    "error",
    "incomplete_details",
    "instructions",
    "metadata",
    "parallel_tool_calls",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
)
"""Keys that OpenAI's document requires beside those that checks of their own ask for."""
MILLISECONDS = 100_000_000_000
"""Above it a time in seconds would lie beyond the year 5000."""
CHAT_INSTEAD = (
    "Call chat completions instead: client.chat.completions in the SDKs, openai.chat(model) in the AI SDK."
)


# --- what is asked


def _word(api: Api) -> str:
    return api.word("responses")


def _called(reply: Reply) -> bool:
    return bool(find_calls(reply))


@probe(owner="responses-accepted", grounds=["hello"])
async def response_plain(api: Api) -> Reply:
    """The plainest request: a model and a text."""
    word = _word(api)
    text = f"Remember the word {word}. Reply with exactly this word and nothing else: {word}"
    return await api.post(
        PATH,
        {"model": api.settings.model, "input": text},
        until=lambda reply: says_word(text_in(dig(reply.document, "output")), word),
    )


@probe(owner="responses-stream-accepted", grounds=["response_plain"])
async def response_stream(api: Api, response_plain: Reply) -> Reply:
    """A text of some length as a stream."""
    response_plain.require()
    text = "Count from 1 to 20, separated by commas."
    return await api.post(PATH, {"model": api.settings.model, "input": text, "stream": True})


@probe(owner="responses-tools-accepted", grounds=["response_plain"])
async def response_call(api: Api, response_plain: Reply) -> Reply:
    """A tool and a question that needs it."""
    response_plain.require()
    body = {"model": api.settings.model, "input": ASK_WEATHER, "tools": [WEATHER]}
    return await api.post(PATH, body, until=_called)


@probe(
    owner="responses-tools-stream-accepted", grounds=["response_plain", "response_stream", "response_call"]
)
async def response_call_stream(api: Api, response_plain: Reply) -> Reply:
    """The same question as a stream."""
    response_plain.require()
    body = {"model": api.settings.model, "input": ASK_WEATHER, "tools": [WEATHER], "stream": True}
    return await api.post(PATH, body, until=_called)


@probe(owner="responses-tool-result", grounds=["response_plain", "response_call"])
async def response_result(api: Api, response_call: Reply) -> Reply:
    """The turn after the call: the endpoint's own items as they came, and the call's result."""
    results = [
        {"type": "function_call_output", "call_id": _call_id(call), "output": RESULT}
        for call in calls_of(response_call)
    ]
    turns = [{"role": "user", "content": ASK_WEATHER}, *output_of(response_call), *results]
    return await api.post(PATH, {"model": api.settings.model, "input": turns, "tools": [WEATHER]})


def _call_id(call: dict[str, Any]) -> str:
    value = call.get("call_id")
    if not isinstance(value, str) or not value:
        blocked("responses-call-id")
    if not isinstance(call.get("arguments"), str):
        blocked("responses-call-arguments")
    return value


@probe(owner="responses-json-accepted", grounds=["response_plain"])
async def response_json(api: Api, response_plain: Reply) -> Reply:
    """An answer that must fit a strict schema."""
    response_plain.require()
    wanted = {"type": "json_schema", "name": "person", "strict": True, "schema": PERSON}
    text = "Extract the person as JSON: Alice is 30 years old."
    return await api.post(PATH, {"model": api.settings.model, "input": text, "text": {"format": wanted}})


@probe(owner="responses-previous", grounds=["response_plain"])
async def response_previous(api: Api, response_plain: Reply) -> Reply:
    """A second turn that names the first one by its id and does not repeat it."""
    before = response_of(response_plain).get("id")
    if not isinstance(before, str) or not before:
        blocked("responses-id")
    word = _word(api)
    text = "Which word did I ask you to remember? Reply with that word only."
    return await api.post(
        PATH,
        {"model": api.settings.model, "input": text, "previous_response_id": before},
        until=lambda reply: says_word(text_in(dig(reply.document, "output")), word),
    )


@probe(grounds=["response_plain"])
async def response_unknown_model(api: Api, response_plain: Reply) -> Reply:
    """A good request to a model that does not exist."""
    response_plain.require()
    return await api.post(PATH, {"model": UNKNOWN_MODEL, "input": "Say hi."}, refusal=True)


@probe(grounds=["response_plain"])
async def response_no_input(api: Api, response_plain: Reply) -> Reply:
    """A request without anything to answer."""
    response_plain.require()
    return await api.post(PATH, {"model": api.settings.model}, refusal=True)


def _accept(reply: Reply, case: str, *, expected: str = "200") -> None:
    """Fail with this case where the request was refused for what it is, else as `Reply.accepted` does."""
    own = reply.status is not None and 400 <= reply.status < 502 and reply.status not in (408, 429)
    reply.accepted(expected=expected, case=case if own else None)


# --- one answer


@check("responses-accepted", feature="responses", fix=CHAT_INSTEAD)
def responses_accepted(response_plain: Reply, profile: Profile) -> None:
    """The Responses API is there and takes a text.

    The AI SDK's OpenAI provider calls /responses unless told otherwise: without it the first request ends
    in 404.
    """
    if response_plain.refused:
        offer = profile.features.get("responses")
        if offer is not None and not offer.offered:
            sources = ", ".join(offer.sources) or "by its profile"
            note(f"{profile.display_name} offers no Responses API: {sources}")
        missing = response_plain.status in (404, 405, 501)
        response_plain.accepted(case="not-offered" if missing else None)
    response_plain.accepted()


@check("responses-object", feature="responses", fix=CHAT_INSTEAD)
def responses_object(response_plain: Reply) -> None:
    """An answer is a JSON object that says that it is a response.

    Clients read nothing else; typed ones refuse another kind of object.
    """
    response_plain.require()
    document = response_plain.document
    expected = '{"object": "response", …}'
    if not isinstance(document, dict):
        fail(response_plain.excerpt, expected=expected, case="not-json")
    kind = response_of(response_plain).get("object")
    if kind != "response":
        fail({"object": kind}, expected=expected, case="object")


@check("responses-id", feature="responses", fix="Keep the conversation yourself, and send it whole.")
def responses_id(response_plain: Reply, response_json: Reply) -> None:
    """Each response has an id of its own.

    The next turn names it in previous_response_id; logs and traces are joined by it.
    """
    ids = [response_of(reply).get("id") for reply in (response_plain, response_json) if reply.answered]
    if not ids:
        response_plain.require()
    for value in ids:
        if not isinstance(value, str) or not value:
            fail({"id": value}, expected="text that is not empty", case="missing")
    if len(set(ids)) < len(ids):
        fail({"ids": ids}, expected="another id for each response", case="repeated")


@check(
    "responses-created-at",
    feature="responses",
    fix="Take the time of the request instead.",
    chat="should",
    agent="should",
)
def responses_created_at(response_plain: Reply) -> None:
    """created_at is a time in seconds.

    Typed clients read a number; milliseconds lie thousands of years ahead.
    """
    value = response_of(response_plain).get("created_at")
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        fail({"created_at": value}, expected="seconds since 1970", case="not-a-number")
    if value > MILLISECONDS:
        fail({"created_at": value}, expected="seconds since 1970", case="milliseconds")


@check("responses-status", feature="responses", fix="Judge by the output alone whether an answer is whole.")
def responses_status(response_plain: Reply) -> None:
    """A whole answer has the status completed.

    Applications branch on it: it is what tells an answer from one that was cut, or that failed.
    """
    response = response_of(response_plain)
    uncut(response)
    if response.get("status") != "completed":
        case = "missing" if response.get("status") is None else "other"
        fail({"status": response.get("status")}, expected="completed", case=case)


@check("responses-output", feature="responses", fix=CHAT_INSTEAD)
def responses_output(response_plain: Reply) -> None:
    """The answer stands in a message among the output's items.

    output_text of the SDKs joins the output_text parts of the messages: of anything else it makes nothing.
    """
    response = response_of(response_plain)
    uncut(response)
    output = response.get("output")
    expected = 'output with {"type": "message", "content": [{"type": "output_text", "text": "…"}]}'
    if not is_output(output):
        fail({"output": output}, expected=expected, case="missing" if not output else "items")
    if not of_type(output, "message"):
        fail({"output": output}, expected=expected, case="no-message")
    if not text_in(output).strip():
        content = [message.get("content") for message in of_type(output, "message")]
        case = "empty" if all(isinstance(each, list) for each in content) else "content"
        fail({"content": content}, expected=expected, case=case)


@check("responses-message", feature="responses", fix=CHAT_INSTEAD)
def responses_message(response_plain: Reply) -> None:
    """A message has an id and is the assistant's.

    Strictly typed clients refuse the whole answer where one of them is missing.
    """
    for message in _messages(response_plain):
        if not isinstance(message.get("id"), str) or not message["id"]:
            fail(message, expected="id as text", case="id")
        if message.get("role") != "assistant":
            fail(message, expected='"role": "assistant"', case="role")


@check("responses-annotations", feature="responses", fix=CHAT_INSTEAD)
def responses_annotations(response_plain: Reply) -> None:
    """Each part of text has a list of annotations, which may be empty.

    Without it openai-python gives None, over which a loop over citations raises; strictly typed clients
    refuse the whole answer.
    """
    for message in _messages(response_plain):
        for part in of_type(message.get("content"), "output_text"):
            if not isinstance(part.get("annotations"), list):
                fail(part, expected='"annotations": []', case="missing")


def _messages(reply: Reply) -> list[dict[str, Any]]:
    text_of(reply)
    return of_type(output_of(reply), "message")


@check("responses-usage", feature="responses", fix="Count the tokens yourself, or read both pairs of names.")
def responses_usage(response_plain: Reply, response_stream: Reply) -> None:
    """Usage counts input_tokens, output_tokens and their total, plain and streamed.

    Those of chat completions have other names: metering that reads these finds nothing, and bills nothing.
    """
    found = [response_of(response_plain)]
    ended = [event.response for event in find_events(response_stream) if event.type == "response.completed"]
    found += [response for response in ended if response is not None]
    expected = "input_tokens, output_tokens and total_tokens as whole numbers"
    for response in found:
        usage = response.get("usage")
        if not isinstance(usage, dict):
            fail({"usage": usage}, expected=expected, case="missing")
        counts: list[Any] = [usage.get(name) for name in ("input_tokens", "output_tokens", "total_tokens")]
        if not all(is_int(count) for count in counts):
            case = "chat-names" if "prompt_tokens" in usage and "input_tokens" not in usage else "counters"
            fail({"usage": usage}, expected=expected, case=case)
        if counts[0] + counts[1] != counts[2]:
            fail({"usage": usage}, expected="total_tokens as the sum of the two", case="sum")


@check(
    "responses-fields",
    feature="responses",
    fix="Use a client that does not check the answer against the schema.",
    chat="should",
    agent="should",
    trial="should",
)
def responses_fields(response_plain: Reply) -> None:
    """The response carries every key that OpenAI's document requires.

    Most of them say null, or what was asked; strictly typed clients want them all the same.
    """
    response = response_of(response_plain)
    missing = [name for name in REQUIRED if name not in response]
    if missing:
        fail(f"absent: {', '.join(missing)}", expected=", ".join(REQUIRED), case="missing")
    if response["error"] is not None:
        fail({"error": response["error"]}, expected="null beside a whole answer", case="error")


@check(
    "responses-input-read",
    feature="responses",
    kind="behaviour",
    fix=CHAT_INSTEAD,
)
def responses_input_read(hello: Reply, response_plain: Reply) -> None:
    """The model answers what `input` says.

    Where a translation to chat loses the text, the model answers something else, and nothing raises.
    """
    text = text_of(response_plain)
    obeys(hello)
    word = _asked(response_plain)
    if not says_word(text, word):
        fail(text, expected=f"the word {word}", case="input-lost")


def _asked(reply: Reply) -> str:
    """The word that the request asked for: its last one."""
    return str(reply.sent.get("input", "")).rpartition(" ")[2]


# --- a stream


@check("responses-stream-accepted", feature="responses", fix="Ask without stream, or over chat completions.")
def responses_stream_accepted(response_stream: Reply) -> None:
    """A streamed response is accepted.

    Chat windows and agents stream by default.
    """
    _accept(response_stream, "rejected")


@check("responses-stream-events", feature="responses", fix="Ask without stream, or over chat completions.")
def responses_stream_events(response_stream: Reply) -> None:
    """A stream is made of JSON events that say their type.

    Clients tell the events apart by `type`: chunks of a chat completion, or one document, give nothing.
    """
    response_stream.require()
    expected = 'events such as data: {"type": "response.created", …}'
    if not find_events(response_stream):
        chat = any("choices" in chunk.data for chunk in response_stream.all_chunks)
        fail(response_stream.excerpt, expected=expected, case="chat-chunks" if chat else "none")
    for block in response_stream.blocks:
        if block.data is None or block.data.strip() in ("", "[DONE]"):
            continue
        try:
            data = load_json(block.data)
        except ValueError:
            fail(block.data[:300], expected="JSON", case="not-json")
        if not isinstance(dig(data, "type"), str):
            fail(block.data[:300], expected=expected, case="type")


@check(
    "responses-stream-names",
    feature="responses",
    fix="Read the `type` in the data, and not the name on the event: line.",
    chat="should",
    agent="should",
)
def responses_stream_names(response_stream: Reply, response_call_stream: Reply) -> None:
    """Each event's name is its type.

    EventSource and the parsers that dispatch by name never deliver an event without one.
    """
    for _, events in each_stream(response_stream, response_call_stream):
        for event in events:
            if event.name != event.type:
                seen = f"event: {event.name}" if event.name else "no event: line"
                fail(seen, expected=f"event: {event.type}", case="differs" if event.name else "missing")


@check("responses-stream-begin", feature="responses", fix=CHAT_INSTEAD)
def responses_stream_begin(response_stream: Reply, response_call_stream: Reply) -> None:
    """A stream begins with response.created, which carries the response.

    The SDK's stream helper raises on any other first event.
    """
    for _, events in each_stream(response_stream, response_call_stream):
        first = events[0]
        if first.type != "response.created":
            fail(first.type, expected="response.created", case="created-missing")
        if first.response is None:
            fail(first.data, expected="response as an object", case="created-empty")


@check(
    "responses-stream-numbers",
    feature="responses",
    fix="Take the events in the order in which they come, and do not resume a stream by its numbers.",
    chat="should",
    agent="should",
)
def responses_stream_numbers(response_stream: Reply, response_call_stream: Reply) -> None:
    """Each event has a sequence_number.

    OpenAI's document requires it, and strictly typed clients with it; openai-python reads streams without.
    """
    for _, events in each_stream(response_stream, response_call_stream):
        for event in events:
            if not is_int(event.data.get("sequence_number")):
                fail(event.data, expected="sequence_number as a whole number", case="missing")


@check(
    "responses-stream-order",
    feature="responses",
    fix="Take the events in the order in which they come, and do not resume a stream by its numbers.",
    chat="should",
    agent="should",
)
def responses_stream_order(response_stream: Reply, response_call_stream: Reply) -> None:
    """sequence_number counts from 0 without a gap.

    Clients that go on with a broken stream ask for what comes after a number.
    """
    for _, events in each_stream(response_stream, response_call_stream):
        numbers = [event.data.get("sequence_number") for event in events]
        if not all(is_int(number) for number in numbers):
            blocked("responses-stream-numbers")
        for place, number in enumerate(numbers):
            if number != place:
                case = "start" if not place else "gap"
                fail(f"{number} at place {place}", expected=str(place), case=case)


@check("responses-stream-id", feature="responses", fix=CHAT_INSTEAD)
def responses_stream_id(response_stream: Reply, response_call_stream: Reply) -> None:
    """The response keeps its id through a stream.

    What was begun under one id is looked up under it. The stream helper of openai-python 3 raises where it
    changes.
    """
    for _, events in each_stream(response_stream, response_call_stream):
        ids = [event.response.get("id") for event in events if event.response is not None]
        if not ids:
            blocked("responses-stream-begin")
        for value in ids:
            if not isinstance(value, str) or not value:
                fail({"id": value}, expected="text that is not empty", case="missing")
        if len(set(ids)) > 1:
            fail({"ids": ids}, expected="one id", case="changes")


@check("responses-stream-items", feature="responses", fix=CHAT_INSTEAD)
def responses_stream_items(response_stream: Reply, response_call_stream: Reply) -> None:
    """Items and their parts are added before their pieces come.

    The SDK's stream helper puts each piece into the item at its output_index: without one it raises.
    """
    for _, events in each_stream(response_stream, response_call_stream):
        added: set[int] = set()
        parts: set[tuple[int, Any]] = set()
        for event in events:
            if event.place is None:
                continue
            if event.type == "response.output_item.added":
                if event.place in added:
                    fail(event.data, expected="an output_index of its own for each item", case="twice")
                added.add(event.place)
            elif event.place not in added:
                fail(event.data, expected="response.output_item.added before it", case="item-not-added")
            if event.type == "response.content_part.added":
                parts.add((event.place, event.data.get("content_index")))
            elif (
                event.type == "response.output_text.delta"
                and (event.place, event.data.get("content_index")) not in parts
            ):
                fail(event.data, expected="response.content_part.added before it", case="part-not-added")


@check("responses-stream-item-ids", feature="responses", fix=CHAT_INSTEAD)
def responses_stream_item_ids(response_stream: Reply, response_call_stream: Reply) -> None:
    """An item keeps its id through a stream.

    Clients join the pieces of a text by item_id: under a new id they begin a new text.
    """
    for _, events in each_stream(response_stream, response_call_stream):
        ids: dict[int, Any] = {}
        for event in events:
            if event.place is None:
                continue
            item = event.data.get("item")
            if event.type == "response.output_item.added" and isinstance(item, dict):
                ids[event.place] = item.get("id")
                if item.get("type") == "message" and not isinstance(item.get("id"), str):
                    fail(event.data, expected="id as text", case="missing")
                continue
            if event.place not in ids:
                blocked("responses-stream-items")
            value = item.get("id") if isinstance(item, dict) else event.data.get("item_id")
            if ids[event.place] is not None and value != ids[event.place]:
                fail(event.data, expected=f"the id {ids[event.place]}", case="changes")


@check("responses-stream-items-done", feature="responses", fix="Take the items from response.completed.")
def responses_stream_items_done(response_stream: Reply, response_call_stream: Reply) -> None:
    """Each item that was begun is ended by response.output_item.done.

    Agents run a tool, and windows close a text, when its item is done.
    """
    for _, events in each_stream(response_stream, response_call_stream):
        added = [event.place for event in events if event.type == "response.output_item.added"]
        if not added:
            blocked("responses-stream-items")
        done = [event.place for event in events if event.type == "response.output_item.done"]
        if not any(event.type in ENDED for event in events):
            blocked("responses-stream-complete")
        missing = [index for index in added if index not in done]
        if missing:
            seen = f"no response.output_item.done for output_index {missing[0]}"
            fail(seen, expected="one for each item", case="missing")


@check("responses-stream-text", feature="responses", fix="Take the text from response.completed.")
def responses_stream_text(response_stream: Reply) -> None:
    """The pieces of a text join to the text that ends it.

    Windows show the pieces, and what is stored is the whole: where they differ, the two tell other things.
    """
    events = events_of(response_stream)
    closing(events)
    pieces: dict[tuple[Any, Any], list[str]] = {}
    whole: dict[tuple[Any, Any], Any] = {}
    for event in events:
        key = (event.place, event.data.get("content_index"))
        if event.type == "response.output_text.delta":
            delta = event.data.get("delta")
            if not isinstance(delta, str):
                fail(event.data, expected="delta as text", case="delta-type")
            pieces.setdefault(key, []).append(delta)
        elif event.type == "response.output_text.done":
            whole[key] = event.data.get("text")
    if not pieces:
        fail("no response.output_text.delta", expected="the text in pieces", case="no-deltas")
    for key, found in pieces.items():
        if key not in whole:
            fail("no response.output_text.done", expected="the whole text behind its pieces", case="no-done")
        if "".join(found) != whole[key]:
            fail("".join(found), expected=show(whole[key]), case="differs")


@check(
    "responses-stream-complete",
    feature="responses",
    fix="Ask without stream: this stream does not say that it came to its end.",
)
def responses_stream_complete(response_stream: Reply, response_call_stream: Reply) -> None:
    """A stream ends in response.completed with the whole response.

    The SDK's stream helper raises without it; usage and the final output are read from it.
    """
    for reply, events in each_stream(response_stream, response_call_stream):
        expected = "response.completed as the last event"
        for event in events:
            if event.type in ("error", "response.failed"):
                fail(event.data, expected=expected, case="failed")
            if event.type == "response.incomplete":
                uncut({**(event.response or {}), "status": "incomplete"})
        last = events[-1]
        if last.type != "response.completed":
            there = any(event.type == "response.completed" for event in events)
            cut = f", then {reply.exchange.error}" if reply.exchange.error else ""
            fail(f"{last.type}{cut}", expected=expected, case="not-last" if there else "missing")
        if last.response is None or not is_output(last.response.get("output")):
            fail(last.data, expected="the response with its output", case="empty")
        if last.response.get("status") != "completed":
            fail({"status": last.response.get("status")}, expected="completed", case="status")


# --- tools


@check("responses-tools-accepted", feature="responses", fix=CHAT_INSTEAD)
def responses_tools_accepted(response_call: Reply) -> None:
    """A request with a tool is accepted.

    Tools are flat here (name beside type), unlike in chat completions; agents send them with every request.
    """
    _accept(response_call, "rejected")


@check("responses-tools-stream-accepted", feature="responses", fix="Ask without stream where tools are sent.")
def responses_tools_stream_accepted(response_call_stream: Reply) -> None:
    """A streamed request with a tool is accepted.

    Agents stream their turns, tools or not.
    """
    _accept(response_call_stream, "rejected")


@check("responses-tool-called", feature="responses", kind="behaviour", fix=CHAT_INSTEAD)
def responses_tool_called(hello: Reply, response_call: Reply, response_call_stream: Reply) -> None:
    """The model calls a tool that the question needs, plain and streamed.

    Where a translation to chat loses the tools, the agent talks instead of acting.
    """
    output = output_of(response_call)
    uncut(response_of(response_call))
    if not of_type(output, "function_call"):
        obeys(hello)
        fail(text_in(output) or output, expected="an item of type function_call", case="not-called")
    if response_call_stream.refused:
        return  # the check that owns this request says so
    if not find_calls(response_call_stream):
        ended = closing(events_of(response_call_stream)).response or {}
        if of_type(ended.get("output"), "function_call"):
            blocked("responses-stream-items-done")
        obeys(hello)
        seen = text_in(ended.get("output")) or ended.get("output")
        fail(seen, expected="an item of type function_call", case="not-called-streamed")


@check("responses-call-id", feature="responses", fix=CHAT_INSTEAD)
def responses_call_id(response_call: Reply) -> None:
    """Each call has a call_id of its own.

    The result is sent back under it; the item's own id does not do.
    """
    ids = [call.get("call_id") for call in calls_of(response_call)]
    for value in ids:
        if not isinstance(value, str) or not value:
            fail({"call_id": value}, expected="text that is not empty", case="missing")
    if len(set(ids)) < len(ids):
        fail({"call_ids": ids}, expected="another one for each call", case="repeated")


@check("responses-call-name", feature="responses", fix=CHAT_INSTEAD)
def responses_call_name(response_call: Reply) -> None:
    """Each call names the tool that was offered.

    The application looks its function up by this name.
    """
    for call in calls_of(response_call):
        if call.get("name") != "get_weather":
            fail({"name": call.get("name")}, expected="get_weather", case="other")


@check("responses-call-arguments", feature="responses", fix="Mend the arguments before you use them.")
def responses_call_arguments(response_call: Reply) -> None:
    """Arguments are a string of JSON that fits the strict schema.

    The SDKs and agents parse this string; with strict the schema is promised to hold.
    """
    for call in calls_of(response_call):
        arguments = call.get("arguments")
        if not isinstance(arguments, str):
            fail({"arguments": arguments}, expected="a string of JSON", case="not-a-string")
        try:
            value = load_json(arguments)
        except ValueError:
            fail(arguments, expected="JSON", case="not-json")
        problem = next(Draft202012Validator(CITY).iter_errors(value), None)
        if problem is not None:
            fail(f"{arguments}: {problem.message}", expected=show(CITY), case="misfit")


@check("responses-call-stream", feature="responses", fix="Take the arguments from response.completed.")
def responses_call_stream(response_call_stream: Reply) -> None:
    """Streamed arguments join to those that end the call.

    Clients that show or run a call early join the pieces; the others read the end.
    """
    events = events_of(response_call_stream)
    closing(events)
    if not find_calls(response_call_stream):
        blocked("responses-tool-called")
    pieces: dict[int | None, list[str]] = {}
    whole: dict[int | None, Any] = {}
    for event in events:
        if event.type == "response.function_call_arguments.delta":
            delta = event.data.get("delta")
            if not isinstance(delta, str):
                fail(event.data, expected="delta as text", case="delta-type")
            pieces.setdefault(event.place, []).append(delta)
        elif event.type == "response.function_call_arguments.done":
            whole[event.place] = event.data.get("arguments")
            if "name" not in event.data:
                note("response.function_call_arguments.done has no name, which OpenAI's document requires.")
    for event in events:
        item = event.data.get("item")
        if event.type != "response.output_item.done" or dig(item, "type") != "function_call":
            continue
        arguments = dig(item, "arguments")
        if event.place not in pieces:
            fail("no response.function_call_arguments.delta", expected=show(arguments), case="no-deltas")
        if event.place not in whole:
            fail("no response.function_call_arguments.done", expected=show(arguments), case="no-done")
        for value in ("".join(pieces[event.place]), whole[event.place]):
            if value != arguments:
                fail(value, expected=show(arguments), case="differs")


@check(
    "responses-tool-result",
    feature="responses",
    fix="Keep the conversation over chat completions, whose tool messages have another shape.",
)
def responses_tool_result(response_result: Reply) -> None:
    """The endpoint takes its own items back, with the result of the call.

    It is the second turn of every agent: input += response.output, and a function_call_output.
    """
    _accept(response_result, "rejected")


@check("responses-tool-result-read", feature="responses", kind="behaviour", fix=CHAT_INSTEAD)
def responses_tool_result_read(hello: Reply, response_result: Reply) -> None:
    """The answer tells what the tool said.

    Where the result is lost on its way to the model, the agent answers by guessing.
    """
    if of_type(output_of(response_result), "function_call") and not text_in(output_of(response_result)):
        unanswered("the model called the tool once more")
    text = text_of(response_result)
    obeys(hello)
    if "23" not in text:
        fail(text, expected="the 23 degrees of the tool's result", case="result-lost")


# --- structured output


@check(
    "responses-json-accepted",
    feature="responses",
    fix="Ask for JSON over chat completions, or in the prompt, and check what comes.",
)
def responses_json_accepted(response_json: Reply) -> None:
    """A strict schema in text.format is accepted.

    It is how responses.parse() of the SDK asks for structured output.
    """
    _accept(response_json, "rejected")


@check(
    "responses-json-schema",
    feature="responses",
    fix="Ask for JSON over chat completions, and check the answer against your schema.",
)
def responses_json_schema(response_json: Reply) -> None:
    """With a strict schema the text is one JSON value that fits it.

    responses.parse() raises on anything else; a fence or a word around it is enough.
    """
    text = text_of(response_json)
    try:
        value = load_json(text)
    except ValueError:
        case = "fenced" if text.strip().startswith("```") else "not-json"
        fail(text, expected=show(PERSON), case=case)
    problem = next(Draft202012Validator(PERSON).iter_errors(value), None)
    if problem is not None:
        fail(f"{text}: {problem.message}", expected=show(PERSON), case="misfit")


# --- stored conversations


@check(
    "responses-previous",
    feature="responses",
    kind="behaviour",
    fix="Send the whole conversation with every request, with store: false.",
    chat="should",
    agent="should",
)
def responses_previous(hello: Reply, response_plain: Reply, response_previous: Reply) -> None:
    """previous_response_id goes on with a conversation, or is refused.

    Some endpoints are stateless: one that ignores the id answers as if nothing had been said before.
    """
    _accept(response_previous, "rejected")
    text = text_of(response_previous)
    obeys(hello)
    word = _asked(response_plain)
    if not says_word(text_of(response_plain), word):
        blocked("responses-input-read")
    if not says_word(text, word):
        fail(text, expected=f"the word {word} of the turn before", case="ignored")


# --- refusals


@check(
    "responses-unknown-model",
    feature="responses",
    fix="Check the model id against /models when the application starts.",
    chat="should",
)
def responses_unknown_model(response_unknown_model: Reply) -> None:
    """An unknown model is refused with 404 and an error object.

    The SDKs make NotFoundError of 404 alone; fallback to another model depends on it.
    """
    _judge_refusal(response_unknown_model, 404)


@check(
    "responses-missing-input",
    feature="responses",
    fix="Check that there is something to answer before the request is sent.",
    chat="should",
    agent="should",
)
def responses_missing_input(response_no_input: Reply) -> None:
    """A request without input is refused with 400 and an error object.

    Status 5xx is tried again by the SDKs, and an answer to nothing costs money.
    """
    _judge_refusal(response_no_input, 400)


def _judge_refusal(reply: Reply, wanted: int) -> None:
    for ground in reply.grounds:
        ground.require()
    expected = f"{wanted} with an error object"
    if reply.answered:
        if dig(reply.document, "error"):
            blocked("error-status")
        fail(reply.excerpt, expected=expected, case="accepted")
    if reply.status == 429:
        unanswered("throttled for good: every try was answered 429")
    if reply.status != wanted:
        fail(reply.excerpt, expected=expected, case=f"status-{reply.status or 'none'}")
    _ = reply.error
