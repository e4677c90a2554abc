"""GET /v1/intents/{id}, its events and their stream: who sees what, and what a read says about its reader."""

from __future__ import annotations

from uuid import uuid4

import orjson
import pytest

from intents import coalescer
from intents.records import Lease, Slot
from tests.intents.api.conftest import Client, Someone, refusal


async def claim(agent: Someone, *, detached: bool = False) -> Lease:
    [lease] = await coalescer.claim([Slot(agent.agent.pk, 1, 1, uuid4(), 300, detached)])
    return lease


async def test_an_intent_is_shown_nested_and_at_the_top(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(
        sender, agent, escalate_to="ops", remind_after_seconds=60, reply_to="sender"
    )

    shown = await client.show(intent_id, sender)

    inner = shown["intent"]
    for name in ("intent_id", "status", "lifecycle_status", "intent_type", "payload", "correlation_id"):
        assert shown[name] == inner[name]
    assert inner["legacy_status"] == "accepted"
    assert inner["last_seq"] == 2
    assert inner["delivery_attempt"] == 0
    assert inner["max_delivery_attempts"] == 3
    assert (inner["escalate_to"], inner["remind_after_seconds"], inner["reply_to"]) == ("ops", 60, "sender")
    assert inner["pending_with"] == {"type": "agent", "ref": agent.agent.address, "name": "worker"}
    assert inner["blocking_code"] == "agent_never_connected"
    assert "deadline_at" not in inner
    assert "result" not in inner


async def test_a_read_by_the_agent_acknowledges_once(client: Client, sender: Someone, agent: Someone) -> None:
    intent_id = await client.submit(sender, agent)

    seen_by_sender = await client.show(intent_id, sender)
    seen_by_agent = [await client.show(intent_id, agent) for _ in range(2)]

    assert seen_by_sender["status"] == "SUBMITTED"
    assert [shown["status"] for shown in seen_by_agent] == ["IN_PROGRESS", "IN_PROGRESS"]
    assert [shown["intent"]["last_seq"] for shown in seen_by_agent] == [4, 4]
    assert await client.history(intent_id, sender) == [
        "intent.created",
        "intent.submitted",
        "intent.acknowledged",
        "intent.in_progress",
    ]


async def test_a_read_by_a_process_that_was_replaced_acknowledges_nothing(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    lease = await claim(agent)

    stale = (await client.get(f"/v1/intents/{intent_id}", agent, cookie=f"perdure_session={uuid4()}")).json()
    mine = f"perdure_session={lease.lease_session}"
    current = (await client.get(f"/v1/intents/{intent_id}", agent, cookie=mine)).json()

    assert stale["status"] == "DELIVERED"
    assert "token" not in stale["intent"]["lease"]
    assert current["status"] == "IN_PROGRESS"
    assert current["intent"]["lease"]["token"] == str(lease.lease_token)


async def test_an_administrator_who_listens_for_the_agent_acknowledges_too(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    lease = await claim(agent)

    assert (await client.show(intent_id, admin))["status"] == "DELIVERED"
    cookie = f"perdure_session={lease.lease_session}"
    assert (await client.get(f"/v1/intents/{intent_id}", admin, cookie=cookie)).json()[
        "status"
    ] == "IN_PROGRESS"


async def test_a_read_renews_a_lease_that_outlives_its_connection(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    lease = await claim(agent, detached=True)
    mine = f"perdure_session={lease.lease_session}"

    ends = [
        (await client.get(f"/v1/intents/{intent_id}", agent, cookie=mine)).json()["intent"]["lease"][
            "expires_at"
        ]
        for _ in range(3)
    ]

    assert ends == sorted(ends)
    assert ends[-1] > ends[1]


@pytest.mark.parametrize("path", ["", "/events", "/events/stream?wait_seconds=1"])
async def test_a_stranger_sees_what_nobody_sees(
    path: str, client: Client, sender: Someone, agent: Someone, stranger: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    others = await client.get(f"/v1/intents/{intent_id}{path}", stranger)
    unknown = await client.get(f"/v1/intents/{uuid4()}{path}", sender)
    nonsense = await client.get(f"/v1/intents/nonsense{path}", sender)

    assert refusal(others) == refusal(unknown) == (404, "not_found")
    assert others.json() == unknown.json()
    assert refusal(nonsense) == (422, "validation_error")


async def test_events_follow_a_number(client: Client, sender: Someone, agent: Someone) -> None:
    intent_id = await client.submit(sender, agent)
    await client.post(f"/v1/intents/{intent_id}/resume", agent, {"rows": 9})

    for since in range(6):
        body = (await client.get(f"/v1/intents/{intent_id}/events?since={since}", sender)).json()
        assert [event["seq"] for event in body["events"]] == list(range(since + 1, 5))
    last = (await client.get(f"/v1/intents/{intent_id}/events?since=3", sender)).json()["events"][0]
    assert last["event_type"] == "intent.completed"
    assert last["status"] == "COMPLETED"
    assert last["details"] == {"result": {"rows": 9}}
    assert last["result"] == last["data"] == {"rows": 9}


@pytest.mark.parametrize("since", ["-1", "x", "99999999999999"])
async def test_a_number_that_is_none_is_refused(
    since: str, client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)

    response = await client.get(f"/v1/intents/{intent_id}/events?since={since}", sender)

    assert refusal(response) == (422, "validation_error")


async def test_the_stream_says_what_the_list_says(client: Client, sender: Someone, agent: Someone) -> None:
    intent_id = await client.submit(sender, agent)
    await client.post(f"/v1/intents/{intent_id}/resume", agent, {"rows": 9})

    listed = (await client.get(f"/v1/intents/{intent_id}/events", sender)).json()["events"]
    stream = (await client.get(f"/v1/intents/{intent_id}/events/stream?wait_seconds=1", sender)).text

    data = [orjson.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
    assert data == listed
