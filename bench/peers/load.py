"""The load that every peer gets: `python -m bench.peers.load '{"peer": …, "role": …}'`, by the peer's interpreter.

The work is that of `bench.clients`: a submitter process hands in payloads of about 200 bytes, a worker process answers
each with `{"ok": true, "n": …}`, and the submitter counts those whose outcome it has seen. Imports nothing but the
standard library, for each peer has an environment of its own.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import random
import sys
import time
import traceback
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any, ClassVar

Payload = dict[str, Any]
#: How many calls of the submitter are on their way at the same time, and how many payloads a batch has.
AT_ONCE, BATCHES_AT_ONCE, FRAME = 32, 4, 100
#: How many may be without an outcome.
WINDOW, BATCHED_WINDOW = 512, 4000
#: Pipelines that are worked on side by side, each in four steps.
PIPELINES, STEPS = 32, ("extract", "clean", "model", "report")
#: A peer that tells nobody when something has ended is asked this often: seldom under pressure, when each question
#: takes from the work, and often when what is measured is how long one task takes.
PRESSED_LOOK_SECONDS, LOOK_SECONDS = 0.05, 0.005
DATA = "x" * 155


class Peer:
    """One peer: how its worker runs, how its submitter submits and sees outcomes, and how it saves steps."""

    #: calls at the same time, which is more where a call waits for the outcome; calls with batches; how much in those
    at_once: ClassVar[int] = AT_ONCE
    batches_at_once: ClassVar[int] = BATCHES_AT_ONCE
    batched_window: ClassVar[int] = BATCHED_WINDOW
    #: how often it is asked under pressure
    pressed_look_seconds: ClassVar[float] = PRESSED_LOOK_SECONDS
    #: the distributions whose versions are reported
    MADE_OF: ClassVar[tuple[str, ...]] = ()

    def __init__(self, of: dict[str, Any]) -> None:
        self.of = of
        self.url: str = of.get("url", "")
        #: payload's number → when it was submitted, while no outcome of it was seen
        self.open: dict[int, int] = {}
        self.seen_count = 0
        #: from submission to the handler, where the worker is the one that knows
        self.started: list[float] = []
        self.seen_waits: list[float] = []
        self.news = asyncio.Event()
        self.look_seconds = LOOK_SECONDS

    def versions(self) -> dict[str, str]:
        """What it is made of."""
        return {name: version(name) for name in self.MADE_OF}

    async def prepare(self) -> None:
        """Make what has to be there before anything runs, as its schema; once."""

    def working(self) -> AbstractAsyncContextManager[None]:
        """A worker that runs meanwhile."""
        return nothing()

    async def connect(self) -> None:
        """Become a submitter."""

    async def submit(self, payloads: list[Payload]) -> None:
        """Hand in what is in these, in one call; when this returns, it is on disk."""
        raise NotImplementedError

    async def watch(self) -> None:
        """Tell `seen` of each whose outcome there is, for as long as this runs."""

    async def checkpoints(self, seconds: float) -> int:
        """Work on pipelines for so long, each step on disk before the next; how many steps were saved."""
        raise NotImplementedError

    # -- for those who implement it -------------------------------------------------------------------------------

    def handle(self, payload: Payload) -> dict[str, Any]:
        """What the handler does, and answers."""
        now = time.monotonic_ns()
        if payload["sent_ns"]:
            self.started.append((now - payload["sent_ns"]) / 1e9)
        return {"ok": True, "n": payload["n"], "started_ns": now}

    def seen(self, number: int, result: dict[str, Any] | None = None) -> None:
        """The submitter has seen the outcome of this one."""
        sent = self.open.pop(number, 0)
        if not sent:
            return
        if result is not None and not result.get("ok"):
            raise RuntimeError(f"{number} ended otherwise: {result}")
        self.seen_count += 1
        self.seen_waits.append((time.monotonic_ns() - sent) / 1e9)
        if result is not None and "started_ns" in result:
            self.started.append((result["started_ns"] - sent) / 1e9)
        self.news.set()


@asynccontextmanager
async def nothing() -> AsyncIterator[None]:
    """No worker of its own."""
    yield


async def ended(process: asyncio.subprocess.Process, patience: float = 15) -> None:
    """End a process: gently, or else by force."""
    with suppress(ProcessLookupError):
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            process.kill()
            await process.wait()


class Submitter:
    """Keeps a window of submissions without outcome until its time is over; then waits for the last."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.sent = 0
        self.answers: list[float] = []

    def payloads(self, count: int) -> list[Payload]:
        made = []
        for _ in range(count):
            self.sent += 1
            now = time.monotonic_ns()
            made.append({"n": self.sent, "sent_ns": now, "data": DATA})
            self.peer.open[self.sent] = now
        return made

    async def press(self, seconds: float, frame: int) -> dict[str, Any]:
        """As fast as it goes, `frame` in each call."""
        single = (self.peer.at_once, WINDOW)
        batched = (self.peer.batches_at_once, self.peer.batched_window)
        at_once, window = single if frame == 1 else batched
        self.peer.look_seconds = self.peer.pressed_look_seconds
        before, started = self.peer.seen_count, time.monotonic()
        ends_at = started + seconds

        async def submit() -> None:
            while time.monotonic() < ends_at:
                if len(self.peer.open) + frame > window:
                    await self.hear()
                    continue
                await self.peer.submit(self.payloads(frame))

        async with asyncio.timeout(seconds + 110):
            await asyncio.gather(*(submit() for _ in range(at_once)))
            while self.peer.open:
                await self.hear()
        return {"count": self.peer.seen_count - before, "seconds": time.monotonic() - started}

    async def pace(self, seconds: float, rate: float) -> dict[str, Any]:
        """A few a second, unevenly."""

        async def submit(payload: Payload) -> None:
            await self.peer.submit([payload])
            self.answers.append((time.monotonic_ns() - payload["sent_ns"]) / 1e9)

        self.peer.look_seconds = LOOK_SECONDS
        before, ends_at, tasks = self.sent, time.monotonic() + seconds, []
        while time.monotonic() < ends_at:
            tasks.append(asyncio.create_task(submit(self.payloads(1)[0])))
            await asyncio.sleep(random.uniform(0.5, 1.5) / rate)
        await asyncio.gather(*tasks)
        async with asyncio.timeout(30):
            while self.peer.open:
                await self.hear()
        count = self.sent - before
        return {
            "count": count,
            "start": self.peer.started[-count:],
            "seen": self.peer.seen_waits[-count:],
            "accepted": self.answers[-count:],
        }

    async def hear(self) -> None:
        self.peer.news.clear()
        await self.peer.news.wait()


