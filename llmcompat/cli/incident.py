"""`llmcompat incident`: five requests at three in the morning, and what to send to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llmcompat.cli import options
from llmcompat.cli.options import BOUNDS, OUTPUT, REQUESTS, TARGET, option

if TYPE_CHECKING:
    from pathlib import Path

    from llmcompat.cli.target import Options, Plan
    from llmcompat.engine.incident import Incident, StatusPage
    from llmcompat.engine.loader import Checklist
    from llmcompat.model import Run, TargetRun
    from llmcompat.profiles import Profile
    from llmcompat.project import Project
    from llmcompat.settings import Settings

EPILOG = """
**Examples**

`llmcompat incident deepseek` — the last green run is the one that `llmcompat check deepseek` kept

`llmcompat incident groq --last-green run.json --bundle ticket.zip`

**Exit status**

As for `check`: 0 the requests hold · 1 something is broken · 2 nothing could run · 3 no answer ·
4 the bundle could not be written · 130 interrupted.
"""

_STATUS_BYTES = 64 * 1024
_STATUS_SECONDS = 5.0
_LONGEST_STATUS = 200
"""Characters that a status page may say."""


def incident(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET",
            help="NAME or NAME:MODEL, or a profile file.",
            autocompletion=options.complete_target,
        ),
    ] = None,
    base_url: options.BaseUrl = None,
    model: options.Model = None,
    api_key_env: options.ApiKeyEnv = None,
    header: options.Header = None,
    body: options.Body = None,
    insecure_http: options.InsecureHttp = None,
    project: options.ProjectFile = None,
    no_project: options.NoProject = False,
    use_case: Annotated[
        str | None,
        option(
            "--for",
            panel=TARGET,
            metavar="USE",
            complete=options.complete_use_case,
            help="What decides: chat, agent or trial. Default: as in the last green run, else agent.",
        ),
    ] = None,
    last_green: Annotated[
        str | None,
        option(
            "--last-green",
            panel=TARGET,
            metavar="RUN.json",
            help="The run to hold this against. Default: the last green `check` of the same target.",
        ),
    ] = None,
    status_page: Annotated[
        bool,
        option("--status-page/--no-status-page", panel=REQUESTS, help="Read the provider's status page."),
    ] = True,
    timeout: Annotated[
        float,
        option("--timeout", panel=BOUNDS, metavar="SECONDS", help="What one request may take."),
    ] = 30.0,
    bundle: Annotated[
        str | None,
        option(
            "--bundle",
            panel=OUTPUT,
            metavar="PATH",
            help="Where the bundle for the provider's support goes. Default: a new file in this folder.",
        ),
    ] = None,
) -> int:
    """Say in five requests what works and what broke since when, and bundle it for the provider's support."""
    given = locals()
    import asyncio
    import sys
    from dataclasses import replace

    from llmcompat.cli import streams
    from llmcompat.cli.execute import execute
    from llmcompat.cli.layers import open_project
    from llmcompat.cli.problems import printable
    from llmcompat.cli.progress import progress
    from llmcompat.cli.target import gather
    from llmcompat.engine.decide import Exit, worst
    from llmcompat.engine.incident import incident as put_together
    from llmcompat.engine.incident import incident_checklist
    from llmcompat.engine.loader import load_checklist
    from llmcompat.reports.incident import incident_text

    checklist = load_checklist()
    planned = _plan(target, gather(given), open_project(project, without=no_project), checklist, timeout)
    path = _bundle_path(bundle, planned.settings)
    green = _green(last_green, planned.settings)
    if green is not None and use_case is None:
        same = planned.settings.model_copy(update={"use_case": green.use_case})
        planned = replace(planned, settings=same)
    outcome = execute(incident_checklist(checklist, green), [planned], progress(quiet=True, verbose=False))
    if not outcome.run.runs:
        for line in outcome.notes:
            streams.say(line)
        return int(Exit.INTERRUPTED)
    run = outcome.run.runs[0]
    page = asyncio.run(_status_page(planned.profile)) if status_page else None
    found = put_together(run, _judged_today(green, checklist), page)
    streams.out(incident_text(found, width=streams.width(), color=streams.colored(sys.stdout)))
    codes = [run.exit_code]
    try:
        _write_bundle(path, outcome.run, found)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        streams.say(f"--bundle {printable(str(path))}: not written: {printable(reason)}")
        codes.append(Exit.NOT_WRITTEN)
    else:
        streams.out(
            f"\nBundle: {printable(str(path), 500)}\n"
            "  incident.md to paste into a ticket, run.json with requests and answers, headers.txt;\n"
            "  keys and cookies are masked. It holds the prompts of this command and what came back."
        )
    return worst([*codes, Exit.INTERRUPTED]) if outcome.interrupted else worst(codes)


