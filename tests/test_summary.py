"""A request in one line."""

from __future__ import annotations

from dataclasses import replace

from llmcompat.engine.summary import summary
from tests.checking import answer

ASKED = answer().exchange


def test_a_chat_request_shows_its_fields_and_roles_but_not_its_model() -> None:
    messages = '[{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": []}]'
    sent = f'{{"model": "m", "messages": {messages}, "n": 2}}'
    assert summary(replace(ASKED, request_body=sent)) == (
        'POST /v1/chat/completions messages: [user "Hi", assistant with tool_calls], n: 2'
    )


def test_tools_are_named_and_long_values_shortened_in_their_middle() -> None:
    sent = '{"tools": [{"type": "function", "function": {"name": "f"}}], "user": "' + "x" * 200 + 'end"}'
    text = summary(replace(ASKED, request_body=sent))
    assert text.startswith("POST /v1/chat/completions tools: [f], user: ")
    assert text.endswith('xend"')
    assert len(text) < 140


def test_bodies_that_are_no_object_are_shown_as_they_are() -> None:
    assert summary(replace(ASKED, request_body='{"cut')) == 'POST /v1/chat/completions {"cut'
    assert summary(replace(ASKED, request_body="[1]")) == "POST /v1/chat/completions [1]"
    assert summary(replace(ASKED, method="GET", request_body=None)) == "GET /v1/chat/completions"
