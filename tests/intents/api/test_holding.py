"""What an agent says of its delivery over HTTP, as it would over a websocket: acknowledge, extend, release."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models.functions import Now

from agents.postgres import in_thread
from intents import coalescer
from intents.models import Delivery
from intents.records import Lease, Slot
from tests.intents.api.conftest import Client, Someone, refusal

VERBS = ("acknowledge", "extend", "release")


async def claim(agent: Someone) -> Lease:
    [lease] = await coalescer.claim([Slot(agent.agent.pk, 1, 1, uuid4(), 30)])
    return lease


async def say(client: Client, verb: str, lease: Lease, by: Someone, body: Any = None) -> Any:
    headers = {"x-perdure-lease": str(lease.lease_token)}
    return await client.post(f"/v1/intents/{lease.intent_id}/{verb}", by, body, **headers)


async def delivery(intent_id: str) -> Delivery:
    found: Delivery = await in_thread(Delivery.objects.get, intent_id=intent_id)
    return found


async def test_an_acknowledgement_begins_the_attempt_and_renews_its_lease(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    lease = await claim(agent)
    before = await delivery(intent_id)

    answered = await say(client, "acknowledge", lease, agent)

    assert answered.json() == {"ok": True, "intent_id": intent_id}
    after = await delivery(intent_id)
    assert after.started_at is not None
    assert before.lease_expires_at is not None
    assert after.lease_expires_at is not None
    assert after.lease_expires_at > before.lease_expires_at
    assert (await client.history(intent_id, sender))[-2:] == ["intent.acknowledged", "intent.in_progress"]


async def test_a_lease_that_ran_out_is_renewed_while_nobody_else_has_it(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    lease = await claim(agent)
    await in_thread(Delivery.objects.update, lease_expires_at=Now() - timedelta(seconds=1))

    assert (await say(client, "extend", lease, agent)).status_code == 200

    assert await coalescer.claim([Slot(agent.agent.pk, 1, 1, uuid4(), 30)]) == []
    assert (await delivery(intent_id)).lease_token == lease.lease_token


async def test_what_is_released_is_due_at_once_or_after_a_while_and_the_attempt_counts(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    assert (await say(client, "release", await claim(agent), agent)).status_code == 200
    second = await claim(agent)
    error = {"message": "not yet", "exception": "ValueError"}
    assert (await say(client, "release", second, agent, {"delay_seconds": 60, "error": error})).is_success

    assert second.attempt == 2
    assert await coalescer.claim([Slot(agent.agent.pk, 1, 1, uuid4(), 30)]) == []
    last = (await client.get(f"/v1/intents/{intent_id}/events", sender)).json()["events"][-1]
    assert last["details"]["delay_seconds"] == 60
    assert last["details"]["error"]["message"] == "not yet"
    assert last["details"]["error"]["code"] == "agent_failed"


async def test_the_last_attempt_that_failed_makes_a_dead_letter(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent, max_delivery_attempts=1)

    assert (await say(client, "release", await claim(agent), agent, {"error": "no"})).is_success

    shown = (await client.show(intent_id, sender))["intent"]
    assert (shown["status"], shown["error"]["code"]) == ("FAILED", "delivery_attempts_exhausted")


@pytest.mark.parametrize("verb", VERBS)
async def test_under_a_lease_that_was_superseded_nothing_is_changed(
    verb: str, client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    stale = await claim(agent)
    await in_thread(Delivery.objects.update, lease_expires_at=Now() - timedelta(seconds=1))
    current = await claim(agent)

    assert refusal(await say(client, verb, stale, agent)) == (409, "lease_lost")

    assert (await delivery(intent_id)).lease_token == current.lease_token


@pytest.mark.parametrize("verb", VERBS)
async def test_of_an_intent_that_has_ended_there_is_nothing_to_be_said(
    verb: str, client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    lease = await claim(agent)
    await client.post(f"/v1/intents/{intent_id}/resolve", sender, {"status": "CANCELED"})

    assert refusal(await say(client, verb, lease, agent)) == (409, "intent_terminal")


@pytest.mark.parametrize("verb", VERBS)
async def test_strangers_do_not_know_it_and_others_may_not(
    verb: str, client: Client, sender: Someone, agent: Someone, stranger: Someone, bystander: Someone
) -> None:
    await client.submit(sender, agent)
    lease = await claim(agent)

    assert refusal(await say(client, verb, lease, stranger)) == (404, "not_found")
    assert refusal(await say(client, verb, lease, sender))[0] == 403


@pytest.mark.parametrize("verb", VERBS)
async def test_a_lease_is_needed(verb: str, client: Client, sender: Someone, agent: Someone) -> None:
    intent_id = await client.submit(sender, agent)
    await claim(agent)

    response = await client.post(f"/v1/intents/{intent_id}/{verb}", agent)

    assert refusal(response) == (422, "validation_error")
    assert (await client.history(intent_id, sender))[-1] == "intent.delivered"


@pytest.mark.parametrize("body", [{"delay_seconds": -1}, {"delay_seconds": "x"}, {"error": 3}, []])
async def test_a_release_that_makes_no_sense_is_refused(
    body: Any, client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    lease = await claim(agent)

    assert refusal(await say(client, "release", lease, agent, body)) == (422, "validation_error")
    assert (await delivery(intent_id)).lease_token == lease.lease_token
