"""Personal data out of texts: each value becomes a placeholder that is the same for the same value.

What is looked for is decided narrowly, as an identifier, a price or a time that were replaced would make a
recorded request another one: a card number must have a valid check digit and an issuer's prefix, an IBAN its
country's length and check digits, a telephone number the international form, the North American one or a word
such as "phone" before it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from llmcompat.reply import load_json

Span = tuple[int, int]

_EMAIL = re.compile(r"(?<![\w.%+-])[\w.%+-]+@(?:[\w-]+\.)+[^\W\d_]{2,24}(?![\w-])")
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?= ?[A-Z0-9]{4})")
_CARD = re.compile(
    r"(?<![\w.,+-])(?:[0-9]{4}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?"
    r"|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5}|[0-9]{14,19})(?![\w-]|[.,][0-9])"
)
_INTERNATIONAL = re.compile(
    r"(?<![\w.,+-])(?:\+|(?<![0-9] )00 ?)[1-9][0-9 ().\-/]{6,22}[0-9](?![\w-]|[.,:][0-9])"
)
_NORTH_AMERICAN = re.compile(
    r"(?<![\w.+-])(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}-)[2-9][0-9]{2}-[0-9]{4}(?![\w-]|[.,][0-9])"
)
_NAMED = re.compile(
    r"(?i)\b(?:tel|telephone|telefon|téléphone|phone|mobile|mobil|handy|fax|cell|whatsapp)"
    r"(?:[ -]?(?:number|nummer|no|nr))?(?:\.|\b)[ :=#\"']{0,4}(?:is |ist )?"
    r"(\(?0?[0-9][0-9 ()\-/]{4,18}[0-9])(?![\w-]|[.,:][0-9])"
)
_PHONE_KEY = re.compile(r"(?i)(?:.*[_-])?(?:tel|telephone|phone|mobile|fax|whatsapp)(?:[_-]?(?:number|no))?")
_PHONE_VALUE = re.compile(r"\+?\(?[0-9][0-9 ().\-/]{4,22}[0-9]")
_THOUSANDS = re.compile(r"\+?[0-9]{1,3}(?:[. ][0-9]{3})+")
_DATE = re.compile(r"[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}.*")
_MAYBE = re.compile(r"@|[0-9]")
_JSON = re.compile(r"\s*[\[{]")
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]{256,}={0,2}\s*")

_SHORT = 100
"""Characters of a text that is remembered as one in which nothing was found."""

_MOST_REMEMBERED = 20_000

_ISSUERS = re.compile(
    r"4[0-9]{15}|5[1-5][0-9]{14}|222[1-9][0-9]{12}|22[3-9][0-9]{13}|2[3-6][0-9]{14}|27[01][0-9]{13}"
    r"|2720[0-9]{12}|3[47][0-9]{13}|30[0-5][0-9]{11}|3[689][0-9]{12}|35[2-8][0-9]{13}|6011[0-9]{12}"
    r"|64[4-9][0-9]{13}|65[0-9]{14}|62[0-9]{14,17}"
)
"""Visa, Mastercard, American Express, Diners Club, JCB, Discover and UnionPay, each at its own lengths."""

_IBAN_LENGTHS: dict[str, str] = dict(
    re.findall(
        r"([A-Z]{2}):([0-9]+)",
        "AD:24 AE:23 AL:28 AT:20 AZ:28 BA:20 BE:16 BG:22 BH:22 BR:29 BY:28 CH:21 CR:22 CY:28 CZ:24 "
        "DE:22 DK:18 DO:28 EE:20 EG:29 ES:24 FI:18 FO:18 FR:27 GB:22 GE:22 GI:23 GL:18 GR:27 GT:28 "
        "HR:21 HU:28 IE:22 IL:23 IQ:23 IS:26 IT:27 JO:30 KW:30 KZ:20 LB:28 LC:32 LI:21 LT:20 LU:20 "
        "LV:21 LY:25 MC:27 MD:24 ME:22 MK:19 MR:27 MT:31 MU:30 NL:18 NO:15 PK:24 PL:28 PS:29 PT:25 "
        "QA:29 RO:24 RS:22 SA:24 SC:31 SE:24 SI:19 SK:24 SM:27 ST:25 SV:28 TL:23 TN:24 TR:26 UA:29 "
        "VA:22 VG:24 XK:20 ",
    )
)
"""Characters of an IBAN by country, after the registry of ISO 13616."""


_Kind = tuple[str, Callable[[str], Iterator[Span]]]


class Placeholders:
    """Replaces personal data in JSON data, by values that stay the same for one object's life.

    `mask` hides secrets first. `patterns` are the user's own. Of what was replaced only hashes are kept.
    """

    def __init__(
        self,
        *,
        mask: Callable[[str], str] = lambda text: text,
        personal: bool = True,
        patterns: Iterable[re.Pattern[str]] = (),
    ) -> None:
        self._mask = mask
        self._own: list[_Kind] = [("redacted", _finder(pattern)) for pattern in patterns]
        self._kinds = self._own
        if personal:
            known: list[_Kind] = [
                ("iban", _ibans),
                ("card", _cards),
                ("email", _emails),
                ("phone", _phones),
            ]
            self._kinds = [*known, *self._own]
        self._personal = personal
        self._clean: set[str] = set()
        self._numbers: dict[bytes, int] = {}
        self._counts: dict[str, int] = {}
        self.replaced = 0
        """How often something was replaced."""

    def value(self, value: Any) -> Any:
        """JSON data with every text in it, names of keys too, as `text` gives it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self._named(name, each) for name, each in value.items()}
        return [self.value(each) for each in value] if isinstance(value, list) else value

    def forget(self) -> None:
        """Look at every text again: what `mask` hides has changed."""
        self._clean.clear()

    def text(self, text: str) -> str:
        """The text without secrets and personal data; a text that is JSON stays JSON."""
        if text in self._clean:
            return text
        clean = self._cleaned(self._mask(text))
        if clean == text and len(text) <= _SHORT:
            # names of fields and models come with every request
            if len(self._clean) >= _MOST_REMEMBERED:
                self._clean.clear()
            self._clean.add(text)
        return clean

    def _cleaned(self, text: str) -> str:
        if not self._kinds or text.startswith("data:") or _ENCODED.fullmatch(text):
            return text  # a picture or a sound: what looks like a number in base64 is none
        if _JSON.match(text):
            try:
                data = load_json(text)
            except ValueError:
                pass
            else:
                clean = self.value(data)
                return text if clean == data else json.dumps(clean, ensure_ascii=False)
        for kind, find in self._kinds if _MAYBE.search(text) else self._own:
            text = self._without(text, kind, find)
        return text

    def _named(self, name: str, value: Any) -> Any:
        """A value under a key: a number is a telephone number where the key says so."""
        if self._personal and isinstance(value, str) and _PHONE_KEY.fullmatch(name):
            digits = _digits(value)
            if _PHONE_VALUE.fullmatch(value.strip()) and 7 <= len(digits) <= 15:
                return self._placeholder("phone", value)
        return self.value(value)

    def _without(self, text: str, kind: str, find: Callable[[str], Iterator[Span]]) -> str:
        parts, done = [], 0
        for start, end in find(text):
            parts += [text[done:start], self._placeholder(kind, text[start:end])]
            done = end
        return "".join([*parts, text[done:]]) if parts else text

    def _placeholder(self, kind: str, found: str) -> str:
        self.replaced += 1
        if kind == "phone":
            same = _digits(found).removeprefix("00")
        else:
            same = found if kind == "redacted" else re.sub(r"[ -]", "", found).lower()
        key = hashlib.blake2b(f"{kind}:{same}".encode(errors="surrogatepass"), digest_size=16).digest()
        if key not in self._numbers:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._numbers[key] = self._counts[kind]
        return f"<{kind}-{self._numbers[key]}>"


