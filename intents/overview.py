"""What a workspace is at: how much is open, waits and fails, how the last hour went, how long things take.

Nothing here is counted over all that is stored: open intents along the queue, rare statuses along `Standing`, endings
from the tally. What would be too much to count is said to be "more than" what was.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from intents import operations
from intents.candidates import Query
from intents.lifecycle import Status
from intents.records import Row

MINUTES = 60
#: Counted no further than this.
MOST = 100_000
#: Endings that are not in the tally yet, of all tenants, are read no further than this.
MOST_FRESH = 20_000
DEAD_LETTERS = 5
#: Figures of one workspace are read at most so often by one process.
MAX_AGE_SECONDS = 1.0
MOST_CACHED = 200
BUCKETS_PER_DECADE = 10
OUTCOMES = (Status.COMPLETED, Status.FAILED, Status.TIMED_OUT, Status.CANCELED)


@dataclass(slots=True)
class Minute:
    """What ended in one minute."""

    at: datetime
    outcomes: Counter[str] = field(default_factory=Counter)
    #: how long what was completed in it took, in seconds
    p50: float | None = None
    p95: float | None = None

    @property
    def total(self) -> int:
        return self.outcomes.total()


@dataclass(slots=True)
class Overview:
    """What a workspace is at."""

    at: datetime
    #: owed to an agent, waiting, or on the way through a scenario
    open: int
    waiting: int
    failed_last_hour: int
    ready: int
    oldest_ready_at: datetime | None
    #: leased, or not due yet
    later: int
    agents: int
    agents_connected: int
    connections: int
    minutes: list[Minute]
    #: of everything that was completed in these minutes
    p50: float | None
    p95: float | None
    dead_letters: list[Row]
    #: there was more to count than was counted
    is_open_more: bool = False
    is_ready_more: bool = False
    #: so much ended since the last tally that not all of it was read
    is_partial: bool = False

    @property
    def oldest_ready_seconds(self) -> float:
        if self.oldest_ready_at is None:
            return 0.0
        return max(0.0, (self.at - self.oldest_ready_at).total_seconds())

    @property
    def ended(self) -> Counter[str]:
        """How many ended how, in all minutes together."""
        return sum((minute.outcomes for minute in self.minutes), Counter[str]())


def read(workspace_id: UUID) -> Generator[Query, list[Row], Overview]:
    """Read the figures."""
    [now] = yield _query("overview", workspace_id, most=MOST)
    endings = yield _query("endings", workspace_id, minutes=MINUTES, most=MOST_FRESH)
    dead = yield _query("newest_dead_letters", workspace_id, limit=DEAD_LETTERS)
    minutes, buckets = _minutes(endings)
    return Overview(
        at=now["at"],
        open=now["ready"] + now["later"] + now["unowed"] + now["waiting"],
        waiting=now["waiting"],
        failed_last_hour=now["failed"],
        ready=now["ready"],
        oldest_ready_at=now["oldest"],
        later=now["later"],
        agents=now["agents"],
        agents_connected=now["agents_connected"],
        connections=now["connections"],
        minutes=minutes,
        p50=percentile(buckets, 50),
        p95=percentile(buckets, 95),
        dead_letters=dead,
        is_open_more=max(now["ready"], now["later"], now["waiting"]) >= MOST,
        is_ready_more=now["ready"] >= MOST,
        is_partial=any(row["is_partial"] for row in endings),
    )


_cached: OrderedDict[UUID, tuple[float, Overview]] = OrderedDict()


def cached(workspace_id: UUID) -> Generator[Query, list[Row], Overview]:
    """The figures, about a second old at most: however many look, each process reads them once."""
    found = _cached.get(workspace_id)
    if found is not None and monotonic() - found[0] < MAX_AGE_SECONDS:
        return found[1]
    return (yield from refreshed(workspace_id))


def refreshed(workspace_id: UUID) -> Generator[Query, list[Row], Overview]:
    """The figures as they are now; for whoever looks through `cached` within a second, too."""
    overview = yield from read(workspace_id)
    _cached[workspace_id] = (monotonic(), overview)
    while len(_cached) > MOST_CACHED:
        _cached.popitem(last=False)
    return overview


def forget() -> None:
    """Read anew the next time."""
    _cached.clear()


def _query(name: str, workspace_id: UUID, **parameters: Any) -> Query:
    return Query(operations.text(name), {"workspace_id": workspace_id, **parameters})


def _minutes(rows: Iterable[Row]) -> tuple[list[Minute], Counter[int]]:
    """Each of the last minutes, those in which nothing ended too, and how long everything completed took."""
    rows = list(rows)
    first = rows[0]["first_minute"]
    minutes = [Minute(first + timedelta(minutes=number)) for number in range(MINUTES)]
    durations = [Counter[int]() for _ in minutes]
    for row in rows:
        place = round((row["minute"] - first) / timedelta(minutes=1))
        if row["status"] is None or not 0 <= place < MINUTES:
            continue
        minutes[place].outcomes[row["status"]] += row["number"]
        if row["status"] == Status.COMPLETED:
            durations[place][row["bucket"]] += row["number"]
    for minute, buckets in zip(minutes, durations, strict=True):
        minute.p50, minute.p95 = percentile(buckets, 50), percentile(buckets, 95)
    return minutes, sum(durations, Counter[int]())


def percentile(buckets: Mapping[int, int], percent: float) -> float | None:
    """How many seconds at most so many percent took, as exactly as the buckets are: to about a tenth."""
    wanted = sum(buckets.values()) * percent / 100
    passed = 0
    for bucket in sorted(buckets):
        number = buckets[bucket]
        if passed + number >= wanted and number:
            share = (wanted - passed) / number
            return float(10 ** ((bucket + share) / BUCKETS_PER_DECADE) / 1000)
        passed += number
    return None
