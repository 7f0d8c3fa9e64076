"""What the Responses API answers, read without judging it or blocked by the owner of what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from llmcompat import Reply, blocked, dig, is_int, load_json, unanswered

ENDED = ("response.completed", "response.incomplete", "response.failed", "error")


class Event(NamedTuple):
    """One event of a stream: the name on its `event:` line ("" where there is none), its type and data."""

    name: str
    type: str
    data: dict[str, Any]

    @property
    def place(self) -> int | None:
        """Which item of the output it belongs to; None where it says nothing of it."""
        value = self.data.get("output_index")
        return value if is_int(value) else None

    @property
    def response(self) -> dict[str, Any] | None:
        """The response object that it carries."""
        value = self.data.get("response")
        return value if isinstance(value, dict) else None


# --- an answer as one object


def response_of(reply: Reply) -> dict[str, Any]:
    """The response object of a plain answer; blocked where there is none."""
    reply.require()
    if not isinstance(reply.document, dict):
        blocked("responses-object")
    if reply.document.get("error") and "output" not in reply.document:
        blocked("error-status")
    return reply.document


def output_of(reply: Reply) -> list[dict[str, Any]]:
    """The items of a plain answer; blocked where they are not a list of objects with a type."""
    output = response_of(reply).get("output")
    if not isinstance(output, list) or not is_output(output):
        blocked("responses-output")
    return output


def is_output(value: object) -> bool:
    """Whether a value is a list of at least one object that says what it is."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and isinstance(item.get("type"), str) for item in value)
    )


def of_type(output: object, kind: str) -> list[dict[str, Any]]:
    """The items of one type."""
    items = output if isinstance(output, list) else []
    return [item for item in items if isinstance(item, dict) and item.get("type") == kind]


def text_in(output: object) -> str:
    """The text of an output as far as it can be read."""
    found = []
    for message in of_type(output, "message"):
        for part in of_type(message.get("content"), "output_text"):
            if isinstance(part.get("text"), str):
                found.append(part["text"])
    return "".join(found)


def text_of(reply: Reply) -> str:
    """The text of a plain answer, which must be there and whole."""
    output = output_of(reply)
    uncut(response_of(reply))
    text = text_in(output)
    if not text.strip():
        if of_type(output, "function_call"):
            unanswered("the model called a tool instead of answering")
        blocked("responses-output")
    return text


def uncut(response: dict[str, Any]) -> None:
    """End without a verdict where the endpoint's own token limit cut the answer."""
    if response.get("status") == "incomplete":
        reason = dig(response, "incomplete_details.reason") or "no reason given"
        unanswered(f"the answer is incomplete: {reason}")


def find_calls(reply: Reply) -> list[dict[str, Any]]:
    """The function calls of an answer, of a stream those that it ends with; it judges nothing."""
    if not reply.streamed:
        return of_type(dig(reply.document, "output"), "function_call")
    done = [
        event.data.get("item") for event in find_events(reply) if event.type == "response.output_item.done"
    ]
    return of_type(done, "function_call")


def calls_of(reply: Reply) -> list[dict[str, Any]]:
    """The function calls of a plain answer, of which there must be one."""
    uncut(response_of(reply))
    calls = of_type(output_of(reply), "function_call")
    if not calls:
        blocked("responses-tool-called")
    return calls


# --- an answer as events


def find_events(reply: Reply) -> list[Event]:
    """The events of a stream that are JSON objects with a type, up to a `[DONE]`; it judges nothing."""
    events = []
    for block in reply.blocks:
        if block.data is None:
            continue
        if block.data.strip() == "[DONE]":
            break
        try:
            data = load_json(block.data)
        except ValueError:
            continue
        if isinstance(data, dict) and isinstance(data.get("type"), str):
            events.append(Event(block.framing.event or "", data["type"], data))
    return events


def events_of(reply: Reply) -> list[Event]:
    """The events of an accepted stream, of which there must be one."""
    reply.require()
    events = find_events(reply)
    if not events:
        blocked("responses-stream-events")
    return events


def each_stream(first: Reply, *others: Reply) -> Iterable[tuple[Reply, list[Event]]]:
    """The streams with their events; the others only where they were accepted and hold events."""
    yield first, events_of(first)
    for reply in others:
        if reply.answered and find_events(reply):
            yield reply, find_events(reply)


def closing(events: list[Event]) -> Event:
    """The event that tells of a completed response; blocked where a stream has none."""
    for event in events:
        if event.type == "response.incomplete":
            uncut({**(event.response or {}), "status": "incomplete"})
    found = [event for event in events if event.type == "response.completed"]
    if not found:
        blocked("responses-stream-complete")
    return found[-1]
