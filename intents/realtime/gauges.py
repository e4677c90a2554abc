"""The gauges: one loop a process that reads the figures of the workspaces whose overview somebody has open.

A ring, or ten seconds → the figures of each watched workspace once, at most once a second → whoever watches it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from uuid import UUID

from agents.postgres import DatabaseUnavailable
from intents import finding, overview as overviews
from intents.overview import Overview
from intents.realtime.stopping import stop

logger = logging.getLogger(__name__)

#: Without a ring: the last minute moves, and what is ready ages.
SAFETY_SECONDS = 10.0
PACE_SECONDS = 1.0


class Gauge:
    """One reader of one workspace's figures: it gets the newest, and misses those that it was too slow for."""

    def __init__(self, workspace_id: UUID) -> None:
        self.workspace_id = workspace_id
        self.is_closed = False
        self._newest: Overview | None = None
        self._has_news = asyncio.Event()

    def show(self, overview: Overview) -> None:
        """Put these figures before the reader, instead of any before."""
        self._newest = overview
        self._has_news.set()

    def close(self) -> None:
        """Let the reader know that nothing will follow."""
        self.is_closed = True
        self._has_news.set()

    async def next(self, patience: float) -> Overview | None:
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
    """Reads for everybody in this process who has an overview open."""

    def __init__(self) -> None:
        self._gauges: defaultdict[UUID, set[Gauge]] = defaultdict(set)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="gauges")

    async def stop(self) -> None:
        """Close all gauges and end."""
        self.close_gauges()
        if self._task:
            await stop([self._task])

    def close_gauges(self) -> None:
        """Let every reader know that nothing will follow."""
        for gauges in list(self._gauges.values()):
            for gauge in list(gauges):
                gauge.close()

    @contextmanager
    def watch(self, workspace_id: UUID) -> Iterator[Gauge]:
        """The figures of this workspace, now and whenever something may have changed."""
        gauge = Gauge(workspace_id)
        self._gauges[workspace_id].add(gauge)
        self._wake.set()
        try:
            yield gauge
        finally:
            self._gauges[workspace_id].discard(gauge)
            if not self._gauges[workspace_id]:
                del self._gauges[workspace_id]

    def hear(self) -> None:
        """Something has changed somewhere; look, if anybody here watches."""
        if self._gauges:
            self._wake.set()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(SAFETY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            started = monotonic()
            try:
                await self._look()
            except DatabaseUnavailable:
                self._wake.set()
            except Exception:
                logger.exception("the gauges failed to look")
            await asyncio.sleep(max(0.0, started + PACE_SECONDS - monotonic()))

    async def _look(self) -> None:
        for workspace_id in list(self._gauges):
            overview = await finding.run_on_pool(overviews.refreshed(workspace_id))
            for gauge in self._gauges.get(workspace_id, ()):
                gauge.show(overview)
