"""The requests of an application that are to be replayed, with their old answers, read one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmcompat.project.prompts import Expectations
from llmcompat.replay.compare import text_length
from llmcompat.replay.kinds import Told, told
from llmcompat.settings import Settings
from llmcompat.workload.format import (
    CHAT,
    EMBEDDINGS,
    Answer,
    Answers,
    Request,
    Skipped,
    read_answers,
    read_requests,
)

CHARACTERS_PER_TOKEN = 4
"""Of English text; for an estimate."""

_PASSING = (401, 402, 408, 409, 429)
"""Statuses that say nothing of the request."""


@dataclass(frozen=True)
class Counted:
    """What a workload holds, found by reading it once."""

    requests: int = 0
    characters: int = 0
    """Of all texts in them."""
    models: frozenset[str] = frozenset()
    skipped: tuple[Skipped, ...] = ()
    """The first lines that cannot be used."""
    unusable: int = 0
    """How many such lines there are."""


@dataclass(frozen=True)
class Workload:
    """Where the requests and old answers are; `short` are those of the project file."""

    file: Path | None = None
    answers_file: Path | None = None
    short: tuple[tuple[Request, Expectations], ...] = ()
    models: Mapping[str, str] | None = None
    """Which model is asked in place of which; the target's own in place of any other."""

    def requests(self, *, strict: bool = False) -> Iterator[tuple[Request, Expectations | None]]:
        """The requests that can be used, one at a time. Raises WorkloadError as `read_requests` does."""
        yield from self.short
        if self.file is not None:
            taken = {request.custom_id for request, _ in self.short}
            for each in read_requests(self.file, strict=strict):
                if isinstance(each, Request) and each.custom_id not in taken:
                    yield each, None

    def count(self, *, strict: bool = False) -> Counted:
        """Read all of it once. Raises WorkloadError; with `strict` for any line that cannot be used."""
        requests, characters, unusable = 0, 0, 0
        models: set[str] = set()
        skipped: list[Skipped] = []

        def take(request: Request) -> None:
            nonlocal requests, characters
            requests += 1
            characters += text_length(request.body)
            if isinstance(model := request.body.get("model"), str) and len(models) < 1000:
                models.add(model)

        for request, _ in self.short:
            take(request)
        taken = {request.custom_id for request, _ in self.short}
        for each in read_requests(self.file, strict=strict) if self.file is not None else ():
            if isinstance(each, Request) and each.custom_id in taken:
                each = Skipped(each.line, "has the custom_id of a request in the project file")
            if isinstance(each, Request):
                take(each)
                continue
            unusable += 1
            if len(skipped) < 10:
                skipped.append(each)
        return Counted(requests, characters, frozenset(models), tuple(skipped), unusable)

    def answers(self) -> Answers | None:
        """The old answers, to be looked up and then closed; None where there are none."""
        return read_answers(self.answers_file) if self.answers_file is not None else None

    def body(self, request: Request, settings: Settings, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """The request as this target is asked: its model, and what the application sends to it in addition.

        `defaults` are the profile's own additions, which replace nothing that the request says.
        """
        body = dict(request.body)
        if request.url == CHAT:
            for name, value in settings.body.items():
                if name not in body or value != defaults.get(name):
                    body[name] = value
        model = self.model(request, settings)
        return {**body, "model": model} if model is not None else body

    def model(self, request: Request, settings: Settings) -> str | None:
        """The model that is asked in place of the request's own."""
        named = request.body.get("model")
        if isinstance(named, str) and named in (self.models or {}):
            return (self.models or {})[named]
        return settings.embedding_model if request.url == EMBEDDINGS else settings.model


def old_answer(request: Request, answer: Answer | None) -> Told | None:
    """What the old endpoint answered; None where that is not known, not whole, or says nothing."""
    if answer is None or answer.ended == "cut" or answer.status is None:
        return None
    refused = 400 <= answer.status < 500
    if (refused and answer.status in _PASSING) or (not refused and not isinstance(answer.body, dict)):
        return None
    found = told(
        request.url, answer.status, answer.body, seconds=answer.seconds, first_byte=answer.first_byte
    )
    # a server error, or an error with 200, is no answer to compare with
    return found if found.accepted or refused else None
