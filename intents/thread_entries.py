"""Entries of a thread: a log that grows at its end, and can be taken back from there."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from agents.errors import Invalid
from intents.records import Row
from intents.thread_items import in_one_piece
from intents.threads import MOST_AT_ONCE, ROOM, Page, ThreadName, VersionConflict, cut, written
from intents.values import Value, beyond

_BEHIND = 2**31 - 1


async def append(name: ThreadName, values: Sequence[Value], *, expected_length: int | None) -> int:
    """Append values, all or none; how long the log was before.

    Raises:
        Invalid: there are none, or too many.
        VersionConflict: the log is not as long as it has to be.
        PayloadTooLarge: the thread would have too many entries, or too much in them.
    """
    if not 1 <= len(values) <= MOST_AT_ONCE:
        raise Invalid(f"append 1 to {MOST_AT_ONCE} entries")
    async with written(
        name,
        "thread_append",
        comes_into_being=True,
        content_types=[each.content_type for each in values],
        **in_one_piece([each.bytes for each in values]),
        expected=expected_length,
        most=settings.PERDURE_THREAD_PARTS,
        most_bytes=settings.PERDURE_THREAD_BYTES,
    ) as [row]:
        length: int = row["length"]
        match row["outcome"]:
            case "conflict":
                raise conflict(length)
            case "entries":
                raise beyond("entries", settings.PERDURE_THREAD_PARTS)
            case "bytes":
                raise beyond("bytes", settings.PERDURE_THREAD_BYTES)
    return length


async def page(name: ThreadName, *, after: int | None, limit: int, is_descending: bool) -> tuple[int, Page]:
    """The length of the log, and its entries after a position, in either order."""
    low, high = 1, _BEHIND
    if after is not None:
        low, high = (low, after) if is_descending else (after + 1, high)
    rows = await name.read(
        "thread_entries", is_descending=is_descending, low=low, high=high, limit=limit + 1, room=ROOM
    )
    length = rows[0]["length"] if rows else 0
    return length, cut([row for row in rows if row["position"] is not None], limit)


async def pop(name: ThreadName, last: int, *, expected_length: int | None) -> tuple[int, list[Row]]:
    """Take the last entries away: how long the log is now, and what was taken, oldest first.

    Raises:
        VersionConflict: the log is not as long as it has to be.
    """
    async with written(name, "thread_pop", last=last, expected=expected_length, room=ROOM) as rows:
        length = _checked_length(rows, expected_length)
    taken = [row for row in rows if row["position"] is not None]
    return length - len(taken), taken


async def clear(name: ThreadName, *, expected_length: int | None) -> int:
    """Take all entries away; how many there were.

    Raises:
        VersionConflict: the log is not as long as it has to be.
    """
    async with written(name, "thread_clear", expected=expected_length) as rows:
        return _checked_length(rows, expected_length)


def _checked_length(rows: list[Row], expected_length: int | None) -> int:
    length: int = rows[0]["length"] if rows else 0
    if expected_length is not None and expected_length != length:
        raise conflict(length)
    return length


def conflict(length: int) -> VersionConflict:
    """The refusal of what expected another length."""
    current = {"current_version": length}
    return VersionConflict("the log does not have that length", details=current, extra=current)
