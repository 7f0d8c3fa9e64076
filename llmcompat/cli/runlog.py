"""The run log: each answer as it came, so that a run that ends early loses nothing and can go on."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from io import BufferedWriter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmcompat.cli.problems import printable

if TYPE_CHECKING:
    from llmcompat.cli.target import Plan
    from llmcompat.model import Exchange, Run

SCHEMA = "llmcompat.log/1"
"""The first line's `schema`; each other line is one JSON object, {"target": n, …}."""

KEPT = 20
"""Logs of runs that ended early which are kept; the oldest make room."""

SUFFIX = ".runlog.jsonl"


class RunLog:
    """A file to which each finished exchange is appended; the owner alone can read it.

    Whatever hinders writing ends the log and never the run; `trouble` says it in one line.
    """

    def __init__(self, path: Path, *, keep: bool, started_at: datetime) -> None:
        from llmcompat.version import __version__

        self.path = path
        self.keep = keep
        self.trouble: str | None = None
        self._stream: BufferedWriter | None = None
        with self._guarded():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
            self._stream = os.fdopen(handle, "wb")
        at = started_at.isoformat(timespec="seconds").replace("+00:00", "Z")
        self._append(
            {"schema": SCHEMA, "tool": {"name": "llmcompat", "version": __version__}, "started_at": at}
        )

    def target(self, number: int, plan: Plan) -> None:
        """Note what is asked of a target, so that the run can go on from the log alone."""
        from llmcompat.wire.redaction import Redactor

        hide = Redactor([*([plan.key] if plan.key else []), *plan.secrets])
        self._append(
            {
                "target": number,
                "settings": hide.value(plan.settings.model_dump(mode="json")),
                "profile": plan.profile.model_dump(mode="json", exclude_defaults=True),
                "key_variables": list(plan.key_variables),
            }
        )

    def recorder(self, number: int) -> Callable[[Exchange], None]:
        """What takes the exchanges of one target."""
        from llmcompat.reports.json_run import exchange_data

        return lambda exchange: self._append({"target": number, "exchange": exchange_data(exchange)})

    def close(self, *, whole: bool) -> bool:
        """End the log; whether it is kept: that of a whole run is not, unless it was asked for."""
        if self._stream is None:
            return False
        with contextlib.suppress(OSError):
            self._stream.close()
        if whole and not self.keep:
            with contextlib.suppress(OSError):
                self.path.unlink()
            return False
        return self.trouble is None

    def _append(self, line: dict[str, Any]) -> None:
        if self._stream is None:
            return
        data = json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        with self._guarded():
            self._stream.write(data)
            self._stream.flush()

    @contextlib.contextmanager
    def _guarded(self) -> Any:
        try:
            yield
        except OSError as error:
            self._stream = None
            self.trouble = f"{self.path}: the run log ends here: {error.strerror or error}"


def default_path(started_at: datetime, label: str) -> Path:
    """Where the log of a run is kept when no place is named; logs beyond `KEPT` are removed."""
    from llmcompat.cli.green import state_folder

    folder = state_folder() / "runs"
    with contextlib.suppress(OSError):
        oldest_first = sorted(folder.glob(f"*{SUFFIX}"))
        for old in oldest_first[: max(0, len(oldest_first) - KEPT + 1)]:
            old.unlink()
    words = "".join(char if char.isalnum() and char.isascii() else "-" for char in label.lower())[:60].strip(
        "-"
    )
    return folder / f"{started_at.strftime('%Y%m%dT%H%M%S%f')}-{words}{SUFFIX}"


def open_log(path: str | None, plans: Sequence[Plan]) -> RunLog | None:
    """The log of a run on these targets; none before simulators of our own, unless a file is named for it."""
    from llmcompat.cli.labels import labels
    from llmcompat.cli.streams import say

    if path is None and all(plan.built_in or plan.settings.simulated for plan in plans):
        return None
    now = datetime.now(UTC)
    place = Path(path) if path is not None else default_path(now, "-".join(labels(plans)))
    log = RunLog(place, keep=path is not None, started_at=now)
    for number, plan in enumerate(plans):
        log.target(number, plan)
    if path is not None and log.trouble:
        say(printable(log.trouble, 400))
        return None
    return log


def end_log(log: RunLog | None, run: Run, *, interrupted: bool) -> None:
    """Close the log, and say how to go on where the run ended early."""
    from llmcompat.cli.streams import say

    if log is None:
        return
    early = interrupted or any(each.stopped and each.exchanges for each in run.runs)
    kept = log.close(whole=not early)
    if log.trouble:
        say(printable(log.trouble, 400))
    elif kept and early:
        say(f"go on with: llmcompat check --resume {printable(str(log.path), 400)}")
