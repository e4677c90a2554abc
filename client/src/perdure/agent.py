"""Agents: a handler for each kind of intent, and a process that may die at any time.

agent = Agent("pipeline-agent")

@agent.handler("intent.pipeline.process.v1")
def process(delivery: Delivery) -> dict:
    with delivery.steps() as step:
        rows = step("extract", extract, delivery.payload)
        return {"loaded": step("load", load, rows)}

agent.run()
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections import deque
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from perdure import errors
from perdure.client import AsyncClient
from perdure.delivery import Delivery
from perdure.handling import FINAL
from perdure.link import Link
from perdure.work import Work

log = logging.getLogger("perdure.agent")
Handler = TypeVar("Handler", bound=Callable[[Any], Any])


class Agent:
    """Works on the intents of an address, until it is told to stop.

    `max_in_flight` is how many at a time; without, what is set on the server for the agent (1 unless changed). Address
    of the server and key come from the environment where they are not given, as for `Client`. When it is told to stop,
    by SIGTERM, SIGINT or `stop()`, it takes nothing new and finishes what it has; what has not ended after
    `drain_seconds` is left to another process.
    """

    def __init__(
        self,
        address: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        max_in_flight: int | None = None,
        drain_seconds: float = 30.0,
    ) -> None:
        self.address = address
        self.max_in_flight = max_in_flight
        self.drain_seconds = drain_seconds
        self._base_url = base_url
        self._api_key = api_key
        self._handlers: dict[str, Callable[[Any], Any]] = {}
        self._shift: Shift | None = None

    def handler(self, intent_type: str = "*") -> Callable[[Handler], Handler]:
        """Use a function for intents of this type. It is given a `Delivery`; what it returns is the result.

        `*` in the type stands for anything: `"intent.pipeline.*"`, or `"*"` for all that has no handler of its own. A
        coroutine function runs in the event loop, any other function in a thread of its own. If it raises, the intent
        is delivered again while it has attempts left; after `Fatal` it is not.
        """

        def register(handler: Handler) -> Handler:
            if intent_type in self._handlers:
                raise ValueError(f"{intent_type!r} has a handler already")
            self._handlers[intent_type] = handler
            return handler

        return register

    def handler_of(self, intent_type: str) -> Callable[[Any], Any] | None:
        """The handler of such intents: the one for this very type, else the one that says most about it."""
        if (exact := self._handlers.get(intent_type)) is not None:
            return exact
        fitting = [pattern for pattern in self._handlers if fnmatchcase(intent_type, pattern)]
        return self._handlers[max(fitting, key=len)] if fitting else None

    def run(self) -> None:
        """Work until told to stop.

        Raises:
            errors.Unauthenticated, errors.Forbidden, errors.AgentNotFound: it is not ours to do.
        """
        asyncio.run(self.serve())

    async def serve(self) -> None:
        """The same, in a running event loop."""
        if not self._handlers:
            raise ValueError("the agent has no handler")
        if self._shift is not None:
            raise RuntimeError("the agent is at work already")
        async with AsyncClient(self._base_url, self._api_key) as client:
            self._shift = Shift(self, client)
            try:
                await self._shift.run()
            finally:
                self._shift = None

    def stop(self) -> None:
        """Finish what is begun, then stop. May be called by any thread."""
        if (shift := self._shift) is not None:
            shift.loop.call_soon_threadsafe(shift.stop)


class Shift:
    """An agent at work, from `serve` until it has stopped."""

    def __init__(self, agent: Agent, client: AsyncClient) -> None:
        self.loop = asyncio.get_running_loop()
        self._agent = agent
        self._client = client
        hello: dict[str, Any] = {"address": agent.address}
        if agent.max_in_flight is not None:
            hello["max_in_flight"] = agent.max_in_flight
        self._link = Link(client, hello, on_frame=self._hear, on_up=self._begin_anew)
        self._room = agent.max_in_flight or 1
        self._heartbeat_seconds = 10.0
        #: by intent: all that is leased to us, also what waits for room
        self._works: dict[str, Work] = {}
        self._waiting: deque[Work] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = 0
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Work until told to stop."""
        signals = self._listen_to_signals()
        stopping = asyncio.create_task(self._stopping.wait())
        keeping = asyncio.create_task(self._link.keep(), name="perdure link")
        beating = asyncio.create_task(self._beat(), name="perdure heartbeat")
        try:
            await asyncio.wait({keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not keeping.done():
                await self._drain(keeping)
                await self._link.close()
            if keeping.done():
                keeping.result()
        finally:
            for number in signals:
                self.loop.remove_signal_handler(number)
            left = [stopping, keeping, beating, *self._tasks]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def stop(self) -> None:
        """Take nothing new; stop when all is done. The second time, stop at once."""
        if self._stopping.is_set():
            log.warning("stopping at once, %d intents are left to others", self._running)
            self._idle.set()
            self._agent.drain_seconds = 0
        self._stopping.set()

    async def _drain(self, keeping: asyncio.Task[None]) -> None:
        for work in self._waiting:
            self._works.pop(work.intent_id, None)  # never acknowledged: leaving gives them back
        self._waiting.clear()
        log.info("stopping; %d intents are to be finished", self._running)
        idle = asyncio.create_task(self._idle.wait())
        await asyncio.wait(
            {idle, keeping}, timeout=self._agent.drain_seconds, return_when=asyncio.FIRST_COMPLETED
        )
        idle.cancel()

    def _listen_to_signals(self) -> list[signal.Signals]:
        if threading.current_thread() is not threading.main_thread():
            return []
        heard: list[signal.Signals] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            try:
                self.loop.add_signal_handler(number, self.stop)
            except NotImplementedError:  # Windows has no such thing
                return heard
            heard.append(number)
        return heard

    # -- what is heard ----------------------------------------------------------------------------------------------

    def _begin_anew(self, welcome: dict[str, Any]) -> None:
        """There is a connection. What was begun on an earlier one goes on."""
        self._room = int(welcome["max_in_flight"])
        self._heartbeat_seconds = float(welcome["heartbeat_seconds"])
        log.info("connected as %s, %d at a time", welcome["address"], self._room)
        for work in self._works.values():
            self._spawn(work.extend())

    def _hear(self, frame: dict[str, Any]) -> None:
        match frame["type"]:
            case "deliveries":
                for data in frame["deliveries"]:
                    self._take(data)
            case "canceled":
                for said in frame["deliveries"]:
                    if work := self._works.get(said["intent_id"]):
                        reason = said.get("reason") or said["status"]
                        work.interrupt(
                            errors.Canceled(f"the intent has ended: {reason}", code=said["status"])
                        )
            case "lease_lost":
                for said in frame["deliveries"]:
                    work = self._works.get(said["intent_id"])
                    if work is not None and work.lease == said["lease"]:
                        work.interrupt(errors.LeaseLost(code="lease_lost"))

    def _take(self, data: dict[str, Any]) -> None:
        known = self._works.get(data["intent_id"])
        if known is not None and known.interruption is None and not known.is_given_up:
            known.adopt(data)
            if known not in self._waiting:
                self._spawn(known.begin())
            return
        if self._stopping.is_set():
            return  # neither acknowledged nor renewed: leaving gives it back
        work = Work(data, self._link, self._client)
        self._works[work.intent_id] = work
        self._waiting.append(work)
        self._fill()

    # -- what is done -----------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        while self._waiting and self._running < self._room:
            work = self._waiting.popleft()
            if work.interruption is not None:
                self._forget(work)
                continue
            self._running += 1
            self._idle.clear()
            self._spawn(self._do(work))

    async def _do(self, work: Work) -> None:
        try:
            handler = self._agent.handler_of(str(work.data.get("intent_type", "")))
            if handler is None:
                kind = work.data.get("intent_type")
                said = {"code": "no_handler", "message": f"the agent has no handler for {kind!r}"}
                await work.tell(("fail", {"error": said}, FINAL))
            elif (outcome := await work.do(handler, Delivery(work))) is not None:
                await work.tell(outcome)
        finally:
            self._forget(work)
            self._running -= 1
            if not self._running:
                self._idle.set()
            if not self._stopping.is_set():
                self._fill()

    def _forget(self, work: Work) -> None:
        if self._works.get(work.intent_id) is work:
            del self._works[work.intent_id]

    async def _beat(self) -> None:
        """Keep our leases, for as long as we work on what they are of."""
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            if not self._link.up.is_set() or not self._works:
                continue
            # A heartbeat renews what this connection was given; while we stop, also what we do not want.
            renews_all = self._link.has_frames and not self._stopping.is_set()
            if renews_all:
                await self._link.tell({"type": "heartbeat"})
            for work in list(self._works.values()):
                if not renews_all or work.epoch != self._link.epoch:
                    self._spawn(work.extend())

    def _spawn(self, doing: Any) -> None:
        task = self.loop.create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the client has a fault", exc_info=error)
