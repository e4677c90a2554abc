"""The HTTP API of intents as a sender, its agent, an operator and a stranger see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from agents.models import Scope, Workspace
from intents.realtime import runtime
from tests.agents.conftest import Someone, admin, agent, api, pool, refusal, stranger, workspace
from tests.factories import make_agent, make_key

__all__ = ["Client", "Someone", "admin", "agent", "api", "pool", "refusal", "stranger", "workspace"]


@pytest.fixture
def sender(workspace: Workspace) -> Someone:
    """Another agent of the same workspace, with an agent's scopes."""
    sender = make_agent(workspace, "sender")
    key, token = make_key(sender)
    return Someone(sender, key.pk, token)


@pytest.fixture
def bystander(workspace: Workspace) -> Someone:
    """Of the same workspace, and neither sender nor agent of anything."""
    bystander = make_agent(workspace, "bystander")
    key, token = make_key(bystander)
    return Someone(bystander, key.pk, token)


@dataclass
class Client:
    """Says the routes of intents for a test."""

    api: httpx.AsyncClient

    async def submit(self, by: Someone, to: Someone | str, **fields: Any) -> str:
        """The id of a new intent."""
        response = await self.post("/v1/intents", by, intent(to, **fields))
        assert response.status_code == 200, response.text
        return str(response.json()["intent_id"])

    async def get(self, path: str, by: Someone, **headers: str) -> httpx.Response:
        return await self.api.get(path, headers={**by.headers, **headers})

    async def post(self, path: str, by: Someone, body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.api.post(path, json=body, headers={**by.headers, **named})

    async def show(self, intent_id: str, by: Someone) -> dict[str, Any]:
        body: dict[str, Any] = (await self.get(f"/v1/intents/{intent_id}", by)).json()
        return body

    async def history(self, intent_id: str, by: Someone) -> list[str]:
        events = (await self.get(f"/v1/intents/{intent_id}/events", by)).json()["events"]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        return [event["event_type"] for event in events]


@pytest.fixture
async def client(api: httpx.AsyncClient) -> AsyncIterator[Client]:
    yield Client(api)
    await runtime.drain()  # streams had it started


def intent(to: Someone | str, **fields: Any) -> dict[str, Any]:
    """The body of a submission."""
    return {
        "intent_type": "demo.work.v1",
        "correlation_id": str(uuid4()),
        "to_agent": to if isinstance(to, str) else to.agent.address,
        "payload": {"rows": 3},
        **fields,
    }


@pytest.fixture
def reader(workspace: Workspace) -> Someone:
    """Of the same workspace, with a key that may only look."""
    reader = make_agent(workspace, "reader")
    key, token = make_key(reader, [Scope.READ])
    return Someone(reader, key.pk, token)
