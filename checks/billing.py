"""Billing and alerts: the counters behind your costs are right, and someone hears when money runs out."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from llmcompat import (
    MISSING,
    Api,
    BalanceTold,
    Exchanges,
    Pricing,
    Profile,
    Reply,
    Settings,
    Tokens,
    balance_told,
    blocked,
    check,
    dig,
    fail,
    is_int,
    judged,
    manual,
    measure,
    note,
    plausible_tokens,
    probe,
    skip,
    stated_cost,
    tokens_of,
)

from ._facts import Sourced, aged, quote, quoted, told

COUNTERS = ("prompt_tokens", "completion_tokens", "total_tokens")
LONGEST_TEXT = 4000
"""Characters of a prompt whose tokens are estimated: whether a longer one was cut is asked elsewhere."""
COST_TOLERANCE = 0.1
"""How far a cost that the endpoint states may lie from the list price before it counts as another price."""
COST_STEP = 1e-6
"""USD that rounding may take from, or add to, the stated cost of one answer."""


@probe(owner="balance-readable")
async def balance(api: Api) -> Reply:
    """What the account holds, where the profile knows an address for it on this origin."""
    known = api.profile.balance
    if known is None or _balance_unasked(api.profile, api.settings) is not None:
        return await api.get("models")  # there is nothing to ask: this was asked before, so nothing is sent
    return await api.get(known.path or known.address(api.settings.base_url))


def _balance_unasked(profile: Profile, settings: Settings) -> str | None:
    """Why the balance is not asked for, or None."""
    if profile.balance is None:
        page = f"; see {profile.pages.alerts}" if profile.pages.alerts else ""
        return f"no address is known where {profile.display_name} tells the balance{page}"
    if not settings.has_key and not settings.simulated:
        return "no key is used"
    url = profile.balance.url
    if url is not None and urlsplit(url)[:2] != urlsplit(settings.base_url)[:2]:
        return f"the balance is told at {url}, which is another origin than the base URL"
    return None


def _usages(exchanges: Exchanges) -> list[tuple[Reply, dict[str, Any]]]:
    """Plain answers with a usage object that is not empty."""
    found = [(reply, usage) for reply in exchanges.completions if (usage := reply.find_usage())]
    judged((reply for reply, _ in found), nothing="usage-present")
    return found


def _counted(exchanges: Exchanges) -> list[tuple[Reply, dict[str, Any]]]:
    """Plain answers whose three counters are whole numbers."""
    found = [pair for pair in _usages(exchanges) if all(is_int(pair[1].get(name)) for name in COUNTERS)]
    judged((reply for reply, _ in found), nothing="usage-integers")
    return found


def _text(reply: Reply) -> str:
    """All text that the model wrote in a plain answer: what its completion tokens count at the least."""
    pieces: list[str] = []
    for choice in reply.document["choices"]:
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(message, dict):
            continue
        for name in ("content", "reasoning_content", "reasoning"):
            value = message.get(name)
            if isinstance(value, str) and value not in pieces:
                pieces.append(value)
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else []:
            arguments = dig(call, "function.arguments")
            pieces.append(arguments if isinstance(arguments, str) else "")
    return "".join(pieces)


def _asked(reply: Reply) -> str:
    """The plain texts of the messages that were sent."""
    messages = reply.sent.get("messages")
    contents = [dig(message, "content") for message in messages] if isinstance(messages, list) else []
    return "".join(content for content in contents if isinstance(content, str))


def _reasoning_tokens(usage: dict[str, Any]) -> int:
    value = dig(usage, "completion_tokens_details.reasoning_tokens")
    return int(value) if is_int(value) and value > 0 else 0


# --- the counters


@check(
    "usage-present",
    fix="Count tokens yourself (tiktoken, or the model's tokenizer) where you bill or limit by them.",
)
def usage_present(exchanges: Exchanges) -> None:
    """Every answer says how many tokens it used.

    Cost tracking, budgets and context management read `usage`; without it they silently see nothing.
    """
    for reply in judged(exchanges.completions, nothing="response-choices"):
        usage = dig(reply.document, "usage")
        expected = "usage with prompt_tokens, completion_tokens and total_tokens"
        if usage is MISSING:
            fail("no usage", expected=expected, case="usage-missing")
        if usage is None:
            fail("usage: null", expected=expected, case="usage-null")
        if not isinstance(usage, dict) or not usage:
            fail({"usage": usage}, expected=expected, case="usage-empty")
        prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if prompt == 0 or (completion == 0 and _text(reply).strip()):
            fail({"usage": usage}, expected="counts above zero", case="usage-zero")


@check(
    "usage-integers", fix="Read the counters through your own function that fills what is missing and rounds."
)
def usage_integers(exchanges: Exchanges) -> None:
    """The three counters are whole numbers.

    Typed clients refuse the whole answer for one counter that is missing, null, a fraction or text.
    """
    # A stream whose counters are all null brings no usage: that is the streaming item's.
    streams = [
        (reply, usage)
        for reply in exchanges.readable_streams
        if (usage := reply.find_usage()) and any(usage.get(name) is not None for name in COUNTERS)
    ]
    plain = [(reply, usage) for reply in exchanges.completions if (usage := reply.find_usage())]
    judged((reply for reply, _ in plain + streams), nothing="usage-present")
    for _, usage in plain + streams:
        for name in COUNTERS:
            value = usage.get(name, MISSING)
            if is_int(value) and value >= 0:
                continue
            case = {float: "usage-float", str: "usage-string", int: "usage-negative"}.get(type(value))
            if value is MISSING or value is None:
                case = "usage-fields-missing"
            fail({"usage": usage}, expected=f"{name} as a whole number", case=case or "usage-other-type")


@check("usage-sum", fix="Add reasoning_tokens to completion_tokens before you compute costs.")
def usage_sum(exchanges: Exchanges) -> None:
    """The total is the sum of prompt and completion, reasoning included.

    Where reasoning is counted outside completion_tokens, costs are too low and output limits never trip.
    """
    for _, usage in _counted(exchanges):
        prompt, completion, total = (usage[name] for name in COUNTERS)
        reasoning = _reasoning_tokens(usage)
        seen = f"{usage}"
        if reasoning > completion or (reasoning and total == prompt + completion + reasoning):
            expected = "completion_tokens including reasoning_tokens"
            fail(seen, expected=expected, case="usage-reasoning-outside-completion")
        if total != prompt + completion:
            fail(seen, expected=f"total_tokens {prompt + completion}", case="usage-sum")


@check(
    "usage-plausible", fix="Compare the provider's bill with your own count before you rely on these figures."
)
def usage_plausible(exchanges: Exchanges) -> None:
    """The counters are not below what the texts can be.

    Counters that miss part of the text make budgets and bills too low.
    """
    for reply, usage in _counted(exchanges):
        written = plausible_tokens(_text(reply))[0]
        if usage["completion_tokens"] > 0 and usage["completion_tokens"] + _reasoning_tokens(usage) < written:
            seen = f"completion_tokens {usage['completion_tokens']} for {len(_text(reply))} characters"
            fail(seen, expected=f"at least {written}", case="usage-completion-too-small")
        asked = _asked(reply)
        needed = plausible_tokens(asked)[0]
        if len(asked) <= LONGEST_TEXT and 0 < usage["prompt_tokens"] < needed:
            seen = f"prompt_tokens {usage['prompt_tokens']} for {len(asked)} characters"
            fail(seen, expected=f"at least {needed}", case="usage-prompt-too-small")


@check(
    "usage-not-inflated",
    fix="Ask the provider what is counted: hidden prompts and hidden thinking are billed too.",
    chat="should",
    agent="should",
)
def usage_not_inflated(exchanges: Exchanges) -> None:
    """The counters are not above what the texts can be.

    Tokens that appear in no text are billed all the same.
    """
    for reply, usage in _counted(exchanges):
        if reply.find_finish_reason() == "error":
            continue  # what was written before the error is not all there
        text = _text(reply)
        most = plausible_tokens(text)[1]
        # An answer without text that can be read is another check's: its tokens cannot be compared.
        if text and usage["completion_tokens"] > most + _reasoning_tokens(usage):
            seen = f"completion_tokens {usage['completion_tokens']} for {len(text)} characters"
            fail(seen, expected=f"at most {most} beside reasoning_tokens", case="usage-completion-too-large")
        body = json.dumps(reply.sent, ensure_ascii=False)
        most = plausible_tokens(body)[1]
        if "image_url" not in body and usage["prompt_tokens"] > most:
            seen = f"prompt_tokens {usage['prompt_tokens']} for a request of {len(body)} characters"
            fail(seen, expected=f"at most {most}", case="usage-prompt-too-large")


@check(
    "usage-within-cap",
    fix="Send the other parameter (max_tokens or max_completion_tokens), and set a limit on spending.",
    chat="should",
    agent="should",
)
def usage_within_cap(exchanges: Exchanges) -> None:
    """No answer is charged more tokens than its cap allows.

    The cap is what bounds the price of one request.
    """
    for reply, usage in _counted(exchanges):
        # One more than the cap is the end token in some counts. Whether a small cap had an effect at all is
        # judged among the parameters: here an answer counts that was cut, and charged for more than its cap.
        small = reply.cap is not None and reply.cap < 64
        thought = bool(reply.reasoning) or "</think>" in _text(reply)  # which some servers do not cap
        if small and (thought or reply.find_finish_reason() != "length"):
            continue
        if reply.cap is not None and usage["completion_tokens"] > reply.cap * (2 if small else 1) + 1:
            seen = f"completion_tokens {usage['completion_tokens']} with a cap of {reply.cap}"
            fail(seen, expected=f"at most {reply.cap}", case="usage-above-cap")


@check(
    "usage-details",
    fix="Read prompt_tokens_details and completion_tokens_details only after you have checked their types.",
    chat="should",
    agent="should",
)
def usage_details(exchanges: Exchanges) -> None:
    """The details of usage, where they are sent, are objects of whole numbers.

    Typed clients refuse another type; more cached tokens than prompt tokens give negative costs.
    """
    for _, usage in _usages(exchanges):
        for name in ("prompt_tokens_details", "completion_tokens_details"):
            details = usage.get(name)
            if details is None:
                continue
            values = list(details.values()) if isinstance(details, dict) else [details]
            if not isinstance(details, dict) or any(isinstance(value, (str, bool)) for value in values):
                fail({name: details}, expected="an object of whole numbers", case="usage-details-type")
        cached = dig(usage, "prompt_tokens_details.cached_tokens")
        if is_int(cached) and is_int(usage.get("prompt_tokens")) and cached > usage["prompt_tokens"]:
            fail(
                {"usage": usage},
                expected="cached_tokens within prompt_tokens",
                case="usage-cached-above-prompt",
            )


@check(
    "usage-whole-numbers",
    fix="Decode usage into a type that keeps unknown fields as they are.",
    chat="should",
    agent="should",
)
def usage_whole_numbers(exchanges: Exchanges) -> None:
    """Usage holds no fractions beside a cost.

    Clients whose usage is a map of integers cannot read latencies or rates in it.
    """
    for _, usage in _usages(exchanges):
        for name, value in _numbers(usage):
            if isinstance(value, float) and "cost" not in name and name not in COUNTERS:
                fail({name: value}, expected="whole numbers", case="usage-extra-float-metrics")


def _numbers(usage: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in usage.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", number) for inner, number in value.items())
        else:
            yield name, value


@check(
    "usage-cached-field",
    fix="Read the cache hits from this provider's own field before you compute costs.",
    chat="should",
    agent="should",
)
def usage_cached_field(exchanges: Exchanges) -> None:
    """Cache hits, where they are told, stand in prompt_tokens_details.cached_tokens.

    Under another name they are billed at the full price in the application's books.
    """
    for _, usage in _usages(exchanges):
        own = [name for name in usage if "cache" in name]
        if own and not is_int(dig(usage, "prompt_tokens_details.cached_tokens")):
            expected = "prompt_tokens_details.cached_tokens"
            fail({"usage": usage}, expected=expected, case="usage-cached-field-nonstandard")


# --- money


@check(
    "price-known",
    fix="Give the price per million tokens in llmcompat.yaml (prices:), from the provider's page.",
    chat="should",
    agent="should",
)
def price_known(exchanges: Exchanges, settings: Settings, profile: Profile) -> None:
    """The model's price is known.

    Without one neither this run nor the application can bound what is spent.
    """
    if settings.pricing is None:
        if settings.loopback:
            note("The endpoint is on this machine: what a token costs is what the machine costs.")
            return
        page = f"; the price page is {profile.pages.pricing}" if profile.pages.pricing else ""
        fail(
            f"no price of {settings.model} is known{page}",
            expected="a price per million tokens",
            case="price-unknown",
        )
    usages = [usage for _, usage in _counted(exchanges)]
    spent = sum(settings.pricing.cost(usage["prompt_tokens"], usage["completion_tokens"]) for usage in usages)
    measure("input price", settings.pricing.input, "USD per million tokens")
    measure("output price", settings.pricing.output, "USD per million tokens")
    measure("cost of the plain answers", round(spent, 8), "USD")
    day = f", as of {settings.pricing.as_of}" if settings.pricing.as_of else ""
    note(f"the price is from {settings.pricing.source or 'the settings'}{day}")


@check(
    "provider-cost-agrees",
    fix="Take the provider's own cost field for its bill, and the list price only for estimates.",
    chat="should",
    agent="should",
)
def provider_cost_agrees(exchanges: Exchanges, settings: Settings) -> None:
    """The cost that the endpoint states agrees with the list price.

    Such a field is no part of OpenAI's contract: it may be the charge, a fee, or another route's price.
    """
    counted = [usage for _, usage in _counted(exchanges)]
    costs = [
        (usage, tokens, cost)
        for usage in counted
        if (cost := stated_cost(usage)) is not None and (tokens := tokens_of(usage)) is not None
    ]
    if not costs:
        note("No cost is stated in usage; OpenAI states none either.")
        return
    if settings.pricing is None:
        blocked("price-known")
    price = settings.pricing
    total = sum(cost for _, _, cost in costs)
    listed = sum(price.cost(tokens.prompt, tokens.completion, tokens.cached) for _, tokens, _ in costs)
    least = sum(_least_cost(usage, tokens, price) for usage, tokens, _ in costs)
    if any(usage.get("is_byok") for usage, _, _ in costs):
        note("A key of your own is used behind the gateway (is_byok): the stated cost is only its fee.")
    measure("stated cost", round(total, 8), "USD")
    measure("list price of these tokens", round(listed, 8), "USD")
    if listed > 0:
        measure("stated cost to list price", round(total / listed, 3), "times")
    slack = COST_STEP * len(costs)
    high, low = listed * (1 + COST_TOLERANCE) + slack, least * (1 - COST_TOLERANCE) - slack
    if not low <= total <= high:
        seen = f"{total:.8f} USD stated, {listed:.8f} USD by list price"
        fail(seen, expected="the list price, within 10 %", case="usage-cost-semantics")


def _least_cost(usage: dict[str, Any], tokens: Tokens, price: Pricing) -> float:
    """USD at the least: what is not told of the cache may all have come from it, at whatever price."""
    told_hits = is_int(dig(usage, "prompt_tokens_details.cached_tokens"))
    hits = tokens.cached if told_hits or tokens.cached else tokens.prompt
    cached = 0.0 if price.cached_input is None else price.cached_input
    known = price.model_copy(update={"cached_input": min(cached, price.input)})
    return known.cost(tokens.prompt, tokens.completion, hits)


@check(
    "requests-paid",
    fix="Send a cap on output tokens with every request, and keep credit for the largest one.",
)
def requests_paid(exchanges: Exchanges) -> None:
    """No request is refused for money while others are answered.

    402 is none of the SDKs' own exception classes, and some gateways reserve a model's whole output before
    they begin.
    """
    for reply in judged(exchanges.all, nothing="chat-accepted"):
        if reply.status != 402:
            continue
        reserved = reply.cap is None and "afford" in reply.error_text.lower()
        expected = "200" if reserved else "429 with code insufficient_quota once the account is empty"
        case = "max-tokens-credit-reservation-402" if reserved else "quota-402"
        fail(reply.excerpt, expected=expected, case=case)


@check(
    "balance-readable",
    fix="Watch the balance on the provider's page, or give its address in a profile of your own (balance:).",
    chat="should",
    agent="should",
)
def balance_readable(balance: Reply, profile: Profile, settings: Settings) -> None:
    """The account's balance can be read with the same key.

    It is what replaces OpenAI's spend alerts where a provider sends none.
    """
    reason = _balance_unasked(profile, settings)
    if reason is not None:
        skip(reason)
    balance.accepted(expected="the balance", case="balance-refused")
    told_now = _told(balance, profile)
    if told_now.unlimited:
        note("This key has no limit, so nothing of one is left to tell: set one in the provider's console.")
        return
    if told_now.amount is None:
        pointer = profile.balance.pointer if profile.balance else ""
        fail(balance.excerpt, expected=f"a number at {pointer}", case="balance-unreadable")
    kind = {"balance": "balance", "spent": "spent so far", "limit_remaining": "left of the limit"}
    if profile.balance is not None:
        measure(kind[profile.balance.kind], told_now.amount, told_now.currency)


@check(
    "balance-floor",
    fix="Pay in, or lower the floor (balance_floor), before production traffic moves.",
    chat="should",
    agent="should",
)
def balance_floor(balance: Reply, profile: Profile, settings: Settings) -> None:
    """The account holds what you want it to hold at least.

    An account that runs empty refuses every request at once, usually with a status that nothing retries.
    """
    if settings.balance_floor is None:
        skip("no floor is given: set balance_floor to the least that the account should hold")
    reason = _balance_unasked(profile, settings)
    if reason is not None:
        skip(reason)
    if profile.balance is not None and profile.balance.kind == "spent":
        skip("the provider tells what is spent, not what is left")
    told_now = _told(balance, profile)
    if told_now.unlimited:
        skip("the provider tells what is left of the key's limit, and this key has none")
    if told_now.amount is None:
        blocked("balance-readable")
    if told_now.amount < settings.balance_floor:
        seen = f"{told_now.amount:g} {told_now.currency}"
        fail(seen, expected=f"at least {settings.balance_floor:g}", case="balance-below-floor")


def _told(balance: Reply, profile: Profile) -> BalanceTold:
    """The money that the answer tells, in its own unit."""
    if profile.balance is None or balance.refused:
        return BalanceTold(None, "")
    return balance_told(profile.balance, balance.document)


# --- what a person sets up


@check(
    "spend-limit-set",
    kind="manual",
    fix="Set a limit in the provider's console, pay in advance, or limit keys in a gateway of your own.",
    chat="should",
    agent="should",
)
def spend_limit_set(profile: Profile, settings: Settings, exchanges: Exchanges) -> None:
    """A limit on spending is set at the new provider.

    OpenAI's organisation and project spend limits, and the refusals that come with them, stay behind.
    """
    names = ("alert_options", "spend", "billing", "fees")
    budget = settings.monthly_usd
    where = profile.pages.alerts or profile.pages.limits or profile.docs_url
    facts = (
        f"Which limit stops spending at {profile.display_name}, and what does your code see then?",
        f"your budget: {budget:.12g} USD a month" if budget is not None else "no budget for a month is set",
        told(quoted(profile.facts, names), "how spending is limited"),
        told(_refusals(profile), "what is answered when it is reached"),
        f"page: {where}" if where else "No page is known where it is set: ask the provider.",
    )
    known: dict[str, Sourced | None] = {name: profile.facts.get(name) for name in names}
    known |= {f"out of money, status {each.status}": each for each in profile.errors.out_of_money}
    manual(" | ".join(facts), beside=aged(known, exchanges))


def _refusals(profile: Profile) -> Iterator[str]:
    """What is answered without money: the status, and the code, type or part of the message that tells it."""
    for error in profile.errors.out_of_money:
        told_by = (("code", error.code), ("type", error.type), ("message", error.message))
        parts = [f"{name} {value!r}" for name, value in told_by if value is not None]
        yield quote("out of money", " ".join([f"status {error.status}", *parts]), error)


@check(
    "alert-address-set",
    kind="manual",
    fix="Enter a team's address in the provider's console, or run `llmcompat billing check` every night.",
    chat="should",
    agent="should",
)
def alert_address_set(profile: Profile, exchanges: Exchanges) -> None:
    """Somebody is told before the money runs out.

    OpenAI's spend alert mails and the figures of its organisation costs API end with the move.
    """
    balance, alerts = profile.balance, profile.facts.get("alert_options")
    facts = [
        f"Who is told at {profile.display_name} when spending rises or credit ends?",
        told(quoted(profile.facts, ("alert_options",)), "alerts"),
    ]
    if balance is not None:
        # the path alone: a simulation answers at an address of its own
        path = balance.path or urlsplit(balance.url or "").path
        facts.append(quote("balance to read on a schedule of your own", path, balance))
    where = profile.pages.alerts
    facts.append(f"alerts: {where}" if where else "No page for alerts is known.")
    manual(" | ".join(facts), beside=aged({"alert_options": alerts, "balance": balance}, exchanges))
