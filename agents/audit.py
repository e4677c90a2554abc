"""The audit log, written: every operator write leaves an entry, in the transaction that made it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from agents import origin
from agents.caller import Caller
from agents.models import AuditEntry
from agents.people import Operator

#: As long as the columns are.
ACTOR, LABEL = 400, 400


def record(
    who: Operator | Caller | str,
    action: str,
    target: str,
    *,
    organization_id: UUID,
    target_label: str = "",
    reason: str = "",
    details: dict[str, Any] | None = None,
) -> None:
    """Note that somebody did something, if the transaction that did it is committed.

    Actions are named like events: `intent.canceled`, `key.created`. From where it was done is what the person's
    request says; for callers and others, what the request that is being served says.
    """
    match who:
        case Operator():
            actor, key_id, remote_addr, user_agent = who.actor, "", who.remote_addr, who.user_agent
        case Caller():
            actor, key_id = who.address, who.key_id
            remote_addr, user_agent = origin.remote_addr(), origin.user_agent()
        case str():
            actor, key_id = who, ""
            remote_addr, user_agent = origin.remote_addr(), origin.user_agent()
    AuditEntry.objects.create(
        organization_id=organization_id,
        actor=_text(actor, ACTOR),
        action=action,
        target=_text(target, LABEL),
        target_label=_text(target_label, LABEL),
        reason=_text(reason),
        details=_storable(details or {}),
        key_id=key_id,
        remote_addr=remote_addr,
        user_agent=user_agent,
    )


def _text(text: str, length: int | None = None) -> str:
    """What PostgreSQL can store of a text: no U+0000, no lone surrogate."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:length]


def _storable(value: Any) -> Any:
    match value:
        case str():
            return _text(value)
        case dict():
            return {_text(str(name)): _storable(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_storable(item) for item in value]
        case bool() | int() | float() | None:
            return value
    return _text(str(value))
