"""An agent on a websocket that works in four steps: it saves each, and goes on when it is told that it is on disk."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson

from bench.clients import websocket
from bench.clients.process import Configuration, Processor, run, tell, told

STEPS = ("extract", "clean", "model", "report")


class Agent:
    """Works on all that it holds side by side, and remembers how long each checkpoint took."""

    def __init__(self) -> None:
        self.is_welcome = asyncio.Event()
        self.waits: list[float] = []
        self.failure = ""
        #: intent → its delivery, the number of the step that is being saved, and since when
        self.doing: dict[str, tuple[dict[str, str], int, int]] = {}
        self.socket: websocket.Socket

    def heard(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "deliveries":
                for delivery in frame["deliveries"]:
                    self.save({name: delivery[name] for name in ("intent_id", "lease")}, 0)
            case "result" if frame["ok"]:
                named, number, since = self.doing.pop(frame["ref"])
                self.waits.append((time.monotonic_ns() - since) / 1e9)
                self.save(named, number + 1)
            case "welcome":
                self.is_welcome.set()
            case "ping":
                self.socket.send(b'{"type":"pong"}')
            case kind:
                self.failure = f"{kind}: {frame}"

    def save(self, named: dict[str, str], number: int) -> None:
        """Save the step of this number, or complete if there is none."""
        if number == len(STEPS):
            self.socket.send(orjson.dumps({"type": "complete", "result": {}, **named}))
            return
        self.doing[named["intent_id"]] = (named, number, time.monotonic_ns())
        said = {
            "type": "checkpoint",
            "ref": named["intent_id"],
            "step": STEPS[number],
            "value": {"rows": 500_000},
        }
        self.socket.send(orjson.dumps({**said, **named}))


async def main(of: Configuration) -> None:
    agent = Agent()
    agent.socket = await websocket.connect(of["url"], of["key"], agent.heard)
    hello = {
        "type": "hello",
        "address": of["address"],
        "max_in_flight": of["max_in_flight"],
        "client": "bench",
    }
    processor = Processor()
    started = time.monotonic()
    agent.socket.send(orjson.dumps(hello))
    await agent.is_welcome.wait()
    beating = asyncio.create_task(agent.socket.beat())
    tell(ready=True)
    await told()
    beating.cancel()
    if agent.failure:
        raise RuntimeError(agent.failure)
    seconds = time.monotonic() - started
    tell(processor_seconds=processor.seconds, waits=agent.waits, seconds=seconds)


if __name__ == "__main__":
    run(main)
