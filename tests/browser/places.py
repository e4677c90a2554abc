"""Every page of the dashboard, by name, with what has to be done to see it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from playwright.sync_api import Page, expect

from tests.browser.story import ROOT, Story

Visit = Callable[[Page, Story], None]


@dataclass(frozen=True)
class Spot:
    """A page, or a state of one. `visit` brings a browser there."""

    name: str
    visit: Visit
    #: seen by whoever is not logged in
    is_public: bool = False
    #: the status of its answer
    status: int = 200


def at(path: str) -> Visit:
    return lambda page, story: _go(page, f"{ROOT}{path}")


def of(intent: str, more: str = "") -> Visit:
    return lambda page, story: _go(page, f"{story.path(intent)}{more}")


def _go(page: Page, path: str) -> None:
    page.goto(path)
    live = page.locator("#live")
    if live.count():
        expect(live).to_have_attribute("data-state", "live")


def _menu_open(page: Page, story: Story) -> None:
    _go(page, f"{ROOT}intents/?status=FAILED&status=CANCELED")
    page.locator(".list-filters .menu > summary").click()


def _views_open(page: Page, story: Story) -> None:
    _go(page, f"{ROOT}intents/?status=FAILED")
    page.locator("#views > summary").click()


def _user_menu(page: Page, story: Story) -> None:
    _go(page, ROOT)
    page.locator("#user-menu > summary").click()


def _selected(page: Page, story: Story) -> None:
    _go(page, f"{ROOT}intents/")
    for number in (1, 2, 4):
        page.locator("[data-row-select]").nth(number).check()


def _help(page: Page, story: Story) -> None:
    _go(page, f"{ROOT}intents/")
    page.keyboard.press("?")
    expect(page.locator("#keyboard-help")).to_be_visible()


def _action_open(page: Page, story: Story) -> None:
    _go(page, story.path("failed"))
    page.locator("#action-retry > summary").click()
    page.get_by_text("With another payload").click()


def bulk(kind: str, query: str) -> Visit:
    """The page that asks whether everything that fits is meant."""

    def visit(page: Page, story: Story) -> None:
        _go(page, f"{ROOT}intents/?{query}")
        page.locator("#all-matching").check()
        page.locator(f"#bulk button[value={kind}]").click()
        page.wait_for_url("**/bulk/")

    return visit


def bulk_done(page: Page, story: Story) -> None:
    """What came of retrying those that ran out of quota."""
    bulk("retry", "status=FAILED&q=invoice")(page, story)
    page.locator("main form button").click()
    page.wait_for_url(re.compile(r"/bulk/[0-9a-f-]+/"))
    expect(page.locator("#progress")).to_contain_text("Finished")


def _new_key(page: Page, story: Story) -> None:
    _go(page, f"{ROOT}keys/new/")


def _issued_key(page: Page, story: Story) -> None:
    _go(page, f"{ROOT}keys/new/")
    page.get_by_label("Agent", exact=True).fill("support-triage")
    page.get_by_label("Label (optional)").fill("laptop of Kim")
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator("#token")).to_be_visible()


def _key(action: str) -> Visit:
    def visit(page: Page, story: Story) -> None:
        _go(page, f"{ROOT}keys/{story.accounts['support-triage'].key_id}/{action}/")

    return visit


def _agent(name: str) -> Visit:
    return lambda page, story: _go(page, f"{ROOT}agents/{story.accounts[name].id}/")


def _snippet_open(page: Page, story: Story) -> None:
    _agent("report-writer")(page, story)
    page.locator("details[id^=connect] > summary").first.click()


def _kill_open(page: Page, story: Story) -> None:
    _agent("invoice-reader")(page, story)
    page.locator(".switch__kill > summary").click()


def _invited(page: Page, story: Story) -> None:
    """The link that somebody is given."""
    _go(page, f"{ROOT}settings/")
    page.locator("#username").fill(f"kim-{secrets.token_hex(3)}")
    page.locator("#new-member button").click()
    page.wait_for_url("**/settings/invited/**")


def _removal(page: Page, story: Story) -> None:
    _go(page, f"{ROOT}settings/")
    page.get_by_role("link", name="Remove…").first.click()
    page.wait_for_url("**/removal/")


SPOTS: Final[tuple[Spot, ...]] = (
    Spot("login", lambda page, story: _go(page, "/login/"), is_public=True),
    Spot("overview", at("")),
    Spot("user-menu", _user_menu),
    Spot("intents", at("intents/")),
    Spot("intents-filtered", _menu_open),
    Spot("intents-nothing-fits", at("intents/?type=no.such.v1")),
    Spot("intents-views", _views_open),
    Spot("intents-selected", _selected),
    Spot("keyboard-help", _help),
    Spot("intent-running", of("running")),
    Spot("intent-completed", of("completed")),
    Spot("intent-dead", of("dead")),
    Spot("intent-failed-retry", _action_open),
    Spot("intent-waiting", of("waiting")),
    Spot("intent-unheard", of("unheard")),
    Spot("intent-canceled", of("canceled")),
    Spot("intent-late", of("late")),
    Spot("intent-cancellation", of("running", "cancellation/")),
    Spot("intent-redelivery", of("running", "redelivery/")),
    Spot("intent-retry", of("dead", "retries/")),
    Spot("bulk-confirm", bulk("cancel", "status=SUBMITTED")),
    Spot("agents", at("agents/")),
    Spot("agents-none-found", at("agents/?q=nobody-is-called-that")),
    Spot("agent", _agent("pipeline-agent")),
    Spot("agent-snippets", _snippet_open),
    Spot("agent-kill", _kill_open),
    Spot("dead-letters", at("dead-letters/")),
    Spot("keys", at("keys/")),
    Spot("key-new", _new_key),
    Spot("key-issued", _issued_key),
    Spot("key-rotation", _key("rotation")),
    Spot("key-revocation", _key("revocation")),
    Spot("audit", at("audit/")),
    Spot("audit-none-fits", at("audit/?actor=nobody")),
    Spot("settings", at("settings/")),
    Spot("settings-invited", _invited),
    Spot("settings-removal", _removal),
    Spot("account", lambda page, story: _go(page, "/account/")),
    Spot("not-found", at("intents/00000000-0000-7000-8000-000000000000/"), status=404),
    Spot("bulk-done", bulk_done),  # the last: it changes what the others show
)
