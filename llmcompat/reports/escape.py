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

_ATTACHMENT = re.compile(r"\[(?=\[ATTACHMENT\|)", re.IGNORECASE)
"""What GitLab and Jenkins take for the path of a file to show, within the output of a JUnit test case."""

_COMMAND = re.compile(r"(?:\A|(?<=[\r\n]))([^\S\r\n]*):(?=:.*?::)")
"""A line that GitHub's runner may take for a command: it passes over leading white space."""

_OLD_COMMAND = "##["
"""How commands of GitHub's runner began once; it still looks for it, anywhere in a line."""


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
    return f"<{url}>" if is_address(url) else markdown(url)


def is_address(text: str) -> bool:
    """Whether the text is a plain http(s) URL, and nothing beside it."""
    return _URL.fullmatch(text) is not None


def markdown_labelled(label: str, url: str) -> str:
    """A link with a label of our own where the address is a plain http(s) URL; else both as plain words."""
    return f"[{label}](<{url}>)" if _URL.fullmatch(url) else f"{label} {markdown(url)}"


def html(text: str) -> str:
    """The text as words of HTML, within an element or a quoted attribute."""
    return _html.escape(terminal(text), quote=True)


def xml(text: str) -> str:
    """The text for an XML writer, which escapes markup itself: only characters that XML 1.0 allows.

    Newlines and tabs stay, everything else that a terminal would obey stands there readable. Nothing in it
    is taken for an attachment of a JUnit test case.
    """
    return _ATTACHMENT.sub("[ ", terminal(text, keep="\n\t"))


def sarif_message(text: str) -> str:
    """The text for `message.text` of SARIF: no placeholder and no embedded link in it works."""
    # SARIF 2.1.0, 3.11.5 and 3.11.6: a literal brace is written twice; a link is [text](destination)
    shown = terminal(text, keep="\n").replace("](", "] (")
    return shown.replace("{", "{{").replace("}", "}}")


def slack(text: str) -> str:
    """The text as plain words of a Slack message: no link, mention or channel in it comes to life."""
    # Slack's guide to formatting: these three characters are all that its markup begins with
    shown = terminal(text, keep="\n")
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def github_message(text: str) -> str:
    """The text as the message of a workflow command of GitHub: one line, in which newlines are encoded."""
    shown = terminal(text, keep="\n")
    return shown.replace("%", "%25").replace("\n", "%0A")


def github_property(text: str) -> str:
    """The text as a property (file, title …) of a workflow command of GitHub."""
    return github_message(text).replace(":", "%3A").replace(",", "%2C")


def github_log(text: str) -> str:
    """Text of many lines for a log of GitHub Actions: a space breaks what its runner would obey."""
    return _COMMAND.sub(r"\1: ", text).replace(_OLD_COMMAND, "# #[")


def github_json(text: str) -> str:
    """A JSON document for a log of GitHub Actions: the same document, in which no line is a command.

    A line of JSON never begins with a colon, so that only the old commands are left to break.
    """
    return text.replace(_OLD_COMMAND, "\\u0023#[")


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
