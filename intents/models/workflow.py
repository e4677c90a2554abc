"""The progress of a scenario's parent intent through its steps."""

from __future__ import annotations

from django.db import models

from intents.models.intent import Intent


class Workflow(models.Model):
    """Which step a parent intent is at, and what the steps before it gave."""

    intent = models.OneToOneField(
        Intent, models.PROTECT, related_name="workflow", primary_key=True, db_constraint=False
    )
    compile_id = models.UUIDField()
    #: The compiled steps, in order: [{step_id, recipient: {agent_id, address, …}, retry, on_failure, …}].
    steps = models.JSONField()
    current_step = models.TextField(null=True)
    #: The open child of the current step, if it has one now.
    child_id = models.UUIDField(null=True)
    #: How often the current step has been started again by its retry policy.
    step_retries = models.PositiveIntegerField(default=0)
    #: step id -> result
    results = models.JSONField(default=dict)
    pending_with = models.JSONField(null=True)

    def __str__(self) -> str:
        return f"{self.intent_id} at {self.current_step}"
