"""What the openai clients do, as they are, in each scenario."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from llmcompat.rehearsal.scenario import load_scenarios

APPS = Path(__file__).parent / "rehearsed_app"

SURVIVED = {name for name, each in load_scenarios().items() if not each.on_request and name != "outage"}

PYTHON_CLIENT = {
    # answer.choices is None there, and the next line of ordinary code fails
    "200-error-body": "crashed",
    # the client tries twice more, as on any 429
    "429-insufficient-quota": "retried",
    # it hands the text over as it came, and json.loads is the application's
    "fenced-json": "ended-otherwise",
    # a clean end is an end to it: finish_reason is the application's to look at
    "stream-cut": "took-part-for-whole",
}

NODE_CLIENT = {
    "200-error-body": "crashed",
    "429-insufficient-quota": "retried",
    # the body is read outside its retries
    "reset-mid-answer": "gave-up",
    "stream-cut": "took-part-for-whole",
}


def outcomes(*arguments: str) -> dict[str, str]:
    """What does not hold, by scenario; waits, which a busy machine makes longer, are told elsewhere."""
    done = subprocess.run(
        [sys.executable, "-m", "llmcompat", "rehearse", "-q", "--format", "json", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=900,
        check=False,
    )
    assert done.stderr == ""
    checks = json.loads(done.stdout)["runs"][0]["checks"]
    found = {each["id"].removeprefix("rehearsal-"): each for each in checks}
    assert set(found) >= SURVIVED
    return {
        name: each["case"] or each["status"]
        for name, each in found.items()
        if each["status"] in ("fail", "error") and not name.endswith("-backoff")
    }


def test_the_python_client_behind_a_web_server() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    assert (
        outcomes(
            *("--ready", f"{url}/health", "--drive", f'"{sys.executable}" "{APPS / "drive.py"}" {url}/work'),
            *("--", sys.executable, str(APPS / "openai_server.py"), str(port)),
        )
        == PYTHON_CLIENT
    )


def test_the_node_client() -> None:
    if shutil.which("node") is None or not os.environ.get("REHEARSAL_NODE_MODULES"):
        pytest.skip(
            "needs node, and REHEARSAL_NODE_MODULES: the node_modules folder in which openai is installed"
        )
    assert outcomes("--jobs", "3", "--", "node", str(APPS / "openai_node.mjs")) == NODE_CLIENT
