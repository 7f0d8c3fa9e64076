"""Days given on the command line."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

from llmcompat.cli.problems import Problem, printable


def today() -> date:
    """The day in UTC, by which signatures and acceptances are dated and expire."""
    return datetime.now(UTC).date()


def parse_day(text: str | None, option: str, *, now: date) -> date | None:
    """The last day on which something counts; None where none is given. Raises Problem.

    `now` is the day before which nothing may end.
    """
    if text is None:
        return None
    day = None
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text.strip()):
        try:
            day = date.fromisoformat(text.strip())
        except ValueError:
            day = None
    if day is None:
        raise Problem(f"{option} {printable(text, 40)}: must be a date such as {now.year + 1}-05-01")
    if day < now:
        raise Problem(f"{option} {day.isoformat()}: is past; give the last day on which it counts")
    return day
