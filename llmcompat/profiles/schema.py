"""The shape of a provider profile: frozen models that refuse keys they do not know."""

import re
from datetime import date
from typing import Annotated, Any, Literal, get_args
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

Feature = Literal[
    "streaming",
    "tools",
    "parallel-tools",
    "json-object",
    "json-schema",
    "embeddings",
    "vision",
    "responses",
    "logprobs",
    "n",
    "moderation",
    "batch",
]
FEATURES: tuple[str, ...] = get_args(Feature)

Kind = Literal["provider", "gateway", "server", "demo"]

DEFAULT_MAX_AGE_DAYS = 90
"""A fact older than this is shown as old: model ids and prices of hosts move about monthly."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _web_url(value: str) -> str:
    problem = "must be a full http or https URL"
    try:
        parts = urlsplit(value)
        # Reading the port is what finds one that is out of range.
        complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError(problem) from None
    if not complete or re.search(r"[\s\\\x00-\x1f]", value):
        raise ValueError(problem)
    return value


def _variable(value: str) -> str:
    # The value is never repeated: whoever pastes a key here must not see it in a log.
    if not _VARIABLE.fullmatch(value):
        raise ValueError(
            "must be the name of an environment variable, such as MY_API_KEY, not the key itself"
        )
    return value


def _pointer(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("must be a JSON pointer that starts with '/', such as /data/limit")
    return value


Url = Annotated[str, AfterValidator(_web_url)]
VariableName = Annotated[str, AfterValidator(_variable)]
JsonPointer = Annotated[str, AfterValidator(_pointer)]


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an http or https URL: what a key is bound to."""
    parts: SplitResult = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


class Sourced(_Frozen):
    """Something said about a provider, with where it was said and when.

    A shipped profile gives both for everything it says; a user's own profile may leave them out.
    `confirmed` is false where the page named was not read itself, only notes or data taken from it.
    """

    sources: tuple[Url, ...] = ()
    as_of: date | None = None
    confirmed: bool = True
    note: str | None = None

    def is_old(self, today: date, days: int = DEFAULT_MAX_AGE_DAYS) -> bool:
        """Whether the statement is more than `days` days old on `today`; without a date nobody knows."""
        return self.as_of is not None and (today - self.as_of).days > days


class _Valued(Sourced):
    @model_validator(mode="before")
    @classmethod
    def _plain_value(cls, data: Any) -> Any:
        """A plain value stands for a fact without a source, so that a small profile stays small."""
        return data if isinstance(data, (dict, BaseModel)) else {"value": data}


class Fact(_Valued):
    """One published value."""

    value: str | int | float | bool | list[str | int | float | bool]


class ModelFact(_Valued):
    """A model id to use."""

    value: Annotated[str, Field(min_length=1)]


class NumberFact(_Valued):
    """A published limit: a whole number above zero."""

    value: Annotated[int, Field(gt=0)]


class Models(Sourced):
    """Model ids. The sources here stand for `others`, `retired` and `aliases`."""

    default: ModelFact | None = None
    vision: ModelFact | None = None
    embedding: ModelFact | None = None
    others: tuple[str, ...] = ()
    retired: dict[str, str] = Field(default_factory=dict)
    """Model id to what became of it: a date, a replacement, or both."""
    aliases: dict[str, str] = Field(default_factory=dict)
    """Model id to the model that answers for it."""


class Thinking(Sourced):
    """How a model's reasoning is switched, and where its text appears."""

    default_on: bool
    off: dict[str, JsonValue] = Field(default_factory=dict)
    """Body fields that switch it off; empty when no switch is known."""
    on: dict[str, JsonValue] = Field(default_factory=dict)
    field: Literal["reasoning_content", "reasoning"] | None = None


class RequestDefaults(Sourced):
    """What a request to this endpoint needs beyond the standard."""

    token_limit_parameter: Literal["max_tokens", "max_completion_tokens"] | None = None
    body: dict[str, JsonValue] = Field(default_factory=dict)


class Offer(Sourced):
    """Whether a feature is offered, as published: never a verdict."""

    offered: bool


