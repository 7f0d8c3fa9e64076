"""Embeddings as literals, before the checks that judge them."""

import base64
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.profiles.loader import load_profile
from llmcompat.profiles.schema import Offer
from llmcompat.reply import BUNDLE, Replies, Reply
from llmcompat.settings import Settings
from tests.checking import Judgement, answer, demo_settings, judge

GREETING, COPPER, SOUP = [0.6, 0.8, 0.0, 0.0], [0.0, 0.6, 0.8, 0.0], [0.0, 0.0, 0.6, 0.8]
NAMED = demo_settings(embedding_model="demo-embed")


def ended(judgement: Judgement) -> str | None:
    """How it ended, in one word: the case of a failure, the owner of a block, else the status."""
    return judgement.case or judgement.blocked_by or judgement.status.value


def embedded(vectors: Sequence[Any], *, inputs: Sequence[Any] | None = None, **changes: Any) -> Reply:
    """An answer with these vectors; `changes` go over its top level, `sent_…` over the request."""
    sent = {"input": list(inputs or [f"text {number}" for number in range(len(vectors))])}
    sent |= {name.removeprefix("sent_"): changes.pop(name) for name in [*changes] if name.startswith("sent_")}
    data = [
        {"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)
    ]
    body = {
        "object": "list",
        "data": data,
        "model": "e",
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
    } | changes
    body = {name: value for name, value in body.items() if value is not ...}
    return answer(body, sent=sent, path="embeddings", owner="embeddings-accepted")


def packed(vector: Sequence[float], form: str = "<f") -> str:
    return base64.b64encode(struct.pack(f"{form[0]}{len(vector)}{form[1]}", *vector)).decode()


LINES = [[0.1, 0.2, float(number), 1.0] for number in range(61)]
BATCH = embedded([GREETING, COPPER, SOUP, *LINES, GREETING])
REFUSED = answer({"error": {"message": "?"}}, status=400, path="embeddings")
MISSING = answer({"error": {"message": "?"}}, status=404, path="embeddings")


def batch(reply: Reply = BATCH, **parts: Reply) -> Replies:
    return Replies({BUNDLE: reply} | parts)


def judged(id: str, batch: Replies, *, settings: Settings = NAMED, **evidence: Any) -> Judgement:
    return judge(
        id, settings=settings, **({"embeddings_batch": batch, "embeddings_base64": REFUSED} | evidence)
    )


THREE = embedded([GREETING, COPPER, SOUP])


@pytest.mark.parametrize(
    ("replies", "accepted", "size", "user"),
    [
        (batch(), "pass", "pass", "pass"),
        (
            batch(REFUSED, plain=THREE, user=REFUSED, batch=BATCH),
            "pass",
            "pass",
            "embeddings-user-param-rejected",
        ),
        (batch(REFUSED, plain=THREE, user=THREE, batch=REFUSED), "pass", "embeddings-batch-limit", "pass"),
        (batch(REFUSED, plain=THREE, user=THREE, batch=BATCH), "together", "pass", "pass"),
        (
            batch(MISSING, plain=MISSING),
            "embeddings-not-offered",
            "embeddings-accepted",
            "embeddings-accepted",
        ),
        (batch(REFUSED, plain=REFUSED), "fail", "embeddings-accepted", "embeddings-accepted"),
    ],
)
def test_acceptance(replies: Replies, accepted: str, size: str, user: str) -> None:
    assert ended(judged("embeddings-accepted", replies)) == accepted
    assert ended(judged("embeddings-batch", replies)) == size
    assert ended(judged("embeddings-user", replies)) == user


OTHERS = (
    "embeddings-data",
    "embeddings-index",
    "embeddings-vectors",
    "embeddings-same-text",
    "embeddings-usage",
    "embeddings-envelope",
    "embeddings-base64",
    "embeddings-dimensions",
    "embeddings-dimensions-accepted",
    "embeddings-token-ids",
)


@pytest.mark.parametrize("id", ["embeddings-accepted", *OTHERS])
def test_without_an_embedding_model(id: str) -> None:
    evidence = dict.fromkeys(("embeddings_base64", "embeddings_dimensions", "embeddings_tokens"), MISSING)
    silent = load_profile("demo").model_copy(update={"features": {}})
    absent = load_profile("demo").model_copy(update={"features": {"embeddings": Offer(offered=False)}})
    unnamed = demo_settings()
    refused = batch(MISSING, plain=MISSING)
    found = judged(id, refused, settings=unnamed, profile=silent, **evidence)
    assert found.status is Status.SKIP
    assert "--embedding-model" in (found.reason or "")
    asked_for = demo_settings(uses={"embeddings"})
    assert judged(id, refused, settings=asked_for, profile=silent, **evidence).status is Status.ERROR
    said = judged(id, refused, settings=unnamed, profile=absent, **evidence)
    assert ended(said) == ("embeddings-not-offered" if id == "embeddings-accepted" else "embeddings-accepted")


def changed(**item: Any) -> Reply:
    """Three vectors, the second entry changed."""
    good = [{"object": "embedding", "index": index, "embedding": GREETING} for index in range(3)]
    data = [{name: value for name, value in (each | item).items() if value is not ...} for each in good[1:2]]
    return embedded([GREETING] * 3, data=[good[0], *data, good[2]])


@pytest.mark.parametrize(
    ("reply", "data", "index", "vectors"),
    [
        (THREE, "pass", "pass", "pass"),
        (
            embedded([GREETING] * 3, data=None),
            "embeddings-data-missing",
            "embeddings-data",
            "embeddings-data",
        ),
        (
            embedded([GREETING] * 3, data=["x"] * 3),
            "embeddings-data-missing",
            "embeddings-data",
            "embeddings-data",
        ),
        (embedded([GREETING] * 3, data=[]), "embeddings-data-empty", "embeddings-data", "embeddings-data"),
        (embedded([GREETING], inputs=["a", "b"]), "embeddings-count", "embeddings-data", "embeddings-data"),
        (changed(index=...), "pass", "embeddings-index-missing", "pass"),
        (changed(index="1"), "pass", "embeddings-index-missing", "pass"),
        (changed(index=0), "pass", "embeddings-index-order", "pass"),
        (changed(embedding=["0.6", 0.8]), "pass", "pass", "embeddings-vector-type"),
        (changed(embedding=[]), "pass", "pass", "embeddings-vector-type"),
        (changed(embedding=[0, 0, 0, 0]), "pass", "pass", "embeddings-vector-type"),
        (changed(embedding=packed(GREETING)), "pass", "pass", "embeddings-vector-type"),
        (changed(embedding=[0.6, 0.8]), "pass", "pass", "embeddings-length"),
    ],
)
def test_shape(reply: Reply, data: str, index: str, vectors: str) -> None:
    assert ended(judged("embeddings-data", batch(reply))) == data
    assert ended(judged("embeddings-index", batch(reply))) == index
    assert ended(judged("embeddings-vectors", batch(reply))) == vectors


def test_vectors_that_are_not_normalised_are_noted() -> None:
    assert judged("embeddings-vectors", batch(THREE)).notes == ()
    assert judged("embeddings-vectors", batch(embedded([[3.0, 4.0]]))).notes


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (BATCH, "pass"),
        (embedded([GREETING, COPPER, SOUP, *LINES, [0.6, 0.8001, 0.0, 0.0]]), "pass"),
        (embedded([GREETING, COPPER, SOUP, *LINES, SOUP]), "embeddings-not-the-same"),
        (embedded([GREETING] * 65), "embeddings-all-alike"),
        (changed(embedding=["x"]), "embeddings-vectors"),
    ],
)
def test_same_text(reply: Reply, end: str) -> None:
    assert ended(judged("embeddings-same-text", batch(reply))) == end


