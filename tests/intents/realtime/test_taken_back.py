"""What is taken from a connection while it holds it: it learns so at once, and another gets it, if there is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from uuid import UUID

import pytest

from agents import postgres
from agents.models import Agent
from intents import repeating
from intents.models import Delivery, Intent
from intents.realtime import runtime
from intents.realtime.mailbox import Mailbox
from intents.records import Lease
from tests.intents.factories import make_intents
from tests.intents.realtime.loops import close_everything, make_mailbox, until


@pytest.fixture
async def process(transactional_db: None) -> AsyncIterator[runtime.Runtime]:
    yield runtime.current()
    await runtime.drain()
    await close_everything()


def redeliver(intent_id: UUID) -> None:
    repeating.redeliver(Intent.objects.get(pk=intent_id), actor="human:ann")


async def holding(process: runtime.Runtime, agent: Agent) -> tuple[Mailbox, UUID, list[Lease]]:
    """A connection with room to spare that holds an intent, and hears nothing."""
    [intent_id] = await postgres.in_thread(make_intents, agent, 1)
    lost: list[Lease] = []
    box = await make_mailbox(agent, room=4)
    box.on_lost = lost.append
    process.dispatcher.open(box)
    await until(lambda: len(box.held) == 1)
    return box, intent_id, lost


async def test_what_is_redelivered_goes_to_another_connection_though_the_first_has_room(
    process: runtime.Runtime, agent: Agent
) -> None:
    hung, intent_id, lost = await holding(process, agent)
    others = [await make_mailbox(agent, room=4) for _ in range(2)]
    for other in others:
        process.dispatcher.open(other)

    await postgres.in_thread(Intent.objects.filter(pk=intent_id).update, max_delivery_attempts=20)
    await postgres.in_thread(Delivery.objects.filter(intent_id=intent_id).update, max_attempts=20)

    for attempt in range(2, 5):
        await postgres.in_thread(redeliver, intent_id)
        await until(partial(has_attempt, others, intent_id, attempt))
        assert not hung.held
        assert len(lost) == 1
        for other in others:
            other.doubted_until = 0.0  # they are heard of, unlike the first


def has_attempt(boxes: list[Mailbox], intent_id: UUID, attempt: int) -> bool:
    return any(box.held[intent_id].attempt == attempt for box in boxes if intent_id in box.held)


async def test_who_is_alone_is_given_it_again(process: runtime.Runtime, agent: Agent) -> None:
    only, intent_id, lost = await holding(process, agent)
    [before] = only.held.values()

    await postgres.in_thread(redeliver, intent_id)

    await until(lambda: intent_id in only.held and only.held[intent_id].attempt == 2)
    assert lost == [before]
    assert only.held[intent_id].lease_token != before.lease_token


async def test_who_is_doubted_gets_what_the_others_have_no_room_for(
    process: runtime.Runtime, agent: Agent
) -> None:
    hung, intent_id, _ = await holding(process, agent)
    other = await make_mailbox(agent, room=1)
    process.dispatcher.open(other)
    await postgres.in_thread(redeliver, intent_id)
    await until(lambda: intent_id in other.held)

    await postgres.in_thread(make_intents, agent, 2)
    process.dispatcher.ring([agent.pk])

    await until(lambda: len(hung.held) == 2)


async def test_what_is_held_still_is_not_lost_for_a_ring_that_names_it(
    process: runtime.Runtime, agent: Agent
) -> None:
    box, intent_id, lost = await holding(process, agent)

    process.dispatcher.hear([agent.pk], [intent_id])
    await postgres.in_thread(make_intents, agent, 1)
    process.dispatcher.ring([agent.pk])

    await until(lambda: len(box.held) == 2)
    assert (lost, box.doubted_until) == ([], 0.0)
