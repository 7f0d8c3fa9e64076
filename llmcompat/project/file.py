"""Finds and loads llmcompat.yaml; says in one line what is wrong with it and where."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from llmcompat.model import Acceptance, Location
from llmcompat.profiles import shipped_profiles
from llmcompat.profiles.loader import is_path
from llmcompat.project.schema import (
    OWN_FIELDS,
    Alert,
    ProjectFile,
    Purpose,
    Request,
    TargetEntry,
    is_credential,
    variable_of,
)
from llmcompat.settings import Pricing
from llmcompat.yamlfile import Document, Keys, Wording, YamlError, nearest, parse, read_bytes, validate

FILE_NAME = "llmcompat.yaml"

_ROLE = re.compile(r"[a-z0-9][a-z0-9._-]*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_NO_KEYS = "keys are never in the file; name the variable that holds it in api_key_env"


class ProjectError(YamlError):
    """A project file that cannot be used; its text is one line that names file, line, key and mend."""


_WORDING = Wording(
    error=ProjectError,
    noun=FILE_NAME,
    example="targets: [deepseek]",
    too_large="a project file holds settings only",
    missing=lambda: "check the path, or write one with `llmcompat init`",
    hints=dict.fromkeys(
        ("key", "api_key", "apikey", "api-key", "token", "secret", "password", "authorization"), _NO_KEYS
    ),
)


@dataclass(frozen=True)
class Project:
    """A project file as it was read."""

    path: Path
    shown: str
    """How messages name it."""
    content: ProjectFile
    document: Document = field(repr=False)
    listed: bool = False
    """Its targets are a plain list: none has a role."""

    @property
    def folder(self) -> Path:
        """What its own paths are relative to."""
        return self.path.parent

    @property
    def targets(self) -> Mapping[str, TargetEntry]:
        """The targets in the file's order: by role, or by what a plain list says."""
        return self.content.targets

    def line_of(self, *keys: int | str) -> int:
        """The line of a key, counted from 1; of the last one on the way that exists."""
        if self.listed and keys[:1] == ("targets",) and len(keys) > 1:
            keys = ("targets", list(self.targets).index(str(keys[1])))
        return self.document.line_of(*keys)

    def place(self, *keys: int | str) -> str:
        """Where a key stands, such as llmcompat.yaml:7."""
        return f"{self.shown}:{self.line_of(*keys)}"

    def location(self, target: str) -> Location:
        """Where a target stands, for what saves it."""
        return Location(self.path.name, self.line_of("targets", target))

    def error(self, problem: str, *keys: int | str) -> ProjectError:
        """What is wrong with the value of a key."""
        dotted = ".".join(map(str, keys))
        return ProjectError(self.shown, problem, line=self.line_of(*keys), key=dotted)

    def resolve(self, path: str) -> Path:
        """A path as the file means it."""
        return self.folder / Path(path).expanduser()

    def purpose(self, target: str) -> Purpose:
        """What a target is used for: what it says, else what its role is called."""
        said = self.targets[target].purpose
        if said is not None:
            return said
        if self.listed or target not in ("embeddings", "vision"):
            return "chat"
        return "embeddings" if target == "embeddings" else "vision"

    def purposes(self) -> frozenset[Purpose]:
        """What the targets together are used for."""
        return frozenset(map(self.purpose, self.targets))

    def accepted_for(self, *names: str | None) -> tuple[Acceptance, ...]:
        """The accepted deviations that count for a target: its role, its provider, and PROVIDER:MODEL."""
        return tuple(each for _, each in self.accepted_entries(*names))

    def accepted_entries(self, *names: str | None) -> Iterator[tuple[int, Acceptance]]:
        """The same, each with its place in the file's list."""
        for index, entry in enumerate(self.content.accepted):
            if entry.target in (*names, None):
                until = entry.until.isoformat() if entry.until else None
                yield index, Acceptance(entry.check, entry.case, entry.reason, until)

    def price_of(self, provider: str, model: str) -> Pricing | None:
        """The user's own price of a model there, with the place in the file as its source; None for none."""
        for name in (f"{provider}:{model}", provider):
            if (price := self.content.prices.get(name)) is not None:
                return Pricing(
                    input=price.input,
                    output=price.output,
                    cached_input=price.cached_input,
                    source=self.place("prices", name),
                    as_of=price.as_of,
                    own=True,
                )
        return None

    def verify(self, checks: Iterable[tuple[str, str]]) -> None:
        """Hold every name of a check in the file against those that exist, given as (id, item).

        Raises ProjectError for an accepted id that does not exist, and for a pattern of `only` and `skip`
        that matches nothing.
        """
        pairs = list(checks)
        ids = [id for id, _ in pairs]
        for index, entry in enumerate(self.content.accepted):
            if entry.check not in ids:
                problem = f"no check has the id {entry.check}; {nearest(entry.check, ids)}"
                raise self.error(_short(problem), "accepted", index, "check")
        names = list(dict.fromkeys(name for pair in pairs for name in pair))
        choices: list[tuple[Keys, TargetEntry | ProjectFile]] = [((), self.content)]
        choices += [(("targets", name), entry) for name, entry in self.targets.items()]
        for keys, choice in choices:
            for key, patterns in (("only", choice.only), ("skip", choice.skip)):
                for index, pattern in enumerate(patterns or ()):
                    if not any(fnmatchcase(name, pattern) for name in names):
                        problem = f"no check or item is named {pattern}; {nearest(pattern, names)}"
                        raise self.error(_short(problem), *keys, key, index)


