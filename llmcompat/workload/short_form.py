"""The short form of a workload in llmcompat.yaml as requests, each with what its answer must hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmcompat.project.prompts import Expectations, PromptEntry
from llmcompat.workload.format import CHAT, Request


def requests_of(entries: Iterable[PromptEntry]) -> Iterator[tuple[Request, Expectations]]:
    """The requests in their order; an entry without a name is called after its place, as "prompt-3"."""
    for position, entry in enumerate(entries, start=1):
        custom_id = entry.name or f"prompt-{position}"
        yield Request(custom_id, "POST", CHAT, entry.chat_body(), 0), entry.expect
