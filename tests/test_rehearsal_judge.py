"""What is made of a wire log: judged from records made by hand, with no clock and no process."""

from dataclasses import replace
from typing import Any

import pytest

from llmcompat.model import Level, Result, Status
from llmcompat.rehearsal.judge import Baseline, jitter_note, judge, repeated_answers
from llmcompat.rehearsal.scenario import load_scenarios
from llmcompat.rehearsal.wirelog import Ending, Observed, Seen

SCENARIOS = load_scenarios()


def seen(number: int, at: float, status: int | None = 200, **changes: Any) -> Seen:
    fields: dict[str, Any] = {
        "door": "main",
        "started_at": "2026-11-01T12:00:00Z",
        "method": "POST",
        "path": "/v1/chat/completions",
        "url": "http://127.0.0.1/v1/chat/completions",
        "request_headers": (),
        "request_body": b"{}",
        "identity": "one",
        "chat": True,
        "streamed": True,
        "calls_tools": True,
        "asks_json": True,
        "status": status,
        "ended_at": at + 0.01,
        "complete": status is not None,
        "faulted": status != 200,
    }
    return Seen(number=number, at=at, **(fields | changes))


def observed(*records: Seen, status: int = 0, out: str = "fine\n", **changes: Any) -> Observed:
    ending = Ending(kind="exit", status=status, seconds=3.0, out=out)
    kept = {key: changes.pop(key) for key in ("alerts", "died", "dropped") if key in changes}
    return Observed(replace(ending, **changes), records, **kept)


GOOD = observed(seen(1, 0.0))
BASELINE = Baseline([GOOD, GOOD])


def verdict(name: str, what: Observed, baseline: Baseline = BASELINE) -> tuple[Status, str | None]:
    first = judge(SCENARIOS[name], baseline, what, within=5)[0]
    return first.status, first.case


def back_off(what: Observed) -> Result:
    return judge(SCENARIOS["429-plain"], BASELINE, what, within=5)[1]


PASS = (Status.PASS, None)
WAIT = {"asked_wait": 2.0}


@pytest.mark.parametrize(
    ("name", "what", "case"),
    [
        ("429-retry-after-seconds", observed(seen(1, 0, 429, **WAIT), seen(2, 2.1)), None),
        ("429-retry-after-seconds", observed(seen(1, 0, 429, **WAIT), seen(2, 1.85)), None),
        ("429-retry-after-seconds", observed(seen(1, 0, 429, **WAIT), seen(2, 0.5)), "not-waited"),
        ("429-retry-after-seconds", observed(seen(1, 0, 429, **WAIT), status=1), "gave-up"),
        ("429-retry-after-seconds", observed(seen(1, 0, 429, **WAIT), out=""), "gave-up"),
        ("429-retry-after-seconds", observed(seen(1, 0, 429, **WAIT)), "gave-up"),
        ("503-twice", observed(seen(1, 0, 503), seen(2, 1), status=1), "ended-otherwise"),
        ("503-twice", observed(seen(1, 0, 503), seen(2, 1, door="fallback")), None),
        ("stream-crlf", observed(seen(1, 0, faulted=True)), None),
        ("stream-crlf", observed(seen(1, 0, faulted=True), out="fi\n"), "lost-output"),
        ("stream-crlf", observed(seen(1, 0, faulted=True), out="retrying\nfine\n"), None),
        ("stream-crlf", observed(seen(1, 0, faulted=True), status=1), "ended-otherwise"),
        ("stream-crlf", observed(seen(1, 0, faulted=True), kind="signal", status=11), "ended-by-signal"),
        ("stream-crlf", observed(seen(1, 0, faulted=True), kind="time"), "never-ended"),
        ("stream-crlf", observed(seen(1, 0, faulted=True), died="exit status 1"), "application-ended"),
        ("stream-cut", observed(seen(1, 0, faulted=True, spoilt=True), out="fi\n"), "took-part-for-whole"),
        ("stream-cut", observed(seen(1, 0, faulted=True, spoilt=True), out="cut off!\n"), None),
        ("stream-cut", observed(seen(1, 0, faulted=True, spoilt=True), status=1), None),
        ("stream-cut", observed(seen(1, 0, faulted=True, spoilt=True), seen(2, 1)), None),
        ("401-invalid-key", observed(seen(1, 0, 401), status=1), None),
        ("401-invalid-key", observed(seen(1, 0, 401), seen(2, 1, 401), status=1), "retried"),
        ("400-context-overflow", observed(seen(1, 0, 400), seen(2, 1, 400, identity="shorter")), None),
        ("503-for-good", observed(seen(1, 0, 503), seen(2, 1, 503), status=1), None),
        ("503-for-good", observed(seen(1, 0, 503), seen(2, 1, 503), kind="time"), "never-gave-up"),
        ("503-for-good", observed(seen(1, 0, 503), seen(2, 1, 503), kind="stopped"), "never-gave-up"),
        ("connection-refused", observed(status=1), None),
        ("connection-refused", observed(kind="time"), "never-ended"),
        ("empty-content", observed(seen(1, 0, faulted=True), status=1, errors="sorry: empty"), None),
        (
            "empty-content",
            observed(seen(1, 0, faulted=True), errors="Traceback (most recent call last):"),
            "crashed",
        ),
        ("outage", observed(seen(1, 0, 503), status=1), "no-fallback"),
        ("outage", observed(seen(1, 0, 503), seen(2, 1, door="fallback")), None),
        ("spend-spike", observed(seen(1, 0, faulted=True), alerts=(4.0,)), None),
        ("spend-spike", observed(seen(1, 0, faulted=True), alerts=(6.0,)), "no-alert"),
        ("spend-spike", observed(seen(1, 0, faulted=True)), "no-alert"),
        ("out-of-money", observed(seen(1, 0, 402), seen(2, 1, 402), alerts=(1.0,)), "retried"),
        ("out-of-money", observed(seen(1, 0, 402)), "no-alert"),
    ],
)
def test_what_a_scenario_comes_to(name: str, what: Observed, case: str | None) -> None:
    assert verdict(name, what) == (PASS if case is None else (Status.FAIL, case))


