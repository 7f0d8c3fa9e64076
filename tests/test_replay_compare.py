"""One answer held against another: what is a difference, in which line, and what never is one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmcompat.project.prompts import Expectations
from llmcompat.replay.compare import Finding, compare, similarity, text_length
from llmcompat.replay.kinds import Told, is_refusal, told
from llmcompat.replay.language import language
from llmcompat.replay.schemas import violation
from llmcompat.workload.format import CHAT, EMBEDDINGS, RESPONSES, Request
from tests.checking import completion, tool_call
from tests.replaying import SCHEMA, WEATHER, asked, schema_format

SEA = (
    "The sea is a large body of salt water that covers most of the planet. It is home to fish and whales, "
    "and it moves with the tides that the moon and the sun make."
)
DIE_SEE = (
    "Die See ist ein großes Gewässer und sie ist salzig. Das Wasser bewegt sich mit den Gezeiten, die der "
    "Mond und die Sonne machen, und in ihr leben viele Fische, die wir nicht kennen."
)


def request(body: dict[str, Any] | None = None, *, url: str = CHAT) -> Request:
    return Request("one", "POST", url, body if body is not None else asked("Hello"), 1)


def chat(content: Any = "Hello there.", **more: Any) -> Told:
    return told(CHAT, 200, completion(content, **more), seconds=more.pop("seconds", 0.5))


def cases(findings: list[Finding]) -> dict[str, str | None]:
    """The case of each line that does not hold."""
    return {each.line: each.case for each in findings if each.case is not None and not each.there_too}


def judged(
    old: Told | None, new: Told, body: dict[str, Any] | None = None, **more: Any
) -> dict[str, str | None]:
    return cases(compare(request(body), old, new, **more))


@pytest.mark.parametrize(
    "body",
    [
        completion(SEA),
        completion(tool_calls=[tool_call()]),
        completion('{"city": "Paris", "people": 2}'),
        completion("```json\n{}\n```"),
        completion("I'm sorry, but I can't help with that."),
        completion(None, message={"refusal": "No."}),
        completion("positive"),
        completion("# Head\n\n**bold**\n\n```\ncode\n```\n" + SEA),
    ],
)
@pytest.mark.parametrize("more", [{}, {"tools": [WEATHER]}])
def test_the_same_answer_is_never_a_difference(body: dict[str, Any], more: dict[str, Any]) -> None:
    answer = told(CHAT, 200, body, seconds=1.0)
    findings = compare(request(asked("Hello", **more)), answer, answer)
    assert cases(findings) == {}
    assert findings[0].line == "workload-accepted"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("Hello.", "text"),
        ('{"a": 1}', "JSON"),
        (" [1, 2]\n", "JSON"),
        ("3", "text"),
        ("{not json}", "text"),
        ("   ", "empty"),
        (None, "empty"),
        ("I cannot assist with that request.", "refusal"),
        ("I cannot find your order. Please check the number.", "text"),
        ("I can't help but smile.", "text"),
        ("I'm sorry, but I can't help with that. " + SEA * 4, "text"),
        ([{"type": "text", "text": "parts"}], "text"),
    ],
)
def test_kinds_of_content(content: Any, kind: str) -> None:
    assert chat(content).kind == kind


def test_kinds_of_other_answers() -> None:
    assert chat(tool_calls=[tool_call()]).kind == "tool calls"
    assert chat(None, message={"refusal": "I will not."}).kind == "refusal"
    assert told(CHAT, 400, {"error": {"message": "no\nway"}}).error == "400 no way"
    assert told(CHAT, 200, {"error": {"message": "late"}}).kind == "error"
    assert told(CHAT, None, None, error="connection refused").error == "connection refused"
    assert told(CHAT, 200, ["a list"]).kind == "error"
    assert told(EMBEDDINGS, 200, {"data": [{"embedding": [0.5, 0.5]}]}).vectors == (1, 2)
    # two floats of four bytes
    assert told(EMBEDDINGS, 200, {"data": [{"embedding": "AAAAAAAAAAA="}]}).vectors == (1, 2)
    output = [
        {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
        {"type": "function_call", "name": "f", "arguments": "{}"},
    ]
    assert told(RESPONSES, 200, {"output": output[:1]}).text == "Hi"
    assert told(RESPONSES, 200, {"output": output}).kind == "tool calls"


def test_a_refused_request_is_told_and_nothing_else() -> None:
    refused = told(CHAT, 400, {"error": {"message": "unknown field"}})
    assert judged(chat(), refused) == {"workload-accepted": "status-400"}
    assert judged(chat(), told(CHAT, None, None, error="reset")) == {"workload-accepted": "no-answer"}


def test_what_was_refused_before_as_well_is_told_apart() -> None:
    refused = told(CHAT, 400, {"error": {"message": "bad"}})
    (finding,) = compare(request(), refused, refused)
    assert finding.case == "status-400"
    assert finding.there_too


def test_a_long_prompt_has_a_line_of_its_own() -> None:
    long = asked("word " * 10_000)
    refused = told(CHAT, 400, {"error": {"message": "too long"}})
    assert judged(chat(), refused, long) == {"workload-long-accepted": "status-400"}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 50_000}}
    assert text_length(asked("x") | {"messages": [{"role": "user", "content": [image]}]}) < 100


@pytest.mark.parametrize(
    ("old", "new", "case"),
    [
        (chat(SEA), chat(tool_calls=[tool_call()]), "text-to-tool-calls"),
        (chat(SEA), chat("I'm sorry, but I can't help with that."), "text-to-refusal"),
        (chat(SEA), chat(""), "empty"),
        (chat(SEA), chat("", finish_reason="length"), "empty-at-cap"),
        (chat(tool_calls=[tool_call()]), chat(None, message={"refusal": "No."}), "tool-calls-to-refusal"),
    ],
)
def test_another_kind_of_answer(old: Told, new: Told, case: str) -> None:
    found = judged(old, new, asked("Weather?", tools=[WEATHER]))
    assert found == {"workload-same-kind": case}


def test_an_answer_where_there_was_a_refusal_is_no_loss() -> None:
    refusal = chat("I'm sorry, but I can't help with that.")
    assert judged(refusal, chat(SEA)) == {}
    assert judged(chat(""), chat(SEA)) == {}


BROKEN = tool_call(arguments='{"city": ')


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([tool_call(arguments='{"city": "Rome"}')], {}),
        ([tool_call(arguments='{"city": "Paris, France"}')], {}),
        ([tool_call(), tool_call(arguments='{"city": "Rome"}')], {"workload-tool-count": "other-calls"}),
        ([tool_call("get_wether")], {"workload-tools": "unknown-tool"}),
        ([tool_call(arguments={"city": "Paris"})], {"workload-tool-arguments": "no-text"}),
        ([BROKEN], {"workload-tool-arguments": "no-json"}),
        ([tool_call(arguments='{"town": "Paris"}')], {"workload-tool-arguments": "schema"}),
        ([tool_call(arguments='{"city": "Paris", "unit": "k"}')], {"workload-tool-arguments": "schema"}),
        ([tool_call(arguments='{"city": "Paris", "unit": "f"}')], {}),
        ([tool_call(arguments="{}")], {"workload-tool-arguments": "schema"}),
    ],
)
def test_tool_calls(calls: list[dict[str, Any]], found: dict[str, str]) -> None:
    old = chat(tool_calls=[tool_call()])
    assert judged(old, chat(tool_calls=calls), asked("Weather?", tools=[WEATHER])) == found


def test_a_tool_that_is_not_called() -> None:
    old = chat(tool_calls=[tool_call()])
    body = asked("Weather?", tools=[WEATHER])
    assert judged(old, chat(SEA), body) == {"workload-tools": "not-called"}
    assert judged(old, chat("", finish_reason="length"), body) == {"workload-same-kind": "empty-at-cap"}


def test_choices_in_arguments_are_compared_and_free_texts_are_not() -> None:
    old = chat(tool_calls=[tool_call(arguments='{"city": "Paris", "unit": "c"}')])
    new = chat(tool_calls=[tool_call(arguments='{"city": "Rome", "unit": "f"}')])
    assert judged(old, new, asked("Weather?", tools=[WEATHER])) == {"workload-tool-values": "other-value"}


def test_arguments_that_were_broken_before_as_well_do_not_count() -> None:
    broken = chat(tool_calls=[BROKEN])
    assert judged(broken, broken, asked("Weather?", tools=[WEATHER])) == {}


def test_a_finish_reason_that_ends_a_loop_over_tools() -> None:
    old = chat(tool_calls=[tool_call()])
    new = chat(tool_calls=[tool_call()], finish_reason="stop")
    body = asked("Weather?", tools=[WEATHER])
    assert judged(old, new, body) == {"workload-finish-reason": "stop-with-calls"}
    forced = {"type": "function", "function": {"name": "get_weather"}}
    assert judged(old, new, body | {"tool_choice": forced}) == {}


JSON_MODE = {"response_format": {"type": "json_object"}}


@pytest.mark.parametrize(
    ("content", "more", "found"),
    [
        ('{"city": "Rome", "people": 3}', {}, {}),
        ('```json\n{"city": "Rome", "people": 3}\n```', {}, {"workload-json": "fenced"}),
        ('Here it is: {"city": "Rome"}', {}, {"workload-json": "no-json"}),
        ('{"city": "Ro', {"finish_reason": "length"}, {"workload-json": "cut-at-cap"}),
    ],
)
def test_json_that_is_asked_for(content: str, more: dict[str, Any], found: dict[str, str]) -> None:
    old = chat('{"city": "Paris", "people": 2}')
    seen = judged(old, chat(content, **more), asked("JSON", **JSON_MODE))
    assert {line: case for line, case in seen.items() if line != "workload-finish-reason"} == found
    # the same without response_format: the application parses what was JSON so far
    seen = judged(old, chat(content, **more), asked("JSON"))
    assert {line: case for line, case in seen.items() if line != "workload-finish-reason"} == found


def test_the_schema_decides_and_else_the_shape() -> None:
    old = chat('{"city": "Paris", "people": 2}')
    body = asked("JSON", **schema_format())
    assert judged(old, chat('{"city": "Rome", "people": "3"}'), body) == {"workload-json": "schema"}
    assert judged(old, chat('{"city": "Rome"}'), body) == {"workload-json": "schema"}
    free = asked("JSON", **JSON_MODE)
    assert judged(old, chat('{"city": "Rome"}'), free) == {"workload-json-shape": "other-shape"}
    assert judged(old, chat('{"city": "Rome", "people": "3"}'), free) == {
        "workload-json-shape": "other-shape"
    }
    assert judged(old, chat('{"city": "Rome", "people": 3, "more": 1}'), free) == {}
    assert judged(old, chat('{"city": "Rome", "people": null}'), free) == {}


def test_shapes_of_lists_take_optional_keys_for_optional() -> None:
    free = asked("JSON", **JSON_MODE)
    old = chat(json.dumps({"items": [{"a": 1, "b": 2}, {"a": 1}]}))
    assert judged(old, chat('{"items": [{"a": 5}]}'), free) == {}
    assert judged(old, chat('{"items": []}'), free) == {}
    assert judged(old, chat('{"items": [{"b": 5}]}'), free) == {"workload-json-shape": "other-shape"}


def test_json_that_was_fenced_before_as_well_does_not_count() -> None:
    fenced = chat('```json\n{"a": 1}\n```')
    assert judged(fenced, fenced, asked("JSON", **JSON_MODE)) == {}


def test_texts_beside_each_other() -> None:
    assert judged(chat(SEA), chat(DIE_SEE)) == {"workload-language": "en-to-de"}
    assert judged(chat(SEA), chat(f"## The sea\n\n{SEA}")) == {"workload-markdown": "added"}
    assert judged(chat(SEA), chat(SEA * 6)) == {"workload-length": "longer"}
    assert judged(chat("positive"), chat("Positive.")) == {}
    assert judged(chat("positive"), chat("The sentiment is positive.")) == {}
    assert judged(chat("positive"), chat("negative")) == {"workload-similarity": "other-label"}


def test_another_wording_of_the_same_is_no_difference() -> None:
    other = (
        "Covering most of Earth, the sea is salt water in great amounts. Whales and fish live there, and the "
        "moon and the sun make its tides."
    )
    assert similarity(SEA, other) > 50
    assert judged(chat(SEA), chat(other)) == {}


def test_usage_that_is_gone_is_told() -> None:
    assert judged(chat(SEA), chat(SEA, usage=None)) == {"workload-usage": "no-usage"}
    assert judged(chat(SEA, usage=None), chat(SEA, usage=None)) == {}


def test_finish_reasons() -> None:
    assert judged(chat(SEA), chat(SEA, finish_reason="length")) == {"workload-finish-reason": "length"}
    assert judged(chat(SEA), chat(SEA, finish_reason="eos")) == {"workload-finish-reason": "unknown"}
    assert judged(chat(SEA, finish_reason="length"), chat(SEA)) == {}


def test_embeddings() -> None:
    def vectors(number: int, size: int) -> Told:
        return told(EMBEDDINGS, 200, {"data": [{"embedding": [0.1] * size}] * number})

    def found(new: Told, **body: Any) -> dict[str, str | None]:
        asked = {"model": "e", "input": ["a", "b"], **body}
        return cases(compare(request(asked, url=EMBEDDINGS), vectors(2, 8), new))

    assert found(vectors(2, 8)) == {}
    assert found(vectors(1, 8)) == {"workload-same-kind": "other-number"}
    assert found(vectors(2, 4)) == {"workload-same-kind": "dimensions"}
    assert found(vectors(2, 8), dimensions=4) == {"workload-same-kind": "dimensions"}
    assert found(told(EMBEDDINGS, 200, {"data": []})) == {"workload-same-kind": "no-vectors"}


@pytest.mark.parametrize(
    ("expect", "new", "found"),
    [
        ({"contains": "TIDES"}, chat(SEA), {}),
        ({"contains": ["tides", "sharks"]}, chat(SEA), {"workload-expectations": "contains"}),
        ({"matches": r"whales?\b"}, chat(SEA), {}),
        ({"matches": "^whales"}, chat(SEA), {"workload-expectations": "matches"}),
        ({"language": "en"}, chat(SEA), {}),
        ({"language": "de"}, chat(SEA), {"workload-expectations": "language"}),
        ({"language": "de"}, chat("Ok."), {}),
        ({"language": "ru"}, chat("Погода в Париже хорошая"), {}),
        ({"refused": False}, chat("I can't help with that."), {"workload-expectations": "refused"}),
        ({"max_latency": 0.1}, chat(SEA), {"workload-expectations": "latency"}),
        ({"max_latency": 9}, chat(SEA), {}),
        ({"json_schema": SCHEMA}, chat('{"city": "Rome", "people": 1}'), {}),
        ({"json_schema": SCHEMA}, chat('{"city": "Rome"}'), {"workload-expected-json": "schema"}),
        ({"json_schema": SCHEMA}, chat(SEA), {"workload-expected-json": "schema"}),
        ({"calls": "get_weather"}, chat(tool_calls=[tool_call()]), {}),
        ({"calls": "get_weather"}, chat(SEA), {"workload-expected-call": "not-called"}),
        (
            {"calls": {"tool": "get_weather", "with": {"city": "Rome"}}},
            chat(tool_calls=[tool_call()]),
            {"workload-expected-call": "other-arguments"},
        ),
        ({"calls": {"tool": "get_weather", "with": {"city": "Paris"}}}, chat(tool_calls=[tool_call()]), {}),
    ],
)
def test_expectations(expect: dict[str, Any], new: Told, found: dict[str, str]) -> None:
    findings = compare(request(), None, new, Expectations.model_validate(expect))
    assert cases(findings) == found
    assert any(each.line.startswith("workload-expect") for each in findings)


def test_an_answer_that_expects_too_much_of_a_number() -> None:
    expect = Expectations.model_validate({"calls": {"tool": "f", "with": {"on": True}}})
    new = chat(tool_calls=[tool_call("f", '{"on": 1}')])
    assert cases(compare(request(), None, new, expect)) == {"workload-expected-call": "other-arguments"}


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        (SEA, "en"),
        (DIE_SEE, "de"),
        ("Le temps est beau à Paris et vous pouvez vous promener dans le parc avec vos amis.", "fr"),
        ("今日はパリの天気がとても良いです。公園を散歩しましょう。", "ja"),
        ("今天巴黎的天气很好，我们去公园散步吧。", "zh"),
        ("Hello", "unknown"),
        ("", "unknown"),
        ("```python\nfor the in of and to is are was were that this with for you\n```", "unknown"),
        ("12 34 56 78 90", "unknown"),
        (
            "Paris, London, Berlin, Madrid, Roma, Lisboa, Wien, Praha, Oslo, Riga, Minsk, Kyiv, Sofia",
            "unknown",
        ),
    ],
)
def test_languages(text: str, guess: str) -> None:
    assert language(text) == guess


def test_a_schema_that_nobody_can_apply_decides_nothing() -> None:
    assert violation({"$ref": "https://example.test/schema.json"}, {"a": 1}) is None
    assert violation({"type": "nonsense"}, {"a": 1}) is None
    assert violation("text", {}) is None
    assert violation({"type": "object", "required": ["a"]}, {}) is not None


def test_refusals_in_several_languages() -> None:
    assert is_refusal("Es tut mir leid, aber dabei kann ich nicht helfen.")
    assert is_refusal("Lo siento, pero no puedo ayudar con eso.")
    assert not is_refusal("Es tut mir leid, Ihre Bestellung ist noch nicht da.")
