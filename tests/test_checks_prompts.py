"""The checks of prompts: each passes, fails for its own reason, and accepts legal variety."""

from __future__ import annotations

from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.reply import BUNDLE, Replies, Reply
from tests.checking import (
    Judgement,
    answer,
    checklist,
    chunk,
    chunk_list,
    completion,
    exchanges,
    judge,
    stream,
)


def judge_on(id: str, probe: str, reply: Reply, **more: Any) -> Judgement:
    """The check on the evidence of a probe that is named at run time."""
    evidence: dict[str, Any] = {probe: reply, **more}
    return judge(id, **evidence)


REFUSED = {
    "error": {"message": "Bad request.", "type": "invalid_request_error", "param": "messages", "code": None}
}
ORDER = "Reply with exactly this word and nothing else: amber"


def asked(*messages: tuple[str, str]) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": content} for role, content in messages]}


def hello(text: str = "amber") -> Reply:
    return answer(completion(text), sent=asked(("user", ORDER)))


OBEDIENT = hello()

ONLY = ("system", "Whatever the user says, answer only with the word cedar.")
ROLES = {
    "system_message": ("system-message", "system-role-rejected", "system-message-ignored"),
    "developer_message": ("developer-message", "developer-role-rejected", "developer-message-ignored"),
    "middle_system": ("middle-system", "mid-conversation-system-rejected", "mid-conversation-system-ignored"),
}


@pytest.mark.parametrize("probe", ROLES)
def test_instructions_are_taken_and_obeyed(probe: str) -> None:
    id, refused, ignored = ROLES[probe]
    sent = asked(ONLY, ("user", "Good morning!"))
    good, bad = answer(completion("**Cedar**."), sent=sent), answer(completion("Good morning!"), sent=sent)
    assert judge_on(f"{id}-accepted", probe, good).status is Status.PASS
    assert judge_on(f"{id}-accepted", probe, answer(REFUSED, status=400, sent=sent)).case == refused
    assert judge_on(f"{id}-accepted", probe, answer(REFUSED, status=500, sent=sent)).case == refused
    assert judge_on(f"{id}-accepted", probe, answer(None, status=None)).case == "no-answer"
    assert judge_on(f"{id}-accepted", probe, answer(REFUSED, status=503)).case == "server-error"
    assert judge_on(f"{id}-accepted", probe, answer(REFUSED, status=429)).status is Status.ERROR
    assert judge_on(f"{id}-honoured", probe, good, hello=OBEDIENT).status is Status.PASS
    assert judge_on(f"{id}-honoured", probe, bad, hello=OBEDIENT).case == ignored
    assert judge_on(f"{id}-honoured", probe, bad, hello=hello("No.")).blocked_by == "exact-reply"


@pytest.mark.parametrize(
    ("text", "case", "noted"),
    [
        ("amber", None, False),
        (' "Amber." ', None, False),
        ("The word is amber", None, True),
        ("ambers", "instruction-not-followed", False),
    ],
)
def test_the_control(text: str, case: str | None, noted: bool) -> None:
    found = judge("exact-reply", hello=hello(text))
    assert found.case == case
    assert found.status is (Status.FAIL if case else Status.PASS)
    assert bool(found.notes) is noted


def test_chat_accepted() -> None:
    assert judge("chat-accepted", hello=OBEDIENT).status is Status.PASS
    assert judge("chat-accepted", hello=answer(REFUSED, status=400)).status is Status.FAIL


FINE = Replies({BUNDLE: answer(completion())})
TWO = asked(
    ("system", "The first code word is cedar."),
    ("system", "The second code word is onyx."),
    ("user", "What are the two code words?"),
)


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("Cedar and onyx", None),
        ("It is onyx.", "only-last-system-used"),
        ("It is cedar.", "only-first-system-used"),
        ("I do not know.", "system-messages-ignored"),
    ],
)
def test_two_system_messages(text: str, case: str | None) -> None:
    reply = answer(completion(text), sent=TWO)
    assert judge("two-system-messages-honoured", two_system_messages=reply, hello=OBEDIENT).case == case
    assert (
        judge("two-system-messages-accepted", two_system_messages=reply, message_forms=FINE).status
        is Status.PASS
    )


