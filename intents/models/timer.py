"""What is due later: deadlines, reminders, delays. In the database, so that a restart forgets none."""

from __future__ import annotations

from django.db import models

from intents.models.intent import Intent


class TimerKind(models.TextChoices):
    """What happens when a timer is due."""

    DEADLINE = "deadline"
    STEP_DEADLINE = "step_deadline"
    STEP_RETRY = "step_retry"
    REMINDER = "reminder"
    WAKE = "wake"


class Timer(models.Model):
    """A thing to do for an intent once its time has come. One of a kind for an intent; gone when done or ended."""

    intent = models.ForeignKey(
        Intent, models.PROTECT, related_name="timers", db_constraint=False, db_index=False
    )
    kind = models.TextField(choices=TimerKind)
    due_at = models.DateTimeField()
    data = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["intent", "kind"], name="timer_one_of_a_kind")]
        indexes = [models.Index(fields=["due_at"], name="timer_next_due")]

    def __str__(self) -> str:
        return f"{self.kind} of {self.intent_id} at {self.due_at}"
