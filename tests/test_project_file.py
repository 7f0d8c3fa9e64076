"""The project file: found, read, refused with file and line, and laid between command line and profile."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmcompat.cli.layers import folders_of, open_project, signoff_path, targets_of, verify
from llmcompat.cli.problems import Problem
from llmcompat.cli.target import Options, Plan, gather, plan
from llmcompat.engine.loader import load_checklist
from llmcompat.model import Acceptance, UseCase
from llmcompat.project import Project, ProjectError, find_project, load_project
from llmcompat.settings import LatencyBudget

NOW = datetime(2026, 11, 22, tzinfo=UTC)

WHOLE = """\
targets:
  chat:
    provider: ./far.yaml
    request:
      headers: {X-Title: shop, api-key: env:SHOP_KEY}
      body: {temperature: 0.2, user: {id: env:SHOP_USER}}
    budgets: {run_usd: 0.5}
    uses: [logprobs]
  embeddings:
    provider: deepinfra
    model: BAAI/bge-m3
  eyes: {provider: groq:some-eyes, purpose: vision}
for: chat
uses: [tools, n]
without: moderation
clients: [openai-python]
request:
  headers: {X-Title: all, X-Region: eu}
accepted:
  - check: tool-arguments-string
    case: object
    target: chat
    reason: our parser takes it
    until: 2027-05-01
  - {check: stream-done, reason: all of them}
  - {check: stream-done, target: deepinfra, reason: only there}
  - {check: stream-done, target: 'far:far-chat', reason: this model}
