"""Models: the endpoint lists its models, and answers with the one that you asked for."""

import difflib
from typing import Any
from urllib.parse import quote, unquote

from llmcompat import (
    MISSING,
    Api,
    Exchanges,
    Profile,
    Replies,
    Reply,
    Settings,
    blocked,
    check,
    dig,
    fail,
    is_int,
    judged,
    measure,
    note,
    probe,
)

CONTEXT_FIELDS = (
    "context_length",
    "context_window",
    "max_model_len",
    "max_context_length",
    "max_input_tokens",
)
"""Names under which hosts advertise a context window in the model list; OpenAI has none."""


@probe(owner="model-retrieved", grounds=["models_list"], early=True)
async def model_entry(api: Api, models_list: Reply) -> Replies:
    """The entry of a listed model whose id has a slash, which is harder to find, or else the model's own.

    Where it fails, the id percent-encoded, and the model's own entry.
    """
    model = api.settings.model
    slashed = _slashed(api.settings, models_list) or model
    parts = {"plain": await api.get(f"models/{quote(slashed, safe='/:@')}", part="plain")}
    if parts["plain"].refused and "/" in slashed:
        parts["encoded"] = await api.get(f"models/{quote(slashed, safe='')}", part="encoded")
        if slashed != model and parts["encoded"].refused:
            parts["own"] = await api.get(f"models/{quote(model, safe=':@')}", part="own")
    return Replies(parts, "model_entry", "model-retrieved")


def _slashed(settings: Settings, models_list: Reply) -> str | None:
    """An id with a slash: the model's own, or one of the list whose slash is no mere prefix of all ids."""
    if "/" in settings.model:
        return settings.model
    data = dig(models_list.document, "data")
    ids = [entry["id"] for entry in data if _has_id(entry)] if isinstance(data, list) else []
    return next((id for id in ids if "/" in id), None) if settings.model in ids else None


def _entries(models_list: Reply) -> list[dict[str, Any]]:
    """The entries of the list that are objects with an id; blocked where there is no list of such."""
    if models_list.refused or not isinstance(models_list.document, dict):
        blocked("models-list")
    data = models_list.document.get("data")
    if not isinstance(data, list) or not all(_has_id(entry) for entry in data):
        blocked("models-list")
    return data


def _has_id(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("id"), str)


@check("models-list", fix="Name the model in the client's settings instead of discovering it.", chat="should")
def models_list_readable(models_list: Reply, settings: Settings) -> None:
    """The model list can be read: an object with `data`.

    Model pickers, set-up wizards and health checks begin with it; openai-python raises on another shape.
    """
    expected = '{"object": "list", "data": [{"id": "…", …}]}'
    if models_list.refused:
        text = models_list.error_text
        azure = "DeploymentNotFound" in text or ("Resource not found" in text and '"404"' in text)
        if azure or ".openai.azure.com" in settings.base_url:
            rule = "a deployment in the path, api-version in the query and an api-key header"
            fail(
                models_list.excerpt,
                expected=f"{expected}; this address wants {rule}",
                case="azure-addressing",
            )
        if models_list.status in (404, 405):
            elsewhere = " or at …/v1/models" if not settings.base_url.rstrip("/").endswith("/v1") else ""
            fail(
                models_list.excerpt,
                expected=f"200 at {settings.base_url}/models{elsewhere}",
                case="models-list-path",
            )
    models_list.accepted(expected=expected)
    models_list.require()
    document = models_list.document
    if dig(document, "error"):
        blocked("error-status")
    if document is MISSING:
        fail(models_list.excerpt, expected=expected, case="models-list-not-json")
    if isinstance(document, list):
        fail(models_list.excerpt, expected=expected, case="models-list-bare-array")
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        fail(models_list.excerpt, expected=expected, case="models-list-data-missing")
    for entry in data:
        if not _has_id(entry):
            fail({"entry": entry}, expected="an object with `id` as text", case="models-list-entry")


@check(
    "model-listed",
    fix="Take the id from the list, or switch the client's check of the list off.",
    chat="should",
    agent="should",
)
def model_listed(models_list: Reply, settings: Settings) -> None:
    """The model is in the list under the name that requests use.

    Clients that look a model up before they use it report it as missing.
    """
    ids = [entry["id"] for entry in _entries(models_list)]
    model = settings.model
    if not ids:
        fail("data: []", expected=f"{model} in the list", case="models-list-empty")
    if model in ids:
        return
    prefixed = [id for id in ids if id.endswith(f"/{model}")]
    if prefixed:
        fail(prefixed[0], expected=model, case="models-list-id-prefixed")
    nearest = difflib.get_close_matches(model, ids, n=3, cutoff=0.3)
    seen = f"{len(ids)} models without it; nearest: {', '.join(nearest) or 'none'}"
    fail(seen, expected=f"{model} in the list", case="model-not-listed")


