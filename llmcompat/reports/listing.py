"""What is known before a run: the checks, one check explained, what is published about the providers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from llmcompat.catalogue import told_by
from llmcompat.declare import Check
from llmcompat.engine.judge import level_for
from llmcompat.engine.loader import Checklist
from llmcompat.engine.selection import SelectionError, nearest
from llmcompat.model import UseCase
from llmcompat.profiles.facts import comparison_row
from llmcompat.profiles.schema import FEATURES, PriceFact, Profile, Sourced
from llmcompat.reports.lines import compact, number, sentence
from llmcompat.reports.rendering import WIDTH, heading, pairs, say, to_text
from llmcompat.settings import Settings

_UNKNOWN = "unknown"
_BESIDE_AN_ID = 42
"""Columns of the list without the longest id."""

_SOURCES = 3
"""Sources of a known deviation that are shown."""

_NARROW = 100
"""Columns below which the comparison leaves its long cells to `providers NAME`."""


def checks_text(
    checklist: Checklist, *, uses: frozenset[str] = frozenset(), width: int | None = None, color: bool = False
) -> str:
    """Every item with its checks: id, kind, and the level for each use case. For `llmcompat list`."""
    asked = _asked(uses)
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    longest = max((len(id) for id in checklist.checks), default=0)
    # an id stays on one line where the rest has room beside it, and is folded, never cut, where not
    grid.add_column("check", overflow="fold", no_wrap=longest + _BESIDE_AN_ID <= (width or WIDTH))
    grid.add_column("kind", no_wrap=True)
    for use_case in UseCase:
        grid.add_column(use_case.value, no_wrap=True)
    grid.add_column("feature", overflow="fold", min_width=8)
    for item in checklist.items:
        grid.add_row(say(item.title, "bold"))
        for check in checklist.of_item(item.name):
            levels = [level_for(check, asked, use_case).value for use_case in UseCase]
            cells = (f"  {check.id}", check.kind, *levels, check.feature or "")
            grid.add_row(*(say(cell) for cell in cells))
    total = f"{len(checklist.checks)} checks in {len(checklist.items)} items"
    return to_text(Group(grid, Text(), Text(total, style="dim")), width=width, color=color)


def explain_text(
    checklist: Checklist,
    id: str,
    *,
    profiles: Iterable[Profile] = (),
    uses: frozenset[str] = frozenset(),
    width: int | None = None,
    color: bool = False,
) -> str:
    """One check, or one item with its checks: what is asked, why, what to change. For `llmcompat explain`.

    Raises SelectionError, with the nearest names, for an id that is neither.
    """
    if id in checklist.checks:
        parts = list(_check(checklist, checklist.checks[id], profiles, uses))
        return to_text(Group(*parts), width=width, color=color)
    item = next((item for item in checklist.items if item.name == id), None)
    if item is None:
        names = [*checklist.checks, *(item.name for item in checklist.items)]
        raise SelectionError(f"no check or item is named {id}{nearest(id, names)} (see `llmcompat list`)")
    rows = [(check.id, check.title) for check in checklist.of_item(id)]
    parts = [say(item.title, "bold"), Padding(say(sentence(item.sentence)), (0, 0, 1, 2))]
    parts += [Group(say(f"  {name}"), Padding(say(title, "dim"), (0, 0, 0, 4))) for name, title in rows]
    return to_text(Group(*parts), width=width, color=color)


def providers_text(
    profiles: Iterable[Profile], today: date, *, width: int | None = None, color: bool = False
) -> str:
    """The comparison of providers as published; below 100 columns without its long cells."""
    rows = [comparison_row(profile, today) for profile in profiles]
    wide = (width or WIDTH) >= _NARROW
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2 if wide else 1, 0, 0))
    grid.add_column("name", overflow="fold")
    if wide:
        grid.add_column("category", overflow="fold", max_width=24)
    for name in ("USD in / out", "context", "tools", "vision", "stream"):
        grid.add_column(name, no_wrap=True)
    if wide:
        for name in ("retention", "training"):
            grid.add_column(name, overflow="fold", ratio=1)
    for name in ("facts", "live"):
        grid.add_column(name, no_wrap=True)
    for row in rows:
        facts = row["facts_published"]
        cells = [row["name"], *([_cell(row["category"])] if wide else []), _price(row["starting_price"])]
        cells += [_cell(row[name]) for name in ("context_window", "tools", "vision", "streaming")]
        cells += [_cell(row[name]) for name in ("retention", "training")] if wide else []
        cells += [f"{facts['count']}/{facts['of']}", row["verified_live"] or "never"]
        grid.add_row(*(say(cell) for cell in cells))
    legend = (
        "As published, not measured. USD: per million tokens of the cheapest chat model. Facts: of the "
        "fifteen that are asked for before a move. Live: the day that a run confirmed the profile. "
        f"?: not confirmed at the source. old: more than 90 days old. {_UNKNOWN}: nothing was found. "
        "Sources and dates: llmcompat providers NAME"
    )
    words = [part for row in rows for part in _in_words(row, wide)]
    parts = [grid, heading("Models, compatibility and pages"), *words, Text(), Text(legend, style="dim")]
    return to_text(Group(*parts), width=width, color=color)


def _in_words(row: dict[str, Any], wide: bool) -> Iterator[RenderableType]:
    """What does not fit a column: shown for each provider under its name, absent where nothing was found."""
    facts = [("category", _cell(row["category"]))] if not wide else []
    facts += [("models", ", ".join(row["models"])), ("OpenAI-compatible", _cell(row["openai_compatible"]))]
    facts += [(name, _cell(row[name])) for name in ("retention", "training")] if not wide else []
    facts += [("status page", row["status_page"] or ""), ("docs", row["links"].get("docs", ""))]
    yield say(row["name"], "bold")
    yield pairs((label, say(text)) for label, text in facts if text and text != _UNKNOWN)


def provider_text(profile: Profile, today: date, *, width: int | None = None, color: bool = False) -> str:
    """Everything that a profile says, each fact with its source and date. For `llmcompat providers NAME`."""
    row = comparison_row(profile, today)
    parts: list[RenderableType] = [say(f"{profile.display_name} ({profile.name}), {profile.kind}", "bold")]
    if profile.summary:
        parts.append(say(profile.summary))
    verified = profile.verified_live.isoformat() if profile.verified_live else None
    parts.append(
        say(
            f"verified live: {verified}" if verified else "never verified live: all of this is as published",
            "bold",
        )
    )
    facts = row["facts_published"]
    unknown = f"; unknown: {', '.join(facts['unknown'])}" if facts["unknown"] else ""
    parts.append(say(f"{facts['count']} of {facts['of']} named facts are published{unknown}"))
    plain = [
        ("base URL", profile.base_url),
        ("key variable", profile.key_variable),
        ("also read", ", ".join(profile.key_variable_aliases)),
        ("headers", ", ".join(f"{name}: {value}" for name, value in profile.headers.items())),
    ]
    parts += [
        heading("Reaching it"),
        pairs((label, say(text or "none")) for label, text in plain if text or label != "also read"),
    ]
    for title, rows in _sections(profile, today):
        if shown := list(rows):
            parts += [heading(title), *shown]
    if row["links"]:
        parts += [heading("Pages"), pairs((name, say(url)) for name, url in row["links"].items())]
    return to_text(Group(*parts), width=width, color=color)


def _check(
    checklist: Checklist, check: Check, profiles: Iterable[Profile], uses: frozenset[str]
) -> Iterator[RenderableType]:
    item = next(item for item in checklist.items if item.name == check.item)
    asked = _asked(uses)
    levels = ", ".join(f"{use_case.value} {level_for(check, asked, use_case).value}" for use_case in UseCase)
    yield say(check.id, "bold")
    yield say(check.title)
    rows: list[tuple[str, str]] = [
        ("why", check.why),
        ("fix", check.fix),
        ("item", f"{item.title} ({item.name})"),
    ]
    rows += [("levels", levels), ("kind", check.kind)]
    if check.feature:
        rows.append(
            (
                "feature",
                f"{check.feature}; a should where the use case does not ask for it and --uses does not",
            )
        )
    rows.append(("judges", ", ".join(check.needs) or "nothing that is asked"))
    for profile in profiles:
        for deviation in profile.deviations:
            for line in deviation.lines if deviation.status != "fixed" else ():
                if line.check != check.id:
                    continue
                source = f" {deviation.sources[0]}" if deviation.sources else ""
                case = f" (case {line.case})" if line.case else ""
                rows.append(("known at", f"{profile.name}{case}: {deviation.summary}{source}"))
    yield pairs((label, say(text)) for label, text in rows)
    known = told_by(check.id)
    if known:
        yield heading("Known deviations")
    for each in known:
        yield Padding(say(f"{each.case}: {each.symptom}"), (0, 0, 0, 2))
        yield from (Padding(say(source, "dim"), (0, 0, 0, 4)) for source in each.sources[:_SOURCES])
        if len(each.sources) > _SOURCES:
            yield Padding(say(f"and {len(each.sources) - _SOURCES} more", "dim"), (0, 0, 0, 4))


def _asked(uses: frozenset[str]) -> Settings:
    return Settings(provider="", base_url="", model="", uses=uses)


def _sections(profile: Profile, today: date) -> Iterator[tuple[str, Iterator[RenderableType]]]:
    def facts(named: Iterable[tuple[str, Sourced | None]]) -> Iterator[RenderableType]:
        return (_fact(name, _value(fact), fact, today) for name, fact in named if fact is not None)

    models = profile.models
    named = (("default", models.default), ("vision", models.vision), ("embedding", models.embedding))
    yield "Models", facts(named)
    lists = [("others", ", ".join(models.others))]
    lists += [(f"retired {name}", what) for name, what in models.retired.items()]
    lists += [(f"alias {name}", f"answered by {what}") for name, what in models.aliases.items()]
    if any(text for _, text in lists):
        # one statement with many values: its sources stand once
        rows = [Padding(say(f"{name}: {text}"), (0, 0, 0, 2)) for name, text in lists if text]
        yield "Other models", iter([*rows, _fact("these", "as listed", models, today)])
    request = [
        ("request", profile.request if profile.request.sources else None),
        ("thinking", profile.thinking),
    ]
    yield "Requests", facts(request)
    yield "Offered", facts((name, profile.features.get(name)) for name in FEATURES)  # type: ignore[call-overload]
    yield "Limits", facts((name, getattr(profile.limits, name)) for name in type(profile.limits).model_fields)
    yield (
        "Prices in USD per million tokens",
        (_priced(name, price, today) for name, price in profile.prices.items()),
    )
    yield "Balance", facts([("balance", profile.balance)])
    yield "Data policy", facts(profile.data_policy.items())
    yield "Lock-in", facts(profile.lock_in.items())
    yield "Other facts", facts(profile.facts.items())
    yield (
        "Reported deviations",
        (
            _fact(each.check or each.catalogue or "deviation", f"{each.summary} ({each.status})", each, today)
            for each in profile.deviations
        ),
    )


def _value(fact: Sourced) -> str:
    """What the fact says, without its source."""
    if hasattr(fact, "offered"):
        return "offered" if fact.offered else "not offered"
    if hasattr(fact, "value"):
        value = fact.value
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    about = fact.model_dump(
        mode="json", exclude_none=True, exclude=set(Sourced.model_fields), exclude_defaults=True
    )
    return ", ".join(
        f"{name} {value if isinstance(value, str) else compact(value)}" for name, value in about.items()
    )


def _fact(name: str, text: str, fact: Sourced, today: date) -> RenderableType:
    return _block(name, text, _marks(fact, today), fact.sources, fact.note)


def _priced(name: str, price: PriceFact, today: date) -> RenderableType:
    cached = f", cached input {price.cached_input:g}" if price.cached_input is not None else ""
    text = f"input {price.input:g}, output {price.output:g}{cached}"
    return _block(name, text, _marks(price, today), [price.source] if price.source else [], price.note)


def _marks(fact: Sourced | PriceFact, today: date) -> list[str]:
    marks = [fact.as_of.isoformat() if fact.as_of else "no date"]
    if fact.is_old(today):
        marks.append("old")
    if not fact.confirmed:
        marks.append("not confirmed")
    return marks


def _block(
    name: str, text: str, marks: list[str], sources: Iterable[str], note: str | None
) -> RenderableType:
    first = Padding(say(f"{name.replace('_', ' ')}: {text} [{', '.join(marks)}]"), (0, 0, 0, 2))
    below = [*([note] if note else []), *sources]
    return Group(first, *(Padding(say(each, "dim"), (0, 0, 0, 6)) for each in below))


def _cell(cell: dict[str, Any]) -> str:
    value = cell["value"]
    if value is None:
        return _UNKNOWN
    if isinstance(value, bool):
        text = "yes" if value else "no"
    else:
        text = number(value) if isinstance(value, int) else str(value)
    return f"{text}{_doubt(cell)}"


def _price(cell: dict[str, Any]) -> str:
    value = cell["value"]
    return _UNKNOWN if value is None else f"{value['input']:g} / {value['output']:g}{_doubt(cell)}"


def _doubt(cell: dict[str, Any]) -> str:
    return ("" if cell["confirmed"] else "?") + (" old" if cell["old"] else "")
