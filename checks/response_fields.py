"""Response fields: every field of a plain answer is there and of the type that clients read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from llmcompat import (
    MISSING,
    Exchanges,
    Profile,
    Reply,
    blocked,
    check,
    dig,
    fail,
    is_int,
    judged,
    note,
    show,
)

from ._finish_reasons import FINISH_REASONS

SERVICE_TIERS = ("auto", "default", "flex", "scale", "priority", "fast")

LARGEST_SECONDS = 2**32 - 1
"""The largest `created` that fits the unsigned 32-bit integer which strict clients read it into."""

DAY = 86_400

Found = tuple[Reply, Any]
"""A value and the answer that it was found in."""


# --- what is judged


def _documents(exchanges: Exchanges) -> tuple[Reply, ...]:
    """Every plain answer that is a JSON object and no error in disguise; blocked where there is none."""
    whole = judged(_whole(exchanges), nothing="chat-accepted")
    objects = judged((reply for reply in whole if isinstance(reply.document, dict)), nothing="response-json")
    return judged((reply for reply in objects if not _only_error(reply.document)), nothing="error-status")


def _whole(exchanges: Exchanges) -> Iterator[Reply]:
    return (reply for reply in exchanges.plain if reply.exchange.ended == "complete")


def _only_error(document: dict[str, Any]) -> bool:
    told = document.get("error") or document.get("object") == "error"
    return bool(told) and "choices" not in document


def _choices(exchanges: Exchanges) -> list[Found]:
    """Every choice of every plain answer."""
    found = [
        (reply, choice)
        for reply in _documents(exchanges)
        for choice in _listed(reply.document.get("choices"))
        if isinstance(choice, dict)
    ]
    if not found:
        blocked("response-choices")
    return found


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _messages(exchanges: Exchanges) -> list[Found]:
    """Every message of every plain answer."""
    found = [
        (reply, choice["message"])
        for reply, choice in _choices(exchanges)
        if isinstance(choice.get("message"), dict)
    ]
    if not found:
        blocked("response-message")
    return found


def _field(found: Iterable[Found], name: str) -> list[Found]:
    return [(reply, part.get(name, MISSING)) for reply, part in found]


def _top(exchanges: Exchanges, name: str) -> list[Found]:
    return [(reply, reply.document.get(name, MISSING)) for reply in _documents(exchanges)]


def _demand(found: list[Found], name: str, case_of: Callable[[Any], str | None], expected: str) -> None:
    """Fail where `case_of` names a deviation; seen are the first such value and in how many answers."""
    wrong = [(reply, value, case) for reply, value in found if (case := case_of(value)) is not None]
    if wrong:
        reply, value, case = wrong[0]
        places = f"{len(wrong)} of {len(found)} answers, first to {reply.probe or reply.exchange.probe}"
        fail(f"{name}: {_short(value)} in {places}", expected=expected, case=case)


def _short(value: object) -> str:
    # JSON also for text, so that "" and "0" are told from nothing and from 0.
    text = json.dumps(value) if isinstance(value, str) else show(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


# --- the body


@check(
    "response-json",
    fix="Look for a proxy or login page in between; send stream: false where a stream comes unasked.",
    trial="must",
)
def response_json(exchanges: Exchanges) -> None:
    """A plain answer is one JSON object.

    Every client parses the body as JSON. An empty one or a page of HTML with status 200 is not tried again by
    any SDK, and an unasked stream fails in each.
    """
    whole = judged(_whole(exchanges), nothing="chat-accepted")
    nulls = sum(dig(reply.document, "error") in (None, {}) for reply in whole)
    if nulls:
        note(
            f"{nulls} answers carry an empty error field: harmless here, an error to some clients in streams"
        )
    wrong = [reply for reply in whole if not isinstance(reply.document, dict)]
    if wrong:
        first = wrong[0]
        seen = first.excerpt if first.body.strip() else f"{first.status} with an empty body"
        fail(
            f"{seen} ({len(wrong)} of {len(whole)} answers)",
            expected="a body that is one JSON object",
            case=_not_an_object(first),
        )


def _not_an_object(reply: Reply) -> str:
    body = reply.body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        return "http-200-empty-body"
    if body.startswith((b"data:", b"event:", b": ", b"id:")) or b"\ndata:" in body:
        return "nonstream-returned-as-sse"
    if isinstance(reply.document, list):
        return "array"
    if reply.document is not MISSING:
        return "not-an-object"
    if body.startswith(b"<"):
        return "html"
    return "nan" if _names_no_number(body) else "not-json"


def _names_no_number(body: bytes) -> bool:
    """Whether a body is JSON but for NaN and Infinity, which Python writes and no other language reads."""
    found: list[str] = []
    try:
        json.loads(body, parse_constant=found.append)
    except (ValueError, RecursionError):
        return False
    return bool(found)


@check(
    "response-content-type",
    fix="Set the header in a gateway, or parse the text yourself: openai-node hands it over as a string.",
    trial="must",
)
def response_content_type(exchanges: Exchanges) -> None:
    """A plain answer says that it is JSON.

    openai-node parses a body only where the content type is application/json or ends in +json; otherwise the
    application gets a string, and LangChain for JavaScript crashes.
    """
    _demand(
        [(reply, reply.header("content-type")) for reply in _documents(exchanges)],
        "content-type",
        _content_type,
        "application/json",
    )


def _content_type(value: str | None) -> str | None:
    media = (value or "").partition(";")[0].strip().lower()
    if not media:
        return "content-type-missing"
    return None if media == "application/json" or media.endswith("+json") else "content-type-other"


@check(
    "response-error-key",
    fix="Treat an answer with a filled error field as failed, whatever else it holds.",
)
def response_error_key(exchanges: Exchanges) -> None:
    """A successful answer carries no error.

    LangChain for Python and LiteLLM raise on a filled error field, other clients read the choices beside it.
    """
    _demand(
        _top(exchanges, "error"),
        "error",
        lambda value: "error-beside-choices" if value else None,
        "no error field in an answer with choices",
    )


# --- the top of the document


@check("response-id", fix="Add an id in a gateway, or use a client that does not validate answers.")
def response_id(exchanges: Exchanges) -> None:
    """The field id is a string.

    Pydantic AI and async-openai refuse an answer without it; a number breaks the Vercel AI SDK and go-openai
    as well.
    """
    found = _top(exchanges, "id")
    if any(value == "" for _, value in found):
        note("id is empty: answers cannot be told apart in logs")
    _demand(found, "id", _string("id-missing", "id-not-a-string"), "a string")


def _string(missing: str, other: str) -> Callable[[Any], str | None]:
    def case(value: Any) -> str | None:
        if value is MISSING or value is None:
            return missing
        return None if isinstance(value, str) else other

    return case


@check(
    "response-object",
    fix='Set object to "chat.completion" in a gateway, or use a client that does not validate answers.',
)
def response_object(exchanges: Exchanges) -> None:
    """The field object is "chat.completion".

    Pydantic AI validates the word, and async-openai needs the field.
    """

    def case(value: Any) -> str | None:
        if value is MISSING or value is None:
            return "object-missing"
        return None if value == "chat.completion" else "object-other"

    _demand(_top(exchanges, "object"), "object", case, '"chat.completion"')


@check(
    "response-created",
    fix="Round created to whole seconds in a gateway, or use a client that does not validate answers.",
)
def response_created(exchanges: Exchanges) -> None:
    """The field created, where it is sent, is whole seconds.

    Typed clients read an integer: a fraction breaks Pydantic AI and go-openai, a string the Vercel AI SDK as
    well.
    """
    found = _top(exchanges, "created")
    _demand(found, "created", _created, "an integer: seconds since 1970")
    for reply, value in found:
        if is_int(value) and abs(value - _now(reply)) > DAY:
            note(f"created is not the time of the answer: {value}")


@check(
    "response-created-unit",
    chat="should",
    agent="should",
    fix="Divide created by 1000 where it is far in the future, if your code reads it.",
)
def response_created_unit(exchanges: Exchanges) -> None:
    """The field created counts seconds, not milliseconds.

    Clients that keep it in 32 bits, such as async-openai, overflow; the others show a date far in the future.
    """

    def case(value: Any) -> str | None:
        return "created-milliseconds" if is_int(value) and value > LARGEST_SECONDS else None

    chunks = [(reply, reply.all_chunks[0].data.get("created")) for reply in exchanges.readable_streams]
    _demand(_top(exchanges, "created") + chunks, "created", case, "seconds since 1970")


def _created(value: Any) -> str | None:
    if value is MISSING or value is None:
        return None
    if isinstance(value, float):
        return "created-float"
    if not is_int(value):
        return "created-string" if isinstance(value, str) else "created-not-a-number"
    return "created-negative" if value < 0 else None


def _now(reply: Reply) -> float:
    return datetime.fromisoformat(reply.exchange.started_at).timestamp()


@check(
    "response-created-present",
    fix="Add created in a gateway for clients that need it (async-openai).",
    chat="should",
    agent="should",
)
def response_created_present(exchanges: Exchanges) -> None:
    """The field created is there.

    Most clients do without; async-openai refuses the answer.
    """
    _demand(
        _top(exchanges, "created"),
        "created",
        lambda value: "created-missing" if value is MISSING or value is None else None,
        "seconds since 1970",
    )


@check("response-model", fix="Take the model's name from your own request.")
def response_model(exchanges: Exchanges, profile: Profile) -> None:
    """The field model is a string.

    Pydantic AI and async-openai refuse an answer without it, and cost tables are keyed by it.
    """
    found = _top(exchanges, "model")
    _demand(found, "model", _string("model-missing", "model-not-a-string"), "a string")
    for reply, value in found:
        asked = reply.sent.get("model")
        if isinstance(asked, str) and not _same_model(asked, value, profile):
            note(f"model-echo-differs: asked for {asked}, answered as {_short(value)}")


def _same_model(asked: str, answered: str, profile: Profile) -> bool:
    """Whether a name is the one asked for, a dated snapshot of it, or the model that it is an alias of."""
    names = [asked, profile.models.aliases.get(asked, asked)]
    last = answered.lower().rpartition("/")[2]
    return any(last.startswith(name.lower().rpartition("/")[2]) for name in names)


@check(
    "response-service-tier",
    fix="Leave service_tier out of the types of your client, or drop the field in a gateway.",
    chat="should",
    agent="should",
)
def response_service_tier(exchanges: Exchanges) -> None:
    """The field service_tier holds a tier that OpenAI knows.

    async-openai reads it into a closed list and refuses the whole answer for any other word.
    """
    _demand(
        _top(exchanges, "service_tier"),
        "service_tier",
        lambda value: (
            None if value is MISSING or value is None or value in SERVICE_TIERS else "service-tier-other"
        ),
        f"one of {', '.join(SERVICE_TIERS)}, null or nothing",
    )


# --- choices


@check(
    "response-choices",
    fix="Treat an answer without choices as failed and ask again; report it to the provider.",
    trial="must",
)
def response_choices(exchanges: Exchanges) -> None:
    """An answer has at least one choice.

    Every client reads choices[0] and fails where it is not there, with an error that names neither cause nor
    request.
    """

    def case(value: Any) -> str | None:
        if value is MISSING or value is None or value == []:
            return "choices-missing-or-empty-200"
        if not isinstance(value, list):
            return "choices-not-an-array"
        return None if all(isinstance(choice, dict) for choice in value) else "choice-not-an-object"

    _demand(_top(exchanges, "choices"), "choices", case, "an array with at least one object")


@check("response-choice-count", fix="Read text and tool calls from all choices, not from the first alone.")
def response_choice_count(exchanges: Exchanges) -> None:
    """One choice comes where one is asked for.

    Servers that put text and tool calls of one answer into two choices hide the calls from every client that
    reads choices[0].
    """
    _choices(exchanges)
    single = [
        (reply, len(reply.document["choices"]))
        for reply in _documents(exchanges)
        if reply.sent.get("n") in (None, 1) and _listed(reply.document.get("choices"))
    ]
    if not single:
        blocked("response-choices")
    wrong = [(reply, count) for reply, count in single if count > 1]
    if wrong:
        calls = any(dig(choice, "message.tool_calls") for choice in wrong[0][0].document["choices"])
        fail(
            f"{wrong[0][1]} choices in {len(wrong)} of {len(single)} answers, first to {wrong[0][0].probe}",
            expected="1 choice",
            case="choices-split-text-and-tools" if calls else "too-many-choices",
        )


@check(
    "response-choice-index", fix="Add the index in a gateway, or use a client that does not validate answers."
)
def response_choice_index(exchanges: Exchanges) -> None:
    """A choice has its number in index.

    Pydantic AI and the Vercel AI SDK's OpenAI provider refuse the answer without it.
    """

    def case(value: Any) -> str | None:
        if value is MISSING or value is None:
            return "choice-index-missing"
        if not is_int(value):
            return "choice-index-not-an-integer"
        return None if value >= 0 else "choice-index-negative"

    _demand(_field(_choices(exchanges), "index"), "index", case, "an integer, 0 for the first choice")
    for reply in _documents(exchanges):
        choices = _listed(reply.document.get("choices"))
        if len(choices) == 1 and dig(choices[0], "index") not in (0, MISSING):
            fail(
                f"index {choices[0]['index']} in the only choice", expected="0", case="choice-index-not-zero"
            )


@check(
    "response-message",
    fix="Treat an answer without a message as failed; raise the token limit where thinking has used it up.",
    trial="must",
)
def response_message(exchanges: Exchanges) -> None:
    """A choice has a message.

    Nearly every client reads choices[0].message and fails, and the others return nothing without an error.
    """
    found = _field(_choices(exchanges), "message")
    _demand(found, "message", _message, "an object")
    padding = {
        f"{name}: {show(message[name])}"
        for _, message in found
        for name in ("function_call", "audio")
        if name in message and message[name] in (None, [])
    }
    if padding:
        note(f"messages carry {', '.join(sorted(padding))}: take them out before you send the message back")


@check(
    "response-tool-calls-absent",
    fix="Take tool_calls out of a message where it is empty or null before you test for it or send it back.",
    chat="should",
    agent="should",
)
def response_tool_calls_absent(exchanges: Exchanges) -> None:
    """A message without tool calls has no field tool_calls.

    Code that asks whether the field is there takes null or an empty list for a call, and endpoints that
    validate histories refuse the message when it comes back.
    """

    def case(value: Any) -> str | None:
        return "tool-calls-null-or-empty-padding" if value is None or value == [] else None

    _demand(_field(_messages(exchanges), "tool_calls"), "tool_calls", case, "no field, or at least one call")


@check(
    "response-leading-space",
    fix="Strip the body before you parse it where your parser reads line by line.",
    chat="should",
    agent="should",
)
def response_leading_space(exchanges: Exchanges) -> None:
    """A plain answer begins with its JSON.

    White space before it is legal: gateways send blank lines to keep a slow connection open. Parsers that
    read by line and clients with a timeout between bytes stumble over it.
    """
    _demand(
        [(reply, reply.body[:1]) for reply in _documents(exchanges)],
        "first byte",
        lambda value: "nonstream-leading-whitespace" if value in (b" ", b"\t", b"\r", b"\n") else None,
        "{",
    )


def _message(value: Any) -> str | None:
    if value is MISSING or value is None:
        return "message-missing"
    return None if isinstance(value, dict) else "message-not-an-object"


@check(
    "response-role",
    fix='Set role to "assistant" in a gateway; do not copy the message into the history unchanged.',
    trial="must",
)
def response_role(exchanges: Exchanges) -> None:
    """A message has the role "assistant".

    LangChain, Pydantic AI and LlamaIndex refuse a message without it, and five measured clients any other
    word.
    """

    def case(value: Any) -> str | None:
        if value is MISSING or value is None:
            return "role-missing"
        if value == "assistant":
            return None
        return "role-empty" if value == "" else "role-other"

    _demand(_field(_messages(exchanges), "role"), "role", case, '"assistant"')


@check(
    "response-content",
    fix="Join the text parts yourself, or turn thinking off where it causes the parts.",
    trial="must",
)
def response_content(exchanges: Exchanges) -> None:
    """The content of a message is text or null.

    An array of parts breaks the Vercel AI SDK, LiteLLM and LlamaIndex, and hands others a list where they
    expect text.
    """

    def case(value: Any) -> str | None:
        if value is MISSING or value is None or isinstance(value, str):
            return None
        if isinstance(value, list):
            return "response-content-array"
        return "content-object" if isinstance(value, dict) else "content-not-a-string"

    _demand(_field(_messages(exchanges), "content"), "content", case, "a string or null")


@check("response-refusal", fix="Drop the field in a gateway.")
def response_refusal(exchanges: Exchanges) -> None:
    """The field refusal is text, null or absent.

    A boolean breaks Pydantic AI, go-openai and the Vercel AI SDK's OpenAI provider.
    """

    def case(value: Any) -> str | None:
        if value is MISSING or value is None or isinstance(value, str):
            return None
        return "refusal-boolean" if isinstance(value, bool) else "refusal-not-a-string"

    _demand(_field(_messages(exchanges), "refusal"), "refusal", case, "a string, null or nothing")


@check(
    "response-function-call",
    fix="Read message.function_call too, or use a server version with tool_calls.",
    chat="should",
)
def response_function_call(exchanges: Exchanges) -> None:
    """Tools are called through tool_calls, not function_call.

    The older field was replaced in 2023: agents that read tool_calls never see the call.
    """
    asked = [(reply, message) for reply, message in _messages(exchanges) if not reply.sent.get("functions")]
    if not asked:
        blocked("chat-accepted")
    _demand(
        _field(asked, "function_call"),
        "function_call",
        lambda value: "function-call-legacy" if value else None,
        "calls in tool_calls, function_call null or absent",
    )


@check(
    "response-finish-reason",
    fix="Map the word to OpenAI's before your client reads it (gateway), and treat an unknown one as cut.",
)
def response_finish_reason(exchanges: Exchanges) -> None:
    """A choice says why it ended, in one of OpenAI's words.

    Applications tell whole, cut and filtered answers and tool calls apart by it; openai-dotnet and
    async-openai refuse the answer for any other word, and the Vercel AI SDK takes it for "other".
    """

    def case(value: Any) -> str | None:
        if value in FINISH_REASONS and isinstance(value, str):
            return None
        if value is MISSING or value is None:
            return "finish-reason-missing" if value is MISSING else "finish-reason-null"
        named = {
            "": "finish-reason-empty",
            "tool_call": "finish-reason-tool-call-singular",
            "model_context_window_exceeded": "finish-reason-context-window",
        }
        if isinstance(value, str):
            return named.get(value, "finish-reason-outside-enum")
        return "finish-reason-not-a-string"

    # A choice that holds an error is an error with status 200, whatever word stands beside it.
    sound = [(reply, choice) for reply, choice in _choices(exchanges) if not choice.get("error")]
    if not sound:
        blocked("error-status")
    _demand(
        _field(sound, "finish_reason"),
        "finish_reason",
        case,
        f"one of {', '.join(FINISH_REASONS)}",
    )


@check("response-logprobs", fix="Drop the field in a gateway.", chat="should", agent="should")
def response_logprobs(exchanges: Exchanges) -> None:
    """The field logprobs is an object, null or absent.

    Typed clients read an object; any other value fails the whole answer.
    """
    _demand(
        _field(_choices(exchanges), "logprobs"),
        "logprobs",
        lambda value: (
            None if value is MISSING or value is None or isinstance(value, dict) else "logprobs-not-an-object"
        ),
        "an object, null or nothing",
    )


@check(
    "reasoning-field",
    fix="Read both reasoning_content and reasoning, in messages and in deltas.",
    chat="should",
    agent="should",
)
def reasoning_field(exchanges: Exchanges, profile: Profile) -> None:
    """Thinking text has the same name in all answers.

    OpenAI has no such field; an application that reads one of the two names shows an empty panel where the
    other comes.
    """
    answers = (*exchanges.completions, *exchanges.readable_streams)
    if not answers:
        _choices(exchanges)
    judged(answers, nothing="response-choices")
    names = {name for reply in answers for name in _thinking_names(reply)}
    if not names:
        note("no thinking text was seen")
        return
    known = profile.thinking.field if profile.thinking is not None else None
    note(f"thinking text comes as {' and '.join(sorted(names))}")
    if known is not None and known not in names:
        note(f"the profile expects it as {known}")
    # Some servers send the same text under both names in each answer, which suits every reader.
    partial = [reply for reply in answers if _thinking_names(reply) and _thinking_names(reply) != names]
    if partial:
        fail(
            f"{' and '.join(sorted(names))} in different answers",
            expected="one name in every answer",
            case="reasoning-field-name-differs",
        )


def _thinking_names(reply: Reply) -> set[str]:
    if reply.streamed:
        parts = [dig(chunk.data, "choices.0.delta") for chunk in reply.all_chunks]
    else:
        parts = [dig(reply.document, "choices.0.message")]
    names = ("reasoning_content", "reasoning")
    return {
        name
        for part in parts
        if isinstance(part, dict)
        for name in names
        if isinstance(part.get(name), str) and part[name]
    }
