"""`llmcompat billing`: what is read, what is judged, who is told, and what the process ends with."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llmcompat.billing.balance import balance_told, can_be_read
from llmcompat.cli import main
from llmcompat.cli.layers import open_project
from llmcompat.cli.target import Options
from llmcompat.cli.watching import Look, ready, watch
from llmcompat.engine.loader import load_checklist
from llmcompat.profiles import Profile, load_profile
from llmcompat.profiles.schema import Balance
from llmcompat.reports.json_run import from_json
from llmcompat.simulator.personas import persona
from llmcompat.simulator.server import running
from tests.servers.sink import Reply, Sink, sink

KEY = "sk-test-key-0123456789"
SECRET = "B0123456abcdef"


class Called:
    """What one call came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def data(self) -> Any:
        """The first target of the JSON that was written."""
        return json.loads(self.out)["targets"][0]


@pytest.fixture
def server() -> Iterator[Sink]:
    """A provider, and a webhook at /hook."""
    with sink() as found:
        yield found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, with a state of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMCOMPAT_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("LLMCOMPAT_API_KEY", KEY)
    return tmp_path


Call = Any


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str) -> Called:
        return Called(main(["billing", *arguments]), *capsys.readouterr())

    return call


def project(
    folder: Path,
    server: Sink,
    *,
    name: str = "own",
    budgets: str = "{monthly_usd: 100}",
    floor: str = "",
    more: str = "",
) -> None:
    """A provider of one's own whose balance is told at /v1/credit, and a project file that uses it."""
    (folder / "own.yaml").write_text(
        f"name: {name}\nkind: server\nbase_url: {server.url}/v1\nmodels: {{default: {{value: m}}}}\n"
        "balance: {path: /credit, pointer: /left, unit_pointer: /currency, kind: balance}\n",
        encoding="utf-8",
    )
    (folder / "llmcompat.yaml").write_text(
        f"targets:\n  chat: {{provider: own.yaml, model: m{floor}}}\nbudgets: {budgets}\n{more}",
        encoding="utf-8",
    )


def holds(server: Sink, amount: Any, currency: str = "USD", *, hook: Reply | None = None) -> None:
    """From now on the account holds this, and the webhook answers so."""
    credit = Reply(body=json.dumps({"left": amount, "currency": currency}).encode())
    server.reply = lambda path: (hook or Reply()) if path.startswith("/hook") else credit


def hooked(server: Sink) -> list[Any]:
    """What the webhook was sent."""
    return [each.data for each in server.asked if each.path.startswith("/hook")]


ALERT = "{monthly_usd: 100, alert: {webhook: 'env:ALERT_URL', format: slack}}"


@pytest.fixture
def address(server: Sink, monkeypatch: pytest.MonkeyPatch) -> str:
    """The webhook's address, in its variable."""
    found = f"{server.url}/hook/{SECRET}"
    monkeypatch.setenv("ALERT_URL", found)
    return found


def test_the_balance_falls_and_each_threshold_is_told_once(
    here: Path, server: Sink, call: Call, address: str
) -> None:
    project(here, server, budgets=ALERT)
    holds(server, 100)
    first = call("check")
    assert (first.code, hooked(server)) == (0, [])
    assert "this is the month's first reading" in " ".join(first.out.split())
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    holds(server, "45.5")
    second = call("check", "--format", "json")
    assert second.code == 1
    assert second.data["judged"]["amount"] == 54.5
    assert [each["key"] for each in second.data["reached"]] == ["0.5"]
    assert len(hooked(server)) == 1
    assert "threshold of 50% of the budget is reached" in hooked(server)[0]["text"]
    again = call("check")
    assert (again.code, len(hooked(server))) == (1, 1)
    assert "told already this month" in again.out
    assert call("check", "--again").code == 1
    assert len(hooked(server)) == 2
    # two thresholds at once are one message, of the higher one
    holds(server, -10)
    assert call("check").code == 1
    assert "100%" in hooked(server)[-1]["text"]
    assert len(hooked(server)) == 3
    assert call("check").code == 1
    assert len(hooked(server)) == 3
    assert SECRET not in first.out + second.out + again.out + again.err