MEMORY = asked(
    ("user", "Please remember the word cedar."),
    ("assistant", "I will. My own favourite is onyx."),
    ("user", "Which word did I ask you to remember?"),
)


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("Cedar.", None),
        ("Cedar, and mine is onyx", None),
        ("onyx", "role-confusion"),
        ("None.", "history-ignored"),
    ],
)
def test_a_conversation_is_remembered(text: str, case: str | None) -> None:
    reply = answer(completion(text), sent=MEMORY)
    assert judge("conversation-remembered", conversation_memory=reply, hello=OBEDIENT).case == case


REFUSALS = {
    "two-system-messages-accepted": ("two_system_messages", "multiple-leading-system-rejected"),
    "conversation-accepted": ("conversation_memory", "history-rejected"),
    "trailing-assistant-accepted": ("trailing_assistant", "trailing-assistant-rejected"),
    "system-only-accepted": ("system_only", "system-only-rejected"),
    "unicode-accepted": ("unicode_echo", "unicode-rejected"),
}


@pytest.mark.parametrize("id", REFUSALS)
def test_shapes_that_are_refused(id: str) -> None:
    probe, case = REFUSALS[id]
    assert judge_on(id, probe, answer(completion("")), message_forms=FINE).status is Status.PASS
    assert judge_on(id, probe, answer(REFUSED, status=422), message_forms=FINE).case == case
    below = answer(REFUSED, status=400, owner="system-message-accepted")
    refused = answer(REFUSED, status=400, grounds=[below])
    assert judge_on(id, probe, refused, message_forms=FINE).blocked_by == "system-message-accepted"


FORMS = {
    "system-parts-accepted": ("system-parts", "content-parts-array-rejected"),
    "user-parts-accepted": ("user-parts", "content-parts-array-rejected"),
    "assistant-parts-accepted": ("assistant-parts", "content-parts-array-rejected"),
    "user-name-accepted": ("user-name", "message-name-rejected"),
    "assistant-name-accepted": ("assistant-name", "message-name-rejected"),
    "echoed-fields-accepted": ("echoed-fields", "echoed-fields-rejected"),
    "history-reasoning-accepted": ("reasoning-content", "reasoning-content-in-history-rejected"),
    "message-metadata-accepted": ("metadata", "unknown-message-property-rejected"),
    "consecutive-users-accepted": ("consecutive-users", "roles-must-alternate"),
}


def forms(refused: str | None = None, together: bool = True) -> Replies:
    good, bad = answer(completion()), answer(REFUSED, status=400)
    if together:
        return Replies({BUNDLE: good})
    return Replies({BUNDLE: bad} | {part: bad if part == refused else good for part, _ in FORMS.values()})


@pytest.mark.parametrize("id", FORMS)
def test_each_form_has_a_line_of_its_own(id: str) -> None:
    part, case = FORMS[id]
    assert judge(id, message_forms=forms()).status is Status.PASS
    split = forms(refused=part, together=False)
    failing = {each: judge(each, message_forms=split).case for each in [*FORMS, "message-forms-together"]}
    assert {each: found for each, found in failing.items() if found} == {id: case}


def test_one_deviation_in_several_places_has_one_line() -> None:
    good, bad = answer(completion()), answer(REFUSED, status=400)
    parts = {part: bad if "parts" in part or "name" in part else good for part, _ in FORMS.values()}
    replies = Replies({BUNDLE: bad} | parts)
    found = {id: judge(id, message_forms=replies) for id in FORMS}
    assert {id for id, each in found.items() if each.case} == {"user-parts-accepted", "user-name-accepted"}
    assert found["system-parts-accepted"].blocked_by == "user-parts-accepted"
    assert found["assistant-name-accepted"].blocked_by == "user-name-accepted"


def test_an_endpoint_that_wants_alternating_roles_has_one_line() -> None:
    split = forms(refused="consecutive-users", together=False)
    reply = answer(REFUSED, status=400, sent=TWO)
    found = judge("two-system-messages-accepted", two_system_messages=reply, message_forms=split)
    assert found.blocked_by == "consecutive-users-accepted"
    assert judge("consecutive-users-accepted", message_forms=split).case == "roles-must-alternate"


