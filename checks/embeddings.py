"""Embeddings: your texts become vectors that fit the index that you have or build."""

import base64
import binascii
import math
import struct
from typing import Any, NoReturn

from llmcompat import (
    BUNDLE,
    Api,
    Profile,
    Replies,
    Reply,
    Settings,
    blocked,
    check,
    dig,
    fail,
    is_int,
    measure,
    note,
    probe,
    skip,
    unanswered,
)

GREETING = "hello world"
GREETING_IDS = [15339, 1917]
"""The greeting in cl100k_base, the vocabulary that LangChain encodes with for OpenAI's embedding models."""
TEXTS = [GREETING, "the price of copper in Santiago", "a recipe for lentil soup with lemon"]
BATCH = [*TEXTS, *(f"line {number}" for number in range(61)), GREETING]
"""65 inputs: more than the small limits (10, 32, 64) of some hosts. The first and the last are the same."""
ALIKE = 0.99
"""Cosine from which two vectors count as the same text's: batching and precision change the last digits."""


def _model(settings: Settings) -> str:
    return settings.embedding_model or settings.model


def _body(settings: Settings, **fields: Any) -> dict[str, Any]:
    return {"model": _model(settings), "encoding_format": "float", **fields}


@probe(owner="embeddings-accepted", early=True)
async def embeddings_batch(api: Api) -> Replies:
    """65 short texts as floats, with `user`; where that is refused, three texts, then each extra alone."""
    # Without an embedding model by name the chat model is tried; its refusal is expected: one try is enough.
    refusal = api.settings.embedding_model is None
    together = _body(api.settings, input=BATCH, user="llmcompat")
    parts = {BUNDLE: await api.post("embeddings", together, part=BUNDLE, refusal=refusal)}
    if parts[BUNDLE].refused:
        parts["plain"] = await api.post(
            "embeddings", _body(api.settings, input=TEXTS), part="plain", refusal=refusal
        )
        if parts["plain"].answered:
            alone = await api.gather(
                user=api.post("embeddings", _body(api.settings, input=TEXTS, user="llmcompat"), part="user"),
                batch=api.post("embeddings", _body(api.settings, input=BATCH), part="batch"),
            )
            parts |= dict(alone)
    return Replies(parts, "embeddings_batch", "embeddings-accepted")


async def _ask(api: Api, batch: Replies, **fields: Any) -> Reply:
    """Ask where embeddings are offered at all; else give the refusal again, which sends nothing."""
    if batch.part("plain").refused:
        fields = {"input": TEXTS}
    refusal = api.settings.embedding_model is None
    return await api.post("embeddings", _body(api.settings, **fields), refusal=refusal)


@probe(owner="embeddings-base64", early=True)
async def embeddings_base64(api: Api, embeddings_batch: Replies) -> Reply:
    """The three texts in another order, in the form that the SDKs ask for by default."""
    return await _ask(api, embeddings_batch, input=TEXTS[::-1], encoding_format="base64")


