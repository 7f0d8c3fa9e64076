"""A migration checklist for OpenAI-compatible endpoints.

What a file of checks may use is exported here, loaded when it is first asked for so that importing the
package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmcompat.api import Api, Basics, called, holds, named, not_called, says, tool
    from llmcompat.billing.balance import BalanceTold, balance_told
    from llmcompat.billing.usage import Tokens, stated_cost, tokens_of
    from llmcompat.declare import (
        Check,
        Probe,
        blocked,
        check,
        fail,
        manual,
        measure,
        note,
        probe,
        show,
        skip,
        unanswered,
    )
    from llmcompat.model import Exchange
    from llmcompat.profiles.schema import Fact, Profile
    from llmcompat.reply import (
        BUNDLE,
        MISSING,
        OWNERS,
        Chunk,
        Exchanges,
        Replies,
        Reply,
        ToolCall,
        dig,
        is_int,
        judged,
        load_json,
        plausible_tokens,
    )
    from llmcompat.sdk import SdkOutcome, sdk_model, sdk_outcome, sdk_request, sdk_version
    from llmcompat.settings import Pricing, Settings
    from llmcompat.wire.client import parse_duration, retry_after
    from llmcompat.wire.redaction import INVALID_KEY
    from llmcompat.wire.sse import Block

_HOMES = {
    "api": "Api Basics called holds named not_called says tool",
    "billing.balance": "BalanceTold balance_told",
    "billing.usage": "Tokens stated_cost tokens_of",
    "declare": "Check Probe blocked check fail manual measure note probe show skip unanswered",
    "model": "Exchange",
    "profiles.schema": "Fact Profile",
    "reply": (
        "BUNDLE MISSING OWNERS Chunk Exchanges Replies Reply ToolCall dig is_int judged load_json "
        "plausible_tokens"
    ),
    "sdk": "SdkOutcome sdk_model sdk_outcome sdk_request sdk_version",
    "settings": "Pricing Settings",
    "wire.client": "parse_duration retry_after",
    "wire.redaction": "INVALID_KEY",
    "wire.sse": "Block",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "BUNDLE",
    "INVALID_KEY",
    "MISSING",
    "OWNERS",
    "Api",
    "BalanceTold",
    "Basics",
    "Block",
    "Check",
    "Chunk",
    "Exchange",
    "Exchanges",
    "Fact",
    "Pricing",
    "Probe",
    "Profile",
    "Replies",
    "Reply",
    "SdkOutcome",
    "Settings",
    "Tokens",
    "ToolCall",
    "balance_told",
    "blocked",
    "called",
    "check",
    "dig",
    "fail",
    "holds",
    "is_int",
    "judged",
    "load_json",
    "manual",
    "measure",
    "named",
    "not_called",
    "note",
    "parse_duration",
    "plausible_tokens",
    "probe",
    "retry_after",
    "says",
    "sdk_model",
    "sdk_outcome",
    "sdk_request",
    "sdk_version",
    "show",
    "skip",
    "stated_cost",
    "tokens_of",
    "tool",
    "unanswered",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
