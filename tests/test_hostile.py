"""Real runs against hostile endpoints: each ends by itself, in bounded memory, and never green."""

from __future__ import annotations

import json
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import typer.testing

from llmcompat.cli import program
from llmcompat.reports import FORMATS
from tests.hostile import Endpoint, Made, Ran, endpoints, kind_of, run_against, run_targets, troubles, turned
from tests.servers.raw import RawRequest, http

SHORT = ("--timeout", "1.5", "--deadline", "10")
MOST = 250_000_000
"""Bytes of memory that a run against an endpoint that sends without end may take."""
AT_ONCE = 4
KEY = "sk-hostile-0123456789abcdef"

ALONE = [
    "always:slow-headers",
    "always:endless-body",
    "always:gzip-bomb",
    "always:continue-endless",
    "later:endless-line",
    "later:silent-now-and-then",
    "streams:endless-answer",
    "streams:events-huge",
]
"""Those whose memory is told apart; all of them run in `python -m tests.hostile`."""

TOGETHER = {
    "always": """never-answers no-http reset status-204 status-999 redirect-to-itself headers-huge gzip-false
        null one-field-wrong""",
    "later": """short-body cut-at-each-byte status-500 retry-after-nonsense json-deep integer-long nan
        invalid-utf-8 surrogates nul bom duplicate-keys array nulls-in-arrays tool-index-odd
        one-field-wrong""",
    "streams": "dripping-stream gzip-bomb-layered tool-index-huge tool-index-negative all-null",
}
"""By kind: several of them are the targets of one command."""


def ran_against(case: str, *options: str) -> Ran:
    kind, _, name = case.partition(":")
    with Endpoint(turned(endpoints()[name](), kind_of(kind))) as server:
        return run_against(server.base_url, *SHORT, *options)


def test_every_run_ends_well_and_in_bounded_memory() -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rans = dict(zip(ALONE, pool.map(ran_against, ALONE), strict=True))
    assert {case: found for case, ran in rans.items() if (found := troubles(ran))} == {}
    peaks = {case: ran.peak for case, ran in rans.items() if ran.peak is not None}
    assert {case: peak for case, peak in peaks.items() if peak > MOST} == {}


@pytest.mark.parametrize("kind", TOGETHER)
def test_several_targets_of_one_command_end_well(kind: str, tmp_path: Path) -> None:
    names = TOGETHER[kind].split()
    with ExitStack() as servers:
        profiles = []
        for name in names:
            server = servers.enter_context(Endpoint(turned(endpoints()[name](), kind_of(kind))))
            profile = tmp_path / f"{name}.yaml"
            profile.write_text(
                f"name: '{name}'\nbase_url: {server.base_url}\nmodels:\n  default: m\n", encoding="utf-8"
            )
            profiles.append(str(profile))
        ran = run_targets(*profiles, *SHORT)
    assert len(ran.run()["runs"]) == len(names)
    assert troubles(ran) == []


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
    result = typer.testing.CliRunner().invoke(program(), [command, str(saved), "--format", format])
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
