"""`llmcompat serve`: the simulator for people's own tests."""

from __future__ import annotations

from time import sleep as pause
from typing import Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import CHOICE, REQUESTS, option

EPILOG = """
**Examples**

`llmcompat serve` — a healthy endpoint at http://127.0.0.1:8000/v1

`llmcompat serve --port 0 --fault stream-no-done --delay 0.2`
"""


def serve(
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    fault: Annotated[
        list[str] | None,
        option(
            "--fault",
            panel=CHOICE,
            metavar="NAME",
            complete=options.complete_fault,
            help="A deviation to show. Repeatable, or a comma list.",
        ),
    ] = None,
    list_faults: Annotated[
        bool,
        option("--list-faults", panel=CHOICE, help="List the faults and legal varieties by name, and end."),
    ] = False,
    api_key_env: Annotated[
        str | None,
        option(
            "--api-key-env",
            panel=REQUESTS,
            metavar="NAME",
            help="Take only the key that this environment variable holds. Default: any.",
        ),
    ] = None,
    delay: Annotated[
        float, option("--delay", panel=REQUESTS, metavar="SECONDS", help="Wait before each answer.")
    ] = 0.0,
) -> int:
    """Serve a simulated OpenAI-compatible endpoint, healthy or with named faults, until Ctrl-C."""
    from math import isfinite

    from llmcompat.cli import streams
    from llmcompat.cli.problems import Problem
    from llmcompat.cli.target import split_commas
    from llmcompat.wire.client import is_loopback

    if list_faults:
        streams.out(_faults())
        return 0
    if not isfinite(delay) or delay < 0:
        raise Problem("--delay: must be a number of seconds, 0 or more")
    key = _key(api_key_env)
    shown_host = f"[{host}]" if ":" in host else host
    if not is_loopback(f"http://{shown_host}"):
        streams.say(
            f"warning: {host} can be reached from other machines, and the simulator is made for tests only"
        )
    _run(host, port, split_commas(fault or ()), key, delay, api_key_env)
    return 0


def _key(variable: str | None) -> str | None:
    import os

    from llmcompat.cli.problems import Problem, printable

    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        # a name that is no variable's may be the key itself
        raise Problem(
            f"--api-key-env {printable(variable)}: no such variable is set"
            if variable.isidentifier()
            else "--api-key-env: must be the name of an environment variable"
        )
    return key


def _faults() -> str:
    from llmcompat.simulator.faults import FAULTS, HARMLESS

    lines = []
    for title, faults in (("Faults", FAULTS), ("Legal varieties", HARMLESS)):
        lines.append(f"{title}:")
        lines += [f"  {name}\n      {fault.summary}" for name, fault in sorted(faults.items())]
    return "\n".join(lines)


def _run(
    host: str, port: int, faults: tuple[str, ...], key: str | None, delay: float, variable: str | None
) -> None:
    import contextlib

    from llmcompat.cli import streams
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.simulator.app import CHAT_MODELS
    from llmcompat.simulator.faults import chosen
    from llmcompat.simulator.server import running

    try:
        chosen(faults)
    except ValueError as error:
        raise Problem(f"--fault: {printable(str(error))} (see --list-faults)") from None
    try:
        with (
            running(faults=faults, host=host, port=port, api_key=key, delay=delay) as simulator,
            contextlib.suppress(KeyboardInterrupt),
        ):
            url = simulator.base_url
            code = f'OpenAI(base_url="{url}", api_key=' + (
                f'os.environ["{variable}"])' if variable else '"any")'
            )
            named = f" --api-key-env {variable}" if variable else ""
            streams.out(
                f"{url}\n"
                f"  check it: llmcompat check --base-url {url} --model {CHAT_MODELS[0]}{named}\n"
                f"  use it:   {code}, models {', '.join(CHAT_MODELS)}"
            )
            while True:
                pause(1)
    except OSError as error:
        reason = printable(error.strerror or str(error))
        raise Problem(
            f"cannot listen on {host} port {port}: {reason}; choose another with --port or --host"
        ) from None
