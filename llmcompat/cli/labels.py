"""The names of the targets of one call: no two may be the same."""

from __future__ import annotations

from collections.abc import Sequence

from llmcompat.cli.problems import Problem, printable
from llmcompat.cli.target import Plan


def labels(plans: Sequence[Plan]) -> list[str]:
    """A name for each target: the provider's; with the model where two share it, else a number."""
    names: list[str] = []
    for plan in plans:
        same = [each for each in plans if each.settings.provider == plan.settings.provider]
        name = plan.settings.provider if len(same) == 1 else f"{plan.settings.provider}:{plan.settings.model}"
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return names


def refuse_twice(targets: Sequence[str], plans: Sequence[Plan]) -> None:
    """Raise Problem where two plans have one provider, model and role: nobody could tell their columns apart.

    `targets` is what was typed for each plan.
    """
    seen: dict[tuple[str, str, str | None], str] = {}
    for target, plan in zip(targets, plans, strict=False):
        settings = plan.settings
        name = (settings.provider, settings.model, settings.role)
        if name not in seen:
            seen[name] = target
            continue
        if seen[name] == target:
            raise Problem(f"{printable(target)}: is given twice; leave one out")
        raise Problem(
            f"{printable(seen[name])} and {printable(target)}: two targets with one name, "
            f"{printable(settings.provider)}:{printable(settings.model)}; leave one out, "
            "or give its profile another name"
        )
