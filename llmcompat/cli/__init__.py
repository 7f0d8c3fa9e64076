"""The command line: one module a command, each of which imports what is heavy only when it runs."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer

from llmcompat.cli import loading
from llmcompat.cli.overview import Overview
from llmcompat.cli.streams import out, prepare, say
from llmcompat.version import __version__

DEBUG = "LLMCOMPAT_DEBUG"
"""Set to 1, a defect of this program shows its traceback."""

_INTERRUPTED = 130
_NOTHING_RAN = 2

CHECK = "Check"
COMPARE = "Compare and judge again"
DOCUMENT = "Decide and document"
APPLICATION = "Your application"
LOOK_UP = "Look up"
BENCH = "Test bench"

EPILOG = """
**See what it does, without a key**

`llmcompat check demo` — the built-in endpoint; no network

`llmcompat check deepseek --simulate` — what is documented of a provider

**Check an endpoint**

`llmcompat check deepseek --for chat --dry-run` — what it would cost, before anything is sent

`llmcompat check groq ollama:llama3.1:8b --export run.json` — two at once, with their evidence

`llmcompat check --base-url https://llm.example.com/v1 --model my-model`

**Look closer**

`llmcompat show run.json tool-choice-own-mode` — one finding, its requests as curl to try

`llmcompat explain tool-choice-own-mode` — what is asked, why, and what to change

**Compare**

`llmcompat diff monday.json today.json` · `llmcompat providers --needs embeddings`

**Completion for your shell**: `llmcompat --install-completion`. NO_COLOR=1 leaves colours out.
"""


@dataclass(frozen=True)
class _Command:
    """Where a command is, and what `llmcompat --help` says of it, so that nothing is imported for that."""

    module: str
    function: str
    panel: str
    short: str
    epilog: str = ""
    cls: str = ""
    interspersed: bool = True
    """False where what stands behind the command's name is its own, options too."""

    def add_to(self, app: typer.Typer, name: str) -> None:
        """Make the command, which imports its module."""
        module = import_module(f"llmcompat.cli.{self.module}")
        made = getattr(module, self.function)
        if isinstance(made, typer.Typer):
            app.add_typer(made, rich_help_panel=self.panel)
            return
        more: dict[str, Any] = {"cls": getattr(module, self.cls)} if self.cls else {}
        app.command(
            name,
            epilog=getattr(module, self.epilog) if self.epilog else None,
            rich_help_panel=self.panel,
            context_settings=None if self.interspersed else {"allow_interspersed_args": False},
            **more,
        )(made)

    def announce(self, app: typer.Typer, name: str) -> None:
        """Make what only shows that there is such a command."""
        app.command(name, help=self.short, rich_help_panel=self.panel)(_only_announced)


def _only_announced() -> None:
    raise AssertionError("a command that is run was made whole")


COMMANDS = {
    "check": _Command(
        "check",
        "check",
        CHECK,
        "Run the migration checklist on an endpoint: say what holds, what breaks, and what to change.",
        epilog="EPILOG",
    ),
    "show": _Command(
        "show",
        "show",
        CHECK,
        "Print a saved run, or one finding with its requests as curl commands to try. Sends nothing.",
        epilog="EPILOG",
    ),
    "init": _Command(
        "init",
        "init",
        CHECK,
        "Write llmcompat.yaml into this folder, with a comment for every key; a file that is there stays.",
        epilog="EPILOG",
    ),
    "config": _Command(
        "config",
        "config",
        CHECK,
        "Show what `check` would go by, and where each value comes from. Sends nothing and needs no key.",
    ),
    "checklist": _Command(
        "checklist",
        "checklist",
        DOCUMENT,
        "Print the checklist for a target in Markdown, empty or filled from a run. Nothing is sent.",
        epilog="EPILOG",
    ),
    "sign": _Command(
        "sign",
        "sign",
        DOCUMENT,
        "Sign manual lines of a target: who decided, when, and on which facts. "
        "Sends nothing and needs no key.",
        epilog="EPILOG",
    ),
    "accept": _Command(
        "accept",
        "accept",
        DOCUMENT,
        "Accept one deviation of a target: it is shown as accepted and makes no run incompatible.",
        epilog="EPILOG",
    ),
    "capture": _Command(
        "capture",
        "capture",
        APPLICATION,
        "Run your application before a recording proxy: its requests and answers become a workload file.",
        epilog="EPILOG",
        interspersed=False,
    ),
    "proxy": _Command(
        "capture",
        "proxy",
        APPLICATION,
        "Record as `capture` does, for an application that is started elsewhere, until Ctrl-C.",
        epilog="PROXY_EPILOG",
    ),
    "uses": _Command(
        "uses",
        "uses",
        APPLICATION,
        "Write what your application uses into the project file: features, clients, paths, peak, "
        "prompt sizes.",
        epilog="EPILOG",
    ),
    "cost": _Command(
        "cost",
        "cost",
        APPLICATION,
        "Reckon what your application's requests cost at each target, for a request and for a month.",
        epilog="EPILOG",
    ),
    "rehearse": _Command(
        "rehearse",
        "rehearse",
        APPLICATION,
        "Run your own code under faults, and judge from outside what it makes of them.",
        epilog="EPILOG",
        cls="WithCommand",
    ),
    "compare": _Command(
        "compare",
        "compare",
        COMPARE,
        "Put the targets of saved runs beside each other: checks, figures, published facts. Sends nothing.",
        epilog="EPILOG",
    ),
    "diff": _Command(
        "diff",
        "diff",
        COMPARE,
        "Say what broke, healed or is new between two runs, and how latency and cost moved. Sends nothing.",
        epilog="EPILOG",
    ),
    "merge": _Command(
        "merge",
        "merge",
        COMPARE,
        "Make one run of several: other targets, or parts of the checklist on one target. Sends nothing.",
        epilog="EPILOG",
    ),
    "judge": _Command(
        "judge", "judge", COMPARE, "Judge a saved run again with the checks of this version; nothing is sent."
    ),
    "incident": _Command(
        "incident",
        "incident",
        CHECK,
        "Say in five requests what works and what broke since when, and bundle it for the "
        "provider's support.",
        epilog="EPILOG",
    ),
    "list": _Command(
        "listing", "list_checks", LOOK_UP, "List the checklist: every item with its checks. Sends nothing."
    ),
    "explain": _Command(
        "explain",
        "explain",
        LOOK_UP,
        "Explain one check or item: what is asked, why it matters, and what to change when it fails.",
    ),
    "providers": _Command(
        "providers",
        "providers",
        LOOK_UP,
        "Compare providers, gateways and local servers as published; nothing in it is measured.",
        epilog="EPILOG",
    ),
    "serve": _Command(
        "serve",
        "serve",
        BENCH,
        "Serve a simulated OpenAI-compatible endpoint, healthy or with named faults, until Ctrl-C.",
        epilog="EPILOG",
    ),
    "billing": _Command(
        "billing", "app", APPLICATION, "Watch the month's budget and the balance, and tell somebody in time."
    ),
}
"""What the program can do, in the order of its help. A test holds what is said of each to its docstring."""


