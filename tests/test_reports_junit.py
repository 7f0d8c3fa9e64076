"""JUnit XML, validated by the schema of Jenkins' xUnit plugin and read back by a parser of JUnit."""

from dataclasses import replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import junitparser
import pytest
import xmlschema

from llmcompat.model import Acceptance, Before, Level, Reference, Result, Run, Signature, Status, Target
from llmcompat.reports.junit import junit
from tests.reporting import HOSTILE, result, rich_run, run, target_run
from tests.test_reports_table import hostile_run

HERE = Path(__file__).parent
GOLDEN = HERE / "golden" / "junit.xml"
TARGET = Target("example", "https://api.example.test/v1", "m1")


@cache
def schema() -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10(HERE / "data" / "junit-10.xsd")


def read(made: Run) -> ET.Element:
    """The report as a tree, after the schema has taken it."""
    text = junit(made)
    schema().validate(text)
    return ET.fromstring(text)


def case(checked: Result, **changes: Any) -> ET.Element:
    """The test case of one result."""
    [found] = read(run(target_run(checked, **changes))).iter("testcase")
    return found


def ending(found: ET.Element) -> tuple[str, str]:
    """The tag and message of what is in a test case: ("passed", "") where there is no ending."""
    endings = [each for each in found if each.tag != "system-out"]
    assert len(endings) <= 1
    return (endings[0].tag, endings[0].get("message", "")) if endings else ("passed", "")


def failed(level: Level = Level.MUST, **changes: Any) -> Result:
    fields: dict[str, Any] = {"status": Status.FAIL, "level": level, "seen": "a list", "expected": "text"}
    return result(**(fields | changes))


def unanswered(level: Level = Level.MUST, **changes: Any) -> Result:
    return result(status=Status.ERROR, level=level, reason="throttled for good", **changes)


MANUAL = result("who-is-told", kind="manual", status=Status.MANUAL, level=Level.SHOULD, seen="Who is told?")
SIGNED = replace(
    MANUAL, status=Status.PASS, signature=Signature("who-is-told", "Ada", "2026-11-01", "1:00", "on call")
)


def test_the_whole_report() -> None:
    assert junit(run(rich_run())) == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("checked", "expected"),
    [
        (result(), ("passed", "")),
        (failed(), ("failure", "seen a list; expected text")),
        (failed(case="list"), ("failure", "list: seen a list; expected text")),
        (failed(accepted="we parse it"), ("skipped", "accepted: we parse it")),
        (failed(Level.SHOULD), ("passed", "")),
        (failed(Level.SHOULD, accepted="we parse it"), ("skipped", "accepted: we parse it")),
        (unanswered(), ("error", "throttled for good")),
        (unanswered(blocked_by="chat-accepted"), ("error", "waits for chat-accepted")),
        (unanswered(Level.SHOULD), ("skipped", "no answer, and no must: throttled for good")),
        (unanswered(accepted="waits for x"), ("skipped", "accepted: waits for x")),
        (result(status=Status.SKIP, reason="--without vision"), ("skipped", "--without vision")),
        (MANUAL, ("skipped", "a person decides")),
        (SIGNED, ("passed", "")),
    ],
)
def test_how_each_outcome_is_told(checked: Result, expected: tuple[str, str]) -> None:
    assert ending(case(checked)) == expected


def test_settings_that_make_more_fail() -> None:
    assert ending(case(failed(Level.SHOULD), settings={"strict": True}))[0] == "failure"
    assert ending(case(MANUAL, settings={"require_signoff": True})) == (
        "error",
        "not signed: a person decides",
    )
    assert ending(case(SIGNED, settings={"require_signoff": True}))[0] == "passed"


def test_a_warning_and_a_signature_stand_in_the_output() -> None:
    warning = case(failed(Level.SHOULD)).findtext("system-out", "")
    assert warning.splitlines()[:3] == [
        "warning: A plain chat is answered.",
        "seen: a list",
        "expected: text",
    ]
    assert "signed: by Ada on 2026-11-01: on call" in case(SIGNED).findtext("system-out", "").splitlines()


SOURCE = Reference("source", TARGET, "2026-10-01T12:00:00Z", "0.1.0")
BASELINE = replace(SOURCE, kind="baseline")


@pytest.mark.parametrize(
    ("reference", "before", "expected"),
    [
        (None, Before(Status.FAIL, Level.MUST, "list"), "failure"),
        (SOURCE, None, "failure"),
        (SOURCE, Before(Status.PASS, Level.MUST), "failure"),
        (SOURCE, Before(Status.FAIL, Level.MUST, "other"), "skipped"),
        (BASELINE, Before(Status.FAIL, Level.MUST, "other"), "failure"),
        (BASELINE, Before(Status.FAIL, Level.MUST, "list"), "skipped"),
    ],
)
def test_what_fails_in_the_reference_run_too_is_set_apart(
    reference: Reference | None, before: Before | None, expected: str
) -> None:
    tag, message = ending(case(failed(case="list", before=before), reference=reference))
    assert tag == expected
    assert (message == "fails in the reference run too") == (expected == "skipped")


