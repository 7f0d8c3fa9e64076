"""One target's month: what is read of it, what it comes to, and who is told."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from llmcompat.billing import price_for
from llmcompat.billing.alerts import SECONDS, Alert, Delivery, post, run_command, secrets_of
from llmcompat.billing.balance import NotRead, Reading, can_be_read, read_balance
from llmcompat.billing.month import (
    Reached,
    Read,
    Spent,
    State,
    month_of,
    month_start,
    projected,
    reached,
    spent_by_reads,
    still_alerted,
    to_tell,
)
from llmcompat.cli.files import read_bounded, write_atomically
from llmcompat.cli.green import state_folder
from llmcompat.cli.problems import Problem, printable
from llmcompat.cli.target import Options, Plan, plan
from llmcompat.cli.tokens import Seen, read_usage
from llmcompat.profiles.schema import origin
from llmcompat.project import Project
from llmcompat.project.schema import Alert as AlertEntry
from llmcompat.reports.alert import payload
from llmcompat.reports.billing import Watched, reached_words
from llmcompat.reports.cost import usd_text
from llmcompat.settings import Pricing
from llmcompat.wire.redaction import Redactor
from llmcompat.yamlfile import one_line

MOST_STATE = 1024 * 1024
"""Bytes of what is remembered that are read."""

USD = "USD"

TOLERANCE = 0.1
"""How far a stated cost may lie from the list price before it is pointed out."""


def name_of(planned: Plan) -> str:
    """The target as alerts and tables call it."""
    settings = planned.settings
    return settings.role or f"{settings.provider}:{settings.model}"


def ready(
    target: str | None, asked: Options, environ: Mapping[str, str], project: Project | None, *, usage: bool
) -> tuple[Plan, str | None]:
    """The target, with its key where its balance can be read; else why it is not read.

    Raises Problem for a key that is missing, unless there is `usage` to go by.
    """
    problem = None
    try:
        planned = plan(target, asked, environ, project=project)
    except Problem as error:
        # a key that nothing would be asked with need not be there
        planned = plan(target, asked, environ, with_key=False, project=project)
        problem = error
    if not can_be_read(planned.profile, planned.settings.base_url):
        reason = "no address is known where the provider tells its balance"
        page = planned.profile.pages.alerts
        return planned, f"{reason}; see {page}" if page else reason
    if problem is not None and not usage:
        raise problem
    return planned, None if problem is None else f"the balance is not read: {problem}"


@dataclass(frozen=True)
class Look:
    """How to look at a target."""

    planned: Plan
    unread: str | None
    """Why its balance is not read; None where it is."""
    usage: Sequence[Path]
    now: datetime
    environ: Mapping[str, str]
    folder: Path
    """What a command's relative path is relative to."""
    again: bool = False

    @property
    def redactor(self) -> Redactor:
        """Masks every key and address that is known."""
        return Redactor({*self.planned.secrets, *([self.planned.key] if self.planned.key else [])})


def watch(look: Look) -> Watched:
    """Read, judge, tell somebody, and remember it. Raises Problem or WorkloadError for a usage file."""
    settings, now = look.planned.settings, look.now
    path = state_path(look.planned)
    state, remarks = _load(path)
    state = (state or State(month=month_of(now))).in_month(now)
    seen = _seen(look)
    reading = _reading(look, remarks)
    if reading is not None and reading.amount is not None and reading.kind != "month":
        state.add(Read(at=now, amount=reading.amount, currency=reading.currency))
    found = tuple(_spent(reading, state, seen, now, remarks))
    in_usd = [each for each in found if each.currency == USD]
    remarks += [
        f"{each.amount:g} {each.currency or 'of an unnamed currency'} is not held against a budget in USD"
        for each in found
        if each.currency != USD and settings.monthly_usd is not None
    ]
    judged = max(in_usd, key=lambda each: each.amount, default=None)
    budget = settings.monthly_usd
    future = projected(judged, now) if judged is not None else None
    share = _share(judged.amount, budget) if judged is not None else None
    if share is not None and future is None:
        remarks.append("spend was seen for less than a day: it is not projected to the month's end")
    left = reading.amount if reading is not None and reading.kind in ("balance", "limit_remaining") else None
    hit = reached(
        share=share,
        projected_share=_share(future, budget),
        alert_at=look.planned.alert_at,
        balance=left,
        floor=settings.balance_floor,
    )
    state.alerted = still_alerted(
        hit, state.alerted, share_known=share is not None, balance_known=left is not None
    )
    watched = Watched(
        name=name_of(look.planned),
        provider=settings.provider,
        model=settings.model,
        month=state.month,
        budget_usd=budget,
        alert_at=look.planned.alert_at,
        floor=settings.balance_floor,
        reading=reading,
        spent=found,
        judged=judged,
        projected_usd=future,
        reached=tuple(hit),
        readable=share is not None or (left is not None and settings.balance_floor is not None),
    )
    watched = _tell(look, watched, state, remarks)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, state.model_dump_json(indent=1) + "\n", private=True)
    except (OSError, ValueError) as error:
        remarks.append(f"not remembered, so that it is told again next time: {type(error).__name__}")
    hide = look.redactor
    return replace(watched, remarks=tuple(hide.text(remark) for remark in remarks))