class Limits(_Frozen):
    """Published limits; the token limits are those of the default chat model."""

    context_window: NumberFact | None = None
    """Tokens, prompt and answer together."""
    max_output: NumberFact | None = None
    """Tokens."""
    requests_per_minute: NumberFact | None = None
    requests_per_day: NumberFact | None = None
    tokens_per_minute: NumberFact | None = None
    concurrent_requests: NumberFact | None = None
    embedding_batch: NumberFact | None = None
    """Inputs in one embeddings request."""
    tools: NumberFact | None = None
    """Tools in one request."""
    stop_sequences: NumberFact | None = None
    choices: NumberFact | None = None
    """The largest `n`."""


class Line(_Frozen):
    """A line of the checklist: a check, and the case in which it fails; without a case, every one."""

    check: Annotated[str, Field(min_length=1)]
    case: str | None = None


class KnownDeviation(Sourced):
    """A difference from OpenAI's API that others have reported or the provider documents.

    `check` and `case` name the line of the checklist that shows it. Where none does, `unseen` says why, and
    `not_simulated` says why a simulation does not play it.
    """

    check: str | None = None
    case: str | None = None
    also: tuple[Line, ...] = ()
    """Further lines that fail for the same cause."""
    catalogue: str | None = None
    fault: str | None = None
    """The simulator's fault that plays it, where it does not have the name in `catalogue`."""
    fields: tuple[str, ...] = ()
    """The top-level request fields that are refused, where the deviation is such a refusal."""
    while_thinking: bool = False
    """Met only where the model thinks."""
    summary: Annotated[str, Field(min_length=1)]
    status: Literal["open", "fixed", "contradictory"]
    hidden_by: str | None = None
    """The deviation, by its `catalogue` name, that keeps this one from being seen in the same run."""
    unseen: str | None = None
    not_simulated: str | None = None

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every line of the checklist that shows it."""
        return (*([Line(check=self.check, case=self.case)] if self.check else []), *self.also)

    @property
    def played(self) -> bool:
        """Whether a simulation shows it: it is open, and nothing says why it cannot be played."""
        return self.status == "open" and self.not_simulated is None

    @model_validator(mode="after")
    def _told_once(self) -> "KnownDeviation":
        if self.check is None and (self.case is not None or self.also):
            raise ValueError("case and also need a check")
        if self.check is not None and self.unseen is not None:
            raise ValueError("unseen says why no check shows it; give either check or unseen")
        return self


class Wire(Sourced):
    """What answers carry here beside OpenAI's fields, as documented; a simulation sends it."""

    headers: dict[str, str] = Field(default_factory=dict)
    answer: dict[str, JsonValue] = Field(default_factory=dict)
    """Top-level fields of chat completions and of their chunks."""
    usage: dict[str, JsonValue] = Field(default_factory=dict)
    cost: str | None = None
    """The field of usage that states the cost in USD."""
    model: dict[str, JsonValue] = Field(default_factory=dict)
    """Fields of each entry of the model list."""
    context_window: str | None = None
    """The field of such an entry that states the context window."""
    balance: JsonValue = None
    """An answer of the balance endpoint, with a figure of its own."""


class ErrorClass(Sourced):
    """How one kind of refusal is told from others; every field that is given must match."""

    status: Annotated[int, Field(ge=100, le=599)]
    code: str | int | None = None
    type: str | None = None
    message: str | None = None
    """A part of the message, letter case ignored."""


class ErrorClasses(_Frozen):
    """Refusals that share a status with something else."""

    out_of_money: tuple[ErrorClass, ...] = ()
    context_overflow: tuple[ErrorClass, ...] = ()
    rate_limit: tuple[ErrorClass, ...] = ()


class Balance(Sourced):
    """Where the account's money can be read with the key that is used for inference.

    The number may be sent as a string. `factor` turns it into what `kind` says (minus one where a credit is
    sent as a negative number).
    """

    path: str | None = None
    """Below the base URL, as `/chat/completions` is."""
    url: Url | None = None
    """Where it is not below the base URL; of the same origin."""
    pointer: JsonPointer
    unit: str | None = None
    unit_pointer: JsonPointer | None = None
    """Where the answer names its currency itself."""
    kind: Literal["balance", "spent", "limit_remaining"]
    factor: float = 1.0

    @model_validator(mode="after")
    def _one_place(self) -> "Balance":
        if (self.path is None) == (self.url is None):
            raise ValueError("give either path or url")
        if self.path is not None and (not re.match(r"/[^/\\]", self.path) or re.search(r"[\s\\]", self.path)):
            raise ValueError("path must start with one '/', such as /user/balance")
        return self

    def address(self, base_url: str) -> str:
        """The full URL to read, for a profile with this base URL."""
        return self.url if self.url is not None else base_url.rstrip("/") + (self.path or "")


