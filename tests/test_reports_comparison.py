"""Several targets beside each other: what is told one by one, what together, and what is only published."""

import re
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.cells import cell_len

from llmcompat.model import (
    Known,
    Level,
    Reference,
    Result,
    Spend,
    Status,
    Target,
    TargetRun,
    UseCase,
    Verdict,
)
from llmcompat.reports.comparison import Cell, comparison, glance, join, labels
from llmcompat.reports.comparison_markdown import MOST_CHARACTERS, comparison_markdown
from llmcompat.reports.markdown import markdown
from llmcompat.reports.table import table_text
from tests.reporting import HOSTILE, result, rich_run, run, target_run

SOURCE = "https://docs.example.test/policy"
LATENCY = {
    "first token, p50": {"value": 0.41, "unit": "s"},
    "tokens a second, p50": {"value": 112.5, "unit": "tokens/s"},
}
PRICING = {"input": 0.15, "output": 0.6, "source": "https://example.test/prices", "as_of": "2026-09-10"}
DOCUMENT = {
    "models": {"default": {"value": "m1"}},
    "limits": {"context_window": {"value": 131072, "sources": [SOURCE], "as_of": "2026-10-03"}},
    "data_policy": {
        "retention": {"value": "30 days", "sources": [SOURCE], "as_of": "2026-02-10", "confirmed": False},
        "region": {"value": ["EU", "US"], "sources": [SOURCE], "as_of": "2026-10-03", "note": "Read once."},
        "training": {"value": "never"},
    },
}


def fails(id: str, **changes: Any) -> Result:
    return result(id, status=Status.FAIL, **changes)


def waits(id: str, owner: str) -> Result:
    return result(id, status=Status.ERROR, blocked_by=owner, reason=f"blocked by {owner}")


def named(provider: str, *checks: Result, model: str = "m1", **changes: Any) -> TargetRun:
    target = Target(provider, f"https://{provider}.test/v1", model)
    return target_run(*checks, **({"target": target} | changes))


def alpha(**changes: Any) -> TargetRun:
    """A target with a failure that others wait for."""
    known = Known(SOURCE, "2026-08-01", "Refused.")
    fields: dict[str, Any] = {
        "settings": {"pricing": PRICING},
        "profile": {"document": DOCUMENT, "base_url": "https://alpha.test/v1"},
    }
    return named(
        "alpha",
        result("plain"),
        result("also-plain"),
        fails("schema-accepted", item="tools", known=known, case="refused", seen="400", fix="Use JSON mode."),
        waits("schema-followed", "schema-accepted"),
        waits("schema-order", "schema-followed"),
        result("warned"),
        result("latency", item="latency", facts=LATENCY),
        result("switch", status=Status.SKIP, reason="none is known"),
        **(fields | changes),
    )


def beta(**changes: Any) -> TargetRun:
    """A target with a warning and without a profile."""
    fields: dict[str, Any] = {"spend": Spend(9), "verdicts": {"agent": Verdict.WITH_LIMITATIONS}}
    return named(
        "beta",
        result("plain"),
        result("also-plain"),
        result("schema-accepted", item="tools"),
        result("schema-followed"),
        result("schema-order"),
        fails("warned", level=Level.SHOULD),
        result("latency", item="latency", facts={}),
        result("switch"),
        **(fields | changes),
    )


def gone(**changes: Any) -> TargetRun:
    """A target that was not reached."""
    ids = ("plain", "also-plain", "schema-accepted", "warned", "latency", "switch")
    unreachable = [result(id, status=Status.ERROR, reason="connection refused") for id in ids]
    fields: dict[str, Any] = {
        "stopped": "connection refused",
        "verdicts": {"agent": Verdict.NO_ANSWER},
        "spend": Spend(1),
    }
    return named("gone", *unreachable, **(fields | changes))