def state_path(planned: Plan) -> Path:
    """Where a target's month is remembered, whether or not anything is there."""
    settings = planned.settings
    words = re.sub(r"[^a-z0-9.]+", "-", f"{settings.provider}-{settings.model}".lower()).strip("-.")[:80]
    told = f"{settings.provider}\n{settings.base_url}\n{settings.model}\n{settings.role or ''}"
    return state_folder() / "billing" / f"{words}-{sha256(told.encode()).hexdigest()[:10]}.json"


def _load(path: Path) -> tuple[State | None, list[str]]:
    if not path.exists():
        return None, []
    try:
        return State.model_validate_json(read_bounded(path, MOST_STATE, name=str(path))), []
    except (Problem, ValidationError):
        return None, [f"what was remembered is damaged and begins anew: {printable(str(path))}"]


def _seen(look: Look) -> Seen | None:
    if not look.usage:
        return None
    settings, profile = look.planned.settings, look.planned.profile
    home = profile.base_url is not None and origin(profile.base_url) == origin(settings.base_url)

    def price_at(at: datetime) -> Pricing | None:
        known = settings.pricing
        if known is None or known.own or not home:
            return known
        return price_for(profile, settings.model, at)

    return read_usage(
        list(look.usage), provider=settings.provider, model=settings.model, price_at=price_at, now=look.now
    )


def _reading(look: Look, remarks: list[str]) -> Reading | None:
    if look.unread is not None:
        remarks.append(look.unread)
        return None
    planned = look.planned
    try:
        return asyncio.run(
            read_balance(
                planned.profile,
                planned.settings.base_url,
                key=planned.key,
                headers=planned.settings.headers,
                now=look.now,
                redactor=look.redactor,
                trust_environment=not planned.settings.loopback,
            )
        )
    except NotRead as reason:
        remarks.append(f"the balance was not read: {reason}")
        return None


def _spent(
    reading: Reading | None, state: State, seen: Seen | None, now: datetime, remarks: list[str]
) -> list[Spent]:
    """What each source says is spent this month."""
    found = []
    start = month_start(now)
    if reading is not None and reading.spent_month is not None:
        found.append(Spent(reading.spent_month, reading.currency or USD, start, "the provider's own figure"))
    by_reads = spent_by_reads(state.reads, rising=reading is not None and reading.kind == "spent")
    if reading is not None and by_reads is not None:
        found.append(by_reads)
    elif reading is not None and state.reads and reading.spent_month is None:
        remarks.append("this is the month's first reading: what is spent is counted from now on")
        found.append(Spent(0.0, state.reads[-1].currency, now, "1 reading of the balance"))
    if seen is not None:
        found += _by_usage(seen, start, now, remarks)
    return found


def _by_usage(seen: Seen, start: datetime, now: datetime, remarks: list[str]) -> list[Spent]:
    since = max(seen.since, start) if seen.since is not None else start
    total = seen.tokens
    remarks.append(
        f"usage files: {seen.calls:,} calls this month, {total.prompt:,} prompt tokens "
        f"({total.cached:,} cached), {total.completion:,} completion tokens ({total.reasoning:,} reasoning)"
    )
    for count, words in (
        (seen.undated, "say no time and count for this month"),
        (seen.elsewhen, "are of other months and are left out"),
        (seen.uncounted, "are answers without a usage and count nothing"),
    ):
        if count:
            remarks.append(f"usage files: {count:,} calls {words}")
    found = []
    if seen.usd is not None:
        found.append(Spent(seen.usd, USD, since, "usage at list prices"))
    elif seen.calls:
        remarks.append("no price is known for the usage: give one in llmcompat.yaml (prices:)")
    if seen.stated_usd is not None:
        found.append(Spent(seen.stated_usd, USD, since, "the cost that the answers state"))
        remarks.append(
            _stated_words(seen.stated_usd, seen.stated_listed_usd if seen.usd is not None else None)
        )
    if not seen.calls:
        remarks.append("usage files: no call of this month is in them")
    return found


