"""Wires that break: partitions without a FIN, answers that vanish, rings that nobody hears."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import httpx

from tests.chaos.faults.registry import fault
from tests.chaos.faults.submitting import submit

if TYPE_CHECKING:
    from tests.chaos.world import World

#: While no ring is heard, work has to arrive within so many seconds: who waits looks once a second.
PROBE_LIMIT_SECONDS = 5.0


def _tenant_routes(world: World, *names: str) -> list[str]:
    return [f"{name}-{tenant.number}" for name in names for tenant in world.tenants]


@fault("part agents from the server", 7)
def part_agents(world: World, chance: random.Random) -> str:
    """Nothing goes between some agents and the server for longer than a lease lasts, and nothing is closed."""
    routes = chance.sample(_tenant_routes(world, "axme", "socket-a", "socket-b"), 2)
    with world.parted(*routes) as how:
        time.sleep(chance.uniform(4, 6))
    return how


@fault("part a web process from the database", 6)
def part_database(world: World, chance: random.Random) -> str:
    """Nothing goes between a web process and PostgreSQL, and nothing is closed; the other process serves."""
    number = chance.randrange(len(world.web))
    with world.parted(f"db-web-{number}") as how:
        time.sleep(1.5)
        try:
            asked = httpx.get(f"{world.web[number].base_url}/healthz/ready", timeout=3)
            is_cut_off = asked.status_code == 503
        except httpx.HTTPError:
            is_cut_off = True
        time.sleep(chance.uniform(1, 3))
    return how if is_cut_off else ""


@fault("reset connections", 3)
def reset(world: World, chance: random.Random) -> str:
    """Connections of agents and of the load are reset, and refused for a second."""
    routes = chance.sample(_tenant_routes(world, "axme", "socket-a", "socket-b", "load"), 3)
    with world.network.broken("cut", *routes) as reset:
        time.sleep(chance.uniform(0.3, 1))
    return ", ".join(f"{count} connections of {name}" for name, count in reset.items() if count)


@fault("lose answers", 6)
def lose_answers(world: World, chance: random.Random) -> str:
    """Requests arrive and are done, and their answers vanish: clients time out after the commit."""
    route = f"load-{chance.choice(world.tenants).number}"
    with world.network.broken("mute", route) as lost:
        time.sleep(world.patience(4) + chance.uniform(0.5, 2))
    return f"{lost[route]} answers of {route} were lost" if lost[route] else ""


@fault("drop all rings", 9)
def drop_rings(world: World, chance: random.Random) -> str:
    """The doorbell takes every ring and none arrives; work comes all the same, by everybody's own look."""
    routes = [f"valkey-web-{number}" for number in range(len(world.web))]
    with world.network.broken("deaf", *routes) as dropped:
        time.sleep(0.5)
        for _ in range(2):
            _probe(world, chance, "all rings were dropped")
    count = sum(dropped.values())
    return f"{count} messages were dropped" if count else ""


@fault("shuffle rings", 5)
def shuffle_rings(world: World, chance: random.Random) -> str:
    """Rings arrive twice and in another order."""
    routes = [f"valkey-web-{number}" for number in range(len(world.web))]
    with world.network.broken("shuffle", *routes) as shuffled:
        time.sleep(chance.uniform(3, 5))
    count = sum(shuffled.values())
    return f"{count} messages were doubled and shuffled" if count else ""


def _probe(world: World, chance: random.Random, during: str) -> None:
    """Submit at one web process for an agent that waits at the other, and note when it was begun."""
    tenant = chance.choice(world.tenants)
    here, there = chance.sample(range(len(world.web)), 2)
    headers = {"x-api-key": tenant.accounts["frozen"].key}
    stream_path = f"/v1/agents/{tenant.accounts['frozen'].name}/intents/stream?hold=1&wait_seconds=55"
    with (
        httpx.Client(base_url=world.web[there].base_url, headers=headers, timeout=60) as agent,
        agent.stream("GET", stream_path) as stream,
    ):
        stream.raise_for_status()
        lines = stream.iter_lines()
        time.sleep(1.2)  # it is known to be there, and has looked
        intent_id = submit(world, tenant, "frozen", route=f"web-{here}")
        submitted = time.time()
        seconds = None
        deadline = submitted + world.patience(12)
        for line in lines:
            if intent_id in line:
                seconds = time.time() - submitted
                break
            if time.time() > deadline:
                break
    world.journal.note(
        "probe",
        intent=intent_id,
        seconds=seconds,
        limit=world.patience(PROBE_LIMIT_SECONDS),
        during=during,
    )
    operation = world.journal.invoke("cancel", intent=intent_id)
    body = {"status": "CANCELED", "reason": "a probe"}
    try:
        answer = httpx.post(
            f"{world.web[here].base_url}/v1/intents/{intent_id}/resolve",
            json=body,
            headers={"x-api-key": tenant.key},
            timeout=60,
        )
    except httpx.HTTPError:
        operation.unknown()
        raise
    operation.ok() if answer.is_success else operation.unknown(status=answer.status_code)
