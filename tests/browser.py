"""A headless Chromium for tests: one per test process, closed to the network, gone afterwards.

    def test_the_page_opens(page: Page, tmp_path: Path) -> None:
        page.size(390, dark=True)
        page.open((tmp_path / "report.html").as_uri())
        page.screenshot(tmp_path / "report.png")

A test that uses `page` fails if the page wrote an error to the console, a missing file included.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
DRIVER = shutil.which("chromedriver") or "/usr/bin/chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # CI runs as root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
SCREENSHOTS = "FLAWCAST_SCREENSHOTS"  # a folder where tests leave pictures to look at


class Page:
    """What tests do with the browser's one window.

    Args:
        driver: Selenium's driver, for all that is not here.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Go to a page and wait until it is loaded."""
        self.driver.get(url)

    def size(self, width: int, height: int = 900, dark: bool = False) -> None:
        """Show pages as wide as a screen (1280) or a phone (390), and light or dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        # Else the picture of a whole page loses what a scroll bar's width lies over.
        self.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a function body in JavaScript returns."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list[Any]:
        """Elements that a CSS selector finds."""
        return list(self.driver.find_elements("css selector", selector))

    def one(self, selector: str, seconds: float = 10) -> Any:
        """The first visible element that a CSS selector finds, waited for."""

        def look() -> Any:
            return next((found for found in self.all(selector) if found.is_displayed()), None)

        return self.until(look, f"no {selector} is visible", seconds)

    def until(self, look: Callable[[], Any], otherwise: str, seconds: float = 10) -> Any:
        """Wait for something true, also where the page is being exchanged meanwhile."""
        from selenium.common.exceptions import StaleElementReferenceException

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found := look():
                    return found
            except StaleElementReferenceException:
                pass
            time.sleep(0.02)
        raise AssertionError(otherwise)

    def press(self, *keys: str) -> None:
        """Press keys where the focus is; `selenium.webdriver.Keys` names the special ones."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def sideways(self) -> list[str]:
        """Elements that stick out to the right of a page that cannot be scrolled that way."""
        return list(self.run(_SIDEWAYS))

    def errors(self) -> list[str]:
        """Errors that the console got since this was last asked."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def screenshot(self, path: Path, whole: bool = False) -> Path:
        """Write a PNG of the window, or of the whole page; also into $FLAWCAST_SCREENSHOTS."""
        import base64

        picture = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"format": "png", "captureBeyondViewport": whole}
        )
        path.write_bytes(base64.b64decode(picture["data"]))
        if kept := os.environ.get(SCREENSHOTS):
            Path(kept).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, Path(kept) / path.name)
        return path


_SIDEWAYS = """
const inside = (element) => {  // of something that scrolls sideways by itself, or is hidden
  for (let at = element; at && at !== document.body; at = at.parentElement) {
    const style = getComputedStyle(at);
    if (style.overflowX !== "visible" && at !== element) return true;
    if (style.position === "fixed" || style.visibility === "hidden") return true;
  }
  return false;
};
const width = document.documentElement.clientWidth;
return [...document.body.querySelectorAll("*")]
  .filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width && box.height && box.right > width + 1 && !inside(element);
  })
  .map(({ tagName, className, textContent }) =>
    `${tagName}.${className} "${textContent.slice(0, 40)}"`);
"""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Selenium's driver of a fresh browser; the test is skipped where there is none."""
    if not (Path(CHROMIUM).exists() and Path(DRIVER).exists()):
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver")
    selenium = pytest.importorskip("selenium.webdriver", reason="needs selenium, see [dev]")
    from selenium.webdriver.chrome.service import Service

    home = tempfile.mkdtemp(prefix="flawcast-chromium-")
    options = selenium.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={home}/profile"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Nothing outside this folder: the browser keeps caches and sockets in HOME and TMPDIR.
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), home)
    service = Service(DRIVER, env={**os.environ, **places})
    try:
        driver = selenium.Chrome(options=options, service=service)
        try:
            yield driver
        finally:
            driver.quit()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def page(chromium: Any) -> Iterator[Page]:
    """The browser's window, 1280 wide and light, empty; errors in the console fail the test."""
    page = Page(chromium)
    page.open("about:blank")
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    page.size(1280)
    page.errors()
    yield page
    assert page.errors() == []
