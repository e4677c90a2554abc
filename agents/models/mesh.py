"""What the mesh keeps: what happened to agents, which processes have heard of it, and what agents report."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from agents.models.agent import Agent
from agents.models.organization import Organization
from agents.models.workspace import Workspace


class MeshEventType(models.TextChoices):
    """What can happen to an agent, as an agent."""

    REGISTERED = "agent.registered"
    HEARTBEAT_LOST = "agent.heartbeat_lost"
    HEALTH_CHANGED = "agent.health_changed"
    KILLED = "agent.killed"
    RESUMED = "agent.resumed"
    POLICY_CHANGED = "agent.policy_changed"
    POLICY_BREACHED = "agent.policy_breached"


#: What every process has to act on, and to confirm that it has.
SWITCHES = (MeshEventType.KILLED, MeshEventType.RESUMED)


class MeshEvent(models.Model):
    """A fact about an agent. Appended, never changed."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="+", db_index=False)
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="mesh_events", db_index=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="mesh_events", db_index=False)
    type = models.CharField(max_length=32, choices=MeshEventType)
    details = models.JSONField(default=dict, db_default={})
    actor = models.CharField(max_length=255, default="system", db_default="system")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(type__in=list(MeshEventType)), name="mesh_event_type_is_known"
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="mesh_event_by_workspace"),
            models.Index(fields=["agent", "-id"], name="mesh_event_by_agent"),
            # Small: what processes look for once a second.
            models.Index(
                fields=["created_at"],
                name="mesh_event_switch",
                condition=models.Q(type__in=list(SWITCHES)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.agent_id}"


class Confirmation(models.Model):
    """A web process acts on a kill or a resumption since this moment."""

    event = models.ForeignKey(MeshEvent, models.CASCADE, related_name="confirmations", db_index=False)
    # No foreign key: the fact outlives the process.
    process = models.UUIDField()
    confirmed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["event", "process"], name="a_process_confirms_an_event_once"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} by {self.process}"


class MetricsBucket(models.Model):
    """What an agent has reported, or was reported of it, for one hour. Sums, so that reports may come in any order."""

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="metrics", db_index=False)
    hour = models.DateTimeField()
    intents_total = models.BigIntegerField(default=0, db_default=0)
    intents_succeeded = models.BigIntegerField(default=0, db_default=0)
    intents_failed = models.BigIntegerField(default=0, db_default=0)
    cost_usd = models.DecimalField(max_digits=20, decimal_places=8, default=0, db_default=0)
    #: for the average: each report's, weighted by its intents
    latency_ms_sum = models.FloatField(default=0, db_default=0)
    latency_weight = models.BigIntegerField(default=0, db_default=0)
    #: how many of its intents have ended so in this hour, as they were counted here and not as it says
    counted_completed = models.BigIntegerField(default=0, db_default=0)
    counted_failed = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "hour"], name="an_agent_has_one_bucket_an_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} {self.hour:%Y-%m-%dT%H}"
