"""Second turns: what a tool gave goes back, and conversations with tool calls in them go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llmcompat import (
    BUNDLE,
    Api,
    Check,
    Exchanges,
    Replies,
    Reply,
    blocked,
    called,
    check,
    dig,
    fail,
    holds,
    note,
    probe,
    says,
)

from ._control import obeys, says_word
from ._tools import (
    ASK_WEATHER,
    WEATHER,
    accept,
    obedient,
    own_mode,
    results,
    standard_message,
    text_beside,
    tool_turn,
)

Message = dict[str, Any]

_STANDARD_CALL = {"id", "type", "function", "index"}
_SHORT_IDS = ("a1B2c3D4e", "f5G6h7J8k", "m9N1p2Q3r", "s4T5u6V7w")
"""Nine letters and digits: the one form of id that every endpoint takes."""
_OPENAI_IDS = (
    "call_Zk3vWq8RtYp1LmXc5NbHs2Ad",
    "call_Gd7uEo4SiFj9QaTw6VxKr1Ym",
    "call_Pn2hBc8LzDv5UeRk3WoJt7Qf",
    "call_Xs6yMa1GiNb4TpCw9ElVr2Hd",
)
"""Ids as OpenAI gives them, which a conversation that was begun there is full of."""
_SCHEMA_TEXT = json.dumps(
    {"tool": "get_weather", "schema": {"$ref": "#/$defs/Place", "$defs": {"Place": {"type": "string"}}}}
)
"""What a tool that describes other tools gives."""


def _report(word: str) -> str:
    return json.dumps({"city": "Paris", "temperature": "23.7 degrees", "sky": f"{word} haze"})


def _call(id: str, city: str = "Paris") -> Message:
    return {
        "id": id,
        "type": "function",
        "function": {"name": "get_weather", "arguments": json.dumps({"city": city})},
    }


def _assistant(*calls: Message, **content: Any) -> Message:
    return {"role": "assistant", **content, "tool_calls": list(calls)}


def _result(id: str, content: Any = "23 degrees, sunny", **more: Any) -> Message:
    return {"role": "tool", "tool_call_id": id, "content": content, **more}


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


_ASK = _user("What is the weather in Paris?")
_ASK_BOTH = _user("What is the weather in Paris and in London?")
_SAID: Message = {"role": "assistant", "content": "It is 23 degrees and sunny."}
_ENDING = _user("Thank you. Now just reply with the word ok.")
_LOOK = "Let me look."


def canned(ids: tuple[str, ...] = _SHORT_IDS) -> dict[str, list[Message]]:
    """Conversations with one thing to accept in each, by part."""
    one, two = ids[:2]
    say = {"content": _LOOK}
    return {
        "plain": [_ASK, _assistant(_call(one), **say), _result(one), _SAID, _ENDING],
        "openai-ids": [
            _ASK,
            _assistant(_call(_OPENAI_IDS[0]), **say),
            _result(_OPENAI_IDS[0]),
            _SAID,
            _ENDING,
        ],
        "null-content": [_ASK, _assistant(_call(one), content=None), _result(one), _SAID, _ENDING],
        "empty-content": [_ASK, _assistant(_call(one), content=""), _result(one), _SAID, _ENDING],
        "no-content": [_ASK, _assistant(_call(one)), _result(one), _SAID, _ENDING],
        "several-results": [
            _ASK_BOTH,
            _assistant(_call(one), _call(two, "London"), **say),
            _result(one),
            _result(two, "17 degrees, rain"),
            _SAID,
            _ENDING,
        ],
        "user-after-tool": [_ASK, _assistant(_call(one), **say), _result(one), _ENDING],
        "text-parts": [
            _ASK,
            _assistant(_call(one), **say),
            _result(one, [{"type": "text", "text": "23 degrees, sunny"}]),
            _SAID,
            _ENDING,
        ],
        "schema-in-result": [_ASK, _assistant(_call(one), **say), _result(one, _SCHEMA_TEXT), _SAID, _ENDING],
        "name-on-result": [
            _ASK,
            _assistant(_call(one), **say),
            _result(one, name="get_weather"),
            _SAID,
            _ENDING,
        ],
        "repeated-id": [
            _ASK,
            _assistant(_call(one), **say),
            _result(one),
            _SAID,
            _ASK,
            _assistant(_call(one), **say),
            _result(one),
            _SAID,
            _ENDING,
        ],
    }


def _canned_together() -> list[Message]:
    one, two, three, _ = _OPENAI_IDS
    return [
        _ASK_BOTH,
        _assistant(_call(one), _call(two, "London"), content=None),
        _result(one),
        _result(two, [{"type": "text", "text": "17 degrees, rain"}], name="get_weather"),
        _SAID,
        _ASK,
        _assistant(_call(three), content=""),
        _result(three, _SCHEMA_TEXT),
        _SAID,
        _ASK,
        _assistant(_call(one)),
        _result(one),
        _ENDING,
    ]


# --- what is asked


def _mentions_report(word: str) -> Any:
    def predicate(reply: Reply) -> bool:
        return holds(says(word), reply) or holds(says("23.7"), reply) or holds(says("23,7"), reply)

    return predicate


async def _send_back(api: Api, call: Reply, **mode: Any) -> dict[str, Reply]:
    """The second turn with standard fields.

    Where it is refused, the message goes back as it came, with other ids, and with text in place of null:
    what is accepted then says what is wrong.
    """
    word = api.word("tool-result")
    common: dict[str, Any] = {"tools": [WEATHER], **mode}
    messages = tool_turn(call, _report(word))
    parts = {BUNDLE: await api.chat(messages, part=BUNDLE, until=_mentions_report(word), **common)}
    if parts[BUNDLE].refused:
        source = obedient(call)
        own = [messages[0], dict(source.message), *messages[2:]]
        parts["verbatim"] = await api.chat(own, part="verbatim", **common)
        standard = standard_message(source)
        for item, id in zip(standard["tool_calls"], _SHORT_IDS, strict=False):
            item["id"] = id
        other = [messages[0], standard, *results(standard, _report(word))]
        parts["other-ids"] = await api.chat(other, part="other-ids", **common)
        if messages[1]["content"] is None:
            text = [messages[0], messages[1] | {"content": _LOOK}, *messages[2:]]
            parts["text-beside"] = await api.chat(text, part="text-beside", **common)
    return parts


@probe(owner="tool-result-accepted", grounds=["hello", "weather_call"], quick=True)
async def second_turn(api: Api, weather_call: Reply) -> Replies:
    """The endpoint's own call, reduced to standard fields, and the tool's result."""
    return Replies(await _send_back(api, weather_call), "second_turn", "tool-result-accepted")


@probe(owner="tool-loop-own-mode", grounds=["hello", "weather_call", "second_turn"])
async def own_mode_loop(api: Api) -> Replies:
    """Call and second turn with thinking as the application has it.

    Where nothing was switched, these are requests that were sent already.
    """
    mode = own_mode(api)
    parts = {
        "call": await api.chat(ASK_WEATHER, part="call", tools=[WEATHER], until=called("get_weather"), **mode)
    }
    if parts["call"].answered and obedient(parts["call"]).find_tool_calls():
        parts |= await _send_back(api, parts["call"], **mode)
    return Replies(parts, "own_mode_loop", "tool-loop-own-mode")


@probe(owner="tool-history-accepted", grounds=["hello", "weather_call", "second_turn"])
async def tool_history(api: Api) -> Replies:
    """Conversations that were held elsewhere, in one request; one by one where that is refused."""
    return await api.bundle(
        {"tools": [WEATHER]},
        {part: {"messages": messages} for part, messages in canned().items()},
        together={"messages": _canned_together()},
    )


@probe(owner="tool-history-without-tools", grounds=["hello", "weather_call", "second_turn"])
async def history_without_tools(api: Api) -> Reply:
    """A conversation with tool calls in it, and no tools."""
    return await api.chat(canned()["plain"])


# --- the endpoint's own calls go back


def _second_turn_case(turns: Replies) -> str:
    """Which deviation a refused second turn is, told from what was accepted and from the refusal's words."""
    refused = turns[BUNDLE]
    text = refused.error_text.casefold()
    if "verbatim" in turns and turns["verbatim"].answered:
        if "signature" in text:
            return "thought-signature-required"
        if "reasoning" in text or "thinking" in text:
            return "reasoning-content-echo-required"
        sent = dig(turns["verbatim"].sent, "messages.1")
        if isinstance(sent, dict) and any(sent.get(name) for name in ("reasoning_content", "reasoning")):
            return "reasoning-content-echo-required"
        return "thought-signature-required" if _extras(sent) else "extra-fields-required"
    if "text-beside" in turns and turns["text-beside"].answered:
        return "assistant-content-null-rejected"
    if "other-ids" in turns and turns["other-ids"].answered:
        return "server-rejects-own-tool-ids"
    if refused.status == 404 or (refused.status or 0) >= 500:
        return "server-rejects-own-tool-ids"
    return "tool-messages-unsupported"