def _plan(
    target: str | None, given: Options, project: Project | None, checklist: Checklist, timeout: float
) -> Plan:
    """One target and how to ask it; what a project file says of whole runs does not count here."""
    import os
    from dataclasses import replace

    from llmcompat.cli.layers import targets_of
    from llmcompat.cli.problems import Problem
    from llmcompat.cli.target import plan
    from llmcompat.engine.incident import incident_checks

    named = targets_of([target] if target else [], project, base_url=given.base_url, model=given.model)
    if len(named) > 1:
        raise Problem(f"name one TARGET of the project file: {', '.join(str(name) for name in named)}")
    planned = plan(named[0], given, os.environ, project=project)
    changes = {
        "only": incident_checks(checklist),
        "skip": (),
        "quick": False,
        "repeat": 1,
        "timeout": timeout,
        "deadline": 5 * timeout,
        "require_signoff": False,
        "fail_on_stale": False,
    }
    # two at a time, so that nothing is asked before plain chat has answered
    changes["concurrency"] = 2
    return replace(planned, settings=planned.settings.model_copy(update=changes))


def _green(given: str | None, settings: Settings) -> TargetRun | None:
    """The run to hold the incident against. Raises Problem for a file that was named and cannot be used."""
    from llmcompat.cli import streams
    from llmcompat.cli.files import read_run
    from llmcompat.cli.green import last_green
    from llmcompat.cli.problems import Problem, printable

    if given is None:
        try:
            return last_green(settings.provider, settings.base_url, settings.model)
        except Problem as problem:
            streams.say(f"the last green run is left out: {problem}")
            return None
    name = f"--last-green {printable(given)}"
    runs = read_run(given, "--last-green").runs
    same = [run for run in runs if run.target.model == settings.model]
    ours = [run for run in same if run.target.provider == settings.provider]
    found = next(iter(ours or same), None)
    if found is None:
        held = ", ".join(f"{run.target.provider}:{run.target.model}" for run in runs[:5]) or "no target"
        raise Problem(f"{name}: holds no run of {printable(settings.model)}, only {printable(held)}")
    if found.exit_code != 0:
        streams.say(f"{name}: was not green itself (exit status {found.exit_code}); it is used all the same")
    return found


def _judged_today(green: TargetRun | None, checklist: Checklist) -> TargetRun | None:
    """The green run judged by the checks that judge the incident: an older version had others."""
    from datetime import UTC, datetime

    from llmcompat.engine.incident import incident_checks
    from llmcompat.engine.rejudge import RejudgeError, rejudge
    from llmcompat.engine.selection import SelectionError

    if green is None:
        return None
    changes = {"only": incident_checks(checklist), "skip": (), "quick": False}
    try:
        return rejudge(checklist, green, today=datetime.now(UTC).date(), changes=changes)
    except (RejudgeError, SelectionError):
        return green


def _bundle_path(given: str | None, settings: Settings) -> Path:
    """Where the bundle goes. Raises Problem where it cannot, before anything is sent."""
    import re
    from datetime import UTC, datetime
    from pathlib import Path

    from llmcompat.cli.problems import Problem, printable

    if given is None:
        who = re.sub(r"[^A-Za-z0-9.-]+", "-", settings.provider).strip("-.") or "endpoint"
        return Path(f"llmcompat-incident-{who}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip")
    path = Path(given)
    if not given.strip() or path.is_dir():
        raise Problem("--bundle: give the path of a file, such as --bundle incident.zip")
    if not path.parent.is_dir():
        raise Problem(
            f"--bundle {printable(given)}: there is no folder {printable(str(path.parent))}; make it first"
        )
    if path.exists() and not path.is_file():
        raise Problem(f"--bundle {printable(given)}: it exists and is not a regular file")
    return path


async def _status_page(profile: Profile) -> StatusPage | None:
    """What the status page says where it is of the common kind; its address where it is not."""
    from llmcompat.cli.problems import printable
    from llmcompat.engine.incident import StatusPage
    from llmcompat.reply import dig, load_json
    from llmcompat.wire.public import NotRead, read_public

    url = profile.pages.status
    if url is None:
        return None
    try:
        # the address that statuspage.io serves, and others after it
        data = await read_public(
            f"{url.rstrip('/')}/api/v2/status.json", most=_STATUS_BYTES, seconds=_STATUS_SECONDS
        )
        document = load_json(data)
    except NotRead as error:
        return StatusPage(url, reason=f"not read: {error}")
    except ValueError:
        return StatusPage(url, reason="not read: it has no status.json")
    said = dig(document, "status.description")
    if not isinstance(said, str) or not said.strip():
        return StatusPage(url, reason="not read: its status.json is of another kind")
    when = dig(document, "page.updated_at")
    updated = f", as of {printable(when, 40)}" if isinstance(when, str) else ""
    return StatusPage(url, said=f"{printable(said, _LONGEST_STATUS)}{updated}")


def _write_bundle(path: Path, whole: Run, found: Incident) -> None:
    """Write the zip whole or not at all, readable by its owner only. Raises OSError or ValueError."""
    import contextlib
    import io
    import os
    import secrets
    import zipfile
    from dataclasses import replace

    from llmcompat.reports.incident import headers_text, incident_markdown, without_cookies
    from llmcompat.reports.json_run import to_json

    run = without_cookies(found.run)
    texts = {
        "incident.md": incident_markdown(found),
        "run.json": to_json(replace(whole, runs=(run,))),
        "headers.txt": headers_text(run.exchanges),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text.encode("utf-8", "backslashreplace"))
    draft = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(buffer.getvalue())
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
