"""PgQueuer: a queue in PostgreSQL, on asyncpg. It keeps no results; that a job has succeeded is in its log."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

# All tables are written to the log; its default keeps them so, too.
os.environ["PGQUEUER_DURABILITY"] = "durable"

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.applications import PgQueuer
from pgqueuer.core.completion import CompletionWatcher
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from bench.peers import load

#: A worker takes so many at once, and works on twice as many.
BATCH = 100


class Peer(load.Peer):
    """Jobs of one entrypoint; the outcome is the job's status.

    Of jobs that are handed in one by one its own watcher tells, which is faster than to ask often; of batches, some of
    which end all the time, asking is no slower.
    """

    batches_at_once = 8  # as many as its pool has connections
    MADE_OF = ("pgqueuer", "asyncpg")

    async def _queries(self, connections: int) -> Queries:
        self.pool = await asyncpg.create_pool(self.url, min_size=connections, max_size=connections)
        return Queries(AsyncpgPoolDriver(self.pool))

    async def prepare(self) -> None:
        queries = await self._queries(1)
        await queries.install()
        await self.pool.close()

    def working(self) -> AbstractAsyncContextManager[None]:
        return self._working()

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        queries = await self._queries(8)
        application = PgQueuer(queries.driver)

        @application.entrypoint("work")
        async def work(job: Job) -> None:
            self.handle(json.loads(job.payload or b"{}"))

        async with running(application):
            yield

    async def connect(self) -> None:
        self.queries = await self._queries(8)
        self.ids: dict[Any, int] = {}
        self.failed = ""
        self.watcher = CompletionWatcher(self.queries.driver, queries=self.queries)

    async def submit(self, payloads: list[load.Payload]) -> None:
        contents: list[bytes | None] = [json.dumps(payload).encode() for payload in payloads]
        ids = await self.queries.enqueue(["work"] * len(contents), contents, [0] * len(contents))
        if len(ids) == 1:
            number = payloads[0]["n"]
            self.watcher.wait_for(ids[0]).add_done_callback(lambda ended: self._ended(number, ended.result()))
        else:
            self.ids |= zip(ids, (payload["n"] for payload in payloads), strict=True)

    def _ended(self, number: int, status: str) -> None:
        if status == "successful":
            self.seen(number)
        elif status in ("exception", "canceled", "deleted"):
            self.failed = status

    async def watch(self) -> None:
        async with self.watcher:
            while not self.failed:
                await asyncio.sleep(load.LOOK_SECONDS)
                if not self.ids:
                    continue
                for job_id, status in await self.queries.job_status(list(self.ids)):
                    self._ended(self.ids[job_id], status)
                    if status == "successful":
                        del self.ids[job_id]
            raise RuntimeError(f"a job ended otherwise: {self.failed}")

    async def checkpoints(self, seconds: float) -> int:
        """It has no steps: a step is a job here, whose last act is to hand in the next."""
        queries = await self._queries(8)
        application = PgQueuer(queries.driver)
        saved, ends_at = 0, time.monotonic() + seconds

        @application.entrypoint("step")
        async def step(job: Job) -> None:
            nonlocal saved
            done = json.loads(job.payload or b"{}")
            saved += 1
            if time.monotonic() < ends_at:
                number = (done["step"] + 1) % len(load.STEPS)
                await queries.enqueue("step", json.dumps({"step": number, "rows": 500_000}).encode())

        first = json.dumps({"step": 0, "rows": 500_000}).encode()
        await queries.enqueue(["step"] * load.PIPELINES, [first] * load.PIPELINES, [0] * load.PIPELINES)
        async with running(application):
            await asyncio.sleep(max(0.0, ends_at - time.monotonic()))
            return saved


@asynccontextmanager
async def running(application: PgQueuer) -> AsyncIterator[None]:
    """A worker of it."""
    task = asyncio.create_task(
        application.run(
            dequeue_timeout=timedelta(seconds=1), batch_size=BATCH, max_concurrent_tasks=2 * BATCH
        )
    )
    await asyncio.sleep(0.5)
    if task.done():
        task.result()
    try:
        yield
    finally:
        application.shutdown.set()
        await asyncio.wait([task], timeout=5)
