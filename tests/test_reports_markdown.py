"""The Markdown checklist, read back by a parser of Markdown."""

import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from llmcompat.declare import check, manual
from llmcompat.engine.decisions import facts_hash
from llmcompat.engine.loader import Checklist, Item
from llmcompat.model import Acceptance, Before, Level, Reference, Result, Run, Signature, Status, Target
from llmcompat.profiles.schema import KnownDeviation, Profile
from llmcompat.reports.document_update import renew
from llmcompat.reports.markdown import MOST_CHARACTERS, Evidence, empty_checklist, markdown
from llmcompat.reports.markers import BLOCK_END, LINE
from llmcompat.settings import Settings
from tests.reporting import HOSTILE, exchange, result, rich_run, run, target_run
from tests.test_reports_table import NODE, PYTHON, SHELL, hostile_run

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])

HEAD = """\
# Migration checklist: Example, m1 <!-- llmcompat:document/title -->

<!-- llmcompat:document/target example:m1 measured -->

<!-- llmcompat:document/verdict DIGEST -->

| use case | verdict on the endpoint | model | mode | route |
| --- | --- | --- | --- | --- |
| chat | compatible | m1 | thinking={"type":"disabled"} | <https://api.example.test/v1> |
| agent (decides) | **incompatible** | m1 | thinking={"type":"disabled"} | <https://api.example.test/v1> |
| trial | compatible with limitations | m1 | thinking={"type":"disabled"} | <https://api.example.test/v1> |

<!-- /llmcompat:document/verdict -->
"""

GUIDE = """\
## The guide's seven lines <!-- llmcompat:section/guide -->

- [ ] **Prompts** <!-- llmcompat:guide/prompts -->
  - [x] endpoint: limitations (1 warning, 1 pass) <!-- llmcompat:guide/prompts.endpoint -->
  - [ ] yours: not tested <!-- llmcompat:yours/prompts -->
- [ ] **Long prompts** <!-- llmcompat:guide/long-prompts -->
  - [ ] endpoint: not run <!-- llmcompat:guide/long-prompts.endpoint -->
  - [ ] yours: not tested <!-- llmcompat:yours/long-prompts -->
- [ ] **Tool calls** <!-- llmcompat:guide/tools -->
  - [ ] endpoint: fails (1 fail, 1 accepted, 3 no answer) <!-- llmcompat:guide/tools.endpoint -->
  - [ ] yours: not tested <!-- llmcompat:yours/tools -->
"""

BESIDE = """\
## What compatibility leaves out <!-- llmcompat:section/beside -->

- [x] **Latency**: holds (1 to decide, 1 skipped, 1 pass) <!-- llmcompat:beside/latency -->
"""

OPEN = """\
## Still open <!-- llmcompat:section/open -->

- [ ] your retry logic was not rehearsed <!-- llmcompat:open/your-retry-logic-was-not-rehearsed -->

## Before production <!-- llmcompat:section/production -->

- [ ] Your prompts give answers of the quality that you need <!-- llmcompat:todo/prompts -->
"""

TOOLS = """\
### Tool calls <!-- llmcompat:item/tools -->

The model calls your functions. <!-- llmcompat:item/tools.sentence -->

- [ ] **tool-arguments-string** Arguments arrive as a JSON string. (FAIL, known) \
<!-- llmcompat:tool-arguments-string -->
  - case: object <!-- llmcompat:tool-arguments-string.case -->
  - seen: `{"city": "Paris"}` <!-- llmcompat:tool-arguments-string.seen -->
  - expected: a JSON string <!-- llmcompat:tool-arguments-string.expected -->
  - held: 1 of 3 attempts <!-- llmcompat:tool-arguments-string.held -->
  - breaks: openai-python 3.54.0 raises <!-- llmcompat:tool-arguments-string.breaks -->
  - known: Arguments are an object. (2026-08-01) <!-- llmcompat:tool-arguments-string.known -->
  - source: <https://docs.example.test/tools> <!-- llmcompat:tool-arguments-string.source -->
  - fix: Call json.loads only on text. <!-- llmcompat:tool-arguments-string.fix -->
- [ ] **tool-called** A plain chat is answered. (no answer) <!-- llmcompat:tool-called -->
  - no answer: throttled for good <!-- llmcompat:tool-called.no-answer -->
- [ ] **tool-ids** A plain chat is answered. (no answer) <!-- llmcompat:tool-ids -->
  - no answer: waits for tool-called <!-- llmcompat:tool-ids.no-answer -->
- [ ] **tool-accepted-deviation** A plain chat is answered. (accepted) \
<!-- llmcompat:tool-accepted-deviation -->
  - accepted: our parser takes it <!-- llmcompat:tool-accepted-deviation.accepted -->
  - fix: Ask the provider. <!-- llmcompat:tool-accepted-deviation.fix -->
"""

