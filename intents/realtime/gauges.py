"""The gauges: one loop a process that reads the figures of the pages that somebody has open.

A ring, or some seconds → each figure that is watched once, at most once a second → whoever watches it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Generic, TypeVar

from agents.postgres import DatabaseUnavailable
from intents.realtime.stopping import stop

logger = logging.getLogger(__name__)

T = TypeVar("T")

PACE_SECONDS = 1.0


class Gauge(Generic[T]):
    """One reader of some figures: it gets the newest, and misses those that it was too slow for."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self.read = read
        self.is_closed = False
        self._newest: T | None = None
        self._has_news = asyncio.Event()

    def show(self, figures: T) -> None:
        """Put these figures before the reader, instead of any before."""
        self._newest = figures
        self._has_news.set()

    def close(self) -> None:
        """Let the reader know that nothing will follow."""
        self.is_closed = True
        self._has_news.set()

    async def next(self, patience: float) -> T | None:
        """The newest figures, at the latest after so many seconds; None if there are none."""
        try:
            async with asyncio.timeout(patience):
                await self._has_news.wait()
        except TimeoutError:
            return None
        if not self.is_closed:
            self._has_news.clear()
        newest, self._newest = self._newest, None
        return newest


class Gauges:
    """Reads for everybody in this process who has a page open; without a ring, every `safety_seconds`."""

    def __init__(self, name: str, *, safety_seconds: float) -> None:
        self._name = name
        self._safety_seconds = safety_seconds
        #: what is read → who reads it
        self._gauges: defaultdict[Hashable, set[Gauge[Any]]] = defaultdict(set)
        self._wake = asyncio.Event()
        self._is_over = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Close all gauges and end."""
        self.close_gauges()
        if self._task:
            await stop([self._task])

    def close_gauges(self) -> None:
        """Let every reader know that nothing will follow; whoever comes now, too."""
        self._is_over = True
        for gauges in list(self._gauges.values()):
            for gauge in list(gauges):
                gauge.close()

    @contextmanager
    def watch(self, what: Hashable, read: Callable[[], Awaitable[T]]) -> Iterator[Gauge[T]]:
        """What `read` finds, now and whenever it may have changed. Whoever watches the same shares one reading."""
        gauge = Gauge(read)
        self._gauges[what].add(gauge)
        if self._is_over:
            gauge.close()
        self._wake.set()
        try:
            yield gauge
        finally:
            self._gauges[what].discard(gauge)
            if not self._gauges[what]:
                del self._gauges[what]

    def hear(self) -> None:
        """Something has changed somewhere; look, if anybody here watches."""
        if self._gauges:
            self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._safety_seconds):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            started = monotonic()
            for what in list(self._gauges):
                try:
                    await self._look(what)
                except DatabaseUnavailable:
                    self._wake.set()
                    break
                except Exception:
                    logger.exception("the %s failed to look", self._name)
            await asyncio.sleep(max(0.0, started + PACE_SECONDS - monotonic()))

    async def _look(self, what: Hashable) -> None:
        if (gauge := next(iter(self._gauges.get(what, ())), None)) is None:
            return
        figures = await gauge.read()
        for gauge in self._gauges.get(what, ()):
            gauge.show(figures)