def program(named: Sequence[str] | None = None, *, announced: bool = True) -> typer.Typer:
    """The program with these commands (None: all), and with `announced` the names of the others."""
    whole = COMMANDS if named is None else dict.fromkeys(named)
    app = typer.Typer(
        name="llmcompat",
        cls=Overview,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="markdown",
        epilog=EPILOG,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(root)
    for name, command in COMMANDS.items():
        if name in whole:
            command.add_to(app, name)
        elif announced:
            command.announce(app, name)
    return app


def _version(asked: bool) -> None:
    if asked:
        out(f"llmcompat {__version__}")
        raise typer.Exit


def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Check an OpenAI-compatible endpoint against a migration checklist before your users do.

    Begin with `llmcompat check demo`, or `llmcompat check NAME --dry-run`.
    """
    if context.invoked_subcommand is None:
        out(context.get_help())
        raise typer.Exit(_NOTHING_RAN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (the process's own where none is given) and return its exit status.

    It raises nothing: whatever is wrong is one line on standard error and status 2, this program's own
    defects too; the environment variable LLMCOMPAT_DEBUG=1 shows their traceback.
    """
    prepare()
    # given as a list they are left alone: on Windows a pattern such as 'stream-*' would become names of files
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with loading.command():
            command = typer.main.get_command(_needed(given))
            code = command.main(args=given, prog_name="llmcompat", standalone_mode=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return _INTERRUPTED
    except Exception as error:
        return _explain(error)
    return code if isinstance(code, int) else 0


def _needed(given: Sequence[str]) -> typer.Typer:
    """The program as far as these arguments need it: making every command takes longer than most commands."""
    completing = _being_completed()
    words = given if completing is None else completing
    first = next((word for word in words if not word.startswith("-")), "")
    if first in COMMANDS:
        return program([first], announced=completing is not None)
    return program([], announced="--version" not in words)


def _being_completed() -> list[str] | None:
    """The words behind the program's name that a shell asks to complete; None where none asks."""
    if not os.environ.get("_LLMCOMPAT_COMPLETE", "").startswith("complete_"):
        return None
    typed = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    try:
        return shlex.split(typed)[1:]
    except ValueError:  # a quote is still open
        return typed.split()[1:]


def _explain(error: Exception) -> int:
    """Say what went wrong in one line, in which no key stands, whatever was typed in the place of a name."""
    from llmcompat.cli.problems import one_line, printable
    from llmcompat.wire.redaction import Redactor

    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    line = one_line(error)
    if line is not None:
        say(Redactor().text(line))
        return _NOTHING_RAN
    from llmcompat.cli.target import known_secrets

    hide = Redactor(known_secrets(os.environ))
    if os.environ.get(DEBUG) == "1":
        import traceback

        say(hide.text("".join(traceback.format_exception(error)).rstrip()))
    words = f"{type(error).__name__}: {printable(hide.text(str(error)))}"
    say(f"a defect of llmcompat: {words}; {DEBUG}=1 shows where")
    return _NOTHING_RAN
