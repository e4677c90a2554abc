"""What thousands of agents cost that only wait: memory, connections to the database, processor time, queries."""

from __future__ import annotations

import time
from collections.abc import Iterator

from bench.options import Options
from bench.perdure import Perdure
from bench.processes import Client
from bench.report import Figure

#: How long a stream waits before its client asks anew: the most that it may.
WAIT_SECONDS = 60
SETTLE_SECONDS = 5
QUIET_SECONDS = 20
#: How many come and go first, so that what they leave in the process is not counted as theirs.
REHEARSAL = 200


def figures(perdure: Perdure, options: Options) -> Iterator[Figure]:
    """For streams and for websockets."""
    perdure.database.clean()
    for name, by in (("idle_sse", "sse"), ("idle_websocket", "websocket")):
        if options.wants(name):
            yield from measure(perdure, name, by, options.streams)


def measure(perdure: Perdure, name: str, by: str, count: int) -> Iterator[Figure]:
    """The cost of so many idle agents on this Perdure's web processes."""
    with _crowd(perdure, by, REHEARSAL) as rehearsal:
        rehearsal.read(150)
    time.sleep(SETTLE_SECONDS)
    before = _memory(perdure)
    with _crowd(perdure, by, count) as crowd:
        started = crowd.read(150)
        time.sleep(SETTLE_SECONDS)
        yield Figure(
            f"{name}.memory", (_memory(perdure) - before) / count / 1024, "KiB/stream", wanted="≤ 60"
        )
        share, queries = _watch(perdure, QUIET_SECONDS)
        yield Figure(f"{name}.cpu", share * 100, "% of a core", wanted="≤ 2", note="none reconnects")
        yield Figure(f"{name}.queries", queries, "transactions/s")
        connections = perdure.database.web_connections()
        yield Figure(f"{name}.database_connections", connections, "connections", wanted="≤ 12")
        if by == "sse":
            share, queries = _watch(perdure, WAIT_SECONDS)
            note = f"each asks anew once in {WAIT_SECONDS} s"
            yield Figure(f"{name}.cpu_reconnecting", share * 100, "% of a core", note=note)
            yield Figure(f"{name}.queries_reconnecting", queries, "transactions/s", note=note)
        held = crowd.ask("check")["open"]  # an error if any of them was closed
        yield Figure(f"{name}.held", held, "connections", note=f"of {started['open']}, to the end")


def _crowd(perdure: Perdure, by: str, count: int) -> Client:
    return Client(
        "crowd",
        by=by,
        url=perdure.url,
        socket_url=perdure.socket_url,
        key=perdure.key,
        name=f"idle-{by}",
        count=count,
        wait_seconds=WAIT_SECONDS,
    )


def _memory(perdure: Perdure) -> float:
    """What the web processes alone would give back: shared pages are shared out among those who share them."""
    return float(sum(process.memory_full_info().pss for process in perdure.web()))


def _watch(perdure: Perdure, seconds: float) -> tuple[float, float]:
    """The web processes' share of one core, and the database's transactions a second, over so many seconds."""
    processor, transactions = perdure.cpu_seconds()["web"], perdure.database.transactions()
    started = time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - started
    share = (perdure.cpu_seconds()["web"] - processor) / elapsed
    # One is our own question; each goes by itself.
    return share, (perdure.database.transactions() - transactions - 1) / elapsed
