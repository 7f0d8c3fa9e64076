"""The known deviations of OpenAI-compatible endpoints, each with its sources and the check that tells of it.

The data stand in `deviations.yaml`. A deviation names the check and the case that tell of it, the simulator's
fault that shows it, and the other lines that fail by its nature; or the reason why no line does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

FILE = "deviations.yaml"


class Deviation(BaseModel):
    """One way in which endpoints have differed from what clients expect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    symptom: str = Field(min_length=1)
    """What is met, in one sentence."""
    kind: Literal["deviation", "legal-but-breaks", "contract-trap"]
    """A trap is what the contract allows and clients do not expect: nothing fails on it."""
    shown: Literal["always", "sometimes", "passively"]
    """Whether one request shows it, or several, or only the traffic of production."""
    sources: tuple[str, ...] = Field(min_length=1)
    check: str | None = None
    case: str | None = None
    level: Literal["must", "should"] | None = None
    """How much the line weighs for an agent that uses the feature."""
    fault: str | None = None
    """The simulator's fault that shows it."""
    also: tuple[str, ...] = ()
    """Other lines that fail with it, because one cause shows in several places."""
    ends_run: str | None = None
    """Words of the reason for which a run ends at once, where there is nothing left to check."""
    left_out: str | None = None
    """Why no line tells of it."""

    @model_validator(mode="after")
    def _told_or_left_out(self) -> Deviation:
        line = self.check is not None and self.case is not None and self.level is not None
        told = [line, self.ends_run is not None, self.left_out is not None]
        if sum(told) != 1 or (not line and (self.check or self.case or self.level or self.also)):
            raise ValueError(f"{self.id}: needs check, case and level, or ends_run, or left_out")
        return self


@cache
def catalogue() -> Mapping[str, Deviation]:
    """Every known deviation by id, in the order of the file.

    Raises ValueError, in one line that names the entry, where the file that ships is broken.
    """
    text = (files(__name__) / FILE).read_text(encoding="utf-8")
    # the C loader is not on every platform, and ten times as fast
    entries: list[dict[str, Any]] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    found: dict[str, Deviation] = {}
    for entry in entries:
        try:
            deviation = Deviation.model_validate(entry)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"])
            raise ValueError(f"{FILE}: {entry.get('id')}: {where} {first['msg']}".strip()) from error
        if deviation.id in found:
            raise ValueError(f"{FILE}: {deviation.id} stands there twice")
        found[deviation.id] = deviation
    return MappingProxyType(found)


def told_by(check: str) -> tuple[Deviation, ...]:
    """The known deviations that a check tells of."""
    return tuple(each for each in catalogue().values() if each.check == check)
