"""The last green run of each target, kept in the user's state folder: what an incident is held against."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from pathlib import Path

from llmcompat.cli.files import read_run, write_atomically
from llmcompat.engine.decide import Exit
from llmcompat.model import Run, TargetRun
from llmcompat.reports.json_run import to_json

FOLDER_VARIABLE = "LLMCOMPAT_STATE_DIR"
"""Names another folder for what is remembered."""

OFF_VARIABLE = "LLMCOMPAT_NO_REMEMBER"
"""Set to anything, no run is remembered."""


def remember(run: Run) -> None:
    """Keep each green run of a real target, and of the whole checklist, in the place of the one before.

    A simulation and the demo are no target, and part of the checklist is no green run. Whatever hinders it
    is passed over in silence: nobody asked for it, and a run is no worse without.
    """
    if os.environ.get(OFF_VARIABLE):
        return
    for each in run.runs:
        if _worth_keeping(each):
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                path = path_of(each.target.provider, each.target.base_url, each.target.model)
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                one = Run(run.tool_version, each.started_at, each.seconds, (each,))
                write_atomically(path, to_json(one), private=True)


def _worth_keeping(run: TargetRun) -> bool:
    partly = any(run.settings.get(name) for name in ("only", "skip", "quick"))
    real = not run.simulated and run.profile.get("kind") != "demo"
    return real and not partly and run.stopped is None and run.exit_code == Exit.COMPATIBLE


def last_green(provider: str, base_url: str, model: str) -> TargetRun | None:
    """The run that was kept of this target, or None. Raises Problem where it is damaged."""
    path = path_of(provider, base_url, model)
    if not path.is_file():
        return None
    return next(iter(read_run(path).runs), None)


def path_of(provider: str, base_url: str, model: str) -> Path:
    """Where the last green run of a target is kept, whether or not there is one."""
    # the words are for people, the digest tells apart what they do not
    words = re.sub(r"[^a-z0-9.]+", "-", f"{provider}-{model}".lower()).strip("-.")[:80]
    digest = hashlib.sha256(f"{provider}\n{base_url}\n{model}".encode()).hexdigest()[:10]
    return state_folder() / "green" / f"{words}-{digest}.json"


def state_folder() -> Path:
    """The user's folder for what is remembered between runs."""
    import platformdirs

    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else platformdirs.user_state_path("llmcompat", appauthor=False)
