"""From what was typed to what is run: profile, settings and key of one target. Nothing is sent here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llmcompat.billing import price_for
from llmcompat.billing.alerts import secrets_of
from llmcompat.billing.month import ALERT_AT
from llmcompat.cli.layers import (
    DEFAULT,
    Layers,
    Origin,
    from_profile,
    signoff_path,
    unknown_target,
)
from llmcompat.cli.problems import Problem, nearest, printable
from llmcompat.clients import clients
from llmcompat.model import Location, Target, UseCase
from llmcompat.profiles import FEATURES, Profile, ProfileError, load_profile, shipped_profiles
from llmcompat.profiles.loader import is_path
from llmcompat.profiles.schema import origin
from llmcompat.project import Project, is_credential, variable_of, variables_in
from llmcompat.project.schema import OWN_FIELDS, Alert
from llmcompat.project.signatures import signatures_for
from llmcompat.settings import LatencyBudget, Pricing, Settings
from llmcompat.simulator.personas import embedding_model
from llmcompat.wire.client import is_loopback

ANY_KEY = "LLMCOMPAT_API_KEY"
"""The variable whose key goes wherever the user points, as no provider's key does."""

DEMO_ADDRESS = "http://127.0.0.1/v1"
"""Stands for the built-in endpoint until it has started and its port is known."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")

_RUN = (
    "concurrency",
    "timeout",
    "deadline",
    "max_prompt_tokens",
    "repeat",
    "strict",
    "require_signoff",
    "fail_on_stale",
)
"""Settings of a whole run that have the same name in the project file."""


@dataclass(frozen=True)
class Options:
    """What the command line says of targets, as it was typed; None and empty where it says nothing."""

    base_url: str | None = None
    model: str | None = None
    embedding_model: str | None = None
    vision_model: str | None = None
    context_window: int | None = None
    api_key_env: str | None = None
    headers: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    insecure_http: bool | None = None
    simulate: bool = False
    use_case: str | None = None
    uses: tuple[str, ...] = ()
    """Comma lists, as those below; one that holds no name is given and empty."""
    without: tuple[str, ...] = ()
    signoff: str | None = None
    """The file with the signatures of manual lines."""
    first_token: float | None = None
    """Seconds."""
    tokens_per_second: float | None = None
    rest: Mapping[str, Any] = field(default_factory=dict)
    """Settings that are taken as they are, by their name in `Settings`; None where nothing is said."""


def gather(given: Mapping[str, Any]) -> Options:
    """The options of a command, from its parameters by name: those that it does not have say nothing.

    Raises Problem for a client that is unknown.
    """
    said = {name: value for name, value in given.items() if value is not None}
    own = {each.name for each in fields(Options)} - {"rest"}
    lists = {"header": "headers", "body": "body", "uses": "uses", "without": "without"}
    options: dict[str, Any] = {name: said[name] for name in own - set(lists) if name in said}
    options |= {field: tuple(said[name]) for name, field in lists.items() if name in said}
    rest = ("quick", "max_usd", "monthly_usd", "balance_floor", *_RUN)
    options["rest"] = {name: said[name] for name in rest if name in said}
    options["rest"] |= {name: split_commas(said[name]) for name in ("only", "skip") if said.get(name)}
    if said.get("client"):
        options["rest"]["clients"] = parse_clients(said["client"])
    return Options(**options)


@dataclass(frozen=True)
class Plan:
    """One target, ready to run. `key` and `secrets` are never shown."""

    settings: Settings
    profile: Profile
    key: str | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    built_in: bool = False
    """The endpoint is the simulator, which the run starts itself."""
    faults: tuple[str, ...] = ()
    """How that simulator behaves; none is as OpenAI's API does."""
    location: Location | None = None
    """Where the project file names the target."""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """Where each value comes from, by the name that it has in the project file."""
    key_variables: tuple[str, ...] = ()
    """The environment variables that may hold the key; the first one that is set counts."""
    names: tuple[str | None, ...] = ()
    """What the project file's `accepted` may call the target."""
    alert_at: tuple[float, ...] = ALERT_AT
    """Shares of the month's budget at which somebody is told."""
    alert: Alert | None = None
    """Who is told."""


