"""What changed between two runs: what broke, what healed, what is new, and how latency and cost moved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from llmcompat.model import Level, Result, Status, TargetRun


class Kind(StrEnum):
    """How a check's outcome moved from the old run to the new one."""

    BROKE = "broke"
    """It held before, and fails now."""
    NEW = "new"
    """It fails now, and was not judged before."""
    OTHER = "other"
    """It fails in both, in another way."""
    LOST = "lost"
    """It was judged before, and has no answer now."""
    HEALED = "healed"
    """It failed before, and holds now."""
    SAME = "same"
    """It fails in both."""
    GONE = "gone"
    """It failed before, and is not judged now."""
    RATE = "rate"
    """It ends as before, but held another number of times."""


@dataclass(frozen=True)
class Change:
    """One check whose outcome is worth telling; `old` or `new` is None where that run does not know it."""

    kind: Kind
    old: Result | None
    new: Result | None

    @property
    def result(self) -> Result:
        """The newer of the two."""
        found = self.new or self.old
        assert found is not None
        return found


@dataclass(frozen=True)
class Moved:
    """A figure of both runs; None where a run does not have it."""

    name: str
    old: float | None
    new: float | None
    unit: str


@dataclass(frozen=True)
class Difference:
    """Two runs and what lies between them; changes stand worst first."""

    old: TargetRun
    new: TargetRun
    changes: tuple[Change, ...]
    moved: tuple[Moved, ...]

    def of(self, *kinds: Kind) -> list[Change]:
        """The changes of these kinds."""
        return [change for change in self.changes if change.kind in kinds]


def difference(old: TargetRun, new: TargetRun) -> Difference:
    """What changed from `old` to `new`. Both should have been judged by the same checks."""
    before = {result.id: result for result in old.checks}
    after = {result.id: result for result in new.checks}
    changes = [
        Change(kind, before.get(id), after.get(id))
        for id in dict.fromkeys([*after, *before])
        if (kind := _kind(before.get(id), after.get(id))) is not None
    ]
    order = list(Kind)
    changes.sort(key=lambda change: (change.result.level is not Level.MUST, order.index(change.kind)))
    return Difference(old, new, tuple(changes), tuple(_moved(old, new)))


def _kind(old: Result | None, new: Result | None) -> Kind | None:
    was = old.status if old else None
    now = new.status if new else None
    if now is Status.FAIL and old and new and was is Status.FAIL:
        return Kind.SAME if old.case == new.case else Kind.OTHER
    if now is Status.FAIL:
        return Kind.BROKE if was is Status.PASS else Kind.NEW
    if was is Status.FAIL:
        return Kind.HEALED if now is Status.PASS else Kind.LOST if now is Status.ERROR else Kind.GONE
    if was is Status.PASS and now is Status.ERROR:
        return Kind.LOST
    if old and new and was is now is Status.PASS and _rate(old) != _rate(new):
        return Kind.RATE
    return None


def _rate(result: Result) -> float:
    """The share of judged attempts that held; 1 where all of one did."""
    held, judged = result.attempts or (1, 1)
    return held / judged if judged else 1.0


def _moved(old: TargetRun, new: TargetRun) -> Iterator[Moved]:
    """The figures that checks measured, and what the runs took."""
    before, after = dict(_figures(old)), dict(_figures(new))
    for name in dict.fromkeys([*after, *before]):
        was, now = before.get(name), after.get(name)
        unit = (now or was or (0.0, ""))[1]
        yield Moved(name, was[0] if was else None, now[0] if now else None, unit)
    yield Moved("requests", old.spend.requests, new.spend.requests, "")
    yield Moved("prompt tokens", old.spend.prompt_tokens, new.spend.prompt_tokens, "")
    yield Moved("completion tokens", old.spend.completion_tokens, new.spend.completion_tokens, "")
    yield Moved("cost of the run", old.spend.usd, new.spend.usd, "USD")
    yield Moved("duration of the run", old.seconds, new.seconds, "s")


def _figures(run: TargetRun) -> Iterator[tuple[str, tuple[float, str]]]:
    """What the latency checks measured, by name, as value and unit."""
    for result in run.checks:
        if result.item != "latency":
            continue
        for name, fact in result.facts.items():
            value = fact.get("value") if isinstance(fact, Mapping) else None
            if name != "rate" and isinstance(value, (int, float)) and not isinstance(value, bool):
                yield name, (float(value), str(fact.get("unit") or ""))
