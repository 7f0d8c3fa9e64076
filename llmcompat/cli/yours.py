"""What was found of the user's own application, from other runs: rehearsals, replays, test alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from llmcompat.cli.files import read_run
from llmcompat.cli.problems import Problem, printable
from llmcompat.engine.conclude import with_yours
from llmcompat.engine.rejudge import settings_of
from llmcompat.model import Exchange, Result, TargetRun


@dataclass(frozen=True)
class Yours:
    """Results about the application, each id once, with the exchanges that they name."""

    results: tuple[Result, ...]
    exchanges: tuple[Exchange, ...]

    def added_to(self, run: TargetRun, today: date) -> TargetRun:
        """The run with these results in the place of what it held of the application under the same ids."""
        ids = {result.id for result in self.results}
        kept = replace(run, checks=tuple(each for each in run.checks if each.id not in ids))
        start = max((_number(each) for each in run.exchanges), default=0)
        names = {each.id: f"e{start + number}" for number, each in enumerate(self.exchanges, 1)}
        results = [
            replace(each, exchanges=tuple(names[id] for id in each.exchanges if id in names))
            for each in self.results
        ]
        exchanges = [replace(each, id=names[each.id]) for each in self.exchanges]
        return with_yours(kept, settings_of(run), results, today=today, exchanges=exchanges)


def read_yours(paths: Sequence[str]) -> Yours:
    """What the files hold of the application; of a result that several hold, the last one. Raises Problem."""
    results: dict[str, Result] = {}
    exchanges: list[Exchange] = []
    for path in paths:
        found = 0
        for run in read_run(path, "--yours").runs:
            start = len(exchanges)
            names = {each.id: f"e{start + number}" for number, each in enumerate(run.exchanges, 1)}
            exchanges += [replace(each, id=names[each.id]) for each in run.exchanges]
            for each in run.checks:
                if each.side == "yours":
                    found += 1
                    ids = tuple(names[id] for id in each.exchanges if id in names)
                    results[each.id] = replace(each, exchanges=ids)
        if not found:
            raise Problem(
                f"--yours {printable(path)}: holds nothing about your application; give what rehearse, "
                "billing test-alert or check --workload exported"
            )
    named = {id for result in results.values() for id in result.exchanges}
    return Yours(tuple(results.values()), tuple(each for each in exchanges if each.id in named))


def _number(exchange: Exchange) -> int:
    digits = exchange.id[1:]
    return int(digits) if digits.isdigit() else 0
