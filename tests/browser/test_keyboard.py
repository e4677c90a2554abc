"""The whole way through the dashboard without a mouse."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import go_by_keys
from tests.browser.story import ROOT
from tests.live import Account, Operator
from tests.servers import Perdure

pytestmark = pytest.mark.e2e


@pytest.fixture
def operator(perdure: Perdure) -> Iterator[Operator]:
    with Operator.of(perdure) as operator:
        yield operator


@pytest.fixture
def worker(operator: Operator) -> Account:
    return operator.register()


def press(page: Page, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def is_current(page: Page, selector: str) -> None:
    expect(page.locator(selector)).to_have_class(re.compile(r"\bis-current\b"))


def test_going_places(browser_page: Page, operator: Operator, worker: Account) -> None:
    page = browser_page
    operator.submit(worker)  # where there is nothing yet, there is nothing to search
    for keys, path in (("g i", "intents/"), ("g a", "agents/"), ("g d", "dead-letters/"), ("g o", "")):
        go_by_keys(page, keys, f"{ROOT}{path}")

    go_by_keys(page, "g i", f"{ROOT}intents/")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")  # its scripts are there
    press(page, "/")
    expect(page.locator("#q")).to_be_focused()
    page.keyboard.type("g d j ? x")  # in a field, keys are letters
    expect(page.locator("#q")).to_have_value("g d j ? x")
    press(page, "Escape")
    expect(page.locator("#q")).not_to_be_focused()

    press(page, "?")
    help_ = page.locator("#keyboard-help")
    expect(help_).to_be_visible()
    expect(help_).to_contain_text("Go to Agents")
    press(page, "g a")  # a dialog is open: nothing goes on behind it
    press(page, "Escape")
    expect(help_).to_be_hidden()
    expect(page).to_have_url(re.compile(f"{ROOT}intents/$"))


def test_from_the_list_through_an_intent_to_its_retry(
    browser_page: Page, operator: Operator, worker: Account
) -> None:
    page = browser_page
    oldest, middle, newest = (operator.submit(worker, {"n": number}) for number in range(3))
    page.goto(f"{ROOT}intents/?agent={worker.address}")

    press(page, "j j j j k")  # past the end, and back
    is_current(page, f"#row-{middle}")
    press(page, "x")
    expect(page.locator(f"#row-{middle} [data-row-select]")).to_be_checked()
    press(page, "x k")
    expect(page.locator("[data-row-select]:checked")).to_have_count(0)
    is_current(page, f"#row-{newest}")

    press(page, "Enter")
    expect(page).to_have_url(re.compile(f"/intents/{newest}/$"))
    page.wait_for_load_state()
    press(page, "c")
    expect(page.locator("#reason-cancel")).to_be_focused()
    page.keyboard.type("twice")
    press(page, "Enter")
    expect(page.locator("#sentence")).to_contain_text("“twice”")

    page.goto(f"{ROOT}intents/?agent={worker.address}")
    press(page, "j r")
    expect(page).to_have_url(re.compile(f"/intents/{newest}/retries/$"))
    page.goto(f"{ROOT}intents/?agent={worker.address}")
    press(page, "k c")
    expect(page).to_have_url(re.compile(f"/intents/{oldest}/cancellation/$"))


def test_a_list_that_is_read_anew_keeps_the_place_in_it(
    browser_page: Page, operator: Operator, worker: Account
) -> None:
    page = browser_page
    operator.register()
    page.goto(f"{ROOT}agents/")
    expect(page.locator(f"#agent-{worker.id}")).to_be_visible()
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    press(page, "j")
    first = page.locator("tr.is-current").get_attribute("id")
    newcomer = operator.register()  # with others in it, the list is put there anew
    expect(page.locator(f"#agent-{newcomer.id}")).to_be_visible()
    is_current(page, f"#{first}")

    press(page, "j")

    rows = page.locator("tr[data-row]").evaluate_all("rows => rows.map(row => row.id)")
    is_current(page, f"#{rows[rows.index(first) + 1]}")
    press(page, "Enter")
    expect(page).to_have_url(re.compile(r"/agents/[\w-]+/$"))
