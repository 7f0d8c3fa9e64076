"""Serve mock-ai-api's OpenAI side: `PYTHON serve_mock_ai_api.py PORT`, by a Python that has that package.

It needs an older Starlette than this project and so an environment of its own. Ends when its standard input
ends, so that it never outlives the process that started it.
"""

import os
import sys
import threading

import uvicorn
from app.openai_app import app
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route


def health(request: Request) -> JSONResponse:
    return JSONResponse({})


def end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    both = Starlette(routes=[Route("/health", health), Mount("/", app)])
    uvicorn.run(both, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
