"""Checks of the run itself: that it tried something, and that the processes are as they were when it is over."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator

from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.living import handovers
from tests.chaos.checker.verdicts import check
from tests.chaos.history import Entry

LEAST_SHARE = 0.8
#: Below this, a run has tried nothing.
LEAST_REQUESTS = 200
LEAST_COMPLETED = 50
LEAST_REDELIVERED = 1
#: What a process may hold more than when it was idle: pools that have opened, and memory that Python keeps.
MORE_DESCRIPTORS, MORE_THREADS, MORE_CONNECTIONS, MORE_TASKS = 40, 12, 16, 40
MORE_MEMORY, MEMORY_BYTES = 1.6, 80 * 1024 * 1024


def windows(evidence: Evidence) -> list[tuple[float, float]]:
    """The times in which requests may fail, joined where they overlap."""
    joined: list[tuple[float, float]] = []
    for fault in sorted(evidence.of_kind("fault"), key=lambda entry: entry["from"]):
        start, end = fault["from"], fault["until"]
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def share_ok(evidence: Evidence) -> tuple[int, int]:
    """How many requests outside the windows were answered as they should be, and how many there were."""
    faulty = windows(evidence)
    starts = [start for start, _ in faulty]

    def touches(first: float, last: float) -> bool:
        place = bisect_right(starts, last)
        return place > 0 and faulty[place - 1][1] >= first

    good = total = 0
    for number, asked in evidence.invoked.items():
        came: Entry = evidence.outcomes.get(number, {"kind": "unknown", "at": asked["at"]})
        if not touches(asked["at"], came["at"]):
            total += 1
            good += came["kind"] != "unknown"
    return good, total


@check("faults-landed")
def landed(evidence: Evidence) -> Iterator[str]:
    """Every fault of the schedule did what it was to do."""
    faults = evidence.of_kind("fault")
    if not faults:
        yield "there was no fault"
    for fault in faults:
        if not fault["landed"]:
            yield f"{fault['fault']} did not land: {fault.get('what', '')}"


@check("load-was-real")
def real(evidence: Evidence) -> Iterator[str]:
    """There was work of every kind, most requests outside of faults succeeded, and faults led to redeliveries."""
    good, total = share_ok(evidence)
    if total < LEAST_REQUESTS:
        yield f"only {total} requests were made outside of faults"
    elif good < LEAST_SHARE * total:
        yield f"only {good} of {total} requests outside of faults were answered"
    done = Counter(asked["do"] for asked, came in evidence.requests(*_DOINGS) if came["kind"] == "ok")
    for do in _DOINGS:
        if not done[do]:
            yield f"no {do} succeeded"
    completed = sum(row["status"] == "COMPLETED" for row in evidence.intents.values())
    if completed < LEAST_COMPLETED:
        yield f"only {completed} intents were completed"
    redelivered = sum(len(handovers(events)) > 1 for events in evidence.events.values())
    if redelivered < LEAST_REDELIVERED:
        yield f"only {redelivered} intents were handed over more than once"
    kinds = {run["agent"] for run in evidence.of_kind("run")}
    if missing := {"axme", "socket", "hasty"} - kinds:
        yield f"no work was done by agents of the kind {', '.join(sorted(missing))}"
    ways = Counter(entry["how"] for entry in evidence.of_kind("watched"))
    if missing := {"stream", "events", "websocket"} - ways.keys():
        yield f"nobody looked by {', '.join(sorted(missing))}"


_DOINGS = ("submit", "batch", "cancel", "retry", "read", "list")


@check("processes-return-to-rest")
def at_rest(evidence: Evidence) -> Iterator[str]:
    """When all is over, processes hold no more descriptors, threads, tasks, memory and connections than when idle."""
    first = {entry["part"]: entry for entry in evidence.of_kind("resources") if entry["when"] == "before"}
    last = {entry["part"]: entry for entry in evidence.of_kind("resources") if entry["when"] == "after"}
    if not first or first.keys() != last.keys():
        yield f"measured were {sorted(first)} before and {sorted(last)} after"
    for part in first.keys() & last.keys():
        before, after = first[part], last[part]
        limits = {
            "descriptors": before["descriptors"] + MORE_DESCRIPTORS,
            "threads": before["threads"] + MORE_THREADS,
            "database_connections": before["database_connections"] + MORE_CONNECTIONS,
            "tasks": before.get("tasks", 0) + MORE_TASKS,
            "rss": before["rss"] * MORE_MEMORY + MEMORY_BYTES,
        }
        for name, limit in limits.items():
            if after.get(name, 0) > limit:
                yield f"{part} has {name} {after[name]:,}, and had {before.get(name, 0):,} at first"
