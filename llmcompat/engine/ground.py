"""The probes that every run stands on: the model list, one plain chat, and the basics of later requests."""

from __future__ import annotations

import asyncio
import difflib
import re
from dataclasses import dataclass
from typing import Any

from llmcompat.api import DEFAULT_CAP, Api
from llmcompat.declare import Probe, probe
from llmcompat.profiles.schema import Profile
from llmcompat.project import is_credential
from llmcompat.reply import BUNDLE, Replies, Reply, dig
from llmcompat.settings import Settings
from llmcompat.wire.limits import TOO_LATE


def _plain_instruction(api: Api) -> str:
    return f"Reply with exactly this word and nothing else: {api.word('hello')}"


@probe(owner="models-list", quick=True)
async def models_list(api: Api) -> Reply:
    """The list of models."""
    return await api.get("models", seconds=_first_wait(api.settings))


@probe(owner="chat-accepted", quick=True)
async def hello(api: Api) -> Reply:
    """The plainest chat: model, one message, and the fields that the application sends."""
    wait = _first_wait(api.settings)
    return await api.chat(_plain_instruction(api), bare=True, seconds=wait, **api.settings.body)


def _first_wait(settings: Settings) -> float:
    """Seconds after which an endpoint that has answered nothing yet is given up: half of what is allowed."""
    return settings.timeout / 2


@probe(owner="chat-accepted", quick=True)
async def basics(api: Api, hello: Reply) -> Replies:
    """Find out what is taken of the things that nearly every request carries, and set the basics by it.

    A basic changes only when a request with all of them is refused, one with it alone is refused again, and
    plain chat works.
    """
    options: dict[str, dict[str, Any]] = {"temperature": {"temperature": 0.0}}
    limit = api.profile.request.token_limit_parameter or "max_tokens"
    options[limit] = {limit: DEFAULT_CAP}
    if api.basics.extra:
        options["thinking"] = dict(api.basics.extra)
    api.basics.token_limit = limit
    common: dict[str, Any] = {"messages": _plain_instruction(api), "bare": True, **api.settings.body}
    stream_options = {"stream": True, "stream_options": {"include_usage": True}, limit: DEFAULT_CAP}
    merged = {name: value for option in options.values() for name, value in option.items()}
    together, stream = await asyncio.gather(
        api.chat(**(common | merged), part=BUNDLE), api.chat(**(common | stream_options), part="stream")
    )
    parts = {BUNDLE: together, "stream": stream}
    if together.refused:
        other = "max_completion_tokens" if limit == "max_tokens" else "max_tokens"
        alone = {**options, other: {other: DEFAULT_CAP}}
        asked = await asyncio.gather(
            *(api.chat(**(common | fields), part=name) for name, fields in alone.items())
        )
        parts |= dict(zip(alone, asked, strict=True))
        ground = hello.answered or any(reply.answered for reply in asked)
        if ground and parts[limit].refused:
            api.basics.token_limit = other if parts[other].answered else None
        if ground and parts["temperature"].refused:
            api.basics.temperature = None
        if ground and "thinking" in parts and parts["thinking"].refused:
            api.basics.extra = {}
    if stream.refused:
        bare = {"stream": True} | ({api.basics.token_limit: DEFAULT_CAP} if api.basics.token_limit else {})
        parts["stream-bare"] = await api.chat(**(common | bare), part="stream-bare")
        api.basics.stream_options = parts["stream-bare"].refused
    return Replies(parts, "basics", "chat-accepted")


GROUND_PROBES: tuple[Probe, ...] = (models_list, hello, basics)


OUT_OF_MONEY = (
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "exceeded_current_quota_error",
)
"""Codes of a 429 that waiting does not mend (OpenAI's spend-limits guide; the last one is Moonshot's)."""


_SAYS_GONE = re.compile(
    r"not (?:exist|found|valid|available|supported)|unknown|invalid model|no such|decommissioned|retired"
)


@dataclass(frozen=True)
class DeadEnd:
    """Why a run ends before it began, in one line, and with which exit status."""

    reason: str
    exit_code: int
    underway: bool = False
    """The run had begun in earnest: what it brought by then is judged."""
    chat_only: bool = False
    """Only chat is not to be had: what does without it (embeddings) can still be asked."""


