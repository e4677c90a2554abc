"""Requests that come again under their idempotency keys: what was recorded answers as the first time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from intents.records import Row, Submission, Submitted

if TYPE_CHECKING:
    from intents.operations import Steps

#: What is answered to a repetition whose first time was forgotten before its answer could be read. It may come again.
FORGOTTEN: Final = "forgotten"
#: Recorded just now, or not judged yet: not to be looked up.
_OPEN = frozenset({"done", "policed"})


def remembered(asked: Sequence[Submission]) -> Steps[dict[tuple[Any, ...], Row]]:
    """What was recorded under the idempotency keys of these, by sender, path and key."""
    if not asked:
        return {}
    rows = yield (
        "remembered",
        {
            "agents": [each.sender_id for each in asked],
            "paths": [each.path for each in asked],
            "keys": [each.idempotency_key for each in asked],
        },
    )
    return {(row["agent_id"], row["path"], row["key"]): row for row in rows}


def answered(asked: Sequence[Submission], found: Mapping[UUID, Row]) -> Steps[dict[UUID, Submitted]]:
    """The answers to those that had been recorded before, by the ids that these were given.

    What is refused by now may have been recorded as well: before its deadline had passed, or an agent was killed.
    """
    doubtful = [
        each for each in asked if each.idempotency_key is not None and found[each.id]["outcome"] not in _OPEN
    ]
    known = yield from remembered(doubtful)
    later = {each.id for each in asked if found[each.id]["outcome"] == "done"}
    answers = {}
    for each in asked:
        later.discard(each.id)
        outcome = found[each.id]["outcome"]
        first = None if outcome in _OPEN else known.get((each.sender_id, each.path, each.idempotency_key))
        if outcome == "repeated":
            answers[each.id] = _repetition(each, first) if first else _forgotten(each, found[each.id])
        elif first and first["intent_id"] not in later:  # which repeats this one, and not the other way round
            answers[each.id] = _repetition(each, first)
    return answers


def _repetition(asked: Submission, first: Row) -> Submitted:
    if bytes(first["request_hash"]) != asked.request_hash:
        return Submitted("conflict", asked.id, first["created_at"])
    return Submitted("repeated", first["intent_id"], first["created_at"], orjson.loads(first["response"]))


def _forgotten(asked: Submission, row: Row) -> Submitted:
    return Submitted(FORGOTTEN, asked.id, row["created_at"])
