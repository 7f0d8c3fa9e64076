"""Replaying an application's requests as a part of `check`: options, data that may be sent, and going on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmcompat.cli.problems import Problem, nearest, printable
from llmcompat.cli.target import Options, Plan, plan
from llmcompat.engine.conclude import Against, with_yours
from llmcompat.engine.decisions import lapse
from llmcompat.engine.judge import manual_lines
from llmcompat.engine.loader import Checklist
from llmcompat.model import Exchange, TargetRun
from llmcompat.replay.model_judge import ModelJudge
from llmcompat.replay.results import LINES, Tally
from llmcompat.replay.send import PROBE, replay
from llmcompat.replay.workload import CHARACTERS_PER_TOKEN, Counted, Workload
from llmcompat.reports.json_run import RunFileError, exchange_from
from llmcompat.wire.pacing import Pacers
from llmcompat.workload import answers_path
from llmcompat.workload.short_form import requests_of

if TYPE_CHECKING:
    import asyncio

    from llmcompat.cli.resume import Saved
    from llmcompat.project import Project

POLICY = ("data-retention", "data-training", "data-region", "data-subprocessors")
"""The lines that a person signs before captured data goes to a target."""

GROUND_CHECK = "chat-accepted"
"""What is judged of the endpoint where nothing but the replay is wanted: that it is there and answers."""


@dataclass(frozen=True)
class Asked:
    """What the command line says of a replay, as it was typed."""

    workload: str | None = None
    answers: str | None = None
    map: tuple[str, ...] = ()
    compare_with: str | None = None
    unsigned_data: bool = False
    strict_input: bool = False
    workload_only: bool = False


@dataclass(frozen=True)
class Replaying:
    """A replay that is ready: what is sent, and what compares answers."""

    workload: Workload
    counted: Counted
    comparing: Plan | None = None
    """The model that compares answers."""
    earlier: tuple[EarlierAnswers | None, ...] = field(default=(), repr=False)
    """For each plan what a run that ended early brought."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that --map names: a simulator must know them."""
        return tuple((self.workload.models or {}).values())

    def notes(self) -> Iterator[str]:
        """What the user is told of the input before anything is sent."""
        name = printable(str(self.workload.file))
        yield from (f"{name}:{each.line}: {each.reason}: skipped" for each in self.counted.skipped)
        more = self.counted.unusable - len(self.counted.skipped)
        if more > 0:
            yield f"{name}: {more} more lines skipped"

    def estimate(self, repeat: int) -> str:
        """What it would send, in one line."""
        tokens = self.counted.characters // CHARACTERS_PER_TOKEN * repeat
        requests = self.counted.requests * repeat
        return f"workload: {requests} requests more, with about {tokens} prompt tokens"


def prepare_replay(
    asked: Asked, project: Project | None, plans: Sequence[Plan], checklist: Checklist
) -> Replaying | None:
    """What to replay: the file that is named, and the project file's own requests; None for nothing.

    Reads all of it once. Raises Problem, also where data may not go to a target, and WorkloadError.
    """
    short = tuple(requests_of(project.content.workload)) if project is not None else ()
    # whoever names what is checked, or wants it quick, names the rest out
    narrowed = all(each.settings.only or each.settings.quick for each in plans)
    if asked.workload is None:
        for option, value in (
            ("--answers", asked.answers),
            ("--map", asked.map),
            ("--compare-with", asked.compare_with),
            ("--unsigned-data", asked.unsigned_data),
            ("--strict-input", asked.strict_input),
        ):
            if value and not short:
                raise Problem(f"{option}: goes with --workload FILE")
        if asked.workload_only and not short:
            raise Problem("--workload-only: give --workload FILE, or `workload:` in llmcompat.yaml")
        if not short or (narrowed and not asked.workload_only):
            return None
    workload = Workload(
        Path(asked.workload) if asked.workload is not None else None,
        _answers_file(asked),
        short,
        _models(asked.map),
    )
    # what cannot be read is said before anything is sent
    if (old := workload.answers()) is not None:
        old.close()
    counted = workload.count(strict=asked.strict_input)
    if not counted.requests:
        why = f": line {counted.skipped[0].line} {counted.skipped[0].reason}" if counted.skipped else ""
        raise Problem(f"--workload {printable(str(workload.file))}: holds no request{why}")
    unknown = [old for old in workload.models or {} if old not in counted.models]
    if unknown:
        known = nearest(unknown[0], sorted(counted.models)) if counted.models else "it names none"
        raise Problem(f"--map {printable(unknown[0], 100)}: no request names this model; {printable(known)}")
    comparing = None
    if asked.compare_with is not None:
        comparing = plan(asked.compare_with, Options(), os.environ, project=None)
    if asked.workload is not None and not asked.unsigned_data:
        today = datetime.now(UTC).date()
        for each in (*plans, *([comparing] if comparing is not None else [])):
            refuse_unsigned(each, checklist, today)
    return Replaying(workload, counted, comparing)