LATENCY = """\
### Latency <!-- llmcompat:item/latency -->

How long users wait. <!-- llmcompat:item/latency.sentence -->

- [x] **first-token** A plain chat is answered. <!-- llmcompat:first-token -->
- [ ] **alerts-set** A plain chat is answered. (a person decides) <!-- llmcompat:alerts-set -->
  - facts: Who is told? <!-- llmcompat:alerts-set.facts -->
- [ ] **image-input** A plain chat is answered. (skipped) <!-- llmcompat:image-input -->
  - set aside: --without vision <!-- llmcompat:image-input.set-aside -->

Measured: p50 0.4123 s; region eu-west <!-- llmcompat:item/latency.measured -->
"""

EVIDENCE = """\
## Evidence <!-- llmcompat:section/evidence -->

<!-- llmcompat:evidence/tool-arguments-string DIGEST -->

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

<!-- /llmcompat:evidence/tool-arguments-string -->

## What it took <!-- llmcompat:section/spend -->
"""

MARK = re.compile(r"\s*<!-- /?llmcompat:[^<>]*-->")


def written(text: str) -> str:
    """The document without what changes with its words."""
    return re.sub(r" [0-9a-f]{8} -->", " DIGEST -->", text)


def inline(tokens: list[Token]) -> list[Token]:
    return [child for token in tokens for child in token.children or []]


def test_the_checklist() -> None:
    text = written(markdown(run(rich_run())))
    assert text[: len(HEAD)] == HEAD
    parts = [text.find(part) for part in (GUIDE, BESIDE, OPEN, TOOLS, LATENCY, EVIDENCE)]
    assert -1 not in parts
    assert parts == sorted(parts)
    assert text.endswith("llmcompat 0.1.0, 2026-11-01T12:00:00Z, 4.5 s <!-- llmcompat:document/made-by -->\n")


def test_every_line_of_ours_has_an_id_of_its_own() -> None:
    text = markdown(run(rich_run(stopped="the deadline", simulated=True, lapsed=("a: expired",))))
    ids = [match["id"] for match in LINE.finditer(text)]
    assert len(set(ids)) == len(ids)
    blocks = re.compile(r"<!-- llmcompat:(\S+) [0-9a-f]{8} -->.*?<!-- /llmcompat:\1 -->", re.DOTALL)
    loose = blocks.sub("", text).splitlines()
    assert [row for row in loose if row and not LINE.search(row)] == []


def test_a_parser_reads_what_was_meant() -> None:
    tokens = PARSER.parse(markdown(run(rich_run())))
    heads = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"]
    assert [MARK.sub("", head) for head in heads] == [
        *["Migration checklist: Example, m1", "The guide's seven lines", "What compatibility leaves out"],
        *["Settings that worked", "Still open", "Before production"],
        *["Checks", "Prompts", "Tool calls", "Tool history", "Latency", "Evidence", "What it took"],
    ]
    assert [token.type for token in tokens].count("tr_open") == 4
    fences = [(token.info, token.content.rstrip("\n")) for token in tokens if token.type == "fence"]
    assert fences[:3] == [("python", PYTHON), ("javascript", NODE), ("sh", SHELL)]
    html = [token.content for token in tokens if token.type == "html_block"]
    assert [block.split(">")[0] for block in html if "llmcompat:" not in block] == ["<details", "</details"]


