"""Options that several commands share, and what a shell completes them with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, ParamSpec

import typer

TARGET = "Target"
REQUESTS = "Requests"
CHOICE = "What is checked"
BOUNDS = "Bounds"
YOURS = "Your application"
OUTPUT = "Output"

_MOST_COMPLETED = 32 * 1024 * 1024
"""Bytes of a saved run that are read to complete the names in it."""


Completions = list[str | tuple[str, str]]
"""Words for a shell, some with what they mean."""

_Given = ParamSpec("_Given")


def completing(
    function: Callable[_Given, Iterable[str | tuple[str, str]]],
) -> Callable[_Given, Completions]:
    """Whatever is wrong where names come from, a shell that completes a word gets none, and no error."""

    @functools.wraps(function)
    def quietly(*arguments: _Given.args, **more: _Given.kwargs) -> Completions:
        try:
            return list(function(*arguments, **more))
        except Exception:
            return []

    return quietly


@completing
def complete_target(incomplete: str) -> Iterator[str | tuple[str, str]]:
    """The targets of the project file here, and the names of the shipped profiles."""
    from llmcompat.profiles import load_profile, shipped_profiles

    yield from ((name, f"target of {file}") for name, file in _roles() if name.startswith(incomplete))
    for name in shipped_profiles():
        if name.startswith(incomplete):
            yield name, load_profile(name).display_name


@completing
def complete_provider(incomplete: str) -> Iterator[str | tuple[str, str]]:
    """Names of the shipped profiles."""
    from llmcompat.profiles import load_profile, shipped_profiles

    return (
        (name, load_profile(name).display_name) for name in shipped_profiles() if name.startswith(incomplete)
    )


@completing
def complete_id(incomplete: str) -> Iterator[str | tuple[str, str]]:
    """Ids of checks and names of items; in a comma list, the last part is completed."""
    from llmcompat.engine.loader import load_checklist

    done, comma, last = incomplete.rpartition(",")
    checklist = load_checklist()
    names = [
        *((item.name, item.title) for item in checklist.items),
        *((check.id, check.title) for check in checklist.checks.values()),
    ]
    return ((f"{done}{comma}{name}", title) for name, title in names if name.startswith(last))


@completing
def complete_shown(context: typer.Context, incomplete: str) -> Iterator[str | tuple[str, str]]:
    """What the saved run named before holds: its checks, what failed first, and its exchanges."""
    import json
    from pathlib import Path

    with Path(str(context.params["run"])).open("rb") as stream:
        # one that is larger would keep a shell waiting
        document = json.loads(stream.read(_MOST_COMPLETED))
    checks = [check for run in document["runs"] for check in run["checks"]]
    checks.sort(key=lambda check: check["status"] != "fail")
    names = {check["id"]: f"{check['status']}: {check['title']}" for check in checks}
    if incomplete[:1] == "e" and incomplete[1:].isdecimal():
        names |= {each["id"]: each["probe"] for run in document["runs"] for each in run["exchanges"]}
    return ((name, said) for name, said in names.items() if name.startswith(incomplete))


@completing
def complete_format(incomplete: str) -> Iterator[str]:
    """Names of the formats."""
    from llmcompat.reports import FORMATS

    return (name for name in FORMATS if name.startswith(incomplete))


@completing
def complete_export(incomplete: str) -> Iterator[str]:
    """Formats to put before a path; behind the colon, and where none begins so, the shell completes files."""
    from llmcompat.reports import FORMATS

    return (f"{name}:" for name in FORMATS if incomplete and f"{name}:".startswith(incomplete))


@completing
def complete_use_case(incomplete: str) -> Iterator[str]:
    """Names of the use cases."""
    from llmcompat.model import UseCase

    return (each.value for each in UseCase if each.value.startswith(incomplete))


@completing
def complete_feature(incomplete: str) -> Iterator[str]:
    """Names of features; in a comma list, the last part is completed."""
    from llmcompat.profiles import FEATURES

    done, comma, last = incomplete.rpartition(",")
    return (f"{done}{comma}{name}" for name in FEATURES if name.startswith(last))


@completing
def complete_client(incomplete: str) -> Iterator[str | tuple[str, str]]:
    """Names of client libraries; in a comma list, the last part is completed."""
    from llmcompat.clients.facts import clients

    done, comma, last = incomplete.rpartition(",")
    return (
        (f"{done}{comma}{name}", f"as measured with {client.version}")
        for name, client in clients().items()
        if name.startswith(last)
    )


@completing
def complete_fault(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of the simulator's faults; in a comma list, the last part is completed."""
    from llmcompat.simulator.faults import FAULTS, HARMLESS

    done, comma, last = incomplete.rpartition(",")
    return (
        (f"{done}{comma}{name}", fault.summary)
        for name, fault in {**FAULTS, **HARMLESS}.items()
        if name.startswith(last)
    )


