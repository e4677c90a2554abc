"""POST /v1/intents: what is answered is on disk, what is wrong is told, what is repeated is done once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agents.postgres import in_thread
from intents.models import Intent
from tests.intents.api.conftest import Client, Someone, intent, refusal


async def count() -> int:
    return await in_thread(Intent.objects.count)


async def test_what_is_accepted_is_on_disk(client: Client, sender: Someone, agent: Someone) -> None:
    body = (await client.post("/v1/intents", sender, intent(agent, priority=7))).json()

    assert body["ok"] is True
    assert body["status"] == "SUBMITTED"
    assert body["created_at"].endswith("Z")
    assert "warnings" not in body
    shown = (await client.show(body["intent_id"], sender))["intent"]
    assert shown["payload"] == {"rows": 3}
    assert shown["from_agent"] == sender.agent.address
    assert shown["to_agent"] == agent.agent.address
    assert shown["priority"] == 7
    assert await client.history(body["intent_id"], sender) == ["intent.created", "intent.submitted"]


async def test_a_bare_name_means_the_agent_of_the_senders_workspace(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, "worker")

    assert (await client.show(intent_id, agent))["to_agent"] == agent.agent.address


@pytest.mark.parametrize("address", ["agent://bob", "agent://acme/bot", "nobody-yet"])
async def test_an_address_that_nobody_registered_is_accepted_with_a_warning(
    address: str, client: Client, sender: Someone
) -> None:
    body = (await client.post("/v1/intents", sender, intent(address))).json()

    assert body["status"] == "SUBMITTED"
    assert len(body["warnings"]) == 1


async def test_only_an_administrator_may_say_whom_an_intent_is_from(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    claimed = await client.submit(sender, agent, from_agent="agent://acme/prod/somebody")
    named = await client.submit(admin, agent, from_agent="agent://acme/prod/somebody")

    assert (await client.show(claimed, sender))["from_agent"] == sender.agent.address
    assert (await client.show(named, admin))["from_agent"] == "agent://acme/prod/somebody"


async def test_a_fields_own_name_cannot_be_taken(client: Client, sender: Someone, agent: Someone) -> None:
    intent_id = await client.submit(
        sender, agent, result={"fake": 1}, blocking_reason="none", lease={"token": "x"}
    )

    shown = await client.show(intent_id, sender)

    assert "result" not in shown
    assert "result" not in shown["intent"]
    assert shown["intent"]["blocking_reason"] != "none"
    assert "lease" not in shown["intent"]


@pytest.mark.parametrize(
    "changes",
    [
        {"intent_type": "no version"},
        {"intent_type": None},
        {"correlation_id": "x"},
        {"payload": [1]},
        {"to_agent": None},
        {"ttl_seconds": 59},
        {"ttl_seconds": 604_801},
        {"ttl_seconds": True},
        {"ttl_seconds": "60"},
        {"ttl_seconds": 60, "deadline_at": "2099-01-01T00:00:00Z"},
        {"deadline_at": "2001-01-01T00:00:00Z"},
        {"deadline_at": "9999-12-31T23:59:59-12:00"},
        {"deadline_at": "0001-01-01T00:00:00+14:00"},
        {"deadline_at": "tomorrow"},
        {"max_delivery_attempts": 0},
        {"max_delivery_attempts": 2**40},
        {"remind_after_seconds": 0},
        {"reply_to": 7},
        {"escalate_to": "x" * 384},
        {"payload": {"text": "a\x00b"}},
    ],
)
async def test_what_cannot_be_is_refused_and_leaves_nothing(
    changes: dict[str, Any], client: Client, sender: Someone, agent: Someone
) -> None:
    response = await client.post("/v1/intents", sender, intent(agent) | changes)

    assert refusal(response) == (422, "validation_error")
    assert await count() == 0


@pytest.mark.parametrize("address", ["", "  ", "https://acme/prod/bot", "agent://acme//bot"])
async def test_what_cannot_be_an_address_is_refused(address: str, client: Client, sender: Someone) -> None:
    assert refusal(await client.post("/v1/intents", sender, intent(address))) == (
        422,
        "invalid_agent_address",
    )


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'"text"', b'{"a": NaN}', b"\xff", b"[" * 100]
)
async def test_what_is_no_json_object_is_refused(content: bytes, client: Client, sender: Someone) -> None:
    response = await client.api.post("/v1/intents", headers=sender.headers, content=content)

    assert response.status_code in (400, 422)


@pytest.mark.parametrize("field", ["to_agent", "reply_to", "escalate_to"])
async def test_no_field_reaches_into_another_organization(
    field: str, client: Client, sender: Someone, agent: Someone, stranger: Someone
) -> None:
    existing = await client.post("/v1/intents", sender, intent(agent) | {field: stranger.agent.address})
    unknown = await client.post("/v1/intents", sender, intent(agent) | {field: "agent://nowhere/x/y"})

    assert refusal(existing) == refusal(unknown) == (404, "agent_not_found")
    assert await count() == 0


async def test_a_repeated_key_gets_the_first_answer(client: Client, sender: Someone, agent: Someone) -> None:
    body = intent(agent)

    answers = await asyncio.gather(
        *(client.post("/v1/intents", sender, body, idempotency_key="once") for _ in range(20))
    )

    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert await count() == 1


async def test_a_key_for_another_body_is_a_conflict(client: Client, sender: Someone, agent: Someone) -> None:
    await client.post("/v1/intents", sender, intent(agent), idempotency_key="once")

    response = await client.post("/v1/intents", sender, intent(agent), idempotency_key="once")

    assert refusal(response) == (409, "idempotency_conflict")
    assert await count() == 1


async def test_another_sender_may_use_the_same_key(
    client: Client, sender: Someone, agent: Someone, stranger: Someone
) -> None:
    body = intent("worker")
    for someone in (sender, agent, stranger):
        assert (await client.post("/v1/intents", someone, body, idempotency_key="once")).status_code == 200

    assert await count() == 3


async def test_a_time_to_live_becomes_a_deadline(client: Client, sender: Someone, agent: Someone) -> None:
    intent_id = await client.submit(sender, agent, ttl_seconds=60)

    found = await in_thread(Intent.objects.get, pk=intent_id)
    assert found.deadline_at is not None
    assert (found.deadline_at - found.created_at).total_seconds() == 60
    assert (await client.show(intent_id, sender))["intent"]["deadline_at"].endswith("Z")


async def test_without_the_scope_nothing_is_submitted(
    client: Client, agent: Someone, reader: Someone
) -> None:
    assert refusal(await client.post("/v1/intents", reader, intent(agent))) == (403, "forbidden")
    assert refusal(await client.post("/v1/intents/batch", reader, {"intents": [intent(agent)]})) == (
        403,
        "forbidden",
    )
