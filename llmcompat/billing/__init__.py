"""Billing: what tokens cost, and the guard that ends a run before it costs too much."""

from llmcompat.billing.budget import Budget
from llmcompat.billing.prices import price_for

__all__ = ["Budget", "price_for"]
