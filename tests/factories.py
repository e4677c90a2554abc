"""Rows that tests need but are not about. Say only what matters; the rest is made up, and unique."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import count
from typing import Any

from django.contrib.auth.models import User

from agents import addresses, keys
from agents.caller import Caller
from agents.models import AGENT_SCOPES, Agent, ApiKey, Invitation, Membership, Organization, Role, Workspace

_numbers = count(1)


def make_organization(slug: str = "") -> Organization:
    slug = slug or f"org-{next(_numbers)}"
    return Organization.objects.create(slug=slug, name=slug.title())


def make_workspace(organization: Organization | None = None, slug: str = "production") -> Workspace:
    return Workspace.objects.create(
        organization=organization or make_organization(), slug=slug, name=slug.title()
    )


def make_agent(workspace: Workspace | None = None, name: str = "", **fields: Any) -> Agent:
    workspace = workspace or make_workspace()
    name = name or f"agent-{next(_numbers)}"
    fields.setdefault("address", addresses.full(workspace.organization.slug, workspace.slug, name))
    return Agent.objects.create(organization=workspace.organization, workspace=workspace, name=name, **fields)


def make_key(
    agent: Agent | None = None,
    scopes: Iterable[str] = AGENT_SCOPES,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A key and its token."""
    return keys.issue(agent or make_agent(), created_by="test", scopes=scopes, expires_at=expires_at)


def make_caller(agent: Agent | None = None, scopes: Iterable[str] = AGENT_SCOPES) -> Caller:
    """Who a request with a key of this agent would come from."""
    agent = agent or make_agent()
    key, _ = make_key(agent, scopes)
    return Caller(
        key_id=key.pk,
        agent_id=agent.pk,
        service_account_id=agent.service_account_id,
        address=agent.address,
        name=agent.name,
        organization_id=agent.organization_id,
        organization_slug=agent.organization.slug,
        workspace_id=agent.workspace_id,
        workspace_slug=agent.workspace.slug,
        scopes=frozenset(key.scopes),
        max_in_flight=agent.max_in_flight,
    )


def make_user(
    username: str = "",
    *,
    organization: Organization | None = None,
    role: Role = Role.VIEWER,
    password: str = "correct horse battery staple",
    is_superuser: bool = False,
) -> User:
    """A person; with an organization, a member of it."""
    user = User.objects.create_user(
        username or f"user-{next(_numbers)}",
        password=password,
        is_staff=is_superuser,
        is_superuser=is_superuser,
    )
    if organization is not None:
        Membership.objects.create(user=user, organization=organization, role=role)
    return user


def make_invitation(organization: Organization, username: str = "newcomer") -> Invitation:
    """A place that is held for a name, by a link that nobody has."""
    digest = f"digest-{next(_numbers)}"
    return Invitation.objects.create(
        organization=organization, username=username, role=Role.VIEWER, digest=digest
    )
