"""`llmcompat checklist`: the checklist of a target as a Markdown document, empty or filled from a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import OUTPUT, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmcompat.cli.target import Options
    from llmcompat.model import Run, TargetRun
    from llmcompat.project import Project
    from llmcompat.reports.document_update import Renewed

FROM = "--from"
UPDATE = "--update"

_MOST_DOCUMENT = 64 * 1024 * 1024
"""Bytes of a document that are read."""

EPILOG = """
**Examples**

`llmcompat checklist deepseek` — what is to be done, before anything was asked

`llmcompat checklist --from run.json --update MIGRATION.md` — fill it in; what people wrote stays

**What --update keeps**

Lines that end in a comment with an id are renewed. Write behind the comment, or on lines of your own;
the lines *yours* and *before production* are your own too. A document that holds results is renewed from
a run only, and only from one of the same provider and model.
"""


def checklist(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            help="NAME, NAME:MODEL or a profile file; with --from, one of the run's targets.",
            autocompletion=options.complete_target,
        ),
    ] = None,
    model: options.Model = None,
    use_case: options.UseCaseName = None,
    uses: options.Uses = None,
    without: options.Without = None,
    checks: options.Checks = None,
    signoff: options.SignoffFile = None,
    project: options.ProjectFile = None,
    no_project: options.NoProject = False,
    from_run: Annotated[
        str | None,
        option(
            FROM, panel=OUTPUT, metavar="RUN.json", help="Fill it in from a run that `check --export` wrote."
        ),
    ] = None,
    update: Annotated[
        str | None,
        option(
            UPDATE,
            panel=OUTPUT,
            metavar="FILE",
            help="Write it to this file; in one that exists, automated lines are renewed and what people "
            "wrote stays.",
        ),
    ] = None,
    evidence: Annotated[
        str | None,
        option(
            "--evidence",
            panel=OUTPUT,
            metavar="WHICH",
            help="Requests and answers to fold in, with --from: none, failing (the default) or all.",
        ),
    ] = None,
) -> int:
    """Print the checklist for a target in Markdown, empty or filled from a run. Nothing is sent."""
    from llmcompat.cli import streams
    from llmcompat.cli.layers import open_project
    from llmcompat.cli.problems import Problem
    from llmcompat.cli.target import Options

    if from_run is not None:
        asked = {"--for": use_case, "--uses": uses, "--without": without, "--checks": checks}
        _refuse_beside_from({**asked, "--signoff": signoff, "--project": project})
        bounded = update is None  # a file in a repository has no bound, a ticket has
        text, manual = _filled(from_run, target, model, evidence or "failing", bounded=bounded)
    else:
        if evidence is not None:
            raise Problem(f"--evidence: there is none before a run; give {FROM} run.json, or leave it out")
        found = open_project(project, without=no_project)
        given = Options(
            model=model,
            use_case=use_case,
            uses=tuple(uses or ()),
            without=tuple(without or ()),
            insecure_http=True,
            signoff=signoff,
        )
        text, manual = _empty(target, given, checks or (), found)
    if update is None:
        streams.out(text)
        return 0
    return _update(update, text, manual, filled=from_run is not None)


def _refuse_beside_from(given: dict[str, object]) -> None:
    """What decides how a run is judged was decided when it ran. Raises Problem."""
    from llmcompat.cli.problems import Problem

    for name, value in given.items():
        if value:
            raise Problem(
                f"{name}: the run itself says how it was judged; leave it out, or judge the run again "
                "with `llmcompat judge` first"
            )


def _empty(
    target: str | None, given: Options, checks: Sequence[str], project: Project | None
) -> tuple[str, tuple[str, ...]]:
    """The document of which nothing was run, and the ids of the lines that a person decides."""
    import os

    from llmcompat.cli import days
    from llmcompat.cli.layers import folders_of
    from llmcompat.cli.loading import load
    from llmcompat.cli.problems import Problem
    from llmcompat.cli.target import plan
    from llmcompat.reports.markdown import empty_checklist
    from llmcompat.wire.redaction import Redactor

    if target is None:
        raise Problem(f"give a TARGET (`llmcompat providers` lists them), or a run with {FROM} run.json")
    ready = plan(target, given, os.environ, with_key=False, project=project)
    loaded = load(folders_of(checks, project), secrets=ready.secrets)
    text = empty_checklist(loaded, ready.profile, ready.settings, today=days.today())
    manual = tuple(check.id for check in loaded.checks.values() if check.kind == "manual")
    return Redactor(ready.secrets).text(text), manual


def _filled(
    path: str, target: str | None, model: str | None, evidence: str, *, bounded: bool
) -> tuple[str, tuple[str, ...]]:
    """The document of one target of a saved run, and the ids of the lines that a person decides."""
    from dataclasses import replace
    from typing import cast

    from llmcompat.cli.files import read_run
    from llmcompat.cli.problems import Problem, nearest, printable
    from llmcompat.reports.markdown import EVIDENCE, MOST_CHARACTERS, Evidence, markdown

    if evidence not in EVIDENCE:
        raise Problem(f"--evidence {printable(evidence, 40)}: no such choice; {nearest(evidence, EVIDENCE)}")
    run = read_run(path, FROM)
    chosen = _choose(run, target, model, f"{FROM} {printable(path)}")
    one = replace(run, runs=(chosen,))
    text = markdown(one, evidence=cast("Evidence", evidence), most=MOST_CHARACTERS if bounded else None)
    return text, tuple(result.id for result in chosen.checks if result.kind == "manual")


def _choose(run: Run, target: str | None, model: str | None, file: str) -> TargetRun:
    """The target of the run that was asked for, by role, provider or provider:model. Raises Problem."""
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.reports.standing import names

    if not run.runs:
        raise Problem(f"{file}: holds no target; run the check again")
    labels = names(run)
    found = [
        each
        for each in run.runs
        if target in (None, each.target.provider, f"{each.target.provider}:{each.target.model}")
        and model in (None, each.target.model)
    ]
    if target in labels and model is None:
        found = [run.runs[labels.index(target)]]
    if len(found) == 1:
        return found[0]
    listed = printable(", ".join(labels), 400)
    if not found:
        asked = " with --model ".join(printable(each) for each in (target, model) if each)
        raise Problem(f"{file}: holds no run of {asked}; it has {listed}")
    if target is None:
        raise Problem(f"{file}: holds {len(found)} targets; name one: {listed}")
    raise Problem(f"{file}: {printable(target)} means {len(found)} of its targets; name one: {listed}")


def _update(name: str, text: str, manual: tuple[str, ...], *, filled: bool) -> int:
    """Write the document, or renew the one that is there. Raises Problem."""
    from pathlib import Path

    from llmcompat.cli import streams
    from llmcompat.cli.files import FileChanged, read_bounded, reason, write_atomically
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.engine.decide import Exit
    from llmcompat.reports.document_update import DocumentError

    path, shown = Path(name), f"{UPDATE} {printable(name)}"
    old = b""
    if path.exists():
        if not path.is_file() and not path.is_dir():
            raise Problem(f"{shown}: is not a regular file")
        old = read_bounded(path, _MOST_DOCUMENT, name=shown)
    try:
        renewed = _renewed(_decoded(old, shown), text, shown, filled=filled)
    except DocumentError as error:
        raise Problem(printable(str(error), 500)) from None
    try:
        if not old or renewed.text.encode() != old:
            write_atomically(path, renewed.text, expected=old)
    except FileChanged:
        raise Problem(f"{shown}: was changed while it was renewed; nothing was written, try again") from None
    except (OSError, ValueError) as error:
        streams.say(f"{shown}: not written: {reason(error)}")
        return int(Exit.NOT_WRITTEN)
    for id in renewed.lost_ticks:
        if id in manual:
            streams.say(f"{id}: no signature counts, so its tick is gone; sign it with `llmcompat sign`")
    return 0


def _decoded(data: bytes, shown: str) -> str:
    from llmcompat.cli.problems import Problem

    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(f"{shown}: is not UTF-8 text; save it as UTF-8 first") from None


def _renewed(old: str, new: str, shown: str, *, filled: bool) -> Renewed:
    """The old document with the lines of the new one, where both are of one target. Raises Problem."""
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.reports.document_update import Renewed, head, renew
    from llmcompat.reports.markers import EMPTY, MEASURED, SIMULATED, target_name

    if not old.strip("\ufeff \t\r\n"):
        return Renewed(new)
    before, after = head(old, name=shown), head(new)
    assert after is not None
    if before is None:
        raise Problem(f"{shown}: holds no checklist of llmcompat; nothing was written, give another file")
    if before.target != after.target:
        was, now = (printable(target_name(each.target)) for each in (before, after))
        raise Problem(
            f"{shown}: is the checklist of {was}, and this is {now}; give another file, or change its line "
            f"llmcompat:document/target to {after.target} where the checklist moves on"
        )
    if before.holds != EMPTY and not filled:
        raise Problem(
            f"{shown}: holds the results of a run, which would be lost; give {FROM} run.json to renew it"
        )
    if before.holds == MEASURED and after.holds == SIMULATED:
        raise Problem(f"{shown}: holds what was measured, and this run is a simulation; give another file")
    return renew(old, new, name=shown)
