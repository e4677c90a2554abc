"""POST /v1/intents/{id}/resolve and …/resume: how an intent ends or goes on, and who may say so."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from intents import coalescer
from intents.records import Slot
from tests.intents.api.conftest import Client, Someone, refusal

PROGRESSED = ["intent.created", "intent.submitted", "intent.in_progress"]


async def test_a_result_of_the_agent_completes_the_intent(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    body = (
        await client.post(f"/v1/intents/{intent_id}/resume", agent, {"action": "complete", "rows": 9})
    ).json()

    assert body["intent"]["status"] == body["intent"]["lifecycle_status"] == "COMPLETED"
    assert body["event"]["event_type"] == "intent.completed"
    assert body["event"]["actor"] == agent.agent.address
    assert body["completion_delivery"] == {"delivered": False, "reason": "reply_to_not_set"}
    shown = await client.show(intent_id, sender)
    assert shown["status"] == "COMPLETED"
    assert shown["result"] == shown["intent"]["result"] == {"action": "complete", "rows": 9}
    assert await client.history(intent_id, sender) == [*PROGRESSED, "intent.completed"]


@pytest.mark.parametrize("action", ["fail", "FAILED", "error"])
async def test_an_action_that_says_failure_fails_the_intent(
    action: str, client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    body = {"action": action, "message": "no rows"}
    answer = (await client.post(f"/v1/intents/{intent_id}/resume", agent, body)).json()

    assert answer["intent"]["status"] == "FAILED"
    error = (await client.show(intent_id, sender))["error"]
    assert (error["code"], error["message"], error["details"]) == ("agent_failed", "no rows", body)


@pytest.mark.parametrize("value", [[1, 2], "done", 7, True, None])
async def test_a_result_that_is_no_object_is_wrapped(
    value: Any, client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    response = await client.api.post(
        f"/v1/intents/{intent_id}/resume", headers=agent.headers, content=json.dumps(value)
    )

    assert response.status_code == 200
    assert (await client.show(intent_id, sender))["result"] == {"result": value}


async def test_an_outcome_on_an_intent_that_waits_for_nobody_is_a_result(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    await client.post(f"/v1/intents/{intent_id}/resume", agent, {"outcome": "success", "result": 1})

    assert (await client.show(intent_id, sender))["status"] == "COMPLETED"


async def test_a_task_result_where_no_person_is_waited_for_is_a_conflict(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    response = await client.post(
        f"/v1/intents/{intent_id}/resume", sender, {"task_result": {"outcome": "approved"}}
    )

    assert refusal(response) == (409, "not_waiting_for_human")
    assert (await client.show(intent_id, sender))["status"] == "SUBMITTED"


@pytest.mark.parametrize("body", [None, {}, {"approve_current_step": True, "reason": "go"}])
async def test_control_fields_alone_keep_the_intent_going_however_often(
    body: Any, client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    for _ in range(3):
        answer = (await client.post(f"/v1/intents/{intent_id}/resume", sender, body)).json()
        assert answer["ok"]
        assert answer["applied"]
        assert answer["intent"]["status"] == "IN_PROGRESS"
    end = await client.post(f"/v1/intents/{intent_id}/resolve", sender, {"status": "COMPLETED", "result": {}})

    assert end.status_code == 200


async def test_an_unexpected_policy_generation_is_a_conflict(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    response = await client.post(f"/v1/intents/{intent_id}/resume", sender, {"expected_policy_generation": 4})

    assert refusal(response) == (409, "policy_generation_conflict")


async def test_the_second_result_is_a_conflict_and_changes_nothing(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    await client.post(f"/v1/intents/{intent_id}/resume", agent, {"first": True})

    for path, body in [("resume", {"second": True}), ("resume", {}), ("resolve", {"status": "CANCELED"})]:
        assert refusal(await client.post(f"/v1/intents/{intent_id}/{path}", agent, body)) == (
            409,
            "intent_terminal",
        )
    assert (await client.show(intent_id, sender))["result"] == {"first": True}


async def test_a_process_that_was_replaced_records_no_result(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    session = uuid4()
    [lease] = await coalescer.claim([Slot(agent.agent.pk, 1, 1, session, 300)])

    stale = await client.post(
        f"/v1/intents/{intent_id}/resume", agent, {"a": 1}, cookie=f"perdure_session={uuid4()}"
    )
    bad = await client.post(f"/v1/intents/{intent_id}/resume", agent, {"a": 1}, x_perdure_lease=str(uuid4()))
    good = await client.post(
        f"/v1/intents/{intent_id}/resume", agent, {"a": 2}, x_perdure_lease=str(lease.lease_token)
    )

    assert refusal(stale) == refusal(bad) == (409, "lease_lost")
    assert good.status_code == 200
    assert (await client.show(intent_id, sender))["result"] == {"a": 2}


@pytest.mark.parametrize(
    ("status", "said", "kept"),
    [
        ("COMPLETED", {"result": {"rows": 1}}, {"result": {"rows": 1}}),
        ("FAILED", {"error": {"code": "x"}}, {"error": {"code": "x"}}),
        ("CANCELED", {"reason": "too late"}, {"reason": "too late"}),
    ],
)
async def test_resolving_ends_the_intent_and_keeps_why(
    status: str, said: dict[str, Any], kept: dict[str, Any], client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent, reply_to="sender")

    body = (await client.post(f"/v1/intents/{intent_id}/resolve", sender, {"status": status, **said})).json()

    assert body["event"]["event_type"] == f"intent.{status.lower()}"
    assert body["event"]["details"] == kept
    assert body["intent"]["payload"] == {"rows": 3}
    assert body["completion_delivery"] == {
        "delivered": False,
        "reason": "inbox_unavailable",
        "reply_to": "sender",
    }
    assert kept.items() <= (await client.show(intent_id, sender))["intent"].items()


@pytest.mark.parametrize(
    "body", [{}, {"status": "CANCELLED"}, {"status": "TIMED_OUT"}, {"status": "FAILED", "error": 1}]
)
async def test_resolving_to_nonsense_is_refused(
    body: dict[str, Any], client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    assert refusal(await client.post(f"/v1/intents/{intent_id}/resolve", sender, body)) == (
        422,
        "validation_error",
    )


@pytest.mark.parametrize(
    ("path", "body"), [("resolve", {"status": "CANCELED"}), ("resume", {"a": 1}), ("resume", {})]
)
async def test_who_has_no_part_in_an_intent_may_not_end_it(
    path: str,
    body: dict[str, Any],
    client: Client,
    sender: Someone,
    agent: Someone,
    bystander: Someone,
    stranger: Someone,
    admin: Someone,
) -> None:
    intent_id = await client.submit(sender, agent)
    url = f"/v1/intents/{intent_id}/{path}"

    assert refusal(await client.post(url, bystander, body)) == (403, "forbidden")
    assert refusal(await client.post(url, stranger, body)) == (404, "not_found")
    assert refusal(await client.post(f"/v1/intents/{uuid4()}/{path}", agent, body)) == (404, "not_found")
    assert refusal(await client.post(f"/v1/intents/x/{path}", agent, body)) == (422, "validation_error")
    assert (await client.post(url, admin, body)).status_code == 200


async def test_owners_that_contradict_each_other_are_refused(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    url = f"/v1/intents/{intent_id}/resume?owner_agent=worker"

    assert refusal(await client.post(url, agent, {"a": 1}, x_owner_agent="other")) == (400, "owner_mismatch")
    assert (await client.post(url, agent, {"a": 1}, x_owner_agent="worker")).status_code == 200


async def test_an_administrator_who_listens_for_the_agent_is_fenced_as_the_agent_is(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    [lease] = await coalescer.claim([Slot(agent.agent.pk, 1, 1, uuid4(), 300)])
    url = f"/v1/intents/{intent_id}/resume"

    stale = await client.post(url, admin, {"a": 1}, cookie=f"perdure_session={uuid4()}")
    good = await client.post(url, admin, {"a": 2}, cookie=f"perdure_session={lease.lease_session}")

    assert refusal(stale) == (409, "lease_lost")
    assert good.json()["intent"]["result"] == {"a": 2}


async def test_who_cancels_needs_no_lease(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    await coalescer.claim([Slot(agent.agent.pk, 1, 1, uuid4(), 300)])

    response = await client.post(
        f"/v1/intents/{intent_id}/resolve", admin, {"status": "CANCELED"}, cookie=f"perdure_session={uuid4()}"
    )

    assert response.status_code == 200
