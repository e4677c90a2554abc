"""Threads: state that agents keep in their workspace, longer than any intent, and how it is written and paged.

Who writes to a thread locks its row first, and decides by what the next statement sees: that is what nobody else can
change any more. Within one process writers wait in a queue without a connection, so that a busy thread does not keep
the others from theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID
from weakref import WeakValueDictionary

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from agents import postgres
from agents.caller import Caller
from agents.errors import AlreadyExists, Conflict, Invalid, NotFound
from intents import arrays, coalescer, operations
from intents.models.thread import LONGEST_KEY, LONGEST_THREAD_ID
from intents.records import Row
from intents.values import checked_name, checked_part

#: The most bytes of values in one answer, but for a value that is larger by itself.
ROOM: Final = 4 * 1024 * 1024
#: Items of a batch, entries of a request.
MOST_AT_ONCE: Final = 500
LARGEST_KEY: Final = 1024
#: Behind every name that can be one.
_END: Final = "\U0010ffff" * (LONGEST_KEY + 1)
#: What follows a name next, as names have no control characters.
_NEXT: Final = "\x01"
_LAST_NUMBER: Final = 2**63 - 1


class ThreadNotFound(NotFound):
    """There is no such thread, at least not for this caller."""

    message = "thread not found"


class ThreadExists(AlreadyExists):
    """There is a thread of that id already."""

    message = "there is a thread of that id"


class VersionConflict(Conflict):
    """Somebody has written meanwhile: what was expected to be there is not."""

    code = "version_conflict"
    message = "it does not have that version"


@dataclass(frozen=True, slots=True)
class ThreadName:
    """The id of a thread in a workspace, whether there is one or not."""

    organization_id: UUID
    workspace_id: UUID
    thread_id: str

    @classmethod
    def of(cls, caller: Caller, thread_id: str) -> ThreadName:
        """The caller's thread of that id.

        Raises:
            Invalid: it cannot be one.
        """
        checked_name(thread_id, "thread id", longest=LONGEST_THREAD_ID, has_slashes=False)
        return cls(caller.organization_id, caller.workspace_id, thread_id)

    async def read(self, statement: str, *, is_descending: bool = False, **parameters: Any) -> list[Row]:
        """Run one of the statements that only look."""
        return await _read(
            statement, is_descending, workspace_id=self.workspace_id, thread_id=self.thread_id, **parameters
        )


_queues: WeakValueDictionary[tuple[UUID, str], asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def written(
    name: ThreadName, statement: str, *, comes_into_being: bool = False, **parameters: Any
) -> AsyncIterator[list[Row]]:
    """Lock a thread and run a statement that changes it; what it answers. Whoever raises in this context undoes it.

    Raises:
        DatabaseUnavailable: it may or may not have been committed.
    """
    whose: dict[str, Any] = {"workspace_id": name.workspace_id, "thread_id": name.thread_id}
    owner = {"organization_id": name.organization_id} if comes_into_being else {}
    queue = _queues.setdefault((name.workspace_id, name.thread_id), asyncio.Lock())
    # Two statements, as the second has to see what was committed while the first waited; but one round trip.
    async with queue, postgres.connection() as connection, connection.pipeline(), connection.transaction():
        await _execute(connection, "thread_hold" if comes_into_being else "thread_lock", {**whose, **owner})
        cursor = await _execute(connection, statement, {**whose, **parameters})
        yield await cursor.fetchall()


async def _execute(
    connection: postgres.Connection, statement: str, parameters: dict[str, Any]
) -> AsyncCursor[DictRow]:
    return await connection.execute(operations.text(statement), arrays.parameters(parameters), prepare=True)


async def _read(statement: str, is_descending: bool, **parameters: Any) -> list[Row]:
    if not is_descending:
        return await coalescer.read(statement, **parameters)
    query = operations.text(statement).replace(" ASC", " DESC")
    return await postgres.rows(query, arrays.parameters(parameters))


# -- pages -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """Some of what was asked for, and whether there may be more."""

    rows: list[Row]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Span:
    """The names that are asked for, in UTF-8 order, from one end or the other."""

    prefix: str = ""
    #: the first to be considered, in the order asked
    start: str | None = None
    #: the last that is not wanted any more
    after: str | None = None
    is_descending: bool = False

    def bounds(self) -> dict[str, str]:
        """From which name up to which other.

        Raises:
            Invalid: nothing that could be a name begins like this.
        """
        for text in (self.prefix, self.start, self.after):
            checked_part(text or "", longest=LONGEST_KEY)
        low, high = self.prefix, _behind(self.prefix)
        if self.is_descending:
            high = min(high, self.after if self.after is not None else _END)
            high = min(high, self.start + _NEXT if self.start is not None else _END)
        else:
            low = max(low, self.start or "", self.after + _NEXT if self.after is not None else "")
        return {"low": low, "high": high}


def _behind(prefix: str) -> str:
    """The first of all texts that come behind those that begin like this."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return _END
    following = ord(kept[-1]) + 1
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)


def cut(rows: list[Row], limit: int) -> Page:
    """A page of what was read: at most `limit`, and no more than fits where values take up room."""
    shown = next((place for place, row in enumerate(rows[:limit]) if not row.get("fits", True)), limit)
    return Page(rows[:shown], len(rows) > shown)


# -- the threads themselves --------------------------------------------------------------------------------------


async def newest(caller: Caller, *, is_descending: bool, after: str | None, limit: int) -> Page:
    """The threads of the caller's workspace in the order of their creation.

    Raises:
        Invalid: `after` does not come from a page like this.
    """
    low, high = 0, _LAST_NUMBER
    if after is not None:
        if not (after.isascii() and after.isdigit() and len(after) < len(str(_LAST_NUMBER))):
            raise Invalid("after is the next_after of the page before")
        low, high = (low, int(after)) if is_descending else (int(after) + 1, high)
    wanted = {"workspace_id": caller.workspace_id, "low": low, "high": high, "limit": limit + 1}
    return cut(await _read("threads_by_age", is_descending, **wanted), limit)


async def by_name(caller: Caller, span: Span, limit: int) -> Page:
    """The threads of the caller's workspace by their ids."""
    wanted = {"workspace_id": caller.workspace_id, **span.bounds(), "limit": limit + 1}
    return cut(await _read("threads_by_name", span.is_descending, **wanted), limit)


async def find(name: ThreadName) -> Row:
    """The thread.

    Raises:
        ThreadNotFound: there is none.
    """
    for row in await name.read("thread_shown"):
        return row
    raise ThreadNotFound


async def delete(name: ThreadName) -> bool:
    """Delete the thread with all that is in it; whether there was one."""
    async with written(name, "thread_delete") as rows:
        return bool(rows)


async def copy(name: ThreadName, to: ThreadName) -> Row:
    """A new thread with the same items and entries.

    Raises:
        ThreadNotFound: there is nothing to copy.
        ThreadExists: there is one of that id.
    """
    async with written(name, "thread_copy", to=to.thread_id) as rows:
        if not rows:
            raise ThreadNotFound
        if rows[0]["id"] is None:
            raise ThreadExists
    return rows[0]
