"""Why watched intents are not running, asked for all of them in one statement a second.

An agent that comes or goes is no event in the life of an intent, and still it changes what there is to say of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID
from weakref import WeakKeyDictionary

from agents.postgres import DatabaseUnavailable
from intents import blocking, coalescer

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


class Standings:
    """What one event loop knows of the intents that are watched in it."""

    def __init__(self) -> None:
        self._watched: Counter[UUID] = Counter()
        self._said: dict[UUID, str] = {}
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, intent_id: UUID) -> Iterator[None]:
        """Look at this intent as long as somebody reads about it."""
        self._watched[intent_id] += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="standings")
        try:
            yield
        finally:
            self._watched[intent_id] -= 1
            if not self._watched[intent_id]:
                del self._watched[intent_id]
                self._said.pop(intent_id, None)

    def of(self, intent_id: UUID) -> str:
        """What is said of it; another text when there is something else to say."""
        return self._said.get(intent_id, "")

    async def _run(self) -> None:
        while self._watched:
            try:
                await self._look()
            except DatabaseUnavailable:
                pass  # nobody can tell; what was said last stands
            except Exception:
                logger.exception("the standings could not be looked at")
            await asyncio.sleep(LOOK_SECONDS)
        self._task = None

    async def _look(self) -> None:
        ids = list(self._watched)
        rows = await coalescer.read("blocking", ids=ids)
        said = {row["intent_id"]: blocking.of_row(row) for row in rows}
        for each in ids:
            why = said.get(each)
            self._said[each] = f"{why.code} {why.reason}" if why is not None else "ended"


_standings: WeakKeyDictionary[asyncio.AbstractEventLoop, Standings] = WeakKeyDictionary()


def current() -> Standings:
    """Those of this event loop."""
    loop = asyncio.get_running_loop()
    if (found := _standings.get(loop)) is None:
        found = _standings[loop] = Standings()
    return found
