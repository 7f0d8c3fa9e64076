"""The run as JSON and back: the one form in which a run is saved, compared and judged again."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from pydantic import TypeAdapter, ValidationError

from llmcompat.model import RUN_SCHEMA, Exchange, Run

_RUN: TypeAdapter[Run] = TypeAdapter(Run)
_EXCHANGE: TypeAdapter[Exchange] = TypeAdapter(Exchange)

_UNSHOWN = re.compile(
    "[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|[\U000e0000-\U000e0fff]"
)
"""Characters that steer a terminal or are not drawn, and that JSON does not escape by itself."""


_LONG = 4_000_000
"""Characters from which on a document is written in ASCII: one emoji in a text makes each of its characters
take four bytes of memory."""
_WIDE = re.compile(r"[^\x00-\x7f]")

_DEPTH_OF_A_LINE = 4
"""Below document, runs, run and its lists stand checks and exchanges."""


class RunFileError(Exception):
    """A text is not a run that this version reads. One line that says what is wrong and what to do."""


def to_json(run: Run) -> str:
    """The run as a JSON document that every reader takes: a lone surrogate is written out as text."""
    document = {
        "schema": RUN_SCHEMA,
        "tool": {"name": "llmcompat", "version": run.tool_version},
        "started_at": run.started_at,
        "seconds": run.seconds,
        "runs": run.runs,
    }
    pieces = list(_written(_plain(document)))
    if sum(map(len, pieces)) > _LONG:
        pieces = [_WIDE.sub(lambda match: json.dumps(match.group())[1:-1], piece) for piece in pieces]
    return "".join([*pieces, "\n"])


def from_json(text: str, *, name: str = "run file") -> Run:
    """The run that `to_json` wrote; fields that this version does not know are passed over.

    Raises RunFileError for a text that is cut off, has another schema number or lacks fields; `name` is what
    its message calls the text.
    """
    try:
        document = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise RunFileError(
            f"{name}: not a whole JSON document ({error.msg}, {where}); "
            "it may be cut off, write it again with --export"
        ) from None
    except (ValueError, RecursionError) as error:
        raise RunFileError(f"{name}: not a run: {str(error)[:200]}; write it again with --export") from None
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema is None:
        raise RunFileError(
            f"{name}: not a run: it has no key schema; give a file that --export wrote as .json"
        )
    if schema != RUN_SCHEMA:
        raise RunFileError(
            f"{name}: schema: is {json.dumps(schema)[:80]}, this version reads {RUN_SCHEMA}; "
            "use the version that wrote it"
        )
    try:
        return _RUN.validate_python(_run_fields(_plain(document)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(step) for step in first["loc"]).replace("tool_version", "tool.version")
        problem = " ".join(first["msg"].split())
        raise RunFileError(f"{name}: {ascii(key)[1:-1]}: {problem}; write it again with --export") from None


def exchange_data(exchange: Exchange) -> dict[str, Any]:
    """One exchange as it stands in a run."""
    data: dict[str, Any] = _plain(exchange)
    return data


def exchange_from(data: Any) -> Exchange:
    """The exchange that `exchange_data` gave. Raises RunFileError."""
    try:
        return _EXCHANGE.validate_python({**_plain(data), "body": _body(data["body"])})
    except (ValidationError, TypeError, KeyError):
        raise RunFileError("not an exchange; the file is damaged") from None


def json_schema() -> dict[str, Any]:
    """The JSON Schema of what `to_json` writes; it lets unknown fields pass, as they may be added."""
    schema = _tidy(_RUN.json_schema(mode="serialization"))
    fields: dict[str, Any] = schema["properties"]
    del fields["tool_version"]
    text = {"type": "string"}
    tool = {
        "type": "object",
        "properties": {"name": {"const": "llmcompat"}, "version": text},
        "required": ["name", "version"],
    }
    schema["properties"] = {"schema": {"const": RUN_SCHEMA}, "tool": tool, **fields}
    schema["required"] = list(schema["properties"])
    encoded = {"type": "object", "properties": {"base64": text}, "required": ["base64"]}
    schema["$defs"]["Exchange"]["properties"]["body"] = {
        "description": "Text where it is valid UTF-8, else its bytes in base64.",
        "anyOf": [text, encoded],
        "default": "",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A run of llmcompat",
        **schema,
    }


def schema_text() -> str:
    """The content of run.schema.json, which ships beside this module."""
    return json.dumps(json_schema(), indent=2, sort_keys=True) + "\n"


def _written(value: Any, depth: int = 0) -> Iterator[str]:
    """JSON in which each check and each exchange is one line: readable, and short with long streams.

    It comes in pieces, as a run may hold so much that no second copy of it should be made.
    """
    if depth == _DEPTH_OF_A_LINE or not value or not isinstance(value, (dict, list)):
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        yield _UNSHOWN.sub(lambda match: json.dumps(match.group())[1:-1], text)
        return
    names = [f"{json.dumps(name)}: " for name in value] if isinstance(value, dict) else [""] * len(value)
    start, end = "{}" if isinstance(value, dict) else "[]"
    before = f"{start}\n{' ' * (depth + 1)}"
    for name, each in zip(names, value.values() if isinstance(value, dict) else value, strict=True):
        yield before + name
        yield from _written(each, depth + 1)
        before = f",\n{' ' * (depth + 1)}"
    yield f"\n{' ' * depth}{end}"


def _plain(value: Any) -> Any:
    """The value in the types that JSON has, with every text encodable as UTF-8 and every number finite."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"base64": base64.b64encode(value).decode("ascii")}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {_plain(str(name)): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return _plain(str(value))


def _run_fields(document: dict[str, Any]) -> dict[str, Any]:
    """The document as the fields of Run, with bodies as bytes again."""
    tool = document.get("tool")
    fields: dict[str, Any] = {
        name: document[name] for name in ("started_at", "seconds", "runs") if name in document
    }
    if isinstance(tool, dict) and "version" in tool:
        fields["tool_version"] = tool["version"]
    runs = fields.get("runs")
    for run in runs if isinstance(runs, list) else []:
        exchanges = run.get("exchanges") if isinstance(run, dict) else None
        for exchange in exchanges if isinstance(exchanges, list) else []:
            if isinstance(exchange, dict) and "body" in exchange:
                exchange["body"] = _body(exchange["body"])
    return fields


def _body(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, dict) and isinstance(value.get("base64"), str):
        try:
            return base64.b64decode(value["base64"], validate=True)
        except (binascii.Error, ValueError):
            return None
    return None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _tidy(schema: Any) -> Any:
    """The schema without generated titles, which repeat the names, and with descriptions unwrapped."""
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    tidy: dict[str, Any] = {}
    for key, value in schema.items():
        if key in (
            "properties",
            "$defs",
        ):  # these keys are names and no keywords: a property may be called title
            tidy[key] = {name: _tidy(each) for name, each in value.items()}
        elif key == "description":
            tidy[key] = " ".join(value.split())
        elif key != "title":
            tidy[key] = _tidy(value)
    return tidy
