"""The code depends one way: each part imports only what stands below it in one list."""

import ast
import graphlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "llmcompat"
CHECKS = ROOT / "checks"
TESTS = ROOT / "tests"

# Every module or folder directly under llmcompat/ has a place here and imports only from below it.
# `__init__` is the face that check files see; nothing inside needs it but what stands above it.
ORDER = (
    "__main__",
    "cli",
    "reports",
    "rehearsal",
    "replay",
    "engine",
    "simulator",
    "__init__",
    "capture",
    "workload",
    "project",
    "sdk",
    "billing",
    "api",
    "reply",
    "wire",
    "profiles",
    "clients",
    "catalogue",
    "settings",
    "yamlfile",
    "declare",
    "model",
    "version",
)

# The simulator is what the reading code is tested against, so it shares none of that code.
SIMULATOR_MAY_IMPORT = {"simulator", "profiles", "version"}

CHECKS_MAY_IMPORT = {"llmcompat", "jsonschema"}


def module_name(file: Path) -> str:
    """`llmcompat.wire.sse` for `llmcompat/wire/sse.py`, `llmcompat.wire` for its `__init__.py`."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(file): file for file in sorted(PACKAGE.rglob("*.py"))}


def imported(source: str, module: str, *, is_package: bool = False) -> set[str]:
    """Dotted names of all that `source` imports: in functions and under TYPE_CHECKING too.

    `from a import b` gives `a.b`, as b may be a module; relative imports are made absolute.
    """
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = node.module or ""
            if node.level:
                package = module.split(".")
                package = package[: len(package) - node.level + is_package]
                start = ".".join([*package, *([node.module] if node.module else [])])
            names |= {f"{start}.{alias.name}" for alias in node.names}
    return names


def owner(name: str) -> str | None:
    """The module of ours that a dotted name leads to, `llmcompat` itself for a name of its face."""
    while name:
        if name in FILES:
            return name
        name = name.rpartition(".")[0]
    return None


def part(module: str) -> str:
    """The entry of ORDER that a module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def dependencies(module: str) -> set[str]:
    file = FILES[module]
    source = file.read_text(encoding="utf-8")
    names = imported(source, module, is_package=file.name == "__init__.py")
    return {found for name in names if (found := owner(name)) is not None and found != module}


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import json", {"json"}),
        ("from llmcompat.wire import sse", {"llmcompat.wire.sse"}),
        ("from .sse import Event", {"llmcompat.wire.sse.Event"}),
        ("from . import sse", {"llmcompat.wire.sse"}),
        ("from ..model import Run", {"llmcompat.model.Run"}),
        ("from .. import model", {"llmcompat.model"}),
        ("def late():\n    import llmcompat.cli", {"llmcompat.cli"}),
        ("if TYPE_CHECKING:\n    from llmcompat.api import Api", {"llmcompat.api.Api"}),
    ],
)
def test_every_form_of_import_is_seen(source: str, names: set[str]) -> None:
    assert imported(source, "llmcompat.wire.client") == names
    assert imported(source, "llmcompat.wire", is_package=True) == names


def test_every_module_has_a_place() -> None:
    assert {part(module) for module in FILES} <= set(ORDER)


@pytest.mark.parametrize("module", FILES)
def test_imports_point_down(module: str) -> None:
    own = part(module)
    reached = {part(found) for found in dependencies(module)} - {own}
    if own in ORDER:
        assert reached <= set(ORDER[ORDER.index(own) + 1 :])
    if own == "simulator":
        assert reached <= SIMULATOR_MAY_IMPORT


def test_no_module_imports_itself_through_another() -> None:
    graph = {module: dependencies(module) for module in FILES}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize("file", sorted(CHECKS.rglob("*.py")), ids=lambda file: file.name)
def test_checks_import_only_the_face(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    allowed = CHECKS_MAY_IMPORT | sys.stdlib_module_names
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1, f"line {node.lineno}: a check file reaches out of its folder"
            continue
        else:
            continue
        for name in names:
            inner = name.startswith("llmcompat.") or name.partition(".")[0] not in allowed
            assert not inner, f"line {node.lineno}: a check file imports {name}"


def test_no_file_shadows_a_standard_module() -> None:
    # Run directly, or with its folder first on the path, it would be imported in place of the standard one.
    files = [file.relative_to(ROOT) for folder in (PACKAGE, CHECKS) for file in folder.rglob("*.py")]
    shadows = {
        str(file) for file in files for step in file.parts if Path(step).stem in sys.stdlib_module_names
    }
    assert shadows == set()


@pytest.mark.parametrize("file", sorted(TESTS.rglob("*.py")), ids=lambda file: file.name)
def test_tests_reach_checks_through_the_loader(file: Path) -> None:
    # Imported by name as well as loaded by path, a check file would exist twice.
    names = imported(file.read_text(encoding="utf-8"), module_name(file))
    assert {name for name in names if name.partition(".")[0] == "checks"} == set()
