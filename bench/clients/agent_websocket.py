"""An agent on a websocket that completes what it gets at once: a frame for a frame, or a frame for each delivery."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson

from bench.clients import websocket
from bench.clients.process import Configuration, Processor, run, tell, told


class Agent:
    """Completes deliveries, and remembers how long each took to get here if its payload says when it was sent."""

    def __init__(self, of: Configuration) -> None:
        self.is_batched: bool = of["batched"]
        self.is_welcome = asyncio.Event()
        self.waits: list[float] = []
        self.failure = ""
        self.count = 0
        self.socket: websocket.Socket

    def heard(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "deliveries":
                self.work(frame["deliveries"])
            case "welcome":
                self.is_welcome.set()
            case "ping":
                self.socket.send(b'{"type":"pong"}')
            case kind:  # without a ref, a result tells of something that did not go well
                self.failure = f"{kind}: {frame}"

    def work(self, deliveries: list[dict[str, Any]]) -> None:
        now = time.monotonic_ns()
        done = []
        for delivery in deliveries:
            if sent_ns := delivery["payload"]["sent_ns"]:
                self.waits.append((now - sent_ns) / 1e9)
            done.append(
                b'{"intent_id":"%b","lease":"%b","result":{"ok":true,"n":%d}}'
                % (delivery["intent_id"].encode(), delivery["lease"].encode(), delivery["payload"]["n"])
            )
        self.count += len(done)
        for some in [done] if self.is_batched else [[one] for one in done]:
            self.socket.send(b'{"type":"complete","deliveries":[%b]}' % b",".join(some))


async def main(of: Configuration) -> None:
    agent = Agent(of)
    agent.socket = await websocket.connect(of["url"], of["key"], agent.heard)
    hello = {
        "type": "hello",
        "address": of["address"],
        "max_in_flight": of["max_in_flight"],
        "client": "bench",
    }
    agent.socket.send(orjson.dumps(hello))
    await agent.is_welcome.wait()
    beating = asyncio.create_task(agent.socket.beat())
    processor = Processor()
    tell(ready=True)
    await told()
    beating.cancel()
    if agent.failure:
        raise RuntimeError(agent.failure)
    tell(processor_seconds=processor.seconds, waits=agent.waits, count=agent.count)


if __name__ == "__main__":
    run(main)
