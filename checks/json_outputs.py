"""JSON outputs: answers that your code parses are JSON, and keep to your schema."""

import re
from typing import Any

from jsonschema import Draft202012Validator

from llmcompat import BUNDLE, Api, Replies, Reply, blocked, check, fail, judged, load_json, probe

from ._control import taken
from ._streams import sound

OBJECT_QUESTION = (
    'Tell me in a friendly sentence what "Zürich" is known for, '
    'and then once more as a JSON object with the keys "city" and "known_for".'
)
SCHEMA_QUESTION = (
    "What is the capital of France? Answer in a friendly sentence, "
    'and add a JSON object with the key "src" that says where you know it from.'
)
"""Asks for prose and for a key that the schema forbids: only a model that is held to it obeys."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "dst": {"type": "string", "enum": ["north-gate", "south-gate"]},
        "level": {"type": "integer"},
    },
    "required": ["dst", "level"],
    "additionalProperties": False,
}
LOOKUP = {
    "type": "function",
    "function": {
        "name": "get_exchange_rate",
        "description": "Get the exchange rate between two currencies.",
        "parameters": {
            "type": "object",
            "properties": {"base": {"type": "string"}, "quote": {"type": "string"}},
            "required": ["base", "quote"],
        },
    },
}
LONG_SPACE = re.compile(r"\s{50,}")
STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


def schema_format(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A response_format of type json_schema."""
    return {"type": "json_schema", "json_schema": {"name": "route", "schema": schema, **more}}


STRICT = schema_format(SCHEMA, strict=True)


# --- probes


@probe(owner="json-object-accepted", grounds=["hello"])
async def json_object_plain(api: Api) -> Reply:
    """JSON mode, with a question that invites prose."""
    return await api.chat(OBJECT_QUESTION, response_format={"type": "json_object"})


@probe(owner="json-object-stream-accepted", grounds=["hello", "stream_text", "json_object_plain"])
async def json_object_stream(api: Api) -> Reply:
    """JSON mode, streamed."""
    return await api.chat(OBJECT_QUESTION, response_format={"type": "json_object"}, stream=True)


@probe(owner="json-schema-accepted", grounds=["hello"], quick=True)
async def json_schema_plain(api: Api) -> Reply:
    """A strict schema against a question that asks for something else."""
    return await api.chat(SCHEMA_QUESTION, response_format=STRICT)


@probe(
    owner="json-schema-stream-accepted",
    grounds=["hello", "stream_text", "json_schema_plain", "json_object_stream"],
)
async def json_schema_stream(api: Api) -> Reply:
    """The same, streamed."""
    return await api.chat(SCHEMA_QUESTION, response_format=STRICT, stream=True)


@probe(owner="json-with-tools-accepted", grounds=["hello", "weather_call", "json_schema_plain"])
async def json_with_tools(api: Api) -> Reply:
    """The same beside a tool that the question does not need."""
    return await api.chat(SCHEMA_QUESTION, response_format=STRICT, tools=[LOOKUP])


@probe(owner="json-schema-variants-accepted", grounds=["hello", "json_schema_plain"])
async def json_schema_variants(api: Api) -> Replies:
    """Forms of the schema that clients send: without the key strict, and with $schema inside."""
    marked = {"$schema": "http://json-schema.org/draft-07/schema#", **SCHEMA}
    return await api.bundle(
        {"messages": SCHEMA_QUESTION},
        {
            "no-strict": {"response_format": schema_format(SCHEMA)},
            "schema-keyword": {"response_format": schema_format(marked, strict=True)},
        },
        together={"response_format": schema_format(marked)},
    )


# --- accepted


@check(
    "json-object-accepted",
    feature="json-object",
    fix="Ask for JSON in the prompt and parse defensively, or use a schema or a forced tool call instead.",
)
def json_object_accepted(json_object_plain: Reply) -> None:
    """JSON mode is accepted.

    response_format json_object is what most code that parses answers has sent since 2023.
    """
    taken(json_object_plain, "json-object-rejected")


@check(
    "json-object-stream-accepted",
    feature="json-object",
    fix="Ask without a stream where you ask for JSON.",
)
def json_object_stream_accepted(json_object_stream: Reply) -> None:
    """JSON mode is accepted with a stream.

    Frameworks that stream everything fail on every structured answer otherwise.
    """
    taken(json_object_stream, "json-mode-with-stream-rejected")


