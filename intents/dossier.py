"""All that one page says of one intent, read in a few statements however long its history is.

What is read here is a generator of statements, as in `operations`: pages run it on Django's connection (`now`), live
streams on the process's pool (`soon`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID

import orjson

from intents import blocking, chapters, coalescer, ledger, story
from intents.blocking import Blocking, Obstacle
from intents.chapters import Chapter, Mark
from intents.errors import IntentNotFound
from intents.lifecycle import OPEN
from intents.operations import Steps
from intents.records import Row

T = TypeVar("T")

#: A payload or a value that is larger than this is not part of the page.
LARGEST_SHOWN = 128 * 1024
#: The same for the details of one event among many, and for a checkpoint's value.
LARGEST_DETAILS = 16 * 1024
MOST_CHECKPOINTS = 1_000
#: So many bytes of checkpoints' values, as many more in HTML, in one page.
LARGEST_TOGETHER = 128 * 1024
MOST_RELATIVES = 50


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, and how long after the one before it came."""

    seq: int
    type: str
    status: str
    actor: str
    at: datetime
    details: dict[str, Any]
    gap: timedelta | None = None
    #: how large the details are in bytes, if they are too large to be here
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint, with its value if that is short."""

    step: str
    position: int
    attempt: int
    at: datetime
    size: int
    content_type: str
    value: bytes | None


@dataclass(frozen=True)
class Dossier:
    """One intent as its page shows it."""

    row: Row
    marks: list[Mark] = field(default_factory=list)

    @property
    def intent_id(self) -> UUID:
        return self.row["intent_id"]  # type: ignore[no-any-return]

    @property
    def status(self) -> str:
        return str(self.row["status"])

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def seq(self) -> int:
        """The number of its newest event."""
        return int(self.row["seq"])

    @cached_property
    def blocking(self) -> Blocking | None:
        """Why it is not running; None if it has ended."""
        return blocking.of_row(self.row)

    @property
    def is_held(self) -> bool:
        """Whether somebody works on it."""
        return self.blocking is not None and self.blocking.code is Obstacle.HELD

    @cached_property
    def attributes(self) -> dict[str, Any]:
        return decoded(self.row["attributes"]) or {}

    @cached_property
    def error(self) -> Any:
        return decoded(self.row["error"])

    @property
    def lasts(self) -> timedelta:
        """From its creation to its end, or until now."""
        return (self.row["ended_at"] or self.row["read_at"]) - self.row["created_at"]  # type: ignore[no-any-return]

    @cached_property
    def chapters(self) -> list[Chapter]:
        return chapters.divide(
            self.marks, last=self.seq, created_at=self.row["created_at"], is_held=self.is_held
        )

    @cached_property
    def standing(self) -> story.Standing:
        """What the sentence about it is made of."""
        row = self.row
        steps = [step["step_id"] for step in decoded(row["steps"]) or []]
        current = row["current_step"]
        return story.Standing(
            status=row["status"],
            to_agent=row["to_agent"],
            created_at=row["created_at"],
            attempt=row["attempt"],
            max_attempts=row["max_delivery_attempts"],
            waiting_reason=row["waiting_reason"],
            blocking=self.blocking,
            held_since=row["held_since"],
            held_by=row["held_by"],
            is_started=row["started_at"] is not None,
            checkpoints=row["checkpoints"],
            current_step=current,
            step_number=steps.index(current) + 1 if current in steps else 0,
            steps=len(steps),
            waiting_since=row["waiting_since"],
            deadline_at=row["deadline_at"],
            ended_at=row["ended_at"],
            ended_by=row["ended_by"] or "",
            ending={"error": self.error, "reason": row["reason"]},
        )

    @cached_property
    def sentence(self) -> story.Sentence:
        return story.tell(self.standing)


def decoded(value: Any) -> Any:
    """JSON from the database, which one of its connections takes apart and the other does not."""
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def of(intent_id: UUID, *, organization_id: UUID, workspace_id: UUID) -> Steps[Dossier]:
    """The intent of this workspace, and what its chapters are told by.

    Raises:
        IntentNotFound: there is none of this id in this workspace.
    """
    rows = yield (
        "dossier",
        {
            "ids": [intent_id],
            "organization_id": organization_id,
            "workspace_id": workspace_id,
            "largest": LARGEST_SHOWN,
        },
    )
    if not rows:
        raise IntentNotFound
    marks = yield "marks", {"intent_id": intent_id}
    return Dossier(rows[0], [_mark(row) for row in marks])


def _mark(row: Row) -> Mark:
    is_handing = row["type"] in chapters.HANDED and not (row["is_released"] or row["is_returned"])
    handed = int(row["attempt"]) if is_handing and row["attempt"] is not None else None
    return Mark(
        row["seq"], row["type"], row["at"], handed, row["is_released"], row["is_returned"], row["is_taken"]
    )


def passages(intent_id: UUID, runs: Sequence[tuple[int, int]]) -> Steps[list[Happening]]:
    """The events within these runs of numbers, in order."""
    if not runs:
        return []
    rows = yield (
        "passages",
        {
            "intent_id": intent_id,
            "firsts": [first for first, _ in runs],
            "lasts": [last for _, last in runs],
            "largest": LARGEST_DETAILS,
        },
    )
    return [
        Happening(
            seq=row["seq"],
            type=row["type"],
            status=row["status"],
            actor=row["actor"],
            at=row["at"],
            details=decoded(row["details"]),
            gap=row["at"] - row["after"] if row["after"] is not None else None,
            left_out=row["size"] if row["size"] > LARGEST_DETAILS else 0,
        )
        for row in rows
    ]


def checkpoints(intent_id: UUID) -> Steps[list[Saved]]:
    """What has been saved of its work, in order."""
    rows = yield (
        "checkpoints_shown",
        {
            "intent_id": intent_id,
            "largest": LARGEST_DETAILS,
            "together": LARGEST_TOGETHER,
            "limit": MOST_CHECKPOINTS,
        },
    )
    return [
        Saved(**{**row, "value": bytes(row["value"]) if row["value"] is not None else None}) for row in rows
    ]


def relations(intent_id: UUID) -> Steps[dict[str, list[Row]]]:
    """The intents around it: parent, retry_of, child, retry, sibling -> those."""
    rows = yield "relations", {"intent_id": intent_id, "limit": MOST_RELATIVES}
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["kind"]].append(row)
    return dict(found)


def now(steps: Steps[T]) -> T:
    """Read it on Django's connection."""
    try:
        name, parameters = next(steps)
        while True:
            name, parameters = steps.send(ledger.read(name, **parameters))
    except StopIteration as end:
        answer: T = end.value
        return answer


async def soon(steps: Steps[T]) -> T:
    """Read it on the process's pool."""
    try:
        name, parameters = next(steps)
        while True:
            name, parameters = steps.send(await coalescer.read(name, **parameters))
    except StopIteration as end:
        answer: T = end.value
        return answer
