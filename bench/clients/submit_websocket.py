"""Submits over one websocket, as many intents a frame as told, and waits for every outcome."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from bench.clients import websocket
from bench.clients.intent import Intents
from bench.clients.process import Configuration, Processor, run, tell, told


class Submitter:
    """Keeps a window of intents without outcome, until its time is over; then waits for the last.

    No more than `at_once` of its frames are without an answer, as calls of a client of so many threads would be.
    """

    def __init__(self, of: Configuration) -> None:
        self.intents = Intents(of["to_agent"])
        self.frame: int = of["frame"]
        self.window: int = of["window"]
        self.at_once: int = of["at_once"]
        self.ends_at = 0.0
        self.sent = self.accepted = self.ended = 0
        self.failure = ""
        self.is_done = asyncio.Event()
        self.socket: websocket.Socket

    def heard(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "outcomes":
                self.ended += len(frame["outcomes"])
                for outcome in frame["outcomes"]:
                    if outcome["status"] != "COMPLETED":
                        self.fail(f"an intent ended otherwise: {outcome}")
                self.fill()
            case "accepted":
                self.accepted += len(frame["results"])
                for result in frame["results"]:
                    if not result["ok"]:
                        self.fail(f"an intent was not accepted: {result}")
                self.fill()
            case "error" | "result":
                self.fail(f"the server refused: {frame}")
        if self.ended == self.accepted == self.sent and time.monotonic() >= self.ends_at > 0:
            self.is_done.set()

    def fail(self, why: str) -> None:
        self.failure = self.failure or why
        self.is_done.set()

    def has_room(self) -> bool:
        """Whether another frame may leave: for its intents, and for its answer."""
        unanswered = (self.sent - self.accepted) // self.frame
        return unanswered < self.at_once and self.sent - self.ended + self.frame <= self.window

    def fill(self) -> None:
        while self.has_room() and time.monotonic() < self.ends_at:
            intents = b",".join([self.intents.next() for _ in range(self.frame)])
            self.socket.send(b'{"type":"submit","ref":%d,"watch":true,"intents":[%b]}' % (self.sent, intents))
            self.sent += self.frame

    async def run(self, seconds: float) -> dict[str, Any]:
        processor, started = Processor(), time.monotonic()
        self.ends_at = started + seconds
        self.fill()
        async with asyncio.timeout(seconds + 30):
            await self.is_done.wait()
        if self.failure:
            raise RuntimeError(self.failure)
        return {
            "count": self.ended,
            "seconds": time.monotonic() - started,
            "processor_seconds": processor.seconds,
        }


async def main(of: Configuration) -> None:
    submitter = Submitter(of)
    submitter.socket = await websocket.connect(of["url"], of["key"], submitter.heard)
    submitter.socket.closed.add_done_callback(lambda why: submitter.fail(why.result()))
    tell(ready=True)
    while await told() == "go":
        tell(**await submitter.run(of["seconds"]))


if __name__ == "__main__":
    run(main)
