"""What is known of the application's own traffic, beside what was checked and what the target allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmcompat.reply import dig, is_int
from llmcompat.workload.traffic import is_checked

_UNITS = (("requests_per_minute", "requests"), ("tokens_per_minute", "tokens"))


def traffic_lines(settings: Mapping[str, Any], profile: Mapping[str, Any]) -> Iterator[str]:
    """What a report opens with, from a run's settings and profile; nothing where no traffic is known."""
    if unchecked := unchecked_calls(settings):
        yield f"your application calls, not checked: {', '.join(unchecked)}"
    peak = [
        f"{_count(used)} {unit} a minute ({_compared(used, dig(profile, f'document.limits.{name}'))})"
        for name, unit in _UNITS
        if (used := _positive(dig(settings, f"peak.{name}"))) is not None
    ]
    if peak:
        yield f"your application at its peak: {', '.join(peak)}"


def unchecked_calls(settings: Mapping[str, Any]) -> list[str]:
    """The paths that the application calls and the checklist has no check for."""
    calls = settings.get("calls")
    return [path for path in calls or () if isinstance(path, str) and not is_checked(path)]


def beyond_limits(settings: Mapping[str, Any], profile: Mapping[str, Any]) -> Iterator[str]:
    """What of the application's traffic the target's limits do not allow, a line for each."""
    for name, unit in _UNITS:
        used = _positive(dig(settings, f"peak.{name}"))
        limit = _positive(dig(profile, f"document.limits.{name}.value"))
        if used is not None and limit is not None and used > limit:
            yield (
                f"your peak of {_count(used)} {unit} a minute is above the published limit of {_count(limit)}"
                ": have it raised, or hold requests back"
            )
    longest = _positive(dig(settings, "prompt_tokens.p99"))
    window = _positive(settings.get("context_window"))
    if longest is not None and window is not None and longest > window:
        yield (
            f"your long prompts ({_count(longest)} tokens at the 99th percentile) do not fit the context "
            f"window of {_count(window)}"
        )


def _compared(used: int, fact: object) -> str:
    limit = _positive(dig(fact, "value"))
    if limit is None:
        return "no published limit is known"
    day = dig(fact, "as_of")
    since = f", as of {day[:10]}" if isinstance(day, str) else ""
    return f"{'above' if used > limit else 'within'} the published limit of {_count(limit)}{since}"


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and is_int(value) and value > 0 else None


def _count(number: int) -> str:
    return f"{number:,}"
