"""Writing what was learned of an application into llmcompat.yaml: it only adds, and sets numbers.

Every other byte of the file stays as it is, comments too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from llmcompat import yamlfile
from llmcompat.project.edit import (
    _NO_FOLDING,
    _WORDING,
    EditError,
    _decoded,
    _inserted,
    _last_line,
    _line_end,
    _lines_of,
    _offset,
)


def with_learned(file: str, content: bytes, values: Mapping[str, Sequence[str] | Mapping[str, int]]) -> str:
    """The file's text with these keys at its top level: lists are added to, numbers of mappings are set.

    Raises EditError for a file that cannot be changed safely; `file` is its name.
    """
    wanted = dict(yamlfile.parse(file, content, _WORDING).data)
    text = _decoded(content)
    for key, value in values.items():
        if isinstance(value, Mapping):
            for name, number in value.items():
                text = _with_number(file, text, key, name, number)
            wanted[key] = {**(wanted.get(key) or {}), **value}
        else:
            before = _listed(wanted.get(key))
            fresh = [each for each in value if each not in before]
            if fresh:
                text = _with_items(file, text, key, before, fresh)
                wanted[key] = [*before, *fresh]
    try:
        found = yamlfile.parse(file, text.encode(), _WORDING).data
    except EditError:
        found = {}
    if found != wanted:
        key = ", ".join(values)
        raise EditError(file, "is written in a way that cannot be changed safely; use --print", key=key)
    return ("\ufeff" if content.startswith(b"\xef\xbb\xbf") else "") + text


def _listed(value: Any) -> list[Any]:
    """What a key that takes a list holds; several names may stand there with commas."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value or [])


def _with_items(file: str, text: str, key: str, before: list[Any], fresh: Sequence[str]) -> str:
    root, node = _found(file, text, key)
    if node is None:
        return _with_key(text, root, key, list(fresh))
    lines = _lines_of(text)
    if isinstance(node, yaml.SequenceNode) and node.value:
        if node.flow_style:
            end = _offset(lines, node.value[-1].end_mark)
            return f"{text[:end]}, {', '.join(map(_flow, fresh))}{text[end:]}"
        indent = " " * node.start_mark.column
        block = "".join(f"{indent}- {_flow(each)}{_line_end(lines)}" for each in fresh)
        return _inserted(lines, _last_line(node, lines), block)
    return _with_value(text, lines, node, _flow([*before, *fresh]))


def _with_number(file: str, text: str, key: str, name: str, number: int) -> str:
    root, node = _found(file, text, key)
    if node is None:
        return _with_key(text, root, key, {name: number})
    lines = _lines_of(text)
    if not isinstance(node, yaml.MappingNode) or not node.value:
        return _with_value(text, lines, node, _flow({name: number}))
    for inner, value in node.value:
        if inner.value == name:
            start, end = _offset(lines, value.start_mark), _offset(lines, value.end_mark)
            space = "" if text[:start].endswith(" ") else " "
            return f"{text[:start]}{space}{number}{text[end:]}"
    if node.flow_style:
        end = _offset(lines, node.value[-1][1].end_mark)
        return f"{text[:end]}, {name}: {number}{text[end:]}"
    block = f"{' ' * node.start_mark.column}{name}: {number}{_line_end(lines)}"
    return _inserted(lines, _last_line(node, lines), block)


def _found(file: str, text: str, key: str) -> tuple[yaml.MappingNode, yaml.Node | None]:
    """The file's root, and what stands behind a key of it."""
    root = yamlfile.parse(file, text.encode(), _WORDING).root
    assert isinstance(root, yaml.MappingNode)
    return root, next((value for name, value in root.value if name.value == key), None)


def _with_key(text: str, root: yaml.MappingNode, key: str, value: Any) -> str:
    lines = _lines_of(text)
    if root.flow_style:
        end = _offset(lines, root.end_mark) - 1
        comma = ", " if root.value else ""
        return f"{text[:end].rstrip()}{comma}{key}: {_flow(value)}{text[end:]}"
    end_of_line = _line_end(lines)
    if text and not text.endswith(("\n", "\r")):
        text += end_of_line
    return f"{text}{end_of_line}{key}: {_flow(value)}{end_of_line}"


def _with_value(text: str, lines: list[str], node: yaml.Node, value: str) -> str:
    """The text with a value in the place of a scalar or of an empty list."""
    start, end = _offset(lines, node.start_mark), _offset(lines, node.end_mark)
    space = "" if text[:start].endswith((" ", "\n")) else " "
    return f"{text[:start]}{space}{value}{text[end:]}"


def _flow(value: Any) -> str:
    dumped: str = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=_NO_FOLDING)
    return dumped.strip().removesuffix("...").strip()
