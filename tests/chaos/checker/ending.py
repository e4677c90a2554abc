"""Checks of why things are as they are: endings have reasons, results and steps are of the intents that have them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.chaos.checker.evidence import Evidence, Row
from tests.chaos.checker.living import ENDS, handovers
from tests.chaos.checker.verdicts import check

#: Agents that write down their requests to complete; what of `axme`'s was done, its refusals do not tell: the package
#: may ask again by itself, and is then told that the intent has ended, by itself.
TELLING = ("hasty", "crowd")
END_REQUESTS = ("complete", "cancel")


@check("ended-for-a-reason")
def ended_for_a_reason(evidence: Evidence) -> Iterator[str]:
    """What ended was asked to end, or overdue, or had no attempt left; its result and steps are of work on it."""
    possible = _possible(evidence)
    for intent_id, row in evidence.intents.items():
        for event in evidence.events[intent_id]:
            if event["type"] in ENDS:
                yield from _REASONS[ENDS[event["type"]]](evidence, possible, row, event)
        for step in evidence.checkpoints.get(intent_id, ()):
            if isinstance(step["value"], dict):
                yield from _step(evidence, row, step)


def _possible(evidence: Evidence) -> dict[str, set[str]]:
    """By what was asked for: the intents for which it was, and was not refused."""
    possible: dict[str, set[str]] = {do: set() for do in END_REQUESTS}
    for asked, came in evidence.requests(*END_REQUESTS):
        # A refusal of this kind says that nobody knows: the database went away meanwhile.
        if came["kind"] != "failed" or came.get("code") == "unavailable":
            possible[asked["do"]].add(asked["intent"])
    # Who measures how an intent is delivered takes it back afterwards, and writes down the former.
    possible["cancel"] |= {entry["intent"] for entry in evidence.of_kind("probe")}
    return possible


def _completed(evidence: Evidence, possible: dict[str, set[str]], row: Row, event: Row) -> Iterator[str]:
    result = event["details"].get("result")
    said = result if isinstance(result, dict) else {}
    if "run" not in said:
        if row["id"] not in possible["complete"]:
            yield f"{row['id']} is COMPLETED with {result}, and nobody asked for that"
        return
    yield from _is_its_own(evidence, row, said, "the result", {row["id"]})
    run = evidence.began.get(said["run"])
    # The package `perdure` goes on with what it has in hand when the same intent is handed to it again.
    is_later = run and run["agent"] == "socket" and int(said.get("attempt") or 0) > run["attempt"]
    if run and said.get("attempt") != run["attempt"] and not is_later:
        yield f"{row['id']} has a result of attempt {said.get('attempt')}, and {said['run']} was {run['attempt']}"
    if run and run["agent"] in TELLING and row["id"] not in possible["complete"]:
        yield f"{row['id']} is COMPLETED, and {run['who']} was refused each time"


def _canceled(evidence: Evidence, possible: dict[str, set[str]], row: Row, event: Row) -> Iterator[str]:
    if row["id"] not in possible["cancel"]:
        yield f"{row['id']} is CANCELED, and nobody asked for that"


def _timed_out(evidence: Evidence, possible: dict[str, set[str]], row: Row, event: Row) -> Iterator[str]:
    deadline = row.get("deadline")
    if deadline is None:
        yield f"{row['id']} is TIMED_OUT, and has no deadline"
    elif event["at"] < deadline:
        yield f"{row['id']} is TIMED_OUT {deadline - event['at']:.3f} s before its deadline"


def _failed(evidence: Evidence, possible: dict[str, set[str]], row: Row, event: Row) -> Iterator[str]:
    """No agent of a run fails an intent on purpose: what fails is a dead letter."""
    events = evidence.events[row["id"]]
    warned = any(each["type"] == "intent.delivery_failed" for each in events)
    attempts = [int(each["details"]["delivery_attempt"]) for each in handovers(events)]
    if not warned:
        yield f"{row['id']} is FAILED, and nobody made it fail: {event['details']}"
    elif row["attempt"] != row["maximum"] or not attempts or attempts[-1] != row["maximum"]:
        yield f"{row['id']} is a dead letter at attempt {row['attempt']} of {row['maximum']}, handed over: {attempts}"


_REASONS = {"COMPLETED": _completed, "CANCELED": _canceled, "TIMED_OUT": _timed_out, "FAILED": _failed}


def _step(evidence: Evidence, row: Row, step: Row) -> Iterator[str]:
    """Who tries again inherits the steps of what was tried before. The attempt may be one less than was said: a
    connection that ended gives back what nobody had begun, and its agent may go on until it is handed to another.
    """
    value, what = step["value"], f"step {step['step']}"
    if value.get("step", step["step"]) != step["step"]:
        yield f"{row['id']}: {what} has the value of {value['step']}"
    if "run" in value:
        yield from _is_its_own(evidence, row, value, what, {row["id"], *_before(evidence, row)})


def _before(evidence: Evidence, row: Row) -> Iterator[str]:
    """The intents that this one is a retry of, directly or not."""
    while row and (earlier := row["retry_of"]):
        yield earlier
        row = evidence.intents.get(earlier, {})


def _is_its_own(evidence: Evidence, row: Row, said: dict[str, Any], what: str, of: set[str]) -> Iterator[str]:
    """Whether who wrote this had one of these intents in hand."""
    run = evidence.began.get(said["run"])
    objection = partial("{}: {} is of {}".format, row["id"], what)
    if run is None:
        yield objection(f"{said['run']}, which nobody has begun")
    elif run["intent"] not in of:
        yield objection(f"{run['who']}'s work on {run['intent']}")
    if said.get("marker", row["marker"]) != row["marker"]:
        yield objection(f"{said['marker']}, and what was asked for is {row['marker']}")
