"""API keys: how an agent proves who it is, and what it may do."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from agents import ids
from agents.models.agent import Agent
from agents.models.organization import Organization


class Scope(models.TextChoices):
    """What a key may do. Everything happens inside the organization of its agent."""

    SUBMIT = "intents:submit"
    READ = "intents:read"
    OPERATE = "intents:operate"
    AGENT = "agent"
    ADMIN = "admin"
    METRICS = "metrics"


#: what a key gets unless somebody says otherwise: send, read, and be one's own agent
AGENT_SCOPES = (Scope.SUBMIT, Scope.READ, Scope.AGENT)
ALL_SCOPES = tuple(Scope)


class ApiKey(models.Model):
    """A key of an agent. Of the token itself only a keyed hash is kept."""

    id = models.CharField(max_length=64, primary_key=True, default=ids.api_key_id, editable=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="api_keys")
    organization = models.ForeignKey(Organization, models.CASCADE, related_name="api_keys")
    secret_hash = models.BinaryField(unique=True, editable=False)
    #: the beginning of the token: enough to recognise a key, useless for guessing one
    hint = models.CharField(max_length=64, editable=False)
    #: what its owner calls it
    label = models.CharField(max_length=100, default="", db_default="", blank=True)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope))
    expires_at = models.DateTimeField(null=True, blank=True)
    #: the key that takes over from this one, which expires when all have changed
    replaced_by = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, editable=False, related_name="replaces"
    )
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_ip = models.CharField(max_length=64, default="", db_default="", blank=True, editable=False)
    last_used_client = models.CharField(max_length=200, default="", db_default="", blank=True, editable=False)
    created_by = models.CharField(max_length=255, default="system", db_default="system")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("-created_at", "id")
        verbose_name = "API key"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(scopes__contained_by=list(Scope)), name="api_key_scopes_are_known"
            ),
            models.CheckConstraint(
                condition=models.Q(id__regex=r"^sak_[0-9a-f]+$"), name="api_key_id_has_its_form"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.hint}…)"
