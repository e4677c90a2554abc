"""What a caller may see: every look-up of this API starts here, at the caller's organization.

Whatever belongs to another organization is answered like something that does not exist.
"""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest

from agents import registry
from agents.caller import Caller
from agents.errors import NotFound
from agents.models import Agent, Workspace


class AgentRequest(HttpRequest):
    """A request whose sender is known."""

    auth: Caller


def visible_accounts(caller: Caller) -> QuerySet[Agent]:
    """The service accounts a key may see: an administrator's all of the organization, any other its own."""
    accounts = registry.registered(caller.organization_id)
    return accounts if caller.is_admin else accounts.filter(pk=caller.agent_id)


def visible_agents(caller: Caller) -> QuerySet[Agent]:
    """The agents a key may see: an administrator's all of the organization, any other those of its workspace."""
    agents = registry.registered(caller.organization_id)
    return agents if caller.is_admin else agents.filter(workspace_id=caller.workspace_id)


def account(caller: Caller, service_account_id: str) -> Agent:
    """Return a service account that the caller may see."""
    found = visible_accounts(caller).filter(service_account_id=service_account_id).first()
    if found is None:
        raise NotFound("service account not found")
    return found


def check_organization(caller: Caller, org_id: UUID | None) -> None:
    """Refuse any organization that is not the caller's."""
    if org_id not in (None, caller.organization_id):
        raise NotFound("organization not found")


def workspace(caller: Caller, workspace_id: UUID | None) -> Workspace:
    """Return a workspace of the caller's organization, the key's own unless another is named."""
    workspaces = Workspace.objects.select_related("organization")
    found = workspaces.filter(
        organization_id=caller.organization_id, pk=workspace_id or caller.workspace_id
    ).first()
    if found is None:
        raise NotFound("workspace not found")
    return found