@completing
def complete_scenario(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of the shipped scenarios of a rehearsal; in a comma list, the last part is completed."""
    from llmcompat.rehearsal.scenario import load_scenarios

    done, comma, last = incomplete.rpartition(",")
    return (
        (f"{done}{comma}{name}", each.title)
        for name, each in load_scenarios().items()
        if name.startswith(last)
    )


def _roles() -> list[tuple[str, str]]:
    """The targets of the project file here, each with the file's name; none without a file to read."""
    from pathlib import Path

    try:
        from llmcompat.project.file import find_project, load_project

        path = find_project(Path.cwd())
        return [(name, path.name) for name in load_project(path).targets] if path is not None else []
    except Exception:
        # a broken file is told by the command itself, not in the middle of a line that is typed
        return []


def option(
    *names: str,
    panel: str,
    help: str,
    metavar: str | None = None,
    complete: object = None,
    count: bool = False,
    default: str | None = None,
) -> typer.models.OptionInfo:
    """An option in a panel of the help.

    `default` is shown as such where the option is None unless it is given.
    """
    info: typer.models.OptionInfo = typer.Option(
        *names,
        help=f"{help} [default: {default}]" if default else help,
        metavar=metavar,
        rich_help_panel=panel,
        count=count,
        autocompletion=complete,  # type: ignore[arg-type]
        show_default=not count,
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
    str | None,
    option(
        "--for",
        panel=CHOICE,
        metavar="USE",
        complete=complete_use_case,
        help="What decides: chat, agent (chat, tools and JSON) or trial (the wire basics).",
        default="agent",
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
    bool | None,
    option(
        "--insecure-http/--no-insecure-http", panel=REQUESTS, help="Allow plain http beyond this machine."
    ),
]
Verbose = Annotated[
    int,
    option(
        "--verbose",
        "-v",
        panel=OUTPUT,
        count=True,
        help="Tell more: every note and name, and a line of progress for every probe. "
        "-vv: also the requests and answers of what failed.",
    ),
]
ProjectFile = Annotated[
    str | None,
    option(
        "--project",
        panel=TARGET,
        metavar="FILE",
        help="The project file. Default: llmcompat.yaml in the working folder or the nearest one above.",
    ),
]
NoProject = Annotated[bool, option("--no-project", panel=TARGET, help="Use no project file.")]
SignoffFile = Annotated[
    str | None,
    option(
        "--signoff",
        panel=CHOICE,
        metavar="FILE",
        help="The file with the signatures of manual lines. Default: llmcompat.signoff.yaml beside the "
        "project file.",
    ),
]
Header = Annotated[
    list[str] | None,
    option(
        "--header",
        panel=REQUESTS,
        metavar="'K: V'",
        help="A header that your application sends; 'K: env:NAME' takes the value from the environment. "
        "Repeatable.",
    ),
]
Body = Annotated[
    list[str] | None,
    option(
        "--body",
        panel=REQUESTS,
        metavar="KEY=VALUE",
        help="A field that your application sends with every chat; the value is JSON where it parses, "
        "else text. Repeatable.",
    ),
]
ContextWindow = Annotated[
    int | None,
    option(
        "--context-window",
        panel=TARGET,
        metavar="TOKENS",
        help="Tokens that prompt and answer may have together. Default: the profile's.",
    ),
]
BalanceFloor = Annotated[
    float | None,
    option(
        "--balance-floor",
        panel=TARGET,
        metavar="AMOUNT",
        help="The least that the account should hold, in its own currency.",
    ),
]
ApiKeyEnv = Annotated[
    str | None,
    option(
        "--api-key-env",
        panel=REQUESTS,
        metavar="NAME",
        help="The environment variable that holds the key. "
        "Default: the profile's; with another --base-url LLMCOMPAT_API_KEY.",
    ),
]
Simulate = Annotated[
    bool,
    option(
        "--simulate",
        panel=TARGET,
        help="Ask a simulation of what is documented of the provider: no key, nothing is sent to it.",
    ),
]
ClientNames = Annotated[
    list[str] | None,
    option(
        "--client",
        panel=CHOICE,
        metavar="NAMES",
        complete=complete_client,
        help="The client libraries that your application uses.",
    ),
]
Only = Annotated[
    list[str] | None,
    option(
        "--only",
        panel=CHOICE,
        metavar="IDS",
        complete=complete_id,
        help="Only these checks: ids, items or patterns such as 'stream-*'.",
    ),
]
Skip = Annotated[
    list[str] | None,
    option(
        "--skip",
        panel=CHOICE,
        metavar="IDS",
        complete=complete_id,
        help="Not these checks: ids, items or patterns.",
    ),
]
Strict = Annotated[
    bool | None, option("--strict/--no-strict", panel=CHOICE, help="Warnings fail too: exit status 1.")
]
RequireSignoff = Annotated[
    bool | None,
    option(
        "--require-signoff/--no-require-signoff",
        panel=CHOICE,
        help="A manual line that nobody signed is a must without an answer: exit status 3.",
    ),
]
FailOnStale = Annotated[
    bool | None,
    option(
        "--fail-on-stale/--no-fail-on-stale",
        panel=CHOICE,
        help="An accepted deviation that no longer occurs fails too: exit status 1.",
    ),
]
Repeat = Annotated[
    int | None,
    option(
        "--repeat", panel=CHOICE, metavar="N", help="Ask everything N times and report rates.", default="1"
    ),
]
Concurrency = Annotated[
    int | None,
    option("--concurrency", panel=BOUNDS, metavar="N", help="Requests at the same time.", default="8"),
]
Timeout = Annotated[
    float | None,
    option("--timeout", panel=BOUNDS, metavar="SECONDS", help="What one request may take.", default="60"),
]
Deadline = Annotated[
    float | None,
    option("--deadline", panel=BOUNDS, metavar="SECONDS", help="What the run may take.", default="600"),
]
MaxUsd = Annotated[
    float | None,
    option(
        "--max-usd",
        panel=BOUNDS,
        metavar="USD",
        help="What the run may cost, for each target; where no price is known, 300,000 tokens.",
        default="0.10",
    ),
]
MaxPromptTokens = Annotated[
    int | None,
    option(
        "--max-prompt-tokens",
        panel=BOUNDS,
        metavar="TOKENS",
        help="The longest prompt that is sent.",
        default="32000",
    ),
]
MonthlyUsd = Annotated[
    float | None,
    option("--monthly-usd", panel=BOUNDS, metavar="USD", help="What your application may cost a month here."),
]
FirstToken = Annotated[
    float | None,
    option(
        "--max-first-token",
        panel=BOUNDS,
        metavar="SECONDS",
        help="What your application can bear until a stream's first token, at the median.",
    ),
]
TokensPerSecond = Annotated[
    float | None,
    option(
        "--min-tokens-per-second",
        panel=BOUNDS,
        metavar="N",
        help="The least speed of a stream that your application can bear, at the median.",
    ),
]
WorkloadFile = Annotated[
    str | None,
    option(
        "--workload",
        panel=YOURS,
        metavar="FILE",
        help="Send these requests of your application too (Batch input JSONL, as `llmcompat capture` writes "
        "it), and judge their answers beside the old ones.",
    ),
]
AnswersFile = Annotated[
    str | None,
    option(
        "--answers",
        panel=YOURS,
        metavar="FILE",
        help="The old answers (Batch output JSONL). Default: WORKLOAD.answers.jsonl beside the workload.",
    ),
]
ModelMap = Annotated[
    list[str] | None,
    option(
        "--map",
        panel=YOURS,
        metavar="OLD=NEW",
        help="Ask NEW where a request names OLD. Repeatable. Default: the target's model for all.",
    ),
]
CompareWith = Annotated[
    str | None,
    option(
        "--compare-with",
        panel=YOURS,
        metavar="TARGET",
        complete=complete_target,
        help="PROVIDER:MODEL that compares old and new texts, blind and in both orders; 200 at most.",
    ),
]
UnsignedData = Annotated[
    bool,
    option(
        "--unsigned-data",
        panel=YOURS,
        help="Send captured requests to a target though nobody has signed its data policy.",
    ),
]
StrictInput = Annotated[
    bool,
    option(
        "--strict-input", panel=YOURS, help="Refuse a workload with a line that would be skipped otherwise."
    ),
]
WorkloadOnly = Annotated[
    bool,
    option("--workload-only", panel=YOURS, help="Replay, and of the checklist only that the target answers."),
]
ListingFormat = Annotated[str, option("--format", panel=OUTPUT, metavar="FORMAT", help="table or json.")]
