"""How many intents ended how, and after how long: kept for charts, so that none has to read the history."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models import Workspace


class Tally(models.Model):
    """The intents of a workspace that ended in some seconds in the same way and after about the same time."""

    pk = models.CompositePrimaryKey("workspace_id", "slot", "status", "bucket")
    workspace = models.ForeignKey(
        Workspace, models.CASCADE, related_name="tallies", db_constraint=False, db_index=False
    )
    #: When these seconds began.
    slot = models.DateTimeField()
    status = models.TextField()
    #: Ten to a decade of milliseconds: bucket 30 is about a second.
    bucket = models.SmallIntegerField()
    number = models.PositiveIntegerField()

    class Meta:
        indexes = [models.Index(fields=["slot"], name="tally_oldest")]

    def __str__(self) -> str:
        return f"{self.number} {self.status} at {self.slot}"


class TallyMark(models.Model):
    """The one row that says up to when it has been tallied."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    tallied_to = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="tally_mark_is_one_row")]

    def __str__(self) -> str:
        return f"{self.tallied_to}"
