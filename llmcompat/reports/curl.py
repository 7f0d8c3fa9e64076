"""A recorded request as a `curl` command to paste into a POSIX shell, with the key as a variable."""

from __future__ import annotations

import re
import shlex
import unicodedata
from urllib.parse import urlsplit

from llmcompat.model import Exchange, TargetRun
from llmcompat.reports.escape import terminal

ANY_KEY = "LLMCOMPAT_API_KEY"
"""The variable of a key that is bound to no provider."""

LONGEST_ARGUMENT = 100_000
"""Bytes of a body that are passed as an argument: Linux refuses one of 128 KiB, so longer ones are piped."""

_MASK = re.compile(r"\[key\]\*{3,}")
_HEADER_MASK = re.compile(r"\[key\]\**")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)
_SHORTENED = re.compile(r";base64,[A-Za-z0-9+/=]{64,}…")
_OWN = frozenset({"host", "content-length", "connection", "transfer-encoding", "accept-encoding"})
"""Headers that curl makes itself, or that would give a compressed answer to read."""


def key_variable(run: TargetRun, exchange: Exchange) -> str:
    """The variable whose key this request may carry: a profile's own goes to the profile's origin alone."""
    name, home = run.profile.get("key_variable"), run.profile.get("base_url")
    if isinstance(name, str) and isinstance(home, str) and _NAME.fullmatch(name):
        try:
            there, own = urlsplit(exchange.url), urlsplit(home)
        except ValueError:
            return ANY_KEY
        if (there.scheme, there.netloc.lower()) == (own.scheme, own.netloc.lower()):
            return name
    return ANY_KEY


def curl(exchange: Exchange, key_variable: str) -> str:
    """The command that sends the same request again, for sh, bash, dash or zsh; it ends without a line end.

    The same bytes are sent as the body. `key_variable` names the environment variable that stands for the
    key. What was masked for another reason becomes a variable of its own, named in a comment above the
    command, as is what was not recorded whole. Nothing in it steers a terminal.
    """
    variable = key_variable if _NAME.fullmatch(key_variable) else ANY_KEY
    masks = _Masks()
    remarks: list[str] = []
    options = ["-i"]
    if _is_stream(exchange):
        options.append("-N")
    if set("[]{}") & set(exchange.url):
        options.append("--globoff")
    if exchange.method.upper() == "HEAD":
        options.append("--head")
    elif exchange.method.upper() != ("GET" if exchange.request_body is None else "POST"):
        options += ["-X", shlex.quote(terminal(exchange.method))]
    lines = [" ".join(["curl", *options, _quoted(terminal(exchange.url), masks, "URL")])]
    typed = False
    for name, value in exchange.request_headers:
        if name.lower() in _OWN:
            continue
        if not _HEADER_NAME.fullmatch(name) or terminal(value) != value:
            remarks.append("a header with characters that none may have is left out")
            continue
        typed |= name.lower() == "content-type"
        lines.append(f"-H {_header(name, value, variable, masks)}")
    fed = ""
    if exchange.request_body is not None:
        if not typed:
            # curl would call it a form
            lines.append("-H 'Content-Type:'")
        fed, argument = _body(exchange.request_body, masks)
        lines.append(argument)
        if _SHORTENED.search(exchange.request_body):
            remarks.append("the body is not whole: a long image is recorded up to the sign … alone")
    if not exchange.url.lower().startswith(("http://", "https://")):
        remarks.append("the recorded address is none of HTTP")
    remarks += [
        f"{name} stands for a value that was masked in the record: set it first" for name in masks.names()
    ]
    return "".join(f"# {remark}\n" for remark in dict.fromkeys(remarks)) + fed + " \\\n  ".join(lines)


class _Masks:
    """The variables that stand for masked values: one for each mask that differs in its place."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], str] = {}

    def name(self, place: str, mask: str) -> str:
        """The variable for a mask in a place ("URL", a header's name, "BODY")."""
        base = "REDACTED_" + re.sub(r"[^A-Z0-9]", "_", place.upper())
        same = sum(where == place for where, _ in self._found if (where, mask) not in self._found)
        return self._found.setdefault((place, mask), f"{base}_{same + 1}" if same else base)

    def names(self) -> list[str]:
        """All of them, in the order in which they stand in the command."""
        return list(self._found.values())


def _is_stream(exchange: Exchange) -> bool:
    asked = re.search(r'"stream"\s*:\s*true', exchange.request_body or "")
    return bool(asked) or (exchange.header("content-type") or "").lower().startswith("text/event-stream")


def _header(name: str, value: str, variable: str, masks: _Masks) -> str:
    if name.lower() == "authorization" and (masked := _HEADER_MASK.search(value)):
        before, after = value[: masked.start()], value[masked.end() :]
        if not after and re.fullmatch(r"[A-Za-z]+ ", before):
            return f'"{name}: {before}${variable}"'
        return "".join(
            (shlex.quote(f"{name}: {before}"), f'"${variable}"', shlex.quote(after) if after else "")
        )
    # without a value curl would send no such header at all
    return _quoted(f"{name}: {value}" if value else f"{name};", masks, name, _HEADER_MASK)


def _body(body: str, masks: _Masks) -> tuple[str, str]:
    """What stands before `curl`, and its own option: an argument where a terminal and the system bear one."""
    if terminal(body, keep="\n") == body and len(body.encode()) <= LONGEST_ARGUMENT:
        return "", f"--data-raw {_quoted(body, masks, 'BODY')}"
    # the shell's own printf has no bound, and writes bytes that neither a line nor a terminal can hold
    return f"printf %b {_quoted(_octal(body), masks, 'BODY')} |\n", "--data-binary @-"


def _octal(text: str) -> str:
    """The text for `printf %b`, with every character that a terminal would not show as octal bytes."""
    shown = []
    for char in text:
        if char == "\\":
            shown.append("\\\\")
        elif char == "\n" or (terminal(char) == char and unicodedata.category(char) not in ("Mn", "Me")):
            shown.append(char)
        else:
            data = char.encode("utf-8", "backslashreplace")
            shown.append("".join(f"\\0{byte:03o}" for byte in data))
    return "".join(shown)


def _quoted(text: str, masks: _Masks, place: str, pattern: re.Pattern[str] = _MASK) -> str:
    """The text as one word of a shell, with a variable in place of each mask."""
    parts, start = [], 0
    for found in pattern.finditer(text):
        if found.start() > start:
            parts.append(shlex.quote(text[start : found.start()]))
        parts.append(f'"${{{masks.name(place, found.group())}}}"')
        start = found.end()
    if start < len(text) or not text:
        parts.append(shlex.quote(text[start:]))
    return "".join(parts)
