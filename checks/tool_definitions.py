"""Tool definitions: every legal name, schema and option of a tool is taken, and such tools are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from llmcompat import (
    BUNDLE,
    MISSING,
    Api,
    Exchanges,
    Replies,
    Reply,
    blocked,
    called,
    check,
    fail,
    note,
    probe,
    tool,
)

from ._control import obeys
from ._tool_pieces import streamed_calls
from ._tools import (
    CITY,
    GROUND,
    STREAM_GROUND,
    accept,
    accept_options,
    fail_uncalled,
    is_json_object,
    nested_text,
    no_call,
    parse_arguments,
    streams_with_calls,
    takes_nothing,
)

TIME = tool("get_time", "Get the current time. It takes no arguments.")
"""`parameters` left out: the documented way to define a function without arguments."""
TIME_WITH_SCHEMA = tool(
    "get_time", "Get the current time. It takes no arguments.", {"type": "object", "properties": {}}
)
ASK_TIME = "What time is it? Use the tool get_time."

ORDER_SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "customer": {"$ref": "#/$defs/customer"},
        "size": {"type": "string", "enum": ["small", "large"]},
        "products": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "payment": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "comment": {"type": ["string", "null"]},
    },
    "required": ["customer", "size", "products"],
    "additionalProperties": False,
    "$defs": {
        "customer": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "address": {"type": "object", "properties": {"city": CITY}, "required": ["city"]},
            },
            "required": ["name", "address"],
        }
    },
}
"""What the schema generators of common libraries emit, in one schema."""

_ADDRESS = {"type": "object", "properties": {"city": CITY}, "required": ["city"]}
KEYWORDS: dict[str, dict[str, Any]] = {
    "schema-uri": {"$schema": ORDER_SCHEMA["$schema"], "properties": {"city": CITY}},
    "additional-properties": {"properties": {"city": CITY}, "additionalProperties": False},
    "refs": {"properties": {"address": {"$ref": "#/$defs/address"}}, "$defs": {"address": _ADDRESS}},
    "any-of": {"properties": {"payment": {"anyOf": [{"type": "string"}, {"type": "null"}]}}},
    "enum": {"properties": {"size": {"type": "string", "enum": ["small", "large"]}}},
    "type-list": {"properties": {"comment": {"type": ["string", "null"]}}},
    "unique-items": {
        "properties": {"products": {"type": "array", "items": {"type": "string"}, "uniqueItems": True}}
    },
    "array": {"properties": {"products": {"type": "array", "items": {"type": "string"}}}},
    "nested-object": {"properties": {"address": _ADDRESS}},
}
"""The same keywords one by one: each makes a schema of its own."""

ASK_ORDER = (
    "Call the tool create_order for the customer Ada Smith in the city Paris, "
    'size large, with the products "tea" and "milk".'
)

BOOKING_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": CITY,
        "guests": {"type": "integer"},
        "place": {"type": "string", "enum": ["inside", "outside"]},
    },
    "required": ["city", "guests", "place"],
    "additionalProperties": False,
}
ASK_BOOKING = "Book a table in Paris for 4 guests, outside. Use the tool book_table."

LONG_NAME = "look_up_the_local_time_of_a_city_in_the_world_clock_by_its_name_"
"""64 characters, the longest that the reference allows."""
ODD_NAMES = {"digit-first": "1abc_test", "64-characters": LONG_NAME, "dashes": "get-time-of-day"}


def _city_tool(name: str) -> dict[str, Any]:
    return tool(name, "A test tool.", {"type": "object", "properties": {"city": CITY}, "required": ["city"]})


# --- what is asked


@probe(owner="tool-without-parameters-accepted", called="other-tools-called", grounds=GROUND)
async def zero_argument_call(api: Api) -> Reply:
    """A tool without arguments, its parameters left out."""
    return await api.chat(ASK_TIME, tools=[TIME], until=called("get_time"))


@probe(owner="tool-without-parameters-accepted", called="other-tools-called", grounds=STREAM_GROUND)
async def zero_argument_stream(api: Api) -> Reply:
    """A tool without arguments whose parameters say so, streamed."""
    return await api.chat(ASK_TIME, tools=[TIME_WITH_SCHEMA], stream=True, until=called("get_time"))


@probe(owner="tool-schema-accepted", called="other-tools-called", grounds=GROUND)
async def rich_schema_call(api: Api) -> Replies:
    """A schema with many keywords; one by one where it is refused."""
    schemas = {name: {"type": "object", **part} for name, part in KEYWORDS.items()}
    return await api.bundle(
        {"messages": ASK_ORDER},
        {
            name: {"tools": [tool("create_order", "Create an order.", schema)]}
            for name, schema in schemas.items()
        },
        together={
            "tools": [tool("create_order", "Create an order.", ORDER_SCHEMA)],
            "until": called("create_order"),
        },
    )


@probe(owner="strict-tools-accepted", called="other-tools-called", grounds=GROUND)
async def strict_call(api: Api) -> Reply:
    """A strict tool."""
    book = tool("book_table", "Book a table in a restaurant.", BOOKING_SCHEMA, strict=True)
    return await api.chat(ASK_BOOKING, tools=[book], until=called("book_table"))


@probe(owner="tool-names-accepted", called="other-tools-called", grounds=GROUND)
async def odd_tool_names(api: Api) -> Replies:
    """Names that are legal and unusual; one by one where they are refused."""
    return await api.bundle(
        {"messages": "Call the tool 1abc_test for the city Paris."},
        {part: {"tools": [_city_tool(name)]} for part, name in ODD_NAMES.items()},
        together={"tools": [_city_tool(name) for name in ODD_NAMES.values()], "until": called("1abc_test")},
    )


# --- the definition is taken


@check(
    "tool-without-parameters-accepted",
    feature="tools",
    fix='Give every tool parameters: {"type": "object", "properties": {}} where it takes none.',
)
def tool_without_parameters_accepted(zero_argument_call: Reply, zero_argument_stream: Reply) -> None:
    """A tool without arguments is accepted.

    `parameters` is optional; where it is not, a single tool without arguments makes every request of the
    agent fail.
    """
    also = "" if zero_argument_stream.refused else '; accepted with {"type": "object", "properties": {}}'
    accept(zero_argument_call, "tool-parameters-omitted-rejected", expected=f"200 without `parameters`{also}")
    accept(zero_argument_stream, "empty-properties-rejected")


@check(
    "tool-schema-accepted",
    feature="tools",
    fix="Strip the named keywords from your tools' schemas before sending, and inline $ref.",
)
def tool_schema_accepted(rich_schema_call: Replies) -> None:
    """The schema keywords that generators emit are accepted in tools.

    One refused keyword in one of many tools makes every request of the agent fail; pydantic and zod emit
    all of these.
    """
    accept_options(
        rich_schema_call, case="tool-schema-keyword-rejected", expected="200, keywords applied or ignored"
    )


@check(
    "strict-tools-accepted",
    feature="tools",
    fix="Leave `strict` out of your tools, and validate arguments in your own code.",
)
def strict_tools_accepted(strict_call: Reply, rich_schema_call: Replies) -> None:
    """Tools with strict: true are accepted.

    The SDKs' helpers and several agent frameworks mark every tool as strict.
    """
    closed = "additional-properties"  # a strict schema must be closed
    if strict_call.refused and closed in rich_schema_call and rich_schema_call[closed].refused:
        blocked("tool-schema-accepted")
    accept(strict_call, "strict-tool-schema-rejected")


@check(
    "tool-names-accepted",
    feature="tools",
    fix="Rename the tools that you send (start with a letter, stay short) and map the names back.",
)
def tool_names_accepted(odd_tool_names: Replies) -> None:
    """Every legal tool name is accepted.

    Names of up to 64 letters, digits, dashes and underscores are legal; names that MCP servers generate use
    all of that.
    """
    accept_options(
        odd_tool_names, case="tool-name-restricted", expected="200 for names of [A-Za-z0-9_-]{1,64}"
    )


# --- and used


@check(
    "other-tools-called",
    feature="tools",
    kind="behaviour",
    fix="Give these tools plainer names and schemas, or choose a model that is better at tools.",
)
def other_tools_called(
    hello: Reply,
    weather_call: Reply,
    weather_call_stream: Reply,
    zero_argument_call: Reply,
    zero_argument_stream: Reply,
    rich_schema_call: Replies,
    strict_call: Reply,
    odd_tool_names: Replies,
    note_call_stream: Reply,
) -> None:
    """Tools are called whatever their name, schema and arguments.

    A tool without arguments, with a nested schema or with an unusual name is one like any other; parsers
    lose such calls.
    """
    asked = {
        "zero_argument_call": zero_argument_call,
        "zero_argument_stream": zero_argument_stream,
        "rich_schema_call": rich_schema_call[BUNDLE],
        "strict_call": strict_call,
        "odd_tool_names": odd_tool_names[BUNDLE],
        "note_call_stream": note_call_stream,
    }
    answered = {name: reply for name, reply in asked.items() if not reply.refused}
    if not answered:
        weather_call.require()
        zero_argument_call.require()
    silent = {name: reply for name, reply in answered.items() if not reply.find_tool_calls()}
    if not silent:
        return
    if not weather_call.find_tool_calls():
        blocked("tool-called")
    streamed = [name for name, reply in silent.items() if reply.streamed]
    if len(streamed) == len(silent) and not weather_call_stream.find_tool_calls():
        blocked("tool-called-streamed")
    reply = min(silent.values(), key=lambda reply: reply.capped)
    case = no_call(reply)
    if case is None:
        obeys(hello)
    fail_uncalled(reply, f"a call in {', '.join(silent)}", case or "tool-not-called-although-advertised")


def _misfit(reply: Reply, name: str, schema: Mapping[str, Any]) -> str | None:
    """How the arguments of a call differ from its schema, or None; blocked where they are no object."""
    calls = [call for call in reply.tool_calls if call.name == name]
    if not calls:
        blocked("tool-call-name")
    for call in calls:
        value = call.parsed()
        if not isinstance(value, dict) or nested_text(reply, name, value):
            blocked(
                "tool-arguments-encoded-once" if isinstance(value, (str, dict)) else "tool-arguments-json"
            )
        errors = sorted(
            Draft202012Validator(schema).iter_errors(value), key=lambda error: list(map(str, error.path))
        )
        if errors:
            return f"{call.arguments}: {errors[0].message}"
    return None


@check(
    "tool-arguments-fit",
    feature="tools",
    kind="behaviour",
    chat="should",
    agent="should",
    fix="Validate arguments against the schema in your own code, and give the error back to the model.",
)
def tool_arguments_fit(rich_schema_call: Replies) -> None:
    """Arguments fit the tool's schema.

    Without `strict` nothing promises it, yet most code runs the tool with whatever comes.
    """
    seen = _misfit(rich_schema_call[BUNDLE], "create_order", ORDER_SCHEMA)
    if seen:
        fail(seen, expected="arguments that fit the schema", case="schema-violated")


@check(
    "strict-arguments-fit",
    feature="tools",
    fix="Do not rely on strict: validate arguments in your own code.",
)
def strict_arguments_fit(strict_call: Reply) -> None:
    """Arguments of a strict tool fit its schema.

    With strict: true code may take the arguments unchecked; where it is accepted and ignored, wrong types
    get through.
    """
    seen = _misfit(strict_call, "book_table", BOOKING_SCHEMA)
    if seen:
        fail(seen, expected="arguments that fit the strict schema", case="strict-ignored")


def lost_elsewhere(exchanges: Exchanges) -> bool:
    """Whether streamed calls of tools that need arguments came without any."""
    return any(
        not call.arguments and not takes_nothing(reply, call.name)
        for reply in streams_with_calls(exchanges)
        for call in streamed_calls(reply)
    )


@check(
    "tool-zero-arguments",
    feature="tools",
    fix='Read empty arguments as {} (json.loads(arguments or "{}")).',
)
def tool_zero_arguments(zero_argument_call: Reply, zero_argument_stream: Reply, exchanges: Exchanges) -> None:
    """A call without arguments has {} as its arguments.

    An empty string is no JSON: AI SDK never ran such a call, and json.loads raises.
    """
    found = [reply for reply in (zero_argument_call, zero_argument_stream) if reply.find_tool_calls()]
    if not found:
        _ = zero_argument_call.tool_calls
    for reply in found:
        for call in reply.find_tool_calls():
            if call.arguments in (None, "") or call.arguments is MISSING:
                if reply.streamed and lost_elsewhere(exchanges):
                    blocked("tool-stream-arguments")
                case = (
                    "null" if call.arguments is None and not reply.streamed else "tool-arguments-empty-string"
                )
                fail(call.raw, expected='"{}"', case=case)
            if not isinstance(call.arguments, str):
                blocked("tool-delta-arguments" if reply.streamed else "tool-arguments-string")
            owner = "tool-stream-arguments" if reply.streamed else "tool-arguments-json"
            try:
                value = parse_arguments(call.arguments)
            except ValueError:
                blocked(owner)
            if not isinstance(value, dict):
                blocked("tool-arguments-encoded-once" if is_json_object(value) else owner)
            if value:
                note(f"the model made up arguments: {call.arguments}")
