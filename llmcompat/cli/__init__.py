"""The command line: one module a command, each of which imports what is heavy only when it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from llmcompat.cli import (
    accept,
    check,
    checklist,
    compare,
    config,
    diff,
    explain,
    incident,
    init,
    judge,
    listing,
    providers,
    serve,
    show,
    sign,
)
from llmcompat.cli.streams import out, prepare, say
from llmcompat.version import __version__

DEBUG = "LLMCOMPAT_DEBUG"
"""Set to 1, a defect of this program shows its traceback."""

_INTERRUPTED = 130
_NOTHING_RAN = 2

CHECK = "Check"
COMPARE = "Compare and judge again"
DOCUMENT = "Decide and document"
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

app = typer.Typer(
    name="llmcompat",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
    epilog=EPILOG,
    pretty_exceptions_enable=False,
)
app.command(epilog=check.EPILOG, rich_help_panel=CHECK)(check.check)
app.command(epilog=show.EPILOG, rich_help_panel=CHECK)(show.show)
app.command(epilog=init.EPILOG, rich_help_panel=CHECK)(init.init)
app.command(rich_help_panel=CHECK)(config.config)
app.command(epilog=checklist.EPILOG, rich_help_panel=DOCUMENT)(checklist.checklist)
app.command(epilog=sign.EPILOG, rich_help_panel=DOCUMENT)(sign.sign)
app.command(epilog=accept.EPILOG, rich_help_panel=DOCUMENT)(accept.accept)
app.command(epilog=compare.EPILOG, rich_help_panel=COMPARE)(compare.compare)
app.command(epilog=diff.EPILOG, rich_help_panel=COMPARE)(diff.diff)
app.command(rich_help_panel=COMPARE)(judge.judge)
app.command(epilog=incident.EPILOG, rich_help_panel=CHECK)(incident.incident)
app.command("list", rich_help_panel=LOOK_UP)(listing.list_checks)
app.command(rich_help_panel=LOOK_UP)(explain.explain)
app.command(epilog=providers.EPILOG, rich_help_panel=LOOK_UP)(providers.providers)
app.command(epilog=serve.EPILOG, rich_help_panel=BENCH)(serve.serve)


def _version(asked: bool) -> None:
    if asked:
        out(f"llmcompat {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
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
        code = typer.main.get_command(app).main(args=given, prog_name="llmcompat", standalone_mode=False)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except (KeyboardInterrupt, typer.Abort):
        say("interrupted")
        return _INTERRUPTED
    except Exception as error:
        return _explain(error)
    return code if isinstance(code, int) else 0


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
