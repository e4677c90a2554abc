"""Finding intents for a caller: who may see which, and who may write to them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from agents.caller import Caller
from agents.models import Scope
from intents import coalescer
from intents.errors import IntentNotFound
from intents.records import Row


def eyes(caller: Caller) -> dict[str, Any]:
    """What {visible} in a statement needs to know about the caller."""
    return {
        "organization_id": caller.organization_id,
        # A key without the scope to read still sees what it sent and what it gets.
        "workspace_id": caller.workspace_id if caller.permits(Scope.READ, Scope.OPERATE) else None,
        "agent_id": caller.agent_id,
        "is_admin": caller.is_admin,
    }


async def find(intent_id: UUID, caller: Caller) -> Row:
    """The intent, as `intent.sql` shows it.

    Raises:
        IntentNotFound: there is none, or the caller may not know of it.
    """
    rows = await coalescer.read("intent", intent_id=intent_id, **eyes(caller))
    if not rows:
        raise IntentNotFound
    return rows[0]


async def check_visible(intent_id: UUID, caller: Caller) -> None:
    """Refuse who may not know of the intent.

    Raises:
        IntentNotFound: there is none, or the caller may not know of it.
    """
    if not await coalescer.read("visible_ids", ids=[intent_id], **eyes(caller)):
        raise IntentNotFound


def is_handler(row: Row, caller: Caller) -> bool:
    """Whether the caller is the agent that the intent is for."""
    return row["recipient_id"] == caller.agent_id and caller.permits(Scope.AGENT)


def may_end(row: Row, caller: Caller) -> bool:
    """Whether the caller may decide what becomes of this intent: its agent, its sender, an operator."""
    return (
        is_handler(row, caller)
        or (row["sender_id"] is not None and row["sender_id"] == caller.agent_id)
        or caller.permits(Scope.OPERATE)
    )