def _extras(message: Any) -> list[str]:
    """Fields of the calls of a message that no reference knows."""
    calls = dig(message, "tool_calls")
    found = (
        [set(call) - _STANDARD_CALL for call in calls if isinstance(call, Mapping)]
        if isinstance(calls, list)
        else []
    )
    return sorted(set().union(*found)) if found else []


_AS_IT_CAME = " (accepted when the message goes back with every field that it came with)"


def _judge_second_turn(turns: Replies) -> None:
    echoed = "verbatim" in turns and turns["verbatim"].answered
    accept(
        turns[BUNDLE],
        _second_turn_case(turns) if turns[BUNDLE].refused else "refused",
        expected=f"200 for the call's standard fields and its result{_AS_IT_CAME if echoed else ''}",
    )


@check(
    "tool-result-accepted",
    feature="tools",
    fix="Send the assistant message back with every field that it came with "
    "(tool_calls[].extra_content, reasoning_content),"
    "or switch thinking off.",
)
def tool_result_accepted(weather_call: Reply, second_turn: Replies) -> None:
    """The endpoint takes its own call back with the tool's result.

    Frameworks rebuild the message from its standard fields; where more is asked for, or the endpoint does not
    know its own ids, every tool loop ends at the second request.
    """
    _judge_second_turn(second_turn)
    extras = _extras(dig(weather_call.document, "choices.0.message"))
    if extras:
        note(f"the calls carry {', '.join(extras)}, which were not needed")


