"""Checks of tool calls and tool definitions, judged on literal answers."""

import json
from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.reply import BUNDLE, Replies, Reply
from tests.checking import (
    Judgement,
    answer,
    attempts,
    chunk_list,
    completion,
    exchanges,
    judge,
    stream,
    tool_call,
)

WORD = {"messages": [{"role": "user", "content": "Reply with exactly this word and nothing else: amber"}]}
OBEYED = answer(completion("Amber."), sent=WORD)
RAMBLED = answer(completion("Colourless green ideas."), sent=WORD)

PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ORDER = {
    "type": "object",
    "properties": {"customer": {"$ref": "#/$defs/customer"}, "products": {"type": "array"}},
    "$defs": {"customer": {"type": "object"}},
}


def function(name: str, parameters: Any = PLACE) -> dict[str, Any]:
    described = {"name": name} if parameters is None else {"name": name, "parameters": parameters}
    return {"type": "function", "function": described}


TOOLS = [
    function("get_weather"),
    function("get_news"),
    function("get_time", None),
    function("create_order", ORDER),
]
SENT: dict[str, Any] = {"tools": TOOLS}
REFUSED = answer(
    {"error": {"message": "no", "type": "x", "code": None, "param": None}}, status=400, sent=SENT
)


def plain(
    *calls: dict[str, Any], sent: dict[str, Any] | None = None, finish_reason: Any = None, **message: Any
) -> Reply:
    body = completion(tool_calls=list(calls) or None, finish_reason=finish_reason, message=message)
    return answer(body, sent={**SENT, **(sent or {})}, called="tool-called")


def said(text: str | None, sent: dict[str, Any] | None = None, **changes: Any) -> Reply:
    return answer(completion(text, **changes), sent={**SENT, **(sent or {})}, called="tool-called")


def refusal(status: int, message: str = "no", code: Any = None, sent: dict[str, Any] | None = None) -> Reply:
    error = {"error": {"message": message, "type": "invalid_request_error", "code": code, "param": None}}
    return answer(error, status=status, sent={**SENT, **(sent or {})})


def over(id: str, *replies: Reply, weather_call: Reply | None = None) -> Judgement:
    """Judge a check of all answers on these."""
    return judge(id, exchanges=exchanges(*replies), weather_call=weather_call or replies[0])


CALLED = plain(tool_call())
TWO = plain(tool_call(), tool_call(arguments='{"city": "London"}', id="call_2"))
CHATTY = said("I can do that for you.")
LEAKED = said('<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>')
EMPTY = said("")
CAPPED = answer(completion("", finish_reason="length"), sent={**SENT, "max_tokens": 8}, called="tool-called")


def alone(id: str, probe: str, evidence: Reply | Replies) -> Judgement:
    """Judge a check on the one probe that it names."""
    named: dict[str, Any] = {probe: evidence}
    return judge(id, **named)


# --- the shape of calls


