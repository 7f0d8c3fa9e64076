"""The terminal's table: the guide's lines, what fails, the verdicts, and nothing that steers the terminal."""

import ast
import itertools
import re
import unicodedata
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from llmcompat.model import Level, Run, Spend, Status, Target, UseCase, Verdict
from llmcompat.reports.lines import Line, count, figure, guide_lines, number, outcome_word
from llmcompat.reports.snippets import settings_that_worked
from llmcompat.reports.table import table, table_text
from tests.reporting import HOSTILE, exchange, result, rich_run, run, target_run

RICH = """\
llmcompat 0.1.0

Example: m1
route  https://api.example.test/v1
mode   thinking={"type":"disabled"}

The guide's seven lines   endpoint      checks                        yours
────────────────────────────────────────────────────────────────────────────────
Prompts                   limitations   1 warning, 1 pass             not tested
Long prompts              not run                                     not tested
Tool calls                fails         1 fail, 1 accepted,           not tested
                                        3 no answer
Json outputs              not run                                     not tested
Streaming                 not run                                     not tested
Retries                   not run                                     not tested
Billing                   not run                                     not tested

What compatibility leaves out   endpoint   checks
─────────────────────────────────────────────────────────────────────────
Latency                         holds      1 to decide, 1 skipped, 1 pass

What fails
FAIL     tool-arguments-string (case object)  known
  Arguments arrive as a JSON string.
  seen      {"city": "Paris"}
  expected  a JSON string
  held      1 of 3 attempts
  breaks    openai-python 3.54.0 raises
  known     Arguments are an object. (2026-08-01)
  source    https://docs.example.test/tools
  fix       Call json.loads only on text.

warning  system-message
  A plain chat is answered.
  seen      ignored
  expected  obeyed
  fix       Ask the provider.

accepted tool-accepted-deviation
  A plain chat is answered.
  accepted  our parser takes it
  fix       Ask the provider.

Without an answer
  1 check without an answer: throttled for good
    tool-called
  2 checks wait for tool-called
    tool-ids, tool-result-accepted

For a person to decide
  [ ] alerts-set: A plain chat is answered.
      Who is told?

Set aside
  1 skipped: --without vision
    image-input

Measured and noted
  Prompts  chat-accepted: role null in later deltas
  Latency  p50 0.4123 s; region eu-west

Settings that worked
"""

END = """
Verdict on the endpoint
  chat   compatible
  agent  incompatible  decides; m1, mode thinking={"type":"disabled"},
         https://api.example.test/v1
  trial  compatible with limitations

Still open
  - your retry logic was not rehearsed

31 requests; 2100 prompt tokens and 900 completion tokens; 0.0007 USD; held back
2 times; 3.2 s.
"""

PYTHON = """\
import os

from openai import OpenAI

client = OpenAI(
    base_url="https://api.example.test/v1",
    api_key=os.environ["EXAMPLE_API_KEY"],
)
answer = client.chat.completions.create(
    model="m1",
    messages=[{"role": "user", "content": "Hello"}],
    max_tokens=1024,
    temperature=0,
    extra_body={"thinking": {"type": "disabled"}},
)"""

NODE = """\
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "https://api.example.test/v1",
  apiKey: process.env.EXAMPLE_API_KEY,
});
const answer = await client.chat.completions.create({
  model: "m1",
  messages: [{ role: "user", content: "Hello" }],
  max_tokens: 1024,
  temperature: 0,
  thinking: {"type": "disabled"},
});"""

SHELL = """\
export OPENAI_BASE_URL=https://api.example.test/v1
export OPENAI_API_KEY="${EXAMPLE_API_KEY}\""""


