"""Renewing a checklist document: automated lines come from the new one, what people wrote stays."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from llmcompat.reports import markers

_TICK = re.compile(r"(\s*[-*+] )\[([ xX])\]")
_BOM = "\ufeff"
_KEPT = "Kept from inside the part above, which is renewed:"


class DocumentError(Exception):
    """A document cannot be renewed without losing something. One line that says what and the mend."""


@dataclass(frozen=True)
class Head:
    """Whose checklist a document is, and what it holds."""

    target: str
    """As `markers.target_label` writes it."""
    holds: str
    """EMPTY, SIMULATED or MEASURED of `markers`."""


@dataclass(frozen=True)
class Renewed:
    """A document after the update."""

    text: str
    lost_ticks: tuple[str, ...] = ()
    """Ids of lines that were ticked and no longer are, in the order of the document."""


@dataclass
class _Unit:
    """An automated line or block, and the lines behind it up to the next one, which are people's."""

    id: str
    rows: list[str]
    suffix: str = ""
    """What a person wrote behind the comment; for a block, behind its first one."""
    tail: str = ""
    """What a person wrote behind the comment that ends a block."""
    gap: list[str] = field(default_factory=list)
    edited: bool = False
    """Somebody changed lines inside the block."""

    @property
    def is_block(self) -> bool:
        return len(self.rows) > 1


@dataclass
class _Document:
    top: list[str]
    """What stands above the first automated line."""
    units: list[_Unit]
    line_end: str
    bom: str
    ended: bool
    """The last line is a whole one."""


def head(text: str, *, name: str = "document") -> Head | None:
    """Whose checklist the document is; None where it holds none of our ids.

    Raises DocumentError where ids are there and the line that names the target is not, or is there twice.
    """
    found = [each for each in markers.LINE.finditer(text) if each["id"] == markers.TARGET]
    if len(found) > 1:
        raise DocumentError(
            f"{name}: holds the checklists of several targets; keep each in a file of its own to renew it"
        )
    words = found[0]["words"].split() if found else []
    if len(words) == 2:
        return Head(words[0], words[1])
    if not found and markers.LINE.search(text) is None:
        return None
    raise DocumentError(
        f"{name}: does not say whose checklist it is; put this line back, with its provider and model: "
        f"<!-- llmcompat:{markers.TARGET} PROVIDER:MODEL {markers.EMPTY} -->"
    )


def renew(old: str, new: str, *, name: str = "document") -> Renewed:
    """The old document with the automated lines of the new one.

    Lines without an id, and lines of people's own, stay behind the automated line that they followed, or the
    nearest one before it that is still there; what stands behind a line's comment stays on that line. The old
    text's line ends are kept. Raises DocumentError where it cannot be told what is automated.
    """
    before, after = _parse(old, name), _parse(new, name)
    ids = {unit.id for unit in after.units}
    was = {unit.id: unit for unit in before.units}
    written = {match["id"] for match in markers.LINE.finditer(old)}
    behind = _placed(before, ids, {unit.id: unit for unit in after.units})
    follows = _followers(before.units)
    rows: list[str] = list(behind[""])
    lost = []
    for place, unit in enumerate(after.units):
        next_one = after.units[place + 1] if place + 1 < len(after.units) else None
        earlier = was.get(unit.id)
        renewed = _rows(unit, earlier)
        rows += [f"{row}{before.line_end}" for row in renewed]
        if earlier is None:
            gap = [f"{row}{before.line_end}" for row in unit.gap if _own_id(row) not in written]
        else:
            gap = behind[unit.id]
            if not _has_words(gap) and follows[unit.id] != (next_one.id if next_one else None):
                gap = []  # the space to another neighbour
            if _ticked(earlier.rows[0]) and not _ticked(renewed[0]):
                lost.append(unit.id)
        rows += gap
        wants_space = next_one is not None and unit.gap and not unit.gap[-1].strip()
        if wants_space and not (gap and not gap[-1].strip()):
            rows.append(before.line_end)
    text = "\n".join(rows)
    return Renewed(
        before.bom + (f"{text}\n" if before.ended else text.removesuffix("\r")), lost_ticks=tuple(lost)
    )


def _placed(before: _Document, ids: set[str], after: Mapping[str, _Unit]) -> dict[str, list[str]]:
    """What people wrote, by the id of the automated line behind which it stands; "" is the top."""
    home, found = "", {"": list(before.top)}
    for unit in before.units:
        if unit.id in ids:
            home = unit.id
            found[home] = [*_kept(unit, after[home], before.line_end), *unit.gap]
            continue
        left = [*_left_over(unit, before.line_end), *_kept(unit, None, before.line_end)]
        if left or _has_words(unit.gap):
            found[home] += [*left, *unit.gap]
    return found


