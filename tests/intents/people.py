"""People for tests of what they do to intents."""

from __future__ import annotations

from agents.models import Agent, Membership, Role
from agents.people import Operator
from tests.factories import make_user


def make_operator(agent: Agent, role: Role = Role.OPERATOR) -> Operator:
    """A member of the agent's organization, at work in its workspace."""
    user = make_user(organization=agent.organization, role=role)
    membership = Membership.objects.get(user=user)
    return Operator(
        user_id=user.pk,
        username=user.username,
        organization_id=agent.organization_id,
        organization_slug=agent.organization.slug,
        workspace_id=agent.workspace_id,
        role=Role(membership.role),
        remote_addr="192.0.2.7",
        user_agent="a browser",
    )
