"""Untrusted text steers nothing: not a terminal, not Markdown, not HTML."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from llmcompat.reports.escape import (
    html,
    markdown,
    markdown_block,
    markdown_code,
    markdown_link,
    one_line,
    shorten,
    terminal,
)
from tests.reporting import HOSTILE

WORDS = "` `` ``` \\ | * _ [ ]( ) < > # @ ! & &lt; &#8203; ~ ~~~ $ www. a@b.test @all #12 <b> <!-- --> a é"
SPACED = ("\n", "\r", "\n\n", "\t", " ", "- [ ] ", "1. ", "+ ", "\n# h\n", "http://", "https://a.test/x")
PIECES = st.sampled_from([*WORDS.split(), *SPACED, "\x1b[2J", "\u202e", "\u200b", "\ud800"])
TEXT = st.one_of(st.text(st.characters()), st.lists(PIECES, max_size=12).map("".join))

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PLAIN = {"text", "code_inline", "text_special"}


def inline(tokens: list[Token]) -> list[Token]:
    return [child for token in tokens for child in token.children or []]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words: 'x' [bold]", "plain words: 'x' [bold]"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\x9b2J\x7f", "\\x9b2J\\x7f"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u202eabc\u2066\u200b\u200f\ufeff\u2028", "\\u202eabc\\u2066\\u200b\\u200f\\ufeff\\u2028"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("\u3164", "\\u3164"),
        ("Grüße 你好 🙂", "Grüße 你好 🙂"),
        ("a\u00a0b", "a b"),
        ("z" + "\u0301" * 50, "z" + "\u0301" * 4),
    ],
)
def test_terminal_writes_out_what_steers(text: str, shown: str) -> None:
    assert terminal(text) == shown


def test_terminal_keeps_what_a_block_needs() -> None:
    assert terminal("a\n\tb\r", keep="\n\t") == "a\n\tb\\r"


@given(TEXT)
def test_nothing_in_terminal_text_steers(text: str) -> None:
    shown = terminal(text)
    assert not [char for char in shown if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert terminal(shown) == shown
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("short", 5, "short"),
        ("abcdefghij", 9, "abc … hij"),
        ("abcdefghij", 8, "abc … ij"),
        ("abcdefghij", 4, "abcd"),
        ("a\n\n b  c", 80, "a b c"),
        ("\x1bx", 80, "\\x1bx"),
    ],
)
def test_one_line(text: str, limit: int, shown: str) -> None:
    assert one_line(text, limit) == shown


@given(TEXT, st.integers(0, 60))
def test_one_line_is_one_line_within_its_limit(text: str, limit: int) -> None:
    shown = one_line(text, limit)
    assert len(shown) <= limit
    assert len(shown.splitlines()) <= 1


@given(st.text(), st.integers(0, 60))
def test_shorten_keeps_both_ends(text: str, limit: int) -> None:
    shown = shorten(text, limit)
    assert len(shown) <= limit
    assert shown == text or limit < 5 or (shown[0] == text[0] and shown[-1] == text[-1])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain words, e.g. 3.5 (x): y!", "plain words, e.g. 3.5 (x): y\\!"),
        ("**b** | `c`", "\\*\\*b\\*\\* \\| \\`c\\`"),
        ("<script>", "\\<script\\>"),
        ("@everyone #12", "@&#8203;everyone \\#&#8203;12"),
        ("see https://a.test/x_y.", "see `https://a.test/x_y`."),
        ("ftp://a.test www.a.test", "ftp:&#8203;//a.test www&#8203;.a.test"),
    ],
)
def test_markdown_stays_readable(text: str, written: str) -> None:
    assert markdown(text) == written


def renders_as_the_text(text: str) -> None:
    tokens = PARSER.parse(f"- [ ] x {markdown(text)} x")
    assert [token.type for token in tokens if token.type.endswith("_open")] == [
        "bullet_list_open",
        "list_item_open",
        "paragraph_open",
    ]
    children = inline(tokens)
    assert {child.type for child in children} <= PLAIN
    rendered = "".join(child.content for child in children).replace("\u200b", "")
    assert rendered == f"[ ] x {terminal(text)} x"
    words = "".join(child.content for child in children if child.type != "code_inline")
    assert not re.search(r"://|www\.|@\w|#\w", words, re.IGNORECASE)


LIVE = (
    "*i*",
    "_i_",
    "`c`",
    "~~s~~",
    "[a](b)",
    "![a](b)",
    "<b>",
    "<http://a>",
    "&lt;",
    "\\*",
    "@all",
    "#1",
    HOSTILE,
)


@pytest.mark.parametrize("text", LIVE)
def test_no_construct_of_markdown_works(text: str) -> None:
    renders_as_the_text(text)


@given(TEXT)
def test_markdown_renders_as_the_text_and_nothing_else(text: str) -> None:
    renders_as_the_text(text)


@given(TEXT)
def test_markdown_stays_in_its_cell(text: str) -> None:
    tokens = PARSER.parse(f"| a | b |\n| --- | --- |\n| x{markdown(text)}x | y |\n")
    assert [token.type for token in tokens].count("td_open") == 2
    assert {child.type for child in inline(tokens)} <= PLAIN


@given(TEXT)
def test_a_code_span_holds_all_of_the_text(text: str) -> None:
    children = inline(PARSER.parse(f"- seen: {markdown_code(text)}"))
    if terminal(text).strip():
        assert [child.type for child in children] == ["text", "code_inline"]
        assert children[1].content == terminal(text)
    else:
        assert [child.content for child in children] in (["seen: (empty)"], ["seen: (blank)"])


@given(TEXT)
def test_a_block_is_closed_by_its_own_fence_only(text: str) -> None:
    tokens = PARSER.parse(f"{markdown_block(text, 'json')}\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content.rstrip() == terminal(text, keep="\n\t").rstrip()


def test_only_plain_addresses_can_be_followed() -> None:
    assert markdown_link("https://a.test/x?y=1#z") == "<https://a.test/x?y=1#z>"
    for url in ("javascript:alert(1)", "https://a.test/> <b>", "https://a.test/\u202e", "//a.test"):
        assert "link_open" not in {child.type for child in inline(PARSER.parse(markdown_link(url)))}


def test_html_has_no_tag_and_ends_no_attribute() -> None:
    assert not set('<>"\n\x1b') & set(html(HOSTILE + '"'))