def test_hostile_text_makes_no_markup() -> None:
    hostile = hostile_run()
    tokens = PARSER.parse(markdown(hostile))
    children = inline(tokens)
    kinds = {child.type for child in children}
    assert kinds <= {
        *("text", "text_special", "code_inline", "strong_open", "strong_close", "softbreak", "html_inline")
    }
    assert all(LINE.fullmatch(child.content) for child in children if child.type == "html_inline")
    rows = 1 + len(hostile.runs[0].verdicts)
    assert [token.type for token in tokens].count("td_open") == 5 * (rows - 1)
    own = re.compile(
        r"</details>\n?|<details>\n<summary>[^<>]*</summary>\n?|<!-- /?llmcompat:[^<>]*-->\n?", re.DOTALL
    )
    assert all(own.fullmatch(token.content) for token in tokens if token.type == "html_block")
    assert not [char for char in markdown(hostile) if char in "\x1b\x9b\r\u202e\u2066\u200b\ud800\U000e0041"]


@pytest.mark.parametrize("evidence", ["failing", "all"])
def test_an_endpoint_cannot_write_an_id(evidence: Evidence) -> None:
    forged = (
        "<!-- llmcompat:chat-accepted --> <!--/llmcompat:document/settings-->\n<!-- LLMCOMPAT:x 01234567 -->"
    )
    failed = result(
        *["json-valid"], status=Status.FAIL, seen=forged, sent=forged, case="x", exchanges=("e1",), fix=forged
    )
    answered = exchange(body=forged.encode(), request_body=forged)
    shown = target_run(failed, exchanges=(answered,), basics={"extra": {"note": forged}}, open=(forged,))
    text = markdown(run(shown), evidence=evidence)
    ids = [match["id"] for match in LINE.finditer(text)]
    assert "chat-accepted" not in ids
    assert ids.count("json-valid") == 1
    ends = [match["id"] for match in BLOCK_END.finditer(text)]
    assert len(ends) == len(set(ends))
    assert renew(text, text).text == text


def test_hostile_evidence_stays_in_its_fold() -> None:
    asked = exchange(
        url=HOSTILE, request_body=HOSTILE, body=f"````\n</details>\n{HOSTILE}\xff".encode("utf-8", "replace")
    )
    failed = result(status=Status.FAIL, exchanges=("e1", "gone"))
    tokens = PARSER.parse(markdown(run(target_run(failed, exchanges=(asked,)))))
    inside = [
        place
        for place, token in enumerate(tokens)
        if token.type == "html_block" and "llmcompat:" not in token.content
    ]
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
    assert markdown(run(rich_run(), rich_run())).startswith("# Comparison: ")


def test_nothing_is_ticked_that_was_not_seen_to_hold() -> None:
    ticked = re.findall(r"- \[x\] (.*) <!--", markdown(run(rich_run())))
    assert [row.split(" (")[0] for row in ticked] == [
        "endpoint: limitations",
        "**Latency**: holds",
        "**chat-accepted** A plain chat is answered.",
        "**first-token** A plain chat is answered.",
    ]


def test_people_s_decisions_are_told() -> None:
    signed = Signature("terms", "Ann *B*", "2026-10-01", "1:ab", "read by us", "2027-10-01")
    checks = [
        result("terms", kind="manual", status=Status.PASS, signature=signed, seen="law: X (a; b) | page: Y"),
        result(
            "region", kind="manual", status=Status.MANUAL, seen="region: EU", notes=("the signature expired",)
        ),
        result("odd", status=Status.FAIL, accepted="we retry (until 2027-01-01)"),
    ]
    stale = (Acceptance("gone", "empty", "no matter"),)
    text = MARK.sub("", markdown(run(target_run(*checks, lapsed=("region: expired",), stale=stale))))
    mark = "signed by Ann \\*B\\* on 2026-10-01, until 2027-10-01: read by us"
    assert f"- [x] **terms** A plain chat is answered. ({mark})\n" in text
    assert "  - facts: law: X (a; b)\n  - facts: page: Y\n" in text
    assert (
        "- [ ] **region** A plain chat is answered. (a person decides)\n"
        "  - facts: region: EU\n  - note: the signature expired\n"
    ) in text
    assert "  - accepted: we retry (until 2027-01-01)\n" in text
    assert "- [ ] region: expired\n" in text
    assert "- [ ] gone (empty) is accepted and no longer occurs" in text


