"""Invitations: places in an organization that are held for people who have not taken them yet."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower, Now

from agents.models.membership import Role
from agents.models.organization import Organization


class Invitation(models.Model):
    """A place that is held for a name. It grants nothing, and says nothing about whether anybody has that name."""

    organization = models.ForeignKey(Organization, models.CASCADE, related_name="invitations")
    username = models.CharField(max_length=150)
    role = models.CharField(max_length=16, choices=Role)
    #: a keyed hash of what is in the link, which is not stored
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: when the link was made that holds now
    renewed_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("username",)
        constraints = [
            models.UniqueConstraint(
                "organization", Lower("username"), name="organization_invites_a_name_once"
            ),
            models.CheckConstraint(condition=models.Q(role__in=list(Role)), name="invitation_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.username} ({self.role}) to {self.organization}"
