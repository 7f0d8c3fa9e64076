"""Keeping keys out of all that leaves the process: by value in each form it may take, and by pattern."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

SHORTEST = 8
"""A secret shorter than this is not searched for: it would mask ordinary text."""

INVALID_KEY = "sk-llmcompat-invalid-000000000000"
"""The fixed key that is sent to see how an invalid key is refused. It is no secret and opens nothing."""

_PATTERNS = (
    re.compile(r"(?ai)(?<=bearer )[a-z0-9._~+/=-]{8,}"),
    re.compile(r"(?a)\b(?:sk|gsk|rk|pk|fw|tgp|xai|nvapi|hf)[-_][A-Za-z0-9_-]{16,}"),
)
_BYTE_PATTERNS = tuple(re.compile(pattern.pattern.encode()) for pattern in _PATTERNS)


MASK = "[key]"
"""How a mask begins."""


class Redactor:
    """Masks secrets in text and bytes.

    A mask is as long as what it hides, so that offsets into a body stay true.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms: set[str] = set()
        for secret in secrets:
            if len(secret) >= SHORTEST:
                forms |= _forms(secret)
        ordered = sorted(forms, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._byte_values = re.compile(self._values.pattern.encode()) if self._values else None

    def text(self, text: str) -> str:
        """The text with every secret masked."""
        if self._values is not None:
            text = self._values.sub(lambda match: mask(match.group()), text)
        for pattern in _PATTERNS:
            text = pattern.sub(lambda match: mask(match.group()), text)
        return text

    def value(self, value: Any) -> Any:
        """JSON data with every secret in its texts masked: what a user sets may hold a key as well."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.value(each) for name, each in value.items()}
        return [self.value(each) for each in value] if isinstance(value, list) else value

    def data(self, data: bytes) -> bytes:
        """The bytes with every secret masked, of the same length."""
        if self._byte_values is not None:
            data = self._byte_values.sub(lambda match: mask(match.group().decode("latin-1")).encode(), data)
        for pattern in _BYTE_PATTERNS:
            data = pattern.sub(lambda match: mask(match.group().decode("latin-1")).encode(), data)
        return data


def mask(secret: str) -> str:
    """A mask of the same length; our own invalid key is left readable, as it is evidence and no secret."""
    if secret == INVALID_KEY:
        return secret
    return MASK.ljust(len(secret), "*")


def _forms(secret: str) -> set[str]:
    """The secret as it may come back: as it is, in JSON, in a URL, in base64 at each of three alignments."""
    raw = secret.encode()
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    in_urls = {quote(secret, safe=""), quote(secret)}
    forms = {secret, *escaped, *in_urls}
    forms |= {form.replace("/", "\\/") for form in escaped}  # as PHP writes JSON
    forms |= {re.sub("%..", lambda match: match.group().lower(), form) for form in in_urls}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        # The first and last characters mix in neighbouring bytes: searched for is what the secret alone
        # decides.
        inner = encoded[(0, 2, 3)[shift] :].rstrip("=")
        inner = inner if (len(raw) + shift) % 3 == 0 else inner[:-1]
        if len(inner) >= SHORTEST:
            forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return forms
