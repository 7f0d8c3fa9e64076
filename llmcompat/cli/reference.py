"""The saved run that another is held against: read, judged again by today's checks, and matched by target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from llmcompat.cli.files import read_run
from llmcompat.cli.problems import Problem, printable
from llmcompat.engine.conclude import Against
from llmcompat.engine.loader import Checklist
from llmcompat.engine.rejudge import RejudgeError, rejudge
from llmcompat.engine.selection import SelectionError
from llmcompat.model import Reference, Run, Target, TargetRun


@dataclass(frozen=True)
class References:
    """The runs of one file, judged by today's checks, and what they are to the runs held against them."""

    kind: Literal["source", "baseline"]
    option: str
    path: str
    run: Run

    def against(self, target: Target) -> Against | None:
        """What a run on this target is held against; None where the file holds nothing for it.

        A source has one run, whatever its target. A baseline is the run on the same target, or the only one.
        Raises Problem for a source with several runs.
        """
        runs = self.run.runs
        if self.kind == "source":
            if len(runs) != 1:
                raise Problem(
                    f"{self.option} {printable(self.path)}: holds {len(runs)} runs, a source is one; "
                    "check it alone and export that"
                )
            return self._held(runs[0])
        same = [run for run in runs if same_target(run.target, target)]
        if not same and len(runs) == 1:
            same = list(runs)
        return self._held(same[0]) if same else None

    def _held(self, run: TargetRun) -> Against:
        reference = Reference(self.kind, run.target, run.started_at, self.run.tool_version)
        return Against(run, reference)


def same_target(one: Target, other: Target) -> bool:
    """Whether two runs were made on the same model of the same provider."""
    return (one.provider, one.model) == (other.provider, other.model)


def read_references(
    path: str, kind: Literal["source", "baseline"], option: str, checklist: Checklist, today: date
) -> References:
    """The runs in a file, judged by today's checks. Raises Problem."""
    return References(kind, option, path, judged_again(read_run(path, option), path, checklist, today))


def judged_again(run: Run, path: str, checklist: Checklist, today: date) -> Run:
    """The run with each of its targets judged by today's checks. Raises Problem, which names the file."""
    from dataclasses import replace

    if not run.runs:
        raise Problem(f"{printable(path)}: holds no run; nothing in it can be judged")
    try:
        return replace(run, runs=tuple(rejudge(checklist, each, today=today) for each in run.runs))
    except (RejudgeError, SelectionError) as error:
        raise Problem(f"{printable(path)}: {printable(str(error), 400)}") from None


def pairs(old: Run, new: Run) -> list[tuple[TargetRun, TargetRun]]:
    """Which run of the one file belongs to which of the other: by target, or the only ones of each."""
    if len(old.runs) == len(new.runs) == 1:
        return [(old.runs[0], new.runs[0])]
    found: list[tuple[TargetRun, TargetRun]] = []
    for after in new.runs:
        same = [before for before in old.runs if same_target(before.target, after.target)]
        found += [(same[0], after)] if same else []
    return found


def unpaired(old: Run, new: Run, found: Sequence[tuple[TargetRun, TargetRun]]) -> list[str]:
    """One line for each run that has no counterpart."""
    taken = {id(run) for pair in found for run in pair}
    return [
        f"{printable(run.target.provider)}:{printable(run.target.model)}: only in the {which} file"
        for which, runs in (("old", old.runs), ("new", new.runs))
        for run in runs
        if id(run) not in taken
    ]