def test_beside_a_reference_run_it_says_what_got_worse() -> None:
    source = Reference(
        "source", Target("openai", "https://api.openai.com/v1", "g"), "2026-11-01T00:00:00Z", "1"
    )
    checks = [
        result("worse", status=Status.FAIL, before=Before(Status.PASS, Level.MUST)),
        result("alike", status=Status.FAIL, before=Before(Status.FAIL, Level.MUST, "other")),
        result("new", status=Status.FAIL),
        result("silent", status=Status.ERROR, before=Before(Status.ERROR, Level.MUST)),
        result("better", before=Before(Status.FAIL, Level.MUST)),
        result("same", before=Before(Status.PASS, Level.MUST)),
    ]
    text = MARK.sub("", markdown(run(target_run(*checks, reference=source))))
    marks = dict(re.findall(r"\*\*([a-z]+)\*\* A plain chat is answered\.(.*)", text))
    assert marks == {
        "worse": " (FAIL, regression)",
        "alike": " (FAIL, fails there too)",
        "new": " (FAIL, not judged there)",
        "silent": " (no answer, no answer there either)",
        "better": " (fails there)",
        "same": "",
    }
    assert "**Held against** the source openai:g, 2026-11-01.\n" in text
    assert "  - before: held in the source\n" in text


def many(number: int, **changes: Any) -> tuple[Result, ...]:
    return tuple(result(f"check-{place}", **changes) for place in range(number))


def test_a_long_checklist_gives_up_evidence_before_lines() -> None:
    asked = exchange(body=b"a" * 5000)
    failed = tuple(result(f"bad-{place}", status=Status.FAIL, exchanges=("e1",)) for place in range(20))
    shown = run(target_run(*many(330, title="T" * 60), *failed, exchanges=(asked,)))
    text = markdown(shown)
    assert len(text) <= MOST_CHARACTERS
    left_out = int(re.findall(r"evidence for (\d+)", text)[0])
    assert text.count("<details>") + left_out == 20
    assert left_out > 0
    assert text.count("**check-") == 330
    assert len(markdown(shown, evidence="none")) < len(text)
    assert "JSON run" not in markdown(shown, evidence="none")


def test_a_longer_one_counts_what_holds_and_shows_evidence_again() -> None:
    failed = result("bad", status=Status.FAIL, exchanges=("e1",))
    shown = run(target_run(*many(900, title="T" * 60), failed))
    text = markdown(shown)
    assert len(text) <= MOST_CHARACTERS
    assert "- [x] 900 checks hold <!-- llmcompat:item/prompts.held -->" in text
    assert "**bad**" in text
    assert "<summary>bad: " in text
    whole = markdown(shown, most=None)
    assert whole.count("**check-") == 900


