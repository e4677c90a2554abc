"""Statements of the ledger with a promise taken out of each, to see whether anybody notices."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from intents import operations


@dataclass(frozen=True)
class Mutation:
    """A statement as it must not be."""

    name: str
    statement: str
    old: str
    new: str


ENDED = "locked.status IN ('COMPLETED', 'FAILED', 'CANCELED', 'TIMED_OUT')"
ANOTHER_TENANT = "locked.organization_id <> asked.organization_id"
SESSION = "held.lease_session IS DISTINCT FROM asked.session AND held.lease_token IS NOT NULL"
AS_AGENT = "(asked.agent_id IS NOT NULL OR asked.token IS NOT NULL OR asked.session IS NOT NULL)"

#: A few histories are enough to meet these.
COMMON = (
    Mutation("no token is superseded", "fence", "held.lease_token IS DISTINCT FROM asked.token", "false"),
    Mutation(
        "attempts are not counted",
        "claim",
        "SET attempt = delivery.attempt + 1",
        "SET attempt = delivery.attempt",
    ),
    Mutation("another tenant may give back", "release", f"OR {ANOTHER_TENANT}", ""),
    Mutation("what has ended ends again", "finish", f"WHEN {ENDED} THEN 'already_ended'", ""),
    Mutation("an end leaves the delivery", "finish", "WHERE delivery.id = winner.delivery_id", "WHERE false"),
    Mutation("seq stands still", "release", "seq = intent.seq + 1", "seq = intent.seq"),
    Mutation("a step is saved twice", "checkpoint", "THEN 'repeated'", "THEN 'done'"),
    Mutation(
        "the results of a company are of one",
        "finish",
        "SELECT id, seq, type, status, actor, details::jsonb,",
        "SELECT id, seq, type, status, actor, (first_value(details) OVER (ORDER BY place))::jsonb,",
    ),
)
#: These hide for longer.
RARE = (
    Mutation("no session is superseded", "fence", SESSION, "false"),
    Mutation("the last attempt is not the last", "due", "AND delivery.attempt < delivery.max_attempts", ""),
    Mutation(
        "what is leased can be claimed", "due", "delivery.claimable_at <= statement_timestamp()", "true"
    ),
    Mutation("another tenant may end an intent", "finish", f"OR {ANOTHER_TENANT}", ""),
    Mutation("another agent may save a step", "checkpoint", "locked.recipient_id <> asked.agent_id", "false"),
    Mutation(
        "an end leaves the deadline",
        "finish",
        "winner.intent_id AND winner.has_timers",
        "winner.intent_id AND false",
    ),
    Mutation("a killed agent may write", "killed", AS_AGENT, "false"),
    Mutation("a killed agent is given work", "claim", "agent.killed_at IS NULL", "true"),
    Mutation(
        "the steps of a company have one value",
        "checkpoint",
        "substring(%(values)b::bytea FROM start FOR size)",
        "substring(%(values)b::bytea FROM 1 FOR size)",
    ),
    Mutation(
        "a step has the value that came last",
        "checkpoint",
        "WHERE outcome = 'done' ORDER BY intent_id, step, place",
        "WHERE outcome = 'done' ORDER BY intent_id, step, place DESC",
    ),
    Mutation("a retry forgets what was done", "inherit", "checkpoint.intent_id = heir.ancestor_id", "false"),
    Mutation(
        "an attempt given back counts",
        "release",
        "SET attempt = delivery.attempt - CASE",
        "SET attempt = delivery.attempt - 0 * CASE",
    ),
    Mutation(
        "a deadline waits for the lease", "due_timers", "held.id IS NOT NULL\n            OR", "false OR"
    ),
)


@contextmanager
def broken(mutation: Mutation, directory: Path) -> Iterator[None]:
    """Run on statements of which one is broken; on the real ones again afterwards."""
    copies = directory / "sql"
    shutil.copytree(operations.SQL, copies)
    statement = copies / f"{mutation.statement}.sql"
    source = statement.read_text()
    assert mutation.old in source, "the statement has changed: the mutation has to be as well"
    statement.write_text(source.replace(mutation.old, mutation.new))
    whole, operations.SQL = operations.SQL, copies
    _read_anew()
    try:
        yield
    finally:
        operations.SQL = whole
        _read_anew()


def _read_anew() -> None:
    operations.text.cache_clear()
    operations.numbered.cache_clear()
