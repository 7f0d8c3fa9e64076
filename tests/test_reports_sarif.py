"""SARIF, validated by its schema and by what GitHub's code scanning asks beyond it."""

import json
import re
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
from markdown_it import MarkdownIt

from llmcompat.model import Before, Known, Level, Location, Reference, Result, Run, Status, Target, TargetRun
from llmcompat.reports.sarif import sarif
from tests.reporting import HOSTILE, exchange, result, rich_run, run, target_run
from tests.test_reports_table import hostile_run

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "run.sarif"
TARGET = Target("example", "https://api.example.test/v1", "m1")
HERE_IT_IS = Location("deploy/llmcompat.yaml", 7)

# GitHub's limits for an upload
MOST_RESULTS, MOST_RULES, MOST_TAGS, MOST_BYTES = 25_000, 25_000, 20, 10_000_000


@cache
def schema() -> jsonschema.Draft4Validator:
    """The schema of SARIF 2.1.0 as OASIS published it, errata 01.

    Revision rtm.4 is vendored; all that the published one judges differently stands here, but for types
    that are told beside an enumeration, which change nothing.
    """
    document = json.loads((HERE / "data" / "sarif-2.1.0-rtm.4.json").read_text(encoding="utf-8"))
    parts = document["definitions"]
    suppression = parts["suppression"]["properties"]
    suppression["status"] = suppression.pop("state")
    parts["region"]["anyOf"] = [{"required": [each]} for each in ("startLine", "charOffset", "byteOffset")]
    for part in ("run", "toolComponent"):
        parts[part]["properties"]["language"]["pattern"] = "^[a-zA-Z]{2}(-[a-zA-Z]{2})?$"
    document["properties"]["runs"]["type"] = ["array", "null"]
    jsonschema.Draft4Validator.check_schema(document)
    return jsonschema.Draft4Validator(document)


