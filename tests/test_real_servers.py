"""The whole checklist on servers that others wrote: what fails a must is true, as their own bytes show."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from llmcompat.cli.target import ANY_KEY, Options, plan
from llmcompat.engine.decide import Exit
from llmcompat.engine.runner import Finished, run_target
from llmcompat.model import Level, Result, Status, TargetRun
from tests.checking import checklist
from tests.servers import live
from tests.servers.live import LiveServer

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Deviation:
    """A failed must: its case, and what stands in the bytes that prove it."""

    case: str
    proof: str


# The model answers with one sentence or a weather call, and the server holds its calls to a grammar.
LLAMA_CPP = {
    # a call of a tool that was not offered breaks its grammar parser: a server error for a legal request
    "tool-mistakes-answered": Deviation(
        "bad-output-as-server-error", "Unexpected empty grammar stack after accepting piece"
    ),
    # the same while streaming, after status 200 and a first chunk
    "stream-error-event": Deviation(
        "stream-error-as-data-event-200",
        'data: {"error":{"code":500,"message":"got exception: Unexpected empty grammar stack',
    ),
    # asked for get_news by name
    "tool-choice-named": Deviation(
        "tool-choice-named-ignored", '"function":{"name":"get_weather","arguments"'
    ),
    # asked for llmcompat-no-such-model
    "unknown-model-status": Deviation("model-unknown-accepted", '"model":"tiny"'),
}

# Its embeddings run: the vectors of three texts in another order, and 128 of 256 numbers.
LLAMA_CPP_EMBEDDINGS = {
    # the vector of a text depends on what it is asked together with
    "embeddings-same-text": Deviation("embeddings-not-the-same", '"embedding":"'),
    "embeddings-dimensions": Deviation("embeddings-dimensions-ignored", '"embedding":['),
}

LLMOCK = {
    "unknown-model-status": Deviation(
        "model-unknown-accepted", "mock response from llmcompat-no-such-model."
    ),
    "bad-request-status": Deviation("error-422-validation", "JSON decode error"),
    # `n` may be null in OpenAI's reference
    "null-parameters-accepted": Deviation(
        "explicit-null-params-rejected", "n: Input should be a valid integer"
    ),
}

# LitServe's data model of a request is narrower than OpenAI's, and errors are those of FastAPI.
LITSERVE = {
    "models-list": Deviation("models-list-path", '{"detail":"Not Found"}'),
    "unknown-model-status": Deviation("model-unknown-accepted", '"model":"llmcompat-no-such-model"'),
    "error-object": Deviation("error-detail", '{"detail":[{"type":"json_invalid"'),
    "bad-request-status": Deviation("error-422-validation", '{"detail":[{"type":"json_invalid"'),
    "null-parameters-accepted": Deviation("explicit-null-params-rejected", "Internal Server Error"),
    "tool-choice-accepted": Deviation("required-named-rejected", "Input should be 'auto', 'none' or 'any'"),
    "tool-without-parameters-accepted": Deviation(
        "tool-parameters-omitted-rejected", '"tools",0,"function","parameters"],"msg":"Field required"'
    ),
    # response_format is taken with 200, and nothing holds the model to it
    "json-object-parses": Deviation("json-mode-dropped-by-gateway", '"content":"Hello! I am a model'),
    "json-schema-parses": Deviation("json-mode-dropped-by-gateway", '"content":"Hello! I am a model'),
    # plain answers and streams alike count nothing
    "usage-present": Deviation("usage-zero", '"usage":{"prompt_tokens":0,"total_tokens":0,'),
    "stream-usage-counted": Deviation("usage-zero", '"usage":{"prompt_tokens":0,"total_tokens":0,'),
}

# The mock answers everything with one sentence, whatever is asked of it.
MOCK_AI_API = {
    "tool-choice-required": Deviation(
        "tool-choice-required-ignored", '"content":"Hello. It\'s nice to meet you."'
    ),
    "json-object-parses": Deviation(
        "json-mode-dropped-by-gateway", '"content":"Hello. It\'s nice to meet you."'
    ),
    "json-schema-parses": Deviation(
        "json-mode-dropped-by-gateway", '"content":"Hello. It\'s nice to meet you."'
    ),
    "unknown-model-status": Deviation("model-unknown-accepted", '"model":"llmcompat-no-such-model"'),
}

# Musts without an answer that no other check accounts for, each with a piece of the reason.
UNANSWERED = {
    "llama.cpp": {},
    "llmock": {"json-with-tools-followed": "the model called a tool instead of answering"},
    "LitServe": {"prompt-tokens-grow": "prompt_tokens is 0, a placeholder"},
    "mock-ai-api": {"stream-incremental": "too short to tell"},
}


def run(server: LiveServer, *, key: bool = False, **options: Any) -> TargetRun:
    """Run as `llmcompat check --base-url … --model …` does."""
    typed = Options(base_url=server.base_url, model=server.model, **options)
    planned = plan(None, typed, {ANY_KEY: server.api_key} if key else {})

    async def collect() -> TargetRun:
        events = run_target(checklist(), planned.settings, planned.profile, key=planned.key, seed="test")
        async for event in events:
            if isinstance(event, Finished):
                return event.run
        raise AssertionError("a run always finishes")

    return asyncio.run(collect())


@pytest.fixture(scope="module")
def litserve() -> Iterator[LiveServer]:
    with live.litserve_server() as server:
        yield server


def failed_musts(found: TargetRun) -> dict[str, Result]:
    return {
        result.id: result
        for result in found.checks
        if result.status is Status.FAIL and result.level is Level.MUST
    }


def check_run(found: TargetRun, table: dict[str, Deviation], unanswered: dict[str, str]) -> None:
    """Every failed must is in the table and proved; every unanswered one goes back to a failure."""
    assert found.stopped is None
    assert found.exit_code == Exit.INCOMPATIBLE
    failed = failed_musts(found)
    assert {id: result.case for id, result in failed.items()} == {
        id: deviation.case for id, deviation in table.items()
    }
    assert {result.kind for result in failed.values()} == {"wire"}
    bodies = {exchange.id: exchange.body.decode() for exchange in found.exchanges}
    for id, deviation in table.items():
        assert any(deviation.proof in bodies[exchange] for exchange in failed[id].exchanges), id
    by_id = {result.id: result for result in found.checks}
    alone: dict[str, Result] = {}
    for result in found.checks:
        if result.status is not Status.ERROR or result.level is not Level.MUST:
            continue
        end = result
        while end.blocked_by is not None and by_id[end.blocked_by].status is Status.ERROR:
            end = by_id[end.blocked_by]
        if end.blocked_by is None:
            alone[end.id] = end
        else:
            assert by_id[end.blocked_by].status is Status.FAIL, (result.id, end.blocked_by)
    assert alone.keys() == unanswered.keys()
    assert all(reason in (alone[id].reason or "") for id, reason in unanswered.items())


def disobedient(found: TargetRun) -> None:
    """A model that does not do as it is told fails the control, and no check of obedience but the control."""
    behaviour = [result for result in found.checks if result.kind == "behaviour"]
    assert [result.id for result in behaviour if result.status is Status.FAIL] == ["exact-reply"]
    by_id = {result.id: result for result in found.checks}
    assert by_id["exact-reply"].level is Level.SHOULD
    for id in (
        "system-message-honoured",
        "conversation-remembered",
        "long-prompt-recall",
        "unicode-unharmed",
    ):
        assert by_id[id].blocked_by == "exact-reply"


def test_llama_cpp(llama_cpp: LiveServer) -> None:
    found = run(llama_cpp, key=True)
    check_run(found, LLAMA_CPP, UNANSWERED["llama.cpp"])
    disobedient(found)
    by_id = {result.id: result for result in found.checks}
    # a window that nobody named: its refusal is judged, and what is accepted is said
    assert by_id["long-prompt-accepted"].status is Status.PASS
    assert "no window is known to hold it against" in by_id["long-prompt-accepted"].notes[-2]
    assert by_id["context-overflow-refused"].status is Status.PASS
    assert by_id["context-overflow-code"].case == "context-length-error-unrecognisable"
    # readable words in square brackets are no JSON within the message
    assert by_id["error-message-readable"].status is Status.PASS
    # ten tokens in ten pieces are few, and enough to tell
    assert by_id["stream-incremental"].status is Status.PASS


def test_llama_cpp_embeddings(llama_cpp_embedding: LiveServer) -> None:
    found = run(
        llama_cpp_embedding,
        key=True,
        embedding_model=llama_cpp_embedding.model,
        uses=("embeddings",),
        rest={"only": ("embeddings",)},
    )
    check_run(found, LLAMA_CPP_EMBEDDINGS, {})


def test_llmock(llmock_server: Callable[..., LiveServer]) -> None:
    server = llmock_server("--response-style", "hello", "--context-window", "1024")
    found = run(server)
    check_run(found, LLMOCK, UNANSWERED["llmock"])
    disobedient(found)
    by_id = {result.id: result for result in found.checks}
    assert by_id["invalid-key-status"].status is Status.PASS  # it asks for no key, and was given none
    assert by_id["context-overflow-code"].status is Status.PASS


def test_a_server_of_ones_own_that_asks_for_no_key(llmock_server: Callable[..., LiveServer]) -> None:
    found = run(llmock_server("--response-style", "hello"), key=True, rest={"only": ("invalid-key-status",)})
    assert (found.exit_code, found.stopped) == (Exit.COMPATIBLE, None)
    assert [(result.id, result.status) for result in found.checks] == [("invalid-key-status", Status.PASS)]


def test_litserve(litserve: LiveServer) -> None:
    found = run(litserve)
    check_run(found, LITSERVE, UNANSWERED["LitServe"])
    disobedient(found)


def test_mock_ai_api() -> None:
    python = os.environ.get("MOCK_AI_API_PYTHON")
    if not python:
        pytest.skip("MOCK_AI_API_PYTHON names no Python that has mock-ai-api; .ci/run makes one")
    with live.mock_ai_api_server(python) as server:
        found = run(server, key=True)
    check_run(found, MOCK_AI_API, UNANSWERED["mock-ai-api"])
    disobedient(found)
