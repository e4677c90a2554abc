"""Items of a thread: values under keys, written all or none, each guarded by its version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings

from agents.errors import Invalid, NotFound
from intents.models.thread import LONGEST_KEY
from intents.records import Row
from intents.threads import (
    LARGEST_KEY,
    MOST_AT_ONCE,
    ROOM,
    Page,
    Span,
    ThreadName,
    VersionConflict,
    cut,
    written,
)
from intents.values import Value, beyond, checked_name

#: Versions that are none: there has to be no item, or any.
ABSENT: Final = 0
PRESENT: Final = -1


class ItemNotFound(NotFound):
    """There is no such item, at least not for this caller."""

    message = "item not found"


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of an item: a value, or nothing."""

    key: str
    value: Value | None
    #: the version that it must have, `ABSENT` or `PRESENT`; None if that does not matter
    wanted: int | None = None


def checked_key(key: str) -> str:
    """The key of an item, if it can be one.

    Raises:
        Invalid: it cannot.
    """
    return checked_name(key, "key", longest=LONGEST_KEY, largest=LARGEST_KEY)


async def change(name: ThreadName, changes: Sequence[Change]) -> list[Row]:
    """Change items of different keys, all or none; what became of each, in order.

    Raises:
        Invalid: two of them are of the same item, or there are none, or too many.
        VersionConflict: an item does not have the version that it must have.
        PayloadTooLarge: the thread would have too many items, or too much in them.
    """
    if not 1 <= len(changes) <= MOST_AT_ONCE:
        raise Invalid(f"a batch has 1 to {MOST_AT_ONCE} changes")
    if len({each.key for each in changes}) < len(changes):
        raise Invalid("a batch has at most one change of an item")
    values = [each.value.bytes if each.value else b"" for each in changes]
    async with written(
        name,
        "thread_change",
        comes_into_being=any(each.value for each in changes),
        keys=[each.key for each in changes],
        wanted=[each.wanted for each in changes],
        removed=[each.value is None for each in changes],
        content_types=[each.value.content_type if each.value else None for each in changes],
        **in_one_piece(values),
        most=settings.PERDURE_THREAD_PARTS,
        most_bytes=settings.PERDURE_THREAD_BYTES,
    ) as rows:
        _check(rows)  # what is raised here undoes also a thread that came into being just now
    return rows


def in_one_piece(values: Sequence[bytes]) -> dict[str, Any]:
    """Values as statements take them: one after the other, and where each begins."""
    starts, reached = [], 1
    for value in values:
        starts.append(reached)
        reached += len(value)
    return {"values": b"".join(values), "starts": starts, "sizes": [len(value) for value in values]}


def _check(rows: list[Row]) -> None:
    match rows[0]["outcome"]:
        case "conflict":
            conflicts = [
                {"key": row["key"], "current_version": row["old_version"]}
                for row in rows
                if row["is_conflict"]
            ]
            current = {"current_version": conflicts[0]["current_version"]}
            raise VersionConflict(details={**current, "conflicts": conflicts}, extra=current)
        case "items":
            raise beyond("items", settings.PERDURE_THREAD_PARTS)
        case "bytes":
            raise beyond("bytes", settings.PERDURE_THREAD_BYTES)


async def page(name: ThreadName, span: Span, limit: int, *, has_values: bool) -> Page:
    """The items of a span, by key."""
    rows = await name.read(
        "thread_items",
        is_descending=span.is_descending,
        **span.bounds(),
        limit=limit + 1,
        has_values=has_values,
        # Without values there is room for all.
        room=ROOM if has_values else settings.PERDURE_THREAD_BYTES + settings.PERDURE_VALUE_BYTES,
    )
    return cut(rows, limit)


async def find(name: ThreadName, key: str) -> Row:
    """The item, with its value.

    Raises:
        ItemNotFound: there is none.
    """
    for row in await name.read("thread_items_named", keys=[checked_key(key)], room=ROOM):
        return row
    raise ItemNotFound


async def find_all(name: ThreadName, keys: Sequence[str]) -> tuple[list[Row], list[str]]:
    """Those of these items that there are, with their values; and the keys that there was no room to look for."""
    asked = list(dict.fromkeys(map(checked_key, keys)))
    if not 1 <= len(asked) <= MOST_AT_ONCE:
        raise Invalid(f"ask for 1 to {MOST_AT_ONCE} keys")
    rows = await name.read("thread_items_named", keys=asked, room=ROOM)
    for number, row in enumerate(rows):
        if not row["fits"]:
            return rows[:number], asked[row["place"] - 1 :]
    return rows, []


async def prune(name: ThreadName, prefix: str, keep: int) -> int:
    """Delete the items whose keys begin with `prefix`, but for the last so many by key; how many these were."""
    bounds = Span(prefix).bounds()
    async with written(name, "thread_prune", low=bounds["low"], high=bounds["high"], keep=keep) as [row]:
        deleted: int = row["deleted"]
    return deleted