def _stated_words(stated: float, listed: float | None) -> str:
    """What the answers say that they cost, beside what their tokens cost by list prices."""
    words = f"the answers state {usd_text(stated)} USD; by their tokens and list prices it is"
    if listed is None:
        return f"{words} unknown"
    apart = abs(stated - listed) > TOLERANCE * max(listed, stated)
    return f"{words} {usd_text(listed)} USD" + (f": more than {TOLERANCE:.0%} apart" if apart else "")


def _share(amount: float | None, budget: float | None) -> float | None:
    if amount is None or budget is None:
        return None
    if budget == 0:
        return float(amount > 0)
    return amount / budget


def _tell(look: Look, watched: Watched, state: State, remarks: list[str]) -> Watched:
    """Send what is due, and note in `state` what somebody was told of."""
    due = to_tell(watched.reached, state.alerted, again=look.again)
    if not watched.reached:
        return watched
    if not due:
        remarks.append("told already this month; --again tells it once more")
        return watched
    if look.planned.alert is None:
        remarks.append("nobody is told: no alert is set up (budgets.alert in llmcompat.yaml)")
        return watched
    sent, failed, told = [], False, set[str]()
    for each in due:
        ok = True
        alert = _alert(look, watched, each)
        for way, delivery in send(alert, look.planned.alert, look):
            sent.append(f"{way}: {'delivered' if delivery.delivered else 'NOT delivered'}, {delivery.text}")
            ok = ok and delivery.delivered
        failed = failed or not ok
        if ok:
            told.add(each.key)
    if highest := [each.threshold for each in due if each.key in told and each.threshold is not None]:
        # whoever hears of 80 % need not be told of 50 % as well
        told |= {each.key for each in watched.reached if each.threshold and each.threshold <= highest[-1]}
    state.alerted = list(dict.fromkeys([*state.alerted, *sorted(told)]))
    return replace(watched, sent=tuple(sent), undelivered=failed)


def send(
    alert: Alert, entry: AlertEntry, look: Look, *, seconds: float = SECONDS
) -> list[tuple[str, Delivery]]:
    """Send an alert on every way that is set up: what each is called, and how it went."""
    found = []
    hide = Redactor({*look.planned.secrets, *secrets_of(entry.address(look.environ) or "")})
    if entry.webhook is not None:
        address = entry.address(look.environ)
        way = f"webhook ({f'env:{entry.variable}' if entry.variable else 'its address is not shown'})"
        if address:
            delivery = post(address, payload(alert, entry.format), seconds=seconds)
        else:
            delivery = Delivery(False, f"{entry.variable}: no such variable is set; nothing was sent")
        found.append((way, delivery))
    if entry.command is not None:
        delivery = run_command(
            entry.command,
            alert,
            folder=look.folder,
            environ=look.environ,
            secrets=look.planned.secrets,
            seconds=seconds,
        )
        found.append((f"command ({one_line(entry.command[0])})", delivery))
    return [(way, replace(each, text=hide.text(each.text))) for way, each in found]


def _alert(look: Look, watched: Watched, each: Reached) -> Alert:
    spent = watched.judged.amount if watched.judged is not None else None
    words = [f"{watched.name} ({watched.provider}:{watched.model}), {watched.month}: {reached_words(each)}."]
    if spent is not None and watched.budget_usd is not None:
        words.append(f"Spent: {usd_text(spent)} of {usd_text(watched.budget_usd)} USD.")
    if watched.projected_usd is not None:
        words.append(f"By the month's end: {usd_text(watched.projected_usd)} USD.")
    reading = watched.reading
    left = reading.amount if reading is not None and reading.kind in ("balance", "limit_remaining") else None
    if left is not None and reading is not None:
        floor = f" (floor: {watched.floor:g})" if watched.floor is not None else ""
        words.append(f"Balance: {left:g} {reading.currency}{floor}.")
    return Alert(
        kind=each.kind,
        target=watched.name,
        provider=watched.provider,
        model=watched.model,
        text=" ".join(words),
        at=stamp(look.now),
        month=watched.month,
        threshold=each.threshold,
        spent_usd=spent,
        budget_usd=watched.budget_usd,
        projected_usd=watched.projected_usd,
        balance=left,
        floor=watched.floor,
        currency=reading.currency if reading is not None else "",
    )


def tried_alert(look: Look) -> Alert:
    """An alert that says that it is only a test."""
    settings = look.planned.settings
    name = name_of(look.planned)
    return Alert(
        kind="test",
        target=name,
        provider=settings.provider,
        model=settings.model,
        text=f"{name} ({settings.provider}:{settings.model}): this is a test of the billing alert. "
        "Nothing is wrong.",
        at=stamp(look.now),
        month=month_of(look.now),
        budget_usd=settings.monthly_usd,
        floor=settings.balance_floor,
    )


def stamp(moment: datetime) -> str:
    """A moment as runs and alerts write it: UTC, ISO 8601."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
