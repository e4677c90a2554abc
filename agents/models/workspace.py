"""Workspaces: divisions of an organization, such as production."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from agents import ids
from agents.models.organization import SLUG_PATTERN, Organization, validate_slug


class Workspace(models.Model):
    """A division of an organization. Its slug is the second segment of an address."""

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="workspaces")
    slug = models.CharField(max_length=63, validators=[validate_slug])
    name = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("organization", "slug")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(slug__regex=SLUG_PATTERN), name="workspace_slug_fits_an_address"
            ),
            models.UniqueConstraint(
                fields=["organization", "slug"], name="workspace_slug_is_unique_in_its_organization"
            ),
            # The target of foreign keys that carry the tenant with them.
            models.UniqueConstraint(fields=["id", "organization"], name="workspace_has_one_organization"),
        ]

    def __str__(self) -> str:
        return f"{self.organization.slug}/{self.slug}"
