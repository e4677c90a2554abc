"""Where checkpoints come from: a retry goes on from them, and nobody pretends them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.intents.api.conftest import Client, Someone, refusal
from tests.intents.api.saving import leased, put

# -- a retry goes on from them ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "inherited"), [(None, 2), ({}, 2), ({"checkpoints": True}, 2), ({"checkpoints": False}, 0)]
)
async def test_a_retry_inherits_unless_it_is_to_start_over(
    client: Client, sender: Someone, agent: Someone, admin: Someone, body: Any, inherited: int
) -> None:
    intent_id = await client.submit(sender, agent)
    await put(client, intent_id, agent, "extract", b'{"rows": 3}', content_type="application/json")
    await put(client, intent_id, agent, "model", b"\x00\x01")
    await client.post(f"/v1/intents/{intent_id}/resume", agent, {"action": "fail"})

    retried = (await client.post(f"/v1/intents/{intent_id}/retry", admin, body)).json()["intent_id"]

    lease = await leased(agent)
    assert (str(lease.intent_id), lease.attempt) == (retried, 1)
    told = (await client.show(retried, sender))["intent"]
    assert (lease.checkpoint_count, told["checkpoint_count"]) == (inherited, inherited)
    assert [(each["step"], each["attempt"]) for each in told["checkpoints"]] == [
        ("extract", 0), ("model", 0),
    ][:inherited]  # fmt: skip
    kept = await put(client, retried, agent, "extract", b"other")
    assert kept.status_code == (200 if inherited else 201)


@pytest.mark.parametrize("body", [{"checkpoints": "no"}, {"checkpoints": 0}, {"checkpoints": None}, []])
async def test_what_is_no_retry_is_refused(
    client: Client, sender: Someone, agent: Someone, admin: Someone, body: Any
) -> None:
    intent_id = await client.submit(sender, agent)
    await client.post(f"/v1/intents/{intent_id}/resume", agent, {"rows": 1})

    response = await client.post(f"/v1/intents/{intent_id}/retry", admin, body)

    assert refusal(response) == (422, "validation_error")


# -- what an intent's own fields cannot pretend -----------------------------------------------------------------


async def test_a_submitter_cannot_pretend_that_something_was_saved(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent, checkpoints=[{"step": "all"}], checkpoint_count=7)

    shown = (await client.show(intent_id, sender))["intent"]

    assert (shown["checkpoint_count"], shown["checkpoints"]) == (0, [])
