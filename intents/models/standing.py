"""Where an intent stands that did not simply run through: what people look for, found without reading the others."""

from __future__ import annotations

from django.db import models

from agents.models import Agent, Workspace
from intents.models.intent import Intent


class Standing(models.Model):
    """The status of an intent that waits, has failed, was canceled or timed out, or belongs to a scenario.

    Also of one that goes on after a wait and has never been handed over.

    The status itself must not be in an index of the intents' table, or no move would be a heap-only update any more.
    This is that index for the statuses that few have. A trigger keeps it in step, so that no writer can forget it.
    What is open and not here is in the queue of deliveries; what is in neither has completed.
    """

    intent = models.OneToOneField(
        Intent, models.CASCADE, related_name="standing", primary_key=True, db_constraint=False
    )
    workspace = models.ForeignKey(
        Workspace, models.CASCADE, related_name="standings", db_constraint=False, db_index=False
    )
    recipient = models.ForeignKey(
        Agent, models.CASCADE, related_name="standings", db_constraint=False, db_index=False
    )
    status = models.TextField()
    #: What it waits for, or the code of the error that ended it.
    code = models.TextField(default="")
    #: Since when it stands so.
    at = models.DateTimeField()
    #: It has been submitted once more, as a new intent.
    is_retried = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["workspace", "status", "intent"], name="standing_newest_of_status"),
            models.Index(fields=["workspace", "status", "at"], name="standing_latest_of_status"),
            models.Index(
                fields=["workspace", "recipient", "code", "intent"],
                name="standing_dead_letters",
                condition=models.Q(status="FAILED", is_retried=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.intent_id} {self.status}"