def _rows(unit: _Unit, earlier: _Unit | None) -> list[str]:
    """The automated text, with what a person wrote behind its comments and a tick that is a person's."""
    if earlier is None:
        return unit.rows
    rows = list(unit.rows)
    theirs = markers.TICKED_BY_PEOPLE.fullmatch(unit.id)
    if theirs is not None and (mine := _TICK.match(earlier.rows[0])):
        same = _TICK.sub("", rows[0], count=1) == _TICK.sub("", earlier.rows[0], count=1)
        if same or theirs["lasting"]:
            rows[0] = _TICK.sub(lambda match: f"{match[1]}[{mine[2]}]", rows[0], count=1)
    rows[0] += earlier.suffix
    if unit.is_block:
        rows[-1] += earlier.tail
    elif earlier.is_block:
        rows[0] += earlier.tail
    return rows


def _left_over(unit: _Unit, line_end: str) -> list[str]:
    """What a person wrote behind the comments of a line that is no more, as lines of its own."""
    indent = unit.rows[0][: len(unit.rows[0]) - len(unit.rows[0].lstrip())]
    return [
        f"{indent}- {unit.id}: {text.strip()}{line_end}" for text in (unit.suffix, unit.tail) if text.strip()
    ]


def _kept(unit: _Unit, after: _Unit | None, line_end: str) -> list[str]:
    """What somebody wrote inside a block, as code: among it may be what an endpoint answered."""
    if not unit.edited:
        return []
    ours = Counter(row.rstrip() for row in after.rows[1:-1]) if after else Counter[str]()
    kept = []
    for row in (row.rstrip() for row in unit.rows[1:-1]):
        if row and ours[row] == 0:
            kept.append(markers.tame(row))
        ours[row] -= 1
    if not kept:
        return []
    longest = max((len(run) for run in re.findall("`+", "\n".join(kept))), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{row}{line_end}" for row in ("", _KEPT, "", fence, *kept, fence, "")]


def _followers(units: Iterable[_Unit]) -> dict[str, str | None]:
    """The id of the automated line that follows each."""
    ids = [unit.id for unit in units]
    return dict(zip(ids, [*ids[1:], None], strict=True))


def _parse(text: str, name: str) -> _Document:
    bom = _BOM if text.startswith(_BOM) else ""
    text = text.removeprefix(_BOM)
    rows = text.split("\n")
    ended = rows[-1] == "" and len(rows) > 1
    if ended:
        rows.pop()
    line_end = "\r" if rows[0].endswith("\r") else ""
    document = _Document([], [], line_end, bom, ended)
    seen: dict[str, int] = {}
    gap, block, began = document.top, None, 0
    for number, row in enumerate(rows, 1):
        mark, end = markers.LINE.search(row), markers.BLOCK_END.search(row)
        if block is not None:
            if end is None or end["id"] != block.id:
                block.rows.append(row.removesuffix("\r"))
                continue
            if row[: end.start()].strip():  # written before the comment
                block.rows.append(row[: end.start()])
            block.rows.append(end.group())
            block.tail = row[end.end() :].removesuffix("\r")
            said = markers.LINE.search(block.rows[0])
            block.edited = said is None or said["words"].strip() != markers.digest(block.rows[1:-1])
            block = None
        elif mark is not None and not mark["id"].startswith(markers.OWN):
            if mark["id"] in seen:
                raise DocumentError(
                    f"{name}: lines {seen[mark['id']]} and {number} carry the same id, "
                    f"llmcompat:{mark['id']}; remove it from one of them"
                )
            seen[mark["id"]] = number
            unit = _Unit(mark["id"], [row[: mark.end()]], suffix=row[mark.end() :].removesuffix("\r"))
            if markers.DIGEST.fullmatch(mark["words"].strip()):
                block, began = unit, number
                if row[: mark.start()].strip():  # written before the comment, where nothing of ours stands
                    gap.append(f"{row[: mark.start()]}{line_end}")
                    unit.rows = [mark.group()]
            document.units.append(unit)
            gap = unit.gap
        elif end is not None:
            raise DocumentError(
                f"{name}: line {number} ends llmcompat:{end['id']}, which does not begin; "
                "put its first line back, or remove this one"
            )
        else:
            gap.append(row)
    if block is not None:
        raise DocumentError(
            f"{name}: line {began} begins llmcompat:{block.id}, which does not end; put the line "
            f"<!-- /llmcompat:{block.id} --> back behind it"
        )
    return document


def _own_id(row: str) -> str | None:
    mark = markers.LINE.search(row)
    return mark["id"] if mark else None


def _has_words(rows: Iterable[str]) -> bool:
    return any(row.strip() for row in rows)


def _ticked(row: str) -> bool:
    tick = _TICK.match(row)
    return tick is not None and tick[2] != " "