class PriceFact(_Frozen):
    """List prices of one model in USD per million tokens."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    cached_input: Annotated[float, Field(ge=0)] | None = None
    source: Url | None = None
    as_of: date | None = None
    confirmed: bool = True
    """False where the source is a data set and not the provider's price page."""
    note: str | None = None

    def is_old(self, today: date, days: int = DEFAULT_MAX_AGE_DAYS) -> bool:
        """Whether the price is more than `days` days old on `today`; without a date nobody knows."""
        return self.as_of is not None and (today - self.as_of).days > days


class Pages(_Frozen):
    """Pages for a person to open."""

    alerts: Url | None = None
    status: Url | None = None
    pricing: Url | None = None
    terms: Url | None = None
    privacy: Url | None = None
    limits: Url | None = None
    keys: Url | None = None


class Profile(_Frozen):
    """One provider, gateway or server: how to reach it and what is published about it."""

    name: str
    display_name: str = ""
    kind: Kind = "provider"
    summary: str | None = None
    base_url: Url | None = None
    key_variable: VariableName | None = None
    key_variable_aliases: tuple[VariableName, ...] = ()
    headers: dict[str, str] = Field(default_factory=dict)
    docs_url: Url | None = None
    models: Models = Field(default_factory=Models)
    request: RequestDefaults = Field(default_factory=RequestDefaults)
    thinking: Thinking | None = None
    features: dict[Feature, Offer] = Field(default_factory=dict)
    limits: Limits = Field(default_factory=Limits)
    deviations: tuple[KnownDeviation, ...] = ()
    errors: ErrorClasses = Field(default_factory=ErrorClasses)
    balance: Balance | None = None
    wire: Wire | None = None
    prices: dict[str, PriceFact] = Field(default_factory=dict)
    pages: Pages = Field(default_factory=Pages)
    data_policy: dict[str, Fact] = Field(default_factory=dict)
    lock_in: dict[str, Fact] = Field(default_factory=dict)
    facts: dict[str, Fact] = Field(default_factory=dict)
    verified_live: date | None = None
    """The day a run against the real endpoint confirmed the profile; none means never."""

    @field_validator("name")
    @classmethod
    def _slug(cls, value: str) -> str:
        if not _SLUG.fullmatch(value):
            raise ValueError("must be lower-case letters, digits, '-', '_' and '.', such as my-gateway")
        return value

    @field_validator("base_url")
    @classmethod
    def _bare_base(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if parts.username or parts.password:
            raise ValueError("must not hold a user name or password; keys come from the environment")
        if parts.query or parts.fragment:
            raise ValueError("must not have a query or fragment")
        return value.rstrip("/") if value else value

    @field_validator("headers")
    @classmethod
    def _plain_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for header, text in value.items():
            if not _HEADER_NAME.fullmatch(header) or re.search(r"[\r\n\0]", text):
                raise ValueError("must be HTTP header names with one line of text each")
            if header.lower() in ("authorization", "proxy-authorization", "api-key", "x-api-key", "cookie"):
                raise ValueError("must not hold credentials; name the key's variable in key_variable")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "Profile":
        if not self.display_name:
            object.__setattr__(self, "display_name", self.name)
        if self.balance is not None:
            if self.base_url is None:
                raise ValueError("balance needs a base_url")
            # The key goes to the profile's own origin and to no other.
            if origin(self.balance.address(self.base_url)) != origin(self.base_url):
                raise ValueError("balance.url must be of the same origin as base_url")
        return self

    def retired_model(self, model: str) -> str | None:
        """What became of a retired model id, or None for an id not known as retired."""
        return self.models.retired.get(model)
