"""What the API answers is what the protocol's schemas describe, but for the fields that are ours."""

from __future__ import annotations

import pytest

from tests.agents.schemas import assert_speaks_the_protocol
from tests.intents.api.conftest import Client, Someone, intent


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELED"])
async def test_every_answer_in_an_intents_life_fits(
    status: str, client: Client, sender: Someone, agent: Someone
) -> None:
    wanted = intent(agent, reply_to="sender", ttl_seconds=60, escalate_to="ops", max_reminders=1)
    created = await client.post("/v1/intents", sender, wanted)
    assert_speaks_the_protocol(created, "intents.create")
    url = f"/v1/intents/{created.json()['intent_id']}"

    assert_speaks_the_protocol(await client.get(url, sender), "intents.get")
    assert_speaks_the_protocol(await client.get(url, agent), "intents.get")
    resolved = await client.post(f"{url}/resolve", agent, {"status": status, "result": {}})
    assert_speaks_the_protocol(resolved, "intents.resolve")
    assert_speaks_the_protocol(await client.get(url, sender), "intents.get")
    assert_speaks_the_protocol(await client.get(f"{url}/events", sender), "intents.events.list")
