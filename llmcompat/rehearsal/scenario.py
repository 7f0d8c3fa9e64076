"""What a scenario file says: which requests go wrong, how, and what the application has to make of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from llmcompat.model import Level
from llmcompat.yamlfile import Wording, YamlError, parse, read_bytes, validate

FOLDER = Path(__file__).parent / "scenarios"
"""Where the shipped scenarios are, one file each."""

MOST_FILES = 500
"""Files of a folder that are read at most."""

HeaderValue = Annotated[str, Field(pattern=r"^[ -~]*$", max_length=4000)]
"""The value of a header: visible ASCII in one line."""

Item = Literal["prompts", "long-prompts", "tools", "json-outputs", "streaming", "retries", "billing"]
"""The line of the checklist that a scenario counts for."""

Rule = Literal[
    "survive",
    "honours-retry-after",
    "backs-off",
    "gives-up",
    "not-retried",
    "notices",
    "handles",
    "fallback",
    "alert",
]
"""What is asked of the application; `llmcompat.rehearsal.judge` says how each is seen from outside."""

Change = Literal[
    "call-in-content",
    "comments",
    "crlf",
    "cut",
    "empty",
    "error-event",
    "fenced",
    "filtered",
    "missing-index",
    "piecewise-calls",
    "reasoning",
    "refusal",
    "reset",
    "slow",
    "slow-start",
    "spend",
    "split",
    "unknown-fields",
    "unknown-finish-reason",
    "usage-chunk",
    "whole-calls",
    "without-done",
]
"""How the good answer is changed; `llmcompat.rehearsal.changes` holds them."""


class ScenarioError(YamlError):
    """A scenario that cannot be used; the text is one line."""


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.replace("_", "-"),
        populate_by_name=True,
    )


class Requests(_Part):
    """Which requests a fault is for; what is left out is not asked. GET requests are always answered well."""

    first: int | None = Field(default=None, ge=1, le=1000)
    """So many tries of the first request that fits; without it every request that fits."""
    streamed: bool | None = None
    chat: bool | None = None
    """A chat completion."""
    calls_tools: bool | None = None
    """The good answer calls tools."""
    asks_json: bool | None = None
    """The request has a response_format of JSON."""


class Refusal(_Part):
    """An answer in the place of the good one."""

    status: int = Field(ge=200, le=599)
    headers: dict[str, HeaderValue] = {}
    body: JsonValue = None
    """JSON; without it `text` is sent as it is."""
    text: str = ""
    retry_after: Literal["seconds", "date", "milliseconds"] | None = None
    """In which form Retry-After asks for `wait`."""
    wait: float = Field(default=1.0, gt=0, le=600)
    """Seconds."""


class Fault(_Part):
    """What goes wrong: exactly one of answer, connection and change."""

    answer: Refusal | None = None
    like: dict[str, Refusal] = {}
    """The answer of a provider in the place of `answer`, by the name of its profile."""
    connection: Literal["refused", "reset"] | None = None
    change: Change | None = None
    seconds: float = Field(default=0.1, gt=0, le=600)
    """How long a change waits: before the first byte, or between two events."""

    @model_validator(mode="after")
    def _one(self) -> Fault:
        given = [each for each in (self.answer, self.connection, self.change) if each is not None]
        if len(given) != 1:
            raise ValueError("must hold exactly one of answer, connection and change")
        if self.like and self.answer is None:
            raise ValueError("has like without answer; add the answer of all others")
        return self

    def answer_like(self, provider: str | None) -> Refusal | None:
        """The answer that stands in the place of the good one, as this provider words it."""
        return self.like.get(provider or "", self.answer) if self.answer is not None else None


class Bounds(_Part):
    """How much is too much."""

    tries: int = Field(default=20, ge=1, le=1000)
    """Tries of one request after which the command is ended: it does not give up."""
    tolerance: float = Field(default=0.1, ge=0, lt=1)
    """The part of a wait that may be missing."""


class Scenario(_Part):
    """One way in which an endpoint goes wrong, and what is asked of the application then."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)
    title: str = Field(min_length=1, max_length=200)
    why: str = Field(min_length=1, max_length=2000)
    fix: str = Field(min_length=1, max_length=2000)
    item: Item
    level: Level = Level.MUST
    requests: Requests = Requests()
    fault: Fault
    expect: tuple[Rule, ...] = Field(min_length=1)
    bounds: Bounds = Bounds()
    spoils: bool = False
    """The content of a whole answer is not what was asked for, so that asking again is right."""
    on_request: bool = False
    """Run only where it is named: it needs something that not every application has."""

    @property
    def id(self) -> str:
        """What its result is called."""
        return f"rehearsal-{self.name}"


WORDING = Wording(
    error=ScenarioError,
    noun="a scenario",
    example="name: 503-twice",
    too_large="a scenario is a page of text",
)


def load_scenario(path: Path) -> Scenario:
    """The scenario in a file. Raises ScenarioError, one line."""
    document = parse(str(path), read_bytes(path, WORDING), WORDING)
    scenario = validate(document, Scenario, WORDING)
    if scenario.name != path.stem:
        problem = f"must be the name of the file: {path.stem}"
        raise ScenarioError(str(path), problem, line=document.line_of("name"), key="name")
    return scenario


def load_scenarios(folders: Iterable[Path] = ()) -> dict[str, Scenario]:
    """The shipped scenarios and those of the user's folders by name; the shipped ones stand first.

    Raises ScenarioError for a file that cannot be used, a folder without any, and a name that is there twice.
    """
    found: dict[str, Scenario] = {}
    for folder in (FOLDER, *folders):
        for path in _files(folder):
            scenario = load_scenario(path)
            if scenario.name in found:
                raise ScenarioError(str(path), "is there already; give it another name", key=scenario.name)
            found[scenario.name] = scenario
    return found


def _files(folder: Path) -> Iterator[Path]:
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    except FileNotFoundError:
        raise ScenarioError(str(folder), "no such folder; check the path") from None
    except NotADirectoryError:
        raise ScenarioError(str(folder), "is no folder; name the one that holds the files") from None
    except OSError as error:
        reason = error.strerror or "unusable path"
        raise ScenarioError(str(folder), f"cannot be read ({reason}); check its permissions") from None
    if not files:
        raise ScenarioError(str(folder), "holds no .yaml file; add a scenario")
    if len(files) > MOST_FILES:
        raise ScenarioError(str(folder), f"holds more than {MOST_FILES} files; name the folder of scenarios")
    yield from files


def asks_json(body: Any) -> bool:
    """Whether a chat request asks for an answer in JSON."""
    wanted = body.get("response_format") if isinstance(body, dict) else None
    return isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema")
