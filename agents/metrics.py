"""What agents report of their work, added up by the hour: reports are differences, and come in any order.

Beside that stands what is counted here, of every agent, whether it reports anything or not. Where it reports nothing,
that is what is shown.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet, Sum
from django.db.models.functions import Now

from agents.models import MetricsBucket

#: What is asked for by name, back from now.
WINDOWS: Final = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}

ADD = """
    INSERT INTO agents_metricsbucket AS bucket
        (agent_id, hour, intents_total, intents_succeeded, intents_failed, cost_usd, latency_ms_sum, latency_weight)
    VALUES (
        %(agent_id)s, date_bin('1 hour', statement_timestamp(), timestamptz 'epoch'), %(intents_total)s,
        %(intents_succeeded)s, %(intents_failed)s, %(cost_usd)s, %(latency_ms_sum)s, %(latency_weight)s
    )
    ON CONFLICT (agent_id, hour) DO UPDATE SET
        intents_total = bucket.intents_total + EXCLUDED.intents_total,
        intents_succeeded = bucket.intents_succeeded + EXCLUDED.intents_succeeded,
        intents_failed = bucket.intents_failed + EXCLUDED.intents_failed,
        cost_usd = bucket.cost_usd + EXCLUDED.cost_usd,
        latency_ms_sum = bucket.latency_ms_sum + EXCLUDED.latency_ms_sum,
        latency_weight = bucket.latency_weight + EXCLUDED.latency_weight
"""


@dataclass(frozen=True, slots=True)
class Metrics:
    """An agent's work over some time."""

    intents_total: int = 0
    intents_succeeded: int = 0
    intents_failed: int = 0
    avg_latency_ms: float | None = None
    cost_usd: float = 0.0


NONE: Final = Metrics()


def add(
    agent_id: int,
    *,
    intents_total: int = 0,
    succeeded: int = 0,
    failed: int = 0,
    cost_usd: float = 0.0,
    latency_ms: float | None = None,
) -> None:
    """Add what an agent has done since its last report. Its latency, an average, weighs as much as its intents."""
    # A report that has a latency and counts nothing is of one intent.
    weight = max(intents_total, 1) if latency_ms is not None else 0
    with connection.cursor() as cursor:
        cursor.execute(
            ADD,
            {
                "agent_id": agent_id,
                "intents_total": intents_total,
                "intents_succeeded": succeeded,
                "intents_failed": failed,
                "cost_usd": cost_usd,
                "latency_ms_sum": (latency_ms or 0.0) * weight,
                "latency_weight": weight,
            },
        )


def of_agents(agent_ids: Collection[int], window: timedelta) -> dict[int, Metrics]:
    """What each of these has done in this time until now, to the hour; those that have done nothing are left out."""
    since = MetricsBucket.objects.filter(agent_id__in=agent_ids, hour__gt=Now() - window)
    return {row["agent_id"]: _metrics(row) for row in _summed(since.values("agent_id"))}


def of_workspace(workspace_id: UUID, window: timedelta) -> tuple[int, float]:
    """How many intents the agents of a workspace have done in this time until now, and what they cost."""
    since = MetricsBucket.objects.filter(agent__workspace_id=workspace_id, hour__gt=Now() - window)
    found = [_metrics(row) for row in _summed(since.values("agent_id"))]
    return sum(each.intents_total for each in found), sum(each.cost_usd for each in found)


def _summed(buckets: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    names = (
        "intents_total",
        "intents_succeeded",
        "intents_failed",
        "cost_usd",
        "latency_ms_sum",
        "latency_weight",
        "counted_completed",
        "counted_failed",
    )
    summed: QuerySet[Any, Any] = buckets.annotate(**{f"sum_{name}": Sum(name) for name in names})
    return summed


def _metrics(row: dict[str, Any]) -> Metrics:
    total, succeeded, failed = (row[f"sum_intents_{name}"] for name in ("total", "succeeded", "failed"))
    if not (total or succeeded or failed):
        succeeded, failed = row["sum_counted_completed"], row["sum_counted_failed"]
        total = succeeded + failed
    weight = row["sum_latency_weight"]
    latency = row["sum_latency_ms_sum"] / weight if weight else None
    return Metrics(int(total), int(succeeded), int(failed), latency, float(row["sum_cost_usd"]))
