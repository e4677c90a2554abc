"""Policies of agents, and how many of an agent's intents ended how in an hour."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0004_mesh"),
    ]

    operations = [
        migrations.AddField(
            model_name="agent",
            name="is_policed",
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.AddField(
            model_name="metricsbucket",
            name="counted_completed",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="metricsbucket",
            name="counted_failed",
            field=models.BigIntegerField(db_default=0, default=0),
        ),
        migrations.CreateModel(
            name="AgentPolicy",
            fields=[
                (
                    "agent",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="policy",
                        serialize=False,
                        to="agents.agent",
                    ),
                ),
                ("max_intents_per_hour", models.PositiveBigIntegerField(null=True)),
                ("max_intents_per_day", models.PositiveBigIntegerField(null=True)),
                ("max_cost_per_day_usd", models.DecimalField(decimal_places=8, max_digits=20, null=True)),
                (
                    "action_on_breach",
                    models.CharField(
                        choices=[("block", "Block"), ("alert", "Alert")],
                        db_default="block",
                        default="block",
                        max_length=8,
                    ),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[("allow", "Allow"), ("deny", "Deny")],
                        db_default="deny",
                        default="deny",
                        max_length=8,
                    ),
                ),
                (
                    "intent_types",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=255), db_default=[], default=list, size=None
                    ),
                ),
                ("hour", models.DateTimeField(null=True)),
                ("intents_in_hour", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("day", models.DateTimeField(null=True)),
                ("intents_in_day", models.PositiveBigIntegerField(db_default=0, default=0)),
                ("told", models.JSONField(db_default={}, default=dict)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("action_on_breach__in", ["block", "alert"])),
                        name="policy_action_on_breach_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("mode__in", ["allow", "deny"])), name="policy_mode_is_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("max_cost_per_day_usd__isnull", True),
                            ("max_cost_per_day_usd__gte", 0),
                            _connector="OR",
                        ),
                        name="policy_cost_is_not_negative",
                    ),
                ],
            },
        ),
    ]