def test_what_is_not_delivered_is_tried_again(here: Path, server: Sink, call: Call, address: str) -> None:
    project(here, server, budgets=ALERT)
    holds(server, 100)
    call("check")
    holds(server, 10, hook=Reply(404, f"no {SECRET} here".encode()))
    failed = call("check")
    assert failed.code == 4
    assert "NOT delivered, status 404" in " ".join(failed.out.split())
    assert SECRET not in failed.out
    holds(server, 10)
    assert call("check").code == 1
    assert len(hooked(server)) == 2
    assert call("check").code == 1
    assert len(hooked(server)) == 2


def test_the_webhooks_variable_is_not_set(here: Path, server: Sink, call: Call) -> None:
    project(here, server, budgets=ALERT)
    holds(server, 100)
    call("check")
    holds(server, 10)
    found = call("check")
    assert found.code == 4
    assert "ALERT_URL: no such variable is set" in " ".join(found.out.split())
    assert hooked(server) == []


def test_nobody_to_tell_is_said(here: Path, server: Sink, call: Call) -> None:
    project(here, server)
    holds(server, 100)
    call("check")
    holds(server, 10)
    found = call("check")
    assert found.code == 1
    assert "nobody is told: no alert is set up" in " ".join(found.out.split())


def test_a_floor_in_the_accounts_own_currency(here: Path, server: Sink, call: Call, address: str) -> None:
    project(here, server, budgets=ALERT, floor=", balance_floor: 20")
    holds(server, 21, "CNY")
    found = call("check", "--format", "json")
    assert (found.code, found.data["reached"]) == (0, [])
    assert "is not held against a budget in USD" in " ".join(found.data["remarks"])
    holds(server, 19, "CNY")
    assert call("check").code == 1
    assert "Balance: 19 CNY (floor: 20)" in hooked(server)[0]["text"]
    # paid in and low again: that is told anew
    holds(server, 30, "CNY")
    assert call("check").code == 0
    holds(server, 5, "CNY")
    assert call("check").code == 1
    assert len(hooked(server)) == 2


def test_another_currency_and_a_budget_alone_is_no_answer(here: Path, server: Sink, call: Call) -> None:
    project(here, server)
    holds(server, 100, "CNY")
    found = call("check")
    assert found.code == 3
    assert "nothing could be held against a threshold" in found.out


def test_a_month_that_will_end_above_the_budget(here: Path, server: Sink, address: str) -> None:
    project(here, server, budgets="{monthly_usd: 100, alert: {webhook: 'env:ALERT_URL'}}")
    found = open_project(None, without=False)
    planned, unread = ready("chat", Options(), os.environ, found, usage=False)
    look = Look(planned, unread, (), datetime(2026, 11, 10, tzinfo=UTC), os.environ, here)
    holds(server, 100)
    assert watch(look).reached == ()
    holds(server, 80)
    later = watch(replace(look, now=datetime(2026, 11, 12, tzinfo=UTC)))
    assert later.projected_usd == pytest.approx(20 + 10 * 19)
    assert [each.key for each in later.reached] == ["projection"]
    told = hooked(server)
    assert [each["kind"] for each in told] == ["projection"]
    assert (told[0]["spent_usd"], told[0]["projected_usd"]) == (pytest.approx(20), pytest.approx(210))
    # the next month knows nothing of it, and begins with this reading
    following = watch(replace(look, now=datetime(2026, 12, 20, tzinfo=UTC)))
    assert (following.month, following.reached) == ("2026-12", ())


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(401, b'{"error": "no sk-test-key-0123456789"}'), "status 401"),
        (Reply(200, b"<html>"), "no JSON"),
        (Reply(200, b'{"left": "much"}'), "no number at /left"),
        (Reply(200, b'{"left": 1e999}'), "no number at /left"),
        (Reply(302, b"", {"location": "https://elsewhere.example.com/"}), "status 302"),
    ],
)
def test_what_cannot_be_read_is_no_answer(
    here: Path, server: Sink, call: Call, reply: Reply, told: str
) -> None:
    project(here, server)
    server.say(reply)
    found = call("check")
    assert found.code == 3
    assert told in " ".join(found.out.split())
    assert KEY not in found.out + found.err


