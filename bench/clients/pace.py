"""Submits a few intents a second, as an unhurried system does, and notes when it sees the result of each."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import orjson

from bench.clients import http, websocket
from bench.clients.intent import Intents
from bench.clients.process import Configuration, run, tell, told

TERMINAL = ("COMPLETED", "FAILED", "CANCELED", "TIMED_OUT")


class OverWebsocket:
    """Submits with `watch`, so that the outcome comes by itself."""

    def __init__(self, of: Configuration) -> None:
        self.of = of
        self.intents = Intents(of["to_agent"])
        self.sent: dict[int, int] = {}
        self.ids: dict[str, int] = {}
        #: outcomes that came before the answer that named their intent
        self.early: dict[str, int] = {}
        self.answers: list[float] = []
        self.waits: list[float] = []
        self.socket: websocket.Socket

    async def open(self) -> None:
        self.socket = await websocket.connect(self.of["socket_url"], self.of["key"], self.heard)

    def heard(self, frame: dict[str, Any]) -> None:
        now = time.monotonic_ns()
        if frame["type"] == "accepted":
            sent = self.sent.pop(frame["ref"])
            intent_id = frame["results"][0]["intent_id"]
            self.answers.append((now - sent) / 1e9)
            if seen := self.early.pop(intent_id, 0):
                self.waits.append((seen - sent) / 1e9)
            else:
                self.ids[intent_id] = sent
        elif frame["type"] == "outcomes":
            for outcome in frame["outcomes"]:
                if sent_ns := self.ids.pop(outcome["intent_id"], 0):
                    self.waits.append((now - sent_ns) / 1e9)
                else:
                    self.early[outcome["intent_id"]] = now

    async def submit(self) -> None:
        now = time.monotonic_ns()
        self.sent[now] = now
        self.socket.send(
            b'{"type":"submit","ref":%d,"watch":true,"intents":[%b]}' % (now, self.intents.next(now))
        )


class OverHttp:
    """Submits with a request, then reads the intent's own stream until it has ended, as `wait_for` does."""

    def __init__(self, of: Configuration) -> None:
        self.of = of
        self.intents = Intents(of["to_agent"])
        self.free: list[http.Connection] = []
        self.answers: list[float] = []
        self.waits: list[float] = []

    async def open(self) -> None:
        self.free = [await self.connect() for _ in range(4)]

    async def connect(self) -> http.Connection:
        return await http.connect(self.of["url"], self.of["key"])

    async def submit(self) -> None:
        connection = self.free.pop() if self.free else await self.connect()
        sent = time.monotonic_ns()
        answer = orjson.loads(await connection.post("/v1/intents", self.intents.next(sent)))
        self.answers.append((time.monotonic_ns() - sent) / 1e9)

        def heard(event: dict[str, Any]) -> None:
            if event.get("status") in TERMINAL:
                self.waits.append((time.monotonic_ns() - sent) / 1e9)

        path = f"/v1/intents/{answer['intent_id']}/events/stream?wait_seconds=30"
        await connection.get(path, http.Events(heard).feed)
        self.free.append(connection)


async def main(of: Configuration) -> None:
    submitter = OverWebsocket(of) if of["by"] == "websocket" else OverHttp(of)
    await submitter.open()
    tell(ready=True)
    await told()
    tasks = []
    next_at = time.monotonic()
    ends_at = next_at + of["seconds"]
    while next_at < ends_at:
        tasks.append(asyncio.create_task(submitter.submit()))
        # Not evenly: whatever else ticks in the system must not meet each one at the same moment.
        next_at += random.uniform(0.5, 1.5) / of["rate"]
        await asyncio.sleep(max(0.0, next_at - time.monotonic()))
    await asyncio.gather(*tasks)
    await asyncio.sleep(1)  # the last results are still on their way
    tell(sent=len(tasks), waits=submitter.waits, answers=submitter.answers)


if __name__ == "__main__":
    run(main)
