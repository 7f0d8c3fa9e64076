"""`llmcompat config`: what is in force for each target, and where each value comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmcompat.cli import options

if TYPE_CHECKING:
    from llmcompat.cli.layers import Origin
    from llmcompat.cli.target import Plan
    from llmcompat.project import Project
    from llmcompat.project.schema import Alert
    from llmcompat.settings import Pricing

_WIDEST_VALUE = 48
"""Characters up to which the places behind the values stand in one column."""

_ALWAYS = {
    "for": "use_case",
    "uses": "uses",
    "without": "without",
    "clients": "clients",
    "only": "only",
    "skip": "skip",
    "budgets.run_usd": "max_usd",
    "budgets.monthly_usd": "monthly_usd",
    "balance_floor": "balance_floor",
    "concurrency": "concurrency",
    "timeout": "timeout",
    "deadline": "deadline",
    "max_prompt_tokens": "max_prompt_tokens",
    "repeat": "repeat",
    "strict": "strict",
    "require_signoff": "require_signoff",
    "fail_on_stale": "fail_on_stale",
}
"""Names in the project file, and the setting that each becomes."""


@dataclass(frozen=True)
class _Row:
    name: str
    value: Any
    origin: Origin
    note: str = ""


def config(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TARGET…",
            help="As in check. Default: all of the project file.",
            autocompletion=options.complete_target,
        ),
    ] = None,
    base_url: options.BaseUrl = None,
    model: options.Model = None,
    embedding_model: options.EmbeddingModel = None,
    vision_model: options.VisionModel = None,
    context_window: options.ContextWindow = None,
    balance_floor: options.BalanceFloor = None,
    api_key_env: options.ApiKeyEnv = None,
    header: options.Header = None,
    body: options.Body = None,
    insecure_http: options.InsecureHttp = None,
    project: options.ProjectFile = None,
    no_project: options.NoProject = False,
    use_case: options.UseCaseName = None,
    uses: options.Uses = None,
    without: options.Without = None,
    client: options.ClientNames = None,
    only: options.Only = None,
    skip: options.Skip = None,
    checks: options.Checks = None,
    strict: options.Strict = None,
    require_signoff: options.RequireSignoff = None,
    fail_on_stale: options.FailOnStale = None,
    signoff: options.SignoffFile = None,
    repeat: options.Repeat = None,
    concurrency: options.Concurrency = None,
    timeout: options.Timeout = None,
    deadline: options.Deadline = None,
    max_usd: options.MaxUsd = None,
    max_prompt_tokens: options.MaxPromptTokens = None,
    monthly_usd: options.MonthlyUsd = None,
    first_token: options.FirstToken = None,
    tokens_per_second: options.TokensPerSecond = None,
    format: options.ListingFormat = "table",
) -> int:
    """Show what `check` would go by, and where each value comes from. Sends nothing and needs no key.

    It takes the options of `check`, so that overrides can be tried. No value of an environment variable is
    shown, only whether it is set.
    """
    given = locals()
    import json
    import os

    from llmcompat.cli import streams
    from llmcompat.cli.check import prepare
    from llmcompat.cli.layers import open_project
    from llmcompat.cli.problems import Problem, table_or_json
    from llmcompat.cli.target import gather
    from llmcompat.wire.redaction import Redactor

    as_json = table_or_json(format)
    found = open_project(project, without=no_project)
    if found is None and not targets and not base_url:
        raise Problem("no llmcompat.yaml here or above; write one with `llmcompat init`, or give a TARGET")
    asked = gather(given)
    _, plans = prepare(targets or [], asked, checks or [], found, with_key=False)
    listed = [(plan, list(_rows(plan, found, os.environ))) for plan in plans]
    shared = list(_shared(found, signoff, checks or []))
    hide = Redactor({secret for plan in plans for secret in plan.secrets})
    if as_json:
        document = {
            "project": str(found.path) if found else None,
            "values": _as_json(shared),
            "targets": [
                {
                    "name": _name(plan),
                    "role": plan.settings.role,
                    "provider": plan.settings.provider,
                    "location": {"path": plan.location.path, "line": plan.location.line}
                    if plan.location
                    else None,
                    "values": _as_json(rows),
                }
                for plan, rows in listed
            ],
        }
        streams.out(json.dumps(hide.value(document), ensure_ascii=False, indent=2))
        return 0
    blocks = [f"project file: {found.shown if found else 'none'}"]
    if shared:
        blocks.append("for all targets\n" + _as_text(shared))
    blocks += [f"{_name(plan)}\n" + _as_text(rows) for plan, rows in listed]
    streams.out(hide.text("\n\n".join(blocks)))
    return 0


def _name(plan: Plan) -> str:
    settings = plan.settings
    return settings.role or f"{settings.provider}:{settings.model}"


def _rows(plan: Plan, project: Project | None, environ: Mapping[str, str]) -> Iterator[_Row]:
    """Every value in force for a target, by its name in the project file."""
    from llmcompat.cli.layers import DEFAULT, Origin
    from llmcompat.cli.target import ANY_KEY
    from llmcompat.project import variable_of

    settings, origins = plan.settings, plan.origins

    def row(name: str, value: Any) -> _Row:
        return _Row(name, value, origins.get(name, DEFAULT))

    yield row("provider", settings.provider)
    yield row("base_url", "(the built-in simulator)" if plan.built_in else settings.base_url)
    yield row("model", settings.model)
    for name in ("embedding_model", "vision_model", "context_window"):
        yield row(name, getattr(settings, name))
    if not plan.built_in:
        named = next((name for name in plan.key_variables if environ.get(name)), None)
        source = origins.get("api_key_env") or Origin("profile", f"profile {plan.profile.name}")
        if not plan.key_variables or (plan.key_variables == (ANY_KEY,) and "api_key_env" not in origins):
            source = DEFAULT
        state = f"{named} is set" if named else "not set"
        if not plan.key_variables:
            state = "a header carries the key"
        yield _Row("api_key_env", list(plan.key_variables), source, state)
    if "insecure_http" in origins:
        yield row("insecure_http", True)
    for kind, values in (("headers", settings.headers), ("body", settings.body)):
        for field, value in values.items():
            variable = variable_of(value)
            state = "" if variable is None else "set" if environ.get(variable) else "not set"
            name = f"request.{kind}.{field}"
            yield _Row(name, value, origins.get(name, DEFAULT), state)
    for name in ("first_token", "tokens_per_second"):
        yield row(f"budgets.latency.{name}", getattr(settings.latency, name))
    for name, field in _ALWAYS.items():
        yield row(name, _plain(getattr(settings, field)))
    yield row("budgets.alert_at", list(plan.alert_at))
    if plan.alert is not None:
        yield from _alert_rows(plan.alert, origins["budgets.alert"], environ)
    yield row("prices", _price_words(settings.pricing))
    if project is not None:
        for index, each in project.accepted_entries(*plan.names):
            text = each.check + (f" ({each.case})" if each.case else "") + f": {each.reason}"
            until = f", until {each.until}" if each.until else ""
            yield _Row("accepted", text + until, Origin("file", project.place("accepted", index)))


def _alert_rows(alert: Alert, origin: Origin, environ: Mapping[str, str]) -> Iterator[_Row]:
    """Who is told of a threshold; the webhook's address is a secret and never shown."""
    if alert.webhook is not None:
        state = "set" if alert.address(environ) else "not set"
        value = f"env:{alert.variable}" if alert.variable else "(an address that is not shown)"
        yield _Row("budgets.alert.webhook", value, origin, state)
        yield _Row("budgets.alert.format", alert.format, origin)
    if alert.command is not None:
        yield _Row("budgets.alert.command", list(alert.command), origin)


