"""A workload sent to real simulators: each difference is told by its line, and a twin shows none."""

from __future__ import annotations

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmcompat.model import Level, Status
from llmcompat.profiles.loader import load_profile
from llmcompat.project.prompts import Expectations
from llmcompat.replay.kinds import Told
from llmcompat.replay.model_judge import ModelJudge
from llmcompat.replay.results import LINES, MOST_EXCHANGES, MOST_SHOWN
from llmcompat.replay.send import Replayed, replay
from llmcompat.replay.workload import Workload
from llmcompat.simulator.faults import HARMLESS
from llmcompat.simulator.server import running
from llmcompat.workload.format import CHAT, Request
from tests.checking import completion
from tests.replaying import (
    BODIES,
    MODEL,
    answers_of,
    asked,
    empty_run,
    failing,
    replayed,
    settings_for,
    write_answers,
    write_requests,
)
from tests.servers.raw import RawRequest, RawServer, http_json


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """Requests of every kind, with what a healthy endpoint answers to them."""
    folder = tmp_path_factory.mktemp("workload")
    with running() as simulator:
        answers = write_answers(folder / "w.answers.jsonl", answers_of(simulator.base_url))
    return Workload(write_requests(folder / "w.jsonl"), answers)


def test_a_twin_shows_no_difference(workload: Workload) -> None:
    with running() as simulator:
        found = replayed(workload, simulator.base_url, repeat=3)
        assert len(simulator.requests) == 3 * len(BODIES)
    assert failing(found.results) == {}
    assert {result.status for result in found.results} == {Status.PASS}
    assert {result.side for result in found.results} == {"yours"}
    by_item = {result.item for result in found.results}
    assert by_item == {"prompts", "tools", "json-outputs", "streaming", "billing"}
    accepted = next(result for result in found.results if result.id == "workload-accepted")
    assert accepted.attempts == (18, 18)
    assert accepted.facts["rate"]["value"] == 1.0
    assert 0.8 < accepted.facts["rate"]["low"] < 1.0
    assert found.exchanges == ()


@pytest.mark.slow
def test_no_legal_variety_is_a_difference(workload: Workload) -> None:
    for name in HARMLESS:
        with running(faults=[name]) as simulator:
            found = replayed(workload, simulator.base_url)
        assert failing(found.results) == {}, name


@pytest.mark.parametrize(
    ("fault", "line", "case"),
    [
        ("tool-arguments-object", "workload-tool-arguments", "no-text"),
        ("tool-arguments-invalid-json", "workload-tool-arguments", "no-json"),
        ("tool-arguments-double-encoded", "workload-tool-arguments", "schema"),
        ("tool-call-leaked-as-text", "workload-tools", "not-called"),
        ("tools-ignored", "workload-tools", "not-called"),
        ("tool-call-id-empty", "workload-tools", "unknown-tool"),
        ("json-schema-rejected", "workload-accepted", "status-400"),
        ("json-object-fenced", "workload-json", "fenced"),
        ("json-with-think-prefix", "workload-json", "no-json"),
        ("json-schema-not-enforced", "workload-json", "schema"),
        ("json-mode-empty-content", "workload-same-kind", "empty"),
        ("message-missing", "workload-same-kind", "empty"),
        ("stream-truncated-without-terminal", "workload-streaming", "cut"),
        ("stream-empty-200-body", "workload-streaming", "no-events"),
        ("stream-true-ignored", "workload-streaming", "no-stream"),
        ("sse-invalid-json", "workload-streaming", "event-no-json"),
        ("stream-error-as-data-event-200", "workload-streaming", "error-event"),
        ("stream-flat-error", "workload-streaming", "error-event"),
        ("stream-cumulative-deltas", "workload-streaming", "cumulative"),
        ("tool-delta-missing-index", "workload-streaming", "tool-call-index"),
        ("stream-options-rejected", "workload-accepted", "status-400"),
        ("http-500", "workload-accepted", "status-500"),
        ("body-cut", "workload-accepted", "status-200"),
        ("usage-null", "workload-usage", "no-usage"),
        ("finish-reason-outside-enum", "workload-finish-reason", "unknown"),
        ("nonstream-finish-reason-stop-with-tool-calls", "workload-finish-reason", "stop-with-calls"),
    ],
)
def test_each_difference_is_told_once_by_its_line(
    workload: Workload, fault: str, line: str, case: str
) -> None:
    with running(faults=[fault]) as simulator:
        found = replayed(workload, simulator.base_url)
    assert failing(found.results) == {line: case}
    (result,) = (each for each in found.results if each.id == line)
    assert result.level is LINES[line].level
    held, of = result.attempts or (0, 0)
    assert 0 <= held < of
    assert result.seen
    assert result.seen.partition(" (")[0] in BODIES
    assert found.exchanges
    assert {each.part for each in found.exchanges} <= set(BODIES)
    assert result.exchanges
    assert set(result.exchanges) <= {each.id for each in found.exchanges}


