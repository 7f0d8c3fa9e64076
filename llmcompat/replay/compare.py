"""One answer of the new endpoint held against the old one and against what the request expects: pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz

from llmcompat.project.prompts import Expectations
from llmcompat.replay.joining import Fault
from llmcompat.replay.kinds import Called, Told, capped
from llmcompat.replay.language import UNKNOWN, language
from llmcompat.replay.schemas import violation
from llmcompat.reply import MISSING, dig, is_int
from llmcompat.workload.format import CHAT, EMBEDDINGS, RESPONSES, Request

LONG_PROMPT = 32_000
"""Characters of text from which on a request counts as a long prompt: some 8,000 tokens of English."""

FEW_WORDS = 5
"""Words up to which an answer is taken for a label, which another label replaces."""

_LEAST_COMPARED = 80
"""Characters that an old text must have to be judged by length and similarity."""
_OTHER_LENGTH, _LEAST_APART = 4.0, 400
"""A text is of another length where it is so many times as long or short, and so many characters apart."""
_UNLIKE = 20.0
"""Below this share of common words (rapidfuzz token_set_ratio, 0 to 100) two texts have another subject."""
_LABEL_UNLIKE = 60.0

_SHOWN = 300
"""Characters of an answer that a finding shows."""

_REASONS = ("stop", "length", "tool_calls", "function_call", "content_filter")

_BY_SCRIPT = {
    "cyrillic": {"ru", "uk", "bg", "sr", "mk", "be", "kk", "mn"},
    "arabic": {"ar", "fa", "ur", "ps"},
    "devanagari": {"hi", "mr", "ne", "sa"},
}

_MARKDOWN = {
    "headings": re.compile(r"(?m)^#{1,6} \S"),
    "bold": re.compile(r"\*\*\S[^*\n]*\*\*"),
    "tables": re.compile(r"(?m)^\|.*\|[ \t]*\n\|[ :|-]+\|"),
    "code fences": re.compile(r"(?m)^```"),
}


@dataclass(frozen=True)
class Finding:
    """What one line of the report says of one answer: it holds, or in which case it does not."""

    line: str
    case: str | None = None
    """None where it holds."""
    seen: str = ""
    expected: str = ""
    there_too: bool = False
    """The old answer deviates in the same way, so that it counts neither for nor against the move."""


def compare(
    request: Request,
    old: Told | None,
    new: Told,
    expect: Expectations | None = None,
    fault: Fault | None = None,
) -> list[Finding]:
    """Every line that this answer decides.

    `old` is None where no old answer is known: then the answer is judged by the request alone. `fault` is
    what hinders reading the new answer's stream: it is told once, and nothing that follows from it.
    """
    line = "workload-long-accepted" if text_length(request.body) >= LONG_PROMPT else "workload-accepted"
    if not new.accepted and not (fault and new.status == 200):
        case = "no-answer" if new.status is None else f"status-{new.status}"
        refused_there = old is not None and not old.accepted
        return [Finding(line, case, new.error, "an answer", there_too=refused_there)]
    found = [Finding(line)]
    if request.streamed:
        if fault is not None:
            case, seen, expected = fault
            return [*found, Finding("workload-streaming", case, seen, expected)]
        found.append(Finding("workload-streaming"))
    usable_old = old if old is not None and old.accepted else None
    if request.url == EMBEDDINGS or "vectors" in (new.kind, usable_old.kind if usable_old else ""):
        return [*found, *_vectors(request, usable_old, new)]
    found += _kind(request, usable_old, new)
    found += _tools(request, usable_old, new)
    found += _json(request, usable_old, new)
    if usable_old is not None:
        found += _beside(request, usable_old, new)
    if expect is not None:
        found += _expected(expect, new)
    return found


def text_length(value: Any) -> int:
    """Characters of all texts in a request, without images and other data in base64."""
    total, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            total += len(each) if not each.startswith("data:") else 0
        elif isinstance(each, Mapping):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return total


def similarity(old: str, new: str) -> float:
    """How many words two texts share, whatever their order: 0 to 100 (rapidfuzz token_set_ratio)."""
    return float(fuzz.token_set_ratio(old[:20_000], new[:20_000], processor=str.casefold))


def _kind(request: Request, old: Told | None, new: Told) -> Iterator[Finding]:
    line = "workload-same-kind"
    if new.kind == "empty":
        why = "at the cap on tokens" if capped(new) else f"finish_reason {new.finish_reason}"
        there_too = old is not None and old.kind == "empty"
        case = "empty-at-cap" if capped(new) else "empty"
        yield Finding(line, case, f"an empty answer, {why}", _shown(old), there_too=there_too)
        return
    if old is None or old.kind == "empty":
        return
    # a tool that is not called, and JSON that does not parse, have lines of their own
    if old.kind == "tool calls" and new.kind in ("text", "JSON", "tool calls"):
        return
    if _wants_json(request, old) and new.kind in ("text", "JSON"):
        return
    # a text that happens to be JSON, where the request asks for none, is read as text
    same = {"text": "text", "JSON": "text"}
    if same.get(old.kind, old.kind) == same.get(new.kind, new.kind):
        yield Finding(line)
    elif old.kind == "refusal":
        yield Finding(line)  # the application gets what it asked for
    else:
        yield Finding(line, f"{old.kind}-to-{new.kind}".replace(" ", "-"), _shown(new), _shown(old))


def _tools(request: Request, old: Told | None, new: Told) -> Iterator[Finding]:
    parameters = _parameters(request)
    unknown = [call for call in new.calls if str(call.name) not in parameters]
    if unknown and parameters:
        seen = ", ".join(f"a call of {str(call.name)[:80]!r}" for call in unknown[:5])
        yield Finding("workload-tools", "unknown-tool", seen, f"one of {', '.join(list(parameters)[:20])}")
    elif old is not None and old.kind == "tool calls" and new.kind not in ("refusal", "empty"):
        yield from _same_tools(old, new)
    if not new.calls or not parameters:
        return
    line = "workload-tool-arguments"
    problem = next((found for call in new.calls if (found := _misfit(call, parameters))), None)
    if problem is None:
        yield Finding(line)
    else:
        before = {found[0] for call in (old.calls if old else ()) if (found := _misfit(call, parameters))}
        yield Finding(line, *problem, there_too=problem[0] in before)
    if old is not None and old.calls and problem is None:
        yield from _values(old, new, parameters)


def _same_tools(old: Told, new: Told) -> Iterator[Finding]:
    line, wanted = "workload-tools", Counter(str(call.name) for call in old.calls)
    made = Counter(str(call.name) for call in new.calls)
    missing = [name for name in wanted if name not in made]
    expected = f"a call of {', '.join(wanted)}"
    if not new.calls:
        case = "cut-at-cap" if capped(new) else "not-called"
        yield Finding(line, case, _shown(new), expected)
    elif missing:
        yield Finding(line, "missing-tool", _shown(new), expected)
    else:
        yield Finding(line)
        same = made == wanted
        yield Finding("workload-tool-count", None if same else "other-calls", _shown(new), _shown(old))


def _misfit(call: Called, parameters: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Case, seen and expected of arguments that cannot be used."""
    if not isinstance(call.arguments, str):
        seen = "absent" if call.arguments in (MISSING, None) else str(call.arguments)[:_SHOWN]
        return "no-text", f"{call.name}: {seen}", "a JSON string"
    data = call.data()
    if data is MISSING:
        return "no-json", f"{call.name}: {call.arguments[:_SHOWN]}", "arguments that are JSON"
    broken = violation(parameters.get(call.name), data) if isinstance(call.name, str) else None
    return (
        ("schema", f"{call.name}: {broken}", "arguments that fit the tool's parameters") if broken else None
    )


