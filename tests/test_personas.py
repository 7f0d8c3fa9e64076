"""A simulated provider shows what is documented of it, each line marked as known, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx
import pytest

from llmcompat.cli import main
from llmcompat.cli import serve as serve_module
from llmcompat.cli.execute import execute
from llmcompat.cli.problems import Problem
from llmcompat.cli.progress import progress
from llmcompat.cli.target import Options, plan
from llmcompat.model import Result, Run, Status, TargetRun
from llmcompat.profiles import Profile, load_profile, shipped_profiles
from llmcompat.reports import FORMATS
from llmcompat.simulator.app import CHAT_MODELS
from llmcompat.simulator.personas import PersonaError, embedding_model, persona
from llmcompat.simulator.server import running
from tests.checking import checklist

SIX = ("deepseek", "openrouter", "together", "fireworks", "groq", "deepinfra")
HI = [{"role": "user", "content": "Say hi."}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = [{"type": "function", "function": {"name": "get_weather", "parameters": CITY}}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": CITY}}


@cache
def whole(name: str) -> Run:
    """The run that `check NAME --simulate` makes; no key is in the environment."""
    planned = plan(name, Options(simulate=True), {})
    return execute(checklist(), [planned], progress(quiet=True, verbose=False)).run


def simulated(name: str) -> TargetRun:
    return whole(name).runs[0]


def ended(name: str, status: Status) -> dict[str, Result]:
    return {result.id: result for result in simulated(name).checks if result.status is status}


@contextmanager
def like(name: str) -> Iterator[httpx.Client]:
    """A client of the simulated provider."""
    played = persona(load_profile(name))
    with (
        running(
            faults=played.faults,
            models=played.models,
            embedding_models=played.embedding_models,
            context_window=played.context_window,
            pages=played.pages,
        ) as server,
        httpx.Client(base_url=server.base_url, trust_env=False) as client,
    ):
        yield client


def ask(client: httpx.Client, name: str, **fields: Any) -> httpx.Response:
    """A chat with the provider's default model."""
    default = load_profile(name).models.default
    assert default is not None
    return client.post("/chat/completions", json={"model": default.value, "messages": HI, **fields})


@pytest.mark.parametrize("name", SIX)
def test_what_fails_is_what_is_documented(name: str) -> None:
    shown = {
        (line.check, line.case)
        for deviation in load_profile(name).deviations
        if deviation.played and deviation.hidden_by is None
        for line in deviation.lines
    }
    run = simulated(name)
    assert run.stopped is None
    assert {(result.id, result.case) for result in ended(name, Status.FAIL).values()} == shown
    assert run.exit_code == 1


@pytest.mark.parametrize("name", SIX)
def test_each_failing_line_is_known_with_its_source(name: str) -> None:
    for result in ended(name, Status.FAIL).values():
        assert result.known is not None, result.id
        assert result.known.source.startswith("https://"), result.id
        assert result.known.as_of, result.id


@pytest.mark.parametrize("name", SIX)
def test_what_has_no_answer_is_blocked_by_a_line_that_fails(name: str) -> None:
    failing, errors = ended(name, Status.FAIL), ended(name, Status.ERROR)
    for result in errors.values():
        owner = result.blocked_by
        while owner in errors:
            owner = errors[owner].blocked_by
        assert owner in failing, (result.id, result.reason)


@pytest.mark.parametrize("name", SIX)
def test_each_deviation_is_shown_or_says_why_not(name: str) -> None:
    profile = load_profile(name)
    deviations = {deviation.catalogue: deviation for deviation in profile.deviations}
    played = {fault.name for fault in persona(profile).faults}
    errors = ended(name, Status.ERROR)
    for catalogue, deviation in deviations.items():
        if deviation.status == "fixed":
            assert (deviation.fault or catalogue) not in played
            continue
        assert bool(deviation.lines) != bool(deviation.unseen), catalogue
        assert {line.check for line in deviation.lines} <= checklist().checks.keys(), catalogue
        if not deviation.played:
            assert deviation.status == "contradictory" or deviation.not_simulated, catalogue
            assert catalogue not in played
        if deviation.hidden_by is not None:
            hiding = deviations[deviation.hidden_by]
            assert hiding.played
            for line in deviation.lines:
                assert errors[line.check].blocked_by in {each.check for each in hiding.lines}