SWAPPED = [SOUP, COPPER, GREETING]


@pytest.mark.parametrize(
    ("forms", "end", "used"),
    [
        ([packed(vector) for vector in SWAPPED], "pass", "pass"),
        (SWAPPED, "pass", "embeddings-base64-ignored"),
        ([packed(vector) for vector in SWAPPED[::-1]], "embeddings-order", "pass"),
        ([packed(vector, ">f") for vector in SWAPPED], "embeddings-base64-differs", "pass"),
        ([packed(vector, "<d") for vector in SWAPPED], "embeddings-base64-length", "pass"),
        (["not base64!"] * 3, "embeddings-base64-form", "pass"),
        ([None] * 3, "embeddings-base64-form", "pass"),
    ],
)
def test_base64(forms: Sequence[Any], end: str, used: str) -> None:
    asked = embedded(forms)
    assert ended(judged("embeddings-base64", batch(), embeddings_base64=asked)) == end
    assert ended(judged("embeddings-base64-used", batch(), embeddings_base64=asked)) == used


OTHER = [1.0, -1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "forms", [[OTHER, COPPER, GREETING], [packed(vector) for vector in (OTHER, COPPER, GREETING)]]
)
def test_a_vector_that_depends_on_its_company(forms: Sequence[Any]) -> None:
    asked = embedded(forms)
    found = judged("embeddings-same-text", batch(), embeddings_base64=asked)
    assert found.case == "embeddings-not-the-same"
    assert "asked together with others" in (found.seen or "")
    assert judged("embeddings-base64", batch(), embeddings_base64=asked).blocked_by == "embeddings-same-text"


