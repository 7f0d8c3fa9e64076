"""`llmcompat sign`, and what a run makes of signatures: real files, the real command line, the simulator."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmcompat.cli import days, main
from llmcompat.project.signatures import FILE_NAME

MANUAL = 12


class Called:
    """What one call of the command line came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Call = Callable[..., Called]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Called:
        code = main(arguments)
        return Called(code, *capsys.readouterr())

    return call


def run(call: Call, *arguments: str) -> dict[str, Any]:
    called = call("check", *arguments, "-q", "--format", "json")
    document: dict[str, Any] = json.loads(called.out)["runs"][0]
    assert called.code == document["exit_code"]
    return document


def manual(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in document["checks"] if each["kind"] == "manual"}


def test_a_signature_is_written_with_the_facts_and_shown(call: Call, tmp_path: Path) -> None:
    given = ("--by", " Ada  Lovelace ", "--note", "contract 17", "--expires", "2999-05-01")
    called = call("sign", "deepseek", "data-retention", "billing", *given)
    assert (called.code, called.err) == (0, "")
    assert "retention: as long as the account exists" in called.out
    assert "as of 2026-02-10" in called.out
    entries = yaml.safe_load((tmp_path / FILE_NAME).read_text(encoding="utf-8"))["signatures"]
    assert [entry["check"] for entry in entries] == ["alert-address-set", "data-retention", "spend-limit-set"]
    entry = entries[1]
    assert entry["target"] == {
        "provider": "deepseek", "base_url": "https://api.deepseek.com", "model": "deepseek-flash"
    }  # fmt: skip
    assert (entry["by"], entry["note"]) == ("Ada Lovelace", "contract 17")
    assert str(entry["expires"]) == "2999-05-01"
    assert entry["signed"] == days.today()
    assert entry["facts"].startswith("1:")
    assert any(fact.startswith("retention: ") for fact in entry["seen"])


def test_list_shows_signed_unsigned_and_lapsed(call: Call, tmp_path: Path) -> None:
    call("sign", "deepseek", "data-policy", "--by", "Ada")
    call("sign", "groq", "legal-terms", "--by", "Ada")
    path = tmp_path / FILE_NAME
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    entries["signatures"][0]["facts"] = "1:0000000000"
    path.write_text(yaml.safe_dump(entries), encoding="utf-8")
    before = path.read_bytes()
    called = call("sign", "deepseek", "--list")
    assert called.code == 0
    assert f"5 signed, 1 lapsed, {MANUAL - 6} unsigned" in called.out
    assert "the facts have changed since Ada signed on" in called.out
    assert "1 more in the file, of other targets" in called.out
    other = call("sign", "deepseek:deepseek-v4-pro", "--list")
    assert f"0 signed, 0 lapsed, {MANUAL} unsigned" in other.out
    assert path.read_bytes() == before


