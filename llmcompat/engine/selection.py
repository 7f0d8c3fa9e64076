"""Which checks are judged in a run, which are set aside and why, and which probes that takes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.util import find_spec

from llmcompat.declare import Check, Probe
from llmcompat.engine.loader import GIVEN, Checklist
from llmcompat.model import UseCase
from llmcompat.settings import USE_CASE_FEATURES, LatencyBudget, Settings

GROUND = ("models_list", "hello", "basics")
"""What every run asks first."""

OPT_IN_FEATURES = frozenset({"responses", "batch"})
"""Other APIs than chat, which few applications call: asked where --uses or --only names them."""

OPT_IN_ITEMS = {"sdk": "openai"}
"""Items that ask again, in another way, what others ask: only where --only names them, with their package."""

BUDGET_CHECK = "latency-budget"
"""A must for whoever sets a budget: without one it stays out, also where its samples have no answer."""


class SelectionError(Exception):
    """A selection names nothing that exists, or leaves nothing. One line, with the nearest names."""


@dataclass(frozen=True)
class Selection:
    """What is judged, what is set aside with the reason, and what is asked."""

    checks: tuple[Check, ...]
    skipped: dict[str, str]
    probes: dict[str, Probe]
    unasked: frozenset[str] = frozenset()
    """Those set aside because the use case does not need them: another use case would."""


def select(checklist: Checklist, settings: Settings) -> Selection:
    """Apply `--only`, `--skip`, `--without` and `--quick`.

    What is not of every run is left out unless it is named.
    Raises SelectionError for a name or pattern that matches nothing and for a selection that leaves nothing
    to judge.
    """
    chosen = _matching(checklist, settings.only, "--only") if settings.only else dict(checklist.checks)
    dropped = _matching(checklist, settings.skip, "--skip")
    skipped: dict[str, str] = {}
    unasked: set[str] = set()
    judged: list[Check] = []
    for check in chosen.values():
        if check.id in dropped:
            skipped[check.id] = "--skip"
        elif check.feature in settings.without:
            skipped[check.id] = f"--without {check.feature}"
        elif (reason := not_asked(check, settings)) is not None:
            skipped[check.id] = reason
            if check.item not in OPT_IN_ITEMS and check.feature in USE_CASE_FEATURES[UseCase.AGENT]:
                unasked.add(check.id)
        elif settings.quick and not _is_quick(check, checklist):
            skipped[check.id] = "not in --quick"
        else:
            judged.append(check)
    if not judged:
        reasons = "; ".join(dict.fromkeys(skipped.values()))
        raise SelectionError(
            f"the selection leaves no check to judge ({reasons}); loosen --only, --skip or --without"
        )
    probes = _probes(judged, checklist, settings)
    return Selection(tuple(judged), skipped, probes, frozenset(unasked))


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """The names nearest to one that does not exist, as text to put behind an error; "" where none is near."""
    found = difflib.get_close_matches(name, list(known), n=count, cutoff=0.4)
    return f"; did you mean {', '.join(found)}?" if found else ""


def _matching(checklist: Checklist, patterns: Iterable[str], option: str) -> dict[str, Check]:
    found: dict[str, Check] = {}
    for pattern in patterns:
        hits = {
            check.id: check
            for check in checklist.checks.values()
            if fnmatchcase(check.id, pattern) or fnmatchcase(check.item, pattern)
        }
        if not hits:
            names = [*checklist.checks, *(item.name for item in checklist.items)]
            near = nearest(pattern, names)
            raise SelectionError(f"{option}: no check or item is named {pattern}{near} (see llmcompat list)")
        found |= hits
    return found


def not_asked(check: Check, settings: Settings) -> str | None:
    """Why a check that is not of every run is set aside; None where it is asked.

    Whoever names it with --only has asked for it: `settings.only` then holds nothing but what was named.
    """
    if check.id == BUDGET_CHECK and settings.latency == LatencyBudget():
        return "no latency budget is set"
    package = OPT_IN_ITEMS.get(check.item)
    if package is not None:
        if not settings.only:
            return f"not asked: name it with --only {check.item}"
        if find_spec(package) is None:
            return f"the package {package} is missing: pip install 'llmcompat[{check.item}]'"
    elif check.feature in USE_CASE_FEATURES[UseCase.AGENT] and not settings.asks_for(check.feature):
        if not settings.only:
            return f"not asked for {settings.use_case.value}: name it with --uses {check.feature}"
    elif check.feature in OPT_IN_FEATURES and check.feature not in settings.uses and not settings.only:
        return f"not asked: name it with --uses {check.feature}"
    return None


def _is_quick(check: Check, checklist: Checklist) -> bool:
    asked = [checklist.probes[name] for name in check.needs if name in checklist.probes]
    if not asked:
        return "exchanges" in check.needs or check.kind == "manual"
    return all(probe.quick for probe in asked)


def _probes(judged: Iterable[Check], checklist: Checklist, settings: Settings) -> dict[str, Probe]:
    """The probes that the checks name, what those need and stand on, and the ground of every run."""
    wanted = [name for check in judged for name in check.needs if name not in GIVEN]
    wanted.extend(GROUND)
    found: dict[str, Probe] = {}
    while wanted:
        probe = checklist.probes[wanted.pop()]
        if probe.name not in found:
            found[probe.name] = probe
            wanted.extend(probe.needs)
            if not settings.quick or all(checklist.probes[ground].quick for ground in probe.grounds):
                wanted.extend(probe.grounds)
    return {name: probe for name, probe in checklist.probes.items() if name in found}
