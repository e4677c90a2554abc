"""What a run is made of, each piece by itself: schedules, failpoints, mutations and wires."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from intents.models import Timer
from tests import builds
from tests.chaos import census, nemesis
from tests.chaos.checker.verdicts import CHECKS
from tests.chaos.faults import FAULTS
from tests.chaos.launch import FAILPOINTS
from tests.chaos.mutations import MUTATIONS
from tests.chaos.namespaces import Spaces, entering, pulled
from tests.chaos.network import Network
from tests.chaos.profiles import ESSENTIAL, PROFILES, schedule
from tests.chaos.resp import Messages
from tests.intents.factories import make_intent, make_recipient
from tests.servers import REPOSITORY, wait_until


def test_a_seed_is_a_schedule() -> None:
    quick = PROFILES["quick"]

    assert schedule(quick, 4711) == schedule(quick, 4711)
    assert schedule(quick, 4711) != schedule(quick, 4712)


def test_every_schedule_begins_with_what_is_essential() -> None:
    for seed in range(20):
        first = {one.fault for one in schedule(PROFILES["quick"], seed)[: len(ESSENTIAL)]}
        assert first == set(ESSENTIAL) <= FAULTS.keys()


def test_a_night_has_every_fault_many_times() -> None:
    planned = [one.fault for one in schedule(PROFILES["night"], 1)]

    assert min(planned.count(name) for name in FAULTS) > 5


def test_a_schedule_is_left_when_its_time_is_over_and_that_is_said() -> None:
    planned = schedule(PROFILES["quick"], 1)
    world: Any = None  # nothing is done to it any more

    [told] = nemesis.work(world, planned, -1, lambda _: None)

    assert told.startswith(f"the last {len(planned)} of {len(planned)} faults")


def test_mutations_name_checks_and_faults_that_there_are() -> None:
    for mutation in MUTATIONS.values():
        assert mutation.red in CHECKS
        assert set(mutation.faults) <= FAULTS.keys()


def launched(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos.launch", "web"],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nothing_is_broken_under_the_settings_of_production() -> None:
    refused = launched(
        DJANGO_SETTINGS_MODULE="controlplane.settings.production", CHAOS_FAILPOINT="after-submit"
    )

    assert refused.returncode == 1
    assert "production" in refused.stderr


def test_no_module_of_the_product_knows_of_failpoints_or_mutations() -> None:
    product = [
        path for part in ("agents", "controlplane", "intents") for path in (REPOSITORY / part).rglob("*.py")
    ]
    named = [path for path in product if "CHAOS_" in path.read_text() or "tests.chaos" in path.read_text()]

    assert len(product) > 100
    assert named == []


def test_a_process_dies_at_its_failpoint_and_not_before(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys; import django; django.setup()\n"
        "from intents import coalescer\n"
        "async def execute(connection, statement): print('did', statement[0], flush=True); return []\n"
        "async def attempt(steps): return [await coalescer._execute(None, each) for each in steps]\n"
        "coalescer._execute, coalescer._attempt = execute, attempt\n"
        "from tests.chaos.launch import arm; arm(sys.argv[1])\n"
        "async def main():\n"
        "    for names in (['claim'], ['submit', 'inherit'], ['submit', 'inherit'], ['finish']):\n"
        "        await coalescer._attempt([(name, {}) for name in names])\n"
        "asyncio.run(main())"
    )
    for failpoint, done in (("after-submit:2", 5), ("before-submit:2", 3), ("before-claim:1", 0)):
        died = subprocess.run(
            [sys.executable, "-c", code, failpoint],
            cwd=REPOSITORY,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "controlplane.settings.test",
                "PERDURE_HOME": str(tmp_path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert (died.returncode, died.stdout.count("did")) == (-9, done), died.stderr
        assert died.stderr.endswith(f"died at {failpoint.partition(':')[0]}\n")
    assert {"before-finish", "after-finish", "before-due_timers", "after-due_timers"} <= set(FAILPOINTS)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("point", ["before-due_timers", "after-due_timers"])
def test_a_worker_dies_before_or_after_what_it_commits(point: str) -> None:
    intent = make_intent(make_recipient(), ttl_seconds=60)
    Timer.objects.filter(intent=intent).update(due_at=Now() - timedelta(minutes=1))
    code = (
        "import sys; import django; django.setup()\n"
        "from tests.chaos.launch import arm; arm(sys.argv[1])\n"
        "from intents.sweep import sweep; sweep()"
    )

    server, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    environment = {**os.environ, "DATABASE_URL": f"{server}/{connection.settings_dict['NAME']}"}
    died = subprocess.run(
        [sys.executable, "-c", code, point],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert died.returncode == -9, died.stderr
    assert died.stderr.endswith(f"died at {point}\n")
    intent.refresh_from_db()
    assert (intent.status == "TIMED_OUT") == point.startswith("after")


def test_an_earlier_build_is_another_commit_that_knows_the_same_database(tmp_path: Path) -> None:
    try:
        build = builds.earlier(tmp_path)
    except builds.NoBuild as reason:
        pytest.skip(str(reason))

    def migrations(place: Path) -> dict[str, bytes]:
        found = (path for app in ("agents", "intents") for path in (place / app / "migrations").glob("*.py"))
        return {path.name: path.read_bytes() for path in found}

    at_head = subprocess.run(
        ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert build.commit != at_head
    assert (build.directory / "controlplane" / "web.py").exists()
    assert migrations(build.directory) == migrations(REPOSITORY)


# -- the wires ------------------------------------------------------------------------------------------------------


@pytest.fixture
def echo() -> Iterator[tuple[Network, socket.socket]]:
    """A network with one route, to a server that this test accepts for."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        network = Network()
        network.route("wire", f"127.0.0.1:{server.getsockname()[1]}")
        network.start()
        yield network, server
        network.stop()


