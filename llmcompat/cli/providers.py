"""`llmcompat providers`: what is published about the endpoints that are known by name."""

from __future__ import annotations

from typing import Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import CHOICE, option


def providers(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="One provider, or a profile file, in full.",
            autocompletion=options.complete_target,
        ),
    ] = None,
    needs: Annotated[
        list[str] | None,
        option(
            "--needs",
            panel=CHOICE,
            metavar="FEATURES",
            complete=options.complete_feature,
            help="Only those that say that they offer these, such as embeddings,vision.",
        ),
    ] = None,
    format: options.ListingFormat = "table",
) -> int:
    """Compare providers, gateways and local servers as published; nothing in it is measured."""
    import json
    import sys
    from datetime import UTC, datetime

    from llmcompat.cli import streams
    from llmcompat.cli.problems import Problem, table_or_json
    from llmcompat.cli.target import parse_features
    from llmcompat.profiles import comparison_row, load_profile, shipped_profiles
    from llmcompat.reports.listing import provider_text, providers_text

    as_json = table_or_json(format)
    wanted = parse_features(needs or (), "--needs")
    today = datetime.now(UTC).date()
    width, color = streams.width(), streams.colored(sys.stdout)
    if name is not None:
        if wanted:
            raise Problem("--needs: chooses among all providers; leave NAME out")
        profile = load_profile(name)
        text = (
            json.dumps(profile.model_dump(mode="json"), ensure_ascii=False, indent=1)
            if as_json
            else provider_text(profile, today, width=width, color=color)
        )
        streams.out(text)
        return 0
    profiles = [load_profile(each) for each in shipped_profiles()]
    found = [
        each
        for each in profiles
        if wanted <= {feature for feature, offer in each.features.items() if offer.offered}
    ]
    if as_json:
        streams.out(json.dumps([comparison_row(each, today) for each in found], ensure_ascii=False, indent=1))
    elif found:
        streams.out(providers_text(found, today, width=width, color=color))
    else:
        streams.say(f"--needs {','.join(sorted(wanted))}: no profile says that all of these are offered")
    return 0