def _values(old: Told, new: Told, parameters: Mapping[str, Any]) -> Iterator[Finding]:
    """Arguments that a schema leaves only a few values for, of tools that are called once in both answers."""
    once = [_once(told) for told in (old, new)]
    judged = False
    for name in once[0].keys() & once[1].keys():
        properties = dig(parameters.get(name), "properties")
        if not isinstance(properties, dict):
            continue
        for field, schema in properties.items():
            before, now = (calls[name].get(field, MISSING) for calls in once)
            determined = dig(schema, "enum") is not MISSING or dig(schema, "type") == "boolean"
            if not determined or MISSING in (before, now):
                continue
            judged = True
            if before != now:
                seen, expected = (f"{name}: {field} = {str(value)[:_SHOWN]}" for value in (now, before))
                yield Finding("workload-tool-values", "other-value", seen, expected)
                return
    if judged:
        yield Finding("workload-tool-values")


def _once(told: Told) -> dict[str, Mapping[str, Any]]:
    """The arguments of each tool that is called exactly once."""
    counted = Counter(str(call.name) for call in told.calls)
    return {
        str(call.name): data
        for call in told.calls
        if counted[str(call.name)] == 1 and isinstance(data := call.data(), dict)
    }


def _json(request: Request, old: Told | None, new: Told) -> Iterator[Finding]:
    line, expected = "workload-json", "one JSON document and nothing else"
    if not _wants_json(request, old) or new.kind not in ("text", "JSON"):
        return
    if old is not None and old.kind == "tool calls":
        return  # the line of tools says it
    if new.kind == "text":
        case = "cut-at-cap" if capped(new) else "fenced" if new.fenced else "no-json"
        yield Finding(line, case, new.text[:_SHOWN], expected, there_too=_same_failure(old, case))
        return
    schema = _answer_schema(request)
    broken = violation(schema, new.data)
    if broken:
        there_too = old is not None and old.kind == "JSON" and violation(schema, old.data) is not None
        yield Finding(line, "schema", broken, "what the request's schema asks for", there_too=there_too)
        return
    yield Finding(line)
    if schema is None and old is not None and old.kind == "JSON":
        other = _other_shape(old.data, new.data)
        yield Finding("workload-json-shape", "other-shape" if other else None, *(other or ("", "")))


