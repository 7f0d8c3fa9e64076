"""What a provider itself tells of the account's money, read with the key that is used for inference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from llmcompat.model import Exchange
from llmcompat.profiles.schema import Balance, Profile, origin
from llmcompat.reply import MISSING, Reply, load_json
from llmcompat.wire.client import Client, Request
from llmcompat.wire.redaction import Redactor
from llmcompat.yamlfile import one_line

SECONDS = 30.0
"""What one request for it may take."""

MOST_BYTES = 1024 * 1024
"""Bytes of an answer that are read."""

MOST_MONEY = 1e12
"""An amount beyond this is a fault and no figure."""

_MOST_CURRENCY = 12
_MOST_SHOWN = 200

_MOONSHOT = {
    "path": "/users/me/balance",
    "pointer": "/data/available_balance",
    "kind": "balance",
    "sources": ("https://platform.moonshot.cn/docs/api/balance",),
    "as_of": date(2026, 10, 13),
}
_HOSTS: Mapping[str, Balance] = {
    "api.moonshot.ai": Balance.model_validate({**_MOONSHOT, "unit": "USD"}),
    "api.moonshot.cn": Balance.model_validate({**_MOONSHOT, "unit": "CNY"}),
}
"""Hosts without a shipped profile whose balance is known to be told; the answer names no currency."""

_MONTHLY = {"openrouter": "/data/usage_monthly"}
"""Where the answer of a profile's balance also tells what the key has spent this month, in USD."""

_FIREWORKS = "fireworks"
"""It tells no balance, but what was spent, as codexbar (a public client) reads it; unconfirmed."""


class NotRead(Exception):
    """The provider did not tell; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class BalanceTold:
    """What an answer tells of the money; `amount` is None where it holds no number for it."""

    amount: float | None
    currency: str
    unlimited: bool = False
    """The rest of a limit is told, and the key has no limit."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a provider told."""

    kind: Literal["balance", "spent", "limit_remaining", "month"]
    """What is held, spent so far, left of a limit, or spent this month."""
    amount: float | None
    """None where a key without a limit tells what is left of it."""
    currency: str
    """As the provider names it; empty where nobody says."""
    url: str
    spent_month: float | None = None
    """Spent this month in `currency`, where that is told too."""


def balance_told(known: Balance, document: object) -> BalanceTold:
    """The money in an answer, by what is known of its form; nothing is raised."""
    value = _at(document, known.pointer)
    named = _at(document, known.unit_pointer) if known.unit_pointer else None
    currency = one_line(named, _MOST_CURRENCY) if isinstance(named, str) else known.unit or ""
    unlimited = known.kind == "limit_remaining" and value is None
    amount = _number(value)
    return BalanceTold(None if amount is None else amount * known.factor, currency, unlimited)


def can_be_read(profile: Profile, base_url: str) -> bool:
    """Whether an address for it is known on this origin."""
    return _known(profile, base_url) is not None or _is_fireworks(profile, base_url)


async def read_balance(
    profile: Profile,
    base_url: str,
    *,
    key: str | None,
    headers: Mapping[str, str],
    now: datetime,
    redactor: Redactor,
    trust_environment: bool = True,
) -> Reading:
    """Ask the provider. The key goes to the origin of `base_url` and to no other. Raises NotRead."""
    async with Client(
        base_url,
        key=key,
        headers=headers,
        timeout=SECONDS,
        redactor=redactor,
        trust_environment=trust_environment,
    ) as client:
        if _is_fireworks(profile, base_url):
            return await _fireworks_month(client, base_url, now)
        known = _known(profile, base_url)
        if known is None:
            raise NotRead("no address is known where the provider tells its balance")
        document = await _document(client, known.path or known.address(base_url))
    url = known.address(base_url)
    told = balance_told(known, document)
    month = _number(_at(document, _MONTHLY[profile.name])) if profile.name in _MONTHLY else None
    if told.amount is None and not told.unlimited:
        raise NotRead(f"the answer has no number at {known.pointer}")
    return Reading(known.kind, told.amount, told.currency, url, month)


def _known(profile: Profile, base_url: str) -> Balance | None:
    known = profile.balance or _HOSTS.get((urlsplit(base_url).hostname or "").lower())
    if known is not None and known.url is not None and origin(known.url) != origin(base_url):
        return None
    return known


def _is_fireworks(profile: Profile, base_url: str) -> bool:
    own = profile.base_url is not None and origin(profile.base_url) == origin(base_url)
    return profile.name == _FIREWORKS and profile.balance is None and own


async def _fireworks_month(client: Client, base_url: str, now: datetime) -> Reading:
    """The spend of the first account since the month began: the sum of its line items."""
    parts = urlsplit(base_url)
    root = f"{parts.scheme}://{parts.netloc}/v1"
    name = _at(await _document(client, f"{root}/accounts"), "/accounts/0/name")
    if not isinstance(name, str) or not name:
        raise NotRead("the answer names no account")
    now = now.astimezone(UTC)
    start = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    account = quote(name.removeprefix("accounts/"), safe="")
    url = f"{root}/accounts/{account}/billing/summary"
    span = f"startTime={start:%Y-%m-%dT%H:%M:%SZ}&endTime={now:%Y-%m-%dT%H:%M:%SZ}"
    items = _at(await _document(client, f"{url}?{span}"), "/lineItems")
    if not isinstance(items, list):
        raise NotRead("the answer has no lineItems")
    total, currencies = 0.0, set()
    for item in items:
        units, nanos = (_number(_at(item, f"/totalCost/{part}")) or 0.0 for part in ("units", "nanos"))
        total += units + nanos / 1e9
        currency = _at(item, "/totalCost/currencyCode")
        currencies |= {currency} if isinstance(currency, str) else set()
    if len(currencies) > 1:
        raise NotRead("the answer mixes currencies")
    currency = one_line(next(iter(currencies), "USD"), _MOST_CURRENCY)
    return Reading("month", total, currency, url, total)


async def _document(client: Client, path: str) -> Any:
    request = Request("GET", path, max_body=MOST_BYTES)
    tries: list[Exchange] = await client.send(request, probe="balance")
    answer = tries[-1]
    if answer.error is not None:
        raise NotRead(one_line(answer.error, _MOST_SHOWN))
    if answer.status != 200:
        said = " ".join(answer.body.decode("utf-8", "replace")[: 4 * _MOST_SHOWN].split())
        raise NotRead(f"status {answer.status}" + (f": {one_line(said, _MOST_SHOWN)}" if said else ""))
    document = Reply([answer]).document
    if document is MISSING:
        raise NotRead("the answer is no JSON")
    return document


def _at(document: object, pointer: str) -> Any:
    """The value at a JSON pointer, or MISSING (RFC 6901)."""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document.get(name, MISSING)
        elif isinstance(document, list) and name.isdecimal() and name.isascii() and len(name) < 6:
            document = document[int(name)] if int(name) < len(document) else MISSING
        else:
            return MISSING
    return document


def _number(value: object) -> float | None:
    """A number, or one that is sent as text."""
    if isinstance(value, str):
        try:
            value = load_json(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MOST_MONEY:
        return None
    return float(value)
