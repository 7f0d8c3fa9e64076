"""Judging a saved run again, with the checks of today and no request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from llmcompat.engine.conclude import Against, Brought, conclude, with_yours
from llmcompat.engine.ground import DeadEnd
from llmcompat.engine.loader import Checklist
from llmcompat.engine.selection import select
from llmcompat.model import Status, TargetRun
from llmcompat.profiles import ProfileError, load_profile
from llmcompat.profiles.schema import Profile
from llmcompat.settings import Settings
from llmcompat.wire.redaction import Redactor


class RejudgeError(Exception):
    """A saved run lacks what judging it takes. One line that says what."""


def rejudge(
    checklist: Checklist,
    run: TargetRun,
    *,
    today: date,
    changes: Mapping[str, Any] | None = None,
    against: Against | None = None,
) -> TargetRun:
    """The run with the results that today's checks come to on what it brought.

    `changes` replace settings that decide how results weigh (use_case, clients, strict, accepted …). A check
    that is new since then has no answer; a result whose check is not loaded stands as it was. Raises
    RejudgeError for a run that holds no usable settings, and SelectionError for a selection that leaves
    nothing to judge.
    """
    settings = settings_of(run, changes or {})
    if run.checks and all(result.side == "yours" for result in run.checks):
        # the endpoint was not asked, so that its checklist has nothing to say here
        plain = [replace(result, accepted=None, before=None) for result in run.checks]
        bare = replace(run, checks=(), stale=(), use_case=settings.use_case)
        return with_yours(bare, settings, plain, today=today, against=against)
    profile = _profile(run)
    selection = select(checklist, settings)
    known = checklist.checks.keys()
    brought = Brought(
        asks=run.asks,
        exchanges={exchange.id: exchange for exchange in run.exchanges},
        unasked=run.unasked,
        stopped=_ending(run),
        basics=run.basics,
        mode=run.target.mode,
        seed=run.seed,
        started_at=run.started_at,
        seconds=run.seconds,
        spend=run.spend,
    )
    judged = conclude(
        checklist,
        selection,
        settings,
        profile,
        brought,
        today=today,
        redact=Redactor().text,
        against=against,
        location=run.location,
        kept=[replace(each, accepted=None, before=None) for each in run.checks if each.id not in known],
    )
    of_today = {name for name, _, _ in judged.items}
    kept = tuple(item for item in run.items if item[0] not in of_today)
    return replace(judged, profile={**run.profile, **judged.profile}, items=(*judged.items, *kept))


def _ending(run: TargetRun) -> DeadEnd | None:
    """Why the run ended early; a run that came to nothing says so at every check."""
    if run.stopped is None:
        return None
    judged = any(each.status in (Status.PASS, Status.FAIL) and each.kind != "manual" for each in run.checks)
    return DeadEnd(run.stopped, run.exit_code, underway=judged)


def settings_of(run: TargetRun, changes: Mapping[str, Any] = MappingProxyType({})) -> Settings:
    """The settings of a saved run, with changes. Raises RejudgeError."""
    known = {name: value for name, value in run.settings.items() if name in Settings.model_fields}
    try:
        return Settings.model_validate({**known, **changes})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(step) for step in first["loc"])
        raise RejudgeError(f"settings.{key}: {first['msg']}; run the check again with this version") from None


def _profile(run: TargetRun) -> Profile:
    """The profile as the run saw it; for a run that does not hold one, the shipped one of its name."""
    document = run.profile.get("document")
    if document is not None:
        try:
            return Profile.model_validate(document)
        except ValidationError:
            raise RejudgeError("profile.document: is not a profile; run the check again") from None
    name = str(run.profile.get("name") or run.target.provider)
    try:
        return load_profile(name)
    except ProfileError:
        return Profile.model_validate({"name": "endpoint", "base_url": run.target.base_url})
