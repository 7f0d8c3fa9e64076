"""From what was typed to what is run: profile, settings and key of one target. Nothing is sent here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from llmcompat.billing import price_for
from llmcompat.cli.problems import Problem, nearest, printable
from llmcompat.clients import clients
from llmcompat.model import UseCase
from llmcompat.profiles import FEATURES, Profile, load_profile, shipped_profiles
from llmcompat.profiles.schema import origin
from llmcompat.settings import Pricing, Settings
from llmcompat.simulator.personas import embedding_model
from llmcompat.wire.client import is_loopback

ANY_KEY = "LLMCOMPAT_API_KEY"
"""The variable whose key goes wherever the user points, as no provider's key does."""

DEMO_ADDRESS = "http://127.0.0.1/v1"
"""Stands for the built-in endpoint until it has started and its port is known."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_CREDENTIALS = ("authorization", "proxy-authorization", "api-key", "x-api-key", "cookie")
_OWN_FIELDS = ("model", "messages", "stream")
"""Fields of a chat request that the checks themselves decide."""


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
    insecure_http: bool = False
    simulate: bool = False
    use_case: str = UseCase.AGENT.value
    uses: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    rest: Mapping[str, Any] = field(default_factory=dict)
    """Settings that are taken as they are, by their name in `Settings`."""


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


def plan(
    target: str | None,
    options: Options,
    environ: Mapping[str, str],
    *,
    now: datetime | None = None,
    with_key: bool = True,
) -> Plan:
    """What to run for a TARGET, or for --base-url and --model alone.

    Options go before the profile, the profile before defaults. `with_key` False is for what sends nothing: no
    key is looked up. Raises Problem or ProfileError.
    """
    profile, named_model = _profile(target, options)
    who = profile.name
    if options.simulate:
        _refuse_beside_simulate(target, options)
    built_in = profile.kind == "demo" and options.base_url is None and profile.base_url is None
    if built_in and options.simulate:
        raise Problem(f"--simulate: {who} is the simulator itself; leave it out")
    if built_in:
        base_url = DEMO_ADDRESS
    else:
        given = options.base_url or profile.base_url
        if given is None:
            raise Problem(f"{who}: the profile has no base_url; give --base-url")
        base_url = checked_base_url(given, insecure_http=options.insecure_http)
    own = built_in or (profile.base_url is not None and origin(profile.base_url) == origin(base_url))
    if not own:
        # what it costs and where its balance is told is true of the provider's own host only
        profile = profile.model_copy(update={"balance": None, "prices": {}})
    if named_model and options.model:
        raise Problem(
            f"{printable(target or '')} and --model {printable(options.model)} name two models; give one"
        )
    default = profile.models.default.value if profile.models.default else None
    model = named_model or options.model or default
    if not model:
        raise Problem(_no_model(who, base_url, profile))
    window = profile.limits.context_window
    loopback = is_loopback(base_url)
    with_key = with_key and not built_in and not options.simulate
    key = find_key(profile, base_url, options.api_key_env, environ) if with_key else None
    settings = Settings(
        provider=who,
        base_url=base_url,
        model=model,
        embedding_model=options.embedding_model
        or (embedding_model(profile) if options.simulate else None)
        or (profile.models.embedding.value if profile.models.embedding else None),
        vision_model=options.vision_model or (profile.models.vision.value if profile.models.vision else None),
        context_window=options.context_window or (window.value if window and model == default else None),
        headers=parse_headers(options.headers),
        body={**profile.request.body, **parse_body(options.body)},
        use_case=parse_use_case(options.use_case),
        uses=parse_features(options.uses, "--uses"),
        without=parse_features(options.without, "--without"),
        loopback=loopback,
        has_key=key is not None or (not with_key and not loopback and not options.simulate),
        simulated=options.simulate,
        pricing=_pricing(profile, base_url, model, now or datetime.now(UTC), own=own),
        **_finite(options.rest),
    )
    return Plan(settings, profile, key, known_secrets(environ, profile, also=options.api_key_env), built_in)


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


def find_key(
    profile: Profile, base_url: str, api_key_env: str | None, environ: Mapping[str, str]
) -> str | None:
    """The key for this base URL, or None on this machine where none is set.

    A profile's own variables count for the profile's own origin and for no other. Raises Problem, which names
    variables and never shows a key.
    """
    own = profile.base_url is not None and origin(profile.base_url) == origin(base_url)
    variables: tuple[str, ...]
    if api_key_env is not None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", api_key_env):
            raise Problem("--api-key-env: must be the name of an environment variable, not the key itself")
        variables = (api_key_env,)
    elif own and profile.key_variable:
        variables = (profile.key_variable, *profile.key_variable_aliases)
    else:
        variables = (ANY_KEY,)
    loopback = is_loopback(base_url)
    if loopback and api_key_env is None and ANY_KEY not in variables:
        variables += (ANY_KEY,)
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
        if name.lower() in _CREDENTIALS:
            raise Problem(
                f"--header {name}: credentials come from the environment; "
                f"set {ANY_KEY} or name a variable with --api-key-env"
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
        if name in _OWN_FIELDS:
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


def _profile(target: str | None, options: Options) -> tuple[Profile, str | None]:
    if target is not None:
        name, model = split_target(target)
        return load_profile(name), model
    if not options.base_url or not options.model:
        raise Problem(
            "give a TARGET (`llmcompat providers` lists them), or --base-url and --model; try `check demo`"
        )
    base_url = checked_base_url(options.base_url, insecure_http=options.insecure_http)
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


def _pricing(profile: Profile, base_url: str, model: str, now: datetime, *, own: bool) -> Pricing | None:
    host = profile if own else Profile.model_validate({"name": _slug(base_url), "base_url": base_url})
    if not own and is_loopback(base_url):
        return None
    return price_for(host, model, now)


def _finite(rest: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in rest.items():
        if isinstance(value, float) and not isfinite(value):
            raise Problem(f"--{name.replace('_', '-')}: must be a number")
    return dict(rest)