@probe(owner="embeddings-dimensions-accepted", early=True)
async def embeddings_dimensions(api: Api, embeddings_batch: Replies) -> Reply:
    """One text at half the native length."""
    native = len(_first_vector(embeddings_batch.part("plain")) or [])
    return await _ask(api, embeddings_batch, input=[GREETING], dimensions=native // 2 or 64)


@probe(owner="embeddings-token-ids", early=True)
async def embeddings_tokens(api: Api, embeddings_batch: Replies) -> Reply:
    """The greeting as token ids, as LangChain sends texts by default."""
    return await _ask(api, embeddings_batch, input=[GREETING_IDS])


def _first_vector(reply: Reply) -> list[float] | None:
    """The first vector as it stands, for a probe that needs its length; it judges nothing."""
    data = reply.document.get("data") if isinstance(reply.document, dict) else None
    vector = (
        data[0].get("embedding") if isinstance(data, list) and data and isinstance(data[0], dict) else None
    )
    return vector if isinstance(vector, list) else None


def _plain(batch: Replies, settings: Settings, profile: Profile) -> Reply:
    """The accepted batch; without one the check ends as `embeddings-accepted` does, or is blocked by it."""
    reply = batch.part("plain")
    if reply.refused:
        _nothing_to_ask(settings, profile)
        blocked("embeddings-accepted")
    return _without_error(reply)


def _without_error(reply: Reply) -> Reply:
    """The reply, unless it is an error that came with 200."""
    if reply.answered and dig(reply.document, "error"):
        blocked("error-status")
    return reply


def _nothing_to_ask(settings: Settings, profile: Profile) -> None:
    """Skip where nobody named an embedding model, and the profile does not say whether there is one."""
    if settings.embedding_model is not None or _offer(profile) is not None:
        return
    hint = "no embedding model is known: name one with --embedding-model"
    if "embeddings" in settings.uses:
        unanswered(hint)
    skip(hint)


def _offer(profile: Profile) -> bool | None:
    offer = profile.features.get("embeddings")
    return offer.offered if offer else None


def _items(reply: Reply) -> list[dict[str, Any]]:
    """The entries of `data`; blocked where they are not one object for each input."""
    reply.require()
    data = dig(_without_error(reply).document, "data")
    inputs = reply.sent.get("input", [])
    if (
        not isinstance(data, list)
        or len(data) != len(inputs)
        or not all(isinstance(item, dict) for item in data)
    ):
        blocked("embeddings-data")
    return data


def _vectors(reply: Reply) -> list[list[float]]:
    """The vectors as lists of numbers; blocked where they are anything else."""
    return reply.once("embeddings.vectors", lambda: _numbers(reply))


def _numbers(reply: Reply) -> list[list[float]]:
    vectors = [item.get("embedding") for item in _items(reply)]
    if not all(_is_vector(vector) for vector in vectors):
        blocked("embeddings-vectors")
    return [[float(number) for number in vector] for vector in vectors if isinstance(vector, list)]


def _is_vector(value: object) -> bool:
    return isinstance(value, list) and bool(value) and set(map(type, value)) <= {int, float} and any(value)


def _cosine(one: list[float], other: list[float]) -> float:
    """Cosine of the angle between two vectors; 0 where their lengths differ."""
    if len(one) != len(other):
        return 0.0
    norms = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / norms if norms else 0.0


@check(
    "embeddings-accepted",
    feature="embeddings",
    fix="Keep OpenAI, or another provider, for embeddings: models' vectors cannot be mixed anyway.",
)
def embeddings_accepted(embeddings_batch: Replies, settings: Settings, profile: Profile) -> None:
    """Texts are embedded.

    Search, retrieval and memory stop without it.
    """
    plain = embeddings_batch.part("plain")
    if plain.refused:
        _nothing_to_ask(settings, profile)
        offer = profile.features.get("embeddings")
        if offer is not None and not offer.offered:
            note(
                f"{profile.display_name} offers no embeddings: {', '.join(offer.sources) or 'by its profile'}"
            )
        case = "embeddings-not-offered" if plain.status in (404, 405, 501) else None
        plain.accepted(case=case)
    elif embeddings_batch.split() and all(
        reply.answered for name, reply in embeddings_batch.items() if name != BUNDLE
    ):
        embeddings_batch[BUNDLE].accepted(case="together")


@check(
    "embeddings-batch",
    feature="embeddings",
    fix="Lower the batch size of your indexer (chunk_size, embed_batch_size).",
)
def embeddings_batch_size(embeddings_batch: Replies, settings: Settings, profile: Profile) -> None:
    """65 texts are embedded in one request.

    OpenAI takes 2048; indexers send fixed batches, and every one above the limit is refused.
    """
    _plain(embeddings_batch, settings, profile)
    known = profile.limits.embedding_batch
    if known is not None:
        note(f"the profile gives a limit of {known.value} inputs")
    embeddings_batch.part("batch").accepted(case="embeddings-batch-limit")


@check(
    "embeddings-user",
    feature="embeddings",
    fix="Leave `user` out of embeddings requests.",
    chat="should",
    agent="should",
)
def embeddings_user(embeddings_batch: Replies, settings: Settings, profile: Profile) -> None:
    """`user` is accepted with embeddings.

    Frameworks that send it with every request are refused as a whole.
    """
    _plain(embeddings_batch, settings, profile)
    embeddings_batch.part("user").accepted(case="embeddings-user-param-rejected")


@check(
    "embeddings-data",
    feature="embeddings",
    fix="Embed one text a request, and check that each answer holds one vector.",
)
def embeddings_data(embeddings_batch: Replies, settings: Settings, profile: Profile) -> None:
    """There is one entry for each text.

    openai-python raises on an empty list; clients map vectors to texts by their place.
    """
    reply = _plain(embeddings_batch, settings, profile)
    expected = f"data with {len(reply.sent.get('input', []))} objects"
    data = dig(reply.document, "data")
    if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
        fail(reply.excerpt, expected=expected, case="embeddings-data-missing")
    if not data:
        fail(reply.excerpt, expected=expected, case="embeddings-data-empty")
    if len(data) != len(reply.sent.get("input", [])):
        fail(f"{len(data)} entries", expected=expected, case="embeddings-count")


@check(
    "embeddings-index",
    feature="embeddings",
    fix="Take the place in the list for the index, or sort by index where it is there.",
)
def embeddings_index(embeddings_batch: Replies, settings: Settings, profile: Profile) -> None:
    """Each entry's index is its place.

    Spring AI and others refuse entries without one; clients that go by place mix texts up in another order.
    """
    items = _items(_plain(embeddings_batch, settings, profile))
    indexes = [item.get("index") for item in items]
    if not all(is_int(index) for index in indexes):
        missing = next(index for index in indexes if not is_int(index))
        fail({"index": missing}, expected="a whole number", case="embeddings-index-missing")
    if indexes != list(range(len(items))):
        fail({"indexes": indexes}, expected="0, 1, 2, … in order", case="embeddings-index-order")


@check(
    "embeddings-vectors",
    feature="embeddings",
    fix="Do not store these vectors: check their type and length before they reach the index.",
)
def embeddings_vectors(embeddings_batch: Replies, settings: Settings, profile: Profile) -> None:
    """Vectors are numbers, all of one length.

    An index has one length; a vector of another one, or of nothing but zeros, is refused or never found.
    """
    vectors = [item.get("embedding") for item in _items(_plain(embeddings_batch, settings, profile))]
    for vector in vectors:
        if not isinstance(vector, list) or not _is_vector(vector):
            seen = vector[:8] if isinstance(vector, list) else str(vector)[:80]
            fail({"embedding": seen}, expected="numbers that are not all zero", case="embeddings-vector-type")
    lengths = sorted({len(vector) for vector in vectors if isinstance(vector, list)})
    if len(lengths) > 1:
        fail({"lengths": lengths}, expected="one length", case="embeddings-length")
    first = vectors[0]
    if isinstance(first, list):
        measure("dimensions", len(first), "")
        if abs(math.hypot(*first) - 1) > 0.01:
            note(
                "The vectors are not normalised as OpenAI's are: compare them by cosine, not by dot product."
            )


@check(
    "embeddings-same-text",
    feature="embeddings",
    fix="Embed one text a request; do not trust the order of a batch here.",
)
def embeddings_same_text(
    embeddings_batch: Replies, embeddings_base64: Reply, settings: Settings, profile: Profile
) -> None:
    """The same text has the same vector whatever it is asked with, and other texts have others.

    Otherwise vectors belong to the wrong texts, and search finds nothing, without any error.
    """
    reply = _plain(embeddings_batch, settings, profile)
    whole = embeddings_batch.part("batch")
    vectors = _vectors(whole if whole.answered else reply)
    if _cosine(vectors[0], vectors[1]) > 0.9999 and _cosine(vectors[1], vectors[2]) > 0.9999:
        fail(
            f"cosine {_cosine(vectors[0], vectors[1]):.5f} for two texts",
            expected="below 1",
            case="embeddings-all-alike",
        )
    if len(vectors) == len(BATCH) and _cosine(vectors[0], vectors[-1]) < ALIKE:
        seen = f"cosine {_cosine(vectors[0], vectors[-1]):.3f} for the same text, first and last"
        fail(seen, expected=f"{ALIKE} or more", case="embeddings-not-the-same")
    again = _asked_again(embeddings_base64)
    cosines = [_cosine(one, other) for one, other in zip(again, vectors, strict=False)]
    # where no vector is the same the form differs, and where each is one of the batch's the order does
    if max(cosines) >= ALIKE > min(cosines) and not _all_among(again, vectors):
        seen = f"cosine {min(cosines):.3f} for the same text, asked together with others"
        fail(seen, expected=f"{ALIKE} or more", case="embeddings-not-the-same")


def _asked_again(reply: Reply) -> list[list[float]]:
    """The vectors of the three texts that were asked in reverse, in their order; empty where unreadable."""
    forms = [dig(reply.document, f"data.{place}.embedding") for place in reversed(range(len(TEXTS)))]
    return [_read(form) for form in forms]


def _read(form: object) -> list[float]:
    if isinstance(form, list) and _is_vector(form):
        return [float(number) for number in form]
    try:
        packed = base64.b64decode(form, validate=True) if isinstance(form, str) else b""
    except (binascii.Error, ValueError):
        return []
    numbers = struct.unpack(f"<{len(packed) // 4}f", packed[: len(packed) // 4 * 4])
    return list(numbers) if all(map(math.isfinite, numbers)) else []


def _all_among(some: list[list[float]], vectors: list[list[float]]) -> bool:
    return all(any(_cosine(one, other) >= ALIKE for other in vectors) for one in some)


@check(
    "embeddings-base64",
    feature="embeddings",
    fix='Send encoding_format="float" with every request.',
)
def embeddings_base64_form(
    embeddings_base64: Reply, embeddings_batch: Replies, settings: Settings, profile: Profile
) -> None:
    """base64 is accepted, and holds the same numbers.

    The SDKs ask for base64 by default, and read it as little-endian 32-bit floats.
    """
    batch = _plain(embeddings_batch, settings, profile)
    embeddings_base64.accepted(case="embeddings-base64-rejected")
    known = _vectors(batch)[: len(TEXTS)][::-1]
    forms = [item.get("embedding") for item in _items(embeddings_base64)]
    if all(_is_vector(form) for form in forms):
        decoded = [[float(number) for number in form] for form in forms if isinstance(form, list)]
    else:
        decoded = [_decoded(form, len(vector)) for form, vector in zip(forms, known, strict=True)]
    if all(_cosine(one, other) >= ALIKE for one, other in zip(decoded, known, strict=True)):
        return
    whole = embeddings_batch.part("batch")
    every = _vectors(whole if whole.answered else batch)
    if _all_among(decoded, every):
        fail(
            "vectors in another order than the texts",
            expected="the order of the texts",
            case="embeddings-order",
        )
    if any(_cosine(one, other) >= ALIKE for one, other in zip(decoded, known, strict=True)):
        blocked("embeddings-same-text")  # the form is right: a vector depends on what it is asked with
    seen = f"cosine {_cosine(decoded[0], known[0]):.3f} with the floats of the same text"
    fail(seen, expected=f"{ALIKE} or more", case="embeddings-base64-differs")


@check(
    "embeddings-base64-used",
    feature="embeddings",
    fix='Send encoding_format="float" with every request.',
    chat="should",
    agent="should",
)
def embeddings_base64_used(
    embeddings_base64: Reply, embeddings_batch: Replies, settings: Settings, profile: Profile
) -> None:
    """base64 comes where base64 was asked for.

    Most SDKs take floats as well; openai-dotnet and clients that decode without looking do not.
    """
    _plain(embeddings_batch, settings, profile)
    forms = [item.get("embedding") for item in _items(embeddings_base64)]
    if all(_is_vector(form) for form in forms):
        fail({"embedding": str(forms[0])[:80]}, expected="base64 text", case="embeddings-base64-ignored")


def _decoded(form: object, length: int) -> list[float]:
    """The numbers of a base64 form; a failure where it is none of so many 32-bit floats."""
    expected = f"base64 of {length} little-endian 32-bit floats"
    if not isinstance(form, str):
        _wrong_form(form, expected)
    try:
        packed = base64.b64decode(form, validate=True)
    except (binascii.Error, ValueError):
        _wrong_form(form, expected)
    if len(packed) != 4 * length:
        fail(f"{len(packed)} bytes", expected=expected, case="embeddings-base64-length")
    numbers = list(struct.unpack(f"<{length}f", packed))
    return [number if math.isfinite(number) else 0.0 for number in numbers]


def _wrong_form(form: object, expected: str) -> NoReturn:
    fail({"embedding": str(form)[:80]}, expected=expected, case="embeddings-base64-form")


@check(
    "embeddings-dimensions-accepted",
    feature="embeddings",
    fix="Leave `dimensions` out, and build the index with the model's own length.",
    chat="should",
    agent="should",
)
def embeddings_dimensions_accepted(
    embeddings_dimensions: Reply, embeddings_batch: Replies, settings: Settings, profile: Profile
) -> None:
    """`dimensions` is accepted.

    Applications that shorten OpenAI's vectors send it with every request. Not every model can do so.
    """
    _plain(embeddings_batch, settings, profile)
    embeddings_dimensions.accepted(case="embeddings-dimensions-rejected")


@check(
    "embeddings-dimensions",
    feature="embeddings",
    fix="Leave `dimensions` out, and build the index with the model's own length.",
)
def embeddings_dimensions_obeyed(
    embeddings_dimensions: Reply, embeddings_batch: Replies, settings: Settings, profile: Profile
) -> None:
    """`dimensions` is obeyed or refused, never ignored.

    Vectors of the model's own length do not fit an index that was built for shorter ones.
    """
    _plain(embeddings_batch, settings, profile)
    if embeddings_dimensions.status in (400, 404, 422):
        note("`dimensions` is refused, which is honest: nothing of another length reaches the index.")
        return
    if embeddings_dimensions.refused:
        blocked("embeddings-dimensions-accepted")
    wanted = embeddings_dimensions.sent.get("dimensions")
    length = len(_vectors(embeddings_dimensions)[0])
    if length != wanted:
        fail(f"{length} numbers", expected=f"{wanted} numbers, or 400", case="embeddings-dimensions-ignored")


@check(
    "embeddings-token-ids",
    feature="embeddings",
    fix="Send texts: in LangChain, OpenAIEmbeddings(check_embedding_ctx_length=False).",
    chat="should",
    agent="should",
)
def embeddings_token_ids(
    embeddings_tokens: Reply, embeddings_batch: Replies, settings: Settings, profile: Profile
) -> None:
    """Token ids are embedded as the text that they stand for.

    LangChain sends ids by default; ids read with another vocabulary silently give vectors of other texts.
    """
    batch = _plain(embeddings_batch, settings, profile)
    text = _vectors(batch)[0]
    embeddings_tokens.accepted(case="embeddings-token-ids-rejected")
    document = _without_error(embeddings_tokens).document
    if not isinstance(document, dict) or not document.get("data"):
        fail(embeddings_tokens.excerpt, expected="one vector", case="embeddings-token-ids-rejected")
    alike = _cosine(_vectors(embeddings_tokens)[0], text)
    if alike < ALIKE:
        seen = f"cosine {alike:.3f} with the vector of the text"
        fail(seen, expected=f"{ALIKE} or more, or 400", case="embeddings-token-ids-foreign")


@check(
    "embeddings-usage",
    feature="embeddings",
    fix="Count the tokens of embeddings yourself.",
)
def embeddings_usage(embeddings_batch: Replies, settings: Settings, profile: Profile) -> None:
    """Embeddings say how many tokens they used.

    The AI SDK refuses a usage without prompt_tokens; metering sees nothing where there is none.
    """
    reply = _plain(embeddings_batch, settings, profile)
    _items(reply)
    usage = reply.document.get("usage") if isinstance(reply.document, dict) else None
    expected = "prompt_tokens and total_tokens as whole numbers above zero"
    if not isinstance(usage, dict):
        fail({"usage": usage}, expected=expected, case="embeddings-usage-missing")
    for name in ("prompt_tokens", "total_tokens"):
        if not is_int(usage.get(name)):
            fail({"usage": usage}, expected=expected, case="embeddings-usage-fields")
    if usage["prompt_tokens"] <= 0:
        fail({"usage": usage}, expected=expected, case="embeddings-usage-zero")


@check(
    "embeddings-envelope",
    feature="embeddings",
    fix="Use a client that reads only `data`.",
    chat="should",
    agent="should",
)
def embeddings_envelope(embeddings_batch: Replies, settings: Settings, profile: Profile) -> None:
    """The answer and its entries carry object and model.

    Strictly typed clients, such as async-openai, refuse the whole answer without them.
    """
    reply = _plain(embeddings_batch, settings, profile)
    items = _items(reply)
    if reply.document.get("object") != "list":
        fail({"object": reply.document.get("object")}, expected='"object": "list"', case="embeddings-object")
    if not isinstance(reply.document.get("model"), str):
        fail({"model": reply.document.get("model")}, expected="model as text", case="embeddings-model")
    for item in items:
        if item.get("object") != "embedding":
            seen = {"object": item.get("object")}
            fail(seen, expected='"object": "embedding" in every entry', case="embeddings-object")
