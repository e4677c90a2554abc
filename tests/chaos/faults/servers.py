"""PostgreSQL and Valkey that go away, come back, forget everything, hang, or have no room left."""

from __future__ import annotations

import os
import random
import signal
import time
from typing import TYPE_CHECKING

import psutil
import redis

from tests.chaos.faults.registry import NotHere, fault
from tests.servers import wait_until

if TYPE_CHECKING:
    from tests.chaos.world import World

KILOBYTE = 1024
#: What the disk has left when it has become small.
ROOM = 6 * KILOBYTE**2


def _restart_postgres(world: World, number: signal.Signals, pause: float) -> str:
    postgres = world.perdure.postgres
    before = postgres.pid()
    assert before is not None
    os.kill(before, number)
    wait_until(lambda: not postgres.is_running(), 30, "PostgreSQL has ended")
    time.sleep(pause)
    postgres.start()
    return f"process {before} ended by {number.name}" if postgres.pid() != before else ""


@fault("restart PostgreSQL (fast)", 5)
def restart_fast(world: World, chance: random.Random) -> str:
    """PostgreSQL is told to stop at once and is back after some seconds."""
    return _restart_postgres(world, signal.SIGINT, chance.uniform(0, 2))


@fault("restart PostgreSQL (immediate)", 5)
def restart_immediate(world: World, chance: random.Random) -> str:
    """PostgreSQL leaves without a checkpoint, and recovers from its log."""
    return _restart_postgres(world, signal.SIGQUIT, chance.uniform(0, 2))


@fault("kill PostgreSQL", 5)
def kill_postgres(world: World, chance: random.Random) -> str:
    """SIGKILL to PostgreSQL's first process."""
    return _restart_postgres(world, signal.SIGKILL, chance.uniform(0, 2))


@fault("kill a backend of PostgreSQL", 4)
def kill_backend(world: World, chance: random.Random) -> str:
    """SIGKILL to one connection's process: PostgreSQL drops all the others and recovers by itself."""
    postgres = world.perdure.postgres
    pids = [
        row[0] for row in world.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'perdure'")
    ]
    if not pids:
        return ""
    os.kill(chance.choice(pids), signal.SIGKILL)
    wait_until(postgres.is_answering, 30, "PostgreSQL has recovered")
    return "a backend was killed"


@fault("kill Valkey", 5)
def kill_valkey(world: World, chance: random.Random) -> str:
    """SIGKILL to Valkey, which comes back empty."""
    valkey = world.perdure.valkey
    valkey.kill()
    landed = not valkey.is_answering()
    time.sleep(chance.uniform(1, 3))
    valkey.start()
    return "Valkey was killed" if landed else ""


@fault("empty Valkey", 2)
def flush_valkey(world: World, chance: random.Random) -> str:
    """Valkey forgets everything, the tasks on their way included, and lives on."""
    with redis.Redis.from_url(world.perdure.environment["REDIS_URL"]) as valkey:
        valkey.flushall()
        valkey.client_kill_filter(_type="normal", skipme=True)
        valkey.client_kill_filter(_type="pubsub", skipme=True)
    time.sleep(1)
    return "Valkey was emptied, its connections were cut"


@fault("freeze Valkey", 6)
def freeze_valkey(world: World, chance: random.Random) -> str:
    """SIGSTOP to Valkey: connections stay open, and nothing answers."""
    pid = world.perdure.valkey.pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        landed = not world.perdure.valkey.is_answering()
        time.sleep(chance.uniform(1, 3))
    finally:
        os.kill(pid, signal.SIGCONT)
    return "Valkey was frozen" if landed else ""


@fault("fill the disk", 8)
def fill_disk(world: World, chance: random.Random) -> str:
    """The data directory's disk has no byte left, until somebody makes room; PostgreSQL may die of it."""
    if not world.has_small_disk:
        raise NotHere("a disk of a given size needs root, and a kernel that lets it mount one")
    home = world.perdure.home
    ballast = home / "ballast"
    # Made smaller rather than filled from end to end: what is on it is memory. The rest is filled by a write of ours.
    world.resize_disk(psutil.disk_usage(str(home)).used + ROOM)
    try:
        with ballast.open("wb") as file:
            _fill(file.fileno())
        landed = psutil.disk_usage(str(home)).free < KILOBYTE**2
        time.sleep(chance.uniform(2, 4))
    finally:
        ballast.unlink(missing_ok=True)
        world.resize_disk(world.disk_bytes)
    wait_until(lambda: world.perdure.postgres.start() or True, 60, "PostgreSQL is back")
    return "the disk was full" if landed else ""


def _fill(descriptor: int) -> None:
    block = b"\0" * 64 * KILOBYTE
    try:
        while os.write(descriptor, block):
            pass
    except OSError:
        return
