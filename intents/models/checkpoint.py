"""What an agent has saved of an intent's work, step by step."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from intents.models.intent import Intent
from intents.models.values import OctetLength

#: The longest name of a step, in characters.
LONGEST_STEP = 255


class Checkpoint(models.Model):
    """The value of one step of one intent: written once, opaque, never changed."""

    pk = models.CompositePrimaryKey("intent_id", "step")
    intent = models.ForeignKey(
        Intent, models.PROTECT, related_name="checkpoints", db_constraint=False, db_index=False
    )
    step = models.TextField(db_collation="C")
    #: Its place among those of the intent, from 1.
    position = models.PositiveIntegerField()
    #: The attempt that wrote it; 0 if it was inherited from the intent that this one repeats.
    attempt = models.PositiveIntegerField()
    content_type = models.TextField()
    value = models.BinaryField()
    size = models.GeneratedField(
        expression=OctetLength("value"), output_field=models.IntegerField(), db_persist=True
    )
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(step="") & Q(step__length__lte=LONGEST_STEP), name="checkpoint_step_has_a_name"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.intent_id} {self.step}"
