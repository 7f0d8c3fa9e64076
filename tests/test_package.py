"""What a user installs: built through the sdist, unpacked elsewhere, run without the checkout."""

import email
import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from llmcompat.version import __version__

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Package:
    sdist: set[str]
    wheel: set[str]
    site: Path


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Standard output of a command; a failure shows what it wrote."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Built as `python -m build` does: sdist from the tree, wheel from the sdist; here with no network."""
    folder = tmp_path_factory.mktemp("package")
    run("-m", "hatchling", "build", "-t", "sdist", "-d", str(folder), cwd=ROOT)
    [sdist] = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
        names = [member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()]
    run("-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=folder / f"llmcompat-{__version__}")
    [wheel] = folder.glob("*.whl")
    # A wheel of pure Python is installed by unpacking it.
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
        return Package(set(names), set(archive.namelist()), folder / "site")


def tree(folder: str) -> set[str]:
    """All files of a folder of the checkout, without what Python and macOS leave there."""
    files = {file for file in (ROOT / folder).rglob("*") if file.is_file() and file.name != ".DS_Store"}
    return {file.relative_to(ROOT).as_posix() for file in files if "__pycache__" not in file.parts}


def test_the_sdist_holds_the_project_and_nothing_else(package: Package) -> None:
    files = {"LICENSE", "README.md", "pyproject.toml", "uv.lock"}
    # Hatchling adds PKG-INFO and the .gitignore that it obeys.
    expected = files | {"PKG-INFO", ".gitignore"} | tree("llmcompat") | tree("checks") | tree("tests")
    assert package.sdist == expected


def test_the_wheel_holds_the_package_with_the_checks_in_it(package: Package) -> None:
    checks = {f"llmcompat/{name}" for name in tree("checks")}
    assert any(name.endswith(".py") for name in checks)
    inside = {name for name in package.wheel if not name.startswith(f"llmcompat-{__version__}.dist-info/")}
    assert inside == tree("llmcompat") | checks


def test_the_wheel_says_that_it_is_typed(package: Package) -> None:
    assert "llmcompat/py.typed" in package.wheel


def test_the_metadata(package: Package) -> None:
    folder = package.site / f"llmcompat-{__version__}.dist-info"
    metadata = email.message_from_string((folder / "METADATA").read_text(encoding="utf-8"))
    assert (metadata["Name"], metadata["Version"]) == ("llmcompat", __version__)
    assert metadata["License-Expression"] == "MIT"
    assert "llmcompat = llmcompat.cli:main" in (folder / "entry_points.txt").read_text(encoding="utf-8")
    assert (folder / "licenses" / "LICENSE").is_file()


def test_the_installed_package_lists_the_same_checks(package: Package, tmp_path: Path) -> None:
    # A folder of the user's own with the name of ours must not be taken for it.
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "__init__.py").write_text("raise RuntimeError", encoding="utf-8")
    where = "import llmcompat; print(llmcompat.__file__)"
    site = str(package.site)
    found = run("-c", where, cwd=tmp_path, PYTHONPATH=site)
    assert Path(found.strip()).is_relative_to(package.site)
    listed = run("-m", "llmcompat", "list", cwd=tmp_path, PYTHONPATH=site)
    assert listed.strip()
    assert listed == run("-m", "llmcompat", "list", cwd=ROOT)
