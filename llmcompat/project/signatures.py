"""The sign-off file: who decided which manual line of which target, when, and on which facts."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints

from llmcompat import yamlfile
from llmcompat.model import Signature, Target
from llmcompat.project.file import _may_be_planted as may_be_planted

FILE_NAME = "llmcompat.signoff.yaml"
"""Where signatures are kept unless the project file or the command line names another file."""

_HEADER = """\
# Who decided what a checklist cannot: written by `llmcompat sign`, read by `llmcompat check`.
# A signature counts for its target and for the facts below it, and lapses when they change.
"""


class SignatureError(yamlfile.YamlError):
    """A sign-off file that cannot be used; its text is one line that names file, line, key and mend."""


_WORDING = yamlfile.Wording(
    error=SignatureError,
    noun="a sign-off file",
    example="signatures: []",
    too_large="name the sign-off file that `llmcompat sign` wrote",
    missing=lambda: "`llmcompat sign` writes it",
)

_Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class SignedTarget(_Strict):
    """The endpoint and model that a signature counts for."""

    provider: _Line
    base_url: _Line
    model: _Line


class Entry(_Strict):
    """One signature as it stands in the file."""

    target: SignedTarget
    check: _Line
    by: _Line
    signed: date
    """The day of signing."""
    expires: date | None = None
    """The last day on which it counts."""
    note: Annotated[str, StringConstraints(max_length=4000)] = ""
    facts: Annotated[str, StringConstraints(pattern=r"^[0-9]+:[0-9a-f]{8,64}$")]
    """The hash that the signature is bound to."""
    seen: tuple[str, ...] = ()
    """The facts as they were signed, for whoever reviews a change of this file."""

    @property
    def signature(self) -> Signature:
        """The part that a run knows."""
        return Signature(
            check=self.check,
            by=self.by,
            on=self.signed.isoformat(),
            facts=self.facts,
            note=self.note,
            expires=self.expires.isoformat() if self.expires else None,
        )

    def is_for(self, target: Target) -> bool:
        """Whether it counts for this target."""
        own = (self.target.provider, self.target.base_url, self.target.model)
        return own == (target.provider, target.base_url, target.model)


class _File(_Strict):
    signatures: tuple[Entry, ...]


@dataclass(frozen=True)
class Signoff:
    """A sign-off file as it was read; `content` is None where there is none yet."""

    path: Path
    entries: tuple[Entry, ...] = ()
    content: bytes | None = None


def read_signoff(path: Path, known: Collection[str] | None = None) -> Signoff:
    """The signatures in a file; none where there is no such file.

    `known` are the ids that a signature may name. Raises SignatureError, with the line, for a file that
    cannot be read or is cut off, an unknown key, a value that is no date, an unknown check, or two signatures
    of one line.
    """
    if not path.exists() and not path.is_symlink():
        return Signoff(path)
    content = yamlfile.read_bytes(path, _WORDING)
    document = yamlfile.parse(str(path), content, _WORDING)
    entries = yamlfile.validate(document, _File, _WORDING).signatures
    first: dict[tuple[SignedTarget, str], int] = {}
    for index, entry in enumerate(entries):
        way = ("signatures", index, "check")
        line = document.line_of(*way)
        key = ".".join(map(str, way))
        if known is not None and entry.check not in known:
            near = yamlfile.nearest(entry.check, sorted(known))
            problem = f"{entry.check} is not a line that a person signs; {near}"
            raise SignatureError(str(path), problem, line=line, key=key)
        if (before := first.setdefault((entry.target, entry.check), line)) != line:
            problem = f"{entry.check} is signed for this target in line {before} already; remove one of them"
            raise SignatureError(str(path), problem, line=line, key=key)
    return Signoff(path, entries, content)


def find_signoff(start: Path) -> Path | None:
    """The sign-off file of a folder: in it, or in the nearest folder above that has one; None for none.

    What another user may have put there does not count, as for a project file.
    """
    here = Path(os.path.abspath(start))
    for folder in (here, *here.parents):
        path = folder / FILE_NAME
        if path.is_file() and (folder == here or not may_be_planted(path)):
            return path
    return None


def signatures_for(
    path: Path | None, target: Target, known: Collection[str] | None = None
) -> tuple[Signature, ...]:
    """The signatures in a file that count for a target; none where there is no file.

    Raises SignatureError as `read_signoff` does.
    """
    if path is None:
        return ()
    return tuple(entry.signature for entry in read_signoff(path, known).entries if entry.is_for(target))


def with_entries(entries: Iterable[Entry], added: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries with others added; a later signature takes the place of an earlier one of the same line."""
    by_line = {(entry.target, entry.check): entry for entry in (*entries, *added)}
    return tuple(by_line.values())


class _Dumper(yaml.SafeDumper):
    """Writes every value out: two entries of one day share no text."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def as_text(entries: Iterable[Entry]) -> str:
    """The file's text: sorted by target and check, one fact a line, so that a change reads as one."""
    ordered = sorted(
        entries,
        key=lambda entry: (entry.target.provider, entry.target.base_url, entry.target.model, entry.check),
    )
    data = [_plain(entry) for entry in ordered]
    # never folded: one line of a fact is one line of a review
    body = yaml.dump({"signatures": data}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**20)
    return _HEADER + body


def _plain(entry: Entry) -> dict[str, object]:
    data: dict[str, object] = {
        "target": entry.target.model_dump(),
        "check": entry.check,
        "by": entry.by,
        "signed": entry.signed,
    }
    if entry.expires is not None:
        data["expires"] = entry.expires
    if entry.note:
        data["note"] = entry.note
    return data | {"facts": entry.facts, "seen": list(entry.seen)}
