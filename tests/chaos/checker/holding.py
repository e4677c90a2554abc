"""Checks of leases and steps: who was superseded changes nothing, and what is saved is not done again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.chaos.checker.evidence import Evidence, Row
from tests.chaos.checker.living import handovers
from tests.chaos.checker.verdicts import check
from tests.chaos.history import Entry


def _was_handed_on(evidence: Evidence) -> bool:
    """Whether an intent was begun again, before its end, by another than who had it."""
    return any(len({run["run"] for run in runs}) > 1 for runs in evidence.runs.values())


@check(
    "superseded-attempts-write-nothing",
    has_evidence=_was_handed_on,
    fed_by=("freeze an agent past its lease", "kill an agent"),
)
def superseded(evidence: Evidence) -> Iterator[str]:
    """No result or step is recorded of an attempt, or under a lease, after work under a later one had been begun."""
    for intent_id, events in evidence.events.items():
        for event in events:
            if event["type"] == "intent.completed" and isinstance(event["details"].get("result"), dict):
                yield from _late(evidence, intent_id, event["details"]["result"], event["at"], "the result")
    for intent_id, rows in evidence.checkpoints.items():
        for row in rows:
            if row["attempt"] and isinstance(row["value"], dict):
                yield from _late(evidence, intent_id, row["value"], row["at"], f"step {row['step']}")


def _late(evidence: Evidence, intent_id: str, said: dict[str, Any], at: float, what: str) -> Iterator[str]:
    """Whether the run that wrote this had been followed by another one, which somebody else had begun by then."""
    run, attempt = said.get("run"), said.get("attempt")
    if run is None or not isinstance(attempt, int):
        return
    current = [
        int(event["details"]["delivery_attempt"])
        for event in handovers(evidence.events[intent_id])
        if event["at"] <= at
    ]
    newest = current[-1] if current else 0
    place = _place(evidence.began.get(run, {}))
    for other in evidence.runs.get(intent_id, ()):
        is_later = attempt < other["attempt"] == newest or (place and place < _place(other))
        if other["run"] != run and is_later and other["at"] < at:
            yield (
                f"{intent_id}: {what} of attempt {attempt} (handing over {place or 'unknown'}) was recorded while "
                f"{other['who']} had attempt {other['attempt']} ({_place(other) or 'unknown'})"
            )
            return


#: Agents that name in each write the lease of what they were handed, and no other. The package `axme` names none: a
#: request that is on its way for long counts as long as its attempt does; and `perdure` goes on with work in hand under
#: the lease of a later handing over, should that come to the same process. Both are judged by their attempts alone.
NAMING = ("hasty", "crowd")


def _place(run: Entry) -> int:
    """The number of the handing over, if it tells: an attempt that was given back comes again in another one."""
    return int(run.get("seq") or 0) if run.get("agent") in NAMING else 0


@check("one-live-lease")
def one_lease(evidence: Evidence) -> Iterator[str]:
    """An intent is owed once; no handing over goes to two, and no write under a lease is taken after a later one's."""
    for intent_id, rows in evidence.deliveries.items():
        if len(rows) > 1:
            yield f"{intent_id} is owed {len(rows)} times"
    for intent_id, runs in evidence.runs.items():
        places: dict[int, set[str]] = defaultdict(set)
        for run in runs:
            if run.get("seq") is not None:
                places[run["seq"]].add(run["run"])
        for seq, at_work in places.items():
            if len(at_work) > 1:
                yield f"{intent_id}: the handing over {seq} was given to {len(at_work)} runs"
    yield from _in_turns(evidence)


def _in_turns(evidence: Evidence) -> Iterator[str]:
    """Writes under a lease that were asked for after a later lease's first write was taken, and were taken too."""
    taken: dict[str, list[tuple[float, int, int, str]]] = defaultdict(list)
    places = {run["lease"]: _place(run) for run in evidence.of_kind("run") if run.get("lease")}
    for asked, came in evidence.requests("acknowledge", "checkpoint", "complete"):
        if asked.get("lease") and came["kind"] == "ok" and isinstance(asked.get("attempt"), int):
            place = places.get(asked["lease"], 0)
            taken[asked["intent"]].append((asked["at"], asked["attempt"], place, asked["lease"]))
    for intent_id, writes in taken.items():
        newest = (0, 0)
        for _, attempt, place, lease in sorted(writes):
            if attempt < newest[0] or 0 < place < newest[1]:
                yield (
                    f"{intent_id}: a write of attempt {attempt} ({lease}, handing over {place}) was taken after one of "
                    f"{newest[0]} (handing over {newest[1]})"
                )
                break
            newest = max(newest[0], attempt), max(newest[1], place)


