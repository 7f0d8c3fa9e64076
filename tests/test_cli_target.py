"""From a command line to one target: profiles, models, keys and the checks on what was typed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmcompat.cli.problems import Problem
from llmcompat.cli.target import (
    ANY_KEY,
    Options,
    Plan,
    checked_base_url,
    find_key,
    known_secrets,
    parse_body,
    parse_features,
    parse_headers,
    plan,
    split_commas,
    split_target,
)
from llmcompat.profiles import Profile, ProfileError
from llmcompat.wire.client import is_loopback

NOW = datetime(2026, 11, 22, tzinfo=UTC)

MINE = """
name: mine
base_url: https://api.example.com/v1
key_variable: MINE_KEY
key_variable_aliases: [MINE_OLD_KEY]
models:
  default: mine-chat
  vision: mine-eyes
  embedding: mine-vectors
limits:
  context_window: 64000
request:
  body:
    route: eu
prices:
  mine-chat: {input: 1, output: 2}
balance:
  path: /user/balance
  pointer: /left
  kind: balance
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE, encoding="utf-8")
    return str(path)


def planned(target: str | None, options: Options | None = None, **environ: str) -> Plan:
    return plan(target, options or Options(), environ, now=NOW)


def test_the_profile_gives_what_the_options_do_not(mine: str) -> None:
    found = planned(mine, MINE_KEY="mine-secret").settings
    assert (found.provider, found.base_url, found.model) == (
        "mine",
        "https://api.example.com/v1",
        "mine-chat",
    )
    assert (found.vision_model, found.embedding_model, found.context_window) == (
        "mine-eyes",
        "mine-vectors",
        64000,
    )
    assert found.body == {"route": "eu"}
    assert found.has_key
    assert not found.loopback
    assert found.pricing is not None
    assert (found.pricing.input, found.pricing.output) == (1, 2)


def test_options_go_before_the_profile(mine: str) -> None:
    options = Options(
        model="other",
        vision_model="eyes",
        embedding_model="vectors",
        headers=("X-Route: us",),
        body=("route=us", "top_k=3"),
        rest={"concurrency": 2},
    )
    found = planned(mine, options, MINE_KEY="mine-secret").settings
    assert (found.model, found.vision_model, found.embedding_model) == ("other", "eyes", "vectors")
    assert found.context_window is None  # published for the default model only
    assert found.pricing is None
    assert found.headers == {"X-Route": "us"}
    assert found.body == {"route": "us", "top_k": 3}
    assert found.concurrency == 2


def test_another_host_has_neither_the_prices_nor_the_balance_of_the_profile(mine: str) -> None:
    found = planned(mine, Options(base_url="https://proxy.example.org/v1"), LLMCOMPAT_API_KEY="any-secret")
    assert found.settings.pricing is None
    assert found.profile.balance is None
    assert found.settings.model == "mine-chat"
    assert found.key == "any-secret"


def test_the_demo_needs_nothing() -> None:
    found = planned("demo", OPENAI_API_KEY="sk-openai-secret")
    assert found.built_in
    assert found.key is None
    assert found.settings.loopback
    assert found.settings.model


def test_without_a_target_the_host_is_the_name() -> None:
    options = Options(base_url="https://LLM.example.com:8443/v1/", model="some/model")
    found = planned(None, options, LLMCOMPAT_API_KEY="any-secret")
    assert (found.settings.provider, found.settings.base_url) == (
        "llm.example.com",
        "https://LLM.example.com:8443/v1",
    )
    assert found.settings.model == "some/model"
    assert found.settings.pricing is None


def test_keys_never_stand_in_the_repr_of_a_plan(mine: str) -> None:
    found = planned(mine, MINE_KEY="mine-secret", GROQ_API_KEY="groq-secret")
    assert found.key == "mine-secret"
    assert set(found.secrets) == {"mine-secret", "groq-secret"}
    assert "secret" not in repr(found)