def test_what_was_remembered_is_damaged(here: Path, server: Sink, call: Call) -> None:
    project(here, server)
    holds(server, 100)
    call("check")
    next((here / "state" / "billing").iterdir()).write_text("{", encoding="utf-8")
    found = call("check")
    assert found.code == 0
    assert "is damaged and begins anew" in " ".join(found.out.split())


def answer(prompt: int, completion: int, at: datetime | None, **more: Any) -> str:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, **more}
    body = {"model": "m", "usage": usage}
    extra = {"started_at": at.isoformat()} if at else {}
    return json.dumps(
        {"custom_id": f"c{prompt}", "response": {"status_code": 200, "body": body}, "llmcompat": extra}
    )


def test_usage_files_where_no_balance_is_told(here: Path, server: Sink, call: Call, address: str) -> None:
    now = datetime.now(UTC)
    (here / "llmcompat.yaml").write_text(
        "targets: {chat: groq}\nbudgets: {monthly_usd: 10, alert: {webhook: 'env:ALERT_URL'}}\n"
        "prices: {groq: {input: 1, output: 2}}\n",
        encoding="utf-8",
    )
    (here / "log.jsonl").write_text(
        "\n".join(
            [
                answer(2_000_000, 500_000, now, cost=2.0),
                answer(1_000_000, 500_000, None),
                answer(9_000_000, 0, now - timedelta(days=40)),
                json.dumps({"custom_id": "x", "response": {"status_code": 200, "body": {}}}),
                json.dumps({"custom_id": "y", "response": {"status_code": 429, "body": {}}}),
                "no json",
            ]
        ),
        encoding="utf-8",
    )
    found = call("check", "--usage", "log.jsonl", "--format", "json")
    assert found.code == 1
    assert found.data["judged"]["amount"] == pytest.approx(5.0)
    told = " ".join(found.data["remarks"])
    assert "2 calls this month, 3,000,000 prompt tokens" in told
    assert "1 calls say no time" in told
    assert "1 calls are of other months" in told
    assert "1 calls are answers without a usage" in told
    assert "the answers state 2.00 USD; by their tokens and list prices it is 3.00 USD: more than 10%" in told
    assert hooked(server)[0]["spent_usd"] == pytest.approx(5.0)
    assert hooked(server)[0]["threshold"] == 0.5
    without = call("check")
    assert without.code == 3
    assert "no address is known" in " ".join(without.out.split())


def test_a_saved_run_counts_for_its_own_model(
    here: Path, call: Call, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["check", "demo", "--only", "usage-present", "--export", "run.json"])
    capsys.readouterr()
    (here / "llmcompat.yaml").write_text(
        "targets: {chat: demo}\nbudgets: {monthly_usd: 10}\nprices: {demo: {input: 1, output: 2}}\n",
        encoding="utf-8",
    )
    found = call("check", "--usage", "run.json", "--format", "json")
    assert found.code == 0
    assert found.data["judged"]["source"] == "usage at list prices"
    assert found.data["judged"]["amount"] > 0
    other = call("check", "demo:other", "--usage", "run.json", "--format", "json")
    assert "no call of this month is in them" in " ".join(other.data["remarks"])


def test_what_providers_tell_as_the_simulator_plays_them(here: Path, call: Call) -> None:
    for name, currency, amount in (
        ("deepseek", "CNY", 110),
        ("deepinfra", "", 10),
        ("openrouter", "USD", 74.5),
    ):
        profile = load_profile(name)
        assert profile.balance is not None
        with running(pages=persona(profile).pages, api_key=KEY) as server:
            home = profile.balance.path is not None
            root = server.base_url.removesuffix("/v1")
            known = profile.balance.model_dump(mode="json", exclude_none=True)
            if not home:
                known["url"] = root + known["url"].partition("api.deepinfra.com")[2]
            document = {"name": name, "kind": "server", "base_url": server.base_url, "balance": known}
            (here / "p.yaml").write_text(json.dumps(document), encoding="utf-8")
            found = call("check", "p.yaml:m", "--no-project", "--balance-floor", "1", "--format", "json")
        assert found.code == 0, found.out + found.err
        assert (found.data["reading"]["currency"], found.data["reading"]["amount"]) == (currency, amount)


