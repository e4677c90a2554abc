"""Every page of the dashboard on a day that has seen everything: for all eyes, and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.template.loader import render_to_string
from playwright.sync_api import Page, expect

from agents.models import Role
from controlplane import access
from tests.browser.browsing import DESKTOP, PHONE, log_in
from tests.browser.conftest import Console, MakePerson, OpenContext
from tests.browser.places import SPOTS, Spot
from tests.browser.story import ROOT, Story
from tests.servers import Perdure

pytestmark = pytest.mark.e2e

AXE = (Path(__file__).parent / "vendor" / "axe-4.14.1.min.js").read_text()
#: Colours are all that the dark is different in.
IN_THE_LIGHT = "{}"
IN_THE_DARK = "{ runOnly: ['color-contrast', 'link-in-text-block'] }"
#: Answers to forms, files, and parts of pages that a script puts into them: nothing that is a page of its own.
NO_PAGES = frozenset({
    "intents/number/", "intents/views/", "intents/views/<int:view_id>/delete/", "intents/<uuid:intent_id>/events/",
    "intents/<uuid:intent_id>/actions/", "intents/<uuid:intent_id>/export/", "bulk/<uuid:action_id>/stop/",
    "agents/<slug:service_account_id>/kill/", "agents/<slug:service_account_id>/resumption/", "audit/export/",
    "settings/organization/", "settings/workspaces/", "settings/workspaces/<uuid:workspace_id>/", "settings/members/",
    "settings/members/<int:membership_id>/role/", "settings/invitations/<int:invitation_id>/renewal/",
    "settings/invitations/<int:invitation_id>/withdrawal/",
})  # fmt: skip


@pytest.fixture(scope="module")
def story(perdure: Perdure) -> Iterator[Story]:
    with Story(perdure) as story:
        yield story


def serious(page: Page, options: str) -> list[str]:
    """What axe minds most."""
    found = page.evaluate(f"axe.run({options}).then((report) => report.violations)")
    return [
        f"{each['id']}: {node['target']} {node['failureSummary'][:300]}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:3]
    ]


def too_wide(page: Page) -> list[str]:
    """What sticks out of the window to the right, if the page can be pushed aside."""
    return list(page.evaluate("""() => {
        const width = document.documentElement.clientWidth;
        if (document.documentElement.scrollWidth <= width) return [];
        const out = [...document.body.querySelectorAll("*")].filter((each) =>
            each.getBoundingClientRect().right > width + 1 && !each.closest(".table-scroll, .bar__nav, pre"));
        return out.slice(-3).map((each) => each.outerHTML.slice(0, 160));
    }"""))  # fmt: skip


def look_at(page: Page, spot: Spot, story: Story) -> dict[str, Any]:
    """Everything that is wrong with a page, in the light, in the dark and on a phone."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(DESKTOP)
    spot.visit(page, story)
    page.evaluate(AXE)
    wrong: dict[str, Any] = {"light": serious(page, IN_THE_LIGHT)}
    page.emulate_media(color_scheme="dark")
    wrong["dark"] = serious(page, IN_THE_DARK)
    page.set_viewport_size(PHONE)
    wrong["phone"] = serious(page, IN_THE_DARK)
    wrong["wider than a phone"] = too_wide(page)
    return {f"{spot.name}, {where}": what for where, what in wrong.items() if what}


def test_every_page_can_be_read_by_everybody_and_fits_a_phone(
    perdure: Perdure, open_context: OpenContext, console: Console, story: Story
) -> None:
    console.forgive("404 (Not Found)")
    page, stranger = open_context().new_page(), open_context().new_page()
    log_in(page, perdure.facts["PERDURE_ADMIN_USER"], perdure.facts["PERDURE_ADMIN_PASSWORD"])
    visited: set[str] = set()
    page.on("framenavigated", lambda frame: visited.add(frame.url.partition("?")[0].partition("#")[0]))

    wrong: dict[str, Any] = {}
    for spot in SPOTS:
        wrong |= look_at(stranger if spot.is_public else page, spot, story)

    assert wrong == {}
    paths = {url.removeprefix(perdure.base_url + ROOT) for url in visited}
    shape = re.compile(r"<\w+:\w+>")
    shapes = {place: re.compile(shape.sub("[^/]+", place)) for place in set(access.PLACES) - NO_PAGES}
    assert [place for place, shaped in shapes.items() if not any(map(shaped.fullmatch, paths))] == []


def test_refusals_and_failures_belong_to_the_product(
    person: MakePerson, console: Console, story: Story
) -> None:
    console.forgive("403 (Forbidden)", "500 (Internal", "404 (Not Found)")
    page = person(Role.VIEWER).page
    broken = render_to_string("500.html")
    page.route("**/broken/", lambda route: route.fulfill(status=500, content_type="text/html", body=broken))

    for path, title in (
        ("keys/new/", "Not for you"),
        ("nowhere/", "Nothing here"),
        ("broken/", "That went wrong"),
    ):
        page.goto(f"{ROOT}{path}")
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        page.evaluate(AXE)
        for scheme in ("light", "dark"):
            # Colours that are on their way from one scheme to the other are neither's.
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
            assert serious(page, IN_THE_LIGHT) == [], (path, scheme)
        page.set_viewport_size(PHONE)
        assert too_wide(page) == [], path
    page.get_by_role("link", name="Try again from the start").click()
    expect(page).to_have_url(re.compile(f"{ROOT}$"))


def test_colours_once_chosen_are_remembered(browser_page: Page, story: Story) -> None:
    page = browser_page
    root = page.locator("html")
    paper = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="light")
    light = page.evaluate(paper)
    page.locator("#user-menu > summary").click()
    page.get_by_role("button", name="Dark").click()
    expect(root).to_have_attribute("data-theme", "dark")
    assert page.evaluate(paper) != light

    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")
    elsewhere = page.context.new_page()
    elsewhere.goto("/account/")
    expect(elsewhere.locator("html")).to_have_attribute("data-theme", "dark")

    page.locator("#user-menu > summary").click()
    page.get_by_role("button", name="System").click()
    expect(root).not_to_have_attribute("data-theme", "dark")
    assert page.evaluate(paper) == light


def test_menus_fold_away(browser_page: Page, story: Story) -> None:
    page = browser_page
    switcher, user_menu = page.locator("#switcher"), page.locator("#user-menu")
    switcher.locator("summary").click()
    expect(switcher.get_by_role("link", name="Production")).to_be_visible()
    user_menu.locator("summary").click()
    expect(switcher).not_to_have_attribute("open", "")

    page.keyboard.press("Escape")
    expect(user_menu).not_to_have_attribute("open", "")
    expect(user_menu.locator("summary")).to_be_focused()

    switcher.locator("summary").click()
    page.locator("h1").click()
    expect(switcher).not_to_have_attribute("open", "")


def test_where_one_is_shows_on_a_phone_too(person: MakePerson, story: Story) -> None:
    page = person(Role.ADMIN, viewport=PHONE).page
    page.goto(f"{ROOT}settings/")

    expect(page.locator(".bar__link[aria-current]")).to_be_in_viewport(ratio=1)


def test_on_a_phone_the_intents_come_before_their_lesser_filters(person: MakePerson, story: Story) -> None:
    page = person(Role.ADMIN, viewport=PHONE).page
    page.goto(f"{ROOT}intents/")

    expect(page.locator(".intent-row").nth(1)).to_be_in_viewport(ratio=1)
    expect(page.get_by_label("Agent", exact=True)).to_be_hidden()
    page.get_by_text("More", exact=True).click()
    expect(page.get_by_label("Agent", exact=True)).to_be_visible()
