"""Intents as lists show them: where each stands, and why it does not go on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from intents import blocking, operations
from intents.candidates import Query
from intents.finding import Search
from intents.lifecycle import OPEN, Status, WaitingReason
from intents.records import Row

_WAITS = {
    WaitingReason.HUMAN: "Waits for a person",
    WaitingReason.TOOL: "Waits for a tool",
    WaitingReason.AGENT: "Waits for another agent",
    WaitingReason.TIME: "Waits for a point in time",
}


@dataclass(frozen=True, slots=True)
class ListRow:
    """An intent in a list."""

    id: UUID
    seq: int
    status: str
    intent_type: str
    to_agent: str
    created_at: datetime
    updated_at: datetime
    attempt: int
    most_attempts: int
    #: why it is not running, or what it waits for
    note: str
    #: the code of the error that ended it
    error: str
    is_retried: bool
    is_retry: bool

    @property
    def agent(self) -> str:
        """The last part of the address, by which people know it."""
        return self.to_agent.rpartition("/")[2]

    @property
    def tail(self) -> str:
        """The end of the id: the beginnings of those made at the same time are alike."""
        return self.id.hex[-8:]

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


def build(rows: Sequence[Row]) -> Search[list[ListRow]]:
    """The rows of these intents, as `find.sql` gives them; asks why the open ones are not running."""
    ids = [row["intent_id"] for row in rows if row["status"] in OPEN]
    reasons: Mapping[UUID, str] = {}
    if ids:
        answer = yield Query(operations.text("blocking"), {"ids": ids})
        reasons = {row["intent_id"]: found.reason for row in answer if (found := blocking.of_row(row))}
    return [_row(row, reasons.get(row["intent_id"], "")) for row in rows]


def _row(row: Row, reason: str) -> ListRow:
    if row["status"] == Status.WAITING:
        reason = _WAITS.get(row["waiting_reason"], reason)
    address: str = row["to_agent"]
    return ListRow(
        id=row["intent_id"],
        seq=row["seq"],
        status=row["status"],
        intent_type=row["intent_type"],
        to_agent=row["to_agent"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        attempt=row["attempt"],
        most_attempts=row["max_delivery_attempts"],
        # The whole address stands beside it.
        note=reason.replace(address, address.rpartition("/")[2]) if address else reason,
        error=(row["code"] or "") if row["status"] in (Status.FAILED, Status.TIMED_OUT) else "",
        is_retried=bool(row["is_retried"]),
        is_retry=row["retry_of_id"] is not None,
    )
