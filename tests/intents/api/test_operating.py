"""What operators do: controls, policy, redelivery, retry, bulk cancel."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db.models import F
from django.db.models.functions import Now

from agents.postgres import in_thread
from intents import coalescer
from intents.models import Delivery, Intent, Timer
from intents.records import Lease, Slot
from tests.intents.api.conftest import Client, Someone, refusal


async def claim(agent: Someone) -> list[Lease]:
    return await coalescer.claim([Slot(agent.agent.pk, 1, 1, uuid4(), 300)])


async def test_controls_are_merged_and_null_removes(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    url = f"/v1/intents/{intent_id}/controls"

    first = (await client.post(url, admin, {"controls_patch": {"a": 1, "b": {"c": 2}}})).json()
    second = (
        await client.post(
            url, admin, {"controls_patch": {"a": None, "d": 3}, "expected_policy_generation": 1}
        )
    ).json()

    assert (first["policy_generation"], first["controls"]) == (1, {"a": 1, "b": {"c": 2}})
    assert (second["policy_generation"], second["controls"]) == (2, {"b": {"c": 2}, "d": 3})
    shown = (await client.show(intent_id, sender))["intent"]
    assert (shown["policy_generation"], shown["controls"]) == (2, {"b": {"c": 2}, "d": 3})
    late = {"controls_patch": {"a": 9}, "expected_policy_generation": 1}
    assert refusal(await client.post(url, admin, late)) == (409, "policy_generation_conflict")


async def test_known_controls_take_effect(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    url = f"/v1/intents/{intent_id}/controls"

    patch = {
        "timeout_seconds": 90,
        "max_delivery_attempts": 7,
        "remind_after_seconds": 30,
        "max_reminders": 2,
    }
    assert (await client.post(url, admin, {"controls_patch": patch})).status_code == 200

    shown = (await client.show(intent_id, sender))["intent"]
    assert shown["max_delivery_attempts"] == 7
    assert (shown["remind_after_seconds"], shown["max_reminders"]) == (30, 2)
    assert await in_thread(_timers, intent_id) == ["reminder", "deadline"]
    assert (await in_thread(Delivery.objects.get, intent_id=intent_id)).max_attempts == 7

    removed = {"deadline_at": None, "remind_after_seconds": None}
    assert (await client.post(url, admin, {"controls_patch": removed})).status_code == 200
    assert await in_thread(_timers, intent_id) == []
    assert "deadline_at" not in (await client.show(intent_id, sender))["intent"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"controls_patch": 1},
        {"controls_patch": {"deadline_at": "2001-01-01T00:00:00Z"}},
        {"controls_patch": {"deadline_at": "9999-12-31T23:59:59-12:00"}},
        {"controls_patch": {"timeout_seconds": 0}},
        {"controls_patch": {"timeout_seconds": 60, "deadline_at": "2099-01-01T00:00:00Z"}},
        {"controls_patch": {"max_delivery_attempts": "3"}},
        {"controls_patch": {}, "expected_policy_generation": -1},
    ],
)
async def test_impossible_controls_are_refused_and_change_nothing(
    body: Any, client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    response = await client.post(f"/v1/intents/{intent_id}/controls", admin, body)

    assert refusal(response) == (422, "validation_error")
    assert (await client.show(intent_id, sender))["intent"]["policy_generation"] == 0


async def test_there_can_be_no_fewer_attempts_than_were_made(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    for _ in range(2):
        await claim(agent)
        await in_thread(Delivery.objects.update, lease_expires_at=Now() - timedelta(seconds=1))

    body = {"controls_patch": {"max_delivery_attempts": 1}}

    assert refusal(await client.post(f"/v1/intents/{intent_id}/controls", admin, body)) == (
        422,
        "validation_error",
    )


async def test_a_policy_is_patched_in_its_two_parts(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent, policy={"grants": {"read": True}, "envelope": "odd"})
    url = f"/v1/intents/{intent_id}/policy"

    body = (
        await client.post(url, admin, {"grants_patch": {"write": 1}, "envelope_patch": {"max": 5}})
    ).json()

    assert body["grants"] == {"read": True, "write": 1}
    assert body["envelope"] == {"max": 5}
    assert body["policy_generation"] == 1
    assert refusal(await client.post(url, admin, {})) == (422, "validation_error")


async def test_redelivery_takes_it_from_whoever_holds_it(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    [lost] = await claim(agent)
    assert await claim(agent) == []

    assert (await client.post(f"/v1/intents/{intent_id}/redeliver", admin)).status_code == 200

    [lease] = await claim(agent)
    assert (str(lease.intent_id), lease.attempt) == (intent_id, 2)
    late = await client.post(
        f"/v1/intents/{intent_id}/resume", agent, {"a": 1}, x_perdure_lease=str(lost.lease_token)
    )
    assert refusal(late) == (409, "lease_lost")


async def test_redelivery_brings_forward_what_is_due_later(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    await in_thread(Delivery.objects.update, due_at=Now() + timedelta(hours=1))

    await client.post(f"/v1/intents/{intent_id}/redeliver", admin)

    assert [str(lease.intent_id) for lease in await claim(agent)] == [intent_id]


async def test_what_has_no_attempt_left_is_not_redelivered(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent, max_delivery_attempts=1)
    await claim(agent)

    response = await client.post(f"/v1/intents/{intent_id}/redeliver", admin)

    assert refusal(response) == (409, "delivery_attempts_exhausted")


async def test_an_ended_intent_is_retried_as_a_new_one(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    old = await client.submit(sender, agent, ttl_seconds=120, max_delivery_attempts=5, note="kept")
    await client.post(f"/v1/intents/{old}/resolve", sender, {"status": "FAILED"})

    body = (await client.post(f"/v1/intents/{old}/retry", admin)).json()

    assert body["retry_of"] == old != body["intent_id"]
    before, after = (
        (await client.show(old, sender))["intent"],
        (await client.show(body["intent_id"], sender))["intent"],
    )
    assert before["status"] == "FAILED"
    assert (after["status"], after["retry_of"], after["max_delivery_attempts"]) == ("SUBMITTED", old, 5)
    for same in ("correlation_id", "payload", "from_agent", "to_agent", "intent_type", "note"):
        assert after[same] == before[same]
    assert after["deadline_at"] > before["deadline_at"]
    assert [str(lease.intent_id) for lease in await claim(agent)] == [body["intent_id"]]


async def test_only_what_has_ended_is_retried_and_only_what_is_open_is_changed(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    url = f"/v1/intents/{intent_id}"

    assert refusal(await client.post(f"{url}/retry", admin)) == (409, "intent_open")
    await client.post(f"{url}/resolve", sender, {"status": "CANCELED"})
    body: dict[str, Any] = {"controls_patch": {}, "grants_patch": {}}
    for path in ("redeliver", "controls", "policy"):
        assert refusal(await client.post(f"{url}/{path}", admin, body)) == (409, "intent_terminal")


@pytest.mark.parametrize("path", ["controls", "policy", "redeliver", "retry"])
async def test_operating_is_for_operators_of_the_same_tenant(
    path: str, client: Client, sender: Someone, agent: Someone, stranger: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    body: dict[str, Any] = {"controls_patch": {}, "grants_patch": {}}

    for someone in (sender, agent):
        assert refusal(await client.post(f"/v1/intents/{intent_id}/{path}", someone, body)) == (
            403,
            "forbidden",
        )
    assert refusal(await client.post(f"/v1/intents/{intent_id}/{path}", stranger, body)) == (404, "not_found")
    assert refusal(await client.post(f"/v1/intents/{uuid4()}/{path}", admin, body)) == (404, "not_found")


async def test_bulk_cancel_says_first_and_does_then(
    client: Client, sender: Someone, agent: Someone, stranger: Someone, admin: Someone
) -> None:
    old = [await client.submit(sender, agent) for _ in range(3)]
    theirs = await client.submit(stranger, "helper")
    await in_thread(_age, hours=30)
    young = await client.submit(sender, agent)
    url = "/v1/intents/bulk-cancel"

    dry = (await client.post(url, admin, {})).json()
    assert (dry["dry_run"], dry["would_cancel"], dry["intent_ids"]) == (True, 3, old)
    assert (await client.show(old[0], sender))["status"] == "SUBMITTED"

    two = (await client.post(url, admin, {"dry_run": False, "limit": 2, "reason": "stale"})).json()
    assert (two["dry_run"], two["canceled"], two["intent_ids"]) == (False, 2, old[:2])
    ended = await client.show(old[0], sender)
    assert (ended["status"], ended["intent"]["reason"]) == ("CANCELED", "stale")
    for intent_id, someone in [(old[2], sender), (young, sender), (theirs, stranger)]:
        assert (await client.show(intent_id, someone))["status"] == "SUBMITTED"


@pytest.mark.parametrize(
    "body", [{"older_than_hours": 0}, {"status_filter": ["DONE"]}, {"limit": 5001}, {"status_filter": []}]
)
async def test_a_bad_bulk_cancel_is_refused(body: Any, client: Client, admin: Someone) -> None:
    assert refusal(await client.post("/v1/intents/bulk-cancel", admin, body)) == (422, "validation_error")


async def test_bulk_cancel_is_for_operators(client: Client, sender: Someone) -> None:
    assert refusal(await client.post("/v1/intents/bulk-cancel", sender, {})) == (403, "forbidden")


def _timers(intent_id: str) -> list[str]:
    timers = Timer.objects.filter(intent_id=intent_id).order_by("due_at")
    return list(timers.values_list("kind", flat=True))


def _age(hours: int) -> None:
    Intent.objects.update(updated_at=F("updated_at") - timedelta(hours=hours))
