"""A connection's mailbox: what the dispatcher has leased to it, and what it still has room for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID, uuid4

from agents.caller import Caller
from agents.presence import OpenedConnection
from intents.records import Hold, Lease, Row


class Closing(StrEnum):
    """Why no more will come."""

    LEFT = "left"
    REVOKED = "revoked"
    DRAINED = "drained"


@dataclass(slots=True)
class Visitor:
    """Who is connected, and how: what the presence page shows of a connection."""

    caller: Caller
    transport: str
    client: str = ""
    remote_addr: str = ""


@dataclass(eq=False, slots=True)
class Mailbox:
    """What one connection of an agent holds: deliveries to be sent, and those that are unfinished.

    A lease is bound to the connection unless `is_detached`; `is_renewed` ones are renewed by this process for as long
    as the connection lives, the others by the client's heartbeats.
    """

    agent_id: int
    visitor: Visitor
    #: how many unfinished deliveries it takes at a time
    room: int
    seconds: int
    is_detached: bool = False
    is_renewed: bool = False
    session: UUID = field(default_factory=uuid4)
    id: UUID = field(default_factory=uuid4)
    closing: Closing | None = None
    #: intent → its lease, for all that is unfinished
    held: dict[UUID, Lease] = field(default_factory=dict)
    #: intents whose being unfinished no longer keeps others from being sent
    overdue: set[UUID] = field(default_factory=set)
    #: told of intents held here that ended by somebody else's hand, and of leases that were lost
    on_ended: Callable[[Row], None] | None = None
    on_lost: Callable[[Lease], None] | None = None
    #: until then (in the event loop's time) it gets what no other connection of its agent has room for: something was
    #: taken from it, and nothing was heard of it since
    doubted_until: float = 0.0
    _unsent: deque[Lease] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def free(self) -> int:
        """How many more deliveries it takes now."""
        if self.closing:
            return 0
        return max(0, self.room - len(self.held) + len(self.overdue))

    @property
    def presence(self) -> OpenedConnection:
        return OpenedConnection(
            id=self.id,
            session=self.session,
            agent_id=self.agent_id,
            key_id=self.visitor.caller.key_id,
            transport=self.visitor.transport,
            client=self.visitor.client,
            remote_addr=self.visitor.remote_addr,
            room=self.room,
        )

    def put(self, lease: Lease) -> None:
        """Hold a delivery, and have it sent."""
        self.held[lease.intent_id] = lease
        self._unsent.append(lease)
        self._news.set()

    def settle(self, intent_id: UUID) -> Lease | None:
        """Hold this no longer; it is finished, given back, or lost."""
        self.overdue.discard(intent_id)
        lease = self.held.pop(intent_id, None)
        if lease is not None:
            self._news.set()
        return lease

    def let_more_in(self) -> None:
        """Take others, although these are unfinished: an agent that forgot one must not block its queue."""
        self.overdue.update(self.held)

    def close(self, closing: Closing) -> None:
        """Take nothing more; whoever reads learns why."""
        self.closing = self.closing or closing
        self._news.set()

    def hold_of(self, lease: Lease) -> Hold:
        """What this connection writes under."""
        return Hold(
            lease.intent_id,
            lease.organization_id,
            agent_id=self.agent_id,
            token=lease.lease_token,
            actor=self.visitor.caller.address,
        )

    def take(self) -> list[Lease]:
        """All that is to be sent, and not any more what was settled meanwhile."""
        self._news.clear()
        leases = self.unsent()
        self._unsent.clear()
        return leases

    def unsent(self) -> list[Lease]:
        """What nobody has been told of yet."""
        return [lease for lease in self._unsent if self.held.get(lease.intent_id) is lease]

    async def news(self, patience: float) -> bool:
        """Wait until something has come, was settled or closed, and say so; at the longest so many seconds."""
        if self._unsent or self.closing:
            return True
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + patience
        # An alarm, and not a timeout: that costs a cancellation each time, which thousands of idle streams would pay.
        alarm = loop.call_at(ends_at, self._news.set)
        try:
            await self._news.wait()
        finally:
            alarm.cancel()
        return loop.time() < ends_at
