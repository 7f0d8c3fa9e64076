"""Runs made by hand, for the tests of reports."""

from __future__ import annotations

from typing import Any

from llmcompat.model import (
    Ask,
    ClientOutcome,
    Exchange,
    Known,
    Level,
    Result,
    Run,
    Spend,
    Status,
    Target,
    TargetRun,
    Unasked,
    UseCase,
    Verdict,
)

HOSTILE = (
    "\x1b[31mred\x1b]0;title\x07 \x9b2J \r\u202eevil\u2066\u200b\u200f\ufeff [bold]x[/bold] `tick` ``` **b** "
    "_i_ | cell <script>alert(1)</script> <!-- --> [a](http://evil.test) ![i](http://evil.test/i.png) "
    "www.evil.test @everyone #12 a@evil.test &lt; \n# heading\n- [x] done\n| a | b |\n~~~\n</details> "
    "\ud800 \U000e0041 :smile: "
)
"""What a hostile endpoint may put into every field that it reaches."""


def result(id: str = "chat-accepted", **changes: Any) -> Result:
    """A result that passes at level must, with changes."""
    level = changes.get("level", Level.MUST)
    fields: dict[str, Any] = {
        "item": "prompts",
        "title": "A plain chat is answered.",
        "kind": "wire",
        "status": Status.PASS,
        "level": level,
        "levels": {use_case.value: level for use_case in UseCase},
        "why": "Nothing works without it.",
        "fix": "Ask the provider.",
    }
    return Result(id, **(fields | changes))


def exchange(id: str = "e1", **changes: Any) -> Exchange:
    """An answered chat request, with changes."""
    fields: dict[str, Any] = {
        "probe": "hello",
        "part": None,
        "attempt": 1,
        "method": "POST",
        "url": "https://api.example.test/v1/chat/completions",
        "request_headers": (("authorization", "Bearer [key]"),),
        "request_body": '{"model":"m1"}',
        "started_at": "2026-11-01T12:00:00Z",
        "status": 200,
        "headers": (("Content-Type", "application/json"),),
        "body": b'{"choices":[]}',
        "arrivals": ((14, 0.25),),
        "headers_seconds": 0.25,
        "seconds": 0.5,
        "ended": "complete",
    }
    return Exchange(id, **(fields | changes))


def target_run(*checks: Result, **changes: Any) -> TargetRun:
    """A run on one provider for the use case agent, with changes."""
    fields: dict[str, Any] = {
        "target": Target("example", "https://api.example.test/v1", "m1", {"thinking": {"type": "disabled"}}),
        "use_case": UseCase.AGENT,
        "exit_code": 1,
        "verdicts": {
            "chat": Verdict.COMPATIBLE,
            "agent": Verdict.INCOMPATIBLE,
            "trial": Verdict.WITH_LIMITATIONS,
        },
        "open": ("your retry logic was not rehearsed",),
        "settings": {"provider": "example", "body": {}, "headers": {}, "has_key": True, "loopback": False},
        "basics": {
            "token_limit": "max_tokens",
            "temperature": 0.0,
            "stream_options": True,
            "extra": {"thinking": {"type": "disabled"}},
        },
        "profile": {"name": "example", "display_name": "Example", "key_variable": "EXAMPLE_API_KEY"},
        "seed": "00ff",
        "started_at": "2026-11-01T12:00:00Z",
        "seconds": 3.25,
        "spend": Spend(31, 2100, 900, 0.0007, 2),
        "checks": checks,
        "exchanges": (exchange(),),
        "items": (
            ("prompts", "Prompts", "your prompts reach the model as they are."),
            ("tools", "Tool calls", "the model calls your functions."),
            ("tool-history", "Tool history", "calls and results are sent back."),
            ("latency", "Latency", "how long users wait."),
        ),
    }
    return TargetRun(**(fields | changes))


def run(*runs: TargetRun) -> Run:
    """What one call of the tool found."""
    return Run("0.1.0", "2026-11-01T12:00:00Z", 4.5, runs)


def rich_run(**changes: Any) -> TargetRun:
    """A run in which every kind of line stands."""
    return target_run(
        result(notes=("role null in later deltas",)),
        result("system-message", status=Status.FAIL, level=Level.SHOULD, seen="ignored", expected="obeyed"),
        result(
            "tool-arguments-string",
            item="tools",
            title="Arguments arrive as a JSON string.",
            status=Status.FAIL,
            case="object",
            seen='{"city": "Paris"}',
            expected="a JSON string",
            known=Known("https://docs.example.test/tools", "2026-08-01", "Arguments are an object."),
            breaks=(
                ClientOutcome("openai-python", "3.54.0", "raises"),
                ClientOutcome("litellm", "1.106.2", "ok"),
            ),
            attempts=(1, 3),
            exchanges=("e1",),
            fix="Call json.loads only on text.",
        ),
        result("tool-called", item="tools", status=Status.ERROR, reason="throttled for good"),
        result(
            "tool-ids",
            item="tools",
            status=Status.ERROR,
            reason="blocked by tool-called",
            blocked_by="tool-called",
        ),
        result(
            "tool-result-accepted",
            item="tool-history",
            status=Status.ERROR,
            reason="blocked by tool-called",
            blocked_by="tool-called",
        ),
        result("tool-accepted-deviation", item="tools", status=Status.FAIL, accepted="our parser takes it"),
        result(
            "first-token", item="latency", facts={"p50": {"value": 0.41234, "unit": "s"}, "region": "eu-west"}
        ),
        result("alerts-set", item="latency", kind="manual", status=Status.MANUAL, seen="Who is told?"),
        result("image-input", item="latency", status=Status.SKIP, reason="--without vision"),
        asks=(Ask("hello", None, 1, 1, ("e1",)),),
        unasked={"weather_call": Unasked("blocked by chat-accepted", "chat-accepted")},
        **changes,
    )
