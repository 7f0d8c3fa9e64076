"""Command line over project file over profile over default: each value in force, and where it comes from."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from llmcompat.cli.problems import Problem, printable
from llmcompat.profiles import ProfileError
from llmcompat.profiles.loader import is_path
from llmcompat.profiles.schema import Profile, Sourced, origin
from llmcompat.project import Project, TargetEntry, find_project, is_credential, load_project, variables_in
from llmcompat.project.signatures import FILE_NAME as SIGNOFF
from llmcompat.project.signatures import find_signoff
from llmcompat.settings import Pricing
from llmcompat.yamlfile import Keys

if TYPE_CHECKING:
    from llmcompat.engine.loader import Checklist

SHORTEST_CREDENTIAL = 8
"""Characters: a shorter one could not be hidden in reports, as it would mask ordinary text."""

_ONLY = {
    "embeddings": (
        "embeddings",
        "models",
        "data-policy",
        "lock-in",
        "spend-limit-set",
        "alert-address-set",
    ),
    "vision": ("vision", "models", "data-policy", "lock-in", "spend-limit-set", "alert-address-set"),
}
"""What is judged of a target that the application asks for nothing else."""


@dataclass(frozen=True)
class Origin:
    """Where a value in force comes from."""

    kind: Literal["option", "file", "profile", "default"]
    text: str
    """As it is shown: --model, llmcompat.yaml:7, profile deepseek (2026-11-20), default."""
    keys: Keys = ()
    """The way to it in the project file."""


DEFAULT = Origin("default", "default")


def open_project(file: str | None, *, without: bool) -> Project | None:
    """The project file that is named, else the nearest one upwards from the working folder, if any.

    Raises Problem for both options together, ProjectError for a file that cannot be used.
    """
    if without:
        if file is not None:
            raise Problem("--project and --no-project: leave one of the two out")
        return None
    if file is not None:
        return load_project(file)
    try:
        here = Path.cwd()
    except OSError:  # the working folder is gone
        return None
    path = find_project(here)
    return load_project(path, shown=_relative(path, here)) if path else None


def targets_of(
    given: Sequence[str], project: Project | None, *, base_url: str | None, model: str | None
) -> list[str | None]:
    """The targets to run: those that are named, else all of the project file.

    None stands for an endpoint that --base-url and --model name alone. Raises Problem.
    """
    if given:
        return list(given)
    if project is None or (base_url and model):
        return [None]
    if not project.targets:
        raise Problem(f"{project.shown}: has no targets; add `targets: [NAME]`, or give a TARGET")
    return list(project.targets)


def folders_of(given: Sequence[str], project: Project | None) -> list[Path]:
    """The folders with checks of the user's own: the project file's, then the command line's.

    Raises ProjectError where the file names one that is not there.
    """
    own = [project.resolve(each) for each in project.content.checks] if project else []
    for index, folder in enumerate(own):
        if project is not None and not folder.is_dir():
            problem = "no such folder; check the path, which is relative to this file"
            raise project.error(problem, "checks", index)
    return list(dict.fromkeys([*own, *map(Path, given)]))


def signoff_path(given: str | None, project: Project | None) -> Path:
    """The file with the signatures of manual lines; where nothing names one, the usual name.

    That is beside the project file, else in the nearest folder upwards that has one, else here.
    """
    if given is not None:
        return Path(given)
    if project is None:
        try:
            here = Path.cwd()
            found = find_signoff(here)
            return Path(_relative(found, here)) if found else Path(SIGNOFF)
        except OSError:  # the working folder is gone
            return Path(SIGNOFF)
    path = project.resolve(project.content.signoff or SIGNOFF)
    try:
        return Path(_relative(path, Path.cwd()))
    except OSError:
        return path


def verify(project: Project | None, checklist: Checklist) -> None:
    """Hold the names of checks in the project file against the checklist. Raises ProjectError."""
    if project is not None:
        from llmcompat.replay.results import LINES

        pairs = [(check.id, check.item) for check in checklist.checks.values()]
        project.verify([*pairs, *((id, line.item) for id, line in LINES.items())])


class Layers:
    """The values of one target, each taken from the highest layer that says something.

    `origins` tells of each by the name that it has in the project file.
    """

    def __init__(self, project: Project | None, target: str | None) -> None:
        self.project = project
        self.origins: dict[str, Origin] = {}
        self.name: str | None = None
        """The target's key in the project file, or None where the file does not name it."""
        self.named_model: str | None = None
        """The model behind the colon of ROLE:MODEL."""
        if project is not None and target is not None:
            role, _, model = target.partition(":")
            if target in project.targets:
                self.name = target
            elif not project.listed and role in project.targets and model.strip():
                self.name, self.named_model = role, model.strip()

    @property
    def entry(self) -> TargetEntry | None:
        """What the project file says of this target alone."""
        return self.project.targets[self.name] if self.project and self.name is not None else None

    @property
    def role(self) -> str | None:
        """The target's name where it is a role and not a plain entry of a list."""
        return self.name if self.project and not self.project.listed else None

    @property
    def purpose(self) -> str:
        """What the application asks of the target."""
        return self.project.purpose(self.name) if self.project and self.name is not None else "chat"

    def provider(self, target: str | None) -> str | None:
        """What names the profile: the entry's provider, its path made that of a file, or what was typed."""
        entry = self.entry
        if entry is None or self.project is None:
            return target
        provider = entry.provider
        path = re.match(r"(.*\.ya?ml)(:.*)?\Z", provider or "", re.IGNORECASE | re.DOTALL)
        if path and is_path(path[1]):
            return f"{self.project.resolve(path[1])}{path[2] or ''}"
        if provider is not None and ":" not in provider and is_path(provider):
            return str(self.project.resolve(provider))
        return provider

    def in_file(self, *keys: str) -> tuple[Any, Origin] | None:
        """The project file's value at these keys, the target's own before the one for all; None for none."""
        if self.project is None:
            return None
        layers: list[tuple[Keys, Any]] = [((), self.project.content)]
        if self.entry is not None:
            layers.insert(0, (("targets", str(self.name)), self.entry))
        for prefix, value in layers:
            for key in keys:
                value = getattr(value, "use_case" if key == "for" else key, None)
            if value is not None:
                return value, self._file(*prefix, *keys)
        return None

    def pick(self, name: str, given: Any, *lower: tuple[Any, Origin], option: str | None = None) -> Any:
        """The value of `name` (keys joined by dots): as `given` by an option, the file's, or a lower one.

        None where no layer says anything.
        """
        last = name.rpartition(".")[2]
        flag = option or "--" + last.replace("_", "-")
        found = self.in_file(*name.split("."))
        for value, source in ((given, Origin("option", flag)), *([found] if found else []), *lower):
            if value is not None:
                self.origins[name] = source
                return value
        return None

    def price(self, provider: str, model: str) -> Pricing | None:
        """The user's own price of a model, or None."""
        found = self.project.price_of(provider, model) if self.project is not None else None
        if found is not None:
            self.origins["prices"] = Origin("file", found.source)
        return found

    def merged(
        self,
        name: Literal["headers", "body"],
        given: Mapping[str, Any],
        below: Mapping[str, Any],
        profile: Origin,
    ) -> dict[str, Any]:
        """The application's headers or body: each one from the highest layer that names it."""
        found: dict[str, tuple[str, Any]] = {}

        def add(values: Mapping[str, Any], source: Callable[[str], Origin]) -> None:
            for key, value in values.items():
                # names of headers have no case, names of fields have
                found[key.lower() if name == "headers" else key] = (key, value)
                for other in [each for each in self.origins if name == "headers"]:
                    if other.lower() == f"request.headers.{key}".lower():
                        del self.origins[other]
                self.origins[f"request.{name}.{key}"] = source(key)

        add(below, lambda _: profile)
        if self.project is not None:
            general: Mapping[str, Any] = getattr(self.project.content.request, name)
            add(general, lambda key: self._file("request", name, key))
        if self.entry is not None:
            own: Mapping[str, Any] = getattr(self.entry.request, name)
            add(own, lambda key: self._file("targets", str(self.name), "request", name, key))
        flag = "--header" if name == "headers" else "--body"
        add(given, lambda _: Origin("option", flag))
        return dict(found.values())

    def features(
        self, uses: frozenset[str] | None, without: frozenset[str] | None
    ) -> dict[str, frozenset[str]]:
        """`uses` and `without`, as they follow from what this target and the others are used for."""
        used: Any = self.pick("uses", uses)
        left_out: Any = self.pick("without", without)
        used, left_out = frozenset(used or ()), frozenset(left_out or ())
        if self.project is None or self.role is None:
            return {"uses": used, "without": left_out}
        purpose = {self.purpose} - {"chat"}
        if purpose:
            source = self.origins.get("uses")
            if source is None or source.keys == ("uses",):
                # what is said for all targets is said of the chat
                used, self.origins["uses"] = frozenset(), self._file("targets", self.role)
            return {"uses": used | purpose, "without": left_out - purpose}
        elsewhere = self.project.purposes() - {"chat"} - used
        if elsewhere - left_out:
            self.origins.setdefault("without", self._file("targets", next(iter(self._serving(elsewhere)))))
        return {"uses": used, "without": left_out | elsewhere}

    def only(self, given: Sequence[str] | None) -> tuple[str, ...]:
        """The checks that are asked for by name; for embeddings and vision alone, what they consist of."""
        found = self.pick("only", given)
        if found is None and self.purpose in _ONLY and self.role is not None:
            self.origins["only"] = self._file("targets", self.role)
            return _ONLY[self.purpose]
        return tuple(found or ())

    def resolved(
        self,
        name: Literal["headers", "body"],
        values: Mapping[str, Any],
        environ: Mapping[str, str],
        base_url: str,
        home: str | None,
    ) -> tuple[dict[str, Any], list[str]]:
        """The values with each `env:NAME` replaced, and what it was replaced by.

        What a target's own entry takes from the environment goes to that target's origin (`home`) and to no
        other. Raises Problem or ProjectError, in which no value stands.
        """
        secrets: list[str] = []
        result: dict[str, Any] = dict(values)
        for keys, variable in variables_in(values):
            field = str(keys[0])
            source = self.origins[f"request.{name}.{field}"]
            own = source.keys[:1] == ("targets",)
            if own and (home is None or origin(home) != origin(base_url)):
                option = "--header" if name == "headers" else "--body"
                problem = f"goes to {home} only, and --base-url names another origin; give {option} {field}"
                raise self._wrong(source, f"{problem} or --no-project", keys[1:])
            value = environ.get(variable)
            if not value:
                raise self._wrong(source, f"{variable}: no such variable is set; nothing was sent", keys[1:])
            if name == "headers":
                if not value.isascii() or not value.isprintable() or value != value.strip():
                    raise self._wrong(
                        source, f"{variable}: must hold one line of ASCII text; set it again", ()
                    )
                if is_credential(field) and len(value) < SHORTEST_CREDENTIAL:
                    problem = f"{variable}: holds fewer than {SHORTEST_CREDENTIAL} characters"
                    raise self._wrong(source, f"{problem}: such a credential could not be hidden", ())
            secrets.append(value)
            result = _replaced(result, keys, value)
        return result, secrets

    @contextlib.contextmanager
    def blaming(self, name: str, option: str) -> Iterator[None]:
        """Let what is wrong with a value of the project file name its place there, and not an option."""
        try:
            yield
        except (Problem, ProfileError) as error:
            source = self.origins.get(name)
            if source is None or source.kind != "file" or self.project is None:
                raise
            text = str(error).removeprefix(option).lstrip(": ")
            raise self.project.error(text, *source.keys) from None

    def _serving(self, purposes: frozenset[str] | set[str]) -> Iterator[str]:
        assert self.project is not None
        return (name for name in self.project.targets if self.project.purpose(name) in purposes)

    def _file(self, *keys: int | str) -> Origin:
        assert self.project is not None
        return Origin("file", self.project.place(*keys), keys)

    def _wrong(self, source: Origin, problem: str, inner: Keys) -> Exception:
        if source.kind == "file" and self.project is not None:
            return self.project.error(problem, *source.keys, *inner)
        return Problem(f"{source.text}: {problem}")


def from_profile(profile: Profile, fact: Sourced | None = None) -> Origin:
    """That a value comes from a profile, with the day that its source speaks of."""
    day = f" ({fact.as_of.isoformat()})" if fact is not None and fact.as_of else ""
    return Origin("profile", f"profile {profile.name}{day}")


def unknown_target(project: Project, target: str, error: ProfileError) -> Problem:
    """A TARGET that is neither in the project file nor a profile, in one line."""
    from llmcompat.cli.problems import nearest

    roles = f"no such target in {project.shown} ({nearest(target, project.targets)})"
    return Problem(printable(f"{target}: {roles}; {str(error).partition(': ')[2]}", 1000))


def _replaced(values: Any, keys: Keys, value: str) -> Any:
    """A copy of plain data with one text in it replaced."""
    if not keys:
        return value
    if isinstance(values, Mapping):
        return {**values, keys[0]: _replaced(values[str(keys[0])], keys[1:], value)}
    return [
        _replaced(each, keys[1:], value) if index == keys[0] else each for index, each in enumerate(values)
    ]


def _relative(path: Path, here: Path) -> str:
    try:
        return Path(os.path.relpath(path, here)).as_posix()
    except ValueError:  # another drive
        return str(path)
