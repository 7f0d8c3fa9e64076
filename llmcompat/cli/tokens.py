"""Reading how many tokens an application used: a workload with its answers, a log of answers, saved runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmcompat.billing.cost import Sample, usd
from llmcompat.billing.month import month_of
from llmcompat.billing.usage import (
    MOST_TOKENS,
    Tokens,
    answer_characters,
    cap_of,
    estimated,
    prompt_characters,
    stated_cost,
    tokens_of,
)
from llmcompat.cli.files import read_run
from llmcompat.cli.problems import Problem, printable
from llmcompat.reply import dig, is_int
from llmcompat.settings import Pricing
from llmcompat.workload import Answers, Request, Skipped, answers_path, read_answers, read_requests
from llmcompat.workload.format import CHAT, COMPLETIONS, RESPONSES, Answer, read_calls

if TYPE_CHECKING:
    from llmcompat.model import TargetRun

_MODEL_WRITES = (CHAT, COMPLETIONS, RESPONSES)
"""The urls at which a chat model is asked."""

_MOST_MODELS = 20
_MOST_MODEL = 100
_HEAD = 512
"""Bytes at the beginning of a file that tell a saved run from JSON Lines."""

PriceAt = Callable[[datetime], Pricing | None]
"""The price of a model at a time."""


def read_sample(workload: Path, answers: Path | None) -> Sample:
    """The tokens of a workload's requests, by its answers where there are any.

    Without `answers` those beside the workload are taken, if there are any. Raises WorkloadError for a file
    that cannot be read, Problem for a workload in which nothing can be counted.
    """
    beside = answers_path(workload)
    if answers is None and beside.exists():
        answers = beside
    reader = _Reader()
    if answers is None:
        for each in read_requests(workload):
            reader.add(each, None)
    else:
        with read_answers(answers) as known:
            for each in read_requests(workload):
                reader.add(each, known)
    if not reader.counted:
        why = "; ".join(f"{reason} ({count})" for reason, count in reader.left_out.items())
        raise Problem(
            f"{printable(str(workload))}: no request in it can be counted" + (f": {why}" if why else "")
        )
    return reader.sample()


@dataclass(frozen=True, slots=True)
class _Counted:
    """One request: what is known of its answer's tokens is None where nothing is."""

    tokens: Tokens
    unanswered: bool = False
    cap: int | None = None


class _Reader:
    """Counts requests one after the other and holds only numbers of each."""

    def __init__(self) -> None:
        self.counted: list[_Counted] = []
        self.left_out: Counter[str] = Counter()
        self._models: dict[str, None] = {}
        self._stated: list[float] = []

    def add(self, request: Request | Skipped, answers: Answers | None) -> None:
        """Count one line of the workload."""
        if isinstance(request, Skipped):
            self.left_out["a line that is no request"] += 1
            return
        if request.url not in _MODEL_WRITES:
            self.left_out[f"asks {request.url}"] += 1
            return
        answer = answers.get(request.custom_id) if answers is not None else None
        if answer is not None and answer.status is not None and answer.status >= 400:
            self.left_out["was refused"] += 1
            return
        self.counted.append(self._count(request, answer))

    def _count(self, request: Request, answer: Answer | None) -> _Counted:
        if answer is not None and (tokens := _answer_tokens(answer)) is not None:
            model = dig(answer.body, "model")
            if isinstance(model, str) and len(self._models) < _MOST_MODELS:
                self._models.setdefault(model[:_MOST_MODEL])
            if (cost := stated_cost(dig(answer.body, "usage"))) is not None:
                self._stated.append(cost)
            return _Counted(tokens)
        prompt = estimated(prompt_characters(request.body))
        written = answer_characters(answer.body) if answer is not None else None
        if written is not None:
            return _Counted(Tokens(prompt, completion=estimated(written), estimated=True))
        return _Counted(Tokens(prompt, estimated=True), unanswered=True, cap=cap_of(request.body))

    def sample(self) -> Sample:
        """All of them; what has no answer writes as much as the others do on average, within its cap."""
        known = [each.tokens.completion for each in self.counted if not each.unanswered]
        mean = round(sum(known) / len(known)) if known else None
        tokens, without = [], 0
        for each in self.counted:
            if not each.unanswered:
                tokens.append(each.tokens)
                continue
            caps = [value for value in (mean, each.cap) if value is not None]
            without += not caps
            tokens.append(Tokens(each.tokens.prompt, completion=min(caps, default=0), estimated=True))
        return Sample(
            tuple(tokens),
            estimated=sum(each.estimated for each in tokens),
            without_output=without,
            left_out=dict(self.left_out),
            models=tuple(self._models),
            stated_usd=sum(self._stated) if self._stated else None,
            stated=len(self._stated),
        )


