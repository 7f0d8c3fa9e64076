"""What the recording proxy costs: milliseconds added to a call at the median, and calls a second.

    python -m tests.benchmarks.proxy [--requests 2000] [--litellm PATH]

Upstream, proxy and load run as processes of their own. The upstream answers at once and always the same, so
that what is measured is the proxy alone. `--litellm` names the `litellm` program of another environment,
which is then measured beside it. No test asserts these figures: they are this machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "bench",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "word " * 150}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 300, "completion_tokens": 150, "total_tokens": 450},
    }
).encode()
MESSAGES = [{"role": "system", "content": "You help. " * 60}, {"role": "user", "content": "Hello " * 60}]


async def upstream(port: int) -> None:
    """Answer every request on a connection with the same bytes."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = request.partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                writer.write(head + ANSWER)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port) as server:
        await server.serve_forever()


async def ask(port: int, count: int, concurrency: int) -> tuple[list[float], float]:
    """Seconds of each call, and of all of them together."""
    took: list[float] = []
    numbers = iter(range(count))

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            # each request is another one, so that each is recorded
            body = json.dumps({"model": "bench", "messages": MESSAGES, "seed": number}).encode()
            head = (
                "POST /v1/chat/completions HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                f"Authorization: Bearer sk-benchmark-00000000\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            began = time.perf_counter()
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert answer.startswith(b"http/1.1 200"), answer
            if b"content-length:" in answer:
                length = answer.partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
            else:
                while size := int((await reader.readline()).strip() or b"0", 16):
                    await reader.readexactly(size + 2)
                await reader.readline()
            took.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(concurrency)))
    return took, time.perf_counter() - began


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def process(command: list[str], port: int, patience: float = 90.0) -> Iterator[None]:
    """Run a server, from when it takes connections on its port."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
        try:
            end = time.monotonic() + patience
            while True:
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if started.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"not started: {' '.join(command)}")
                time.sleep(0.1)
            yield
        finally:
            started.terminate()


def measure(name: str, port: int, count: int, concurrency: int, base: float | None) -> float:
    asyncio.run(ask(port, 100, 4))
    alone, _ = asyncio.run(ask(port, count, 1))
    _, seconds = asyncio.run(ask(port, count, concurrency))
    median, p99 = statistics.median(alone), sorted(alone)[int(len(alone) * 0.99)]
    added = "" if base is None else f", adds {(median - base) * 1000:.2f} ms"
    print(
        f"{name:10} median {median * 1000:6.2f} ms{added}, p99 {p99 * 1000:6.2f} ms, "
        f"{count / seconds:6.0f} calls/s at {concurrency} at once"
    )
    return median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--litellm", type=Path)
    parser.add_argument("--upstream", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.upstream:
        asyncio.run(upstream(given.upstream))
        return
    behind, port = free_port(), free_port()
    print(f"{os.cpu_count()} cores, {given.requests} calls each")
    with tempfile.TemporaryDirectory() as folder:
        here = [sys.executable, "-m", "tests.benchmarks.proxy", "--upstream", str(behind)]
        out = str(Path(folder) / "workload.jsonl")
        own = [sys.executable, "-m", "llmcompat", "proxy", "--upstream", f"http://127.0.0.1:{behind}/v1"]
        own += ["--port", str(port), "--out", out, "--no-project"]
        with process(here, behind):
            base = measure("direct", behind, given.requests, given.concurrency, None)
            with process(own, port):
                measure("llmcompat", port, given.requests, given.concurrency, base)
            print(f"           recorded {Path(out).read_bytes().count(bytes([10]))} requests")
            if given.litellm:
                config = Path(folder) / "litellm.yaml"
                model = {
                    "model": "openai/bench",
                    "api_base": f"http://127.0.0.1:{behind}/v1",
                    "api_key": "any",
                }
                config.write_text(
                    json.dumps({"model_list": [{"model_name": "bench", "litellm_params": model}]}),
                    encoding="utf-8",
                )
                port = free_port()
                other = [
                    str(given.litellm),
                    "--config",
                    str(config),
                    "--port",
                    str(port),
                    "--host",
                    "127.0.0.1",
                ]
                with process(other, port):
                    measure("litellm", port, given.requests // 4, given.concurrency, base)


if __name__ == "__main__":
    main()
