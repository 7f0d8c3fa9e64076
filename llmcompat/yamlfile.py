"""Reading YAML files that people write: bounded, safe, and with one line for what is wrong and where."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_ALIASES = 10

Keys = tuple[int | str, ...]
"""A way into a file: keys, and indexes of lists counted from 0."""

Model = TypeVar("Model", bound=BaseModel)


class YamlError(Exception):
    """A file that cannot be used; its text is one line that names file, line, key and mend."""

    def __init__(self, file: str, problem: str, *, line: int | None = None, key: str = "") -> None:
        where = one_line(file, 1000) + (f":{line}" if line else "")
        super().__init__(": ".join(part for part in (where, one_line(key), one_line(problem, 300)) if part))


@dataclass(frozen=True)
class Wording:
    """How one kind of file speaks of itself when something is wrong with it."""

    error: type[YamlError]
    noun: str
    """With its article, such as "a profile"."""
    example: str
    """One line of such a file, for one that holds no keys at all."""
    too_large: str
    """What to do about a file above MAX_BYTES."""
    missing: Callable[[], str] = lambda: "check the path"
    """What to do where there is no such file."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """What to say of a key that people try and the file must not have, by its name in lower case."""
    literal: str = "name"
    """What the fixed names are that a mapping of this file allows as keys."""


@dataclass(frozen=True)
class Document:
    """A YAML file that holds keys and values, with the lines at which they stand."""

    file: str
    data: dict[str, Any]
    root: yaml.Node = field(repr=False)

    def line_of(self, *keys: int | str) -> int:
        """The line of a key, counted from 1; of the last one on the way that exists."""
        return _line_of(self.root, keys)


def one_line(text: str, limit: int = 120) -> str:
    """Text from a file or a command line, safe to print: no control characters, bounded."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def nearest(name: str, valid: Iterable[str]) -> str:
    """What to put behind a name that is not valid: the nearest one, or all where none is near."""
    valid = list(valid)
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"use one of: {', '.join(valid)}"


def read_bytes(path: Path, wording: Wording) -> bytes:
    """The bytes of a regular file of at most MAX_BYTES. Raises the wording's error."""
    shown, error_class = str(path), wording.error
    try:
        if path.is_dir():
            raise error_class(shown, "is a folder; name the .yaml file in it")
        if path.exists() and not path.is_file():
            raise error_class(shown, "is not a regular file; name a .yaml file")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise error_class(shown, f"no such file; {wording.missing()}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "unusable path"
        raise error_class(shown, f"cannot be read ({reason}); check its path and permissions") from None
    if len(content) > MAX_BYTES:
        raise error_class(shown, f"is larger than 1 MiB; {wording.too_large}")
    return content


def parse(file: str, content: bytes, wording: Wording) -> Document:
    """The keys and values in a file's content; `file` names it in messages. Raises the wording's error."""
    error_class = wording.error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise error_class(file, "is not UTF-8 text; save it as UTF-8", line=line) from None
    try:
        _refuse_bombs(file, text, error_class)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = error.problem or error.context or "cannot be parsed"
        raise error_class(file, f"is not valid YAML ({problem}); mend that line", line=line) from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0) or 0) + 1
        problem = "is not valid YAML (a character that YAML forbids); remove it"
        raise error_class(file, problem, line=line) from None
    if not isinstance(root, yaml.MappingNode):
        raise error_class(file, f"must hold keys and values, such as '{wording.example}'", line=1)
    return Document(file, _plain(file, root, "", error_class), root)


