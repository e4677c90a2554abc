"""Doing what was asked for in `bulk_actions`: in chunks, by whoever has time, and never twice.

Each chunk is one transaction: it looks whether the person still may, does the next few hundred, and notes how far it
has come. A worker that dies leaves a whole number of chunks; two workers at once take turns.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import islice
from uuid import UUID

from django.db import DataError, IntegrityError, OperationalError, transaction
from django.db.models import F
from django.db.models.functions import Now
from psycopg.errors import DeadlockDetected, SerializationFailure

from agents import audit
from agents.errors import ApiError, Conflict, NotFound
from agents.models import Membership, Role
from agents.people import Operator
from intents import finding, ledger, repeating
from intents.bulk_actions import end, filters_of, label, note
from intents.errors import Outcome
from intents.lifecycle import EventType
from intents.models.bulk_action import BulkAction, BulkFailure, BulkKind, BulkState
from intents.models.intent import Intent
from intents.records import Ending, Hold

logger = logging.getLogger(__name__)

#: So many in one transaction: locks are held for an instant only.
CHUNK = 500
#: Who has not moved for so long has lost its worker.
STALE = timedelta(seconds=5)
TRIES = 5
#: Behind the last of them.
LOWEST = UUID(int=0)

#: kind -> the action's name in the audit log
DONE = {
    BulkKind.CANCEL: "intent.canceled",
    BulkKind.RETRY: "intent.retried",
    BulkKind.REDELIVER: "intent.redelivered",
}


def run(action_id: UUID, *, seconds: float = 1.0) -> bool:
    """Go on with an action for a while, and say whether there is more to do.

    Whoever runs other things as well asks again later, so that no action keeps the others waiting.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not _advance_at_last(action_id):
            return False
    return True


def stalled() -> list[UUID]:
    """The actions that nobody goes on with, for their worker died or was never told."""
    stale = BulkAction.objects.open().filter(moved_at__lt=Now() - STALE)
    return list(stale.order_by("moved_at").values_list("pk", flat=True))


def _advance_at_last(action_id: UUID) -> bool:
    for _ in range(TRIES - 1):
        try:
            return advance(action_id)
        except OperationalError as error:
            if not isinstance(error.__cause__, (DeadlockDetected, SerializationFailure)):
                raise
        time.sleep(random.uniform(0, 0.05))  # noqa: S311  apart, not secret
    return advance(action_id)


@transaction.atomic
def advance(action_id: UUID) -> bool:
    """Do the next chunk of an action, and say whether there may be another. Nothing if somebody else is at it."""
    action = BulkAction.objects.open().select_for_update(skip_locked=True).filter(pk=action_id).first()
    if action is None:
        return False
    operator = _authorized(action)
    if operator is None:
        return False
    chunk, reached = _next(action)
    if reached is None and not chunk:
        end(action, BulkState.FINISHED)
        note(operator, "bulk.finished", action, {"done": action.succeeded, "failed": action.failed})
        return False
    done, failures = _do(action, operator, chunk)
    BulkFailure.objects.bulk_create(
        [
            BulkFailure(action=action, intent_id=each, code=error.code, message=error.message)
            for each, error in failures.items()
        ],
        ignore_conflicts=True,
    )
    if done:
        note(operator, DONE[BulkKind(action.kind)], action, {"intents": done})
    BulkAction.objects.filter(pk=action.pk).update(
        state=BulkState.RUNNING,
        started_at=action.started_at or Now(),
        moved_at=Now(),
        reached=reached or LOWEST,
        succeeded=F("succeeded") + len(done),
        failed=F("failed") + len(failures),
    )
    return True


