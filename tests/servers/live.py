"""Start the real servers of the suite as processes on free loopback ports, and always end them."""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
START_SECONDS = 60.0  # a bound for a busy machine; one second is usual
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class LiveServer:
    """A server that answers: where it is, and what it wants to be asked with."""

    base_url: str
    model: str
    api_key: str


def free_port() -> int:
    """A loopback port that nothing listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def llama_cpp_server(*, embedding: bool = False) -> Iterator[LiveServer]:
    """llama.cpp's own HTTP server with the tiny model; with `embedding`, for `/v1/embeddings` only."""
    port = free_port()
    command = [sys.executable, str(HERE / "serve_llama_cpp.py"), str(port), str(HERE / "tiny.gguf")]
    with _process([*command, *(["--embedding"] if embedding else [])], port):
        yield LiveServer(f"http://127.0.0.1:{port}/v1", model="tiny", api_key="sk-test")


@contextlib.contextmanager
def llmock_server(*options: str) -> Iterator[LiveServer]:
    """The simulator llmock; `options` are those of `llmock serve`, for example `"--error-rate", "429=1"`."""
    port = free_port()
    address = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    with _process([sys.executable, str(HERE / "serve_llmock.py"), "serve", *address, *options], port):
        yield LiveServer(f"http://127.0.0.1:{port}/v1", model="gpt-4o-mini", api_key="sk-test")


@contextlib.contextmanager
def litserve_server() -> Iterator[LiveServer]:
    """LitServe with its OpenAISpec and a model of fixed words; it takes any model name and any key."""
    port = free_port()
    with _process([sys.executable, str(HERE / "serve_litserve.py"), str(port)], port):
        yield LiveServer(f"http://127.0.0.1:{port}/v1", model="few-words", api_key="sk-test")


@contextlib.contextmanager
def mock_ai_api_server(python: str) -> Iterator[LiveServer]:
    """mock-ai-api's OpenAI side, run by a Python that has it; it takes any model name and asks for a key."""
    port = free_port()
    with _process([python, str(HERE / "serve_mock_ai_api.py"), str(port)], port):
        yield LiveServer(f"http://127.0.0.1:{port}/v1", model="gpt-4.1", api_key="sk-test-0000")


@contextlib.contextmanager
def _process(command: Sequence[str], port: int) -> Iterator[None]:
    """Run `command` until the block ends; the block begins when `/health` on `port` answers 200."""
    # The scripts end with their standard input, so a killed test run leaves no server behind.
    # Output goes to a file: a pipe that nobody reads would stop a talkative server.
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output) as process,
    ):
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _healthy(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    state = "did not get ready" if process.poll() is None else f"ended ({process.returncode})"
                    output.seek(0)
                    raise RuntimeError(f"{command} {state}:\n{output.read().decode(errors='replace')}")
                time.sleep(0.05)
            yield
        finally:
            # The end of its input first: a server that is terminated may leave worker processes behind.
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _healthy(port: int) -> bool:
    """An open port is not readiness: llama.cpp answers 503 while it loads its model."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        return False
