"""Errors, billing, models, embeddings and vision on the simulator: each fault gives one line and no other."""

import asyncio

import pytest

from llmcompat.engine.runner import Finished, run_target
from llmcompat.model import Result, Status
from llmcompat.profiles.loader import load_profile
from llmcompat.simulator.server import running
from tests.checking import checklist, demo_settings

ITEMS = ("retries", "billing", "models", "embeddings", "vision")


def simulated(*faults: str) -> dict[str, Result]:
    """The results of the five items on a simulator with these faults."""
    profile = load_profile("demo")
    assert profile.models.embedding is not None
    with running(faults=faults) as server:
        settings = demo_settings(
            base_url=server.base_url,
            embedding_model=profile.models.embedding.value,
            only=ITEMS,
            uses={"embeddings", "vision"},
        )

        async def collect() -> dict[str, Result]:
            async for event in run_target(checklist(), settings, profile, key=None, seed="test"):
                if isinstance(event, Finished):
                    assert event.run.stopped is None
                    return {result.id: result for result in event.run.checks}
            raise AssertionError("a run always finishes")

        return asyncio.run(collect())


def test_a_healthy_endpoint() -> None:
    results = simulated()
    assert {result.item for result in results.values()} == set(ITEMS)
    others = {id: result.status for id, result in results.items() if result.status is not Status.PASS}
    assert others == {
        "balance-readable": Status.SKIP,
        "balance-floor": Status.SKIP,
        "spend-limit-set": Status.MANUAL,
        "alert-address-set": Status.MANUAL,
    }


@pytest.mark.parametrize(
    ("fault", "id", "case"),
    [
        ("http-200-error-body", "error-status", "http-200-error-body"),
        ("client-error-as-500", "client-error-status", "client-error-as-500"),
        ("error-422-validation", "bad-request-status", "error-422-validation"),
        ("error-empty-body", "error-object", "error-empty-body"),
        ("error-code-int", "error-code-type", "error-code-int"),
        ("model-unknown-accepted", "unknown-model-status", "model-unknown-accepted"),
        ("usage-zero", "usage-present", "usage-zero"),
        ("usage-reasoning-outside-completion", "usage-sum", "usage-reasoning-outside-completion"),
        ("models-list-bare-array", "models-list", "models-list-bare-array"),
        ("embeddings-wrong-order", "embeddings-base64", "embeddings-order"),
        ("embeddings-data-empty", "embeddings-data", "embeddings-data-empty"),
        ("vision-image-silently-dropped", "image-seen", "vision-image-silently-dropped"),
    ],
)
def test_one_fault_is_one_line(fault: str, id: str, case: str) -> None:
    failed = {result.id: result.case for result in simulated(fault).values() if result.status is Status.FAIL}
    assert failed == {id: case}
