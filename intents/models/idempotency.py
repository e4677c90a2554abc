"""The sender's names for requests, and what was answered."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class IdempotencyRecord(models.Model):
    """What one sender asked under one name on one route, and the answer; kept a day."""

    pk = models.CompositePrimaryKey("agent_id", "method", "path", "key")
    agent_id = models.BigIntegerField()
    method = models.TextField()
    path = models.TextField()
    key = models.TextField()
    request_hash = models.BinaryField()
    #: NULL while the request is still being served.
    status = models.PositiveSmallIntegerField(null=True)
    response = models.JSONField(null=True)
    intent_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["created_at"], name="idempotency_oldest")]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.key}"
