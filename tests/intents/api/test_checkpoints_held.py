"""Who may save and see checkpoints of an intent, and under which hold."""

from __future__ import annotations

from uuid import uuid4

import pytest

from intents import coalescer
from tests.intents.api.conftest import Client, Someone, refusal
from tests.intents.api.saving import ask, leased, path, put

# -- who may, and under which hold ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "GET", "list", "usage"])
async def test_a_stranger_finds_nothing(
    client: Client, sender: Someone, agent: Someone, stranger: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)
    await put(client, intent_id, agent)
    before = await client.history(intent_id, sender)

    response = await ask(client, method, intent_id, stranger)

    assert refusal(response) == (404, "not_found")
    assert response.json()["detail"] == "intent not found"
    assert await client.history(intent_id, sender) == before


@pytest.mark.parametrize("method", ["PUT", "usage"])
async def test_another_agent_of_the_workspace_may_look_and_not_write(
    client: Client, sender: Someone, agent: Someone, bystander: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)

    assert refusal(await ask(client, method, intent_id, bystander))[0] in (403, 404)
    assert await client.history(intent_id, sender) == ["intent.created", "intent.submitted"]


@pytest.mark.parametrize("method", ["PUT", "usage"])
async def test_a_key_that_may_only_look_writes_nothing(
    client: Client, sender: Someone, agent: Someone, reader: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)

    assert refusal(await ask(client, method, intent_id, reader)) == (403, "forbidden")
    assert (await ask(client, "list", intent_id, reader)).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "GET", "list", "usage"])
async def test_nobody_knows_an_intent_that_does_not_exist(
    client: Client, agent: Someone, admin: Someone, method: str
) -> None:
    for someone in (agent, admin):
        assert refusal(await ask(client, method, str(uuid4()), someone)) == (404, "not_found")


async def test_an_unknown_step_is_not_found(client: Client, sender: Someone, agent: Someone) -> None:
    intent_id = await client.submit(sender, agent)

    assert refusal(await client.get(path(intent_id, "nothing"), agent)) == (404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "usage"])
async def test_a_superseded_attempt_writes_nothing(
    client: Client, sender: Someone, agent: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)
    stale = await leased(agent)
    await coalescer.expire_sessions([stale.lease_session])
    current = await leased(agent)
    before = await client.history(intent_id, sender)

    late = [
        await ask(client, method, intent_id, agent, x_perdure_lease=str(stale.lease_token)),
        await ask(client, method, intent_id, agent, cookie=f"perdure_session={stale.lease_session}"),
    ]

    assert [refusal(each) for each in late] == [(409, "lease_lost")] * 2
    assert await client.history(intent_id, sender) == before
    good = await ask(client, method, intent_id, agent, cookie=f"perdure_session={current.lease_session}")
    assert good.status_code in (200, 201)


@pytest.mark.parametrize("method", ["PUT", "usage"])
async def test_an_administrator_who_was_replaced_is_refused_too(
    client: Client, sender: Someone, agent: Someone, admin: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)
    stale = await leased(agent)
    await coalescer.expire_sessions([stale.lease_session])
    await leased(agent)

    late = await ask(client, method, intent_id, admin, cookie=f"perdure_session={stale.lease_session}")
    free = await ask(client, method, intent_id, admin)

    assert refusal(late) == (409, "lease_lost")
    assert free.status_code in (200, 201)


@pytest.mark.parametrize("method", ["PUT", "usage"])
async def test_what_has_ended_takes_no_more(
    client: Client, sender: Someone, agent: Someone, method: str
) -> None:
    intent_id = await client.submit(sender, agent)
    await put(client, intent_id, agent)
    await client.post(f"/v1/intents/{intent_id}/resume", agent, {"rows": 9})
    before = await client.history(intent_id, sender)

    assert refusal(await ask(client, method, intent_id, agent)) == (409, "intent_terminal")
    assert await client.history(intent_id, sender) == before
    assert (await client.get(path(intent_id, "extract"), sender)).content == b"1"
