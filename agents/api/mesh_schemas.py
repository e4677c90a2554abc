"""What the API of the mesh takes and gives. What it takes is left to pydantic, for which a list is no object."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from ninja import Schema
from pydantic import BaseModel, Field, StrictInt, StringConstraints

from agents.health import Reported
from agents.metrics import NONE, Metrics
from agents.models import ActionMode, Agent, AgentPolicy, Health, MeshEvent, MeshEventType, OnBreach

#: No honest report says more; what does would spoil every sum that it is part of.
MOST = 1_000_000_000_000
MOST_USD = 1_000_000
MOST_MILLISECONDS = 1_000_000_000

Count = Annotated[StrictInt, Field(ge=0, le=MOST)]
Usd = Annotated[float, Field(ge=0, le=MOST_USD, strict=True)]
#: An intent type, or the beginning of some with a `*` behind it; `*` alone is all of them.
Pattern = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.]{0,254}(?:[a-z0-9_]|\*)$")]
MOST_PATTERNS = 200


class ReportedIn(BaseModel):
    """What an agent has done since its last report. Fields that are missing or null are nothing."""

    intents_total: Count | None = None
    intents_succeeded: Count | None = None
    intents_failed: Count | None = None
    cost_usd: Usd | None = None
    avg_latency_ms: Annotated[float, Field(ge=0, le=MOST_MILLISECONDS, strict=True)] | None = None

    def reported(self) -> Reported | None:
        """What is to be added up, if there is anything."""
        if not self.model_dump(exclude_none=True):
            return None
        reported = Reported(
            intents_total=self.intents_total or 0,
            succeeded=self.intents_succeeded or 0,
            failed=self.intents_failed or 0,
            cost_usd=self.cost_usd or 0.0,
        )
        if self.avg_latency_ms is not None:
            reported["latency_ms"] = self.avg_latency_ms
        return reported


class HeartbeatIn(BaseModel):
    """A sign of life."""

    metrics: ReportedIn | None = None


class HeartbeatOut(Schema):
    """The sign of life is noted."""

    ok: Literal[True] = True
    status: Literal["active"] = "active"
    health_status: Health
    address: str
    address_id: str
    last_heartbeat_at: datetime


class MetricsOut(Schema):
    """An agent's work over some time: as it reports it, or, if it does not, as it was counted here."""

    intents_total: int
    intents_succeeded: int
    intents_failed: int
    avg_latency_ms: float | None
    cost_usd: float


class MeshAgentOut(Schema):
    """An agent, and how it is."""

    address_id: str
    address: str
    display_name: str | None
    status: str
    health: Health
    health_status: Health
    last_heartbeat_at: datetime | None
    last_seen_at: datetime | None
    created_at: datetime
    killed_at: datetime | None
    killed_by: str | None
    kill_reason: str | None
    intents_period: int
    cost_period: float
    metadata: dict[str, Any]
    metrics: MetricsOut

    @classmethod
    def of(cls, agent: Any, metrics: Metrics = NONE) -> Self:
        return cls(
            address_id=agent.address_id,
            address=agent.address,
            display_name=agent.display_name or None,
            status=agent.status,
            health=agent.health,
            health_status=agent.health,
            last_heartbeat_at=agent.last_heartbeat_at,
            last_seen_at=agent.last_seen_at,
            created_at=agent.created_at,
            killed_at=agent.killed_at,
            killed_by=agent.killed_by or None,
            kill_reason=agent.kill_reason or None,
            intents_period=metrics.intents_total,
            cost_period=metrics.cost_usd,
            metadata={
                "service_account_id": agent.service_account_id,
                "delivery_mode": agent.delivery_mode,
                "is_registered": agent.is_registered,
                "is_connected": agent.is_connected,
            },
            metrics=_metrics(metrics),
        )


