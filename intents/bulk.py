"""Many intents at once: canceling what nobody has touched for long."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from agents.caller import Caller
from intents import auditing, ledger
from intents.errors import Outcome
from intents.lifecycle import EventType
from intents.models.intent import Intent
from intents.records import Ending, Hold

#: So many in one transaction: locks are held for an instant only.
CHUNK = 500


def idle(workspace_id: UUID, *, since: timedelta, statuses: Collection[str], limit: int) -> list[UUID]:
    """The oldest open intents of a workspace with one of these statuses, in whose life nothing happened for so long."""
    intents = Intent.objects.open().filter(
        workspace_id=workspace_id, status__in=statuses, updated_at__lt=Now() - since
    )
    return list(intents.order_by("pk").values_list("pk", flat=True)[:limit])


def cancel(ids: Sequence[UUID], caller: Caller, *, reason: str = "") -> list[UUID]:
    """Cancel these, and say which were. What has ended meanwhile stays as it ended."""
    canceled = []
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        endings = [
            Ending(
                Hold(each, caller.organization_id, actor=caller.address),
                EventType.CANCELED,
                {"reason": reason},
            )
            for each in chunk
        ]
        with transaction.atomic():
            done = ledger.finish(endings)
            ended = [each for each, one in zip(chunk, done, strict=True) if one.outcome is Outcome.DONE]
            auditing.note_many(caller, "intent.canceled", ended, reason=reason)
        canceled += ended
    return canceled