def plan(
    target: str | None,
    options: Options,
    environ: Mapping[str, str],
    *,
    now: datetime | None = None,
    with_key: bool = True,
    project: Project | None = None,
) -> Plan:
    """What to run for a TARGET, or for --base-url and --model alone.

    Options go before the project file, that before the profile, the profile before defaults. A TARGET is a
    target of the project file where it has one of that name. `with_key` False is for what sends nothing: no
    key and no `env:` value is looked up. Raises Problem, ProfileError, ProjectError or SignatureError.
    """
    layers = Layers(project, target)
    entry = layers.entry
    profile, named_model = _profile(target, options, layers)
    who = profile.name
    if options.simulate:
        _refuse_beside_simulate(target, options)
    # a simulation is asked instead of the provider, so the file's own address means nothing to it
    at_file = entry.base_url if entry and not (options.simulate and profile.base_url) else None
    built_in = profile.kind == "demo" and not (options.base_url or at_file or profile.base_url)
    if built_in and options.simulate:
        raise Problem(f"--simulate: {who} is the simulator itself; leave it out")
    insecure_http = bool(layers.pick("insecure_http", options.insecure_http))
    if built_in:
        base_url = DEMO_ADDRESS
        layers.origins["base_url"] = from_profile(profile)
    else:
        own_url = (profile.base_url, from_profile(profile))
        given = options.base_url or at_file or profile.base_url
        if given is None:
            raise Problem(f"{who}: the profile has no base_url; give --base-url")
        if options.simulate:
            layers.origins["base_url"] = own_url[1]
        else:
            layers.pick("base_url", options.base_url, own_url)
        with layers.blaming("base_url", "--base-url"):
            base_url = checked_base_url(given, insecure_http=insecure_http)
    own = built_in or (profile.base_url is not None and origin(profile.base_url) == origin(base_url))
    if not own:
        # what it costs and where its balance is told is true of the provider's own host only
        profile = profile.model_copy(update={"balance": None, "prices": {}})
    models = _models(target, named_model, options, profile, layers)
    if models.chat is None:
        text = _no_model(who, base_url, profile)
        if project is not None and layers.name is not None:
            raise project.error(f"{text}, or with `model:` here", "targets", layers.name)
        raise Problem(text)
    window = profile.limits.context_window
    published = [(window.value, from_profile(profile, window))] if window and models.is_default else []
    loopback = is_loopback(base_url)
    with_key = with_key and not built_in and not options.simulate
    headers = layers.merged("headers", parse_headers(options.headers), {}, DEFAULT)
    body = layers.merged(
        "body", parse_body(options.body), profile.request.body, from_profile(profile, profile.request)
    )
    by_header = any(map(is_credential, headers))
    home = at_file or profile.base_url
    api_key_env = _key_variable(options, layers, base_url, home)
    key, variables = None, key_variables(profile, base_url, api_key_env)
    if by_header and api_key_env is None:
        variables = ()
    elif with_key:
        with layers.blaming("api_key_env", "--api-key-env"):
            key = find_key(profile, base_url, api_key_env, environ)
    values: list[str] = []
    if with_key:
        headers, found = layers.resolved("headers", headers, environ, base_url, home)
        body, more = layers.resolved("body", body, environ, base_url, home)
        values = [*found, *more]
    names = (layers.role, *models.names(who))
    settings = Settings(
        provider=who,
        base_url=base_url,
        model=models.chat,
        embedding_model=models.embedding,
        vision_model=models.vision,
        context_window=layers.pick("context_window", options.context_window, *published),
        headers=headers,
        body=body,
        **_choice(options, layers),
        **_traffic(project),
        role=layers.role,
        signatures=signatures_for(signoff_path(options.signoff, project), Target(who, base_url, models.chat)),
        accepted=project.accepted_for(*names) if project else (),
        loopback=loopback,
        has_key=key is not None or (not with_key and not loopback and not options.simulate and not by_header),
        simulated=options.simulate,
        pricing=_priced(layers, profile, base_url, models.chat, now or datetime.now(UTC), own=own),
    )
    secrets = {*known_secrets(environ, profile, also=api_key_env), *values, *_file_secrets(project, environ)}
    return Plan(
        settings,
        profile,
        key,
        tuple(sorted(secrets)),
        built_in,
        location=project.location(layers.name) if project and layers.name is not None else None,
        origins=layers.origins,
        key_variables=variables,
        names=names,
        alert_at=layers.pick("budgets.alert_at", None) or ALERT_AT,
        alert=layers.pick("budgets.alert", None),
    )


