"""Perdure as its users have it: the package `perdure` on both sides, with the load that peers get."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from perdure import Agent, AsyncClient, Delivery

from bench.peers import load

WORK, PIPELINE = "bench.work.v1", "bench.pipeline.v1"
ENDED = "COMPLETED,FAILED,CANCELED,TIMED_OUT"


class Peer(load.Peer):
    """Requests of `AsyncClient`, an `Agent` on its websocket; outcomes are read for all open ones at once."""

    # A look reads whole intents, page by page.
    pressed_look_seconds = 0.25

    async def connect(self) -> None:
        self.client = AsyncClient(self.url, self.of["key"])
        self.ids: dict[str, int] = {}

    def working(self) -> AbstractAsyncContextManager[None]:
        return self._serving(self._work, load.WINDOW)

    @asynccontextmanager
    async def _serving(self, handler: Any, max_in_flight: int) -> AsyncIterator[None]:
        agent = Agent(
            self.of["address"],
            base_url=self.url,
            api_key=self.of["agent_key"],
            max_in_flight=max_in_flight,
            drain_seconds=1,
        )
        agent.handler("*")(handler)
        task = asyncio.create_task(agent.serve())
        await asyncio.sleep(0.5)
        if task.done():
            task.result()
        try:
            yield
        finally:
            agent.stop()
            await asyncio.wait([task], timeout=5)

    async def _work(self, delivery: Delivery) -> dict[str, Any]:
        return self.handle(dict(delivery.payload))

    async def submit(self, payloads: list[load.Payload]) -> None:
        to = self.of["address"]
        if len(payloads) == 1:
            submitted = [await self.client.submit(WORK, to, payloads[0])]
        else:
            asked = [{"intent_type": WORK, "to_agent": to, "payload": payload} for payload in payloads]
            submitted = await self.client.submit_many(asked)
        for intent, payload in zip(submitted, payloads, strict=True):
            if isinstance(intent, Exception):
                raise intent
            self.ids[str(intent.id)] = payload["n"]

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(self.look_seconds)
            if not self.ids:
                continue
            oldest = min(self.ids)  # ids are in the order in which they were made
            async for intent in self.client.list(status=ENDED, to_agent=self.of["address"]):
                if str(intent.id) < oldest:
                    break
                number = self.ids.pop(str(intent.id), None)
                if number is not None:
                    if intent.status != "COMPLETED":
                        raise RuntimeError(f"an intent ended otherwise: {intent}")
                    self.seen(number)

    async def checkpoints(self, seconds: float) -> int:
        """Pipelines are submitted here and waited for, 32 at the same time; the agent is in the same process."""
        saved, ends_at = 0, time.monotonic() + seconds

        async def pipeline(delivery: Delivery) -> dict[str, Any]:
            nonlocal saved
            async with delivery.steps() as step:
                for name in load.STEPS:
                    await step(name, save)
                    saved += 1
            return {}

        async def submit() -> None:
            while time.monotonic() < ends_at:
                intent = await self.client.submit(PIPELINE, self.of["address"], {})
                await self.client.wait(intent.id)

        async with self._serving(pipeline, load.PIPELINES):
            await asyncio.gather(*(submit() for _ in range(load.PIPELINES)))
        return saved


async def save() -> dict[str, int]:
    """What a step makes."""
    return {"rows": 500_000}
