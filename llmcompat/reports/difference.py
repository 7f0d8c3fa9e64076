"""The difference of two runs as a table for the terminal, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from llmcompat.engine.difference import Change, Difference, Kind, Moved
from llmcompat.engine.reference import got_worse
from llmcompat.model import Level, Reference, Result, Status, TargetRun
from llmcompat.reports import lines
from llmcompat.reports.escape import markdown as words
from llmcompat.reports.escape import markdown_code, one_line, shorten, terminal
from llmcompat.reports.rendering import heading, pairs, say, to_text

SCHEMA = "llmcompat.diff/1"

TITLES: dict[Kind, str] = {
    Kind.BROKE: "Broke: held before, fails now",
    Kind.NEW: "New: fails now, was not judged before",
    Kind.OTHER: "Fails in another way than before",
    Kind.LOST: "Was judged before, has no answer now",
    Kind.HEALED: "Healed: failed before, holds now",
    Kind.SAME: "Fails in both",
    Kind.GONE: "Failed before, is not judged now",
    Kind.RATE: "Holds another number of times",
}

_STYLES = {
    Kind.BROKE: "bold red",
    Kind.NEW: "bold red",
    Kind.OTHER: "bold red",
    Kind.LOST: "magenta",
    Kind.HEALED: "green",
}
_MOST_SEEN = 300
_OPENED = (Kind.BROKE, Kind.NEW, Kind.OTHER)


def difference_text(
    differences: Sequence[Difference], *, width: int | None = None, color: bool = False
) -> str:
    """The differences for a terminal of so many columns."""
    parts: list[RenderableType] = []
    for each in differences:
        parts.extend(_target(each))
    return to_text(Group(*parts), width=width, color=color)


def difference_markdown(differences: Sequence[Difference]) -> str:
    """The differences for a ticket."""
    blocks: list[str] = []
    for each in differences:
        blocks.append(f"# From {_words(_name(each.old))} to {_words(_name(each.new))}")
        blocks.append(f"{_words(_when(each.old))} against {_words(_when(each.new))}. {_words(_counts(each))}")
        for kind, changes in _grouped(each):
            rows = [row for change in changes for row in _markdown_change(change)]
            blocks.append(f"## {TITLES[kind]}\n\n" + "\n".join(rows))
        blocks.append("## Figures\n\n" + "\n".join(_markdown_figures(each.moved)))
    return "\n\n".join(blocks) + "\n"


def difference_json(differences: Sequence[Difference]) -> str:
    """The differences as data: `schema` is llmcompat.diff/1."""
    document = {"schema": SCHEMA, "differences": [_data(each) for each in differences]}
    return json.dumps(document, ensure_ascii=True, indent=1) + "\n"


def _grouped(found: Difference) -> Iterator[tuple[Kind, list[Change]]]:
    for kind in Kind:
        if changes := found.of(kind):
            yield kind, changes


def _target(found: Difference) -> Iterator[RenderableType]:
    yield heading(f"From {one_line(_name(found.old), 100)} to {one_line(_name(found.new), 100)}")
    rows = [("before", say(_when(found.old))), ("now", say(_when(found.new)))]
    yield pairs(rows, indent=0)
    yield say(_counts(found))
    for kind, changes in _grouped(found):
        yield Text()
        yield Text(TITLES[kind], style=_STYLES.get(kind, "bold"))
        for change in changes:
            yield from _change(change)
    yield heading("Figures")
    yield pairs((each.name, say(_figure(each))) for each in found.moved)


def _change(change: Change) -> Iterator[RenderableType]:
    result = change.result
    yield say(f"  {result.id}{_case(result)}: {_level(result)}, {_ends(change)}")
    if change.kind not in _OPENED:
        return
    rows: list[tuple[str, RenderableType]] = []
    for label, text in _details(change):
        rows.append((label, say(one_line(text, _MOST_SEEN))))
    yield Padding(pairs(rows), (0, 0, 0, 2))


def _markdown_change(change: Change) -> Iterator[str]:
    result = change.result
    yield f"- **{words(result.id)}**{_words(_case(result))} ({_level(result)}): {_words(_ends(change))}"
    if change.kind in _OPENED:
        for label, text in _details(change):
            shown = markdown_code(shorten(text, _MOST_SEEN)) if label in ("seen", "before") else _words(text)
            yield f"  - {label}: {shown}"


def _markdown_figures(moved: Iterable[Moved]) -> Iterator[str]:
    yield "| figure | before | now |"
    yield "| --- | ---: | ---: |"
    for each in moved:
        yield f"| {_words(each.name)} | {_value(each.old, each.unit)} | {_value(each.new, each.unit)} |"


def _details(change: Change) -> Iterator[tuple[str, str]]:
    result = change.result
    if result.seen is not None:
        yield "seen", result.seen
    if change.kind is Kind.OTHER and change.old is not None and change.old.seen is not None:
        yield "before", change.old.seen
    if result.expected is not None:
        yield "expected", result.expected
    if broken := lines.breaks(result):
        yield "breaks", broken
    yield "fix", result.fix


def _ends(change: Change) -> str:
    """How the check ended in both runs: behaviour as k of n, where it was asked more than once."""
    return f"{_ended(change.old)} → {_ended(change.new)}"


def _ended(result: Result | None) -> str:
    if result is None:
        return "not judged"
    word = lines.outcome_word(result)
    if result.blocked_by:
        return f"waits for {result.blocked_by}"
    if result.attempts is not None and result.status in (Status.PASS, Status.FAIL):
        return f"{word} ({result.attempts[0]} of {result.attempts[1]})"
    return word


def _case(result: Result) -> str:
    return f" (case {result.case})" if result.case else ""


def _level(result: Result) -> str:
    return "must" if result.level is Level.MUST else "should"


def _name(run: TargetRun) -> str:
    role = f"{run.target.role}, " if run.target.role else ""
    return f"{role}{run.target.provider}:{run.target.model}"


def _when(run: TargetRun) -> str:
    stopped = ", stopped early" if run.stopped else ""
    simulated = ", simulated" if run.simulated else ""
    verdict = lines.VERDICT_WORDS[run.verdicts[run.use_case.value]]
    return f"{run.started_at}, {run.use_case.value}: {verdict}{simulated}{stopped}"


def _counts(found: Difference) -> str:
    """One line: what moved, in numbers."""
    said = [f"{len(changes)} {kind.value}" for kind, changes in _grouped(found)]
    return ", ".join(said) if said else "Nothing moved but figures."


def _figure(moved: Moved) -> str:
    change = ""
    if moved.old and moved.new is not None and moved.old != moved.new:
        change = f"  ({(moved.new - moved.old) / moved.old:+.0%})"
    return f"{_value(moved.old, moved.unit)} → {_value(moved.new, moved.unit)}{change}"


def _value(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:.4g} {unit}".strip() if unit else f"{value:g}"


def _words(text: str) -> str:
    return words(one_line(text, _MOST_SEEN))


def _data(found: Difference) -> dict[str, Any]:
    reference = Reference("baseline", found.old.target, found.old.started_at, "")
    return {
        "old": _run_data(found.old),
        "new": _run_data(found.new),
        "changes": [
            {
                "id": change.result.id,
                "kind": change.kind.value,
                "item": change.result.item,
                "level": change.result.level.value,
                "worse": change.new is not None
                and change.new.accepted is None
                and got_worse(change.new, reference),
                "old": _result_data(change.old),
                "new": _result_data(change.new),
            }
            for change in found.changes
        ],
        "figures": [
            {"name": each.name, "old": each.old, "new": each.new, "unit": each.unit} for each in found.moved
        ],
    }


def _run_data(run: TargetRun) -> dict[str, Any]:
    return {
        "provider": run.target.provider,
        "model": run.target.model,
        "base_url": terminal(run.target.base_url),
        "role": run.target.role,
        "started_at": run.started_at,
        "use_case": run.use_case.value,
        "verdicts": {name: verdict.value for name, verdict in run.verdicts.items()},
    }


def _result_data(result: Result | None) -> dict[str, Any] | None:
    if result is None:
        return None
    attempts = list(result.attempts) if result.attempts else None
    seen = terminal(result.seen) if result.seen is not None else None
    return {"status": result.status.value, "case": result.case, "seen": seen, "attempts": attempts}
