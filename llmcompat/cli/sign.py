"""`llmcompat sign`: write down who decided a line of the checklist that no run can decide, on which facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from llmcompat.engine.judge import ManualLine
    from llmcompat.engine.loader import Checklist
    from llmcompat.model import Target
    from llmcompat.project.signatures import Entry, Signoff

EPILOG = """
**Examples**

`llmcompat sign deepseek --list` — what is signed, what is not, and what has lapsed

`llmcompat sign deepseek data-retention legal-terms --by "Ada Lovelace" --expires 2027-05-01`

`llmcompat sign chat data-policy --by "Ada Lovelace" --note "contract 17"` — all manual lines of an item
"""


def sign(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="As in `llmcompat check`: a role of the project file, NAME, NAME:MODEL or a profile file.",
            autocompletion=options.complete_target,
        ),
    ],
    items: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ITEM…",
            help="Manual checks by id, or an item for all of its manual lines.",
            autocompletion=options.complete_id,
        ),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who decides.")] = None,
    note: Annotated[
        str, typer.Option("--note", metavar="TEXT", help="On which ground: a contract, a ticket.")
    ] = "",
    expires: Annotated[
        str | None,
        typer.Option(
            "--expires", metavar="DATE", help="The last day on which it counts, such as 2027-05-01."
        ),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Show what is signed, unsigned and lapsed; change nothing.")
    ] = False,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Remove the signatures of these lines.")
    ] = False,
    base_url: options.BaseUrl = None,
    model: options.Model = None,
    header: options.Header = None,
    body: options.Body = None,
    monthly_usd: options.MonthlyUsd = None,
    checks: options.Checks = None,
    signoff: options.SignoffFile = None,
    project: options.ProjectFile = None,
    no_project: options.NoProject = False,
) -> int:
    """Sign manual lines of a target: who decided, when, and on which facts. Sends nothing and needs no key.

    A signature is kept in a file of the repository. It is bound to the target and to the facts that are
    shown, and lapses when they change.
    """
    import os

    from llmcompat.cli import days, streams
    from llmcompat.cli.layers import folders_of, open_project, signoff_path
    from llmcompat.cli.loading import load
    from llmcompat.cli.problems import Problem
    from llmcompat.cli.target import Options, plan
    from llmcompat.engine.judge import manual_lines, signed_target
    from llmcompat.project.signatures import read_signoff
    from llmcompat.wire.redaction import Redactor

    now = days.today()
    last = days.parse_day(expires, "--expires", now=now)
    if listing and withdraw:
        raise Problem("--list and --withdraw: leave one of the two out")
    if listing or withdraw:
        for name, given in (("--by", by), ("--note", note), ("--expires", expires)):
            if given:
                other = "--list" if listing else "--withdraw"
                raise Problem(f"{name}: goes with a signature; leave it or {other} out")
    if not listing and not items:
        raise Problem("no ITEM to sign: name manual lines, or see them with --list")
    found = open_project(project, without=no_project)
    asked = Options(
        base_url=base_url,
        model=model,
        headers=tuple(header or ()),
        body=tuple(body or ()),
        insecure_http=True,
        signoff=signoff,
        rest={"monthly_usd": monthly_usd},
    )
    ready = plan(target, asked, os.environ, with_key=False, project=found)
    checklist = load(folders_of(checks or (), found), secrets=ready.secrets)
    own = signed_target(ready.profile, ready.settings)
    lines, without = manual_lines(checklist.checks.values(), ready.profile, ready.settings)
    redact = Redactor(ready.secrets).text
    chosen = _chosen(items or (), checklist, {line.check.id: line for line in lines}, without)
    manual = [check.id for check in checklist.checks.values() if check.kind == "manual"]
    path = signoff_path(signoff, found)
    file = read_signoff(path, manual)
    if listing:
        streams.out("\n".join(_listed(own, chosen, file, now)))
        return 0
    if withdraw:
        _withdraw(own, chosen, file)
        return 0
    name = _one_line(by or "", "--by", 200)
    if not name:
        raise Problem('--by: say who decides: --by "NAME"')
    told = _one_line(note, "--note", 1000)
    _sign(own, chosen, file, by=name, note=told, today=now, expires=last, redact=redact)
    return 0


def verify_signoff(path: Path, checklist: Checklist) -> None:
    """Hold the lines that a sign-off file names against the checklist. Raises SignatureError."""
    from llmcompat.project.signatures import read_signoff

    read_signoff(path, [check.id for check in checklist.checks.values() if check.kind == "manual"])


def _chosen(
    items: Iterable[str], checklist: Checklist, lines: Mapping[str, ManualLine], without: Mapping[str, str]
) -> list[ManualLine]:
    """The lines that ids and items name, each once; all where nothing is named. Raises Problem."""
    from llmcompat.cli.problems import Problem, nearest, printable

    chosen: dict[str, ManualLine] = {}
    for name in items:
        of_item = {check.id: lines[check.id] for check in checklist.of_item(name) if check.id in lines}
        if name in lines:
            chosen[name] = lines[name]
        elif of_item:
            chosen |= of_item
        elif name in without:
            raise Problem(f"{name}: cannot be signed without a run: {printable(without[name])}")
        elif name in checklist.checks:
            raise Problem(f"{name}: is judged by a run, not signed; to live with a failure: llmcompat accept")
        elif checklist.of_item(name):
            raise Problem(f"{name}: has no line that a person signs; {nearest(name, lines)}")
        else:
            known = dict.fromkeys([*lines, *(line.check.item for line in lines.values())])
            raise Problem(f"{printable(name, 80)}: no such manual line or item; {nearest(name, known)}")
    return list(chosen.values()) if chosen else list(lines.values())


def _listed(target: Target, lines: Sequence[ManualLine], file: Signoff, today: date) -> Iterator[str]:
    from llmcompat.cli.problems import printable
    from llmcompat.engine.decisions import lapse

    entries = {entry.check: entry for entry in file.entries if entry.is_for(target)}
    yield f"{_named(target)}; signatures in {printable(str(file.path), 500)}"
    width = max((len(line.check.id) for line in lines), default=0)
    counts = {"signed": 0, "lapsed": 0, "unsigned": 0}
    for line in lines:
        entry = entries.get(line.check.id)
        if entry is None:
            state, said = "unsigned", printable(line.check.title)
        elif reason := lapse(entry.signature, line.hash, today):
            state, said = "lapsed", printable(reason, 500)
        else:
            state, said = "signed", _words(entry)
        counts[state] += 1
        yield f"  {line.check.id:<{width}}  {state:<8}  {said}"
    yield ", ".join(f"{number} {state}" for state, number in counts.items())
    if others := sum(not entry.is_for(target) for entry in file.entries):
        yield f"{others} more in the file, of other targets"


def _sign(
    target: Target,
    lines: Sequence[ManualLine],
    file: Signoff,
    *,
    by: str,
    note: str,
    today: date,
    expires: date | None,
    redact: Callable[[str], str],
) -> None:
    """Show the facts of these lines, and write that they were signed."""
    from llmcompat.cli import streams
    from llmcompat.cli.problems import printable
    from llmcompat.project.signatures import Entry, SignedTarget, as_text, with_entries

    bound = SignedTarget(provider=target.provider, base_url=target.base_url, model=target.model)
    before = {entry.check: entry for entry in file.entries if entry.is_for(target)}
    told, made = [_named(target)], []
    for line in lines:
        # as long as one line of a file may be; the hash covers all of it
        facts = tuple(printable(redact(fact), 2000) for fact in line.facts.split(" | "))
        made.append(
            Entry(
                target=bound,
                check=line.check.id,
                by=by,
                signed=today,
                expires=expires,
                note=note,
                facts=line.hash,
                seen=facts,
            )
        )
        told += ["", f"{line.check.id}: {printable(line.check.title)}", *(f"  {fact}" for fact in facts)]
        told += [f"  (signed before: {_words(old)})"] if (old := before.get(line.check.id)) else []
    _write(file, as_text(with_entries(file.entries, made)))
    until = f", until {expires.isoformat()}" if expires else ""
    lapses = "A signature lapses when its target or its facts change."
    told += [
        "",
        f"Signed by {by} on {today.isoformat()}{until}: {', '.join(line.check.id for line in lines)}",
        f"Written to {printable(str(file.path), 500)}, which belongs into your repository. {lapses}",
    ]
    streams.out("\n".join(told))


def _withdraw(target: Target, lines: Sequence[ManualLine], file: Signoff) -> None:
    """Remove the signatures of these lines. Raises Problem where there is none."""
    from llmcompat.cli import streams
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.project.signatures import as_text

    ids = {line.check.id for line in lines}
    removed = [entry for entry in file.entries if entry.is_for(target) and entry.check in ids]
    shown = printable(str(file.path), 500)
    if not removed:
        raise Problem(f"{shown}: holds no signature of {', '.join(sorted(ids))} for {_named(target)}")
    _write(file, as_text(entry for entry in file.entries if entry not in removed))
    streams.out(f"Withdrawn from {shown}: {', '.join(entry.check for entry in removed)}")


def _write(file: Signoff, text: str) -> None:
    from llmcompat.cli.files import FileChanged, reason, write_atomically
    from llmcompat.cli.problems import Problem, printable

    shown = printable(str(file.path), 500)
    try:
        write_atomically(file.path, text, expected=file.content or b"")
    except FileChanged:
        raise Problem(f"{shown}: was changed in the meantime; nothing was written, try again") from None
    except (OSError, ValueError) as error:
        raise Problem(f"{shown}: not written: {reason(error)}") from None


def _one_line(text: str, option: str, most: int) -> str:
    """Text for the file in one line. Raises Problem where it is too long or cannot be printed."""
    from llmcompat.cli.problems import Problem

    line = " ".join(text.split())
    if len(line) > most or not line.isprintable():
        raise Problem(f"{option}: must be printable text of at most {most} characters")
    return line


def _named(target: Target) -> str:
    from llmcompat.cli.problems import printable

    role = f"{target.role}: " if target.role else ""
    return printable(f"{role}{target.provider}, {target.model} at {target.base_url}", 500)


def _words(entry: Entry) -> str:
    """Who signed, when, until when, and on which ground."""
    from llmcompat.cli.problems import printable

    until = f", until {entry.expires.isoformat()}" if entry.expires else ""
    note = f" ({printable(entry.note)})" if entry.note else ""
    return f"by {printable(entry.by)} on {entry.signed.isoformat()}{until}{note}"
