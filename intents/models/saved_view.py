"""Saved views: a person's names for filters of the list."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from agents.models import Workspace


class SavedView(models.Model):
    """A name that somebody gave to a filter. The filter is all in its address, so a link to it is a shared view."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_views")
    workspace = models.ForeignKey(Workspace, models.CASCADE, related_name="saved_views", db_index=False)
    name = models.CharField(max_length=60)
    #: Canonical, as `Filters.query()` writes it.
    query = models.CharField(max_length=2000)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "user", "name"], name="saved_view_name_is_unique_for_its_owner"
            ),
            models.CheckConstraint(condition=~models.Q(name=""), name="saved_view_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name
