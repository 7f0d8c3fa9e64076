"""Keeping keys out of all that leaves the process: by value in each form it may take, and by pattern."""

from __future__ import annotations

import base64
import html
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import accumulate
from typing import Any
from urllib.parse import quote

SHORTEST = 8
"""A secret shorter than this is not searched for: it would mask ordinary text."""

INVALID_KEY = "sk-llmcompat-invalid-000000000000"
"""The fixed key that is sent to see how an invalid key is refused. It is no secret and opens nothing."""

MASK = "[key]"
"""How a mask begins."""

_PREFIXES = ("sk", "gsk", "rk", "pk", "fw", "tgp", "xai", "nvapi", "hf")
_PATTERNS = (
    re.compile(r"(?ai)(?<=bearer )[a-z0-9._~+/=-]{8,}"),
    re.compile(rf"(?a)\b(?:{'|'.join(_PREFIXES)})[-_][A-Za-z0-9_-]{{16,}}"),
)
_BEGINNINGS = tuple(prefix + dash for prefix in _PREFIXES for dash in "-_")
"""What each match of the second pattern begins with: to look for that first is far quicker."""

_UNDRAWN = "\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Characters that are drawn as nothing: a key with some of them in it reads, and is copied, as the key."""

_TOLD = (
    *("content", "reasoning_content", "reasoning", "thinking", "text", "delta", "refusal", "arguments"),
    *("input", "partial_json"),
)
"""Fields that a stream tells piece by piece. Names and ids are not among them: the same one in each event,
put together, may look like a key."""

# possessive: a string of megabytes must not be remembered letter by letter for a way back that there is not
_REST = r'"((?:[^"\\\r\n]++|\\.)*+)"'
_TOLD_STRING = re.compile(rf'"({"|".join(_TOLD)})"\s*:\s*{_REST}')
_STRING = re.compile(rf'(?:"([A-Za-z_]{{1,40}})"\s*:\s*|[\[,]\s*){_REST}(?!\s*:)')
"""A string of JSON with the name of its field, or one in a list."""


class Redactor:
    """Masks secrets in text and bytes.

    A mask is as long as what it hides, so that offsets into a body stay true. A key is found as it is, in
    JSON, URLs, HTML, base64 and hex, escaped in part or in whole, broken into lines, with characters in it
    that are not drawn, and in pieces over the events of a stream or the strings of a list.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        kept = [secret for secret in secrets if len(secret) >= SHORTEST]
        self._text = _Searched(kept)
        # bytes are searched as the text that has one character for each byte
        as_bytes = [secret.encode(errors="replace").decode("latin-1") for secret in kept]
        self._data = _Searched(kept, one_for_each_byte=True) if as_bytes != kept else self._text

    def text(self, text: str) -> str:
        """The text with every secret masked."""
        return self._text.masked(text)

    def value(self, value: Any) -> Any:
        """JSON data with every secret in its texts masked: what a user sets may hold a key as well."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.value(each) for name, each in value.items()}
        return [self.value(each) for each in value] if isinstance(value, list) else value

    def data(self, data: bytes) -> bytes:
        """The bytes with every secret masked, of the same length; also one in pieces over several strings."""
        text = data.decode("latin-1")
        shown = self._data.masked_pieces(self._data.masked(text))
        return data if shown is text else shown.encode("latin-1")


