"""Sending an alert: to a webhook, which must answer 2xx, and to a command, which must end with 0."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import httpx

from llmcompat.version import __version__
from llmcompat.wire.client import is_loopback
from llmcompat.wire.redaction import SHORTEST, Redactor
from llmcompat.yamlfile import one_line

SECONDS = 30.0
"""What a webhook, and what a command, may take."""

_MOST_ANSWER = 4096
"""Bytes of an answer, and of what a command writes, that are read at most."""
_MOST_SHOWN = 200
"""Characters of either that are shown."""

Kind = Literal["threshold", "projection", "floor", "test"]
"""Why somebody is told: a share of the budget is spent, the month will end above it, the balance is too low,
or the way is only tried."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What somebody is told. Money of the budget is USD, that of the balance its own currency."""

    kind: Kind
    target: str
    """A role of the project file, or PROVIDER:MODEL."""
    provider: str
    model: str
    text: str
    """All of it in one sentence or two."""
    at: str
    """When, UTC, ISO 8601."""
    month: str = ""
    """As 2026-11."""
    threshold: float | None = None
    """The share of the budget that was reached."""
    spent_usd: float | None = None
    budget_usd: float | None = None
    projected_usd: float | None = None
    """By the month's end."""
    balance: float | None = None
    floor: float | None = None
    currency: str = ""

    def data(self) -> dict[str, Any]:
        """The alert as a JSON object; what is not known is null."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {"schema": "llmcompat.alert/1", **fields}


@dataclass(frozen=True, slots=True)
class Delivery:
    """How sending went; `text` is one line in which no secret stands."""

    delivered: bool
    text: str


def is_webhook(address: str) -> bool:
    """Whether alerts may be sent to this address: https, or plain http on this machine."""
    try:
        parts = urlsplit(address)
        whole = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    if not whole or not all("!" <= each <= "~" for each in address):
        return False
    return parts.scheme == "https" or is_loopback(address)


def secrets_of(address: str) -> set[str]:
    """The address, and every part of it that lets somebody write there: an answer may repeat them."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return {address}
    pieces = [*parts.path.split("/"), *parts.query.replace("=", "&").split("&"), parts.password or ""]
    found = {address, parts.path, parts.query, *pieces}
    return {each for piece in found for each in (piece, unquote(piece)) if len(each) >= SHORTEST}


def post(address: str, payload: Mapping[str, Any], *, seconds: float = SECONDS) -> Delivery:
    """POST the payload as JSON and wait for the answer. It is sent once; a redirect is not followed.

    Only a 2xx within `seconds` counts. Nothing is raised for what the other side does.
    """
    if not is_webhook(address):
        return Delivery(False, "the webhook is no full https address; nothing was sent")
    return asyncio.run(_post(address, payload, seconds))


async def _post(address: str, payload: Mapping[str, Any], seconds: float) -> Delivery:
    redact = Redactor(secrets_of(address))
    headers = {"User-Agent": f"llmcompat/{__version__}", "Accept-Encoding": "identity"}
    try:
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(
                timeout=seconds, follow_redirects=False, trust_env=not is_loopback(address)
            ) as client,
            client.stream("POST", address, json=payload, headers=headers) as response,
        ):
            status, body = response.status_code, bytearray()
            # as it came: what a few compressed bytes would become is not worth a word of an answer
            async for piece in response.aiter_raw():
                body += piece
                if len(body) >= _MOST_ANSWER:
                    break
    except (TimeoutError, httpx.TimeoutException):
        return Delivery(False, f"not answered within {seconds:g} s")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        # its text may hold the address
        return Delivery(False, f"not reachable ({type(error).__name__})")
    said = redact.text(bytes(body[:_MOST_ANSWER]).decode("utf-8", "replace"))
    shown = one_line(" ".join(said.split()), _MOST_SHOWN)
    return Delivery(200 <= status < 300, f"status {status}" + (f": {shown}" if shown else ""))


def run_command(
    command: Sequence[str],
    alert: Alert,
    *,
    folder: Path,
    environ: Mapping[str, str],
    secrets: Sequence[str] = (),
    seconds: float = SECONDS,
) -> Delivery:
    """Run the command with the alert as JSON on its standard input and as LLMCOMPAT_ALERT_* variables.

    No shell reads it. `folder` is what a relative path of the program, and its working folder, is relative
    to. Only exit status 0 within `seconds` counts; what it writes to standard error is shown, bounded.
    """
    data = alert.data()
    variables = {
        f"LLMCOMPAT_ALERT_{name.upper()}": str(value).replace("\0", "")
        for name, value in data.items()
        if value is not None
    }
    program, *arguments = command
    if Path(program).name != program:
        program = str(folder / Path(program).expanduser())
    # a file and no pipe: what the command leaves running may hold a pipe open for ever
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                [program, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=folder,
                env={**environ, **variables},
            )
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "it cannot be started"
            return Delivery(False, f"not started: {one_line(reason)}")
        try:
            process.communicate(json.dumps(data).encode(), timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return Delivery(False, f"not ended within {seconds:g} s")
        errors.seek(0, os.SEEK_SET)
        said = Redactor(secrets).text(errors.read(_MOST_ANSWER).decode("utf-8", "replace"))
    shown = one_line(" ".join(said.split()), _MOST_SHOWN)
    text = f"exit status {process.returncode}" + (f": {shown}" if shown else "")
    return Delivery(process.returncode == 0, text)