@pytest.mark.parametrize(
    ("id", "reply", "case"),
    [
        ("tool-call-shape", plain(tool_calls={"name": "get_weather"}), "not-a-list"),
        ("tool-call-shape", plain(tool_calls=["get_weather"]), "not-an-object"),
        ("tool-call-shape", plain({"id": "call_1", "type": "function"}), "no-function"),
        ("tool-call-id", plain(tool_call(id=...)), "missing"),
        ("tool-call-id", plain(tool_call(id=None)), "missing"),
        ("tool-call-id", plain(tool_call(id="")), "tool-call-id-empty"),
        ("tool-call-id", plain(tool_call(id=1000)), "tool-call-id-numeric"),
        ("tool-call-id", plain(tool_call(id=["x"])), "not-a-string"),
        ("tool-call-ids-unique", plain(tool_call(), tool_call()), "duplicate-ids"),
        (
            "tool-call-ids-unique",
            stream(chunk_list(tool_calls=[tool_call(), tool_call()]), sent=SENT),
            "duplicate-ids",
        ),
        ("tool-call-type", plain(tool_call(type=...)), "missing"),
        ("tool-call-type", plain(tool_call(type=None)), "null"),
        ("tool-call-type", plain(tool_call(type="tool")), "other"),
        ("tool-call-name", plain(tool_call(name="")), "empty"),
        ("tool-call-name", plain(tool_call(function={"arguments": "{}"})), "missing"),
        ("tool-call-name", plain(tool_call(function={"name": 1, "arguments": "{}"})), "not-a-string"),
        ("tool-call-name", plain(tool_call(name="functions.get_weather")), "unknown-name"),
        ("tool-arguments-string", plain(tool_call(arguments={"city": "Paris"})), "tool-arguments-object"),
        ("tool-arguments-string", plain(tool_call(arguments=None)), "null"),
        ("tool-arguments-string", plain(tool_call(function={"name": "get_weather"})), "missing"),
        ("tool-arguments-string", plain(tool_call(arguments=["Paris"])), "not-a-string"),
        (
            "tool-arguments-json",
            plain(tool_call(arguments='{"city": "Paris"')),
            "tool-arguments-invalid-json",
        ),
        ("tool-arguments-json", plain(tool_call(arguments="")), "tool-arguments-empty-string"),
        ("tool-arguments-json", plain(tool_call(arguments='["Paris"]')), "not-an-object"),
        (
            "tool-arguments-encoded-once",
            plain(tool_call(arguments=json.dumps('{"city": "Paris"}'))),
            "tool-arguments-double-encoded",
        ),
        (
            "tool-arguments-encoded-once",
            plain(tool_call("create_order", json.dumps({"customer": '{"name": "Ada"}'}))),
            "tool-arguments-double-encoded",
        ),
        (
            "tool-arguments-encoded-once",
            plain(tool_call("create_order", json.dumps({"products": '["tea"]'}))),
            "tool-arguments-double-encoded",
        ),
        (
            "tool-finish-reason",
            plain(tool_call(), finish_reason="stop"),
            "nonstream-finish-reason-stop-with-tool-calls",
        ),
        ("tool-finish-reason", plain(tool_call(), finish_reason="function_call"), "function-call"),
        ("tool-call-not-in-text", LEAKED, "tool-call-leaked-as-text"),
        (
            "tool-call-not-in-text",
            said('{"name": "get_weather", "parameters": {"city": "Paris"}}'),
            "tool-call-leaked-as-text",
        ),
        (
            "tool-call-not-in-text",
            stream(chunk_list("<function=get_weather>{}</function>"), sent=SENT),
            "tool-call-leaked-as-text",
        ),
    ],
)
def test_shape_deviations(id: str, reply: Reply, case: str) -> None:
    result = over(id, CALLED, reply)
    assert (result.status, result.case) == (Status.FAIL, case)


SHAPES = (
    "tool-call-shape",
    "tool-call-id",
    "tool-call-ids-unique",
    "tool-call-type",
    "tool-call-name",
    "tool-arguments-string",
    "tool-arguments-json",
    "tool-arguments-encoded-once",
    "tool-finish-reason",
    "tool-call-not-in-text",
)


@pytest.mark.parametrize("id", SHAPES)
@pytest.mark.parametrize(
    "reply",
    [
        CALLED,
        TWO,
        plain(tool_call(index=0), content=""),
        plain(tool_call(extra_content={"x": 1}), content=None, reasoning_content="hm"),
        said("ok", message={"tool_calls": []}),
        said("ok", message={"tool_calls": None}),
        plain(tool_call("get_news"), sent={"tool_choice": {"type": "function"}}, finish_reason="stop"),
        plain(tool_call("create_order", '{"customer": {"name": "Ada"}, "products": ["tea"]}')),
        plain(tool_call(arguments=' {"city": "Zürich"}\n')),
        said("Use <b>JSON</b> with a name"),
        said("London </tool_call>"),
        said('<tool_call>{"name": "get_weather"}</tool_call>', sent={"tool_choice": "none"}),
        answer(
            completion(tool_calls=[tool_call(arguments='{"ci')], finish_reason="length"),
            sent={**SENT, "max_tokens": 4},
        ),
    ],
)
def test_shapes_accept_legal_variety(id: str, reply: Reply) -> None:
    assert over(id, CALLED, reply).status is Status.PASS


