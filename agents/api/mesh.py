"""The mesh over HTTP: how agents are, the switch that stops one, and the policies that limit one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ninja import Query, Router

from agents import addresses, health, ids, mesh, metrics, policies
from agents.access import requires
from agents.api.mesh_schemas import (
    ActionPolicy,
    ActionPolicyAnswer,
    CostPolicy,
    CostPolicyAnswer,
    HeartbeatIn,
    HeartbeatOut,
    KillIn,
    MeshAgentAnswer,
    MeshAgentOut,
    MeshAgentsOut,
    MeshEventOut,
    MeshEventsOut,
    SummaryOut,
    SwitchOut,
    switched,
)
from agents.api.tenancy import AgentRequest
from agents.caller import Caller
from agents.errors import AgentNotFound
from agents.models import Agent, AgentPolicy, DeliveryMode, Health, MeshEvent, MeshEventType, Scope
from agents.postgres import in_thread

router = Router(tags=["mesh"])

#: So many events go along with one agent.
EVENTS_OF_AGENT = 20
Window = Literal["day", "week", "month"]


@router.post("/heartbeat", response=HeartbeatOut)
@requires(Scope.AGENT, while_killed=True)
async def heartbeat(request: AgentRequest, body: HeartbeatIn | None = None) -> HeartbeatOut:
    """Say that the agent of this key lives, and what it has done since it said so last."""
    reported = body.metrics.reported() if body and body.metrics else None
    agent: Any = await in_thread(health.heartbeat, request.auth.agent_id, reported)
    return HeartbeatOut(
        health_status=agent.health,
        address=agent.address,
        address_id=agent.address_id,
        last_heartbeat_at=agent.last_heartbeat_at,
    )


@router.get("/agents", response=MeshAgentsOut)
@requires(Scope.READ, Scope.AGENT)
async def list_mesh_agents(
    request: AgentRequest,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    health: Health | None = None,
    window: Window = "day",
) -> MeshAgentsOut:
    """List the agents of the key's workspace, how each is and what it has done; the summary is of all of them."""
    return await in_thread(_list, request.auth, limit, health, window)


def _list(caller: Caller, limit: int, wanted: Health | None, window: Window) -> MeshAgentsOut:
    known = health.with_health(health.members(caller.workspace_id)).order_by("address")
    number_of = health.count(caller.workspace_id)
    listed = list((known.filter(health=wanted) if wanted else known)[:limit])
    done = metrics.of_agents([agent.pk for agent in listed], metrics.WINDOWS[window])
    intents, cost = metrics.of_workspace(caller.workspace_id, metrics.WINDOWS[window])
    return MeshAgentsOut(
        agents=[MeshAgentOut.of(agent, done.get(agent.pk, metrics.NONE)) for agent in listed],
        summary=SummaryOut(
            total=sum(number_of.values()),
            **{state.value: number_of[state] for state in Health},
            intents_period=intents,
            cost_period=cost,
        ),
    )


@router.get("/events", response=MeshEventsOut)
@requires(Scope.READ, Scope.AGENT)
async def list_mesh_events(
    request: AgentRequest,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    event_type: MeshEventType | None = None,
) -> MeshEventsOut:
    """List what happened to the agents of the key's workspace, the newest first."""
    return await in_thread(_events, request.auth, limit, event_type)


def _events(caller: Caller, limit: int, event_type: MeshEventType | None) -> MeshEventsOut:
    found = MeshEvent.objects.filter(workspace_id=caller.workspace_id).select_related("agent").order_by("-id")
    if event_type is not None:
        found = found.filter(type=event_type)
    return MeshEventsOut(events=[MeshEventOut.of(event) for event in found[:limit]])


# Paths, not segments: besides addr_… they take name, org/ws/name and agent://org/ws/name, escaped or not.
@router.post("/agents/{path:address}/kill", response=SwitchOut)
@requires(Scope.OPERATE)
async def kill_agent(request: AgentRequest, address: str, body: KillIn | None = None) -> SwitchOut:
    """Let nothing go to the agent or come from it. In force everywhere when this is answered."""
    return await in_thread(_kill, request.auth, address, body.reason if body else "")


def _kill(caller: Caller, address: str, reason: str) -> SwitchOut:
    return switched(mesh.kill(_found(caller, address), by=caller, reason=reason), Health.KILLED)


@router.post("/agents/{path:address}/resume", response=SwitchOut)
@requires(Scope.OPERATE)
async def resume_agent(request: AgentRequest, address: str) -> SwitchOut:
    """Lift the kill switch; what is owed to the agent is delivered again. A killed agent cannot resume itself."""
    return await in_thread(_resume, request.auth, address)


