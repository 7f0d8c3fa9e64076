"""Writes calls into workload files as they come, in a thread of its own: keys and personal data stay out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import queue
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from llmcompat.project.schema import is_credential
from llmcompat.reply import load_json
from llmcompat.wire.decoding import Decoder, DecodingError
from llmcompat.wire.redaction import Redactor
from llmcompat.wire.sse import Parser
from llmcompat.workload.assembly import Assembly
from llmcompat.workload.format import (
    MAX_LINE,
    URLS,
    Answer,
    Client,
    Ended,
    Request,
    answer_line,
    answers_path,
    request_line,
    tokens_of,
)
from llmcompat.workload.personal import Placeholders
from llmcompat.workload.traffic import answered_features, client_of, features_of, parameters_of, plain_path

MAX_BODY = MAX_LINE
"""Bytes of a request and of an answer that are recorded; what is longer is passed on and not recorded."""

MAX_WAITING = 128 * 1024 * 1024
"""Bytes of calls that wait to be written; what comes while they do is passed on and only counted."""

MAX_TEXT = 10_000
"""Characters that are kept of an answer that is no JSON."""

MAX_KEYS = 1000
"""Different credentials of an application that are hidden by value; any further ones by their form."""

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(slots=True)
class Call:
    """One call as the proxy saw it. Times are seconds since the request came in."""

    number: int
    method: str
    path: str
    """With /v1 before it and without a query, in which a key may stand."""
    request_headers: Headers
    started: float
    """Seconds since 1970."""
    request_body: bytearray = field(default_factory=bytearray)
    request_whole: bool = True
    """The body was recorded to its end."""
    status: int | None = None
    headers: Headers = ()
    body: bytearray = field(default_factory=bytearray)
    body_whole: bool = True
    first_byte: float | None = None
    seconds: float = 0.0
    ended: Ended = "none"
    error: tuple[str, str] | None = None
    """Code and words, where there is no answer."""

    def header(self, name: bytes) -> str:
        """An answer's header, "" where there is none."""
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == name), "")


@dataclass(slots=True)
class Summary:
    """What came through, in numbers of calls."""

    seen: int = 0
    recorded: int = 0
    duplicates: int = 0
    sampled_out: int = 0
    over_maximum: int = 0
    other: int = 0
    """No JSON request of a path that can be asked again."""
    too_large: int = 0
    dropped: int = 0
    """They came faster than they could be written."""
    refused: int = 0
    """Answered with a status of 400 and above."""
    unanswered: int = 0
    replaced: int = 0
    """Pieces of personal data that were replaced."""
    problem: str | None = None
    """Why no more could be written."""


