"""Presence: which agents are connected, to which web process, and which processes live."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from agents.models.agent import Agent


class Transport(models.TextChoices):
    """How a connection carries deliveries to its agent."""

    WEBSOCKET = "websocket"
    SSE = "sse"
    #: the client parses only when the response has ended
    SSE_BUFFERED = "sse-buffered"
    HTTP = "http"


class WebProcess(models.Model):
    """A process that serves connections. Who is not seen for a while is taken for dead."""

    id = models.UUIDField(primary_key=True, editable=False)
    host = models.CharField(max_length=255)
    pid = models.IntegerField()
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name_plural = "web processes"

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Connection(models.Model):
    """One agent listening, here and now."""

    id = models.UUIDField(primary_key=True, editable=False)
    #: what leases are bound to
    session = models.UUIDField(db_index=True)
    process = models.ForeignKey(WebProcess, models.CASCADE, related_name="connections")
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="connections")
    # No foreign key: the row says who came, also when the key is gone.
    key_id = models.CharField(max_length=64)
    transport = models.CharField(max_length=16, choices=Transport)
    client = models.CharField(max_length=200, default="")
    remote_addr = models.CharField(max_length=64, default="")
    #: how many deliveries it takes at a time
    room = models.PositiveIntegerField(default=1)
    connected_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(transport__in=list(Transport)), name="connection_transport_is_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent} by {self.transport}"
