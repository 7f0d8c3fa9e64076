"""Reading a public document: no key, no cookies, bounded in size and time, within one origin."""

from __future__ import annotations

import asyncio
from urllib.parse import urljoin, urlsplit

import httpx

from llmcompat.version import __version__
from llmcompat.wire.client import MAX_REDIRECTS, is_loopback, origin

_REDIRECTS = (301, 302, 303, 307, 308)


class NotRead(Exception):
    """A document could not be read; the text is the reason in a few words."""


async def read_public(url: str, *, most: int, seconds: float) -> bytes:
    """The bytes behind an address, decompressed.

    Only https is read (http on this machine), redirects are followed within the same origin, and at most
    `most` bytes are taken within `seconds`. Raises NotRead for everything else, also for a status other than
    200.
    """
    if not (url.startswith("https://") or (url.startswith("http://") and is_loopback(url))):
        raise NotRead("it is not an https address")
    try:
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(
                timeout=seconds, follow_redirects=False, trust_env=not is_loopback(url)
            ) as client,
        ):
            return await _read(client, url, most)
    except (TimeoutError, httpx.TimeoutException):
        raise NotRead(f"not answered within {seconds:g} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise NotRead(f"not reachable ({type(error).__name__})") from None


async def _read(client: httpx.AsyncClient, url: str, most: int) -> bytes:
    own = origin(url)
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "gzip, deflate",
        "User-Agent": f"llmcompat/{__version__}",
    }
    for _ in range(MAX_REDIRECTS + 1):
        async with client.stream("GET", url, headers=headers) as response:
            if response.status_code in _REDIRECTS and "location" in response.headers:
                url = urljoin(url, response.headers["location"])
                if origin(url) != own:
                    raise NotRead(f"it leads to another host, {urlsplit(url).hostname}")
                client.cookies.clear()
                continue
            if response.status_code != 200:
                raise NotRead(f"status {response.status_code}")
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > most:
                    raise NotRead(f"more than {most // 1024} KB")
            return bytes(body)
    raise NotRead(f"more than {MAX_REDIRECTS} redirects")
