"""Actions on many intents: what was asked, by whom, how far it has come, and what could not be done."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agents.ids import uuid7
from agents.models import Organization, Workspace


class BulkKind(models.TextChoices):
    """What is done to each intent."""

    CANCEL = "cancel"
    RETRY = "retry"
    REDELIVER = "redeliver"


class BulkState(models.TextChoices):
    """How an action stands."""

    WAITING = "waiting"
    RUNNING = "running"
    FINISHED = "finished"
    #: somebody pressed stop
    STOPPED = "stopped"
    #: whoever asked for it may not any more
    REFUSED = "refused"


class BulkActionQuerySet(models.QuerySet["BulkAction"]):
    def open(self) -> BulkActionQuerySet:
        """Those that are not over."""
        return self.filter(state__in=OPEN_STATES)


OPEN_STATES = (BulkState.WAITING, BulkState.RUNNING)


class BulkAction(models.Model):
    """One action on many intents of a workspace: on chosen ones, or on all that fit a filter and existed when asked.

    It walks from the newest to the oldest. Its progress is committed with the changes it tells of, so that whoever
    goes on with it begins where the last one ended.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    organization = models.ForeignKey(
        Organization, models.PROTECT, related_name="bulk_actions", db_index=False
    )
    workspace = models.ForeignKey(Workspace, models.PROTECT, related_name="bulk_actions", db_index=False)
    kind = models.TextField(choices=BulkKind)
    #: who asked, and is asked for again before each chunk
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    username = models.TextField()
    remote_addr = models.TextField(default="", db_default="", blank=True)
    user_agent = models.TextField(default="", db_default="", blank=True)
    reason = models.TextField(default="", db_default="", blank=True)
    #: whether retries go on from the checkpoints
    from_checkpoints = models.BooleanField(default=True, db_default=True)

    #: either these intents …
    ids = ArrayField(models.UUIDField(), null=True)
    #: … or all that fit this filter, up to this id
    query = models.TextField(null=True)
    newest = models.UUIDField(null=True)
    #: how many there were when it was asked for, as far as that was known
    expected = models.PositiveIntegerField(default=0, db_default=0)
    is_estimate = models.BooleanField(default=False, db_default=False)

    state = models.TextField(choices=BulkState, default=BulkState.WAITING, db_default=BulkState.WAITING)
    #: the intent that was looked at last
    reached = models.UUIDField(null=True)
    succeeded = models.PositiveIntegerField(default=0, db_default=0)
    failed = models.PositiveIntegerField(default=0, db_default=0)
    stopped_by = models.TextField(default="", db_default="", blank=True)
    refusal = models.TextField(default="", db_default="", blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True)
    moved_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    objects = BulkActionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=list(BulkKind)), name="bulk_action_kind_is_known"),
            models.CheckConstraint(condition=Q(state__in=list(BulkState)), name="bulk_action_state_is_known"),
            models.CheckConstraint(
                condition=Q(ids__isnull=False, query__isnull=True, newest__isnull=True)
                | Q(ids__isnull=True, query__isnull=False, newest__isnull=False),
                name="bulk_action_has_ids_or_a_bounded_filter",
            ),
            models.CheckConstraint(
                condition=Q(state__in=OPEN_STATES, ended_at__isnull=True)
                | (~Q(state__in=OPEN_STATES) & Q(ended_at__isnull=False)),
                name="bulk_action_is_over_when_it_has_ended",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "id"], name="bulk_action_newest"),
            models.Index(fields=["moved_at"], name="bulk_action_open", condition=Q(state__in=OPEN_STATES)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} {self.state}"

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def looked_at(self) -> int:
        """How many intents it has dealt with."""
        return self.succeeded + self.failed


class BulkFailure(models.Model):
    """An intent that an action left as it was, and why."""

    pk = models.CompositePrimaryKey("action_id", "intent_id")
    action = models.ForeignKey(BulkAction, models.CASCADE, related_name="failures", db_index=False)
    intent_id = models.UUIDField()
    code = models.TextField()
    message = models.TextField()

    def __str__(self) -> str:
        return f"{self.intent_id}: {self.message}"
