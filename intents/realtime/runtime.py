"""What a web process runs besides its requests: doorbell, dispatcher and observer, and their pulse once a second.

It starts with the first connection that needs it, on whatever event loop serves that; servers without a lifespan
protocol need no other hook.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from typing import Any, Protocol
from uuid import uuid4
from weakref import WeakSet

from django.conf import settings
from django.dispatch import receiver

from agents import auth, presence
from agents.auth import forget
from agents.pages import attendance
from agents.postgres import DatabaseUnavailable
from agents.signals import keys_revoked
from intents import coalescer
from intents.realtime import switches
from intents.realtime.board import Board
from intents.realtime.dispatcher import Dispatcher
from intents.realtime.doorbell import Doorbell, ring_from_sync
from intents.realtime.gauges import Gauges
from intents.realtime.mailbox import Closing
from intents.realtime.observer import Observer
from intents.realtime.stopping import stop
from intents.signals import Changes, announce, changed

logger = logging.getLogger(__name__)

PULSE_SECONDS = 1.0
#: A lease lasts this many times as long as passes between two renewals.
RENEWALS_IN_A_LEASE = 3
#: The least time between two tellings of who has come.
INTRODUCTION_SECONDS = 0.1
#: A look that is older says nothing about who else is there.
FRESH_SECONDS = 3 * PULSE_SECONDS


class Guest(Protocol):
    """An open connection that ends when its key is revoked."""

    def close(self, closing: Closing) -> None: ...


class Runtime:
    """The loops of one process."""

    def __init__(self) -> None:
        self.process = uuid4()
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self.observer = Observer()
        self.dispatcher = Dispatcher(self.observer)
        self.board = Board()
        #: The last minute moves, and what is ready ages.
        self.gauges = Gauges("gauges", safety_seconds=10.0)
        #: Nobody rings for signs of life.
        self.fleets = Gauges("fleets", safety_seconds=2.0)
        self.doorbell = Doorbell(self.process, self._heard_from_others)
        self.is_draining = False
        self._guests: defaultdict[str, set[Guest]] = defaultdict(set)
        self._renewed_at = 0.0
        #: when this process last saw that no other serves connections
        self._alone_at = float("-inf")
        self._telling = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.doorbell.start()
        self.observer.start()
        self.dispatcher.start()
        self.board.start()
        self.gauges.start()
        self.fleets.start()
        self._tasks = [
            asyncio.create_task(self._beat(), name="pulse"),
            asyncio.create_task(self._introduce_newcomers(), name="introductions"),
        ]

    async def stop(self) -> None:
        """End all loops, and say that this process is gone."""
        self.drain()
        await stop(self._tasks)
        await self.dispatcher.stop()
        await self.observer.stop()
        await self.board.stop()
        await self.gauges.stop()
        await self.fleets.stop()
        await self.doorbell.stop()
        try:
            await presence.leave(self.process)
        except DatabaseUnavailable:
            logger.debug("nobody to say goodbye to")

    def drain(self) -> None:
        """End every stream and socket; their clients come back to another process."""
        self.is_draining = True
        self.dispatcher.drain()
        self.observer.close_watches()
        self.board.close_lists()
        self.gauges.close_gauges()
        self.fleets.close_gauges()
        for guests in list(self._guests.values()):
            for guest in list(guests):
                guest.close(Closing.DRAINED)

    # -- guests: connections that end with their key ----------------------------------------------------------

    def welcome(self, key_id: str, guest: Guest) -> None:
        """Close this connection when its key is revoked; at once, if this process is leaving."""
        self._guests[key_id].add(guest)
        if self.is_draining:
            guest.close(Closing.DRAINED)

    def see_off(self, key_id: str, guest: Guest) -> None:
        """The connection has ended by itself."""
        self._guests[key_id].discard(guest)
        if not self._guests[key_id]:
            del self._guests[key_id]

    def connections_of(self, key_id: str) -> int:
        """How many connections this key has open in this process."""
        return len(self._guests.get(key_id, ()))

    def _revoke(self, keys: list[str]) -> None:
        forget(keys)
        for key_id in keys:
            for guest in list(self._guests.get(key_id, ())):
                guest.close(Closing.REVOKED)

    # -- rings ------------------------------------------------------------------------------------------------

    def heard_here(self, changes: Changes) -> None:
        """Something was committed by this process: look here at once, and tell the others, if there are any.

        Who has just come and is not known yet looks by itself once a second; so do all who wait.
        """
        self._look_at(changes)
        if changes.keys or changes.switched or not self.is_alone:
            self.doorbell.ring(changes)

    @property
    def is_alone(self) -> bool:
        """Whether this process has just seen that no other serves connections."""
        return self.loop.time() - self._alone_at <= FRESH_SECONDS

    def _heard_from_others(self, changes: Changes | None) -> None:
        if changes is None:
            self.dispatcher.ring(self.dispatcher.waiting_agents())
            self.observer.look_at_everything()
            self.board.look_at_everything()
            self.gauges.hear()
            self.fleets.hear()
        else:
            self._look_at(changes)

    def _look_at(self, changes: Changes) -> None:
        self.dispatcher.hear(changes.agents, changes.intents)
        self.observer.hear(changes.intents, changes.ended)
        if changes.intents:
            self.board.hear(changes.intents)
            self.gauges.hear()
        if changes.intents or changes.switched:
            self.fleets.hear()
        if changes.keys:
            # A ring says look, so look, a little ahead of time.
            forget(changes.keys)
        is_concerned = any(key in self._guests for key in changes.keys)
        if changes.switched:
            auth.forget_agents(changes.switched)
            is_concerned = is_concerned or bool(self._guests)
        if is_concerned:
            self.loop.create_task(self._look_once())

    # -- the pulse --------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            try:
                if (
                    self.loop.time() - self._renewed_at
                    >= settings.PERDURE_LEASE_SECONDS / RENEWALS_IN_A_LEASE
                ):
                    await self.dispatcher.renew(
                        [box for box in self.dispatcher.mailboxes() if box.is_renewed]
                    )
                    self._renewed_at = self.loop.time()
            except DatabaseUnavailable:
                pass
            except Exception:
                logger.exception("the leases could not be renewed")
            await self._look_once()

    async def _introduce_newcomers(self) -> None:
        """Tell of new connections at once: a process that dies unknown leaves them their leases to the full end."""
        while True:
            await self.dispatcher.has_opened.wait()
            self.dispatcher.has_opened.clear()
            try:
                await self._tell_presence()
            except DatabaseUnavailable:
                pass  # the pulse tells it
            except Exception:
                logger.exception("new connections could not be told of")
            await asyncio.sleep(INTRODUCTION_SECONDS)

    async def _look_once(self) -> None:
        try:
            await self._tell_presence()
            await self._look()
        except DatabaseUnavailable:
            pass
        except Exception:
            logger.exception("the pulse missed a beat")

    async def _tell_presence(self, *, is_new: bool = False) -> None:
        async with self._telling:  # one after the other, or a connection might come after it has gone
            await self._tell_changes(is_new=is_new)

    async def _tell_changes(self, *, is_new: bool) -> None:
        opened, self.dispatcher.opened = self.dispatcher.opened, []
        closed, self.dispatcher.closed = self.dispatcher.closed, []
        if not opened and not closed and not is_new:
            return
        try:
            is_new = await presence.sync(self.process, [box.presence for box in opened], closed)
        except DatabaseUnavailable:
            self.dispatcher.opened = opened + self.dispatcher.opened
            self.dispatcher.closed = closed + self.dispatcher.closed
            raise
        if is_new:
            await self._introduce()

    async def _introduce(self) -> None:
        """Tell of all connections again, because this process was forgotten: it has been silent, and taken for dead.

        Their leases have been ended with it. What nobody else has got meanwhile is still theirs.
        """
        told = {box.id for box in self.dispatcher.opened}
        self.dispatcher.opened += [box for box in self.dispatcher.mailboxes() if box.id not in told]
        await self.dispatcher.renew(self.dispatcher.mailboxes())

    async def _look(self) -> None:
        keys = list(self._guests)
        if not keys and not attendance.current().guests:
            return
        asked_at = time.monotonic()
        [seen] = await coalescer.read(
            "look", process=self.process, agents=self.dispatcher.waiting_agents(), keys=keys
        )
        self.dispatcher.alive_at = asked_at
        if not seen["is_known"]:
            await self._introduce()
            await self._tell_presence(is_new=True)
        self.dispatcher.ring(seen["due"])
        if seen["revoked"]:
            self._revoke(seen["revoked"])
        if seen["switches"]:
            await switches.heed(seen["switches"], self.dispatcher, self.process)
        self._alone_at = float("-inf") if seen["has_company"] else self.loop.time()
        if seen["is_spent"]:
            await coalescer.exhaust()


_active: Runtime | None = None
#: The event loops of servers: on those, whatever is committed is rung for, also before the first stream opens.
_served: WeakSet[asyncio.AbstractEventLoop] = WeakSet()


def serve() -> None:
    """Ring for what this event loop's requests commit, from the first one on. For servers that say when they start."""
    _served.add(asyncio.get_running_loop())


