"""The doorbell: heard by the others, never by who rings, in few messages, and no harm if it is broken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from intents.realtime import doorbell
from intents.realtime.doorbell import Doorbell
from intents.signals import Changes
from tests.intents.realtime.loops import close_everything, until

Heard = list[Changes | None]


class House:
    """Several processes' doorbells, on one event loop."""

    def __init__(self) -> None:
        self.bells: list[Doorbell] = []

    async def move_in(self) -> tuple[Doorbell, Heard]:
        """A new process, once it listens."""
        heard: Heard = []
        bell = Doorbell(uuid4(), heard.append)
        bell.start()
        self.bells.append(bell)
        await until(lambda: heard == [None])  # listening begins with a look at everything
        heard.clear()
        return bell, heard


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    for bell in house.bells:
        await bell.stop()
    await close_everything()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The messages that leave this process."""
    messages: list[dict[str, Any]] = []
    send = doorbell._send

    async def note(message: dict[str, Any]) -> None:
        messages.append(message)
        await send(message)

    monkeypatch.setattr(doorbell, "_send", note)
    return messages


async def test_a_ring_is_heard_by_every_other_process_and_not_by_who_rings(house: House) -> None:
    (ringing, own), (_, second), (_, third) = [await house.move_in() for _ in range(3)]
    changes = Changes({1, 2}, {uuid4(), uuid4()}, {uuid4()}, {"sak_1"})

    ringing.ring(changes)

    await until(lambda: second and third)
    assert second == third == [changes]
    assert own == []


async def test_many_rings_are_few_messages_and_nothing_is_left_out(
    house: House, sent: list[dict[str, Any]]
) -> None:
    (ringing, _), (_, heard) = [await house.move_in() for _ in range(2)]
    loop = asyncio.get_running_loop()
    started = loop.time()

    for agent_id in range(500):
        ringing.ring(Changes({agent_id}))
        await asyncio.sleep(0)
    await until(lambda: set().union(*(each.agents for each in heard if each)) == set(range(500)))

    # The first leaves at once, the others gathered, at most fifty a second.
    assert len(sent) <= 2 + (loop.time() - started) / doorbell.PACE_SECONDS


async def test_the_first_ring_does_not_wait(house: House, sent: list[dict[str, Any]]) -> None:
    ringing, _ = await house.move_in()

    ringing.ring(Changes({1}))
    for _ in range(3):
        await asyncio.sleep(0)

    assert [message["agents"] for message in sent] == [[1]]


async def test_too_much_to_name_is_a_ring_for_everything(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbell, "MOST_NAMED", 10)
    (ringing, _), (_, heard) = [await house.move_in() for _ in range(2)]

    ringing.ring(Changes(set(range(11))))

    await until(lambda: heard)
    assert heard == [None]


async def test_a_broken_layer_loses_rings_and_nothing_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ringing, _), (_, heard) = [await house.move_in() for _ in range(2)]
    send = doorbell._send
    failures = iter([ConnectionError, TimeoutError])
    tried: list[dict[str, Any]] = []

    async def break_twice(message: dict[str, Any]) -> None:
        tried.append(message)
        if (failure := next(failures, None)) is not None:
            raise failure
        await send(message)

    monkeypatch.setattr(doorbell, "_send", break_twice)
    for agent_id in (1, 2, 3):
        ringing.ring(Changes({agent_id}))
        await until(lambda: tried and tried[-1]["agents"] == [agent_id])  # noqa: B023  awaited at once

    await until(lambda: heard)
    assert heard == [Changes({3})]


async def test_whoever_was_deaf_looks_at_everything_when_it_hears_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorbell, "DEAF_SECONDS", 0.05)
    heard: Heard = []

    def hear(changes: Changes | None) -> None:
        heard.append(changes)
        if changes is not None:
            raise ConnectionError  # as if the layer had broken while it listened

    bell = Doorbell(uuid4(), hear)
    bell.start()
    house.bells.append(bell)
    await until(lambda: heard == [None])
    ringing, _ = await house.move_in()

    ringing.ring(Changes({1}))

    await until(lambda: len(heard) == 3)
    assert heard == [None, Changes({1}), None]


async def test_what_is_unsaid_is_said_when_the_process_ends(house: House) -> None:
    (ringing, _), (_, heard) = [await house.move_in() for _ in range(2)]
    ringing.ring(Changes({1}))
    ringing.ring(Changes({2}))

    await ringing.stop()

    await until(lambda: set().union(*(each.agents for each in heard if each)) == {1, 2})


@pytest.mark.parametrize("has_layer", [True, False])
async def test_a_process_without_a_loop_rings_too_and_does_not_mind_if_it_cannot(
    house: House, monkeypatch: pytest.MonkeyPatch, has_layer: bool
) -> None:
    _, heard = await house.move_in()
    if not has_layer:

        async def fail(message: dict[str, Any]) -> None:
            raise ConnectionError

        monkeypatch.setattr(doorbell, "_send", fail)

    await asyncio.to_thread(doorbell.ring_from_sync, Changes({1}))

    if has_layer:
        await until(lambda: heard)
        assert heard == [Changes({1})]
