"""The agents of a workspace as people see them: how each is, who is connected, what is owed, is a kill in effect.

Counts go along the queue's index and no further than `MOST_COUNTED`; each reading is one statement, workspace first.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    DateTimeField,
    Exists,
    Func,
    IntegerField,
    JSONField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import JSONObject, Now

from agents import health
from agents.errors import AgentNotFound
from agents.models import (
    SWITCHES,
    Agent,
    Confirmation,
    Connection,
    DeliveryMode,
    MeshEvent,
    MeshEventType,
    MetricsBucket,
    WebProcess,
)
from intents.models import Delivery

#: Of one agent, so many deliveries are counted.
MOST_COUNTED = 1000
MOST_AGENTS = 200
MOST_CONNECTIONS = 200


#: When this day began, as the buckets of hours count them: in UTC.
TODAY = Func(
    template="date_bin('1 day', statement_timestamp(), timestamptz 'epoch')", output_field=DateTimeField()
)


class _Counted(Subquery):
    template = "(SELECT count(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


class _Leased(Subquery):
    # Of a null, nothing is counted.
    template = "(SELECT count(counted.lease_token) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


@dataclass(frozen=True, slots=True)
class Listener:
    """An open connection."""

    transport: str
    client: str
    remote_addr: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Effect:
    """How far a kill has reached: the processes that have confirmed it, and those alive that have not."""

    processes: int
    #: from the kill until the last of them confirmed it
    after: timedelta | None
    missing: int


@dataclass(frozen=True, slots=True)
class Today:
    """What has become of an agent's work since midnight, UTC: counted here, but for what it cost, which is reported."""

    completed: int = 0
    failed: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Member:
    """An agent, and how it is."""

    agent: Any
    ready: int
    in_flight: int
    transports: tuple[tuple[str, int], ...]
    today: Today
    listeners: tuple[Listener, ...] = ()
    effect: Effect | None = None

    @property
    def is_ready_more(self) -> bool:
        """Whether there are more than were counted."""
        return self.ready >= MOST_COUNTED

    @property
    def connections(self) -> int:
        return sum(number for _, number in self.transports)


def of_workspace(workspace_id: UUID, text: str = "") -> tuple[list[Member], bool]:
    """The agents that people know, by address, and whether there are more than these; with that text in the address."""
    known = health.members(workspace_id)
    if text:
        known = known.filter(Q(address__icontains=text) | Q(display_name__icontains=text))
    found = list(_counted(known).order_by("address")[: MOST_AGENTS + 1])
    return [_member(agent) for agent in found[:MOST_AGENTS]], len(found) > MOST_AGENTS


def one(workspace_id: UUID, service_account_id: str) -> Member:
    """One agent of the workspace, with its connections and how far a kill has reached.

    Raises:
        AgentNotFound: the workspace has none with that id.
    """
    chosen = Agent.objects.filter(workspace_id=workspace_id, service_account_id=service_account_id)
    agent = _detailed(_counted(chosen.exclude(delivery_mode=DeliveryMode.INTERNAL))).first()
    if agent is None:
        raise AgentNotFound
    return _member(agent)


def _open_connections() -> QuerySet[Connection]:
    return Connection.objects.filter(
        agent=OuterRef("pk"), process__seen_at__gt=Now() - health.PROCESS_UNSEEN
    ).order_by("connected_at", "id")


def _counted(agents: QuerySet[Agent]) -> QuerySet[Any]:
    owed = Delivery.objects.filter(agent=OuterRef("pk")).order_by("claimable_at")
    counted: QuerySet[Any] = health.with_health(agents).annotate(
        ready=_Counted(owed.filter(claimable_at__lte=Now()).values("claimable_at")[:MOST_COUNTED]),
        # Leases end soon; what is scheduled for later comes after them, and is not read through.
        in_flight=_Leased(owed.filter(claimable_at__gt=Now()).values("lease_token")[:MOST_COUNTED]),
        transports=ArraySubquery(_open_connections().values("transport")),
        today=Subquery(
            MetricsBucket.objects.filter(agent=OuterRef("pk"), hour__gte=TODAY)
            .values("agent")
            .values(
                found=JSONObject(
                    completed=Sum("counted_completed"), failed=Sum("counted_failed"), cost_usd=Sum("cost_usd")
                )
            ),
            output_field=JSONField(),
        ),
    )
    return counted


def _detailed(agents: QuerySet[Any]) -> QuerySet[Any]:
    open_now = _open_connections().values(
        found=JSONObject(
            transport="transport", client="client", remote_addr="remote_addr", since="connected_at"
        )
    )
    newest = MeshEvent.objects.filter(agent=OuterRef("pk"), type__in=list(SWITCHES)).order_by("-id")
    confirmed = Confirmation.objects.filter(event=OuterRef("switch_id"))
    has_confirmed = Confirmation.objects.filter(event=OuterRef(OuterRef("switch_id")), process=OuterRef("pk"))
    # A process that began later has never known the agent otherwise.
    silent = WebProcess.objects.filter(
        ~Exists(has_confirmed),
        seen_at__gt=Now() - health.PROCESS_UNSEEN,
        started_at__lte=OuterRef("switch_at"),
    )
    detailed: QuerySet[Any] = (
        agents.annotate(
            listeners=ArraySubquery(open_now[:MOST_CONNECTIONS]),
            switch_id=Subquery(newest.values("id")[:1]),
            switch_type=Subquery(newest.values("type")[:1]),
            switch_at=Subquery(newest.values("created_at")[:1]),
        )
        .annotate(
            confirmations=_Counted(confirmed.values("process")),
            missing=_Counted(silent.values("id")),
            confirmed_at=Subquery(confirmed.order_by("-confirmed_at").values("confirmed_at")[:1]),
        )
        .annotate(is_detailed=Value(True))
    )
    return detailed


def _member(agent: Any) -> Member:
    transports = tuple(sorted(Counter(agent.transports).items()))
    today = Today(**(agent.today or {}))
    if not hasattr(agent, "is_detailed"):
        return Member(agent, agent.ready, agent.in_flight, transports, today)
    listeners = tuple(
        Listener(**{**found, "since": datetime.fromisoformat(found["since"])}) for found in agent.listeners
    )
    return Member(agent, agent.ready, agent.in_flight, transports, today, listeners, _effect(agent))


def _effect(agent: Any) -> Effect | None:
    """How far the kill that is in force has reached; None if there is none, or nobody has been told of it yet."""
    if not agent.is_killed or agent.switch_type != MeshEventType.KILLED or agent.switch_at < agent.killed_at:
        return None
    after = agent.confirmed_at - agent.killed_at if agent.confirmed_at else None
    return Effect(agent.confirmations, after, agent.missing)
