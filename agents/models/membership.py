"""Memberships: which people may see and do what in an organization."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from agents.models.organization import Organization
from agents.models.workspace import Workspace


class Role(models.TextChoices):
    """What a member may do. Each role includes those before it."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Say whether this role may do what the other may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Membership(models.Model):
    """A person's place in an organization."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.VIEWER)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    #: where the member was last, and when: where the dashboard begins
    last_workspace = models.ForeignKey(
        Workspace, models.SET_NULL, null=True, blank=True, editable=False, related_name="+"
    )
    last_visited_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("organization", "user")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "organization"], name="user_is_a_member_of_an_organization_once"
            ),
            models.CheckConstraint(condition=models.Q(role__in=list(Role)), name="membership_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role}) in {self.organization}"

    def allows(self, role: Role) -> bool:
        """Say whether the member may do what that role may."""
        return Role(self.role).includes(role)