@pytest.mark.parametrize("id", [id for id in SHAPES if id != "tool-call-not-in-text"])
def test_shapes_without_any_call_are_blocked(id: str) -> None:
    assert over(id, CHATTY).blocked_by == "tool-called"


def test_an_entry_without_anything_is_one_failure() -> None:
    reply = plain(tool_call(), {"id": "", "type": "function", "function": {"name": "", "arguments": "{}"}})
    failing = [id for id in SHAPES if over(id, reply).status is Status.FAIL]
    assert failing == ["tool-call-id"]


# --- accepted


@pytest.mark.parametrize(
    ("reply", "case"),
    [
        (
            refusal(400, '"auto" tool choice requires --enable-auto-tool-choice'),
            "tools-auto-needs-server-flag",
        ),
        (answer(b"", status=405, sent=SENT), "tools-unsupported-405-no-body"),
        (refusal(404, "No endpoints found matching your data policy"), "data-policy-404"),
        (refusal(400), "tools-refused"),
        (answer(None, status=None, sent=SENT), "no-answer"),
    ],
)
def test_tools_refused(reply: Reply, case: str) -> None:
    result = judge("tools-accepted", weather_call=reply)
    assert (result.status, result.case) == (Status.FAIL, case)


def test_tools_accepted_without_a_call() -> None:
    assert judge("tools-accepted", weather_call=CHATTY).status is Status.PASS


def test_a_bad_call_of_the_model_answered_with_400() -> None:
    failed = refusal(400, "Failed to call a function.", "tool_use_failed")
    result = over("tool-mistakes-answered", CALLED, failed)
    assert (result.status, result.case) == (Status.FAIL, "tool-use-failed-400")
    assert judge("tools-accepted", weather_call=failed).blocked_by == "tool-mistakes-answered"
    crashed = refusal(500, "got exception: Unexpected empty grammar stack after accepting piece")
    assert over("tool-mistakes-answered", CALLED, crashed).case == "bad-output-as-server-error"
    assert over("tool-mistakes-answered", CALLED, refusal(400)).status is Status.PASS
    assert over("tool-mistakes-answered", refusal(400)).blocked_by == "chat-accepted"


@pytest.mark.parametrize(
    ("refused", "case"),
    [
        (("required",), "required-rejected"),
        (("required", "named"), "required-named-rejected"),
        (("required", "named", "none"), "tool-choice-rejected"),
        ((), None),
    ],
)
def test_values_of_tool_choice(refused: tuple[str, ...], case: str | None) -> None:
    values = {
        "auto": "no_tool_needed",
        "required": "required_call",
        "named": "named_call",
        "none": "none_call",
    }
    evidence: dict[str, Any] = {
        probe: refusal(400) if value in refused else CALLED for value, probe in values.items()
    }
    result = judge("tool-choice-accepted", **evidence)
    assert (result.status, result.case) == (Status.FAIL if case else Status.PASS, case)


@pytest.mark.parametrize(
    ("id", "probe", "case"),
    [
        ("tool-choice-own-mode", "own_mode_choice", "tool-choice-rejected"),
        ("parallel-tool-calls-accepted", "parallel_off", "parallel-tool-calls-rejected"),
    ],
)
def test_single_acceptances(id: str, probe: str, case: str) -> None:
    assert alone(id, probe, CALLED).status is Status.PASS
    assert alone(id, probe, CHATTY).status is Status.PASS
    assert alone(id, probe, refusal(422)).case == case


def test_a_refusal_that_a_ground_shares_is_the_grounds() -> None:
    ground = answer(b"", status=405, sent=SENT, owner="tools-accepted")
    refused = answer(b"", status=405, sent=SENT, grounds=[ground])
    assert judge("parallel-tool-calls-accepted", parallel_off=refused).blocked_by == "tools-accepted"


# --- a call is made