@check(
    "json-schema-accepted",
    feature="json-schema",
    fix="Use JSON mode with the schema in the prompt, or a forced tool call with the schema as parameters.",
)
def json_schema_accepted(json_schema_plain: Reply) -> None:
    """A strict JSON schema is accepted.

    The .parse() helpers of the SDKs, LangChain and the AI SDK send a response_format of type json_schema.
    """
    misleading = json_schema_plain.status == 404
    taken(json_schema_plain, "json-schema-strict-misleading-404" if misleading else "json-schema-rejected")


@check(
    "json-schema-stream-accepted",
    feature="json-schema",
    fix="Ask without a stream where you send a schema.",
)
def json_schema_stream_accepted(json_schema_stream: Reply) -> None:
    """A JSON schema is accepted with a stream.

    Streamed objects, as the AI SDK shows them, fail otherwise.
    """
    taken(json_schema_stream, "structured-output-stream-rejected-for-reasoning")


@check(
    "json-with-tools-accepted",
    feature="json-schema",
    chat="should",
    fix="Let the last answer be a tool call of its own, or ask for the JSON in a request without tools.",
)
def json_with_tools_accepted(json_with_tools: Reply) -> None:
    """A JSON schema is accepted beside tools.

    Agents with a typed result send both in every request.
    """
    taken(json_with_tools, "json-mode-with-tools-rejected")


@check(
    "json-schema-strict-optional",
    feature="json-schema",
    fix="Send strict: true or false with every schema.",
)
def json_schema_strict_optional(json_schema_variants: Replies) -> None:
    """A JSON schema is accepted without the key strict.

    The key is optional, and code that leaves it out works with OpenAI.
    """
    taken(json_schema_variants.part("no-strict"), "json-schema-strict-key-required")


@check(
    "json-schema-keyword-accepted",
    feature="json-schema",
    fix="Remove $schema from the schema before it is sent.",
)
def json_schema_keyword_accepted(json_schema_variants: Replies) -> None:
    """A JSON schema is accepted with $schema inside.

    Generators of schemas write the keyword, and the AI SDK sends it with every schema.
    """
    taken(json_schema_variants.part("schema-keyword"), "schema-keyword-rejected")


@check(
    "json-schema-variants-accepted",
    feature="json-schema",
    fix="Send strict with every schema, and remove $schema from it.",
)
def json_schema_variants_accepted(json_schema_variants: Replies) -> None:
    """A JSON schema without strict and with $schema is accepted.

    Each alone says little: real requests carry both.
    """
    bundle = json_schema_variants[BUNDLE]
    if bundle.answered or any(
        reply.refused for part, reply in json_schema_variants.items() if part != BUNDLE
    ):
        return
    taken(bundle, "together")


# --- what came


def _accepted(*replies: Reply) -> tuple[Reply, ...]:
    """The accepted ones; blocked as the first one is where there is none, as a refusal has its own check."""
    found = tuple(reply for reply in replies if reply.answered)
    if not found:
        replies[0].require()
    return judged(found, nothing=replies[0].owner)


def _value(text: str) -> Any:
    """The JSON value that the whole text is; raises ValueError where it is none."""
    return load_json(text.strip())


def _broken_case(reply: Reply) -> str | None:
    """How an answer fails to be one JSON object; None where it is one. Thinking in it is another check's."""
    sound(reply)
    if reply.capped and LONG_SPACE.search(reply.content or ""):
        blocked("json-no-white-space-runs")
    text = reply.text.strip()
    if "<think" in text or "</think>" in text:
        blocked("no-think-tags")
    try:
        return None if isinstance(_value(text), dict) else "not-an-object"
    except ValueError:
        pass
    if text.startswith("```"):
        return "json-object-fenced"
    if not text.startswith(("{", "[")):
        return "json-mode-dropped-by-gateway"
    if _is_cut(text):
        return "cut-without-length"
    return "text-behind-json" if re.match(r"\{.*\}\s*\S", text, re.DOTALL) else "invalid-json"


def _is_cut(text: str) -> bool:
    """Whether JSON ends before its brackets close."""
    outside = STRINGS.sub("", text)
    return '"' in outside or outside.count("{") + outside.count("[") > outside.count("}") + outside.count("]")


