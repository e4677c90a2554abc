"""Celery with Valkey, whose log is on disk before each answer: its broker, and the store of its results."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from celery import Celery

from bench.peers import load

URL = os.environ.get("BENCH_PEER_REDIS", "")
PROCESSES = 2

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    task_acks_late=True,  # what a dead worker had begun is done by another
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=64,
    broker_connection_retry_on_startup=True,
    redis_max_connections=200,
)


@app.task(name="work")
def work(payload: load.Payload) -> dict[str, Any]:
    """What the handler does; its process tells when by its result."""
    return {"ok": True, "n": payload["n"], "started_ns": time.monotonic_ns()}


class Peer(load.Peer):
    """Tasks; their results are read for all open ones at once."""

    MADE_OF = ("celery", "redis")

    def working(self) -> AbstractAsyncContextManager[None]:
        return self._working()

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        command = [sys.executable, "-m", "celery", "--app=bench.peers.celery.peer", "worker"]
        command += [f"--concurrency={PROCESSES}", "--loglevel=ERROR", "--without-gossip", "--without-mingle"]
        command += ["--without-heartbeat"]
        worker = await asyncio.create_subprocess_exec(
            *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            while not await asyncio.to_thread(app.control.ping, timeout=0.5):
                if worker.returncode is not None:
                    raise RuntimeError(f"its worker ended with {worker.returncode}")
            yield
        finally:
            await load.ended(worker)

    async def connect(self) -> None:
        # It would subscribe to a channel for each task; we read results in bulk, which costs it less.
        app.backend.on_task_call = lambda *_: None
        self.threads = ThreadPoolExecutor(load.AT_ONCE)
        self.ids: dict[str, int] = {}

    async def submit(self, payloads: list[load.Payload]) -> None:
        loop = asyncio.get_running_loop()
        for payload in payloads:
            sent = await loop.run_in_executor(self.threads, work.delay, payload)
            self.ids[sent.id] = payload["n"]

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(self.look_seconds)
            ids = list(self.ids)
            if not ids:
                continue
            keys = [app.backend.get_key_for_task(one) for one in ids]
            for one, content in zip(ids, await asyncio.to_thread(app.backend.mget, keys), strict=True):
                if content is not None:
                    meta = json.loads(content)
                    if meta["status"] != "SUCCESS":
                        raise RuntimeError(f"a task ended otherwise: {meta}")
                    self.seen(self.ids.pop(one), meta["result"])
