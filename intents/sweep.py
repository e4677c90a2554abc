"""The sweep: what time brings about. Runs each second, may run twice or at once with itself, may be missed.

Delivery does not depend on it: an expired lease is claimable by itself, and every dispatcher looks once a second. Only
deadlines, reminders and the ends of waits wait for the sweep. An idle one costs a single statement.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from agents import presence
from intents import ledger, timers
from intents.models import SweepRun, Timer
from intents.operations import Steps
from intents.records import Row
from intents.signals import Changes

logger = logging.getLogger(__name__)

BATCH = 500
#: So many batches of one kind in one run; the rest is for the next, which a second later goes on.
MOST_BATCHES = 20
#: A web process tells once a second that it lives.
UNSEEN_SECONDS = 5.0
#: So long may pass between two runs. A process tells each second that it lives: who was silent for longer than
#: `UNSEEN_SECONDS` was silent while this sweep was not.
PAUSE_SECONDS = UNSEEN_SECONDS - 1.0
#: A database that has been up for less has not had the time to hear of everybody.
DATABASE_UP_SECONDS = 10.0
#: How long a timer rests that could not be fired.
REST = timedelta(minutes=1)
#: How long the answer to an idempotency key is kept.
REQUESTS_KEPT = timedelta(hours=24)


@dataclass(frozen=True)
class Swept:
    """What one run came to."""

    exhausted: int = 0
    fired: int = 0
    lost_sessions: int = 0
    #: agents with something due that are reached by callback
    called: tuple[int, ...] = ()


def sweep() -> Swept:
    """End what is exhausted or overdue, fire what is due, ring for it, and forget web processes that died."""
    found = ledger.run(_look)
    return Swept(
        exhausted=_exhaust() if found["has_spent"] else 0,
        fired=_fire() if found["has_due_timers"] else 0,
        lost_sessions=_forget_dead_processes() if found["has_dead_processes"] else 0,
        called=tuple(found["called"]),
    )


def last_run() -> datetime | None:
    """When the sweep ran last; None if it never has."""
    return SweepRun.objects.filter(ran_at__year__gt=1970).values_list("ran_at", flat=True).first()


def forget_old_requests() -> int:
    """Forget idempotency keys of yesterday, in small batches, and say how many those were."""

    def forget(changes: Changes) -> Steps[int]:
        rows = yield (
            "forget_requests",
            {"older_than": REQUESTS_KEPT.total_seconds(), "limit": BATCH},
        )
        return len(rows)

    forgotten = 0
    while batch := ledger.run(forget):
        forgotten += batch
    return forgotten


def _look(changes: Changes) -> Steps[Row]:
    rows = yield (
        "sweep",
        {"database_up": DATABASE_UP_SECONDS, "unseen": UNSEEN_SECONDS, "pause": PAUSE_SECONDS},
    )
    changes.agents.update(rows[0]["rung"])
    return rows[0]


def _exhaust() -> int:
    exhausted = 0
    for _ in range(MOST_BATCHES):
        batch = ledger.exhaust(BATCH)
        exhausted += batch
        if batch == 0:
            break
    return exhausted


def _fire() -> int:
    fired = 0
    for _ in range(MOST_BATCHES):
        try:
            batch = ledger.run(lambda changes: timers.fire(changes, BATCH))
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("A batch of timers could not be fired; trying them one by one.")
            batch = _fire_each()
        fired += batch
        if batch == 0:
            break
    return fired


def _fire_each() -> int:
    """Fire timers by themselves, so that a bad one fails alone; it rests, and is tried again later."""
    due = Timer.objects.filter(due_at__lte=Now()).order_by("due_at").values_list("pk", flat=True)[:BATCH]
    fired = 0
    for pk in list(due):
        try:
            fired += ledger.run(lambda changes, pk=pk: timers.fire(changes, 1, [pk]))  # type: ignore[misc]
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("Timer %s could not be fired.", pk)
            Timer.objects.filter(pk=pk).update(due_at=Now() + REST)
    return fired


def _forget_dead_processes() -> int:
    """Forget web processes that died, and in the same transaction end the leases of their connections."""
    with transaction.atomic():
        sessions = presence.forget_dead_processes_now(UNSEEN_SECONDS)
        if sessions:
            ledger.expire_sessions(sessions)
    return len(sessions)
