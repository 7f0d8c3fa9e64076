"""What passes between the parts of the simulator: a request, an answer not yet written, an error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


class ApiError(Exception):
    """A refusal as OpenAI words it; `wrapped` False means that `body` replaces the usual error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        param: str | None = None,
        code: str | int | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.param = param
        self.code = code
        self.headers = dict(headers or {})
        self.body = body

    def json(self) -> Any:
        """The body to send: the usual error object, or the one that a fault put in its place."""
        if self.body is not None:
            return self.body
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


@dataclass
class Call:
    """One tool call."""

    id: str
    name: str
    arguments: str


@dataclass
class Choice:
    """One alternative of an answer, before it is written as a message or as chunks."""

    index: int
    text: str | None
    calls: list[Call]
    finish_reason: str = "stop"
    reasoning: str | None = None


@dataclass
class Answer:
    """A chat completion before it is written: the same for a plain and a streamed reply."""

    id: str
    created: int
    model: str
    choices: list[Choice]
    prompt_tokens: int
    completion_tokens: int
    system_fingerprint: str | None = "fp_simulator1"


@dataclass
class Context:
    """One request on its way through the simulator."""

    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes
    serial: int
    """Number of this request since the endpoint started, from 1."""
    body: Json = field(default_factory=dict)
    memory: Json = field(default_factory=dict)
    """What faults remember between requests: one dictionary per running endpoint."""
    window: int = 0
    """Context window of the endpoint, in tokens."""
    thinks: bool = False
    """Whether the model thinks before it answers this request."""

    @property
    def endpoint(self) -> str:
        """Path below /v1, without slashes at the ends: `chat/completions`, `models`."""
        return self.path.removeprefix("/v1").strip("/")

    @property
    def is_chat(self) -> bool:
        """Whether this is a chat completion."""
        return self.endpoint == "chat/completions"

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.body.get("stream"))

    @property
    def messages(self) -> list[Json]:
        """The messages that are objects; an empty list for other endpoints."""
        messages = self.body.get("messages")
        return (
            [message for message in messages if isinstance(message, dict)]
            if isinstance(messages, list)
            else []
        )


@dataclass
class Reply:
    """A reply for the wire. A float among the pieces waits so many seconds; None cuts the connection."""

    status: int
    headers: list[tuple[str, str]]
    pieces: list[bytes | float | None]
    chunked: bool = False

    def set_header(self, name: str, value: str | None) -> None:
        """Replace a header, or remove it with None."""
        self.headers = [pair for pair in self.headers if pair[0] != name]
        if value is not None:
            self.headers.append((name, value))
