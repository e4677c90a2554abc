"""What tests of a process's own loops need: stand-ins for connections, and the end of what they opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from channels.layers import channel_layers, get_channel_layer

from agents import postgres
from agents.models import Agent
from intents.realtime.mailbox import Mailbox, Visitor
from tests.factories import make_caller

PATIENCE = 30.0


async def until(holds: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until something holds, looking often; fail if it never does."""
    async with asyncio.timeout(patience):
        while not holds():  # noqa: ASYNC110 (not everything a test waits for has an event)
            await asyncio.sleep(0.005)


async def make_mailbox(agent: Agent, room: int = 1, **fields: Any) -> Mailbox:
    """A connection of this agent, as the dispatcher sees it."""
    caller = await postgres.in_thread(make_caller, agent)
    return Mailbox(agent.pk, Visitor(caller, "websocket"), room=room, **{"seconds": 30, **fields})


async def close_everything() -> None:
    """Give back what this event loop has open."""
    await get_channel_layer().flush()
    channel_layers.backends.clear()  # it remembers the loop
    await postgres.close()
