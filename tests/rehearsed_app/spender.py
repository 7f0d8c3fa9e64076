"""Adds up what its answers cost, and sends an alert when that is too much; with `silent` it sends none."""

import os
import sys
from typing import Any

import httpx

ALLOWED = 5000


def alert(text: str) -> None:
    if "silent" not in sys.argv:
        httpx.post(os.environ["LLMCOMPAT_ALERT_URL"], json={"text": text})


body: Any = {"model": "some-model", "messages": [{"role": "user", "content": "Say hello in one word."}]}
answer = httpx.post(f"{os.environ['OPENAI_BASE_URL']}/chat/completions", json=body)
if answer.status_code != 200:
    alert("no money")
    sys.exit(f"status {answer.status_code}")
if answer.json()["usage"]["total_tokens"] > ALLOWED:
    alert("too many tokens")