@pytest.mark.parametrize(
    "forms",
    [SWAPPED, SWAPPED[::-1], [packed(vector, ">f") for vector in SWAPPED], ["no base64!"] * 3, [None] * 3],
)
def test_other_faults_of_the_form_are_not_told_of_the_text(forms: Sequence[Any]) -> None:
    found = judged("embeddings-same-text", batch(), embeddings_base64=embedded(forms))
    assert found.status is Status.PASS


def test_an_error_that_comes_with_200_is_told_once() -> None:
    wrong = answer({"error": {"message": "?"}}, path="embeddings")
    probes = ("embeddings_base64", "embeddings_dimensions", "embeddings_tokens")
    evidence: dict[str, Any] = dict.fromkeys(probes, wrong)
    for id in OTHERS:
        found = judged(id, batch(wrong), **evidence)
        assert found.blocked_by == "error-status" or id == "embeddings-dimensions-accepted"


def test_base64_refused() -> None:
    assert (
        judged("embeddings-base64", batch(), embeddings_base64=REFUSED).case == "embeddings-base64-rejected"
    )


@pytest.mark.parametrize(
    ("reply", "accepted", "obeyed"),
    [
        (embedded([[1.0, 0.0]], sent_dimensions=2), "pass", "pass"),
        (embedded([GREETING], sent_dimensions=2), "pass", "embeddings-dimensions-ignored"),
        (REFUSED, "embeddings-dimensions-rejected", "pass"),
        (answer({}, status=500), "embeddings-dimensions-rejected", "embeddings-dimensions-accepted"),
    ],
)
def test_dimensions(reply: Reply, accepted: str, obeyed: str) -> None:
    assert ended(judged("embeddings-dimensions-accepted", batch(), embeddings_dimensions=reply)) == accepted
    assert ended(judged("embeddings-dimensions", batch(), embeddings_dimensions=reply)) == obeyed


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        (embedded([GREETING]), "pass"),
        (embedded([SOUP]), "embeddings-token-ids-foreign"),
        (embedded([GREETING], data=[]), "embeddings-token-ids-rejected"),
        (REFUSED, "embeddings-token-ids-rejected"),
    ],
)
def test_token_ids(reply: Reply, end: str) -> None:
    assert ended(judged("embeddings-token-ids", batch(), embeddings_tokens=reply)) == end


@pytest.mark.parametrize(
    ("changes", "usage", "envelope"),
    [
        ({}, "pass", "pass"),
        ({"usage": ...}, "embeddings-usage-missing", "pass"),
        ({"usage": {"total_tokens": 9}}, "embeddings-usage-fields", "pass"),
        ({"usage": {"prompt_tokens": 9.0, "total_tokens": 9}}, "embeddings-usage-fields", "pass"),
        ({"usage": {"prompt_tokens": 0, "total_tokens": 0}}, "embeddings-usage-zero", "pass"),
        ({"usage": {"prompt_tokens": 9, "total_tokens": 9, "cost": 0.1}, "id": "x"}, "pass", "pass"),
        ({"object": ...}, "pass", "embeddings-object"),
        ({"model": None}, "pass", "embeddings-model"),
        ({"data": [{"index": 0, "embedding": GREETING}]}, "pass", "embeddings-object"),
    ],
)
def test_beside_the_vectors(changes: dict[str, Any], usage: str, envelope: str) -> None:
    reply = embedded([GREETING], **changes)
    assert ended(judged("embeddings-usage", batch(reply))) == usage
    assert ended(judged("embeddings-envelope", batch(reply))) == envelope
