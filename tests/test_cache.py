"""The cache of public catalogues: what `providers refresh` reads, keeps and tells, and what is never used."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llmcompat.billing import cache, catalogues, price_for
from llmcompat.billing.cache import MAX_AGE_DAYS, CacheError, cached_price, load, save
from llmcompat.billing.catalogues import Catalogue, ModelFacts
from llmcompat.cli import main, options, providers
from llmcompat.profiles import load_profile
from tests.servers.raw import RawRequest, RawServer, http, http_json

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
OPENROUTER = catalogues.CATALOGUES[0]
MODEL = "openai/gpt-oss-20b"
LIST = {
    "data": [
        {"id": MODEL, "context_length": 131072, "pricing": {"prompt": "0.000001", "completion": "0.000003"}},
        {"id": "other", "context_length": 8192},
    ]
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for every test; the folder that holds the files, which does not exist yet."""
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "catalogues"


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts other addresses in the place of the public catalogues, which speak of openrouter.ai first."""

    def put(*urls: str) -> None:
        hosts = ("openrouter.ai", "api.deepinfra.com", "api.novita.ai")
        names = ("openrouter", "deepinfra", "novita")
        made = tuple(Catalogue(name, url, host) for name, url, host in zip(names, urls, hosts, strict=False))
        monkeypatch.setattr(catalogues, "CATALOGUES", made)
        monkeypatch.setattr(cache, "CATALOGUES", made)

    return put


def test_what_is_saved_is_loaded(folder: Path) -> None:
    assert load(OPENROUTER) is None
    path = save(OPENROUTER, {MODEL: ModelFacts(131072, 1.0, 3.0, 0.5), "x": ModelFacts(None, 0, 0)}, NOW)
    assert path.parent == folder
    assert [file.name for file in folder.iterdir()] == ["openrouter.json"]
    found = load(OPENROUTER)
    assert found is not None
    assert found.models == {MODEL: ModelFacts(131072, 1.0, 3.0, 0.5), "x": ModelFacts(None, 0, 0)}
    assert (found.url, found.read_at) == (OPENROUTER.url, NOW)
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["url"] == OPENROUTER.url
    assert document["read_at"] == "2026-11-22T03:00:00Z"


def test_a_refreshed_price_goes_before_what_is_installed() -> None:
    profile = load_profile("openrouter")
    installed = price_for(profile, MODEL, NOW)
    assert installed is not None
    assert installed.source.startswith("genai-prices")
    save(OPENROUTER, {MODEL: ModelFacts(131072, 1.0, 3.0)}, NOW - timedelta(days=3))
    found = price_for(profile, MODEL, NOW)
    assert found is not None
    assert (found.input, found.output) == (1.0, 3.0)
    assert (found.source, found.as_of) == (OPENROUTER.url, date(2026, 11, 19))
    assert price_for(profile, MODEL, NOW.replace(tzinfo=None)) == found
    elsewhere = price_for(load_profile("groq"), MODEL, NOW)
    assert elsewhere is not None
    assert elsewhere.source.startswith("genai-prices"), "a price holds at its own host only"


@pytest.mark.parametrize(("days", "used"), [(MAX_AGE_DAYS, True), (MAX_AGE_DAYS + 1, False), (-2, False)])
def test_what_is_too_old_or_of_the_future_is_not_used(days: int, used: bool) -> None:
    save(OPENROUTER, {MODEL: ModelFacts(131072, 1.0, 3.0)}, NOW - timedelta(days=days))
    assert (cached_price("openrouter.ai", MODEL, NOW) is not None) is used


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"schema": "llmcompat.catalogue/2", "url": "u", "read_at": "2026-11-22T03:00:00Z", "models": {}}',
        b'{"schema": "llmcompat.catalogue/1", "url": "u", "read_at": "2026-11-22T03:00:00", "models": {}}',
        b'{"schema": "llmcompat.catalogue/1", "url": "u", "read_at": "2026-11-22T03:00:00Z", '
        b'"models": {"m": {"input": -1, "output": 1}}}',
        b'{"schema": "llmcompat.catalogue/1", "url": "u", "read_at": "2026-11-22T03:00:00Z", '
        b'"models": {"m": {"input": "cheap"}}}',
    ],
)
def test_a_damaged_file_is_told_and_not_used(
    folder: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.mkdir(parents=True)
    (folder / "openrouter.json").write_bytes(content)
    with pytest.raises(CacheError, match=r"openrouter\.json: damaged .* refresh\Z"):
        load(OPENROUTER)
    assert cached_price("openrouter.ai", MODEL, NOW) is None
    assert main(["providers", "openrouter"]) == 0
    assert "damaged" in capsys.readouterr().out


def test_a_file_that_is_too_large_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(OPENROUTER, {MODEL: ModelFacts(131072, 1.0, 3.0)}, NOW)
    monkeypatch.setattr(cache, "MOST_BYTES", 10)
    with pytest.raises(CacheError, match="larger than"):
        load(OPENROUTER)


def test_a_folder_that_is_none(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    assert load(OPENROUTER) is None
    with pytest.raises(OSError, match=r".*"):
        save(OPENROUTER, {}, NOW)


def test_refresh_reads_and_keeps(
    folder: Path, sources: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(request: RawRequest) -> bytes:
        if request.path == "/list":
            return http("", 302, {"Location": "/moved"})
        return http_json(LIST) if request.path == "/moved" else http("gone", 404)

    with RawServer(answer) as server:
        sources(f"{server.origin}/list", f"{server.origin}/nothing", f"{server.origin}/list")
        code = main(["providers", "refresh"])
        sent = [dict(request.headers) for request in server.requests]
    output = capsys.readouterr()
    assert code == 3, "one of three was not read"
    assert "openrouter: 2 models, 1 with a price, 2 with a context window" in output.out
    assert str(folder) in output.out
    assert output.err.splitlines() == [
        f"llmcompat: deepinfra: {server.origin}/nothing: status 404; what was cached before stays"
    ]
    assert not any("authorization" in headers or "cookie" in headers for headers in sent)
    assert sorted(file.name for file in folder.iterdir()) == ["novita.json", "openrouter.json"]
    assert main(["providers", "openrouter"]) == 0
    shown = capsys.readouterr().out
    assert f"Your cache: {MODEL}: context 131K; USD 1 in, 3 out per million tokens; read 20" in shown
    assert f"from {server.origin}/list" in shown


def test_refresh_as_json(sources: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    with RawServer(lambda request: http_json(LIST)) as server:
        sources(f"{server.origin}/list")
        assert main(["providers", "refresh", "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["models"], row["priced"], row["windows"]) == ("openrouter", 2, 1, 2)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (http("<html>", 200, {"Content-Type": "text/html"}), "the answer is not JSON"),
        (http_json({"data": []}), "no model with a price or a context window in it"),
        (http("", 302, {"Location": "https://evil.example.com/models"}), "another host, evil.example.com"),
        (http("", 302, {"Location": "/again"}), "more than 3 redirects"),
        (http(b"[" * 5000), "the answer is not JSON"),
        (http(b" " * 5000), "more than 1 KB"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", "not reachable"),
    ],
    ids=["html", "empty", "elsewhere", "circle", "deep", "large", "cut"],
)
def test_a_catalogue_that_cannot_be_read_leaves_the_cache_as_it_was(
    answer: bytes,
    reason: str,
    sources: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    save(OPENROUTER, {MODEL: ModelFacts(1, 1.0, 3.0)}, NOW)
    if "KB" in reason:
        monkeypatch.setattr(providers, "MOST_BYTES", 1024)
    with RawServer(lambda request: answer) as server:
        sources(f"{server.origin}/list")
        assert main(["providers", "refresh"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    found = load(OPENROUTER)
    assert found is not None
    assert found.models == {MODEL: ModelFacts(1, 1.0, 3.0)}


def test_plain_http_beyond_this_machine_is_not_read(
    sources: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    sources("http://llm.example.com/models")
    assert main(["providers", "refresh"]) == 3
    assert "it is not an https address" in capsys.readouterr().err


def test_a_slow_catalogue_is_given_up(
    sources: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(providers, "SECONDS", 0.2)
    with RawServer(lambda request: [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 30.0]) as server:
        sources(f"{server.origin}/list")
        assert main(["providers", "refresh"]) == 3
    assert "not answered within 0.2 s" in capsys.readouterr().err


def test_refresh_is_refused_beside_a_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "refresh", "--needs", "vision"]) == 2
    assert "--needs" in capsys.readouterr().err


def test_the_other_forms_stay_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["providers", "deepseek"]) == 0
    shown = capsys.readouterr().out
    assert "https://api.deepseek.com" in shown
    assert "Your cache" not in shown, "no catalogue speaks of DeepSeek"
    assert main(["providers", "openrouter"]) == 0
    assert "Your cache: nothing yet" in capsys.readouterr().out
    assert main(["providers", "refesh"]) == 2
    assert main(["providers", "--help"]) == 0
    assert "refresh" in capsys.readouterr().out


def test_old_facts_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    save(OPENROUTER, {MODEL: ModelFacts(1, 1.0, 3.0)}, datetime(2020, 1, 1, tzinfo=UTC))
    assert main(["providers", "openrouter"]) == 0
    shown = capsys.readouterr().out
    assert "read 2020-01-01" in shown
    assert "not used" in shown


def test_refresh_is_completed() -> None:
    def names(found: Any) -> set[str]:
        return {each if isinstance(each, str) else each[0] for each in found}

    assert names(providers.complete("re")) == {"refresh"}
    assert names(providers.complete("dee")) == names(options.complete_provider("dee"))


def test_nothing_else_reads_a_catalogue(
    sources: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    with RawServer(lambda request: http_json(LIST)) as server:
        sources(f"{server.origin}/list")
        assert main(["providers"]) == 0
        assert main(["providers", "openrouter"]) == 0
        assert main(["check", "demo", "--only", "chat-accepted", "-q"]) == 0
    assert server.requests == []
    capsys.readouterr()


def test_the_public_catalogues_are_https_and_of_one_host_each() -> None:
    assert [each.name for each in catalogues.CATALOGUES] == ["openrouter", "deepinfra", "novita"]
    for each in catalogues.CATALOGUES:
        assert each.url.startswith(f"https://{each.host}/")
