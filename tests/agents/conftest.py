"""Two organizations, their agents and keys, and a client that speaks to the real edge without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from agents import addresses, auth, postgres
from agents.models import ALL_SCOPES, Agent, Workspace
from tests.factories import make_agent, make_key, make_organization, make_workspace


@dataclass(frozen=True)
class Someone:
    """An agent with a key."""

    agent: Agent
    key_id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.token}


@pytest.fixture
def workspace(transactional_db: None) -> Workspace:
    return make_workspace(make_organization("acme"), "prod")


@pytest.fixture
def admin(workspace: Workspace) -> Someone:
    """Holds a key with all scopes."""
    agent = make_agent(workspace, "operator")
    key, token = make_key(agent, ALL_SCOPES)
    return Someone(agent, key.pk, token)


@pytest.fixture
def agent(workspace: Workspace) -> Someone:
    """Holds a key with the scopes of an agent."""
    agent = make_agent(workspace, "worker")
    key, token = make_key(agent)
    return Someone(agent, key.pk, token)


@pytest.fixture
def stranger(transactional_db: None) -> Someone:
    """An administrator of another organization."""
    agent = make_agent(make_workspace(make_organization("globex"), "prod"), "operator")
    key, token = make_key(agent, ALL_SCOPES)
    return Someone(agent, key.pk, token)


@pytest.fixture
async def pool(transactional_db: None) -> AsyncIterator[None]:
    """Caches that start empty, and a pool that does not outlive the test."""
    auth._cache.clear()
    addresses.forget()
    yield
    await postgres.close()


@pytest.fixture
async def api(pool: None) -> AsyncIterator[httpx.AsyncClient]:
    """The HTTP API as a client sees it."""
    from controlplane.v1_handler import V1Handler  # importing it builds the whole API

    handler = V1Handler()
    handler.load_middleware()
    transport = httpx.ASGITransport(app=handler)
    async with httpx.AsyncClient(transport=transport, base_url="http://perdure") as client:
        yield client


def refusal(response: httpx.Response) -> tuple[int, str]:
    """The status and the error code of an answer that should be an error."""
    body: dict[str, Any] = response.json()
    assert isinstance(body["detail"], str)
    return response.status_code, body["error"]["code"]
