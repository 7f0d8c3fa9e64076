"""The command line: exit statuses, what goes to which stream, and that nothing ever ends in a traceback."""

import io
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer.core
import typer.main
import typer.testing

from llmcompat import cli
from llmcompat.cli import COMMANDS, execute, main, program, streams
from llmcompat.cli import check as check_module
from llmcompat.cli.options import (
    complete_feature,
    complete_format,
    complete_id,
    complete_target,
    complete_use_case,
)
from llmcompat.engine import runner
from llmcompat.reports import FORMATS, SUFFIXES
from llmcompat.settings import Settings
from llmcompat.simulator.server import Running, running
from llmcompat.version import __version__

# An item of its own: no test depends on which checks are shipped. All judge the chat that every run asks.
CHECKS = '''
"""Outcomes: one check for each way to end."""

from llmcompat import Reply, check, fail, note, unanswered


@check("cli-passes", fix="none")
def cli_passes(hello: Reply) -> None:
    """It passes.

    Always.
    """
    hello.text


@check("cli-fails", fix="none")
def cli_fails(hello: Reply) -> None:
    """It fails.

    Always.
    """
    fail("bad", expected="good")


@check("cli-warns", fix="none", chat="should", agent="should")
def cli_warns(hello: Reply) -> None:
    """It warns.

    Always.
    """
    fail("bad", expected="good")


@check("cli-unanswered", fix="none")
def cli_unanswered(hello: Reply) -> None:
    """It has no answer.

    Never.
    """
    unanswered("nobody knows")


@check("cli-vision", fix="none", feature="vision")
def cli_vision(hello: Reply) -> None:
    """It is about vision.

    Always.
    """
    hello.text
'''

ESCAPE = "\x1b"


