"""What an answer is to the application that reads it: text, tool calls, JSON, a refusal, or none of these."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from llmcompat.reply import MISSING, dig, is_int, load_json
from llmcompat.workload.format import COMPLETIONS, EMBEDDINGS, MODERATIONS, RESPONSES, tokens_of

Kind = Literal["text", "tool calls", "JSON", "refusal", "vectors", "moderation", "empty", "error"]

LONGEST_TEXT = 200_000
"""Characters of an answer that are compared."""

_LONGEST_REFUSAL = 400
"""Characters: a longer text that begins with a refusal goes on with something else."""

_FENCE = re.compile(r"\s*```[A-Za-z0-9_-]*[ \t]*\r?\n(.*?)\r?\n?```\s*", re.DOTALL)

# Only what models say when they turn a request down: "I cannot find your order" is an answer.
_REFUSALS = re.compile(
    r"""\s*(?:
    (?:i[’']?m\s+sorry|i\s+am\s+sorry|sorry|i\s+apologi[sz]e|unfortunately)?[,.;:!]?\s*(?:but\s+)?
      (?:as\s+an\s+ai\b[^.]{0,60},\s*)?
      i\s*(?:can[’']?t|cannot|can\s+not|won[’']?t|will\s+not|am\s+unable\s+to|[’']m\s+unable\s+to
        |am\s+not\s+able\s+to|[’']m\s+not\s+able\s+to)\s+
      (?:help|assist|comply|fulfil+|engage|do\s+that|continue\s+with)
      (?:\s+(?:you\s+)?(?:with|in|by|to)\s+(?:this|that|your|such|those|the)\b[^.]{0,80})?\s*[.!]
    | (?:es\s+tut\s+mir\s+leid|tut\s+mir\s+leid)[,.;]?\s*(?:aber\s+)?(?:dabei|damit|das)\s+kann\s+ich\b
    | (?:je\s+suis\s+)?d[ée]sol[ée]e?[,.;]?\s*(?:mais\s+)?je\s+ne\s+peux\s+pas\s+(?:vous\s+)?
      (?:aider|répondre\s+à\s+cette)
    | lo\s+siento[,.;]?\s*(?:pero\s+)?no\s+puedo\s+(?:ayudar|asistir|cumplir)
    )""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Called:
    """One tool call, as the application reads it: fields are MISSING where they are not there."""

    name: Any
    arguments: Any

    def data(self) -> Any:
        """The arguments as data; MISSING where they are not text that holds JSON."""
        if not isinstance(self.arguments, str):
            return MISSING
        try:
            return load_json(self.arguments)
        except ValueError:
            return MISSING


@dataclass(frozen=True)
class Told:
    """One answer, streamed or not, of whichever API, reduced to what an application takes from it."""

    kind: Kind
    text: str = ""
    data: Any = MISSING
    """What the text says, where all of it is one JSON object or array."""
    fenced: bool = False
    """That JSON stands between Markdown fences, so that parsers fail on the text."""
    calls: tuple[Called, ...] = ()
    finish_reason: str | None = None
    status: int | None = None
    error: str = ""
    """Why there is no answer, for kind "error"."""
    vectors: tuple[int, int] | None = None
    """How many vectors came, and the length of the first one."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    first_byte: float | None = None

    @property
    def accepted(self) -> bool:
        """Whether the endpoint took the request and answered."""
        return self.kind != "error"


def told(
    url: str,
    status: int | None,
    body: Any,
    *,
    error: str = "",
    seconds: float | None = None,
    first_byte: float | None = None,
) -> Told:
    """What an answer to a request of this url (one of `workload.URLS`) says; it judges nothing.

    `body` is the document, for a stream the one that its chunks add up to. `error` is what went wrong below
    HTTP; seconds count from the request.
    """
    if status is None or not 200 <= status < 300 or not isinstance(body, dict):
        return Told("error", status=status, error=error or error_words(status, body), seconds=seconds)
    if body.get("error") and not _has_answer(body):
        return Told("error", status=status, error=error_words(status, body), seconds=seconds)
    prompt, completion = tokens_of(body)
    beside: dict[str, Any] = {
        "status": status,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "seconds": seconds,
        "first_byte": first_byte,
    }
    if url == EMBEDDINGS:
        return _vectors(body, beside)
    if url == MODERATIONS:
        return Told("moderation" if isinstance(body.get("results"), list) else "empty", **beside)
    if url == RESPONSES:
        text, calls, refusal, reason = _of_response(body)
    elif url == COMPLETIONS:
        choice = dig(body, "choices.0")
        text, calls, refusal, reason = _text(dig(choice, "text")), (), "", dig(choice, "finish_reason")
    else:
        message, reason = dig(body, "choices.0.message"), dig(body, "choices.0.finish_reason")
        text, refusal = _text(dig(message, "content")), _text(dig(message, "refusal"))
        calls = tuple(_calls(message))
    if isinstance(reason, str) and reason:
        beside["finish_reason"] = reason
    text = text[:LONGEST_TEXT]
    if calls:
        return Told("tool calls", text, calls=calls, **beside)
    if refusal.strip() or reason == "content_filter":
        return Told("refusal", text or refusal, **beside)
    if not text.strip():
        return Told("empty", text, **beside)
    data = structure(text)
    if data is not MISSING:
        return Told("JSON", text, data, **beside)
    fence = _FENCE.fullmatch(text)
    if fence and structure(fence[1]) is not MISSING:
        return Told("text", text, structure(fence[1]), fenced=True, **beside)
    return Told("refusal" if is_refusal(text) else "text", text, **beside)


def structure(text: str) -> Any:
    """The JSON object or array that a text is from its first character to its last, or MISSING."""
    if not text.lstrip().startswith(("{", "[")):
        return MISSING
    try:
        value = load_json(text)
    except ValueError:
        return MISSING
    return value if isinstance(value, (dict, list)) else MISSING


def is_refusal(text: str) -> bool:
    """Whether a short text turns the request down in so many words; in doubt it does not."""
    return len(text) <= _LONGEST_REFUSAL and _REFUSALS.match(text) is not None


def error_words(status: int | None, body: Any) -> str:
    """A refusal in one line: the status and the endpoint's own words, as far as they can be read."""
    for path in ("error.message", "message", "detail", "error"):
        found = dig(body, path)
        if isinstance(found, str) and found:
            return f"{status} {' '.join(found.split())[:400]}"
    return f"{status or 'no answer'}"


def _has_answer(body: Mapping[str, Any]) -> bool:
    return any(isinstance(body.get(name), list) for name in ("choices", "output", "data", "results"))


def _vectors(body: Mapping[str, Any], beside: dict[str, Any]) -> Told:
    data = body.get("data")
    if not isinstance(data, list) or not data:
        return Told("empty", **beside)
    first = dig(data[0], "embedding")
    if isinstance(first, str):  # base64 of 4-byte floats
        size = len(first.rstrip("=")) * 3 // 4 // 4
    else:
        size = len(first) if isinstance(first, list) else 0
    return Told("vectors" if size else "empty", vectors=(len(data), size), **beside)


def _of_response(body: Mapping[str, Any]) -> tuple[str, tuple[Called, ...], str, Any]:
    texts, refusals, calls = [], [], []
    output = body.get("output")
    for item in output if isinstance(output, list) else []:
        if dig(item, "type") == "function_call":
            calls.append(Called(dig(item, "name"), dig(item, "arguments")))
        content = dig(item, "content")
        if dig(item, "type") == "message" and isinstance(content, list):
            texts += [_text(dig(part, "text")) for part in content if dig(part, "type") == "output_text"]
            refusals += [_text(dig(part, "refusal")) for part in content if dig(part, "type") == "refusal"]
    reason = dig(body, "incomplete_details.reason")
    reason = {"max_output_tokens": "length"}.get(reason, reason) if isinstance(reason, str) else None
    return "".join(texts), tuple(calls), "".join(refusals), reason


def _calls(message: Any) -> Iterator[Called]:
    calls = dig(message, "tool_calls")
    for call in calls if isinstance(calls, list) else []:
        if isinstance(call, dict):
            yield Called(dig(call, "function.name"), dig(call, "function.arguments"))
    legacy = dig(message, "function_call")
    if isinstance(legacy, dict):
        yield Called(dig(legacy, "name"), dig(legacy, "arguments"))


def _text(value: Any) -> str:
    """Text as it is, of a list of parts that of the parts together; "" for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(part["text"] for part in value if isinstance(part, dict) and _is_text(part))
    return ""


def _is_text(part: Mapping[str, Any]) -> bool:
    return isinstance(part.get("text"), str)


def capped(told: Told) -> bool:
    """Whether the cap on tokens ended the answer."""
    return told.finish_reason == "length"


def used(told: Told) -> int | None:
    """All tokens of an answer, where its usage says both counts."""
    pair = (told.prompt_tokens, told.completion_tokens)
    return sum(pair) if is_int(pair[0]) and is_int(pair[1]) else None  # type: ignore[arg-type]
