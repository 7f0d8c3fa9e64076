"""A user's checks and probes that break, hang, print or die harm their own line and nothing else."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmcompat.cli import main
from llmcompat.engine.isolated import bench
from llmcompat.engine.isolated.bench import Limits, isolated_checklist
from llmcompat.engine.isolated.messages import pack, unpack
from llmcompat.engine.isolated.process import Process
from llmcompat.engine.judge import manual_lines
from llmcompat.engine.loader import LoadError
from llmcompat.engine.runner import Finished, run_target
from llmcompat.model import Result, Status, TargetRun
from llmcompat.profiles.loader import load_profile
from llmcompat.reply import Exchanges
from llmcompat.settings import Settings
from llmcompat.simulator.server import running
from tests.checking import answer, attempts, completion, demo_settings
from tests.servers.raw import RawRequest, RawServer, http_json

LIMITS = Limits(step=3.0, word=3.0)
"""Short enough for a test, and long enough for a good check on a machine that is busy."""

HEAD = '''"""Mine: what my application needs."""

import asyncio
import os
import re
import sys
import threading
import time

from llmcompat import Api, Reply, check, fail, manual, measure, note, probe


def mine(id, **more):
    def make(function):
        function.__doc__ = "It holds.\\n\\nThe application needs it."
        return check(f"mine-{id}", fix="None.", **more)(function)

    return make
'''

GOOD = """

@probe(owner="mine-good", grounds=["hello"])
async def good_chat(api: Api) -> Reply:
    return await api.chat("Tell me of the sea.")


@mine("good")
def good(good_chat: Reply, hello: Reply) -> None:
    good_chat.accepted()
    measure("words", len(good_chat.text.split()), "")
    note("heard")
    fail(good_chat.text, expected="silence", case="loud")
"""

CHECKS = """

@mine("raises")
def raises(hello: Reply) -> None:
    raise RuntimeError("oh no")  # raises


@mine("unreadable")
def unreadable(hello: Reply) -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError("not even that")

    raise Odd(lambda: 0)  # unreadable


@mine("exits")
def exits(hello: Reply) -> None:
    sys.exit(0)  # exits


@mine("interrupts")
def interrupts(hello: Reply) -> None:
    raise KeyboardInterrupt  # interrupts


@mine("loops")
def loops(hello: Reply) -> None:
    while True:
        pass  # loops


@mine("sleeps")
def sleeps(hello: Reply) -> None:
    time.sleep(1000)  # sleeps


@mine("dies")
def dies(hello: Reply) -> None:  # dies
    os._exit(7)


@mine("stuck")
def stuck(hello: Reply) -> None:  # stuck
    re.match("(a+)+$", "a" * 60 + "b")


@mine("returns")
def returns(hello: Reply) -> bool:  # returns
    return False


@mine("async")
async def waits(hello: Reply) -> None:  # async
    fail("never", expected="judged")


@mine("recurses")
def recurses(hello: Reply) -> None:
    recurse()


def recurse() -> None:
    recurse()  # recurses


@mine("prints")
def prints(hello: Reply) -> None:
    print("ink " * 250_000)
    sys.stdout.buffer.write(b"raw")
    os.write(1, b"straight to the descriptor")
    os.system("echo from a process of its own")


@mine("huge")
def huge(hello: Reply) -> None:
    for number in range(1000):
        note(f"{number} " + "long " * 50_000)
    measure("much", float("inf"), "s")
    fail("seen " * 1_000_000, expected=12)


@mine("mutates")
def mutates(hello: Reply, exchanges) -> None:
    hello.document["choices"].clear()
    hello.exchanges = ()
    exchanges.all = ()


@mine("zz-reads", agent="should")
def reads(hello: Reply) -> None:
    fail(hello.text, expected="another")


@mine("manual", kind="manual")
def decides(profile, settings) -> None:
    manual(f"the model is {settings.model}")
"""

PROBES = """

@probe
async def breaks_off(api: Api) -> Reply:
    await api.chat("First.")
    raise RuntimeError("oh no")  # breaks-off