@pytest.mark.parametrize("name", SIX)
def test_nothing_leaves_this_machine(name: str) -> None:
    run = simulated(name)
    assert run.exchanges
    assert all(exchange.url.startswith("http://127.0.0.1:") for exchange in run.exchanges)
    assert not any(run.settings[name] for name in ("has_key", "headers"))


@pytest.mark.parametrize("format", FORMATS)
def test_every_report_says_that_nothing_was_measured(format: str) -> None:
    assert "documented, not measured" in FORMATS[format](whole("deepseek"))


def test_the_balance_of_a_simulation_is_read_at_its_own_origin() -> None:
    for name, amount in (("deepseek", 110.0), ("openrouter", 74.5), ("deepinfra", 10.0)):
        readable = next(result for result in simulated(name).checks if result.id == "balance-readable")
        assert readable.status is Status.PASS
        assert [fact["value"] for fact in readable.facts.values()] == [amount]


@pytest.mark.parametrize("name", [name for name in shipped_profiles() if name not in SIX])
def test_every_other_profile_can_be_played(name: str) -> None:
    assert persona(load_profile(name)).models


def test_a_deviation_without_a_fault_is_told() -> None:
    deviation = {"catalogue": "no-such-fault", "summary": "It is odd.", "status": "open", "unseen": "so"}
    profile = Profile.model_validate({"name": "mine", "deviations": [deviation]})
    with pytest.raises(PersonaError, match="mine: the simulator has no fault 'no-such-fault'"):
        persona(profile)
    assert persona(profile.model_copy(update={"deviations": ()})).models == CHAT_MODELS


def test_embedding_models() -> None:
    assert embedding_model(load_profile("fireworks")) == "accounts/fireworks/models/qwen3-embedding-8b"
    assert embedding_model(load_profile("deepinfra")) is not None
    assert embedding_model(load_profile("groq")) is None


def test_deepseek() -> None:
    with like("deepseek") as client:
        thinking = ask(client, "deepseek")
        assert thinking.json()["choices"][0]["message"]["reasoning_content"]
        assert thinking.content.startswith(b"\n")
        assert "x-ratelimit-limit-requests" not in thinking.headers
        off = {"thinking": {"type": "disabled"}}
        assert "reasoning_content" not in ask(client, "deepseek", **off).json()["choices"][0]["message"]
        forced = {"tools": WEATHER, "tool_choice": "required"}
        refused = ask(client, "deepseek", **forced)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_request_error")
        assert ask(client, "deepseek", tools=WEATHER, tool_choice="auto").status_code == 200
        assert ask(client, "deepseek", **forced, **off).status_code == 200
        assert client.get("/user/balance").json()["balance_infos"][0]["total_balance"] == "110.00"
        assert client.post("/embeddings", json={"model": "deepseek-flash", "input": "x"}).status_code == 404


def test_openrouter() -> None:
    with like("openrouter") as client:
        answer = ask(client, "openrouter").json()
        assert answer["choices"][0]["message"]["reasoning"]
        assert answer["provider"]
        assert answer["usage"]["cost"] > 0
        streamed = ask(client, "openrouter", stream=True)
        assert streamed.text.startswith(": OPENROUTER PROCESSING\n\n")
        error = ask(client, "openrouter", temperature="hot").json()["error"]
        assert error["code"] == 400
        assert '"error"' in error["metadata"]["raw"]
        assert ask(client, "openrouter", model="nobody/nothing").json()["error"]["code"] == 400
        assert "limit_remaining" in client.get("/key").json()["data"]


def test_together() -> None:
    with like("together") as client:
        models = client.get("/models").json()
        assert isinstance(models, list)
        assert models[1]["context_length"]
        assert ask(client, "together", model=models[0]["id"]).json()["error"]["code"] == "model_not_available"
        answer = ask(client, "together")
        assert answer.json()["choices"][0]["finish_reason"] == "eos"
        assert answer.headers["x-tokenlimit-limit"]


