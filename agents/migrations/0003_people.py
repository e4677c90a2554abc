"""People: the audit log, where members were last, on which devices they are signed in; names of keys."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

APPEND_ONLY = """
CREATE FUNCTION refuse_to_change_the_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER audit_entries_never_change
BEFORE UPDATE OR DELETE ON agents_auditentry
FOR EACH ROW EXECUTE FUNCTION refuse_to_change_the_audit_log();

CREATE TRIGGER audit_entries_are_never_emptied
BEFORE TRUNCATE ON agents_auditentry
FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_audit_log();
"""
MUTABLE = """
DROP TRIGGER audit_entries_are_never_emptied ON agents_auditentry;
DROP TRIGGER audit_entries_never_change ON agents_auditentry;
DROP FUNCTION refuse_to_change_the_audit_log();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0002_keys_carry_the_tenant"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="label",
            field=models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
        migrations.AddField(
            model_name="apikey",
            name="replaced_by",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="replaces",
                to="agents.apikey",
            ),
        ),
        migrations.AddField(
            model_name="membership",
            name="last_visited_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="membership",
            name="last_workspace",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="agents.workspace",
            ),
        ),
        migrations.CreateModel(
            name="FailedSignIn",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("username", models.CharField(max_length=150)),
                ("remote_addr", models.CharField(max_length=64)),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["remote_addr", "at"], name="failed_sign_in_by_address"),
                    models.Index(fields=["username", "at"], name="failed_sign_in_by_username"),
                    models.Index(fields=["at"], name="failed_sign_in_by_time"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SignIn",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("session_key", models.CharField(editable=False, max_length=40, unique=True)),
                ("remote_addr", models.CharField(blank=True, db_default="", default="", max_length=64)),
                ("user_agent", models.CharField(blank=True, db_default="", default="", max_length=200)),
                (
                    "signed_in_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "last_seen_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sign_ins",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-last_seen_at", "-id"),
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                (
                    "at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("actor", models.CharField(max_length=400)),
                ("action", models.CharField(max_length=64)),
                ("target", models.CharField(max_length=400)),
                ("target_label", models.CharField(blank=True, db_default="", default="", max_length=400)),
                ("reason", models.TextField(blank=True, db_default="", default="")),
                ("details", models.JSONField(blank=True, default=dict)),
                ("key_id", models.CharField(blank=True, db_default="", default="", max_length=64)),
                ("remote_addr", models.CharField(blank=True, db_default="", default="", max_length=64)),
                ("user_agent", models.CharField(blank=True, db_default="", default="", max_length=200)),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="audit_entries",
                        to="agents.organization",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "audit entries",
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["organization", "-id"], name="audit_entry_newest"),
                    models.Index(fields=["organization", "actor", "-id"], name="audit_entry_by_actor"),
                    models.Index(fields=["organization", "action", "-id"], name="audit_entry_by_action"),
                    models.Index(fields=["organization", "target", "-id"], name="audit_entry_by_target"),
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, MUTABLE),
    ]