@pytest.mark.parametrize("records", [(), (seen(1, 0),)])
def test_without_a_request_that_was_hit_there_is_no_answer(records: tuple[Seen, ...]) -> None:
    assert verdict("401-invalid-key", observed(*records)) == (Status.ERROR, None)


def test_a_request_that_the_command_repeats_by_itself_is_no_retry() -> None:
    twice = observed(seen(1, 0), seen(2, 1))
    baseline = Baseline([twice, twice])
    assert verdict("401-invalid-key", observed(seen(1, 0, 401), seen(2, 1, 401)), baseline) == PASS


def test_waits_of_requests_that_overlap_are_not_judged_and_that_is_said() -> None:
    at_once = observed(seen(1, 0), seen(2, 0.001))
    found = judge(
        SCENARIOS["429-retry-after-seconds"],
        Baseline([at_once, at_once]),
        observed(seen(1, 0, 429, **WAIT), seen(2, 0.001), seen(3, 2.5)),
        within=5,
    )[0]
    assert found.status is Status.PASS
    assert "several times at once" in found.notes[0]


def test_output_that_differs_from_run_to_run_is_not_compared_and_that_is_said() -> None:
    baseline = Baseline([GOOD, observed(seen(1, 0), out="otherwise\n")])
    found = judge(SCENARIOS["stream-crlf"], baseline, observed(seen(1, 0, faulted=True), out=""), within=5)[0]
    assert found.status is Status.PASS
    assert "was not compared" in found.notes[0]


def test_numbers_in_the_output_may_differ() -> None:
    baseline = Baseline(
        [observed(seen(1, 0), out="1 passed in 0.31s\n"), observed(out="1 passed in 12.00s\n")]
    )
    assert (
        verdict("stream-crlf", observed(seen(1, 0, faulted=True), out="1 passed in 4s\n"), baseline) == PASS
    )


@pytest.mark.parametrize(
    ("times", "case"),
    [((0, 0.5, 1.5), None), ((0, 0.02, 1), "no-pause"), ((0, 1, 2, 3), "not-growing"), ((0, 1), None)],
)
def test_back_off(times: tuple[float, ...], case: str | None) -> None:
    records = [seen(number, at, 429) for number, at in enumerate(times[:-1], 1)]
    result = back_off(observed(*records, seen(9, times[-1])))
    assert (result.status, result.case, result.level) == (
        Status.FAIL if case else Status.PASS,
        case,
        Level.SHOULD,
    )


def test_one_try_has_no_back_off_to_judge() -> None:
    assert back_off(observed(seen(1, 0, 429), status=1)).status is Status.ERROR


def test_jitter_is_told_where_enough_waits_were_seen() -> None:
    def waited(*waits: float) -> dict[str, Observed]:
        return {f"s{at}": observed(seen(1, 0, 503), seen(2, 0.01 + wait)) for at, wait in enumerate(waits)}

    assert jitter_note(waited(0.4, 0.5)) is None
    assert "spread, as jitter does" in (jitter_note(waited(0.4, 0.5, 0.45)) or "")
    assert "no jitter was seen" in (jitter_note(waited(0.5, 0.5, 0.501)) or "")


def test_what_was_answered_whole_is_not_asked_again() -> None:
    scenario = SCENARIOS["stream-crlf"]
    once = {scenario.name: observed(seen(1, 0, faulted=True))}
    twice = {scenario.name: observed(seen(1, 0, faulted=True), seen(2, 1, faulted=True))}
    spoilt = {scenario.name: observed(seen(1, 0, faulted=True, spoilt=True), seen(2, 1))}
    cases = [repeated_answers([scenario], BASELINE, each).case for each in (once, twice, spoilt)]
    assert cases == [None, "answered-twice", None]


def test_a_result_is_about_your_side_and_names_its_exchanges() -> None:
    found = judge(SCENARIOS["401-invalid-key"], BASELINE, observed(seen(1, 0, 401)), within=5, ids={1: "e7"})[
        0
    ]
    assert (found.side, found.item, found.exchanges) == ("yours", "retries", ("e7",))
    assert found.id == "rehearsal-401-invalid-key"
