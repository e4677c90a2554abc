"""All of Perdure on one machine, until Ctrl-C: what `make up` starts."""

from __future__ import annotations

import fcntl
import http.client
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings.development")

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from controlplane import home, lifeline, services, supervisor
from controlplane.lifeline import Lifeline
from controlplane.listener import PortTaken, listen
from controlplane.supervisor import Child, Watch

#: What a predecessor that was killed leaves behind closes its sockets within this time.
LEFTOVERS_SECONDS = 10


class Refusal(Exception):
    """Perdure cannot run here, for a reason that its user can change."""


def main() -> int:
    """Run until stopped; the exit code tells whether it ever could."""
    lifeline.hold()
    django.setup()
    try:
        with supervisor.stopping_on_signals():
            run(settings.PERDURE_HOME)
    except (Refusal, PortTaken, services.ServerFailed) as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    except supervisor.Stopped:
        say("Stopped.")
    return 0


def run(place: Path) -> None:
    """Start everything in its order, watch it, and stop it in the reverse order."""
    with only_one_of(place) as predecessor_was_killed:
        listener = open_port(LEFTOVERS_SECONDS if predecessor_was_killed else 0)
        host, port = listener.getsockname()[:2]
        servers = embedded_servers(place)
        children: list[Child] = []
        try:
            share_figures(place / "run" / "metrics")
            pipe = Lifeline()
            children += ours(pipe, listener.fileno())
            for child in children:
                child.start()  # loading themselves takes them longest, and needs nothing of what follows
            for server in servers:
                say(f"{server.name} {'starts' if server.start() else 'was running already'}.")
            migrate()
            pipe.open_gate()
            facts = boot(place, host, port)
            watches = [*map(Watch, servers), *map(Watch, children)]
            announced = False
            while True:
                for watch in watches:
                    watch.look()
                if not announced and (announced := answers(facts["AXME_BASE_URL"])):
                    announce(place, facts)
                time.sleep(supervisor.LOOK_SECONDS)
        finally:
            listener.close()
            supervisor.stop(children)
            for server in reversed(servers):
                server.stop()


def share_figures(place: Path) -> None:
    """Let the children count into files here, so that `/metrics` of one tells of all; begin from zero."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(place)


@contextmanager
def only_one_of(place: Path) -> Iterator[bool]:
    """Hold the home for this process; tell whether who held it last had no time to tidy up."""
    home.prepare(place)
    with (place / "up.pid").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal(f"Perdure runs from {place} already, as process {_content(file)}.") from None
        was_killed = bool(_content(file))
        _write(file, str(os.getpid()))
        yield was_killed
        _write(file, "")


def open_port(patience: float) -> socket.socket:
    """The listening socket; waits a little where a killed predecessor may still be closing its own."""
    deadline = time.monotonic() + patience
    while True:
        try:
            return listen(settings.PERDURE_HOST, settings.PERDURE_PORT)
        except PortTaken as taken:
            if time.monotonic() > deadline:
                raise PortTaken(f"{taken} Set PERDURE_PORT to another, or stop what listens there.") from None
        time.sleep(0.1)


def embedded_servers(place: Path) -> list[services.Server]:
    """Those that nobody provides by a variable."""
    servers: list[services.Server] = []
    if not os.environ.get("DATABASE_URL"):
        servers.append(services.PostgreSQL(place))
    if not os.environ.get("REDIS_URL"):
        servers.append(services.Valkey(place))
    return servers


def migrate() -> None:
    """Bring the database up to date. The command takes a second even where there is nothing to do, so look first."""
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)


def boot(place: Path, host: str, port: int) -> dict[str, str]:
    """Make what is missing for a first use, and write down what a user needs to know."""
    # Needs the applications, which exist only after django.setup().
    from agents.bootstrap import bootstrap

    # An unspecified host, such as 0.0.0.0, reaches this machine too.
    reachable = f"[{host}]" if ":" in host else host
    known = home.read_variables(place / "dev.env")
    address = f"http://{reachable}:{port}{settings.PERDURE_PATH_PREFIX}"
    facts = {"AXME_BASE_URL": address, **bootstrap(known)}
    home.write_variables(place / "dev.env", facts)
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    return facts


def ours(pipe: Lifeline, listener: int) -> list[Child]:
    python = [sys.executable, "-m"]
    web = [*python, "controlplane.web", "--fd", str(listener)]
    names = [f"web {number}" for number in range(1, settings.PERDURE_WEB_PROCESSES + 1)]
    return [
        *(Child(name, web, pipe, descriptors=[listener]) for name in names),
        Child("worker and beat", [*python, "controlplane.worker"], pipe),
    ]


def answers(address: str) -> bool:
    host = address.removeprefix("http://").partition("/")[0]
    client = http.client.HTTPConnection(host, timeout=1)
    try:
        client.request("GET", "/healthz/live")
        return client.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        client.close()


def announce(place: Path, facts: dict[str, str]) -> None:
    address = facts["AXME_BASE_URL"]
    say(
        f"""
Perdure runs at {address}

  Dashboard   {address}/
  Admin       {address}/admin/
  Login       {facts["PERDURE_ADMIN_USER"]}  {facts["PERDURE_ADMIN_PASSWORD"]}
  API key     {facts["AXME_API_KEY"]}

For your shell:  set -a; . {place / "dev.env"}; set +a
Ctrl-C stops everything.
"""
    )


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _content(file: IO[str]) -> str:
    file.seek(0)
    return file.read().strip()


def _write(file: IO[str], text: str) -> None:
    file.truncate(0)
    file.write(text)
    file.flush()


if __name__ == "__main__":
    raise SystemExit(main())
