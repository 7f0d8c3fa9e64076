"""Checks of second turns and of conversations with tool calls in them, judged on literal answers."""

import json
from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.reply import BUNDLE, Replies, Reply
from tests.checking import Judgement, answer, completion, exchanges, judge, tool_call

WORD = [{"role": "user", "content": "Reply with exactly this word and nothing else: amber"}]
OBEYED = answer(completion("Amber."), sent={"messages": WORD})
RAMBLED = answer(completion("Colourless green ideas."), sent={"messages": WORD})
TOOLS = [{"type": "function", "function": {"name": "get_weather"}}]
REPORT = json.dumps({"city": "Paris", "temperature": "23.7 degrees", "sky": "falcon haze"})


def turn(message: dict[str, Any] | None = None) -> dict[str, Any]:
    """The second turn as it was sent, with fields of the assistant's message over the standard ones."""
    own = {"role": "assistant", "content": None, "tool_calls": [tool_call()], **(message or {})}
    messages = [
        {"role": "user", "content": "What is the weather in Paris?"},
        own,
        {"role": "tool", "tool_call_id": "call_1", "content": REPORT},
    ]
    return {"tools": TOOLS, "messages": messages}


def refusal(status: int = 400, message: str = "no", sent: dict[str, Any] | None = None) -> Reply:
    error = {"error": {"message": message, "type": "invalid_request_error", "code": None, "param": None}}
    return answer(error, status=status, sent=sent or turn())


def said(text: str, sent: dict[str, Any] | None = None) -> Reply:
    return answer(completion(text), sent=sent or turn())


def parts(first: Reply, **others: Reply) -> Replies:
    named = {name.replace("_", "-"): reply for name, reply in others.items()}
    return Replies({BUNDLE: first, **named}, "probe", "owner")


CALLED = answer(completion(tool_calls=[tool_call()]), sent={"tools": TOOLS})
CHATTY = answer(completion("I can do that."), sent={"tools": TOOLS})
OK = said("ok")
AGAIN = answer(completion(tool_calls=[tool_call(id="call_2")]), sent=turn())
THINKING = said("ok", turn({"reasoning_content": "hm"}))
SIGNED = said("ok", turn({"tool_calls": [tool_call(extra_content={"google": {}})]}))

REFUSED_TURNS = [
    (parts(refusal(400, "missing a thought_signature"), verbatim=SIGNED), "thought-signature-required"),
    (parts(refusal(400), verbatim=SIGNED), "thought-signature-required"),
    (
        parts(refusal(400, "The `reasoning_content` in the thinking mode must be passed back"), verbatim=OK),
        "reasoning-content-echo-required",
    ),
    (parts(refusal(400), verbatim=THINKING), "reasoning-content-echo-required"),
    (parts(refusal(400), verbatim=OK), "extra-fields-required"),
    (parts(refusal(400), verbatim=refusal(), other_ids=OK), "server-rejects-own-tool-ids"),
    (parts(refusal(404), verbatim=refusal(404), other_ids=refusal(404)), "server-rejects-own-tool-ids"),
    (parts(refusal(500), verbatim=refusal(500), other_ids=refusal(500)), "server-rejects-own-tool-ids"),
    (parts(refusal(422), verbatim=refusal(), text_beside=OK), "assistant-content-null-rejected"),
    (parts(refusal(422), verbatim=refusal(422), other_ids=refusal(422)), "tool-messages-unsupported"),
]


@pytest.mark.parametrize(("turns", "case"), REFUSED_TURNS)
def test_refused_second_turns(turns: Replies, case: str) -> None:
    result = judge("tool-result-accepted", weather_call=CALLED, second_turn=turns)
    assert (result.status, result.case) == (Status.FAIL, case)
    own = Replies({**turns, "call": CALLED}, "probe", "owner")
    assert judge("tool-loop-own-mode", weather_call=CALLED, own_mode_loop=own).case == case


@pytest.mark.parametrize("reply", [OK, AGAIN, said("")])
def test_accepted_second_turns(reply: Reply) -> None:
    result = judge("tool-result-accepted", weather_call=CALLED, second_turn=parts(reply))
    assert (result.status, result.notes) == (Status.PASS, ())


def test_fields_that_were_not_needed_are_noted() -> None:
    signed = answer(completion(tool_calls=[tool_call(extra_content={})]), sent={"tools": TOOLS})
    result = judge("tool-result-accepted", weather_call=signed, second_turn=parts(OK))
    assert result.status is Status.PASS
    assert "extra_content" in result.notes[0]


