"""The dispatcher: claims for all connections at once, fairly, and gives back what a connection leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import uuid4

import pytest

from agents import postgres
from agents.models import Agent
from agents.postgres import DatabaseUnavailable
from intents import coalescer
from intents.lifecycle import EventType
from intents.models import Delivery
from intents.realtime import runtime
from intents.realtime.dispatcher import Dispatcher
from intents.realtime.mailbox import Closing, Mailbox
from intents.records import Done, Ending, Hold, Lease, Release, Slot
from tests.intents.factories import make_delivery, make_intents, make_recipient
from tests.intents.realtime.loops import close_everything, make_mailbox, until


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> list[list[Slot]]:
    """What each claim asks for."""
    asked: list[list[Slot]] = []
    claim = coalescer.claim

    async def note(slots: Sequence[Slot]) -> list[Lease]:
        asked.append(list(slots))
        return await claim(slots)

    monkeypatch.setattr(coalescer, "claim", note)
    return asked


async def deliveries(agent: Agent) -> list[Delivery]:
    def look() -> list[Delivery]:
        return list(Delivery.objects.filter(agent=agent).order_by("pk"))

    return await postgres.in_thread(look)


async def test_all_connections_are_claimed_for_in_one_statement(
    dispatcher: Dispatcher, agent: Agent, claims: list[list[Slot]]
) -> None:
    other = await postgres.in_thread(make_recipient)
    for each in (agent, other):
        await postgres.in_thread(make_intents, each, 4)
    boxes = [await make_mailbox(each, room=2) for each in (agent, agent, other)]

    for box in boxes:  # nothing else runs meanwhile
        dispatcher.open(box)

    await until(lambda: all(len(box.held) == 2 for box in boxes))
    assert {slot.session for slot in claims[0]} == {box.session for box in boxes}
    assert {slot.agent_id for slot in claims[0]} == {agent.pk, other.pk}
    assert {lease for box in boxes[:2] for lease in box.held}.isdisjoint(boxes[2].held)


async def test_a_connection_is_given_no_more_than_it_has_room_for(
    dispatcher: Dispatcher, agent: Agent, claims: list[list[Slot]]
) -> None:
    await postgres.in_thread(make_intents, agent, 5)
    box = await make_mailbox(agent, room=2)
    dispatcher.open(box)
    await until(lambda: len(box.held) == 2)
    asked = len(claims)

    dispatcher.ring([agent.pk])
    await until(lambda: not dispatcher._wake.is_set())

    assert len(claims) == asked  # nobody would take it
    assert len(box.held) == 2
    dispatcher.settle(box, next(iter(box.held)))
    await until(lambda: len(box.held) == 2)


async def test_what_is_settled_makes_nobody_look_where_nothing_was_left(
    dispatcher: Dispatcher, agent: Agent, claims: list[list[Slot]]
) -> None:
    await postgres.in_thread(make_intents, agent, 2)
    box = await make_mailbox(agent, room=3)
    dispatcher.open(box)
    await until(lambda: len(box.held) == 2)

    dispatcher.settle(box, next(iter(box.held)))

    assert not dispatcher._wake.is_set()
    assert len(claims) == 1


async def test_room_that_comes_free_is_filled_from_what_came_while_there_was_none(
    dispatcher: Dispatcher, agent: Agent, claims: list[list[Slot]]
) -> None:
    await postgres.in_thread(make_intents, agent, 1)
    box = await make_mailbox(agent, room=2)
    dispatcher.open(box)
    await until(lambda: len(box.held) == 1)
    [first] = box.held
    await postgres.in_thread(make_intents, agent, 2)
    dispatcher.ring([agent.pk])
    await until(lambda: len(box.held) == 2)

    dispatcher.settle(box, first)

    await until(lambda: len(box.held) == 2 and first not in box.held)


async def test_connections_of_one_agent_take_turns(dispatcher: Dispatcher, agent: Agent) -> None:
    boxes = [await make_mailbox(agent) for _ in range(3)]
    for box in boxes:
        dispatcher.open(box)
    given = {box.id: 0 for box in boxes}
    for _ in range(9):
        await postgres.in_thread(make_intents, agent, 1)
        dispatcher.ring([agent.pk])
        await until(lambda: any(box.held for box in boxes))
        [lucky] = [box for box in boxes if box.held]
        given[lucky.id] += 1
        [intent_id] = lucky.held
        await coalescer.finish([Ending(lucky.hold_of(lucky.held[intent_id]), EventType.COMPLETED)])
        dispatcher.settle(lucky, intent_id)

    assert min(given.values()) >= 2


async def test_what_a_closed_connection_held_goes_to_another_at_once(
    dispatcher: Dispatcher, agent: Agent
) -> None:
    await postgres.in_thread(make_intents, agent, 1)
    first, second = await make_mailbox(agent), await make_mailbox(agent)
    dispatcher.open(first)
    await until(lambda: first.held)
    dispatcher.open(second)

    dispatcher.close(first)
    await until(lambda: not dispatcher.returns.under_way)
    dispatcher.ring([agent.pk])

    await until(lambda: second.held)


async def test_giving_back_is_tried_until_the_database_is_there(
    dispatcher: Dispatcher, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await postgres.in_thread(make_intents, agent, 1)
    box = await make_mailbox(agent)
    dispatcher.open(box)
    await until(lambda: box.held)
    release = coalescer.release
    failures = iter([DatabaseUnavailable, DatabaseUnavailable])

    async def fail_twice(asked: Sequence[Release]) -> list[Done]:
        if (failure := next(failures, None)) is not None:
            raise failure
        return await release(asked)

    monkeypatch.setattr(coalescer, "release", fail_twice)
    dispatcher.close(box)
    await until(lambda: not dispatcher.returns.under_way)

    [delivery] = await deliveries(agent)
    assert delivery.returns == 1


async def test_a_drained_process_leaves_its_agents_what_they_hold(
    dispatcher: Dispatcher, agent: Agent
) -> None:
    await postgres.in_thread(make_intents, agent, 1)
    box = await make_mailbox(agent)
    dispatcher.open(box)
    await until(lambda: box.held)
    assert box.take()

    dispatcher.drain()
    dispatcher.close(box)
    await until(lambda: not dispatcher.returns.under_way)  # nothing is on its way

    [delivery] = await deliveries(agent)
    assert (delivery.attempt, delivery.returns) == (1, 0)
    assert delivery.lease_seconds is not None


async def test_a_detached_lease_outlives_its_connection(dispatcher: Dispatcher, agent: Agent) -> None:
    await postgres.in_thread(make_intents, agent, 1)
    box = await make_mailbox(agent, is_detached=True)
    dispatcher.open(box)
    await until(lambda: box.held)
    assert box.take()

    dispatcher.close(box)
    await until(lambda: not dispatcher.returns.under_way)  # nothing is on its way

    [delivery] = await deliveries(agent)
    assert delivery.is_detached
    assert delivery.attempt == 1


async def test_renewing_tells_whoever_lost_a_lease(dispatcher: Dispatcher, agent: Agent) -> None:
    await postgres.in_thread(make_intents, agent, 2)
    lost: list[Lease] = []
    box = await make_mailbox(agent, room=2)
    box.on_lost = lost.append
    dispatcher.open(box)
    await until(lambda: len(box.held) == 2)
    stolen, kept = box.held

    def steal() -> None:
        Delivery.objects.filter(intent_id=stolen).update(lease_token=uuid4())

    await postgres.in_thread(steal)
    await dispatcher.renew([box])

    assert [lease.intent_id for lease in lost] == [stolen]
    assert list(box.held) == [kept]


async def test_an_outage_is_waited_out(
    dispatcher: Dispatcher, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await postgres.in_thread(make_intents, agent, 1)
    claim = coalescer.claim
    failures = iter([DatabaseUnavailable, DatabaseUnavailable])

    async def fail_twice(slots: Sequence[Slot]) -> list[Lease]:
        if (failure := next(failures, None)) is not None:
            raise failure
        return await claim(slots)

    monkeypatch.setattr(coalescer, "claim", fail_twice)
    box = await make_mailbox(agent)
    dispatcher.open(box)

    await until(lambda: box.held)


async def test_an_agent_that_forgot_a_delivery_is_given_others_when_it_lets_them_in(
    dispatcher: Dispatcher, agent: Agent
) -> None:
    await postgres.in_thread(make_intents, agent, 2)
    box = await make_mailbox(agent)
    dispatcher.open(box)
    await until(lambda: len(box.held) == 1)

    box.let_more_in()
    dispatcher.ring([agent.pk])

    await until(lambda: len(box.held) == 2)


async def test_a_write_that_failed_leaves_the_delivery_with_its_connection(
    dispatcher: Dispatcher, agent: Agent
) -> None:
    await postgres.in_thread(make_intents, agent, 1)
    box = await make_mailbox(agent)
    dispatcher.open(box)
    await until(lambda: box.held)
    [(intent_id, lease)] = box.held.items()

    assert dispatcher.settle(box, intent_id) is lease
    dispatcher.resume(box, [lease])

    assert box.held == {intent_id: lease}
    assert box.free == 0


# -- the pulse, which needs no ring -----------------------------------------------------------------------------


@pytest.fixture
async def process(transactional_db: None) -> AsyncIterator[runtime.Runtime]:
    """The loops of one web process."""
    process = runtime.current()
    yield process
    await runtime.drain()
    await close_everything()


async def test_what_falls_due_is_found_without_a_ring(process: runtime.Runtime, agent: Agent) -> None:
    box = await make_mailbox(agent)
    process.dispatcher.open(box)
    process.welcome(box.visitor.caller.key_id, box)
    delivery = await postgres.in_thread(make_delivery, agent, due_in=0.5)

    await until(lambda: delivery.intent_id in box.held)


async def test_leases_of_held_connections_are_renewed(
    process: runtime.Runtime, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    await postgres.in_thread(make_intents, agent, 2)
    renewed: set[object] = set()
    extend = coalescer.extend

    async def note(asked: Sequence[Hold]) -> list[Done]:
        renewed.update(each.intent_id for each in asked)
        return await extend(asked)

    monkeypatch.setattr(coalescer, "extend", note)
    held, left_alone = await make_mailbox(agent, is_renewed=True), await make_mailbox(agent)
    for box in (held, left_alone):
        process.dispatcher.open(box)
        process.welcome(box.visitor.caller.key_id, box)
    await until(lambda: held.held and left_alone.held)
    process._renewed_at = 0.0

    await until(lambda: renewed)
    assert renewed == set(held.held)


async def test_a_connection_ends_with_its_key(process: runtime.Runtime, agent: Agent) -> None:
    box: Mailbox = await make_mailbox(agent)
    process.dispatcher.open(box)
    process.welcome(box.visitor.caller.key_id, box)

    def revoke() -> None:
        agent.api_keys.filter(pk=box.visitor.caller.key_id).update(revoked_at="2020-01-01T00:00:00Z")

    await postgres.in_thread(revoke)  # behind everybody's back

    await until(lambda: box.closing is Closing.REVOKED)
