"""The kill switch in a web process: agents that were killed lose what they hold, and those that are resumed get it.

The ledger refuses a killed agent by itself, in every statement. This is so that its connections learn of it, and so
that people see when each process has.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from agents import auth, mesh, postgres
from intents import coalescer
from intents.realtime.dispatcher import Dispatcher


async def heed(events: Sequence[int], dispatcher: Dispatcher, process: UUID) -> None:
    """Act on these kills and resumptions, and confirm it.

    Whoever killed an agent has waited for its writers and taken what it held, unless it died over it: then that is done
    here, and what is not is not confirmed, so that the next look comes back to it.
    """
    found = await coalescer.read("switches", events=events)
    killed = {row["agent_id"] for row in found if row["is_killed"]}
    resumed = {row["agent_id"] for row in found} - killed
    auth.forget_agents(killed | resumed)
    dispatcher.killed = (dispatcher.killed | killed) - resumed
    for agent_id in killed:
        dispatcher.take_back(agent_id)
    unsettled = {row["agent_id"] for row in found if not row["is_settled"]}
    if unsettled:
        await postgres.rows(mesh.SETTLE, {"agents": sorted(unsettled)})
    if killed:
        await coalescer.interrupt(sorted(killed))
    dispatcher.ring(resumed)
    settled = [row["event_id"] for row in found if row["agent_id"] not in unsettled]
    if settled:
        await coalescer.read("confirm", events=settled, process=process)
