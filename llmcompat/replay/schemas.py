"""Holding JSON data against a request's own JSON Schema, without fetching what the schema refers to."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.validators import validator_for
from referencing import Registry

_MOST_SHOWN = 300


def violation(schema: Any, data: Any) -> str | None:
    """What in the data does not fit the schema, in one line; None where it fits, or nobody can tell.

    A schema that is none, or that refers to another document, decides nothing.
    """
    if not isinstance(schema, dict):
        return None
    try:
        validator = _validator(json.dumps(schema, sort_keys=True))
        if validator is None:
            return None
        error = next(validator.iter_errors(data), None)
    except Exception:  # an unresolvable reference, a pattern that is none, data nested too deeply
        return None
    if error is None:
        return None
    where = ".".join(str(step) for step in error.absolute_path) or "the whole"
    return f"{where}: {error.message[:_MOST_SHOWN]}"


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    document = json.loads(schema)
    kind = validator_for(document, default=Draft202012Validator)
    try:
        kind.check_schema(document)
    except SchemaError:
        return None
    # with a registry of its own nothing is looked up in the network
    return kind(document, registry=Registry())
