"""Headless Chromium as a person uses it, for tests of the review page."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ENTER = "\ue007"

_CHROMIUM = shutil.which("chromium")
_DRIVER = shutil.which("chromedriver")


def start_chromium() -> Any:
    """Start a browser without a window; skip the test where it, its driver or selenium is missing."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: the extra test-web")
    if _CHROMIUM is None or _DRIVER is None:
        pytest.skip("needs chromium and chromedriver, which are not here")
    options = webdriver.ChromeOptions()
    options.binary_location = _CHROMIUM
    for each in (
        "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,860",
        "--autoplay-policy=no-user-gesture-required", "--disable-background-networking",
        "--no-first-run", "--disable-component-update",
    ):  # fmt: skip
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(_DRIVER))
    driver.set_script_timeout(30)
    return driver


def tidy(driver: Any) -> None:
    """Leave one empty tab and an unlimited network."""
    driver.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    for handle in driver.window_handles[1:]:
        driver.switch_to.window(handle)
        driver.close()
    driver.switch_to.window(driver.window_handles[0])
    driver.get("about:blank")


class Page:
    """What a person sees and types."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        driver.get_log("performance")
        driver.get_log("browser")

    def open(self, url: str) -> None:
        self.driver.get(url)

    def text(self, name: str) -> str:
        return str(self.driver.find_element("id", name).text)

    def data(self, name: str) -> str | None:
        found: str | None = self.driver.execute_script(f"return document.body.dataset.{name} ?? null")
        return found

    def press(self, *keys: str) -> None:
        for key in keys:
            self.driver.find_element("css selector", "body").send_keys(key)

    def until(self, condition: Callable[[], Any], what: str, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds:g} s: {what}; {self.text('message')!r}"
            time.sleep(0.05)

    def at(self, number: int) -> None:
        """Wait until a track is shown and can be heard."""
        self.until(lambda: self.data("ready") == str(number), f"track {number}")

    def saved(self) -> None:
        self.until(lambda: self.data("unsaved") in {None, "0"}, "all corrections are saved")

    def requests(self) -> list[str]:
        """Addresses that were asked for since the last time."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [
            each["params"]["request"]["url"]
            for each in messages
            if each["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        return [each["message"] for each in self.driver.get_log("browser") if each["level"] == "SEVERE"]
