"""Progress: an item is told as finished when all that is asked for it has ended, and never before."""

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from llmcompat.cli.progress import Lines, Live, Silent, Way, progress
from llmcompat.engine.loader import load_checklist
from llmcompat.engine.runner import Asked, Event, Finished, Planned, run_target
from llmcompat.profiles import load_profile
from llmcompat.settings import Settings
from llmcompat.simulator.server import running
from tests.reporting import target_run

PLANNED = Planned(
    4,
    9,
    {
        "Prompts": frozenset({"hello"}),
        "Tools": frozenset({"hello", "call", "turn"}),
        "Data policy": frozenset(),
        "Streams": frozenset({"stream", "call"}),
    },
)


def said(capsys: pytest.CaptureFixture[str], *events: Event, verbose: bool = False) -> list[str]:
    lines = Lines(verbose=verbose)
    for event in events:
        lines.show("one", event)
    captured = capsys.readouterr()
    assert captured.out == ""
    return [line.removeprefix("llmcompat: one: ") for line in captured.err.splitlines()]


def test_a_line_for_each_finished_item(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(
        capsys,
        PLANNED,
        Asked("hello", 1, 4, 1),
        Asked("turn", 2, 4, 5),
        Asked("stream", 3, 4, 6),
        Asked("call", 4, 4, 7),
        Finished(target_run()),
    ) == [
        "9 checks of 4 items, 1 without requests of their own; 4 probes to ask",
        "Prompts asked, 2 of 4 items, 1 request",
        "Tools asked, 3 of 4 items, 7 requests",
        "Streams asked, 4 of 4 items, 7 requests",
    ]


def test_what_a_stopped_run_did_not_ask_is_not_told_as_finished(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, PLANNED, Asked("hello", 1, 4, 1), Asked("call", 2, 4, 2), Finished(target_run()))[
        1:
    ] == [
        "Prompts asked, 2 of 4 items, 1 request",
        "ended with 2 of 4 items asked",
    ]


def test_an_item_is_finished_when_its_last_round_is(capsys: pytest.CaptureFixture[str]) -> None:
    planned = Planned(1, 1, {"Tools": frozenset({"call"})})
    events = (planned, Asked("call", 1, 2, 1, again=True), Asked("call", 2, 2, 2))
    assert said(capsys, *events)[1:] == ["Tools asked, 1 of 1 items, 2 requests"]
    assert said(capsys, *events, verbose=True)[1:] == [
        "1 of 2 probes (call, to be asked again)",
        "2 of 2 probes (call)",
        "Tools asked, 1 of 1 items, 2 requests",
    ]


def test_targets_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(verbose=False)
    for label in ("one", "two"):
        lines.show(label, PLANNED)
    lines.show("two", Asked("hello", 1, 4, 3))
    lines.show("one", Asked("hello", 1, 4, 1))
    assert capsys.readouterr().err.splitlines()[2:] == [
        "llmcompat: two: Prompts asked, 2 of 4 items, 3 requests",
        "llmcompat: one: Prompts asked, 2 of 4 items, 1 request",
    ]


def test_what_is_under_way() -> None:
    way = Way(PLANNED)
    assert way.under_way == []
    way.take(Asked("call", 1, 4, 1))
    assert way.under_way == ["Streams", "Tools"]
    assert way.take(Asked("stream", 2, 4, 2)) == ["Streams"]
    assert way.under_way == ["Tools"]
    # a probe that no item names, and one that is told twice
    assert way.take(Asked("basics", 3, 4, 3)) == way.take(Asked("stream", 3, 4, 3)) == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("quiet", "verbose", "terminal", "environ", "kind"),
    [
        (True, False, True, {}, Silent),
        (True, True, False, {}, Silent),
        (False, False, True, {}, Live),
        (False, True, True, {}, Lines),
        (False, False, False, {}, Lines),
        (False, False, True, {"CI": "1"}, Lines),
        (False, False, True, {"TERM": "dumb"}, Lines),
        (False, False, True, {"NO_COLOR": "1"}, Live),
    ],
)
def test_the_way_that_suits_standard_error(
    monkeypatch: pytest.MonkeyPatch,
    quiet: bool,
    verbose: bool,
    terminal: bool,
    environ: dict[str, str],
    kind: type,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", Terminal() if terminal else io.StringIO())
    assert type(progress(quiet=quiet, verbose=verbose)) is kind


def drawn(live: Live, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, _environ={})
    live._console = console
    with console.capture() as captured:
        console.print(live.rendered())
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", captured.get()).splitlines()]


def test_the_live_display(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    live = Live()
    live.show("one", PLANNED)
    live.show("provider-with-a-very-long-name:and-a-model-with-one", PLANNED)
    live.show("one", Asked("call", 1, 4, 12))
    live.show("nobody", Finished(target_run()))
    for width in (80, 200):
        lines = drawn(live, width)
        assert len(lines) == 4
        assert max(map(len, lines)) <= width
        assert lines[0].startswith("one ")
        assert re.search(r"1/4 items  12 requests  0:0\d$", lines[0])
        assert lines[1] == "  Streams, Tools"
        assert lines[3] == "  waiting for the first answer"
    live.show("one", Finished(target_run()))
    assert drawn(live, 80)[1] == "  ended"


def test_the_live_display_leaves_nothing_behind_but_what_a_terminal_takes_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress(quiet=False, verbose=False) as live:
        live.show("one", PLANNED)
        live.show("one", Asked("hello", 1, 4, 1))
    written = terminal.getvalue()
    assert "one" in written
    assert "2/4 items" in written
    # moves and erasures, and no colour
    assert not re.search(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", written)


async def events(*folders: Path, **changes: Any) -> list[Event]:
    with running() as simulator:
        given: dict[str, Any] = {"provider": "demo", "model": "demo-chat", "base_url": simulator.base_url}
        settings = Settings(**(given | {"loopback": True} | changes))
        every = run_target(load_checklist(folders), settings, load_profile("demo"))
        return [event async for event in every]


def finished_items(found: list[Event]) -> tuple[set[str], set[str]]:
    """The items that are told as finished, and all items."""
    planned = found[0]
    assert isinstance(planned, Planned)
    way = Way(planned)
    told = {title for title, probes in planned.items.items() if not probes}
    for event in found:
        if isinstance(event, Asked):
            told |= set(way.take(event))
    return told, set(planned.items)


async def test_a_whole_run_finishes_every_item_that_it_judges() -> None:
    found = await events(only=("stream*", "tools", "data-policy"))
    told, every = finished_items(found)
    assert told == every
    assert {"Streaming", "Tool calls", "Data policy"} <= every
    assert "Embeddings" not in every


async def test_a_repeated_run_counts_every_round() -> None:
    found = await events(only=("stream-accepted",), repeat=3)
    asked = [event for event in found if isinstance(event, Asked)]
    names = [event.probe for event in asked]
    assert names.count("hello") == 1
    repeated = next(name for name in names if names.count(name) == 3)
    assert [event.again for event in asked if event.probe == repeated] == [True, True, False]
    assert [event.done for event in asked] == list(range(1, asked[0].of + 1))


HANGS = '''
"""Hangs: it never ends."""

import asyncio

from llmcompat import Api, Reply, check, probe


@probe
async def progress_hangs(api: Api) -> Reply:
    reply = await api.chat("Say hello.")
    await asyncio.sleep(3600)
    return reply


@check("progress-hangs", fix="none")
def progress_hangs_check(hello: Reply, progress_hangs: Reply) -> None:
    """It hangs.

    Always.
    """
'''


async def test_a_probe_that_the_deadline_cuts_off_finishes_no_item(tmp_path: Path) -> None:
    (tmp_path / "progress_hanging.py").write_text(HANGS, encoding="utf-8")
    found = await events(tmp_path, only=("progress-hangs",), deadline=1.0)
    last = found[-1]
    assert isinstance(last, Finished)
    assert last.run.stopped is not None
    assert finished_items(found) == (set(), {"Hangs"})
    assert "progress_hangs" not in [event.probe for event in found if isinstance(event, Asked)]


def test_plain_lines_in_a_real_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llmcompat", "check", "demo", "--only", "prompts"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "utf-8"},
        check=False,
        timeout=120,
    )
    lines = done.stderr.decode().splitlines()
    assert b"\r" not in done.stderr.replace(os.linesep.encode(), b"\n")
    assert b"\x1b" not in done.stderr
    assert re.fullmatch(r"llmcompat: demo: \d+ checks of 1 item; \d+ probes to ask", lines[0])
    assert re.fullmatch(r"llmcompat: demo: Prompts asked, 1 of 1 items, \d+ requests", lines[1])
    assert len(lines) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX pseudo-terminal")
def test_a_live_display_on_a_real_terminal() -> None:
    import pty

    main, other = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "llmcompat", "check", "demo", "--only", "prompts"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=other,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "80"},
        )
        os.close(other)
        written = b""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                piece = os.read(main, 65536)
            except OSError:  # Linux says so when the other side is closed
                break
            if not piece:
                break
            written += piece
        assert process.wait(60) == 0
    finally:
        os.close(main)
    assert b"demo" in written
    assert b"0/1 items" in written or b"1/1 items" in written
    assert b"asked, " not in written