def test_what_failed_before_as_well_is_told_apart(tmp_path: Path) -> None:
    bodies = {"empty": {"model": MODEL, "messages": []}, "text": asked("Hello")}
    with running() as simulator:
        answers = write_answers(tmp_path / "a.jsonl", answers_of(simulator.base_url, bodies))
        found = replayed(Workload(write_requests(tmp_path / "w.jsonl", bodies), answers), simulator.base_url)
    assert failing(found.results) == {}
    accepted = found.results[0]
    assert accepted.attempts == (1, 1)
    assert any("empty (accepted, status-400)" in note for note in accepted.notes)


def test_the_worst_request_stands_first(tmp_path: Path) -> None:
    bodies = {f"good-{number}": asked("Hello") for number in range(3)}
    bodies["fenced"] = BODIES["json"]
    bodies["refused"] = asked("Hello") | {"messages": []}
    with running() as simulator:
        good = answers_of(simulator.base_url, {**bodies, "refused": asked("Hello")})
    workload = Workload(
        write_requests(tmp_path / "w.jsonl", bodies), write_answers(tmp_path / "a.jsonl", good)
    )
    with running(faults=["json-object-fenced", "usage-null"]) as simulator:
        found = replayed(workload, simulator.base_url)
    assert failing(found.results) == {
        "workload-accepted": "status-400",
        "workload-json": "fenced",
        "workload-usage": "no-usage",
    }
    usage = next(result for result in found.results if result.id == "workload-usage")
    # the one that fails a must as well comes before those that only lack their usage
    assert (usage.seen or "").startswith("fenced ")
    assert [note.partition(" ")[0] for note in usage.notes] == ["good-0", "good-1", "good-2"]
    assert found.exchanges[0].part == "fenced"


def test_models_are_mapped(tmp_path: Path) -> None:
    bodies = {"mapped": asked("Hello") | {"model": "old-1"}, "other": asked("Hello") | {"model": "old-2"}}
    with running(models=["new-1", "main"]) as simulator:
        workload = Workload(write_requests(tmp_path / "w.jsonl", bodies), models={"old-1": "new-1"})
        found = replayed(workload, simulator.base_url, model="main")
        asked_for = {body["model"] for _, _, body in simulator.requests}
    assert asked_for == {"new-1", "main"}
    assert failing(found.results) == {}
    assert "2 of 2 requests have no old answer to compare with" in found.results[0].notes


def test_what_the_application_adds_goes_with_each_request(tmp_path: Path) -> None:
    workload = Workload(write_requests(tmp_path / "w.jsonl", {"one": asked("Hello", temperature=0.5)}))
    with running() as simulator:
        replayed(workload, simulator.base_url, body={"user": "me", "temperature": 0.1})
        ((_, _, body),) = simulator.requests
    assert (body["user"], body["temperature"]) == ("me", 0.1)


def test_throttling_for_good_says_nothing_of_the_endpoint(workload: Workload) -> None:
    with running(faults=["quota-429"]) as simulator:
        found = replayed(workload, simulator.base_url)
    accepted = found.results[0]
    assert accepted.status is Status.ERROR
    assert accepted.reason is not None
    assert "throttled (429)" in accepted.reason


def test_an_endpoint_that_is_gone_is_no_answer(workload: Workload) -> None:
    with running() as simulator:
        gone = simulator.base_url
    found = replayed(workload, gone)
    accepted = found.results[0]
    assert accepted.status is Status.ERROR
    assert "no request was answered" in (accepted.reason or "")


def test_a_bound_on_money_ends_it_and_says_how_far_it_came(workload: Workload) -> None:
    with running() as simulator:
        settings = settings_for(simulator.base_url, max_tokens=1, concurrency=1)
        settings = settings.model_copy(update={"loopback": False})
        work = replay(workload, settings, load_profile("demo"), empty_run(), of=len(BODIES))
        found = asyncio.run(work)
    assert found.stopped == "1 tokens are used up and no price is known"
    # what empty_run() used counts as well
    assert found.results[0].status is Status.ERROR
    assert "0 of 6 requests were judged" in (found.results[0].reason or "")


