"""Runs against literal bytes and the simulator: dead ends, caps, and what is left to be judged again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from llmcompat.engine.decide import Exit
from llmcompat.engine.evidence import gather_evidence
from llmcompat.engine.judge import judge
from llmcompat.engine.loader import load_checklist
from llmcompat.engine.runner import AHEAD, Asked, Finished, Planned, run_target
from llmcompat.engine.selection import SelectionError, select
from llmcompat.model import Status, TargetRun
from llmcompat.profiles.loader import load_profile
from llmcompat.settings import Pricing, Settings
from llmcompat.simulator.server import running
from tests.checking import checklist, completion
from tests.servers.raw import RawRequest, RawServer, http, http_json

MODELS = {"object": "list", "data": [{"id": "good-model", "object": "model", "created": 1, "owned_by": "x"}]}
KEY = "k-3f9a7c51e2d84b60"


def settings_for(base_url: str, **changes: Any) -> Settings:
    given: dict[str, Any] = {
        "provider": "mine",
        "base_url": base_url,
        "model": "good-model",
        "loopback": True,
        "timeout": 5.0,
    }
    return Settings(**(given | changes))


def run(
    settings: Settings, *, key: str | None = None, profile: str = "demo", folders: Iterable[Path] = ()
) -> TargetRun:
    loaded = load_checklist(folders) if folders else checklist()

    async def collect() -> TargetRun:
        async for event in run_target(loaded, settings, load_profile(profile), key=key, seed="test"):
            if isinstance(event, Finished):
                return event.run
        raise AssertionError("a run always finishes")

    return asyncio.run(collect())


def endpoint(
    chat: Callable[[RawRequest], bytes], models: bytes | None = None
) -> Callable[[RawRequest], bytes]:
    """An endpoint that answers chat by a function and lists one model."""

    def answer(request: RawRequest) -> bytes:
        if request.path.endswith("/models"):
            return models or http_json(MODELS)
        return chat(request)

    return answer


def says(
    document: object, status: int = 200, headers: dict[str, str] | None = None
) -> Callable[[RawRequest], bytes]:
    return lambda request: http_json(document, status, headers)


ERROR = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}}
NOT_FOUND = {
    "error": {**ERROR["error"], "message": "The model `x` does not exist", "code": "model_not_found"}
}


@pytest.mark.parametrize(
    ("answer", "changes", "code", "reason"),
    [
        (endpoint(says(ERROR, 401)), {}, 3, "the key was refused (401)"),
        (endpoint(says(ERROR, 402)), {}, 3, "out of money"),
        (endpoint(says(NOT_FOUND, 404)), {"model": "god-model"}, 2, "nearest: good-model"),
        (endpoint(says(NOT_FOUND, 400)), {"model": "god-model"}, 2, "model god-model is unknown or retired"),
        (lambda request: http_json(ERROR, 404), {}, 3, "404, there is no chat endpoint"),
        (lambda request: http("<html>hi</html>", 200, {"Content-Type": "text/html"}), {}, 3, "answers HTML"),
        (lambda request: http("", 302, {"Location": "https://example.com/v1"}), {}, 3, "redirects to https://example.com/v1"),
        (endpoint(says(ERROR, 422)), {}, 3, "plain chat is refused (422): no"),
        (endpoint(says(ERROR, 501, {"x-should-retry": "false"})), {}, 3, "plain chat is refused (501)"),
    ],
    ids=["401", "402", "404-model", "400-model", "404-all", "html", "redirect", "422", "501"],
)  # fmt: skip
def test_a_dead_end_ends_the_run_at_once(
    answer: Callable[[RawRequest], bytes], changes: dict[str, Any], code: int, reason: str
) -> None:
    with RawServer(answer) as server:
        result = run(settings_for(server.base_url, **changes))
    assert result.exit_code == code
    assert result.stopped is not None
    assert reason in result.stopped
    assert not any(check.status in (Status.PASS, Status.FAIL) for check in result.checks)
    assert len(server.requests) <= 8 + len(AHEAD)


def test_a_refused_key_is_seen_by_the_first_requests_alone() -> None:
    with RawServer(endpoint(says(ERROR, 401))) as server:
        result = run(settings_for(server.base_url))
    assert {exchange.probe for exchange in result.exchanges} <= {"models_list", "hello", *AHEAD}
    assert {ask.probe for ask in result.asks} == {"models_list", "hello"}
    assert {result.unasked[name].reason for name in AHEAD} == {result.stopped}


def test_what_is_asked_beside_the_first_requests_needs_nothing_of_them() -> None:
    for name in AHEAD:
        probe = checklist().probes[name]
        assert probe.early
        assert probe.needs == ()
        assert probe.owner is None


def test_with_few_connections_the_first_requests_stay_alone() -> None:
    with RawServer(endpoint(says(ERROR, 401))) as server:
        run(settings_for(server.base_url, concurrency=2))
    assert len(server.requests) == 2


def test_what_hangs_beside_the_first_requests_is_asked_again() -> None:
    held: list[str] = []

    def answer(request: RawRequest) -> Any:
        if "no-such-route" in request.path and not held:
            held.append(request.path)
            return [b"HTTP/1.1 404 Not Found\r\n", 3.0]
        if request.path.endswith("/models"):
            return [1.0, http_json(MODELS)]
        return http_json(ERROR, 404) if "no-such-route" in request.path else http_json(completion("ok"))

    with RawServer(answer) as server:
        settings = settings_for(server.base_url, only=("unknown-route-refused",), timeout=2.0)
        result = run(settings)
    assert len([each for each in server.requests if "no-such-route" in each.path]) == 2
    assert "unknown_route" not in result.unasked


def test_an_unreachable_host_is_no_answer() -> None:
    with RawServer(lambda request: b"") as server:
        base_url = server.base_url
    result = run(settings_for(base_url))
    assert result.exit_code == Exit.NO_ANSWER
    assert result.stopped is not None
    assert "connection refused" in result.stopped


def test_a_base_url_without_its_version_gets_the_hint() -> None:
    with RawServer(lambda request: http_json(ERROR, 404)) as server:
        result = run(settings_for(server.origin))
    assert result.stopped is not None
    assert f"Try --base-url {server.origin}/v1" in result.stopped


def test_a_retired_model_is_refused_before_anything_is_sent() -> None:
    with RawServer(says(ERROR, 500)) as server:
        result = run(settings_for(server.base_url, model="deepseek-chat"), profile="deepseek")
    assert result.exit_code == Exit.NOTHING_RAN
    assert result.stopped is not None
    assert "deepseek-chat is retired" in result.stopped
    assert server.requests == []


def test_plain_chat_that_needs_a_token_limit_is_a_finding_and_not_the_end() -> None:
    def chat(request: RawRequest) -> bytes:
        return http_json(completion("ok")) if "max_tokens" in request.json() else http_json(ERROR, 400)

    with RawServer(endpoint(chat)) as server:
        result = run(settings_for(server.base_url, only=("chat-accepted",)))
    found = {check.id: check for check in result.checks}
    assert found["chat-accepted"].status is Status.FAIL
    assert result.exit_code == Exit.INCOMPATIBLE


def test_basics_change_only_when_their_refusal_repeats() -> None:
    refused: list[dict[str, Any]] = []

    def chat(request: RawRequest) -> bytes:
        body = request.json()
        if "temperature" in body:
            refused.append(body)
            return http_json(ERROR, 400)
        return http_json(completion("ok"))

    with RawServer(endpoint(chat)) as server:
        result = run(settings_for(server.base_url, only=("chat-accepted",)))
    assert result.basics["temperature"] is None
    assert result.basics["token_limit"] == "max_tokens"
    assert len(refused) == 2


def test_the_money_cap_stops_the_run() -> None:
    usage = {"prompt_tokens": 10_000, "completion_tokens": 10_000, "total_tokens": 20_000}
    pricing = Pricing(input=1.0, output=1.0, source="test")
    with RawServer(endpoint(says(completion("ok", usage=usage)))) as server:
        settings = settings_for(server.base_url, loopback=False, pricing=pricing, max_usd=0.05)
        result = run(settings, key=KEY)
    assert result.stopped == "--max-usd 0.05 is used up"
    assert result.spend.usd is not None
    assert result.spend.usd < 0.4
    assert result.exit_code in (Exit.NO_ANSWER, Exit.INCOMPATIBLE)


def test_the_deadline_ends_a_run_with_what_is_known() -> None:
    with running(delay=0.4) as simulator:
        result = run(
            settings_for(simulator.base_url, model="demo-chat", only=("prompts", "tools"), deadline=1.5)
        )
    assert result.stopped == "the deadline of 1.5 s is over"
    statuses = {check.status for check in result.checks}
    assert {Status.PASS, Status.ERROR} <= statuses
    assert result.exit_code == Exit.NO_ANSWER


def test_a_key_that_is_echoed_is_in_nothing_that_a_run_holds() -> None:
    def chat(request: RawRequest) -> bytes:
        return http_json(completion(f"you sent {request.headers.get('authorization')}"))

    with RawServer(endpoint(chat)) as server:
        result = run(settings_for(server.base_url, only=("prompts",)), key=KEY)
    assert KEY in server.requests[0].headers["authorization"]
    assert KEY not in repr(result)
    assert KEY.encode() not in b"".join(exchange.body for exchange in result.exchanges)


def test_a_key_among_the_users_own_settings_is_masked_as_well() -> None:
    with RawServer(endpoint(says(completion("ok")))) as server:
        own = {"headers": {"X-Token": KEY}, "body": {"metadata": {"tags": [KEY]}}}
        result = run(settings_for(server.base_url, only=("chat-accepted",), **own), key=KEY)
    assert KEY in server.requests[0].headers["x-token"]
    assert KEY not in repr(result)


def test_only_asks_what_the_named_check_needs() -> None:
    with running() as simulator:
        settings = settings_for(simulator.base_url, model="demo-chat", only=("chat-accepted",))
        result = run(settings)
        paths = sorted({path for _, path, _ in simulator.requests})
    assert result.spend.requests == len(simulator.requests) == 4
    assert paths == ["/v1/chat/completions", "/v1/models"]


def test_events_tell_of_every_probe() -> None:
    async def collect(settings: Settings) -> list[object]:
        return [event async for event in run_target(checklist(), settings, load_profile("demo"), seed="test")]

    with running() as simulator:
        events = asyncio.run(collect(settings_for(simulator.base_url, model="demo-chat", only=("prompts",))))
    assert isinstance(events[0], Planned)
    assert isinstance(events[-1], Finished)
    asked = [event for event in events if isinstance(event, Asked)]
    assert len(asked) == events[0].probes


def test_a_saved_run_is_judged_alike_without_a_request() -> None:
    with running(faults=["stop-ignored"]) as simulator:
        settings = settings_for(simulator.base_url, model="demo-chat", embedding_model="demo-embed")
        result = run(settings)
    loaded = checklist()
    exchanges = {exchange.id: exchange for exchange in result.exchanges}
    evidence = gather_evidence(loaded.probes, result.asks, exchanges, result.unasked)
    again = judge(select(loaded, settings).checks, loaded, [evidence], load_profile("demo"), settings)
    skipped = select(loaded, settings).skipped
    before = [(r.id, r.status, r.case) for r in result.checks if r.id not in skipped]
    assert [(r.id, r.status, r.case) for r in again] == before


def test_probes_that_break_or_hang_on_a_missing_need_say_so(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        '''"""Mine: what my application needs."""
from llmcompat import Api, Reply, check, probe

@probe(owner="mine-one", grounds=["hello"])
async def broken_probe(api: Api) -> Reply:
    raise KeyError("x")

@probe(owner="mine-one", grounds=["hello"])
async def behind(api: Api, broken_probe: Reply) -> Reply:
    return await api.chat("Hi")

@check("mine-one", fix="None.")
def mine_one(behind: Reply) -> None:
    """It is accepted.

    Why.
    """
    behind.accepted()
''',
        encoding="utf-8",
    )
    with running() as simulator:
        result = run(
            settings_for(simulator.base_url, model="demo-chat", only=("mine-one",)), folders=[tmp_path]
        )
    (found,) = result.checks
    assert found.status is Status.ERROR
    assert found.reason is not None
    assert "mine.py:6: KeyError" in found.reason


def test_selections_that_name_nothing_offer_the_nearest() -> None:
    with pytest.raises(SelectionError, match=r"did you mean .*stream"):
        select(checklist(), settings_for("http://127.0.0.1:1/v1", only=("streamin",)))
    with pytest.raises(SelectionError, match="leaves no check"):
        select(checklist(), settings_for("http://127.0.0.1:1/v1", only=("prompts",), skip=("prompts",)))


def test_the_run_is_data_that_json_can_hold() -> None:
    with running() as simulator:
        result = run(settings_for(simulator.base_url, model="demo-chat", only=("prompts",)))
    assert json.loads(
        json.dumps(
            {
                "settings": dict(result.settings),
                "basics": dict(result.basics),
                "profile": dict(result.profile),
            }
        )
    )
