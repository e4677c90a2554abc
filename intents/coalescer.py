"""The ledger, awaited in company: what many ask of an operation at the same time is one statement (see `gathering`)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg.errors import DeadlockDetected, SerializationFailure

from agents import postgres
from intents import arrays, operations, policing, progress
from intents.gathering import UNSTORABLE, Answer, Asked, Coalescer, Write, said_by_the_database
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

T = TypeVar("T")
Operation = Callable[[Sequence[Asked], Changes], Steps[list[Answer]]]


#: How often a flush is tried again that lost a deadlock.
TRIES = 4


async def run(operation: Callable[[Changes], Steps[T]]) -> T:
    """Run an operation in one transaction on the pool; announce what changed after the commit.

    Raises:
        DatabaseUnavailable: the database is away. What was asked may or may not have been committed.
    """
    for remaining in reversed(range(TRIES)):
        changes = Changes()
        try:
            answer = await _attempt(operation(changes))
        except (DeadlockDetected, SerializationFailure):
            if not remaining:
                raise
            await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311  apart, not secret
        else:
            announce(changes)
            return answer
    raise AssertionError("unreachable")


async def _attempt(steps: Steps[T]) -> T:
    async with postgres.connection() as connection:
        statement = next(steps)
        if _is_single(statement):
            # One statement is a transaction by itself; that saves two round trips.
            try:
                statement = steps.send(await _execute(connection, statement))
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            # It only reads after the write (`submit` looks up what was repeated).
        async with connection.transaction():
            try:
                while True:
                    statement = steps.send(await _execute(connection, statement))
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]


#: What has nothing to write after its first statement.
_SINGLE = frozenset(
    {"claim", "acknowledge", "checkpoint", "report", "release", "extend", "take_over", "wake"}
)


def _is_single(statement: Statement) -> bool:
    name, parameters = statement
    if name == "submit":
        return not parameters["has_heirs"]
    return name in _SINGLE or (name == "finish" and parameters["alone"])


async def _execute(connection: postgres.Connection, statement: Statement) -> list[Row]:
    name, parameters = statement
    query, names = operations.numbered(name)
    cursor = psycopg.AsyncRawCursor(connection)
    await cursor.execute(query, [arrays.parameter(parameters[each]) for each in names], prepare=True)
    return await cursor.fetchall() if postgres.answers(cursor) else []


def _in_one(operation: Operation[Asked, Answer]) -> Write[Asked, Answer]:
    """The operation on all of them, in one transaction."""

    async def write(asked: Sequence[Asked]) -> list[Answer | psycopg.Error]:
        return list(await run(lambda changes: operation(asked, changes)))

    return write


class Offer(Protocol):
    """Room that is kept for intents until they are recorded."""

    @property
    def slots(self) -> Sequence[Slot | None]:
        """The connection that waits for each of them, where one does."""

    async def settle(self, leases: Sequence[Lease | None]) -> None:
        """Hand these over, and give back the room that was not needed."""

    def lose(self, asked: Sequence[Submission]) -> None:
        """Give back what of these was leased, if it was: the answer to their submission is lost."""


#: Who waits in this process for what is being submitted.
Offering = Callable[[Sequence[Submission]], Offer | None]


def no_offer(asked: Sequence[Submission]) -> None:
    """Nobody does."""


async def _judged(asked: Sequence[Submission]) -> list[Submitted | psycopg.Error]:
    try:
        return list(await run(partial(policing.judged, asked)))
    except UNSTORABLE as error:
        if len(asked) == 1:
            return [said_by_the_database(error)]
    # The others have been recorded already, so that it is for here to find the bad one.
    return [answer for each in asked for answer in await _judged([each])]


async def _finish(asked: Sequence[Ending]) -> list[Done | psycopg.Error]:
    """Most ends concern one intent alone, and take one statement. The others get a transaction each."""
    answers: list[Done | psycopg.Error] = []
    for ending, done in zip(asked, await run(partial(operations.finish_alone, asked)), strict=True):
        if done is None:
            answers.append(await _finish_involved(ending))
        else:
            answers.append(done)
    return answers


async def _finish_involved(ending: Ending) -> Done | psycopg.Error:
    try:
        [done] = await run(partial(operations.finish, [ending]))
    except UNSTORABLE as error:
        return said_by_the_database(error)
    return done


class Coalescers:
    """One event loop's coalescers, one for each operation that is asked by many."""

    def __init__(self) -> None:
        self.submit: Coalescer[Submission, Submitted] = Coalescer("submit", self._submit)
        self.offering: Offering = no_offer
        self.acknowledge: Coalescer[Hold, Done] = Coalescer("acknowledge", _in_one(operations.acknowledge))
        self.finish: Coalescer[Ending, Done] = Coalescer("finish", _finish)
        self.checkpoint: Coalescer[Save, Saved] = Coalescer(
            "checkpoint", _in_one(progress.checkpoint), weigh=lambda save: len(save.value)
        )
        self.report: Coalescer[Report, Done] = Coalescer("report", _in_one(progress.report))
        self.release: Coalescer[Release, Done] = Coalescer("release", _in_one(operations.release))
        self.extend: Coalescer[Hold, Done] = Coalescer("extend", _in_one(operations.extend))

    async def _submit(self, asked: Sequence[Submission]) -> list[Submitted | psycopg.Error]:
        """Most intents pass unjudged, and take one statement. Those that a policy concerns get one more after that."""
        recorded = await self._record(asked)
        answers: list[Submitted | psycopg.Error] = [*recorded]
        if places := policing.unjudged(recorded):
            for place, answer in zip(places, await _judged([asked[place] for place in places]), strict=True):
                answers[place] = answer
        return answers

    async def _record(self, asked: Sequence[Submission]) -> list[Submitted]:
        """Record these; what a connection of this process waits for is leased to it by the same statement."""
        offer = self.offering(asked)
        if offer is None:
            return await run(partial(operations.submit, asked))
        leases: Sequence[Lease | None] = ()
        try:
            answers = await run(partial(operations.submit, asked, slots=offer.slots))
            leases = [answer.lease for answer in answers]
        except postgres.NotAsked:
            raise
        except postgres.DatabaseUnavailable:
            offer.lose(asked)
            raise
        finally:
            await offer.settle(leases)
        return answers


