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

`llmcompat serve --like groq` — as Groq is documented to answer

`llmcompat serve --port 0 --fault stream-missing-done --delay 0.2`
"""


def serve(
    port: Annotated[int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen on.")] = "127.0.0.1",
    like: Annotated[
        str | None,
        option(
            "--like",
            panel=CHOICE,
            metavar="NAME",
            complete=options.complete_provider,
            help="Answer as this provider is documented to (a profile's name or file); not measured.",
        ),
    ] = None,
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
    _run(host, port, like, split_commas(fault or ()), key, delay, api_key_env)
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
    host: str,
    port: int,
    like: str | None,
    faults: tuple[str, ...],
    key: str | None,
    delay: float,
    variable: str | None,
) -> None:
    import contextlib

    from llmcompat.cli import streams
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.profiles import load_profile
    from llmcompat.simulator.faults import chosen
    from llmcompat.simulator.personas import HEALTHY, PersonaError, persona
    from llmcompat.simulator.server import running

    profile = load_profile(like) if like is not None else None
    try:
        played = persona(profile) if profile is not None else HEALTHY
    except PersonaError as error:
        raise Problem(f"--like: {printable(str(error), 300)}") from None
    try:
        named_faults = chosen(faults)
    except ValueError as error:
        raise Problem(f"--fault: {printable(str(error))} (see --list-faults)") from None
    try:
        with (
            running(
                faults=[*played.faults, *named_faults],
                host=host,
                port=port,
                api_key=key,
                delay=delay,
                models=played.models,
                embedding_models=played.embedding_models,
                context_window=played.context_window,
                pages=played.pages,
            ) as simulator,
            contextlib.suppress(KeyboardInterrupt),
        ):
            url = simulator.base_url
            code = f'OpenAI(base_url="{url}", api_key=' + (
                f'os.environ["{variable}"])' if variable else '"any")'
            )
            named = f" --api-key-env {variable}" if variable else ""
            who = (
                f"  plays {printable(profile.display_name)}: documented, not measured\n"
                if profile is not None
                else ""
            )
            target = f"{printable(like)} " if like is not None else ""
            streams.out(
                f"{url}\n{who}"
                f"  check it: llmcompat check {target}--base-url {url} --model {played.models[0]}{named}\n"
                f"  use it:   {code}, models {', '.join(played.models)}"
            )
            while True:
                pause(1)
    except OSError as error:
        reason = printable(error.strerror or str(error))
        raise Problem(
            f"cannot listen on {host} port {port}: {reason}; choose another with --port or --host"
        ) from None
