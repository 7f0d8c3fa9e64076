"""`llmcompat init`: write a commented project file, and ask little for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EPILOG = """
**Examples**

`llmcompat init` — asks for provider, model and use case

`llmcompat init --provider deepseek --for chat` — asks nothing

`llmcompat init --yes` — begins with the built-in endpoint, which needs no key
"""

_EVIDENCE = "*.llmcompat.json"
"""Saved runs hold requests and answers in full: mostly nothing for a repository."""

_IGNORED = (_EVIDENCE, "workload*.jsonl")
"""What holds the application's prompts: saved runs, and what `capture` recorded."""


def init(
    provider: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A name that `llmcompat providers` lists, NAME:MODEL, or a profile file.",
            autocompletion=options.complete_provider,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="ID", help="The chat model. Default: the profile's.")
    ] = None,
    use_case: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="USE",
            help="What decides: chat, agent (chat, tools and JSON) or trial (the wire basics). "
            "[default: agent]",
            autocompletion=options.complete_use_case,
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing: the built-in demo where no provider is named.")
    ] = False,
) -> int:
    """Write llmcompat.yaml into this folder, with a comment for every key; a file that is there stays.

    On a terminal it asks for what the options do not say: provider, model and use case.
    """
    from pathlib import Path

    from llmcompat.cli import streams
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.cli.target import gather, parse_use_case, plan, split_target
    from llmcompat.model import UseCase
    from llmcompat.profiles import FEATURES, load_profile
    from llmcompat.project import FILE_NAME
    from llmcompat.project.file import parse_project
    from llmcompat.project.template import template

    path = Path(FILE_NAME)
    if path.exists() or path.is_symlink():
        raise Problem(f"{FILE_NAME}: is there already, and was left as it is; edit it, or move it away")
    asking = not yes and _can_ask()
    if provider is None and not asking:
        if not yes:
            raise Problem("--provider: which one? name it (`llmcompat providers`), or --yes for the demo")
        provider = "demo"
    if provider is None:
        provider = _ask("Provider, as `llmcompat providers` lists them", "demo", _known)
    name, named = split_target(_known(provider))
    if named and model:
        raise Problem(f"--provider {printable(provider)} and --model {printable(model)} name two models")
    model = model or named
    profile = load_profile(name)
    default = profile.models.default.value if profile.models.default else None
    if model is None and asking:
        model = _ask("Model", default, lambda text: text.strip())
    if use_case is None and asking:
        use_case = _ask(
            "Use case: chat, agent or trial", UseCase.AGENT.value, lambda text: parse_use_case(text).value
        )
    use_case = parse_use_case(use_case or UseCase.AGENT).value
    text = template(
        name,
        model=model if model != default else None,
        default_model=default,
        use_case=use_case,
        features=FEATURES,
    )
    # whatever `check` would say of it is said now, and nothing is written
    project = parse_project(path, text.encode(), shown=FILE_NAME)
    plan("chat", gather({}), {}, with_key=False, project=project)
    _write(path, text)
    streams.out(f"{FILE_NAME}: written; every key is explained in it")
    if (ignored := _ignore_evidence(path.parent)) is not None:
        streams.out(ignored)
    variable = f"set {profile.key_variable}, then " if profile.key_variable else ""
    streams.out(f"next: {variable}llmcompat check --export run{_EVIDENCE.removeprefix('*')}")
    return 0


def _can_ask() -> bool:
    """Whether a person sits at both ends."""
    import sys

    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def _ask(question: str, default: str | None, read: Callable[[str], str]) -> str:
    """An answer that `read` takes; what it raises is shown, and the question asked again."""
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.profiles import ProfileError

    def checked(text: str) -> str:
        try:
            return read(text)
        except (Problem, ProfileError) as error:
            raise typer.BadParameter(printable(str(error), 400)) from None

    answer: str = typer.prompt(question, default=default, value_proc=checked, err=True)
    return answer


def _known(provider: str) -> str:
    """The same text where it names a profile. Raises Problem or ProfileError."""
    from llmcompat.cli.target import split_target
    from llmcompat.profiles import load_profile

    load_profile(split_target(provider)[0])
    return provider.strip()


def _write(path: Path, text: str) -> None:
    """Write a file that is not there yet. Raises Problem."""
    from llmcompat.cli.files import reason
    from llmcompat.cli.problems import Problem

    try:
        # refused by the system where somebody else was faster
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except FileExistsError:
        raise Problem(f"{path}: is there already, and was left as it is") from None
    except OSError as error:
        raise Problem(f"{path}: not written: {reason(error)}") from None


def _ignore_evidence(folder: Path) -> str | None:
    """Keep saved runs and workloads out of a repository whose root this folder is; what was done, or None."""
    from llmcompat.cli.files import reason

    path = folder / ".gitignore"
    if not path.is_file() and not (folder / ".git").exists():
        return None
    try:
        before = path.read_bytes() if path.is_file() else b""
        there = {line.strip() for line in before.splitlines()}
        missing = [each for each in _IGNORED if each.encode() not in there]
        if not missing:
            return None
        end = b"\r\n" if b"\r\n" in before else b"\n"
        with path.open("ab") as stream:
            stream.write(b"" if not before or before.endswith(b"\n") else end)
            stream.write(b"".join(each.encode() + end for each in missing))
    except OSError as error:
        names = " and ".join(_IGNORED)
        return f".gitignore: not changed ({reason(error)}); add {names}, as they hold your prompts"
    return f".gitignore: {' and '.join(missing)} added, as they hold requests and answers in full"
