"""A headless Chromium, driven by its own chromedriver; nothing is downloaded."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from servers.start import wait_until

WIDE = (1920, 1080)
PHONE = (390, 844)
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)


def programs() -> tuple[str, str] | None:
    """Chromium and chromedriver, where both are installed."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


def demand() -> None:
    """Skip, or fail where everything is required, without a browser."""
    if programs() is not None:
        return
    missing = "Chromium and chromedriver are not installed (apt install chromium-driver)"
    if os.environ.get("HAIDANG_REQUIRE") == "1":
        pytest.fail(f"required, but {missing}")
    pytest.skip(missing)


class Browser:
    """One window; `size` is what its pages see."""

    def __init__(self, size: tuple[int, int] = WIDE) -> None:
        found = programs()
        if found is None:
            raise RuntimeError("chromium and chromedriver are not installed")
        self._profile = tempfile.mkdtemp(prefix="haidang-browser-")
        options = Options()
        options.binary_location = found[0]
        for flag in (*_FLAGS, f"--user-data-dir={self._profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(found[1]))
        self.resize(size)

    def resize(self, size: tuple[int, int], *, sharp: int = 1) -> None:
        """Show pages as on a screen of this size, with so many dots a pixel."""
        width, height = size
        mobile = width < 600
        metrics = {"width": width, "height": height, "deviceScaleFactor": sharp, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, url: str) -> None:
        self.driver.get(url)

    def log_in(self, origin: str, login: str, password: str, *, to: str = "/") -> None:
        """Log in by the page, as a person does, and wait for the wall."""
        self.open(f"{origin}/login?to={to}")
        self.find("input[name=login]").send_keys(login)
        self.find("input[name=password]").send_keys(password, Keys.ENTER)
        self.wait(".frame header", what="the wall after the log-in")

    def find(self, css: str) -> WebElement:
        """The first element that matches; waits for it."""
        self.wait(css)
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def text(self, css: str = "body") -> str:
        """What is written there; empty while nothing matches."""
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return str(self.driver.execute_script(script, css))

    def wait(self, css: str, *, what: str = "", timeout_s: float = 30.0) -> None:
        """Wait until an element is there."""
        wait_until(lambda: self.all(css), what=what or css, timeout_s=timeout_s)

    def wait_text(self, css: str, wanted: str, *, timeout_s: float = 30.0) -> None:
        """Wait until an element says something."""
        said = f"{wanted!r} in {css}"
        wait_until(lambda: wanted in self.text(css), what=said, timeout_s=timeout_s)

    def click(self, css: str) -> None:
        self.find(css).click()

    def write(self, css: str, text: str) -> None:
        """Write into a field, in the place of what stands there.

        Not by the driver's `clear`, which a page that keeps the field's words itself does not hear.
        """

        def written() -> bool:
            field = self.find(css)
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(text)
            return field.get_attribute("value") == text

        wait_until(written, what=f"{text!r} in {css}", timeout_s=30.0)

    def press(self, keys: str) -> None:
        """Keys for whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(keys)

    def hold(self, element: WebElement, right: int, down: int) -> None:
        """Take an element and drag it so many pixels, without letting go."""
        mouse = ActionChains(self.driver, duration=60)
        mouse.click_and_hold(element).move_by_offset(right, down).perform()

    def let_go(self) -> None:
        """Let go of what is held."""
        ActionChains(self.driver, duration=60).release().perform()

    def run(self, script: str, *values: Any) -> Any:
        """JavaScript in the page."""
        return self.driver.execute_script(script, *values)

    def forget(self) -> None:
        """No cookie of anybody's is left."""
        self.driver.execute_cdp_cmd("Network.clearBrowserCookies", {})

    def errors(self) -> list[str]:
        """What the page complained of since the last call."""
        entries: list[dict[str, Any]] = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(one["message"]) for one in entries if one["level"] == "SEVERE"]

    def heap_mb(self) -> float:
        """MB that the page's script holds after what it let go was collected."""
        self.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        self.driver.execute_cdp_cmd("Performance.enable", {})
        told = self.driver.execute_cdp_cmd("Performance.getMetrics", {})
        found = {one["name"]: one["value"] for one in told["metrics"]}
        return float(found["JSHeapUsedSize"]) / 2**20

    def offline(self, *, off: bool) -> None:
        """Cut the browser's network, or give it back."""
        conditions = {
            "offline": off,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": -1,
        }
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.emulateNetworkConditions", conditions)

    def picture(self, path: Path) -> None:
        """What the window shows, as a PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(path))

    def close(self) -> None:
        self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)


@contextlib.contextmanager
def browser(size: tuple[int, int] = WIDE) -> Iterator[Browser]:
    """A browser that ends with the block."""
    opened = Browser(size)
    try:
        yield opened
    finally:
        opened.close()
