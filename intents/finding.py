"""Finding intents for people: a page at a time, both ways, whatever is asked and however many there are.

A search goes along the narrowest index that fits, in windows of candidates, until the page is full. Statuses that few
intents have lead along `Standing` and the queue of deliveries; type, agent and correlation id along indexes of their
own. What no index knows (words, payload, COMPLETED) is looked for along the newest, for two seconds at most; then the
answer says how far it came. Nothing is counted that is not read.

Like the ledger's operations, a search is a generator of statements: pages run it on Django's connection, streams on
the pool.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

from intents import candidates, operations
from intents.candidates import Query, Route
from intents.filters import NO_ERROR, SPANS, Filters, Text
from intents.lifecycle import OPEN, Status
from intents.records import Row

T = TypeVar("T")
Search = Generator[Query, list[Row], T]

LIMIT = 50
#: A search stops after so long, and says how far it came.
PATIENCE_SECONDS = 2.0
FIRST_WINDOW, SMALLEST_WINDOW, LARGEST_WINDOW = 2_000, 50, 50_000
#: So many of the newest are looked through for open intents before the queue is asked.
GLANCE = 1_000
#: How long one window should take, so that a search stops on time.
WINDOW_SECONDS = 0.25
#: The clock that ids are made by may be so far from the database's.
CLOCK_SKEW = timedelta(minutes=5)
LOWEST, HIGHEST = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(slots=True)
class Found:
    """A page of a search, newest first."""

    rows: list[Row] = field(default_factory=list)
    #: go on with what is older than this, or newer than that; None if there is nothing
    older: UUID | None = None
    newer: UUID | None = None
    #: how many candidates were looked at, if the search had to stop before the page was full
    looked_at: int = 0
    #: how far back it came then
    reached: datetime | None = None
    #: there is no such agent in this workspace
    is_agent_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """How many there are, or at least are."""

    number: int
    is_exact: bool


@dataclass(slots=True)
class _Walk:
    """A search on its way from window to window."""

    route: Route
    is_descending: bool
    low: UUID
    high: UUID
    window: int
    looked_at: int = 0
    is_over: bool = False

    def query(self, kind: str, **more: Any) -> Query:
        wanted = {**self.route.wanted, "low": self.low, "high": self.high, "window": self.window, **more}
        return Query(
            candidates.statement(kind, self.route.name, self.is_descending), wanted, self.route.is_slow
        )

    def step(self, edge: UUID | None, seconds: float) -> None:
        """The window has been looked through; go on behind its edge, with one that takes about as long as it should."""
        self.looked_at += self.window
        if edge is None:
            self.is_over = True
        elif self.is_descending:
            self.high = edge
        else:
            self.low = edge
        fitting = int(self.window * WINDOW_SECONDS / max(seconds, 0.001))
        self.window = max(SMALLEST_WINDOW, min(self.window * 4, fitting, LARGEST_WINDOW))

    def shrink(self) -> bool:
        """The window could not be looked through in time; say whether a smaller one can be tried."""
        if self.window <= SMALLEST_WINDOW:
            return False
        self.window = max(SMALLEST_WINDOW, self.window // 16)
        return True


def page(
    workspace_id: UUID,
    filters: Filters,
    *,
    before: UUID | None = None,
    after: UUID | None = None,
    limit: int = LIMIT,
) -> Search[Found]:
    """The newest intents that are wanted: all, those older than `before`, or the next that are newer than `after`."""
    walk = yield from _begin(workspace_id, filters, before=before, after=after)
    if walk is None:
        return Found(is_agent_unknown=True)
    if walk.route.name == "open" and (rows := (yield from _glance(walk, limit))):
        return _page(walk, rows, limit, before, after)
    rows = []
    ends_at = monotonic() + PATIENCE_SECONDS
    while not walk.is_over and len(rows) <= limit:
        started = monotonic()
        if started >= ends_at:
            break
        answer = yield walk.query("find", limit=limit + 1 - len(rows))
        if candidates.is_too_slow(answer):
            if not walk.shrink():
                break
            continue
        rows += [row for row in answer if row["intent_id"] is not None]
        if len(rows) <= limit:
            walk.step(answer[0]["edge"], monotonic() - started)
    return _page(walk, rows, limit, before, after)


def _glance(walk: _Walk, limit: int) -> Search[list[Row]]:
    """A full page of open intents among the newest, where a long queue has most of them; or nothing."""
    asked = {**walk.route.wanted, "low": walk.low, "high": walk.high, "window": GLANCE, "limit": limit + 1}
    answer = yield Query(candidates.statement("find", "workspace", walk.is_descending), asked)
    rows = [row for row in answer if row["intent_id"] is not None]
    return rows if len(rows) > limit else []


def _page(walk: _Walk, rows: list[Row], limit: int, before: UUID | None, after: UUID | None) -> Found:
    has_more = len(rows) > limit
    del rows[limit:]
    if not walk.is_descending:
        rows.reverse()
    found = Found(rows)
    first, last = (rows[0]["intent_id"], rows[-1]["intent_id"]) if rows else (None, None)
    if walk.is_descending:
        found.older, found.newer = last if has_more else None, first if before is not None else None
    else:
        found.older, found.newer = last or after, first if has_more else None
    if not has_more and not walk.is_over:  # stopped
        found.looked_at = walk.looked_at
        edge = walk.high if walk.is_descending else walk.low
        found.reached = time_of(edge)
        if walk.is_descending:
            found.older = edge
        else:
            found.newer = edge
    return found


def count(workspace_id: UUID, filters: Filters, *, most: int = 1_000_000) -> Search[Counted]:
    """How many intents are wanted; of more than can be counted in two seconds, as many as were."""
    walk = yield from _begin(workspace_id, filters)
    if walk is None:
        return Counted(0, is_exact=True)
    number, ends_at = 0, monotonic() + PATIENCE_SECONDS
    while not walk.is_over and number <= most:
        started = monotonic()
        if started >= ends_at:
            return Counted(number, is_exact=False)
        [answer] = yield walk.query("find_number")
        if answer.get("is_too_slow"):
            if not walk.shrink():
                return Counted(number, is_exact=False)
            continue
        number += answer["number"]
        walk.step(answer["edge"], monotonic() - started)
    return Counted(number, is_exact=walk.is_over)


def window_of_ids(
    workspace_id: UUID, filters: Filters, *, before: UUID | None = None, now: datetime | None = None
) -> Search[tuple[list[UUID], UUID | None]]:
    """The next ids that are wanted, from the newest or from `before` on, and where to go on; None at the end.

    Patient: for work in the background, which a search that stops half-way would do by half.
    """
    walk = yield from _begin(workspace_id, filters, before=before, now=now)
    if walk is None:
        return [], None
    while True:
        [answer] = yield walk.query("find_ids")
        if answer.get("is_too_slow") and walk.shrink():
            continue
        if answer.get("is_too_slow"):
            raise TimeoutError("a few payloads take longer to be read than a search may")
        return answer["ids"], answer["edge"]


def ids(workspace_id: UUID, filters: Filters, *, before: UUID | None = None) -> Iterator[list[UUID]]:
    """All ids that are wanted, newest first, in portions; on Django's connection."""
    now = datetime.now(UTC)  # a span that moves with the clock stays where it was when the work began
    while True:
        found, before = run(window_of_ids(workspace_id, filters, before=before, now=now))
        if found:
            yield found
        if before is None:
            return


