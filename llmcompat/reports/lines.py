"""What a run says of each line of the checklist, counted and put into words; every report tells the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llmcompat.engine.loader import GUIDE
from llmcompat.engine.reference import got_worse
from llmcompat.model import Level, Reference, Result, Spend, Status, TargetRun, Verdict

RATE = "rate"
"""The fact that a repeated run adds to each check; it is shown where something failed."""

YOURS = "not tested"
"""What a run of the endpoint alone can say of the application's own lines."""

VERDICT_WORDS: Mapping[Verdict, str] = {
    Verdict.COMPATIBLE: "compatible",
    Verdict.WITH_LIMITATIONS: "compatible with limitations",
    Verdict.INCOMPATIBLE: "incompatible",
    Verdict.NO_ANSWER: "no answer",
}

SIMULATED = "a simulation of documented behaviour: documented, not measured"


@dataclass(frozen=True)
class Line:
    """One line of the checklist with the results that count for it."""

    name: str
    title: str
    sentence: str
    results: tuple[Result, ...]

    @property
    def endpoint(self) -> str:
        """The endpoint in a word: fails, no answer, limitations, holds, to decide, skipped or not run."""
        return _in_a_word(self._of("endpoint")) or "not run"

    @property
    def yours(self) -> str:
        """The application's own part in such a word; "not tested" where nothing of it was."""
        return _in_a_word(self._of("yours")) or YOURS

    @property
    def holds(self) -> bool:
        """Whether the endpoint does what this line asks for, be it with limitations."""
        return self.endpoint in _HOLD

    @property
    def yours_holds(self) -> bool:
        """Whether the application's own part was tested and holds."""
        return self.yours in _HOLD

    @property
    def counts(self) -> str:
        """How many checks of the endpoint ended how: "1 fail, 2 warnings, 12 pass"; "" where none ran."""
        return count(self._of("endpoint"))

    def _of(self, side: str) -> list[Result]:
        return [result for result in self.results if result.side == side]

    @property
    def figures(self) -> list[str]:
        """What was measured, each figure as it is shown: "p50 0.4 s"."""
        return [
            f"{name.replace('_', ' ')} {figure(fact)}"
            for result in self.results
            for name, fact in result.facts.items()
            if name != RATE
        ]


_HOLD = ("holds", "limitations")


def _in_a_word(results: Iterable[Result]) -> str:
    """How results came out together; "" where there is none."""
    results = list(results)
    words = [outcome_word(result) for result in results]
    if "FAIL" in words:
        return "fails"
    if any(
        word == "no answer" and each.level is Level.MUST for word, each in zip(words, results, strict=True)
    ):
        return "no answer"
    if "warning" in words or "accepted" in words:
        return "limitations"
    for word, said in (
        ("pass", "holds"),
        ("no answer", "no answer"),
        ("to decide", "to decide"),
        ("skip", "skipped"),
    ):
        if word in words:
            return said
    return ""


def held(result: Result) -> str:
    """How many of the judged attempts held, with the 95 % interval of the rate where the run was repeated."""
    if result.attempts is None:
        return ""
    text = f"{result.attempts[0]} of {result.attempts[1]} attempts"
    rate = result.facts.get(RATE)
    return f"{text}; {figure(rate)}" if rate else text


def outcome_word(result: Result) -> str:
    """FAIL, warning (a failed should), accepted (by the user), no answer, to decide, skip or pass.

    What waits for something accepted is accepted with it.
    """
    if result.accepted and result.status in (Status.FAIL, Status.ERROR):
        return "accepted"
    if result.status is Status.FAIL:
        return "FAIL" if result.level is Level.MUST else "warning"
    return {Status.ERROR: "no answer", Status.MANUAL: "to decide"}.get(result.status, result.status.value)


def count(results: Iterable[Result]) -> str:
    """How many results ended how, the worst first."""
    words = [outcome_word(result) for result in results]
    order = ("FAIL", "warning", "accepted", "no answer", "to decide", "skip", "pass")
    counted = ((words.count(word), word) for word in order)
    return ", ".join(f"{number} {_plural(word, number)}" for number, word in counted if number)


