"""Whom a connection may receive for."""

from __future__ import annotations

from agents import addresses
from agents.addresses import Recipient
from agents.caller import Caller
from agents.errors import AgentNotFound, Forbidden
from agents.models import Scope


async def agent_for(caller: Caller, address: str) -> Recipient:
    """The agent at this address, if the caller may receive its deliveries.

    Administrators may listen on addresses that nobody has registered yet.

    Raises:
        AgentNotFound, InvalidAgentAddress: there is none.
        Forbidden: it is another agent, or the key may not receive at all.
    """
    caller.require(Scope.AGENT)
    if caller.is_admin:
        return await addresses.resolve(address, caller=caller, fresh=True)
    agent = await addresses.resolve(address, caller=caller, create=False, fresh=True)
    if agent is None:
        raise AgentNotFound
    if not caller.may_act_as(agent.agent_id, agent.workspace_id):
        raise Forbidden("the API key belongs to another agent")
    return agent
