"""The shape of llmcompat.yaml: frozen models that refuse keys they do not know."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    model_validator,
)

from llmcompat.billing.catalogues import MOST_USD
from llmcompat.clients import clients
from llmcompat.model import UseCase
from llmcompat.profiles.schema import FEATURES, Url, VariableName
from llmcompat.project.prompts import PromptEntry
from llmcompat.settings import LatencyBudget, Peak, PromptSizes
from llmcompat.yamlfile import Keys, nearest

Purpose = Literal["chat", "embeddings", "vision"]
"""What the application asks of a target."""

CREDENTIAL_HEADER = re.compile(
    r"(?i)authorization|proxy-authorization|cookie|(?:.*[-_])?(?:api[-_]?key|subscription-key|auth|token|secret|password)"
)
"""Headers whose value opens something (matched whole): it may come from the environment only."""

OWN_FIELDS = ("model", "messages", "stream")
"""Fields of a chat request that the checks themselves decide."""

_PATH = re.compile(r"/[A-Za-z0-9._~{}/-]{1,200}")
_ENVIRONMENT = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)")


def is_credential(header: str) -> bool:
    """Whether a header of this name holds what nobody else may read."""
    return CREDENTIAL_HEADER.fullmatch(header) is not None


def variable_of(value: object) -> str | None:
    """The environment variable that a value such as `env:NAME` stands for, or None for a plain value."""
    found = _ENVIRONMENT.fullmatch(value) if isinstance(value, str) else None
    return found[1] if found else None


def variables_in(value: Any, keys: Keys = ()) -> Iterator[tuple[Keys, str]]:
    """Every variable that plain data refers to, with the way to the place where it does."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from variables_in(inner, (*keys, name))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from variables_in(inner, (*keys, index))
    elif (name := variable_of(value)) is not None:
        yield keys, name


def _split(value: Any) -> Any:
    """One name, or several with commas, as a list of them."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _feature(value: str) -> str:
    if value not in FEATURES:
        raise ValueError(f"{value} is not a feature; {nearest(value, FEATURES)}")
    return value


def _client(value: str) -> str:
    if value not in clients():
        raise ValueError(f"{value} is not a client that is known of; {nearest(value, clients())}")
    return value


def _use_case(value: Any) -> Any:
    names = [each.value for each in UseCase]
    if isinstance(value, str) and value not in names:
        raise ValueError(f"{value} is not a use case; {nearest(value, names)}")
    return value


def _path(value: str) -> str:
    if not _PATH.fullmatch(value):
        raise ValueError("must be a path below the base URL with /v1 before it, such as /v1/chat/completions")
    return value


def _day(value: Any) -> Any:
    # a number would be taken for seconds since 1970
    if not isinstance(value, (str, date)):
        raise ValueError("must be a date such as 2026-11-22")
    return value


Text = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Text, ...], BeforeValidator(_split)]
Features = Annotated[tuple[Annotated[str, AfterValidator(_feature)], ...], BeforeValidator(_split)]
Clients = Annotated[tuple[Annotated[str, AfterValidator(_client)], ...], BeforeValidator(_split)]
Paths = Annotated[tuple[Annotated[str, AfterValidator(_path)], ...], BeforeValidator(_split)]
Day = Annotated[date, BeforeValidator(_day)]


class _Frozen(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, populate_by_name=True
    )


class Request(_Frozen):
    """What the application sends beside its messages; a text `env:NAME` stands for that variable's value."""

    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, JsonValue] = Field(default_factory=dict)


class Latency(_Frozen):
    """What the application can bear; what is None is not judged."""

    first_token: Annotated[float, Field(gt=0)] | None = None
    """Seconds until the first token of a stream, at the median."""
    tokens_per_second: Annotated[float, Field(gt=0)] | None = None
    """At least so many after the first one, at the median."""

    def as_budget(self) -> LatencyBudget:
        """The same as the settings of a run hold it."""
        return LatencyBudget(first_token=self.first_token, tokens_per_second=self.tokens_per_second)


class Alert(_Frozen):
    """Who is told when a threshold is reached: a webhook, a command, or both."""

    webhook: SecretStr | None = None
    """An address, or `env:NAME` with the variable that holds it: whoever has it can write there."""
    format: Literal["slack", "json"] = "json"
    command: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    """A program and its arguments; a relative path of the program is relative to this file."""

    @model_validator(mode="after")
    def _somebody(self) -> Alert:
        if self.webhook is None and self.command is None:
            raise ValueError("needs webhook or command")
        return self

    @property
    def variable(self) -> str | None:
        """The environment variable that holds the webhook's address, or None."""
        return variable_of(self.webhook.get_secret_value()) if self.webhook is not None else None

    def address(self, environ: Mapping[str, str]) -> str | None:
        """The webhook's address, a secret; None where there is none, or its variable is not set."""
        if self.webhook is None:
            return None
        return environ.get(self.variable) if self.variable else self.webhook.get_secret_value()