def test_what_fails_comes_first_and_what_all_pass_is_a_count() -> None:
    compared = comparison(run(alpha(), beta()))
    assert compared.labels == ("alpha", "beta")
    assert [(row.id, [cell.word for cell in row.cells]) for row in compared.single] == [
        ("schema-accepted", ["FAIL", "pass"]),
        ("warned", ["pass", "warning"]),
        ("switch", ["skip", "pass"]),
    ]
    assert compared.single[0].cells[0] == Cell("FAIL", "refused", True, SOURCE)
    assert compared.alike == (("Prompts", "2 pass"), ("Latency", "1 pass"))
    assert not compared.rows[0].alike
    assert {row.id for row in compared.rows} == {each.id for each in alpha().checks}


def test_what_waits_for_one_failure_is_told_as_one_also_along_a_chain() -> None:
    (folded,) = comparison(run(alpha(), beta())).folded
    assert folded.what == "2 checks wait for schema-accepted"
    assert folded.ids == ("schema-followed", "schema-order")
    assert [cell.word for cell in folded.cells] == ["no answer", "pass"]


def test_a_circle_of_waiting_checks_ends() -> None:
    odd = named("odd", result(), waits("a", "b"), waits("b", "a"))
    assert len(comparison(run(odd, odd)).rows) == 3


def test_two_ways_to_fail_are_told_apart() -> None:
    one, other = (named(name, fails("x", case=name)) for name in ("a", "b"))
    assert [row.alike for row in comparison(run(one, other)).rows] == [False]
    assert [row.alike for row in comparison(run(one, one)).rows] == [True]


def test_many_that_differ_without_a_failure_are_told_as_one() -> None:
    ids = [f"check-{number}" for number in range(6)]
    passing = named("a", *(result(id) for id in ids))
    skipped = named("b", result("plain"), *(result(id, status=Status.SKIP) for id in ids))
    (folded,) = comparison(run(passing, skipped)).folded
    assert (folded.what, folded.ids) == ("6 checks of which none fails", tuple(ids))
    few = comparison(run(passing, replace(skipped, checks=skipped.checks[:6])))
    assert not few.folded
    assert len(few.single) == 5


def test_one_that_is_not_reached_spoils_nothing() -> None:
    both, three = comparison(run(alpha(), beta())), comparison(run(alpha(), gone(), beta()))
    assert three.alike == both.alike
    assert [row.id for row in three.single] == [row.id for row in both.single]
    assert {row.cells[1].word for row in three.rows} == {"no answer"}
    assert "gone has no results: connection refused" in three.remarks
    figures = dict(glance(three))
    assert figures["musts failed"] == ("1", "unknown", "0")
    assert figures["agent"][1] == "no answer, incomplete (decides)"


def test_none_is_reached() -> None:
    compared = comparison(run(gone(), gone(target=Target("other", "https://x.test/v1", "m"))))
    (folded,) = compared.folded
    assert folded.what == "6 checks without an answer: connection refused"
    assert not compared.single


def test_figures() -> None:
    figures = dict(glance(comparison(run(alpha(), beta()))))
    assert figures == {
        "model": ("m1", "m1"),
        "chat": ("compatible", "not run"),
        "agent": ("incompatible (decides)", "compatible with limitations (decides)"),
        "trial": ("compatible with limitations", "not run"),
        "musts failed": ("1", "0"),
        "warnings": ("0", "1"),
        "no answer": ("2", "0"),
        "first token p50": ("0.41 s", "not measured"),
        "tokens/s p50": ("112.5", "not measured"),
        "USD of the run": ("0.0007", "unknown"),
        "USD per 1M in": ("0.15", "unknown"),
        "USD per 1M out": ("0.6", "unknown"),
        "USD per 1M cached": ("unknown", "unknown"),
        "prices from": ("https://example.test/prices, 2026-09-10", "—"),
        "context window": ("131K tokens", "unknown"),
        "requests": ("31", "9"),
        "run took": ("3.2 s", "3.2 s"),
    }


