"""Server-sent events after the WHATWG rules (HTML, section 9.2), with what a checker wants to know beside.

The parser takes bytes as the network cut them and gives the same events for any cutting. It reports more than
a client's parser does: blocks without data, unknown fields, an unfinished last block and bytes that are not
UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate, repeat
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(slots=True)
class Framing:
    """What a block held beside one plain `data: …` line."""

    event: str | None = None
    id: str | None = None
    retry: int | None = None
    data_lines: int = 0
    spaceless: bool = False
    """A `data:` line had no space behind the colon, which is legal."""
    comments: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """Lines whose field name the rules do not know: a client drops them silently."""
    bad_utf8: bool = False


_PLAIN = Framing(data_lines=1)


class Block(NamedTuple):
    """The lines up to one blank line.

    `data` is None where no `data` field was; such a block dispatches no event. `end` is the offset in the
    body behind the block. `finished` is False for a last block with no blank line behind it, which the rules
    say to discard.
    """

    data: str | None
    end: int
    framing: Framing = _PLAIN
    finished: bool = True

    def __repr__(self) -> str:
        return f"Block({self.data!r}, end={self.end}, finished={self.finished})"

    @property
    def event(self) -> str:
        """The event's name; "message" where none was given."""
        return self.framing.event or "message"


_new_block: Callable[[tuple[str | None, int, Framing, bool]], Block] = partial(tuple.__new__, Block)
"""`Block._make` without its step of Python."""


class Parser:
    """An incremental parser: `feed` pieces as they arrive, `close` at the end of the stream."""

    def __init__(self) -> None:
        self._rest = b""
        self._start = 0
        """Offset in the body of the first byte of `_rest`."""
        self._fresh = True

    def feed(self, piece: bytes) -> list[Block]:
        """The blocks that this piece completes."""
        data = self._rest + piece if self._rest else piece
        if self._fresh:
            if len(data) < 3 and BOM.startswith(data):
                self._rest = data
                return []
            self._fresh = False
            if data.startswith(BOM):
                data = data[3:]
                self._start = 3
        if b"\r" in data:
            return self._feed_lines(data)
        return self._feed_fast(data)

    def close(self) -> list[Block]:
        """What is left at the end: a block whose line end was held back, or an unfinished one."""
        data, self._rest = self._rest, b""
        if not data:
            return []
        blocks: list[Block] = []
        if data.endswith(b"\r"):
            blocks = self._feed_lines(data, final=True)
            data, self._rest = self._rest, b""
        if data:
            lines = _LINE_END.split(data)
            if any(lines):
                blocks.append(_block(lines, self._start + len(data), finished=False))
        return blocks

    def _feed_fast(self, data: bytes) -> list[Block]:
        cut = data.rfind(b"\n\n")
        blocks = _plain_blocks(data[:cut], self._start) if cut >= 0 else []
        if blocks is not None:
            self._rest = data[cut + 2 :] if cut >= 0 else data
            self._start += cut + 2 if cut >= 0 else 0
            return blocks
        blocks = []
        *parts, self._rest = data.split(b"\n\n")
        for part in parts:
            self._start += len(part) + 2
            lines = part.split(b"\n")
            if any(lines):
                blocks.append(_block(lines, self._start))
        return blocks

    def _feed_lines(self, data: bytes, final: bool = False) -> list[Block]:
        blocks: list[Block] = []
        lines: list[bytes] = []
        consumed = cursor = 0
        for match in _LINE_END.finditer(data):
            if match.end() == len(data) and match.group() == b"\r" and not final:
                break  # the LF of a CRLF may be in the next piece
            line = data[cursor : match.start()]
            cursor = match.end()
            if line:
                lines.append(line)
                continue
            if lines:
                blocks.append(_block(lines, self._start + cursor))
                lines = []
            consumed = cursor
        self._rest = data[consumed:]
        self._start += consumed
        return blocks


def parse(body: bytes) -> list[Block]:
    """All blocks of a whole body, an unfinished last one included."""
    parser = Parser()
    return parser.feed(body) + parser.close()


def _plain_blocks(ready: bytes, start: int) -> list[Block] | None:
    """The blocks where each is one `data: …` line of valid UTF-8, as most are, without a loop of our own."""
    if not ready.startswith(b"data: "):
        return None
    values = ready[6:].split(b"\n\ndata: ")
    if ready.count(b"\n") != 2 * (len(values) - 1):  # a line end that is no border between two such blocks
        return None
    ends = accumulate([len(value) + len(b"data: \n\n") for value in values], initial=start)
    next(ends)
    try:
        return list(map(_new_block, zip(map(bytes.decode, values), ends, repeat(_PLAIN), repeat(True))))
    except UnicodeDecodeError:
        return None


def _block(lines: list[bytes], end: int, *, finished: bool = True) -> Block:
    framing = Framing()
    values: list[str] = []
    for raw in lines:
        if not raw:
            continue
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            framing.bad_utf8 = True
            line = raw.decode(errors="replace")
        name, colon, value = line.partition(":")
        if colon and not name:
            framing.comments.append(value.removeprefix(" "))
            continue
        spaced = value.startswith(" ")
        value = value[1:] if spaced else value
        if name == "data":
            values.append(value)
            framing.spaceless |= bool(colon) and bool(value) and not spaced
        elif name == "event":
            framing.event = value
        elif name == "id":
            if "\0" not in value:
                framing.id = value
        elif name == "retry":
            if value.isascii() and value.isdigit() and len(value) <= 18:
                framing.retry = int(value)
        else:
            framing.unknown.append(line)
    framing.data_lines = len(values)
    return Block("\n".join(values) if values else None, end, framing, finished)
