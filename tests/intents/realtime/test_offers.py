"""What is submitted for a connection that waits here goes to it with the statement that records it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from agents import postgres
from agents.models import Agent
from agents.postgres import DatabaseUnavailable
from intents import coalescer
from intents.models import Delivery
from intents.realtime.dispatcher import Dispatcher
from intents.realtime.mailbox import Mailbox
from intents.realtime.observer import Observer
from intents.records import Lease, Slot, Submitted
from intents.signals import Changes, changed
from tests.intents.factories import make_intents, submission
from tests.intents.realtime.loops import close_everything, make_mailbox, until


@pytest.fixture
async def dispatcher(transactional_db: None) -> AsyncIterator[Dispatcher]:
    observer = Observer()
    dispatcher = Dispatcher(observer)

    def hear(changes: Changes, **_: object) -> None:
        dispatcher.ring(changes.agents)

    changed.connect(hear)
    dispatcher.start()
    yield dispatcher
    changed.disconnect(hear)
    await dispatcher.stop()
    await close_everything()


@pytest.fixture
def claimed(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """What claims have leased, and not submissions."""
    intents: list[UUID] = []
    claim = coalescer.claim

    async def note(slots: Sequence[Slot]) -> list[Lease]:
        leases = await claim(slots)
        intents.extend(lease.intent_id for lease in leases)
        return leases

    monkeypatch.setattr(coalescer, "claim", note)
    return intents


async def opened(dispatcher: Dispatcher, agent: Agent, room: int = 1, **fields: Any) -> Mailbox:
    """A connection that has looked and found nothing."""
    box = await make_mailbox(agent, room=room, **fields)
    dispatcher.open(box)
    await until(lambda: not dispatcher._rung and not dispatcher._claiming)
    return box


async def submit(agent: Agent, number: int = 1) -> list[UUID]:
    answers = await coalescer.submit([submission(agent) for _ in range(number)])
    return [answer.intent_id for answer in answers]


async def test_a_connection_that_waits_has_it_when_the_submitter_is_answered(
    dispatcher: Dispatcher, agent: Agent, claimed: list[UUID]
) -> None:
    box = await opened(dispatcher, agent)

    ids = await submit(agent)

    assert [lease.intent_id for lease in box.take()] == ids
    assert claimed == []


async def test_connections_take_turns(dispatcher: Dispatcher, agent: Agent) -> None:
    boxes = [await opened(dispatcher, agent, room=5) for _ in range(3)]

    await submit(agent, 6)

    assert [len(box.held) for box in boxes] == [2, 2, 2]


async def test_what_there_is_no_room_for_is_claimed_when_there_is(
    dispatcher: Dispatcher, agent: Agent, claimed: list[UUID]
) -> None:
    box = await opened(dispatcher, agent, room=2)

    ids = await submit(agent, 3)

    assert list(box.held) == ids[:2]
    dispatcher.settle(box, ids[0])
    await until(lambda: ids[2] in box.held)
    assert claimed == ids[2:]


async def test_who_is_owed_something_gets_that_first(
    dispatcher: Dispatcher, agent: Agent, claimed: list[UUID]
) -> None:
    box = await opened(dispatcher, agent)
    held, older = await submit(agent, 2)
    await until(lambda: agent.pk in dispatcher._unserved)

    dispatcher.settle(box, held)
    [newer] = await submit(agent)

    await until(lambda: older in box.held)
    dispatcher.settle(box, older)
    await until(lambda: newer in box.held)
    assert claimed == [older, newer]


async def test_a_ring_meanwhile_is_heeded_when_it_is_known_what_room_is_left(
    dispatcher: Dispatcher, agent: Agent, claimed: list[UUID]
) -> None:
    box = await opened(dispatcher, agent, room=2)
    offer = dispatcher.offer([submission(agent)])
    assert offer is not None
    [due] = await postgres.in_thread(make_intents, agent, 1)

    dispatcher.ring([agent.pk])
    assert dispatcher.offer([submission(agent)]) is None
    await asyncio.sleep(0)  # the loop has heard it
    await asyncio.sleep(0)
    assert not dispatcher._claiming
    await offer.settle([])

    await until(lambda: due in box.held)
    assert claimed == [due]


async def test_a_submission_that_fails_leaves_the_room_to_others(
    dispatcher: Dispatcher, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await opened(dispatcher, agent)
    with monkeypatch.context() as broken:

        async def fail(operation: object) -> None:
            raise DatabaseUnavailable

        broken.setattr(coalescer, "run", fail)
        with pytest.raises(DatabaseUnavailable):
            await submit(agent)

    ids = await submit(agent)

    assert list(box.held) == ids


@pytest.mark.parametrize("kind", [{}, {"is_detached": True}], ids=["bound", "detached"])
async def test_what_was_leased_by_a_submission_whose_answer_was_lost_is_handed_over_all_the_same(
    dispatcher: Dispatcher, agent: Agent, monkeypatch: pytest.MonkeyPatch, kind: dict[str, bool]
) -> None:
    box = await opened(dispatcher, agent, seconds=3600, **kind)
    run = coalescer.run
    lost: list[Submitted] = []

    async def lose_the_answer(operation: Callable[[Changes], Any]) -> object:
        answer = await run(operation)
        if not lost:
            lost.extend(answer)
            raise DatabaseUnavailable
        return answer

    with monkeypatch.context() as broken:
        broken.setattr(coalescer, "run", lose_the_answer)
        with pytest.raises(DatabaseUnavailable):
            await submit(agent)

    [answer] = lost
    assert answer.lease is not None
    await until(lambda: answer.intent_id in box.held)
    lease = box.held[answer.intent_id]
    assert lease.lease_token != answer.lease.lease_token
    assert (lease.attempt, lease.returns) == (1, 1)


async def test_nothing_is_asked_of_a_database_that_was_never_reached(
    dispatcher: Dispatcher, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened(dispatcher, agent)
    released: list[object] = []

    async def fail(operation: object) -> None:
        raise postgres.NotAsked

    monkeypatch.setattr(coalescer, "run", fail)
    monkeypatch.setattr(dispatcher, "_give_back", released.append)
    with pytest.raises(DatabaseUnavailable):
        await submit(agent)

    assert not released
    assert not dispatcher._offered


async def test_a_connection_that_closes_meanwhile_gives_it_back(dispatcher: Dispatcher, agent: Agent) -> None:
    box = await opened(dispatcher, agent)
    task = asyncio.create_task(submit(agent))
    await until(lambda: dispatcher._offered)

    dispatcher.close(box)
    [intent_id] = await task
    other = await opened(dispatcher, agent)

    await until(lambda: intent_id in other.held)

    def attempt() -> int:
        return Delivery.objects.get(intent=intent_id).attempt

    assert await postgres.in_thread(attempt) == 1  # nobody had begun


async def test_a_connection_in_doubt_is_offered_nothing_while_another_has_room(
    dispatcher: Dispatcher, agent: Agent
) -> None:
    doubted, trusted = [await opened(dispatcher, agent, room=3) for _ in range(2)]
    doubted.doubted_until = asyncio.get_running_loop().time() + 60

    await submit(agent, 2)
    assert len(trusted.held) == 2

    trusted.room = 2
    await submit(agent)
    assert len(doubted.held) == 1


async def test_what_was_taken_back_while_the_submission_was_answered_is_not_handed_over(
    dispatcher: Dispatcher, agent: Agent
) -> None:
    box = await opened(dispatcher, agent)
    offer = dispatcher.offer([submission(agent)])
    assert offer is not None
    [intent_id] = await postgres.in_thread(make_intents, agent, 1)
    [lease] = await coalescer.claim([slot for slot in offer.slots if slot])
    dispatcher.killed.add(agent.pk)

    def kill() -> None:
        Delivery.objects.filter(intent=intent_id).update(lease_token=None, lease_expires_at=None)

    await postgres.in_thread(kill)
    await offer.settle([lease])

    assert not box.held
    assert not dispatcher._offered