@check(
    "tool-result-used",
    feature="tools",
    kind="behaviour",
    fix="Choose a model that is better at tools, or repeat the tool's result in a user message.",
)
def tool_result_used(hello: Reply, second_turn: Replies, exchanges: Exchanges) -> None:
    """The answer says what the tool gave.

    An endpoint that loses tool messages on the way to the model answers fluently, and wrongly.
    """
    reply = second_turn[BUNDLE]
    reply.require()
    if reply.find_tool_calls() and not text_beside(reply).strip():
        forced = [each for each in exchanges.plain if each.probe == "no_tool_needed"]
        if forced and all(each.find_tool_calls() for each in forced):
            blocked("tool-choice-auto")
        obeys(hello)
        fail(
            [call.raw for call in reply.find_tool_calls()], expected="an answer in words", case="called-again"
        )
    text = reply.text
    sent = dig(reply.sent, "messages.-1.content")
    sky = dig(json.loads(sent), "sky") if isinstance(sent, str) else ""
    if not (says_word(text, str(sky).partition(" ")[0]) or "23.7" in text or "23,7" in text):
        obeys(hello)
        fail(text, expected=f"what the tool gave: 23.7 degrees, {sky}", case="tool-result-ignored")


@check(
    "tool-loop-own-mode",
    feature="tools",
    fix="Send reasoning_content back in assistant messages with tool calls, or switch thinking off "
    "for tool loops.",
)
def tool_loop_own_mode(weather_call: Reply, own_mode_loop: Replies) -> None:
    """A tool loop works in the application's own thinking mode.

    The other lines on tools are asked with thinking switched off where that can be; thinking modes have
    rules of their own.
    """
    call = own_mode_loop["call"]
    accept(call, "tools-refused")
    if BUNDLE not in own_mode_loop:
        call.uncapped()
        if call.find_tool_calls():
            standard_message(obedient(call))  # ends where it cannot be sent back
        if not weather_call.find_tool_calls():
            blocked("tool-called")
        fail(text_beside(call), expected="a call of get_weather", case="no-call")
    _judge_second_turn(own_mode_loop)


# --- conversations from elsewhere


