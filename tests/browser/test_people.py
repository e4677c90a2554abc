"""Keys and members in a real browser: a key from its making to its end, a person from the invitation to the removal."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, expect

from agents.models import Role
from controlplane import access
from tests.browser.browsing import PHONE, log_in
from tests.browser.conftest import Console, MakePerson, OpenContext
from tests.end_to_end import actors
from tests.live import Account, Operator, in_database
from tests.servers import Perdure

pytestmark = pytest.mark.e2e

ROOT = "/o/myorg/production/"


def who_is(perdure: Perdure, token: str) -> int:
    """What the API answers to who has this key."""
    return httpx.get(f"{perdure.base_url}/v1/me", headers={"x-api-key": token}, timeout=60).status_code


def shown_token(page: Page) -> str:
    expect(page.get_by_role("heading", name="The new API key")).to_be_visible()
    return page.locator("#token").inner_text()


def test_a_key_is_made_used_rotated_and_revoked_and_the_agent_drops(
    browser_page: Page, perdure: Perdure
) -> None:
    page = browser_page
    page.goto(f"{ROOT}keys/")
    page.get_by_role("link", name="New key").click()
    page.get_by_label("Agent", exact=True).fill("door-keeper")
    page.get_by_label("Label").fill("at the door")
    page.get_by_role("button", name="Make the key").click()
    old = shown_token(page)
    page.reload()
    expect(page.get_by_role("heading", name="The key has been shown")).to_be_visible()
    page.get_by_role("link", name="Back to the keys").click()
    rows = page.locator("tr", has_text="door-keeper")
    expect(rows).to_have_count(1)
    assert who_is(perdure, old) == 200

    address = "agent://myorg/production/door-keeper"
    with actors.socket_agent(Account("door-keeper", address, "", old, ""), perdure) as agent:
        agent.hear("listening", deadline=60)
        with Operator.of(perdure) as operator:
            intent_id = operator.submit(address, {"rows": 3})
            agent.hear("done", deadline=60)
            operator.wait_for(intent_id, "COMPLETED", deadline=60)
        page.goto(f"{ROOT}agents/")
        expect(page.locator("tr", has_text="door-keeper")).to_contain_text("Healthy")

        page.goto(f"{ROOT}keys/")
        rows.get_by_role("link", name="Rotate").click()
        page.get_by_label("The old key ends").select_option(label="in a day")
        page.get_by_role("button", name="Rotate the key").click()
        new = shown_token(page)
        assert (who_is(perdure, old), who_is(perdure, new)) == (200, 200)
        assert not agent.heard("disturbed")

        page.get_by_role("link", name="Done").click()
        page.locator("tr", has_text="replaced by").get_by_role("link", name="Revoke").click()
        page.get_by_label("Why").fill("has been rotated")
        page.get_by_role("button", name="Revoke the key").click()
        expect(page.locator("#notices")).to_contain_text("is revoked")
        agent.hear("disturbed", deadline=60)
    assert (who_is(perdure, old), who_is(perdure, new)) == (401, 200)
    expect(rows).to_have_count(1)
    page.goto(f"{ROOT}audit/?action=key.")
    for action in ("key.created", "key.rotated", "key.revoked"):
        expect(page.locator("code", has_text=action).first).to_be_visible()


@pytest.mark.parametrize("has_scripts", [True, False])
def test_who_clicks_twice_makes_one_key_and_is_shown_it(
    perdure: Perdure, open_context: OpenContext, has_scripts: bool
) -> None:
    page = open_context(java_script_enabled=has_scripts).new_page()
    log_in(page, perdure.facts["PERDURE_ADMIN_USER"], perdure.facts["PERDURE_ADMIN_PASSWORD"])
    label = f"twice, scripts: {has_scripts}"
    page.goto(f"{ROOT}keys/new/")
    page.get_by_label("Agent", exact=True).fill("hasty")
    page.get_by_label("Label").fill(label)

    page.get_by_role("button", name="Make the key").dblclick(no_wait_after=True)

    assert who_is(perdure, shown_token(page)) == 200
    page.goto(f"{ROOT}keys/?agent=hasty")
    expect(page.locator("tr", has_text=label)).to_have_count(1)


def test_somebody_is_invited_comes_in_and_is_removed_with_what_they_have_open(
    browser_page: Page, open_context: OpenContext, console: Console
) -> None:
    console.forgive("404", "401")
    page = browser_page
    page.goto(f"{ROOT}settings/")
    page.get_by_label("Name").and_(page.locator("#username")).fill("newcomer")
    page.locator("#role").select_option("operator")
    page.locator("#new-member").get_by_role("button", name="Invite").click()
    expect(page.get_by_role("heading", name="newcomer is invited")).to_be_visible()
    link = page.locator("#link").inner_text()
    page.get_by_role("link", name="Done").click()
    expect(page.locator("li", has_text="newcomer")).to_contain_text("invited")

    guest = open_context(viewport=PHONE).new_page()
    guest.goto(link)
    guest.get_by_label("Password", exact=True).fill("a long winded sentence")
    guest.get_by_label("Password, again").fill("a long winded sentence")
    guest.get_by_role("button", name="Sign in").click()
    guest.wait_for_url("**/o/myorg/production/")
    guest.goto(f"{ROOT}intents/")
    expect(guest.locator("#live")).to_have_attribute("data-state", "live")
    assert guest.locator(".bar__nav", has_text="Settings").count() == 0

    page.reload()
    row = page.locator("li", has_text="newcomer")
    row.get_by_label("Role of newcomer").select_option("viewer")
    row.get_by_role("button", name="Change").click()
    expect(page.locator("#notices")).to_contain_text("newcomer is a viewer now")
    page.locator("li", has_text="newcomer").get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove newcomer").click()
    expect(page.locator("#notices")).to_contain_text("newcomer is no member any more")

    guest.wait_for_url("**/login/**")
    again = open_context().new_page()
    assert (status := again.goto(link)) is not None
    assert status.status == 404


def test_somebody_with_a_login_joins_a_second_organization_as_who_they_are(
    browser_page: Page, person: MakePerson, perdure: Perdure, console: Console
) -> None:
    console.forgive("404")
    Operator.of_another_tenant(perdure, "initech").close()
    theirs = person(Role.VIEWER, organization="initech")
    page = browser_page
    page.goto(f"{ROOT}settings/")
    page.locator("#username").fill(theirs.username)
    page.locator("#new-member").get_by_role("button", name="Invite").click()
    link = page.locator("#link").inner_text()

    theirs.page.goto(ROOT)
    expect(theirs.page.get_by_role("heading", name="Nothing here")).to_be_visible()
    theirs.page.goto(link)
    theirs.page.get_by_role("button", name="Join").click()
    theirs.page.wait_for_url(f"**{ROOT}")
    expect(theirs.page.locator("#switcher")).to_be_visible()


def test_a_workspace_is_made_and_the_switcher_leads_there_and_back(browser_page: Page) -> None:
    page = browser_page
    page.goto(f"{ROOT}settings/")
    page.get_by_label("Slug").fill("rehearsal")
    page.locator("#workspace-name").fill("Rehearsal")
    page.locator("#new-workspace").get_by_role("button", name="Add").click()
    expect(page.locator("#notices")).to_contain_text("rehearsal is there")

    page.locator("#switcher > summary").click()
    page.locator("#switcher").get_by_role("link", name="Rehearsal").click()
    page.wait_for_url("**/o/myorg/rehearsal/")
    page.goto("/")
    page.wait_for_url("**/o/myorg/rehearsal/")
    page.locator("#switcher > summary").click()
    page.locator("#switcher").get_by_role("link", name="Production").click()
    page.wait_for_url("**/o/myorg/production/")


def test_settings_work_without_scripts_and_on_a_phone(
    perdure: Perdure, open_context: OpenContext, console: Console
) -> None:
    console.forgive("409")
    page = open_context(java_script_enabled=False, viewport=PHONE).new_page()
    log_in(page, perdure.facts["PERDURE_ADMIN_USER"], perdure.facts["PERDURE_ADMIN_PASSWORD"])
    page.goto(f"{ROOT}settings/")
    page.locator("#organization-name").fill("Our organization")
    page.locator("#organization").get_by_role("button", name="Rename").click()
    expect(page.locator("#notices")).to_contain_text("Our organization")
    mine = page.locator("li", has_text="you")
    mine.get_by_role("combobox").select_option("viewer")
    mine.get_by_role("button", name="Change").click()
    expect(page.get_by_role("alert")).to_contain_text("last administrator")


def test_a_viewer_cannot_act_also_not_by_hand(person: MakePerson, perdure: Perdure) -> None:
    with Operator.of(perdure) as operator:
        account = operator.register()
        intent_id = operator.submit(account, {"rows": 3})
    page = person(Role.VIEWER).page
    token = {each["name"]: each["value"] for each in page.context.cookies()}["csrftoken"]
    forms = {
        f"intents/{intent_id}/cancellation/": {"reason": "because"},
        f"intents/{intent_id}/redelivery/": {},
        f"intents/{intent_id}/retries/": {},
        "bulk/": {"kind": "cancel", "ids": intent_id, "confirmed": "1", "reason": "because"},
        f"agents/{account.id}/kill/": {"reason": "because"},
        f"keys/{account.key_id}/revocation/": {},
        f"keys/{account.key_id}/rotation/": {"overlap": "0"},
        "keys/new/": {"agent": "accomplice", "scopes": "admin", "expires": "30"},
        "settings/members/": {"username": "accomplice", "role": "admin"},
    }

    for path, form in forms.items():
        answer = page.request.post(
            ROOT + path,
            form={**form, "csrfmiddlewaretoken": token},
            headers={"Referer": perdure.base_url + ROOT},
        )
        assert (path, answer.status) == (path, 403)
        assert "needs the role" in answer.text(), "and not for want of the form's token"
    with Operator.of(perdure) as operator:
        assert operator.status(intent_id) == "SUBMITTED"
    assert who_is(perdure, account.key) == 200


def test_another_organizations_pages_are_not_there(
    person: MakePerson, perdure: Perdure, console: Console
) -> None:
    console.forgive("404")
    with Operator.of(perdure) as operator:
        account = operator.register()
        intent_id = operator.submit(account, {"rows": 3})
    [(member,)] = in_database(perdure, "SELECT min(id) FROM agents_membership")
    named = {
        "<uuid:intent_id>": intent_id,
        "<slug:service_account_id>": account.id,
        "<slug:key_id>": account.key_id,
        "<uuid:workspace_id>": perdure.facts["PERDURE_WORKSPACE_ID"],
        "<int:membership_id>": str(member),
        "<int:invitation_id>": "1",
        "<int:view_id>": "1",
        "<uuid:action_id>": intent_id,
        "<slug:ticket>": "x",
    }
    Operator.of_another_tenant(perdure, "globex").close()
    page = person(Role.ADMIN, organization="globex").page
    token = {each["name"]: each["value"] for each in page.context.cookies()}["csrftoken"]

    for place in access.PLACES:
        path = ROOT + place
        for parameter, value in named.items():
            path = path.replace(parameter, value)
        assert "<" not in path
        posted = page.request.post(
            path, form={"csrfmiddlewaretoken": token}, headers={"Referer": perdure.base_url}
        )
        assert (path, page.request.get(path).status, posted.status) == (path, 404, 404)
    page.goto(f"{ROOT}settings/")
    expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
