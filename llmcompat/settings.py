"""What one run on one target is to do: the user's options, validated, over the profile's values."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from llmcompat.model import Acceptance, Signature, UseCase

USE_CASE_FEATURES: dict[UseCase, frozenset[str]] = {
    UseCase.CHAT: frozenset({"streaming"}),
    UseCase.AGENT: frozenset({"streaming", "tools", "parallel-tools", "json-object", "json-schema"}),
    UseCase.TRIAL: frozenset({"streaming"}),
}
"""The features that a use case asks for without being told (`--uses` adds to them)."""


class Pricing(BaseModel):
    """The list price of one model in USD per million tokens, with its source and the day it speaks of."""

    model_config = ConfigDict(frozen=True)

    input: float
    output: float
    cached_input: float | None = None
    source: str = ""
    as_of: date | None = None
    own: bool = False
    """The user gives it in the project file, so that nothing published goes before it."""

    @property
    def is_free(self) -> bool:
        """Whether no number of tokens costs anything."""
        return self.input == self.output == 0

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """USD for so many tokens; `cached_tokens` are those of the prompt that were read from the cache."""
        cached = min(max(cached_tokens, 0), max(prompt_tokens, 0))
        cached_price = self.input if self.cached_input is None else self.cached_input
        paid = (prompt_tokens - cached) * self.input + cached * cached_price + completion_tokens * self.output
        return paid / 1_000_000


class LatencyBudget(BaseModel):
    """What the application can bear; what is None is not judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_token: float | None = Field(default=None, gt=0)
    """Seconds until the first token of a stream, at the median."""
    tokens_per_second: float | None = Field(default=None, gt=0)
    """At least so many after the first one, at the median."""


class Peak(BaseModel):
    """The most that the application sent in one minute; what is None is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_minute: int | None = Field(default=None, ge=1)
    tokens_per_minute: int | None = Field(default=None, ge=1)
    """Of prompts and answers together."""


class PromptSizes(BaseModel):
    """How long the application's prompts are, in tokens; what is None is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    p50: int | None = Field(default=None, ge=0)
    p99: int | None = Field(default=None, ge=0)


class Settings(BaseModel):
    """One target and how to check it. Nothing in here is a secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: str
    base_url: str
    model: str
    embedding_model: str | None = None
    vision_model: str | None = None
    context_window: int | None = Field(default=None, ge=1)
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}
    """Fields that the application sends with every chat request."""
    use_case: UseCase = UseCase.AGENT
    uses: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    clients: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    quick: bool = False
    concurrency: int = Field(default=8, ge=1, le=256)
    timeout: float = Field(default=60.0, gt=0)
    """Seconds that one request may take."""
    deadline: float = Field(default=600.0, gt=0)
    """Seconds that the run may take."""
    max_usd: float = Field(default=0.10, ge=0)
    max_tokens: int = Field(default=300_000, ge=1)
    """What the run may use where no price is known."""
    max_prompt_tokens: int = Field(default=32_000, ge=1)
    balance_floor: float | None = None
    """What the account should hold at least, in the unit that the provider's balance page uses."""
    repeat: int = Field(default=1, ge=1, le=1000)
    strict: bool = False
    latency: LatencyBudget = LatencyBudget()
    monthly_usd: float | None = Field(default=None, ge=0)
    """What the application may cost a month."""
    calls: tuple[str, ...] = ()
    """The paths that the application calls, such as /v1/chat/completions."""
    peak: Peak | None = None
    prompt_tokens: PromptSizes | None = None
    role: str | None = None
    """The name of the target in the project file."""
    accepted: tuple[Acceptance, ...] = ()
    signatures: tuple[Signature, ...] = ()
    require_signoff: bool = False
    """A manual line that nobody signed is a must without an answer."""
    fail_on_stale: bool = False
    """An accepted deviation that no longer occurs is a failure."""
    loopback: bool = False
    """The endpoint is on this machine."""
    has_key: bool = False
    pricing: Pricing | None = None
    live: tuple[str, ...] = ()
    """Settings that this run took from the endpoint's own model list: pricing, context_window."""
    simulated: bool = False

    def asks_for(self, feature: str | None, use_case: UseCase | None = None) -> bool:
        """Whether a failure of a check of this feature weighs fully for the use case."""
        return (
            feature is None or feature in self.uses or feature in USE_CASE_FEATURES[use_case or self.use_case]
        )