def _begin(
    workspace_id: UUID,
    filters: Filters,
    *,
    before: UUID | None = None,
    after: UUID | None = None,
    now: datetime | None = None,
) -> Search[_Walk | None]:
    """Find out along what to search; None if there is no such agent."""
    recipient_id: int | None = None
    if filters.agent:
        agents = yield Query(
            operations.text("agent_named"), {"workspace_id": workspace_id, "named": filters.agent}
        )
        if not agents:
            return None
        recipient_id = agents[0]["id"]
    since, until = _times(filters, now)
    text = Text.of(filters.text)
    low, high = LOWEST, HIGHEST
    if since is not None:
        low = max(low, earliest(since, -CLOCK_SKEW))
    if until is not None:
        high = min(high, earliest(until, CLOCK_SKEW))
    for prefix in text.prefixes:
        digits = prefix.replace("-", "")
        low = max(low, UUID(int=max(int(digits.ljust(32, "0"), 16) - 1, 0)))
        high = min(high, UUID(int=min(int(digits.ljust(32, "f"), 16) + 1, HIGHEST.int)))
    if before is not None:
        high = min(high, before)
    if after is not None:
        low = max(low, after)
    wanted = wanted_of(workspace_id, filters, recipient_id, now=now)
    is_descending = after is None or before is not None
    return _Walk(_route(filters, wanted, text), is_descending, low, high, FIRST_WINDOW)


