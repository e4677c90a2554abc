"""Audit entries about intents: what people at the dashboard, and keys that operate, do to them.

What an agent and a sender do to their own intents is no operator's act: it is in the history of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from agents import audit
from agents.caller import Caller
from agents.models import Scope
from agents.people import Operator
from intents import reading
from intents.lifecycle import EventType
from intents.models.intent import Intent
from intents.records import Row


def note(
    who: Operator | Caller,
    action: str,
    intent: Intent | Row,
    *,
    reason: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    """Note what was done to an intent, if the transaction that did it is committed."""
    row = intent if isinstance(intent, Mapping) else {
        "intent_id": intent.pk, "intent_type": intent.intent_type, "to_agent": intent.to_agent
    }  # fmt: skip
    audit.record(
        who,
        action,
        str(row["intent_id"]),
        organization_id=who.organization_id,
        target_label=f"{row['intent_type']} → {row['to_agent']}",
        reason=reason,
        details=details,
    )


def note_many(caller: Caller, action: str, ids: list[UUID], *, reason: str) -> None:
    """Note what was done to many intents at once."""
    if ids:
        audit.record(
            caller,
            action,
            f"{len(ids)} intents",
            organization_id=caller.organization_id,
            reason=reason,
            details={"intents": {str(each): None for each in ids}, "workspace": caller.workspace_slug},
        )


def is_from_above(row: Row, caller: Caller, event: EventType) -> bool:
    """Whether ending, or going on with, this intent is an operator's act: neither its agent's nor its sender's.

    A result under an administrator's key is its agent's: such a key may listen for every agent of its organization.
    """
    stands_in = caller.permits(Scope.AGENT) and caller.is_admin and event is not EventType.CANCELED
    is_senders = row["sender_id"] is not None and row["sender_id"] == caller.agent_id
    return not (reading.is_handler(row, caller) or is_senders or stands_in)