class SummaryOut(Schema):
    """The agents of a workspace, all of them, whatever is listed."""

    total: int
    healthy: int
    degraded: int
    unreachable: int
    killed: int
    unknown: int
    intents_period: int
    cost_period: float


class MeshAgentsOut(Schema):
    """Agents, by address."""

    ok: Literal[True] = True
    agents: list[MeshAgentOut]
    summary: SummaryOut


class MeshEventOut(Schema):
    """Something that happened to an agent."""

    event_id: str
    address: str
    address_id: str
    event_type: MeshEventType
    details: dict[str, Any]
    actor_id: str
    created_at: datetime

    @classmethod
    def of(cls, event: MeshEvent) -> Self:
        return cls(
            event_id=str(event.pk),
            address=event.agent.address,
            address_id=event.agent.address_id,
            event_type=MeshEventType(event.type),
            details=event.details,
            actor_id=event.actor,
            created_at=event.created_at,
        )


class MeshEventsOut(Schema):
    """What happened to the agents of a workspace, the newest first."""

    ok: Literal[True] = True
    events: list[MeshEventOut]


class MeshAgentAnswer(Schema):
    """An agent with its work of the last day and what happened to it."""

    ok: Literal[True] = True
    address_id: str
    address: str
    health: Health
    health_status: Health
    agent: MeshAgentOut
    metrics: MetricsOut
    events: list[MeshEventOut]


class KillIn(BaseModel):
    """Why an agent is killed. What is longer than is kept is cut off."""

    reason: str = Field(default="", max_length=100_000)


class SwitchOut(Schema):
    """The state of the kill switch."""

    ok: Literal[True] = True
    status: Literal["killed", "active"]
    address_id: str
    address: str
    health_status: Health


class CostPolicy(BaseModel):
    """Limits on what goes to an agent and comes from it, in an hour or a day of UTC. null is no limit."""

    max_intents_per_hour: Count | None = None
    max_intents_per_day: Count | None = None
    max_cost_per_day_usd: Usd | None = None
    action_on_breach: OnBreach = OnBreach.BLOCK

    @classmethod
    def of(cls, policy: AgentPolicy) -> Self:
        cost = policy.max_cost_per_day_usd
        return cls(
            max_intents_per_hour=policy.max_intents_per_hour,
            max_intents_per_day=policy.max_intents_per_day,
            max_cost_per_day_usd=None if cost is None else float(cost),
            action_on_breach=OnBreach(policy.action_on_breach),
        )

    def max_cost(self) -> Decimal | None:
        """The limit on costs, as it is kept."""
        if self.max_cost_per_day_usd is None:
            return None
        return Decimal(str(self.max_cost_per_day_usd)).quantize(Decimal("1e-8"))


class CostPolicyAnswer(Schema):
    """An agent's limits."""

    ok: Literal[True] = True
    policy: CostPolicy


class ActionPolicy(BaseModel):
    """Which intent types may go to an agent and come from it: only these, or all but these."""

    mode: ActionMode
    intent_types: list[Pattern] = Field(max_length=MOST_PATTERNS)

    @classmethod
    def of(cls, policy: AgentPolicy) -> Self:
        return cls(mode=ActionMode(policy.mode), intent_types=policy.intent_types)


class ActionPolicyAnswer(Schema):
    """Which intent types may pass."""

    ok: Literal[True] = True
    policy: ActionPolicy


def _metrics(metrics: Metrics) -> MetricsOut:
    return MetricsOut(
        intents_total=metrics.intents_total,
        intents_succeeded=metrics.intents_succeeded,
        intents_failed=metrics.intents_failed,
        avg_latency_ms=metrics.avg_latency_ms,
        cost_usd=metrics.cost_usd,
    )


def switched(agent: Agent, health: Health) -> SwitchOut:
    """What is answered to a kill or a resumption."""
    return SwitchOut(
        status="killed" if agent.is_killed else "active",
        address_id=agent.address_id,
        address=agent.address,
        health_status=health,
    )
