"""Content codings undone piece by piece: every cutting, members, layers, and what is no such coding."""

import gzip
import itertools
import zlib

import pytest

from llmcompat.wire.decoding import PIECE, Decoder, DecodingError

TEXT = b'{"choices": [' + b'{"index": 0}, ' * 200 + b"{}]}"


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def decoded(names: str, data: bytes, size: int = 1 << 20) -> bytes:
    """What a decoder makes of the data when it comes in pieces of this size."""
    decoder = Decoder(names)
    parts = (data[start : start + size] for start in range(0, len(data), size))
    return b"".join(itertools.chain.from_iterable(map(decoder.feed, parts)))


@pytest.mark.parametrize("size", [1, 2, 7, 100, 1 << 20])
@pytest.mark.parametrize(
    ("names", "data"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("br", TEXT),
        ("gzip", gzip.compress(TEXT, mtime=0)),
        (" GZip ,", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0)),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT), mtime=0)),
        ("gzip", gzip.compress(TEXT[:500], mtime=0) + gzip.compress(TEXT[500:], mtime=0)),
        ("gzip", gzip.compress(TEXT, mtime=0) + b"\0" * 300),
    ],
)
def test_any_cutting_gives_the_same(names: str, data: bytes, size: int) -> None:
    assert decoded(names, data, size) == TEXT


@pytest.mark.parametrize(
    ("names", "data"),
    [
        ("gzip", b'{"choices": []}'),
        ("gzip", gzip.compress(TEXT, mtime=0) + b"no second member"),
        ("gzip", gzip.compress(TEXT, mtime=0)[:-8] + b"12345678"),
        ("deflate", b"\xff" * 20),
        ("gzip, gzip", gzip.compress(b"not packed twice", mtime=0)),
    ],
)
def test_what_is_not_in_the_coding(names: str, data: bytes) -> None:
    with pytest.raises(DecodingError):
        decoded(names, data)


def test_too_many_layers() -> None:
    with pytest.raises(DecodingError, match="999 content codings"):
        Decoder(", ".join(["gzip"] * 999))


@pytest.mark.parametrize("layers", [1, 2])
def test_a_bomb_comes_in_small_pieces(layers: int) -> None:
    data = bytes(50_000_000)
    for _ in range(layers):
        data = gzip.compress(data, mtime=0)
    decoder = Decoder(", ".join(["gzip"] * layers))
    first = list(itertools.islice(decoder.feed(data), 40))
    assert len(first) == 40
    assert max(map(len, first)) <= PIECE


def test_members_that_hold_nothing_give_nothing() -> None:
    assert decoded("gzip", gzip.compress(b"", mtime=0) * 5000) == b""
