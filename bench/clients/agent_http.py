"""An agent that reads one held stream of server-sent events and resumes each intent by a request of its own."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from bench.clients import http
from bench.clients.process import Configuration, Processor, run, tell, told


class Agent:
    """Reads on while it works, as many at a time as it has connections."""

    def __init__(self) -> None:
        self.deliveries: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.waits: list[float] = []
        self.count = 0
        self.next_seq = 0

    def heard(self, event: dict[str, Any]) -> None:
        if "next_seq" in event:  # the stream's last frame
            self.next_seq = event["next_seq"]
            return
        if sent_ns := event["payload"]["sent_ns"]:
            self.waits.append((time.monotonic_ns() - sent_ns) / 1e9)
        self.deliveries.put_nowait(event)

    async def read(self, stream: http.Connection, address: str) -> None:
        while True:
            events = http.Events(self.heard)
            path = f"/v1/agents/{address}/intents/stream?hold=1&wait_seconds=60&since={self.next_seq}"
            await stream.get(path, events.feed)

    async def work(self, connection: http.Connection) -> None:
        while True:
            delivery = await self.deliveries.get()
            await connection.post(
                f"/v1/intents/{delivery['intent_id']}/resume",
                b'{"ok":true,"n":%d}' % delivery["payload"]["n"],
                b"x-perdure-lease: %b\r\n" % delivery["lease_token"].encode(),
            )
            self.count += 1


async def main(of: Configuration) -> None:
    agent = Agent()
    stream = await http.connect(of["url"], of["key"])
    workers = [await http.connect(of["url"], of["key"]) for _ in range(of["connections"])]
    processor = Processor()
    name = of["address"].rsplit("/", 1)[-1]
    tasks = [asyncio.create_task(agent.read(stream, name))]
    tasks += [asyncio.create_task(agent.work(worker)) for worker in workers]
    await stream.is_answered.wait()
    tell(ready=True)
    hearing = asyncio.create_task(told())
    await asyncio.wait([hearing, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()  # none ends but by an error
    tell(processor_seconds=processor.seconds, waits=agent.waits, count=agent.count)


if __name__ == "__main__":
    run(main)
