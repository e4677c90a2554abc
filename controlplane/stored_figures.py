"""Figures about what is stored, for /metrics and /healthz/ready: cheap at any size, seconds old at most."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from time import monotonic
from typing import Any

import psycopg
import structlog
from prometheus_client.core import GaugeMetricFamily, Metric

from agents import postgres

log = structlog.get_logger(__name__)

MAX_AGE_SECONDS = 5.0
#: Up to so many intents, counting them is cheap; beyond, the planner's statistics are good enough.
COUNTED_ROWS = 50_000
#: Whoever has more dead letters does not need the number.
MOST_DEAD = 10_000

# Aggregated by agent in the claim's own index, before anything else is touched.
OWED = """
WITH owed AS (
    SELECT
        agent_id,
        count(*) FILTER (WHERE claimable_at <= statement_timestamp()) AS ready,
        count(*) FILTER (WHERE claimable_at > statement_timestamp()) AS later,
        min(claimable_at) FILTER (WHERE claimable_at <= statement_timestamp()) AS oldest
    FROM intents_delivery
    GROUP BY agent_id
)
SELECT
    organization.slug AS organization,
    workspace.slug AS workspace,
    sum(owed.ready)::bigint AS ready,
    sum(owed.later)::bigint AS later,
    coalesce(extract(epoch FROM statement_timestamp() - min(owed.oldest)), 0)::float8 AS age
FROM owed
JOIN agents_agent AS agent ON agent.id = owed.agent_id
JOIN agents_workspace AS workspace ON workspace.id = agent.workspace_id
JOIN agents_organization AS organization ON organization.id = workspace.organization_id
GROUP BY organization.slug, workspace.slug
"""
# What the page Dead letters shows, of each workspace `most` at most: probes of an index that has nothing else in it.
DEAD = """
SELECT organization.slug AS organization, workspace.slug AS workspace, counted.dead
FROM agents_workspace AS workspace
JOIN agents_organization AS organization ON organization.id = workspace.organization_id
CROSS JOIN LATERAL (
    SELECT count(*) AS dead
    FROM (
        SELECT 1
        FROM intents_standing
        WHERE workspace_id = workspace.id AND status = 'FAILED' AND NOT is_retried
        LIMIT %(most)s
    ) AS newest
) AS counted
"""
SIZE = """
SELECT coalesce(n_live_tup, 0) AS intents FROM pg_stat_user_tables
WHERE relid = 'intents_intent'::regclass
"""
COUNTED = "SELECT status, count(*) AS intents FROM intents_intent GROUP BY status"
ESTIMATED = """
SELECT value.status, (value.share * live.n_live_tup)::bigint AS intents
FROM pg_stats AS stats
JOIN pg_stat_user_tables AS live ON live.relid = 'intents_intent'::regclass
CROSS JOIN LATERAL unnest(
    stats.most_common_vals::text::text[], stats.most_common_freqs
) AS value (status, share)
WHERE stats.schemaname = live.schemaname
    AND stats.tablename = live.relname
    AND stats.attname = 'status'
"""
SWEEP_AGE = """
SELECT extract(epoch FROM statement_timestamp() - ran_at)::float8 AS age FROM intents_sweeprun
"""


class StoredFigures:
    """A Prometheus collector of what was read last; `refresh` reads it, at most once in five seconds."""

    def __init__(self) -> None:
        self.owed: list[dict[str, Any]] = []
        self.dead: list[dict[str, Any]] = []
        self.by_status: dict[str, int] = {}
        self.is_estimate = False
        self.is_complete = False
        self._read_at = float("-inf")
        self._reading: asyncio.Lock | None = None

    async def refresh(self) -> None:
        """Read the figures if they are old. A database that is slow or away leaves the old ones standing."""
        if self._reading is None:
            self._reading = asyncio.Lock()
        async with self._reading:
            if monotonic() - self._read_at < MAX_AGE_SECONDS:
                return
            self._read_at = monotonic()
            try:
                await self._read()
                self.is_complete = True
            except (psycopg.Error, postgres.DatabaseUnavailable) as error:
                log.warning("the stored figures could not be read", error=type(error).__name__)
                self.is_complete = False

    async def _read(self) -> None:
        async with postgres.connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = '1s'")
            size = await (await connection.execute(SIZE)).fetchone()
            self.is_estimate = size is not None and size["intents"] > COUNTED_ROWS
            cursor = await connection.execute(ESTIMATED if self.is_estimate else COUNTED)
            self.by_status = {row["status"]: row["intents"] for row in await cursor.fetchall()}
            self.owed = await (await connection.execute(OWED)).fetchall()
            self.dead = await (await connection.execute(DEAD, {"most": MOST_DEAD})).fetchall()

    def of(self, organization: str) -> FiguresOfOne:
        """What one organization may see of the figures."""
        return FiguresOfOne(self, organization)

    def collect(self, organization: str | None = None) -> Iterator[Metric]:
        """The figures in Prometheus's terms: of all organizations, or those labelled with this one."""
        owed, dead_letters = (
            [row for row in rows if organization in (None, row["organization"])]
            for rows in (self.owed, self.dead)
        )
        statuses = GaugeMetricFamily(
            "perdure_intents", "Intents by status; an estimate once there are many", labels=["status"]
        )
        for status, number in self.by_status.items():
            statuses.add_metric([status], number)
        yield statuses
        tenant = ["organization", "workspace"]
        ready = GaugeMetricFamily(
            "perdure_ready_deliveries", "Deliveries that could be claimed now", labels=tenant
        )
        later = GaugeMetricFamily(
            "perdure_later_deliveries", "Deliveries leased or not yet due", labels=tenant
        )
        age = GaugeMetricFamily(
            "perdure_oldest_ready_seconds",
            "How long the oldest ready delivery has been waiting",
            labels=tenant,
        )
        for row in owed:
            names = [row["organization"], row["workspace"]]
            ready.add_metric(names, row["ready"])
            later.add_metric(names, row["later"])
            age.add_metric(names, row["age"])
        yield from (ready, later, age)
        dead = GaugeMetricFamily(
            "perdure_dead_letters_waiting",
            f"Failed intents that nobody has retried, of each workspace {MOST_DEAD:,} at most",
            labels=tenant,
        )
        for row in dead_letters:
            dead.add_metric([row["organization"], row["workspace"]], row["dead"])
        yield dead
        yield GaugeMetricFamily(
            "perdure_intents_estimated", "1 if perdure_intents is an estimate", value=float(self.is_estimate)
        )
        yield GaugeMetricFamily(
            "perdure_stored_figures_complete",
            "0 if the database did not answer in time and these figures are old",
            value=float(self.is_complete),
        )


class FiguresOfOne:
    """A Prometheus collector of what one organization may see."""

    def __init__(self, figures: StoredFigures, organization: str) -> None:
        self._figures, self._organization = figures, organization

    def collect(self) -> Iterator[Metric]:
        """The figures in Prometheus's terms."""
        return self._figures.collect(self._organization)


async def sweep_age() -> float | None:
    """Seconds since the sweep last ran; None if it never has."""
    ages = await postgres.rows(SWEEP_AGE)
    return float(ages[0]["age"]) if ages else None


stored = StoredFigures()
