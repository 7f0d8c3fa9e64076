"""Provider profiles: what is published about each endpoint, with its sources and dates."""

from llmcompat.profiles.facts import NAMED_FACTS, comparison_row, published
from llmcompat.profiles.loader import ProfileError, load_profile, shipped_profiles
from llmcompat.profiles.schema import (
    FEATURES,
    Balance,
    ErrorClass,
    ErrorClasses,
    Fact,
    Feature,
    KnownDeviation,
    Limits,
    ModelFact,
    Models,
    Offer,
    Pages,
    PriceFact,
    Profile,
    RequestDefaults,
    Thinking,
)

__all__ = [
    "FEATURES",
    "NAMED_FACTS",
    "Balance",
    "ErrorClass",
    "ErrorClasses",
    "Fact",
    "Feature",
    "KnownDeviation",
    "Limits",
    "ModelFact",
    "Models",
    "Offer",
    "Pages",
    "PriceFact",
    "Profile",
    "ProfileError",
    "RequestDefaults",
    "Thinking",
    "comparison_row",
    "load_profile",
    "published",
    "shipped_profiles",
]
