"""/v1/mesh/: signs of life, health and what agents have done, as clients meet them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db.models.functions import Now

from agents import metrics
from agents.models import Agent, DeliveryMode, MetricsBucket, Scope, Workspace
from agents.postgres import in_thread
from tests.agents.conftest import Someone, refusal
from tests.factories import make_agent, make_key, make_workspace

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = "agent://acme/prod/worker"


async def heard(agent: Someone, seconds_ago: float) -> None:
    heard_at = Now() - timedelta(seconds=seconds_ago)
    await in_thread(Agent.objects.filter(pk=agent.agent.pk).update, last_heartbeat_at=heard_at)


async def show(api: httpx.AsyncClient, who: Someone, named: str = "worker", **query: Any) -> dict[str, Any]:
    response = await api.get(f"/v1/mesh/agents/{named}", headers=who.headers, params=query)
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()
    return shown


async def test_an_agent_says_that_it_lives(api: httpx.AsyncClient, agent: Someone) -> None:
    headers = agent.headers | {"content-type": "application/json"}
    assert (await show(api, agent))["health"] == "unknown"

    for content in (b"", b"{}", b'{"metrics": null}', b'{"metrics": {}}', b'{"other": 1}'):
        response = await api.post("/v1/mesh/heartbeat", headers=headers, content=content)
        assert response.status_code == 200, (content, response.text)
        said = response.json()
        assert said.pop("last_heartbeat_at").endswith("Z")
        assert said == {
            "ok": True,
            "status": "active",
            "health_status": "healthy",
            "address": WORKER,
            "address_id": agent.agent.address_id,
        }

    assert (await show(api, agent))["health_status"] == "healthy"
    assert not await in_thread(MetricsBucket.objects.exists)


async def test_reports_are_differences_and_the_latency_an_average(
    api: httpx.AsyncClient, agent: Someone
) -> None:
    one = {
        "intents_total": 3,
        "intents_succeeded": 2,
        "intents_failed": 1,
        "cost_usd": 0.25,
        "avg_latency_ms": 100,
    }
    two = {
        "intents_total": 1,
        "intents_succeeded": 1,
        "cost_usd": 0.5,
        "avg_latency_ms": 500,
        "intents_failed": None,
    }
    for reported in (one, two, {"cost_usd": 0.25}):
        beat = await api.post("/v1/mesh/heartbeat", headers=agent.headers, json={"metrics": reported})
        assert beat.status_code == 200, beat.text

    shown = await show(api, agent)

    expected = {
        "intents_total": 4,
        "intents_succeeded": 3,
        "intents_failed": 1,
        "avg_latency_ms": 200.0,
        "cost_usd": 1.0,
    }
    assert shown["metrics"] == shown["agent"]["metrics"] == expected
    assert (shown["agent"]["intents_period"], shown["agent"]["cost_period"]) == (4, 1.0)


async def test_a_window_has_what_was_reported_in_it(api: httpx.AsyncClient, agent: Someone) -> None:
    await in_thread(metrics.add, agent.agent.pk, intents_total=1)
    for days, number in ((3, 10), (20, 100), (40, 1000)):
        hour = Now() - timedelta(days=days)
        await in_thread(
            MetricsBucket.objects.create, agent_id=agent.agent.pk, hour=hour, intents_total=number
        )

    numbers = [
        (await show(api, agent, window=window))["metrics"]["intents_total"]
        for window in ("day", "week", "month")
    ]

    assert numbers == [1, 11, 111]


BAD_REPORTS: list[Any] = [
    {"intents_total": -1},
    {"intents_total": 1.5},
    {"intents_total": True},
    {"intents_total": 10**13},
    {"cost_usd": -0.1},
    {"cost_usd": "1"},
    {"avg_latency_ms": -1},
    [],
    "many",
]


async def test_reports_that_cannot_be_are_refused_and_add_nothing(
    api: httpx.AsyncClient, agent: Someone
) -> None:
    for reported in BAD_REPORTS:
        response = await api.post("/v1/mesh/heartbeat", headers=agent.headers, json={"metrics": reported})
        assert refusal(response) == (422, "validation_error"), reported

    assert not await in_thread(MetricsBucket.objects.exists)


# -- how agents are -----------------------------------------------------------------------------------------------


async def test_health_follows_from_the_last_sign_of_life(api: httpx.AsyncClient, agent: Someone) -> None:
    seen = {}
    for seconds in (1, 80, 95, 290, 310):
        await heard(agent, seconds)
        seen[seconds] = (await show(api, agent))["health"]

    assert seen == {1: "healthy", 80: "healthy", 95: "degraded", 290: "degraded", 310: "unreachable"}


async def test_the_list_has_the_agents_of_the_workspace_and_a_summary_of_all_of_them(
    api: httpx.AsyncClient, agent: Someone, admin: Someone, stranger: Someone, workspace: Workspace
) -> None:
    await in_thread(
        make_agent, await in_thread(make_workspace, workspace.organization, "staging"), "elsewhere"
    )
    await in_thread(make_agent, workspace, "runtime", delivery_mode=DeliveryMode.INTERNAL)
    await in_thread(make_agent, workspace, "never-seen", is_registered=False)
    await heard(agent, 1)
    await api.post(
        "/v1/mesh/heartbeat", headers=agent.headers, json={"metrics": {"intents_total": 2, "cost_usd": 0.5}}
    )

    response = await api.get("/v1/mesh/agents", headers=agent.headers, params={"limit": 1})

    listed = response.json()
    assert listed["ok"] is True
    assert [entry["address"] for entry in listed["agents"]] == ["agent://acme/prod/operator"]
    assert listed["summary"] == {
        "total": 2,
        "healthy": 1,
        "degraded": 0,
        "unreachable": 0,
        "killed": 0,
        "unknown": 1,
        "intents_period": 2,
        "cost_period": 0.5,
    }
    healthy = await api.get("/v1/mesh/agents", headers=agent.headers, params={"health": "healthy"})
    [entry] = healthy.json()["agents"]
    assert (entry["address"], entry["health"], entry["metrics"]["intents_total"]) == (WORKER, "healthy", 2)
    assert healthy.json()["summary"]["total"] == 2


async def test_a_list_is_asked_for_in_words_that_there_are(api: httpx.AsyncClient, agent: Someone) -> None:
    for query in ("health=fine", "window=year", "limit=0", "limit=1001"):
        response = await api.get(f"/v1/mesh/agents?{query}", headers=agent.headers)
        assert refusal(response) == (422, "validation_error"), query


FORMS: dict[str, Callable[[Agent], str]] = {
    "id": lambda agent: agent.address_id,
    "name": lambda agent: "worker",
    "short": lambda agent: "acme/prod/worker",
    "raw": lambda agent: "agent://acme/prod/worker",
    "escaped": lambda agent: "agent%3A%2F%2Facme%2Fprod%2Fworker",
    "collapsed": lambda agent: "agent:/acme/prod/worker",
}


async def test_an_agent_is_named_in_any_form(api: httpx.AsyncClient, agent: Someone, admin: Someone) -> None:
    for form, name in FORMS.items():
        named = f"/v1/mesh/agents/{name(agent.agent)}"
        for method, end, body in (
            ("GET", "", None),
            ("POST", "/kill", None),
            ("POST", "/resume", None),
            ("PUT", "/policies/cost", {"max_intents_per_day": 5}),
            ("GET", "/policies/cost", None),
            ("PUT", "/policies/action", {"mode": "deny", "intent_types": ["a.*"]}),
            ("GET", "/policies/action", None),
        ):
            response = await api.request(method, f"{named}{end}", headers=admin.headers, json=body)
            assert response.status_code == 200, (form, method, end, response.text)


async def test_somebody_elses_agent_is_not_found(
    api: httpx.AsyncClient, agent: Someone, stranger: Someone
) -> None:
    for method, end, body in (
        ("GET", "", None),
        ("POST", "/kill", None),
        ("POST", "/resume", None),
        ("GET", "/policies/cost", None),
        ("PUT", "/policies/action", {"mode": "deny", "intent_types": []}),
    ):
        for named in (agent.agent.address_id, WORKER, "worker", "addr_0123456789abcdef"):
            url = f"/v1/mesh/agents/{named}{end}"
            response = await api.request(method, url, headers=stranger.headers, json=body)
            assert refusal(response) == (404, "agent_not_found"), (method, url)
    await in_thread(agent.agent.refresh_from_db)
    assert not agent.agent.is_killed


async def test_a_key_of_another_workspace_does_not_find_it_and_an_administrators_does(
    api: httpx.AsyncClient, agent: Someone, admin: Someone, workspace: Workspace
) -> None:
    staging = await in_thread(make_workspace, workspace.organization, "staging")
    neighbour = await in_thread(make_agent, staging, "bot")
    _, token = await in_thread(make_key, neighbour, [Scope.OPERATE, Scope.READ])

    foreign = await api.post(f"/v1/mesh/agents/{WORKER}/kill", headers={"x-api-key": token})

    assert refusal(foreign) == (404, "agent_not_found")
    assert (await show(api, admin, "agent://acme/staging/bot"))["address"] == "agent://acme/staging/bot"


@pytest.mark.parametrize("limit", [0, 1000])
@pytest.mark.parametrize("named", [{}, {"idempotency-key": "beat-1"}])
async def test_a_killed_agent_may_say_that_it_lives_also_under_a_key_and_where_requests_are_limited(
    api: httpx.AsyncClient, agent: Someone, admin: Someone, settings: Any, limit: int, named: dict[str, str]
) -> None:
    settings.PERDURE_RATE_LIMIT_PER_MINUTE = limit
    await api.post(f"/v1/mesh/agents/{WORKER}/kill", headers=admin.headers)

    for _ in range(2):
        beat = await api.post("/v1/mesh/heartbeat", headers={**agent.headers, **named}, json={})
        assert beat.status_code == 200, beat.text
    refused = await api.post(
        "/v1/intents", headers={**admin.headers, **named}, json={"to_agent": "", "payload": {}}
    )
    assert refused.status_code == 422
    headers = {**agent.headers, **named}
    denied = await api.put("/v1/threads/t/items/k", headers=headers, content=b"x")
    assert refusal(denied) == (403, "agent_killed")


async def test_a_lesser_key_is_not_told_what_a_greater_one_of_its_agent_has_done(
    api: httpx.AsyncClient, agent: Someone, admin: Someone
) -> None:
    _, lesser = await in_thread(make_key, admin.agent, [Scope.READ])

    async def kill(token: str) -> httpx.Response:
        headers = {"x-api-key": token, "idempotency-key": "kill-1"}
        return await api.post(f"/v1/mesh/agents/{WORKER}/kill", headers=headers, json={"reason": "it loops"})

    first, repeated, again = [await kill(token) for token in (admin.token, lesser, admin.token)]

    assert (first.status_code, again.json()) == (200, first.json())
    assert refusal(repeated) == (403, "forbidden")
