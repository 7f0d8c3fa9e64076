"""Any cutting of a stream gives the events of the WHATWG rules, and the framing that a checker asks for."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcompat.wire.sse import Block, Framing, Parser, parse

BOM = "\ufeff"


def events_by_the_rules(body: bytes) -> list[tuple[str, str, str]]:
    """(event, data, last id) of each dispatched event, as HTML section 9.2.6 says it, step by step."""
    text = body.decode("utf-8", errors="replace").removeprefix(BOM)
    lines = re.split("\r\n|\n|\r", text)[:-1]  # what stands behind the last line end is no line yet
    found = []
    data = event = last_id = ""
    for line in lines:
        if line == "":
            if data != "":
                found.append((event or "message", data[:-1] if data.endswith("\n") else data, last_id))
            data = event = ""
            continue
        if line.startswith(":"):
            continue
        name, value = line, ""
        if ":" in line:
            name, value = line.split(":", 1)
            if value.startswith(" "):
                value = value[1:]
        if name == "event":
            event = value
        elif name == "data":
            data += value + "\n"
        elif name == "id" and "\0" not in value:
            last_id = value
    return found


def events_of(blocks: list[Block]) -> list[tuple[str, str, str]]:
    found = []
    last_id = ""
    for block in blocks:
        if not block.finished:
            continue
        last_id = block.framing.id if block.framing.id is not None else last_id
        if block.data is not None:
            found.append((block.event, block.data, last_id))
    return found


def fed(body: bytes, cuts: list[int]) -> list[Block]:
    parser = Parser()
    blocks = []
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    for start, end in pairwise(places):
        blocks += parser.feed(body[start:end])
    return blocks + parser.close()


ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"])
LINES = st.one_of(
    st.sampled_from(
        [
            b"",
            b"",
            b"",
            b"data: {}",
            b"data: [DONE]",
            b"data:x",
            b"data",
            b"data:",
            b"data: ",
            b"data:  two",
            b"data: \xc3\xa9",
            b"data: \xff\xfe",
            b"data: \xe2\x82",
            b"data: \xe2\x80\xa8",
            b": ping",
            b":",
            b"event: error",
            b"event:",
            b"id: 7",
            b"id",
            b"id: a\0b",
            b"retry: 30",
            b"retry: x",
            b"retry: \xd9\xa3",
            b"Data: x",
            b" data: x",
            b"other: y",
            b"\xef\xbb\xbfdata: x",
            b"data: a:b",
        ]
    ),
    st.binary(max_size=6),
)
BODIES = st.one_of(
    st.builds(
        lambda bom, lines: bom + b"".join(line + end for line, end in lines),
        st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef\xbb", b"\xef\xbb\xbf\xef\xbb\xbf"]),
        st.lists(st.tuples(LINES, ENDS), max_size=12),
    ),
    st.lists(
        st.sampled_from(
            [b"data: {}\n\n", b"data: \xe4\xb8\xad\n\n", b"data: \xe4\n\n", b"\n", b": x\n\n", b"data: "]
        )
    ).map(b"".join),
    st.binary(max_size=30),
)


@given(BODIES, st.lists(st.integers(min_value=0), max_size=6))
def test_any_cutting_gives_the_same_blocks(body: bytes, cuts: list[int]) -> None:
    assert fed(body, cuts) == parse(body)


@given(BODIES)
def test_byte_by_byte_gives_the_same_blocks(body: bytes) -> None:
    assert fed(body, list(range(len(body)))) == parse(body)


@given(BODIES)
def test_events_are_those_of_the_rules(body: bytes) -> None:
    assert events_of(parse(body)) == events_by_the_rules(body)


@given(BODIES)
def test_ends_are_offsets_into_the_body(body: bytes) -> None:
    ends = [block.end for block in parse(body)]
    assert ends == sorted(set(ends))
    assert all(0 < end <= len(body) for end in ends)
    for number, end in enumerate(ends[:-1], 1):
        assert events_of(parse(body[:end])) == events_of(parse(body)[:number])


@pytest.mark.parametrize(
    ("body", "data"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        (b"data: a\r\rdata: b\r\r", ["a", "b"]),
        (b"data: a\r\n\ndata: b\n\r\n", ["a", "b"]),
        (b"\n\n\ndata: a\n\n\n\ndata: b\n\n", ["a", "b"]),
        (b"\xef\xbb\xbfdata: a\n\n", ["a"]),
        (b"data:a\n\ndata:  b\n\n", ["a", " b"]),
        (b"data: a\ndata: b\ndata:\n\n", ["a\nb\n"]),
        (b"data\n\ndata:\n\n", ["", ""]),
        (b": hello\n\ndata: a\n\n", [None, "a"]),
        (b": hello\ndata: a\n\n", ["a"]),
        (b"event: ping\n\nid: 1\n\nretry: 5\n\n", [None, None, None]),
        ("data: \u2028 \u0085\n\n".encode(), ["\u2028 \u0085"]),
        ("data: 日本 🎉\n\n".encode(), ["日本 🎉"]),
        (b"data: a\x0bb\x0cc\n\n", ["a\x0bb\x0cc"]),
        (b"data: \xff\n\n", ["\ufffd"]),
        (b"", []),
        (b"\n\r\n\r", []),
    ],
)
def test_data(body: bytes, data: list[str | None]) -> None:
    assert [block.data for block in parse(body)] == data


@pytest.mark.parametrize(
    "tail", [b"data: b", b"data: b\n", b"data: b\r", b"data: b\r\n", b"event: x\ndata: b\n"]
)
def test_an_unfinished_last_block_is_told_apart(tail: bytes) -> None:
    whole, rest = parse(b"data: a\n\n" + tail)
    assert (whole.data, whole.finished) == ("a", True)
    assert (rest.data, rest.finished, rest.end) == ("b", False, 9 + len(tail))


@pytest.mark.parametrize("tail", [b"\r\r", b"\r\n\r", b"\n\r"])
def test_a_blank_line_that_ends_with_a_held_back_cr_finishes_the_block(tail: bytes) -> None:
    parser = Parser()
    assert parser.feed(b"data: a" + tail) == []
    assert parser.close() == [Block("a", 7 + len(tail))]


@pytest.mark.parametrize(
    ("lines", "framing"),
    [
        (b"data: x", Framing(data_lines=1)),
        (b"data:x", Framing(data_lines=1, spaceless=True)),
        (b"data:", Framing(data_lines=1)),
        (b"data: x\ndata: y", Framing(data_lines=2)),
        (b"event: error\ndata: x", Framing(event="error", data_lines=1)),
        (b"event: a\nevent: b", Framing(event="b")),
        (b"id: 4\nretry: 3000", Framing(id="4", retry=3000)),
        (b"id", Framing(id="")),
        (b"id: a\0b", Framing()),
        (b"retry: 3s\nretry:\nretry: -1", Framing()),
        (b"retry: " + b"9" * 5000, Framing()),
        (b": one\n:two\n:  three", Framing(comments=["one", "two", " three"])),
        (b'Data: x\n{"a": 1}', Framing(unknown=["Data: x", '{"a": 1}'])),
        (b"data: \xc3", Framing(data_lines=1, bad_utf8=True)),
        (b"data: x\n: done", Framing(data_lines=1, comments=["done"])),
    ],
)
def test_framing(lines: bytes, framing: Framing) -> None:
    (block,) = parse(lines + b"\n\n")
    assert block.framing == framing
    assert block.end == len(lines) + 2


def test_the_event_is_message_where_no_name_was_given() -> None:
    named, empty, plain = parse(b"event: error\ndata: x\n\nevent:\ndata: x\n\ndata: x\n\n")
    assert [named.event, empty.event, plain.event] == ["error", "message", "message"]


def test_a_block_shows_its_data_and_its_end() -> None:
    assert repr(parse(b"data: x\n")[0]) == "Block('x', end=8, finished=False)"
