"""Many agents that wait for work: thousands of streams or websockets, which come back when they end."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from bench.clients import http, websocket
from bench.clients.process import Configuration, run, tell, told

#: How many open at the same time.
AT_ONCE = 50


class Crowd:
    """Keeps the streams open and counts those that came to grief."""

    def __init__(self, of: Configuration) -> None:
        self.of = of
        self.opening = asyncio.Semaphore(AT_ONCE)
        self.open = 0
        self.reconnects = 0
        self.tasks: list[asyncio.Task[None]] = []

    async def stream(self, number: int) -> None:
        """One agent on server-sent events, which asks anew each time its stream has ended."""
        path = f"/v1/agents/{self.of['name']}-{number}/intents/stream?hold=1&wait_seconds={self.of['wait_seconds']}"
        async with self.opening:
            connection = await http.connect(self.of["url"], self.of["key"])
            reading = asyncio.create_task(connection.get(path, lambda _: None))
            await connection.is_answered.wait()
        self.open += 1
        while True:
            await reading
            self.reconnects += 1
            reading = asyncio.create_task(connection.get(path, lambda _: None))

    async def socket(self, number: int) -> None:
        """One agent on a websocket. It holds nothing, so it need not send heartbeats."""
        is_welcome = asyncio.Event()

        def heard(frame: dict[str, Any]) -> None:
            if frame["type"] == "welcome":
                is_welcome.set()
            elif frame["type"] != "ping":
                raise RuntimeError(f"unexpected: {frame}")

        async with self.opening:
            socket = await websocket.connect(self.of["socket_url"], self.of["key"], heard)
            hello = {"type": "hello", "address": f"{self.of['name']}-{number}", "max_in_flight": 1}
            socket.send(orjson.dumps(hello))
            await is_welcome.wait()
        self.open += 1
        raise RuntimeError(await socket.closed)

    async def gather(self) -> None:
        join = self.stream if self.of["by"] == "sse" else self.socket
        self.tasks = [asyncio.create_task(join(number)) for number in range(self.of["count"])]
        async with asyncio.timeout(120):
            while self.open < self.of["count"]:
                self.check()
                await asyncio.sleep(0.05)

    def check(self) -> None:
        for task in self.tasks:
            if task.done():
                task.result()


async def main(of: Configuration) -> None:
    crowd = Crowd(of)
    await crowd.gather()
    tell(open=crowd.open)
    while await told() == "check":
        crowd.check()
        tell(open=crowd.open, reconnects=crowd.reconnects)


if __name__ == "__main__":
    run(main)
