"""Finding checks and probes in folders: ours and the users' by the same mechanism."""

from __future__ import annotations

import graphlib
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from llmcompat.declare import SLUG, Check, Probe
from llmcompat.engine.broken import line_in, told
from llmcompat.engine.ground import GROUND_PROBES
from llmcompat.profiles.schema import FEATURES

GUIDE = ("prompts", "long-prompts", "tools", "json-outputs", "streaming", "retries", "billing")
"""The seven lines of the migration guide, in its order."""

ITEM_ORDER = (
    *GUIDE[:3],
    "tool-streams",
    "tool-definitions",
    "tool-history",
    *GUIDE[3:],
    "parameters",
    "response-fields",
    "models",
    "embeddings",
    "vision",
    "responses",
    "batch",
    "sdk",
    "safety",
    "output-style",
    "latency",
    "data-policy",
    "lock-in",
)
"""Items as they are shown: the guide's lines, what compatibility leaves out, and behind them a user's own."""

GIVEN = ("exchanges", "profile", "settings")
"""What a check may name beside probes."""

_HERE = Path(__file__).resolve().parent.parent
BUILT_IN = next(
    (folder for folder in (_HERE / "checks", _HERE.parent / "checks") if folder.is_dir()), _HERE / "checks"
)
"""Our own checks: inside the package in a wheel, beside it in a checkout."""


class LoadError(Exception):
    """A folder of checks cannot be used. The text is one line that names the file and the mend."""


@dataclass(frozen=True)
class Item:
    """One line of the checklist."""

    name: str
    title: str
    sentence: str

    @property
    def in_guide(self) -> bool:
        """Whether it is one of the guide's seven lines."""
        return self.name in GUIDE


@dataclass(frozen=True)
class Checklist:
    """Everything that was loaded: items in the order in which they are shown, checks in their items' one."""

    items: tuple[Item, ...]
    checks: dict[str, Check]
    probes: dict[str, Probe]

    def of_item(self, name: str) -> list[Check]:
        """The checks of an item."""
        return [check for check in self.checks.values() if check.item == name]


def load_checklist(folders: Iterable[Path] = ()) -> Checklist:
    """Our checks and those in the folders given, all of them in this process.

    Raises LoadError when a file cannot be imported, a check lacks its texts, a name is taken twice or
    unknown, or probes need each other in a circle.
    """
    ground = Checklist((), {}, {probe.name: probe for probe in GROUND_PROBES})
    return with_folders(ground, [BUILT_IN, *folders])


def with_folders(
    base: Checklist, folders: Iterable[Path], *, on_file: Callable[[Path], None] = lambda path: None
) -> Checklist:
    """What is loaded already, and the checks and probes in the folders given.

    `on_file` is told of each file before it is loaded. Raises LoadError as `load_checklist` does.
    """
    items, checks, probes = list(base.items), dict(base.checks), dict(base.probes)
    for folder in folders:
        package = "llmcompat.checks" if folder == BUILT_IN else _package_name(folder)
        for module, path in _modules(folder, package, on_file):
            found = list(_declared(module))
            for probe in (each for each in found if isinstance(each, Probe)):
                _add_probe(probe, probes, path)
            own = [each for each in found if isinstance(each, Check)]
            if not own:
                continue
            item = _item(module, path)
            items.append(item)
            for check in own:
                _add_check(replace(check, item=item.name), checks, path)
    _resolve(checks, probes)
    order = {name: position for position, name in enumerate(ITEM_ORDER)}
    items.sort(key=lambda item: order.get(item.name, len(order)))
    by_item = [check for item in items for check in checks.values() if check.item == item.name]
    return Checklist(tuple(items), {check.id: check for check in by_item}, probes)


def _package_name(folder: Path) -> str:
    """A name of its own for each folder: two may hold files of the same name."""
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    return f"llmcompat_user_checks_{digest}"


