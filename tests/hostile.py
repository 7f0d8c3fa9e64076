"""Endpoints that a checker must survive, and what came of a run against each: `python -m tests.hostile`.

Every one of them is hostile in three ways: to every request; to all but the model list and the first chat
(`later`), so that the run goes on; and to streams alone (`streams`), with plain chat as it should be.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from tests.servers.raw import EVENT_STREAM, RESET, Answer, Part, RawRequest, RawServer, http, http_json

ROOT = Path(__file__).parent.parent
FOREVER = 3600.0
"""Seconds that no run may last."""

Kind = Literal["always", "later", "streams"]
Made = bytes | Iterable[Part]

# --- answers as they should be


def completion(content: Any = "hello", **message: Any) -> dict[str, Any]:
    """A plain answer."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1790000000,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "logprobs": None,
                "finish_reason": "tool_calls" if message.get("tool_calls") else "stop",
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
    }


def chunk(delta: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk of a stream."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1790000000,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


def tool_call(**changes: Any) -> dict[str, Any]:
    """A tool call as an answer holds it."""
    function = {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    return {"index": 0, "id": "call_1", "type": "function", "function": function, **changes}


def event(data: Any) -> bytes:
    """A server-sent event; what is not bytes is written as JSON."""
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


def stream(*chunks: Any) -> bytes:
    """A whole stream."""
    return EVENT_STREAM + b"".join(map(event, chunks)) + b"data: [DONE]\n\n"


def wants_stream(request: RawRequest) -> bool:
    """Whether the request asks for a stream."""
    return b'"stream":true' in request.body.replace(b" ", b"")


def good(request: RawRequest) -> bytes:
    """An answer that nobody can object to."""
    if request.path.endswith("/models"):
        return http_json({"object": "list", "data": [{"id": "m", "object": "model", "created": 1}]})
    if wants_stream(request):
        return stream(chunk({"role": "assistant", "content": "hello"}), chunk({}, "stop"))
    return http_json(completion())


def either(plain: bytes, events: Iterable[bytes], content_type: str = "application/json") -> Answer:
    """An answer whose body is `plain`, or a stream of these events where one is asked for."""
    whole = EVENT_STREAM + b"".join(map(event, events)) + b"data: [DONE]\n\n"
    alone = http(plain, headers={"Content-Type": content_type})
    return lambda request: whole if wants_stream(request) else alone


# --- below HTTP, and HTTP itself


def head(content_type: str = "application/json", *fields: str, status: str = "200 OK") -> bytes:
    """The head of an answer that ends with its connection."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", "Connection: close", *fields]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def without_end(first: bytes, piece: bytes, pause: float = 0.0) -> Answer:
    """The first bytes, and then the same piece for ever."""

    def answer(request: RawRequest) -> Iterator[Part]:
        yield first
        while True:
            yield piece
            if pause:
                yield pause

    return answer


def kept_waiting(*parts: Part) -> Answer:
    """These parts, and then nothing for ever."""
    return lambda request: [*parts, FOREVER]


def slow(data: bytes) -> Answer:
    """One byte of it each second, and after the last one nothing."""

    def answer(request: RawRequest) -> Iterator[Part]:
        for byte in data:
            yield bytes([byte])
            yield 1.0
        yield FOREVER

    return answer


def now_and_then(answer: Answer, every: int) -> Answer:
    """Answer well but for each so manieth request."""
    count = itertools.count(1)
    return lambda request: answer(request) if next(count) % every == 0 else good(request)


def cut_at_each_byte() -> Answer:
    """Each answer is cut one byte later than the one before it."""
    count = itertools.count()

    def answer(request: RawRequest) -> list[Part]:
        whole = good(request)
        return [whole[: next(count) % len(whole)]]

    return answer


def in_single_bytes(data: bytes, count: int) -> Answer:
    """So many chunks of one byte, each written alone."""

    def answer(request: RawRequest) -> Iterator[Part]:
        fields = "Transfer-Encoding: chunked"
        yield head("text/event-stream" if wants_stream(request) else "application/json", fields)
        for number in range(count):
            yield b"1\r\n" + data[number % len(data) : number % len(data) + 1] + b"\r\n"
        yield b"0\r\n\r\n"

    return answer


@cache
def bomb(size: int, layers: int = 1) -> bytes:
    """So many spaces, packed."""
    packer = zlib.compressobj(6, wbits=zlib.MAX_WBITS | 16)
    data = b"".join(packer.compress(b" " * 1_000_000) for _ in range(size // 1_000_000)) + packer.flush()
    for _ in range(layers - 1):
        data = gzip.compress(data)
    return data


def redirected(status: int, location: Callable[[RawRequest], str]) -> Answer:
    """Every request is sent elsewhere."""
    return lambda request: http("", status, {"Location": location(request)})


# --- JSON and its fields

SURROGATE = "\ud800 \udfff\udc00 \x00 \x1b[31m \u202e]]> --> ``` </script> ::error::x \ufffe"
"""Text that no encoding takes, and no report may pass on."""


def everywhere(value: Any) -> tuple[Any, list[Any]]:
    """A plain answer and the chunks of a stream, with the value in place of each leaf."""
    call = tool_call()
    chunks = [
        chunk({"role": "assistant", "content": "a", "tool_calls": [call]}),
        chunk({}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}),
    ]
    return _leaves(completion("a", tool_calls=[call]), value), [_leaves(each, value) for each in chunks]


def _leaves(document: Any, value: Any) -> Any:
    if isinstance(document, dict):
        return {name: _leaves(part, value) for name, part in document.items()}
    if isinstance(document, list):
        return [_leaves(part, value) for part in document]
    return value


def paths(document: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where anything stands in a JSON document, the document itself first."""
    yield before
    parts: Iterable[tuple[str | int, Any]] = ()
    if isinstance(document, dict):
        parts = document.items()
    elif isinstance(document, list):
        parts = enumerate(document)
    for name, part in parts:
        yield from paths(part, (*before, name))


def put(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy of the document with the value at this place."""
    if not path:
        return value
    copy = deepcopy(document)
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copy


VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2_000_000_000,
    10**400,
    1e308,
    "",
    "x",
    SURROGATE,
    [],
    [None],
    [[]],
    {},
    {"": None},
    [{}],
    ["x"],
    [1, "x", None, {}],
)
"""What a field may hold that should hold something else."""


def one_field_wrong(values: Iterable[Any] = VALUES) -> Answer:
    """Each answer has one field of another wrong type."""
    plain = completion("hello", tool_calls=[tool_call()])
    chunks = [
        chunk({"role": "assistant", "content": "hello", "tool_calls": [tool_call()]}),
        chunk({}, "stop", usage={"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}),
    ]
    found = list(values)
    in_plain = itertools.cycle((path, value) for path in paths(plain) for value in found)
    in_stream = itertools.cycle((path, value) for path in paths(chunks) if path for value in found)
    lock = threading.Lock()

    def answer(request: RawRequest) -> bytes:
        with lock:
            for _ in range(7):  # by steps that share no factor with either list, so that each run sees all
                path, value = next(in_stream if wants_stream(request) else in_plain)
        if wants_stream(request):
            return stream(*put(chunks, path, value))
        return http_json(put(plain, path, value))

    return answer


def everywhere_answer(value: Any) -> Answer:
    """Each leaf of each answer is this value."""
    plain, chunks = everywhere(value)
    return either(json.dumps(plain).encode(), [json.dumps(each).encode() for each in chunks])


def spliced(raw: bytes) -> Answer:
    """Answers whose content is these bytes of JSON, whatever they are."""
    marked = json.dumps(completion("MARK")).encode().replace(b'"MARK"', raw)
    in_chunk = json.dumps(chunk({"role": "assistant", "content": "MARK"})).encode().replace(b'"MARK"', raw)
    return either(marked, [in_chunk, json.dumps(chunk({}, "stop")).encode()])


def beside(raw: bytes) -> Answer:
    """Good answers with one more field, whose value is these bytes."""
    plain = json.dumps(completion()).encode()[:-1] + b', "more": ' + raw + b"}"
    first = json.dumps(chunk({"role": "assistant", "content": "hello"})).encode()
    last = json.dumps(chunk({}, "stop")).encode()[:-1] + b', "more": ' + raw + b"}"
    return either(plain, [first, last])


def tool_index(*indices: Any) -> Answer:
    """Tool calls whose pieces have these indices."""
    calls = [tool_call(index=index) for index in indices]
    plain = json.dumps(completion(None, tool_calls=calls)).encode()
    chunks = [chunk({"role": "assistant", "tool_calls": [call]}) for call in calls]
    return either(plain, [json.dumps(each).encode() for each in [*chunks, chunk({}, "tool_calls")]])


def throttled(status: int, retry_after: str) -> Answer:
    """Every request is told to wait."""
    return lambda request: http_json({"error": {"message": "wait"}}, status, {"Retry-After": retry_after})


_BODY = json.dumps(completion()).encode()
_MANY = 2_000_000

ELSEWHERE = "http://127.0.0.1:9/v1/models"
"""An address of another origin, where nothing listens; a test puts a server there."""


def endpoints(elsewhere: str = ELSEWHERE) -> dict[str, Callable[[], Answer]]:
    """The catalogue: what makes each one, afresh as some count their requests."""
    return {
        # nothing, or too slowly
        "never-answers": lambda: kept_waiting(),
        "slow-headers": lambda: slow(head() + _BODY),
        "slow-body": lambda: without_end(head(), b" ", pause=1.0),
        "silent-body": lambda: kept_waiting(head(), b'{"choices": '),
        "dripping-stream": lambda: without_end(
            EVENT_STREAM, event(chunk({"role": "assistant", "content": "a"})), pause=1.0
        ),
        "silent-now-and-then": lambda: now_and_then(kept_waiting(), 3),
        # without end
        "endless-body": lambda: without_end(head() + b'{"choices": "', b"x" * 65536),
        "endless-spaces": lambda: without_end(head(), b" " * 65536),
        "endless-array": lambda: without_end(head() + b'{"choices": [[]', b",[]" * 20000),
        "endless-line": lambda: without_end(EVENT_STREAM + b"data: ", b"x" * 65536),
        "endless-blank-lines": lambda: without_end(EVENT_STREAM, b"\n" * 65536),
        "endless-comments": lambda: without_end(EVENT_STREAM, b": wait\n\n" * 8192),
        "endless-comment-lines": lambda: without_end(EVENT_STREAM, b": wait\n" * 8192),
        "endless-data-lines": lambda: without_end(EVENT_STREAM, b"data: x\n" * 8192),
        "endless-empty-events": lambda: without_end(EVENT_STREAM, b"data: {}\n\n" * 6000),
        "endless-answer": lambda: without_end(EVENT_STREAM, event(chunk({"content": "word "})) * 100),
        "endless-carriage-returns": lambda: without_end(EVENT_STREAM, b"\r" * 65536),
        "endless-fields": lambda: without_end(EVENT_STREAM, b"id\nevent\nretry\nx\n" * 4096),
        # framing
        "gzip-bomb": lambda: lambda request: http(bomb(100_000_000), headers={"Content-Encoding": "gzip"}),
        "gzip-bomb-layered": lambda: (
            lambda request: http(bomb(100_000_000, 2), headers={"Content-Encoding": "gzip, gzip"})
        ),
        "gzip-false": lambda: lambda request: http(_BODY, headers={"Content-Encoding": "gzip"}),
        "gzip-short": lambda: (
            lambda request: http(gzip.compress(_BODY)[:-12], headers={"Content-Encoding": "gzip"})
        ),
        "codings-many": lambda: (
            lambda request: http(_BODY, headers={"Content-Encoding": ", ".join(["gzip"] * 999)})
        ),
        "short-body": lambda: lambda request: http(_BODY[:50], headers={"Content-Length": "5000"}),
        "length-negative": lambda: lambda request: http(_BODY, headers={"Content-Length": "-1"}),
        "length-huge": lambda: lambda request: http(_BODY, headers={"Content-Length": "9" * 400}),
        "chunk-size-false": lambda: (
            lambda request: [
                head("application/json", "Transfer-Encoding: chunked"),
                b"zz\r\n",
            ]
        ),
        "chunk-size-endless": lambda: without_end(
            head("application/json", "Transfer-Encoding: chunked"), b"0" * 65536
        ),
        "headers-huge": lambda: lambda request: head("application/json", "X-A: " + "a" * 10_000_000) + _BODY,
        "headers-endless": lambda: without_end(b"HTTP/1.1 200 OK\r\n", b"X-A: a\r\n" * 8192),
        "headers-many": lambda: (
            lambda request: (
                head("application/json", *(f"Set-Cookie: a{number}=b; Path=/" for number in range(3000)))
                + _BODY
            )
        ),
        "status-line-endless": lambda: without_end(b"HTTP/1.1 200 ", b"O" * 65536),
        "continue-endless": lambda: without_end(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
        "switching-protocols": lambda: lambda request: b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n\0\1\2",
        "no-http": lambda: lambda request: b"SSH-2.0-OpenSSH_9.6\r\n",
        "no-http-endless": lambda: without_end(b"", bytes(range(128, 256)) * 512),
        "reset": lambda: lambda request: [RESET],
        "cut-at-each-byte": lambda: cut_at_each_byte(),
        "single-bytes": lambda: in_single_bytes(event({}) * 2, 20_000),
        # statuses
        "status-204": lambda: lambda request: b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        "status-999": lambda: lambda request: http(_BODY, 999),
        "status-500": lambda: lambda request: http_json({"error": {"message": "x"}}, 500),
        "error-huge": lambda: without_end(
            head(status="400 Bad") + b'{"error": {"message": "', b"model x " * 8192
        ),
        "redirect-to-itself": lambda: redirected(307, lambda request: request.path),
        "redirect-elsewhere": lambda: redirected(307, lambda request: elsewhere),
        "redirect-nonsense": lambda: redirected(
            308,
            lambda request: "http://[::bad/" + "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
        ),
        "retry-after-week": lambda: throttled(429, "604800"),
        "retry-after-nonsense": lambda: throttled(503, "soon, \xff 1e999 --"),
        "retry-after-negative": lambda: throttled(429, "-99999999999"),
        # JSON
        "json-deep": lambda: beside(b"[" * 200_000 + b"]" * 200_000),
        "json-deep-objects": lambda: beside(b'{"a":' * 200_000 + b"1" + b"}" * 200_000),
        "json-deep-unclosed": lambda: either(b"[" * 200_000, [b"[" * 200_000]),
        "integer-long": lambda: spliced(b"1" * 100_000),
        "integer-long-beside": lambda: beside(b"1" * 100_000),
        "float-long": lambda: beside(b"1." + b"1" * 100_000 + b"e99999"),
        "nan": lambda: beside(b"[NaN, Infinity, -Infinity]"),
        "invalid-utf-8": lambda: spliced(b'"\xff\xfe\xc0\x80\xed\xa0\x80"'),
        "surrogates": lambda: everywhere_answer(SURROGATE),
        "nul": lambda: spliced(b'"\x00\\u0000"'),
        "bom": lambda: (
            lambda request: (
                http(b"\xef\xbb\xbf" + _BODY)
                if not wants_stream(request)
                else EVENT_STREAM + b"\xef\xbb\xbf" * 3 + event(chunk({"content": "a"}))
            )
        ),
        "duplicate-keys": lambda: either(
            b'{"choices": 1, ' + _BODY[1:-1] + b', "choices": null}', [b'{"choices": [], "choices": null}']
        ),
        "null": lambda: either(b"null", [b"null"]),
        "array": lambda: either(b"[" + _BODY + b"]", [b"[" + _BODY + b"]"]),
        "string": lambda: either(b'"' + b"x" * 100_000 + b'"', [b'"x"']),
        "html": lambda: (
            lambda request: http(
                "<html><script>alert(1)</script>" * 1000, headers={"Content-Type": "text/html"}
            )
        ),
        "empty": lambda: lambda request: http("") if not wants_stream(request) else EVENT_STREAM,
        "one-field-wrong": lambda: one_field_wrong(),
        "all-null": lambda: everywhere_answer(None),
        "all-numbers": lambda: everywhere_answer(-1),
        "all-long-integers": lambda: everywhere_answer(10**4000),
        "all-lists": lambda: everywhere_answer([None]),
        "all-objects": lambda: everywhere_answer({"a": None}),
        "nulls-in-arrays": lambda: either(
            json.dumps({**completion(), "choices": [None, *completion()["choices"], None]}).encode(),
            [
                json.dumps({**chunk({}), "choices": [None]}).encode(),
                json.dumps(chunk({"tool_calls": [None]})).encode(),
            ],
        ),
        "tool-index-huge": lambda: tool_index(2_000_000_000, 10**30),
        "tool-index-negative": lambda: tool_index(-1, -2_000_000_000),
        "tool-index-odd": lambda: tool_index(None, "0", 0.5, True, [], {}),
        "events-huge": lambda: either(
            json.dumps(completion("x" * 10_000_000)).encode(),
            [json.dumps(chunk({"content": "x" * 10_000_000})).encode()] * 3,
        ),
        "values-many-lists": lambda: beside(b"[" + b",".join([b"[]"] * (_MANY // 3 - 500)) + b"]"),
        "values-many-objects": lambda: beside(b"[" + b",".join([b"{}"] * (_MANY // 3 - 500)) + b"]"),
        "values-many-keys": lambda: beside(
            b"{" + b",".join(b'"%x":0' % number for number in range(_MANY // 9)) + b"}"
        ),
        "chunks-many": lambda: either(_BODY, [b'{"choices":[]}'] * 60_000),
        "tool-pieces-many": lambda: either(
            _BODY,
            [json.dumps(chunk({"tool_calls": [tool_call(index=number)]})).encode() for number in range(6000)],
        ),
    }


def kind_of(name: str) -> Kind:
    """The kind of this name; raises KeyError for another."""
    kinds: dict[str, Kind] = {"always": "always", "later": "later", "streams": "streams"}
    return kinds[name]


def turned(answer: Answer, kind: Kind) -> Answer:
    """The endpoint that is hostile in this way."""
    first = iter([good])

    def later(request: RawRequest) -> Made:
        if request.method == "GET" and request.path.endswith("/models"):
            return good(request)
        if request.path.endswith("/chat/completions") and next(first, None):
            return good(request)
        return answer(request)

    def streams(request: RawRequest) -> Made:
        return answer(request) if wants_stream(request) else good(request)

    return {"always": answer, "later": later, "streams": streams}[kind]


class Endpoint(RawServer):
    """A server whose clients may go at any moment, and whose answers nobody waits for in the end."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._errors = [each for each in self._errors if not isinstance(each, OSError)]
        super().__exit__(kind, error, trace)


# --- a run against one of them

_LAUNCHER = """
import os, sys
place, *command = sys.argv[1:]
process = os.posix_spawn(command[0], command, os.environ)
_, status, usage = os.wait4(process, 0)
with open(place, "w") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Runs a command and notes its peak memory. A small process of its own, as what a process held before it
became another counts as its peak."""


@dataclass(frozen=True)
class Ran:
    """How a run ended; `exit` is None where it did not end in time, `peak` is in bytes or not known."""

    exit: int | None
    output: str
    errors: str
    seconds: float
    peak: int | None

    def run(self) -> dict[str, Any]:
        """What it wrote, as JSON."""
        found: dict[str, Any] = json.loads(self.output)
        return found


def run_against(
    base_url: str, *options: str, limit: float = 120.0, environment: Mapping[str, str] | None = None
) -> Ran:
    """`llmcompat check` of one endpoint, as `run_targets` runs it."""
    return run_targets("--base-url", base_url, "--model", "m", *options, limit=limit, environment=environment)


def run_targets(*arguments: str, limit: float = 120.0, environment: Mapping[str, str] | None = None) -> Ran:
    """`llmcompat check` in a process of its own, killed after `limit` seconds."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        command = [sys.executable, "-m", "llmcompat", "check", "-q", "--format", "json"]
        command += arguments
        measured = os.name == "posix"
        if measured:
            command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(folder / "peak"), *command]
        own = {**os.environ, "XDG_STATE_HOME": name, "PYTHONPATH": str(ROOT), **(environment or {})}
        started = time.perf_counter()
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=own,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=measured,
            )
            code: int | None = None
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(limit)
            if code is None:
                if measured:
                    os.killpg(process.pid, signal.SIGKILL)
                process.kill()
                process.wait()
        seconds = time.perf_counter() - started
        peak = None
        with suppress(OSError, ValueError):
            peak = int((folder / "peak").read_text()) * (1 if sys.platform == "darwin" else 1024)
        texts = [(folder / each).read_bytes().decode(errors="replace") for each in ("out", "err")]
        return Ran(code, texts[0], texts[1], seconds, peak)


def troubles(ran: Ran) -> list[str]:
    """What is wrong with how a run ended, whatever the endpoint did."""
    found = []
    if ran.exit is None:
        found.append("did not end")
    elif ran.exit not in (1, 2, 3):
        found.append(f"exit {ran.exit}")
    if "Traceback" in ran.errors or "Error:" in ran.errors or "never " in ran.errors:
        found.append(f"stderr: {ran.errors.strip().splitlines()[-1][:200]}")
    try:
        runs = ran.run()["runs"]
        for run in runs:
            found += [
                f"{check['id']}: {check['reason']}"
                for check in run["checks"]
                if " itself broke" in (check["reason"] or "")
            ]
            found += [
                f"{name}: {why['reason']}"
                for name, why in run["unasked"].items()
                if " itself broke" in why["reason"]
            ]
    except (ValueError, KeyError, TypeError) as error:
        return [*found, f"no run in the output: {type(error).__name__}: {error}"]
    if not runs:
        found.append("no run in the output")
    return found


def main() -> None:
    """Run all, or those named (`endless-body`, `later:nan`, `streams`), and print how each ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=main.__doc__)
    parser.add_argument("names", nargs="*", help="endpoints, each alone or as kind:endpoint, or kinds")
    parser.add_argument("--options", default="", help='options of check: --options="--timeout 5"')
    parser.add_argument("--jobs", type=int, default=1, help="runs at once (default 1)")
    arguments = parser.parse_args()
    kinds: tuple[Kind, ...] = ("always", "later", "streams")
    chosen = [
        (kind, name)
        for kind, name in itertools.product(kinds, endpoints())
        if not arguments.names or {name, f"{kind}:{name}", kind} & set(arguments.names)
    ]

    def run(one: tuple[Kind, str]) -> Ran:
        kind, name = one
        with Endpoint(turned(endpoints()[name](), kind)) as server:
            return run_against(server.base_url, *arguments.options.split(), limit=FOREVER)

    bad = False
    print(f"{'endpoint':40} exit  seconds  peak MB")
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for (kind, name), ran in zip(chosen, pool.map(run, chosen), strict=True):
            megabytes = "" if ran.peak is None else f"{ran.peak / 1e6:.0f}"
            wrong = "; ".join(troubles(ran))
            bad |= bool(wrong)
            label = f"{kind}:{name}"
            print(f"{label:40} {ran.exit!s:>4} {ran.seconds:8.1f} {megabytes:>8}  {wrong}", flush=True)
    sys.exit(bad)


if __name__ == "__main__":
    main()