def test_a_simulation_is_marked_and_none_of_its_times_is_shown() -> None:
    compared = comparison(run(alpha(simulated=True), beta()))
    figures = dict(glance(compared))
    assert figures["basis"] == ("documented, not measured", "measured")
    assert figures["first token p50"][0] == figures["tokens/s p50"][0] == "not measured"
    assert figures["USD of the run"][0] == "none: simulated"
    assert compared.remarks[0].startswith("alpha: a simulation of documented behaviour")
    both = comparison(run(alpha(simulated=True), beta(simulated=True)))
    assert both.remarks[0].startswith("All of this is a simulation")


@pytest.mark.parametrize(
    ("model", "settings", "window"),
    [
        ("m1", {}, "131K tokens"),
        ("another", {}, "unknown"),
        ("another", {"context_window": 32000}, "32K tokens"),
        ("m1", {"context_window": 8000}, "8K tokens"),
    ],
)
def test_a_published_window_is_that_of_the_default_model_alone(
    model: str, settings: dict[str, Any], window: str
) -> None:
    target = Target("alpha", "https://alpha.test/v1", model)
    assert dict(glance(comparison(run(alpha(target=target, settings=settings)))))["context window"] == (
        window,
    )


@pytest.mark.parametrize("pricing", [None, {}, {"input": "free"}, "x", {"input": None, "output": 1}])
def test_a_price_that_is_none_is_unknown(pricing: object) -> None:
    figures = dict(glance(comparison(run(alpha(settings={"pricing": pricing})))))
    assert figures["USD per 1M in"] == ("unknown",)
    own = dict(glance(comparison(run(alpha(settings={"loopback": True})))))
    assert own["USD per 1M in"] == ("none: own machine",)


def test_facts_with_source_date_and_doubts_and_nothing_guessed() -> None:
    compared = comparison(run(alpha(), beta()))
    assert compared.facts_missing == ("beta",)
    facts = {fact.name: fact for fact in compared.facts}
    assert list(facts) == ["retention", "zero_retention", "training", "region"]
    retention, nothing = facts["retention"].published
    assert nothing is None
    assert retention is not None
    assert (retention.value, retention.sources) == ("30 days", (SOURCE,))
    assert retention.remarks == ("as of 2026-02-10", "more than 90 days old", "unconfirmed")
    region = facts["region"].published[0]
    assert region is not None
    assert (region.value, region.remarks) == ("EU, US", ("as of 2026-10-03", "Read once"))
    assert [fact.name for fact in compared.differing_facts] == ["retention", "training", "region"]
    assert not comparison(run(alpha(), alpha())).differing_facts


@pytest.mark.parametrize(
    "document", [None, [], "x", {}, {"data_policy": []}, {"data_policy": {"region": "EU"}}]
)
def test_what_has_not_the_form_of_a_profile_is_unknown(document: object) -> None:
    compared = comparison(run(alpha(profile={"document": document})))
    assert {fact.published for fact in compared.facts} == {(None,)}
    assert table_text(run(alpha(profile={"document": document}), beta()))


def test_what_is_not_like_for_like_is_said_first() -> None:
    other = beta(
        use_case=UseCase.CHAT,
        settings={"quick": True, "only": ["a"], "without": ["vision"]},
        started_at="2026-12-24T10:00:00Z",
        checks=(result("plain"), result("new")),
        profile={"tool_version": "0.2.0"},
    )
    target = Target("alpha", "https://proxy.test/v1", "m1")
    assert comparison(run(alpha(target=target), other)).remarks == (
        "The use cases differ: agent at alpha; chat at beta.",
        "The versions of llmcompat differ: 0.1.0 at alpha; 0.2.0 at beta.",
        "Not the same checks were chosen: 8 at alpha, 2 at beta (--quick, --only); each line compares the "
        "targets that ran it.",
        "The features asked for differ: those of the use case at alpha; --without vision at beta.",
        "The days of the run differ: 2026-11-01 at alpha; 2026-12-24 at beta.",
        "alpha was asked at https://proxy.test/v1; what is published of it was published for "
        "https://alpha.test/v1.",
    )
    assert comparison(run(alpha(), beta())).remarks == ()
    before = Reference("baseline", Target("openai", "https://openai.test/v1", "m0"), "2026-10-01", "0.1.0")
    assert comparison(run(alpha(reference=before), beta())).remarks == (
        "alpha was held against openai:m0 of 2026-10-01; here stands what it does itself.",
    )
    assert comparison(run(beta(), beta())).remarks == ("beta (2) is the same run as beta.",)