class Budgets(_Frozen):
    """What may be spent, in seconds and in USD; what is None is as if it were not there."""

    latency: Latency = Field(default_factory=Latency)
    run_usd: Annotated[float, Field(ge=0)] | None = None
    """For one run on one target."""
    monthly_usd: Annotated[float, Field(ge=0)] | None = None
    """For the application, at this target."""
    alert_at: Annotated[tuple[Annotated[float, Field(gt=0, le=10)], ...], Field(min_length=1)] | None = None
    """Shares of `monthly_usd` at which somebody is told."""
    alert: Alert | None = None


class Price(_Frozen):
    """What a model costs, in USD per million tokens, by the user's own contract."""

    input: Annotated[float, Field(ge=0, le=MOST_USD)]
    output: Annotated[float, Field(ge=0, le=MOST_USD)]
    cached_input: Annotated[float, Field(ge=0, le=MOST_USD)] | None = None
    as_of: Day | None = None


class Choice(_Frozen):
    """What may be said for all targets, and otherwise for one of them; None where nothing is said."""

    use_case: Annotated[UseCase, BeforeValidator(_use_case)] | None = Field(default=None, alias="for")
    uses: Features | None = None
    without: Features | None = None
    clients: Clients | None = None
    only: Names | None = None
    skip: Names | None = None
    request: Request = Field(default_factory=Request)
    budgets: Budgets = Field(default_factory=Budgets)


class TargetEntry(Choice):
    """One endpoint that the application uses, by the role that it has there."""

    provider: Text | None = None
    """NAME, NAME:MODEL, or a profile file relative to this one."""
    model: Text | None = None
    base_url: Url | None = None
    api_key_env: VariableName | None = None
    embedding_model: Text | None = None
    vision_model: Text | None = None
    context_window: Annotated[int, Field(ge=1)] | None = None
    balance_floor: float | None = None
    insecure_http: bool | None = None
    purpose: Purpose | None = None
    """What it is used for, where its role is not called embeddings or vision."""

    @model_validator(mode="before")
    @classmethod
    def _provider_alone(cls, data: Any) -> Any:
        """A plain text stands for a provider, so that a small file stays small."""
        return {"provider": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _reachable(self) -> TargetEntry:
        named = self.model or (self.embedding_model if self.purpose == "embeddings" else None)
        if self.provider is None and not (self.base_url and named):
            raise ValueError("needs provider, or base_url and model")
        return self


class AcceptedEntry(_Frozen):
    """A deviation that the user lives with."""

    check: Text
    case: Text | None = None
    """One case of it; any where nothing is said."""
    target: Text | None = None
    """A role, a provider or PROVIDER:MODEL; every target where nothing is said."""
    reason: Text
    until: Day | None = None
    """The last day on which it counts."""


class ProjectFile(Choice):
    """The whole of llmcompat.yaml."""

    targets: dict[str, TargetEntry] = Field(default_factory=dict)
    workload: tuple[PromptEntry, ...] = ()
    """Requests of the application in short form."""
    calls: Paths = ()
    """The paths that the application calls."""
    peak: Peak | None = None
    """The most that it sends in one minute."""
    prompt_tokens: PromptSizes | None = None
    """How long its prompts are."""
    accepted: tuple[AcceptedEntry, ...] = ()
    prices: dict[str, Price] = Field(default_factory=dict)
    """Prices of one's own, by PROVIDER or PROVIDER:MODEL; they go before all that is published."""
    signoff: Text | None = None
    """The file with the signatures of manual lines, relative to this one."""
    checks: Names = ()
    """Folders with checks of one's own, relative to this file."""
    concurrency: Annotated[int, Field(ge=1, le=256)] | None = None
    timeout: Annotated[float, Field(gt=0)] | None = None
    """Seconds that one request may take."""
    deadline: Annotated[float, Field(gt=0)] | None = None
    """Seconds that the run may take."""
    max_prompt_tokens: Annotated[int, Field(ge=1)] | None = None
    repeat: Annotated[int, Field(ge=1, le=1000)] | None = None
    strict: bool | None = None
    require_signoff: bool | None = None
    fail_on_stale: bool | None = None

    @model_validator(mode="after")
    def _names_once(self) -> ProjectFile:
        names = [entry.name for entry in self.workload if entry.name is not None]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"workload has two entries named {name[:80]}; rename one")
        return self
