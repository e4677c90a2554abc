"""When the sweep last ran, so that a silent one is noticed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class SweepRun(models.Model):
    """The one row that each sweep stamps."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    ran_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="sweep_run_is_one_row")]

    def __str__(self) -> str:
        return f"{self.ran_at}"
