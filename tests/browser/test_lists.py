"""Overview and list in a real browser: found, shared, kept true while an agent works, by mouse and by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from agents.models import Role
from tests.browser.browsing import PHONE, SEEN, go_by_keys
from tests.browser.conftest import MakePerson, OpenContext
from tests.end_to_end import actors
from tests.live import Account, Operator
from tests.servers import Perdure

pytestmark = pytest.mark.e2e

LIST = "/o/myorg/production/intents/"


@pytest.fixture
def operator(perdure: Perdure) -> Iterator[Operator]:
    with Operator.of(perdure) as operator:
        yield operator


@pytest.fixture
def worker(operator: Operator) -> Account:
    return operator.register()


def fail(operator: Operator, intent_id: str, code: str = "bad_input") -> None:
    operator.post(
        f"/v1/intents/{intent_id}/resolve", {"status": "FAILED", "error": {"code": code, "message": "x"}}
    )


def live(page: Page) -> None:
    expect(page.locator("#live")).to_have_attribute("data-state", "live")


def test_filter_save_a_view_and_share_its_address(
    browser_page: Page, person: MakePerson, operator: Operator, worker: Account
) -> None:
    wanted, other = operator.submit(worker), operator.submit(worker)
    fail(operator, wanted)
    page = browser_page
    page.goto(LIST)
    page.get_by_label("Agent").fill(worker.address)
    page.locator(".list-filters .menu > summary").click()
    page.get_by_role("checkbox", name="Failed").check()
    page.get_by_role("button", name="Show", exact=True).click()

    expect(page.locator(f"#row-{wanted}")).to_be_visible()
    expect(page.locator(f"#row-{other}")).to_have_count(0)
    page.locator("#views > summary").click()
    page.get_by_label("Save these filters as").fill("Lost work")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Lost work")
    assert "q=" not in page.url  # what is empty is not in the address

    colleague = person(Role.VIEWER).page
    colleague.goto(page.url)
    expect(colleague.locator(f"#row-{wanted}")).to_be_visible()
    expect(colleague.locator(f"#row-{other}")).to_have_count(0)
    expect(colleague.locator("#bulk button")).to_have_count(0)


def test_a_row_changes_in_place_while_an_agent_works(
    browser_page: Page, perdure: Perdure, operator: Operator, worker: Account
) -> None:
    intent = operator.submit(worker)
    page = browser_page
    page.goto(f"{LIST}?agent={worker.address}")
    live(page)
    row = page.locator(f"#row-{intent}")
    expect(row).to_contain_text("No agent has ever connected")
    row.get_by_role("checkbox").check()

    with actors.agent(worker, perdure, "--halt-at", "working") as agent:
        agent.hear("halted", deadline=60)
        expect(row).to_contain_text("In progress")
        agent.kill()
    with actors.agent(worker, perdure):
        expect(row).to_contain_text("Completed")

    expect(row.get_by_role("checkbox")).to_be_checked()
    expect(page.locator("#chosen")).to_have_text("1 selected")


def test_new_rows_come_in_or_are_announced_to_who_has_selected(
    browser_page: Page, operator: Operator, worker: Account
) -> None:
    first = operator.submit(worker)
    page = browser_page
    page.goto(f"{LIST}?agent={worker.address}")
    live(page)

    second = operator.submit(worker)
    expect(page.locator(f"#row-{second}")).to_be_visible()
    page.locator(f"#row-{first}").get_by_role("checkbox").check()
    third, fourth = operator.submit(worker), operator.submit(worker)
    expect(page.locator("#news")).to_have_text("2 new, show")
    expect(page.locator(f"#row-{third}")).to_have_count(0)
    page.locator("#news").click()

    expect(page.locator("#rows tr")).to_have_count(4)
    ids = page.locator("#rows tr").evaluate_all("rows => rows.map(row => row.id)")
    assert ids == [f"row-{each}" for each in (fourth, third, second, first)]
    expect(page.locator(f"#row-{first}").get_by_role("checkbox")).to_be_checked()


def test_a_tab_that_is_hidden_pauses_and_then_catches_up(
    browser_page: Page, operator: Operator, worker: Account
) -> None:
    page = browser_page
    first = operator.submit(worker)
    page.goto(f"{LIST}?agent={worker.address}")
    live(page)
    page.evaluate(SEEN, True)
    expect(page.locator("#live")).to_have_attribute("data-state", "paused")
    second = operator.submit(worker)
    fail(operator, first)

    page.evaluate(SEEN, False)

    live(page)
    expect(page.locator(f"#row-{first}")).to_contain_text("bad_input")
    expect(page.locator(f"#row-{second}")).to_be_visible()


def test_the_list_by_keyboard(browser_page: Page, operator: Operator, worker: Account) -> None:
    intents = [operator.submit(worker) for _ in range(3)]
    page = browser_page
    page.goto("/o/myorg/production/")
    go_by_keys(page, "g i", LIST)
    page.goto(f"{LIST}?agent={worker.address}")

    for key in "jjx":
        page.keyboard.press(key)
    expect(page.locator(f"#row-{intents[1]}").get_by_role("checkbox")).to_be_checked()
    page.keyboard.press("k")
    expect(page.locator(f"#row-{intents[2]}")).to_have_class(re.compile("is-current"))
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()


def test_pages_work_without_scripts(perdure: Perdure, open_context: OpenContext, operator: Operator) -> None:
    worker = operator.register()
    intent = operator.submit(worker)
    page = open_context(java_script_enabled=False).new_page()
    page.goto("/login/")
    page.get_by_label("Name").fill(perdure.facts["PERDURE_ADMIN_USER"])
    page.get_by_label("Password").fill(perdure.facts["PERDURE_ADMIN_PASSWORD"])
    page.get_by_role("button", name="Sign in").click()
    page.goto(LIST)
    page.get_by_label("Agent").fill(worker.address)
    page.get_by_role("button", name="Show", exact=True).click()

    expect(page.locator(f"#row-{intent}")).to_be_visible()
    expect(page.locator("#bulk button").first).to_be_visible()
    page.locator("#views > summary").click()
    page.get_by_label("Save these filters as").fill("Without scripts")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Without scripts")


def test_nothing_is_wider_than_a_phone(perdure: Perdure, person: MakePerson, operator: Operator) -> None:
    worker = operator.register()
    operator.submit(worker)
    fail(operator, operator.submit(worker), "an_error_code_that_is_longer_than_any_phone_is_wide_" * 3)
    page = person(Role.OPERATOR, viewport=PHONE).page
    for path in ("", "intents/", "dead-letters/"):
        page.goto(f"/o/myorg/production/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


def test_what_is_selected_is_handed_over(browser_page: Page, operator: Operator, worker: Account) -> None:
    intents = [operator.submit(worker) for _ in range(3)]
    page = browser_page
    page.goto(f"{LIST}?agent={worker.address}")
    expect(page.locator("#bulk").get_by_role("button", name="Cancel…")).to_be_disabled()
    page.locator(f"#row-{intents[0]}").get_by_role("checkbox").check()
    page.locator(f"#row-{intents[2]}").get_by_role("checkbox").check()
    page.locator("#bulk").get_by_role("button", name="Cancel…").click()
    page.wait_for_url("**/bulk/")
    expect(page.locator("main")).to_contain_text("2")

    page.goto(f"{LIST}?agent={worker.address}")
    page.get_by_label("all that fit").check()
    expect(page.locator("#number")).to_have_text("(3)")
    page.locator("#bulk").get_by_role("button", name="Cancel…").click()
    page.wait_for_url("**/bulk/")
    expect(page.locator("main")).to_contain_text("3")


def test_dead_letters_of_one_kind_are_handed_over(
    browser_page: Page, operator: Operator, worker: Account
) -> None:
    for code in ("one", "one", "other"):
        fail(operator, operator.submit(worker), code)
    page = browser_page
    page.goto("/o/myorg/production/dead-letters/")
    group = (
        page.get_by_role("row").filter(has_text=worker.name).filter(has=page.get_by_text("one", exact=True))
    )
    group.get_by_role("button", name="Retry all…").click()

    page.wait_for_url("**/bulk/")
    expect(page.locator("main")).to_contain_text("2")
