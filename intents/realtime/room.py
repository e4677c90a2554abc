"""Who is given what: the shares of an agent's connections in what is owed to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

from intents.realtime.mailbox import Mailbox
from intents.records import Lease, Slot, Submission

#: The most that one connection is given at a time, so that a large one leaves something for the others.
LARGEST_SHARE = 256


def shares(mailboxes: list[Mailbox]) -> list[tuple[Mailbox, Slot]]:
    """The shares of an agent's connections in what is due.

    Several connections take turns, one delivery each at first, then two, four and so on, so that little is shared
    fairly and much in few pieces; and another of them begins each time.
    """
    if len(mailboxes) > 1:
        mailboxes.append(mailboxes.pop(0))
    room = {mailbox: min(mailbox.free, LARGEST_SHARE) for mailbox in trusted(mailboxes)}
    piece = 1 if len(mailboxes) > 1 else LARGEST_SHARE
    found, first = [], 1
    while any(room.values()):
        for mailbox, left in room.items():
            if size := min(left, piece):
                found.append((mailbox, _slot(mailbox, first, first + size - 1)))
                room[mailbox] = left - size
                first += size
        piece *= 2
    return found


def trusted(mailboxes: list[Mailbox]) -> list[Mailbox]:
    """Those of an agent's connections that are not doubted; all of them, if none of those has room."""
    now = asyncio.get_running_loop().time()
    return [box for box in mailboxes if box.doubted_until <= now and box.free] or mailboxes


def takers(
    asked: Sequence[Submission], mailboxes: Mapping[int, list[Mailbox]], is_barred: Callable[[int], bool]
) -> list[Mailbox | None]:
    """For each of these new intents a connection that has room for it, by turns, unless its agent is barred."""
    lines: dict[int, deque[Mailbox]] = {}
    room: dict[Mailbox, int] = {}
    found: list[Mailbox | None] = []
    for each in asked:
        agent_id = each.recipient_id
        if (line := lines.get(agent_id)) is None:
            waiting = [] if is_barred(agent_id) else trusted(mailboxes.get(agent_id, []))
            line = lines[agent_id] = deque(mailbox for mailbox in waiting if mailbox.free)
        # What is owed later, or comes with checkpoints, is claimed when all of it is there.
        if not line or not each.is_owed or each.delay_seconds or each.inherits:
            found.append(None)
            continue
        mailbox = line.popleft()
        room[mailbox] = room.get(mailbox, mailbox.free) - 1
        if room[mailbox]:
            line.append(mailbox)
        found.append(mailbox)
    for agent_id in {mailbox.agent_id for mailbox in room}:
        mailboxes[agent_id].sort(key=room.__contains__)  # to the end of the line
    return found


def _slot(mailbox: Mailbox, first: int, last: int) -> Slot:
    return Slot(mailbox.agent_id, first, last, mailbox.session, mailbox.seconds, mailbox.is_detached)


class Offer:
    """Room that is kept in connections for what is being recorded."""

    def __init__(
        self,
        takers: Sequence[Mailbox | None],
        take: Callable[[set[int], list[tuple[Mailbox, Lease]]], Awaitable[None]],
        give_back: Callable[[list[Submission]], None],
    ) -> None:
        self._takers = takers
        self._take = take
        self._give_back = give_back
        self.agents = {mailbox.agent_id for mailbox in takers if mailbox}
        self.slots = [_slot(mailbox, 1, 1) if mailbox else None for mailbox in takers]

    async def settle(self, leases: Sequence[Lease | None]) -> None:
        """Those who offered have got these; or nothing, if there is none."""
        given = [(box, lease) for box, lease in zip(self._takers, leases, strict=False) if box and lease]
        await self._take(self.agents, given)

    def lose(self, asked: Sequence[Submission]) -> None:
        """Those who offered may have got these, and will not hear of it."""
        self._give_back([each for each, box in zip(asked, self._takers, strict=True) if box])
