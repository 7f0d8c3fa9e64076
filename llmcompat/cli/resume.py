"""Going on with a run that ended early, from its log or from the run that was saved."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from llmcompat.cli.files import MOST_RUN_BYTES, read_run, reason
from llmcompat.cli.loading import load
from llmcompat.cli.problems import Problem, printable
from llmcompat.cli.runlog import SCHEMA
from llmcompat.cli.target import Plan, find_key, known_secrets
from llmcompat.engine.loader import Checklist
from llmcompat.engine.selection import select
from llmcompat.model import Exchange
from llmcompat.profiles.schema import Profile
from llmcompat.replay.send import PROBE
from llmcompat.reports.json_run import RunFileError, exchange_from
from llmcompat.settings import Settings
from llmcompat.wire.redaction import MASK

_BOUNDS = ("concurrency", "timeout", "deadline", "max_usd", "max_prompt_tokens")
"""Settings that may be others when a run goes on: they decide how far it comes, and not what it asks."""


@dataclass(frozen=True)
class Saved:
    """One target of a run that ended early."""

    settings: Mapping[str, Any]
    profile: Mapping[str, Any]
    key_variables: tuple[str, ...]
    exchanges: tuple[Exchange, ...]

    def is_of(self, settings: Settings) -> bool:
        """Whether it was made on this target."""
        return all(
            self.settings.get(name) == getattr(settings, name) for name in ("provider", "base_url", "model")
        )


def read_saved(path: str) -> list[Saved]:
    """The targets of a run log, or of a run that --export wrote. Raises Problem."""
    name = f"--resume {printable(path)}"
    if not path.endswith(".jsonl"):
        run = read_run(path, "--resume")
        found = [
            Saved(
                each.settings,
                _object(each.profile.get("document"), name, "profile.document"),
                (str(each.profile["key_variable"]),) if each.profile.get("key_variable") else (),
                each.exchanges,
            )
            for each in run.runs
        ]
    else:
        found = _from_log(path, name)
    if not found:
        raise Problem(f"{name}: holds no target; there is nothing to go on with")
    return found


def goes_on(
    saved: Sequence[Saved], changes: Mapping[str, Any], folders: Sequence[Path]
) -> tuple[Checklist, list[Plan]]:
    """What to run to go on: as saved, but for the bounds that the user gives anew. Raises Problem."""
    plans = [_plan(each, changes, os.environ) for each in saved]
    checklist = load(folders, secrets={secret for plan in plans for secret in plan.secrets})
    for plan in plans:
        select(checklist, plan.settings)
    return checklist, plans


def answers_of(saved: Sequence[Saved], plans: Sequence[Plan]) -> list[tuple[Exchange, ...]]:
    """For each plan what was saved of its target. Raises Problem where there is nothing for any."""
    if not saved:
        return []
    found = [next((each.exchanges for each in saved if each.is_of(plan.settings)), None) for plan in plans]
    if all(each is None for each in found):
        names = ", ".join(f"{each.settings.get('provider')}:{each.settings.get('model')}" for each in saved)
        raise Problem(f"--resume: holds answers of {printable(names)} only; name that target, or none")
    return [each or () for each in found]


def _from_log(path: str, name: str) -> list[Saved]:
    lines = _lines(Path(path), name)
    if next(lines, {}).get("schema") != SCHEMA:
        raise Problem(f"{name}: is no run log of this version ({SCHEMA}); give the file that check named")
    targets: dict[int, dict[str, Any]] = {}
    exchanges: dict[int, list[Exchange]] = {}
    for number, line in enumerate(lines, 2):
        target = line.get("target")
        if not isinstance(target, int):
            raise Problem(f"{name}: line {number}: names no target; the log is damaged")
        if "settings" in line:
            targets[target] = line
        elif "exchange" in line:
            if isinstance(line["exchange"], dict) and line["exchange"].get("probe") == PROBE:
                continue  # looked up in the file, one at a time
            try:
                exchanges.setdefault(target, []).append(exchange_from(line["exchange"]))
            except RunFileError as error:
                raise Problem(f"{name}: line {number}: {printable(str(error))}") from None
    return [
        Saved(
            _object(line.get("settings"), name, "settings"),
            _object(line.get("profile"), name, "profile"),
            tuple(map(str, line.get("key_variables") or ())),
            tuple(exchanges.get(target, ())),
        )
        for target, line in sorted(targets.items())
    ]


def _lines(path: Path, name: str) -> Iterator[dict[str, Any]]:
    """The objects of a log; a last line without an end was being written when the process died."""
    for number, raw in enumerate(_raw_lines(path, name), 1):
        try:
            line = json.loads(raw)
        except (ValueError, RecursionError):
            raise Problem(f"{name}: line {number}: is not JSON; the log is damaged") from None
        if not isinstance(line, dict):
            raise Problem(f"{name}: line {number}: is no object; the log is damaged")
        yield line


def _raw_lines(path: Path, name: str) -> Iterator[bytes]:
    """The whole lines of a log, one at a time: the log of a long replay is larger than memory."""
    try:
        with path.open("rb") as stream:
            while raw := stream.readline(MOST_RUN_BYTES):
                if raw.endswith(b"\n"):
                    yield raw[:-1]
    except FileNotFoundError:
        raise Problem(f"{name}: there is no such file") from None
    except IsADirectoryError:
        raise Problem(f"{name}: this is a folder; give a file") from None
    except (OSError, ValueError) as error:
        raise Problem(f"{name}: not read: {reason(error)}") from None


def _plan(saved: Saved, changes: Mapping[str, Any], environ: Mapping[str, str]) -> Plan:
    known = {name: value for name, value in saved.settings.items() if name in Settings.model_fields}
    if known.get("simulated"):
        raise Problem("--resume: a simulation costs nothing; run it again")
    for name, value in (known.get("headers") or {}).items():
        if MASK in str(value):
            raise Problem(
                f"--resume: the header {printable(name, 40)} held a secret, which is not saved; "
                "give the whole command again, with --resume"
            )
    allowed = {name: value for name, value in changes.items() if name in _BOUNDS and value is not None}
    try:
        settings = Settings.model_validate({**known, **allowed})
        profile = Profile.model_validate(saved.profile)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise Problem(f"--resume: {printable(where)}: {first['msg']}; run the check again") from None
    key = _key(saved, settings, profile, environ)
    return Plan(settings, profile, key, known_secrets(environ, profile), key_variables=saved.key_variables)


def _key(saved: Saved, settings: Settings, profile: Profile, environ: Mapping[str, str]) -> str | None:
    if not settings.has_key:
        return None
    named = next((name for name in saved.key_variables if environ.get(name)), None)
    own = {profile.key_variable, *profile.key_variable_aliases}
    return find_key(profile, settings.base_url, named if named not in own else None, environ)


def _object(value: Any, name: str, key: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Problem(f"{name}: {key}: is missing; run the check again with this version")
    return value
