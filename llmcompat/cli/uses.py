"""`llmcompat uses`: what the application uses of the API, learned from its requests, into llmcompat.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmcompat.cli import options
from llmcompat.cli.options import OUTPUT, option

if TYPE_CHECKING:
    from pathlib import Path

    from llmcompat.workload.traffic import Uses

EPILOG = """
**Examples**

`llmcompat uses workload.jsonl` — writes uses, clients, calls, peak and prompt_tokens into llmcompat.yaml

`llmcompat uses workload.jsonl --print` — only shows them

A Batch input file of your own does as well; it does not tell clients and the peak, so these stay as they are.
"""


def uses(
    workload: Annotated[
        str, typer.Argument(metavar="WORKLOAD", help="A file that `capture` wrote, or Batch input.")
    ] = "workload.jsonl",
    print_only: Annotated[
        bool, option("--print", panel=OUTPUT, help="Show what would be written, and write nothing.")
    ] = False,
    strict_input: Annotated[
        bool, option("--strict-input", panel=OUTPUT, help="Refuse a file in which one line cannot be used.")
    ] = False,
    project: options.ProjectFile = None,
    no_project: options.NoProject = False,
) -> int:
    """Write what your application uses into the project file: features, clients, paths, peak, prompt sizes.

    What stands there and was not seen stays; comments stay too. Reports then say what of it is not checked.
    """
    from pathlib import Path

    from llmcompat.cli import streams
    from llmcompat.cli.layers import open_project
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.workload.traffic import uses_of

    learned = uses_of(Path(workload), strict=strict_input)
    for each in learned.skipped[:20]:
        streams.say(printable(f"{workload}:{each.line}: {each.reason}: skipped", 400))
    if len(learned.skipped) > 20:
        streams.say(f"{printable(workload)}: {len(learned.skipped) - 20} more lines skipped")
    if not learned.requests:
        raise Problem(
            f"{printable(workload)}: holds no request that can be used; `llmcompat capture` writes one"
        )
    for line in _told(learned):
        streams.say(line)
    found = open_project(project, without=no_project)
    if found is None:
        if not print_only and not no_project:
            raise Problem("no llmcompat.yaml to write to: make one with `llmcompat init`, or give --print")
        streams.out(_as_yaml(_values(learned)))
        return 0
    values = _values(learned)
    if print_only or no_project:
        streams.out(_as_yaml(values))
        return 0
    _write(found.path, found.shown, values)
    streams.out(f"{found.shown}: {', '.join(values)} written")
    return 0


def _values(learned: Uses) -> dict[str, Any]:
    """What the file is to say, by its keys."""
    from llmcompat.profiles import FEATURES

    values: dict[str, Any] = {"uses": [name for name in FEATURES if learned.features[name]]}
    if learned.known_clients:
        values["clients"] = sorted(learned.known_clients)
    values["calls"] = [path for path, _ in learned.calls.most_common(50)]
    peak = {
        "requests_per_minute": learned.requests_per_minute,
        "tokens_per_minute": learned.tokens_per_minute,
    }
    values["peak"] = {name: value for name, value in peak.items() if value}
    sizes = {"p50": learned.prompt_p50, "p99": learned.prompt_p99}
    values["prompt_tokens"] = {name: value for name, value in sizes.items() if value is not None}
    return {name: value for name, value in values.items() if value}


def _told(learned: Uses) -> list[str]:
    """What no key of the file holds, in lines for standard error."""
    from llmcompat.cli.problems import printable

    lines = [f"{learned.requests} requests, {learned.failed} of them answered with an error or not at all"]
    if learned.parameters:
        names = ", ".join(f"{name} ({count})" for name, count in learned.parameters.most_common(40))
        lines.append(printable(f"parameters: {names}", 1000))
    for client, count in learned.clients.most_common(10):
        who = " ".join(part for part in (client.name, client.version, client.runtime) if part)
        lines.append(printable(f"client: {who or client.user_agent or 'does not say'} ({count})", 300))
    if learned.unchecked:
        lines.append(printable(f"called, not checked: {', '.join(learned.unchecked[:20])}", 1000))
    if learned.estimated:
        lines.append("prompt_tokens are estimated at four bytes a token: no answer counts them")
    return lines


def _as_yaml(values: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)


def _write(path: Path, shown: str, values: dict[str, Any]) -> None:
    from llmcompat.cli.files import FileChanged, reason, write_atomically
    from llmcompat.cli.problems import Problem
    from llmcompat.project.file import parse_project
    from llmcompat.project.learned import with_learned

    try:
        content = path.read_bytes()
        text = with_learned(shown, content, values)
        parse_project(path, text.encode(), shown=shown)
        write_atomically(path, text, expected=content)
    except FileChanged:
        raise Problem(f"{shown}: was changed in the meantime; nothing was written, try again") from None
    except (OSError, ValueError) as error:
        raise Problem(f"{shown}: not written: {reason(error)}") from None
