"""Lock-in: what ties you to this endpoint once you have moved, and the way back."""

from llmcompat import Exchanges, Profile, Settings, check, manual

from ._facts import aged, aside, pages, quote, quoted, told

_FIELDS = (
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens "
    "metadata modalities n parallel_tool_calls prediction presence_penalty prompt_cache_key "
    "prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store "
    "stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options"
)
STANDARD_FIELDS = frozenset(_FIELDS.split())
"""Fields of a chat request that OpenAI documents, as of August 2026."""


def _own_fields(settings: Settings) -> str:
    fields = sorted(name for name in settings.body if name not in STANDARD_FIELDS)
    headers = sorted(settings.headers)
    parts = [f"fields {', '.join(fields)}"] if fields else []
    parts += [f"headers {', '.join(headers)}"] if headers else []
    return "your settings send " + (
        " and ".join(parts) if parts else "no field that OpenAI does not document"
    )


@check(
    "lock-in-features",
    fix=(
        "Keep provider-only fields behind one switch in your code, so that a second endpoint stays one "
        "setting away."
    ),
    chat="should",
    agent="should",
    kind="manual",
)
def lock_in_features(profile: Profile, settings: Settings, exchanges: Exchanges) -> None:
    """Decide which provider-only features you may use.

    Each field that only this provider knows is work on the day when you move on.
    """
    names = ("proprietary_fields", "proprietary_apis", "models", "model_ids")
    found = told(quoted(profile.lock_in, names), "provider-only features")
    known = {name: profile.lock_in.get(name) for name in names}
    manual(f"{found} | {_own_fields(settings)}", beside=aged(known, exchanges))


@check(
    "model-retirement",
    fix=(
        "Pin a dated model id where there is one, watch the provider's notices, and run this checklist "
        "again before each change."
    ),
    chat="should",
    agent="should",
    kind="manual",
)
def model_retirement(profile: Profile, settings: Settings, exchanges: Exchanges) -> None:
    """Decide how you learn that the model changes or ends.

    An id that floats changes behaviour overnight, and a retired one answers 404 or with another model.
    """
    facts = quoted(profile.lock_in, ("model_pinning", "retirement"))
    facts += [each for each in quoted(profile.facts, ("retirement",)) if each not in facts]
    alias = profile.models.aliases.get(settings.model)
    if alias:
        facts.append(f"{settings.model} is another name of {alias}")
    facts += [f"retired: {model} ({what})" for model, what in profile.models.retired.items()]
    if alias or profile.models.retired:
        facts.append(quote("ids", "as listed", profile.models))
    known = {
        "model_pinning": profile.lock_in.get("model_pinning"),
        "retirement": profile.lock_in.get("retirement") or profile.facts.get("retirement"),
    }
    found = [told(facts, "a policy on retiring models"), *pages(profile, "status")]
    manual(" | ".join(found), beside=aged(known, exchanges))


@check(
    "rollback-plan",
    fix=(
        "Keep the old key, model and settings ready, make the endpoint a setting, and rehearse the way "
        "back once."
    ),
    chat="should",
    agent="should",
    kind="manual",
)
def rollback_plan(profile: Profile, settings: Settings, exchanges: Exchanges) -> None:
    """Decide how you go back.

    The first day in production finds what no checklist finds; going back must be a setting and not a release.
    """
    key = profile.key_variable or "the endpoint's key"
    request = profile.request
    limit = request.token_limit_parameter
    published = [quote("token limit parameter", limit, request)] if limit else []
    facts = (
        f"to put back: base URL, model (now {settings.model}), key (now {key})",
        _own_fields(settings),
        told(published, "settings that this endpoint needs and the former one did not"),
        "a run cannot show whether your application can be switched back",
    )
    beside = [f"base URL now {settings.base_url}", aged({"token limit parameter": request}, exchanges)]
    manual(" | ".join(facts), beside=aside(*beside))