def test_fireworks() -> None:
    with like("fireworks") as client:
        assert ask(client, "fireworks", user="me").status_code == 200
        assert ask(client, "fireworks", store=False).status_code == 400
        unknown = ask(client, "fireworks", model="accounts/fireworks/models/none")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "NOT_FOUND")
        kept = [*HI, {"role": "assistant", "content": "Hi.", "reasoning_content": "So."}, *HI]
        assert ask(client, "fireworks", messages=kept).status_code == 200
        marked = [{**HI[0], "metadata": {}}]
        assert "messages[0].metadata" in ask(client, "fireworks", messages=marked).text


def test_groq() -> None:
    with like("groq") as client:
        answer = ask(client, "groq")
        assert answer.json()["x_groq"]["id"]
        assert answer.json()["choices"][0]["message"]["reasoning"]
        assert isinstance(answer.json()["usage"]["queue_time"], float)
        assert answer.headers["x-ratelimit-limit-tokens"] == "8000"
        large = ask(client, "groq", max_tokens=9000)
        assert (large.status_code, large.json()["error"]["code"]) == (413, "rate_limit_exceeded")
        refused: tuple[dict[str, Any], ...] = (
            {"n": 2},
            {"logprobs": True},
            {"logit_bias": {}},
            {"response_format": SCHEMA},
            {"messages": [{**HI[0], "name": "ann"}]},
        )
        for fields in refused:
            assert ask(client, "groq", **fields).status_code == 400, fields
        closed = {**CITY, "additionalProperties": False}
        wanted = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": closed}}
        assert ask(client, "groq", response_format=wanted).status_code == 200
        assert ask(client, "groq", response_format=wanted, stream=True).status_code == 400
        assert client.get("/models").json()["data"][0]["context_window"] == 131072


def test_deepinfra() -> None:
    with like("deepinfra") as client:
        wrong = ask(client, "deepinfra", temperature="hot")
        assert wrong.status_code == 422
        assert wrong.json()["detail"][0]["loc"] == ["body", "temperature"]
        unknown = ask(client, "deepinfra", model="nobody/nothing")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "404")
        base = str(client.base_url).removesuffix("/v1/")
        balance = httpx.get(f"{base}/payment/checklist?compute_owed=true", trust_env=False).json()
        assert balance["stripe_balance"] < 0


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "groq", "--simulate", "--only", "message-forms-together,user-name-accepted"]) == 1
    shown = capsys.readouterr().out
    assert "SIMULATED" in shown
    assert "documented, not measured" in shown
    assert "known" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--simulate", "--base-url", "http://127.0.0.1:1/v1", "--model", "m"], "--simulate: give a TARGET"),
        (["groq", "--simulate", "--base-url", "http://127.0.0.1:1/v1"], "--base-url: a simulation is asked"),
        (["groq", "--simulate", "--api-key-env", "GROQ_API_KEY"], "--api-key-env: a simulation is asked"),
        (["groq", "--simulate", "--dry-run"], "--dry-run: a simulation costs nothing"),
        (["deepseek:deepseek-chat", "--simulate"], "unknown or retired"),
    ],
)
def test_what_cannot_be_simulated(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 2
    written = capsys.readouterr()
    assert said in " ".join((written.err + written.out).split())


def test_a_users_deviation_that_cannot_be_played_is_told() -> None:
    deviation = {"catalogue": "no-such-fault", "summary": "It is odd.", "status": "open", "unseen": "so"}
    planned = plan("groq", Options(simulate=True), {})
    mine = planned.profile.model_copy(
        update={"deviations": Profile.model_validate({"name": "x", "deviations": [deviation]}).deviations}
    )
    object.__setattr__(planned, "profile", mine)
    with pytest.raises(Problem, match="--simulate: groq: the simulator has no fault"):
        execute(checklist(), [planned], progress(quiet=True, verbose=False))


def test_serve_like(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(serve_module, "pause", stop)
    assert main(["serve", "--like", "groq", "--port", "0"]) == 0
    shown = capsys.readouterr().out
    assert "plays Groq: documented, not measured" in shown
    assert "check groq --base-url http://127.0.0.1:" in shown
    assert "openai/gpt-oss-20b" in shown