budgets: {latency: {first_token: 2.0}, run_usd: 0.2, monthly_usd: 200}
signoff: signed.yaml
checks: [./own]
concurrency: 4
timeout: 30
strict: true
"""

FAR = "base_url: https://llm.example.com/v1\nkey_variable: FAR_KEY\nmodels: {default: far-chat}\n"

SECRETS = {"SHOP_KEY": "shop-secret-value", "SHOP_USER": "user-seventeen", "DEEPINFRA_TOKEN": "deep-token-1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "far.yaml").write_text(FAR, encoding="utf-8")
    (tmp_path / "own").mkdir()
    return tmp_path


def project(folder: Path, text: str = WHOLE) -> Project:
    file = folder / "llmcompat.yaml"
    file.write_text(text, encoding="utf-8")
    return load_project(file, shown="llmcompat.yaml")


def planned(
    target: str | None,
    project: Project,
    options: Options | None = None,
    with_key: bool = True,
    environ: dict[str, str] = SECRETS,
) -> Plan:
    return plan(target, options or Options(), environ, now=NOW, with_key=with_key, project=project)


def test_a_target_takes_its_own_values_then_the_files(folder: Path) -> None:
    found = planned("chat", project(folder))
    settings = found.settings
    assert (settings.provider, settings.model, settings.role) == ("far", "far-chat", "chat")
    assert settings.use_case is UseCase.CHAT
    assert settings.uses == {"logprobs"}
    assert settings.without == {"moderation", "embeddings", "vision"}
    assert settings.clients == ("openai-python",)
    assert settings.headers == {"X-Title": "shop", "X-Region": "eu", "api-key": "shop-secret-value"}
    assert settings.body == {"temperature": 0.2, "user": {"id": "user-seventeen"}}
    assert settings.max_usd == 0.5
    assert settings.monthly_usd == 200
    assert settings.latency == LatencyBudget(first_token=2.0)
    assert (settings.concurrency, settings.timeout, settings.strict) == (4, 30, True)
    assert found.location is not None
    assert (found.location.path, found.location.line) == ("llmcompat.yaml", 2)


def test_options_go_before_the_file(folder: Path) -> None:
    options = Options(
        model="other",
        headers=("x-title: typed",),
        body=("temperature=1",),
        use_case="trial",
        uses=("",),
        without=("n",),
        rest={"concurrency": 1, "max_usd": 0.01, "strict": False},
    )
    found = planned("chat", project(folder), options)
    settings = found.settings
    assert settings.model == "other"
    assert settings.headers == {"x-title": "typed", "X-Region": "eu", "api-key": "shop-secret-value"}
    assert settings.body == {"temperature": 1, "user": {"id": "user-seventeen"}}
    assert settings.use_case is UseCase.TRIAL
    assert settings.uses == frozenset()
    assert settings.without == {"n", "embeddings", "vision"}
    assert (settings.concurrency, settings.max_usd, settings.strict) == (1, 0.01, False)
    origins = {name: each.text for name, each in found.origins.items()}
    assert origins["model"] == "--model"
    assert origins["request.headers.x-title"] == "--header"
    assert "request.headers.X-Title" not in origins
    assert origins["request.headers.X-Region"] == "llmcompat.yaml:18"
    assert origins["timeout"] == "llmcompat.yaml:32"
    assert origins["for"] == "--for"
    assert "deadline" not in origins


def test_embeddings_and_vision_are_asked_for_what_they_do(folder: Path) -> None:
    file = project(folder)
    vectors = planned("embeddings", file).settings
    assert vectors.embedding_model == "BAAI/bge-m3"
    assert vectors.model != "BAAI/bge-m3"  # the one chat that begins a run goes to a chat model
    assert vectors.uses == {"embeddings"}
    assert vectors.without == {"moderation"}
    assert {"embeddings", "models", "data-policy", "lock-in"} < set(vectors.only)
    eyes = planned("eyes", file, with_key=False).settings
    assert (eyes.model, eyes.vision_model) == ("some-eyes", "some-eyes")
    assert eyes.uses == {"vision"}
    assert "vision" in eyes.only


def test_what_embeddings_are_judged_by_exists_and_is_a_must(folder: Path) -> None:
    from llmcompat.engine.selection import select

    checklist = load_checklist()
    for role in ("embeddings", "eyes"):
        settings = planned(role, project(folder), with_key=False).settings
        judged = {check.item for check in select(checklist, settings).checks}
        assert judged == {role.replace("eyes", "vision"), "models", "data-policy", "lock-in", "billing"}
        assert settings.asks_for(role.replace("eyes", "vision"))


def test_whoever_uses_embeddings_at_the_chat_target_keeps_them(folder: Path) -> None:
    text = "targets:\n  chat: {provider: demo, uses: [embeddings]}\n  embeddings: demo\n"
    assert planned("chat", project(folder, text)).settings.without == frozenset()


def test_accepted_deviations_are_those_of_the_target(folder: Path) -> None:
    file = project(folder)

    def reasons(target: str, options: Options | None = None) -> set[str]:
        found = planned(target, file, options, with_key=False)
        return {each.reason for each in found.settings.accepted}

    assert reasons("chat") == {"our parser takes it", "all of them", "this model"}
    assert reasons("chat", Options(model="other")) == {"our parser takes it", "all of them"}
    assert reasons("embeddings") == {"all of them", "only there"}
    assert reasons("deepinfra") == {"all of them", "only there"}
    accepted = planned("chat", file).settings.accepted
    assert Acceptance("tool-arguments-string", "object", "our parser takes it", "2027-05-01") in accepted


def test_a_provider_that_is_no_role_gets_what_is_said_for_all(folder: Path) -> None:
    found = planned("groq", project(folder), with_key=False)
    assert (found.settings.role, found.location) == (None, None)
    assert found.settings.headers == {"X-Title": "all", "X-Region": "eu"}
    assert found.settings.without == {"moderation"}
    assert found.settings.use_case is UseCase.CHAT


def test_a_role_goes_before_a_shipped_profile_of_its_name(folder: Path) -> None:
    file = project(folder, "targets:\n  groq: demo\n")
    assert planned("groq", file).settings.provider == "demo"
    assert planned("groq:another", file).settings.model == "another"


def test_a_plain_list_names_targets_without_roles(folder: Path) -> None:
    file = project(folder, "for: trial\ntargets:\n- demo\n- groq:some-model\n")
    assert targets_of([], file, base_url=None, model=None) == ["demo", "groq:some-model"]
    found = planned("groq:some-model", file, with_key=False)
    assert (found.settings.role, found.settings.model) == (None, "some-model")
    assert found.location is not None
    assert found.location.line == 4


def test_which_targets_are_meant(folder: Path) -> None:
    file = project(folder)
    assert targets_of(["demo"], file, base_url=None, model=None) == ["demo"]
    assert targets_of([], file, base_url="https://x.example/v1", model="m") == [None]
    assert targets_of([], None, base_url=None, model=None) == [None]
    with pytest.raises(Problem, match=r"llmcompat\.yaml: has no targets"):
        targets_of([], project(folder, "for: chat\ntargets:\n"), base_url=None, model=None)


def test_an_unknown_target_names_the_nearest_role(folder: Path) -> None:
    with pytest.raises(Problem, match=r"^chta: no such target in llmcompat.yaml \(did you mean chat\?\)"):
        planned("chta", project(folder))


# --- values from the environment


def test_values_of_the_environment_are_secrets_and_in_no_repr(folder: Path) -> None:
    found = planned("chat", project(folder))
    assert {"shop-secret-value", "user-seventeen", "deep-token-1"} <= set(found.secrets)
    assert found.key is None  # the header carries the credential
    assert not found.settings.has_key
    assert "shop-secret-value" not in repr(found.origins)


def test_what_sends_nothing_resolves_nothing(folder: Path) -> None:
    for options, with_key in ((Options(), False), (Options(simulate=True), True)):
        file = project(
            folder, "targets: {chat: {provider: deepseek, request: {headers: {api-key: env:NO}}}}\n"
        )
        assert planned("chat", file, options, with_key, {}).settings.headers == {"api-key": "env:NO"}


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"SHOP_USER": "u"}, ":5: targets.chat.request.headers.api-key: SHOP_KEY: no such variable is set"),
        ({"SHOP_KEY": "", "SHOP_USER": "u"}, "SHOP_KEY: no such variable is set"),
        ({"SHOP_KEY": "shop-secret-value"}, ":6: targets.chat.request.body.user.id: SHOP_USER: no such"),
        ({"SHOP_KEY": "hunter2", "SHOP_USER": "u"}, "SHOP_KEY: holds fewer than 8 characters"),
        ({"SHOP_KEY": "hunter2\r\nX: y", "SHOP_USER": "u"}, "SHOP_KEY: must hold one line"),
    ],
)
def test_variables_that_cannot_be_used(folder: Path, environ: dict[str, str], words: str) -> None:
    with pytest.raises(ProjectError) as caught:
        planned("chat", project(folder), environ=environ)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_variable_of_the_command_line(folder: Path) -> None:
    file = project(folder, "targets: [deepseek]\n")
    options = Options(headers=("api-key: env:SHOP_KEY",))
    found = planned("deepseek", file, options)
    assert found.settings.headers == {"api-key": "shop-secret-value"}
    assert "shop-secret-value" in found.secrets
    with pytest.raises(Problem, match=r"^--header: NOWHERE: no such variable is set"):
        planned("deepseek", file, Options(headers=("api-key: env:NOWHERE",)))


def test_credentials_of_a_target_go_to_its_own_origin_only(folder: Path) -> None:
    moved = Options(base_url="https://elsewhere.example/v1")
    with pytest.raises(ProjectError, match=r"goes to https://llm\.example\.com/v1 only") as caught:
        planned("chat", project(folder), moved)
    assert "secret" not in str(caught.value)
    same = Options(base_url="https://llm.example.com/other")
    assert planned("chat", project(folder), same).settings.headers["api-key"] == "shop-secret-value"


def test_the_key_that_a_file_names_goes_to_its_own_origin_only(folder: Path) -> None:
    file = project(folder, "targets: {chat: {provider: ./far.yaml, api_key_env: SHOP_KEY}}\n")
    assert planned("chat", file).key == "shop-secret-value"
    environ = SECRETS | {"LLMCOMPAT_API_KEY": "any-key-at-all"}
    moved = planned("chat", file, Options(base_url="https://elsewhere.example/v1"), environ=environ)
    assert moved.key == "any-key-at-all"
    with pytest.raises(ProjectError, match=r":1: targets\.chat\.api_key_env: SHOP_KEY: no such variable"):
        planned("chat", file, environ={})


# --- finding


def test_the_nearest_file_upwards_is_found(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "llmcompat.yaml").write_text("targets: [demo]\n", encoding="utf-8")
    assert find_project(inner) == tmp_path / "llmcompat.yaml"
    (inner / "llmcompat.yaml").mkdir()  # a folder of that name is none
    assert find_project(inner) == tmp_path / "llmcompat.yaml"
    (tmp_path / "a" / "llmcompat.yaml").write_text("targets: [demo]\n", encoding="utf-8")
    assert find_project(inner) == tmp_path / "a" / "llmcompat.yaml"


@pytest.mark.parametrize("foreign", [True, False])
@pytest.mark.parametrize("mode", [0o777, 0o755])
def test_a_file_that_another_user_planted_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, foreign: bool
) -> None:
    inner = tmp_path / "shared" / "mine"
    inner.mkdir(parents=True)
    file = tmp_path / "shared" / "llmcompat.yaml"
    file.write_text("targets: [demo]\n", encoding="utf-8")
    file.parent.chmod(mode)
    monkeypatch.setattr("llmcompat.project.file._is_foreign", lambda path: foreign)
    planted = foreign and mode == 0o777 and sys.platform != "win32"
    assert find_project(inner) == (None if planted else file)
    assert find_project(file.parent) == file, "in the working folder itself it is meant"


def test_a_folder_that_may_not_be_looked_into_holds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "llmcompat.yaml").write_text("targets: [demo]\n", encoding="utf-8")
    (tmp_path / "closed" / "mine").mkdir(parents=True)
    is_file = Path.is_file

    def refuse(path: Path) -> bool:
        if path.parent.name == "closed":
            raise PermissionError(13, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refuse)
    assert find_project(tmp_path / "closed" / "mine") == tmp_path / "llmcompat.yaml"


def test_the_file_is_named_or_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "llmcompat.yaml").write_text("targets: [demo]\n", encoding="utf-8")
    (tmp_path / "other.yaml").write_text("targets: [groq]\n", encoding="utf-8")
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    found = open_project(None, without=False)
    assert found is not None
    assert found.shown == "../llmcompat.yaml"
    assert found.place("targets", "demo") == "../llmcompat.yaml:1"
    named = open_project("../other.yaml", without=False)
    assert named is not None
    assert list(named.targets) == ["groq"]
    assert open_project(None, without=True) is None
    with pytest.raises(Problem, match="--no-project"):
        open_project("../other.yaml", without=True)


def test_paths_are_relative_to_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = project(folder)
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert folders_of(["mine"], file) == [folder / "own", Path("mine")]
    assert signoff_path(None, file).resolve() == (folder / "signed.yaml").resolve()
    assert signoff_path("typed.yaml", file) == Path("typed.yaml")
    assert planned("chat", file).settings.base_url == "https://llm.example.com/v1"
    (folder / "bare").write_text(FAR, encoding="utf-8")
    bare = project(folder, "targets: {chat: ./bare}\nchecks: [./own]\n")
    assert planned("chat", bare, with_key=False).settings.model == "far-chat"
    (folder / "own").rmdir()
    with pytest.raises(ProjectError, match=r"llmcompat\.yaml:30: checks\.0: no such folder"):
        folders_of([], file)


# --- refusing


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("targets: {chat: demo, chat: groq}", ":1: targets.chat: is given twice; remove one of them"),
        ("targets:\n- demo\n- demo", ":3: targets.1: demo is given twice; remove one of them"),
        ("targets: [{provider: demo}]", ":1: targets.0: must be text such as deepseek"),
        ("targets: 5", ":1: targets: must hold keys and values"),
        ("targets: {Chat: demo}", ":1: targets.Chat: must be named in lower-case letters"),
        ("targets: {chat: {model: m}}", ":1: targets.chat: needs provider, or base_url and model"),
        ("tragets: [demo]", ":1: tragets: is not a key of llmcompat.yaml here; did you mean 'targets'?"),
        ("targets:\n  chat:\n    modle: x", ":3: targets.chat.modle: is not a key of llmcompat.yaml here"),
        ("uses:\n- visoin", ":2: uses.0: visoin is not a feature; did you mean 'vision'?"),
        ("for: agnet", ":1: for: agnet is not a use case; did you mean 'agent'?"),
        ("clients: openai-pyton", ":1: clients.0: openai-pyton is not a client that is known of"),
        ("accepted:\n- {check: a}", ":2: accepted.0.reason: is missing; add it"),
        ("accepted:\n- {check: a, reason: b, until: soon}", ":2: accepted.0.until: must be a date such as"),
        ("accepted:\n- {check: a, reason: b, until: 2027-13-01}", ":2: accepted.0.until: must be a date"),
        ("accepted:\n- {check: a, reason: b, until: 86400}", ":2: accepted.0.until: must be a date"),
        ("targets: {chat: demo}\naccepted:\n- {check: a, reason: b, target: chta}", "did you mean 'chat'?"),
        ("budgets: {run_usd: -1}", ":1: budgets.run_usd: should be greater than or equal to 0"),
        ("budgets: {latency: {first_token: .inf}}", ":1: budgets.latency.first_token: must be a number"),
        ("concurrency: 0", ":1: concurrency: should be greater than or equal to 1"),
        ("api_key: hunter22", ":1: api_key: keys are never in the file; name the variable that holds it"),
        (
            "targets: {chat: {provider: demo, key: hunter22}}",
            ":1: targets.chat.key: keys are never in the file",
        ),
        ("targets: {chat: {provider: demo, api_key_env: hunter-22}}", "must be the name of an environment"),
        ("request: {headers: {api-key: env:A}}", ":1: request.headers.api-key: is a credential, which one"),
        (
            "targets:\n  chat:\n    provider: demo\n    request:\n      headers:\n        Cookie: hunter22",
            ":6: targets.chat.request.headers.Cookie: is a credential: write 'Cookie: env:NAME'",
        ),
        ("request: {headers: {X-A: 'env:hunter-22'}}", ":1: request.headers.X-A: must be env:NAME"),
        ("request: {body: {a: [{b: 'env:'}]}}", ":1: request.body.a.0.b: must be env:NAME"),
        ("request: {headers: {'X A': hunter22}}", ":1: request.headers.X A: must be a name that HTTP allows"),
        ('request: {headers: {X-A: "hunter22\\r\\nB: c"}}', "with one line of ASCII text"),
        ("request: {body: {messages: []}}", ":1: request.body.messages: cannot be set"),
        ("request: {body: {when: 2026-01-01}}", "put it in quotes"),
        ("targets: {chat: {base_url: 'https://a:hunter22@x.example/v1', provider: demo}}", None),
    ],
)
def test_mistakes_are_told_with_line_and_key(folder: Path, text: str, expected: str | None) -> None:
    with pytest.raises((ProjectError, Problem)) as caught:
        planned("chat", project(folder, text + "\n"))
    told = str(caught.value)
    assert (expected or "must not hold a user name or password") in told
    assert told.startswith("llmcompat.yaml:")
    assert told.isprintable()
    assert "hunter" not in told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("provider: deepsek", ":3: targets.chat.provider: no such profile; did you mean 'deepseek'?"),
        ("provider: ./none.yaml", ":3: targets.chat.provider: no such file; check the path"),
        ("provider: 'groq:'", ":3: targets.chat.provider: names no model behind the colon"),
        ("provider: groq:a\n    model: b", ":4: targets.chat.model: b and the provider's a are two models"),
        (
            "provider: demo\n    base_url: http://10.0.0.1/v1",
            ":4: targets.chat.base_url: http://10.0.0.1/v1: plain",
        ),
        ("provider: ollama", ":2: targets.chat: ollama: which model?"),
    ],
)
def test_mistakes_that_a_plan_finds(folder: Path, text: str, expected: str) -> None:
    with pytest.raises(ProjectError) as caught:
        planned("chat", project(folder, f"targets:\n  chat:\n    {text}\n"))
    assert f"llmcompat.yaml{expected}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "accepted:\n- {check: tool-arguments-sting, reason: a}\n",
            ":2: accepted.0.check: no check has the id tool-arguments-sting; did you mean 'tool-arguments-",
        ),
        ("only: [stream-done, 'nothing-*']\n", ":1: only.1: no check or item is named nothing-*"),
        (
            "targets:\n  chat:\n    provider: demo\n    skip: [streeming]\n",
            ":4: targets.chat.skip.0: no check or item is named streeming; did you mean 'streaming'?",
        ),
    ],
)
def test_names_of_checks_that_do_not_exist(folder: Path, text: str, expected: str) -> None:
    with pytest.raises(ProjectError) as caught:
        verify(project(folder, text), load_checklist())
    assert f"llmcompat.yaml{expected}" in str(caught.value)


def test_an_expired_acceptance_is_no_mistake(folder: Path) -> None:
    file = project(folder, "accepted:\n- {check: stream-done, reason: a, until: 2001-01-01}\n")
    verify(file, load_checklist())
    assert planned("demo", file).settings.accepted[0].until == "2001-01-01"


def test_the_options_of_a_command_say_nothing_unless_given() -> None:
    assert gather({"model": None, "uses": None, "timeout": None, "format": "table"}) == Options()
    given = gather(
        {"model": "m", "only": ["a,b"], "timeout": 3.0, "header": ["X-A: b"], "client": ["openai-python"]}
    )
    assert (given.model, given.headers) == ("m", ("X-A: b",))
    assert given.rest == {"only": ("a", "b"), "timeout": 3.0, "clients": ("openai-python",)}
