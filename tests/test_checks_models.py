"""Model lists as literals, before the checks that judge them."""

from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import Replies, Reply
from tests.checking import Judgement, answer, completion, demo_settings, exchanges, judge


def ended(judgement: Judgement) -> str | None:
    """How it ended, in one word: the case of a failure, the owner of a block, else the status."""
    return judgement.case or judgement.blocked_by or judgement.status.value


def entry(id: Any = "demo-chat", **changes: Any) -> dict[str, Any]:
    fields = {"id": id, "object": "model", "created": 1767225600, "owned_by": "x"} | changes
    return {name: value for name, value in fields.items() if value is not ...}


def listed(*entries: Any, **changes: Any) -> Reply:
    fields = {"object": "list", "data": list(entries)} | changes
    body = {name: value for name, value in fields.items() if value is not ...}
    return answer(body, path="models", method="GET", owner="models-list")


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (listed(entry(), extra=1), "pass"),
        (listed(), "pass"),
        (listed(entry(), object=...), "pass"),
        (answer([entry()]), "models-list-bare-array"),
        (answer(b"<html>"), "models-list-not-json"),
        (answer({"error": {"message": "?"}}), "error-status"),
        (answer({"models": [entry()]}), "models-list-data-missing"),
        (listed(data=None), "models-list-data-missing"),
        (listed(entry(), entry(7)), "models-list-entry"),
        (listed("demo-chat"), "models-list-entry"),
        (answer({}, status=404), "models-list-path"),
        (answer({}, status=405), "models-list-path"),
        (answer({"error": {"code": "404", "message": "Resource not found"}}, status=404), "azure-addressing"),
        (answer({"error": {"code": "DeploymentNotFound"}}, status=404), "azure-addressing"),
        (answer({}, status=500), "server-error"),
        (answer(status=None), "no-answer"),
        (answer({}, status=429), "error"),
    ],
)
def test_models_list(reply: Reply, end: str) -> None:
    assert ended(judge("models-list", models_list=reply)) == end


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (listed(entry("x"), entry()), "pass"),
        (listed(), "models-list-empty"),
        (listed(entry("models/demo-chat")), "models-list-id-prefixed"),
        (listed(entry("demo-chat-2")), "model-not-listed"),
        (answer([entry()]), "models-list"),
        (answer({}, status=404), "models-list"),
        (listed("demo-chat"), "models-list"),
    ],
)
def test_model_listed(reply: Reply, end: str) -> None:
    assert ended(judge("model-listed", models_list=reply)) == end


def test_the_nearest_model_is_named() -> None:
    assert "demo-chat-2" in (
        judge("model-listed", models_list=listed(entry("x"), entry("demo-chat-2"))).seen or ""
    )


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (listed(entry(context_length=9)), "pass"),
        (listed(), "pass"),
        (listed(entry(), object=...), "models-list-object-missing"),
        (listed(entry(object=...)), "models-list-object-missing"),
        (listed(entry(created=1.5)), "models-list-created"),
        (listed(entry(owned_by=None)), "models-list-owned-by"),
    ],
)
def test_models_list_fields(reply: Reply, end: str) -> None:
    assert ended(judge("models-list-fields", models_list=reply)) == end


def found(
    part: str = "plain", id: str = "demo-chat", status: int = 200, *, asked: str | None = None
) -> Reply:
    document = entry(id) if status == 200 else {}
    path = f"models/{asked or id}"
    reply = answer(document, status=status, owner="model-retrieved", path=path, method="GET")
    reply.part = part
    return reply


@pytest.mark.parametrize(
    ("model", "parts", "end", "noted"),
    [
        ("demo-chat", {"plain": found()}, "pass", False),
        ("a/b", {"plain": found(id="a/b")}, "pass", False),
        ("a/b", {"plain": found(id="a/b", status=404), "encoded": found("encoded", "a/b")}, "pass", True),
        ("demo-chat", {"plain": found(id="a/b")}, "pass", False),
        (
            "demo-chat",
            {
                "plain": found(id="a/b", status=404),
                "encoded": found("encoded", "a/b", 404),
                "own": found("own"),
            },
            "models-retrieve-slash-404",
            False,
        ),
        (
            "demo-chat",
            {
                "plain": found(id="a/b", status=404),
                "encoded": found("encoded", "a/b", 404),
                "own": found("own", status=404),
            },
            "models-retrieve-missing",
            False,
        ),
        ("demo-chat", {"plain": found(status=404)}, "models-retrieve-missing", False),
        (
            "a/b",
            {"plain": found(id="a/b", status=404), "encoded": found("encoded", "a/b", 404)},
            "models-retrieve-slash-404",
            False,
        ),
        ("demo-chat", {"plain": found(id="other", asked="demo-chat")}, "models-retrieve-other", False),
        ("demo-chat", {"plain": answer({"error": {"message": "?"}})}, "error-status", False),
        ("demo-chat", {"plain": found(status=500)}, "server-error", False),
        ("demo-chat", {"plain": found(status=429)}, "error", False),
    ],
)
def test_model_retrieved(model: str, parts: dict[str, Reply], end: str, noted: bool) -> None:
    judgement = judge("model-retrieved", model_entry=Replies(parts), settings=demo_settings(model=model))
    assert ended(judgement) == end
    assert bool(judgement.notes) is noted


@pytest.mark.parametrize(
    ("reply", "window", "end"),
    [
        (listed(entry()), 8000, "pass"),
        (listed(entry(context_length=8000)), 8000, "pass"),
        (listed(entry(max_model_len=8000)), None, "pass"),
        (listed(entry(context_length=4000)), 8000, "advertised-context-smaller"),
        (listed(entry("x")), 8000, "model-listed"),
    ],
)
def test_model_advertised(reply: Reply, window: int | None, end: str) -> None:
    settings = demo_settings(context_window=window)
    assert ended(judge("model-advertised", models_list=reply, settings=settings)) == end


@pytest.mark.parametrize(
    ("asked", "answered", "end"),
    [
        ("demo-chat", "demo-chat", "pass"),
        ("demo-chat", "demo-chat-2026-08-01", "pass"),
        ("owner/demo-chat", "demo-chat", "pass"),
        ("demo-chat", "models/Demo-Chat", "pass"),
        ("llama3:latest", "llama3", "pass"),
        ("demo-chat", "other", "model-echo-differs"),
        ("demo-chat", "", "model-echo-differs"),
        ("demo-chat", 7, "response-choices"),
    ],
)
def test_model_echo(asked: str, answered: Any, end: str) -> None:
    reply = answer(completion(model=answered), sent={"model": asked})
    assert ended(judge("model-echo", exchanges=exchanges(reply))) == end


def test_an_alias_of_the_profile_is_no_other_model() -> None:
    profile = load_profile("demo")
    aliases = profile.models.model_copy(update={"aliases": {"demo-chat": "sim-9"}})
    reply = answer(completion(model="sim-9"), sent={"model": "demo-chat"})
    assert judge("model-echo", exchanges=exchanges(reply)).case == "model-echo-differs"
    known = profile.model_copy(update={"models": aliases})
    assert judge("model-echo", exchanges=exchanges(reply), profile=known).status is Status.PASS