@dataclass(frozen=True)
class _Models:
    """The models to ask; `is_default` where the one for chat is the profile's."""

    chat: str | None
    embedding: str | None
    vision: str | None
    is_default: bool

    def names(self, provider: str) -> tuple[str, ...]:
        """What `accepted` may call the target."""
        return (provider, *(f"{provider}:{each}" for each in (self.chat, self.embedding) if each))


def _models(
    target: str | None, named: str | None, options: Options, profile: Profile, layers: Layers
) -> _Models:
    """The models of a target; where it is used for embeddings or vision alone, `model` names that one."""
    at_file = layers.in_file("model")
    in_target = layers.named_model or (named if layers.name is None else None)
    if in_target and options.model:
        raise Problem(
            f"{printable(target or '')} and --model {printable(options.model)} name two models; give one"
        )
    if named and at_file and layers.project:
        problem = f"{at_file[0]} and the provider's {named} are two models; give one"
        raise layers.project.error(printable(problem), *at_file[1].keys)
    first: list[tuple[Any, Origin]] = []
    if in_target:
        first = [(in_target, Origin("option", "TARGET"))]
    elif options.model:
        first = [(options.model, Origin("option", "--model"))]
    elif at_file:
        first = [at_file]
    elif named:
        found = layers.in_file("provider")
        first = [(named, found[1])] if found else []
    known = profile.models
    published = {
        name: [(fact.value, from_profile(profile, fact))] if fact else []
        for name, fact in (
            ("model", known.default),
            ("embedding_model", known.embedding),
            ("vision_model", known.vision),
        )
    }
    if options.simulate and (played := embedding_model(profile)):
        published["embedding_model"].insert(0, (played, from_profile(profile)))
    own = {"embeddings": "embedding_model", "vision": "vision_model"}.get(layers.purpose)
    if own is not None:
        published[own] = [*first, *published[own]]
    embedding = layers.pick("embedding_model", options.embedding_model, *published["embedding_model"])
    vision = layers.pick("vision_model", options.vision_model, *published["vision_model"])
    if layers.purpose == "embeddings" and embedding == (first[0][0] if first else None):
        # the run begins with one chat, for which an endpoint of embeddings alone has no model
        first = [*published["model"], *first]
    chosen = next(iter([*first, *published["model"]]), None)
    if chosen is None:
        if layers.purpose != "embeddings" or embedding is None:
            return _Models(None, embedding, vision, False)
        chosen = (embedding, layers.origins["embedding_model"])
    layers.origins["model"] = chosen[1]
    is_default = known.default is not None and chosen[0] == known.default.value
    return _Models(chosen[0], embedding, vision, is_default)


def _choice(options: Options, layers: Layers) -> dict[str, Any]:
    """What is checked and within which bounds, as settings; what no layer names is left to the defaults."""
    rest = {name: value for name, value in _finite(options.rest).items() if value is not None}
    use_case = parse_use_case(options.use_case) if options.use_case is not None else None
    uses = parse_features(options.uses, "--uses") if options.uses else None
    without = parse_features(options.without, "--without") if options.without else None
    first, speed = "--max-first-token", "--min-tokens-per-second"
    latency = LatencyBudget(
        first_token=layers.pick(
            "budgets.latency.first_token", _above_zero(options.first_token, first), option=first
        ),
        tokens_per_second=layers.pick(
            "budgets.latency.tokens_per_second", _above_zero(options.tokens_per_second, speed), option=speed
        ),
    )
    chosen = {
        "use_case": layers.pick("for", use_case),
        **layers.features(uses, without),
        "clients": layers.pick("clients", rest.pop("clients", None), option="--client"),
        "only": layers.only(rest.pop("only", None)),
        "skip": layers.pick("skip", rest.pop("skip", None)),
        "latency": latency,
        "max_usd": layers.pick("budgets.run_usd", rest.pop("max_usd", None), option="--max-usd"),
        "monthly_usd": layers.pick("budgets.monthly_usd", rest.pop("monthly_usd", None)),
        "balance_floor": layers.pick("balance_floor", rest.pop("balance_floor", None)),
        **{name: layers.pick(name, rest.pop(name, None)) for name in _RUN},
    }
    return {name: value for name, value in {**chosen, **rest}.items() if value is not None}


