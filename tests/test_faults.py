"""What the simulator does wrong is told by the line that the catalogue names, and by hardly another."""

import random

import pytest

from llmcompat.catalogue import Deviation, catalogue
from llmcompat.model import Level, Status
from llmcompat.simulator.faults import FAULTS, HARMLESS
from tests.checking import checklist
from tests.fault_matrix import REQUESTS, SETUPS, failing, found, ran, wrongly_blocked

pytestmark = pytest.mark.slow

TOLD = {each.id: each for each in catalogue().values() if each.fault is not None and each.left_out is None}
LEGAL = [
    *HARMLESS,
    *(
        each.fault
        for each in catalogue().values()
        if each.fault is not None and each.left_out is not None and FAULTS[each.fault].level != "must"
    ),
]

OPERATIONAL = {
    "message-refusal-false": ("response-refusal", "refusal-boolean"),
    "message-role-missing": ("response-role", "role-missing"),
    "completion-tokens-inflated": ("usage-within-cap", "usage-above-cap"),
    "usage-total-wrong": ("usage-sum", "usage-sum"),
    "json-trailing-text": ("json-object-parses", "text-behind-json"),
    "instructions-ignored": ("exact-reply", "instruction-not-followed"),
    "non-ascii-mangled": ("unicode-unharmed", "mojibake"),
    "embeddings-wrong-order": ("embeddings-base64", "embeddings-order"),
    "embeddings-data-empty": ("embeddings-data", "embeddings-data-empty"),
    "retry-after-duration-string": ("retry-after-readable", "retry-after-unreadable"),
    "echo-key": ("key-not-echoed", "echoed-key"),
    "no-request-id": ("request-id", "request-id-missing"),
    "wrong-json-content-type": ("response-content-type", "content-type-other"),
    "tools-ignored": ("tool-called", "tool-not-called-although-advertised"),
    "stream-cumulative-deltas": ("stream-pieces-once", "cumulative-deltas"),
    "stream-flat-error": ("stream-error-event", "flat-error"),
    "sse-event-without-data": ("stream-no-empty-events", "event-without-data"),
    "sse-empty-data": ("stream-no-empty-events", "empty-data"),
    "sse-json-ping": ("stream-data-json", "json-ping"),
    "sse-single-newline": ("stream-events", "single-newline"),
    "sse-cr-only": ("stream-line-ends", "cr-only"),
    "sse-bom": ("stream-no-bom", "byte-order-mark"),
    "sse-last-event-unterminated": ("stream-done", "done-unfinished"),
    "done-lower-case": ("stream-done-exact", "done-lower-case"),
    "done-trailing-space": ("stream-done-exact", "done-trailing-space"),
    "data-after-done": ("stream-nothing-after-done", "data-after-done"),
    "sse-invalid-json": ("stream-data-json", "invalid-json"),
    "sse-invalid-utf8": ("stream-utf8", "invalid-utf8"),
    "sse-pretty-printed": ("stream-single-data-line", "multi-line-data"),
    "tool-delta-index-from-one": ("tool-delta-index", "starts-at-one"),
    "tool-delta-type-missing": ("tool-delta-type", "missing"),
    "tool-delta-type-null": ("tool-delta-type", "null-on-continuation"),
}
"""Troubles that no thread in the catalogue tells of, with the line and the case that tell them."""

ENDINGS = {
    "quota-429": "out of money (429)",
    "not-found-everywhere": "there is no chat endpoint",
    "html-everywhere": "answers HTML instead of JSON",
    "connection-reset": "no answer",
    "body-cut": "the answer was cut",
    "redirect-elsewhere": "redirects to",
}
"""Troubles that leave nothing to check, with words of the reason that the run gives."""


SHOWN_BY = {
    "choices-split-text-and-tools": "tools",
    "finish-reason-tool-call-singular": "tools",
    "stream-usage-zero-with-tools": "tool-streams",
    "json-with-think-prefix": "json-outputs",
    "json-mode-empty-content": "json-outputs",
    "completion-tokens-inflated": "parameters",
}
"""The item whose requests show a fault that a check of every answer tells."""

LONG = {"byte-wise": ["streaming"], "stream-silent-prefill": ["streaming"]}
"""Varieties that take their time, with the items that are asked."""


def asked(fault: str, *checks: str) -> list[str]:
    """The items of these checks, and those that show the fault: what else fails with it fails among them."""
    return sorted({checklist().checks[id].item for id in checks} | {*filter(None, [SHOWN_BY.get(fault)])})


@pytest.mark.parametrize("deviation", TOLD.values(), ids=lambda each: each.id)
def test_a_deviation_is_told_by_its_line(deviation: Deviation) -> None:
    assert deviation.fault is not None
    lines = [] if deviation.check is None else [deviation.check, *deviation.also]
    run = ran([deviation.fault], only=asked(deviation.fault, *lines))
    told = found(deviation, run)
    assert told, failing(run) or run.stopped
    assert set(failing(run)) <= set(lines)
    assert wrongly_blocked(run) == []


@pytest.mark.parametrize("fault", OPERATIONAL)
def test_another_trouble_is_told_by_its_line(fault: str) -> None:
    check, case = OPERATIONAL[fault]
    run = ran([fault], only=asked(fault, check))
    assert failing(run).get(check) == case
    assert len(failing(run)) <= 2
    assert wrongly_blocked(run) == []


@pytest.mark.parametrize("fault", ENDINGS)
def test_a_run_ends_where_nothing_can_be_checked(fault: str) -> None:
    run = ran([fault])
    assert ENDINGS[fault] in (run.stopped or "")
    assert run.exit_code == 3
    assert failing(run) == {}


def test_a_healthy_endpoint_fails_nothing_and_is_asked_little() -> None:
    run = ran()
    assert failing(run) == {}
    assert {result.id for result in run.checks if result.status is Status.ERROR} == set()
    assert run.spend.requests <= REQUESTS


@pytest.mark.parametrize("fault", LEGAL)
def test_no_must_fails_on_what_is_legal(fault: str) -> None:
    run = ran([fault], only=LONG.get(fault, ()))
    musts = {result.id: result.seen for result in run.checks if result.level is Level.MUST}
    assert {id: musts[id] for id in failing(run) if id in musts} == {}
    assert wrongly_blocked(run) == []


HIDES = {"stream-true-ignored", "http-200-empty-body", "choices-missing-or-empty-200", "message-missing"}
"""Faults that leave of other answers nothing that could be judged."""


def pairs(count: int) -> list[tuple[str, str]]:
    """Deviations of different areas that one request shows, drawn with a fixed seed."""
    chance = random.Random("pairs")
    names = [
        id
        for id, each in TOLD.items()
        if each.check is not None and each.fault not in SETUPS and each.fault not in HIDES
    ]
    drawn: list[tuple[str, str]] = []
    while len(drawn) < count:
        one, other = chance.sample(names, 2)
        if FAULTS[one].area != FAULTS[other].area:
            drawn.append((one, other))
    return drawn


@pytest.mark.parametrize(("one", "other"), pairs(12))
def test_two_deviations_give_two_lines(one: str, other: str) -> None:
    run = ran([one, other])
    told = failing(run)
    for each in (TOLD[one], TOLD[other]):
        assert told.get(each.check or "") == each.case
    allowed = {id for each in (TOLD[one], TOLD[other]) for id in (each.check, *each.also)}
    assert len(set(told) - allowed) <= 1, told
