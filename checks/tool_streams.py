"""Streamed tool calls: the pieces of a call join to the call that the plain answer holds."""

from __future__ import annotations

import json

from llmcompat import (
    MISSING,
    Api,
    Exchanges,
    Reply,
    blocked,
    called,
    check,
    dig,
    fail,
    judged,
    note,
    probe,
    tool,
)

from ._streams import sound
from ._tool_pieces import index_trouble, objects_in, shape_trouble, streamed_calls
from ._tools import (
    ASK_BOTH,
    ASK_WEATHER,
    STREAM_GROUND,
    WEATHER,
    accept,
    bad_json,
    encoded_twice,
    fail_uncalled,
    id_case,
    judge_finish,
    names_tool,
    no_call,
    offered,
    plain_id_case,
    plain_with_calls,
    stream_answers,
    takes_nothing,
)

EMOJI = "🎉🎂🚀🍕🌍🐙🎸🏆🔑💡🧭🪐🌈🦊🍀🎲🧩🛶🎈🏔" * 3
ASK_NOTE = f"Save this note with the tool save_note, exactly as it is: Party {EMOJI} at nine"
NOTE = tool(
    "save_note",
    "Save a note.",
    {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
)


# --- what is asked


@probe(
    owner="tools-stream-accepted",
    called="tool-called-streamed",
    grounds=["hello", "stream_text", "weather_call"],
    quick=True,
)
async def weather_call_stream(api: Api) -> Reply:
    """The same, streamed."""
    return await api.chat(ASK_WEATHER, tools=[WEATHER], stream=True, until=called("get_weather"))


@probe(
    owner="parallel-tool-calls-streamed",
    called="parallel-tool-calls-streamed",
    grounds=(*STREAM_GROUND, "parallel_calls"),
)
async def parallel_calls_stream(api: Api) -> Reply:
    """Two calls in one answer, streamed."""
    return await api.chat(ASK_BOTH, tools=[WEATHER], stream=True, until=called("get_weather", times=2))


@probe(owner="tools-stream-accepted", called="other-tools-called", grounds=STREAM_GROUND)
async def note_call_stream(api: Api) -> Reply:
    """An argument with characters beyond the basic plane, streamed."""
    return await api.chat(ASK_NOTE, tools=[NOTE], stream=True, until=called("save_note"))


# --- streams with tools are taken, and the model calls


@check(
    "tools-stream-accepted",
    feature="tools",
    fix='Send requests that carry tools with "stream": false.',
)
def tools_stream_accepted(weather_call_stream: Reply, exchanges: Exchanges) -> None:
    """Tools are accepted in streams.

    Agent frameworks stream by default; where tools and streams exclude each other, they fail on the first
    turn.
    """
    accept(weather_call_stream, "tools-with-stream-unsupported")
    for reply in exchanges.refusals:
        if reply.probe == "note_call_stream":
            accept(reply, "tools-with-stream-unsupported")


@check(
    "tool-called-streamed",
    feature="tools",
    kind="behaviour",
    fix='Send requests that carry tools with "stream": false.',
)
def tool_called_streamed(weather_call: Reply, weather_call_stream: Reply) -> None:
    """Tools are called in streams as they are without.

    Where the stream's parser misses calls, an agent that streams never acts, though the same prompt works
    in a test without.
    """
    weather_call_stream.require()
    if weather_call_stream.find_tool_calls():
        return
    case = no_call(weather_call_stream)
    if not weather_call.find_tool_calls():
        blocked("tool-called")
    fail_uncalled(
        weather_call_stream,
        "a call, as in the plain answer",
        "tool-calls-missing-when-streaming" if case is None else case,
    )


@check(
    "parallel-tool-calls-streamed",
    feature="parallel-tools",
    kind="behaviour",
    fix='Send requests that carry tools with "stream": false.',
)
def parallel_tool_calls_streamed(
    parallel_calls: Reply, parallel_calls_stream: Reply, weather_call_stream: Reply
) -> None:
    """As many calls come in a stream as without.

    A parser that keeps one of several streamed calls makes the agent act on half of what the model decided.
    """
    accept(parallel_calls_stream, "two-calls-refused")
    if index_trouble(parallel_calls_stream):
        blocked("tool-delta-index")
    streamed, plain = parallel_calls_stream.find_tool_calls(), parallel_calls.find_tool_calls()
    if len(plain) < 2:
        note("the plain answer holds one call only, so that this line shows little")
    if not streamed and not weather_call_stream.find_tool_calls():
        blocked("tool-called-streamed")
    if not streamed and len(plain) < 2:
        no_call(parallel_calls_stream)
        blocked("parallel-tool-calls")
    if len(streamed) < min(2, len(plain)):
        sound(parallel_calls_stream)
        no_call(parallel_calls_stream)
        fail(
            [call.raw for call in streamed],
            expected=f"{len(plain)} calls, as without stream",
            case="fewer-calls",
        )


@check(
    "tool-finish-reason-streamed",
    feature="tools",
    fix="Decide by the presence of tool call deltas, not by finish_reason.",
)
def tool_finish_reason_streamed(weather_call_stream: Reply, exchanges: Exchanges) -> None:
    """finish_reason of a stream is tool_calls where a tool was called.

    Loops that branch on finish_reason end with `stop` and never run the call.
    """
    replies = [reply for reply in stream_answers(weather_call_stream, exchanges) if not names_tool(reply)]
    judge_finish(replies, "tool-called-streamed", "stream-finish-reason-stop-with-tool-calls")


# --- the pieces of a call


@check(
    "tool-delta-shape",
    feature="tools",
    fix='Send requests that carry tools with "stream": false.',
)
def tool_delta_shape(weather_call_stream: Reply, exchanges: Exchanges) -> None:
    """tool_calls of a delta is a list of objects that hold a function.

    Typed SDKs fail to parse anything else, and the stream ends in an exception.
    """
    weather_call_stream.require()
    found = [
        reply
        for reply in exchanges.readable_streams
        if reply.find_tool_calls() or (offered(reply) and shape_trouble(reply))
    ]
    if not found:
        sound(weather_call_stream)
    for reply in judged(found, nothing="tool-called-streamed"):
        trouble = shape_trouble(reply)
        if trouble:
            fail(trouble[1], expected="a list of objects with a function", case=trouble[0])


@check(
    "tool-delta-index",
    feature="tools",
    fix='Give pieces an index of your own, a new one for each new id, or send "stream": false.',
)
def tool_delta_index(weather_call_stream: Reply, exchanges: Exchanges) -> None:
    """Every piece of a streamed call has its call's index, from 0.

    SDKs put the pieces together by index: without it they raise, and with one index for all they glue calls
    into one.
    """
    for reply in stream_answers(weather_call_stream, exchanges):
        case = index_trouble(reply)
        if case:
            pieces = [dict(piece) for call in streamed_calls(reply) for piece in call.pieces[:1]]
            fail(pieces, expected="integers 0, 1, 2 …, one for each call, on every piece", case=case)


@check(
    "tool-delta-id",
    feature="tools",
    fix='Keep the first id of each call, make one up where none comes, or send "stream": false.',
)
def tool_delta_id(weather_call_stream: Reply, exchanges: Exchanges) -> None:
    """The first piece of a streamed call carries its id, and the id stays.

    AI SDK ends the turn without it, LiteLLM drops the call, and a changing id makes two calls of one.
    """
    for reply in stream_answers(weather_call_stream, exchanges):
        for call in streamed_calls(reply):
            value = call.pieces[0].get("id", MISSING)
            case = id_case(value)
            if case and case == plain_id_case(exchanges):
                blocked("tool-call-id")
            if case:
                case = "tool-delta-id-missing" if case == "missing" else case
                fail(dict(call.pieces[0]), expected="a string that is not empty", case=case)
            ids = {id_ for id_ in call.values("id") if id_}
            if len(ids) > 1:
                fail(sorted(map(str, ids)), expected="one id for each call", case="tool-delta-id-changes")


@check(
    "tool-delta-type",
    feature="tools",
    fix='Set type to "function" on first pieces and drop it from later ones, or send "stream": false.',
)
def tool_delta_type(weather_call_stream: Reply, exchanges: Exchanges) -> None:
    """The first piece of a streamed call says type: function, and later ones do not say null.

    The stream helpers of the official SDKs raise on either.
    """
    for reply in stream_answers(weather_call_stream, exchanges):
        for call in streamed_calls(reply):
            first = call.pieces[0].get("type", MISSING)
            if first != "function":
                case = "missing" if first is MISSING or first is None else "other"
                fail(dict(call.pieces[0]), expected='"function"', case=case)
            for piece in call.pieces[1:]:
                if piece.get("type", "function") is None:
                    fail(dict(piece), expected="no type, or function", case="null-on-continuation")


@check(
    "tool-delta-name",
    feature="tools",
    fix='Send requests that carry tools with "stream": false.',
)
def tool_delta_name(weather_call_stream: Reply, exchanges: Exchanges) -> None:
    """A streamed call names a tool that was offered.

    Without its name a call cannot be run; a name in pieces is cut by clients that take the first one only.
    """
    for reply in stream_answers(weather_call_stream, exchanges):
        for call in streamed_calls(reply):
            if not call.name:
                values = call.values("name")
                fail(dict(call.pieces[0]), expected="a name", case="empty" if "" in values else "missing")
            if call.name not in offered(reply):
                fail(call.name, expected=f"one of {', '.join(offered(reply))}", case="unknown-name")


@check(
    "tool-delta-repeats",
    feature="tools",
    chat="should",
    agent="should",
    fix="Take id and name from a call's first piece only; openai-python's stream helper adds repeated "
    "ones together.",
)
def tool_delta_repeats(weather_call_stream: Reply, exchanges: Exchanges) -> None:
    """Id and name come once in a streamed call.

    Accumulators that join strings make call_1call_1call_1 of a repeated id; those that overwrite lose a name
    to an empty one.
    """
    for reply in stream_answers(weather_call_stream, exchanges):
        for call in streamed_calls(reply):
            ids, names = ([value for value in call.values(name) if value] for name in ("id", "name"))
            if len(ids) > 1 and len(set(map(str, ids))) > 1:
                continue  # tool-delta-id says so
            if len(ids) > 1 or len(names) > 1:
                fail(
                    dict(call.pieces[1]),
                    expected="id and name on the first piece only",
                    case="tool-delta-id-name-repeated",
                )
            empty = [piece for piece in call.pieces[1:] if dig(piece, "function.name") == ""]
            if empty:
                case = "tool-delta-empty-name-on-continuation"
                fail(dict(empty[0]), expected="id and name on the first piece only", case=case)


@check(
    "tool-delta-arguments",
    feature="tools",
    fix='Send requests that carry tools with "stream": false.',
)
def tool_delta_arguments(weather_call_stream: Reply, exchanges: Exchanges) -> None:
    """Pieces of arguments are strings.

    Clients join them: an object raises in typed SDKs and becomes nonsense in others.
    """
    for reply in stream_answers(weather_call_stream, exchanges):
        for call in streamed_calls(reply):
            for value in call.values("arguments"):
                if value is None or isinstance(value, str):
                    continue
                plain = [c.arguments for each in plain_with_calls(exchanges) for c in each.find_tool_calls()]
                if any(isinstance(arguments, dict) for arguments in plain):
                    blocked("tool-arguments-string")
                case = "tool-arguments-object" if isinstance(value, dict) else "not-a-string"
                fail(value, expected="a string", case=case)


# --- what they join to


@check(
    "tool-stream-arguments",
    feature="tools",
    fix='Send requests that carry tools with "stream": false; on a server of your own update it or '
    "change its tool parser.",
)
def tool_stream_arguments(weather_call_stream: Reply, exchanges: Exchanges) -> None:
    """The pieces of streamed arguments join to one JSON object.

    Parsers of tool markup send objects twice, lose a brace or lose everything; the plain answer is right,
    so it looks like chance.
    """
    replies = [reply for reply in stream_answers(weather_call_stream, exchanges) if not index_trouble(reply)]
    for reply in judged(replies, nothing="tool-delta-index"):
        for call in streamed_calls(reply):
            text = call.arguments
            if any(not isinstance(value, (str, type(None))) for value in call.values("arguments")):
                blocked("tool-delta-arguments")
            if objects_in(text) == 1 or (not text.strip() and takes_nothing(reply, call.name)):
                continue
            if objects_in(text) > 1 or text.startswith("{{"):
                fail(text, expected="one JSON object", case="tool-stream-arguments-duplicated")
            plain = plain_with_calls(exchanges)
            if any(True for each in plain for _ in bad_json(each)):
                blocked("tool-arguments-json")
            if encoded_twice(text) and any(
                encoded_twice(c.arguments) for each in plain for c in each.find_tool_calls()
            ):
                blocked("tool-arguments-encoded-once")
            if encoded_twice(text):
                fail(text, expected="JSON encoded once", case="tool-arguments-double-encoded")
            lost = not text.strip() or any(objects_in(text + end) == 1 for end in ("}", '"}', "}}", "]}"))
            case = "tool-stream-arguments-missing" if lost else "tool-arguments-invalid-json"
            fail(text, expected="one JSON object", case=case)


@check(
    "tool-stream-agrees",
    feature="tools",
    kind="behaviour",
    fix='Send requests that carry tools with "stream": false.',
)
def tool_stream_agrees(weather_call: Reply, weather_call_stream: Reply) -> None:
    """A streamed call says what the plain one says.

    An agent that streams otherwise runs its tools with arguments that nobody sees in a test without.
    """
    plain, streamed = weather_call.tool_calls[0], weather_call_stream.tool_calls[0]
    if index_trouble(weather_call_stream):
        blocked("tool-delta-index")
    if not isinstance(streamed.arguments, str) or objects_in(streamed.arguments) != 1:
        blocked("tool-stream-arguments")
    before, after = plain.parsed(), json.loads(streamed.arguments)
    if not isinstance(before, dict):
        blocked("tool-arguments-encoded-once")
    if before.get("city") and not after.get("city"):
        fail(streamed.arguments, expected=plain.arguments, case="tool-stream-arguments-missing")
    if before != after:
        note(f"the arguments differ: {plain.arguments} without stream, {streamed.arguments} with")


@check(
    "tool-stream-characters",
    feature="tools",
    fix='Send requests that carry tools with "stream": false where arguments hold emoji or other rare '
    "characters.",
)
def tool_stream_characters(note_call_stream: Reply, exchanges: Exchanges) -> None:
    """Characters in streamed arguments are whole.

    Half of an emoji in each of two pieces raises in clients that encode what they get, or becomes a
    question mark.
    """
    for reply in stream_answers(note_call_stream, exchanges):
        for call in streamed_calls(reply):
            if any("\ud800" <= letter <= "\udfff" for letter in call.arguments):
                fail(ascii(call.arguments)[:400], expected="whole characters", case="stream-lone-surrogate")
            if "\ufffd" in call.arguments:
                fail(call.arguments, expected="no replacement character", case="replacement-character")
    for call in streamed_calls(note_call_stream):
        pieces = [value for value in call.values("arguments") if value]
        if len(pieces) == 1 and len(call.arguments) > 100:
            note("the whole arguments came in one piece: a view of their progress stands still till the end")
