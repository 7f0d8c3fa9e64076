"""What a stream's events add up to, in the shape that the same request has without a stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from llmcompat.reply import load_json
from llmcompat.workload.format import CHAT, COMPLETIONS, RESPONSES

_LISTED_BY_INDEX = "tool_calls"
_ONCE = frozenset({"id", "type", "role", "name", "index"})
"""Texts of a delta that come once, and are not continued where a server repeats them."""

_RESPONSE_ENDS = ("response.completed", "response.incomplete", "response.failed")

MOST_CHOICES = 128
"""Choices and calls that are put together; OpenAI's API allows as many."""


class _Pieces(list[str]):
    """The parts of one text."""


class Assembly:
    """Takes a stream's events one by one; `body` is what they add up to so far."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._body: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}
        self._texts: dict[int, dict[str, Any]] = {}
        self.finished = False
        """The stream came to an end that it announced."""

    def add(self, data: str) -> None:
        """The data of one event; what is no JSON object is left out."""
        if data.strip() == "[DONE]":
            self.finished = True
            return
        try:
            event = load_json(data)
        except ValueError:
            return
        if not isinstance(event, dict):
            return
        if self._url == RESPONSES:
            self._add_response(event)
        elif self._url in (CHAT, COMPLETIONS):
            self._add_chunk(event)

    @property
    def body(self) -> dict[str, Any] | None:
        """The answer; None where no event brought a part of one."""
        if self._url == RESPONSES or not self._choices:
            return self._body or None
        choices = [self._choice(index) for index in sorted(self._choices)]
        kind = "chat.completion" if self._url == CHAT else "text_completion"
        return {**self._body, "object": kind, "choices": choices}

    def _add_response(self, event: dict[str, Any]) -> None:
        response = event.get("response")
        if isinstance(response, dict):
            self._body = response
        self.finished |= event.get("type") in _RESPONSE_ENDS
        if event.get("type") == "error":
            self._body = {**self._body, "error": event.get("error", event)}

    def _add_chunk(self, chunk: dict[str, Any]) -> None:
        for name, value in chunk.items():
            if name != "choices" and (value is not None or name not in self._body):
                self._body[name] = value
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            index = choice.get("index", 0)
            index = index if isinstance(index, int) and 0 <= index < MOST_CHOICES else 0
            kept = self._choices.setdefault(index, {"index": index})
            for name, value in choice.items():
                if name == "delta":
                    if isinstance(value, dict):
                        _merge(self._texts.setdefault(index, {}), value)
                elif name == "text" and isinstance(value, str):
                    _merge(self._texts.setdefault(index, {}), {"text": value})
                elif name == "logprobs" and isinstance(value, dict):
                    _join_lists(kept, value)
                elif name != "index" and (value is not None or name not in kept):
                    kept[name] = value

    def _choice(self, index: int) -> dict[str, Any]:
        choice = {**self._choices[index]}
        merged = _joined(self._texts.get(index, {}))
        if self._url == COMPLETIONS:
            return choice | {"text": merged.get("text", "")}
        message = {"role": "assistant", "content": None} | merged
        return {"index": index, "message": message, **{k: v for k, v in choice.items() if k != "index"}}


def assemble(url: str, events: Iterable[str]) -> dict[str, Any] | None:
    """The body that the data of these events add up to; None where there is none."""
    assembly = Assembly(url)
    for data in events:
        assembly.add(data)
    return assembly.body


def _merge(into: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add a delta: texts are collected in lists, so that a long answer is not copied with every word."""
    for name, value in delta.items():
        if name == _LISTED_BY_INDEX:
            if isinstance(value, list):
                _merge_calls(into.setdefault(name, {}), value)
        elif isinstance(value, str) and name not in _ONCE:
            before = into.get(name)
            if isinstance(before, _Pieces):
                before.append(value)
            else:
                into[name] = _Pieces([value])
        elif isinstance(value, dict):
            inner = into.get(name)
            if not isinstance(inner, dict):
                inner = into[name] = {}
            _merge(inner, value)
        elif value is not None and (name not in into or not isinstance(value, str)):
            into[name] = value
        else:
            into.setdefault(name, None)


def _merge_calls(calls: dict[int, dict[str, Any]], pieces: list[Any]) -> None:
    for piece in pieces:
        if not isinstance(piece, dict):
            continue
        index = piece.get("index")
        if not isinstance(index, int) or not 0 <= index < MOST_CHOICES:
            # without an index a new id begins a call, as lenient clients read it
            index = max(calls, default=0)
            if calls and piece.get("id") and calls[index].get("id") not in (None, piece["id"]):
                index += 1
        if index in calls or len(calls) < MOST_CHOICES:
            _merge(calls.setdefault(index, {}), {k: v for k, v in piece.items() if k != "index"})


def _join_lists(choice: dict[str, Any], logprobs: dict[str, Any]) -> None:
    kept = choice.get("logprobs")
    if not isinstance(kept, dict):
        kept = choice["logprobs"] = {}
    for name, value in logprobs.items():
        before = kept.get(name)
        if isinstance(before, list) and isinstance(value, list):
            before.extend(value)
        elif value is not None or name not in kept:
            kept[name] = value


def _joined(merged: dict[str, Any]) -> dict[str, Any]:
    """The collected texts as texts, and calls as a list in the order of their indexes."""
    result: dict[str, Any] = {}
    for name, value in merged.items():
        if name == _LISTED_BY_INDEX and isinstance(value, dict):
            result[name] = [_joined(value[index]) for index in sorted(value)]
        elif isinstance(value, dict):
            result[name] = _joined(value)
        elif isinstance(value, _Pieces):
            result[name] = "".join(value)
        else:
            result[name] = value
    return result
