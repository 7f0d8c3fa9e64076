"""`llmcompat explain`: what one check asks, why, and what to change."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcompat.cli import options


def explain(
    id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A check's id or an item's name.", autocompletion=options.complete_id
        ),
    ],
    checks: options.Checks = None,
) -> int:
    """Explain one check or item: what is asked, why it matters, and what to change when it fails."""
    import sys
    from pathlib import Path

    from llmcompat.cli import streams
    from llmcompat.cli.loading import load
    from llmcompat.profiles import load_profile, shipped_profiles
    from llmcompat.reports.listing import explain_text

    text = explain_text(
        load(map(Path, checks or ())),
        id,
        profiles=map(load_profile, shipped_profiles()),
        width=streams.width(),
        color=streams.colored(sys.stdout),
    )
    streams.out(text)
    return 0
