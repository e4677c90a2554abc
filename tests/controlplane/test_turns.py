"""What a connection writes in one turn of the loop leaves in one piece, in its order, and never after the end."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from controlplane.turns import MOST_GATHERED, GatheringTransport


class Wire:
    """A transport that notes what it is asked to do."""

    def __init__(self) -> None:
        self.done: list[bytes | str] = []
        self.is_gone = False

    def write(self, data: bytes) -> None:
        self.done.append(data)

    def close(self) -> None:
        self.done.append("closed")

    def is_closing(self) -> bool:
        return self.is_gone

    def pause_reading(self) -> None:
        self.done.append("paused")


def gathering(wire: Wire) -> Any:
    return GatheringTransport(cast(asyncio.Transport, wire))


async def a_turn() -> None:
    await asyncio.sleep(0)


async def test_writes_of_one_turn_leave_together_and_those_of_the_next_by_themselves() -> None:
    wire = Wire()
    transport = gathering(wire)

    transport.write(b"one ")
    transport.write(b"two")
    assert wire.done == []
    await a_turn()
    transport.write(b"three")
    await a_turn()

    assert wire.done == [b"one two", b"three"]


async def test_a_lot_does_not_wait_for_the_end_of_the_turn() -> None:
    wire = Wire()
    transport = gathering(wire)

    transport.write(b"first ")
    transport.write(b"x" * MOST_GATHERED)
    transport.write(b" last")
    assert wire.done == [b"first " + b"x" * MOST_GATHERED]
    await a_turn()

    assert wire.done[1:] == [b" last"]


async def test_what_was_written_leaves_before_the_connection_is_closed() -> None:
    wire = Wire()
    transport = gathering(wire)

    transport.write(b"goodbye")
    transport.close()
    await a_turn()

    assert wire.done == [b"goodbye", "closed"]


async def test_nothing_is_written_to_a_connection_that_has_gone_meanwhile() -> None:
    wire = Wire()
    transport = gathering(wire)

    transport.write(b"too late")
    wire.is_gone = True
    await a_turn()

    assert wire.done == []


async def test_all_else_is_the_transports_own() -> None:
    wire = Wire()

    gathering(wire).pause_reading()

    assert wire.done == ["paused"]
