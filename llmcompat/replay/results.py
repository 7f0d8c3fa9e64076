"""What a replay came to: counts, the worst requests and figures, in bounded memory, as results of a run."""

from __future__ import annotations

import heapq
import random
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from llmcompat.engine.judge import wilson
from llmcompat.model import Exchange, Level, Result, Status, UseCase
from llmcompat.replay.compare import Finding
from llmcompat.replay.kinds import Told
from llmcompat.settings import Settings

MOST_SHOWN = 10
"""Requests that one line names."""

MOST_EXCHANGES = 20
"""Requests whose exchanges are kept in the run: those that fail worst."""

_LONGEST_BODY = 64 * 1024
"""Bytes of a kept exchange's answer."""

_MOST_SAMPLES = 10_000
"""Values that a figure is computed from; of more, so many drawn by chance."""

_LONGEST_TEXT = 700

_SLOWER, _LEAST_SLOWER = 2.0, 1.0
"""Slower counts from so many times the old median on, and so many seconds above it."""
_LEAST_PAIRS = 3


@dataclass(frozen=True)
class Line:
    """One line of the report on a replay."""

    item: str
    """The guide's line that it counts for."""
    level: Level
    title: str
    why: str
    fix: str


_MUST, _SHOULD = Level.MUST, Level.SHOULD

LINES: Mapping[str, Line] = {
    "workload-accepted": Line(
        "prompts",
        _MUST,
        "Your requests are accepted.",
        "A request that is refused here is an error page for whoever sent it.",
        "Read what the refusal names, and change that field for this target; a gateway may do it for you.",
    ),
    "workload-same-kind": Line(
        "prompts",
        _MUST,
        "Your requests get the same kind of answer.",
        "Code that expects text stumbles over a tool call, a refusal or nothing.",
        "Read the answers beside the old ones; adapt the prompt, or raise the cap where it cut the answer.",
    ),
    "workload-expectations": Line(
        "prompts",
        _MUST,
        "Answers are what your requests expect.",
        "You said what an answer must hold.",
        "Adapt the prompt to this model, or the expectation where it asks too much.",
    ),
    "workload-long-accepted": Line(
        "long-prompts",
        _MUST,
        "Your long requests are accepted.",
        "The longest conversations belong to the users who rely on you most.",
        "Choose a model with a larger context window, or shorten what you send.",
    ),
    "workload-tools": Line(
        "tools",
        _MUST,
        "The same tools are called.",
        "A tool that is not called is a task that is not done.",
        "Say in the prompt when to call it, or force it with tool_choice.",
    ),
    "workload-tool-arguments": Line(
        "tools",
        _MUST,
        "Arguments are JSON that fits your tools.",
        "Your function is called with them as they are.",
        "Validate arguments before you use them, and ask again with the error.",
    ),
    "workload-expected-call": Line(
        "tools",
        _MUST,
        "The calls that you expect are made.",
        "You said which call an answer must make.",
        "Describe the tool and its arguments more exactly.",
    ),
    "workload-tool-count": Line(
        "tools",
        _SHOULD,
        "Tools are called as often as before.",
        "A call more is work done twice; a call less may be a step left out.",
        "Look at the calls beside the old ones.",
    ),
    "workload-tool-values": Line(
        "tools",
        _SHOULD,
        "Switches and choices in arguments are as before.",
        "Another value of an enum or a boolean is another action.",
        "Describe in the tool what each value stands for.",
    ),
    "workload-json": Line(
        "json-outputs",
        _MUST,
        "Answers that you parse are JSON that fits.",
        "A parser takes no fence around JSON, and no field less.",
        "Use response_format as this target offers it, and validate what comes.",
    ),
    "workload-expected-json": Line(
        "json-outputs",
        _MUST,
        "JSON fits the schema that you expect.",
        "You said which schema an answer must fit.",
        "Send the schema with response_format, or show an example in the prompt.",
    ),
    "workload-json-shape": Line(
        "json-outputs",
        _SHOULD,
        "JSON has the shape of the old answers.",
        "Without a schema the keys that your code reads are the model's habit.",
        "Send a JSON Schema, so that the shape is asked for.",
    ),
    "workload-streaming": Line(
        "streaming",
        _MUST,
        "Streams can be read to their end.",
        "A chunk that breaks the parser ends the answer in front of the user.",
        "See the streaming checks of the endpoint; ask without a stream until it is mended.",
    ),
    "workload-usage": Line(
        "billing",
        _SHOULD,
        "Answers say what they used, as before.",
        "Without usage your own cost accounts stand still.",
        "Ask with stream_options.include_usage, or count tokens yourself.",
    ),
    "workload-finish-reason": Line(
        "prompts",
        _SHOULD,
        "finish_reason is one that your code knows.",
        "An answer that is cut at its cap looks like a whole one.",
        "Raise the cap for this model; treat unknown reasons as an end.",
    ),
    "workload-length": Line(
        "prompts",
        _SHOULD,
        "Answers are about as long as before.",
        "Pages and budgets are made for a length.",
        "Say in the prompt how long an answer should be.",
    ),
    "workload-language": Line(
        "prompts",
        _SHOULD,
        "Answers are in the same language.",
        "Some models fall back to the language they were trained in.",
        "Name the language in the system message.",
    ),
    "workload-markdown": Line(
        "prompts",
        _SHOULD,
        "Answers use Markdown as before.",
        "Where Markdown is not rendered, users read its marks.",
        "Ask for plain text, or render Markdown.",
    ),
    "workload-similarity": Line(
        "prompts",
        _SHOULD,
        "Answers speak of the same.",
        "A label that is another one, or a text that shares no words with the old one, is worth a look.",
        "Read these answers beside the old ones.",
    ),
    "workload-latency": Line(
        "prompts",
        _SHOULD,
        "Answers come about as fast as before.",
        "Users and timeouts are used to the old speed.",
        "Stream the answers, choose a faster model, or raise your timeouts.",
    ),
    "workload-comparison": Line(
        "prompts",
        _SHOULD,
        "A model that compares both answers does not prefer the old ones.",
        "Likeness of words says little of quality.",
        "Read the answers that lost; adapt the prompt to this model.",
    ),
}
"""Every line that a replay may decide, in the order of the report."""


