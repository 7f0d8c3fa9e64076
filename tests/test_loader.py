"""Folders of checks are loaded whole, or refused in one line that says where and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmcompat.engine.loader import BUILT_IN, GUIDE, LoadError, load_checklist
from llmcompat.reply import OWNERS
from tests.checking import checklist

GOOD = '''"""Mine: what my application needs."""

from llmcompat import Api, Reply, check, fail, probe


@probe(owner="mine-accepted", grounds=["hello"])
async def mine(api: Api) -> Reply:
    return await api.chat("Hi")


@check("mine-accepted", fix="Ask differently.")
def mine_accepted(mine: Reply) -> None:
    """My request is accepted.

    The application sends it.
    """
    mine.accepted()
'''


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_users_folder_loads_like_ours(tmp_path: Path) -> None:
    loaded = load_checklist([write(tmp_path, GOOD)])
    assert loaded.checks["mine-accepted"].item == "mine"
    assert loaded.checks["mine-accepted"].title == "My request is accepted."
    assert loaded.probes["mine"].grounds == ("hello",)
    assert [item.name for item in loaded.items][-1] == "mine"


def test_checks_in_a_tuple_are_found(tmp_path: Path) -> None:
    more = '''
def _about(name: str):
    def judge(hello: Reply) -> None:
        """It is there.

        Why not.
        """
        hello.accepted()
    return judge

MANY = tuple(check(f"mine-{name}", fix="None.")(_about(name)) for name in ("one", "two"))
'''
    loaded = load_checklist([write(tmp_path, GOOD + more)])
    assert {"mine-one", "mine-two"} <= loaded.checks.keys()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def broken(:\n", "mine.py:1: SyntaxError"),
        ('"""Mine: x."""\nimport no_such_module\n', "mine.py:2: ModuleNotFoundError"),
        (GOOD.replace('"""Mine: what my application needs."""', ""), "needs a module docstring"),
        (GOOD.replace("    The application sends it.\n", ""), "needs a docstring"),
        (GOOD.replace('fix="Ask differently."', 'fix=" "'), "needs fix="),
        (GOOD.replace('@check("mine-accepted"', '@check("Mine Accepted"'), "must be a slug"),
        (
            GOOD.replace("(mine: Reply)", "(mind: Reply)").replace("mine.accepted", "mind.accepted"),
            "no probe is named mind",
        ),
        (GOOD.replace('grounds=["hello"]', 'grounds=["hallo"]'), "no probe is named hallo"),
        (GOOD.replace('owner="mine-accepted"', 'owner="mine-acepted"'), "no check has the id mine-acepted"),
        (GOOD.replace("async def mine(api", "async def hello(api"), "a probe named hello exists already"),
        (GOOD.replace("(api: Api)", "(api: Api, mine: Reply)"), "in a circle: mine -> mine"),
        (
            GOOD.replace('fix="Ask differently."', 'fix="Ask.", feature="telepathy"'),
            "feature telepathy is unknown",
        ),
        (GOOD.replace('"mine-accepted", fix', '"chat-accepted", fix'), "the id is taken"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(LoadError) as caught:
        load_checklist([write(tmp_path, text)])
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "mine.py" in str(caught.value) or "circle" in str(caught.value)


def test_a_missing_or_empty_folder_and_a_shadowing_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="no such folder"):
        load_checklist([tmp_path / "nowhere"])
    with pytest.raises(LoadError, match="holds no file of checks"):
        load_checklist([tmp_path])
    with pytest.raises(LoadError, match="rename the file"):
        load_checklist([write(tmp_path, GOOD, "json.py")])


def test_the_guides_lines_come_first() -> None:
    names = [item.name for item in checklist().items if item.in_guide]
    assert names == list(GUIDE)
    assert [item.name for item in checklist().items][: len(GUIDE)] != []


def test_every_owner_of_evidence_exists() -> None:
    missing = {name for name in OWNERS.values() if name not in checklist().checks}
    assert not missing


@pytest.mark.parametrize("id", sorted(checklist().checks))
def test_every_check_says_what_why_and_what_to_do(id: str) -> None:
    check = checklist().checks[id]
    assert check.title.endswith(".")
    assert len(check.title) <= 90
    assert check.why.endswith(".")
    assert check.fix.endswith(".")
    assert Path(check.file).parent == BUILT_IN


BESIDE_CHAT = {"models_list", "hello", "basics", "balance", "embeddings_batch"}
"""Probes that stand on nothing: the ground itself, and the first question to an endpoint beside chat."""


def test_every_probe_of_a_legal_request_has_an_owner_and_a_ground() -> None:
    for probe in checklist().probes.values():
        if probe.owner is not None and probe.name not in BESIDE_CHAT:
            assert probe.grounds or probe.needs, probe.name
