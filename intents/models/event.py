"""The history: facts in an intent's life, appended, never changed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from intents.lifecycle import TERMINAL_EVENTS, EventType, Status
from intents.models.intent import Intent


class Event(models.Model):
    """A fact in an intent's life. `seq` counts from 1 without gaps; the key makes two writers of one number clash."""

    pk = models.CompositePrimaryKey("intent_id", "seq")
    intent = models.ForeignKey(
        Intent, models.PROTECT, related_name="events", db_constraint=False, db_index=False
    )
    seq = models.PositiveIntegerField()
    type = models.TextField(choices=[(event, event) for event in EventType])
    status = models.TextField(choices=[(status, status) for status in Status])
    actor = models.TextField()
    details = models.JSONField(default=dict)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["intent"],
                condition=Q(type__in=list(TERMINAL_EVENTS)),
                name="event_one_terminal_per_intent",
            ),
            models.CheckConstraint(condition=Q(seq__gte=1), name="event_seq_from_one"),
        ]
        indexes = [
            # What ended when, for the tally. Always written at its end.
            models.Index(fields=["at"], name="event_endings", condition=Q(type__in=list(TERMINAL_EVENTS))),
        ]

    def __str__(self) -> str:
        return f"{self.intent_id} {self.seq} {self.type}"
