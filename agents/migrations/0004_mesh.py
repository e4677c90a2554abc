"""The mesh: health and the kill switch of agents, what happened to them, what they report of themselves."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_people"),
    ]

    operations = [
        migrations.CreateModel(
            name="Confirmation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("process", models.UUIDField()),
                ("confirmed_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="MeshEvent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("agent.registered", "Registered"),
                            ("agent.heartbeat_lost", "Heartbeat Lost"),
                            ("agent.health_changed", "Health Changed"),
                            ("agent.killed", "Killed"),
                            ("agent.resumed", "Resumed"),
                            ("agent.policy_changed", "Policy Changed"),
                            ("agent.policy_breached", "Policy Breached"),
                        ],
                        max_length=32,
                    ),
                ),
                ("details", models.JSONField(db_default={}, default=dict)),
                ("actor", models.CharField(db_default="system", default="system", max_length=255)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
        migrations.CreateModel(
            name="MetricsBucket",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("intents_total", models.BigIntegerField(db_default=0, default=0)),
                ("intents_succeeded", models.BigIntegerField(db_default=0, default=0)),
                ("intents_failed", models.BigIntegerField(db_default=0, default=0)),
                ("cost_usd", models.DecimalField(db_default=0, decimal_places=8, default=0, max_digits=20)),
                ("latency_ms_sum", models.FloatField(db_default=0, default=0)),
                ("latency_weight", models.BigIntegerField(db_default=0, default=0)),
            ],
        ),
        migrations.AddField(
            model_name="agent",
            name="kill_reason",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=1024),
        ),
        migrations.AddField(
            model_name="agent",
            name="killed_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="agent",
            name="killed_by",
            field=models.CharField(blank=True, db_default="", default="", editable=False, max_length=255),
        ),
        migrations.AddField(
            model_name="agent",
            name="last_heartbeat_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="agent",
            name="told_health",
            field=models.CharField(
                choices=[
                    ("unknown", "Unknown"),
                    ("healthy", "Healthy"),
                    ("degraded", "Degraded"),
                    ("unreachable", "Unreachable"),
                    ("killed", "Killed"),
                ],
                db_default="unknown",
                default="unknown",
                editable=False,
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("told_health__in", ["unknown", "healthy", "degraded", "unreachable", "killed"])
                ),
                name="agent_told_health_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kill_reason", ""), ("killed_at__isnull", True), ("killed_by", "")),
                    models.Q(("killed_at__isnull", False), models.Q(("killed_by", ""), _negated=True)),
                    _connector="OR",
                ),
                name="agent_that_is_killed_was_killed_by_somebody",
            ),
        ),
        migrations.AddField(
            model_name="meshevent",
            name="agent",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="mesh_events",
                to="agents.agent",
            ),
        ),
        migrations.AddField(
            model_name="meshevent",
            name="organization",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="agents.organization",
            ),
        ),
        migrations.AddField(
            model_name="meshevent",
            name="workspace",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="mesh_events",
                to="agents.workspace",
            ),
        ),
        migrations.AddField(
            model_name="confirmation",
            name="event",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="confirmations",
                to="agents.meshevent",
            ),
        ),
        migrations.AddField(
            model_name="metricsbucket",
            name="agent",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="metrics",
                to="agents.agent",
            ),
        ),
        migrations.AddIndex(
            model_name="meshevent",
            index=models.Index(fields=["workspace", "-id"], name="mesh_event_by_workspace"),
        ),
        migrations.AddIndex(
            model_name="meshevent",
            index=models.Index(fields=["agent", "-id"], name="mesh_event_by_agent"),
        ),
        migrations.AddIndex(
            model_name="meshevent",
            index=models.Index(
                condition=models.Q(("type__in", ["agent.killed", "agent.resumed"])),
                fields=["created_at"],
                name="mesh_event_switch",
            ),
        ),
        migrations.AddConstraint(
            model_name="meshevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "type__in",
                        [
                            "agent.registered",
                            "agent.heartbeat_lost",
                            "agent.health_changed",
                            "agent.killed",
                            "agent.resumed",
                            "agent.policy_changed",
                            "agent.policy_breached",
                        ],
                    )
                ),
                name="mesh_event_type_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="confirmation",
            constraint=models.UniqueConstraint(
                fields=("event", "process"), name="a_process_confirms_an_event_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="metricsbucket",
            constraint=models.UniqueConstraint(
                fields=("agent", "hour"), name="an_agent_has_one_bucket_an_hour"
            ),
        ),
    ]
