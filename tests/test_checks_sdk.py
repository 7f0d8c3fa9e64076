"""The official client on literal answers: what it takes, what it raises, and what is asked in its name."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import struct
from typing import Any

import pytest

from llmcompat import sdk
from llmcompat.declare import Skipped
from llmcompat.engine.evidence import gather_evidence
from llmcompat.engine.judge import judge as judge_run
from llmcompat.engine.runner import Finished, run_target
from llmcompat.engine.selection import select
from llmcompat.model import Status, TargetRun
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import Replies, Reply
from llmcompat.simulator.server import running
from tests.checking import (
    answer,
    checklist,
    chunk,
    chunk_list,
    completion,
    demo_settings,
    judge,
    sse,
    stream,
    tool_call,
)

ERROR = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}}
CALL = [tool_call()]
PERSON = '{"name": "Alice", "age": 30}'


def vectors(*, packed: bool = True) -> dict[str, Any]:
    numbers = [0.5, -0.25]
    shown: Any = base64.b64encode(struct.pack("<2f", *numbers)).decode() if packed else numbers
    data = [{"object": "embedding", "index": index, "embedding": shown} for index in range(2)]
    return {"object": "list", "model": "e", "data": data, "usage": {"prompt_tokens": 2, "total_tokens": 2}}


MODELS = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "x"}]}


@pytest.mark.parametrize(
    ("id", "reply"),
    [
        ("sdk-chat", answer(completion("1, 2, 3"))),
        ("sdk-chat", answer({"vendor": 1, **completion("1, 2, 3", usage=None)})),
        ("sdk-stream", stream(chunk_list("1, 2, 3"))),
        ("sdk-stream", stream(sse([chunk(choices=[]), *chunk_list("1, 2, 3")], done=False))),
        ("sdk-stream", stream(b": ping\n\n" + sse(chunk_list("1, 2, 3")).replace(b"\n", b"\r\n"))),
        ("sdk-stream-helper", stream(chunk_list("1, 2, 3"))),
        ("sdk-parse", answer(completion(PERSON))),
        ("sdk-tools", answer(completion(tool_calls=CALL))),
        ("sdk-tools", answer(completion(tool_calls=CALL, message={"content": ""}))),
        ("sdk-tools-stream", stream(chunk_list(tool_calls=CALL))),
        ("sdk-embeddings", answer(vectors())),
        ("sdk-embeddings", answer(vectors(packed=False))),
        ("sdk-models", answer(MODELS, method="GET")),
        ("sdk-models", answer({"data": [{"id": "m"}]}, method="GET")),
    ],
)
def test_what_the_client_takes(id: str, reply: Reply) -> None:
    given: dict[str, Any] = {id.replace("-", "_"): reply}
    end = judge(id, **given)
    assert (end.status, end.seen) == (Status.PASS, None)
    assert end.notes == (f"judged with openai {sdk.sdk_version()}",)


def no_index() -> list[dict[str, Any]]:
    chunks = copy.deepcopy(chunk_list(tool_calls=CALL))
    for each in chunks:
        for choice in each["choices"]:
            for piece in choice["delta"].get("tool_calls", []):
                del piece["index"]
    return chunks


CUT = ("api-connection-error", "remote-protocol-error")
"""openai 3 and 2."""
no_choices = {name: value for name, value in chunk().items() if name != "choices"}


@pytest.mark.parametrize(
    ("id", "reply", "case", "seen"),
    [
        ("sdk-chat", answer(completion(choices=None)), "type-error", "TypeError: "),
        (
            "sdk-chat",
            answer(completion([{"type": "text", "text": "x"}])),
            "attribute-error",
            "AttributeError: ",
        ),
        ("sdk-chat", answer(completion(None)), "no-text", ""),
        ("sdk-chat", answer(ERROR, status=400), "bad-request-error", "BadRequestError: Error code: 400"),
        ("sdk-chat", answer(ERROR, status=500), "internal-server-error", "InternalServerError: "),
        ("sdk-chat", answer(None, status=None), "api-connection-error", "APIConnectionError: "),
        ("sdk-stream", stream(b"data: {broken\n\n"), "json-decode-error", "JSONDecodeError: "),
        ("sdk-stream", stream(sse([{"error": {"message": "over"}}])), "api-error", "APIError: over"),
        ("sdk-stream", stream(sse(chunk_list("1, 2"), done=False), ended="cut", error="reset"), CUT, ""),
        (
            "sdk-stream-helper",
            stream([chunk({"role": "assistant", "content": "1"}), no_choices]),
            "type-error",
            "TypeError: ",
        ),
        ("sdk-parse", answer(completion(f"```json\n{PERSON}\n```")), "validation-error", "ValidationError: "),
        ("sdk-parse", answer(completion(None, message={"refusal": "I cannot."})), "not-parsed", ""),
        (
            "sdk-tools",
            answer(completion(tool_calls=[tool_call(arguments={"city": "Paris"})])),
            "type-error",
            "TypeError: ",
        ),
        (
            "sdk-tools",
            answer(completion(tool_calls=[tool_call(arguments="")])),
            "json-decode-error",
            "JSONDecodeError: ",
        ),
        ("sdk-tools", answer(completion(tool_calls=[tool_call(arguments="{}")])), "call-differs", ""),
        ("sdk-tools-stream", stream(no_index()), "type-error", "TypeError: "),
        ("sdk-embeddings", answer({**vectors(), "data": []}), "value-error", "ValueError: "),
        ("sdk-embeddings", answer({**vectors(), "data": vectors()["data"][:1]}), "vectors", ""),
        ("sdk-models", answer(MODELS["data"], method="GET"), "attribute-error", "AttributeError: "),
        ("sdk-models", answer({"data": []}, method="GET"), "ids", ""),
    ],
)
def test_what_the_client_raises_or_gets_wrong(
    id: str, reply: Reply, case: str | tuple[str, str], seen: str
) -> None:
    given: dict[str, Any] = {id.replace("-", "_"): reply}
    end = judge(id, settings=demo_settings(embedding_model="e"), **given)
    assert end.status is Status.FAIL
    assert end.case in (case if isinstance(case, tuple) else (case,))
    assert (end.seen or "").startswith(seen)


def errors(key: Reply, model: Reply) -> Replies:
    return Replies({"key": key, "model": model})


REFUSED, UNKNOWN, TAKEN = (
    answer(ERROR, status=401),
    answer(ERROR, status=404),
    answer(completion()),
)


@pytest.mark.parametrize(
    ("key", "model", "has_key", "case"),
    [
        (REFUSED, UNKNOWN, True, None),
        (TAKEN, UNKNOWN, False, None),
        (TAKEN, UNKNOWN, True, "key-accepted"),
        (answer(ERROR, status=403), UNKNOWN, True, "key-permission-denied-error"),
        (REFUSED, answer(ERROR, status=400), True, "model-bad-request-error"),
        (REFUSED, TAKEN, True, "model-accepted"),
    ],
)
def test_error_classes(key: Reply, model: Reply, has_key: bool, case: str | None) -> None:
    end = judge("sdk-errors", settings=demo_settings(has_key=has_key), sdk_errors=errors(key, model))
    assert (end.status, end.case) == (Status.FAIL if case else Status.PASS, case)


def test_what_is_no_verdict() -> None:
    for status in (401, 402, 429):
        assert judge("sdk-chat", sdk_chat=answer(ERROR, status=status)).status is Status.ERROR
    uncalled = judge("sdk-tools", sdk_tools=answer(completion("It is warm.")))
    assert (uncalled.status, uncalled.reason) == (Status.ERROR, "the model called no tool")
    usage = {"prompt_tokens": 9, "completion_tokens": 1024, "total_tokens": 1033}
    cut = answer(completion("{", finish_reason="length", usage=usage), sent={"max_tokens": 1024})
    assert judge("sdk-parse", sdk_parse=cut).reason == "the answer was cut at the cap of 1024 tokens"
    assert judge("sdk-embeddings", sdk_embeddings=answer(ERROR, status=404)).status is Status.SKIP
    refused = answer(ERROR, status=500, owner="chat-accepted")
    behind = answer(ERROR, status=500, owner="sdk-chat", grounds=[refused])
    assert judge("sdk-chat", sdk_chat=behind).blocked_by == "chat-accepted"


def test_without_the_package_a_saved_run_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "find_spec", lambda name: None)
    assert sdk.sdk_version() is None
    end = judge("sdk-chat", sdk_chat=answer(completion()))
    assert (end.status, end.reason) == (Status.SKIP, sdk.INSTALL)
    assert "pip install 'llmcompat[sdk]'" in sdk.INSTALL
    with pytest.raises(Skipped):
        sdk.sdk_request(lambda client: client.models.list())


def test_a_request_is_what_the_client_sends_and_nothing_of_its_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-own")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-own")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-own")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://example.com/v1")

    def use(client: Any) -> Any:
        messages = [{"role": "user", "content": "Hi"}]
        return client.chat.completions.create(model="m", messages=messages, stream=True)

    request = sdk.sdk_request(use, key="k")
    assert (request.method, request.path, request.key, request.stream) == (
        "POST",
        "chat/completions",
        "k",
        True,
    )
    assert json.loads(request.body or b"")["stream"] is True
    headers = dict(request.headers)
    assert "own" not in repr(request)
    assert headers["User-Agent"].startswith("OpenAI/Python")
    assert not {"Authorization", "Host", "Content-Length"} & headers.keys()
    listed = sdk.sdk_request(lambda client: client.models.list())
    assert (listed.method, listed.path, listed.body, listed.stream) == ("GET", "models", None, False)


def test_a_use_that_sends_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="sends no request"):
        sdk.sdk_request(lambda client: None)


def test_a_body_is_read_in_the_pieces_in_which_it_came() -> None:
    body = sse(chunk_list("Grüße 🎉"))
    reply = stream(body, arrivals=[(end, 0.1) for end in range(1, len(body) + 1)])
    assert judge("sdk-stream", sdk_stream=reply).status is Status.PASS


def run(*faults: str) -> TargetRun:
    async def ask(base_url: str) -> TargetRun:
        settings = demo_settings(base_url=base_url, only=("sdk",), embedding_model="demo-embed", has_key=True)
        async for event in run_target(checklist(), settings, load_profile("demo"), key="k" * 20, seed="seed"):
            if isinstance(event, Finished):
                return event.run
        raise AssertionError("the run never finished")

    with running(faults=faults) as server:
        return asyncio.run(ask(server.base_url))


def test_a_healthy_endpoint_passes_and_is_judged_again_alike() -> None:
    healthy = run()
    assert {result.status for result in healthy.checks} == {Status.PASS}
    ours = [exchange for exchange in healthy.exchanges if exchange.probe.startswith("sdk_")]
    assert len(ours) == 10
    assert all(dict(each.request_headers)["User-Agent"].startswith("OpenAI/Python") for each in ours)
    assert all("k" * 20 not in repr(each) for each in ours)
    exchanges = {exchange.id: exchange for exchange in healthy.exchanges}
    evidence = gather_evidence(checklist().probes, healthy.asks, exchanges, healthy.unasked)
    settings = demo_settings(only=("sdk",), embedding_model="demo-embed", has_key=True)
    again = judge_run(
        select(checklist(), settings).checks, checklist(), [evidence], load_profile("demo"), settings
    )
    assert [(each.id, each.status) for each in again] == [(each.id, each.status) for each in healthy.checks]


@pytest.mark.parametrize(
    ("fault", "id", "case"),
    [
        ("tool-arguments-object", "sdk-tools", "type-error"),
        ("tool-delta-missing-index", "sdk-tools-stream", "type-error"),
        ("models-list-bare-array", "sdk-models", "attribute-error"),
        ("embeddings-data-empty", "sdk-embeddings", "value-error"),
    ],
)
def test_a_fault_that_breaks_the_client_is_one_line(fault: str, id: str, case: str) -> None:
    failed = {result.id: result.case for result in run(fault).checks if result.status is Status.FAIL}
    assert failed == {id: case}
