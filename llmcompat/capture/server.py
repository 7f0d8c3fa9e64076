"""The recording proxy as a server in a thread, from its start until its last call is written."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from collections.abc import Iterator

import uvicorn

from llmcompat.capture.proxy import Proxy
from llmcompat.capture.recorder import Recorder

_START_SECONDS = 15.0
_SWITCH_SECONDS = 0.0005
"""After so long the thread that writes lets the one that passes on have its turn."""

_END_SECONDS = 3
"""Until calls that are still under way are cut."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that this address is taken with; `port` 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named as TCP, or asyncio leaves Nagle's algorithm on and each answer waits for an ACK
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.bind((host, port))
        # here, or a port that another server listens on is found out only in the server's thread
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def base_url_of(listener: socket.socket) -> str:
    """What an application on this machine is to use as its base URL."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


@contextlib.contextmanager
def recording(listener: socket.socket, upstream: str, recorder: Recorder) -> Iterator[str]:
    """Pass calls on to the base URL `upstream` while entered; the proxy's own base URL is what it gives.

    When it is left, the last call has been written and the files are closed.
    """
    config = uvicorn.Config(
        Proxy(upstream, recorder.take),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_END_SECONDS,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listener]}, name="llmcompat-proxy", daemon=True
    )
    thread.start()
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        patience = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > patience:
                raise RuntimeError("the proxy did not start")
            time.sleep(0.005)
        yield base_url_of(listener)
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
        listener.close()
        recorder.close()
        sys.setswitchinterval(before)
