"""State that outlives an intent: threads, with items under keys and entries in order."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agents.models import Organization, Workspace
from intents.models.values import OctetLength

#: The longest id of a thread and key of an item, in characters.
LONGEST_THREAD_ID = 255
LONGEST_KEY = 512


class Thread(models.Model):
    """What agents of one workspace keep under one id. Its row is locked by whoever writes to the thread."""

    organization = models.ForeignKey(Organization, models.PROTECT, related_name="threads", db_index=False)
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="threads", db_index=False)
    thread_id = models.TextField(db_collation="C")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    item_count = models.PositiveIntegerField(default=0, db_default=0)
    #: Also the position of the last one.
    entry_count = models.PositiveIntegerField(default=0, db_default=0)
    #: Of all values together.
    bytes = models.PositiveBigIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "thread_id"], name="thread_id_unique_in_workspace"),
            models.CheckConstraint(
                condition=~Q(thread_id="") & Q(thread_id__length__lte=LONGEST_THREAD_ID),
                name="thread_has_an_id",
            ),
        ]
        indexes = [models.Index(fields=["workspace", "id"], name="thread_newest_of_workspace")]

    def __str__(self) -> str:
        return self.thread_id


class ThreadItem(models.Model):
    """A value under a key. Its version grows with each write and is never used twice."""

    pk = models.CompositePrimaryKey("thread_id", "key")
    thread = models.ForeignKey(Thread, models.CASCADE, related_name="items", db_index=False)
    key = models.TextField(db_collation="C")
    version = models.BigIntegerField()
    content_type = models.TextField()
    value = models.BinaryField()
    size = models.GeneratedField(
        expression=OctetLength("value"), output_field=models.IntegerField(), db_persist=True
    )
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(key="") & Q(key__length__lte=LONGEST_KEY), name="thread_item_has_a_key"
            ),
            models.CheckConstraint(condition=Q(version__gte=1), name="thread_item_version_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.key} version {self.version}"


class ThreadEntry(models.Model):
    """A value at its position in a thread's log, counted from 1 without gaps."""

    pk = models.CompositePrimaryKey("thread_id", "position")
    thread = models.ForeignKey(Thread, models.CASCADE, related_name="entries", db_index=False)
    position = models.PositiveIntegerField()
    content_type = models.TextField()
    value = models.BinaryField()
    size = models.GeneratedField(
        expression=OctetLength("value"), output_field=models.IntegerField(), db_persist=True
    )
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(position__gte=1), name="thread_entry_position_from_one")
        ]

    def __str__(self) -> str:
        return f"{self.position}"