class Recorder:
    """Two files beside each other, requests and answers, that only their owner may read.

    `sample` is the part of all calls that is recorded; of the others only size and time are written.
    Raises FileExistsError for a file that is there, other OSErrors for one that cannot be made.
    """

    def __init__(
        self,
        path: Path,
        *,
        secrets: Iterable[str] = (),
        personal: bool = True,
        patterns: Iterable[re.Pattern[str]] = (),
        sample: float = 1.0,
        most: int | None = None,
        keep_duplicates: bool = False,
        replace: bool = False,
    ) -> None:
        self.path = path
        self.summary = Summary()
        self._secrets = set(secrets)
        self._redactor = Redactor(self._secrets)
        self._placeholders = Placeholders(
            mask=lambda text: self._redactor.text(text), personal=personal, patterns=patterns
        )
        self._sample, self._most, self._keep_duplicates = sample, most, keep_duplicates
        self._stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        self._first: dict[bytes, str] = {}
        self._credentials: set[str] = set()
        self._lock = threading.Lock()
        self._waiting = 0
        self._queue: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._made = [each for each in (path, answers_path(path)) if not each.exists()]
        self._requests = _private(path, replace)
        try:
            self._answers = _private(answers_path(path), replace)
        except OSError:
            self._requests.close()
            if path in self._made:
                path.unlink()
            raise
        self._thread = threading.Thread(target=self._work, name="llmcompat-recorder", daemon=True)
        self._thread.start()

    def take(self, call: Call) -> None:
        """Write a call that has ended, some time after; it is not waited for."""
        size = len(call.request_body) + len(call.body)
        with self._lock:
            self.summary.seen += 1
            self.summary.refused += call.status is not None and call.status >= 400
            self.summary.unanswered += call.status is None
            if self._waiting + size > MAX_WAITING:
                self.summary.dropped += 1
                return
            self._waiting += size
        self._queue.put(call)

    def close(self) -> None:
        """Write what still waits, and close the files; where nothing was seen, all is as it was before."""
        self._queue.put(None)
        self._thread.join()
        for stream in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                stream.close()
        self.summary.replaced = self._placeholders.replaced
        if not self.summary.seen:
            for path in self._made:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _work(self) -> None:
        begun = False
        while (call := self._queue.get()) is not None:
            try:
                if not begun:
                    begun = True
                    self._requests.truncate(0)
                    self._answers.truncate(0)
                if self.summary.problem is None:
                    self._write(call)
            except OSError as error:
                self.summary.problem = error.strerror or type(error).__name__
            except (ValueError, RecursionError):
                # data that JSON cannot hold, such as a number beyond all bounds
                self.summary.other += 1
            finally:
                with self._lock:
                    self._waiting -= len(call.request_body) + len(call.body)

    def _write(self, call: Call) -> None:
        headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in call.request_headers]
        self._learn_keys(headers)
        url = self._placeholders.text(plain_path(call.path))
        sent = _json_object(call.request_body) if call.request_whole else None
        answered, chunks, finished = _answered(call, url)
        if chunks is not None and call.status == 200 and call.ended != "none":
            # clients hang up as soon as a stream has told its end; one that never did was cut
            call.ended = "complete" if finished else "cut"
        request, same_as = self._request(call, url, sent)
        lines = request_line(request) if request is not None else ""
        prompt, completion = tokens_of(answered)
        shown = client_of(headers)
        features = set(features_of(url, sent or {})) | set(answered_features(answered))
        answer = Answer(
            custom_id=request.custom_id if request is not None else None,
            status=call.status,
            body=self._placeholders.value(answered) if request is not None else None,
            error={"code": call.error[0], "message": call.error[1]} if call.error else None,
            request_id=self._placeholders.text(call.header(b"x-request-id")[:200]),
            method=call.method,
            url=url,
            started_at=datetime.fromtimestamp(call.started, UTC).isoformat(timespec="milliseconds"),
            seconds=round(call.seconds, 4),
            first_byte=round(call.first_byte, 4) if call.first_byte is not None else None,
            chunks=chunks,
            ended=call.ended,
            streamed=chunks is not None,
            client=Client(
                *map(self._placeholders.text, (shown.user_agent, shown.name, shown.version, shown.runtime))
            ),
            parameters=parameters_of(self._placeholders.value(dict.fromkeys(sent, 0))) if sent else (),
            features=tuple(sorted(features)),
            prompt_tokens=prompt,
            completion_tokens=completion,
            same_as=same_as,
        )
        written = answer_line(answer)
        if len(lines) > MAX_LINE or len(written) > MAX_LINE:
            self.summary.too_large += 1
            return
        if request is not None:
            self._requests.write(lines)
            self._requests.flush()
            self._first[_digest(url, sent)] = request.custom_id
            self.summary.recorded += 1
        self._answers.write(written)
        self._answers.flush()

    def _request(
        self, call: Call, url: str, sent: dict[str, Any] | None
    ) -> tuple[Request | None, str | None]:
        """The line for a call, or the custom_id of the one that it repeats; what is left out is counted."""
        summary = self.summary
        if not call.request_whole or not call.body_whole:
            summary.too_large += 1
        elif sent is None or url not in URLS or call.method != "POST":
            summary.other += 1
        elif math.ceil(call.number * self._sample) == math.ceil((call.number - 1) * self._sample):
            summary.sampled_out += 1
        elif not self._keep_duplicates and (first := self._first.get(_digest(url, sent))) is not None:
            summary.duplicates += 1
            return None, first
        elif self._most is not None and summary.recorded >= self._most:
            summary.over_maximum += 1
        else:
            body = self._placeholders.value(sent)
            return Request(f"{self._stamp}-{call.number:06d}", "POST", url, body, 0), None
        return None, None

    def _learn_keys(self, headers: Iterable[tuple[str, str]]) -> None:
        """Hide by value what the application itself opens the upstream with."""
        found = {
            value.partition(" ")[2].strip() if " " in value else value
            for name, value in headers
            if is_credential(name)
        }
        fresh = found - self._credentials
        if fresh and len(self._credentials) < MAX_KEYS:
            self._credentials |= fresh
            self._redactor = Redactor(self._secrets | self._credentials)
            self._placeholders.forget()


def _private(path: Path, replace: bool) -> TextIO:
    """A file that only its owner may read; what it holds stays until the first call is written."""
    flags = os.O_WRONLY | os.O_CREAT | (0 if replace else os.O_EXCL) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags, 0o600)
    if hasattr(os, "fchmod"):
        os.fchmod(handle, 0o600)
    return os.fdopen(handle, "w", encoding="utf-8", newline="\n")


def _digest(url: str, sent: Any) -> bytes:
    text = json.dumps([url, sent], sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _json_object(body: bytes | bytearray) -> dict[str, Any] | None:
    try:
        data = load_json(bytes(body).decode())
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _answered(call: Call, url: str) -> tuple[Any, int | None, bool]:
    """The answer's data or text, how many events a stream had (None for no stream), and whether it ended."""
    if call.status is None or not call.body_whole:
        return None, None, False
    try:
        decoder = Decoder(call.header(b"content-encoding"))
        content = bytearray()
        for piece in decoder.feed(bytes(call.body)):
            content += piece
            if len(content) > MAX_BODY:
                return None, None, False
    except DecodingError:
        return None, None, False
    media_type = call.header(b"content-type").partition(";")[0].strip().lower()
    if media_type == "text/event-stream":
        assembly, parser = Assembly(url), Parser()
        events = [
            block.data for block in (*parser.feed(bytes(content)), *parser.close()) if block.data is not None
        ]
        for data in events:
            assembly.add(data)
        return assembly.body, len(events), assembly.finished
    try:
        return load_json(bytes(content).decode()), None, True
    except ValueError:
        is_text = media_type.startswith("text/") or media_type.endswith(("json", "xml"))
        return content.decode(errors="replace")[:MAX_TEXT] if is_text else None, None, True
