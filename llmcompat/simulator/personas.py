"""Personas: the simulator plays a provider by what its profile says of it, documented and not measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from llmcompat.profiles.schema import KnownDeviation, Profile, Thinking, Wire
from llmcompat.simulator import tokens, validation
from llmcompat.simulator.answers import Answer, ApiError, Context, Json, Reply
from llmcompat.simulator.app import CHAT_MODELS, CONTEXT_WINDOW, EMBEDDING_MODELS
from llmcompat.simulator.faults import FAULTS, HARMLESS, Fault
from llmcompat.simulator.rewriting import deltas, format_of, is_completion, messages_of, recount, usages

SOME_EMBEDDING_MODEL = "some-embedding-model"
"""Stands for an embedding model where a provider offers embeddings and its profile names none."""

_THOUGHT = "The user wants an answer, so I give one."
_OVERFLOW = "context-length-error-unrecognisable"
_OPENAI_HEADERS = ("openai-processing-ms", "openai-version")


class PersonaError(ValueError):
    """A profile that cannot be played; the text is one line."""


@dataclass(frozen=True)
class Persona:
    """What to run the simulator with, so that it answers as a provider is said to."""

    models: tuple[str, ...]
    embedding_models: tuple[str, ...]
    context_window: int
    """Tokens."""
    faults: tuple[Fault, ...]
    pages: Mapping[str, Any] = field(default_factory=dict)
    """Documents to GET, by path."""


HEALTHY = Persona(CHAT_MODELS, EMBEDDING_MODELS, CONTEXT_WINDOW, ())
"""Nobody's: the endpoint as it is without a provider to play."""


def persona(profile: Profile) -> Persona:
    """The persona of a profile: its models, window, thinking, headers, balance, and its open deviations.

    Deviations that are fixed, on which sources disagree, or that only chance or an account's state brings are
    not played. Raises PersonaError for a deviation whose fault the simulator does not know.
    """
    known, window = profile.models, profile.limits.context_window
    named = (known.default, known.vision)
    chat = [model.value for model in named if model] + [*known.others, *known.aliases]
    return Persona(
        models=tuple(dict.fromkeys(chat)) or CHAT_MODELS,
        embedding_models=_embedding_models(profile),
        context_window=window.value if window else CONTEXT_WINDOW,
        # What a provider always does comes first. The deviations follow in the profile's order, where those
        # that word a refusal anew stand behind those that choose its status.
        faults=(_manner(profile), *(_played(profile, each) for each in _to_play(profile))),
        pages=_pages(profile),
    )


def embedding_model(profile: Profile) -> str | None:
    """The embedding model of a profile, or a stand-in where it offers embeddings without a known model."""
    if profile.models.embedding is not None:
        return profile.models.embedding.value
    offer = profile.features.get("embeddings")
    return SOME_EMBEDDING_MODEL if offer is not None and offer.offered else None


def _embedding_models(profile: Profile) -> tuple[str, ...]:
    model = embedding_model(profile)
    return (model,) if model else ()


def _pages(profile: Profile) -> dict[str, Any]:
    balance, wire = profile.balance, profile.wire
    if balance is None or wire is None or wire.balance is None:
        return {}
    return {f"/v1{balance.path}" if balance.path else urlsplit(balance.url or "").path: wire.balance}


def _to_play(profile: Profile) -> Iterator[KnownDeviation]:
    for deviation in profile.deviations:
        # the field of the thinking's text is a fact of the profile, and its manner already
        named = profile.thinking is not None and profile.thinking.field == "reasoning"
        if deviation.played and not (named and deviation.catalogue == "reasoning-field-name-differs"):
            yield deviation


def _played(profile: Profile, deviation: KnownDeviation) -> Fault:
    """The fault that shows a deviation."""
    name = deviation.fault or deviation.catalogue or ""
    if deviation.fields:
        fault = Fault(
            name, deviation.summary, "parameters", hooks={"guard": _refuse_fields(deviation.fields)}
        )
    elif name == _OVERFLOW:
        fault = Fault(name, deviation.summary, "errors", hooks={"error": _overflow(profile)})
    elif name in FAULTS or name in HARMLESS:
        fault = FAULTS.get(name) or HARMLESS[name]
    else:
        text = f"{profile.name}: the simulator has no fault {name or deviation.summary!r}"
        raise PersonaError(f"{text}; say why in not_simulated")
    if deviation.while_thinking:
        fault = _only(fault, lambda context: context.thinks)
    # What is documented of refusals was seen at chat completions; other APIs word theirs otherwise.
    return _only(fault, lambda context: context.endpoint != "responses")


