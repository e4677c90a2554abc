"""The ledger, called now: each operation on Django's own connection, joining the caller's transaction.

A Django project that shares the database can write its order and submit its intent in one `transaction.atomic()`.
Celery tasks, pages and the admin use it. The ASGI edges use `coalescer`, which runs the same operations in company.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected, SerializationFailure
from psycopg.rows import dict_row

from intents import arrays, operations, policing, progress
from intents.errors import Outcome
from intents.lifecycle import EventType
from intents.models.intent import Intent
from intents.operations import Statement, Steps
from intents.records import (
    Done,
    Ending,
    Hold,
    Lease,
    Release,
    Report,
    Row,
    Save,
    Saved,
    Slot,
    Submission,
    Submitted,
    Wait,
    Wake,
)
from intents.signals import Changes, announce

P = ParamSpec("P")
T = TypeVar("T")

#: How often an operation is tried that loses a deadlock.
TRIES = 4


def run(operation: Callable[[Changes], Steps[T]]) -> T:
    """Run an operation in one transaction, or as a part of the caller's; announce what changed once it is committed.

    One that loses a deadlock is tried again, unless it is a part of the caller's transaction, which is then void.
    """
    for _ in range(TRIES - 1):
        try:
            return _attempt(operation)
        except OperationalError as error:
            is_alone = not connection.in_atomic_block
            if not (is_alone and isinstance(error.__cause__, (DeadlockDetected, SerializationFailure))):
                raise
        time.sleep(random.uniform(0, 0.02))  # noqa: S311  apart, not secret
    return _attempt(operation)


def _attempt(operation: Callable[[Changes], Steps[T]]) -> T:
    changes = Changes()
    with transaction.atomic():
        steps = operation(changes)
        try:
            statement = next(steps)
            while True:
                statement = steps.send(_execute(statement))
        except StopIteration as end:
            answer: T = end.value
        transaction.on_commit(partial(announce, changes))
    return answer


def _execute(statement: Statement) -> list[Row]:
    name, parameters = statement
    connection.ensure_connection()
    with connection.connection.cursor(row_factory=dict_row) as cursor, connection.wrap_database_errors:
        cursor.execute(operations.text(name), arrays.parameters(parameters))
        return cursor.fetchall() if cursor.description else []


def read(name: str, **parameters: Any) -> list[Row]:
    """What a statement that changes nothing finds, a dict a row; `coalescer.read` for synchronous code."""
    return _execute((name, parameters))


def _now(operation: Callable[Concatenate[Any, Changes, P], Steps[T]]) -> Callable[Concatenate[Any, P], T]:
    """The operation, run at once."""

    def call(asked: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(lambda changes: operation(asked, changes, *args, **kwargs))

    call.__doc__ = operation.__doc__
    return call


submit: Callable[[Sequence[Submission]], list[Submitted]] = _now(policing.submit)
claim: Callable[[Sequence[Slot]], list[Lease]] = _now(operations.claim)
acknowledge: Callable[[Sequence[Hold]], list[Done]] = _now(operations.acknowledge)
finish: Callable[[Sequence[Ending]], list[Done]] = _now(operations.finish)
release: Callable[[Sequence[Release]], list[Done]] = _now(operations.release)
extend: Callable[[Sequence[Hold]], list[Done]] = _now(operations.extend)
wait: Callable[[Sequence[Wait]], list[Done]] = _now(operations.wait)
wake: Callable[[Sequence[Wake]], list[Done]] = _now(operations.wake)
checkpoint: Callable[[Sequence[Save]], list[Saved]] = _now(progress.checkpoint)
report: Callable[[Sequence[Report]], list[Done]] = _now(progress.report)
expire_sessions: Callable[[Sequence[UUID]], None] = _now(operations.expire_sessions)
interrupt: Callable[[Sequence[int]], int] = _now(operations.interrupt)


def exhaust(limit: int = 500) -> int:
    """Fail the intents whose last attempt is over, and say how many those were."""
    return run(lambda changes: operations.exhaust(changes, limit))


def take_over(agent_id: int, since: int, session: UUID) -> int:
    """Free what an earlier process of this agent still holds with its stream closed."""
    return run(lambda changes: operations.take_over(agent_id, since, session, changes))


def finish_one(
    intent: Intent, event: EventType, *, actor: str, details: dict[str, Any], lease: UUID | None = None
) -> Outcome:
    """End one intent; by a lease, if one is given."""
    hold = Hold(intent.pk, intent.organization_id, token=lease, actor=actor)
    [done] = finish([Ending(hold, event, details)])
    return done.outcome
