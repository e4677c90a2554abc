"""Forms that were sent: one form has one effect, however often its button is pressed."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class SentForm(models.Model):
    """A form that has done what it is for. Sent once more, it leads where it led, and does nothing."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="sent_forms")
    token = models.CharField(max_length=64)
    led_to = models.TextField(default="", db_default="")
    sent_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "token"], name="one_form_has_one_effect"),
        ]

    def __str__(self) -> str:
        return f"{self.user}'s form of {self.sent_at}"
