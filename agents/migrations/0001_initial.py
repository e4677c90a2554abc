import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import agents.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="WebProcess",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("host", models.CharField(max_length=255)),
                ("pid", models.IntegerField()),
                ("started_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("seen_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name_plural": "web processes",
            },
        ),
        migrations.CreateModel(
            name="Organization",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=agents.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "slug",
                    models.CharField(
                        max_length=63,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\\Z",
                                "3 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit",
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "ordering": ("slug",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("slug__regex", "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")),
                        name="organization_slug_fits_an_address",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Workspace",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=agents.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "slug",
                    models.CharField(
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]\\Z",
                                "3 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit",
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=255)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="workspaces",
                        to="agents.organization",
                    ),
                ),
            ],
            options={
                "ordering": ("organization", "slug"),
            },
        ),
        migrations.CreateModel(
            name="Agent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "service_account_id",
                    models.CharField(
                        default=agents.ids.service_account_id, editable=False, max_length=64, unique=True
                    ),
                ),
                ("name", models.CharField(max_length=383)),
                ("address", models.CharField(max_length=383)),
                ("display_name", models.CharField(blank=True, db_default="", default="", max_length=255)),
                ("description", models.CharField(blank=True, db_default="", default="", max_length=1024)),
                (
                    "status",
                    models.CharField(
                        choices=[("active", "Active"), ("suspended", "Suspended"), ("revoked", "Revoked")],
                        db_default="active",
                        default="active",
                        max_length=16,
                    ),
                ),
                ("is_registered", models.BooleanField(db_default=True, default=True)),
                (
                    "delivery_mode",
                    models.CharField(
                        choices=[
                            ("stream", "Stream"),
                            ("poll", "Poll"),
                            ("http", "Http"),
                            ("inbox", "Inbox"),
                            ("internal", "Internal"),
                        ],
                        db_default="stream",
                        default="stream",
                        max_length=16,
                    ),
                ),
                ("callback_url", models.CharField(blank=True, db_default="", default="", max_length=2048)),
                (
                    "callback_secret",
                    models.CharField(blank=True, db_default="", default="", editable=False, max_length=128),
                ),
                ("max_in_flight", models.PositiveIntegerField(db_default=1, default=1)),
                ("created_by", models.CharField(db_default="system", default="system", max_length=255)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("last_seen_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="agents",
                        to="agents.organization",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="agents",
                        to="agents.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ("address",),
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("viewer", "Viewer"), ("operator", "Operator"), ("admin", "Admin")],
                        default="viewer",
                        max_length=16,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to="agents.organization",
                    ),
                ),
            ],
            options={
                "ordering": ("organization", "user"),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "organization"), name="user_is_a_member_of_an_organization_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["viewer", "operator", "admin"])),
                        name="membership_role_is_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.CharField(
                        default=agents.ids.api_key_id,
                        editable=False,
                        max_length=64,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("secret_hash", models.BinaryField(unique=True)),
                ("hint", models.CharField(editable=False, max_length=64)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("intents:submit", "Submit"),
                                ("intents:read", "Read"),
                                ("intents:operate", "Operate"),
                                ("agent", "Agent"),
                                ("admin", "Admin"),
                                ("metrics", "Metrics"),
                            ],
                            max_length=32,
                        ),
                        size=None,
                    ),
                ),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "last_used_ip",
                    models.CharField(blank=True, db_default="", default="", editable=False, max_length=64),
                ),
                (
                    "last_used_client",
                    models.CharField(blank=True, db_default="", default="", editable=False, max_length=200),
                ),
                ("created_by", models.CharField(db_default="system", default="system", max_length=255)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_keys",
                        to="agents.agent",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_keys",
                        to="agents.organization",
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "ordering": ("-created_at", "id"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "scopes__contained_by",
                                [
                                    "intents:submit",
                                    "intents:read",
                                    "intents:operate",
                                    "agent",
                                    "admin",
                                    "metrics",
                                ],
                            )
                        ),
                        name="api_key_scopes_are_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("id__regex", "^sak_[0-9a-f]+$")), name="api_key_id_has_its_form"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Connection",
            fields=[
                ("id", models.UUIDField(editable=False, primary_key=True, serialize=False)),
                ("session", models.UUIDField(db_index=True)),
                ("key_id", models.CharField(max_length=64)),
                (
                    "transport",
                    models.CharField(
                        choices=[
                            ("websocket", "Websocket"),
                            ("sse", "Sse"),
                            ("sse-buffered", "Sse Buffered"),
                            ("http", "Http"),
                        ],
                        max_length=16,
                    ),
                ),
                ("client", models.CharField(default="", max_length=200)),
                ("remote_addr", models.CharField(default="", max_length=64)),
                ("room", models.PositiveIntegerField(default=1)),
                ("connected_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="connections",
                        to="agents.agent",
                    ),
                ),
                (
                    "process",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="connections",
                        to="agents.webprocess",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("transport__in", ["websocket", "sse", "sse-buffered", "http"])),
                        name="connection_transport_is_known",
                    )
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.CheckConstraint(
                condition=models.Q(("slug__regex", "^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")),
                name="workspace_slug_fits_an_address",
            ),
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.UniqueConstraint(
                fields=("organization", "slug"), name="workspace_slug_is_unique_in_its_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="workspace",
            constraint=models.UniqueConstraint(
                fields=("id", "organization"), name="workspace_has_one_organization"
            ),
        ),
        migrations.AddIndex(
            model_name="agent",
            index=models.Index(fields=["workspace", "address"], name="agent_by_workspace"),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.UniqueConstraint(
                fields=("organization", "address"), name="agent_address_is_unique_in_its_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.UniqueConstraint(
                fields=("id", "organization"), name="agent_has_one_organization"
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["active", "suspended", "revoked"])),
                name="agent_status_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(("delivery_mode__in", ["stream", "poll", "http", "inbox", "internal"])),
                name="agent_delivery_mode_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(("max_in_flight__gte", 1)), name="agent_takes_at_least_one_delivery"
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("delivery_mode", "http"), _negated=True),
                    models.Q(("callback_url", ""), _negated=True),
                    _connector="OR",
                ),
                name="agent_in_http_mode_has_a_callback_url",
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(("service_account_id__regex", "^sa_[0-9a-f]+$")),
                name="agent_service_account_id_has_its_form",
            ),
        ),
        migrations.AddConstraint(
            model_name="agent",
            constraint=models.CheckConstraint(
                condition=models.Q(("address", ""), _negated=True), name="agent_has_an_address"
            ),
        ),
    ]
