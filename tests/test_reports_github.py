"""Annotations and step summary, read back as a runner and a Markdown parser do; `check` in GitHub Actions."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from llmcompat.cli import main
from llmcompat.cli.github import SUMMARY
from llmcompat.model import Acceptance, Before, Level, Location, Reference, Result, Run, Status, Target
from llmcompat.reports.github import annotations, step_summary
from llmcompat.simulator.server import running
from tests.github_runner import Command, commands
from tests.reporting import HOSTILE, result, rich_run, run, target_run
from tests.test_reports_junit import schema as junit_schema
from tests.test_reports_table import hostile_run

GOLDEN = Path(__file__).parent / "golden"
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
TARGET = Target("example", "https://api.example.test/v1", "m1")
HERE_IT_IS = Location("deploy/llmcompat.yaml", 7)
MOST = 10


def read(made: Run) -> list[Command]:
    """The annotations, each of them on a line of its own."""
    text = annotations(made)
    found = commands(text)
    assert len(found) == len(text.splitlines())
    for kind in ("error", "warning", "notice"):
        assert len([each for each in found if each.name == kind]) <= MOST
    return found


def failed(id: str = "tool-ids", **changes: object) -> Result:
    return result(id, **({"status": Status.FAIL, "seen": "a list", "expected": "text"} | changes))


def told(*checks: Result, **changes: object) -> list[tuple[str, str]]:
    """Kind and title of each annotation."""
    return [(each.name, each.properties["title"]) for each in read(run(target_run(*checks, **changes)))]


NOTICE = ("notice", "example:m1: incompatible (agent)")


def test_the_annotations() -> None:
    text = annotations(run(rich_run(location=HERE_IT_IS)))
    assert text == (GOLDEN / "annotations.txt").read_text(encoding="utf-8")


def test_the_summary() -> None:
    assert step_summary(run(rich_run())) == (GOLDEN / "summary.md").read_text(encoding="utf-8")


def test_an_annotation_stands_where_the_project_file_names_the_target() -> None:
    [found, notice] = read(run(target_run(failed(), location=Location("a, b/100%:x.yaml", 3))))
    assert found.properties == {"file": "a, b/100%:x.yaml", "line": "3", "title": "example:m1: tool-ids"}
    assert notice.properties["line"] == "3"
    assert "file" not in read(run(target_run(failed())))[0].properties


def test_the_message_says_what_was_seen_and_what_to_do() -> None:
    [found, _] = read(run(target_run(failed(case="list"))))
    assert found.data.splitlines() == [
        "A plain chat is answered.",
        "list: seen a list; expected text",
        "fix: Ask the provider.",
    ]


def test_what_counts_is_an_error_and_what_warns_a_warning() -> None:
    unanswered = result("chat", status=Status.ERROR, reason="throttled")
    should = failed("should", level=Level.SHOULD)
    assert told(should, unanswered, failed(), result()) == [
        ("error", "example:m1: tool-ids"),
        ("error", "example:m1: 1 without an answer"),
        ("warning", "example:m1: should"),
        NOTICE,
    ]
    assert told(should, settings={"strict": True})[0] == ("error", "example:m1: should")
    manual = result("told", kind="manual", status=Status.MANUAL, level=Level.SHOULD)
    assert told(manual) == [NOTICE]
    assert told(manual, settings={"require_signoff": True})[0][0] == "error"
    assert told(stopped="the deadline")[0] == ("error", "example:m1: ended early")
    stale = (Acceptance("tool-ids", None, "x"),)
    assert told(stale=stale) == [NOTICE]
    assert told(stale=stale, settings={"fail_on_stale": True})[0] == ("error", "example:m1: tool-ids")


def test_what_does_not_count_is_told_in_the_notice() -> None:
    reference = Reference("source", TARGET, "2026-10-01T12:00:00Z", "0.1.0")
    [notice] = read(
        run(
            target_run(
                failed(before=Before(Status.FAIL, Level.MUST)),
                failed("tool-called", accepted="we know"),
                reference=reference,
                lapsed=("told: the signature by Ada expired",),
            )
        )
    )
    assert notice.data.splitlines() == [
        "1 no worse than the reference, 1 accepted",
        "fails in the reference run too: tool-ids",
        "accepted: tool-called",
        "lapsed: told: the signature by Ada expired",
    ]


def test_a_simulation_says_so_wherever_a_verdict_stands() -> None:
    made = run(target_run(failed(), failed("tool-called"), simulated=True))
    title = "example:m1: incompatible (agent), simulated: documented, not measured"
    assert read(made)[-1].properties["title"] == title
    assert read(made)[-1].data == "2 failures\na simulation of documented behaviour: documented, not measured"
    assert f"### {title}\n" in step_summary(made)


def test_what_has_no_answer_for_one_reason_is_one_annotation() -> None:
    blocked = [result(f"check-{number}", status=Status.ERROR, blocked_by="chat") for number in range(30)]
    [found, _] = read(run(target_run(*blocked)))
    assert found.properties["title"] == "example:m1: 30 without an answer"
    assert found.data.splitlines()[0] == "waits for chat"
    assert found.data.endswith("check-19 and 10 more")


@pytest.mark.parametrize(("number", "shown", "left_out"), [(10, 10, 0), (11, 10, 2), (500, 10, 491)])
def test_no_more_than_github_shows(number: int, shown: int, left_out: int) -> None:
    levels = [(Level.MUST, "error", "errors"), (Level.SHOULD, "warning", "warnings")]
    checks = [failed(f"{level}-{each}", level=level) for level, _, _ in levels for each in range(number)]
    found = read(run(target_run(*checks)))
    for level, kind, plural in levels:
        titles = [each.properties["title"] for each in found if each.name == kind]
        assert len(titles) == shown
        assert titles[0] == f"example:m1: {level}-0"
        assert titles[-1] == (
            f"llmcompat: {left_out} more {plural}" if left_out else f"example:m1: {level}-{number - 1}"
        )


def test_many_targets_stay_within_the_limit() -> None:
    found = read(run(*(target_run(failed(), failed("x", level=Level.SHOULD)) for _ in range(25))))
    assert len(found) == 3 * MOST
    assert found[-1].properties["title"] == "llmcompat: 16 more notices"


def test_hostile_text_is_only_text() -> None:
    found = read(hostile_run())
    assert {each.name for each in found} == {"error", "warning", "notice"}
    assert all(set(each.properties) <= {"file", "line", "title"} for each in found)
    named = read(run(target_run(failed(HOSTILE), target=Target(HOSTILE, HOSTILE, HOSTILE, role=HOSTILE))))
    assert [each.name for each in named] == ["error", "notice"]


def test_texts_are_bounded() -> None:
    long = 1_000_000 * "x"
    many = [
        failed(f"{each}-{long}", seen=long, title=long, fix=long, level=Level.SHOULD) for each in range(30)
    ]
    made = run(target_run(*many, stopped=long, stale=(Acceptance(long, long, long),), lapsed=(long,) * 50))
    assert len(annotations(made)) < 100_000


def tokens_of(made: Run) -> list[Token]:
    tokens = PARSER.parse(step_summary(made))
    return [*tokens, *(child for token in tokens for child in token.children or [])]


def test_the_summary_is_markdown_with_nothing_alive_in_it() -> None:
    kinds = {token.type for token in tokens_of(hostile_run())}
    assert {"table_open", "heading_open"} <= kinds
    assert not [kind for kind in kinds if kind.startswith(("html", "link", "image"))]
    rows = [
        len([token for token in PARSER.parse(table) if token.type == "td_open"]) % 4
        for table in step_summary(hostile_run()).split("\n\n")
        if table.startswith("| ")
    ]
    assert rows == [0, 0]


def test_the_summary_stays_far_below_the_limit() -> None:
    long = 20_000 * "\u4f60"
    checks = [failed(f"check-{each}", seen=long, expected=long, fix=long, title=long) for each in range(400)]
    text = step_summary(run(*(target_run(*checks, open=(long,) * 300, stopped=long) for _ in range(30))))
    assert len(text.encode()) < 250_000
    assert "350 more failed." in text
    assert re.search(r"^\d+ more targets are in the job's log", text, re.MULTILINE)


def test_the_summary_of_nothing() -> None:
    assert step_summary(run()) == "## llmcompat\n\nNothing was run.\n"


# what an endpoint would have to say to be obeyed: in a table of 80 columns the second word begins a line
ATTACK = f"{'x' * 66} ::set-env name=PATH::owned {'y' * 50} ##[add-mask]compatible"

CHECKS = f'''
"""Obeyed: whether what an endpoint says is obeyed."""

from llmcompat import Reply, check, fail


@check("obeyed-attack", fix="none")
def obeyed_attack(hello: Reply) -> None:
    """What it says is not obeyed.

    Never.
    """
    fail({ATTACK!r}, expected="::error::nothing")
'''

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("obeyed")
    (folder / "github_obeyed.py").write_text(CHECKS, encoding="utf-8")
    return str(folder)


@pytest.fixture
def attacked(folder: str, capsys: pytest.CaptureFixture[str]) -> Call:
    """`check demo` with the check above: status, standard output, standard error."""

    def attacked(*arguments: str) -> tuple[int, str, str]:
        code = main(("check", "demo", "--checks", folder, "--only", "obeyed-attack", *arguments))
        return code, *capsys.readouterr()

    return attacked


@pytest.fixture
def actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


def test_the_attack_would_work(attacked: Call) -> None:
    # else the tests below could not fail
    _, out, _ = attacked()
    assert [each.name for each in commands(out)] == ["set-env", "add-mask"]


@pytest.mark.usefixtures("actions")
def test_in_actions_annotations_stand_after_the_table(attacked: Call) -> None:
    code, out, _ = attacked()
    assert code == 1
    first, *_ = out.splitlines()
    word = first.removeprefix("::stop-commands::")
    assert len(word) == 32
    table, after = out.split(f"::{word}::\n")
    assert "The guide's seven lines" in table
    assert "::set-env name=PATH::owned" in " ".join(table.split())
    assert [(each.name, each.properties["title"]) for each in commands(out)] == [
        ("error", "demo:demo-chat: obeyed-attack"),
        ("notice", "demo:demo-chat: incompatible (agent)"),
    ]
    assert commands(after) == commands(out)
    assert attacked()[1].splitlines()[0] != first


@pytest.mark.usefixtures("actions")
@pytest.mark.parametrize("format", ["table", "json", "markdown", "junit", "sarif"])
def test_a_format_that_was_asked_for_gets_nothing_beside_it(attacked: Call, format: str) -> None:
    _, out, _ = attacked("--format", format)
    assert commands(out) == []
    assert "stop-commands" not in out
    if format in ("json", "sarif"):
        json.loads(out)
    if format == "json":
        assert json.loads(out)["runs"][0]["checks"][0]["seen"] == ATTACK
    if format == "junit":
        junit_schema().validate(out)


@pytest.mark.parametrize("within", ["true", ""])
def test_the_format_github_is_annotations_alone(
    attacked: Call, monkeypatch: pytest.MonkeyPatch, within: str
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", within)
    _, out, _ = attacked("--format", "github")
    assert [each.name for each in commands(out)] == ["error", "notice"]
    assert len(out.splitlines()) == 2


@pytest.mark.usefixtures("actions")
def test_what_is_said_of_a_run_is_not_obeyed(attacked: Call) -> None:
    code, _, err = attacked("--export", "##[error]owned/run.json")
    assert code == 1
    assert "not written" in err
    assert commands(err) == []


def test_elsewhere_nothing_changes(attacked: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv(SUMMARY, "")
    _, out, _ = attacked()
    assert "stop-commands" not in out
    assert "::error" not in [line[:7] for line in out.splitlines()]


@pytest.mark.parametrize("format", [None, "json", "github"])
def test_the_summary_is_appended(
    attacked: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, format: str | None
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# Before: ä\n", encoding="utf-8")
    monkeypatch.setenv(SUMMARY, str(summary))
    code, out, _ = attacked(*(("--format", format) if format else ()))
    assert code == 1
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("# Before: ä\n## llmcompat\n\n### demo:demo-chat: incompatible (agent)\n")
    assert "obeyed-attack" in text
    assert "## llmcompat" not in out


def test_a_summary_that_cannot_be_written_is_one_line(
    attacked: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(SUMMARY, str(tmp_path))
    code, out, err = attacked("-q")
    assert code == 1, "what was found counts for more"
    assert out
    assert err.startswith(f"llmcompat: {SUMMARY} ")
    assert "not written" in err
    assert err.count("\n") == 1
    assert main(("check", "demo", "--only", "chat-accepted", "-q")) == 4
    assert "not written" in capsys.readouterr().err


@pytest.mark.slow
def test_a_faulty_endpoint_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = tmp_path / "summary.md"
    for name, value in (("CI", "true"), ("GITHUB_ACTIONS", "true"), (SUMMARY, str(summary))):
        monkeypatch.setenv(name, value)
    with running(faults=["tool-arguments-object"]) as simulator:
        arguments = ["check", "--base-url", simulator.base_url, "--model", "demo-chat", "--only", "tools"]
        exports = ["--export", "run.xml", "--export", "run.sarif", "--export", "github:run.txt"]
        done = subprocess.run(
            [sys.executable, "-m", "llmcompat", *arguments, *exports],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    assert done.returncode == 1, done.stderr
    errors = [each for each in commands(done.stdout) if each.name == "error"]
    assert any("tool-arguments-string" in each.properties["title"] for each in errors)
    assert commands(done.stderr) == []
    assert "tool-arguments-string" in summary.read_text(encoding="utf-8")
    assert commands((tmp_path / "run.txt").read_text(encoding="utf-8")) == commands(done.stdout)
    junit_schema().validate(tmp_path / "run.xml")
    results = json.loads((tmp_path / "run.sarif").read_text(encoding="utf-8"))["runs"][0]["results"]
    assert "tool-arguments-string" in {each["ruleId"] for each in results}