@dataclass(frozen=True)
class Judged:
    """One time that a request was answered."""

    findings: Sequence[Finding]
    new: Told
    exchange: Exchange | None = None


@dataclass(order=True)
class _Worst:
    """A request in a heap whose first element is the least bad; of two alike the later one."""

    score: tuple[int, int]
    order: int
    text: str = field(compare=False, default="")
    finding: Finding | None = field(compare=False, default=None)
    exchange: Exchange | None = field(compare=False, default=None)
    id: str | None = field(compare=False, default=None)
    """The id of its exchange."""


@dataclass
class _Count:
    held: int = 0
    judged: int = 0
    there_too: int = 0
    cases: Counter[str] = field(default_factory=Counter)
    worst: list[_Worst] = field(default_factory=list)


class _Samples:
    """Values for a median; beyond `_MOST_SAMPLES` each one has the same chance to count."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.seen = 0
        self._random = random.Random(0)

    def add(self, value: float) -> None:
        self.seen += 1
        if len(self.values) < _MOST_SAMPLES:
            self.values.append(value)
        elif (place := self._random.randrange(self.seen)) < _MOST_SAMPLES:
            self.values[place] = value

    def at(self, share: float) -> float:
        ordered = sorted(self.values)
        return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


class Tally:
    """Takes what was found of each request; what it holds does not grow with their number."""

    def __init__(self, redact: Callable[[str], str] = lambda text: text) -> None:
        self._redact = redact
        self._counts: dict[str, _Count] = {}
        self._worst: list[_Worst] = []
        self._samples: dict[str, _Samples] = {}
        self._sums: Counter[str] = Counter()
        self._usd: float | None = 0.0
        self._unanswered: Counter[str] = Counter()
        self._there_too: list[str] = []
        self.requests = 0
        """Requests that were judged at least once."""
        self.answers = 0
        self.without_old = 0
        self.answered = False
        """Whether any request was answered at all."""

    def add(self, custom_id: str, line: int, old: Told | None, rounds: Sequence[Judged]) -> None:
        """Count all that was found of one request, in however many rounds it was sent."""
        if not rounds:
            return
        self.requests += 1
        self.answers += len(rounds)
        self.without_old += old is None
        failed: dict[str, list[tuple[Finding, Judged]]] = {}
        for judged in rounds:
            self.answered = self.answered or judged.new.accepted
            for finding in judged.findings:
                self._count(finding)
                if finding.case is not None and not finding.there_too:
                    failed.setdefault(finding.line, []).append((finding, judged))
                elif finding.there_too and len(self._there_too) < MOST_SHOWN:
                    self._remember(custom_id, finding)
            self._measure(old, judged.new)
        levels = [LINES[name].level for name in failed]
        score = levels.count(_MUST), levels.count(_SHOULD)
        for name, found in failed.items():
            finding = found[0][0]
            often = f", {len(found)} of {len(rounds)} times" if len(rounds) > 1 else ""
            text = f"{custom_id} ({finding.case}{often}): {finding.seen}"
            shown = found[0][1].exchange
            worst = _Worst(score, -line, text, finding, id=shown.id if shown else None)
            _push(self._counts[name].worst, worst, MOST_SHOWN)
        first = next((judged for found in failed.values() for _, judged in found if judged.exchange), None)
        if first is not None and first.exchange is not None:
            _push(self._worst, _Worst(score, -line, exchange=_bounded(first.exchange)), MOST_EXCHANGES)

    def unanswered(self, reason: str) -> None:
        """Count one time that there was no answer for a reason that says nothing of the endpoint."""
        self._unanswered[reason] += 1

    def tokens_cost(self, usd: float | None) -> None:
        """Add what the old answer cost at its own list price; None where that price is unknown."""
        if usd is None:
            self._usd = None
        elif self._usd is not None:
            self._usd += usd

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Those of the worst requests, the worst first."""
        return tuple(each.exchange for each in sorted(self._worst, reverse=True) if each.exchange is not None)

    def results(
        self,
        settings: Settings,
        *,
        of: int,
        stopped: str | None = None,
        skipped: int = 0,
        new_usd: float | None = None,
    ) -> list[Result]:
        """One result for each line that something was judged for.

        `of` is how many requests the workload has, `skipped` how many lines of its file are none. `stopped`
        says why not all were sent. `new_usd` is what the new answers cost, None where no price is known.
        """
        results = [
            self._result(name, self._counts[name], settings)
            for name in LINES
            if name in self._counts and self._counts[name].judged
        ]
        if not any(result.id == "workload-accepted" for result in results):
            results.insert(0, _plain("workload-accepted", settings, Status.PASS))
        results = [
            self._overall(result, of, stopped, skipped) if result.id == "workload-accepted" else result
            for result in results
        ]
        if (latency := self._latency(settings)) is not None:
            results.append(latency)
        return self._with_figures(results, settings, new_usd)

    def _count(self, finding: Finding) -> None:
        count = self._counts.setdefault(finding.line, _Count())
        if finding.there_too:
            count.there_too += 1
            return
        count.judged += 1
        count.held += finding.case is None
        if finding.case is not None:
            count.cases[finding.case] += 1

    def _remember(self, custom_id: str, finding: Finding) -> None:
        text = f"{custom_id} ({finding.line.removeprefix('workload-')}, {finding.case})"
        if text not in self._there_too:
            self._there_too.append(text)

    def _measure(self, old: Told | None, new: Told) -> None:
        if not new.accepted:
            return
        for name, told in (("old", old), ("new", new)):
            if told is None or not told.accepted:
                continue
            if old is not None and old.accepted and told.seconds is not None:
                self._sample(f"{name}_answer", told.seconds)
            if told.first_byte is not None:
                self._sample(f"{name}_first_byte", told.first_byte)
            for kind in ("prompt_tokens", "completion_tokens"):
                self._sums[f"{name}_{kind}"] += getattr(told, kind) or 0

    def sample(self, name: str, value: float) -> None:
        """Note one value of a figure."""
        self._sample(name, value)

    def _sample(self, name: str, value: float) -> None:
        self._samples.setdefault(name, _Samples()).add(value)

    def _result(self, name: str, count: _Count, settings: Settings) -> Result:
        worst = sorted(count.worst, reverse=True)
        failed = count.held < count.judged
        facts: dict[str, Any] = {}
        if settings.repeat > 1:
            low, high = wilson(count.held, count.judged)
            facts["rate"] = {
                "value": round(count.held / count.judged, 4),
                "unit": "",
                "low": round(low, 4),
                "high": round(high, 4),
            }
        notes = [self._text(each.text) for each in worst[1:]]
        if len(count.cases) > 1:
            notes.append(", ".join(f"{case}: {number}" for case, number in count.cases.most_common(10)))
        if count.there_too:
            notes.append(f"{count.there_too} deviate as the old answer did: not counted")
        first = worst[0] if worst else None
        kept = {each.id for each in self.exchanges}
        return _plain(
            name,
            settings,
            Status.FAIL if failed else Status.PASS,
            case=count.cases.most_common(1)[0][0] if failed else None,
            seen=self._text(first.text) if first else None,
            expected=self._text(first.finding.expected) if first and first.finding else None,
            attempts=(count.held, count.judged),
            notes=tuple(notes),
            facts=facts,
            exchanges=tuple(each.id for each in worst if each.id in kept and each.id is not None),
        )

    def _overall(self, result: Result, of: int, stopped: str | None, skipped: int) -> Result:
        """The line of "accepted at all", which also says what was not asked."""
        notes = list(result.notes)
        if self.requests and self.without_old:
            notes.append(f"{self.without_old} of {self.requests} requests have no old answer to compare with")
        if self._there_too:
            notes.append(f"deviate as the old answers did: {', '.join(map(self._text, self._there_too))}")
        if skipped:
            notes.append(f"{skipped} lines of the workload are no requests and were left out")
        reasons = [f"{number} without an answer: {why}" for why, number in self._unanswered.most_common(3)]
        if stopped is not None:
            reasons.insert(0, f"{self.requests} of {of} requests were judged: {stopped}")
        status = result.status
        nothing_came = self.requests > 0 and not self.answered
        if nothing_came and status is Status.FAIL and (result.case or "") == "no-answer":
            status, reasons = Status.ERROR, [*reasons, f"no request was answered: {result.seen}"]
        elif not self.requests:
            status, reasons = Status.ERROR, reasons or ["no request was sent"]
        elif reasons and status is Status.PASS:
            status = Status.ERROR
        elif reasons:
            notes += reasons
        facts = {"requests": {"value": self.requests, "unit": f"of {of}"}, **result.facts}
        reason = self._text("; ".join(reasons)) if status is Status.ERROR else None
        return replace(result, status=status, reason=reason, notes=tuple(notes), facts=facts)

    def _latency(self, settings: Settings) -> Result | None:
        old, new = self._samples.get("old_answer"), self._samples.get("new_answer")
        if old is None or new is None or min(old.seen, new.seen) < _LEAST_PAIRS:
            return None
        before, now = statistics.median(old.values), statistics.median(new.values)
        slower = now > _SLOWER * before and now - before > _LEAST_SLOWER
        facts = {
            f"{name}_{label}": {"value": round(self._samples[key].at(share), 3), "unit": "s"}
            for name, key in (("old", "old_answer"), ("new", "new_answer"))
            for label, share in (("p50", 0.5), ("p95", 0.95))
        }
        for name in ("old_first_byte", "new_first_byte"):
            if name in self._samples:
                facts[f"{name}_p50"] = {"value": round(self._samples[name].at(0.5), 3), "unit": "s"}
        return _plain(
            "workload-latency",
            settings,
            Status.FAIL if slower else Status.PASS,
            case="slower" if slower else None,
            seen=f"{now:.2f} s at the median",
            expected=f"about {before:.2f} s, as before",
            facts=facts,
        )

    def _with_figures(self, results: list[Result], settings: Settings, new_usd: float | None) -> list[Result]:
        facts: dict[str, Any] = {}
        for name in ("old", "new"):
            for kind in ("prompt_tokens", "completion_tokens"):
                if value := self._sums[f"{name}_{kind}"]:
                    facts[f"{name}_{kind}"] = {"value": value, "unit": "tokens"}
        if facts and self._usd:
            facts["old_cost"] = {"value": round(self._usd, 6), "unit": "USD at OpenAI's list price"}
        if facts and new_usd is not None:
            facts["new_cost"] = {"value": round(new_usd, 6), "unit": "USD"}
        alike = self._samples.get("similarity")
        done = []
        for result in results:
            if result.id == "workload-usage":
                result = replace(result, facts={**result.facts, **facts})
            elif result.id == "workload-similarity" and alike is not None:
                median = {"value": round(statistics.median(alike.values), 1), "unit": "of 100"}
                result = replace(result, facts={**result.facts, "median_similarity": median})
            done.append(result)
        return done

    def _text(self, text: str) -> str:
        text = self._redact(text)
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _plain(name: str, settings: Settings, status: Status, **more: Any) -> Result:
    line = LINES[name]
    return Result(
        id=name,
        item=line.item,
        title=line.title,
        kind="wire",
        status=status,
        level=line.level,
        levels={use_case.value: line.level for use_case in UseCase},
        why=line.why,
        fix=line.fix,
        side="yours",
        **more,
    )


def _push(heap: list[_Worst], each: _Worst, most: int) -> None:
    if len(heap) < most:
        heapq.heappush(heap, each)
    else:
        heapq.heappushpop(heap, each)


def _bounded(exchange: Exchange) -> Exchange:
    """The exchange as it is kept in the run: a long answer to its first part."""
    if len(exchange.body) <= _LONGEST_BODY:
        return exchange
    kept = tuple(each for each in exchange.arrivals if each[0] <= _LONGEST_BODY)
    return replace(exchange, body=exchange.body[:_LONGEST_BODY], arrivals=kept, ended="bounded")
