"""Several targets side by side: where they fail or differ, their figures, and what is published of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from llmcompat.model import Result, Run, Status, TargetRun, Verdict
from llmcompat.reports import lines
from llmcompat.settings import Pricing

NOT_RUN = "not run"
"""The word for a check that a target's run did not choose."""

UNKNOWN = "unknown"
NOT_MEASURED = "not measured"

_FAILED = ("FAIL", "warning", "accepted")
_WEIGHT = (*_FAILED, "no answer")
_FACTS_FIRST = ("retention", "zero_retention", "training", "region")
_OLD = 90
"""Days after which a published fact is called old."""
_FEW_ALIKE = 5
"""Checks that differ in one and the same way without a failure: up to so many are told one by one."""


@dataclass(frozen=True)
class Cell:
    """How one check ended at one target."""

    word: str
    """As `lines.outcome_word` says it, or NOT_RUN."""
    case: str | None = None
    known: bool = False
    """The profile documents it; `source` says where."""
    source: str | None = None
    waits_for: str | None = None
    """The check that has to hold before this one has an answer; the first of a chain."""
    reason: str | None = None
    """Why else there is no answer."""


@dataclass(frozen=True)
class Row:
    """One check at all targets."""

    id: str
    item: str
    title: str
    cells: tuple[Cell, ...]
    alike: bool
    """Every target that answered anything, and ran it, ended in the same way."""

    @property
    def weight(self) -> int:
        """Its place by the worst of its cells: 0 where a must fails, then warnings, accepted, no answer."""
        words = {cell.word for cell in self.cells}
        return next((place for place, word in enumerate(_WEIGHT) if word in words), len(_WEIGHT))


