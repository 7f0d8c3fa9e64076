"""Renewing a checklist document: whatever people write at whatever place is still there afterwards."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmcompat.model import Level, Status
from llmcompat.reports.document_update import DocumentError, head, renew
from llmcompat.reports.markdown import markdown
from llmcompat.reports.markers import LINE, TICKED_BY_PEOPLE, target_label, target_name
from tests.reporting import exchange, result, rich_run, run, target_run

RUN = rich_run()
NOW = markdown(run(RUN))
GONE = "tool-arguments-string"
"""A check with evidence that is not in LATER."""
LATER = markdown(
    run(
        replace(
            RUN,
            checks=(
                *(each for each in RUN.checks if each.id != GONE),
                result("new-check", item="prompts", status=Status.FAIL, exchanges=("e1",)),
            ),
            started_at="2026-12-01T00:00:00Z",
        )
    )
)
EMPTY = "# Checklist <!-- llmcompat:document/title -->\n\n<!-- llmcompat:document/target a:m empty -->\n"


def line_of(text: str, id: str) -> str:
    return next(row for row in text.splitlines() if f"<!-- llmcompat:{id} " in row)


def after(text: str, id: str, *rows: str) -> str:
    """The document with lines behind the line of this id."""
    whole = line_of(text, id)
    return text.replace(whole, "\n".join([whole, *rows]), 1)


def test_nothing_written_nothing_changed() -> None:
    assert renew(NOW, NOW).text == NOW
    assert renew(NOW, LATER).text == LATER
    assert renew(LATER, NOW).text == NOW


def test_a_note_behind_the_comment_stays_on_its_line() -> None:
    line = line_of(NOW, "tool-called")
    renewed = renew(NOW.replace(line, f"{line} ask Bob, @ann"), LATER).text
    assert line_of(renewed, "tool-called").endswith("--> ask Bob, @ann")


def test_the_words_before_the_comment_are_renewed() -> None:
    line = line_of(NOW, "tool-called")
    assert renew(NOW.replace(line, line.replace("[ ]", "[x]")), NOW).text == NOW
    assert renew(NOW.replace(line, line.replace("answered", "said")), NOW).text == NOW


def test_lines_of_one_s_own_stay_behind_what_they_followed() -> None:
    written = after(NOW, "first-token", "  my note", "", "> a quotation", "")
    renewed = renew(written, LATER).text
    assert f"{line_of(LATER, 'first-token')}\n  my note\n\n> a quotation\n\n" in renewed
    assert renew(renewed, LATER).text == renewed


def test_lines_behind_what_is_gone_move_up_to_what_is_left() -> None:
    written = after(NOW, f"{GONE}.fix", "  - mine", "")
    renewed = renew(written, LATER).text
    assert GONE not in renewed
    rows = renewed.splitlines()
    assert rows[rows.index("  - mine") - 1].endswith("<!-- llmcompat:item/tools.sentence -->") or (
        rows[rows.index("  - mine") - 2].endswith("<!-- llmcompat:item/tools.sentence -->")
    )


def test_a_note_on_a_line_that_is_gone_becomes_a_line() -> None:
    line = line_of(NOW, f"{GONE}.seen")
    renewed = renew(NOW.replace(line, f"{line} Bob knows why"), LATER).text
    assert f"  - {GONE}.seen: Bob knows why\n" in renewed
    assert renew(renewed, LATER).text == renewed


def test_people_s_own_lines_are_written_once() -> None:
    yours = line_of(NOW, "yours/tools")
    todo = line_of(NOW, "todo/rehearsal")
    written = NOW.replace(yours, "  - [x] yours: Bob ran it <!-- llmcompat:yours/tools -->")
    written = written.replace(todo + "\n", "").replace(line_of(NOW, "yours/streaming") + "\n", "")
    renewed = renew(written, LATER).text
    assert line_of(renewed, "yours/tools") == "  - [x] yours: Bob ran it <!-- llmcompat:yours/tools -->"
    assert "todo/rehearsal" not in renewed
    assert "yours/streaming" not in renewed
    assert renewed.count("todo/prompts") == 1


def test_what_is_deleted_of_ours_comes_back() -> None:
    rows = [row for row in NOW.splitlines() if "guide/tools" not in row and "section/open" not in row]
    renewed = renew("\n".join(rows) + "\n", NOW).text
    assert "section/open" in renewed
    assert line_of(renewed, "guide/tools") == line_of(NOW, "guide/tools")
    assert renewed.count("yours/tools") == 1


def test_a_tick_on_a_line_of_the_guide_is_a_person_s() -> None:
    line = line_of(NOW, "guide/tools")
    ticked = NOW.replace(line, line.replace("[ ]", "[X]"))
    assert line_of(renew(ticked, LATER).text, "guide/tools").startswith("- [X] ")


def test_a_tick_on_what_is_open_counts_for_these_words() -> None:
    some, more = (markdown(run(target_run(open=(f"{number} of 9 musts unanswered",)))) for number in (2, 3))
    ticked = some.replace("- [ ] 2 of 9", "- [x] 2 of 9")
    assert "- [x] 2 of 9" in renew(ticked, some).text
    assert "- [ ] 3 of 9" in renew(ticked, more).text


def test_a_tick_that_is_not_kept_is_told() -> None:
    line = line_of(NOW, "alerts-set")
    renewed = renew(NOW.replace(line, line.replace("[ ]", "[x]")), NOW)
    assert renewed.text == NOW
    assert renewed.lost_ticks == ("alerts-set",)


def test_what_is_written_inside_a_block_is_kept_behind_it() -> None:
    written = NOW.replace("max_tokens=1024,\n", "max_tokens=1024,\n    # ```` our limit is 512\n", 1)
    same = renew(written, NOW).text
    assert "\n`````\n    # ```` our limit is 512\n`````\n" in same
    assert same.index("our limit") > same.index("<!-- /llmcompat:document/settings -->")
    assert renew(same, NOW).text == same
    assert "our limit is 512" in renew(same, LATER).text


def test_what_is_written_inside_a_block_that_is_gone_is_kept() -> None:
    written = NOW.replace("e1: hello, attempt 1, 0.50 s\n", "e1: hello, attempt 1, 0.50 s\n\nBob saw it\n", 1)
    renewed = renew(written, LATER).text
    assert "Bob saw it" in renewed
    assert f"evidence/{GONE}" not in renewed
    assert renew(renewed, LATER).text == renewed


def test_text_beside_the_comments_of_a_block_is_kept() -> None:
    written = re.sub(r"(<!-- llmcompat:document/settings \w+ -->)", r"before \1 behind", NOW)
    written = written.replace(
        "<!-- /llmcompat:document/settings -->", "<!-- /llmcompat:document/settings --> end"
    )
    renewed = renew(written, LATER).text
    assert "before\n" in renewed or "before \n" in renewed
    assert re.search(r"<!-- llmcompat:document/settings \w+ --> behind\n", renewed)
    assert "<!-- /llmcompat:document/settings --> end\n" in renewed
    assert renew(renewed, LATER).text == renewed


def test_crlf_and_bom_stay() -> None:
    crlf = "\ufeff" + after(NOW, "first-token", "mine").replace("\n", "\r\n")
    renewed = renew(crlf, LATER).text
    assert renewed.startswith("\ufeff# ")
    assert renewed.count("\n") == renewed.count("\r\n")
    assert "\r\nmine\r\n" in renewed
    assert "\r\r" not in renewed
    assert renew(crlf, NOW).text == crlf


def test_a_missing_end_of_the_last_line_stays_missing() -> None:
    assert renew(NOW.removesuffix("\n"), NOW).text == NOW.removesuffix("\n")
    assert renew(NOW + "mine", LATER).text == LATER + "mine"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text + line_of(text, "tool-called") + "\n", ["same id", "tool-called"]),
        (
            lambda text: text.replace("<!-- /llmcompat:document/settings -->", ""),
            ["does not end", "document/settings"],
        ),
        (
            lambda text: re.sub(r"<!-- llmcompat:document/settings \w+ -->", "", text),
            ["does not begin", "document/settings"],
        ),
    ],
)
def test_where_it_cannot_be_told_what_is_automated_nothing_is_renewed(change, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DocumentError) as raised:
        renew(change(NOW), NOW, name="doc.md")
    said = str(raised.value)
    assert said.startswith("doc.md: ")
    assert "\n" not in said
    assert all(word in said for word in words), said


def test_whose_checklist_it_is() -> None:
    found = head(NOW)
    assert found is not None
    assert (target_name(found.target), found.holds) == ("example:m1", "measured")
    assert head("# Notes\n\n- [ ] buy milk\n") is None
    with pytest.raises(DocumentError, match="several targets"):
        head(EMPTY + EMPTY)
    with pytest.raises(DocumentError, match="put this line back"):
        head("a <!-- llmcompat:tool-called -->\n")


@pytest.mark.parametrize(
    "model", ["org/m:8b", "a--b---c", "m --> <b>", "ä ö", "\ud800", "m" * 5000, "a-", ""]
)
def test_any_model_fits_into_the_line(model: str) -> None:
    label = target_label("x", model)
    assert re.fullmatch(r"[^\s<>]+", label)
    assert "--" not in label
    row = f"<!-- llmcompat:document/target {label} empty -->"
    found = head(row)
    assert found is not None
    assert found.target == label
    if len(model) < 100 and model.isprintable():
        assert target_name(label) == f"x:{model}"


def automated(text: str) -> list[str]:
    """What is ours of a document: the lines up to their comments."""
    rows = []
    for row in text.replace("\r", "").split("\n"):
        mark = LINE.search(row)
        if mark is None or mark["id"].startswith(("yours/", "todo/")):
            continue
        whole = row[: mark.end()]
        theirs = TICKED_BY_PEOPLE.fullmatch(mark["id"])
        rows.append(whole.replace("- [x]", "- [ ]") if theirs else whole)
    return rows


WORDS = st.text(st.sampled_from("abc xyz*-`#>|~_[]!\\é漢"), max_size=20)
EDITS = st.lists(
    st.tuples(st.sampled_from(["line", "suffix", "tick", "blank"]), st.floats(0, 0.999), WORDS), max_size=12
)


@settings(max_examples=150, deadline=None)
@given(EDITS, st.booleans(), st.booleans())
def test_what_people_write_anywhere_stays(
    edits: list[tuple[str, float, str]], crlf: bool, other: bool
) -> None:
    rows, written = NOW.split("\n")[:-1], []
    for number, (kind, where, words) in enumerate(edits):
        place = int(where * len(rows))
        unique = f"w{number}q {words}".rstrip()
        mark = LINE.search(rows[place])
        if kind == "line":
            rows.insert(place, unique)
            written.append(unique)
        elif kind == "blank":
            rows.insert(place, "")
        elif kind == "suffix" and mark is not None:
            rows[place] += f" {unique}"
            written.append(unique)
        elif kind == "tick":
            rows[place] = rows[place].replace("- [ ]", "- [x]", 1)
    end = "\r\n" if crlf else "\n"
    old = end.join(rows) + end
    new = LATER if other else NOW
    once = renew(old, new).text
    assert renew(once, new).text == once
    assert all(once.count(unique) >= 1 for unique in written)
    assert automated(once) == automated(new)
    assert once.count("\r\n") == (once.count("\n") if crlf else 0)
    for id in ("yours/tools", "todo/prompts", "yours/prompts"):
        assert line_of(once, id) == line_of(old, id)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.999), WORDS), max_size=8))
def test_lines_between_ours_change_nothing_else(edits: list[tuple[float, str]]) -> None:
    rows, inside, free = NOW.split("\n")[:-1], False, []
    for place, row in enumerate(rows):
        free += [] if inside else [place]
        inside = (inside or re.search(r" [0-9a-f]{8} -->", row) is not None) and "<!-- /" not in row
    places = sorted((free[int(where * len(free))] for where, _ in edits), reverse=True)
    for place, (_, words) in zip(places, edits, strict=True):
        rows.insert(place, words)
    old = "\n".join(rows) + "\n"
    renewed = renew(old, NOW).text
    # but for the empty lines that keep a heading or a list apart from what stands before it
    assert [row for row in renewed.split("\n") if row.strip()] == [
        row for row in old.split("\n") if row.strip()
    ]


def test_a_changed_block_with_hostile_text_makes_no_markup() -> None:
    shown = target_run(
        result(status=Status.FAIL, level=Level.MUST, exchanges=("e1",)),
        exchanges=(exchange(body=b"</details>\n<script>alert(1)</script>\n``` \n# h"),),
    )
    old = markdown(run(shown)).replace("e1: hello", "e1: hello (Bob)")
    renewed = renew(old, markdown(run(target_run(result())))).text
    kept = renewed.split("Kept from inside the part above")[1]
    fence = re.search(r"^(`+)$", kept, re.MULTILINE)
    assert fence is not None
    body = kept.split(f"\n{fence[1]}\n")[1]
    assert "<script>" in body
    assert "(Bob)" in body
    assert "<script>" not in renewed.replace(body, "")
