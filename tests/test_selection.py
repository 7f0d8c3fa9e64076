"""What is asked only when it is named: other APIs, and what asks again what others ask."""

from __future__ import annotations

from typing import Any

import pytest

from llmcompat.engine import selection
from llmcompat.engine.selection import OPT_IN_FEATURES, SelectionError, select
from tests.checking import checklist, demo_settings


def chosen(**options: Any) -> selection.Selection:
    return select(checklist(), demo_settings(**options))


def items(found: selection.Selection) -> set[str]:
    return {check.item for check in found.checks}


def reasons(found: selection.Selection, item: str) -> set[str | None]:
    return {found.skipped.get(check.id) for check in checklist().of_item(item)}


def test_other_apis_are_not_of_every_run() -> None:
    found = chosen()
    assert not {"responses", "batch", "sdk"} & items(found)
    assert reasons(found, "responses") == {"not asked: name it with --uses responses"}
    assert reasons(found, "batch") == {"not asked: name it with --uses batch"}
    assert reasons(found, "sdk") == {"not asked: name it with --only sdk"}
    files = {probe.file.rpartition("/")[2].rpartition("\\")[2] for probe in found.probes.values()}
    assert not {"responses.py", "batch.py", "sdk.py"} & files
    assert not {check.feature for check in found.checks} & OPT_IN_FEATURES


def test_they_are_asked_where_an_option_names_them() -> None:
    assert {"responses", "prompts"} <= items(chosen(uses={"responses"}))
    assert "batch" not in items(chosen(uses={"responses"}))
    assert items(chosen(only=("responses",))) == {"responses"}
    assert items(chosen(only=("sdk-chat",))) == {"sdk"}
    assert {"responses", "batch", "sdk", "prompts"} <= items(chosen(only=("*",)))


def test_what_the_user_sets_aside_says_so_first() -> None:
    found = chosen(uses={"responses"}, without={"responses"})
    assert reasons(found, "responses") == {"--without responses"}


def test_without_its_package_an_item_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "find_spec", lambda name: None)
    found = chosen(only=("sdk", "prompts"))
    assert items(found) == {"prompts"}
    assert reasons(found, "sdk") == {"the package openai is missing: pip install 'llmcompat[sdk]'"}
    with pytest.raises(
        SelectionError, match=r"leaves no check to judge \(the package openai is missing: pip"
    ):
        chosen(only=("sdk",))


def test_a_use_case_is_not_asked_what_it_does_not_need() -> None:
    chat = select(checklist(), demo_settings(use_case="chat"))
    agent = select(checklist(), demo_settings())
    assert len(chat.probes) < len(agent.probes)
    assert chat.skipped["tools-accepted"] == "not asked for chat: name it with --uses tools"
    assert "tools-accepted" in chat.unasked
    with_tools = select(checklist(), demo_settings(use_case="chat", uses=frozenset({"tools"})))
    assert "tools-accepted" not in with_tools.skipped
    assert agent.unasked == frozenset()
