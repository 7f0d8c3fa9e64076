"""What a workload costs: tokens from real files, prices from the project file, and each of the reports."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from llmcompat.billing.cost import Candidate, Sample, compare, parts, price_by_hour, spread
from llmcompat.billing.usage import (
    Tokens,
    answer_characters,
    cap_of,
    estimated,
    prompt_characters,
    stated_cost,
    tokens_of,
)
from llmcompat.cli import main
from llmcompat.cli.problems import Problem
from llmcompat.cli.tokens import read_sample
from llmcompat.engine.live import with_live_facts
from llmcompat.profiles import Profile, load_profile
from llmcompat.reports.cost import usd_text
from llmcompat.settings import Pricing
from tests.checking import answer, demo_settings
from tests.reporting import HOSTILE

PRICE = Pricing(input=1.0, output=10.0, cached_input=0.1, source="a list", as_of=date(2026, 11, 1))

PROJECT = """\
targets:
  now: openai:gpt-4o-mini
  there: deepseek
budgets: {monthly_usd: 5}
prices:
  openai: {input: 1, output: 10, cached_input: 0.1, as_of: 2026-11-01}
  deepseek:deepseek-flash: {input: 2, output: 20}
"""


def request(
    id: str, content: Any = "hello", *, url: str = "/v1/chat/completions", **body: Any
) -> dict[str, Any]:
    messages = [{"role": "user", "content": content}]
    return {
        "custom_id": id,
        "method": "POST",
        "url": url,
        "body": {"model": "m", "messages": messages, **body},
    }


def answered(id: str, usage: Any = None, *, status: int = 200, text: str = "") -> dict[str, Any]:
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    body = {"model": "gpt-x", "choices": choices, **({"usage": usage} if usage else {})}
    return {"id": "b", "custom_id": id, "response": {"status_code": status, "body": body}, "error": None}


def usage(
    prompt: int, completion: int, *, cached: int = 0, reasoning: int = 0, **more: Any
) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
        **more,
    }


def lines(path: Path, *documents: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in documents), encoding="utf-8")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a project file, four requests and three answers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "llmcompat.yaml").write_text(PROJECT, encoding="utf-8")
    lines(tmp_path / "w.jsonl", *(request(f"r{number}", "x" * 400) for number in range(4)))
    lines(
        tmp_path / "w.answers.jsonl",
        answered("r0", usage(1000, 100, cached=400, reasoning=60, cost=0.001)),
        answered("r1", usage(2000, 200)),
        answered("r2", usage(3000, 300)),
    )
    return tmp_path


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (usage(10, 5, cached=4, reasoning=2), Tokens(10, 4, 5, 2)),
        (
            {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 3}},
            Tokens(10, 3, 5),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 7}, Tokens(10, 7, 5)),
        ({"prompt_tokens": 10}, Tokens(10)),
        # thinking that is counted outside of the completion is paid as well
        (usage(10, 5, reasoning=40), Tokens(10, 0, 45, 40)),
        ({**usage(10, 50, reasoning=40), "total_tokens": 100}, Tokens(10, 0, 90, 40)),
        (usage(10, 5, cached=99), Tokens(10, 10, 5)),
        ({"prompt_tokens": "10"}, None),
        ({"prompt_tokens": -1}, None),
        (None, None),
        ([], None),
    ],
)
def test_tokens_of_a_usage(found: Any, expected: Tokens | None) -> None:
    assert tokens_of(found) == expected


def test_stated_cost_is_a_plausible_number() -> None:
    assert stated_cost({"cost": 0.5}) == 0.5
    assert stated_cost({"estimated_cost": 2}) == 2.0
    for odd in (
        {"cost": "1"},
        {"cost": True},
        {"cost": -1},
        {"cost": float("inf")},
        {"cost": float("nan")},
        None,
    ):
        assert stated_cost(odd) is None


def test_characters_of_a_prompt_and_of_an_answer() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4000}}
    body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "abcd"}, image]}]}
    assert prompt_characters(body) == 4
    assert prompt_characters({**body, "tools": [{"type": "function"}]}) == 4 + len('[{"type":"function"}]')
    assert prompt_characters({"input": "12345", "instructions": "678"}) == 8
    assert prompt_characters({}) == 0
    call = {"function": {"name": "f", "arguments": "{}"}}
    assert answer_characters({"choices": [{"message": {"content": "abc", "tool_calls": [call]}}]}) == 6
    assert answer_characters({"error": {}}) is None
    assert (estimated(0), estimated(4), estimated(5)) == (0, 1, 2)
    assert cap_of({"max_tokens": 7}) == 7


def test_parts_add_up_to_the_cost() -> None:
    found = parts(Tokens(1000, 400, 100, 60), PRICE)
    assert found == pytest.approx({"input": 0.0006, "cached": 0.00004, "output": 0.0004, "reasoning": 0.0006})
    assert sum(found.values()) == pytest.approx(PRICE.cost(1000, 100, 400))


def test_spread() -> None:
    found = spread([float(each) for each in range(1, 12)])
    assert (found.mean, found.p10, found.p50, found.p90) == pytest.approx((6, 2, 6, 10))
    assert found.low == pytest.approx(6 - 1.959964 * (11**0.5) / 11**0.5)
    one = spread([2.0])
    assert (one.mean, one.p10, one.p90, one.low, one.high) == (2, 2, 2, None, None)
    assert spread([0.0] * 9 + [1.0]).low == 0.0


def test_what_is_known_of_each_request(here: Path) -> None:
    sample = read_sample(here / "w.jsonl", None)
    assert sample.tokens[:3] == (Tokens(1000, 400, 100, 60), Tokens(2000, 0, 200), Tokens(3000, 0, 300))
    # no answer: 400 characters are 100 tokens, and the others wrote 200 on average
    assert sample.tokens[3] == Tokens(100, completion=200, estimated=True)
    assert (sample.estimated, sample.without_output, sample.models) == (1, 0, ("gpt-x",))
    assert (sample.stated, sample.stated_usd) == (1, 0.001)


def test_an_answer_without_a_usage_is_estimated(here: Path) -> None:
    lines(here / "w.answers.jsonl", answered("r0", text="y" * 40))
    sample = read_sample(here / "w.jsonl", None)
    assert sample.tokens[0] == Tokens(100, completion=10, estimated=True)
    assert (sample.estimated, sample.models) == (4, ())


def test_without_any_answer_the_cap_counts_or_nothing(here: Path) -> None:
    path = lines(here / "alone.jsonl", request("a", "x" * 8), request("b", "x" * 8, max_tokens=50))
    sample = read_sample(path, None)
    assert [each.completion for each in sample.tokens] == [0, 50]
    assert (sample.estimated, sample.without_output) == (2, 1)


def test_what_is_left_out_is_told(here: Path) -> None:
    path = lines(here / "v.jsonl", request("a"), request("b"), request("e", url="/v1/embeddings"), {"no": 1})
    given = lines(here / "given.jsonl", answered("a", usage(5, 5)), answered("b", status=500))
    sample = read_sample(path, given)
    assert sample.tokens == (Tokens(5, 0, 5),)
    assert sample.left_out == {"was refused": 1, "asks /v1/embeddings": 1, "a line that is no request": 1}
    with pytest.raises(Problem, match="no request in it can be counted"):
        read_sample(lines(here / "none.jsonl", {"no": 1}), None)


def test_unknown_stays_unknown_and_the_first_is_the_measure() -> None:
    sample = Sample((Tokens(1000, 0, 100), Tokens(3000, 0, 300)))
    found = compare(
        sample,
        [
            Candidate("a", "a", "m", PRICE),
            Candidate("b", "b", "m", PRICE.model_copy(update={"input": 2.0, "output": 20.0})),
            Candidate("c", "c", "m", None),
        ],
        1000,
    )
    first, second, third = found.targets
    assert first.month == pytest.approx(4.0)
    assert first.times is None
    assert second.month == pytest.approx(8.0)
    assert second.times == pytest.approx(2.0)
    assert (third.month, third.sample_usd, third.parts, third.request) == (None, None, None, None)
    assert "no price is known" in third.remarks[0]


def test_peak_hours_are_found_and_the_dearest_counts() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    hours = price_by_hour(load_profile("deepseek"), "deepseek-flash", now)
    assert hours is not None
    assert hours.dearest.input == 2 * hours.cheapest.input
    assert price_by_hour(load_profile("openai"), "gpt-4o-mini", now) is None
    assert price_by_hour(load_profile("openai"), "no-such-model", now) is None
    sample = Sample((Tokens(1_000_000, 0, 0),))
    target = compare(sample, [Candidate("d", "d", "m", hours.cheapest, hours)], 1).targets[0]
    assert target.month == pytest.approx(hours.dearest.input)
    assert target.month_cheapest == pytest.approx(hours.cheapest.input)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1234.5, "1,234.50"),
        (0.5, "0.5"),
        (0.01234, "0.0123"),
        (0.0000421, "0.0000421"),
        (0.99999, "1"),
    ],
)
def test_usd_text(value: float, text: str) -> None:
    assert usd_text(value) == text


def test_nothing_published_goes_before_a_price_of_ones_own() -> None:
    listed = {"id": "m", "pricing": {"prompt": "0.000009", "completion": "0.000009"}}
    models = answer({"object": "list", "data": [listed]})
    own = PRICE.model_copy(update={"own": True})
    settings = demo_settings(base_url="https://api.example.com/v1", model="m", has_key=True, pricing=own)
    profile = Profile(name="x", base_url="https://api.example.com/v1")
    assert with_live_facts(settings, profile, models).pricing == own
    published = settings.model_copy(update={"pricing": PRICE})
    taken = with_live_facts(published, profile, models).pricing
    assert taken is not None
    assert taken.input == pytest.approx(9.0)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["cost", *arguments])
    return code, *capsys.readouterr()


def test_the_command_by_the_projects_own_prices(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--workload", "w.jsonl", "--monthly", "4000", "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert found["sample"]["tokens"] == {"input": 5700, "cached": 400, "output": 740, "reasoning": 60}
    now, there = found["targets"]
    assert now["name"] == "now (openai:gpt-4o-mini)"
    assert now["price"] == {
        "input": 1.0,
        "output": 10.0,
        "cached_input": 0.1,
        "source": "llmcompat.yaml:6",
        "as_of": "2026-11-01",
    }
    assert now["by_kind_usd"] == pytest.approx(
        {"input": 0.0057, "cached": 0.00004, "output": 0.0074, "reasoning": 0.0006}
    )
    assert now["sample_usd"] == pytest.approx(0.01374)
    assert now["month_usd"] == pytest.approx(13.74)
    # nothing cheaper is known for what is cached there
    assert there["price"]["source"] == "llmcompat.yaml:7"
    assert there["sample_usd"] == pytest.approx((6100 * 2 + 800 * 20) / 1e6)
    assert there["times_first"] == pytest.approx(there["sample_usd"] / now["sample_usd"])
    told = " ".join(found["remarks"])
    assert "1 of 4 requests are an estimate" in told
    assert "Other models tokenize" in told
    assert "no price for cached input is known" in told
    assert "above the budget of 5 USD" in told
    assert "1 answers state their cost themselves: 0.001 USD" in told


def test_the_reports_agree(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"c.{ending}" for ending in ("md", "json", "html", "txt")]
    exports = [part for name in names for part in ("--export", name)]
    code, out, _ = run(capsys, "--workload", "w.jsonl", "--monthly", "4000", *exports)
    assert code == 0
    texts = [(here / name).read_text(encoding="utf-8") for name in names]
    for text in (out, texts[0], texts[2], texts[3]):
        assert "13.74" in text
        assert "llmcompat.yaml:6" in text
    assert json.loads(texts[1])["monthly_requests"] == 4000
    assert "<svg" in texts[2]
    assert texts[2].count("<table>") == 4


def test_an_unknown_price_is_an_answer_that_lacks(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--workload", "w.jsonl", "now", "groq:no-such-model")
    assert code == 3
    assert "unknown" in out
    assert "give one in llmcompat.yaml" in " ".join(out.split())


def test_another_host_has_no_price_by_the_hour(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("deepseek", "--base-url", "http://127.0.0.1:9/v1", "--no-project", "--format", "json")
    code, out, _ = run(capsys, "--workload", "w.jsonl", *arguments)
    assert code == 3
    assert json.loads(out)["targets"][0]["price"] is None


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--workload: give the file"),
        (("--workload", "none.jsonl"), "none.jsonl: no such file"),
        (("--workload", "w.jsonl", "--answers", "none.jsonl"), "none.jsonl: no such file"),
        (("--workload", "w.jsonl", "--monthly", "0"), "--monthly: must be"),
        (("--workload", "w.jsonl", "--format", "xml"), "--format xml: no such format"),
        (("--workload", "w.jsonl", "--export", "c.pdf"), "--export c.pdf: the format is not known"),
        (("--workload", "w.answers.jsonl"), "no request in it can be counted"),
        (("--workload", "w.jsonl", "nobody"), "nobody"),
    ],
)
def test_what_is_wrong_is_one_line(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


def test_a_report_that_cannot_be_written(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--workload", "w.jsonl", "--export", "no/c.md")
    assert code == 4
    assert "USD" in out
    assert "not written" in err


def test_hostile_names_are_shown_and_never_obeyed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile = {**answered("r0", usage(10, 10))}
    hostile["response"]["body"]["model"] = HOSTILE
    lines(here / "w.answers.jsonl", hostile)
    run(capsys, "--workload", "w.jsonl", "--export", "c.html", "--export", "c.md")
    page = (here / "c.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    text = (here / "c.md").read_text(encoding="utf-8")
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "\x1b" not in text + page
