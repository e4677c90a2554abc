"""Checkpoints as their readers see them: what may be saved, and what goes along with an intent on its way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson
from django.conf import settings

from agents.errors import ApiError, NotFound
from intents.errors import Outcome
from intents.models.checkpoint import LONGEST_STEP
from intents.operations import SMALL
from intents.records import Row, Saved
from intents.values import Value, beyond, checked_name, in_json

Body = dict[str, Any]

#: The most JSON that the checkpoints of one delivery may be, where a frame has room, and where it has less.
IN_FRAME: Final = 64 * 1024
IN_STREAM: Final = 16 * 1024


class CheckpointNotFound(NotFound):
    """The intent has no such step, or not yet."""

    message = "checkpoint not found"


def checked_step(step: str) -> str:
    """The name of a step, if it can be one.

    Raises:
        Invalid: it cannot.
    """
    return checked_name(step, "step", longest=LONGEST_STEP)


def refusal(outcome: Outcome) -> ApiError | None:
    """Why a step was not saved; None if it was, or had been before."""
    match outcome:
        case Outcome.DONE | Outcome.REPEATED:
            return None
        case Outcome.TOO_MANY:
            return beyond("steps", settings.PERDURE_CHECKPOINTS_PER_INTENT)
        case Outcome.TOO_LARGE:
            return beyond("bytes", settings.PERDURE_CHECKPOINT_BYTES_PER_INTENT)
        case _:
            return outcome.error()


def check(saved: Saved) -> None:
    """Raise why a step was not saved, if it was not.

    Raises:
        NotFound, Forbidden, IntentTerminal, LeaseLost, PayloadTooLarge.
    """
    if (error := refusal(saved.outcome)) is not None:
        raise error


def body(row: Row, *, has_value: bool = True) -> Body:
    """A checkpoint; with its value, if the row has that."""
    described: Body = {
        "step": row["step"],
        "attempt": row["attempt"],
        "at": row["at"],
        "size": row["size"],
        "content_type": row["content_type"],
    }
    if not has_value:
        return described
    if row["value"] is None:
        return described | {"value_omitted": True}
    return described | in_json(Value(row["content_type"], bytes(row["value"])))


def bodies(rows: Iterable[Row]) -> list[Body]:
    """These checkpoints, with the values that are there."""
    return [body(row) for row in rows]


def sparing(rows: Iterable[Row]) -> list[Body]:
    """These checkpoints, without large values and without more of the small ones than go along."""
    room = SMALL["together"]
    found = []
    for row in rows:
        if row["size"] <= min(SMALL["small"], room):
            room -= row["size"]
            found.append(body(row))
        else:
            found.append(body(row | {"value": None}))
    return found


def within(rows: Sequence[Row], room: int) -> list[orjson.Fragment]:
    """From the first on, as many of these as fit in so much JSON; values are left out before checkpoints are."""
    bare = [_text(body(row | {"value": None})) for row in rows]
    fitting, left = 0, room
    for text in bare:
        if len(text) + 1 > left:
            break
        left -= len(text) + 1
        fitting += 1
    return [orjson.Fragment(text) for text in _filled(rows, bare[:fitting], left)]


def _filled(rows: Sequence[Row], bare: Sequence[bytes], room: int) -> Iterator[bytes]:
    """These without their values, or with them where that fits into what room there is."""
    for row, text in zip(rows, bare, strict=False):
        full = _text(body(row)) if row["value"] is not None and row["size"] <= room else text
        if len(full) - len(text) > room:
            full = text
        room -= max(0, len(full) - len(text))
        yield full


def _text(described: Body) -> bytes:
    return orjson.dumps(described, option=orjson.OPT_UTC_Z)
