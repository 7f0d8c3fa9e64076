"""`llmcompat list`: what is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmcompat.cli import options

if TYPE_CHECKING:
    from llmcompat.engine.loader import Checklist


def list_checks(format: options.ListingFormat = "table", checks: options.Checks = None) -> int:
    """List the checklist: every item with its checks. Sends nothing."""
    import json
    import sys
    from pathlib import Path

    from llmcompat.cli import streams
    from llmcompat.cli.loading import load
    from llmcompat.cli.problems import table_or_json
    from llmcompat.reports.listing import checks_text

    as_json = table_or_json(format)
    checklist = load(map(Path, checks or ()))
    if as_json:
        streams.out(json.dumps(_as_data(checklist), ensure_ascii=False, indent=1))
    else:
        streams.out(checks_text(checklist, width=streams.width(), color=streams.colored(sys.stdout)))
    return 0


def _as_data(checklist: Checklist) -> list[dict[str, Any]]:
    return [
        {
            "item": item.name,
            "title": item.title,
            "sentence": item.sentence,
            "guide": item.in_guide,
            "checks": [
                {
                    "id": check.id,
                    "title": check.title,
                    "kind": check.kind,
                    "feature": check.feature,
                    "levels": {use_case.value: level.value for use_case, level in check.levels.items()},
                    "why": check.why,
                    "fix": check.fix,
                }
                for check in checklist.of_item(item.name)
            ],
        }
        for item in checklist.items
    ]
