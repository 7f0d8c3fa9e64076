"""Faults of the other endpoints: models and embeddings; and of images."""

from typing import Any

from llmcompat.simulator import completions
from llmcompat.simulator.answers import ApiError, Context
from llmcompat.simulator.register import declare
from llmcompat.simulator.rewriting import refuses

_RETIRED = "demo-retired"

refuses(
    "embeddings-dimensions-rejected",
    "embeddings",
    "dimensions is refused",
    lambda context: "dimensions" in context.body,
    "Model does not support matryoshka representation, changing output dimensions will lead to poor results.",
    endpoint="embeddings",
)
refuses(
    "embeddings-user-param-rejected",
    "embeddings",
    "user is refused",
    lambda context: "user" in context.body,
    "property 'user' is unsupported",
    endpoint="embeddings",
)
refuses(
    "embeddings-batch-limit",
    "embeddings",
    "more than ten inputs are refused",
    lambda context: (
        isinstance(context.body.get("input"), list)
        and not isinstance((context.body["input"] or [0])[0], int)
        and len(context.body["input"]) > 10
    ),
    "batch size is invalid, it should not be larger than 10.",
    endpoint="embeddings",
)
refuses(
    "embeddings-token-ids-rejected",
    "embeddings",
    "token ids are refused",
    lambda context: (
        isinstance(context.body.get("input"), list)
        and context.body["input"]
        and isinstance(context.body["input"][0], (int, list))
    ),
    "'input' must be a string or a list of strings",
    endpoint="embeddings",
)


def _is_list(context: Context, body: Any) -> bool:
    return context.endpoint == "models" and isinstance(body, dict)


@declare("embeddings-base64-ignored", "embeddings", "base64 is answered with floats", level="should").at(
    "request"
)
def floats(context: Context) -> None:
    """A list of floats, whatever encoding was asked for."""
    if context.endpoint == "embeddings":
        context.body.pop("encoding_format", None)


@declare("embeddings-dimensions-ignored", "embeddings", "dimensions has no effect").at("request")
def _dimensions_ignored(context: Context) -> None:
    if context.endpoint == "embeddings":
        context.body.pop("dimensions", None)


@declare("embeddings-index-missing", "embeddings", "embeddings have no index").at("body")
def _no_index(context: Context, body: Any) -> None:
    for entry in body["data"] if context.endpoint == "embeddings" else []:
        entry.pop("index")


@declare(
    "embeddings-wrong-order",
    "embeddings",
    "embeddings come in reverse order, numbered in that order",
    operational=True,
).at("body")
def _wrong_order(context: Context, body: Any) -> None:
    if context.endpoint == "embeddings":
        body["data"].reverse()
        for index, entry in enumerate(body["data"]):
            entry["index"] = index


@declare("embeddings-data-empty", "embeddings", "embeddings are an empty list", operational=True).at("body")
def _no_data(context: Context, body: Any) -> None:
    if context.endpoint == "embeddings":
        body["data"] = []


@declare("models-list-bare-array", "models", "the model list is a bare array").at("body")
def _bare(context: Context, body: Any) -> Any:
    return body["data"] if _is_list(context, body) else body


@declare("models-list-empty", "models", "the model list is empty").at("body")
def _no_models(context: Context, body: Any) -> None:
    if _is_list(context, body):
        body["data"] = []


@declare("models-list-object-missing", "models", "the model list has no object").at("body")
def _no_object(context: Context, body: Any) -> None:
    if _is_list(context, body):
        body.pop("object")


@declare("models-list-id-prefixed", "models", "ids in the model list begin with models/").at("body")
def _prefixed(context: Context, body: Any) -> None:
    for entry in body["data"] if _is_list(context, body) else []:
        entry["id"] = "models/" + entry["id"]


@declare("models-list-path", "models", "the model list is not below /v1").at("guard")
def _no_list(context: Context) -> None:
    if context.endpoint.split("/")[0] == "models":
        raise ApiError(404, f"Invalid URL ({context.method} {context.path})")


@declare("models-retrieve-missing", "models", "single models cannot be read").at("guard")
def _no_retrieve(context: Context) -> None:
    if context.endpoint.startswith("models/"):
        raise ApiError(404, f"Invalid URL ({context.method} {context.path})")


@declare("models-retrieve-slash-404", "models", "models with a slash in their id cannot be read").at("guard")
def _no_slash(context: Context) -> None:
    if context.endpoint.startswith("models/") and "/" in context.endpoint.removeprefix("models/"):
        raise ApiError(404, f"Invalid URL ({context.method} {context.path})")


_uncallable = declare(
    "models-list-uncallable", "models", "the model list names a model that cannot be called"
)


@_uncallable.at("body")
def _list_retired(context: Context, body: Any) -> None:
    if _is_list(context, body):
        body["data"].insert(0, completions.model_entry(_RETIRED))


@_uncallable.at("guard")
def _refuse_retired(context: Context) -> None:
    if context.is_chat and context.body.get("model") == _RETIRED:
        raise ApiError(400, f"The model {_RETIRED} needs a dedicated endpoint.", code="model_not_available")


_advertised = declare(
    "advertised-context-too-large", "models", "the model list promises a larger window than is served"
)


@_advertised.at("body")
def _promise(context: Context, body: Any) -> None:
    for entry in body["data"] if _is_list(context, body) else []:
        entry["context_length"] = context.window


@_advertised.at("guard")
def _refuse_long(context: Context) -> None:
    if context.is_chat and completions.prompt_tokens(context.body) > context.window // 4 > 0:
        raise ApiError(400, "Input validation error")


@declare("vision-image-silently-dropped", "vision", "images are accepted and never seen by the model").at(
    "request"
)
def _blind(context: Context) -> None:
    for message in context.messages:
        if isinstance(message.get("content"), list):
            message["content"] = [
                part
                for part in message["content"]
                if not (isinstance(part, dict) and part.get("type") == "image_url")
            ]