def _only(fault: Fault, when: Callable[[Context], bool]) -> Fault:
    """The same fault, for some requests only."""

    def limited(hook: Any) -> Any:
        return lambda context, *value: hook(context, *value) if when(context) else None

    # A pardon without an answer counts as refused, and any other stage leaves what it was given as it is.
    return replace(fault, hooks={stage: limited(hook) for stage, hook in fault.hooks.items()})


def _refuse_fields(names: tuple[str, ...]) -> Any:
    def guard(context: Context) -> None:
        for name in names:
            if context.is_chat and name in context.body:
                raise ApiError(400, f"property '{name}' is unsupported", param=name)

    return guard


def _overflow(profile: Profile) -> Any:
    """A prompt that is too long is refused as the profile's first class of such refusals says."""
    classes = profile.errors.context_overflow

    def rewrite(context: Context, error: ApiError) -> None:
        if error.code != "context_length_exceeded":
            return
        error.code = classes[0].code if classes else None
        error.status = classes[0].status if classes else error.status

    return rewrite


def _manner(profile: Profile) -> Fault:
    """What is always so: the thinking, the headers and fields beyond OpenAI's, the price in usage."""
    summary = f"the manner of {profile.display_name}"
    manner = Fault(profile.name, summary, "provider", level="may")
    if profile.thinking is not None:
        manner.hooks |= _thinking(profile.thinking)
    wire = profile.wire or Wire()
    extra = _extra(profile, wire)
    before = dict(manner.hooks)

    def body(context: Context, body: Any) -> None:
        if "body" in before:
            before["body"](context, body)
        extra(context, body)

    def chunks(context: Context, chunks: list[Json]) -> None:
        if "chunks" in before:
            before["chunks"](context, chunks)
        for chunk in chunks:
            extra(context, chunk)

    def reply(context: Context, reply: Reply) -> None:
        reply.headers = [
            pair
            for pair in reply.headers
            if pair[0] not in _OPENAI_HEADERS and not pair[0].startswith("x-ratelimit-")
        ]
        for name, value in wire.headers.items() if context.is_chat else ():
            reply.set_header(name.lower(), value)

    manner.hooks |= {"body": body, "chunks": chunks, "reply": reply}
    return manner


def _extra(profile: Profile, wire: Wire) -> Any:
    def add(context: Context, body: Any) -> None:
        if is_completion(body):
            body.update(wire.answer)
        for usage in usages(body) if context.is_chat else ():
            usage.update(wire.usage)
            price = profile.prices.get(str(context.body.get("model")))
            if wire.cost is not None and price is not None:
                spent = usage["prompt_tokens"] * price.input + usage["completion_tokens"] * price.output
                usage[wire.cost] = spent / 1_000_000
        for entry in _entries(context, body):
            entry.update(wire.model)
            if wire.context_window is not None:
                entry[wire.context_window] = context.window

    return add


def _entries(context: Context, body: Any) -> Iterator[Json]:
    """The entries of the model list, and the one of a single model."""
    if context.endpoint.split("/")[0] == "models" and isinstance(body, dict):
        yield from body.get("data", [body])


def _thinking(thinking: Thinking) -> dict[str, Any]:
    switches = {**thinking.off, **thinking.on}

    def request(context: Context) -> None:
        if not context.is_chat:
            return
        context.thinks = thinking.default_on
        for state, switch in ((True, thinking.on), (False, thinking.off)):
            if switch and all(context.body.get(name) == value for name, value in switch.items()):
                context.thinks = state
        for name in switches:
            if name not in validation.CHAT_PARAMETERS:
                context.body.pop(name, None)

    def answer(context: Context, answer: Answer) -> None:
        if context.thinks and thinking.field is not None and format_of(context) == "text":
            _think(context, answer)

    def rename(holders: Iterator[Json]) -> None:
        for holder in holders:
            if "reasoning_content" in holder:
                holder["reasoning"] = holder.pop("reasoning_content")

    hooks: dict[str, Any] = {"request": request, "answer": answer}
    if thinking.field == "reasoning":
        hooks["body"] = lambda context, body: rename(messages_of(body))
        hooks["chunks"] = lambda context, chunks: rename(deltas(chunks))
    return hooks


def _think(context: Context, answer: Answer) -> None:
    """Thinking before each answer, where the limit on tokens has room for it."""
    limits = [context.body.get(name) for name in ("max_tokens", "max_completion_tokens")]
    most = min((limit for limit in limits if isinstance(limit, int)), default=context.window)
    thought = tokens.count(_THOUGHT) * len(answer.choices)
    if answer.completion_tokens + thought <= most:
        for choice in answer.choices:
            choice.reasoning = _THOUGHT
        recount(answer)
