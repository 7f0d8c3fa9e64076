"""Each change that some client does not come through is told by few lines; a harmless one fails no must."""

from __future__ import annotations

import base64
import copy
import json
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from llmcompat.model import Level, Status
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import BUNDLE, Replies, Reply
from tests import mutations_plain, mutations_stream
from tests.checking import (
    CREATED,
    answer,
    checklist,
    chunk_list,
    completion,
    demo_settings,
    exchanges,
    judge,
    sse,
    stream,
    tool_call,
)
from tests.mutations import Mutation, Wire

MUTATIONS = (*mutations_plain.MUTATIONS, *mutations_stream.MUTATIONS)
MOST_LINES = 3

HEADERS = {"x-request-id": "req_1"}
GIVEN = {"exchanges", "profile", "settings"}
COUNT = ", ".join(str(number) for number in range(1, 41))
COUNT_USAGE = {"prompt_tokens": 24, "completion_tokens": 119, "total_tokens": 143}
HELLO_USAGE = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
HELLO = {"messages": [{"role": "user", "content": "Reply with the word marble."}]}
COUNTING = {"messages": [{"role": "user", "content": "Count from 1 to 40, separated by commas."}]}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"tools": [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}]}
OBJECT = '{"dst": "north-gate", "level": 2}'
SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"name": "route", "schema": {}}}}
BATCH = 65
VECTORS = [[1, 0, 0], [0, 1, 0], [0, 0, 1], *([1, 1, n] for n in range(61)), [1, 0, 0]]


def calls(count: int) -> list[dict[str, Any]]:
    cities = ("Paris", "London")[:count]
    return [tool_call(arguments=json.dumps({"city": c}), id=f"call_{i}") for i, c in enumerate(cities, 1)]


def full(text: str, usage: dict[str, Any]) -> dict[str, Any]:
    """A good text answer with every optional field."""
    details = {
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    optional: dict[str, Any] = {"service_tier": "default", "system_fingerprint": "fp_1"}
    return completion(text, message={"annotations": []}, usage={**usage, **details}, **optional)


def vectors(inputs: int, *, packed: bool = False, backwards: bool = False) -> dict[str, Any]:
    chosen = VECTORS[:inputs][::-1] if backwards else VECTORS[:inputs]
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(struct.pack("<3f", *vector)).decode()
            if packed
            else [float(number) for number in vector],
        }
        for index, vector in enumerate(chosen)
    ]
    usage = {"prompt_tokens": 3 * inputs, "total_tokens": 3 * inputs}
    return {"object": "list", "model": "demo-embed", "data": data, "usage": usage}


