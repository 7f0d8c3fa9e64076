"""Reports: functions from a run to text, by the name of their format. None of them decides an exit status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from llmcompat.model import Run

# Each format is imported when it is asked for: a JSON export must not wait for a terminal library.


def _table(run: Run) -> str:
    from llmcompat.reports.table import table_text

    return table_text(run)


def _json(run: Run) -> str:
    from llmcompat.reports.json_run import to_json

    return to_json(run)


def _markdown(run: Run) -> str:
    from llmcompat.reports.markdown import markdown

    return markdown(run)


def _html(run: Run) -> str:
    from llmcompat.reports.html_report.page import html_text

    return html_text(run)


def _junit(run: Run) -> str:
    from llmcompat.reports.junit import junit

    return junit(run)


def _sarif(run: Run) -> str:
    from llmcompat.reports.sarif import sarif

    return sarif(run)


def _github(run: Run) -> str:
    from llmcompat.reports.github import annotations

    return annotations(run)


FORMATS: Mapping[str, Callable[[Run], str]] = MappingProxyType(
    {
        "table": _table,
        "json": _json,
        "markdown": _markdown,
        "html": _html,
        "junit": _junit,
        "sarif": _sarif,
        "github": _github,
    }
)
"""Name of a format to the function that writes it."""

SUFFIXES: Mapping[str, str] = MappingProxyType(
    {".json": "json", ".md": "markdown", ".html": "html", ".txt": "table", ".xml": "junit", ".sarif": "sarif"}
)
"""Suffix of a file to the format that it asks for."""
