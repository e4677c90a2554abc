"""Checkpoints over HTTP, as tests say them."""

from __future__ import annotations

from urllib.parse import quote
from uuid import uuid4

import httpx

from intents import coalescer
from intents.records import Lease, Slot
from tests.intents.api.conftest import Client, Someone


def path(intent_id: str, step: str) -> str:
    return f"/v1/intents/{intent_id}/checkpoints/{quote(step, safe='')}"


async def put(
    client: Client, intent_id: str, by: Someone, step: str = "extract", value: bytes = b"1", **headers: str
) -> httpx.Response:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return await client.api.put(path(intent_id, step), content=value, headers={**by.headers, **named})


async def leased(agent: Someone, *, seconds: int = 60) -> Lease:
    [lease] = await coalescer.claim([Slot(agent.agent.pk, 1, 1, uuid4(), seconds)])
    return lease


async def ask(client: Client, method: str, intent_id: str, by: Someone, **headers: str) -> httpx.Response:
    """Ask for one of the routes."""
    match method:
        case "PUT":
            return await put(client, intent_id, by, "step", b"1", **headers)
        case "GET":
            return await client.get(path(intent_id, "extract"), by)
        case "list":
            return await client.get(f"/v1/intents/{intent_id}/checkpoints", by)
        case _:
            return await client.post(f"/v1/intents/{intent_id}/usage", by, {"tokens": 1}, **headers)
