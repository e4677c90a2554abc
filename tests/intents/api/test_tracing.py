"""The trace of an intent: named by whoever submits it, handed to whoever works on it, kept by a retry."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from intents import coalescer
from intents.records import Lease, Slot
from intents.tracing import is_traceparent
from tests.intents.api.conftest import Client, Someone, intent, refusal

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

MALFORMED = [
    "",
    "x",
    TRACE[:-1],
    TRACE + "-",
    TRACE + "-more",
    TRACE.upper(),
    TRACE + "\n",
    " " + TRACE,
    "ff" + TRACE[2:],
    "00-" + "0" * 32 + TRACE[35:],
    TRACE[:36] + "0" * 16 + "-01",
    "01" + TRACE[2:] + "-" + "x" * 300,
]


async def delivered(agent: Someone) -> Lease:
    [lease] = await coalescer.claim([Slot(agent.agent.pk, 1, 1, uuid4(), 60)])
    return lease


@pytest.mark.parametrize("text", [TRACE, OTHER, "01" + TRACE[2:], "cc" + TRACE[2:] + "-what-comes"])
def test_a_traceparent_is_known_also_of_versions_to_come(text: str) -> None:
    assert is_traceparent(text)


@pytest.mark.parametrize("text", [*MALFORMED, None, 3, [TRACE]])
def test_what_is_malformed_is_none(text: Any) -> None:
    assert not is_traceparent(text)


@pytest.mark.parametrize(
    ("fields", "headers", "kept"),
    [
        ({"traceparent": TRACE}, {}, TRACE),
        ({}, {"traceparent": TRACE}, TRACE),
        ({"traceparent": TRACE}, {"traceparent": OTHER}, TRACE),
        ({"traceparent": None}, {"traceparent": OTHER}, OTHER),
        ({}, {"traceparent": "nonsense"}, None),
        ({}, {}, None),
    ],
)
async def test_the_field_goes_before_the_header_and_a_bad_header_is_none(
    client: Client,
    sender: Someone,
    agent: Someone,
    fields: dict[str, Any],
    headers: dict[str, str],
    kept: str | None,
) -> None:
    response = await client.post("/v1/intents", sender, intent(agent, **fields), **headers)

    intent_id = response.json()["intent_id"]
    assert (await client.show(intent_id, sender))["intent"].get("traceparent") == kept
    assert (await delivered(agent)).traceparent == kept


async def test_a_batch_has_one_header_and_each_intent_its_own_field(
    client: Client, sender: Someone, agent: Someone
) -> None:
    bodies = [intent(agent), intent(agent, traceparent=OTHER), intent(agent, traceparent="x")]

    answer = await client.post("/v1/intents/batch", sender, {"intents": bodies}, traceparent=TRACE)

    first, second, third = answer.json()["results"]
    shown = [(await client.show(each["intent_id"], sender))["intent"] for each in (first, second)]
    assert [each["traceparent"] for each in shown] == [TRACE, OTHER]
    assert third["error"]["code"] == "validation_error"


@pytest.mark.parametrize("text", [*MALFORMED, 3, [TRACE]])
async def test_a_malformed_field_is_refused(
    client: Client, sender: Someone, agent: Someone, text: Any
) -> None:
    response = await client.post("/v1/intents", sender, intent(agent, traceparent=text))

    assert refusal(response) == (422, "validation_error")


async def test_a_retry_belongs_to_the_same_trace(
    client: Client, sender: Someone, agent: Someone, admin: Someone
) -> None:
    intent_id = await client.submit(sender, agent, traceparent=TRACE)
    await client.post(f"/v1/intents/{intent_id}/resume", agent, {"rows": 1})

    retried = (await client.post(f"/v1/intents/{intent_id}/retry", admin)).json()["intent_id"]

    assert (await client.show(retried, sender))["intent"]["traceparent"] == TRACE
    assert (await delivered(agent)).traceparent == TRACE