def _answer_tokens(answer: Answer) -> Tokens | None:
    """By the answer's usage, else by the counters that were kept of it."""
    found = tokens_of(dig(answer.body, "usage"))
    if found is None and _plausible(answer.prompt_tokens):
        completion = answer.completion_tokens if _plausible(answer.completion_tokens) else 0
        return Tokens(answer.prompt_tokens or 0, completion=completion or 0)
    return found


def _plausible(count: int | None) -> bool:
    return count is not None and 0 <= count < MOST_TOKENS


@dataclass(slots=True)
class Seen:
    """What usage files say of one month."""

    calls: int = 0
    """Answers with a usage."""
    tokens: Tokens = field(default_factory=Tokens)
    usd: float | None = None
    """By list prices; None where no price is known."""
    stated_usd: float | None = None
    """What the answers themselves say that they cost."""
    stated_listed_usd: float = 0.0
    """What those cost by list prices."""
    undated: int = 0
    """Calls that say no time: they count for this month."""
    elsewhen: int = 0
    """Calls of other months, which are left out."""
    uncounted: int = 0
    """Answers without a usage."""
    since: datetime | None = None
    """The first of the calls that say when."""


def read_usage(files: list[Path], *, provider: str, model: str, price_at: PriceAt, now: datetime) -> Seen:
    """The usage of this month in answers files (Batch output) and saved runs (only of this target's model).

    Raises WorkloadError or Problem for a file that cannot be read.
    """
    seen = Seen()
    prices: dict[datetime, Pricing | None] = {}

    def price(at: datetime) -> Pricing | None:
        hour = at.replace(minute=0, second=0, microsecond=0)
        if hour not in prices:
            prices[hour] = price_at(hour)
        return prices[hour]

    for path in files:
        if _is_run(path):
            for run in read_run(path, "--usage").runs:
                if run.target.provider == provider and run.target.model == model and not run.simulated:
                    _add_run(seen, run, price, now)
            continue
        for call in read_calls(path):
            if isinstance(call, Answer) and (call.status is None or call.status < 400):
                _add_call(seen, call, price, now)
    return seen


def _add_call(seen: Seen, call: Answer, price: PriceAt, now: datetime) -> None:
    tokens = _answer_tokens(call)
    if tokens is None:
        seen.uncounted += call.status is not None
        return
    at = _when(call)
    _add(seen, tokens, at, price, now, stated_cost(dig(call.body, "usage")))


def _add_run(seen: Seen, run: TargetRun, price: PriceAt, now: datetime) -> None:
    tokens = Tokens(run.spend.prompt_tokens, completion=run.spend.completion_tokens)
    _add(
        seen,
        tokens,
        _moment(run.started_at),
        price,
        now,
        None,
        calls=run.spend.requests,
        usd_known=run.spend.usd,
    )


def _add(
    seen: Seen,
    tokens: Tokens,
    at: datetime | None,
    price: PriceAt,
    now: datetime,
    stated: float | None,
    *,
    calls: int = 1,
    usd_known: float | None = None,
) -> None:
    if at is not None and month_of(at) != month_of(now):
        seen.elsewhen += calls
        return
    seen.calls += calls
    seen.tokens += tokens
    if at is None:
        seen.undated += calls
    elif seen.since is None or at < seen.since:
        seen.since = at
    known = price(at or now)
    cost = usd(tokens, known) if known is not None else usd_known
    if cost is not None:
        seen.usd = (seen.usd or 0.0) + cost
    if stated is not None:
        seen.stated_usd = (seen.stated_usd or 0.0) + stated
        seen.stated_listed_usd += cost or 0.0


def _when(call: Answer) -> datetime | None:
    """When a call was made: as it was recorded, else as the answer says."""
    if call.started_at is not None and (at := _moment(call.started_at)) is not None:
        return at
    for name in ("created", "created_at"):
        value: Any = dig(call.body, name)
        if is_int(value) and 0 < value < 2**33:
            return datetime.fromtimestamp(value, UTC)
    return None


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _is_run(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return b'"llmcompat.run/' in stream.read(_HEAD)
    except OSError:
        return False  # what is wrong with it is said when it is read
