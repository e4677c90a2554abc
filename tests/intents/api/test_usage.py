"""What an agent reports of its costs, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.intents.api.conftest import Client, Someone, refusal

# -- usage ------------------------------------------------------------------------------------------------------


async def test_a_report_is_an_event_and_reports_add_up(
    client: Client, sender: Someone, agent: Someone
) -> None:
    intent_id = await client.submit(sender, agent)
    reports = [{"cost_usd": 0.0125, "tokens": 1830, "model": "small-1"}, {"tokens": 7}, {"cost_usd": 0}]

    answers = [await client.post(f"/v1/intents/{intent_id}/usage", agent, each) for each in reports]

    assert [each.json() for each in answers] == [
        {"ok": True, "intent_id": intent_id, "seq": seq} for seq in (3, 4, 5)
    ]
    events = (await client.get(f"/v1/intents/{intent_id}/events", sender)).json()["events"]
    assert [event["details"] for event in events[2:]] == [{"usage": each} for each in reports]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"cost_usd": None},
        {"cost_usd": -1},
        {"cost_usd": 1_000_001},
        {"cost_usd": "1"},
        {"cost_usd": True},
        {"tokens": 1.5},
        {"tokens": -1},
        {"tokens": 10**13},
        {"tokens": True},
        {"tokens": "many"},
        {"model": ""},
        {"model": "x" * 201},
        {"model": 3},
        {"spent": 3},
        [],
    ],
)
async def test_what_is_no_report_is_refused(
    client: Client, sender: Someone, agent: Someone, body: Any
) -> None:
    intent_id = await client.submit(sender, agent)

    response = await client.post(f"/v1/intents/{intent_id}/usage", agent, body)

    assert refusal(response) == (422, "validation_error")
    assert len(await client.history(intent_id, sender)) == 2