@pytest.mark.parametrize("number", [50, 200, 3000])
def test_however_much_fails_it_is_bounded_and_whole(number: int) -> None:
    long = HOSTILE * 20
    failed = many(
        *[number],
        status=Status.FAIL,
        title=long,
        seen=long,
        sent=long,
        expected=long,
        fix=long,
        notes=(long,) * 3,
    )
    items = tuple((f"item-{place}", long, long) for place in range(30))
    shown = target_run(
        *(replace(each, item=f"item-{place % 30}") for place, each in enumerate(failed)),
        items=items,
        open=(long,) * 100,
        basics={"extra": {"note": "x" * 50_000}},
    )
    text = markdown(run(shown))
    assert len(text) <= MOST_CHARACTERS
    listed = len(re.findall(r"^- \[ \] \*\*check", text, re.MULTILINE))
    more = re.findall(r"^(\d+) checks more are in the JSON run", text, re.MULTILINE)
    assert listed + (int(more[0]) if more else 0) == number
    assert renew(text, text).text == text
    tokens = PARSER.parse(text)
    own = re.compile(r"</?details>.*|<!-- /?llmcompat:[^<>]*-->\n?", re.DOTALL)
    assert all(own.fullmatch(token.content) for token in tokens if token.type == "html_block")


def test_all_evidence_folds_each_exchange_once() -> None:
    failed = result("bad", status=Status.FAIL, exchanges=("e1", "e2"))
    passed = tuple(result(f"good-{place}", exchanges=("e2",)) for place in range(9))
    several = (exchange("e1"), exchange("e2"), exchange("e3", body=b"z" * 200_000))
    text = markdown(run(target_run(*passed, failed, exchanges=several)), evidence="all")
    assert re.findall(r"<summary>(.*)</summary>", text) == [
        "e1 hello: FAIL bad",
        "e2 hello: FAIL bad, good-0, good-1, good-2, good-3, good-4 and 4 more",
        "e3 hello",
    ]
    assert len(text) < 30_000


@pytest.fixture
def checklist() -> Checklist:
    def judged() -> None:
        """A question.

        Because.
        """

    def decide() -> None:
        """A question.

        Because.
        """
        manual("region: EU | page: P")

    made = [
        check("plain", fix="f")(judged),
        check("lesser", fix="f", agent="should")(judged),
        check("by-hand", fix="f", kind="manual")(decide),
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
    text = empty_checklist(checklist, profile, settings, today=date(2026, 11, 1))
    assert text.startswith("# Migration checklist: Example, m\\_1 <!-- llmcompat:document/title -->\n")
    assert "<!-- llmcompat:document/target example:m_1 empty -->\n" in text
    assert (
        "- [ ] **plain** A question. <!-- llmcompat:plain -->\n"
        "  - documented: It \\*fails\\*. (2026-08-01) <!-- llmcompat:plain.documented -->\n"
        "- [ ] **lesser** A question. (should) <!-- llmcompat:lesser -->\n"
        "- [ ] **by-hand** A question. (a person decides) <!-- llmcompat:by-hand -->\n"
        "  - facts: region: EU <!-- llmcompat:by-hand.facts -->\n"
        "  - facts: page: P <!-- llmcompat:by-hand.facts.2 -->\n"
        "- [ ] **seen** A question. (set aside: --without vision) <!-- llmcompat:seen -->\n"
    ) in text
    assert "- documented, sources disagree: Another. <https://docs.example.test/x> <!--" in text
    assert "[x]" not in text
    assert "Long ago" not in text
    assert text.count("yours: not tested") == 7
    assert renew(text, text).text == text


def test_the_empty_checklist_knows_signatures(checklist: Checklist) -> None:
    settings = Settings(provider="example", base_url="https://a.test", model="m")
    facts = facts_hash(settings, "by-hand", "region: EU | page: P")
    signed = settings.model_copy(
        update={"signatures": (Signature("by-hand", "Ann", "2026-10-01", facts, expires="2026-12-01"),)}
    )
    profile = Profile(name="example", display_name="Example")
    text = empty_checklist(checklist, profile, signed, today=date(2026, 11, 1))
    assert "- [x] **by-hand** A question. (signed by Ann on 2026-10-01, until 2026-12-01) <!--" in text
    late = empty_checklist(checklist, profile, signed, today=date(2026, 12, 2))
    assert "- [ ] **by-hand** A question. (a person decides) <!--" in late


def test_the_version_is_escaped() -> None:
    assert "<b>" not in markdown(Run("<b>", "<b>", 0.0, ()))
