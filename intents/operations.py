"""Every change in an intent's life, for one intent or a thousand: what is asked, answered, and which statements run.

An operation is a generator that yields statements and is sent their rows, so that it knows nothing of connections:
`ledger` runs it on Django's, `coalescer` on the process's pool. What it adds to `changes` is announced once the
transaction has been committed.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import orjson

from intents import repetition
from intents.errors import Outcome
from intents.lifecycle import TERMINAL_EVENTS, EventType
from intents.records import Done, Ending, Hold, Lease, Release, Row, Slot, Submission, Submitted, Wait, Wake
from intents.signals import Changes

T = TypeVar("T")
Statement = tuple[str, dict[str, Any]]
#: An operation on its way to an answer of type T.
Steps = Generator[Statement, list[Row], T]

SQL = Path(__file__).parent / "sql"


#: Values of checkpoints that go along with their intent: of at most so many bytes each, and all together.
SMALL: Final = {"small": 16 * 1024, "together": 64 * 1024}

#: A name in braces, as nothing in SQL looks like it.
_INCLUDED = re.compile(r"\{(\w+)\}")
_PARAMETER = re.compile(r"%\((\w+)\)[sb]")


@cache
def text(name: str) -> str:
    """The statement of that name, with what it includes put in: `{due}` stands for what `due.sql` says."""
    return _complete((SQL / f"{name}.sql").read_text())


def _complete(source: str) -> str:
    return _INCLUDED.sub(lambda found: _included(found[1]), source)


def _included(name: str) -> str:
    lines = (SQL / f"{name}.sql").read_text().splitlines()
    return _complete("\n".join(line for line in lines if not line.lstrip().startswith("--")))


@cache
def numbered(name: str) -> tuple[bytes, tuple[str, ...]]:
    """The statement with numbers in place of its parameters' names, and the names in the order of the numbers.

    psycopg forgets what it has made of a statement as long as most of ours, and would read it again each time.
    """
    numbers: dict[str, int] = {}
    source = _PARAMETER.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", text(name))
    return source.encode(), tuple(numbers)


def document(value: Any) -> str:
    """JSON as the database takes it."""
    return orjson.dumps(value).decode()


def submit(
    asked: Sequence[Submission],
    changes: Changes,
    *,
    slots: Sequence[Slot | None] = (),
    is_judged: bool = False,
) -> Steps[list[Submitted]]:
    """Record intents. A repeated idempotency key answers as the first time and records nothing.

    `slots`, if any are given, has for each intent the connection that waits for it: it gets the lease at once.
    Those that a policy concerns are answered `policed` and recorded once they have been judged: see `policing`.
    """
    slots = slots or [None] * len(asked)
    found = {
        row["intent_id"]: row
        for row in (
            yield (
                "submit",
                {
                    "ids": [each.id for each in asked],
                    "organizations": [each.organization_id for each in asked],
                    "workspaces": [each.workspace_id for each in asked],
                    "recipients": [each.recipient_id for each in asked],
                    "senders": [each.sender_id for each in asked],
                    "types": [each.intent_type for each in asked],
                    "correlations": [each.correlation_id for each in asked],
                    "to_agents": [each.to_agent for each in asked],
                    "from_agents": [each.from_agent for each in asked],
                    "reply_tos": [each.reply_to for each in asked],
                    "payloads": [each.payload for each in asked],
                    "attributes": [each.attributes for each in asked],
                    "parents": [each.parent_id for each in asked],
                    "scenarios": [each.scenario_id for each in asked],
                    "steps": [each.step_id for each in asked],
                    "retries": [each.retry_of_id for each in asked],
                    "deadlines": [each.deadline_at for each in asked],
                    "ttls": [each.ttl_seconds for each in asked],
                    "maxima": [each.max_delivery_attempts for each in asked],
                    "actors": [each.actor for each in asked],
                    "is_owed": [each.is_owed for each in asked],
                    "delays": [each.delay_seconds for each in asked],
                    "reminders": [each.remind_after_seconds for each in asked],
                    "is_judged": is_judged,
                    # Not for this statement, but for who runs it: another write follows.
                    "has_heirs": any(each.inherits for each in asked),
                    "keys": [each.idempotency_key for each in asked],
                    "paths": [each.path for each in asked],
                    "hashes": [each.request_hash for each in asked],
                    "responses": [
                        document(each.response) if each.idempotency_key else None for each in asked
                    ],
                    "sessions": [slot and slot.session for slot in slots],
                    "lease_seconds": [slot and slot.seconds for slot in slots],
                    "detached": [slot and slot.is_detached for slot in slots],
                },
            )
        )
    }
    heirs = [each for each in asked if each.inherits and found[each.id]["outcome"] == "done"]
    if heirs:
        ancestors = [each.retry_of_id for each in heirs]
        yield "inherit", {"ids": [each.id for each in heirs], "ancestors": ancestors}
    again: dict[UUID, Submitted] = {}
    if any(row["outcome"] != "done" for row in found.values()):
        again = yield from repetition.answered(asked, found)
    answers = []
    for each, slot in zip(asked, slots, strict=True):
        row = found[each.id]
        if row["outcome"] == "done":
            changes.intents.add(each.id)
            changes.events[EventType.SUBMITTED] += 1
            lease = _leased(each, slot, row) if slot else None
            if lease:
                changes.events[EventType.DELIVERED] += 1
            elif each.is_owed and not each.delay_seconds:
                changes.agents.add(each.recipient_id)
            answers.append(Submitted("done", each.id, row["created_at"], lease=lease))
        else:
            answers.append(again.get(each.id) or Submitted(row["outcome"], each.id, row["created_at"]))
    return answers


def _leased(asked: Submission, slot: Slot, row: Row) -> Lease | None:
    """The lease that a new intent was recorded with, if it was."""
    if row["lease_token"] is None:
        return None
    return Lease(
        intent_id=asked.id,
        agent_id=asked.recipient_id,
        attempt=1,
        max_attempts=asked.max_delivery_attempts,
        lease_token=row["lease_token"],
        lease_session=slot.session,
        cursor=row["cursor"],
        returns=0,
        seq=3,
        status="DELIVERED",
        organization_id=asked.organization_id,
        workspace_id=asked.workspace_id,
        intent_type=asked.intent_type,
        from_agent=asked.from_agent,
        to_agent=asked.to_agent,
        correlation_id=asked.correlation_id,
        parent_id=asked.parent_id,
        created_at=row["created_at"],
        payload=asked.payload,
        checkpoint_count=0,
        traceparent=orjson.loads(asked.attributes).get("traceparent"),
        at=row["created_at"],
    )


def claim(slots: Sequence[Slot], changes: Changes) -> Steps[list[Lease]]:
    """Lease what is due to those who wait for it."""
    rows = yield (
        "claim",
        {
            "agents": [slot.agent_id for slot in slots],
            "firsts": [slot.first for slot in slots],
            "lasts": [slot.last for slot in slots],
            "sessions": [slot.session for slot in slots],
            "seconds": [slot.seconds for slot in slots],
            "detached": [slot.is_detached for slot in slots],
        },
    )
    leases = [Lease(**row) for row in rows]
    if begun := [lease for lease in leases if lease.checkpoint_count]:
        yield from _with_checkpoints(begun)
    changes.intents.update(lease.intent_id for lease in leases)
    changes.events.update(f"intent.{lease.status.lower()}" for lease in leases)
    return leases


def _with_checkpoints(leases: Sequence[Lease]) -> Steps[None]:
    """Give these what earlier attempts have saved."""
    rows = yield "checkpoints", {"ids": [lease.intent_id for lease in leases], **SMALL}
    of_intent: dict[UUID, list[Row]] = {}
    for row in rows:
        of_intent.setdefault(row["intent_id"], []).append(row)
    for lease in leases:
        lease.checkpoints = of_intent.get(lease.intent_id, [])


def holds(asked: Iterable[Hold]) -> dict[str, Any]:
    """What each statement is told of those who write."""
    asked = list(asked)
    return {
        "ids": [hold.intent_id for hold in asked],
        "organizations": [hold.organization_id for hold in asked],
        "agents": [hold.agent_id for hold in asked],
        "tokens": [hold.token for hold in asked],
        "sessions": [hold.session for hold in asked],
        "actors": [hold.actor for hold in asked],
    }


def acknowledge(asked: Sequence[Hold], changes: Changes) -> Steps[list[Done]]:
    """Note that the agents have these in hand. Repeating it changes nothing but the end of the lease."""
    rows = yield "acknowledge", holds(asked)
    changes.intents.update(row["intent_id"] for row in rows if row["is_fresh"])
    return [Done(Outcome(row["outcome"]), row) for row in rows]


def finish(asked: Sequence[Ending], changes: Changes) -> Steps[list[Done]]:
    """End intents, and move the workflows that they were steps of. Who comes second changes nothing."""
    rows = yield "finish", _endings(asked, alone=False)
    ended = [(each, row) for each, row in zip(asked, rows, strict=True) if row["outcome"] == Outcome.DONE]
    if late := [row["intent_id"] for _, row in ended if not row["was_owed"]]:
        yield "disown", {"ids": late}
    yield from _ended([(row, each.details) for each, row in ended], changes)
    return [Done(Outcome(row["outcome"]), row) for row in rows]


def finish_alone(asked: Sequence[Ending], changes: Changes) -> Steps[list[Done | None]]:
    """The same in one statement, for those whose end concerns no other row; None for one that needs `finish`."""
    rows = yield "finish", _endings(asked, alone=True)
    ended = [row for row in rows if row["outcome"] == Outcome.DONE]
    _note_ends(ended, changes)
    return [None if row["outcome"] == "involved" else Done(Outcome(row["outcome"]), row) for row in rows]


def _endings(asked: Sequence[Ending], *, alone: bool) -> dict[str, Any]:
    return {
        **holds(each.hold for each in asked),
        "types": [each.type for each in asked],
        "statuses": [TERMINAL_EVENTS[each.type] for each in asked],
        "details": [document(each.details) for each in asked],
        "via_progress": [each.via_progress for each in asked],
        "is_told": [each.is_told for each in asked],
        "alone": alone,
    }


def _ended(ended: Sequence[tuple[Row, dict[str, Any]]], changes: Changes) -> Steps[None]:
    _note_ends([row for row, _ in ended], changes)
    steps = [(row, details) for row, details in ended if row["scenario_id"]]
    if steps:
        from intents import workflow  # which submits and ends intents itself

        yield from workflow.steps_ended(steps, changes)


def _note_ends(ended: Sequence[Row], changes: Changes) -> None:
    ids = {row["intent_id"] for row in ended}
    changes.intents |= ids
    changes.ended |= ids
    changes.events.update(row["type"] for row in ended)


def exhaust(changes: Changes, limit: int = 500) -> Steps[int]:
    """Fail the intents whose last attempt is over, and say how many those were."""
    rows = yield "exhaust", {"limit": limit}
    changes.dead_letters += len(rows)
    error = {"code": "delivery_attempts_exhausted"}
    yield from _ended([(row, {"error": error}) for row in rows], changes)
    return len(rows)


def release(asked: Sequence[Release], changes: Changes) -> Steps[list[Done]]:
    """Give deliveries back to their queues."""
    rows = yield (
        "release",
        {
            **holds(each.hold for each in asked),
            "reasons": [each.reason for each in asked],
            "delays": [each.delay_seconds for each in asked],
            "details": [document(each.details) for each in asked],
        },
    )
    for each, row in zip(asked, rows, strict=True):
        if row["outcome"] == Outcome.DONE:
            changes.intents.add(each.hold.intent_id)
            if each.reason == "closed" or not each.delay_seconds:
                changes.agents.add(row["recipient_id"])
    return [Done(Outcome(row["outcome"]), row) for row in rows]


def extend(asked: Sequence[Hold], changes: Changes) -> Steps[list[Done]]:
    """Renew leases by their tokens."""
    rows = yield (
        "extend",
        {
            "ids": [hold.intent_id for hold in asked],
            "organizations": [hold.organization_id for hold in asked],
            "agents": [hold.agent_id for hold in asked],
            "tokens": [hold.token for hold in asked],
        },
    )
    return [Done(Outcome(row["outcome"]), row) for row in rows]


def interrupt(agents: Sequence[int], changes: Changes) -> Steps[int]:
    """Take from these agents, if they are killed, what they hold, and say how much that was."""
    rows = yield "interrupt", {"agents": list(agents)}
    return len(rows)


def wait(asked: Sequence[Wait], changes: Changes) -> Steps[list[Done]]:
    """Let intents wait."""
    rows = yield (
        "wait",
        {
            "ids": [each.intent_id for each in asked],
            "reasons": [each.reason for each in asked],
            "actors": [each.actor for each in asked],
            "details": [document(each.details) for each in asked],
        },
    )
    waiting = [row for row in rows if row["outcome"] == Outcome.DONE]
    changes.intents.update(row["intent_id"] for row in waiting)
    if late := [row["intent_id"] for row in waiting if not row["was_owed"]]:
        yield "disown", {"ids": late}
    return [Done(Outcome(row["outcome"]), row) for row in rows]


def wake(asked: Sequence[Wake], changes: Changes) -> Steps[list[Done]]:
    """Set intents in progress, whatever they waited for."""
    rows = yield (
        "wake",
        {
            "ids": [each.hold.intent_id for each in asked],
            "organizations": [each.hold.organization_id for each in asked],
            "actors": [each.hold.actor for each in asked],
            "details": [document(each.details) for each in asked],
            "is_owed": [each.is_owed for each in asked],
        },
    )
    for each, row in zip(asked, rows, strict=True):
        if row["outcome"] == Outcome.DONE:
            changes.intents.add(each.hold.intent_id)
            if each.is_owed:
                changes.agents.add(row["recipient_id"])
    return [Done(Outcome(row["outcome"]), row) for row in rows]


def take_over(agent_id: int, since: int, session: UUID, changes: Changes) -> Steps[int]:
    """Free what an earlier process of this agent still holds with its stream closed, and say how many those were."""
    rows = yield "take_over", {"agent_id": agent_id, "since": since, "session": session}
    if rows:
        changes.agents.add(agent_id)
    return len(rows)


def expire_sessions(sessions: Sequence[UUID], changes: Changes) -> Steps[None]:
    """End the leases of connections whose process is gone."""
    rows = yield "expire_sessions", {"sessions": list(sessions)}
    changes.agents.update(row["agent_id"] for row in rows)