def test_openrouter_tells_the_month_and_a_key_without_a_limit(here: Path, server: Sink, call: Call) -> None:
    known = {"path": "/key", "pointer": "/data/limit_remaining", "unit": "USD", "kind": "limit_remaining"}
    document = {"name": "openrouter", "kind": "server", "base_url": f"{server.url}/v1", "balance": known}
    (here / "p.yaml").write_text(json.dumps(document), encoding="utf-8")
    server.say(Reply(body=b'{"data": {"limit_remaining": null, "usage_monthly": 60}}'))
    found = call("check", "p.yaml:m", "--no-project", "--monthly-usd", "100", "--format", "json")
    assert found.code == 1
    assert found.data["judged"] | {"since": ""} == {
        "amount": 60.0,
        "currency": "USD",
        "since": "",
        "source": "the provider's own figure",
    }


def test_fireworks_tells_what_was_spent(here: Path, server: Sink, call: Call) -> None:
    document = {"name": "fireworks", "kind": "server", "base_url": f"{server.url}/inference/v1"}
    (here / "p.yaml").write_text(json.dumps(document), encoding="utf-8")
    items = [
        {"totalCost": {"currencyCode": "USD", "units": units, "nanos": 500_000_000}} for units in ("3", 4)
    ]
    pages = {
        "/v1/accounts": {"accounts": [{"name": "accounts/shop"}]},
        "/v1/accounts/shop": {"lineItems": items},
    }

    def reply(path: str) -> Reply:
        page = pages.get(path.partition("?")[0].removesuffix("/billing/summary"))
        return Reply(body=json.dumps(page).encode()) if page else Reply(404)

    server.reply = reply
    found = call("check", "p.yaml:m", "--no-project", "--monthly-usd", "100", "--format", "json")
    assert found.code == 0, found.out
    assert found.data["reading"]["kind"] == "month"
    assert found.data["judged"]["amount"] == 8.0
    assert "startTime=" in server.asked[1].path


def test_a_key_goes_to_its_own_origin_only(
    here: Path, server: Sink, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-deepseek-own-0123456789")
    found = call(
        "check", "deepseek", "--base-url", f"{server.url}/v1", "--no-project", "--balance-floor", "1"
    )
    assert found.code == 3
    assert server.asked == []


def test_moonshot_is_known_by_its_host() -> None:
    profile = Profile(name="x", base_url="https://api.moonshot.ai/v1")
    assert can_be_read(profile, "https://api.moonshot.ai/v1")
    assert not can_be_read(profile, "https://api.example.com/v1")


def test_what_is_told_of_a_balance() -> None:
    known = Balance(path="/b", pointer="/a/0/b~1c", unit="USD", kind="balance", factor=-1)
    assert balance_told(known, {"a": [{"b/c": "-5.5"}]}).amount == 5.5
    odds: list[Any] = [None, [], {"a": []}, *({"a": [{"b/c": value}]} for value in (True, "x", 1e300))]
    for odd in odds:
        assert balance_told(known, odd).amount is None
    named = known.model_copy(update={"unit_pointer": "/u"})
    assert balance_told(named, {"u": "US\x1bD" + "x" * 99}).currency == "US D" + "x" * 7 + "…"


@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        ("targets: [demo]\n", ("check",), "no budget and no floor"),
        ("targets: [demo]\nbudgets: {monthly_usd: 1}\n", ("check", "--usage", "no.jsonl"), "no.jsonl"),
        (
            "targets: [demo, groq]\nbudgets: {monthly_usd: 1}\n",
            ("check", "--usage", "x"),
            "name the one TARGET",
        ),
        ("targets: [demo]\n", ("test-alert",), "no alert is set up"),
        ("targets: [demo]\nbudgets: {alert: {format: slack}}\n", ("check",), "needs webhook or command"),
        (
            "targets: [demo]\nbudgets: {alert: {webhook: 'http://x.example.com/secretsecret'}}\n",
            ("test-alert",),
            "llmcompat.yaml:2: budgets.alert.webhook: must be env:NAME",
        ),
        ("targets: [demo]\nbudgets: {alert_at: [0]}\n", ("check",), "budgets.alert_at"),
        ("targets: [demo]\nbudgets: {alert: {command: []}}\n", ("check",), "budgets.alert.command"),
        (
            "targets: [demo]\nprices: {nobody: {input: 1, output: 1}}\n",
            ("check",),
            "no provider is named nobody",
        ),
        ("targets: [demo]\nprices: {demo: {input: 1}}\n", ("check",), "prices.demo.output: is missing"),
        ("targets: [deepseek]\nbudgets: {monthly_usd: 1}\n", ("check",), "DEEPSEEK_API_KEY"),
    ],
)
def test_what_is_wrong_is_one_line(
    here: Path, call: Call, text: str, arguments: tuple[str, ...], told: str
) -> None:
    (here / "llmcompat.yaml").write_text(text, encoding="utf-8")
    found = call(*arguments)
    assert (found.code, found.out, found.err.count("\n")) == (2, "", 1)
    assert told in found.err
    assert "secretsecret" not in found.err