def _resume(caller: Caller, address: str) -> SwitchOut:
    agent = mesh.resume(_found(caller, address), by=caller)
    return switched(agent, _healthy(agent).health)


@router.get("/agents/{path:address}/policies/cost", response=CostPolicyAnswer)
@requires(Scope.READ, Scope.AGENT)
async def get_cost_policy(request: AgentRequest, address: str) -> CostPolicyAnswer:
    """Show the limits on what goes to the agent and comes from it."""
    return CostPolicyAnswer(policy=CostPolicy.of(await in_thread(_policy, request.auth, address)))


@router.put("/agents/{path:address}/policies/cost", response=CostPolicyAnswer)
@requires(Scope.OPERATE)
async def set_cost_policy(request: AgentRequest, address: str, body: CostPolicy) -> CostPolicyAnswer:
    """Limit what goes to the agent and comes from it. A limit that is missing is lifted."""
    return await in_thread(_set_cost_policy, request.auth, address, body)


def _set_cost_policy(caller: Caller, address: str, body: CostPolicy) -> CostPolicyAnswer:
    policy = policies.set_cost(
        _found(caller, address),
        by=caller,
        max_intents_per_hour=body.max_intents_per_hour,
        max_intents_per_day=body.max_intents_per_day,
        max_cost_per_day_usd=body.max_cost(),
        action_on_breach=body.action_on_breach,
    )
    return CostPolicyAnswer(policy=CostPolicy.of(policy))


@router.get("/agents/{path:address}/policies/action", response=ActionPolicyAnswer)
@requires(Scope.READ, Scope.AGENT)
async def get_action_policy(request: AgentRequest, address: str) -> ActionPolicyAnswer:
    """Show which intent types may go to the agent and come from it."""
    return ActionPolicyAnswer(policy=ActionPolicy.of(await in_thread(_policy, request.auth, address)))


@router.put("/agents/{path:address}/policies/action", response=ActionPolicyAnswer)
@requires(Scope.OPERATE)
async def set_action_policy(request: AgentRequest, address: str, body: ActionPolicy) -> ActionPolicyAnswer:
    """Let only these intent types go to the agent and come from it, or all but these."""
    return await in_thread(_set_action_policy, request.auth, address, body)


def _policy(caller: Caller, address: str) -> AgentPolicy:
    return policies.of(_found(caller, address))


def _set_action_policy(caller: Caller, address: str, body: ActionPolicy) -> ActionPolicyAnswer:
    agent = _found(caller, address)
    policy = policies.set_action(agent, by=caller, mode=body.mode, intent_types=body.intent_types)
    return ActionPolicyAnswer(policy=ActionPolicy.of(policy))


# Last: it takes any path.
@router.get("/agents/{path:address}", response=MeshAgentAnswer)
@requires(Scope.READ, Scope.AGENT)
async def get_mesh_agent(request: AgentRequest, address: str, window: Window = "day") -> MeshAgentAnswer:
    """Show an agent: how it is, what it has done, what happened to it."""
    return await in_thread(_show, request.auth, address, window)


def _show(caller: Caller, address: str, window: Window) -> MeshAgentAnswer:
    agent = _healthy(_found(caller, address))
    done = metrics.of_agents([agent.pk], metrics.WINDOWS[window]).get(agent.pk, metrics.NONE)
    events = MeshEvent.objects.filter(agent=agent).select_related("agent").order_by("-id")
    shown = MeshAgentOut.of(agent, done)
    return MeshAgentAnswer(
        address_id=shown.address_id,
        address=shown.address,
        health=shown.health,
        health_status=shown.health,
        agent=shown,
        metrics=shown.metrics,
        events=[MeshEventOut.of(event) for event in events[:EVENTS_OF_AGENT]],
    )


def _healthy(agent: Agent) -> Any:
    return health.with_health(Agent.objects.filter(pk=agent.pk)).get()


def _found(caller: Caller, named: str) -> Agent:
    """The agent of this id or address: in the caller's workspace, or for administrators in their organization.

    Raises:
        AgentNotFound: there is none, or it is not for this caller.
        InvalidAgentAddress: nobody could ever have this address.
    """
    agents = Agent.objects.filter(organization_id=caller.organization_id)
    if not caller.is_admin:
        agents = agents.filter(workspace_id=caller.workspace_id)
    agents = agents.exclude(delivery_mode=DeliveryMode.INTERNAL)
    if named.startswith("addr_"):
        found = agents.filter(service_account_id=ids.of_address_id(named)).first()
        if found is not None:
            return found
    try:
        found = agents.filter(address=addresses.parse(named).within(caller)).first()
    except AgentNotFound:
        found = None
    if found is None:
        raise AgentNotFound(f"agent not found: {named}")
    return found