@pytest.mark.parametrize(
    ("reply", "hello", "expected"),
    [
        (CALLED, RAMBLED, (Status.PASS, None, None)),
        (attempts(said("Hm."), plain(tool_call())), OBEYED, (Status.PASS, None, None)),
        (CHATTY, OBEYED, (Status.FAIL, "tool-not-called-although-advertised", None)),
        (CHATTY, RAMBLED, (Status.ERROR, None, "exact-reply")),
        (EMPTY, RAMBLED, (Status.FAIL, "malformed-tool-call-empty-200", None)),
        (LEAKED, OBEYED, (Status.ERROR, None, "tool-call-not-in-text")),
        (CAPPED, OBEYED, (Status.ERROR, None, None)),
        (plain(tool_calls="get_weather"), OBEYED, (Status.ERROR, None, "tool-call-shape")),
        (
            said(None, message={"function_call": {"name": "get_weather", "arguments": "{}"}}),
            OBEYED,
            (Status.ERROR, None, "response-function-call"),
        ),
    ],
)
def test_tool_called(reply: Reply, hello: Reply, expected: tuple[Any, ...]) -> None:
    result = judge("tool-called", weather_call=reply, hello=hello)
    assert (result.status, result.case, result.blocked_by) == expected


def test_calls_in_a_second_choice_are_the_choices_fault() -> None:
    body = completion("I look it up.")
    body["choices"] += completion(tool_calls=[tool_call()])["choices"]
    split = answer(body, sent=SENT)
    assert judge("tool-called", weather_call=split, hello=OBEYED).blocked_by == "response-choice-count"


NEWS = plain(tool_call("get_news"))


@pytest.mark.parametrize(
    ("id", "evidence", "expected"),
    [
        ("tool-choice-required", {"required_call": CALLED, "weather_call": CALLED}, (Status.PASS, None)),
        (
            "tool-choice-required",
            {"required_call": CHATTY, "weather_call": CALLED},
            (Status.FAIL, "tool-choice-required-ignored"),
        ),
        (
            "tool-choice-required",
            {"required_call": EMPTY, "weather_call": CALLED},
            (Status.FAIL, "malformed-tool-call-empty-200"),
        ),
        (
            "tool-choice-required",
            {"required_call": EMPTY, "weather_call": EMPTY},
            (Status.ERROR, "tool-called"),
        ),
        ("tool-choice-named", {"named_call": NEWS, "required_call": CALLED}, (Status.PASS, None)),
        (
            "tool-choice-named",
            {"named_call": CALLED, "required_call": CALLED},
            (Status.FAIL, "tool-choice-named-ignored"),
        ),
        (
            "tool-choice-named",
            {"named_call": CHATTY, "required_call": CALLED},
            (Status.FAIL, "tool-choice-named-ignored"),
        ),
        (
            "tool-choice-named",
            {"named_call": CHATTY, "required_call": CHATTY},
            (Status.ERROR, "tool-choice-required"),
        ),
        ("tool-choice-none", {"none_call": CHATTY}, (Status.PASS, None)),
        ("tool-choice-none", {"none_call": CALLED}, (Status.FAIL, "tool-choice-none-ignored")),
        ("tool-choice-auto", {"hello": OBEYED, "no_tool_needed": said("ok")}, (Status.PASS, None)),
        (
            "tool-choice-auto",
            {"hello": OBEYED, "no_tool_needed": CALLED},
            (Status.FAIL, "tool-choice-auto-forces-call"),
        ),
        ("tool-choice-auto", {"hello": RAMBLED, "no_tool_needed": CALLED}, (Status.ERROR, "exact-reply")),
    ],
)
def test_tool_choice(id: str, evidence: dict[str, Any], expected: tuple[Any, ...]) -> None:
    result = judge(id, **evidence)
    assert (result.status, result.case or result.blocked_by) == expected


# --- several calls


