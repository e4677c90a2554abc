"""The bench's own view of the database: what is in it before a run, and what a run left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg

FILL_INTENTS = """
    INSERT INTO intents_intent (
        id, organization_id, workspace_id, recipient_id, intent_type, correlation_id, to_agent, from_agent,
        payload, attributes, max_delivery_attempts, created_at, status, seq, attempt, updated_at,
        policy_generation, has_timers
    )
    SELECT
        uuidv7(%(age)s::interval), %(organization)s::uuid, %(workspace)s::uuid,
        (%(agents)s::bigint[])[1 + number %% %(share)s],
        'bench.work.v1', gen_random_uuid(), 'agent://myorg/production/filler', '',
        jsonb_build_object('n', number, 'data', repeat('x', 180)), '{}', 3,
        statement_timestamp() + %(age)s::interval, %(status)s, %(seq)s, %(attempt)s,
        statement_timestamp() + %(age)s::interval, 0, false
    FROM generate_series(1, %(count)s) AS number
"""
FILL_EVENTS = """
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT intent.id, event.seq, event.type, event.status, 'system', '{}', statement_timestamp()
    FROM intents_intent AS intent
    CROSS JOIN (
        VALUES (1, 'intent.created', 'CREATED'), (2, 'intent.submitted', 'SUBMITTED'),
            (3, 'intent.delivered', 'DELIVERED'), (4, 'intent.completed', 'COMPLETED')
    ) AS event (seq, type, status)
    WHERE intent.id > %(after)s AND intent.id < %(before)s AND event.seq <= intent.seq
"""
FILL_DELIVERIES = """
    INSERT INTO intents_delivery (
        intent_id, agent_id, due_at, attempt, max_attempts, returns, is_detached, cursor
    )
    SELECT id, recipient_id, statement_timestamp(), 0, 3, 0, false, 0
    FROM intents_intent
    WHERE id > %(after)s
    ORDER BY id
"""
#: Each deletes what came after the marker; a run's rows are all younger than what was there before.
CLEAN: tuple[LiteralString, ...] = (
    "DELETE FROM intents_delivery WHERE intent_id > %s",
    "DELETE FROM intents_timer WHERE intent_id > %s",
    "DELETE FROM intents_idempotencyrecord WHERE intent_id > %s",
    "DELETE FROM intents_event WHERE intent_id > %s",
    "DELETE FROM intents_standing WHERE intent_id > %s",
    "DELETE FROM intents_checkpoint WHERE intent_id > %s",
    "DELETE FROM intents_intent WHERE id > %s",
)
#: Whatever hangs on an intent goes with them.
EMPTY = "TRUNCATE intents_intent CASCADE"
NOTHING, EVERYTHING = "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"
#: How many are filled in by one statement.
PORTION = 100_000
#: Finished intents that are there before anything is measured, so that the planner knows tables in use.
HISTORY = 20_000


class Database:
    """One connection, for filling, cleaning and counting. It is idle while something is measured."""

    def __init__(self, url: str, facts: dict[str, str]) -> None:
        self.connection = psycopg.connect(url, autocommit=True, application_name="bench")
        self.facts = facts
        self.marker = NOTHING
        self.past: list[int] = []

    def close(self) -> None:
        self.connection.close()

    def value(self, query: LiteralString, *parameters: Any) -> Any:
        """The first column of the one row that this gives."""
        row = self.connection.execute(query, parameters).fetchone()
        assert row is not None
        return row[0]

    def agent_id(self, address: str) -> int:
        return int(self.value("SELECT id FROM agents_agent WHERE address = %s", address))

    def begin(self, past: int, history: int = HISTORY) -> None:
        """Start with what some agent of the past has finished, and keep that from run to run."""
        self.past = [past]
        self.fill(history, self.past, ended=True)
        self.keep()

    def begin_anew(self, history: int = HISTORY) -> None:
        """Nothing but that is there again, however much there was: quicker than to delete millions."""
        self.connection.execute(EMPTY)
        self.marker = NOTHING
        self.begin(self.past[0], history)

    def fill(self, count: int, agents: Sequence[int], *, ended: bool) -> None:
        """Add intents of these agents that have ended, or that wait."""
        for start in range(0, count, PORTION):
            self._fill(min(PORTION, count - start), agents, ended=ended)
        self._settle()

    def fill_old(self, count: int, agents: Sequence[int], days: int) -> None:
        """Add intents of these agents that have ended so many days ago; nothing else is that old."""
        for start in range(0, count, PORTION):
            self._fill(min(PORTION, count - start), agents, ended=True, days=days)
        self._settle()

    def _fill(self, count: int, agents: Sequence[int], *, ended: bool, days: int = 0) -> None:
        age = f"-{days} days"
        # Ids begin with the time, so those of a portion are all there is from now on, or from that day on.
        after = self._newest(f"{1 - days} days" if days else "1 day")
        status, seq, attempt = ("COMPLETED", 4, 1) if ended else ("SUBMITTED", 2, 0)
        self.connection.execute(
            FILL_INTENTS,
            {
                "organization": self.facts["PERDURE_ORG_ID"],
                "workspace": self.facts["PERDURE_WORKSPACE_ID"],
                "agents": list(agents),
                "share": len(agents),
                "count": count,
                "status": status,
                "seq": seq,
                "attempt": attempt,
                "age": age,
            },
        )
        before = self._id_of(f"{1 - days} days") if days else EVERYTHING
        self.connection.execute(FILL_EVENTS, {"after": after, "before": before})
        if not ended:
            self.connection.execute(FILL_DELIVERIES, {"after": after})

    def keep(self) -> None:
        """What is here now stays when `clean` is called."""
        self.marker = self._newest()

    def clean(self) -> None:
        """Delete what came since `keep`, and give its space back, so that no run starts on another's leavings."""
        for statement in CLEAN:
            self.connection.execute(statement, [self.marker])
        self._vacuum("ANALYZE")

    def completed(self, agent_id: int) -> int:
        """How many intents of this agent have completed, by the truth."""
        return int(
            self.value(
                "SELECT count(*) FROM intents_intent WHERE recipient_id = %s AND status = 'COMPLETED'",
                agent_id,
            )
        )

    def transactions(self) -> int:
        """How many transactions the database has seen, committed or not."""
        return int(
            self.value(
                "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
            )
        )

    def web_connections(self) -> int:
        """How many connections the web processes have open: all but ours and the worker's, who say their names."""
        return int(
            self.value(
                """
                SELECT count(*) FROM pg_stat_activity
                WHERE backend_type = 'client backend' AND datname = current_database()
                    AND application_name NOT IN ('bench', 'psql')
                """
            )
        )

    def _newest(self, until: str = "1 day") -> str:
        return str(
            self.value(
                """
                SELECT COALESCE((
                    SELECT id FROM intents_intent WHERE id < uuidv7(%s::interval) ORDER BY id DESC LIMIT 1
                ), %s)
                """,
                until,
                NOTHING,
            )
        )

    def _id_of(self, age: str) -> str:
        return str(self.value("SELECT uuidv7(%s::interval)", age))

    def _settle(self) -> None:
        """What filling has left to be done must not be done while something is measured."""
        self._vacuum("ANALYZE")
        self.connection.execute("CHECKPOINT")

    def _vacuum(self, option: LiteralString) -> None:
        for table in ("intents_intent", "intents_event", "intents_delivery"):
            self.connection.execute(f"VACUUM ({option}) {table}")