class Bench:
    """A good answer to each request that the table has a change for, but for the ones of one area."""

    def __init__(self, mutation: Mutation | None) -> None:
        self.mutation = mutation
        self.replies: dict[str, Reply | Replies] = {}
        self.altered = False

    def changed(self, area: str, good: Any) -> Any:
        if self.mutation is None or self.mutation.area != area:
            return good
        value = self.mutation.change(copy.deepcopy(good))
        self.altered |= repr(value) != repr(good)  # 1 equals 1.0
        return value

    def plain(self, probe: str, area: str, good: Any, **options: Any) -> Reply:
        value = self.changed(area, good)
        headers = dict(HEADERS)
        if isinstance(value, Wire):
            headers |= {"content-type": value.content_type} if value.content_type else {}
            value = value.body
        return self._keep(probe, answer(value, headers=headers, **options))

    def streamed(self, probe: str, area: str, chunks: list[dict[str, Any]], sent: dict[str, Any]) -> Reply:
        value = self.changed(area, sse(chunks) if area == "sse" else chunks)
        wire = value if isinstance(value, Wire) else Wire(value if isinstance(value, bytes) else sse(value))
        ends = range(1, len(wire.body) + 1)
        reply = stream(
            wire.body,
            sent=sent,
            headers={**HEADERS, "content-type": wire.content_type or ""},
            ended=wire.ended,
            arrivals=[(end, end / 1000) for end in ends] if wire.in_single_bytes else None,
        )
        return self._keep(probe, reply)

    def _keep(self, probe: str, reply: Reply) -> Reply:
        reply.probe = probe
        self.replies[probe] = reply
        return reply

    def evidence(self) -> dict[str, Any]:
        self._chats()
        self._embeddings()
        self._refusals()
        model = {"id": "demo-chat", "object": "model", "created": CREATED, "owned_by": "llmcompat"}
        self.plain("models_list", "models", {"object": "list", "data": [model]}, path="models", method="GET")
        every = [
            reply
            for value in self.replies.values()
            for reply in (value.values() if isinstance(value, Replies) else [value])
        ]
        return {**self.replies, "exchanges": exchanges(*every)}

    def _chats(self) -> None:
        hello = self.plain("hello", "text", full("Marble.", HELLO_USAGE), sent=HELLO)
        self.plain("plain_text", "text", full(COUNT, COUNT_USAGE), sent=COUNTING)
        self.plain(
            "weather_call", "tool call", completion(tool_calls=calls(1)), sent=WEATHER, called="tool-called"
        )
        self.plain(
            "parallel_calls", "tool call", completion(tool_calls=calls(2)), sent=WEATHER, called="tool-called"
        )
        area = "sse" if self.mutation is not None and self.mutation.area == "sse" else "stream"
        self.streamed("stream_text", area, chunk_list(COUNT, usage=COUNT_USAGE), COUNTING)
        for probe, count in (("weather_call_stream", 1), ("parallel_calls_stream", 2)):
            self.streamed(probe, "tool stream", chunk_list(tool_calls=calls(count)), WEATHER)
        text = self.changed("json", OBJECT)
        self.plain(
            "json_object_plain", "", completion(text), sent={"response_format": {"type": "json_object"}}
        )
        self.plain("json_schema_plain", "", completion(text), sent=SCHEMA)
        self.streamed("json_schema_stream", "", chunk_list(text), SCHEMA)
        for reply in self.replies.values():
            if isinstance(reply, Reply) and reply is not hello:
                reply.grounds = (hello,)

    def _embeddings(self) -> None:
        batch = self.plain(
            "embeddings_batch",
            "embeddings",
            vectors(BATCH),
            path="embeddings",
            sent={"input": [f"text {number}" for number in range(BATCH)], "encoding_format": "float"},
        )
        self.replies["embeddings_batch"] = Replies({BUNDLE: batch}, "embeddings_batch")
        sent = {"input": ["c", "b", "a"], "encoding_format": "base64"}
        good = vectors(3, packed=True, backwards=True)
        self.plain("embeddings_base64", "base64 embeddings", good, path="embeddings", sent=sent)

    def _refusals(self) -> None:
        for probe, status, code in (
            ("invalid_key", 401, "invalid_api_key"),
            ("unknown_model", 404, "model_not_found"),
            ("unknown_model_stream", 404, "model_not_found"),
            ("malformed_json", 400, "invalid_json"),
            ("missing_messages", 400, "missing_required_parameter"),
            ("wrong_type", 400, "invalid_type"),
            ("invalid_role", 400, "invalid_value"),
        ):
            error = {"message": "It is wrong.", "type": "invalid_request_error", "param": None, "code": code}
            area = "refusal" if probe == "missing_messages" else ""
            self.plain(probe, area, {"error": error}, status=status, sent={"messages": None})
        error = {"message": "No such path.", "type": "invalid_request_error", "param": None, "code": None}
        self.plain("unknown_route", "", {"error": error}, status=404, path="nowhere", method="GET")


def lines(mutation: Mutation | None) -> dict[tuple[str, str | None], bool]:
    """The failing lines that a change gives, as (check, case), and whether each is a must somewhere."""
    bench = Bench(mutation)
    evidence = bench.evidence()
    assert bench.altered == (mutation is not None), "the change changes nothing"
    given: dict[str, Any] = {
        "settings": demo_settings(embedding_model="demo-embed"),
        "profile": load_profile("demo"),
    }
    found = {}
    for check in checklist().checks.values():
        if set(check.needs) <= evidence.keys() | GIVEN:
            end = judge(check.id, **given, **evidence)
            if end.status is Status.FAIL:
                found[check.id, end.case] = Level.MUST in check.levels.values()
    return found


lines_of: Callable[[Mutation], dict[tuple[str, str | None], bool]] = cache(lines)


def named(mutation: Mutation) -> str:
    return f"{mutation.area}: {mutation.name}"


def test_the_unchanged_answers_fail_nothing() -> None:
    assert lines(None) == {}


@pytest.mark.parametrize("mutation", [each for each in MUTATIONS if each.line], ids=named)
def test_a_change_is_told_by_its_line_and_by_few_others(mutation: Mutation) -> None:
    found = lines_of(mutation)
    assert mutation.line in found
    assert len(found) <= MOST_LINES


@pytest.mark.parametrize(
    "mutation", [each for each in MUTATIONS if each.harmful == bool(each.contract)], ids=named
)
def test_a_change_that_clients_come_through_or_that_is_legal_fails_no_must(mutation: Mutation) -> None:
    assert [line for line, must in lines_of(mutation).items() if must] == []


@pytest.mark.parametrize(
    "mutation", [each for each in MUTATIONS if each.contract and not each.harmful], ids=named
)
def test_a_change_that_the_contract_alone_forbids_is_a_must(mutation: Mutation) -> None:
    assert mutation.line is not None
    assert lines_of(mutation)[mutation.line]


def test_every_harmful_change_has_a_line() -> None:
    assert [named(each) for each in MUTATIONS if each.harmful and not each.line and not each.contract] == []


def test_names_are_unique() -> None:
    assert len({named(each) for each in MUTATIONS}) == len(MUTATIONS)
