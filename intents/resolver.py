"""Looking names up for strangers: in threads of their own, of which no tenant and no agent holds more than a share.

Nothing ends a lookup but its answer: a slow name server holds a thread even when nobody waits for it any more.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID

#: Lookups at a time: of one process, of one tenant in it, and of one of its agents.
MOST = 128
MOST_OF_TENANT = 32
MOST_OF_AGENT = 8


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose name it is that is looked up, and who waits when that takes long."""

    organization_id: UUID
    agent_id: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """A name that somebody wants to know the addresses of."""

    owner: Owner
    name: str
    port: int
    found: Future[list[str]] = field(default_factory=Future)

    def run(self) -> None:
        """Ask, unless nobody waits any more."""
        if not self.found.set_running_or_notify_cancel():
            return
        try:
            entries = socket.getaddrinfo(self.name, self.port, type=socket.SOCK_STREAM)
        except Exception as error:  # noqa: BLE001  whoever waits for it is told
            self.found.set_exception(error)
        else:
            self.found.set_result(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))


class Resolver:
    """Asks for each owner a few names at a time; what is more waits for that owner's own lookups, not for others'."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(MOST, thread_name_prefix="names")
        self._lock = threading.Lock()
        self._waiting: list[Lookup] = []
        self._of_tenants: Counter[UUID] = Counter()
        self._of_agents: Counter[int] = Counter()

    async def addresses(self, name: str, port: int, owner: Owner) -> list[str]:
        """The IP addresses of a name.

        Raises:
            OSError, UnicodeError: it has none.
        """
        lookup = Lookup(owner, name, port)
        with self._lock:
            self._waiting.append(lookup)
            self._begin()
        return await asyncio.wrap_future(lookup.found)

    def _begin(self) -> None:
        """Begin all that may, oldest first; forget what nobody waits for."""
        waiting, self._waiting = self._waiting, []
        for lookup in waiting:
            if lookup.found.cancelled():
                continue
            if self._may(lookup.owner):
                self._count(lookup.owner, 1)
                self._threads.submit(self._run, lookup)
            else:
                self._waiting.append(lookup)

    def _may(self, owner: Owner) -> bool:
        return (
            self._of_tenants[owner.organization_id] < MOST_OF_TENANT
            and self._of_agents[owner.agent_id] < MOST_OF_AGENT
        )

    def _count(self, owner: Owner, by: int) -> None:
        self._of_tenants[owner.organization_id] += by
        self._of_agents[owner.agent_id] += by
        # A counter keeps whom it has ever seen.
        if not self._of_tenants[owner.organization_id]:
            del self._of_tenants[owner.organization_id]
        if not self._of_agents[owner.agent_id]:
            del self._of_agents[owner.agent_id]

    def _run(self, lookup: Lookup) -> None:
        try:
            lookup.run()
        finally:
            with self._lock:
                self._count(lookup.owner, -1)
                self._begin()
