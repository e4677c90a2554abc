import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import intents.models.values

STORAGE = """
-- In the order of time, over all threads: a version that was used is never used again, also not after a deletion.
CREATE SEQUENCE intents_thread_version AS bigint CACHE 1;

-- Values are opaque: large ones are kept beside their rows as they are, and nobody tries to compress them.
ALTER TABLE intents_checkpoint ALTER COLUMN value SET STORAGE EXTERNAL;
ALTER TABLE intents_threaditem ALTER COLUMN value SET STORAGE EXTERNAL;
ALTER TABLE intents_threadentry ALTER COLUMN value SET STORAGE EXTERNAL;
-- Append-only: what is frozen early need not be read again when the transaction ids wrap.
ALTER TABLE intents_checkpoint SET (autovacuum_vacuum_insert_scale_factor = 0.2);
ALTER TABLE intents_threadentry SET (autovacuum_vacuum_insert_scale_factor = 0.2);
-- Its row changes with every write to the thread, and none of what changes is in an index.
ALTER TABLE intents_thread SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE intents_threaditem SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
"""


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_people"),
        ("intents", "0003_bulk_actions"),
    ]

    operations = [
        migrations.AddField(
            model_name="intent",
            name="checkpoint_bytes",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="intent",
            name="checkpoint_count",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.CreateModel(
            name="Thread",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("thread_id", models.TextField(db_collation="C")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("item_count", models.PositiveIntegerField(db_default=0, default=0)),
                ("entry_count", models.PositiveIntegerField(db_default=0, default=0)),
                ("bytes", models.PositiveBigIntegerField(db_default=0, default=0)),
                (
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="threads",
                        to="agents.organization",
                    ),
                ),
                (
                    "workspace",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="threads",
                        to="agents.workspace",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ThreadEntry",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "thread_id", "position", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("content_type", models.TextField()),
                ("value", models.BinaryField()),
                (
                    "size",
                    models.GeneratedField(
                        db_persist=True,
                        expression=intents.models.values.OctetLength("value"),
                        output_field=models.IntegerField(),
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "thread",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="entries",
                        to="intents.thread",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ThreadItem",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "thread_id", "key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("key", models.TextField(db_collation="C")),
                ("version", models.BigIntegerField()),
                ("content_type", models.TextField()),
                ("value", models.BinaryField()),
                (
                    "size",
                    models.GeneratedField(
                        db_persist=True,
                        expression=intents.models.values.OctetLength("value"),
                        output_field=models.IntegerField(),
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "thread",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="intents.thread",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "intent_id", "step", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("step", models.TextField(db_collation="C")),
                ("position", models.PositiveIntegerField()),
                ("attempt", models.PositiveIntegerField()),
                ("content_type", models.TextField()),
                ("value", models.BinaryField()),
                (
                    "size",
                    models.GeneratedField(
                        db_persist=True,
                        expression=intents.models.values.OctetLength("value"),
                        output_field=models.IntegerField(),
                    ),
                ),
                ("at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "intent",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="checkpoints",
                        to="intents.intent",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(models.Q(("step", ""), _negated=True), ("step__length__lte", 255)),
                        name="checkpoint_step_has_a_name",
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="thread",
            index=models.Index(fields=["workspace", "id"], name="thread_newest_of_workspace"),
        ),
        migrations.AddConstraint(
            model_name="thread",
            constraint=models.UniqueConstraint(
                fields=("workspace", "thread_id"), name="thread_id_unique_in_workspace"
            ),
        ),
        migrations.AddConstraint(
            model_name="thread",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("thread_id", ""), _negated=True), ("thread_id__length__lte", 255)
                ),
                name="thread_has_an_id",
            ),
        ),
        migrations.AddConstraint(
            model_name="threadentry",
            constraint=models.CheckConstraint(
                condition=models.Q(("position__gte", 1)), name="thread_entry_position_from_one"
            ),
        ),
        migrations.AddConstraint(
            model_name="threaditem",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("key", ""), _negated=True), ("key__length__lte", 512)),
                name="thread_item_has_a_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="threaditem",
            constraint=models.CheckConstraint(
                condition=models.Q(("version__gte", 1)), name="thread_item_version_from_one"
            ),
        ),
        migrations.RunSQL(STORAGE, "DROP SEQUENCE intents_thread_version"),
    ]