def validate(document: Document, model: type[Model], wording: Wording) -> Model:
    """The document as a model; what is wrong first is told with its line. Raises the wording's error."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _first_error(document, model, wording, first) from None


def _loader_class() -> Any:
    """A safe YAML loader in which only true and false are booleans, as in YAML 1.2: `off` is text."""
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    boolean = "tag:yaml.org,2002:bool"
    resolvers = {
        first: [entry for entry in entries if entry[0] != boolean]
        for first, entries in base.yaml_implicit_resolvers.items()
    }
    for first in "tTfF":
        resolvers.setdefault(first, []).append(
            (boolean, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"))
        )
    return type("PlainLoader", (base,), {"yaml_implicit_resolvers": resolvers})


_LOADER = _loader_class()


def _refuse_bombs(file: str, text: str, error_class: type[YamlError]) -> None:
    """Refuse what would make a small file large or deep, before anything is built from it."""
    depth = aliases = 0
    open_anchors: list[str | None] = []
    for event in yaml.parse(text, Loader=_LOADER):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            depth += 1
            open_anchors.append(event.anchor)
            if depth > MAX_DEPTH:
                raise error_class(file, f"is nested more than {MAX_DEPTH} deep; flatten it", line=line)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            depth -= 1
            open_anchors.pop()
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > MAX_ALIASES:
                problem = f"has more than {MAX_ALIASES} YAML aliases; write the values out"
                raise error_class(file, problem, line=line)
            if event.anchor in open_anchors:
                problem = f"alias *{event.anchor} contains itself; write the value out"
                raise error_class(file, problem, line=line)


def _plain(file: str, node: yaml.Node, key: str, error_class: type[YamlError]) -> Any:
    """Plain data from a YAML node; keys are taken as they are written."""
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                problem = "has a key that is not plain text; write it as text"
                raise error_class(file, problem, line=line, key=key)
            name = str(key_node.value)
            inner = f"{key}.{name}" if key else name
            if name in result:
                raise error_class(file, "is given twice; remove one of them", line=line, key=inner)
            result[name] = _plain(file, value_node, inner, error_class)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(file, item, f"{key}.{index}", error_class) for index, item in enumerate(node.value)]
    loader = _LOADER("")
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError):
        line = node.start_mark.line + 1
        is_date = node.tag == "tag:yaml.org,2002:timestamp"
        problem = _DATE if is_date else "has a value that cannot be read; put it in quotes"
        raise error_class(file, problem, line=line, key=key) from None
    finally:
        loader.dispose()


_DATE = "must be a date such as 2026-11-22"
_PROBLEMS = {
    "missing": "is missing; add it",
    "model_type": "must hold keys and values",
    "dict_type": "must hold keys and values",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "string_type": "must be text; put it in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "date_from_datetime_inexact": _DATE,
    "invalid-json-value": "is no JSON; put it in quotes",
}


def _first_error(
    document: Document, model: type[BaseModel], wording: Wording, error: ErrorDetails
) -> YamlError:
    location: Keys = error["loc"]
    kind = error["type"]
    name = str(location[-1]) if location else ""
    if kind == "literal_error" and name == "[key]":
        location = location[:-1]
        name = str(location[-1])
        problem = f"is not a {wording.literal}; {nearest(name, _literals_at(model, location[:-1]))}"
    elif kind == "extra_forbidden":
        hint = wording.hints.get(name.lower())
        problem = hint or (
            f"is not a key of {wording.noun} here; {nearest(name, _keys_at(model, location[:-1]))}"
        )
    elif kind in _PROBLEMS:
        problem = _PROBLEMS[kind]
    elif kind == "value_error":
        problem = error["msg"].removeprefix("Value error, ")
    else:
        problem = error["msg"].replace("Input should", "should").replace("String should", "should")
    known = _known_part(model, location, kind)
    if len(known) < len(location) and kind != "invalid-json-value":
        problem = "must be text, a number, true or false, or a list of them"
    dotted = ".".join(str(part) for part in known)
    return wording.error(document.file, problem, line=document.line_of(*known), key=dotted)


def _bare(annotation: Any) -> Any:
    """An annotation without Annotated and `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return _bare(members[0]) if len(members) == 1 else annotation
    return annotation


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """The fields of a model by the names that they have in a file."""
    return {each.alias or name: each for name, each in model.model_fields.items()}


def _step(annotation: Any, part: int | str) -> Any:
    """The type below one step of a location, or None where the model's own keys end."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        found = _fields(annotation).get(str(part))
        return _bare(found.annotation) if found else None
    if get_origin(annotation) in (dict, Mapping):
        return _bare(get_args(annotation)[1])
    if get_origin(annotation) in (tuple, list) and isinstance(part, int):
        return _bare(get_args(annotation)[0])
    return None


def _at(model: type[BaseModel], location: Keys) -> Any:
    annotation: Any = model
    for part in location:
        annotation = _step(annotation, part)
    return annotation


def _keys_at(model: type[BaseModel], location: Keys) -> tuple[str, ...]:
    annotation = _at(model, location)
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return tuple(_fields(annotation)) if is_model else ()


def _literals_at(model: type[BaseModel], location: Keys) -> tuple[str, ...]:
    """The names that a mapping with fixed keys allows."""
    arguments = get_args(_at(model, location))
    names = _bare(arguments[0]) if arguments else None
    return get_args(names) if get_origin(names) is Literal else ()


def _known_part(model: type[BaseModel], location: Keys, kind: str) -> Keys:
    """The location without pydantic's names for the members of a union."""
    annotation: Any = model
    for index, part in enumerate(location):
        annotation = _step(annotation, part)
        if annotation is None:
            return location if kind == "extra_forbidden" else location[:index]
    return location


def _line_of(root: yaml.Node, keys: Keys) -> int:
    node, line = root, root.start_mark.line
    for part in keys:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                break
            line, node = found[0][0].start_mark.line, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return line + 1
