"""What every browser of ours is, and how people come in."""

from __future__ import annotations

import shutil

from playwright.sync_api import Page, ViewportSize, expect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
PATIENCE_MS = 20_000
DESKTOP = ViewportSize(width=1280, height=800)
PHONE = ViewportSize(width=390, height=844)
#: What a browser does when its tab is hidden or shown.
SEEN = """(isHidden) => {
    Object.defineProperty(document, "hidden", { value: isHidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""

expect.set_options(timeout=PATIENCE_MS)


def log_in(page: Page, username: str, password: str) -> None:
    """Through the page, as people do."""
    page.goto("/login/")
    page.get_by_label("Name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/o/**")
