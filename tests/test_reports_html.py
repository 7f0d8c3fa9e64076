"""The HTML report, read back by a parser of HTML; tests/test_html_in_browser.py opens it in a browser."""

import base64
import dataclasses
import hashlib
import os
import re
import stat
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest

from llmcompat.model import (
    Acceptance,
    Before,
    ClientOutcome,
    Exchange,
    Known,
    Level,
    Location,
    Reference,
    Result,
    Run,
    Signature,
    Status,
    Target,
    TargetRun,
    Verdict,
)
from llmcompat.reports import FORMATS
from llmcompat.reports.html_report import plots
from llmcompat.reports.html_report.evidence import Budget, arrivals, body, shown_exchange, timeline
from llmcompat.reports.html_report.page import html_text
from llmcompat.reports.html_report.view import page
from llmcompat.reports.spend import GROUND, ItemSpend, tokens_by_item
from llmcompat.simulator.server import running
from tests.reporting import HOSTILE, exchange, result, rich_run, run, target_run
from tests.test_reports_table import hostile_run

ROOT = Path(__file__).resolve().parent.parent

CHUNKS = [b'data: {"id":"c1","choices":[{"delta":{"content":"%d"}}]}\n\n' % number for number in range(20)]


def stream(id: str = "e1", **changes: Any) -> Exchange:
    """A stream of 20 events, two in each read, a tenth of a second apart."""
    pieces = [CHUNKS[number] + CHUNKS[number + 1] for number in range(0, 20, 2)]
    ends = [sum(map(len, pieces[: number + 1])) for number in range(10)]
    fields: dict[str, Any] = {
        "body": b"".join(pieces),
        "headers": (("content-type", "text/event-stream; charset=utf-8"),),
        "arrivals": tuple((end, 0.5 + number / 10) for number, end in enumerate(ends)),
        "headers_seconds": 0.25,
        "seconds": 1.5,
    }
    return exchange(id, **(fields | changes))


def counted(id: str, prompt: int, completion: int, **changes: Any) -> Exchange:
    """An answer with a usage."""
    text = f'{{"choices":[],"usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion}}}}}'
    return exchange(id, body=text.encode(), **changes)


def telling_run(**changes: Any) -> TargetRun:
    """A run with figures, a stream, a price, and all that a run may carry beside its results."""
    told = rich_run()
    checks = [
        dataclasses.replace(
            each,
            before=Before(Status.PASS, Level.MUST),
            sources=("https://tracker.example.test/7", "https://docs.example.test/tools"),
        )
        if each.id == "tool-arguments-string"
        else each
        for each in told.checks
    ]
    signed = Signature("data-region", "A. Person", "2026-11-02", "00", "read the contract", "2027-11-02")
    measured = {
        "first token, p50": {"value": 0.5, "unit": "s"},
        "first token, p95 of 5": {"value": 0.75, "unit": "s"},
        "tokens a second, p50": {"value": 40.5, "unit": "tokens/s"},
    }
    checks += [
        result("latency", item="latency", facts=measured, exchanges=("e2",)),
        result("data-region", item="prompts", kind="manual", signature=signed, seen="Where is it kept?"),
    ]
    target = Target("old", "https://old.example.test/v1", "m0")
    fields: dict[str, Any] = {
        "exchanges": (counted("e1", 100, 20), stream("e2"), counted("e3", 7, 3)),
        "settings": {"pricing": {"input": 1.0, "output": 10.0}},
        "stale": (Acceptance("tool-ids", "missing", "our parser makes ids"),),
        "lapsed": ("signature of alerts-set: expired on 2026-10-01",),
        "reference": Reference("baseline", target, "2026-10-01T00:00:00Z", "0.1.0"),
        "location": Location("llmcompat.yaml", 12),
    }
    return dataclasses.replace(told, checks=tuple(checks), **(fields | changes))


