"""What a default run costs at a list price, by the rehearsal that sends nothing."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.benchmarks.figures import Figure

MOST_USD = 0.01


def figures() -> list[Figure]:
    """A default run on DeepSeek's default model."""
    command = [sys.executable, "-m", "llmcompat", "check", "deepseek", "--dry-run", "--format", "json", "-q"]
    told = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    (estimate,) = json.loads(told)
    usd = estimate["usd"]
    what = f"{usd:.4f} USD, {estimate['requests']} requests"
    return [Figure("a default run on DeepSeek", what, f"{MOST_USD} USD", usd / MOST_USD, 1.0)]