def _same_failure(old: Told | None, case: str) -> bool:
    if old is None or old.kind != "text":
        return False
    return (old.fenced if case == "fenced" else capped(old)) or case == "no-json"


def _other_shape(old: Any, new: Any, where: str = "", depth: int = 4) -> tuple[str, str] | None:
    """Where new data lacks a key of the old, or has another type: seen and expected. null fits anything."""
    if old is None or new is None or depth == 0:
        return None
    place = where or "the whole"
    if _type(old) != _type(new):
        return f"{place}: {_type(new)}", f"{place}: {_type(old)}"
    if isinstance(old, dict):
        missing = [name for name in old if name not in new]
        if missing:
            return f"{place}: no {', '.join(missing)[:_SHOWN]}", f"{place}: keys {', '.join(old)[:_SHOWN]}"
        for name, value in old.items():
            if found := _other_shape(value, new[name], f"{where}.{name}".strip("."), depth - 1):
                return found
    if isinstance(old, list) and old and new:
        # a key that the old elements do not all have is optional
        common = _common(old)
        for each in new[:50]:
            if found := _other_shape(common, each, f"{where}[]", depth - 1):
                return found
    return None


def _common(elements: list[Any]) -> Any:
    """An element that holds what all have; None where they are of several types."""
    if len({_type(each) for each in elements}) > 1:
        return None
    if not isinstance(elements[0], dict):
        return elements[0]
    shared = set(elements[0]).intersection(*map(set, elements[1:]))
    return {name: elements[0][name] for name in elements[0] if name in shared}


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names: tuple[tuple[Any, str], ...] = (
        (dict, "object"),
        (list, "array"),
        (str, "text"),
        ((int, float), "number"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def _beside(request: Request, old: Told, new: Told) -> Iterator[Finding]:
    """What is no fault by itself, and has surprised users all the same."""
    if old.prompt_tokens is not None and old.completion_tokens is not None:
        counted = is_int(new.prompt_tokens) and is_int(new.completion_tokens)
        yield Finding("workload-usage", None if counted else "no-usage", "no usage", "tokens in usage")
    if old.finish_reason in _REASONS and new.kind not in ("empty", "refusal"):
        yield _finish_reason(request, old, new)
    if old.kind != "text" or new.kind != "text":
        return
    words = len(old.text.split())
    alike = similarity(old.text, new.text)
    if words <= FEW_WORDS and len(old.text) <= _LEAST_COMPARED:
        other = None if alike >= _LABEL_UNLIKE or _holds(old.text, new.text) else "other-label"
        yield Finding("workload-similarity", other, _shown(new), _shown(old))
        return
    before, now = language(old.text), language(new.text)
    if UNKNOWN not in (before, now):
        other = f"{before}-to-{now}" if before != now else None
        yield Finding("workload-language", other, _shown(new), _shown(old))
        if other is not None:
            return  # no word is the same then
    if len(old.text) >= _LEAST_COMPARED:
        other = None if alike >= _UNLIKE else "other-words"
        yield Finding("workload-similarity", other, _shown(new), _shown(old))
        yield _length(old, new)
    yield _markdown(old, new)


def _finish_reason(request: Request, old: Told, new: Told) -> Finding:
    line = "workload-finish-reason"
    expected, seen = f"{old.finish_reason}", f"{new.finish_reason}"
    if new.finish_reason not in _REASONS:
        return Finding(line, "unknown" if new.finish_reason else "absent", seen, expected)
    if new.finish_reason == "length" and old.finish_reason != "length":
        return Finding(line, "length", seen, expected)
    # with a call that is forced, both are right
    free = request.body.get("tool_choice") in (None, "auto")
    if free and new.calls and (old.finish_reason, new.finish_reason) == ("tool_calls", "stop"):
        return Finding(line, "stop-with-calls", seen, expected)
    return Finding(line)


def _length(old: Told, new: Told) -> Finding:
    lengths = len(old.text), len(new.text)
    other = (
        max(lengths) > _OTHER_LENGTH * max(1, min(lengths)) and abs(lengths[0] - lengths[1]) > _LEAST_APART
    )
    case = ("longer" if lengths[1] > lengths[0] else "shorter") if other else None
    return Finding("workload-length", case, f"{lengths[1]} characters", f"{lengths[0]} characters")


def _markdown(old: Told, new: Told) -> Finding:
    line = "workload-markdown"
    before, now = (
        [name for name, pattern in _MARKDOWN.items() if pattern.search(told.text)] for told in (old, new)
    )
    if now and not before:
        return Finding(line, "added", ", ".join(now), "plain text")
    if "code fences" in before and not now:
        return Finding(line, "lost", "plain text", ", ".join(before))
    return Finding(line)


def _vectors(request: Request, old: Told | None, new: Told) -> Iterator[Finding]:
    line, asked = "workload-same-kind", request.body.get("input")
    if new.vectors is None or new.kind != "vectors":
        yield Finding(line, "no-vectors", new.kind, "vectors")
        return
    inputs = len(asked) if isinstance(asked, list) and asked and not is_int(asked[0]) else 1
    wanted = request.body.get("dimensions")
    if new.vectors[0] != inputs:
        yield Finding(line, "other-number", f"{new.vectors[0]} vectors", f"{inputs} vectors")
    elif is_int(wanted) and new.vectors[1] != wanted:
        yield Finding(line, "dimensions", f"{new.vectors[1]} dimensions", f"{wanted} dimensions")
    elif old is not None and old.vectors is not None and old.vectors[1] != new.vectors[1]:
        seen, expected = f"{new.vectors[1]} dimensions", f"{old.vectors[1]} dimensions"
        yield Finding(line, "dimensions", seen, expected)
    else:
        yield Finding(line)


def _expected(expect: Expectations, new: Told) -> Iterator[Finding]:
    text = new.text
    line, said = "workload-expectations", _shown(new)
    folded = text.casefold()
    problem: tuple[str, str, str] | None = None
    for each in expect.contains:
        if each.casefold() not in folded:
            problem = problem or ("contains", said, f"an answer with {each[:_SHOWN]}")
    for pattern in expect.matches:
        if not re.search(pattern, text[:100_000]):
            problem = problem or ("matches", said, f"an answer that matches {pattern[:_SHOWN]}")
    if expect.refused is False and new.kind == "refusal":
        problem = problem or ("refused", said, "an answer")
    if expect.language is not None:
        guess = language(text)
        fits = guess in (UNKNOWN, expect.language) or expect.language in _BY_SCRIPT.get(guess, ())
        problem = problem or (None if fits else ("language", f"{guess}: {said}", expect.language))
    if expect.max_latency is not None and new.seconds is not None and new.seconds > expect.max_latency:
        problem = problem or ("latency", f"{new.seconds:.2f} s", f"at most {expect.max_latency:g} s")
    told = (expect.contains, expect.matches, expect.refused is False, expect.language, expect.max_latency)
    if any(told):
        yield Finding(line, *problem) if problem else Finding(line)
    if expect.json_schema is not None:
        line = "workload-expected-json"
        broken = violation(expect.json_schema, new.data) if new.kind == "JSON" else "no JSON"
        yield Finding(line, "schema" if broken else None, f"{broken}: {said}", "JSON that fits the schema")
    if expect.calls is not None:
        yield _expected_call(expect, new)


def _expected_call(expect: Expectations, new: Told) -> Finding:
    line, wanted = "workload-expected-call", expect.calls
    assert wanted is not None
    expected = f"a call of {wanted.tool}"
    made = [call for call in new.calls if call.name == wanted.tool]
    if not made:
        return Finding(line, "not-called", _shown(new), expected)
    if not wanted.arguments:
        return Finding(line)
    for call in made:
        data = call.data()
        if isinstance(data, dict) and all(
            name in data and data[name] == value and _type(data[name]) == _type(value)
            for name, value in wanted.arguments.items()
        ):
            return Finding(line)
    return Finding(line, "other-arguments", _shown(new), f"{expected} with {dict(wanted.arguments)}"[:600])


def _wants_json(request: Request, old: Told | None) -> bool:
    """Whether the application parses the answer: it asks for JSON, or got a JSON document so far."""
    path = "text.format.type" if request.url == RESPONSES else "response_format.type"
    asked = dig(request.body, path) in ("json_object", "json_schema")
    return asked or (old is not None and old.kind == "JSON")


def _answer_schema(request: Request) -> Any:
    path = "text.format.schema" if request.url == RESPONSES else "response_format.json_schema.schema"
    found = dig(request.body, path)
    return None if found is MISSING else found


def _parameters(request: Request) -> dict[str, Any]:
    """The JSON Schema of each function's arguments, by name; None where the request gives none."""
    tools = request.body.get("tools")
    found: dict[str, Any] = {}
    for tool in tools if isinstance(tools, list) else []:
        function = dig(tool, "function") if request.url == CHAT else tool
        name = dig(function, "name")
        if isinstance(name, str):
            schema = dig(function, "parameters")
            found[name] = None if schema is MISSING else schema
    functions = request.body.get("functions")
    for function in functions if isinstance(functions, list) else []:
        if isinstance(name := dig(function, "name"), str):
            found[name] = dig(function, "parameters") or None
    return found


def _holds(label: str, text: str) -> bool:
    """Whether a short answer stands in another one, as a word."""
    inner = label.strip(" .!\"'*`").casefold()
    return (
        bool(inner) and re.search(rf"(?<!\w){re.escape(inner)}(?!\w)", text[:20_000].casefold()) is not None
    )


def _shown(told: Told | None) -> str:
    """An answer in one line."""
    if told is None:
        return "an answer"
    if told.calls:
        calls = (f"{call.name}({str(call.arguments)[:120]})" for call in told.calls[:5])
        return f"tool calls {', '.join(calls)}"[:_SHOWN]
    if told.kind in ("error", "empty"):
        return told.error or "an empty answer"
    return f"{told.kind}: {' '.join(told.text.split())[:_SHOWN]}"
