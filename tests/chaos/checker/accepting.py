"""Checks of what was accepted: nothing lost, nothing doubled, nothing made of what was refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.checker.evidence import Evidence
from tests.chaos.checker.verdicts import check


def _were(evidence: Evidence, kind: str, *do: str) -> bool:
    """Whether any such request had such an outcome."""
    return any(came["kind"] == kind for _, came in evidence.requests(*do))


@check("accepted-intents-are-kept", has_evidence=lambda evidence: _were(evidence, "ok", "submit", "batch"))
def kept(evidence: Evidence) -> Iterator[str]:
    """Every intent that was answered with success is in the database, with the mark of its payload."""
    for asked, came in evidence.requests("submit"):
        if came["kind"] == "ok":
            yield from _is_there(evidence, came["intent"], asked["marker"])
    for asked, came in evidence.requests("batch"):
        if came["kind"] == "ok":
            for intent_id, marker in zip(came["intents"], asked["markers"], strict=True):
                if intent_id is not None:
                    yield from _is_there(evidence, intent_id, marker)
    for asked, came in evidence.requests("retry"):
        if came["kind"] == "ok":
            row = evidence.intents.get(came["intent"])
            if row is None:
                yield f"retry {came['intent']} was accepted and is lost"
            elif row["retry_of"] != asked["intent_before"]:
                yield f"retry {came['intent']} repeats {row['retry_of']} instead of {asked['intent_before']}"


def _is_there(evidence: Evidence, intent_id: str, marker: str) -> Iterator[str]:
    row = evidence.intents.get(intent_id)
    if row is None:
        yield f"{intent_id} ({marker}) was accepted and is lost"
    elif row["marker"] != marker:
        yield f"{intent_id} has the payload of {row['marker']} instead of {marker}"


@check("accepted-intents-are-found-at-once", has_evidence=lambda evidence: _were(evidence, "ok", "read"))
def found_at_once(evidence: Evidence) -> Iterator[str]:
    """Nobody who asks for an intent that has been accepted is told that there is none, whichever process is asked."""
    accepted: dict[str, float] = {}
    for _, came in evidence.requests("submit", "batch", "retry"):
        if came["kind"] == "ok":
            for intent_id in came.get("intents", [came.get("intent")]):
                if intent_id:
                    accepted.setdefault(intent_id, came["at"])
    for asked, came in evidence.requests("read"):
        since = accepted.get(asked["intent"])
        if (
            came["kind"] == "failed"
            and came.get("status") == 404
            and since is not None
            and since < asked["at"]
        ):
            yield f"{asked['intent']} was accepted and then unknown, {asked['at'] - since:.3f} s later"


@check("one-intent-per-key")
def one_per_key(evidence: Evidence) -> Iterator[str]:
    """An idempotency key stands for one intent, however often and wherever it is used."""
    for key, answered in _answers_by_key(evidence).items():
        if len(answered) > 1:
            yield f"{key} was answered with {len(answered)} intents: {', '.join(sorted(answered))}"
    stored: dict[str, list[str]] = defaultdict(list)
    for intent_id, row in evidence.intents.items():
        if row["marker"] and row["retry_of"] is None:
            stored[row["marker"]].append(intent_id)
    for marker, ids in stored.items():
        if len(ids) > 1:
            yield f"{marker} is stored {len(ids)} times: {', '.join(sorted(ids))}"


def _answers_by_key(evidence: Evidence) -> dict[str, set[str]]:
    """By idempotency key: the intents that were named in answers."""
    answers: dict[str, set[str]] = defaultdict(set)
    for asked, came in evidence.requests("submit", "batch", "retry"):
        if came["kind"] == "ok":
            keys = asked["keys"] if "keys" in asked else [asked["key"]]
            ids = came["intents"] if "intents" in came else [came["intent"]]
            for key, intent_id in zip(keys, ids, strict=True):
                if key is not None and intent_id is not None:
                    answers[key].add(intent_id)
    return answers


@check("refusals-leave-nothing", has_evidence=lambda evidence: _were(evidence, "failed", "submit", "batch"))
def refused(evidence: Evidence) -> Iterator[str]:
    """What was refused each time it was asked is not stored."""
    possible: set[str] = set()
    refusals: set[str] = set()
    for asked, came in evidence.requests("submit", "batch"):
        markers = asked.get("markers") or [asked["marker"]]
        (refusals if came["kind"] == "failed" else possible).update(markers)
    stored = {row["marker"] for row in evidence.intents.values()}
    for marker in sorted((refusals - possible) & stored):
        yield f"{marker} was refused and is stored"


@check("tenants-are-apart", has_evidence=lambda evidence: _were(evidence, "failed", "spy"))
def apart(evidence: Evidence) -> Iterator[str]:
    """No tenant is given the mark or number of another's intent; who asks for it, or to end it, is told of none."""
    for entry in evidence.of_kind("seen"):
        if foreign := set(entry["tenants"]) - {entry["tenant"]}:
            yield f"{entry['who']} of {entry['tenant']} has seen something of {', '.join(sorted(foreign))}"
    for asked, came in evidence.requests("spy"):
        if came["kind"] == "ok" or (came["kind"] == "failed" and came["status"] != 404):
            yield f"{asked['who']} was answered {came.get('status', 'ok')} about {asked['intent']}, another tenant's"
    for asked, came in evidence.requests("submit"):
        row = evidence.intents.get(came.get("intent", ""))
        if came["kind"] == "ok" and row and f"-{row['tenant']}-" not in asked["marker"]:
            yield f"{row['id']} of {asked['marker']} is stored as {row['tenant']}'s"
    lists = [
        (asked["tenant"], came["intents"]) for asked, came in evidence.requests("list") if "intents" in came
    ]
    for tenant, ids in (*lists, *((each["tenant"], each["intents"]) for each in evidence.of_kind("listed"))):
        for intent_id in ids:
            row = evidence.intents.get(intent_id)
            if row and row["tenant"] != tenant:
                yield f"{tenant} was shown {intent_id}, which is {row['tenant']}'s"
