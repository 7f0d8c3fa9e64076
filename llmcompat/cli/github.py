"""What changes within GitHub Actions: its runner obeys lines of a log, and shows a summary of each step."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmcompat.model import Run

SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable that names the file to which a step appends its summary."""

FORMAT = "github"
"""The format that is commands, each of them ours."""

_TOKEN_BYTES = 16


def with_annotations(table: str, run: Run) -> str:
    """The table, in which the runner obeys nothing, and the annotations after it."""
    from llmcompat.reports.github import annotations

    # what the endpoint says cannot know the word that ends this
    token = secrets.token_hex(_TOKEN_BYTES)
    body = table if table.endswith("\n") else f"{table}\n"
    return f"::stop-commands::{token}\n{body}::{token}::\n{annotations(run)}"


def append_summary(run: Run) -> str | None:
    """Append the run to the step's summary, if there is one; the line to say where that does not work."""
    path = os.environ.get(SUMMARY)
    if not path:
        return None
    from llmcompat.cli.files import reason
    from llmcompat.cli.problems import printable
    from llmcompat.reports.github import step_summary

    try:
        with open(path, "a", encoding="utf-8", newline="\n") as stream:
            stream.write(step_summary(run))
    except (OSError, ValueError) as error:
        return f"{SUMMARY} {printable(path)}: not written: {reason(error)}"
    return None
