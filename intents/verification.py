"""Whether the intents are what their histories say: the check behind `manage.py verify_history`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from intents import ledger
from intents.lifecycle import TERMINAL, TERMINAL_EVENTS, InvalidTransition, Status, replay
from intents.operations import Steps
from intents.records import Row
from intents.signals import Changes

#: Intents read at a time; so many histories are in memory, and no more.
CHUNK = 1000


@dataclass(frozen=True)
class Disagreement:
    """An intent that is not what its history says, and in what."""

    intent_id: UUID
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.intent_id}: {'; '.join(self.reasons)}"


def verdicts(chunk: int = CHUNK) -> Iterator[Disagreement | None]:
    """One for each intent, oldest first; None for those that agree with their history."""
    after = UUID(int=0)
    while rows := ledger.run(partial(_histories, after, chunk)):
        for row in rows:
            reasons = tuple(disagreements(row))
            yield Disagreement(row["id"], reasons) if reasons else None
        after = rows[-1]["id"]


def _histories(after: UUID, limit: int, _: Changes) -> Steps[list[Row]]:
    return (yield "histories", {"after": after, "limit": limit})


def disagreements(row: Row) -> Iterator[str]:
    """In what an intent differs from its history."""
    if row["seqs"] != list(range(1, row["seq"] + 1)):
        yield f"its events do not count from 1 to {row['seq']}"
    try:
        if (replayed := replay(row["types"])) != row["status"]:
            yield f"it is {row['status']} and its history makes it {replayed}"
    except InvalidTransition as impossible:
        yield f"its history is impossible: {impossible}"
    except ValueError as unknown:
        yield f"its history has an event that nobody knows: {unknown}"
    if row["last_status"] != row["status"]:
        yield f"it is {row['status']} and its last event says {row['last_status']}"
    has_ended = row["status"] in TERMINAL
    if (ends := sum(event in TERMINAL_EVENTS for event in row["types"])) != has_ended:
        yield f"it is {row['status']} and has {ends} terminal events"
    if row["is_owed"] and (has_ended or row["status"] == Status.WAITING):
        yield f"it is {row['status']} and still owed to its agent"
    if row["attempt"] > row["max_delivery_attempts"]:
        yield f"it is at attempt {row['attempt']} of {row['max_delivery_attempts']}"
