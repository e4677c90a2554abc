"""Submits over HTTP, an intent or a batch a request on kept connections, and sees every outcome over one websocket.

The submission is what is measured; a websocket watches because it is the cheapest way for a submitter of many to see
that each has ended. It is told of the ids that the answers gave, in frames of what has gathered.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import orjson

from bench.clients import http, websocket
from bench.clients.intent import Intents
from bench.clients.process import Configuration, Processor, run, tell, told

MOST_WATCHED_AT_ONCE = 500
#: How long ids gather before the server is asked to watch them.
GATHERING_SECONDS = 0.01


class Submitter:
    """Keeps a window of intents without outcome, until its time is over; then waits for the last."""

    def __init__(self, of: Configuration) -> None:
        self.intents = Intents(of["to_agent"])
        self.window: int = of["window"]
        self.frame: int = of.get("frame", 1)
        self.ends_at = 0.0
        self.sent = self.ended = 0
        self.unwatched: list[str] = []
        self.news = asyncio.Event()
        self.failure = ""
        self.socket: websocket.Socket
        self.connections: list[http.Connection]

    def heard(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "outcomes":
            self.ended += len(frame["outcomes"])
            for outcome in frame["outcomes"]:
                if outcome["status"] != "COMPLETED":
                    self.failure = f"an intent ended otherwise: {outcome}"
            self.news.set()
        elif frame["type"] in ("error", "result"):
            self.failure = f"the server refused: {frame}"
            self.news.set()

    async def submit(self, connection: http.Connection) -> None:
        """Send one after the other while there is time and the window is not full."""
        while time.monotonic() < self.ends_at and not self.failure:
            if self.sent - self.ended + self.frame > self.window:
                await self.hear()
                continue
            self.sent += self.frame
            ids = await self.post(connection)
            if not self.unwatched:
                asyncio.get_running_loop().call_later(GATHERING_SECONDS, self.watch)
            self.unwatched += ids

    async def post(self, connection: http.Connection) -> list[str]:
        """The ids of what one request has submitted."""
        if self.frame == 1:
            answer = orjson.loads(await connection.post("/v1/intents", self.intents.next()))
            return [answer["intent_id"]]
        intents = b",".join([self.intents.next() for _ in range(self.frame)])
        answer = orjson.loads(await connection.post("/v1/intents/batch", b'{"intents":[%b]}' % intents))
        return [result["intent_id"] for result in answer["results"]]

    def watch(self) -> None:
        intents, self.unwatched = self.unwatched, []
        for start in range(0, len(intents), MOST_WATCHED_AT_ONCE):
            some = intents[start : start + MOST_WATCHED_AT_ONCE]
            self.socket.send(orjson.dumps({"type": "watch", "intents": some}))

    async def hear(self) -> None:
        self.news.clear()
        await self.news.wait()

    async def run(self, seconds: float) -> dict[str, Any]:
        processor, started = Processor(), time.monotonic()
        self.ends_at = started + seconds
        async with asyncio.timeout(seconds + 30):
            await asyncio.gather(*map(self.submit, self.connections))
            while self.ended < self.sent and not self.failure:
                await self.hear()
        if self.failure:
            raise RuntimeError(self.failure)
        return {
            "count": self.ended,
            "seconds": time.monotonic() - started,
            "processor_seconds": processor.seconds,
        }


async def main(of: Configuration) -> None:
    submitter = Submitter(of)
    submitter.socket = await websocket.connect(of["socket_url"], of["key"], submitter.heard)
    submitter.connections = [await http.connect(of["url"], of["key"]) for _ in range(of["connections"])]
    tell(ready=True)
    while await told() == "go":
        tell(**await submitter.run(of["seconds"]))


if __name__ == "__main__":
    run(main)