def test_the_deadline_ends_it(workload: Workload) -> None:
    with running(delay=30.0) as simulator:
        found = replayed(workload, simulator.base_url, deadline=0.3)
    assert found.stopped == "the deadline of 0.3 s is over"
    assert found.results[0].status is Status.ERROR
    assert not found.interrupted


def test_an_interruption_ends_it(workload: Workload) -> None:
    async def interrupted(base_url: str) -> Replayed:
        stop = asyncio.Event()
        stop.set()
        work = replay(
            workload, settings_for(base_url), load_profile("demo"), empty_run(), of=len(BODIES), stop=stop
        )
        return await work

    with running(delay=30.0) as simulator:
        found = asyncio.run(interrupted(simulator.base_url))
    assert found.interrupted
    assert found.results[0].status is Status.ERROR


class _Cheap(http.server.BaseHTTPRequestHandler):
    """Answers every chat with the same words, at once."""

    protocol_version = "HTTP/1.1"
    answer = json.dumps(
        {
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Other."}, "finish_reason": "stop"}
            ]
        }
    ).encode()
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def cheap() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Cheap)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


class _Watched(Workload):
    """Notes how many requests are drawn before those drawn earlier have been answered."""

    drawn = 0
    answered = 0
    most_underway = 0

    def requests(self, *, strict: bool = False) -> Iterator[tuple[Request, Expectations | None]]:
        for each in super().requests(strict=strict):
            _Watched.drawn += 1
            _Watched.most_underway = max(_Watched.most_underway, _Watched.drawn - _Watched.answered)
            yield each


def test_what_is_held_does_not_grow_with_the_number_of_requests(tmp_path: Path, cheap: str) -> None:
    bodies = {f"request-{number}": asked("Hello") for number in range(200)}
    usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
    old = (200, completion("Other.", usage=usage))
    files = (
        write_requests(tmp_path / "w.jsonl", bodies),
        write_answers(tmp_path / "a.jsonl", dict.fromkeys(bodies, old)),
    )

    def answered(done: int, of: int) -> None:
        _Watched.answered = done

    work = replay(
        _Watched(*files),
        settings_for(cheap, concurrency=3),
        load_profile("demo"),
        empty_run(),
        of=len(bodies),
        on_progress=answered,
    )
    found = asyncio.run(work)
    assert _Watched.drawn == 200
    assert _Watched.most_underway <= 4
    lacking = next(result for result in found.results if result.id == "workload-usage")
    assert lacking.level is Level.SHOULD
    assert lacking.attempts == (0, 200)
    assert len(lacking.notes) == MOST_SHOWN - 1
    assert len(found.exchanges) == MOST_EXCHANGES


def judging(better: str) -> ModelJudge:
    """A model that compares, at an endpoint which a test stands up; `better` is what its answers say."""
    return ModelJudge(settings_for(better), load_profile("demo"), key=None)


@pytest.mark.parametrize(
    ("verdicts", "case"),
    [
        (("first", "second"), "old-preferred"),
        (("second", "first"), None),
        # it prefers whichever stands first: it cannot tell
        (("first", "first"), None),
        (("neither", "neither"), None),
    ],
)
def test_a_model_compares_blind_and_in_both_orders(verdicts: tuple[str, str], case: str | None) -> None:
    request = Request("one", "POST", CHAT, asked("Hello"), 1)
    shown: list[str] = []

    def answer(raw: RawRequest) -> bytes:
        text = json.loads(raw.body)["messages"][1]["content"]
        shown.append(text)
        old_first = text.index("OLD WORDS") < text.index("NEW WORDS")
        return http_json(completion(json.dumps({"better": verdicts[0 if old_first else 1]})))

    with RawServer(answer) as server:
        judge = judging(f"{server.base_url}")
        found = asyncio.run(judge.compare(request, Told("text", "OLD WORDS"), Told("text", "NEW WORDS")))
    assert found is not None
    assert found.case == case
    assert len(shown) == 2
    assert not any("old answer" in text or "new answer" in text for text in shown)


def test_a_model_that_says_nothing_of_answers_is_no_finding() -> None:
    request = Request("one", "POST", CHAT, asked("Hello"), 1)
    with RawServer(lambda raw: http_json(completion("I like both."))) as server:
        judge = judging(server.base_url)
        old, new = Told("text", "a"), Told("text", "b")
        assert asyncio.run(judge.compare(request, old, new)) is None
        # a tool call is no text to compare
        assert asyncio.run(judge.compare(request, old, Told("tool calls"))) is None
