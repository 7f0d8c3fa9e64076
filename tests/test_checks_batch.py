"""The lists of files and batches on literal answers."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from llmcompat.model import Status
from llmcompat.profiles.loader import load_profile
from llmcompat.profiles.schema import Offer
from tests.checking import answer, judge

LISTS = [("files-listed", "files_list"), ("batches-listed", "batches_list")]
ERROR = {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}}


@pytest.mark.parametrize(("id", "probe"), LISTS)
@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": [], "has_more": False},
        {"data": [{"id": "file-1", "vendor": 1}]},
    ],
)
def test_lists_pass(id: str, probe: str, body: Any) -> None:
    given: dict[str, Any] = {probe: answer(body, method="GET")}
    assert judge(id, **given).status is Status.PASS


@pytest.mark.parametrize(("id", "probe"), LISTS)
@pytest.mark.parametrize(
    ("body", "status", "case"),
    [
        (ERROR, 404, "not-offered"),
        (b"", 405, "not-offered"),
        (ERROR, 403, "forbidden"),
        (ERROR, 500, "server-error"),
        ([], 200, "shape"),
        ({"data": None}, 200, "shape"),
        ({"data": ["file-1"]}, 200, "shape"),
        (b"<html>", 200, "not-json"),
    ],
)
def test_lists_fail(id: str, probe: str, body: Any, status: int, case: str) -> None:
    given: dict[str, Any] = {probe: answer(body, status=status, method="GET", owner=id)}
    end = judge(id, **given)
    assert (end.status, end.case) == (Status.FAIL, case)


def test_a_provider_that_documents_it_is_named() -> None:
    demo = load_profile("demo")
    said = Offer(offered=False, sources=("https://example.com/batch",), as_of=date(2026, 1, 1))
    profile = demo.model_copy(update={"features": {**demo.features, "batch": said}})
    end = judge("files-listed", files_list=answer(ERROR, status=404), profile=profile)
    assert end.notes == (f"{demo.display_name} offers no batches: https://example.com/batch",)


def test_a_refused_key_is_no_verdict() -> None:
    end = judge("files-listed", files_list=answer(ERROR, status=401, owner="files-listed"))
    assert end.status is Status.ERROR
