"""Alerts through real sockets and processes, and what a month's budget comes to."""

import json
import os
import socket
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llmcompat.billing.alerts import Alert, is_webhook, post, run_command, secrets_of
from llmcompat.billing.month import (
    FLOOR,
    PROJECTION,
    Read,
    Spent,
    State,
    month_end,
    projected,
    reached,
    spent_by_reads,
    still_alerted,
    to_tell,
)
from llmcompat.reports.alert import payload
from tests.reporting import HOSTILE
from tests.servers.sink import Reply, sink

SECRET = "T0123456/B0123456/abcdefghijklmnop"
NOW = datetime(2026, 11, 11, tzinfo=UTC)
ALERT = Alert(
    kind="threshold",
    target="chat",
    provider="deepseek",
    model="deepseek-flash",
    text="chat: half of the budget is spent.",
    at="2026-11-11T00:00:00Z",
    month="2026-11",
    threshold=0.5,
    spent_usd=50.0,
    budget_usd=100.0,
)


def test_a_webhook_gets_the_alert_as_json_and_its_answer_is_told() -> None:
    with sink() as server:
        found = post(f"{server.url}/services/{SECRET}", payload(ALERT, "json"))
    assert (found.delivered, found.text) == (True, "status 200: ok")
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("POST", f"/services/{SECRET}")
    assert asked.headers["content-type"] == "application/json"
    assert asked.data["schema"] == "llmcompat.alert/1"
    assert (asked.data["kind"], asked.data["threshold"], asked.data["balance"]) == ("threshold", 0.5, None)


def test_slack_gets_text_that_calls_nobody() -> None:
    hostile = Alert("test", "t", "p", "m", f"<!channel> <@U1> & {HOSTILE}", "2026-11-11T00:00:00Z")
    with sink() as server:
        assert post(server.url, payload(hostile, "slack")).delivered
    told = server.asked[0].data
    assert list(told) == ["text"]
    assert told["text"].startswith("&lt;!channel&gt; &lt;@U1&gt; &amp; ")
    assert not set("<>\x1b\u202e") & set(told["text"])


@pytest.mark.parametrize("status", [300, 302, 400, 404, 410, 500, 503])
def test_whatever_is_no_2xx_did_not_arrive_and_is_not_sent_again(status: int) -> None:
    with sink() as server:
        server.say(Reply(status, b"no_service", {"location": f"{server.url}/elsewhere"}))
        found = post(f"{server.url}/{SECRET}", {"text": "x"})
    assert not found.delivered
    assert found.text == f"status {status}: no_service"
    assert len(server.asked) == 1


def test_nothing_of_the_address_is_told_even_where_it_is_echoed() -> None:
    with sink() as server:
        address = f"{server.url}/services/{SECRET}?token=querysecret99"
        server.say(Reply(404, f"no {address} and {SECRET} \x1b[31m".encode() + b"x" * 100_000))
        found = post(address, {"text": "x"})
    for part in (*SECRET.split("/"), "querysecret99", "\x1b"):
        assert part not in found.text
    assert len(found.text) < 300


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = post(f"http://127.0.0.1:{port}/{SECRET}", {"text": "x"})
    assert (found.delivered, found.text) == (False, "not reachable (ConnectError)")


def test_a_webhook_that_never_answers() -> None:
    silent = threading.Event()
    with sink() as server:
        server.say(Reply(silent=silent))
        found = post(server.url, {"text": "x"}, seconds=0.3)
        silent.set()
    assert (found.delivered, found.text) == (False, "not answered within 0.3 s")


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://hooks.example.com/services/x", True),
        ("http://127.0.0.1:8080/x", True),
        ("http://localhost/x", True),
        ("http://hooks.example.com/x", False),
        ("ftp://example.com/", False),
        ("https://", False),
        ("https://exa mple.com/", False),
        ("https://example.com/\u202e", False),
        ("https://[::1/x", False),
        ("hooks.example.com", False),
        ("", False),
    ],
)
def test_where_alerts_may_go(address: str, allowed: bool) -> None:
    assert is_webhook(address) is allowed
    if not allowed:
        assert not post(address, {}).delivered


def test_every_part_of_an_address_that_opens_something_is_a_secret() -> None:
    found = secrets_of("https://hooks.example.com/services/AAAAAAAA/x?key=BBBBBBBB%2FCC")
    assert {"AAAAAAAA", "BBBBBBBB%2FCC", "BBBBBBBB/CC"} <= found
    assert "x" not in found


def script(folder: Path, text: str) -> list[str]:
    (folder / "notify.py").write_text(text, encoding="utf-8")
    return [sys.executable, "notify.py"]


def environ() -> dict[str, str]:
    return {**os.environ, "LLMCOMPAT_ALERT_KIND": "of somebody else"}


def test_a_command_gets_the_alert_on_its_input_and_in_variables(tmp_path: Path) -> None:
    command = script(
        tmp_path,
        "import json, os, sys\n"
        "own = {k: v for k, v in os.environ.items() if k.startswith('LLMCOMPAT_ALERT_')}\n"
        "json.dump([json.load(sys.stdin), own], open('got.json', 'w'))\n",
    )
    found = run_command(command, ALERT, folder=tmp_path, environ=environ())
    assert (found.delivered, found.text) == (True, "exit status 0")
    told, variables = json.loads((tmp_path / "got.json").read_text(encoding="utf-8"))
    assert told == ALERT.data()
    assert variables["LLMCOMPAT_ALERT_KIND"] == "threshold"
    assert variables["LLMCOMPAT_ALERT_SPENT_USD"] == "50.0"
    assert "LLMCOMPAT_ALERT_BALANCE" not in variables


