"""Reads profiles, shipped ones by name and a user's own by path; says in one line what is wrong with one."""

import difflib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from llmcompat.profiles.schema import Profile
from llmcompat.yamlfile import Wording, YamlError, parse, read_bytes, validate


class ProfileError(YamlError):
    """A profile that cannot be used; its text is one line that names file, key and mend."""


def shipped_profiles() -> tuple[str, ...]:
    """Names of the profiles that come with the package, sorted."""
    folder = files("llmcompat.profiles") / "data"
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".yaml")))


_WORDING = Wording(
    error=ProfileError,
    noun="a profile",
    example="base_url: https://api.example.com/v1",
    too_large="a profile holds facts only, move the rest elsewhere",
    missing=lambda: f"check the path, or name one of: {', '.join(shipped_profiles())}",
    literal="feature",
)


def is_path(name_or_path: str) -> bool:
    """Whether a profile is named by its file: by what holds a path separator or ends in .yaml or .yml."""
    return re.search(r"[/\\]|\.ya?ml$", name_or_path, re.IGNORECASE) is not None


def load_profile(name_or_path: str) -> Profile:
    """The shipped profile of this name, or the profile in this file.

    Whatever holds a path separator or ends in .yaml or .yml is a path. Raises ProfileError.
    """
    if is_path(name_or_path):
        path = Path(name_or_path)
        return _parse(name_or_path, read_bytes(path, _WORDING), path.stem.lower())
    name = name_or_path.strip().lower()
    shipped = shipped_profiles()
    if name not in shipped:
        near = difflib.get_close_matches(name, shipped, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'? " if near else ""
        problem = f"no such profile; {hint}shipped: {', '.join(shipped)}; or give a .yaml file"
        raise ProfileError(name_or_path or "''", problem)
    return _shipped(name)


@cache
def _shipped(name: str) -> Profile:
    # a profile is frozen, and reading one takes longer than most of what is done with it
    return _parse(f"{name}.yaml", (files("llmcompat.profiles") / "data" / f"{name}.yaml").read_bytes(), name)


def _parse(file: str, content: bytes, default_name: str) -> Profile:
    document = parse(file, content, _WORDING)
    document.data.setdefault("name", default_name)
    return validate(document, Profile, _WORDING)