@dataclass(frozen=True)
class Folded:
    """Checks that end alike, target by target, without a failure of their own: told as one."""

    ids: tuple[str, ...]
    what: str
    """"6 checks wait for json-schema-accepted"."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Price:
    """A list price in USD per million tokens; `source` and `as_of` (ISO 8601) are empty where not given."""

    input: float
    output: float
    cached_input: float | None
    source: str
    as_of: str


@dataclass(frozen=True)
class Published:
    """What is published of a target: a fact of its profile."""

    value: str
    sources: tuple[str, ...] = ()
    as_of: str = ""
    """The day that the source speaks of, ISO 8601."""
    confirmed: bool = True
    note: str = ""
    old: bool = False
    """More than 90 days older than the run."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """The day, the doubts, and what else is said."""
        day = f"as of {self.as_of}" if self.as_of else "no date given"
        doubts = ("more than 90 days old",) * self.old + ("unconfirmed",) * (not self.confirmed)
        return (day, *doubts, *((self.note.rstrip("."),) if self.note else ()))


@dataclass(frozen=True)
class Fact:
    """One kind of fact at all targets; None where it is unknown."""

    name: str
    published: tuple[Published | None, ...]

    @property
    def differs(self) -> bool:
        """Whether the targets differ in it, or it is known of some only."""
        values = {each.value if each else None for each in self.published}
        return len(values) > 1


@dataclass(frozen=True)
class Column:
    """One target: who it is, what came of it, and its figures."""

    label: str
    run: TargetRun
    silent: bool
    """Nothing at all was judged: it was not reached, or the run ended before."""
    words: Counter[str]
    """How many checks ended how."""
    first_token: float | None
    """Seconds until the first token at the median; None where it was not measured."""
    tokens_per_second: float | None
    """After the first token, at the median."""
    price: Price | None
    context_window: int | None
    """Tokens, prompt and answer together; the published or configured ones."""
    context_source: Published | None
    """Where the context window is published; None where the user gave it or it is unknown."""

    @property
    def verdict(self) -> Verdict:
        """The verdict for the use case that decides."""
        return self.run.verdicts.get(self.run.use_case, Verdict.NO_ANSWER)


@dataclass(frozen=True)
class Comparison:
    """All that there is to say of several targets beside each other."""

    columns: tuple[Column, ...]
    remarks: tuple[str, ...]
    """What keeps the columns from being like for like, and what ended early: to be said first."""
    rows: tuple[Row, ...]
    """Every check of any target, the heaviest first, then in the checklist's order."""
    single: tuple[Row, ...]
    """Those that are told one by one."""
    folded: tuple[Folded, ...]
    """Those that are told together."""
    alike: tuple[tuple[str, str], ...]
    """What is the same at all targets, by item: (title, "42 pass, 3 skipped")."""
    facts: tuple[Fact, ...]
    facts_missing: tuple[str, ...]
    """The labels of targets of which no profile was saved, so that every fact is unknown."""

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each target, no two the same."""
        return tuple(column.label for column in self.columns)

    @property
    def differing_facts(self) -> tuple[Fact, ...]:
        """The facts in which the targets differ, or that are known of some only."""
        return tuple(fact for fact in self.facts if fact.differs)


def comparison(run: Run) -> Comparison:
    """The targets of a run side by side."""
    names = labels(run.runs)
    columns = tuple(_column(label, each) for label, each in zip(names, run.runs, strict=True))
    rows = _rows(columns)
    single, folded, alike = _told(rows, columns)
    return Comparison(
        columns=columns,
        remarks=tuple(_remarks(columns, run.tool_version)),
        rows=rows,
        single=single,
        folded=folded,
        alike=alike,
        facts=_facts(run.runs),
        facts_missing=tuple(column.label for column in columns if _document(column.run) is None),
    )


def join(runs: Sequence[Run], *, tool_version: str) -> Run:
    """All targets of several runs as one run, in the order given.

    `tool_version` is what it is said to be written by where the runs differ in theirs; then each target
    carries its own under `tool_version` in its profile's description.
    """
    versions = {run.tool_version for run in runs}
    alike = len(versions) <= 1
    targets = [
        each if alike else replace(each, profile={**each.profile, "tool_version": run.tool_version})
        for run in runs
        for each in run.runs
    ]
    return Run(
        tool_version=next(iter(versions)) if versions and alike else tool_version,
        started_at=min((run.started_at for run in runs), default=""),
        seconds=sum(run.seconds for run in runs),
        runs=tuple(targets),
    )


def labels(runs: Sequence[TargetRun]) -> tuple[str, ...]:
    """A name for each target: the provider's, with as much as is needed to tell those of one provider apart.

    What is tried, in this order: model, role, host, mode, day and time of the run; a number at last.
    """
    tellers: tuple[Callable[[TargetRun], str], ...] = (
        lambda run: f":{run.target.model}",
        lambda run: f" ({run.target.role})" if run.target.role else "",
        # the port of a simulation is another in every run and says nothing
        lambda run: "" if run.simulated or _kind(run) == "demo" else f" at {_host(run.target.base_url)}",
        lambda run: " simulated" if run.simulated else "",
        lambda run: f" [{lines.mode_words(run.target.mode)}]",
        lambda run: f" {run.started_at[:10]}",
        lambda run: f" {run.started_at[11:19]}",
    )
    names = [run.target.provider for run in runs]
    for teller in tellers:
        shared = {name for name, number in Counter(names).items() if number > 1}
        said = [teller(run) for run in runs]
        told_apart = {
            name
            for name in shared
            if len({text for other, text in zip(names, said, strict=True) if other == name}) > 1
        }
        names = [name + text if name in told_apart else name for name, text in zip(names, said, strict=True)]
    taken: list[str] = []
    for name in names:
        number = 2
        free = name
        while free in taken:
            free = f"{name} ({number})"
            number += 1
        taken.append(free)
    return tuple(taken)


def glance(compared: Comparison) -> list[tuple[str, tuple[str, ...]]]:
    """Verdicts and figures in words, each with one text a target; every report shows the same."""
    columns = compared.columns

    def row(name: str, text: Callable[[Column], str]) -> tuple[str, tuple[str, ...]]:
        return name, tuple(text(column) for column in columns)

    use_cases = dict.fromkeys(name for column in columns for name in column.run.verdicts)
    rows = [row("model", lambda column: column.run.target.model)]
    if any(column.run.simulated for column in columns):
        rows.append(row("basis", _basis))
    for name in use_cases:
        rows.append(row(name, lambda column, name=name: _verdict(column, name)))  # type: ignore[misc]
    rows.append(row("musts failed", lambda column: _counted(column, "FAIL")))
    rows.append(row("warnings", lambda column: _counted(column, "warning")))
    if any(column.words["accepted"] for column in columns):
        rows.append(row("accepted", lambda column: _counted(column, "accepted")))
    rows.append(row("no answer", lambda column: str(column.words["no answer"])))
    rows.append(row("first token p50", lambda column: _measured(column, column.first_token, "s")))
    rows.append(row("tokens/s p50", lambda column: _measured(column, column.tokens_per_second, "")))
    rows.append(row("USD of the run", _cost))
    rows.append(row("USD per 1M in", lambda column: _price(column, "input")))
    rows.append(row("USD per 1M out", lambda column: _price(column, "output")))
    rows.append(row("USD per 1M cached", lambda column: _price(column, "cached_input")))
    rows.append(row("prices from", _price_source))
    rows.append(row("context window", _context))
    rows.append(row("requests", lambda column: str(column.run.spend.requests)))
    rows.append(row("run took", lambda column: f"{column.run.seconds:.1f} s"))
    return rows


def fact_words(name: str) -> str:
    """The name of a fact as it is read."""
    return name.replace("_", " ")


def _verdict(column: Column, use_case: str) -> str:
    verdict = column.run.verdicts.get(use_case)
    if verdict is None:
        return NOT_RUN
    text = lines.VERDICT_WORDS[verdict]
    if column.run.stopped:
        text += ", incomplete"
    return f"{text} (decides)" if use_case == column.run.use_case else text


def _basis(column: Column) -> str:
    return "documented, not measured" if column.run.simulated else "measured"


def _counted(column: Column, word: str) -> str:
    return UNKNOWN if column.silent else str(column.words[word])


def _measured(column: Column, value: float | None, unit: str) -> str:
    if value is None:
        return NOT_MEASURED
    return f"{value:.4g} {unit}".strip()


def _cost(column: Column) -> str:
    if column.run.simulated:
        return "none: simulated"
    if column.run.spend.usd is not None:
        return f"{column.run.spend.usd:.4f}"
    return "none: own machine" if column.run.settings.get("loopback") else UNKNOWN


def _price(column: Column, name: str) -> str:
    if column.price is None:
        return "none: own machine" if _is_own(column) else UNKNOWN
    value = getattr(column.price, name)
    return UNKNOWN if value is None else f"{value:g}"


def _price_source(column: Column) -> str:
    if column.price is None:
        return "—"
    return f"{column.price.source or 'no source given'}, {column.price.as_of or 'no date'}"


def _is_own(column: Column) -> bool:
    """Whether this machine answered, and not a simulation of somebody else's."""
    return bool(column.run.settings.get("loopback")) and not column.run.simulated