def current() -> Runtime:
    """This process's runtime, started if it is not."""
    global _active  # noqa: PLW0603  one a process, for signals that come from any thread
    loop = asyncio.get_running_loop()
    if _active is None or _active.loop is not loop:
        _active = Runtime()
        _active.start()
    return _active


async def drain() -> None:
    """End every stream and socket of this process, then its loops. For servers that are told to stop.

    It stays this loop's runtime: who comes now by a connection that is still open is told to come by another door.
    """
    if _active is not None and _active.loop is asyncio.get_running_loop() and not _active.is_draining:
        await _active.stop()


@receiver(changed)
def _on_changed(sender: object, changes: Changes, **kwargs: Any) -> None:
    """Ring for what was committed, from whatever thread it was."""
    runtime = _active
    if (runtime is None or runtime.loop.is_closed()) and _is_served():
        runtime = current()
    if runtime is None or runtime.loop.is_closed():
        ring_from_sync(changes)
    elif threading.get_ident() == runtime.thread:
        runtime.heard_here(changes)
    else:
        runtime.loop.call_soon_threadsafe(runtime.heard_here, changes)


def _is_served() -> bool:
    try:
        return asyncio.get_running_loop() in _served
    except RuntimeError:  # a thread's work, or a worker's
        return False


@receiver(keys_revoked)
def _on_keys_revoked(sender: object, key_ids: list[str], **kwargs: Any) -> None:
    announce(Changes(keys=set(key_ids)))