def wanted_of(
    workspace_id: UUID, filters: Filters, recipient_id: int | None, *, now: datetime | None = None
) -> dict[str, Any]:
    """What `fits.sql` needs to know of the filters."""
    text = Text.of(filters.text)
    since, until = _times(filters, now)
    return {
        "workspace_id": workspace_id,
        "statuses": sorted(filters.statuses) or None,
        "recipient_id": recipient_id,
        "intent_type": filters.intent_type or None,
        "error": "" if filters.error == NO_ERROR else filters.error or None,
        "is_retried": {"yes": True, "no": False}.get(filters.retried),
        "correlation_id": filters.correlation_id,
        "since": since,
        "until": until,
        "named_id": text.ids[0] if text.ids else None,
        "words": [*text.words, *map(str, text.ids[1:])] or None,
        "paths": ["\x1f".join(path) for path, _ in text.payload] or None,
        "values": [value for _, value in text.payload] or None,
    }


def _times(filters: Filters, now: datetime | None) -> tuple[datetime | None, datetime | None]:
    since = filters.since
    if filters.within:
        moving = (now or datetime.now(UTC)) - SPANS[filters.within]
        since = max(since, moving) if since is not None else moving
    return since, filters.until


def _route(filters: Filters, wanted: dict[str, Any], text: Text) -> Route:
    """Along what: the first of these narrows the search most."""
    is_slow = bool(text.payload)
    if wanted["named_id"] is not None:
        return Route("named", wanted, is_slow)
    if wanted["correlation_id"] is not None:
        return Route("correlation", wanted, is_slow)
    statuses = filters.statuses
    if filters.error or filters.retried:  # which only those have that stand somewhere
        statuses = (statuses or candidates.RARE) & candidates.RARE
    if statuses and Status.COMPLETED not in statuses:
        is_handed_over = statuses & OPEN <= candidates.HANDED_OVER
        standing = sorted(statuses | (OPEN - candidates.RARE if statuses & OPEN else set()))
        names = {**wanted, "standing": standing, "least_attempt": 1 if is_handed_over else 0}
        return Route("standing" if statuses <= candidates.RARE else "open", names, is_slow)
    if wanted["recipient_id"] is not None:
        return Route("agent", wanted, is_slow)
    return Route("type" if wanted["intent_type"] is not None else "workspace", wanted, is_slow)


def earliest(at: datetime, skew: timedelta = timedelta()) -> UUID:
    """The lowest id that can have been made at that time, by a clock that is off by so much."""
    milliseconds = int((at.timestamp() + skew.total_seconds()) * 1000)  # the calendar may end in between
    return UUID(int=max(0, min(milliseconds, 2**48 - 1)) << 80)


def time_of(intent_id: UUID) -> datetime:
    """When an id was made."""
    return datetime.fromtimestamp(min(intent_id.int >> 80, 253_402_300_799_000) / 1000, UTC)


def run(search: Search[T]) -> T:
    """Run a search on Django's connection."""
    return candidates.run(search)


async def run_on_pool(search: Search[T]) -> T:
    """Run a search on the pool of this event loop."""
    return await candidates.run_on_pool(search)