@probe
async def turns_round(api: Api) -> Reply:
    await api.chat("Second.")
    while True:
        pass  # turns-round


@probe
async def snores(api: Api) -> Reply:
    time.sleep(1000)  # snores


@probe
async def dreams(api: Api) -> Reply:
    await asyncio.sleep(1000)  # dreams


@probe
async def falls(api: Api) -> Reply:  # falls
    await api.chat("Third.")
    os._exit(9)


@probe
async def tells(api: Api) -> Reply:
    print("ink " * 250_000)
    return await api.chat("Fourth.")


@probe
async def after(api: Api, tells: Reply, hello: Reply) -> Reply:
    return await api.chat([{"role": "user", "content": f"You said {tells.text}, {hello.text}. And now?"}])


@probe
async def behind(api: Api, breaks_off: Reply) -> Reply:
    return await api.chat("Never.")

"""

JUDGES = """

@mine("{id}")
def judge_{name}({name}: Reply) -> None:
    {name}.accepted()
"""

CHECKS_FILE = HEAD + GOOD + CHECKS

_PROBES = ("breaks_off", "turns_round", "snores", "dreams", "falls", "tells", "after", "behind")

PROBES_FILE = "".join(
    [HEAD, GOOD, PROBES, *(JUDGES.format(name=name, id=name.replace("_", "-")) for name in _PROBES)]
)


@pytest.fixture(scope="module", autouse=True)
def processes() -> Iterator[list[Process]]:
    """Every process that the tests start; none may be left."""
    made: list[Process] = []

    class Noted(Process):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "Process", Noted)
        yield made
    assert made
    assert [process.exit_code for process in made if process.exit_code is None] == []


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def line_of(text: str, mark: str) -> int:
    """The line that a comment marks."""
    (number,) = [number for number, line in enumerate(text.splitlines(), 1) if line.endswith(f"# {mark}")]
    return number


def run(folder: Path, base_url: str | None = None, limits: Limits = LIMITS, **changes: Any) -> TargetRun:
    """A run of the user's checks and of one item of ours."""
    given: dict[str, Any] = {"only": ("mine", "models"), **changes}

    async def collect(settings: Settings) -> TargetRun:
        async for event in run_target(checklist, settings, load_profile("demo"), seed="test"):
            if isinstance(event, Finished):
                return event.run
        raise AssertionError("a run always finishes")

    with isolated_checklist([folder], limits=limits) as checklist:
        if base_url is not None:
            return asyncio.run(collect(demo_settings(base_url=base_url, **given)))
        with running() as simulator:
            return asyncio.run(collect(demo_settings(base_url=simulator.base_url, **given)))


def by_id(run: TargetRun) -> dict[str, Result]:
    return {result.id: result for result in run.checks}


def assert_unharmed(run: TargetRun) -> None:
    """Our own checks are judged, and the user's good one says all that it has to say."""
    results = by_id(run)
    ours = [result for id, result in results.items() if not id.startswith("mine-")]
    assert ours
    assert {result.status for result in ours} == {Status.PASS}
    good = results["mine-good"]
    assert (good.status, good.case, good.expected) == (Status.FAIL, "loud", "silence")
    assert good.seen
    assert good.notes == ("heard",)
    assert good.facts["words"]["value"] == len(good.seen.split())
    assert len(good.exchanges) == 2
    assert good.sent is not None
    assert run.exit_code == 1
    assert run.stopped is None


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, processes: list[Process]) -> TargetRun:
    return run(write(tmp_path_factory.mktemp("checks"), CHECKS_FILE))


@pytest.fixture(scope="module")
def talked(tmp_path_factory: pytest.TempPathFactory, processes: list[Process]) -> TargetRun:
    return run(write(tmp_path_factory.mktemp("probes"), PROBES_FILE))


def test_checks_that_break_leave_the_others_whole(judged: TargetRun) -> None:
    assert_unharmed(judged)


