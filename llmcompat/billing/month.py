"""A month's budget: what is spent of it, what it will come to, and which thresholds are reached."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from llmcompat.billing.alerts import Kind

ALERT_AT = (0.5, 0.8, 1.0)
"""Shares of the budget at which somebody is told, where nothing else is said."""

SHORTEST_LOOK = timedelta(hours=24)
"""What was watched for a shorter time says nothing of a month."""

PROJECTION = "projection"
FLOOR = "floor"
"""Names of what is reached beside the shares of the budget."""

_CARRIED = timedelta(hours=36)
"""How old the last reading of the month before may be to be the first one of this month."""
_MOST_READINGS = 1000


class Read(BaseModel):
    """The account's money at a time, in its own currency."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    at: AwareDatetime
    amount: float
    currency: str


class State(BaseModel):
    """What is remembered of one target's month."""

    model_config = ConfigDict(allow_inf_nan=False)

    month: str = Field(pattern=r"^\d{4}-\d{2}$")
    reads: list[Read] = Field(default_factory=list, max_length=_MOST_READINGS)
    alerted: list[str] = Field(default_factory=list, max_length=100)
    """What somebody was told of already this month."""

    def in_month(self, now: datetime) -> State:
        """The same within the month of `now`; in a new one everything begins again."""
        if self.month == month_of(now):
            return self
        kept = [each for each in self.reads[-1:] if timedelta() <= now - each.at <= _CARRIED]
        return State(month=month_of(now), reads=kept)

    def add(self, read: Read) -> None:
        """Remember a reading; of very many in one month the first and the newest are kept."""
        if self.reads and self.reads[-1].currency != read.currency:
            self.reads.clear()
        self.reads.append(read)
        if len(self.reads) > _MOST_READINGS:
            # what lies between two readings is not lost with them, unless money was paid in there
            del self.reads[1 : len(self.reads) // 2]


@dataclass(frozen=True, slots=True)
class Spent:
    """What is spent this month, as one source tells it."""

    amount: float
    currency: str
    since: datetime
    """When counting began: the month's first moment, or later."""
    source: str
    """Where it comes from, in a few words."""


@dataclass(frozen=True, slots=True)
class Reached:
    """A threshold that is reached."""

    key: str
    """Under which it is remembered that somebody was told."""
    kind: Kind
    threshold: float | None = None


def month_of(now: datetime) -> str:
    """The month of a moment in UTC, as 2026-11."""
    return f"{now.astimezone(UTC):%Y-%m}"


def month_start(now: datetime) -> datetime:
    """The first moment of its month in UTC."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_end(now: datetime) -> datetime:
    """The first moment of the month after it."""
    return (month_start(now) + timedelta(days=32)).replace(day=1)


def spent_by_reads(reads: Sequence[Read], *, rising: bool) -> Spent | None:
    """What left the account between the readings; money that was paid in does not count against it.

    `rising` where each reading is what was spent so far. None for fewer than two readings.
    """
    if len(reads) < 2:
        return None
    steps = [later.amount - earlier.amount for earlier, later in pairwise(reads)]
    amount = sum(max(0.0, step if rising else -step) for step in steps)
    return Spent(amount, reads[-1].currency, reads[0].at, f"{len(reads)} readings of the balance")


def projected(spent: Spent, now: datetime) -> float | None:
    """What it comes to by the month's end if it goes on so; None where too little of it was seen."""
    watched = now - spent.since
    if watched < SHORTEST_LOOK:
        return None
    return spent.amount + spent.amount / watched.total_seconds() * (month_end(now) - now).total_seconds()


def reached(
    *,
    share: float | None,
    projected_share: float | None,
    alert_at: Sequence[float],
    balance: float | None,
    floor: float | None,
) -> list[Reached]:
    """Every threshold that is reached, the shares rising; what is None is not judged."""
    found = [
        Reached(share_key(each), "threshold", each)
        for each in sorted(set(alert_at))
        if share is not None and share >= each
    ]
    if projected_share is not None and projected_share >= 1 and not (share is not None and share >= 1):
        found.append(Reached(PROJECTION, "projection"))
    if balance is not None and floor is not None and balance < floor:
        found.append(Reached(FLOOR, "floor"))
    return found


def to_tell(found: Sequence[Reached], alerted: Sequence[str], *, again: bool = False) -> list[Reached]:
    """What somebody is to be told of now: of several shares the highest one only."""
    new = [each for each in found if again or each.key not in alerted]
    shares = [each for each in new if each.kind == "threshold"]
    return [*shares[-1:], *(each for each in new if each.kind != "threshold")]


def still_alerted(
    found: Sequence[Reached], alerted: Sequence[str], *, share_known: bool, balance_known: bool
) -> list[str]:
    """What is remembered: a share or a floor that no longer holds is forgotten, so that it is told anew."""
    keys = {each.key for each in found}
    kept = []
    for key in alerted:
        known = balance_known if key == FLOOR else share_known
        if key == PROJECTION or not known or key in keys:
            kept.append(key)
    return kept


def share_key(share: float) -> str:
    """The name of a share of the budget."""
    return f"{share:g}"