class Called:
    """What one call of the command line came to."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


Call = Callable[..., Called]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    # One folder for all tests: within a process a module of checks is loaded once by its name.
    folder = tmp_path_factory.mktemp("checks")
    (folder / "cli_outcomes.py").write_text(CHECKS, encoding="utf-8")
    return str(folder)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: str) -> Called:
        code = main(arguments)
        return Called(code, *capsys.readouterr())

    return call


@pytest.fixture
def check(call: Call, folder: str) -> Call:
    """`check demo` with some of the checks above."""

    def check(only: str, *arguments: str, target: tuple[str, ...] = ("demo",)) -> Called:
        return call("check", *target, "--checks", folder, "--only", only, *arguments)

    return check


@pytest.fixture
def simulator() -> Iterator[Running]:
    with running(api_key="key-of-the-simulator") as state:
        yield state


def one_line(text: str) -> bool:
    return text.startswith("llmcompat: ") and text.count("\n") == 1 and text.endswith("\n")


@pytest.mark.parametrize(
    ("only", "more", "code"),
    [
        ("cli-passes", (), 0),
        ("cli-fails", (), 1),
        ("cli-passes,cli-fails", (), 1),
        ("cli-passes,cli-warns", (), 0),
        ("cli-passes,cli-warns", ("--strict",), 1),
        ("cli-unanswered", (), 3),
        ("cli-passes,cli-unanswered", (), 3),
        ("cli-fails,cli-unanswered", (), 1),
        ("cli-outcomes", ("--skip", "cli-fails", "--skip", "cli-unanswered"), 0),
        ("cli-vision", ("--without", "vision"), 2),
    ],
)
def test_exit_status(check: Call, only: str, more: tuple[str, ...], code: int) -> None:
    assert check(only, *more).code == code


def test_results_and_progress_are_apart(check: Call) -> None:
    called = check("cli-fails")
    assert "cli-fails" in called.out
    assert "cli-fails" not in called.err
    assert all(line.startswith("llmcompat: demo: ") for line in called.err.splitlines())
    assert "probes" in called.err
    assert ESCAPE not in called.out + called.err


def test_quiet_and_verbose(check: Call) -> None:
    assert check("cli-passes", "-q").err == ""
    assert "(hello)" in check("cli-passes", "-v").err


def test_columns_are_honoured_and_80_at_least(check: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    for columns, widest in (("20", 80), ("200", 200)):
        monkeypatch.setenv("COLUMNS", columns)
        assert streams.width() == widest
        assert max(map(len, check("cli-passes", "-q").out.splitlines())) <= widest


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(check: Call, name: str) -> None:
    called = check("cli-passes", "--format", name)
    assert called.code == 0
    assert called.out.strip()
    assert "cli-outcomes" in called.out or "Outcomes" in called.out or "compatible (agent)" in called.out


def test_json_on_standard_output_is_json_alone(check: Call) -> None:
    document = json.loads(check("cli-passes", "--format", "json").out)
    assert [run["exit_code"] for run in document["runs"]] == [0]
    assert [result["id"] for result in document["runs"][0]["checks"]] == ["cli-passes"]


def test_several_targets_in_one_run_and_the_worst_counts(
    check: Call, simulator: Running, tmp_path: Path
) -> None:
    profile = tmp_path / "here.yaml"
    profile.write_text(
        f"base_url: {simulator.base_url}\nmodels:\n  default: no-such-model\n", encoding="utf-8"
    )
    called = check("cli-passes", "--format", "json", target=("demo", str(profile)))
    codes = [run["exit_code"] for run in json.loads(called.out)["runs"]]
    assert codes[0] == 0
    assert called.code == codes[1] != 0
    assert "here: ended early" in called.err


def test_an_endpoint_that_is_not_there_gives_no_answer(check: Call) -> None:
    called = check("cli-passes", "-q", target=("--base-url", "http://127.0.0.1:9/v1", "--model", "m"))
    assert called.code == 3


def test_an_unknown_model_of_the_demo(check: Call) -> None:
    called = check("cli-passes", target=("demo:nope",))
    assert called.code == 2
    assert "demo-chat" in called.err


def test_the_key_is_sent_and_never_shown(
    check: Call, simulator: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMCOMPAT_API_KEY", "key-of-the-simulator")
    called = check(
        "cli-passes", "--format", "json", target=("--base-url", simulator.base_url, "--model", "demo-chat")
    )
    assert called.code == 0
    assert simulator.requests
    assert "key-of-the-simulator" not in called.out + called.err
    monkeypatch.setenv("LLMCOMPAT_API_KEY", "another-key")
    assert check("cli-passes", target=("--base-url", simulator.base_url, "--model", "demo-chat")).code == 3


def test_a_missing_key_stops_before_anything_is_sent(check: Call, tmp_path: Path) -> None:
    profile = tmp_path / "far.yaml"
    profile.write_text(
        "base_url: https://api.example.com/v1\nkey_variable: FAR_KEY\nmodels: {default: m}\n",
        encoding="utf-8",
    )
    called = check("cli-passes", target=("demo", str(profile)))
    assert called.code == 2
    assert called.out == ""
    assert one_line(called.err)
    assert "FAR_KEY" in called.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check"], ["TARGET", "--base-url"]),
        (["chekc", "demo"], ["check"]),
        (["check", "demo", "--modle", "x"], ["--model"]),
        (["check", "deepsek"], ["deepseek"]),
        (["check", "missing.yaml"], ["missing.yaml", "no such file"]),
        (["check", "demo", "demo", "--base-url", "http://127.0.0.1:9/v1"], ["--base-url", "one TARGET"]),
        (["check", "groq", "openai", "--api-key-env", "ANY"], ["--api-key-env", "one TARGET"]),
        (["check", "demo", "--format", "jsn"], ["--format", "json"]),
        (["check", "demo", "--export", "run"], ["--export", ".json"]),
        (["check", "demo", "--export", "jsn:run"], ["--export", "json"]),
        (["check", "demo", "--export", "-"], ["--export", "--format"]),
        (["check", "demo", "--export", "json:"], ["--export", "path"]),
        (["check", "demo", "--export", "r.json", "--dry-run"], ["--export"]),
        (["check", "demo", "--only", "no-such-check-at-all"], ["--only", "no-such-check-at-all"]),
        (["check", "demo", "--timeout", "0"], ["--timeout", "greater than 0"]),
        (["check", "demo", "--timeout", "soon"], ["--timeout"]),
        (["check", "demo", "--concurrency", "100000"], ["--concurrency", "256"]),
        (["check", "demo", "--repeat", "0"], ["--repeat"]),
        (["check", "demo", "--context-window", "-1"], ["--context-window"]),
        (["check", "demo", "--checks", "no/such/folder"], ["folder"]),
        (["check", "demo", "--simulate"], ["--simulate"]),
        (["checklist"], ["TARGET"]),
        (["checklist", "grok"], ["groq"]),
        (["explain", "no-such-check-at-all"], ["no-such-check-at-all"]),
        (["list", "--format", "xml"], ["--format", "json"]),
        (["providers", "grok"], ["groq"]),
        (["providers", "--needs", "visoin"], ["--needs", "vision"]),
        (["providers", "groq", "--needs", "vision"], ["--needs", "NAME"]),
        (["serve", "--fault", "stream-missing-don"], ["--fault", "stream-missing-done"]),
        (["serve", "--delay", "-1"], ["--delay"]),
        (["serve", "--port", "70000"], ["--port"]),
        (["serve", "--api-key-env", "NOT_SET_ANYWHERE"], ["NOT_SET_ANYWHERE"]),
    ],
)
def test_bad_input_is_one_line_and_status_2(call: Call, arguments: list[str], words: list[str]) -> None:
    called = call(*arguments)
    assert called.code == 2
    assert called.out == ""
    assert one_line(called.err), called.err
    assert all(word in called.err for word in words), called.err


def test_a_broken_file_of_checks_is_one_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / "cli_broken.py").write_text('"""Broken: it is."""\n\n1 / 0\n', encoding="utf-8")
    called = call("check", "demo", "--checks", str(tmp_path))
    assert called.code == 2
    assert one_line(called.err)
    assert "cli_broken.py:3" in called.err


def test_a_key_typed_in_the_wrong_place_is_not_repeated(call: Call) -> None:
    called = call("check", "sk-abcdefghijklmnopqrstuvwxyz")
    assert called.code == 2
    assert "abcdefghijklmnop" not in called.err


def test_a_defect_is_one_line_without_a_key(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("something broke near hunter22-the-key")

    monkeypatch.setenv("GROQ_API_KEY", "hunter22-the-key")
    monkeypatch.setattr(execute, "execute", broken)
    called = call("check", "demo")
    assert called.code == 2
    assert one_line(called.err)
    assert "RuntimeError: something broke" in called.err
    assert "LLMCOMPAT_DEBUG=1" in called.err
    monkeypatch.setenv("LLMCOMPAT_DEBUG", "1")
    debugged = call("check", "demo")
    assert debugged.code == 2
    assert "Traceback" in debugged.err
    assert "hunter22" not in called.err + debugged.err


def test_a_second_interruption_ends_at_once(check: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*arguments: Any, **more: Any) -> AsyncIterator[runner.Event]:
        yield runner.Planned(5, 1)
        raise KeyboardInterrupt

    monkeypatch.setattr(execute, "run_target", interrupted)
    alone = check("cli-passes", target=("--base-url", "http://127.0.0.1:9/v1", "--model", "m"))
    assert alone.code == 130
    assert alone.out == ""
    assert "interrupted before anything could be judged" in alone.err


def test_an_interruption_before_the_run_is_quiet(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(execute, "execute", interrupted)
    called = call("check", "demo")
    assert called.code == 130
    assert called.out == called.err == ""


def test_exports_by_suffix_and_by_name(check: Call, tmp_path: Path) -> None:
    files = [tmp_path / f"run{suffix}" for suffix in SUFFIXES] + [tmp_path / "named"]
    wanted = [str(file) for file in files[:-1]] + [f"json:{files[-1]}"]
    called = check("cli-passes", *(word for path in wanted for word in ("--export", path)))
    assert called.code == 0
    assert sorted(tmp_path.iterdir()) == sorted(files)  # and no draft is left
    assert json.loads(files[-1].read_text(encoding="utf-8"))["runs"]
    assert "Outcomes" in called.out


def test_evidence_is_readable_by_the_owner_only(check: Call, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("older", encoding="utf-8")
    path.chmod(0o644)
    assert check("cli-passes", "--export", str(path)).code == 0
    assert json.loads(path.read_text(encoding="utf-8"))["runs"]
    if os.name == "posix":  # elsewhere the system has no such bits
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(("only", "code"), [("cli-passes", 4), ("cli-fails", 1), ("cli-unanswered", 3)])
def test_a_report_that_cannot_be_written(check: Call, tmp_path: Path, only: str, code: int) -> None:
    good = tmp_path / "run.md"
    called = check(only, "-q", "--export", str(tmp_path / "missing" / "run.json"), "--export", str(good))
    assert called.code == code
    assert only in called.out or "Outcomes" in called.out
    assert one_line(called.err)
    assert "missing" in called.err
    assert good.is_file()


def test_what_is_not_a_file_is_not_replaced(check: Call, tmp_path: Path) -> None:
    folder = tmp_path / "run.json"
    folder.mkdir()
    called = check("cli-passes", "-q", "--export", str(folder))
    assert called.code == 4
    assert folder.is_dir()
    assert one_line(called.err)


def test_nothing_half_written_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Call) -> None:
    path = tmp_path / "run.json"
    path.write_text("older", encoding="utf-8")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    called = check("cli-passes", "-q", "--export", str(path))
    assert called.code == 4
    assert "No space left on device" in called.err
    assert [file.read_text(encoding="utf-8") for file in tmp_path.iterdir()] == ["older"]


def test_a_dry_run_sends_nothing_to_the_target(check: Call, tmp_path: Path) -> None:
    profile = tmp_path / "far.yaml"
    profile.write_text(
        "base_url: https://api.example.com/v1\nkey_variable: FAR_KEY\nmodels: {default: m}\n"
        "prices:\n  m: {input: 1000, output: 1000}\nrequest: {body: {only_there: 1}}\n",
        encoding="utf-8",
    )
    called = check("cli-fails", "--dry-run", target=(str(profile),))
    assert called.code == 0
    assert "nothing was sent to https://api.example.com/v1" in called.out
    assert "--max-usd 0.1" in called.out
    [row] = json.loads(check("cli-fails", "--dry-run", "--format", "json", target=(str(profile),)).out)
    assert row["stopped"] is None
    assert row["requests"] >= 2
    assert row["prompt_tokens"] > 0
    # list prices per million tokens: far above the default bound, which must not cut the estimate short
    assert row["usd"] == pytest.approx((row["prompt_tokens"] + row["completion_tokens"]) / 1000)
    assert row["waits"] >= 2


def test_a_dry_run_without_a_known_price_says_so(check: Call, tmp_path: Path) -> None:
    profile = tmp_path / "far.yaml"
    profile.write_text("base_url: https://api.example.com/v1\nmodels: {default: m}\n", encoding="utf-8")
    called = check("cli-passes", "--dry-run", target=(str(profile),))
    assert "unknown: no price is known" in called.out
    assert "300000 tokens" in called.out


def test_a_dry_run_of_a_retired_model_says_so(check: Call, tmp_path: Path) -> None:
    profile = tmp_path / "far.yaml"
    profile.write_text(
        "base_url: https://api.example.com/v1\nmodels: {retired: {old: gone}}\n", encoding="utf-8"
    )
    called = check("cli-passes", "--dry-run", target=(f"{profile}:old",))
    assert called.code == 2
    assert "retired" in called.out


def test_listings(call: Call, folder: str) -> None:
    listed = call("list", "--checks", folder)
    assert listed.code == 0
    assert "cli-passes" in listed.out
    items = {
        item["item"]: item for item in json.loads(call("list", "--checks", folder, "--format", "json").out)
    }
    assert {check["id"] for check in items["cli-outcomes"]["checks"]} == set(
        re.findall(r'check\("([a-z-]+)"', CHECKS)
    )
    explained = call("explain", "cli-warns", "--checks", folder)
    assert explained.code == 0
    assert "It warns." in explained.out


def test_the_empty_checklist(call: Call, folder: str) -> None:
    called = call("checklist", "groq", "--checks", folder)
    assert called.code == 0
    assert called.out.startswith("# ")
    assert "- [ ] " in called.out
    assert "cli-passes" in called.out
    assert called.err == ""


def test_providers(call: Call) -> None:
    assert "deepseek" in call("providers").out
    assert "https://api.deepseek.com" in call("providers", "deepseek").out
    rows = json.loads(call("providers", "--needs", "embeddings,vision", "--format", "json").out)
    names = {row["name"] for row in rows}
    assert "openai" in names
    assert "deepseek" not in names
    assert json.loads(call("providers", "groq", "--format", "json").out)["name"] == "groq"


def test_help_and_version(call: Call) -> None:
    assert call("--version").out == f"llmcompat {__version__}\n"
    bare = call()
    assert bare.code == 2
    assert "check" in bare.out
    for command in ("check", "checklist", "list", "explain", "providers", "serve"):
        called = call(command, "--help")
        assert called.code == 0
        assert "Usage" in called.out
        assert called.err == ""


def test_the_overview_says_what_each_command_says_of_itself() -> None:
    whole = typer.main.get_command(program())
    assert isinstance(whole, typer.core.TyperGroup)
    assert list(whole.commands) == list(COMMANDS)
    for name, command in whole.commands.items():
        assert " ".join((command.help or "").partition("\n\n")[0].split()) == COMMANDS[name].short
    shown = typer.testing.CliRunner().invoke(program([]), ["--help"], env={"COLUMNS": "200"}).stdout
    assert all(f"{name} " in shown for name in COMMANDS)
    assert COMMANDS["diff"].short in shown


def test_the_overview_loads_no_command_and_no_reader_of_markdown() -> None:
    code = (
        "import sys; from llmcompat.cli import main; main(['--help']);"
        "bad = [name for name in sys.modules if name.startswith(('llmcompat.cli.check', 'markdown_it'))];"
        "print(bad, file=sys.stderr)"
    )
    assert run("-c", code).stderr == "[]\n"


def test_the_defaults_are_those_of_the_settings() -> None:
    shown = get_type_hints(check_module.check, include_extras=True)
    for name in ("concurrency", "timeout", "deadline", "max_usd", "max_prompt_tokens", "repeat"):
        text = re.search(r"\[default: ([\d.]+)\]$", get_args(shown[name])[1].help)
        assert text
        assert float(text[1]) == Settings.model_fields[name].get_default()
    # a project file may say otherwise, so that nothing but what is typed counts as given
    given = signature(check_module.check).parameters
    assert {given[name].default for name in Settings.model_fields if name in given} == {None, False}


def test_completion() -> None:
    assert "demo" in [name for name, _ in map(tuple, complete_target("de"))]
    assert list(complete_format("js")) == ["json"]
    assert list(complete_use_case("a")) == ["agent"]
    assert list(complete_feature("tools,vis")) == ["tools,vision"]
    assert all(name.startswith("str") for name, _ in map(tuple, complete_id("str")))


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"} | environment,
    )


HEAVY = ("httpx", "starlette", "uvicorn", "yaml", "genai_prices", "jsonschema", "asyncio")


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    # typer itself converts some options with pydantic
    [(["--version"], (*HEAVY, "pydantic")), (["check", "--help"], HEAVY)],
)
def test_nothing_heavy_is_loaded_to_say_little(arguments: list[str], heavy: tuple[str, ...]) -> None:
    code = (
        "import sys; from llmcompat.cli import main; code = main(sys.argv[1:]);"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = run("-c", code, *arguments)
    assert done.returncode == 0
    assert done.stdout
    assert done.stderr == "[]\n"


def test_the_module_is_the_command() -> None:
    done = run("-m", "llmcompat", "check", "deepsek")
    assert done.returncode == 2
    assert done.stdout == ""
    assert one_line(done.stderr)


def test_a_reader_that_goes_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        streams.out("much\n" * 100_000)
        streams.out("more")


@pytest.mark.parametrize(
    ("environ", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"CI": "true"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "CI": "true"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": ""}, False, False),
        ({"CLICOLOR_FORCE": "1", "TERM": "dumb"}, False, True),
        ({"CLICOLOR_FORCE": "0"}, False, False),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1", "CLICOLOR_FORCE": "1"}, True, False),
    ],
)
def test_colour(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], terminal: bool, expected: bool
) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert streams.colored(Stream()) is expected


def test_a_stream_that_lacks_a_character_writes_another(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="\n")
    monkeypatch.setattr(sys, "stdout", narrow)
    assert cli.main(["--version"]) == 0
    streams.out("✓ done")
    assert narrow.buffer.getvalue().endswith(b"? done\n")


def test_serve_lists_its_faults(call: Call) -> None:
    called = call("serve", "--list-faults")
    assert called.code == 0
    assert "stream-missing-done" in called.out


def test_serve_says_how_to_use_it_and_ends_quietly(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with running() as other:
        port = other.base_url.rpartition(":")[2].removesuffix("/v1")
        taken = call("serve", "--port", port)
    assert taken.code == 2
    assert one_line(taken.err)
    assert "--port" in taken.err
    monkeypatch.setattr("llmcompat.cli.serve.pause", interrupted)
    called = call("serve", "--port", "0")
    assert called.code == 0
    assert called.err == ""
    url, *use = called.out.splitlines()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", url)
    assert len(use) == 2
    assert all(url in line for line in use)
