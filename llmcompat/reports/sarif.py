"""The run as SARIF 2.1.0, within what GitHub's code scanning reads: each failed check is a result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from llmcompat.engine.decide import Exit, worst
from llmcompat.model import Level, Result, Run, Status, TargetRun, UseCase
from llmcompat.reports.escape import (
    is_address,
    markdown,
    markdown_link,
    one_line,
    sarif_message,
    shorten,
    terminal,
)
from llmcompat.reports.standing import (
    SIMULATED,
    Standing,
    explained,
    names,
    no_answer,
    place,
    saw,
    standing,
    why_aside,
)

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"

_MOST_TEXT = 1000
_MOST_HELP = 4000
_MOST_LINKS = 10
_MOST_NOTIFICATIONS = 50
_FINGERPRINT = "llmcompatDeviation/v1"


def sarif(run: Run) -> str:
    """SARIF 2.1.0 in one run: of several runs in a file of one tool, GitHub reads the first only.

    A result stands in the project file, where it names the target. What has no answer is no result but a
    notification: an alert that comes and goes with the network says nothing of the endpoint.
    """
    judged = [
        (name, target_run, result)
        for name, target_run in zip(names(run), run.runs, strict=True)
        for result in target_run.checks
        if result.status in (Status.PASS, Status.FAIL) and result.kind != "manual"
    ]
    failed = [each for each in judged if each[2].status is Status.FAIL]
    rules = _rules(result for _, _, result in judged)
    position = {rule["id"]: number for number, rule in enumerate(rules)}
    code = worst(target_run.exit_code for target_run in run.runs) if run.runs else int(Exit.NOTHING_RAN)
    invocation: dict[str, Any] = {
        "executionSuccessful": code in (Exit.COMPATIBLE, Exit.INCOMPATIBLE),
        "exitCode": code,
    }
    if notifications := list(_notifications(run)):
        invocation["toolExecutionNotifications"] = notifications[:_MOST_NOTIFICATIONS]
    driver = {"name": "llmcompat", "version": terminal(run.tool_version), "rules": rules}
    document = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "invocations": [invocation],
                "results": [
                    _result(name, target_run, result, position[terminal(result.id)])
                    for name, target_run, result in failed
                ],
            }
        ],
    }
    return json.dumps(document, ensure_ascii=True, indent=1) + "\n"


def _rules(results: Iterable[Result]) -> list[dict[str, Any]]:
    """A rule for each check that was judged; where targets differ in its level, the higher is its default."""
    rules: dict[str, dict[str, Any]] = {}
    for result in results:
        rule = rules.setdefault(terminal(result.id), _rule(result))
        if result.level is Level.MUST:
            rule["defaultConfiguration"]["level"] = "error"
    return list(rules.values())


def _rule(result: Result) -> dict[str, Any]:
    title, why, fix = (one_line(text, _MOST_HELP) for text in (result.title, result.why, result.fix))
    known = [result.known.source] if result.known else []
    sources = [source for source in dict.fromkeys([*known, *result.sources]) if is_address(source)]
    help = [markdown(why), f"**Fix:** {markdown(fix)}"]
    if sources:
        links = "\n".join(f"- {markdown_link(source)}" for source in sources[:_MOST_LINKS])
        help.append(f"Where this was met:\n\n{links}")
    rule: dict[str, Any] = {
        "id": terminal(result.id),
        "name": "".join(word.capitalize() for word in terminal(result.id).split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": why or title},
        "help": {"text": f"Fix: {fix}", "markdown": "\n\n".join(help)},
        "defaultConfiguration": {"level": _level(result)},
        "properties": {"tags": _tags(result)},
    }
    if sources:
        rule["helpUri"] = sources[0]
    return rule


def _tags(result: Result) -> list[str]:
    # few: GitHub takes twenty a rule
    musts = [f"must-for-{each.value}" for each in UseCase if result.levels.get(each.value) is Level.MUST]
    return [one_line(result.item, 100), result.kind, *musts]


def _result(name: str, run: TargetRun, result: Result, rule: int) -> dict[str, Any]:
    path, line = place(run.location)
    fingerprint = _fingerprint(run, result)
    found: dict[str, Any] = {
        "ruleId": terminal(result.id),
        "ruleIndex": rule,
        "level": _level(result),
        "message": {"text": _message(name, result)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(terminal(path), safe="/")},
                    "region": {"startLine": line},
                }
            }
        ],
        # GitHub goes by the first, and would make it from the text of the line that names the target:
        # an edit of that line would close the alerts and open others
        "partialFingerprints": {"primaryLocationLineHash": fingerprint, _FINGERPRINT: fingerprint},
        "properties": {
            "target": name,
            "provider": one_line(run.target.provider, _MOST_TEXT),
            "model": one_line(run.target.model, _MOST_TEXT),
            "case": one_line(result.case, _MOST_TEXT) if result.case else None,
            "simulated": SIMULATED if run.simulated else False,
        },
    }
    count = standing(result, run)
    if count in (Standing.ACCEPTED, Standing.NO_WORSE):
        reason = result.accepted or why_aside(result, count)
        found["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": one_line(reason, _MOST_TEXT)}
        ]
    return found


def _message(name: str, result: Result) -> str:
    # a sentence of its own comes first: where room is short, it is all that is shown
    told = [
        f"{label}: {shorten(text, _MOST_TEXT)}"
        for label, text in explained(result)
        if label in ("breaks", "known", "fix")
    ]
    title = result.title if result.title.endswith((".", "?", "!")) else f"{result.title}."
    head = f"{name} fails: {shorten(title, _MOST_TEXT)}"
    return sarif_message("\n".join([head, shorten(saw(result), _MOST_TEXT), *told]))


def _notifications(run: Run) -> Iterator[dict[str, Any]]:
    for name, target_run in zip(names(run), run.runs, strict=True):
        if target_run.stopped:
            text = f"{name}: ended early: {shorten(target_run.stopped, _MOST_TEXT)}"
            yield {"level": "error", "message": {"text": sarif_message(text)}}
        for result in target_run.checks:
            if standing(result, target_run) is Standing.UNANSWERED:
                text = f"{name}: no answer to {result.id}: {shorten(no_answer(result), _MOST_TEXT)}"
                yield {"level": "warning", "message": {"text": sarif_message(text)}}


def _level(result: Result) -> str:
    return "error" if result.level is Level.MUST else "warning"


def _fingerprint(run: TargetRun, result: Result) -> str:
    """The same for the same deviation of the same endpoint in every run, whatever was seen."""
    target = run.target
    # the built-in endpoint has another port in every run
    built_in = run.simulated or run.profile.get("kind") == "demo"
    parts = [
        target.role or target.model,
        target.provider,
        "" if built_in else target.base_url,
        result.id,
        result.case or "",
    ]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode("ascii")).hexdigest()[:32]
