"""Second chances: redelivering open intents now, and retrying ended ones as new intents; one, or many at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import ceil
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from agents.errors import ApiError, Conflict, Invalid
from agents.ids import uuid7
from intents import ledger, policing
from intents.errors import IntentTerminal
from intents.models.delivery import Delivery
from intents.models.intent import Intent
from intents.operations import document
from intents.records import Hold, Release, Submission, Submitted
from intents.signals import Changes, announce


class IntentOpen(Conflict):
    """Only what has ended can be retried."""

    code = "intent_open"
    message = "the intent has not ended yet"


class NotRetryable(Conflict):
    """A scenario is run again by applying it again."""

    code = "not_retryable"
    message = "a scenario cannot be retried as an intent; apply it again"


class NothingOwed(Conflict):
    """Nothing is owed to an agent just now, so nothing can be redelivered."""

    code = "nothing_owed"
    message = "nothing of the intent is owed to an agent at the moment"


class AttemptsExhausted(Conflict):
    """There is no attempt left to deliver it in."""

    code = "delivery_attempts_exhausted"
    message = "all delivery attempts are used up"


def redeliver(intent: Intent, *, actor: str) -> None:
    """Make an open intent due at once: whoever holds it loses it.

    Raises:
        IntentTerminal, NothingOwed, AttemptsExhausted: there is nothing to be delivered (any more).
    """
    if (refusal := redeliver_many([intent], actor=actor)[intent.pk]) is not None:
        raise refusal


def redeliver_many(intents: Sequence[Intent], *, actor: str) -> dict[UUID, ApiError | None]:
    """Make open intents due at once, and say of each why it could not be, if it could not."""
    ids = [intent.pk for intent in intents]
    with transaction.atomic():
        # Deliveries before intents, each in the order of their ids: the order of all locks.
        owed = Delivery.objects.select_for_update().filter(intent__in=ids).order_by("pk")
        deliveries = {delivery.intent_id: delivery for delivery in owed}
        statuses = Intent.objects.filter(pk__in=ids).only("pk", "status").in_bulk()
        answers = {each: _refusal(statuses[each], deliveries.get(each)) for each in ids}
        due = [each for each, refusal in answers.items() if refusal is None]
        held = Delivery.objects.filter(intent__in=due, lease_expires_at__gt=Now())
        held_ids = set(held.values_list("intent_id", flat=True))
        releases = [
            Release(
                Hold(intent.pk, intent.organization_id, agent_id=intent.recipient_id, actor=actor),
                reason="released",
                details={"redelivered_by": actor},
            )
            for intent in intents
            if intent.pk in held_ids
        ]
        if releases:
            for asked, done in zip(releases, ledger.release(releases), strict=True):
                if done.outcome != "done":
                    answers[asked.hold.intent_id] = done.outcome.error()
        free = set(due) - held_ids
        Delivery.objects.filter(intent__in=free, due_at__gt=Now()).update(due_at=Now())
        changes = Changes(agents={deliveries[each].agent_id for each in free}, intents=free)
        transaction.on_commit(partial(announce, changes))
    return answers


def _refusal(intent: Intent, delivery: Delivery | None) -> ApiError | None:
    if not intent.is_open:
        return IntentTerminal()
    if delivery is None:
        return NothingOwed()
    if delivery.attempt >= delivery.max_attempts:
        return AttemptsExhausted()
    return None


def retry(
    intent: Intent, *, actor: str, payload: dict[str, Any] | None = None, checkpoints: bool = True
) -> Submitted:
    """Submit an ended intent once more: a new one with the same content and correlation id, which names the old one.

    `payload`, if given, takes the place of the old one's. Without `checkpoints` the work starts over.

    Raises:
        IntentOpen: it has not ended.
        NotRetryable: it is a scenario's own.
    """
    answer = retry_many([intent], actor=actor, payload=payload, checkpoints=checkpoints)[intent.pk]
    if isinstance(answer, ApiError):
        raise answer
    return answer


def retry_many(
    intents: Sequence[Intent],
    *,
    actor: str,
    payload: dict[str, Any] | None = None,
    checkpoints: bool = True,
) -> dict[UUID, Submitted | ApiError]:
    """Submit ended intents once more, in one go, and say of each what became of it."""
    answers: dict[UUID, Submitted | ApiError] = {}
    again = []
    for intent in intents:
        if intent.is_open:
            answers[intent.pk] = IntentOpen()
        elif intent.scenario_id is not None and intent.parent_id is None:
            answers[intent.pk] = NotRetryable()
        else:
            again.append(_again(intent, actor, intent.payload if payload is None else payload, checkpoints))
    for asked, submitted in zip(again, ledger.submit(again) if again else [], strict=True):
        assert asked.retry_of_id is not None
        answers[asked.retry_of_id] = (
            submitted if submitted.outcome == "done" else _unrepeatable(submitted, asked)
        )
    return answers


def _unrepeatable(submitted: Submitted, asked: Submission) -> ApiError:
    return policing.refusal_of(submitted, asked) or Invalid("the deadline has passed")


def _again(intent: Intent, actor: str, payload: Any, checkpoints: bool) -> Submission:
    ttl = None
    if intent.deadline_at is not None:
        # As long as it had the first time.
        ttl = max(1, ceil((intent.deadline_at - intent.created_at).total_seconds()))
    remind_after = intent.attributes.get("remind_after_seconds")
    return Submission(
        id=uuid7(),
        organization_id=intent.organization_id,
        workspace_id=intent.workspace_id,
        recipient_id=intent.recipient_id,
        sender_id=intent.sender_id,
        intent_type=intent.intent_type,
        correlation_id=intent.correlation_id,
        to_agent=intent.to_agent,
        from_agent=intent.from_agent,
        actor=actor,
        payload=document(payload),
        attributes=document(intent.attributes),
        reply_to=intent.reply_to,
        retry_of_id=intent.pk,
        inherits=checkpoints and intent.checkpoint_count > 0,
        ttl_seconds=ttl,
        remind_after_seconds=remind_after if isinstance(remind_after, int) else None,
        max_delivery_attempts=intent.max_delivery_attempts,
    )