def refuse_unsigned(plan: Plan, checklist: Checklist, today: date) -> None:
    """Raise Problem where captured data would go to a target whose data policy nobody has signed.

    What stays on this machine needs no signature.
    """
    settings = plan.settings
    if settings.loopback or plan.built_in or settings.simulated:
        return
    checks = [checklist.checks[id] for id in POLICY if id in checklist.checks]
    lines, _ = manual_lines(checks, plan.profile, settings)
    unsigned = [
        line.check.id
        for line in lines
        if not any(
            each.check == line.check.id and lapse(each, line.hash, today) is None
            for each in settings.signatures
        )
    ]
    if unsigned:
        name = settings.role or settings.provider
        raise Problem(
            f"{name}: captured data goes there only when its data policy is signed, and "
            f"{', '.join(unsigned)} {'is' if len(unsigned) == 1 else 'are'} not: "
            f'llmcompat sign {name} data-policy --by "…", '
            "or --unsigned-data; nothing was sent"
        )


def only_replay(plans: Sequence[Plan]) -> list[Plan]:
    """The plans with no more of the checklist than shows that the endpoint is there. Raises Problem."""
    for each in plans:
        if each.settings.quick:
            raise Problem("--workload-only: leave --quick out")
    return [
        replace(each, settings=each.settings.model_copy(update={"only": (GROUND_CHECK,), "skip": ()}))
        for each in plans
    ]


async def replayed(
    replaying: Replaying,
    plan: Plan,
    run: TargetRun,
    *,
    number: int,
    comparing: Plan | None,
    against: Against | None,
    on_exchange: Callable[[Exchange], None],
    on_progress: Callable[[int, int], None],
    stop: asyncio.Event,
    pacers: Pacers,
) -> TargetRun:
    """The run with the results of the replay, which is not begun where the run itself ended early."""
    today = datetime.now(UTC).date()
    counted = replaying.counted
    if run.stopped is not None or stop.is_set():
        reason = run.stopped or "the run was interrupted"
        none = Tally().results(plan.settings, of=counted.requests, stopped=reason)
        return with_yours(run, plan.settings, none, today=today, stopped=reason, against=against)
    judge = None
    if comparing is not None:
        judge = ModelJudge(
            comparing.settings, comparing.profile, key=comparing.key, secrets_to_hide=comparing.secrets
        )
    found = await replay(
        replaying.workload,
        plan.settings,
        plan.profile,
        run,
        of=counted.requests,
        skipped=counted.unusable,
        key=plan.key,
        secrets_to_hide=plan.secrets,
        on_exchange=on_exchange,
        on_progress=on_progress,
        earlier=replaying.earlier[number] if replaying.earlier else None,
        judge=judge,
        stop=stop,
        pacers=pacers,
    )
    return with_yours(
        run,
        plan.settings,
        found.results,
        today=today,
        exchanges=found.exchanges,
        spend=found.spend,
        seconds=found.seconds,
        stopped=found.stopped,
        against=against,
    )


