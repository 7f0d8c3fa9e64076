"""Values for a JSON Schema: arguments of a call or a structured answer, filled from the prompt."""

import re
from typing import Any

from llmcompat.simulator.answers import Json

_DEEP = 6
_FORMATS = {
    "date-time": "2026-01-15T09:30:00Z",
    "date": "2026-01-15",
    "time": "09:30:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "uri": "https://example.com/",
}
_PLACES = ("city", "location", "place", "town", "destination", "origin")
_TEXTS = (
    "text",
    "note",
    "content",
    "contents",
    "body",
    "message",
    "value",
    "input",
    "string",
    "data",
    "code",
    "query",
)
_NUMBER_NAMES = re.compile(r"age|count|number|year|days|amount|price|total|size|quantity|score|id$|^n$")
_CANDIDATES = (
    "a",
    "A",
    "0",
    "1",
    "abc",
    "ABC",
    "123",
    "AB-123",
    "ABC-123",
    "AB123",
    "2026-01-15",
    "1234",
    "12345",
    "#00ff00",
    "a@b.co",
    "+15550100",
)
_CITY = r"[^\W\d_a-z][^\W\d_]*(?:[ '-][^\W\d_a-z][^\W\d_]*)*"
_CITY_LIST = re.compile(
    rf"\b(?:in|for|of|at|from|to)\s+({_CITY}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+|\s+or\s+)(?:(?:in"
    rf"|for)\s+)?{_CITY})*)"
)
_COUNTRIES = {
    "France",
    "Germany",
    "Japan",
    "UK",
    "England",
    "Italy",
    "Spain",
    "USA",
    "Canada",
    "China",
    "India",
    "Brazil",
}


def cities(prompt: str) -> list[str]:
    """Capitalised place names behind "in", "for" and the like; a country behind its city is left out."""
    found: list[str] = []
    for match in _CITY_LIST.finditer(prompt):
        for name in re.findall(_CITY, match.group(1)):
            if name not in found and not (found and name in _COUNTRIES):
                found.append(name)
    return found


def text_after_colon(prompt: str) -> str | None:
    """What a prompt wants to be carried over as it is: everything behind its first colon."""
    match = re.search(r":[ \t]*\n?(?!//)(.+)\Z", prompt, re.DOTALL)
    return unquoted(match.group(1).strip()) if match else None


def unquoted(text: str) -> str:
    """The text without one pair of quotation marks around the whole of it."""
    for opening, closing in ('""', "''", "``", "“”", "‘’", "«»", "「」"):
        inner = text[1:-1]
        if (
            len(text) >= 2
            and text[0] == opening
            and text[-1] == closing
            and opening not in inner
            and closing not in inner
        ):
            return inner
    return text


