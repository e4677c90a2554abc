"""The streams of the agents' pages, from real servers: who comes, who is killed, and whose business it is."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.intents.pages.markup import assert_harmless
from tests.intents.pages.streams import listen, logged_in
from tests.intents.realtime.sockets import Socket
from tests.live import Operator
from tests.servers import Perdure

pytestmark = pytest.mark.e2e

FLEET = "/live/o/myorg/production/agents"


@pytest.fixture(scope="module")
def operator(commons: Perdure) -> Iterator[Operator]:
    with Operator.of(commons) as operator:
        yield operator


@pytest.fixture(scope="module")
def browser(commons: Perdure) -> Iterator[httpx.Client]:
    """The administrator's session at the second web process; what changes is changed at the first."""
    with logged_in(commons, web=1) as client:
        yield client


def test_the_fleet_is_shown_whole_then_row_by_row(
    commons: Perdure, browser: httpx.Client, operator: Operator
) -> None:
    worker = operator.register()
    with listen(browser, f"{FLEET}?q={worker.name}") as stream:
        stream.wait_for("part", '<section class="panel" id="fleet"', "Unknown")

        with Socket(commons.web[0].base_url, worker.key) as socket:
            socket.hello(worker)
            told = stream.wait_for("part", f'<tr id="agent-{worker.id}"', "Healthy", "1 websocket")
            operator.post(f"/v1/mesh/agents/{worker.address}/kill")
            stream.wait_for("part", f'<tr id="agent-{worker.id}"', "Killed")

    assert worker.name in assert_harmless(told).text
    assert len([1 for _, _, data in stream.events if 'id="fleet"' in data]) == 1


def test_an_agents_page_tells_its_kill(browser: httpx.Client, operator: Operator) -> None:
    worker = operator.register()
    with listen(browser, f"{FLEET}/{worker.id}") as stream:
        stream.wait_for("part", 'data-health="unknown"')

        operator.post(f"/v1/mesh/agents/{worker.address}/kill", {"reason": "<b>runs wild"})

        told = stream.wait_for("part", 'data-health="killed"', "In effect on ")
    assert "<b>runs wild" in assert_harmless(told).text


def test_who_is_not_logged_in_or_not_a_member_hears_nothing(
    commons: Perdure, browser: httpx.Client, operator: Operator
) -> None:
    worker = operator.register()
    with Operator.of_another_tenant(commons, "neighbours-of-fleets") as neighbour:
        theirs = neighbour.register()

    for path in (FLEET, f"{FLEET}/{worker.id}"):
        assert httpx.get(commons.web[1].base_url + path).status_code == 401
        assert browser.get(path.replace("myorg", "neighbours-of-fleets")).status_code == 404
        assert browser.get(path.replace("production", "nowhere")).status_code == 404
    for unknown in (theirs.id, "sa_0"):
        assert browser.get(f"{FLEET}/{unknown}").status_code == 404
