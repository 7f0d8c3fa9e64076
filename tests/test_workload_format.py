"""Workload files are read as Batch input and output, line by line, and what cannot be used is named."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from llmcompat.workload import (
    Answer,
    Request,
    Skipped,
    WorkloadError,
    answers_path,
    read_answers,
    read_requests,
)
from llmcompat.workload import format as workload_format
from llmcompat.workload.format import CHAT, Client, answer_line, read_calls, request_line


def line(custom_id: Any = "a", **changed: Any) -> str:
    data = {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": {"model": "m", "messages": []}}
    return json.dumps(data | changed) + "\n"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "workload.jsonl"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_batch_input_is_read_as_it_is(tmp_path: Path) -> None:
    text = "\ufeff" + line("a") + "\r\n\n" + line("b", url="/v1/embeddings", body={"input": "ü"}).rstrip("\n")
    assert list(read_requests(written(tmp_path, text))) == [
        Request("a", "POST", CHAT, {"model": "m", "messages": []}, 1),
        Request("b", "POST", "/v1/embeddings", {"input": "ü"}, 4),
    ]


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("{", "is no JSON"),
        ("[1]", "is no JSON object"),
        ('{"a": NaN}', "is no JSON"),
        ("[" * 5000, "is no JSON"),
        (b"\xff{}", "is not UTF-8"),
        (line(""), "custom_id"),
        (line(7), "custom_id"),
        (line("x" * 600), "custom_id"),
        (line(method="GET"), "method"),
        (line(url="/v1/audio/speech"), "/v1/audio/speech"),
        (line(url=None), "url"),
        (line(body=[]), "body"),
        (line(), "custom_id of line 1"),
        ('{"custom_id": "c", "response": {"status_code": 200}}', "is an answer"),
    ],
)
def test_what_cannot_be_used_is_skipped_or_refused(tmp_path: Path, bad: str | bytes, words: str) -> None:
    bad = bad if isinstance(bad, bytes) else bad.rstrip("\n").encode()
    path = written(tmp_path, line().encode() + bad + b"\n" + line("z").encode())
    first, skipped, last = read_requests(path)
    assert isinstance(first, Request)
    assert isinstance(last, Request)
    assert (last.custom_id, last.line) == ("z", 3)
    assert isinstance(skipped, Skipped)
    assert skipped.line == 2
    assert words in skipped.reason
    with pytest.raises(WorkloadError) as error:
        list(read_requests(path, strict=True))
    assert f"{path}:2: " in str(error.value)
    assert "\n" not in str(error.value)


def test_a_hostile_url_stays_on_one_line(tmp_path: Path) -> None:
    (skipped,) = read_requests(written(tmp_path, line(url="/v1/\x1b[31m\n" + "x" * 5000)))
    assert isinstance(skipped, Skipped)
    assert skipped.reason.isprintable()
    assert len(skipped.reason) < 400


def test_a_line_over_the_bound_is_skipped_without_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workload_format, "MAX_LINE", 64 * 1024)
    path = tmp_path / "workload.jsonl"
    with path.open("wb") as stream:
        stream.write(line("a").encode())
        for _ in range(64):
            stream.write(b"x" * 1024 * 1024)
        stream.write(b"\n" + line("b").encode())
    tracemalloc.start()
    found = list(read_requests(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [type(each) for each in found] == [Request, Skipped, Request]
    assert peak < 8 * 1024 * 1024


@pytest.mark.parametrize("kind", ["missing", "folder", "nul"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, kind: str) -> None:
    path = {"missing": tmp_path / "none.jsonl", "folder": tmp_path, "nul": Path("a\0b")}[kind]
    for read in (read_requests, read_calls):
        with pytest.raises(WorkloadError):
            list(read(path))
    with pytest.raises(WorkloadError):
        read_answers(path)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    request = Request("id \ud800", "POST", CHAT, {"messages": [{"content": "ü\n\u2028"}]}, 1)
    path = written(tmp_path, request_line(request))
    assert list(read_requests(path)) == [request]
    answer = Answer(
        custom_id="a",
        status=200,
        body={"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}},
        request_id="req_1",
        url=CHAT,
        started_at="2026-11-22T10:00:00.000+00:00",
        seconds=1.5,
        first_byte=0.5,
        chunks=9,
        ended="cut",
        streamed=True,
        client=Client("OpenAI/Python 3", "openai-python", "3", "CPython"),
        parameters=("messages", "model"),
        features=("streaming",),
        prompt_tokens=3,
        completion_tokens=4,
        line=1,
    )
    other = Answer(custom_id="b", error={"code": "client_disconnected", "message": "…"}, ended="none", line=2)
    unkept = Answer(custom_id=None, status=404, url="/v1/models", same_as="a", line=3)
    file = answers_path(path)
    assert file.name == "workload.answers.jsonl"
    file.write_text("".join(map(answer_line, (answer, other, unkept))), encoding="utf-8")
    assert list(read_calls(file)) == [answer, other, unkept]
    with read_answers(file) as answers:
        assert list(answers) == ["a", "b"]
        assert (answers.get("a"), answers.get("b"), answers.get("c")) == (answer, other, None)


def test_the_request_file_has_no_key_that_batch_does_not_know() -> None:
    assert set(json.loads(request_line(Request("a", "POST", CHAT, {}, 1)))) == {
        "custom_id",
        "method",
        "url",
        "body",
    }


def test_batch_output_is_read_as_it_is(tmp_path: Path) -> None:
    body = {
        "choices": [{"message": {"content": "hi"}}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 1},
    }
    lines = [
        {
            "id": "batch_req_1",
            "custom_id": "a",
            "response": {"status_code": 200, "request_id": "r", "body": body},
            "error": None,
        },
        {"id": "x", "custom_id": "b", "response": None, "error": {"code": "batch_expired", "message": "…"}},
    ]
    path = tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in lines) + "{\n" + line("c"), encoding="utf-8")
    with read_answers(path) as answers:
        first, second = answers.get("a"), answers.get("b")
        assert [each.line for each in answers.skipped] == [3, 4]
    assert first is not None
    assert (first.status, first.body, first.prompt_tokens, first.seconds) == (200, body, 2, None)
    assert second is not None
    assert second.error == {"code": "batch_expired", "message": "…"}


def test_ten_thousand_answers_are_looked_up_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for number in range(10_000):
            body = {"number": number, "text": "x" * 4000}
            stream.write(answer_line(Answer(custom_id=f"id-{number}", status=200, body=body)))
    tracemalloc.start()
    with read_answers(path) as answers:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(answers) == 10_000
        found = answers.get("id-7777")
    assert found is not None
    assert found.body["number"] == 7777
    assert path.stat().st_size > 40_000_000
    assert peak < 8_000_000


def test_a_file_that_shrinks_has_no_answer_any_more(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(
        "".join(answer_line(Answer(custom_id=each, status=200)) for each in "ab"), encoding="utf-8"
    )
    with read_answers(path) as answers:
        path.write_text("", encoding="utf-8")
        assert answers.get("b") is None
    assert answers.get("a") is None