@pytest.mark.parametrize(
    ("reply", "weather", "hello", "expected"),
    [
        (TWO, CALLED, RAMBLED, (Status.PASS, None)),
        (CALLED, CALLED, OBEYED, (Status.FAIL, "one-call")),
        (CALLED, CALLED, RAMBLED, (Status.ERROR, "exact-reply")),
        (CHATTY, CALLED, OBEYED, (Status.FAIL, "no-call")),
        (CHATTY, CHATTY, OBEYED, (Status.ERROR, "tool-called")),
        (refusal(400), CALLED, OBEYED, (Status.FAIL, "two-calls-refused")),
    ],
)
def test_parallel_calls(reply: Reply, weather: Reply, hello: Reply, expected: tuple[Any, ...]) -> None:
    result = judge("parallel-tool-calls", hello=hello, weather_call=weather, parallel_calls=reply)
    assert (result.status, result.case or result.blocked_by) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (CALLED, (Status.PASS, None)),
        (TWO, (Status.FAIL, "parallel-tool-calls-false-ignored")),
        (CHATTY, (Status.FAIL, "no-call")),
        (LEAKED, (Status.ERROR, "tool-call-not-in-text")),
    ],
)
def test_parallel_calls_off(reply: Reply, expected: tuple[Any, ...]) -> None:
    result = judge("parallel-tool-calls-off", hello=OBEYED, parallel_off=reply, parallel_calls=TWO)
    assert (result.status, result.case or result.blocked_by) == expected


@pytest.mark.parametrize(
    ("id", "case"), [("call_1", "tool-call-id-not-unique-across-turns"), ("call_2", None)]
)
def test_ids_across_turns(id: str, case: str | None) -> None:
    history = {
        "messages": [{"role": "user", "content": "?"}, {"role": "assistant", "tool_calls": [tool_call()]}]
    }
    again = plain(tool_call(id=id), sent=history)
    assert judge("tool-call-ids-across-turns", weather_call=CALLED, parallel_off=again).case == case


# --- definitions


def options(together: Reply, **parts: Reply) -> Replies:
    return Replies({BUNDLE: together, **parts}, "bundle", "owner")


@pytest.mark.parametrize(
    ("id", "probe", "case"),
    [
        ("tool-schema-accepted", "rich_schema_call", "tool-schema-keyword-rejected"),
        ("tool-names-accepted", "odd_tool_names", "tool-name-restricted"),
    ],
)
def test_bundles_of_definitions(id: str, probe: str, case: str) -> None:
    one = alone(id, probe, options(refusal(400), first=CALLED, second=refusal(400)))
    assert (one.case, "second" in (one.expected or ""), "first" in (one.expected or "")) == (
        case,
        True,
        False,
    )
    assert alone(id, probe, options(refusal(400), first=CALLED)).case == "together"
    assert alone(id, probe, options(CHATTY)).status is Status.PASS


def test_tool_without_parameters() -> None:
    def judged(call: Reply, streamed: Reply) -> Judgement:
        return judge(
            "tool-without-parameters-accepted", zero_argument_call=call, zero_argument_stream=streamed
        )

    ok = stream(chunk_list("ok"), sent=SENT)
    assert judged(CALLED, ok).status is Status.PASS
    omitted = judged(refusal(400), ok)
    assert omitted.case == "tool-parameters-omitted-rejected"
    assert "properties" in (omitted.expected or "")
    assert judged(CALLED, refusal(400)).case == "empty-properties-rejected"


def test_strict_tools() -> None:
    rich = options(CALLED)
    closed = options(refusal(400), **{"additional-properties": refusal(400)})

    def judged(reply: Reply, schemas: Replies) -> Judgement:
        return judge("strict-tools-accepted", strict_call=reply, rich_schema_call=schemas)

    assert judged(CHATTY, rich).status is Status.PASS
    assert judged(refusal(400), rich).case == "strict-tool-schema-rejected"
    assert judged(refusal(400), closed).blocked_by == "tool-schema-accepted"


GOOD_BOOKING = {"city": "Paris", "guests": 4, "place": "outside"}
GOOD_ORDER = {"customer": {"name": "Ada", "address": {"city": "Paris"}}, "size": "large", "products": ["tea"]}


