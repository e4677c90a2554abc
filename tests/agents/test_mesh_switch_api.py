"""/v1/mesh/: the kill switch and what happened, as clients meet them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from agents.models import Scope
from agents.postgres import in_thread
from tests.agents.conftest import Someone, refusal
from tests.agents.test_mesh_api import WORKER, show
from tests.factories import make_key

pytestmark = pytest.mark.django_db(transaction=True)


async def test_an_agent_is_killed_and_resumed(api: httpx.AsyncClient, agent: Someone, admin: Someone) -> None:
    killed = await api.post(
        f"/v1/mesh/agents/{WORKER}/kill", headers=admin.headers, json={"reason": "too eager"}
    )

    assert killed.json() == {
        "ok": True,
        "status": "killed",
        "address_id": agent.agent.address_id,
        "address": WORKER,
        "health_status": "killed",
    }
    beat = await api.post("/v1/mesh/heartbeat", headers=agent.headers)
    assert (beat.status_code, beat.json()["health_status"]) == (200, "killed")
    shown = await show(api, admin)
    assert (shown["health"], shown["agent"]["kill_reason"]) == ("killed", "too eager")
    resumed = await api.post(f"/v1/mesh/agents/{WORKER}/resume", headers=admin.headers)
    assert (resumed.json()["status"], resumed.json()["health_status"]) == ("active", "healthy")
    events = (await api.get("/v1/mesh/events", headers=agent.headers)).json()["events"]
    assert [(event["event_type"], event["actor_id"], event["details"]) for event in events] == [
        ("agent.resumed", "agent://acme/prod/operator", {}),
        ("agent.killed", "agent://acme/prod/operator", {"reason": "too eager"}),
    ]
    assert {event["address"] for event in events} == {WORKER}


async def test_only_a_key_that_operates_kills_and_none_lifts_its_own_kill(
    api: httpx.AsyncClient, agent: Someone, admin: Someone
) -> None:
    assert refusal(await api.post(f"/v1/mesh/agents/{WORKER}/kill", headers=agent.headers)) == (
        403,
        "forbidden",
    )
    _, token = await in_thread(make_key, agent.agent, [Scope.OPERATE])
    own = {"x-api-key": token}
    assert (await api.post(f"/v1/mesh/agents/{WORKER}/kill", headers=own)).status_code == 200

    assert refusal(await api.post(f"/v1/mesh/agents/{WORKER}/resume", headers=own)) == (403, "agent_killed")
    assert (await show(api, admin))["health"] == "killed"


async def test_events_are_listed_by_type_and_no_more_than_asked_for(
    api: httpx.AsyncClient, agent: Someone, admin: Someone, stranger: Someone
) -> None:
    for _ in range(2):
        await api.post(f"/v1/mesh/agents/{WORKER}/kill", headers=admin.headers)
        await api.post(f"/v1/mesh/agents/{WORKER}/resume", headers=admin.headers)

    async def listed(who: Someone, **query: Any) -> list[str]:
        response = await api.get("/v1/mesh/events", headers=who.headers, params=query)
        return [event["event_type"] for event in response.json()["events"]]

    assert await listed(admin, event_type="agent.killed") == ["agent.killed"] * 2
    assert await listed(admin, limit=3) == ["agent.resumed", "agent.killed", "agent.resumed"]
    assert await listed(stranger) == []
    unknown = await api.get("/v1/mesh/events?event_type=agent.sacked", headers=admin.headers)
    assert refusal(unknown) == (422, "validation_error")