def read(made: Run) -> dict[str, Any]:
    """The one run of the report, after the schema and GitHub's rules."""
    text = sarif(made)
    assert text.isascii()
    assert len(text) < MOST_BYTES
    document = json.loads(text)
    schema().validate(document)
    assert document["$schema"].endswith("sarif-2.1.0.json")
    [found] = document["runs"]
    rules = found["tool"]["driver"]["rules"]
    assert len(rules) < MOST_RULES
    assert len({rule["id"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]
        assert len(rule["properties"]["tags"]) <= MOST_TAGS
    assert len(found["results"]) < MOST_RESULTS
    for each in found["results"]:
        assert rules[each["ruleIndex"]]["id"] == each["ruleId"]
        assert each["message"]["text"]
        assert each["partialFingerprints"]["primaryLocationLineHash"]
        [location] = each["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        parts = urlsplit(uri)
        assert not parts.scheme
        assert not parts.netloc
        assert not uri.startswith("/")
        assert re.fullmatch(r"[\w./%~-]+", uri, re.ASCII)
        assert location["physicalLocation"]["region"]["startLine"] >= 1
    result: dict[str, Any] = found
    return result


def failed(id: str = "tool-arguments-string", **changes: Any) -> Result:
    fields: dict[str, Any] = {"status": Status.FAIL, "case": "object", "seen": "{}", "expected": "text"}
    return result(id, **(fields | changes))


def only_result(*checks: Result, **changes: Any) -> dict[str, Any]:
    [found] = read(run(target_run(*checks, **changes)))["results"]
    assert isinstance(found, dict)
    return found


def fingerprint(checked: Result, made: TargetRun | None = None) -> str:
    found = read(run(replace(made or target_run(), checks=(checked,))))["results"][0]
    return str(found["partialFingerprints"]["primaryLocationLineHash"])


def golden_run() -> Run:
    rich = rich_run(location=HERE_IT_IS)
    kept = ("tool-arguments-string", "tool-called", "tool-accepted-deviation")
    return run(replace(rich, checks=tuple(each for each in rich.checks if each.id in kept)))


def test_the_whole_report() -> None:
    assert sarif(golden_run()) == GOLDEN.read_text(encoding="utf-8")
    read(golden_run())


def test_only_failures_are_results() -> None:
    checks = [result(f"check-{status}", status=status, reason="x") for status in Status]
    found = read(run(target_run(*checks)))
    assert [each["ruleId"] for each in found["results"]] == ["check-fail"]
    assert [rule["id"] for rule in found["tool"]["driver"]["rules"]] == ["check-pass", "check-fail"]


@pytest.mark.parametrize(("level", "word"), [(Level.MUST, "error"), (Level.SHOULD, "warning")])
def test_a_must_is_an_error_and_a_should_a_warning(level: Level, word: str) -> None:
    found = read(run(target_run(failed(level=level))))
    assert found["results"][0]["level"] == word
    assert found["tool"]["driver"]["rules"][0]["defaultConfiguration"]["level"] == word


def test_targets_share_their_rules() -> None:
    found = read(run(target_run(failed(level=Level.SHOULD)), target_run(failed())))
    [rule] = found["tool"]["driver"]["rules"]
    assert rule["defaultConfiguration"]["level"] == "error"
    assert [(each["level"], each["ruleIndex"]) for each in found["results"]] == [("warning", 0), ("error", 0)]
    assert [each["properties"]["target"] for each in found["results"]] == ["example:m1", "example:m1 (2)"]


def test_what_was_accepted_is_suppressed_with_the_reason() -> None:
    found = only_result(failed(accepted="our parser takes it"))
    assert found["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "our parser takes it"}
    ]
    assert "suppressions" not in only_result(failed())


def test_what_fails_in_the_reference_run_too_is_suppressed() -> None:
    reference = Reference("source", TARGET, "2026-10-01T12:00:00Z", "0.1.0")
    before = Before(Status.FAIL, Level.MUST)
    found = only_result(failed(before=before), reference=reference)
    assert found["suppressions"][0]["justification"] == "fails in the reference run too"
    assert "suppressions" not in only_result(failed(), reference=reference)


def test_what_has_no_answer_is_a_notification() -> None:
    found = read(
        run(target_run(result(status=Status.ERROR, reason="throttled"), stopped="deadline", exit_code=3))
    )
    assert found["results"] == []
    [invocation] = found["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 3)
    assert [
        (each["level"], each["message"]["text"]) for each in invocation["toolExecutionNotifications"]
    ] == [
        ("error", "example:m1: ended early: deadline"),
        ("warning", "example:m1: no answer to chat-accepted: throttled"),
    ]


@pytest.mark.parametrize(
    ("codes", "code", "successful"),
    [((0, 0), 0, True), ((0, 1), 1, True), ((0, 3), 3, False), ((), 2, False)],
)
def test_the_worst_exit_code_counts(codes: tuple[int, ...], code: int, successful: bool) -> None:
    [invocation] = read(run(*(target_run(exit_code=each) for each in codes)))["invocations"]
    assert (invocation["exitCode"], invocation["executionSuccessful"]) == (code, successful)


@pytest.mark.parametrize(
    ("location", "uri", "line"),
    [
        (None, "llmcompat.yaml", 1),
        (Location("llmcompat.yaml", 12), "llmcompat.yaml", 12),
        (Location("my files/ä#1?.yaml", 0), "my%20files/%C3%A4%231%3F.yaml", 1),
        (Location(".\\sub\\llmcompat.yaml", 2), "sub/llmcompat.yaml", 2),
    ],
)
def test_a_result_stands_in_the_project_file(location: Location | None, uri: str, line: int) -> None:
    place = only_result(failed(), location=location)["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}
    assert "\\" not in unquote(uri)


def test_a_fingerprint_outlives_what_changes_between_runs() -> None:
    base = target_run()
    same = fingerprint(failed(), base)
    later = replace(
        base,
        started_at="2027-01-01T00:00:00Z",
        seed="ff",
        seconds=9.0,
        location=HERE_IT_IS,
        exchanges=(exchange("e9"),),
    )
    assert (
        fingerprint(failed(seen="[]", expected="words", level=Level.SHOULD, fix="x", accepted="y"), later)
        == same
    )
    assert fingerprint(failed("other-check"), base) != same
    assert fingerprint(failed(case="list"), base) != same
    for target in (
        replace(base.target, provider="other"),
        replace(base.target, base_url="https://other.test/v1"),
        replace(base.target, model="m2"),
        replace(base.target, role="chat"),
    ):
        assert fingerprint(failed(), replace(base, target=target)) != same


def test_a_fingerprint_goes_by_the_role_where_the_project_file_gives_one() -> None:
    first = target_run(target=replace(TARGET, role="chat"))
    assert fingerprint(failed(), first) == fingerprint(
        failed(), replace(first, target=replace(first.target, model="m2"))
    )


def test_the_port_of_a_simulation_is_not_in_the_fingerprint() -> None:
    runs = [
        target_run(target=replace(TARGET, base_url=f"http://127.0.0.1:{port}/v1"), simulated=True)
        for port in (50001, 50002)
    ]
    assert fingerprint(failed(), runs[0]) == fingerprint(failed(), runs[1])


def test_help_names_the_fix_and_links_to_real_sources_only() -> None:
    checked = failed(
        fix="Call `json.loads` on text.",
        known=Known("https://docs.example.test/tools", "2026-08-01", "Arguments are an object."),
        sources=("https://github.com/example/sdk/issues/1", "javascript:alert(1)", "a forum"),
    )
    [rule] = read(run(target_run(checked)))["tool"]["driver"]["rules"]
    assert rule["helpUri"] == "https://docs.example.test/tools"
    assert "Call `json.loads` on text." in rule["help"]["text"]
    tokens = MarkdownIt("commonmark").parse(rule["help"]["markdown"])
    links = [
        child.attrGet("href")
        for token in tokens
        for child in token.children or []
        if child.type == "link_open"
    ]
    assert links == ["https://docs.example.test/tools", "https://github.com/example/sdk/issues/1"]
    [plain] = read(run(target_run(failed(sources=("a forum",)))))["tool"]["driver"]["rules"]
    assert "helpUri" not in plain


def texts(node: object) -> list[str]:
    """All text of a document, keys too."""
    if isinstance(node, dict):
        return [each for key, value in node.items() for each in (str(key), *texts(value))]
    if isinstance(node, list):
        return [each for value in node for each in texts(value)]
    return [node] if isinstance(node, str) else []


def test_hostile_text_is_only_text() -> None:
    found = read(hostile_run())
    named = target_run(failed(HOSTILE), target=Target(HOSTILE, HOSTILE, HOSTILE, role=HOSTILE))
    for made in (found, read(run(named))):
        assert not [
            text for text in texts(made) if re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u2066]", text)
        ]
    messages = [each["message"]["text"] for each in found["results"]]
    assert len(messages) == 2
    # no link, no placeholder
    assert not [text for text in messages if "](" in text or re.search(r"(?<!\{)\{\d+\}", text)]
    for rule in found["tool"]["driver"]["rules"]:
        tokens = MarkdownIt("commonmark", {"html": True}).parse(rule["help"]["markdown"])
        kinds = {child.type for token in tokens for child in token.children or []} | {
            each.type for each in tokens
        }
        assert not [kind for kind in kinds if kind.startswith(("html", "image", "link"))]


def test_texts_are_bounded() -> None:
    long = 1_000_000 * "x"
    checked = failed(seen=long, expected=long, case=long, title=long, why=long, fix=long, notes=(long,))
    assert len(sarif(run(target_run(checked, stopped=long)))) < 50_000


def test_the_schema_refuses_what_is_wrong() -> None:
    document = json.loads(sarif(golden_run()))
    for spoil in (
        lambda run: run["results"][0].update(level="fatal"),
        lambda run: run["results"][1]["suppressions"][0].update(status="perhaps"),
        lambda run: run["results"][0]["locations"][0]["physicalLocation"].update(region={"endLine": 3}),
        lambda run: run["tool"]["driver"]["rules"][0].pop("id"),
    ):
        wrong = deepcopy(document)
        spoil(wrong["runs"][0])
        with pytest.raises(jsonschema.ValidationError):
            schema().validate(wrong)
