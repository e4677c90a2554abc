"""/v1/mesh/agents/…/policies: shown, set, lifted and felt, as clients meet them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from agents.models import AuditEntry
from agents.postgres import in_thread
from tests.agents.conftest import Someone, refusal

pytestmark = pytest.mark.django_db(transaction=True)

WORKER = "agent://acme/prod/worker"

UNLIMITED = {
    "max_intents_per_hour": None,
    "max_intents_per_day": None,
    "max_cost_per_day_usd": None,
    "action_on_breach": "block",
}


async def test_policies_are_shown_set_and_lifted(
    api: httpx.AsyncClient, agent: Someone, admin: Someone
) -> None:
    cost, action = (f"/v1/mesh/agents/{WORKER}/policies/{which}" for which in ("cost", "action"))
    assert (await api.get(cost, headers=agent.headers)).json() == {"ok": True, "policy": UNLIMITED}
    assert (await api.get(action, headers=agent.headers)).json()["policy"] == {
        "mode": "deny",
        "intent_types": [],
    }

    limits = {"max_intents_per_hour": 5, "max_cost_per_day_usd": 0.1, "action_on_breach": "alert"}
    set_ = await api.put(cost, headers=admin.headers, json=limits)
    only = {"mode": "allow", "intent_types": ["billing.*", "mail.send.v1", "*"]}
    assert (await api.put(action, headers=admin.headers, json=only)).json()["policy"] == only

    assert set_.json()["policy"] == UNLIMITED | limits
    assert (await api.get(cost, headers=agent.headers)).json()["policy"] == UNLIMITED | limits
    assert (await api.get(action, headers=agent.headers)).json()["policy"] == only
    lifted = await api.put(cost, headers=admin.headers, json={})
    assert lifted.json()["policy"] == UNLIMITED
    events = (await api.get("/v1/mesh/events?event_type=agent.policy_changed", headers=agent.headers)).json()[
        "events"
    ]
    assert [event["details"]["policy"] for event in events] == ["cost", "action", "cost"]
    entries = AuditEntry.objects.filter(action="agent.policy_changed", target=agent.agent.service_account_id)
    assert await in_thread(entries.count) == 3


async def test_setting_what_is_set_already_tells_nobody(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    for _ in range(2):
        await api.put(
            f"/v1/mesh/agents/{WORKER}/policies/cost", headers=admin.headers, json={"max_intents_per_day": 1}
        )

    events = (await api.get("/v1/mesh/events", headers=admin.headers)).json()["events"]
    assert len(events) == 1


BAD_POLICIES: list[tuple[str, Any]] = [
    ("cost", {"max_intents_per_day": -1}),
    ("cost", {"max_intents_per_hour": "5"}),
    ("cost", {"max_cost_per_day_usd": -0.01}),
    ("cost", {"action_on_breach": "shout"}),
    ("action", {}),
    ("action", {"mode": "allow"}),
    ("action", {"mode": "maybe", "intent_types": []}),
    ("action", {"mode": "deny", "intent_types": ["a*b"]}),
    ("action", {"mode": "deny", "intent_types": [""]}),
    ("action", {"mode": "deny", "intent_types": ["a.*"] * 201}),
    ("cost", []),
]


async def test_policies_that_cannot_be_are_refused(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    for which, body in BAD_POLICIES:
        url = f"/v1/mesh/agents/{WORKER}/policies/{which}"
        response = await api.put(url, headers=admin.headers, json=body)
        assert refusal(response) == (422, "validation_error"), (which, body)


async def test_an_agent_does_not_set_policies(api: httpx.AsyncClient, agent: Someone) -> None:
    for which, body in (("cost", {}), ("action", {"mode": "deny", "intent_types": []})):
        response = await api.put(
            f"/v1/mesh/agents/{WORKER}/policies/{which}", headers=agent.headers, json=body
        )
        assert refusal(response) == (403, "forbidden")


async def test_what_policies_do_not_let_pass_is_answered_429_and_403(
    api: httpx.AsyncClient, agent: Someone, admin: Someone
) -> None:
    policies = f"/v1/mesh/agents/{WORKER}/policies"
    await api.put(f"{policies}/cost", headers=admin.headers, json={"max_intents_per_day": 1})
    await api.put(
        f"{policies}/action", headers=admin.headers, json={"mode": "deny", "intent_types": ["billing.*"]}
    )

    async def send(kind: str, to: str = "operator") -> httpx.Response:
        return await api.post(
            "/v1/intents", headers=agent.headers, json={"intent_type": kind, "to_agent": to}
        )

    denied = await send("billing.charge.v1")
    assert refusal(denied) == (403, "action_denied")
    assert (await send("demo.work.v1")).status_code == 200
    refused = await send("demo.work.v1")
    assert refusal(refused) == (429, "quota_exceeded")
    details = refused.json()["error"]["details"]
    assert details.pop("reset_at").endswith("T00:00:00Z")
    assert details == {"dimension": "intents_per_day", "used": 1, "limit": 1}
    to_it = await api.post(
        "/v1/intents", headers=admin.headers, json={"intent_type": "demo.work.v1", "to_agent": WORKER}
    )
    assert refusal(to_it) == (429, "quota_exceeded")
    [told] = (
        await api.get("/v1/mesh/events?event_type=agent.policy_breached", headers=admin.headers)
    ).json()["events"]
    assert (told["address"], told["details"]["dimension"]) == (WORKER, "intents_per_day")
