"""The audit log: who did what to what, when, why and from where. Rows are added and never changed."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from agents.models.organization import Organization


class AuditEntry(models.Model):
    """One thing that somebody did. The database refuses to change or forget it."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, models.PROTECT, related_name="audit_entries")
    at = models.DateTimeField(db_default=Now(), editable=False)
    #: human:<username>, the address of the agent whose key was used, or system
    actor = models.CharField(max_length=400)
    #: named like an event: intent.canceled, key.created
    action = models.CharField(max_length=64)
    #: the id of what it was done to, and how people call that
    target = models.CharField(max_length=400)
    target_label = models.CharField(max_length=400, default="", db_default="", blank=True)
    reason = models.TextField(default="", db_default="", blank=True)
    details = models.JSONField(default=dict, blank=True)
    #: of the API key that was used, if one was
    key_id = models.CharField(max_length=64, default="", db_default="", blank=True)
    remote_addr = models.CharField(max_length=64, default="", db_default="", blank=True)
    user_agent = models.CharField(max_length=200, default="", db_default="", blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["organization", "-id"], name="audit_entry_newest"),
            models.Index(fields=["organization", "actor", "-id"], name="audit_entry_by_actor"),
            models.Index(fields=["organization", "action", "-id"], name="audit_entry_by_action"),
            models.Index(fields=["organization", "target", "-id"], name="audit_entry_by_target"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target_label or self.target}"
