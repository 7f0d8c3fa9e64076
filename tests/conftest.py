"""What every test gets: no network beyond loopback, no keys, the real servers, and no silent skips."""

import contextlib
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.servers import live
from tests.servers.live import LiveServer

ALLOWED_SKIPS: tuple[str, ...] = (
    # the server needs an environment of its own, which only .ci/run makes
    "tests/test_real_servers.py::test_mock_ai_api",
    # the browser and axe-core come from Debian and npm, which only .ci/run asks
    "tests/test_html_in_browser.py",
    "tests/test_html_in_browser.py::test_axe_finds_no_fault",
    # node and its openai package are no part of the Python environment
    "tests/test_rehearsal_openai_client.py::test_the_node_client",
    # Windows ends no process by these signals
    "tests/test_rehearsal_command.py::test_a_command_that_ends_by_a_signal",
    "tests/test_rehearsal_command.py::test_an_interruption_ends_the_command_and_tells_what_is_known",
    # they run curl in a POSIX shell, which a system may lack
    "tests/test_reports_curl.py::test_curl_sends_the_recorded_body_byte_for_byte",
    "tests/test_reports_curl.py::test_curl_sends_the_key_from_the_variable",
    "tests/test_reports_curl.py::test_masked_values_come_from_variables",
    "tests/test_reports_curl.py::test_an_interactive_shell_leaves_exclamation_marks_alone",
)
"""Node ids of tests that may be skipped, each with the reason in a comment. Any other skip fails the run."""

# A shared machine makes single examples slow, and a run must be the same each time.
settings.register_profile("suite", deadline=None, derandomize=True, database=None)
settings.load_profile("suite")


def _unlisted_skips(config: pytest.Config) -> list[str]:
    # Workers of pytest-xdist have no terminal reporter: the process that collects their reports decides.
    terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
    skipped = terminal.stats.get("skipped", []) if terminal else []
    return sorted({report.nodeid for report in skipped} - set(ALLOWED_SKIPS))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _unlisted_skips(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if unlisted := _unlisted_skips(config):
        terminalreporter.section("skipped, and not in ALLOWED_SKIPS of tests/conftest.py", red=True)
        for nodeid in unlisted:
            terminalreporter.line(nodeid, red=True)


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No key, proxy, or CI setting of the machine changes what a test sees; a test sets what it needs."""
    ends = ("_API_KEY", "_API_BASE", "_BASE_URL", "_PROXY")
    starts = ("LLMCOMPAT_", "OPENAI_", "GITHUB_", "GITLAB_")
    names = {"CI", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"}
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            upper = name.upper()
            if upper.endswith(ends) or upper.startswith(starts) or upper in names:
                patch.delenv(name)
        # nor what the user's own cache and state hold
        for name in ("LLMCOMPAT_CACHE_DIR", "LLMCOMPAT_STATE_DIR"):
            patch.setenv(name, str(tmp_path_factory.mktemp(name.lower())))
        yield


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Within this process the machine has no network: names do not resolve, addresses are unreachable."""
    resolve, connect = socket.getaddrinfo, socket.socket.connect

    def is_local(host: object) -> bool:
        name = host.decode() if isinstance(host, bytes) else host
        if name in (None, "", "localhost"):
            return True
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(str(name))
            return address.is_loopback or address.is_unspecified
        return False

    def guarded_resolve(host: Any, *rest: Any, **options: Any) -> Any:
        if not is_local(host):
            raise socket.gaierror(socket.EAI_NONAME, f"tests have no network: {host}")
        return resolve(host, *rest, **options)

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not is_local(address[0]):
            raise OSError(f"tests have no network: {address[0]}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", guarded_resolve)
        patch.setattr(socket.socket, "connect", guarded_connect)
        yield


@pytest.fixture(scope="session")
def llama_cpp() -> Iterator[LiveServer]:
    """llama.cpp's own server, with the tiny model."""
    with live.llama_cpp_server() as server:
        yield server


@pytest.fixture(scope="session")
def llama_cpp_embedding() -> Iterator[LiveServer]:
    """llama.cpp's own server, for embeddings."""
    with live.llama_cpp_server(embedding=True) as server:
        yield server


@pytest.fixture
def llmock_server() -> Iterator[Callable[..., LiveServer]]:
    """Starts llmock with options of `llmock serve`; it ends with the test."""
    with contextlib.ExitStack() as stack:
        yield lambda *options: stack.enter_context(live.llmock_server(*options))
