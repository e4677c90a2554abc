"""POST /v1/intents/batch: many at once, each judged by itself, all in one commit."""

from __future__ import annotations

from typing import Any

import pytest

from agents.postgres import in_thread
from intents.models import Intent
from tests.intents.api.conftest import Client, Someone, intent, refusal


async def batch(client: Client, by: Someone, rows: list[Any], **headers: str) -> list[dict[str, Any]]:
    response = await client.post("/v1/intents/batch", by, {"intents": rows}, **headers)
    assert response.status_code == 200, response.text
    results: list[dict[str, Any]] = response.json()["results"]
    return results


async def test_each_is_answered_by_itself_in_the_order_asked(
    client: Client, sender: Someone, agent: Someone, stranger: Someone
) -> None:
    rows = [
        intent(agent),
        {"intent_type": "nonsense"},
        intent("https://acme"),
        intent(stranger.agent.address),
        7,
        intent(agent, deadline_at="2001-01-01T00:00:00Z"),
        intent(agent, payload={"text": "x" * 140_000}),
        intent(agent, payload={"last": True}),
    ]

    results = await batch(client, sender, rows)

    assert [result["ok"] for result in results] == [True, *[False] * 6, True]
    assert [result["error"]["code"] for result in results if not result["ok"]] == [
        "validation_error",
        "invalid_agent_address",
        "agent_not_found",
        "validation_error",
        "validation_error",
        "payload_too_large",
    ]
    assert (await client.show(results[-1]["intent_id"], sender))["payload"] == {"last": True}
    assert await in_thread(Intent.objects.count) == 2


async def test_five_hundred_are_one_commit(client: Client, sender: Someone, agent: Someone) -> None:
    results = await batch(client, sender, [intent(agent)] * 500)

    assert len({result["intent_id"] for result in results}) == 500
    assert len({result["created_at"] for result in results}) == 1  # one statement, one time


async def test_a_rows_own_key_is_the_one_of_a_single_request(
    client: Client, sender: Someone, agent: Someone
) -> None:
    row = intent(agent, idempotency_key="mine")

    first, twin, other = await batch(client, sender, [row, row, {**row, "payload": {}}])
    [again] = await batch(client, sender, [row])

    assert first == twin == again
    assert other["error"]["code"] == "idempotency_conflict"
    assert await in_thread(Intent.objects.count) == 1


async def test_a_batch_under_a_key_is_repeated_as_a_whole(
    client: Client, sender: Someone, agent: Someone
) -> None:
    rows = [intent(agent), intent(agent), {"bad": 1}]

    first = await batch(client, sender, rows, idempotency_key="all")
    again = await batch(client, sender, rows, idempotency_key="all")

    assert first == again
    assert await in_thread(Intent.objects.count) == 2


@pytest.mark.parametrize("rows", [[], None, {}, [{}] * 501])
async def test_too_few_and_too_many_are_refused(rows: Any, client: Client, sender: Someone) -> None:
    response = await client.post("/v1/intents/batch", sender, {"intents": rows})

    assert refusal(response) == (422, "validation_error")