def _context(column: Column) -> str:
    return UNKNOWN if column.context_window is None else f"{lines.number(column.context_window)} tokens"


def _column(label: str, run: TargetRun) -> Column:
    figures = next((result.facts for result in run.checks if result.id == "latency"), {})
    measured = {} if run.simulated else figures
    window, source = _window(run)
    return Column(
        label=label,
        run=run,
        silent=not any(
            result.status in (Status.PASS, Status.FAIL) for result in run.checks if result.kind != "manual"
        ),
        words=Counter(lines.outcome_word(result) for result in run.checks),
        first_token=_figure(measured, "first token, p50"),
        tokens_per_second=_figure(measured, "tokens a second, p50"),
        price=_list_price(run.settings.get("pricing")),
        context_window=window,
        context_source=source,
    )


def _figure(facts: Mapping[str, Any], name: str) -> float | None:
    fact = facts.get(name)
    value = fact.get("value") if isinstance(fact, Mapping) else None
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _list_price(saved: object) -> Price | None:
    try:
        pricing = Pricing.model_validate(saved)
    except ValidationError:
        return None
    day = pricing.as_of.isoformat() if pricing.as_of else ""
    return Price(pricing.input, pricing.output, pricing.cached_input, pricing.source, day)


def _window(run: TargetRun) -> tuple[int | None, Published | None]:
    """The context window and where it is published: a profile's limit is that of its default model alone."""
    document = _document(run) or {}
    published = None
    if _step(document, "models", "default", "value") == run.target.model:
        published = _published(_step(document, "limits", "context_window"), run)
    configured = run.settings.get("context_window")
    if isinstance(configured, int) and not isinstance(configured, bool):
        return configured, published if published and published.value == str(configured) else None
    if published and published.value.isdecimal():
        return int(published.value), published
    return None, None


def _document(run: TargetRun) -> Mapping[str, Any] | None:
    document = run.profile.get("document")
    return document if isinstance(document, Mapping) else None


