"""Runs the peers: installs each on demand, gives it a database of its own beside Perdure's, and measures it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, LiteralString
from urllib.parse import quote

import psycopg
import redis

from bench.options import Options
from bench.peers.catalogue import PEERS, Entry
from bench.peers.load import FRAME
from bench.perdure import Perdure
from bench.processes import Client
from bench.report import Figure, latency
from controlplane import services

REPOSITORY = Path(__file__).resolve().parents[2]
RATE = 20
#: Celery's things lie apart from the doorbell's.
VALKEY_DATABASE = 5
LOGGED = {"appendonly": "yes", "appendfsync": "always"}


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """Those of the chosen peers.

    Raises:
        RuntimeError: some could not be installed here, or measured; they are named, and all others have been measured.
    """
    missing = []
    for entry in PEERS:
        if options.wants(f"peer_{entry.name}"):
            if why := _install(entry.name):
                sys.stderr.write(f"peer_{entry.name} is skipped: {why}\n")
                missing.append(f"{entry.name} is skipped")
                continue
            try:
                with _place(perdure, entry) as place:
                    yield from _measure(place, entry, options)
            except (RuntimeError, psycopg.Error) as error:
                sys.stderr.write(f"peer_{entry.name} failed: {error}\n")
                missing.append(f"{entry.name} failed")
    if missing:
        raise RuntimeError(f"not all peers were measured: {', '.join(missing)}")


def _install(name: str) -> str:
    """Make its environment if it is not there; why that cannot be, or nothing."""
    command = ["make", "--no-print-directory", f".venvs/peer-{name}/installed", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if not done.returncode:
        return ""
    return next(
        (line for line in reversed(done.stderr.splitlines()) if line.strip()), "it cannot be installed"
    )


@contextmanager
def _place(perdure: Perdure, entry: Entry) -> Iterator[dict[str, Any]]:
    """What its processes are to know: a database of its own on the same server, or a part of the same Valkey."""
    name, directory = f"peer_{entry.name}", perdure.directory / f"peer-{entry.name}"
    directory.mkdir()
    url = services.database_url(perdure.home)
    host = quote(str(services.socket_directory(perdure.home)), safe="")
    place: dict[str, Any] = {
        "peer": entry.name,
        "directory": str(directory),
        "url": f"postgresql://{services.DATABASE}@/{name}?host={host}",
        "ports": [_free_port() for _ in range(4)],
    }
    path = services.redis_url(perdure.home).removeprefix("unix://")
    valkey = redis.Redis(unix_socket_path=path, db=VALKEY_DATABASE)
    before: dict[str, str] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        _execute(connection, "CREATE DATABASE {}", name)
        try:
            if entry.is_in_valkey:
                place["valkey"] = path
                place["redis"] = f"redis+socket://{path}?virtual_host={VALKEY_DATABASE}"
                before = {setting: str(valkey.config_get(setting)[setting]) for setting in LOGGED}
                for setting, value in LOGGED.items():
                    valkey.config_set(setting, value)
            yield place
        finally:
            for setting, value in before.items():
                valkey.config_set(setting, value)
            if entry.is_in_valkey:
                valkey.flushdb()
            valkey.close()
            _execute(connection, "DROP DATABASE {} WITH (FORCE)", name)
            shutil.rmtree(directory, ignore_errors=True)


def _execute(connection: psycopg.Connection, statement: LiteralString, name: str) -> None:
    connection.execute(psycopg.sql.SQL(statement).format(psycopg.sql.Identifier(name)))


def _measure(place: dict[str, Any], entry: Entry, options: Options) -> Iterator[Figure]:
    with _client(place, "prepare") as preparing:
        versions = preparing.read(120)["versions"]
    note = " ".join(f"{made_of} {version}" for made_of, version in versions.items())
    name = f"peer_{entry.name}"
    for what, frame in (("single", 1), ("batched", FRAME)):
        if what in entry.measures:
            words = f"press {options.seconds} {frame}"
            rates = _rates(place, entry, ("worker", "submitter"), words, options)
            yield Figure(f"{name}.{what}", median(rates), "tasks/s", note=note, runs=rates)
    if "latency" in entry.measures:
        waits = _latency(place, entry, options)
        for what in ("start", "seen"):
            yield latency(f"{name}.{what}", waits[what], parts=options.rounds, note=note)
    if "checkpoints" in entry.measures:
        roles = ("worker", "steps") if entry.has_worker_for_steps else ("steps",)
        rates = _rates(place, entry, roles, f"go {options.seconds}", options)
        yield Figure(f"{name}.checkpoints", median(rates), "checkpoints/s", note=note, runs=rates)


def _rates(
    place: dict[str, Any], entry: Entry, roles: Sequence[str], words: str, options: Options
) -> list[float]:
    """What was counted a second in each round, on empty tables. One before them, of the same length, does not count."""
    patience, rates = options.seconds + 120, []
    with ExitStack() as running:
        doing = _started(running, place, roles)
        doing.ask(words, patience)
        for number in range(options.rounds):
            if entry.is_server and number:
                running.close()
                _clean(place, entry)
                doing = _started(running, place, roles)
                doing.ask(words, patience)
            elif not entry.is_server:
                _clean(place, entry)
            done = doing.ask(words, patience)
            rates.append(done["count"] / done["seconds"])
    return rates


def _started(running: ExitStack, place: dict[str, Any], roles: Sequence[str]) -> Client:
    """Its processes, ready; the last of them is the one that is told what to do."""
    clients = [running.enter_context(_client(place, role)) for role in roles]
    for client in clients:
        client.read(120)
    return clients[-1]


def _clean(place: dict[str, Any], entry: Entry) -> None:
    """Leave it as little as our tables have when a round begins: what was there before any, and no dead rows."""
    if entry.is_server:
        shutil.rmtree(Path(place["directory"]) / entry.name, ignore_errors=True)
    elif entry.is_in_valkey:
        with redis.Redis.from_url(f"unix://{place['valkey']}?db={VALKEY_DATABASE}") as valkey:
            for key in list(valkey.scan_iter(match="celery-task-meta-*", count=1000)):
                valkey.unlink(key)
            valkey.bgrewriteaof()
            while valkey.info("persistence")["aof_rewrite_in_progress"]:
                time.sleep(0.05)
    else:
        with psycopg.connect(place["url"], autocommit=True) as connection:
            connection.execute("SET lock_timeout = '20s'")
            names = psycopg.sql.SQL(", ").join(
                psycopg.sql.Identifier(*table.split(".")) for table in entry.tables
            )
            connection.execute(psycopg.sql.SQL("TRUNCATE {} CASCADE").format(names))
            connection.execute("VACUUM")


def _latency(place: dict[str, Any], entry: Entry, options: Options) -> dict[str, list[float]]:
    seconds = options.seconds * options.rounds
    _clean(place, entry)
    with _client(place, "worker") as worker, _client(place, "submitter") as submitter:
        worker.read(120)
        submitter.read(120)
        warm = submitter.ask(f"pace 1 {RATE}", 60)["count"]
        done = submitter.ask(f"pace {seconds} {RATE}", seconds + 60)
        known = worker.ask("stop")["start"]
    return {"start": done["start"] or known[warm:], "seen": done["seen"]}


class _Client(Client):
    """Runs with the peer's interpreter."""

    package = "bench.peers"

    def __init__(self, module: str, **configuration: Any) -> None:
        name = f"peer-{configuration['peer']}"
        self.interpreter = str(REPOSITORY / ".venvs" / name / "bin" / "python")
        self.environment = {"BENCH_PEER_REDIS": configuration.get("redis", ""), "PYTHONWARNINGS": "ignore"}
        super().__init__(module, **configuration)


@contextmanager
def _client(place: dict[str, Any], role: str) -> Iterator[Client]:
    """A process of the peer, which ends when it hears nothing more."""
    with _Client("load", role=role, **place) as client:
        try:
            yield client
        finally:
            client.leave()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port
