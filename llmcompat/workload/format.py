"""Workload files: OpenAI's Batch input and output JSONL, read line by line in bounded memory.

Requests stand in one file in Batch input form, without a key of ours, so that what reads Batch files reads it
too. Answers stand beside it in Batch output form; there a line has one more key, `llmcompat`, with what the
Batch API does not know: when a call was made, by which client, how long it took and how its stream ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

from llmcompat.reply import is_int, load_json
from llmcompat.yamlfile import one_line

MAX_LINE = 32 * 1024 * 1024
"""Bytes of one line; a longer one is skipped without being held."""

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
EMBEDDINGS = "/v1/embeddings"
RESPONSES = "/v1/responses"
MODERATIONS = "/v1/moderations"

URLS = (CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, MODERATIONS)
"""What a line may ask for: the urls of the Batch API whose requests and answers are JSON without files."""

EXTRA = "llmcompat"
"""The key of an answer's line under which stands what the Batch API has no key for."""

MAX_ID = 512
"""Characters of a custom_id."""

Ended = Literal["complete", "cut", "none"]
"""How an answer ended: whole, cut on the way (by either side), or there was none."""


class WorkloadError(Exception):
    """A workload file that cannot be used; its text is one line that names file, line and mend."""

    def __init__(self, file: str | Path, problem: str, *, line: int | None = None) -> None:
        where = one_line(str(file), 1000) + (f":{line}" if line else "")
        super().__init__(f"{where}: {one_line(problem, 300)}")


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a workload, as a line of Batch input."""

    custom_id: str
    method: str
    url: str
    """One of URLS."""
    body: dict[str, Any]
    line: int
    """Counted from 1; 0 for one that comes from no file."""

    @property
    def streamed(self) -> bool:
        """Whether the application asks for a stream."""
        return self.body.get("stream") is True


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line that cannot be used, and why, in a few words."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Client:
    """The software that made a call, by its own headers; empty text where it does not say."""

    user_agent: str = ""
    name: str = ""
    """The SDK, such as openai-python, where it can be told."""
    version: str = ""
    runtime: str = ""
    """What it runs on, such as "CPython 3.12.1"."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One call's answer, as a line of Batch output, with what was seen of the call itself.

    Times are seconds since the request was sent on; None where a file does not say. The body of a stream is
    what its chunks add up to, in the shape that the same request without a stream has.
    """

    custom_id: str | None
    """None for a call whose request is not in the file: sampled out, a duplicate, or no JSON."""
    status: int | None = None
    body: Any = None
    """JSON data, or None where there is none or it was not kept."""
    error: Mapping[str, Any] | None = None
    """Why there is no answer: {"code": …, "message": …}."""
    request_id: str = ""
    method: str = "POST"
    url: str = ""
    """The path below the base URL with /v1 before it, whether or not it can be asked again."""
    started_at: str | None = None
    """UTC, ISO 8601."""
    seconds: float | None = None
    first_byte: float | None = None
    """Until the first byte of the answer's body."""
    chunks: int | None = None
    """Events of a stream."""
    ended: Ended | None = None
    streamed: bool = False
    client: Client = Client()
    parameters: tuple[str, ...] = ()
    """The names of the request's fields."""
    features: tuple[str, ...] = ()
    """What of the API the request needs, by the checklist's names."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    same_as: str | None = None
    """The custom_id of the recorded request that this call repeats."""
    line: int = 0


def answers_path(requests: Path) -> Path:
    """Where the answers to a file of requests stand: workload.answers.jsonl beside workload.jsonl."""
    return requests.with_name(f"{requests.stem}.answers{requests.suffix or '.jsonl'}")


def read_requests(path: str | Path, *, strict: bool = False) -> Iterator[Request | Skipped]:
    """The requests of a Batch input file, one after the other, each line that cannot be used as Skipped.

    Blank lines count for nothing. `strict` raises WorkloadError for the first line that would be skipped;
    it is raised in any case for a file that cannot be read.
    """
    seen: dict[int, int] = {}
    for number, content in _lines(Path(path)):
        found = _request(number, content, seen)
        if strict and isinstance(found, Skipped):
            raise WorkloadError(path, f"{found.reason}; mend it, or leave out --strict-input", line=number)
        yield found


def request_line(request: Request) -> str:
    """The request as a line of Batch input, with its line end."""
    data = {
        "custom_id": request.custom_id,
        "method": request.method,
        "url": request.url,
        "body": request.body,
    }
    return _line(data)


def answer_line(answer: Answer) -> str:
    """The answer as a line of Batch output, with its line end; a call that was not kept has no response."""
    response = None
    if answer.status is not None and (answer.custom_id is not None):
        response = {"status_code": answer.status, "request_id": answer.request_id, "body": answer.body}
    extra: dict[str, Any] = {
        "method": answer.method,
        "url": answer.url,
        "status_code": answer.status,
        "started_at": answer.started_at,
        "seconds": answer.seconds,
        "first_byte": answer.first_byte,
        "chunks": answer.chunks,
        "ended": answer.ended,
        "streamed": answer.streamed or None,
        "client": {name: value for name in _CLIENT if (value := getattr(answer.client, name))},
        "parameters": list(answer.parameters),
        "features": list(answer.features),
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "same_as": answer.same_as,
    }
    data = {
        "id": answer.request_id or None,
        "custom_id": answer.custom_id,
        "response": response,
        "error": dict(answer.error) if answer.error else None,
        EXTRA: {name: value for name, value in extra.items() if value not in (None, "", [], {})},
    }
    return _line(data)


def read_calls(path: str | Path) -> Iterator[Answer | Skipped]:
    """Every line of a Batch output file, one after the other, with calls that were not kept in full.

    Raises WorkloadError for a file that cannot be read.
    """
    for number, content in _lines(Path(path)):
        yield _answer(number, content)


@dataclass
class Answers:
    """The answers of a file by custom_id: what is held are places in the file, one answer is read at a time.

    It keeps the file open until `close`, or the end of a `with`.
    """

    path: Path
    skipped: tuple[Skipped, ...]
    _places: dict[str, tuple[int, int]] = field(repr=False)
    _stream: BinaryIO | None = field(repr=False)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, custom_id: object) -> bool:
        return custom_id in self._places

    def __iter__(self) -> Iterator[str]:
        """The custom_ids, in the order of the file."""
        return iter(self._places)

    def get(self, custom_id: str) -> Answer | None:
        """The answer to this request; None where the file has none, or has changed."""
        if custom_id not in self._places or self._stream is None:
            return None
        offset, line = self._places[custom_id]
        self._stream.seek(offset)
        found = _answer(line, self._stream.readline(MAX_LINE))
        return found if isinstance(found, Answer) and found.custom_id == custom_id else None

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __enter__(self) -> Answers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_answers(path: str | Path) -> Answers:
    """The answers of a Batch output file, to be looked up by custom_id; the last of several counts.

    Lines that cannot be used are in `skipped`; calls that were not kept are left out. Raises WorkloadError
    for a file that cannot be read.
    """
    path = Path(path)
    stream = _opened(path)
    try:
        places: dict[str, tuple[int, int]] = {}
        skipped = []
        for number, offset, content in _places(path, stream):
            found = _answer(number, content)
            if isinstance(found, Skipped):
                skipped.append(found)
            elif found.custom_id is not None and (found.status is not None or found.error):
                places[found.custom_id] = (offset, number)
    except BaseException:
        stream.close()
        raise
    return Answers(path, tuple(skipped), places, stream)


_CLIENT = ("user_agent", "name", "version", "runtime")


def _line(data: Mapping[str, Any]) -> str:
    # escaped to ASCII: a lone half of a surrogate pair, which JSON allows, has no UTF-8
    return json.dumps(data, separators=(",", ":")) + "\n"


def _opened(path: Path) -> BinaryIO:
    try:
        if path.is_dir():
            raise WorkloadError(path, "is a folder; name the .jsonl file in it")
        return path.open("rb")
    except FileNotFoundError:
        raise WorkloadError(
            path, "no such file; `llmcompat capture` writes one, or give a Batch input file"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "unusable path"
        raise WorkloadError(path, f"cannot be read ({reason})") from None


def _lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    with _opened(path) as stream:
        for number, _, content in _places(path, stream):
            yield number, content


def _places(path: Path, stream: BinaryIO) -> Iterator[tuple[int, int, bytes | None]]:
    """Number, offset and bytes of each line that is not blank; None for the bytes of one that is too long."""
    number = offset = 0
    try:
        while content := stream.readline(MAX_LINE + 1):
            number += 1
            start, offset = offset, offset + len(content)
            if len(content) > MAX_LINE and not content.endswith(b"\n"):
                while content and not content.endswith(b"\n"):
                    content = stream.readline(1024 * 1024)
                    offset += len(content)
                yield number, start, None
                continue
            if number == 1:
                content = content.removeprefix(b"\xef\xbb\xbf")
            if content.strip():
                yield number, start, content
    except OSError as error:
        raise WorkloadError(
            path, f"cannot be read ({error.strerror or error})", line=number or None
        ) from None


def _object(number: int, content: bytes | None) -> dict[str, Any] | Skipped:
    if content is None or len(content) > MAX_LINE:
        return Skipped(number, f"is longer than {MAX_LINE // 1024**2} MB")
    try:
        data = load_json(content.removeprefix(b"\xef\xbb\xbf").decode())
    except UnicodeDecodeError:
        return Skipped(number, "is not UTF-8 text")
    except ValueError:
        return Skipped(number, "is no JSON")
    return data if isinstance(data, dict) else Skipped(number, "is no JSON object")


def _request(number: int, content: bytes | None, seen: dict[int, int]) -> Request | Skipped:
    data = _object(number, content)
    if isinstance(data, Skipped):
        return data
    custom_id, method, url, body = (data.get(name) for name in ("custom_id", "method", "url", "body"))
    if url is None and body is None and ("response" in data or "error" in data):
        return Skipped(number, "is an answer and no request: give the Batch input file")
    if not isinstance(custom_id, str) or not custom_id or len(custom_id) > MAX_ID:
        return Skipped(number, f"custom_id must be text of 1 to {MAX_ID} characters")
    if method != "POST":
        return Skipped(number, "method must be POST")
    if url not in URLS:
        shown = one_line(url, 80) if isinstance(url, str) else "missing"
        return Skipped(number, f"url {shown} is not one that can be asked again: {', '.join(URLS)}")
    if not isinstance(body, dict):
        return Skipped(number, "body must be a JSON object")
    # numbers, not texts: a million ids stay small
    first = seen.setdefault(hash(custom_id), number)
    if first != number:
        return Skipped(number, f"has the custom_id of line {first}")
    return Request(custom_id, method, url, body, number)


def _answer(number: int, content: bytes | None) -> Answer | Skipped:
    data = _object(number, content)
    if isinstance(data, Skipped):
        return data
    custom_id = data.get("custom_id")
    if custom_id is not None and (not isinstance(custom_id, str) or not 0 < len(custom_id) <= MAX_ID):
        return Skipped(number, f"custom_id must be text of 1 to {MAX_ID} characters")
    response = data.get("response")
    extra = data.get(EXTRA)
    extra = extra if isinstance(extra, dict) else {}
    if response is None and not data.get("error") and not extra:
        return Skipped(number, "has neither response nor error: give the Batch output file")
    response = response if isinstance(response, dict) else {}
    error = data.get("error")
    client = extra.get("client")
    client = client if isinstance(client, dict) else {}
    body = response.get("body")
    status = _int(response.get("status_code", extra.get("status_code")))
    prompt, completion = tokens_of(body)
    return Answer(
        custom_id=custom_id,
        status=status,
        body=body,
        error=error if isinstance(error, dict) else None,
        request_id=_text(response.get("request_id")),
        method=_text(extra.get("method")) or "POST",
        url=_text(extra.get("url")),
        started_at=_text(extra.get("started_at")) or None,
        seconds=_number(extra.get("seconds")),
        first_byte=_number(extra.get("first_byte")),
        chunks=_int(extra.get("chunks")),
        ended=extra["ended"] if extra.get("ended") in ("complete", "cut", "none") else None,
        streamed=extra.get("streamed") is True,
        client=Client(**{name: _text(client.get(name)) for name in _CLIENT}),
        parameters=_texts(extra.get("parameters")),
        features=_texts(extra.get("features")),
        prompt_tokens=_int(extra.get("prompt_tokens")) if "prompt_tokens" in extra else prompt,
        completion_tokens=_int(extra.get("completion_tokens"))
        if "completion_tokens" in extra
        else completion,
        same_as=_text(extra.get("same_as")) or None,
        line=number,
    )


def tokens_of(body: Any) -> tuple[int | None, int | None]:
    """Tokens of prompt and answer as an answer's usage counts them, whichever API it is of; else None."""
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return None, None
    pairs = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
    counted = [
        next((found for name in names if (found := _int(usage.get(name))) is not None), None)
        for names in pairs
    ]
    return counted[0], counted[1]


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and is_int(value) and 0 <= value < 2**53 else None


def _number(value: object) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9:
        return float(value)
    return None


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 2000 else ""


def _texts(values: object) -> tuple[str, ...]:
    values = values if isinstance(values, list) else []
    return tuple(value for value in values[:500] if isinstance(value, str) and len(value) <= 200)


def skipped_words(skipped: Iterable[Skipped]) -> Iterator[str]:
    """One line for each skipped line, such as "line 7 is no JSON: skipped"."""
    for each in skipped:
        yield f"line {each.line} {each.reason}: skipped"