def test_a_signature_is_renewed_and_withdrawn(call: Call, tmp_path: Path) -> None:
    call("sign", "deepseek", "legal-terms", "data-region", "--by", "Ada")
    assert "signed before: by Ada" in call("sign", "deepseek", "legal-terms", "--by", "Bob").out
    text = (tmp_path / FILE_NAME).read_text(encoding="utf-8")
    assert [entry["by"] for entry in yaml.safe_load(text)["signatures"]] == ["Ada", "Bob"]
    assert call("sign", "deepseek", "legal-terms", "--withdraw").code == 0
    text = (tmp_path / FILE_NAME).read_text(encoding="utf-8")
    assert [entry["check"] for entry in yaml.safe_load(text)["signatures"]] == ["data-region"]
    again = call("sign", "deepseek", "legal-terms", "--withdraw")
    assert again.code == 2
    assert "holds no signature of legal-terms" in again.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("data-retention",), "--by: say who decides"),
        (("data-retention", "--by", "  "), "--by: say who decides"),
        (("--by", "Ada"), "no ITEM to sign"),
        (
            ("data-retenton", "--by", "Ada"),
            "data-retenton: no such manual line or item; did you mean data-ret",
        ),
        (("chat-accepted", "--by", "Ada"), "chat-accepted: is judged by a run"),
        (("tools", "--by", "Ada"), "tools: has no line that a person signs"),
        (("legal-terms", "--by", "Ada", "--expires", "2020-01-01"), "--expires 2020-01-01: is past"),
        (("legal-terms", "--by", "Ada", "--expires", "2027-02-30"), "must be a date such as"),
        (("legal-terms", "--by", "Ada", "--expires", "20270501"), "must be a date such as"),
        (("legal-terms", "--by", "A\x1b[31m"), "--by: must be printable text"),
        (
            ("legal-terms", "--by", "Ada", "--note", "x" * 1001),
            "--note: must be printable text of at most 1000",
        ),
        (("legal-terms", "--list", "--by", "Ada"), "--by: goes with a signature"),
        (("legal-terms", "--by", "Ada", "--signoff", "none/s.yaml"), "there is no folder"),
    ],
)
def test_what_cannot_be_signed_is_one_line(
    call: Call, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    called = call("sign", "deepseek", *arguments)
    assert called.code == 2
    assert called.out == ""
    assert says in called.err
    assert called.err.startswith("llmcompat: ")
    assert called.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_used_is_one_line_and_stays(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / FILE_NAME
    path.write_text("signatures:\n- target: {provider: x", encoding="utf-8")
    for arguments in (("sign", "deepseek", "legal-terms", "--by", "Ada"), ("check", "demo", "--quick")):
        called = call(*arguments)
        assert called.code == 2
        assert FILE_NAME in called.err
        assert called.err.count("\n") == 1
    path.write_text("signatures: []\n", encoding="utf-8")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    called = call("sign", "deepseek", "legal-terms", "--by", "Ada")
    assert called.code == 2
    assert "not written: it is read-only" in called.err
    assert path.read_text(encoding="utf-8") == "signatures: []\n"


def test_a_run_refuses_a_signature_of_an_unknown_line(call: Call, tmp_path: Path) -> None:
    call("sign", "demo", "legal-terms", "--by", "Ada")
    path = tmp_path / FILE_NAME
    path.write_text(path.read_text(encoding="utf-8").replace("legal-terms", "legal-term"), encoding="utf-8")
    called = call("check", "demo", "--quick")
    assert called.code == 2
    assert f"{FILE_NAME}:8: signatures.0.check: legal-term is not a line that a person signs" in called.err


def test_a_run_needs_every_signature_that_is_asked_for(call: Call) -> None:
    given = ("demo", "--only", "chat-accepted,data-policy", "--require-signoff")
    unsigned = run(call, *given)
    assert unsigned["exit_code"] == 3
    reasons = {each["reason"] for each in manual(unsigned).values()}
    assert 'not signed: llmcompat sign TARGET legal-terms --by "…"' in reasons
    assert call("sign", "demo", "data-policy", "--by", "Ada").code == 0
    signed = run(call, *given)
    assert signed["exit_code"] == 0
    assert {each["status"] for each in manual(signed).values()} == {"pass"}
    assert {each["signature"]["by"] for each in manual(signed).values()} == {"Ada"}
    assert run(call, "demo", "--only", "data-policy")["exit_code"] == 2


def test_a_signature_lapses_when_the_facts_change(call: Call, tmp_path: Path) -> None:
    call("sign", "demo", "billing", "--by", "Ada", "--monthly-usd", "100")
    given = ("demo", "--only", "chat-accepted,spend-limit-set", "--require-signoff", "--monthly-usd")
    assert run(call, *given, "100")["exit_code"] == 0
    lapsed = run(call, *given, "200")
    assert lapsed["exit_code"] == 3
    (said,) = lapsed["lapsed"]
    assert said.startswith("spend-limit-set: the facts have changed since Ada signed on ")
    assert manual(lapsed)["spend-limit-set"]["signature"] is None


def test_a_rehearsal_shows_the_signatures_of_the_provider(call: Call) -> None:
    lines = ("data-policy", "lock-in", "billing", "safety")
    assert call("sign", "deepseek", *lines, "--by", "Ada").code == 0
    only = ("--only", "chat-accepted,data-*,lock-in,*-set,moderation-assumptions,legal-terms,security-*")
    played = run(call, "deepseek", "--simulate", *only, "--require-signoff")
    assert played["exit_code"] == 0
    assert len(manual(played)) == MANUAL
    assert played["lapsed"] == []


def test_the_project_file_names_role_and_file(call: Call, tmp_path: Path) -> None:
    text = "targets: {main: demo}\nsignoff: docs/decided.yaml\nrequire_signoff: true\n"
    (tmp_path / "llmcompat.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "docs").mkdir()
    only = ("main", "--only", "chat-accepted,legal-terms")
    unsigned = run(call, *only)
    assert manual(unsigned)["legal-terms"]["reason"] == 'not signed: llmcompat sign main legal-terms --by "…"'
    assert call("sign", "main", "legal-terms", "--by", "Ada").code == 0
    assert (tmp_path / "docs" / "decided.yaml").is_file()
    assert run(call, *only)["exit_code"] == 0
