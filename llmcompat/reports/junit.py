"""The run as JUnit XML, in the part of the format that GitLab and Jenkins both read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from llmcompat.model import Acceptance, Result, Run, TargetRun
from llmcompat.reports.escape import shorten, xml
from llmcompat.reports.standing import (
    SIMULATED,
    Standing,
    explained,
    names,
    no_answer,
    saw,
    stale_words,
    standing,
    verdict_words,
    why_aside,
)

_MOST_MESSAGE = 500
_MOST_TEXT = 2000
"""Characters of one field within the text of an element."""
_MOST_NOTES = 20

_ASIDE = (Standing.NO_WORSE, Standing.ACCEPTED, Standing.NOT_KNOWN, Standing.TO_DECIDE, Standing.SKIPPED)
"""What is shown as skipped; so is a should without an answer, as green would say that it was seen to hold."""


def junit(run: Run) -> str:
    """JUnit XML: a suite for each target, a case for each check.

    A failed must is a failure, a must without an answer an error; what is accepted, left to a person or no
    worse than in the reference run is skipped with the reason; a failed should passes with a text.
    """
    root = ET.Element("testsuites", name="llmcompat", time=_seconds(run.seconds))
    for name, target_run in zip(names(run), run.runs, strict=True):
        root.append(_suite(name, target_run))
    for total in ("tests", "failures", "errors"):
        root.set(total, str(sum(int(suite.get(total, "0")) for suite in root)))
    ET.indent(root)
    # in ASCII the bytes are the same in whatever encoding a shell's redirection stores them
    data: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return data.decode("ascii") + "\n"


def _suite(name: str, run: TargetRun) -> ET.Element:
    suite = ET.Element("testsuite", name=_line(name))
    facts = {
        "provider": run.target.provider,
        "base_url": run.target.base_url,
        "model": run.target.model,
        "verdict": verdict_words(run),
        "exit_code": str(run.exit_code),
        "simulated": SIMULATED if run.simulated else "false",
    }
    properties = ET.SubElement(suite, "properties")
    for key, value in facts.items():
        ET.SubElement(properties, "property", name=key, value=_line(value))
    found = [standing(result, run) for result in run.checks]
    suite.extend(_case(name, result, each) for result, each in zip(run.checks, found, strict=True))
    stale = run.stale if run.settings.get("fail_on_stale") else ()
    suite.extend(_stale(name, acceptance) for acceptance in stale)
    if run.stopped:
        _output(suite, "system-err", [f"ended early: {run.stopped}"])
    counts = {
        "tests": len(found) + len(stale),
        "failures": found.count(Standing.FAILURE) + len(stale),
        "errors": found.count(Standing.UNANSWERED),
        "skipped": sum(each in _ASIDE for each in found),
    }
    for key, number in counts.items():
        suite.set(key, str(number))
    suite.set("time", _seconds(run.seconds))
    suite.set("timestamp", _line(run.started_at))
    return suite


def _case(name: str, result: Result, found: Standing) -> ET.Element:
    case = _named(name, result.item, result.id, result.seconds)
    if found is Standing.FAILURE:
        _ending(case, "failure", result.case or "fail", saw(result), result)
    elif found is Standing.UNANSWERED:
        _ending(case, "error", "no-answer", no_answer(result), result)
    elif found in _ASIDE:
        _ending(case, "skipped", found.name.lower().replace("_", "-"), why_aside(result, found), result)
    elif found in (Standing.WARNING, Standing.SIGNED) or result.notes:
        heading = [f"warning: {result.title}"] if found is Standing.WARNING else []
        _output(case, "system-out", [*heading, *_told(result)])
    return case


def _stale(name: str, acceptance: Acceptance) -> ET.Element:
    check = f"{acceptance.check}:{acceptance.case}" if acceptance.case else acceptance.check
    case = _named(name, "accepted", check, 0)
    failure = ET.SubElement(case, "failure", type="stale", message=_line(stale_words(acceptance)))
    failure.text = _text([stale_words(acceptance), f"accepted: {acceptance.reason}"])
    return case


def _named(name: str, item: str, id: str, seconds: float) -> ET.Element:
    # GitLab keeps the first only of two cases whose names and class names are the same
    return ET.Element(
        "testcase", classname=_line(f"llmcompat.{name}.{item}"), name=_line(id), time=_seconds(seconds)
    )


def _ending(case: ET.Element, tag: str, kind: str, message: str, result: Result) -> None:
    # Jenkins shows the message first, GitLab the text alone
    ending = ET.SubElement(case, tag, type=_line(kind), message=_line(message))
    heading = message if tag == "skipped" else result.title
    ending.text = _text([heading, *(text for text in _told(result) if text != message)])


def _told(result: Result) -> list[str]:
    rows = explained(result)
    notes = [row for row in rows if row[0] == "note"]
    shown = [row for row in rows if row[0] != "note"] + notes[:_MOST_NOTES]
    return [f"{label}: {shorten(text, _MOST_TEXT)}" for label, text in shown]


def _output(parent: ET.Element, tag: str, texts: Iterable[str]) -> None:
    ET.SubElement(parent, tag).text = _text(texts)


def _text(texts: Iterable[str]) -> str:
    return xml("\n".join(shorten(text, _MOST_TEXT + 100) for text in texts))


def _line(text: str) -> str:
    """The text as an attribute of bounded length."""
    near = " ".join(shorten(text, 8 * _MOST_MESSAGE).split())
    return shorten(xml(near), _MOST_MESSAGE)


def _seconds(seconds: float) -> str:
    """Seconds as a decimal number; the schema has room for three places."""
    return f"{max(0.0, seconds) if math.isfinite(seconds) else 0.0:.3f}"
