"""Company: a process that is alone rings nobody, and who comes to it is known at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from agents import postgres
from agents.models import Agent, Connection, WebProcess
from intents.realtime import runtime
from intents.realtime.mailbox import Mailbox
from intents.signals import Changes
from tests.intents.realtime.loops import close_everything, make_mailbox, until


@pytest.fixture
async def process(transactional_db: None) -> AsyncIterator[runtime.Runtime]:
    yield runtime.current()
    await runtime.drain()
    await close_everything()


@pytest.fixture
def rung(process: runtime.Runtime, monkeypatch: pytest.MonkeyPatch) -> list[Changes]:
    """What this process would tell the others."""
    heard: list[Changes] = []
    monkeypatch.setattr(process.doorbell, "ring", heard.append)
    return heard


async def come(process: runtime.Runtime, agent: Agent) -> Mailbox:
    mailbox = await make_mailbox(agent)
    process.welcome(mailbox.visitor.caller.key_id, mailbox)
    process.dispatcher.open(mailbox)
    return mailbox


async def test_a_process_rings_until_it_knows_that_it_is_alone(
    process: runtime.Runtime, agent: Agent, rung: list[Changes]
) -> None:
    process.heard_here(Changes({agent.pk}))
    assert rung == [Changes({agent.pk})]

    await come(process, agent)
    await until(lambda: process.is_alone)
    rung.clear()
    process.heard_here(Changes({agent.pk}, {uuid4()}))
    assert rung == []

    # Keys are remembered also by processes that serve no connection.
    process.heard_here(Changes(keys={"sak_1"}))
    assert rung == [Changes(keys={"sak_1"})]


async def test_a_process_rings_again_when_another_has_come(
    process: runtime.Runtime, agent: Agent, rung: list[Changes]
) -> None:
    await come(process, agent)
    await until(lambda: process.is_alone)

    await postgres.in_thread(WebProcess.objects.create, id=uuid4(), host="elsewhere", pid=1)

    await until(lambda: not process.is_alone)
    rung.clear()
    process.heard_here(Changes({agent.pk}))
    assert rung == [Changes({agent.pk})]


async def test_a_connection_is_known_before_the_next_pulse(
    process: runtime.Runtime, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_look_once", _never)
    mailbox = await come(process, agent)

    async def is_known() -> bool:
        found: bool = await postgres.in_thread(Connection.objects.filter(pk=mailbox.id).exists)
        return found

    deadline = process.loop.time() + 5
    while not await is_known():
        assert process.loop.time() < deadline, "the introductions did not tell of it"


async def _never() -> None:
    """A pulse that tells nobody anything."""
