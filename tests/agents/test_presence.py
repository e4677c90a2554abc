"""Presence: what web processes tell, and what becomes of those that fall silent."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db.models.functions import Now

from agents import presence
from agents.models import Agent, Connection, WebProcess
from agents.postgres import in_thread
from agents.presence import OpenedConnection
from tests.factories import make_agent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker(transactional_db: None) -> Agent:
    return make_agent()


def connected(agent_id: int, session: UUID | None = None) -> OpenedConnection:
    return OpenedConnection(
        uuid4(), session or uuid4(), agent_id, "sak_1", "websocket", client="perdure\x00" + "x" * 300
    )


async def silence(process: UUID) -> None:
    await in_thread(
        lambda: WebProcess.objects.filter(pk=process).update(seen_at=Now() - timedelta(seconds=30))
    )


async def connections() -> set[UUID]:
    return await in_thread(lambda: set(Connection.objects.values_list("id", flat=True)))


async def test_connections_come_and_go_in_one_telling(worker: Agent, pool: None) -> None:
    process, first, second = uuid4(), connected(worker.pk), connected(worker.pk)

    assert await presence.sync(process, [first], [])
    assert not await presence.sync(process, [second], [first.id])

    assert await connections() == {second.id}
    assert await in_thread(lambda: Agent.objects.get(pk=worker.pk).last_seen_at) is not None


async def test_a_connection_that_came_and_went_between_two_tellings_leaves_nothing(
    worker: Agent, pool: None
) -> None:
    brief = connected(worker.pk)

    await presence.sync(uuid4(), [brief], [brief.id])

    assert await connections() == set()
    assert await in_thread(lambda: Agent.objects.get(pk=worker.pk).last_seen_at) is not None


async def test_an_agent_that_is_gone_does_not_spoil_the_others(worker: Agent, pool: None) -> None:
    here = connected(worker.pk)

    await presence.sync(uuid4(), [connected(worker.pk + 1000), here], [])

    assert await connections() == {here.id}


async def test_telling_the_same_twice_changes_nothing(worker: Agent, pool: None) -> None:
    process, here = uuid4(), connected(worker.pk)

    await presence.sync(process, [here], [])
    await presence.sync(process, [here], [])

    assert await connections() == {here.id}


async def test_nobody_closes_the_connections_of_another_process(worker: Agent, pool: None) -> None:
    here = connected(worker.pk)
    await presence.sync(uuid4(), [here], [])

    await presence.sync(uuid4(), [], [here.id])

    assert await connections() == {here.id}


async def test_a_silent_process_is_forgotten_and_its_sessions_are_named(worker: Agent, pool: None) -> None:
    dead, alive = uuid4(), uuid4()
    lost, moved, kept = connected(worker.pk), connected(worker.pk), connected(worker.pk)
    await presence.sync(dead, [lost, moved], [])
    await presence.sync(alive, [kept, connected(worker.pk, moved.session)], [])
    await silence(dead)

    assert await presence.forget_dead_processes(10) == [lost.session]

    assert await presence.forget_dead_processes(10) == []
    assert lost.id not in await connections()
    assert kept.id in await connections()
    assert await presence.sync(dead, [], []), "taken for dead, it has to tell everything again"


async def test_the_sweep_can_forget_too(worker: Agent, pool: None) -> None:
    dead, lost = uuid4(), connected(worker.pk)
    await presence.sync(dead, [lost], [])
    await silence(dead)

    assert await in_thread(presence.forget_dead_processes_now, 10) == [lost.session]


async def test_a_process_that_ends_in_order_takes_its_connections_along(worker: Agent, pool: None) -> None:
    process = uuid4()
    await presence.sync(process, [connected(worker.pk)], [])

    await presence.leave(process)

    assert await connections() == set()
    assert not await in_thread(WebProcess.objects.exists)