def _traffic(project: Project | None) -> dict[str, Any]:
    """What the project file says of the application's own traffic, as settings."""
    if project is None:
        return {}
    content = project.content
    return {"calls": content.calls, "peak": content.peak, "prompt_tokens": content.prompt_tokens}


def _key_variable(options: Options, layers: Layers, base_url: str, home: str | None) -> str | None:
    """The variable that is named for the key; the file's one is for the target's own origin only."""
    found = layers.in_file("api_key_env")
    if options.api_key_env is None and found and (home is None or origin(home) != origin(base_url)):
        return None
    name: str | None = layers.pick("api_key_env", options.api_key_env)
    return name


def _file_secrets(project: Project | None, environ: Mapping[str, str]) -> set[str]:
    """The values of all variables that the project file names, whichever target they are for."""
    if project is None:
        return set()
    requests = [project.content.request, *(entry.request for entry in project.targets.values())]
    named = {name for each in requests for _, name in variables_in([each.headers, each.body])}
    named |= {entry.api_key_env for entry in project.targets.values() if entry.api_key_env}
    values = {value for name in named if (value := environ.get(name))}
    for each in (project.content, *project.targets.values()):
        if each.budgets.alert is not None and (address := each.budgets.alert.address(environ)):
            values |= secrets_of(address)
    return values


def _refuse_beside_simulate(target: str | None, options: Options) -> None:
    """What says where to ask, and with which key, means nothing to a simulation. Raises Problem."""
    if target is None:
        raise Problem("--simulate: give a TARGET to simulate, such as `check deepseek --simulate`")
    for name, value in (("--base-url", options.base_url), ("--api-key-env", options.api_key_env)):
        if value is not None:
            raise Problem(
                f"{name}: a simulation is asked instead of the provider; leave it or --simulate out"
            )


def split_target(target: str) -> tuple[str, str | None]:
    """The profile (name or path) and the model of a TARGET such as `groq`, `ollama:llama3:8b`, `my.yaml`."""
    head, colon, tail = target.partition(":")
    if re.match(r"https?://", target, re.IGNORECASE):
        raise Problem("a TARGET is a profile; for an endpoint of your own give --base-url URL --model NAME")
    if colon and head.strip().lower() not in shipped_profiles():
        path = re.match(r"(.*\.ya?ml)(?::(.*))?\Z", target, re.IGNORECASE | re.DOTALL)
        if path:
            head, colon, tail = path[1], ":" if path[2] is not None else "", path[2] or ""
        elif re.search(r"[/\\]", head) or (len(head) == 1 and tail[:1] in ("/", "\\")):
            head, colon, tail = target, "", ""
    if colon and not tail.strip():
        raise Problem(f"{printable(target)}: names no model behind the colon; write NAME or NAME:MODEL")
    return head, tail.strip() or None


def checked_base_url(text: str, *, insecure_http: bool = False) -> str:
    """The base URL without a trailing slash. Raises Problem, which never repeats a password."""
    problem = "--base-url: must be a full URL such as https://api.example.com/v1"
    try:
        parts = urlsplit(text)
        complete = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise Problem(problem) from None
    if parts.username is not None or parts.password is not None:
        raise Problem(
            f"--base-url: must not hold a user name or password; keys come from the environment ({ANY_KEY})"
        )
    if not complete or not text.isascii() or re.search(r"[\s\\\x00-\x20\x7f]", text):
        raise Problem(problem)
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise Problem("--base-url: must not have a query or fragment; give the part before it")
    base_url = text.rstrip("/")
    for path in ("/chat/completions", "/models", "/embeddings"):
        if base_url.endswith(path):
            raise Problem(f"--base-url: leave out {path}: {base_url.removesuffix(path)}")
    if parts.scheme == "http" and not is_loopback(base_url) and not insecure_http:
        raise Problem(
            f"{base_url}: plain http sends key and prompts readable through the network; "
            "use https, or --insecure-http where you trust it"
        )
    return base_url


