"""The catalogue of known deviations, held together with the checklist and the simulator."""

import re
from collections.abc import Mapping

import pytest
from pydantic import ValidationError

from llmcompat.catalogue import Deviation, catalogue, told_by
from llmcompat.model import UseCase
from llmcompat.profiles.loader import load_profile, shipped_profiles
from llmcompat.simulator.faults import FAULTS
from tests.checking import checklist
from tests.fault_matrix import SETUPS, table

GIVEN: dict[str, object] = {
    "id": "some-deviation",
    "symptom": "Something is met.",
    "kind": "deviation",
    "shown": "always",
    "sources": ["https://example.com/1"],
}


def test_it_is_whole() -> None:
    assert len(catalogue()) == 225
    told = [each for each in catalogue().values() if each.left_out is None]
    assert len(told) >= 200
    assert all(told_by(each.check) for each in told if each.check is not None)


@pytest.mark.parametrize("deviation", catalogue().values(), ids=lambda each: each.id)
def test_each_entry(deviation: Deviation) -> None:
    checks = checklist().checks
    if deviation.check is not None:
        assert deviation.level == checks[deviation.check].levels[UseCase.AGENT]
    assert set(deviation.also) <= checks.keys() - {deviation.check}
    if deviation.fault is not None:
        assert deviation.id in FAULTS[deviation.fault].catalogue
    if deviation.kind == "contract-trap":
        assert deviation.left_out
    if deviation.left_out is None and deviation.shown == "always":
        assert deviation.fault, "a deviation that every run would show is shown by the simulator"
    assert deviation.symptom.endswith(".")
    assert all(re.fullmatch(r"https://\S+", source) for source in deviation.sources)
    # A reason that sends the reader to a check or an item names one that exists.
    named = re.findall(r"\b[a-z]+(?:-[a-z0-9]+)+\b", deviation.left_out or "")
    items = {item.name for item in checklist().items}
    assert all(name in checks or name in items for name in named), named


def test_every_fault_of_the_catalogue_is_in_it() -> None:
    for each in catalogue().values():
        named = [fault.name for fault in FAULTS.values() if each.id in fault.catalogue]
        assert each.fault is None or each.fault in named
        assert each.fault is not None or not named or each.kind == "contract-trap", named
    assert SETUPS.keys() <= FAULTS.keys()


def test_what_is_told_in_one_case_is_told_apart() -> None:
    lines: dict[tuple[str, str], list[str]] = {}
    for each in catalogue().values():
        if each.check is not None and each.case is not None:
            lines.setdefault((each.check, each.case), []).append(each.id)
    shared = {line: ids for line, ids in lines.items() if len(ids) > 1}
    # A parameter alone, and the same one among several that are dropped.
    assert set(shared) <= {("stop-applied", "stop-ignored")}, shared


def test_profiles_name_deviations_that_are_known() -> None:
    known = catalogue().keys() | FAULTS.keys() | {None}
    for name in shipped_profiles():
        assert {deviation.catalogue for deviation in load_profile(name).deviations} <= known, name


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"check": "chat-accepted"},
        {"check": "chat-accepted", "case": "cut", "level": "must", "left_out": "no reason"},
        {"ends_run": "out of money", "left_out": "no reason"},
        {"left_out": "no reason", "also": ["chat-accepted"]},
        {"left_out": "no reason", "sources": []},
        {"left_out": "no reason", "id": "Not A Slug"},
        {"left_out": "no reason", "unknown": 1},
    ],
)
def test_an_entry_that_tells_nothing_is_refused(entry: Mapping[str, object]) -> None:
    with pytest.raises(ValidationError):
        Deviation.model_validate(GIVEN | dict(entry))


@pytest.mark.parametrize(
    "entry",
    [
        {"check": "chat-accepted", "case": "cut", "level": "must", "also": ["no-think-tags"]},
        {"ends_run": "out of money"},
        {"left_out": "It is legal."},
    ],
)
def test_an_entry_that_tells_something_is_taken(entry: Mapping[str, object]) -> None:
    assert Deviation.model_validate(GIVEN | dict(entry)).id == "some-deviation"


def test_the_table_has_a_line_for_each() -> None:
    lines = table(catalogue().values()).splitlines()
    for each in catalogue().values():
        assert sum(line.startswith(f"| {each.id} |") for line in lines) == 1
