"""When the sweep last ran, so that a silent one is noticed, and since when it has run without a pause."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class SweepRun(models.Model):
    """The one row that each sweep stamps."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    ran_at = models.DateTimeField()
    #: since when no pause between two runs was longer than a sign of life may take
    awake_since = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="sweep_run_is_one_row")]

    def __str__(self) -> str:
        return f"{self.ran_at}"
