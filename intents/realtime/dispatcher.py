"""The dispatcher: one task a process that claims deliveries for all the connections it has.

A ring for some agents → one statement claims for all of them → the deliveries go into the connections' mailboxes. An
expired lease is claimable like a ready delivery, so that redelivery depends on no other process. Rings may be lost: a
look a second finds what they would have told, and what was exhausted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from agents.postgres import DatabaseUnavailable, NotAsked
from intents import coalescer
from intents.errors import Outcome
from intents.realtime import room
from intents.realtime.mailbox import Closing, Mailbox
from intents.realtime.observer import Observer
from intents.realtime.returns import Returns
from intents.realtime.stopping import stop
from intents.records import Hold, Lease, Row, Slot, Submission
from intents.telemetry import CLAIM_SECONDS, CLAIM_SIZE, CONNECTIONS, count_deliveries

logger = logging.getLogger(__name__)

#: How long a process that leaves waits for the answer to what it has asked for its connections.
ROUND_SECONDS = 2.0
#: Somewhat less than the silence after which a process is taken for dead (intents/sweep.py).
SILENCE_SECONDS = 4.0


class Dispatcher:
    """Claims for all local connections, and keeps what they hold."""

    def __init__(self, observer: Observer) -> None:
        self._mailboxes: defaultdict[int, list[Mailbox]] = defaultdict(list)
        #: intent → the mailbox that holds it
        self._holders: dict[UUID, Mailbox] = {}
        observer.held, observer.held_ended = self._holders, self._ended
        self._rung: set[int] = set()
        #: agents that may be owed more than there was room for when they were last claimed for
        self._unserved: set[int] = set()
        #: agents for which a statement is under way that may fill their room
        self._claiming: set[int] = set()
        self._offered: set[int] = set()
        #: intents held here that are perhaps not any more
        self._doubtful: set[UUID] = set()
        self._wake = asyncio.Event()
        self._round: asyncio.Task[None] | None = None
        self.returns = Returns()
        self._is_stopping = False
        #: The database was away; leases may have run out although their connections live.
        self._was_cut_off = False
        #: when this process last said in time that it lives; it may have been taken for dead since (`time.monotonic`)
        self.alive_at = time.monotonic()
        #: agents that are killed, as far as this process knows
        self.killed: set[int] = set()
        #: the agents that would take more, unless a mailbox has changed since they were last looked for
        self._waiting: list[int] | None = None
        #: mailboxes opened and closed since the presence was last told
        self.opened: list[Mailbox] = []
        self.closed: list[UUID] = []
        self.has_opened = asyncio.Event()

    def start(self) -> None:
        self._round = asyncio.create_task(self._run(), name="dispatcher")
        coalescer.current().offering = self.offer

    async def stop(self) -> None:
        """End, once what is being leased has come, and what nobody can be told of is given back."""
        coalescer.current().offering = coalescer.no_offer
        self._is_stopping = True
        self._wake.set()
        if self._round is not None:
            await asyncio.wait([self._round], timeout=ROUND_SECONDS)
            await stop([self._round])
        deadline = time.monotonic() + ROUND_SECONDS
        while self._offered and time.monotonic() < deadline:  # noqa: ASYNC110 (offers end by themselves)
            await asyncio.sleep(0.01)
        await self.returns.stop()

    # -- connections ------------------------------------------------------------------------------------------

    def open(self, mailbox: Mailbox) -> None:
        """Begin to deliver to this connection."""
        if not self._mailboxes:  # nobody was here whose leases could have been ended
            self.alive_at = time.monotonic()
        self._mailboxes[mailbox.agent_id].append(mailbox)
        self.opened.append(mailbox)
        self.has_opened.set()
        CONNECTIONS.labels(mailbox.visitor.transport).inc()
        self.ring([mailbox.agent_id])

    def close(
        self, mailbox: Mailbox, closing: Closing = Closing.LEFT, *, after: Collection[asyncio.Task[None]] = ()
    ) -> None:
        """The connection is over; what was bound to it goes back at once, or `after` what is still done for it.

        But for what it was told of, if the agent lives on: if its leases outlive the connection, or if this process is
        drained, so that it finishes what it has over another connection.
        """
        mailbox.close(closing)
        if mailbox not in self._mailboxes.get(mailbox.agent_id, ()):
            return
        self._mailboxes[mailbox.agent_id].remove(mailbox)
        self._waiting = None
        if not self._mailboxes[mailbox.agent_id]:
            del self._mailboxes[mailbox.agent_id]
            self._unserved.discard(mailbox.agent_id)
        self.closed.append(mailbox.id)
        CONNECTIONS.labels(mailbox.visitor.transport).dec()
        lives_on = mailbox.is_detached or mailbox.closing is Closing.DRAINED
        leases = mailbox.unsent() if lives_on else list(mailbox.held.values())
        for intent_id in list(mailbox.held):
            self.settle(mailbox, intent_id)
        if leases:
            self.returns.give_back(mailbox, leases, after)

    def settle(self, mailbox: Mailbox, intent_id: UUID) -> Lease | None:
        """The connection is done with this delivery, and has room for another."""
        lease = mailbox.settle(intent_id)
        if lease is not None:
            if self._holders.get(intent_id) is mailbox:  # another connection may have got it since
                del self._holders[intent_id]
            self._waiting = None
            if mailbox.agent_id in self._unserved:
                self.ring([mailbox.agent_id])
        return lease

    def resume(self, mailbox: Mailbox, leases: Iterable[Lease]) -> None:
        """The connection holds these after all: what was to settle them did not come about."""
        self._waiting = None
        for lease in leases:
            if mailbox.closing:
                self.returns.give_back(mailbox, [lease])
            else:  # unless it, or another connection, has got it anew meanwhile
                mailbox.held.setdefault(lease.intent_id, lease)
                self._holders.setdefault(lease.intent_id, mailbox)

    def mailboxes(self) -> list[Mailbox]:
        """All connections that are open now."""
        return [mailbox for mailboxes in self._mailboxes.values() for mailbox in mailboxes]

    def waiting_agents(self) -> list[int]:
        """The agents with a connection that would take more."""
        if self._waiting is None:
            self._waiting = [
                agent_id
                for agent_id, mailboxes in self._mailboxes.items()
                if any(mailbox.free for mailbox in mailboxes)
            ]
        return self._waiting

    def drain(self) -> None:
        """Let every connection know that this process ends."""
        for mailbox in self.mailboxes():
            mailbox.close(Closing.DRAINED)

    # -- the loop ---------------------------------------------------------------------------------------------

    def ring(self, agents: Iterable[int]) -> None:
        """Something may be due to these; look, if they wait here."""
        waiting = [agent_id for agent_id in agents if agent_id in self._mailboxes]
        if waiting:
            self._waiting = None
            self._rung.update(waiting)
            self._wake.set()

    def hear(self, agents: Iterable[int], intents: Iterable[UUID]) -> None:
        """Something is due to these agents, and these intents have changed: perhaps some held here was taken away."""
        due = set(agents)
        for intent_id in intents if due else ():
            if (holder := self._holders.get(intent_id)) is not None and holder.agent_id in due:
                self._doubtful.add(intent_id)
        self.ring(due)

    def doubt(self, mailbox: Mailbox) -> None:
        """See whether this connection still has all that it held: it renews by another way, and might not know."""
        if mailbox.held:
            self._doubtful.update(mailbox.held)
            self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._is_stopping:
                return
            rung = self._rung - self._offered  # for those it is claimed when it is known what room is left
            self._rung -= rung
            try:
                if self._doubtful:
                    await self._look_at_doubtful()
                is_in_doubt = time.monotonic() > self.alive_at + SILENCE_SECONDS
                if self._was_cut_off or is_in_doubt:  # before any of them is claimed for another
                    await self.renew(self.mailboxes())
                    await self.returns.give_back_unheard(self._tokens())
                    self._was_cut_off = False
                await self._claim(rung)
            except DatabaseUnavailable:
                self._was_cut_off = True
                await asyncio.sleep(0.2)
                self.ring(rung)
            except Exception:
                logger.exception("the dispatcher failed to claim")
                await asyncio.sleep(1)
                self.ring(rung)

    async def _claim(self, agents: set[int]) -> None:
        agents = agents & self._mailboxes.keys()
        shares = [share for agent_id in agents for share in room.shares(self._mailboxes[agent_id])]
        left = Counter({slot.agent_id: slot.last for _, slot in shares})
        self._unserved |= agents - left.keys()
        if not shares:
            return
        leases = await self._leased([slot for _, slot in shares])
        # A session may have two connections; each holds what it was given.
        by_slot: dict[tuple[int, UUID], list[Mailbox]] = defaultdict(list)
        for mailbox, slot in shares:
            by_slot[slot.agent_id, slot.session] += [mailbox] * (slot.last - slot.first + 1)
        served = set()
        for lease in leases:
            mailbox = by_slot[lease.agent_id, lease.lease_session].pop(0)
            self._hand_over(mailbox, lease)
            served.add(mailbox)
        count_deliveries(leases)
        for agent_id in {mailbox.agent_id for mailbox in served} & self._mailboxes.keys():
            self._mailboxes[agent_id].sort(key=served.__contains__)  # to the end of the line
        # Those who got all they had room for are perhaps owed more. The others are rung for when they are.
        left.subtract(lease.agent_id for lease in leases)
        self._unserved -= left.keys()
        full = {agent_id for agent_id, missing in left.items() if missing <= 0} & self._mailboxes.keys()
        self._unserved |= full
        self.ring(full)

    async def _leased(self, slots: list[Slot]) -> list[Lease]:
        """What a claim for these has got; what it may have got without our hearing of it is given back later."""
        started = time.monotonic()
        self._claiming = {slot.agent_id for slot in slots}
        try:
            leases = await coalescer.claim(slots)
            CLAIM_SECONDS.observe(time.monotonic() - started)
            CLAIM_SIZE.observe(len(leases))
            return await self._still_held(leases)
        except NotAsked:
            raise
        except DatabaseUnavailable:
            self.returns.note_unheard(slots, started)
            raise
        finally:
            self._claiming = set()

    def _tokens(self) -> set[UUID]:
        """The leases that connections of this process were told of."""
        return {lease.lease_token for mailbox in self.mailboxes() for lease in mailbox.held.values()}

    # -- what is submitted here ---------------------------------------------------------------------------------

    def offer(self, asked: Sequence[Submission]) -> room.Offer | None:
        """Keep room for these new intents in connections that wait here, and whose agents are owed nothing else."""
        takers = room.takers(asked, self._mailboxes, self._is_barred)
        if not any(takers):
            return None
        offer = room.Offer(takers, self._take, self._give_back)
        self._offered |= offer.agents  # nothing else is claimed for them meanwhile
        return offer

    def _is_barred(self, agent_id: int) -> bool:
        """Something else may fill this agent's room, or it may have none."""
        others = (self._unserved, self._rung, self._claiming, self._offered, self.killed)
        return any(agent_id in each for each in others)

    async def _take(self, agents: set[int], given: Sequence[tuple[Mailbox, Lease]]) -> None:
        try:
            held = await self._still_held([lease for _, lease in given])
            count_deliveries(held)
            known = {lease.intent_id for lease in held}
            for mailbox, lease in given:
                if lease.intent_id in known:
                    self._hand_over(mailbox, lease)
        except DatabaseUnavailable:
            logger.debug("nobody can say whether the leases of a killed agent still hold; they run out")
        finally:
            self._offered -= agents
            if self._rung:
                self._wake.set()

    def _give_back(self, asked: Sequence[Submission]) -> None:
        self.returns.give_back_submitted(asked)

    async def _still_held(self, leases: list[Lease]) -> list[Lease]:
        """Those of these that were not taken back while the news of a kill overtook the claim."""
        if self.killed.isdisjoint(lease.agent_id for lease in leases):
            return leases
        holds = [
            Hold(each.intent_id, each.organization_id, agent_id=each.agent_id, token=each.lease_token)
            for each in leases
        ]
        answers = await coalescer.extend(holds)
        return [
            lease for lease, answer in zip(leases, answers, strict=True) if answer.outcome is Outcome.DONE
        ]

    def _hand_over(self, mailbox: Mailbox, lease: Lease) -> None:
        if mailbox.closing:  # nobody will be told of it
            self.returns.give_back(mailbox, [lease])
            return
        mailbox.put(lease)
        self._holders[lease.intent_id] = mailbox
        self._waiting = None

    def _ended(self, row: Row) -> None:
        """An intent that is held here ended by another's hand, or over another connection of its agent."""
        mailbox = self._holders.get(row["intent_id"])
        if mailbox is not None and self.settle(mailbox, row["intent_id"]) and mailbox.on_ended:
            mailbox.on_ended(row)

    # -- leases -----------------------------------------------------------------------------------------------

    async def renew(self, mailboxes: Iterable[Mailbox]) -> None:
        """Renew all that these connections hold. Those who lost a lease learn it."""
        held = [
            (mailbox, lease)
            for mailbox in mailboxes
            if not mailbox.is_detached
            for lease in mailbox.held.values()
        ]
        answers = await coalescer.extend([mailbox.hold_of(lease) for mailbox, lease in held])
        for (mailbox, lease), answer in zip(held, answers, strict=True):
            is_lost = answer.outcome in (Outcome.LEASE_LOST, Outcome.AGENT_KILLED)
            if is_lost and mailbox.held.get(lease.intent_id) is lease:
                self._lose(mailbox, lease)

    def take_back(self, agent_id: int) -> None:
        """The agent has been killed: its connections stay open, and hold nothing any more."""
        for mailbox in list(self._mailboxes.get(agent_id, ())):
            for lease in list(mailbox.held.values()):
                self._lose(mailbox, lease)

    async def _look_at_doubtful(self) -> None:
        """Lose at once what an operator has taken away, or the agent has given back over another connection."""
        doubtful, self._doubtful = self._doubtful, set()
        try:
            rows = await coalescer.read("lease_tokens", ids=list(doubtful))
        except DatabaseUnavailable:
            self._doubtful |= doubtful
            raise
        for row in rows:
            mailbox = self._holders.get(row["intent_id"])
            lease = mailbox.held.get(row["intent_id"]) if mailbox is not None else None
            if mailbox is None or lease is None or lease.lease_token == row["lease_token"]:
                continue
            # Perhaps because it hangs: another is to get it, if there is one.
            mailbox.doubted_until = asyncio.get_running_loop().time() + mailbox.seconds
            self._lose(mailbox, lease)

    def _lose(self, mailbox: Mailbox, lease: Lease) -> None:
        self.settle(mailbox, lease.intent_id)
        if mailbox.on_lost:
            mailbox.on_lost(lease)
