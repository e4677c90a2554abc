"""One open list: what its page shows, and what has happened since that it has not been told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

from intents.finding import LOWEST, Found
from intents.records import Row
from intents.rows import ListRow

#: A page remembers what it was told of, and forgets the oldest.
MOST_KNOWN = 400
#: A page that has not read for so long, or has so much to read, is closed.
UNREAD_SECONDS = 30.0
MOST_UNREAD = 1_000
#: So many new rows are sent; of more the page is told that there are.
MOST_NEW = 50


class TooSlow(Exception):
    """The page reads more slowly than things happen."""


@dataclass(slots=True)
class News:
    """What a page is told at once."""

    changed: list[ListRow] = field(default_factory=list)
    new: list[ListRow] = field(default_factory=list)
    #: how many are new in all, or at least are
    number: int = 0
    is_more: bool = False

    def __bool__(self) -> bool:
        return bool(self.changed or self.new)


class OpenList:
    """A reader of one page of the list."""

    def __init__(self, wanted: dict[str, Any], found: Found, *, is_newest: bool) -> None:
        #: what `fits.sql` needs to know of its filters
        self.wanted = wanted
        #: whether what is new belongs on this page
        self.is_newest = is_newest
        #: id → the last number that the page was told
        self.known: dict[UUID, int] = {row["intent_id"]: row["seq"] for row in reversed(found.rows)}
        #: What is older than the page shows is no news to it.
        self.lowest = found.rows[-1]["intent_id"] if found.older and found.rows else LOWEST
        self._changed: dict[UUID, ListRow] = {}
        self._new: dict[UUID, ListRow] = {}
        self._number = 0
        self._is_more = False
        self._unread_since: float | None = None
        self._has_news = asyncio.Event()
        self.is_closed = False
        self.is_overrun = False

    @property
    def is_by_status(self) -> bool:
        """Whether an intent can come to fit after it was made."""
        wanted = self.wanted
        return bool(wanted["statuses"] or wanted["error"] is not None or wanted["is_retried"] is not None)

    def is_news(self, row: Row) -> bool:
        """Whether the page has not heard of it in this state."""
        return self.known.get(row["intent_id"], -1) < row["seq"]

    def tell(self, changed: Iterable[ListRow], new: Iterable[ListRow], *, is_more: bool = False) -> None:
        """Put rows before the reader, unless they have been; those that are new from the newest on."""
        for row in changed:
            if self.known.get(row.id, row.seq) < row.seq:
                self.known[row.id] = row.seq
                pending = self._new if row.id in self._new else self._changed
                pending[row.id] = row
        fresh = [row for row in new if row.id not in self.known and row.id > self.lowest]
        for row in reversed(fresh):
            self.known[row.id] = row.seq
            self._new[row.id] = row
        self._number += len(fresh)
        self._is_more = self._is_more or (is_more and bool(fresh))
        self._forget()
        if self._changed or self._new:
            self._unread_since = self._unread_since or monotonic()
            is_late = monotonic() - self._unread_since > UNREAD_SECONDS
            self.is_overrun = self.is_overrun or is_late or len(self._changed) > MOST_UNREAD
            self._has_news.set()

    def _forget(self) -> None:
        for known in (self.known, self._new):
            limit = MOST_KNOWN if known is self.known else MOST_NEW
            while len(known) > limit:
                # The first are those that were known first: the oldest.
                del known[next(iter(known))]

    def close(self) -> None:
        """Let the reader know that nothing will follow."""
        self.is_closed = True
        self._has_news.set()

    async def next(self, patience: float) -> News:
        """What has come, at the latest after so many seconds; nothing if nothing has.

        Raises:
            TooSlow: the reader is too slow to be told any more.
        """
        if not self._has_news.is_set():
            try:
                async with asyncio.timeout(patience):
                    await self._has_news.wait()
            except TimeoutError:
                return News()
        if not self.is_closed:
            self._has_news.clear()
        if self.is_overrun:
            raise TooSlow
        news = News(
            list(self._changed.values()), list(reversed(self._new.values())), self._number, self._is_more
        )
        self._changed, self._new, self._number, self._is_more = {}, {}, 0, False
        self._unread_since = None
        return news
