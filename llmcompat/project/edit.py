"""Changing one entry of llmcompat.yaml: every other byte of the file stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from llmcompat import yamlfile

_KEY = "accepted"
_NO_FOLDING = 2**20
"""Columns: a reason stays on one line."""


class EditError(yamlfile.YamlError):
    """The file is written in a way that cannot be changed safely; its text is one line with the mend."""


_WORDING = yamlfile.Wording(error=EditError, noun="llmcompat.yaml", example="accepted: []", too_large="")


def add_accepted(file: str, content: bytes, entry: Mapping[str, Any]) -> str:
    """The file's text with an entry at the end of `accepted`. Raises EditError; `file` is its name."""
    lines, node, key = _read(file, content)
    if node is None:
        changed = _with_key(file, content, lines, entry)
    elif isinstance(node, yaml.SequenceNode) and node.value:
        if node.flow_style:
            end = _offset(lines, node.value[-1].end_mark)
            text = "".join(lines)
            changed = f"{text[:end]}, {_in_flow(entry)}{text[end:]}"
        else:
            changed = _inserted(
                lines, _last_line(node, lines), _as_block(entry, node.start_mark.column, lines)
            )
    else:
        # `accepted: []`, or nothing behind the colon
        start, end = _offset(lines, node.start_mark), _offset(lines, node.end_mark)
        text = "".join(lines)
        if _is_flow_root(file, content):
            changed = f"{text[:start]}[{_in_flow(entry)}]{text[end:]}"
        else:
            emptied = _lines_of(text[:start].rstrip(" ") + text[end:])
            block = _as_block(entry, key.start_mark.column + 2, lines)
            changed = _inserted(emptied, key.start_mark.line, block)
    return _verified(file, content, changed, lambda entries: [*entries, dict(entry)])


def remove_accepted(file: str, content: bytes, index: int) -> str:
    """The file's text without one entry of `accepted`, counted from 0. Raises EditError."""
    lines, node, key = _read(file, content)
    assert isinstance(node, yaml.SequenceNode)
    item = node.value[index]
    text = "".join(lines)
    if node.flow_style:
        if index + 1 < len(node.value):
            start, end = item.start_mark, node.value[index + 1].start_mark
        elif index:
            start, end = node.value[index - 1].end_mark, item.end_mark
        else:
            start, end = item.start_mark, item.end_mark
        changed = text[: _offset(lines, start)] + text[_offset(lines, end) :]
    else:
        first = item.start_mark.line
        while first > key.start_mark.line and not lines[first].lstrip().startswith("-"):
            first -= 1
        left = [*lines[:first], *lines[_last_line(item, lines) + 1 :]]
        if len(node.value) == 1:
            line, column = key.end_mark.line, key.end_mark.column + 1
            left[line] = f"{left[line][:column]} []{left[line][column:]}"
        changed = "".join(left)
    return _verified(file, content, changed, lambda entries: entries[:index] + entries[index + 1 :])


def _read(file: str, content: bytes) -> tuple[list[str], yaml.Node | None, yaml.Node]:
    """The lines with their ends, what stands behind `accepted`, and the key itself (else the root)."""
    document = yamlfile.parse(file, content, _WORDING)
    lines = _lines_of(_decoded(content))
    for key, value in document.root.value:
        if key.value == _KEY:
            return lines, value, key
    return lines, None, document.root


def _with_key(file: str, content: bytes, lines: list[str], entry: Mapping[str, Any]) -> str:
    """The text with the key itself added at its end."""
    text = "".join(lines)
    if _is_flow_root(file, content):
        root = yamlfile.parse(file, content, _WORDING).root
        end = _offset(lines, root.end_mark) - 1
        comma = ", " if root.value else ""
        return f"{text[:end].rstrip()}{comma}{_KEY}: [{_in_flow(entry)}]{text[end:]}"
    end_of_line = _line_end(lines)
    if text and not text.endswith(("\n", "\r")):
        text += end_of_line
    return f"{text}{end_of_line}{_KEY}:{end_of_line}{_as_block(entry, 2, lines)}"


def _is_flow_root(file: str, content: bytes) -> bool:
    return bool(getattr(yamlfile.parse(file, content, _WORDING).root, "flow_style", False))


def _as_block(entry: Mapping[str, Any], indent: int, lines: list[str]) -> str:
    text = yaml.safe_dump([dict(entry)], sort_keys=False, allow_unicode=True, width=_NO_FOLDING)
    return "".join(f"{' ' * indent}{line}{_line_end(lines)}" for line in text.splitlines())


def _in_flow(entry: Mapping[str, Any]) -> str:
    dumped = yaml.safe_dump(
        dict(entry), sort_keys=False, allow_unicode=True, width=_NO_FOLDING, default_flow_style=True
    )
    return dumped.strip()


def _inserted(lines: list[str], after: int, block: str) -> str:
    """The text with a block behind a line, which gets a line end if it is the last and has none."""
    before = "".join(lines[: after + 1])
    if not before.endswith(("\n", "\r")):
        before += _line_end(lines)
    return before + block + "".join(lines[after + 1 :])


def _last_line(node: yaml.Node, lines: list[str]) -> int:
    """The line of the last character that belongs to a node: no comment and no blank line behind it."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _last_line(last[1] if isinstance(last, tuple) else last, lines)
    end: int = node.end_mark.line
    if node.end_mark.column == 0:
        # a block text (`|`) ends where the next line begins, with the blank ones before it
        while end > node.start_mark.line and (end == node.end_mark.line or not lines[end].strip()):
            end -= 1
    return end


def _offset(lines: list[str], mark: Any) -> int:
    return sum(map(len, lines[: mark.line])) + int(mark.column)


def _lines_of(text: str) -> list[str]:
    return [f"{line}\n" for line in text.split("\n")[:-1]] + [text.rpartition("\n")[2]]


def _line_end(lines: list[str]) -> str:
    return "\r\n" if lines and lines[0].endswith("\r\n") else "\n"


def _decoded(content: bytes) -> str:
    return content.decode("utf-8-sig")


def _verified(file: str, content: bytes, changed: str, change: Any) -> str:
    """The changed text, if it says what it said before and the change, and nothing else."""
    wanted = dict(yamlfile.parse(file, content, _WORDING).data)
    wanted[_KEY] = change(list(wanted.get(_KEY) or []))
    try:
        found = yamlfile.parse(file, changed.encode(), _WORDING).data
    except EditError:
        found = {}
    if found != wanted:
        raise EditError(file, "is written in a way that cannot be changed safely; edit it by hand", key=_KEY)
    mark = "\ufeff" if content.startswith(b"\xef\xbb\xbf") else ""
    return mark + changed
