"""Undoing an answer's content coding piece by piece, never further than the room that is left for it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

PIECE = 64 * 1024
"""Bytes that one step makes at most: what a few compressed bytes may become must not be held at once."""

ACCEPTED = "gzip, deflate"
"""The codings that are asked for; an answer in another one is kept as it came."""

_MOST_CODINGS = 4
"""Codings laid over each other; more is an attack and no answer."""


class DecodingError(Exception):
    """The bytes are not in the coding that the answer names."""


class Decoder:
    """Decodes a body after its Content-Encoding; `feed` gives pieces of at most `PIECE` bytes."""

    def __init__(self, content_encoding: str) -> None:
        """Raises DecodingError for codings that are laid over each other too often."""
        names = [name.strip().lower() for name in content_encoding.split(",") if name.strip()]
        if len(names) > _MOST_CODINGS:
            raise DecodingError(f"{len(names)} content codings over each other")
        # the last one named was applied last, so it is undone first
        self._steps = [_Inflater(name) for name in reversed(names) if name in ("gzip", "x-gzip", "deflate")]

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes decode to. Raises DecodingError."""
        yield from _through(self._steps, data)


def _through(steps: list[_Inflater], data: bytes) -> Iterator[bytes]:
    if not steps:
        yield data
        return
    for piece in steps[0].feed(data):
        yield from _through(steps[1:], piece)


class _Inflater:
    """One gzip or deflate coding; gzip may hold several members behind each other (RFC 1952, 2.2)."""

    def __init__(self, name: str) -> None:
        self._gzip = name != "deflate"
        self._begun = False
        self._held = b""
        """The first byte of a deflate coding: which of its two kinds it is shows in the second one."""
        self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16 if self._gzip else zlib.MAX_WBITS)

    def feed(self, data: bytes) -> Iterator[bytes]:
        data = self._held + data
        self._held = b""
        if not self._begun and not self._gzip and len(data) == 1:
            self._held = data
            return
        while data:
            if self._inflate.eof:
                if not self._gzip or not data.strip(b"\0"):
                    return  # padding behind the end
                self._inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                piece = self._inflate.decompress(data, PIECE)
            except zlib.error as error:
                if self._begun or self._gzip:
                    raise DecodingError(str(error)) from None
                # some servers mean raw deflate by "deflate", and every client takes it
                self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
                self._begun = True
                continue
            self._begun = True
            data = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
            if piece:
                yield piece
