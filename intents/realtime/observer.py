"""The observer: one loop a process that reads for all who watch timelines or wait for endings.

A ring (or a second) → one statement for all that is watched → everybody gets his part. No watcher asks by himself.
Who has enough before him is passed over until he has read it; nobody waits for him meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from uuid import UUID

from agents.postgres import DatabaseUnavailable
from intents import coalescer
from intents.realtime.stopping import stop
from intents.records import Row

logger = logging.getLogger(__name__)

#: How often those who wait are looked after without a ring.
SAFETY_SECONDS = 1.0
#: So many events are put before a watcher at most; what follows them, once it has read these.
MOST_UNREAD = 2_000
#: How many endings the safety look asks for at a time.
MOST_LOOKED_AT = 5_000


class Watch:
    """One reader of one timeline."""

    def __init__(self, intent_id: UUID, after: int, *, look: Callable[[], None]) -> None:
        self.intent_id = intent_id
        #: the last event that was put before the reader
        self.seen = after
        self._unread: list[Row] = []
        #: asks the observer for more
        self._look = look
        self._news = asyncio.Event()
        self._is_closed = False

    @property
    def has_room(self) -> bool:
        return len(self._unread) < MOST_UNREAD

    def show(self, row: Row) -> None:
        """Put an event before the reader, unless it has been, or there is no room for it yet."""
        if row["seq"] > self.seen and self.has_room:
            self.seen = row["seq"]
            self._unread.append(row)
            self._news.set()

    def close(self) -> None:
        """Let the reader know that nothing will follow."""
        self._is_closed = True
        self._news.set()

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    async def next(self, patience: float) -> list[Row]:
        """What has come, at the latest after so many seconds; nothing if nothing has."""
        if not self._unread and not self._is_closed:
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                return []
        self._news.clear()
        if not self.has_room:
            self._look()
        rows, self._unread = self._unread, []
        return rows


Told = Callable[[Row], None]


class Observer:
    """Reads for everybody in this process who watches."""

    def __init__(self) -> None:
        self._watches: defaultdict[UUID, set[Watch]] = defaultdict(set)
        self._awaited: defaultdict[UUID, set[Told]] = defaultdict(set)
        #: what this process holds for its agents, and whom to tell when one of it ends
        self.held: Mapping[UUID, object] = {}
        self.held_ended: Told = lambda row: None
        self._rung: set[UUID] = set()
        self._rung_ended: set[UUID] = set()
        self._wake = asyncio.Event()
        self._looked_at = monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="observer")

    async def stop(self) -> None:
        """Close all watches and end."""
        self.close_watches()
        if self._task:
            await stop([self._task])

    def close_watches(self) -> None:
        """Let every reader know that nothing will follow."""
        for watches in list(self._watches.values()):
            for watch in list(watches):
                watch.close()

    @asynccontextmanager
    async def watch(self, intent_id: UUID, *, after: int) -> AsyncIterator[Watch]:
        """Every event of the intent after `after`: what is there first, then each as it is recorded."""
        look = partial(self._look_soon, intent_id)
        watch = Watch(intent_id, after, look=look)
        self._watches[intent_id].add(watch)  # watches before it reads: no gap
        look()
        try:
            yield watch
        finally:
            self._watches[intent_id].discard(watch)
            if not self._watches[intent_id]:
                del self._watches[intent_id]

    def await_ending(self, intent_id: UUID, told: Told, *, is_new: bool = False) -> None:
        """Call back once with the intent's terminal event, when there is one.

        An intent that was submitted or claimed this instant (`is_new`) need not be looked at before somebody rings.
        """
        self._awaited[intent_id].add(told)
        if not is_new:
            self._rung_ended.add(intent_id)
            self._wake.set()

    def forget_ending(self, intent_id: UUID, told: Told) -> None:
        """Do not call back after all."""
        if (waiting := self._awaited.get(intent_id)) is not None:
            waiting.discard(told)
            if not waiting:
                del self._awaited[intent_id]

    def hear(self, intents: Iterable[UUID], ended: Iterable[UUID]) -> None:
        """These have changed; look, if anybody here watches them."""
        rung = [each for each in intents if each in self._watches]
        over = [each for each in ended if each in self.held or each in self._awaited]
        if rung or over:
            self._rung.update(rung)
            self._rung_ended.update(over)
            self._wake.set()

    def _look_soon(self, intent_id: UUID) -> None:
        self._rung.add(intent_id)
        self._wake.set()

    def look_at_everything(self) -> None:
        """Anything may have changed."""
        self._looked_at = 0.0
        self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SAFETY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self._look()
            except DatabaseUnavailable:
                self.look_at_everything()
                await asyncio.sleep(0.2)
            except Exception:
                logger.exception("the observer failed to look")
                await asyncio.sleep(SAFETY_SECONDS)

    async def _look(self) -> None:
        rung, self._rung = self._rung, set()
        over, self._rung_ended = self._rung_ended, set()
        if monotonic() - self._looked_at >= SAFETY_SECONDS:
            self._looked_at = monotonic()
            rung |= self._watches.keys()
            over |= self._oldest_awaited()
        watched = [each for each in rung if each in self._watches]
        awaited = [each for each in over if each in self.held or each in self._awaited]
        try:
            if awaited:
                await self._tell_endings(awaited)
            if watched:
                await self._show_events(watched)
        except BaseException:
            self._rung.update(watched)
            self._rung_ended.update(awaited)
            raise

    def _oldest_awaited(self) -> set[UUID]:
        """What is held, and some of those whose ending is awaited, all of them in turn."""
        oldest: list[UUID] = []
        for intent_id in self._awaited:
            oldest.append(intent_id)
            if len(oldest) == MOST_LOOKED_AT:
                for each in oldest:  # to the end of the line
                    self._awaited[each] = self._awaited.pop(each)
                break
        return {*oldest, *self.held}

    async def _tell_endings(self, ids: list[UUID]) -> None:
        for row in await coalescer.read("outcomes", ids=ids):
            if row["intent_id"] in self.held:
                self.held_ended(row)
            for told in self._awaited.pop(row["intent_id"], ()):
                told(row)

    async def _show_events(self, ids: list[UUID]) -> None:
        # Those alone who are read for: to who comes, or has read, meanwhile, this may not be what is next.
        readers = {each: [watch for watch in self._watches.get(each, ()) if watch.has_room] for each in ids}
        after = {each: min(watch.seen for watch in watches) for each, watches in readers.items() if watches}
        if not after:
            return
        number = Counter[UUID]()
        for row in await coalescer.read("timeline", ids=[*after], after=[*after.values()], most=MOST_UNREAD):
            number[row["intent_id"]] += 1
            for watch in readers[row["intent_id"]]:
                watch.show(row)
        for intent_id, read in number.items():
            if read == MOST_UNREAD:  # there may be more, for whoever still has room
                self._look_soon(intent_id)
