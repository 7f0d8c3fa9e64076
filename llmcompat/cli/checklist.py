"""`llmcompat checklist`: the checklist for a target as an empty Markdown document."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcompat.cli import options


def checklist(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="NAME, NAME:MODEL or a profile file.",
            autocompletion=options.complete_target,
        ),
    ],
    model: options.Model = None,
    use_case: options.UseCaseName = "agent",
    uses: options.Uses = None,
    without: options.Without = None,
    checks: options.Checks = None,
) -> int:
    """Print the checklist for a target in Markdown, not filled in. Sends nothing and needs no key."""
    import os
    from pathlib import Path

    from llmcompat.cli import streams
    from llmcompat.cli.target import Options, plan
    from llmcompat.engine.loader import load_checklist
    from llmcompat.reports.markdown import empty_checklist

    given = Options(
        model=model,
        use_case=use_case,
        uses=tuple(uses or ()),
        without=tuple(without or ()),
        insecure_http=True,
    )
    ready = plan(target, given, os.environ, with_key=False)
    streams.out(empty_checklist(load_checklist(map(Path, checks or ())), ready.profile, ready.settings))
    return 0