def hostile_run() -> Run:
    """Every field that an endpoint reaches holds hostile text, in every outcome."""
    checks = [
        result(
            f"check-{status}-{level}",
            item=HOSTILE,
            title=HOSTILE,
            status=status,
            level=level,
            case=HOSTILE,
            seen=HOSTILE,
            expected=HOSTILE,
            reason=HOSTILE,
            fix=HOSTILE,
            notes=(HOSTILE,),
            facts={HOSTILE: HOSTILE},
        )
        for status, level in itertools.product(Status, Level)
    ]
    return run(
        target_run(
            *checks,
            target=Target(HOSTILE, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}),
            open=(HOSTILE,),
            stopped=HOSTILE,
            basics={
                "token_limit": HOSTILE,
                "temperature": None,
                "stream_options": False,
                "extra": {HOSTILE: HOSTILE},
            },
            profile={"display_name": HOSTILE, "key_variable": HOSTILE},
            items=((HOSTILE, HOSTILE, HOSTILE),),
        )
    )


def test_the_whole_table() -> None:
    text = table_text(run(rich_run()), width=80)
    assert text[: len(RICH)] == RICH
    assert text[-len(END) :] == END
    assert [code in text for code in (PYTHON, NODE, SHELL)] == [True] * 3


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(width: int) -> None:
    text = table_text(run(rich_run()), width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    for check in rich_run().checks[1:]:
        if not check.facts:
            assert check.id in text


def test_an_id_longer_than_the_line_is_folded() -> None:
    long = "-".join(["very-long-id"] * 8)
    text = table_text(run(target_run(result(long, status=Status.FAIL))), width=50)
    assert long in text.replace("\n", "")


def test_results_are_words_without_colour_and_styled_with() -> None:
    plain = table_text(run(rich_run()))
    coloured = table_text(run(rich_run()), color=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31mFAIL" in coloured
    # a style may stand on spaces at a line's end
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in stripped.splitlines()] == plain.splitlines()


def test_the_renderable_keeps_to_its_width_and_drops_its_styles() -> None:
    console = Console(file=StringIO(), width=200, force_terminal=True, color_system="truecolor", _environ={})
    with console.capture() as captured:
        console.print(table(run(rich_run()), width=60, color=False))
    lines = captured.get().splitlines()
    assert max(cell_len(line) for line in lines) <= 60
    assert "\x1b" not in captured.get()


def test_no_console_reads_the_text_as_markup() -> None:
    strange = "[/] [red]x[/red] :smile:"
    hostile = target_run(
        result("plain", item=strange, facts={strange: strange}, notes=(strange,)),
        result(strange, status=Status.FAIL, seen=strange),
        verdicts={strange: Verdict.COMPATIBLE},
        items=((strange, strange, strange),),
    )
    console = Console(file=StringIO(), width=100)  # as rich makes it: with markup, emoji and highlighting
    with console.capture() as captured:
        console.print(table(run(hostile)))
    rows = [line.rstrip() for line in captured.get().splitlines()]
    assert rows == table_text(run(hostile), width=100).splitlines()
    assert sum(strange in row for row in rows) >= 6


@pytest.mark.parametrize("color", [False, True])
def test_hostile_text_steers_no_terminal(color: bool) -> None:
    text = re.sub(r"\x1b\[[0-9;]*m", "", table_text(hostile_run(), width=100, color=color)) if color else None
    text = text if text is not None else table_text(hostile_run(), width=100)
    unsafe = ("Cc", "Cf", "Cs", "Zl", "Zp")
    assert not [char for char in text if char != "\n" and unicodedata.category(char) in unsafe]
    assert "[bold]x[/bold]" in text
    assert ":smile:" in text


def test_a_run_that_ended_early_says_so_at_both_ends() -> None:
    text = table_text(run(target_run(stopped="the key was refused (401)", exchanges=(), open=())), width=80)
    assert "STOPPED EARLY: the key was refused (401)" in text
    assert "  incomplete: the key was refused (401)" in text
    assert "  none are known: no chat request of this run was answered" in text


def test_a_simulation_is_not_a_measurement() -> None:
    text = table_text(run(rich_run(simulated=True)), width=80)
    assert "SIMULATED: a simulation of documented behaviour: documented, not measured." in text
    assert "Settings that worked (in the simulation)" in text
    assert "Verdict on the endpoint (simulated: documented, not measured)" in text


def test_nothing_run() -> None:
    assert table_text(run()) == "llmcompat 0.1.0\nNothing was run.\n"


def test_several_targets_are_compared_and_told_in_full_where_that_is_asked_for() -> None:
    other = target_run(
        target=Target("other", "https://other.test/v1", "m2", {}),
        verdicts={"agent": Verdict.NO_ANSWER},
        spend=Spend(requests=2),
        stopped="the deadline",
    )
    text = table_text(run(rich_run(), other), width=90)
    assert text.startswith("llmcompat 0.1.0\n\nComparison of 2 targets\n")
    assert "The guide's seven lines" not in text
    full = table_text(run(rich_run(), other), width=90, verbose=True)
    assert full.startswith(text[: text.index("\nWhat was seen and what to change")])
    assert full.count("The guide's seven lines") == 2


@pytest.mark.parametrize(
    ("spend", "settings", "said"),
    [
        (
            Spend(1),
            {},
            "1 request; 0 prompt tokens and 0 completion tokens; cost unknown: no price is known; never",
        ),
        (Spend(2, 3, 4), {"loopback": True}, "no price: this machine answered; never held back"),
        (
            Spend(2, 3, 4, 0.5, 1),
            {"pricing": {"as_of": "2026-09-10"}},
            "0.5000 USD at the list price of 2026-09-10; held",
        ),
    ],
)
def test_spend(spend: Spend, settings: dict[str, Any], said: str) -> None:
    assert said in table_text(run(target_run(spend=spend, settings=settings)), width=200)


OUTCOMES = {
    (Status.PASS, Level.MUST): ("pass", "holds"),
    (Status.PASS, Level.SHOULD): ("pass", "holds"),
    (Status.FAIL, Level.MUST): ("FAIL", "fails"),
    (Status.FAIL, Level.SHOULD): ("warning", "limitations"),
    (Status.ERROR, Level.MUST): ("no answer", "no answer"),
    (Status.ERROR, Level.SHOULD): ("no answer", "no answer"),
    (Status.SKIP, Level.MUST): ("skip", "skipped"),
    (Status.SKIP, Level.SHOULD): ("skip", "skipped"),
    (Status.MANUAL, Level.MUST): ("to decide", "to decide"),
    (Status.MANUAL, Level.SHOULD): ("to decide", "to decide"),
}


@pytest.mark.parametrize("pair", OUTCOMES)
def test_words_of_every_outcome(pair: tuple[Status, Level]) -> None:
    status, level = pair
    check = result(status=status, level=level)
    assert (outcome_word(check), Line("x", "X", "", (check,)).endpoint) == OUTCOMES[pair]


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [
        ("", "not run"),
        ("pass-must error-should", "holds"),
        ("pass-must error-must", "no answer"),
        ("pass-must error-must fail-should", "no answer"),
        ("error-must fail-must", "fails"),
        ("pass-must fail-should", "limitations"),
        ("manual-must skip-must", "to decide"),
        ("pass-must manual-must", "holds"),
    ],
)
def test_the_word_of_a_line(outcomes: str, word: str) -> None:
    pairs = [each.split("-") for each in outcomes.split()]
    results = tuple(result(status=Status(status), level=Level(level)) for status, level in pairs)
    assert Line("x", "X", "", results).endpoint == word


