"""Signing in: on which devices a person is signed in, and who failed to."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class SignIn(models.Model):
    """One device on which a person is signed in. What it may do hangs on Django's session of the same key."""

    session_key = models.CharField(max_length=40, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="sign_ins")
    remote_addr = models.CharField(max_length=64, default="", db_default="", blank=True)
    user_agent = models.CharField(max_length=200, default="", db_default="", blank=True)
    signed_in_at = models.DateTimeField(db_default=Now(), editable=False)
    last_seen_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ("-last_seen_at", "-id")

    def __str__(self) -> str:
        return f"{self.user} since {self.signed_in_at}"


class FailedSignIn(models.Model):
    """A wrong password. So many of them, and the next has to wait."""

    username = models.CharField(max_length=150)
    remote_addr = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["remote_addr", "at"], name="failed_sign_in_by_address"),
            models.Index(fields=["username", "at"], name="failed_sign_in_by_username"),
            models.Index(fields=["at"], name="failed_sign_in_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.username} from {self.remote_addr}"