def key_variables(profile: Profile, base_url: str, api_key_env: str | None) -> tuple[str, ...]:
    """The environment variables whose key may go to this base URL, in the order in which they count.

    Raises Problem for a name that no variable can have, without repeating it.
    """
    if api_key_env is not None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", api_key_env):
            raise Problem("--api-key-env: must be the name of an environment variable, not the key itself")
        return (api_key_env,)
    own = profile.base_url is not None and origin(profile.base_url) == origin(base_url)
    variables: tuple[str, ...] = (ANY_KEY,)
    if own and profile.key_variable:
        variables = (profile.key_variable, *profile.key_variable_aliases)
    if is_loopback(base_url) and ANY_KEY not in variables:
        variables += (ANY_KEY,)
    return variables


def find_key(
    profile: Profile, base_url: str, api_key_env: str | None, environ: Mapping[str, str]
) -> str | None:
    """The key for this base URL, or None on this machine where none is set.

    A profile's own variables count for the profile's own origin and for no other. Raises Problem, which names
    variables and never shows a key.
    """
    own = profile.base_url is not None and origin(profile.base_url) == origin(base_url)
    variables = key_variables(profile, base_url, api_key_env)
    loopback = is_loopback(base_url)
    for variable in variables:
        if key := environ.get(variable):
            return _checked_key(variable, key)
    if loopback and api_key_env is None:
        return None
    raise Problem(_missing_key(profile, base_url, variables, own=own, explicit=api_key_env is not None))


def _checked_key(variable: str, key: str) -> str:
    if not key.isascii() or re.search(r"[\s\x00-\x20\x7f]", key):
        raise Problem(
            f"{variable}: holds white space or a character that no key has; set it again (nothing was sent)"
        )
    return key


def _missing_key(
    profile: Profile, base_url: str, variables: tuple[str, ...], *, own: bool, explicit: bool
) -> str:
    names = " or ".join(variables)
    if explicit:
        return f"--api-key-env {names}: no such variable is set; nothing was sent"
    if own and profile.key_variable:
        page = f" (keys: {profile.pages.keys})" if profile.pages.keys else ""
        other = "or name another variable with --api-key-env"
        return f"{profile.name}: no key: set {names}{page}, {other}; nothing was sent"
    reason = (
        f"; {profile.key_variable} goes to {profile.base_url} only"
        if profile.key_variable and profile.base_url
        else ""
    )
    other = "(any word where the server asks for none), or name a variable with --api-key-env"
    return f"{base_url}: no key: set {names} {other}{reason}; nothing was sent"


def known_secrets(environ: Mapping[str, str], *profiles: Profile, also: str | None = None) -> tuple[str, ...]:
    """The values of all key variables that are known and set: none may appear in what leaves the process.

    Known are those of the shipped profiles, of the `profiles` given, and `also`, the name of one more.
    """
    variables = {ANY_KEY, *([also] if also else [])}
    for each in (*profiles, *map(load_profile, shipped_profiles())):
        variables |= {*([each.key_variable] if each.key_variable else []), *each.key_variable_aliases}
    return tuple(sorted({value for name in variables if (value := environ.get(name))}))


def parse_headers(texts: Iterable[str]) -> dict[str, str]:
    """Headers given as "Name: value". Raises Problem for what HTTP does not allow and for credentials."""
    headers: dict[str, str] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        name, value = name.strip(), value.strip()
        if not colon or not _HEADER_NAME.fullmatch(name):
            # not repeated: it may hold a credential
            raise Problem("--header: must be 'Name: value', such as --header 'X-Route: eu'")
        if is_credential(name) and variable_of(value) is None:
            raise Problem(
                f"--header {name}: credentials come from the environment; set {ANY_KEY}, "
                f"name a variable with --api-key-env, or write '{name}: env:NAME'"
            )
        if not value.isascii() or not value.isprintable():
            raise Problem(f"--header {name}: the value must be one line of ASCII text")
        headers[name] = value
    return headers


