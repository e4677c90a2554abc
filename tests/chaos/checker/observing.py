"""Checks of those who look on: whatever way they looked, and wherever from, they saw what is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.living import ENDS, TERMINAL
from tests.chaos.checker.verdicts import check
from tests.chaos.history import Entry

#: Who looks when all is over, with nothing in the way: what is not told then is never told.
LAST = "observer-"
WAYS = ("stream", "events", "websocket", "wait_for")


@check("observers-converge", has_evidence=lambda evidence: bool(evidence.of_kind("watched", "listed")))
def converge(evidence: Evidence) -> Iterator[str]:
    """Streams from any cursor, events and outcomes of a random part, and lists of all, tell what is stored."""
    for entry in evidence.of_kind("watched"):
        if entry["intent"] not in evidence.intents:
            yield f"{entry['who']} saw {entry['intent']}, which is not there"
        elif entry["how"] in ("stream", "events"):
            yield from _events(evidence, entry)
        else:
            yield from _outcome(evidence, entry)
    for entry in evidence.of_kind("listed"):
        yield from _listing(evidence, entry)
    for asked, came in evidence.requests("list"):
        if unknown := [each for each in came.get("intents", ()) if each not in evidence.intents]:
            yield f"{asked['who']} was given a list with {unknown[0]}, which does not exist"
    for entry in evidence.of_kind("unobserved"):
        yield f"{entry['who']} was not told how {len(entry['intents'])} intents ended, {entry['intents'][0]} among them"
    for entry in evidence.of_kind("unlisted"):
        yield f"{entry['who']} was not given a list: {entry['status']}"
    yield from _left_out(evidence)


def _events(evidence: Evidence, entry: Entry) -> Iterator[str]:
    stored = [[event["seq"], event["type"]] for event in evidence.events[entry["intent"]]]
    wanted = [each for each in stored if each[0] > entry["after"]]
    seen = [list(each) for each in entry["events"]]
    if seen != wanted[: len(seen)]:
        yield f"{entry['who']} saw {seen} of {entry['intent']} after {entry['after']}, and stored is {wanted}"
    elif _should_be_whole(entry, seen) and len(seen) != len(wanted):
        yield f"{entry['who']} saw {len(seen)} of {len(wanted)} events of {entry['intent']}"
    if entry["how"] == "events" and entry.get("status") != evidence.intents[entry["intent"]]["status"]:
        yield f"{entry['who']} saw {entry['intent']} {entry.get('status')}, and it is not"


def _should_be_whole(entry: Entry, seen: list[list[Any]]) -> bool:
    is_over = bool(seen) and seen[-1][1] in ENDS
    return is_over or entry["how"] == "events" or entry["who"].startswith(LAST)


def _left_out(evidence: Evidence) -> Iterator[str]:
    """What who looks last has seen in one way, and not in another."""
    looked: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for entry in evidence.of_kind("watched"):
        if entry["who"].startswith(LAST):
            looked[entry["who"]][entry["how"]].add(entry["intent"])
    for who, ways in looked.items():
        everything = set.union(*ways.values())
        for how in WAYS:
            if missing := everything - ways[how]:
                yield f"{who} has seen nothing of {len(missing)} intents by {how}, {min(missing)} among them"


def _outcome(evidence: Evidence, entry: Entry) -> Iterator[str]:
    row = evidence.intents[entry["intent"]]
    if (entry["status"], entry.get("seq", row["seq"])) != (row["status"], row["seq"]):
        yield (
            f"{entry['who']} was told that {row['id']} is {entry['status']} at {entry.get('seq', 'its end')}, "
            f"and it is {row['status']} at {row['seq']}"
        )


def _listing(evidence: Evidence, entry: Entry) -> Iterator[str]:
    stored = {
        intent_id: row["status"]
        for intent_id, row in evidence.intents.items()
        if row["tenant"] == entry["tenant"]
    }
    listed = entry["intents"]
    if unknown := [intent_id for intent_id in listed if intent_id not in evidence.intents]:
        yield f"the list of {entry['tenant']} names {len(unknown)} intents that do not exist, {min(unknown)} among them"
    if missing := stored.keys() - listed.keys():
        yield f"the list of {entry['tenant']} lacks {len(missing)} intents, {min(missing)} among them"
    wrong = [
        intent_id for intent_id in listed.keys() & stored.keys() if listed[intent_id] != stored[intent_id]
    ]
    if wrong:
        yield f"the list of {entry['tenant']} has {min(wrong)} as {listed[min(wrong)]}, and it is {stored[min(wrong)]}"


@check("everything-ends")
def everything_ends(evidence: Evidence) -> Iterator[str]:
    """After the last fault everything owed is done: no intent is open, and no delivery is left."""
    for intent_id, row in evidence.intents.items():
        if row["status"] not in TERMINAL:
            yield f"{intent_id} ({row['marker']}) is still {row['status']}, attempt {row['attempt']}"
        elif evidence.deliveries.get(intent_id):
            yield f"{intent_id} is {row['status']} and still owed"
    for entry in evidence.of_kind("not drained"):
        yield f"after {entry['seconds']:.0f} s there were still {entry['open']} open intents"


@check(
    "delivered-without-rings",
    has_evidence=lambda evidence: bool(evidence.of_kind("probe")),
    fed_by=("drop all rings",),
)
def without_rings(evidence: Evidence) -> Iterator[str]:
    """While the doorbell drops everything, an agent that waits elsewhere gets its work within some seconds."""
    for entry in evidence.of_kind("probe"):
        if entry["seconds"] is None or entry["seconds"] > entry["limit"]:
            took = "never" if entry["seconds"] is None else f"in {entry['seconds']:.1f} s"
            yield f"{entry['intent']} was delivered {took}, while {entry['during']}; wanted are {entry['limit']} s"
