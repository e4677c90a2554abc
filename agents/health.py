"""How agents are, read when somebody asks: from when each was heard of last. An open connection is as a heartbeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, TypedDict
from uuid import UUID

from django.db import transaction
from django.db.models import Case, Count, DateTimeField, Exists, F, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Greatest, Now

from agents import mesh, metrics
from agents.models import Agent, AgentStatus, Connection, DeliveryMode, Health, MeshEvent, MeshEventType

#: For so long after its last sign of life an agent is well,
HEALTHY = timedelta(seconds=90)
#: and for so long it may be; after that nobody would think so.
DEGRADED = timedelta(seconds=300)
#: A web process tells once a second that it lives; the connections of one that does not are gone.
PROCESS_UNSEEN = timedelta(seconds=5)
#: So many changes are told of in one run; the rest is for the next.
BATCH = 500


class Reported(TypedDict, total=False):
    """What an agent says that it has done since its last report."""

    intents_total: int
    succeeded: int
    failed: int
    cost_usd: float
    latency_ms: float


def members(workspace_id: UUID) -> QuerySet[Agent]:
    """The agents of a workspace that people know: registered, or seen, or killed. Not the runtime's own address."""
    is_known = (
        Q(is_registered=True)
        | Q(last_seen_at__isnull=False)
        | Q(last_heartbeat_at__isnull=False)
        | Q(killed_at__isnull=False)
    )
    return (
        Agent.objects.filter(is_known, workspace_id=workspace_id)
        .exclude(status=AgentStatus.REVOKED)
        .exclude(delivery_mode=DeliveryMode.INTERNAL)
    )


def count(workspace_id: UUID) -> Counter[Health]:
    """How many of a workspace's agents are how."""
    counted = with_health(members(workspace_id)).order_by().values("health").annotate(number=Count("pk"))
    return Counter({Health(row["health"]): row["number"] for row in counted})


def heartbeat(agent_id: int, reported: Reported | None = None) -> Agent:
    """Note that the agent says that it lives, and what it has done since it said so last. One that is killed may."""
    with transaction.atomic():
        Agent.objects.filter(pk=agent_id).update(last_heartbeat_at=Now())
        if reported:
            metrics.add(agent_id, **reported)
        agent: Agent = with_health(Agent.objects.filter(pk=agent_id)).get()
    return agent


def with_health(agents: QuerySet[Agent]) -> QuerySet[Any]:
    """The agents with `is_connected`, `heard_at` (their last sign of life) and `health`, as of now."""
    open_now = Connection.objects.filter(agent=OuterRef("pk"), process__seen_at__gt=Now() - PROCESS_UNSEEN)
    # The greatest of two is the other where one is null, in PostgreSQL.
    heard = Greatest("last_heartbeat_at", "last_seen_at")
    return (
        agents.annotate(is_connected=Exists(open_now))
        .annotate(
            heard_at=Case(
                When(is_connected=True, then=Now()), default=heard, output_field=DateTimeField(null=True)
            )
        )
        .annotate(
            health=Case(
                When(killed_at__isnull=False, then=Value(Health.KILLED)),
                When(heard_at=None, then=Value(Health.UNKNOWN)),
                When(heard_at__gt=Now() - HEALTHY, then=Value(Health.HEALTHY)),
                When(heard_at__gte=Now() - DEGRADED, then=Value(Health.DEGRADED)),
                default=Value(Health.UNREACHABLE),
            )
        )
    )


def tell() -> int:
    """Record whose health has changed since it was told of last, and say how many those are. Runs may overlap."""
    known = Agent.objects.exclude(status=AgentStatus.REVOKED)
    with transaction.atomic():
        # Locked as an update of them would; the hot path, which locks agents as a reference does, is not held up.
        changed = with_health(known).exclude(health=F("told_health")).order_by("pk")
        agents = list(changed.select_for_update(skip_locked=True, no_key=True)[:BATCH])
        by_health: dict[Health, list[int]] = {}
        for agent in agents:
            by_health.setdefault(Health(agent.health), []).append(agent.pk)
        for now, pks in by_health.items():
            Agent.objects.filter(pk__in=pks).update(told_health=now)
        events = [event for agent in agents for event in _events(agent)]
        MeshEvent.objects.bulk_create(events)
    return sum(event.type == MeshEventType.HEALTH_CHANGED for event in events)


def _events(agent: Any) -> Iterator[MeshEvent]:
    if agent.health == Health.KILLED:
        return  # the kill itself has been told of
    yield mesh.fact(agent, MeshEventType.HEALTH_CHANGED, **{"from": agent.told_health, "to": agent.health})
    if agent.health == Health.UNREACHABLE:
        yield mesh.fact(agent, MeshEventType.HEARTBEAT_LOST, last_heartbeat_at=agent.heard_at.isoformat())
