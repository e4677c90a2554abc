"""Policies: what an agent may cost, how much may pass through it, and of which types."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from agents.models.agent import Agent


class OnBreach(models.TextChoices):
    """What becomes of an intent beyond a limit: it is refused, or only told of."""

    BLOCK = "block"
    ALERT = "alert"


class ActionMode(models.TextChoices):
    """Whether the listed intent types are the only ones that may, or the ones that may not."""

    ALLOW = "allow"
    DENY = "deny"


class AgentPolicy(models.Model):
    """What may go to an agent and come from it. Beside the limits: how much of them is used up at the moment.

    Whoever judges an intent by it locks it, so that no two use up the same remainder.
    """

    agent = models.OneToOneField(Agent, models.CASCADE, primary_key=True, related_name="policy")
    max_intents_per_hour = models.PositiveBigIntegerField(null=True)
    max_intents_per_day = models.PositiveBigIntegerField(null=True)
    max_cost_per_day_usd = models.DecimalField(max_digits=20, decimal_places=8, null=True)
    action_on_breach = models.CharField(
        max_length=8, choices=OnBreach, default=OnBreach.BLOCK, db_default=OnBreach.BLOCK
    )
    mode = models.CharField(
        max_length=8, choices=ActionMode, default=ActionMode.DENY, db_default=ActionMode.DENY
    )
    #: whole types, or the beginnings of some with a `*` behind them
    intent_types = ArrayField(models.CharField(max_length=255), default=list, db_default=[])
    #: the hour and the day (UTC) that the two numbers are of
    hour = models.DateTimeField(null=True)
    intents_in_hour = models.PositiveBigIntegerField(default=0, db_default=0)
    day = models.DateTimeField(null=True)
    intents_in_day = models.PositiveBigIntegerField(default=0, db_default=0)
    #: limit → when the span ends in which its breach has been told of, so that it is told of once
    told = models.JSONField(default=dict, db_default={})
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(action_on_breach__in=list(OnBreach)),
                name="policy_action_on_breach_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(mode__in=list(ActionMode)), name="policy_mode_is_known"
            ),
            models.CheckConstraint(
                condition=models.Q(max_cost_per_day_usd__isnull=True) | models.Q(max_cost_per_day_usd__gte=0),
                name="policy_cost_is_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"policy of {self.agent_id}"