def _was_begun_after_a_step(evidence: Evidence) -> bool:
    """Whether somebody began where a step had been saved already."""
    return any(
        row["at"] < run["at"]
        for intent_id, rows in evidence.checkpoints.items()
        for row in rows
        for run in evidence.runs.get(intent_id, ())
    )


@check("steps-are-done-once", has_evidence=_was_begun_after_a_step)
def once(evidence: Evidence) -> Iterator[str]:
    """No step is done again by whom an intent was handed after the step had been saved."""
    saved = {(row["intent"], row["step"]): row for rows in evidence.checkpoints.values() for row in rows}
    began = evidence.began
    for entry in evidence.of_kind("step"):
        row, run = saved.get((entry["intent"], entry["step"])), began.get(entry["run"])
        if row is None or run is None or row["at"] >= run["at"] or _is_own(row, entry["run"]):
            continue
        # Who was superseded before it came to begin cannot know what the next one has saved; nor can it save anything.
        if not _precedes(run, row, began):
            yield f"{entry['intent']}: {entry['who']} did {entry['step']} again, saved by attempt {row['attempt']}"


def _precedes(run: Entry, row: Row, began: dict[str, Entry]) -> bool:
    """Whether this run's handing over came before that of the run by which the step was saved."""
    if not row["attempt"]:
        return False  # inherited: it was there before anything was handed over
    value = row["value"] if isinstance(row["value"], dict) else {}
    saver = began.get(value.get("run", ""), {})
    return (run["attempt"], run.get("seq") or 0) < (row["attempt"], saver.get("seq") or 0)


def _is_own(row: dict[str, Any], run: str) -> bool:
    return isinstance(row["value"], dict) and row["value"].get("run") == run


@check("steps-are-stored-once", has_evidence=lambda evidence: any(evidence.checkpoints.values()))
def stored_once(evidence: Evidence) -> Iterator[str]:
    """A step of an intent has one value, and one event that tells of it."""
    for intent_id in evidence.intents:
        rows = evidence.checkpoints.get(intent_id, [])
        steps = [row["step"] for row in rows]
        told = [
            event["details"]["checkpoint"]["step"]
            for event in evidence.events[intent_id]
            if "checkpoint" in event["details"]
        ]
        own = [row["step"] for row in rows if row["attempt"]]
        if len(set(steps)) != len(steps) or sorted(told) != sorted(own):
            yield f"{intent_id} has steps {steps} and tells of {told}"


def _killed(evidence: Evidence) -> dict[str, list[tuple[float, float]]]:
    """By agent: the times between the answer that it is killed and the request to resume it."""
    kills: dict[str, list[tuple[float, float]]] = defaultdict(list)
    resumes = [(asked["agent"], asked["at"]) for asked, _ in evidence.requests("resume")]
    for asked, came in evidence.requests("kill"):
        if came["kind"] == "ok":
            later = [at for agent, at in resumes if agent == asked["agent"] and at > came["at"]]
            kills[asked["agent"]].append((came["at"], min(later, default=float("inf"))))
    return kills


def _writes_of_killed(evidence: Evidence) -> Iterator[tuple[Entry, Entry]]:
    """What an agent asked for, and was told, while it was killed."""
    kills = _killed(evidence)
    for asked, came in evidence.requests("complete", "checkpoint", "acknowledge"):
        for dead, alive in kills.get(asked.get("agent", ""), ()):
            if dead < asked["at"] and came["at"] < alive:
                yield asked, came


@check(
    "killed-agents-write-nothing",
    has_evidence=lambda evidence: any(_writes_of_killed(evidence)),
    fed_by=("end at once",),
)
def killed(evidence: Evidence) -> Iterator[str]:
    """Nothing is taken from an agent between the answer that it is killed and the request to resume it."""
    for asked, came in _writes_of_killed(evidence):
        if came["kind"] == "ok":
            yield f"{asked['agent']} was killed, and then its {asked['do']} of {asked['intent']} was taken"
