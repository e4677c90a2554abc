"""Kills and resumptions as a web process heeds them: connections lose what they hold, and it confirms what is done."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from django.db.models.functions import Now

from agents import mesh
from agents.models import Agent, Confirmation, MeshEvent, MeshEventType
from agents.postgres import in_thread
from intents import coalescer
from intents.models import Delivery
from intents.realtime import switches
from intents.realtime.dispatcher import Dispatcher
from intents.realtime.mailbox import Mailbox
from intents.records import Lease, Slot
from tests.intents.factories import make_delivery, make_recipient
from tests.intents.realtime.loops import make_mailbox, until


async def holding(dispatcher: Dispatcher, agent: Agent) -> tuple[Mailbox, list[Lease]]:
    """A connection that holds a delivery, and what it is told that it has lost."""
    await in_thread(make_delivery, agent)
    mailbox = await make_mailbox(agent)
    lost: list[Lease] = []
    mailbox.on_lost = lost.append
    dispatcher.open(mailbox)
    await until(lambda: mailbox.held)
    return mailbox, lost


async def switch(agent: Agent, kind: MeshEventType) -> list[int]:
    event = await in_thread(MeshEvent.objects.filter(agent=agent, type=kind).latest, "id")
    return [event.pk]


async def confirmations(process: UUID) -> int:
    return await in_thread(Confirmation.objects.filter(process=process).count)


async def test_a_killed_agents_connection_stays_open_and_holds_nothing_until_it_is_resumed(
    dispatcher: Dispatcher, agent: Agent
) -> None:
    mailbox, lost = await holding(dispatcher, agent)
    process = uuid4()
    await in_thread(mesh.kill, agent, by="test")

    await switches.heed(await switch(agent, MeshEventType.KILLED), dispatcher, process)

    assert (mailbox.held, mailbox.closing, len(lost)) == ({}, None, 1)
    assert dispatcher.killed == {agent.pk}
    assert await confirmations(process) == 1
    await in_thread(mesh.resume, agent, by="test")
    await switches.heed(await switch(agent, MeshEventType.RESUMED), dispatcher, process)
    await until(lambda: mailbox.held)
    assert dispatcher.killed == set()
    assert await confirmations(process) == 2


async def test_a_kill_that_was_lifted_meanwhile_takes_nothing(dispatcher: Dispatcher, agent: Agent) -> None:
    mailbox, lost = await holding(dispatcher, agent)
    await in_thread(make_recipient)
    killed = await in_thread(
        MeshEvent.objects.create,
        organization_id=agent.organization_id,
        workspace_id=agent.workspace_id,
        agent=agent,
        type=MeshEventType.KILLED,
    )

    await switches.heed([killed.pk], dispatcher, uuid4())

    assert (len(mailbox.held), lost, dispatcher.killed) == (1, [], set())


async def test_a_kill_that_nobody_has_finished_is_finished_before_it_is_confirmed(
    dispatcher: Dispatcher, agent: Agent
) -> None:
    await holding(dispatcher, agent)
    process = uuid4()
    # As a process leaves it that dies between the two transactions of a kill.
    await in_thread(Agent.objects.filter(pk=agent.pk).update, killed_at=Now(), killed_by="test")
    await in_thread(mesh.note, agent, MeshEventType.KILLED)
    events = await switch(agent, MeshEventType.KILLED)

    await switches.heed(events, dispatcher, process)

    assert await confirmations(process) == 0
    held = await in_thread(lambda: Delivery.objects.filter(agent=agent, lease_token__isnull=False).count())
    assert held == 0
    await switches.heed(events, dispatcher, process)  # the next look
    assert await confirmations(process) == 1


async def test_a_claim_that_the_kill_overtook_is_not_handed_over(
    dispatcher: Dispatcher, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = coalescer.claim
    claimed: list[Lease] = []

    async def overtaken(slots: Sequence[Slot]) -> list[Lease]:
        """Claims, and answers only when the agent has been killed and this process has heeded it."""
        leases = await claim(slots)
        if leases and not claimed:
            claimed.extend(leases)
            await in_thread(mesh.kill, agent, by="test")
            await switches.heed(await switch(agent, MeshEventType.KILLED), dispatcher, uuid4())
        return leases

    monkeypatch.setattr(coalescer, "claim", overtaken)
    await in_thread(make_delivery, agent)
    neighbour = await in_thread(make_recipient)
    await in_thread(make_delivery, neighbour)
    mailbox, beside = await make_mailbox(agent), await make_mailbox(neighbour)
    dispatcher.open(mailbox)
    dispatcher.open(beside)

    await until(lambda: claimed and beside.held)

    assert claimed[0].agent_id == agent.pk or len(claimed) > 1
    assert mailbox.held == {}
