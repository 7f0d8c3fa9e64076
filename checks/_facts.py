"""Facts of a profile as a person reads them before signing: with source, date and doubt, and beside them age.

A signature is bound to the facts, so the day of the run, and what it makes of them, stands apart.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Protocol

from llmcompat import Exchanges, Fact, Profile


class Sourced(Protocol):
    """What every published fact carries."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Addresses where it was said."""

    @property
    def as_of(self) -> date | None:
        """The day that the source speaks of."""

    @property
    def confirmed(self) -> bool:
        """Whether the page itself was read."""

    @property
    def note(self) -> str | None:
        """What else is to know."""

    def is_old(self, today: date) -> bool:
        """Whether it is more than 90 days old."""


def day_of(exchanges: Exchanges) -> date | None:
    """The day of the run, by its first exchange; None where nothing was asked."""
    for reply in exchanges.all:
        try:
            return date.fromisoformat(reply.exchange.started_at[:10])
        except ValueError:
            continue
    return None


def quote(name: str, value: object, fact: Sourced) -> str:
    """One fact in one line, the same on every day."""
    shown = ", ".join(str(each) for each in value) if isinstance(value, list) else str(value)
    remarks = [fact.sources[0] if fact.sources else "no source given"]
    remarks.append(f"as of {fact.as_of.isoformat()}" if fact.as_of else "no date given")
    if not fact.confirmed:
        remarks.append("unconfirmed")
    if fact.note:
        remarks.append(fact.note)
    return " ".join(f"{name.replace('_', ' ')}: {shown} ({'; '.join(remarks)})".split())


def quoted(section: Mapping[str, Fact], names: Iterable[str]) -> list[str]:
    """Those of the named facts that a section of the profile has."""
    return [quote(name, section[name].value, section[name]) for name in names if name in section]


def aged(facts: Mapping[str, Sourced | None], exchanges: Exchanges) -> str:
    """Which of the facts are more than 90 days old on the day of the run; "" where none is, or none ran."""
    today = day_of(exchanges)
    old = [
        name.replace("_", " ")
        for name, fact in facts.items()
        if fact is not None and today is not None and fact.is_old(today)
    ]
    return f"more than 90 days old: {', '.join(old)}" if old else ""


def aside(*remarks: str) -> str:
    """Remarks in one line, without the empty ones."""
    return " | ".join(remark for remark in remarks if remark)


def pages(profile: Profile, *names: str) -> list[str]:
    """Those of the named pages that the profile knows."""
    found = profile.pages.model_dump()
    return [f"{name}: {found[name]}" for name in names if found.get(name)]


def told(quotes: Iterable[str], wanted: str) -> str:
    """The facts in one line, or that none was found, which never means that there is nothing to know."""
    return " | ".join(quotes) or f"not found in the profile: {wanted}"