def test_a_check_that_a_run_did_not_choose_is_no_difference() -> None:
    compared = comparison(run(alpha(), beta(checks=(result("plain"),))))
    assert "also-plain" not in {row.id for row in compared.single}
    assert compared.single[0].cells[1].word == "not run"


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"target": Target("beta", "https://b.test", "m")}, ("alpha", "beta")),
        ({"target": Target("alpha", "https://alpha.test/v1", "m2")}, ("alpha:m1", "alpha:m2")),
        (
            {"target": Target("alpha", "https://alpha.test/v1", "m1", role="chat")},
            ("alpha", "alpha (chat)"),
        ),
        (
            {"target": Target("alpha", "http://localhost:8/v1", "m1")},
            ("alpha at alpha.test", "alpha at localhost:8"),
        ),
        ({"simulated": True}, ("alpha at alpha.test", "alpha")),
        (
            {"target": Target("alpha", "https://alpha.test/v1", "m1", {"n": 2})},
            ("alpha [plain]", "alpha [n=2]"),
        ),
        ({"started_at": "2026-11-02T12:00:00Z"}, ("alpha 2026-11-01", "alpha 2026-11-02")),
        ({"started_at": "2026-11-01T13:00:00Z"}, ("alpha 12:00:00", "alpha 13:00:00")),
        ({}, ("alpha", "alpha (2)")),
    ],
)
def test_labels_tell_targets_of_one_name_apart(changes: dict[str, Any], names: tuple[str, ...]) -> None:
    assert labels([alpha(), alpha(**changes)]) == names


def test_a_number_never_takes_a_name_that_is_there() -> None:
    several = [named("a"), named("a"), named("a (2)"), named("a")]
    assert len(set(labels(several))) == 4


def test_runs_are_joined_in_the_order_given() -> None:
    old = replace(run(alpha()), tool_version="0.1.0", started_at="2026-11-02T00:00:00Z", seconds=1.0)
    new = replace(run(beta(), gone()), tool_version="0.2.0", seconds=2.0)
    joined = join([old, new], tool_version="0.3.0")
    assert [each.target.provider for each in joined.runs] == ["alpha", "beta", "gone"]
    assert (joined.tool_version, joined.started_at, joined.seconds) == ("0.3.0", "2026-11-01T12:00:00Z", 3.0)
    assert [each.profile["tool_version"] for each in joined.runs] == ["0.1.0", "0.2.0", "0.2.0"]
    same = join([old, old], tool_version="0.3.0")
    assert (same.tool_version, same.runs[0]) == ("0.1.0", old.runs[0])


TABLE = """\
llmcompat 0.1.0

Comparison of 3 targets
-  Not the same checks were chosen: 8 at alpha, 6 at gone, 8 at beta; each
   line compares the targets that ran it.
-  gone has no results: connection refused

at a glance         alpha                gone                 beta
────────────────────────────────────────────────────────────────────────────────
"""