def test_answers_that_are_all_cut_have_one_line() -> None:
    first = answer(completion(), ended="cut", owner="chat-accepted")
    cut = answer(completion(), ended="cut", grounds=[first])
    assert judge("chat-accepted", hello=first).case == "cut"
    assert judge("system-message-accepted", system_message=cut).blocked_by == "chat-accepted"
    alone = answer(completion(), ended="cut", grounds=[answer(completion())])
    assert judge("system-message-accepted", system_message=alone).case == "cut"


def test_forms_that_are_refused_only_together() -> None:
    assert judge("message-forms-together", message_forms=forms()).status is Status.PASS
    assert judge("message-forms-together", message_forms=forms(together=False)).case == "together"


TEXT = "Zürich\n東京\nΑθήνα\nМосква\n🚀 🍕"


@pytest.mark.parametrize(
    ("text", "unharmed", "newlines"),
    [
        (TEXT, None, None),
        (f"Here it is:\n\n{TEXT}\n", None, None),
        ("Zu\u0308" + TEXT[2:], None, None),
        (TEXT.replace("\n", " "), None, "newlines-lost"),
        (TEXT.replace("\n", "\\n"), None, "newlines-escaped"),
        (TEXT.encode().decode("latin-1"), "mojibake", "blocked"),
        (TEXT.replace("東京", "Tokyo"), "text-altered", "blocked"),
    ],
)
def test_text_of_any_script(text: str, unharmed: str | None, newlines: str | None) -> None:
    evidence: dict[str, Any] = {"unicode_echo": answer(completion(text)), "hello": OBEDIENT}
    assert judge("unicode-unharmed", **evidence).case == unharmed
    found = judge("newlines-unharmed", **evidence)
    assert (found.blocked_by == "unicode-unharmed") if newlines == "blocked" else (found.case == newlines)


@pytest.mark.parametrize(
    ("reply", "case"),
    [
        (answer(completion("fine 🚀")), None),
        (answer(completion("broken \ufffd\ufffd")), "replacement-character"),
        (answer(completion("cut \ufffd", finish_reason="length")), None),
        (answer(completion("echo \ufffd"), sent=asked(("user", "Say \ufffd"))), None),
        (answer(completion(None, finish_reason="stop")), None),
    ],
)
def test_replacement_characters(reply: Reply, case: str | None) -> None:
    assert judge("no-replacement-characters", exchanges=exchanges(OBEDIENT, reply)).case == case


