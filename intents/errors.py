"""What a change to an intent can come to, and the errors that the edges make of it."""

from __future__ import annotations

from enum import StrEnum

from agents.errors import AgentKilled, Conflict, Forbidden, NotFound


class Outcome(StrEnum):
    """What became of one asked-for change. Anything but `done` has changed nothing."""

    DONE = "done"
    ALREADY_ENDED = "already_ended"
    LEASE_LOST = "lease_lost"
    UNKNOWN = "unknown"
    FORBIDDEN = "forbidden"
    AGENT_KILLED = "agent_killed"
    #: Of checkpoints: an earlier one stands, or there is no room.
    REPEATED = "repeated"
    TOO_MANY = "too_many"
    TOO_LARGE = "too_large"

    def check(self) -> None:
        """Raise what this outcome means to whoever asked; `done` means nothing.

        Raises:
            NotFound, Forbidden, IntentTerminal, LeaseLost.
        """
        if self is not Outcome.DONE:
            raise self.error()

    def error(self) -> NotFound | Conflict | Forbidden:
        """What this outcome, which is not `done`, means to whoever asked."""
        return _MEANING[self]()


class IntentNotFound(NotFound):
    """There is no such intent, at least not for this caller."""

    message = "intent not found"


class IntentTerminal(Conflict):
    """The intent has ended; nothing can change it any more."""

    code = "intent_terminal"
    message = "the intent has already ended"


class LeaseLost(Conflict):
    """This attempt has been superseded by another; its results are not recorded."""

    code = "lease_lost"
    message = "the lease on this delivery is no longer held"


class NotYours(Forbidden):
    """The intent is another agent's to handle."""

    message = "the intent is handled by another agent"


class IdempotencyConflict(Conflict):
    """The key has been used for another request."""

    code = "idempotency_conflict"
    message = "idempotency key reused with different payload"


_MEANING: dict[Outcome, type[NotFound | Conflict | Forbidden]] = {
    Outcome.ALREADY_ENDED: IntentTerminal,
    Outcome.LEASE_LOST: LeaseLost,
    Outcome.UNKNOWN: IntentNotFound,
    Outcome.FORBIDDEN: NotYours,
    Outcome.AGENT_KILLED: AgentKilled,
}
