"""What people do to single intents: cancel, redeliver, retry. Their role is asked here; each leaves an audit entry."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction

from agents import documents
from agents.errors import Invalid, PayloadTooLarge
from agents.models import Role
from agents.people import Operator
from intents import auditing, repeating
from intents.errors import IntentNotFound
from intents.intake import LARGEST_INTENT
from intents.models.intent import Intent
from intents.operations import document
from intents.records import Submitted

LONGEST_REASON = 500


def cancel(operator: Operator, intent_id: UUID, reason: str) -> None:
    """Withdraw an open intent and what is owed of it.

    Raises:
        IntentNotFound: there is none in this workspace.
        Forbidden: the person is not an operator.
        Invalid: no reason is given, or one that cannot be kept.
        IntentTerminal: it has ended before.
    """
    intent = _intent(operator, intent_id)
    why = checked_reason(reason, is_needed=True)
    with transaction.atomic():
        intent.cancel(actor=operator.actor, reason=why).check()
        auditing.note(operator, "intent.canceled", intent, reason=why)


def redeliver(operator: Operator, intent_id: UUID, reason: str = "") -> None:
    """Make an open intent due at once: whoever works on it loses it.

    Raises:
        IntentNotFound, Forbidden, Invalid: as above.
        IntentTerminal, NothingOwed, AttemptsExhausted: there is nothing to be delivered (any more).
    """
    intent = _intent(operator, intent_id)
    why = checked_reason(reason)
    with transaction.atomic():
        repeating.redeliver(intent, actor=operator.actor)
        auditing.note(operator, "intent.redelivered", intent, reason=why)


def retry(
    operator: Operator,
    intent_id: UUID,
    *,
    from_checkpoints: bool = True,
    payload: Any = None,
    reason: str = "",
) -> Submitted:
    """Submit an ended intent once more, as a new one; with another payload, if one is given.

    Raises:
        IntentNotFound, Forbidden, Invalid: as above; or the payload is none that could have been submitted.
        PayloadTooLarge: or is too large for that.
        IntentOpen, NotRetryable: it has not ended, or is a scenario's own.
    """
    intent = _intent(operator, intent_id)
    why = checked_reason(reason)
    if payload is not None:
        payload = checked_payload(payload, intent)
    with transaction.atomic():
        submitted = repeating.retry(
            intent, actor=operator.actor, payload=payload, checkpoints=from_checkpoints
        )
        details = {
            "retried_as": str(submitted.intent_id),
            "from_checkpoints": from_checkpoints,
            "payload_edited": payload is not None and payload != intent.payload,
        }
        auditing.note(operator, "intent.retried", intent, reason=why, details=details)
    return submitted


def checked_reason(reason: str, *, is_needed: bool = False) -> str:
    """A reason as it is kept, on one line.

    Raises:
        Invalid: it is missing, or too long.
    """
    why = " ".join(reason.replace("\x00", " ").encode("utf-8", "replace").decode().split())
    if is_needed and not why:
        raise Invalid("reason: say why; whoever looks at this later will want to know")
    if len(why) > LONGEST_REASON:
        raise Invalid(f"reason: at most {LONGEST_REASON} characters, this has {len(why)}")
    return why


def checked_payload(payload: Any, intent: Intent) -> dict[str, Any]:
    """A payload that could have been submitted.

    Raises:
        Invalid, PayloadTooLarge: it could not.
    """
    if not isinstance(payload, dict):
        raise Invalid("payload: must be a JSON object")
    documents.inspect(payload)
    if len(document(payload)) + len(document(intent.attributes)) > LARGEST_INTENT:
        raise PayloadTooLarge(f"the intent is larger than {LARGEST_INTENT} bytes")
    return payload


def _intent(operator: Operator, intent_id: UUID) -> Intent:
    # Who may not even know of it hears that first.
    intent = Intent.objects.filter(
        pk=intent_id, organization_id=operator.organization_id, workspace_id=operator.workspace_id
    ).first()
    if intent is None:
        raise IntentNotFound
    operator.require(Role.OPERATOR)
    return intent
