"""The recording HTTP client: one request as a good client makes it, every try of it kept as an exchange."""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import ipaddress
import json
import os
import random
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import perf_counter
from urllib.parse import urljoin, urlsplit

import httpx

from llmcompat.model import Ended, Exchange
from llmcompat.version import __version__
from llmcompat.wire.decoding import ACCEPTED, Decoder, DecodingError
from llmcompat.wire.limits import TOO_LATE, Limits, Patience, Waiting
from llmcompat.wire.pacing import Pacer
from llmcompat.wire.redaction import Redactor

MAX_BODY = 2 * 1024 * 1024
"""Bytes of one answer that are kept, after decompression; a longer one is cut and marked `bounded`."""
MAX_LIST = 4 * 1024 * 1024
"""The same of a list of models: a gateway's holds hundreds, each with a description."""
MAX_VALUES = 250_000
"""JSON values of one answer that are read, a line of a stream counted as two: `[]` takes twenty times the
memory of its two bytes, and an event for each few bytes far more."""
MAX_RUN_VALUES = 1_000_000
"""The same of all answers of a run: three times what a model brings that thinks aloud in every stream. From
then on each answer is read up to `LEAST_VALUES`."""
LEAST_VALUES = 4_000
MAX_EVIDENCE = 8 * 1024 * 1024
"""Bytes of all answers of a run that are kept: far above what a checklist brings, so that only an endpoint
that sends without end comes to it. From then on each answer is kept up to `LEAST_BODY`."""
LEAST_BODY = 16 * 1024
MAX_ARRIVALS = 5_000
"""Reads of one answer whose time is kept one by one."""
MAX_REDIRECTS = 3
RETRIES = 2
RETRIED_TIMEOUTS = 2
"""Requests of a run that are sent once more after nothing came in time, as the official clients send every
one twice: an endpoint that lets more of them hang is believed, or a run would wait for most of its time."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
"""Seconds: the official client's back-off (openai-python `_constants.py`)."""
LONGEST_RETRY_AFTER = 120.0
"""Seconds: the official Python client gives up at once when it is told to wait longer."""

LONGEST_IMAGE = 4096
"""Characters of base64 in a request that are recorded."""

_PASSING = (408, 409, 429, 500, 502, 503, 504)
"""Statuses that say little of the endpoint an hour later."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")


def parse_duration(text: str) -> float | None:
    """Seconds of a Go duration as OpenAI's rate-limit headers write it ("1s", "6m0s", "12ms"), or None."""
    if not re.fullmatch(r"(?:\d+(?:\.\d+)?(?:ms|h|m|s))+", text):
        return None
    unit = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    return sum(float(number) * unit[name] for number, name in _DURATION.findall(text))


