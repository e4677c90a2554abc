"""Tables from which lists and charts are read, and the triggers that keep one of them in step."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import intents.lifecycle

FORWARDS = """
-- Where an intent stands, kept by the database itself: no writer can forget it. Asked only about moves that matter;
-- an intent that runs through from its submission to its completion never gets here.
CREATE FUNCTION intents_keep_standing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status IN ('WAITING', 'FAILED', 'CANCELED', 'TIMED_OUT')
        OR NEW.status <> 'COMPLETED' AND NEW.scenario_id IS NOT NULL
        OR NEW.status = 'IN_PROGRESS' AND NEW.attempt = 0
    THEN
        INSERT INTO intents_standing (intent_id, workspace_id, recipient_id, status, code, at, is_retried)
        VALUES (
            NEW.id, NEW.workspace_id, NEW.recipient_id, NEW.status,
            COALESCE(
                NEW.waiting_reason,
                (
                    SELECT left(event.details #>> '{error,code}', 200)
                    FROM intents_event AS event
                    WHERE event.intent_id = NEW.id AND event.seq = NEW.seq
                ),
                ''
            ),
            NEW.updated_at, false
        )
        ON CONFLICT (intent_id) DO UPDATE SET status = EXCLUDED.status, code = EXCLUDED.code, at = EXCLUDED.at;
    ELSE
        DELETE FROM intents_standing WHERE intent_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER intent_begins_to_stand AFTER INSERT ON intents_intent FOR EACH ROW
WHEN (NEW.status IN ('WAITING', 'FAILED', 'CANCELED', 'TIMED_OUT') OR NEW.scenario_id IS NOT NULL)
EXECUTE FUNCTION intents_keep_standing();

CREATE TRIGGER intent_moves_its_standing AFTER UPDATE OF status ON intents_intent FOR EACH ROW
WHEN (
    OLD.status <> NEW.status
    AND (
        OLD.status = 'WAITING'
        OR NEW.status IN ('WAITING', 'FAILED', 'CANCELED', 'TIMED_OUT')
        OR NEW.scenario_id IS NOT NULL
    )
    -- It waited before anybody had it, and now somebody has, or it is over.
    OR OLD.status = 'IN_PROGRESS' AND OLD.attempt = 0 AND (NEW.attempt > 0 OR NEW.status <> 'IN_PROGRESS')
)
EXECUTE FUNCTION intents_keep_standing();

CREATE FUNCTION intents_note_retry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE intents_standing SET is_retried = true WHERE intent_id = NEW.retry_of_id AND NOT is_retried;
    RETURN NULL;
END $$;

CREATE TRIGGER intent_is_a_retry AFTER INSERT ON intents_intent FOR EACH ROW
WHEN (NEW.retry_of_id IS NOT NULL)
EXECUTE FUNCTION intents_note_retry();

INSERT INTO intents_standing (intent_id, workspace_id, recipient_id, status, code, at, is_retried)
SELECT
    intent.id, intent.workspace_id, intent.recipient_id, intent.status,
    COALESCE(intent.waiting_reason, left(event.details #>> '{error,code}', 200), ''), intent.updated_at,
    EXISTS (SELECT FROM intents_intent AS again WHERE again.retry_of_id = intent.id)
FROM intents_intent AS intent
LEFT JOIN intents_event AS event ON event.intent_id = intent.id AND event.seq = intent.seq
WHERE intent.status IN ('WAITING', 'FAILED', 'CANCELED', 'TIMED_OUT')
    OR intent.scenario_id IS NOT NULL AND intent.status <> 'COMPLETED';
"""

BACKWARDS = """
DROP TRIGGER intent_begins_to_stand ON intents_intent;
DROP TRIGGER intent_moves_its_standing ON intents_intent;
DROP TRIGGER intent_is_a_retry ON intents_intent;
DROP FUNCTION intents_keep_standing;
DROP FUNCTION intents_note_retry;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_people"),
        ("intents", "0004_checkpoints"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(max_length=2000)),
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
                        related_name="saved_views",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="saved_views",
                        to="agents.workspace",
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Standing",
            fields=[
                (
                    "intent",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="standing",
                        serialize=False,
                        to="intents.intent",
                    ),
                ),
                ("status", models.TextField()),
                ("code", models.TextField(default="")),
                ("at", models.DateTimeField()),
                ("is_retried", models.BooleanField(default=False)),
                (
                    "recipient",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="standings",
                        to="agents.agent",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="standings",
                        to="agents.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Tally",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "workspace_id",
                        "slot",
                        "status",
                        "bucket",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("slot", models.DateTimeField()),
                ("status", models.TextField()),
                ("bucket", models.SmallIntegerField()),
                ("number", models.PositiveIntegerField()),
                (
                    "workspace",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tallies",
                        to="agents.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="TallyMark",
            fields=[
                ("id", models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ("tallied_to", models.DateTimeField()),
            ],
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(
                    (
                        "type__in",
                        [
                            intents.lifecycle.EventType["COMPLETED"],
                            intents.lifecycle.EventType["FAILED"],
                            intents.lifecycle.EventType["CANCELED"],
                            intents.lifecycle.EventType["TIMED_OUT"],
                        ],
                    )
                ),
                fields=["at"],
                name="event_endings",
            ),
        ),
        migrations.AddIndex(
            model_name="intent",
            index=models.Index(fields=["workspace", "intent_type", "id"], name="intent_newest_of_type"),
        ),
        migrations.AddIndex(
            model_name="intent",
            index=models.Index(
                fields=["workspace", "correlation_id", "id"], name="intent_newest_of_correlation"
            ),
        ),
        migrations.AddConstraint(
            model_name="tallymark",
            constraint=models.CheckConstraint(condition=models.Q(("id", 1)), name="tally_mark_is_one_row"),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.UniqueConstraint(
                fields=("workspace", "user", "name"), name="saved_view_name_is_unique_for_its_owner"
            ),
        ),
        migrations.AddConstraint(
            model_name="savedview",
            constraint=models.CheckConstraint(
                condition=models.Q(("name", ""), _negated=True), name="saved_view_has_a_name"
            ),
        ),
        migrations.AddIndex(
            model_name="standing",
            index=models.Index(fields=["workspace", "status", "intent"], name="standing_newest_of_status"),
        ),
        migrations.AddIndex(
            model_name="standing",
            index=models.Index(fields=["workspace", "status", "at"], name="standing_latest_of_status"),
        ),
        migrations.AddIndex(
            model_name="standing",
            index=models.Index(
                condition=models.Q(("is_retried", False), ("status", "FAILED")),
                fields=["workspace", "recipient", "code", "intent"],
                name="standing_dead_letters",
            ),
        ),
        migrations.AddIndex(
            model_name="tally",
            index=models.Index(fields=["slot"], name="tally_oldest"),
        ),
        migrations.RunSQL(FORWARDS, BACKWARDS),
    ]