def _price_words(price: Pricing | None) -> str | None:
    if price is None:
        return None
    cached = "" if price.cached_input is None else f", {price.cached_input:.12g} cached"
    return f"{price.input:.12g} in, {price.output:.12g} out{cached}; USD per million tokens"


def _shared(project: Project | None, signoff: str | None, checks: list[str]) -> Iterator[_Row]:
    """What is the same for every target and no setting of one."""
    from llmcompat.cli.layers import DEFAULT, Origin, signoff_path

    path = signoff_path(signoff, project)
    origin = DEFAULT
    if signoff is not None:
        origin = Origin("option", "--signoff")
    elif project is not None and project.content.signoff:
        origin = Origin("file", project.place("signoff"), ("signoff",))
    yield _Row("signoff", str(path), origin, "" if path.exists() else "not there yet")
    if project is not None:
        for index, each in enumerate(project.content.checks):
            place = project.place("checks", index)
            yield _Row("checks", str(project.resolve(each)), Origin("file", place, ("checks", index)))
    for each in checks:
        yield _Row("checks", each, Origin("option", "--checks"))


def _plain(value: Any) -> Any:
    """A setting as plain data; what holds no order is sorted."""
    if isinstance(value, frozenset):
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value


def _as_json(rows: list[_Row]) -> list[dict[str, Any]]:
    return [
        {
            "name": row.name,
            "value": row.value,
            "from": row.origin.kind,
            "place": row.origin.text,
            "note": row.note or None,
        }
        for row in rows
    ]


def _as_text(rows: list[_Row]) -> str:
    from llmcompat.cli.problems import printable

    shown = [
        (
            printable(row.name, 100),
            printable(_words(row.value) + (f" ({row.note})" if row.note else ""), 400),
            printable(row.origin.text, 400),
        )
        for row in rows
    ]
    first = max(len(name) for name, _, _ in shown)
    second = max((len(value) for _, value, _ in shown if len(value) <= _WIDEST_VALUE), default=0)
    return "\n".join(f"  {name:{first}}  {value:{second}}  {place}" for name, value, place in shown)


def _words(value: Any) -> str:
    import json

    if value is None or value == []:
        return "-"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
