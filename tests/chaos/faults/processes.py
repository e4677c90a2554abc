"""Processes of Perdure that die: by SIGKILL at any moment, or politely in turns."""

from __future__ import annotations

import random
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from tests import builds
from tests.chaos.faults.registry import NotHere, fault
from tests.chaos.faults.submitting import submit
from tests.servers import Process, Web, wait_until

if TYPE_CHECKING:
    from tests.chaos.world import World

#: Who is told to stop finishes what it has in hand.
STOP_SECONDS = 30
#: What a build consists of; whatever runs of it leaves compiled files there.
PARTS = ("controlplane", "agents", "intents")
KEEPS_WHAT_IT_COMPILES = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": ""}


@fault("kill a web process", 5)
def kill_web(world: World, chance: random.Random) -> str:
    """SIGKILL to one web process, which is started again after a second or so."""
    web = chance.choice(world.web)
    web.kill()
    landed = not web.is_running()
    time.sleep(chance.uniform(0.2, 2))
    web.start()
    web.wait()
    return f"{web.name} was killed" if landed else ""


@fault("kill both web processes", 5)
def kill_webs(world: World, chance: random.Random) -> str:
    """SIGKILL to all web processes at once."""
    for web in world.web:
        web.kill()
    landed = not any(web.is_answering() for web in world.web)
    time.sleep(chance.uniform(0, 1))
    for web in world.web:
        web.start()
    for web in world.web:
        web.wait()
    return "both were killed" if landed else ""


@fault("kill worker and beat", 5)
def kill_worker(world: World, chance: random.Random) -> str:
    """SIGKILL to worker and beat, which stay away for some sweeps."""
    world.worker.kill()
    landed = not world.worker.is_running()
    time.sleep(chance.uniform(2, 4))
    world.worker.start()
    return "the worker was killed" if landed else ""


@fault("kill an agent", 8)
def kill_agent(world: World, chance: random.Random) -> str:
    """SIGKILL to two agents in the middle of their work, which is begun again; their keeper starts them again."""
    cut_short = {}
    for kind in ("socket", "axme"):
        tenant = chance.choice(world.tenants)
        payload = {"work": 3.0, "steps": 1}
        intent_id = submit(world, tenant, kind, payload=payload, max_delivery_attempts=10)
        begun = partial(world.runs_of, intent_id)
        who = wait_until(begun, world.patience(20), f"{kind} begins")[0]["who"]
        next(agent for agent in world.agents if agent.name == who).kill()
        cut_short[who] = begun
    for who, begun in cut_short.items():
        wait_until(lambda: len(begun()) > 1, world.patience(30), f"the work of {who} is begun again")  # noqa: B023
    return ", ".join(cut_short) + " were killed at work"


@fault("rolling restart", 9)
def rolling_restart(world: World, chance: random.Random) -> str:
    """Every web process and the worker are told to stop and started again, one after the other."""
    processes: list[Process] = [*world.web, world.worker]
    chance.shuffle(processes)
    for process in processes:
        _replace(world, process)
    return "all were restarted in turns"


@fault("rolling restart between two builds", 20)
def between_builds(world: World, chance: random.Random) -> str:
    """Processes are replaced in turns by those of an earlier commit, which work beside the others, and back again."""
    try:
        build = builds.earlier(world.directory)
    except builds.NoBuild as reason:
        raise NotHere(str(reason)) from reason
    parts = chance.sample(world.parts(), len(world.parts()))
    now = {name: (process.command, process.environment, process.code) for process, name in parts}
    try:
        for process, name in parts:
            earlier = [sys.executable, "-m", f"controlplane.{name.partition('-')[0]}"]
            process.command = world.on_its_machine(name, earlier)
            process.environment = {**process.environment, **KEEPS_WHAT_IT_COMPILES}
            process.code = build.directory
            _replace(world, process)
        time.sleep(chance.uniform(1, 2))
        landed = all((build.directory / part / "__pycache__").is_dir() for part in PARTS)
    finally:
        for process, name in parts:
            process.command, process.environment, process.code = now[name]
            _replace(world, process)
    return f"all were replaced by those of {build.commit[:10]}, and back" if landed else ""


def _replace(world: World, process: Process) -> None:
    process.stop(world.patience(STOP_SECONDS))
    process.start()
    if isinstance(process, Web):
        process.wait()
        time.sleep(0.5)
