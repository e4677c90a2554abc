"""One intent in a real browser, while a real agent works, is killed and comes back; and many at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from playwright.sync_api import Page, expect

from agents.models import Role
from tests.browser.conftest import MakePerson
from tests.end_to_end import actors
from tests.live import Operator, in_database
from tests.servers import Perdure, wait_until

ROOT = "/o/myorg/production/"


def test_a_timeline_moves_while_an_agent_works_is_killed_and_comes_back(
    browser_page: Page, perdure: Perdure
) -> None:
    page = browser_page
    with Operator.of(perdure) as operator:
        account = operator.register()
        intent_id = operator.submit(account, {"rows": 3})
        page.goto(f"{ROOT}intents/{intent_id}/")
        sentence = page.locator("#sentence")
        expect(sentence).to_contain_text("no agent has ever connected")
        expect(page.locator("#live")).to_have_attribute("data-state", "live")
        page.locator("#action-cancel > summary").click()
        page.locator("#reason-cancel").fill("half a reas")

        with actors.agent(account, perdure, "--halt-at", "working") as agent:
            agent.hear("halted", deadline=60)
            expect(sentence).to_contain_text("Attempt 1 of 3 is running on")
            expect(page.locator("#event-3")).to_contain_text("Handed over, attempt 1 of 3")
            agent.kill()
        expect(sentence).to_contain_text("is not connected")
        expect(page.locator("#chapter-1")).to_contain_text("connection lost")
        # What somebody types stays, whatever happens around it.
        expect(page.locator("#reason-cancel")).to_have_value("half a reas")
        expect(page.locator("#reason-cancel")).to_be_focused()

        with actors.agent(account, perdure) as agent:
            agent.hear("done", deadline=60)
            expect(sentence).to_contain_text("Completed after 2 attempts in")
        expect(page.locator("#chapter-2")).to_contain_text("completed")
        expect(page.locator("#loss-1")).to_be_visible()
        expect(page.locator("#result")).to_be_visible()
        numbers = page.locator("#timeline .event").evaluate_all("all => all.map(each => each.dataset.seq)")
        assert numbers == [str(each["seq"]) for each in operator.events(intent_id)]

        page.locator("#action-cancel button").click()
        expect(page.locator("#notices")).to_contain_text("Nothing was changed")
        expect(sentence).to_contain_text("Completed after 2 attempts")


def test_an_event_far_back_is_found_by_its_address_and_copied(browser_page: Page, perdure: Perdure) -> None:
    page = browser_page
    with Operator.of(perdure) as operator:
        intent_id = operator.submit(operator.register(), {"rows": 3})
    in_database(
        perdure,
        "WITH lived AS (INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)"
        " SELECT %(id)s::uuid, number, 'intent.in_progress', 'IN_PROGRESS', 'agent://myorg/production/x', '{}',"
        " now() + number * interval '1 second' FROM generate_series(3, 2000) AS number)"
        " UPDATE intents_intent SET seq = 2000, status = 'IN_PROGRESS' WHERE id = %(id)s::uuid",
        id=intent_id,
    )
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    page.goto(f"{ROOT}intents/{intent_id}/#event-1000")

    expect(page).to_have_url(re.compile(r"\?event=1000#event-1000$"))
    expect(page.locator("#event-1000")).to_be_in_viewport()
    assert page.locator("#timeline .event").count() < 1_000
    page.locator("#event-1001 .event__number").click()
    expect(page).to_have_url(re.compile(r"\?event=1001#event-1001$"))
    page.get_by_text("As curl").click()
    page.locator("[data-copy^=curl]").first.click()
    copied = "navigator.clipboard.readText()"
    wait_until(lambda: intent_id in page.evaluate(copied), 60, "it is copied")
    assert page.evaluate(copied).startswith("curl ")


def test_canceling_one_and_retrying_it(browser_page: Page, perdure: Perdure) -> None:
    page = browser_page
    with Operator.of(perdure) as operator:
        intent_id = operator.submit(operator.register(), {"rows": 3})
        page.goto(f"{ROOT}intents/{intent_id}/")

        page.keyboard.press("c")
        expect(page.locator("#reason-cancel")).to_be_focused()
        page.keyboard.type("a duplicate")
        page.keyboard.press("Enter")
        expect(page.locator("#sentence")).to_contain_text("“a duplicate”")

        page.keyboard.press("r")
        page.get_by_text("With another payload").click()
        page.get_by_role("textbox", name="Payload").fill('{"rows": 4}')
        page.get_by_role("button", name="Retry", exact=True).click()
        expect(page.locator("#relations")).to_contain_text("Retries")
        assert operator.intent(page.url.rstrip("/").rpartition("/")[2])["payload"] == {"rows": 4}


def test_five_thousand_are_canceled_while_somebody_looks(browser_page: Page, perdure: Perdure) -> None:
    page = browser_page
    with Operator.of(perdure) as operator:
        account = operator.register()
        body = [
            {"intent_type": "bulk.cancel.v1", "to_agent": account.address, "payload": {"n": number}}
            for number in range(500)
        ]
        for _ in range(10):
            operator.post("/v1/intents/batch", {"intents": body})
    page.goto(f"{ROOT}intents/?type=bulk.cancel.v1&status=SUBMITTED")
    page.locator("#all-matching").check()
    page.get_by_role("button", name="Cancel…").click()
    expect(page.get_by_role("heading", name="Cancel 5000 intents")).to_be_visible()
    page.get_by_label("Why").fill("a mistake")
    page.get_by_label(re.compile("to confirm")).fill("cancel 5000")
    page.get_by_role("button", name="Cancel 5000 intents").click()

    expect(page.locator("#progress")).to_contain_text("Finished", timeout=120_000)
    expect(page.locator("#progress")).to_contain_text("5000 done")
    [(canceled,)] = in_database(
        perdure,
        "SELECT count(*) FROM intents_intent WHERE intent_type = 'bulk.cancel.v1' AND status = 'CANCELED'",
    )
    assert canceled == 5_000


def submit_ten_thousand(perdure: Perdure, intent_type: str) -> None:
    """So many intents of this type, which nobody works on."""
    with Operator.of(perdure) as operator:
        account = operator.register()
        body = [{"intent_type": intent_type, "to_agent": account.address}] * 500
        for _ in range(20):
            operator.post("/v1/intents/batch", {"intents": body})


def cancel_ten_thousand(page: Page, intent_type: str) -> None:
    """Begin to cancel all of this type."""
    page.goto(f"{ROOT}intents/?type={intent_type}&status=SUBMITTED")
    page.locator("#all-matching").check()
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_label("Why").fill("a mistake")
    page.get_by_label(re.compile("to confirm")).fill("cancel 10000")
    page.get_by_role("button", name="Cancel 10000 intents").click()


@contextmanager
def halfway_barred(perdure: Perdure, intent_type: str) -> Iterator[None]:
    """Whoever changes all of this type comes no further than the middle meanwhile, however slow the browser is."""
    half = "SELECT id FROM intents_intent WHERE intent_type = %s ORDER BY id OFFSET 5000 LIMIT 1 FOR UPDATE"
    with psycopg.connect(perdure.environment["DATABASE_URL"]) as connection:
        assert connection.execute(half, [intent_type]).fetchone()
        yield


def test_an_action_goes_on_when_its_worker_is_killed(browser_page: Page, perdure: Perdure) -> None:
    page = browser_page
    submit_ten_thousand(perdure, "bulk.killed.v1")
    query = "SELECT succeeded, state FROM intents_bulkaction ORDER BY id DESC LIMIT 1"
    with halfway_barred(perdure, "bulk.killed.v1"):
        cancel_ten_thousand(page, "bulk.killed.v1")
        expect(page.locator("#progress")).to_contain_text("Running")
        wait_until(lambda: in_database(perdure, query)[0][0] > 0, 60, "it has begun")
        perdure.worker.kill()
    ((done, state),) = in_database(perdure, query)
    perdure.worker.start()

    assert (state, done < 10_000) == ("running", True)
    expect(page.locator("#progress")).to_contain_text("Finished", timeout=120_000)
    expect(page.locator("#progress")).to_contain_text("10000 done")
    [(entries,)] = in_database(
        perdure,
        "SELECT count(DISTINCT named) FROM agents_auditentry AS entry"
        " CROSS JOIN jsonb_object_keys(entry.details -> 'intents') AS named"
        " WHERE entry.action = 'intent.canceled' AND entry.target ="
        " (SELECT id::text FROM intents_bulkaction ORDER BY id DESC LIMIT 1)",
    )
    assert entries == 10_000


def test_an_action_on_many_is_stopped_in_the_middle(browser_page: Page, perdure: Perdure) -> None:
    page = browser_page
    submit_ten_thousand(perdure, "bulk.stopped.v1")
    progress = page.locator("#progress")
    # It waits for the chunk that is under way.
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%intents_bulkaction%%'"
    with halfway_barred(perdure, "bulk.stopped.v1"):
        cancel_ten_thousand(page, "bulk.stopped.v1")
        expect(progress).to_contain_text("Running")
        page.get_by_role("button", name="Stop", exact=True).click(no_wait_after=True)
        wait_until(lambda: in_database(perdure, waiting), 60, "to be stopped is asked for")

    expect(progress).to_contain_text("Stopped by admin")
    query = (
        "SELECT count(*) FROM intents_intent WHERE intent_type = 'bulk.stopped.v1' AND status = 'CANCELED'"
    )
    [(canceled,)] = in_database(perdure, query)
    assert canceled < 10_000
    page.reload()
    expect(progress).to_contain_text(f"{canceled} done")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)


def test_a_viewer_has_no_buttons(person: MakePerson, perdure: Perdure) -> None:
    with Operator.of(perdure) as operator:
        intent_id = operator.submit(operator.register())
    page = person(Role.VIEWER).page

    page.goto(f"{ROOT}intents/{intent_id}/")

    expect(page.locator("#actions")).to_contain_text("You may look")
    assert page.locator("#actions form").count() == 0