def test_an_alert_is_proven_and_kept(here: Path, server: Sink, call: Call, address: str) -> None:
    project(here, server, budgets=ALERT)
    found = call("test-alert", "--export", "run.json", "--export", "run.md")
    assert found.code == 0
    assert "chat: webhook (env:ALERT_URL): delivered, status 200: ok" in found.out
    assert "this is a test of the billing alert" in hooked(server)[0]["text"]
    assert [each.path for each in server.asked] == [f"/hook/{SECRET}"]
    saved = (here / "run.json").read_text(encoding="utf-8")
    assert SECRET not in saved + found.out
    run = from_json(saved).runs[0]
    result = run.checks[0]
    assert (result.id, result.item, result.side, result.status.value) == (
        "your-alert-arrives",
        "billing",
        "yours",
        "pass",
    )
    assert set(run.verdicts.values()) == {"no-answer"}
    assert run.target.role == "chat"
    assert result.item in [item.name for item in load_checklist().items]


def test_an_alert_that_does_not_arrive(here: Path, server: Sink, call: Call, address: str) -> None:
    project(here, server, budgets=ALERT)
    server.say(Reply(410, b"channel_is_archived"))
    found = call("test-alert", "--export", "run.json")
    assert found.code == 4
    assert "NOT delivered, status 410: channel_is_archived" in found.out
    assert len(server.asked) == 1
    run = from_json((here / "run.json").read_text(encoding="utf-8")).runs[0]
    assert (run.exit_code, run.checks[0].case) == (1, "alert-not-delivered")


def test_targets_that_share_a_way_try_it_once_and_a_command_runs_in_the_files_folder(
    here: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "sub").mkdir()
    (here / "got.py").write_text(
        "import sys\nopen('got.json', 'a').write(sys.stdin.read() + '\\n')\n", encoding="utf-8"
    )
    command = json.dumps([sys.executable, "got.py"])
    (here / "llmcompat.yaml").write_text(
        f"targets: {{a: demo, b: groq}}\nbudgets: {{alert: {{command: {command}}}}}\n", encoding="utf-8"
    )
    monkeypatch.chdir(here / "sub")
    found = call("test-alert")
    assert found.code == 0
    told = [json.loads(line) for line in (here / "got.json").read_text(encoding="utf-8").splitlines()]
    assert [each["kind"] for each in told] == ["test"]


def test_config_shows_who_is_told_and_never_where(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_URL", f"https://hooks.example.com/{SECRET}")
    text = (
        "targets: {{chat: groq}}\nbudgets: {{alert_at: [0.9], alert: {{webhook: '{}', command: [./page]}}}}\n"
        "prices: {{groq: {{input: 1, output: 2, as_of: 2026-11-01}}}}\n"
    )
    for webhook, shown in (
        ("env:ALERT_URL", "env:ALERT_URL (set)"),
        (f"https://h.example.com/{SECRET}", "not shown"),
    ):
        (here / "llmcompat.yaml").write_text(text.format(webhook), encoding="utf-8")
        assert main(["config"]) == 0
        out = capsys.readouterr().out
        assert shown in out
        assert SECRET not in out
        assert "[0.9]" in out
        assert "./page" in out
        assert "1 in, 2 out; USD per million tokens" in out
        assert "llmcompat.yaml:3" in out