_coalescers: WeakKeyDictionary[asyncio.AbstractEventLoop, Coalescers] = WeakKeyDictionary()


def current() -> Coalescers:
    """This event loop's coalescers."""
    loop = asyncio.get_running_loop()
    if (found := _coalescers.get(loop)) is None:
        found = _coalescers[loop] = Coalescers()
    return found


async def submit(asked: Sequence[Submission]) -> list[Submitted]:
    """Record intents. A repeated idempotency key answers as the first time and records nothing."""
    return await current().submit(asked)


async def acknowledge(asked: Sequence[Hold]) -> list[Done]:
    """Note that the agents have these in hand."""
    return await current().acknowledge(asked)


async def finish(asked: Sequence[Ending]) -> list[Done]:
    """End intents. Who comes second changes nothing."""
    return await current().finish(asked)


async def checkpoint(asked: Sequence[Save]) -> list[Saved]:
    """Save steps of intents. The first value of a step wins."""
    return await current().checkpoint(asked)


async def report(asked: Sequence[Report]) -> list[Done]:
    """Note what the work on intents has cost."""
    return await current().report(asked)


async def release(asked: Sequence[Release]) -> list[Done]:
    """Give deliveries back to their queues."""
    return await current().release(asked)


async def release_untold(asked: Sequence[Submission]) -> None:
    """Give back what was leased as it was recorded, if the answer was lost and so nobody was told of it."""
    organizations = {each.id: each.organization_id for each in asked}
    rows = await read("untold", ids=list(organizations))
    holds = [
        Hold(row["intent_id"], organizations[row["intent_id"]], row["agent_id"], row["lease_token"])
        for row in rows
    ]
    await release([Release(hold, details={"reason": "the lease was told to nobody"}) for hold in holds])


async def release_unheard(slots: Sequence[Slot], *, within_seconds: float, told: Sequence[UUID]) -> None:
    """Give back what a claim for these has leased, if its answer was lost: all but the leases of these tokens."""
    whose = {(slot.agent_id, slot.session) for slot in slots}
    rows = await read(
        "unheard",
        agents=[agent_id for agent_id, _ in whose],
        sessions=[session for _, session in whose],
        within=within_seconds,
        told=list(told),
    )
    holds = [
        Hold(row["intent_id"], row["organization_id"], row["agent_id"], row["lease_token"]) for row in rows
    ]
    await release([Release(hold, details={"reason": "the lease was told to nobody"}) for hold in holds])


async def extend(asked: Sequence[Hold]) -> list[Done]:
    """Renew leases by their tokens."""
    return await current().extend(asked)


async def claim(slots: Sequence[Slot]) -> list[Lease]:
    """Lease what is due to those who wait for it. The dispatcher is the only one to ask, so this has no company."""
    return await run(lambda changes: operations.claim(slots, changes))


async def wait(asked: Sequence[Wait]) -> list[Done]:
    """Let intents wait."""
    return await run(lambda changes: operations.wait(asked, changes))


async def wake(asked: Sequence[Wake]) -> list[Done]:
    """Set intents in progress, whatever they waited for."""
    return await run(lambda changes: operations.wake(asked, changes))


async def exhaust(limit: int = 500) -> int:
    """Fail the intents whose last attempt is over, and say how many those were."""
    return await run(lambda changes: operations.exhaust(changes, limit))


async def take_over(agent_id: int, since: int, session: UUID) -> int:
    """Free what an earlier process of this agent still holds with its stream closed."""
    return await run(lambda changes: operations.take_over(agent_id, since, session, changes))


async def interrupt(agents: Sequence[int]) -> int:
    """Take from these agents, if they are killed, what they hold."""
    return await run(lambda changes: operations.interrupt(agents, changes))


async def expire_sessions(sessions: Sequence[UUID]) -> None:
    """End the leases of connections whose process is gone."""
    await run(lambda changes: operations.expire_sessions(sessions, changes))


async def read(name: str, **parameters: Any) -> list[Row]:
    """Run one of the statements that only look."""
    return await postgres.rows(operations.text(name), arrays.parameters(parameters))
