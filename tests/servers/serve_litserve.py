"""Serve LitServe's OpenAISpec with a model of fixed words: `python serve_litserve.py PORT`.

Ends when its standard input ends, so that it never outlives the process that started it.
"""

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import litserve

WORDS = "Hello! I am a model of few words, behind LitServe."


class FewWords(litserve.LitAPI):  # type: ignore[misc]
    """Says the same to everything, a word at a time."""

    def setup(self, device: str) -> None:
        pass

    def predict(self, messages: Any) -> Iterator[str]:
        yield from WORDS.replace(" ", " \n").split("\n")


def end_with_standard_input() -> None:
    # Unbuffered: a process that forks while a thread waits within sys.stdin cannot close it.
    while os.read(sys.stdin.fileno(), 1):
        pass
    for worker in multiprocessing.active_children():
        worker.kill()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    server = litserve.LitServer(FewWords(spec=litserve.OpenAISpec()), accelerator="cpu", track_requests=False)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