def only_yours(run: TargetRun) -> bool:
    """Whether the run is about the user's application alone: the endpoint was not asked."""
    return bool(run.checks) and all(result.side == "yours" for result in run.checks)


def verdict_on(run: TargetRun) -> str:
    """What the verdict of this run is about."""
    return "your application" if only_yours(run) else "the endpoint"


def guide_lines(run: TargetRun) -> list[Line]:
    """The guide's seven lines in its order, also those of which nothing ran."""
    known = {name: (title, sentence) for name, title, sentence in run.items}
    lines = []
    for name in GUIDE:
        title, sentence = known.get(name, (_title(name), ""))
        results = tuple(result for result in run.checks if guide_name(result.item) == name)
        lines.append(Line(name, title, sentence, results))
    return lines


def other_lines(run: TargetRun) -> list[Line]:
    """The items of which the guide does not speak, as far as a check of theirs was chosen."""
    return [line for line in all_lines(run) if guide_name(line.name) not in GUIDE]


def all_lines(run: TargetRun) -> list[Line]:
    """Every item with a result, in the checklist's order."""
    items = {name: (title, sentence) for name, title, sentence in run.items}
    for result in run.checks:
        items.setdefault(result.item, (_title(result.item), ""))
    lines = [
        Line(name, title, sentence, tuple(result for result in run.checks if result.item == name))
        for name, (title, sentence) in items.items()
    ]
    return [line for line in lines if line.results]


def failing(run: TargetRun) -> list[Result]:
    """What failed: what breaks clients first, then warnings, then what the user accepted."""
    order = ("FAIL", "warning", "accepted")
    failed = [result for result in run.checks if result.status is Status.FAIL]
    return sorted(failed, key=lambda result: order.index(outcome_word(result)))


def regressions(run: TargetRun) -> list[Result]:
    """What failed and counts: everything, or beside a reference run only what got worse."""
    return [result for result in failing(run) if got_worse(result, run.reference)]


def failing_there_too(run: TargetRun) -> list[Result]:
    """What failed in the reference run as well; nothing where there is none."""
    return [result for result in failing(run) if not got_worse(result, run.reference)]


def reference_words(reference: Reference) -> str:
    """Which run this one is held against: "the source openai:gpt-5, 2026-11-01"."""
    target = reference.target
    return f"the {reference.kind} {target.provider}:{target.model}, {reference.started_at[:10]}"


def before_words(result: Result, reference: Reference | None) -> str:
    """How a check ended in the reference run, with its rate; "" where there is no such run."""
    if reference is None:
        return ""
    before = result.before
    if before is None:
        return f"not judged in the {reference.kind}"
    words = {Status.PASS: "held", Status.FAIL: "failed", Status.ERROR: "had no answer"}
    said = f"{words.get(before.status, 'was not judged')} in the {reference.kind}"
    if before.status is Status.FAIL and before.case != result.case:
        said += f", case {before.case or 'none'}"
    if before.attempts is not None:
        said += f", {before.attempts[0]} of {before.attempts[1]} attempts"
    return said


def unanswered(run: TargetRun) -> dict[str, list[Result]]:
    """The checks without an answer by what they wait for: "waits for tool-called", or the reason."""
    groups: dict[str, list[Result]] = {}
    for result in run.checks:
        if result.status is Status.ERROR:
            why = (
                f"wait for {result.blocked_by}"
                if result.blocked_by
                else result.reason or "no reason is known"
            )
            groups.setdefault(why, []).append(result)
    return groups


def skipped(run: TargetRun) -> dict[str, list[Result]]:
    """The checks that were set aside, by reason."""
    groups: dict[str, list[Result]] = {}
    for result in run.checks:
        if result.status is Status.SKIP:
            groups.setdefault(result.reason or "no reason is known", []).append(result)
    return groups


