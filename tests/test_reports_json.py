"""The JSON run: what is written is what is read, and the schema that ships says so."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmcompat import reports
from llmcompat.model import Level, Run, Status
from llmcompat.reports.json_run import RunFileError, from_json, json_schema, schema_text, to_json
from tests.reporting import HOSTILE, exchange, result, rich_run, run, target_run

SCHEMA_FILE = Path(reports.__file__).with_name("run.schema.json")


def every_outcome() -> list[Any]:
    return [
        result(f"{status}-{level}", status=status, level=level, seen="x", reason="y")
        for status in Status
        for level in Level
    ]


RUNS = {
    "empty": run(),
    "nothing judged": run(target_run()),
    "rich": run(rich_run()),
    "every outcome, two targets": run(target_run(*every_outcome()), rich_run(stopped="the deadline")),
    "bytes": run(
        target_run(exchanges=(exchange(body=b"\xff\x00\xfe"), exchange("e2", body="é\r\n\x1b".encode())))
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_what_is_written_is_read(name: str) -> None:
    text = to_json(RUNS[name])
    assert from_json(text) == RUNS[name]
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(text))


def test_the_shape() -> None:
    document = json.loads(to_json(RUNS["bytes"]))
    assert list(document) == ["schema", "tool", "started_at", "seconds", "runs"]
    assert document["schema"] == "llmcompat.run/1"
    assert document["tool"] == {"name": "llmcompat", "version": "0.1.0"}
    assert document["runs"][0]["target"]["provider"] == "example"
    assert [each["body"] for each in document["runs"][0]["exchanges"]] == [{"base64": "/wD+"}, "é\r\n\x1b"]


def test_each_check_is_one_line() -> None:
    lines = to_json(run(rich_run())).splitlines()
    assert len([line for line in lines if line.startswith('    {"id": ')]) == 11  # ten checks, one exchange


def test_the_schema_that_ships_is_current() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == json.loads(schema_text()), (
        "write llmcompat.reports.json_run.schema_text() to llmcompat/reports/run.schema.json"
    )
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "harm",
    [
        {"schema": "llmcompat.run/2"},
        {"runs": [{}]},
        {"seconds": "long"},
        {"tool": {"name": "llmcompat"}},
    ],
)
def test_the_schema_and_the_reader_refuse_the_same(harm: dict[str, Any]) -> None:
    document = json.loads(to_json(run(rich_run()))) | harm
    assert not jsonschema.Draft202012Validator(json_schema()).is_valid(document)
    with pytest.raises(RunFileError):
        from_json(json.dumps(document))


def test_a_field_of_a_later_version_is_passed_over() -> None:
    document = json.loads(to_json(run(rich_run())))
    document["later"] = document["runs"][0]["later"] = document["runs"][0]["checks"][0]["later"] = 1
    jsonschema.Draft202012Validator(json_schema()).validate(document)
    assert from_json(json.dumps(document)) == run(rich_run())


GOOD = to_json(run(rich_run()))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.json: not a whole JSON document"),
        (GOOD[: len(GOOD) // 2], "x.json: not a whole JSON document"),
        ("[" * 100_000, "x.json: not a "),
        ("[]", "x.json: not a run: it has no key schema"),
        ('{"schema": null}', "x.json: not a run: it has no key schema"),
        ('{"schema": "llmcompat.run/2"}', "this version reads llmcompat.run/1"),
        ('{"schema": ["\\ud800"]}', "this version reads llmcompat.run/1"),
        ('{"schema": "llmcompat.run/1"}', "x.json: tool.version: Field required"),
        (GOOD.replace('"seconds": 4.5', '"seconds": NaN'), "x.json: not a run: NaN is no JSON number"),
        (GOOD.replace('"body": "', '"body": 5, "x": "', 1), "x.json: runs.0.exchanges.0.body: "),
        (
            GOOD.replace('"body": "', '"body": {"base64": "?"}, "x": "', 1),
            "x.json: runs.0.exchanges.0.body: ",
        ),
    ],
)
def test_a_bad_file_is_one_line(text: str, said: str) -> None:
    with pytest.raises(RunFileError) as caught:
        from_json(text, name="x.json")
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@given(st.text(st.characters()), st.binary(max_size=40))
def test_any_text_and_any_bytes_survive(text: str, body: bytes) -> None:
    written = to_json(
        run(target_run(result(seen=text, facts={text: text}), exchanges=(exchange(body=body),)))
    )
    written.encode("utf-8")
    read = from_json(written)
    assert read.runs[0].exchanges[0].body == body
    assert read.runs[0].checks[0].seen == text.encode("utf-8", "backslashreplace").decode()
    assert to_json(read) == written


def test_the_document_steers_no_terminal() -> None:
    text = to_json(run(target_run(result(seen=HOSTILE))))
    assert not set("\x1b\x9b\x7f\r\u202e\u2066\u200b\u200f\ufeff\u2028\ud800\U000e0041") & set(text)
    assert from_json(text).runs[0].checks[0].seen == HOSTILE.replace("\ud800", "\\ud800")


def test_a_figure_that_is_no_number_is_null() -> None:
    facts = {"rate": {"value": float("nan"), "unit": ""}}
    assert json.loads(to_json(run(target_run(result(facts=facts)))))["runs"][0]["checks"][0]["facts"] == {
        "rate": {"value": None, "unit": ""}
    }


def test_formats_and_suffixes() -> None:
    # what is written for a log has no file of its own
    assert {*reports.SUFFIXES.values(), "github"} == set(reports.FORMATS)
    # what a CI reads has a place for the tool at each result only
    for name in reports.FORMATS.keys() - {"github", "junit"}:
        assert "0.1.0" in reports.FORMATS[name](Run("0.1.0", "2026-11-01T12:00:00Z", 1.0, ()))


def test_a_json_export_needs_no_terminal_library() -> None:
    code = (
        "import sys; from llmcompat.model import Run; from llmcompat.reports import FORMATS;"
        "FORMATS['json'](Run('0', '', 0.0, ())); sys.exit('rich' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=SCHEMA_FILE.parents[2], check=False).returncode == 0
    )
