"""What was leased and is told to nobody goes back to the queue at once: no attempt is used up, and nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from django.db.models.functions import Now

from agents import postgres, presence
from agents.models import Agent, WebProcess
from agents.postgres import DatabaseUnavailable
from intents import coalescer, ledger
from intents.lifecycle import EventType
from intents.models import Delivery, Intent
from intents.realtime import runtime
from intents.realtime.mailbox import Mailbox
from intents.records import Ending, Lease, Row, Slot
from tests.intents.factories import hold, make_intents
from tests.intents.realtime.loops import close_everything, make_mailbox, until


@pytest.fixture
async def process(transactional_db: None) -> AsyncIterator[runtime.Runtime]:
    yield runtime.current()
    await runtime.drain()
    await close_everything()


async def owed(agent: Agent) -> UUID:
    [intent_id] = await postgres.in_thread(make_intents, agent, 1)
    return intent_id


async def is_given_back(intent_id: UUID) -> None:
    """Wait until the delivery is due again, its attempt unused."""

    def look() -> bool:
        return Delivery.objects.filter(
            intent_id=intent_id, attempt=0, returns=1, claimable_at__lte=Now()
        ).exists()

    async with asyncio.timeout(20):
        while not await postgres.in_thread(look):  # noqa: ASYNC110 (the database tells of no event)
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_detached", [False, True])
async def test_what_is_claimed_for_a_connection_that_closes_meanwhile_is_given_back(
    process: runtime.Runtime, agent: Agent, monkeypatch: pytest.MonkeyPatch, is_detached: bool
) -> None:
    intent_id = await owed(agent)
    box = await make_mailbox(agent, is_detached=is_detached)
    claim = coalescer.claim

    async def hang_up_meanwhile(slots: Sequence[Slot]) -> list[Lease]:
        leases = await claim(slots)
        process.dispatcher.close(box)
        return leases

    monkeypatch.setattr(coalescer, "claim", hang_up_meanwhile)
    process.dispatcher.open(box)

    await is_given_back(intent_id)
    assert box.held == {}


@pytest.mark.parametrize("is_drained", [False, True])
async def test_what_had_not_been_sent_when_the_connection_closed_is_given_back_though_its_agent_lives_on(
    process: runtime.Runtime, agent: Agent, is_drained: bool
) -> None:
    intent_id = await owed(agent)
    box = await make_mailbox(agent, is_detached=not is_drained)
    process.dispatcher.open(box)
    await until(lambda: box.held)

    if is_drained:
        process.dispatcher.drain()
    process.dispatcher.close(box)

    await is_given_back(intent_id)


async def test_a_claim_whose_answer_is_lost_is_given_back_when_the_database_is_there_again(
    process: runtime.Runtime, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = await make_mailbox(agent)
    process.dispatcher.open(busy)
    first = await owed(agent)
    process.dispatcher.ring([agent.pk])
    await until(lambda: busy.held)
    claim, lost = coalescer.claim, list[Lease]()

    async def lose(slots: Sequence[Slot]) -> list[Lease]:
        leases = await claim(slots)
        if leases and not lost:
            lost.extend(leases)
            raise DatabaseUnavailable
        return leases

    monkeypatch.setattr(coalescer, "claim", lose)
    second = await owed(agent)
    idle = await make_mailbox(agent)
    process.dispatcher.open(idle)

    await until(lambda: second in idle.held)
    assert [lease.intent_id for lease in lost] == [second]
    assert idle.held[second].attempt == 1
    assert idle.held[second].lease_token != lost[0].lease_token
    [kept] = await coalescer.read("lease_tokens", ids=[first])
    assert kept["lease_token"] == busy.held[first].lease_token  # it was told of its own


async def test_a_process_that_leaves_waits_for_what_it_is_claiming_and_gives_it_back(
    transactional_db: None, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, claims = runtime.current(), asyncio.Event()
    claim = coalescer.claim

    async def take_a_while(slots: Sequence[Slot]) -> list[Lease]:
        leases = await claim(slots)
        claims.set()
        await asyncio.sleep(0.2)  # the answer is on its way
        return leases

    monkeypatch.setattr(coalescer, "claim", take_a_while)
    intent_id = await owed(agent)
    box = await make_mailbox(agent)
    process.dispatcher.open(box)
    await claims.wait()

    await runtime.drain()

    await is_given_back(intent_id)
    await close_everything()


async def holding_after_another(process: runtime.Runtime, agent: Agent) -> tuple[Mailbox, Mailbox, UUID]:
    """A connection that hangs and whose lease ran out, and the one that has got the intent since."""
    intent_id = await owed(agent)
    hung, other = await make_mailbox(agent), await make_mailbox(agent)
    process.dispatcher.open(hung)
    process.dispatcher.alive_at = float("inf")  # as its looks would have it, which are for guests
    await until(lambda: hung.held)
    expire = Delivery.objects.filter(intent_id=intent_id).update
    await postgres.in_thread(partial(expire, lease_expires_at=Now()))
    process.dispatcher.open(other)
    await until(lambda: intent_id in other.held)
    return hung, other, intent_id


async def test_a_connection_that_hung_takes_nothing_along_from_the_one_that_has_its_intent_now(
    process: runtime.Runtime, agent: Agent
) -> None:
    hung, other, intent_id = await holding_after_another(process, agent)
    ended: list[Row] = []
    other.on_ended = ended.append

    process.dispatcher.close(hung)
    intent = await postgres.in_thread(Intent.objects.get, pk=intent_id)
    await coalescer.finish([Ending(hold(intent), EventType.CANCELED, {"reason": "no more"})])

    await until(lambda: ended)
    assert other.free == 1


async def test_what_was_not_written_is_held_again_but_not_before_what_came_since(
    process: runtime.Runtime, agent: Agent
) -> None:
    hung, other, intent_id = await holding_after_another(process, agent)
    stale = hung.held[intent_id]
    process.dispatcher.settle(hung, intent_id)
    current = other.held[intent_id]

    process.dispatcher.resume(other, [stale])
    process.dispatcher.resume(hung, [stale])
    process.dispatcher.settle(hung, intent_id)

    assert other.held[intent_id] is current


def forget(process: runtime.Runtime) -> None:
    """What the sweep does with a process that it takes for dead."""
    WebProcess.objects.filter(pk=process.process).update(seen_at=Now() - timedelta(seconds=60))
    ledger.expire_sessions(presence.forget_dead_processes_now(5.0))


@pytest.mark.parametrize("knows", ["that it was silent", "it by its own look"])
async def test_a_process_that_was_taken_for_dead_goes_on_with_what_nobody_else_has_got(
    process: runtime.Runtime, agent: Agent, monkeypatch: pytest.MonkeyPatch, knows: str
) -> None:
    intent_id = await owed(agent)
    box = await make_mailbox(agent, room=2)
    process.dispatcher.open(box)
    process.welcome(box.visitor.caller.key_id, box)
    await until(lambda: box.held)
    lease = box.held[intent_id]
    if knows == "that it was silent":
        process.dispatcher.alive_at -= 60
    else:  # and the ring that tells of what is due again is lost
        monkeypatch.setattr(runtime.Runtime, "heard_here", lambda self, changes: None)

    await postgres.in_thread(forget, process)

    def is_renewed() -> bool:
        return Delivery.objects.filter(
            intent_id=intent_id, lease_token=lease.lease_token, lease_expires_at__gt=Now()
        ).exists()

    async with asyncio.timeout(20):
        while not await postgres.in_thread(is_renewed):  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.01)
    assert box.held[intent_id] is lease
