"""Every check of JSON outputs: where it passes, what it fails for, and which variety it leaves alone."""

import json
from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import BUNDLE, Replies, Reply
from tests.checking import Judgement, answer, checklist, chunk_list, completion, judge, sse, stream, tool_call

PROFILE = load_profile("demo")
OBJECT = '{"city": "Zürich", "known_for": "its lake"}'
FITS = '{"dst": "north-gate", "level": 3}'
ERROR = {
    "error": {"message": "This response_format type is unavailable now", "type": "invalid_request_error"}
}
REFUSED = answer(ERROR, status=400)


def plain(text: Any, finish_reason: str = "stop", sent: dict[str, Any] | None = None, **usage: int) -> Reply:
    counted = {"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20} | usage
    return answer(completion(text, finish_reason=finish_reason, usage=counted), sent=sent)


def variants(**parts: Reply) -> Replies:
    return Replies({BUNDLE if name == "together" else name: reply for name, reply in parts.items()})


GOOD: dict[str, Any] = {
    "json_object_plain": plain(OBJECT),
    "json_object_stream": stream(chunk_list(OBJECT)),
    "json_schema_plain": plain(FITS),
    "json_schema_stream": stream(chunk_list(FITS)),
    "json_with_tools": plain(FITS),
    "json_schema_variants": variants(together=plain(FITS)),
}
ALL = sorted(check.id for check in checklist().checks.values() if check.item == "json-outputs")


def judged(id: str, **evidence: Any) -> Judgement:
    return judge(id, profile=PROFILE, **{**GOOD, **evidence})


@pytest.mark.parametrize("id", ALL)
def test_good_answers_pass(id: str) -> None:
    assert judged(id).status is Status.PASS


DEVIATIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("json-object-accepted", "json-object-rejected", {"json_object_plain": REFUSED}),
    ("json-object-stream-accepted", "json-mode-with-stream-rejected", {"json_object_stream": REFUSED}),
    ("json-schema-accepted", "json-schema-rejected", {"json_schema_plain": REFUSED}),
    (
        "json-schema-accepted",
        "json-schema-strict-misleading-404",
        {"json_schema_plain": answer(ERROR, status=404)},
    ),
    (
        "json-schema-stream-accepted",
        "structured-output-stream-rejected-for-reasoning",
        {"json_schema_stream": REFUSED},
    ),
    ("json-with-tools-accepted", "json-mode-with-tools-rejected", {"json_with_tools": REFUSED}),
    (
        "json-schema-strict-optional",
        "json-schema-strict-key-required",
        {
            "json_schema_variants": variants(
                together=REFUSED, **{"no-strict": REFUSED, "schema-keyword": plain(FITS)}
            )
        },
    ),
    (
        "json-schema-keyword-accepted",
        "schema-keyword-rejected",
        {
            "json_schema_variants": variants(
                together=REFUSED, **{"no-strict": plain(FITS), "schema-keyword": REFUSED}
            )
        },
    ),
    (
        "json-schema-variants-accepted",
        "together",
        {
            "json_schema_variants": variants(
                together=REFUSED, **{"no-strict": plain(FITS), "schema-keyword": plain(FITS)}
            )
        },
    ),
    ("json-object-parses", "json-object-fenced", {"json_object_plain": plain(f"```json\n{OBJECT}\n```")}),
    (
        "json-object-parses",
        "json-object-fenced",
        {"json_object_stream": stream(chunk_list(f"```\n{OBJECT}\n```"))},
    ),
    (
        "json-object-parses",
        "json-mode-dropped-by-gateway",
        {"json_object_plain": plain(f"Of course! {OBJECT}")},
    ),
    (
        "json-object-parses",
        "text-behind-json",
        {"json_object_plain": plain(f"{OBJECT}\n\nThis is what you asked for.")},
    ),
    ("json-object-parses", "invalid-json", {"json_object_plain": plain("{'city': 'Zürich'}")}),
    ("json-object-parses", "invalid-json", {"json_object_plain": plain('{"level": NaN}')}),
    ("json-object-parses", "not-an-object", {"json_object_plain": plain('["Zürich"]')}),
    ("json-object-parses", "cut-without-length", {"json_object_plain": plain(OBJECT[:-4])}),
    ("json-object-parses", "cut-without-length", {"json_object_plain": plain('{"a": {"b": 1}')}),
    ("json-schema-parses", "json-mode-dropped-by-gateway", {"json_schema_plain": plain("Paris, of course.")}),
    (
        "json-schema-parses",
        "json-mode-dropped-by-gateway",
        {"json_schema_stream": stream(chunk_list("Paris, of course."))},
    ),
    ("json-schema-followed", "json-schema-not-enforced", {"json_schema_plain": plain('{"src": "a book"}')}),
    (
        "json-schema-followed",
        "json-schema-not-enforced",
        {"json_schema_plain": plain('{"dst": "Paris", "level": 1}')},
    ),
    (
        "json-schema-followed",
        "json-schema-not-enforced",
        {"json_schema_plain": plain('{"dst": "north-gate", "level": "1"}')},
    ),
    (
        "json-schema-followed",
        "json-schema-not-enforced",
        {"json_schema_stream": stream(chunk_list('{"dst": "north-gate", "level": 1, "src": "x"}'))},
    ),
    (
        "json-schema-key-order",
        "other-key-order",
        {"json_schema_plain": plain('{"level": 3, "dst": "north-gate"}')},
    ),
    (
        "json-with-tools-followed",
        "schema-dropped-with-tools",
        {"json_with_tools": plain("Paris, of course.")},
    ),
    (
        "json-with-tools-followed",
        "schema-dropped-with-tools",
        {"json_with_tools": plain('{"src": "a book"}')},
    ),
    (
        "json-no-white-space-runs",
        "json-infinite-whitespace",
        {
            "json_object_plain": plain(
                "{" + "\n\t" * 500, "length", {"max_tokens": 1024}, completion_tokens=1024
            )
        },
    ),
    (
        "json-no-white-space-runs",
        "json-infinite-whitespace",
        {"json_schema_plain": plain('{"dst": "north-gate",' + " " * 60 + '"level": 1}')},
    ),
]