def parsed(run: Run) -> Element:
    """The page as a tree; anything that is not valid syntax raises."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    tree: Element = parser.parse(html_text(run))
    return tree


def words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def finding(tree: Element, anchor: str) -> dict[str, str]:
    """What a finding says, by name."""
    (found,) = (each for each in tree.iter("details") if each.get("id") == anchor)
    facts = found.find("dl")
    assert facts is not None
    return {words(row[0]): words(row[1]) for row in facts}


PAGES = {
    "rich": run(rich_run()),
    "telling": run(telling_run()),
    "two": run(telling_run(), telling_run(stopped="the deadline of 600 s was met", simulated=True)),
    "hostile": hostile_run(),
    "nothing": run(),
    "no checks": run(target_run(exchanges=())),
}


@pytest.fixture(scope="module", params=PAGES)
def tree(request: pytest.FixtureRequest) -> Element:
    return parsed(PAGES[request.param])


def test_nothing_in_the_page_is_loaded_or_run_but_its_own(tree: Element) -> None:
    tags = Counter(element.tag for element in tree.iter())
    assert (tags["script"], tags["style"]) == (1, 1)
    for tag in (
        "link",
        "img",
        "image",
        "iframe",
        "object",
        "embed",
        "base",
        "audio",
        "video",
        "use",
        "frame",
    ):
        assert tags[tag] == 0
    for element in tree.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name not in ("src", "srcset", "style", "action", "formaction", "background", "ping")
            if name.endswith("href"):
                assert re.match(r"#[\w.-]+$|https://(docs|tracker)\.example\.test/", value)


def test_the_policy_names_the_one_style_and_the_one_script(tree: Element) -> None:
    (policy,) = (str(each.get("content")) for each in tree.iter("meta") if each.get("http-equiv") is not None)
    for tag in ("style", "script"):
        (element,) = tree.iter(tag)
        digest = base64.b64encode(hashlib.sha256((element.text or "").encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy


def test_names_and_references_of_the_page_hold(tree: Element) -> None:
    ids = [element.get("id") for element in tree.iter() if element.get("id") is not None]
    assert len(ids) == len(set(ids))
    for element in tree.iter():
        if (reference := element.get("aria-labelledby")) is not None:
            assert reference in ids
        if (href := element.get("href", "")).startswith("#"):
            assert href[1:] in ids
    for control in (*tree.iter("input"), *tree.iter("select"), *tree.iter("pre")):
        assert control.get("name") or control.get("aria-label")


def test_hostile_text_is_shown_and_steers_nothing() -> None:
    text = html_text(hostile_run())
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert r"\u202eevil\u2066\u200b" in text
    assert {unicodedata.category(char) for char in text.replace("\n", "")}.isdisjoint(
        ("Cc", "Cf", "Cs", "Co")
    )
    text.encode("utf-8")


def test_hostile_text_in_all_else_that_a_run_carries() -> None:
    hostile = HOSTILE + "https://evil.test/\u202e "
    known = Known(hostile, hostile, hostile)
    checks = [
        result(
            hostile,
            status=Status.FAIL,
            known=known,
            sources=(hostile, "javascript:alert(1)"),
            accepted=accepted,
            sent=hostile,
            why=hostile,
            before=Before(Status.FAIL, Level.MUST, hostile, hostile),
            breaks=(ClientOutcome(hostile, hostile, "raises"),),
            exchanges=("e1", "e2"),
        )
        for accepted in (None, hostile)
    ]
    checks.append(
        result("signed", kind="manual", signature=Signature("x", hostile, hostile, hostile, hostile, hostile))
    )
    odd: dict[str, Any] = {
        "probe": hostile,
        "part": hostile,
        "method": hostile,
        "url": hostile,
        "request_headers": ((hostile, hostile),),
        "request_body": hostile,
        "headers": ((hostile, hostile), ("content-type", "text/event-stream")),
        "body": f"data: {hostile.replace(chr(10), '')}\n\n".encode(errors="replace") * 3,
        "error": hostile,
        "ended": "cut",
    }
    told = target_run(
        *checks,
        exchanges=(exchange("e1", **odd), exchange("e2", **odd, status=None)),
        stale=(Acceptance(hostile, hostile, hostile),),
        lapsed=(hostile,),
        reference=Reference("source", Target(hostile, hostile, hostile), hostile, hostile),
        location=Location(hostile, 1),
        settings={"pricing": {"input": 1.0, "output": 1.0, "as_of": hostile}},
        started_at=hostile,
    )
    tree = parsed(dataclasses.replace(run(told, told), tool_version=hostile, started_at=hostile))
    assert [each for each in tree.iter("a") if "evil" in each.get("href", "")] == []
    assert len(list(tree.iter("script"))) == 1
    shown = "".join(tree.itertext())
    assert "javascript:alert(1)" in shown
    assert {unicodedata.category(char) for char in shown.replace("\n", "")}.isdisjoint(("Cc", "Cf", "Cs"))


def test_a_target_in_its_card() -> None:
    (card,) = (each for each in parsed(run(telling_run())).iter("article"))
    assert words(card) == (
        "Example ✕ incompatible for agent chat ✓ compatible agent ✕ incompatible decides "
        "trial ! compatible with limitations model m1 "
        'mode thinking={"type":"disabled"} route https://api.example.test/v1 '
        "checks 1 fail, 1 warning, 1 accepted, 3 no answer, 1 to decide, 1 skipped, 4 pass exit status 1 "
        "held against the baseline of 2026-10-01T00:00:00Z: old, m0 named in llmcompat.yaml, line 12"
    )
    assert card.get("class") == "card incompatible"


def test_a_simulated_and_a_stopped_run_say_so_at_the_verdict() -> None:
    first, second = parsed(PAGES["two"]).iter("article")
    assert "Simulated" not in words(first)
    assert "Simulated. A simulation of documented behaviour: documented, not measured." in words(second)
    assert "for agent, incomplete" in words(second)
    assert "Stopped early. the deadline of 600 s was met" in words(second)


def test_a_finding_tells_all_that_is_known_of_it() -> None:
    assert finding(parsed(run(telling_run())), "t1-tool-arguments-string") == {
        "seen": '{"city": "Paris"}',
        "expected": "a JSON string",
        "held": "1 of 3 attempts",
        "breaks": "openai-python 3.54.0 raises",
        "known": "Arguments are an object. (2026-08-01)",
        "source": "https://docs.example.test/tools",
        "met at": "https://tracker.example.test/7",
        "before": "pass",
        "why": "Nothing works without it.",
        "fix": "Call json.loads only on text.",
        "line": "Tool calls",
        "a must for": "chat, agent, trial",
    }


def test_findings_stand_in_the_order_of_their_weight_and_the_first_is_open() -> None:
    found = [each for each in parsed(run(rich_run())).iter("details") if each.get("data-filtered")]
    assert [(each.get("id"), each.get("class"), "open" in each.attrib) for each in found] == [
        ("t1-tool-arguments-string", "finding fail", True),
        ("t1-system-message", "finding warning", False),
        ("t1-tool-accepted-deviation", "finding accepted", False),
    ]


def test_the_matrix_sets_the_targets_side_by_side() -> None:
    better = target_run(
        result("tool-arguments-string", item="tools"),
        target=Target("other", "https://other.example.test/v1", "m2"),
        profile={"display_name": "Other"},
    )
    tree = parsed(run(rich_run(), better))
    rows = [each for each in tree.iter("tr") if each.get("data-filtered") == "check"]
    first, *_, last = rows
    assert [words(cell) for cell in first] == [
        "tool-arguments-string Arguments arrive as a JSON string.",
        "✕ FAIL object, tool-arguments-string on Example",
        "✓ pass",
        "Tool calls",
    ]
    assert first.get("data-clients") == "openai-python"
    assert first.get("data-musts") == "chat agent trial"
    assert [words(cell) for cell in last] == [
        "image-input A plain chat is answered.",
        "– skip --without vision",
        "– not run",
        "Latency",
    ]
    assert [row.get("data-failing") for row in rows].count("yes") == 3


def test_targets_of_one_name_are_told_apart() -> None:
    same = [target_run(), target_run(), target_run(target=Target("example", "https://b.test/v1", "m2"))]
    role = target_run(target=Target("example", "https://b.test/v1", "m2", {}, "embeddings"))
    names = [target.name for target in page(run(*same, role)).targets]
    assert names == ["Example m1 (1)", "Example m1 (2)", "Example m2", "Example (embeddings)"]


def test_what_is_left_for_the_reader() -> None:
    (section,) = (
        each
        for each in parsed(run(telling_run())).iter("section")
        if each.get("aria-labelledby") == "targets"
    )
    said = words(section)
    for text in (
        "Still open your retry logic was not rehearsed",
        "no longer count signature of alerts-set: expired on 2026-10-01",
        "no longer occurs tool-ids, case missing: our parser makes ids",
        "✓ signed data-region A plain chat is answered. Signed by A. Person on 2026-11-02, until 2027-11-02: "
        "read the contract",
        "… to decide alerts-set A plain chat is answered. Who is told?",
        "2 checks wait for tool-called tool-ids, tool-result-accepted",
        "1 skipped: --without vision image-input",
        "openai for Python import os",
        "31 requests; 2100 prompt tokens and 900 completion tokens; 0.0007 USD; held back 2 times; 3.2 s;",
    ):
        assert text in said


def test_the_exchange_of_a_finding() -> None:
    (shown,) = (each for each in parsed(run(rich_run())).iter("details") if each.get("class") == "exchange")
    assert words(shown) == (
        "e1 hello, attempt 1: 200 after 0.50 s Request POST https://api.example.test/v1/chat/completions "
        '1 header of the request authorization Bearer [key] { "model": "m1" } '
        'Answer 200 1 header of the answer Content-Type application/json { "choices": [] }'
    )


@pytest.mark.parametrize(
    ("text", "shown", "shortened"),
    [
        (
            '{"a":[1,{"b":"x"}],"c":{}}',
            '{\n  "a": [\n    1,\n    {\n      "b": "x"\n    }\n  ],\n  "c": {}\n}',
            False,
        ),
        # a number as it was written, a text as it reads
        ('[1.0,1e400,-0,"é"]', '[\n  1.0,\n  1e400,\n  -0,\n  "é"\n]', False),
        ("[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8]", "[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, … 2 more]", True),
        # what would not read the same stays as it came
        ('{"a":1,"a":2}', '{"a":1,"a":2}', False),
        ("data: {}\n\n", "data: {}\n\n", False),
        ("[" * 100_000, None, True),
        ('{"image":"' + "A" * 5000 + '"}', None, True),
        ("x" * 50_000, None, True),
    ],
)
def test_bodies(text: str, shown: str | None, shortened: bool) -> None:
    found = body(text)
    assert found.shortened is shortened
    assert len(found.text) <= 6000
    if shown is not None:
        assert found.text == shown


def test_the_time_line_of_a_stream() -> None:
    found = timeline(stream())
    assert found is not None
    assert (found.total, found.headers_seconds, found.first, found.last) == (20, 0.25, 0.5, 1.4)
    assert [event.number for event in found.events] == [1, 2, 3, 4, 5, 6, 18, 19, 20]
    assert [round(event.gap, 3) for event in found.events[:4]] == [0.25, 0, 0.1, 0]
    assert found.events[0].data == '… "choices":[{"delta":{"content":"0"}}]}'
    assert found.longest_gap == 0.25
    assert str(found.plot).count("<circle") == 20


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": (("content-type", "application/json"),)},
        {"arrivals": ()},
        {"arrivals": ((10, float("inf")),)},
        {"body": b": only a comment\n\n"},
    ],
)
def test_no_time_line(changes: dict[str, Any]) -> None:
    assert timeline(stream(**changes)) is None


def test_an_event_arrived_with_its_last_byte() -> None:
    cut = stream(
        body=CHUNKS[0] + CHUNKS[1], arrivals=((3, 0.1), (len(CHUNKS[0]), 0.2), (len(CHUNKS[0]) + 9, 0.3))
    )
    assert [seconds for seconds, _ in arrivals(cut)] == [0.2, 0.3]


def test_evidence_keeps_to_its_budget() -> None:
    size = shown_exchange(stream()).size
    budget = Budget(3 * size + 10)
    assert len(budget.take([stream()] * 5)) == 3
    assert budget.take([stream()]) == []


def test_a_large_run_is_a_page_of_a_few_megabytes() -> None:
    text = ("word " * 40 + '"}{<&>\n') * 2000
    many = [stream(f"e{number}", request_body=text, body=b"data: <&>\n\n" * 300) for number in range(300)]
    checks = [
        result(
            f"check-{number}",
            status=Status.FAIL,
            seen=text,
            expected=text,
            notes=(text,) * 50,
            exchanges=tuple(f"e{(number + place) % 300}" for place in range(4)),
        )
        for number in range(400)
    ]
    told = run(target_run(*checks, exchanges=tuple(many)))
    text = html_text(told)
    assert 1_000_000 < len(text) < 8_000_000
    assert "in the JSON run" in text


def test_bars_and_their_labels() -> None:
    drawn = str(
        plots.bars(
            "Speed <b>",
            ["one & <two>", "three"],
            [plots.Series("a", [1, 2000]), plots.Series("b", [3, None])],
        )
    )
    assert drawn.startswith(
        '<svg viewBox="0 0 440 132" role="img" aria-label="Speed &lt;b&gt;" focusable="false">'
    )
    assert drawn.count('class="rect') == 3
    assert re.findall(r">([^<>]+)</text>", drawn)[:7] == [
        *("three", "one &amp; &lt;two&gt;"),
        *("0", "500", "1K", "1.5K", "2K"),
    ]
    assert sorted(re.findall(r'class="value">([^<>]+)</text>', drawn)) == ["1", "2K", "3"]
    # none of what pygal adds for files of their own
    for word in (
        "<script",
        "<style",
        "style=",
        "pygal",
        "tooltip-overlay",
        "<title",
        "<desc",
        "http://pygal",
    ):
        assert word not in drawn


@pytest.mark.parametrize(
    "points", [[(0.0, 1.0)], [(0.5, 1.0), (0.5, 2.0)], [(number / 10, number) for number in range(500)]]
)
def test_steps(points: list[tuple[float, float]]) -> None:
    drawn = str(plots.steps("Arrivals", [plots.Steps("a", points)]))
    assert drawn.count("<circle") == min(len(points), 60)
    assert len(drawn) < 10_000


def test_the_plots_of_a_page_and_their_figures() -> None:
    first, speed, arrived, cost = page(run(telling_run(), telling_run())).plots
    assert first.rows == (("Example m1 (1)", "0.5", "0.75"), ("Example m1 (2)", "0.5", "0.75"))
    assert speed.rows[0] == ("Example m1 (1)", "40.5", "not told")
    assert arrived.rows[1] == ("Example m1 (2)", "e2", "20", "0.500", "0.900", "1.400")
    assert arrived.legend == ("Example m1 (1)", "Example m1 (2)")
    assert cost.head[:4] == (
        "item",
        *(f"Example m1 (1): {name}" for name in ("requests", "tokens", "USD")),
    )
    assert cost.rows[0] == ("Tool calls", *("1", "120", "0.00030") * 2)


def test_a_run_without_figures_has_no_plots() -> None:
    bare = page(run(target_run(result(), exchanges=())))
    assert bare.plots == ()
    assert 'id="figures"' not in html_text(run(target_run(result(), exchanges=())))


def test_tokens_by_item() -> None:
    checks = (
        result("a", item="tools", exchanges=("e2", "e3")),
        result("b", item="prompts", exchanges=("e3", "e4")),
        result("c", item="own", exchanges=("e5",)),
    )
    exchanges = (
        counted("e1", 5, 1),
        counted("e2", 100, 10),
        counted("e3", 200, 20),
        exchange("e4", status=400, body=b'{"usage":{"prompt_tokens":7,"completion_tokens":7}}'),
        exchange("e5", body=b'{"usage":{"prompt_tokens":-1,"completion_tokens":true}}'),
    )
    told = target_run(*checks, exchanges=exchanges)
    assert tokens_by_item(told) == [
        ItemSpend("prompts", "Prompts", 1, 0, 0, None),
        ItemSpend("tools", "Tool calls", 2, 300, 30, None),
        ItemSpend("own", "Own", 1, 0, 0, None),
        ItemSpend(GROUND, "Ground (preflight, basics)", 1, 5, 1, None),
    ]
    priced = dataclasses.replace(told, settings={"pricing": {"input": 1.0, "output": 10.0}})
    assert [each.usd for each in tokens_by_item(priced)] == [0, 0.0006, 0, 0.000015]


@pytest.mark.parametrize(
    ("text", "prompt", "completion", "usd"),
    [
        (
            '{"usage":{"prompt_tokens":1000,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":400}}}',
            *(1000, 0, 0.00064),
        ),
        (
            '{"usage":{"prompt_tokens":1000,"completion_tokens":1,"prompt_cache_hit_tokens":5000}}',
            1000,
            1,
            0.00011,
        ),
        ('{"usage":{"input_tokens":10,"output_tokens":3}}', 10, 3, 0.00004),
        ("not JSON", 0, 0, 0),
    ],
)
def test_counters_of_each_kind(text: str, prompt: int, completion: int, usd: float) -> None:
    price = {"input": 1.0, "output": 10.0, "cached_input": 0.1}
    told = target_run(exchanges=(exchange(body=text.encode()),), settings={"pricing": price})
    (ground,) = tokens_by_item(told)
    assert (ground.prompt_tokens, ground.completion_tokens) == (prompt, completion)
    assert ground.usd == pytest.approx(usd)


def test_the_usage_of_a_stream_of_the_responses_api() -> None:
    data = (
        b'data: {"type":"response.completed","response":{"usage":{"input_tokens":9,"output_tokens":2}}}\n\n'
    )
    told = target_run(
        exchanges=(
            exchange(
                request_body='{"stream":true}',
                body=data,
                headers=(("content-type", "text/event-stream"),),
                arrivals=((len(data), 0.1),),
            ),
        )
    )
    assert tokens_by_item(told)[0].tokens == 11


def test_the_same_run_gives_the_same_page() -> None:
    code = (
        "import sys; from tests.test_reports_html import PAGES; from llmcompat.reports import FORMATS;"
        "sys.stdout.buffer.write(FORMATS['html'](PAGES['two']).encode())"
    )
    # without lxml, where it is installed, pygal builds its plots in another way
    environment = os.environ | {"PYTHONHASHSEED": "7", "NO_LXML": "1"}
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    assert other.stdout.decode() == FORMATS["html"](PAGES["two"])


def test_a_key_that_the_endpoint_repeats_is_not_in_the_page(tmp_path: Path) -> None:
    key, file = "sk-test-0f1e2d3c4b5a6978", tmp_path / "run.html"
    with running(faults=["echo-key"], api_key=key) as server:
        asked = [
            "check",
            "demo",
            "--base-url",
            server.base_url,
            "--only",
            "retries",
            "-q",
            "--export",
            str(file),
        ]
        environment = os.environ | {"LLMCOMPAT_API_KEY": key}
        subprocess.run(
            [sys.executable, "-m", "llmcompat", *asked],
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
        )
    text = file.read_text(encoding="utf-8")
    assert "[key]" in text
    assert key not in text
    assert key[3:] not in text
    if os.name == "posix":  # elsewhere the system has no such bits
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_other_reports_need_neither_the_template_engine_nor_the_plots() -> None:
    code = (
        "import sys; from llmcompat.model import Run; from llmcompat.reports import FORMATS;"
        "FORMATS['json'](Run('0', '', 0.0, ())); FORMATS['markdown'](Run('0', '', 0.0, ()));"
        "sys.exit(bool({'jinja2', 'pygal'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_has_a_sign_beside_its_word(verdict: Verdict) -> None:
    shown = parsed(run(target_run(verdicts={"agent": verdict})))
    (card,) = shown.iter("article")
    assert re.search(r"[✕!✓?] [a-z ]+ for agent", words(card))


def test_a_result_of_an_unknown_item_has_a_line() -> None:
    odd: Result = result("mine", item="my-own", status=Status.FAIL)
    assert finding(parsed(run(target_run(odd))), "t1-mine")["line"] == "my-own"
