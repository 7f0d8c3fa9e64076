"""Profiles: what ships is sourced and dated, and a bad file is told in one line."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from llmcompat.profiles import (
    FEATURES,
    NAMED_FACTS,
    Fact,
    PriceFact,
    Profile,
    ProfileError,
    comparison_row,
    load_profile,
    published,
    shipped_profiles,
)
from llmcompat.profiles.schema import KnownDeviation, Models, RequestDefaults, Sourced, origin

TODAY = date(2026, 11, 22)
SIX = ("deepseek", "openrouter", "together", "fireworks", "groq", "deepinfra")
SERVERS = ("ollama", "vllm", "llama-cpp", "lm-studio", "litellm")

SMALL = """\
base_url: https://llm.example.com/v1
key_variable: EXAMPLE_API_KEY
models:
  default: example-large
"""


def problem(tmp_path: Path, content: str | bytes, name: str = "mine.yaml") -> str:
    """What the loader says about a file with this content."""
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ProfileError) as caught:
        load_profile(str(file))
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(str(file))
    return text.removeprefix(str(file))


def said(value: object, where: str = "") -> list[tuple[str, Sourced | PriceFact]]:
    """Every sourced statement below a model, with where it stands."""
    if isinstance(value, BaseModel):
        own = [(where, value)] if isinstance(value, (Sourced, PriceFact)) else []
        return own + [
            item
            for name in type(value).model_fields
            for item in said(getattr(value, name), f"{where}.{name}")
        ]
    if isinstance(value, dict):
        return [item for key, inner in value.items() for item in said(inner, f"{where}.{key}")]
    if isinstance(value, tuple):
        return [item for index, inner in enumerate(value) for item in said(inner, f"{where}.{index}")]
    return []


def says_nothing(statement: Sourced | PriceFact) -> bool:
    """Whether a group holds no statement of its own: what stands in it is sourced one by one."""
    if isinstance(statement, Models):
        return not (statement.others or statement.retired or statement.aliases)
    return isinstance(statement, RequestDefaults) and statement == RequestDefaults()


def test_the_profiles_that_ship() -> None:
    assert shipped_profiles() == tuple(sorted((*SIX, *SERVERS, "openai", "novita", "demo")))


@pytest.mark.parametrize("name", shipped_profiles())
def test_shipped_profile_is_whole(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.display_name
    assert profile.verified_live is None
    assert "category" in profile.facts
    if name in (*SIX, "openai"):
        assert profile.base_url is not None
        assert profile.base_url.startswith("https://")
        assert profile.key_variable is not None
        assert profile.models.default is not None
        assert profile.models.default.value in profile.prices
        assert profile.models.default.value not in profile.models.retired
        assert profile.data_policy["retention"].sources
        assert profile.pages.status is not None
    if name in SIX:
        assert profile.deviations


@pytest.mark.parametrize("name", [name for name in shipped_profiles() if name != "demo"])
def test_every_statement_has_source_and_date(name: str) -> None:
    statements = said(load_profile(name))
    assert statements
    for where, statement in statements:
        if says_nothing(statement):
            continue
        sources = (statement.source,) if isinstance(statement, PriceFact) else statement.sources
        assert sources, where
        assert all(source is not None and source.startswith("https://") for source in sources), where
        assert statement.as_of is not None, where
        assert date(2025, 1, 1) <= statement.as_of <= TODAY, where


@pytest.mark.parametrize("name", shipped_profiles())
def test_money_is_read_at_the_origin_of_the_key(name: str) -> None:
    profile = load_profile(name)
    if profile.balance is not None:
        assert profile.base_url is not None
        assert origin(profile.balance.address(profile.base_url)) == origin(profile.base_url)


def test_balance_addresses() -> None:
    addresses = {}
    for name in SIX:
        profile = load_profile(name)
        if profile.balance is not None and profile.base_url is not None:
            addresses[name] = profile.balance.address(profile.base_url)
    assert addresses == {
        "deepseek": "https://api.deepseek.com/user/balance",
        "openrouter": "https://openrouter.ai/api/v1/key",
        "deepinfra": "https://api.deepinfra.com/payment/checklist?compute_owed=true",
    }


@pytest.mark.parametrize("name", SERVERS)
def test_local_servers_are_on_loopback(name: str) -> None:
    profile = load_profile(name)
    assert profile.base_url is not None
    assert origin(profile.base_url)[1] == "127.0.0.1"
    if name != "litellm":
        assert profile.key_variable is None


def test_known_deviations_name_the_catalogue_once() -> None:
    for name in SIX:
        ids = [deviation.catalogue for deviation in load_profile(name).deviations]
        assert None not in ids
        assert len(ids) == len(set(ids)), name


def test_deepseek_in_particulars() -> None:
    profile = load_profile("deepseek")
    assert profile.thinking is not None
    assert profile.thinking.default_on
    assert profile.thinking.off == {"thinking": {"type": "disabled"}}
    assert profile.thinking.on == {"thinking": {"type": "enabled"}}
    assert profile.features["json-schema"].offered is False
    assert profile.errors.out_of_money[0].status == 402
    assert profile.retired_model("deepseek-chat") is not None
    assert profile.retired_model("deepseek-flash") is None


def test_demo_needs_no_key_and_no_network() -> None:
    profile = load_profile("demo")
    assert (profile.kind, profile.base_url, profile.key_variable) == ("demo", None, None)
    assert profile.models.default is not None
    assert profile.models.default.value == "demo-chat"
    assert profile.models.embedding is not None
    assert profile.models.embedding.value == "demo-embed"
    assert profile.limits.context_window is not None
    assert profile.limits.context_window.value == 32768


def test_names_are_found_whatever_their_case() -> None:
    assert load_profile(" DeepSeek ") == load_profile("deepseek")


def test_a_small_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yml"
    file.write_text("\ufeff" + SMALL + "  vision: &m example-vision\n  embedding: *m\n", encoding="utf-8")
    profile = load_profile(str(file))
    assert profile.name == profile.display_name == "mine"
    assert profile.models.default is not None
    assert (profile.models.default.value, profile.models.default.sources) == ("example-large", ())
    assert profile.models.embedding == profile.models.vision
    assert profile.prices == {}
    assert profile.features == {}


def test_a_shipped_file_loads_by_path_as_by_name(tmp_path: Path) -> None:
    import llmcompat.profiles

    shipped = Path(llmcompat.profiles.__file__).parent / "data" / "groq.yaml"
    copy = tmp_path / "copy.yaml"
    copy.write_bytes(shipped.read_bytes())
    assert load_profile(str(copy)) == load_profile("groq")


def test_words_that_old_yaml_takes_for_booleans_are_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SMALL + "request:\n  body: {effort: off, answer: no, stream: true}\n")
    assert load_profile(str(file)).request.body == {"effort": "off", "answer": "no", "stream": True}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ":1: must hold keys and values, such as 'base_url: https://api.example.com/v1'"),
        ("- a\n- b\n", ":1: must hold keys and values, such as 'base_url: https://api.example.com/v1'"),
        (SMALL + "base_ur: x\n", ":5: base_ur: is not a key of a profile here; did you mean 'base_url'?"),
        (
            SMALL + "  visoin: x\n",
            ":5: models.visoin: is not a key of a profile here; did you mean 'vision'?",
        ),
        (SMALL + "key_variable: X\n", ":5: key_variable: is given twice; remove one of them"),
        (
            SMALL + "features:\n  tool: {offered: true}\n",
            ":6: features.tool: is not a feature; did you mean 'tools'?",
        ),
        (SMALL + "features:\n  tools: {note: x}\n", ":6: features.tools.offered: is missing; add it"),
        (SMALL + "features: yes please\n", ":5: features: must hold keys and values"),
        (SMALL + "display_name: 4.5\n", ":5: display_name: must be text; put it in quotes"),
        (SMALL + "verified_live: soon\n", ":5: verified_live: must be a date such as 2026-11-22"),
        (
            SMALL + "features:\n  tools: {offered: perhaps}\n",
            ":6: features.tools.offered: must be true or false",
        ),
        (
            SMALL + "limits:\n  context_window: 128k\n",
            ":6: limits.context_window.value: must be a whole number",
        ),
        (SMALL + "prices:\n  m: {input: .inf, output: 1}\n", ":6: prices.m.input: must be a number"),
        (SMALL + "deviations: none\n", ":5: deviations: must be a list"),
        (SMALL + "kind: cloud\n", ":5: kind: should be 'provider', 'gateway', 'server' or 'demo'"),
        (
            SMALL + "facts:\n  category: {value: {a: b}}\n",
            ":6: facts.category.value: must be text, a number, true or false, or a list of them",
        ),
        (
            SMALL + "limits:\n  context_window: 0\n",
            ":6: limits.context_window.value: should be greater than 0",
        ),
        (
            SMALL + "verified_live: 2026-13-45\n",
            ":5: verified_live: must be a date such as 2026-11-22",
        ),
        (
            SMALL + "summary: !!python/object:os.system x\n",
            ":5: summary: has a value that cannot be read; put it in quotes",
        ),
        (SMALL + "? [a, b]\n: c\n", ":5: has a key that is not plain text; write it as text"),
        (
            SMALL + "name: My Gateway\n",
            ":5: name: must be lower-case letters, digits, '-', '_' and '.', such as my-gateway",
        ),
        (
            SMALL + "headers: {Authorization: x}\n",
            ":5: headers: must not hold credentials; name the key's variable in key_variable",
        ),
        (
            "base_url: https://user:pass@llm.example.com/v1\n",
            ":1: base_url: must not hold a user name or password; keys come from the environment",
        ),
        ("base_url: llm.example.com/v1\n", ":1: base_url: must be a full http or https URL"),
        ("base_url: http://[::1\n", ":1: base_url: must be a full http or https URL"),
        ("base_url: http://localhost:99999/v1\n", ":1: base_url: must be a full http or https URL"),
        (
            SMALL + "balance: {path: //evil.example/x, pointer: /a, kind: balance}\n",
            ":5: balance: path must start with one '/', such as /user/balance",
        ),
        (
            SMALL + "balance: {path: x, pointer: a, kind: balance}\n",
            ":5: balance.pointer: must be a JSON pointer that starts with '/', such as /data/limit",
        ),
        (
            SMALL + "balance: {url: 'https://evil.example/b', pointer: /a, kind: balance}\n",
            ":1: balance.url must be of the same origin as base_url",
        ),
        (
            SMALL + "balance: {url: 'http://llm.example.com/b', pointer: /a, kind: balance}\n",
            ":1: balance.url must be of the same origin as base_url",
        ),
    ],
)
def test_bad_content_is_told_in_one_line(tmp_path: Path, content: str, expected: str) -> None:
    assert problem(tmp_path, content) == expected


def test_a_key_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    told = problem(tmp_path, "base_url: https://llm.example.com/v1\nkey_variable: sk-secret-0123456789\n")
    assert told.startswith(":2: key_variable: must be the name of an environment variable")
    assert "secret" not in told


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: [1,\nb: 2\n", "is not valid YAML"),
        ("a: 1\n---\nb: 2\n", "is not valid YAML"),
        ("a: \x07\n", "is not valid YAML"),
        ("a: " + "[" * 41 + "]" * 41, "is nested more than 40 deep; flatten it"),
        ("a: &x 1\nb: [" + "*x, " * 11 + "]\n", "has more than 10 YAML aliases; write the values out"),
        ("a: &x [*x]\n", "alias *x contains itself; write the value out"),
        ("a: *nowhere\n", "is not valid YAML"),
    ],
)
def test_yaml_that_is_broken_or_hostile(tmp_path: Path, content: str, expected: str) -> None:
    told = problem(tmp_path, content)
    assert expected in told
    assert told.split(":")[1].isdigit(), "the line is named"


def test_encodings(tmp_path: Path) -> None:
    assert problem(tmp_path, SMALL.encode("utf-16")) == ":1: is not UTF-8 text; save it as UTF-8"
    assert (
        problem(tmp_path, SMALL.encode() + b"summary: caf\xe9\n") == ":5: is not UTF-8 text; save it as UTF-8"
    )


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    told = problem(tmp_path, "# " + "x" * 1024 * 1024)
    assert told == ": is larger than 1 MiB; a profile holds facts only, move the rest elsewhere"


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path: Path) -> None:
    told = problem(tmp_path, '"\\e[31mred": 1\n')
    assert told.isprintable()


def test_places_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="is a folder; name the") as folder:
        load_profile(str(tmp_path) + "/")
    with pytest.raises(
        ProfileError, match="no such file; check the path, or name one of: deepinfra"
    ) as missing:
        load_profile(str(tmp_path / "missing.yaml"))
    with pytest.raises(ProfileError, match=r"unusable path|no such file") as unusable:
        load_profile("a\0b.yaml")
    for caught in (folder, missing, unusable):
        assert str(caught.value).isprintable()


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SMALL)

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        ProfileError, match=r"cannot be read \(Permission denied\); check its path and permissions"
    ):
        load_profile(str(file))


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(
        ProfileError, match=r"^deepsek: no such profile; did you mean 'deepseek'\? shipped: deepinfra,"
    ):
        load_profile("deepsek")
    with pytest.raises(ProfileError, match=r"^zzz: no such profile; shipped: deepinfra,"):
        load_profile("zzz")
    with pytest.raises(ProfileError, match="no such profile"):
        load_profile("")


def test_age_of_a_fact() -> None:
    fact = Fact(value=1, as_of=date(2026, 8, 24))
    assert not fact.is_old(TODAY)
    assert fact.is_old(date(2026, 11, 23))
    assert fact.is_old(TODAY, days=30)
    assert not Fact(value=1).is_old(TODAY), "its age is unknown"


def test_published_facts_are_counted() -> None:
    assert len(NAMED_FACTS) == 15
    known, unknown = published(Profile(name="bare"))
    assert (known, unknown) == ([], list(NAMED_FACTS))
    known, unknown = published(load_profile("fireworks"))
    assert unknown == ["max output", "training use"]
    assert sorted(known + unknown) == sorted(NAMED_FACTS)


def test_comparison_row() -> None:
    profile = Profile.model_validate(
        {
            "name": "example",
            "docs_url": "https://example.com/docs",
            "models": {"default": "small", "vision": "small", "embedding": "embed", "others": ["large"]},
            "features": {
                "tools": {"offered": False, "sources": ["https://example.com/t"], "as_of": "2026-11-01"}
            },
            "limits": {
                "context_window": {"value": 8192, "as_of": "2026-01-01", "confirmed": False, "note": "n"}
            },
            "prices": {
                "large": {"input": 2, "output": 4},
                "small": {
                    "input": 0.1,
                    "output": 0.4,
                    "source": "https://example.com/p",
                    "as_of": "2026-11-01",
                },
                "embed": {"input": 0.01, "output": 0},
            },
            "pages": {"status": "https://status.example.com"},
        }
    )
    row = comparison_row(profile, TODAY)
    assert row["models"] == ["small", "embed", "large"]
    assert row["starting_price"]["value"] == {
        "model": "small",
        "input": 0.1,
        "output": 0.4,
        "unit": "USD per million tokens",
    }
    assert (row["starting_price"]["old"], row["starting_price"]["as_of"]) == (False, "2026-11-01")
    assert row["context_window"] == {
        "value": 8192,
        "source": None,
        "as_of": "2026-01-01",
        "confirmed": False,
        "note": "n",
        "old": True,
    }
    assert (row["tools"]["value"], row["tools"]["source"], row["tools"]["old"]) == (
        False,
        "https://example.com/t",
        False,
    )
    assert (row["vision"]["value"], row["vision"]["old"]) == (None, False)
    assert row["facts_published"]["count"] == 5
    assert row["facts_published"]["of"] == 15
    assert row["links"] == {"docs": "https://example.com/docs", "status": "https://status.example.com"}
    assert row["verified_live"] is None


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_profile_has_a_row(name: str) -> None:
    row = comparison_row(load_profile(name), TODAY)
    assert row["category"]["value"]
    assert row["openai_compatible"]["value"]
    assert row["facts_published"]["count"] + len(row["facts_published"]["unknown"]) == 15


def test_features_are_those_of_the_vocabulary() -> None:
    assert FEATURES == (
        "streaming",
        "tools",
        "parallel-tools",
        "json-object",
        "json-schema",
        "embeddings",
        "vision",
        "responses",
        "logprobs",
        "n",
        "moderation",
        "batch",
    )


def test_profiles_are_frozen() -> None:
    profile = load_profile("demo")
    with pytest.raises(ValueError, match="frozen"):
        profile.base_url = "https://evil.example"
    with pytest.raises(ValueError, match="status"):
        KnownDeviation.model_validate({"summary": "x", "status": "maybe"})


def test_import_is_light() -> None:
    """Profiles load before anything is asked: they bring no client, no price data, no command line."""
    package = Path(sys.modules["llmcompat"].__path__[0])
    code = (
        "import sys, types; root = types.ModuleType('llmcompat'); "
        f"root.__path__ = [{str(package)!r}]; sys.modules['llmcompat'] = root; "
        "import llmcompat.profiles, llmcompat.billing; "
        "print(sorted({'httpx', 'httpx2', 'genai_prices', 'typer'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
