"""A workspace with members of each role, and a stranger, each with a browser of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from agents.models import Role, Workspace
from tests.factories import make_organization, make_user, make_workspace


@dataclass(frozen=True)
class Member:
    """Somebody with a browser, in front of one workspace."""

    client: Client
    user: User
    workspace: Workspace

    @property
    def root(self) -> str:
        return f"/o/{self.workspace.organization.slug}/{self.workspace.slug}/"

    def get(self, path: str, **options: Any) -> HttpResponse:
        answer: Any = self.client.get(self.root + path, **options)
        return answer

    def post(self, path: str, **data: Any) -> HttpResponse:
        answer: Any = self.client.post(self.root + path, data)
        return answer


def member(workspace: Workspace, role: Role, *, of: Workspace | None = None) -> Member:
    """A person with that role in the organization of `of`, in front of the workspace."""
    user = make_user(organization=(of or workspace).organization, role=role)
    client = Client()
    client.force_login(user)
    return Member(client, user, workspace)


@pytest.fixture
def workspace(db: None) -> Workspace:
    return make_workspace(make_organization())


@pytest.fixture
def viewer(workspace: Workspace) -> Member:
    return member(workspace, Role.VIEWER)


@pytest.fixture
def operator(workspace: Workspace) -> Member:
    return member(workspace, Role.OPERATOR)


@pytest.fixture
def admin(workspace: Workspace) -> Member:
    return member(workspace, Role.ADMIN)


@pytest.fixture
def stranger(workspace: Workspace) -> Member:
    return member(workspace, Role.ADMIN, of=make_workspace())
