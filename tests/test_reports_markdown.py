"""The Markdown checklist, read back by a parser of Markdown."""

import re
from datetime import date

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from llmcompat.declare import check
from llmcompat.engine.loader import Checklist, Item
from llmcompat.model import Run, Status
from llmcompat.profiles.schema import KnownDeviation, Profile
from llmcompat.reports.markdown import empty_checklist, markdown
from llmcompat.settings import Settings
from tests.reporting import HOSTILE, exchange, result, rich_run, run, target_run
from tests.test_reports_table import NODE, PYTHON, SHELL, hostile_run

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

HEAD = """\
# Migration checklist: Example, m1

| use case | verdict on the endpoint | model | mode | route |
| --- | --- | --- | --- | --- |
| chat | compatible | m1 | thinking={"type":"disabled"} | <https://api.example.test/v1> |
| agent (decides) | **incompatible** | m1 | thinking={"type":"disabled"} | <https://api.example.test/v1> |
| trial | compatible with limitations | m1 | thinking={"type":"disabled"} | <https://api.example.test/v1> |

## The guide's seven lines

- [ ] **Prompts**
  - [x] endpoint: limitations (1 warning, 1 pass)
  - [ ] yours: not tested
- [ ] **Long prompts**
  - [ ] endpoint: not run
  - [ ] yours: not tested
- [ ] **Tool calls**
  - [ ] endpoint: fails (1 fail, 1 accepted, 3 no answer)
  - [ ] yours: not tested
"""

TOOLS = """\
### Tool calls

The model calls your functions.

- [ ] **tool-arguments-string** Arguments arrive as a JSON string. (FAIL, known)
  - case: object
  - seen: `{"city": "Paris"}`
  - expected: a JSON string
  - held: 1 of 3 attempts
  - breaks: openai-python 3.54.0 raises
  - known: Arguments are an object. (2026-08-01)
  - source: <https://docs.example.test/tools>
  - fix: Call json.loads only on text.
- [ ] **tool-called** A plain chat is answered. (no answer)
  - no answer: throttled for good
- [ ] **tool-ids** A plain chat is answered. (no answer)
  - no answer: waits for tool-called
- [ ] **tool-accepted-deviation** A plain chat is answered. (accepted)
  - accepted: our parser takes it
  - fix: Ask the provider.
"""

LATENCY = """\
### Latency

How long users wait.

- [x] **first-token** A plain chat is answered.
- [ ] **alerts-set** A plain chat is answered. (a person decides)
  - facts: Who is told?
- [ ] **image-input** A plain chat is answered. (skipped)
  - set aside: --without vision

Measured: p50 0.4123 s; region eu-west
"""

EVIDENCE = """\
## Evidence

<details>
<summary>tool-arguments-string: Arguments arrive as a JSON string.</summary>

e1: hello, attempt 1, 0.50 s

```
POST https://api.example.test/v1/chat/completions

{"model":"m1"}
```

```
200
content-type: application/json

{"choices":[]}
```

</details>

## What it took
"""


def inline(tokens: list[Token]) -> list[Token]:
    return [child for token in tokens for child in token.children or []]


def test_the_checklist() -> None:
    text = markdown(run(rich_run()))
    assert text[: len(HEAD)] == HEAD
    assert [part for part in (TOOLS, LATENCY, EVIDENCE) if part not in text] == []
    assert text.endswith("llmcompat 0.1.0, 2026-11-01T12:00:00Z, 4.5 s\n")


def test_a_parser_reads_what_was_meant() -> None:
    tokens = PARSER.parse(markdown(run(rich_run())))
    heads = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"]
    assert heads == [
        "Migration checklist: Example, m1",
        *["The guide's seven lines", "Checks", "Prompts", "Tool calls", "Tool history", "Latency"],
        *["Settings that worked", "Still open", "Evidence", "What it took"],
    ]
    assert [token.type for token in tokens].count("tr_open") == 4
    fences = [(token.info, token.content.rstrip("\n")) for token in tokens if token.type == "fence"]
    assert fences[:3] == [("python", PYTHON), ("javascript", NODE), ("sh", SHELL)]
    html = [token.content for token in tokens if token.type == "html_block"]
    assert [block.split(">")[0] for block in html] == ["<details", "</details"]


def test_hostile_text_makes_no_markup() -> None:
    hostile = hostile_run()
    tokens = PARSER.parse(markdown(hostile))
    kinds = {child.type for child in inline(tokens)}
    assert kinds <= {"text", "text_special", "code_inline", "strong_open", "strong_close", "softbreak"}
    rows = 1 + len(hostile.runs[0].verdicts)
    assert [token.type for token in tokens].count("td_open") == 5 * (rows - 1)
    own = re.compile(r"</details>\n?|<details>\n<summary>[^<>]*</summary>\n?")
    assert all(own.fullmatch(token.content) for token in tokens if token.type == "html_block")
    assert not [char for char in markdown(hostile) if char in "\x1b\x9b\r\u202e\u2066\u200b\ud800\U000e0041"]


