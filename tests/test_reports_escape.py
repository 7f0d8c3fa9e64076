"""Untrusted text steers nothing: no terminal, Markdown, HTML, XML or SARIF, no runner of GitHub Actions."""

import json
import re
import unicodedata
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from llmcompat.reports.escape import (
    github_json,
    github_log,
    github_message,
    github_property,
    html,
    is_address,
    markdown,
    markdown_block,
    markdown_code,
    markdown_link,
    one_line,
    sarif_message,
    shorten,
    terminal,
    xml,
)
from tests.github_runner import commands
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


ACTIONS = (
    "::error::",
    "::",
    ":",
    "::add-mask::x",
    "##[add-mask]",
    "##[",
    "#",
    "]",
    "%0A",
    "%",
    ",",
    "=",
    "[[ATTACHMENT|x]]",
    "[",
    "[attachment|",
    "](",
    "(1)",
    "{0}",
    "{",
    "}}",
    "\\",
    '"',
    "]]>",
    "<![CDATA[",
    "&#0;",
    "\x00",
    "\ufffe",
    "\u2028",
    "\x85",
    "\n",
    "\r",
    "\u00a0",
    " ",
    "a",
)
"""What means something to a runner, an XML reader, or a reader of SARIF."""

MEANT = st.one_of(TEXT, st.lists(st.sampled_from(ACTIONS), max_size=10).map("".join))


@given(MEANT)
def test_xml_is_read_as_it_was_written(text: str) -> None:
    shown = xml(text)
    element = ET.Element("a", b=shown.replace("\n", " ").replace("\t", " "))
    element.text = shown
    found = ET.fromstring(ET.tostring(element, encoding="us-ascii"))
    assert (found.text or "") == shown
    assert found.get("b") == element.get("b")
    assert xml(shown) == shown
    assert "[[attachment|" not in shown.lower()
    assert shown.replace("[ [", "[[") == terminal(text, keep="\n\t").replace("[ [", "[[")


@given(MEANT)
def test_a_message_of_sarif_has_no_placeholder_and_no_link(text: str) -> None:
    shown = sarif_message(text)
    assert not set(re.sub(r"\{\{|\}\}", "", shown)) & set("{}")
    assert "](" not in shown
    plain = shown.replace("{{", "{").replace("}}", "}")
    assert plain.replace("] (", "](") == terminal(text, keep="\n").replace("] (", "](")


@given(MEANT, MEANT)
def test_a_command_of_github_says_what_it_is_given(title: str, message: str) -> None:
    line = f"::error file=a.yaml,title={github_property(title)},line=1::{github_message(message)}"
    assert len(line.splitlines()) == 1
    [found] = commands(f"before\n{line}\n")
    assert found.name == "error"
    # the runner leaves out what is empty
    assert {"title": "", **found.properties} == {
        "file": "a.yaml",
        "title": terminal(title, keep="\n"),
        "line": "1",
    }
    assert found.data == terminal(message, keep="\n")


@given(MEANT)
def test_a_log_of_github_holds_no_command(text: str) -> None:
    shown = github_log(text)
    assert commands(shown) == []
    assert re.sub("[ ]", "", shown) == re.sub("[ ]", "", text)
    if not commands(text, anything=True):
        assert shown == text


@given(st.recursive(MEANT, lambda inner: st.lists(inner) | st.dictionaries(MEANT, inner), max_leaves=6))
def test_a_document_of_json_stays_the_same_in_a_log_of_github(document: object) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False)
    shown = github_json(text)
    assert json.loads(shown) == document
    assert commands(shown) == []
    assert github_log(shown) == shown


def test_an_address_is_a_plain_one() -> None:
    assert is_address("https://a.test/x?y=1#z")
    assert not is_address("see https://a.test/x")
    assert not is_address("javascript:alert(1)")
