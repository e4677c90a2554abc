"""GET /v1/intents: newest first, by the page, filtered, and never another tenant's."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from agents.models import Workspace
from intents import listing
from tests.factories import make_agent, make_key, make_workspace
from tests.intents.api.conftest import Client, Someone, refusal


async def ids(client: Client, by: Someone, query: str = "") -> list[str]:
    response = await client.get(f"/v1/intents?{query}", by)
    assert response.status_code == 200, response.text
    return [each["intent_id"] for each in response.json()["intents"]]


async def test_a_workspaces_intents_are_listed_newest_first_by_the_page(
    client: Client, sender: Someone, agent: Someone
) -> None:
    made = [await client.submit(sender, agent) for _ in range(5)]

    pages, cursor = [], ""
    while True:
        body = (await client.get(f"/v1/intents?limit=2{cursor}", sender)).json()
        pages.append([each["intent_id"] for each in body["intents"]])
        if "next_cursor" not in body:
            break
        cursor = f"&cursor={body['next_cursor']}"

    newest = made[::-1]
    assert pages == [newest[:2], newest[2:4], newest[4:]]


async def test_what_the_filters_leave(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    done = await client.submit(sender, agent)
    await client.post(f"/v1/intents/{done}/resume", agent, {"rows": 9})
    correlation_id = str(uuid4())
    canceled = await client.submit(sender, agent, correlation_id=correlation_id)
    await client.post(f"/v1/intents/{canceled}/resolve", sender, {"status": "CANCELED"})
    ready = await client.submit(sender, agent, intent_type="demo.other.v2")
    elsewhere = await client.submit(sender, "somebody-else")

    assert await ids(client, sender, "status=COMPLETED") == [done]
    assert await ids(client, sender, "status=completed,Canceled") == [canceled, done]
    assert await ids(client, sender, "status=pending") == [elsewhere, ready]
    assert await ids(client, sender, "status=pending&to_agent=worker") == [ready]
    assert await ids(client, sender, f"to_agent={agent.agent.address}") == [ready, canceled, done]
    assert await ids(client, sender, "to_agent=never-heard-of") == []
    assert await ids(client, sender, "intent_type=demo.other.v2") == [ready]
    assert await ids(client, sender, f"correlation_id={correlation_id}") == [canceled]
    [shown] = (await client.get("/v1/intents?status=COMPLETED", sender)).json()["intents"]
    assert shown["result"] == {"rows": 9}
    assert shown["payload"] == {"rows": 3}


async def test_a_rare_status_is_looked_for_a_stretch_at_a_time(
    client: Client, sender: Someone, agent: Someone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "DEEPEST", 3)
    rare = await client.submit(sender, agent)
    await client.post(f"/v1/intents/{rare}/resolve", sender, {"status": "CANCELED"})
    for _ in range(4):
        await client.submit(sender, agent)

    first = (await client.get("/v1/intents?status=CANCELED", sender)).json()
    second = (await client.get(f"/v1/intents?status=CANCELED&cursor={first['next_cursor']}", sender)).json()

    assert first["intents"] == []
    assert [each["intent_id"] for each in second["intents"]] == [rare]
    assert "next_cursor" not in second


async def test_a_long_payload_is_left_out_of_the_list(
    client: Client, sender: Someone, agent: Someone
) -> None:
    noise = "".join(str(uuid4()) for _ in range(1000))
    await client.submit(sender, agent, payload={"noise": noise})

    [shown] = (await client.get("/v1/intents", sender)).json()["intents"]

    assert "payload" not in shown
    assert shown["payload_omitted"] is True


async def test_only_ones_own_workspace_is_listed(
    client: Client, sender: Someone, agent: Someone, stranger: Someone, admin: Someone, annex: Someone
) -> None:
    mine = await client.submit(sender, agent)
    theirs = await client.submit(annex, "local")
    await client.submit(stranger, "operator")

    assert await ids(client, sender) == [mine]
    assert await ids(client, annex) == [theirs]
    assert await ids(client, admin, f"workspace_id={annex.agent.workspace_id}") == [theirs]
    for nosy in (f"workspace_id={annex.agent.workspace_id}", f"workspace_id={stranger.agent.workspace_id}"):
        assert refusal(await client.get(f"/v1/intents?{nosy}", sender)) == (404, "not_found")
    foreign = f"workspace_id={stranger.agent.workspace_id}"
    assert refusal(await client.get(f"/v1/intents?{foreign}", admin)) == (404, "not_found")
    assert await ids(client, sender, f"to_agent={stranger.agent.address}") == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "status=DONE", "status=", "cursor=x", "correlation_id=1"]
)
async def test_a_bad_query_is_refused(query: str, client: Client, sender: Someone) -> None:
    assert refusal(await client.get(f"/v1/intents?{query}", sender)) == (422, "validation_error")


@pytest.fixture
def annex(workspace: Workspace) -> Any:
    """An agent in another workspace of the same organization."""
    agent = make_agent(make_workspace(workspace.organization, "annex"), "local")
    key, token = make_key(agent)
    return Someone(agent, key.pk, token)
