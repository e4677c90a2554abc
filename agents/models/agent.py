"""Agents, which the protocol also calls service accounts: whom intents are addressed to."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from agents import ids
from agents.models.organization import Organization
from agents.models.workspace import Workspace


class AgentStatus(models.TextChoices):
    """Whether an agent may act. Nothing is deleted: history keeps its addresses."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class DeliveryMode(models.TextChoices):
    """How intents reach an agent. Listening works in every mode."""

    STREAM = "stream"
    POLL = "poll"
    HTTP = "http"
    INBOX = "inbox"
    INTERNAL = "internal"


class Health(models.TextChoices):
    """How an agent is, from when it was heard of last; the kill switch goes before that."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNREACHABLE = "unreachable"
    KILLED = "killed"


class Agent(models.Model):
    """Somebody whom intents are addressed to, and who may hold API keys."""

    id = models.BigAutoField(primary_key=True)
    service_account_id = models.CharField(
        max_length=64, unique=True, default=ids.service_account_id, editable=False
    )
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="agents")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="agents")
    name = models.CharField(max_length=383)
    #: agent://organization/workspace/name; or, if somebody used such a one, a legacy string as given
    address = models.CharField(max_length=383)
    display_name = models.CharField(max_length=255, default="", db_default="", blank=True)
    description = models.CharField(max_length=1024, default="", db_default="", blank=True)
    status = models.CharField(
        max_length=16, choices=AgentStatus, default=AgentStatus.ACTIVE, db_default=AgentStatus.ACTIVE
    )
    #: False: it exists only because somebody sent to, or listened on, an address nobody had registered
    is_registered = models.BooleanField(default=True, db_default=True)
    delivery_mode = models.CharField(
        max_length=16, choices=DeliveryMode, default=DeliveryMode.STREAM, db_default=DeliveryMode.STREAM
    )
    callback_url = models.CharField(max_length=2048, default="", db_default="", blank=True)
    callback_secret = models.CharField(max_length=128, default="", db_default="", blank=True, editable=False)
    #: how many deliveries one connection of this agent holds at a time
    max_in_flight = models.PositiveIntegerField(default=1, db_default=1)
    created_by = models.CharField(max_length=255, default="system", db_default="system")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)
    last_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: when it last said by itself that it lives; an open connection says so too
    last_heartbeat_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: the health that the mesh's events have told of last
    told_health = models.CharField(
        max_length=16, choices=Health, default=Health.UNKNOWN, db_default=Health.UNKNOWN, editable=False
    )
    #: the kill switch: since when, by whom and why nothing goes to this agent or comes from it
    killed_at = models.DateTimeField(null=True, blank=True, editable=False)
    killed_by = models.CharField(max_length=255, default="", db_default="", blank=True, editable=False)
    kill_reason = models.CharField(max_length=1024, default="", db_default="", blank=True, editable=False)
    #: there is a policy to judge by what goes to it or comes from it; kept here, where everybody looks anyway
    is_policed = models.BooleanField(default=False, db_default=False, editable=False)

    class Meta:
        ordering = ("address",)
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "address"], name="agent_address_is_unique_in_its_organization"
            ),
            # The target of foreign keys that carry the tenant with them.
            models.UniqueConstraint(fields=["id", "organization"], name="agent_has_one_organization"),
            models.CheckConstraint(
                condition=models.Q(status__in=list(AgentStatus)), name="agent_status_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(delivery_mode__in=list(DeliveryMode)), name="agent_delivery_mode_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(max_in_flight__gte=1), name="agent_takes_at_least_one_delivery"
            ),
            models.CheckConstraint(
                condition=~models.Q(delivery_mode=DeliveryMode.HTTP) | ~models.Q(callback_url=""),
                name="agent_in_http_mode_has_a_callback_url",
            ),
            models.CheckConstraint(
                condition=models.Q(service_account_id__regex=r"^sa_[0-9a-f]+$"),
                name="agent_service_account_id_has_its_form",
            ),
            models.CheckConstraint(condition=~models.Q(address=""), name="agent_has_an_address"),
            models.CheckConstraint(
                condition=models.Q(told_health__in=list(Health)), name="agent_told_health_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(killed_at__isnull=True, killed_by="", kill_reason="")
                | models.Q(killed_at__isnull=False) & ~models.Q(killed_by=""),
                name="agent_that_is_killed_was_killed_by_somebody",
            ),
        ]
        indexes = [models.Index(fields=["workspace", "address"], name="agent_by_workspace")]

    def __str__(self) -> str:
        return self.address

    @property
    def is_killed(self) -> bool:
        return self.killed_at is not None

    @property
    def address_id(self) -> str:
        """What the mesh calls the agent by: the same number as that of its service account."""
        return ids.address_id(self.service_account_id)