class _Searched:
    """What is searched for in one kind of text."""

    def __init__(self, secrets: list[str], *, one_for_each_byte: bool = False) -> None:
        def written(text: str) -> str:
            return text.encode(errors="replace").decode("latin-1") if one_for_each_byte else text

        plain = {written(secret) for secret in secrets}
        forms = {written(form) for secret in secrets for form in _forms(secret)}
        self._forms = sorted(forms | plain, key=len, reverse=True)
        self._letters = [frozenset(secret) for secret in plain]
        # a header's bytes come as text that has one character for each of them
        self._nothing = {written for each in _UNDRAWN for written in (each, each.encode().decode("latin-1"))}

    @cached_property
    def _values(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self._forms)))

    @cached_property
    def _escapes(self) -> re.Pattern[str]:
        """What stands for one character (in a group), or for none."""
        undrawn = "|".join([*map(re.escape, self._nothing), *map(_json_escape, _UNDRAWN)])
        return re.compile(
            r"\\+u00([0-7][0-9A-Fa-f])|%(?:25)*([2-7][0-9A-Fa-f])|&#[xX]0*([2-7][0-9A-Fa-f]);|&#0*([0-9]{2,3});"
            rf"|[\r\n]+|\\+[rn]|{undrawn}|\\+"
        )

    def masked(self, text: str) -> str:
        """The text with everything masked that stands in one piece."""
        if any(form in text for form in self._forms):
            text = self._values.sub(_mask_match, text)
        bare = self._bare(text)
        if bare != text and any(form in bare for form in self._forms):
            text = self._masked_disguised(text)
        for pattern in _patterns_in(text):
            text = pattern.sub(_mask_match, text)
        return text

    def _masked_disguised(self, text: str) -> str:
        """The text with everything masked that is one of the forms once escapes are read and gaps closed."""
        letters: list[str] = []
        places: list[tuple[int, int]] = []
        """Where each of the letters begins and ends in the text."""
        before = 0
        for found in self._escapes.finditer(text):
            letters.append(text[before : found.start()])
            places.extend((at, at + 1) for at in range(before, found.start()))
            before = found.end()
            *in_hex, decimal = found.groups()
            code = int(decimal) if decimal else int(next(filter(None, in_hex), "0"), 16)
            if code:
                letters.append(chr(code))
                places.append(found.span())
        letters.append(text[before:])
        places.extend((at, at + 1) for at in range(before, len(text)))
        shown, end = [], 0
        for found in self._values.finditer("".join(letters)):
            first, last = places[found.start()][0], places[found.end() - 1][1]
            shown += [text[end:first], mask(text[first:last])]
            end = last
        return "".join([*shown, text[end:]])

    def masked_pieces(self, text: str) -> str:
        """The text with everything masked that is put together of several strings of JSON."""
        if any(all(letter in text for letter in letters) for letters in self._letters):
            strings = _STRING
        elif "data:" in text:  # a stream may tell one that nobody named
            strings = _TOLD_STRING
        else:
            return text
        fields: dict[str, list[tuple[int, str]]] = {}
        for found in strings.finditer(text):
            if found.group(2):
                fields.setdefault(found.group(1) or "", []).append((found.start(2), found.group(2)))
        hidden: dict[int, str] = {}
        for name, pieces in fields.items():
            if len(pieces) > 1:
                joined = "".join(piece for _, piece in pieces)
                spans = list(self._spans(joined, told=name in _TOLD))
                hidden |= _places(spans, pieces) if spans else {}
        if not hidden:
            return text
        letters = list(text)
        for place, letter in hidden.items():
            letters[place] = letter
        return "".join(letters)

    def _spans(self, joined: str, *, told: bool) -> Iterator[tuple[int, str]]:
        if any(form in joined for form in self._forms):
            for found in self._values.finditer(joined):
                yield found.start(), mask(found.group())
        if told:
            for pattern in _patterns_in(joined):
                for found in pattern.finditer(joined):
                    yield found.start(), mask(found.group())

    def _bare(self, text: str) -> str:
        """The text without escapes, line breaks, and what is not drawn."""
        if "\\u00" in text:
            text = re.sub(r"\\+u00([0-7][0-9A-Fa-f])", _from_hex, text)
        if "%" in text:
            text = re.sub(r"%(?:25)*([2-7][0-9A-Fa-f])", _from_hex, text)
        if "&#" in text:
            text = re.sub(r"&#[xX]0*([2-7][0-9A-Fa-f]);", _from_hex, text)
            text = re.sub(r"&#0*([0-9]{2,3});", lambda match: chr(int(match.group(1))), text)
        for line_break in ("\n", "\r", "\\n", "\\r"):
            text = text.replace(line_break, "")
        if not text.isascii():
            for nothing in self._nothing:
                text = text.replace(nothing, "")
        if "\\u" in text:
            for nothing in _UNDRAWN:
                text = re.sub(_json_escape(nothing), "", text)
        return text.replace("\\", "")


def mask(secret: str) -> str:
    """A mask of the same length; our own invalid key is left readable, as it is evidence and no secret."""
    if secret == INVALID_KEY:
        return secret
    return MASK.ljust(len(secret), "*")


def _mask_match(match: re.Match[str]) -> str:
    return mask(match.group())


def _from_hex(match: re.Match[str]) -> str:
    return chr(int(match.group(1), 16))


def _patterns_in(text: str) -> Iterator[re.Pattern[str]]:
    """The patterns that may match: both are slow to search for, and what they hold is rare."""
    bearer, prefixed = _PATTERNS
    if "earer " in text or "EARER " in text or "earer " in text.lower():
        yield bearer
    if any(beginning in text for beginning in _BEGINNINGS):
        yield prefixed


def _places(spans: list[tuple[int, str]], pieces: list[tuple[int, str]]) -> dict[int, str]:
    """From masks in the joined text to single characters where its pieces stand."""
    starts = list(accumulate((len(piece) for _, piece in pieces), initial=0))
    hidden: dict[int, str] = {}
    for start, shown in spans:
        number = bisect_right(starts, start) - 1
        for at, letter in enumerate(shown, start):
            while at >= starts[number + 1]:
                number += 1
            hidden[pieces[number][0] + at - starts[number]] = letter
    return hidden


def _json_escape(letter: str) -> str:
    """A pattern of the letter as JSON may escape it."""
    return rf"\\u(?i:{ord(letter):04x})"


def _forms(secret: str) -> set[str]:
    """The secret as it may come back: in JSON, HTML, a URL, in hex, in base64 at each of three alignments."""
    raw = secret.encode(errors="replace")
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    in_urls = {quote(secret, safe="", errors="replace"), quote(secret, errors="replace")}
    in_urls |= {quote(form, safe="") for form in in_urls}  # as a URL within a URL
    forms = {secret, *escaped, *in_urls, html.escape(secret), html.escape(secret, quote=False)}
    forms |= {form.replace("/", "\\/") for form in escaped}  # as PHP writes JSON
    forms |= {re.sub("%..", lambda match: match.group().lower(), form) for form in in_urls}
    forms |= {raw.hex(), raw.hex().upper()}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        # The first and last characters mix in neighbouring bytes: searched for is what the secret alone
        # decides.
        inner = encoded[(0, 2, 3)[shift] :].rstrip("=")
        inner = inner if (len(raw) + shift) % 3 == 0 else inner[:-1]
        if len(inner) >= SHORTEST:
            forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return forms
