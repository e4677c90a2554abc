"""Company: while one flush of an operation is in flight, further calls gather for the next.

There is no timer: an idle server adds no latency, a busy one writes hundreds of intents in one round trip and commit.
One bad row fails alone, not its neighbours. The answer comes after the commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, cast

import orjson
import psycopg

from agents import postgres
from intents.telemetry import FLUSH_SECONDS, FLUSH_SIZE

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
#: Writes what many asked for; a row that cannot be stored is answered by its error, or raised if nothing was written.
Write = Callable[[Sequence[Asked]], Awaitable[list[Answer | psycopg.Error]]]

#: The most rows that one flush carries: enough to amortize the commit, few enough to keep locks short.
MAX_ROWS = 500
#: The most bytes of values that one flush carries.
MAX_BYTES = 4 * 1024 * 1024
#: One of the rows cannot be stored: the database says so, or text and JSON that no database takes do not get that far.
UNSTORABLE: Final = (psycopg.DataError, psycopg.IntegrityError, UnicodeEncodeError, orjson.JSONEncodeError)


@dataclass(slots=True)
class _Call(Generic[Asked, Answer]):
    asked: Sequence[Asked]
    answer: asyncio.Future[list[Answer | psycopg.Error]]


class Coalescer(Generic[Asked, Answer]):
    """One operation for many callers: what is asked while a flush is in flight goes with the next."""

    def __init__(
        self, name: str, write: Write[Asked, Answer], weigh: Callable[[Asked], int] = lambda _: 0
    ) -> None:
        self.name = name
        self.write = write
        #: How many bytes one of them is; only where they are large.
        self.weigh = weigh
        self._waiting: list[_Call[Asked, Answer]] = []
        self._flusher: asyncio.Task[None] | None = None

    async def __call__(self, asked: Sequence[Asked]) -> list[Answer]:
        """Have these done, together with what others ask at the same time; answers are in the order asked.

        Raises:
            DatabaseUnavailable: the database is away; nothing is known to have changed.
            psycopg.DataError: one of these cannot be stored; the others have been.
        """
        answers = await self.each(asked)
        for answer in answers:
            if isinstance(answer, psycopg.Error):
                raise answer
        return cast(list[Answer], answers)

    async def each(self, asked: Sequence[Asked]) -> list[Answer | psycopg.Error]:
        """The same for those who want to know which of theirs could not be stored."""
        if not asked:
            return []
        call = _Call(asked, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush_all(), name=f"coalescer {self.name}")
        # A caller that goes away does not take along a flush that others wait for.
        return await call.answer

    async def _flush_all(self) -> None:
        try:
            while self._waiting:
                await self._flush(self._next())
        finally:
            self._flusher = None

    def _next(self) -> list[_Call[Asked, Answer]]:
        """As many of the waiting calls as one flush carries; one larger than that goes by itself."""
        size = weight = count = 0
        for call in self._waiting:
            size += len(call.asked)
            weight += sum(map(self.weigh, call.asked))
            if count and (size > MAX_ROWS or weight > MAX_BYTES):
                break
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _flush(self, calls: list[_Call[Asked, Answer]]) -> None:
        calls = [call for call in calls if not call.answer.done()]
        started = time.perf_counter()
        try:
            answers = await self._write([each for call in calls for each in call.asked])
        except BaseException as error:
            if isinstance(error, postgres.DatabaseUnavailable):
                # Those who gathered meanwhile have waited as long already; the next flush would let them wait again.
                calls += self._waiting
                self._waiting = []
            for call in calls:
                if not call.answer.done():
                    call.answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        FLUSH_SECONDS.labels(self.name).observe(time.perf_counter() - started)
        FLUSH_SIZE.labels(self.name).observe(len(answers))
        place = 0
        for call in calls:
            if not call.answer.done():
                call.answer.set_result(answers[place : place + len(call.asked)])
            place += len(call.asked)

    async def _write(self, asked: Sequence[Asked]) -> list[Answer | psycopg.Error]:
        """All at once; if one of them is bad nothing was written, so find it by halves and let it alone fail."""
        if not asked:
            return []
        try:
            return await self.write(asked)
        except UNSTORABLE as error:
            if len(asked) == 1:
                return [said_by_the_database(error)]
        middle = len(asked) // 2
        return [*await self._write(asked[:middle]), *await self._write(asked[middle:])]


def said_by_the_database(error: Exception) -> psycopg.Error:
    """An error of the database, also where it never came to ask it."""
    return error if isinstance(error, psycopg.Error) else psycopg.DataError(str(error))
