"""Coming in and going out, as people do it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenContext
from tests.servers import Perdure

pytestmark = pytest.mark.e2e


def test_who_is_not_logged_in_is_asked_and_led_back(perdure: Perdure, open_context: OpenContext) -> None:
    page = open_context().new_page()

    page.goto("/account/")
    page.get_by_label("Name").fill(perdure.facts["PERDURE_ADMIN_USER"])
    page.get_by_label("Password").fill(perdure.facts["PERDURE_ADMIN_PASSWORD"])
    page.get_by_role("button", name="Sign in").click()

    expect(page).to_have_url(f"{perdure.base_url}/account/")
    expect(page.get_by_text("this one")).to_be_visible()