def test_an_accepted_deviation_is_a_limitation() -> None:
    check = result(status=Status.FAIL, accepted="we know")
    assert (outcome_word(check), count([check]), Line("x", "X", "", (check,)).endpoint) == (
        "accepted",
        "1 accepted",
        "limitations",
    )


def test_the_guide_has_seven_lines_and_tools_have_one_of_them() -> None:
    lines = guide_lines(
        target_run(result(item="tool-history"), result("b", item="tools"), result("c", item="mine"))
    )
    assert [(line.name, len(line.results)) for line in lines if line.results] == [("tools", 2)]
    assert len(lines) == 7


@pytest.mark.parametrize(
    ("fact", "shown"),
    [
        ({"value": 0.41234, "unit": "s"}, "0.4123 s"),
        ({"value": 32000, "unit": "tokens"}, "32K tokens"),
        ({"value": 0.6667, "unit": "", "low": 0.208, "high": 0.939}, "0.6667 (95 % interval 0.21 to 0.94)"),
        ({"value": None, "unit": "s"}, "None s"),
        ("eu-west", "eu-west"),
    ],
)
def test_figures(fact: object, shown: str) -> None:
    assert figure(fact) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (999, "999"),
        (1000, "1K"),
        (32_768, "32.8K"),
        (999_999, "1M"),
        (1_048_576, "1.05M"),
        (1.5, "1.5"),
        (True, "True"),
    ],
)
def test_numbers_of_tokens(value: object, shown: str) -> None:
    assert number(value) == shown