@check(
    "models-list-fields",
    fix="Use a client that reads only `id` from the list.",
    chat="should",
    agent="should",
)
def models_list_fields(models_list: Reply) -> None:
    """The list and its entries carry object, created and owned_by.

    Strictly typed clients refuse the whole list for one of them.
    """
    entries = _entries(models_list)
    if models_list.document.get("object") != "list":
        seen = {"object": models_list.document.get("object")}
        fail(seen, expected='"object": "list"', case="models-list-object-missing")
    for entry in entries:
        if entry.get("object") != "model":
            fail(entry, expected='"object": "model" in every entry', case="models-list-object-missing")
        if not is_int(entry.get("created")):
            fail(entry, expected="created as whole seconds", case="models-list-created")
        if not isinstance(entry.get("owned_by"), str):
            fail(entry, expected="owned_by as text", case="models-list-owned-by")


@check(
    "model-retrieved",
    fix="Look the model up in the list instead of calling models.retrieve().",
    chat="should",
    agent="should",
)
def model_retrieved(model_entry: Replies, settings: Settings) -> None:
    """A listed model's entry can be retrieved.

    Existence checks with models.retrieve() otherwise call the model unavailable.
    """
    found = next((reply for reply in model_entry.values() if reply.answered), None)
    first = model_entry["plain"]
    model = unquote(first.exchange.url.removeprefix(f"{settings.base_url.rstrip('/')}/models/"))
    if found is None or found.part == "own":
        alone = "own" not in model_entry or found is not None
        slashed = "/" in model and alone
        missing = first.status in (404, 405, 501)
        case = ("models-retrieve-slash-404" if slashed else "models-retrieve-missing") if missing else None
        first.accepted(expected=f"the entry of {model}", case=case)
    elif dig(found.document, "error"):
        blocked("error-status")
    elif not isinstance(found.document, dict) or found.document.get("id") != model:
        fail(found.excerpt, expected=f'"id": "{model}"', case="models-retrieve-other")
    elif found.part == "encoded":
        note("An id with a slash is found only when the slash is percent-encoded (%2F).")


@check(
    "model-advertised",
    fix="Set the context window in the application's settings, and do not read it from the list.",
    chat="should",
    agent="should",
)
def model_advertised(models_list: Reply, settings: Settings) -> None:
    """The context window that the list advertises is not below the one that you count on.

    Agents compact their history by this figure. OpenAI's list has none, so its absence is no fault.
    """
    entry = next((entry for entry in _entries(models_list) if entry["id"] == settings.model), None)
    if entry is None:
        blocked("model-listed")
    window = next((int(entry[name]) for name in CONTEXT_FIELDS if is_int(entry.get(name))), None)
    if window is None:
        note("The list says nothing of context windows or abilities; nor does OpenAI's.")
        return
    measure("advertised context window", window, "tokens")
    if settings.context_window is not None and window < settings.context_window:
        seen = f"{window} tokens advertised"
        fail(seen, expected=f"{settings.context_window} tokens", case="advertised-context-smaller")


@check(
    "model-echo",
    fix="Log the model that answered, and do not key prices or caches on the name in the answer.",
    chat="should",
    agent="should",
)
def model_echo(exchanges: Exchanges, profile: Profile) -> None:
    """The answer names the model that was asked for.

    A dated snapshot of it is right; another name can mean another model, and misses every price table.
    """
    named = [reply for reply in exchanges.completions if isinstance(reply.document.get("model"), str)]
    for reply in judged(named, nothing="response-choices"):
        asked, answered = reply.sent.get("model"), reply.document["model"]
        if not isinstance(asked, str):
            continue
        known = {asked, profile.models.aliases.get(asked, asked)}
        if not any(_same_model(name, answered) for name in known):
            fail(answered, expected=f"{asked}, or a snapshot of it", case="model-echo-differs")


def _same_model(asked: str, answered: str) -> bool:
    """Whether a name can stand for what was asked: the same, with or without its owner, or a snapshot."""
    one, other = (name.lower().split("/")[-1].removesuffix(":latest") for name in (asked, answered))
    return other.startswith(one) or one.startswith(other) if other else False
