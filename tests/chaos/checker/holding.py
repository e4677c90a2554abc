"""Checks of leases and steps: who was superseded changes nothing, and what is saved is not done again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.chaos.checker.evidence import Evidence, Row
from tests.chaos.checker.living import handovers
from tests.chaos.checker.verdicts import check
from tests.chaos.history import Entry


@check("superseded-attempts-write-nothing")
def superseded(evidence: Evidence) -> Iterator[str]:
    """No result or step is recorded of an attempt after another one had been handed to somebody else."""
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
    for other in evidence.runs.get(intent_id, ()):
        if other["run"] != run and attempt < other["attempt"] == newest and other["at"] < at:
            yield f"{intent_id}: {what} of attempt {attempt} was recorded while {other['who']} had attempt {newest}"
            return


@check("one-live-lease")
def one_lease(evidence: Evidence) -> Iterator[str]:
    """An intent is owed once and held by one: no handing over goes to two, and no write of two is taken in turns."""
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
    taken: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
    for asked, came in evidence.requests("acknowledge", "checkpoint", "complete"):
        if asked.get("lease") and came["kind"] == "ok" and isinstance(asked.get("attempt"), int):
            taken[asked["intent"]].append((asked["at"], asked["attempt"], asked["lease"]))
    for intent_id, writes in taken.items():
        newest = 0
        for _, attempt, lease in sorted(writes):
            if attempt < newest:
                yield f"{intent_id}: a write of attempt {attempt} ({lease}) was taken after one of {newest}"
                break
            newest = max(newest, attempt)


@check("steps-are-done-once")
def once(evidence: Evidence) -> Iterator[str]:
    """No step is done again by whom an intent was handed after the step had been saved."""
    saved = {(row["intent"], row["step"]): row for rows in evidence.checkpoints.values() for row in rows}
    began = {entry["run"]: entry for entry in evidence.of_kind("run")}
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


@check("steps-are-stored-once")
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


@check("killed-agents-write-nothing")
def killed(evidence: Evidence) -> Iterator[str]:
    """Nothing is taken from an agent between the answer that it is killed and the request to resume it."""
    kills: dict[str, list[tuple[float, float]]] = defaultdict(list)
    resumes = [(asked["agent"], asked["at"]) for asked, _ in evidence.requests("resume")]
    for asked, came in evidence.requests("kill"):
        if came["kind"] == "ok":
            later = [at for agent, at in resumes if agent == asked["agent"] and at > came["at"]]
            kills[asked["agent"]].append((came["at"], min(later, default=float("inf"))))
    for asked, came in evidence.requests("complete", "checkpoint", "acknowledge"):
        for dead, alive in kills.get(asked.get("agent", ""), ()):
            if came["kind"] == "ok" and dead < asked["at"] and came["at"] < alive:
                yield f"{asked['agent']} was killed, and then its {asked['do']} of {asked['intent']} was taken"