def group_heading(why: str, results: list[Result]) -> str:
    """One line for checks without an answer for one reason."""
    number = f"{len(results)} {'check' if len(results) == 1 else 'checks'}"
    if results[0].blocked_by:
        return f"{number} {why.replace('wait', 'waits', 1) if len(results) == 1 else why}"
    return f"{number} without an answer: {why}"


def breaks(result: Result) -> str:
    """The clients that did not come through this deviation when measured; "" where none was measured."""
    broken = [
        f"{each.client} {each.version} {each.outcome}" for each in result.breaks if each.outcome != "ok"
    ]
    if result.breaks and not broken:
        return f"none of the {len(result.breaks)} clients that were measured"
    return ", ".join(broken)


def known_words(result: Result) -> str:
    """What is documented of this deviation, without its source; "" where nothing is."""
    if result.known is None:
        return ""
    day = f" ({result.known.as_of})" if result.known.as_of else ""
    return f"{result.known.summary}{day}"


def mode_words(mode: Mapping[str, Any]) -> str:
    """What the application sends beside its messages."""
    return ", ".join(f"{name}={compact(value)}" for name, value in mode.items()) or "plain"


def compact(value: object) -> str:
    """A value as short JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def figure(fact: object) -> str:
    """A measured value with its unit, and its interval where it has one."""
    if not isinstance(fact, Mapping):
        return str(fact)
    value, unit = fact.get("value"), str(fact.get("unit") or "")
    text = number(value) if unit == "tokens" else f"{value:.4g}" if isinstance(value, float) else str(value)
    if isinstance(fact.get("low"), (int, float)) and isinstance(fact.get("high"), (int, float)):
        text += f" (95 % interval {fact['low']:.2g} to {fact['high']:.2g})"
    return f"{text} {unit}".strip()


def number(value: object) -> str:
    """A count of tokens as it is spoken of: 800, 32K, 1M."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) < 1000:
        return f"{value:g}" if isinstance(value, float) else str(value)
    return f"{value / 1e6:.3g}M" if abs(value) >= 999_500 else f"{value / 1e3:.3g}K"


def spend_words(spend: Spend, settings: Mapping[str, Any]) -> list[str]:
    """Requests, tokens, cost and how often the run was held back; an unknown price is said as unknown."""
    if settings.get("simulated"):
        cost = "nothing spent: a simulation"
    elif spend.usd is not None:
        pricing = settings.get("pricing")
        cost = f"{spend.usd:.4f} USD{_price_words(pricing, settings.get('live'))}"
    elif settings.get("loopback"):
        cost = "no price: this machine answered"
    else:
        cost = "cost unknown: no price is known"
    held = {0: "never held back", 1: "held back once"}.get(
        spend.held_back, f"held back {spend.held_back} times"
    )
    return [
        f"{spend.requests} {'request' if spend.requests == 1 else 'requests'}",
        f"{spend.prompt_tokens} prompt tokens and {spend.completion_tokens} completion tokens",
        cost,
        held,
    ]


def _price_words(pricing: object, live: object) -> str:
    """Which price was counted with: the endpoint's own of this run, or one of a day."""
    if not isinstance(pricing, Mapping):
        return ""
    if isinstance(live, (list, tuple)) and "pricing" in live:
        return " at the live price, from the endpoint's own model list"
    source, day = pricing.get("source"), pricing.get("as_of")
    if not day:
        return f" at the price in {source}" if source else ""
    return f" at the list price of {day}" + (f" ({source})" if source else "")


def sentence(text: str) -> str:
    """An item's sentence with a capital: in its file it follows a colon."""
    return text[:1].upper() + text[1:]


def guide_name(item: str) -> str:
    """The line under which an item counts: what tools need (definitions, history, streams) is one there."""
    return "tools" if item.startswith("tool-") else item


def _plural(word: str, number: int) -> str:
    if word == "skip":
        return "skipped"
    return "warnings" if word == "warning" and number > 1 else word.lower()


def _title(name: str) -> str:
    return name.replace("-", " ").capitalize()
