"""Real runs against hostile endpoints: each ends by itself, in bounded memory, and never green."""

from __future__ import annotations

import json
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import typer.testing

from llmcompat.cli import app
from llmcompat.reports import FORMATS
from tests.hostile import Endpoint, Made, Ran, endpoints, kind_of, run_against, troubles, turned
from tests.servers.raw import RawRequest, http

SHORT = ("--timeout", "2", "--deadline", "30")
MOST = 250_000_000
"""Bytes of memory that a run against an endpoint that sends without end may take."""
AT_ONCE = 4
KEY = "sk-hostile-0123456789abcdef"

ALWAYS = """never-answers slow-headers slow-body silent-now-and-then endless-body gzip-bomb codings-many
    no-http headers-endless continue-endless reset status-204 status-999 redirect-to-itself retry-after-week
    null json-deep surrogates one-field-wrong"""
LATER = """never-answers silent-now-and-then endless-comments endless-blank-lines endless-line endless-answer
    gzip-bomb-layered short-body cut-at-each-byte error-huge retry-after-nonsense json-deep integer-long
    nan invalid-utf-8 nul array all-long-integers nulls-in-arrays tool-index-huge tool-index-negative
    tool-index-odd events-huge values-many-objects one-field-wrong surrogates"""
STREAMS = "dripping-stream endless-empty-events single-bytes chunks-many one-field-wrong all-null"

CASES = [
    *(f"always:{name}" for name in ALWAYS.split()),
    *(f"later:{name}" for name in LATER.split()),
    *(f"streams:{name}" for name in STREAMS.split()),
]
GROUPS = [CASES[start : start + 2 * AT_ONCE] for start in range(0, len(CASES), 2 * AT_ONCE)]


def ran_against(case: str, *options: str) -> Ran:
    kind, _, name = case.partition(":")
    with Endpoint(turned(endpoints()[name](), kind_of(kind))) as server:
        return run_against(server.base_url, *SHORT, *options)


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: f"{group[0]}..{group[-1]}")
def test_every_run_ends_well(group: list[str]) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rans = dict(zip(group, pool.map(ran_against, group), strict=True))
    assert {case: found for case, ran in rans.items() if (found := troubles(ran))} == {}
    peaks = {case: ran.peak for case, ran in rans.items() if ran.peak is not None}
    assert {case: peak for case, peak in peaks.items() if peak > MOST} == {}


def test_where_nothing_can_be_known_there_is_no_answer() -> None:
    cases = ["always:never-answers", "always:reset", "always:retry-after-week", "later:never-answers"]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rans = list(pool.map(ran_against, cases))
    assert [ran.exit for ran in rans] == [3] * len(cases)


def test_what_a_bound_cut_off_is_no_verdict() -> None:
    ran = ran_against("always:values-many-objects")
    (run,) = ran.run()["runs"]
    assert "bounded" in {exchange["ended"] for exchange in run["exchanges"]}
    cut_off = [check for check in run["checks"] if check["reason"] == "the answer was longer than is read"]
    assert cut_off
    assert {check["status"] for check in cut_off} == {"error"}


def test_a_key_never_goes_to_another_host() -> None:
    with (
        Endpoint(lambda request: http("{}")) as other,
        Endpoint(turned(endpoints(f"{other.origin}/v1/models")["redirect-elsewhere"](), "later")) as server,
    ):
        ran = run_against(server.base_url, *SHORT, environment={"LLMCOMPAT_API_KEY": KEY})
        assert any(request.headers.get("authorization") == f"Bearer {KEY}" for request in server.requests)
        assert other.requests == []
    assert not troubles(ran)
    assert KEY not in ran.output + ran.errors


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose every text is hostile."""
    path = tmp_path_factory.mktemp("hostile") / "run.json"
    ran = ran_against("later:surrogates", "--export", str(path))
    assert not troubles(ran)
    return path


@pytest.mark.parametrize("format", sorted(FORMATS))
@pytest.mark.parametrize("command", ["show", "judge"])
def test_every_report_takes_hostile_text(saved: Path, command: str, format: str) -> None:
    result = typer.testing.CliRunner().invoke(app, [command, str(saved), "--format", format])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.stdout.encode()
    if format in ("json", "sarif"):
        json.loads(result.stdout)
    if format == "junit":
        xml.etree.ElementTree.fromstring(result.stdout)


def test_an_endpoint_that_never_answers_some_requests_is_not_waited_for_each_time() -> None:
    asked: list[RawRequest] = []
    silent = endpoints()["never-answers"]()

    def answer(request: RawRequest) -> Made:
        asked.append(request)
        return silent(request)

    with Endpoint(turned(answer, "later")) as server:
        ran = run_against(server.base_url, *SHORT)
    (run,) = ran.run()["runs"]
    assert run["stopped"].startswith("the endpoint answers no longer: ")
    assert len(asked) <= 20