async def main(of: dict[str, Any]) -> None:
    """Be what the configuration says until it is over."""
    peer: Peer = importlib.import_module(f"bench.peers.{of['peer']}.peer").Peer(of)
    match of["role"]:
        case "prepare":
            await peer.prepare()
            tell(versions=peer.versions())
        case "worker":
            async with peer.working():
                tell(ready=True)
                await told()
                tell(start=peer.started)
        case "steps":
            await peer.connect()
            tell(ready=True)
            while (words := (await told()).split())[:1] == ["go"]:
                started = time.monotonic()
                count = await peer.checkpoints(float(words[1]))
                tell(count=count, seconds=time.monotonic() - started)
        case "submitter":
            await submitter(peer)


async def submitter(peer: Peer) -> None:
    await peer.connect()
    submitter = Submitter(peer)
    watching = asyncio.create_task(peer.watch())
    tell(ready=True)
    while words := (await told()).split():
        what, seconds, much = words[0], float(words[1]), int(words[2])
        doing: Coroutine[Any, Any, dict[str, Any]] = (
            submitter.press(seconds, much) if what == "press" else submitter.pace(seconds, much)
        )
        task = asyncio.create_task(doing)
        await asyncio.wait([task, watching], return_when=asyncio.FIRST_COMPLETED)
        if watching.done() and watching.exception() is not None:
            watching.result()
        tell(**await task)


def tell(**facts: Any) -> None:
    """Say something to the bench."""
    OUT.write(json.dumps(facts) + "\n")
    OUT.flush()


async def told() -> str:
    """Wait for the bench's next word; empty when it is gone."""
    line: str = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return line.strip()


if __name__ == "__main__":
    # What peers print is not what the bench is to read.
    OUT, sys.stdout = sys.stdout, sys.stderr
    logging.basicConfig(level=logging.ERROR)
    loop_factory = None
    try:
        import uvloop

        loop_factory = uvloop.new_event_loop
    except ImportError:
        pass
    sys.modules["bench.peers.load"] = sys.modules["__main__"]  # the peers build on this very module
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(main(json.loads(sys.argv[1])))
    except Exception as error:  # noqa: BLE001 - it is told, whatever it is
        tell(error=f"{error!r}\n{traceback.format_exc(limit=-4)}")