def test_a_command_that_fails_says_why_without_a_secret(tmp_path: Path) -> None:
    command = script(tmp_path, "import sys\nsys.exit('no: sk-secret-value-1 \\x1b[31m' + 'x' * 9999)\n")
    found = run_command(command, ALERT, folder=tmp_path, environ=environ(), secrets=["sk-secret-value-1"])
    assert not found.delivered
    assert found.text.startswith("exit status 1: no: [key]")
    assert "sk-secret" not in found.text
    assert "\x1b" not in found.text
    assert len(found.text) < 300


def test_a_command_that_does_not_end_or_is_not_there(tmp_path: Path) -> None:
    command = script(tmp_path, "import time\ntime.sleep(60)\n")
    found = run_command(command, ALERT, folder=tmp_path, environ=environ(), seconds=0.5)
    assert (found.delivered, found.text) == (False, "not ended within 0.5 s")
    for missing in ("./no-such-program", "no-such-program-anywhere"):
        found = run_command([missing], ALERT, folder=tmp_path, environ=environ())
        assert not found.delivered
        assert found.text.startswith("not started: ")


def reads(*amounts: float, currency: str = "USD") -> list[Read]:
    start = NOW - timedelta(days=10)
    return [
        Read(at=start + timedelta(days=place), amount=amount, currency=currency)
        for place, amount in enumerate(amounts)
    ]


def test_what_left_the_account_is_counted_and_what_came_in_is_not() -> None:
    found = spent_by_reads(reads(100, 90, 150, 130), rising=False)
    assert found is not None
    assert (found.amount, found.since) == (30, NOW - timedelta(days=10))
    rising = spent_by_reads(reads(5, 8, 12), rising=True)
    assert rising is not None
    assert rising.amount == 7
    assert spent_by_reads(reads(100), rising=False) is None


def test_a_month_is_projected_from_a_day_on() -> None:
    spent = Spent(10, "USD", datetime(2026, 11, 1, tzinfo=UTC), "x")
    assert projected(spent, NOW) == pytest.approx(30)
    assert projected(spent, datetime(2026, 11, 1, 23, tzinfo=UTC)) is None
    assert month_end(datetime(2026, 12, 31, 23, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({"share": 0.49}, []),
        ({"share": 0.5}, ["0.5"]),
        ({"share": 2.0, "projected_share": 5.0}, ["0.5", "1"]),
        ({"share": 0.2, "projected_share": 1.0}, [PROJECTION]),
        ({"share": 0.2, "projected_share": 0.99}, []),
        ({"balance": 4.0, "floor": 5.0}, [FLOOR]),
        ({"balance": 5.0, "floor": 5.0}, []),
        ({"balance": None, "floor": 5.0}, []),
        ({}, []),
    ],
)
def test_what_is_reached(values: dict[str, Any], keys: list[str]) -> None:
    given = {"share": None, "projected_share": None, "balance": None, "floor": None} | values
    assert [each.key for each in reached(alert_at=(1.0, 0.5), **given)] == keys


def test_somebody_is_told_once_of_the_highest() -> None:
    found = reached(share=0.9, projected_share=None, alert_at=(0.5, 0.8, 1.0), balance=1, floor=5)
    assert [each.key for each in to_tell(found, [])] == ["0.8", FLOOR]
    assert [each.key for each in to_tell(found, ["0.5"])] == ["0.8", FLOOR]
    assert to_tell(found, ["0.5", "0.8", FLOOR]) == []
    assert [each.key for each in to_tell(found, ["0.5", "0.8", FLOOR], again=True)] == ["0.8", FLOOR]


def test_what_no_longer_holds_is_told_anew_but_not_what_is_unknown_today() -> None:
    alerted = ["0.5", "0.8", PROJECTION, FLOOR]
    found = reached(share=0.6, projected_share=None, alert_at=(0.5, 0.8), balance=9, floor=5)
    assert still_alerted(found, alerted, share_known=True, balance_known=True) == ["0.5", PROJECTION]
    assert still_alerted([], alerted, share_known=False, balance_known=False) == alerted


def test_a_new_month_begins_anew_with_a_fresh_reading_only() -> None:
    last = Read(at=datetime(2026, 11, 30, 23, tzinfo=UTC), amount=50, currency="USD")
    state = State(month="2026-11", reads=[*reads(100), last], alerted=["0.5"])
    assert state.in_month(NOW) is state
    following = state.in_month(datetime(2026, 12, 1, 1, tzinfo=UTC))
    assert (following.month, following.reads, following.alerted) == ("2026-12", [last], [])
    assert state.in_month(datetime(2026, 12, 20, tzinfo=UTC)).reads == []


def test_another_currency_and_very_many_readings() -> None:
    state = State(month="2026-11", reads=reads(100))
    state.add(Read(at=NOW, amount=700, currency="CNY"))
    assert [each.currency for each in state.reads] == ["CNY"]
    for place in range(2000):
        state.add(Read(at=NOW, amount=700 - place / 10, currency="CNY"))
    assert len(state.reads) <= 1000
    found = spent_by_reads(state.reads, rising=False)
    assert found is not None
    assert found.amount == pytest.approx(199.9)
