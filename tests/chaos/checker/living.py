"""Checks of histories: each adds up, ends once, and counts its attempts."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checker.evidence import Evidence, Row
from tests.chaos.checker.verdicts import check

ENDS = {
    "intent.completed": "COMPLETED",
    "intent.failed": "FAILED",
    "intent.canceled": "CANCELED",
    "intent.timed_out": "TIMED_OUT",
}
TERMINAL = frozenset(ENDS.values())
OPEN = frozenset({"CREATED", "SUBMITTED", "DELIVERED", "ACKNOWLEDGED", "IN_PROGRESS", "WAITING"})
#: As docs/lifecycle.md has it: event → what it may follow, what it leads to. Written down once more, on purpose.
TRANSITIONS = {
    "intent.created": (frozenset({""}), "CREATED"),
    "intent.submitted": (frozenset({"CREATED", "DELIVERED"}), "SUBMITTED"),
    "intent.delivered": (frozenset({"SUBMITTED"}), "DELIVERED"),
    "intent.acknowledged": (frozenset({"SUBMITTED", "DELIVERED"}), "ACKNOWLEDGED"),
    "intent.in_progress": (OPEN - {"CREATED"}, "IN_PROGRESS"),
    "intent.waiting": (OPEN - {"CREATED"}, "WAITING"),
    "intent.delivery_failed": (OPEN, "FAILED"),
    **{event: (OPEN, status) for event, status in ENDS.items()},
}
SIGNALS = frozenset({"intent.reminder", "intent.escalated", "intent.transfer", "intent.timeout"})
#: An attempt may be given back so often before it counts all the same.
MOST_RETURNS = 3


@check("one-terminal-event-each")
def ends_once(evidence: Evidence) -> Iterator[str]:
    """Every intent that has ended has exactly one terminal event, and it is the last."""
    for intent_id, row in evidence.intents.items():
        types = [event["type"] for event in evidence.events[intent_id]]
        ends = [event for event in types if event in ENDS]
        if row["status"] in TERMINAL and (len(ends) != 1 or types[-1] != ends[0]):
            yield f"{intent_id} is {row['status']} and its history is {_short(types)}"
        if row["status"] in OPEN and ends:
            yield f"{intent_id} is {row['status']} and has ended: {_short(types)}"


@check("histories-have-no-gap")
def gapless(evidence: Evidence) -> Iterator[str]:
    """The events of every intent are numbered from 1 without a gap, up to what the intent says."""
    for intent_id, row in evidence.intents.items():
        numbers = [event["seq"] for event in evidence.events[intent_id]]
        if numbers != list(range(1, row["seq"] + 1)):
            yield f"{intent_id} says {row['seq']} and has events {numbers}"


@check("transitions-are-legal")
def legal(evidence: Evidence) -> Iterator[str]:
    """Every event may follow the one before it, and together they lead to the intent's status."""
    for intent_id, row in evidence.intents.items():
        status = ""
        for event in evidence.events[intent_id]:
            if event["type"] in SIGNALS and status in OPEN:
                continue
            allowed, reached = TRANSITIONS.get(event["type"], (frozenset[str](), ""))
            is_last_word = status == "FAILED" and event["type"] == "intent.failed"
            if status not in allowed and not (
                is_last_word and _has_warned(evidence.events[intent_id], event)
            ):
                yield f"{intent_id}: {event['type']} (seq {event['seq']}) follows {status or 'nothing'}"
                break
            status = reached
        else:
            if status != row["status"]:
                yield f"{intent_id} is {row['status']} and its history makes it {status}"


def _has_warned(events: list[Row], end: Row) -> bool:
    """Whether the event before this one announced it."""
    return any(each["seq"] == end["seq"] - 1 and each["type"] == "intent.delivery_failed" for each in events)


def handovers(events: list[Row]) -> list[Row]:
    """The events that tell of a handing over."""
    return [
        event
        for event in events
        if event["type"] in ("intent.delivered", "intent.in_progress")
        and "delivery_attempt" in event["details"]
        and not event["details"].get("released")
        and not event["details"].get("returned")
    ]


@check("attempts-are-counted")
def counted(evidence: Evidence) -> Iterator[str]:
    """Each handing over is the next attempt, unless the last was given back, which it is three times at most."""
    for intent_id, row in evidence.intents.items():
        last = returns = 0
        given_back = False
        for event in evidence.events[intent_id]:
            if event["details"].get("returned"):
                given_back = True
                continue
            if event not in handovers([event]):
                continue
            attempt = int(event["details"]["delivery_attempt"])
            returns = returns + 1 if given_back else 0
            if attempt != last + (not given_back) or returns > MOST_RETURNS:
                yield f"{intent_id}: attempt {attempt} follows {last}, {returns} times given back (seq {event['seq']})"
                break
            last, given_back = attempt, False
        for run in evidence.runs.get(intent_id, ()):
            if run["attempt"] > last:
                yield f"{intent_id}: {run['who']} was given attempt {run['attempt']}, and {last} are noted"
                break
        if last > row["maximum"]:
            yield f"{intent_id} was handed over {last} times, of {row['maximum']}"


@check("attempts-stay-within-the-maximum")
def within(evidence: Evidence) -> Iterator[str]:
    """No intent has more attempts than its maximum, and none is worked on more often than it was handed over."""
    for intent_id, row in evidence.intents.items():
        if row["attempt"] > row["maximum"]:
            yield f"{intent_id} is at attempt {row['attempt']} of {row['maximum']}"
        runs = len(evidence.runs.get(intent_id, ()))
        most = row["maximum"] * (1 + MOST_RETURNS)
        if runs > most:
            yield f"{intent_id} was worked on {runs} times, and may be {row['maximum']} times"
        if runs > (given := len(handovers(evidence.events[intent_id]))):
            yield f"{intent_id} was worked on {runs} times, and was handed over {given} times"


@check("endings-that-were-confirmed-stand")
def confirmed(evidence: Evidence) -> Iterator[str]:
    """Who was told that a cancellation or a result was taken finds the intent ended by it."""
    wanted = {"cancel": "CANCELED", "complete": "COMPLETED"}
    winners: dict[str, str] = {}
    for asked, came in evidence.requests(*wanted):
        row = evidence.intents.get(asked["intent"])
        if came["kind"] != "ok" or row is None:
            continue
        if row["status"] != wanted[asked["do"]]:
            yield f"{row['id']} is {row['status']}, and {asked['who']} was told that it is {wanted[asked['do']]}"
        before = winners.setdefault(asked["intent"], asked["op"])
        if before != asked["op"] and not asked.get("lease"):
            yield f"{row['id']} was ended twice with success: {before} and {asked['op']}"


def _short(types: list[str]) -> str:
    return " ".join(each.removeprefix("intent.") for each in types) or "empty"
