"""DBOS: workflows and steps of a library, in PostgreSQL. Submitted through a queue to another process."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import sqlalchemy
from dbos import DBOS, DBOSClient

from bench.peers import load

QUEUE = "bench"
#: How often its worker looks for work; it is not told of any.
POLL_SECONDS = 0.01


class Peer(load.Peer):
    """Workflows on a queue; the outcome is the workflow's, which is looked up for all open ones at once."""

    MADE_OF = ("dbos", "psycopg", "sqlalchemy")

    def _launch(self) -> None:
        self.dbos = DBOS(
            config={
                "name": "bench",
                "system_database_url": self.url,
                "sys_db_pool_size": load.AT_ONCE,
                "max_executor_threads": 2 * load.AT_ONCE,
                "log_level": "ERROR",
                "application_version": "bench",
            }
        )

        @DBOS.workflow(name="work")
        def work(payload: load.Payload) -> dict[str, Any]:
            return self.handle(payload)

        @DBOS.step(name="save")
        def save() -> dict[str, int]:
            return {"rows": 500_000}

        @DBOS.workflow(name="pipeline")
        def pipeline() -> None:
            for _ in load.STEPS:
                save()

        self.pipeline = pipeline
        DBOS.launch()

    async def prepare(self) -> None:
        await asyncio.to_thread(self._launch)
        await asyncio.to_thread(DBOS.register_queue, QUEUE, polling_interval_sec=POLL_SECONDS)
        await asyncio.to_thread(DBOS.destroy)

    def working(self) -> AbstractAsyncContextManager[None]:
        return self._working()

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        await asyncio.to_thread(self._launch)
        await asyncio.sleep(1.5)  # it looks for queues once a second
        yield

    async def connect(self) -> None:
        if self.of["role"] == "steps":
            await asyncio.to_thread(self._launch)
            return
        self.client = DBOSClient(system_database_url=self.url, system_database_pool_size=load.AT_ONCE)
        url = self.url.replace("postgresql:", "postgresql+psycopg:", 1)
        self.engine = sqlalchemy.create_engine(url, pool_size=load.BATCHES_AT_ONCE)
        self.threads = ThreadPoolExecutor(load.AT_ONCE)
        self.ids: dict[str, int] = {}

    async def submit(self, payloads: list[load.Payload]) -> None:
        loop = asyncio.get_running_loop()
        self.ids |= await loop.run_in_executor(self.threads, self._submit, payloads)

    def _submit(self, payloads: list[load.Payload]) -> dict[str, int]:
        options = [
            {"workflow_name": "work", "queue_name": QUEUE, "workflow_id": str(uuid.uuid4())} for _ in payloads
        ]
        if len(payloads) == 1:
            self.client.enqueue(options[0], payloads[0])
        else:
            with self.engine.begin() as connection:
                for option, payload in zip(options, payloads, strict=True):
                    self.client.enqueue_in_transaction(connection, option, payload)
        return {
            option["workflow_id"]: payload["n"] for option, payload in zip(options, payloads, strict=True)
        }

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(self.look_seconds)
            # Oldest first, not all: it gives them back whole.
            ids = list(self.ids)[:500]
            if not ids:
                continue
            ended = await asyncio.to_thread(
                self.client.list_workflows, workflow_ids=ids, status=["SUCCESS", "ERROR"], load_input=False
            )
            for one in ended:
                self.seen(self.ids.pop(one.workflow_id), one.output)

    async def checkpoints(self, seconds: float) -> int:
        ends_at, lock, saved = time.monotonic() + seconds, threading.Lock(), 0

        def work() -> None:
            nonlocal saved
            while time.monotonic() < ends_at:
                self.pipeline()
                with lock:
                    saved += len(load.STEPS)

        with ThreadPoolExecutor(load.PIPELINES) as threads:
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(threads, work) for _ in range(load.PIPELINES)))
        return saved
