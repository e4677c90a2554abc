"""What intents and their events look like on the wire: one place, for HTTP, streams and sockets.

Rows come from the statements in `sql/`. JSON that the database holds is passed on as text where nobody needs to look
into it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from intents.lifecycle import LEGACY_STATUS, OPEN, TERMINAL_EVENTS, EventType, Status, WaitingReason
from intents.records import Row

Body = dict[str, Any]

#: A stream's event is no longer than this; some clients' line buffers hold 64 KB.
LARGEST_IN_STREAM = 32 * 1024

#: What of an intent is repeated at the top level of the answer, where older code looks for it.
MIRRORED = (
    "intent_id",
    "status",
    "lifecycle_status",
    "intent_type",
    "payload",
    "result",
    "error",
    "correlation_id",
    "created_at",
    "updated_at",
    "to_agent",
    "from_agent",
)
#: Facts within an event's details that some clients look for beside them.
_BESIDE_DETAILS = ("waiting_reason", "pending_with", "human_task")
#: Names that mean something in an intent's body, so that a submitter's own field cannot pretend to be one.
RESERVED = frozenset(MIRRORED) | {
    "ok",
    "legacy_status",
    "waiting_reason",
    "lifecycle_waiting_reason",
    "reason",
    "reply_to",
    "deadline_at",
    "max_delivery_attempts",
    "delivery_attempt",
    "remind_count",
    "last_seq",
    "policy_generation",
    "controls",
    "handler",
    "pending_with",
    "parent_intent_id",
    "scenario_id",
    "step_id",
    "retry_of",
    "workspace_id",
    "lease",
    "blocking_reason",
    "blocking_code",
    "unblocks_when",
    "unblocks_at",
    "payload_omitted",
    "checkpoints",
    "checkpoint_count",
}


def timestamp(at: datetime) -> str:
    """A time as the wire has it: RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def event_body(row: Row, *, largest: int | None = LARGEST_IN_STREAM) -> Body:
    """An event. Terminal ones repeat what came of the intent, unless that would make them larger than `largest`."""
    details: str = row["details"]
    kind, status = row["type"], row["status"]
    body: Body = {
        "intent_id": row["intent_id"],
        "seq": row["seq"],
        "event_type": kind,
        "status": status,
        "at": timestamp(row["at"]),
        "actor": row["actor"],
    }
    if largest is not None and len(details) > largest:
        body["details"] = {"omitted": True, "size": len(details)}
    elif kind in TERMINAL_EVENTS or kind == EventType.DELIVERY_FAILED:
        body["details"] = orjson.Fragment(details)
        if largest is None or len(details) <= largest // 3:
            body |= mirrors(orjson.loads(details))
    else:
        body["details"] = orjson.Fragment(details)
        if len(details) > 2:  # more than {}
            said = orjson.loads(details)
            body |= {name: said[name] for name in _BESIDE_DETAILS if name in said}
    return body


def mirrors(details: Body) -> Body:
    """What a terminal event's details say, where clients look for it; `data` is always an object."""
    found = {name: details[name] for name in ("result", "error", "reason") if details.get(name) is not None}
    result = found.get("result")
    found["data"] = result if isinstance(result, dict) else details
    return found


def intent_body(row: Row) -> Body:
    """An intent. What it has not is left out, but for the payload of a list that was too long to be read."""
    status = row["status"]
    body: Body = {name: value for name, value in (row["attributes"] or {}).items() if name not in RESERVED}
    body |= {
        **_standing(row),
        "intent_id": row["intent_id"],
        "intent_type": row["intent_type"],
        "correlation_id": row["correlation_id"],
        "from_agent": row["from_agent"],
        "to_agent": row["to_agent"],
        "handler": row["to_agent"],
        "workspace_id": row["workspace_id"],
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["updated_at"]),
        "max_delivery_attempts": row["max_delivery_attempts"],
        "delivery_attempt": row["attempt"],
        "last_seq": row["seq"],
        "policy_generation": row["policy_generation"],
        "controls": row["controls"] or {},
        "lifecycle_waiting_reason": row["waiting_reason"],
        "waiting_reason": row["waiting_reason"],
    }
    if row["payload"] is not None:
        body["payload"] = orjson.Fragment(row["payload"])
    else:
        body["payload_omitted"] = True
    body |= {
        name: orjson.Fragment(row[name]) for name in ("result", "error") if row[name] not in (None, "null")
    }
    for name, column in _OPTIONAL:
        if row[column] is not None:
            body[name] = row[column]
    if row["deadline_at"] is not None:
        body["deadline_at"] = timestamp(row["deadline_at"])
    if status in OPEN:
        body["pending_with"] = _pending_with(row)
    return body


#: name on the wire, column
_OPTIONAL = (
    ("reason", "reason"),
    ("reply_to", "reply_to"),
    ("parent_intent_id", "parent_id"),
    ("scenario_id", "scenario_id"),
    ("step_id", "step_id"),
    ("retry_of", "retry_of_id"),
)


def ended_body(row: Row, details: Body) -> Body:
    """An intent that has just been ended, from the row that `finish` answers: all but its payload."""
    body = {
        **_standing(row),
        "intent_id": row["intent_id"],
        "intent_type": row["intent_type"],
        "correlation_id": row["correlation_id"],
        "from_agent": row["from_agent"],
        "to_agent": row["to_agent"],
        "created_at": timestamp(row["created_at"]),
        "updated_at": timestamp(row["at"]),
        "delivery_attempt": row["attempt"],
        "last_seq": row["seq"],
        **mirrors(details),
    }
    del body["data"]
    if row["reply_to"] is not None:
        body["reply_to"] = row["reply_to"]
    return body


def ending_event(row: Row, details: Body) -> Body:
    """The event that ended an intent, from the row that `finish` answers."""
    return {
        "intent_id": row["intent_id"],
        "seq": row["seq"],
        "event_type": row["type"],
        "status": row["status"],
        "at": timestamp(row["at"]),
        "actor": row["actor"],
        "details": details,
        **mirrors(details),
    }


def with_mirror(intent: Body) -> Body:
    """The answer about one intent: nested, and its main fields at the top level once more."""
    return {**{name: intent[name] for name in MIRRORED if name in intent}, "ok": True, "intent": intent}


def _standing(row: Row) -> Body:
    status = row["status"]
    return {"status": status, "lifecycle_status": status, "legacy_status": LEGACY_STATUS[Status(status)]}


def _pending_with(row: Row) -> Body:
    """Who is to move next."""
    if (said := row["pending_with"]) is not None:
        return said if isinstance(said, dict) else {"type": "agent", "ref": str(said), "name": str(said)}
    if row["waiting_reason"] == WaitingReason.TIME:
        return {"type": "internal", "ref": "agent_core", "name": "agent_core"}
    kind = "human" if row["waiting_reason"] == WaitingReason.HUMAN else "agent"
    address = row["to_agent"]
    return {"type": kind, "ref": address, "name": address.rpartition("/")[2]}


def agent_error(said: dict[str, Any] | str | None, *, retryable: bool = False) -> dict[str, Any]:
    """An agent's own error, in the form that the protocol gives errors."""
    error = said if isinstance(said, dict) else {"message": said} if said else {}
    return {
        "code": "agent_failed",
        "message": "the agent could not do it",
        "category": "internal",
        "retryable": retryable,
        **error,
    }
