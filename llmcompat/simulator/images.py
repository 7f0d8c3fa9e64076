"""Decoding of small PNG images, enough to name the dominant colour of a test picture."""

import base64
import binascii
import re
import struct
import zlib
from collections import Counter

_DATA_URL = re.compile(r"data:([\w/+.-]+)(?:;[\w-]+=[^;,]*)*;base64,(.*)", re.DOTALL | re.IGNORECASE)
_MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}
_COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 160, 0),
    "blue": (0, 0, 255),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "yellow": (255, 255, 0),
    "orange": (255, 140, 0),
    "purple": (128, 0, 128),
    "grey": (128, 128, 128),
}
_MAX_BYTES = 16_000_000


def load(url: str) -> bytes:
    """Bytes of an image's data URL.

    Raises ValueError for a remote address, invalid base64 or a file that is no PNG, JPEG, GIF or WebP.
    """
    match = _DATA_URL.fullmatch(url.strip())
    if match is None:
        raise ValueError("the simulator loads images from data URLs only")
    try:
        packed = re.sub(r"\s+", "", match.group(2)).translate(str.maketrans("-_", "+/")).rstrip("=")
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("invalid base64") from error
    if not any(data.startswith(magic) for magic in _MAGIC):
        raise ValueError("not a PNG, JPEG, GIF or WebP file")
    return data


def dominant_colour(data: bytes) -> str | None:
    """Name of the most frequent colour of an 8-bit, non-interlaced PNG; None for other files."""
    try:
        pixels = _png_pixels(data)
    except (ValueError, struct.error, zlib.error, IndexError):
        return None
    if not pixels:
        return None
    red, green, blue = Counter(pixels).most_common(1)[0][0]
    return min(
        _COLOURS,
        key=lambda name: sum((a - b) ** 2 for a, b in zip(_COLOURS[name], (red, green, blue), strict=True)),
    )


def _png_pixels(data: bytes) -> list[tuple[int, int, int]]:
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise ValueError("no PNG")
    width = height = colour_type = 0
    palette = packed = b""
    offset = 8
    while offset + 8 <= len(data):
        (length,) = struct.unpack(">I", data[offset : offset + 4])
        kind, chunk = data[offset + 4 : offset + 8], data[offset + 8 : offset + 8 + length]
        offset += 12 + length
        if kind == b"IHDR":
            width, height, depth, colour_type, _, _, interlace = struct.unpack(">IIBBBBB", chunk)
            if depth != 8 or interlace:
                raise ValueError("only 8 bits a channel, not interlaced")
        elif kind == b"PLTE":
            palette = chunk
        elif kind == b"IDAT":
            packed += chunk
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type] if colour_type in (0, 2, 3, 4, 6) else 0
    if not channels or width * height * channels > _MAX_BYTES:
        raise ValueError("colour type or size out of range")
    rows = _unfilter(
        zlib.decompressobj().decompress(packed, _MAX_BYTES + height), width * channels, height, channels
    )
    found: list[tuple[int, int, int]] = []
    for row in rows:
        for x in range(0, len(row), channels):
            if colour_type == 3:
                start = row[x] * 3
                found.append((palette[start], palette[start + 1], palette[start + 2]))
            elif channels < 3:
                found.append((row[x], row[x], row[x]))
            else:
                found.append((row[x], row[x + 1], row[x + 2]))
    return found


def _unfilter(raw: bytes, stride: int, height: int, step: int) -> list[bytearray]:
    rows: list[bytearray] = []
    above = bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        if len(row) != stride:
            raise ValueError("truncated image data")
        for x in range(stride if kind else 0):
            left = row[x - step] if x >= step else 0
            corner = above[x - step] if x >= step else 0
            if kind == 1:
                guess = left
            elif kind == 2:
                guess = above[x]
            elif kind == 3:
                guess = (left + above[x]) // 2
            elif kind == 4:
                guess = _paeth(left, above[x], corner)
            else:
                raise ValueError("unknown filter")
            row[x] = (row[x] + guess) & 0xFF
        rows.append(row)
        above = row
    return rows


def _paeth(left: int, above: int, corner: int) -> int:
    estimate = left + above - corner
    distances = (
        (abs(estimate - left), left),
        (abs(estimate - above), above),
        (abs(estimate - corner), corner),
    )
    return min(distances, key=lambda pair: pair[0])[1]
