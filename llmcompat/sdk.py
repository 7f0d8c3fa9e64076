"""The official Python client, run on requests that we send for it and on answers that were recorded.

What a use of the client would send is taken from the client itself; it goes out as any other request of the
run, recorded, paced and redacted. What the client makes of the answer is found out when it is judged, by the
same use on the recorded bytes, in the pieces in which they came: that needs no network, and a saved run is
judged again with whatever version of the client is installed then. Works with openai 2 and 3.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import httpx

from llmcompat.declare import skip
from llmcompat.model import Exchange
from llmcompat.reply import Reply
from llmcompat.wire.client import MAX_BODY, RETRIES, Request

SdkUse = Callable[[Any], Any]
"""A use of the client that sends one request: it takes an `openai.OpenAI` and gives plain data back."""

INSTALL = "the package openai is missing: pip install 'llmcompat[sdk]'"

_BASE = "http://endpoint.invalid/v1"
_NOT_REAL = "sk-llmcompat"
"""A key must be given; the one that is sent is the run's own."""

_KEPT = re.compile(r"accept|content-type|user-agent|x-stainless-.+")
"""Headers that the client itself sends; keys, hosts and what its environment adds are the run's."""

_FRAMING = ("content-encoding", "content-length", "transfer-encoding", "connection")
"""Headers that speak of the bytes before they were decoded."""


@dataclass(frozen=True)
class SdkOutcome:
    """What a use of the client came to."""

    value: Any = None
    raised: str = ""
    """Name of the exception's class; "" where none was raised."""
    message: str = ""

    @property
    def case(self) -> str:
        """The exception as a slug: `bad-request-error`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", self.raised).lower().strip("_")


def sdk_version() -> str | None:
    """The installed client's version; None where it is not installed."""
    return str(import_module("openai").__version__) if find_spec("openai") else None


def sdk_model(name: str, /, **fields: type) -> Any:
    """A pydantic model with these required fields, as `.parse()` takes it."""
    pydantic = import_module("pydantic")
    return pydantic.create_model(name, **{field: (kind, ...) for field, kind in fields.items()})


def sdk_request(use: SdkUse, *, key: str | None = None) -> Request:
    """The request that a use of the client makes; `key` as in `Request`.

    Ends as skipped where the client is not installed. Raises ValueError where the use sends nothing.
    """
    asked: list[httpx.Request] = []

    def catch(request: httpx.Request) -> httpx.Response:
        request.read()
        asked.append(request)
        raise httpx.ConnectError("nothing is sent from here", request=request)

    with _client(httpx.MockTransport(catch)) as client, suppress(import_module("openai").APIConnectionError):
        use(client)
    if not asked:
        raise ValueError("this use of the client sends no request")
    request = asked[0]
    headers = ((_written(name), value) for name, value in request.headers.items() if _KEPT.fullmatch(name))
    return Request(
        request.method,
        request.url.raw_path.decode("ascii").removeprefix("/v1/"),
        request.content or None,
        key=key,
        headers=tuple(headers),
        stream=b'"stream":true' in request.content.replace(b" ", b""),
        max_body=MAX_BODY,
        retries=RETRIES,
    )


def sdk_outcome(use: SdkUse, reply: Reply) -> SdkOutcome:
    """What the client makes of a recorded answer; ends as skipped where the client is not installed."""
    transport = httpx.MockTransport(lambda request: _answer(reply.exchange, request))
    with _client(transport) as client, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return SdkOutcome(use(client))
        except Exception as error:
            return SdkOutcome(raised=type(error).__name__, message=" ".join(str(error).split())[:1000])


@contextmanager
def _client(transport: httpx.MockTransport) -> Iterator[Any]:
    if find_spec("openai") is None:
        skip(INSTALL)
    openai = import_module("openai")
    # httpx and not httpx2: the client takes both, and 2.x knows no other
    with httpx.Client(transport=transport, trust_env=False) as http:
        yield openai.OpenAI(base_url=_BASE, api_key=_NOT_REAL, max_retries=0, http_client=http)


def _written(name: str) -> str:
    """A header's name as it is usually written, so that it takes the place of our own."""
    return "-".join(word.capitalize() for word in name.split("-"))


def _answer(exchange: Exchange, request: httpx.Request) -> httpx.Response:
    if exchange.status is None:
        raise httpx.ConnectError(exchange.error or "no answer", request=request)
    headers = [(name, value) for name, value in exchange.headers if name.lower() not in _FRAMING]
    return httpx.Response(exchange.status, headers=headers, stream=_Recorded(exchange), request=request)


class _Recorded(httpx.SyncByteStream):
    """A body in the pieces in which it came, cut where it was cut."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __iter__(self) -> Iterator[bytes]:
        start = 0
        for end, _ in self._exchange.arrivals:
            if end > start:
                yield self._exchange.body[start:end]
                start = end
        if start < len(self._exchange.body):
            yield self._exchange.body[start:]
        if self._exchange.ended == "cut":
            raise httpx.RemoteProtocolError(self._exchange.error or "cut")