def test_all_known_variables_are_secrets() -> None:
    environ = {
        "DEEPINFRA_TOKEN": "a-token",
        ANY_KEY: "any",
        "SPECIAL": "special",
        "HOME": "/root",
        "OPENAI_API_KEY": "",
    }
    assert known_secrets(environ, also="SPECIAL") == ("a-token", "any", "special")


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("groq", ("groq", None)),
        ("groq:llama", ("groq", "llama")),
        ("Ollama:llama3.1:8b", ("Ollama", "llama3.1:8b")),
        ("openrouter:meta/llama.yaml", ("openrouter", "meta/llama.yaml")),
        ("mine.yaml", ("mine.yaml", None)),
        ("dir/mine.YML:big:1", ("dir/mine.YML", "big:1")),
        (r"C:\dir\mine.yaml", (r"C:\dir\mine.yaml", None)),
        (r"C:\dir\mine.yaml:big", (r"C:\dir\mine.yaml", "big")),
        ("C:/dir/profile", ("C:/dir/profile", None)),
        ("a:b/profile", ("a", "b/profile")),
        ("./odd:dir/profile", ("./odd:dir/profile", None)),
    ],
)
def test_targets_are_split(target: str, parts: tuple[str, str | None]) -> None:
    assert split_target(target) == parts


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("https://api.example.com/v1", Options(), ["--base-url", "--model"]),
        ("groq:", Options(), ["names no model"]),
        ("groq:a", Options(model="b"), ["two models"]),
        ("ollama", Options(), ["--model", "http://127.0.0.1:11434/v1/models"]),
        (None, Options(), ["TARGET", "--base-url"]),
        (None, Options(base_url="https://api.example.com/v1"), ["--model"]),
        (None, Options(model="m"), ["--base-url"]),
        ("demo", Options(use_case="agnet"), ["--for", "agent"]),
        ("demo", Options(uses=("visoin",)), ["--uses", "vision"]),
        ("demo", Options(without=("nothing-near-it",)), ["--without", "streaming"]),
        ("demo", Options(rest={"timeout": float("inf")}), ["--timeout"]),
        ("demo", Options(rest={"max_usd": float("nan")}), ["--max-usd"]),
    ],
)
def test_what_cannot_run_is_one_line(target: str | None, options: Options, words: list[str]) -> None:
    with pytest.raises(Problem) as caught:
        planned(target, options)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def test_an_unknown_name_is_the_profiles_error() -> None:
    with pytest.raises(ProfileError, match="groq"):
        planned("grok")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("api.example.com/v1", "full URL"),
        ("ftp://api.example.com/v1", "full URL"),
        ("https:///v1", "full URL"),
        ("https://api.example.com:99999/v1", "full URL"),
        ("https://api.example.com/v 1", "full URL"),
        ("https://api.example.com\\@evil.example/v1", "password"),
        ("https://exämple.com/v1", "full URL"),
        ("https://user:hunter22@api.example.com/v1", "password"),
        ("https://hunter22@api.example.com/v1", "password"),
        ("https://api.example.com/v1?key=hunter22", "query"),
        ("https://api.example.com/v1#part", "query"),
        ("https://api.example.com/v1/chat/completions", "leave out"),
        ("http://api.example.com/v1", "--insecure-http"),
        ("http://10.0.0.5:8000/v1", "--insecure-http"),
        ("http://127.0.0.1.example.com/v1", "--insecure-http"),
        ("http://localhost.example.com/v1", "--insecure-http"),
    ],
)
def test_base_urls_that_are_refused(url: str, word: str) -> None:
    with pytest.raises(Problem, match=word) as caught:
        checked_base_url(url)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com", "http://127.0.0.1:8000/v1", "http://localhost:1/v1", "http://[::1]:8000/v1"],
)
def test_base_urls_that_are_taken(url: str) -> None:
    assert checked_base_url(f"{url}/") == url


