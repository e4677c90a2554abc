"""An intent and its delivery as the ledger should keep them, in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from intents.lifecycle import TERMINAL, TERMINAL_EVENTS, EventType


@dataclass
class Owed:
    """A delivery as it should be."""

    max_attempts: int
    is_due: bool = True
    attempt: int = 0
    returns: int = 0
    token: UUID | None = None
    session: UUID | None = None
    is_expired: bool = False
    is_renewable: bool = False
    is_detached: bool = False
    is_started: bool = False
    cursor: int = 0

    @property
    def is_claimable(self) -> bool:
        return self.is_idle and self.attempt < self.max_attempts

    @property
    def is_spent(self) -> bool:
        return self.is_idle and self.attempt >= self.max_attempts

    @property
    def is_idle(self) -> bool:
        return self.is_expired if self.token else self.is_due


@dataclass
class Told:
    """An intent as it should be."""

    id: UUID
    organization_id: UUID
    recipient_id: int
    max_attempts: int
    #: whether it was given one; its timer is gone once it has ended
    has_deadline: bool
    owed: Owed | None
    has_timer: bool = field(init=False)
    is_overdue: bool = False
    attempt: int = 0
    waiting_reason: str | None = None
    #: the steps that are saved, in order, with their values
    saved: dict[str, str] = field(default_factory=dict)
    result: str | None = None
    history: list[tuple[str, str]] = field(
        default_factory=lambda: [("intent.created", "CREATED"), ("intent.submitted", "SUBMITTED")]
    )

    def __post_init__(self) -> None:
        self.has_timer = self.has_deadline

    @property
    def status(self) -> str:
        return self.history[-1][1]

    @property
    def has_ended(self) -> bool:
        return self.status in TERMINAL

    def note(self, *statuses: str) -> None:
        self.history += [(f"intent.{status.lower()}", status) for status in statuses]
        self.waiting_reason = None

    def end(self, event: EventType, result: str | None = None) -> None:
        self.result = result
        self.history.append((event, TERMINAL_EVENTS[event]))
        self.waiting_reason, self.owed, self.has_timer = None, None, False

    def row(self) -> dict[str, Any]:
        """As the database should show it."""
        owed = self.owed
        return {
            "id": self.id,
            "status": self.status,
            "waiting_reason": self.waiting_reason,
            "seq": len(self.history),
            "attempt": self.attempt,
            "history": [[seq, *event] for seq, event in enumerate(self.history, 1)],
            "has_timer": self.has_timer,
            "saved": [[*each] for each in self.saved.items()],
            "result": self.result,
            "owed": owed
            and {
                "attempt": owed.attempt,
                "max_attempts": owed.max_attempts,
                "returns": owed.returns,
                "token": owed.token and str(owed.token),
                "session": owed.session and str(owed.session),
                "is_idle": owed.is_idle,
                "is_detached": owed.is_detached,
                "is_started": owed.is_started,
                "cursor": owed.cursor,
            },
        }