@check(
    "json-object-parses",
    feature="json-object",
    fix="Cut the answer down to the outermost braces before you parse it, and ask again where that fails.",
)
def json_object_parses(json_object_plain: Reply, json_object_stream: Reply) -> None:
    """In JSON mode the answer is one JSON object and nothing else.

    A code fence or a sentence before the object fails in every client's parser, and in json.loads.
    """
    for reply in _accepted(json_object_plain, json_object_stream):
        case = _broken_case(reply)
        if case is not None:
            fail(reply.text, expected="one JSON object", case=case)


@check(
    "json-schema-parses",
    feature="json-schema",
    fix="Cut the answer down to the outermost braces before you parse it, and ask again where that fails.",
)
def json_schema_parses(json_schema_plain: Reply, json_schema_stream: Reply) -> None:
    """With a schema the answer is one JSON object and nothing else.

    A code fence, a sentence or thinking before the object raises a ValidationError in every .parse() helper.
    """
    for reply in _accepted(json_schema_plain, json_schema_stream):
        case = _broken_case(reply)
        if case is not None:
            fail(reply.text, expected="one JSON object", case=case)


def _violation(reply: Reply) -> str | None:
    """What an answer breaks of the schema, in words; None where it keeps to it."""
    if _broken_case(reply) is not None:
        blocked("json-schema-parses")
    error = next(Draft202012Validator(SCHEMA).iter_errors(_value(reply.text)), None)
    return error.message if error is not None else None


@check(
    "json-schema-followed",
    feature="json-schema",
    fix="Validate every answer and ask again where it does not fit; try a forced tool call instead.",
)
def json_schema_followed(json_schema_plain: Reply, json_schema_stream: Reply) -> None:
    """An answer keeps to its strict schema.

    A schema that is accepted and not enforced shows up as a ValidationError now and then, in production. The
    question asks for another key and for prose, so that only enforcement makes the answer fit.
    """
    for reply in _accepted(json_schema_plain, json_schema_stream):
        violation = _violation(reply)
        if violation is not None:
            fail(
                f"{reply.text} ({violation})", expected="dst and level alone", case="json-schema-not-enforced"
            )


@check(
    "json-schema-key-order",
    feature="json-schema",
    chat="should",
    agent="should",
    fix="Read keys by name; where the order steers the model (reasoning before result), use two requests.",
)
def json_schema_key_order(json_schema_plain: Reply) -> None:
    """Keys come in the schema's order.

    Schemas that ask for the reasoning before the result rely on it.
    """
    if _violation(json_schema_plain) is not None:
        blocked("json-schema-followed")
    keys = list(_value(json_schema_plain.text))
    if keys != list(SCHEMA["properties"]):
        fail(keys, expected=", ".join(SCHEMA["properties"]), case="other-key-order")


@check(
    "json-with-tools-followed",
    feature="json-schema",
    chat="should",
    fix="Ask for the JSON in a request without tools.",
)
def json_with_tools_followed(json_with_tools: Reply, json_schema_plain: Reply) -> None:
    """An answer keeps to its schema when tools are offered too.

    Some servers drop the schema as soon as a tool is there, and the agent's last answer is prose.
    """
    if json_schema_plain.refused or _violation(json_schema_plain) is not None:
        blocked("json-schema-followed")
    text = json_with_tools.text
    if _broken_case(json_with_tools) is not None or _violation(json_with_tools) is not None:
        fail(text, expected="JSON with dst and level alone", case="schema-dropped-with-tools")


@check(
    "json-no-white-space-runs",
    feature="json-object",
    fix="Cap max_tokens tightly for JSON, and tell the model to write compact JSON on one line.",
)
def json_no_white_space_runs(json_object_plain: Reply, json_schema_plain: Reply) -> None:
    """JSON answers hold no long runs of white space.

    A model that is held to JSON and has nothing to say writes line ends until the token limit: minutes of
    waiting and thousands of billed tokens for an object that is never closed.
    """
    accepted = _accepted(json_object_plain, json_schema_plain)
    for reply in judged((reply for reply in accepted if reply.content), nothing="content-not-empty"):
        run = LONG_SPACE.search(STRINGS.sub('""', reply.content or ""))
        if run:
            reason = reply.find_finish_reason()
            seen = f"{len(run.group())} white-space characters in a row; finish_reason {reason}"
            fail(seen, expected="compact JSON", case="json-infinite-whitespace")
