"""What a process gives back to the queues: the leases of closed connections, and those that nobody was told of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from typing import Any
from uuid import UUID

from agents.postgres import DatabaseUnavailable
from intents import coalescer
from intents.realtime.mailbox import Mailbox
from intents.realtime.stopping import stop
from intents.records import Lease, Release, Slot, Submission

#: How long the lease of a closed connection is tried to be given back; then it runs out by itself.
PATIENCE_SECONDS = 20.0
#: How long a process that leaves waits for what is being given back.
GOODBYE_SECONDS = 2.0
#: The database says when a lease began to whole microseconds, the process when it asked by another clock.
CLOCK_SECONDS = 1.0


class Returns:
    """Gives back in the background, also if the database is away for a while."""

    def __init__(self) -> None:
        self.under_way: set[asyncio.Task[None]] = set()
        #: claims whose answer did not come: for whom was asked, and when
        self._unheard: list[tuple[Sequence[Slot], float]] = []

    def give_back(
        self, mailbox: Mailbox, leases: Sequence[Lease], after: Collection[asyncio.Task[None]] = ()
    ) -> None:
        """Give back what was leased to a connection that has closed, once what it said last is done."""
        releases = [Release(mailbox.hold_of(lease), "closed") for lease in leases]
        self._spawn(self._insist(lambda: coalescer.release(releases), after))

    def give_back_submitted(self, asked: Sequence[Submission]) -> None:
        """Give back what was leased as it was recorded, for the answer was lost."""
        self._spawn(self._insist(lambda: coalescer.release_untold(asked)))

    def note_unheard(self, slots: Sequence[Slot], asked_at: float) -> None:
        """The answer to a claim that was made then (`time.monotonic`) was lost."""
        self._unheard.append((slots, asked_at))

    async def give_back_unheard(self, told: Iterable[UUID]) -> None:
        """Give back what claims have leased whose answers were lost: all but the leases that somebody was told of.

        Raises:
            DatabaseUnavailable: it is still away; what is to be given back is remembered.
        """
        while self._unheard:
            slots, asked_at = self._unheard[0]
            seconds = time.monotonic() - asked_at + CLOCK_SECONDS
            await coalescer.release_unheard(slots, within_seconds=seconds, told=list(told))
            self._unheard.pop(0)

    async def stop(self) -> None:
        """Wait for what is being given back, but not long."""
        if self.under_way:
            await asyncio.wait(self.under_way, timeout=GOODBYE_SECONDS)
        await stop(list(self.under_way))

    async def _insist(
        self, release: Callable[[], Awaitable[object]], after: Collection[asyncio.Task[None]] = ()
    ) -> None:
        if after:
            await asyncio.wait(after, timeout=PATIENCE_SECONDS)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                await release()
                return
            except DatabaseUnavailable:
                await asyncio.sleep(0.2)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="release")
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
