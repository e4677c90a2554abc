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
        uuidv7(), %(organization)s::uuid, %(workspace)s::uuid, (%(agents)s::bigint[])[1 + number %% %(share)s],
        'bench.work.v1', gen_random_uuid(), 'agent://myorg/production/filler', '',
        jsonb_build_object('n', number, 'data', repeat('x', 180)), '{}', 3, statement_timestamp(),
        %(status)s, %(seq)s, %(attempt)s, statement_timestamp(), 0, false
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
    WHERE intent.id > %(after)s AND event.seq <= intent.seq
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
NOTHING = "00000000-0000-0000-0000-000000000000"


class Database:
    """One connection, for filling, cleaning and counting. It is idle while something is measured."""

    def __init__(self, url: str, facts: dict[str, str]) -> None:
        self.connection = psycopg.connect(url, autocommit=True, application_name="bench")
        self.facts = facts
        self.marker = NOTHING

    def close(self) -> None:
        self.connection.close()

    def value(self, query: LiteralString, *parameters: Any) -> Any:
        """The first column of the one row that this gives."""
        row = self.connection.execute(query, parameters).fetchone()
        assert row is not None
        return row[0]

    def agent_id(self, address: str) -> int:
        return int(self.value("SELECT id FROM agents_agent WHERE address = %s", address))

    def fill(self, count: int, agents: Sequence[int], *, ended: bool) -> None:
        """Add intents of these agents that have ended, or that wait."""
        before = self._newest()
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
            },
        )
        self.connection.execute(FILL_EVENTS, {"after": before})
        if not ended:
            self.connection.execute(FILL_DELIVERIES, {"after": before})
        self._vacuum("ANALYZE")

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

    def _newest(self) -> str:
        return str(
            self.value(
                "SELECT COALESCE((SELECT id FROM intents_intent ORDER BY id DESC LIMIT 1), %s)", NOTHING
            )
        )

    def _vacuum(self, option: LiteralString) -> None:
        for table in ("intents_intent", "intents_event", "intents_delivery"):
            self.connection.execute(f"VACUUM ({option}) {table}")
