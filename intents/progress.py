"""What an agent says of its work before the end: checkpoints and usage reports, as operations of the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.conf import settings

from intents.errors import Outcome
from intents.lifecycle import EventType
from intents.operations import Steps, document, holds
from intents.records import Done, Report, Row, Save, Saved
from intents.signals import Changes

#: What is refused for want of room too: it was not seen if it was saved, and filled the intent, at the same time.
_MAY_BE_STORED = frozenset({Outcome.REPEATED, Outcome.TOO_MANY, Outcome.TOO_LARGE})


def checkpoint(asked: Sequence[Save], changes: Changes) -> Steps[list[Saved]]:
    """Save steps of intents. The first value of a step wins; who comes later is answered what is stored."""
    sizes = [len(each.value) for each in asked]
    rows = yield (
        "checkpoint",
        {
            **holds(each.hold for each in asked),
            "steps": [each.step for each in asked],
            "content_types": [each.content_type for each in asked],
            "starts": list(_starts(sizes)),
            "sizes": sizes,
            "values": b"".join([each.value for each in asked]),
            "most": settings.PERDURE_CHECKPOINTS_PER_INTENT,
            "most_bytes": settings.PERDURE_CHECKPOINT_BYTES_PER_INTENT,
        },
    )
    _note(rows, changes)
    unsaved = [
        (each.hold.intent_id, each.step)
        for each, row in zip(asked, rows, strict=True)
        if row["outcome"] in _MAY_BE_STORED
    ]
    stored = (yield from _stored(unsaved)) if unsaved else {}
    return [_saved(each, row, stored) for each, row in zip(asked, rows, strict=True)]


def _starts(sizes: Iterable[int]) -> Iterable[int]:
    """Where each begins when all are put together; SQL counts from 1."""
    start = 1
    for size in sizes:
        yield start
        start += size


def _stored(named: Sequence[tuple[UUID, str]]) -> Steps[dict[tuple[UUID, str], Row]]:
    rows = yield (
        "stored_checkpoints",
        {"ids": [intent_id for intent_id, _ in named], "steps": [step for _, step in named]},
    )
    return {(row["intent_id"], row["step"]): row for row in rows}


def _saved(asked: Save, row: Row, stored: dict[tuple[UUID, str], Row]) -> Saved:
    outcome = Outcome(row["outcome"])
    if outcome in _MAY_BE_STORED and (first := stored.get((asked.hold.intent_id, asked.step))):
        return Saved(Outcome.REPEATED, first)
    if outcome is Outcome.REPEATED:
        return Saved(Outcome.UNKNOWN, {})  # gone since, with its intent
    if outcome is not Outcome.DONE:
        return Saved(outcome, {})
    mine = {
        "step": asked.step,
        "attempt": row["attempt"],
        "at": row["at"],
        "size": len(asked.value),
        "content_type": asked.content_type,
        "value": asked.value,
    }
    return Saved(outcome, mine)


def report(asked: Sequence[Report], changes: Changes) -> Steps[list[Done]]:
    """Note what the work on intents has cost."""
    rows = yield (
        "report",
        {**holds(each.hold for each in asked), "usages": [document(each.usage) for each in asked]},
    )
    _note(rows, changes)
    return [Done(Outcome(row["outcome"]), row) for row in rows]


def _note(rows: Sequence[Row], changes: Changes) -> None:
    grown = Counter[Any](row["intent_id"] for row in rows if row["outcome"] == Outcome.DONE)
    changes.intents.update(grown)
    changes.events[EventType.IN_PROGRESS] += grown.total()
