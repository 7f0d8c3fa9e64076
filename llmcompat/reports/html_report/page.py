"""The run as one HTML page that loads nothing: its styles and its script stand in it."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from llmcompat.model import Run
from llmcompat.reports import lines
from llmcompat.reports.escape import shorten, terminal
from llmcompat.reports.html_report.view import page

_MOST_TEXT = 1500
_LINK = re.compile(r"https?://[A-Za-z0-9.-]+(?::\d+)?(?:/[A-Za-z0-9._~:/?#%=&+,;()!$*'@-]*)?")

_SYMBOLS = {
    "FAIL": "✕",
    "fails": "✕",
    "incompatible": "✕",
    "warning": "!",
    "limitations": "!",
    "compatible with limitations": "!",
    "accepted": "≈",
    "no answer": "?",
    "to decide": "…",
    "signed": "✓",
    "pass": "✓",
    "holds": "✓",
    "compatible": "✓",
}
"""A sign beside each word, so that no outcome is told by its colour alone."""


def html_text(run: Run) -> str:
    """The page. It opens offline, is whole without JavaScript, and the same run gives the same text."""
    return rendered("page.html.j2", page=page(run))


def rendered(template: str, **values: object) -> str:
    """A template with what every page has: styles, script, and the policy that lets nothing else run."""
    style, script = _asset("style.css"), _asset("script.js")
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            style=Markup(style),
            script=Markup(script),
            policy=(
                f"default-src 'none'; style-src '{_source(style)}'; script-src '{_source(script)}'; "
                "base-uri 'none'; form-action 'none'"
            ),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("llmcompat.reports.html_report"),
        autoescape=True,
        # every value that a template writes passes here: none can be forgotten
        finalize=_clean,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = _short
    environment.filters["slug"] = lambda word: re.sub(r"[^a-z]+", "-", str(word).lower())
    environment.filters["symbol"] = lambda word: _SYMBOLS.get(str(word), "–")
    environment.tests["link"] = lambda text: _LINK.fullmatch(str(text)) is not None
    environment.globals["lines"] = lines
    return environment


def _clean(value: object) -> object:
    """A text with what steers or hides written out; markup and numbers as they are."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return terminal(str(value).replace("\r\n", "\n"), keep="\n\t")
    return value


def _short(value: object, limit: int = _MOST_TEXT) -> str:
    return shorten(str(value), limit)


@cache
def _asset(name: str) -> str:
    """A file beside this module, as it stands between its tags."""
    return f"\n{files('llmcompat.reports.html_report').joinpath(name).read_text(encoding='utf-8')}"


def _source(text: str) -> str:
    """What the page's policy calls an inline style or script: the hash of its text."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
