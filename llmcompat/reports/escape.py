"""Making text that others wrote safe to show: one function for each place where it may stand."""

from __future__ import annotations

import html as _html
import re
import unicodedata

_HIDDEN = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Characters that Unicode calls letters or symbols although they are drawn as nothing."""

_UNSAFE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Categories whose characters steer a terminal, turn the reading direction, or are not drawn."""

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_MOST_MARKS = 4
"""Marks above one letter; living scripts need fewer, and a tower of them covers other lines."""

_MARKDOWN_SPECIAL = re.compile(r"[\\`*_\[\]<>#|~&!$^]")
_LIVE = re.compile(r"(?<=:)(?=//)|(?<=@)(?=\w)|(?<=\\#)(?=\w)|(?<=www)(?=\.)", re.IGNORECASE)
"""Where a link, a mention or a reference to a ticket would come to life, also after rendering."""

_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#%=&+,;()!$*'@-]+", re.IGNORECASE)

_BREAK = "&#8203;"
"""A zero-width space, written so that whoever reads the source sees it."""


def terminal(text: str, *, keep: str = "") -> str:
    r"""The text as one line for a terminal: what could steer it stands there readable, as `\x1b` or `\u202e`.

    C0 and C1 control characters, bidirectional controls, zero-width and unassigned characters and lone
    surrogates are written out; `keep` names characters that stay (a newline in a block).
    """
    if text.isascii() and text.isprintable():
        return text
    shown: list[str] = []
    marks = 0
    for char in text:
        if char in keep or " " <= char <= "~":
            shown.append(char)
            marks = 0
            continue
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if category in _UNSAFE or char in _HIDDEN:
            shown.append(_NAMED.get(char) or _written_out(char))
        elif category == "Zs":
            shown.append(" ")
        elif marks <= _MOST_MARKS:
            shown.append(char)
    return "".join(shown)


def shorten(text: str, limit: int, *, gap: str = " … ") -> str:
    """At most `limit` characters of the text: its beginning and its end where it is longer."""
    if len(text) <= limit:
        return text
    room = limit - len(gap)
    if room < 2:
        return text[: max(0, limit)]
    head = (room + 1) // 2
    return text[:head] + gap + text[len(text) - (room - head) :]


def one_line(text: str, limit: int) -> str:
    """The text as one line of at most `limit` characters for a terminal, shortened around its middle."""
    # far more than is shown is never looked at, so that a long text costs nothing
    near = shorten(text, 8 * limit + 64)
    return shorten(terminal(" ".join(near.split())), limit)


def markdown(text: str) -> str:
    """The text as plain words within a paragraph, a list or a table of Markdown.

    No markup, HTML, link, mention (`@name`) or reference (`#12`) in it works, in CommonMark or on a forge.
    A web address becomes a code span: it can be copied, and nobody follows it by accident.
    """
    shown, start, parts = terminal(text), 0, []
    for found in _URL.finditer(shown):
        url = found.group().rstrip(".,;:!?')")
        parts += [_markdown_words(shown[start : found.start()]), f"`{url}`"]
        start = found.start() + len(url)
    return "".join([*parts, _markdown_words(shown[start:])])


def markdown_code(text: str) -> str:
    """The text as a code span of Markdown, for a paragraph or a list (in a table, `|` would end the cell)."""
    shown = terminal(text)
    if not shown.strip():
        return "(empty)" if not shown else "(blank)"
    fence = "`" * (_longest_run(shown) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def markdown_block(text: str, language: str = "") -> str:
    """The text as a fenced block of Markdown, with a fence longer than any run of backticks in it."""
    shown = terminal(text, keep="\n\t")
    fence = "`" * max(3, _longest_run(shown) + 1)
    return f"{fence}{language}\n{shown.rstrip()}\n{fence}"


def markdown_link(url: str) -> str:
    """An address that can be followed where it is a plain http(s) URL, and plain words otherwise."""
    return f"<{url}>" if _URL.fullmatch(url) else markdown(url)


def html(text: str) -> str:
    """The text as words of HTML, within an element or a quoted attribute."""
    return _html.escape(terminal(text), quote=True)


def _markdown_words(shown: str) -> str:
    # the escapes come first: what breaks links must not be escaped in turn
    escaped = _MARKDOWN_SPECIAL.sub(lambda match: "\\" + match.group(), shown)
    return _LIVE.sub(_BREAK, escaped)


def _written_out(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
