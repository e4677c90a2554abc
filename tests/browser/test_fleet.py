"""The pages of agents in a real browser: they follow what happens by themselves, and ask nothing while nobody looks."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import SEEN
from tests.intents.realtime.sockets import Socket
from tests.live import Account, Operator
from tests.servers import Perdure

pytestmark = pytest.mark.e2e

AGENTS = "/o/myorg/production/agents/"


@pytest.fixture
def operator(perdure: Perdure) -> Iterator[Operator]:
    with Operator.of(perdure) as operator:
        yield operator


@pytest.fixture
def worker(operator: Operator) -> Account:
    return operator.register()


def test_an_agents_page_shows_its_kill_and_how_long_it_took_and_resumes_it(
    browser_page: Page, perdure: Perdure, operator: Operator, worker: Account
) -> None:
    with Socket(perdure.base_url, worker.key) as socket:
        socket.hello(worker)
        browser_page.goto(f"{perdure.base_url}{AGENTS}{worker.id}/")
        health, effect = browser_page.locator("#health"), browser_page.locator("#effect")
        expect(health).to_contain_text("It is connected now.")

        operator.post(f"/v1/mesh/agents/{worker.address}/kill", {"reason": "it deletes customers"})

        expect(health).to_contain_text("“it deletes customers”")
        expect(effect).to_contain_text(
            re.compile(r"In effect on 1 web process, on the last after [\d.]+ m?s")
        )
        browser_page.get_by_role("button", name="Resume the agent").click()
        expect(health).to_contain_text("It is connected now.")
        expect(effect).to_have_count(0)


def test_the_fleet_follows_and_asks_nothing_while_nobody_looks(
    browser_page: Page, perdure: Perdure, operator: Operator, worker: Account
) -> None:
    asked: list[str] = []
    browser_page.goto(f"{perdure.base_url}{AGENTS}?q={worker.name}")
    row, live = browser_page.locator(f"#agent-{worker.id}"), browser_page.locator("#live")
    expect(row).to_contain_text("Unknown")
    expect(live).to_have_attribute("data-state", "live")
    with Socket(perdure.base_url, worker.key) as socket:
        socket.hello(worker)
        expect(row).to_contain_text("Healthy")
        expect(row).to_contain_text("1 websocket")
        browser_page.evaluate(SEEN, True)
        expect(live).to_have_attribute("data-state", "paused")
        browser_page.on("request", lambda request: asked.append(request.url))
        operator.post(f"/v1/mesh/agents/{worker.address}/kill")
        browser_page.wait_for_timeout(2_500)  # longer than it would have taken to be told
        assert [url for url in asked if AGENTS in url] == []
        expect(row).to_contain_text("Healthy")

        browser_page.evaluate(SEEN, False)
        expect(row).to_contain_text("Killed")


def test_an_agent_that_comes_appears_by_itself(
    browser_page: Page, perdure: Perdure, operator: Operator, worker: Account
) -> None:
    browser_page.goto(f"{perdure.base_url}{AGENTS}")
    expect(browser_page.locator(f"#agent-{worker.id}")).to_be_visible()
    expect(browser_page.locator("#live")).to_have_attribute("data-state", "live")

    newcomer = operator.register()

    expect(browser_page.locator(f"#agent-{newcomer.id}")).to_be_visible()