@pytest.mark.parametrize(
    ("id", "name", "arguments", "expected"),
    [
        ("strict-arguments-fit", "book_table", GOOD_BOOKING, (Status.PASS, None)),
        (
            "strict-arguments-fit",
            "book_table",
            GOOD_BOOKING | {"guests": "4"},
            (Status.FAIL, "strict-ignored"),
        ),
        ("strict-arguments-fit", "book_table", GOOD_BOOKING | {"more": 1}, (Status.FAIL, "strict-ignored")),
        ("strict-arguments-fit", "other", GOOD_BOOKING, (Status.ERROR, "tool-call-name")),
        ("strict-arguments-fit", "book_table", "{bad", (Status.ERROR, "tool-arguments-json")),
        ("strict-arguments-fit", "book_table", {}, (Status.FAIL, "strict-ignored")),
        ("tool-arguments-fit", "create_order", GOOD_ORDER, (Status.PASS, None)),
        ("tool-arguments-fit", "create_order", GOOD_ORDER | {"comment": None}, (Status.PASS, None)),
        (
            "tool-arguments-fit",
            "create_order",
            GOOD_ORDER | {"size": "huge"},
            (Status.FAIL, "schema-violated"),
        ),
        (
            "tool-arguments-fit",
            "create_order",
            GOOD_ORDER | {"customer": '{"name": "Ada"}'},
            (Status.ERROR, "tool-arguments-encoded-once"),
        ),
    ],
)
def test_arguments_fit(id: str, name: str, arguments: Any, expected: tuple[Any, ...]) -> None:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    reply = plain(tool_call(name, text))
    result = judge(id, strict_call=reply, rich_schema_call=options(reply))
    assert (result.status, result.case or result.blocked_by) == expected


def timed(arguments: Any, streamed: bool = False) -> Reply:
    call = tool_call("get_time", arguments)
    return stream(chunk_list(tool_calls=[call]), sent=SENT) if streamed else plain(call)


@pytest.mark.parametrize(
    ("call", "streamed", "expected"),
    [
        (timed("{}"), timed("{}", True), (Status.PASS, None)),
        (timed('{"zone": "UTC"}'), timed(" {} ", True), (Status.PASS, None)),
        (timed(""), timed("{}", True), (Status.FAIL, "tool-arguments-empty-string")),
        (timed("{}"), timed("", True), (Status.FAIL, "tool-arguments-empty-string")),
        (timed(None), timed("{}", True), (Status.FAIL, "null")),
        (timed("[]"), timed("{}", True), (Status.ERROR, "tool-arguments-json")),
        (timed("{"), timed("{}", True), (Status.ERROR, "tool-arguments-json")),
        (timed({}), timed("{}", True), (Status.ERROR, "tool-arguments-string")),
        (timed("{}"), timed("{}{}", True), (Status.ERROR, "tool-stream-arguments")),
        (CHATTY, stream(chunk_list("ok"), sent=SENT), (Status.ERROR, "tool-called")),
    ],
)
def test_zero_arguments(call: Reply, streamed: Reply, expected: tuple[Any, ...]) -> None:
    result = judge(
        "tool-zero-arguments",
        zero_argument_call=call,
        zero_argument_stream=streamed,
        exchanges=exchanges(call, streamed),
    )
    assert (result.status, result.case or result.blocked_by) == expected
    for id in ("tool-arguments-string", "tool-arguments-json"):
        assert (over(id, CALLED, call).status is Status.FAIL) == (result.blocked_by == id)


@pytest.mark.parametrize(
    ("silent", "weather", "hello", "expected"),
    [
        ((), CALLED, OBEYED, (Status.PASS, None)),
        (("strict_call",), CALLED, OBEYED, (Status.FAIL, "tool-not-called-although-advertised")),
        (("strict_call",), CALLED, RAMBLED, (Status.ERROR, "exact-reply")),
        (("strict_call",), CHATTY, OBEYED, (Status.ERROR, "tool-called")),
    ],
)
def test_other_tools_called(
    silent: tuple[str, ...], weather: Reply, hello: Reply, expected: tuple[Any, ...]
) -> None:
    streamed = stream(chunk_list(tool_calls=[tool_call()]), sent=SENT)
    evidence: dict[str, Any] = {
        "zero_argument_call": CALLED,
        "zero_argument_stream": streamed,
        "strict_call": CALLED,
        "note_call_stream": streamed,
        "weather_call_stream": streamed,
        "rich_schema_call": options(REFUSED),
        "odd_tool_names": options(CALLED),
    }
    evidence |= dict.fromkeys(silent, CHATTY)
    result = judge("other-tools-called", hello=hello, weather_call=weather, **evidence)
    assert (result.status, result.case or result.blocked_by) == expected
