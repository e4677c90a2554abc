"""Presence: web processes tell once a second that they live and who is connected to them.

A process that is not heard of any more has died, and so have its connections: whoever sweeps it away learns their
sessions, to release what these held.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection

from agents import postgres

SYNC = """
    WITH process AS (
        INSERT INTO agents_webprocess (id, host, pid)
        VALUES (%(process)s, %(host)s, %(pid)s)
        ON CONFLICT (id) DO UPDATE SET seen_at = statement_timestamp()
        -- xmax is zero in a row that was inserted, not updated.
        RETURNING id, xmax = 0 AS is_new
    ),
    closed AS (
        DELETE FROM agents_connection
        WHERE id = ANY(%(closed)s) AND process_id = %(process)s
        RETURNING agent_id
    ),
    opened AS (
        INSERT INTO agents_connection
            (id, session, process_id, agent_id, key_id, transport, client, remote_addr, room)
        SELECT fresh.id, fresh.session, process.id, agent.id, fresh.key_id, fresh.transport, fresh.client,
            fresh.remote_addr, fresh.room
        FROM unnest(
            %(ids)s::uuid[], %(sessions)s::uuid[], %(agents)s::bigint[], %(keys)s::text[], %(transports)s::text[],
            %(clients)s::text[], %(addresses)s::text[], %(rooms)s::int[]
        ) AS fresh (id, session, agent_id, key_id, transport, client, remote_addr, room)
        CROSS JOIN process
        -- An agent that has been deleted meanwhile must not fail the others.
        JOIN agents_agent AS agent ON agent.id = fresh.agent_id
        ON CONFLICT (id) DO NOTHING
    ),
    concerned AS (
        SELECT id
        FROM agents_agent
        WHERE id = ANY(%(seen)s::bigint[]) OR id IN (SELECT agent_id FROM closed)
        ORDER BY id
        -- Whoever holds the lock writes the same thing.
        FOR NO KEY UPDATE SKIP LOCKED
    ),
    seen AS (
        UPDATE agents_agent AS agent
        SET last_seen_at = statement_timestamp()
        FROM concerned
        WHERE agent.id = concerned.id
    )
    SELECT is_new FROM process
"""

FORGET_DEAD = """
    WITH dead AS (
        SELECT id
        FROM agents_webprocess
        WHERE seen_at < statement_timestamp() - make_interval(secs => %(older_than)s)
        -- Locked means that it is just telling that it lives.
        FOR UPDATE SKIP LOCKED
    ),
    lost AS (
        DELETE FROM agents_connection AS connection
        USING dead
        WHERE connection.process_id = dead.id
        RETURNING connection.session
    ),
    buried AS (
        DELETE FROM agents_webprocess AS process USING dead WHERE process.id = dead.id
    )
    SELECT DISTINCT session
    FROM lost
    -- A session that has moved to a living process is not lost.
    WHERE NOT EXISTS (
        SELECT FROM agents_connection AS elsewhere
        WHERE elsewhere.session = lost.session AND elsewhere.process_id NOT IN (SELECT id FROM dead)
    )
"""

LEAVE = """
    WITH closed AS (
        DELETE FROM agents_connection WHERE process_id = %(process)s
    )
    DELETE FROM agents_webprocess WHERE id = %(process)s
"""


@dataclass(frozen=True, slots=True)
class OpenedConnection:
    """A connection as the process that holds it knows it."""

    id: UUID
    session: UUID
    agent_id: int
    key_id: str
    #: one of `agents.models.Transport`
    transport: str
    client: str = ""
    remote_addr: str = ""
    room: int = 1


async def sync(process_id: UUID, opened: Sequence[OpenedConnection], closed: Sequence[UUID]) -> bool:
    """Tell that this process lives, and which connections came and went since the last time.

    Returns True if the process was not known: it is new, or has been taken for dead, and then all its connections are
    forgotten and have to be told again.
    """
    gone = set(closed)
    kept = [one for one in opened if one.id not in gone]
    parameters: dict[str, Any] = {
        "process": process_id,
        "host": socket.gethostname()[:255],
        "pid": os.getpid(),
        "closed": list(gone),
        "ids": [one.id for one in kept],
        "sessions": [one.session for one in kept],
        "agents": [one.agent_id for one in kept],
        "keys": [one.key_id for one in kept],
        "transports": [one.transport for one in kept],
        "clients": [_storable(one.client, 200) for one in kept],
        "addresses": [_storable(one.remote_addr, 64) for one in kept],
        "rooms": [one.room for one in kept],
        "seen": sorted({one.agent_id for one in opened}),
    }
    [row] = await postgres.rows(SYNC, parameters)
    return bool(row["is_new"])


async def leave(process_id: UUID) -> None:
    """Tell that this process ends, with all its connections."""
    await postgres.rows(LEAVE, {"process": process_id})


async def forget_dead_processes(older_than: float) -> list[UUID]:
    """Forget the processes not heard of for so many seconds; return the sessions that ended with them."""
    return _sessions(await postgres.rows(FORGET_DEAD, {"older_than": older_than}))


def forget_dead_processes_now(older_than: float) -> list[UUID]:
    """Do the same from synchronous code, on Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(FORGET_DEAD, {"older_than": older_than})
        return [session for (session,) in cursor.fetchall()]


def _sessions(rows: Iterable[dict[str, Any]]) -> list[UUID]:
    return [row["session"] for row in rows]


def _storable(text: str, longest: int) -> str:
    return text.replace("\x00", "")[:longest]
