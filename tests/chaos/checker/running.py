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
#: Below this, a run has tried nothing; a long one has to try so much a minute, on a machine of its own.
LEAST_REQUESTS, REQUESTS_A_MINUTE = 200, 100
LEAST_COMPLETED, COMPLETED_A_MINUTE = 50, 50
LEAST_REDELIVERED, REDELIVERED_A_MINUTE = 1, 0.3
#: Faults that take work from who has it, so that it has to be handed over again.
TAKING = ("freeze an agent past its lease", "kill an agent", "poison")
#: Requests that nothing speaks against: refused, too, they are not answered as they should be.
ALWAYS_DUE = frozenset({"submit", "batch", "read", "events", "list"})
#: What a process may hold more than when it was idle: pools that have opened, memory that Python keeps, and agents that
#: had not come yet on a slow machine.
HELD = ("descriptors", "threads", "tasks", "rss", "database_connections")
MORE_DESCRIPTORS, MORE_THREADS, MORE_CONNECTIONS, MORE_TASKS = 20, 10, 20, 20
MORE_MEMORY, MEMORY_BYTES = 1.25, 48 * 1024 * 1024
#: How the keeper of agents, and the nemesis, end a process: it did not die by itself.
KILLED = (-9, 137)
#: While it lasts, no process can write, and may give up.
MAY_KILL = ("fill the disk",)


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
            good += came["kind"] == "ok" or (came["kind"] == "failed" and asked["do"] not in ALWAYS_DUE)
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


def minutes_of_faults(evidence: Evidence) -> float:
    """From the first fault to the end of what came of the last."""
    faults = evidence.of_kind("fault")
    began = min((each["from"] for each in faults), default=0)
    return float(max((each["until"] for each in faults), default=0) - began) / 60


def _least(evidence: Evidence, anyway: float, a_minute: float) -> float:
    """How much there has to be in a run of this length, on this machine."""
    return max(anyway, a_minute * minutes_of_faults(evidence) / evidence.patience)


@check("load-was-real")
def real(evidence: Evidence) -> Iterator[str]:
    """There was work of every kind, much each minute; 80% of requests outside of faults came to what was due."""
    good, total = share_ok(evidence)
    if total < (least := _least(evidence, LEAST_REQUESTS, REQUESTS_A_MINUTE)):
        yield f"only {total} requests were made outside of faults, and there should be {least:.0f}"
    elif good < LEAST_SHARE * total:
        yield f"only {good} of {total} requests outside of faults were answered as they should be"
    yield from _not_done(evidence)
    completed = sum(row["status"] == "COMPLETED" for row in evidence.intents.values())
    if completed < (least := _least(evidence, LEAST_COMPLETED, COMPLETED_A_MINUTE)):
        yield f"only {completed} intents were completed, and there should be {least:.0f}"
    redelivered = sum(len(handovers(events)) > 1 for events in evidence.events.values())
    least = _least(evidence, LEAST_REDELIVERED, REDELIVERED_A_MINUTE)
    if redelivered < least and evidence.landed(*TAKING):
        yield f"only {redelivered} intents were handed over more than once, and there should be {least:.0f}"
    kinds = {run["agent"] for run in evidence.of_kind("run")}
    if missing := {"axme", "socket", "hasty"} - kinds:
        yield f"no work was done by agents of the kind {', '.join(sorted(missing))}"
    ways = Counter(entry["how"] for entry in evidence.of_kind("watched"))
    if missing := {"stream", "events", "websocket", "wait_for"} - ways.keys():
        yield f"nobody looked by {', '.join(sorted(missing))}"


#: What has to have succeeded, and what has to have been refused; the kill switch, if there was a fault that uses it.
_DOINGS = ("submit", "batch", "cancel", "retry", "read", "list", "complete", "checkpoint")
_REFUSED = ("spy",)
_KILLS = "end at once"


def _not_done(evidence: Evidence) -> Iterator[str]:
    done = Counter(
        (asked["do"], came["kind"]) for asked, came in evidence.requests(*_DOINGS, *_REFUSED, "kill")
    )
    for do in (*_DOINGS, *(["kill"] if evidence.landed(_KILLS) else [])):
        if not done[do, "ok"]:
            yield f"no {do} succeeded"
    for do in _REFUSED:
        if not done[do, "failed"]:
            yield f"no {do} was refused"


@check("nobody-dies-unasked")
def nobody_dies(evidence: Evidence) -> Iterator[str]:
    """No process of Perdure, no agent and no part of the load dies but by a fault, and the load comes to its end."""
    excused = [
        (each["from"], each["until"]) for each in evidence.of_kind("fault") if each["fault"] in MAY_KILL
    ]
    for entry in evidence.of_kind("died"):
        is_agent = entry["part"] != "worker" and not entry["part"].startswith("web-")
        if is_agent and entry["code"] in KILLED:
            continue
        if not any(start <= entry["at"] <= end for start, end in excused):
            yield f"{entry['part']} ended by itself: exit code {entry['code']}"
    for entry in evidence.of_kind("crashed"):
        yield f"{entry['who']} does not {entry['what']} any more: {entry['error']}"
    stopped = {entry["who"] for entry in evidence.of_kind("stopped")}
    for who in sorted({entry["who"] for entry in evidence.of_kind("load")} - stopped):
        yield f"{who} has not come to its end"
    for entry in evidence.of_kind("load ended"):
        if entry["code"] != 0:
            yield f"{entry['part']} ended with exit code {entry['code']}"


@check("processes-return-to-rest")
def at_rest(evidence: Evidence) -> Iterator[str]:
    """In the end a process has at most 20 descriptors, 10 threads, 20 tasks, 48 MiB and a quarter more, on average."""
    first, last = _held(evidence, "before"), _held(evidence, "after")
    if not first or {kind: held["processes"] for kind, held in first.items()} != {
        kind: held["processes"] for kind, held in last.items()
    }:
        yield f"measured were {sorted(first)} before and {sorted(last)} after"
    for kind in first.keys() & last.keys():
        before, after, number = first[kind], last[kind], first[kind]["processes"]
        limits = {
            "descriptors": before["descriptors"] + MORE_DESCRIPTORS * number,
            "threads": before["threads"] + MORE_THREADS * number,
            "tasks": before["tasks"] + MORE_TASKS * number,
            "rss": before["rss"] * MORE_MEMORY + MEMORY_BYTES * number,
            "database_connections": before["database_connections"] + MORE_CONNECTIONS * number,
        }
        for name, limit in limits.items():
            if after[name] > limit:
                yield f"{number} {kind} have {name} {after[name]:,}, and had {before[name]:,} at first"


def _held(evidence: Evidence, when: str) -> dict[str, Counter[str]]:
    """What processes held, those of a kind together: agents that connect again may come to another one of them."""
    held: dict[str, Counter[str]] = {}
    for entry in evidence.of_kind("resources"):
        if entry["when"] == when:
            kind = held.setdefault(entry["part"].partition("-")[0], Counter())
            kind.update({"processes": 1, **{name: entry.get(name, 0) for name in HELD}})
    return held
