"""Scenarios over HTTP: applied in one go, repeated once, refused in sentences."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from agents.models import Agent
from agents.postgres import in_thread
from intents.models import Intent
from tests.factories import make_agent
from tests.intents.api.conftest import Someone, refusal
from tests.intents.scenario_world import make_bundle

APPLY, VALIDATE = "/v1/scenarios/apply", "/v1/scenarios/validate"


async def post(api: httpx.AsyncClient, who: Someone, body: Any, path: str = APPLY, **headers: str) -> Any:
    return await api.post(path, json=body, headers={**who.headers, **headers})


async def test_applying_creates_the_agent_and_starts_the_first_step(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    body = make_bundle({"step_deadline_seconds": 120}, {})
    body["agents"][0] |= {"display_name": "Data Pipeline Agent"}

    answer = (await post(api, admin, body)).json()

    address = "agent://acme/prod/worker-demo"
    made = await in_thread(Agent.objects.get, address=address)
    shown = {
        "role": "worker",
        "address": address,
        "service_account_id": made.service_account_id,
        "created": True,
    }
    assert made.is_registered
    assert made.display_name == "Data Pipeline Agent"
    assert answer.pop("created_at").endswith("Z")
    assert answer.pop("compile_id") == answer.pop("workflow_compile_id")
    parent_id = answer.pop("intent_id")
    assert answer == {
        "ok": True,
        "scenario_id": "demo.checkpoint-resume.v1",
        "status": "IN_PROGRESS",
        "pending_with": "worker",
        "idempotent": False,
        "agents": [shown],
        "agents_provisioned": [shown],
        "warnings": [],
    }
    parent = (await api.get(f"/v1/intents/{parent_id}", headers=admin.headers)).json()
    assert parent["status"] == "IN_PROGRESS"
    assert parent["intent"]["pending_with"] == {"type": "agent", "ref": address, "name": "worker-demo"}
    child = await in_thread(Intent.objects.get, parent_id=parent_id)
    assert child.to_agent == address


async def test_applying_again_uses_the_agent_that_is_there(api: httpx.AsyncClient, admin: Someone) -> None:
    first = (await post(api, admin, make_bundle({}))).json()
    again = (await post(api, admin, make_bundle({}))).json()

    assert [one["created"] for one in (*first["agents"], *again["agents"])] == [True, False]
    assert first["intent_id"] != again["intent_id"]


async def test_the_key_in_the_bundle_returns_the_first_answer(api: httpx.AsyncClient, admin: Someone) -> None:
    body = make_bundle({}) | {"idempotency_key": "once"}
    headers = {"Idempotency-Key": "once"}

    first = (await post(api, admin, body, **headers)).json()
    again = (await post(api, admin, body)).json()

    assert again == first | {"idempotent": True}
    assert await in_thread(Intent.objects.count) == 2
    body["intent"]["payload"] = {"other": 1}
    assert refusal(await post(api, admin, body)) == (409, "idempotency_conflict")
    assert await in_thread(Intent.objects.count) == 2


async def test_without_a_workflow_the_agent_gets_the_intent_itself(
    api: httpx.AsyncClient, admin: Someone
) -> None:
    answer = (await post(api, admin, make_bundle())).json()

    assert (answer["status"], answer["pending_with"]) == ("DELIVERED", "worker")
    intent = await in_thread(Intent.objects.get)
    assert (intent.to_agent, intent.payload) == ("agent://acme/prod/worker-demo", {"rows": 3})


async def test_an_agent_that_nobody_registered_is_waited_for(api: httpx.AsyncClient, agent: Someone) -> None:
    body = make_bundle({})
    body["agents"][0]["create_if_missing"] = False

    answer = (await post(api, agent, body)).json()

    assert answer["agents"][0]["created"] is False
    assert "worker-demo" in answer["warnings"][0]


async def test_only_administrators_create_or_change_agents(
    api: httpx.AsyncClient, admin: Someone, agent: Someone
) -> None:
    body = make_bundle({})
    assert refusal(await post(api, agent, body)) == (403, "forbidden")
    assert not await in_thread(Intent.objects.exists)
    assert not await in_thread(Agent.objects.filter(name="worker-demo").exists)

    await post(api, admin, body)
    assert (await post(api, agent, body)).status_code == 200
    body["agents"][0]["display_name"] = "Another"
    assert refusal(await post(api, agent, body)) == (403, "forbidden")
    body["agents"][0] |= {"delivery_mode": "http", "callback_url": "https://example.com/hook"}
    changed = (await post(api, admin, body)).json()
    assert changed["agents_provisioned"][0]["callback_secret"].startswith("whsec_")
    made = await in_thread(Agent.objects.get, name="worker-demo")
    assert (made.display_name, made.delivery_mode) == ("Another", "http")


async def test_the_secret_of_a_callback_is_shown_once_and_not_kept(
    api: httpx.AsyncClient, admin: Someone
) -> None:
    body = make_bundle({}) | {"idempotency_key": "once"}
    body["agents"][0] |= {"delivery_mode": "http", "callback_url": "https://example.com/hook"}

    first = (await post(api, admin, body)).json()
    again = (await post(api, admin, body)).json()

    assert "callback_secret" in first["agents_provisioned"][0]
    assert "callback_secret" not in again["agents_provisioned"][0]


@pytest.mark.parametrize("address", ["agent://globex/prod/operator", "agent://acme/nowhere/bot"])
async def test_an_address_outside_leads_nowhere(
    api: httpx.AsyncClient, admin: Someone, stranger: Someone, address: str
) -> None:
    await in_thread(make_agent, stranger.agent.workspace, "bot")
    body = make_bundle({})
    for part in ({"address": address, "create_if_missing": False}, {"address": address}):
        body["agents"] = [{"role": "worker", "create_if_missing": True, **part}]
        response = await post(api, admin, body)
        assert response.status_code in (404, 422)
    step = make_bundle({"assigned_to": address})
    assert refusal(await post(api, admin, step)) == (404, "agent_not_found")
    assert not await in_thread(Intent.objects.exists)


BROKEN: list[tuple[Any, str]] = [
    ({}, "scenario_id: Field required"),
    (make_bundle({}) | {"scenario_id": "No Spaces"}, "scenario_id: "),
    (make_bundle({}) | {"agents": 5}, "agents: "),
    (make_bundle({}) | {"workflow": {}}, "workflow: at least one step is needed"),
    (make_bundle({}) | {"workflow": {"macro_id": "m"}}, "there is no macro m"),
    (make_bundle({}, {"step_id": "s1"}), "step s1 is there twice"),
    (make_bundle({"on_failure": "s9"}), "step s1: on_failure: there is no step s9"),
    (make_bundle({"assigned_to": "nobody"}), "step s1: assigned_to: nobody is no role of this bundle"),
    (make_bundle({"human_task": {"title": "Look"}}), "step s1: steps for humans are not supported yet"),
    (make_bundle({"tool_id": "tool.human.approval.v1"}), "steps for humans are not supported yet"),
    (make_bundle(human_task={}), "intent.human_task: tasks for humans are not supported yet"),
    (make_bundle({"runtime_type": "delay", "config": {"seconds": "x"}}), "config.seconds"),
    (make_bundle({"runtime_type": "delay", "config": {"seconds": 1e30}}), "config.seconds"),
    (make_bundle({"runtime_type": "reminder", "on_success": "s1"}), "leads back to itself"),
    (make_bundle({"step_deadline_seconds": 0}), "step_deadline_seconds"),
    (make_bundle({}, deadline_at="tomorrow"), "intent.deadline_at"),
    (make_bundle({}, deadline_at="9999-12-31T23:59:59-14:00"), "intent.deadline_at"),
    (make_bundle() | {"agents": []}, "agents: an intent without a workflow needs an agent"),
    (make_bundle({}, max_delivery_attempts=10**12), "max_delivery_attempts"),
]


@pytest.mark.parametrize(("body", "said"), BROKEN, ids=[said for _, said in BROKEN])
async def test_a_broken_bundle_is_refused_in_words_and_creates_nothing(
    api: httpx.AsyncClient, admin: Someone, body: Any, said: str
) -> None:
    refused = await post(api, admin, body)
    judged = await post(api, admin, body, VALIDATE)

    assert refusal(refused) == (422, "validation_error")
    assert said in refused.json()["detail"]
    assert judged.status_code == 200
    assert judged.json()["valid"] is False
    assert any(said in error for error in judged.json()["errors"])
    assert not await in_thread(Intent.objects.exists)
    assert not await in_thread(Agent.objects.filter(name="worker-demo").exists)


async def test_a_deadline_that_has_passed_is_refused_and_creates_nothing(
    api: httpx.AsyncClient, admin: Someone
) -> None:
    refused = await post(api, admin, make_bundle({}, deadline_at="2001-01-01T00:00:00Z"))

    assert refusal(refused) == (422, "validation_error")
    assert not await in_thread(Agent.objects.filter(name="worker-demo").exists)


async def test_validating_a_sound_bundle_creates_nothing_and_names_what_is_odd(
    api: httpx.AsyncClient, admin: Someone
) -> None:
    judged = await post(api, admin, make_bundle({"tool_id": "tool.of.mine"}), VALIDATE)

    assert judged.json() == {
        "ok": True,
        "valid": True,
        "errors": [],
        "warnings": ["step s1: unknown tool tool.of.mine, taken for an agent's task"],
    }
    assert not await in_thread(Intent.objects.exists)


async def test_fields_that_a_tool_sends_empty_say_nothing(api: httpx.AsyncClient, admin: Someone) -> None:
    step = {"tool_id": "", "on_success": "", "on_failure": None, "human_task": None, "assigned_to": "w"}
    body = make_bundle(step, deadline_at="", human_task=None)
    body["agents"][0] |= {"role": "w", "callback_url": "", "delivery_mode": "", "display_name": ""}

    assert (await post(api, admin, body)).json()["pending_with"] == "w"


@pytest.mark.parametrize("body", ["[]", "5", '"x"', "null", "", "{"])
async def test_what_is_no_object_is_refused(api: httpx.AsyncClient, admin: Someone, body: str) -> None:
    for path in APPLY, VALIDATE:
        refused = await api.post(path, content=body, headers=admin.headers)
        assert 400 <= refused.status_code < 500
