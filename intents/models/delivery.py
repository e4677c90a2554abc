"""What is still owed: the slim, hot queue from which agents get their work."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from agents.models import Agent
from intents.models.intent import Intent


class Delivery(models.Model):
    """An intent still owed to its agent: ready, or leased to one connection. Gone when it has ended or waits."""

    intent = models.OneToOneField(Intent, models.PROTECT, related_name="delivery", db_constraint=False)
    agent = models.ForeignKey(
        Agent, models.PROTECT, related_name="deliveries", db_constraint=False, db_index=False
    )
    due_at = models.DateTimeField()
    attempt = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField()
    #: How often this attempt has been given back because the agent died before it had started.
    returns = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True)
    lease_expires_at = models.DateTimeField(null=True)
    #: Whose lease it is: a websocket connection, or a client that keeps its session over several requests.
    lease_session = models.UUIDField(null=True)
    #: How many seconds a renewal of this lease lasts.
    lease_seconds = models.PositiveIntegerField(null=True)
    #: The lease outlives the connection, for clients that work with their stream closed.
    is_detached = models.BooleanField(default=False)
    #: When the agent of this attempt gave its first sign of having started.
    started_at = models.DateTimeField(null=True)
    #: Where in the agent's stream this handing over stands.
    cursor = models.BigIntegerField(default=0)
    claimable_at = models.GeneratedField(
        expression=Coalesce("lease_expires_at", "due_at"),
        output_field=models.DateTimeField(),
        db_persist=True,
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(lease_token__isnull=True, lease_expires_at__isnull=True)
                | Q(lease_token__isnull=False, lease_expires_at__isnull=False),
                name="delivery_lease_has_token_and_expiry_or_neither",
            ),
            models.CheckConstraint(
                condition=Q(attempt__lte=F("max_attempts")), name="delivery_attempts_within_maximum"
            ),
            models.CheckConstraint(condition=Q(max_attempts__gte=1), name="delivery_maximum_from_one"),
        ]
        indexes = [
            models.Index(fields=["agent", "claimable_at", "id"], name="delivery_claim"),
            # Small: only what is on its last attempt.
            models.Index(
                fields=["claimable_at"],
                name="delivery_last_attempt",
                condition=Q(attempt__gte=F("max_attempts")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.intent_id} attempt {self.attempt} of {self.max_attempts}"
