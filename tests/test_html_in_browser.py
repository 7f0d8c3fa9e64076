"""The HTML report in a real browser: its filters, its themes, what it loads, and what axe-core says of it.

Needs Chromium with its driver, and axe-core for two of the tests; .ci/run installs both. By hand:
`apt install chromium chromium-driver`, `npm install axe-core`, and AXE_CORE=…/axe-core/axe.min.js.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from llmcompat.model import ClientOutcome, Level, Run, Status
from llmcompat.reports.html_report.page import html_text
from tests.reporting import result, run, target_run
from tests.test_personas import whole
from tests.test_reports_html import telling_run
from tests.test_reports_table import hostile_run

# Read before the fixture that cleans the environment.
AXE = os.environ.get("AXE_CORE", "")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
DRIVER = shutil.which("chromedriver") or ""

if not (CHROMIUM and DRIVER):
    pytest.skip("no Chromium with its driver: apt install chromium chromium-driver", allow_module_level=True)

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

OPEN_ALL = "for (const each of document.querySelectorAll('details')) each.open = true"


def several() -> Run:
    """Two targets that differ, with something for each filter to find."""
    levels = {"chat": Level.SHOULD, "agent": Level.MUST, "trial": Level.SHOULD}
    other = target_run(
        result("tool-ids", item="tools", status=Status.FAIL, levels=levels, seen="Nothing stands there."),
        result("system-message"),
        result(
            "stream-ends",
            item="latency",
            status=Status.FAIL,
            breaks=(ClientOutcome("litellm", "1.106.2", "raises"),),
        ),
        profile={"display_name": "Other"},
    )
    return run(telling_run(), other)


PAGES: dict[str, Callable[[], Run]] = {
    "several": several,
    "whole": lambda: run(whole("deepseek").runs[0], whole("groq").runs[0]),
    "hostile": hostile_run,
    "nothing": run,
}


class Page:
    """A report in the browser."""

    def __init__(self, driver: webdriver.Chrome, folder: Path) -> None:
        self.driver = driver
        self.folder = folder

    def open(self, name: str, *, width: int = 1280, dark: bool = False, state: str = "") -> None:
        file = self.folder / f"{name}.html"
        if not file.exists():
            file.write_text(html_text(PAGES[name]()), encoding="utf-8")
        size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self.driver.get("about:blank")  # else another state of the same page would not load it again
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        for log in ("browser", "performance"):
            self.driver.get_log(log)
        self.driver.get(f"{file.as_uri()}{state}")

    def run(self, script: str, *values: Any) -> Any:
        return self.driver.execute_script(script, *values)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def choose(self, name: str, value: str) -> None:
        Select(self.one(f"select[name={name}]")).select_by_value(value)

    @property
    def shown(self) -> tuple[list[str], list[str]]:
        """The ids of the checks, and the anchors of the findings, that are to be seen."""
        found = self.run(
            "return [...document.querySelectorAll('[data-filtered]')].filter(each => each.checkVisibility())"
            ".map(each => [each.dataset.filtered, each.id || each.querySelector('.id').textContent])"
        )
        return [name for kind, name in found if kind == "check"], [
            name for kind, name in found if kind == "finding"
        ]

    @property
    def count(self) -> str:
        return self.one(".count").text

    @property
    def state(self) -> str:
        return self.driver.current_url.partition("#")[2]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for option in OPTIONS:
        options.add_argument(option)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(DRIVER))
    try:
        yield Page(driver, tmp_path_factory.mktemp("pages"))
    finally:
        driver.quit()


@pytest.mark.parametrize("name", PAGES)
def test_the_page_loads_nothing_and_has_no_error(page: Page, name: str) -> None:
    page.open(name)
    page.run(OPEN_ALL)
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    assert page.driver.get_log("browser") == []
    sent = [each["message"] for each in page.driver.get_log("performance")]
    requests = [each for each in sent if '"Network.requestWillBeSent"' in each]
    assert len(requests) == 1
    assert page.driver.current_url in requests[0]
    assert page.driver.title.startswith("Migration checklist")


def test_the_policy_stops_what_is_not_the_page_own(page: Page) -> None:
    page.open("several")
    page.run(
        "const made = document.createElement('script'); made.textContent = 'window.ran = 1';"
        "document.body.append(made); document.body.setAttribute('style', 'color: red')"
    )
    assert page.run("return window.ran") is None
    assert len(page.driver.get_log("browser")) == 2


def test_every_filter(page: Page) -> None:
    page.open("several")
    checks, findings = page.shown
    assert len(findings) == 5
    assert page.count == "13 of 13 checks, 5 of 5 findings"

    page.one("input[name=failing]").click()
    failing = [
        "tool-arguments-string",
        "tool-ids",
        "stream-ends",
        "system-message",
        "tool-accepted-deviation",
    ]
    assert page.shown == (failing, findings)
    assert page.count == "5 of 13 checks, 5 of 5 findings"

    page.choose("item", "tools")
    assert page.shown[0] == ["tool-arguments-string", "tool-ids", "tool-accepted-deviation"]
    page.choose("use", "chat")
    assert page.shown[1] == ["t1-tool-arguments-string", "t1-tool-accepted-deviation"]
    page.choose("client", "openai-python")
    assert page.shown == (["tool-arguments-string"], ["t1-tool-arguments-string"])
    assert page.state == "failing=yes&item=tools&use=chat&client=openai-python"

    page.one("button[type=reset]").click()
    WebDriverWait(page.driver, 10).until(lambda _: page.state == "")
    assert page.shown == (checks, findings)

    page.one("input[name=text]").send_keys("NOTHING there", " stands")
    assert page.shown == ([], ["t2-tool-ids"])
    page.one("input[name=text]").send_keys(" nowhere")
    assert page.shown == ([], [])
    assert page.count == "0 of 13 checks, 0 of 5 findings"
    assert page.one(".nothing").is_displayed()


def test_a_filter_opens_what_it_finds_among_the_checks_that_hold(page: Page) -> None:
    page.open("several")
    assert "chat-accepted" not in page.shown[0]
    page.one("input[name=text]").send_keys("chat-accepted")
    assert page.shown[0] == ["chat-accepted"]
    assert page.one(".settled summary").text.startswith("1 of ")


def test_the_state_stands_in_the_address(page: Page) -> None:
    page.open("several", state="#item=tools&client=openai-python&text=json&theme=dark")
    assert page.shown[1] == ["t1-tool-arguments-string"]
    assert page.one("input[name=text]").get_attribute("value") == "json"
    assert page.one("button.theme").text == "Theme: dark"
    # what no such field knows changes nothing
    page.open("several", state="#item=no-such&use=%3Cb%3E&theme=pink&text=%")
    assert page.driver.get_log("browser") == []
    assert page.count.startswith("0 of 13")


def test_a_link_shows_a_finding_that_the_filters_hide(page: Page) -> None:
    page.open("several", state="#item=latency")
    assert page.shown[1] == ["t2-stream-ends"]
    page.run("location.hash = '#t2-tool-ids'")
    WebDriverWait(page.driver, 10).until(lambda _: "t2-tool-ids" in page.shown[1])
    assert page.one("#t2-tool-ids").get_attribute("open") is not None
    assert page.run("return document.activeElement.closest('details').id") == "t2-tool-ids"


def test_the_page_is_used_with_the_keyboard_alone(page: Page) -> None:
    page.open("several")
    keys = webdriver.ActionChains(page.driver)
    keys.send_keys(Keys.TAB).perform()
    assert page.run("return document.activeElement.className") == "to-main"
    assert page.one(".to-main").location["x"] >= 0
    page.one("input[name=failing]").send_keys(Keys.SPACE)
    assert page.count.startswith("5 of 13")
    page.run("arguments[0].focus()", page.one("#t2-tool-ids > summary"))
    page.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert page.one("#t2-tool-ids dl").is_displayed()
    page.one("#t2-tool-ids > summary").send_keys(Keys.ENTER)
    assert not page.one("#t2-tool-ids dl").is_displayed()


def test_themes(page: Page) -> None:
    def background() -> str:
        return str(page.one("body").value_of_css_property("background-color"))

    page.open("several")
    light = background()
    page.open("several", dark=True)
    dark = background()
    assert light != dark
    seen = []
    for _ in range(3):
        page.one("button.theme").click()
        seen.append((page.one("button.theme").text, background(), page.state))
    assert seen == [
        ("Theme: light", light, "theme=light"),
        ("Theme: dark", dark, "theme=dark"),
        ("Theme: as the system", dark, ""),
    ]


@pytest.mark.parametrize("name", ["several", "whole", "hostile"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_scrolls_sideways(page: Page, name: str, width: int) -> None:
    page.open(name, width=width)
    page.run(OPEN_ALL)
    assert page.run("return document.documentElement.scrollWidth") <= width


def test_the_page_is_whole_without_its_script(page: Page) -> None:
    page.open("several")
    text = page.driver.page_source
    bare = page.folder / "bare.html"
    page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        bare.write_text((page.folder / "several.html").read_text(encoding="utf-8"), encoding="utf-8")
        page.driver.get(bare.as_uri())
        assert not page.one("form.filters").is_displayed()
        assert not page.one("button.theme").is_displayed()
        assert len(page.shown[1]) == text.count('data-filtered="finding"') == 5
        page.one(".settled > summary").click()
        assert len(page.shown[0]) == 13
    finally:
        page.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_paper_gets_findings_open_and_no_controls(page: Page) -> None:
    page.open("several")
    page.run(
        "addEventListener('beforeprint', () => { window.printed = ["
        "document.querySelectorAll('details.finding[open]').length,"
        "document.querySelectorAll('details.exchange[open]').length,"
        "document.querySelectorAll('details.exchange').length] })"
    )
    assert page.driver.print_page().startswith("JVBERi0")  # %PDF-
    assert page.run("return window.printed") == [5, 0, 1]
    assert page.run("return document.querySelectorAll('details.finding[open]').length") == 0


def test_axe_finds_no_fault(page: Page) -> None:
    if not AXE:
        pytest.skip("no axe-core: npm install axe-core, and name its axe.min.js in AXE_CORE")
    page.driver.set_script_timeout(120)
    for name, dark in (("several", False), ("several", True), ("whole", False)):
        page.open(name, dark=dark)
        page.run(OPEN_ALL)
        page.run(Path(AXE).read_text(encoding="utf-8"))
        found = page.driver.execute_async_script(
            "axe.run(document, {resultTypes: ['violations']}).then(arguments[arguments.length - 1])"
        )
        assert len(found["passes"]) > 20
        faults = [(each["id"], each["impact"], each["nodes"][0]["html"]) for each in found["violations"]]
        assert (name, dark, faults) == (name, dark, [])