def _step(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _published(fact: object, run: TargetRun) -> Published | None:
    """A fact of a saved profile; what has not the form of one is unknown."""
    if not isinstance(fact, Mapping) or fact.get("value") is None:
        return None
    value = fact["value"]
    sources = fact.get("sources")
    as_of = str(fact.get("as_of") or "")
    return Published(
        value=", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value),
        sources=tuple(map(str, sources)) if isinstance(sources, (list, tuple)) else (),
        as_of=as_of,
        confirmed=fact.get("confirmed") is not False,
        note=str(fact.get("note") or ""),
        old=_days_between(as_of, run.started_at) > _OLD,
    )


def _days_between(earlier: str, later: str) -> int:
    try:
        return (date.fromisoformat(later[:10]) - date.fromisoformat(earlier[:10])).days
    except ValueError:
        return 0


def _facts(runs: Sequence[TargetRun]) -> tuple[Fact, ...]:
    policies = [_step(_document(run), "data_policy") for run in runs]
    known = dict.fromkeys(str(name) for policy in policies if isinstance(policy, Mapping) for name in policy)
    # what is asked first of a provider stands there also where nobody says it
    names = [*_FACTS_FIRST, *(name for name in known if name not in _FACTS_FIRST)]
    return tuple(
        Fact(
            name,
            tuple(_published(_step(policy, name), run) for policy, run in zip(policies, runs, strict=True)),
        )
        for name in names
    )


def _rows(columns: Sequence[Column]) -> tuple[Row, ...]:
    found = [{result.id: result for result in column.run.checks} for column in columns]
    order: dict[str, Result] = {}
    for results in found:
        for id, result in results.items():
            order.setdefault(id, result)
    nobody = all(column.silent for column in columns)
    heard = [nobody or not column.silent for column in columns]
    rows = []
    for id, sample in order.items():
        # why a whole target has no answer is told once, above
        cells = tuple(
            _cell(results.get(id), results) if is_heard else Cell("no answer")
            for results, is_heard in zip(found, heard, strict=True)
        )
        counted = [cell for cell, is_heard in zip(cells, heard, strict=True) if is_heard]
        ends = {(cell.word, cell.case) for cell in counted if cell.word != NOT_RUN}
        rows.append(Row(id, sample.item, sample.title, cells, alike=len(ends) <= 1))
    return tuple(sorted(rows, key=lambda row: row.weight))


def _cell(result: Result | None, results: Mapping[str, Result]) -> Cell:
    if result is None:
        return Cell(NOT_RUN)
    word = lines.outcome_word(result)
    if result.status is Status.ERROR:
        owner = _first_of_chain(result, results)
        return Cell(word, waits_for=owner, reason=None if owner else result.reason or "no reason is known")
    if result.status is not Status.FAIL:
        return Cell(word)
    return Cell(word, result.case, result.known is not None, result.known.source if result.known else None)


def _first_of_chain(result: Result, results: Mapping[str, Result]) -> str | None:
    """What a blocked check waits for in the end: the owner of what it needs may itself wait for another."""
    owner, seen = result.blocked_by, {result.id}
    while owner is not None and owner not in seen:
        seen.add(owner)
        behind = results.get(owner)
        if behind is None or behind.status is not Status.ERROR or behind.blocked_by is None:
            break
        owner = behind.blocked_by
    return owner


def _told(
    rows: Sequence[Row], columns: Sequence[Column]
) -> tuple[tuple[Row, ...], tuple[Folded, ...], tuple[tuple[str, str], ...]]:
    """Which rows are told one by one, which together, and which are the same at all targets."""
    heard = [place for place, column in enumerate(columns) if not column.silent]
    heard = heard or list(range(len(columns)))
    single, patterns, alike = [], dict[tuple[Cell, ...], list[Row]](), list[Row]()
    for row in rows:
        words = {row.cells[place].word for place in heard} - {NOT_RUN}
        if words & set(_FAILED):
            single.append(row)
        elif "no answer" in words or not row.alike:
            patterns.setdefault(row.cells, []).append(row)
        elif words:
            alike.append(row)
    folded = []
    for cells, same in patterns.items():
        waiting = [cell for cell in cells if cell.word == "no answer"]
        if len(same) > (1 if waiting else _FEW_ALIKE):
            folded.append(Folded(tuple(row.id for row in same), _folded_words(len(same), cells), cells))
        else:
            single.extend(same)
    titles = {name: title for column in columns for name, title, _ in column.run.items}
    by_item: dict[str, Counter[str]] = {name: Counter() for name in titles}
    for row in alike:
        word = next(row.cells[place].word for place in heard if row.cells[place].word != NOT_RUN)
        by_item.setdefault(row.item, Counter())[word] += 1
    counted = tuple(
        (titles.get(item) or item.replace("-", " ").capitalize(), _count_words(counts))
        for item, counts in by_item.items()
        if counts
    )
    return tuple(sorted(single, key=lambda row: row.weight)), tuple(folded), counted


def _folded_words(number: int, cells: Iterable[Cell]) -> str:
    cells = list(cells)
    owners = dict.fromkeys(cell.waits_for for cell in cells if cell.waits_for)
    reasons = dict.fromkeys(cell.reason for cell in cells if cell.reason)
    if owners:
        return f"{number} checks wait for {' or '.join(owners)}"
    if reasons:
        return f"{number} checks without an answer: {'; '.join(reasons)}"
    return f"{number} checks of which none fails"


def _count_words(counts: Counter[str]) -> str:
    first = ("pass", "to decide", "skip")
    order = [*first, *(word for word in counts if word not in first)]
    shown = {"skip": "skipped"}
    return ", ".join(f"{counts[word]} {shown.get(word, word)}" for word in order if counts[word])


def _remarks(columns: Sequence[Column], tool_version: str) -> Iterator[str]:
    """What is not like for like, then what ended early."""
    simulated = [column.label for column in columns if column.run.simulated]
    if len(simulated) == len(columns) and columns:
        yield f"All of this is {lines.SIMULATED}."
    elif simulated:
        yield f"{_and(simulated)}: {lines.SIMULATED}; the others were measured."
    yield from _differing(columns, "use cases", lambda column: column.run.use_case.value)
    yield from _differing(
        columns,
        "versions of llmcompat",
        lambda column: str(column.run.profile.get("tool_version") or tool_version),
    )
    ids = [frozenset(result.id for result in column.run.checks) for column in columns]
    if len(set(ids)) > 1:
        numbers = ", ".join(
            f"{len(each)} at {column.label}{_chosen(column.run)}"
            for each, column in zip(ids, columns, strict=True)
        )
        yield f"Not the same checks were chosen: {numbers}; each line compares the targets that ran it."
    yield from _differing(columns, "features asked for", lambda column: _asked(column.run))
    yield from _differing(columns, "days of the run", lambda column: column.run.started_at[:10])
    for place, column in enumerate(columns):
        same = next((each.label for each in columns[:place] if each.run == column.run), None)
        if same is not None:
            yield f"{column.label} is the same run as {same}."
    for column in columns:
        profile_url = column.run.profile.get("base_url")
        elsewhere = profile_url and str(profile_url).rstrip("/") != column.run.target.base_url.rstrip("/")
        if elsewhere and not column.run.simulated and _step(_document(column.run), "data_policy"):
            yield (
                f"{column.label} was asked at {column.run.target.base_url}; "
                f"what is published of it was published for {profile_url}."
            )
    for column in columns:
        if column.run.reference is not None:
            against, day = column.run.reference.target, column.run.reference.started_at[:10]
            yield (
                f"{column.label} was held against {against.provider}:{against.model} of {day}; "
                "here stands what it does itself."
            )
    for column in columns:
        if column.run.stopped:
            ended = "has no results" if column.silent else "ended early"
            yield f"{column.label} {ended}: {column.run.stopped}"
        elif column.silent:
            yield f"{column.label} has no results: nothing of it was judged."


def _differing(columns: Sequence[Column], what: str, of: Callable[[Column], str]) -> Iterator[str]:
    values: dict[str, list[str]] = {}
    for column in columns:
        values.setdefault(of(column), []).append(column.label)
    if len(values) > 1:
        told = "; ".join(f"{value} at {_and(names)}" for value, names in values.items())
        yield f"The {what} differ: {told}."


def _chosen(run: TargetRun) -> str:
    """The options that left checks out."""
    settings = run.settings
    words = ["--quick"] * (settings.get("quick") is True)
    words += [f"--{name}" for name in ("only", "skip") if settings.get(name)]
    return f" ({', '.join(words)})" if words else ""


def _asked(run: TargetRun) -> str:
    words = []
    for name in ("uses", "without"):
        features = run.settings.get(name)
        if isinstance(features, (list, tuple, set, frozenset)) and features:
            words.append(f"--{name} {','.join(sorted(map(str, features)))}")
    return " ".join(words) or "those of the use case"


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _kind(run: TargetRun) -> object:
    return run.profile.get("kind")


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc or url
    except ValueError:
        return url