WEATHER = {"tools": [{"type": "function", "function": {"name": "get_weather"}}]}
CALL = [{"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}]
JSON = {"response_format": {"type": "json_object"}}
EMPTY: dict[str, tuple[Reply, str | None]] = {
    "text": (answer(completion()), None),
    "an error in the choice": (answer(completion("", finish_reason="error")), None),
    "null": (answer(completion(None)), "empty-content"),
    "absent": (answer(completion(message={"content": ...})), "empty-content"),
    "white space": (answer(completion("\n ")), "empty-content"),
    "thinking only": (
        answer(completion("", message={"reasoning_content": "Hm."})),
        "empty-content-reasoning-only",
    ),
    "json": (answer(completion(""), sent=JSON), "json-mode-empty-content"),
    "tools": (answer(completion(None), sent=WEATHER), "malformed-tool-call-empty-200"),
    "stream": (stream(chunk_list("")), "empty-content"),
    "stream of thinking": (
        stream([chunk({"role": "assistant"}), chunk({"reasoning": "Hm."}), chunk({}, finish_reason="stop")]),
        "empty-content-reasoning-only",
    ),
    "tool call": (answer(completion(tool_calls=CALL), sent=WEATHER), None),
    "empty beside a tool call": (
        answer(completion(tool_calls=CALL, message={"content": ""}), sent=WEATHER),
        None,
    ),
    "streamed tool call": (stream(chunk_list(tool_calls=CALL), sent=WEATHER), None),
    "refusal": (answer(completion(None, message={"refusal": "No."})), None),
    "filtered": (answer(completion(None, finish_reason="content_filter")), None),
    "at the limit": (answer(completion("", finish_reason="length"), sent={"max_tokens": 1024}), None),
    "tiny cap": (answer(completion(""), sent={"max_tokens": 5}), None),
    "stopped by a stop word": (answer(completion(""), sent={"stop": ["a"]}), None),
    "nothing was asked": (answer(completion(""), sent=asked(("user", "Hi"), ("assistant", "Hello"))), None),
    "cut stream": (stream(chunk_list("")[:1], ended="cut"), None),
    "content of another shape": (answer(completion([{"type": "text", "text": "Hi"}])), None),
}


@pytest.mark.parametrize("name", EMPTY)
def test_content_not_empty(name: str) -> None:
    reply, case = EMPTY[name]
    found = judge("content-not-empty", exchanges=exchanges(OBEDIENT, reply), hello=OBEDIENT)
    if name == "an error in the choice":
        assert found.blocked_by == "error-status"
        return
    assert (found.status, found.case) == (Status.FAIL if case else Status.PASS, case)


def test_a_model_of_random_obedience_may_end_at_once() -> None:
    one, many = (
        {"prompt_tokens": 56, "completion_tokens": count, "total_tokens": 56 + count} for count in (1, 9)
    )
    deaf = answer(completion('"]"]'), sent=OBEDIENT.sent)
    silent, lost = answer(completion("", usage=one)), answer(completion("", usage=many))
    thought = answer(completion("", usage=one, message={"reasoning": "Hm."}))
    found = judge("content-not-empty", exchanges=exchanges(deaf, silent, silent), hello=deaf)
    assert (found.status, found.notes[0][:15]) == (Status.PASS, "in 2 answer(s) ")
    for hello, reply in ((OBEDIENT, silent), (silent, silent), (deaf, lost), (deaf, thought)):
        found = judge("content-not-empty", exchanges=exchanges(deaf, reply), hello=hello)
        assert found.status is Status.FAIL


@pytest.mark.parametrize(
    ("reply", "case"),
    [
        (answer(completion("I think so.")), None),
        (answer(completion("<think>\nHm.\n</think>\n\nYes.")), "think-tags-in-content"),
        (answer(completion("Hm.</think>Yes.")), "think-close-tag-without-open"),
        (answer(completion("[THINK]Hm.[/THINK]Yes.")), "think-tags-in-content"),
        (answer(completion("<think>Hm.</think>{}"), sent=JSON), "json-with-think-prefix"),
        (stream(chunk_list("<think>Hm.</think>Yes.")), "think-tags-in-content"),
        (answer(completion("<think>"), sent=asked(("user", "Say <think>"))), None),
        (answer(completion("Yes.", message={"reasoning_content": "<think>"})), None),
    ],
)
def test_think_tags(reply: Reply, case: str | None) -> None:
    assert judge("no-think-tags", exchanges=exchanges(reply)).case == case


@pytest.mark.parametrize(
    ("reply", "case"),
    [
        (answer(completion("a < b | c > d")), None),
        (answer(completion("Yes.<|im_end|>\n<|im_start|>user\nAnd")), "template-token-in-content"),
        (stream(chunk_list("Yes.<|eot_id|>")), "template-token-in-content"),
        (answer(completion("<|im_end|>"), sent=asked(("user", "What is <|im_end|>?"))), None),
    ],
)
def test_template_tokens(reply: Reply, case: str | None) -> None:
    assert judge("no-template-tokens", exchanges=exchanges(reply)).case == case


@pytest.mark.parametrize(
    "id", ["content-not-empty", "no-think-tags", "no-template-tokens", "no-replacement-characters"]
)
def test_nothing_judged_never_passes(id: str) -> None:
    refused, html = answer(REFUSED, status=400), answer(b"<html>")
    assert judge(id, exchanges=exchanges(refused), hello=refused).blocked_by == "chat-accepted"
    assert judge(id, exchanges=exchanges(html), hello=html).blocked_by == "response-choices"


def test_the_quick_probe() -> None:
    quick = {
        name
        for name, probe in checklist().probes.items()
        if probe.quick and "/checks/prompts" in probe.file.replace("\\", "/")
    }
    assert quick == {"system_message"}


def test_an_answer_to_something_else_says_nothing_of_the_characters() -> None:
    asked = answer(completion("I am a tiny model."))
    found = judge("unicode-unharmed", hello=OBEDIENT, unicode_echo=asked)
    assert found.status is Status.ERROR
    assert found.reason == "the model did not repeat the text that it was given"