def retry_after(header: Callable[[str], str | None], now: datetime) -> float | None:
    """Seconds that an answer asks to wait: `retry-after-ms`, or Retry-After as RFC 9110 (10.2.3) has it."""
    milliseconds = header("retry-after-ms")
    if milliseconds is not None:
        try:
            return float(milliseconds) / 1000
        except ValueError:
            pass
    value = header("retry-after")
    if value is None:
        return None
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return (email.utils.parsedate_to_datetime(value) - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


@dataclass(frozen=True)
class Request:
    """What is to be sent. `key` None sends the client's own key, "" sends none."""

    method: str
    path: str
    body: bytes | None = None
    key: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    retry_server_errors: bool = True
    """False where a refusal is asked for: then 5xx is an answer and not a mishap."""
    retries: int = RETRIES
    stream: bool = False
    max_body: int = MAX_BODY
    seconds: float | None = None
    """What this request may take, where that is less than what any may."""


class Client:
    """Sends requests to one origin and returns every try as an `Exchange`.

    It raises nothing for what an endpoint does.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        pacer: Pacer | None = None,
        redactor: Redactor | None = None,
        record: Callable[[Exchange], None] = lambda exchange: None,
        admit: Callable[[], None] = lambda: None,
        seed: str = "",
        trust_environment: bool = True,
        answers: Iterable[Exchange] = (),
    ) -> None:
        """`answers` are exchanges of an earlier run: those that ended a request are not asked for again."""
        answers = tuple(answers)
        self._answers = _settled(answers)
        self._base_url = base_url.rstrip("/")
        self._origin = origin(base_url)
        self._key = key
        self._headers = dict(headers or {})
        self._timeout = timeout
        self.pacer = pacer or Pacer(8)
        self.held_back = 0
        """How often the endpoint asked for a pause."""
        self._redact = redactor or Redactor([key] if key else [])
        self._record = record
        self._admit = admit
        self._random = random.Random(seed)
        self._count = max((int(exchange.id[1:]) for exchange in answers), default=0)
        self._kept = 0
        self._values = 0
        self._timeouts = 0
        self.patience = Patience(timeout)
        self._http = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=trust_environment,
            verify=_trust(base_url, trust_environment),
            # no request carries what an answer set: they are independent, and a jar has no bound
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    def url(self, path: str) -> str:
        """The address of a path below the base URL; a path that names an origin must name the same one."""
        url = path if "://" in path else f"{self._base_url}/{path.lstrip('/')}"
        if origin(url) != self._origin:
            raise ValueError(f"{url} is of another origin than {self._base_url}")
        return url

    async def send(
        self,
        request: Request,
        *,
        probe: str,
        part: str | None = None,
        sample: str = "",
        urgency: Callable[[], int] = lambda: 0,
    ) -> list[Exchange]:
        """Send the request, and again as the official clients do; all tries, the last one counts.

        What an earlier run brought for the same request and sample is given instead of being asked for again.
        `urgency` says at each try how it stands among the requests that wait.
        """
        identity = self._identity(request, sample)
        if (known := self._answers.get(identity)) is not None:
            for exchange in known:
                self._record(exchange)
            return known
        tries: list[Exchange] = []
        while True:
            async with self.pacer.turn(urgency()):
                self._admit()
                exchange = await self._once(request, probe, part, len(tries) + 1, identity)
            tries.append(exchange)
            self._record(exchange)
            if self.patience.over is not None:
                self._admit()  # whether it would have been answered is not known: no more is made of it
            wait = self._wait_before_next(exchange, request, len(tries))
            if exchange.status in (429, 503):
                # The last try waits for nothing itself, yet what it was asked holds for every other request.
                asked = wait or retry_after(exchange.header, datetime.now(UTC)) or 0.0
                self.held_back += 1
                self.pacer.slow_down(asked if 0 < asked <= LONGEST_RETRY_AFTER else 0.0)
            else:
                self._heed_rate_headers(exchange)
            if wait is None:
                return tries
            await asyncio.sleep(wait)

    def _wait_before_next(self, exchange: Exchange, request: Request, tries: int) -> float | None:
        """Seconds before the next try, or None when there is none (openai-python `_base_client.py`)."""
        if tries > request.retries or not self._worth_retrying(exchange, request):
            return None
        if exchange.error is not None and exchange.error.endswith(TOO_LATE):
            self._timeouts += 1
            if request.seconds is not None or tries > 1 or self._timeouts > RETRIED_TIMEOUTS:
                return None
        asked = retry_after(exchange.header, datetime.now(UTC))
        if asked is not None and asked > LONGEST_RETRY_AFTER:
            return None
        if asked is not None and asked > 0:
            return asked
        backoff = min(FIRST_WAIT * 2.0 ** (tries - 1), LONGEST_WAIT)
        return backoff * (1 - 0.25 * self._random.random())

    @staticmethod
    def _worth_retrying(exchange: Exchange, request: Request) -> bool:
        if exchange.status is None:
            return True
        if exchange.ended == "cut":
            return not request.stream  # a stream has been handed to the application by then
        should = exchange.header("x-should-retry")
        if should in ("true", "false") and exchange.status >= 400:
            return should == "true"
        if exchange.status in (408, 409, 429, 503):
            return True
        return exchange.status >= 500 and request.retry_server_errors

    def _heed_rate_headers(self, exchange: Exchange) -> None:
        if exchange.header("x-ratelimit-remaining-requests") == "0":
            seconds = parse_duration(exchange.header("x-ratelimit-reset-requests") or "")
            if seconds is not None and seconds <= LONGEST_RETRY_AFTER:
                self.pacer.wait_until(seconds)

    def _identity(self, request: Request, sample: str) -> str:
        """What tells a request from others, of what is recorded of it: a run that goes on has no more."""
        body = self._redact.text(_recorded(request.body)) if request.body is not None else None
        url = self._redact.text(self.url(request.path))
        told = json.dumps([request.method, url, body, request.key, request.headers, sample])
        return hashlib.sha256(told.encode(errors="replace")).hexdigest()[:24]

    async def _once(
        self, request: Request, probe: str, part: str | None, attempt: int, identity: str
    ) -> Exchange:
        self._count += 1
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": ACCEPTED,
            "User-Agent": f"llmcompat/{__version__}",
            **({"Content-Type": "application/json"} if request.body is not None else {}),
            **self._headers,
            **dict(request.headers),
        }
        key = self._key if request.key is None else request.key
        if key:
            headers["Authorization"] = f"Bearer {key}"
        url = self.url(request.path)
        exchange = Exchange(
            id=f"e{self._count}",
            probe=probe,
            part=part,
            attempt=attempt,
            method=request.method,
            url=self._redact.text(url),
            request_headers=tuple((name, self._redact.text(value)) for name, value in headers.items()),
            request_body=self._redact.text(_recorded(request.body)) if request.body is not None else None,
            started_at=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            identity=identity,
        )
        answer = _Answer()
        started = perf_counter()
        limits = Limits.of(self._timeout, request.seconds)
        waited = limits.total
        try:
            async with asyncio.timeout(limits.total) as scope:
                with self.patience.waiting(scope) as waiting:
                    try:
                        await self._exchange(request, url, headers, answer, started, limits, waiting)
                    finally:
                        waited = waiting.given_up or limits.total
        except TimeoutError:
            what = "answered whole" if answer.status is not None else "answered"
            answer.error = f"not {what} within {waited:g} s: {TOO_LATE}"
        except httpx.TimeoutException as error:
            answer.error = f"{_words(error)}: {TOO_LATE}"
        except DecodingError as error:
            answer.error = f"content encoding is false: {error}"
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as error:
            answer.error = f"{_words(error)}: {error}" if str(error) else _words(error)
        seconds = perf_counter() - started
        if answer.error is None or not answer.error.endswith(TOO_LATE):
            self.patience.answered(seconds)
        elif waited == limits.total:
            self.patience.hung()
        if answer.error is not None:
            answer.ended = "cut" if answer.status is not None else "none"
        return replace(
            exchange,
            status=answer.status,
            headers=tuple((name, self._redact.text(value)) for name, value in answer.headers),
            body=self._redact.data(bytes(answer.body)),
            arrivals=tuple(answer.arrivals),
            headers_seconds=answer.headers_seconds,
            seconds=seconds,
            ended=answer.ended,
            error=self._redact.text(answer.error) if answer.error is not None else None,
        )

    async def _exchange(
        self,
        request: Request,
        url: str,
        headers: dict[str, str],
        answer: _Answer,
        started: float,
        limits: Limits,
        waiting: Waiting,
    ) -> None:
        times = httpx.Timeout(limits.between_bytes, connect=limits.connect, pool=None)
        for _ in range(MAX_REDIRECTS + 1):
            message = self._http.build_request(
                request.method, url, headers=headers, content=request.body, timeout=times
            )
            async with asyncio.timeout(limits.first_byte):
                response = await self._http.send(message, stream=True)
            async with aclosing(response):
                answer.status = response.status_code
                answer.headers_seconds = perf_counter() - started
                answer.headers = [
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw
                ]
                target = self._redirect(response, url)
                if target is not None:
                    url = target
                    continue
                await self._read(response, request, answer, started, waiting)
                return
        answer.error = f"more than {MAX_REDIRECTS} redirects"

    async def _read(
        self, response: httpx.Response, request: Request, answer: _Answer, started: float, waiting: Waiting
    ) -> None:
        """Read the body, as far as what was asked for can be so long."""
        values = came = 0
        decoder = Decoder(response.headers.get("content-encoding", ""))
        try:
            async for raw in response.aiter_raw():
                came += len(raw)
                waiting.came(len(raw))
                for piece in decoder.feed(raw):
                    left = max(MAX_EVIDENCE - self._kept, LEAST_BODY - len(answer.body))
                    room = min(request.max_body - len(answer.body), left)
                    answer.body += piece[:room]
                    self._kept += min(len(piece), room)
                    more = sum(map(piece.count, _BEFORE_VALUES))
                    more += 2 * sum(map(piece.count, _LINE_ENDS)) if request.stream else 0
                    values += more
                    self._values += more
                    most = MAX_VALUES if self._values <= MAX_RUN_VALUES else LEAST_VALUES
                    if len(piece) > room or values > most:
                        answer.ended = "bounded"
                        return
                if came > request.max_body + LEAST_BODY:  # a coding that makes nothing of what comes
                    answer.ended = "bounded"
                    return
                answer.arrived(perf_counter() - started)
        finally:
            answer.arrived(perf_counter() - started)
            if not answer.body.isascii():
                self._kept += 3 * len(answer.body)  # as text, one wide character makes all of them wide
        answer.ended = "complete"

    def _redirect(self, response: httpx.Response, url: str) -> str | None:
        """Where to go instead, if that is the same origin: a key is never carried to another one."""
        location = response.headers.get("location")
        # a POST that is told 301 or 302 becomes a GET in every client, so it never arrives
        followed = (307, 308) if response.request.method == "POST" else (301, 302, 307, 308)
        if response.status_code not in followed or not location:
            return None
        target = urljoin(url, location)
        return target if origin(target) == self._origin else None


def _trust(base_url: str, trust_environment: bool) -> ssl.SSLContext:
    """What certificates are held against: read once for all clients, which takes long."""
    if urlsplit(base_url).scheme == "http":
        return _nobody()
    named = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")) if trust_environment else ()
    return _authorities(trust_environment, named)


@cache
def _authorities(trust_environment: bool, named: tuple[str | None, ...]) -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=trust_environment)


@cache
def _nobody() -> ssl.SSLContext:
    """A context that trusts nobody: over plain http it is never asked."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _settled(exchanges: Iterable[Exchange]) -> dict[str, list[Exchange]]:
    """All tries of each request whose last one was answered: what was throttled or lost is asked again."""
    found: dict[str, list[Exchange]] = {}
    for exchange in exchanges:
        if exchange.identity:
            found.setdefault(exchange.identity, []).append(exchange)
    return {
        identity: tries
        for identity, tries in found.items()
        if tries[-1].status is not None and tries[-1].ended != "cut" and tries[-1].status not in _PASSING
    }


class _Answer:
    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: list[tuple[str, str]] = []
        self.body = bytearray()
        self.arrivals: list[tuple[int, float]] = []
        self.headers_seconds: float | None = None
        self.ended: Ended = "none"
        self.error: str | None = None

    def arrived(self, seconds: float) -> None:
        """Note when the bytes that are there by now came."""
        end = self.arrivals[-1][0] if self.arrivals else 0
        if len(self.body) == end:
            return
        if len(self.arrivals) < MAX_ARRIVALS:
            self.arrivals.append((len(self.body), seconds))
        else:
            self.arrivals[-1] = (len(self.body), seconds)


_BEFORE_VALUES = (b",", b"[", b"{")
"""Each JSON value but the outermost stands behind one of them."""
_LINE_ENDS = (b"\n", b"\r")

_BASE64 = re.compile(rf"(;base64,[A-Za-z0-9+/=]{{{LONGEST_IMAGE}}})[A-Za-z0-9+/=]+")


def _recorded(body: bytes) -> str:
    """A request's body as it is kept: an image as large as a photo would be in every report otherwise."""
    return _BASE64.sub(r"\1…", body.decode(errors="replace"))


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address: what a key is bound to."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or default


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    host = (urlsplit(url).hostname or "").lower()
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name such as 127.0.0.1.example.com is anybody's


def _words(error: BaseException) -> str:
    """What went wrong below HTTP, in words that a user knows."""
    text = str(error).lower()
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection"
    if isinstance(error, httpx.TimeoutException):
        return "no byte"
    if isinstance(error, httpx.ConnectError):
        if "ssl" in text or "certificate" in text or "tls" in text:
            return "TLS error"
        if (
            "name or service" in text
            or "getaddrinfo" in text
            or "nodename" in text
            or "name resolution" in text
        ):
            return "unknown host"
        return "connection refused"
    if isinstance(error, httpx.RemoteProtocolError):
        return "connection closed or not HTTP"
    if isinstance(error, httpx.DecodingError):
        return "content encoding is false"
    if isinstance(error, (httpx.ReadError, httpx.WriteError, OSError)):
        return "connection reset"
    return "request not possible"