def _digits(text: str) -> str:
    return "".join(each for each in text if each in "0123456789")


def _finder(pattern: re.Pattern[str]) -> Callable[[str], Iterator[Span]]:
    def find(text: str) -> Iterator[Span]:
        return (found.span() for found in pattern.finditer(text) if found.group())

    return find


def _emails(text: str) -> Iterator[Span]:
    if "@" in text:
        for found in _EMAIL.finditer(text):
            yield found.span()


def _cards(text: str) -> Iterator[Span]:
    for found in _CARD.finditer(text):
        digits = _digits(found.group())
        if _ISSUERS.fullmatch(digits) and luhn(digits):
            yield found.span()


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of those before it (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _ibans(text: str) -> Iterator[Span]:
    done = 0
    for found in _IBAN_START.finditer(text):
        length = int(_IBAN_LENGTHS.get(found.group()[:2], 0))
        if not length or found.start() < done:
            continue
        end, kept = found.start(), ""
        while len(kept) < length and end < len(text):
            if text[end] in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789":
                kept += text[end]
            elif text[end] != " " or text[end - 1] == " ":
                break
            end += 1
        ends_there = end == len(text) or not text[end].isalnum()
        if len(kept) == length and ends_there and iban(kept):
            done = end
            yield found.start(), end


def iban(text: str) -> bool:
    """Whether the check digits of an IBAN hold (ISO 7064, modulo 97), for one without spaces."""
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1


def _phones(text: str) -> Iterator[Span]:
    spans = [found.span() for found in _INTERNATIONAL.finditer(text) if _is_international(found.group())]
    spans += [found.span() for found in _NORTH_AMERICAN.finditer(text)]
    spans += [found.span(1) for found in _NAMED.finditer(text) if _is_national(found[1])]
    done = 0
    for start, end in sorted(spans):
        if start >= done:
            done = end
            yield start, end


def _is_international(text: str) -> bool:
    digits = _digits(text).removeprefix("00")
    grouped = re.search(r"[ ().\-/]", text.removeprefix("00 ")) is not None
    if not text.startswith("+") and not grouped:
        return False  # zeros before a long number are mostly padding
    if re.search(r"[ .\-/]{2}", text.replace(") ", ")")) or _THOUSANDS.fullmatch(text):
        return False
    return (9 if grouped else 10) <= len(digits) <= 15


def _is_national(text: str) -> bool:
    if _THOUSANDS.fullmatch(text) and not text.startswith("0"):
        return False
    return 7 <= len(_digits(text)) <= 15 and _DATE.fullmatch(text) is None
