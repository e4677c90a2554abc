"""Why an intent is not running, in words: read from the very condition under which its delivery can be claimed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import connection
from psycopg.rows import dict_row

from agents.models import AgentStatus, DeliveryMode
from intents import coalescer, operations
from intents.lifecycle import TERMINAL, WaitingReason
from intents.records import Row
from intents.wire import timestamp


class Obstacle(StrEnum):
    """What stands between an open intent and its agent."""

    # Nothing in the ledger does: the next claim for the agent takes it.
    DUE_NOW = "due_now"
    NEVER_CONNECTED = "agent_never_connected"
    NOT_CONNECTED = "agent_not_connected"
    AT_LIMIT = "agent_at_limit"
    SUSPENDED = "agent_suspended"
    # These keep it from being claimed.
    KILLED = "agent_killed"
    HELD = "held"
    SCHEDULED = "scheduled"
    EXHAUSTED = "attempts_exhausted"
    WAITING = "waiting"
    STEP = "waiting_for_step"
    NOT_OWED = "not_owed"


CLAIMABLE = frozenset(
    {
        Obstacle.DUE_NOW,
        Obstacle.NEVER_CONNECTED,
        Obstacle.NOT_CONNECTED,
        Obstacle.AT_LIMIT,
        Obstacle.SUSPENDED,
    }
)


@dataclass(frozen=True, slots=True)
class Blocking:
    """Why an open intent is not running (any more) on its way to an outcome, and what changes that."""

    #: a sentence for people
    reason: str
    code: Obstacle
    #: another one
    unblocks_when: str
    #: when that is known
    unblocks_at: datetime | None = None

    @property
    def is_claimable(self) -> bool:
        """Whether a connection of the agent with room would be given it now."""
        return self.code in CLAIMABLE

    def body(self) -> dict[str, str]:
        """As the wire has it."""
        body = {
            "blocking_reason": self.reason,
            "blocking_code": str(self.code),
            "unblocks_when": self.unblocks_when,
        }
        if self.unblocks_at is not None:
            body["unblocks_at"] = timestamp(self.unblocks_at)
        return body


async def explain(intent_id: UUID) -> Blocking | None:
    """Why this intent is not running; None if it has ended, or there is none."""
    rows = await coalescer.read("blocking", ids=[intent_id])
    return of_row(rows[0]) if rows else None


def explain_now(intent_id: UUID) -> Blocking | None:
    """The same from synchronous code, on Django's connection."""
    connection.ensure_connection()
    with connection.connection.cursor(row_factory=dict_row) as cursor, connection.wrap_database_errors:
        rows = cursor.execute(operations.text("blocking"), {"ids": [intent_id]}).fetchall()
    return of_row(rows[0]) if rows else None


def of_row(row: Row) -> Blocking | None:
    """Why, from a row of `blocking.sql` or `intent.sql`."""
    if row["status"] in TERMINAL:
        return None
    if row["delivery_attempt"] is None:
        return _not_owed(row)
    if row["killed_at"] is not None:
        return _killed(row)
    if row["is_claimable"]:
        return _claimable(row)
    if row["is_later"]:
        return _later(row)
    return Blocking(
        f"All {row['max_attempts']} delivery attempts are used up; the intent is being closed.",
        Obstacle.EXHAUSTED,
        "It fails within a second or two.",
    )


def _killed(row: Row) -> Blocking:
    because = f" ({row['kill_reason']})" if row["kill_reason"] else ""
    return Blocking(
        f"{row['agent_address']} was killed by {row['killed_by']} at {_clock(row['killed_at'], row)}{because}.",
        Obstacle.KILLED,
        "Somebody resumes the agent.",
    )


def _not_owed(row: Row) -> Blocking:
    if (waits_for := row["waiting_reason"]) is not None:
        said, until = _WAITS[WaitingReason(waits_for)]
        return Blocking(said, Obstacle.WAITING, until)
    if row["current_step"] is not None:
        child = f", intent {row['child_id']}" if row["child_id"] is not None else ""
        return Blocking(
            f"Step {row['current_step']} is under way{child}.", Obstacle.STEP, "The step has an outcome."
        )
    return Blocking(
        f"It is in progress, and nothing is owed to {row['to_agent']}.",
        Obstacle.NOT_OWED,
        "Somebody resolves or resumes it.",
    )


_WAITS = {
    WaitingReason.HUMAN: ("It waits for a person.", "A person completes the task."),
    WaitingReason.TOOL: ("It waits for a tool.", "The tool has answered."),
    WaitingReason.AGENT: ("It waits for another agent.", "The other agent has answered."),
    WaitingReason.TIME: ("It waits for a point in time.", "The time has come."),
}


def _claimable(row: Row) -> Blocking:
    address = row["agent_address"]
    if row["agent_status"] != AgentStatus.ACTIVE:
        return Blocking(
            f"{address} is {row['agent_status']}.", Obstacle.SUSPENDED, "An administrator activates it."
        )
    if row["connections"] == 0 and row["delivery_mode"] != DeliveryMode.HTTP:
        if row["last_seen_at"] is None:
            return Blocking(
                f"No agent has ever connected to {address}.",
                Obstacle.NEVER_CONNECTED,
                f"An agent connects to {address}.",
            )
        return Blocking(
            f"{address} is not connected; last seen {_clock(row['last_seen_at'], row)}.",
            Obstacle.NOT_CONNECTED,
            f"{address} connects again.",
        )
    if row["connections"] and row["leased"] >= row["room"]:
        return Blocking(
            f"{address} is at its limit of {row['room']}.",
            Obstacle.AT_LIMIT,
            "The agent finishes one of its deliveries, or takes more at a time.",
        )
    return Blocking(
        "It is due now and being handed over.", Obstacle.DUE_NOW, "The agent has it in an instant."
    )


def _later(row: Row) -> Blocking:
    attempt, at = row["delivery_attempt"], row["claimable_at"]
    if row["lease_token"] is None:
        if attempt >= row["max_attempts"]:
            return Blocking(
                f"All {attempt} delivery attempts are used up; the intent will be closed.",
                Obstacle.EXHAUSTED,
                f"It fails at {_clock(at, row)}.",
                at,
            )
        word = "Redelivery" if attempt else "Delivery"
        return Blocking(f"{word} at {_clock(at, row)}.", Obstacle.SCHEDULED, f"It is {_clock(at, row)}.", at)
    holder = row["held_by"] or (f"a client of {row['agent_address']}")
    since = f" since {_clock(row['held_since'], row)}" if row["held_since"] is not None else ""
    ends = (
        f"its lease runs out at {_clock(at, row)}, unless renewed"
        if row["is_detached"]
        else "its connection ends"
    )
    return Blocking(
        f"Attempt {attempt} is held by {holder}{since}.", Obstacle.HELD, f"The agent answers, or {ends}.", at
    )


def _clock(at: datetime, row: Row) -> str:
    """A time as people say it: without the day if that is today."""
    at = at.replace(microsecond=0)
    text = timestamp(at)
    return text.partition("T")[2] if text[:10] == timestamp(row["looked_at"])[:10] else text
