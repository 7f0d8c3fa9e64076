"""Options that several commands share, and what a shell completes them with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

TARGET = "Target"
REQUESTS = "Requests"
CHOICE = "What is checked"
BOUNDS = "Bounds"
OUTPUT = "Output"


def complete_target(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of the shipped profiles."""
    from llmcompat.profiles import load_profile, shipped_profiles

    return (
        (name, load_profile(name).display_name) for name in shipped_profiles() if name.startswith(incomplete)
    )


def complete_id(incomplete: str) -> Iterator[tuple[str, str]]:
    """Ids of checks and names of items; in a comma list, the last part is completed."""
    from llmcompat.engine.loader import load_checklist

    done, comma, last = incomplete.rpartition(",")
    checklist = load_checklist()
    names = [
        *((item.name, item.title) for item in checklist.items),
        *((check.id, check.title) for check in checklist.checks.values()),
    ]
    return ((f"{done}{comma}{name}", title) for name, title in names if name.startswith(last))


def complete_format(incomplete: str) -> Iterator[str]:
    """Names of the formats."""
    from llmcompat.reports import FORMATS

    return (name for name in FORMATS if name.startswith(incomplete))


def complete_use_case(incomplete: str) -> Iterator[str]:
    """Names of the use cases."""
    from llmcompat.model import UseCase

    return (each.value for each in UseCase if each.value.startswith(incomplete))


def complete_feature(incomplete: str) -> Iterator[str]:
    """Names of features; in a comma list, the last part is completed."""
    from llmcompat.profiles import FEATURES

    done, comma, last = incomplete.rpartition(",")
    return (f"{done}{comma}{name}" for name in FEATURES if name.startswith(last))


def complete_fault(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of the simulator's faults."""
    from llmcompat.simulator.faults import FAULTS, HARMLESS

    return (
        (name, fault.summary) for name, fault in {**FAULTS, **HARMLESS}.items() if name.startswith(incomplete)
    )


def option(
    *names: str, panel: str, help: str, metavar: str | None = None, complete: object = None
) -> typer.models.OptionInfo:
    """An option in a panel of the help."""
    info: typer.models.OptionInfo = typer.Option(
        *names,
        help=help,
        metavar=metavar,
        rich_help_panel=panel,
        autocompletion=complete,  # type: ignore[arg-type]
        show_default=True,
    )
    return info


BaseUrl = Annotated[
    str | None,
    option(
        "--base-url",
        panel=TARGET,
        metavar="URL",
        help="Where the API is, up to and with /v1. Without TARGET also give --model.",
    ),
]
Model = Annotated[
    str | None, option("--model", panel=TARGET, metavar="ID", help="The chat model. Default: the profile's.")
]
EmbeddingModel = Annotated[
    str | None,
    option(
        "--embedding-model",
        panel=TARGET,
        metavar="ID",
        help="The model for embeddings. Default: the profile's.",
    ),
]
VisionModel = Annotated[
    str | None,
    option(
        "--vision-model", panel=TARGET, metavar="ID", help="The model for images. Default: the profile's."
    ),
]
UseCaseName = Annotated[
    str,
    option(
        "--for",
        panel=CHOICE,
        metavar="USE",
        complete=complete_use_case,
        help="What decides: chat, agent (chat, tools and JSON) or trial (the wire basics).",
    ),
]
Uses = Annotated[
    list[str] | None,
    option(
        "--uses",
        panel=CHOICE,
        metavar="FEATURES",
        complete=complete_feature,
        help="Features that your application also needs, such as embeddings,vision.",
    ),
]
Without = Annotated[
    list[str] | None,
    option(
        "--without",
        panel=CHOICE,
        metavar="FEATURES",
        complete=complete_feature,
        help="Features that your application does not use: their checks are skipped.",
    ),
]
Checks = Annotated[
    list[str] | None,
    option("--checks", panel=CHOICE, metavar="DIR", help="A folder with checks of your own. Repeatable."),
]
InsecureHttp = Annotated[
    bool, option("--insecure-http", panel=REQUESTS, help="Allow plain http beyond this machine.")
]
ListingFormat = Annotated[str, option("--format", panel=OUTPUT, metavar="FORMAT", help="table or json.")]
