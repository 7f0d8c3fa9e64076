"""From what was seen of the application to a run that every report can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from llmcompat.engine.decide import Exit, exit_code, verdict
from llmcompat.model import Ask, Exchange, Result, Spend, Target, TargetRun, UseCase
from llmcompat.rehearsal.changes import parsed
from llmcompat.rehearsal.judge import (
    NO_REQUEST,
    Baseline,
    jitter_note,
    judge,
    repeated_answers,
    skipped,
    unanswered,
)
from llmcompat.rehearsal.run import Orders, Rehearsal
from llmcompat.rehearsal.scenario import Scenario
from llmcompat.rehearsal.wirelog import Observed, Seen
from llmcompat.settings import Settings
from llmcompat.wire.redaction import Redactor

WITHOUT_FAULTS = "without-faults"
"""What the exchanges of the runs without faults are filed under."""

YOUR_APPLICATION = "your application"
"""What is judged where no provider is named."""


def why_not(scenario: Scenario, baseline: Sequence[Observed], orders: Orders) -> str | None:
    """Why a scenario is not played, where it does not apply; None where it is."""
    if "fallback" in scenario.expect and not orders.fallback_variables:
        return "no second endpoint: --fallback-env names the variable that gets its URL"
    if baseline and not Baseline(baseline).sends(scenario):
        kinds = _kind(scenario)
        return f"your code sends no {kinds} in the run without faults"
    return None


def target_run(
    rehearsal: Rehearsal,
    scenarios: Sequence[Scenario],
    orders: Orders,
    *,
    use_case: UseCase,
    left_out: Sequence[Scenario] = (),
    items: Sequence[tuple[str, str, str]] = (),
    redactor: Redactor,
    started_at: str,
    seconds: float,
) -> TargetRun:
    """Judge what was seen, and decide.

    `left_out` are scenarios that are played only where they are named; `items` are the checklist's lines.
    """
    exchanges, asks, ids = _exchanges(rehearsal, redactor)
    results = list(_results(rehearsal, scenarios, orders, ids))
    results += [skipped(each, f"only where it is named: --scenario {each.name}") for each in left_out]
    results = [_redacted(result, redactor) for result in results]
    provider = orders.like or YOUR_APPLICATION
    settings = Settings(
        provider=provider,
        base_url=exchanges[0].url.partition("/v1")[0] + "/v1" if exchanges else "http://127.0.0.1/v1",
        model=_model(rehearsal),
        use_case=use_case,
        loopback=True,
        max_usd=0,
    )
    code = exit_code(results, use_case)
    if rehearsal.interrupted and code is Exit.COMPATIBLE:
        code = Exit.NO_ANSWER
    return TargetRun(
        target=Target(provider, settings.base_url, settings.model),
        use_case=use_case,
        exit_code=int(code),
        verdicts={each.value: verdict(results, each) for each in UseCase},
        open=tuple(_open(rehearsal)),
        settings=settings.model_dump(mode="json"),
        basics={},
        profile={"name": provider, "display_name": _named(orders)},
        seed="",
        started_at=started_at,
        seconds=seconds,
        spend=Spend(requests=len(exchanges), usd=0.0),
        checks=tuple(results),
        exchanges=tuple(exchanges),
        asks=tuple(asks),
        items=tuple(items),
        stopped="interrupted" if rehearsal.interrupted else None,
    )


def _named(orders: Orders) -> str:
    return f"your application before {orders.like}" if orders.like else YOUR_APPLICATION


def _results(
    rehearsal: Rehearsal, scenarios: Sequence[Scenario], orders: Orders, ids: Mapping[tuple[str, int], str]
) -> Iterable[Result]:
    if not any(each.seen for each in rehearsal.baseline):
        yield from (unanswered(each, NO_REQUEST) for each in scenarios)
        return
    baseline = Baseline(rehearsal.baseline)
    note = jitter_note(rehearsal.observed)
    for scenario in scenarios:
        observed = rehearsal.observed.get(scenario.name)
        if observed is not None:
            own = {number: id for (name, number), id in ids.items() if name == scenario.name}
            for result in judge(scenario, baseline, observed, within=orders.within, ids=own):
                if note is not None and result.id == f"{scenario.id}-backoff":
                    result, note = replace(result, notes=(*result.notes, note)), None
                yield result
        elif (reason := why_not(scenario, rehearsal.baseline, orders)) is not None:
            yield skipped(scenario, reason)
        else:
            yield unanswered(scenario, "the rehearsal was ended before this scenario")
    if rehearsal.observed:
        yield repeated_answers(scenarios, baseline, rehearsal.observed)


def _exchanges(
    rehearsal: Rehearsal, redactor: Redactor
) -> tuple[list[Exchange], list[Ask], dict[tuple[str, int], str]]:
    """The wire log as exchanges: with their ids by scenario and number of the request."""
    exchanges: list[Exchange] = []
    asks: list[Ask] = []
    ids: dict[tuple[str, int], str] = {}
    runs = [*((WITHOUT_FAULTS, each) for each in rehearsal.baseline[:1]), *rehearsal.observed.items()]
    for name, observed in runs:
        tries: dict[str, int] = {}
        own = []
        for seen in observed.seen:
            tries[seen.identity] = tries.get(seen.identity, 0) + 1
            id = f"e{len(exchanges) + 1}"
            ids[name, seen.number] = id
            own.append(id)
            exchanges.append(_exchange(id, name, seen, tries[seen.identity], redactor))
        asks.append(Ask(name, None, 1, 1, tuple(own)))
    return exchanges, asks, ids


def _exchange(id: str, scenario: str, seen: Seen, attempt: int, redactor: Redactor) -> Exchange:
    body = redactor.data(seen.body)
    error = seen.error or (
        "your code closed the connection before the answer was whole" if seen.left else None
    )
    return Exchange(
        id=id,
        probe=scenario,
        part=seen.door if seen.door == "fallback" else None,
        attempt=attempt,
        method=seen.method,
        url=redactor.text(seen.url),
        request_headers=tuple((name, redactor.text(value)) for name, value in seen.request_headers),
        request_body=redactor.text(seen.request_body.decode(errors="replace")) if seen.request_body else None,
        started_at=seen.started_at,
        status=seen.status,
        headers=seen.headers,
        body=body,
        arrivals=seen.arrivals,
        headers_seconds=seen.headers_at - seen.at if seen.headers_at is not None else None,
        seconds=(seen.ended_at - seen.at) if seen.ended_at is not None else 0.0,
        ended="complete" if seen.complete else "cut" if seen.status is not None else "none",
        error=error,
        identity=f"{scenario}:{seen.identity}",
    )


def _redacted(result: Result, redactor: Redactor) -> Result:
    """What a command prints may hold a key."""
    return replace(
        result,
        seen=redactor.text(result.seen) if result.seen else result.seen,
        expected=redactor.text(result.expected) if result.expected else result.expected,
        notes=tuple(redactor.text(note) for note in result.notes),
    )


def _model(rehearsal: Rehearsal) -> str:
    """The model that the command asks for, as it is in its first request that names one."""
    for observed in rehearsal.baseline:
        for seen in observed.seen:
            body = parsed(seen.request_body)
            if isinstance(body, dict) and isinstance(body.get("model"), str):
                return str(body["model"])[:200]
    return "not seen"


def _kind(scenario: Scenario) -> str:
    wanted = scenario.requests
    words = [
        *(["streaming"] if wanted.streamed else ["plain"] if wanted.streamed is False else []),
        "chat request" if wanted.chat else "POST request",
        *(["that leads to a tool call"] if wanted.calls_tools else []),
        *(["that asks for JSON"] if wanted.asks_json else []),
    ]
    return " ".join(words)


def _open(rehearsal: Rehearsal) -> Iterable[str]:
    yield "the endpoint itself was not asked: `llmcompat check` does"
    if rehearsal.interrupted:
        yield "the rehearsal was interrupted"
