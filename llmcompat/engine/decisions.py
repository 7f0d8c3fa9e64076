"""What people decided: signed manual lines and accepted deviations, laid over what the checks found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

from llmcompat.model import Acceptance, Level, Result, Signature, Status, Target
from llmcompat.settings import Settings

_FACTS_HASH_VERSION = "1"


class Named(Protocol):
    """What a signature is bound to beside the facts; a `Target` and a run's `Settings` have it."""

    @property
    def provider(self) -> str:
        """The name of the profile."""

    @property
    def base_url(self) -> str:
        """Where the requests go."""

    @property
    def model(self) -> str:
        """The chat model's id."""


@dataclass(frozen=True)
class Decided:
    """The results with what people decided about them."""

    results: list[Result]
    stale: tuple[Acceptance, ...] = ()
    """What was accepted and was judged here, and did not occur."""
    lapsed: tuple[str, ...] = ()
    """Signatures and acceptances that no longer count, each with the reason, in one line."""


def facts_hash(target: Named, check: str, facts: str) -> str:
    """What a signature of this check is bound to: "1:" and half a SHA-256 of target, check and facts."""
    bound = [target.provider, target.base_url, target.model, check, facts]
    digest = hashlib.sha256(json.dumps(bound, ensure_ascii=True).encode()).hexdigest()
    return f"{_FACTS_HASH_VERSION}:{digest[:32]}"


def decide_by_people(results: Sequence[Result], settings: Settings, target: Target, today: date) -> Decided:
    """Lay `settings.signatures` and `settings.accepted` over the results; `today` says what has expired.

    A signed line passes, an accepted failure carries the reason, and so does what waits for one. With
    `settings.require_signoff` a manual line that nobody signed becomes a must without an answer.
    """
    lapsed: list[str] = []
    done = [_signed(result, settings, target, today, lapsed) for result in results]
    counting = []
    for acceptance in settings.accepted:
        if _is_over(acceptance.until, today):
            lapsed.append(f"{named(acceptance)}: was accepted until {acceptance.until}")
        else:
            counting.append(acceptance)
    done = [_accepted(result, counting) for result in done]
    by_id = {result.id: result for result in done}
    return Decided(
        results=[_waiting_for_accepted(result, by_id) for result in done],
        stale=tuple(each for each in counting if _is_stale(each, by_id.get(each.check))),
        lapsed=tuple(lapsed),
    )


def lapse(signature: Signature, facts: str | None, today: date) -> str | None:
    """Why a signature does not count for the facts with this hash; None where it does."""
    if signature.facts != facts:
        return f"the facts have changed since {signature.by} signed on {signature.on}"
    if _is_over(signature.expires, today):
        return f"the signature by {signature.by} of {signature.on} expired on {signature.expires}"
    return None


def named(acceptance: Acceptance) -> str:
    """CHECK or CHECK:CASE, as `llmcompat accept` takes it."""
    return acceptance.check if acceptance.case is None else f"{acceptance.check}:{acceptance.case}"


def _signed(result: Result, settings: Settings, target: Target, today: date, lapsed: list[str]) -> Result:
    """A manual line as its signature leaves it; why one lapsed is added to `lapsed`."""
    if result.status is not Status.MANUAL:
        return result
    reasons = []
    for signature in settings.signatures:
        if signature.check != result.id:
            continue
        reason = lapse(signature, result.facts_hash, today)
        if reason is None:
            return replace(result, status=Status.PASS, signature=signature)
        reasons.append(reason)
    lapsed.extend(f"{result.id}: {reason}" for reason in reasons)
    unsigned = replace(result, notes=(*result.notes, *reasons))
    if not settings.require_signoff:
        return unsigned
    command = f'llmcompat sign {target.role or "TARGET"} {result.id} --by "…"'
    return replace(
        unsigned,
        status=Status.ERROR,
        level=Level.MUST,
        levels=dict.fromkeys(result.levels, Level.MUST),
        reason=f"not signed: {command}",
    )


def _accepted(result: Result, acceptances: Sequence[Acceptance]) -> Result:
    """A failure with the reason for which the user lives with it: that of its case before that of any."""
    if result.status is not Status.FAIL:
        return result
    matching = [each for each in acceptances if each.check == result.id and each.case in (None, result.case)]
    if not matching:
        return result
    chosen = next((each for each in matching if each.case is not None), matching[0])
    until = f" (until {chosen.until})" if chosen.until else ""
    return replace(result, accepted=f"{chosen.reason}{until}")


def _waiting_for_accepted(result: Result, by_id: Mapping[str, Result]) -> Result:
    """What has no answer only because an accepted check failed is accepted with it."""
    if result.status is not Status.ERROR:
        return result
    for owner in _owners(result, by_id):
        if owner.status is Status.FAIL and owner.accepted:
            return replace(result, accepted=f"waits for {owner.id}, which is accepted")
    return result


def _owners(result: Result, by_id: Mapping[str, Result]) -> Iterator[Result]:
    """The check that a result waits for, the one that this waits for, and so on."""
    seen = {result.id}
    while result.blocked_by is not None and result.blocked_by in by_id and result.blocked_by not in seen:
        result = by_id[result.blocked_by]
        seen.add(result.id)
        yield result


def _is_stale(acceptance: Acceptance, result: Result | None) -> bool:
    """Whether the check was judged here and did not end in this failure."""
    if result is None or result.status not in (Status.PASS, Status.FAIL):
        return False
    return result.status is Status.PASS or acceptance.case not in (None, result.case)


def _is_over(until: str | None, today: date) -> bool:
    """Whether the last day on which something counts is past; what is no date never counts."""
    if until is None:
        return False
    try:
        return date.fromisoformat(until) < today
    except ValueError:
        return True
