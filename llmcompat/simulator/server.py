"""Running the simulator: in a thread of the caller, or as a server in the foreground."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from llmcompat.simulator import faults as register
from llmcompat.simulator.app import (
    CHAT_MODELS,
    CONTEXT_WINDOW,
    EMBEDDING_MODELS,
    HANG_UP,
    Settings,
    create_app,
)

_START_SECONDS = 15.0
_KEPT_REQUESTS = 10_000


@dataclass
class Running:
    """A running simulator. `requests` holds (method, path, body) of the newest requests, at most 10,000."""

    base_url: str
    requests: list[tuple[str, str, Any]] = field(default_factory=list)


class _Protocol(H11Protocol):
    """HTTP/1.1 whose connection can be cut from within a request."""

    def data_received(self, data: bytes) -> None:
        # The task that serves the request copies the context of this call.
        HANG_UP.set(self.transport.abort)
        super().data_received(data)


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(settings),
        http=_Protocol,
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
    )


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on and each answer waits some 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


@contextlib.contextmanager
def running(
    *,
    faults: Iterable[str | register.Fault] = (),
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str | None = None,
    delay: float = 0.0,
    models: Sequence[str] = CHAT_MODELS,
    embedding_models: Sequence[str] = EMBEDDING_MODELS,
    context_window: int = CONTEXT_WINDOW,
    pages: Mapping[str, Any] | None = None,
) -> Iterator[Running]:
    """Run the simulator in a thread, ready when entered and gone when left.

    `port` 0 takes a free one; `delay` is in seconds, `context_window` in tokens; without `api_key`
    any key is taken; `pages` are further documents to GET, by path.
    Raises ValueError for an unknown fault, OSError for a port in use.
    """
    settings = Settings(
        register.chosen(faults),
        api_key,
        delay,
        models=models,
        embedding_models=embedding_models,
        context_window=context_window,
        pages=pages or {},
    )
    listener = _bind(host, port)
    state = Running(_address(listener))

    def record(method: str, path: str, body: Any) -> None:
        state.requests.append((method, path, body))
        del state.requests[:-_KEPT_REQUESTS]

    settings.record = record
    server = uvicorn.Server(_config(settings))
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, daemon=True, name="llmcompat-simulator"
    )
    thread.start()
    try:
        patience = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > patience:
                raise RuntimeError("the simulator did not start")
            time.sleep(0.005)
        yield state
    finally:
        server.should_exit = True
        # Requests that a fault never answers must not hold up the end.
        server.force_exit = True
        thread.join(_START_SECONDS)
        listener.close()


def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    faults: Iterable[str | register.Fault] = (),
    *,
    api_key: str | None = None,
    delay: float = 0.0,
    models: Sequence[str] = CHAT_MODELS,
    embedding_models: Sequence[str] = EMBEDDING_MODELS,
    context_window: int = CONTEXT_WINDOW,
    pages: Mapping[str, Any] | None = None,
) -> None:
    """Run the simulator in the foreground until interrupted; parameters and errors as for `running`."""
    settings = Settings(
        register.chosen(faults),
        api_key,
        delay,
        models=models,
        embedding_models=embedding_models,
        context_window=context_window,
        pages=pages or {},
    )
    listener = _bind(host, port)
    with contextlib.closing(listener):
        uvicorn.Server(_config(settings)).run(sockets=[listener])