def find_project(start: Path) -> Path | None:
    """The project file of a folder: in it, or in the nearest folder above that has one; None for none.

    What another user has put into a folder that everybody may write to is left alone: a project file says
    where keys are sent and which code is loaded.
    """
    here = Path(os.path.abspath(start))
    for folder in (here, *here.parents):
        path = folder / FILE_NAME
        try:
            if path.is_file() and (folder == here or not _may_be_planted(path)):
                return path
        except OSError:  # a folder above that may not be looked into
            continue
    return None


def load_project(path: Path | str, *, shown: str | None = None) -> Project:
    """The project file at this path; `shown` is its name for messages. Raises ProjectError."""
    path = Path(path)
    return parse_project(path, read_bytes(path, _WORDING), shown=shown or str(path))


def parse_project(path: Path, content: bytes, *, shown: str) -> Project:
    """A project file with this content, as if it stood at this path. Raises ProjectError."""
    document = parse(shown, content, _WORDING)
    listed = isinstance(document.data.get("targets"), list)
    if listed:
        document.data["targets"] = _from_list(document)
    elif document.data.get("targets", {}) is None:
        # `targets:` with nothing but comments below it
        del document.data["targets"]
    project = Project(
        Path(os.path.abspath(path)), shown, validate(document, ProjectFile, _WORDING), document, listed
    )
    _check(project)
    return project


def _may_be_planted(path: Path) -> bool:
    if not hasattr(os, "getuid"):
        return False
    return bool(path.parent.stat().st_mode & stat.S_IWOTH) and _is_foreign(path)


def _is_foreign(path: Path) -> bool:
    return path.stat().st_uid not in (os.getuid(), 0)


def _from_list(document: Document) -> dict[str, dict[str, str]]:
    """Targets that are given as a plain list, as if each were named by what it says."""
    entries: dict[str, dict[str, str]] = {}
    for index, each in enumerate(document.data["targets"]):
        problem = None
        if not isinstance(each, str) or not each.strip():
            problem = "must be text such as deepseek or groq:MODEL; for more, write `targets:` as NAME: {…}"
        elif each in entries:
            problem = f"{each} is given twice; remove one of them"
        if problem:
            line = document.line_of("targets", index)
            raise ProjectError(document.file, problem, line=line, key=f"targets.{index}")
        entries[each] = {"provider": each}
    return entries


def _check(project: Project) -> None:
    """What a model of one value cannot see. Raises ProjectError."""
    _check_request(project, project.content.request, ())
    _check_alert(project, project.content.budgets.alert, ())
    for name, entry in project.targets.items():
        if not project.listed and not _ROLE.fullmatch(name):
            problem = "must be named in lower-case letters, digits, '-', '_' and '.', such as chat"
            raise project.error(problem, "targets", name)
        _check_request(project, entry.request, ("targets", name))
        _check_alert(project, entry.budgets.alert, ("targets", name))
    providers = _providers(project)
    for name in project.content.prices:
        if providers and (provider := name.partition(":")[0]) not in providers:
            problem = f"no provider is named {provider}; {nearest(provider, providers)}"
            raise project.error(_short(problem), "prices", name)
    known = tuple(dict.fromkeys((*project.targets, *providers))) if providers else ()
    for index, accepted in enumerate(project.content.accepted):
        if known and accepted.target is not None and accepted.target.partition(":")[0] not in known:
            problem = f"no target is named {accepted.target}; {nearest(accepted.target, known)}"
            raise project.error(_short(problem), "accepted", index, "target")


def _check_alert(project: Project, alert: Alert | None, keys: Keys) -> None:
    """An address to write to is https, or on this machine; it is a secret and is not repeated."""
    webhook = alert.webhook.get_secret_value() if alert is not None and alert.webhook is not None else None
    if webhook is None or variable_of(webhook) is not None:
        return
    # only here: names for a shell's completion must not wait for an HTTP client
    from llmcompat.billing.alerts import is_webhook

    at: Keys = (*keys, "budgets", "alert", "webhook")
    if not is_webhook(webhook):
        problem = "must be env:NAME with the variable that holds it, or a full https address"
        raise project.error(problem, *at)


def _check_request(project: Project, request: Request, keys: Keys) -> None:
    for name, value in request.headers.items():
        at: Keys = (*keys, "request", "headers", name)
        if not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
            raise project.error("must be a name that HTTP allows, with one line of ASCII text", *at)
        if is_credential(name) and not keys:
            problem = "is a credential, which one target may have: move it to targets.NAME.request.headers"
            raise project.error(problem, *at)
        if is_credential(name) and variable_of(value) is None:
            raise project.error(f"is a credential: write '{name}: env:NAME' with the variable's name", *at)
        _check_variable(project, value, at)
    for name, field_value in request.body.items():
        at = (*keys, "request", "body", name)
        if name in OWN_FIELDS:
            hint = "use the target's model" if name == "model" else "the checks send it themselves"
            raise project.error(f"cannot be set; {hint}", *at)
        _check_variable(project, field_value, at)


def _check_variable(project: Project, value: object, keys: Keys) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_variable(project, inner, (*keys, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_variable(project, inner, (*keys, index))
    elif isinstance(value, str) and value.startswith("env:") and variable_of(value) is None:
        # not repeated: whoever pastes a key here must not see it in a log
        raise project.error("must be env:NAME with the name of an environment variable", *keys)


def _providers(project: Project) -> tuple[str, ...]:
    """What a provider may be called; nothing where a profile file or a bare address names itself."""
    providers = [entry.provider for entry in project.targets.values()]
    if any(provider is None or is_path(provider.partition(":")[0]) for provider in providers):
        return ()
    named = [provider.partition(":")[0] for provider in providers if provider is not None]
    return tuple(dict.fromkeys((*named, *shipped_profiles())))


def _short(text: str) -> str:
    """A list of all known names says nothing in one line: it is cut to where it begins."""
    return text if len(text) <= 200 else f"{text[:200].rpartition(',')[0]} … (see `llmcompat list`)"
