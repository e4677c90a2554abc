"""Agents over HTTP, by address in any of its written forms."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from ninja import Query, Router

from agents import addresses
from agents.access import requires
from agents.api import tenancy
from agents.api.schemas import AgentAnswer, AgentList, AgentOut
from agents.api.tenancy import AgentRequest
from agents.caller import Caller
from agents.errors import AgentNotFound
from agents.models import Agent, AgentStatus, Scope
from agents.postgres import in_thread

router = Router(tags=["agents"])


@router.get("", response=AgentList)
@requires(Scope.READ, Scope.AGENT)
async def list_agents(
    request: AgentRequest,
    org_id: UUID | None = None,
    workspace_id: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> AgentList:
    """List the registered agents of a workspace, the key's own unless another is named."""
    return await in_thread(_list, request.auth, org_id, workspace_id, limit)


def _list(caller: Caller, org_id: UUID | None, workspace_id: UUID | None, limit: int) -> AgentList:
    tenancy.check_organization(caller, org_id)
    agents = tenancy.visible_agents(caller).filter(workspace=tenancy.workspace(caller, workspace_id))
    existing = agents.exclude(status=AgentStatus.REVOKED)
    return AgentList(agents=[AgentOut.of(agent) for agent in existing[:limit]])


# A path, not a segment: addresses come as name, org/ws/name and agent://org/ws/name, escaped or not.
@router.get("/{path:address}", response=AgentAnswer)
@requires(Scope.READ, Scope.AGENT)
async def get_agent(request: AgentRequest, address: str) -> AgentAnswer:
    """Show a registered agent, also a deleted one."""
    recipient = await addresses.resolve(address, caller=request.auth, create=False)
    agent = await in_thread(_find, request.auth, recipient.agent_id) if recipient else None
    if agent is None:
        raise AgentNotFound(f"agent not found: {address}")
    return AgentAnswer(agent=AgentOut.of(agent))


def _find(caller: Caller, agent_id: int) -> Agent | None:
    return tenancy.visible_agents(caller).filter(pk=agent_id).first()
