"""Billing: what tokens cost, and the guard that ends a run before it costs too much."""

from llmcompat.billing.budget import Budget
from llmcompat.billing.prices import Price, price_for

__all__ = ["Budget", "Price", "price_for"]