def _modules(
    folder: Path, package: str, on_file: Callable[[Path], None]
) -> Iterator[tuple[ModuleType, Path]]:
    if not folder.is_dir():
        raise LoadError(f"{folder}: no such folder of checks")
    if package not in sys.modules:
        spec = importlib.util.spec_from_loader(package, loader=None, is_package=True)
        assert spec is not None
        parent = importlib.util.module_from_spec(spec)
        parent.__path__ = [str(folder)]
        sys.modules[package] = parent
    files = sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))
    if not files:
        raise LoadError(f"{folder}: holds no file of checks (*.py)")
    for path in files:
        if path.stem in sys.stdlib_module_names:
            raise LoadError(f"{path}: the name is a standard module's; rename the file")
        name = f"{package}.{path.stem}"
        if name in sys.modules:
            yield sys.modules[name], path
            continue
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise LoadError(f"{path}: cannot be loaded as Python")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        on_file(path)
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:
            del sys.modules[name]
            line = line_in(str(path.absolute()), error) or getattr(error, "lineno", None)
            where = f"{path}:{line}" if line else str(path)
            raise LoadError(f"{where}: {told(error)}") from error
        yield module, path


def _declared(module: ModuleType) -> Iterator[Check | Probe]:
    for value in vars(module).values():
        if isinstance(value, (Check, Probe)):
            # what a file imports from another belongs to the other
            if value.function.__module__ == module.__name__:
                yield value
        elif isinstance(value, (tuple, list)):
            yield from (
                each
                for each in value
                if isinstance(each, (Check, Probe)) and each.function.__module__ == module.__name__
            )


def _item(module: ModuleType, path: Path) -> Item:
    text = " ".join((module.__doc__ or "").split())
    title, colon, sentence = text.partition(": ")
    if not colon or not sentence:
        raise LoadError(
            f'{path}: needs a module docstring such as """Tool calls: the model calls your functions."""'
        )
    return Item(path.stem.replace("_", "-"), title, sentence)


def _add_probe(probe: Probe, probes: dict[str, Probe], path: Path) -> None:
    if probe.name in probes and probes[probe.name] is not probe:
        raise LoadError(
            f"{path}:{probe.line}: a probe named {probe.name} exists already; choose another name"
        )
    if probe.name in GIVEN:
        raise LoadError(f"{path}:{probe.line}: a probe cannot be named {probe.name}; choose another name")
    probes[probe.name] = probe


def _add_check(check: Check, checks: dict[str, Check], path: Path) -> None:
    where = f"{path}:{check.line}: check {check.id}"
    if not SLUG.fullmatch(check.id):
        raise LoadError(f"{where}: the id must be a slug such as stream-done")
    if check.id in checks:
        raise LoadError(f"{where}: the id is taken by {checks[check.id].file}; choose another")
    if not check.title or not check.why:
        raise LoadError(f"{where}: needs a docstring: a line for the title, a blank line, and why it matters")
    if not check.fix.strip():
        raise LoadError(f"{where}: needs fix=, what the migrating developer can do")
    if check.feature is not None and check.feature not in FEATURES:
        raise LoadError(f"{where}: feature {check.feature} is unknown; known are {', '.join(FEATURES)}")
    checks[check.id] = check


def _resolve(checks: dict[str, Check], probes: dict[str, Probe]) -> None:
    for check in checks.values():
        for name in check.needs:
            if name not in probes and name not in GIVEN:
                raise LoadError(f"{check.file}:{check.line}: check {check.id}: no probe is named {name}")
    for probe in probes.values():
        for name in (*probe.needs, *probe.grounds):
            if name not in probes:
                raise LoadError(f"{probe.file}:{probe.line}: probe {probe.name}: no probe is named {name}")
        for owner in (probe.owner, probe.called):
            if owner is not None and owner not in checks:
                raise LoadError(f"{probe.file}:{probe.line}: probe {probe.name}: no check has the id {owner}")
    for graph in (
        {probe.name: probe.needs for probe in probes.values()},
        {probe.name: probe.grounds for probe in probes.values()},
    ):
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            circle = " -> ".join(error.args[1])
            first = probes[error.args[1][0]]
            raise LoadError(
                f"{first.file}:{first.line}: probes need each other in a circle: {circle}"
            ) from error