def retired(settings: Settings, profile: Profile) -> DeadEnd | None:
    """Whether the profile says that the model is gone: nothing needs to be sent then."""
    when = profile.models.retired.get(settings.model)
    if when is None:
        return None
    instead = profile.models.default.value if profile.models.default else None
    hint = f"; try --model {instead}" if instead else ""
    return DeadEnd(f"{profile.name}: model {settings.model} is retired ({when}){hint}", 2)


def dead_end(settings: Settings, hello: Reply, models_list: Reply, others: Replies | None) -> DeadEnd | None:
    """Whether nothing can be asked: unreachable, refused key, unknown model, no chat behind this base URL.

    `others` are the requests of `basics`: plain chat that is refused where one of them is accepted is a
    finding and not an end.
    """
    where = f"{settings.base_url}/chat/completions"
    status = hello.status
    if status is None:
        return DeadEnd(f"{where}: no answer: {hello.exchange.error}{_more_time(hello)}", 3)
    if hello.exchange.ended == "cut":
        return DeadEnd(f"{where}: the answer was cut: {hello.exchange.error}{_more_time(hello)}", 3)
    if 300 <= status < 400:
        return DeadEnd(
            f"{where}: redirects to {hello.header('location')}; use that as --base-url if you trust it", 3
        )
    if 200 <= status < 300:
        if hello.media_type == "text/html" or hello.body.lstrip()[:1] == b"<":
            hint = _version_hint(settings)
            return DeadEnd(f"{where}: answers HTML instead of JSON; is --base-url right? {hint}".rstrip(), 3)
        return None
    if status == 401 or (status == 403 and models_list.status in (401, 403, None)):
        by_header = next(filter(is_credential, settings.headers), None)
        how = "is right" if settings.has_key else "is set: none was sent"
        if by_header is not None and not settings.has_key:
            how = f"is right in the header {by_header}"
        return DeadEnd(f"{where}: the key was refused ({status}); check that it {how}", 3)
    if status == 402 or (status == 429 and dig(hello.document, "error.code") in OUT_OF_MONEY):
        return DeadEnd(f"{where}: out of money ({status}): {_message(hello)}", 3)
    if status == 429:
        return DeadEnd(f"{where}: throttled for good (429 to every try): {_message(hello)}", 3)
    unknown = _unknown_model(settings, hello, models_list)
    if unknown is not None:
        return unknown
    if status == 404:
        hint = _version_hint(settings)
        return DeadEnd(f"{where}: 404, there is no chat endpoint. {hint}".rstrip(), 3, chat_only=True)
    if others is not None and any(reply.answered for reply in others.values()):
        return None
    return DeadEnd(f"{where}: plain chat is refused ({status}): {_message(hello)}", 3, chat_only=True)


def _more_time(hello: Reply) -> str:
    late = (hello.exchange.error or "").endswith(TOO_LATE)
    return "; where it is only slow, give it more with --timeout" if late else ""


def _unknown_model(settings: Settings, hello: Reply, models_list: Reply) -> DeadEnd | None:
    data = dig(models_list.document, "data")
    data = models_list.document if isinstance(models_list.document, list) else data
    ids = (
        [entry["id"] for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
        if isinstance(data, list)
        else []
    )
    code = dig(hello.document, "error.code")
    text = hello.error_text.lower()
    says_model = code == "model_not_found" or ("model" in text and _SAYS_GONE.search(text))
    listed = settings.model in ids
    if (
        listed
        or not (says_model or (hello.status == 404 and ids))
        or hello.status not in (400, 403, 404, 410, 422)
    ):
        return None
    nearest = difflib.get_close_matches(settings.model, ids, n=5, cutoff=0.3) or ids[:5]
    hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
    reason = f"{settings.base_url}: model {settings.model} is unknown or retired{hint}"
    return DeadEnd(reason, 2, chat_only=True)


def _version_hint(settings: Settings) -> str:
    path = settings.base_url.split("://", 1)[-1].partition("/")[2].strip("/")
    return "" if path else f"Try --base-url {settings.base_url.rstrip('/')}/v1"


def _message(reply: Reply) -> str:
    message = dig(reply.document, "error.message")
    return " ".join((message if isinstance(message, str) else reply.error_text).split())[:200]
