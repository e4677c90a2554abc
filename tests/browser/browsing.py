"""What every browser of ours is, and how people come in."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress

from playwright.sync_api import Page, TimeoutError as PlaywrightTimeout, ViewportSize, expect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
#: A machine that has much else to do takes its time; what is awaited comes in a second or two on an idle one.
PATIENCE_MS = 60_000
DESKTOP = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=390, height=844)
#: What a browser does when its tab is hidden or shown.
SEEN = """(isHidden) => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""

expect.set_options(timeout=PATIENCE_MS)


def go_by_keys(page: Page, keys: str, path: str) -> None:
    """Press two keys in a row that lead there. On a slow machine they may come too far apart, and are pressed again."""
    there = re.compile(f"{re.escape(path)}$")
    for _ in range(20):
        page.wait_for_load_state()  # before, nobody listens to keys
        for key in keys.split():
            page.keyboard.press(key)
        with suppress(PlaywrightTimeout):
            page.wait_for_url(there, timeout=PATIENCE_MS / 20)
            return
    raise AssertionError(f"{keys} does not lead to {path}, but to {page.url}")


def log_in(page: Page, username: str, password: str) -> None:
    """Through the page, as people do."""
    page.goto("/login/")
    page.get_by_label("Name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/o/**")
