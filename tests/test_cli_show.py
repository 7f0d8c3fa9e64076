"""`llmcompat show`, and `check -vv`: a saved run again, and one finding with the exchanges that prove it."""

import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from llmcompat.cli import main
from llmcompat.cli.show import whole
from llmcompat.model import Level, Run, Signature, Status, Target
from llmcompat.reports import FORMATS
from llmcompat.reports.finding import MOST_EXCHANGES, exchange_text, finding_text, findings_text
from llmcompat.reports.json_run import from_json, to_json
from tests.reporting import HOSTILE, exchange, result, rich_run, run, target_run

STREAM = b"".join(
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m1","n":%d}\n\n' % number
    for number in range(101, 121)
)
EVENT = len(STREAM) // 20


class Called:
    """What one call of the command line came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Call = Callable[..., Called]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str) -> Called:
        code = main(arguments)
        return Called(code, *capsys.readouterr())

    return call


def saved(folder: Path, content: Run) -> str:
    path = folder / "saved.json"
    path.write_text(to_json(content), encoding="utf-8")
    return str(path)


def two_targets() -> Run:
    other = target_run(
        result("tool-arguments-string", status=Status.FAIL, seen="other", exchanges=("e1",)),
        target=Target("other", "https://other.test/v1", "m2", role="second"),
    )
    return run(rich_run(), other)


def test_a_saved_run_is_told_again(call: Call, tmp_path: Path) -> None:
    path = saved(tmp_path, run(rich_run()))
    again = from_json(Path(path).read_text(encoding="utf-8"))
    called = call("show", path)
    assert (called.code, called.err) == (0, "")
    assert called.out == whole(again, 0)
    for name in FORMATS:
        called = call("show", path, "--format", name)
        assert (called.code, called.err) == (0, "")
        if name != "table":
            assert called.out.strip() == FORMATS[name](again).strip()


def test_more_is_told_with_v_and_with_vv(call: Call, tmp_path: Path) -> None:
    many = [result(f"passed-{number}", level=Level.SHOULD, notes=(f"note {number}",)) for number in range(9)]
    set_aside = [
        result(f"set-aside-{number}", status=Status.SKIP, reason="--without vision") for number in range(9)
    ]
    failed = result("broken", status=Status.FAIL, exchanges=("e1",))
    path = saved(tmp_path, run(target_run(failed, *many, *set_aside)))
    plain, more, most = (call("show", path, *options).out for options in ((), ("-v",), ("-vv",)))
    assert "note 8" not in plain
    assert "9 notes more with -v" in plain
    assert "set-aside-8" not in plain
    assert "passed-8: note 8" in more
    assert "set-aside-8" in more
    assert "curl " not in plain + more
    assert most.startswith(more)
    assert "Exchanges of broken\n\nExchange e1: hello" in most
    assert "curl -i https://api.example.test/v1/chat/completions" in most


def test_one_finding(call: Call, tmp_path: Path) -> None:
    path = saved(tmp_path, run(rich_run()))
    called = call("show", path, "tool-arguments-string")
    assert (called.code, called.err) == (0, "")
    for said in (
        "example: m1, https://api.example.test/v1",
        "FAIL     tool-arguments-string (case object)  known",
        '  seen      {"city": "Paris"}',
        "  expected  a JSON string",
        "  breaks    openai-python 3.54.0 raises",
        "  known     Arguments are an object. (2026-08-01)",
        "  source    https://docs.example.test/tools",
        "  fix       Call json.loads only on text.",
        "  why       Nothing works without it.",
        "  clients   openai-python 3.54.0 raises, litellm 1.106.2 ok",
        "Exchange e1: hello, 2026-11-01T12:00:00Z",
        "curl -i https://api.example.test/v1/chat/completions \\\n"
        '  -H "authorization: Bearer $LLMCOMPAT_API_KEY" \\',
        """  --data-raw '{"model":"m1"}'""",
        "200 after 0.500 s; headers after 0.250 s, 14 bytes, complete",
        "  Content-Type: application/json",
        '  {\n    "choices": []\n  }\n',
    ):
        assert said in called.out
    # what is said of a failed check is said of any other too
    for check in rich_run().checks:
        assert check.id in call("show", path, check.id).out


def test_who_signed_is_told() -> None:
    signed = result(
        "alerts-set",
        kind="manual",
        status=Status.PASS,
        facts_hash="abc123",
        signature=Signature("alerts-set", "Ada", "2026-11-02", "abc123", note="seen it"),
    )
    text = finding_text(target_run(signed), signed)
    assert "signed  by Ada on 2026-11-02: seen it" in text
    assert "it names no exchange of this run" in text


def test_one_exchange(call: Call, tmp_path: Path) -> None:
    long = json.dumps({"content": "x" * 50_000})
    first = exchange("e1", request_body=long)
    big = result("big", status=Status.FAIL, exchanges=("e1",))
    path = saved(tmp_path, run(target_run(big, exchanges=(first,))))
    whole_command = f"--data-raw '{long}'"
    assert whole_command in call("show", path, "e1").out
    assert "checks  big\n" in call("show", path, "e1").out
    # among other things it is named, and not cut in two
    finding = call("show", path, "big").out
    assert whole_command not in finding
    assert f"llmcompat show {path} e1 prints it" in finding


def test_a_stream_has_a_time_line() -> None:
    arrivals = tuple((EVENT * number, number / 10 + (5 if number > 12 else 0)) for number in range(1, 21))
    answer = exchange(
        headers=(("content-type", "text/event-stream"),), body=STREAM, arrivals=arrivals, seconds=7.5
    )
    text = exchange_text(target_run(exchanges=(answer,)), answer, width=100)
    figures = (
        "20 events; first bytes after 0.100 s; last event after 7.000 s; longest gap 5.100 s, before event"
    )
    assert f"{figures} 13" in " ".join(text.split())
    chunk = '{"id":"chatcmpl-1","object":"chat.completion.chunk","model":"m1","n":101}'
    assert f"    1  0.100 s  {chunk}\n" in text
    # what an event repeats of the one before is left out
    assert re.search(r'^    2  0\.200 s  ….{0,30}"n":102}$', text, re.MULTILINE)
    assert "10 events more" in text
    assert re.search(r"^   20  7\.000 s  ….*120}$", text, re.MULTILINE)
    assert '"n":109}' not in text


def test_answers_that_are_none() -> None:
    for changes, said in (
        (
            {"status": None, "ended": "none", "error": "no byte for 60 s", "body": b"", "headers": ()},
            "no answer after 0.500 s\n  no byte for 60 s\n",
        ),
        ({"body": b""}, "  no body\n"),
        ({"ended": "cut"}, "14 bytes, cut off by the other side"),
        ({"body": b"\n\n {}"}, "  (it begins with 3 characters of white space)\n  {}\n"),
        ({"body": b"<p>\xff" + b"y\n" * 5000}, "  … 5000 lines, 10003 characters in all\n"),
    ):
        answer = exchange(**changes)
        assert said in exchange_text(target_run(exchanges=(answer,)), answer)


def test_several_targets(call: Call, tmp_path: Path) -> None:
    path = saved(tmp_path, two_targets())
    both = call("show", path, "tool-arguments-string").out
    assert both.count("tool-arguments-string (case object)") == 1
    assert "example: m1" in both
    assert "other: m2" in both
    for name in ("other", "m2", "second", "other:m2"):
        called = call("show", path, "tool-arguments-string", "--target", name)
        assert called.code == 0
        assert "example" not in called.out.replace("api.example.test", "")
    assert "https://other.test" in call("show", path, "--target", "other").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tool-arguments-sting"], ["tool-arguments-sting", "did you mean tool-arguments-string"]),
        (["\x1b[31mred"], ["no check of this run"]),
        (["e99"], ["e99: the run has no such exchange; it has 1, from e1"]),
        (["e1"], ["2 targets", "--target", "example:m1, other:m2"]),
        (["--target", "third"], ["--target third: no such target", "example:m1, other:m2"]),
        (["tool-ids", "--format", "json"], ["--format"]),
        (["--format", "jason"], ["--format jason", "json"]),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    call: Call, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    called = call("show", saved(tmp_path, two_targets()), *arguments)
    assert (called.code, called.out) == (2, "")
    assert called.err.startswith("llmcompat: ")
    assert called.err.count("\n") == 1
    assert all(word in called.err for word in words)
    assert "\x1b" not in called.err


def test_a_file_that_is_no_run(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "no-run.json"
    path.write_text('{"schema": "llmcompat.run/1", "runs"', encoding="utf-8")
    for name in (path, tmp_path / "nothing.json"):
        called = call("show", str(name))
        assert called.code == 2
        assert str(name) in called.err
        assert called.err.count("\n") == 1


@pytest.mark.parametrize("color", [False, True])
def test_hostile_text_steers_no_terminal(color: bool) -> None:
    answers = (
        exchange(
            method=HOSTILE,
            url=HOSTILE,
            probe=HOSTILE,
            part=HOSTILE,
            request_headers=((HOSTILE, HOSTILE),),
            request_body=HOSTILE,
            headers=((HOSTILE, HOSTILE), ("content-type", "application/json")),
            body=json.dumps({HOSTILE: [HOSTILE]}).encode(),
            error=HOSTILE,
        ),
        exchange(
            "e2",
            headers=(("content-type", "text/event-stream"),),
            body=f"event: {HOSTILE}\ndata: {HOSTILE}\n\n: {HOSTILE}\n\n".encode(errors="replace"),
        ),
    )
    bad = result(
        "bad",
        status=Status.FAIL,
        seen=HOSTILE,
        why=HOSTILE,
        sources=(HOSTILE, HOSTILE),
        facts={HOSTILE: HOSTILE},
        exchanges=("e1", "e2"),
    )
    one = target_run(bad, exchanges=answers, target=Target(HOSTILE, HOSTILE, HOSTILE), simulated=True)
    text = finding_text(one, bad, color=color) + findings_text(run(one, one), color=color)
    text += "".join(exchange_text(one, each, color=color) for each in answers)
    if color:
        assert "\x1b[" in text
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    unsafe = ("Cc", "Cf", "Cs", "Zl", "Zp")
    assert not [char for char in text if char != "\n" and unicodedata.category(char) in unsafe]


def test_what_failed_is_bounded_for_each_finding() -> None:
    many = tuple(exchange(f"e{number}", body=b"x\n" * 100_000) for number in range(1, 31))
    failed = result("broken", status=Status.FAIL, exchanges=tuple(each.id for each in many))
    text = findings_text(run(target_run(failed, exchanges=many)))
    assert text.count("curl ") == MOST_EXCHANGES
    assert "27 more: e4, e5," in text
    assert len(text) < 30_000
    assert findings_text(run(target_run(result()))) == ""


def test_lines_but_those_of_commands_keep_to_the_width() -> None:
    one = rich_run()
    text = finding_text(one, one.checks[2], width=60)
    command = re.compile(r"^curl .*?\n(?=\n)", re.MULTILINE | re.DOTALL)
    assert max(map(len, command.sub("", text).splitlines())) <= 60


def test_check_tells_the_exchanges_of_what_fails(call: Call) -> None:
    called = call("check", "deepseek", "--simulate", "--only", "developer-message-accepted", "-q", "-vv")
    assert called.code == 1
    assert called.err == ""
    assert "Exchanges of developer-message-accepted" in called.out
    assert "--data-raw '" in called.out
    plain = call("check", "deepseek", "--simulate", "--only", "developer-message-accepted", "-q")
    assert "Exchanges of" not in plain.out


def test_help_groups_commands_and_examples_by_purpose(call: Call) -> None:
    text = call("--help").out
    panels = ("Check", "Decide and document", "Compare and judge again", "Look up", "Test bench")
    places = [text.index(f"─ {panel} ─") for panel in panels]
    assert all(text.index(command) > places[0] for command in (" show ", " diff ", " explain ", " serve "))
    for heading in ("See what it does, without a key", "Check an endpoint", "Look closer", "Compare"):
        assert heading in text
    check = call("check", "--help").out
    assert "Before you spend" in check
    assert "Exit status" in check
