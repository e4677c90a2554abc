"""Procrastinate: a queue in PostgreSQL, on psycopg. It keeps no results; that a job has succeeded is its status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from procrastinate import App, PsycopgConnector

from bench.peers import load

#: A worker fetches its jobs one by one; several in a process fetch as many at a time.
WORKERS = 8
CONNECTIONS = 24
#: A ring that comes while a worker finds nothing is lost on it; it looks again after so long.
LOOK_FOR_JOBS_SECONDS = 0.1
ENDED = "SELECT id, status::text AS status FROM procrastinate_jobs WHERE id = ANY(%(ids)s) AND status <> ALL(%(open)s)"


class Peer(load.Peer):
    """Jobs of one task; the outcome is the job's status, which is looked up for all open ones at once."""

    batched_window = 1000  # it takes jobs one by one: more would only wait
    MADE_OF = ("procrastinate", "psycopg")

    async def _open(self, connections: int) -> None:
        self.app = App(
            connector=PsycopgConnector(conninfo=self.url, min_size=connections, max_size=connections)
        )
        self.work = self.app.task(self._work, name="work")
        self.step = self.app.task(self._step, name="step")
        self.ids: dict[int, int] = {}
        self.saved = 0
        self.ends_at = 0.0
        await self.app.open_async()

    async def _work(self, **payload: Any) -> None:
        self.handle(payload)

    async def prepare(self) -> None:
        await self._open(1)
        await self.app.schema_manager.apply_schema_async()
        await self.app.close_async()

    def working(self) -> AbstractAsyncContextManager[None]:
        return self._working()

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        await self._open(CONNECTIONS)
        async with self._running():
            yield

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(
                self.app.run_worker_async(
                    concurrency=load.PIPELINES // WORKERS,
                    fetch_job_polling_interval=LOOK_FOR_JOBS_SECONDS,
                    install_signal_handlers=False,
                    shutdown_graceful_timeout=1,
                )
            )
            for _ in range(WORKERS)
        ]
        await asyncio.sleep(0.5)
        for task in tasks:
            if task.done():
                task.result()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=5)

    async def connect(self) -> None:
        await self._open(CONNECTIONS)

    async def submit(self, payloads: list[load.Payload]) -> None:
        if len(payloads) == 1:
            ids = [await self.work.defer_async(**payloads[0])]
        else:
            ids = await self.work.batch_defer_async(*payloads)
        self.ids |= zip(ids, (payload["n"] for payload in payloads), strict=True)

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(self.look_seconds)
            if not self.ids:
                continue
            rows = await self.app.connector.execute_query_all_async(
                ENDED, ids=list(self.ids), open=["todo", "doing"]
            )
            for row in rows:
                if row["status"] != "succeeded":
                    raise RuntimeError(f"a job ended otherwise: {row}")
                self.seen(self.ids.pop(row["id"]))

    async def _step(self, number: int, rows: int) -> None:
        self.saved += 1
        if time.monotonic() < self.ends_at:
            await self.step.defer_async(number=(number + 1) % len(load.STEPS), rows=rows)

    async def checkpoints(self, seconds: float) -> int:
        """It has no steps: a step is a job here, whose last act is to hand in the next."""
        before, self.ends_at = self.saved, time.monotonic() + seconds
        await self.step.batch_defer_async(*[{"number": 0, "rows": 500_000}] * load.PIPELINES)
        async with self._running():
            await asyncio.sleep(max(0.0, self.ends_at - time.monotonic()))
            return self.saved - before
