"""The user's cache of public model catalogues: each with its source and the time at which it was read."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from llmcompat.billing.catalogues import CATALOGUES, MOST_MODELS, MOST_TOKENS, MOST_USD, Catalogue, ModelFacts
from llmcompat.settings import Pricing

FOLDER_VARIABLE = "LLMCOMPAT_CACHE_DIR"
"""Names another folder for the cache."""

MAX_AGE_DAYS = 30
"""What was read longer ago is not used: prices and model ids move about monthly."""

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of a cached catalogue that are read."""

_SCHEMA = "llmcompat.catalogue/1"


class CacheError(Exception):
    """A cached catalogue cannot be used. One line that names the file and the mend."""


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    context_window: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    input: float | None = Field(default=None, ge=0, le=MOST_USD)
    output: float | None = Field(default=None, ge=0, le=MOST_USD)
    cached_input: float | None = Field(default=None, ge=0, le=MOST_USD)


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore")

    schema_name: Literal["llmcompat.catalogue/1"] = Field(alias="schema")
    url: str
    read_at: AwareDatetime
    models: dict[str, _Facts] = Field(max_length=MOST_MODELS)


@dataclass(frozen=True, slots=True)
class Cached:
    """A catalogue as it was read."""

    catalogue: Catalogue
    url: str
    read_at: datetime
    models: Mapping[str, ModelFacts]

    def is_old(self, now: datetime) -> bool:
        """Whether it was read too long before `now` to be used, or after it."""
        return not timedelta(days=-1) <= now - self.read_at <= timedelta(days=MAX_AGE_DAYS)

    def pricing(self, model: str) -> Pricing | None:
        """The list price of a model with its source and day, or None where the catalogue has none."""
        facts = self.models.get(model)
        return facts.pricing(self.url, self.read_at.date()) if facts is not None else None


def cache_folder() -> Path:
    """The folder of the cached catalogues; nobody says that it exists."""
    given = os.environ.get(FOLDER_VARIABLE)
    root = Path(given) if given else platformdirs.user_cache_path("llmcompat", appauthor=False)
    return root / "catalogues"


def save(catalogue: Catalogue, models: Mapping[str, ModelFacts], read_at: datetime) -> Path:
    """Write a catalogue whole or not at all; the folder is made. Raises OSError."""
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    file = _File.model_validate(
        {
            "schema": _SCHEMA,
            "url": catalogue.url,
            "read_at": read_at,
            "models": {
                name: _Facts(
                    context_window=facts.context_window,
                    input=facts.input,
                    output=facts.output,
                    cached_input=facts.cached_input,
                )
                for name, facts in models.items()
            },
        }
    )
    path = folder / f"{catalogue.name}.json"
    draft = folder / f".{catalogue.name}.{secrets.token_hex(4)}.part"
    try:
        draft.write_text(
            file.model_dump_json(by_alias=True, exclude_none=True, indent=1), encoding="utf-8", newline="\n"
        )
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    return path


def load(catalogue: Catalogue) -> Cached | None:
    """A catalogue as it was saved, however old; None where it was never read. Raises CacheError."""
    path = cache_folder() / f"{catalogue.name}.json"
    again = "read it again with llmcompat providers refresh"
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CacheError(f"{path}: not read: {error.strerror or error}; it is not used") from None
    if len(data) > MOST_BYTES:
        raise CacheError(f"{path}: larger than {MOST_BYTES // 1024**2} MB; it is not used, {again}")
    try:
        file = _File.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step)[:80] for step in first["loc"])
        reason = " ".join(f"{place} {first['msg']}".split())[:200]
        raise CacheError(f"{path}: damaged ({reason}); it is not used, {again}") from None
    models = {
        name: ModelFacts(facts.context_window, facts.input, facts.output, facts.cached_input)
        for name, facts in file.models.items()
    }
    return Cached(catalogue, file.url, file.read_at.astimezone(UTC), models)


def for_host(host: str) -> Catalogue | None:
    """The catalogue that speaks of the models at this host, or None."""
    return next((catalogue for catalogue in CATALOGUES if catalogue.host == host.lower()), None)


def cached_price(host: str, model: str, now: datetime) -> Pricing | None:
    """The price of a model at this host as the cache knows it.

    None where nothing is cached, and where what is cached is damaged or too old: `llmcompat providers NAME`
    says which.
    """
    catalogue = for_host(host)
    if catalogue is None:
        return None
    try:
        cached = load(catalogue)
    except CacheError:
        return None
    return cached.pricing(model) if cached is not None and not cached.is_old(now) else None
