"""The sign-off file: what is read, what is refused with its line, and what is written for a review."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from llmcompat.model import Target
from llmcompat.project.signatures import (
    FILE_NAME,
    Entry,
    SignatureError,
    SignedTarget,
    as_text,
    find_signoff,
    read_signoff,
    signatures_for,
    with_entries,
)

KNOWN = ("data-region", "legal-terms")
TARGET = SignedTarget(provider="deepseek", base_url="https://api.deepseek.com", model="deepseek-flash")
ENTRY = Entry(
    target=TARGET,
    check="legal-terms",
    by="Zoë: yes # no",
    signed=date(2026, 11, 22),
    expires=date(2027, 5, 1),
    note="on",
    facts="1:00112233",
    seen=("governing law: x (https://example.com; as of 2026-01-01)", "- terms", ""),
)
GOOD = as_text([ENTRY])


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / FILE_NAME
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    other = ENTRY.model_copy(update={"check": "data-region", "expires": None, "note": ""})
    file = read_signoff(written(tmp_path, as_text([ENTRY, other])), KNOWN)
    assert set(file.entries) == {ENTRY, other}
    assert file.content is not None
    assert read_signoff(tmp_path / "none.yaml").entries == ()


def test_the_text_is_sorted_and_one_fact_is_one_line() -> None:
    long = ENTRY.model_copy(update={"check": "data-region", "seen": ("x " * 400 + "end",)})
    text = as_text([ENTRY, long])
    assert text == as_text([long, ENTRY])
    assert text.index("data-region") < text.index("legal-terms")
    assert any(line.endswith("end") and len(line) > 800 for line in text.splitlines())
    # two entries of one day share no YAML anchor
    assert "&" not in text
    assert "Zoë" in text


def test_a_later_signature_takes_the_place_of_an_earlier_one() -> None:
    again = ENTRY.model_copy(update={"by": "Bob"})
    elsewhere = ENTRY.model_copy(update={"target": TARGET.model_copy(update={"model": "other"})})
    assert with_entries([ENTRY, elsewhere], [again]) == (again, elsewhere)


def test_signatures_are_those_of_the_target_alone(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    own = Target(TARGET.provider, TARGET.base_url, TARGET.model, role="chat")
    (found,) = signatures_for(path, own)
    assert (found.check, found.by, found.on, found.expires) == (
        "legal-terms", "Zoë: yes # no", "2026-11-22", "2027-05-01"
    )  # fmt: skip
    assert (found.facts, found.note) == ("1:00112233", "on")
    for other in (
        Target("groq", TARGET.base_url, TARGET.model),
        Target(TARGET.provider, "https://proxy.test", TARGET.model),
        Target(TARGET.provider, TARGET.base_url, "other"),
    ):
        assert signatures_for(path, other) == ()
    assert signatures_for(None, own) == ()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("check: legal-terms", "check: legal-term", ":8: signatures.0.check: legal-term is not a line that"),
        ("check: legal-terms", "check: legal-term", "did you mean 'legal-terms'?"),
        (
            "note: ",
            "notes: ",
            ":12: signatures.0.notes: is not a key of a sign-off file here; did you mean 'note'",
        ),
        ("2027-05-01", "2027-13-01", ":11: signatures.0.expires: must be a date such as"),
        ("2027-05-01", "soon", ":11: signatures.0.expires: must be a date such as"),
        ("1:00112233", "anything", "signatures.0.facts: "),
        ("model: deepseek-flash", "model:", "signatures.0.target.model: must be text"),
        ("signatures:", "signature:", "signatures: is missing; add it"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(SignatureError) as found:
        read_signoff(path, KNOWN)
    assert says in str(found.value)
    assert str(found.value).startswith(f"{path}:")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "signatures:\n- target:\n    prov",
        GOOD[: GOOD.index("by:")],
        GOOD.encode()[:150] + b"\xff",
    ],
)
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(SignatureError, match=FILE_NAME):
        read_signoff(written(tmp_path, text), KNOWN)


def test_two_signatures_of_one_line_are_refused(tmp_path: Path) -> None:
    body = GOOD.partition("signatures:\n")[2]
    with pytest.raises(SignatureError, match="is signed for this target in line 8 already"):
        read_signoff(written(tmp_path, GOOD + body), KNOWN)


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(SignatureError, match="is a folder"):
        read_signoff(tmp_path / FILE_NAME)


def test_the_nearest_file_upwards_is_found(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    path = written(tmp_path, GOOD)
    assert find_signoff(below) == path
    nearer = written(tmp_path / "a", GOOD)
    assert find_signoff(below) == nearer
