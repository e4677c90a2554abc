"""Clients that behave badly: frozen past their leases, or killed by what they are given."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any

from tests.chaos.faults.registry import fault
from tests.chaos.faults.submitting import submit
from tests.servers import Process, wait_until

if TYPE_CHECKING:
    from tests.chaos.world import World


@fault("freeze an agent past its lease", 12)
def freeze_agent(world: World, chance: random.Random) -> str:
    """SIGSTOP to an agent at work until somebody else has its work, then SIGCONT: what it writes then is too late."""
    tenant = chance.choice(world.tenants)
    intent_id = submit(world, tenant, "socket", payload={"work": 3.0, "steps": 1}, max_delivery_attempts=10)

    def runs() -> list[dict[str, Any]]:
        return world.runs_of(intent_id)

    first = wait_until(runs, world.patience(15), "somebody begins")[0]
    agent = next(each for each in world.agents if each.name == first["who"])
    time.sleep(0.5)
    agent.freeze()
    try:
        wait_until(
            lambda: len({run["who"] for run in runs()}) > 1, world.patience(15), "somebody else has it"
        )
        time.sleep(chance.uniform(0, 0.5))
    finally:
        agent.thaw()
    time.sleep(2)
    return f"{agent.name} was frozen past its lease"


@fault("freeze agents for a moment", 5)
def freeze_moment(world: World, chance: random.Random) -> str:
    """SIGSTOP to some agents for a time that their leases may survive or not."""
    frozen: list[Process] = chance.sample([agent for agent in world.agents if agent.is_running()], 2)
    for agent in frozen:
        agent.freeze()
    time.sleep(chance.uniform(1, 4.5))
    stopped = [agent.name for agent in frozen if agent.is_frozen()]
    for agent in frozen:
        agent.thaw()
    return f"{', '.join(stopped)} were frozen" if len(stopped) == len(frozen) else ""


@fault("poison", 9)
def poison(world: World, chance: random.Random) -> str:
    """Intents that kill whoever works on them; the agent is started again, and the poison becomes a dead letter."""
    tenant = chance.choice(world.tenants)
    ids = [
        submit(world, tenant, "poisoned", payload={"poison": True}, max_delivery_attempts=2) for _ in range(2)
    ]
    harmless = submit(world, tenant, "poisoned", max_delivery_attempts=30)

    def statuses() -> dict[str, str]:
        query = "SELECT id::text, status FROM intents_intent WHERE id = ANY(%s::uuid[])"
        return dict(world.rows(query, [*ids, harmless]))

    try:
        wait_until(
            lambda: all(statuses()[each] == "FAILED" for each in ids),
            world.patience(40),
            "the poison is a dead letter",
        )
    except AssertionError:
        return ""
    return "two poisoned intents killed their agent until they were dead letters"
