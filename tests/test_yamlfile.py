"""Reading YAML files: bounds, lines, and the one line that says what is wrong."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from llmcompat.yamlfile import (
    MAX_ALIASES,
    MAX_BYTES,
    MAX_DEPTH,
    Wording,
    YamlError,
    nearest,
    parse,
    read_bytes,
    validate,
)


class MenuError(YamlError):
    pass


class Dish(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    price: Annotated[float, Field(gt=0)]
    is_from: str | None = Field(default=None, alias="from")


class Menu(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    dishes: dict[str, Dish] = {}
    days: tuple[str, ...] = ()
    courses: dict[Literal["soup", "salad"], int] = {}


WORDING = Wording(
    error=MenuError,
    noun="a menu",
    example="days: [monday]",
    too_large="shorten it",
    hints={"secret": "is nobody's business"},
    literal="course",
)


def problem(text: str | bytes) -> str:
    content = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(MenuError) as caught:
        validate(parse("menu.yaml", content, WORDING), Menu, WORDING)
    return str(caught.value)


def test_a_file_becomes_a_model_and_knows_its_lines() -> None:
    document = parse(
        "menu.yaml", b"dishes:\n  stew: {price: 4, from: here}\ndays:\n- monday\n- off\n", WORDING
    )
    menu = validate(document, Menu, WORDING)
    assert menu.dishes["stew"].is_from == "here"
    assert menu.days == ("monday", "off")  # as in YAML 1.2, off is a word
    assert document.line_of("dishes", "stew", "price") == 2
    assert document.line_of("days", 1) == 5
    assert document.line_of("days", 7) == 3
    assert document.line_of("nowhere") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dayz: []\n", "menu.yaml:1: dayz: is not a key of a menu here; did you mean 'days'?"),
        (
            "dishes:\n  stew:\n    price: 1\n    form: x\n",
            "menu.yaml:4: dishes.stew.form: is not a key of a menu here; did you mean 'from'?",
        ),
        ("dishes:\n  stew: {price: 0}\n", "menu.yaml:2: dishes.stew.price: should be greater than 0"),
        ("dishes:\n  stew: {}\n", "menu.yaml:2: dishes.stew.price: is missing; add it"),
        ("days: monday\n", "menu.yaml:1: days: must be a list"),
        ("days:\n- monday\n- 2\n", "menu.yaml:3: days.1: must be text; put it in quotes"),
        ("courses: {soop: 1}\n", "menu.yaml:1: courses.soop: is not a course; did you mean 'soup'?"),
        ("Secret: x\n", "menu.yaml:1: Secret: is nobody's business"),
        ("days: []\ndays: []\n", "menu.yaml:2: days: is given twice; remove one of them"),
        ("days: [2026-02-30]\n", "menu.yaml:1: days.0: must be a date such as 2026-11-22"),
        ("- a\n", "menu.yaml:1: must hold keys and values, such as 'days: [monday]'"),
        (b"days: [\xff]\n", "menu.yaml:1: is not UTF-8 text; save it as UTF-8"),
    ],
)
def test_what_is_wrong_is_one_line(text: str | bytes, expected: str) -> None:
    assert problem(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested more than"),
        ("a: &x 1\nb: [" + "*x, " * (MAX_ALIASES + 1) + "]\n", "YAML aliases"),
        ("a: &x {b: *x}\n", "contains itself"),
        ("a: !!python/object/apply:os.system ['true']\n", "is not a key"),
        ("a: !!python/name:os.system\n", "cannot be read"),
        ("a: [\n", "is not valid YAML"),
        ("a: \x00\n", "is not valid YAML"),
        ('"\\e[31m": 1\n', "is not a key"),
    ],
)
def test_hostile_files_end_in_one_printable_line(text: str, words: str) -> None:
    told = problem(text)
    assert words in told
    assert told.isprintable()


def test_files_are_bounded_and_regular(tmp_path: Path) -> None:
    file = tmp_path / "menu.yaml"
    file.write_bytes(b"#" * MAX_BYTES)
    assert len(read_bytes(file, WORDING)) == MAX_BYTES
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(MenuError, match=r"menu\.yaml: is larger than 1 MiB; shorten it"):
        read_bytes(file, WORDING)
    with pytest.raises(MenuError, match="is a folder"):
        read_bytes(tmp_path, WORDING)
    with pytest.raises(MenuError, match="no such file; check the path"):
        read_bytes(tmp_path / "none.yaml", WORDING)


def test_a_long_message_is_cut() -> None:
    told = problem("'" + "x" * 5000 + "': 1\n")
    assert len(told) < 1000


def test_nearest() -> None:
    assert nearest("soop", ["soup", "salad"]) == "did you mean 'soup'?"
    assert nearest("zzz", ["soup", "salad"]) == "use one of: soup, salad"