def connected(network: Network, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection through the wire."""
    host, port = network.address("wire").split(":")
    client = socket.create_connection((host, int(port)), timeout=20)
    there, _ = server.accept()
    there.settimeout(20)
    # A byte each way: the proxy has joined both ends, and knows of them when it is told to break the wire.
    for one, other in ((client, there), (there, client)):
        one.sendall(b".")
        assert other.recv(1) == b"."
    return client, there


def test_a_frozen_wire_holds_what_is_sent_and_closes_nothing(echo: tuple[Network, socket.socket]) -> None:
    client, there = connected(*echo)
    with client, there, echo[0].broken("freeze", "wire"):
        client.sendall(b"hello")
        there.settimeout(0.5)
        with pytest.raises(TimeoutError):
            there.recv(10)
        assert echo[0].set("wire", "pass") == 1
        there.settimeout(20)
        assert there.recv(10) == b"hello"


def test_a_mute_wire_takes_requests_and_loses_answers(echo: tuple[Network, socket.socket]) -> None:
    client, there = connected(*echo)
    with client, there:
        echo[0].set("wire", "mute")
        client.sendall(b"ask")
        assert there.recv(10) == b"ask"
        there.sendall(b"answer")
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.recv(10)
        assert echo[0].set("wire", "pass") == 1
        client.settimeout(20)
        with pytest.raises(ConnectionResetError):
            client.recv(10)


def test_a_cut_wire_resets(echo: tuple[Network, socket.socket]) -> None:
    client, there = connected(*echo)
    with client, there:
        echo[0].set("wire", "cut")
        with pytest.raises(ConnectionResetError):
            client.recv(10)
        assert echo[0].set("wire", "pass") == 1


#: Says a word to who listens there, and then each word that it is told.
TALK = "import socket, sys; there = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20); there.sendall(b'.')"
TALK += "; [there.sendall(line.encode()) for line in sys.stdin]; sys.exit(there.recv(1) != b'!')"


def test_without_its_cable_a_machine_is_silent_and_its_connections_outlive_that() -> None:
    spaces = Spaces()
    if reason := spaces.missing():
        pytest.skip(reason)
    try:
        link = spaces.link("talks")
        with socket.create_server((link.ours, 0)) as server:
            server.settimeout(20)
            port = str(server.getsockname()[1])
            command = entering(link, [sys.executable, "-uc", TALK, link.ours, port])
            with subprocess.Popen(command, stdin=subprocess.PIPE, text=True, bufsize=1) as talker:
                assert talker.stdin
                there, _ = server.accept()
                with there:
                    there.settimeout(20)
                    assert there.recv(1) == b"."
                    with pulled(link):
                        assert link.is_dead()
                        talker.stdin.write("unheard\n")
                        talker.stdin.close()
                        there.settimeout(0.5)
                        with pytest.raises(TimeoutError):
                            there.recv(1)
                    wait_until(lambda: not link.is_dead(), 20, "the cable is plugged in again")
                    there.settimeout(20)
                    assert there.recv(100) == b"unheard\n"
                    there.sendall(b"!")
                assert talker.wait(20) == 0
    finally:
        spaces.close()


def test_a_process_tells_its_tasks_when_it_is_asked(tmp_path: Path) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from tests.chaos import census\n"
        "census.answer(Path(sys.argv[1]))\n"
        "async def main():\n"
        "    others = [asyncio.create_task(asyncio.sleep(60)) for _ in range(4)]\n"
        "    print('ready', flush=True); await asyncio.gather(*others)\n"
        "asyncio.run(main())"
    )
    path = tmp_path / "census.json"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        assert census.take(process.pid, path) == 5
        process.kill()


MESSAGE = b"*3\r\n$7\r\nmessage\r\n$4\r\nroom\r\n$5\r\nhello\r\n"
PUSHED = b">" + MESSAGE[1:]
SUBSCRIBED = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nroom\r\n:1\r\n"


@pytest.mark.parametrize("message", [MESSAGE, PUSHED], ids=["reply", "push"])
def test_a_deaf_wire_drops_messages_and_passes_all_else(message: bytes) -> None:
    data = SUBSCRIBED + message + b"+PONG\r\n" + message + b"$-1\r\n%1\r\n+a\r\n:1\r\n"
    for size in (1, 7, len(data)):
        messages = Messages(random.Random(1))
        pieces = [messages.treat(data[start : start + size], "deaf") for start in range(0, len(data), size)]
        assert b"".join(pieces) == data.replace(message, b"")


def test_shuffled_messages_are_all_there_at_least_once() -> None:
    messages = Messages(random.Random(1))
    sent = [MESSAGE.replace(b"hello", b"%05d" % number) for number in range(50)]
    passed = messages.treat(b"".join(sent), "shuffle") + messages.rest()

    assert all(each in passed for each in sent)
    assert len(passed) > len(MESSAGE) * 50
    assert passed != b"".join(sorted(sent))