def parse_body(texts: Iterable[str]) -> dict[str, Any]:
    """Fields of a chat request given as "name=value"; the value is JSON where it parses. Raises Problem."""
    body: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name or not name.isprintable():
            raise Problem(f"--body {printable(text, 40)}: must be name=value, such as --body temperature=0.2")
        if name in OWN_FIELDS:
            hint = "use --model" if name == "model" else "the checks send it themselves"
            raise Problem(f"--body {name}: cannot be set; {hint}")
        try:
            body[name] = json.loads(value, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            body[name] = value
    return body


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def parse_use_case(text: str) -> UseCase:
    """The use case of this name. Raises Problem."""
    try:
        return UseCase(text.strip().lower())
    except ValueError:
        raise Problem(f"--for {printable(text, 40)}: no such use case; {nearest(text, UseCase)}") from None


def parse_features(texts: Iterable[str], option: str) -> frozenset[str]:
    """Features, each text one or several with commas. Raises Problem."""
    names = split_commas(texts)
    for name in names:
        if name not in FEATURES:
            raise Problem(f"{option} {printable(name, 40)}: no such feature; {nearest(name, FEATURES)}")
    return frozenset(names)


def parse_clients(texts: Iterable[str]) -> tuple[str, ...]:
    """Clients that facts are known of, each text one or several with commas. Raises Problem."""
    known = clients()
    names = split_commas(texts)
    for name in names:
        if name not in known:
            raise Problem(f"--client {printable(name, 40)}: no such client; {nearest(name, known)}")
    return names


def split_commas(texts: Iterable[str]) -> tuple[str, ...]:
    """The parts of comma lists, in order, each once."""
    parts = (part.strip() for text in texts for part in text.split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def _profile(target: str | None, options: Options, layers: Layers) -> tuple[Profile, str | None]:
    entry, project = layers.entry, layers.project
    provider = layers.provider(target)
    if provider is not None:
        if entry is not None:
            layers.pick("provider", None)
            with layers.blaming("provider", printable(provider.partition(":")[0], 1000)):
                name, model = split_target(provider)
                if not is_path(name):
                    return load_profile(name), model
                if not Path(name).exists():
                    raise Problem("no such file; check the path, which is relative to this one")
            return load_profile(name), model
        name, model = split_target(provider)
        layers.origins["provider"] = Origin("option", "TARGET")
        try:
            return load_profile(name), model
        except ProfileError as error:
            if project is None or not project.targets or is_path(name):
                raise
            raise unknown_target(project, target or name, error) from None
    base_url = options.base_url or (entry.base_url if entry else None)
    if not base_url or not (entry or options.model):
        raise Problem(
            "give a TARGET (`llmcompat providers` lists them), or --base-url and --model; "
            "try `check demo`, or `llmcompat init` for a project file"
        )
    layers.pick("base_url", options.base_url)
    insecure = options.insecure_http if options.insecure_http is not None else entry and entry.insecure_http
    with layers.blaming("base_url", "--base-url"):
        # the profile is that of the file's own address, whose key does not go to another one
        base_url = checked_base_url(base_url, insecure_http=bool(insecure))
    layers.origins["provider"] = layers.origins["base_url"]
    kind = "server" if is_loopback(base_url) else "provider"
    return Profile.model_validate({"name": _slug(base_url), "base_url": base_url, "kind": kind}), None


def _slug(url: str) -> str:
    host = (urlsplit(url).hostname or "").lower()
    return re.sub(r"[^a-z0-9._-]+", "-", host).strip("._-") or "endpoint"


def _no_model(who: str, base_url: str, profile: Profile) -> str:
    text = f"{who}: which model? name it with --model or {who}:MODEL"
    if is_loopback(base_url):
        return f"{text}; the server lists its models at {base_url}/models"
    return f"{text}, such as {', '.join(profile.models.others[:3])}" if profile.models.others else text


def _priced(
    layers: Layers, profile: Profile, base_url: str, model: str, now: datetime, *, own: bool
) -> Pricing | None:
    """The user's own price of the model, else the published one."""
    price = layers.price(profile.name, model)
    if price is None and (price := _pricing(profile, base_url, model, now, own=own)) is not None:
        day = f" ({price.as_of})" if price.as_of else ""
        layers.origins["prices"] = Origin("profile", f"{price.source}{day}")
    return price


def _pricing(profile: Profile, base_url: str, model: str, now: datetime, *, own: bool) -> Pricing | None:
    host = profile if own else Profile.model_validate({"name": _slug(base_url), "base_url": base_url})
    if not own and is_loopback(base_url):
        return None
    return price_for(host, model, now)


def _above_zero(value: float | None, option: str) -> float | None:
    """A bar as it was given. Raises Problem for one that nothing, or everything, would pass."""
    if value is not None and not (isfinite(value) and value > 0):
        raise Problem(f"{option}: must be a number above 0")
    return value


def _finite(rest: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in rest.items():
        if isinstance(value, float) and not isfinite(value):
            raise Problem(f"--{name.replace('_', '-')}: must be a number")
    return dict(rest)