class EarlierAnswers:
    """The answers of a replay in a run log, by the identity of their request; held are places in the file."""

    def __init__(self, path: Path, places: Mapping[str, Sequence[int]]) -> None:
        self._path = path
        self._places = places

    def get(self, identity: str) -> list[Exchange]:
        """All tries of this request; none where it was not asked, or nothing came of it."""
        places = self._places.get(identity, ())
        if not places:
            return []
        tries = []
        try:
            with self._path.open("rb") as stream:
                for offset in places:
                    stream.seek(offset)
                    tries.append(exchange_from(json.loads(stream.readline())["exchange"]))
        except (OSError, ValueError, KeyError, TypeError, RunFileError):
            return []
        if not tries or tries[-1].status is None or tries[-1].ended == "cut":
            return []
        passing = tries[-1].status in (401, 402, 408, 409, 429) or tries[-1].status >= 500
        return [] if passing else tries


def with_earlier(
    replaying: Replaying | None,
    path: str | None,
    log: str | None,
    saved: Sequence[Saved],
    plans: Sequence[Plan],
) -> Replaying | None:
    """The replay with what a run log holds of it.

    `log` is where this run keeps its own. Raises Problem for a log whose workload is not given.
    """
    if path is None or not path.endswith(".jsonl"):
        return replaying
    if replaying is not None and log is not None and Path(log).resolve() == Path(path).resolve():
        raise Problem(f"--log {printable(log)}: is the log that is gone on with; name another file")
    places = _places(Path(path))
    if replaying is None:
        if any(places.values()):
            raise Problem(
                f"--resume {printable(path)}: that run replayed a workload; give --workload once more"
            )
        return None
    earlier: list[EarlierAnswers | None] = []
    for each in plans:
        numbers = [number for number, one in enumerate(saved) if one.is_of(each.settings)]
        earlier.append(EarlierAnswers(Path(path), places.get(numbers[0], {})) if numbers else None)
    return replace(replaying, earlier=tuple(earlier))


def ids() -> tuple[str, ...]:
    """The ids of all lines of a replay, which may be accepted as those of checks."""
    return tuple(LINES)


def _places(path: Path) -> dict[int, dict[str, list[int]]]:
    """Where the exchanges of a replay stand in a log, for each target, by the identity of their request."""
    found: dict[int, dict[str, list[int]]] = {}
    offset = 0
    with path.open("rb") as stream:
        for raw in stream:
            here, offset = offset, offset + len(raw)
            if b'"probe":"workload"' not in raw or not raw.endswith(b"\n"):
                continue
            try:
                line = json.loads(raw)
            except ValueError:
                continue
            target = line.get("target") if isinstance(line, dict) else None
            exchange = line.get("exchange") if isinstance(line, dict) else None
            if isinstance(target, int) and isinstance(exchange, dict) and exchange.get("probe") == PROBE:
                places = found.setdefault(target, {})
                places.setdefault(str(exchange.get("identity")), []).append(here)
    return found


def _answers_file(asked: Asked) -> Path | None:
    """The file of old answers: the one that is named, else the one beside the workload, if there is one."""
    if asked.answers is not None:
        return Path(asked.answers)
    if asked.workload is None:
        return None
    beside = answers_path(Path(asked.workload))
    return beside if beside.is_file() else None


def _models(texts: Sequence[str]) -> dict[str, str]:
    """Models given as OLD=NEW. Raises Problem."""
    found: dict[str, str] = {}
    for text in texts:
        old, equals, new = (part.strip() for part in text.partition("="))
        if not equals or not old or not new:
            raise Problem(f"--map {printable(text, 80)}: must be OLD=NEW, such as gpt-4o=deepseek-chat")
        if found.setdefault(old, new) != new:
            raise Problem(f"--map {printable(old, 80)}: is given two models; leave one out")
    return found
