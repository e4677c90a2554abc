"""PostgreSQL and Valkey that go away, come back, forget everything, hang, or have no room left."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg
import redis

from tests.chaos.faults.registry import NotHere, fault
from tests.servers import wait_until

if TYPE_CHECKING:
    from tests.chaos.world import World

KILOBYTE = 1024
#: What the disk has left when it has become small.
ROOM = 6 * KILOBYTE**2
#: What PostgreSQL says when it cannot write. It has to come to that by itself, by what the load writes.
NO_SPACE, NOTICED_SECONDS = b"No space left on device", 20


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
    before = _backends(world)
    if not before:
        return ""
    victim = chance.choice(sorted(before))
    os.kill(victim, signal.SIGKILL)

    def are_all_gone() -> bool:
        try:
            return not before & _backends(world)
        except psycopg.OperationalError:  # it recovers
            return False

    wait_until(are_all_gone, world.patience(30), "PostgreSQL has recovered without its old connections")
    return f"backend {victim} was killed, {len(before)} connections were dropped"


def _backends(world: World) -> set[int]:
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'perdure'"
    return {row[0] for row in world.rows(query)}


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
    """The data directory's file system has no byte left until PostgreSQL has failed to write, and then for a while."""
    if not world.has_small_disk:
        raise NotHere("a disk of a given size needs root, and a kernel that lets it mount one")
    home, log = world.perdure.home, world.perdure.postgres.log
    ballast, read = home / "ballast", log.stat().st_size
    began = time.monotonic()
    # Made smaller rather than filled from end to end: what is on it is memory. The rest is filled by a write of ours.
    world.resize_disk(psutil.disk_usage(str(home)).used + ROOM)
    try:
        with ballast.open("wb") as file:
            _fill(file.fileno())
        landed = _comes_to(log, read, NO_SPACE, world.patience(NOTICED_SECONDS))
        seconds = time.monotonic() - began
        time.sleep(chance.uniform(1, 3))
    finally:
        ballast.unlink(missing_ok=True)
        world.resize_disk(world.disk_bytes)
    wait_until(lambda: world.perdure.postgres.start() or True, 60, "PostgreSQL is back")
    return f"the disk was full, which PostgreSQL met after {seconds:.1f} s" if landed else ""


def _comes_to(log: Path, read: int, words: bytes, seconds: float) -> bool:
    """Whether the log says these words, after what had been read of it, within so many seconds."""
    deadline = time.monotonic() + seconds
    while words not in log.read_bytes()[read:]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _fill(descriptor: int) -> None:
    block = b"\0" * 64 * KILOBYTE
    try:
        while os.write(descriptor, block):
            pass
    except OSError:
        return