@pytest.mark.parametrize(
    ("id", "says"),
    [
        ("raises", "RuntimeError: oh no"),
        ("unreadable", "Odd: its text cannot be read"),
        ("exits", "SystemExit: 0"),
        ("interrupts", "KeyboardInterrupt"),
        ("loops", "it did not end within 3 s"),
        ("sleeps", "it did not end within 3 s"),
        ("dies", "it ended its process (exit status 7)"),
        ("stuck", "it did not end within 3 s"),
        ("returns", "it returned a bool; end with fail(…) or return nothing"),
        ("async", "it returned a coroutine; end with fail(…) or return nothing"),
    ],
)
def test_a_check_that_breaks_says_where(judged: TargetRun, id: str, says: str) -> None:
    result = by_id(judged)[f"mine-{id}"]
    assert result.status is Status.ERROR
    assert result.reason is not None
    where, _, what = result.reason.partition(": ")
    line = line_of(CHECKS_FILE, id)
    assert where.startswith("the check itself broke at mine.py:")
    # a decorated function begins where its decorator stands
    assert int(where.rpartition(":")[2]) in (line, line - 1)
    assert what == says


def test_endless_recursion_is_an_error(judged: TargetRun) -> None:
    result = by_id(judged)["mine-recurses"]
    assert result.status is Status.ERROR
    assert f"mine.py:{line_of(CHECKS_FILE, 'recurses')}: RecursionError" in (result.reason or "")


def test_what_is_printed_becomes_a_short_note(judged: TargetRun) -> None:
    result = by_id(judged)["mine-prints"]
    assert result.status is Status.PASS
    (note,) = result.notes
    assert note.startswith("it printed: ink ink ")
    assert len(note) < 600


def test_what_is_said_is_bounded_and_plain(judged: TargetRun) -> None:
    result = by_id(judged)["mine-huge"]
    assert (result.status, result.expected) == (Status.FAIL, "12")
    assert (result.seen or "").endswith("… (5000000 characters)")
    assert sum(map(len, result.notes)) < 1_000_000
    assert result.facts == {}
    json.dumps(result.facts, allow_nan=False)


def test_evidence_that_a_check_changes_is_whole_for_the_next(judged: TargetRun) -> None:
    results = by_id(judged)
    assert results["mine-mutates"].status is Status.PASS
    assert results["mine-zz-reads"].status is Status.FAIL
    assert results["mine-zz-reads"].seen


def test_a_manual_line_keeps_its_facts(judged: TargetRun) -> None:
    result = by_id(judged)["mine-manual"]
    assert (result.status, result.seen) == (Status.MANUAL, "the model is demo-chat")
    assert result.facts_hash


def test_probes_that_break_leave_the_others_whole(talked: TargetRun) -> None:
    assert_unharmed(talked)
    results = by_id(talked)
    assert results["mine-tells"].status is Status.PASS
    assert results["mine-after"].status is Status.PASS


@pytest.mark.parametrize(
    ("id", "says"),
    [
        ("breaks-off", "RuntimeError: oh no"),
        ("turns-round", "it did not go on within 3 s"),
        ("snores", "it did not go on within 3 s"),
        ("dreams", "it did not go on within 3 s"),
        ("falls", "it ended its process (exit status 9)"),
    ],
)
def test_a_probe_that_breaks_says_where(talked: TargetRun, id: str, says: str) -> None:
    result = by_id(talked)[f"mine-{id}"]
    missing = talked.unasked[id.replace("-", "_")]
    assert result.status is Status.ERROR
    assert result.reason == missing.reason
    where, _, what = missing.reason.partition(": ")
    line = line_of(PROBES_FILE, id)
    assert where.startswith("the probe itself broke at mine.py:")
    assert int(where.rpartition(":")[2]) in (line, line - 1)
    assert what == says
    assert missing.cut


def test_what_builds_on_a_broken_probe_says_so(talked: TargetRun) -> None:
    assert by_id(talked)["mine-behind"].reason == talked.unasked["breaks_off"].reason


