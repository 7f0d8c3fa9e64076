"""The recording HTTP client: one request as a good client makes it, every try of it kept as an exchange."""

from __future__ import annotations

import asyncio
import email.utils
import hashlib
import ipaddress
import json
import random
import re
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import perf_counter
from urllib.parse import urljoin, urlsplit

import httpx

from llmcompat.model import Ended, Exchange
from llmcompat.version import __version__
from llmcompat.wire.decoding import ACCEPTED, Decoder, DecodingError
from llmcompat.wire.redaction import Redactor

MAX_BODY = 2 * 1024 * 1024
"""Bytes of one answer that are kept, after decompression; a longer one is cut and marked `bounded`."""
MAX_LIST = 8 * 1024 * 1024
"""The same of a list of models: a gateway's holds hundreds, each with a description."""
MAX_LINES = 200_000
"""Line ends of one stream that are read: an event for each few bytes costs far more memory than the bytes."""
MAX_EVIDENCE = 16 * 1024 * 1024
"""Bytes of all answers of a run that are kept: far above what a checklist brings, so that only an endpoint
that sends without end comes to it. From then on each answer is kept up to `LEAST_BODY`."""
LEAST_BODY = 32 * 1024
MAX_ARRIVALS = 5_000
"""Reads of one answer whose time is kept one by one."""
MAX_REDIRECTS = 3
RETRIES = 2
RETRIED_TIMEOUTS = 2
"""Requests of a run that are sent again after nothing came in time, as the official clients send every one:
an endpoint that lets more of them hang is believed, or a run would wait for most of its time."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 8.0
"""Seconds: the official client's back-off (openai-python `_constants.py`)."""
LONGEST_RETRY_AFTER = 120.0
"""Seconds: the official Python client gives up at once when it is told to wait longer."""

TOO_LATE = "the time was over"
"""How the error of a request ends that nothing, or not everything, came for in time."""

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


class Pacer:
    """Holds requests to one host to a number at once, halves it at a 429, and keeps the waits asked for."""

    def __init__(self, concurrency: int, requests_per_minute: float | None = None) -> None:
        self._limit = concurrency
        self._running = 0
        self._free = asyncio.Condition()
        self._not_before = 0.0
        self._interval = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self.held_back = 0

    async def __aenter__(self) -> None:
        async with self._free:
            await self._free.wait_for(lambda: self._running < self._limit)
            self._running += 1
            now = perf_counter()
            wait = max(0.0, self._not_before - now)
            if self._interval:
                self._not_before = max(self._not_before, now) + self._interval
        if wait:
            try:
                await asyncio.sleep(wait)
            except BaseException:
                await self._leave()
                raise

    async def __aexit__(self, *_: object) -> None:
        await self._leave()

    async def _leave(self) -> None:
        async with self._free:
            self._running -= 1
            self._free.notify_all()

    def slow_down(self, seconds: float) -> None:
        """The host asked for a pause of so many seconds, and gets fewer requests at once from now on."""
        self.held_back += 1
        self._limit = max(1, self._limit // 2)
        self.wait_until(seconds)

    def wait_until(self, seconds: float) -> None:
        """Start no request for so many seconds."""
        self._not_before = max(self._not_before, perf_counter() + seconds)


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
        self._redact = redactor or Redactor([key] if key else [])
        self._record = record
        self._admit = admit
        self._random = random.Random(seed)
        self._count = max((int(exchange.id[1:]) for exchange in answers), default=0)
        self._kept = 0
        self._timeouts = 0
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout, connect=min(10.0, timeout), pool=None),
            follow_redirects=False,
            trust_env=trust_environment,
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
        self, request: Request, *, probe: str, part: str | None = None, sample: str = ""
    ) -> list[Exchange]:
        """Send the request, and again as the official clients do; all tries, the last one counts.

        What an earlier run brought for the same request and sample is given instead of being asked for again.
        """
        identity = self._identity(request, sample)
        if (known := self._answers.get(identity)) is not None:
            for exchange in known:
                self._record(exchange)
            return known
        tries: list[Exchange] = []
        while True:
            async with self.pacer:
                self._admit()
                exchange = await self._once(request, probe, part, len(tries) + 1, identity)
            tries.append(exchange)
            self._record(exchange)
            wait = self._wait_before_next(exchange, request, len(tries))
            if exchange.status in (429, 503):
                # The last try waits for nothing itself, yet what it was asked holds for every other request.
                asked = wait or retry_after(exchange.header, datetime.now(UTC)) or 0.0
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
            if request.seconds is not None or self._timeouts > RETRIED_TIMEOUTS:
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
        seconds = min(self._timeout, request.seconds or self._timeout)
        try:
            async with asyncio.timeout(seconds):
                await self._exchange(request, url, headers, answer, started)
        except TimeoutError:
            what = "answered whole" if answer.status is not None else "answered"
            answer.error = f"not {what} within {seconds:g} s: {TOO_LATE}"
        except httpx.TimeoutException as error:
            answer.error = f"{_words(error)}: {TOO_LATE}"
        except DecodingError as error:
            answer.error = f"content encoding is false: {error}"
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError, OSError, ValueError) as error:
            answer.error = f"{_words(error)}: {error}" if str(error) else _words(error)
        seconds = perf_counter() - started
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
        self, request: Request, url: str, headers: dict[str, str], answer: _Answer, started: float
    ) -> None:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._http.stream(
                request.method, url, headers=headers, content=request.body
            ) as response:
                answer.status = response.status_code
                answer.headers_seconds = perf_counter() - started
                answer.headers = [
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw
                ]
                target = self._redirect(response, url)
                if target is not None:
                    url = target
                    continue
                most = min(request.max_body, max(MAX_EVIDENCE - self._kept, LEAST_BODY))
                lines = 0
                decoder = Decoder(response.headers.get("content-encoding", ""))
                try:
                    async for raw in response.aiter_raw():
                        for piece in decoder.feed(raw):
                            room = most - len(answer.body)
                            answer.body += piece[:room]
                            lines += piece.count(b"\n") + piece.count(b"\r") if request.stream else 0
                            if len(piece) > room or lines > MAX_LINES:
                                answer.ended = "bounded"
                                return
                        answer.arrived(perf_counter() - started)
                finally:
                    answer.arrived(perf_counter() - started)
                    self._kept += len(answer.body)
                answer.ended = "complete"
                return
        answer.error = f"more than {MAX_REDIRECTS} redirects"

    def _redirect(self, response: httpx.Response, url: str) -> str | None:
        """Where to go instead, if that is the same origin: a key is never carried to another one."""
        location = response.headers.get("location")
        # a POST that is told 301 or 302 becomes a GET in every client, so it never arrives
        followed = (307, 308) if response.request.method == "POST" else (301, 302, 307, 308)
        if response.status_code not in followed or not location:
            return None
        target = urljoin(url, location)
        return target if origin(target) == self._origin else None


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
