"""The life of an intent: its statuses, its events, and which may follow which. Pure: no database, no clock.

The events are the truth and the status is their shadow: `replay(history) == status` for every intent, always.
Source: the protocol's lifecycle page, with the additions that its clients need (any open status may end).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import reduce


class Status(StrEnum):
    """Where an intent stands. The stored value is the value on the wire."""

    CREATED = "CREATED"
    SUBMITTED = "SUBMITTED"
    DELIVERED = "DELIVERED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    IN_PROGRESS = "IN_PROGRESS"
    WAITING = "WAITING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    TIMED_OUT = "TIMED_OUT"


class WaitingReason(StrEnum):
    """What a WAITING intent waits for."""

    HUMAN = "WAITING_FOR_HUMAN"
    TOOL = "WAITING_FOR_TOOL"
    AGENT = "WAITING_FOR_AGENT"
    TIME = "WAITING_FOR_TIME"


class EventType(StrEnum):
    """A fact in an intent's life, as the wire names it."""

    CREATED = "intent.created"
    SUBMITTED = "intent.submitted"
    DELIVERED = "intent.delivered"
    ACKNOWLEDGED = "intent.acknowledged"
    IN_PROGRESS = "intent.in_progress"
    WAITING = "intent.waiting"
    REMINDER = "intent.reminder"
    ESCALATED = "intent.escalated"
    TRANSFER = "intent.transfer"
    TIMEOUT = "intent.timeout"
    DELIVERY_FAILED = "intent.delivery_failed"
    COMPLETED = "intent.completed"
    FAILED = "intent.failed"
    CANCELED = "intent.canceled"
    TIMED_OUT = "intent.timed_out"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED, Status.TIMED_OUT})
OPEN = frozenset(Status) - TERMINAL
#: Submitted, and not yet known to be in an agent's hands.
BEFORE_PROGRESS = frozenset({Status.SUBMITTED, Status.DELIVERED, Status.ACKNOWLEDGED})
#: The event that ends an intent -> how it ended. Each intent has exactly one of these in the end.
TERMINAL_EVENTS = {
    EventType.COMPLETED: Status.COMPLETED,
    EventType.FAILED: Status.FAILED,
    EventType.CANCELED: Status.CANCELED,
    EventType.TIMED_OUT: Status.TIMED_OUT,
}
#: Events that are noted without moving the status.
SIGNALS = frozenset({EventType.REMINDER, EventType.ESCALATED, EventType.TRANSFER, EventType.TIMEOUT})

_RUNNING = frozenset({Status.SUBMITTED, Status.DELIVERED, Status.ACKNOWLEDGED, Status.IN_PROGRESS})

#: event type -> (the statuses it may follow, the status it leads to)
TRANSITIONS: dict[EventType, tuple[frozenset[Status], Status]] = {
    EventType.CREATED: (frozenset({Status.CREATED}), Status.CREATED),
    # A second `submitted` is an attempt given back before the agent started: the intent is owed again.
    EventType.SUBMITTED: (frozenset({Status.CREATED, Status.DELIVERED}), Status.SUBMITTED),
    EventType.DELIVERED: (frozenset({Status.SUBMITTED}), Status.DELIVERED),
    EventType.ACKNOWLEDGED: (frozenset({Status.SUBMITTED, Status.DELIVERED}), Status.ACKNOWLEDGED),
    # Also a redelivery, a checkpoint, a release, and the end of a wait.
    EventType.IN_PROGRESS: (_RUNNING | {Status.WAITING}, Status.IN_PROGRESS),
    EventType.WAITING: (_RUNNING | {Status.WAITING}, Status.WAITING),
    # Not terminal by itself: it carries FAILED for clients that look at the status, and `failed` follows at once.
    EventType.DELIVERY_FAILED: (OPEN, Status.FAILED),
    EventType.COMPLETED: (OPEN, Status.COMPLETED),
    EventType.FAILED: (OPEN, Status.FAILED),
    EventType.CANCELED: (OPEN, Status.CANCELED),
    EventType.TIMED_OUT: (OPEN, Status.TIMED_OUT),
}


class InvalidTransition(ValueError):
    """This event cannot follow that history."""


def next_status(status: Status, event: EventType) -> Status:
    """The status that `event` leads to from `status`.

    Raises:
        InvalidTransition: it may not follow.
    """
    if event in SIGNALS and status in OPEN:
        return status
    allowed, reached = TRANSITIONS.get(event, (frozenset(), status))
    if status not in allowed:
        raise InvalidTransition(f"{event} cannot follow {status}")
    return reached


def replay(history: Iterable[EventType | str]) -> Status:
    """The status that a history adds up to.

    Raises:
        InvalidTransition: no intent can have had this history.
    """
    return reduce(_replayed, map(EventType, history), _Replay(Status.CREATED, exhausted=False)).status


class _Replay:
    """A status on its way through a history, with the one thing that it does not tell by itself."""

    def __init__(self, status: Status, *, exhausted: bool) -> None:
        self.status = status
        #: `delivery_failed` has been seen; only `failed` may follow.
        self.exhausted = exhausted


def _replayed(state: _Replay, event: EventType) -> _Replay:
    if state.exhausted:
        if event is not EventType.FAILED:
            raise InvalidTransition(f"{event} cannot follow {EventType.DELIVERY_FAILED}")
        return _Replay(Status.FAILED, exhausted=False)
    return _Replay(next_status(state.status, event), exhausted=event is EventType.DELIVERY_FAILED)


#: What older clients call the statuses.
LEGACY_STATUS = {
    Status.CREATED: "accepted",
    Status.SUBMITTED: "accepted",
    Status.DELIVERED: "accepted",
    Status.ACKNOWLEDGED: "accepted",
    Status.IN_PROGRESS: "running",
    Status.WAITING: "blocked",
    Status.COMPLETED: "done",
    Status.FAILED: "failed",
    Status.CANCELED: "failed",
    Status.TIMED_OUT: "failed",
}