def test_what_is_accepted_in_vain_fails_where_that_is_asked() -> None:
    stale = (Acceptance("chat-accepted", "list", "we parse it"), Acceptance("chat-accepted", None, "too"))
    quiet = read(run(target_run(result(), stale=stale)))
    assert len(list(quiet.iter("testcase"))) == 1
    loud = read(run(target_run(result(), stale=stale, settings={"fail_on_stale": True})))
    failures = {each.get("name"): ending(each)[0] for each in loud.iter("testcase") if len(each)}
    assert failures == {"chat-accepted:list": "failure", "chat-accepted": "failure"}
    assert loud.get("failures") == "2"


def test_no_two_cases_have_one_name() -> None:
    twice = rich_run(stale=(Acceptance("tool-ids", None, "x"),), settings={"fail_on_stale": True})
    found = [
        (each.get("classname"), each.get("name"))
        for each in read(run(twice, twice, twice, rich_run(target=replace(TARGET, role="chat")))).iter(
            "testcase"
        )
    ]
    assert len(found) == len(set(found)) == 43


def test_suites_are_named_by_role_or_by_provider_and_model() -> None:
    plain, named = target_run(), target_run(target=replace(TARGET, role="chat"))
    suites = read(run(plain, named, plain)).findall("testsuite")
    assert [each.get("name") for each in suites] == ["example:m1", "chat", "example:m1 (2)"]


def test_counts_are_those_of_the_cases() -> None:
    root = read(run(rich_run(), hostile_run().runs[0]))
    for suite in root.findall("testsuite"):
        assert suite.get("tests") == str(len(suite.findall("testcase")))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert suite.get(attribute) == str(len(suite.findall(f"testcase/{tag}"))), attribute
    for attribute in ("tests", "failures", "errors"):
        assert root.get(attribute) == str(sum(int(each.get(attribute, "")) for each in root))


def test_a_parser_of_junit_reads_it() -> None:
    suites = junitparser.JUnitXml.fromstring(junit(run(rich_run())).encode())
    [suite] = suites
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (10, 1, 3, 3)
    assert (suite.timestamp, suite.time) == ("2026-11-01T12:00:00Z", 3.25)
    cases = {each.name: each for each in suite}
    [failure] = cases["tool-arguments-string"].result
    assert isinstance(failure, junitparser.Failure)
    assert failure.type == "object"
    assert failure.text is not None
    assert "fix: Call json.loads only on text." in failure.text.splitlines()
    assert cases["chat-accepted"].is_passed
    assert cases["image-input"].is_skipped


def test_why_a_run_ended_early_is_told() -> None:
    root = read(run(target_run(stopped="the deadline of 600 s")))
    assert root.findtext("testsuite/system-err") == "ended early: the deadline of 600 s"


def test_nothing_run_is_a_report_of_nothing() -> None:
    assert read(run()).attrib == {
        "name": "llmcompat",
        "time": "4.500",
        "tests": "0",
        "failures": "0",
        "errors": "0",
    }


def test_hostile_text_is_only_text() -> None:
    text = junit(hostile_run())
    root = read(hostile_run())
    tags = {"testsuites", "testsuite", "properties", "property", "testcase", "system-out", "system-err"}
    assert {each.tag for each in root.iter()} == tags | {"failure", "error", "skipped"}
    assert text.isascii()
    assert not set(text) - {"\n"} - {chr(code) for code in range(0x20, 0x7F)}
    assert junitparser.JUnitXml.fromfile(BytesIO(text.encode())).tests == len(hostile_run().runs[0].checks)


def test_no_attachment_comes_to_life() -> None:
    attack = "[[ATTACHMENT|/etc/passwd]] [[[attachment|x]]"
    checks = [failed(id=f"check-{level}", level=level, seen=attack, notes=(attack,)) for level in Level]
    text = junit(run(target_run(*checks, stopped=attack)))
    assert "ATTACHMENT|/etc/passwd" in text
    assert "[[attachment|" not in text.lower()


def test_texts_are_bounded() -> None:
    long = 400_000 * "x"
    checked = failed(seen=long, expected=long, case=long, notes=(long,) * 500, accepted=None, fix=long)
    [failure] = case(checked)
    assert len(failure.get("message", "")) == 500
    assert len(junit(run(target_run(checked)))) < 100_000


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_a_time_is_always_a_number(seconds: float) -> None:
    assert case(result(seconds=seconds)).get("time") == "0.000"


def test_hostile_names_stay_in_their_attributes() -> None:
    made = run(
        target_run(result(HOSTILE, item=HOSTILE), target=Target(HOSTILE, HOSTILE, HOSTILE, role=HOSTILE))
    )
    [found] = read(made).iter("testcase")
    assert "<script>" in found.get("name", "")