def test_plain_http_is_a_choice() -> None:
    assert checked_base_url("http://10.0.0.5/v1", insecure_http=True) == "http://10.0.0.5/v1"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("api.localhost", True),
        ("[::1]", True),
        ("127.0.0.1.example.com", False),
        ("notlocalhost", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("[::2]", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(f"http://{host}:8000/v1") is expected


OWN, OTHER, HERE = "https://api.example.com/v1", "https://proxy.example.org/v1", "http://127.0.0.1:9/v1"
SET = {"MINE_KEY": "own-key", "MINE_OLD_KEY": "old-key", ANY_KEY: "any-key", "NAMED": "named-key"}


def profile(base_url: str | None = OWN, **more: object) -> Profile:
    fields = {"key_variable": "MINE_KEY", "key_variable_aliases": ["MINE_OLD_KEY"]} | more
    return Profile.model_validate({"name": "mine", "base_url": base_url, **fields})


@pytest.mark.parametrize(
    ("base_url", "named", "set_", "expected"),
    [
        (OWN, None, ["MINE_KEY", "MINE_OLD_KEY", ANY_KEY], "own-key"),
        (OWN, None, ["MINE_OLD_KEY", ANY_KEY], "old-key"),
        (OWN, "NAMED", ["MINE_KEY", "NAMED"], "named-key"),
        ("https://api.example.com:443/other", None, ["MINE_KEY"], "own-key"),
        (OTHER, None, ["MINE_KEY", ANY_KEY], "any-key"),
        (OTHER, "NAMED", ["MINE_KEY", ANY_KEY, "NAMED"], "named-key"),
        (OTHER, "MINE_KEY", ["MINE_KEY"], "own-key"),
        (HERE, None, ["MINE_KEY"], None),
        (HERE, None, ["MINE_KEY", ANY_KEY], "any-key"),
        (HERE, None, [], None),
    ],
)
def test_which_key_goes_where(
    base_url: str, named: str | None, set_: list[str], expected: str | None
) -> None:
    assert find_key(profile(), base_url, named, {name: SET[name] for name in set_}) == expected


@pytest.mark.parametrize(
    ("base_url", "named", "set_", "words"),
    [
        (OWN, None, [ANY_KEY, "NAMED"], ["MINE_KEY", "MINE_OLD_KEY", "nothing was sent"]),
        (
            OTHER,
            None,
            ["MINE_KEY"],
            [ANY_KEY, "nothing was sent", "MINE_KEY goes to https://api.example.com/v1 only"],
        ),
        ("https://api.example.com:8443/v1", None, ["MINE_KEY"], [ANY_KEY]),
        ("http://api.example.com/v1", None, ["MINE_KEY"], [ANY_KEY]),
        (OWN, "NAMED", ["MINE_KEY"], ["NAMED", "nothing was sent"]),
        (HERE, "NAMED", [ANY_KEY], ["NAMED", "nothing was sent"]),
    ],
)
def test_a_missing_key_is_named_and_nothing_is_sent(
    base_url: str, named: str | None, set_: list[str], words: list[str]
) -> None:
    with pytest.raises(Problem) as caught:
        find_key(profile(), base_url, named, {name: SET[name] for name in set_})
    assert all(word in str(caught.value) for word in words)
    assert not any(key in str(caught.value) for key in SET.values())


def test_a_gateway_on_this_machine_takes_its_own_key_first() -> None:
    here = profile(HERE)
    assert find_key(here, HERE, None, SET) == "own-key"
    assert find_key(here, HERE, None, {ANY_KEY: "any-key"}) == "any-key"
    assert find_key(here, HERE, None, {}) is None


def test_an_empty_variable_is_not_set() -> None:
    with pytest.raises(Problem, match="MINE_KEY"):
        find_key(profile(), OWN, None, {"MINE_KEY": ""})


@pytest.mark.parametrize(
    "key", ["with space", "line\n", " lead", "tab\t", "nul\0", "schlüssel", "“quoted”", "bell\a"]
)
def test_a_broken_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(Problem, match="MINE_KEY") as caught:
        find_key(profile(), OWN, None, {"MINE_KEY": key})
    assert key.strip() not in str(caught.value)


def test_a_key_in_place_of_a_variable_is_not_repeated() -> None:
    with pytest.raises(Problem, match="--api-key-env") as caught:
        find_key(profile(), OWN, "sk-abcdef-123456", {})
    assert "abcdef" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("temperature=0.2", {"temperature": 0.2}),
        ('stop=["a", 1]', {"stop": ["a", 1]}),
        ('thinking={"type": "disabled"}', {"thinking": {"type": "disabled"}}),
        ("user=me", {"user": "me"}),
        ("user=a=b", {"user": "a=b"}),
        ("user=", {"user": ""}),
        ("seed=null", {"seed": None}),
        ("flag=true", {"flag": True}),
        ("odd=NaN", {"odd": "NaN"}),
    ],
)
def test_body_fields(text: str, expected: dict[str, object]) -> None:
    assert parse_body([text]) == expected


@pytest.mark.parametrize("text", ["temperature", "=1", "", "model=x", "messages=[]", "stream=true"])
def test_body_fields_that_are_refused(text: str) -> None:
    with pytest.raises(Problem, match="--body"):
        parse_body([text])


def test_headers() -> None:
    assert parse_headers(["X-Route: eu:1", "Referer:https://example.com"]) == {
        "X-Route": "eu:1",
        "Referer": "https://example.com",
    }


@pytest.mark.parametrize(
    "text",
    [
        "no colon hunter22",
        ": hunter22",
        "A B: hunter22",
        "X: hunter22\r\nY: z",
        "X: hunter22é",
        "Authorization: hunter22",
        "api-key: hunter22",
    ],
)
def test_headers_that_are_refused_are_not_repeated(text: str) -> None:
    with pytest.raises(Problem, match="--header") as caught:
        parse_headers([text])
    assert "hunter22" not in str(caught.value)


def test_comma_lists() -> None:
    assert split_commas(["a, b", "b,,c", ""]) == ("a", "b", "c")
    assert parse_features(["tools,vision", "n"], "--uses") == {"tools", "vision", "n"}


def test_a_dry_run_looks_up_no_key(mine: str) -> None:
    found = plan(mine, Options(), {}, now=NOW, with_key=False)
    assert found.key is None
    assert found.settings.has_key
