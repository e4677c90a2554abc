"""Everything that Perdure speaks, through a proxy that speaks TLS, below a path prefix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.browser.browsing import CHROMIUM
from tests.browser.conftest import Console
from tests.end_to_end.actors import Actor
from tests.live import Operator
from tests.operations.nginx import PREFIX, Front
from tests.servers import wait_until

#: Where clients come from, so that they are not taken for the proxy.
ELSEWHERE = "127.0.0.9"


@pytest.fixture
def operator(front: Front) -> Iterator[Operator]:
    """Somebody who may everything, and comes through the proxy."""
    facts = front.perdure.facts
    ids = facts["PERDURE_ORG_ID"], facts["PERDURE_WORKSPACE_ID"]
    with Operator(front.url, front.perdure.key, *ids) as somebody:
        somebody.http.close()
        somebody.http = front.client(headers={"x-api-key": front.perdure.key})
        yield somebody


@pytest.fixture
def visitor(front: Front) -> Iterator[httpx.Client]:
    """A browser without a screen, from another machine."""
    with front.client() as client:
        yield client


def log_in(front: Front, visitor: httpx.Client) -> httpx.Response:
    visitor.get("/login/")
    facts = front.perdure.facts
    form = {
        "username": facts["PERDURE_ADMIN_USER"],
        "password": facts["PERDURE_ADMIN_PASSWORD"],
        "csrfmiddlewaretoken": visitor.cookies["csrftoken"],
    }
    return visitor.post("/login/", data=form, headers={"referer": f"{front.url}/login/"})


def test_logging_in_leads_below_the_prefix_with_cookies_that_stay_there(
    front: Front, visitor: httpx.Client
) -> None:
    answer = log_in(front, visitor)

    assert answer.status_code == 302
    assert answer.headers["location"].startswith(f"{PREFIX}/")
    home = visitor.get("/", follow_redirects=True)
    assert home.status_code == 200
    assert home.url.path.startswith(f"{PREFIX}/o/myorg/")
    for cookie in visitor.cookies.jar:
        assert (cookie.path, cookie.secure) == (f"{PREFIX}/", True), cookie


def test_all_answers_insist_on_https_and_no_link_leaves_the_prefix(
    front: Front, visitor: httpx.Client
) -> None:
    log_in(front, visitor)

    page = visitor.get("/o/myorg/production/agents/")

    assert page.status_code == 200
    for answer in (page, visitor.get("/v1/me")):
        assert "max-age=31536000" in answer.headers["strict-transport-security"]
    links = [part.split('"')[0] for part in page.text.replace('src="', 'href="').split('href="')[1:]]
    assert len(links) > 10
    strays = [link for link in links if link.startswith("/") and not link.startswith(f"{PREFIX}/")]
    assert strays == []
    for sheet in {link for link in links if "/static/" in link}:
        assert visitor.get(sheet.removeprefix(PREFIX)).status_code == 200


def test_commands_to_copy_name_the_address_that_the_reader_came_by(
    front: Front, operator: Operator, visitor: httpx.Client
) -> None:
    intent_id = operator.submit(operator.register())
    log_in(front, visitor)

    page = visitor.get(f"/o/myorg/production/intents/{intent_id}/")

    assert f"{front.url}/v1/intents/{intent_id}" in page.text


def test_plain_http_from_elsewhere_is_sent_to_https(front: Front) -> None:
    [process, *_] = front.perdure.web

    forged = httpx.get(f"{process.base_url}{PREFIX}/login/", headers={"x-forwarded-proto": "http"})

    assert forged.status_code == 301
    assert forged.headers["location"].startswith("https://")


def test_who_asks_is_who_the_proxy_saw_and_not_who_they_say(front: Front, visitor: httpx.Client) -> None:
    log_in(front, visitor)

    visitor.headers["x-forwarded-for"] = "192.0.2.66"
    account = visitor.get("/account/").text

    assert ELSEWHERE in account
    assert "192.0.2.66" not in account


def test_metrics_are_not_shown_to_the_world(front: Front, visitor: httpx.Client) -> None:
    assert visitor.get("/metrics").status_code == 404  # the proxy's own
    [process, *_] = front.perdure.web
    forwarded = httpx.get(f"{process.base_url}{PREFIX}/metrics", headers={"x-forwarded-for": ELSEWHERE})
    assert forwarded.status_code == 401


def test_an_agent_of_the_unchanged_sdk_works_through_the_proxy(
    front: Front, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(front.certificate))
    account = operator.register()
    with Actor("agent.py", account.key, account.address, front.url) as agent:
        agent.hear("listening", 30)
        intent_id = operator.submit(account, {"rows": 3})

        agent.hear("delivered", 30)

        assert operator.wait_for(intent_id, "COMPLETED", deadline=30)["payload"] == {"rows": 3}


def test_a_websocket_works_through_the_proxy_and_a_foreign_page_gets_none(
    front: Front, operator: Operator
) -> None:
    account = operator.register()
    address = front.url.replace("https", "wss", 1) + "/ws/agent"
    key = {"Authorization": f"Bearer {account.key}"}
    with connect(address, additional_headers=key, ssl=front.trust) as socket:
        socket.send(json.dumps({"type": "hello", "address": account.address, "max_in_flight": 1}))
        assert json.loads(socket.recv(20))["type"] == "welcome"
        intent_id = operator.submit(account)
        [delivery] = json.loads(socket.recv(20))["deliveries"]
        named = {"intent_id": intent_id, "lease": delivery["lease"]}
        socket.send(json.dumps({"type": "complete", "ref": "1", "result": {}, **named}))
        assert operator.wait_for(intent_id, "COMPLETED", deadline=20)
    for origin, may_come in (
        (f"https://{urlsplit(front.url).netloc}", True),
        ("https://elsewhere.example", False),
    ):
        came: AbstractContextManager[Any] = (
            nullcontext() if may_come else pytest.raises(InvalidStatus, match="403")
        )
        with came, connect(address, origin=Origin(origin), additional_headers=key, ssl=front.trust):
            pass


def test_a_stream_is_not_held_back_by_the_proxy(front: Front, operator: Operator) -> None:
    account = operator.register()
    intent_id = operator.submit(account)
    with operator.http.stream("GET", f"/v1/intents/{intent_id}/events/stream?wait_seconds=30") as stream:
        lines = stream.iter_lines()
        assert any("intent.submitted" in line for line in lines)  # while the stream is open

        operator.post(f"/v1/intents/{intent_id}/resolve", {"status": "CANCELED"})

        assert any("intent.canceled" in line for line in lines)


def test_a_body_of_eight_mebibytes_passes_and_a_larger_one_is_refused(
    front: Front, operator: Operator
) -> None:
    for size, status in ((8 * 1024 * 1024 - 1000, 422), (10 * 1024 * 1024, 413)):
        answer = operator.http.post("/v1/intents/batch", content=b'{"intents": "%b"}' % (b"x" * size))

        assert answer.status_code == status


@pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium here (Debian: apt install chromium)")
def test_an_open_page_is_told_through_the_proxy(
    front: Front,
    operator: Operator,
    chromium: Browser,
    console: Console,
) -> None:
    facts = front.perdure.facts
    intent_id = operator.submit(operator.register())
    context = chromium.new_context(ignore_https_errors=True)
    context.on("page", console.listen)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto(f"{front.url}/")
    page.get_by_label("Name").fill(facts["PERDURE_ADMIN_USER"])
    page.get_by_label("Password").fill(facts["PERDURE_ADMIN_PASSWORD"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/perdure/o/**")
    page.goto(f"{front.url}/o/myorg/production/intents/{intent_id}/")
    expect(page.locator("#live[data-state=live]")).to_be_visible()

    operator.post(f"/v1/intents/{intent_id}/resolve", {"status": "CANCELED"})

    expect(page.locator("#timeline").get_by_text("canceled").first).to_be_visible(timeout=20_000)
    wait_until(lambda: operator.status(intent_id) == "CANCELED", 20)
    context.close()
