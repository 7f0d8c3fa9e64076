"""Reads profiles, shipped ones by name and a user's own by path; says in one line what is wrong with one."""

import difflib
import re
import types
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from llmcompat.profiles.schema import FEATURES, Profile

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 40
MAX_ALIASES = 10

_Location = tuple[int | str, ...]


class ProfileError(Exception):
    """A profile that cannot be used; its text is one line that names file, key and mend."""

    def __init__(self, file: str, problem: str, *, line: int | None = None, key: str = "") -> None:
        where = _one_line(file, 1000) + (f":{line}" if line else "")
        super().__init__(": ".join(part for part in (where, _one_line(key), _one_line(problem, 300)) if part))


def shipped_profiles() -> tuple[str, ...]:
    """Names of the profiles that come with the package, sorted."""
    folder = files("llmcompat.profiles") / "data"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_profile(name_or_path: str) -> Profile:
    """The shipped profile of this name, or the profile in this file.

    Whatever holds a path separator or ends in .yaml or .yml is a path. Raises ProfileError.
    """
    if re.search(r"[/\\]|\.ya?ml$", name_or_path, re.IGNORECASE):
        return _parse(name_or_path, _read(Path(name_or_path)), Path(name_or_path).stem.lower())
    name = name_or_path.strip().lower()
    shipped = shipped_profiles()
    if name not in shipped:
        near = difflib.get_close_matches(name, shipped, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'? " if near else ""
        problem = f"no such profile; {hint}shipped: {', '.join(shipped)}; or give a .yaml file"
        raise ProfileError(name_or_path or "''", problem)
    return _parse(f"{name}.yaml", (files("llmcompat.profiles") / "data" / f"{name}.yaml").read_bytes(), name)


def _one_line(text: str, limit: int = 120) -> str:
    """Text from a file or a command line, safe to print: no control characters, bounded."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _read(path: Path) -> bytes:
    shown = str(path)
    try:
        if path.is_dir():
            raise ProfileError(shown, "is a folder; name the .yaml file in it")
        if path.exists() and not path.is_file():
            raise ProfileError(shown, "is not a regular file; name a .yaml file")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        names = ", ".join(shipped_profiles())
        raise ProfileError(shown, f"no such file; check the path, or name one of: {names}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "unusable path"
        raise ProfileError(shown, f"cannot be read ({reason}); check its path and permissions") from None
    if len(content) > MAX_BYTES:
        raise ProfileError(shown, "is larger than 1 MiB; a profile holds facts only, move the rest elsewhere")
    return content


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
    return type("ProfileLoader", (base,), {"yaml_implicit_resolvers": resolvers})


_LOADER = _loader_class()


def _parse(file: str, content: bytes, default_name: str) -> Profile:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ProfileError(file, "is not UTF-8 text; save it as UTF-8", line=line) from None
    try:
        _refuse_bombs(file, text)
        root = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        problem = error.problem or error.context or "cannot be parsed"
        raise ProfileError(file, f"is not valid YAML ({problem}); mend that line", line=line) from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0) or 0) + 1
        problem = "is not valid YAML (a character that YAML forbids); remove it"
        raise ProfileError(file, problem, line=line) from None
    if not isinstance(root, yaml.MappingNode):
        problem = "must hold keys and values, such as 'base_url: https://api.example.com/v1'"
        raise ProfileError(file, problem, line=1)
    data: dict[str, Any] = _plain(file, root, "")
    data.setdefault("name", default_name)
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise _first_error(file, root, error.errors(include_url=False, include_input=False)[0]) from None


def _refuse_bombs(file: str, text: str) -> None:
    """Refuse what would make a small file large or deep, before anything is built from it."""
    depth = aliases = 0
    open_anchors: list[str | None] = []
    for event in yaml.parse(text, Loader=_LOADER):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)):
            depth += 1
            open_anchors.append(event.anchor)
            if depth > MAX_DEPTH:
                raise ProfileError(file, f"is nested more than {MAX_DEPTH} deep; flatten it", line=line)
        elif isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
            depth -= 1
            open_anchors.pop()
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > MAX_ALIASES:
                problem = f"has more than {MAX_ALIASES} YAML aliases; write the values out"
                raise ProfileError(file, problem, line=line)
            if event.anchor in open_anchors:
                problem = f"alias *{event.anchor} contains itself; write the value out"
                raise ProfileError(file, problem, line=line)


def _plain(file: str, node: yaml.Node, key: str) -> Any:
    """Plain data from a YAML node; keys are taken as they are written."""
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                problem = "has a key that is not plain text; write it as text"
                raise ProfileError(file, problem, line=line, key=key)
            name = str(key_node.value)
            inner = f"{key}.{name}" if key else name
            if name in result:
                raise ProfileError(file, "is given twice; remove one of them", line=line, key=inner)
            result[name] = _plain(file, value_node, inner)
        return result
    if isinstance(node, yaml.SequenceNode):
        return [_plain(file, item, f"{key}.{index}") for index, item in enumerate(node.value)]
    loader = _LOADER("")
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError, OverflowError):
        line = node.start_mark.line + 1
        problem = "has a value that cannot be read; put it in quotes"
        raise ProfileError(file, problem, line=line, key=key) from None
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
}


def _first_error(file: str, root: yaml.Node, error: ErrorDetails) -> ProfileError:
    location: _Location = error["loc"]
    kind = error["type"]
    if kind == "literal_error" and location[-1] == "[key]":
        location = location[:-1]
        problem = f"is not a feature; {_nearest(str(location[-1]), FEATURES)}"
    elif kind == "extra_forbidden":
        problem = f"is not a key of a profile here; {_nearest(str(location[-1]), _keys_at(location[:-1]))}"
    elif kind in _PROBLEMS:
        problem = _PROBLEMS[kind]
    elif kind == "value_error":
        problem = error["msg"].removeprefix("Value error, ")
    else:
        problem = error["msg"].replace("Input should", "should")
    known = _known_part(location, kind)
    if len(known) < len(location):
        problem = "must be text, a number, true or false, or a list of them"
    dotted = ".".join(str(part) for part in known)
    return ProfileError(file, problem, line=_line_of(root, known), key=dotted)


def _nearest(name: str, valid: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"use one of: {', '.join(valid)}"


def _bare(annotation: Any) -> Any:
    """An annotation without Annotated and `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return _bare(members[0]) if len(members) == 1 else annotation
    return annotation


def _step(annotation: Any, part: int | str) -> Any:
    """The type below one step of a location, or None where the profile's own keys end."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        return _bare(field.annotation) if field else None
    if get_origin(annotation) in (dict, Mapping):
        return _bare(get_args(annotation)[1])
    if get_origin(annotation) in (tuple, list) and isinstance(part, int):
        return _bare(get_args(annotation)[0])
    return None


def _keys_at(location: _Location) -> tuple[str, ...]:
    annotation: Any = Profile
    for part in location:
        annotation = _step(annotation, part)
    return tuple(annotation.model_fields) if hasattr(annotation, "model_fields") else ()


def _known_part(location: _Location, kind: str) -> _Location:
    """The location without pydantic's names for the members of a union."""
    annotation: Any = Profile
    for index, part in enumerate(location):
        annotation = _step(annotation, part)
        if annotation is None:
            return location if kind == "extra_forbidden" else location[:index]
    return location


def _line_of(root: yaml.Node, location: _Location) -> int:
    node, line = root, root.start_mark.line
    for part in location:
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
