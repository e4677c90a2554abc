"""Second chances: redelivering an open intent now, and retrying an ended one as a new intent."""

from __future__ import annotations

from functools import partial
from math import ceil

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from agents.errors import Conflict
from agents.ids import uuid7
from intents import ledger
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
    with transaction.atomic():
        # Deliveries before intents: the order of all locks.
        delivery = Delivery.objects.select_for_update().filter(intent=intent).first()
        intent.refresh_from_db(fields=["status"])
        if not intent.is_open:
            raise IntentTerminal
        if delivery is None:
            raise NothingOwed
        if delivery.attempt >= delivery.max_attempts:
            raise AttemptsExhausted
        is_held = Q(pk=delivery.pk, lease_expires_at__gt=Now())
        if Delivery.objects.filter(is_held).exists():
            hold = Hold(intent.pk, intent.organization_id, agent_id=delivery.agent_id, actor=actor)
            [done] = ledger.release([Release(hold, reason="released", details={"redelivered_by": actor})])
            done.outcome.check()
            return
        Delivery.objects.filter(pk=delivery.pk, due_at__gt=Now()).update(due_at=Now())
        transaction.on_commit(partial(announce, Changes(agents={delivery.agent_id}, intents={intent.pk})))


def retry(intent: Intent, *, actor: str) -> Submitted:
    """Submit an ended intent once more: a new one with the same content and correlation id, which names the old one.

    Raises:
        IntentOpen: it has not ended.
        NotRetryable: it is a scenario's own.
    """
    if intent.is_open:
        raise IntentOpen
    if intent.scenario_id is not None and intent.parent_id is None:
        raise NotRetryable
    [submitted] = ledger.submit([_again(intent, actor)])
    return submitted


def _again(intent: Intent, actor: str) -> Submission:
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
        payload=document(intent.payload),
        attributes=document(intent.attributes),
        reply_to=intent.reply_to,
        retry_of_id=intent.pk,
        ttl_seconds=ttl,
        remind_after_seconds=remind_after if isinstance(remind_after, int) else None,
        max_delivery_attempts=intent.max_delivery_attempts,
    )
