"""Serve llmock: `python serve_llmock.py serve [OPTIONS]`, the command line of llmock itself.

Ends when its standard input ends, so that it never outlives the process that started it.
"""

import os
import sys
import threading

from llmock.cli import app


def end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    app()