def test_hostile_evidence_stays_in_its_fold() -> None:
    asked = exchange(
        url=HOSTILE, request_body=HOSTILE, body=f"````\n</details>\n{HOSTILE}\xff".encode("utf-8", "replace")
    )
    failed = result(status=Status.FAIL, exchanges=("e1", "gone"))
    tokens = PARSER.parse(markdown(run(target_run(failed, exchanges=(asked,)))))
    inside = [place for place, token in enumerate(tokens) if token.type == "html_block"]
    kinds = [token.type for token in tokens[inside[0] + 1 : inside[1]]]
    assert kinds == ["paragraph_open", "inline", "paragraph_close", "fence", "fence"]
    assert len(inside) == 2


def test_evidence_is_bounded_and_says_what_it_leaves_out() -> None:
    long = exchange(
        request_body="q" * 100_000, body=b"a" * 100_000, headers=(), error="cut after 100000 bytes"
    )
    checks = [result(f"check-{number}", status=Status.FAIL, exchanges=("e1",)) for number in range(40)]
    text = markdown(run(target_run(*checks, exchanges=(long,))))
    assert len(text) < 50_000
    assert text.count("<details>") + int(re.findall(r"evidence for (\d+) more", text)[0]) == 40
    assert text.count("cut after 100000 bytes") == text.count("<details>")


def test_more_exchanges_than_are_shown_and_an_answer_that_never_came() -> None:
    failed = result(status=Status.FAIL, exchanges=("e1", "e2", "e3"))
    silent = exchange("e1", status=None, error="connection refused")
    text = markdown(run(target_run(failed, exchanges=(silent, exchange("e2"), exchange("e3")))))
    assert "no answer: connection refused" in text
    assert "1 more in the JSON run." in text


def test_ended_early_and_simulated() -> None:
    text = markdown(run(rich_run(stopped="the deadline of 600 s is over", simulated=True)))
    assert "**Stopped early:** the deadline of 600 s is over" in text
    assert "**Simulated:** a simulation of documented behaviour: documented, not measured." in text
    assert "**incompatible, incomplete**" in text


def test_nothing_run_and_several_targets() -> None:
    assert "Nothing was run." in markdown(run())
    assert markdown(run(rich_run(), rich_run())).count("# Migration checklist: Example, m1") == 2


def test_nothing_is_ticked_that_was_not_seen_to_hold() -> None:
    ticked = re.findall(r"- \[x\] (.*)", markdown(run(rich_run())))
    assert [row.split(" (")[0] for row in ticked] == [
        "endpoint: limitations",
        "**chat-accepted** A plain chat is answered.",
        "**first-token** A plain chat is answered.",
    ]


@pytest.fixture
def checklist() -> Checklist:
    def judged() -> None:
        """A question.

        Because.
        """

    made = [
        check("plain", fix="f")(judged),
        check("lesser", fix="f", agent="should")(judged),
        check("by-hand", fix="f", kind="manual")(judged),
        check("seen", fix="f", feature="vision")(judged),
    ]
    for each in made:
        object.__setattr__(each, "item", "prompts")
    return Checklist((Item("prompts", "Prompts", "words go in."),), {each.id: each for each in made}, {})


def test_the_empty_checklist(checklist: Checklist) -> None:
    known = KnownDeviation(check="plain", summary="It *fails*.", status="open", as_of=date(2026, 8, 1))
    loose = KnownDeviation(
        catalogue="x", summary="Another.", status="contradictory", sources=("https://docs.example.test/x",)
    )
    fixed = KnownDeviation(check="plain", summary="Long ago.", status="fixed")
    profile = Profile(name="example", display_name="Example", deviations=(known, loose, fixed))
    settings = Settings(
        provider="example", base_url="https://a.test", model="m_1", without=frozenset({"vision"})
    )
    text = empty_checklist(checklist, profile, settings)
    assert text.startswith("# Migration checklist: Example, m\\_1\n")
    assert (
        "- [ ] **plain** A question.\n"
        "  - documented: It \\*fails\\*. (2026-08-01)\n"
        "- [ ] **lesser** A question. (should)\n"
        "- [ ] **by-hand** A question. (a person decides)\n"
        "- [ ] **seen** A question. (set aside: --without vision)\n"
    ) in text
    assert "- documented, sources disagree: Another. <https://docs.example.test/x>\n" in text
    assert "[x]" not in text
    assert "Long ago" not in text
    assert text.count("yours: not tested") == 7


def test_the_version_is_escaped() -> None:
    assert "<b>" not in markdown(Run("<b>", "<b>", 0.0, ()))
