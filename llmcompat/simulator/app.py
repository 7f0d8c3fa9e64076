"""The endpoint as an ASGI application: routes, keys, headers, and the places where faults take hold."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from llmcompat.simulator import completions, responses, validation
from llmcompat.simulator.answers import ApiError, Context, Json, Reply
from llmcompat.simulator.register import Fault

CHAT_MODELS = ("demo-chat", "demo-chat-mini", "demo/chat")
EMBEDDING_MODELS = ("demo-embed",)
MODERATION_MODELS = ("demo-moderation",)
CONTEXT_WINDOW = 32768
INVALID_KEY_PREFIX = "sk-llmcompat-invalid"
"""A key that begins so is refused even where any other is taken."""

HANG_UP: ContextVar[Callable[[], None]] = ContextVar("hang_up")
"""Cuts the connection that the current request came over; the server sets it."""


@dataclass
class Settings:
    """How an endpoint behaves; `delay` before each reply and `gap` between events are in seconds."""

    faults: Sequence[Fault] = ()
    api_key: str | None = None
    delay: float = 0.0
    gap: float = 0.0005
    models: Sequence[str] = CHAT_MODELS
    embedding_models: Sequence[str] = EMBEDDING_MODELS
    moderation_models: Sequence[str] = MODERATION_MODELS
    context_window: int = CONTEXT_WINDOW
    pages: Mapping[str, Any] = field(default_factory=dict)
    """Further documents to GET, by path."""
    record: Callable[[str, str, Any], None] = lambda method, path, body: None
    memory: Json = field(default_factory=dict)

    def every_model(self) -> list[str]:
        """All model ids, each once."""
        return list(dict.fromkeys([*self.models, *self.embedding_models, *self.moderation_models]))


def create_app(settings: Settings) -> Starlette:
    """The endpoint as an application."""
    simulator = _Simulator(settings)
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    return Starlette(routes=[Route("/{path:path}", simulator.handle, methods=methods)])


class _Simulator:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._serial = 0

    async def handle(self, request: Request) -> "_Answering":
        started = time.monotonic()
        raw = await request.body()
        self._serial += 1
        context = Context(request.method, request.url.path, request.headers, raw, self._serial)
        context.memory, context.window = self._settings.memory, self._settings.context_window
        problem = self._read(context)
        self._settings.record(context.method, context.path, context.body)
        if self._settings.delay:
            await asyncio.sleep(self._settings.delay)
        try:
            if problem:
                raise problem
            reply = self._serve(context)
        except ApiError as error:
            reply = self._refuse(context, error)
        milliseconds = int((time.monotonic() - started) * 1000)
        reply.headers += [
            ("x-request-id", f"req_{self._serial:032x}"),
            ("openai-processing-ms", str(milliseconds)),
            ("openai-version", "2020-10-01"),
        ]
        if context.is_chat or context.endpoint == "embeddings":
            reply.headers += self._rate_headers()
        reply = self._pass("reply", context, reply)
        return _Answering(reply, self._settings.gap)

    def _rate_headers(self) -> list[tuple[str, str]]:
        spent = self._serial % 9000
        return [
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-limit-tokens", "2000000"),
            ("x-ratelimit-remaining-requests", str(10000 - spent)),
            ("x-ratelimit-remaining-tokens", str(2000000 - spent * 200)),
            ("x-ratelimit-reset-requests", f"{6 * spent}ms" if spent < 150 else "1m30s"),
            ("x-ratelimit-reset-tokens", f"{6 * spent}ms" if spent < 150 else "6m0s"),
        ]

    def _pass(self, stage: str, context: Context, value: Any) -> Any:
        for fault in self._settings.faults:
            hook = fault.hooks.get(stage)
            if hook is not None:
                changed = hook(context, value)
                value = value if changed is None else changed
        return value

    def _call(self, stage: str, context: Context) -> None:
        for fault in self._settings.faults:
            if stage in fault.hooks:
                fault.hooks[stage](context)

    def _read(self, context: Context) -> ApiError | None:
        if context.method != "POST":
            return None
        try:
            body = json.loads(context.raw)
        except (ValueError, RecursionError):
            text = (
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't "
                "using your HTTP library correctly.)"
            )
            return ApiError(400, text)
        if not isinstance(body, dict):
            return ApiError(400, "Invalid request body: expected a JSON object.", code="invalid_type")
        context.body = body
        return None

    def _check_key(self, context: Context) -> None:
        scheme, _, key = context.headers.get("authorization", "").partition(" ")
        wanted = self._settings.api_key
        if scheme.lower() != "bearer" or not key.strip():
            if wanted is not None:
                raise ApiError(
                    401,
                    "You didn't provide an API key. Provide it in an Authorization header using Bearer auth.",
                    code="invalid_api_key",
                )
            return
        if (wanted is not None and key != wanted) or key.startswith(INVALID_KEY_PREFIX):
            raise ApiError(
                401, f"Incorrect API key provided: {key[:3]}***{key[-4:]}.", code="invalid_api_key"
            )

    def _serve(self, context: Context) -> Reply:
        self._call("request", context)
        self._check(context, self._check_key, context)
        self._call("guard", context)
        if context.method == "GET" and context.path in self._settings.pages:
            return self._json(context, self._settings.pages[context.path])
        if not context.path.startswith("/v1/"):
            raise _unknown_url(context)
        endpoint = context.endpoint
        if endpoint == "models" or endpoint.startswith("models/"):
            return self._models(context, endpoint.partition("/")[2])
        if endpoint in ("files", "batches") and context.method == "GET":
            empty: Json = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
            return self._json(context, empty)
        serve = {
            "chat/completions": self._chat,
            "responses": self._responses,
            "embeddings": self._embeddings,
            "moderations": self._moderations,
        }.get(endpoint)
        if serve is None:
            raise _unknown_url(context)
        if context.method != "POST":
            raise ApiError(
                405,
                f"Not allowed to {context.method} on {context.path}. (HINT: Perhaps you meant to use a "
                "different HTTP method?)",
            )
        return serve(context)

    def _check(self, context: Context, check: Callable[..., None], *values: Any) -> None:
        try:
            check(*values)
        except ApiError as error:
            if not any(
                fault.hooks["pardon"](context, error)
                for fault in self._settings.faults
                if "pardon" in fault.hooks
            ):
                raise

    def _models(self, context: Context, name: str) -> Reply:
        if context.method != "GET":
            raise ApiError(405, f"Not allowed to {context.method} on {context.path}.")
        known = self._settings.every_model()
        if not name:
            return self._json(
                context, {"object": "list", "data": [completions.model_entry(model) for model in known]}
            )
        if name not in known:
            raise ApiError(404, f"The model '{name}' does not exist", param="model", code="model_not_found")
        return self._json(context, completions.model_entry(name))

    def _chat(self, context: Context) -> Reply:
        self._check(context, validation.check_chat, context.body, self._settings.models)
        answer = completions.answer(context, int(time.time()), self._settings.context_window)
        answer = self._pass("answer", context, answer)
        if not context.streamed:
            return self._json(context, completions.completion(context, answer))
        chunks = self._pass("chunks", context, completions.chunks(context, answer))
        frames: list[bytes | float | None] = [frame(chunk) for chunk in chunks]
        frames = self._pass("frames", context, [*frames, b"data: [DONE]\n\n"])
        return _stream(frames)

    def _responses(self, context: Context) -> Reply:
        response = responses.respond(
            context, int(time.time()), self._settings.context_window, self._settings.models
        )
        if not context.streamed:
            return self._json(context, response)
        events: list[responses.Event] = self._pass("events", context, responses.events(response))
        return _stream([named_frame(name, data) for name, data in events])

    def _embeddings(self, context: Context) -> Reply:
        self._check(
            context,
            validation.check_embeddings,
            context.body,
            self._settings.embedding_models,
            completions.EMBEDDING_SIZE,
        )
        return self._json(context, completions.embeddings(context.body))

    def _moderations(self, context: Context) -> Reply:
        return self._json(context, completions.moderation(context.body, context.serial))

    def _json(self, context: Context, body: Any) -> Reply:
        body = self._pass("body", context, body)
        return Reply(200, [("content-type", "application/json")], [dump(body)])

    def _refuse(self, context: Context, error: ApiError) -> Reply:
        error = self._pass("error", context, error)
        headers = list({"content-type": "application/json", **error.headers}.items())
        body = error.json()
        return Reply(error.status, headers, [body if isinstance(body, bytes) else dump(body)])


def _unknown_url(context: Context) -> ApiError:
    return ApiError(404, f"Invalid URL ({context.method} {context.path})")


def dump(value: Any) -> bytes:
    """JSON as OpenAI writes it: UTF-8, not escaped."""
    return _utf8(value, (", ", ": "))


def frame(value: Any) -> bytes:
    """One event of a stream."""
    return b"data: " + _utf8(value, (",", ":")) + b"\n\n"


def named_frame(name: str, value: Any) -> bytes:
    """One event of a stream with its name; an empty name is left out."""
    return (f"event: {name}\n".encode() if name else b"") + frame(value)


def _stream(frames: list[bytes | float | None]) -> Reply:
    headers = [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache"),
        ("x-accel-buffering", "no"),
    ]
    return Reply(200, headers, frames, chunked=True)


def _utf8(value: Any, separators: tuple[str, str]) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=separators).encode()
    except UnicodeEncodeError:
        # Half of a surrogate pair has no UTF-8 form: only its escape can be sent.
        return json.dumps(value, separators=separators).encode()


class _Answering:
    """Sends a reply piece by piece."""

    def __init__(self, reply: Reply, gap: float) -> None:
        self._reply = reply
        self._gap = gap

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = self._reply
        headers = list(reply.headers)
        if (
            not reply.chunked
            and None not in reply.pieces
            and not any(name == "content-length" for name, _ in headers)
        ):
            headers.append(
                ("content-length", str(sum(len(piece) for piece in reply.pieces if isinstance(piece, bytes))))
            )
        if reply.pieces and reply.pieces[0] is None:
            HANG_UP.get()()
            return
        if (
            reply.pieces
            and isinstance(reply.pieces[0], float)
            and await _gone_within(receive, reply.pieces.pop(0))
        ):
            return
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
        async for piece in self._timed(receive):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _timed(self, receive: Receive) -> AsyncIterator[bytes]:
        for number, piece in enumerate(self._reply.pieces):
            if piece is None:
                await asyncio.sleep(0.02)
                HANG_UP.get()()
                return
            if isinstance(piece, float):
                if await _gone_within(receive, piece):
                    return
                continue
            if number and self._reply.chunked and self._gap:
                await asyncio.sleep(self._gap)
            yield piece


async def _gone_within(receive: Receive, seconds: Any) -> bool:
    """Wait, but no longer than the client stays; whether it left."""
    try:
        message = await asyncio.wait_for(receive(), seconds)
    except TimeoutError:
        return False
    return bool(message["type"] == "http.disconnect")
