"""Facts that are noted in an intent's history without moving its status, and timers: what happens later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from intents.lifecycle import EventType
from intents.models.timer import TimerKind
from intents.operations import Steps, document
from intents.signals import Changes


@dataclass(slots=True)
class Note:
    """A fact to be noted; its type is one of `lifecycle.SIGNALS`."""

    intent_id: UUID
    type: EventType
    details: dict[str, Any] = field(default_factory=dict)
    actor: str = "system"


@dataclass(slots=True)
class Alarm:
    """A timer to be set, in place of one of its kind that the intent may have."""

    intent_id: UUID
    kind: TimerKind
    seconds: float
    data: dict[str, Any] = field(default_factory=dict)


def note(asked: Sequence[Note], changes: Changes) -> Steps[None]:
    """Note facts in the order asked. What has ended is left alone."""
    if not asked:
        return
    rows = yield (
        "signal",
        {
            "ids": [each.intent_id for each in asked],
            "types": [each.type for each in asked],
            "actors": [each.actor for each in asked],
            "details": [document(each.details) for each in asked],
        },
    )
    changes.intents.update(row["intent_id"] for row in rows)


def set_timers(asked: Sequence[Alarm]) -> Steps[None]:
    """Have something happen to intents later."""
    if asked:
        yield (
            "set_timers",
            {
                "ids": [each.intent_id for each in asked],
                "kinds": [each.kind for each in asked],
                "seconds": [each.seconds for each in asked],
                "data": [document(each.data) for each in asked],
            },
        )