@pytest.mark.parametrize(("id", "case", "evidence"), DEVIATIONS)
def test_a_deviation_is_met_by_its_check_and_no_other(id: str, case: str, evidence: dict[str, Any]) -> None:
    found = judged(id, **evidence)
    assert (found.status, found.case) == (Status.FAIL, case)
    assert found.expected
    failed = [other for other in ALL if judged(other, **evidence).status is Status.FAIL]
    assert failed == [id]


def test_every_check_has_a_deviation_here() -> None:
    assert {id for id, _, _ in DEVIATIONS} == set(ALL)


@pytest.mark.parametrize(
    ("id", "evidence"),
    [
        ("json-object-parses", {"json_object_plain": plain(f"\n  {OBJECT}\n")}),
        ("json-object-parses", {"json_object_plain": plain(json.dumps(json.loads(OBJECT), indent=4))}),
        ("json-object-parses", {"json_object_plain": plain('{"text": "```json {not \\" closed"}')}),
        ("json-object-parses", {"json_object_stream": REFUSED}),
        ("json-object-parses", {"json_object_plain": REFUSED}),
        ("json-schema-followed", {"json_schema_plain": plain('{"level": -3, "dst": "south-gate"}')}),
        ("json-schema-followed", {"json_schema_plain": plain('{"dst": "north-gate", "level": 3.0}')}),
        ("json-no-white-space-runs", {"json_object_plain": plain('{"text": "' + " " * 200 + '"}')}),
        ("json-no-white-space-runs", {"json_object_plain": plain("{\n" + " " * 12 + '"a": 1}')}),
    ],
)
def test_what_is_left_alone(id: str, evidence: dict[str, Any]) -> None:
    assert judged(id, **evidence).status is Status.PASS


CUT = sse(chunk_list(OBJECT)[:4], done=False)
CAPPED = plain(OBJECT[:-4], "length", {"max_tokens": 1024}, completion_tokens=1024)


@pytest.mark.parametrize(
    ("id", "evidence", "owner"),
    [
        ("json-object-parses", {"json_object_plain": plain("")}, "content-not-empty"),
        ("json-object-parses", {"json_object_plain": plain(f"<think>hm</think>{OBJECT}")}, "no-think-tags"),
        ("json-object-parses", {"json_object_plain": CAPPED}, None),
        ("json-object-parses", {"json_object_stream": stream(b"")}, "stream-events"),
        (
            "json-object-parses",
            {"json_object_stream": stream([*chunk_list(OBJECT)[:4], ERROR])},
            "stream-error-event",
        ),
        ("json-object-parses", {"json_object_stream": stream(CUT)}, "stream-complete"),
        ("json-schema-followed", {"json_schema_plain": plain("Paris.")}, "json-schema-parses"),
        ("json-schema-key-order", {"json_schema_plain": plain('{"src": 1}')}, "json-schema-followed"),
        ("json-with-tools-followed", {"json_schema_plain": plain('{"src": 1}')}, "json-schema-followed"),
        ("json-with-tools-followed", {"json_with_tools": answer(completion(tool_calls=[tool_call()]))}, None),
        (
            "json-no-white-space-runs",
            {"json_object_plain": plain(None), "json_schema_plain": plain("")},
            "content-not-empty",
        ),
    ],
)
def test_what_cannot_be_judged(id: str, evidence: dict[str, Any], owner: str | None) -> None:
    found = judged(id, **evidence)
    assert (found.status, found.blocked_by) == (Status.ERROR, owner)


def test_refused_altogether_blocks_by_the_owner_of_the_request() -> None:
    refused = answer(ERROR, status=400, owner="json-object-accepted")
    found = judged("json-object-parses", json_object_plain=refused, json_object_stream=refused)
    assert found.blocked_by == "json-object-accepted"
    nothing = judged("json-schema-followed", json_schema_plain=refused, json_schema_stream=refused)
    assert nothing.status is Status.ERROR


def test_a_refused_ground_is_to_blame() -> None:
    ground = answer(ERROR, status=400, owner="json-schema-accepted")
    refused = answer(ERROR, status=400, grounds=[ground])
    found = judged("json-with-tools-accepted", json_with_tools=refused)
    assert (found.status, found.blocked_by) == (Status.ERROR, "json-schema-accepted")
