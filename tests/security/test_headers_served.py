"""What a real process tells browsers with one answer of each kind is what headers.json notes of that kind."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.live import Account, Operator
from tests.security.test_headers import compare, told
from tests.security.visiting import visiting
from tests.servers import Perdure

PLACE = "o/myorg/production"
UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
#: kind → what is asked for, and the status of the answer; people have logged in, agents have a key
OF_PEOPLE = {
    "a live part of a page": (f"/live/{PLACE}/intents", 200),
    "a page": (f"/{PLACE}/intents/", 200),
    "an export of the audit log": (f"/{PLACE}/audit/export/", 200),
    "an export of an intent": (f"/{PLACE}/intents/{{intent}}/export/", 200),
    "a page of the admin": ("/admin/", 200),
    "an error page": ("/no/such/page", 404),
    "a refusal of a live part": ("/live/o/no/where/intents", 404),
    "a static file": ("/static/css/base.css", 200),
}
OF_AGENTS = {
    "a stream of an intent": ("/v1/intents/{intent}/events/stream?wait_seconds=5", 200),
    "a stream of an agent": ("/v1/agents/{agent}/intents/stream?wait_seconds=5", 200),
    "an answer of the API": ("/v1/intents/{intent}", 200),
    "the description of the API": ("/v1/openapi.json", 200),
}
OF_ANYBODY = {
    "the figures": ("/metrics", 200),
    "a probe": ("/healthz/ready", 200),
    "the way to the login": (f"/{PLACE}/", 302),
}


@pytest.fixture(scope="module")
def perdure() -> Iterator[Perdure]:
    with Perdure(web=1, worker=False) as running:
        yield running


@pytest.fixture(scope="module")
def agent(perdure: Perdure) -> Account:
    with Operator.of(perdure) as operator:
        return operator.register("worker")


@pytest.fixture(scope="module")
def intent(perdure: Perdure, agent: Account) -> str:
    with Operator.of(perdure) as operator:
        return operator.submit(agent)


@pytest.fixture(scope="module")
def browser(perdure: Perdure) -> Iterator[httpx.Client]:
    with visiting(perdure) as client:
        yield client


def assert_as_noted(client: httpx.Client, kind: str, path: str, status: int, **headers: str) -> None:
    """Fail unless the answer is of this status and tells what is noted of its kind; of a stream the head suffices."""
    with client.stream("GET", path, headers=headers, follow_redirects=False) as answer:
        assert answer.status_code == status, path
        compare(kind, {path: told(answer.headers)})


@pytest.mark.parametrize("kind", OF_PEOPLE)
def test_what_people_are_answered_tells_browsers_what_is_noted(
    browser: httpx.Client, intent: str, kind: str
) -> None:
    path, status = OF_PEOPLE[kind]
    assert_as_noted(browser, kind, path.format(intent=intent), status)


@pytest.mark.parametrize("kind", OF_AGENTS)
def test_what_agents_are_answered_tells_browsers_what_is_noted(
    perdure: Perdure, agent: Account, intent: str, kind: str
) -> None:
    path, status = OF_AGENTS[kind]
    key = perdure.key if "intent}" in path else agent.key
    with httpx.Client(base_url=perdure.base_url, timeout=60) as client:
        assert_as_noted(
            client, kind, path.format(intent=intent, agent=agent.name), status, **{"x-api-key": key}
        )


@pytest.mark.parametrize("kind", OF_ANYBODY)
def test_what_anybody_is_answered_tells_browsers_what_is_noted(perdure: Perdure, kind: str) -> None:
    with httpx.Client(base_url=perdure.base_url, timeout=60) as client:
        assert_as_noted(client, kind, *OF_ANYBODY[kind])


@pytest.mark.parametrize(
    ("path", "origin"), [("/ws/agent", "https://evil.example"), ("/ws/nowhere", "{own}")]
)
def test_a_websocket_that_is_refused_before_it_opens_tells_nothing_more(
    perdure: Perdure, agent: Account, path: str, origin: str
) -> None:
    with httpx.Client(base_url=perdure.base_url, timeout=60) as client:
        headers = {**UPGRADE, **agent.headers, "origin": origin.format(own=perdure.base_url)}
        assert_as_noted(client, "a refused websocket", path, 403, **headers)