MATRIX = """\
Where they fail or differ
check                               alpha      gone       beta
──────────────────────────────────────────────────────────────────
schema-accepted                     FAIL*      ?          pass
warned                              pass       ?          warn
switch                              —          ?          pass
2 checks wait for schema-accepted   ?          ?          pass
* documented in the profile; ? no answer; — set aside

The same at all that answered
  Prompts  2 pass
  Latency  1 pass

Published facts that differ (not measured)
  no profile stands in the run of gone, beta: all unknown
  retention
    alpha: 30 days (as of 2026-02-10, more than 90 days old, unconfirmed)
      https://docs.example.test/policy
    gone, beta: unknown
  training
    alpha: never (no date given)
      no source given
    gone, beta: unknown
  region
    alpha: EU, US (as of 2026-10-03, Read once)
      https://docs.example.test/policy
    gone, beta: unknown
  unknown of all: zero retention

What was seen and what to change: --verbose, a Markdown export, or `llmcompat
explain ID`.
"""


def test_the_terminals_table() -> None:
    text = table_text(run(alpha(), gone(), beta()), width=80)
    assert text[: len(TABLE)] == TABLE
    assert text[-len(MATRIX) :] == MATRIX


def test_each_target_in_full_comes_below_and_only_where_it_is_asked_for() -> None:
    text = table_text(run(alpha(), beta()), verbose=True)
    assert text.index("Where they fail or differ") < text.index("The guide's seven lines")
    assert text.count("The guide's seven lines") == 2
    assert "--verbose" not in text


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("number", [2, 3, 10])
def test_no_column_is_lost_and_no_id_cut(width: int, number: int) -> None:
    many = [named(f"provider-{place}", *alpha().checks) for place in range(number)]
    text = table_text(run(*many), width=width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert "…" not in text
    matrix = text[text.index("Where they fail") : text.index("The same at all")]
    assert len(re.findall("FAIL", matrix)) == number
    packed = re.sub(r"\s", "", text)
    for place in range(number):
        assert f"provider-{place}" in packed
    if width >= 80:
        assert "\nschema-accepted " in matrix


def test_nobody_fails() -> None:
    fine = [named(name, result("plain")) for name in ("a", "b")]
    assert "  nowhere: no check failed at any of them\n" in table_text(run(*fine))
    assert "Nowhere: no check failed at any of them." in comparison_markdown(run(*fine))


def hostile(number: int = 3) -> list[TargetRun]:
    """Runs in which every field that an endpoint or a file reaches holds hostile text."""
    fact = {"value": HOSTILE, "sources": [HOSTILE, HOSTILE], "as_of": HOSTILE, "note": HOSTILE}
    checks = [
        result(
            f"{HOSTILE}{place}{status}" if place == 9 else f"check-{place}-{status}",
            item=HOSTILE,
            title=HOSTILE,
            status=status,
            case=HOSTILE,
            seen=HOSTILE * 9,
            expected=HOSTILE,
            reason=f"{HOSTILE}{place}",
            fix=HOSTILE * 9,
            accepted=HOSTILE if place == 2 else None,
            known=Known(HOSTILE if place % 2 else SOURCE, HOSTILE, HOSTILE),
        )
        for place in range(10)
        for status in Status
    ]
    return [
        target_run(
            *checks,
            target=Target(f"{HOSTILE}{place}", HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, HOSTILE),
            verdicts={HOSTILE: Verdict.COMPATIBLE},
            open=(HOSTILE,),
            stopped=HOSTILE * 9,
            started_at=HOSTILE,
            settings={"pricing": {**PRICING, "source": HOSTILE}, "uses": [HOSTILE]},
            profile={
                "tool_version": f"{HOSTILE}{place}",
                "base_url": HOSTILE,
                "document": {"data_policy": {HOSTILE: fact, "region": {**fact, "value": f"{place}"}}},
            },
            items=((HOSTILE, HOSTILE, HOSTILE),),
        )
        for place in range(number)
    ]


def test_hostile_text_steers_no_terminal() -> None:
    text = table_text(run(*hostile()), width=100)
    unsafe = ("Cc", "Cf", "Cs", "Zl", "Zp")
    assert not [char for char in text if char != "\n" and unicodedata.category(char) in unsafe]
    assert max(cell_len(line) for line in text.splitlines()) <= 100


PARSER = MarkdownIt("commonmark").enable("table")


def cells_by_row(text: str) -> list[int]:
    """How many cells each row of each table has."""
    counts: list[int] = []
    for token in PARSER.parse(text):
        if token.type == "tr_open":
            counts.append(0)
        elif token.type in ("td_open", "th_open"):
            counts[-1] += 1
    return counts


def links(text: str) -> list[str]:
    inline = [child for token in PARSER.parse(text) for child in token.children or ()]
    return [str(token.attrs["href"]) for token in inline if token.type == "link_open"]


MARKDOWN = """\
# Comparison: alpha and beta

|  | alpha | beta |
| --- | --- | --- |
| model | m1 | m1 |
| chat | compatible | not run |
| agent | **incompatible (decides)** | **compatible with limitations (decides)** |
"""

FINDINGS = """\
## What fails, and what to change

<details>
<summary>alpha: 1 fail</summary>

- open: your retry logic was not rehearsed
- <a id="t1-schema-accepted"></a>**schema-accepted** A plain chat is answered. (FAIL, known, case refused)
  - seen: `400`
  - expected: 200
  - known: Refused. (2026-08-01) <https://docs.example.test/policy>
  - fix: Use JSON mode.

</details>

<details>
<summary>beta: 1 warning</summary>
"""


def test_the_markdown_document() -> None:
    first, *rest = alpha().checks
    checks = (
        first,
        *(replace(each, expected="200") if each.status is Status.FAIL else each for each in rest),
    )
    text = markdown(run(alpha(checks=checks), beta()))
    assert text[: len(MARKDOWN)] == MARKDOWN
    assert FINDINGS in text
    assert (
        "| **schema-accepted** A plain chat is answered. | [**FAIL**](#t1-schema-accepted), "
        "[known](<https://docs.example.test/policy>) | pass |\n" in text
    )
    assert "| 2 checks wait for schema-accepted | no answer | pass |\n" in text
    assert "- 2 checks wait for schema-accepted: schema-followed, schema-order\n" in text
    assert "| prices from | <https://example.test/prices>, as of 2026-09-10 | — |\n" in text
    assert (
        "| retention | 30 days ([source](<https://docs.example.test/policy>), as of 2026-02-10, "
        "more than 90 days old, unconfirmed) | unknown |\n" in text
    )


def test_every_row_has_a_cell_for_each_target_and_every_link_leads_somewhere() -> None:
    text = comparison_markdown(run(alpha(), gone(), beta(), rich_run()))
    assert len(cells_by_row(text)) > 20
    assert set(cells_by_row(text)) == {5}
    inner = [link.removeprefix("#") for link in links(text) if link.startswith("#")]
    assert len(inner) == 5
    assert set(inner) == set(re.findall(r'<a id="([^"]+)"></a>', text))


def test_hostile_text_makes_no_markup_and_breaks_no_table() -> None:
    text = comparison_markdown(run(*hostile()))
    assert set(cells_by_row(text)) == {4}
    tokens = PARSER.parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    assert all(link.startswith(("#t", SOURCE)) for link in links(text))
    assert not [token for token in inline if token.type == "image"]
    tags = {token.content for token in inline if token.type == "html_inline"}
    assert all(re.fullmatch(r'<a id="t\d+-[a-z0-9-]+">|</a>', tag) for tag in tags)
    blocks = [token.content.strip() for token in tokens if token.type == "html_block"]
    assert all(re.match(r"<details>\n<summary>[^<>]*</summary>\Z|</details>\Z", block) for block in blocks)
    assert text.count("<details>") == text.count("\n</details>")


@pytest.mark.parametrize("number", [2, 5, 10])
def test_the_document_fits_into_a_ticket(number: int) -> None:
    text = comparison_markdown(run(*hostile(number)))
    assert len(text) < MOST_CHARACTERS
    assert "more are in the JSON run." in text
    assert set(cells_by_row(text)) == {number + 1}