@pytest.mark.parametrize(
    ("reply", "hello", "expected"),
    [
        (said("It is Falcon haze over Paris."), RAMBLED, (Status.PASS, None)),
        (said("Il fait 23,7 degrés."), RAMBLED, (Status.PASS, None)),
        (said("It is 23.7 °C."), OBEYED, (Status.PASS, None)),
        (said("It rains in Paris."), OBEYED, (Status.FAIL, "tool-result-ignored")),
        (said("It rains in Paris."), RAMBLED, (Status.ERROR, "exact-reply")),
        (said(""), OBEYED, (Status.ERROR, "content-not-empty")),
        (AGAIN, OBEYED, (Status.FAIL, "called-again")),
        (refusal(), OBEYED, (Status.ERROR, "chat-accepted")),
    ],
)
def test_result_used(reply: Reply, hello: Reply, expected: tuple[Any, ...]) -> None:
    result = judge("tool-result-used", hello=hello, second_turn=parts(reply), exchanges=exchanges(reply))
    assert (result.status, result.case or result.blocked_by) == expected


def test_a_call_that_auto_forces_is_said_once() -> None:
    forced = answer(completion(tool_calls=[tool_call()]), sent={"tools": TOOLS})
    forced.probe = "no_tool_needed"
    result = judge("tool-result-used", hello=OBEYED, second_turn=parts(AGAIN), exchanges=exchanges(forced))
    assert result.blocked_by == "tool-choice-auto"


def own(call: Reply, **others: Reply) -> Replies:
    return Replies({"call": call, **others}, "own_mode_loop", "tool-loop-own-mode")


@pytest.mark.parametrize(
    ("turns", "weather", "expected"),
    [
        (own(CALLED, all=OK), CALLED, (Status.PASS, None)),
        (own(refusal()), CALLED, (Status.FAIL, "tools-refused")),
        (own(CHATTY), CALLED, (Status.FAIL, "no-call")),
        (own(CHATTY), CHATTY, (Status.ERROR, "tool-called")),
        (
            own(answer(completion(tool_calls=[tool_call(id=7)]), sent={"tools": TOOLS})),
            CALLED,
            (Status.ERROR, "tool-call-id"),
        ),
    ],
)
def test_own_mode(turns: Replies, weather: Reply, expected: tuple[Any, ...]) -> None:
    result = judge("tool-loop-own-mode", weather_call=weather, own_mode_loop=turns)
    assert (result.status, result.case or result.blocked_by) == expected


# --- conversations from elsewhere

HISTORY = [
    ("tool-history-ids", "openai-ids", "tool-call-id-format-restricted"),
    ("tool-history-null-content", "null-content", "assistant-content-null-rejected"),
    ("tool-history-empty-content", "empty-content", "assistant-content-empty-string-rejected"),
    ("tool-history-no-content", "no-content", "assistant-content-key-required"),
    ("tool-history-several-results", "several-results", "several-results-rejected"),
    ("tool-history-user-after-tool", "user-after-tool", "user-after-tool-rejected"),
    ("tool-history-text-parts", "text-parts", "tool-content-parts-rejected"),
    ("tool-history-schema-in-result", "schema-in-result", "tool-result-schema-ref-rejected"),
    ("tool-history-name-on-result", "name-on-result", "message-name-rejected"),
]


def history(*refused: str, status: int = 400) -> Replies:
    """The bundle was refused, and each part of it asked alone."""
    alone = {
        part: refusal(status) if part in refused else OK for part in ("plain", *(row[1] for row in HISTORY))
    }
    return Replies({BUNDLE: refusal(status), **alone}, "tool_history", "tool-history-accepted")


def over(id: str, replies: Replies) -> Judgement:
    return judge(id, tool_history=replies)


@pytest.mark.parametrize(("id", "part", "case"), HISTORY)
def test_parts_of_a_history(id: str, part: str, case: str) -> None:
    assert over(id, parts(OK)).status is Status.PASS
    assert over(id, parts(AGAIN)).status is Status.PASS
    refused = over(id, history(part))
    assert (refused.status, refused.case) == (Status.FAIL, case)
    assert over(id, history(part, status=503)).case == "server-error"
    assert over(id, history("plain", part)).blocked_by == "tool-history-accepted"
    others = [other for other, _, _ in HISTORY if over(other, history(part)).status is Status.FAIL]
    assert others == [id]
    assert over("tool-history-accepted", history(part)).status is Status.PASS


def test_history_as_a_whole() -> None:
    assert over("tool-history-accepted", parts(OK)).status is Status.PASS
    assert over("tool-history-accepted", history()).case == "together"
    assert over("tool-history-accepted", history("plain")).case == "tool-messages-unsupported"


def test_history_without_tools() -> None:
    id = "tool-history-without-tools"
    assert judge(id, history_without_tools=OK).status is Status.PASS
    assert judge(id, history_without_tools=refusal()).case == "tools-required-when-history-has-tool-calls"
