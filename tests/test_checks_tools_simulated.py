"""Checks of tool calls on the simulator: healthy it passes them all, and each fault gives its one line."""

import asyncio
import json

import pytest

from llmcompat.engine.runner import Finished, run_target
from llmcompat.model import Status, TargetRun
from llmcompat.profiles.loader import load_profile
from llmcompat.profiles.schema import Profile
from llmcompat.simulator.server import running
from tests.checking import checklist, demo_settings

ITEMS = ("tools", "tool-definitions", "tool-streams", "tool-history")


def run(*faults: str, quick: bool = False, profile: Profile | None = None) -> TargetRun:
    known = profile or load_profile("demo")

    async def ask(base_url: str) -> TargetRun:
        settings = demo_settings(base_url=base_url, only=ITEMS, quick=quick)
        async for event in run_target(checklist(), settings, known, seed="seed"):
            if isinstance(event, Finished):
                return event.run
        raise AssertionError("the run never finished")

    with running(faults=faults) as server:
        return asyncio.run(ask(server.base_url))


def failing(target: TargetRun) -> list[tuple[str, str | None]]:
    return [(result.id, result.case) for result in target.checks if result.status is Status.FAIL]


def test_a_healthy_endpoint_passes_within_the_budget() -> None:
    healthy = run()
    assert {result.status for result in healthy.checks} == {Status.PASS}
    ours = {
        name for name, probe in checklist().probes.items() if "tool" in probe.file.rpartition("checks")[2]
    }
    asked = {id for ask in healthy.asks if ask.probe in ours for id in ask.exchanges}
    assert len(asked) == 18


def test_the_quick_part_asks_three_times() -> None:
    healthy = run(quick=True)
    judged = {result.status for result in healthy.checks if result.status is not Status.SKIP}
    assert judged == {Status.PASS}
    asked = {ask.probe for ask in healthy.asks}
    assert {"weather_call", "weather_call_stream", "second_turn"} <= asked
    assert "parallel_calls" not in asked


@pytest.mark.parametrize(
    ("fault", "id", "case"),
    [
        ("tools-auto-needs-server-flag", "tools-accepted", ...),
        ("tools-unsupported-405-no-body", "tools-accepted", ...),
        ("tools-with-stream-unsupported", "tools-stream-accepted", ...),
        ("tool-use-failed-400", "tool-mistakes-answered", ...),
        ("tool-choice-rejected", "tool-choice-accepted", ...),
        ("tool-choice-required-ignored", "tool-choice-required", ...),
        ("tool-choice-named-ignored", "tool-choice-named", ...),
        ("tool-choice-none-ignored", "tool-choice-none", ...),
        ("tool-choice-auto-forces-call", "tool-choice-auto", ...),
        ("tool-not-called-although-advertised", "tool-called", ...),
        ("malformed-tool-call-empty-200", "tool-called", ...),
        ("tool-call-leaked-as-text", "tool-call-not-in-text", ...),
        ("choices-split-text-and-tools", "response-choice-count", ...),
        ("parallel-tool-calls-false-ignored", "parallel-tool-calls-off", ...),
        ("tool-call-id-numeric", "tool-call-id", ...),
        ("tool-call-id-empty", "tool-call-id", ...),
        ("tool-call-id-not-unique-across-turns", "tool-call-ids-across-turns", ...),
        ("tool-arguments-object", "tool-arguments-string", ...),
        ("tool-arguments-invalid-json", "tool-arguments-json", ...),
        ("tool-arguments-double-encoded", "tool-arguments-encoded-once", ...),
        ("tool-arguments-empty-string", "tool-zero-arguments", ...),
        ("nonstream-finish-reason-stop-with-tool-calls", "tool-finish-reason", ...),
        ("tool-parameters-omitted-rejected", "tool-without-parameters-accepted", ...),
        ("tool-schema-keyword-rejected", "tool-schema-accepted", ...),
        ("tool-name-restricted", "tool-names-accepted", ...),
        ("strict-tool-schema-rejected", "strict-tools-accepted", ...),
        ("tool-calls-missing-when-streaming", "tool-called-streamed", ...),
        ("stream-finish-reason-stop-with-tool-calls", "tool-finish-reason-streamed", ...),
        ("stream-lone-surrogate", "tool-stream-characters", ...),
        ("tool-delta-missing-index", "tool-delta-index", ...),
        ("tool-delta-parallel-same-index", "tool-delta-index", ...),
        ("tool-delta-index-from-one", "tool-delta-index", "starts-at-one"),
        ("tool-delta-id-missing", "tool-delta-id", ...),
        ("tool-delta-id-changes", "tool-delta-id", ...),
        ("tool-delta-type-missing", "tool-delta-type", "missing"),
        ("tool-delta-type-null", "tool-delta-type", "null-on-continuation"),
        ("tool-delta-id-name-repeated", "tool-delta-repeats", ...),
        ("tool-delta-empty-name-on-continuation", "tool-delta-repeats", ...),
        ("tool-stream-arguments-duplicated", "tool-stream-arguments", ...),
        ("tool-stream-arguments-missing", "tool-stream-arguments", ...),
        ("thought-signature-required", "tool-result-accepted", ...),
        ("reasoning-content-echo-required", "tool-result-accepted", ...),
        ("server-rejects-own-tool-ids", "tool-result-accepted", ...),
        ("tool-messages-unsupported", "tool-result-accepted", ...),
        ("assistant-content-null-rejected", "tool-result-accepted", ...),
        ("tool-call-id-format-restricted", "tool-history-ids", ...),
        ("assistant-content-empty-string-rejected", "tool-history-empty-content", ...),
        ("assistant-content-key-required", "tool-history-no-content", ...),
        ("user-after-tool-rejected", "tool-history-user-after-tool", ...),
        ("tool-content-parts-rejected", "tool-history-text-parts", ...),
        ("tool-result-schema-ref-rejected", "tool-history-schema-in-result", ...),
        ("tools-required-when-history-has-tool-calls", "tool-history-without-tools", ...),
    ],
)
def test_a_fault_gives_one_line(fault: str, id: str, case: object) -> None:
    """Its case is the fault's own name where nothing else is said."""
    assert failing(run(fault)) == [(id, fault if case is ... else case)]


def test_the_own_mode_is_asked_without_the_runs_thinking_switch() -> None:
    profile = load_profile("demo").model_copy(update={"thinking": load_profile("openai").thinking})
    switched = run(profile=profile)
    sent = {exchange.id: json.loads(exchange.request_body or "{}") for exchange in switched.exchanges}
    fields = {
        ask.probe: sent[ask.exchanges[-1]].get("reasoning_effort")
        for ask in switched.asks
        if ask.probe in ("weather_call", "own_mode_loop", "required_call", "own_mode_choice")
    }
    assert fields == {
        "weather_call": "none",
        "own_mode_loop": None,
        "required_call": "none",
        "own_mode_choice": None,
    }
    assert {result.status for result in switched.checks} == {Status.PASS}
