"""An alert as a webhook takes it: in Slack's form, or as a plain JSON object."""

from __future__ import annotations

from typing import Any, Literal

from llmcompat.billing.alerts import Alert
from llmcompat.reports.escape import shorten, slack

_MOST_TEXT = 3000


def payload(alert: Alert, format: Literal["slack", "json"]) -> dict[str, Any]:
    """What is posted. Slack's form, an object with `text`, is what many other chat systems take too."""
    if format == "slack":
        return {"text": slack(shorten(alert.text, _MOST_TEXT))}
    return alert.data()
