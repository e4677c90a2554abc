"""A workspace with members of each role, and a stranger, each with a browser of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from agents.models import Agent, Role, Workspace
from intents import overview
from tests.factories import make_user
from tests.intents.factories import make_recipient


@dataclass(frozen=True)
class Member:
    """Somebody with a browser, in front of one workspace."""

    client: Client
    workspace: Workspace

    @property
    def root(self) -> str:
        return f"/o/{self.workspace.organization.slug}/{self.workspace.slug}/"

    def get(self, path: str = "", **options: Any) -> HttpResponse:
        """A page of the workspace."""
        answer: Any = self.client.get(self.root + path, **options)
        return answer

    def post(self, path: str, data: dict[str, Any]) -> HttpResponse:
        answer: Any = self.client.post(self.root + path, data)
        return answer


def member(agent: Agent, role: Role, *, of: Agent | None = None) -> Member:
    """A person with that role in the organization of `of`, in front of the agent's workspace."""
    client = Client()
    client.force_login(make_user(organization=(of or agent).organization, role=role))
    return Member(client, agent.workspace)


@pytest.fixture(autouse=True)
def fresh_figures() -> None:
    overview.forget()


@pytest.fixture
def agent(db: None) -> Agent:
    return make_recipient(name="worker")


@pytest.fixture
def viewer(agent: Agent) -> Member:
    return member(agent, Role.VIEWER)


@pytest.fixture
def operator(agent: Agent) -> Member:
    return member(agent, Role.OPERATOR)


@pytest.fixture
def stranger(agent: Agent) -> Member:
    return member(agent, Role.ADMIN, of=make_recipient())
