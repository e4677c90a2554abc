"""The intent itself: written once, but for the few columns that each event moves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from agents.ids import uuid7
from agents.models import Agent, Organization, Workspace
from intents.lifecycle import OPEN, TERMINAL, EventType, Status, WaitingReason, replay


class IntentQuerySet(models.QuerySet["Intent"]):
    def open(self) -> IntentQuerySet:
        """Those that have no outcome yet."""
        return self.filter(status__in=OPEN)

    def ended(self) -> IntentQuerySet:
        """Those that have one."""
        return self.filter(status__in=TERMINAL)


class Intent(models.Model):
    """A request to an agent that outlives crashes until it has an outcome.

    All writing goes through the ledger. Foreign keys of the hot tables have no constraint in the database: each check
    would lock the same organization's row once an insert; the ledger's statements take their ids from rows they read.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(
        Organization, models.PROTECT, related_name="intents", db_constraint=False, db_index=False
    )
    workspace = models.ForeignKey(
        Workspace, models.PROTECT, related_name="intents", db_constraint=False, db_index=False
    )
    recipient = models.ForeignKey(
        Agent, models.PROTECT, related_name="intents", db_constraint=False, db_index=False
    )
    sender = models.ForeignKey(
        Agent, models.PROTECT, related_name="sent_intents", null=True, db_constraint=False, db_index=False
    )
    intent_type = models.TextField()
    correlation_id = models.UUIDField()
    to_agent = models.TextField()
    from_agent = models.TextField(blank=True)
    reply_to = models.TextField(null=True, blank=True)
    payload = models.JSONField()
    #: What else the submitter sent: reminders, escalation, fields that only clients know.
    attributes = models.JSONField(default=dict)
    parent = models.ForeignKey(
        "self", models.PROTECT, related_name="children", null=True, db_constraint=False, db_index=False
    )
    scenario_id = models.TextField(null=True, blank=True)
    step_id = models.TextField(null=True, blank=True)
    retry_of = models.ForeignKey(
        "self", models.PROTECT, related_name="retries", null=True, db_constraint=False, db_index=False
    )
    deadline_at = models.DateTimeField(null=True)
    max_delivery_attempts = models.PositiveIntegerField(default=3)
    created_at = models.DateTimeField(db_default=Now())

    # The narrow part that events move. None of it is in an index, so that each move is a heap-only update.
    status = models.TextField(choices=[(status, status) for status in Status], default=Status.CREATED)
    waiting_reason = models.TextField(null=True, choices=[(reason, reason) for reason in WaitingReason])
    seq = models.PositiveIntegerField(default=0)
    attempt = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(db_default=Now())
    policy_generation = models.PositiveIntegerField(default=0)
    controls = models.JSONField(null=True)
    #: How many checkpoints it has, and of how many bytes together: what its limits are held against.
    checkpoint_count = models.PositiveIntegerField(default=0, db_default=0)
    checkpoint_bytes = models.PositiveIntegerField(default=0, db_default=0)
    #: Whether a timer may be set for it, so that most endings need not look for one.
    has_timers = models.BooleanField(default=False)

    objects = IntentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(status__in=list(Status)), name="intent_status_is_known"),
            models.CheckConstraint(
                condition=Q(attempt__lte=F("max_delivery_attempts")), name="intent_attempts_within_maximum"
            ),
            models.CheckConstraint(
                condition=Q(status="WAITING", waiting_reason__isnull=False)
                | (~Q(status="WAITING") & Q(waiting_reason__isnull=True)),
                name="intent_waits_for_a_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "id"], name="intent_newest_of_workspace"),
            models.Index(fields=["recipient", "id"], name="intent_newest_of_agent"),
            models.Index(fields=["workspace", "intent_type", "id"], name="intent_newest_of_type"),
            models.Index(fields=["workspace", "correlation_id", "id"], name="intent_newest_of_correlation"),
            models.Index(fields=["parent", "id"], name="intent_children", condition=Q(parent__isnull=False)),
            models.Index(
                fields=["retry_of", "id"], name="intent_retries", condition=Q(retry_of__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} {self.intent_type} {self.status}"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    def history(self) -> Iterable[EventType]:
        """The types of its events, in order."""
        return map(EventType, self.events.order_by("seq").values_list("type", flat=True))

    def replayed(self) -> Status:
        """The status that its events add up to.

        Raises:
            InvalidTransition: no intent can have had this history.
        """
        return replay(self.history())

    def cancel(self, *, actor: str, reason: str = "") -> Any:
        """Withdraw the intent and what is owed of it. What has ended stays as it ended."""
        from intents import ledger

        return ledger.finish_one(self, EventType.CANCELED, actor=actor, details={"reason": reason})

    def redeliver(self, *, actor: str) -> None:
        """Make it due at once: whoever holds it loses it.

        Raises:
            IntentTerminal, NothingOwed, AttemptsExhausted: there is nothing to be delivered (any more).
        """
        from intents import repeating

        repeating.redeliver(self, actor=actor)

    def retry(self, *, actor: str, checkpoints: bool = True) -> Any:
        """Submit it once more, as a new intent, with its checkpoints or to start over. The answer names the new one.

        Raises:
            IntentOpen, NotRetryable: it has not ended, or is a scenario's own.
        """
        from intents import repeating

        return repeating.retry(self, actor=actor, checkpoints=checkpoints)