@check(
    "tool-history-accepted",
    feature="tools",
    fix="Write the tool calls of old conversations as text before sending them on.",
)
def tool_history_accepted(tool_history: Replies) -> None:
    """A conversation with tool calls from elsewhere is accepted.

    Migrated users have conversations that another provider's model began.
    """
    whole = tool_history[BUNDLE]
    if not whole.refused:
        whole.accepted()
        return
    accept_plain = tool_history["plain"]
    if accept_plain.refused:
        accept(accept_plain, "tool-messages-unsupported")
    if not any(reply.refused for part, reply in tool_history.items() if part != BUNDLE):
        accept(whole, "together")


def _history_check(
    part: str, id: str, case: str, title: str, why: str, fix: str, level: str = "must"
) -> Check:
    """A check of one part of the canned conversations."""

    def judge(tool_history: Replies) -> None:
        if tool_history[BUNDLE].refused and part != "plain" and tool_history["plain"].refused:
            blocked("tool-history-accepted")
        accept(tool_history.part(part), case)

    judge.__doc__ = f"{title}\n\n{why}"
    return check(id, feature="tools", fix=fix, chat=level, agent=level)(judge)


HISTORY_CHECKS = (
    _history_check(
        "openai-ids",
        "tool-history-ids",
        "tool-call-id-format-restricted",
        "Ids of calls may have OpenAI's form.",
        "Conversations that began at OpenAI, and frameworks that make up ids, hold call_ and 24 characters.",
        "Replace the ids in the history by ids of the form that the endpoint takes, the same in call "
        "and result.",
    ),
    _history_check(
        "null-content",
        "tool-history-null-content",
        "assistant-content-null-rejected",
        "content may be null beside tool calls.",
        "It is what OpenAI itself returns and what SDKs send back in the next turn.",
        'Send "" or a blank text as content beside tool calls.',
    ),
    _history_check(
        "empty-content",
        "tool-history-empty-content",
        "assistant-content-empty-string-rejected",
        "content may be an empty string beside tool calls.",
        "Several frameworks write an empty string where the model said nothing.",
        "Send null as content, or leave it out, beside tool calls.",
    ),
    _history_check(
        "no-content",
        "tool-history-no-content",
        "assistant-content-key-required",
        "content may be left out beside tool calls.",
        "The reference asks for content only where there are no tool calls, and clients drop empty fields.",
        "Send content: null beside tool calls.",
    ),
    _history_check(
        "several-results",
        "tool-history-several-results",
        "several-results-rejected",
        "Several results may follow one message.",
        "An agent that runs parallel calls sends all results at once.",
        "Send parallel_tool_calls: false, so that one result is sent at a time.",
    ),
    _history_check(
        "user-after-tool",
        "tool-history-user-after-tool",
        "user-after-tool-rejected",
        "A user message may follow a tool's result.",
        "A user who interrupts or steers an agent speaks right behind a tool's result.",
        "Put a short assistant message between a tool's result and the user's message.",
    ),
    _history_check(
        "text-parts",
        "tool-history-text-parts",
        "tool-content-parts-rejected",
        "A tool's result may be a list of text parts.",
        "Agents that keep all content as parts send results so.",
        "Join the text parts of tool messages to one string.",
    ),
    _history_check(
        "schema-in-result",
        "tool-history-schema-in-result",
        "tool-result-schema-ref-rejected",
        "A tool's result may hold any JSON.",
        "The result of a tool that describes tools holds a schema with $ref; an endpoint that reads "
        "it refuses the conversation.",
        "Wrap the result in text that is not JSON, or rename $ref and $defs in it.",
    ),
    _history_check(
        "name-on-result",
        "tool-history-name-on-result",
        "message-name-rejected",
        "A tool message may carry the tool's name.",
        "Older clients and several frameworks send name in tool messages.",
        "Drop name from tool messages.",
        "should",
    ),
    _history_check(
        "repeated-id",
        "tool-history-repeated-id",
        "tool-duplicate-ids-rejected",
        "An id may come again in a later turn.",
        "Servers that count from 0 in each turn leave such histories behind, and no client mends them.",
        "Replace the ids in the history by your own, one for each call, the same in call and result.",
        "should",
    ),
)


@check(
    "tool-history-without-tools",
    feature="tools",
    fix="Send `tools` with every request whose history holds tool calls.",
)
def tool_history_without_tools(history_without_tools: Reply) -> None:
    """A history with tool calls needs no tools in the request.

    Turns that summarise or compact a conversation offer no tools.
    """
    accept(history_without_tools, "tools-required-when-history-has-tool-calls")