def test_no_request_is_sent_twice(talked: TargetRun) -> None:
    sent = [exchange.identity for exchange in talked.exchanges if exchange.attempt == 1]
    assert len(sent) == len(set(sent))


def test_every_ask_counts_once(talked: TargetRun) -> None:
    asks = [(ask.probe, ask.part, ask.number, ask.round) for ask in talked.asks]
    assert len(asks) == len(set(asks))


MEETING = """

_there = set()


async def meet(api: Api, name: str) -> Reply:
    _there.add(name)
    while len(_there) < 2:
        await asyncio.sleep(0.01)
    return await api.chat(f"I am {name}.")


@probe
async def left(api: Api) -> Reply:
    return await meet(api, "left")


@probe
async def right(api: Api) -> Reply:
    return await meet(api, "right")


@mine("met")
def met(left: Reply, right: Reply) -> None:
    fail(f"{left.text}|{right.text}", expected="that they meet", case="met")
"""


def test_two_probes_go_on_at_the_same_time(tmp_path: Path) -> None:
    met = by_id(run(write(tmp_path, HEAD + GOOD + MEETING)))["mine-met"]
    assert met.case == "met"
    assert met.seen not in (None, "|")


def test_a_slow_answer_is_no_hanging_probe(tmp_path: Path) -> None:
    def slow(request: RawRequest) -> bytes:
        if request.path.endswith("/models"):
            return http_json({"object": "list", "data": []})
        if b"of the sea" in request.body:
            time.sleep(3.5)
        return http_json(completion("So it is."))

    with RawServer(slow) as server:
        found = run(write(tmp_path, HEAD + GOOD), server.base_url, only=("mine",))
    assert by_id(found)["mine-good"].seen == "So it is."


BLAME = """

@mine("by-mine")
def by_mine(hello: Reply) -> None:
    from llmcompat import blocked

    blocked("mine-good")


@mine("by-ours")
def by_ours(hello: Reply) -> None:
    from llmcompat import blocked

    blocked("chat-accepted")
"""


