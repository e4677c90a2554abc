"""The kill switch in a web process: agents that were killed lose what they hold, and those that are resumed get it.

The ledger refuses a killed agent by itself, in every statement. This is so that its connections learn of it, and so
that people see when each process has.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from agents import auth
from intents import coalescer
from intents.realtime.dispatcher import Dispatcher


async def heed(events: Sequence[int], dispatcher: Dispatcher, process: UUID) -> None:
    """Act on these kills and resumptions, and confirm it."""
    found = await coalescer.read("switches", events=events)
    killed = {row["agent_id"] for row in found if row["is_killed"]}
    resumed = {row["agent_id"] for row in found} - killed
    auth.forget_agents(killed | resumed)
    dispatcher.killed = (dispatcher.killed | killed) - resumed
    for agent_id in killed:
        dispatcher.take_back(agent_id)
    if killed:
        # Whoever killed them has done it already, unless it died over it.
        await coalescer.interrupt(sorted(killed))
    dispatcher.ring(resumed)
    await coalescer.read("confirm", events=events, process=process)