def _authorized(action: BulkAction) -> Operator | None:
    """Who asked for it, if they still may; if not, it is over."""
    memberships = Membership.objects.filter(organization_id=action.organization_id, user__is_active=True)
    member = memberships.filter(user_id=action.user_id).first() if action.user_id is not None else None
    if member is not None and member.allows(Role.OPERATOR):
        return Operator(
            user_id=member.user_id,
            username=action.username,
            organization_id=action.organization_id,
            organization_slug=action.organization.slug,
            workspace_id=action.workspace_id,
            role=Role(member.role),
            remote_addr=action.remote_addr,
            user_agent=action.user_agent,
        )
    action.refusal = (
        f"{action.username} is not a member any more."
        if member is None
        else f"{action.username} is a {member.role} now, and no operator any more."
    )
    end(action, BulkState.REFUSED)
    audit.record(
        "system",
        "bulk.refused",
        str(action.pk),
        organization_id=action.organization_id,
        target_label=label(action),
        reason=action.refusal,
        details={"done": action.succeeded, "failed": action.failed},
    )
    return None


def _next(action: BulkAction) -> tuple[list[UUID], UUID | None]:
    """The next ids, from the newest to the oldest, and where to go on behind them; None at the end."""
    if action.ids is not None:
        # They are sorted; what has been reached has been dealt with.
        left = (each for each in action.ids if action.reached is None or each < action.reached)
        chosen = list(islice(left, CHUNK))
        return chosen, chosen[-1] if chosen else None
    assert action.query is not None
    filters = filters_of(action.kind, action.query)
    if not filters.statuses:
        return [], None
    found, edge = finding.run(
        finding.window_of_ids(
            action.workspace_id,
            filters,
            before=action.reached or action.newest,
            now=action.created_at,
        )
    )
    if len(found) > CHUNK:
        return found[:CHUNK], found[CHUNK - 1]
    return found, edge


def _do(
    action: BulkAction, operator: Operator, chunk: Sequence[UUID]
) -> tuple[dict[str, str | None], dict[UUID, ApiError]]:
    """Do it to these: what was done (retries name the new intent), and what was not and why."""
    found = Intent.objects.filter(
        pk__in=chunk, organization_id=action.organization_id, workspace_id=action.workspace_id
    )
    intents = list(found)
    failures: dict[UUID, ApiError] = {
        each: NotFound("there is no such intent in this workspace")
        for each in set(chunk) - {intent.pk for intent in intents}
    }
    done: dict[str, str | None] = {}
    for each, answer in _each(action, operator, intents).items():
        if isinstance(answer, ApiError):
            failures[each] = answer
        else:
            done[str(each)] = str(answer) if answer is not None else None
    return done, failures


def _each(
    action: BulkAction, operator: Operator, intents: Sequence[Intent]
) -> dict[UUID, UUID | ApiError | None]:
    try:
        with transaction.atomic():
            return _together(action, operator, intents)
    except (DataError, IntegrityError):
        if len(intents) <= 1:
            logger.exception("Bulk action %s cannot be done to an intent.", action.pk)
            return {intent.pk: Conflict("the database refused it") for intent in intents}
        # One that cannot be stored must fail alone.
        return {each: answer for one in intents for each, answer in _each(action, operator, [one]).items()}


def _together(
    action: BulkAction, operator: Operator, intents: Sequence[Intent]
) -> dict[UUID, UUID | ApiError | None]:
    match action.kind:
        case BulkKind.CANCEL:
            return _cancel(action, operator, intents)
        case BulkKind.REDELIVER:
            return {**repeating.redeliver_many(intents, actor=operator.actor)}
        case _:
            retried = repeating.retry_many(intents, actor=operator.actor, checkpoints=action.from_checkpoints)
            return {
                each: answer if isinstance(answer, ApiError) else answer.intent_id
                for each, answer in retried.items()
            }


def _cancel(
    action: BulkAction, operator: Operator, intents: Sequence[Intent]
) -> dict[UUID, UUID | ApiError | None]:
    details = {"reason": action.reason, "bulk_action": str(action.pk)}
    endings = [
        Ending(
            Hold(intent.pk, intent.organization_id, actor=operator.actor),
            EventType.CANCELED,
            details,
            is_told=False,
        )
        for intent in intents
    ]
    answers = ledger.finish(endings) if endings else []
    return {
        intent.pk: None if answer.outcome is Outcome.DONE else answer.outcome.error()
        for intent, answer in zip(intents, answers, strict=True)
    }