def test_blame_goes_to_owners_on_both_sides_and_they_are_judged(tmp_path: Path) -> None:
    found = by_id(run(write(tmp_path, HEAD + GOOD + BLAME), only=("mine-by-mine", "mine-by-ours")))
    assert found["mine-by-mine"].blocked_by == "mine-good"
    assert found["mine-good"].reason == "good_chat was not asked"
    assert found["mine-by-ours"].blocked_by == "chat-accepted"
    assert found["chat-accepted"].status is Status.PASS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('raise ValueError("x")\n', "mine.py:3: ValueError: x"),
        ("import sys\nsys.exit(3)\n", "mine.py:4: SystemExit: 3"),
        ("raise KeyboardInterrupt\n", "mine.py: KeyboardInterrupt"),
        (
            "import os\nos._exit(5)\n",
            "mine.py: it ended its process (exit status 5) while the file was loaded",
        ),
        ("while True:\n    pass\n", "did not end within 1 s while the file was loaded"),
        ("import time\ntime.sleep(1000)\n", "mine.py:4: did not end within 1 s while the file was loaded"),
        ("def broken(:\n", "mine.py:3: SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_loaded_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    folder = write(tmp_path, f'"""Mine: x."""\n\n{text}')
    with (
        pytest.raises(LoadError) as caught,
        isolated_checklist([folder], limits=Limits(load=1.0, word=5.0)),
    ):
        pass
    assert says in str(caught.value)
    assert "mine.py" in str(caught.value)
    assert "\n" not in str(caught.value)


HANGING = """

@mine("hanging")
def hanging(settings) -> None:
    open(os.path.join(os.path.dirname(__file__), "begun"), "x").close()
    time.sleep(1000)
"""


def test_a_run_that_is_ended_does_not_wait_for_a_check(tmp_path: Path, processes: list[Process]) -> None:
    folder = write(tmp_path, HEAD + HANGING)
    seen: list[int | None] = []

    async def end(run: asyncio.Task[None]) -> None:
        while not (tmp_path / "begun").exists():
            await asyncio.sleep(0.01)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        seen.append(processes[-1].exit_code)

    async def collect(settings: Settings) -> None:
        async for _ in run_target(checklist, settings, load_profile("demo"), seed="test"):
            pass

    async def both(settings: Settings) -> None:
        await end(asyncio.create_task(collect(settings)))

    with (
        isolated_checklist([folder], limits=Limits(step=60.0)) as checklist,
        running() as simulator,
    ):
        asyncio.run(both(demo_settings(base_url=simulator.base_url, only=("mine",))))
    assert len(seen) == 1
    assert seen[0] is not None


def test_without_a_folder_no_process_is_started(processes: list[Process]) -> None:
    before = len(processes)
    with isolated_checklist([]) as checklist:
        assert "models-list" in checklist.checks
    assert len(processes) == before


def test_manual_lines_are_read_without_a_run(tmp_path: Path) -> None:
    with isolated_checklist([write(tmp_path, CHECKS_FILE)], limits=LIMITS) as checklist:
        chosen = [checklist.checks["mine-manual"]]
        lines, without = manual_lines(chosen, load_profile("demo"), demo_settings())
    assert [line.facts for line in lines] == ["the model is demo-chat"]
    assert without == {}


def test_evidence_comes_through_whole() -> None:
    first, last = answer(completion("no"), number=1), answer(completion("yes"), number=2)
    reply = attempts(first, last)
    reply.grounds = (first,)
    assert reply.document["choices"]
    copy = unpack(pack((reply, Exchanges([reply]))))
    assert [each.text for each in copy[0].attempts] == ["no", "yes"]
    assert copy[0].attempts[-1] is copy[0]
    assert copy[0].grounds[0] is copy[0].attempts[0]
    assert copy[1].all[0] is copy[0]
    assert copy[0].exchange == reply.exchange


def test_only_our_own_classes_are_read() -> None:
    with pytest.raises(ValueError, match="no message"):
        unpack(pack(Path("elsewhere")))


PRINTING = 'print("at import")\n'

SAYS_KEY = """

@mine("key")
def key(hello: Reply) -> None:
    print(os.environ.get("OPENAI_API_KEY"), os.environ.get("MINE_COPY"), os.environ.get("MINE_OWN"))
"""


def test_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "k-7d1f0c93ab"
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    monkeypatch.setenv("MINE_COPY", f"Bearer {secret}")
    monkeypatch.setenv("MINE_OWN", "kept")
    folder = str(write(tmp_path, HEAD + PRINTING + GOOD + SAYS_KEY))
    saved = tmp_path / "run.json"
    assert main(["check", "demo", "--checks", folder, "--only", "mine", "--export", str(saved)]) == 1
    shown = capsys.readouterr()
    assert "at import" not in shown.out + shown.err
    written = saved.read_text(encoding="utf-8")
    assert secret not in shown.out + shown.err + written
    results = {each["id"]: each for each in json.loads(written)["runs"][0]["checks"]}
    assert results["mine-key"]["notes"] == ["it printed: None None kept"]
    assert main(["judge", str(saved), "--checks", folder, "--format", "json"]) == 1
    again = {each["id"]: each for each in json.loads(capsys.readouterr().out)["runs"][0]["checks"]}
    for name in ("status", "case", "seen", "expected", "exchanges", "notes"):
        assert [each[name] for each in again.values()] == [results[id][name] for id in again]
    assert again.keys() == results.keys()
    assert main(["list", "--checks", folder]) == 0
    assert "mine-good" in capsys.readouterr().out
    assert main(["explain", "mine-good", "--checks", folder]) == 0
    assert "The application needs it." in capsys.readouterr().out


def test_a_file_that_exits_is_one_line_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(write(tmp_path, '"""Mine: x."""\n\nimport os\nos._exit(0)\n'))
    assert main(["check", "demo", "--checks", folder]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "mine.py: it ended its process (exit status 0)" in shown.err
