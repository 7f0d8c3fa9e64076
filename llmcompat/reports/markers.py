"""The ids in a checklist document: in a comment at the end of each automated line, and around blocks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

EMPTY, SIMULATED, MEASURED = "empty", "simulated", "measured"
"""What a document holds: no results, those of a simulation, or those of the endpoint."""

TARGET = "document/target"
"""The id of the line that says whose checklist a document is."""

OWN = ("yours/", "todo/")
"""How the ids of lines begin that are a person's own: written once, and never again."""

TICKED_BY_PEOPLE = re.compile(r"(?P<lasting>guide/[^.]+)|open/.+")
"""The ids of lines whose tick is a person's: for good, or as long as the words are the same."""

LINE = re.compile(r"<!--\s*llmcompat:(?P<id>[A-Za-z0-9][A-Za-z0-9./-]*)(?P<words>(?:\s+[^\s<>]+)*)\s*-->")
"""The comment of an automated line, or the one that begins a block."""

BLOCK_END = re.compile(r"<!--\s*/llmcompat:(?P<id>[A-Za-z0-9][A-Za-z0-9./-]*)\s*-->")

DIGEST = re.compile(r"[0-9a-f]{8}")

_FORGED = re.compile(r"<!--(?=\s*/?\s*llmcompat:)", re.IGNORECASE)
_MOST_NAME = 80
_MOST_LABEL = 200


def slug(text: str) -> str:
    """The text as part of an id: letters, digits and single hyphens, bounded, as a comment allows them."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text[:_MOST_NAME]).strip("-") or "unnamed"


def tame(text: str) -> str:
    """The text without a comment that could be taken for one of ours: it may quote an endpoint."""
    return _FORGED.sub("<!\\--", text)


def digest(rows: Iterable[str]) -> str:
    """Eight characters that tell whether the lines of a block are those that were written."""
    return hashlib.sha256("\n".join(row.rstrip() for row in rows).encode("utf-8", "replace")).hexdigest()[:8]


def target_label(provider: str, model: str) -> str:
    """Provider and model as they stand in the line TARGET."""
    whole = f"{provider}:{model}"
    bounded = whole if len(whole) <= _MOST_LABEL else f"{whole[:_MOST_LABEL]}…{digest([whole])}"
    # a comment may hold no two hyphens in a row
    return quote(bounded.encode("utf-8", "backslashreplace"), safe="/:@.").replace("--", "-%2D")


def target_name(label: str) -> str:
    """Provider and model as people write them."""
    return unquote(label)


class Marker:
    """Writes ids behind lines and around blocks, each id once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self.written = 0
        """Characters of all lines so far."""

    def line(self, text: str, *name: str) -> str:
        """The line with its id: the first part of the name, and the others behind a point."""
        row = f"{tame(text)} <!-- llmcompat:{self._id(name)} -->"
        self.written += len(row) + 1
        return row

    def target(self, provider: str, model: str, holds: str) -> str:
        """The line that says whose checklist this is, and what it holds: EMPTY, SIMULATED or MEASURED."""
        return f"<!-- llmcompat:{self._id((TARGET,))} {target_label(provider, model)} {holds} -->"

    def block(self, text: str, name: str) -> str:
        """Several lines between two comments."""
        id, text = self._id((name,)), tame(text)
        rows = ["", *text.split("\n"), ""]
        return "\n".join([f"<!-- llmcompat:{id} {digest(rows)} -->", *rows, f"<!-- /llmcompat:{id} -->"])

    def _id(self, name: tuple[str, ...]) -> str:
        room, slash, rest = name[0].partition("/")
        first = f"{room}/{slug(rest)}" if slash else slug(room)
        wanted = ".".join([first, *map(slug, name[1:])])
        id, number = wanted, 1
        while id in self._taken:
            number += 1
            id = f"{wanted}.{number}"
        self._taken.add(id)
        return id