class Filler:
    """Builds one value for a schema; `city` is the place that it is about, where there are several."""

    def __init__(self, root: Json, prompt: str, city: str | None = None) -> None:
        self._root = root
        self._prompt = prompt
        self._cities = [city] if city else cities(prompt)
        self._numbers = re.findall(r"-?\d+(?:\.\d+)?", prompt)

    def build(self, schema: Any, name: str = "", depth: int = 0) -> Any:
        """A value that satisfies the schema, as far as its keywords are among those of structured outputs."""
        schema = self._resolve(schema, depth)
        if "const" in schema:
            return schema["const"]
        if isinstance(schema.get("enum"), list) and schema["enum"]:
            return self._enum(schema["enum"])
        for keyword in ("anyOf", "oneOf"):
            options = schema.get(keyword)
            if isinstance(options, list) and options:
                return self._option(options, name, depth)
        kind = schema.get("type")
        if isinstance(kind, list):
            kinds = [item for item in kind if item != "null"]
            kind = "null" if depth > _DEEP and "null" in kind else (kinds[0] if kinds else "null")
        if kind is None:
            kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._array(schema, name, depth)
        if kind in ("integer", "number"):
            return self._number(schema, name, kind == "integer")
        if kind == "boolean":
            return not re.search(
                rf"\b(?:not|no|never|false)\b[^.]{{0,20}}{re.escape(name)}"
                rf"|{re.escape(name)}[^.\w]{{1,6}}false",
                self._prompt,
                re.I,
            )
        return None if kind == "null" else self._string(schema, name)

    def _resolve(self, schema: Any, depth: int) -> Json:
        for _ in range(20):
            if not isinstance(schema, dict):
                return {}
            if not isinstance(schema.get("$ref"), str):
                break
            target: Any = self._root
            for step in schema["$ref"].lstrip("#").strip("/").split("/"):
                step = step.replace("~1", "/").replace("~0", "~")
                target = target.get(step) if isinstance(target, dict) and step else target
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**target, **rest} if isinstance(target, dict) else rest
        for part in schema.get("allOf") or []:
            part = self._resolve(part, depth)
            merged = {**schema.get("properties", {}), **part.get("properties", {})}
            schema = {**part, **schema, **({"properties": merged} if merged else {})}
            schema["required"] = list(dict.fromkeys([*schema.get("required", []), *part.get("required", [])]))
        resolved: Json = schema
        return resolved

    def _mentions(self, word: str) -> bool:
        return (
            bool(word)
            and re.search(
                rf"(?<!\w){re.escape(word.replace('_', ' '))}", self._prompt.replace("_", " "), re.I
            )
            is not None
        )

    def _enum(self, values: list[Any]) -> Any:
        named: list[Any] = [value for value in values if isinstance(value, str) and self._mentions(value)]
        if not named:
            named = [
                value for value in values if isinstance(value, (int, float)) and str(value) in self._numbers
            ]
        return max(named, key=lambda value: len(str(value))) if named else values[0]

    def _option(self, options: list[Any], name: str, depth: int) -> Any:
        resolved = [self._resolve(option, depth) for option in options]
        if depth > _DEEP:
            for option in resolved:
                if option.get("type") == "null":
                    return None
        solid = [option for option in resolved if option.get("type") != "null"]
        for option in solid:
            constants = [
                part.get("const") for part in option.get("properties", {}).values() if isinstance(part, dict)
            ]
            if any(isinstance(value, str) and self._mentions(value) for value in constants):
                return self.build(option, name, depth)
        return self.build(solid[0], name, depth) if solid else None

    def _object(self, schema: Json, depth: int) -> Json:
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return {}
        required = schema.get("required")
        value: Json = {}
        for name, part in properties.items():
            wanted = name in required if isinstance(required, list) and required else depth <= _DEEP
            if wanted or self._mentions(name) or self._enum_mentioned(part):
                value[name] = self.build(part, name, depth + 1)
        return value

    def _enum_mentioned(self, part: Any) -> bool:
        values = part.get("enum") if isinstance(part, dict) else None
        return isinstance(values, list) and any(
            isinstance(value, str) and self._mentions(value) for value in values
        )

    def _array(self, schema: Json, name: str, depth: int) -> list[Any]:
        least = schema.get("minItems")
        size = least if isinstance(least, int) else 0
        if schema.get("maxItems") == 0 or (depth > _DEEP and size == 0):
            return []
        items = schema.get("items", {})
        kind = self._resolve(items, depth).get("type") if items else "string"
        if kind == "string" and "enum" not in items:
            values: list[Any] = [
                first or second for first, second in re.findall(r'"([^"]+)"|“([^”]+)”', self._prompt)
            ]
            people = (
                []
                if values
                else re.findall(r"\b([A-Z][a-z]+)(?=,| and\b)|(?<=and )([A-Z][a-z]+)", self._prompt)
            )
            if re.search(r"name|people|participant|attendee|person|guest", name):
                values = values or [first or second for first, second in people]
            if not values and (name.rstrip("s").replace("citie", "city") in _PLACES):
                values = list(self._cities)
        elif kind in ("integer", "number"):
            values = [
                int(number) if kind == "integer" else float(number)
                for number in self._numbers
                if kind == "number" or "." not in number
            ]
        else:
            values = []
        most = schema.get("maxItems")
        values = values[: most if isinstance(most, int) else 50]
        while len(values) < max(size, 1):
            values.append(self.build(items, name.rstrip("s"), depth + 1))
        return values

    def _number(self, schema: Json, name: str, integer: bool) -> int | float:
        word = re.escape(name.replace("_", " ").rstrip("s")) or "(?!)"
        near = re.search(
            rf"(-?\d+(?:\.\d+)?)[ -]{word}s?\b|\b{word}s?\b\W{{0,4}}(?:is |of |= ?|to |set to "
            rf")?\W?(-?\d+(?:\.\d+)?)",
            self._prompt,
            re.I,
        )
        if near:
            value = float(near.group(1) or near.group(2))
        elif self._numbers:
            value = float(self._numbers.pop(0) if len(self._numbers) > 1 else self._numbers[0])
        else:
            value = 1.0
        low, high = schema.get("minimum"), schema.get("maximum")
        step = schema.get("multipleOf")
        if isinstance(schema.get("exclusiveMinimum"), (int, float)) and value <= schema["exclusiveMinimum"]:
            value = schema["exclusiveMinimum"] + 1
        if isinstance(schema.get("exclusiveMaximum"), (int, float)) and value >= schema["exclusiveMaximum"]:
            value = schema["exclusiveMaximum"] - 1
        value = max(value, low) if isinstance(low, (int, float)) else value
        value = min(value, high) if isinstance(high, (int, float)) else value
        if isinstance(step, (int, float)) and step > 0:
            value = value // step * step
            value = value + step if isinstance(low, (int, float)) and value < low else value
        return int(value) if integer or value == int(value) else value

    def _string(self, schema: Json, name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        value = self._words_for(name.lower()) or name or "text"
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            value = _matching(pattern, [value, *re.findall(r"[\w#+-]+", self._prompt)[:2000]])
        least, most = schema.get("minLength"), schema.get("maxLength")
        if isinstance(least, int) and len(value) < least:
            value = (value + " text" * least)[:least]
        return value[:most] if isinstance(most, int) else value

    def _words_for(self, name: str) -> str | None:
        spoken = re.escape(name.replace("_", " "))
        if any(place in name for place in _PLACES) and self._cities:
            return self._cities[0]
        if any(name == word or name.endswith("_" + word) for word in _TEXTS):
            carried = text_after_colon(self._prompt)
            if carried:
                return carried
        said = re.search(
            rf"(?<!\w)[\"'`]?{spoken}[\"'`]?(?:\s+(?:is|=|set to|to|named|called|with)"
            rf"|\s*[:=])?\s+(?:\"([^\"]+)\"|'([^']+)'|([^\W_a-z][\w-]*))",
            self._prompt,
            re.I if name else 0,
        )
        if said:
            return said.group(1) or said.group(2) or said.group(3)
        quoted = re.search(r'"([^"]+)"|“([^”]+)”', self._prompt)
        if quoted:
            return quoted.group(1) or quoted.group(2)
        if "name" in name:
            person = re.search(
                r"\b(?!The\b|What\b|Return\b|Give\b|Extract\b|Reply\b|Answer\b|Write\b|Describe\b|Make\b"
                r"|Create\b|Tell\b|Use\b|Call\b|Please\b)([A-Z][a-z]+)\b(?! a\b)",
                self._prompt,
            )
            if person:
                return person.group(1)
        return text_after_colon(self._prompt) if name in ("title", "subject", "summary") else None


def _matching(pattern: str, candidates: list[str]) -> str:
    try:
        compiled = re.compile(pattern)
    except re.error:
        return candidates[0]
    for candidate in [*candidates, *_CANDIDATES]:
        if compiled.search(candidate):
            return candidate
    return candidates[0]


def value_for_key(key: str, prompt: str) -> Any:
    """A value for a key that a prompt names without a schema."""
    number = _NUMBER_NAMES.search(key.lower())
    return Filler({}, prompt).build({"type": "integer" if number else "string"}, key)