def snippets(**changes: Any) -> dict[str, str]:
    return {each.language: each.code for each in settings_that_worked(target_run(**changes))}


def test_snippets() -> None:
    assert snippets() == {"python": PYTHON, "javascript": NODE, "sh": SHELL}
    assert snippets(exchanges=(exchange(status=401),)) == {}
    assert snippets(exchanges=(exchange(probe="models_list"),)) == {}


def test_snippets_hold_what_the_application_sends_and_name_what_is_refused() -> None:
    found = snippets(
        basics={"token_limit": None, "temperature": None, "stream_options": False, "extra": {}},
        settings={"body": {"top_p": 0.5, "provider": {"order": ["a"]}}, "headers": {"x-team": "blue"}},
        profile={},
    )
    assert 'api_key=os.environ["LLMCOMPAT_API_KEY"]' in found["python"]
    assert '    default_headers={"x-team": "blue"},\n' in found["python"]
    assert '    top_p=0.5,\n    extra_body={"provider": {"order": ["a"]}},\n' in found["python"]
    assert "    # temperature is refused: leave it out\n" in found["python"]
    assert "    # stream_options is refused: leave it out of streams\n" in found["python"]
    assert "max_tokens=" not in found["python"]


def test_an_endpoint_of_this_machine_needs_no_key() -> None:
    found = snippets(settings={"has_key": False, "loopback": True}, profile={})
    assert 'api_key="unused"' in found["python"]
    assert "import os" not in found["python"]
    assert "OPENAI_API_KEY=unused" in found["sh"]


def test_a_long_object_gets_a_line_a_field() -> None:
    settings = {"body": {"plugins": {f"a-long-name-{number}": {"deep": "value"} for number in range(4)}}}
    code = snippets(settings=settings, basics={}, profile={})["python"]
    assert max(map(len, code.splitlines())) <= 80
    calls = [
        node
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.keyword) and node.arg == "extra_body"
    ]
    assert ast.literal_eval(calls[0].value) == settings["body"]


def test_hostile_values_stay_values_in_python() -> None:
    code = snippets(
        target=Target("p", HOSTILE + '"\\', HOSTILE),
        profile={"key_variable": HOSTILE},
        settings={"body": {HOSTILE: 1}},
    )["python"]
    values = {node.arg: node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.keyword)}
    assert ast.literal_eval(values["base_url"]) == HOSTILE + '"\\'
    assert ast.literal_eval(values["model"]) == HOSTILE
    assert HOSTILE in ast.literal_eval(values["extra_body"])


def test_the_deciding_use_case_is_marked() -> None:
    text = table_text(Run("1", "", 0.0, (replace(rich_run(), use_case=UseCase.CHAT),)), width=100)
    assert "  chat   compatible  decides; m1" in text
