"""`llmcompat accept`: write into the project file that one deviation of a target is accepted, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmcompat.engine.loader import Checklist
    from llmcompat.project import Project
    from llmcompat.project.schema import AcceptedEntry

EPILOG = """
**Examples**

`llmcompat accept chat tool-arguments-string:object --reason "our parser takes both" --until 2027-05-01`

`llmcompat accept chat tool-arguments-string:object --withdraw`
"""


def accept(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A target of the project file, by its role or provider.")
    ],
    check: Annotated[
        str,
        typer.Argument(
            metavar="CHECK[:CASE]",
            help="One check, or one case of it; a run names both.",
            autocompletion=options.complete_id,
        ),
    ],
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", help="Why your application can live with it.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="DATE", help="The last day on which it counts, such as 2027-05-01."),
    ] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Remove the entry.")] = False,
    checks: options.Checks = None,
    project: options.ProjectFile = None,
) -> int:
    """Accept one deviation of a target: it is shown as accepted and makes no run incompatible.

    It is written into llmcompat.yaml, where comments and layout stay as they are. Sends nothing.
    """
    from llmcompat.cli import days, streams
    from llmcompat.cli.layers import folders_of, open_project
    from llmcompat.cli.loading import load
    from llmcompat.cli.problems import Problem, printable
    from llmcompat.project import FILE_NAME
    from llmcompat.project.edit import add_accepted, remove_accepted

    found = open_project(project, without=False)
    if found is None:
        raise Problem(f"no {FILE_NAME} here or in a folder above to write it into; make one: llmcompat init")
    id, case = _named(check, load(folders_of(checks or (), found)))
    who = _target(target, found)
    same = _entries(found.content.accepted, id, case, who)
    name = f"{id}:{case}" if case else id
    content = found.path.read_bytes()
    if withdraw:
        if reason is not None or until is not None:
            raise Problem("--withdraw: removes an entry; leave --reason and --until out")
        if not same:
            raise Problem(f"{found.shown}: {name} is not accepted for {who}{_elsewhere(found, id)}")
        _write(found, remove_accepted(found.shown, content, same[0]), content)
        streams.out(f"{found.shown}: {name} is no longer accepted for {who}: it fails again.")
        return 0
    text = " ".join((reason or "").split())
    if not text:
        raise Problem('--reason: say why your application can live with it: --reason "…"')
    if len(text) > 1000 or not text.isprintable():
        raise Problem("--reason: must be printable text of at most 1000 characters")
    now = days.today()
    last = days.parse_day(until, "--until", now=now)
    if same:
        old = found.content.accepted[same[0]]
        over = f", until {old.until}" if old.until else ""
        raise Problem(
            f"{found.place('accepted', same[0])}: {name} is accepted for {who} already"
            f" ({printable(old.reason, 80)}{over}); first remove it with --withdraw"
        )
    entry = {
        "check": id,
        **({"case": case} if case else {}),
        "target": who,
        "reason": text,
        **({"until": last} if last else {}),
    }
    _write(found, add_accepted(found.shown, content, entry), content)
    what = f"in the case {case}" if case else "in whatever case it fails"
    rest = " In any other case it still fails." if case else ""
    ends = f" It counts until {last.isoformat()} and fails again from the day after." if last else ""
    streams.out(
        f"{found.shown}: {name} is accepted for {who}: {text}\n"
        f"From now on {id} is shown as accepted {what}; so is what only waits for it.{rest}{ends}\n"
        "When it no longer occurs, a run says so; with --fail-on-stale that run fails."
    )
    return 0


def _named(text: str, checklist: Checklist) -> tuple[str, str | None]:
    """The check and the case that CHECK[:CASE] names. Raises Problem."""
    from llmcompat.cli.problems import Problem, nearest, printable
    from llmcompat.declare import SLUG

    if any(character in text for character in "*?[],"):
        raise Problem(
            f"{printable(text, 80)}: one at a time: name one CHECK or CHECK:CASE, no pattern or list"
        )
    id, colon, case = text.partition(":")
    if id not in checklist.checks:
        of_item = checklist.of_item(id)
        if of_item:
            raise Problem(f"{id}: is an item of {len(of_item)} checks; one at a time: name one of them")
        raise Problem(f"{printable(id, 80)}: no such check; {nearest(id, checklist.checks)}")
    if checklist.checks[id].kind == "manual":
        raise Problem(f"{id}: a person decides this line; sign it: llmcompat sign TARGET {id}")
    if colon and not SLUG.fullmatch(case):
        raise Problem(f"{printable(text, 80)}: the case must be a name as a run shows it, such as object")
    return id, case or None


def _target(text: str, project: Project) -> str:
    """What `accepted` calls the target: its role, or its provider with the model if one was named."""
    from llmcompat.cli.problems import Problem, nearest, printable
    from llmcompat.cli.target import split_target
    from llmcompat.profiles import load_profile

    if text in project.targets and not project.listed:
        return text
    known = dict.fromkeys(project.targets)
    for key, entry in project.targets.items():
        if entry.provider is None:
            continue
        head, model = split_target(entry.provider)
        profile = load_profile(_path(head, project))
        default = profile.models.default.value if profile.models.default else None
        model = entry.model or model
        if project.listed and text == key:
            return f"{profile.name}:{model}" if model else profile.name
        full = f"{profile.name}:{model or default}"
        if text in (profile.name, full):
            return text
        known |= dict.fromkeys((profile.name, full))
    if not known:
        raise Problem(f"{project.shown}: names no targets; add one below `targets:`")
    raise Problem(f"{printable(text, 80)}: no target of {project.shown} is called so; {nearest(text, known)}")


def _path(head: str, project: Project) -> str:
    """A profile's name, or the path of its file, which is relative to the project file."""
    from llmcompat.profiles.loader import is_path

    return str(project.resolve(head)) if is_path(head) else head


def _entries(entries: Sequence[AcceptedEntry], id: str, case: str | None, target: str) -> list[int]:
    """The places of those that say the very same."""
    said = (id, case, target)
    return [index for index, each in enumerate(entries) if (each.check, each.case, each.target) == said]


def _elsewhere(project: Project, id: str) -> str:
    """Where the same check is accepted in other words; "" where it is not."""
    for index, each in enumerate(project.content.accepted):
        if each.check == id:
            name = f"{id}:{each.case}" if each.case else id
            return f"; {project.place('accepted', index)} accepts {name} for {each.target or 'every target'}"
    return ""


def _write(project: Project, text: str, expected: bytes) -> None:
    from llmcompat.cli.files import FileChanged, reason, write_atomically
    from llmcompat.cli.problems import Problem, printable

    shown = printable(project.shown)
    try:
        write_atomically(project.path, text, expected=expected)
    except FileChanged:
        raise Problem(f"{shown}: was changed in the meantime; nothing was written, try again") from None
    except (OSError, ValueError) as error:
        raise Problem(f"{shown}: not written: {reason(error)}") from None
